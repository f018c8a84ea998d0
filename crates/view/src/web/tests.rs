//! The server as its clients see it, by plain TCP.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::sync::mpsc::channel;
use std::thread;

use netcap_agent::Record;
use netcap_agent::classify::findings;
use netcap_agent::collect::{Overview, SUMS_KEPT};
use netcap_agent::config::Config;
use serde_json::Value;

use super::*;
use crate::amount::Times;

/// As long as anything here may take, on a busy machine.
const WAIT: Duration = Duration::from_secs(60);
const HOSTILE: &str = "</script><img src=x>";

/// A server, and what is behind it.
struct Desk {
    config: Config,
    overview: Arc<Overview>,
    web: Web,
}

impl Desk {
    fn new(agents: usize, limits: Limits) -> Desk {
        let mut config = Config::default();
        let text = format!("1=5000\n2=M7\n[Video]\n[{HOSTILE}]");
        assert_eq!(config.parse(Path::new("a.conf"), &text), []);
        let labels = (0..agents).map(|number| (format!("n{number}"), "192.0.2.7:7073".to_owned()));
        let overview = Arc::new(Overview::new(labels, SUMS_KEPT));
        let model = Model::new(&config, Arc::clone(&overview), Times::OfRecords);
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let web = Web::limited(listener, "lab.example", model, limits).expect("served");
        Desk {
            config,
            overview,
            web,
        }
    }

    /// A packet of 100 octets that an agent saw in that second.
    fn packet(&self, agent: usize, second: u32) {
        let record = Record {
            seconds: second,
            destination_port: 5000,
            flow_id: 7,
            length: 100,
            protocol: 17,
            ..Record::decode(&[0; 28])
        };
        let found: Vec<_> = findings(&self.config, &record, false).collect();
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(second.into());
        self.overview
            .received(agent, now, 28, [(&record, &found[..])]);
    }

    fn connect(&self) -> std::net::TcpStream {
        let stream = std::net::TcpStream::connect(self.web.address()).expect("connected");
        stream.set_read_timeout(Some(WAIT)).expect("set");
        stream
    }

    /// Asks, and gives the head of the answer and what follows it.
    fn ask(&self, request: &str) -> (String, BufReader<std::net::TcpStream>) {
        let mut stream = self.connect();
        stream.write_all(request.as_bytes()).expect("sent");
        let mut reader = BufReader::new(stream);
        let mut head = String::new();
        // Until the empty line, or the end.
        while reader.read_line(&mut head).unwrap_or(0) > 2 {}
        (head, reader)
    }

    /// The whole answer for somebody who calls us by this name.
    fn get(&self, path: &str, host: &str) -> (String, String) {
        let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        let (head, mut rest) = self.ask(&request);
        let mut body = String::new();
        rest.read_to_string(&mut body).expect("text");
        (head, body)
    }

    fn events(&self) -> (String, BufReader<std::net::TcpStream>) {
        self.ask("GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n")
    }

    fn state(&self) -> Value {
        let (_, body) = self.get("/state.json", "localhost");
        serde_json::from_str(&body).expect("JSON")
    }

    /// Waits until we are let in and it is so.
    fn until(&self, what: &str, is_so: impl Fn(&Value) -> bool) {
        let end = Instant::now() + WAIT;
        let is_now = || {
            let (_, body) = self.get("/state.json", "localhost");
            serde_json::from_str(&body).is_ok_and(|state| is_so(&state))
        };
        while !is_now() {
            assert!(Instant::now() < end, "{what}");
            thread::sleep(Duration::from_millis(50));
        }
    }
}

/// The next frame of a stream; none at its end.
fn next_frame(stream: &mut impl BufRead) -> Option<Value> {
    let lines = stream.lines().map_while(Result::ok);
    let mut frames = lines.filter_map(|line| line.strip_prefix("data: ").map(str::to_owned));
    let frame = frames.next()?;
    Some(serde_json::from_str(&frame).expect("JSON"))
}

fn frame(stream: &mut impl BufRead) -> Value {
    next_frame(stream).expect("a frame")
}

