//! `pcap-over-ip` as a program, end to end: against readers and writers of our own here, against
//! tshark, dumpcap, tcpdump, ncat and socat where they are installed, and in network namespaces where
//! these may be made. What is absent is skipped, and said.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Cursor, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use netcap_capture::pcap_writer::TimeUnit;
use netcap_capture::{Batch, LinkType, Timestamp, from_reader, pcapng_writer};

/// As long as anything here may take, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

const PROGRAM: &str = env!("CARGO_BIN_EXE_pcap-over-ip");

/// The program at work, and what it says.
struct Running {
    child: Child,
    lines: Receiver<String>,
    said: Vec<String>,
}

impl Running {
    fn start(args: &str) -> Running {
        Running::start_with(args, Stdio::null())
    }

    fn start_with(args: &str, input: Stdio) -> Running {
        let mut child = Command::new(PROGRAM)
            .args(args.split_whitespace())
            .stdin(input)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let (sender, lines) = channel();
        thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Running {
            child,
            lines,
            said: Vec::new(),
        }
    }

    /// Waits for a line that holds the text.
    fn line_with(&mut self, text: &str) -> String {
        if let Some(line) = self.said.iter().find(|line| line.contains(text)) {
            return line.clone();
        }
        let until = Instant::now() + PATIENCE;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let line = self.lines.recv_timeout(left);
            let line = line.unwrap_or_else(|_| panic!("no line with '{text}': {:?}", self.said));
            self.said.push(line.clone());
            if line.contains(text) {
                return line;
            }
        }
    }

    /// Where it listens.
    fn address(&mut self) -> SocketAddr {
        let line = self.line_with(" at 127.0.0.1:");
        line.rsplit(' ').next().unwrap().parse().unwrap()
    }

    fn input(&mut self) -> ChildStdin {
        self.child.stdin.take().unwrap()
    }

    /// The most memory that it has held, in megabytes, where the system tells.
    fn peak(&self) -> Option<f64> {
        let path = format!("/proc/{}/status", self.child.id());
        let status = std::fs::read_to_string(path).ok()?;
        let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
        let kibibytes: f64 = line.split_whitespace().nth(1)?.parse().ok()?;
        Some(kibibytes * 1024.0 / 1e6)
    }

    /// Sends SIGINT.
    fn interrupt(&self) {
        let status = Command::new("sh")
            .args(["-c", &format!("kill -INT {}", self.child.id())])
            .status();
        assert!(status.unwrap().success());
    }

    /// Waits for its end.
    fn end(mut self) -> (ExitStatus, Vec<String>) {
        let until = Instant::now() + PATIENCE;
        while self.child.try_wait().unwrap().is_none() {
            assert!(Instant::now() < until, "it does not end: {:?}", self.said);
            thread::sleep(Duration::from_millis(20));
        }
        let status = self.child.wait().unwrap();
        while let Ok(line) = self.lines.recv_timeout(Duration::from_secs(5)) {
            self.said.push(line);
        }
        (status, std::mem::take(&mut self.said))
    }

    /// Has it end in good order.
    fn stop(self) -> Vec<String> {
        self.interrupt();
        let (status, said) = self.end();
        assert_eq!(status.code(), Some(0), "{said:?}");
        said
    }
}

