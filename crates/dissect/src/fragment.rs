//! Fragments of datagrams between a worker, which has no state, and the defragmenter, which has.
//!
//! A worker that meets a fragment notes it. Where the fragments of a batch complete datagrams, the
//! batch is walked again, and this time the packet that brought the last piece continues with the
//! whole datagram. So a walk stays a pure function of a batch and the datagrams given with it.

/// What the fragments of one datagram have in common (RFC 791 section 3.2, RFC 8200 section 4.5).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FragmentKey {
    /// IP version, 4 or 6.
    pub version: u8,
    /// Protocol of the datagram's payload. IPv6 takes that of the first fragment and has 0 here.
    pub protocol: u8,
    /// Source address; IPv4 in the first four octets.
    pub source: [u8; 16],
    /// Destination address.
    pub destination: [u8; 16],
    /// Identification.
    pub id: u32,
    /// Which network the addresses are of: [`Path::around`](crate::Path::around).
    pub around: Box<[u8]>,
}

/// One fragment, as a worker noted it.
#[derive(Clone, Debug)]
pub struct Fragment {
    /// Which packet of the batch.
    pub packet: u32,
    /// Which fragment of the packet: tunnels may hold several.
    pub ordinal: u8,
    /// Which datagram.
    pub key: FragmentKey,
    /// Octets before this piece.
    pub offset: u32,
    /// Whether more pieces follow.
    pub more: bool,
    /// Protocol that this fragment names for the payload.
    pub protocol: u8,
    /// The piece.
    pub data: Box<[u8]>,
}

/// A reassembled datagram, and the fragment that completed it.
#[derive(Clone, Debug)]
pub struct Completed {
    /// Which packet of the batch.
    pub packet: u32,
    /// Which fragment of the packet.
    pub ordinal: u8,
    /// Protocol of the payload.
    pub protocol: u8,
    /// The payload.
    pub data: Vec<u8>,
}
