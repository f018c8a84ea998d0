//! Dynamic Host Configuration Protocol for IPv4 (RFC 2131, options RFC 2132), and its ancestor BOOTP
//! (RFC 951), whose messages have no options that could be told apart.
//!
//! Options are those of the options field up to its End, then, where option 52 says so, those in the
//! fields of the boot file and the server's name, each up to an End of its own (RFC 2131 section 4.1).
//! An option that comes several times is one that was split: it stands at the place of its first part,
//! with the data of all of them (RFC 3396 section 7). A field without End is accepted.

use std::borrow::Cow;

use netcap_dissect::{Context, Cursor, Fit, Malformed, Next, Protocol, Reason, Selector};
use netcap_record::{Element, Ip, Record, Timestamp, Type, put};

pub(crate) static PROTOCOL: Protocol = Protocol::new("DHCPv4", dissect)
    .reached_by(&[Selector::UdpPort(67), Selector::UdpPort(68)])
    .judged_by(judge)
    .emits(&[Dhcpv4::SCHEMA]);

/// Octets of a message of BOOTP without its vendor's area (RFC 951 section 3).
const BOOTP: usize = 236;
/// What options begin with: RFC 2131 section 3.
const MAGIC_COOKIE: [u8; 4] = [99, 130, 83, 99];
/// Fills up, has no length: RFC 2132 section 3.1.
const PAD: u8 = 0;
/// Says which other fields hold options: RFC 2132 section 9.3.
const OVERLOAD: u8 = 52;
/// Ends the options: RFC 2132 section 3.2.
const END: u8 = 255;

/// One message of the Dynamic Host Configuration Protocol (RFC 2131) or of BOOTP (RFC 951).
#[derive(Record)]
#[record("DHCPv4", 47)]
pub(crate) struct Dhcpv4<'a> {
    /// Capture time of the packet.
    #[field(1, "Timestamp")]
    timestamp: Timestamp,
    /// 1 request of a client, 2 reply of a server. The message type proper is option 53.
    #[field(2, "Operation")]
    operation: u8,
    /// Kind of hardware address, numbered as in ARP: 1 is Ethernet.
    #[field(3, "HardwareType")]
    hardware_type: u8,
    /// Length of the hardware address in octets: 6 for Ethernet.
    #[field(4, "HardwareLen")]
    hardware_len: u8,
    /// Relay agents that the message has passed.
    #[field(5, "HardwareOpts")]
    hardware_opts: u8,
    /// Transaction number, chosen by the client and repeated by the server.
    #[field(6, "Xid")]
    xid: u32,
    /// Seconds since the client began to ask for an address.
    #[field(7, "Secs")]
    secs: u16,
    /// Flags: 32768 asks for a broadcast reply, the other bits are zero.
    #[field(8, "Flags")]
    flags: u16,
    /// The client's address, where it already has and uses one; else `0.0.0.0`.
    #[field(9, "ClientIP")]
    client_ip: Ip,
    /// The address given to the client.
    #[field(10, "YourClientIP")]
    your_client_ip: Ip,
    /// Server to load the boot file from.
    #[field(11, "NextServerIP")]
    next_server_ip: Ip,
    /// Relay agent through which the client is reached.
    #[field(12, "RelayAgentIP")]
    relay_agent_ip: Ip,
    /// Hardware address of the client: `HardwareLen` octets, 16 at most, in colons.
    #[field(13, "ClientHWAddr")]
    client_hw_addr: HardwareAddress<'a>,
    /// Name of the server: 64 octets, text up to the first zero, or options (option 52).
    #[field(14, "ServerName")]
    server_name: &'a [u8],
    /// Name of the boot file: 128 octets, text up to the first zero, or options (option 52).
    #[field(15, "File")]
    file: &'a [u8],
    /// Options of all fields that hold some, each once and whole, with the pads among them. Empty for
    /// BOOTP.
    #[field(16, "Options")]
    options: Vec<DhcpOption<'a>>,
}

