//! Session Initiation Protocol (RFC 3261) in UDP datagrams and on streams of any TCP port: one record
//! per message.
//!
//! The start line decides: a stream is recognised by one, a datagram without one (keep-alives, media, another protocol) is plain
//! payload. Header fields are listed in the order of the message under the names that it uses, in
//! lower case; continued lines are joined by one space, and so are, by a comma, the values of fields
//! of one name that follow each other (RFC 3261 section 7.3.1). Octets stay as they are. Lines may end
//! with LF alone.
//!
//! A header line that is none is left out, and the message is malformed; so is one of another
//! version, one without the empty line after its headers, and one whose body is shorter than it
//! says. Octets behind the body are ignored in datagrams; on a stream they are the next message, and
//! a message that does not say how long its body is has none (section 18.3). Empty lines before a
//! message are keep-alives (section 7.5, RFC 5626 section 3.5.1).

use netcap_dissect::{
    Beginning, Context, Cursor, Fit, Framed, Framing, Malformed, Measure, Next, Protocol, Reason,
    Recognition, Selector, StreamProtocol,
};
use netcap_record::{Each, Element, Record, Text, Timestamp, Type, put};

use crate::http::decimal;

pub(crate) static PROTOCOL: Protocol = Protocol::new("SIP", dissect)
    .reached_by(&[Selector::UdpPort(PORT)])
    .judged_by(judge)
    .emits(&[Sip::SCHEMA]);

pub(crate) static STREAM: StreamProtocol = StreamProtocol {
    name: PROTOCOL.name,
    ports: &[],
    recognise,
    inside: None,
    start: || Box::new(Framed::new(&FRAMING)),
    schemas: PROTOCOL.schemas,
};

static FRAMING: Framing = Framing {
    protocol: PROTOCOL.name,
    selector: Selector::UdpPort(PORT),
    prefix: 0,
    // What a datagram may have: RFC 3261 section 18.1.1.
    limit: 65535,
    measure,
};

/// RFC 3261 section 19.1.2.
const PORT: u16 = 5060;

/// Methods in the order of their numbers, from 1: RFC 3261 section 7.1, then RFC 3262, 6665, 3903,
/// 6086, 3515, 3428, 3311, and PING of a draft that expired.
const METHODS: [&[u8]; 15] = [
    b"INVITE",
    b"ACK",
    b"BYE",
    b"CANCEL",
    b"OPTIONS",
    b"REGISTER",
    b"PRACK",
    b"SUBSCRIBE",
    b"NOTIFY",
    b"PUBLISH",
    b"INFO",
    b"REFER",
    b"MESSAGE",
    b"UPDATE",
    b"PING",
];

/// One message of the Session Initiation Protocol (RFC 3261), request or response.
#[derive(Record)]
#[record("SIP", 53)]
pub(crate) struct Sip<'a> {
    /// Capture time of the packet; over TCP, of the one that completed the message.
    #[field(1, "Timestamp")]
    timestamp: Timestamp,
    /// Version of the protocol: 2 is SIP/2.0, 1 is SIP/1.0, 0 any other.
    #[field(2, "Version")]
    version: i32,
    /// Method of the request, or of the request that is answered: 1 INVITE, 2 ACK, 3 BYE, 4 CANCEL,
    /// 5 OPTIONS, 6 REGISTER, 7 PRACK, 8 SUBSCRIBE, 9 NOTIFY, 10 PUBLISH, 11 INFO, 12 REFER,
    /// 13 MESSAGE, 14 UPDATE, 15 PING, 0 any other. Responses have it in their `cseq` field.
    #[field(3, "Method")]
    method: i32,
    /// Header fields in the order of the message, `name:value` with the name in lower case. Names
    /// may be the short ones of RFC 3261 section 7.3.3 (`i` is `call-id`, `f` `from`, `t` `to`, `v`
    /// `via`, `m` `contact`, `l` `content-length`). Fields of one name that follow each other are
    /// one, `name:value,value`.
    #[field(4, "Headers")]
    headers: Each<Headers<'a>>,
    /// Whether this is a response.
    #[field(5, "IsResponse")]
    is_response: bool,
    /// Status code of a response, 100 to 699: from 200 success, from 300 redirection, from 400
    /// failure. 0 in requests.
    #[field(6, "ResponseCode")]
    response_code: i32,
    /// Reason phrase of a response. Empty in requests.
    #[field(7, "ResponseStatus")]
    response_status: Text<'a>,
}

