//! A network namespace with two interfaces, `left` and `right`, that lead to each other; programs in
//! it; and traffic from left to right.

use std::ffi::OsStr;
use std::fs::File;
use std::net::UdpSocket;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use nix::sched::{CloneFlags, setns};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// How long anything may take on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
/// Where the traffic comes from.
const SENDER: &str = "10.9.0.1:4444";
/// Whom the traffic is for, who is not there.
const RECEIVER: &str = "10.9.0.2:5555";

/// A namespace, which goes with this.
pub(crate) struct Lab {
    name: String,
}

impl Lab {
    /// A new one, or none and a message where it cannot be had.
    pub(crate) fn open() -> Option<Lab> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        if let Err(error) = netcap_capture::libpcap::version() {
            eprintln!("skipped: {error}");
            return None;
        }
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("netcap-{}-{number}", std::process::id());
        let made = Command::new("ip").args(["netns", "add", &name]).output();
        if !made.is_ok_and(|output| output.status.success()) {
            eprintln!("skipped: no network namespace can be made here");
            return None;
        }
        let lab = Lab { name };
        // Without IPv6 nothing is sent but by the tests.
        lab.shell("echo 1 > /proc/sys/net/ipv6/conf/all/disable_ipv6");
        lab.shell("echo 1 > /proc/sys/net/ipv6/conf/default/disable_ipv6");
        if !lab.shell("ip link add left type veth peer name right") {
            eprintln!("skipped: no pair of interfaces can be made here");
            return None;
        }
        assert!(lab.shell("ip link set lo up && ip link set left up && ip link set right up"));
        assert!(lab.shell("ip address add 10.9.0.1/24 dev left"));
        assert!(lab.shell("ip neighbour add 10.9.0.2 lladdr 02:00:00:00:00:02 dev left"));
        Some(lab)
    }

    /// Runs a line of the shell in the namespace.
    pub(crate) fn shell(&self, line: &str) -> bool {
        let status = self.command("sh").args(["-c", line]).status();
        status.expect("there is a shell").success()
    }

    /// A program, to be run in the namespace.
    pub(crate) fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new("ip");
        command
            .args(["netns", "exec", &self.name])
            .arg(program)
            .env_remove("SUDO_UID")
            .stdin(Stdio::null());
        command
    }

    /// Starts netcap with arguments that hold no spaces, and waits until it captures.
    pub(crate) fn capture(&self, args: &str, out: &Path) -> Capture {
        let child = self
            .command(env!("CARGO_BIN_EXE_netcap"))
            .args(args.split_whitespace())
            .arg("-out")
            .arg(out)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("netcap runs");
        let capture = Capture { child };
        // The directory is made once the interfaces are open.
        wait_for(|| out.is_dir());
        capture
    }

    /// Sends so many datagrams of that size from left to right, as fast as it goes. Gives how many
    /// were sent.
    pub(crate) fn send(&self, datagrams: u32, size: usize) -> u64 {
        self.inside(move || {
            // A program that another test is starting may hold the previous socket for a moment.
            let mut socket = None;
            wait_for(|| {
                socket = UdpSocket::bind(SENDER).ok();
                socket.is_some()
            });
            let socket = socket.expect("the address is ours");
            let mut octets = vec![0; size];
            let sent = (0..datagrams).filter(|number| {
                if let Some(first) = octets.first_chunk_mut() {
                    *first = number.to_be_bytes();
                }
                socket.send_to(&octets, RECEIVER).is_ok()
            });
            sent.count() as u64
        })
    }

    /// Does something in the namespace.
    pub(crate) fn inside<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> T {
        let namespace = File::open(Path::new("/run/netns").join(&self.name)).expect("it is there");
        let worker = thread::spawn(move || {
            // Of this thread only.
            setns(namespace, CloneFlags::CLONE_NEWNET).expect("root may");
            work()
        });
        worker.join().expect("it works")
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        let deleted = Command::new("ip")
            .args(["netns", "delete", &self.name])
            .status();
        drop(deleted);
    }
}

/// A netcap that captures.
pub(crate) struct Capture {
    child: Child,
}

