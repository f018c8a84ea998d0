//! Transport Layer Security (RFC 8446, RFC 5246; SSL 3.0, RFC 6101) on streams of any TCP port: one
//! record per ClientHello, with what the server answered.
//!
//! A stream is recognised by a TLS record that begins with a ClientHello or a ServerHello. Messages
//! are put together from any number of records and segments. A ClientHello waits for the ServerHello
//! before it is recorded, at most until its sender goes on with the handshake, its receiver is done,
//! or octets are missing; the record has the time of the ClientHello. A HelloRetryRequest is an
//! answer too, and the second ClientHello a second record. After the ServerHello the stream is left
//! alone: what follows is encrypted, or soon will be.
//!
//! TLS may begin where another protocol has agreed on it: a hello is found behind at most
//! [`FARTHEST_HELLO`] octets of something else in its piece, and what a direction says before its first
//! record is passed over, at most [`MOST_BEFORE`] octets.
//!
//! A hello is recorded once its version and random number are there. One whose lengths contradict
//! each other, or that ends early, is malformed: what stands before the trouble is recorded, without
//! a Ja3 that would be of another hello. An extension that contradicts itself does no harm to the
//! others.
//!
//! Of a hello at most 64 KiB are kept for each direction, and one ClientHello for the stream; a
//! longer hello is malformed and not recorded. The hellos of SSL 2.0, also where they offer a later
//! version (RFC 6176 forbids them), are no TLS records and not recognised.

use std::fmt::Write;
use std::{iter, slice};

use md5::{Digest, Md5};
use netcap_dissect::{
    Beginning, Both, Cursor, Direction, Ending, Malformed, PacketInfo, Reason, Recognition,
    StreamContext, StreamDissector, StreamProtocol, Then,
};
use netcap_record::{Each, Ip, Mac, Record, Text, Timestamp};

pub(crate) static STREAM: StreamProtocol = StreamProtocol {
    name: NAME,
    ports: &[],
    recognise,
    inside: Some(hello_inside),
    start: || Box::<Tls>::default(),
    schemas: &[TlsClientHello::SCHEMA],
};

const NAME: &str = "TLS";

/// Types of records: RFC 8446 section 5.1 and RFC 6520 section 3.
mod content {
    pub(super) const CHANGE_CIPHER_SPEC: u8 = 20;
    pub(super) const HANDSHAKE: u8 = 22;
    pub(super) const HEARTBEAT: u8 = 24;
}

/// Types of handshake messages: RFC 5246 section 7.4.
mod handshake {
    pub(super) const HELLO_REQUEST: u8 = 0;
    pub(super) const CLIENT_HELLO: u8 = 1;
    pub(super) const SERVER_HELLO: u8 = 2;
    /// A message of its own up to draft-ietf-tls-tls13-21, section 4.1.4.
    pub(super) const HELLO_RETRY_REQUEST: u8 = 6;
}

/// Types of extensions.
mod extension {
    /// RFC 6066 section 3.
    pub(super) const SERVER_NAME: u16 = 0;
    /// RFC 6066 section 8.
    pub(super) const STATUS_REQUEST: u16 = 5;
    /// RFC 8446 section 4.2.7.
    pub(super) const SUPPORTED_GROUPS: u16 = 10;
    /// RFC 8422 section 5.1.2.
    pub(super) const EC_POINT_FORMATS: u16 = 11;
    /// RFC 8446 section 4.2.3.
    pub(super) const SIGNATURE_ALGORITHMS: u16 = 13;
    /// RFC 7301 section 3.1.
    pub(super) const ALPN: u16 = 16;
    /// RFC 8446 section 4.2.1.
    pub(super) const SUPPORTED_VERSIONS: u16 = 43;
    /// RFC 8446 section 4.2.8.
    pub(super) const KEY_SHARE: u16 = 51;
    /// The number of the same up to draft-ietf-tls-tls13-22, section 4.2.
    pub(super) const DRAFT_KEY_SHARE: u16 = 40;
}

/// Octets of a record header: RFC 8446 section 5.1.
const RECORD_HEADER: usize = 5;
/// Octets of a record's content: RFC 8446 section 5.1.
const LONGEST_PLAIN: u16 = 1 << 14;
/// The same where it is encrypted: RFC 5246 section 6.2.3.
const LONGEST_ENCRYPTED: u16 = (1 << 14) + 2048;
/// Octets of a hello that are kept: the lists in it may have 128 KiB, those in use have 2 KiB.
const LONGEST_HELLO: usize = 1 << 16;
/// Octets in front of a hello in its piece: a line of a text protocol (RFC 5321 section 4.5.3.1.5), the
/// messages of SOCKS, the request for TLS of a database, are shorter.
const FARTHEST_HELLO: usize = 512;
/// Records that are looked through to tell that a hello is one.
const MOST_RECORDS: usize = 64;
/// Octets of a direction before its first record.
const MOST_BEFORE: usize = 4096;
/// Octets of a ServerHello of SSL 3.0 without a session, the shortest hello.
const SHORTEST_HELLO: usize = 38;

/// Versions of the drafts of TLS 1.3 up to 21, whose ServerHello has neither session nor compression:
/// draft-ietf-tls-tls13-21 section 4.1.3.
const DRAFTS: std::ops::RangeInclusive<u16> = 0x7f00..=0x7f15;
/// The version of the last draft whose HelloRetryRequest has no cipher suite: its section 4.1.4.
const DRAFT_18: u16 = 0x7f12;
/// Versions of the drafts whose extension for the exchange of keys has another number.
const OLD_KEY_SHARE: std::ops::RangeInclusive<u16> = 0x7f00..=0x7f16;

/// Random number of a ServerHello that is a HelloRetryRequest: RFC 8446 section 4.1.3.
const HELLO_RETRY_REQUEST: [u8; 32] = [
    0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91,
    0xc2, 0xa2, 0x11, 0x16, 0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c,
];

