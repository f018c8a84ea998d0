//! What the server keeps: a folder for each client, a file for each type of record, as `netcap -r` reads
//! it. Files are appended to, after a restart too, and never replaced.
//!
//! Guarantees: whole members only are behind what [`Archive::commit`] has reported, so a file can be read at
//! any moment up to there; what a server that was killed left unfinished at the end of a file is cut
//! off when the file is opened again, and counted.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use netcap_record::{FileHeader, Schema, Timestamp};
use netcap_store::{About, Encoding, Frames, Gzip};
use nix::fcntl::{Flock, FlockArg, OFlag};

use crate::Error;
use crate::batch::StreamId;
use crate::client_name::ClientName;
use crate::members::{Mark, beginning, marked, walk};

mod kept;
mod unordered;

use kept::Counts;
pub use kept::{Kept, KeptTypes};
pub use unordered::Place;

/// Octets of records without numbers that are compressed together.
const BLOCK: usize = 64 << 10;
/// Streams whose place is remembered for a file, the latest: a sensor has one at a time.
const STREAMS: usize = 64;
/// Files whose data is asked onto the disk one by one; of more, all of the file system is.
const ONE_BY_ONE: usize = 8;
/// Octets of a file's beginning that are looked at: its header holds two short names.
const HEADER: u64 = 64 << 10;

/// See the module.
pub struct Archive {
    directory: PathBuf,
    version: String,
    /// Held as long as the server runs.
    _lock: Flock<File>,
    clients: Mutex<HashMap<ClientName, Arc<Mutex<Client>>>>,
    commits: Arc<Commits>,
    counts: Arc<Counts>,
}

impl Archive {
    /// Opens a directory, or makes it. `version` is what headers of new files say.
    ///
    /// # Errors
    /// Where it cannot be made or written to, or another server has it.
    pub fn open(directory: &Path, version: &str) -> Result<Archive, Error> {
        fs::create_dir_all(directory).map_err(Error::io(directory))?;
        let path = directory.join(".lock");
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .custom_flags(OFlag::O_NOFOLLOW.bits())
            .open(&path)
            .map_err(Error::io(&path))?;
        let lock = Flock::lock(file, FlockArg::LockExclusiveNonblock).map_err(|(_, errno)| {
            let path = directory.to_owned();
            match errno {
                nix::errno::Errno::EWOULDBLOCK => Error::InUse { path },
                errno => Error::io(&path)(errno.into()),
            }
        })?;
        Ok(Archive {
            directory: directory.to_owned(),
            version: version.to_owned(),
            _lock: lock,
            clients: Mutex::default(),
            commits: Arc::new(Commits {
                directory: directory.to_owned(),
                state: Mutex::default(),
                ended: Condvar::new(),
            }),
            counts: Arc::default(),
        })
    }

    /// The folder of a client. Its files are looked through when it is first asked for.
    ///
    /// # Errors
    /// Where it cannot be made or read.
    pub fn client(&self, name: &ClientName) -> Result<Arc<Mutex<Client>>, Error> {
        let mut clients = lock(&self.clients);
        if let Some(client) = clients.get(name) {
            return Ok(Arc::clone(client));
        }
        let path = self.directory.join(name.folder());
        make_folder(&path)?;
        let client = Arc::new(Mutex::new(Client {
            name: name.clone(),
            path,
            version: self.version.clone(),
            files: HashMap::new(),
            gzip: Gzip::default(),
            cut: 0,
            commits: Arc::clone(&self.commits),
            counts: Arc::clone(&self.counts),
        }));
        clients.insert(name.clone(), Arc::clone(&client));
        Ok(client)
    }

    /// Clients seen since the start.
    pub fn clients(&self) -> usize {
        lock(&self.clients).len()
    }

    /// What was kept since the start, by client and type. No file is waited for.
    pub fn counts(&self) -> BTreeMap<ClientName, KeptTypes> {
        self.counts.snapshot()
    }

    /// Compresses and writes what waits in blocks.
    ///
    /// # Errors
    /// Where a file cannot be written.
    pub fn flush(&self) -> Result<(), Error> {
        let clients: Vec<_> = lock(&self.clients).values().map(Arc::clone).collect();
        clients.iter().try_for_each(|client| lock(client).flush())
    }

    /// Waits until all that was appended before is on the disk.
    ///
    /// # Errors
    /// Where the disk refuses. Nothing that was not committed before may be believed then.
    pub fn commit(&self) -> Result<(), Error> {
        self.commits.wait()
    }
}

