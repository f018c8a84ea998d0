//! A folder, `pcapper` at work in it, and captures for it to read.

use std::io::{BufRead, BufReader, Read};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use netcap_agent::{LENGTH, Record};
use netcap_capture::pcap_writer;
use netcap_capture::{LinkType, Timestamp};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

/// As long as anything here may take, on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_pcapper");
/// The MAC and the address of the interface that captures are from.
pub(crate) const MAC: [u8; 6] = [10, 0, 0, 0, 0, 1];
pub(crate) const HERE: [u8; 4] = [10, 9, 0, 1];
pub(crate) const THERE: [u8; 4] = [10, 9, 0, 2];

/// See the module.
pub(crate) struct Lab(TempDir);

impl Lab {
    pub(crate) fn new() -> Lab {
        Lab(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Starts `pcapper` with arguments that hold no spaces, for collectors on this machine.
    pub(crate) fn start(&self, args: &str) -> Running {
        let mut command = Command::new(PROGRAM);
        command.args(["--listen", "127.0.0.1:0"]);
        command.args(args.split_whitespace());
        self.run(command)
    }

    pub(crate) fn run(&self, mut command: Command) -> Running {
        command.current_dir(self.0.path());
        Running::of(command)
    }

    /// Writes a capture of frames, with their times in milliseconds.
    pub(crate) fn capture(&self, name: &str, frames: &[(u64, Vec<u8>)]) {
        let mut file = pcap_writer::file_header(LinkType::ETHERNET, 262_144).to_vec();
        for (time, frame) in frames {
            let time = Timestamp {
                seconds: 1_700_000_000 + (time / 1000).cast_signed(),
                nanos: (time % 1000) as u32 * 1_000_000,
            };
            pcap_writer::append_record(&mut file, time, frame.len() as u32, frame);
        }
        std::fs::write(self.path(name), file).unwrap();
    }

    pub(crate) fn text(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap_or_default()
    }
}

/// A datagram from one MAC and address, from a port that is its number.
pub(crate) fn udp(mac: [u8; 6], source: [u8; 4], number: u16) -> Vec<u8> {
    let destination = if source == THERE { HERE } else { THERE };
    let mut frame = vec![2, 0, 0, 0, 0, 9];
    frame.extend_from_slice(&mac);
    frame.extend_from_slice(&[8, 0, 0x45, 0, 0, 32, 0, 0, 0, 0, 64, 17, 0, 0]);
    frame.extend_from_slice(&source);
    frame.extend_from_slice(&destination);
    frame.extend_from_slice(&number.to_be_bytes());
    frame.extend_from_slice(&[0, 9, 0, 12, 0, 0, 1, 2, 3, 4]);
    frame
}

/// The octets of the record of such a datagram, written down independently.
pub(crate) fn record(time: u64, source: [u8; 4], number: u16) -> Vec<u8> {
    let destination = if source == THERE { HERE } else { THERE };
    let mut record = (1_700_000_000 + (time / 1000) as u32)
        .to_be_bytes()
        .to_vec();
    record.extend_from_slice(&((time % 1000) as u32 * 1000).to_be_bytes());
    record.extend_from_slice(&source);
    record.extend_from_slice(&destination);
    record.extend_from_slice(&number.to_be_bytes());
    record.extend_from_slice(&[0, 9, 0, 32, 0, 0, 0, 0, 17, 0]);
    record
}

/// So many datagrams from here, a millisecond apart.
pub(crate) fn datagrams(count: u64) -> Vec<(u64, Vec<u8>)> {
    let numbers = 0..count;
    numbers
        .map(|number| (number, udp(MAC, HERE, number as u16)))
        .collect()
}

/// The program at work, and what it says.
pub(crate) struct Running {
    child: Child,
    lines: Receiver<String>,
    said: Vec<String>,
}

impl Running {
    pub(crate) fn of(mut command: Command) -> Running {
        let mut child = command
            .stdin(Stdio::null())
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
    pub(crate) fn line_with(&mut self, text: &str) -> String {
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

    /// Where collectors connect.
    pub(crate) fn address(&mut self) -> SocketAddr {
        let line = self.line_with("records at ");
        line.rsplit(' ').next().unwrap().parse().unwrap()
    }

    /// Where collectors of the extended stream connect.
    pub(crate) fn extended_address(&mut self) -> SocketAddr {
        let line = self.line_with("extended stream");
        line.rsplit(' ').next().unwrap().parse().unwrap()
    }

    /// A collector.
    pub(crate) fn collector(&mut self) -> TcpStream {
        let stream = TcpStream::connect(self.address()).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id().cast_signed()), signal).unwrap();
    }

    /// Waits for its end: the exit code, and what it said.
    pub(crate) fn end(mut self) -> (Option<i32>, Vec<String>) {
        let until = Instant::now() + PATIENCE;
        while self.child.try_wait().unwrap().is_none() {
            assert!(Instant::now() < until, "it does not end: {:?}", self.said);
            thread::sleep(Duration::from_millis(20));
        }
        let code = self.child.wait().unwrap().code();
        while let Ok(line) = self.lines.recv_timeout(Duration::from_secs(5)) {
            self.said.push(line);
        }
        (code, std::mem::take(&mut self.said))
    }

    /// Has it end in good order; gives what it said.
    pub(crate) fn stop(self) -> Vec<String> {
        self.signal(Signal::SIGTERM);
        let (code, said) = self.end();
        assert_eq!(code, Some(0), "{said:?}");
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

/// All that a collector gets.
pub(crate) fn collected(mut stream: TcpStream) -> Vec<u8> {
    let mut octets = Vec::new();
    stream.read_to_end(&mut octets).unwrap();
    octets
}

/// The log of records.
pub(crate) fn log_of(octets: &[u8]) -> String {
    let mut log = Vec::new();
    for octets in octets.as_chunks::<LENGTH>().0 {
        Record::decode(octets).write_line(&mut log);
    }
    String::from_utf8(log).unwrap()
}

/// The number before some words in one of the lines.
pub(crate) fn number_before(lines: &[String], words: &str) -> u64 {
    crate::namespace::number_before(&lines.join("\n"), words)
}

/// Writes a capture whose file ends within its last record.
pub(crate) fn cut_short(path: &Path) {
    let octets = std::fs::read(path).unwrap();
    std::fs::write(path, &octets[..octets.len() - 5]).unwrap();
}
