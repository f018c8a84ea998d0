//! Packets of a capture or a stream back onto a wire.
//!
//! Guarantees: what is sent is what was captured, whole; what does not fit the interface is not
//! sent and is counted by cause, and the rest goes on; an interface that has no room is waited for,
//! one that is down too.

use std::fs;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs, UdpSocket};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use netcap_capture::bpf::{Instruction, Program};
use netcap_capture::libpcap::{self, LibpcapError, Live, LiveOptions};
use netcap_capture::pcap_over_ip::{Address, Place, Role};
use netcap_capture::{Batch, Error, LinkType, Source};

use crate::halt::Halt;
use crate::pace::{Clock, Pace};

/// Both addresses and the EtherType.
const ETHERNET_HEADER: usize = 14;
/// What an 802.1Q tag adds, beyond the MTU.
const TAG: usize = 4;

/// What an interface without a known MTU takes: that of Ethernet (RFC 894).
const USUAL_MTU: usize = 1500;

/// How long an interface that has no room is tried.
const PATIENCE: Duration = Duration::from_secs(1);
/// The pause between two tries.
const PAUSE: Duration = Duration::from_millis(1);
/// How long an interface that was removed is waited for.
const GONE: Duration = Duration::from_secs(10);
/// How often an interface that is down is looked at.
const DOWN_PAUSE: Duration = Duration::from_millis(250);

/// Locally administered addresses (IEEE 802-2014, 8.4) for packets that have none.
const SYNTHETIC: [u8; 12] = [2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1];

/// How packets are sent.
#[derive(Clone, Copy, Debug)]
pub struct ReplayOptions {
    /// How fast.
    pub pace: Pace,
    /// Gaps of a recording are no longer than that.
    pub max_gap: Option<Duration>,
    /// Whether packets that begin with IP, or with a pseudo-header that says what follows, get an
    /// Ethernet header.
    pub rewrite_ethernet: bool,
    /// Whether packets that were cut by the capture are sent with zeros for what is missing.
    pub pad: bool,
}

/// What became of the packets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReplayTotals {
    /// Packets that came.
    pub read: u64,
    /// Those that were sent.
    pub sent: u64,
    /// Octets of those.
    pub octets: u64,
    /// Not sent, being of a link type that the interface does not carry.
    pub other_link_type: u64,
    /// Not sent, having no octets.
    pub empty: u64,
    /// Not sent, being shorter than an Ethernet header.
    pub too_short: u64,
    /// Not sent, being cut by the capture.
    pub cut: u64,
    /// Not sent, being longer than the interface takes.
    pub too_long: u64,
    /// Not sent, as the interface would not.
    pub failed: u64,
    /// How often the interface was down, or gone.
    pub downs: u64,
    /// Whether it is now.
    pub is_down: bool,
}

/// What frames are sent out of.
pub trait Wire {
    /// What its frames begin with.
    fn link_type(&self) -> LinkType;
    /// The longest packet it takes, without the Ethernet header.
    fn mtu(&self) -> usize;
    /// Sends a frame.
    fn send(&mut self, frame: &[u8]) -> Sent;
    /// Opens it again, where it was removed and is there again.
    ///
    /// # Errors
    /// Why that is not possible, now.
    fn reopen(&mut self) -> Result<(), LibpcapError>;
}

/// What became of a frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sent {
    /// It is on its way.
    Done,
    /// There is no room now.
    NoRoom,
    /// The interface is down now.
    Down,
    /// It will not be sent.
    Failed,
    /// There is no such interface any more: it has to be opened again.
    Gone,
}

/// A network interface.
#[derive(Debug)]
pub struct Nic {
    name: String,
    live: Live,
    mtu: usize,
}

impl Nic {
    /// Opens an interface for sending; nothing is captured.
    pub fn open(name: &str) -> Result<Nic, LibpcapError> {
        /// `BPF_RET | BPF_K`: with 0 it keeps nothing of any packet.
        const RETURN: u16 = 0x06;
        let options = LiveOptions {
            snaplen: 64,
            promiscuous: false,
            ring: 256 << 10,
            ..LiveOptions::default()
        };
        let mut live = libpcap::open_live(name, &options)?;
        let nothing = Instruction {
            code: RETURN,
            jump_true: 0,
            jump_false: 0,
            k: 0,
        };
        if let Some(program) = Program::new([nothing]) {
            live.set_filter(&program)?;
        }
        let mtu = fs::read_to_string(Path::new("/sys/class/net").join(name).join("mtu"));
        let mtu = mtu.ok().and_then(|text| text.trim().parse().ok());
        Ok(Nic {
            name: name.to_owned(),
            live,
            mtu: mtu.unwrap_or(USUAL_MTU),
        })
    }
}