/// What became of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Appended {
    /// It is in its file, right behind what was there of its stream.
    InTurn,
    /// It is in its file; so many records are missing before it.
    After(u64),
    /// All of it was there already.
    Known,
    /// Some of it was there already; nothing was appended.
    Overlaps,
}

/// The files of one client.
pub struct Client {
    name: ClientName,
    path: PathBuf,
    version: String,
    files: HashMap<&'static str, TypeFile>,
    gzip: Gzip,
    /// Octets of unfinished members that were cut off.
    cut: u64,
    commits: Arc<Commits>,
    counts: Arc<Counts>,
}

/// A file of one type, as far as it has been written.
struct TypeFile {
    path: Arc<Path>,
    octets: u64,
    /// The next number of each stream, the latest last.
    streams: Vec<(StreamId, u64)>,
    /// Records without numbers that wait to be compressed.
    block: Vec<u8>,
    waiting: u32,
}

impl Client {
    /// Appends a batch that came as a plain gzip member, which was looked through.
    ///
    /// # Errors
    /// Where the file cannot be written.
    pub fn append(
        &mut self,
        schema: &'static Schema,
        payloads: bool,
        member: &[u8],
        mark: &Mark,
    ) -> Result<Appended, Error> {
        let next = self.next(schema, payloads, &mark.stream)?;
        if mark.end() <= next {
            return Ok(Appended::Known);
        }
        if mark.first < next {
            return Ok(Appended::Overlaps);
        }
        let Some(member) = marked(member, mark) else {
            return Ok(Appended::Overlaps);
        };
        let file = self.file(schema, payloads)?;
        file.append(&member)?;
        file.note(mark);
        let path = Arc::clone(&file.path);
        self.commits.note(path);
        self.counts.add_member(&self.name, schema, &member, mark);
        Ok(match mark.first - next {
            0 => Appended::InTurn,
            missing => Appended::After(missing),
        })
    }

    /// Appends records without numbers, each with its length before it. They are written with others,
    /// or when the archive is [flushed](Archive::flush).
    ///
    /// # Errors
    /// Where the file cannot be written.
    pub fn append_frames(
        &mut self,
        schema: &'static Schema,
        payloads: bool,
        frames: &[u8],
        count: u32,
    ) -> Result<(), Error> {
        let file = self.file(schema, payloads)?;
        file.block.extend_from_slice(frames);
        file.waiting += count;
        let is_full = file.block.len() >= BLOCK;
        let octets = frames.len() as u64;
        self.counts.add(&self.name, schema, count, octets);
        if is_full {
            self.flush()?;
        }
        Ok(())
    }

    /// The number of the next record of a stream.
    ///
    /// # Errors
    /// Where the file cannot be opened.
    pub fn next(
        &mut self,
        schema: &'static Schema,
        payloads: bool,
        stream: &StreamId,
    ) -> Result<u64, Error> {
        let streams = &self.file(schema, payloads)?.streams;
        let known = streams.iter().find(|(known, _)| known == stream);
        Ok(known.map_or(0, |(_, next)| *next))
    }

