//! A server and sensors over loopback, with certificates made for the test.

mod delivery;
mod hostile;
mod killed;
mod parts;
mod refusals;
mod spooled;

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use netcap_capture::pcap_over_ip::{Pin, TlsOptions};
use netcap_record::Schema;
use netcap_store::Reader;
use tempfile::TempDir;

use super::*;
use crate::archive::{Archive, Kept};
use crate::batch::{Batch, Sender as _};
use crate::client_name::ClientName;

/// What anything may take.
const LONG: Duration = Duration::from_secs(60);

/// A server's folder, its identity, and those of sensors.
struct World {
    folder: TempDir,
    server: TlsOptions,
    enrolment: Arc<Enrolment>,
}

struct Running {
    server: ReliableServer,
    archive: Arc<Archive>,
}

impl World {
    fn new() -> World {
        let folder = tempfile::tempdir().expect("a folder");
        World {
            server: identity(folder.path(), "server"),
            enrolment: Arc::new(Enrolment::open(&folder.path().join("sensors")).expect("opened")),
            folder,
        }
    }

    /// A sensor's identity, enrolled.
    fn sensor(&self, name: &str) -> TlsOptions {
        let sensor = self.stranger(name);
        self.enrolment.add(name, pin(&sensor)).expect("enrolled");
        sensor
    }

    /// One that is not enrolled.
    fn stranger(&self, name: &str) -> TlsOptions {
        TlsOptions {
            pins: vec![pin(&self.server)],
            ..identity(self.folder.path(), name)
        }
    }

    fn start(&self, port: u16, options: ServerOptions) -> Running {
        start(
            self.folder.path(),
            &self.server,
            &self.enrolment,
            port,
            options,
        )
    }

    fn path(&self, sensor: &str, schema: &Schema) -> PathBuf {
        let file = format!("out/{sensor}/{}.ncap.gz", schema.name);
        self.folder.path().join(file)
    }

    /// The numbers of the records that there are, in order.
    fn records(&self, sensor: &str, schema: &Schema) -> Vec<u64> {
        let mut reader = Reader::open(&self.path(sensor, schema)).expect("readable");
        let mut numbers = Vec::new();
        while let Some(record) = reader.next_record().expect("readable") {
            let text = std::str::from_utf8(&record[2..]).expect("digits");
            let digits = text.split('x').next().expect("digits");
            numbers.push(digits.parse().expect("a number"));
        }
        numbers
    }
}

impl Running {
    fn port(&self) -> u16 {
        self.server.local_addr().port()
    }

    fn sensor(&self, name: &str) -> SensorCounts {
        let sensors = self.server.counts().sensors;
        let found = sensors.into_iter().find(|sensor| sensor.name == name);
        found.expect("a sensor")
    }

    /// What was kept of a sensor since the start, of all types.
    fn kept(&self, name: &str) -> Kept {
        let counts = self.archive.counts();
        let types = counts.get(&ClientName::new(name.as_bytes()));
        let mut sum = Kept::default();
        for kept in types.into_iter().flat_map(|types| types.values()) {
            sum.batches += kept.batches;
            sum.records += kept.records;
            sum.octets += kept.octets;
        }
        sum
    }
}

fn start(
    folder: &Path,
    server: &TlsOptions,
    enrolment: &Arc<Enrolment>,
    port: u16,
    options: ServerOptions,
) -> Running {
    let archive = Arc::new(Archive::open(&folder.join("out"), "test").expect("an archive"));
    let tls = server_tls(server, enrolment).expect("an identity");
    let address = format!("tls-listen://127.0.0.1:{port}").parse();
    let address = address.expect("an address");
    let server = ReliableServer::start(&address, &tls, &archive, enrolment, options);
    Running {
        server: server.expect("listening"),
        archive,
    }
}

fn identity(folder: &Path, name: &str) -> TlsOptions {
    let made = rcgen::generate_simple_self_signed(vec![name.to_owned()]).expect("made");
    write_identity(
        folder,
        name,
        &made.cert.pem(),
        &made.signing_key.serialize_pem(),
    )
}

fn write_identity(folder: &Path, name: &str, cert: &str, key: &str) -> TlsOptions {
    let path = |end| folder.join(format!("{name}.{end}"));
    for (path, text) in [(path("pem"), cert), (path("key"), key)] {
        std::fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(path)
            .and_then(|mut file| file.write_all(text.as_bytes()))
            .expect("written");
    }
    TlsOptions {
        cert: Some(path("pem")),
        key: Some(path("key")),
        ..TlsOptions::default()
    }
}