/// The first message of a TLS handshake (RFC 8446 section 4.1.2), and what the server chose of it.
///
/// Lists are in the order of the message and hold reserved values too (GREASE, RFC 8701). What is
/// not in the message is empty or 0; so are the server's fields where its answer is not in the
/// capture or came too late.
#[derive(Record)]
#[record("TLSClientHello", 64, encoder = "TLS", stem = "TLS")]
pub(crate) struct TlsClientHello<'a> {
    /// Capture time of the packet that completed the message.
    #[field(1, "Timestamp")]
    timestamp: Timestamp,
    /// Type of the record: always 22, handshake.
    #[field(2, "Type")]
    kind: u8,
    /// Version of the record layer: 768 SSL 3.0, 769 TLS 1.0, 770 TLS 1.1, 771 TLS 1.2.
    #[field(3, "Version")]
    version: u16,
    /// Octets of the record that the message begins in, without its header, 1 to 16384.
    #[field(4, "MessageLen")]
    message_length: u16,
    /// Type of the message: always 1, ClientHello.
    #[field(5, "HandshakeType")]
    handshake_type: u8,
    /// Octets of the message, without the four of its header.
    #[field(6, "HandshakeLen")]
    handshake_length: u32,
    /// Highest version that the client offers by the rules up to TLS 1.2; 771 where
    /// `SupportedVersions` offers more.
    #[field(7, "HandshakeVersion")]
    handshake_version: u16,
    /// 32 octets; up to TLS 1.2 the first four may be seconds since 1970.
    #[field(8, "Random")]
    random: &'a [u8],
    /// Octets of the session identifier, 0 to 32.
    #[field(9, "SessionIDLen")]
    session_id_length: u32,
    /// Session to be resumed; in TLS 1.3 anything.
    #[field(10, "SessionID")]
    session_id: &'a [u8],
    /// Octets of the list of cipher suites, two for each.
    #[field(11, "CipherSuiteLen")]
    cipher_suite_length: u16,
    /// Octets of all extensions with their headers.
    #[field(12, "ExtensionLen")]
    extension_length: u16,
    /// Name of the server that the client asks for (RFC 6066 section 3): Server Name Indication.
    #[field(13, "SNI")]
    server_name: Text<'a>,
    /// Whether the client asks for the state of the certificate by OCSP (RFC 6066 section 8).
    #[field(14, "OSCP")]
    ocsp: bool,
    /// Cipher suites that the client offers, the one it likes best first: numbers of the IANA
    /// registry.
    #[field(15, "CipherSuites")]
    cipher_suites: Each<Numbers<'a>>,
    /// Compression methods that the client offers: 0 is none, 1 DEFLATE.
    #[field(16, "CompressMethods")]
    compression_methods: Each<Octets<'a>>,
    /// Signature algorithms that the client accepts (RFC 8446 section 4.2.3).
    #[field(17, "SignatureAlgs")]
    signature_algorithms: Each<Numbers<'a>>,
    /// Groups for the exchange of keys, elliptic curves among them (RFC 8446 section 4.2.7).
    #[field(18, "SupportedGroups")]
    groups: Each<Numbers<'a>>,
    /// Forms of points on elliptic curves: 0 is uncompressed (RFC 8422 section 5.1.2).
    #[field(19, "SupportedPoints")]
    points: Each<Octets<'a>>,
    /// Application protocols that the client offers, `h2` and the like (RFC 7301).
    #[field(20, "ALPNs")]
    alpns: Each<Names<'a>>,
    /// Fingerprint of the client: the MD5 in hexadecimal of
    /// `version,ciphers,extensions,groups,points`, numbers decimal and joined by `-`, without GREASE
    /// (JA3 by Salesforce). Empty where the message is not sound.
    #[field(21, "Ja3")]
    ja3: String,
    /// Address of the client.
    #[field(22, "SrcIP")]
    source_ip: Ip,
    /// Address of the server.
    #[field(23, "DstIP")]
    destination_ip: Ip,
    /// MAC address of the sender in the frame that completed the message; empty where the link has
    /// none.
    #[field(24, "SrcMAC")]
    source_mac: Text<'a>,
    /// MAC address of the receiver in that frame; empty where the link has none.
    #[field(25, "DstMAC")]
    destination_mac: Text<'a>,
    /// Port of the client.
    #[field(26, "SrcPort")]
    source_port: u16,
    /// Port of the server.
    #[field(27, "DstPort")]
    destination_port: u16,
    /// Types of all extensions.
    #[field(28, "Extensions", csv = Hidden)]
    extensions: Each<Kinds<'a>>,
    /// Versions that the client offers by the rules of TLS 1.3: 772 TLS 1.3, 771 TLS 1.2
    /// (RFC 8446 section 4.2.1).
    #[field(101, "SupportedVersions", csv = Hidden)]
    supported_versions: Each<Numbers<'a>>,
    /// Fingerprint of the server's answer: the MD5 in hexadecimal of `version,cipher,extensions` of
    /// the ServerHello, without GREASE (JA3S by Salesforce). Empty where there is no sound answer.
    #[field(102, "Ja3s", csv = Hidden)]
    ja3s: String,
    /// Version that the server chose: 768 SSL 3.0, 769 TLS 1.0, 770 TLS 1.1, 771 TLS 1.2,
    /// 772 TLS 1.3, 32512 and more drafts of it.
    #[field(103, "ServerVersion", csv = Hidden)]
    server_version: u16,
    /// Cipher suite that the server chose.
    #[field(104, "ServerCipherSuite", csv = Hidden)]
    server_cipher_suite: u16,
    /// Types of all extensions of the server's answer that are not encrypted.
    #[field(105, "ServerExtensions", csv = Hidden)]
    server_extensions: Each<Kinds<'a>>,
    /// Application protocol that the server chose; encrypted in TLS 1.3, so empty.
    #[field(106, "ServerALPN", csv = Hidden)]
    server_alpn: Text<'a>,
    /// Group for the exchange of keys that the server chose in TLS 1.3.
    #[field(107, "ServerGroup", csv = Hidden)]
    server_group: u16,
    /// Whether the server wants another ClientHello (RFC 8446 section 4.1.4): the next record.
    #[field(108, "HelloRetryRequest", csv = Hidden)]
    hello_retry_request: bool,
}

type Octets<'a> = iter::Copied<slice::Iter<'a, u8>>;
type Numbers<'a> = iter::Map<slice::Iter<'a, [u8; 2]>, fn(&[u8; 2]) -> u16>;
type Kinds<'a> = iter::Map<Extensions<'a>, fn((u16, Cursor<'a>)) -> u16>;

/// Numbers of two octets; a single octet at the end is none.
fn numbers(octets: &[u8]) -> Numbers<'_> {
    octets
        .as_chunks()
        .0
        .iter()
        .map(|number| u16::from_be_bytes(*number))
}

/// Names with an octet of length before each, up to one that is not whole (RFC 7301 section 3.1).
#[derive(Clone, Copy, Debug, Default)]
struct Names<'a>(&'a [u8]);

impl<'a> Iterator for Names<'a> {
    type Item = Text<'a>;

    fn next(&mut self) -> Option<Text<'a>> {
        let (len, rest) = self.0.split_first()?;
        let (name, rest) = rest.split_at_checked(usize::from(*len))?;
        self.0 = rest;
        Some(Text(name))
    }
}

/// The extensions of a hello (RFC 8446 section 4.2), up to one that is not whole.
#[derive(Clone, Copy, Debug)]
struct Extensions<'a>(Cursor<'a>);

impl<'a> Extensions<'a> {
    fn read(&mut self) -> Result<(u16, Cursor<'a>), Malformed> {
        let mut input = self.0;
        let kind = input.u16()?;
        let data = list16(&mut input)?;
        self.0 = input;
        Ok((kind, data))
    }

    fn kinds(self) -> Kinds<'a> {
        self.map(|(kind, _)| kind)
    }
}

impl<'a> Iterator for Extensions<'a> {
    type Item = (u16, Cursor<'a>);

    fn next(&mut self) -> Option<(u16, Cursor<'a>)> {
        self.read().ok()
    }
}

/// The block of extensions that a hello ends with.
#[derive(Clone, Copy, Debug)]
struct Block<'a> {
    /// Octets that it should have.
    length: u16,
    extensions: Extensions<'a>,
    /// The first trouble that does no harm to other extensions.
    complaint: Option<Malformed>,
}

impl<'a> Block<'a> {
    const NONE: Block<'a> = Block {
        length: 0,
        extensions: Extensions(Cursor::new(NAME, &[])),
        complaint: None,
    };

    /// Reads the block, if there is one, and each extension of it; fails where it is not whole.
    fn read(
        &mut self,
        mut input: Cursor<'a>,
        mut extension: impl FnMut(u16, Cursor<'a>) -> Result<(), Malformed>,
    ) -> Result<(), Malformed> {
        // RFC 5246 section 7.4.1.2: the extensions may be absent.
        if input.is_empty() {
            return Ok(());
        }
        self.length = input.u16()?;
        let mut missing = input;
        let there = input.remaining().min(usize::from(self.length));
        self.extensions = Extensions(input.sub(there)?);
        let mut left = self.extensions;
        while !left.0.is_empty() {
            let (kind, data) = left.read()?;
            if let Err(malformed) = extension(kind, data) {
                let reason = Reason::Option;
                self.complain(Malformed {
                    reason,
                    ..malformed
                });
            }
        }
        missing.skip(usize::from(self.length))?;
        if let Err(malformed) = finish(input) {
            self.complain(malformed);
        }
        Ok(())
    }

    fn complain(&mut self, malformed: Malformed) {
        self.complaint.get_or_insert(malformed);
    }
}

/// What a length of one octet spans.
fn list8<'a>(input: &mut Cursor<'a>) -> Result<Cursor<'a>, Malformed> {
    let mut ahead = *input;
    let len = ahead.u8()?;
    let list = ahead.sub(usize::from(len))?;
    *input = ahead;
    Ok(list)
}

/// What a length of two octets spans.
fn list16<'a>(input: &mut Cursor<'a>) -> Result<Cursor<'a>, Malformed> {
    let mut ahead = *input;
    let len = ahead.u16()?;
    let list = ahead.sub(usize::from(len))?;
    *input = ahead;
    Ok(list)
}

/// Complains of octets where there should be no more.
fn finish(input: Cursor<'_>) -> Result<(), Malformed> {
    match input.is_empty() {
        true => Ok(()),
        false => Err(input.malformed(Reason::Length)),
    }
}

/// What a ClientHello says (RFC 8446 section 4.1.2), as far as it is sound.
struct ClientHello<'a> {
    version: u16,
    random: &'a [u8],
    session_id_length: u8,
    session_id: &'a [u8],
    cipher_suite_length: u16,
    cipher_suites: &'a [u8],
    compression_methods: &'a [u8],
    block: Block<'a>,
    server_name: &'a [u8],
    ocsp: bool,
    groups: &'a [u8],
    points: &'a [u8],
    signature_algorithms: &'a [u8],
    alpns: &'a [u8],
    supported_versions: &'a [u8],
    /// Whether everything was found.
    verdict: Result<(), Malformed>,
}

