//! One run: threads and order.

use std::collections::{BTreeMap, HashSet};
use std::panic;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};
use netcap_capture::{Batch, Filter, FilterError, LAST_WORDS, LIVE_TICK, Origin, Progress, Source};
use netcap_dissect::{Bodies, Completed, Output, Registry};
use netcap_flow::{Defragmenter, FlowLimits, FragmentPorts, Lane, Limits, StreamLimits};
use netcap_protocols::STREAMS;
use netcap_record::csv::CsvStyle;
use netcap_record::{Time, Timestamp};
use netcap_store::Gzip;

use crate::bodies::BodySink;
use crate::files::Files;
use crate::interleave::interleave;
use crate::periods::Periods;
use crate::side::Side;
use crate::sink::{Block, Sink};
use crate::worker::{Walked, Worker};
use crate::{BodyConfig, Ledger, PeriodLedger, Rotation};

/// Octets of a batch: what stays in a core's second-level cache together with its output.
pub(crate) const BATCH_OCTETS: usize = 512 << 10;
/// Flows and streams that are closed at once at the end of a capture: their records wait in memory.
const CLOSED_AT_ONCE: usize = 4096;
/// How often the caller hears of progress, and an idle run looks whether it should stop.
const TICK: Duration = Duration::from_millis(100);
/// How long a source may go on reading once the run should stop.
const PATIENCE: Duration = Duration::from_millis(500);
/// How long a live source may go on giving packets then: its last words, and what it waits before it
/// finds that there are none.
const LIVE_PATIENCE: Duration = LAST_WORDS.saturating_add(LIVE_TICK.saturating_mul(2));
/// How often a source is asked where its packets come from.
const ACCOUNT: Duration = Duration::from_millis(500);
/// Fragments inside datagrams inside fragments that are followed for one packet.
const NESTED_FRAGMENTS: usize = 8;

/// How a run is done.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where files go; made if missing.
    pub directory: PathBuf,
    /// When files are closed and others begun, in folders of `directory`; by default never.
    pub rotation: Option<Rotation>,
    /// When the run ends, if not with its input.
    pub limits: RunLimits,
    /// What files look like.
    pub format: Format,
    /// Whether output waits for whole blocks. Without, it is written as each batch ends.
    pub buffered: bool,
    /// Worker threads, at least 1.
    pub workers: usize,
    /// Lanes, at least 1: parts of the tables of flows and streams that have an owner each.
    pub lanes: usize,
    /// Packets of a batch at most.
    pub batch_packets: usize,
    /// What packets must match; others are counted, and nothing else.
    pub filter: Option<Arc<Filter>>,
    /// LINKTYPE that overrides the capture's own.
    pub base: Option<u32>,
    /// When flows close, and how many may be open.
    pub flows: FlowLimits,
    /// How much may wait to be put together from fragments.
    pub fragments: Limits,
    /// How TCP streams are put together, and how much may wait for that.
    pub streams: StreamLimits,
    /// Where bodies of responses go; by default nowhere. They come of streams, so somebody must want
    /// records of these.
    pub bodies: Option<BodyConfig>,
    /// Whether to leave out `unknown.pcap`.
    pub ignore_unknown: bool,
    /// Whether files in the way are replaced.
    pub overwrite: bool,
    /// `InputSource` of the headers.
    pub source: String,
    /// `Version` of the headers.
    pub version: String,
    /// `Created` of the headers; with `rotation` that is when the period began.
    pub created: Timestamp,
}

impl Config {
    /// A run with one worker, the default limits, no name and no time in the headers.
    pub fn new(directory: impl Into<PathBuf>, format: Format) -> Config {
        Config {
            directory: directory.into(),
            rotation: None,
            limits: RunLimits::default(),
            format,
            buffered: true,
            workers: 1,
            lanes: 1,
            batch_packets: 1024,
            filter: None,
            base: None,
            flows: FlowLimits::default(),
            fragments: Limits::default(),
            streams: StreamLimits::default(),
            bodies: None,
            ignore_unknown: false,
            overwrite: false,
            source: String::new(),
            version: String::new(),
            created: Timestamp::new(0, 0),
        }
    }
}