/// A test that fails leaves nothing running.
impl Drop for Running {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Runs the program to its end.
fn run(args: &str) -> (Option<i32>, Vec<String>) {
    let (status, said) = Running::start(args).end();
    (status.code(), said)
}

/// Whether a program is installed.
fn has(program: &str) -> bool {
    let found = Command::new("sh")
        .args(["-c", &format!("command -v {program}")])
        .stdout(Stdio::null())
        .status();
    let found = found.is_ok_and(|status| status.success());
    if !found {
        eprintln!("skipped: {program} is not installed");
    }
    found
}

/// Whether network namespaces can be made and captured from.
fn has_namespaces() -> bool {
    let made = Command::new("unshare")
        .args([
            "-n", "ip", "link", "add", "a0", "type", "veth", "peer", "name", "a1",
        ])
        .stderr(Stdio::null())
        .status();
    let made = made.is_ok_and(|status| status.success());
    if !made {
        eprintln!("skipped: network namespaces need root, unshare and ip");
    }
    let libpcap = netcap_capture::libpcap::version();
    if let Err(error) = &libpcap {
        eprintln!("skipped: {error}");
    }
    made && libpcap.is_ok() && has("bash")
}

/// The number-th packet of a sort: Ethernet, IPv4, UDP.
fn udp(number: u32, length: usize) -> Vec<u8> {
    let mut frame = vec![2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0];
    let total = (28 + length) as u16;
    frame.extend_from_slice(&[0x45, 0]);
    frame.extend_from_slice(&total.to_be_bytes());
    frame.extend_from_slice(&[0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
    frame.extend_from_slice(&[0x27, 0x10, 0xd1, 0x1f]);
    frame.extend_from_slice(&(8 + length as u16).to_be_bytes());
    frame.extend_from_slice(&[0, 0]);
    frame.extend_from_slice(&number.to_be_bytes());
    frame.resize(42 + length.max(4), 0x78);
    frame
}

fn time(seconds: i64, nanos: u32) -> Timestamp {
    Timestamp { seconds, nanos }
}

/// A pcap file of so many packets, a millisecond apart.
fn pcap(packets: u32, length: usize) -> Vec<u8> {
    let unit = TimeUnit::Microseconds;
    let mut file = unit.file_header(LinkType::ETHERNET, 262_144).to_vec();
    for number in 0..packets {
        let frame = udp(number, length);
        let at = time(
            1_700_000_000 + i64::from(number / 1000),
            number % 1000 * 1_000_000,
        );
        unit.append_record(&mut file, at, frame.len() as u32, &frame);
    }
    file
}

/// A file of that content, and the folder that holds it.
fn file(content: &[u8]) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.pcap");
    std::fs::write(&path, content).unwrap();
    (folder, path)
}

/// A packet that was read: time, link type, interface, octets.
type Seen = (Timestamp, LinkType, u32, Vec<u8>);

/// All packets of a whole capture.
fn packets(capture: &[u8]) -> Vec<Seen> {
    let reader = Box::new(Cursor::new(capture.to_vec()));
    let mut source = from_reader("what came", reader, None).unwrap();
    let mut batch = Batch::new(1 << 20, 4096);
    let mut seen = Vec::new();
    while source.fill(&mut batch).unwrap() {
        seen.extend(batch.iter().map(|(packet, octets)| {
            (
                packet.timestamp,
                packet.link_type,
                packet.interface,
                octets.to_vec(),
            )
        }));
    }
    seen
}

/// Reads all that comes from there, up to its end.
fn receive(address: SocketAddr) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).unwrap();
    let mut all = Vec::new();
    stream.read_to_end(&mut all).unwrap();
    all
}

fn read_in_thread(mut stream: TcpStream) -> JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut all = Vec::new();
        stream.read_to_end(&mut all).unwrap();
        all
    })
}

/// The number before a word in a line.
fn figure(line: &str, word: &str) -> u64 {
    let words: Vec<_> = line.split([' ', ',', ';']).collect();
    let at = words.iter().position(|each| each.starts_with(word));
    let at = at.unwrap_or_else(|| panic!("no {word}: {line}"));
    words[at - 1].parse().unwrap()
}

#[test]
fn every_reader_gets_the_file() {
    let content = pcap(5000, 200);
    let (_folder, path) = file(&content);
    let mut server = Running::start(&format!("serve {} --listen 127.0.0.1:0", path.display()));
    let address = server.address();
    let clients: Vec<_> = (0..4)
        .map(|_| thread::spawn(move || receive(address)))
        .collect();
    for client in clients {
        assert!(client.join().unwrap() == content);
    }
    // One that goes away at once does no harm, nor does one that talks.
    drop(TcpStream::connect(address).unwrap());
    let mut talking = TcpStream::connect(address).unwrap();
    talking.write_all(b"GET / HTTP/1.0\r\n\r\n").unwrap();
    let mut all = Vec::new();
    talking.read_to_end(&mut all).unwrap();
    assert!(all == content);

    let shell = |command: String| {
        let output = Command::new("sh").args(["-c", &command]).output().unwrap();
        String::from_utf8_lossy(&output.stdout).lines().count()
    };
    if has("tshark") {
        let command = format!("timeout 30 tshark -Q -i TCP@{address} -T fields -e frame.number");
        assert_eq!(shell(command), 5000);
    }
    if has("dumpcap") {
        let out = path.with_extension("out");
        shell(format!(
            "timeout 30 dumpcap -q -i TCP@{address} -w {}",
            out.display()
        ));
        assert_eq!(packets(&std::fs::read(out).unwrap()).len(), 5000);
    }
    let (host, port) = (address.ip(), address.port());
    if has("tcpdump") {
        for reader in ["ncat --recv-only {} {}", "socat -u TCP:{}:{} -"] {
            if has(reader.split(' ').next().unwrap()) {
                let reader = reader.replacen("{}", &host.to_string(), 1).replacen(
                    "{}",
                    &port.to_string(),
                    1,
                );
                assert_eq!(shell(format!("timeout 30 {reader} | tcpdump -nr -")), 5000);
            }
        }
    }
    server.stop();
}

