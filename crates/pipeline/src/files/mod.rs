//! Files as an outlet: one for each type of record, in a directory, or in a folder of it for each
//! period.

mod config;
mod error_log;
mod folder;
mod periods;
mod sink;
mod unwritten;

use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use crossbeam_channel::{Receiver, Sender, unbounded};
use netcap_dissect::Registry;
use netcap_store::{Encoding, Error as StoreError, Leftover};

use crate::Error;
use crate::outlet::{Delivery, Outlet, Upkeep, Workers};
use crate::side::Side;
use config::Kinds;
pub use config::{FileConfig, FileReport};
use folder::Folder;
use periods::Periods;
use sink::{Block, Piece, Placed, Spare};
use unwritten::has_room;

pub use periods::PeriodLedger;
pub(crate) use sink::BLOCK;
pub use unwritten::Unwritten;

/// How often it is tried whether a disk that was full has room again.
const RETRY: Duration = Duration::from_secs(1);

/// The unfinished files that runs which died have left in a directory of output.
///
/// # Errors
/// Where the directory cannot be read. One that is missing has none.
pub fn leftovers(directory: &Path) -> io::Result<Vec<Leftover>> {
    netcap_store::leftovers(directory, folder::is_ours)
}

/// Writes records to files, which appear when their period ends. Dropped before that, it leaves
/// nothing of the period where the packets can be read again, and unfinished files where they cannot
/// ([`FileConfig::patience`]).
///
/// Nothing ends a run: where the disk refuses, the files of the period get their names at once, each up to
/// its last record that was written whole. What comes then is [`Unwritten`]; with rotation another period
/// begins as soon as there is room.
pub struct Files {
    config: FileConfig,
    kinds: Kinds,
    periods: Periods,
    /// The files of the period that is open.
    open: Option<Folder>,
    /// What workers have done, and have not been asked about: at most what is under way there.
    ended: (Sender<Ended>, Receiver<Ended>),
    spare: Spare,
    /// Whether something of the open period could not be written.
    is_cut: bool,
    unwritten: Unwritten,
    /// Whether nothing can be written for now.
    is_refused: bool,
    /// What was in the way of the names of files, first.
    in_the_way: Option<String>,
    /// What nobody has been told yet.
    news: Vec<String>,
    /// When all output was sent on its way, and when it was tried whether there is room.
    flushed: Instant,
    tried: Instant,
}

/// What a worker has done for a file.
enum Ended {
    /// A member of a file, its number, and the buffers of its pieces.
    Member(usize, u64, Vec<u8>, Vec<Vec<u8>>),
    /// Octets are written; buffers.
    Written(Vec<Vec<u8>>),
    /// Octets for a place in a file could not be written.
    Failed(usize, u64, StoreError),
}

impl Files {
    /// Makes the directory, and looks whether anything is in the way.
    ///
    /// # Errors
    /// Where the directory cannot be made, or a file is there that must not be replaced.
    pub fn new(config: FileConfig, registry: &Registry) -> Result<Files, Error> {
        let mut periods = Periods::new(config.directory.clone(), config.rotation)?;
        let kinds = Kinds {
            schemas: registry.selected().to_vec(),
            columns: registry.columns(),
        };
        Ok(Files {
            open: Some(periods.begin(&config, &kinds)?),
            config,
            kinds,
            periods,
            ended: unbounded(),
            spare: Spare::default(),
            is_cut: false,
            unwritten: Unwritten::default(),
            is_refused: false,
            in_the_way: None,
            news: Vec::new(),
            flushed: Instant::now(),
            tried: Instant::now(),
        })
    }

    /// What could not be written.
    pub fn unwritten(&self) -> &Unwritten {
        &self.unwritten
    }

    /// What was in the way of the names of files, the first time that something was, and where these are.
    pub fn in_the_way(&self) -> Option<&str> {
        self.in_the_way.as_deref()
    }

