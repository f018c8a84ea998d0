//! What the messages of the extended stream say.
//!
//! ```text
//! kind  message
//! 1     Agent: who speaks, and its interfaces; the first message, and again when that changes
//! 2     Number of the next packet: before the packets of each piece of the stream, and before a status
//! 3     Packet
//! 4     Status: counters so far, each second
//! 5     End, of a stream that is complete
//! 6     Origin, in datagrams only: of which start of an agent they are
//! ```
//!
//! A message is the number of its octets (16 bits, of what follows), its kind (8 bits), and its fields. All
//! numbers are in network byte order; texts and lists begin with the number of their octets or items. Kinds
//! that are not known are skipped, and so is what follows the fields that are.

use std::net::IpAddr;

use super::wire::{Reader, Short, Writer};
use crate::mode::Mac;

/// Interfaces that an agent can have, so that a message has room for them.
pub const MOST_INTERFACES: usize = 128;
/// Octets of an interface's name, and its addresses, that are told at most.
const LONGEST_NAME: usize = 63;
const MOST_ADDRESSES: usize = 16;
/// Ports that are told at most.
const MOST_PORTS: usize = 64;
/// Octets of other texts.
const LONGEST_TEXT: usize = 255;
/// VLAN tags that are told at most: what three bits can say.
pub(super) const MOST_VLANS: usize = 7;

/// Octets of a packet's message that has all that it can have.
pub(super) const LONGEST_NOTE: usize = 98;

/// A message of an agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// Who speaks.
    Agent(Agent),
    /// The number of the packet that comes next. It begins at 0 with each start of the agent; what lies
    /// between the number expected and this one was made, and lost on the way to this collector.
    Number(u64),
    /// A packet.
    Packet(PacketNote),
    /// How far things are.
    Status(Status),
    /// There is no more: the agent ends in good order.
    End,
    /// What a datagram begins with: the [`Agent::instance`] that it is of.
    Origin(u64),
}

/// Who speaks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Agent {
    /// Another one at each start, so that numbers that begin anew are no loss.
    pub instance: u64,
    /// Name of the host, as it knows it.
    pub host: String,
    /// Which packets it takes: the mode, as given.
    pub mode: String,
    /// Where they come from, by number.
    pub interfaces: Vec<Interface>,
    /// Ports of TCP at which it speaks to collectors, of either stream. It leaves out what goes to and from there.
    pub ports: Vec<u16>,
}

/// Where packets come from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Interface {
    /// Its name, or that of the capture.
    pub name: String,
    /// Its MAC address, if it has one.
    pub mac: Option<Mac>,
    /// The largest IP packet that it sends, in octets; 0 where that is not known.
    pub mtu: u32,
    /// Its addresses.
    pub addresses: Vec<IpAddr>,
}

/// Which way a packet went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Direction {
    /// It cannot be told.
    #[default]
    Unknown,
    /// The host has sent it.
    Sent,
    /// It came from elsewhere.
    Received,
}

/// Where a fragment of a datagram belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Fragment {
    /// Octets of the datagram before it; a multiple of 8.
    pub offset: u16,
    /// Whether others come behind it.
    pub is_followed: bool,
    /// Whether its ports are those of the first fragment, which came before.
    pub has_ports_of_first: bool,
}

/// What MGEN says in a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct MgenNote {
    /// Its flow.
    pub flow_id: u32,
    /// Its number in the flow.
    pub sequence: u32,
    /// Whether length and version are right as well, and not only the destination repeated.
    pub is_certain: bool,
}

