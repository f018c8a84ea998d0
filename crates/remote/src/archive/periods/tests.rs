//! Rotation by a clock that the tests set: nothing is lost, doubled or refused by it, whenever the server
//! ends.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, UNIX_EPOCH};

use netcap_store::{Gzip, Reader, Rotation};
use tempfile::TempDir;

use super::*;
use crate::archive::{Appended, Place};
use crate::batch::StreamId;
use crate::client_name::ClientName;
use crate::members::Mark;

const STREAM: StreamId = [1; 16];
/// A full hour.
const BEGIN: u64 = 1_795_287_600;

/// A folder, and the time.
struct Lab {
    folder: TempDir,
    now: Arc<AtomicU64>,
}

impl Lab {
    fn new() -> Lab {
        Lab {
            folder: tempfile::tempdir().expect("a folder"),
            now: Arc::new(AtomicU64::new(BEGIN)),
        }
    }

    /// Sets the clock, in seconds since the beginning.
    fn at(&self, seconds: u64) {
        self.now.store(BEGIN + seconds, Ordering::Relaxed);
    }

    fn open(&self, rotation: Option<Rotation>) -> Archive {
        let now = Arc::clone(&self.now);
        let clock = move || UNIX_EPOCH + Duration::from_secs(now.load(Ordering::Relaxed));
        let archive = Archive::with_clock(self.folder.path(), "test", rotation, Box::new(clock));
        archive.expect("an archive")
    }

    fn hourly(&self) -> Archive {
        self.open(Some(hourly(None)))
    }

    fn limited(&self, limit: u64) -> Archive {
        self.open(Some(hourly(Some(limit))))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// What is in a folder, hidden files left out.
    fn names(&self, folder: &str) -> Vec<String> {
        let entries = fs::read_dir(self.path(folder)).expect("a folder");
        let names = entries.map(|entry| entry.expect("an entry").file_name());
        let mut names: Vec<_> = names
            .map(|name| name.to_string_lossy().into_owned())
            .filter(|name| !name.starts_with('.'))
            .collect();
        names.sort();
        names
    }

    /// The records of all files of a client's type, sorted.
    fn records(&self, client: &str) -> Vec<u8> {
        let mut all = Vec::new();
        for name in self.names(client) {
            let path = self.path(client).join(name);
            let path = match path.is_dir() {
                true => path.join("TCP.ncap.gz"),
                false => path,
            };
            if path.exists() {
                all.extend(records(&path));
            }
        }
        all.sort_unstable();
        all
    }
}

fn hourly(disk_limit: Option<u64>) -> Rotation {
    Rotation {
        interval: Some(Duration::from_secs(3600)),
        octets: None,
        disk_limit,
    }
}

fn schema(name: &str) -> &'static Schema {
    let schemas = netcap_pipeline::schemas();
    let found = schemas.into_iter().find(|schema| schema.encoder == name);
    found.expect("a type")
}

/// Records that only hold a number of one digit, in a text that is the time.
fn frames(numbers: std::ops::Range<u8>) -> Vec<u8> {
    numbers.flat_map(|n| [3, 0x0a, 1, b'0' + n]).collect()
}

fn batch(stream: StreamId, numbers: std::ops::Range<u8>) -> (Vec<u8>, Mark) {
    let mark = Mark {
        stream,
        first: u64::from(numbers.start),
        count: numbers.len() as u32,
    };
    (Gzip::default().member(&frames(numbers)), mark)
}

fn client(archive: &Archive, name: &str) -> Arc<Mutex<Client>> {
    let name = ClientName::new(name.as_bytes());
    archive.client(&name).expect("a client")
}

fn put(
    archive: &Archive,
    name: &str,
    stream: StreamId,
    numbers: std::ops::Range<u8>,
) -> Result<Appended, Error> {
    let (member, mark) = batch(stream, numbers);
    lock(&client(archive, name)).append(schema("TCP"), false, &member, &mark)
}

fn append(archive: &Archive, name: &str, numbers: std::ops::Range<u8>) -> Appended {
    put(archive, name, STREAM, numbers).expect("appended")
}

fn position(archive: &Archive, stream: StreamId) -> u64 {
    let client = client(archive, "a");
    let types = [schema("UDP"), schema("TCP")];
    let positions = lock(&client).positions(&types, &stream).expect("positions");
    positions.first().map_or(0, |(_, next)| *next)
}