    /// What there is of a stream: the next number of each type that has a file.
    ///
    /// # Errors
    /// Where a file cannot be opened.
    pub fn positions(
        &mut self,
        types: &[&'static Schema],
        stream: &StreamId,
    ) -> Result<Vec<(&'static Schema, u64)>, Error> {
        let mut positions = Vec::new();
        for schema in types {
            let is_there = self.path.join(file_name(schema)).exists();
            if is_there || self.files.contains_key(schema.name) {
                match self.next(schema, false, stream)? {
                    0 => {}
                    next => positions.push((*schema, next)),
                }
            }
        }
        Ok(positions)
    }

    /// Octets of unfinished members that were cut off the ends of files.
    pub fn cut(&self) -> u64 {
        self.cut
    }

    /// Octets of all files that were opened.
    pub fn octets(&self) -> u64 {
        self.files.values().map(|file| file.octets).sum()
    }

    /// Compresses and writes what waits in blocks.
    fn flush(&mut self) -> Result<(), Error> {
        for file in self.files.values_mut().filter(|file| file.waiting > 0) {
            let mark = Mark {
                count: file.waiting,
                ..Mark::default()
            };
            if let Some(member) = marked(&self.gzip.member(&file.block), &mark) {
                file.append(&member)?;
                self.commits.note(Arc::clone(&file.path));
            }
            // The room goes too: many clients with many types would keep much of it for nothing.
            file.block = Vec::new();
            file.waiting = 0;
        }
        Ok(())
    }

    /// The file of a type, opened or begun.
    fn file(&mut self, schema: &'static Schema, payloads: bool) -> Result<&mut TypeFile, Error> {
        if !self.files.contains_key(schema.name) {
            let file = self.open(schema, payloads)?;
            self.files.insert(schema.name, file);
        }
        match self.files.get_mut(schema.name) {
            Some(file) => Ok(file),
            None => unreachable!("the file was put there"),
        }
    }

    fn open(&mut self, schema: &'static Schema, payloads: bool) -> Result<TypeFile, Error> {
        let path: Arc<Path> = self.path.join(file_name(schema)).into();
        let file = open_no_link(&path).map_err(Error::io(&path))?;
        let length = file.metadata().map_err(Error::io(&path))?.len();
        let mut opened = TypeFile {
            path,
            octets: 0,
            streams: Vec::new(),
            block: Vec::new(),
            waiting: 0,
        };
        let path = Arc::clone(&opened.path);
        let mut unfinished = Vec::new();
        let end = walk(&file, |member| {
            if let Some(mark) = member.mark {
                opened.note(&mark);
            }
            if member.is_unfinished {
                unfinished.push(Place::of(&member));
            }
        });
        opened.octets = end.map_err(Error::io(&path))?;
        for place in unfinished {
            unordered::make_void(&path, place).map_err(Error::io(&path))?;
        }
        if opened.octets > 0 {
            check_header(&file, schema, &path)?;
        } else if length > 0 && !is_beginning(&file).map_err(Error::io(&path))? {
            return Err(foreign(&path));
        }
        if opened.octets < length {
            self.cut += length - opened.octets;
            file.set_len(opened.octets).map_err(Error::io(&path))?;
        }
        if opened.octets == 0 {
            let member = self.header(schema, payloads);
            opened.append(&member)?;
            let folder = File::open(&self.path).map_err(Error::io(&self.path))?;
            folder.sync_all().map_err(Error::io(&self.path))?;
        }
        self.commits.note(path);
        Ok(opened)
    }

    /// The first member of a file.
    fn header(&mut self, schema: &'static Schema, payloads: bool) -> Vec<u8> {
        let about = About {
            schema,
            columns: &[],
            payloads,
            created: now(),
            source: self.name.folder(),
            version: &self.version,
        };
        let mut head = Vec::new();
        Frames.head(&about, &mut head);
        let member = self.gzip.member(&head);
        match marked(&member, &Mark::default()) {
            Some(member) => member,
            None => member,
        }
    }
}

impl TypeFile {
    /// Appends in one call of the system, so that who reads meanwhile mostly sees all of it or nothing.
    fn append(&mut self, octets: &[u8]) -> Result<(), Error> {
        let file = OpenOptions::new()
            .append(true)
            .custom_flags(OFlag::O_NOFOLLOW.bits())
            .open(&self.path);
        let written = file.and_then(|mut file| {
            file.write_all(octets).inspect_err(|_| {
                // Half a member would make the next one unreadable.
                let _ = file.set_len(self.octets);
            })
        });
        written.map_err(Error::io(&self.path))?;
        self.octets += octets.len() as u64;
        Ok(())
    }

    /// Remembers how far a stream has come.
    fn note(&mut self, mark: &Mark) {
        if mark.stream == StreamId::default() {
            return;
        }
        match self
            .streams
            .iter_mut()
            .rev()
            .find(|(stream, _)| *stream == mark.stream)
        {
            Some((_, next)) => *next = (*next).max(mark.end()),
            None => {
                if self.streams.len() >= STREAMS {
                    self.streams.remove(0);
                }
                self.streams.push((mark.stream, mark.end()));
            }
        }
    }
}

fn now() -> Timestamp {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = now.unwrap_or_default();
    Timestamp::new(now.as_secs().cast_signed(), now.subsec_nanos())
}

fn file_name(schema: &Schema) -> String {
    format!("{}.ncap.gz", schema.name)
}

/// Makes a folder, unless it is there; a link is none.
fn make_folder(path: &Path) -> Result<(), Error> {
    match fs::create_dir(path) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(Error::io(path)(error)),
    }
    let metadata = fs::symlink_metadata(path).map_err(Error::io(path))?;
    if !metadata.is_dir() {
        return Err(Error::Foreign {
            path: path.to_owned(),
            reason: "is no folder, so a client's records cannot go there; move it away".to_owned(),
        });
    }
    Ok(())
}

