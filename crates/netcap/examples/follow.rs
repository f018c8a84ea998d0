//! Prints the octets of every TCP stream of a capture, as the library puts them together: for
//! comparison with other programs (`tests/streams_diff.py`), no part of the program.
//!
//! ```text
//! cargo run --release --example follow -- CAPTURE...
//! ```
//!
//! A stream is three lines, in the order in which streams have their first octets: client and
//! server; the octets to the server in hexadecimal after `>`; those to the client after `<`.
//! Octets that the capture lacks stand as their number in brackets, but for those before the first
//! octets of a stream. Streams without octets are left out. Limits are those of the program, but
//! nothing times out, and VLANs tell no streams apart.

use std::error::Error;
use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use netcap::capture::{self, Batch, Packet};
use netcap::dissect::{
    Completed, Context, Direction, Ending, Endpoint, Entropy, Output, PacketInfo, Recognition,
    Registry, Selection, StreamContext, StreamDissector, StreamProtocol, Then, walk,
};
use netcap::pipeline::{StreamLimits, registry};
use netcap::record::{Ip, Time};
use netcap_flow::{Defragmenter, Limits, Streams, note_segments};

/// Fragments inside datagrams inside fragments that are followed, as in a run of the program.
const NESTED_FRAGMENTS: usize = 8;

/// Claims every stream.
static EVERYTHING: StreamProtocol = StreamProtocol {
    name: "everything",
    ports: &[],
    recognise: |_| Recognition::Yes,
    inside: None,
    start: || Box::new(Follower(None)),
    schemas: netcap_flow::SCHEMAS,
};

static PROTOCOLS: &[&StreamProtocol] = &[&EVERYTHING];

/// What the streams held so far. A dissector is started by a plain function, so this is where all
/// of them write.
static FOLLOWED: Mutex<Vec<Followed>> = Mutex::new(Vec::new());

fn followed() -> MutexGuard<'static, Vec<Followed>> {
    FOLLOWED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A stream, as it is printed.
struct Followed {
    ends: String,
    to_server: String,
    to_client: String,
}

/// The place of its stream among all, once there are octets.
struct Follower(Option<usize>);

impl Follower {
    fn append(&mut self, direction: Direction, text: &str, context: &StreamContext<'_, '_>) {
        let mut all = followed();
        let place = *self.0.get_or_insert_with(|| {
            let ends = context.ends;
            all.push(Followed {
                ends: format!("{} {}", address(&ends.client), address(&ends.server)),
                to_server: String::new(),
                to_client: String::new(),
            });
            all.len() - 1
        });
        if let Some(stream) = all.get_mut(place) {
            match direction {
                Direction::ToServer => stream.to_server.push_str(text),
                Direction::ToClient => stream.to_client.push_str(text),
            }
        }
    }
}

impl StreamDissector for Follower {
    fn data(
        &mut self,
        direction: Direction,
        octets: &[u8],
        context: &mut StreamContext<'_, '_>,
    ) -> Then {
        let mut text = String::with_capacity(2 * octets.len());
        for octet in octets {
            let _ = write!(text, "{octet:02x}");
        }
        self.append(direction, &text, context);
        Then::GoOn
    }

    fn gap(
        &mut self,
        direction: Direction,
        octets: u64,
        context: &mut StreamContext<'_, '_>,
    ) -> Then {
        self.append(direction, &format!("[{octets}]"), context);
        Then::GoOn
    }

    fn end(&mut self, _: Direction, _: Ending, _: &mut StreamContext<'_, '_>) {}

    fn held(&self) -> usize {
        0
    }
}

fn address(end: &Endpoint) -> String {
    let ip = match end.ip {
        Ip::V4(octets) => IpAddr::from(octets),
        Ip::V6(octets) => IpAddr::from(octets),
        Ip::Absent => return format!("-:{}", end.port),
    };
    SocketAddr::new(ip, end.port).to_string()
}

fn main() -> Result<(), Box<dyn Error>> {
    // Layers are walked whatever is selected.
    let registry = registry(&Selection {
        include: vec!["Connection".to_owned()],
        ..Selection::default()
    })?;
    let mut out = io::stdout().lock();
    for path in std::env::args_os().skip(1).map(PathBuf::from) {
        let outcome = follow(&path, &registry);
        for stream in followed().drain(..) {
            writeln!(out, "{}", stream.ends)?;
            writeln!(out, ">{}", stream.to_server)?;
            writeln!(out, "<{}", stream.to_client)?;
        }
        if let Err(error) = outcome {
            eprintln!("{error}");
        }
    }
    Ok(())
}

/// Puts the streams of a capture together. What came before an error counts.
fn follow(path: &Path, registry: &Registry) -> Result<(), capture::Error> {
    let mut source = capture::open(path)?;
    let limits = StreamLimits {
        close_timeout: 0,
        data_timeout: 0,
        ..StreamLimits::default()
    };
    let mut streams = Streams::new(registry, PROTOCOLS, limits);
    let mut defragmenter = Defragmenter::new(Limits::default());
    let mut output = Output::new(registry);
    let mut batch = Batch::new(1 << 20, 1024);
    let outcome = loop {
        match source.fill(&mut batch) {
            Ok(true) => {}
            Ok(false) => break Ok(()),
            Err(error) => break Err(error),
        }
        for (packet, octets) in batch.iter() {
            take(packet, octets, registry, &mut defragmenter, &mut streams);
        }
    };
    while streams.close(registry, &mut output, 4096) {}
    outcome
}

/// Walks a packet, again with the datagrams that its fragments complete, and gives its segments to
/// the streams.
fn take(
    packet: &Packet,
    octets: &[u8],
    registry: &Registry,
    defragmenter: &mut Defragmenter,
    streams: &mut Streams,
) {
    let info = PacketInfo {
        time: Time::new(packet.timestamp.seconds, packet.timestamp.nanos),
        link_type: packet.link_type.0,
        original_len: packet.original_len,
        index: 0,
        number: 0,
    };
    let mut output = Output::new(registry);
    let mut completed: Vec<Completed> = Vec::new();
    let mut segments = Vec::new();
    let mut seen = Vec::new();
    for _ in 0..NESTED_FRAGMENTS {
        output.clear();
        segments.clear();
        let mut entropy = Entropy::default();
        let mut context = Context::new(registry, &mut output, &mut entropy, &completed);
        walk(&mut context, info, octets);
        note_segments(context.path(), info, octets, (&[], false), &mut segments);
        let before = completed.len();
        for fragment in std::mem::take(&mut output.fragments) {
            if !seen.contains(&fragment.ordinal) {
                seen.push(fragment.ordinal);
                completed.extend(defragmenter.insert(&fragment, info.time, info.time));
            }
        }
        if completed.len() == before {
            break;
        }
    }
    for segment in &segments {
        streams.take(&segment.segment(octets), registry, &mut output);
    }
}