/// The numbers in a file, which other readers must find as well.
fn records(path: &Path) -> Vec<u8> {
    let mut reader = Reader::open(path).expect("readable");
    while reader.next_record().expect("readable").is_some() {}
    let mut all = Vec::new();
    let file = fs::File::open(path).expect("a file");
    flate2::read::MultiGzDecoder::new(file)
        .read_to_end(&mut all)
        .expect("gzip");
    let (_, rest) = netcap_record::split_frame(&all).expect("a header");
    let numbers: Vec<u8> = rest.chunks(4).map(|frame| frame[3] - b'0').collect();
    assert_eq!(numbers.len() as u64, reader.records());
    numbers
}

#[test]
fn periods_end_by_the_clock() {
    let lab = Lab::new();
    lab.at(60);
    let archive = lab.hourly();
    assert_eq!(append(&archive, "a", 0..3), Appended::InTurn);
    lab.at(3599);
    assert_eq!(append(&archive, "a", 3..4), Appended::InTurn);
    lab.at(3600);
    assert_eq!(append(&archive, "a", 0..3), Appended::Known);
    assert_eq!(lab.names("a").len(), 1, "a period begins with its records");
    assert_eq!(append(&archive, "b", 0..1), Appended::InTurn);
    assert_eq!(append(&archive, "a", 3..6), Appended::Overlaps);
    assert_eq!(append(&archive, "a", 4..6), Appended::InTurn);
    assert_eq!(append(&archive, "a", 8..9), Appended::After(2));
    archive.commit().expect("on the disk");
    let names = ["2026-11-21T19-01-00Z", "2026-11-21T20-00-00Z"];
    assert_eq!(lab.names("a"), names);
    assert_eq!(lab.names("b"), names[1..]);
    let file = |name: &str| records(&lab.path("a").join(name).join("TCP.ncap.gz"));
    assert_eq!(file(names[0]), [0, 1, 2, 3]);
    assert_eq!(file(names[1]), [4, 5, 8]);
    assert_eq!(position(&archive, STREAM), 9);
}

#[test]
fn periods_end_by_the_octets_of_all_clients() {
    let lab = Lab::new();
    let archive = lab.open(Some(Rotation {
        octets: Some(400),
        ..Rotation::default()
    }));
    for number in 0..9 {
        for name in ["a", "b"] {
            assert_eq!(append(&archive, name, number..number + 1), Appended::InTurn);
        }
    }
    let (a, b) = (lab.names("a"), lab.names("b"));
    assert!(a.len() > 2, "{a:?}");
    assert_eq!(a[1], "2026-11-21T19-00-00Z-2");
    assert!(a.iter().chain(&b).all(|name| a.contains(name)), "{b:?}");
    for name in ["a", "b"] {
        assert_eq!(lab.records(name), [0, 1, 2, 3, 4, 5, 6, 7, 8]);
    }
}

#[test]
fn what_waits_goes_into_the_period_in_which_it_came() {
    let lab = Lab::new();
    let archive = lab.hourly();
    let client = client(&archive, "a");
    let append = |numbers: std::ops::Range<u8>| {
        let count = numbers.len() as u32;
        let appended = lock(&client).append_frames(schema("TCP"), false, &frames(numbers), count);
        appended.expect("appended");
    };
    append(0..2);
    lab.at(3600);
    append(2..3);
    lab.at(7200);
    archive.flush().expect("flushed");
    let names = lab.names("a");
    assert_eq!(names.len(), 2);
    let file = |name: &str| records(&lab.path("a").join(name).join("TCP.ncap.gz"));
    assert_eq!((file(&names[0]), file(&names[1])), (vec![0, 1], vec![2]));
}

#[test]
fn a_start_begins_a_period_that_is_newer_whatever_the_clock_says() {
    let lab = Lab::new();
    for (number, seconds) in [10, 10, 5, 20].into_iter().enumerate() {
        lab.at(seconds);
        let archive = lab.hourly();
        let number = number as u8;
        assert_eq!(position(&archive, STREAM), u64::from(number));
        assert_eq!(append(&archive, "a", 0..number), Appended::Known);
        assert_eq!(append(&archive, "a", number..number + 1), Appended::InTurn);
    }
    let names = [
        "2026-11-21T19-00-10Z",
        "2026-11-21T19-00-10Z-2",
        "2026-11-21T19-00-10Z-3",
        "2026-11-21T19-00-20Z",
    ];
    assert_eq!(lab.names("a"), names);
    // Within a run, too.
    let archive = lab.open(Some(Rotation {
        octets: Some(1),
        ..Rotation::default()
    }));
    for number in 4..7 {
        lab.at(30 - u64::from(number));
        assert_eq!(append(&archive, "a", number..number + 1), Appended::InTurn);
    }
    drop(archive);
    lab.at(0);
    assert_eq!(position(&lab.hourly(), STREAM), 7);
    assert_eq!(lab.records("a"), [0, 1, 2, 3, 4, 5, 6]);
}

