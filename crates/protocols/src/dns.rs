//! Domain Name System messages (RFC 1035) in UDP datagrams and on streams of TCP port 53, and what
//! has the same format on the link: multicast DNS (RFC 6762, UDP port 5353) and link-local multicast
//! name resolution (LLMNR, RFC 4795, port 5355 of UDP and TCP).
//!
//! On a stream two octets with the length stand before each message (RFC 1035 section 4.2.2). A
//! stream is recognised by a header with an assigned kind of query and no more entries than the
//! message has octets for; from then on the lengths alone lead from message to message.
//!
//! Names are written out, their labels joined by dots, without a dot at the end; octets stay as they
//! are, so a dot inside a label looks like one between labels. A compressed name may only point back
//! (RFC 1035 section 4.1.4) and has at most 255 octets (section 2.3.4), so no name goes in circles.
//!
//! The record holds the entries that are whole, and the counts that the header claims. Where a
//! section ends early or a name is broken, nothing after it can be found: the entries before it are
//! kept and the packet is malformed. Data that does not fit the type of its record does no harm to
//! the next record: the entry is kept with its octets, the fields by type stay empty, all others
//! are kept, and the packet is malformed. Records without any data, as updates (RFC 2136) have them,
//! are sound for every type. Octets behind the last section are ignored.

use std::marker::PhantomData;

use netcap_dissect::{
    Beginning, Context, Cursor, Fit, Framed, Framing, Malformed, Measure, Next, Protocol, Reason,
    Recognition, Selector, StreamProtocol,
};
use netcap_record::{Each, Element, Ip, Record, Timestamp, Type, put};

use crate::udp;

pub(crate) static PROTOCOL: Protocol = Protocol::new("DNS", dissect)
    .reached_by(&[
        Selector::UdpPort(PORT),
        Selector::UdpPort(MULTICAST_DNS),
        Selector::UdpPort(LLMNR),
    ])
    .judged_by(judge)
    .emits(&[Dns::SCHEMA]);

pub(crate) static STREAM: StreamProtocol = StreamProtocol {
    name: PROTOCOL.name,
    ports: &[PORT, LLMNR],
    recognise,
    inside: None,
    start: || Box::new(Framed::new(&FRAMING)),
    schemas: PROTOCOL.schemas,
};

static FRAMING: Framing = Framing {
    protocol: PROTOCOL.name,
    selector: Selector::UdpPort(PORT),
    prefix: 2,
    // All that two octets of length can say.
    limit: 2 + 65535,
    measure,
};

/// RFC 1035 section 4.2, of UDP and TCP.
const PORT: u16 = 53;
/// RFC 6762 section 3.
const MULTICAST_DNS: u16 = 5353;
/// RFC 4795 section 2, of UDP and TCP.
const LLMNR: u16 = 5355;

/// Types of records whose data have fields of their own.
mod kind {
    // RFC 1035 section 3.2.2.
    pub(super) const A: u16 = 1;
    pub(super) const NS: u16 = 2;
    pub(super) const CNAME: u16 = 5;
    pub(super) const SOA: u16 = 6;
    pub(super) const PTR: u16 = 12;
    pub(super) const HINFO: u16 = 13;
    pub(super) const MX: u16 = 15;
    pub(super) const TXT: u16 = 16;
    /// RFC 3596 section 2.1.
    pub(super) const AAAA: u16 = 28;
    /// RFC 2782.
    pub(super) const SRV: u16 = 33;
}

/// The Internet: RFC 1035 section 3.2.4.
const CLASS_IN: u16 = 1;
/// What an update deletes, given with its data: RFC 2136 section 2.5.4.
const CLASS_NONE: u16 = 254;
/// In multicast DNS no part of the class: RFC 6762 sections 5.4 and 10.2.
const CACHE_FLUSH: u16 = 0x8000;
/// Octets of a name with the length of every label and the root: RFC 1035 section 2.3.4.
const LONGEST_NAME: usize = 255;
/// A name has at most 127 labels; one that follows more pointers only costs time.
const MOST_POINTERS: u8 = 127;

/// One DNS message (RFC 1035), query or response, over UDP or TCP.
#[derive(Record)]
#[record("DNS", 41)]
pub(crate) struct Dns<'a> {
    /// Capture time of the packet; over TCP, of the one that completed the message.
    #[field(1, "Timestamp")]
    timestamp: Timestamp,
    /// Number chosen by the client and repeated by the server.
    #[field(2, "ID")]
    id: u16,
    /// Whether this is a response.
    #[field(3, "QR")]
    qr: bool,
    /// Kind of query: 0 standard, 2 server status, 4 notify, 5 update.
    #[field(4, "OpCode")]
    op_code: u8,
    /// Authoritative answer: the server has the zone itself. In LLMNR: the name is not unique.
    #[field(5, "AA")]
    aa: bool,
    /// Truncated: the whole response did not fit.
    #[field(6, "TC")]
    tc: bool,
    /// Recursion desired. In LLMNR: the name may turn out not to be unique.
    #[field(7, "RD")]
    rd: bool,
    /// Recursion available.
    #[field(8, "RA")]
    ra: bool,
    /// The three bits after `RA`, zero in RFC 1035: 4 reserved, 2 authentic data, 1 checking
    /// disabled (RFC 4035).
    #[field(9, "Z")]
    z: u8,
    /// Outcome: 0 no error, 1 format error, 2 server failure, 3 no such name, 4 not implemented,
    /// 5 refused; the low four bits only, where an OPT record has more.
    #[field(10, "ResponseCode")]
    response_code: u8,
    /// Questions that the header claims.
    #[field(11, "QDCount")]
    qd_count: u16,
    /// Answers that the header claims.
    #[field(12, "ANCount")]
    an_count: u16,
    /// Authority records that the header claims.
    #[field(13, "NSCount")]
    ns_count: u16,
    /// Additional records that the header claims.
    #[field(14, "ARCount")]
    ar_count: u16,
    /// What is asked; in updates (RFC 2136) the zone.
    #[field(15, "Questions")]
    questions: Each<Section<'a, Question<'a>>>,
    /// What is answered; in updates what must be so before.
    #[field(16, "Answers")]
    answers: Each<Section<'a, ResourceRecord<'a>>>,
    /// Who has authority; in updates what is to change.
    #[field(17, "Authorities")]
    authorities: Each<Section<'a, ResourceRecord<'a>>>,
    /// What may help: addresses of the servers named before, options (OPT), signatures.
    #[field(18, "Additionals")]
    additionals: Each<Section<'a, ResourceRecord<'a>>>,
}

