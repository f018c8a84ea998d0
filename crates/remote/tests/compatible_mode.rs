//! Sensors and the server of the compatible mode, over the loopback interface: what arrives is kept once
//! and in order, and no datagram ends the server.

use std::collections::BTreeMap;
use std::fs;
use std::net::{SocketAddr, UdpSocket};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use netcap_record::{
    Header, Message, Record, RecordType, Scalar, Schema, Text, Timestamp, frame, frame_octets,
};
use netcap_remote::reliable::Enrolment;
use netcap_remote::{
    Archive, Batch, ClientName, Collector, CollectorCounts, CollectorOptions, LONGEST_BATCH,
    LONGEST_DATAGRAM, Opener, PrivateKey, PublicKey, Refusal, Sealer, Sender, SenderCounts,
    SenderOptions, UdpSender, inflate,
};
use netcap_store::{Gzip, Reader};

/// Generous: nothing is measured, only waited for.
const DEADLINE: Duration = Duration::from_secs(60);

struct Server {
    folder: tempfile::TempDir,
    address: SocketAddr,
    key: PublicKey,
    archive: Arc<Archive>,
    collector: Collector,
}

impl Server {
    fn start(options: &CollectorOptions) -> Server {
        Server::with(PrivateKey::random().expect("random"), options)
    }

    fn with(secret: PrivateKey, options: &CollectorOptions) -> Server {
        let folder = tempfile::tempdir().expect("a folder");
        let archive = Archive::open(&folder.path().join("out"), "test").expect("an archive");
        let archive = Arc::new(archive);
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
        Server {
            folder,
            address: socket.local_addr().expect("an address"),
            key: secret.public(),
            collector: Collector::start(socket, &secret, Arc::clone(&archive), options)
                .expect("started"),
            archive,
        }
    }

    /// Waits until so many datagrams have come, and each has met its fate.
    fn settled(&self, datagrams: u64) -> CollectorCounts {
        let end = Instant::now() + DEADLINE;
        loop {
            let counts = self.collector.counts();
            if counts.datagrams == datagrams && fates(&counts) == datagrams {
                return counts;
            }
            assert!(Instant::now() < end, "{datagrams} datagrams: {counts:?}");
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Sends one after the other, so that no buffer is too small.
    fn send(&self, socket: &UdpSocket, sent: &mut u64, datagram: &[u8]) {
        socket.send_to(datagram, self.address).expect("sent");
        *sent += 1;
        if sent.is_multiple_of(64) {
            self.settled(*sent);
        }
    }

    /// The records of a file, when the server has stopped.
    fn stopped(self, client: &[u8], schema: &Schema) -> Vec<Vec<u8>> {
        self.collector.stop();
        let file = format!("out/{}/{}.ncap.gz", ClientName::new(client), schema.name);
        records(&self.folder.path().join(file))
    }
}

fn fates(counts: &CollectorCounts) -> u64 {
    counts.taken + counts.refusals.values().sum::<u64>() + counts.duplicates + counts.queue_drops
}

fn records(path: &Path) -> Vec<Vec<u8>> {
    let mut reader = Reader::open(path).expect("a file");
    let mut records = Vec::new();
    while let Some(record) = reader.next_record().expect("a record") {
        records.push(record.to_vec());
    }
    records
}

fn schema(name: &str) -> &'static Schema {
    let schemas = netcap_pipeline::schemas();
    let found = schemas.into_iter().find(|schema| schema.name == name);
    found.expect("a type")
}

/// A record that holds a time, which is field 1 of all types.
fn record(text: &str) -> Vec<u8> {
    let mut record = vec![0x0a, text.len() as u8];
    record.extend_from_slice(text.as_bytes());
    record
}

fn frames(texts: &[&str]) -> Vec<u8> {
    let mut frames = Vec::new();
    for text in texts {
        frame_octets(&record(text), &mut frames);
    }
    frames
}

fn header(record_type: u16, payloads: bool) -> Vec<u8> {
    let header = Header {
        created: Timestamp::new(1_552_143_255, 965_350_000),
        input_source: Text(b"eth0"),
        record_type: RecordType(record_type),
        version: Text(b"v0.3.9"),
        contains_payloads: payloads,
    };
    let mut out = Vec::new();
    frame(&header, &mut out);
    out
}

fn wire_batch<'a>(client: &'a [u8], data: &'a [u8]) -> netcap_record::Batch<'a> {
    netcap_record::Batch {
        client_id: Text(client),
        message_type: RecordType(38),
        total_size: data.len() as i32,
        data,
        contains_payloads: false,
    }
}

fn encoded(batch: &netcap_record::Batch<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    batch.encode(&mut out);
    out
}

/// A sealed batch with a record of TCP.
fn datagram(sealer: &mut Sealer, client: &[u8], text: &str) -> Vec<u8> {
    let message = encoded(&wire_batch(client, &frames(&[text])));
    let sealed = sealer.seal(&Gzip::default().member(&message));
    sealed.expect("sealed")
}

fn batch_of(texts: &[&str]) -> Batch {
    Batch {
        schema: schema("TCP"),
        first: 0,
        count: texts.len() as u32,
        payloads: false,
        frames: frames(texts),
    }
}

fn options(client: &str) -> SenderOptions {
    SenderOptions {
        client: client.as_bytes().to_vec(),
        source: b"eth0".to_vec(),
        version: "test".to_owned(),
        max: 10_240,
        waits: true,
        rate: 0,
    }
}

/// Octets that do not compress (xorshift).
fn noise(length: usize, seed: u64) -> Vec<u8> {
    let mut state = seed;
    let next = |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    };
    (0..length).map(next).collect()
}