/// A packet, as an agent saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PacketNote {
    /// When it was captured, by the agent's clock: nanoseconds since 1970.
    pub time: i64,
    /// Number of the interface.
    pub interface: u16,
    /// Which way it went.
    pub direction: Direction,
    /// Where it comes from.
    pub source: IpAddr,
    /// Where it goes to; of the same version as the source.
    pub destination: IpAddr,
    /// Protocol that IP carries (IANA), behind the extension headers of IPv6.
    pub protocol: u8,
    /// Time to live, or hop limit.
    pub hops_left: u8,
    /// Type of service, or traffic class: six bits of DSCP, two of ECN.
    pub traffic_class: u8,
    /// Octets of the packet with its IP header. Of one that is not cut yet, those that there are.
    pub length: u32,
    /// Octets of the frame on the wire, as captured there.
    pub wire_length: u32,
    /// Whether it is larger than what the wire carries: the interface has yet to cut it, or has put
    /// several together (segmentation and receive offload).
    pub is_uncut: bool,
    /// Identification: 16 bits of IPv4, 32 of a fragment of IPv6, else 0.
    pub identification: u32,
    /// If it is a fragment, which.
    pub fragment: Option<Fragment>,
    /// Source and destination port: of TCP, UDP, UDP-Lite, SCTP, DCCP.
    pub ports: Option<(u16, u16)>,
    /// VLAN tags with priority (TCI), the outer first.
    pub vlans: Vec<u16>,
    /// What the packet carries, in a number that stays the same from sender to receiver: the first 8 octets
    /// of SHA-256 over the first 96 octets behind the IP headers (or as many as there are), with the checksum
    /// of TCP, UDP, UDP-Lite, DCCP, SCTP and ICMP set to 0. None where fewer were captured.
    pub digest: Option<u64>,
    /// What MGEN says in it, if it is of MGEN; in a later fragment, what it says in the first one.
    pub mgen: Option<MgenNote>,
}

/// How far an agent is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// Now, by the agent's clock: nanoseconds since 1970. Of captures that of the last packet, 0 before the
    /// first.
    pub time: i64,
    /// The number that the next packet will have.
    pub next: u64,
    /// Its host, if it is watched.
    pub machine: Option<Machine>,
    /// By number of the interface.
    pub interfaces: Vec<Counters>,
}

/// How its host is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Machine {
    /// How busy the processors are, in percent.
    pub busy: u16,
    /// Memory in use, in octets.
    pub memory: u64,
}

/// An interface's packets by outcome: `packets` is the sum of the others but `dropped`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Packets that came.
    pub packets: u64,
    /// Those that have a number.
    pub recorded: u64,
    /// Packets that the kernel or the interface dropped before they came.
    pub dropped: u64,
    /// Those of the agent's own connections.
    pub own: u64,
    /// Those that the filter of a capture left out.
    pub filtered: u64,
    /// Those that are not IP.
    pub not_ip: u64,
    /// Those that are too short for what they say, or cannot be.
    pub malformed: u64,
    /// Those that came while no collector was there.
    pub unheard: u64,
}

const AGENT: u8 = 1;
const NUMBER: u8 = 2;
const PACKET: u8 = 3;
const STATUS: u8 = 4;
const END: u8 = 5;
const ORIGIN: u8 = 6;

/// Flags of a packet. Two bits are the direction, three the number of VLAN tags.
const DIRECTION: u16 = 0b11;
const IPV6: u16 = 1 << 2;
const FRAGMENT: u16 = 1 << 3;
const PORTS: u16 = 1 << 4;
const PORTS_OF_FIRST: u16 = 1 << 5;
const DIGEST: u16 = 1 << 6;
const MGEN: u16 = 1 << 7;
const MGEN_CERTAIN: u16 = 1 << 8;
const UNCUT: u16 = 1 << 9;
const VLANS: u32 = 10;
/// Lowest bit of a fragment's offset, which is a multiple of 8.
const FOLLOWED: u16 = 1;

impl Message {
    /// The kind of the message that a stream begins with.
    pub(super) const AGENT: u8 = AGENT;

    /// Appends the octets of the message.
    pub fn write(&self, out: &mut Vec<u8>) {
        match self {
            Message::Agent(agent) => Writer::message(out, AGENT, |out| agent.write(out)),
            Message::Number(number) => Writer::message(out, NUMBER, |out| out.u64(*number)),
            Message::Packet(note) => Writer::message(out, PACKET, |out| note.write(out)),
            Message::Status(status) => Writer::message(out, STATUS, |out| status.write(out)),
            Message::End => Writer::message(out, END, |_| {}),
            Message::Origin(instance) => Writer::message(out, ORIGIN, |out| out.u64(*instance)),
        }
    }