#[test]
fn what_cannot_be_pcap_is_pcapng() {
    let mut mixed = Vec::new();
    pcapng_writer::append_section(&mut mixed, "a test");
    pcapng_writer::append_interface(&mut mixed, "eth0", LinkType::ETHERNET, 0);
    pcapng_writer::append_interface(&mut mixed, "tun0", LinkType::RAW, 0);
    let frame = udp(1, 60);
    pcapng_writer::append_packet(&mut mixed, 0, time(1, 1), 102, &frame);
    pcapng_writer::append_packet(&mut mixed, 1, time(2, 2), 88, &frame[14..]);
    pcapng_writer::append_packet(&mut mixed, 1, time(3, 3), 88, &[]);
    let (_folder, path) = file(&mixed);
    let path = path.display();

    let mut server = Running::start(&format!("serve {path} --listen 127.0.0.1:0"));
    let seen = packets(&receive(server.address()));
    // The packet without octets is not for peers: dumpcap takes one for the end.
    let links: Vec<_> = seen.iter().map(|seen| (seen.0, seen.1)).collect();
    assert_eq!(
        links,
        [
            (time(1, 1), LinkType::ETHERNET),
            (time(2, 2), LinkType::RAW)
        ]
    );
    server.stop();

    let (code, said) = run(&format!("serve {path} --format pcap --listen 127.0.0.1:0"));
    assert_eq!(code, Some(1));
    assert!(said.concat().contains("2 link types"), "{said:?}");
}

#[test]
fn mistakes_have_one_line_and_a_code() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap();
    let (_folder, path) = file(&pcap(1, 10));
    let path = path.display().to_string();
    for (args, code) in [
        ("serve".to_owned(), 1),
        ("serve no-such-file.pcap".to_owned(), 2),
        (format!("serve {path} --listen {taken}"), 2),
        (format!("serve {path} --listen 0.0.0.0:0 --require-tls"), 1),
        (format!("serve {path} --mode live --loop"), 1),
        (format!("hub {path} tcp://127.0.0.1:1"), 1),
        ("hub tcp://127.0.0.1:1 --once -w /dev/null".to_owned(), 2),
        (format!("serve {path} --connect 127.0.0.1:1 --once"), 2),
        (format!("hub {path} -w /no/such/place"), 5),
        ("tls pin no-such-file.pem".to_owned(), 2),
    ] {
        let (found, said) = run(&args);
        assert_eq!(found, Some(code), "{args}: {said:?}");
        assert!(!said.is_empty(), "{args}");
    }
}

