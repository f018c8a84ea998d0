//! TCP conversations: TLS and plain web pages, terminals, bulk transfers.

use super::frame::{CLIENT, Ends, Frame, SERVER, Side, TCP, with_length};
use super::hosts;
use super::random::Random;
use super::{Kind, Then, World};

const FIN: u8 = 0x01;
const SYN: u8 = 0x02;
const PSH: u8 = 0x08;
const ACK: u8 = 0x10;

/// The largest payload of a segment without options.
const SEGMENT: u32 = 1_460;
/// What the timestamp option takes from it.
const TIMESTAMP_OPTION: u32 = 12;
/// The header of a TLS record.
const TLS_HEADER: u32 = 5;
/// The largest TLS record we send.
const TLS_RECORD: u32 = 16_384;

pub(super) fn port(kind: Kind) -> u16 {
    match kind {
        Kind::Http => 80,
        Kind::Shell => 22,
        _ => 443,
    }
}

/// What the next segment is.
#[derive(Clone, Copy)]
enum Phase {
    Syn,
    SynAck,
    Established,
    /// The first words of client and server: hellos of TLS, banners of SSH.
    Greeting(Side),
    Request,
    Answer,
    /// The client acknowledges; then the next request, or the rest of the answer.
    Acknowledge,
    Keystroke,
    Echo,
    EchoSeen,
    Fin(Side),
    LastAck,
}

/// A connection.
pub(super) struct Tcp {
    kind: Kind,
    phase: Phase,
    server: u32,
    /// Requests, or keystrokes, still to come.
    exchanges: u32,
    /// Octets of the answer still to come.
    answer: u32,
    /// Octets of the current TLS record still to come.
    record: u32,
    /// The body of the answer is text.
    text: bool,
    /// Segments that the client has not acknowledged yet.
    unacknowledged: u32,
    /// Whether both ends send timestamps.
    timestamps: bool,
    /// The timestamp that each side sent last.
    stamp: [u32; 2],
    /// The sequence number that each side sends next.
    sequence: [u32; 2],
}

impl Tcp {
    pub(super) fn new(world: &mut World, kind: Kind, server: u32) -> Self {
        let random = &mut world.random;
        let exchanges = match kind {
            _ if world.mix.endless => u32::MAX,
            Kind::Shell => random.between(5, 40),
            Kind::Bulk => random.between(2, 10),
            _ => random.between(1, 8),
        };
        Self {
            kind,
            phase: Phase::Syn,
            server,
            exchanges,
            answer: 0,
            record: 0,
            text: false,
            unacknowledged: 0,
            timestamps: random.percent(70),
            stamp: [random.next() as u32, random.next() as u32],
            sequence: [random.next() as u32, random.next() as u32],
        }
    }

    pub(super) fn next(&mut self, ends: &Ends, world: &mut World, frame: &mut Frame) -> Then {
        let mut out = Segment {
            tcp: self,
            ends,
            world,
            frame,
        };
        let next = match out.tcp.phase {
            Phase::Syn => out.empty(CLIENT, SYN, Phase::SynAck),
            Phase::SynAck => out.empty(SERVER, SYN | ACK, Phase::Established),
            Phase::Established => {
                let next = if out.tcp.kind == Kind::Http {
                    Phase::Request
                } else {
                    Phase::Greeting(CLIENT)
                };
                out.empty(CLIENT, ACK, next)
            }
            Phase::Greeting(from) => out.greeting(from),
            Phase::Request => out.request(),
            Phase::Answer => out.answer(),
            Phase::Acknowledge => {
                out.tcp.unacknowledged = 0;
                let next = out.tcp.after_acknowledgement();
                out.empty(CLIENT, ACK, next)
            }
            Phase::Keystroke => out.terminal(CLIENT, Phase::Echo),
            Phase::Echo => out.terminal(SERVER, Phase::EchoSeen),
            Phase::EchoSeen => {
                let next = out.tcp.after_exchange(Phase::Keystroke);
                out.empty(CLIENT, ACK, next)
            }
            Phase::Fin(CLIENT) => out.empty(CLIENT, FIN | ACK, Phase::Fin(SERVER)),
            Phase::Fin(_) => out.empty(SERVER, FIN | ACK, Phase::LastAck),
            Phase::LastAck => {
                out.empty(CLIENT, ACK, Phase::LastAck);
                return Then::Done;
            }
        };
        self.phase = next;
        if self.answer > 0 {
            Then::Train
        } else {
            Then::More
        }
    }

