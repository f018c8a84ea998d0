//! The spine of a packet: what state across packets is kept by.
//!
//! A summary is read off what the layers said while they were dissected. Of several levels of
//! nesting (tunnels) the outermost that has a network counts, and nothing of those inside it but the
//! number of the virtual network that it carries.

use std::hash::Hash;

use netcap_dissect::{
    Application, Context, Level, Link, Network, Piece as Part, Selector, Transport, Tunnel,
    Unclaimed,
};
use netcap_record::Time;

use crate::scope::Scope;

/// The outermost network of a packet, with the link around it and the transport inside: what flows
/// are keyed by. Where there is no network, the outermost link.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Layers {
    /// Link layer.
    pub link: Option<Link>,
    /// Network layer.
    pub network: Option<Network>,
    /// Transport layer.
    pub transport: Option<Transport>,
    /// IP protocol number of what the network carries; 0 without a network.
    pub protocol: u8,
    /// Type and code of the ICMP message that it carries.
    pub icmp: Option<[u8; 2]>,
    /// Which network the addresses are of.
    pub scope: Scope,
}

impl Layers {
    /// By what the protocol that the network carries is reached.
    pub(crate) fn protocol_selector(&self) -> Option<Selector> {
        let with_ports = self.transport.map(|transport| transport.selector());
        with_ports.or(self.network.map(|_| Selector::IpProto(self.protocol)))
    }

    /// Takes the ports of what is inside.
    #[inline]
    fn enter(&mut self, transport: Transport) {
        self.transport = Some(transport);
        self.protocol = transport.protocol.get();
    }
}

/// What the fragments of a datagram have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Datagram {
    /// Its addresses.
    pub network: Network,
    /// Which network these are of.
    pub scope: Scope,
    /// The tunnel that it is in.
    pub tunnel: Option<Tunnel>,
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
    /// Octets on the wire.
    pub octets: u32,
    /// Those that were captured.
    pub captured: u32,
    /// What it is keyed by.
    pub layers: Layers,
    /// The outermost link that it has anywhere: what `LinkFlow` is keyed by.
    pub link: Option<Link>,
    /// The outermost ports that it has anywhere: what `TransportFlow` is keyed by.
    pub ports: Option<Transport>,
    /// Who read what is innermost.
    pub application: Application,
    /// Octets of that: what the innermost transport carries, a payload, or a fragment.
    pub application_octets: u32,
    /// Set where the outermost network layer holds a fragment.
    pub piece: Option<Box<Piece>>,
}

impl PacketSummary {
    /// Gives ports to what has none: a fragment.
    pub(crate) fn give(&mut self, transport: Transport) {
        self.layers.enter(transport);
        self.ports.get_or_insert(transport);
    }

    /// What packets of the same flows have in common.
    #[inline]
    pub(crate) fn flows(&self) -> impl Eq + Hash + use<> {
        let link = self.link.filter(|_| self.layers.link.is_none());
        let ports = self.ports.filter(|_| self.layers.transport.is_none());
        (self.layers, link, ports)
    }

