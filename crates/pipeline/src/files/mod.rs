//! Files as an outlet: one for each type of record, in a directory, or in a folder of it for each
//! period.

mod config;
mod error_log;
mod folder;
mod periods;
mod sink;

use std::sync::Arc;
use std::time::SystemTime;

use crossbeam_channel::{Receiver, Sender, unbounded};
use netcap_dissect::Registry;
use netcap_store::{Encoding, Error as StoreError};

use crate::Error;
use crate::outlet::{Delivery, Outlet, Workers};
use crate::side::Side;
use config::Kinds;
pub use config::{FileConfig, FileReport};
use folder::Folder;
use periods::Periods;
use sink::{Block, Piece, Placed, Spare};

pub use periods::PeriodLedger;
pub(crate) use sink::BLOCK;

/// Writes records to files, which appear when their period ends. Dropped before that, it leaves
/// nothing of the period.
pub struct Files {
    config: FileConfig,
    kinds: Kinds,
    periods: Periods,
    /// The files of the period that is open.
    open: Option<Folder>,
    /// What workers have done, and have not been asked about: at most what is under way there.
    ended: (Sender<Ended>, Receiver<Ended>),
    spare: Spare,
}

/// What a worker has done for a file.
enum Ended {
    /// A member of a file, its number, and the buffers of its pieces.
    Member(usize, u64, Vec<u8>, Vec<Vec<u8>>),
    /// Octets are written; buffers.
    Written(Result<(), StoreError>, Vec<Vec<u8>>),
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
        })
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
                    let written = write(&block, &placed);
                    let _ = ended.send(Ended::Written(written, buffers(block)));
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
        let sink = self.open.as_mut().and_then(|open| open.sinks.get_mut(file));
        for (placed, member) in sink
            .map(|sink| sink.member(number, member))
            .unwrap_or_default()
        {
            let ended = self.ended.0.clone();
            workers.give(Box::new(move |_| {
                let written = placed.placer.write(&member, placed.place);
                let _ = ended.send(Ended::Written(written, Vec::new()));
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
        let Some(open) = &mut self.open else {
            return Ok(());
        };
        let mut touched = Vec::new();
        for (place, chunk) in delivery.chunks.iter_mut().enumerate() {
            if !chunk.is_empty() {
                let file = open.of_type(place, &self.config, &self.kinds)?;
                let sink = &mut open.sinks[file];
                sink.records += chunk.records();
                sink.append(&mut chunk.octets, &mut self.spare);
                touched.push(file);
            }
        }
        for (side, chunk) in delivery.sides.iter_mut() {
            if *side == Side::Log {
                open.error_log.fit(chunk);
            }
            let file = open.of_side(*side)?;
            open.sinks[file].append(&mut chunk.octets, &mut self.spare);
            touched.push(file);
        }
        for file in touched {
            self.cut(file, !self.config.buffered, workers);
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
                Ended::Written(written, buffers) => {
                    written?;
                    buffers
                }
            };
            buffers
                .into_iter()
                .for_each(|buffer| self.spare.push(buffer));
        }
        Ok(())
    }

    fn is_over(&self, now: SystemTime) -> bool {
        self.periods.is_over(now, self.octets())
    }

    fn end_period(&mut self, workers: &mut Workers<'_>) -> Result<(), Error> {
        self.cut_all(workers);
        Ok(())
    }

    fn close_period(&mut self, goes_on: bool) -> Result<(), Error> {
        let next = match goes_on {
            true => Some(self.periods.begin(&self.config, &self.kinds)?),
            false => None,
        };
        match std::mem::replace(&mut self.open, next) {
            Some(closed) => self.periods.close(closed, self.config.overwrite),
            None => Ok(()),
        }
    }

    fn tidy(&mut self) -> u64 {
        self.periods.make_room(self.octets());
        self.periods.removed()
    }
}