    /// Reads the fields of a message of this kind; `None` if there is no such kind.
    pub(super) fn read(kind: u8, fields: &[u8]) -> Result<Option<Message>, Short> {
        let mut fields = Reader(fields);
        Ok(Some(match kind {
            AGENT => Message::Agent(Agent::read(&mut fields)?),
            NUMBER => Message::Number(fields.u64()?),
            PACKET => Message::Packet(PacketNote::read(&mut fields)?),
            STATUS => Message::Status(Status::read(&mut fields)?),
            END => Message::End,
            ORIGIN => Message::Origin(fields.u64()?),
            _ => return Ok(None),
        }))
    }
}

impl Agent {
    fn write(&self, out: &mut Writer<'_>) {
        out.u64(self.instance);
        out.text(&self.host, LONGEST_TEXT);
        out.text(&self.mode, LONGEST_TEXT);
        out.list(&self.interfaces, MOST_INTERFACES, |out, interface| {
            out.text(&interface.name, LONGEST_NAME);
            out.list(interface.mac.as_slice(), 1, |out, mac| out.octets(&mac.0));
            out.u32(interface.mtu);
            out.list(&interface.addresses, MOST_ADDRESSES, |out, address| {
                out.u8(if address.is_ipv6() { 6 } else { 4 });
                out.address(*address);
            });
        });
        out.list(&self.ports, MOST_PORTS, |out, port| out.u16(*port));
    }

    fn read(fields: &mut Reader<'_>) -> Result<Agent, Short> {
        Ok(Agent {
            instance: fields.u64()?,
            host: fields.text()?,
            mode: fields.text()?,
            interfaces: fields.list(|fields| {
                Ok(Interface {
                    name: fields.text()?,
                    mac: fields.list(|fields| Ok(Mac(fields.array()?)))?.pop(),
                    mtu: fields.u32()?,
                    addresses: fields.list(|fields| {
                        let version = fields.u8()?;
                        fields.address(version == 6)
                    })?,
                })
            })?,
            ports: fields.list(Reader::u16)?,
        })
    }
}

impl PacketNote {
    fn write(&self, out: &mut Writer<'_>) {
        let direction = match self.direction {
            Direction::Unknown => 0,
            Direction::Sent => 1,
            Direction::Received => 2,
        };
        let vlans = &self.vlans[..self.vlans.len().min(MOST_VLANS)];
        let has_ports_of_first = self.fragment.is_some_and(|part| part.has_ports_of_first);
        let mut flags = direction | (vlans.len() as u16) << VLANS;
        for (flag, is_set) in [
            (IPV6, self.source.is_ipv6()),
            (FRAGMENT, self.fragment.is_some()),
            (PORTS, self.ports.is_some()),
            (PORTS_OF_FIRST, has_ports_of_first),
            (DIGEST, self.digest.is_some()),
            (MGEN, self.mgen.is_some()),
            (MGEN_CERTAIN, self.mgen.is_some_and(|mgen| mgen.is_certain)),
            (UNCUT, self.is_uncut),
        ] {
            flags |= if is_set { flag } else { 0 };
        }
        out.u64(self.time.cast_unsigned());
        out.u16(flags);
        out.u16(self.interface);
        out.octets(&[self.protocol, self.hops_left, self.traffic_class]);
        out.u32(self.length);
        out.u32(self.wire_length);
        out.u32(self.identification);
        out.address(self.source);
        out.address(self.destination);
        if let Some((source, destination)) = self.ports {
            out.u16(source);
            out.u16(destination);
        }
        if let Some(part) = self.fragment {
            out.u16(part.offset & !7 | if part.is_followed { FOLLOWED } else { 0 });
        }
        vlans.iter().for_each(|tag| out.u16(*tag));
        if let Some(digest) = self.digest {
            out.u64(digest);
        }
        if let Some(mgen) = self.mgen {
            out.u32(mgen.flow_id);
            out.u32(mgen.sequence);
        }
    }