#[test]
fn rotation_can_be_begun_and_ended() {
    let lab = Lab::new();
    for (is_rotating, next) in [false, true, true, false, false, true].into_iter().zip(0..) {
        lab.at(3600 * u64::from(next));
        let archive = match is_rotating {
            true => lab.hourly(),
            false => lab.open(None),
        };
        assert_eq!(position(&archive, STREAM), u64::from(next));
        assert_eq!(append(&archive, "a", 0..next), Appended::Known);
        assert_eq!(append(&archive, "a", next..next + 1), Appended::InTurn);
    }
    assert_eq!(lab.names("a").len(), 4);
    assert_eq!(lab.records("a"), [0, 1, 2, 3, 4, 5]);
    assert_eq!(records(&lab.path("a/TCP.ncap.gz")), [0, 3, 4]);
}

#[test]
fn a_file_that_was_being_begun_takes_nothing_along() {
    let others: [StreamId; 2] = [[2; 16], [3; 16]];
    let lab = Lab::new();
    let archive = lab.hourly();
    append(&archive, "a", 0..3);
    for other in others {
        put(&archive, "a", other, 0..5).expect("appended");
    }
    lab.at(3600);
    append(&archive, "a", 3..4);
    drop(archive);
    let names = lab.names("a");
    let begun = lab.path("a").join(&names[1]);
    let file = begun.join("TCP.ncap.gz");
    let whole = fs::read(&file).expect("a file");
    let first = fs::read(lab.path("a").join(&names[0]).join("TCP.ncap.gz")).expect("a file");
    for length in 0..=whole.len() {
        let again = Lab::new();
        for (name, octets) in [(&names[0], &first[..]), (&names[1], &whole[..length])] {
            let folder = again.path("a").join(name);
            fs::create_dir_all(&folder).expect("a folder");
            fs::write(folder.join("TCP.ncap.gz"), octets).expect("written");
        }
        again.at(7200);
        let is_whole = length == whole.len();
        // Now and then the periods are removed before anything comes.
        if length % 7 == 0 || is_whole {
            let archive = again.limited(1);
            append(&archive, "newer", 0..1);
            archive.tidy().expect("tidied");
            drop(archive);
            again.at(10_800);
            assert_eq!(again.names("a").len(), 1, "{length}");
            check(&again.hourly(), others, is_whole, length);
            continue;
        }
        check(&again.hourly(), others, is_whole, length);
        let expected = [0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4, 5, 5];
        assert_eq!(again.records("a"), expected, "{length}");
    }
}

/// All streams go on where they were.
fn check(archive: &Archive, others: [StreamId; 2], is_whole: bool, length: usize) {
    let next = if is_whole { 4 } else { 3 };
    assert_eq!(position(archive, STREAM), next, "{length}");
    assert_eq!(append(archive, "a", 0..3), Appended::Known, "{length}");
    assert_eq!(
        append(archive, "a", next as u8..5),
        Appended::InTurn,
        "{length}"
    );
    for other in others {
        assert_eq!(position(archive, other), 5, "{length}");
        let appended = put(archive, "a", other, 5..6).expect("appended");
        assert_eq!(appended, Appended::InTurn, "{length}");
    }
}

#[test]
fn the_oldest_periods_go_and_sensors_go_on() {
    let lab = Lab::new();
    let archive = lab.open(None);
    append(&archive, "old", 0..5);
    drop(archive);
    let flat = fs::metadata(lab.path("old/TCP.ncap.gz"))
        .expect("a file")
        .len();
    let archive = lab.limited(1_000);
    // The one is quiet from now on.
    append(&archive, "quiet", 0..7);
    for hour in 1..30_u8 {
        lab.at(3600 * u64::from(hour));
        let number = hour % 8;
        let stream = [hour / 8 + 1; 16];
        let appended = put(&archive, "busy", stream, number..number + 1).expect("appended");
        assert!(matches!(appended, Appended::InTurn | Appended::After(_)));
        archive.tidy().expect("tidied");
        let disk = archive.disk().expect("a limit");
        assert!(disk.octets <= 1_000, "{disk:?}");
        assert_eq!(disk.octets, octets(&lab) - flat, "{hour}");
    }
    let disk = archive.disk().expect("a limit");
    assert!(disk.removed > 20 && disk.removed_octets > 3_000, "{disk:?}");
    assert_eq!(disk.stuck, 0);
    assert_eq!(lab.records("old"), [0, 1, 2, 3, 4]);
    assert_eq!(lab.names("quiet").len(), 1);
    for _ in 0..2 {
        assert_eq!(append(&archive, "quiet", 0..7), Appended::Known);
    }
    drop(archive);
    let archive = lab.limited(1_000);
    assert_eq!(archive.disk().expect("a limit").octets, octets(&lab) - flat);
    assert_eq!(append(&archive, "quiet", 2..7), Appended::Known);
    assert_eq!(append(&archive, "quiet", 7..8), Appended::InTurn);
    assert_eq!(append(&archive, "old", 0..5), Appended::Known);
    assert_eq!(
        put(&archive, "busy", [2; 16], 7..8).expect("known"),
        Appended::Known
    );
}

