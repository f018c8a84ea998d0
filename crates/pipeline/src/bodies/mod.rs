//! Bodies of responses into files of their own: `DIRECTORY/TYPE/SUBTYPE/NAME`.
//!
//! Type and subtype are told by the first octets ([`media_type`]), the name is the last segment of
//! the path that was asked for ([`file_name`]), with `-1`, `-2`... where it is taken, and
//! `.partial` where octets are missing. gzip and deflate are taken off ([`Coding`]); a body in
//! another coding is kept as it is, with the coding's name as extension.
//!
//! Whoever sends the traffic chooses names, sizes and numbers, so: names are of `[A-Za-z0-9._-]`,
//! do not begin with a dot and have at most [`LONGEST_NAME`] octets. No file is ever replaced and
//! no link followed. [`BodyLimits`] bounds octets and files, [`MOST_AT_A_TIME`] what is under way;
//! what that costs is counted. A body goes to disk as it comes, and has its name when it ends. One that
//! cannot be written is kept as far as it was, and counted: no run ends by it.
//!
//! All of it goes by the order of packets, so the files do not depend on workers or batches.

mod coding;
mod limits;
mod name;
mod sniff;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::path::{Path, PathBuf};

use netcap_dissect::{BodyEvent, BodyId};
use netcap_store::OutputFile;

use crate::Error;
use coding::Coding;
pub use limits::{BodyConfig, BodyLedger, BodyLimits};
use name::{file_name, make_folder, safe};
use sniff::{LOOKED_AT, media_type};

/// Octets of a coding's name in a file's.
const LONGEST_CODING: usize = 16;
/// Bodies under way. Each may have a file open, and 256 is the smallest limit on these that a
/// system sets (macOS); a run has up to 70 others.
const MOST_AT_A_TIME: usize = 160;
/// Octets of a body that wait to be written.
const BLOCK: usize = 64 << 10;
/// Octets that are decoded at once: deflate makes at most 1032 of one.
const PIECE: usize = 1 << 10;

/// A body under way.
struct Body {
    /// Number among the bodies that have octets.
    number: u64,
    /// Name of the file, before anything is added.
    name: String,
    coding: Coding,
    is_encoded: bool,
    /// The first octets, decoded.
    head: Vec<u8>,
    /// The last ones, which are not in the file yet.
    block: Vec<u8>,
    file: Option<OutputFile>,
    /// Whether something of it could not be written.
    is_broken: bool,
    octets: u64,
    /// Number of the event that was its latest.
    latest: u64,
}

impl Body {
    /// Writes what waits, and more.
    fn write(&mut self, directory: &Path, more: &[u8]) -> Result<(), Error> {
        let file = match self.file.take() {
            Some(file) => file,
            None => OutputFile::create(directory, &format!("body-{}", self.number))?,
        };
        let file = self.file.insert(file);
        let block = std::mem::take(&mut self.block);
        Ok(file.write(&block).and_then(|()| file.write(more))?)
    }
}

/// Writes bodies to files.
pub(crate) struct BodySink {
    config: BodyConfig,
    under_way: BTreeMap<BodyId, Body>,
    /// Bodies that have had octets to keep, and those octets.
    started: u64,
    octets: u64,
    events: u64,
    /// By a path without a number: the number that is next to be tried.
    numbers: HashMap<PathBuf, u64>,
    folders: BTreeSet<&'static str>,
    /// What a piece was decoded to.
    decoded: Vec<u8>,
    ledger: BodyLedger,
}

impl BodySink {
    /// Makes the directory.
    pub(crate) fn new(config: BodyConfig) -> Result<BodySink, Error> {
        fs::create_dir_all(&config.directory).map_err(|source| Error::Directory {
            path: config.directory.clone(),
            source,
        })?;
        Ok(BodySink {
            config,
            under_way: BTreeMap::new(),
            started: 0,
            octets: 0,
            events: 0,
            numbers: HashMap::new(),
            folders: BTreeSet::new(),
            decoded: Vec::new(),
            ledger: BodyLedger::default(),
        })
    }

    /// The outcomes of the bodies so far.
    pub(crate) fn ledger(&self) -> &BodyLedger {
        &self.ledger
    }