/// The line that a message begins with: RFC 3261 sections 7.1 and 7.2.
enum StartLine<'p> {
    Request {
        method: &'p [u8],
        version: &'p [u8],
    },
    Response {
        version: &'p [u8],
        code: &'p [u8],
        reason: &'p [u8],
    },
}

impl<'p> StartLine<'p> {
    /// Reads a line without its end; none where the message is no SIP.
    fn read(line: &'p [u8]) -> Option<StartLine<'p>> {
        let space = |octet: &u8| *octet == b' ';
        let at = line.iter().position(space)?;
        let (first, rest) = (line.get(..at)?, line.get(at + 1..)?);
        if is_version(first) {
            let end = rest.iter().position(space).unwrap_or(rest.len());
            let code = rest.get(..end)?;
            let is_number = !code.is_empty() && code.iter().all(u8::is_ascii_digit);
            return is_number.then_some(StartLine::Response {
                version: first,
                code,
                reason: rest.get(end + 1..).unwrap_or_default(),
            });
        }
        let rest = rest.trim_ascii();
        let version = rest.get(rest.iter().rposition(space)? + 1..)?;
        let is_request = !first.is_empty() && first.iter().all(is_token) && is_version(version);
        is_request.then_some(StartLine::Request {
            method: first,
            version,
        })
    }

    fn version(&self) -> i32 {
        let (StartLine::Request { version, .. } | StartLine::Response { version, .. }) = self;
        match version.get(4..) {
            Some(b"2.0") => 2,
            Some(b"1.0") => 1,
            _ => 0,
        }
    }
}

/// `SIP-Version` of RFC 3261 section 25.1.
fn is_version(octets: &[u8]) -> bool {
    let numbers = match octets.split_first_chunk::<4>() {
        Some((name, numbers)) if name.eq_ignore_ascii_case(b"SIP/") => numbers,
        _ => return false,
    };
    let is_number = |part: &[u8]| !part.is_empty() && part.iter().all(u8::is_ascii_digit);
    numbers
        .iter()
        .position(|octet| *octet == b'.')
        .and_then(|dot| numbers.split_at_checked(dot))
        .is_some_and(|(major, minor)| is_number(major) && is_number(minor.get(1..).unwrap_or(&[])))
}

/// An octet of a `token` of RFC 3261 section 25.1.
fn is_token(octet: &u8) -> bool {
    octet.is_ascii_alphanumeric() || b"-.!%*_+`'~".contains(octet)
}

/// Whether a line that was cut may have been a start line.
fn may_begin_message(line: &[u8]) -> bool {
    let begins = |word: &[u8]| matches!(line.strip_prefix(word), Some([b' ', ..]));
    begins(b"SIP/2.0") || METHODS.into_iter().any(begins)
}

/// Whether a space follows a method or a version, or nothing yet.
fn begins_with_word(octets: &[u8]) -> bool {
    let is_part = |octet: &u8| is_token(octet) || *octet == b'/';
    match octets.iter().position(|octet| !is_part(octet)) {
        Some(end) => end > 0 && octets.get(end) == Some(&b' '),
        None => true,
    }
}

/// Schemes of addresses by which a request line is known before it ends: RFC 3261 section 19.1.1 and
/// RFC 3966.
const SCHEMES: [&[u8]; 3] = [b"sip:", b"sips:", b"tel:"];

/// Whether a line of which the end is not there yet begins a message.
fn recognise_unfinished(line: &[u8]) -> Recognition {
    let more_if = |may_be| match may_be {
        true => Recognition::More,
        false => Recognition::No,
    };
    let Some(space) = line.iter().position(|octet| *octet == b' ') else {
        let begins = |word: &[u8]| word.starts_with(line);
        return more_if(begins(b"SIP/2.0") || METHODS.into_iter().any(begins));
    };
    let (word, rest) = line.split_at_checked(space).unwrap_or_default();
    let rest = rest.get(1..).unwrap_or_default();
    let fits = |scheme: &&[u8]| {
        let mut pairs = scheme.iter().zip(rest);
        pairs.all(|(a, b)| a.eq_ignore_ascii_case(b))
    };
    let mut schemes = SCHEMES.iter().filter(|scheme| fits(scheme));
    match word {
        b"SIP/2.0" => Recognition::Yes,
        _ if !METHODS.contains(&word) => Recognition::No,
        _ if schemes.clone().any(|scheme| scheme.len() <= rest.len()) => Recognition::Yes,
        _ => more_if(schemes.next().is_some()),
    }
}

/// Number of a method.
fn method_number(name: &[u8]) -> i32 {
    METHODS
        .iter()
        .zip(1..)
        .find(|(method, _)| **method == name)
        .map_or(0, |(_, number)| number)
}

/// The next line with its end, and the lines that continue it: those that begin with white space.
fn line<'p>(input: &mut Cursor<'p>) -> Result<&'p [u8], Malformed> {
    let octets = input.rest();
    let mut end = 0;
    loop {
        let ahead = octets.get(end..).unwrap_or_default();
        end += match ahead.iter().position(|octet| *octet == b'\n') {
            Some(at) => at + 1,
            None => ahead.len() + 1,
        };
        if !matches!(octets.get(end), Some(b' ' | b'\t')) || is_end(octets.get(..end)) {
            return input.bytes(end);
        }
    }
}

