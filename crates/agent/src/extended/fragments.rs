//! What only the first fragment of a datagram says, for the others.
//!
//! Guarantees: no more than [`Fragments::MOST`] datagrams are remembered, the oldest are forgotten first; nothing
//! is told after the time in which a datagram has to be whole. A fragment that comes before the first one of its
//! datagram learns nothing.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;

use super::message::{MgenNote, PacketNote};

/// VLAN ID in a tag (IEEE 802.1Q).
const VLAN_ID: u16 = 0x0fff;

/// Datagrams whose first fragments came.
#[derive(Debug, Default)]
pub(super) struct Fragments {
    known: HashMap<Datagram, First>,
    /// The same in the order in which they came. One that came again is here several times.
    order: VecDeque<(Datagram, u64)>,
    /// First fragments so far.
    count: u64,
    forgotten: u64,
}

/// What fragments of a datagram have in common (RFC 791, RFC 8200 section 4.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Datagram {
    interface: u32,
    vlan: Option<u16>,
    source: IpAddr,
    destination: IpAddr,
    /// Of IPv4. In IPv6 fragments need not agree on it.
    protocol: Option<u8>,
    identification: u32,
}

/// What the first fragment says.
#[derive(Clone, Copy, Debug)]
struct First {
    number: u64,
    /// Nanoseconds since 1970.
    time: i64,
    protocol: u8,
    ports: Option<(u16, u16)>,
    mgen: Option<MgenNote>,
}

impl Fragments {
    /// Datagrams that are remembered at most.
    pub(super) const MOST: usize = 8192;
    /// Nanoseconds after which a datagram is given up: what Linux waits for the rest of one of IPv4. RFC 791
    /// says at least 15 seconds, RFC 8200 says 60.
    pub(super) const TIME: i64 = 30_000_000_000;

    /// Learns from a first fragment, and completes the others. `interface`: the one of a capture.
    pub(super) fn complete(&mut self, note: &mut PacketNote, interface: u32) {
        let Some(part) = &mut note.fragment else {
            return;
        };
        let datagram = Datagram {
            interface,
            vlan: note.vlans.first().map(|tag| tag & VLAN_ID),
            source: note.source,
            destination: note.destination,
            protocol: note.source.is_ipv4().then_some(note.protocol),
            identification: note.identification,
        };
        if part.offset == 0 {
            let first = First {
                number: self.count,
                time: note.time,
                protocol: note.protocol,
                ports: note.ports,
                mgen: note.mgen,
            };
            return self.learn(datagram, first);
        }
        let first = self.known.get(&datagram);
        // Times may go back a little where packets of several queues meet.
        let Some(first) = first.filter(|first| is_near(first.time, note.time)) else {
            return;
        };
        note.protocol = first.protocol;
        note.ports = first.ports;
        note.mgen = first.mgen;
        part.has_ports_of_first = first.ports.is_some();
    }

    /// Datagrams that were forgotten too early, for lack of room.
    pub(super) fn forgotten(&self) -> u64 {
        self.forgotten
    }

    fn learn(&mut self, datagram: Datagram, first: First) {
        while let Some((oldest, number)) = self.order.front() {
            let known = self.known.get(oldest);
            let known = known.filter(|known| known.number == *number);
            let is_current = known.is_some_and(|known| is_near(known.time, first.time));
            if is_current && self.order.len() < Fragments::MOST {
                break;
            }
            self.forgotten += u64::from(is_current);
            if known.is_some() {
                self.known.remove(oldest);
            }
            self.order.pop_front();
        }
        self.count += 1;
        self.order.push_back((datagram, first.number));
        self.known.insert(datagram, first);
    }
}

fn is_near(before: i64, now: i64) -> bool {
    now.abs_diff(before) <= Fragments::TIME.unsigned_abs()
}

#[cfg(test)]
mod tests {
    use super::super::message::{Fragment, tests::note};
    use super::*;

    /// A fragment of the datagram with that identification.
    fn fragment(identification: u32, offset: u16) -> PacketNote {
        let first = note();
        let is_first = offset == 0;
        PacketNote {
            identification,
            fragment: Some(Fragment {
                offset,
                is_followed: true,
                has_ports_of_first: false,
            }),
            ports: first.ports.filter(|_| is_first),
            mgen: first.mgen.filter(|_| is_first),
            ..first
        }
    }