    /// The summary of a packet that was walked. VLANs tell flows apart only where they count.
    #[inline]
    pub fn of(context: &Context<'_, '_>, octets: usize, vlans_count: bool) -> PacketSummary {
        let (path, packet) = (context.path(), context.packet());
        let line = path.line();
        let place = line.iter().position(|level| level.network.is_some());
        let place = place.unwrap_or_default();
        let nothing = Level::default();
        let outermost = line.get(place).unwrap_or(&nothing);
        let own = line.get(..line.len().min(place + 1)).unwrap_or_default();
        // The level inside says which virtual network this one carries; only the packet that completes
        // a datagram shows what is in it.
        let levels = match outermost.piece {
            Some(_) => own,
            None => line.get(..line.len().min(place + 2)).unwrap_or_default(),
        };
        let scope = Scope::of(levels, false).with_vlans(own, vlans_count);
        let mut layers = Layers {
            link: own.iter().find_map(|level| level.link),
            network: outermost.network,
            transport: outermost.transport,
            protocol: outermost.protocol,
            icmp: outermost.icmp,
            scope,
        };
        if let Some(transport) = layers.transport {
            layers.enter(transport);
        }
        let piece = outermost.piece.zip(layers.network);
        let (mut application, own) = path.application();
        let innermost = line.last().and_then(|level| level.transport);
        if application == Application::PAYLOAD
            && let Some(transport) = innermost
        {
            application = context.registry().identify(&Unclaimed {
                protocol: transport.protocol.get(),
                ports: [transport.source, transport.destination],
                octets: own,
            });
        }
        // What a datagram in pieces holds, in a tunnel or not, is not counted twice: in its pieces and
        // as a whole.
        let part = line.iter().find_map(|level| level.piece.as_ref());
        let application_octets = part.map_or(count(own.len()), |part| part.octets);
        let captured = count(octets);
        PacketSummary {
            time: packet.time,
            octets: captured.max(packet.original_len),
            captured,
            layers,
            link: layers
                .link
                .or_else(|| line.iter().find_map(|level| level.link)),
            ports: layers
                .transport
                .or_else(|| line.iter().find_map(|level| level.transport)),
            application,
            application_octets,
            piece: piece.map(|(part, network)| piece_of(part, network, outermost, layers.scope)),
        }
    }
}

#[inline]
fn count(octets: usize) -> u32 {
    u32::try_from(octets).unwrap_or(u32::MAX)
}

#[cold]
fn piece_of(part: Part, network: Network, level: &Level<'_>, scope: Scope) -> Box<Piece> {
    Box::new(Piece {
        datagram: Datagram {
            network,
            scope,
            tunnel: level.tunnel,
            protocol: part.protocol,
            id: part.id,
        },
        transport: part.transport,
    })
}

