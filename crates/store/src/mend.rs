//! Files that were not finished, as their writer died or the disk was full: cut behind the last record
//! that is whole, they can be read like any other.
//!
//! A file is read once, from its beginning, in pieces; of a compressed one the last member is made anew
//! where it holds the beginning of a record that is not whole. Nothing is moved, so it needs no room.

use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::path::Path;

use flate2::bufread::GzDecoder;

use crate::ends::Ends;
use crate::{Error, Gzip};

/// Octets of a member that are believed; ours have less than a hundredth of that.
const LONGEST_MEMBER: u64 = 64 << 20;

/// What a file holds once it is mended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mended {
    /// Whole records, or packets, or lines; without what stands before the first.
    pub records: u64,
    /// Octets on disk.
    pub octets: u64,
}

/// Cuts a file behind its last whole record. `name` is the one it is to have, which tells its format:
/// `.ncap`, `.csv`, `.pcap` or `.log`, and `.gz`.
///
/// # Errors
/// Where the file cannot be read, or cut.
pub fn mend(path: &Path, name: &str) -> Result<Mended, Error> {
    let mended = || -> io::Result<Mended> {
        let file = OpenOptions::new().read(true).write(true).open(path)?;
        let (name, is_compressed) = match name.strip_suffix(".gz") {
            Some(name) => (name, true),
            None => (name, false),
        };
        let mut ends = Ends::of(name);
        let octets = match is_compressed {
            true => members(&file, &mut ends)?,
            false => plain(&file, &mut ends)?,
        };
        file.set_len(octets)?;
        let records = ends.records();
        Ok(Mended { records, octets })
    };
    mended().map_err(|source| Error::Io {
        path: path.to_owned(),
        source,
    })
}