/// One option of a DHCP message (RFC 2132).
#[derive(Record)]
#[record("DHCPOption", 48)]
pub(crate) struct DhcpOption<'a> {
    /// Number of the option: 53 is the message type, 0 a pad.
    #[field(1, "Type")]
    kind: u8,
    /// Length of the data in octets, of all its parts where the option was split; 0 for a pad, which
    /// has none.
    #[field(2, "Length")]
    length: u16,
    /// The data.
    #[field(3, "Data")]
    data: Cow<'a, [u8]>,
}

/// A hardware address of any length, in colons.
struct HardwareAddress<'a>(&'a [u8]);

impl Element for HardwareAddress<'_> {
    const TYPE: Type = Type::String;

    fn is_default(&self) -> bool {
        self.0.is_empty()
    }

    fn write(&self, out: &mut Vec<u8>) {
        let digit = |n: u8| n + if n < 10 { b'0' } else { b'a' - 10 };
        put::delimited(out, |out| {
            for (i, octet) in self.0.iter().enumerate() {
                if i > 0 {
                    out.push(b':');
                }
                out.extend_from_slice(&[digit(octet >> 4), digit(octet & 15)]);
            }
        });
    }
}

/// The sound options of the fields that were read, split ones put together.
struct Options<'p> {
    list: Vec<DhcpOption<'p>>,
    /// Where in the list the option of a number stands.
    places: [Option<usize>; 256],
}

impl<'p> Options<'p> {
    /// Takes the options of a field up to its End, or to where they contradict themselves.
    fn read(&mut self, mut input: Cursor<'p>) -> Result<(), Malformed> {
        while !input.is_empty() {
            match input.u8()? {
                PAD => self.list.push(DhcpOption::new(PAD, &[])),
                END => break,
                kind => {
                    let length = input.u8()?;
                    self.add(kind, input.bytes(length.into())?);
                }
            }
        }
        Ok(())
    }

    fn add(&mut self, kind: u8, data: &'p [u8]) {
        let Some(place) = self.places.get_mut(usize::from(kind)) else {
            return;
        };
        match place.and_then(|place| self.list.get_mut(place)) {
            Some(option) => option.append(data),
            None => {
                *place = Some(self.list.len());
                self.list.push(DhcpOption::new(kind, data));
            }
        }
    }

    /// Whether the fields of the boot file and of the server's name hold options.
    fn overload(&self) -> (bool, bool) {
        let overload = self.list.iter().find(|option| option.kind == OVERLOAD);
        match overload.map(|option| &*option.data) {
            Some([1]) => (true, false),
            Some([2]) => (false, true),
            Some([3]) => (true, true),
            _ => (false, false),
        }
    }
}