/// Whether a line is the empty one after the headers.
fn is_end(line: Option<&[u8]>) -> bool {
    matches!(line, Some(b"\n" | b"\r\n"))
}

/// Name and value of a header line (RFC 3261 section 7.3.1), the value with white space around it.
fn field(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let colon = line.iter().position(|octet| *octet == b':')?;
    let name = line.get(..colon)?.trim_ascii_end();
    let is_name = !name.is_empty() && name.iter().all(is_token);
    is_name.then_some((name, line.get(colon + 1..)?))
}

/// The header fields from here on, to the empty line or to one that has no end.
#[derive(Clone)]
struct Headers<'p>(Cursor<'p>);

impl<'p> Iterator for Headers<'p> {
    type Item = Header<'p>;

    fn next(&mut self) -> Option<Header<'p>> {
        loop {
            let from = self.0.rest();
            let first = line(&mut self.0).ok()?;
            if is_end(Some(first)) {
                return None;
            }
            let Some((name, _)) = field(first) else {
                continue;
            };
            let mut ahead = self.0;
            while let Some((next, _)) = line(&mut ahead).ok().and_then(field) {
                if !next.eq_ignore_ascii_case(name) {
                    break;
                }
                self.0 = ahead;
            }
            let lines = from.get(..from.len() - self.0.remaining())?;
            return Some(Header { name, lines });
        }
    }
}

/// Header lines of one name.
struct Header<'p> {
    name: &'p [u8],
    lines: &'p [u8],
}

impl<'p> Header<'p> {
    /// The value of each line, with the breaks of continued ones.
    fn values(&self) -> impl Iterator<Item = &'p [u8]> + use<'p> {
        let mut lines = Cursor::new(PROTOCOL.name, self.lines);
        std::iter::from_fn(move || {
            let (_, value) = field(line(&mut lines).ok()?)?;
            Some(value.trim_ascii())
        })
    }

    /// Whether this is the field of that name, one letter for its short form.
    fn is(&self, name: &[u8], short: &[u8]) -> bool {
        self.name.eq_ignore_ascii_case(name) || self.name.eq_ignore_ascii_case(short)
    }
}

impl Element for Header<'_> {
    const TYPE: Type = Type::String;

    fn is_default(&self) -> bool {
        false
    }

    fn write(&self, out: &mut Vec<u8>) {
        put::delimited(out, |out| {
            out.extend(self.name.iter().map(u8::to_ascii_lowercase));
            for (i, value) in self.values().enumerate() {
                out.push(if i == 0 { b':' } else { b',' });
                let lines = value.split(|octet| *octet == b'\n').map(<[u8]>::trim_ascii);
                for (i, line) in lines.filter(|line| !line.is_empty()).enumerate() {
                    if i > 0 {
                        out.push(b' ');
                    }
                    out.extend_from_slice(line);
                }
            }
        });
    }
}

