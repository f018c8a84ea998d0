//! Capture files for peers: each gets all of them from the start, at a pace.
//!
//! Guarantees: nothing is dropped, a peer that is slow waits for itself only; every pass over the
//! files gives the same octets.

use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use netcap_capture::pcap_writer::TimeUnit;
use netcap_capture::{Batch, Error, LinkType, Source};

use crate::client::{Feed, Next};
use crate::halt::Halt;
use crate::inlet::{Files, Inlet};
use crate::pace::{Clock, Pace};
use crate::queue::QueueCounts;
use crate::server::Supply;
use crate::shape::{Shaper, Shaping};
use crate::stream::{Chunk, Form, Interface, Preamble, UNKNOWN_SNAPLEN};

/// Octets that are written at a time.
const CHUNK: usize = 64 << 10;

/// What a look through the files has found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Survey {
    /// Packets in all.
    pub packets: u64,
    /// The interfaces that packets come from.
    pub interfaces: Vec<Interface>,
    /// Whether a time is finer than a microsecond.
    pub has_nanoseconds: bool,
    /// Packets without octets, which peers do not get.
    pub empty: u64,
    /// Packets longer than readers take, which are cut unless a snaplen says otherwise.
    pub too_long: u64,
    /// Why it ended before the files did: they are good until there.
    pub trouble: Option<String>,
}

/// Looks through files, as what is in them decides what can be written: how many link types there
/// are stands nowhere in a capture but in its packets.
///
/// # Errors
///
/// One of them cannot be opened, or is no capture.
pub fn survey(paths: &[PathBuf], halt: &Halt) -> Result<Survey, Error> {
    let mut files = Files::open(paths)?;
    let mut batch = Batch::new(1 << 20, 4096);
    let mut survey = Survey::default();
    while !halt.is_asked() {
        match Source::fill(&mut files, &mut batch) {
            Ok(true) => {}
            Ok(false) => break,
            Err(error) if error.is_input_fault() => {
                survey.trouble = Some(error.to_string());
                break;
            }
            Err(error) => return Err(error),
        }
        survey.packets += batch.len() as u64;
        for packet in batch.packets() {
            survey.has_nanoseconds |= !packet.timestamp.nanos.is_multiple_of(1000);
            survey.empty += u64::from(packet.captured_len() == 0);
            survey.too_long += u64::from(packet.captured_len() > UNKNOWN_SNAPLEN);
        }
    }
    survey.interfaces = files.interfaces();
    Ok(survey)
}

impl Survey {
    /// The link types in them.
    pub fn link_types(&self) -> Vec<LinkType> {
        let mut found: Vec<_> = self.interfaces.iter().map(|each| each.link_type).collect();
        found.sort_unstable();
        found.dedup();
        found
    }

    /// The form that loses nothing and most readers take: pcap, unless there are several link types.
    pub fn form(&self, unit: TimeUnit) -> Form {
        if self.link_types().len() > 1 {
            Form::Pcapng
        } else {
            Form::Pcap(unit)
        }
    }
}

/// Files, and how they are handed out.
#[derive(Debug)]
pub struct FileSupply {
    paths: Vec<PathBuf>,
    /// One that knows the files' interfaces, for each peer to begin with.
    shaper: Shaper,
    preamble: Arc<Preamble>,
    playback: Playback,
    halt: Arc<Halt>,
}

/// How files are handed out.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Playback {
    /// How fast.
    pub pace: Pace,
    /// What is due within that time is written at once.
    pub flush: Duration,
    /// Whether they begin again when they end.
    pub is_looped: bool,
}

impl FileSupply {
    /// Hands out these files in that form.
    pub fn new(
        paths: Vec<PathBuf>,
        survey: &Survey,
        form: Form,
        shaping: Shaping,
        playback: Playback,
        halt: Arc<Halt>,
    ) -> FileSupply {
        let preamble = Arc::new(Preamble::new(form));
        let mut shaper = Shaper::new(shaping, Arc::clone(&preamble));
        let mut interfaces = survey.interfaces.clone();
        if interfaces.is_empty() && form != Form::Pcapng {
            // A header must name a link type even if no packet ever has it.
            interfaces.push(Interface {
                path: None,
                name: String::new(),
                link_type: LinkType::ETHERNET,
                snaplen: 0,
            });
        }
        shaper.announce(interfaces);
        FileSupply {
            paths,
            shaper,
            preamble,
            playback,
            halt,
        }
    }
}