/// One question of a DNS message (RFC 1035 section 4.1.2).
#[derive(Clone, Record)]
#[record("DNSQuestion", 46)]
pub(crate) struct Question<'a> {
    /// Name that is asked for, labels joined by dots; empty for the root.
    #[field(1, "Name", csv = Raw)]
    name: Name<'a>,
    /// Type that is asked for: 1 A, 28 AAAA, 255 any.
    #[field(2, "Type")]
    kind: u16,
    /// Class: 1 is the Internet. In multicast DNS 32768 more where the answer may go to the asker alone.
    #[field(3, "Class")]
    class: u16,
}

/// One resource record of a DNS message (RFC 1035 section 4.1.3).
///
/// `Data` holds the octets of every record; the fields after it are filled by type and empty
/// otherwise, also where the data does not fit the type.
#[derive(Clone, Record)]
#[record("DNSResourceRecord", 42)]
pub(crate) struct ResourceRecord<'a> {
    /// Name that the record is about, labels joined by dots; empty for the root.
    #[field(1, "Name", csv = Raw)]
    name: Name<'a>,
    /// Type: 1 A, 2 NS, 5 CNAME, 6 SOA, 12 PTR, 15 MX, 16 TXT, 28 AAAA, 33 SRV, 41 OPT.
    #[field(2, "Type")]
    kind: u16,
    /// Class: 1 is the Internet. In multicast DNS 32768 more where the record takes the place of those
    /// known before. For OPT (RFC 6891) the size of datagrams that the sender takes.
    #[field(3, "Class")]
    class: u16,
    /// Seconds that the record may be kept. For OPT the high bits of the response code, version and
    /// flags.
    #[field(4, "TTL")]
    ttl: u32,
    /// Length of the data in octets.
    #[field(5, "DataLength")]
    data_length: u16,
    /// The data as it stands in the message; names in it may be compressed.
    #[field(6, "Data")]
    data: &'a [u8],
    /// Address of an A or AAAA record of the Internet, `<nil>` for all others.
    #[field(7, "IP")]
    ip: Ip,
    /// Name server of an NS record.
    #[field(8, "NS", csv = Raw)]
    ns: Name<'a>,
    /// The name proper, of a CNAME record.
    #[field(9, "CNAME", csv = Raw)]
    cname: Name<'a>,
    /// Name that a PTR record points to.
    #[field(10, "PTR", csv = Raw)]
    ptr: Name<'a>,
    /// Data of an SOA record; present but empty for all others.
    #[field(11, "SOA")]
    soa: Soa<'a>,
    /// Data of an SRV record; present but empty for all others.
    #[field(12, "SRV")]
    srv: Srv<'a>,
    /// Data of an MX record; present but empty for all others.
    #[field(13, "MX")]
    mx: Mx<'a>,
    /// Character strings of a TXT or HINFO record.
    #[field(14, "TXTs", csv = Raw)]
    txts: Each<Strings<'a>>,
}

/// Start of a zone of authority (RFC 1035 section 3.3.13).
#[derive(Clone, Default, Record)]
#[record("DNSSOA", 43)]
pub(crate) struct Soa<'a> {
    /// Name of the primary server.
    #[field(1, "MName", csv = Raw)]
    mname: Name<'a>,
    /// Mailbox of the person responsible, its first label the part before the `@`.
    #[field(2, "RName", csv = Raw)]
    rname: Name<'a>,
    /// Version of the zone.
    #[field(3, "Serial")]
    serial: u32,
    /// Seconds between refreshes of secondary servers.
    #[field(4, "Refresh")]
    refresh: u32,
    /// Seconds between attempts where a refresh failed.
    #[field(5, "Retry")]
    retry: u32,
    /// Seconds after which a zone that was not refreshed is no longer served.
    #[field(6, "Expire")]
    expire: u32,
    /// Seconds that the absence of a name may be kept (RFC 2308).
    #[field(7, "Minimum")]
    minimum: u32,
}

/// Location of a service (RFC 2782).
#[derive(Clone, Default, Record)]
#[record("DNSSRV", 44)]
pub(crate) struct Srv<'a> {
    /// Clients try the lowest first.
    #[field(1, "Priority")]
    priority: u16,
    /// Share among those of the same priority.
    #[field(2, "Weight")]
    weight: u16,
    /// Port of the service.
    #[field(3, "Port")]
    port: u16,
    /// Host of the service.
    #[field(4, "Name", csv = Raw)]
    name: Name<'a>,
}

/// Mail exchange (RFC 1035 section 3.3.9).
#[derive(Clone, Default, Record)]
#[record("DNSMX", 45)]
pub(crate) struct Mx<'a> {
    /// Senders try the lowest first.
    #[field(1, "Preference")]
    preference: u16,
    /// Host that takes the mail.
    #[field(2, "Name", csv = Raw)]
    name: Name<'a>,
}

/// A name that was found sound, where it stands in its message.
#[derive(Clone, Copy, Default)]
struct Name<'p> {
    message: &'p [u8],
    /// Datagrams have fewer than 2^32 octets.
    start: u32,
    /// Octets of the text.
    len: u8,
}

impl<'p> Name<'p> {
    fn read(input: &mut Cursor<'p>) -> Result<Name<'p>, Malformed> {
        let (place, message, start) = (*input, input.whole(), input.offset());
        let mut octets = 0;
        loop {
            match input.u8()? {
                0 => break,
                len @ 1..=0x3f => {
                    input.skip(usize::from(len))?;
                    octets += 1 + usize::from(len);
                }
                // RFC 1035 section 4.1.4: the other two kinds are reserved.
                high @ 0xc0.. => {
                    let target = pointer(high, input.u8()?);
                    let mut labels = Labels {
                        message,
                        at: target,
                        bound: target,
                        pointers: 1,
                    };
                    // Stops where the name is too long, so that no message costs more than it has.
                    while octets < LONGEST_NAME
                        && let Some(label) = labels.next()
                    {
                        octets += 1 + label.len();
                    }
                    if target >= start || octets >= LONGEST_NAME || !labels.ended() {
                        return Err(place.malformed(Reason::Name));
                    }
                    break;
                }
                _ => return Err(place.malformed(Reason::Name)),
            }
            if octets >= LONGEST_NAME {
                return Err(place.malformed(Reason::Name));
            }
        }
        // Each label stands for itself and a dot, the last has none.
        let len = octets.saturating_sub(1) as u8;
        Ok(Name {
            message,
            start: start as u32,
            len,
        })
    }
}

impl Element for Name<'_> {
    const TYPE: Type = Type::Bytes;