/// What the fields say of the message beyond their text.
#[derive(Default)]
struct Meaning<'p> {
    /// Method that a `CSeq` field names.
    method: &'p [u8],
    /// Octets of the body, as the message says.
    length: Option<&'p [u8]>,
}

impl<'p> Meaning<'p> {
    fn of(headers: Headers<'p>) -> Meaning<'p> {
        let mut meaning = Meaning::default();
        for header in headers {
            let mut values = header.values();
            if header.is(b"cseq", b"") {
                let mut words = values
                    .next()
                    .unwrap_or_default()
                    .rsplit(u8::is_ascii_whitespace);
                meaning.method = words.next().unwrap_or_default();
            } else if header.is(b"content-length", b"l") {
                meaning.length = values.next();
            }
        }
        meaning
    }
}

/// The first line of a message, without its end if it has one, and how many octets it is long with it.
fn first_line(octets: &[u8]) -> (&[u8], Option<usize>) {
    match octets.iter().position(|octet| *octet == b'\n') {
        Some(at) => {
            let line = octets.get(..at).unwrap_or_default();
            (line.strip_suffix(b"\r").unwrap_or(line), Some(at + 1))
        }
        None => (octets, None),
    }
}

/// Where the empty line after the headers ends, of which `too_few` octets have been searched.
fn end_of_headers(octets: &[u8], too_few: usize) -> Option<usize> {
    // What was searched may end within `\n\r\n`.
    let from = too_few.saturating_sub(2);
    let mut rest = octets.get(from..)?;
    while let Some(at) = rest.iter().position(|octet| *octet == b'\n') {
        rest = rest.get(at + 1..)?;
        let behind = rest.strip_prefix(b"\n").or(rest.strip_prefix(b"\r\n"));
        if let Some(behind) = behind {
            return Some(octets.len() - behind.len());
        }
    }
    None
}

/// The length of what octets of a stream begin with: an empty line, or a message
/// (RFC 3261 section 18.3).
fn measure(octets: &[u8], too_few: usize) -> Measure {
    match octets {
        [b'\n', ..] => return Measure::Message(1),
        [b'\r', b'\n', ..] => return Measure::Message(2),
        [b'\r'] => return Measure::More,
        _ => {}
    }
    let new = octets.get(too_few..).unwrap_or_default();
    if !new.contains(&b'\n') {
        return Measure::More;
    }
    let (start, behind) = first_line(octets);
    if StartLine::read(start).is_none() {
        return Measure::Foreign;
    }
    let Some(end) = end_of_headers(octets, too_few) else {
        return Measure::More;
    };
    let headers = octets.get(behind.unwrap_or(end)..end).unwrap_or_default();
    let meaning = Meaning::of(Headers(Cursor::new(PROTOCOL.name, headers)));
    let body = meaning.length.and_then(decimal).unwrap_or_default();
    Measure::Message(usize::try_from(body).map_or(usize::MAX, |body| end.saturating_add(body)))
}

fn recognise(beginning: &Beginning<'_>) -> Recognition {
    let empty_lines = beginning.octets.iter();
    let empty_lines = empty_lines.take_while(|octet| matches!(octet, b'\r' | b'\n'));
    let octets = beginning.octets.get(empty_lines.count()..);
    let octets = octets.unwrap_or_default();
    // Most of what is asked about is no SIP, and its first octets tell: the line need not be sought.
    if !begins_with_word(octets) {
        return Recognition::No;
    }
    match first_line(octets) {
        (line, Some(_)) if StartLine::read(line).is_some() => Recognition::Yes,
        (_, Some(_)) | (b"", None) => Recognition::No,
        (line, None) => recognise_unfinished(line),
    }
}

/// By the start line. A keep-alive (RFC 5626 section 3.5.1) may be SIP's.
fn judge(octets: &[u8], context: &Context<'_, '_>) -> Fit {
    let (first, end) = first_line(octets);
    match StartLine::read(first) {
        Some(_) => Fit::Good,
        None if end.is_none() && context.is_cut() && may_begin_message(first) => Fit::Possible,
        None if octets.iter().all(|octet| b"\r\n\0".contains(octet)) => Fit::Possible,
        None => Fit::No,
    }
}

fn dissect<'p>(
    input: &mut Cursor<'p>,
    context: &mut Context<'p, '_>,
) -> Result<Next<'p>, Malformed> {
    let octets = input.rest();
    let (first, end) = first_line(octets);
    let Some(start) = StartLine::read(first) else {
        if end.is_none() && may_begin_message(first) && context.is_cut() {
            input.skip(octets.len() + 1)?;
        }
        return Ok(Next::End);
    };
    let mut verdict = Ok(());
    let version = start.version();
    if version == 0 {
        verdict = Err(input.malformed(Reason::Version));
    }
    if let StartLine::Response { code, .. } = start
        && code.len() != 3
    {
        verdict = verdict.and(Err(input.malformed(Reason::Value)));
    }
    input.skip(end.unwrap_or(octets.len()))?;

    let headers = Headers(*input);
    let meaning = Meaning::of(headers.clone());
    let mut record = Sip {
        timestamp: context.timestamp(),
        version,
        method: 0,
        headers: Each(headers),
        is_response: false,
        response_code: 0,
        response_status: Text(&[]),
    };
    match start {
        StartLine::Request { method, .. } => record.method = method_number(method),
        StartLine::Response { code, reason, .. } => {
            record.method = method_number(meaning.method);
            record.is_response = true;
            // 0 for a code too long to be a number.
            let code = decimal(code).and_then(|n| i32::try_from(n).ok());
            record.response_code = code.unwrap_or_default();
            record.response_status = Text(reason);
        }
    }
    context.emit(&record);
    verdict?;
    check(input, meaning.length, context.is_cut())?;
    Ok(Next::End)
}