#[test]
fn all_records_arrive_once_and_in_order() {
    let server = Server::start(&CollectorOptions::default());
    let types = netcap_pipeline::schemas();
    let mut expected: BTreeMap<(&str, &str), Vec<Vec<u8>>> = BTreeMap::new();
    let mut sent = 0;
    for client in ["alice", "bob"] {
        let mut settings = options(client);
        settings.rate = 2000;
        let mut sender = UdpSender::start(server.address, &server.key, settings).expect("started");
        for round in 0..40 {
            for (place, schema) in types.iter().enumerate() {
                // Most types have a single record.
                if round > 0 && place % 20 != 0 {
                    continue;
                }
                let texts: Vec<String> = (0..=round).map(|n| format!("{round}.{n}")).collect();
                let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
                let batch = Batch {
                    schema,
                    payloads: place % 2 == 0,
                    ..batch_of(&texts)
                };
                sender.send(batch).expect("taken");
                let all = expected.entry((client, schema.name)).or_default();
                all.extend(texts.iter().map(|text| record(text)));
            }
        }
        sender.finish(true).expect("sent");
        sender.finish(true).expect("again does no harm");
        let counts = sender.counters().snapshot();
        assert_eq!((counts.dropped, counts.send_errors), (0, 0));
        assert!(counts.too_large.is_empty());
        assert_eq!(counts.datagrams, counts.batches + types.len() as u64);
        sent += counts.datagrams;
        server.settled(sent);
    }
    let out = server.folder.path().join("out");
    let kept = server.archive.counts();
    let (counts, trouble) = server.collector.stop();
    assert!(trouble.is_none(), "{trouble:?}");
    assert_eq!(fates(&counts), sent);
    assert_eq!(counts.refusals.values().sum::<u64>(), 0);
    for ((client, name), expected) in &expected {
        let path = out.join(client).join(format!("{name}.ncap.gz"));
        assert_eq!(&records(&path), expected, "{client} {name}");
        let reader = Reader::open(&path).expect("a file");
        let place = types.iter().position(|schema| schema.name == *name);
        let payloads = place.is_some_and(|place| place % 2 == 0);
        assert_eq!(reader.header().contains_payloads, payloads, "{name}");
        let kept = kept[&ClientName::new(client.as_bytes())][name];
        assert_eq!(kept.records, expected.len() as u64, "{client} {name}");
        let octets: usize = expected.iter().map(|record| 1 + record.len()).sum();
        assert_eq!(kept.octets, octets as u64, "{client} {name}");
    }
}