    fn read(fields: &mut Reader<'_>) -> Result<PacketNote, Short> {
        let time = fields.u64()?.cast_signed();
        let flags = fields.u16()?;
        let has = |flag: u16| flags & flag != 0;
        let interface = fields.u16()?;
        let [protocol, hops_left, traffic_class] = fields.array()?;
        let (length, wire_length) = (fields.u32()?, fields.u32()?);
        let identification = fields.u32()?;
        let (source, destination) = (fields.address(has(IPV6))?, fields.address(has(IPV6))?);
        let mut ports = None;
        if has(PORTS) {
            ports = Some((fields.u16()?, fields.u16()?));
        }
        let mut fragment = None;
        if has(FRAGMENT) {
            let place = fields.u16()?;
            fragment = Some(Fragment {
                offset: place & !7,
                is_followed: place & FOLLOWED != 0,
                has_ports_of_first: has(PORTS_OF_FIRST),
            });
        }
        let vlans = (0..flags >> VLANS & 7).map(|_| fields.u16());
        let vlans = vlans.collect::<Result<_, _>>()?;
        let digest = has(DIGEST).then(|| fields.u64()).transpose()?;
        let mut mgen = None;
        if has(MGEN) {
            mgen = Some(MgenNote {
                flow_id: fields.u32()?,
                sequence: fields.u32()?,
                is_certain: has(MGEN_CERTAIN),
            });
        }
        Ok(PacketNote {
            time,
            interface,
            direction: match flags & DIRECTION {
                1 => Direction::Sent,
                2 => Direction::Received,
                _ => Direction::Unknown,
            },
            source,
            destination,
            protocol,
            hops_left,
            traffic_class,
            length,
            wire_length,
            is_uncut: has(UNCUT),
            identification,
            fragment,
            ports,
            vlans,
            digest,
            mgen,
        })
    }
}

impl Status {
    fn write(&self, out: &mut Writer<'_>) {
        out.u64(self.time.cast_unsigned());
        out.u64(self.next);
        out.list(self.machine.as_slice(), 1, |out, machine| {
            out.u16(machine.busy);
            out.u64(machine.memory);
        });
        out.list(&self.interfaces, MOST_INTERFACES, |out, counters| {
            out.list(&counters.in_order(), usize::from(u8::MAX), |out, count| {
                out.u64(*count);
            });
        });
    }

    fn read(fields: &mut Reader<'_>) -> Result<Status, Short> {
        Ok(Status {
            time: fields.u64()?.cast_signed(),
            next: fields.u64()?,
            machine: fields
                .list(|fields| {
                    Ok(Machine {
                        busy: fields.u16()?,
                        memory: fields.u64()?,
                    })
                })?
                .pop(),
            interfaces: fields.list(|fields| Ok(Counters::of(&fields.list(Reader::u64)?)))?,
        })
    }
}

impl Counters {
    /// Whether each packet has one fate.
    pub fn is_balanced(&self) -> bool {
        let fates = [
            self.recorded,
            self.own,
            self.filtered,
            self.not_ip,
            self.malformed,
            self.unheard,
        ];
        // They may be from a peer.
        let sum = fates
            .iter()
            .try_fold(0, |sum: u64, count| sum.checked_add(*count));
        sum == Some(self.packets)
    }

    fn in_order(&self) -> [u64; 8] {
        let Counters {
            packets,
            recorded,
            dropped,
            own,
            filtered,
            not_ip,
            malformed,
            unheard,
        } = *self;
        [
            packets, recorded, dropped, own, filtered, not_ip, malformed, unheard,
        ]
    }