#[test]
fn a_stalled_peer_loses_its_own_packets_only() {
    const PACKETS: u32 = 60_000;
    let content = pcap(PACKETS, 1000);
    let args = "serve - --listen 127.0.0.1:0 --max-clients 2";
    let mut server = Running::start_with(args, Stdio::piped());
    let mut input = server.input();
    input.write_all(&content[..24]).unwrap();
    let address = server.address();
    let ceiling = server.line_with(" MB (--queue, --max-clients change that)");
    let fast = TcpStream::connect(address).unwrap();
    let slow = TcpStream::connect(address).unwrap();
    let slow_name = slow.local_addr().unwrap().to_string();
    // Their header is there before the first packet is.
    for mut peer in [&fast, &slow] {
        let mut header = [0; 24];
        peer.read_exact(&mut header).unwrap();
        assert_eq!(header, content[..24]);
    }
    let fast = read_in_thread(fast);
    for piece in content[24..].chunks(256 << 10) {
        input.write_all(piece).unwrap();
        thread::sleep(Duration::from_millis(10));
    }
    // What it said it may take at most, it does not take.
    let ceiling: f64 = ceiling.split(' ').nth(4).unwrap().parse().unwrap();
    if let Some(held) = server.peak() {
        assert!(held < ceiling, "{held} of {ceiling} MB");
    }
    drop(input);
    let fast = fast.join().unwrap();
    assert!(fast == content[24..], "{} octets", fast.len());

    // The slow one gets whole records, and what it lacks is counted.
    let slow = read_in_thread(slow).join().unwrap();
    let slow = packets(&[&content[..24], &slow].concat());
    let (status, said) = server.end();
    assert_eq!(status.code(), Some(0));
    let account = said.iter().find(|line| line.contains(&slow_name)).unwrap();
    let dropped = figure(account, "(");
    assert!(dropped > 0, "{account}");
    assert_eq!(slow.len() as u64 + dropped, u64::from(PACKETS), "{account}");
    assert!(slow.iter().all(|seen| seen.3.len() == 1042));
}

#[test]
fn a_peer_that_talks_is_let_go() {
    let mut server = Running::start_with("serve - --listen 127.0.0.1:0", Stdio::piped());
    let mut input = server.input();
    input.write_all(&pcap(0, 0)).unwrap();
    let mut peer = TcpStream::connect(server.address()).unwrap();
    // It may be let go while it still talks.
    drop(peer.write_all(&[0; 100 << 10]));
    drop(peer.read_to_end(&mut Vec::new()));
    server.line_with("it talks");
    drop(input);
    assert_eq!(server.end().0.code(), Some(0));
}

#[test]
fn too_many_peers_are_turned_away() {
    let args = "serve - --listen 127.0.0.1:0 --max-clients 2";
    let mut server = Running::start_with(args, Stdio::piped());
    let mut input = server.input();
    input.write_all(&pcap(0, 0)).unwrap();
    let address = server.address();
    let mut peers: Vec<_> = (0..3)
        .map(|_| TcpStream::connect(address).unwrap())
        .collect();
    server.line_with("as --max-clients allows");
    drop(input);
    let mut whole = 0;
    for peer in &mut peers {
        let mut all = Vec::new();
        drop(peer.read_to_end(&mut all));
        whole += usize::from(all.len() == 24);
    }
    assert_eq!(whole, 2);
    assert_eq!(server.end().0.code(), Some(0));
}

#[test]
fn what_protects_nothing_is_refused() {
    let (_folder, path) = file(&pcap(5, 60));
    let path = path.display();
    for (args, expected) in [
        (
            "hub tcp://127.0.0.1:1 --once --insecure".to_owned(),
            "--insecure is for TLS",
        ),
        (
            format!("replay {path} -i lo --strict-tls"),
            "--strict-tls is for TLS",
        ),
        (
            format!("hub {path} -w /dev/null --server-name x"),
            "--server-name is for TLS",
        ),
        (
            "hub listen://0.0.0.0:0 --require-tls".to_owned(),
            "anyone who can reach",
        ),
        (format!("hub tcp://127.0.0.1:1 {path}"), "two runs"),
    ] {
        let (code, said) = run(&args);
        assert_eq!(code, Some(1), "{args}: {said:?}");
        assert!(said.concat().contains(expected), "{args}: {said:?}");
    }
}

#[test]
fn strangers_get_nothing() {
    let (_folder, path) = file(&pcap(5, 60));
    let args = "--listen 127.0.0.1:0 --allow 10.0.0.0/8 --allow ::1";
    let mut server = Running::start(&format!("serve {} {args}", path.display()));
    let mut peer = TcpStream::connect(server.address()).unwrap();
    let mut all = Vec::new();
    drop(peer.read_to_end(&mut all));
    assert!(all.is_empty());
    server.line_with("--allow");
    server.stop();
}

