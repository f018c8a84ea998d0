//! What is told while the server runs: one line that changes on a terminal, lines for a log otherwise.
//!
//! Names of sensors come from the network: control characters are escaped.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use netcap_record::Timestamp;
use netcap_remote::Refusal;
use netcap_remote::reliable::Event;
use netcap_shell::console::{is_watched, say};
use netcap_shell::figures::{grouped, several, size};
use netcap_shell::progress::Line;

use crate::PROGRAM;
use crate::refusals::Refusals;
use crate::snapshot::{Sensor, Snapshot};

/// How often a log has the sums.
const INTERVAL: Duration = Duration::from_secs(60);

/// See the module.
pub(crate) struct Status {
    line: Option<Line>,
    is_quiet: bool,
    is_watched: bool,
    before: Snapshot,
    since: Instant,
    logged: Instant,
    warned: Option<String>,
    /// Folders of sensors that have sent something, now or before this start.
    known: BTreeSet<String>,
    refusals: Refusals,
}

impl Status {
    pub(crate) fn new(is_quiet: bool) -> Status {
        Status {
            line: None,
            is_quiet,
            is_watched: is_watched(),
            before: Snapshot::default(),
            since: Instant::now(),
            logged: Instant::now(),
            warned: None,
            known: BTreeSet::new(),
            refusals: Refusals::default(),
        }
    }

    /// The server receives from now on; these folders were there before.
    pub(crate) fn begin(&mut self, known: BTreeSet<String>) {
        self.known = known;
        self.line = (!self.is_quiet && self.is_watched).then(Line::new);
    }

    /// Tells what is new since the last time.
    pub(crate) fn show(&mut self, now: &Snapshot) {
        self.tell_new(now);
        for ((reason, address), left_out) in self.refusals.left_out(Instant::now()) {
            self.tell_left_out(reason, address, left_out);
        }
        if let Some(line) = &self.line {
            let seconds = self.since.elapsed().as_secs_f64().max(0.001);
            let rate = |of: fn(&Sensor) -> u64| {
                let new = now.sum(of).saturating_sub(self.before.sum(of));
                (new as f64 / seconds) as u64
            };
            line.show(&format!(
                "{}, {} records, {}/s, {}/s{}",
                sensors(now),
                grouped(now.sum(Sensor::records)),
                grouped(rate(Sensor::records)),
                size(rate(Sensor::octets)),
                losses(now)
            ));
        } else if self.logged.elapsed() >= INTERVAL {
            self.logged = Instant::now();
            self.log("info", "status", &sums(now));
        }
        let ((removed, stuck), before) = (now.removed(), self.before.removed());
        if removed > 0 && before.0 == 0 {
            self.tell(
                "info",
                "oldest periods removed (-disk-limit)",
                &[("periods", removed.to_string())],
            );
        }
        if stuck > before.1 {
            let event = "old periods could not be removed; see who may write there";
            self.tell("warning", event, &[("periods", stuck.to_string())]);
        }
        self.before = now.clone();
        self.since = Instant::now();
    }

    /// Tells of sensors and reasons that were not there before, and have no events.
    fn tell_new(&mut self, now: &Snapshot) {
        let quiet = now.sensors.iter().filter(|(_, s)| s.is_connected.is_none());
        for (name, _) in quiet {
            if self.known.insert(name.clone()) {
                self.tell("info", "new sensor", &[("sensor", name.clone())]);
            }
        }
        let before = &self.before.quietly_refused;
        for (transport, reason) in now.quietly_refused.difference(before) {
            let fields = [
                ("reason", (*reason).to_owned()),
                ("transport", (*transport).to_owned()),
            ];
            self.tell("warning", "refused", &fields);
        }
    }

    /// Tells what happened to connections.
    pub(crate) fn happened(&mut self, events: Vec<Event>) {
        for event in events {
            match event {
                Event::Connected { sensor, peer, pin } => {
                    let fields = [
                        ("sensor", sensor),
                        ("peer", peer.to_string()),
                        ("pin", pin.to_string()),
                    ];
                    self.tell("info", "sensor connected", &fields);
                }
                Event::Gone {
                    sensor,
                    peer,
                    reason,
                } => {
                    let level = match reason {
                        "closed" | "lost" | "stopped" => "info",
                        _ => "warning",
                    };
                    let fields = [
                        ("sensor", sensor),
                        ("peer", peer.to_string()),
                        ("reason", reason.to_owned()),
                    ];
                    self.tell(level, "sensor gone", &fields);
                }
                Event::Refused { reason, peer, pin } => {
                    if self.refusals.is_told(reason, peer.ip(), Instant::now()) {
                        let mut fields =
                            vec![("reason", reason.to_owned()), ("peer", peer.to_string())];
                        fields.extend(pin.map(|pin| ("pin", pin.to_string())));
                        self.tell("warning", "refused", &fields);
                    }
                }
                Event::Short(what) => self.warn(&format!(
                    "{what}; the limit of open files may be too low (ulimit -n, LimitNOFILE)"
                )),
                Event::LeftOut(count) => {
                    let fields = [("left_out", count.to_string())];
                    self.tell("warning", "events left out", &fields);
                }
            }
        }
    }

    fn tell_left_out(&self, reason: &str, address: Option<IpAddr>, left_out: u64) {
        let mut fields = vec![("reason", reason.to_owned())];
        fields.extend(address.map(|address| ("peer", address.to_string())));
        fields.push(("left_out", left_out.to_string()));
        self.tell("warning", "refused", &fields);
    }