impl<'p> DhcpOption<'p> {
    fn new(kind: u8, data: &'p [u8]) -> DhcpOption<'p> {
        DhcpOption {
            kind,
            length: data.len() as u16,
            data: Cow::Borrowed(data),
        }
    }

    /// Puts another part behind. All parts together are shorter than their datagram.
    fn append(&mut self, data: &[u8]) {
        self.data.to_mut().extend_from_slice(data);
        self.length = self.data.len() as u16;
    }
}

/// RFC 951 section 3: a request or a reply, an address that fits its field.
fn judge(octets: &[u8], _: &Context<'_, '_>) -> Fit {
    let has_cookie = octets
        .get(BOOTP..)
        .is_some_and(|tail| tail.starts_with(&MAGIC_COOKIE));
    match *octets {
        _ if has_cookie => Fit::Good,
        [] | [1 | 2] | [1 | 2, _] | [1 | 2, _, 0..=16, ..] => Fit::Possible,
        _ => Fit::No,
    }
}

fn dissect<'p>(
    input: &mut Cursor<'p>,
    context: &mut Context<'p, '_>,
) -> Result<Next<'p>, Malformed> {
    // RFC 2131 section 2, figure 1.
    let mut header = input.sub(236)?;
    let &[
        operation,
        hardware_type,
        hardware_len,
        hardware_opts,
        x1,
        x2,
        x3,
        x4,
        s1,
        s2,
        f1,
        f2,
    ] = header.array()?;
    let (client, yours, server, relay) = (
        header.array()?,
        header.array()?,
        header.array()?,
        header.array()?,
    );
    let address = header.bytes(16)?;
    let name_field = header;
    let server_name = header.bytes(64)?;
    let file_field = header;
    let file = header.bytes(128)?;

    let cookie = input.array();
    let mut options = Options {
        list: Vec::new(),
        places: [None; 256],
    };
    let mut verdict = Ok(());
    // Otherwise it is BOOTP, or nothing is there.
    if let Ok(&MAGIC_COOKIE) = cookie {
        let malformed = |m| Malformed {
            reason: Reason::Option,
            ..m
        };
        verdict = match options.read(*input) {
            // Unless it was the capture that cut the option.
            Err(m) if !context.is_cut() => Err(malformed(m)),
            read => read,
        };
        let (in_file, in_name) = options.overload();
        for (is_used, mut field, size) in [(in_file, file_field, 128), (in_name, name_field, 64)] {
            if is_used {
                field.limit(size);
                verdict = verdict.and(options.read(field).map_err(malformed));
            }
        }
    }
    context.emit(&Dhcpv4 {
        timestamp: context.timestamp(),
        operation,
        hardware_type,
        hardware_len,
        hardware_opts,
        xid: u32::from_be_bytes([x1, x2, x3, x4]),
        secs: u16::from_be_bytes([s1, s2]),
        flags: u16::from_be_bytes([f1, f2]),
        client_ip: Ip::V4(*client),
        your_client_ip: Ip::V4(*yours),
        next_server_ip: Ip::V4(*server),
        relay_agent_ip: Ip::V4(*relay),
        client_hw_addr: HardwareAddress(
            address.get(..usize::from(hardware_len)).unwrap_or(address),
        ),
        server_name,
        file,
        options: options.list,
    });
    if usize::from(hardware_len) > address.len() {
        // The third octet says so.
        return Err(Malformed {
            offset: 2,
            ..input.malformed(Reason::Length)
        });
    }
    // RFC 951 has 64 octets here, RFC 2131 the cookie at least.
    cookie?;
    verdict.map(|()| Next::End)
}

#[cfg(test)]
mod tests {
    use netcap_dissect::Fate;
    use netcap_dissect::testing::{Walked, every_prefix, walk_cut, walk_packet};
    use netcap_record::{Message, Scalar};

    use super::*;

    static ALONE: Protocol = Protocol::new("DHCPv4", dissect)
        .reached_by(&[Selector::LinkType(0)])
        .emits(&[Dhcpv4::SCHEMA]);

    /// An offer, all of whose fixed fields differ from zero.
    fn message(hardware_len: u8, rest: &[u8]) -> Vec<u8> {
        let mut octets = vec![2, 1, hardware_len, 3, 0x39, 0x03, 0xf3, 0x26, 0, 7, 0x80, 0];
        octets.extend([192, 0, 2, 9, 192, 0, 2, 10, 192, 0, 2, 1, 192, 0, 2, 254]);
        octets.extend([2, 0, 0x5e, 0, 0, 0x0a, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff]);
        octets.extend(field::<64>(b"boot.example.com"));
        octets.extend(field::<128>(b"pxelinux.0"));
        octets.extend(rest);
        octets
    }

    fn field<const N: usize>(text: &[u8]) -> Vec<u8> {
        let mut octets = text.to_vec();
        octets.resize(N, 0);
        octets
    }

    /// The record of [`message`], with these options in protobuf.
    fn expected(hardware_len: u8, address: &[u8], options: &[&[u8]]) -> Vec<u8> {
        let mut out = Vec::new();
        let record = Dhcpv4 {
            timestamp: Timestamp::new(1, 2000),
            operation: 2,
            hardware_type: 1,
            hardware_len,
            hardware_opts: 3,
            xid: 0x3903_f326,
            secs: 7,
            flags: 0x8000,
            client_ip: Ip::V4([192, 0, 2, 9]),
            your_client_ip: Ip::V4([192, 0, 2, 10]),
            next_server_ip: Ip::V4([192, 0, 2, 1]),
            relay_agent_ip: Ip::V4([192, 0, 2, 254]),
            client_hw_addr: HardwareAddress(address),
            server_name: &field::<64>(b"boot.example.com"),
            file: &field::<128>(b"pxelinux.0"),
            options: Vec::new(),
        };
        record.encode(&mut out);
        for option in options {
            out.extend([0x82, 0x01, option.len() as u8]);
            out.extend(*option);
        }
        out
    }

