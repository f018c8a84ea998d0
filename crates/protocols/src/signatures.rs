//! What octets are that no dissector of packets claims, as far as their first octets tell: names for
//! `ApplicationProto` of flows. No records.
//!
//! A message is told where it begins with its packet, or behind a header in which a proxy says whom it
//! speaks for. A signature has at least three octets, or a
//! port beside what the protocol always begins with, so that random octets have hardly any.

use netcap_dissect::{Signatures, Unclaimed};

use crate::proxy;

pub(crate) const ALL: Signatures = Signatures {
    names: &NAMES,
    find: |unclaimed| find(unclaimed).map(|known| known as u16),
};

/// In the order of [`Known`].
static NAMES: [&str; 21] = [
    "BGP",
    "BitTorrent",
    "DNS",
    "DTLS",
    "FTP",
    "HTTP",
    "IMAP",
    "ModbusTCP",
    "MQTT",
    "POP3",
    "QUIC",
    "RTSP",
    "SIP",
    "SMB",
    "SMTP",
    "SNMP",
    "SSDP",
    "SSH",
    "STUN",
    "TLS",
    "WireGuard",
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Known {
    Bgp,
    BitTorrent,
    Dns,
    Dtls,
    Ftp,
    Http,
    Imap,
    ModbusTcp,
    Mqtt,
    Pop3,
    Quic,
    Rtsp,
    Sip,
    Smb,
    Smtp,
    Snmp,
    Ssdp,
    Ssh,
    Stun,
    Tls,
    WireGuard,
}

/// IANA protocol numbers.
const TCP: u8 = 6;
const UDP: u8 = 17;

fn find(unclaimed: &Unclaimed<'_>) -> Option<Known> {
    let unclaimed = Unclaimed {
        octets: proxy::behind(unclaimed.octets),
        ..*unclaimed
    };
    match unclaimed.protocol {
        TCP => on_tcp(&unclaimed),
        UDP => on_udp(&unclaimed),
        _ => None,
    }
}

fn on_tcp(unclaimed: &Unclaimed<'_>) -> Option<Known> {
    let octets = unclaimed.octets;
    match *octets {
        // Type, version and length of a record: RFC 8446 section 5.1, RFC 5246 section 6.2.3.
        [20..=23, 3, 0..=4, l0, l1, ..] => {
            let length = u16::from_be_bytes([l0, l1]);
            (1..=(1 << 14) + 2048)
                .contains(&length)
                .then_some(Known::Tls)
        }
        // RFC 4253 section 4.2.
        [b'S', b'S', b'H', b'-', ..] => Some(Known::Ssh),
        // NetBIOS session and the protocol identifier of SMB 1, 2, 3: MS-SMB2 section 2.2.1.
        [0, _, _, _, 0xfc..=0xff, b'S', b'M', b'B', ..] => Some(Known::Smb),
        // The marker of a BGP message: RFC 4271 section 4.1.
        [0xff, 0xff, 0xff, ..] if octets.starts_with(&[0xff; 16]) => Some(Known::Bgp),
        // BEP 3.
        [19, b'B', ..] if octets.starts_with(b"\x13BitTorrent protocol") => Some(Known::BitTorrent),
        // MQTT 3.1.1 and 5, section 3.1: CONNECT.
        [0x10, _, 0, 4, b'M', b'Q', b'T', b'T', ..] => Some(Known::Mqtt),
        // RFC 7766 section 8: a length before the message, of which the header has twelve octets.
        [l0, l1, ..] if unclaimed.has_port(&[53]) => {
            let length = usize::from(u16::from_be_bytes([l0, l1]));
            (length >= 12 && octets.len() >= 14).then_some(Known::Dns)
        }
        // Modbus Messaging on TCP/IP, section 3.1.3: protocol identifier 0, length of 2 to 254.
        [_, _, 0, 0, 0, 2..=255, _, _, ..] if unclaimed.has_port(&[502]) => Some(Known::ModbusTcp),
        [b'2', b'2', b'0', b' ' | b'-', ..] if unclaimed.has_port(&[21]) => Some(Known::Ftp),
        [b'2', b'2', b'0', b' ' | b'-', ..] if unclaimed.has_port(&[25, 587]) => Some(Known::Smtp),
        [b'*', b' ', b'O', b'K', b' ', ..] => Some(Known::Imap),
        [b'+', b'O', b'K', b' ' | b'\r', ..] => Some(Known::Pop3),
        _ => text(octets),
    }
}

fn on_udp(unclaimed: &Unclaimed<'_>) -> Option<Known> {
    let octets = unclaimed.octets;
    match *octets {
        // A long header of versions 1 and 2, of drafts, and of Google's before: RFC 9000 section
        // 17.2, RFC 9369. A connection identifier has twenty octets at most.
        [0xc0..=0xff, v0, v1, v2, v3, 0..=20, ..]
            if matches!(
                [v0, v1, v2, v3],
                [0, 0, 0, 1] | [0x6b, 0x33, 0x43, 0xcf] | [0xff, 0, 0, _] | [b'Q', b'0', _, _]
            ) =>
        {
            Some(Known::Quic)
        }
        // RFC 9147 section 4, RFC 6347 section 4.1: type and version.
        [20..=26, 0xfe, 0xfd | 0xff, ..] if octets.len() >= 13 => Some(Known::Dtls),
        // RFC 8489 section 5: two zero bits, a length in units of four, the magic cookie.
        [0..=0x3f, _, _, length, 0x21, 0x12, 0xa4, 0x42, ..] if length % 4 == 0 => {
            Some(Known::Stun)
        }
        // The first two messages of a handshake, section 5.4 of the protocol's paper.
        [1, 0, 0, 0, ..] if octets.len() == 148 => Some(Known::WireGuard),
        [2, 0, 0, 0, ..] if octets.len() == 92 => Some(Known::WireGuard),
        // Section 5.4.6, before four thousand million messages: padded to sixteen octets, with a header
        // and an authentication tag of as many.
        [4, 0, 0, 0, _, _, _, _, _, _, _, _, 0, 0, 0, 0, ..] if octets.len().is_multiple_of(16) => {
            Some(Known::WireGuard)
        }
        // RFC 3417 section 3: a sequence.
        [0x30, ..] if unclaimed.has_port(&[161, 162]) => Some(Known::Snmp),
        _ => match text(octets) {
            // UPnP Device Architecture 2.0, section 1.
            Some(Known::Http) => Some(Known::Ssdp),
            known => known,
        },
    }
}

/// Protocols of which a message begins with a line that names them: RFC 9112 section 3 and 4, RFC
/// 3261 section 7, RFC 2326 section 6.1, RFC 9113 section 3.4.
fn text(octets: &[u8]) -> Option<Known> {
    if !octets.first().is_some_and(u8::is_ascii_uppercase) {
        return None;
    }
    let end = octets.iter().position(|octet| *octet == b'\n');
    let line = octets.get(..end.unwrap_or(octets.len()))?.trim_ascii_end();
    // What carries such a line, a tunnel say, has a header before it.
    if line.iter().any(u8::is_ascii_control) {
        return None;
    }
    let versions: [(&[u8], Known); 4] = [
        (b"HTTP/1.", Known::Http),
        (b"HTTP/2.", Known::Http),
        (b"SIP/2.", Known::Sip),
        (b"RTSP/1.", Known::Rtsp),
    ];
    let last = line.rsplit(|octet| *octet == b' ').next()?;
    let names = |(version, _): &&(&[u8], Known)| {
        let is_request = last.len() == version.len() + 1 && last.starts_with(version);
        line.starts_with(version) || (is_request && end.is_some() && last.len() < line.len())
    };
    if let Some((_, known)) = versions.iter().find(names) {
        return Some(*known);
    }
    let begins = |words: &[&[u8]]| words.iter().any(|word| line.starts_with(word));
    match end {
        // A request line that does not end in its packet.
        None if begins(&[b"GET /", b"POST /", b"HEAD /", b"PUT /"]) => Some(Known::Http),
        // RFC 5321 section 4.1.1.1.
        Some(_) if begins(&[b"EHLO ", b"HELO "]) => Some(Known::Smtp),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(protocol: u8, port: u16, octets: &[u8]) -> &'static str {
        let unclaimed = Unclaimed {
            protocol,
            ports: [40_000, port],
            octets,
        };
        let found = (ALL.find)(&unclaimed);
        found.map_or("", |place| NAMES[usize::from(place)])
    }

    #[test]
    fn names_are_in_the_order_of_the_variants() {
        let places = [
            Known::Bgp as usize,
            Known::Quic as usize,
            Known::WireGuard as usize,
        ];
        assert_eq!(
            places.map(|place| NAMES[place]),
            ["BGP", "QUIC", "WireGuard"]
        );
        assert_eq!(Known::WireGuard as usize, NAMES.len() - 1);
    }

    /// HAProxy's PROXY protocol, sections 2.1 and 2.2, on streams and on datagrams.
    #[test]
    fn octets_behind_the_header_of_a_proxy() {
        let line = b"PROXY TCP4 192.0.2.1 192.0.2.2 40000 443\r\n";
        let binary = [b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c", &[9; 12][..]].concat();
        let [hello, get] = [&b"\x16\x03\x01\x02\0\x01\0"[..], b"GET / HTTP/1.1\r\n"];
        for header in [&line[..], &binary, &[&line[..], &binary].concat()] {
            assert_eq!(name(6, 1, &[header, hello].concat()), "TLS");
            assert_eq!(name(6, 1, &[header, get].concat()), "HTTP");
            assert_eq!(name(6, 1, &[header, b"anything"].concat()), "");
            assert_eq!(name(6, 1, header), "");
        }
        let stun = b"\0\x01\0\0\x21\x12\xa4\x42............";
        assert_eq!(name(17, 1, &[&binary, &stun[..]].concat()), "STUN");
    }

    #[test]
    fn first_octets() {
        for (protocol, port, octets, expected) in [
            (
                6,
                443,
                &b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03"[..],
                "TLS",
            ),
            (6, 8443, b"\x17\x03\x03\0\x20....", "TLS"),
            (6, 443, b"\x17\x03\x03\0\0....", ""),
            (6, 443, b"\x17\x03\x03\x50\0....", ""),
            (17, 443, b"\x16\x03\x01\x02\0\x01", ""),
            (6, 22, b"SSH-2.0-OpenSSH_9.9\r\n", "SSH"),
            (6, 8080, b"GET /a?b=c HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP"),
            (6, 80, b"HTTP/1.1 200 OK\r\n", "HTTP"),
            (6, 80, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "HTTP"),
            (6, 80, b"GET /a-long-target-that-does-not-end", "HTTP"),
            (6, 80, b"Once upon a time there was HTTP/1.1 ", ""),
            // A tunnel that carries a request.
            (
                17,
                9,
                b"AR\x11\x29\x4a GET / HTTP/1.1\r\nHost: a\r\n\r\n",
                "",
            ),
            (6, 5060, b"OPTIONS sip:a@example SIP/2.0\r\n", "SIP"),
            (6, 554, b"DESCRIBE rtsp://a/b RTSP/1.0\r\n", "RTSP"),
            (
                6,
                53,
                b"\0\x1d\x12\x34\x01\0\0\x01\0\0\0\0\0\0\x01a\0",
                "DNS",
            ),
            (6, 54, b"\0\x1d\x12\x34\x01\0\0\x01\0\0\0\0\0\0\x01a\0", ""),
            (6, 502, b"\0\x01\0\0\0\x06\x01\x03\0\0\0\x01", "ModbusTCP"),
            (6, 445, b"\0\0\0\x40\xfeSMB@\0", "SMB"),
            (6, 25, b"220 mail.example ESMTP\r\n", "SMTP"),
            (6, 21, b"220 ftp.example\r\n", "FTP"),
            (6, 9, b"220 what.example\r\n", ""),
            (17, 443, b"\xc3\0\0\0\x01\x08........", "QUIC"),
            (17, 443, b"\xc3\0\0\0\x01\x15........", ""),
            (17, 443, b"\xc3\0\0\0\x02\x08........", ""),
            (17, 443, b"\x43\0\0\0\x01\x08........", ""),
            (17, 1900, b"M-SEARCH * HTTP/1.1\r\n", "SSDP"),
            (17, 3478, b"\0\x01\0\0\x21\x12\xa4\x42............", "STUN"),
            (17, 4433, b"\x16\xfe\xfd\0\0\0\0\0\0\0\0\0\x10", "DTLS"),
            (132, 80, b"HTTP/1.1 200 OK\r\n", ""),
        ] {
            assert_eq!(name(protocol, port, octets), expected, "{octets:?}");
        }
        // Nothing is told by too few octets.
        for octets in [&b""[..], b"\x16", b"\x16\x03", b"S", b"SSH", b"\0\0"] {
            assert_eq!(name(6, 1, octets), "");
            assert_eq!(name(17, 1, octets), "");
        }
    }
}