    #[inline]
    fn is_default(&self) -> bool {
        self.len == 0
    }

    #[inline]
    fn write(&self, out: &mut Vec<u8>) {
        put::varint(out, u64::from(self.len));
        let mut labels = Labels {
            message: self.message,
            at: self.start as usize,
            bound: self.start as usize,
            pointers: 0,
        };
        if let Some(first) = labels.next() {
            out.extend_from_slice(first);
        }
        for label in labels {
            out.push(b'.');
            out.extend_from_slice(label);
        }
    }
}

/// Where a pointer points to, of its two octets.
#[inline]
fn pointer(high: u8, low: u8) -> usize {
    usize::from(u16::from_be_bytes([high & 0x3f, low]))
}

/// The labels of a name through its pointers, up to the root or to what is not sound.
struct Labels<'p> {
    message: &'p [u8],
    at: usize,
    /// Pointers must lead before this place.
    bound: usize,
    pointers: u8,
}

impl Labels<'_> {
    /// Whether the root is reached.
    fn ended(&self) -> bool {
        self.message.get(self.at) == Some(&0)
    }
}

impl<'p> Iterator for Labels<'p> {
    type Item = &'p [u8];

    #[inline]
    fn next(&mut self) -> Option<&'p [u8]> {
        loop {
            let (first, rest) = self.message.get(self.at..)?.split_first()?;
            match *first {
                0 => return None,
                len @ 1..=0x3f => {
                    let label = rest.get(..usize::from(len))?;
                    self.at += 1 + label.len();
                    return Some(label);
                }
                high @ 0xc0.. => {
                    let target = pointer(high, *rest.first()?);
                    if target >= self.bound || self.pointers == MOST_POINTERS {
                        return None;
                    }
                    (self.at, self.bound) = (target, target);
                    self.pointers += 1;
                }
                _ => return None,
            }
        }
    }
}

/// Character strings (RFC 1035 section 3.3), up to one that is not whole.
#[derive(Clone)]
struct Strings<'p>(&'p [u8]);

impl<'p> Iterator for Strings<'p> {
    type Item = &'p [u8];

    fn next(&mut self) -> Option<&'p [u8]> {
        let (len, rest) = self.0.split_first()?;
        let (string, rest) = rest.split_at_checked(usize::from(*len))?;
        self.0 = rest;
        Some(string)
    }
}

/// What a section consists of.
trait Entry<'p>: Sized {
    /// Moves past an entry, or fails where it is not whole. Trouble inside an entry that is whole
    /// is the reader's complaint, if there was none before.
    fn check(reader: &mut Reader<'p>) -> Result<(), Malformed>;

    /// Reads an entry that [`Entry::check`] has passed.
    fn read(input: &mut Cursor<'p>, is_multicast: bool) -> Option<Self>;
}

impl<'p> Entry<'p> for Question<'p> {
    #[inline]
    fn check(reader: &mut Reader<'p>) -> Result<(), Malformed> {
        Name::read(&mut reader.input)?;
        reader.input.skip(4)
    }

    #[inline]
    fn read(input: &mut Cursor<'p>, _: bool) -> Option<Self> {
        let name = Name::read(input).ok()?;
        let &[t1, t2, c1, c2] = input.array().ok()?;
        Some(Question {
            name,
            kind: u16::from_be_bytes([t1, t2]),
            class: u16::from_be_bytes([c1, c2]),
        })
    }
}

/// A resource record as it stands: what all types have in common.
struct Frame<'p> {
    name: Name<'p>,
    kind: u16,
    class: u16,
    ttl: u32,
    data: &'p [u8],
    /// At the data, ends behind them. Pointers lead back, so nothing else counts for names.
    inside: Cursor<'p>,
}

