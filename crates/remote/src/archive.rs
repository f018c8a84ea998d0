//! What the server keeps: a folder for each client, a file for each type of record, as `netcap -r` reads
//! it. Files are appended to, after a restart too, and never replaced. With [`Rotation`] the files are in
//! folders of the client's, one for each period.
//!
//! Guarantees: whole members only are behind what [`Archive::commit`] has reported, so a file can be read at
//! any moment up to there; what a server that was killed left unfinished at the end of a file is cut
//! off when the file is opened again, and counted.

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use netcap_record::Schema;
use netcap_store::{About, Gzip, Period, Rotation};
use nix::fcntl::{Flock, FlockArg, OFlag};

use crate::Error;
use crate::batch::StreamId;
use crate::client_name::ClientName;
use crate::members::{Mark, Member, marked};

mod commits;
mod kept;
mod periods;
mod type_file;
mod unordered;

use commits::Commits;
use kept::Counts;
pub use kept::{Kept, KeptTypes};
pub use periods::DiskCounts;
use periods::{Clock, Periods};
use type_file::{Found, OpenFile, TypeFile, file_name, look, make_folder, now, type_of};
pub use unordered::Place;

/// Octets of records without numbers that are compressed together.
const BLOCK: usize = 64 << 10;

/// See the module.
pub struct Archive {
    directory: PathBuf,
    /// Held as long as the server runs.
    _lock: Flock<File>,
    clients: Mutex<HashMap<ClientName, Arc<Mutex<Client>>>>,
    shared: Arc<Shared>,
}

/// What all clients share.
struct Shared {
    version: String,
    types: Vec<&'static Schema>,
    commits: Commits,
    counts: Counts,
    periods: Option<Periods>,
}

impl Shared {
    /// A file has grown. Gives the number of the change.
    fn note(&self, file: &OpenFile, octets: u64) -> u64 {
        if let (Some(periods), Some(period)) = (&self.periods, file.period) {
            periods.add(period, octets);
        }
        self.commits.note(Arc::clone(&file.path))
    }

    /// Whether a file in the folder of a period has the name of one of ours.
    fn is_ours(&self, name: &str) -> bool {
        type_of(&self.types, name).is_some()
    }
}

impl Archive {
    /// Opens a directory, or makes it. `version` is what headers of new files say.
    ///
    /// # Errors
    /// Where it cannot be made or written to, or another server has it.
    pub fn open(directory: &Path, version: &str) -> Result<Archive, Error> {
        Archive::open_rotating(directory, version, None)
    }

    /// The same, with files that are rotated. [`Archive::tidy`] must be called then.
    ///
    /// # Errors
    /// Where it cannot be made or written to, or another server has it; and with a limit on the disk,
    /// where it cannot be read.
    pub fn open_rotating(
        directory: &Path,
        version: &str,
        rotation: Option<Rotation>,
    ) -> Result<Archive, Error> {
        Archive::with_clock(directory, version, rotation, Box::new(SystemTime::now))
    }

