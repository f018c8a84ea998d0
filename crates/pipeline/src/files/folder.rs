//! The files of one directory: their names, their first octets, and that all of them appear together,
//! complete.

use std::fs;
use std::path::{Path, PathBuf};

use netcap_capture::{LinkType, pcap_writer};
use netcap_record::Timestamp;
use netcap_store::{About, OutputFile, unfinished};

use super::{FileConfig, FileReport, Kinds};
use crate::Error;
use crate::files::error_log::ErrorLog;
use crate::files::sink::{Sink, Spare};
use crate::registry::schemas;
use crate::side::Side;

/// The files of a directory. Each is started when it gets its first octets.
pub(crate) struct Folder {
    path: PathBuf,
    /// `Created` of the headers.
    created: Timestamp,
    pub(crate) sinks: Vec<Sink>,
    by_type: Vec<Option<usize>>,
    by_side: Vec<(Side, usize)>,
    names: Vec<(String, &'static str)>,
    /// Files of an earlier run that have the names of ours.
    stale: Vec<PathBuf>,
    pub(crate) error_log: ErrorLog,
}

impl Folder {
    /// Looks whether anything is in the way.
    pub(crate) fn new(
        path: PathBuf,
        created: Timestamp,
        config: &FileConfig,
        kinds: &Kinds,
    ) -> Result<Folder, Error> {
        let types = kinds.schemas.iter();
        let mut names: Vec<String> = types.map(|schema| config.name(schema)).collect();
        names.extend(["errors.log", "errors.pcap", "unknown.pcap"].map(str::to_owned));
        let paths = names.iter().map(|name| path.join(name));
        let stale: Vec<PathBuf> = paths
            .filter(|path| path.symlink_metadata().is_ok())
            .collect();
        if !config.overwrite
            && let Some(path) = stale.first()
        {
            return Err(netcap_store::Error::Exists { path: path.clone() }.into());
        }
        Ok(Folder {
            path,
            created,
            sinks: Vec::new(),
            by_type: vec![None; kinds.schemas.len()],
            by_side: Vec::new(),
            names: Vec::new(),
            stale,
            error_log: ErrorLog::default(),
        })
    }

    /// Where they are.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Octets on disk so far.
    pub(crate) fn octets(&self) -> u64 {
        self.sinks.iter().map(Sink::octets).sum()
    }

    fn start(
        &mut self,
        name: String,
        record_type: &'static str,
        is_compressed: bool,
        mut head: Vec<u8>,
    ) -> Result<usize, Error> {
        let mut sink = Sink::create(&self.path, &name, is_compressed)?;
        sink.append(&mut head, &mut Spare::default());
        self.sinks.push(sink);
        self.names.push((name, record_type));
        Ok(self.sinks.len() - 1)
    }

    /// The file of a record type, by the place of the type.
    pub(crate) fn of_type(
        &mut self,
        place: usize,
        config: &FileConfig,
        kinds: &Kinds,
    ) -> Result<usize, Error> {
        if let Some(file) = self.by_type[place] {
            return Ok(file);
        }
        let schema = kinds.schemas[place];
        let columns = config.encoding.columns(schema, kinds.columns);
        let about = About {
            schema,
            columns: &columns,
            payloads: kinds.columns.payloads,
            created: self.created,
            source: &config.source,
            version: &config.version,
        };
        let mut head = Vec::new();
        config.encoding.head(&about, &mut head);
        let file = self.start(config.name(schema), schema.encoder, config.compress, head)?;
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
        let file = self.start(name, "", false, head)?;
        self.by_side.push((side, file));
        Ok(file)
    }

    /// Gives every file its name; all are complete. Those that `are_cut`, as something could not be
    /// written, are cut behind their last whole record before. Says how many records that has cost.
    ///
    /// # Errors
    /// Where one of them cannot have it, as somebody else's file has got there meanwhile; then none
    /// keeps its name.
    pub(crate) fn finish(
        self,
        overwrite: bool,
        are_cut: bool,
    ) -> Result<(Vec<FileReport>, u64), Error> {
        let (mut reports, mut named) = (Vec::new(), Vec::<PathBuf>::new());
        let mut lost = 0;
        for path in &self.stale {
            remove(path)?;
        }
        for (sink, (name, record_type)) in self.sinks.into_iter().zip(self.names) {
            let (mut records, written) = (sink.records, sink.written());
            let mut file: OutputFile = sink.into_file();
            if are_cut {
                match file.cut(written) {
                    Ok(mended) if mended.records == 0 => {
                        lost += records;
                        continue;
                    }
                    Ok(mended) if !record_type.is_empty() => {
                        lost += records.saturating_sub(mended.records);
                        records = mended.records;
                    }
                    Ok(_) => {}
                    Err(_) => {
                        // Whoever reads it will find what is whole.
                        lost += records;
                        file.leave();
                        continue;
                    }
                }
            }
            let path = self.path.join(&name);
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
        Ok((reports, lost))
    }
}

/// The names of files that are no records, as [`Folder::of_side`] makes them.
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
    let name = unfinished(name).unwrap_or(name);
    let is_records = name.split_once('.').is_some_and(|(stem, extension)| {
        let extension = extension.strip_suffix(COMPRESSED).unwrap_or(extension);
        matches!(extension, "ncap" | "csv") && schemas().iter().any(|schema| schema.stem == stem)
    });
    is_records || is_side(name)
}

/// What the names of compressed files end in, after the extension of their encoding.
pub(crate) const COMPRESSED: &str = ".gz";
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