    /// Ends all bodies where they are, as nothing more comes.
    pub(crate) fn close(&mut self) {
        while let Some((_, body)) = self.under_way.pop_first() {
            self.end(body, false);
        }
    }

    /// Takes what has happened to bodies.
    pub(crate) fn take(&mut self, events: impl IntoIterator<Item = BodyEvent>) {
        for event in events {
            self.events += 1;
            match event {
                BodyEvent::Begin {
                    id,
                    target,
                    encoding,
                } => self.begin(id, &target, &encoding),
                BodyEvent::Octets(id, octets) => self.append(id, &octets),
                BodyEvent::End { id, is_whole } => {
                    if let Some(body) = self.under_way.remove(&id) {
                        self.end(body, is_whole);
                    }
                }
            }
        }
    }

    fn begin(&mut self, id: BodyId, target: &[u8], encoding: &[u8]) {
        if self.under_way.len() >= MOST_AT_A_TIME
            && let Some((id, _)) = self.under_way.iter().min_by_key(|(_, body)| body.latest)
        {
            let id = *id;
            if let Some(body) = self.under_way.remove(&id) {
                self.ledger.crowded_out += 1;
                self.end(body, false);
            }
        }
        let mut name = file_name(target);
        let coding = Coding::named(encoding);
        if coding.is_none() {
            name.push('.');
            name.push_str(&safe(&encoding.to_ascii_lowercase(), LONGEST_CODING));
        }
        let body = Body {
            number: 0,
            name,
            is_encoded: coding.is_none(),
            coding: coding.unwrap_or(Coding::Plain),
            head: Vec::new(),
            block: Vec::new(),
            file: None,
            is_broken: false,
            octets: 0,
            latest: self.events,
        };
        self.under_way.insert(id, body);
    }

    /// Takes the next octets of a body, unless it was ended here before.
    fn append(&mut self, id: BodyId, octets: &[u8]) {
        let Some(mut body) = self.under_way.remove(&id) else {
            return;
        };
        body.latest = self.events;
        for piece in octets.chunks(PIECE) {
            let is_sound = body.coding.decode(piece, &mut self.decoded);
            let fits = self.keep(&mut body);
            if !is_sound {
                self.ledger.undecodable += 1;
            }
            if !is_sound || !fits {
                // Nothing more is decoded.
                body.coding = Coding::Plain;
                return self.end(body, false);
            }
        }
        self.under_way.insert(id, body);
    }

    /// Adds what was decoded to a body; `false` where that exceeds a limit, or cannot be written.
    fn keep(&mut self, body: &mut Body) -> bool {
        if self.decoded.is_empty() {
            return true;
        }
        if body.is_broken {
            self.decoded.clear();
            return false;
        }
        if body.octets == 0 {
            if self.started >= self.config.limits.files {
                self.ledger.too_many += 1;
                self.decoded.clear();
                return false;
            }
            self.started += 1;
            body.number = self.started;
        }
        let room_in_all = self.config.limits.octets.saturating_sub(self.octets);
        let room = self.config.limits.file_octets.saturating_sub(body.octets);
        let had = self.decoded.len() as u64;
        let kept = had.min(room).min(room_in_all);
        if kept < had {
            match room_in_all < room {
                true => self.ledger.no_room += 1,
                false => self.ledger.too_long += 1,
            }
            self.decoded
                .truncate(usize::try_from(kept).unwrap_or(usize::MAX));
        }
        body.octets += kept;
        self.octets += kept;
        let head = LOOKED_AT.saturating_sub(body.head.len());
        let head = self.decoded.get(..head).unwrap_or(&self.decoded);
        body.head.extend_from_slice(head);
        if body.block.len() + self.decoded.len() <= BLOCK {
            body.block.extend_from_slice(&self.decoded);
        } else if let Err(error) = body.write(&self.config.directory, &self.decoded) {
            self.fail(body, &error);
        }
        self.decoded.clear();
        kept == had && !body.is_broken
    }

    /// Something of a body cannot be written.
    fn fail(&mut self, body: &mut Body, error: &Error) {
        body.is_broken = true;
        self.ledger.unwritten += 1;
        self.ledger.why.get_or_insert_with(|| error.to_string());
    }

