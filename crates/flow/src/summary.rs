//! The spine of a packet: what state across packets is kept by.
//!
//! A summary is read off what the layers said while they were dissected. Of several levels of
//! nesting (tunnels) the outermost that has a layer of a kind counts.

use netcap_dissect::{Application, Link, Network, Path, Transport};
use netcap_record::Time;

/// The outermost layers with addresses or ports: what flows are keyed by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Layers {
    /// Link layer.
    pub link: Option<Link>,
    /// Network layer.
    pub network: Option<Network>,
    /// Transport layer.
    pub transport: Option<Transport>,
}

/// What the fragments of a datagram have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Datagram {
    /// Its addresses.
    pub network: Network,
    /// Protocol of its payload in version 4, 0 in version 6.
    pub protocol: u8,
    /// Identification.
    pub id: u32,
}

/// A fragment in the outermost network layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    /// What it is a piece of.
    pub datagram: Datagram,
    /// The ends that the first fragment shows.
    pub transport: Option<Transport>,
}

/// What trackers know of a packet.
#[derive(Clone, Debug)]
pub struct PacketSummary {
    /// Capture time.
    pub time: Time,
    /// Captured octets.
    pub octets: u32,
    /// What it is keyed by.
    pub layers: Layers,
    /// Who read what is innermost.
    pub application: Application,
    /// Octets of that: of a payload, a fragment, or the body of a message.
    pub application_octets: u32,
    /// Set where the outermost network layer holds a fragment.
    pub piece: Option<Box<Piece>>,
}

impl PacketSummary {
    /// The summary of a packet that was walked.
    #[inline]
    pub fn of(path: &Path<'_>, time: Time, octets: usize) -> PacketSummary {
        let mut layers = Layers::default();
        for level in path.line() {
            layers.link = layers.link.or(level.link);
            layers.network = layers.network.or(level.network);
            layers.transport = layers.transport.or(level.transport);
        }
        let (application, own) = path.application();
        PacketSummary {
            time,
            octets: count(octets),
            layers,
            application,
            application_octets: count(own.len()),
            piece: piece(path, layers.network),
        }
    }
}

#[inline]
fn count(octets: usize) -> u32 {
    u32::try_from(octets).unwrap_or(u32::MAX)
}

#[inline]
fn piece(path: &Path<'_>, network: Option<Network>) -> Option<Box<Piece>> {
    let (piece, network) = (path.piece()?, network?);
    Some(Box::new(Piece {
        datagram: Datagram {
            network,
            protocol: piece.protocol,
            id: piece.id,
        },
        transport: piece.transport,
    }))
}
