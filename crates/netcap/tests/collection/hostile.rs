//! Datagrams from whoever likes to send them, and from who has the server's public key: each is kept,
//! refused for a reason that is counted, or known to be a repetition, and none ends the server or leaves
//! its folder.

use std::io::Write;
use std::net::UdpSocket;
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use netcap_record::{Batch, Record, RecordType, Text};
use netcap_remote::{Sealer, read_public};

use crate::lab::{Lab, Running, capture, files_in, metrics_when, metrics_with, times, wait_for};

/// Number of TCP among the record types.
const TCP: u16 = 38;
/// Datagrams on their way at once: a small receive buffer holds them.
const AT_ONCE: u64 = 50;

/// Sends datagrams no faster than the server takes them, so that every single one is accounted for.
struct Attack {
    socket: UdpSocket,
    server: String,
    metrics: String,
    sealer: Sealer,
    sent: u64,
}

impl Attack {
    fn new(lab: &Lab, server: &mut Running, address: String) -> Attack {
        let key = read_public(&lab.path("pub.key")).expect("the server's key");
        Attack {
            socket: UdpSocket::bind("127.0.0.1:0").expect("a socket"),
            server: address,
            metrics: server.metrics(),
            sealer: Sealer::new(&key).expect("a good key"),
            sent: 0,
        }
    }

    fn send(&mut self, datagram: &[u8]) {
        self.socket.send_to(datagram, &self.server).expect("sent");
        self.sent += 1;
        if self.sent.is_multiple_of(AT_ONCE) {
            wait_for(|| !waits(&self.server));
        }
    }

    fn seal(&mut self, plaintext: &[u8]) -> Vec<u8> {
        self.sealer.seal(plaintext).expect("sealed")
    }

    /// Sends what opens, and is one gzip member.
    fn send_member(&mut self, content: &[u8]) {
        let datagram = self.seal(&gzip(content));
        self.send(&datagram);
    }

    fn send_batch(&mut self, batch: &Batch<'_>) {
        self.send_member(&encoded(batch));
    }
}

/// Whether datagrams wait in the receive buffer of who listens there, as far as the system tells.
fn waits(address: &str) -> bool {
    let (_, port) = address.rsplit_once(':').expect("a port");
    let port = format!(":{:04X}", port.parse::<u16>().expect("a number"));
    let sockets = std::fs::read_to_string("/proc/net/udp").unwrap_or_default();
    sockets.lines().any(|line| {
        let mut columns = line.split_whitespace().skip(1);
        columns.next().is_some_and(|local| local.ends_with(&port))
            && !columns
                .nth(2)
                .is_some_and(|queues| queues.ends_with(":00000000"))
    })
}

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(content).expect("in memory");
    encoder.finish().expect("in memory")
}

fn encoded(batch: &Batch<'_>) -> Vec<u8> {
    let mut octets = Vec::new();
    batch.encode(&mut octets);
    octets
}

fn batch<'a>(client: &'a [u8], data: &'a [u8]) -> Batch<'a> {
    Batch {
        client_id: Text(client),
        message_type: RecordType(TCP),
        total_size: data.len() as i32,
        data,
        contains_payloads: false,
    }
}

/// Octets that look random, the same at every run.
fn noise(length: usize, random: &mut u64) -> Vec<u8> {
    let octets = (0..length).map(|_| {
        *random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (*random >> 56) as u8
    });
    octets.collect()
}

/// Whatever is no sealed datagram, or none any more.
fn send_unsealed(attack: &mut Attack, good: &[u8]) {
    let mut random = 1;
    for length in [
        0, 1, 23, 24, 31, 32, 48, 71, 72, 73, 100, 1500, 10_240, 65_507,
    ] {
        for octets in [
            vec![0; length],
            vec![255; length],
            noise(length, &mut random),
        ] {
            attack.send(&octets);
        }
    }
    for length in 0..good.len() {
        attack.send(&good[..length]);
    }
    for place in 0..good.len() {
        let mut changed = good.to_vec();
        changed[place] ^= 1 << (place % 8);
        attack.send(&changed);
    }
    attack.send(&[good, &[0]].concat());
}

/// What opens, and is wrong inside, in every field and at every length.
fn send_mutated(attack: &mut Attack, good: &Batch<'_>) {
    let plain = encoded(good);
    let member = gzip(&plain);
    for length in 0..member.len() {
        let datagram = attack.seal(&member[..length]);
        attack.send(&datagram);
    }
    for place in 0..member.len() {
        let mut changed = member.clone();
        changed[place] ^= 1 << (place % 8);
        let datagram = attack.seal(&changed);
        attack.send(&datagram);
    }
    for behind in [&[0][..], &member] {
        let datagram = attack.seal(&[&member, behind].concat());
        attack.send(&datagram);
    }
    for length in 0..plain.len() {
        attack.send_member(&plain[..length]);
    }
    for place in 0..plain.len() {
        for bit in 0..8 {
            let mut changed = plain.clone();
            changed[place] ^= 1 << bit;
            attack.send_member(&changed);
        }
    }
    for number in (0..130).chain([255, 256, 4096, u16::MAX]) {
        let message_type = RecordType(number);
        attack.send_batch(&Batch {
            message_type,
            ..*good
        });
    }
    for total_size in [0, -1, 1, i32::MIN, i32::MAX] {
        attack.send_batch(&Batch {
            total_size,
            ..*good
        });
    }
    attack.send_batch(&batch(b"hostile", b""));
    // A record that ends before its end, a length without end, one of a terabyte.
    for data in [
        &b"\x05\x0a\x011"[..],
        &[0xff; 12],
        b"\x80\x80\x80\x80\x80\x20",
    ] {
        attack.send_batch(&batch(b"hostile", data));
    }
    attack.send_member(&vec![0; 8 << 20]);
}

