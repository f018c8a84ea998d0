//! Hypertext Transfer Protocol, versions 1.0 and 1.1 (RFC 9110, RFC 9112), on any TCP port: one
//! record per request, with the response that answers it.
//!
//! The start line decides, in either direction: the end that sends requests is the client. Responses
//! answer the requests of the other direction in their order (RFC 9112 section 9.3.2); interim ones
//! (1xx but 101) answer none. A response without a request has a record of its own, and so has a
//! request whose response never comes. Header sections are kept until they are answered, bodies are
//! never kept: where they end is told by RFC 9112 section 6.3. Those of responses are handed on,
//! without the framing of chunks, to whoever asks for them.
//!
//! Lines may end with LF alone, fields may be folded (section 5.2), white space may stand before
//! their colons, octets stay as they are. After a successful CONNECT and after 101 the stream is left
//! to whatever is inside, with the octets behind the header sections, and those that the client sent
//! behind CONNECT before it was answered.
//!
//! Of a request that waits for 100 (Continue) and is answered otherwise the body may be missing: where a
//! request line with a registered method follows, it is.
//!
//! Where octets are missing inside a body of known length nothing is lost. Where they are missing
//! elsewhere the lines of the header section before them are recorded, and the next piece that begins
//! like a message is the next message; until all requests are answered, a response then belongs to the
//! newest request that was sent before it, because clients that wait for each answer are the rule, and
//! of those that were sent at once to the oldest. What was sent before is told by what both ends had
//! acknowledged, and else by time; a response whose sender had not received the oldest request answers
//! none. The same goes for octets that are no message, where something is still to be answered; else
//! the stream is left.

use std::collections::VecDeque;

use netcap_dissect::{
    Beginning, BodyId, Carrier, Cursor, Direction, Ending, PacketInfo, Pending, Place, Reason,
    Recognition, StreamContext, StreamDissector, StreamProtocol, Then,
};
use netcap_record::{Each, Element, Ip, Record, Text, Timestamp, Type};

/// How streams of it are recognised and dissected.
pub(crate) static STREAM: StreamProtocol = StreamProtocol {
    name: NAME,
    ports: &[],
    recognise: |beginning: &Beginning<'_>| begins(beginning.octets),
    inside: None,
    start: || Box::new(Stream::default()),
    schemas: &[Http::SCHEMA],
};

const NAME: &str = "HTTP";

/// Octets of a header section, and of a line between chunks. RFC 9110 section 5.4 sets no limit;
/// servers stop at 8 to 64 KiB.
const LONGEST_HEADER: usize = 64 * 1024;

/// Requests of one direction that wait for their answers.
const MOST_WAITING: usize = 1024;

/// Octets of their header sections.
const MOST_OCTETS_WAITING: usize = 256 * 1024;

/// Octets of a method; the longest registered one has 17.
const LONGEST_METHOD: usize = 32;

/// What every version of this protocol begins with: RFC 9112 section 2.3.
const VERSION: &[u8] = b"HTTP/1.";

/// By these a request is told while its line is not whole: the IANA HTTP Method Registry without
/// `PRI`, which is HTTP/2, then those of UPnP.
const METHODS: &str = "\
    GET POST HEAD PUT DELETE CONNECT OPTIONS TRACE PATCH ACL BASELINE-CONTROL BIND CHECKIN \
    CHECKOUT COPY LABEL LINK LOCK MERGE MKACTIVITY MKCALENDAR MKCOL MKREDIRECTREF \
    MKWORKSPACE MOVE ORDERPATCH PROPFIND PROPPATCH QUERY REBIND REPORT SEARCH UNBIND \
    UNCHECKOUT UNLINK UNLOCK UPDATE UPDATEREDIRECTREF VERSION-CONTROL M-POST M-SEARCH \
    NOTIFY SUBSCRIBE UNSUBSCRIBE";

/// One HTTP request with the response that answers it (RFC 9110, versions 1.0 and 1.1).
///
/// A response whose request was not captured has a record without `Method`. Records of a connection
/// are in the order of its requests.
#[derive(Record)]
#[record("HTTP", 63)]
pub(crate) struct Http<'a> {
    /// Capture time of the packet in which the request begins; of the response, where the request
    /// was not captured.
    #[field(1, "Timestamp")]
    timestamp: Timestamp,
    /// Version that the request names, `HTTP/1.1` or `HTTP/1.0`; that of the response, where the
    /// request was not captured.
    #[field(2, "Proto")]
    proto: Text<'a>,
    /// Method as sent: `GET`, `POST`. Empty where only the response was captured.
    #[field(3, "Method")]
    method: Text<'a>,
    /// Host that is asked, with its port if the request names it: field `Host` (RFC 9110 section
    /// 7.2), or else the host in the request target.
    #[field(4, "Host")]
    host: Text<'a>,
    /// Program that asks: field `User-Agent` (RFC 9110 section 10.1.5).
    #[field(5, "UserAgent")]
    user_agent: Text<'a>,
    /// Where the link stood that was followed: field `Referer` (RFC 9110 section 10.1.3).
    #[field(6, "Referer")]
    referer: Text<'a>,
    /// Cookies that the request brings, each `name=value` (RFC 6265 section 4.2).
    #[field(7, "ReqCookies")]
    req_cookies: Each<Cookies<'a>>,
    /// Octets of the request's body as its field `Content-Length` says; 0 without a body, -1 for one
    /// in chunks or of a length that is not to be understood, 2147483647 for that and more.
    #[field(8, "ReqContentLength")]
    req_content_length: i32,
    /// Request target as sent (RFC 9112 section 3.2): path and query, or a whole URL to a proxy, or
    /// `host:port` with `CONNECT`.
    #[field(9, "URL")]
    url: Text<'a>,
    /// Octets of the response's body as its field `Content-Length` says; to `HEAD`, of the body that
    /// `GET` would get. -1 for a body in chunks or up to the end of the connection. 0 without a
    /// response, or where its status allows no body (204, 304). 2147483647 for that and more.
    #[field(10, "ResContentLength")]
    res_content_length: i32,
    /// Media type of the response: field `Content-Type` (RFC 9110 section 8.3).
    #[field(11, "ContentType")]
    content_type: Text<'a>,
    /// Status code of the response (RFC 9110 section 15): 200 success, from 300 redirection, from
    /// 400 fault of the client, from 500 of the server. 0 without a response.
    #[field(12, "StatusCode")]
    status_code: i32,
    /// Address of the client, the end that asks.
    #[field(13, "SrcIP")]
    src_ip: Ip,
    /// Address of the server, the end that answers.
    #[field(14, "DstIP")]
    dst_ip: Ip,
    /// Capture time of the packet in which the response begins. Empty without a response.
    #[field(101, "ResTimestamp", csv = Hidden)]
    res_timestamp: Answered,
    /// Reason phrase of the response: `Not Found`.
    #[field(102, "ReasonPhrase", csv = Hidden)]
    reason_phrase: Text<'a>,
    /// Program that answers: field `Server` of the response (RFC 9110 section 10.2.4).
    #[field(103, "Server", csv = Hidden)]
    server: Text<'a>,
    /// TCP port of the client.
    #[field(104, "SrcPort", csv = Hidden)]
    src_port: u16,
    /// TCP port of the server.
    #[field(105, "DstPort", csv = Hidden)]
    dst_port: u16,
}

/// The time of a response, if there is one.
struct Answered(Option<Timestamp>);

impl Element for Answered {
    const TYPE: Type = Type::Timestamp;

    fn is_default(&self) -> bool {
        self.0.is_none()
    }

    fn write(&self, out: &mut Vec<u8>) {
        if let Some(time) = self.0 {
            time.write(out);
        }
    }
}

/// The line that a message begins with: RFC 9112 sections 3 and 4.
#[derive(Clone, Copy, Default)]
struct StartLine<'a> {
    /// Empty in responses.
    method: &'a [u8],
    target: &'a [u8],
    version: &'a [u8],
    /// 0 in requests.
    code: u16,
    reason: &'a [u8],
}

impl<'a> StartLine<'a> {
    /// Reads a line without its end; none where it begins no message. Any white space separates its
    /// words, and as much of it as there is (RFC 9112 sections 3 and 4). Only behind a method that
    /// everybody knows the target may be missing or of no form: what is left of a line that was cut,
    /// or that has blanks in its target, looks like that.
    fn read(line: &'a [u8]) -> Option<StartLine<'a>> {
        let (first, rest) = word(trimmed(line));
        if is_version(first) {
            let (code, reason) = word(rest);
            let number = decimal(code).filter(|_| code.len() == 3)?;
            return Some(StartLine {
                version: first,
                code: u16::try_from(number).ok()?,
                reason,
                ..StartLine::default()
            });
        }
        let (target, version) = match rest.iter().rposition(is_space) {
            Some(at) => (trimmed(rest.get(..at)?), rest.get(at + 1..)?),
            None => (&[][..], rest),
        };
        let is_method = (1..=LONGEST_METHOD).contains(&first.len())
            && first.iter().all(is_token)
            && (is_known(first) || has_form(target));
        let is_request = is_method && is_version(version);
        is_request.then_some(StartLine {
            method: first,
            target,
            version,
            ..StartLine::default()
        })
    }

    fn is_response(&self) -> bool {
        self.method.is_empty()
    }

    /// Whether it is one where nothing before it says that a message is due. There a method that nobody
    /// knows has no small letters, as is the custom (RFC 9110 section 9.1): what is left of a target
    /// with blanks may be a word and a path.
    fn stands_alone(&self) -> bool {
        is_known(self.method) || !self.method.iter().any(u8::is_ascii_lowercase)
    }

    fn has_method(&self, method: &[u8]) -> bool {
        self.method.eq_ignore_ascii_case(method)
    }
}

/// What counts as white space in a start line: RFC 9112 section 3.
fn is_space(octet: &u8) -> bool {
    matches!(octet, b' ' | b'\t' | 0x0b | 0x0c | b'\r')
}

/// The octets without the white space around them.
fn trimmed(octets: &[u8]) -> &[u8] {
    let Some(start) = octets.iter().position(|octet| !is_space(octet)) else {
        return &[];
    };
    let end = octets.iter().rposition(|octet| !is_space(octet));
    let end = end.map_or(start, |last| last + 1);
    octets.get(start..end).unwrap_or_default()
}

/// The first word, and what follows the white space behind it.
fn word(octets: &[u8]) -> (&[u8], &[u8]) {
    let end = octets.iter().position(is_space).unwrap_or(octets.len());
    let (word, rest) = octets.split_at_checked(end).unwrap_or((octets, &[]));
    (word, trimmed(rest))
}

/// Whether a method is one of [`METHODS`].
fn is_known(method: &[u8]) -> bool {
    let mut methods = METHODS.split(' ').map(str::as_bytes);
    methods.any(|known| known.eq_ignore_ascii_case(method))
}

/// Whether a target is one word of a form that methods other than `CONNECT` may have: a path, `*`, or a
/// URL (RFC 9112 section 3.2).
fn has_form(target: &[u8]) -> bool {
    let is_url = || {
        let authority = target.windows(3).position(|three| three == b"://");
        let scheme = authority.and_then(|at| target.get(..at));
        scheme.is_some_and(|scheme| {
            !scheme.is_empty() && scheme.iter().all(u8::is_ascii_alphanumeric)
        })
    };
    let is_one_word = !target.iter().any(is_space);
    is_one_word && (target.starts_with(b"/") || target == b"*" || is_url())
}

/// `HTTP-version` of RFC 9112 section 2.3 with 1 as the first number. The second one may be missing
/// or too long: servers take that for HTTP/1.0.
fn is_version(octets: &[u8]) -> bool {
    let minor = octets.strip_prefix(VERSION);
    minor.is_some_and(|minor| minor.len() <= 2 && minor.iter().all(u8::is_ascii_digit))
}

/// `tchar` of RFC 9110 section 5.6.2.
fn is_token(octet: &u8) -> bool {
    octet.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(octet)
}

/// Whether octets begin a message, where nothing before them says so. Empty lines before it do not
/// count (RFC 9112 section 2.2).
fn begins(octets: &[u8]) -> Recognition {
    let Some(start) = octets.iter().position(|o| *o != b'\n' && !is_space(o)) else {
        return Recognition::More;
    };
    let octets = octets.get(start..).unwrap_or_default();
    // Tells most of what is no text by its first octet.
    if !may_begin(octets) {
        return Recognition::No;
    }
    if let Some(end) = octets.iter().position(|octet| *octet == b'\n') {
        let line = StartLine::read(octets.get(..end).unwrap_or_default());
        return yes_if(line.is_some_and(|line| line.stands_alone()));
    }
    if octets.starts_with(VERSION) {
        return Recognition::Yes;
    }
    let (method, target) = word(octets);
    if method.len() == octets.len() {
        let mut methods = METHODS.split(' ').map(str::as_bytes);
        return match VERSION.starts_with(octets) || methods.any(|m| starts_with(m, octets)) {
            true => Recognition::More,
            false => Recognition::No,
        };
    }
    if !is_known(method) {
        return Recognition::No;
    }
    // The forms of a target: RFC 9112 section 3.2. Those of RTSP and SIP look like none of them.
    let schemes: [&[u8]; 2] = [b"http://", b"https://"];
    match target {
        [] => Recognition::More,
        [b'/' | b'*', ..] => Recognition::Yes,
        [first, ..] if method.eq_ignore_ascii_case(b"CONNECT") => {
            yes_if(first.is_ascii_alphanumeric() || *first == b'[')
        }
        _ if schemes.iter().any(|scheme| starts_with(target, scheme)) => Recognition::Yes,
        _ if schemes.iter().any(|scheme| starts_with(scheme, target)) => Recognition::More,
        _ => Recognition::No,
    }
}

fn yes_if(is_mine: bool) -> Recognition {
    if is_mine {
        Recognition::Yes
    } else {
        Recognition::No
    }
}

/// Whether a word begins with another, in letters of either case.
fn starts_with(word: &[u8], beginning: &[u8]) -> bool {
    word.get(..beginning.len())
        .is_some_and(|head| head.eq_ignore_ascii_case(beginning))
}

/// Whether octets without an end of line may begin a message where one is due: any method will do.
fn may_begin(octets: &[u8]) -> bool {
    let head = octets.iter().position(|octet| !is_space(octet));
    let head = head
        .and_then(|start| octets.get(start..))
        .unwrap_or_default();
    let (word, _) = word(head.get(..=LONGEST_METHOD).unwrap_or(head));
    let is_version = word.starts_with(VERSION) || VERSION.starts_with(word);
    word.len() <= LONGEST_METHOD && (is_version || word.iter().all(is_token))
}

/// The lines of a header section after the first, up to the empty one or the last.
#[derive(Clone, Default)]
struct Lines<'a>(&'a [u8]);