impl Wire for Nic {
    fn link_type(&self) -> LinkType {
        self.live.link_type()
    }

    fn mtu(&self) -> usize {
        self.mtu
    }

    fn send(&mut self, frame: &[u8]) -> Sent {
        // libpcap hands the system's words on, and nothing else.
        match self.live.inject(frame) {
            Ok(()) => Sent::Done,
            Err(LibpcapError::Failed { message, .. })
                if message.contains("No buffer space")
                    || message.contains("temporarily unavailable") =>
            {
                Sent::NoRoom
            }
            Err(LibpcapError::Failed { message, .. }) if message.contains("is down") => Sent::Down,
            // ENXIO and ENODEV, in the words of every C library.
            Err(LibpcapError::Failed { message, .. }) if message.contains("No such device") => {
                Sent::Gone
            }
            Err(_) => Sent::Failed,
        }
    }

    fn reopen(&mut self) -> Result<(), LibpcapError> {
        *self = Nic::open(&self.name)?;
        Ok(())
    }
}

/// Sends what the source yields, until its end or [`Halt`]. `watch` is called after each packet, and when the interface
/// is away or back.
pub fn replay(
    source: &mut dyn Source,
    wire: &mut dyn Wire,
    options: &ReplayOptions,
    halt: &Halt,
    watch: &mut dyn FnMut(&ReplayTotals),
) -> (ReplayTotals, Result<(), Error>) {
    let mut totals = ReplayTotals::default();
    let mut clock = Clock::new(options.pace, options.max_gap);
    let mut batch = Batch::new(64 << 10, 1024);
    let mut frame = Vec::new();
    while !halt.is_asked() {
        match source.fill(&mut batch) {
            Ok(true) => {}
            Ok(false) => break,
            Err(error) => return (totals, Err(error)),
        }
        for (packet, octets) in batch.iter() {
            totals.read += 1;
            let fit = frame_of(
                packet.link_type,
                octets,
                packet.original_len,
                wire,
                options,
                &mut frame,
            );
            if let Err(misfit) = fit {
                *match misfit {
                    Misfit::OtherLinkType => &mut totals.other_link_type,
                    Misfit::Empty => &mut totals.empty,
                    Misfit::TooShort => &mut totals.too_short,
                    Misfit::Cut => &mut totals.cut,
                    Misfit::TooLong => &mut totals.too_long,
                } += 1;
                continue;
            }
            let now = Instant::now();
            let due = clock.due(packet.timestamp, frame.len(), now);
            wait_until(due, halt);
            if halt.is_asked() {
                break;
            }
            match send(&frame, wire, halt, &mut totals, watch) {
                Ok(true) => {
                    totals.sent += 1;
                    totals.octets += frame.len() as u64;
                }
                Ok(false) => totals.failed += 1,
                Err(error) => {
                    totals.failed += 1;
                    return (totals, Err(error));
                }
            }
            watch(&totals);
        }
    }
    (totals, Ok(()))
}

/// Sleeps until then, or [`Halt`]. What is due very soon is waited for without sleep, as the system
/// wakes sleepers late.
fn wait_until(due: Instant, halt: &Halt) {
    const SOON: Duration = Duration::from_micros(100);
    loop {
        let left = due.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return;
        }
        if left > SOON {
            halt.sleep(left - SOON);
            if halt.is_asked() {
                return;
            }
        } else {
            std::hint::spin_loop();
        }
    }
}

/// Sends a frame, trying again where that may help. `Err`: the interface is gone for good.
fn send(
    frame: &[u8],
    wire: &mut dyn Wire,
    halt: &Halt,
    totals: &mut ReplayTotals,
    watch: &mut dyn FnMut(&ReplayTotals),
) -> Result<bool, Error> {
    let mut since = Instant::now();
    while !halt.is_asked() {
        match wire.send(frame) {
            Sent::Done => {
                totals.is_down = false;
                return Ok(true);
            }
            Sent::Failed => return Ok(false),
            Sent::NoRoom if since.elapsed() < PATIENCE => thread::sleep(PAUSE),
            Sent::NoRoom => return Ok(false),
            Sent::Gone => {
                let gone = Instant::now();
                away(totals, watch);
                while let Err(error) = wire.reopen() {
                    if gone.elapsed() >= GONE {
                        return Err(error.into());
                    }
                    halt.sleep(DOWN_PAUSE);
                    if halt.is_asked() {
                        return Ok(false);
                    }
                }
                since = Instant::now();
            }
            Sent::Down => {
                away(totals, watch);
                halt.sleep(DOWN_PAUSE);
                since = Instant::now();
            }
        }
    }
    Ok(false)
}

