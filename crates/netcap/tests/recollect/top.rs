//! The view on a terminal, which is a pseudo-terminal here.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use nix::pty::{Winsize, openpty};
use nix::sys::signal::{Signal, kill};
use nix::sys::termios::{Termios, tcgetattr};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use crate::lab::{PATIENCE, RULES, accepted, agent, command, folder, run, send};

/// News come at most four times a second.
const QUIET: Duration = Duration::from_millis(700);
const SIZE: (u16, u16) = (40, 120);

/// A `recollect` and the terminal that it is on.
struct Seat {
    child: Child,
    slave: OwnedFd,
    keyboard: File,
    octets: Receiver<Vec<u8>>,
    screen: vt100::Parser,
    /// Everything that came.
    raw: Vec<u8>,
    before: Termios,
}

impl Seat {
    fn take(folder: &Path, args: &[&str], term: &str) -> Seat {
        let size = Winsize {
            ws_row: SIZE.0,
            ws_col: SIZE.1,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        let pair = openpty(&size, None).unwrap();
        let before = tcgetattr(&pair.slave).unwrap();
        let end = || Stdio::from(pair.slave.try_clone().unwrap());
        let child = command(folder, args)
            .env("TERM", term)
            .env_remove("COLORTERM")
            .env_remove("NO_COLOR")
            .stdin(end())
            .stdout(end())
            .stderr(end())
            .spawn()
            .unwrap();
        let keyboard = File::from(pair.master);
        Seat {
            child,
            slave: pair.slave,
            octets: octets(keyboard.try_clone().unwrap()),
            keyboard,
            screen: vt100::Parser::new(SIZE.0, SIZE.1, 0),
            raw: Vec::new(),
            before,
        }
    }

    /// Takes what is drawn next; `false` if nothing is for so long.
    fn draw(&mut self, patience: Duration) -> bool {
        match self.octets.recv_timeout(patience) {
            Ok(octets) => {
                self.screen.process(&octets);
                self.raw.extend(octets);
                true
            }
            Err(RecvTimeoutError::Timeout) => false,
            Err(RecvTimeoutError::Disconnected) => panic!("the terminal is gone"),
        }
    }

    /// Waits until all of this is on the screen.
    fn sees(&mut self, expected: &[&str]) {
        let until = Instant::now() + PATIENCE;
        loop {
            let text = self.screen.screen().contents();
            if expected.iter().all(|expected| text.contains(expected)) {
                return;
            }
            assert!(Instant::now() < until, "{expected:?}\n{text}");
            self.draw(Duration::from_millis(100));
        }
    }

    fn press(&mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).unwrap();
    }

    fn signal(&self, signal: Signal) {
        kill(self.pid(), signal).unwrap();
    }

    fn pid(&self) -> Pid {
        Pid::from_raw(self.child.id().cast_signed())
    }

    fn modes(&self) -> Termios {
        tcgetattr(self.slave.as_fd()).unwrap()
    }

    /// Waits for its end; gives its exit code. The terminal is as it was.
    fn ended(&mut self) -> Option<i32> {
        let code = self.child.wait().unwrap().code();
        while self.draw(QUIET) {}
        self.is_given_back();
        code
    }

    fn is_given_back(&self) {
        let screen = self.screen.screen();
        assert!(!screen.alternate_screen() && !screen.hide_cursor());
        assert_eq!(self.modes(), self.before);
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a terminal is sent, as it comes.
fn octets(mut from: File) -> Receiver<Vec<u8>> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(read) = from.read(&mut buffer) {
            if sender.send(buffer[..read].to_vec()).is_err() {
                return;
            }
        }
    });
    receiver
}

/// Two logs; the name of one would change the title of a terminal.
fn logs() -> tempfile::TempDir {
    let folder = folder(RULES);
    let path = folder.path().join("logs");
    fs::create_dir(&path).unwrap();
    for (name, port) in [("lab", 2000), ("\u{1b}]0;owned\u{7}", 9)] {
        let packets = (0..5).map(|second| {
            format!(
                "{}.000000:10.0.0.1:4000:10.0.0.2:{port}:125:0:17\n",
                1_700_000_000 + second
            )
        });
        let text: String = packets.collect();
        fs::write(path.join(format!("{name}.log")), text).unwrap();
    }
    folder
}