    /// Tells what a person may want to know.
    pub(crate) fn warn(&self, news: &str) {
        self.tell("warning", news, &[]);
    }

    /// Tells of trouble, once for as long as it is the same.
    pub(crate) fn fail(&mut self, trouble: &str) {
        if self.warned.as_deref() != Some(trouble) {
            self.warned = Some(trouble.to_owned());
            self.tell("error", trouble, &[]);
        }
    }

    /// Tells what came of it so far, also who wants quiet, as they have asked.
    pub(crate) fn account(&self, now: &Snapshot) {
        if !self.is_watched {
            return Status::write("info", "status", &sums(now));
        }
        let account = || {
            say("so far:");
            summary(now);
        };
        match &self.line {
            Some(line) => line.note(account),
            None => account(),
        }
    }

    /// Tells what came of it all.
    pub(crate) fn end(&mut self, now: &Snapshot) {
        self.tell_new(now);
        for ((reason, address), left_out) in self.refusals.end() {
            self.tell_left_out(reason, address, left_out);
        }
        if let Some(line) = self.line.take() {
            line.clear();
        }
        if self.is_quiet {
            return;
        }
        if !self.is_watched {
            self.log("info", "ended", &sums(now));
            return;
        }
        summary(now);
    }

    /// Tells something: in words on a terminal, in the form of the log elsewhere.
    pub(crate) fn tell(&self, level: &str, event: &str, fields: &[(&str, String)]) {
        if self.is_quiet && level == "info" {
            return;
        }
        if !self.is_watched {
            return self.log(level, event, fields);
        }
        let words: Vec<String> = fields
            .iter()
            .map(|(_, value)| value.escape_debug().to_string())
            .collect();
        let colon = if words.is_empty() { "" } else { ": " };
        let note = || PROGRAM.note(format_args!("{event}{colon}{}", words.join(", ")));
        match &self.line {
            Some(line) => line.note(note),
            None => note(),
        }
    }

    /// Writes a line as machines read it (logfmt).
    fn log(&self, level: &str, event: &str, fields: &[(&str, String)]) {
        if !self.is_quiet || level != "info" {
            Status::write(level, event, fields);
        }
    }

    /// The same, also for who wants quiet.
    fn write(level: &str, event: &str, fields: &[(&str, String)]) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = now.unwrap_or_default();
        let mut date = Vec::new();
        Timestamp::new(now.as_secs().cast_signed(), 0).write_utc(&mut date);
        // As RFC 3339 has it: `2026-11-30T09:47:28Z`.
        let date = String::from_utf8_lossy(&date);
        let date = date.replacen(' ', "T", 1).replace(" +0000 UTC", "Z");
        let mut line = format!("time={date} level={level} event={event:?}");
        for (name, value) in fields {
            line.push_str(&format!(" {name}={value:?}"));
        }
        say(line);
    }
}

/// Prints what came, and what did not, for people.
fn summary(now: &Snapshot) {
    say(format_args!(
        "{}, {} records in {} batches{}",
        sensors(now),
        grouped(now.sum(Sensor::records)),
        grouped(now.sum(Sensor::batches)),
        losses(now)
    ));
    if let Some(disk) = now.disk.filter(|disk| disk.removed > 0) {
        say(format_args!(
            "{} of the oldest periods, {}, removed (-disk-limit)",
            grouped(disk.removed),
            size(disk.removed_octets)
        ));
    }
    for (reason, count) in &now.refused {
        say(format_args!("  refused: {} {reason}", grouped(*count)));
    }
}

/// How many sensors there are, and of those that connect, how many are connected.
fn sensors(now: &Snapshot) -> String {
    let known = several(now.sensors.len() as u64, "sensor");
    match connected(now) {
        Some(connected) => format!("{} of {known} connected", grouped(connected)),
        None => known,
    }
}

/// How many sensors are connected; none where no sensor connects.
fn connected(now: &Snapshot) -> Option<u64> {
    let states = now
        .sensors
        .values()
        .filter_map(|sensor| sensor.is_connected);
    let states: Vec<bool> = states.collect();
    let connected = states.iter().filter(|is_connected| **is_connected);
    (!states.is_empty()).then(|| connected.count() as u64)
}

/// What did not arrive, or was not taken, if anything.
fn losses(now: &Snapshot) -> String {
    let mut text = String::new();
    for (count, what) in [
        (now.refusals(), "refused"),
        (now.dropped(), "datagrams dropped"),
        (now.sum(|sensor| sensor.gaps), "records missing"),
    ] {
        if count > 0 {
            text.push_str(&format!(", {} {what}", grouped(count)));
        }
    }
    text
}

fn sums(now: &Snapshot) -> [(&'static str, String); 9] {
    let unstored = now.refused.get(Refusal::NotStored.name());
    [
        ("connected", connected(now).unwrap_or_default().to_string()),
        ("sensors", now.sensors.len().to_string()),
        ("records", now.sum(Sensor::records).to_string()),
        ("batches", now.sum(Sensor::batches).to_string()),
        ("bytes", now.sum(Sensor::octets).to_string()),
        ("refused", now.refusals().to_string()),
        // Of the refused.
        (
            "not_stored",
            unstored.copied().unwrap_or_default().to_string(),
        ),
        ("dropped", now.dropped().to_string()),
        ("missing", now.sum(|sensor| sensor.gaps).to_string()),
    ]
}