/// Finds what is wrong with the header lines and the length of the body.
fn check<'p>(
    input: &mut Cursor<'p>,
    length: Option<&'p [u8]>,
    is_cut: bool,
) -> Result<(), Malformed> {
    let mut verdict = Ok(());
    loop {
        let place = *input;
        let line = line(input)?;
        if is_end(Some(line)) {
            break;
        }
        if field(line).is_none() {
            verdict = verdict.and(Err(place.malformed(Reason::Option)));
        }
    }
    verdict?;
    match length.map(decimal) {
        Some(None) => Err(input.malformed(Reason::Value)),
        Some(Some(length)) if length > input.remaining() as u64 && !is_cut => {
            Err(input.malformed(Reason::Length))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use netcap_dissect::Direction::{ToClient, ToServer};
    use netcap_dissect::Fate;
    use netcap_dissect::testing::{
        Event, Streamed, Walked, ends, every_prefix, every_split, stream, walk_cut, walk_packet,
    };
    use netcap_record::{Message, Scalar};

    use super::*;

    /// Link type 147 is reserved for private use.
    static ALONE: Protocol = Protocol::new("SIP", dissect)
        .reached_by(&[Selector::LinkType(147)])
        .emits(&[Sip::SCHEMA]);

    const PROTOCOLS: &[&Protocol] = &[&ALONE];

    const REQUEST: &[u8] = b"INVITE sip:bob@example.com SIP/2.0\r\n\
        Via: SIP/2.0/UDP a.example.com;branch=z9hG4bK1\r\n\
        VIA:SIP/2.0/UDP b.example.com\r\n\
        Max-Forwards : 70\r\n\
        Subject: one\r\n  two\r\n\t three \r\n\
        i: 843817637684230@998sdasdh09\r\n\
        Empty:\r\n\
        To: \xc3\x84 \xff<sip:bob@example.com>\r\n\
        CSeq: 1826 INVITE\r\n\
        l: 4\r\n\r\nv=0\n";

    const RESPONSE: &[u8] =
        b"SIP/2.0 180 Ringing, a while\r\nCSeq: 9 BYE\r\nContent-Length: 0\r\n\r\n";

    fn walk(octets: &[u8]) -> Walked {
        walk_packet(PROTOCOLS, 147, octets)
    }

    /// The fields of the only record, one word each, headers between slashes.
    fn show(walked: &Walked) -> String {
        let [record] = walked.of("SIP")[..] else {
            panic!("{walked:?}");
        };
        let message = Message::parse(Sip::SCHEMA, record).unwrap();
        let field = |name: &str| {
            let values = message.values(Sip::SCHEMA.field(name).unwrap());
            let texts: Vec<String> = values
                .map(|value| match value {
                    Scalar::Int(n) => n.to_string(),
                    Scalar::Bool(b) => b.to_string(),
                    Scalar::Text(octets) | Scalar::Timestamp(octets) => {
                        octets.escape_ascii().to_string()
                    }
                    other => panic!("{other:?}"),
                })
                .collect();
            texts.join("/")
        };
        let names = [
            "Timestamp",
            "Version",
            "Method",
            "IsResponse",
            "ResponseCode",
            "ResponseStatus",
        ];
        [&names[..], &["Headers"]]
            .concat()
            .into_iter()
            .map(field)
            .collect::<Vec<_>>()
            .join("|")
    }

    #[test]
    fn every_field_of_a_request() {
        let walked = walk(REQUEST);
        assert_eq!(walked.fate, Fate::Decoded);
        assert_eq!(
            show(&walked),
            "1.000002|2|1||||via:SIP/2.0/UDP a.example.com;branch=z9hG4bK1,SIP/2.0/UDP \
             b.example.com/max-forwards:70/subject:one two three/i:843817637684230@998sdasdh09/\
             empty:/to:\\xc3\\x84 \\xff<sip:bob@example.com>/cseq:1826 INVITE/l:4"
        );
        every_prefix(PROTOCOLS, 147, REQUEST);
    }

    #[test]
    fn every_field_of_a_response() {
        let walked = walk(RESPONSE);
        assert_eq!(walked.fate, Fate::Decoded);
        assert_eq!(
            show(&walked),
            "1.000002|2|3|true|180|Ringing, a while|cseq:9 BYE/content-length:0"
        );
        every_prefix(PROTOCOLS, 147, RESPONSE);
    }

    #[test]
    fn start_lines() {
        let start = |line: &str| {
            let walked = walk(format!("{line}\r\n\r\n").as_bytes());
            let record = if walked.records.is_empty() {
                String::new()
            } else {
                show(&walked)
            };
            (walked.malformed(), record.replacen("1.000002|", "", 1))
        };
        for (i, method) in METHODS.iter().enumerate() {
            let method = str::from_utf8(method).unwrap();
            let (reason, record) = start(&format!("{method} sip:a@example.com SIP/2.0"));
            assert_eq!((reason, record), (None, format!("2|{}||||", i + 1)));
        }
        for (line, reason, record) in [
            ("HELLO sip:a SIP/2.0", None, "2|||||"),
            ("invite sip:a sip/2.0", None, "2|||||"),
            ("INVITE  tel: 1 2  SIP/2.0  ", None, "2|1||||"),
            ("INVITE sip:a SIP/1.0", None, "1|1||||"),
            ("INVITE sip:a SIP/7.0", Some(Reason::Version), "|1||||"),
            ("SIP/2.0 200 OK", None, "2||true|200|OK|"),
            ("SIP/2.0 200 ", None, "2||true|200||"),
            ("SIP/2.0 200", None, "2||true|200||"),
            (
                "SIP/2.0 4294967301 better not",
                Some(Reason::Value),
                "2||true||better not|",
            ),
            ("SIP/3.0 20 OK", Some(Reason::Version), "||true|20|OK|"),
            // None of SIP.
            ("GET / HTTP/1.1", None, ""),
            ("INVITE sip:a", None, ""),
            ("INVITE SIP/2.0", None, ""),
            ("IN{ITE sip:a SIP/2.0", None, ""),
            ("INVITE sip:a SIP/2.", None, ""),
            ("INVITE sip:a SIP/20", None, ""),
            ("SIP/2.0 OK", None, ""),
            ("SIP/2.0  ", None, ""),
            ("", None, ""),
        ] {
            assert_eq!(start(line), (reason, record.to_string()), "{line}");
        }
        for other in [&b""[..], b"\0\0\0\0", b"\r\n\r\n", b"\x80\x60\x1e\x23"] {
            assert_eq!(
                (walk(other).fate, walk(other).records.len()),
                (Fate::Decoded, 0)
            );
        }
    }

    #[test]
    fn lines_end_with_lf_too() {
        let walked = walk(b"OPTIONS sip:a SIP/2.0\nTo: b\n c\nVia: d\n\nbody\n");
        assert_eq!(walked.fate, Fate::Decoded);
        assert_eq!(show(&walked), "1.000002|2|5||||to:b c/via:d");
    }

    #[test]
    fn lines_that_are_no_headers() {
        let cases: [(&[u8], &str, Option<Reason>); 5] = [
            (
                b"To: b\r\nno colon\r\nTo: c\r\n\r\n",
                "to:b/to:c",
                Some(Reason::Option),
            ),
            (b": b\r\nTo: c\r\n\r\n", "to:c", Some(Reason::Option)),
            (b" To: b\r\nTo: c\r\n\r\n", "to:c", Some(Reason::Option)),
            (b"To: b\r\nVia: c", "to:b", Some(Reason::Truncated)),
            (b"To: b\r\n", "to:b", Some(Reason::Truncated)),
        ];
        for (lines, headers, reason) in cases {
            let octets = [b"BYE sip:a SIP/2.0\r\n", lines].concat();
            let walked = walk(&octets);
            assert_eq!(walked.malformed(), reason);
            assert_eq!(show(&walked), format!("1.000002|2|3||||{headers}"));
        }
        // White space after the empty line belongs to the body.
        let walked = walk(b"BYE sip:a SIP/2.0\r\nTo: b\r\n\r\n To: c\r\n");
        assert_eq!(walked.fate, Fate::Decoded);
        assert_eq!(show(&walked), "1.000002|2|3||||to:b");
    }

    #[test]
    fn length_of_the_body() {
        let octets =
            |length: &str| format!("BYE sip:a SIP/2.0\r\nContent-Length:{length}\r\n\r\nbody");
        for (length, reason) in [
            ("0", None),
            (" 04", None),
            ("5", Some(Reason::Length)),
            ("18446744073709551616", Some(Reason::Value)),
            ("-4", Some(Reason::Value)),
            ("4, 4", Some(Reason::Value)),
            ("", Some(Reason::Value)),
        ] {
            let walked = walk(octets(length).as_bytes());
            assert_eq!(walked.malformed(), reason, "{length}");
            assert_eq!(walked.records.len(), 1);
        }
        let octets = octets("5");
        let cut = walk_cut(PROTOCOLS, 147, octets.as_bytes(), octets.len() + 1);
        assert_eq!(cut.fate, Fate::Decoded);
    }

    #[test]
    fn captures_that_end_early() {
        // In the start line, in a header, after the headers.
        for (end, records) in [(20, 0), (80, 1), (125, 1)] {
            let walked = walk_cut(PROTOCOLS, 147, &REQUEST[..end], REQUEST.len());
            assert!(
                matches!(walked.fate, Fate::CutShort(_)),
                "{end}: {:?}",
                walked.fate
            );
            assert_eq!(walked.records.len(), records, "{end}");
        }
        // Without a cut it would be no message.
        assert_eq!(walk(&REQUEST[..20]).fate, Fate::Decoded);
    }

    fn run(events: &[Event<'_>]) -> Streamed {
        stream(&STREAM, &[&PROTOCOL], &ends(5080), events)
    }

    fn alone(octets: &[u8]) -> Vec<u8> {
        walk(octets).of("SIP")[0].to_vec()
    }

    #[test]
    fn messages_of_a_stream() {
        let octets = [b"\r\n\r\n", REQUEST, b"\r\n\r\n", RESPONSE, REQUEST].concat();
        let streamed = run(&[Event::Data(ToServer, &octets)]);
        let expected = [REQUEST, RESPONSE, REQUEST].map(alone);
        assert_eq!(streamed.of("SIP"), expected);
        assert!(streamed.troubles.is_empty());
        every_split(&STREAM, &[&PROTOCOL], &ends(5080), &octets);
        // Lines that end with LF, and no length, so no body.
        let octets = b"\nOPTIONS sip:a SIP/2.0\nTo: b\n\nSIP/2.0 200 OK\n\n";
        every_split(&STREAM, &[&PROTOCOL], &ends(5080), octets);
        let streamed = run(&[Event::Data(ToClient, octets)]);
        assert_eq!(streamed.of("SIP").len(), 2);
    }

    #[test]
    fn beginnings_of_streams() {
        use Recognition::{More, No, Yes};
        let recognise = |octets| {
            recognise(&Beginning {
                octets,
                direction: ToServer,
                ends: &ends(80),
            })
        };
        let cases: [(&[u8], Recognition); 21] = [
            (b"", No),
            (b"\r\n", No),
            (b"I", More),
            (b"INVITE", More),
            (b"INVITE ", More),
            (b"INVITE s", More),
            (b"INVITE sip", More),
            (b"INVITE sip:", Yes),
            (b"INVITE SIPS:a", Yes),
            (b"INVITE tel:1", Yes),
            (b"INVITE urn:service:sos SIP/2.0\r\n", Yes),
            (b"\r\nINVITE sip:", Yes),
            (b"SIP/2", More),
            (b"SIP/2.0 2", Yes),
            (b"SIP/3.0 200 OK\r\n", Yes),
            (b"HELLO sip:a SIP/2.0\r\n", Yes),
            (b"OPTIONS * HTTP/1.1", No),
            (b"OPTIONS rtsp://a RTSP/1.0\r\n", No),
            (b"GET / HTTP/1.1\r\n", No),
            (b"INVITES", No),
            (b"\x16\x03\x01", No),
        ];
        for (octets, expected) in cases {
            assert_eq!(recognise(octets), expected, "{}", octets.escape_ascii());
        }
    }

    #[test]
    fn what_is_no_message_of_a_stream() {
        // Behind a message: the stream is left, and found again.
        let streamed = run(&[
            Event::Data(ToServer, &[RESPONSE, b"garbage\r\n"].concat()),
            Event::Data(ToServer, b"more\r\n"),
            Event::Data(ToServer, REQUEST),
        ]);
        assert_eq!(streamed.of("SIP"), [RESPONSE, REQUEST].map(alone));
        // A length that is none says nothing of a body.
        let octets = b"BYE sip:a SIP/2.0\r\nl: x\r\n\r\nSIP/2.0 200 OK\r\n\r\n";
        let streamed = run(&[Event::Data(ToServer, octets)]);
        assert_eq!(streamed.of("SIP").len(), 2);
        assert_eq!(streamed.troubles, [(("SIP", Reason::Value), 1)].into());
        // A body that is too long to be kept.
        let long = b"BYE sip:a SIP/2.0\r\nl: 65535\r\n\r\n";
        let mut octets = [&long[..], &[b'x'; 65535], RESPONSE].concat();
        let streamed = run(&[Event::Data(ToServer, &octets)]);
        assert_eq!(streamed.of("SIP"), [alone(RESPONSE)]);
        assert_eq!(streamed.troubles, [(("SIP", Reason::Length), 1)].into());
        // Headers that never end.
        octets = [&b"BYE sip:a SIP/2.0\r\n"[..], &b"a:b\r\n".repeat(20000)].concat();
        let pieces: Vec<&[u8]> = octets.chunks(1000).collect();
        let events: Vec<_> = pieces.iter().map(|p| Event::Data(ToServer, p)).collect();
        let streamed = run(&events);
        assert!(streamed.records.is_empty() && !streamed.claimed);
        assert_eq!(streamed.troubles, [(("SIP", Reason::Length), 1)].into());
    }

    #[test]
    fn gaps_of_a_stream() {
        let body = REQUEST.len() - 3;
        let streamed = run(&[
            Event::Data(ToServer, &REQUEST[..body]),
            Event::Gap(ToServer, 2),
            Event::Data(ToServer, &[b"\n", RESPONSE].concat()),
            Event::Data(ToServer, &REQUEST[..80]),
            Event::Gap(ToServer, 7),
            Event::Data(ToServer, &REQUEST[87..]),
            Event::Data(ToServer, RESPONSE),
        ]);
        assert_eq!(streamed.of("SIP"), [REQUEST, RESPONSE, RESPONSE].map(alone));
        let troubles = [
            (("SIP", Reason::Length), 1),
            (("SIP", Reason::Truncated), 1),
        ];
        assert_eq!(streamed.troubles, troubles.into());
    }
}