/// Serves octets to one peer at an address, as often as it is bound.
fn scripted(address: SocketAddr, octets: Vec<u8>) -> SocketAddr {
    let until = Instant::now() + PATIENCE;
    let listener = loop {
        match TcpListener::bind(address) {
            Ok(listener) => break listener,
            Err(error) if Instant::now() > until => panic!("{error}"),
            Err(_) => thread::sleep(Duration::from_millis(50)),
        }
    };
    let bound = listener.local_addr().unwrap();
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.write_all(&octets).unwrap();
    });
    bound
}

#[test]
fn a_source_that_comes_back_is_read_on() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out.pcapng");
    let any = "127.0.0.1:0".parse().unwrap();
    let address = scripted(any, pcap(5, 60));
    let args = format!("hub tcp://{address} -w {}", out.display());
    let mut hub = Running::start(&args);
    // The file may end anywhere while it grows.
    let read = || {
        let mut source = netcap_capture::open(&out).ok()?;
        let mut batch = Batch::new(1 << 20, 4096);
        let mut count = 0;
        while source.fill(&mut batch).ok()? {
            count += batch.len();
        }
        Some(count)
    };
    let wait_for = |count: usize| {
        let until = Instant::now() + PATIENCE;
        while read() < Some(count) {
            assert!(Instant::now() < until, "{:?} of {count}", read());
            thread::sleep(Duration::from_millis(50));
        }
    };
    hub.line_with("memory");
    wait_for(5);
    scripted(address, pcap(3, 60));
    wait_for(8);
    let said = hub.stop().join("\n");
    assert!(said.contains("connections 2"), "{said}");
    assert!(said.contains("gaps 1"), "{said}");
    assert_eq!(read(), Some(8));
}

#[test]
fn a_sensor_connects_again() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let args = format!("serve - --connect {address}");
    let mut sensor = Running::start_with(&args, Stdio::piped());
    let mut input = sensor.input();
    let content = pcap(12, 60);
    let record = (content.len() - 24) / 12;
    let mut send = |from: usize, to: usize| {
        let piece = &content[..];
        let start = if from == 0 { 0 } else { 24 + from * record };
        input.write_all(&piece[start..24 + to * record]).unwrap();
    };
    send(0, 1);
    let (mut first, _) = listener.accept().unwrap();
    let mut header = [0; 24];
    first.read_exact(&mut header).unwrap();
    send(1, 4);
    let mut record_octets = vec![0; 3 * record];
    // The first may have come before the connection was there.
    first.read_exact(&mut record_octets).unwrap();
    first.shutdown(std::net::Shutdown::Both).unwrap();
    drop((first, listener));
    // What is sent while nobody is there is lost; it takes a packet or two to notice.
    for number in 4..8 {
        send(number, number + 1);
        thread::sleep(Duration::from_millis(150));
    }
    let listener = loop {
        match TcpListener::bind(address) {
            Ok(listener) => break listener,
            Err(_) => thread::sleep(Duration::from_millis(50)),
        }
    };
    let (second, _) = listener.accept().unwrap();
    thread::sleep(Duration::from_millis(300));
    send(8, 12);
    drop(input);
    let all = read_in_thread(second).join().unwrap();
    let seen = packets(&all);
    let numbers: Vec<_> = seen.iter().map(|seen| seen.3[45]).collect();
    assert!(numbers.ends_with(&[8, 9, 10, 11]), "{numbers:?}");
    let (status, said) = sensor.end();
    assert_eq!(status.code(), Some(0), "{said:?}");
    assert!(said.concat().contains("while nobody was there"), "{said:?}");
}

/// Whether octets hold a text.
fn holds(octets: &[u8], text: &str) -> bool {
    octets
        .windows(text.len())
        .any(|window| window == text.as_bytes())
}