/// Made with PyNaCl 1.6.2 and Python's gzip: a batch of one TCP record, behind a header as the sensor of
/// 2019 writes it. The server's private key is 0, 1 .. 31.
const OF_ANOTHER_SENSOR: &str = "\
    7d9c24316539825c1896e57f28197746793ce60cbee3ad47da9d07b85fa55e2ac8c9cacbcccdcecfd0d1d2d3\
    d4d5d6d7d8d9dadbdcdddedfce472acebc8905c2473f625662ddf775a2ddb68147cb3d282aebb8407a1a6e49\
    dc15d6cd0d1df4b31f106c30376e152ca4d0935b86dbbdcf2508dd03106af1443eb259545970cc8c2ed865e7\
    64384617a760c0750e754caeca6e3a";

#[test]
fn datagrams_of_another_sensor_are_kept() {
    let secret = PrivateKey::from_octets(std::array::from_fn(|place| place as u8));
    let server = Server::with(secret, &CollectorOptions::default());
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    let digits = OF_ANOTHER_SENSOR.as_bytes().chunks(2).map(|pair| {
        let pair = std::str::from_utf8(pair).expect("digits");
        u8::from_str_radix(pair, 16).expect("digits")
    });
    let mut sent = 0;
    server.send(&socket, &mut sent, &digits.collect::<Vec<u8>>());
    let counts = server.settled(sent);
    assert_eq!(counts.refusals.values().sum::<u64>(), 0);
    let kept = server.stopped(b"alice", schema("TCP"));
    assert_eq!(kept, [record("1552143256.5")]);
}

#[test]
fn what_came_before_the_stop_is_kept() {
    let server = Server::start(&CollectorOptions::default());
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    let mut sealers: Vec<_> = (0..5)
        .map(|_| Sealer::new(&server.key).expect("a key"))
        .collect();
    for n in 0..100 {
        let datagram = datagram(&mut sealers[n % 5], b"alice", &format!("{n}.1"));
        socket.send_to(&datagram, server.address).expect("sent");
    }
    // Nothing is waited for: on the loopback interface all of it is in the socket's buffer.
    let mut kept = server.stopped(b"alice", schema("TCP"));
    let mut expected: Vec<_> = (0..100).map(|n| record(&format!("{n}.1"))).collect();
    kept.sort();
    expected.sort();
    assert_eq!(kept, expected);
}

#[test]
fn damaged_datagrams_are_counted_and_the_next_is_kept() {
    let server = Server::start(&CollectorOptions::default());
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    let mut sealer = Sealer::new(&server.key).expect("a key");
    let good = datagram(&mut sealer, b"alice", "1.1");
    let (mut sent, mut short, mut forged) = (0, 0, 0);
    for length in 0..good.len() {
        server.send(&socket, &mut sent, &good[..length]);
        *(if length < 72 { &mut short } else { &mut forged }) += 1;
    }
    for place in 0..good.len() {
        for change in [0x01, 0x80] {
            let mut changed = good.clone();
            changed[place] ^= change;
            server.send(&socket, &mut sent, &changed);
            forged += 1;
        }
    }
    server.send(&socket, &mut sent, &noise(LONGEST_DATAGRAM, 1));
    forged += 1;
    server.send(&socket, &mut sent, &[0; LONGEST_DATAGRAM]);
    for _ in 0..4 {
        server.send(&socket, &mut sent, &good);
    }
    let next = datagram(&mut sealer, b"alice", "2.2");
    server.send(&socket, &mut sent, &next);
    let counts = server.settled(sent);
    assert_eq!(counts.refusals[&Refusal::TooShort], short);
    assert_eq!(counts.refusals[&Refusal::Forged], forged);
    assert_eq!(counts.refusals[&Refusal::WeakKey], 1);
    assert_eq!(counts.duplicates, 3);
    let kept = server.archive.counts();
    assert_eq!(kept[&ClientName::new(b"alice")]["TCP"].records, 2);
    let kept = server.stopped(b"alice", schema("TCP"));
    assert_eq!(kept, [record("1.1"), record("2.2")]);
}