    /// Something cannot be written: the period that is open ends.
    fn fail(&mut self, error: &Error) {
        self.unwritten.because(error);
        if !std::mem::replace(&mut self.is_refused, true) {
            let remedy = match self.config.rotation {
                Some(_) => "new ones begin once it can be written again",
                None => "make room and start anew",
            };
            self.news.push(format!(
                "cannot write {error}; the files until here are complete, what comes is lost; {remedy}"
            ));
        }
        self.is_cut = self.open.is_some();
        self.tried = Instant::now();
    }

    /// Begins a period, if that is possible.
    fn begin(&mut self) {
        match self.periods.begin(&self.config, &self.kinds) {
            Ok(open) => {
                self.open = Some(open);
                if std::mem::take(&mut self.is_refused) {
                    self.news.push("new files have begun".to_owned());
                }
            }
            Err(error) => self.fail(&error),
        }
    }

    /// The files written, in order of name; of several periods, those of one name added up.
    pub fn reports(&self) -> Vec<FileReport> {
        self.periods.report().0
    }

    /// What became of the periods, with rotation.
    pub fn periods(&self) -> PeriodLedger {
        self.periods.report().1
    }

    /// Octets on disk of the period that is open.
    fn octets(&self) -> u64 {
        self.open.as_ref().map_or(0, Folder::octets)
    }

    /// Sends the blocks of a file that are full on their way; with `rest`, the last one too.
    fn cut(&mut self, file: usize, rest: bool, workers: &mut Workers<'_>) {
        if self.is_cut {
            return;
        }
        let Some(sink) = self.open.as_mut().and_then(|open| open.sinks.get_mut(file)) else {
            return;
        };
        while let Some(block) = sink.block(rest) {
            let ended = self.ended.0.clone();
            if sink.is_compressed {
                let number = block.number;
                workers.give(Box::new(move |tools| {
                    let member = tools.gzip.member(join(&block, &mut tools.room));
                    let buffers = buffers(block);
                    let _ = ended.send(Ended::Member(file, number, member, buffers));
                }));
            } else if let Some(placed) = sink.place(&block) {
                workers.give(Box::new(move |_| {
                    let _ = ended.send(match write(&block, &placed) {
                        Ok(()) => Ended::Written(buffers(block)),
                        Err(error) => Ended::Failed(file, placed.place, error),
                    });
                }));
            }
        }
    }

    fn cut_all(&mut self, workers: &mut Workers<'_>) {
        let files = self.open.as_ref().map_or(0, |open| open.sinks.len());
        for file in 0..files {
            self.cut(file, true, workers);
        }
    }

    /// Takes a member: those whose turn it is are written.
    fn member(&mut self, file: usize, number: u64, member: Vec<u8>, workers: &mut Workers<'_>) {
        if self.is_cut {
            return;
        }
        let sink = self.open.as_mut().and_then(|open| open.sinks.get_mut(file));
        for (placed, member) in sink
            .map(|sink| sink.member(number, member))
            .unwrap_or_default()
        {
            let ended = self.ended.0.clone();
            workers.give(Box::new(move |_| {
                let _ = ended.send(match placed.placer.write(&member, placed.place) {
                    Ok(()) => Ended::Written(Vec::new()),
                    Err(error) => Ended::Failed(file, placed.place, error),
                });
            }));
        }
    }
}

/// The octets of a block in one piece.
fn join<'a>(block: &'a Block, room: &'a mut Vec<u8>) -> &'a [u8] {
    if let [piece] = block.pieces.as_slice() {
        return piece.octets();
    }
    room.clear();
    for piece in &block.pieces {
        room.extend_from_slice(piece.octets());
    }
    room
}

/// Writes a block to its place.
fn write(block: &Block, placed: &Placed) -> Result<(), StoreError> {
    let pieces: Vec<&[u8]> = block.pieces.iter().map(Piece::octets).collect();
    placed.placer.write_pieces(&pieces, placed.place)
}

/// The buffers of a block that nobody needs any more.
fn buffers(block: Block) -> Vec<Vec<u8>> {
    let pieces = block.pieces.into_iter();
    pieces.filter_map(Piece::into_buffer).collect()
}

impl Outlet for Files {
    fn encoding(&self) -> Arc<dyn Encoding> {
        Arc::clone(&self.config.encoding)
    }