impl<'a> ClientHello<'a> {
    /// Reads a message that should have so many octets without its header; fails where the fixed
    /// part is not whole.
    fn read(message: &'a [u8], length: u32) -> Result<ClientHello<'a>, Malformed> {
        let mut input = Cursor::new(NAME, message);
        let mut hello = ClientHello {
            version: input.u16()?,
            random: input.bytes(32)?,
            session_id_length: 0,
            session_id: &[],
            cipher_suite_length: 0,
            cipher_suites: &[],
            compression_methods: &[],
            block: Block::NONE,
            server_name: &[],
            ocsp: false,
            groups: &[],
            points: &[],
            signature_algorithms: &[],
            alpns: &[],
            supported_versions: &[],
            verdict: Ok(()),
        };
        let mut all = Cursor::new(NAME, message);
        hello.verdict = hello.variable_part(input);
        // One that ends before its extensions looks as if it had none.
        hello.verdict = hello.verdict.and_then(|()| all.skip(length as usize));
        Ok(hello)
    }

    fn variable_part(&mut self, mut input: Cursor<'a>) -> Result<(), Malformed> {
        // Lengths are recorded as the message has them, also where they do not hold.
        let mut ahead = input;
        self.session_id_length = ahead.u8()?;
        self.session_id = list8(&mut input)?.rest();
        ahead = input;
        self.cipher_suite_length = ahead.u16()?;
        self.cipher_suites = list16(&mut input)?.rest();
        if !self.cipher_suites.len().is_multiple_of(2) {
            self.block.complain(ahead.malformed(Reason::Length));
        }
        self.compression_methods = list8(&mut input)?.rest();
        let mut block = self.block;
        let verdict = block.read(input, |kind, data| self.extension(kind, data));
        self.block = block;
        verdict
    }

    fn extension(&mut self, kind: u16, mut data: Cursor<'a>) -> Result<(), Malformed> {
        match kind {
            extension::SERVER_NAME => {
                let mut names = list16(&mut data)?;
                while !names.is_empty() {
                    let kind = names.u8()?;
                    let name = list16(&mut names)?.rest();
                    // RFC 6066 section 3: 0 is a host name, there are no others.
                    if kind == 0 && self.server_name.is_empty() {
                        self.server_name = name;
                    }
                }
            }
            extension::STATUS_REQUEST => {
                // RFC 6066 section 8: 1 is OCSP; what follows is asked of it.
                self.ocsp = data.u8()? == 1;
                data.take_rest();
            }
            extension::SUPPORTED_GROUPS => self.groups = list16(&mut data)?.rest(),
            extension::EC_POINT_FORMATS => self.points = list8(&mut data)?.rest(),
            extension::SIGNATURE_ALGORITHMS => {
                self.signature_algorithms = list16(&mut data)?.rest();
            }
            extension::ALPN => {
                let mut names = list16(&mut data)?;
                self.alpns = names.rest();
                while !names.is_empty() {
                    list8(&mut names)?;
                }
            }
            extension::SUPPORTED_VERSIONS => self.supported_versions = list8(&mut data)?.rest(),
            _ => return Ok(()),
        }
        finish(data)
    }

    fn complaint(&self) -> Option<Malformed> {
        self.block.complaint.or(self.verdict.err())
    }

    /// The fingerprint of JA3.
    fn ja3(&self) -> String {
        if self.verdict.is_err() {
            return String::new();
        }
        let mut text = self.version.to_string();
        append(&mut text, numbers(self.cipher_suites));
        append(&mut text, self.block.extensions.kinds());
        append(&mut text, numbers(self.groups));
        append(&mut text, self.points.iter().copied().map(u16::from));
        md5(&text)
    }
}

/// What a ServerHello says (RFC 8446 section 4.1.3), or the HelloRetryRequest of a draft, as far as it is
/// sound.
struct ServerHello<'a> {
    kind: u8,
    version: u16,
    is_retry: bool,
    cipher_suite: u16,
    block: Block<'a>,
    chosen_version: u16,
    alpn: &'a [u8],
    group: u16,
    /// What a draft has instead.
    draft_group: u16,
    /// Whether everything was found.
    verdict: Result<(), Malformed>,
}

impl<'a> ServerHello<'a> {
    /// Reads a message of this type, without its header; fails where the fixed part is not whole.
    fn read(kind: u8, message: &'a [u8]) -> Result<ServerHello<'a>, Malformed> {
        let mut input = Cursor::new(NAME, message);
        let version = input.u16()?;
        if kind == handshake::HELLO_RETRY_REQUEST {
            return Self::read_retry(version, input);
        }
        let is_draft = DRAFTS.contains(&version);
        if !is_draft && !is_version(version) {
            return Err(input.malformed(Reason::Version));
        }
        let random = input.bytes(32)?;
        if !is_draft {
            // The session identifier.
            list8(&mut input)?;
        }
        let cipher_suite = input.u16()?;
        if !is_draft {
            // The compression method.
            input.skip(1)?;
        }
        let mut hello = ServerHello::new(handshake::SERVER_HELLO, version, cipher_suite, input);
        hello.is_retry = random == HELLO_RETRY_REQUEST;
        Ok(hello)
    }

    /// The HelloRetryRequest of a draft has a version, the cipher suite from draft 19 on, and extensions.
    fn read_retry(version: u16, mut input: Cursor<'a>) -> Result<ServerHello<'a>, Malformed> {
        if !DRAFTS.contains(&version) {
            return Err(input.malformed(Reason::Version));
        }
        let cipher_suite = match version {
            ..=DRAFT_18 => 0,
            _ => input.u16()?,
        };
        let kind = handshake::HELLO_RETRY_REQUEST;
        Ok(ServerHello::new(kind, version, cipher_suite, input))
    }

    /// What the fixed part says, and the extensions.
    fn new(kind: u8, version: u16, cipher_suite: u16, extensions: Cursor<'a>) -> Self {
        let mut hello = ServerHello {
            kind,
            version,
            is_retry: kind == handshake::HELLO_RETRY_REQUEST,
            cipher_suite,
            block: Block::NONE,
            chosen_version: version,
            alpn: &[],
            group: 0,
            draft_group: 0,
            verdict: Ok(()),
        };
        hello.verdict = hello.variable_part(extensions);
        if OLD_KEY_SHARE.contains(&hello.chosen_version) {
            hello.group = hello.draft_group;
        }
        hello
    }

    fn variable_part(&mut self, input: Cursor<'a>) -> Result<(), Malformed> {
        let mut block = self.block;
        let verdict = block.read(input, |kind, data| self.extension(kind, data));
        self.block = block;
        verdict
    }

    fn extension(&mut self, kind: u16, mut data: Cursor<'a>) -> Result<(), Malformed> {
        match kind {
            extension::SUPPORTED_VERSIONS => self.chosen_version = data.u16()?,
            extension::KEY_SHARE => self.group = data.u16()?,
            extension::DRAFT_KEY_SHARE => self.draft_group = data.u16().unwrap_or(0),
            extension::ALPN => {
                let mut names = list16(&mut data)?;
                self.alpn = list8(&mut names)?.rest();
            }
            _ => {}
        }
        Ok(())
    }

    fn complaint(&self) -> Option<Malformed> {
        self.block.complaint.or(self.verdict.err())
    }

    /// The fingerprint of JA3S, which only a ServerHello has.
    fn ja3s(&self) -> String {
        if self.verdict.is_err() || self.kind != handshake::SERVER_HELLO {
            return String::new();
        }
        let mut text = format!("{},{}", self.version, self.cipher_suite);
        append(&mut text, self.block.extensions.kinds());
        md5(&text)
    }
}

/// Appends a comma and the numbers, joined by `-`, without those that are reserved: RFC 8701
/// section 2.
fn append(text: &mut String, numbers: impl Iterator<Item = u16>) {
    let is_grease = |n: &u16| n & 0x0f0f == 0x0a0a && n >> 8 == n & 0xff;
    let mut separator = ',';
    for number in numbers.filter(|n| !is_grease(n)) {
        // Writing to a string cannot fail.
        let _ = write!(text, "{separator}{number}");
        separator = '-';
    }
    if separator == ',' {
        text.push(separator);
    }
}

/// The MD5 in hexadecimal.
fn md5(text: &str) -> String {
    format!("{:x}", Md5::digest(text))
}

/// A record header without its length.
#[derive(Clone, Copy, Debug, Default)]
struct RecordHeader {
    kind: u8,
    version: u16,
    length: u16,
}

impl RecordHeader {
    /// Reads a header; none where it is not one of TLS.
    fn read(octets: [u8; RECORD_HEADER]) -> Option<RecordHeader> {
        let [kind, v1, v2, l1, l2] = octets;
        let header = RecordHeader {
            kind,
            version: u16::from_be_bytes([v1, v2]),
            length: u16::from_be_bytes([l1, l2]),
        };
        let is_sound = (content::CHANGE_CIPHER_SPEC..=content::HEARTBEAT).contains(&kind)
            && is_version(header.version)
            && header.length <= LONGEST_ENCRYPTED;
        is_sound.then_some(header)
    }
}

/// SSL 3.0 to TLS 1.3: RFC 8446 appendix D.
fn is_version(version: u16) -> bool {
    (0x0300..=0x0304).contains(&version)
}

/// A handshake message, or what there is of it.
#[derive(Debug)]
struct Message {
    /// Header of the record that it begins in.
    record: RecordHeader,
    kind: u8,
    /// Octets that it should have without its header.
    length: u32,
    octets: Vec<u8>,
}

/// Where one direction is.
#[derive(Debug, Default)]
struct Side {
    /// What there is of the next record's header.
    header: Vec<u8>,
    record: RecordHeader,
    /// Octets of the record that are still to come.
    left: usize,
    /// Handshake messages that are not whole yet, with their headers.
    messages: Vec<u8>,
    /// Header of the record that the first of them begins in.
    begun: RecordHeader,
    /// Octets before the first record, none of which is of TLS.
    before: usize,
    /// Whether there has been a record.
    has_begun: bool,
    /// Whether there is nothing more to expect of this direction.
    is_over: bool,
}

impl Side {
    /// Passes over what stands before the first record; `false` where that is too much.
    fn begin(&mut self, octets: &mut &[u8]) -> bool {
        if self.has_begun {
            return true;
        }
        self.has_begun = begins_record(octets);
        if !self.has_begun {
            let at = hello_inside(octets);
            self.has_begun = at.is_some();
            let (before, rest) = octets.split_at(at.unwrap_or(octets.len()));
            self.before += before.len();
            *octets = rest;
        }
        self.before <= MOST_BEFORE
    }

    /// The next octets of a record's content, as many as there are at once; none where a header
    /// is no header.
    fn content<'a>(&mut self, octets: &mut &'a [u8]) -> Option<&'a [u8]> {
        if self.left == 0 {
            let missing = RECORD_HEADER - self.header.len();
            let (header, rest) = octets.split_at_checked(missing).unwrap_or((octets, &[]));
            self.header.extend_from_slice(header);
            *octets = rest;
            let Some(header) = self.header.first_chunk() else {
                return Some(&[]);
            };
            self.record = RecordHeader::read(*header)?;
            self.left = usize::from(self.record.length);
            self.header.clear();
        }
        let (content, rest) = octets.split_at_checked(self.left).unwrap_or((octets, &[]));
        self.left -= content.len();
        *octets = rest;
        Some(content)
    }

