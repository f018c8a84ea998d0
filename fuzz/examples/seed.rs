//! Writes the first inputs of every target to `corpus/`, from the captures of the project's tests.

use std::fs;
use std::io::Cursor;
use std::path::Path;
use std::sync::Arc;

use netcap_capture::{Batch, from_reader};
use netcap_dissect::{Context, Entropy, Output, PacketInfo, Registry, Selection, walk};
use netcap_fuzz::family;
use netcap_pipeline::{Config, Format};
use netcap_protocols::PROTOCOLS;
use netcap_record::Timestamp;

/// Longer captures are no good seeds: most of a run would go into copying them.
const LONGEST: usize = 64 << 10;
/// Packets of one capture that become seeds.
const MOST_PACKETS: usize = 64;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR"));
    let corpus = fuzz.join("corpus");
    for target in ["walk", "capture", "records", "defrag", "streams"]
        .into_iter()
        .chain(family::names())
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

/// One file for each packet: its link type, no octets cut, half of it for the prefix. And one for
/// each of its layers, in the families of their protocols.
fn packets(octets: &[u8], corpus: &Path, name: &str) -> Result<(), Box<dyn std::error::Error>> {
    let Ok(mut source) = from_reader(name, Box::new(Cursor::new(octets.to_vec())), None) else {
        return Ok(());
    };
    let registry = Registry::new(PROTOCOLS, &[], &Selection::default())?;
    let ways: Vec<_> = family::names().map(|f| (f, family::ways(f))).collect();
    let mut batch = Batch::new(1 << 20, MOST_PACKETS);
    if let Ok(true) = source.fill(&mut batch) {
        for (i, (packet, octets)) in batch.iter().enumerate() {
            let [low, high, ..] = packet.link_type.0.to_le_bytes();
            let seed = [&[low, high, 0, 128][..], octets].concat();
            fs::write(corpus.join("walk").join(format!("{name}.{i}")), seed)?;

            let (mut output, mut entropy) = (Output::new(&registry), Entropy::default());
            let mut context = Context::new(&registry, &mut output, &mut entropy, &[]);
            let info = PacketInfo {
                timestamp: Timestamp::new(1, 0),
                link_type: packet.link_type.0,
                original_len: packet.original_len,
                index: 0,
            };
            walk(&mut context, info, octets);
            for (depth, layer) in context.layers().iter().enumerate() {
                for (family, ways) in &ways {
                    if let Some(way) = ways.iter().position(|(name, _)| *name == layer.protocol) {
                        let seed = [&[way as u8, 0, 128][..], layer.octets].concat();
                        let file = format!("{name}.{i}.{depth}");
                        fs::write(corpus.join(family).join(file), seed)?;
                    }
                }
            }
        }
    }
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
        let config = Config {
            directory: directory.path().to_owned(),
            format: Format::Ncap { compress },
            buffered: true,
            workers: 1,
            batch_packets: 1024,
            base: None,
            flows: netcap_pipeline::FlowLimits::default(),
            fragments: netcap_pipeline::FragmentLimits::default(),
            streams: netcap_pipeline::StreamLimits::default(),
            bodies: None,
            ignore_unknown: true,
            overwrite: true,
            source: name.to_owned(),
            version: String::new(),
            created: Timestamp::new(1, 0),
        };
        let report =
            netcap_pipeline::run(source, &registry, &config, &Arc::default(), &mut |_| {})?;
        for file in report.files.iter().filter(|file| file.records > 0) {
            let from = directory.path().join(&file.name);
            if fs::metadata(&from)?.len() <= LONGEST as u64 {
                fs::copy(from, corpus.join(format!("{name}.{}", file.name)))?;
            }
        }
    }
    Ok(())
}