/// The data of a resource record by its type.
enum Data<'p> {
    /// None that has fields, or of another type.
    Other,
    Address(Ip),
    Ns(Name<'p>),
    Cname(Name<'p>),
    Ptr(Name<'p>),
    Soa(Soa<'p>),
    Srv(Srv<'p>),
    Mx(Mx<'p>),
    Strings(Strings<'p>),
}

impl<'p> Frame<'p> {
    #[inline]
    fn read(input: &mut Cursor<'p>) -> Result<Frame<'p>, Malformed> {
        let name = Name::read(input)?;
        let &[t1, t2, c1, c2, l1, l2, l3, l4, d1, d2] = input.array()?;
        let len = usize::from(u16::from_be_bytes([d1, d2]));
        let mut inside = *input;
        inside.limit(len);
        Ok(Frame {
            name,
            kind: u16::from_be_bytes([t1, t2]),
            class: u16::from_be_bytes([c1, c2]),
            ttl: u32::from_be_bytes([l1, l2, l3, l4]),
            data: input.bytes(len)?,
            inside,
        })
    }

    fn is_internet(&self, is_multicast: bool) -> bool {
        let flag = if is_multicast { CACHE_FLUSH } else { 0 };
        matches!(self.class & !flag, CLASS_IN | CLASS_NONE)
    }

    /// The data by type; octets behind what a name or number ends are let pass.
    #[inline]
    fn data(&self, is_multicast: bool) -> Result<Data<'p>, Malformed> {
        if self.data.is_empty() {
            return Ok(Data::Other);
        }
        let mut input = self.inside;
        Ok(match self.kind {
            // Other classes have other addresses (RFC 1034 section 3.6).
            kind::A | kind::AAAA if !self.is_internet(is_multicast) => Data::Other,
            kind::A => match self.data.as_array() {
                Some(octets) => Data::Address(Ip::V4(*octets)),
                None => return Err(input.malformed(Reason::Length)),
            },
            kind::AAAA => match self.data.as_array() {
                Some(octets) => Data::Address(Ip::V6(*octets)),
                None => return Err(input.malformed(Reason::Length)),
            },
            kind::NS => Data::Ns(Name::read(&mut input)?),
            kind::CNAME => Data::Cname(Name::read(&mut input)?),
            kind::PTR => Data::Ptr(Name::read(&mut input)?),
            kind::SOA => Data::Soa(Soa {
                mname: Name::read(&mut input)?,
                rname: Name::read(&mut input)?,
                serial: input.u32()?,
                refresh: input.u32()?,
                retry: input.u32()?,
                expire: input.u32()?,
                minimum: input.u32()?,
            }),
            kind::SRV => Data::Srv(Srv {
                priority: input.u16()?,
                weight: input.u16()?,
                port: input.u16()?,
                name: Name::read(&mut input)?,
            }),
            kind::MX => Data::Mx(Mx {
                preference: input.u16()?,
                name: Name::read(&mut input)?,
            }),
            kind::TXT | kind::HINFO => {
                let whole: usize = Strings(self.data).map(|s| 1 + s.len()).sum();
                input.skip(whole)?;
                if !input.is_empty() {
                    return Err(input.malformed(Reason::Length));
                }
                Data::Strings(Strings(self.data))
            }
            _ => Data::Other,
        })
    }
}

impl<'p> Entry<'p> for ResourceRecord<'p> {
    #[inline]
    fn check(reader: &mut Reader<'p>) -> Result<(), Malformed> {
        let frame = Frame::read(&mut reader.input)?;
        if let Err(trouble) = frame.data(reader.is_multicast) {
            reader.complaint.get_or_insert(match trouble.reason {
                // The message has the data whole: it is their length that is wrong.
                Reason::Truncated => Malformed {
                    reason: Reason::Length,
                    ..trouble
                },
                _ => trouble,
            });
        }
        Ok(())
    }

    #[inline]
    fn read(input: &mut Cursor<'p>, is_multicast: bool) -> Option<Self> {
        let frame = Frame::read(input).ok()?;
        let mut record = ResourceRecord {
            name: frame.name,
            kind: frame.kind,
            class: frame.class,
            ttl: frame.ttl,
            data_length: frame.data.len() as u16,
            data: frame.data,
            ip: Ip::Absent,
            ns: Name::default(),
            cname: Name::default(),
            ptr: Name::default(),
            soa: Soa::default(),
            srv: Srv::default(),
            mx: Mx::default(),
            txts: Each(Strings(&[])),
        };
        match frame.data(is_multicast) {
            Ok(Data::Other) | Err(_) => {}
            Ok(Data::Address(ip)) => record.ip = ip,
            Ok(Data::Ns(name)) => record.ns = name,
            Ok(Data::Cname(name)) => record.cname = name,
            Ok(Data::Ptr(name)) => record.ptr = name,
            Ok(Data::Soa(soa)) => record.soa = soa,
            Ok(Data::Srv(srv)) => record.srv = srv,
            Ok(Data::Mx(mx)) => record.mx = mx,
            Ok(Data::Strings(strings)) => record.txts = Each(strings),
        }
        Some(record)
    }
}

/// The entries of a section that are whole, read again while they are written.
#[derive(Clone)]
struct Section<'p, E> {
    input: Cursor<'p>,
    left: u16,
    is_multicast: bool,
    entry: PhantomData<E>,
}

impl<'p, E: Entry<'p>> Iterator for Section<'p, E> {
    type Item = E;

    #[inline]
    fn next(&mut self) -> Option<E> {
        self.left = self.left.checked_sub(1)?;
        E::read(&mut self.input, self.is_multicast)
    }
}

/// Moves through a message and remembers the first trouble.
struct Reader<'p> {
    input: Cursor<'p>,
    complaint: Option<Malformed>,
    is_multicast: bool,
    /// Whether an entry was not whole, so that the place of the next one is not known.
    lost: bool,
}

impl<'p> Reader<'p> {
    /// Moves past a section, up to the first entry that is not whole.
    fn section<E: Entry<'p>>(&mut self, claimed: u16) -> Each<Section<'p, E>> {
        let mut section = Section {
            input: self.input,
            left: 0,
            is_multicast: self.is_multicast,
            entry: PhantomData,
        };
        // Every entry takes five octets at least: the octets bound this, not the claim.
        while section.left < claimed && !self.lost {
            match E::check(self) {
                Ok(()) => section.left += 1,
                Err(trouble) => {
                    self.lost = true;
                    self.complaint.get_or_insert(trouble);
                }
            }
        }
        Each(section)
    }
}

/// Of these three at least two are as RFC 1035 section 4 has them: the operation is a registered one,
/// there is room for as many entries as the counts say, and the first entry is whole.
fn judge(octets: &[u8], context: &Context<'_, '_>) -> Fit {
    let Some((header, entries)) = octets.split_first_chunk::<HEADER>() else {
        return Fit::Possible;
    };
    let &[_, _, flags, _, ref counts @ ..] = header;
    let [is_registered, is_room] = sound(header, octets.len() + context.missing());
    // Without entries nothing follows, but for the messages of RFC 8490 (section 5.4).
    let is_all = *counts != [0; 8] || entries.is_empty() || flags >> 3 & 15 == 6;
    let sound = [
        is_registered,
        is_room && is_all,
        is_entry(entries, context.is_cut()),
    ];
    match sound.iter().filter(|is_sound| **is_sound).count() {
        2.. => Fit::Good,
        _ => Fit::No,
    }
}

/// Whether octets begin with a name, which is not compressed, as nothing precedes it, and the type and
/// class behind it, if they are there.
fn is_entry(mut octets: &[u8], is_cut: bool) -> bool {
    // Options of EDNS have a size for a class (RFC 6891 section 6.1.2).
    const OPTIONS: u8 = 41;
    loop {
        match *octets {
            [] | [0, 0, OPTIONS, ..] | [0] | [0, _] | [0, _, _] | [0, _, _, _] => return true,
            [0, 0, 0, ..] => return false,
            // IANA, DNS CLASSes; the first bit is a flag in multicast DNS.
            [0, _, _, 0 | 0x80, 1 | 3 | 4 | 254 | 255, ..] => return true,
            [length @ 1..=63, ref rest @ ..] => match rest.get(usize::from(length)..) {
                Some(next) => octets = next,
                None => return is_cut,
            },
            _ => return false,
        }
    }
}

fn dissect<'p>(
    input: &mut Cursor<'p>,
    context: &mut Context<'p, '_>,
) -> Result<Next<'p>, Malformed> {
    // RFC 1035 section 4.1.1.
    let &[i1, i2, f1, f2, q1, q2, a1, a2, n1, n2, r1, r2] = input.array()?;
    let (qd_count, an_count) = (u16::from_be_bytes([q1, q2]), u16::from_be_bytes([a1, a2]));
    let (ns_count, ar_count) = (u16::from_be_bytes([n1, n2]), u16::from_be_bytes([r1, r2]));
    let mut reader = Reader {
        input: *input,
        complaint: None,
        is_multicast: is_multicast(context),
        lost: false,
    };
    context.emit(&Dns {
        timestamp: context.timestamp(),
        id: u16::from_be_bytes([i1, i2]),
        qr: f1 & 0x80 != 0,
        op_code: f1 >> 3 & 15,
        aa: f1 & 4 != 0,
        tc: f1 & 2 != 0,
        rd: f1 & 1 != 0,
        ra: f2 & 0x80 != 0,
        z: f2 >> 4 & 7,
        response_code: f2 & 15,
        qd_count,
        an_count,
        ns_count,
        ar_count,
        questions: reader.section(qd_count),
        answers: reader.section(an_count),
        authorities: reader.section(ns_count),
        additionals: reader.section(ar_count),
    });
    match reader.complaint {
        Some(trouble) => Err(trouble),
        None => Ok(Next::End),
    }
}

