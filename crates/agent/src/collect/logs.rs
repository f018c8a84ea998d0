//! Logs of agents: where they are, and the records of their lines.
//!
//! Guarantees: memory is bounded whatever is in a file; each line is a record or counted, with its place.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use flate2::bufread::MultiGzDecoder;

use crate::plain::is_plain;
use crate::record::Record;

/// Longest line that is looked at: a record takes at most 150 octets.
const LONGEST_LINE: u64 = 512;
/// Malformed lines of a file that are told by number.
const MOST_TOLD: usize = 5;
/// Octets of a label at most, as in configurations.
const LONGEST_LABEL: usize = 64;
/// How a file in gzip begins (RFC 1952, section 2.3.1).
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// The log of an agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    /// What the agent is called.
    pub label: String,
    /// The file.
    pub path: PathBuf,
}

/// Why logs cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The system says so.
    #[error("cannot read {}: {source}", path.display())]
    Unreadable {
        /// The file or folder.
        path: PathBuf,
        /// What it says.
        source: io::Error,
    },
    /// There are none.
    #[error("no logs in {}: they are TN-*/runtime.log or *.log there, or the same with .gz", .0.display())]
    None(PathBuf),
    /// There is a log, and beside it one of the same name in gzip.
    #[error("{path} and {path}.gz are both there, and would count twice; remove one, or name the one that is meant", path = .0.display())]
    Twice(PathBuf),
}

/// What has become of the lines of a log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Account {
    /// The file.
    pub path: PathBuf,
    /// Lines that were records.
    pub records: u64,
    /// Lines that were none.
    pub malformed: u64,
    /// The numbers of the first of these.
    pub places: Vec<u64>,
    /// Why the file ended early, if it did.
    pub cut_short: Option<String>,
}

/// The logs of a folder, or the one that a file is.
///
/// # Errors
/// It cannot be read, or there are none.
pub fn find(path: &Path) -> Result<Vec<Log>, LogError> {
    let failed = |source| LogError::Unreadable {
        path: path.to_owned(),
        source,
    };
    if !fs::metadata(path).map_err(failed)?.is_dir() {
        return Ok(vec![Log::of(path.to_owned())]);
    }
    let mut found = Vec::new();
    for entry in fs::read_dir(path).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let name = name_of(&path);
        if name.ends_with(".log") || name.ends_with(".log.gz") {
            found.push(path);
        } else if name.starts_with("TN-") {
            let names = ["runtime.log", "runtime.log.gz"];
            found.extend(names.map(|name| path.join(name)));
        }
    }
    // Neither folders nor pipes, which might never end.
    found.retain(|path| path.is_file());
    // The order of a folder is none.
    found.sort();
    let twice = found.iter().find(|path| {
        let packed = format!("{}.gz", path.display());
        found
            .iter()
            .any(|other| other.as_os_str() == packed.as_str())
    });
    if let Some(path) = twice {
        return Err(LogError::Twice(path.clone()));
    }
    match found.is_empty() {
        true => Err(LogError::None(path.to_owned())),
        false => Ok(found.into_iter().map(Log::of).collect()),
    }
}

impl Log {
    /// `TN-07/runtime.log` is agent 7, `lab.log` is lab.
    fn of(path: PathBuf) -> Log {
        let name = name_of(&path);
        let stem = name.strip_suffix(".gz").unwrap_or(&name);
        let stem = stem.strip_suffix(".log").unwrap_or(stem);
        let folder = path.parent().map(name_of).unwrap_or_default();
        let label = match folder.strip_prefix("TN-") {
            Some(number) if stem == "runtime" => match number.strip_prefix('0') {
                Some(rest) if !rest.is_empty() => rest,
                _ => number,
            },
            _ => stem,
        };
        let fitting = |c: char| match is_plain(c) && c != ':' {
            true => c,
            false => '_',
        };
        let mut label: String = label.chars().map(fitting).collect();
        label.truncate(label.floor_char_boundary(LONGEST_LABEL));
        if label.is_empty() {
            label.push('_');
        }
        Log { label, path }
    }
}