#[test]
fn sixty_four_inputs_in_order_of_time() {
    const INPUTS: u32 = 64;
    const PACKETS: u32 = 50;
    // Each has every 64th packet, and two kinds of link between them.
    let mut addresses = BTreeSet::new();
    let mut gates = Vec::new();
    for input in 0..INPUTS {
        let link_type = if input % 2 == 0 {
            LinkType::ETHERNET
        } else {
            LinkType::RAW
        };
        let unit = TimeUnit::Nanoseconds;
        let mut content = unit.file_header(link_type, 65_535).to_vec();
        for number in 0..PACKETS {
            let at = number * INPUTS + input;
            let frame = udp(at, 60);
            let octets = if input % 2 == 0 {
                &frame[..]
            } else {
                &frame[14..]
            };
            let when = Timestamp::new(1_700_000_000, u64::from(at) * 1_000_000);
            unit.append_record(&mut content, when, octets.len() as u32, octets);
        }
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        addresses.insert(listener.local_addr().unwrap());
        let (gate, opened) = channel::<()>();
        gates.push(gate);
        thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            stream.write_all(&content[..24]).unwrap();
            // Until the readers are there.
            let _ = opened.recv();
            stream.write_all(&content[24..]).unwrap();
        });
    }
    let names: Vec<_> = addresses.iter().map(|all| format!("tcp://{all}")).collect();
    let args = format!(
        "hub {} --once --window 3000 --listen 127.0.0.1:0",
        names.join(" ")
    );
    let mut hub = Running::start(&args);
    let address = hub.address();
    let mut client = TcpStream::connect(address).unwrap();
    let tshark = has("tshark").then(|| {
        let child = Command::new("tshark")
            .args(["-Q", "-i", &format!("TCP@{address}")])
            .args([
                "-T",
                "fields",
                "-e",
                "frame.interface_name",
                "-e",
                "frame.time_epoch",
            ])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        thread::spawn(move || child.wait_with_output().unwrap())
    });
    // All inputs are there when all of them are described.
    let mut all = Vec::new();
    while names.iter().any(|name| !holds(&all, name)) {
        let mut piece = [0; 4096];
        let read = client.read(&mut piece).unwrap();
        assert!(read > 0);
        all.extend_from_slice(&piece[..read]);
    }
    // tshark needs a while to begin; it gets whatever waits for it then.
    thread::sleep(Duration::from_secs(if tshark.is_some() { 3 } else { 0 }));
    drop(gates);

    client.read_to_end(&mut all).unwrap();
    let seen = packets(&all);
    assert_eq!(seen.len(), (INPUTS * PACKETS) as usize);
    assert!(seen.windows(2).all(|pair| pair[0].0 <= pair[1].0));
    for (_, link_type, _, octets) in &seen {
        let is_ethernet = octets.len() == 102;
        assert_eq!(*link_type == LinkType::ETHERNET, is_ethernet);
    }
    if let Some(tshark) = tshark {
        let output = tshark.join().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let rows: Vec<_> = text
            .lines()
            .filter_map(|line| line.split_once('\t'))
            .collect();
        assert_eq!(rows.len(), (INPUTS * PACKETS) as usize);
        assert!(rows.windows(2).all(|pair| pair[0].1 <= pair[1].1));
        let shown: BTreeSet<_> = rows.iter().map(|(name, _)| *name).collect();
        assert_eq!(shown, names.iter().map(String::as_str).collect());
    }
    let (status, said) = hub.end();
    assert_eq!(status.code(), Some(0), "{said:?}");
    assert!(!said.concat().contains("late"), "{said:?}");
}

#[test]
fn certificates_pins_and_who_has_none() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path().display();
    let make = || run(&format!("tls make localhost 127.0.0.1 --out {at}"));
    assert_eq!(make().0, Some(0));
    let key = folder.path().join("localhost.key");
    let before = std::fs::read(&key).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::mode(&key.metadata().unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(make().0, Some(5));
    assert_eq!(std::fs::read(&key).unwrap(), before);

    let (_capture, path) = file(&pcap(5, 60));
    let args = format!(
        "serve {} --listen 127.0.0.1:0 --cert {at}/localhost.pem --key {at}/localhost.key",
        path.display()
    );
    let mut server = Running::start(&args);
    let address = server.address();
    // One who says nothing does not hold up the others; one without TLS gets nothing.
    let silent = TcpStream::connect(address).unwrap();
    let mut plain = TcpStream::connect(address).unwrap();
    plain.write_all(&[b'x'; 64]).unwrap();
    let mut all = Vec::new();
    drop(plain.read_to_end(&mut all));
    assert!(all.len() < 24);

    let pin = |target: &str| {
        let output = Command::new(PROGRAM).args(["tls", "pin", target]).output();
        String::from_utf8(output.unwrap().stdout).unwrap()
    };
    let shown = pin(&format!("{at}/localhost.pem"));
    assert!(shown.starts_with("sha256/"), "{shown}");
    assert_eq!(pin(&address.to_string()), shown);

    let out = folder.path().join("out.pcapng");
    let hub = |how: &str| {
        let args = format!("hub tls://{address} --once {how} -w {}", out.display());
        run(&args).0
    };
    assert_eq!(hub(&format!("--pin {shown}")), Some(0));
    assert_eq!(packets(&std::fs::read(&out).unwrap()).len(), 5);
    assert_eq!(hub(&format!("--ca {at}/localhost.pem")), Some(0));
    assert_eq!(packets(&std::fs::read(&out).unwrap()).len(), 5);
    assert_eq!(hub(&format!("--pin sha256/{}=", "A".repeat(43))), Some(4));
    assert_eq!(hub(""), Some(4));
    // Nor does it hold up the end.
    let _another = TcpStream::connect(address).unwrap();
    let since = Instant::now();
    server.stop();
    assert!(since.elapsed() < Duration::from_secs(8));
    drop(silent);
}