const REPLAY: [&str; 6] = [
    "--top",
    "--replay",
    "logs",
    "--speed",
    "max",
    "--original-time",
];

#[test]
fn a_replay_is_seen_until_q() {
    let folder = logs();
    let mut seat = Seat::take(folder.path(), &REPLAY, "xterm-256color");
    seat.sees(&[
        "2023-11-14 22:13:24 UTC",
        "all ended",
        "2 kbit/s",
        "Agents by label",
        "_]0;owned_",
        "Aggregate 2 kbit/s",
        "Video 1 kbit/s",
        "Unknown 1 kbit/s",
        "2 logs",
    ]);
    // Nothing is drawn where nothing is new.
    let until = Instant::now() + PATIENCE;
    while seat.draw(QUIET) {
        assert!(Instant::now() < until);
    }
    seat.press("\t\r");
    seat.sees(&["Hosts by label", "in all 10 records, 10 kbit"]);
    seat.press("?");
    seat.sees(&["sort hosts by label or by rate"]);
    seat.press("q");
    assert_eq!(seat.ended(), Some(0));
    let text = seat.screen.screen().contents();
    assert_eq!(text.trim(), "", "no lines are printed");
    let raw = String::from_utf8_lossy(&seat.raw);
    assert!(!raw.contains("\u{1b}]"), "{raw:?}");
}

#[test]
fn agents_are_seen_as_they_come_and_go() {
    let (listener, place) = agent("lab");
    let (gone, gone_place) = agent("gone");
    drop::<TcpListener>(gone);
    let folder = folder(&format!("{RULES}{place}{gone_place}"));
    let mut seat = Seat::take(folder.path(), &["--top"], "xterm");
    let stream = accepted(&listener);
    send(&stream, 1);
    // The time of the record is of years ago.
    seat.sees(&["1 of 2 connected", "down: gone", "days late", "connected"]);
    drop(stream);
    drop(listener);
    seat.sees(&["0 of 2 connected"]);
    seat.press("m");
    seat.sees(&[
        "Messages",
        "lab: connection lost: ",
        "gone: cannot connect: ",
    ]);
    seat.signal(Signal::SIGTERM);
    assert_eq!(seat.ended(), Some(0));
}

#[test]
fn it_can_be_suspended() {
    let folder = logs();
    let mut seat = Seat::take(folder.path(), &REPLAY, "xterm-256color");
    for way in ["key", "signal"] {
        seat.sees(&["all ended", "Unknown 1 kbit/s"]);
        assert_ne!(seat.modes(), seat.before);
        match way {
            "key" => seat.press("\u{1a}"),
            _ => seat.signal(Signal::SIGTSTP),
        }
        let status = waitpid(seat.pid(), Some(WaitPidFlag::WUNTRACED)).unwrap();
        assert!(matches!(status, WaitStatus::Stopped(..)), "{status:?}");
        while seat.draw(QUIET) {}
        seat.is_given_back();
        seat.signal(Signal::SIGCONT);
    }
    seat.sees(&["all ended", "Unknown 1 kbit/s"]);
    // Esc is the beginning of other keys, unless nothing follows.
    seat.press("\u{1b}");
    assert_eq!(seat.ended(), Some(0));
}

#[test]
fn where_it_cannot_draw_it_says_so() {
    let folder = logs();
    let (code, output, errors) = run(folder.path(), &REPLAY);
    assert_eq!((code, output.as_str()), (1, ""));
    assert_eq!(
        errors,
        "recollect: --top draws on standard output, which is no terminal; do not redirect it, or leave out --top\n"
    );
    let mut seat = Seat::take(folder.path(), &REPLAY, "dumb");
    seat.sees(&["recollect: --top cannot draw on a terminal with TERM=dumb; "]);
    assert_eq!(seat.ended(), Some(1));
}