fn name_of(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

/// The records of a log, one by one.
pub(crate) struct Lines {
    input: Box<dyn BufRead>,
    line: Vec<u8>,
    number: u64,
    pub(crate) account: Account,
}

impl Lines {
    /// Opens a log, which may be in gzip.
    pub(crate) fn open(log: &Log) -> Result<Lines, LogError> {
        let failed = |source| LogError::Unreadable {
            path: log.path.clone(),
            source,
        };
        let mut file = BufReader::new(File::open(&log.path).map_err(failed)?);
        let is_gzip = file.fill_buf().map_err(failed)?.starts_with(&GZIP);
        Ok(Lines {
            input: match is_gzip {
                true => Box::new(BufReader::new(MultiGzDecoder::new(file))),
                false => Box::new(file),
            },
            line: Vec::new(),
            number: 0,
            account: Account {
                path: log.path.clone(),
                ..Account::default()
            },
        })
    }

    /// Reads a line, as far as it is looked at; `false` at the end.
    fn read(&mut self) -> io::Result<bool> {
        self.line.clear();
        let mut start = (&mut self.input).take(LONGEST_LINE);
        start.read_until(b'\n', &mut self.line)?;
        if self.line.len() as u64 == LONGEST_LINE && !self.line.ends_with(b"\n") {
            self.input.skip_until(b'\n')?;
        }
        Ok(!self.line.is_empty())
    }
}

impl Iterator for Lines {
    type Item = Record;

    fn next(&mut self) -> Option<Record> {
        loop {
            match self.read() {
                Ok(true) => self.number += 1,
                Ok(false) => return None,
                Err(error) => {
                    self.account.cut_short = Some(error.to_string());
                    return None;
                }
            }
            let line = self.line.trim_ascii_end();
            if line.is_empty() {
                continue;
            }
            if let Some(record) = Record::parse_line(line) {
                self.account.records += 1;
                return Some(record);
            }
            self.account.malformed += 1;
            if self.account.places.len() < MOST_TOLD {
                self.account.places.push(self.number);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::{Compression, write::GzEncoder};

    use super::*;

    const LINE: &str = "1700000000.000001:10.0.0.1:1:10.0.0.2:2000:100:0:17\n";

    fn gzip(text: &str) -> Vec<u8> {
        let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
        gzip.write_all(text.as_bytes()).expect("packed");
        gzip.finish().expect("packed")
    }

    #[test]
    fn logs_are_found_with_their_labels() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path();
        assert!(matches!(find(path), Err(LogError::None(_))));
        for name in ["TN-01", "TN-10", "TN-a:b", "TN-00"] {
            fs::create_dir(path.join(name)).expect("made");
            fs::write(path.join(name).join("runtime.log"), LINE).expect("written");
        }
        // What is no file is no log, whatever it is called.
        fs::create_dir(path.join("folder.log")).expect("made");
        for name in ["lab.log", "west.log.gz", "notes.txt"] {
            fs::write(path.join(name), LINE).expect("written");
        }
        let found = find(path).expect("logs");
        let labels: Vec<&str> = found.iter().map(|log| log.label.as_str()).collect();
        assert_eq!(labels, ["0", "1", "10", "a_b", "lab", "west"]);
        fs::write(path.join("TN-01/runtime.log.gz"), gzip(LINE)).expect("written");
        assert!(matches!(find(path), Err(LogError::Twice(_))));
        let alone = find(&path.join("TN-10/runtime.log")).expect("a log");
        assert_eq!(alone[0].label, "10");
        assert!(matches!(
            find(&path.join("none")),
            Err(LogError::Unreadable { .. })
        ));
    }

    #[test]
    fn each_line_is_a_record_or_counted() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a.log");
        let long = "9".repeat(100_000);
        let text = format!("{LINE}\nnonsense\r\n{long}\n{LINE}{}", LINE.trim_end());
        for octets in [text.clone().into_bytes(), gzip(&text)] {
            fs::write(&path, octets).expect("written");
            let mut lines = Lines::open(&Log::of(path.clone())).expect("a log");
            assert_eq!(lines.by_ref().count(), 3);
            let account = &lines.account;
            assert_eq!((account.records, account.malformed), (3, 2));
            assert_eq!(account.places, [3, 4]);
            assert_eq!(account.cut_short, None);
        }
        let packed = gzip(&LINE.repeat(1000));
        fs::write(&path, &packed[..packed.len() - 9]).expect("written");
        let mut lines = Lines::open(&Log::of(path)).expect("a log");
        assert!(lines.by_ref().count() > 0);
        assert!(lines.account.cut_short.is_some());
    }
}