#[test]
fn the_page_and_all_its_parts_are_there() {
    let desk = Desk::new(1, LIMITS);
    let (head, page) = desk.get("/", "127.0.0.1:8073");
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    assert!(
        head.contains("content-security-policy: default-src 'none'"),
        "{head}"
    );
    for header in [
        "x-content-type-options: nosniff",
        "referrer-policy: no-referrer",
    ] {
        assert!(head.contains(header), "{head}");
    }
    assert!(!head.contains("access-control"), "{head}");
    let parts = page.split("src=\"").chain(page.split("href=\"")).skip(1);
    let parts = parts.filter_map(|rest| rest.split('"').next());
    let parts: Vec<&str> = parts
        .filter(|part| part.contains('.') && !part.contains('\n'))
        .collect();
    assert!(parts.len() >= 5, "{parts:?}");
    for part in parts {
        let (head, body) = desk.get(&format!("/{part}"), "localhost");
        assert!(
            head.starts_with("HTTP/1.1 200") && !body.is_empty(),
            "{part}: {head}"
        );
    }
    for (request, status) in [
        ("GET /none HTTP/1.1\r\nHost: localhost\r\n\r\n", "404"),
        (
            "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n",
            "405",
        ),
        (
            "GET /state.json?interval=0 HTTP/1.1\r\nHost: localhost\r\n\r\n",
            "400",
        ),
        ("GET /events?x=1 HTTP/1.1\r\nHost: localhost\r\n\r\n", "400"),
        ("rubbish\r\n\r\n", "400"),
    ] {
        let (head, _) = desk.ask(request);
        assert!(
            head.starts_with(&format!("HTTP/1.1 {status}")),
            "{request} {head}"
        );
    }
}

#[test]
fn a_state_has_the_numbers_of_the_collector() {
    let desk = Desk::new(2, LIMITS);
    for (agent, second) in [(0, 5000), (1, 5000), (1, 5000), (1, 5001)] {
        desk.packet(agent, second);
    }
    let state = desk.state();
    assert_eq!(state["full"], true);
    assert_eq!(state["interval"]["begin"], 5000);
    assert_eq!(state["hosts"][1], "n1");
    let series = |place: usize| &state["series"][place];
    let names: Vec<&Value> = (0..4).map(|place| &series(place)["name"]).collect();
    assert_eq!(names, ["Aggregate", "Video", HOSTILE, "Unknown"]);
    assert_eq!(series(0)["level0"], serde_json::json!([800, 1600]));
    assert_eq!(series(0)["level1"], serde_json::json!([0, 0]));
    assert_eq!(series(2)["level1"], serde_json::json!([800, 1600]));
    assert_eq!(series(1)["total"]["level0"], 3200);
    assert_eq!(
        series(1)["history"],
        serde_json::json!([[5000, 3, 2400, 0]])
    );
    assert_eq!(state["agents"][1]["records"], 3);
    let (_, one) = desk.get("/state.json?host=n0&interval=10", "localhost");
    let one: Value = serde_json::from_str(&one).expect("JSON");
    assert_eq!(one["series"][0]["total"]["level0"], 800);
    assert_eq!(one["interval"]["begin"], 4990);
}

#[test]
fn changes_are_pushed() {
    let desk = Desk::new(1, LIMITS);
    desk.packet(0, 5000);
    desk.packet(0, 5001);
    let (head, mut stream) = desk.events();
    assert!(head.contains("content-type: text/event-stream"), "{head}");
    let first = frame(&mut stream);
    assert_eq!(first["full"], true);
    assert_eq!(
        first["series"][0]["history"],
        serde_json::json!([[5000, 1, 800, 0]])
    );
    desk.packet(0, 5002);
    let mut next = frame(&mut stream);
    // That may have been one that only says that there is no more history.
    if next["interval"]["begin"] == 5000 {
        next = frame(&mut stream);
    }
    assert_eq!(next["full"], false);
    assert_eq!(
        next["series"][0]["history"],
        serde_json::json!([[5001, 1, 800, 0]])
    );
    assert_eq!(next["browsers"]["connected"], 1);
}

