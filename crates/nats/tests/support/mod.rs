//! A broker of the system's, records with numbers, and what archives have of them.

#![allow(dead_code, unused_imports, clippy::print_stdout, unreachable_pub)]

mod broker;

use std::io::Write as _;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use netcap_nats::{Connection, NatsSender, NatsServer, SenderOptions, ServerOptions};
use netcap_record::{Schema, frame_octets};
use netcap_remote::{Archive, Batch, ClientName, Sender, StreamId};
use netcap_store::{Reader, Rotation};

pub use broker::{Broker, DEADLINE, until};

/// The types of the tests' records.
pub const TYPES: [&str; 3] = ["TCP", "UDP", "DNS"];

impl Broker {
    pub fn connection(&self) -> Connection {
        Connection::new(&self.url())
    }

    /// Messages in a stream.
    pub fn messages(&self, stream: &str) -> Option<u64> {
        let url = self.url();
        runtime().block_on(async {
            let client = async_nats::connect(url).await.ok()?;
            let context = async_nats::jetstream::new(client);
            let mut stream = context.get_stream(stream).await.ok()?;
            Some(stream.info().await.ok()?.state.messages)
        })
    }

    /// What is left in the stream of records, and what the consumer thinks, for who looks into it.
    pub fn describe(&self) -> String {
        use std::fmt::Write as _;
        let url = self.url();
        runtime().block_on(async {
            let mut out = String::new();
            let client = async_nats::connect(url).await.expect("a client");
            let context = async_nats::jetstream::new(client);
            let stream = context.get_stream("NETCAP").await.expect("a stream");
            let state = &stream.cached_info().state;
            let _ = writeln!(out, "{state:?}");
            let consumer = stream.consumer_info("servers").await;
            let _ = writeln!(out, "{consumer:?}");
            let commits = context
                .get_stream("NETCAP_COMMITS")
                .await
                .expect("a stream");
            for sequence in state.first_sequence..=state.last_sequence {
                let Ok(message) = stream.get_raw_message(sequence).await else {
                    continue;
                };
                let header = |name| {
                    message
                        .headers
                        .get(name)
                        .expect("a header")
                        .as_str()
                        .to_owned()
                };
                let extent = format!("{}-{}", header("Netcap-First"), header("Netcap-Count"));
                let claim = message.subject.replace("records", "commits");
                let claim = format!("{claim}.{extent}");
                let claim = commits.get_last_raw_message_by_subject(&claim).await;
                let claim = claim.map(|claim| claim.payload);
                let _ = writeln!(out, "{sequence} {} {extent} {claim:?}", message.subject);
                for subject in [message.subject.as_str(), "netcap.records.>", ">"] {
                    let found = stream
                        .raw_message_builder()
                        .sequence(sequence)
                        .next_by_subject(subject)
                        .send()
                        .await;
                    let found = found.map(|m| m.sequence);
                    let _ = writeln!(out, "   next by {subject}: {found:?}");
                }
            }
            out
        })
    }

    /// Whether a message can be read, by its sequence or otherwise.
    fn has_messages(&self) -> bool {
        let url = self.url();
        runtime().block_on(async {
            let client = async_nats::connect(url).await.expect("a client");
            let context = async_nats::jetstream::new(client);
            let stream = context.get_stream("NETCAP").await.expect("a stream");
            let state = &stream.cached_info().state;
            let next = stream.raw_message_builder().sequence(state.first_sequence);
            if next.next_by_subject(">").send().await.is_ok() {
                return true;
            }
            for sequence in state.first_sequence..=state.last_sequence {
                if stream.get_raw_message(sequence).await.is_ok() {
                    return true;
                }
            }
            false
        })
    }

    /// Waits until the stream of records has nothing left. After a kill nats-server 2.9 may count messages
    /// that it finds by no request until it is started again; whoever waits here looks for all records
    /// then, so these may stay if they were kept.
    pub fn until_empty(&self) {
        let since = Instant::now();
        while self.messages("NETCAP") != Some(0) {
            if since.elapsed() > DEADLINE / 2 && !self.has_messages() {
                println!("counted, but not there: {:?}", self.messages("NETCAP"));
                return;
            }
            assert!(since.elapsed() < DEADLINE, "not taken: {}", self.describe());
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// Publishes something, as anybody could; an answer is not waited for.
    pub fn publish(&self, subject: &str, headers: Option<&str>, payload: &[u8]) {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).expect("a connection");
        let mut octets = b"CONNECT {\"verbose\":false,\"headers\":true}\r\n".to_vec();
        match headers {
            Some(headers) => {
                let total = headers.len() + payload.len();
                let line = format!("HPUB {subject} {} {total}\r\n{headers}", headers.len());
                octets.extend_from_slice(line.as_bytes());
            }
            None => {
                octets.extend_from_slice(format!("PUB {subject} {}\r\n", payload.len()).as_bytes());
            }
        }
        octets.extend_from_slice(payload);
        octets.extend_from_slice(b"\r\nPING\r\n");
        stream.write_all(&octets).expect("written");
        let mut answer = Vec::new();
        while !answer.ends_with(b"PONG\r\n") {
            let mut octet = [0];
            std::io::Read::read_exact(&mut stream, &mut octet).expect("an answer");
            answer.push(octet[0]);
        }
    }
}

pub fn runtime() -> tokio::runtime::Runtime {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_all().build().expect("a runtime")
}

/// Numbers nobody knows before; the first is printed.
pub struct Random(u64);

impl Random {
    pub fn new() -> Random {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .expect("a time");
        println!("random numbers from {}", now.as_nanos() as u64 | 1);
        Random(now.as_nanos() as u64 | 1)
    }