/// A field of protobuf that is a number.
fn number(field: u8, value: &[u8]) -> Vec<u8> {
    [&[field << 3][..], value].concat()
}

/// Batches, and why each is refused; none where it is kept.
fn odd_batches() -> Vec<(Vec<u8>, Option<Refusal>)> {
    use Refusal::*;
    let one = frames(&["1.1"]);
    let good = encoded(&wire_batch(b"eve", &one));
    let with = |change: &dyn Fn(&mut netcap_record::Batch<'_>)| {
        let mut batch = wire_batch(b"eve", &one);
        change(&mut batch);
        encoded(&batch)
    };
    let of_type = |number| with(&|batch| batch.message_type = RecordType(number));
    let of_size = |size| with(&|batch| batch.total_size = size);
    let data = |data: &[u8]| encoded(&wire_batch(b"eve", data));
    let and = |more: &[u8]| [&good[..], more].concat();
    let tcp_header = header(38, true);
    let ten = [0xff; 10];
    vec![
        (good.clone(), None),
        (Vec::new(), Some(UnknownType)),
        // A name that is missing is one too; of what is repeated the last one counts.
        (with(&|batch| batch.client_id = Text(b"")), None),
        (with(&|batch| batch.client_id = Text(&[0xff; 4000])), None),
        (and(b"\x0a\x03bob"), None),
        (and(b"\x0a\x05bob"), Some(NotBatch)),
        (and(&number(1, &[1])), Some(NotBatch)),
        // Types: missing, of no record, of a part of records, unknown, huge, negative, no number.
        (of_type(0), Some(UnknownType)),
        (of_type(1), Some(UnknownType)),
        (of_type(44), Some(UnknownType)),
        (of_type(u16::MAX), Some(UnknownType)),
        (and(&number(2, &[0xa6, 0x80, 4])), Some(UnknownType)),
        (
            and(&[&number(2, &ten[1..])[..], &[1]].concat()),
            Some(UnknownType),
        ),
        ([&number(2, &[0]), &good[..]].concat(), None),
        (and(b"\x12\x01\x26"), Some(NotBatch)),
        // Sizes.
        (of_size(0), Some(WrongSize)),
        (of_size(one.len() as i32 + 1), Some(WrongSize)),
        (of_size(-1), Some(WrongSize)),
        (of_size(i32::MAX), Some(WrongSize)),
        (and(&[&number(3, &ten)[..], &[1]].concat()), Some(NotBatch)),
        // Data: missing, empty, another, cut off, of another wire type.
        (with(&|batch| batch.data = b""), Some(WrongSize)),
        (data(b""), Some(NoRecords)),
        (with(&|batch| batch.data = &[1, 0]), Some(WrongSize)),
        (and(b"\x22\x00"), Some(WrongSize)),
        (and(b"\x22"), Some(NotBatch)),
        (and(b"\x22\xff\xff\xff\xff\x0f"), Some(NotBatch)),
        (and(&number(4, &[1])), Some(NotBatch)),
        // Records.
        (data(&one[..one.len() - 1]), Some(NotWhole)),
        (data(&[&one[..], &[9]].concat()), Some(NotWhole)),
        (data(&[0xff; 5]), Some(NotWhole)),
        (data(b"\xff\xff\xff\xff\x0f"), Some(NotWhole)),
        (data(b"\x01\x0a"), Some(NotOfItsType)),
        (data(b"\x02\x08\x01"), Some(NotOfItsType)),
        (data(b"\x02\x0b\x0c"), Some(NotOfItsType)),
        (data(&[&one[..], b"\x01\x0a"].concat()), Some(NotOfItsType)),
        // Fields that are not known are nobody's business, but must be whole.
        (and(&number(9, &[1])), None),
        (and(b"\x4a"), Some(NotBatch)),
        (data(b"\x06\x0a\x011\xf8\x7f\x01"), None),
        (with(&|batch| batch.contains_payloads = true), None),
        // Headers: of another type, twice, not first, in front, alone, in part.
        (
            data(&[&header(39, false)[..], &one].concat()),
            Some(NotOfItsType),
        ),
        (
            data(&[&tcp_header[..], &tcp_header, &one].concat()),
            Some(NotOfItsType),
        ),
        (data(&[&one[..], &tcp_header].concat()), Some(NotOfItsType)),
        (data(&[&tcp_header[..], &one].concat()), None),
        (data(&tcp_header), None),
        (data(&tcp_header[..tcp_header.len() - 3]), Some(NotWhole)),
        // Empty records, which a few octets could hold very many of.
        (data(b"\0"), Some(NotOfItsType)),
        (data(&[0; 15_000]), Some(NotOfItsType)),
        (data(&[&one[..], b"\0"].concat()), Some(NotOfItsType)),
        // Longer than so few octets may bring, and than a batch may be.
        (data(&[1; 15_000]), Some(NotOfItsType)),
        (data(&[1; 30_000]), Some(TooLong)),
        (data(&[1; LONGEST_BATCH]), Some(TooLong)),
        (data(&vec![0; LONGEST_BATCH + 5000]), Some(TooLong)),
        (vec![0; 8 << 20], Some(TooLong)),
    ]
}

