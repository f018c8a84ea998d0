//! Who is there: addresses, names, and the text that servers hold.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::frame::{Ends, Mac};
use super::random::Random;

/// Hosts in the office.
const CLIENTS: u32 = 600;
/// Servers outside.
const SERVERS: u32 = 3_000;
/// Where clients' ports start (Linux), and how many there are.
const FIRST_PORT: u32 = 32_768;
const PORTS: u32 = 28_232;

pub(super) const GATEWAY: Mac = [0x02, 0x1b, 0x17, 0, 0, 1];
pub(super) const GATEWAY_V4: Ipv4Addr = Ipv4Addr::new(10, 20, 0, 1);
pub(super) const GATEWAY_V6: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1);

/// The office host behind the `number`th conversation.
pub(super) fn client(number: u32) -> u32 {
    number % CLIENTS
}

pub(super) fn client_mac(client: u32) -> Mac {
    let [_, _, high, low] = client.to_be_bytes();
    [0x02, 0x5e, 0x3c, (client % 7) as u8, high, low]
}

pub(super) fn client_v4(client: u32) -> Ipv4Addr {
    Ipv4Addr::new(10, 20, 1 + (client / 250) as u8, 2 + (client % 250) as u8)
}

/// The host part that a client chose for its addresses, link-local and global.
fn interface_id(client: u32) -> [u16; 4] {
    let id = Random::new(u64::from(client)).next();
    [48, 32, 16, 0].map(|shift| (id >> shift) as u16)
}

pub(super) fn client_link_local(client: u32) -> Ipv6Addr {
    let [a, b, c, d] = interface_id(client);
    Ipv6Addr::new(0xfe80, 0, 0, 0, a, b, c, d)
}

pub(super) fn client_v6(client: u32) -> Ipv6Addr {
    let [a, b, c, d] = interface_id(client);
    Ipv6Addr::new(0x2001, 0xdb8, 0x14, 1, a, b, c, d)
}

/// Some servers are asked much more often than others.
pub(super) fn draw_server(random: &mut Random) -> u32 {
    let bound = random.between(1, SERVERS);
    random.below(bound)
}

/// In 198.18.0.0/15, which RFC 2544 sets aside for measurements.
pub(super) fn server_v4(server: u32) -> Ipv4Addr {
    let host = server.wrapping_mul(0x9e37) & 0x1_ffff;
    Ipv4Addr::from_bits(u32::from(Ipv4Addr::new(198, 18, 0, 0)) + host)
}

pub(super) fn server_v6(server: u32) -> Ipv6Addr {
    Ipv6Addr::new(
        0x2001,
        0xdb8,
        0xa000 + (server % 40) as u16,
        0x80,
        0,
        0,
        0,
        server as u16,
    )
}

/// The office's own name server, reached by the same IP version as `like`.
pub(super) fn resolver(like: IpAddr) -> IpAddr {
    match like {
        IpAddr::V4(_) => Ipv4Addr::new(10, 20, 0, 53).into(),
        IpAddr::V6(_) => Ipv6Addr::new(0x2001, 0xdb8, 0x14, 0, 0, 0, 0, 0x53).into(),
    }
}

/// The ends of the `number`th conversation, with a server behind the gateway.
pub(super) fn ends(random: &mut Random, number: u32, server: u32, port: u16) -> Ends {
    let client = client(number);
    let address: [IpAddr; 2] = if random.percent(17) {
        [client_v6(client).into(), server_v6(server).into()]
    } else {
        [client_v4(client).into(), server_v4(server).into()]
    };
    // The generator counts ports per client up, so that no two of its flows are the same.
    let client_port = FIRST_PORT + number / CLIENTS % PORTS;
    Ends {
        mac: [client_mac(client), GATEWAY],
        vlan: random.percent(3).then_some(100 + (client % 4) as u16),
        address,
        hops: [
            if client.is_multiple_of(3) { 64 } else { 128 },
            44 + (server % 16) as u8,
        ],
        port: [client_port as u16, port],
    }
}

/// The labels of a server's name.
pub(super) fn name(server: u32) -> [String; 3] {
    let host = ["www", "api", "cdn", "img", "login", "mail"][server as usize % 6];
    let tree = [
        "birch", "cedar", "hazel", "larch", "maple", "rowan", "willow",
    ][server as usize % 7];
    [
        format!("{host}{}", server % 11),
        format!("{tree}-{}", server / 5),
        "example".to_owned(),
    ]
}

/// Appends a name in DNS form.
pub(super) fn write_labels<'a>(out: &mut Vec<u8>, labels: impl IntoIterator<Item = &'a str>) {
    for label in labels {
        out.push(label.len() as u8);
        out.extend_from_slice(label.as_bytes());
    }
    out.push(0);
}

/// Markup and prose as web servers send it: a compressor makes it about four times smaller.
pub(super) fn text(random: &mut Random) -> Vec<u8> {
    const WORDS: &[&str] = &[
        "the",
        "of",
        "and",
        "to",
        "in",
        "order",
        "delivery",
        "customer",
        "report",
        "network",
        "for",
        "with",
        "price",
        "value",
        "status",
        "open",
        "closed",
        "monday",
        "account",
        "is",
        "was",
        "not",
        "available",
        "service",
        "team",
        "project",
        "update",
        "version",
        "from",
        "by",
        "more",
        "other",
        "number",
        "table",
    ];
    const TAGS: &[&str] = &[
        "p",
        "li",
        "td",
        "span class=\"note\"",
        "h2",
        "a href=\"/item\"",
        "div",
    ];
    let mut out = String::new();
    while out.len() < 1 << 17 {
        let tag = *random.pick(TAGS);
        out.push_str(&format!("<{tag} id=\"{:x}\">", random.below(1 << 20)));
        for _ in 0..random.between(3, 14) {
            out.push_str(random.pick::<&str>(WORDS));
            out.push(' ');
        }
        let number = random.below(100_000);
        out.push_str(&format!(
            "{number}</{}>\n",
            tag.split(' ').next().unwrap_or(tag)
        ));
    }
    out.into_bytes()
}
