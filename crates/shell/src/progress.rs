//! How far the collection has come, on a terminal only; and what happens meanwhile.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use crate::console::{is_watched, say};
use crate::figures::{counted, grouped, size};
use indicatif::{ProgressBar, ProgressStyle};
use netcap_capture::Origin;
use netcap_pipeline::Watch;

use crate::program::Program;

/// How often the line of a live capture changes.
const SECOND: Duration = Duration::from_secs(1);

/// A line on standard error that is always up to date, or nothing where nobody would see it.
pub struct Progress {
    program: &'static Program,
    bar: Option<ProgressBar>,
    is_quiet: bool,
    started: Instant,
    /// What a live capture said last.
    second: Option<Second>,
    /// What the user knows of: interfaces that give no more packets, periods that were removed.
    ended: BTreeSet<String>,
    removed: u64,
    losses: Losses,
}

/// Packets that are lost, as told last.
#[derive(Default)]
struct Losses {
    at: Option<Instant>,
    dropped: u64,
    unwritten: u64,
    /// And bodies that could not be written.
    bodies: u64,
}

/// What a live capture had at some time.
struct Second {
    at: Instant,
    packets: u64,
    octets: u64,
}

impl Progress {
    /// Nothing is shown where that is not wanted, or nobody watches; what happens meanwhile is told
    /// unless it is not wanted.
    pub fn new(program: &'static Program, quiet: bool) -> Progress {
        let is_seen = !quiet && is_watched();
        Progress {
            program,
            bar: is_seen.then(|| ProgressBar::new_spinner().with_style(style("{spinner} {msg}"))),
            is_quiet: quiet,
            started: Instant::now(),
            second: None,
            ended: BTreeSet::new(),
            removed: 0,
            losses: Losses::default(),
        }
    }

    /// Shows what is known now.
    pub fn show(&mut self, watch: &Watch<'_>) {
        self.tell_ended(&watch.ledger.origins);
        for news in &watch.upkeep.news {
            self.warn(news);
        }
        let removed = watch.upkeep.removed;
        if removed > self.removed {
            self.note(&format!(
                "{removed} of the oldest periods removed so far (-disk-limit)"
            ));
        }
        self.removed = removed;
        self.tell_losses(watch);
        if watch.is_live {
            self.show_live(watch);
        } else {
            self.show_file(watch);
        }
    }

    /// Tells of interfaces that give no more packets while others do; also who wants quiet.
    fn tell_ended(&mut self, origins: &[Origin]) {
        for origin in origins {
            if let Some(trouble) = &origin.trouble
                && origins.len() > 1
                && self.ended.insert(origin.name.clone())
            {
                let others = match origins.iter().any(|origin| origin.trouble.is_none()) {
                    true => "; the others go on",
                    false => "",
                };
                self.warn(&format!(
                    "{} gives no more packets{others}: {trouble}",
                    origin.name
                ));
            }
        }
    }

    /// Tells of packets that are lost as it happens, once a second at most; also who wants quiet.
    fn tell_losses(&mut self, watch: &Watch<'_>) {
        let told = &self.losses;
        if told.at.is_some_and(|at| at.elapsed() < SECOND) {
            return;
        }
        let (dropped, unwritten) = (watch.ledger.lost(), watch.upkeep.unwritten);
        // Those that a file tells of are in its summary.
        if watch.is_live && dropped > told.dropped {
            self.warn(&format!(
                "{} dropped just now, {} so far",
                counted(dropped - told.dropped, "packets"),
                grouped(dropped)
            ));
        }
        if unwritten > told.unwritten {
            self.warn(&format!(
                "{} lost just now, as they cannot be written; {} so far",
                counted(unwritten - told.unwritten, "packets"),
                grouped(unwritten)
            ));
        }
        let bodies = watch.ledger.bodies.unwritten;
        if bodies > told.bodies {
            let why = watch.ledger.bodies.why.as_deref().unwrap_or_default();
            let bodies = match bodies - told.bodies {
                1 => "1 body".to_owned(),
                more => format!("{} bodies", grouped(more)),
            };
            self.warn(&format!(
                "{bodies} cut or left out just now, as they cannot be written (-files): {why}; make room"
            ));
        }
        if (dropped, unwritten, bodies) != (told.dropped, told.unwritten, told.bodies) {
            self.losses = Losses {
                at: Some(Instant::now()),
                dropped,
                unwritten,
                bodies,
            };
        }
    }