impl Supply for FileSupply {
    fn preamble(&self) -> Arc<Preamble> {
        Arc::clone(&self.preamble)
    }

    fn join(&self) -> Box<dyn Feed + '_> {
        Box::new(Pass {
            supply: self,
            shaper: self.shaper.clone(),
            files: None,
            batch: Batch::new(1 << 20, 4096),
            position: 0,
            due: None,
            clock: Clock::new(self.playback.pace, None),
            passed: 0,
            stopped: None,
        })
    }

    fn is_ended(&self) -> bool {
        false
    }

    fn is_live(&self) -> bool {
        false
    }
}

/// One peer's way through the files.
struct Pass<'a> {
    supply: &'a FileSupply,
    shaper: Shaper,
    files: Option<Files>,
    batch: Batch,
    /// The next packet in the batch, and when it is due if that was asked.
    position: usize,
    due: Option<Instant>,
    clock: Clock,
    /// Packets of this pass.
    passed: u64,
    /// Whether and why it is over.
    stopped: Option<Result<(), String>>,
}

impl Pass<'_> {
    /// Has the next packet in the batch; `false` at the end of the files.
    fn advance(&mut self) -> Result<bool, Error> {
        while self.position >= self.batch.len() {
            let files = match &mut self.files {
                Some(files) => files,
                None => self.files.insert(Files::open(&self.supply.paths)?),
            };
            self.position = 0;
            if !Source::fill(files, &mut self.batch)? {
                if !self.supply.playback.is_looped || self.passed == 0 {
                    return Ok(false);
                }
                self.files = None;
                self.passed = 0;
                self.clock = Clock::new(self.supply.playback.pace, None);
            }
        }
        Ok(true)
    }

    /// Appends what is due within that time. `Ok(false)`: the files have ended.
    fn fill(&mut self, chunk: &mut Chunk, wait: Duration) -> Result<bool, String> {
        let began = Instant::now();
        while chunk.octets.len() < CHUNK {
            if self.supply.halt.is_asked() || !self.advance().map_err(|error| error.to_string())? {
                return Ok(false);
            }
            let packet = self.batch.packets()[self.position];
            let now = Instant::now();
            let octets = packet.captured_len() as usize;
            let due = *self
                .due
                .get_or_insert_with(|| self.clock.due(packet.timestamp, octets, now));
            let patience = if chunk.packets > 0 {
                self.supply.playback.flush
            } else {
                wait
            };
            let latest = began + patience;
            if due > now {
                if due > latest && chunk.packets > 0 {
                    return Ok(true);
                }
                thread::sleep(due.min(latest).saturating_duration_since(now));
                if due > latest {
                    return Ok(true);
                }
            }
            self.due = None;
            if let Some(files) = &self.files {
                let octets = self.batch.data(&packet);
                let appended = self.shaper.append(chunk, (&packet, octets), files, false);
                appended.map_err(|error| error.to_string())?;
            }
            self.position += 1;
            self.passed += 1;
        }
        Ok(true)
    }
}

impl Feed for Pass<'_> {
    fn next(&mut self, wait: Duration) -> Next {
        let mut chunk = Chunk::default();
        if self.stopped.is_none() {
            match self.fill(&mut chunk, wait) {
                Ok(true) => {}
                Ok(false) => self.stopped = Some(Ok(())),
                Err(reason) => self.stopped = Some(Err(reason)),
            }
        }
        match &self.stopped {
            _ if chunk.packets > 0 => Next::Chunk(Arc::new(chunk)),
            None => Next::Nothing,
            Some(Ok(())) => Next::End,
            Some(Err(reason)) => Next::Failed(reason.clone()),
        }
    }

    fn leave(&mut self) -> QueueCounts {
        QueueCounts::default()
    }

    fn losses(&self) -> QueueCounts {
        QueueCounts::default()
    }
}
