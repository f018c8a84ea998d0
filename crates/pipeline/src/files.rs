//! The files of a run, or of a period of it: their names, their first octets, and that all of them
//! appear together, complete.

use std::fs;
use std::path::{Path, PathBuf};

use netcap_capture::{LinkType, pcap_writer};
use netcap_dissect::Registry;
use netcap_record::csv;
use netcap_record::{Header, RecordType, Text, Timestamp, frame};
use netcap_store::OutputFile;

use crate::registry::schemas;
use crate::side::Side;
use crate::sink::Sink;
use crate::{Config, Error, FileReport, Format};

/// The files of one directory. Each is started when it gets its first octets.
pub(crate) struct Files<'a> {
    registry: &'a Registry,
    config: &'a Config,
    directory: PathBuf,
    /// `Created` of the headers.
    created: Timestamp,
    pub(crate) sinks: Vec<Sink>,
    by_type: Vec<Option<usize>>,
    by_side: Vec<(Side, usize)>,
    names: Vec<(String, &'static str)>,
    /// Files of an earlier run that have the names of ours.
    stale: Vec<PathBuf>,
}

impl<'a> Files<'a> {
    /// Looks whether anything is in the way.
    pub(crate) fn new(
        registry: &'a Registry,
        config: &'a Config,
        directory: PathBuf,
        created: Timestamp,
    ) -> Result<Files<'a>, Error> {
        let mut names: Vec<String> = registry
            .selected()
            .iter()
            .map(|schema| format!("{}.{}", schema.stem, config.format.extension()))
            .collect();
        names.extend(["errors.log", "errors.pcap", "unknown.pcap"].map(str::to_owned));
        let stale: Vec<PathBuf> = names
            .iter()
            .map(|name| directory.join(name))
            .filter(|path| path.symlink_metadata().is_ok())
            .collect();
        if !config.overwrite
            && let Some(path) = stale.first()
        {
            return Err(netcap_store::Error::Exists { path: path.clone() }.into());
        }
        Ok(Files {
            registry,
            config,
            directory,
            created,
            sinks: Vec::new(),
            by_type: vec![None; registry.selected().len()],
            by_side: Vec::new(),
            names: Vec::new(),
            stale,
        })
    }

    /// Where they are.
    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    /// Octets on disk so far.
    pub(crate) fn octets(&self) -> u64 {
        self.sinks.iter().map(Sink::octets).sum()
    }

    fn start(
        &mut self,
        name: String,
        record_type: &'static str,
        head: &[u8],
    ) -> Result<usize, Error> {
        let mut sink = Sink::create(&self.directory, &name)?;
        sink.compressed = !record_type.is_empty();
        // A head is far smaller than a block.
        sink.append(head, |sink, block| sink.write(block.number, block.octets))?;
        self.sinks.push(sink);
        self.names.push((name, record_type));
        Ok(self.sinks.len() - 1)
    }

    /// The file of a selected record type.
    pub(crate) fn of_type(&mut self, place: usize) -> Result<usize, Error> {
        if let Some(file) = self.by_type[place] {
            return Ok(file);
        }
        let schema = self.registry.selected()[place];
        let mut head = Vec::new();
        match &self.config.format {
            Format::Csv { style, .. } => {
                let columns: Vec<_> = schema.columns(self.registry.columns()).collect();
                csv::header(&columns, style, &mut head);
            }
            Format::Ncap { .. } => frame(
                &Header {
                    created: self.created,
                    input_source: Text(self.config.source.as_bytes()),
                    record_type: RecordType(schema.number.unwrap_or_default()),
                    version: Text(self.config.version.as_bytes()),
                    contains_payloads: self.registry.payloads(),
                },
                &mut head,
            ),
        }
        let name = format!("{}.{}", schema.stem, self.config.format.extension());
        let file = self.start(name, schema.encoder, &head)?;
        self.by_type[place] = Some(file);
        Ok(file)
    }

    /// The file of something else. Of several link types the first has the plain name.
    pub(crate) fn of_side(&mut self, side: Side) -> Result<usize, Error> {
        if let Some((_, file)) = self.by_side.iter().find(|(s, _)| *s == side) {
            return Ok(*file);
        }
        let others = |same: fn(&Side) -> bool| self.by_side.iter().any(|(s, _)| same(s));
        let pcap = |stem: &str, more: bool, link: LinkType| {
            let name = if more {
                format!("{stem}.linktype-{}.pcap", link.0)
            } else {
                format!("{stem}.pcap")
            };
            (
                name,
                pcap_writer::file_header(link, LARGEST_PACKET).to_vec(),
            )
        };
        let (name, head) = match side {
            Side::Log => ("errors.log".to_owned(), Vec::new()),
            Side::Errors(link) => pcap("errors", others(|s| matches!(s, Side::Errors(_))), link),
            Side::Unknown(link) => pcap("unknown", others(|s| matches!(s, Side::Unknown(_))), link),
        };
        let file = self.start(name, "", &head)?;
        self.by_side.push((side, file));
        Ok(file)
    }

    /// Gives every file its name; all are complete.
    ///
    /// # Errors
    /// Where one of them cannot have it, as somebody else's file has got there meanwhile; then none
    /// keeps its name.
    pub(crate) fn finish(self) -> Result<Vec<FileReport>, Error> {
        let overwrite = self.config.overwrite;
        let (mut reports, mut named) = (Vec::new(), Vec::<PathBuf>::new());
        for path in &self.stale {
            remove(path)?;
        }
        for (sink, (name, record_type)) in self.sinks.into_iter().zip(self.names) {
            let records = sink.records;
            let file: OutputFile = sink.into_file();
            let path = self.directory.join(&name);
            reports.push(FileReport {
                name,
                record_type,
                records,
                octets: file.octets(),
            });
            if let Err(error) = file.finish(overwrite) {
                for path in &named {
                    remove(path)?;
                }
                return Err(error.into());
            }
            named.push(path);
        }
        reports.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(reports)
    }
}