/// Octets of all files of records there are.
fn octets(lab: &Lab) -> u64 {
    let mut sum = 0;
    for client in lab.names("") {
        for name in lab.names(&client) {
            let path = lab.path(&client).join(name);
            let files = match path.is_dir() {
                true => fs::read_dir(&path).expect("a folder").collect::<Vec<_>>(),
                false => vec![],
            };
            let lengths = files
                .into_iter()
                .map(|file| file.expect("a file").metadata());
            sum += lengths
                .map(|data| data.expect("a length").len())
                .sum::<u64>();
            if path.is_file() {
                sum += fs::metadata(&path).expect("a length").len();
            }
        }
    }
    sum
}

#[test]
fn the_newest_records_stay() {
    let lab = Lab::new();
    let archive = lab.limited(1);
    append(&archive, "a", 0..2);
    lab.at(3600);
    archive.tidy().expect("tidied");
    assert_eq!(lab.records("a"), [0, 1]);
    append(&archive, "b", 0..1);
    archive.tidy().expect("tidied");
    assert_eq!(lab.records("b"), [0]);
    assert_eq!(lab.records("a"), [], "how far it has come, no more");
    drop(archive);
    // Starts after which nothing comes.
    for hour in 2..5 {
        lab.at(3600 * hour);
        lab.limited(1).tidy().expect("tidied");
        assert_eq!(lab.records("b"), [0]);
    }
    let archive = lab.limited(1);
    assert_eq!(append(&archive, "a", 0..2), Appended::Known);
    assert_eq!(append(&archive, "a", 2..3), Appended::InTurn);
    archive.tidy().expect("tidied");
    assert_eq!(lab.records("a"), [2]);
    assert_eq!(lab.records("b"), []);
    drop(archive);
    // At a start the older go at once.
    lab.at(3600 * 6);
    append(&lab.hourly(), "b", 1..2);
    lab.limited(1).tidy().expect("tidied");
    assert_eq!(lab.records("a"), []);
    assert_eq!(lab.records("b"), [1]);
}

#[test]
fn what_is_of_others_stays() {
    let lab = Lab::new();
    let archive = lab.hourly();
    append(&archive, "a", 0..2);
    append(&archive, "c", 0..2);
    drop(archive);
    let period = &lab.names("a")[0];
    fs::write(lab.path("a").join(period).join("notes.txt"), [0; 5_000]).expect("written");
    fs::create_dir(lab.path("a/mine")).expect("a folder");
    fs::write(lab.path("a/mine/TCP.ncap.gz"), [0; 5_000]).expect("written");
    std::os::unix::fs::symlink(lab.path("a/mine"), lab.path("a/2020-01-01T00-00-00Z"))
        .expect("a link");
    fs::create_dir_all(lab.path("b/2020-01-02T00-00-00Z")).expect("a folder");
    fs::write(lab.path("b/2020-01-02T00-00-00Z/TCP.ncap.gz"), "notes").expect("written");
    fs::write(lab.path("b/2020-01-02T00-00-00Z/UDP.csv"), "notes").expect("written");

    lab.at(3600);
    let archive = lab.limited(1);
    assert!(archive.disk().expect("a limit").octets < 1_000);
    append(&archive, "newer", 0..1);
    archive.tidy().expect("tidied");
    let disk = archive.disk().expect("a limit");
    assert_eq!((disk.removed, disk.stuck), (1, 1));
    assert_eq!(lab.names(&format!("a/{period}")), ["notes.txt"]);
    assert_eq!(lab.names("a").len(), 4, "with that of the open period");
    assert_eq!(lab.names("c").len(), 1);
    let kept = fs::read(lab.path("b/2020-01-02T00-00-00Z/TCP.ncap.gz")).expect("a file");
    assert_eq!(kept, b"notes");
    assert!(put(&archive, "b", STREAM, 0..1).is_err());
    assert_eq!(append(&archive, "a", 0..2), Appended::Known);
}

