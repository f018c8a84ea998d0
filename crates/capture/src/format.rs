//! What a file format is to the reader: something that finds packets in a run of octets.

use crate::LinkType;
use crate::batch::Packet;

/// The longest record that is believed, the same as Wireshark's for the link types with the longest
/// packets (`WTAP_MAX_PACKET_SIZE_DBUS` in wiretap/wtap.h). Memory grows with what arrives only.
pub(crate) const MAX_RECORD: usize = 128 << 20;

/// What of an input's claims is believed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// The longest packet.
    pub(crate) record: usize,
    /// As many interfaces as a section of pcapng may describe.
    pub(crate) interfaces: usize,
    /// Whether a packet longer than it claims to have been on the wire is given its own length as
    /// that. In files, which say what they say, it keeps what it claims.
    pub(crate) mends_lengths: bool,
}

/// Of files: no writer comes near.
impl Default for Limits {
    fn default() -> Limits {
        Limits {
            record: MAX_RECORD,
            interfaces: 1 << 16,
            mends_lengths: false,
        }
    }
}

/// Interfaces noted before somebody looks.
const MOST_DESCRIBED: usize = 1024;

/// What a format notices beside packets.
#[derive(Debug, Default)]
pub(crate) struct Notes {
    /// File headers and sections that came after the first.
    pub(crate) restarts: u64,
    /// Packets longer than they claim to have been on the wire, where that is mended.
    pub(crate) mended_lengths: u64,
    /// Times with a fraction of a second or more; it is carried into the seconds.
    pub(crate) carried_fractions: u64,
    /// Packets that were dropped where they were captured.
    pub(crate) dropped: u64,
    /// The interfaces described since somebody looked; not kept unless somebody does.
    pub(crate) described: Option<Vec<Described>>,
}

impl Notes {
    /// Whether somebody should look before more is noted.
    pub(crate) fn is_full(&self) -> bool {
        let described = self.described.as_ref();
        described.is_some_and(|all| all.len() >= MOST_DESCRIBED)
    }

    /// Notes an interface, if somebody looks at them.
    pub(crate) fn describe(&mut self, described: impl FnOnce() -> Described) {
        if let Some(all) = &mut self.described {
            all.push(described());
        }
    }
}

/// An interface as a capture describes it. They count from 0 over the whole capture, in order.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Described {
    /// Its number in its section.
    pub(crate) in_section: u32,
    pub(crate) link_type: LinkType,
    /// The longest packet to expect; 0 is unknown.
    pub(crate) snapshot_len: u32,
    /// Whether its times are finer than microseconds.
    pub(crate) nanoseconds: bool,
    /// Octets of frame check sequence at the end of each packet, where the capture says.
    pub(crate) fcs_len: Option<u8>,
    /// Its name where it was captured; the writer's octets, unchecked.
    pub(crate) name: Option<Vec<u8>>,
    /// What the writer says about it, unchecked.
    pub(crate) comment: Option<Vec<u8>>,
}

/// A file format: knows where packets are in a run of octets.
pub(crate) trait Format: Send {
    /// Takes whole records off the front of `octets` and appends at most `room` packets. Their
    /// positions count from `origin`, which is where `octets` begins.
    fn split(
        &mut self,
        octets: &[u8],
        origin: usize,
        room: usize,
        packets: &mut Vec<Packet>,
    ) -> Split;

    /// What it has noticed beside packets.
    fn notes(&mut self) -> &mut Notes;
}

impl<F: Format + ?Sized> Format for Box<F> {
    fn split(
        &mut self,
        octets: &[u8],
        origin: usize,
        room: usize,
        packets: &mut Vec<Packet>,
    ) -> Split {
        (**self).split(octets, origin, room, packets)
    }

    fn notes(&mut self) -> &mut Notes {
        (**self).notes()
    }
}

/// What a [`Format`] made of a run of octets.
pub(crate) struct Split {
    /// How many octets it is done with.
    pub(crate) consumed: usize,
    /// Why it stopped there.
    pub(crate) stop: Stop,
}

/// Why a [`Format`] stopped.
pub(crate) enum Stop {
    /// It found as many packets as were wanted, or somebody should look at its notes.
    Full,
    /// The octets left over are fewer than the next step needs, which is `needed`; if the file ends
    /// here then it ends in `place`, or between records if nothing is left over.
    Short {
        /// Octets needed, counted from those consumed.
        needed: usize,
        /// What they belong to.
        place: &'static str,
    },
    /// The next record contradicts the format.
    Malformed(String),
    /// The next record is beyond this reader.
    Unsupported(String),
}
