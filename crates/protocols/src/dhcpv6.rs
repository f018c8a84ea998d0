//! Dynamic Host Configuration Protocol for IPv6 (RFC 8415): one record per datagram.
//!
//! Messages between clients and servers have a transaction number, those between relay agents and
//! servers a hop count and two addresses; after either come options, listed as they stand. What is
//! inside an option stays there: the message that a relay agent passes on is the data of its option
//! 9 and has no record of its own. Only a DHCPv4 message that DHCPv6 merely carries (RFC 7341) is a
//! layer, and dissected as such.
//!
//! Messages of types not known here are taken for messages of clients and servers (RFC 7283
//! section 4). An option that reaches beyond the message keeps those before it.

use netcap_dissect::{Context, Cursor, Fit, Malformed, Next, Protocol, Selector};
use netcap_record::{Each, Ip, Record, Timestamp};

use crate::udp;

pub(crate) static PROTOCOL: Protocol = Protocol::new("DHCPv6", dissect)
    .reached_by(&[Selector::UdpPort(546), Selector::UdpPort(547)])
    .judged_by(judge)
    .emits(&[Dhcpv6::SCHEMA]);

/// Types of messages with a form of their own.
mod kind {
    // RFC 8415 section 7.3.
    pub(super) const RELAY_FORW: u8 = 12;
    pub(super) const RELAY_REPL: u8 = 13;
    // RFC 7341 section 6.2.
    pub(super) const DHCPV4_QUERY: u8 = 20;
    pub(super) const DHCPV4_RESPONSE: u8 = 21;
}

/// The option that holds a DHCPv4 message: RFC 7341 section 7.1.
const DHCPV4_MESSAGE: u16 = 87;
/// How a DHCPv4 message is reached: by the port of its server.
const DHCPV4: Selector = Selector::UdpPort(67);

/// One message of the Dynamic Host Configuration Protocol for IPv6 (RFC 8415).
#[derive(Record)]
#[record("DHCPv6", 49)]
pub(crate) struct Dhcpv6<'a> {
    /// Capture time of the packet.
    #[field(1, "Timestamp")]
    timestamp: Timestamp,
    /// Type of the message: 1 solicit, 2 advertise, 3 request, 4 confirm, 5 renew, 6 rebind,
    /// 7 reply, 8 release, 9 decline, 10 reconfigure, 11 information request, 12 relay forward,
    /// 13 relay reply, 14 and 15 lease query and its reply (RFC 5007), 20 and 21 DHCPv4 query and
    /// response (RFC 7341).
    #[field(2, "MsgType")]
    msg_type: u8,
    /// Relay agents that have passed the message on before this one. Messages of relay agents (12,
    /// 13) only.
    #[field(3, "HopCount")]
    hop_count: u8,
    /// Address that tells the server on which link the client is, `::` where it is given
    /// otherwise. Messages of relay agents only, else `<nil>`.
    #[field(4, "LinkAddr")]
    link_addr: Ip,
    /// The client or relay agent from which the message came, or to which the reply goes. Messages
    /// of relay agents only, else `<nil>`.
    #[field(5, "PeerAddr")]
    peer_addr: Ip,
    /// Transaction number of three octets, chosen by the client and repeated by the server; in the
    /// messages 20 and 21 flags stand in its place (RFC 7341 section 6.1). Empty in messages of
    /// relay agents.
    #[field(6, "TransactionID")]
    transaction_id: &'a [u8],
    /// Options in the order of the message.
    #[field(7, "Options")]
    options: Each<Options<'a>>,
}

/// One option of a DHCPv6 message (RFC 8415 section 21.1).
#[derive(Record)]
#[record("DHCPv6Option", 50)]
pub(crate) struct Dhcpv6Option<'a> {
    /// Number of the option: 1 and 2 identify client and server, 3 and 25 hold addresses and
    /// prefixes, 6 lists what is asked for, 9 holds the message that a relay agent passes on, 13
    /// the status.
    #[field(1, "Code")]
    code: u16,
    /// Length of the data in octets.
    #[field(2, "Length")]
    length: u16,
    /// The data; options inside it are part of it.
    #[field(3, "Data")]
    data: &'a [u8],
}

/// The sound options from here on.
#[derive(Clone)]
struct Options<'p>(Cursor<'p>);

impl<'p> Iterator for Options<'p> {
    type Item = Dhcpv6Option<'p>;

