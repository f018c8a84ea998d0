//! Metrics for Prometheus: the text exposition format, version 0.0.4, at `http://ADDRESS/metrics`.
//!
//! Guarantees: who asks gets the latest page that was published, and holds nobody up, however slowly it
//! asks or reads. An exchange takes two seconds at most; of more than 32 at a time the oldest ends. A
//! request has at most 8 KiB, and nothing of it is used but its first line.

use std::collections::VecDeque;
use std::fmt::{self, Write as _};
use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use clap::Args;
use netcap_capture::pcap_over_ip::listen_remedy;
use netcap_pipeline::{Registry, Watch};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::privileges::need_no_capabilities;
use crate::{Failure, HostPort, Program};

/// How long a request and its answer may take together.
const PATIENCE: Duration = Duration::from_secs(2);
/// Exchanges at a time.
const MOST: usize = 32;
/// How often the page is written anew.
const INTERVAL: Duration = Duration::from_secs(1);
/// How often the thread looks whether it should end.
const TICK: Duration = Duration::from_millis(100);
/// Octets of a request.
const REQUEST: usize = 8 << 10;

/// A page of metrics being written.
#[derive(Debug, Default)]
pub struct Page(String);

impl Page {
    /// Begins a metric that only grows; the name should end in `_total`.
    pub fn counter(&mut self, name: &'static str, help: &str) -> Family<'_> {
        self.family(name, "counter", help)
    }

    /// Begins a metric that goes up and down.
    pub fn gauge(&mut self, name: &'static str, help: &str) -> Family<'_> {
        self.family(name, "gauge", help)
    }

    fn family(&mut self, name: &'static str, kind: &str, help: &str) -> Family<'_> {
        // Writing to a string cannot fail.
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
        Family {
            name,
            out: &mut self.0,
        }
    }

    /// What a capture has come to: packets by interface and by fate, records by type.
    pub fn capture(&mut self, watch: &Watch<'_>, registry: &Registry) {
        let ledger = watch.ledger;
        self.counter("netcap_packets_total", "Packets read.")
            .value(&[], ledger.packets);
        self.counter(
            "netcap_packet_bytes_total",
            "Captured bytes of the packets read.",
        )
        .value(&[], ledger.octets);
        let mut fates = self.counter("netcap_packet_fates_total", "Packets read, by outcome.");
        for (fate, packets) in [
            ("decoded", ledger.decoded),
            ("filtered", ledger.filtered),
            ("unknown", ledger.unknown.values().sum()),
            ("malformed", ledger.malformed.values().sum()),
            ("cut short", ledger.cut_short.values().sum()),
            (
                "unsupported link type",
                ledger.unsupported_link.values().sum(),
            ),
        ] {
            fates.value(&[("fate", fate)], packets);
        }
        let mut packets = self.counter(
            "netcap_interface_packets_total",
            "Packets read, by interface or peer.",
        );
        for origin in &ledger.origins {
            packets.value(&[("interface", &origin.name)], origin.packets);
        }
        let mut lost = self.counter(
            "netcap_interface_dropped_packets_total",
            "Packets that the kernel or the interface dropped.",
        );
        for origin in &ledger.origins {
            lost.value(&[("interface", &origin.name)], origin.lost);
        }
        let mut records = self.counter("netcap_records_total", "Audit records, by type.");
        for (schema, count) in registry.selected().iter().zip(watch.records) {
            records.value(&[("type", schema.encoder)], *count);
        }
        self.gauge(
            "netcap_open_flows",
            "Flows open, of the model that has most.",
        )
        .value(&[], watch.flows);
    }
}

/// The values of one metric.
pub struct Family<'a> {
    name: &'static str,
    out: &'a mut String,
}

impl Family<'_> {
    /// Adds a value with its labels, whose values may be any text.
    pub fn value(&mut self, labels: &[(&str, &str)], value: impl fmt::Display) {
        self.out.push_str(self.name);
        for (place, (label, text)) in labels.iter().enumerate() {
            self.out.push(if place == 0 { '{' } else { ',' });
            let _ = write!(self.out, "{label}=\"");
            for c in text.chars() {
                match c {
                    '\\' => self.out.push_str("\\\\"),
                    '"' => self.out.push_str("\\\""),
                    '\n' => self.out.push_str("\\n"),
                    c => self.out.push(c),
                }
            }
            self.out.push('"');
        }
        if !labels.is_empty() {
            self.out.push('}');
        }
        let _ = writeln!(self.out, " {value}");
    }
}

/// The flag of all programs that have metrics.
#[derive(Debug, Args)]
pub struct MetricsFlags {
    /// Serve metrics for Prometheus at this address and port, as in 127.0.0.1:9100
    ///
    /// At http://ADDRESS:PORT/metrics, new ones every second. Whoever reaches the address may read them.
    #[arg(
        long, value_name = "ADDRESS:PORT", value_parser = place, help_heading = "Service"
    )]
    metrics: Option<HostPort>,
}