    /// The largest payload of a segment.
    fn segment_size(&self) -> u32 {
        if self.timestamps {
            SEGMENT - TIMESTAMP_OPTION
        } else {
            SEGMENT
        }
    }

    fn after_acknowledgement(&mut self) -> Phase {
        if self.answer > 0 {
            Phase::Answer
        } else {
            self.after_exchange(Phase::Request)
        }
    }

    /// `again`, or the end if all was said.
    fn after_exchange(&mut self, again: Phase) -> Phase {
        self.exchanges = self.exchanges.saturating_sub(1);
        if self.exchanges > 0 {
            again
        } else {
            Phase::Fin(CLIENT)
        }
    }
}

/// A segment being written.
struct Segment<'a> {
    tcp: &'a mut Tcp,
    ends: &'a Ends,
    world: &'a mut World,
    frame: &'a mut Frame,
}

impl Segment<'_> {
    /// Writes all headers; returns where the payload starts.
    fn start(&mut self, from: Side, flags: u8) -> usize {
        let Self {
            tcp,
            ends,
            world: World { random, now, .. },
            frame,
            ..
        } = self;
        frame.ip(random, ends, from, TCP);
        let header = frame.octets.len();
        frame.u16(ends.port[from]);
        frame.u16(ends.port[1 - from]);
        frame.u32(tcp.sequence[from]);
        frame.u32(if flags & ACK == 0 {
            0
        } else {
            tcp.sequence[1 - from]
        });
        frame.octets.extend_from_slice(&[0, flags]);
        let window = if flags & SYN != 0 {
            64_240
        } else {
            501 - random.below(8)
        };
        frame.u16(window as u16);
        frame.u16(random.next() as u16);
        frame.u16(0);

        if flags & SYN != 0 {
            // Maximum segment size, SACK permitted, window scale, and a NOP that aligns.
            frame
                .octets
                .extend_from_slice(&[2, 4, 0x05, 0xb4, 4, 2, 1, 3, 3, 7]);
            frame
                .octets
                .extend_from_slice(if tcp.timestamps { &[] } else { &[1, 0] });
        } else if tcp.timestamps {
            frame.octets.extend_from_slice(&[1, 1]);
        }
        if tcp.timestamps {
            // Clocks of both hosts tick in milliseconds from a start of their own.
            let clock = (*now / 1_000) as u32;
            let offset = [0x1234_5678, 0x8765_4321][from] ^ u32::from(ends.port[CLIENT]) << 8;
            tcp.stamp[from] = clock.wrapping_add(offset);
            frame.octets.extend_from_slice(&[8, 10]);
            frame.u32(tcp.stamp[from]);
            frame.u32(if flags & ACK == 0 {
                0
            } else {
                tcp.stamp[1 - from]
            });
        }
        let words = (frame.octets.len() - header) / 4;
        frame.octets[header + 12] = (words as u8) << 4;
        frame.octets.len()
    }

    /// Finishes the segment whose payload starts at `payload`.
    fn end(&mut self, from: Side, payload: usize, counts: u32) {
        let sent = (self.frame.octets.len() - payload) as u32 + counts;
        self.tcp.sequence[from] = self.tcp.sequence[from].wrapping_add(sent);
        self.frame.finish(from);
    }

    fn empty(&mut self, from: Side, flags: u8, next: Phase) -> Phase {
        let payload = self.start(from, flags);
        self.end(from, payload, u32::from(flags & (SYN | FIN) != 0));
        next
    }

    fn greeting(&mut self, from: Side) -> Phase {
        let payload = self.start(from, PSH | ACK);
        let out = &mut self.frame.octets;
        let next = match (self.tcp.kind, from) {
            (Kind::Shell, CLIENT) => {
                out.extend_from_slice(b"SSH-2.0-OpenSSH_9.6\r\n");
                Phase::Greeting(SERVER)
            }
            (Kind::Shell, _) => {
                out.extend_from_slice(b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n");
                Phase::Keystroke
            }
            (_, CLIENT) => {
                client_hello(out, self.tcp, self.ends);
                Phase::Greeting(SERVER)
            }
            _ => {
                server_hello(out, self.tcp, self.ends);
                // The certificates follow, encrypted, in a record of their own.
                self.tcp.answer = self.world.random.between(2_500, 4_500);
                self.fill_answer(payload);
                Phase::Answer
            }
        };
        self.end(from, payload, 0);
        next
    }

    fn request(&mut self) -> Phase {
        let payload = self.start(CLIENT, PSH | ACK);
        if self.tcp.kind == Kind::Http {
            let [host, domain, top] = hosts::name(self.tcp.server);
            let path = self.world.random.below(1 << 16);
            let head = format!(
                "GET /articles/{path} HTTP/1.1\r\nHost: {host}.{domain}.{top}\r\n\
                 User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\n\
                 Accept: text/html,application/xhtml+xml;q=0.9,*/*;q=0.8\r\n\
                 Accept-Language: en-US,en;q=0.5\r\nConnection: keep-alive\r\nCookie: session={:016x}\r\n\r\n",
                Random::new(u64::from(self.tcp.server)).next()
            );
            self.frame.octets.extend_from_slice(head.as_bytes());
        } else {
            let length = self.world.random.between(60, 700);
            self.tls_record_header(length);
            self.world
                .random
                .fill(&mut self.frame.octets, length as usize);
        }
        self.tcp.answer = self.world.answer_size();
        if self.tcp.kind == Kind::Bulk {
            self.tcp.answer = self.world.random.between(100_000, 400_000);
        }
        self.tcp.record = 0;
        self.tcp.text = self.tcp.kind == Kind::Http && self.world.random.percent(60);
        self.end(CLIENT, payload, 0);
        if self.tcp.kind == Kind::Http {
            // The head of the answer tells its length, so it comes with the first segment.
            self.tcp.record = u32::MAX;
        }
        Phase::Answer
    }

    fn answer(&mut self) -> Phase {
        let payload = self.start(SERVER, ACK);
        if self.tcp.kind == Kind::Http && self.tcp.record == u32::MAX {
            self.tcp.record = 0;
            let kind = if self.tcp.text {
                "text/html; charset=utf-8"
            } else {
                "application/octet-stream"
            };
            let head = format!(
                "HTTP/1.1 200 OK\r\nServer: nginx/1.24.0\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\
                 Cache-Control: max-age=600\r\nConnection: keep-alive\r\n\r\n",
                self.tcp.answer
            );
            self.frame.octets.extend_from_slice(head.as_bytes());
        }
        self.fill_answer(payload);
        self.end(SERVER, payload, 0);
        self.tcp.unacknowledged += 1;
        let due = self.tcp.unacknowledged >= self.world.mix.acknowledge_after;
        if due || self.tcp.answer == 0 {
            Phase::Acknowledge
        } else {
            Phase::Answer
        }
    }

    /// Fills the segment with the answer, which goes on in the next one.
    fn fill_answer(&mut self, payload: usize) {
        let mut room = self.tcp.segment_size() - (self.frame.octets.len() - payload) as u32;
        if self.tcp.kind == Kind::Http {
            let count = room.min(self.tcp.answer);
            if self.tcp.text {
                self.world
                    .write_text(&mut self.frame.octets, count as usize);
            } else {
                self.world
                    .random
                    .fill(&mut self.frame.octets, count as usize);
            }
            self.tcp.answer -= count;
            return;
        }
        while self.tcp.answer > 0 && room > TLS_HEADER {
            if self.tcp.record == 0 {
                self.tcp.record = self.tcp.answer.min(TLS_RECORD);
                self.tls_record_header(self.tcp.record);
                room -= TLS_HEADER;
            }
            let count = room.min(self.tcp.record);
            self.world
                .random
                .fill(&mut self.frame.octets, count as usize);
            self.tcp.record -= count;
            self.tcp.answer -= count;
            room -= count;
        }
    }

    /// Starts a record of encrypted data.
    fn tls_record_header(&mut self, length: u32) {
        self.frame.octets.extend_from_slice(&[23, 3, 3]);
        self.frame.u16(length as u16);
    }

    /// One encrypted SSH packet that holds a key or its echo.
    fn terminal(&mut self, from: Side, next: Phase) -> Phase {
        let payload = self.start(from, PSH | ACK);
        self.world.random.fill(&mut self.frame.octets, 36);
        self.end(from, payload, 0);
        next
    }
}