/// The interface is down or gone, perhaps still.
fn away(totals: &mut ReplayTotals, watch: &mut dyn FnMut(&ReplayTotals)) {
    if !totals.is_down {
        totals.is_down = true;
        totals.downs += 1;
        watch(totals);
    }
}

/// Why a packet is not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Misfit {
    OtherLinkType,
    Empty,
    TooShort,
    Cut,
    TooLong,
}

/// Makes the frame to send of a packet.
fn frame_of(
    link_type: LinkType,
    octets: &[u8],
    original: u32,
    wire: &dyn Wire,
    options: &ReplayOptions,
    frame: &mut Vec<u8>,
) -> Result<(), Misfit> {
    frame.clear();
    if octets.is_empty() {
        return Err(Misfit::Empty);
    }
    let is_ethernet = wire.link_type() == LinkType::ETHERNET;
    let header = if is_ethernet { ETHERNET_HEADER } else { 0 };
    let begun = match (is_ethernet, link_type) {
        (true, LinkType::ETHERNET) => Some((None, octets)),
        (true, _) if options.rewrite_ethernet => {
            unwrap(link_type, octets).map(|(kind, inside)| (Some(kind), inside))
        }
        (false, LinkType::RAW | LinkType::IPV4 | LinkType::IPV6) if is_ip(wire.link_type()) => {
            Some((None, octets))
        }
        _ => None,
    };
    let (kind, inside) = begun.ok_or(Misfit::OtherLinkType)?;
    if let Some(kind) = kind {
        frame.extend_from_slice(&SYNTHETIC);
        frame.extend_from_slice(&kind.to_be_bytes());
    }
    frame.extend_from_slice(inside);
    if frame.len() < header {
        return Err(Misfit::TooShort);
    }
    let missing = (original as usize).saturating_sub(octets.len());
    if missing > 0 && !options.pad {
        return Err(Misfit::Cut);
    }
    let is_tagged = is_ethernet && frame.get(12..14) == Some(&[0x81, 0x00]);
    let most = wire.mtu() + header + if is_tagged { TAG } else { 0 };
    if frame.len().saturating_add(missing) > most {
        return Err(Misfit::TooLong);
    }
    frame.resize(frame.len() + missing, 0);
    Ok(())
}

/// Whether packets begin with the IP header.
fn is_ip(link_type: LinkType) -> bool {
    matches!(link_type, LinkType::RAW | LinkType::IPV4 | LinkType::IPV6)
}

/// The EtherType of what is inside a packet that is not Ethernet, and the inside.
fn unwrap(link_type: LinkType, octets: &[u8]) -> Option<(u16, &[u8])> {
    /// Below are lengths and Linux's own numbers (IEEE 802.3, 3.2.6).
    const FIRST_ETHERTYPE: u16 = 0x0600;
    let number = |at: usize| Some(u16::from_be_bytes(*octets.get(at..)?.first_chunk()?));
    let (kind, inside) = match link_type {
        LinkType::RAW | LinkType::IPV4 | LinkType::IPV6 => (ip_kind(octets)?, octets),
        LinkType::NULL | LinkType::LOOP => {
            let (family, inside) = octets.split_first_chunk()?;
            (loopback_kind(*family, inside)?, inside)
        }
        LinkType::LINUX_SLL => (number(14)?, octets.get(16..)?),
        LinkType::LINUX_SLL2 => (number(0)?, octets.get(20..)?),
        _ => return None,
    };
    (kind >= FIRST_ETHERTYPE).then_some((kind, inside))
}

/// The EtherType of an IP packet, by its version.
fn ip_kind(packet: &[u8]) -> Option<u16> {
    match packet.first()? >> 4 {
        4 => Some(0x0800),
        6 => Some(0x86dd),
        _ => None,
    }
}

/// The EtherType of what follows an address family, in either byte order, as captures of LINKTYPE_NULL have that of the
/// machine: AF_INET, and AF_INET6 of Linux, BSD, FreeBSD and macOS. What does not begin as its family says is none.
fn loopback_kind(family: [u8; 4], inside: &[u8]) -> Option<u16> {
    let family = u32::from_le_bytes(family).min(u32::from_be_bytes(family));
    let said = match family {
        2 => 0x0800,
        10 | 24 | 28 | 30 => 0x86dd,
        _ => return None,
    };
    ip_kind(inside).filter(|kind| *kind == said)
}