impl<'a> Iterator for Lines<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let end = self.0.iter().position(|octet| *octet == b'\n')?;
        let line = self.0.get(..end)?;
        self.0 = self.0.get(end + 1..)?;
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        (!line.is_empty()).then_some(line)
    }
}

/// Name and value of a field line: RFC 9112 section 5.
fn field(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let colon = line.iter().position(|octet| *octet == b':')?;
    let name = line.get(..colon)?.trim_ascii();
    (!name.is_empty()).then_some((name, line.get(colon + 1..)?.trim_ascii()))
}

/// The cookies in the fields `Cookie`.
#[derive(Clone, Default)]
struct Cookies<'a> {
    lines: Lines<'a>,
    rest: &'a [u8],
}

impl<'a> Iterator for Cookies<'a> {
    type Item = Text<'a>;

    fn next(&mut self) -> Option<Text<'a>> {
        loop {
            if self.rest.is_empty() {
                let mut fields = self.lines.by_ref().filter_map(field);
                let is_cookie = |(name, _): &(&[u8], _)| name.eq_ignore_ascii_case(b"cookie");
                (_, self.rest) = fields.find(is_cookie)?;
            }
            let end = self.rest.iter().position(|octet| *octet == b';');
            let end = end.unwrap_or(self.rest.len());
            let cookie = self.rest.get(..end)?.trim_ascii();
            self.rest = self.rest.get(end + 1..).unwrap_or_default();
            if !cookie.is_empty() {
                return Some(Text(cookie));
            }
        }
    }
}

/// What the fields say of the length of the body: RFC 9112 sections 6.1 to 6.3.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Length {
    /// Nothing.
    #[default]
    Unsaid,
    /// So many octets.
    Counted(u64),
    /// Chunks.
    Chunked,
    /// Another transfer coding: it ends with the connection.
    Coded,
    /// Something that is not to be understood.
    Unclear,
}

/// Puts the length together from the fields.
#[derive(Default)]
struct LengthFields {
    counted: Option<u64>,
    chunked: Option<bool>,
    trouble: Option<Reason>,
}

impl LengthFields {
    /// A `Content-Length`: one number, or the same one repeated (RFC 9112 section 6.3).
    fn count(&mut self, value: &[u8]) {
        for number in value.split(|octet| *octet == b',') {
            match decimal(number.trim_ascii()) {
                None => self.trouble = Some(Reason::Value),
                Some(number) if self.counted.is_some_and(|counted| counted != number) => {
                    self.trouble = Some(Reason::Length);
                }
                number => self.counted = number,
            }
        }
    }

    /// A `Transfer-Encoding`: the last coding counts. `identity` was none in RFC 2616 section 3.6.
    fn code(&mut self, value: &[u8]) {
        for coding in value.split(|octet| *octet == b',') {
            let name = coding.split(|octet| *octet == b';').next();
            let name = name.unwrap_or_default().trim_ascii();
            if !name.is_empty() && !name.eq_ignore_ascii_case(b"identity") {
                self.chunked = Some(name.eq_ignore_ascii_case(b"chunked"));
            }
        }
    }

    fn length(&self) -> (Length, Option<Reason>) {
        let both = self.counted.is_some() && self.chunked.is_some();
        let trouble = self.trouble.or(both.then_some(Reason::Length));
        let length = match self.chunked {
            Some(true) => Length::Chunked,
            Some(false) => Length::Coded,
            None if trouble.is_some() => Length::Unclear,
            None => self.counted.map_or(Length::Unsaid, Length::Counted),
        };
        (length, trouble)
    }
}

/// The number that decimal digits stand for.
pub(crate) fn decimal(digits: &[u8]) -> Option<u64> {
    if !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// The number at the beginning of a chunk's line: RFC 9112 section 7.1.
fn chunk_size(line: &[u8]) -> Option<u64> {
    let digits = line.split(|octet| *octet == b';').next()?.trim_ascii();
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    u64::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

/// A header section, understood.
#[derive(Default)]
struct Message<'a> {
    start: StartLine<'a>,
    lines: Lines<'a>,
    host: &'a [u8],
    user_agent: &'a [u8],
    referer: &'a [u8],
    content_type: &'a [u8],
    content_encoding: &'a [u8],
    server: &'a [u8],
    length: Length,
    /// Whether the client may hold the body back until it is asked for: RFC 9110 section 10.1.1.
    expects: bool,
    trouble: Option<Reason>,
}

impl<'a> Message<'a> {
    /// Reads a header section without folded lines.
    fn read(header: &'a [u8]) -> Message<'a> {
        let end = header.iter().position(|octet| *octet == b'\n');
        let (first, rest) = header.split_at(end.map_or(header.len(), |end| end + 1));
        let mut message = Message {
            start: StartLine::read(first.trim_ascii_end()).unwrap_or_default(),
            lines: Lines(rest),
            ..Message::default()
        };
        if message.start.version.len() != VERSION.len() + 1 {
            message.trouble = Some(Reason::Version);
        }
        let mut length = LengthFields::default();
        for line in message.lines.clone() {
            let Some((name, value)) = field(line) else {
                message.trouble = Some(Reason::Option);
                continue;
            };
            let is = |known: &[u8]| name.eq_ignore_ascii_case(known);
            let place = if is(b"host") {
                &mut message.host
            } else if is(b"user-agent") {
                &mut message.user_agent
            } else if is(b"referer") {
                &mut message.referer
            } else if is(b"content-type") {
                &mut message.content_type
            } else if is(b"content-encoding") {
                &mut message.content_encoding
            } else if is(b"server") {
                &mut message.server
            } else {
                if is(b"content-length") {
                    length.count(value);
                } else if is(b"transfer-encoding") {
                    length.code(value);
                } else if is(b"expect") {
                    message.expects |= value.eq_ignore_ascii_case(b"100-continue");
                }
                continue;
            };
            // The first field of a name counts.
            if place.is_empty() {
                *place = value;
            }
        }
        let trouble;
        (message.length, trouble) = length.length();
        message.trouble = trouble.or(message.trouble);
        message
    }

    /// The field `Host`, or the host in the target: RFC 9112 section 3.2.
    fn host(&self) -> &'a [u8] {
        if !self.host.is_empty() {
            return self.host;
        }
        let target = self.start.target;
        let scheme_end = target.windows(3).position(|three| three == b"://");
        let authority = match scheme_end {
            _ if self.start.has_method(b"CONNECT") => target,
            Some(at) if !target.starts_with(b"/") => target.get(at + 3..).unwrap_or_default(),
            _ => &[],
        };
        let end = authority.iter().position(|octet| b"/?#".contains(octet));
        let authority = authority.get(..end.unwrap_or(authority.len()));
        let host = authority.and_then(|text| text.rsplit(|octet| *octet == b'@').next());
        host.unwrap_or_default().trim_ascii()
    }

    /// The length as records have it, `unsaid` where the fields do not say.
    fn content_length(&self, unsaid: i32) -> i32 {
        match self.length {
            Length::Unsaid => unsaid,
            Length::Counted(octets) => i32::try_from(octets).unwrap_or(i32::MAX),
            Length::Chunked | Length::Coded | Length::Unclear => -1,
        }
    }

    /// Whether the status of a response is one that never has a body: RFC 9112 section 6.3.
    fn is_without_body(&self) -> bool {
        matches!(self.start.code, 100..=199 | 204 | 304)
    }
}

/// A header section on its own, each end of a line inside a field replaced by spaces (RFC 9112
/// section 5.2).
fn unfolded(header: &[u8]) -> Box<[u8]> {
    let mut octets: Box<[u8]> = header.into();
    let mut ends = header.iter().enumerate().filter(|(_, o)| **o == b'\n');
    // White space after the start line folds nothing (RFC 9112 section 2.2).
    ends.next();
    for (end, _) in ends {
        if matches!(header.get(end + 1), Some(b' ' | b'\t')) {
            for octet in octets.iter_mut().take(end + 1).rev().take(2) {
                if octet.is_ascii_whitespace() {
                    *octet = b' ';
                }
            }
        }
    }
    octets
}

/// What the next octets of a direction are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    /// A header section, or empty lines before it.
    #[default]
    Header,
    /// A body, of which so many octets are to come.
    Body(u64),
    /// The line before a chunk.
    ChunkSize,
    /// A chunk, of which so many octets are to come.
    Chunk(u64),
    /// The end of line after a chunk.
    ChunkEnd,
    /// Lines after the last chunk.
    Trailer,
    /// A body that ends with the connection.
    UntilClose,
    /// Unknown: the next piece that begins like a message is one.
    Lost,
    /// What a client sends behind `CONNECT`: the answer tells whether it is for the proxy.
    Tunnel,
}

