//! The log of an agent: a line for each record.
//!
//! Guarantees: lines are whole and in order; a file that was renamed or removed is opened anew, for
//! appending; what cannot be written is counted as lost and holds nobody up. Only files are written
//! to, and devices such as `/dev/null`: a pipe that nobody reads would hold the log up.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use netcap_relay::Chunk;
use nix::libc::{O_NOCTTY, O_NONBLOCK};
use nix::unistd::{AccessFlags, access};

use crate::record::{LENGTH, Record};

/// How long a line waits for others at most.
const PATIENCE: Duration = Duration::from_millis(500);
/// How often it is looked whether there is something to do.
const TICK: Duration = Duration::from_millis(100);
/// Octets of lines that are written at once.
const BLOCK: usize = 64 << 10;

/// How many lines were written and lost.
#[derive(Debug, Default)]
pub struct LogCounts {
    /// Those written.
    pub written: AtomicU64,
    /// Those that could not be.
    pub lost: AtomicU64,
}

/// The log, which is made when there is something to write.
#[derive(Debug)]
pub struct Log {
    path: PathBuf,
    file: Option<Opened>,
    /// Lines to be written.
    waiting: Vec<u8>,
    since: Option<Instant>,
    /// Whether the file ends within a line, whose rest waits first.
    is_torn: bool,
    counts: Arc<LogCounts>,
}

#[derive(Debug)]
struct Opened {
    file: File,
    /// Its device and its number there.
    identity: (u64, u64),
}

impl Log {
    /// The log of that name.
    pub fn new(path: PathBuf, counts: Arc<LogCounts>) -> Log {
        Log {
            path,
            file: None,
            waiting: Vec::with_capacity(2 * BLOCK),
            since: None,
            is_torn: false,
            counts,
        }
    }

    /// Writes what comes until there is no more, and opens the file anew whenever that is asked for.
    /// `trouble` is told what goes wrong.
    pub fn run(
        mut self,
        chunks: &Receiver<Arc<Chunk>>,
        reopen: &AtomicBool,
        trouble: &mut dyn FnMut(&str),
    ) {
        // Who has mistaken the name should know before there is something to lose.
        let mut result = self.look();
        let mut is_over = false;
        loop {
            if let Err(error) = result {
                trouble(&format!(
                    "cannot write the log {}: {error}; lines are lost until it can be written, -f names \
                     another",
                    self.path.display()
                ));
            }
            if is_over {
                // The rest of a line that was begun, if the disk is still full.
                let rest = u64::from(!self.waiting.is_empty());
                self.counts.lost.fetch_add(rest, Ordering::Relaxed);
                return;
            }
            match chunks.recv_timeout(TICK) {
                Ok(chunk) => self.append(&chunk),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => is_over = true,
            }
            if reopen.swap(false, Ordering::Relaxed) {
                self.file = None;
            }
            let is_due = self.since.is_some_and(|since| since.elapsed() >= PATIENCE);
            let is_due = is_over || is_due || self.waiting.len() >= BLOCK;
            result = if is_due { self.flush() } else { Ok(()) };
        }
    }

    /// Takes records.
    fn append(&mut self, chunk: &Chunk) {
        for octets in chunk.octets.as_chunks::<LENGTH>().0 {
            Record::decode(octets).write_line(&mut self.waiting);
        }
        self.since.get_or_insert_with(Instant::now);
    }

    /// Writes what waits. What cannot be written is lost, but for the rest of a line that was begun.
    fn flush(&mut self) -> io::Result<()> {
        self.since = None;
        if self.waiting.is_empty() {
            return Ok(());
        }
        let mut written = 0;
        let result = self.open().and_then(|()| self.write(&mut written));
        if let Some(last) = written.checked_sub(1) {
            self.is_torn = self.waiting[last] != b'\n';
        }
        self.count(&self.counts.written, 0, written);
        self.waiting.drain(..written);
        let begun = if self.is_torn { self.line() } else { 0 };
        self.count(&self.counts.lost, begun, self.waiting.len());
        self.waiting.truncate(begun);
        result
    }

