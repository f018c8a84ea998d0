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
        let mut line = path.line().iter();
        if let Some(outermost) = line.next() {
            layers = Layers {
                link: outermost.link,
                network: outermost.network,
                transport: outermost.transport,
            };
        }
        for level in line {
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

#[cfg(test)]
mod tests {
    use netcap_dissect::{
        Application, Context, Ends, Entropy, IpVersion, Next, Output, PacketInfo, Protocol,
        Registry, Selection, Selector, walk,
    };

    use super::*;

    /// Link type 147 is reserved for private use. Layers as the octets say in pairs: what it is, and
    /// a number for its ends.
    static LAYERS: Protocol = Protocol::new("layers", |input, context| {
        while let Ok(&[kind, number]) = input.array() {
            let address = u32::from(number).into();
            let ends = |protocol| Ends {
                protocol,
                source: address,
                destination: address,
            };
            let ports = [0, number, 0, number];
            match kind {
                b'l' => context.link(1, &[number; 12]),
                b'4' => context.network(ends(IpVersion::V4), 17, 0),
                b'6' => context.network(ends(IpVersion::V6), 17, 0),
                b't' => context.transport(17, &ports),
                b'f' => context.piece(0, number.into(), Some((17, &ports))),
                b'g' => context.piece(0, number.into(), Some((1, &ports))),
                _ => context.piece(0, number.into(), None),
            }
        }
        context.unclaimed(input.rest());
        Ok(Next::End)
    })
    .reached_by(&[Selector::LinkType(147)]);

    fn summary(octets: &[u8]) -> PacketSummary {
        let registry = Registry::new(&[&LAYERS], &[], &Selection::default()).expect("selected");
        let (mut output, mut entropy) = (Output::new(&registry), Entropy::default());
        let mut context = Context::new(&registry, &mut output, &mut entropy, &[]);
        let packet = PacketInfo {
            time: Time::default(),
            link_type: 147,
            original_len: octets.len() as u32,
            index: 0,
            number: 0,
        };
        walk(&mut context, packet, octets);
        PacketSummary::of(context.path(), packet.time, octets.len())
    }

    #[test]
    fn the_outermost_of_each_kind_counts() {
        // The numbers of link, network and transport.
        let found = |octets: &[u8]| {
            let layers = summary(octets).layers;
            [
                layers.link.map(|ends| ends.source & 0xff),
                layers.network.map(|ends| u128::from(ends.source) as u64),
                layers.transport.map(|ends| ends.source.into()),
            ]
        };
        assert_eq!(found(b""), [None; 3]);
        assert_eq!(
            found(b"l\x014\x02t\x03l\x044\x05t\x06"),
            [Some(1), Some(2), Some(3)]
        );
        // Each for itself.
        assert_eq!(found(b"4\x026\x05l\x04t\x06"), [Some(4), Some(2), Some(6)]);
    }

    #[test]
    fn what_is_innermost() {
        let found = summary(b"4\x01t\x02x");
        assert_eq!(
            (found.octets, found.application, found.application_octets),
            (5, Application::PAYLOAD, 1)
        );
        let found = summary(b"4\x01t\x02");
        assert_eq!(
            (found.application, found.application_octets),
            (Application::NONE, 0)
        );
    }

    #[test]
    fn fragments() {
        // Network and identification of the datagram, and the ports.
        let found = |octets: &[u8]| {
            summary(octets).piece.map(|piece| {
                let datagram = piece.datagram;
                let transport = piece.transport.map(|ends| ends.source);
                (u128::from(datagram.network.source), datagram.id, transport)
            })
        };
        assert_eq!(found(b"4\x01f\x02"), Some((1, 2, Some(2))));
        assert_eq!(found(b"4\x01g\x02"), Some((1, 2, None)));
        assert_eq!(found(b"4\x01n\x02"), Some((1, 2, None)));
        assert_eq!(found(b"4\x01t\x02"), None);
        // In a tunnel, of version 6 only, and not behind ports.
        assert_eq!(found(b"4\x014\x03f\x02"), None);
        assert_eq!(found(b"4\x016\x03f\x02"), Some((1, 2, Some(2))));
        assert_eq!(found(b"4\x01t\x016\x03f\x02"), None);
        assert_eq!(found(b"4\x01f\x02t\x016\x03f\x04"), Some((1, 2, Some(2))));
    }
}