    /// The next handshake message that is whole, or that is no hello.
    fn message(&mut self) -> Option<Message> {
        let &[kind, l1, l2, l3] = self.messages.first_chunk()?;
        let length = u32::from_be_bytes([0, l1, l2, l3]);
        let end = 4 + length as usize;
        if is_hello(kind) && end > self.messages.len() && length as usize <= LONGEST_HELLO {
            return None;
        }
        let behind = self.messages.split_off(end.min(self.messages.len()));
        let mut octets = std::mem::replace(&mut self.messages, behind);
        octets.drain(..4);
        let record = std::mem::replace(&mut self.begun, self.record);
        Some(Message {
            record,
            kind,
            length,
            octets,
        })
    }

    /// Expects nothing more, and gives the memory back.
    fn finish(&mut self) {
        *self = Side {
            is_over: true,
            ..Side::default()
        };
    }
}

fn is_hello(kind: u8) -> bool {
    matches!(
        kind,
        handshake::CLIENT_HELLO | handshake::SERVER_HELLO | handshake::HELLO_RETRY_REQUEST
    )
}

/// A ClientHello that waits for its answer.
#[derive(Debug)]
struct Waiting {
    message: Message,
    packet: PacketInfo,
    /// MAC addresses in the frame that brought it.
    macs: Option<(Mac, Mac)>,
    direction: Direction,
}

/// Follows the handshake of one stream.
#[derive(Debug, Default)]
struct Tls {
    sides: Both<Side>,
    waiting: Option<Waiting>,
}

impl Tls {
    /// Takes a handshake message that is whole.
    fn message(
        &mut self,
        message: Message,
        direction: Direction,
        context: &mut StreamContext<'_, '_>,
    ) {
        let length = message.length as usize;
        match message.kind {
            kind if is_hello(kind) && length > LONGEST_HELLO => {
                context.note(trouble(Reason::Length, length, LONGEST_HELLO));
                self.sides.of(direction).finish();
            }
            handshake::CLIENT_HELLO => {
                self.write(None, context);
                self.waiting = Some(Waiting {
                    message,
                    packet: context.packet(),
                    macs: context.macs(),
                    direction,
                });
            }
            handshake::SERVER_HELLO | handshake::HELLO_RETRY_REQUEST => {
                self.answer(&message, direction, context);
            }
            // RFC 5246 section 7.4.1.1: it asks for a ClientHello, and is not of the handshake.
            handshake::HELLO_REQUEST if length == 0 => {}
            _ => {
                if self.is_waiting(direction) {
                    self.write(None, context);
                }
                self.sides.of(direction).finish();
            }
        }
    }

    /// Whether a ClientHello of this direction waits.
    fn is_waiting(&self, direction: Direction) -> bool {
        let waiting = self.waiting.as_ref();
        waiting.is_some_and(|waiting| waiting.direction == direction)
    }

    /// Takes a ServerHello that is whole.
    fn answer(
        &mut self,
        message: &Message,
        direction: Direction,
        context: &mut StreamContext<'_, '_>,
    ) {
        let hello = match ServerHello::read(message.kind, &message.octets) {
            Ok(hello) => {
                if let Some(malformed) = hello.complaint() {
                    context.note(of_whole(malformed));
                }
                Some(hello)
            }
            Err(malformed) => {
                context.note(of_whole(malformed));
                None
            }
        };
        if self.is_waiting(direction.other()) {
            self.write(hello.as_ref(), context);
        }
        if !hello.is_some_and(|hello| hello.is_retry) {
            self.write(None, context);
            self.sides.to_server.finish();
            self.sides.to_client.finish();
        }
    }

    /// Takes leave of a message of which no more comes. A ClientHello is recorded as far as it goes.
    fn cut(&mut self, direction: Direction, context: &mut StreamContext<'_, '_>) {
        let side = self.sides.of(direction);
        let (octets, record) = (std::mem::take(&mut side.messages), side.begun);
        side.finish();
        match octets.split_first_chunk() {
            None if octets.is_empty() => {}
            Some((&[handshake::CLIENT_HELLO, l1, l2, l3], body)) => {
                self.write(None, context);
                self.waiting = Some(Waiting {
                    message: Message {
                        record,
                        kind: handshake::CLIENT_HELLO,
                        length: u32::from_be_bytes([0, l1, l2, l3]),
                        octets: body.to_vec(),
                    },
                    packet: context.packet(),
                    macs: context.macs(),
                    direction,
                });
                self.write(None, context);
            }
            _ => context.note(trouble(Reason::Truncated, octets.len() + 1, octets.len())),
        }
    }

    fn leave(&mut self, context: &mut StreamContext<'_, '_>) -> Then {
        self.write(None, context);
        self.cut(Direction::ToServer, context);
        self.cut(Direction::ToClient, context);
        Then::Leave
    }