fn place(text: &str) -> Result<HostPort, String> {
    HostPort::local_as_in(text, "127.0.0.1", 9100)
}

impl MetricsFlags {
    /// Listens, if that is asked for, and says where.
    ///
    /// # Errors
    ///
    /// Those of [`Metrics::listen`].
    pub fn listen(&self, program: &Program, quiet: bool) -> Result<Option<Metrics>, Failure> {
        let metrics = self.metrics.as_ref().map(Metrics::listen).transpose()?;
        if let Some(metrics) = metrics.as_ref().filter(|_| !quiet) {
            program.note(format_args!("metrics at {}", metrics.url()));
        }
        Ok(metrics)
    }
}

/// Answers those who ask for metrics, until dropped.
pub struct Metrics {
    page: Arc<Mutex<String>>,
    published: Mutex<Option<Instant>>,
    address: SocketAddr,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Metrics {
    /// Where they are.
    pub fn url(&self) -> String {
        format!("http://{}/metrics", self.address)
    }

    /// Listens on an address and a port.
    ///
    /// # Errors
    ///
    /// The host is unknown, or the address cannot be listened on.
    pub fn listen(place: &HostPort) -> Result<Metrics, Failure> {
        let addresses = place.resolve("-metrics")?;
        let failed = |error: io::Error| {
            let remedy = listen_remedy(&error);
            Failure::Environment(format!(
                "-metrics {place}: cannot listen: {error}; {remedy}"
            ))
        };
        let listener = TcpListener::bind(addresses.as_slice()).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let page = Arc::<Mutex<String>>::default();
        let stop = Arc::<AtomicBool>::default();
        let (served, stopped) = (Arc::clone(&page), Arc::clone(&stop));
        let thread = thread::Builder::new()
            .name("metrics".to_owned())
            .spawn(move || {
                need_no_capabilities();
                serve(&listener, &served, &stopped);
            })
            .map_err(failed)?;
        Ok(Metrics {
            page,
            published: Mutex::default(),
            address,
            stop,
            thread: Some(thread),
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Replaces the page, if it is a second old.
    pub fn refresh(&self, write: impl FnOnce(&mut Page)) {
        let now = Instant::now();
        let mut published = lock(&self.published);
        if published.is_none_or(|at| now.duration_since(at) >= INTERVAL) {
            *published = Some(now);
            let mut page = Page::default();
            write(&mut page);
            self.publish(page);
        }
    }

    /// Replaces the page.
    pub fn publish(&self, page: Page) {
        *lock(&self.page) = page.0;
    }
}

impl Drop for Metrics {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn serve(listener: &TcpListener, page: &Mutex<String>, stop: &AtomicBool) {
    let mut exchanges: VecDeque<Exchange> = VecDeque::new();
    while !stop.load(Ordering::Relaxed) {
        wait(listener, &exchanges);
        while let Ok((stream, _)) = listener.accept() {
            if exchanges.len() >= MOST {
                exchanges.pop_front();
            }
            exchanges.extend(Exchange::new(stream));
        }
        // Whoever asks badly gets no answer, and that is all.
        exchanges.retain_mut(|exchange| matches!(exchange.go_on(page), Ok(true)));
    }
}

/// Waits until there is something to do, but no longer than a tick.
fn wait(listener: &TcpListener, exchanges: &VecDeque<Exchange>) {
    let mut asked = vec![PollFd::new(listener.as_fd(), PollFlags::POLLIN)];
    asked.extend(exchanges.iter().map(|exchange| {
        let event = match exchange.answer {
            None => PollFlags::POLLIN,
            Some(_) => PollFlags::POLLOUT,
        };
        PollFd::new(exchange.stream.as_fd(), event)
    }));
    let waited = poll(
        &mut asked,
        PollTimeout::try_from(TICK).unwrap_or(PollTimeout::ZERO),
    );
    if waited.is_err() {
        thread::sleep(TICK);
    }
}

/// A request on its way in, or an answer on its way out.
struct Exchange {
    stream: TcpStream,
    until: Instant,
    request: Vec<u8>,
    /// And how much of it is sent.
    answer: Option<(Vec<u8>, usize)>,
}

impl Exchange {
    fn new(stream: TcpStream) -> io::Result<Exchange> {
        stream.set_nonblocking(true)?;
        Ok(Exchange {
            stream,
            until: Instant::now() + PATIENCE,
            request: Vec::new(),
            answer: None,
        })
    }

    /// Does what can be done without waiting; gives whether there is more to do.
    fn go_on(&mut self, page: &Mutex<String>) -> io::Result<bool> {
        if Instant::now() >= self.until {
            return Ok(false);
        }
        match self.proceed(page) {
            Ok(()) => Ok(false),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(true),
            Err(error) => Err(error),
        }
    }

    fn proceed(&mut self, page: &Mutex<String>) -> io::Result<()> {
        let mut octets = [0; 1024];
        while self.answer.is_none() {
            match self.stream.read(&mut octets)? {
                0 => return Ok(()),
                n => self.request.extend_from_slice(&octets[..n]),
            }
            // The head ends in an empty line (RFC 9112, section 2.1).
            if self.request.windows(4).any(|end| end == b"\r\n\r\n") {
                self.answer = Some((answer(&self.request, page).into_bytes(), 0));
            } else if self.request.len() > REQUEST {
                return Ok(());
            }
        }
        let Some((answer, sent)) = &mut self.answer else {
            return Ok(());
        };
        while *sent < answer.len() {
            match self.stream.write(&answer[*sent..])? {
                0 => return Err(ErrorKind::WriteZero.into()),
                n => *sent += n,
            }
        }
        Ok(())
    }
}

/// Nobody panics while holding a lock here.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn answer(request: &[u8], page: &Mutex<String>) -> String {
    let line = request.split(|octet| *octet == b'\r').next();
    let line = String::from_utf8_lossy(line.unwrap_or_default());
    let mut words = line.split(' ');
    let method = words.next();
    let path = words
        .next()
        .map(|target| target.split('?').next().unwrap_or_default());
    let (status, body) = match (method, path) {
        (Some("GET" | "HEAD"), Some("/metrics")) => ("200 OK", lock(page).clone()),
        (Some("GET" | "HEAD"), Some("/")) => ("200 OK", "metrics are at /metrics\n".to_owned()),
        (Some("GET" | "HEAD"), _) => ("404 Not Found", "see /metrics\n".to_owned()),
        _ => ("405 Method Not Allowed", "only GET\n".to_owned()),
    };
    let mut answer = format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    if method != Some("HEAD") {
        answer.push_str(&body);
    }
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listening() -> Metrics {
        let place = HostPort::local("127.0.0.1:0").expect("an address");
        Metrics::listen(&place).expect("listening")
    }

    fn ask(metrics: &Metrics, request: &str) -> String {
        let mut stream = TcpStream::connect(metrics.address()).expect("connected");
        stream.write_all(request.as_bytes()).expect("asked");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("answered");
        answer
    }

    #[test]
    fn the_latest_page_is_served() {
        let metrics = listening();
        let mut page = Page::default();
        page.counter("netcap_things_total", "Things.")
            .value(&[("name", "a\"b\\c\nd"), ("kind", "x")], 7);
        page.gauge("netcap_now", "Now.").value(&[], 1);
        metrics.publish(page);
        let answer = ask(&metrics, "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n"));
        assert!(head.contains(&format!("Content-Length: {}\r\n", body.len())));
        assert_eq!(
            body,
            "# HELP netcap_things_total Things.\n# TYPE netcap_things_total counter\n\
             netcap_things_total{name=\"a\\\"b\\\\c\\nd\",kind=\"x\"} 7\n\
             # HELP netcap_now Now.\n# TYPE netcap_now gauge\nnetcap_now 1\n"
        );
    }

    #[test]
    fn bad_requests_end_nothing() {
        let metrics = listening();
        assert!(ask(&metrics, "GET /../x HTTP/1.1\r\n\r\n").contains(" 404 "));
        assert!(ask(&metrics, "POST /metrics HTTP/1.1\r\n\r\n").contains(" 405 "));
        assert!(ask(&metrics, "\r\n\r\n").contains(" 405 "));
        drop(TcpStream::connect(metrics.address()));
        assert!(ask(&metrics, "GET / HTTP/1.0\r\n\r\n").ends_with("metrics are at /metrics\n"));
        assert!(ask(&metrics, "GET /metrics?x=1 HTTP/1.0\r\n\r\n").contains(" 200 "));
        assert!(ask(&metrics, "HEAD / HTTP/1.0\r\n\r\n").ends_with("\r\n\r\n"));
    }

    #[test]
    fn who_is_silent_or_reads_nothing_holds_nobody_up() {
        let metrics = listening();
        let mut page = Page::default();
        let help = "x".repeat(16 << 20);
        page.gauge("netcap_now", &help).value(&[], 1);
        metrics.publish(page);
        let connect = |_| TcpStream::connect(metrics.address()).expect("connected");
        let silent: Vec<TcpStream> = (0..3 * MOST).map(connect).collect();
        let mut slow = connect(0);
        slow.write_all(b"GET /metrics HTTP/1.1\r\n\r\n")
            .expect("asked");
        // With the silent ones there, and the slow one in the middle of its answer.
        let answer = ask(&metrics, "GET / HTTP/1.1\r\n\r\n");
        assert!(answer.contains(" 200 "), "{answer}");
        // It ends, whatever they do.
        drop(metrics);
        drop((silent, slow));
    }
}