/// Opens a file to look through it and to append, or makes it. Links are not followed.
fn open_no_link(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .append(true)
        .create(true)
        .custom_flags(OFlag::O_NOFOLLOW.bits())
        .open(path)
}

/// Makes sure that a file holds records of the type.
fn check_header(file: &File, schema: &Schema, path: &Path) -> Result<(), Error> {
    let octets = beginning(file, HEADER).map_err(Error::io(path))?;
    let header = netcap_record::split_frame(&octets)
        .and_then(|(header, _)| FileHeader::parse(header).ok())
        .is_some_and(|header| Some(header.record_type) == schema.number);
    if header { Ok(()) } else { Err(foreign(path)) }
}

/// Whether what there is may be the beginning of a gzip member, or of zeros that were never written.
fn is_beginning(file: &File) -> io::Result<bool> {
    let mut start = [0; 2];
    let length = usize::try_from(file.metadata()?.len()).unwrap_or(2).min(2);
    std::os::unix::fs::FileExt::read_exact_at(file, &mut start[..length], 0)?;
    Ok([0x1f, 0x8b].starts_with(&start[..length]) || start == [0, 0])
}

fn foreign(path: &Path) -> Error {
    Error::Foreign {
        path: path.to_owned(),
        reason: "does not hold the records that would be appended; move it away".to_owned(),
    }
}

/// Files that are not known to be on the disk, and who waits for that. Whoever comes first while nobody
/// is at it has the disk write for all who wait.
struct Commits {
    directory: PathBuf,
    state: Mutex<CommitState>,
    ended: Condvar,
}

#[derive(Default)]
struct CommitState {
    dirty: BTreeSet<Arc<Path>>,
    /// Appends so far, and how many of them are on the disk.
    appended: u64,
    durable: u64,
    is_syncing: bool,
    /// The disk refused once: what it has is not known any more.
    has_failed: bool,
}

impl Commits {
    fn note(&self, path: Arc<Path>) {
        let mut state = lock(&self.state);
        state.appended += 1;
        state.dirty.insert(path);
    }

    fn wait(&self) -> Result<(), Error> {
        let mut state = lock(&self.state);
        let wanted = state.appended;
        loop {
            if state.has_failed {
                let source = io::Error::other("the disk refused before; start the server again");
                return Err(Error::io(&self.directory)(source));
            }
            if state.durable >= wanted {
                return Ok(());
            }
            if state.is_syncing {
                let woken = self.ended.wait(state);
                state = woken.unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            state.is_syncing = true;
            let (dirty, upto) = (std::mem::take(&mut state.dirty), state.appended);
            drop(state);
            let synced = self.sync(&dirty);
            state = lock(&self.state);
            state.is_syncing = false;
            state.durable = upto;
            state.has_failed = synced.is_err();
            self.ended.notify_all();
            synced?;
        }
    }

    fn sync(&self, dirty: &BTreeSet<Arc<Path>>) -> Result<(), Error> {
        if dirty.len() > ONE_BY_ONE {
            return sync_all(&self.directory).map_err(Error::io(&self.directory));
        }
        for path in dirty {
            let file = File::open(path).map_err(Error::io(path))?;
            file.sync_data().map_err(Error::io(path))?;
        }
        Ok(())
    }
}

/// Has all of the file system written.
fn sync_all(directory: &Path) -> io::Result<()> {
    nix::unistd::syncfs(File::open(directory)?).map_err(io::Error::from)
}

/// Nobody panics while holding a lock but by a bug, which ends the program.
pub(crate) fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use netcap_store::Reader;

    use super::*;

    const STREAM: StreamId = [1; 16];