/// A counter of the metrics, over all its labels that hold `label`.
fn counted(page: &str, name: &str, label: &str) -> u64 {
    let lines = page.lines().filter(|line| {
        let behind = line.strip_prefix(name);
        behind.is_some_and(|rest| rest.starts_with(['{', ' ']) && rest.contains(label))
    });
    let values = lines.map(|line| {
        let (_, value) = line.rsplit_once(' ').expect("a value");
        value.parse::<u64>().expect("a number")
    });
    values.sum()
}

fn names_in(folder: &Path) -> Vec<String> {
    let paths = files_in(folder).into_iter();
    let names = paths.filter_map(|path| path.file_name()?.to_str().map(str::to_owned));
    names.collect()
}

#[test]
fn every_hostile_datagram_is_accounted_for() {
    let lab = Lab::with_keys();
    let (mut server, address) = lab.serve("-max-clients 12 -metrics 127.0.0.1:0");
    let file = capture("example.pcap");
    let sensor = format!(
        "-pubkey pub.key -addr {address} -client good -r {}",
        file.display()
    );
    lab.send(&sensor);

    let mut attack = Attack::new(&lab, &mut server, address);
    let expected = lab.expected(&file);
    let rows: usize = expected.values().map(|rows| rows.len() - 1).sum();
    let before = metrics_when(&attack.metrics, |page| {
        counted(page, "netcap_server_records_total", "") == rows as u64
    });
    let received = counted(&before, "netcap_server_datagrams_total", "");
    let kept = counted(&before, "netcap_server_batches_total", "");
    // Records of nothing but a time: field 1, which is text.
    let data: Vec<u8> = (b'a'..=b'z').flat_map(|c| [3, 0x0a, 1, c]).collect();
    let good = batch(b"hostile", &data);
    let sealed = attack.seal(&gzip(&encoded(&good)));
    send_unsealed(&mut attack, &sealed);
    send_mutated(&mut attack, &good);
    for _ in 0..3 {
        attack.send(&sealed);
    }
    for number in 0..20 {
        attack.send_batch(&batch(format!("liar-{number}").as_bytes(), &data));
    }

    let all = received + attack.sent;
    assert!(attack.sent > 1500, "{}", attack.sent);
    // What was received is looked through a moment later.
    let page = metrics_when(&attack.metrics, |page| {
        let count = |name| counted(page, &format!("netcap_server_{name}_total"), "");
        let looked_through = count("batches") + count("refused") + count("duplicate_datagrams");
        count("datagrams") == all && looked_through - kept == attack.sent
    });
    assert_eq!(
        counted(&page, "netcap_server_duplicate_datagrams_total", ""),
        2
    );
    assert_eq!(
        counted(&page, "netcap_server_dropped_datagrams_total", ""),
        0
    );
    let refused = |reason: &str| {
        counted(
            &page,
            "netcap_server_refused_total",
            &format!("\"{reason}\""),
        )
    };
    // Each length below 72 once, and of eight lengths three.
    assert_eq!(refused("too_short"), 72 + 3 * 8);
    assert_eq!(refused("too_long"), 1);
    for (reason, least) in [
        ("forged", 2 * (sealed.len() as u64 - 72)),
        ("weak_key", 6),
        ("not_gzip", 100),
        ("not_batch", 20),
        ("unknown_type", 50),
        ("wrong_size", 5),
        ("no_records", 1),
        ("not_whole", 3),
        ("not_of_its_type", 1),
        ("client_limit", 20),
    ] {
        assert!(refused(reason) >= least, "{reason}: {}", refused(reason));
    }

    lab.send(&sensor);
    server.stop();
    lab.assert_received("good", &times(&expected, 2));
    assert_eq!(
        files_in(&lab.path("records")).len(),
        1 + 12,
        "clients, and a lock"
    );
}

#[test]
fn no_name_leads_out_of_the_folder() {
    let lab = Lab::with_keys();
    let before = names_in(&lab.path("."));
    let (mut server, address) = lab.serve("-metrics 127.0.0.1:0");
    let mut attack = Attack::new(&lab, &mut server, address);
    let long = [b'x'; 300];
    let deep = b"../".repeat(100);
    let names: [&[u8]; 18] = [
        b"",
        b".",
        b"..",
        b"/",
        b"../outside",
        b"/tmp/outside",
        b"a/../../outside",
        b"..\\outside",
        b"nul\0nul",
        b".lock",
        b".hidden",
        b"-rf",
        b"new\nline \x1b[31m",
        b"\xff\xfe",
        "\u{202e}gnp".as_bytes(),
        b"%2e%2e",
        &long,
        &deep,
    ];
    for name in names {
        attack.send_batch(&batch(name, b"\x03\x0a\x011"));
    }
    let line = format!("netcap_server_datagrams_total {}", names.len());
    metrics_with(&attack.metrics, &[&line]);
    server.stop();

    let mut after = names_in(&lab.path("."));
    after.retain(|name| name != "records");
    assert_eq!(after, before);
    assert!(!Path::new("/tmp/outside").exists());
    let mut folders = names_in(&lab.path("records"));
    folders.retain(|name| name != ".lock");
    assert_eq!(folders.len(), names.len(), "{folders:?}");
    for folder in folders {
        let is_plain = |c: u8| c.is_ascii_alphanumeric() || b"-_.%".contains(&c);
        assert!(
            folder.len() < 256 && folder.bytes().all(is_plain),
            "{folder}"
        );
        assert!(!folder.starts_with('.'), "{folder}");
        let files = names_in(&lab.path("records").join(&folder));
        assert_eq!(files, ["TCP.ncap.gz"], "{folder}");
    }
}
