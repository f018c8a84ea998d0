//! What is told while the server runs: one line that changes on a terminal, lines for a log otherwise.
//!
//! Names of sensors come from the network: control characters are escaped.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use netcap_record::Timestamp;
use netcap_shell::console::{is_watched, say};
use netcap_shell::figures::{grouped, size};
use netcap_shell::progress::Line;

use crate::PROGRAM;
use crate::snapshot::{Sensor, Snapshot};

/// How often a log has the sums.
const INTERVAL: Duration = Duration::from_secs(60);

/// See the module.
pub(crate) struct Status {
    line: Option<Line>,
    is_quiet: bool,
    before: Snapshot,
    since: Instant,
    logged: Instant,
    warned: Option<String>,
}

impl Status {
    pub(crate) fn new(is_quiet: bool) -> Status {
        Status {
            line: (!is_quiet && is_watched()).then(Line::new),
            is_quiet,
            before: Snapshot::default(),
            since: Instant::now(),
            logged: Instant::now(),
            warned: None,
        }
    }

    /// Tells what is new since the last time.
    pub(crate) fn show(&mut self, now: &Snapshot) {
        for (name, sensor) in &now.sensors {
            self.compare(name, sensor);
        }
        let refused = now.refusals() - self.before.refusals().min(now.refusals());
        if let Some(line) = &self.line {
            let seconds = self.since.elapsed().as_secs_f64().max(0.001);
            let rate = |of: fn(&Sensor) -> u64| {
                let new = now.sum(of).saturating_sub(self.before.sum(of));
                (new as f64 / seconds) as u64
            };
            line.show(&format!(
                "{}, {} records, {}/s, {}/s{}",
                sensors(now, |sensor| sensor.is_connected != Some(false)),
                grouped(now.sum(Sensor::records)),
                grouped(rate(Sensor::records)),
                size(rate(Sensor::octets)),
                losses(now)
            ));
        } else if self.logged.elapsed() >= INTERVAL {
            self.logged = Instant::now();
            self.log("info", "status", &sums(now));
        }
        if refused > 0 && self.before.refusals() == 0 {
            let reasons: Vec<&str> = now.refused.keys().copied().collect();
            self.tell("warning", "refused", &[("reasons", reasons.join(", "))]);
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

    /// Tells of a sensor that is new, comes back or goes away.
    fn compare(&self, name: &str, now: &Sensor) {
        let known = self.before.sensors.get(name);
        let was = known.and_then(|sensor| sensor.is_connected);
        let event = match (known, was, now.is_connected) {
            (None, _, None | Some(false)) => "new sensor",
            (_, None | Some(false), Some(true)) => "sensor connected",
            (_, Some(true), Some(false)) => "sensor gone",
            _ => return,
        };
        let peer = now.peer.map(|peer| ("peer", peer.to_string()));
        let mut fields = vec![("sensor", name.escape_debug().to_string())];
        fields.extend(peer);
        self.tell("info", event, &fields);
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

    /// Tells what came of it all.
    pub(crate) fn end(&self, now: &Snapshot) {
        if let Some(line) = &self.line {
            line.clear();
        }
        if self.is_quiet {
            return;
        }
        say(format_args!(
            "{}, {} records in {} batches{}",
            sensors(now, |_| true),
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

    fn tell(&self, level: &str, event: &str, fields: &[(&str, String)]) {
        match &self.line {
            _ if self.is_quiet && level == "info" => {}
            Some(line) => {
                let words: Vec<&str> = fields.iter().map(|(_, value)| value.as_str()).collect();
                let about = match words.is_empty() {
                    true => String::new(),
                    false => format!(": {}", words.join(", ")),
                };
                line.note(|| PROGRAM.note(format_args!("{event}{about}")));
            }
            None => self.log(level, event, fields),
        }
    }

    /// Writes a line as machines read it (logfmt).
    fn log(&self, level: &str, event: &str, fields: &[(&str, String)]) {
        if self.is_quiet && level == "info" {
            return;
        }
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

fn sensors(now: &Snapshot, are_meant: fn(&Sensor) -> bool) -> String {
    match now
        .sensors
        .values()
        .filter(|sensor| are_meant(sensor))
        .count()
    {
        1 => "1 sensor".to_owned(),
        n => format!("{} sensors", grouped(n as u64)),
    }
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

fn sums(now: &Snapshot) -> [(&'static str, String); 6] {
    [
        ("sensors", now.sensors.len().to_string()),
        ("records", now.sum(Sensor::records).to_string()),
        ("bytes", now.sum(Sensor::octets).to_string()),
        ("refused", now.refusals().to_string()),
        ("dropped", now.dropped().to_string()),
        ("missing", now.sum(|sensor| sensor.gaps).to_string()),
    ]
}
