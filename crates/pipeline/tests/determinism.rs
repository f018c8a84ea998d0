//! Output is a function of the packets and the options: neither the number of workers, nor the size
//! of batches, nor how the input arrives changes an octet of any file. And what a run leaves behind
//! that does not come to its end.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Cursor, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use netcap_capture::{Batch, LinkType, Progress, Source, from_reader, open, pcap_writer};
use netcap_dissect::Selection;
use netcap_pipeline::{
    Config, Error, FileConfig, FileReport, Files as Outlet, Ledger, Report, run,
};
use netcap_record::Timestamp;
use netcap_store::{Csv, Encoding, Frames, Reader};
use tempfile::TempDir;

const WORKERS: [usize; 4] = [1, 2, 3, 8];
const LANES: [usize; 4] = [1, 2, 3, 8];
const BATCHES: [usize; 3] = [1, 7, 1024];
const FORMATS: [&str; 3] = ["ncap.gz", "ncap", "csv"];

/// An encoding by the end of its files' names.
fn encoding(extension: &str) -> Arc<dyn Encoding> {
    match extension.trim_end_matches(".gz") {
        "ncap" => Arc::new(Frames),
        _ => Arc::new(Csv::default()),
    }
}

/// How a run is done, and what its files look like.
struct Setup {
    run: Config,
    files: FileConfig,
}

fn setup(directory: &Path, extension: &str) -> Setup {
    Setup {
        run: Config {
            workers: 2,
            ..Config::default()
        },
        files: FileConfig {
            encoding: encoding(extension),
            compress: extension.ends_with(".gz"),
            source: "test".to_owned(),
            version: "test".to_owned(),
            created: Timestamp::new(1_600_000_000, 0),
            ..FileConfig::new(directory)
        },
    }
}

/// The account of a run, and its files.
fn start(
    source: Box<dyn Source>,
    setup: &Setup,
    stop: &Arc<AtomicBool>,
) -> Result<(Report, Vec<FileReport>), Error> {
    collect(source, setup, stop).map(|(report, files)| (report, files.reports()))
}

/// Runs, and gives the outlet too.
fn collect(
    source: Box<dyn Source>,
    setup: &Setup,
    stop: &Arc<AtomicBool>,
) -> Result<(Report, Outlet), Error> {
    let selection = Selection {
        payloads: true,
        ..Selection::default()
    };
    let registry = netcap_pipeline::registry(&selection).unwrap();
    let mut files = Outlet::new(setup.files.clone(), &registry)?;
    let report = run(source, &registry, &setup.run, &mut files, stop, &mut |_| {})?;
    Ok((report, files))
}

/// The files of a directory by name.
type Files = BTreeMap<String, Vec<u8>>;

fn files(directory: &Path) -> Files {
    let entries = fs::read_dir(directory).unwrap().map(Result::unwrap);
    entries
        .filter(|entry| entry.file_type().unwrap().is_file())
        .map(|entry| {
            let name = entry.file_name().into_string().unwrap();
            (name, fs::read(entry.path()).unwrap())
        })
        .collect()
}

/// What a whole run gives.
fn outcome(
    source: Box<dyn Source>,
    extension: &str,
    workers: usize,
    batch_packets: usize,
) -> (Ledger, Files) {
    outcome_with(source, extension, |run| {
        (run.workers, run.batch_packets) = (workers, batch_packets);
    })
}

fn outcome_with(
    source: Box<dyn Source>,
    extension: &str,
    change: impl FnOnce(&mut Config),
) -> (Ledger, Files) {
    let directory = TempDir::new().unwrap();
    let mut setup = setup(directory.path(), extension);
    change(&mut setup.run);
    let (report, _) = start(source, &setup, &Arc::default()).unwrap();
    assert!(report.ledger.balances());
    (report.ledger, files(directory.path()))
}

