//! The files of one directory: their names, their first octets, and that all of them appear together,
//! complete. What somebody else has put there meanwhile is never replaced: ours go to a folder beside it.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use netcap_capture::{LinkType, pcap_writer};
use netcap_record::Timestamp;
use netcap_store::{About, OutputFile, Period, unfinished};

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
    stale: Vec<Stale>,
    pub(crate) error_log: ErrorLog,
}

/// A file of an earlier run, as it was when the period began.
struct Stale {
    path: PathBuf,
    /// Its number, its length, and when it was changed: whether it is still the same.
    seen: (u64, u64, i64, i64),
}

impl Stale {
    fn see(path: PathBuf) -> Option<Stale> {
        let file = path.symlink_metadata().ok()?;
        let seen = (file.ino(), file.len(), file.mtime(), file.mtime_nsec());
        Some(Stale { path, seen })
    }

    /// Removes it, unless somebody has written another one since.
    fn remove(self) {
        if Stale::see(self.path.clone()).is_some_and(|now| now.seen == self.seen) {
            // One that cannot be removed is in the way.
            drop(fs::remove_file(&self.path));
        }
    }
}

/// The outcome of the files of a folder.
pub(crate) struct Finished {
    pub(crate) reports: Vec<FileReport>,
    /// Where they are.
    pub(crate) folder: PathBuf,
    /// Records that were to be in them and could not be written.
    pub(crate) lost: u64,
    /// What was in the way of their names, and where they are therefore.
    pub(crate) in_the_way: Option<String>,
}

impl Finished {
    /// A file could not be given its name.
    fn left(&mut self, file: &OutputFile, records: u64, error: &netcap_store::Error) {
        let partial = file.partial();
        let is_there = partial.symlink_metadata().is_ok();
        self.lost += if is_there { 0 } else { records };
        self.in_the_way.get_or_insert_with(|| match is_there {
            true => format!(
                "{error}; unfinished files are left, such as {}: `netcap -r` reads them, and `-leftovers adopt` \
                 finishes them",
                partial.display()
            ),
            false => format!("{} was removed meanwhile", partial.display()),
        });
    }
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
        let stale: Vec<Stale> = paths.filter_map(Stale::see).collect();
        if !config.overwrite
            && let Some(Stale { path, .. }) = stale.first()
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
    /// written, are cut behind their last whole record before. Where one of the names is somebody else's
    /// by now, all files go to a folder of `directory` that is made for them, named by when they were begun.
    pub(crate) fn finish(mut self, directory: &Path, are_cut: bool) -> Finished {
        let mut finished = Finished {
            reports: Vec::new(),
            folder: self.path.clone(),
            lost: 0,
            in_the_way: None,
        };
        self.stale.drain(..).for_each(Stale::remove);
        let files = self.complete(are_cut, &mut finished);
        let taken = files.iter().map(|(_, report)| self.path.join(&report.name));
        let mut taken = taken.filter(|path| path.symlink_metadata().is_ok());
        if let Some(taken) = taken.next() {
            self.make_another(directory, &taken, &mut finished);
        }
        for (mut file, report) in files {
            let mut path = finished.folder.join(&report.name);
            let mut named = file.finish_as(&path);
            if matches!(named, Ok(false)) {
                // Somebody was faster, a moment ago.
                self.make_another(directory, &path, &mut finished);
                path = finished.folder.join(&report.name);
                named = file.finish_as(&path);
            }
            match named {
                Ok(true) => finished.reports.push(report),
                Ok(false) => {
                    let taken = netcap_store::Error::Exists { path };
                    finished.left(&file, report.records, &taken);
                }
                Err(error) => finished.left(&file, report.records, &error),
            }
        }
        finished.reports.sort_by(|a, b| a.name.cmp(&b.name));
        finished
    }

    /// The files as far as they are whole, and what is to be told of them; without those that have nothing.
    fn complete(
        &mut self,
        are_cut: bool,
        finished: &mut Finished,
    ) -> Vec<(OutputFile, FileReport)> {
        let mut files = Vec::new();
        let names = std::mem::take(&mut self.names).into_iter();
        for (sink, (name, record_type)) in std::mem::take(&mut self.sinks).into_iter().zip(names) {
            let (mut records, written) = (sink.records, sink.written());
            let mut file: OutputFile = sink.into_file();
            if are_cut {
                match file.cut(written) {
                    Ok(mended) if mended.records == 0 => {
                        finished.lost += records;
                        file.discard();
                        continue;
                    }
                    Ok(mended) if !record_type.is_empty() => {
                        finished.lost += records.saturating_sub(mended.records);
                        records = mended.records;
                    }
                    Ok(_) => {}
                    Err(error) => {
                        // Whoever reads it will find what is whole; how much that is, nobody knows.
                        finished.lost += records;
                        finished.left(&file, 0, &error);
                        continue;
                    }
                }
            }
            let octets = file.octets();
            let report = FileReport {
                name,
                record_type,
                records,
                octets,
            };
            files.push((file, report));
        }
        files
    }

    /// Makes a folder for the files, as they cannot be where somebody has taken a name.
    fn make_another(&self, directory: &Path, taken: &Path, finished: &mut Finished) {
        let Ok((_, folder)) = Period::of(self.created).make_in(directory) else {
            return;
        };
        let whose = match self.path == directory {
            true => "run",
            false => "period",
        };
        finished.in_the_way.get_or_insert_with(|| {
            format!(
                "{} has appeared meanwhile, and is somebody else's: all files of this {whose} are in {}",
                taken.display(),
                folder.display()
            )
        });
        finished.folder = folder;
    }

    /// Removes all files.
    pub(crate) fn discard(self) {
        for sink in self.sinks {
            sink.into_file().discard();
        }
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
