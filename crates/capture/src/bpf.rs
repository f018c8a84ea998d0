//! Programs of the classic BSD packet filter (McCanne and Jacobson, 1993; pcap/bpf.h), run on
//! packets in memory.
//!
//! Guarantees: a program is checked once, when it is made, so that it stays inside itself and its
//! memory; a packet it reads beyond is refused, as are the addresses at which the kernel of Linux
//! offers what it knows beside a packet, since nobody has kept that. Every run ends: what may go
//! backward is the one jump that libpcap makes for `protochain`, and it is taken once for each octet
//! of the packet at most.
//!
//! Results are those of libpcap's own interpreter.

/// Instructions of a program at most: `BPF_MAXINSNS` of pcap/bpf.h.
const MOST_INSTRUCTIONS: usize = 4096;
/// Words of memory that a program has: `BPF_MEMWORDS`.
const MEMORY_WORDS: usize = 16;

/// One instruction, as libpcap's compiler makes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Instruction {
    /// What is done.
    pub code: u16,
    /// Instructions skipped where a condition holds.
    pub jump_true: u8,
    /// Instructions skipped where it does not.
    pub jump_false: u8,
    /// Its number.
    pub k: u32,
}

/// A program that was checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    instructions: Box<[Instruction]>,
    operations: Box<[Operation]>,
}