    /// Tells something above the line, unless that is not wanted.
    fn note(&self, text: &str) {
        if !self.is_quiet {
            self.warn(text);
        }
    }

    /// Prints a text above the line.
    pub fn print(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| say(text)),
            None => say(text),
        }
    }

    /// Tells something above the line.
    fn warn(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| self.program.note(text)),
            None => self.program.note(text),
        }
    }

    /// Shows the rates of the last second, and what there is now.
    fn show_live(&mut self, watch: &Watch<'_>) {
        let Some(bar) = &self.bar else { return };
        let (packets, octets) = (watch.ledger.packets, watch.ledger.octets);
        let now = Second {
            at: Instant::now(),
            packets,
            octets,
        };
        let Some(before) = &self.second else {
            self.second = Some(now);
            return;
        };
        if before.at.elapsed() >= SECOND {
            let seconds = before.at.elapsed().as_secs_f64();
            let rate = |now: u64, then: u64| (now.saturating_sub(then) as f64 / seconds) as u64;
            let memory = memory().map_or(String::new(), |octets| format!(", {}", size(octets)));
            bar.set_message(format!(
                "{} packets, {}/s, {}bit/s, {} dropped, {} flows{memory}",
                grouped(packets),
                grouped(rate(packets, before.packets)),
                scaled(8 * rate(octets, before.octets)),
                grouped(watch.ledger.lost()),
                grouped(watch.flows as u64),
            ));
            self.second = Some(now);
        }
        bar.tick();
    }

    /// Shows the packets, their rate and, of an input whose length is known, share and time left.
    fn show_file(&self, watch: &Watch<'_>) {
        let Some(bar) = &self.bar else { return };
        let seconds = self.started.elapsed().as_secs_f64().max(0.001);
        let packets = watch.ledger.packets;
        let rate = (packets as f64 / seconds) as u64;
        let mut message = format!("{} packets, {}/s", grouped(packets), grouped(rate));
        if watch.progress.total.is_none() {
            message.push_str(&format!(", {}", size(watch.progress.done)));
        }
        // The message first: each of these may draw the line.
        bar.set_message(message);
        if let Some(total) = watch.progress.total {
            if bar.length().is_none() {
                bar.set_style(style("[{bar:30}] {percent:>3}%, {eta} left, {msg}"));
                bar.set_length(total);
            }
            bar.set_position(watch.progress.done);
        }
        bar.tick();
    }

    /// Removes the line.
    pub fn clear(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// A line on standard error that changes, for programs that watch over something else than a run.
pub struct Line(ProgressBar);

impl Default for Line {
    fn default() -> Line {
        Line::new()
    }
}

impl Line {
    /// Nothing is shown yet.
    pub fn new() -> Line {
        Line(ProgressBar::new_spinner().with_style(style("{spinner} {msg}")))
    }

    /// Shows this text.
    pub fn show(&self, text: &str) {
        self.0.set_message(text.to_owned());
        self.0.tick();
    }

    /// Has something written above the line.
    pub fn note(&self, write: impl FnOnce()) {
        self.0.suspend(write);
    }

    /// Removes the line.
    pub fn clear(&self) {
        self.0.finish_and_clear();
    }
}

/// A number with its SI prefix: `1.2 M`.
fn scaled(number: u64) -> String {
    let text = size(number);
    text.trim_end_matches('B').to_owned()
}

/// Octets of memory that the program uses, where the system tells as Linux does (proc(5)).
fn memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kibibytes << 10)
}

fn style(template: &str) -> ProgressStyle {
    // The templates are ours; a wrong one would cost no more than its looks.
    ProgressStyle::with_template(template)
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("=> ")
}