/// Whether the message is one of multicast DNS, by the ports around it.
fn is_multicast(context: &Context<'_, '_>) -> bool {
    udp::ports_around(context).is_some_and(|ports| ports.contains(&MULTICAST_DNS))
}

/// Octets of a header: RFC 1035 section 4.1.1.
const HEADER: usize = 12;

/// The length of a message on a stream: RFC 1035 section 4.2.2.
fn measure(octets: &[u8], _: usize) -> Measure {
    match octets.first_chunk() {
        None => Measure::More,
        Some(length) => match usize::from(u16::from_be_bytes(*length)) {
            length @ HEADER.. => Measure::Message(length + 2),
            _ => Measure::Foreign,
        },
    }
}

fn recognise(beginning: &Beginning<'_>) -> Recognition {
    let ends = beginning.ends;
    if !STREAM
        .ports
        .iter()
        .any(|port| [ends.client.port, ends.server.port].contains(port))
    {
        return Recognition::No;
    }
    match (measure(beginning.octets, 0), beginning.octets.get(2..)) {
        (Measure::Foreign, _) => Recognition::No,
        (Measure::Message(length), Some(message)) if message.len() >= HEADER => {
            if is_plausible(message, length - 2) {
                Recognition::Yes
            } else {
                Recognition::No
            }
        }
        _ => Recognition::More,
    }
}

/// Whether the header of a message of so many octets may be one.
fn is_plausible(message: &[u8], length: usize) -> bool {
    let header = message.first_chunk();
    header.is_some_and(|header| sound(header, length) == [true; 2])
}

/// What of the header of a message of so many octets is sound: the operation, the counts.
fn sound(header: &[u8; HEADER], length: usize) -> [bool; 2] {
    let &[_, _, flags, _, q1, q2, a1, a2, n1, n2, r1, r2] = header;
    let count = |octets| usize::from(u16::from_be_bytes(octets));
    let records = count([a1, a2]) + count([n1, n2]) + count([r1, r2]);
    // RFC 1035 sections 4.1.2 and 4.1.3: one octet of name at least, and what follows the name.
    let least = HEADER + 5 * count([q1, q2]) + 11 * records;
    // Kinds of query in the IANA registry of 2024: 3 and those from 7 are not assigned.
    [matches!(flags >> 3 & 15, 0..=2 | 4..=6), least <= length]
}

#[cfg(test)]
mod tests {
    use netcap_dissect::Direction::{ToClient, ToServer};
    use netcap_dissect::Fate;
    use netcap_dissect::testing::{
        Event, Streamed, ends, every_prefix, every_split, stream, walk_cut, walk_packet,
    };
    use netcap_record::{Message, Scalar};

    use super::*;

    static ALONE: Protocol = Protocol::new("DNS", dissect)
        .reached_by(&[Selector::LinkType(0)])
        .emits(&[Dns::SCHEMA]);

    /// Every field of a message that differs from its default, `Name=value`, in the order of columns.
    fn show(message: &Message<'_>) -> String {
        let mut parts = Vec::new();
        for field in message.schema().fields {
            for value in message.values(field) {
                let text = match value {
                    Scalar::Int(n) => n.to_string(),
                    Scalar::Uint(n) => n.to_string(),
                    Scalar::Bool(b) => b.to_string(),
                    Scalar::Bytes(octets) if field.csv == netcap_record::Csv::Default => {
                        octets.iter().map(|o| format!("{o:02x}")).collect()
                    }
                    Scalar::Bytes(octets) | Scalar::Text(octets) | Scalar::Timestamp(octets) => {
                        octets.escape_ascii().to_string()
                    }
                    Scalar::Message(nested) => format!("({})", show(&nested)),
                    other => format!("{other:?}"),
                };
                parts.push(format!("{}={text}", field.name));
            }
        }
        parts.join(" ")
    }

    /// The fate and the record, if there is one.
    fn walked(octets: &[u8]) -> (Fate, Option<String>) {
        let walked = walk_packet(&[&ALONE], 0, octets);
        let text = walked.of("DNS").first().map(|record| {
            show(&Message::parse(Dns::SCHEMA, record).expect("a record that decodes"))
        });
        (walked.fate, text)
    }

    /// What became of the message: the kind of trouble, its offset, and the record from the
    /// questions on.
    fn trouble(octets: &[u8]) -> (Option<(Reason, u32)>, String) {
        let (fate, record) = walked(octets);
        let reason = match fate {
            Fate::Malformed(m) => Some((m.reason, m.offset)),
            _ => None,
        };
        let record = record.expect("the header is whole");
        let entries = ["Questions", "Answers", "Authorities", "Additionals"];
        let start = entries
            .iter()
            .filter_map(|e| record.find(&format!("{e}=")))
            .min();
        (
            reason,
            start.map_or(String::new(), |at| record[at..].to_string()),
        )
    }

    fn message(counts: [u8; 4], entries: &[&[u8]]) -> Vec<u8> {
        let mut octets = vec![0x0e, 0x01, 0x81, 0x80];
        counts.iter().for_each(|count| octets.extend([0, *count]));
        octets.extend(entries.concat());
        octets
    }

    /// A record about the root, class IN, 60 seconds.
    fn rr(kind: u16, data: &[u8]) -> Vec<u8> {
        let mut octets = vec![0];
        octets.extend(kind.to_be_bytes());
        octets.extend([0, 1, 0, 0, 0, 60]);
        octets.extend((data.len() as u16).to_be_bytes());
        octets.extend(data);
        octets
    }

    /// Question `n.ex`, type A, class IN: 10 octets from offset 12, `ex` at offset 14.
    const ASKED: &[u8] = b"\x01n\x02ex\0\0\x01\0\x01";
    const ASKED_TEXT: &str = "Questions=(Name=n.ex Type=1 Class=1)";
    /// What stands in every record after its data.
    const NOTHING: &str = "IP=<nil> SOA=() SRV=() MX=()";

