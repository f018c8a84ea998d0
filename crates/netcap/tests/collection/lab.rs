//! A folder with a server's keys and files, and programs at work in it.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

/// As long as anything here may take, on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

pub(crate) const NETCAP: &str = env!("CARGO_BIN_EXE_netcap");
pub(crate) const SENSOR: &str = env!("CARGO_BIN_EXE_netcap-sensor");
pub(crate) const SERVER: &str = env!("CARGO_BIN_EXE_netcap-server");
pub(crate) const PCAP_OVER_IP: &str = env!("CARGO_BIN_EXE_pcap-over-ip");

/// Rows of CSV by type, sorted, with the line of the columns.
pub(crate) type Rows = BTreeMap<String, Vec<String>>;

/// See the module.
pub(crate) struct Lab {
    folder: TempDir,
    /// An address of this machine that no other test uses.
    host: String,
}

impl Lab {
    pub(crate) fn new() -> Lab {
        static NUMBER: AtomicU32 = AtomicU32::new(1);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        // On Linux all of 127.0.0.0/8 is this machine. So a server that is started again finds its port
        // free: who connects elsewhere has another address.
        let host = match cfg!(target_os = "linux") {
            true => {
                let [_, _, high, low] = std::process::id().to_be_bytes();
                format!("127.{}.{high}.{low}", 10 + number)
            }
            false => "127.0.0.1".to_owned(),
        };
        Lab {
            folder: tempfile::tempdir().expect("a folder"),
            host,
        }
    }

    /// With keys of the compatible mode.
    pub(crate) fn with_keys() -> Lab {
        let lab = Lab::new();
        let (code, output, errors) = lab.run(SERVER, "-gen-keypair");
        assert_eq!((code, output.as_str()), (0, "wrote keys\n"), "{errors}");
        lab
    }

    /// With a server's certificate, and its pin.
    pub(crate) fn with_identity() -> (Lab, String) {
        let lab = Lab::new();
        let pin = lab.printed(SERVER, "-reliable -gen-keypair");
        (lab, pin)
    }

    /// Makes a sensor's certificate NAME.pem, and enrols it; gives its pin.
    pub(crate) fn enrolled(&self, name: &str) -> String {
        let pin = self.identity(name);
        self.enrol(name, &pin);
        pin
    }

    pub(crate) fn identity(&self, name: &str) -> String {
        self.printed(SENSOR, &format!("-gen-keypair -identity {name}"))
    }

    pub(crate) fn enrol(&self, name: &str, pin: &str) {
        let (code, _, errors) = self.run(SERVER, &format!("-enroll {name} -pin {pin}"));
        assert_eq!(code, 0, "{errors}");
    }