/// The part of a connection's hellos that both sides must agree on.
fn session(tcp: &Tcp, ends: &Ends) -> Random {
    Random::new(u64::from(tcp.server) << 16 | u64::from(ends.port[CLIENT]))
}

/// Appends a handshake message in a record of its own.
fn handshake(out: &mut Vec<u8>, kind: u8, write: impl FnOnce(&mut Vec<u8>)) {
    out.extend_from_slice(&[22, 3, 1]);
    with_length(out, |out| {
        out.extend_from_slice(&[kind, 0]);
        with_length(out, write);
    });
}

/// A ClientHello as browsers send it; hosts differ in the cipher suites that they offer.
fn client_hello(out: &mut Vec<u8>, tcp: &Tcp, ends: &Ends) {
    const CIPHERS: [u16; 15] = [
        0x1301, 0x1302, 0x1303, 0xc02b, 0xc02f, 0xc02c, 0xc030, 0xcca9, 0xcca8, 0xc013, 0xc014,
        0x009c, 0x009d, 0x002f, 0x0035,
    ];
    let mut random = session(tcp, ends);
    let offered = &CIPHERS[..9 + usize::from(ends.mac[CLIENT][3])];
    let name = hosts::name(tcp.server).join(".");
    handshake(out, 1, |out| {
        out.extend_from_slice(&[3, 3]);
        random.fill(out, 32);
        out.push(32);
        random.fill(out, 32);
        with_length(out, |out| {
            out.extend(offered.iter().flat_map(|cipher| cipher.to_be_bytes()))
        });
        out.extend_from_slice(&[1, 0]);
        with_length(out, |out| {
            let mut extension = |kind: u16, body: &[u8]| {
                out.extend_from_slice(&kind.to_be_bytes());
                with_length(out, |out| out.extend_from_slice(body));
            };
            let mut server_name = Vec::new();
            with_length(&mut server_name, |out| {
                out.push(0);
                with_length(out, |out| out.extend_from_slice(name.as_bytes()));
            });
            extension(0, &server_name);
            extension(23, &[]);
            extension(0xff01, &[0]);
            extension(10, &[0, 6, 0, 29, 0, 23, 0, 24]);
            extension(11, &[1, 0]);
            extension(35, &[]);
            extension(16, b"\x00\x0c\x02h2\x08http/1.1");
            extension(5, &[1, 0, 0, 0, 0]);
            extension(13, &[0, 8, 4, 3, 8, 4, 4, 1, 5, 3]);
            let mut key = vec![0, 36, 0, 29, 0, 32];
            random.fill(&mut key, 32);
            extension(51, &key);
            extension(45, &[1, 1]);
            extension(43, &[4, 3, 4, 3, 3]);
            extension(21, &[0; 180]);
        });
    });
}

/// A ServerHello that chooses TLS 1.3, and the ChangeCipherSpec that pleases old middleboxes.
fn server_hello(out: &mut Vec<u8>, tcp: &Tcp, ends: &Ends) {
    let mut hello = session(tcp, ends);
    let (mut ignored, mut id) = (Vec::new(), Vec::new());
    hello.fill(&mut ignored, 32);
    hello.fill(&mut id, 32);
    handshake(out, 2, |out| {
        out.extend_from_slice(&[3, 3]);
        hello.fill(out, 32);
        out.push(32);
        out.extend_from_slice(&id);
        out.extend_from_slice(&[0x13, 0x01, 0]);
        with_length(out, |out| {
            out.extend_from_slice(&[0, 43, 0, 2, 3, 4, 0, 51, 0, 36, 0, 29, 0, 32]);
            hello.fill(out, 32);
        });
    });
    out.extend_from_slice(&[20, 3, 3, 0, 1, 1]);
}