    /// Records the ClientHello that waits, if there is one.
    fn write(&mut self, answer: Option<&ServerHello<'_>>, context: &mut StreamContext<'_, '_>) {
        let Some(waiting) = self.waiting.take() else {
            return;
        };
        let message = &waiting.message;
        let is_cut = message.octets.len() < message.length as usize;
        let judge = if is_cut {
            std::convert::identity
        } else {
            of_whole
        };
        let hello = match ClientHello::read(&message.octets, message.length) {
            Ok(hello) => hello,
            Err(malformed) => return context.note(judge(malformed)),
        };
        if let Some(malformed) = hello.complaint() {
            context.note(judge(malformed));
        }
        let (source, destination) = context.ends.of(waiting.direction);
        let macs = waiting.macs.as_ref();
        let (source_mac, destination_mac) = (
            macs.map(|(source, _)| source.text()),
            macs.map(|(_, destination)| destination.text()),
        );
        let extensions = answer.map_or(Block::NONE, |answer| answer.block).extensions;
        let mut context = context.at(waiting.packet);
        context.emit(&TlsClientHello {
            timestamp: context.timestamp(),
            kind: message.record.kind,
            version: message.record.version,
            message_length: message.record.length,
            handshake_type: message.kind,
            handshake_length: message.length,
            handshake_version: hello.version,
            random: hello.random,
            session_id_length: u32::from(hello.session_id_length),
            session_id: hello.session_id,
            cipher_suite_length: hello.cipher_suite_length,
            extension_length: hello.block.length,
            server_name: Text(hello.server_name),
            ocsp: hello.ocsp,
            cipher_suites: Each(numbers(hello.cipher_suites)),
            compression_methods: Each(hello.compression_methods.iter().copied()),
            signature_algorithms: Each(numbers(hello.signature_algorithms)),
            groups: Each(numbers(hello.groups)),
            points: Each(hello.points.iter().copied()),
            alpns: Each(Names(hello.alpns)),
            ja3: hello.ja3(),
            source_ip: source.ip,
            destination_ip: destination.ip,
            source_mac: Text(source_mac.as_slice().as_flattened()),
            destination_mac: Text(destination_mac.as_slice().as_flattened()),
            source_port: source.port,
            destination_port: destination.port,
            extensions: Each(hello.block.extensions.kinds()),
            supported_versions: Each(numbers(hello.supported_versions)),
            ja3s: answer.map(ServerHello::ja3s).unwrap_or_default(),
            server_version: answer.map_or(0, |answer| answer.chosen_version),
            server_cipher_suite: answer.map_or(0, |answer| answer.cipher_suite),
            server_extensions: Each(extensions.kinds()),
            server_alpn: Text(answer.map_or(&[], |answer| answer.alpn)),
            server_group: answer.map_or(0, |answer| answer.group),
            hello_retry_request: answer.is_some_and(|answer| answer.is_retry),
        });
    }
}

/// The trouble of a message that is whole: where its octets do not suffice, a length is wrong.
fn of_whole(malformed: Malformed) -> Malformed {
    let reason = match malformed.reason {
        Reason::Truncated => Reason::Length,
        other => other,
    };
    Malformed {
        reason,
        ..malformed
    }
}

/// Trouble at the beginning of a message.
fn trouble(reason: Reason, needed: usize, had: usize) -> Malformed {
    Malformed {
        protocol: NAME,
        reason,
        offset: 0,
        needed: u32::try_from(needed).unwrap_or(u32::MAX),
        had: u32::try_from(had).unwrap_or(u32::MAX),
    }
}

impl StreamDissector for Tls {
    fn data(
        &mut self,
        direction: Direction,
        octets: &[u8],
        context: &mut StreamContext<'_, '_>,
    ) -> Then {
        let mut rest = octets;
        while !rest.is_empty() && !self.sides.of(direction).is_over {
            let side = self.sides.of(direction);
            if !side.begin(&mut rest) {
                return self.leave(context);
            }
            let Some(content) = side.content(&mut rest) else {
                return self.leave(context);
            };
            if content.is_empty() {
                continue;
            }
            if side.record.kind != content::HANDSHAKE {
                // RFC 8446 section 5.1: nothing may stand within a message.
                if !side.messages.is_empty() {
                    let had = side.messages.len();
                    side.messages.clear();
                    context.note(trouble(Reason::Value, 0, had));
                }
                continue;
            }
            if side.messages.is_empty() {
                side.begun = side.record;
            }
            side.messages.extend_from_slice(content);
            while let Some(message) = self.sides.of(direction).message() {
                self.message(message, direction, context);
            }
        }
        Then::GoOn
    }

    fn gap(&mut self, direction: Direction, _: u64, context: &mut StreamContext<'_, '_>) -> Then {
        if self.sides.of(direction).is_over {
            return Then::GoOn;
        }
        self.leave(context)
    }

    fn end(&mut self, direction: Direction, _: Ending, context: &mut StreamContext<'_, '_>) {
        if self.is_waiting(direction.other()) {
            self.write(None, context);
        }
        self.cut(direction, context);
    }

    fn held(&self) -> usize {
        let sides = [&self.sides.to_server, &self.sides.to_client];
        let waiting = self.waiting.as_ref();
        sides.iter().map(|side| side.messages.len()).sum::<usize>()
            + waiting.map_or(0, |waiting| waiting.message.octets.len())
    }
}

fn recognise(beginning: &Beginning<'_>) -> Recognition {
    match begins_with_hello(beginning.octets) {
        Ok(true) => Recognition::Yes,
        Ok(false) => Recognition::No,
        Err(_) => Recognition::More,
    }
}

/// Where a hello begins behind something else, such that records follow each other from there to the
/// end of the octets.
fn hello_inside(octets: &[u8]) -> Option<usize> {
    let octets_before = octets.iter().take(FARTHEST_HELLO + 1).enumerate();
    let mut places = octets_before.filter(|(at, octet)| *at > 0 && **octet == content::HANDSHAKE);
    let (at, _) = places.find(|(at, _)| {
        let rest = octets.get(*at..).unwrap_or_default();
        begins_with_hello(rest) != Ok(false) && are_records(rest)
    })?;
    Some(at)
}

/// Whether octets are records one after the other, the last of which need not be whole.
fn are_records(octets: &[u8]) -> bool {
    let mut rest = octets;
    for _ in 0..MOST_RECORDS {
        let Some((header, content)) = rest.split_first_chunk::<RECORD_HEADER>() else {
            return rest.is_empty() || begins_record(rest);
        };
        let Some(header) = RecordHeader::read(*header) else {
            return false;
        };
        rest = content.get(header.length.into()..).unwrap_or_default();
    }
    true
}

/// Whether octets, which are not none, begin a record as far as they go.
fn begins_record(octets: &[u8]) -> bool {
    if let Some(header) = octets.first_chunk() {
        return RecordHeader::read(*header).is_some();
    }
    let kinds = content::CHANGE_CIPHER_SPEC..=content::HEARTBEAT;
    let is_kind = octets.first().is_some_and(|kind| kinds.contains(kind));
    is_kind && octets.get(1).is_none_or(|major| *major == 3)
}

/// Whether octets begin with a record that begins with a hello; fails where they do not tell.
fn begins_with_hello(octets: &[u8]) -> Result<bool, Malformed> {
    let mut input = Cursor::new(NAME, octets);
    if input.u8()? != content::HANDSHAKE || !is_version(input.u16()?) {
        return Ok(false);
    }
    let length = input.u16()?;
    if !(1..=LONGEST_PLAIN).contains(&length) || !is_hello(input.u8()?) {
        return Ok(false);
    }
    // A record that holds less of the hello than its length and version has nothing more to tell.
    if length < 6 {
        return Ok(true);
    }
    let hello = input.u24()? as usize;
    Ok((SHORTEST_HELLO..=LONGEST_HELLO).contains(&hello) && is_version(input.u16()?))
}

#[cfg(test)]
mod tests {
    use netcap_dissect::Direction::{ToClient, ToServer};
    use netcap_dissect::testing::Event::{Data, End, Gap, Time};
    use netcap_dissect::testing::{Event, Streamed, encoded, ends, every_split, stream, stream_of};
    use netcap_record::{Message, Scalar};

    use super::*;

    /// A list with its length in so many octets before it.
    fn list(octets_of_length: usize, parts: &[&[u8]]) -> Vec<u8> {
        let octets = parts.concat();
        let length = u32::try_from(octets.len()).unwrap().to_be_bytes();
        [&length[4 - octets_of_length..], &octets].concat()
    }

    fn extension(kind: u16, data: &[u8]) -> Vec<u8> {
        [&kind.to_be_bytes()[..], &list(2, &[data])].concat()
    }

    /// A handshake message.
    fn handshake(kind: u8, parts: &[&[u8]]) -> Vec<u8> {
        [&[kind][..], &list(3, parts)].concat()
    }

    /// A record of TLS 1.0.
    fn record(kind: u8, content: &[u8]) -> Vec<u8> {
        [&[kind, 3, 1][..], &list(2, &[content])].concat()
    }

    const CLIENT_RANDOM: &[u8; 32] = b"client random number of 32 octet";
    const SERVER_RANDOM: &[u8; 32] = b"server random number of 32 octet";