#[test]
fn odd_plaintexts_are_counted_and_the_next_is_kept() {
    let server = Server::start(&CollectorOptions::default());
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    let mut sealer = Sealer::new(&server.key).expect("a key");
    let mut gzip = Gzip::default();
    let mut sent = 0;
    let mut before = server.collector.counts();
    let mut check = |plaintext: &[u8], refusal: Option<Refusal>, what: &dyn std::fmt::Debug| {
        let datagram = sealer.seal(plaintext).expect("sealed");
        assert!(datagram.len() <= LONGEST_DATAGRAM, "{what:?}");
        server.send(&socket, &mut sent, &datagram);
        let mut expected = before.refusals.clone();
        if let Some(refusal) = refusal {
            *expected.entry(refusal).or_default() += 1;
        }
        before = server.settled(sent);
        assert_eq!(before.refusals, expected, "{what:?}");
    };
    for (place, (message, refusal)) in odd_batches().iter().enumerate() {
        let start = &message[..message.len().min(40)];
        check(&gzip.member(message), *refusal, &(place, start));
    }

    // What is not one gzip member.
    let good = encoded(&wire_batch(b"eve", &frames(&["1.1"])));
    let member = gzip.member(&good);
    for plaintext in [
        &b""[..],
        b"text",
        &good,
        &member[1..],
        &[&member[..], &member].concat(),
        &[&member[..], b"\0"].concat(),
    ] {
        check(plaintext, Some(Refusal::NotGzip), &plaintext.len());
    }
    for length in 0..member.len() {
        check(&member[..length], Some(Refusal::NotGzip), &length);
    }
    // In the header there are flags, a time and a system, which need not be right; and behind it, where
    // octets are stored as they are, some bits that say nothing.
    for place in (0..3).chain(11..member.len()) {
        let mut changed = member.clone();
        changed[place] ^= 0x80;
        check(&changed, Some(Refusal::NotGzip), &place);
    }
    check(&member, None, &"the next");
    let kept = server.stopped(b"eve", schema("TCP"));
    assert_eq!(kept.last(), Some(&record("1.1")));
    for record in kept {
        Message::parse(schema("TCP"), &record).expect("of its type");
    }
}

#[test]
fn what_all_is_alike_is_kept_in_several_datagrams() {
    let server = Server::start(&CollectorOptions::default());
    let count = 64 << 10;
    let all = frames(&["1.1"]).repeat(count);
    let batch = Batch {
        count: count as u32,
        frames: all,
        ..batch_of(&[])
    };
    let mut sender =
        UdpSender::start(server.address, &server.key, options("alice")).expect("started");
    sender.send(batch).expect("taken");
    sender.finish(true).expect("sent");
    let counts = sender.counters().snapshot();
    assert_eq!(counts.records, count as u64);
    assert!(counts.datagrams > 2, "{counts:?}");
    server.settled(counts.datagrams);
    let kept = server.stopped(b"alice", schema("TCP"));
    assert_eq!(kept.len(), count);
}