    /// Gives the file of a body its name. A body without octets has none.
    fn end(&mut self, mut body: Body, is_whole: bool) {
        let is_sound = body.coding.finish(&mut self.decoded);
        let fits = self.keep(&mut body);
        if is_whole && !is_sound {
            self.ledger.undecodable += 1;
        }
        if body.octets == 0 {
            return;
        }
        if !body.is_broken
            && let Err(error) = body.write(&self.config.directory, &[])
        {
            self.fail(&mut body, &error);
        }
        let Some(mut file) = body.file.take() else {
            return;
        };
        let octets = file.octets();
        if octets == 0 {
            // The disk had room for a name, and for nothing in it.
            return file.discard();
        }
        let is_partial = !is_whole || !is_sound || !fits || body.is_broken;
        let extension = if is_partial { ".partial" } else { "" };
        let folder = self.folder(media_type(&body.head));
        let named = folder.and_then(|folder| self.name(&mut file, &folder, &body.name, extension));
        match named {
            Ok(()) => {
                self.ledger.files += 1;
                self.ledger.octets += octets;
                self.ledger.partial += u64::from(is_partial);
                self.ledger.encoded += u64::from(body.is_encoded);
            }
            // It stays as it is, without its name.
            Err(error) if !body.is_broken => self.fail(&mut body, &error),
            Err(_) => {}
        }
    }

    /// Gives a file the first name that is free.
    fn name(
        &mut self,
        file: &mut OutputFile,
        folder: &Path,
        name: &str,
        extension: &str,
    ) -> Result<(), Error> {
        let first = folder.join(format!("{name}{extension}"));
        let number = self.numbers.entry(first.clone()).or_default();
        let mut path = first;
        if *number > 0 {
            path = folder.join(format!("{name}-{number}{extension}"));
        }
        while !file.finish_as(&path)? {
            *number += 1;
            path = folder.join(format!("{name}-{number}{extension}"));
        }
        *number += 1;
        Ok(())
    }

    /// The folder of a media type: two levels, neither of them a link.
    fn folder(&mut self, media_type: &'static str) -> Result<PathBuf, Error> {
        let mut path = self.config.directory.clone();
        let is_new = !self.folders.contains(media_type);
        for part in media_type.split('/') {
            path.push(part);
            if is_new && let Err(source) = make_folder(&path) {
                return Err(Error::Directory { path, source });
            }
        }
        self.folders.insert(media_type);
        Ok(path)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::io::Write;

    use flate2::Compression;
    use flate2::write::{GzEncoder, ZlibEncoder};
    use netcap_dissect::{Bodies, Turn};
    use tempfile::TempDir;

    use super::name::LONGEST_NAME;
    use super::*;

    /// A sink with its directory, and bodies for it.
    struct Bench {
        directory: TempDir,
        bodies: Bodies,
        sink: BodySink,
    }

    fn bench(limits: BodyLimits) -> Bench {
        let directory = TempDir::new().unwrap();
        let sink = BodySink::new(BodyConfig {
            directory: directory.path().join("a/b"),
            limits,
        });
        Bench {
            directory,
            bodies: Bodies::default(),
            sink: sink.unwrap(),
        }
    }

    impl Bench {
        fn begin(&mut self, target: &[u8], encoding: &str) -> BodyId {
            let turn = Turn::default();
            self.bodies.begin(turn, target, encoding.as_bytes())
        }

        fn append(&mut self, id: BodyId, octets: &[u8]) {
            self.tell(BodyEvent::Octets(id, octets.to_vec()));
        }

        fn end(&mut self, id: BodyId, is_whole: bool) {
            self.tell(BodyEvent::End { id, is_whole });
        }

        fn tell(&mut self, event: BodyEvent) {
            let begun = self.bodies.events.drain(..).map(|(_, event)| event);
            self.sink.take(begun.chain([event]));
        }

        fn whole(&mut self, target: &[u8], encoding: &str, octets: &[u8]) {
            let id = self.begin(target, encoding);
            self.append(id, octets);
            self.end(id, true);
        }

        /// Everything below the directory of the test, by path from that of the bodies.
        fn files(&self) -> Vec<(String, Vec<u8>)> {
            let mut files = Vec::new();
            let mut folders = vec![self.directory.path().to_owned()];
            while let Some(folder) = folders.pop() {
                for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
                    match entry.file_type().unwrap().is_dir() {
                        true => folders.push(entry.path()),
                        false => {
                            let path = entry.path();
                            let name = path.strip_prefix(&self.sink.config.directory).unwrap();
                            let octets = fs::read(&path).unwrap();
                            files.push((name.to_str().unwrap().to_owned(), octets));
                        }
                    }
                }
            }
            files.sort();
            files
        }

        fn names(&self) -> Vec<String> {
            self.files().into_iter().map(|(name, _)| name).collect()
        }
    }