    /// A ClientHello with everything that has a field, and GREASE everywhere.
    fn client_hello() -> Vec<u8> {
        let extensions = [
            extension(0x3a3a, &[0]),
            extension(0, &list(2, &[&[0], &list(2, &[b"www.example.com"])])),
            extension(5, &[1, 0, 0, 0, 0]),
            extension(10, &list(2, &[&[0x2a, 0x2a, 0, 29, 0, 23]])),
            extension(11, &list(1, &[&[0, 1]])),
            extension(13, &list(2, &[&[4, 3, 8, 4]])),
            extension(
                16,
                &list(2, &[&list(1, &[b"h2"]), &list(1, &[b"http/1.1"])]),
            ),
            extension(43, &list(1, &[&[0x1a, 0x1a, 3, 4, 3, 3]])),
        ];
        handshake(
            1,
            &[
                &[3, 3],
                CLIENT_RANDOM,
                &list(1, &[&[0xaa; 4]]),
                &list(2, &[&[0xfa, 0xfa, 0x13, 0x01, 0xc0, 0x2f]]),
                &list(1, &[&[1, 0]]),
                &list(2, &[&extensions.concat()]),
            ],
        )
    }

    /// A ServerHello with these extensions.
    fn server_hello(random: &[u8; 32], extensions: &[Vec<u8>]) -> Vec<u8> {
        let session = list(1, &[&[0xbb; 2]]);
        let extensions = list(2, &[&extensions.concat()]);
        let parts: [&[u8]; 6] = [&[3, 3], random, &session, &[0xc0, 0x2f], &[0], &extensions];
        handshake(2, &parts)
    }

    fn tls12() -> Vec<u8> {
        let alpn = list(2, &[&list(1, &[b"h2"])]);
        server_hello(
            SERVER_RANDOM,
            &[extension(0xff01, &[0]), extension(16, &alpn)],
        )
    }

    fn tls13(random: &[u8; 32]) -> Vec<u8> {
        let key = [&[0, 29][..], &list(2, &[&[7; 32]])].concat();
        server_hello(random, &[extension(51, &key), extension(43, &[3, 4])])
    }