impl State {
    fn body(octets: u64) -> State {
        match octets {
            0 => State::Header,
            _ => State::Body(octets),
        }
    }

    fn chunk(octets: u64) -> State {
        match octets {
            0 => State::ChunkEnd,
            _ => State::Chunk(octets),
        }
    }
}

/// Where a message begins.
#[derive(Clone, Copy)]
struct Began {
    /// The packet that brought its first octet.
    packet: PacketInfo,
    place: Place,
}

impl Began {
    /// Whether the sender of an answer had received the beginning of this request; where that is not
    /// known, whether it was sent earlier.
    fn is_received(&self, answer: &Began) -> bool {
        match answer.place.acknowledged {
            Some(received) => self.place.position < received,
            None => self.packet.time <= answer.packet.time,
        }
    }

    /// Whether the sender of this request had received the beginning of an answer.
    fn has_seen(&self, answer: &Began) -> bool {
        let seen = self.place.acknowledged;
        seen.is_some_and(|seen| seen > answer.place.position)
    }
}

/// How far the pending octets are understood.
#[derive(Clone, Copy, Default)]
struct Progress {
    /// Where the first of them stands.
    began: Option<Began>,
    /// Whether they begin with a start line that is whole.
    has_start_line: bool,
    /// How many of them need not be searched for ends of lines again.
    searched: usize,
}

impl Progress {
    /// Where the next line ends.
    fn line_end(&mut self, octets: &[u8]) -> Option<usize> {
        let ahead = octets.get(self.searched..).unwrap_or_default();
        let end = ahead.iter().position(|octet| *octet == b'\n');
        let end = end.map(|at| self.searched + at);
        self.searched = end.map_or(octets.len(), |end| end + 1);
        end
    }
}

/// A request that waits for its answer.
struct Request {
    began: Began,
    header: Box<[u8]>,
}

/// One direction.
#[derive(Default)]
struct Side {
    state: State,
    progress: Progress,
    /// Where the octets begin that it was given, and where they end.
    first: Option<u64>,
    position: u64,
    /// Requests that this direction brought.
    waiting: VecDeque<Request>,
    /// Octets of their header sections.
    octets_waiting: usize,
    /// Whether nothing has come yet of a body that may be held back.
    holds_back: bool,
    /// Whether that request was answered all the same: what comes is its body or the next request.
    was_refused: bool,
    /// The body that is being handed on.
    body: Option<BodyId>,
    /// What brought the first octets behind `CONNECT`.
    tunnel: Option<Carrier>,
    /// Whether messages of this direction may be missing since all requests were answered.
    has_lost: bool,
    has_ended: bool,
}

impl Side {
    fn is_idle(&self) -> bool {
        let is_between = matches!(self.state, State::Header | State::Lost);
        is_between && !self.progress.has_start_line && self.waiting.is_empty()
    }

    /// Hands octets of the body on, if anybody wants it.
    fn hand_on(&self, octets: &[u8], context: &mut StreamContext<'_, '_>) {
        if let Some(body) = self.body {
            context.body(body, octets);
        }
    }

    fn end_body(&mut self, is_whole: bool, context: &mut StreamContext<'_, '_>) {
        if let Some(body) = self.body.take() {
            context.end_body(body, is_whole);
        }
    }

    /// Whether it takes more octets to tell a body that was refused from the next request.
    fn is_undecided(&mut self, octets: &[u8]) -> bool {
        self.holds_back = false;
        if !std::mem::take(&mut self.was_refused) {
            return false;
        }
        // A body may begin like a line of any word.
        let is_known = || is_known(word(octets.trim_ascii_start()).0);
        match begins(octets) {
            Recognition::Yes if is_known() => self.state = State::Header,
            Recognition::Yes => {}
            Recognition::More => self.was_refused = octets.len() <= LONGEST_METHOD,
            Recognition::No => {}
        }
        self.was_refused
    }

    /// What comes is unknown from here on.
    fn lose(&mut self) {
        self.state = State::Lost;
        self.progress = Progress::default();
        self.has_lost = true;
    }

    /// What the requests that wait cost.
    fn held(&self) -> usize {
        self.octets_waiting + self.waiting.len() * size_of::<Request>()
    }

    fn is_full(&self) -> bool {
        self.waiting.len() > MOST_WAITING || self.octets_waiting > MOST_OCTETS_WAITING
    }

    /// Where a message begins of which so many octets have been given, with what brought them.
    fn began(&self, octets: usize, carrier: Carrier) -> Began {
        let position = self.position.saturating_sub(octets as u64);
        Began {
            packet: carrier.packet,
            place: Place {
                position,
                ..carrier.place
            },
        }
    }

    /// Whether what followed the oldest waiting request is missing, where answers begin there.
    fn has_missed(&self, first: u64) -> bool {
        let oldest = self.waiting.front();
        oldest.is_some_and(|request| request.began.place.acknowledged.is_some_and(|n| n < first))
    }

    /// Whether the oldest waiting request may have got an answer.
    fn has_asked(&self, answer: &Began) -> bool {
        let oldest = self.waiting.front();
        oldest.is_some_and(|request| request.began.is_received(answer))
    }

    /// Whether the one behind it may have, too, and was not sent at once with it.
    fn has_asked_again(&self, answer: &Began) -> bool {
        let mut requests = self.waiting.iter().map(|request| request.began);
        let (Some(oldest), Some(next)) = (requests.next(), requests.next()) else {
            return false;
        };
        let seen = [oldest, next].map(|request| request.place.acknowledged);
        let is_at_once = seen[0].is_some() && seen[0] == seen[1];
        next.is_received(answer) && !next.has_seen(answer) && !is_at_once
    }

    fn next_waiting(&mut self) -> Option<Request> {
        let request = self.waiting.pop_front()?;
        self.octets_waiting -= request.header.len();
        Some(request)
    }
}

/// One of each for the two directions.
struct Both<T> {
    to_server: T,
    to_client: T,
}

impl<T> Both<T> {
    fn of(&mut self, direction: Direction) -> &mut T {
        match direction {
            Direction::ToServer => &mut self.to_server,
            Direction::ToClient => &mut self.to_client,
        }
    }
}

/// What a step through the octets found.
enum Step {
    /// Something; on to the next.
    Next,
    /// Too few octets: the rest is to be kept.
    Wait,
    /// The end of HTTP on this stream.
    Leave,
}

impl Both<Side> {
    /// Goes as far as the octets reach.
    fn take(
        &mut self,
        direction: Direction,
        input: &mut Cursor<'_>,
        context: &mut StreamContext<'_, '_>,
    ) -> Then {
        while !input.is_empty() {
            match self.step(direction, input, context) {
                Step::Next => {}
                Step::Wait if input.remaining() > LONGEST_HEADER => {
                    return self.too_long(direction, input, context);
                }
                Step::Wait => break,
                Step::Leave => return Then::Leave,
            }
        }
        Then::GoOn
    }

    /// Moves past at least one octet, or to another state.
    fn step(
        &mut self,
        direction: Direction,
        input: &mut Cursor<'_>,
        context: &mut StreamContext<'_, '_>,
    ) -> Step {
        let side = self.of(direction);
        if (side.holds_back || side.was_refused) && side.is_undecided(input.rest()) {
            return Step::Wait;
        }
        match side.state {
            State::Header => return self.header(direction, input, context),
            State::Body(left) => {
                let octets = at_most(input, left);
                side.hand_on(octets, context);
                side.state = State::body(left - octets.len() as u64);
            }
            State::Chunk(left) => {
                let octets = at_most(input, left);
                side.hand_on(octets, context);
                side.state = State::chunk(left - octets.len() as u64);
            }
            State::UntilClose => side.hand_on(input.take_rest(), context),
            State::Tunnel => {
                side.tunnel.get_or_insert(context.carrier());
                return Step::Wait;
            }
            State::Lost => match begins(input.rest()) {
                Recognition::Yes => side.state = State::Header,
                Recognition::More => {
                    let began = side.began(input.remaining(), context.carrier());
                    side.progress.began.get_or_insert(began);
                    return Step::Wait;
                }
                Recognition::No => {
                    side.progress = Progress::default();
                    input.take_rest();
                }
            },
            State::ChunkSize | State::ChunkEnd | State::Trailer => {
                let Some(end) = side.progress.line_end(input.rest()) else {
                    return Step::Wait;
                };
                side.progress = Progress::default();
                let line = input.bytes(end + 1).unwrap_or_default().trim_ascii();
                side.state = match (side.state, chunk_size(line)) {
                    (State::ChunkSize, Some(0)) => State::Trailer,
                    (State::ChunkSize, Some(octets)) => State::Chunk(octets),
                    (State::ChunkEnd, None) if line.is_empty() => State::ChunkSize,
                    (State::Trailer, _) if line.is_empty() => State::Header,
                    (State::Trailer, _) => State::Trailer,
                    _ => return self.stray(direction, input, context),
                };
            }
        }
        if matches!(side.state, State::Header | State::Trailer) {
            side.end_body(true, context);
        }
        Step::Next
    }

    /// Looks for a whole header section.
    fn header(
        &mut self,
        direction: Direction,
        input: &mut Cursor<'_>,
        context: &mut StreamContext<'_, '_>,
    ) -> Step {
        let side = self.of(direction);
        if side.progress.searched == 0 {
            // RFC 9112 section 2.2: empty lines before a message do not count.
            while let [b'\r' | b'\n', ..] = input.rest() {
                let _ = input.u8();
            }
            if input.is_empty() {
                return Step::Next;
            }
        }
        let octets = input.rest();
        let began = side.began(octets.len(), context.carrier());
        let progress = &mut side.progress;
        let began = *progress.began.get_or_insert(began);
        let length = loop {
            let Some(end) = progress.line_end(octets) else {
                if !progress.has_start_line && !may_begin(octets) {
                    return self.stray(direction, input, context);
                }
                return Step::Wait;
            };
            let lines = octets.get(..end).unwrap_or_default();
            if !progress.has_start_line {
                if StartLine::read(lines).is_none() {
                    return self.stray(direction, input, context);
                }
                progress.has_start_line = true;
            } else if lines.strip_suffix(b"\r").unwrap_or(lines).ends_with(b"\n") {
                break end + 1;
            }
        };
        if length > LONGEST_HEADER {
            self.too_long(direction, input, context);
            return Step::Leave;
        }
        self.of(direction).progress = Progress::default();
        let header = unfolded(input.bytes(length).unwrap_or_default());
        match self.message(direction, began, header, context) {
            Then::GoOn => Step::Next,
            Then::Leave => Step::Leave,
        }
    }

    /// Octets that are no message where one is due, or no chunk.
    fn stray(
        &mut self,
        direction: Direction,
        input: &mut Cursor<'_>,
        context: &mut StreamContext<'_, '_>,
    ) -> Step {
        context.note(input.malformed(Reason::Value));
        self.of(direction).end_body(false, context);
        self.of(direction).lose();
        if self.to_server.is_idle() && self.to_client.is_idle() {
            // They may be of another protocol.
            return Step::Leave;
        }
        input.take_rest();
        Step::Next
    }

    /// A header section, or a line between chunks, beyond the limit.
    fn too_long(
        &mut self,
        direction: Direction,
        input: &mut Cursor<'_>,
        context: &mut StreamContext<'_, '_>,
    ) -> Then {
        context.note(input.malformed(Reason::Length));
        let octets = input.take_rest();
        let kept = octets.get(..LONGEST_HEADER).unwrap_or(octets);
        self.rescue(direction, kept, context);
        Then::Leave
    }