    /// Of the numbers in that order; those that are lacking are 0.
    fn of(counts: &[u64]) -> Counters {
        let mut counts = counts.iter().copied();
        let mut next = || counts.next().unwrap_or_default();
        Counters {
            packets: next(),
            recorded: next(),
            dropped: next(),
            own: next(),
            filtered: next(),
            not_ip: next(),
            malformed: next(),
            unheard: next(),
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use proptest::prelude::*;

    use super::*;

    /// A datagram of MGEN.
    pub(crate) fn note() -> PacketNote {
        PacketNote {
            time: 1_700_000_000_000_000_411,
            interface: 1,
            direction: Direction::Sent,
            source: Ipv4Addr::new(10, 99, 0, 1).into(),
            destination: Ipv4Addr::new(10, 99, 0, 2).into(),
            protocol: 17,
            hops_left: 64,
            traffic_class: 0xb8,
            length: 92,
            wire_length: 106,
            is_uncut: false,
            identification: 0x1234,
            fragment: None,
            ports: Some((1111, 5000)),
            vlans: Vec::new(),
            digest: Some(0x0102_0304_0506_0708),
            mgen: Some(MgenNote {
                flow_id: 7,
                sequence: 9,
                is_certain: true,
            }),
        }
    }

    pub(crate) fn agent() -> Agent {
        Agent {
            instance: 5,
            host: "lab".to_owned(),
            mode: "src".to_owned(),
            interfaces: vec![Interface {
                name: "eth0".to_owned(),
                mac: Some(Mac([2, 0, 0, 0, 0, 1])),
                mtu: 1500,
                addresses: vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()],
            }],
            ports: vec![7073, 7075],
        }
    }

    fn again(message: &Message) -> Message {
        let mut octets = Vec::new();
        message.write(&mut octets);
        let (head, fields) = octets.split_at(3);
        let length = usize::from(u16::from_be_bytes([head[0], head[1]]));
        assert_eq!(length, 1 + fields.len());
        // What a later version appends is skipped, and what is cut is noticed.
        for cut in 0..fields.len() {
            assert!(Message::read(head[2], &fields[..cut]).is_err(), "{cut}");
        }
        let more = [fields, &[1, 2, 3]].concat();
        Message::read(head[2], &more)
            .expect("whole")
            .expect("known")
    }

    #[test]
    fn octets_have_their_places() {
        let mut octets = Vec::new();
        Message::Packet(note()).write(&mut octets);
        let expected = [
            &[0, 56, 3][..],
            &1_700_000_000_000_000_411_u64.to_be_bytes(),
            &[1, 0b1101_0001, 0, 1, 17, 64, 0xb8],
            &[0, 0, 0, 92, 0, 0, 0, 106, 0, 0, 0x12, 0x34],
            &[10, 99, 0, 1, 10, 99, 0, 2, 4, 0x57, 0x13, 0x88],
            &[1, 2, 3, 4, 5, 6, 7, 8, 0, 0, 0, 7, 0, 0, 0, 9],
        ];
        assert_eq!(octets, expected.concat());
    }

    #[test]
    fn what_is_written_is_read() {
        for message in [
            Message::Agent(agent()),
            Message::Number(1 << 40),
            Message::Packet(note()),
            Message::Packet(PacketNote {
                source: Ipv6Addr::LOCALHOST.into(),
                destination: Ipv6Addr::UNSPECIFIED.into(),
                direction: Direction::Received,
                is_uncut: true,
                fragment: Some(Fragment {
                    offset: 1448,
                    is_followed: true,
                    has_ports_of_first: true,
                }),
                vlans: vec![0x2005, 6],
                digest: None,
                mgen: None,
                time: -1,
                ..note()
            }),
            Message::Status(Status {
                time: 3,
                next: 4,
                machine: Some(Machine {
                    busy: 50,
                    memory: 1 << 35,
                }),
                interfaces: vec![Counters::of(&[8, 7, 6, 5, 4, 3, 2, 1]); 2],
            }),
            Message::End,
            Message::Origin(9),
        ] {
            assert_eq!(again(&message), message);
        }
        assert_eq!(Message::read(200, &[1, 2, 3]).map_err(drop), Ok(None));
    }

    #[test]
    fn the_longest_note_is_known() {
        let mut octets = Vec::new();
        Message::Packet(PacketNote {
            source: Ipv6Addr::LOCALHOST.into(),
            destination: Ipv6Addr::LOCALHOST.into(),
            fragment: Some(Fragment {
                offset: 0,
                is_followed: true,
                has_ports_of_first: false,
            }),
            vlans: vec![0; MOST_VLANS + 1],
            ..note()
        })
        .write(&mut octets);
        assert_eq!(octets.len(), LONGEST_NOTE);
    }

    #[test]
    fn texts_are_cut_at_a_character() {
        let long = Agent {
            host: "ä".repeat(200),
            ..agent()
        };
        let Message::Agent(found) = again(&Message::Agent(long)) else {
            panic!("another kind");
        };
        assert_eq!(found.host, "ä".repeat(127));
    }

    proptest! {
        #[test]
        fn any_octets_are_read_or_refused(kind in 0_u8..8, fields in prop::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(Some(message)) = Message::read(kind, &fields) {
                // Texts and lists may be cut, but no more than once.
                let mut octets = Vec::new();
                message.write(&mut octets);
                let again = Message::read(kind, &octets[3..]).expect("whole").expect("known");
                let mut twice = Vec::new();
                again.write(&mut twice);
                prop_assert_eq!(octets, twice);
            }
        }
    }
}