/// Whether the stream from an address comes over this interface, so that what is replayed onto it
/// could be captured and come again. Nothing is sent to find out.
pub fn carries(interface: &str, address: &Address) -> bool {
    let Place::Tcp { host, port } = &address.place else {
        return false;
    };
    let Ok(interfaces) = libpcap::interfaces() else {
        return false;
    };
    let Some(interface) = interfaces.iter().find(|each| each.name == interface) else {
        return false;
    };
    let mut places = (host.as_str(), *port).to_socket_addrs().into_iter();
    places.by_ref().flatten().any(|place| {
        let ours = match address.role {
            Role::Listen => Some(place.ip()),
            Role::Connect => route(place),
        };
        ours.is_some_and(|ours| {
            ours.is_unspecified() && !interface.addresses.is_empty()
                || interface.addresses.contains(&ours.to_canonical())
        })
    })
}

/// Our address on the way to another.
fn route(place: SocketAddr) -> Option<IpAddr> {
    let any: SocketAddr = if place.is_ipv4() {
        ([0, 0, 0, 0], 0).into()
    } else {
        ([0u16; 8], 0).into()
    };
    let socket = UdpSocket::bind(any).ok()?;
    // For UDP this chooses a way and sends nothing.
    socket.connect(place).ok()?;
    socket.local_addr().ok().map(|local| local.ip())
}

#[cfg(test)]
mod tests {
    use netcap_capture::{Timestamp, from_reader, pcapng_writer};

    use super::*;

    /// A wire that keeps what is sent, and has no room every other time.
    struct Shelf {
        link_type: LinkType,
        frames: Vec<Vec<u8>>,
        is_full: bool,
    }

    impl Wire for Shelf {
        fn link_type(&self) -> LinkType {
            self.link_type
        }

        fn mtu(&self) -> usize {
            100
        }

        fn send(&mut self, frame: &[u8]) -> Sent {
            self.is_full = !self.is_full;
            if self.is_full {
                return Sent::NoRoom;
            }
            self.frames.push(frame.to_vec());
            Sent::Done
        }

        fn reopen(&mut self) -> Result<(), LibpcapError> {
            Ok(())
        }
    }

    const OPTIONS: ReplayOptions = ReplayOptions {
        pace: Pace::Max,
        max_gap: None,
        rewrite_ethernet: false,
        pad: false,
    };

    fn run(
        wire: LinkType,
        options: &ReplayOptions,
        packets: &[(LinkType, u32, &[u8])],
    ) -> (ReplayTotals, Vec<Vec<u8>>) {
        let mut file = Vec::new();
        pcapng_writer::append_section(&mut file, "a test");
        for (number, (link_type, original, octets)) in packets.iter().enumerate() {
            pcapng_writer::append_interface(&mut file, "", *link_type, 0);
            let time = Timestamp::default();
            pcapng_writer::append_packet(&mut file, number as u32, time, *original, octets);
        }
        let reader = Box::new(std::io::Cursor::new(file));
        let mut source = from_reader("a test", reader, None).expect("a good beginning");
        let mut shelf = Shelf {
            link_type: wire,
            frames: Vec::new(),
            is_full: false,
        };
        let (totals, result) = replay(
            source.as_mut(),
            &mut shelf,
            options,
            &Halt::default(),
            &mut |_| {},
        );
        result.expect("a good capture");
        (totals, shelf.frames)
    }

    #[test]
    fn only_what_fits_is_sent() {
        let ethernet = LinkType::ETHERNET;
        let long = [7; 115];
        let mut tagged = [7; 118];
        tagged[12..14].copy_from_slice(&[0x81, 0]);
        let (totals, frames) = run(
            ethernet,
            &OPTIONS,
            &[
                (ethernet, 60, &[1; 60]),
                (ethernet, 0, &[]),
                (ethernet, 13, &[2; 13]),
                (ethernet, 61, &[3; 60]),
                (ethernet, 115, &long),
                (ethernet, 118, &tagged),
                (LinkType::RAW, 20, &[0x45; 20]),
            ],
        );
        let expected = ReplayTotals {
            read: 7,
            sent: 2,
            octets: 178,
            other_link_type: 1,
            empty: 1,
            too_short: 1,
            cut: 1,
            too_long: 1,
            ..ReplayTotals::default()
        };
        assert_eq!(totals, expected);
        assert_eq!(frames, [vec![1; 60], tagged.to_vec()]);
    }