    /// Takes the whole lines of a header section whose rest will not come.
    fn rescue(
        &mut self,
        direction: Direction,
        octets: &[u8],
        context: &mut StreamContext<'_, '_>,
    ) -> Then {
        let side = self.of(direction);
        let progress = std::mem::take(&mut side.progress);
        let lines = octets
            .iter()
            .rposition(|octet| *octet == b'\n')
            .and_then(|end| octets.get(..=end));
        match (lines, progress.began) {
            (Some(lines), Some(began)) if progress.has_start_line => {
                self.message(direction, began, unfolded(lines), context)
            }
            _ => Then::GoOn,
        }
    }

    fn message(
        &mut self,
        direction: Direction,
        began: Began,
        header: Box<[u8]>,
        context: &mut StreamContext<'_, '_>,
    ) -> Then {
        let message = Message::read(&header);
        if let Some(reason) = message.trouble {
            context.note(Cursor::new(NAME, &header).malformed(reason));
        }
        if message.start.is_response() {
            return self.response(direction, began, &message, context);
        }
        let side = self.of(direction);
        match message.length {
            // RFC 9110 section 9.3.6: it has no body; some say so.
            Length::Unsaid | Length::Counted(0) if message.start.has_method(b"CONNECT") => {
                side.state = State::Tunnel;
            }
            Length::Unsaid => side.state = State::Header,
            Length::Counted(octets) => side.state = State::body(octets),
            Length::Chunked => side.state = State::ChunkSize,
            // RFC 9112 section 6.3: no server can tell where such a request ends.
            Length::Coded => {
                side.lose();
                context.note(Cursor::new(NAME, &header).malformed(Reason::Value));
            }
            Length::Unclear => side.lose(),
        }
        let side = self.of(direction);
        side.holds_back =
            message.expects && matches!(side.state, State::Body(_) | State::ChunkSize);
        side.octets_waiting += header.len();
        side.waiting.push_back(Request { began, header });
        while self.of(direction).is_full() {
            context.note(Cursor::new(NAME, &[]).malformed(Reason::Count));
            self.give_up_one(direction, context);
        }
        Then::GoOn
    }

    fn response(
        &mut self,
        direction: Direction,
        began: Began,
        message: &Message<'_>,
        context: &mut StreamContext<'_, '_>,
    ) -> Then {
        let (code, asking) = (message.start.code, direction.other());
        let is_interim = (100..=199).contains(&code) && code != 101;
        if is_interim {
            self.of(direction).state = State::Header;
            self.of(asking).holds_back &= code != 100;
            return Then::GoOn;
        }
        let answered = self.answered(asking, &began, context);
        let asker = self.of(asking);
        asker.was_refused = asker.holds_back && asker.waiting.is_empty();
        let request = answered
            .as_ref()
            .map_or_else(Message::default, |request| Message::read(&request.header));
        let packet = began.packet;
        let first = answered
            .as_ref()
            .map_or(packet, |request| request.began.packet);
        emit(asking, first, &request, Some((packet, message)), context);

        // RFC 9110 sections 9.3.6 and 15.2.2.
        let is_tunnel = request.start.has_method(b"CONNECT") && (200..=299).contains(&code);
        if is_tunnel || code == 101 {
            return Then::Leave;
        }
        if self.of(asking).state == State::Tunnel && request.start.has_method(b"CONNECT") {
            self.of(asking).state = State::Header;
        }
        let side = self.of(direction);
        let is_empty = message.is_without_body() || request.start.has_method(b"HEAD");
        match message.length {
            _ if is_empty => side.state = State::Header,
            Length::Counted(octets) => side.state = State::body(octets),
            Length::Chunked => side.state = State::ChunkSize,
            Length::Unsaid | Length::Coded => side.state = State::UntilClose,
            Length::Unclear => side.lose(),
        }
        if !matches!(side.state, State::Header | State::Lost) {
            side.body = context.begin_body(request.start.target, message.content_encoding);
        }
        Then::GoOn
    }

    /// The request that a response answers.
    ///
    /// The oldest one, unless messages may be missing: then the newest one that was sent before. None
    /// where the server had not received any of it.
    fn answered(
        &mut self,
        asking: Direction,
        answer: &Began,
        context: &mut StreamContext<'_, '_>,
    ) -> Option<Request> {
        let first = self.of(asking.other()).first.unwrap_or_default();
        let has_lost =
            self.to_server.has_lost || self.to_client.has_lost || self.of(asking).has_missed(first);
        if has_lost {
            while self.of(asking).has_asked_again(answer) {
                self.give_up_one(asking, context);
            }
        }
        let side = self.of(asking);
        let is_known = answer.place.acknowledged.is_some();
        if (has_lost || is_known) && !side.has_asked(answer) {
            // Its request may come late.
            side.has_lost |= is_known;
            return None;
        }
        let request = side.next_waiting();
        if side.waiting.is_empty() {
            self.to_server.has_lost = false;
            self.to_client.has_lost = false;
        }
        request
    }

    /// Records the oldest request without an answer.
    fn give_up_one(&mut self, direction: Direction, context: &mut StreamContext<'_, '_>) {
        if let Some(Request { began, header }) = self.of(direction).next_waiting() {
            emit(
                direction,
                began.packet,
                &Message::read(&header),
                None,
                context,
            );
        }
    }

    fn give_up(&mut self, direction: Direction, context: &mut StreamContext<'_, '_>) {
        while !self.of(direction).waiting.is_empty() {
            self.give_up_one(direction, context);
        }
    }
}

/// Takes that many octets or all there are.
fn at_most<'a>(input: &mut Cursor<'a>, octets: u64) -> &'a [u8] {
    let here = usize::try_from(octets).map_or(input.remaining(), |n| n.min(input.remaining()));
    input.bytes(here).unwrap_or_default()
}

