//! Writes the first inputs of every target to `corpus/`, from the captures of the project's tests.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fs;
use std::io::Cursor;
use std::path::Path;
use std::sync::Arc;

use netcap_agent::extended::{Agent, Frame, Interface, Message, note};
use netcap_capture::{Batch, Packet, from_reader};
use netcap_dissect::testing::Event;
use netcap_dissect::{
    Beginning, Context, Direction, Entropy, Output, PacketInfo, Recognition, Registry, Selection,
    StreamContext, StreamDissector, StreamProtocol, Then, walk,
};
use netcap_flow::{SCHEMAS, StreamLimits, Streams, note_segments};
use netcap_fuzz::{family, stream};
use netcap_pipeline::{Config, FileConfig, Files};
use netcap_protocols::PROTOCOLS;
use netcap_record::Time;

/// Longer captures are no good seeds: most of a run would go into copying them.
const LONGEST: usize = 64 << 10;
/// Packets of one capture that become seeds.
const MOST_PACKETS: usize = 256;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR"));
    let corpus = fuzz.join("corpus");
    for target in ["walk", "capture", "records", "defrag", "streams"]
        .into_iter()
        .chain(["agent_frame", "agent_messages"])
        .chain(family::names())
        .chain(stream::TARGETS.iter().map(|(target, ..)| *target))
    {
        fs::create_dir_all(corpus.join(target))?;
    }
    for entry in fs::read_dir(fuzz.join("../tests/captures"))? {
        let path = entry?.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
            continue;
        };
        if !path.is_file() || !name.contains(".pcap") {
            continue;
        }
        let octets = fs::read(&path)?;
        packets(&octets, &corpus, name)?;
        records(&octets, &corpus.join("records"), name)?;
        if octets.len() <= LONGEST {
            fs::write(corpus.join("capture").join(name), octets)?;
        }
    }
    Ok(())
}

/// What befell a stream as an input, and the targets that know a message in it.
#[derive(Default)]
struct Recording {
    input: Vec<u8>,
    targets: BTreeSet<&'static str>,
}

thread_local! {
    /// The streams of a capture in the order of their first octets.
    static RECORDINGS: RefCell<Vec<Recording>> = const { RefCell::new(Vec::new()) };
}

/// Records the stream with this place in the list.
struct Recorder(usize);

impl Recorder {
    fn start() -> Box<dyn StreamDissector> {
        RECORDINGS.with_borrow_mut(|all| {
            all.push(Recording {
                // Other pieces have seven octets.
                input: vec![7],
                ..Recording::default()
            });
            Box::new(Recorder(all.len() - 1))
        })
    }

    fn with(&self, record: impl FnOnce(&mut Recording)) {
        RECORDINGS.with_borrow_mut(|all| record(&mut all[self.0]));
    }
}

impl StreamDissector for Recorder {
    fn data(
        &mut self,
        direction: Direction,
        octets: &[u8],
        context: &mut StreamContext<'_, '_>,
    ) -> Then {
        let beginning = Beginning {
            octets,
            direction,
            ends: context.ends,
        };
        self.with(|recording| {
            for (target, ..) in stream::TARGETS {
                let (protocol, _) = stream::target(target);
                if (protocol.recognise)(&beginning) == Recognition::Yes {
                    recording.targets.insert(target);
                }
            }
            stream::append(Event::Data(direction, octets), &mut recording.input);
        });
        Then::GoOn
    }

    fn gap(&mut self, direction: Direction, octets: u64, _: &mut StreamContext<'_, '_>) -> Then {
        self.with(|recording| stream::append(Event::Gap(direction, octets), &mut recording.input));
        Then::GoOn
    }

    fn end(&mut self, direction: Direction, _: &mut StreamContext<'_, '_>) {
        self.with(|recording| stream::append(Event::End(direction), &mut recording.input));
    }

    fn held(&self) -> usize {
        0
    }
}

/// Has every stream recorded.
static ANY: StreamProtocol = StreamProtocol {
    name: "any",
    ports: &[],
    recognise: |_| Recognition::Yes,
    start: Recorder::start,
    schemas: SCHEMAS,
};

/// One file for each stream, in the targets that know a message in it.
fn write_recordings(corpus: &Path, name: &str) -> std::io::Result<()> {
    for (i, recording) in RECORDINGS.take().into_iter().enumerate() {
        for target in recording.targets {
            let file = corpus.join(target).join(format!("{name}.{i}"));
            fs::write(file, &recording.input)?;
        }
    }
    Ok(())
}

