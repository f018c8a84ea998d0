//! What hosts say to their neighbours: ARP, DHCP, neighbour discovery, mDNS, pings.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::frame::{CLIENT, Ends, Frame, ICMP, ICMPV6, Mac, SERVER, Side};
use super::hosts;
use super::{Kind, Then, World};

const BROADCAST: Mac = [0xff; 6];
const ETHERTYPE_ARP: u16 = 0x0806;

/// An exchange on the local network.
pub(super) struct Local {
    kind: Kind,
    /// Packets sent so far, and to send.
    step: u32,
    steps: u32,
    id: u32,
}

/// The ends of the `number`th conversation, whose other side is near.
pub(super) fn ends(world: &mut World, kind: Kind, number: u32) -> Ends {
    let client = hosts::client(number);
    if kind == Kind::Ping {
        let server = hosts::draw_server(&mut world.random);
        return hosts::ends(&mut world.random, number, server, 0);
    }
    let version4 = |client: Ipv4Addr, other: Ipv4Addr| [IpAddr::from(client), IpAddr::from(other)];
    let version6 = |other: Ipv6Addr| {
        [
            IpAddr::from(hosts::client_link_local(client)),
            IpAddr::from(other),
        ]
    };
    let (mac, address, port) = match kind {
        Kind::Dhcp => (
            BROADCAST,
            version4(Ipv4Addr::UNSPECIFIED, Ipv4Addr::BROADCAST),
            [68, 67],
        ),
        Kind::Mdns if world.random.percent(40) => {
            let group = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0xfb);
            ([0x33, 0x33, 0, 0, 0, 0xfb], version6(group), [5_353, 5_353])
        }
        Kind::Mdns => {
            let group = Ipv4Addr::new(224, 0, 0, 251);
            (
                [1, 0, 0x5e, 0, 0, 0xfb],
                version4(hosts::client_v4(client), group),
                [5_353, 5_353],
            )
        }
        Kind::Neighbours => (hosts::GATEWAY, version6(hosts::GATEWAY_V6), [0, 0]),
        _ => (
            hosts::GATEWAY,
            version4(hosts::client_v4(client), hosts::GATEWAY_V4),
            [0, 0],
        ),
    };
    Ends {
        mac: [hosts::client_mac(client), mac],
        vlan: None,
        address,
        hops: [255, 255],
        port,
    }
}

impl Local {
    pub(super) fn new(world: &mut World, kind: Kind) -> Self {
        let random = &mut world.random;
        let steps = match kind {
            Kind::Dhcp => 4,
            Kind::Mdns => 1,
            Kind::Ping => 2 * random.between(1, 5),
            _ => 2,
        };
        Self {
            kind,
            step: 0,
            steps,
            id: random.next() as u32,
        }
    }

    pub(super) fn next(&mut self, ends: &Ends, world: &mut World, frame: &mut Frame) -> Then {
        let from = (self.step % 2) as Side;
        match self.kind {
            Kind::Arp => arp(from, ends, frame),
            Kind::Dhcp => self.dhcp(from, ends, world, frame),
            Kind::Mdns => self.mdns(ends, world, frame),
            Kind::Neighbours => neighbour(from, ends, world, frame),
            _ => self.ping(from, ends, world, frame),
        }
        self.step += 1;
        if self.step < self.steps {
            Then::More
        } else {
            Then::Done
        }
    }

    /// Discover, offer, request, acknowledge.
    fn dhcp(&self, from: Side, ends: &Ends, world: &mut World, frame: &mut Frame) {
        let client = ends.mac[CLIENT];
        let offered = hosts::client_v4(u32::from(u16::from_be_bytes([client[4], client[5]])));
        let mut message = vec![1 + from as u8, 1, 6, 0];
        message.extend_from_slice(&self.id.to_be_bytes());
        message.resize(16, 0);
        message.extend_from_slice(
            &if from == SERVER {
                offered
            } else {
                Ipv4Addr::UNSPECIFIED
            }
            .octets(),
        );
        message.resize(28, 0);
        message.extend_from_slice(&client);
        message.resize(236, 0);
        message.extend_from_slice(&[0x63, 0x82, 0x53, 0x63]);
        let kind = [1, 2, 3, 5][self.step as usize % 4];
        message.extend_from_slice(&[53, 1, kind]);
        if from == SERVER {
            message.extend_from_slice(&[
                54, 4, 10, 20, 0, 1, 51, 4, 0, 0, 0x0e, 0x10, 1, 4, 255, 255, 0, 0,
            ]);
            message.extend_from_slice(&[3, 4, 10, 20, 0, 1, 6, 4, 10, 20, 0, 53]);
        } else {
            let name = format!("desk-{}", u16::from_be_bytes([client[4], client[5]]));
            message.extend_from_slice(&[12, name.len() as u8]);
            message.extend_from_slice(name.as_bytes());
            message.extend_from_slice(&[55, 4, 1, 3, 6, 15]);
            if kind == 3 {
                message.extend_from_slice(&[50, 4]);
                message.extend_from_slice(&offered.octets());
            }
        }
        message.push(255);
        message.resize(message.len().max(300), 0);

        // The server answers from its own address, by broadcast.
        let mut ends = ends.clone();
        if from == SERVER {
            ends.mac = [BROADCAST, hosts::GATEWAY];
            ends.address = [Ipv4Addr::BROADCAST.into(), hosts::GATEWAY_V4.into()];
        }
        frame.udp(&mut world.random, &ends, from, message.len());
        frame.octets.extend_from_slice(&message);
        frame.finish(from);
    }