/// Sends a record under each name, and gives how many were refused for a reason.
fn refused(server: &Server, names: &[&[u8]], refusal: Refusal) -> u64 {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    let mut sealer = Sealer::new(&server.key).expect("a key");
    let before = server.collector.counts();
    let mut sent = before.datagrams;
    for name in names {
        let datagram = datagram(&mut sealer, name, "1.1");
        server.send(&socket, &mut sent, &datagram);
    }
    server.settled(sent).refusals[&refusal] - before.refusals[&refusal]
}

#[test]
fn who_has_a_folder_is_let_in_always() {
    let server = Server::start(&CollectorOptions {
        clients: 2,
        ..CollectorOptions::default()
    });
    // One from before the start, and one that another way has made meanwhile.
    for name in ["old", "made"] {
        fs::create_dir(server.folder.path().join("out").join(name)).expect("a folder");
    }
    let names: [&[u8]; 6] = [b"liar", b"another", b"third", b"old", b"made", b"liar"];
    assert_eq!(refused(&server, &names, Refusal::ClientLimit), 1);
    assert!(!server.folder.path().join("out/third").exists());
    let kept = server.stopped(b"old", schema("TCP"));
    assert_eq!(kept, [record("1.1")]);
}

#[test]
fn nobody_writes_under_the_name_of_an_enrolled_sensor() {
    let folder = tempfile::tempdir().expect("a folder");
    let pin = |digit: &str| format!("sha256/{}", digit.repeat(64)).parse();
    let enrolment = Enrolment::open(&folder.path().join("sensors")).expect("no sensors");
    let enrolment = Arc::new(enrolment);
    enrolment
        .add("lab-7", pin("a").expect("a pin"))
        .expect("enrolled");
    let server = Server::start(&CollectorOptions {
        enrolment: Some(Arc::clone(&enrolment)),
        ..CollectorOptions::default()
    });
    let refused = |names: &[&[u8]]| refused(&server, names, Refusal::EnrolledName);
    assert_eq!(refused(&[b"lab-7", b"lab-8", b"lab-7", b"other"]), 2);
    assert!(!server.folder.path().join("out/lab-7").exists());
    // The file is followed.
    enrolment
        .add("lab-8", pin("b").expect("a pin"))
        .expect("enrolled");
    until("enrolled meanwhile", || {
        (refused(&[b"lab-8"]) == 1).then_some(())
    });
    enrolment
        .remove(&pin("a").expect("a pin"))
        .expect("removed");
    until("revoked meanwhile", || {
        (refused(&[b"lab-7"]) == 0).then_some(())
    });
    server.collector.stop();
}

#[test]
fn names_stay_within_the_folder() {
    let server = Server::start(&CollectorOptions {
        clients: 6,
        ..CollectorOptions::default()
    });
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    let mut sealer = Sealer::new(&server.key).expect("a key");
    let mut sent = 0;
    let long = [b'x'; 300];
    let names = [&b".."[..], b"a/b", b"\0", &long, b"", b"/etc/evil\xff"];
    // Two are clients too many; those that are known are still taken after them.
    let others = [&b"seventh"[..], b"../../evil"];
    for name in names.iter().chain(&others).chain(&names) {
        let datagram = datagram(&mut sealer, name, "1.1");
        server.send(&socket, &mut sent, &datagram);
    }
    let counts = server.settled(sent);
    assert_eq!(counts.refusals[&Refusal::ClientLimit], 2);
    assert_eq!(counts.clients.len(), names.len());
    server.collector.stop();

    let listed = |path: &Path| {
        let entries = fs::read_dir(path).expect("a folder");
        let name = |entry: std::io::Result<fs::DirEntry>| entry.expect("an entry").file_name();
        let mut names: Vec<_> = entries
            .map(|entry| name(entry).into_string().expect("UTF-8"))
            .collect();
        names.sort();
        names
    };
    assert_eq!(listed(server.folder.path()), ["out"]);
    let mut expected: Vec<_> = names
        .iter()
        .map(|name| ClientName::new(name).folder().to_owned())
        .collect();
    let out = server.folder.path().join("out");
    for name in &expected {
        assert_eq!(listed(&out.join(name)), ["TCP.ncap.gz"]);
        assert_eq!(records(&out.join(name).join("TCP.ncap.gz")).len(), 2);
    }
    expected.push(".lock".to_owned());
    expected.sort();
    assert_eq!(listed(&out), expected);
}