    /// Below a bound.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

pub fn schema(name: &str) -> &'static Schema {
    let schemas = netcap_pipeline::schemas();
    let found = schemas.into_iter().find(|schema| schema.encoder == name);
    found.expect("a type")
}

/// A record, which says what it is in its first field.
pub fn text(sensor: &str, name: &str, number: u64) -> String {
    // Something that does not shrink much.
    let noise = (number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    format!("{sensor} {name} {number:06} {noise:016x}")
}

pub fn frames(sensor: &str, name: &str, numbers: std::ops::Range<u64>) -> Vec<u8> {
    let mut frames = Vec::new();
    for number in numbers {
        let text = text(sensor, name, number);
        let mut record = vec![0x0a, text.len() as u8];
        record.extend_from_slice(text.as_bytes());
        frame_octets(&record, &mut frames);
    }
    frames
}

/// All records of sensors, sorted.
pub fn expected(sensors: &[&str], total: u64) -> Vec<String> {
    let mut all = Vec::new();
    for sensor in sensors {
        for name in TYPES {
            all.extend((0..total).map(|number| text(sensor, name, number)));
        }
    }
    all.sort();
    all
}

pub fn options(connection: Connection, sensor: &str) -> SenderOptions {
    let name = ClientName::new(sensor.as_bytes());
    let mut stream: StreamId = [0x5a; 16];
    stream[..sensor.len().min(16)].copy_from_slice(&sensor.as_bytes()[..sensor.len().min(16)]);
    let mut options = SenderOptions::new(connection, name, stream);
    options.batch_octets = 1200;
    options
}

/// Sends records from where the broker says, in pieces of any length, and a pause after each.
pub fn send(
    options: SenderOptions,
    sensor: &str,
    total: u64,
    pause: Duration,
) -> netcap_nats::Sent {
    let mut random = Random::new();
    let mut sender = NatsSender::start(options).expect("a sender");
    let mut next = TYPES.map(|name| sender.position(schema(name)));
    while next.iter().any(|next| *next < total) {
        for (name, next) in TYPES.iter().zip(&mut next) {
            let end = (*next + 1 + random.below(60)).min(total);
            if *next < end {
                let batch = Batch {
                    schema: schema(name),
                    first: *next,
                    count: (end - *next) as u32,
                    payloads: false,
                    frames: frames(sensor, name, *next..end),
                };
                sender.send(batch).expect("sent");
                *next = end;
            }
        }
        sender.tick().expect("no trouble");
        thread::sleep(pause);
    }
    sender.finish(true).expect("acknowledged");
    sender.sent()
}

pub fn serve(connection: Connection, folder: &Path, ack_wait: Duration) -> NatsServer {
    serve_rotating(connection, folder, ack_wait, None)
}

pub fn serve_rotating(
    connection: Connection,
    folder: &Path,
    ack_wait: Duration,
    rotation: Option<Rotation>,
) -> NatsServer {
    let archive = Archive::open_rotating(folder, "test", rotation).expect("an archive");
    serve_in(connection, Arc::new(archive), ack_wait)
}

pub fn serve_in(connection: Connection, archive: Arc<Archive>, ack_wait: Duration) -> NatsServer {
    let mut options = ServerOptions::new(connection);
    options.ack_wait = ack_wait;
    options.notify = Arc::new(|text| println!("server: {text}"));
    NatsServer::start(options, archive).expect("a server")
}

/// The records in a file.
fn read(file: &Path, all: &mut Vec<String>) -> Option<()> {
    let mut reader = Reader::open(file).ok()?;
    while let Some(record) = reader.next_record().ok()? {
        all.push(String::from_utf8_lossy(&record[2..]).into_owned());
    }
    Some(())
}

/// All records in the folders of servers, sorted; none where a file cannot be read at the moment.
pub fn kept(folders: &[PathBuf]) -> Option<Vec<String>> {
    let mut all = Vec::new();
    for folder in folders {
        for client in std::fs::read_dir(folder).ok()? {
            let client = client.ok()?.path();
            if !client.is_dir() {
                continue;
            }
            for file in std::fs::read_dir(&client).ok()? {
                let file = file.ok()?.path();
                if !file.is_dir() {
                    read(&file, &mut all)?;
                    continue;
                }
                for file in std::fs::read_dir(&file).ok()? {
                    read(&file.ok()?.path(), &mut all)?;
                }
            }
        }
    }
    all.sort();
    Some(all)
}

/// Waits until the broker has nothing left and the folders have what is expected.
pub fn until_kept(broker: &Broker, folders: &[PathBuf], expected: &[String]) {
    broker.until_empty();
    let since = Instant::now();
    let mut found = None;
    while since.elapsed() < Duration::from_secs(60) {
        found = kept(folders);
        if found.as_deref() == Some(expected) {
            return;
        }
        thread::sleep(Duration::from_millis(100));
    }
    let found = found.expect("readable files");
    let mut once = found.clone();
    once.dedup();
    let lost: Vec<_> = expected
        .iter()
        .filter(|record| once.binary_search(record).is_err())
        .take(20)
        .collect();
    panic!(
        "{} records, {} of them different, {} expected; lost {lost:?}",
        found.len(),
        once.len(),
        expected.len()
    );
}

/// What a sender or a server said.
pub type Said = Arc<Mutex<Vec<String>>>;

pub fn listen() -> (Said, netcap_nats::Notify) {
    let said = Said::default();
    let told = Arc::clone(&said);
    let notify: netcap_nats::Notify = Arc::new(move |text| {
        println!("{text}");
        told.lock().expect("a lock").push(text.to_owned());
    });
    (said, notify)
}