    const MAC: [u8; 6] = [2, 0, 0x5e, 0, 0, 0x0a];

    fn with_options(octets: &[u8]) -> Vec<u8> {
        message(6, &[&MAGIC_COOKIE, octets].concat())
    }

    fn reason(walked: &Walked) -> Option<Reason> {
        match walked.fate {
            Fate::Malformed(m) => Some(m.reason),
            _ => None,
        }
    }

    #[test]
    fn every_field_of_an_offer() {
        // Pads, a message type, an option without data, End, and what is behind it.
        let octets = with_options(&[0, 53, 1, 2, 0, 80, 0, 255, 12, 1, 0]);
        let options: [&[u8]; 4] = [&[], &[0x08, 53, 0x10, 1, 0x1a, 1, 2], &[], &[0x08, 80]];
        let walked = walk_packet(&[&ALONE], 0, &octets);
        assert_eq!(walked.fate, Fate::Decoded);
        assert_eq!(walked.of("DHCPv4"), [expected(6, &MAC, &options)]);
        every_prefix(&[&ALONE], 0, &octets);
    }

    #[test]
    fn the_end_may_be_missing() {
        let walked = walk_packet(&[&ALONE], 0, &with_options(&[53, 1, 2]));
        assert_eq!(walked.fate, Fate::Decoded);
        let option: &[u8] = &[0x08, 53, 0x10, 1, 0x1a, 1, 2];
        assert_eq!(walked.of("DHCPv4"), [expected(6, &MAC, &[option])]);
    }

    /// A message whose server name and boot file fields hold these.
    fn overloaded(name: &[u8], file: &[u8], options: &[u8]) -> Vec<u8> {
        let mut octets = with_options(options);
        octets.splice(44..108, field::<64>(name));
        octets.splice(108..236, field::<128>(file));
        octets
    }

    /// Number, length and data of the options of the record.
    fn options(walked: &Walked) -> Vec<(u64, u64, Vec<u8>)> {
        let record = walked.of("DHCPv4")[0].to_vec();
        let message = Message::parse(Dhcpv4::SCHEMA, &record).expect("a sound record");
        let field = Dhcpv4::SCHEMA.field("Options").expect("a field");
        let option = |value| match value {
            Scalar::Message(option) => {
                let number = |name| match option.value(DhcpOption::SCHEMA.field(name)?) {
                    Some(Scalar::Int(number)) => Some(number as u64),
                    _ => None,
                };
                let data = match option.value(DhcpOption::SCHEMA.field("Data")?) {
                    Some(Scalar::Bytes(data)) => data.to_vec(),
                    _ => Vec::new(),
                };
                Some((
                    number("Type").unwrap_or(0),
                    number("Length").unwrap_or(0),
                    data,
                ))
            }
            _ => None,
        };
        message.values(field).filter_map(option).collect()
    }

    fn tlv(kind: u8, data: &[u8]) -> Vec<u8> {
        [&[kind, data.len() as u8], data].concat()
    }

    #[test]
    fn options_in_the_other_fields() {
        let name = [tlv(12, b"host"), vec![END, 9, 9]].concat();
        let file = [vec![PAD], tlv(60, b"class"), vec![END]].concat();
        let first = (53, 1, vec![2]);
        let overload = |value| (52, 1, vec![value]);
        let pad = (0, 0, vec![]);
        let (class, host) = ((60, 5, b"class".to_vec()), (12, 4, b"host".to_vec()));
        for (value, expected) in [
            (1, vec![pad.clone(), class.clone()]),
            (2, vec![host.clone()]),
            // The boot file's field is read first.
            (3, vec![pad, class, host]),
            (0, vec![]),
            (4, vec![]),
        ] {
            let octets = overloaded(&name, &file, &[53, 1, 2, 52, 1, value, END]);
            let walked = walk_packet(&[&ALONE], 0, &octets);
            assert_eq!(walked.fate, Fate::Decoded);
            let expected = [vec![first.clone(), overload(value)], expected].concat();
            assert_eq!(options(&walked), expected);
        }
    }