#[test]
fn a_file_in_the_way_is_trouble_for_its_client_only() {
    let server = Server::start(&CollectorOptions::default());
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    let mut sealer = Sealer::new(&server.key).expect("a key");
    fs::write(server.folder.path().join("out/alice"), "a file").expect("written");
    let mut sent = 0;
    for client in [&b"alice"[..], b"bob"] {
        let datagram = datagram(&mut sealer, client, "1.1");
        server.send(&socket, &mut sent, &datagram);
    }
    let counts = server.settled(sent);
    assert_eq!(counts.refusals[&Refusal::NotStored], 1);
    let trouble = server.collector.trouble().expect("a file is in the way");
    assert!(trouble.to_string().contains("alice"), "{trouble}");
    assert!(server.collector.trouble().is_none());
    let kept = server.stopped(b"bob", schema("TCP"));
    assert_eq!(kept, [record("1.1")]);
}

/// Asks again and again until there is an answer.
fn until<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + DEADLINE;
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < end, "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_disk_that_refuses_is_trouble_until_it_takes_again() {
    let server = Server::start(&CollectorOptions::default());
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    let mut sealer = Sealer::new(&server.key).expect("a key");
    let mut sent = 0;
    let mut send = |text: &str| {
        let datagram = datagram(&mut sealer, b"alice", text);
        server.send(&socket, &mut sent, &datagram);
        server.settled(sent).refusals[&Refusal::NotStored]
    };
    assert_eq!(send("1.1"), 0);
    let path = server.folder.path().join("out/alice/TCP.ncap.gz");
    until("written each second", || {
        (records(&path).len() == 1).then_some(())
    });
    server.archive.commit().expect("on the disk");
    // Nothing of the disk is there: what is in the way of one client would be no such trouble.
    let [out, away] = ["out", "away"].map(|name| server.folder.path().join(name));
    fs::rename(&out, &away).expect("renamed");
    assert_eq!(send("2.2"), 1);
    let trouble = until("trouble", || server.collector.trouble());
    assert!(trouble.is_of_all(), "{trouble}");
    assert_eq!(send("3.3"), 2);
    assert_eq!(send("4.4"), 3);
    fs::rename(&away, &out).expect("renamed");
    let mut refused = 3;
    until("taken again", || {
        let before = std::mem::replace(&mut refused, send("5.5"));
        (refused == before).then_some(())
    });
    server.collector.trouble();
    let kept = server.stopped(b"alice", schema("TCP"));
    assert_eq!(kept, ["1.1", "5.5"].map(record));
}

/// What a sensor sends, to a socket that only listens.
fn listened(max: usize, batch: Batch) -> (Vec<Vec<u8>>, SenderCounts) {
    let secret = PrivateKey::random().expect("random");
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    socket.set_read_timeout(Some(DEADLINE)).expect("a time");
    let address = socket.local_addr().expect("an address");
    let mut settings = options("alice");
    settings.max = max;
    settings.rate = 500;
    let mut sender = UdpSender::start(address, &secret.public(), settings).expect("started");
    let counters = sender.counters();
    let sending = std::thread::spawn(move || {
        sender.send(batch).expect("taken");
        sender.finish(true).expect("sent");
        // So that nobody waits for more.
        let last = UdpSocket::bind("127.0.0.1:0").expect("a socket");
        last.send_to(b"last", address).expect("sent");
    });
    let mut opener = Opener::new(secret, 4);
    let mut messages = Vec::new();
    let mut room = vec![0; 65_535];
    loop {
        let length = socket.recv(&mut room).expect("a datagram");
        if &room[..length] == b"last" {
            break;
        }
        assert!(length <= max.clamp(10_240, LONGEST_DATAGRAM));
        let sealed = opener.open(&room[..length]).expect("opened");
        let mut message = Vec::new();
        inflate(&sealed.plaintext, 2 << 20, &mut message).expect("gzip");
        messages.push(message);
    }
    sending.join().expect("sent");
    (messages, counters.snapshot())
}

