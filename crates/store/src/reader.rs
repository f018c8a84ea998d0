//! Reading files of records: every record that is whole, then what was wrong with the rest.
//!
//! Files one behind the other are read as one: a header among the records is told from them, as no
//! record has a header's fields.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use netcap_capture::{DecompressError, compression_of, decompressed};
use netcap_record::{FileHeader, put};

use crate::Error;

/// Octets of the longest record that is believed: a datagram of 64 KiB rendered many times over.
pub const LONGEST_RECORD: usize = 64 << 20;

const BUFFER: usize = 128 << 10;
/// The key of a record's first field, its time; every writer begins with it.
const TIME: u8 = 0x0a;
/// Octets that tell the beginning of every compression.
const MAGIC: usize = 6;

/// What a file holds, by its first octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Packets.
    Capture,
    /// Audit records.
    Records,
    /// Nothing known.
    Unknown,
}

/// Says what a file holds; looks through compression.
pub fn sniff(path: &Path) -> io::Result<Kind> {
    kind_of(BufReader::with_capacity(4096, File::open(path)?))
}

/// Says what standard input holds, by what has come first; that is read again by who opens it.
pub fn sniff_stdin() -> io::Result<Kind> {
    let beginning = io::stdin().lock().fill_buf()?.to_vec();
    kind_of(io::Cursor::new(beginning))
}

fn kind_of(input: impl BufRead + Send + 'static) -> io::Result<Kind> {
    let mut head = Vec::new();
    let mut reader = decompressed(input)?;
    let mut chunk = [0; 512];
    // Compressed data that ends early still has a beginning.
    while head.len() < 4096 {
        match reader.read(&mut chunk) {
            Ok(0) | Err(_) => break,
            Ok(n) => head.extend_from_slice(&chunk[..n]),
        }
    }
    const CAPTURES: [&[u8]; 7] = [
        &[0xa1, 0xb2, 0xc3, 0xd4], // pcap, microseconds
        &[0xd4, 0xc3, 0xb2, 0xa1],
        &[0xa1, 0xb2, 0x3c, 0x4d], // pcap, nanoseconds
        &[0x4d, 0x3c, 0xb2, 0xa1],
        &[0xa1, 0xb2, 0xcd, 0x34], // pcap, modified
        &[0x34, 0xcd, 0xb2, 0xa1],
        &[0x0a, 0x0d, 0x0d, 0x0a], // pcapng
    ];
    if CAPTURES.iter().any(|magic| head.starts_with(magic)) {
        return Ok(Kind::Capture);
    }
    let mut rest = head.as_slice();
    let header = match take_varint(&mut rest) {
        Ok(Some(len)) => usize::try_from(len).ok().and_then(|len| rest.get(..len)),
        _ => None,
    };
    let records = header
        .and_then(|header| FileHeader::parse(header).ok())
        .is_some_and(|header| header.created.is_some());
    Ok(if records {
        Kind::Records
    } else {
        Kind::Unknown
    })
}

/// Reads one file of records.
pub struct Reader {
    path: PathBuf,
    input: Box<dyn BufRead + Send>,
    header: FileHeader,
    record: Vec<u8>,
    /// The length that the record claims.
    length: u64,
    records: u64,
    /// Octets read so far, decompressed, and where the record that was read last begins.
    octets: u64,
    begins: u64,
    /// Zeros that stood where a record might.
    zeros: u64,
    ended: bool,
}

impl Reader {
    /// Opens a file, or standard input for `-`, and reads its header.
    pub fn open(path: &Path) -> Result<Reader, Error> {
        let io = |source| Error::Io {
            path: path.to_owned(),
            source,
        };
        if path == Path::new("-") {
            return Reader::new(path, io::stdin());
        }
        let file = File::open(path).map_err(io)?;
        if file.metadata().map_err(io)?.is_dir() {
            return Err(io(io::ErrorKind::IsADirectory.into()));
        }
        Reader::new(path, file)
    }