/// A packet as an agent of the extended stream has it, and tells it.
fn noted(packet: &Packet, octets: &[u8], corpus: &Path, name: &str) -> std::io::Result<()> {
    let [low, high, ..] = packet.link_type.0.to_le_bytes();
    let seed = [&[low, high, 0][..], octets].concat();
    fs::write(corpus.join("agent_frame").join(name), seed)?;
    let frame = Frame {
        link_type: packet.link_type,
        time: packet.timestamp,
        octets,
        wire_length: packet.original_len,
    };
    if let Ok(note) = note(&frame, 0, &Interface::default()) {
        let mut stream = vec![7];
        Message::Agent(Agent::default()).write(&mut stream);
        Message::Packet(note).write(&mut stream);
        fs::write(corpus.join("agent_messages").join(name), stream)?;
    }
    Ok(())
}

/// One file for each packet: its link type, no octets cut, half of it for the prefix. And one for
/// each of its layers, in the families of their protocols. And one for each stream.
fn packets(octets: &[u8], corpus: &Path, name: &str) -> Result<(), Box<dyn std::error::Error>> {
    let Ok(mut source) = from_reader(name, Box::new(Cursor::new(octets.to_vec())), None) else {
        return Ok(());
    };
    let registry = Registry::new(PROTOCOLS, SCHEMAS, &Selection::default())?;
    let mut streams = Streams::new(&registry, const { &[&ANY] }, StreamLimits::default());
    let ways: Vec<_> = family::names().map(|f| (f, family::ways(f))).collect();
    let mut batch = Batch::new(1 << 20, MOST_PACKETS);
    if let Ok(true) = source.fill(&mut batch) {
        for (i, (packet, octets)) in batch.iter().enumerate() {
            let [low, high, ..] = packet.link_type.0.to_le_bytes();
            let seed = [&[low, high, 0, 128][..], octets].concat();
            fs::write(corpus.join("walk").join(format!("{name}.{i}")), seed)?;
            noted(packet, octets, corpus, &format!("{name}.{i}"))?;

            let (mut output, mut entropy) = (Output::new(&registry), Entropy::default());
            let mut context = Context::new(&registry, &mut output, &mut entropy, &[]);
            let info = PacketInfo {
                time: Time::new(1, 0),
                link_type: packet.link_type.0,
                original_len: packet.original_len,
                index: 0,
                number: 0,
            };
            walk(&mut context, info, octets);
            let mut segments = Vec::new();
            note_segments(context.path(), info, octets, &[], &mut segments);
            for (depth, layer) in context.layers().iter().enumerate() {
                for (family, ways) in &ways {
                    if let Some(way) = ways.iter().position(|(name, _)| *name == layer.protocol) {
                        let seed = [&[way as u8, 0, 128][..], layer.octets].concat();
                        let file = format!("{name}.{i}.{depth}");
                        fs::write(corpus.join(family).join(file), seed)?;
                    }
                }
            }
            let mut output = Output::new(&registry);
            for segment in &segments {
                streams.take(&segment.segment(octets), &registry, &mut output);
            }
        }
    }
    while streams.close(&registry, &mut Output::new(&registry), 3) {}
    write_recordings(corpus, name)?;
    Ok(())
}

/// The files of records of a capture, as they are and compressed.
fn records(octets: &[u8], corpus: &Path, name: &str) -> Result<(), Box<dyn std::error::Error>> {
    let registry = Registry::new(PROTOCOLS, &[], &Selection::default())?;
    for compress in [false, true] {
        let Ok(source) = from_reader(name, Box::new(Cursor::new(octets.to_vec())), None) else {
            return Ok(());
        };
        let directory = tempfile::tempdir()?;
        let config = FileConfig {
            compress,
            overwrite: true,
            source: name.to_owned(),
            created: Time::new(1, 0).timestamp(),
            ..FileConfig::new(directory.path())
        };
        let mut files = Files::new(config, &registry)?;
        let (config, stop) = (Config::default(), Arc::default());
        netcap_pipeline::run(source, &registry, &config, &mut files, &stop, &mut |_| {})?;
        for file in files.reports().iter().filter(|file| file.records > 0) {
            let from = directory.path().join(&file.name);
            if fs::metadata(&from)?.len() <= LONGEST as u64 {
                fs::copy(from, corpus.join(format!("{name}.{}", file.name)))?;
            }
        }
    }
    Ok(())
}