    fn next(&mut self) -> Option<Dhcpv6Option<'p>> {
        option(&mut self.0).ok()
    }
}

/// The next option.
fn option<'p>(input: &mut Cursor<'p>) -> Result<Dhcpv6Option<'p>, Malformed> {
    let mut ahead = *input;
    let (code, length) = (ahead.u16()?, ahead.u16()?);
    let data = ahead.bytes(usize::from(length))?;
    *input = ahead;
    Ok(Dhcpv6Option { code, length, data })
}

/// By the options, of which there are fewer than 256 kinds, from 1 (IANA, DHCPv6 Option Codes).
fn judge(octets: &[u8], context: &Context<'_, '_>) -> Fit {
    let options = match octets.first() {
        Some(&(kind::RELAY_FORW | kind::RELAY_REPL)) => 34,
        Some(0) => return Fit::No,
        _ => 4,
    };
    let mut rest = octets.get(options..).unwrap_or_default();
    let mut fit = match udp::ports_around(context) {
        Some([546 | 547, 546 | 547]) => Fit::Possible,
        _ => Fit::No,
    };
    loop {
        match *rest {
            [0, 1..=255, l0, l1, ref data @ ..] => {
                fit = Fit::Possible;
                match data.get(usize::from(u16::from_be_bytes([l0, l1]))..) {
                    Some(next) => rest = next,
                    None if context.is_cut() => return Fit::Good,
                    None => return fit,
                }
            }
            [] if octets.len() > options => return Fit::Good,
            [_, _, _, _, ..] => return fit,
            _ => return Fit::Possible,
        }
    }
}

fn dissect<'p>(
    input: &mut Cursor<'p>,
    context: &mut Context<'p, '_>,
) -> Result<Next<'p>, Malformed> {
    let msg_type = input.u8()?;
    let mut record = Dhcpv6 {
        timestamp: context.timestamp(),
        msg_type,
        hop_count: 0,
        link_addr: Ip::Absent,
        peer_addr: Ip::Absent,
        transaction_id: &[],
        options: Each(Options(*input)),
    };
    if matches!(msg_type, kind::RELAY_FORW | kind::RELAY_REPL) {
        // RFC 8415 section 9.
        let mut header = input.sub(33)?;
        record.hop_count = header.u8()?;
        record.link_addr = Ip::V6(*header.array()?);
        record.peer_addr = Ip::V6(*header.array()?);
    } else {
        // RFC 8415 section 8.
        record.transaction_id = input.bytes(3)?;
    }
    record.options = Each(Options(*input));
    context.emit(&record);

    let carries = matches!(msg_type, kind::DHCPV4_QUERY | kind::DHCPV4_RESPONSE);
    let mut carried = None;
    while !input.is_empty() {
        let found = option(input)?;
        if carries && found.code == DHCPV4_MESSAGE {
            carried.get_or_insert(found.data);
        }
    }
    Ok(carried.map_or(Next::End, |message| Next::Layer(DHCPV4, message)))
}

#[cfg(test)]
mod tests {
    use netcap_dissect::testing::{encoded, every_prefix, walk_cut, walk_packet};
    use netcap_dissect::{Fate, Reason};

    use super::*;

    /// Link type 147 is reserved for private use.
    static ALONE: Protocol = Protocol::new("DHCPv6", dissect)
        .reached_by(&[Selector::LinkType(147)])
        .emits(&[Dhcpv6::SCHEMA]);

    const PROTOCOLS: &[&Protocol] = &[&ALONE];

    /// Client identifier, rapid commit without data, option request.
    const OPTIONS: &[u8] = b"\x00\x01\x00\x0a\x00\x03\x00\x01\x02\x00\x5e\x00\x00\x0a\
        \x00\x0e\x00\x00\x00\x06\x00\x04\x00\x17\x00\x18";
    const SOLICIT: &[u8] = b"\x01\xa1\xb2\xc3";
    const LINK: [u8; 16] = *b"\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01";
    const PEER: [u8; 16] = *b"\xfe\x80\0\0\0\0\0\0\x00\x00\x5e\xff\xfe\x00\x00\x0a";

