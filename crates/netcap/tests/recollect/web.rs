//! The page for browsers, asked for by plain HTTP.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use nix::pty::openpty;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::lab::{Collector, PATIENCE, RULES, accepted, agent, command, folder, line, run, send};

/// The address of the page.
fn address(collector: &Collector) -> String {
    let told = collector.told("live at http://");
    told.split('/').nth(2).unwrap().to_owned()
}

fn state(address: &str) -> Value {
    let mut peer = TcpStream::connect(address).unwrap();
    let request =
        format!("GET /state.json HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    peer.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    peer.read_to_string(&mut answer).unwrap();
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    serde_json::from_str(body).unwrap()
}

/// The state as soon as it is so.
fn state_when(address: &str, is_so: impl Fn(&Value) -> bool) -> Value {
    let until = Instant::now() + PATIENCE;
    loop {
        let state = state(address);
        if is_so(&state) {
            return state;
        }
        assert!(Instant::now() < until, "{state}");
        thread::sleep(Duration::from_millis(50));
    }
}

/// A log of three seconds.
fn log() -> String {
    let line = |second| format!("170000000{second}.000000:10.0.0.1:4000:10.0.0.2:2000:100:0:17\n");
    (0..3).map(line).collect()
}

#[test]
fn what_agents_report_is_shown_and_ctrl_c_ends_it() {
    let (listener, place) = agent("lab");
    let args = ["--web", "127.0.0.1:0", "--metrics", "127.0.0.1:0"];
    let mut collector = Collector::start(&format!("{RULES}{place}"), &args);
    let address = address(&collector);
    let stream = accepted(&listener);
    send(&stream, 1);
    // Standard output is a pipe.
    assert_eq!(collector.line(), line("lab", 1));
    let state = state_when(&address, |state| state["agents"][0]["records"] == 1);
    let names: Vec<&Value> = (0..4)
        .map(|place| &state["series"][place]["name"])
        .collect();
    assert_eq!(names, ["Aggregate", "Video", "\"Voice\"", "Type 3"]);
    assert_eq!(state["series"][1]["total"]["level0"], 800);
    assert_eq!(state["agents"][0]["state"], "connected");
    let document = include_str!("../../../../docs/recollect.md");
    let parts = [&state, &state["series"][0], &state["browsers"]];
    for (name, _) in parts.iter().flat_map(|part| part.as_object().unwrap()) {
        // Of what the page alone needs the document says less.
        let is_told = document.contains(&format!("`{name}`"))
            || document.contains(&format!("series[].{name}`"))
            || ["light", "dark"].contains(&name.as_str());
        assert!(is_told, "{name}");
    }

    let mut peer = TcpStream::connect(&address).unwrap();
    peer.write_all(b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .unwrap();
    let mut lines = BufReader::new(peer).lines();
    let frame = lines.find(|line| line.as_ref().is_ok_and(|line| line.starts_with("data: ")));
    assert!(frame.is_some());
    assert_eq!(collector.interrupt(), Some(0));
    // To its end, in good order or not.
    lines.take_while(Result::is_ok).count();
}

#[test]
fn an_address_that_cannot_be_had_is_told() {
    let folder = folder(&format!("{RULES}lab:127.0.0.1:1\n"));
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    for place in [taken.as_str(), "192.0.2.1", "nobody.invalid:8073"] {
        let (code, _, errors) = run(folder.path(), &["--web", place]);
        assert_eq!(code, 2, "{errors}");
        assert!(errors.starts_with("recollect: --web "), "{errors}");
        assert!(
            errors.contains("; c") && errors.lines().count() == 1,
            "{errors}"
        );
    }
}

#[test]
fn who_may_look_is_told() {
    let (_listener, place) = agent("lab");
    let mut collector = Collector::start(&place, &["--web", "0.0.0.0:0"]);
    collector.told("live at http://localhost:");
    let told = collector.told("whoever reaches 0.0.0.0:");
    assert!(told.contains("--web 127.0.0.1"), "{told}");
    assert_eq!(collector.interrupt(), Some(0));
}

#[test]
fn the_page_of_a_replay_stays() {
    let folder = folder(RULES);
    let log_path = folder.path().join("lab.log");
    fs::write(&log_path, log()).unwrap();
    let args = [
        "--replay",
        log_path.to_str().unwrap(),
        "--speed",
        "max",
        "--original-time",
    ];
    let args = [&args[..], &["--web", "127.0.0.1:0"]].concat();
    let mut collector = Collector::start(RULES, &args);
    let address = address(&collector);
    collector.told("that was all; the page stays at http://127.0.0.1:");
    let state = state_when(&address, |state| state["over"] == true);
    assert_eq!(state["series"][0]["total"]["records"], 3);
    assert_eq!(state["interval"]["begin"], 1_700_000_002);
    assert_eq!(state["series"][0]["history"].as_array().unwrap().len(), 3);
    assert_eq!(collector.interrupt(), Some(0));
    let lines: Vec<String> = collector.lines.iter().collect();
    assert_eq!(lines.len(), 3);
}

/// On a terminal the page is enough, unless lines are asked for.
#[test]
fn lines_do_not_flood_a_terminal() {
    let folder = folder(RULES);
    fs::write(folder.path().join("lab.log"), log()).unwrap();
    for (more, expected) in [(&[][..], 0), (&["--lines"], 3), (&["--json"], 3)] {
        let ends = openpty(None, None).unwrap();
        let args = [
            "--replay",
            "lab.log",
            "--speed",
            "max",
            "--web",
            "127.0.0.1:0",
        ];
        let mut child = command(folder.path(), &[&args[..], more].concat())
            .stdout(Stdio::from(ends.slave))
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let errors = BufReader::new(child.stderr.take().unwrap());
        let told = errors
            .lines()
            .find(|told| told.as_ref().unwrap().contains("that was all"));
        assert!(told.is_some());
        kill(Pid::from_raw(child.id().cast_signed()), Signal::SIGTERM).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(0));
        let mut shown = Vec::new();
        // Ends with an error, as the other end is closed.
        let _ = fs::File::from(ends.master).read_to_end(&mut shown);
        let shown = String::from_utf8(shown).unwrap();
        assert_eq!(shown.lines().count(), expected, "{more:?}: {shown}");
    }
}
