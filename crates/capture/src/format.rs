//! What a file format is to the reader: something that finds packets in a run of octets.

use crate::batch::Packet;

/// The longest record that is believed, the same as Wireshark's for the link types with the longest
/// packets (`WTAP_MAX_PACKET_SIZE_DBUS` in wiretap/wtap.h). Memory grows with what arrives only.
pub(crate) const MAX_RECORD: usize = 128 << 20;

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
    /// It found as many packets as were wanted.
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