    /// Reads from anything; `path` is for messages.
    pub fn new(path: &Path, input: impl Read + Send + 'static) -> Result<Reader, Error> {
        let input =
            decompressed(BufReader::with_capacity(BUFFER, input)).map_err(|source| Error::Io {
                path: path.to_owned(),
                source,
            })?;
        let mut reader = Reader {
            path: path.to_owned(),
            input: Box::new(BufReader::with_capacity(BUFFER, input)),
            header: FileHeader {
                created: None,
                source: Vec::new(),
                record_type: 0,
                version: String::new(),
                contains_payloads: false,
            },
            record: Vec::new(),
            length: 0,
            records: 0,
            octets: 0,
            begins: 0,
            zeros: 0,
            ended: false,
        };
        let not_records = |why: &str| Error::NotRecords {
            path: path.to_owned(),
            why: why.to_owned(),
        };
        match reader.read_frame() {
            Ok(true) => {}
            Ok(false) => return Err(not_records("it is empty")),
            Err(error @ (Error::Io { .. } | Error::Compressed { .. })) => return Err(error),
            Err(_) => return Err(not_records("its first record is not whole")),
        }
        reader.header = FileHeader::parse(&reader.record)
            .map_err(|_| not_records("it does not begin with a header"))?;
        Ok(reader)
    }

    /// The header.
    pub fn header(&self) -> &FileHeader {
        &self.header
    }

    /// Whole records read so far, the header not counted.
    pub fn records(&self) -> u64 {
        self.records
    }

    /// The next record, without its length. After an error there is nothing more.
    ///
    /// Zeros are no records, as those have a time: they are passed over, and told when all else is read.
    pub fn next_record(&mut self) -> Result<Option<&[u8]>, Error> {
        if self.ended {
            return Ok(None);
        }
        // Whatever is no record is the end.
        self.ended = true;
        loop {
            self.pass_zeros()?;
            let is_there = self.read_frame();
            if let Some(format) = self.compressed_here() {
                return Err(self.mixed(format));
            }
            if !is_there? {
                return self.end();
            }
            let own = self.header.record_type;
            match FileHeader::among_records(&self.record, own) {
                None => break,
                Some(header) if header.record_type == own => {}
                Some(header) => return Err(self.another_type(header.record_type)),
            }
        }
        self.ended = false;
        self.records += 1;
        Ok(Some(&self.record))
    }

    /// Passes over zeros.
    fn pass_zeros(&mut self) -> Result<(), Error> {
        loop {
            let zeros = match self.input.fill_buf() {
                Ok(octets) => octets.iter().take_while(|octet| **octet == 0).count(),
                Err(error) => return Err(self.trouble(error)),
            };
            if zeros == 0 {
                return Ok(());
            }
            self.input.consume(zeros);
            self.zeros += zeros as u64;
            self.octets += zeros as u64;
        }
    }

    /// What compression it is that begins where a frame was read, if it is one.
    fn compressed_here(&self) -> Option<&'static str> {
        if self.record.first() == Some(&TIME) {
            return None;
        }
        let mut octets = Vec::new();
        put::varint(&mut octets, self.length);
        octets.extend(self.record.iter().take(MAGIC));
        compression_of(&octets)
    }

    fn end(&self) -> Result<Option<&[u8]>, Error> {
        match self.zeros {
            0 => Ok(None),
            zeros => Err(Error::Zeros {
                path: self.path.clone(),
                zeros,
            }),
        }
    }

    fn another_type(&self, number: u16) -> Error {
        Error::AnotherType {
            path: self.path.clone(),
            records: self.records,
            octet: self.begins,
            types: (self.header.record_type, number),
        }
    }

    fn mixed(&self, format: &'static str) -> Error {
        Error::Mixed {
            path: self.path.clone(),
            records: self.records,
            octet: self.begins,
            format,
        }
    }

    /// Reads a length and as many octets; false at a clean end.
    fn read_frame(&mut self) -> Result<bool, Error> {
        self.begins = self.octets;
        self.record.clear();
        self.length = 0;
        for i in 0.. {
            let octet = match self.input.fill_buf() {
                Ok([octet, ..]) => *octet,
                Ok([]) if i == 0 => return Ok(false),
                Ok([]) => return Err(self.truncated()),
                Err(error) => return Err(self.trouble(error)),
            };
            self.input.consume(1);
            self.octets += 1;
            if i == 5 {
                return Err(self.damaged("a length has more than five octets"));
            }
            self.length |= u64::from(octet & 0x7f) << (7 * i);
            if octet & 0x80 == 0 {
                break;
            }
        }
        match self.length {
            0 => return Err(self.damaged("a record is empty, which none is")),
            length if length > LONGEST_RECORD as u64 => {
                return Err(self.damaged("a record claims more than 64 MiB, which none has"));
            }
            _ => {}
        }
        // `take` allocates as octets arrive, not as the length claims.
        let mut body = (&mut self.input).take(self.length);
        let read = body.read_to_end(&mut self.record);
        self.octets += self.record.len() as u64;
        match read {
            Ok(_) if self.record.len() as u64 == self.length => Ok(true),
            Ok(_) => Err(self.truncated()),
            Err(error) => Err(self.trouble(error)),
        }
    }

    fn truncated(&self) -> Error {
        Error::Truncated {
            path: self.path.clone(),
            records: self.records,
        }
    }

    fn damaged(&self, why: &str) -> Error {
        Error::Damaged {
            path: self.path.clone(),
            records: self.records,
            why: why.to_owned(),
        }
    }

    fn trouble(&self, error: io::Error) -> Error {
        if let Some(why) = DecompressError::of(&error) {
            return Error::Compressed {
                path: self.path.clone(),
                records: self.records,
                why,
            };
        }
        match error.kind() {
            io::ErrorKind::UnexpectedEof => self.truncated(),
            // How the decompressors say that the data contradicts itself.
            io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput | io::ErrorKind::Other => {
                self.damaged("its compressed data is corrupt")
            }
            _ => Error::Io {
                path: self.path.clone(),
                source: error,
            },
        }
    }
}

