//! What becomes of records and messages: lines, in one of two formats, and sums for views.
//!
//! Guarantees: lines are whole, and those of an agent in its order; they leave at once, as many together
//! as came together; after an error of the writer nothing more is written.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError, TryLockError};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use crate::classify::{Finding, findings, write_line};
use crate::collect::json::write_json;
use crate::collect::links::{News, Receiver};
use crate::collect::overview::Overview;
use crate::collect::progress::{Progress, Step};
use crate::config::Config;
use crate::extended::Message;
use crate::observation::{Numbered, Observation};
use crate::record::Record;

/// How often a writer that is busy is looked at.
const TICK: Duration = Duration::from_millis(10);

/// While an agent is connected, it is not told more often that records of it are missing.
const OFTEN: Duration = Duration::from_secs(10);

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
    /// In lines they are traffic like any other, as in the first release of 2019.
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
    /// Whether there is a line for each packet.
    has_lines: bool,
    /// Whether packets that agents received are neither in lines nor in sums.
    is_sent_only: bool,
    statistics: Statistics,
    /// Now is what records say.
    has_old_times: bool,
    tell: Option<Tell>,
    /// Of each agent, where its extended stream is.
    streams: Vec<Mutex<Stream>>,
    out: Mutex<Out>,
}

/// Where the extended stream of an agent is, and when the user was last told that some of it is missing.
#[derive(Default)]
struct Stream {
    progress: Progress,
    told: Option<Instant>,
}

impl Stream {
    /// What messages say of packets and of the host.
    fn observations<'a>(
        &'a self,
        messages: &'a [Message],
        steps: &'a [Step],
    ) -> impl Iterator<Item = Observation<'a>> {
        let messages = messages.iter().zip(steps);
        messages.filter_map(|(message, step)| match (message, step) {
            (Message::Packet(note), Step::Packet(number)) => Some(Observation::Packet(Numbered {
                note,
                number: *number,
                interface: self.progress.interface(note.interface),
            })),
            (Message::Status(status), _) => {
                let machine = status.machine.as_ref()?;
                Some(Observation::Machine(status.time, machine))
            }
            _ => None,
        })
    }

    /// How many records are missing that the user does not know of, if it is time to tell.
    fn untold(&mut self) -> Option<u64> {
        if self.told.is_some_and(|told| told.elapsed() < OFTEN) {
            return None;
        }
        let missed = self.progress.untold();
        (missed > 0).then(|| {
            self.told = Some(Instant::now());
            missed
        })
    }
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
        let labels: Vec<String> = agents.into_iter().map(|agent| agent.label).collect();
        Intake {
            config,
            streams: labels.iter().map(|_| Mutex::default()).collect(),
            labels,
            overview,
            format: Format::default(),
            has_lines: true,
            is_sent_only: false,
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

    /// Without a line for each packet.
    #[must_use]
    pub fn without_lines(self) -> Intake {
        Intake {
            has_lines: false,
            ..self
        }
    }

    /// With packets that agents received in neither lines nor sums, if so: those at whose two ends agents are
    /// would be in them twice.
    #[must_use]
    pub fn with_sent_only(self, is_sent_only: bool) -> Intake {
        Intake {
            is_sent_only,
            ..self
        }
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

    /// Tells what is missing and was not told yet, as there will be no more of it.
    pub fn tell_rest(&self) {
        for (agent, stream) in self.streams.iter().enumerate() {
            let mut stream = stream.lock().unwrap_or_else(PoisonError::into_inner);
            let records = stream.progress.untold();
            drop(stream);
            if records > 0 {
                self.news(agent, &News::Missed { records });
            }
        }
    }

    /// Writes lines, which are whole; `false` if there is no use in more.
    pub fn write(&self, lines: &[u8]) -> bool {
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

    /// Makes lines of observations, all of one batch of an agent.
    fn take<'a>(
        &self,
        agent: usize,
        observations: impl Iterator<Item = Observation<'a>>,
        octets: usize,
    ) -> bool {
        let Some(label) = self.labels.get(agent) else {
            return false;
        };
        let (mut lines, mut found, mut ends) = (Vec::new(), Vec::new(), Vec::new());
        for observation in observations {
            let first = found.len();
            // To views a report of a host is never traffic, whatever it is to lines.
            if !(self.is_sent_only && observation.is_received()) {
                found.extend(findings(&self.config, observation, true));
            }
            let told = &found[first..];
            let is_report = told.iter().any(|finding| !finding.kind.is_traffic());
            let as_in_2019: Vec<Finding<'_>>;
            let told = match is_report && self.statistics == Statistics::AreTraffic {
                true => {
                    as_in_2019 = findings(&self.config, observation, false).collect();
                    &as_in_2019
                }
                false => told,
            };
            for finding in told {
                let is_shown = self.has_lines
                    && (self.statistics != Statistics::AreLeftOut || finding.kind.is_traffic());
                match self.format {
                    _ if !is_shown => {}
                    Format::Classic => write_line(label, observation, finding, &mut lines),
                    Format::Json => {
                        write_json(&self.config, label, observation, finding, &mut lines);
                    }
                }
            }
            ends.push((observation, first..found.len()));
        }
        let now = match ends.last() {
            Some((last, _)) if self.has_old_times => {
                let (seconds, _) = last.time();
                SystemTime::UNIX_EPOCH + Duration::from_secs(seconds.max(0).cast_unsigned())
            }
            _ => SystemTime::now(),
        };
        let findings = ends
            .into_iter()
            .map(|(observation, place)| (observation, &found[place]));
        self.overview.received(agent, now, octets, findings);
        self.write(&lines)
    }
}

impl Receiver for Intake {
    fn received(&self, agent: usize, records: &[Record], octets: usize) -> bool {
        let observations = records.iter().map(Observation::from);
        self.take(agent, observations, octets)
    }

    fn heard(&self, agent: usize, messages: &[Message], octets: usize) -> bool {
        let Some(stream) = self.streams.get(agent) else {
            return false;
        };
        // The thread of the agent is the only one that ever holds it for long.
        let mut stream = stream.lock().unwrap_or_else(PoisonError::into_inner);
        let before = stream.progress.losses();
        let steps = messages
            .iter()
            .map(|message| stream.progress.follow(message));
        let steps: Vec<Step> = steps.collect();
        self.overview.join(agent, messages, &steps);
        let observations = stream.observations(messages, &steps);
        let goes_on = self.take(agent, observations, octets);
        let losses = stream.progress.losses();
        let is_begun = messages
            .iter()
            .any(|message| matches!(message, Message::Agent(_)));
        if is_begun || losses != before {
            self.overview.lost(agent, losses);
        }
        let missed = stream.untold();
        drop(stream);
        if let Some(records) = missed {
            self.news(agent, &News::Missed { records });
        }
        goes_on
    }

    fn news(&self, agent: usize, news: &News) {
        if let (News::Connected { .. }, Some(stream)) = (news, self.streams.get(agent)) {
            let mut stream = stream.lock().unwrap_or_else(PoisonError::into_inner);
            stream.told = None;
        }
        self.overview.news(agent, SystemTime::now(), news);
        if let (Some(tell), Some(label)) = (&self.tell, self.labels.get(agent)) {
            tell(label, news);
        }
    }
}
