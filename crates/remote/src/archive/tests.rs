//! Files of one client after the other: what is kept, what is cut off, and what is left alone.

use netcap_store::Reader;

use std::fs;

use super::*;
use crate::batch::StreamId;
use crate::members::Mark;

mod others;

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
