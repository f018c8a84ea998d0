//! A `recollect` at work, with agents that are listeners of the test.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use netcap_agent::Record;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

/// As long as anything here may take, on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) const RULES: &str = "1=2000\n2=M1000\n3=2020-2029\n[Video]\n[\"Voice\"]\n";

/// A record of this number, to port 2000.
pub(crate) fn record(number: u32) -> Record {
    Record {
        seconds: 1_700_000_000,
        microseconds: number,
        source: [10, 0, 0, 1].into(),
        destination: [10, 0, 0, 2].into(),
        source_port: 4000,
        destination_port: 2000,
        length: 100,
        flow_id: 0,
        protocol: 17,
        flags: 0,
    }
}

/// The line of that.
pub(crate) fn line(agent: &str, number: u32) -> String {
    format!("1700000000.{number:06}:{agent}:1:800:0")
}

/// An agent that listens, and its line of the configuration.
pub(crate) fn agent(label: &str) -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let line = format!("{label}:{}\n", listener.local_addr().unwrap());
    (listener, line)
}

/// The collector that comes next.
pub(crate) fn accepted(listener: &TcpListener) -> TcpStream {
    let (stream, _) = listener.accept().unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

/// Sends a record.
pub(crate) fn send(mut stream: &TcpStream, number: u32) {
    stream.write_all(&record(number).encode()).unwrap();
}

/// A folder with a configuration.
pub(crate) fn folder(config: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("collector.conf"), config).unwrap();
    folder
}

pub(crate) fn command(folder: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_recollect"));
    command.args(args).current_dir(folder).stdin(Stdio::null());
    command
}

/// Runs it to its end: exit code, output, errors.
pub(crate) fn run(folder: &Path, args: &[&str]) -> (i32, String, String) {
    let Output {
        status,
        stdout,
        stderr,
    } = command(folder, args).output().unwrap();
    let text = |octets| String::from_utf8(octets).unwrap();
    (status.code().unwrap(), text(stdout), text(stderr))
}

/// See the module.
pub(crate) struct Collector {
    child: Child,
    pub(crate) lines: Receiver<String>,
    pub(crate) errors: Receiver<String>,
    _folder: TempDir,
}

impl Collector {
    pub(crate) fn start(config: &str, args: &[&str]) -> Collector {
        let folder = folder(config);
        let mut child = command(folder.path(), args)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        Collector {
            lines: lines(child.stdout.take().unwrap()),
            errors: lines(child.stderr.take().unwrap()),
            child,
            _folder: folder,
        }
    }

    /// The next line of output.
    pub(crate) fn line(&self) -> String {
        self.lines.recv_timeout(PATIENCE).unwrap()
    }

    /// The next line of errors that has this in it.
    pub(crate) fn told(&self, what: &str) -> String {
        loop {
            let line = self.errors.recv_timeout(PATIENCE);
            let line = line.unwrap_or_else(|_| panic!("never told: {what}"));
            if line.contains(what) {
                return line;
            }
        }
    }

    /// The page of metrics, which it told of so, once it has all of these.
    pub(crate) fn metrics(&self, told: &str, expected: &[&str]) -> String {
        let address = told.split('/').nth(2).unwrap();
        let until = Instant::now() + PATIENCE;
        loop {
            let mut peer = TcpStream::connect(address).unwrap();
            peer.write_all(b"GET /metrics HTTP/1.0\r\n\r\n").unwrap();
            let mut page = String::new();
            peer.read_to_string(&mut page).unwrap();
            if expected.iter().all(|line| page.contains(line)) {
                return page;
            }
            assert!(Instant::now() < until, "{expected:?}{page}");
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// Waits for its end; gives its exit code.
    pub(crate) fn ended(&mut self) -> Option<i32> {
        self.child.wait().unwrap().code()
    }

    /// Ends it by Ctrl-C; gives its exit code.
    pub(crate) fn interrupt(&mut self) -> Option<i32> {
        kill(Pid::from_raw(self.child.id().cast_signed()), Signal::SIGINT).unwrap();
        self.ended()
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn lines(from: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        for line in BufReader::new(from).lines().map_while(Result::ok) {
            // A test that wants no more of it lets it write nevertheless.
            let _ = sender.send(line);
        }
    });
    receiver
}