fn data(message: &[u8]) -> Vec<u8> {
    let schema = netcap_record::Batch::SCHEMA;
    let message = Message::parse(schema, message).expect("a batch");
    let value = |name: &str| message.value(schema.field(name).expect("a field"));
    let Some(Scalar::Bytes(data)) = value("Data") else {
        panic!("no data");
    };
    assert!(matches!(value("ClientID"), Some(Scalar::Text(b"alice"))));
    assert!(matches!(value("MessageType"), Some(Scalar::RecordType(38))));
    assert!(matches!(value("TotalSize"), Some(Scalar::Int(n)) if n == data.len() as i64));
    let payloads = value("ContainsPayloads");
    assert!(matches!(payloads, Some(Scalar::Bool(false))));
    data.to_vec()
}

#[test]
fn datagrams_are_as_long_as_the_server_reads() {
    // Records that do not compress, in a field that is not known, which is passed over.
    let noisy = |length: usize, seed: u64| {
        let mut record = vec![0xc2, 0x3e];
        frame_octets(&noise(length, seed), &mut record);
        let mut frames = Vec::new();
        frame_octets(&record, &mut frames);
        frames
    };
    for (max, too_large) in [(100, 2), (10_240, 2), (30_000, 1), (1 << 20, 1)] {
        let lengths = [3000, 3000, 20_000, 3000, 70_000, 9000, 9000, 10];
        let all = (1..).zip(lengths).map(|(n, length)| noisy(length, n));
        let all: Vec<_> = all.collect();
        let batch = Batch {
            count: lengths.len() as u32,
            frames: all.concat(),
            ..batch_of(&[])
        };
        let (messages, counts) = listened(max, batch);
        let most = if too_large == 2 { 10_000 } else { 60_000 };
        let fit = all.iter().filter(|frame| frame.len() <= most).cloned();
        let fit: Vec<_> = fit.collect();
        assert_eq!(counts.too_large, BTreeMap::from([("TCP", too_large)]));
        assert_eq!(counts.records, fit.len() as u64);
        assert_eq!(counts.datagrams, messages.len() as u64);
        assert_eq!(counts.batches, 1);
        // The first is a header alone.
        let sent = messages[1..].iter().flat_map(|message| data(message));
        assert_eq!(sent.collect::<Vec<u8>>(), fit.concat(), "{max}");
        let first = data(&messages[0]);
        let (header, rest) = netcap_record::split_frame(&first).expect("a header");
        assert!(rest.is_empty());
        let header = netcap_record::FileHeader::parse(header).expect("a header");
        assert_eq!((header.record_type, &header.source[..]), (38, &b"eth0"[..]));
        assert_eq!(header.version, "test");
    }
}

#[test]
fn a_server_that_is_not_there_ends_nothing() {
    // A port that was free a moment ago.
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    let address = socket.local_addr().expect("an address");
    drop(socket);
    let key = PrivateKey::random().expect("random").public();
    let mut sender = UdpSender::start(address, &key, options("alice")).expect("started");
    for _ in 0..50 {
        sender.send(batch_of(&["1.1"])).expect("taken");
    }
    sender.finish(true).expect("nothing ends");
    let counts = sender.counters().snapshot();
    assert_eq!(counts.batches, 50);
    assert!(counts.send_errors > 0);
    assert!(counts.last_error.is_some());
}

#[test]
fn in_live_capture_what_comes_too_fast_is_dropped_and_counted() {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    let address = socket.local_addr().expect("an address");
    let key = PrivateKey::random().expect("random").public();
    let mut settings = options("alice");
    settings.waits = false;
    settings.rate = 1000;
    let mut sender = UdpSender::start(address, &key, settings).expect("started");
    let batch = batch_of(&["1.1", "2.2"]);
    for _ in 0..2000 {
        sender.send(batch.clone()).expect("taken");
    }
    sender.finish(true).expect("sent");
    let counts = sender.counters().snapshot();
    assert!(counts.dropped > 0);
    assert_eq!(counts.records + counts.dropped, 4000);
}