    fn limits() -> BodyLimits {
        BodyLimits::default()
    }

    fn gzip(octets: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(octets).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn nothing_leaves_the_directory() {
        let mut bench = bench(limits());
        let last = [b"/".as_slice(), &[b'.'; 300]].concat();
        let targets: [&[u8]; 5] = [
            b"../../etc/passwd",
            b"/%2e%2e%2f%2e%2e%2f",
            b"/../..",
            b"/a\0b",
            &last,
        ];
        for target in targets {
            bench.whole(target, "../../br/\0.", b"x");
            bench.whole(target, "", b"x");
            let id = bench.begin(target, "");
            bench.append(id, b"x");
            bench.end(id, false);
        }
        for name in bench.names() {
            let file = name.strip_prefix("text/plain/").unwrap();
            assert!(
                !file.starts_with('.') && file.len() <= LONGEST_NAME,
                "{name}"
            );
            let is_safe = |o: u8| o.is_ascii_alphanumeric() || b"._-".contains(&o);
            assert!(file.bytes().all(is_safe), "{name}");
        }
        assert_eq!(bench.names().len(), 15);
        let above: Vec<_> = fs::read_dir(bench.directory.path()).unwrap().collect();
        assert_eq!(above.len(), 1);
    }

    #[test]
    fn the_same_name_gets_numbers() {
        let mut bench = bench(limits());
        bench.whole(b"/a-1", "", b"0");
        for octets in [b"1", b"2", b"3"] {
            bench.whole(b"/a", "", octets);
        }
        bench.whole(b"/a", "", b"<p>");
        let partial = bench.begin(b"/a", "");
        bench.append(partial, b"4");
        bench.end(partial, false);
        let files = bench.files();
        let files: Vec<_> = files.iter().map(|(n, o)| (n.as_str(), &o[..])).collect();
        assert_eq!(
            files,
            [
                ("text/html/a", &b"<p>"[..]),
                ("text/plain/a", b"1"),
                ("text/plain/a-1", b"0"),
                ("text/plain/a-2", b"2"),
                ("text/plain/a-3", b"3"),
                ("text/plain/a.partial", b"4"),
            ]
        );
    }

    #[test]
    fn what_cannot_be_written_ends_nothing() {
        let mut bench = bench(limits());
        let directory = bench.sink.config.directory.clone();
        fs::remove_dir(&directory).unwrap();
        bench.whole(b"/a", "", b"lost");
        bench.whole(b"/b", "", &[0; 2 * BLOCK]);
        let id = bench.begin(b"/c", "");
        bench.append(id, b"in time");
        fs::create_dir(&directory).unwrap();
        bench.end(id, true);
        bench.whole(b"/d", "", b"kept");
        assert_eq!(bench.names(), ["text/plain/c", "text/plain/d"]);
        let ledger = bench.sink.ledger();
        let counts = (ledger.files, ledger.octets, ledger.partial);
        assert_eq!((counts, ledger.unwritten), ((2, 11, 0), 2));
        assert!(ledger.why.is_some());
    }

    #[test]
    fn bodies_under_way_end_with_the_run() {
        let mut bench = bench(limits());
        let id = bench.begin(b"/a", "");
        bench.append(id, b"so far");
        bench.sink.close();
        let expected = ("text/plain/a.partial".to_owned(), b"so far".to_vec());
        assert_eq!(bench.files(), [expected]);
    }

    #[cfg(unix)]
    #[test]
    fn what_is_there_stays() {
        use std::os::unix::fs::symlink;

        let mut bench = bench(limits());
        let folder = bench.sink.config.directory.join("text/plain");
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("a"), b"old").unwrap();
        let outside = bench.directory.path().join("outside");
        symlink(&outside, folder.join("a-1")).unwrap();
        bench.whole(b"/a", "", b"new");
        assert_eq!(fs::read(folder.join("a")).unwrap(), b"old");
        assert_eq!(fs::read(folder.join("a-2")).unwrap(), b"new");
        assert!(!outside.exists());

        // A folder that is a link is not followed either.
        symlink(
            bench.directory.path(),
            bench.sink.config.directory.join("image"),
        )
        .unwrap();
        let id = bench.begin(b"/a", "");
        bench.append(id, b"GIF89a");
        let is_whole = true;
        let end = BodyEvent::End { id, is_whole };
        bench.sink.take([end]);
        let ledger = bench.sink.ledger();
        assert_eq!((ledger.files, ledger.unwritten), (1, 1));
        assert!(ledger.why.as_ref().is_some_and(|why| why.contains("image")));
        assert!(!bench.directory.path().join("gif").exists());
        drop(bench.sink);
        let left = fs::read_dir(folder.parent().unwrap().parent().unwrap()).unwrap();
        assert_eq!(left.count(), 3, "text, image, and a file without a name");
    }