#[cfg(test)]
mod tests {
    use netcap_dissect::{
        Ends, Entropy, IpVersion, Next, Output, PacketInfo, Protocol, Registry, Selection,
        Selector, TunnelKind, walk,
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
                b'v' => context.vlan(number.into()),
                b'n' => context.tunnel(TunnelKind::VirtualNetwork, number.into()),
                b'i' => context.tunnel(TunnelKind::ServiceInstance, number.into()),
                b's' => context.tunnel(TunnelKind::PppSession, number.into()),
                b'f' => context.piece(0, number.into(), Some((17, &ports))),
                b'g' => context.piece(0, number.into(), Some((1, &ports))),
                b'd' => return Ok(Next::Layer(Selector::UdpPort(1), input.rest())),
                _ => context.piece(0, number.into(), None),
            }
        }
        context.unclaimed(input.rest());
        Ok(Next::End)
    })
    .reached_by(&[Selector::LinkType(147)]);

    /// A protocol above the transport, which reads two octets of its own.
    static READER: Protocol = Protocol::new("reader", |input, context| {
        input.array::<2>()?;
        context.unclaimed(input.rest());
        Ok(Next::End)
    })
    .reached_by(&[Selector::UdpPort(1)]);

    fn summary(octets: &[u8]) -> PacketSummary {
        summary_of(octets, true)
    }

    fn summary_of(octets: &[u8], vlans_count: bool) -> PacketSummary {
        let registry =
            Registry::new(&[&LAYERS, &READER], &[], &Selection::default()).expect("selected");
        let (mut output, mut entropy) = (Output::new(&registry), Entropy::default());
        let mut context = Context::new(&registry, &mut output, &mut entropy, &[]);
        let packet = PacketInfo {
            time: Time::default(),
            link_type: 147,
            original_len: octets.len() as u32 + 100,
            index: 0,
            number: 0,
        };
        walk(&mut context, packet, octets);
        PacketSummary::of(&context, octets.len(), vlans_count)
    }

    #[test]
    fn the_outermost_network_counts() {
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
        // Nothing of what is inside it.
        assert_eq!(found(b"4\x026\x05l\x04t\x06"), [None, Some(2), None]);
        // Without a network, what there is.
        assert_eq!(found(b"l\x01t\x06"), [Some(1), None, Some(6)]);
    }

    #[test]
    fn which_network_it_is() {
        let scope = |octets: &[u8]| {
            let scope = summary(octets).layers.scope;
            (scope.vlans().collect::<Vec<_>>(), scope.vni())
        };
        assert_eq!(scope(b"l\x01v\x054\x01t\x02"), (vec![5], None));
        assert_eq!(scope(b"l\x01v\x05v\x064\x01t\x02"), (vec![5, 6], None));
        // A tag that only has a priority.
        assert_eq!(scope(b"l\x01v\0v\x064\x01t\x02"), (vec![6], None));
        // The virtual network that it carries, whose own VLANs are not its.
        let carried = (vec![5], Some(9));
        assert_eq!(scope(b"v\x054\x01t\x02n\x09l\x03v\x064\x07t\x08"), carried);
        // A piece does not show that.
        assert_eq!(
            scope(b"v\x054\x01f\x02n\x09l\x034\x07t\x08"),
            (vec![5], None)
        );
        // A service instance, and a virtual network inside of it.
        let services = |octets: &[u8]| {
            let scope = summary(octets).layers.scope;
            (scope.service(), scope.vni())
        };
        assert_eq!(services(b"l\x01i\x05l\x024\x01t\x02"), (Some(5), None));
        assert_eq!(services(b"l\x01i\x05l\x024\x01f\x02"), (Some(5), None));
        let both = (Some(5), Some(9));
        assert_eq!(services(b"i\x05l\x024\x01t\x02n\x09l\x034\x07t\x08"), both);
        // A tunnel inside of them hides neither.
        assert_eq!(services(b"i\x05s\x024\x01t\x02"), (Some(5), None));
        assert_eq!(
            services(b"4\x01t\x02n\x09l\x01s\x024\x01t\x02"),
            (None, Some(9))
        );
        let octets = b"v\x054\x01t\x02";
        assert_eq!(summary_of(octets, false).layers.scope, Scope::default());
    }

    #[test]
    fn bytes_on_the_wire() {
        let found = summary(b"4\x01t\x02x");
        assert_eq!((found.octets, found.captured), (105, 5));
    }

    #[test]
    fn what_is_innermost() {
        let found = summary(b"4\x01t\x02x");
        assert_eq!(
            (found.captured, found.application, found.application_octets),
            (5, Application::PAYLOAD, 1)
        );
        let found = summary(b"4\x01t\x02");
        assert_eq!(
            (found.application, found.application_octets),
            (Application::NONE, 0)
        );
        // All that the transport carries counts, whoever reads it, and however far.
        for (octets, carried) in [
            (&b"4\x01t\x02d\0hh"[..], 2),
            (b"4\x01t\x02d\0hhx", 3),
            (b"4\x01t\x02d\0h", 1),
        ] {
            assert_eq!(summary(octets).application_octets, carried);
        }
        let reader = summary(b"4\x01t\x02d\0hh").application;
        assert!(![Application::NONE, Application::PAYLOAD].contains(&reader));
        // Without ports, a payload.
        assert_eq!(summary(b"4\x01d\0hhx").application_octets, 1);
        assert_eq!(summary(b"4\x01t\x024\x03d\0hhx").application_octets, 1);
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
        assert_eq!(found(b"4\x01p\x02"), Some((1, 2, None)));
        assert_eq!(found(b"4\x01t\x02"), None);
        // Not in a tunnel.
        assert_eq!(found(b"4\x014\x03f\x02"), None);
        assert_eq!(found(b"4\x016\x03f\x02"), None);
        assert_eq!(found(b"4\x01t\x016\x03f\x02"), None);
        assert_eq!(found(b"4\x01f\x02t\x016\x03f\x04"), Some((1, 2, Some(2))));
    }
}
