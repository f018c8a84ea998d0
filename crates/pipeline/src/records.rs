//! Records without files: a run on a thread of its own, whose records come one by one.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::{panic, thread};

use crossbeam_channel::{Receiver, Sender, bounded};
use netcap_capture::Source;
use netcap_record::csv::{self, CsvStyle};
use netcap_record::{Message, Scalar, Schema, WireError, split_frame};
use netcap_store::{Encoding, Frames};

use crate::outlet::{Delivery, Outlet, Workers};
use crate::{Config, Error, Registry, Report, run};

/// Deliveries that wait to be read.
const WAITING: usize = 2;

/// A record that a run gave.
#[derive(Clone, Debug)]
pub struct AuditRecord {
    schema: &'static Schema,
    packet: u64,
    octets: Box<[u8]>,
}

impl AuditRecord {
    /// Name of its type, which the selection takes and files are called by: `TLS`.
    pub fn kind(&self) -> &'static str {
        self.schema.stem
    }

    /// The definition of its type.
    pub fn schema(&self) -> &'static Schema {
        self.schema
    }

    /// Number of its packet, from 1; of a flow the first one; 0 where none is known.
    pub fn packet(&self) -> u64 {
        self.packet
    }

    /// It as protobuf.
    pub fn octets(&self) -> &[u8] {
        &self.octets
    }

    /// Its fields.
    ///
    /// # Errors
    /// None of records that come of a run.
    pub fn message(&self) -> Result<Message<'_>, WireError> {
        Message::parse(self.schema, &self.octets)
    }

    /// The value of a field by its name, as what it is: a number, a text, a time. The first one of a
    /// field that holds several. None where there is no such field, or it has its default (0, false,
    /// nothing).
    pub fn get(&self, field: &str) -> Option<Scalar<'_>> {
        let field = self.schema.field(field)?;
        self.message().ok()?.values(field).next()
    }

    /// The value of a field by its name as text, as a cell of CSV has it; none where there is no such
    /// field.
    pub fn text(&self, field: &str) -> Option<String> {
        let field = self.schema.field(field)?;
        let mut text = Vec::new();
        csv::cell(
            &self.message().ok()?,
            field,
            &CsvStyle::default(),
            &mut text,
        );
        Some(String::from_utf8_lossy(&text).into_owned())
    }
}

/// The records of a run, in the order in which they came to be. Dropped before its end, the run stops.
///
/// Memory is bounded: the run waits while nobody takes records.
pub struct Records {
    records: Option<Receiver<Vec<AuditRecord>>>,
    current: std::vec::IntoIter<AuditRecord>,
    run: Option<JoinHandle<Result<Report, Error>>>,
    stop: Arc<AtomicBool>,
    report: Option<Report>,
}

/// Begins a run whose records are iterated over.
///
/// # Errors
/// A thread that cannot be started.
pub fn records(
    source: Box<dyn Source>,
    registry: Registry,
    config: Config,
) -> Result<Records, Error> {
    let (sender, receiver) = bounded(WAITING);
    let stop = Arc::new(AtomicBool::new(false));
    let asked = Arc::clone(&stop);
    let run = thread::Builder::new()
        .name("sequencer".to_owned())
        .spawn(move || {
            let mut outlet = Sending(sender);
            run(source, &registry, &config, &mut outlet, &asked, &mut |_| {})
        });
    Ok(Records {
        records: Some(receiver),
        current: Vec::new().into_iter(),
        run: Some(run.map_err(Error::Thread)?),
        stop,
        report: None,
    })
}

impl Records {
    /// What became of the packets, once all records have been read.
    pub fn report(&self) -> Option<&Report> {
        self.report.as_ref()
    }

    /// Waits for the end of the run.
    fn finish(&mut self) -> Result<(), Error> {
        self.records = None;
        match self.run.take().map(JoinHandle::join) {
            Some(Ok(result)) => self.report = Some(result?),
            Some(Err(panic)) => panic::resume_unwind(panic),
            None => {}
        }
        Ok(())
    }
}

impl Iterator for Records {
    type Item = Result<AuditRecord, Error>;

    fn next(&mut self) -> Option<Result<AuditRecord, Error>> {
        loop {
            if let Some(record) = self.current.next() {
                return Some(Ok(record));
            }
            match self.records.as_ref()?.recv() {
                Ok(records) => self.current = records.into_iter(),
                Err(_) => return self.finish().err().map(Err),
            }
        }
    }
}

impl Drop for Records {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.records = None;
    }
}

/// Sends the records to whoever iterates.
struct Sending(Sender<Vec<AuditRecord>>);

impl Outlet for Sending {
    fn encoding(&self) -> Arc<dyn Encoding> {
        Arc::new(Frames)
    }

    fn take(
        &mut self,
        delivery: &mut Delivery<'_>,
        _workers: &mut Workers<'_>,
    ) -> Result<(), Error> {
        let types = delivery.registry.selected();
        let records = delivery.in_order();
        let records = records.filter_map(|(place, packet, octets)| {
            let (octets, _) = split_frame(octets)?;
            Some(AuditRecord {
                schema: types.get(place)?,
                packet,
                octets: octets.into(),
            })
        });
        let records: Vec<AuditRecord> = records.collect();
        if records.is_empty() {
            return Ok(());
        }
        let sent = self.0.send(records);
        sent.map_err(|_| Error::Output(std::io::ErrorKind::BrokenPipe.into()))
    }
}