#[test]
fn only_our_own_page_gets_answers() {
    let desk = Desk::new(1, LIMITS);
    for host in ["127.0.0.1", "[::1]:8073", "localhost", "LAB.example:1"] {
        assert!(
            desk.get("/state.json", host).0.starts_with("HTTP/1.1 200"),
            "{host}"
        );
    }
    for path in ["/", "/events", "/state.json", "/none"] {
        for host in ["evil.example", "localhost.evil.example:8073", ""] {
            let (head, body) = desk.get(path, host);
            assert!(head.starts_with("HTTP/1.1 403"), "{host}: {head}");
            assert!(
                body.contains("IP address") && head.contains("nosniff"),
                "{head} {body}"
            );
        }
    }
    let (head, _) = desk.ask("GET /state.json HTTP/1.0\r\n\r\n");
    assert!(head.contains(" 403 "), "{head}");
    for (path, site, status) in [
        ("/events", "cross-site", "403"),
        ("/state.json", "same-site", "403"),
        ("/state.json", "same-origin", "200"),
        ("/", "cross-site", "200"),
    ] {
        let request =
            format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nSec-Fetch-Site: {site}\r\n\r\n");
        assert!(
            desk.ask(&request)
                .0
                .starts_with(&format!("HTTP/1.1 {status}")),
            "{path} {site}"
        );
    }
}

#[test]
fn those_who_are_too_many_are_turned_away() {
    let limits = Limits {
        connections: 8,
        streams: 3,
        ..LIMITS
    };
    let desk = Desk::new(1, limits);
    let mut streams: Vec<_> = (0..3).map(|_| desk.events().1).collect();
    let (head, _) = desk.events();
    assert!(head.starts_with("HTTP/1.1 503"), "{head}");
    assert_eq!(desk.web.browsers().turned_away, 1);
    // Who leaves makes room, as soon as that is noticed.
    streams.pop();
    desk.until("room", |state| state["browsers"]["connected"] == 2);
    let (head, stream) = desk.events();
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    streams.push(stream);

    let mut idle = Vec::new();
    while desk.web.browsers().turned_away < 2 {
        idle.push(desk.connect());
        assert!(idle.len() < 100);
        thread::sleep(Duration::from_millis(5));
    }
    drop(idle);
    desk.until("room again", |_| true);
}

#[test]
fn who_asks_for_nothing_is_let_go() {
    let limits = Limits {
        request: Duration::from_millis(100),
        ..LIMITS
    };
    let desk = Desk::new(1, limits);
    for begun in ["", "GET / HTTP/1.1\r\nHost: local"] {
        let mut stream = desk.connect();
        stream.write_all(begun.as_bytes()).expect("sent");
        let mut rest = Vec::new();
        // The end, of one kind or the other.
        let _ = stream.read_to_end(&mut rest);
        assert!(!rest.starts_with(b"HTTP/1.1 200"));
    }
}

/// One that takes nothing: others are sent what comes, the collector goes on, and it is let go.
#[test]
fn a_slow_browser_holds_nobody_up() {
    let limits = Limits {
        patience: Duration::from_secs(2),
        ..LIMITS
    };
    // Frames are long then.
    let desk = Desk::new(1000, limits);
    let (_, _slow) = desk.events();
    let (_, mut quick) = desk.events();
    let (sender, frames) = channel();
    thread::spawn(move || {
        while let Some(frame) = next_frame(&mut quick) {
            if sender.send(frame).is_err() {
                return;
            }
        }
    });
    let begun = Instant::now();
    let mut second = 5000;
    while desk.web.browsers().connected == 2 {
        assert!(begun.elapsed() < WAIT);
        second += 1;
        (0..1000).for_each(|agent| desk.packet(agent, second));
        thread::sleep(Duration::from_millis(20));
    }
    let all = u64::from(second - 5000);
    let has_all = |frame: Value| frame["agents"][999]["records"] == all;
    while !has_all(frames.recv_timeout(WAIT).expect("a frame")) {}
}

#[test]
fn the_end_waits_for_no_browser() {
    let desk = Desk::new(1, LIMITS);
    desk.packet(0, 5000);
    let (_, mut stream) = desk.events();
    frame(&mut stream);
    let begun = Instant::now();
    drop(desk);
    assert!(begun.elapsed() < WAIT);
    let mut rest = String::new();
    // The stream is over, in good order or not.
    let _ = stream.read_to_string(&mut rest);
}