/// Fails with the name of the first file that differs.
fn assert_same(found: &(Ledger, Files), expected: &(Ledger, Files), how: &str) {
    assert_eq!(found.0, expected.0, "ledger: {how}");
    let names = |files: &Files| Vec::from_iter(files.keys().cloned());
    assert_eq!(names(&found.1), names(&expected.1), "files: {how}");
    for (name, octets) in &expected.1 {
        assert!(found.1.get(name) == Some(octets), "{name} differs: {how}");
    }
}

/// Runs a capture with any number of workers and any size of batches, and now these, now those lanes.
fn assert_determined(path: &Path, extension: &str) -> (Ledger, Files) {
    let ways = WORKERS.into_iter().enumerate().flat_map(|(i, workers)| {
        let batches = BATCHES.into_iter().enumerate();
        batches.map(move |(j, packets)| (workers, LANES[(i + j) % LANES.len()], packets))
    });
    assert_same_in(ways, path, extension, |_| {})
}

/// Runs a capture in several ways: workers, lanes, packets of a batch.
fn assert_same_in(
    ways: impl Iterator<Item = (usize, usize, usize)>,
    path: &Path,
    extension: &str,
    change: impl Fn(&mut Config),
) -> (Ledger, Files) {
    let outcome = |workers, lanes, packets| {
        outcome_with(open(path).unwrap(), extension, |run| {
            change(run);
            (run.workers, run.lanes, run.batch_packets) = (workers, lanes, packets);
        })
    };
    let expected = outcome(1, 1, usize::MAX);
    for (workers, lanes, packets) in ways {
        let found = outcome(workers, lanes, packets);
        let how = format!("{workers} workers, {lanes} lanes, batches of {packets}");
        let name = path.display();
        assert_same(&found, &expected, &format!("{name} {extension}, {how}"));
    }
    expected
}

fn capture(name: &str) -> PathBuf {
    let captures = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/captures");
    Path::new(captures).join(name)
}

/// A capture of so many packets: DNS queries of varying sizes, one in eight of them in two
/// fragments with other packets in between, and some that are unknown, cut, or no frame at all.
fn generated(packets: u32) -> Vec<u8> {
    let mut file = pcap_writer::file_header(LinkType::ETHERNET, 65_535).to_vec();
    let mut waiting: Vec<(u32, Vec<u8>)> = Vec::new();
    // Numbers without a visible pattern: a multiplicative generator (Lehmer 1951).
    let mut state = 48_271_u64;
    for i in 0..packets {
        state = state * 48_271 % 2_147_483_647;
        let random = state as u32;
        let mut append = |octets: &[u8], original: usize| {
            let time = netcap_capture::Timestamp {
                seconds: 1_600_000_000 + i64::from(i / 1000),
                nanos: (i % 1000) * 1_000_000,
            };
            pcap_writer::append_record(&mut file, time, original as u32, octets);
        };
        if let Some(place) = waiting.iter().position(|(due, _)| *due <= i) {
            let (_, second) = waiting.swap_remove(place);
            append(&second, second.len());
            continue;
        }
        let datagram = udp(&query(random));
        let frame = ethernet(0x0800, &ipv4(i, 0, &datagram));
        match random % 32 {
            0..4 => {
                // Offsets count units of eight octets.
                let (first, second) = datagram.split_at(24);
                let first = ethernet(0x0800, &ipv4(i, 0x2000, first));
                append(&first, first.len());
                waiting.push((i + random % 300, ethernet(0x0800, &ipv4(i, 3, second))));
            }
            4 => append(&ethernet(0x88b5, &datagram), 14 + datagram.len()),
            5 => append(&frame[..40], frame.len()),
            6 => append(&[0xff; 9], 9),
            _ => append(&frame, frame.len()),
        }
    }
    file
}

fn ethernet(ether_type: u16, payload: &[u8]) -> Vec<u8> {
    let mut frame = b"\x02\0\0\0\0\x01\x02\0\0\0\0\x02".to_vec();
    frame.extend(ether_type.to_be_bytes());
    frame.extend(payload);
    frame
}