    fn with_clock(
        directory: &Path,
        version: &str,
        rotation: Option<Rotation>,
        clock: Clock,
    ) -> Result<Archive, Error> {
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
        let archive = Archive {
            directory: directory.to_owned(),
            _lock: lock,
            clients: Mutex::default(),
            shared: Arc::new(Shared {
                version: version.to_owned(),
                types: netcap_pipeline::schemas(),
                commits: Commits::new(directory),
                counts: Counts::default(),
                periods: rotation.map(|rotation| Periods::new(rotation, clock)),
            }),
        };
        archive.list_periods()?;
        Ok(archive)
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
        if make_folder(&path)? {
            self.shared.commits.note(self.directory.as_path().into());
        }
        let client = Arc::new(Mutex::new(Client {
            name: name.clone(),
            path,
            shared: Arc::clone(&self.shared),
            files: HashMap::new(),
            earlier: None,
            gzip: Gzip::default(),
            cut: 0,
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
        self.shared.counts.snapshot()
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
        self.shared.commits.wait()
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
    shared: Arc<Shared>,
    files: HashMap<&'static str, TypeFile>,
    /// The types that earlier runs have in folders of periods, with the newest; none where nobody has
    /// looked yet.
    earlier: Option<BTreeMap<&'static str, Period>>,
    gzip: Gzip,
    /// Octets of unfinished members that were cut off.
    cut: u64,
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
        let next = self.next(schema, &mark.stream)?;
        if mark.end() <= next {
            return Ok(Appended::Known);
        }
        if mark.first < next {
            return Ok(Appended::Overlaps);
        }
        let Some(member) = marked(member, mark) else {
            return Ok(Appended::Overlaps);
        };
        self.put(schema, payloads, &member, mark)?;
        self.shared
            .counts
            .add_member(&self.name, schema, &member, mark);
        Ok(match mark.first - next {
            0 => Appended::InTurn,
            missing => Appended::After(missing),
        })
    }

    /// Appends a member with its mark. Gives where it begins.
    fn put(
        &mut self,
        schema: &'static Schema,
        payloads: bool,
        member: &[u8],
        mark: &Mark,
    ) -> Result<(Option<Period>, u64), Error> {
        let (file, shared) = self.file(schema, payloads)?;
        let place = file.newest.as_ref();
        let place = place.map_or((None, 0), |newest| (newest.period, newest.octets));
        file.append(member, shared)?;
        file.streams.note(mark.stream, mark.end());
        Ok(place)
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
        let (file, _) = self.file(schema, payloads)?;
        file.block.extend_from_slice(frames);
        file.waiting += count;
        let is_full = file.block.len() >= BLOCK;
        let octets = frames.len() as u64;
        self.shared.counts.add(&self.name, schema, count, octets);
        if is_full {
            self.flush()?;
        }
        Ok(())
    }

    /// The number of the next record of a stream.
    ///
    /// # Errors
    /// Where a file cannot be opened.
    pub fn next(&mut self, schema: &'static Schema, stream: &StreamId) -> Result<u64, Error> {
        Ok(self.known(schema)?.streams.next(stream))
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
            match self.next(schema, stream)? {
                0 => {}
                next => positions.push((*schema, next)),
            }
        }
        Ok(positions)
    }

    /// Octets of unfinished members that were cut off the ends of files.
    pub fn cut(&self) -> u64 {
        self.cut
    }

    /// Octets of the newest file of each type that was asked for.
    pub fn octets(&self) -> u64 {
        let newest = self.files.values().filter_map(|file| file.newest.as_ref());
        newest.map(|file| file.octets).sum()
    }

    /// Compresses and writes what waits in blocks.
    fn flush(&mut self) -> Result<(), Error> {
        let mut files = self.files.values_mut();
        files.try_for_each(|file| file.flush(&mut self.gzip, &self.shared))
    }

    /// The file of a type that is open now, begun if need be.
    fn file(
        &mut self,
        schema: &'static Schema,
        payloads: bool,
    ) -> Result<(&mut TypeFile, &Shared), Error> {
        // First, as the open period must be newer than what is there.
        self.known(schema)?;
        let shared = &*self.shared;
        let Some(file) = self.files.get_mut(schema.name) else {
            unreachable!("the file was put there");
        };
        let period = shared.periods.as_ref().map(Periods::current);
        if !file.is_in(period) {
            file.flush(&mut self.gzip, shared)?;
            let folder = match period {
                None => self.path.clone(),
                Some(period) => self.path.join(period.to_string()),
            };
            if period.is_some() && make_folder(&folder)? {
                shared.commits.note(self.path.as_path().into());
            }
            let about = About {
                schema,
                columns: &[],
                payloads,
                created: now(),
                source: self.name.folder(),
                version: &shared.version,
            };
            file.begin(&folder, period, &about, shared)?;
        }
        Ok((file, shared))
    }

    /// What is known of a type, by its files if it was not asked for before.
    fn known(&mut self, schema: &'static Schema) -> Result<&mut TypeFile, Error> {
        if !self.files.contains_key(schema.name) {
            let file = self.load(schema)?;
            self.files.insert(schema.name, file);
        }
        match self.files.get_mut(schema.name) {
            Some(file) => Ok(file),
            None => unreachable!("the file was put there"),
        }
    }

    /// Looks through the file without a period, and the newest of those with one whose beginning is whole: of
    /// each stream the largest number counts.
    fn load(&mut self, schema: &'static Schema) -> Result<TypeFile, Error> {
        self.look_for_periods()?;
        let mut file = TypeFile::default();
        if let Some(found) = self.look(schema, None, |_| ())? {
            self.take_up(&mut file, schema, None, &found);
        }
        let mut periods = self.periods_with(schema)?;
        let mut cut_off = Vec::new();
        for period in periods.by_ref() {
            let Some(found) = self.look(schema, Some(period), |_| ())? else {
                continue;
            };
            if found.is_complete {
                self.take_up(&mut file, schema, Some(period), &found);
                break;
            }
            cut_off.push(found);
        }
        for found in cut_off.iter().rev() {
            file.streams.note_all(&found.streams);
            file.change = file.change.max(found.change);
        }
        if file.streams.is_empty()
            && let Some(period) = periods.next()
        {
            // Nobody waited for the disk before the next was begun: its end may have to be cut off.
            self.look(schema, Some(period), |_| ())?;
        }
        Ok(file)
    }

    /// A file becomes the newest of its type.
    fn take_up(
        &self,
        file: &mut TypeFile,
        schema: &'static Schema,
        period: Option<Period>,
        found: &Found,
    ) {
        file.streams.note_all(&found.streams);
        file.change = file.change.max(found.change);
        file.payloads = found.payloads;
        let is_rotating = self.shared.periods.is_some();
        // Without rotation files of periods are not appended to: the other is the newest.
        if period.is_none() || is_rotating {
            file.newest = Some(OpenFile {
                path: self.path_of(schema, period).into(),
                period,
                octets: found.octets,
            });
        }
    }

    /// Looks through a file, if it is there and anything of it is whole.
    fn look(
        &mut self,
        schema: &'static Schema,
        period: Option<Period>,
        each: impl FnMut(&Member),
    ) -> Result<Option<Found>, Error> {
        let path = self.path_of(schema, period);
        if path.symlink_metadata().is_err() {
            return Ok(None);
        }
        let mut found = look(&path, schema, each)?;
        self.cut += found.cut;
        if found.octets == 0 {
            if let (Some(_), Some(folder)) = (period, path.parent()) {
                fs::remove_file(&path).map_err(Error::io(&path))?;
                // With other files it stays.
                drop(fs::remove_dir(folder));
            }
            return Ok(None);
        }
        // Who wrote it may have been killed before it was on the disk.
        if let (Some(_), Some(folder)) = (period, path.parent()) {
            self.shared.commits.note(self.path.as_path().into());
            self.shared.commits.note(folder.into());
        }
        found.change = self.shared.commits.note(path.into());
        Ok(Some(found))
    }

    fn path_of(&self, schema: &'static Schema, period: Option<Period>) -> PathBuf {
        match period {
            None => self.path.join(file_name(schema)),
            Some(period) => self.path.join(period.to_string()).join(file_name(schema)),
        }
    }
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
