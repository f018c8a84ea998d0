//! A broker of the system's that tests start and kill. It needs nothing but `nats-server`, so that tests
//! of programs use it too.

use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// The longest that anything may take.
pub const DEADLINE: Duration = Duration::from_secs(120);

/// A broker that can be killed, and started again on the same store and port.
pub struct Broker {
    pub store: tempfile::TempDir,
    pub port: u16,
    pub scheme: &'static str,
    more: Vec<String>,
    process: Option<Child>,
}

impl Broker {
    /// None where no broker is installed.
    pub fn start(more: &[&str]) -> Option<Broker> {
        let version = Command::new("nats-server").arg("-v").output();
        if version.is_err() {
            println!("skipped: nats-server is not installed (apt-get install nats-server)");
            return None;
        }
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        let mut broker = Broker {
            store: tempfile::tempdir().expect("a folder"),
            port: listener.local_addr().expect("an address").port(),
            scheme: "nats",
            more: more.iter().map(|&argument| argument.to_owned()).collect(),
            process: None,
        };
        drop(listener);
        broker.again();
        Some(broker)
    }

    /// Starts it.
    pub fn again(&mut self) {
        let mut command = Command::new("nats-server");
        command
            .args([
                "-js",
                "-a",
                "127.0.0.1",
                "-p",
                &self.port.to_string(),
                "-sd",
            ])
            .arg(self.store.path())
            .args(&self.more)
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        self.process = Some(command.spawn().expect("a broker"));
        until("the broker listens", || {
            TcpStream::connect(("127.0.0.1", self.port)).is_ok()
        });
    }

    /// Ends it without warning.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().expect("killed");
            process.wait().expect("ended");
        }
    }

    pub fn url(&self) -> String {
        format!("{}://127.0.0.1:{}", self.scheme, self.port)
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Waits until something holds.
pub fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let since = Instant::now();
    while !holds() {
        assert!(since.elapsed() < DEADLINE, "{what}");
        thread::sleep(Duration::from_millis(50));
    }
}