fn ipv4(id: u32, flags_and_offset: u16, payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x45, 0];
    packet.extend((20 + payload.len() as u16).to_be_bytes());
    packet.extend((id as u16).to_be_bytes());
    packet.extend(flags_and_offset.to_be_bytes());
    packet.extend([64, 17, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2]);
    packet.extend(payload);
    packet
}

fn udp(payload: &[u8]) -> Vec<u8> {
    let mut datagram = vec![0xc0, 0, 0, 53];
    datagram.extend((8 + payload.len() as u16).to_be_bytes());
    datagram.extend([0, 0]);
    datagram.extend(payload);
    datagram
}

/// A DNS query for a name that nobody else asks for.
fn query(random: u32) -> Vec<u8> {
    let mut message = (random as u16).to_be_bytes().to_vec();
    message.extend([1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    let label = format!("{random:x}").repeat(1 + random as usize % 7);
    message.push(label.len() as u8);
    message.extend(label.as_bytes());
    message.extend(b"\x07example\0\0\x01\0\x01");
    message
}

/// Gives at most so many octets at a time.
struct Trickle(Cursor<Vec<u8>>, usize);

impl Read for Trickle {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = self.1.min(buffer.len());
        self.0.read(&mut buffer[..most])
    }
}

fn trickle(octets: &[u8], size: usize) -> Box<dyn Source> {
    let reader = Trickle(Cursor::new(octets.to_vec()), size);
    from_reader("test", Box::new(reader), None).unwrap()
}

/// All records of a file, which must be whole.
fn records(path: &Path) -> Vec<Vec<u8>> {
    let mut reader = Reader::open(path).unwrap();
    let mut records = Vec::new();
    while let Some(record) = reader.next_record().unwrap() {
        records.push(record.to_vec());
    }
    records
}

#[test]
fn workers_and_batches_change_nothing() {
    for name in [
        "example.pcap",
        "dns.pcap",
        "dns_malformed.pcap",
        "ipv4_fragments.pcap",
        "ipv6_fragments.pcap",
        "snaplen.pcap",
        "two_sections.pcapng",
        "null.pcap",
        "flows.pcap",
        "tcp_streams.pcap",
        "http.pcap",
        "tls.pcap",
        "dns_tcp.pcap",
        "modbus_stream.pcap",
    ] {
        for extension in FORMATS {
            assert_determined(&capture(name), extension);
        }
    }
}

/// Every way there is.
fn all_ways() -> impl Iterator<Item = (usize, usize, usize)> {
    WORKERS.into_iter().flat_map(|workers| {
        LANES
            .into_iter()
            .flat_map(move |lanes| BATCHES.map(|packets| (workers, lanes, packets)))
    })
}

#[test]
fn lanes_change_nothing() {
    for name in ["flows.pcap", "tcp_streams.pcap", "http.pcap", "tls.pcap"] {
        assert_same_in(all_ways(), &capture(name), "ncap", |_| {});
    }
}

/// Many flows and streams, with room for all, and with so little that the limits are met.
#[test]
fn lanes_change_nothing_where_limits_are_met() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("crowd.pcap");
    fs::write(&path, crowd(12_000)).unwrap();
    let (open, _) = assert_same_in(few_ways(), &path, "ncap", |_| {});
    assert_eq!((open.flows_evicted, open.streams.evicted_streams), (0, 0));
    let (met, _) = assert_same_in(few_ways(), &path, "ncap", |run| {
        run.flows.entries = 9000;
        run.streams.streams = 9000;
    });
    assert!(
        met.flows_evicted > 1000 && met.streams.evicted_streams > 1000,
        "{met:?}"
    );
    let (tiny, _) = assert_same_in(few_ways(), &path, "ncap", |run| {
        run.flows.entries = 100;
        run.streams.streams = 50;
    });
    assert!(tiny.flows_evicted > met.flows_evicted);
}