    /// Writes as much as it goes, and says how much that was.
    fn write(&mut self, written: &mut usize) -> io::Result<()> {
        let Some(opened) = &mut self.file else {
            return Ok(());
        };
        while *written < self.waiting.len() {
            match opened.file.write(&self.waiting[*written..]) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(more) => *written += more,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Whether the file can be opened. It is not made before there is something to write.
    fn look(&mut self) -> io::Result<()> {
        match fs::metadata(&self.path) {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let folder = self.path.parent().unwrap_or(Path::new(""));
                let is_here = folder.as_os_str().is_empty();
                let folder = if is_here { Path::new(".") } else { folder };
                Ok(access(folder, AccessFlags::W_OK | AccessFlags::X_OK)?)
            }
            Err(error) => Err(error),
            Ok(_) => self.open(),
        }
    }

    /// Opens the file, unless the one of that name is open.
    fn open(&mut self) -> io::Result<()> {
        if let (Some(opened), Ok(found)) = (&self.file, fs::metadata(&self.path))
            && opened.identity == (found.dev(), found.ino())
        {
            return Ok(());
        }
        self.file = None;
        let file = OpenOptions::new()
            .append(true)
            .create(true)
            .custom_flags(O_NONBLOCK | O_NOCTTY)
            .open(&self.path)?;
        let found = file.metadata()?;
        let kind = found.file_type();
        if !kind.is_file() && !kind.is_char_device() {
            return Err(io::Error::new(ErrorKind::InvalidInput, "it is no file"));
        }
        self.file = Some(Opened {
            file,
            identity: (found.dev(), found.ino()),
        });
        if std::mem::take(&mut self.is_torn) {
            // The rest of a line belongs to the file before.
            self.waiting.drain(..self.line());
            self.counts.lost.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Octets of the first line that waits.
    fn line(&self) -> usize {
        let end = self.waiting.iter().position(|octet| *octet == b'\n');
        end.map_or(self.waiting.len(), |end| end + 1)
    }

    /// Counts the ends of lines in a part of what waits.
    fn count(&self, counter: &AtomicU64, from: usize, to: usize) {
        let lines = self.waiting[from..to].iter();
        let lines = lines.filter(|octet| **octet == b'\n').count();
        counter.fetch_add(lines as u64, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;
    use std::thread;

    use super::*;

    const LINE: &str = "0.000000:0.0.0.0:0:0.0.0.0:0:0:0:0\n";

    fn log(path: &Path) -> Log {
        Log::new(path.to_owned(), Arc::default())
    }

    fn records(count: usize) -> Chunk {
        Chunk {
            octets: vec![0; count * LENGTH],
            packets: count as u64,
            ..Chunk::default()
        }
    }

    fn counts(log: &Log) -> (u64, u64) {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        (count(&log.counts.written), count(&log.counts.lost))
    }

    #[test]
    fn a_file_that_is_renamed_is_opened_anew() {
        let folder = tempfile::tempdir().expect("a folder");
        let (path, old) = (folder.path().join("log"), folder.path().join("log.1"));
        fs::write(&path, "before\n").expect("a file");
        let mut log = log(&path);
        for _ in 0..2 {
            log.append(&records(1));
            log.flush().expect("it can be written");
        }
        let text = fs::read_to_string(&path).expect("a text");
        assert_eq!(text, format!("before\n{LINE}{LINE}"));
        fs::rename(&path, &old).expect("it is there");
        log.append(&records(1));
        log.flush().expect("it can be written");
        assert_eq!(fs::read_to_string(&path).expect("a text"), LINE);
        fs::remove_file(&path).expect("it is there");
        log.append(&records(1));
        log.flush().expect("it can be written");
        assert_eq!(fs::read_to_string(&path).expect("a text"), LINE);
        assert_eq!(counts(&log), (4, 0));
    }

    #[test]
    fn what_is_no_file_holds_nobody_up() {
        let folder = tempfile::tempdir().expect("a folder");
        let pipe = folder.path().join("pipe");
        let mode = nix::sys::stat::Mode::S_IRWXU;
        nix::unistd::mkfifo(&pipe, mode).expect("a pipe");
        for path in [
            pipe.as_path(),
            folder.path(),
            Path::new("/no/such/folder/log"),
        ] {
            let mut log = log(path);
            log.append(&records(3));
            assert!(log.flush().is_err());
            assert_eq!(counts(&log), (0, 3));
            assert!(log.waiting.is_empty());
        }
        let mut options = OpenOptions::new();
        options.read(true).custom_flags(O_NONBLOCK);
        let reader = options.open(&pipe).expect("a pipe");
        let mut log = log(&pipe);
        log.append(&records(1));
        assert!(log.flush().is_err());
        drop(reader);
    }

    #[test]
    fn a_name_that_is_wrong_is_told_at_once() {
        let (sender, chunks) = channel();
        let (told, troubles) = channel();
        let log = log(Path::new("/no/such/folder/log"));
        let writer = thread::spawn(move || {
            log.run(&chunks, &AtomicBool::default(), &mut |line| {
                let _ = told.send(line.to_owned());
            });
        });
        let trouble = troubles.recv().expect("it is told");
        assert!(trouble.contains("/no/such/folder/log"), "{trouble}");
        drop(sender);
        writer.join().expect("no panic");
        assert_eq!(troubles.iter().count(), 0);
    }

    #[test]
    fn a_line_that_was_begun_is_ended() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("log");
        let mut log = log(&path);
        log.append(&records(2));
        log.flush().expect("it can be written");
        // As if the disk had been full within the second line.
        let (begun, rest) = LINE.split_at(10);
        fs::write(&path, format!("{LINE}{begun}")).expect("a file");
        log.waiting = rest.as_bytes().to_vec();
        log.is_torn = true;
        log.append(&records(1));
        log.flush().expect("it can be written");
        assert_eq!(fs::read_to_string(&path).expect("a text"), LINE.repeat(3));
        // The rest is of no use to another file.
        log.waiting = rest.as_bytes().to_vec();
        log.is_torn = true;
        log.append(&records(1));
        fs::remove_file(&path).expect("it is there");
        log.flush().expect("it can be written");
        assert_eq!(fs::read_to_string(&path).expect("a text"), LINE);
    }

    #[test]
    fn a_full_disk_costs_lines() {
        let full = Path::new("/dev/full");
        if !full.exists() {
            return;
        }
        let (sender, chunks) = channel();
        let counts = Arc::<LogCounts>::default();
        let log = Log::new(full.to_owned(), Arc::clone(&counts));
        let writer = thread::spawn(move || {
            let mut troubles = Vec::new();
            log.run(&chunks, &AtomicBool::default(), &mut |line| {
                troubles.push(line.to_owned());
            });
            troubles
        });
        sender.send(Arc::new(records(5))).expect("it listens");
        drop(sender);
        let troubles = writer.join().expect("no panic");
        assert_eq!(troubles.len(), 1);
        assert_eq!(counts.lost.load(Ordering::Relaxed), 5);
        // The last line, if it was begun while there was room.
        let mut log = Log::new(full.to_owned(), Arc::clone(&counts));
        log.open().expect("it can be opened");
        log.waiting = LINE.as_bytes()[10..].to_vec();
        log.is_torn = true;
        let chunks = channel().1;
        log.run(&chunks, &AtomicBool::default(), &mut |_| {});
        assert_eq!(counts.lost.load(Ordering::Relaxed), 6);
    }
}