    /// A question for printers, or a host's answer that it has one.
    fn mdns(&self, ends: &Ends, world: &mut World, frame: &mut Frame) {
        const SERVICE: [&str; 3] = ["_ipp", "_tcp", "local"];
        let mut message = vec![0, 0];
        if self.id.is_multiple_of(2) {
            message.extend_from_slice(&[0, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
            hosts::write_labels(&mut message, SERVICE);
            message.extend_from_slice(&[0, 12, 0, 1]);
        } else {
            message.extend_from_slice(&[0x84, 0, 0, 0, 0, 1, 0, 0, 0, 0]);
            hosts::write_labels(&mut message, SERVICE);
            message.extend_from_slice(&[0, 12, 0, 1, 0, 0, 0x11, 0x94]);
            let name = format!("Printer {}", self.id % 50);
            message.extend_from_slice(&[0, name.len() as u8 + 3, name.len() as u8]);
            message.extend_from_slice(name.as_bytes());
            message.extend_from_slice(&[0xc0, 12]);
        }
        frame.udp(&mut world.random, ends, CLIENT, message.len());
        frame.octets.extend_from_slice(&message);
        frame.finish(CLIENT);
    }

    /// An echo request, or its reply, with the usual 56 octets.
    fn ping(&self, from: Side, ends: &Ends, world: &mut World, frame: &mut Frame) {
        let version6 = ends.address[CLIENT].is_ipv6();
        let kind = match (version6, from) {
            (false, CLIENT) => 8,
            (false, _) => 0,
            (true, CLIENT) => 128,
            (true, _) => 129,
        };
        icmp(kind, from, ends, world, frame);
        frame.u16(self.id as u16);
        frame.u16((self.step / 2) as u16);
        frame.octets.extend((0..56).map(|octet| octet + 8));
        frame.finish(from);
    }
}

/// Who has the gateway's address, and the gateway's reply.
fn arp(from: Side, ends: &Ends, frame: &mut Frame) {
    let mut link = ends.clone();
    if from == CLIENT {
        link.mac[SERVER] = BROADCAST;
    }
    frame.ethernet(&link, from, ETHERTYPE_ARP);
    frame
        .octets
        .extend_from_slice(&[0, 1, 8, 0, 6, 4, 0, 1 + from as u8]);
    let unknown = from == CLIENT;
    for side in [from, 1 - from] {
        let mac = if unknown && side == SERVER {
            [0; 6]
        } else {
            ends.mac[side]
        };
        frame.octets.extend_from_slice(&mac);
        if let IpAddr::V4(address) = ends.address[side] {
            frame.octets.extend_from_slice(&address.octets());
        }
    }
    frame.finish(from);
}

/// A neighbour solicitation, and the advertisement that answers it.
fn neighbour(from: Side, ends: &Ends, world: &mut World, frame: &mut Frame) {
    let (kind, flags, option) = if from == CLIENT {
        (135, 0, 1)
    } else {
        (136, 0xe000_0000, 2)
    };
    icmp(kind, from, ends, world, frame);
    frame.u32(flags);
    if let IpAddr::V6(target) = ends.address[SERVER] {
        frame.octets.extend_from_slice(&target.octets());
    }
    frame.octets.extend_from_slice(&[option, 1]);
    frame.octets.extend_from_slice(&ends.mac[from]);
    frame.finish(from);
}

/// The first four octets of ICMP, and all before them.
fn icmp(kind: u8, from: Side, ends: &Ends, world: &mut World, frame: &mut Frame) {
    let protocol = if ends.address[CLIENT].is_ipv6() {
        ICMPV6
    } else {
        ICMP
    };
    frame.ip(&mut world.random, ends, from, protocol);
    frame.octets.extend_from_slice(&[kind, 0]);
    frame.u16(world.random.next() as u16);
}