/// An instruction in the form it is run in: its code taken apart, its jumps as positions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operation {
    /// Into the accumulator: octets of the packet from there.
    Load(Width, usize),
    /// The same, from that far behind the index.
    LoadIndexed(Width, usize),
    LoadLength,
    LoadConstant(u32),
    LoadMemory(usize),
    /// Into the index.
    IndexLength,
    IndexConstant(u32),
    IndexMemory(usize),
    /// The length of an IPv4 header that begins there.
    IndexHeader(usize),
    Store(usize),
    StoreIndex(usize),
    Calculate(Arithmetic, Operand),
    Negate,
    Jump(usize),
    Branch(Condition, Operand, [u16; 2]),
    ReturnConstant(u32),
    ReturnAccumulator,
    AccumulatorToIndex,
    IndexToAccumulator,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Width {
    Octet,
    Half,
    Word,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Arithmetic {
    Add,
    Subtract,
    Multiply,
    Divide,
    Modulo,
    And,
    Or,
    Xor,
    ShiftLeft,
    ShiftRight,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Condition {
    Equal,
    Greater,
    GreaterOrEqual,
    AnyBit,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operand {
    Constant(u32),
    Index,
}

impl Program {
    /// The program of these instructions. `None` where one of them is unknown, divides by the
    /// constant zero, names memory that there is not or jumps out of the program, and where the last
    /// is no return or there are too many.
    pub fn new(instructions: impl IntoIterator<Item = Instruction>) -> Option<Program> {
        let instructions: Box<[Instruction]> = instructions
            .into_iter()
            .take(MOST_INSTRUCTIONS + 1)
            .collect();
        if instructions.len() > MOST_INSTRUCTIONS {
            return None;
        }
        let operations: Box<[Operation]> = instructions
            .iter()
            .enumerate()
            .map(|(place, instruction)| operation(instruction, place, instructions.len()))
            .collect::<Option<_>>()?;
        match operations.last()? {
            Operation::ReturnConstant(_) | Operation::ReturnAccumulator => Some(Program {
                instructions,
                operations,
            }),
            _ => None,
        }
    }

    /// Its instructions.
    pub fn instructions(&self) -> &[Instruction] {
        &self.instructions
    }

    /// Runs the program on the captured octets of a packet that had `wire_len` on the wire. 0: the
    /// packet is refused; else how many octets of it are to be kept.
    pub fn run(&self, octets: &[u8], wire_len: u32) -> u32 {
        let (mut accumulator, mut index) = (0u32, 0u32);
        let mut memory = [0u32; MEMORY_WORDS];
        let mut jumps_left = octets.len();
        let mut next = 0;
        while let Some(operation) = self.operations.get(next) {
            next += 1;
            match *operation {
                Operation::Load(width, start) => match load(octets, width, start) {
                    Some(value) => accumulator = value,
                    None => return 0,
                },
                Operation::LoadIndexed(width, distance) => {
                    let start = distance.checked_add(index as usize);
                    match start.and_then(|start| load(octets, width, start)) {
                        Some(value) => accumulator = value,
                        None => return 0,
                    }
                }
                Operation::LoadLength => accumulator = wire_len,
                Operation::LoadConstant(k) => accumulator = k,
                Operation::LoadMemory(place) => accumulator = memory[place],
                Operation::IndexLength => index = wire_len,
                Operation::IndexConstant(k) => index = k,
                Operation::IndexMemory(place) => index = memory[place],
                Operation::IndexHeader(start) => match octets.get(start) {
                    // The header's length is the lower half of its first octet, in words.
                    Some(octet) => index = u32::from(octet & 0xf) << 2,
                    None => return 0,
                },
                Operation::Store(place) => memory[place] = accumulator,
                Operation::StoreIndex(place) => memory[place] = index,
                Operation::Calculate(how, operand) => {
                    match calculate(how, accumulator, operand.value(index)) {
                        Some(value) => accumulator = value,
                        None => return 0,
                    }
                }
                Operation::Negate => accumulator = accumulator.wrapping_neg(),
                Operation::Jump(target) => {
                    if target < next {
                        if jumps_left == 0 {
                            return 0;
                        }
                        jumps_left -= 1;
                    }
                    next = target;
                }
                Operation::Branch(condition, operand, targets) => {
                    let value = operand.value(index);
                    let holds = match condition {
                        Condition::Equal => accumulator == value,
                        Condition::Greater => accumulator > value,
                        Condition::GreaterOrEqual => accumulator >= value,
                        Condition::AnyBit => accumulator & value != 0,
                    };
                    next = usize::from(targets[usize::from(holds)]);
                }
                Operation::ReturnConstant(k) => return k,
                Operation::ReturnAccumulator => return accumulator,
                Operation::AccumulatorToIndex => index = accumulator,
                Operation::IndexToAccumulator => accumulator = index,
            }
        }
        0
    }
}

impl Operand {
    #[inline]
    fn value(self, index: u32) -> u32 {
        match self {
            Operand::Constant(k) => k,
            Operand::Index => index,
        }
    }
}

/// The number that lies there in network byte order, if the packet has it.
#[inline]
fn load(octets: &[u8], width: Width, start: usize) -> Option<u32> {
    Some(match width {
        Width::Octet => u32::from(*octets.get(start)?),
        Width::Half => u32::from(u16::from_be_bytes(*octets.get(start..)?.first_chunk()?)),
        Width::Word => u32::from_be_bytes(*octets.get(start..)?.first_chunk()?),
    })
}

/// `None` where it divides by zero.
#[inline]
fn calculate(how: Arithmetic, a: u32, b: u32) -> Option<u32> {
    Some(match how {
        Arithmetic::Add => a.wrapping_add(b),
        Arithmetic::Subtract => a.wrapping_sub(b),
        Arithmetic::Multiply => a.wrapping_mul(b),
        Arithmetic::Divide => a.checked_div(b)?,
        Arithmetic::Modulo => a.checked_rem(b)?,
        Arithmetic::And => a & b,
        Arithmetic::Or => a | b,
        Arithmetic::Xor => a ^ b,
        Arithmetic::ShiftLeft => a.checked_shl(b).unwrap_or(0),
        Arithmetic::ShiftRight => a.checked_shr(b).unwrap_or(0),
    })
}

/// What an instruction does, at its place in a program of so many, if it is sound. The numbers are
/// those of pcap/bpf.h: class, size, mode, operation and source in one code.
fn operation(instruction: &Instruction, place: usize, count: usize) -> Option<Operation> {
    let Instruction {
        code,
        jump_true,
        jump_false,
        k,
    } = *instruction;
    let start = usize::try_from(k).ok()?;
    let memory = || (start < MEMORY_WORDS).then_some(start);
    let target = |skipped: u8| {
        let target = place + 1 + usize::from(skipped);
        (target < count).then_some(target as u16)
    };
    Some(match code {
        0x20 => Operation::Load(Width::Word, start),
        0x28 => Operation::Load(Width::Half, start),
        0x30 => Operation::Load(Width::Octet, start),
        0x40 => Operation::LoadIndexed(Width::Word, start),
        0x48 => Operation::LoadIndexed(Width::Half, start),
        0x50 => Operation::LoadIndexed(Width::Octet, start),
        0x80 => Operation::LoadLength,
        0x00 => Operation::LoadConstant(k),
        0x60 => Operation::LoadMemory(memory()?),
        0x81 => Operation::IndexLength,
        0x01 => Operation::IndexConstant(k),
        0x61 => Operation::IndexMemory(memory()?),
        0xb1 => Operation::IndexHeader(start),
        0x02 => Operation::Store(memory()?),
        0x03 => Operation::StoreIndex(memory()?),
        0x84 => Operation::Negate,
        0x05 => {
            // The kernel's jump is forward only; libpcap takes the distance as signed.
            let distance = k.cast_signed() as isize;
            let target = (place + 1).checked_add_signed(distance)?;
            (target < count).then_some(Operation::Jump(target))?
        }
        0x06 => Operation::ReturnConstant(k),
        0x16 => Operation::ReturnAccumulator,
        0x07 => Operation::AccumulatorToIndex,
        0x87 => Operation::IndexToAccumulator,
        _ => {
            let operand = match code & 0x08 {
                0 => Operand::Constant(k),
                _ => Operand::Index,
            };
            let condition = match code & !0x08 {
                0x15 => Some(Condition::Equal),
                0x25 => Some(Condition::Greater),
                0x35 => Some(Condition::GreaterOrEqual),
                0x45 => Some(Condition::AnyBit),
                _ => None,
            };
            if let Some(condition) = condition {
                let targets = [target(jump_false)?, target(jump_true)?];
                return Some(Operation::Branch(condition, operand, targets));
            }
            let how = match code & !0x08 {
                0x04 => Arithmetic::Add,
                0x14 => Arithmetic::Subtract,
                0x24 => Arithmetic::Multiply,
                0x34 => Arithmetic::Divide,
                0x94 => Arithmetic::Modulo,
                0x54 => Arithmetic::And,
                0x44 => Arithmetic::Or,
                0xa4 => Arithmetic::Xor,
                0x64 => Arithmetic::ShiftLeft,
                0x74 => Arithmetic::ShiftRight,
                _ => return None,
            };
            if operand == Operand::Constant(0) {
                calculate(how, 1, 0)?;
            }
            Operation::Calculate(how, operand)
        }
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// An instruction without jumps.
    fn plain(code: u16, k: u32) -> Instruction {
        branch(code, k, 0, 0)
    }

    fn branch(code: u16, k: u32, jump_true: u8, jump_false: u8) -> Instruction {
        Instruction {
            code,
            jump_true,
            jump_false,
            k,
        }
    }

    /// What these instructions give as accumulator, on a packet of the octets 1 to 8, of 100 on the
    /// wire.
    fn result(instructions: &[Instruction]) -> Option<u32> {
        let with_return = instructions.iter().copied().chain([plain(0x16, 0)]);
        let program = Program::new(with_return)?;
        Some(program.run(&[1, 2, 3, 4, 5, 6, 7, 8], 100))
    }

    #[test]
    fn loads_stay_inside_the_packet() {
        for (code, k, expected) in [
            (0x20, 4, 0x0506_0708),
            (0x20, 5, 0),
            (0x28, 6, 0x0708),
            (0x28, 7, 0),
            (0x30, 7, 8),
            (0x30, 8, 0),
            (0x80, 0, 100),
            (0x00, 7, 7),
            // What Linux keeps beside a packet: its VLAN tag, whether it has one, its direction.
            (0x30, 0xffff_f000 + 44, 0),
            (0x30, 0xffff_f000 + 48, 0),
            (0x28, 0xffff_f000 + 4, 0),
            (0x20, u32::MAX, 0),
        ] {
            assert_eq!(result(&[plain(code, k)]), Some(expected), "{code:#x} {k}");
        }
        for (code, index, k, expected) in [
            (0x40, 2, 2, 0x0506_0708),
            (0x40, 3, 2, 0),
            (0x48, 1, 0, 0x0203),
            (0x50, 7, 0, 8),
            (0x50, 7, 1, 0),
            (0x50, 1, u32::MAX, 0),
            (0x50, u32::MAX, 1, 0),
        ] {
            let found = result(&[plain(0x01, index), plain(code, k)]);
            assert_eq!(found, Some(expected), "{code:#x} {index} {k}");
        }
        // The length of a header whose first octet is 6, and none.
        assert_eq!(result(&[plain(0xb1, 5), plain(0x87, 0)]), Some(24));
        assert_eq!(result(&[plain(0xb1, 8), plain(0x00, 1)]), Some(0));
    }

    #[test]
    fn arithmetic_is_that_of_32_bits() {
        for (code, a, b, expected) in [
            (0x04, u32::MAX, 2, 1),
            (0x14, 1, 2, u32::MAX),
            (0x24, 1 << 31, 2, 0),
            (0x34, 7, 2, 3),
            (0x94, 7, 2, 1),
            (0x54, 6, 3, 2),
            (0x44, 6, 3, 7),
            (0xa4, 6, 3, 5),
            (0x64, 1, 31, 1 << 31),
            (0x64, 1, 32, 0),
            (0x74, 8, 3, 1),
            (0x74, 8, 33, 0),
        ] {
            let constant = [plain(0x00, a), plain(code, b)];
            assert_eq!(result(&constant), Some(expected), "{code:#x}");
            let index = [plain(0x00, a), plain(0x01, b), plain(code | 8, 0)];
            assert_eq!(result(&index), Some(expected), "{code:#x} by the index");
        }
        assert_eq!(result(&[plain(0x00, 1), plain(0x84, 0)]), Some(u32::MAX));
        for code in [0x34, 0x94] {
            assert_eq!(result(&[plain(0x00, 1), plain(code, 0)]), None);
            // By an index that is zero: refused when it happens.
            assert_eq!(result(&[plain(0x00, 1), plain(code | 8, 0)]), Some(0));
        }
    }

    #[test]
    fn memory_and_registers() {
        let kept = [
            plain(0x00, 9),
            plain(0x02, 15),
            plain(0x61, 15),
            plain(0x03, 0),
        ];
        let all = [&kept[..], &[plain(0x60, 0), plain(0x07, 0), plain(0x87, 0)]].concat();
        assert_eq!(result(&all), Some(9));
        assert_eq!(result(&[plain(0x81, 0), plain(0x87, 0)]), Some(100));
        for code in [0x60, 0x61, 0x02, 0x03] {
            assert_eq!(result(&[plain(code, 16)]), None, "{code:#x}");
        }
    }

    #[test]
    fn branches_take_their_side() {
        for (code, k, taken) in [
            (0x15, 5, true),
            (0x15, 6, false),
            (0x25, 4, true),
            (0x25, 5, false),
            (0x35, 5, true),
            (0x35, 6, false),
            (0x45, 4, true),
            (0x45, 2, false),
        ] {
            let sides = [plain(0x06, 1), plain(0x06, 2)];
            let constant = [&[plain(0x00, 5), branch(code, k, 0, 1)], &sides[..]].concat();
            let expected = Some(if taken { 1 } else { 2 });
            assert_eq!(result(&constant), expected, "{code:#x} {k}");
            let compared = [
                plain(0x00, 5),
                plain(0x01, k),
                branch(code | 8, 0, 0, 1),
                sides[0],
                sides[1],
            ];
            assert_eq!(result(&compared), expected, "{code:#x} {k} by the index");
        }
    }

    #[test]
    fn what_could_run_away_is_no_program() {
        let returned = plain(0x06, 0);
        assert!(Program::new([]).is_none());
        assert!(Program::new([plain(0x00, 0)]).is_none(), "no return");
        assert!(
            Program::new([plain(0xff, 0), returned]).is_none(),
            "unknown"
        );
        assert!(Program::new([branch(0x15, 0, 1, 0), returned]).is_none());
        assert!(Program::new([branch(0x15, 0, 0, 1), returned]).is_none());
        assert!(Program::new([plain(0x05, 1), returned]).is_none());
        assert!(Program::new([plain(0x05, -2i32 as u32), returned]).is_none());
        assert!(Program::new([returned; 4096]).is_some());
        assert!(Program::new([returned; 4097]).is_none());
    }

    #[test]
    fn a_jump_back_is_taken_for_each_octet_at_most() {
        // a += 1, for ever.
        let endless = [plain(0x04, 1), plain(0x05, -2i32 as u32), plain(0x06, 1)];
        assert_eq!(Program::new(endless).map(|p| p.run(&[0; 100], 0)), Some(0));
        // a += 1 until it is 5.
        let ends = [
            plain(0x04, 1),
            branch(0x15, 5, 1, 0),
            plain(0x05, -3i32 as u32),
            plain(0x06, 7),
        ];
        let program = Program::new(ends).expect("a program");
        assert_eq!((program.run(&[0; 3], 0), program.run(&[0; 4], 0)), (0, 7));
    }

    /// Every code that there is.
    const CODES: [u16; 51] = [
        0x20, 0x28, 0x30, 0x40, 0x48, 0x50, 0x80, 0x00, 0x60, 0x81, 0x01, 0x61, 0xb1, 0x02, 0x03,
        0x84, 0x05, 0x06, 0x16, 0x07, 0x87, 0x15, 0x25, 0x35, 0x45, 0x1d, 0x2d, 0x3d, 0x4d, 0x04,
        0x14, 0x24, 0x34, 0x94, 0x54, 0x44, 0xa4, 0x64, 0x74, 0x0c, 0x1c, 0x2c, 0x3c, 0x9c, 0x5c,
        0x4c, 0xac, 0x6c, 0x7c, 0x05, 0x05,
    ];

    fn any_instruction() -> impl Strategy<Value = Instruction> {
        let number = prop_oneof![0u32..24, (-24i32..0).prop_map(|n| n as u32), any::<u32>()];
        (prop::sample::select(&CODES[..]), number, 0u8..8, 0u8..8)
            .prop_map(|(code, k, yes, no)| branch(code, k, yes, no))
    }

    proptest! {
        #[test]
        fn every_program_ends(
            instructions in prop::collection::vec(any_instruction(), 1..24),
            octets in prop::collection::vec(any::<u8>(), 0..64),
            wire_len: u32,
        ) {
            // What is not sound is left out, so that much is run.
            let count = instructions.len() + 8;
            let sound = |(place, instruction): (usize, &Instruction)| {
                operation(instruction, place, count).is_some().then_some(*instruction)
            };
            let kept: Vec<_> = instructions.iter().enumerate().filter_map(sound).collect();
            let all = kept.into_iter().chain([plain(0x16, 0); 32]);
            if let Some(program) = Program::new(all) {
                program.run(&octets, wire_len);
            }
        }

        #[test]
        fn anything_else_is_checked(codes in prop::collection::vec(any::<(u16, u8, u8, u32)>(), 0..8)) {
            let all = codes.into_iter().map(|(code, yes, no, k)| branch(code, k, yes, no));
            if let Some(program) = Program::new(all) {
                program.run(&[0; 16], 16);
            }
        }
    }
}