    fn run(events: &[Event<'_>]) -> Streamed {
        stream(&STREAM, &[], &ends(4433), events)
    }

    /// The values of a field of a record.
    fn field(record: &[u8], name: &str) -> String {
        let message = Message::parse(TlsClientHello::SCHEMA, record).unwrap();
        let field = TlsClientHello::SCHEMA.field(name).unwrap();
        let show = |value| match value {
            Scalar::Int(n) => n.to_string(),
            Scalar::Uint(n) => n.to_string(),
            Scalar::Bool(b) => b.to_string(),
            Scalar::Text(text) | Scalar::Timestamp(text) => text.escape_ascii().to_string(),
            Scalar::Bytes(octets) => octets.escape_ascii().to_string(),
            other => panic!("{other:?}"),
        };
        let values: Vec<String> = message.values(field).map(show).collect();
        values.join(" ")
    }

    /// The values of a field of all records, and how often each kind of trouble was.
    fn fields(streamed: &Streamed, name: &str) -> Vec<String> {
        let records = streamed.of("TLSClientHello").into_iter();
        records.map(|record| field(record, name)).collect()
    }

    fn troubles(streamed: &Streamed) -> Vec<(Reason, u64)> {
        let troubles = streamed.troubles.iter();
        troubles.map(|((_, reason), n)| (*reason, *n)).collect()
    }

    const ENDS: [Event<'_>; 2] = [End(ToServer), End(ToClient)];

    #[test]
    fn every_field() {
        let (hello, answer) = (record(22, &client_hello()), record(22, &tls12()));
        let streamed = run(&[
            Data(ToServer, &hello),
            Time(3),
            Data(ToClient, &answer),
            Data(ToClient, b"anything"),
        ]);
        let [record] = streamed.of("TLSClientHello")[..] else {
            panic!("{streamed:?}");
        };
        let kinds = [
            extension(0x3a3a, &[]),
            extension(0, &[]),
            extension(5, &[]),
            extension(10, &[]),
            extension(11, &[]),
            extension(13, &[]),
            extension(16, &[]),
            extension(43, &[]),
        ]
        .concat();
        let chosen = [extension(0xff01, &[]), extension(16, &[])].concat();
        let expected = TlsClientHello {
            timestamp: Timestamp::new(1, 2000),
            kind: 22,
            version: 0x0301,
            message_length: 152,
            handshake_type: 1,
            handshake_length: 148,
            handshake_version: 0x0303,
            random: CLIENT_RANDOM,
            session_id_length: 4,
            session_id: &[0xaa; 4],
            cipher_suite_length: 6,
            extension_length: 96,
            server_name: Text(b"www.example.com"),
            ocsp: true,
            cipher_suites: Each(numbers(&[0xfa, 0xfa, 0x13, 0x01, 0xc0, 0x2f])),
            compression_methods: Each([1, 0].iter().copied()),
            signature_algorithms: Each(numbers(&[4, 3, 8, 4])),
            groups: Each(numbers(&[0x2a, 0x2a, 0, 29, 0, 23])),
            points: Each([0, 1].iter().copied()),
            alpns: Each(Names(b"\x02h2\x08http/1.1")),
            ja3: md5("771,4865-49199,0-5-10-11-13-16-43,29-23,0-1"),
            source_ip: Ip::V4([10, 0, 0, 1]),
            destination_ip: Ip::V4([10, 0, 0, 2]),
            source_mac: Text(b"02:00:00:00:00:01"),
            destination_mac: Text(b"02:00:00:00:00:02"),
            source_port: 40000,
            destination_port: 4433,
            extensions: Each(Extensions(Cursor::new(NAME, &kinds)).kinds()),
            supported_versions: Each(numbers(&[0x1a, 0x1a, 3, 4, 3, 3])),
            ja3s: md5("771,49199,65281-16"),
            server_version: 0x0303,
            server_cipher_suite: 0xc02f,
            server_extensions: Each(Extensions(Cursor::new(NAME, &chosen)).kinds()),
            server_alpn: Text(b"h2"),
            server_group: 0,
            hello_retry_request: false,
        };
        assert_eq!(record, encoded(&expected));
        assert!(streamed.troubles.is_empty() && streamed.claimed);
    }

    /// The two examples of JA3's own documentation.
    #[test]
    fn fingerprints() {
        let hello = |ciphers: &[u16], rest: &[u8]| {
            let ciphers: Vec<u8> = ciphers.iter().flat_map(|n| n.to_be_bytes()).collect();
            let parts: [&[u8]; 6] = [
                &[3, 1],
                CLIENT_RANDOM,
                &[0],
                &list(2, &[&ciphers]),
                &[1, 0],
                rest,
            ];
            let octets = record(22, &handshake(1, &parts));
            let streamed = run(&[&[Data(ToServer, &octets)], &ENDS[..]].concat());
            assert!(streamed.troubles.is_empty());
            fields(&streamed, "Ja3").concat()
        };
        let first = [47, 53, 5, 10, 49161, 49162, 49171, 49172, 50, 56, 19, 4u16];
        let extensions = [
            extension(0, &list(2, &[&[0], &list(2, &[b"a"])])),
            extension(10, &list(2, &[&[0, 23, 0, 24, 0, 25]])),
            extension(11, &list(1, &[&[0]])),
        ];
        let extensions = list(2, &[&extensions.concat()]);
        assert_eq!(
            hello(&first, &extensions),
            "ada70206e40642a3e4461f35503241d5"
        );
        // A hello without extensions.
        let second = [4, 5, 10, 9, 100, 98, 3, 6, 19, 18, 99u16];
        assert_eq!(hello(&second, &[]), "de350869b8c85de67a350c8d186f11e6");
    }

    #[test]
    fn hellos_in_pieces() {
        every_split(&STREAM, &[], &ends(443), &record(22, &client_hello()));
        // Over two records, at every octet, and one octet in each.
        let (hello, answer) = (client_hello(), tls12());
        let whole = run(&[
            Data(ToServer, &record(22, &hello)),
            Data(ToClient, &record(22, &answer)),
        ]);
        for at in 1..hello.len() {
            let (first, second) = hello.split_at(at);
            let octets = [record(22, first), record(22, second)].concat();
            let streamed = run(&[
                Data(ToServer, &octets),
                Data(ToClient, &record(22, &answer)),
            ]);
            assert_eq!(fields(&streamed, "MessageLen"), [at.to_string()]);
            for name in ["Ja3", "Extensions", "Ja3s"] {
                assert_eq!(fields(&streamed, name), fields(&whole, name));
            }
        }
        let single: Vec<u8> = answer
            .iter()
            .flat_map(|octet| record(22, &[*octet]))
            .collect();
        let events: Vec<Event<'_>> = single.chunks(1).map(|o| Data(ToClient, o)).collect();
        let hello = record(22, &hello);
        let streamed = run(&[&[Data(ToServer, &hello)], &events[..]].concat());
        assert_eq!(streamed.records, whole.records);
        // The time is that of the packet that completes it.
        let (first, second) = hello.split_at(50);
        let streamed = run(&[
            Data(ToServer, first),
            Time(5),
            Data(ToServer, second),
            Time(6),
            End(ToClient),
        ]);
        assert_eq!(fields(&streamed, "Timestamp"), ["5.000002"]);
    }

    #[test]
    fn version_13() {
        let streamed = run(&[
            Data(ToServer, &record(22, &client_hello())),
            Data(ToClient, &record(22, &tls13(SERVER_RANDOM))),
        ]);
        assert_eq!(fields(&streamed, "ServerVersion"), ["772"]);
        assert_eq!(fields(&streamed, "ServerGroup"), ["29"]);
        assert_eq!(fields(&streamed, "Ja3s"), [md5("771,49199,51-43")]);
        // Drafts of it: 18, 19 and 21.
        for draft in [18, 19, 21] {
            let key = list(2, &[&extension(40, &[0, 29, 0, 1, 7])]);
            let parts: [&[u8]; 4] = [&[0x7f, draft], SERVER_RANDOM, &[0x13, 0x01], &key];
            let streamed = run(&[
                Data(ToServer, &record(22, &client_hello())),
                Data(ToClient, &record(22, &handshake(2, &parts))),
            ]);
            let version = 0x7f00 + u32::from(draft);
            assert_eq!(fields(&streamed, "ServerVersion"), [version.to_string()]);
            assert_eq!(fields(&streamed, "ServerCipherSuite"), ["4865"]);
            assert_eq!(fields(&streamed, "ServerGroup"), ["29"]);
            assert!(streamed.troubles.is_empty());
        }
    }

    #[test]
    fn a_second_hello_on_request() {
        let hello = record(22, &client_hello());
        let change = record(20, &[1]);
        let streamed = run(&[
            Data(ToServer, &hello),
            Data(ToClient, &record(22, &tls13(&HELLO_RETRY_REQUEST))),
            Data(ToClient, &change),
            Data(ToServer, &[&change[..], &hello].concat()),
            Data(ToClient, &record(22, &tls13(SERVER_RANDOM))),
            Data(ToServer, &hello),
        ]);
        assert_eq!(fields(&streamed, "HelloRetryRequest"), ["true", ""]);
        assert_eq!(fields(&streamed, "ServerVersion"), ["772", "772"]);
        assert!(streamed.troubles.is_empty());
    }

    #[test]
    fn a_second_hello_on_request_of_a_draft() {
        let hello = record(22, &client_hello());
        for draft in [17, 18, 19, 21] {
            let suite: &[u8] = if draft < 19 { &[] } else { &[0x13, 0x02] };
            let group = list(2, &[&extension(40, &[0, 23])]);
            let retry = handshake(6, &[&[0x7f, draft], suite, &group]);
            let key = list(2, &[&extension(40, &[0, 23, 0, 1, 7])]);
            let parts: [&[u8]; 4] = [&[0x7f, draft], SERVER_RANDOM, &[0x13, 0x01], &key];
            let (first, second) = retry.split_at(5);
            let streamed = run(&[
                Data(ToServer, &hello),
                // In two records.
                Data(ToClient, &[record(22, first), record(22, second)].concat()),
                Data(ToServer, &hello),
                Data(ToClient, &record(22, &handshake(2, &parts))),
            ]);
            assert_eq!(fields(&streamed, "HelloRetryRequest"), ["true", ""]);
            assert_eq!(fields(&streamed, "ServerGroup"), ["23", "23"]);
            let version = (0x7f00 + u32::from(draft)).to_string();
            assert_eq!(fields(&streamed, "ServerVersion"), [&*version, &version]);
            let suites = fields(&streamed, "ServerCipherSuite");
            assert_eq!(suites, [if draft < 19 { "" } else { "4866" }, "4865"]);
            let text = format!("{version},4865,40");
            assert_eq!(fields(&streamed, "Ja3s"), ["", &md5(&text)]);
            assert!(streamed.troubles.is_empty());
        }
        // It is one of the drafts only.
        let other = handshake(6, &[&[3, 3], &[0, 0]]);
        let streamed = run(&[Data(ToServer, &hello), Data(ToClient, &record(22, &other))]);
        assert_eq!(fields(&streamed, "HelloRetryRequest"), [""]);
        assert_eq!(streamed.troubles.len(), 1);
    }

    /// What ends the wait for an answer.
    #[test]
    fn hellos_without_an_answer() {
        let hello = record(22, &client_hello());
        let next = record(22, &handshake(16, &[&[0; 20]]));
        let alert = record(21, &[2, 40]);
        let early = record(23, &[0; 100]);
        let answer = record(22, &tls12());
        let cases: [&[Event<'_>]; 7] = [
            &[Data(ToServer, &next)],
            &[Data(ToServer, b"GET / HTTP/1.1\r\n")],
            &[Data(ToClient, b"220 ready\r\n"), End(ToClient)],
            &[Gap(ToServer, 1)],
            &[Gap(ToClient, 1), Data(ToClient, &answer)],
            &[End(ToClient)],
            &[
                Data(ToClient, &alert),
                Data(ToServer, &early),
                ENDS[0],
                ENDS[1],
            ],
        ];
        for case in cases {
            let streamed = run(&[&[Data(ToServer, &hello)], case].concat());
            assert_eq!(fields(&streamed, "SNI"), ["www.example.com"], "{case:?}");
            assert_eq!(fields(&streamed, "Ja3s"), [""]);
            assert!(streamed.troubles.is_empty());
        }
        // Early data is no reason to stop waiting, nor is the wish for a hello.
        let streamed = run(&[
            Data(ToClient, &record(22, &answer[..0])),
            Data(ToServer, &hello),
            Data(ToServer, &early),
            Data(ToClient, &record(22, &handshake(0, &[]))),
            Data(ToClient, &answer),
        ]);
        assert_eq!(fields(&streamed, "ServerALPN"), ["h2"]);
        // An answer to nothing, and one by the client itself.
        let streamed = run(&[Data(ToClient, &answer), ENDS[0], ENDS[1]]);
        assert!(streamed.records.is_empty() && streamed.troubles.is_empty());
        let streamed = run(&[Data(ToServer, &hello), Data(ToServer, &answer)]);
        assert_eq!(fields(&streamed, "Ja3s"), [""]);
    }

    #[test]
    fn tls_inside_of_what_agreed_on_it() {
        let (hello, answer) = (record(22, &client_hello()), record(22, &tls12()));
        // Its request and its answer stand in the segments of the hellos, or before them.
        for (before, agreed) in [
            (&b"STARTTLS\r\n"[..], &b"220 go ahead\r\n"[..]),
            (b"\0\0\0\x08\x04\xd2\x16\x2f", b"S"),
            (b"\x05\x01\0\x16\x03", b""),
        ] {
            let first = [before, &hello].concat();
            let place = hello_inside(&first);
            assert_eq!(place, Some(before.len()), "{}", before.escape_ascii());
            let second = [agreed, &answer].concat();
            for cut in 0..=agreed.len() + 6 {
                let (one, two) = second.split_at(cut);
                let pieces = [
                    Data(ToServer, &hello),
                    Data(ToClient, one),
                    Data(ToClient, two),
                ];
                let streamed = run(&pieces[..]);
                assert_eq!(fields(&streamed, "ServerALPN"), ["h2"], "{cut}");
                assert!(streamed.troubles.is_empty());
            }
        }
        // A hello that is not whole counts, but not one behind which no records follow.
        let cut = [b"x", &hello[..3]].concat();
        assert_eq!(hello_inside(&cut), Some(1));
        for cut in 1..3 {
            let cut = [b"x", &hello[..cut]].concat();
            assert_eq!(hello_inside(&cut), Some(1));
        }
        assert_eq!(hello_inside(b"x\x16\x02"), None);
        let embedded = [b"x", &hello[..], b"and more"].concat();
        assert_eq!(hello_inside(&embedded), None);
        let far = [&vec![b'x'; FARTHEST_HELLO + 1], &hello[..]].concat();
        assert_eq!(hello_inside(&far), None);
        // Nobody is listened to for ever.
        let noise = vec![b'x'; MOST_BEFORE + 1];
        let streamed = run(&[Data(ToServer, &hello), Data(ToClient, &noise)]);
        assert_eq!(fields(&streamed, "ServerALPN"), [""]);
        assert!(!streamed.claimed);
    }

    #[test]
    fn either_end_may_be_the_client() {
        let (hello, answer) = (record(22, &client_hello()), record(22, &tls12()));
        let mut ends = ends(443);
        ends.server.ip = Ip::V6([0xfe; 16]);
        let events = [Data(ToClient, hello.as_slice()), Data(ToServer, &answer)];
        let streamed = stream_of(&STREAM, &[], &ends, &events, false);
        let shown = [
            "SrcIP",
            "SrcPort",
            "DstIP",
            "DstPort",
            "SrcMAC",
            "ServerALPN",
        ]
        .map(|name| fields(&streamed, name).concat());
        let source = "fefe:fefe:fefe:fefe:fefe:fefe:fefe:fefe";
        assert_eq!(shown, [source, "443", "10.0.0.1", "40000", "", "h2"]);
    }

    #[test]
    fn hellos_that_end_early() {
        let octets = record(22, &client_hello());
        for end in 0..octets.len() {
            let streamed = run(&[&[Data(ToServer, &octets[..end])], &ENDS[..]].concat());
            // The headers of record and message, version, random number.
            let records = usize::from(end >= 5 + 4 + 2 + 32);
            assert_eq!(streamed.records.len(), records, "{end}");
            assert_eq!(fields(&streamed, "Ja3").concat(), "");
            // Too few to be recognised: 11 octets are shown again with more.
            let trouble = (Reason::Truncated, 1);
            assert_eq!(
                troubles(&streamed),
                Vec::from_iter((end >= 11).then_some(trouble))
            );
        }
        let streamed = run(&[Data(ToServer, &octets[..100]), Gap(ToServer, 9)]);
        assert_eq!(fields(&streamed, "SNI"), ["www.example.com"]);
        assert_eq!(troubles(&streamed), [(Reason::Truncated, 1)]);
        // An answer that ends early.
        let answer = record(22, &tls12());
        for end in 0..answer.len() {
            let events = [
                Data(ToServer, octets.as_slice()),
                Data(ToClient, &answer[..end]),
            ];
            let streamed = run(&[&events[..], &ENDS].concat());
            assert_eq!(fields(&streamed, "Ja3s"), [""]);
            let trouble = (Reason::Truncated, 1);
            assert_eq!(
                troubles(&streamed),
                Vec::from_iter((end > 5).then_some(trouble))
            );
        }
    }

    #[test]
    fn lengths_that_contradict_each_other() {
        let hello = client_hello();
        let at = |octets: &[u8]| {
            let found = hello.windows(octets.len()).position(|w| w == octets);
            found.unwrap()
        };
        let session = 4 + 2 + 32;
        let extensions = at(&[0x3a, 0x3a]) - 2;
        // Where, what, which trouble, whether there is a fingerprint.
        let cases: [(usize, &[u8], Reason, bool); 11] = [
            (session, &[255], Reason::Length, false),
            (session + 5, &[0xff, 0xff], Reason::Length, false),
            // A suite and a half: then nothing fits.
            (session + 5, &[0, 3], Reason::Length, false),
            (session + 13, &[255], Reason::Length, false),
            (extensions, &[0, 97], Reason::Length, false),
            (extensions, &[0, 95], Reason::Length, false),
            // One octet of data less: the next extension begins a place early.
            (extensions + 4, &[0, 0], Reason::Option, false),
            (at(b"\0\x0fwww"), &[0xff, 0xff], Reason::Option, true),
            (at(b"\x02h2"), &[200], Reason::Option, true),
            (at(&[0, 6, 0x2a, 0x2a]), &[0, 4], Reason::Option, true),
            (at(&[6, 0x1a, 0x1a]), &[7], Reason::Option, true),
        ];
        for (place, octets, reason, is_whole) in cases {
            let mut broken = hello.clone();
            broken.splice(place..place + octets.len(), octets.iter().copied());
            let events = [Data(ToServer, &record(22, &broken)[..])];
            let streamed = run(&[&events[..], &ENDS].concat());
            assert_eq!(troubles(&streamed), [(reason, 1)], "{place}: {octets:?}");
            assert_eq!(!fields(&streamed, "Ja3").concat().is_empty(), is_whole);
            assert_eq!(fields(&streamed, "HandshakeVersion"), ["771"]);
        }
        // Octets behind the extensions do no harm.
        let mut longer = hello.clone();
        longer.push(0);
        longer[3] += 1;
        let events = [Data(ToServer, &record(22, &longer)[..])];
        let streamed = run(&[&events[..], &ENDS].concat());
        assert_eq!(troubles(&streamed), [(Reason::Length, 1)]);
        assert_eq!(fields(&streamed, "Ja3").concat().len(), 32);
    }

    #[test]
    fn every_octet_may_be_wrong() {
        let (hello, answer) = (
            record(22, &client_hello()),
            record(22, &tls13(SERVER_RANDOM)),
        );
        let whole = run(&[Data(ToServer, &hello), Data(ToClient, &answer)]);
        assert_eq!(whole.records.len(), 1);
        for value in [0, 1, 2, 0x7f, 0xff] {
            for at in 0..hello.len() {
                let mut broken = hello.clone();
                broken[at] = value;
                let events = [Data(ToServer, broken.as_slice()), Data(ToClient, &answer)];
                let streamed = run(&[&events[..], &ENDS].concat());
                assert!(streamed.records.len() <= 1);
            }
            for at in 0..answer.len() {
                let mut broken = answer.clone();
                broken[at] = value;
                let events = [Data(ToServer, hello.as_slice()), Data(ToClient, &broken)];
                let streamed = run(&[&events[..], &ENDS].concat());
                // A ServerHello may become a ClientHello.
                assert_eq!(fields(&streamed, "Ja3")[..1], fields(&whole, "Ja3"));
            }
        }
    }

    #[test]
    fn what_is_not_kept() {
        // A hello longer than any: the one before it is recorded.
        let long = [&[1, 1, 0, 1][..], &[0; 1000]].concat();
        let events = [
            Data(ToServer, &record(22, &client_hello())[..]),
            Data(ToServer, &record(22, &long)),
        ];
        let streamed = run(&[&events[..], &ENDS].concat());
        assert_eq!(streamed.records.len(), 1);
        assert_eq!(troubles(&streamed), [(Reason::Length, 1)]);
        // The longest that is kept, in many records.
        let suites = list(2, &[&[0; 65496]]);
        let parts: [&[u8]; 5] = [&[3, 3], CLIENT_RANDOM, &[0], &suites, &[1, 0]];
        let message = handshake(1, &parts);
        assert_eq!(message.len() - 4, LONGEST_HELLO - 1);
        let records: Vec<Vec<u8>> = message.chunks(10000).map(|c| record(22, c)).collect();
        let octets = records.concat();
        let streamed = run(&[&[Data(ToServer, octets.as_slice())], &ENDS[..]].concat());
        assert_eq!(fields(&streamed, "CipherSuiteLen"), ["65496"]);
        assert!(streamed.troubles.is_empty());
        // A record of another kind within a hello.
        let (first, second) = message.split_at(1000);
        let octets = [record(22, first), record(21, &[1, 0]), record(22, second)].concat();
        let streamed = run(&[&[Data(ToServer, octets.as_slice())], &ENDS[..]].concat());
        assert!(streamed.records.is_empty());
        assert_eq!(troubles(&streamed), [(Reason::Value, 1)]);
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
        let cases: [(&[u8], Recognition); 16] = [
            (b"", More),
            (b"\x16", More),
            (b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03", More),
            (b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03", Yes),
            (b"\x16\x03\0\0\x2a\x02\0\0\x26\x03\0", Yes),
            (b"\x16\x03\x01\0\x01\x01", Yes),
            (b"\x17\x03\x03", No),
            (b"\x16\x02\x01", No),
            (b"\x16\x03\x05", No),
            (b"\x16\x03\x01\0\0\x01", No),
            (b"\x16\x03\x01\x40\x01\x01", No),
            (b"\x16\x03\x01\x02\0\x0b", No),
            (b"\x16\x03\x01\x02\0\x01\0\0\x25\x03\x03", No),
            (b"\x16\x03\x01\x02\0\x01\x01\0\x01\x03\x03", No),
            (b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x47\x45", No),
            // SSL 2.0, offering TLS 1.0.
            (b"\x80\x2e\x01\x03\x01\0\x15\0\0\0\x10", No),
        ];
        for (octets, expected) in cases {
            assert_eq!(recognise(octets), expected, "{}", octets.escape_ascii());
        }
    }
}