    #[test]
    fn split_options() {
        // Over three fields, one of them without an End.
        let octets = overloaded(
            &tlv(43, &[3; 62]),
            &[tlv(43, &[2; 100]), vec![END]].concat(),
            &[
                tlv(43, &[1; 255]),
                tlv(52, &[3]),
                tlv(43, &[]),
                tlv(7, b"x"),
            ]
            .concat(),
        );
        let walked = walk_packet(&[&ALONE], 0, &octets);
        assert_eq!(walked.fate, Fate::Decoded);
        let joined = [vec![1; 255], vec![2; 100], vec![3; 62]].concat();
        let expected = [(43, 417, joined), (52, 1, vec![3]), (7, 1, b"x".to_vec())];
        assert_eq!(options(&walked), expected);
        // Very many parts.
        let many = with_options(&tlv(77, b"ab").repeat(10_000));
        let walked = walk_packet(&[&ALONE], 0, &many);
        assert_eq!(options(&walked), [(77, 20_000, b"ab".repeat(10_000))]);
    }

    #[test]
    fn contradictions_in_the_other_fields() {
        let octets = overloaded(b"", &tlv(12, &[7; 126]), &[52, 1, 1, END]);
        assert_eq!(walk_packet(&[&ALONE], 0, &octets).fate, Fate::Decoded);
        let octets = overloaded(b"", &[tlv(60, b"c"), vec![12, 124]].concat(), &[52, 1, 1]);
        let malformed = Malformed {
            protocol: "DHCPv4",
            reason: Reason::Option,
            offset: 108 + 5,
            needed: 124,
            had: 123,
        };
        // The capture is not at fault.
        for original in [octets.len(), octets.len() + 1] {
            let walked = walk_cut(&[&ALONE], 0, &octets, original);
            assert_eq!(walked.fate, Fate::Malformed(malformed));
            let class = (60, 1, b"c".to_vec());
            assert_eq!(options(&walked), [(52, 1, vec![1]), class]);
        }
    }

    #[test]
    fn an_option_past_the_end_keeps_those_before() {
        for broken in [&[53, 1, 2, 12, 200, b's'][..], &[53, 1, 2, 12]] {
            let octets = with_options(broken);
            let walked = walk_packet(&[&ALONE], 0, &octets);
            assert_eq!(reason(&walked), Some(Reason::Option));
            let option: &[u8] = &[0x08, 53, 0x10, 1, 0x1a, 1, 2];
            assert_eq!(walked.of("DHCPv4"), [expected(6, &MAC, &[option])]);
            // Unless the wire had more.
            let walked = walk_cut(&[&ALONE], 0, &octets, octets.len() + 1);
            assert!(
                matches!(walked.fate, Fate::CutShort(_)),
                "{:?}",
                walked.fate
            );
        }
    }

    #[test]
    fn bootp_has_no_options() {
        let walked = walk_packet(&[&ALONE], 0, &message(6, &[0; 64]));
        assert_eq!(walked.fate, Fate::Decoded);
        assert_eq!(walked.of("DHCPv4"), [expected(6, &MAC, &[])]);
        let walked = walk_packet(&[&ALONE], 0, &message(6, &[]));
        assert_eq!(reason(&walked), Some(Reason::Truncated));
        assert_eq!(walked.of("DHCPv4"), [expected(6, &MAC, &[])]);
    }

    #[test]
    fn hardware_addresses_of_other_lengths() {
        let whole = [2, 0, 0x5e, 0, 0, 0x0a, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff];
        let no_option = [99, 130, 83, 99, 255];
        for (len, address) in [(0, &[][..]), (1, &whole[..1]), (16, &whole)] {
            let walked = walk_packet(&[&ALONE], 0, &message(len, &no_option));
            assert_eq!(walked.fate, Fate::Decoded);
            assert_eq!(walked.of("DHCPv4"), [expected(len, address, &[])]);
        }
        for len in [17, 255] {
            let walked = walk_packet(&[&ALONE], 0, &message(len, &no_option));
            assert_eq!(reason(&walked), Some(Reason::Length));
            assert_eq!(walked.of("DHCPv4"), [expected(len, &whole, &[])]);
        }
        let mut text = Vec::new();
        HardwareAddress(&[0, 0x1b, 0xff, 9, 0xa0]).write(&mut text);
        assert_eq!(text, b"\x0e00:1b:ff:09:a0");
    }
}