/// When a run ends before its input does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RunLimits {
    /// After so many packets.
    pub packets: Option<u64>,
    /// After so long, by the wall clock.
    pub time: Option<Duration>,
}

/// What files of records look like.
#[derive(Clone, Debug)]
pub enum Format {
    /// Length-delimited protobuf: `.ncap`, `.ncap.gz`.
    Ncap {
        /// Whether to compress with gzip.
        compress: bool,
    },
    /// Text: `.csv`, `.csv.gz`.
    Csv {
        /// Whether to compress with gzip.
        compress: bool,
        /// Separator, quoting, delimiters.
        style: CsvStyle,
    },
}

impl Format {
    pub(crate) fn compress(&self) -> bool {
        match self {
            Format::Ncap { compress } | Format::Csv { compress, .. } => *compress,
        }
    }

    /// How CSV looks, where files are CSV.
    pub(crate) fn style(&self) -> Option<&CsvStyle> {
        match self {
            Format::Csv { style, .. } => Some(style),
            Format::Ncap { .. } => None,
        }
    }

    pub(crate) fn extension(&self) -> &'static str {
        match self {
            Format::Ncap { compress: true } => "ncap.gz",
            Format::Ncap { compress: false } => "ncap",
            Format::Csv { compress: true, .. } => "csv.gz",
            Format::Csv {
                compress: false, ..
            } => "csv",
        }
    }
}

/// How far a run has come.
#[derive(Clone, Copy, Debug)]
pub struct Watch {
    /// Packets done.
    pub packets: u64,
    /// Their captured octets.
    pub octets: u64,
    /// Octets of input read.
    pub done: u64,
    /// Octets of input in all, where known.
    pub total: Option<u64>,
    /// Whether the packets come as they happen.
    pub is_live: bool,
    /// Packets that were lost where they come from.
    pub lost: u64,
    /// Of the origins of packets, those that give no more while others do.
    pub ended: usize,
    /// Flows open, of the model that has most.
    pub flows: usize,
    /// Closed periods that were removed.
    pub removed: u64,
}

/// What a run gave.
#[derive(Debug)]
pub struct Report {
    /// What became of the packets.
    pub ledger: Ledger,
    /// Files written, in order of name; of several periods, those of one name added up.
    pub files: Vec<FileReport>,
    /// What became of the periods, with rotation.
    pub periods: PeriodLedger,
    /// Why the input ended before its end, if it did.
    pub trouble: Option<netcap_capture::Error>,
    /// Whether the run was asked to stop before the input ended.
    pub interrupted: bool,
}

/// One file written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileReport {
    /// Its name in the directory.
    pub name: String,
    /// Record type, by its name for users; empty for logs and pcaps.
    pub record_type: &'static str,
    /// Records in it; 0 for logs and pcaps.
    pub records: u64,
    /// Octets on disk.
    pub octets: u64,
}