    fn completed(table: &mut Fragments, mut note: PacketNote) -> PacketNote {
        table.complete(&mut note, 0);
        note
    }

    fn is_complete(note: &PacketNote) -> bool {
        let has_ports_of_first = note.fragment.expect("a fragment").has_ports_of_first;
        assert_eq!(has_ports_of_first, note.ports.is_some());
        assert_eq!(has_ports_of_first, note.mgen.is_some());
        has_ports_of_first
    }

    #[test]
    fn later_ones_learn_of_the_first() {
        let mut table = Fragments::default();
        assert!(!is_complete(&completed(&mut table, fragment(1, 8))));
        let first = completed(&mut table, fragment(1, 0));
        assert_eq!(first, fragment(1, 0));
        for offset in [1448, 8, 2896, 8] {
            let later = completed(&mut table, fragment(1, offset));
            assert!(is_complete(&later));
            assert_eq!((later.ports, later.mgen), (note().ports, note().mgen));
        }
        let whole = PacketNote {
            identification: 1,
            ports: None,
            ..note()
        };
        assert_eq!(completed(&mut table, whole.clone()), whole);
    }

    #[test]
    fn datagrams_are_told_apart() {
        let mut table = Fragments::default();
        completed(&mut table, fragment(1, 0));
        let other = |change: fn(&mut PacketNote)| {
            let mut note = fragment(1, 8);
            change(&mut note);
            note
        };
        for note in [
            other(|note| note.identification = 2),
            other(|note| note.protocol = 6),
            other(|note| note.vlans = vec![1]),
            other(|note| std::mem::swap(&mut note.source, &mut note.destination)),
            other(|note| note.time += Fragments::TIME + 1),
            other(|note| note.time -= Fragments::TIME + 1),
        ] {
            assert!(!is_complete(&completed(&mut table, note)));
        }
        let mut elsewhere = fragment(1, 8);
        table.complete(&mut elsewhere, 1);
        assert!(!is_complete(&elsewhere));
        assert!(is_complete(&completed(&mut table, fragment(1, 8))));
        // The priority in a tag is of no matter, nor are tags behind the first.
        let tagged = |tags: &[u16], offset| PacketNote {
            vlans: tags.to_vec(),
            ..fragment(1, offset)
        };
        completed(&mut table, tagged(&[0x2005, 1], 0));
        assert!(is_complete(&completed(&mut table, tagged(&[5, 2], 8))));
    }

    #[test]
    fn in_ipv6_the_first_says_what_it_is() {
        let mut table = Fragments::default();
        let of = |offset, protocol| PacketNote {
            source: std::net::Ipv6Addr::LOCALHOST.into(),
            protocol,
            ..fragment(1, offset)
        };
        completed(&mut table, of(0, 17));
        let later = completed(&mut table, of(8, 60));
        assert_eq!((is_complete(&later), later.protocol), (true, 17));
    }

    #[test]
    fn an_identification_that_comes_again_is_another_datagram() {
        let mut table = Fragments::default();
        completed(&mut table, fragment(1, 0));
        let again = PacketNote {
            ports: Some((7, 8)),
            ..fragment(1, 0)
        };
        completed(&mut table, again);
        let later = completed(&mut table, fragment(1, 8));
        assert_eq!(later.ports, Some((7, 8)));
        assert_eq!((table.known.len(), table.order.len()), (1, 2));
    }

    #[test]
    fn the_oldest_are_forgotten() {
        let mut table = Fragments::default();
        let most = Fragments::MOST as u32;
        (0..most + 3).for_each(|id| drop(completed(&mut table, fragment(id, 0))));
        assert_eq!((table.known.len(), table.forgotten()), (Fragments::MOST, 3));
        assert!(!is_complete(&completed(&mut table, fragment(2, 8))));
        assert!(is_complete(&completed(&mut table, fragment(3, 8))));
        // One datagram again and again takes the room of the others after a while, but no more.
        (0..2 * most).for_each(|_| drop(completed(&mut table, fragment(9, 0))));
        assert_eq!(table.known.len(), 1);
        assert!(table.order.len() <= Fragments::MOST);
        let forgotten = table.forgotten();
        let later = PacketNote {
            time: note().time + 2 * Fragments::TIME,
            ..fragment(1, 0)
        };
        completed(&mut table, later);
        assert_eq!((table.known.len(), table.forgotten()), (1, forgotten));
    }
}