fn pin(options: &TlsOptions) -> Pin {
    Pin::of_file(options.cert.as_ref().expect("a certificate")).expect("a pin")
}

fn schema(name: &str) -> &'static Schema {
    let schemas = netcap_pipeline::schemas();
    let found = schemas.into_iter().find(|schema| schema.encoder == name);
    found.expect("a type")
}

/// Records that hold their number, and octets that do not compress well.
fn batch(schema: &'static Schema, numbers: std::ops::Range<u64>) -> Batch {
    let mut frames = Vec::new();
    for number in numbers.clone() {
        let noise = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let text = format!("{number}x{noise:x}{:x}", noise.rotate_left(17) ^ 0x5555);
        frames.push(text.len() as u8 + 2);
        frames.extend_from_slice(&[0x0a, text.len() as u8]);
        frames.extend_from_slice(text.as_bytes());
    }
    Batch {
        schema,
        first: numbers.start,
        count: (numbers.end - numbers.start) as u32,
        payloads: false,
        frames,
    }
}

/// A sensor's options: it waits for the server, and for all to be delivered.
fn options(tls: &TlsOptions, port: u16) -> ReliableOptions {
    let address = format!("tls://127.0.0.1:{port}").parse();
    ReliableOptions {
        source: "test".to_owned(),
        on_full: OnFull::Wait,
        connect_deadline: Some(LONG),
        finish_deadline: Some(LONG),
        waits: (Duration::from_millis(5), Duration::from_millis(50)),
        ..ReliableOptions::new(address.expect("an address"), sensor_tls(tls).expect("TLS"))
    }
}

/// Waits until something holds.
fn until(what: &str, holds: impl Fn() -> bool) {
    let end = Instant::now() + LONG;
    while !holds() {
        assert!(Instant::now() < end, "{what}");
        thread::sleep(Duration::from_millis(5));
    }
}

/// Forwards connections to a port, and cuts each after some octets.
struct Proxy {
    local: SocketAddr,
    target: Arc<AtomicU16>,
    cuts: Arc<AtomicU64>,
    is_tame: Arc<AtomicBool>,
}

impl Proxy {
    fn start(port: u16, most: u64) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let proxy = Proxy {
            local: listener.local_addr().expect("an address"),
            target: Arc::new(AtomicU16::new(port)),
            cuts: Arc::default(),
            is_tame: Arc::default(),
        };
        let (target, cuts) = (Arc::clone(&proxy.target), Arc::clone(&proxy.cuts));
        let is_tame = Arc::clone(&proxy.is_tame);
        thread::spawn(move || {
            let mut chance = 88_172_645_463_325_252u64;
            for client in listener.incoming().flatten() {
                // Xorshift (Marsaglia 2003).
                chance ^= chance << 13;
                chance ^= chance >> 7;
                chance ^= chance << 17;
                let limit = match is_tame.load(Ordering::Relaxed) {
                    true => u64::MAX,
                    false => chance % most,
                };
                let port = target.load(Ordering::Relaxed);
                let Ok(server) = TcpStream::connect(("127.0.0.1", port)) else {
                    continue;
                };
                let pair = Arc::new((client, server));
                let back = Arc::clone(&pair);
                let counted = Arc::clone(&cuts);
                thread::spawn(move || forward(&pair.0, &pair.1, limit, &counted));
                // What the server says is cut too, sometimes.
                let limit = if chance & 256 == 0 { limit / 10 } else { limit };
                let counted = Arc::clone(&cuts);
                thread::spawn(move || forward(&back.1, &back.0, limit, &counted));
            }
        });
        proxy
    }
}

fn forward(mut from: &TcpStream, mut to: &TcpStream, mut limit: u64, cuts: &AtomicU64) {
    let mut buffer = [0; 4096];
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        let some = limit.min(count as u64) as usize;
        limit -= some as u64;
        if to.write_all(&buffer[..some]).is_err() {
            break;
        }
        if some < count {
            cuts.fetch_add(1, Ordering::Relaxed);
            break;
        }
    }
    let _ = from.shutdown(Shutdown::Both);
    let _ = to.shutdown(Shutdown::Both);
}

/// Keeps what a sensor is told.
fn notes(options: &mut ReliableOptions) -> Arc<Mutex<Vec<String>>> {
    let notes = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&notes);
    options.notify = Some(Box::new(move |text| {
        kept.lock().expect("a lock").push(text.to_owned())
    }));
    notes
}
