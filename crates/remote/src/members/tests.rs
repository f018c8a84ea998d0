//! Chains of members: what is whole, what was left unfinished, and what is damaged.

use std::io::Write;

use netcap_store::Gzip;

use super::*;

fn walked(file: &File) -> Walked {
    walk(file, |_| ()).expect("read")
}

fn unfinished(end: u64) -> Walked {
    Walked {
        end,
        is_damaged: false,
    }
}

fn chain(file: &mut File, blocks: &[(&[u8], Option<Mark>)]) -> Vec<u64> {
    let mut gzip = Gzip::default();
    let mut ends = Vec::new();
    for (block, mark) in blocks {
        let mut member = gzip.member(block);
        if let Some(mark) = mark {
            member = marked(&member, mark).expect("a plain member");
        }
        file.write_all(&member).expect("written");
        ends.push(file.metadata().expect("a length").len());
    }
    ends
}

#[test]
fn a_file_tells_what_it_holds() {
    let mut file = tempfile::tempfile().expect("a file");
    let marks = [0, 3].map(|first| Mark {
        stream: [7; 16],
        first,
        count: 3,
    });
    let ends = chain(
        &mut file,
        &[
            (b"one", Some(marks[0])),
            (b"of another program", None),
            (b"two", Some(marks[1])),
        ],
    );
    let mut seen = Vec::new();
    let walked = walk(&file, |member| seen.push(member.mark)).expect("read");
    assert_eq!(seen, [Some(marks[0]), None, Some(marks[1])]);
    assert_eq!(walked, unfinished(ends[2]));
    assert_eq!(beginning(&file, 100).expect("read"), b"one");
    // Other readers see one file.
    file.seek(SeekFrom::Start(0)).expect("the beginning");
    let mut all = String::new();
    let mut decoder = flate2::read::MultiGzDecoder::new(&file);
    decoder.read_to_string(&mut all).expect("gzip");
    assert_eq!(all, "oneof another programtwo");
}

#[test]
fn what_is_cut_off_or_damaged_is_not_whole() {
    let mut file = tempfile::tempfile().expect("a file");
    let mark = Mark::default();
    let ends = chain(
        &mut file,
        &[(b"some", Some(mark)), (b"more records", Some(mark))],
    );
    for length in (ends[0]..ends[1]).rev() {
        file.set_len(length).expect("cut");
        assert_eq!(walked(&file), unfinished(ends[0]), "{length}");
    }
    for length in 0..ends[0] {
        file.set_len(length).expect("cut");
        assert_eq!(walked(&file), unfinished(0), "{length}");
    }
    file.set_len(0).expect("cut");
    file.seek(SeekFrom::Start(0)).expect("the beginning");
    let ends = chain(
        &mut file,
        &[(b"some", Some(mark)), (b"more records", Some(mark))],
    );
    file.seek(SeekFrom::Start(ends[1] - 10)).expect("a place");
    file.write_all(b"x").expect("written");
    assert_eq!(walked(&file), unfinished(ends[0]));
}

#[test]
fn what_has_members_behind_it_is_damaged() {
    let mut file = tempfile::tempfile().expect("a file");
    let mark = Mark::default();
    let blocks: [&[u8]; 3] = [b"some", b"more records", b"the last"];
    let ends = chain(&mut file, &blocks.map(|block| (block, Some(mark))));
    let length = ends[2];
    let mut whole = vec![0; length as usize];
    file.read_exact_at(&mut whole, 0).expect("read");
    for place in 0..ends[1] {
        for bit in 0..8 {
            let octet = whole[place as usize];
            let changed = [octet ^ (1 << bit)];
            file.write_all_at(&changed, place).expect("written");
            let walked = walked(&file);
            // What is in the header and says nothing of the records may change.
            let is_told = walked.is_damaged && walked.end <= place;
            assert!(is_told || walked.end == length, "{place}, {bit}");
            file.write_all_at(&[octet], place).expect("written");
        }
    }
    // So much that it cannot be what was begun.
    file.set_len(ends[2] + UNFINISHED).expect("zeros");
    assert_eq!(walked(&file), unfinished(ends[2]));
    file.set_len(ends[2] + UNFINISHED + 1).expect("zeros");
    assert!(walked(&file).is_damaged);
}

#[test]
fn members_are_found_across_pieces() {
    let file = tempfile::tempfile().expect("a file");
    let member = marked(&Gzip::default().member(b"some"), &Mark::default());
    let member = member.expect("a plain member");
    for place in (PIECE - MARKED - 1)..(PIECE + 2) {
        file.set_len(0).expect("empty");
        file.write_all_at(&member, place as u64).expect("written");
        let expected = Walked {
            end: 0,
            is_damaged: true,
        };
        assert_eq!(walked(&file), expected, "{place}");
    }
}

#[test]
fn only_one_whole_member_is_inflated() {
    let member = Gzip::default().member(b"records");
    let mut out = Vec::new();
    inflate(&member, 7, &mut out).expect("whole");
    assert_eq!(out, b"records");
    assert!(inflate(&member, 6, &mut out).is_err());
    assert!(inflate(&[&member[..], b"x"].concat(), 7, &mut out).is_err());
    for end in 0..member.len() {
        assert!(inflate(&member[..end], 7, &mut out).is_err());
    }
    assert!(marked(b"\x1f\x8b\x08\x01", &Mark::default()).is_none());
}
