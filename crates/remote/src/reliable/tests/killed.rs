//! Server and sensor as processes of their own, which are killed (SIGKILL) again and again.

use std::process::{Child, Command, Stdio};

use super::*;

const RECORDS: u64 = 60_000;
const IN_BATCH: u64 = 50;

/// A process that does not outlive the test.
pub(super) struct Process(Child);

impl Process {
    pub(super) fn start(test: &str, world: &World, port: u16) -> Process {
        let child = Command::new(std::env::current_exe().expect("this program"))
            .args(["--ignored", "--exact", "--nocapture"])
            .arg(format!("reliable::tests::{test}"))
            .env("NETCAP_TEST_FOLDER", world.folder.path())
            .env("NETCAP_TEST_PORT", port.to_string())
            .stdout(Stdio::null())
            .spawn();
        Process(child.expect("a process"))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The folder and the port that the process was given.
pub(super) fn given() -> Option<(PathBuf, u16)> {
    let folder = std::env::var_os("NETCAP_TEST_FOLDER")?;
    let port = std::env::var("NETCAP_TEST_PORT").ok()?;
    Some((folder.into(), port.parse().expect("a port")))
}

pub(super) fn known(folder: &Path, name: &str) -> TlsOptions {
    TlsOptions {
        cert: Some(folder.join(format!("{name}.pem"))),
        key: Some(folder.join(format!("{name}.key"))),
        ..TlsOptions::default()
    }
}

#[test]
#[ignore = "a process of the other tests"]
fn a_server() {
    let Some((folder, port)) = given() else {
        return;
    };
    let enrolment = Enrolment::open(&folder.join("sensors")).expect("opened");
    let server = known(&folder, "server");
    let limits = ServerOptions::default();
    let _running = start(&folder, &server, &Arc::new(enrolment), port, limits);
    thread::sleep(2 * LONG);
}

#[test]
#[ignore = "a process of the other tests"]
fn a_sensor() {
    let Some((folder, port)) = given() else {
        return;
    };
    let sensor = TlsOptions {
        pins: vec![pin(&known(&folder, "server"))],
        ..known(&folder, "alice")
    };
    read_all(&sensor, port);
}

/// Sends all records of a stream that the server has not.
fn read_all(sensor: &TlsOptions, port: u16) {
    let mut options = options(sensor, port);
    options.queue = 32 << 10;
    let mut sender = ReliableSender::connect(options, [1; 16]).expect("connected");
    let tcp = schema("TCP");
    let mut next = sender.position(tcp);
    while next < RECORDS {
        let end = RECORDS.min(next + IN_BATCH);
        sender.send(batch(tcp, next..end)).expect("sent");
        next = end;
    }
    sender.finish(true).expect("delivered");
    assert_eq!(sender.counters().snapshot().lost, 0);
}

/// A port that nobody listens on.
pub(super) fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address").port()
}

#[test]
fn a_server_that_is_killed_loses_and_doubles_nothing() {
    let world = World::new();
    let sensor = world.sensor("alice");
    let port = free_port();
    let mut server = Some(Process::start("killed::a_server", &world, port));
    let mut kills = 0;
    let sending = thread::spawn(move || read_all(&sensor, port));
    while !sending.is_finished() {
        thread::sleep(Duration::from_millis(100 + kills * 37 % 150));
        if kills < 12 {
            // One holds the port and the folder.
            drop(server.take());
            server = Some(Process::start("killed::a_server", &world, port));
            kills += 1;
        }
    }
    sending.join().expect("delivered");
    drop(server);
    assert!(kills > 1, "it was over too soon to say anything");
    let records = world.records("alice", schema("TCP"));
    assert_eq!(records, (0..RECORDS).collect::<Vec<_>>());
}

#[test]
fn a_sensor_that_is_killed_loses_and_doubles_nothing() {
    let world = World::new();
    world.sensor("alice");
    let running = world.start(0, ServerOptions::default());
    let mut kills = 0;
    loop {
        let mut sensor = Process::start("killed::a_sensor", &world, running.port());
        if kills >= 12 {
            assert!(sensor.0.wait().expect("an end").success());
            break;
        }
        thread::sleep(Duration::from_millis(60 + kills * 37 % 100));
        drop(sensor);
        kills += 1;
    }
    let records = world.records("alice", schema("TCP"));
    assert_eq!(records, (0..RECORDS).collect::<Vec<_>>());
    let counts = running.sensor("alice");
    assert_eq!(running.kept("alice").records, RECORDS);
    assert_eq!(counts.gaps, 0);
    assert!(counts.connections > 2, "{counts:?}");
}