    #[test]
    fn made_to_fit_if_asked() {
        let options = ReplayOptions {
            rewrite_ethernet: true,
            pad: true,
            ..OPTIONS
        };
        let mut cooked = [0; 18];
        cooked[14..18].copy_from_slice(&[0x08, 0x06, 9, 9]);
        let (totals, frames) = run(
            LinkType::ETHERNET,
            &options,
            &[
                (LinkType::RAW, 22, &[0x45; 20]),
                (LinkType::NULL, 8, &[30, 0, 0, 0, 0x60, 1, 2, 3]),
                (LinkType::LINUX_SLL, 18, &cooked),
                (LinkType::USER0, 3, &[0x45; 3]),
                (LinkType::RAW, u32::MAX, &[0x45; 20]),
            ],
        );
        assert_eq!(
            (totals.sent, totals.other_link_type, totals.too_long),
            (3, 1, 1)
        );
        let raw = [&SYNTHETIC[..], &[8, 0], &[0x45; 20], &[0, 0]].concat();
        let null = [&SYNTHETIC[..], &[0x86, 0xdd], &[0x60, 1, 2, 3]].concat();
        let arp = [&SYNTHETIC[..], &[8, 6, 9, 9]].concat();
        assert_eq!(frames, [raw, null, arp]);
    }

    #[test]
    fn families_of_loopbacks() {
        let options = ReplayOptions {
            rewrite_ethernet: true,
            ..OPTIONS
        };
        let sent = |link_type, family: [u8; 4], first: u8| {
            let packet = [&family[..], &[first, 0, 0, 9]].concat();
            let (totals, frames) = run(LinkType::ETHERNET, &options, &[(link_type, 8, &packet)]);
            assert_eq!(totals.sent + totals.other_link_type, 1);
            frames.first().map(|frame| frame[12..14].to_vec())
        };
        for link_type in [LinkType::NULL, LinkType::LOOP] {
            for order in [u32::to_le_bytes, u32::to_be_bytes] {
                assert_eq!(sent(link_type, order(2), 0x45), Some(vec![0x08, 0x00]));
                for family in [10, 24, 28, 30] {
                    let sent = sent(link_type, order(family), 0x60);
                    assert_eq!(sent, Some(vec![0x86, 0xdd]));
                }
                // OSI, AppleTalk, and a family that the packet belies.
                for (family, first) in [(7, b'o'), (16, b'E'), (2, 0x60), (24, 0x45), (2, 0)] {
                    assert_eq!(sent(link_type, order(family), first), None);
                }
            }
        }
        let short = run(
            LinkType::ETHERNET,
            &options,
            &[(LinkType::NULL, 3, &[2, 0, 0])],
        )
        .0;
        assert_eq!(short.other_link_type, 1);
    }

    #[test]
    fn an_interface_that_is_away_is_told_of_once() {
        struct Flapping {
            sends: u32,
        }
        impl Wire for Flapping {
            fn link_type(&self) -> LinkType {
                LinkType::ETHERNET
            }
            fn mtu(&self) -> usize {
                100
            }
            fn send(&mut self, _: &[u8]) -> Sent {
                self.sends += 1;
                match self.sends {
                    2 | 3 => Sent::Gone,
                    4 => Sent::Down,
                    _ => Sent::Done,
                }
            }
            fn reopen(&mut self) -> Result<(), LibpcapError> {
                Ok(())
            }
        }
        let mut file = Vec::new();
        pcapng_writer::append_section(&mut file, "a test");
        pcapng_writer::append_interface(&mut file, "", LinkType::ETHERNET, 0);
        (0..3).for_each(|_| {
            pcapng_writer::append_packet(&mut file, 0, Timestamp::default(), 60, &[1; 60]);
        });
        let reader = Box::new(std::io::Cursor::new(file));
        let mut source = from_reader("a test", reader, None).expect("a good beginning");
        let mut seen = Vec::new();
        let (totals, result) = replay(
            source.as_mut(),
            &mut Flapping { sends: 0 },
            &OPTIONS,
            &Halt::default(),
            &mut |totals| seen.push(totals.is_down),
        );
        result.expect("it comes back");
        assert_eq!((totals.sent, totals.downs), (3, 1));
        assert_eq!(seen, [false, true, false, false]);
    }

    #[test]
    fn ip_goes_into_a_tunnel() {
        let (totals, frames) = run(
            LinkType::RAW,
            &OPTIONS,
            &[
                (LinkType::IPV4, 20, &[0x45; 20]),
                (LinkType::ETHERNET, 60, &[1; 60]),
            ],
        );
        assert_eq!((totals.sent, totals.other_link_type), (1, 1));
        assert_eq!(frames, [[0x45; 20]]);
    }
}