    #[test]
    fn codings_are_taken_off() {
        let mut bench = bench(limits());
        let page = b"<html>".repeat(50_000);
        let packed = gzip(&page);
        let id = bench.begin(b"/page", "gzip");
        packed.chunks(100).for_each(|piece| bench.append(id, piece));
        bench.end(id, true);
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(&page).unwrap();
        bench.whole(b"/zlib", "deflate", &encoder.finish().unwrap());
        bench.whole(b"/coded", "BR", b"\x0b\x02\x80");
        bench.whole(b"/cut", "gzip", &packed[..packed.len() - 4]);
        let files = bench.files();
        let sizes: Vec<_> = files.iter().map(|(n, o)| (n.as_str(), o.len())).collect();
        assert_eq!(
            sizes,
            [
                ("application/octet-stream/coded.br", 3),
                ("text/html/cut.partial", page.len()),
                ("text/html/page", page.len()),
                ("text/html/zlib", page.len()),
            ]
        );
        assert_eq!(files[2].1, page);
        let ledger = bench.sink.ledger();
        let found = (
            ledger.files,
            ledger.partial,
            ledger.encoded,
            ledger.undecodable,
        );
        assert_eq!(found, (4, 1, 1, 1));
        assert_eq!(ledger.octets, 3 * page.len() as u64 + 3);
    }

    #[test]
    fn octets_are_limited_as_decoded() {
        let mut bench = bench(BodyLimits {
            file_octets: 100_000,
            octets: 150_000,
            ..limits()
        });
        let bomb = gzip(&vec![b'x'; 2_000_000]);
        bench.whole(b"/one", "gzip", &bomb);
        bench.whole(b"/two", "gzip", &bomb);
        bench.whole(b"/three", "", b"x");
        let files = bench.files();
        let sizes: Vec<_> = files.iter().map(|(n, o)| (n.as_str(), o.len())).collect();
        assert_eq!(
            sizes,
            [
                ("text/plain/one.partial", 100_000),
                ("text/plain/two.partial", 50_000),
            ]
        );
        let ledger = bench.sink.ledger();
        assert_eq!((ledger.too_long, ledger.no_room, ledger.partial), (1, 2, 2));
        assert_eq!((ledger.octets, ledger.undecodable), (150_000, 0));
    }

    #[test]
    fn files_are_limited() {
        let mut bench = bench(BodyLimits {
            files: 2,
            ..limits()
        });
        bench.whole(b"/empty", "", b"");
        for _ in 0..4 {
            bench.whole(b"/a", "", b"x");
        }
        assert_eq!(bench.names(), ["text/plain/a", "text/plain/a-1"]);
        assert_eq!(bench.sink.ledger().too_many, 2);
    }

    #[test]
    fn bodies_under_way_are_limited() {
        let mut bench = bench(limits());
        let ids: Vec<BodyId> = (0..MOST_AT_A_TIME + 2)
            .map(|_| {
                let id = bench.begin(b"/a", "");
                bench.append(id, b"x");
                id
            })
            .collect();
        bench.append(ids[0], b"y");
        assert_eq!(bench.sink.under_way.len(), MOST_AT_A_TIME);
        assert_eq!(
            bench.names(),
            ["text/plain/a-1.partial", "text/plain/a.partial"]
        );
        assert_eq!(bench.sink.ledger().crowded_out, 2);
    }
}