/// Writes the record of a request that was sent in `direction`, or of a response alone, which began in
/// `packet`.
fn emit(
    direction: Direction,
    packet: PacketInfo,
    request: &Message<'_>,
    response: Option<(PacketInfo, &Message<'_>)>,
    context: &mut StreamContext<'_, '_>,
) {
    let none = Message::default();
    let answer = response.map_or(&none, |(_, message)| message);
    let (client, server) = context.ends.of(direction);
    let version = if request.start.is_response() {
        answer.start.version
    } else {
        request.start.version
    };
    let mut context = context.at(packet);
    context.emit(&Http {
        timestamp: context.timestamp(),
        proto: Text(version),
        method: Text(request.start.method),
        host: Text(request.host()),
        user_agent: Text(request.user_agent),
        referer: Text(request.referer),
        req_cookies: Each(Cookies {
            lines: request.lines.clone(),
            rest: &[],
        }),
        req_content_length: request.content_length(0),
        url: Text(request.start.target),
        res_content_length: match response {
            Some(_) if !answer.is_without_body() => answer.content_length(-1),
            _ => 0,
        },
        content_type: Text(answer.content_type),
        status_code: i32::from(answer.start.code),
        src_ip: client.ip,
        dst_ip: server.ip,
        res_timestamp: Answered(response.map(|(packet, _)| packet.timestamp())),
        reason_phrase: Text(answer.start.reason),
        server: Text(answer.server),
        src_port: client.port,
        dst_port: server.port,
    });
}

/// The dissector of one stream.
struct Stream {
    pending: Both<Pending>,
    sides: Both<Side>,
    /// What it gives back when it leaves.
    rest: Both<Option<(Carrier, Vec<u8>)>>,
}

impl Default for Stream {
    fn default() -> Stream {
        Stream {
            pending: Both {
                to_server: Pending::new(LONGEST_HEADER),
                to_client: Pending::new(LONGEST_HEADER),
            },
            sides: Both {
                to_server: Side::default(),
                to_client: Side::default(),
            },
            rest: Both {
                to_server: None,
                to_client: None,
            },
        }
    }
}

impl Stream {
    /// Goes on with the octets of a direction that came behind those that are pending.
    fn take(
        &mut self,
        direction: Direction,
        octets: &[u8],
        context: &mut StreamContext<'_, '_>,
    ) -> Then {
        let Stream { pending, sides, .. } = self;
        if !octets.is_empty() {
            let (side, start) = (sides.of(direction), context.carrier().place.position);
            side.first.get_or_insert(start);
            side.position = start + octets.len() as u64;
        }
        let mut then = Then::GoOn;
        let fits = pending.of(direction).feed(octets, |octets| {
            let mut input = Cursor::new(NAME, octets);
            then = sides.take(direction, &mut input, context);
            input.offset()
        });
        debug_assert!(fits || then == Then::Leave);
        then
    }

    /// Goes on behind a `CONNECT` that was refused.
    fn go_on(&mut self, direction: Direction, context: &mut StreamContext<'_, '_>) -> Then {
        let side = self.sides.of(direction);
        match (side.state, side.tunnel.take()) {
            (State::Header, Some(carrier)) => {
                self.take(direction, &[], &mut context.at(carrier.packet))
            }
            (_, carrier) => {
                side.tunnel = carrier;
                Then::GoOn
            }
        }
    }

    /// Ends both directions if it leaves, and keeps what is not of it: the octets that were left of the
    /// latest piece, and those behind `CONNECT`.
    fn follow(
        &mut self,
        then: Then,
        direction: Direction,
        context: &mut StreamContext<'_, '_>,
    ) -> Then {
        if then == Then::Leave {
            let tunnel = self.sides.of(direction.other()).tunnel.take();
            for (direction, carrier) in [
                (direction, Some(context.carrier())),
                (direction.other(), tunnel),
            ] {
                let pending = self.pending.of(direction);
                if let Some(mut carrier) = carrier {
                    let octets = pending.octets().len();
                    carrier.place = self.sides.of(direction).began(octets, carrier).place;
                    *self.rest.of(direction) = Some((carrier, pending.octets().to_vec()));
                    pending.clear();
                }
            }
            self.end(Direction::ToServer, Ending::Left, context);
            self.end(Direction::ToClient, Ending::Left, context);
        }
        then
    }
}

impl StreamDissector for Stream {
    fn data(
        &mut self,
        direction: Direction,
        octets: &[u8],
        context: &mut StreamContext<'_, '_>,
    ) -> Then {
        let mut then = self.take(direction, octets, context);
        let other = direction.other();
        if then == Then::GoOn {
            then = self.go_on(other, context);
            if then == Then::Leave {
                return self.follow(then, other, context);
            }
        }
        self.follow(then, direction, context)
    }

    fn gap(
        &mut self,
        direction: Direction,
        octets: u64,
        context: &mut StreamContext<'_, '_>,
    ) -> Then {
        let Stream { pending, sides, .. } = self;
        let side = sides.of(direction);
        side.end_body(false, context);
        (side.holds_back, side.was_refused) = (false, false);
        match side.state {
            State::Body(left) if octets <= left => side.state = State::body(left - octets),
            State::Chunk(left) if octets <= left => side.state = State::chunk(left - octets),
            State::UntilClose => {}
            _ => {
                let pending = pending.of(direction);
                let then = sides.rescue(direction, pending.octets(), context);
                pending.clear();
                sides.of(direction).lose();
                return self.follow(then, direction, context);
            }
        }
        Then::GoOn
    }

    fn end(&mut self, direction: Direction, ending: Ending, context: &mut StreamContext<'_, '_>) {
        let Stream { pending, sides, .. } = self;
        let pending = pending.of(direction);
        let side = sides.of(direction);
        // RFC 9112 sections 6.3 and 8: the end of such a body is that of a connection that is closed,
        // and by nothing else.
        let is_whole = side.state == State::UntilClose && ending == Ending::Closed;
        side.end_body(is_whole, context);
        sides.rescue(direction, pending.octets(), context);
        pending.clear();
        sides.of(direction).has_ended = true;
        sides.give_up(direction.other(), context);
        if sides.of(direction.other()).has_ended {
            sides.give_up(direction, context);
        }
    }

    fn held(&self) -> usize {
        let pending = [&self.pending.to_server, &self.pending.to_client];
        let pending: usize = pending.iter().map(|pending| pending.octets().len()).sum();
        let sides = [&self.sides.to_server, &self.sides.to_client];
        pending + sides.iter().map(|side| side.held()).sum::<usize>()
    }

    fn rest(&mut self, direction: Direction) -> Option<(Carrier, Vec<u8>)> {
        self.rest.of(direction).take()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use netcap_dissect::{
        Bodies, BodyEvent, Endpoint, Entropy, Output, Registry, Selection, StreamEnds, Turn,
    };
    use netcap_record::{Message as Decoded, Scalar};

    use netcap_record::Time;

    use super::*;

    /// What happens to a stream: octets, missing octets, an end; of the client or the server.
    #[derive(Clone, Copy, Debug)]
    enum Event<'a> {
        Client(&'a [u8]),
        Server(&'a [u8]),
        ClientGap(u64),
        ServerGap(u64),
        ClientEnd,
        ServerEnd,
        /// The server's direction ends by something else than a FIN.
        ServerStops(Ending),
    }
    use Event::{Client, ClientEnd, ClientGap, Server, ServerEnd, ServerGap, ServerStops};

    const ENDS: StreamEnds = StreamEnds {
        client: Endpoint {
            ip: Ip::V4([10, 0, 0, 1]),
            port: 40_000,
        },
        server: Endpoint {
            ip: Ip::V4([10, 0, 0, 2]),
            port: 8080,
        },
    };

    /// What came of a stream.
    #[derive(Debug, Default, PartialEq, Eq)]
    struct Seen {
        /// Encoded records.
        records: Vec<Vec<u8>>,
        /// Bodies in the order of their beginnings.
        bodies: Vec<Body>,
        troubles: Vec<(Reason, u64)>,
        /// The event at which the stream was left.
        left_at: Option<usize>,
        /// What was given back then: the second of its packet, and the octets.
        rest: Vec<String>,
    }

    #[derive(Debug, Default, PartialEq, Eq)]
    struct Body {
        target: String,
        encoding: String,
        octets: String,
        /// Unless it never ended.
        is_whole: Option<bool>,
    }

    impl Seen {
        /// Takes down what happened to the bodies.
        fn hear(&mut self, events: Vec<(Turn, BodyEvent)>) {
            let mut ids = Vec::new();
            let text = |octets: &[u8]| octets.escape_ascii().to_string();
            for (_, event) in events {
                let place = |id| ids.iter().position(|known| *known == id).unwrap();
                match event {
                    BodyEvent::Begin {
                        id,
                        target,
                        encoding,
                    } => {
                        ids.push(id);
                        self.bodies.push(Body {
                            target: text(&target),
                            encoding: text(&encoding),
                            ..Body::default()
                        });
                    }
                    BodyEvent::Octets(id, octets) => {
                        let body = &mut self.bodies[place(id)];
                        assert_eq!(body.is_whole, None);
                        body.octets += &text(&octets);
                    }
                    BodyEvent::End { id, is_whole } => {
                        let body = &mut self.bodies[place(id)];
                        assert_eq!(body.is_whole.replace(is_whole), None);
                    }
                }
            }
        }

        /// Target, octets, and how each body ended.
        fn body_texts(&self) -> Vec<String> {
            let bodies = self.bodies.iter();
            let show = |body: &Body| {
                let end = match body.is_whole {
                    Some(true) => "whole",
                    Some(false) => "partial",
                    None => "open",
                };
                format!("{} {:?} {end}", body.target, body.octets)
            };
            bodies.map(show).collect()
        }

        /// The fields of each record that have a value, joined by spaces.
        fn show(&self, names: &[&str]) -> Vec<String> {
            let show = |record: &Vec<u8>| {
                let message = Decoded::parse(Http::SCHEMA, record).unwrap();
                let cells = names.iter().flat_map(|name| {
                    let field = Http::SCHEMA.field(name).unwrap();
                    let values: Vec<_> = match field.repeated {
                        true => message.values(field).collect(),
                        false => message.value(field).into_iter().collect(),
                    };
                    values.into_iter().map(|value| match value {
                        Scalar::Int(n) => n.to_string(),
                        Scalar::Text(octets) | Scalar::Timestamp(octets) => {
                            octets.escape_ascii().to_string()
                        }
                        other => panic!("{other:?}"),
                    })
                });
                let cells: Vec<String> = cells.filter(|cell| !cell.is_empty()).collect();
                cells.join(" ")
            };
            self.records.iter().map(show).collect()
        }

        /// Method, target and status of each record.
        fn pairs(&self) -> Vec<String> {
            self.show(&["Method", "URL", "StatusCode"])
        }
    }

    /// Dissects a stream, the event of place `n` at second `n` or all at once, and ends it.
    fn dissect_at(events: &[Event<'_>], time: impl Fn(usize) -> i64) -> Seen {
        dissect_in(events, |event| (time(event), Place::default()))
    }

    /// The same, where it is known what both ends had received.
    fn dissect_in(events: &[Event<'_>], at: impl Fn(usize) -> (i64, Place)) -> Seen {
        let registry = Registry::new(&[], STREAM.schemas, &Selection::default()).unwrap();
        let (mut output, mut entropy) = (Output::new(&registry), Entropy::default());
        output.bodies = Some(Bodies::default());
        let (mut troubles, mut seen) = (BTreeMap::new(), Seen::default());
        let mut stream = (STREAM.start)();
        for (place, event) in events.iter().chain(&[ClientEnd, ServerEnd]).enumerate() {
            let packet = PacketInfo {
                time: Time::new(at(place).0, 0),
                link_type: 1,
                original_len: 0,
                index: 0,
                number: 0,
            };
            let mut context = StreamContext::new(
                &ENDS,
                &registry,
                &mut output,
                &mut entropy,
                Carrier {
                    packet,
                    macs: None,
                    place: at(place).1,
                },
                &mut troubles,
            );
            let context = &mut context;
            let then = match *event {
                Client(octets) => stream.data(Direction::ToServer, octets, context),
                Server(octets) => stream.data(Direction::ToClient, octets, context),
                ClientGap(octets) => stream.gap(Direction::ToServer, octets, context),
                ServerGap(octets) => stream.gap(Direction::ToClient, octets, context),
                ClientEnd => {
                    stream.end(Direction::ToServer, Ending::Closed, context);
                    Then::GoOn
                }
                ServerEnd => {
                    stream.end(Direction::ToClient, Ending::Closed, context);
                    Then::GoOn
                }
                ServerStops(ending) => {
                    stream.end(Direction::ToClient, ending, context);
                    Then::GoOn
                }
            };
            if then == Then::Leave {
                seen.left_at = Some(place);
                for direction in [Direction::ToServer, Direction::ToClient] {
                    if let Some((carrier, octets)) = stream.rest(direction)
                        && !octets.is_empty()
                    {
                        let second = carrier.packet.time.seconds;
                        seen.rest
                            .push(format!("{second} {}", octets.escape_ascii()));
                    }
                }
                break;
            }
        }
        seen.hear(output.bodies.take().unwrap_or_default().events);
        let mut rest = output.chunks[0].octets.as_slice();
        while !rest.is_empty() {
            let (mut len, mut at) = (0, 0);
            loop {
                let octet = rest[at];
                len |= usize::from(octet & 0x7f) << (7 * at);
                at += 1;
                if octet & 0x80 == 0 {
                    break;
                }
            }
            seen.records.push(rest[at..at + len].to_vec());
            rest = &rest[at + len..];
        }
        seen.troubles = troubles
            .into_iter()
            .map(|((protocol, reason), count)| {
                assert_eq!(protocol, "HTTP");
                (reason, count)
            })
            .collect();
        seen
    }

    fn dissect(events: &[Event<'_>]) -> Seen {
        dissect_at(events, |place| place as i64)
    }

    fn pairs(events: &[Event<'_>]) -> Vec<String> {
        let seen = dissect(events);
        assert_eq!(seen.troubles, [], "{events:?}");
        seen.pairs()
    }

    const GET: &[u8] = b"GET /a HTTP/1.1\r\nHost: a.example\r\n\r\n";
    const GET_B: &[u8] = b"GET /b HTTP/1.1\r\n\r\n";
    const GET_C: &[u8] = b"GET /c HTTP/1.1\r\n\r\n";
    const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";
    const NOT_FOUND: &[u8] = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n";

    /// Everything whose end must be found to find what follows.
    const REQUESTS: &[u8] = b"POST /form?q=1 HTTP/1.1\r\nHost: a.example:8080\r\nUser-Agent: test/1\r\n\
        Cookie: a=1; b=2\r\nCookie:c=3;;\r\nContent-Length: 11\r\n\r\nGET / HTTP/\
        \r\nPUT /chunks HTTP/1.1\r\ntransfer-encoding : gzip, Chunked\r\n\r\n\
        5;name=\"value\"\r\nabc\r\n\r\n00a\nGET /no HT\n0\r\nTrailer: x\r\nOther: y\r\n\r\n\
        HEAD /head HTTP/1.0\n\n\
        get /lower HTTP/1.1\r\nX-Folded: one\r\n\t two\r\n three\r\nReferer: http://b.example/,\xff\r\n\r\n\
        GET /none HTTP/1.1\r\n\r\nGET /old HTTP/1.1\r\n\r\nGET /last HTTP/1.1\r\n\r\n";
    const RESPONSES: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n\
        HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\nServer: test/2\r\n\
        Content-Length: 15\r\n\r\nHTTP/1.1 500 No\
        HTTP/1.1 201 \r\nTransfer-Encoding: chunked\r\n\r\n1c\r\nHTTP/1.1 500 No\r\n\r\nand so on\r\n0\r\n\r\n\
        HTTP/1.0 200 OK\r\nContent-Length: 99\r\n\r\n\
        HTTP/1.1 103 Early Hints\r\nContent-Length: 9\r\n\r\n\
        HTTP/1.1 404\r\nContent-Length: 0\r\n\r\n\
        HTTP/1.1 204 No Content\r\nContent-Length: 4\r\n\r\n\
        HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\n\
        HTTP/1.1 200 OK\r\n\r\nup to the end\r\nHTTP/1.1 500 No\r\n\r\n";

    #[test]
    fn one_record_per_request() {
        let seen = dissect_at(&[Client(REQUESTS), Server(RESPONSES)], |_| 7);
        let names = [
            "Timestamp",
            "Proto",
            "Method",
            "Host",
            "UserAgent",
            "Referer",
            "ReqCookies",
            "ReqContentLength",
            "URL",
            "ResContentLength",
            "ContentType",
            "StatusCode",
            "SrcIP",
            "DstIP",
            "ResTimestamp",
            "ReasonPhrase",
            "Server",
            "SrcPort",
            "DstPort",
        ];
        assert_eq!(
            seen.show(&names),
            [
                "7.000000 HTTP/1.1 POST a.example:8080 test/1 a=1 b=2 c=3 11 /form?q=1 15 \
                 text/html; charset=utf-8 200 10.0.0.1 10.0.0.2 7.000000 OK test/2 40000 8080",
                "7.000000 HTTP/1.1 PUT -1 /chunks -1 201 10.0.0.1 10.0.0.2 7.000000 40000 8080",
                "7.000000 HTTP/1.0 HEAD 0 /head 99 200 10.0.0.1 10.0.0.2 7.000000 OK 40000 8080",
                "7.000000 HTTP/1.1 get http://b.example/,\\xff 0 /lower 0 404 10.0.0.1 10.0.0.2 \
                 7.000000 40000 8080",
                "7.000000 HTTP/1.1 GET 0 /none 0 204 10.0.0.1 10.0.0.2 7.000000 No Content 40000 8080",
                "7.000000 HTTP/1.1 GET 0 /old 0 304 10.0.0.1 10.0.0.2 7.000000 Not Modified 40000 8080",
                "7.000000 HTTP/1.1 GET 0 /last -1 200 10.0.0.1 10.0.0.2 7.000000 OK 40000 8080",
            ]
        );
        assert_eq!(seen.troubles, []);
    }

    #[test]
    fn bodies_of_responses_are_handed_on() {
        let seen = dissect(&[Client(REQUESTS), Server(RESPONSES)]);
        assert_eq!(
            seen.body_texts(),
            [
                "/form?q=1 \"HTTP/1.1 500 No\" whole",
                "/chunks \"HTTP/1.1 500 No\\\\r\\\\n\\\\r\\\\nand so on\" whole",
                "/last \"up to the end\\\\r\\\\nHTTP/1.1 500 No\\\\r\\\\n\\\\r\\\\n\" whole",
            ]
        );
        let head = b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\nContent-Length: 5\r\n\r\nab";
        let seen = dissect(&[Server(head)]);
        assert_eq!(seen.body_texts(), [" \"ab\" partial"]);
        assert_eq!(seen.bodies[0].encoding, "gzip");
    }

    #[test]
    fn bodies_end_at_gaps() {
        let long = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nab";
        let events = [
            Client(GET),
            Server(long),
            ServerGap(2),
            Server(b"ef"),
            Server(OK),
        ];
        let texts = dissect(&events).body_texts();
        assert_eq!(texts, ["/a \"ab\" partial", " \"hi\" whole"]);
        let chunks = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nab";
        for then in [ServerGap(2), ServerGap(9), Server(b"cd\rno chunk")] {
            let texts = dissect(&[Client(GET), Server(chunks), then]).body_texts();
            assert!(
                texts.len() == 1 && texts[0].ends_with("partial"),
                "{texts:?}"
            );
        }
        let end = [Client(GET), Server(chunks), Server(b"cd\r\n0\r\n")];
        assert_eq!(dissect(&end).body_texts(), ["/a \"abcd\" whole"]);
    }

    #[test]
    fn pieces_do_not_matter() {
        let whole = dissect_at(&[Client(REQUESTS), Server(RESPONSES)], |_| 7);
        for at in 0..=REQUESTS.len() {
            let (a, b) = REQUESTS.split_at(at);
            let split = [Client(a), Client(b), Server(RESPONSES)];
            assert_eq!(dissect_at(&split, |_| 7), whole, "request at {at}");
        }
        for at in 0..=RESPONSES.len() {
            let (a, b) = RESPONSES.split_at(at);
            let split = [Client(REQUESTS), Server(a), Server(b)];
            assert_eq!(dissect_at(&split, |_| 7), whole, "response at {at}");
        }
        for size in 1..7 {
            let requests = REQUESTS.chunks(size).map(Client);
            let events: Vec<_> = requests.chain(RESPONSES.chunks(size).map(Server)).collect();
            assert_eq!(dissect_at(&events, |_| 7), whole, "pieces of {size}");
        }
    }

    #[test]
    fn every_prefix_gives_the_beginning() {
        let names = ["Method", "URL"];
        let whole = dissect(&[Client(REQUESTS)]).show(&names);
        for end in 0..REQUESTS.len() {
            let prefix = dissect(&[Client(&REQUESTS[..end])]).show(&names);
            assert!(whole.starts_with(&prefix), "{end}: {prefix:?}");
        }
        for end in 0..RESPONSES.len() {
            let events = [Client(REQUESTS), Server(&RESPONSES[..end])];
            assert_eq!(dissect(&events).show(&names), whole, "{end}");
        }
    }

    #[test]
    fn what_is_sound_of_a_cut_header_is_recorded() {
        let names = ["Method", "Host", "UserAgent", "StatusCode", "ContentType"];
        let cut = b"GET / HTTP/1.1\r\nHost: a\r\nUser-Agent: x";
        let seen = dissect(&[Client(cut)]);
        assert_eq!(seen.show(&names), ["GET a 0"]);
        let cut = b"HTTP/1.1 200 OK\r\nContent-Type: a/b\r\nConte";
        let seen = dissect(&[Client(GET), Server(cut)]);
        assert_eq!(seen.show(&names), ["GET a.example 200 a/b"]);
        assert_eq!(dissect(&[Client(b"GET / HTTP/1.1")]), Seen::default());
    }

    #[test]
    fn streams_are_told_by_their_beginning() {
        use Recognition::{More, No, Yes};
        for (octets, expected) in [
            (&b""[..], More),
            (b"G", More),
            (b"ge", More),
            (b"GET", More),
            (b"GET ", More),
            (b"GET /", Yes),
            (b"GET ht", More),
            (b"GET http://a", Yes),
            (b"GET httpx", No),
            (b"OPTIONS *", Yes),
            (b"OPTIONS sip:a SIP/2.0", No),
            (b"OPTIONS rtsp://a", No),
            (b"OPTIONS * RTSP/1.0\r\n", No),
            (b"CONNECT a:443", Yes),
            (b"CONNECT [::1]:443", Yes),
            (b"CONNECT \x00", No),
            (b"X-OWN", No),
            (b"X-OWN /", No),
            (b"X-OWN / HTTP/1.1\r\n", Yes),
            (b"a(b / HTTP/1.1\r\n", No),
            (b"LONGER-THAN-THIRTY-TWO-OCTETS-ARE / HTTP/1.1\r\n", No),
            (b"GET / HTTP/1.1\n", Yes),
            (b"GET  HTTP/1.1\n", Yes),
            (b"GET /\r\n", No),
            (b"GET / HTTP/2.0\r\n", No),
            (b"get key\r\n", No),
            (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", No),
            (b"PRI * HTTP/", No),
            (b"HT", More),
            (b"HTTP/1.", Yes),
            (b"HTTP/1.1 200 OK\r\n", Yes),
            (b"HTTP/1.1 200\r\n", Yes),
            (b"HTTP/1.1 20 OK\r\n", No),
            (b"HTTP/1.1 2000 OK\r\n", No),
            (b"HTTP/2 200\r\n", No),
            (b"\x16\x03\x01", No),
            (b"\r\n", More),
            (b"\r\n\n\r\nGET / HTTP/1.1\r\n", Yes),
            (b"\n\r\nEHLO a\r\n", No),
            (b"GET\t/\x0b\x0cHTTP/1.1\n", Yes),
            (b"  GET \t", More),
            (b"\tGET \t/a", Yes),
            (b"HTTP/1.1\t\t200\r\n", Yes),
            // The tail of a line that was cut.
            (b"part HTTP/1.1\r\nHost: a\r\n", No),
            (b"OPTIONS HTTP/1.1\r\n", Yes),
            // The tail of one with blanks in its target.
            (b"/a b HTTP/1.1\r\n", No),
            (b"a b HTTP/1.1\r\n", No),
            (b"A b HTTP/1.1\r\n", No),
            (b"me and /you HTTP/1.1\r\n", No),
            (b"ME /and you HTTP/1.1\r\n", No),
            (b"some /path HTTP/1.1\r\n", No),
            (b"name 10:30 HTTP/1.1\r\n", No),
            (b"GET /a b HTTP/1.1\r\n", Yes),
            (b"get a b HTTP/1.1\r\n", Yes),
            (b"X-OWN http://a.example/b HTTP/1.1\r\n", Yes),
            (b"X-OWN * HTTP/1.1\r\n", Yes),
        ] {
            assert_eq!(begins(octets), expected, "{}", octets.escape_ascii());
            let beginning = Beginning {
                octets,
                direction: Direction::ToClient,
                ends: &ENDS,
            };
            assert_eq!((STREAM.recognise)(&beginning), expected);
        }
    }

    #[test]
    fn times_are_those_of_the_first_octets() {
        let (first, rest) = GET.split_at(3);
        let (status, body) = OK.split_at(30);
        let seen = dissect(&[
            Client(first),
            Client(rest),
            Client(GET_B),
            Server(status),
            Server(body),
            Server(OK),
        ]);
        assert_eq!(
            seen.show(&["Timestamp", "ResTimestamp"]),
            ["0.000000 3.000000", "2.000000 5.000000"]
        );
    }

    #[test]
    fn the_client_is_who_asks() {
        let seen = dissect(&[Server(GET), Client(OK)]);
        let names = ["Method", "StatusCode", "SrcIP", "DstIP", "SrcPort"];
        assert_eq!(seen.show(&names), ["GET 200 10.0.0.2 10.0.0.1 8080"]);
        let seen = dissect(&[Server(NOT_FOUND)]);
        assert_eq!(seen.show(&names), ["404 10.0.0.1 10.0.0.2 40000"]);
    }

    #[test]
    fn a_response_without_a_request_has_a_record() {
        let seen = dissect(&[Server(OK), Client(GET), Server(NOT_FOUND), Server(OK)]);
        let names = [
            "Timestamp",
            "Proto",
            "Method",
            "StatusCode",
            "ReqContentLength",
        ];
        assert_eq!(
            seen.show(&names),
            [
                "0.000000 HTTP/1.1 200 0",
                "1.000000 HTTP/1.1 GET 404 0",
                "3.000000 HTTP/1.1 200 0",
            ]
        );
    }

    #[test]
    fn requests_without_a_response_come_at_the_end_of_the_other_direction() {
        let events = [Client(GET), Client(GET_B), ServerEnd, Client(GET_C)];
        assert_eq!(pairs(&events), ["GET /a 0", "GET /b 0", "GET /c 0"]);
        // A client that only listens is still answered.
        let events = [Client(GET), ClientEnd, Server(OK)];
        assert_eq!(pairs(&events), ["GET /a 200"]);
        // To its requests in their order: nothing is missing.
        let events = [
            Client(GET),
            Client(GET_B),
            ClientEnd,
            Server(OK),
            Server(NOT_FOUND),
        ];
        assert_eq!(pairs(&events), ["GET /a 200", "GET /b 404"]);
    }

    #[test]
    fn the_host_may_stand_in_the_target() {
        for (target, host) in [
            ("http://b.example:81/x?y#z", "b.example:81"),
            ("http://user:word@b.example?q", "b.example"),
            ("/path?u=http://c.example/", ""),
            ("*", ""),
        ] {
            let request = format!("GET {target} HTTP/1.1\r\n\r\n");
            let seen = dissect(&[Client(request.as_bytes())]);
            assert_eq!(seen.show(&["Host"]), [host], "{target}");
        }
        let seen = dissect(&[Client(
            b"GET http://b/ HTTP/1.1\r\nHost: a\r\nhost: c\r\n\r\n",
        )]);
        assert_eq!(seen.show(&["Host", "URL"]), ["a http://b/"]);
    }

    #[test]
    fn a_tunnel_is_left() {
        let connect = b"CONNECT b.example:443 HTTP/1.1\r\n\r\n";
        let seen = dissect(&[
            Client(connect),
            Server(b"HTTP/1.0 200 Yes\r\n\r\n"),
            Client(OK),
        ]);
        assert_eq!(seen.left_at, Some(1));
        assert_eq!(
            seen.show(&["Method", "Host", "URL", "StatusCode"]),
            ["CONNECT b.example:443 b.example:443 200"]
        );
        let refused = b"HTTP/1.1 407 No\r\nContent-Length: 0\r\n\r\n";
        let seen = dissect(&[Client(connect), Server(refused), Client(GET), Server(OK)]);
        assert_eq!(seen.left_at, None);
        assert_eq!(seen.records.len(), 2);

        // What the client sends behind it waits for the answer.
        let early = [&connect[..], b"\x16\x03\x01"].concat();
        let seen = dissect(&[
            Client(&early),
            Client(b"\0\x2a"),
            Server(b"HTTP/1.0 200 Yes\r\n\r\n\x16\x03\x03"),
        ]);
        assert_eq!(seen.pairs(), ["CONNECT b.example:443 200"]);
        assert_eq!(seen.rest, ["0 \\x16\\x03\\x01\\x00*", "2 \\x16\\x03\\x03"]);
        assert_eq!(seen.troubles, []);
        let said = b"CONNECT b.example:443 HTTP/1.1\r\nContent-Length: 0\r\n\r\n";
        let seen = dissect(&[
            Client(said),
            Client(b"\x16\x03\x01"),
            Server(b"HTTP/1.1 200 Yes\r\n\r\n"),
        ]);
        assert_eq!(seen.pairs(), ["CONNECT b.example:443 200"]);
        assert_eq!(
            (seen.rest, seen.troubles),
            (vec!["1 \\x16\\x03\\x01".into()], vec![])
        );
        let early = [&connect[..], GET].concat();
        let seen = dissect(&[Client(&early), Server(refused), Client(GET_B), Server(OK)]);
        assert_eq!(
            seen.show(&["Timestamp", "URL", "StatusCode"]),
            [
                "0.000000 b.example:443 407",
                "0.000000 /a 200",
                "2.000000 /b 0",
            ]
        );

        let switching = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n\x81\x00";
        let seen = dissect(&[Client(GET), Client(GET_B), Server(switching), Server(OK)]);
        assert_eq!(seen.left_at, Some(2));
        assert_eq!(seen.pairs(), ["GET /a 101", "GET /b 0"]);
    }

    /// The records and troubles of a message of this kind and of one after it.
    fn framed(start: &str, fields: &str, body: &str) -> (Vec<String>, Vec<(Reason, u64)>) {
        let message = format!("{start}\r\n{fields}\r\n\r\n{body}");
        let seen = if start.starts_with("HTTP") {
            let octets = [message.as_bytes(), NOT_FOUND].concat();
            dissect(&[Client(GET), Client(GET_B), Server(&octets)])
        } else {
            dissect(&[Client(&[message.as_bytes(), GET_B].concat())])
        };
        let names = ["URL", "StatusCode", "ReqContentLength", "ResContentLength"];
        (seen.show(&names), seen.troubles)
    }

    #[test]
    fn lengths_of_requests() {
        let post = |fields: &str, body: &str| framed("POST /p HTTP/1.1", fields, body);
        let next = "/b 0 0 0".to_string();
        for (fields, body, length) in [
            ("A: b", "", 0),
            ("Content-Length: 0", "", 0),
            ("Content-Length: 003", "abc", 3),
            ("Content-Length: 3\r\nContent-Length: 3", "abc", 3),
            ("Content-Length: 3, 3", "abc", 3),
            ("Transfer-Encoding: identity\r\nContent-Length: 3", "abc", 3),
            ("Transfer-Encoding: chunked", "0\r\n\r\n", -1),
            (
                "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked",
                "0\r\n\r\n",
                -1,
            ),
            ("Transfer-Encoding:\r\n chunked", "1 \r\na\r\n0\r\n\r\n", -1),
        ] {
            let expected = vec![format!("/p 0 {length} 0"), next.clone()];
            assert_eq!(post(fields, body), (expected, vec![]), "{fields}");
        }
        // Both: the coding counts.
        let both = "Transfer-Encoding: chunked\r\nContent-Length: 99";
        let expected = vec!["/p 0 -1 0".to_string(), next];
        assert_eq!(
            post(both, "0\r\n\r\n"),
            (expected, vec![(Reason::Length, 1)])
        );
        // Nothing is known of what follows these.
        for (fields, reason) in [
            ("Content-Length: -1", Reason::Value),
            ("Content-Length: +1", Reason::Value),
            ("Content-Length: ", Reason::Value),
            ("Content-Length: 0x10", Reason::Value),
            ("Content-Length: 18446744073709551616", Reason::Value),
            ("Content-Length: 1\r\nContent-Length: 2", Reason::Length),
            ("Content-Length: 1, 2", Reason::Length),
            ("Transfer-Encoding: chunked, gzip", Reason::Value),
        ] {
            let expected = (vec!["/p 0 -1 0".to_string()], vec![(reason, 1)]);
            assert_eq!(post(fields, "(abc"), expected, "{fields}");
        }
        for (octets, shown) in [("2147483648", i32::MAX), ("18446744073709551615", i32::MAX)] {
            let (records, troubles) = post(&format!("Content-Length: {octets}"), "");
            assert_eq!((records.len(), troubles.len()), (1, 0));
            assert_eq!(records[0], format!("/p 0 {shown} 0"));
        }
    }

    #[test]
    fn lengths_of_responses() {
        let answer = |fields: &str, body: &str| framed("HTTP/1.1 200 OK", fields, body);
        for (fields, body, length) in [
            ("Content-Length: 3", "abc", 3),
            (
                "Transfer-Encoding: chunked",
                "a;x=y\r\n0123456789\r\n0\r\nT: r\r\n\r\n",
                -1,
            ),
        ] {
            let expected = vec![format!("/a 200 0 {length}"), "/b 404 0 0".to_string()];
            assert_eq!(answer(fields, body), (expected, vec![]), "{fields}");
        }
        for fields in [
            "A: b",
            "Transfer-Encoding: gzip",
            "Content-Length: 18446744073709551615",
        ] {
            let (records, troubles) = answer(fields, "abc");
            assert_eq!((records.len(), troubles), (2, vec![]), "{fields}");
            assert_eq!(records[1], "/b 0 0 0");
        }
        let (records, troubles) = answer("Content-Length: 1, 2", "abc");
        assert_eq!(records, ["/a 200 0 -1", "/b 0 0 0"]);
        assert_eq!(troubles, [(Reason::Length, 1)]);
    }

    #[test]
    fn chunks_that_are_none() {
        for body in [
            "x\r\n",
            "\r\n",
            "-1\r\n",
            "+1\r\na\r\n",
            "10000000000000000\r\n",
            "1\r\nab\r\n",
        ] {
            let request = format!("PUT /p HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n{body}");
            let seen = dissect(&[Client(request.as_bytes()), Client(GET), Server(OK)]);
            assert_eq!(seen.pairs(), ["PUT /p 0", "GET /a 200"], "{body}");
            assert_eq!(seen.troubles, [(Reason::Value, 1)], "{body}");
        }
        let huge = b"PUT /p HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\na";
        assert_eq!(pairs(&[Client(huge), Client(GET)]), ["PUT /p 0"]);
    }

    #[test]
    fn gaps_inside_bodies_lose_nothing() {
        let head = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc";
        let asked = [Client(GET), Client(GET_B)];
        let with = |events: &[Event<'static>]| pairs(&[&asked, events].concat());
        let both = ["GET /a 200", "GET /b 404"];
        assert_eq!(with(&[Server(head), ServerGap(7), Server(NOT_FOUND)]), both);
        let events = [Server(head), ServerGap(6), Server(b"d"), Server(NOT_FOUND)];
        assert_eq!(with(&events), both);
        let chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab";
        let rest = b"\r\n0\r\n\r\n";
        let events = [
            Server(chunked),
            ServerGap(3),
            Server(rest),
            Server(NOT_FOUND),
        ];
        assert_eq!(with(&events), both);
        let until_close = b"HTTP/1.1 200 OK\r\n\r\nabc";
        let events = [Server(until_close), ServerGap(u64::MAX), Server(OK)];
        assert_eq!(with(&events), ["GET /a 200", "GET /b 0"]);
    }

    #[test]
    fn gaps_elsewhere_end_at_the_next_message() {
        let head = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc";
        // Beyond the body: the beginning of an answer to /b is lost.
        let events = [
            Client(GET),
            Server(head),
            Client(GET_B),
            ServerGap(8),
            Server(b"HTT / nothing"),
            Client(GET_C),
            Server(OK),
        ];
        assert_eq!(pairs(&events), ["GET /a 200", "GET /b 0", "GET /c 200"]);
        // Inside a header: its lines before the gap are recorded.
        let cut = b"HTTP/1.1 302 Found\r\nServer: a\r\nLoca";
        let events = [
            Client(GET),
            Server(cut),
            ServerGap(9),
            Client(GET_B),
            Server(OK),
        ];
        assert_eq!(pairs(&events), ["GET /a 302", "GET /b 200"]);
        // Whole messages, in pieces after the gap.
        let (first, rest) = GET_C.split_at(2);
        let events = [
            Client(GET),
            Server(OK),
            ClientGap(GET_B.len() as u64),
            Server(NOT_FOUND),
            Client(first),
            Client(rest),
            Server(OK),
        ];
        assert_eq!(pairs(&events), ["GET /a 200", "404", "GET /c 200"]);
        // Chunk framing.
        let chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab";
        let events = [
            Client(GET),
            Server(chunked),
            ServerGap(4),
            Server(b"GARBAGE"),
            Server(OK),
        ];
        assert_eq!(pairs(&events), ["GET /a 200", "200"]);
    }

    #[test]
    fn after_a_gap_no_response_answers_a_later_request() {
        // The gap is known late, and so are the octets behind it.
        let events = [
            Client(GET),
            Client(GET_B),
            Client(GET_C),
            ServerGap(9),
            Server(OK),
            Server(NOT_FOUND),
        ];
        let times = [0, 10, 20, 21, 11, 21];
        let seen = dissect_at(&events, |place| times.get(place).copied().unwrap_or(30));
        assert_eq!(seen.pairs(), ["GET /a 0", "GET /b 200", "GET /c 404"]);
    }

    /// Events with the second of each, and what its sender had received.
    fn talk(events: &[(Event<'_>, i64, u64)]) -> Vec<String> {
        talk_from(0, events)
    }

    /// The same, where the server's octets begin elsewhere.
    fn talk_from(start: u64, events: &[(Event<'_>, i64, u64)]) -> Vec<String> {
        let (mut ends, mut places) = ([0, start], Vec::new());
        for (event, second, received) in events {
            let (side, octets) = match event {
                Client(octets) => (0, octets.len() as u64),
                Server(octets) => (1, octets.len() as u64),
                ClientGap(octets) => (0, *octets),
                ServerGap(octets) => (1, *octets),
                _ => continue,
            };
            let place = Place {
                position: ends[side],
                acknowledged: Some(*received),
            };
            places.push((*second, place));
            ends[side] += octets;
        }
        let events: Vec<Event<'_>> = events.iter().map(|(event, ..)| *event).collect();
        let at = |event: usize| places.get(event).copied().unwrap_or((99, Place::default()));
        dissect_in(&events, at).pairs()
    }

    #[test]
    fn what_was_received_tells_which_request_a_response_answers() {
        let [a, b, c] = [GET, GET_B, GET_C].map(|request| request.len() as u64);
        let [ok, not_found] = [OK, NOT_FOUND].map(|answer| answer.len() as u64);
        // An answer is lost, and the server's segments were captured one packet early.
        let lost = [
            (Client(GET), 1, 0),
            (Server(OK), 0, a),
            (Client(GET_B), 3, ok),
            (ServerGap(9), 4, a + b + c),
            (Client(GET_C), 5, ok + 9),
            (Server(NOT_FOUND), 4, a + b + c),
            (Client(GET), 7, ok + 9 + not_found),
            (Server(OK), 6, a + b + c + a),
        ];
        assert_eq!(
            talk(&lost),
            ["GET /a 200", "GET /b 0", "GET /c 404", "GET /a 200"]
        );
        // Answers and questions come in bulk behind a gap.
        let bulk = [
            (Client(GET), 1, 0),
            (ServerGap(9), 1, a),
            (Client(GET_B), 3, 9),
            (Client(GET_C), 5, 9 + ok),
            (Server(OK), 10, a + b),
            (Server(NOT_FOUND), 10, a + b + c),
        ];
        assert_eq!(talk(&bulk), ["GET /a 0", "GET /b 200", "GET /c 404"]);
        // A request is lost, and its answer belongs to none.
        let request = [
            (Client(GET), 1, 0),
            (Server(OK), 2, a),
            (ClientGap(b), 3, ok),
            (Client(GET_C), 3, ok + not_found),
            (Server(NOT_FOUND), 4, a + b),
            (Server(OK), 5, a + b + c),
        ];
        assert_eq!(talk(&request), ["GET /a 200", "404", "GET /c 200"]);
        // The first answer is not there at all: answers begin where the second request was sent.
        let begun = [
            (Client(GET), 1, 100),
            (Client(GET_B), 2, 140),
            (Server(NOT_FOUND), 3, a + b),
        ];
        assert_eq!(talk_from(140, &begun), ["GET /a 0", "GET /b 404"]);
        // An answer was told before its question, and what was asked at once is answered in order.
        let early = [
            (Server(OK), 1, a),
            (Client(GET), 2, 0),
            (Client(GET_B), 3, ok),
            (Client(GET_C), 3, ok),
            (Server(NOT_FOUND), 4, a + b + c),
            (Server(OK), 4, a + b + c),
        ];
        assert_eq!(
            talk(&early),
            ["200", "GET /a 0", "GET /b 404", "GET /c 200"]
        );
        // The server was tired of waiting when the request was under way.
        let late = [(Client(GET), 1, 0), (Server(NOT_FOUND), 2, 0)];
        assert_eq!(talk(&late), ["404", "GET /a 0"]);
        // What was asked at once is answered in order, and what was asked again too.
        let pipelined = [
            (Client(GET), 1, 0),
            (Client(GET_B), 1, 0),
            (Client(GET_C), 1, ok),
            (Server(OK), 2, a + b),
            (Server(NOT_FOUND), 2, a + b + c),
            (Server(OK), 2, a + b + c),
        ];
        assert_eq!(talk(&pipelined), ["GET /a 200", "GET /b 404", "GET /c 200"]);
    }

    #[test]
    fn white_space_and_lines_are_taken_as_they_come() {
        let names = ["Method", "URL", "Host", "UserAgent", "Referer"];
        for request in [
            &b"GET /a HTTP/1.1\nHost: b\nUser-Agent:c d\n\n"[..],
            b"\r\n\n\r\nGET /a HTTP/1.1\r\nHost\t :  b \r\nuser-agent:\r\n c\r\n\td\r\n\r\n",
            b"GET  /a  HTTP/1.1 \r\nHOST:b\r\nUSER-AGENT: c d\r\n \r\n\r\n",
        ] {
            let seen = dissect(&[Client(request)]);
            let shown = seen
                .show(&names)
                .concat()
                .replace(' ', "")
                .replace("\\t", "");
            assert_eq!(shown, "GET/abcd", "{}", request.escape_ascii());
            assert_eq!(seen.troubles, []);
        }
        let seen = dissect(&[Client(
            b"GET / HTTP/1.1\r\nno field\r\n: x\r\nHost: b\r\n\r\n",
        )]);
        assert_eq!(seen.show(&names), ["GET / b"]);
        assert_eq!(seen.troubles, [(Reason::Option, 1)]);
        let seen = dissect(&[Client(b"GET / HTTP/1.\r\n\r\n")]);
        assert_eq!(
            (seen.records.len(), seen.troubles),
            (1, vec![(Reason::Version, 1)])
        );
    }

    #[test]
    fn any_white_space_separates_the_words_of_a_start_line() {
        let names = ["Method", "URL", "StatusCode", "ReasonPhrase"];
        for space in [" ", "\t", "  \t ", "\x0b", "\r"] {
            let request = format!("GET{space}/a{space}HTTP/1.1{space}\r\n\r\n");
            for before in ["", space] {
                let answer = format!("{before}HTTP/1.1{space}404{space}No\r\n\r\n");
                let seen = dissect(&[Client(request.as_bytes()), Server(answer.as_bytes())]);
                assert_eq!(seen.show(&names), ["GET /a 404 No"], "{space:?}");
                assert_eq!(seen.troubles, []);
            }
        }
        // A reason may be missing, with the space before it.
        let seen = dissect(&[Client(GET), Server(b"HTTP/1.1 204\r\nA: b\r\n\r\n")]);
        assert_eq!(seen.show(&names), ["GET /a 204"]);
    }

    #[test]
    fn what_ends_a_body_tells_whether_it_is_whole() {
        let head = b"HTTP/1.0 200 OK\r\n\r\nabc";
        for (ending, end) in [
            (Ending::Closed, "whole"),
            (Ending::Reset, "partial"),
            (Ending::TimedOut, "partial"),
            (Ending::Replaced, "partial"),
            (Ending::Capture, "partial"),
        ] {
            let seen = dissect(&[Client(GET), Server(head), ServerStops(ending)]);
            assert_eq!(seen.body_texts(), [format!("/a \"abc\" {end}")]);
        }
    }

    #[test]
    fn octets_that_are_no_message() {
        // Nothing is to be answered: others may have the stream.
        let seen = dissect(&[
            Client(GET),
            Server(OK),
            Client(b"\x16\x03\x01"),
            Client(GET_B),
        ]);
        assert_eq!((seen.left_at, seen.records.len()), (Some(2), 1));
        assert_eq!(seen.troubles, [(Reason::Value, 1)]);
        // A request is to be answered.
        let banner = b"SSH-2.0-x\r\n";
        let seen = dissect(&[Client(GET), Server(banner), Server(b"\0\x01"), Server(OK)]);
        assert_eq!(seen.left_at, None);
        assert_eq!(seen.pairs(), ["GET /a 200"]);
        assert_eq!(seen.troubles, [(Reason::Value, 1)]);
        // A method that nobody registered is one where a message is due.
        let own = [&b"X-OWN /"[..], b" HTTP/1.1\r\n\r\n"];
        let events = [
            Client(GET),
            Server(OK),
            Client(own[0]),
            Client(own[1]),
            Server(OK),
        ];
        assert_eq!(pairs(&events), ["GET /a 200", "X-OWN / 200"]);
        // There it may be in small letters.
        let events = [Client(GET), Server(OK), Client(b"own /b HTTP/1.1\r\n\r\n")];
        assert_eq!(pairs(&events), ["GET /a 200", "own /b 0"]);
    }

    /// RFC 9110 section 10.1.1: who is refused need not send the body, and may send it all the same.
    #[test]
    fn a_body_that_was_refused_may_be_missing() {
        let refused = b"HTTP/1.1 417 Expectation Failed\r\nContent-Length: 0\r\n\r\n";
        let unauthorized = b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\nno";
        let counted = b"PUT /p HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 25\r\n\r\n";
        let chunked =
            b"PUT /p HTTP/1.1\r\nexpect: 100-Continue\r\nTransfer-Encoding: chunked\r\n\r\n";
        let in_chunks = b"5\r\nGET /\r\n0\r\n\r\n";
        for (answer, code) in [(&refused[..], 417), (&unauthorized[..], 401)] {
            for (request, body) in [
                (&counted[..], &b"0123456789012345678901234"[..]),
                (&chunked[..], &in_chunks[..]),
            ] {
                let expected = [format!("PUT /p {code}"), "GET /b 404".to_string()];
                let (first, second) = GET_B.split_at(2);
                let events = [
                    Client(request),
                    Server(answer),
                    Client(first),
                    Client(second),
                    Server(NOT_FOUND),
                ];
                assert_eq!(pairs(&events), expected);
                let events = [
                    Client(request),
                    Server(answer),
                    Client(body),
                    Client(GET_B),
                    Server(NOT_FOUND),
                ];
                assert_eq!(pairs(&events), expected);
            }
        }
        // Asked for, or under way already, it is a body, whatever it looks like.
        let go_on = b"HTTP/1.1 100 Continue\r\n\r\n";
        let text = b"GET /in/body HTTP/1.1\r\n\r\n";
        let events = [Client(counted), Server(go_on), Client(text), Server(OK)];
        assert_eq!(pairs(&events), ["PUT /p 200"]);
        let events = [Client(counted), Client(text), Server(refused)];
        assert_eq!(pairs(&events), ["PUT /p 417"]);
    }

    #[test]
    fn what_is_left_of_a_line_is_no_request() {
        for tail in [
            &b"and more.html HTTP/1.1\r\nHost: a\r\n\r\n"[..],
            b"two /three HTTP/1.1\r\nHost: a\r\n\r\n",
        ] {
            let events = [
                Client(GET),
                Server(OK),
                ClientGap(20),
                Client(tail),
                Client(GET_B),
                Server(NOT_FOUND),
            ];
            assert_eq!(pairs(&events), ["GET /a 200", "GET /b 404"]);
        }
    }

    #[test]
    fn a_header_beyond_the_limit_ends_it() {
        let mut long = GET[..GET.len() - 2].to_vec();
        long.resize(LONGEST_HEADER + 1, b'x');
        let ended = [&long[..], b": y\r\n\r\n"].concat();
        for piece in [1 << 20, 1460] {
            for octets in [&long, &ended] {
                let events: Vec<_> = octets.chunks(piece).map(Client).collect();
                let seen = dissect(&events);
                assert_eq!(seen.pairs(), ["GET /a 0"]);
                assert_eq!(seen.troubles, [(Reason::Length, 1)]);
                assert_eq!(seen.left_at, Some(events.len() - 1));
            }
        }
        let chunked = b"PUT /p HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
        let line = vec![b'1'; LONGEST_HEADER + 1];
        let seen = dissect(&[Client(chunked), Client(&line)]);
        assert_eq!(seen.left_at, Some(1));
        assert_eq!(seen.troubles, [(Reason::Length, 1)]);
        // A start line that never ends begins nothing.
        let seen = dissect(&[Client(b"GET /"), Client(&line)]);
        assert_eq!((seen.left_at, seen.records.len()), (Some(1), 0));
    }

    #[test]
    fn few_requests_wait() {
        let requests: Vec<u8> = GET.repeat(MOST_WAITING + 2);
        let seen = dissect(&[Client(&requests), Client(GET_B), Server(&OK.repeat(3))]);
        assert_eq!(seen.troubles, [(Reason::Count, 3)]);
        let pairs = seen.pairs();
        assert_eq!(pairs.len(), MOST_WAITING + 3);
        assert_eq!(
            pairs[2..7],
            [
                "GET /a 0",
                "GET /a 200",
                "GET /a 200",
                "GET /a 200",
                "GET /a 0"
            ]
        );
        assert_eq!(pairs.last().unwrap(), "GET /b 0");

        let mut large = b"GET / HTTP/1.1\r\nX: ".to_vec();
        large.resize(60_000, b'x');
        large.extend_from_slice(b"\r\n\r\n");
        let seen = dissect(&[Client(&large.repeat(6))]);
        assert_eq!(seen.records.len(), 6);
        assert_eq!(seen.troubles, [(Reason::Count, 2)]);
    }

    #[test]
    fn no_input_is_too_much() {
        // Events from a fixed sequence of numbers: nothing but an end is asked for.
        let mut state = 1u64;
        let mut next = |n: usize| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (state >> 33) as usize % n
        };
        let sides = [REQUESTS, RESPONSES];
        for _ in 0..2000 {
            let mut events = Vec::new();
            for _ in 0..12 {
                let side = sides[next(2)];
                let from = next(side.len());
                let to = from + next(side.len() - from);
                events.push(match next(8) {
                    0 => ClientGap(next(30) as u64),
                    1 => ServerGap(next(30) as u64),
                    2..=4 => Client(&side[from..to]),
                    _ => Server(&side[from..to]),
                });
            }
            let seen = dissect(&events);
            assert!(seen.records.len() < 200);
        }
    }
}