/// Where a file that is not compressed has its last whole record behind it.
fn plain(mut file: &File, ends: &mut Ends) -> io::Result<u64> {
    let mut piece = vec![0; 64 << 10];
    loop {
        match file.read(&mut piece) {
            Ok(0) => return Ok(ends.whole()),
            Ok(read) => {
                if !ends.feed(&piece[..read]) {
                    return Ok(ends.whole());
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Where a gzip file has its last whole record behind it, once its last member holds no more.
fn members(file: &File, ends: &mut Ends) -> io::Result<u64> {
    let mut input = BufReader::with_capacity(64 << 10, file);
    let mut room = Vec::new();
    // Where each member begins, in the file and in the stream.
    let mut begins = Vec::new();
    let (mut place, mut stream) = (0, 0);
    while read_member(&mut input, &mut room) {
        begins.push((place, stream));
        place = input.stream_position()?;
        stream += room.len() as u64;
        if !ends.feed(&room) {
            break;
        }
    }
    let whole = ends.whole();
    if whole == stream {
        return Ok(place);
    }
    let last = begins.partition_point(|(_, stream)| *stream < whole);
    let Some((place, stream)) = last.checked_sub(1).and_then(|last| begins.get(last)) else {
        return Ok(0);
    };
    input.seek(SeekFrom::Start(*place))?;
    read_member(&mut input, &mut room);
    room.truncate(usize::try_from(whole - stream).unwrap_or(usize::MAX));
    let member = Gzip::default().member(&room);
    file.set_len(*place)?;
    // A shorter member than there was: on most file systems this takes no new room.
    match file.write_all_at(&member, *place) {
        Ok(()) => Ok(place + member.len() as u64),
        Err(_) => Ok(*place),
    }
}

/// Reads one whole member, if there is one.
fn read_member(input: &mut BufReader<&File>, room: &mut Vec<u8>) -> bool {
    room.clear();
    let member = GzDecoder::new(input);
    let read = member.take(LONGEST_MEMBER + 1).read_to_end(room);
    read.is_ok_and(|octets| octets > 0 && octets as u64 <= LONGEST_MEMBER)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// Frames of a header and records, all of so many octets.
    fn frames(count: usize, octets: usize) -> Vec<u8> {
        let mut stream = Vec::new();
        for number in 0..count {
            let mut length = octets;
            while length >= 0x80 {
                stream.push(length as u8 | 0x80);
                length >>= 7;
            }
            stream.push(length as u8);
            stream.extend((0..octets).map(|octet| (octet * 7 + number) as u8));
        }
        stream
    }

    fn mended(name: &str, octets: &[u8]) -> (Mended, Vec<u8>) {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("x");
        fs::write(&path, octets).expect("a file");
        let mended = mend(&path, name).expect("mended");
        let octets = fs::read(&path).expect("the file");
        assert_eq!(mended.octets, octets.len() as u64);
        (mended, octets)
    }

    fn inflate(octets: &[u8]) -> Vec<u8> {
        let mut stream = Vec::new();
        if octets.is_empty() {
            return stream;
        }
        let mut decoder = flate2::read::MultiGzDecoder::new(octets);
        decoder.read_to_end(&mut stream).expect("whole members");
        stream
    }

    #[test]
    fn a_file_ends_behind_its_last_whole_record() {
        let stream = frames(10, 300);
        for cut in 0..stream.len() {
            let (mended, octets) = mended("TCP.ncap", &stream[..cut]);
            let whole = cut / 302;
            assert_eq!(octets, stream[..whole * 302], "{cut}");
            assert_eq!(mended.records, whole.saturating_sub(1) as u64);
        }
        // What a crash of the machine may leave behind what was written.
        let (mended, octets) = mended("TCP.ncap", &[&stream[..], &[0; 5000]].concat());
        assert_eq!((mended.records, octets), (9, stream));
    }

    #[test]
    fn members_end_behind_their_last_whole_record() {
        // Records that begin in one member and end in another, or the one behind that.
        for (octets, member) in [(300, 700), (2000, 900)] {
            let stream = frames(12, octets);
            let mut gzip = Gzip::default();
            let file: Vec<Vec<u8>> = stream.chunks(member).map(|m| gzip.member(m)).collect();
            for kept in 0..=file.len() {
                for broken in [&[][..], &gzip.member(b"octets")[..9], &[0; 30]] {
                    let mut octets_left = file[..kept].concat();
                    octets_left.extend_from_slice(broken);
                    let (mended, left) = mended("TCP.ncap.gz", &octets_left);
                    let whole = (kept * member).min(stream.len()) / (octets + 2);
                    assert_eq!(inflate(&left), stream[..whole * (octets + 2)]);
                    assert_eq!(mended.records, whole.saturating_sub(1) as u64);
                }
            }
        }
    }

    #[test]
    fn other_formats_have_their_own_ends() {
        let csv = b"A,B\n1,\"two\nlines\"\n3,\"cu\nt";
        let (m, octets) = mended("UDP.csv", csv);
        assert_eq!((m.records, octets.as_slice()), (1, &csv[..18]));
        let (m, octets) = mended("errors.log", b"one\ntwo\nthr");
        assert_eq!((m.records, octets.as_slice()), (2, &b"one\ntwo\n"[..]));
        for is_little in [true, false] {
            let number = |n: u32| match is_little {
                true => n.to_le_bytes(),
                false => n.to_be_bytes(),
            };
            let mut pcap = number(0xa1b2_c3d4).to_vec();
            pcap.extend([0; 20]);
            for _ in 0..3 {
                pcap.extend([number(1), number(2), number(5), number(60)].concat());
                pcap.extend(b"octet");
            }
            for (cut, packets) in [(0, 0), (24, 0), (40, 0), (45, 1), (86, 2), (87, 3)] {
                let (m, octets) = mended("unknown.pcap", &pcap[..cut]);
                let length = if cut < 24 { 0 } else { 24 + 21 * packets };
                assert_eq!((m.records, octets.len()), (packets as u64, length));
            }
            let (m, octets) = mended("unknown.pcap", &[&pcap[..], &[0; 500]].concat());
            assert_eq!((m.records, octets), (3, pcap));
        }
    }
}