fn take_varint(rest: &mut &[u8]) -> Result<Option<u64>, ()> {
    let mut value = 0;
    for (i, octet) in rest.iter().enumerate() {
        if i == 5 {
            return Err(());
        }
        value |= u64::from(octet & 0x7f) << (7 * i);
        if octet & 0x80 == 0 {
            *rest = &rest[i + 1..];
            return Ok(Some(value));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use netcap_record::{Batch, Header, Record, RecordType, Text, Timestamp, frame, frame_octets};

    use super::*;
    use crate::{About, Encoding, Frames};

    /// A file of records of a type, with a source of this name.
    fn file(source: &str, number: u16, records: &[&[u8]]) -> Vec<u8> {
        let mut octets = Vec::new();
        let header = Header {
            created: Timestamp::new(1_700_000_000, 0),
            input_source: Text(source.as_bytes()),
            record_type: RecordType(number),
            version: Text(b"netcap v1"),
            contains_payloads: false,
        };
        frame(&header, &mut octets);
        for record in records {
            frame_octets(record, &mut octets);
        }
        octets
    }

    fn gzip(octets: &[u8]) -> Vec<u8> {
        crate::Gzip::default().member(octets)
    }

    fn zstd(octets: &[u8], window: u32) -> Vec<u8> {
        let mut encoder = zstd::Encoder::new(Vec::new(), 1).expect("an encoder");
        encoder.window_log(window).expect("a window");
        encoder.write_all(octets).expect("octets");
        encoder.finish().expect("octets")
    }

    /// The records, and how it ends.
    fn read(octets: Vec<u8>) -> (Vec<Vec<u8>>, Result<(), Error>) {
        let mut reader = Reader::new(Path::new("x"), io::Cursor::new(octets)).expect("a header");
        let mut records = Vec::new();
        let end = loop {
            match reader.next_record() {
                Ok(Some(record)) => records.push(record.to_vec()),
                Ok(None) => break Ok(()),
                Err(error) => break Err(error),
            }
        };
        assert_eq!(reader.records(), records.len() as u64);
        assert!(matches!(reader.next_record(), Ok(None)));
        (records, end)
    }

    /// A record that is read as a header too, but for what it lacks.
    const SNAP: &[u8] = b"\x0a\x081.000001\x12\x03\0\0\x0c\x18\x80\x40";

    #[test]
    fn files_one_behind_the_other() {
        let (first, second) = (file("a", 59, &[SNAP, SNAP]), file("", 59, &[SNAP]));
        let skippable = [0x53, 0x2a, 0x4d, 0x18, 2, 0, 0, 0, 9, 9];
        for joined in [
            [&first[..], &second].concat(),
            [gzip(&first), gzip(&second)].concat(),
            gzip(&[&first[..], &second].concat()),
            [zstd(&first, 20), skippable.to_vec(), zstd(&second, 20)].concat(),
            [&skippable[..], &gzip(&first), &zstd(&second, 20), &[0; 9]].concat(),
        ] {
            let (records, end) = read(joined);
            assert_eq!(records, [SNAP, SNAP, SNAP]);
            assert!(end.is_ok(), "{end:?}");
        }
        // Of another type: the records before it are good.
        let octets = first.len() as u64;
        for source in ["c", ""] {
            let other = file(source, 38, &[b"\x10\x01"]);
            for joined in [
                [&first[..], &other].concat(),
                [gzip(&first), gzip(&other)].concat(),
            ] {
                let (records, end) = read(joined);
                assert_eq!(records, [SNAP, SNAP]);
                let Err(Error::AnotherType { octet, types, .. }) = end else {
                    panic!("{end:?}");
                };
                assert_eq!((octet, types), (octets, (59, 38)));
            }
        }
    }

    #[test]
    fn the_header_of_whoever_says_nothing_is_told_from_records() {
        let about = About {
            schema: Batch::SCHEMA,
            columns: &[],
            payloads: false,
            source: "",
            version: "",
            created: Timestamp::new(0, 0),
        };
        let mut head = Vec::new();
        Frames.head(&about, &mut head);
        let number = Batch::SCHEMA.number.expect("a number");
        assert!(FileHeader::among_records(&head[1..], number).is_some());
    }

    #[test]
    fn a_compressed_file_behind_one_that_is_not() {
        let (first, second) = (file("a", 59, &[SNAP]), file("b", 59, &[SNAP; 100]));
        for (packed, name) in [(gzip(&second), "gzip"), (zstd(&second, 20), "zstd")] {
            let (records, end) = read([&first[..], &packed].concat());
            assert_eq!(records, [SNAP]);
            let end = end.expect_err("refused").to_string();
            let place = format!(
                "at octet {} of its content, after 1 whole record, {name} begins",
                first.len()
            );
            assert!(end.contains(&place), "{end}");
        }
    }

    #[test]
    fn zeros_are_no_records() {
        let octets = file("a", 59, &[SNAP]);
        let more: Vec<u8> = octets[octets.len() - SNAP.len() - 1..].to_vec();
        for count in [1, 5, BUFFER - 1, 3 * BUFFER] {
            let zeros = vec![0; count];
            let inside = [&octets[..], &zeros, &more].concat();
            for (octets, expected) in [
                ([&octets[..], &zeros].concat(), 1),
                (gzip(&[&octets[..], &zeros].concat()), 1),
                (inside, 2),
            ] {
                let (records, end) = read(octets);
                assert_eq!(records, vec![SNAP; expected]);
                let Err(Error::Zeros { zeros, .. }) = end else {
                    panic!("{end:?}");
                };
                assert_eq!(zeros, count as u64);
            }
        }
        // As they are compressed, they are the padding of a tape.
        let (records, end) = read([&gzip(&octets)[..], &[0; 99]].concat());
        assert!(end.is_ok() && records == [SNAP], "{end:?}");
        // A length of zero in two octets.
        let (_, end) = read([&octets[..], &[0x80, 0]].concat());
        assert!(matches!(end, Err(Error::Damaged { .. })), "{end:?}");
    }

    #[test]
    fn the_real_cause_is_named() {
        let records: Vec<&[u8]> = vec![SNAP; 1000];
        let octets = file("a", 59, &records);
        let end = |octets: Vec<u8>| read(octets).1.expect_err("something is wrong").to_string();
        let behind = end([&gzip(&octets)[..], b"\nbehind"].concat());
        assert!(
            behind.contains("behind the end of the gzip stream"),
            "{behind}"
        );
        assert!(behind.contains("after 1000 whole records"), "{behind}");
        let cut = gzip(&octets);
        let cut = end(cut[..cut.len() - 3].to_vec());
        assert!(cut.contains("cut short"), "{cut}");
        // The checksum, RFC 1952 section 2.3.1.
        let mut corrupt = gzip(&octets);
        let checksum = corrupt.len() - 8;
        corrupt[checksum] ^= 1;
        let corrupt = end(corrupt);
        assert!(
            corrupt.ends_with("its compressed data is corrupt; those records are good"),
            "{corrupt}"
        );
        let old = Reader::new(
            Path::new("x"),
            io::Cursor::new(b"\x02\x21\x4c\x18123456789"),
        );
        let old = old.err().expect("not read").to_string();
        assert!(
            old.contains("old format of lz4") && old.contains("`lz4 -d`"),
            "{old}"
        );
        // Neither: the limit is ours.
        let wide = Reader::new(Path::new("x"), io::Cursor::new(zstd(&octets, 28)));
        let text = wide.err().expect("too wide").to_string();
        assert!(
            text.contains("needs more memory than the 128 MiB"),
            "{text}"
        );
    }
}