#[test]
fn batches_in_any_order_are_found_in_all_periods() {
    let lab = Lab::new();
    let archive = lab.limited(3_000);
    let unordered = |archive: &Archive, first: u8| -> Place {
        let (member, mark) = batch(STREAM, first..first + 1);
        let client = client(archive, "a");
        let mut client = lock(&client);
        let place = client.append_unordered(schema("TCP"), false, &member, &mark);
        place.expect("appended").expect("a plain member")
    };
    let last = |archive: &Archive, most: usize| -> Vec<u64> {
        let client = client(archive, "a");
        let members = lock(&client).last_members(schema("TCP"), most);
        let members = members.expect("members");
        members.iter().map(|(mark, _)| mark.first).collect()
    };
    let mut places = Vec::new();
    for (hour, first) in [(0, 4), (0, 2), (1, 7), (3, 1), (4, 0), (4, 3)] {
        lab.at(3600 * hour);
        places.push(unordered(&archive, first));
    }
    assert_eq!(last(&archive, 9), [4, 2, 7, 1, 0, 3]);
    assert_eq!(last(&archive, 4), [7, 1, 0, 3]);
    let written: Vec<String> = places.iter().map(Place::to_string).collect();
    assert!(
        written[0].starts_with("2026-11-21T19-00-00Z/"),
        "{written:?}"
    );
    let distinct: std::collections::BTreeSet<_> = written.iter().collect();
    assert_eq!(distinct.len(), places.len(), "{written:?}");
    let client_of = client(&archive, "a");
    for place in [places[1], places[5]] {
        lock(&client_of)
            .void(schema("TCP"), place)
            .expect("taken back");
    }
    drop((archive, client_of));
    let archive = lab.limited(1);
    assert_eq!(last(&archive, 9), [4, 7, 1, 0]);
    assert_eq!(lab.records("a"), [0, 1, 4, 7]);
    lab.at(3600 * 5);
    append(&archive, "newer", 0..1);
    archive.tidy().expect("tidied");
    // What was removed needs not be taken back.
    let client = client(&archive, "a");
    lock(&client)
        .void(schema("TCP"), places[0])
        .expect("removed");
    assert!(last(&archive, 9).is_empty());
    assert_eq!(lab.names("a").len(), 1);
}

#[test]
fn a_period_goes_as_far_as_there_is_room() {
    let lab = Lab::new();
    let archive = lab.limited(1);
    let types = ["TCP", "UDP"].map(|name| {
        let schemas = netcap_pipeline::schemas();
        let found = schemas.into_iter().find(|schema| schema.encoder == name);
        found.expect("a type")
    });
    let client = archive.client(&ClientName::new(b"a")).expect("a client");
    let put = |schema, first: u64| {
        let member = Gzip::default().member(&[3, 0x0a, 1, b'0']);
        let mark = Mark {
            stream: STREAM,
            first,
            count: 1,
        };
        let appended = lock(&client).append(schema, false, &member, &mark);
        assert_eq!(appended.expect("appended"), Appended::InTurn);
    };
    put(types[0], 0);
    put(types[1], 0);
    lab.at(3600);
    put(types[0], 1);
    // There is none for what must be kept of the second.
    lab.at(7200);
    let periods = lab.names("a");
    let next = Period::at(UNIX_EPOCH + Duration::from_secs(BEGIN + 7200));
    let in_the_way = lab.path("a").join(next.to_string());
    fs::write(&in_the_way, "").expect("made");
    let remove = || {
        let oldest = Period::parse(&periods[0]).expect("a period");
        lock(&client).remove(oldest)
    };
    assert!(remove().is_err());
    let oldest = format!("a/{}", periods[0]);
    assert_eq!(lab.names(&oldest), ["UDP.ncap.gz"]);
    fs::remove_file(in_the_way).expect("removed");
    assert!(remove().expect("removed"));
    drop((archive, client));
    let client = lab.hourly().client(&ClientName::new(b"a"));
    let client = client.expect("a client");
    for (schema, next) in types.into_iter().zip([2, 1]) {
        let known = lock(&client).next(schema, &STREAM);
        assert_eq!(known.expect("known"), next);
    }
}