    #[test]
    fn every_field_of_a_response() {
        let mut octets = message(
            [1, 6, 2, 2],
            &[
                ASKED,
                b"\xc0\x0c\0\x05\0\x01\0\0\x0e\x10\0\x04\x01w\xc0\x0e",
                b"\xc0\x22\0\x01\0\x01\0\0\0\x3c\0\x04\xcb\0\x71\x50",
                &rr(15, b"\0\x0a\x04mail\xc0\x0e"),
                &rr(16, b"\x04a, b\0\x01\xff"),
                &rr(33, b"\0\x0a\0\x3c\x13\xc4\x03sip\xc0\x0e"),
                &rr(12, b"\xc0\x0c"),
                &rr(2, b"\x02ns\xc0\x0e"),
                &rr(6, b"\xc0\x0c\x04root\xc0\x0e\0\0\0\x01\0\0\0\x02\0\0\0\x03\0\0\0\x04\xff\xff\xff\xff"),
                &rr(28, b"\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x53"),
                // OPT: datagrams of 4096 octets, DNSSEC OK.
                b"\0\0\x29\x10\0\0\0\x80\0\0\0",
            ],
        );
        // Every flag and a value in every field.
        octets.splice(2..4, [0x8f, 0xb5]);
        let (fate, record) = walked(&octets);
        assert_eq!(fate, Fate::Decoded);
        let expected = [
            "Timestamp=1.000002 ID=3585 QR=true OpCode=1 AA=true TC=true RD=true RA=true Z=3 \
             ResponseCode=5 QDCount=1 ANCount=6 NSCount=2 ARCount=2",
            ASKED_TEXT,
            "Answers=(Name=n.ex Type=5 Class=1 TTL=3600 DataLength=4 Data=0177c00e IP=<nil> \
             CNAME=w.ex SOA=() SRV=() MX=())",
            "Answers=(Name=w.ex Type=1 Class=1 TTL=60 DataLength=4 Data=cb007150 IP=203.0.113.80 \
             SOA=() SRV=() MX=())",
            "Answers=(Type=15 Class=1 TTL=60 DataLength=9 Data=000a046d61696cc00e IP=<nil> SOA=() \
             SRV=() MX=(Preference=10 Name=mail.ex))",
            "Answers=(Type=16 Class=1 TTL=60 DataLength=8 Data=04612c20620001ff IP=<nil> SOA=() \
             SRV=() MX=() TXTs=a, b TXTs= TXTs=\\xff)",
            "Answers=(Type=33 Class=1 TTL=60 DataLength=12 Data=000a003c13c403736970c00e IP=<nil> \
             SOA=() SRV=(Priority=10 Weight=60 Port=5060 Name=sip.ex) MX=())",
            "Answers=(Type=12 Class=1 TTL=60 DataLength=2 Data=c00c IP=<nil> PTR=n.ex SOA=() SRV=() \
             MX=())",
            "Authorities=(Type=2 Class=1 TTL=60 DataLength=5 Data=026e73c00e IP=<nil> NS=ns.ex \
             SOA=() SRV=() MX=())",
            "Authorities=(Type=6 Class=1 TTL=60 DataLength=29 \
             Data=c00c04726f6f74c00e00000001000000020000000300000004ffffffff IP=<nil> \
             SOA=(MName=n.ex RName=root.ex Serial=1 Refresh=2 Retry=3 Expire=4 Minimum=4294967295) \
             SRV=() MX=())",
            "Additionals=(Type=28 Class=1 TTL=60 DataLength=16 \
             Data=20010db8000000000000000000000053 IP=2001:db8::53 SOA=() SRV=() MX=())",
            "Additionals=(Type=41 Class=4096 TTL=32768 IP=<nil> SOA=() SRV=() MX=())",
        ];
        assert_eq!(record, Some(expected.join(" ")));
        every_prefix(&[&ALONE], 0, &octets);
    }