/// Why a run failed. No file of records was given its name, but in periods that had been closed;
/// bodies that had ended have theirs.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The directory cannot be made.
    #[error("cannot make the directory {}: {source}", path.display())]
    Directory {
        /// Its name.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file cannot be written.
    #[error(transparent)]
    Store(#[from] netcap_store::Error),
    /// The filter makes no sense for a packet.
    #[error(transparent)]
    Filter(#[from] FilterError),
}

/// A batch and what became of it: what travels between the threads, and is used again.
struct Parcel {
    batch: Batch,
    walked: Walked,
    progress: Progress,
    /// What the source says of its origins, from time to time.
    origins: Option<Vec<Origin>>,
}

enum Job {
    Walk(Box<Parcel>),
    Compress(usize, Block),
    /// The end, also while a reader that was left behind still holds its end of the channel.
    Stop,
}

enum Done {
    Walked(Box<Parcel>),
    /// A member of a file, its number, and the buffer of the block for further use.
    Compressed(usize, u64, Vec<u8>, Vec<u8>),
    /// The reader is at its end.
    End(End),
    /// A thread is about to end the program.
    Panicked,
}

/// How the reader came to its end.
struct End {
    batches: u64,
    trouble: Option<netcap_capture::Error>,
    origins: Vec<Origin>,
}

/// Tells the sequencer that its thread panics, so that nobody waits for it.
struct Alarm(Sender<Done>);

impl Drop for Alarm {
    fn drop(&mut self) {
        if thread::panicking() {
            let _ = self.0.try_send(Done::Panicked);
        }
    }
}

/// Reads the source to its end, or until `stop` is set, and writes the files.
///
/// Trouble with the input is part of the report: what came before it is processed. `watch` is
/// called from this thread a few times a second.
///
/// # Errors
/// Where the output cannot be written, or a packet comes that the filter makes no sense for; nothing
/// but bodies that had ended is left behind then.
pub fn run(
    source: Box<dyn Source>,
    registry: &Registry,
    config: &Config,
    stop: &Arc<AtomicBool>,
    watch: &mut dyn FnMut(Watch),
) -> Result<Report, Error> {
    let mut periods = Periods::new(config)?;
    let mut files = periods.begin(registry)?;
    let bodies = config.bodies.clone().map(BodySink::new).transpose()?;
    let workers = config.workers.max(1);
    let pool = pool(workers);
    // Room for every batch and every block that can be under way, and for the last words.
    let room = 2 * pool + workers + 2;
    let (free_in, free_out) = bounded(pool);
    let (job_in, job_out) = bounded(room);
    let (done_in, done_out) = bounded(room);
    for _ in 0..pool {
        let parcel = Parcel {
            batch: Batch::new(BATCH_OCTETS, config.batch_packets.max(1)),
            walked: Walked::new(registry),
            progress: Progress::default(),
            origins: None,
        };
        let _ = free_in.send(Box::new(parcel));
    }
    let is_live = source.is_live();
    let reader = {
        let (jobs, done, stop) = (job_in.clone(), done_in.clone(), Arc::clone(stop));
        let limits = config.limits;
        thread::spawn(move || read(source, limits, &free_out, &jobs, &done, &stop))
    };
    let result = thread::scope(|scope| {
        for _ in 0..workers {
            let (jobs, done) = (job_out.clone(), done_in.clone());
            scope.spawn(move || work(registry, config, &jobs, &done));
        }
        drop(done_in);
        let sequencer = Sequencer {
            config,
            registry,
            fragment_ports: FragmentPorts::default(),
            lanes: Lane::all(
                registry,
                STREAMS,
                config.flows,
                config.streams,
                config.lanes,
            ),
            tracked: Output {
                bodies: bodies.is_some().then(Bodies::default),
                ..Output::new(registry)
            },
            bodies,
            interleaved: Vec::new(),
            worker: Worker::new(registry, config),
            scratch: Output::new(registry),
            defragmenter: Defragmenter::new(config.fragments),
            ledger: Ledger::default(),
            is_live,
            early: BTreeMap::new(),
            end: None,
            told: BTreeMap::new(),
            compressing: 0,
            spare: Vec::new(),
            most_compressing: pool,
            gzip: Gzip::default(),
            jobs: job_in.clone(),
        };
        let output = (&mut files, &mut periods);
        let result = sequencer.run(output, &done_out, &free_in, stop, watch);
        for _ in 0..workers {
            let _ = job_in.send(Job::Stop);
        }
        drop(free_in);
        result
    });
    let (mut report, reader_ended) = result?;
    // A reader that still waits for a silent pipe is left to end with the program.
    if reader_ended && let Err(panic) = reader.join() {
        panic::resume_unwind(panic);
    }
    periods.close(files)?;
    (report.files, report.periods) = periods.report();
    Ok(report)
}

/// Batches that are under way at most: each worker has one, and one waits for it.
pub(crate) fn pool(workers: usize) -> usize {
    2 * workers.max(1) + 2
}

/// The reader's thread.
fn read(
    mut source: Box<dyn Source>,
    limits: RunLimits,
    free: &Receiver<Box<Parcel>>,
    jobs: &Sender<Job>,
    done: &Sender<Done>,
    stop: &AtomicBool,
) {
    let _alarm = Alarm(done.clone());
    let (mut batches, mut packets) = (0, 0);
    let mut trouble = None;
    let (started, mut asked) = (Instant::now(), Instant::now());
    let mut stopped: Option<Instant> = None;
    let mut is_last = false;
    while !is_last && limits.packets.is_none_or(|most| packets < most) {
        let is_time = limits.time.is_some_and(|most| started.elapsed() >= most);
        if stopped.is_none() && (is_time || stop.load(Ordering::Relaxed)) {
            if !source.is_live() {
                break;
            }
            // What was captured before is waited for.
            source.stop();
            stopped = Some(Instant::now());
        }
        let Ok(mut parcel) = free.recv() else {
            break;
        };
        // Only then: in this call a source that keeps its promise counts what is left behind.
        is_last = stopped.is_some_and(|since| since.elapsed() >= LIVE_PATIENCE);
        match source.fill(&mut parcel.batch) {
            Ok(true) => {
                if let Some(most) = limits.packets {
                    let left = usize::try_from(most - packets).unwrap_or(usize::MAX);
                    parcel.batch.truncate(left);
                }
                parcel.batch.sequence = batches;
                parcel.batch.first_index = packets;
                parcel.progress = source.progress();
                if asked.elapsed() >= ACCOUNT {
                    asked = Instant::now();
                    parcel.origins = Some(source.origins());
                }
                batches += 1;
                packets += parcel.batch.len() as u64;
                if jobs.send(Job::Walk(parcel)).is_err() {
                    break;
                }
            }
            Ok(false) => break,
            Err(error) => {
                trouble = Some(error);
                break;
            }
        }
    }
    let _ = done.send(Done::End(End {
        batches,
        trouble,
        origins: source.origins(),
    }));
}

/// A worker's thread.
fn work(registry: &Registry, config: &Config, jobs: &Receiver<Job>, done: &Sender<Done>) {
    let _alarm = Alarm(done.clone());
    let mut worker = Worker::new(registry, config);
    let mut gzip = Gzip::default();
    for job in jobs {
        let result = match job {
            Job::Walk(mut parcel) => {
                worker.process(&parcel.batch, &[], &mut parcel.walked);
                Done::Walked(parcel)
            }
            Job::Compress(file, mut block) => {
                let member = gzip.member(&block.octets);
                block.octets.clear();
                Done::Compressed(file, block.number, member, block.octets)
            }
            Job::Stop => break,
        };
        if done.send(result).is_err() {
            break;
        }
    }
}

struct Sequencer<'a> {
    config: &'a Config,
    registry: &'a Registry,
    fragment_ports: FragmentPorts,
    lanes: Vec<Lane>,
    /// What lanes give, until it is appended to the files.
    tracked: Output,
    /// Where the bodies on streams go.
    bodies: Option<BodySink>,
    /// Records of two writers, while they are put in order.
    interleaved: Vec<u8>,
    worker: Worker<'a>,
    scratch: Output,
    defragmenter: Defragmenter,
    ledger: Ledger,
    is_live: bool,
    /// Batches that came before their turn.
    early: BTreeMap<u64, Box<Parcel>>,
    /// How the reader came to its end, once it has.
    end: Option<End>,
    /// The errors that the `errors.log` of closed periods have told of.
    told: BTreeMap<String, u64>,
    /// Blocks that workers are compressing.
    compressing: usize,
    /// Buffers of blocks that are compressed, at most one for each that may be under way.
    spare: Vec<Vec<u8>>,
    most_compressing: usize,
    gzip: Gzip,
    jobs: Sender<Job>,
}

impl<'a> Sequencer<'a> {
    /// Takes what the threads have done until all is done. Says whether the reader has ended.
    fn run(
        mut self,
        (files, periods): (&mut Files<'a>, &mut Periods<'a>),
        done: &Receiver<Done>,
        free: &Sender<Box<Parcel>>,
        stop: &AtomicBool,
        watch: &mut dyn FnMut(Watch),
    ) -> Result<(Report, bool), Error> {
        let mut next = 0;
        let mut watched = Instant::now();
        let mut quiet_since = Instant::now();
        let mut progress = Progress::default();
        let mut abandoned = false;
        while self.end.as_ref().is_none_or(|end| end.batches != next) || self.compressing > 0 {
            match done.recv_timeout(TICK) {
                Ok(Done::Panicked) => return Ok((self.report(false), true)),
                Ok(done) => {
                    self.receive(done, files)?;
                    quiet_since = Instant::now();
                }
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => {
                    let over = stop.load(Ordering::Relaxed) && self.end.is_none();
                    if over && quiet_since.elapsed() > PATIENCE {
                        abandoned = true;
                        break;
                    }
                }
            }
            while let Some(mut parcel) = self.early.remove(&next) {
                next += 1;
                self.take(&mut parcel, files)?;
                progress = parcel.progress;
                let _ = free.try_send(parcel);
            }
            if periods.is_over(SystemTime::now(), files.octets()) {
                if !self.close_files(files, done)? {
                    return Ok((self.report(false), true));
                }
                let closed = std::mem::replace(files, periods.begin(self.registry)?);
                periods.close(closed)?;
            }
            if watched.elapsed() >= TICK {
                watched = Instant::now();
                periods.make_room(files.octets());
                watch(Watch {
                    packets: self.ledger.packets,
                    octets: self.ledger.octets,
                    done: progress.done,
                    total: progress.total,
                    is_live: self.is_live,
                    lost: self.ledger.lost(),
                    ended: self.ledger.ended(),
                    flows: self.open(),
                    removed: periods.removed(),
                });
            }
        }
        let nothing = Output::new(self.registry);
        let mut is_open = true;
        while is_open {
            let lanes = self.lanes.iter_mut();
            let up_to = lanes.map(|lane| lane.closes_up_to(CLOSED_AT_ONCE)).min();
            is_open = false;
            for lane in &mut self.lanes {
                let up_to = up_to.unwrap_or(u64::MAX);
                is_open |= lane.close(up_to, self.registry, &mut self.tracked);
            }
            self.tracked.sort_by_turn();
            self.keep_bodies()?;
            self.append_all(&nothing, 0, files)?;
        }
        self.ledger.bodies = self
            .bodies
            .as_ref()
            .map(BodySink::ledger)
            .unwrap_or_default();
        for lane in &self.lanes {
            self.ledger.streams.add(&lane.stream_ledger());
            self.ledger.flows_evicted += lane.evicted();
        }
        if !self.close_files(files, done)? {
            return Ok((self.report(false), true));
        }
        let interrupted = stop.load(Ordering::Relaxed);
        Ok((self.report(interrupted), !abandoned))
    }

    /// Takes what a thread has done.
    fn receive(&mut self, done: Done, files: &mut Files<'_>) -> Result<(), Error> {
        match done {
            Done::Walked(parcel) => drop(self.early.insert(parcel.batch.sequence, parcel)),
            Done::Compressed(file, number, member, buffer) => {
                self.compressing -= 1;
                self.spare.push(buffer);
                files.sinks[file].write(number, member)?;
            }
            Done::End(mut end) => {
                self.ledger.origins = std::mem::take(&mut end.origins);
                self.end = Some(end);
            }
            Done::Panicked => {}
        }
        Ok(())
    }

    /// Brings everything that has been given to the files into them. `false` where a thread
    /// panicked.
    fn close_files(&mut self, files: &mut Files<'_>, done: &Receiver<Done>) -> Result<bool, Error> {
        let log = self.summary();
        if !log.is_empty() {
            self.append_side(files, Side::Log, &log)?;
        }
        self.cut_all(files)?;
        while self.compressing > 0 {
            match done.recv() {
                Ok(Done::Panicked) | Err(_) => return Ok(false),
                Ok(done) => self.receive(done, files)?,
            }
        }
        Ok(true)
    }

    /// Sends on its way what does not fill a block.
    fn cut_all(&mut self, files: &mut Files<'_>) -> Result<(), Error> {
        for file in 0..files.sinks.len() {
            if let Some(block) = files.sinks[file].rest() {
                self.cut(&mut files.sinks[file], file, block)?;
            }
        }
        Ok(())
    }

    fn report(mut self, interrupted: bool) -> Report {
        self.ledger.fragments = self.fragment_ledger();
        Report {
            ledger: self.ledger,
            files: Vec::new(),
            periods: PeriodLedger::default(),
            trouble: self.end.and_then(|end| end.trouble),
            interrupted,
        }
    }

    fn fragment_ledger(&self) -> crate::FragmentLedger {
        let mut fragments = self.defragmenter.ledger();
        fragments.cut = self.ledger.fragments.cut;
        fragments
    }

    /// Takes a batch in its turn.
    fn take(&mut self, parcel: &mut Parcel, files: &mut Files<'_>) -> Result<(), Error> {
        if let Some(trouble) = parcel.walked.trouble.take() {
            return Err(trouble.into());
        }
        self.defragment(parcel);
        let walked = &mut parcel.walked;
        self.ledger.add(&walked.ledger);
        self.ledger.fragments.cut += walked.output.fragments_cut;
        self.fragment_ports.complete(&mut walked.notes);
        let batch = &parcel.batch;
        let octets = |place: u32| {
            let packet = batch.packets().get(place as usize);
            packet.map_or(&[] as &[u8], |packet| batch.data(packet))
        };
        for lane in &mut self.lanes {
            lane.take(&walked.notes, octets, self.registry, &mut self.tracked);
            if let Some(clock) = batch.clock {
                let clock = Time::new(clock.seconds, clock.nanos);
                lane.expire(clock, self.registry, &mut self.tracked);
            }
        }
        self.tracked.sort_by_turn();
        self.keep_bodies()?;
        if let Some(origins) = parcel.origins.take() {
            self.ledger.origins = origins;
        }
        let first = parcel.batch.first_index + 1;
        self.append_all(&parcel.walked.output, first, files)?;
        let walked = &parcel.walked;
        for (side, octets) in &walked.sides.0 {
            self.append_side(files, *side, octets)?;
        }
        if !self.config.buffered {
            self.cut_all(files)?;
        }
        Ok(())
    }

    /// Flows open, of the model that has most.
    fn open(&self) -> usize {
        let mut open = self.lanes.first().map(Lane::open).unwrap_or_default();
        for lane in self.lanes.iter().skip(1) {
            for (all, more) in open.iter_mut().zip(lane.open()) {
                *all += more;
            }
        }
        open.into_iter().max().unwrap_or_default()
    }

    /// Appends what the packets gave, and what trackers and streams did.
    fn append_all(
        &mut self,
        walked: &Output,
        first: u64,
        files: &mut Files<'_>,
    ) -> Result<(), Error> {
        let mut tracked = std::mem::take(&mut self.tracked);
        self.worker.render(&mut tracked);
        self.ledger.records += tracked.records();
        for place in 0..walked.chunks.len() {
            let (chunk, more) = (&walked.chunks[place], &tracked.chunks[place]);
            if chunk.is_empty() && more.is_empty() {
                continue;
            }
            let file = files.of_type(place)?;
            files.sinks[file].records += chunk.records() + more.records();
            if self.registry.is_shared(place) && !chunk.is_empty() && !more.is_empty() {
                self.interleaved.clear();
                interleave(chunk, first, more, &mut self.interleaved);
                let octets = std::mem::take(&mut self.interleaved);
                self.append(files, file, &octets)?;
                self.interleaved = octets;
            } else {
                self.append(files, file, &chunk.octets)?;
                self.append(files, file, &more.octets)?;
            }
        }
        tracked.clear();
        self.tracked = tracked;
        Ok(())
    }

    /// Writes what the streams have given of bodies.
    fn keep_bodies(&mut self) -> Result<(), Error> {
        match (&mut self.bodies, &mut self.tracked.bodies) {
            (Some(sink), Some(bodies)) => sink.take(&mut bodies.events),
            _ => Ok(()),
        }
    }

    /// Feeds the batch's fragments to the defragmenter. Where they complete datagrams, the batch is
    /// walked again with these.
    fn defragment(&mut self, parcel: &mut Parcel) {
        if parcel.walked.output.fragments.is_empty() {
            return;
        }
        let mut completed: Vec<Completed> = Vec::new();
        let mut pending = std::mem::take(&mut parcel.walked.output.fragments)
            .into_iter()
            .peekable();
        while let Some(first) = pending.next() {
            // All fragments of one packet, then those inside the datagrams they complete.
            let packet = first.packet;
            let mut queue = vec![first];
            while let Some(fragment) = pending.next_if(|f| f.packet == packet) {
                queue.push(fragment);
            }
            let mut seen = HashSet::new();
            let own = completed.len();
            for _ in 0..NESTED_FRAGMENTS {
                let before = completed.len();
                let seconds = match parcel.batch.packets().get(packet as usize) {
                    Some(p) => p.timestamp.seconds,
                    None => break,
                };
                for fragment in queue.drain(..) {
                    if seen.insert(fragment.ordinal) {
                        completed.extend(self.defragmenter.insert(&fragment, seconds));
                    }
                }
                if completed.len() == before {
                    break;
                }
                let known = completed.get(own..).unwrap_or_default();
                queue = self
                    .worker
                    .fragments_of(&parcel.batch, packet, known, &mut self.scratch);
            }
        }
        if !completed.is_empty() {
            self.worker
                .process(&parcel.batch, &completed, &mut parcel.walked);
        }
    }

    fn append_side(
        &mut self,
        files: &mut Files<'_>,
        side: Side,
        octets: &[u8],
    ) -> Result<(), Error> {
        let file = files.of_side(side)?;
        self.append(files, file, octets)
    }

    fn append(&mut self, files: &mut Files<'_>, file: usize, octets: &[u8]) -> Result<(), Error> {
        let Some(sink) = files.sinks.get_mut(file) else {
            return Ok(());
        };
        sink.append(octets, |sink, block| self.cut(sink, file, block))?;
        Ok(())
    }

    /// Sends a full block on its way: to a worker for compression, or straight to the file. Gives
    /// a buffer for the next block.
    fn cut(
        &mut self,
        sink: &mut Sink,
        file: usize,
        block: Block,
    ) -> Result<Vec<u8>, netcap_store::Error> {
        if !self.config.format.compress() || !sink.compressed {
            return sink.write(block.number, block.octets);
        }
        if self.compressing == self.most_compressing {
            let member = self.gzip.member(&block.octets);
            sink.write(block.number, member)?;
            let mut buffer = block.octets;
            buffer.clear();
            return Ok(buffer);
        }
        self.compressing += 1;
        // The channel has room for every block that may be under way.
        if self.jobs.send(Job::Compress(file, block)).is_err() {
            unreachable!("the workers hold the other end");
        }
        Ok(self.spare.pop().unwrap_or_default())
    }

    /// The closing lines of `errors.log`: the errors since the last one.
    fn summary(&mut self) -> Vec<u8> {
        let mut text = String::new();
        for (name, count) in self.ledger.errors() {
            let told = self.told.get(&name).copied().unwrap_or_default();
            if count > told {
                text.push_str(&format!("{name}: {}\n", count - told));
                self.told.insert(name, count);
            }
        }
        text.into_bytes()
    }
}