/// Runs a script in a network namespace of its own.
fn in_namespace(folder: &Path, script: &str) -> String {
    let output = Command::new("timeout")
        .args(["60", "unshare", "-n", "bash", "-ec", script])
        .env("P", PROGRAM)
        .current_dir(folder)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    said
}

#[test]
fn replayed_over_a_wire_and_captured_again() {
    if !has_namespaces() {
        return;
    }
    let content = pcap(2000, 400);
    let (folder, _) = file(&content);
    in_namespace(
        folder.path(),
        "ip link set lo up
         ip link add v0 type veth peer name v1
         for i in v0 v1; do
             echo 1 > /proc/sys/net/ipv6/conf/$i/disable_ipv6 || true
             ip link set $i up
         done
         $P serve -i v1 --filter 'udp port 53535' 2> serve.txt & S=$!
         until grep -q memory serve.txt; do sleep 0.1; done
         $P hub TCP@127.0.0.1:57012 --once -w out.pcapng 2> hub.txt & H=$!
         # Its interface stands in the file: it is connected.
         until [ -s out.pcapng ] && [ $(stat -c %s out.pcapng) -gt 100 ]; do sleep 0.1; done
         $P replay a.pcap -i v0 --pace max 2> replay.txt
         sleep 1
         kill -INT $S; wait $S; wait $H",
    );
    let read = |name: &str| std::fs::read(folder.path().join(name)).unwrap();
    let replayed = String::from_utf8(read("replay.txt")).unwrap();
    assert!(replayed.contains("2000 packets"), "{replayed}");
    let octets =
        |capture: &[u8]| -> Vec<_> { packets(capture).into_iter().map(|seen| seen.3).collect() };
    assert!(octets(&read("out.pcapng")) == octets(&content));
}

#[test]
fn a_stream_over_the_interface_it_is_captured_from_does_not_carry_itself() {
    if !has_namespaces() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    in_namespace(
        folder.path(),
        "ip link set lo up
         $P serve -i lo --listen 57012 --connect 127.0.0.1:57013 2> serve.txt & S=$!
         $P hub TCP@127.0.0.1:57012 -w out.pcapng 2> hub.txt & H=$!
         $P hub listen://127.0.0.1:57013 -w pushed.pcapng 2> pushed.txt & G=$!
         for f in out.pcapng pushed.pcapng; do
             until [ -s $f ] && [ $(stat -c %s $f) -gt 100 ]; do sleep 0.1; done
         done
         for i in 1 2 3 4 5; do echo hello > /dev/udp/127.0.0.1/9; sleep 0.2; done
         sleep 1
         kill -INT $S; wait $S; kill -INT $H $G; wait $H; wait $G",
    );
    for name in ["out.pcapng", "pushed.pcapng"] {
        let seen = packets(&std::fs::read(folder.path().join(name)).unwrap());
        let of_tcp = seen
            .iter()
            .filter(|seen| seen.3.get(23) == Some(&6))
            .count();
        // Before a connection of ours is there it cannot be known: its first packets.
        assert!(of_tcp <= 8, "{name}: {of_tcp} of {}", seen.len());
        let of_udp = seen
            .iter()
            .filter(|seen| seen.3.get(23) == Some(&17))
            .count();
        assert_eq!(of_udp, 5, "{name}");
    }
}