/// The names of files that are no records, as [`Files::of_side`] makes them.
fn is_side(name: &str) -> bool {
    let Some((stem, rest)) = name.split_once('.') else {
        return false;
    };
    let number = rest.strip_prefix("linktype-");
    let number = number.and_then(|rest| rest.strip_suffix(".pcap"));
    match (stem, rest) {
        ("errors", "log" | "pcap") | ("unknown", "pcap") => true,
        ("errors" | "unknown", _) => number.is_some_and(|number| number.parse::<u32>().is_ok()),
        _ => false,
    }
}

/// Whether a file in a directory of output has a name that this program gives, complete or not.
pub(crate) fn is_ours(name: &str) -> bool {
    let complete = name.strip_prefix('.').and_then(|hidden| {
        let (name, process) = hidden.strip_suffix(".partial")?.rsplit_once('.')?;
        process.parse::<u32>().is_ok().then_some(name)
    });
    let name = complete.unwrap_or(name);
    let is_records = name.split_once('.').is_some_and(|(stem, extension)| {
        matches!(extension, "ncap" | "ncap.gz" | "csv" | "csv.gz")
            && schemas().iter().any(|schema| schema.stem == stem)
    });
    is_records || is_side(name)
}

/// Snapshot length in the headers of side files: that of tcpdump.
const LARGEST_PACKET: u32 = 262_144;

fn remove(path: &Path) -> Result<(), Error> {
    fs::remove_file(path).map_err(|source| {
        netcap_store::Error::Io {
            path: path.to_owned(),
            source,
        }
        .into()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_ours() {
        let ours = [
            "TCP.ncap.gz",
            "DNS.csv",
            "errors.log",
            "errors.pcap",
            "unknown.linktype-147.pcap",
            ".TCP.ncap.gz.4711.partial",
        ];
        for name in ours {
            assert!(is_ours(name), "{name}");
        }
        let others = [
            "notes.txt",
            "TCP",
            "TCP.ncap.gz.bak",
            "Mine.ncap",
            "unknown.log",
            "errors.linktype-x.pcap",
            ".TCP.ncap.x.partial",
            ".bashrc",
            "",
        ];
        for name in others {
            assert!(!is_ours(name), "{name}");
        }
    }
}