/// Datagrams in fragments within a tunnel become whole in whatever batch: their ports, and so the flows
/// that the tunnel's packets belong to, are the same.
#[test]
fn fragments_in_tunnels_are_the_same_in_any_batch() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("tunnels.pcap");
    let mut file = pcap_writer::file_header(LinkType::ETHERNET, 65_535).to_vec();
    for i in 0..60_u32 {
        let datagram = udp(&query(i * 77));
        let (first, second) = datagram.split_at(24);
        let mut append = |packet: &[u8]| {
            let frame = ethernet(0x0800, packet);
            let time = netcap_capture::Timestamp {
                seconds: 1_600_000_000 + i64::from(i),
                nanos: 0,
            };
            pcap_writer::append_record(&mut file, time, frame.len() as u32, &frame);
        };
        // A piece that cannot be used, as its header claims options beyond its end, is of its flow too.
        append(&ipv4(9000 + i, 0x2000, first));
        let mut useless = ipv4(9000 + i, 3, &second[..8]);
        useless[0] = 0x4f;
        append(&useless);
        // Now in order, now not, and now and then without the first.
        let pieces = [(0x2000, first), (3, second)];
        let order: &[usize] = [&[0, 1][..], &[1, 0], &[1], &[0, 1, 1]][i as usize % 4];
        for piece in order {
            let (flags_and_offset, piece) = pieces[*piece];
            let mut packet = ipv4(7000 + i, 0, &ipv4(i / 2 % 5, flags_and_offset, piece));
            packet[9] = 4;
            append(&packet);
        }
    }
    fs::write(&path, file).unwrap();
    let (ledger, files) = assert_same_in(all_ways(), &path, "csv", |_| {});
    assert!(ledger.fragments.completed > 20, "{ledger:?}");
    assert!(files["TransportFlow.csv"].len() > 100);
}

/// Every number of lanes, and of workers, and every size of batches but the smallest.
fn few_ways() -> impl Iterator<Item = (usize, usize, usize)> {
    LANES
        .into_iter()
        .zip([8, 1, 2, 3])
        .flat_map(|(lanes, workers)| [7, 1024].map(|packets| (workers, lanes, packets)))
}

/// TCP segments of so many hosts, each of which begins a request that nobody answers, some with a hole
/// before it.
fn crowd(hosts: u32) -> Vec<u8> {
    let mut file = pcap_writer::file_header(LinkType::ETHERNET, 65_535).to_vec();
    let (mut packets, mut state) = (0, 48_271_u64);
    for host in 0..hosts {
        state = state * 48_271 % 2_147_483_647;
        let mut append = |sequence: u32, flags: u8, payload: &[u8]| {
            let mut segment = (1024 + host as u16).to_be_bytes().to_vec();
            segment.extend(80_u16.to_be_bytes());
            segment.extend(sequence.to_be_bytes());
            segment.extend([0, 0, 0, 0, 0x50, flags, 4, 0, 0, 0, 0, 0]);
            segment.extend(payload);
            let mut packet = ipv4(host, 0, &segment);
            packet[9] = 6;
            packet[12..16].copy_from_slice(&(0x0a00_0000 | host >> 4).to_be_bytes());
            let frame = ethernet(0x0800, &packet);
            let time = netcap_capture::Timestamp {
                seconds: 1_600_000_000 + i64::from(packets / 2000),
                nanos: (packets % 2000) * 500_000,
            };
            packets += 1;
            pcap_writer::append_record(&mut file, time, frame.len() as u32, &frame);
        };
        append(0, 2, b"");
        if state % 3 == 0 {
            append(
                1 + (state % 2) as u32 * 7,
                16,
                b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
            );
        }
    }
    file
}

#[test]
fn workers_and_batches_change_nothing_in_many_blocks() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("generated.pcap");
    fs::write(&path, generated(12_000)).unwrap();
    let [compressed, plain, _] = FORMATS.map(|extension| assert_determined(&path, extension));

    let ledger = &plain.0;
    assert_eq!(ledger.packets, 12_000);
    assert!(ledger.fragments.completed > 500, "{ledger:?}");
    assert!(
        plain.1["UDP.ncap"].len() > 3 * (256 << 10),
        "several gzip members"
    );
    // Both formats hold the same records; logs and pcaps are not compressed.
    assert_eq!(compressed.1.len(), plain.1.len());
    for (name, octets) in &plain.1 {
        let Some(other) = compressed.1.get(&format!("{name}.gz")) else {
            assert!(compressed.1.get(name) == Some(octets), "{name}");
            continue;
        };
        let [one, two] = [octets, other].map(|octets| {
            fs::write(&path, octets).unwrap();
            records(&path)
        });
        assert!(one == two, "{name}");
    }
}