    fn wants_sides(&self) -> bool {
        true
    }

    fn take(
        &mut self,
        delivery: &mut Delivery<'_>,
        workers: &mut Workers<'_>,
    ) -> Result<(), Error> {
        let Some(open) = self.open.as_mut().filter(|_| !self.is_cut) else {
            self.unwritten.add(delivery.packets, delivery.records());
            return Ok(());
        };
        let (mut touched, mut trouble, mut lost) = (Vec::new(), None, 0);
        for (place, chunk) in delivery.chunks.iter_mut().enumerate() {
            if chunk.is_empty() {
                continue;
            }
            match open.of_type(place, &self.config, &self.kinds) {
                Ok(file) => {
                    let sink = &mut open.sinks[file];
                    sink.records += chunk.records();
                    sink.append(&mut chunk.octets, &mut self.spare);
                    touched.push(file);
                }
                Err(error) => {
                    lost += chunk.records();
                    trouble = Some(error);
                }
            }
        }
        for (side, chunk) in delivery.sides.iter_mut() {
            if *side == Side::Log {
                open.error_log.fit(chunk);
            }
            match open.of_side(*side) {
                Ok(file) => {
                    open.sinks[file].append(&mut chunk.octets, &mut self.spare);
                    touched.push(file);
                }
                Err(error) => trouble = Some(error),
            }
        }
        for file in touched {
            self.cut(file, !self.config.buffered, workers);
        }
        if let Some(error) = trouble {
            self.unwritten.add(delivery.packets, lost);
            self.fail(&error);
        }
        Ok(())
    }

    fn task_ended(&mut self, workers: &mut Workers<'_>) -> Result<(), Error> {
        while let Ok(ended) = self.ended.1.try_recv() {
            let buffers = match ended {
                Ended::Member(file, number, member, buffers) => {
                    self.member(file, number, member, workers);
                    buffers
                }
                Ended::Written(buffers) => buffers,
                Ended::Failed(file, place, error) => {
                    let open = self.open.as_mut();
                    if let Some(sink) = open.and_then(|open| open.sinks.get_mut(file)) {
                        sink.broken_at(place);
                    }
                    self.fail(&error.into());
                    Vec::new()
                }
            };
            buffers
                .into_iter()
                .for_each(|buffer| self.spare.push(buffer));
        }
        Ok(())
    }

    fn is_over(&self, now: SystemTime) -> bool {
        self.open.is_some() && (self.is_cut || self.periods.is_over(now, self.octets()))
    }

    fn end_period(&mut self, workers: &mut Workers<'_>) -> Result<(), Error> {
        self.cut_all(workers);
        Ok(())
    }

    fn close_period(&mut self, goes_on: bool) -> Result<(), Error> {
        let are_cut = std::mem::take(&mut self.is_cut);
        let closed = self.open.take();
        if goes_on && !are_cut {
            self.begin();
        }
        if let Some(closed) = closed {
            let (lost, in_the_way) = self.periods.close(closed, are_cut);
            self.unwritten.records += lost;
            self.news.extend(in_the_way.clone());
            self.in_the_way = self.in_the_way.take().or(in_the_way);
        }
        Ok(())
    }

    fn tidy(&mut self, workers: &mut Workers<'_>) -> Upkeep {
        if self.open.is_none() && self.config.rotation.is_some() && self.tried.elapsed() >= RETRY {
            self.tried = Instant::now();
            // It may be gone, and a disk may be there again under it.
            drop(fs::create_dir_all(&self.config.directory));
            if has_room(&self.config.directory) {
                self.begin();
            }
        }
        let patience = self.config.patience;
        if patience.is_some_and(|patience| self.flushed.elapsed() >= patience) {
            self.flushed = Instant::now();
            self.cut_all(workers);
        }
        self.periods.make_room(self.octets());
        Upkeep {
            removed: self.periods.removed(),
            unwritten: self.unwritten.packets,
            news: std::mem::take(&mut self.news),
        }
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        if let Some(open) = self.open.take()
            && self.config.patience.is_none()
        {
            open.discard();
        }
    }
}
