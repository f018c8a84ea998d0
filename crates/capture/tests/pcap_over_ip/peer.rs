//! Captures made of octets, a peer that sends them, and all that a reader gives.

use std::io::Write;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use netcap_capture::pcap_over_ip::{Order, Reader, ReaderOptions};
use netcap_capture::{Batch, Error, LinkType, Source, Timestamp, pcap_writer};

/// No test waits for longer.
const PATIENCE: Duration = Duration::from_secs(30);

/// A packet as the tests look at it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) time: Timestamp,
    pub(crate) link_type: LinkType,
    pub(crate) interface: u32,
    pub(crate) original_len: u32,
    pub(crate) data: Vec<u8>,
}

/// A capture of Ethernet packets of these seconds, each with this text and its number.
pub(crate) fn capture(text: &str, seconds: impl IntoIterator<Item = i64>) -> Vec<u8> {
    capture_of(LinkType::ETHERNET, text, seconds)
}

pub(crate) fn capture_of(
    link_type: LinkType,
    text: &str,
    seconds: impl IntoIterator<Item = i64>,
) -> Vec<u8> {
    let mut file = pcap_writer::file_header(link_type, 65535).to_vec();
    for (number, seconds) in seconds.into_iter().enumerate() {
        let data = format!("{text}{number}");
        let time = Timestamp { seconds, nanos: 5 };
        pcap_writer::append_record(&mut file, time, 100, data.as_bytes());
    }
    file
}

/// One thing that a peer does.
pub(crate) enum Act {
    Send(Vec<u8>),
    /// Octet by octet.
    Trickle(Vec<u8>),
    Wait(u64),
    /// Ends with a reset.
    Reset,
}

/// Does as it is told on a connection, then closes it.
pub(crate) fn play(mut stream: TcpStream, acts: &[Act]) {
    stream.set_nodelay(true).expect("set");
    for act in acts {
        // Who is not wanted any longer learns it here.
        let sent = match act {
            Act::Send(octets) => stream.write_all(octets),
            Act::Trickle(octets) => octets
                .iter()
                .try_for_each(|octet| stream.write_all(&[*octet])),
            Act::Wait(milliseconds) => {
                thread::sleep(Duration::from_millis(*milliseconds));
                Ok(())
            }
            Act::Reset => socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO)),
        };
        if sent.is_err() {
            return;
        }
    }
}

/// A peer that serves one connection after the other, each its own acts; its address.
pub(crate) fn serve(connections: Vec<Vec<Act>>) -> (SocketAddr, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let place = listener.local_addr().expect("an address");
    let thread = thread::spawn(move || {
        for acts in connections {
            let (stream, _) = listener.accept().expect("a connection");
            play(stream, &acts);
        }
    });
    (place, thread)
}

/// A peer that sends these octets to one connection.
pub(crate) fn serve_octets(octets: &[u8]) -> SocketAddr {
    serve(vec![vec![Act::Send(octets.to_vec())]]).0
}

/// Options for one stream of each address.
pub(crate) fn once() -> ReaderOptions {
    ReaderOptions {
        reconnect: false,
        ..ReaderOptions::default()
    }
}

/// A reader of these addresses.
pub(crate) fn reader(addresses: &[String], options: ReaderOptions) -> Reader {
    let parsed = addresses
        .iter()
        .map(|address| address.parse().expect("an address"));
    Reader::new(parsed.collect(), options, Order::Time).expect("a reader")
}

/// Reads until there are so many packets, or the end; and the error, if any.
pub(crate) fn read(source: &mut dyn Source, packets: usize) -> (Vec<Seen>, Option<Error>) {
    let end = Instant::now() + PATIENCE;
    let mut batch = Batch::new(1 << 16, 100);
    let mut seen = Vec::new();
    let mut first = None;
    while seen.len() < packets {
        assert!(Instant::now() < end, "no end after {} packets", seen.len());
        let more = source.fill(&mut batch);
        let first = first.get_or_insert(batch.first_index);
        assert_eq!(batch.first_index, *first + seen.len() as u64);
        seen.extend(batch.iter().map(|(packet, data)| Seen {
            time: packet.timestamp,
            link_type: packet.link_type,
            interface: packet.interface,
            original_len: packet.original_len,
            data: data.to_vec(),
        }));
        match more {
            Ok(true) => {}
            Ok(false) => return (seen, None),
            Err(error) => return (seen, Some(error)),
        }
    }
    (seen, None)
}

/// The texts of the packets, in order.
pub(crate) fn texts(seen: &[Seen]) -> String {
    let texts: Vec<_> = seen
        .iter()
        .map(|seen| String::from_utf8_lossy(&seen.data))
        .collect();
    texts.join(" ")
}

/// How often something has happened at a source.
pub(crate) fn events(source: &mut dyn Source, name: &str, event: &str) -> u64 {
    let origins = source.origins();
    let origin = origins.iter().find(|origin| origin.name == name);
    let Some(origin) = origin else {
        panic!("no {name} among {origins:?}");
    };
    let found = origin.events.iter().find(|(name, _)| *name == event);
    found.map_or(0, |(_, count)| *count)
}