#[test]
fn the_way_the_input_arrives_changes_nothing() {
    for name in [
        "example.pcap",
        "ipv4_fragments.pcap",
        "two_sections.pcapng",
        "mixed.pcap.gz",
    ] {
        let octets = fs::read(capture(name)).unwrap();
        let expected = outcome(open(&capture(name)).unwrap(), "ncap.gz", 2, 1024);
        for size in [1, 7, 1000] {
            let found = outcome(trickle(&octets, size), "ncap.gz", 2, 1024);
            assert_same(
                &found,
                &expected,
                &format!("{name}, {size} octets at a time"),
            );
        }
    }
    let expected = outcome(open(&capture("mixed.pcap")).unwrap(), "ncap.gz", 2, 1024);
    for name in [
        "mixed.be.pcapng",
        "mixed.pcap.zst",
        "mixed.pcap.xz",
        "mixed.members.pcap.gz",
    ] {
        let found = outcome(open(&capture(name)).unwrap(), "ncap.gz", 2, 1024);
        assert_same(&found, &expected, name);
    }
    let octets = generated(3000);
    let expected = outcome(trickle(&octets, 1 << 20), "ncap.gz", 2, 1024);
    let found = outcome(trickle(&octets, 11), "ncap.gz", 2, 1024);
    assert_same(&found, &expected, "11 octets at a time");
}

/// Does something once it has given some batches.
struct Meddling<F> {
    inner: Box<dyn Source>,
    batches: usize,
    act: Option<F>,
}

impl<F: FnOnce() + Send> Source for Meddling<F> {
    fn fill(&mut self, batch: &mut Batch) -> Result<bool, netcap_capture::Error> {
        if self.batches == 0
            && let Some(act) = self.act.take()
        {
            act();
        }
        self.batches = self.batches.saturating_sub(1);
        self.inner.fill(batch)
    }

    fn progress(&self) -> Progress {
        self.inner.progress()
    }

    fn name(&self) -> &str {
        self.inner.name()
    }
}

#[test]
fn an_interrupted_run_leaves_whole_files() {
    let octets = generated(5000);
    let (_, whole) = outcome(trickle(&octets, 1 << 20), "ncap", 2, 1024);
    for (silent, extension) in [(false, "ncap"), (false, "ncap.gz"), (true, "ncap.gz")] {
        let directory = TempDir::new().unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let source = Box::new(Meddling {
            inner: trickle(&octets, 1 << 20),
            batches: 20,
            act: Some({
                let stop = Arc::clone(&stop);
                move || {
                    stop.store(true, Ordering::Relaxed);
                    if silent {
                        loop {
                            thread::park();
                        }
                    }
                }
            }),
        });
        let mut setup = setup(directory.path(), extension);
        setup.run.batch_packets = 50;
        let began = Instant::now();
        let (report, written) = start(source, &setup, &stop).unwrap();
        let took = began.elapsed();
        assert!(took < Duration::from_secs(10), "it waited for the source");
        assert!(report.interrupted && report.trouble.is_none() && report.ledger.balances());
        // A source that goes on has one more batch under way.
        assert_eq!(report.ledger.packets, if silent { 1000 } else { 1050 });

        let found = files(directory.path());
        assert_eq!(found.len(), written.len(), "only whole files");
        let mut in_files = 0;
        for file in written.iter().filter(|file| !file.record_type.is_empty()) {
            let found = records(&directory.path().join(&file.name));
            assert_eq!(found.len() as u64, file.records, "{}", file.name);
            in_files += file.records;
            // What was open at the interruption ends there, and not as in the whole run.
            if [
                "Connection",
                "Flow",
                "HTTP",
                "LinkFlow",
                "NetworkFlow",
                "TLS",
                "TransportFlow",
            ]
            .contains(&file.record_type)
            {
                continue;
            }
            let path = directory.path().join("whole");
            fs::write(&path, &whole[file.name.trim_end_matches(".gz")]).unwrap();
            assert!(records(&path).starts_with(&found), "{}", file.name);
        }
        assert_eq!(in_files, report.ledger.records);
    }
}