    fn solicit(options: &[u8]) -> Dhcpv6<'_> {
        Dhcpv6 {
            timestamp: Timestamp::new(1, 2000),
            msg_type: 1,
            hop_count: 0,
            link_addr: Ip::Absent,
            peer_addr: Ip::Absent,
            transaction_id: b"\xa1\xb2\xc3",
            options: Each(Options(Cursor::new("DHCPv6", options))),
        }
    }

    #[test]
    fn every_field_of_a_solicitation() {
        let octets = [SOLICIT, OPTIONS].concat();
        let walked = walk_packet(PROTOCOLS, 147, &octets);
        assert_eq!(walked.fate, Fate::Decoded);
        let mut expected = Vec::new();
        solicit(b"").encode(&mut expected);
        expected
            .extend(b"\x3a\x10\x08\x01\x10\x0a\x1a\x0a\x00\x03\x00\x01\x02\x00\x5e\x00\x00\x0a");
        expected.extend(b"\x3a\x02\x08\x0e");
        expected.extend(b"\x3a\x0a\x08\x06\x10\x04\x1a\x04\x00\x17\x00\x18");
        assert_eq!(walked.of("DHCPv6"), [expected]);
        every_prefix(PROTOCOLS, 147, &octets);
    }

    #[test]
    fn relay_agents() {
        let relayed = [&b"\x00\x09\x00\x1e"[..], SOLICIT, OPTIONS].concat();
        for msg_type in [12, 13] {
            let octets = [&[msg_type, 3], &LINK[..], &PEER, &relayed].concat();
            let walked = walk_packet(PROTOCOLS, 147, &octets);
            let record = Dhcpv6 {
                msg_type,
                hop_count: 3,
                link_addr: Ip::V6(LINK),
                peer_addr: Ip::V6(PEER),
                transaction_id: b"",
                ..solicit(&relayed)
            };
            assert_eq!(walked.fate, Fate::Decoded);
            assert_eq!(walked.of("DHCPv6"), [encoded(&record)]);
            every_prefix(PROTOCOLS, 147, &octets);
            // A header cut short gives no record.
            let walked = walk_cut(PROTOCOLS, 147, &octets[..33], octets.len());
            assert!(matches!(walked.fate, Fate::CutShort(m) if m.needed == 33 && m.had == 32));
            assert!(walked.records.is_empty());
        }
    }

    #[test]
    fn messages_without_options() {
        for octets in [SOLICIT, b"\xff\xa1\xb2\xc3"] {
            let walked = walk_packet(PROTOCOLS, 147, octets);
            let record = Dhcpv6 {
                msg_type: octets[0],
                ..solicit(b"")
            };
            assert_eq!(walked.fate, Fate::Decoded);
            assert_eq!(walked.of("DHCPv6"), [encoded(&record)]);
        }
    }

    #[test]
    fn an_option_beyond_the_message_keeps_those_before() {
        for broken in [&b"\x00\x19\x00\x0cabc"[..], b"\x00\x19\x00", b"\x00"] {
            let octets = [SOLICIT, OPTIONS, broken].concat();
            let walked = walk_packet(PROTOCOLS, 147, &octets);
            assert_eq!(walked.malformed(), Some(Reason::Truncated));
            assert_eq!(walked.of("DHCPv6"), [encoded(&solicit(OPTIONS))]);
            let walked = walk_cut(PROTOCOLS, 147, &octets, octets.len() + 9);
            assert!(matches!(walked.fate, Fate::CutShort(_)));
            assert_eq!(walked.of("DHCPv6"), [encoded(&solicit(OPTIONS))]);
        }
    }

    /// Finds every DHCPv4 message malformed.
    static INNER: Protocol = Protocol::new("DHCPv4", |input, _| {
        assert_eq!(input.rest(), b"four");
        Err(input.malformed(Reason::Value))
    })
    .reached_by(&[DHCPV4]);

    #[test]
    fn dhcpv4_inside() {
        let protocols = &[&ALONE, &INNER];
        let carried = b"\x00\x57\x00\x04four";
        for (msg_type, inner) in [
            (20, Some(Reason::Value)),
            (21, Some(Reason::Value)),
            (1, None),
        ] {
            let octets = [&[msg_type, 0x80, 0, 0], &carried[..]].concat();
            let walked = walk_packet(protocols, 147, &octets);
            let record = Dhcpv6 {
                msg_type,
                transaction_id: b"\x80\0\0",
                ..solicit(carried)
            };
            assert_eq!(walked.malformed(), inner);
            assert_eq!(walked.of("DHCPv6"), [encoded(&record)]);
        }
        assert_eq!(
            walk_packet(protocols, 147, b"\x14\0\0\0").fate,
            Fate::Decoded
        );
    }
}
