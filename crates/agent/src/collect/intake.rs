//! What becomes of records: lines, in one of two formats, and sums for views.
//!
//! Guarantees: lines are whole, and those of an agent in its order; they leave at once, as many together
//! as came together; after an error of the writer nothing more is written.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError, TryLockError};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use crate::classify::{findings, write_line};
use crate::collect::json::write_json;
use crate::collect::links::{News, Receiver};
use crate::collect::overview::Overview;
use crate::config::Config;
use crate::record::Record;

/// How often a writer that is busy is looked at.
const TICK: Duration = Duration::from_millis(10);

/// How lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// `SECONDS.MICROSECONDS:AGENT:TYPE:VALUE:LEVEL`, as in 2019.
    #[default]
    Classic,
    /// An object of JSON.
    Json,
}

/// What becomes of records that agents send of their hosts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Statistics {
    /// They are traffic like any other, as in the first release of 2019.
    #[default]
    AreTraffic,
    /// They are lines of types `C` and `M`.
    AreShown,
    /// They make no line.
    AreLeftOut,
}

/// What is told of connections, by the label of the agent.
type Tell = Box<dyn Fn(&str, &News) + Send + Sync>;

/// Makes lines of records; see the module.
pub struct Intake {
    config: Config,
    labels: Vec<String>,
    overview: Arc<Overview>,
    format: Format,
    statistics: Statistics,
    /// Now is what records say.
    has_old_times: bool,
    tell: Option<Tell>,
    out: Mutex<Out>,
}

struct Out {
    /// None once there was an error, or the end.
    writer: Option<Box<dyn Write + Send>>,
    error: Option<io::Error>,
}

impl Intake {
    /// Of the agents that the overview has, into this writer, which should not keep what it is given.
    pub fn new(config: Config, overview: Arc<Overview>, writer: Box<dyn Write + Send>) -> Intake {
        let agents = overview.snapshot().agents;
        Intake {
            config,
            labels: agents.into_iter().map(|agent| agent.label).collect(),
            overview,
            format: Format::default(),
            statistics: Statistics::default(),
            has_old_times: false,
            tell: None,
            out: Mutex::new(Out {
                writer: Some(writer),
                error: None,
            }),
        }
    }

    /// In this format.
    #[must_use]
    pub fn with_format(self, format: Format) -> Intake {
        Intake { format, ..self }
    }

    /// With this done of statistics.
    #[must_use]
    pub fn with_statistics(self, statistics: Statistics) -> Intake {
        Intake { statistics, ..self }
    }

    /// With the time of each record for the time at which it comes, as records of long ago are replayed.
    #[must_use]
    pub fn with_old_times(self, has_old_times: bool) -> Intake {
        Intake {
            has_old_times,
            ..self
        }
    }

    /// With this called for what happens to connections.
    #[must_use]
    pub fn with_news(self, tell: impl Fn(&str, &News) + Send + Sync + 'static) -> Intake {
        Intake {
            tell: Some(Box::new(tell)),
            ..self
        }
    }

    /// The error of the writer, if there was one, once.
    pub fn failure(&self) -> Option<io::Error> {
        match self.out.try_lock() {
            Ok(mut out) => out.error.take(),
            Err(TryLockError::Poisoned(out)) => out.into_inner().error.take(),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    /// Ends the output after the line that is being written; if nobody takes that, then in it. Gives the error
    /// of the writer, if there was one that nobody knows of.
    pub fn close(&self, patience: Duration) -> Option<io::Error> {
        let until = Instant::now() + patience;
        loop {
            let mut out = match self.out.try_lock() {
                Ok(out) => out,
                Err(TryLockError::Poisoned(out)) => out.into_inner(),
                Err(TryLockError::WouldBlock) if Instant::now() < until => {
                    thread::sleep(TICK);
                    continue;
                }
                Err(TryLockError::WouldBlock) => return None,
            };
            out.writer = None;
            return out.error.take();
        }
    }

    /// Writes lines; `false` if there is no use in more.
    fn write(&self, lines: &[u8]) -> bool {
        let mut out = self.out.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(writer) = &mut out.writer else {
            return false;
        };
        if lines.is_empty() {
            return true;
        }
        match writer.write_all(lines).and_then(|()| writer.flush()) {
            Ok(()) => true,
            Err(error) => {
                out.writer = None;
                out.error = Some(error);
                false
            }
        }
    }
}

impl Receiver for Intake {
    fn received(&self, agent: usize, records: &[Record], octets: usize) -> bool {
        let Some(label) = self.labels.get(agent) else {
            return false;
        };
        let has_statistics = self.statistics != Statistics::AreTraffic;
        let (mut lines, mut found, mut ends) = (Vec::new(), Vec::new(), Vec::new());
        for record in records {
            let first = found.len();
            found.extend(findings(&self.config, record, has_statistics));
            for finding in &found[first..] {
                let is_shown =
                    self.statistics != Statistics::AreLeftOut || finding.kind.is_traffic();
                match self.format {
                    _ if !is_shown => {}
                    Format::Classic => write_line(label, record, finding, &mut lines),
                    Format::Json => write_json(&self.config, label, record, finding, &mut lines),
                }
            }
            ends.push((record, first..found.len()));
        }
        let now = match records.last() {
            Some(last) if self.has_old_times => {
                SystemTime::UNIX_EPOCH + Duration::from_secs(last.seconds.into())
            }
            _ => SystemTime::now(),
        };
        let findings = ends
            .into_iter()
            .map(|(record, place)| (record, &found[place]));
        self.overview.received(agent, now, octets, findings);
        self.write(&lines)
    }

    fn news(&self, agent: usize, news: &News) {
        self.overview.news(agent, SystemTime::now(), news);
        if let (Some(tell), Some(label)) = (&self.tell, self.labels.get(agent)) {
            tell(label, news);
        }
    }
}