#[test]
fn files_in_the_way_are_kept_unless_told_otherwise() {
    let directory = TempDir::new().unwrap();
    let mut setup = setup(directory.path(), "ncap");
    let source = |name| open(&capture(name)).unwrap();
    start(source("example.pcap"), &setup, &Arc::default()).unwrap();
    let before = files(directory.path());
    let refused = start(source("arp.pcap"), &setup, &Arc::default());
    let exists = matches!(
        refused,
        Err(Error::Store(netcap_store::Error::Exists { .. }))
    );
    assert!(exists, "{refused:?}");
    assert!(
        files(directory.path()) == before,
        "a refused run changed something"
    );

    setup.files.overwrite = true;
    start(source("arp.pcap"), &setup, &Arc::default()).unwrap();
    let names = Vec::from_iter(files(directory.path()).into_keys());
    let expected =
        "ARP.ncap Connection.ncap Ethernet.ncap Flow.ncap LinkFlow.ncap errors.log errors.pcap";
    assert_eq!(
        names.join(" "),
        expected,
        "no file of the earlier run is left"
    );
}

#[test]
fn what_is_in_the_way_of_a_run() {
    let source = || open(&capture("example.pcap")).unwrap();
    // The directory is a file.
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("file");
    fs::write(&path, "mine").unwrap();
    let failed = start(source(), &setup(&path, "ncap"), &Arc::default());
    assert!(matches!(failed, Err(Error::Directory { .. })), "{failed:?}");
    assert_eq!(fs::read(&path).unwrap(), b"mine");

    // Not what a dead run has left that had the number of this process.
    for extension in FORMATS {
        let directory = TempDir::new().unwrap();
        let name = format!(".DNS.{extension}.{}.partial", std::process::id());
        fs::create_dir(directory.path().join(name)).unwrap();
        let done = start(
            source(),
            &setup(directory.path(), extension),
            &Arc::default(),
        );
        assert!(done.is_ok(), "{done:?}");
        let made = directory.path().join(format!("DNS.{extension}"));
        assert!(made.is_file(), "{made:?}");
    }
}

#[test]
fn a_file_that_appears_during_the_run_is_kept_and_so_is_what_was_read() {
    let expected = outcome(open(&capture("example.pcap")).unwrap(), "ncap", 1, 10);
    for (overwrite, before) in [(false, None), (true, None), (true, Some("old"))] {
        let directory = TempDir::new().unwrap();
        let path = directory.path().join("TCP.ncap");
        if let Some(before) = before {
            fs::write(&path, before).unwrap();
        }
        let source = Box::new(Meddling {
            inner: open(&capture("example.pcap")).unwrap(),
            batches: 2,
            act: Some({
                let path = path.clone();
                move || fs::write(path, "somebody else's").unwrap()
            }),
        });
        let mut setup = setup(directory.path(), "ncap");
        setup.run.batch_packets = 10;
        setup.files.overwrite = overwrite;
        let outlet = collect(source, &setup, &Arc::default()).unwrap().1;
        assert_eq!(fs::read(&path).unwrap(), b"somebody else's");
        let told = outlet.in_the_way().unwrap();
        let entries = fs::read_dir(directory.path()).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names.len(), 2, "{names:?}");
        let folder = directory.path().join(&names[0]);
        assert!(told.contains(&*folder.to_string_lossy()), "{told}");
        assert!(files(&folder) == expected.1, "all of it, in {folder:?}");
    }
}