    /// The line that a program prints.
    fn printed(&self, program: &str, args: &str) -> String {
        let (code, output, errors) = self.run(program, args);
        assert_eq!(code, 0, "{errors}");
        output.trim_end().to_owned()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn command(&self, program: &str, args: &str) -> Command {
        let mut command = Command::new(program);
        command
            .args(args.split_whitespace())
            .current_dir(self.folder.path())
            .env("USER", "somebody")
            .env_remove("NO_COLOR")
            .stdin(Stdio::null());
        command
    }

    /// Runs a program with arguments that hold no spaces: exit code, output and errors.
    pub(crate) fn run(&self, program: &str, args: &str) -> (i32, String, String) {
        let output = self.command(program, args).output().expect("it runs");
        let text = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
        let code = output.status.code().expect("no signal ended it");
        (code, text(&output.stdout), text(&output.stderr))
    }

    /// Starts a program.
    pub(crate) fn start(&self, program: &str, args: &str) -> Running {
        self.start_with(program, args, Stdio::null())
    }

    pub(crate) fn start_with(&self, program: &str, args: &str, input: Stdio) -> Running {
        let mut command = self.command(program, args);
        command
            .stdin(input)
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let mut child = command.spawn().expect("it runs");
        let stderr = BufReader::new(child.stderr.take().expect("a pipe"));
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

    /// Starts a server on a port that the system chooses, with records in `records`; gives where it
    /// waits.
    pub(crate) fn serve(&self, args: &str) -> (Running, String) {
        self.serve_at(&format!("{}:0", self.host), args)
    }

    /// Starts a server on an address.
    pub(crate) fn serve_at(&self, address: &str, args: &str) -> (Running, String) {
        let mut server = self.start(SERVER, &format!("-addr {address} -out records {args}"));
        let line = server.line_with("waiting for ");
        let address = address_in(&line);
        (server, address)
    }

    /// An address that the server may listen on, on a port that the system chooses.
    pub(crate) fn free_address(&self) -> String {
        format!("{}:0", self.host)
    }

    /// Has a sensor send a capture to its end, in good order.
    pub(crate) fn send(&self, args: &str) -> String {
        let (code, output, errors) = self.run(SENSOR, args);
        assert_eq!((code, output.as_str()), (0, ""), "{errors}");
        errors
    }

    /// What the server has of a sensor.
    pub(crate) fn received(&self, name: &str) -> Rows {
        self.received_in("records", name)
    }

    /// What a server with another folder has of a sensor.
    pub(crate) fn received_in(&self, folder: &str, name: &str) -> Rows {
        self.rows(&self.path(folder).join(name))
    }

    /// What a local netcap makes of a capture.
    pub(crate) fn expected(&self, capture: &Path) -> Rows {
        let out = tempfile::tempdir().expect("a folder");
        let args = format!("-r {} -out {}", capture.display(), out.path().display());
        let (code, _, errors) = self.run(NETCAP, &args);
        assert_eq!(code, 0, "{errors}");
        let mut rows = self.rows(out.path());
        // A server calls the file by its type.
        if let Some(hellos) = rows.remove("TLS") {
            rows.insert("TLSClientHello".to_owned(), hellos);
        }
        rows
    }

    fn rows(&self, folder: &Path) -> Rows {
        let mut rows = Rows::new();
        for path in files_in(folder) {
            let name = path.file_name().expect("a name").to_string_lossy();
            if let Some(name) = name.strip_suffix(".ncap.gz") {
                let (code, output, errors) =
                    self.run(NETCAP, &format!("-r {} -quiet", path.display()));
                assert_eq!((code, errors.as_str()), (0, ""), "{name}");
                let mut lines: Vec<_> = output.lines().map(str::to_owned).collect();
                lines.sort();
                rows.insert(name.to_owned(), lines);
            }
        }
        rows
    }

    /// Compares what came of a sensor with what should.
    pub(crate) fn assert_received(&self, name: &str, expected: &Rows) {
        assert_same(name, &self.received(name), expected);
    }
}

/// The address that a line of a server's log names.
pub(crate) fn address_in(line: &str) -> String {
    let (_, rest) = line.split_once(" address=\"").expect("an address");
    let (address, _) = rest.split_once('"').expect("its end");
    address.to_owned()
}

/// Fails where rows differ, and says where.
pub(crate) fn assert_same(name: &str, found: &Rows, expected: &Rows) {
    let types = |rows: &Rows| rows.keys().cloned().collect::<Vec<_>>();
    assert_eq!(types(found), types(expected), "{name}");
    for (record, expected) in expected {
        let found = &found[record];
        assert!(
            found == expected,
            "{name}: {record}: {} rows instead of {}; first difference: {:?}",
            found.len(),
            expected.len(),
            found
                .iter()
                .zip(expected)
                .find(|(found, expected)| found != expected)
        );
    }
}

/// Rows twice or more: what a capture gives that was sent so often in the compatible mode.
pub(crate) fn times(rows: &Rows, count: usize) -> Rows {
    let repeated = rows.iter().map(|(name, lines)| {
        let mut all: Vec<_> = lines
            .iter()
            .flat_map(|line| vec![line.clone(); if is_columns(line) { 1 } else { count }])
            .collect();
        all.sort();
        (name.clone(), all)
    });
    repeated.collect()
}

/// Whether a line names the columns.
pub(crate) fn is_columns(line: &str) -> bool {
    line.starts_with("Timestamp")
}

/// What is in a folder.
pub(crate) fn files_in(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("a folder");
    let mut files: Vec<PathBuf> = entries
        .map(|entry| entry.expect("an entry").path())
        .collect();
    files.sort();
    files
}

/// A program at work, and what it says.
pub(crate) struct Running {
    child: Child,
    lines: Receiver<String>,
    said: Vec<String>,
}

impl Running {
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

    /// Where its metrics are.
    pub(crate) fn metrics(&mut self) -> String {
        let line = self.line_with("http://");
        let (_, rest) = line.split_once("http://").expect("an address");
        let (address, _) = rest.split_once('/').expect("a path");
        address.to_owned()
    }

    /// Its standard input.
    pub(crate) fn input(&mut self) -> ChildStdin {
        self.child.stdin.take().expect("a pipe")
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.child.id().cast_signed());
        kill(pid, signal).expect("it was not waited for");
    }

    /// As `kill -9` does.
    pub(crate) fn kill(mut self) {
        self.kill_now();
    }

    /// The same of one in a list; it must be replaced.
    pub(crate) fn kill_now(&mut self) {
        self.child.kill().expect("it was not waited for");
        self.child.wait().expect("it ends");
    }

    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().expect("it is ours").is_some()
    }

    /// Waits for its end: exit code, and all that it said.
    pub(crate) fn end(mut self) -> (i32, String) {
        wait_for(|| self.has_ended());
        let status = self.child.wait().expect("it has ended");
        while let Ok(line) = self.lines.recv_timeout(PATIENCE) {
            self.said.push(line);
        }
        let said = self.said.join("\n");
        (status.code().expect("no signal ended it"), said)
    }

    /// Has it end in good order, as Ctrl-C does; gives what it said.
    pub(crate) fn stop(self) -> String {
        self.signal(Signal::SIGINT);
        let (code, said) = self.end();
        assert_eq!(code, 0, "{said}");
        said
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Waits until something holds.
pub(crate) fn wait_for(mut holds: impl FnMut() -> bool) {
    let started = Instant::now();
    while !holds() {
        assert!(started.elapsed() < PATIENCE, "it never happened");
        thread::sleep(Duration::from_millis(20));
    }
}

/// Waits until the metrics have all these lines; gives them all.
pub(crate) fn metrics_with(address: &str, wanted: &[&str]) -> String {
    metrics_when(address, |page| {
        let has = |wanted: &&str| page.lines().any(|line| line == *wanted);
        wanted.iter().all(has)
    })
}

/// Waits until something holds of the metrics; gives them all.
pub(crate) fn metrics_when(address: &str, holds: impl Fn(&str) -> bool) -> String {
    let until = Instant::now() + PATIENCE;
    loop {
        let mut page = String::new();
        let mut stream = TcpStream::connect(address).expect("connected");
        stream
            .write_all(b"GET /metrics HTTP/1.1\r\n\r\n")
            .expect("asked");
        stream.read_to_string(&mut page).expect("answered");
        if holds(&page) {
            return page;
        }
        assert!(Instant::now() < until, "it never happened: {page}");
        thread::sleep(Duration::from_millis(50));
    }
}

/// One of the captures of the project.
pub(crate) fn capture(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/captures");
    let path = folder.join(name);
    path.canonicalize().expect("the capture is there")
}