    fn schema(name: &str) -> &'static Schema {
        let schemas = netcap_pipeline::schemas();
        let found = schemas.into_iter().find(|schema| schema.encoder == name);
        found.expect("a type")
    }

    /// Records that only hold a number, and their member.
    fn member(numbers: std::ops::Range<u8>) -> (Vec<u8>, Mark) {
        let mark = Mark {
            stream: STREAM,
            first: u64::from(numbers.start),
            count: numbers.len() as u32,
        };
        // Field 1, which is the time, as text of a length of one.
        let frames: Vec<u8> = numbers.flat_map(|n| [3, 0x0a, 1, b'0' + n]).collect();
        (Gzip::default().member(&frames), mark)
    }

    fn records(path: &Path) -> Result<usize, netcap_store::Error> {
        let mut reader = Reader::open(path)?;
        assert_eq!(reader.header().source, b"al%2fice");
        while reader.next_record()?.is_some() {}
        Ok(reader.records() as usize)
    }

    fn append(archive: &Archive, numbers: std::ops::Range<u8>) -> Appended {
        let client = archive
            .client(&ClientName::new(b"al/ice"))
            .expect("a client");
        let (member, mark) = member(numbers);
        let appended = lock(&client).append(schema("TCP"), false, &member, &mark);
        appended.expect("appended")
    }

    #[test]
    fn batches_are_kept_once_and_in_turn() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("al%2fice/TCP.ncap.gz");
        let archive = Archive::open(folder.path(), "test").expect("an archive");
        assert_eq!(append(&archive, 0..3), Appended::InTurn);
        archive.commit().expect("on the disk");
        assert_eq!(records(&path).expect("readable"), 3);
        assert_eq!(append(&archive, 0..3), Appended::Known);
        assert_eq!(append(&archive, 2..5), Appended::Overlaps);
        assert_eq!(append(&archive, 4..6), Appended::After(1));
        archive.commit().expect("on the disk");
        assert!(Archive::open(folder.path(), "test").is_err(), "in use");
        drop(archive);

        let archive = Archive::open(folder.path(), "test").expect("an archive");
        let client = archive
            .client(&ClientName::new(b"al/ice"))
            .expect("a client");
        let types = [schema("UDP"), schema("TCP")];
        let positions = lock(&client).positions(&types, &STREAM).expect("positions");
        assert_eq!(positions, [(types[1], 6)]);
        assert_eq!(append(&archive, 4..6), Appended::Known);
        assert_eq!(append(&archive, 6..7), Appended::InTurn);
        assert_eq!(records(&path).expect("readable"), 6);
    }

    #[test]
    fn what_was_left_unfinished_is_cut_off() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("al%2fice/TCP.ncap.gz");
        let archive = Archive::open(folder.path(), "test").expect("an archive");
        append(&archive, 0..3);
        let before = fs::metadata(&path).expect("a file").len();
        append(&archive, 3..6);
        drop(archive);
        let whole = fs::read(&path).expect("a file");
        for length in 0..whole.len() as u64 {
            fs::write(&path, &whole[..length as usize]).expect("written");
            let archive = Archive::open(folder.path(), "test").expect("an archive");
            let next = if length < before { 0 } else { 3 };
            assert_eq!(append(&archive, next..6), Appended::InTurn, "{length}");
            assert_eq!(records(&path).expect("readable"), 6);
        }
    }

    #[test]
    fn records_without_numbers_wait_for_others() {
        let folder = tempfile::tempdir().expect("a folder");
        let archive = Archive::open(folder.path(), "test").expect("an archive");
        let client = archive
            .client(&ClientName::new(b"al/ice"))
            .expect("a client");
        let frame = [3, 0x0a, 1, b'0'];
        let append = |count: usize| {
            let frames = frame.repeat(count);
            lock(&client).append_frames(schema("UDP"), false, &frames, count as u32)
        };
        let path = folder.path().join("al%2fice/UDP.ncap.gz");
        append(2).expect("appended");
        assert_eq!(records(&path).expect("readable"), 0);
        append(BLOCK / 4).expect("appended");
        assert_eq!(records(&path).expect("readable"), 2 + BLOCK / 4);
        append(1).expect("appended");
        archive.flush().expect("flushed");
        archive.commit().expect("on the disk");
        assert_eq!(records(&path).expect("readable"), 3 + BLOCK / 4);
    }

    #[test]
    fn other_files_are_left_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let archive = Archive::open(folder.path(), "test").expect("an archive");
        let client = archive
            .client(&ClientName::new(b"al/ice"))
            .expect("a client");
        let path = folder.path().join("al%2fice/TCP.ncap.gz");
        let refused = |what: &str| {
            let (member, mark) = member(0..1);
            let appended = lock(&client).append(schema("TCP"), false, &member, &mark);
            assert!(appended.is_err(), "{what}");
        };
        fs::write(&path, "notes").expect("written");
        refused("no gzip");
        assert_eq!(fs::read(&path).expect("a file"), b"notes");
        fs::write(&path, Gzip::default().member(b"notes")).expect("written");
        refused("no records");
        fs::remove_file(&path).expect("removed");
        std::os::unix::fs::symlink(folder.path().join("elsewhere"), &path).expect("a link");
        refused("a link");
        assert!(!folder.path().join("elsewhere").exists());
    }
}
