//! Reading files of records: every record that is whole, then what was wrong with the rest.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use netcap_record::FileHeader;

use crate::Error;

/// Octets of the longest record that is believed: a datagram of 64 KiB rendered many times over.
pub const LONGEST_RECORD: usize = 64 << 20;

const GZIP: &[u8] = &[0x1f, 0x8b];
const ZSTD: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];
const BUFFER: usize = 128 << 10;

/// What a file holds, by its first octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Packets, or compressed data that only a capture comes in.
    Capture,
    /// Audit records.
    Records,
    /// Nothing known.
    Unknown,
}

/// Says what a file holds; looks through gzip and zstd.
pub fn sniff(path: &Path) -> io::Result<Kind> {
    let mut head = Vec::new();
    let mut reader = decompress(BufReader::with_capacity(4096, File::open(path)?))?;
    let mut chunk = [0; 512];
    // Compressed data that ends early still has a beginning.
    while head.len() < 4096 {
        match reader.read(&mut chunk) {
            Ok(0) | Err(_) => break,
            Ok(n) => head.extend_from_slice(&chunk[..n]),
        }
    }
    const CAPTURES: [&[u8]; 10] = [
        &[0xa1, 0xb2, 0xc3, 0xd4], // pcap, microseconds
        &[0xd4, 0xc3, 0xb2, 0xa1],
        &[0xa1, 0xb2, 0x3c, 0x4d], // pcap, nanoseconds
        &[0x4d, 0x3c, 0xb2, 0xa1],
        &[0xa1, 0xb2, 0xcd, 0x34], // pcap, modified
        &[0x34, 0xcd, 0xb2, 0xa1],
        &[0x0a, 0x0d, 0x0d, 0x0a], // pcapng
        &[0xfd, b'7', b'z', b'X'], // xz
        b"BZh",                    // bzip2
        &[0x04, 0x22, 0x4d, 0x18], // lz4
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
    records: u64,
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
            decompress(BufReader::with_capacity(BUFFER, input)).map_err(|source| Error::Io {
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
            records: 0,
            ended: false,
        };
        let not_records = |why: &str| Error::NotRecords {
            path: path.to_owned(),
            why: why.to_owned(),
        };
        match reader.read_frame() {
            Ok(true) => {}
            Ok(false) => return Err(not_records("it is empty")),
            Err(error @ Error::Io { .. }) => return Err(error),
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
    pub fn next_record(&mut self) -> Result<Option<&[u8]>, Error> {
        if self.ended {
            return Ok(None);
        }
        match self.read_frame() {
            Ok(true) => {
                self.records += 1;
                Ok(Some(&self.record))
            }
            other => {
                self.ended = true;
                other.map(|_| None)
            }
        }
    }

    /// Reads a length and as many octets; false at a clean end.
    fn read_frame(&mut self) -> Result<bool, Error> {
        let mut len = 0u64;
        for i in 0.. {
            let octet = match self.input.fill_buf() {
                Ok([octet, ..]) => *octet,
                Ok([]) if i == 0 => return Ok(false),
                Ok([]) => return Err(self.truncated()),
                Err(error) => return Err(self.trouble(error)),
            };
            self.input.consume(1);
            if i == 5 {
                return Err(self.damaged("a length has more than five octets"));
            }
            len |= u64::from(octet & 0x7f) << (7 * i);
            if octet & 0x80 == 0 {
                break;
            }
        }
        if len > LONGEST_RECORD as u64 {
            return Err(self.damaged("a record claims more than 64 MiB"));
        }
        self.record.clear();
        // `take` allocates as octets arrive, not as the length claims.
        match (&mut self.input).take(len).read_to_end(&mut self.record) {
            Ok(n) if n as u64 == len => Ok(true),
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
        match error.kind() {
            io::ErrorKind::UnexpectedEof => self.truncated(),
            // How the decompressors say that the data contradicts itself.
            io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput | io::ErrorKind::Other => {
                self.damaged(&error.to_string())
            }
            _ => Error::Io {
                path: self.path.clone(),
                source: error,
            },
        }
    }
}

fn decompress<R: Read + Send + 'static>(
    mut input: BufReader<R>,
) -> io::Result<Box<dyn Read + Send>> {
    let head = input.fill_buf()?;
    Ok(if head.starts_with(GZIP) {
        Box::new(flate2::bufread::MultiGzDecoder::new(input))
    } else if head.starts_with(ZSTD) {
        Box::new(zstd::Decoder::with_buffer(input)?)
    } else {
        Box::new(input)
    })
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