impl Capture {
    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.child.id().cast_signed());
        kill(pid, signal).expect("it runs");
    }

    /// Waits for its end: exit code, standard output, standard error. It has kept its word on memory,
    /// which stands at the beginning of the latter and is taken off.
    pub(crate) fn end(mut self) -> (i32, String, String) {
        let mut peak = 0.0;
        wait_for(|| {
            peak = peak_of(self.child.id()).unwrap_or(peak);
            self.child.try_wait().expect("it is ours").is_some()
        });
        let child = &mut self.child;
        let output = Output {
            status: child.wait().expect("it has ended"),
            stdout: read(child.stdout.take()),
            stderr: read(child.stderr.take()),
        };
        let text = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
        let code = output.status.code().expect("no signal ended it");
        let errors = text(&output.stderr);
        let (first, rest) = errors.split_once('\n').expect("a line");
        let promise = first.strip_prefix("netcap: memory stays below ");
        let number = promise.and_then(|rest| rest.split(' ').next()?.parse::<f64>().ok());
        let megabytes = match first.contains(" GB;") {
            true => number.map(|number| number * 1000.0),
            false => number,
        };
        assert!(
            megabytes.is_some_and(|limit| limit > 30.0 && peak < limit),
            "{first}: {peak}"
        );
        (code, text(&output.stdout), rest.to_owned())
    }

    /// Ends it as Ctrl-C does, which must take less than a second and a half; gives what it printed.
    pub(crate) fn stop(self) -> String {
        // What was sent last may still be in the kernel, but was captured.
        let started = Instant::now();
        self.signal(Signal::SIGINT);
        let (code, output, errors) = self.end();
        // Drops are reported when they happen.
        let is_drop = |line: &str| line.contains(" packets dropped just now, ");
        let others: Vec<&str> = errors.lines().filter(|line| !is_drop(line)).collect();
        assert_eq!((code, others.as_slice()), (0, [].as_slice()));
        let took = started.elapsed();
        assert!(took < Duration::from_secs(5), "{took:?}");
        output
    }
}

/// Megabytes of memory that a process has had at most.
fn peak_of(process: u32) -> Option<f64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kilobytes: f64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kilobytes / 1000.0)
}

impl Drop for Capture {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn read(stream: Option<impl std::io::Read>) -> Vec<u8> {
    let mut octets = Vec::new();
    let mut stream = stream.expect("a pipe");
    stream.read_to_end(&mut octets).expect("what it wrote");
    octets
}

/// Waits until something holds.
pub(crate) fn wait_for(mut holds: impl FnMut() -> bool) {
    let started = Instant::now();
    while !holds() {
        assert!(started.elapsed() < PATIENCE, "it never happened");
        thread::sleep(Duration::from_millis(20));
    }
}

/// The number before some words in a text, its thousands grouped: of `1,234 dropped` 1234.
pub(crate) fn number_before(text: &str, words: &str) -> u64 {
    let end = text
        .find(&format!(" {words}"))
        .unwrap_or_else(|| panic!("no {words:?} in {text}"));
    let head = &text[..end];
    let start = head.rfind(|c: char| !c.is_ascii_digit() && c != ',');
    let number = &head[start.map_or(0, |at| at + 1)..];
    number.replace(',', "").parse().expect("a number")
}

/// The rows of a file of records, in columns by their names. It is read to its end.
pub(crate) fn rows(file: &Path, columns: &str) -> Vec<String> {
    let output = Command::new(env!("CARGO_BIN_EXE_netcap"))
        .arg("-r")
        .arg(file)
        .args(["-quiet", "-select", columns])
        .output()
        .expect("netcap runs");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {errors}", file.display());
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines().skip(1).map(str::to_owned).collect()
}

/// The files in a directory, all of which are complete.
pub(crate) fn files_in(directory: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory).expect("a directory");
    let mut files: Vec<PathBuf> = entries
        .map(|entry| entry.expect("an entry").path())
        .collect();
    files.sort();
    for file in &files {
        assert!(!file.to_string_lossy().ends_with(".partial"), "{file:?}");
    }
    files
}
