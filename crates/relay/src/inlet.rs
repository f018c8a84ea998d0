//! What a stream is made from: a source of packets that says where they come from.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use netcap_capture::pcap_over_ip::Reader;
use netcap_capture::{Batch, Error, LinkType, Progress, Source, merge, open};

use crate::path::Path;
use crate::stream::Interface;

/// A source whose packets' interface numbers count its [`Inlet::interfaces`].
pub trait Inlet: Source {
    /// The interfaces known so far. The list only grows.
    fn interfaces(&self) -> Vec<Interface>;
}

impl Inlet for Reader {
    fn interfaces(&self) -> Vec<Interface> {
        let known = Reader::interfaces(self).into_iter();
        known
            .map(|interface| Interface {
                path: Some(Path::of(interface.comment.as_deref())),
                name: interface.name(),
                link_type: interface.link_type,
                snaplen: interface.snaplen,
            })
            .collect()
    }
}

/// Capture files, merged by time. An interface is a link type of one of a file's interfaces, and
/// has the file's name.
pub struct Files {
    source: Box<dyn Source>,
    interfaces: Table,
}

/// The interfaces of all files, shared by their sources.
type Table = Arc<Mutex<Vec<Interface>>>;

fn lock(table: &Table) -> MutexGuard<'_, Vec<Interface>> {
    table.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Files {
    /// Opens them all.
    pub fn open(paths: &[PathBuf]) -> Result<Files, Error> {
        let sources = paths.iter().map(|path| open(path));
        let sources = sources.collect::<Result<Vec<_>, _>>()?;
        Ok(Files::merge(sources, None))
    }

    /// One capture that is read from elsewhere, and its interface if that is known before the first
    /// packet.
    pub fn one(source: Box<dyn Source>, interface: Option<Interface>) -> Files {
        Files::merge(vec![source], interface)
    }

    fn merge(sources: Vec<Box<dyn Source>>, known: Option<Interface>) -> Files {
        let numbers: Vec<_> = known
            .iter()
            .map(|interface| ((0, interface.link_type), 0))
            .collect();
        let interfaces = Arc::new(Mutex::new(Vec::from_iter(known)));
        let sources = sources.into_iter().map(|source| {
            Box::new(Numbered {
                source,
                numbers: numbers.clone(),
                interfaces: Arc::clone(&interfaces),
            }) as Box<dyn Source>
        });
        Files {
            source: merge(sources.collect()),
            interfaces,
        }
    }
}

impl Source for Files {
    fn fill(&mut self, batch: &mut Batch) -> Result<bool, Error> {
        self.source.fill(batch)
    }

    fn progress(&self) -> Progress {
        self.source.progress()
    }

    fn name(&self) -> &str {
        self.source.name()
    }
}

impl Inlet for Files {
    fn interfaces(&self) -> Vec<Interface> {
        lock(&self.interfaces).clone()
    }
}

/// One of several files: its interfaces get numbers that no other file's have.
struct Numbered {
    source: Box<dyn Source>,
    /// What its own interfaces are in the table.
    numbers: Vec<((u32, LinkType), u32)>,
    interfaces: Table,
}

impl Source for Numbered {
    fn fill(&mut self, batch: &mut Batch) -> Result<bool, Error> {
        let filled = self.source.fill(batch)?;
        let (numbers, name) = (&mut self.numbers, self.source.name());
        batch.renumber(|packet| {
            let own = (packet.interface, packet.link_type);
            // The latest are the likeliest.
            if let Some((_, number)) = numbers.iter().rev().find(|(known, _)| *known == own) {
                return *number;
            }
            let mut table = lock(&self.interfaces);
            let number = u32::try_from(table.len()).unwrap_or(u32::MAX);
            table.push(Interface {
                name: name.to_owned(),
                link_type: packet.link_type,
                snaplen: 0,
                path: None,
            });
            numbers.push((own, number));
            number
        });
        Ok(filled)
    }

    fn progress(&self) -> Progress {
        self.source.progress()
    }

    fn name(&self) -> &str {
        self.source.name()
    }
}