    #[test]
    fn the_header_alone_is_a_message() {
        let (fate, record) = walked(&[0x0d, 0x0b, 0, 0x10, 0, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(fate, Fate::Decoded);
        assert_eq!(record.as_deref(), Some("Timestamp=1.000002 ID=3339 Z=1"));
        assert!(matches!(walked(&[0; 11]), (Fate::Malformed(_), None)));
    }

    #[test]
    fn octets_of_names_stay_as_they_are() {
        let name = b"\x05caf\xc3\xa9\x03a,b\x03d.t\x02\0\xff\0\0\x01\0\x01";
        let (fate, entries) = trouble(&message([1, 0, 0, 0], &[name]));
        assert_eq!(fate, None);
        assert_eq!(
            entries,
            "Questions=(Name=caf\\xc3\\xa9.a,b.d.t.\\x00\\xff Type=1 Class=1)"
        );
    }

    #[test]
    fn a_name_has_255_octets_at_most() {
        let label = |len: u8| [vec![len], vec![b'a'; usize::from(len)]].concat();
        let tail = b"\0\0\x01\0\x01";
        let long = [label(63), label(63), label(63)].concat();
        for (last, fits) in [(61, true), (62, false)] {
            // In one piece, and with a pointer to the first three labels.
            let whole = [long.as_slice(), &label(last), tail].concat();
            let first = [long.as_slice(), tail].concat();
            let second = [label(last).as_slice(), &[0xc0, 0x0c, 0, 1, 0, 1]].concat();
            for (octets, place) in [
                (message([1, 0, 0, 0], &[&whole]), 12),
                (
                    message([2, 0, 0, 0], &[&first, &second]),
                    12 + first.len() as u32,
                ),
            ] {
                let (fate, entries) = trouble(&octets);
                assert_eq!(fate, (!fits).then_some((Reason::Name, place)));
                assert_eq!(entries.matches('a').count() > 3 * 63 + 60, fits);
            }
        }
    }

    #[test]
    fn pointers_lead_back() {
        let tail: &[u8] = &[0, 1, 0, 1];
        let broken: [&[u8]; 7] = [
            &[0xc0, 12],                // to itself
            &[1, b'a', 0xc0, 12],       // to its own label
            &[0xc0, 18, 0, 1, 0, 1, 0], // forward
            &[0xff, 0xff],              // outside
            &[0xc0, 11],                // to a zero in the header, so to the root: sound
            &[0x80, b'a', 0],           // no kind of label
            &[1, b'a', 0x40, 0],        // an extended one (RFC 6891 section 5)
        ];
        for (i, name) in broken.into_iter().enumerate() {
            let (fate, entries) = trouble(&message([1, 0, 0, 0], &[name, tail]));
            if i == 4 {
                assert_eq!(
                    (fate, entries.as_str()),
                    (None, "Questions=(Type=1 Class=1)")
                );
            } else {
                assert!(
                    matches!(fate, Some((Reason::Name, 12))),
                    "{name:?}: {fate:?}"
                );
                assert_eq!(entries, "");
            }
        }
        // What stands before is kept, what stands behind is lost.
        let answer = b"\xc0\x16\0\x01\0\x01\0\0\0\0\0\0";
        let (fate, entries) = trouble(&message([1, 1, 1, 0], &[ASKED, answer, &rr(1, &[1; 4])]));
        assert_eq!(fate, Some((Reason::Name, 22)));
        assert_eq!(entries, ASKED_TEXT);
    }

    #[test]
    fn pointers_to_pointers_end() {
        // A chain of pointers in the data of a record, the first to a root.
        let chain = |links: u16| {
            let mut data = vec![0];
            for link in 0..links {
                let place = 12 + 11 + if link == 0 { 0 } else { 1 + 2 * (link - 1) };
                data.extend((0xc000 | place).to_be_bytes());
            }
            let last = 12 + 11 + 1 + 2 * (links - 1);
            let question = [(0xc000 | last).to_be_bytes(), 2u16.to_be_bytes()].concat();
            let ns = rr(10, &data);
            message([0, 2, 0, 0], &[&ns, &question, &[0, 1, 0, 0, 0, 60, 0, 0]])
        };
        assert_eq!(trouble(&chain(126)).0, None);
        let (fate, _) = trouble(&chain(127));
        assert!(matches!(fate, Some((Reason::Name, _))), "{fate:?}");
    }

    #[test]
    fn counts_beyond_the_octets() {
        let mut octets = message([1, 0, 0, 0], &[ASKED]);
        octets.splice(4..12, [0xff; 8]);
        let (fate, entries) = trouble(&octets);
        assert_eq!(fate, Some((Reason::Truncated, 22)));
        assert_eq!(entries, ASKED_TEXT);
        let cut = walk_cut(&[&ALONE], 0, &octets, octets.len() + 1).fate;
        assert!(matches!(cut, Fate::CutShort(_)));
    }

    #[test]
    fn data_that_does_not_fit_its_type() {
        let root: &[u8] = &[0; 4];
        let cases: [(u16, &[u8], Option<Reason>); 12] = [
            (1, &[1, 2], Some(Reason::Length)),
            (1, &[1, 2, 3, 4, 5], Some(Reason::Length)),
            (28, &[1, 2, 3, 4], Some(Reason::Length)),
            (16, &[32, b'a', b'b', b'c'], Some(Reason::Length)),
            (15, &[0], Some(Reason::Length)),
            (2, &[3, b'n', b's'], Some(Reason::Length)),
            (5, &[0xff, 0xff], Some(Reason::Name)),
            (6, &[0xc0, 12, 0xc0, 12, 0, 0, 0], Some(Reason::Length)),
            (33, &[0, 0, 0, 0, 0, 80], Some(Reason::Length)),
            // Raw whatever it holds, and raw because there is nothing.
            (41, &[1, 2, 3], None),
            (1, &[], None),
            (6, &[], None),
        ];
        for (kind, data, reason) in cases {
            // The record behind is found.
            let octets = message([1, 2, 0, 0], &[ASKED, &rr(kind, data), &rr(1, root)]);
            let (fate, entries) = trouble(&octets);
            assert_eq!(fate.map(|(reason, _)| reason), reason, "type {kind}");
            let len = if data.is_empty() {
                String::new()
            } else {
                let hex: String = data.iter().map(|o| format!("{o:02x}")).collect();
                format!("DataLength={} Data={hex} ", data.len())
            };
            let expected = format!(
                "{ASKED_TEXT} Answers=(Type={kind} Class=1 TTL=60 {len}{NOTHING}) \
                 Answers=(Type=1 Class=1 TTL=60 DataLength=4 Data=00000000 IP=0.0.0.0 SOA=() SRV=() \
                 MX=())",
            );
            assert_eq!(entries, expected);
        }
    }

    #[test]
    fn an_address_of_another_class_is_no_ip_address() {
        let found = |class: u16, kind: u16, data: &[u8]| {
            let mut record = rr(kind, data);
            record.splice(3..5, class.to_be_bytes());
            trouble(&message([0, 1, 0, 0], &[&record]))
        };
        // Chaosnet, whose addresses are a name and a number.
        for (kind, data) in [
            (1, &[0, 0x12, 0x34][..]),
            (1, &[1, b'a', 0, 9]),
            (28, &[7; 16]),
        ] {
            let (fate, entries) = found(3, kind, data);
            assert_eq!(fate, None);
            assert!(entries.contains("IP=<nil>"), "{entries}");
        }
        // The cache-flush bit is one of multicast DNS only.
        let (fate, entries) = found(0x8001, 1, &[192, 0, 2, 7]);
        assert_eq!(fate, None);
        assert!(entries.contains("IP=<nil>"), "{entries}");
        // The Internet, and what updates delete.
        for class in [1, 254] {
            let (_, entries) = found(class, 1, &[192, 0, 2, 7]);
            assert!(entries.contains("IP=192.0.2.7"), "{entries}");
            let (fate, _) = found(class, 1, &[192, 0, 2]);
            assert_eq!(fate.map(|(reason, _)| reason), Some(Reason::Length));
        }
    }

    #[test]
    fn on_the_link() {
        static UDP: Protocol = Protocol::new("UDP", crate::udp::PROTOCOL.dissect)
            .reached_by(&[Selector::LinkType(147)]);
        let octets = message([1, 1, 0, 0], &[ASKED, &rr(1, &[192, 0, 2, 7])]);
        for port in [53u16, 5353, 5355] {
            for ports in [[40_000, port], [port, 40_000], [port, port]] {
                let ports = ports.map(u16::to_be_bytes).concat();
                let packet = [&ports[..], &[0; 4], &octets].concat();
                let walked = walk_packet(&[&UDP, &PROTOCOL], 147, &packet);
                assert_eq!(walked.of("DNS").len(), 1, "{ports:?}");
            }
        }
        // Over TCP too where the names are of the link; multicast DNS has no streams.
        let octets = framed(&octets);
        for (port, records) in [(5355, 1), (5353, 0)] {
            let events = [Event::Data(ToServer, &octets[..])];
            let streamed = stream(&STREAM, &[&PROTOCOL], &ends(port), &events);
            assert_eq!(streamed.of("DNS").len(), records);
        }
    }

    /// RFC 6762 sections 10.2 and 22.1: on its port, and there alone, the flag is no part of the class.
    #[test]
    fn the_cache_flush_bit_of_multicast_dns() {
        static UDP: Protocol = Protocol::new("UDP", crate::udp::PROTOCOL.dissect)
            .reached_by(&[Selector::LinkType(147)]);
        let shown = |port: u16, class: u16, kind: u16, data: &[u8]| {
            let mut record = rr(kind, data);
            record.splice(3..5, class.to_be_bytes());
            let port = port.to_be_bytes();
            let octets = message([0, 1, 0, 0], &[&record]);
            let packet = [&port[..], &port, &[0; 4], &octets].concat();
            let walked = walk_packet(&[&UDP, &PROTOCOL], 147, &packet);
            let record = netcap_record::Message::parse(Dns::SCHEMA, walked.of("DNS")[0]).unwrap();
            let mut cell = Vec::new();
            let field = Dns::SCHEMA.field("Answers").unwrap();
            netcap_record::csv::cell(&record, field, &Default::default(), &mut cell);
            String::from_utf8(cell).unwrap()
        };
        let six = b"\x20\x01\x0d\xb8";
        let six = [&six[..], &[0; 11], &[1]].concat();
        for (kind, data, address) in [
            (1, &[192, 0, 2, 7][..], "192.0.2.7"),
            (28, &six, "2001:db8::1"),
        ] {
            // The class stands in the record as it was sent.
            let found = shown(5353, 0x8001, kind, data);
            assert!(
                found.contains(address) && found.contains("32769"),
                "{found}"
            );
            assert!(shown(5353, 1, kind, data).contains(address));
            // Another class, and another port.
            assert!(!shown(5353, 0x8003, kind, data).contains(address));
            assert!(!shown(5355, 0x8001, kind, data).contains(address));
            assert!(!shown(53, 0x8001, kind, data).contains(address));
        }
    }

    #[test]
    fn octets_behind_the_message_are_ignored() {
        let (fate, entries) = trouble(&message([1, 0, 0, 0], &[ASKED, b"trailing"]));
        assert_eq!((fate, entries.as_str()), (None, ASKED_TEXT));
    }

    /// A message with its length before it.
    fn framed(message: &[u8]) -> Vec<u8> {
        let length = u16::try_from(message.len()).unwrap();
        [&length.to_be_bytes(), message].concat()
    }

    fn run(events: &[Event<'_>]) -> Streamed {
        stream(&STREAM, &[&PROTOCOL], &ends(53), events)
    }

    #[test]
    fn messages_of_a_stream() {
        let question = message([1, 0, 0, 0], &[ASKED]);
        let answer = message([1, 1, 0, 0], &[ASKED, &rr(1, &[1, 2, 3, 4])]);
        let octets = [framed(&question), framed(&answer), framed(&question)].concat();
        let streamed = run(&[Event::Data(ToClient, &octets)]);
        let alone = |octets: &[u8]| walk_packet(&[&ALONE], 0, octets).of("DNS")[0].to_vec();
        let expected = [alone(&question), alone(&answer), alone(&question)];
        assert_eq!(streamed.of("DNS"), expected);
        assert!(streamed.troubles.is_empty());
        every_split(&STREAM, &[&PROTOCOL], &ends(53), &octets);
        // The ports decide too, whichever end has it.
        let none = stream(
            &STREAM,
            &[&PROTOCOL],
            &ends(54),
            &[Event::Data(ToServer, &octets)],
        );
        assert!(none.records.is_empty() && !none.claimed);
        let mut back = ends(54);
        back.client.port = 53;
        let events = [Event::Data(ToServer, octets.as_slice())];
        let back = stream(&STREAM, &[&PROTOCOL], &back, &events);
        assert_eq!(back.of("DNS").len(), 3);
    }

    #[test]
    fn the_longest_message_of_a_stream() {
        let data = vec![7; 65535 - 12 - 11];
        let octets = framed(&message([0, 1, 0, 0], &[&rr(99, &data)]));
        assert_eq!(octets.len(), 65537);
        let pieces: Vec<_> = octets.chunks(1000).collect();
        let events: Vec<_> = pieces.iter().map(|p| Event::Data(ToServer, p)).collect();
        let streamed = run(&events);
        assert_eq!(streamed.of("DNS").len(), 1);
        assert!(streamed.troubles.is_empty());
    }

    #[test]
    fn streams_that_are_something_else() {
        let sound = framed(&message([1, 0, 0, 0], &[ASKED]));
        let with = |at: usize, octets: &[u8]| {
            let mut other = sound.clone();
            other.splice(at..at + octets.len(), octets.iter().copied());
            other
        };
        let others = [
            with(0, &[0, 11]),      // shorter than a header
            with(4, &[0x18]),       // kind of query 3
            with(6, &[0, 3]),       // three questions in ten octets
            with(8, &[0xff, 0xff]), // and so many answers
            b"GET / HTTP/1.1\r\n\r\n".to_vec(),
            b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03\x20\x55\x1a".to_vec(),
        ];
        for other in others {
            let streamed = run(&[Event::Data(ToServer, &other)]);
            assert!(
                streamed.records.is_empty() && !streamed.claimed,
                "{other:?}"
            );
        }
        // A length that is none, behind messages: the stream is left, and found again.
        let streamed = run(&[
            Event::Data(ToServer, &[&sound[..], &[0, 5, 1, 2, 3, 4, 5]].concat()),
            Event::Data(ToServer, &sound),
        ]);
        assert_eq!(streamed.of("DNS").len(), 2);
        assert!(streamed.claimed);
    }

    #[test]
    fn malformed_messages_of_a_stream() {
        let sound = framed(&message([1, 0, 0, 0], &[ASKED]));
        let broken = framed(&message([1, 0, 0, 0], &[&[0xff, 0xff, 0, 1, 0, 1]]));
        let octets = [&sound[..], &broken, &sound].concat();
        let streamed = run(&[Event::Data(ToServer, &octets)]);
        assert_eq!(streamed.of("DNS").len(), 3);
        assert_eq!(streamed.troubles, [(("DNS", Reason::Name), 1)].into());
        // A gap inside: what was there before it, and what comes behind.
        let streamed = run(&[
            Event::Data(ToServer, &sound[..14]),
            Event::Gap(ToServer, 5),
            Event::Data(ToServer, &[&sound[19..], &sound].concat()),
            Event::End(ToServer),
        ]);
        assert_eq!(streamed.of("DNS").len(), 2);
        assert_eq!(streamed.troubles, [(("DNS", Reason::Truncated), 1)].into());
    }
}
