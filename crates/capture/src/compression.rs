//! Compression: told by content, undone on reading.
//!
//! Magic numbers: gzip RFC 1952 section 2.3.1; zstd RFC 8878 sections 3.1.1 and 3.1.2; lz4
//! lz4_Frame_format.md; xz xz-file-format.txt section 2.1.1.1; bzip2 `BZh`.
//!
//! Guarantee: decompression streams, with bounded windows (zstd 128 MiB, xz 512 MiB, the others
//! less). Members, frames and streams one after the other are one input; frames that carry nothing
//! (skippable frames of zstd and lz4) and zeros between and behind them are passed over. Anything else
//! behind the last of them is [`DecompressError::Behind`], not corruption, and what asks for more memory
//! than there is here is [`DecompressError::Memory`]. Errors of corrupt data are the libraries' own, with
//! their words: what users are told is only that it is corrupt.

use std::io::{self, BufRead, ErrorKind, Read};

mod ahead;
mod lz4;

pub(crate) use ahead::Ahead;
use lz4::Lz4Frame;

/// How much memory an xz stream may ask for, in KiB; `xz -9` needs 65 MiB.
const XZ_MEMORY_KIB: u32 = 512 << 10;
/// The largest window that zstd has unless it is asked otherwise (`ZSTD_WINDOWLOG_LIMIT_DEFAULT`), in
/// MiB.
const ZSTD_WINDOW_MIB: u32 = 128;
/// Octets that tell the beginning of a frame of any kind.
const MAGIC: usize = 6;
/// The beginning of a file of lz4's first format (lz4_Frame_format.md, "Legacy frame"; `lz4 -l`). It has
/// no end of its own and no checksum, and is not read.
const OLD_LZ4: [u8; 4] = [0x02, 0x21, 0x4c, 0x18];

/// A way of compressing that is undone on reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Compression {
    Gzip,
    Zstd,
    Lz4,
    Xz,
    Bzip2,
}

/// What stands in compressed input beside corruption and an early end. Readers give it inside an
/// [`io::Error`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecompressError {
    /// Behind a whole stream there is something else.
    #[error("behind the end of the {0} stream there is something that is no part of it")]
    Behind(&'static str),
    /// The stream wants more memory than it is given.
    #[error("the {format} stream needs more memory than the {limit} MiB that it is given")]
    Memory {
        /// The compression.
        format: &'static str,
        /// What it is given, in MiB.
        limit: u32,
    },
    /// The stream has been made with what is not here, as a dictionary.
    #[error("the {0} stream needs a dictionary or a filter that is not here")]
    Unsupported(&'static str),
    /// What lz4 wrote before it had frames.
    #[error("here begins the old format of lz4 (`lz4 -l`), which is not read")]
    OldLz4,
    /// More comes of it than we take: it may be made to fill a disk.
    #[error("the {format} stream grows to more than {limit} times its size, which is the limit")]
    Ratio {
        /// The compression.
        format: &'static str,
        /// Octets that may come of one.
        limit: u64,
    },
}

impl DecompressError {
    /// What an error of a reader is, if it is one of these.
    pub fn of(error: &io::Error) -> Option<DecompressError> {
        error.get_ref()?.downcast_ref().copied()
    }

    /// What to do about it, behind what is said of it.
    pub fn remedy(self) -> &'static str {
        match self {
            DecompressError::Behind(_) => "",
            // Only of streams, which peers send.
            DecompressError::Ratio { .. } => {
                "; if it is not made to do harm, have the peer send it without compression"
            }
            DecompressError::Memory { .. } | DecompressError::Unsupported(_) => {
                "; decompress the file for the rest"
            }
            DecompressError::OldLz4 => "; decompress the file, `lz4 -d` can",
        }
    }
}

impl From<DecompressError> for io::Error {
    fn from(error: DecompressError) -> io::Error {
        io::Error::new(ErrorKind::InvalidData, error)
    }
}

impl Compression {
    /// Tells a compressed stream by its first octets.
    pub(crate) fn sniff(prefix: &[u8]) -> Option<Compression> {
        match prefix {
            [0x1f, 0x8b, ..] => Some(Compression::Gzip),
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Some(Compression::Zstd),
            [0x04, 0x22, 0x4d, 0x18, ..] => Some(Compression::Lz4),
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Some(Compression::Xz),
            [b'B', b'Z', b'h', b'1'..=b'9', ..] => Some(Compression::Bzip2),
            _ if prefix.starts_with(&OLD_LZ4) => Some(Compression::Lz4),
            // Which of the two it is, what follows tells.
            _ if is_skippable(prefix) => Some(Compression::Zstd),
            _ => None,
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Compression::Gzip => "gzip",
            Compression::Zstd => "zstd",
            Compression::Lz4 => "lz4",
            Compression::Xz => "xz",
            Compression::Bzip2 => "bzip2",
        }
    }
}

/// Whether octets begin a frame of zstd or lz4 that carries nothing: with these some parallel
/// compressors begin, and seekable files end.
fn is_skippable(octets: &[u8]) -> bool {
    matches!(octets, [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..])
}

/// The name of the compression that octets are the beginning of, as in `gzip`.
pub fn compression_of(octets: &[u8]) -> Option<&'static str> {
    Compression::sniff(octets).map(Compression::name)
}

/// The octets of `raw` as they are, or decompressed if they begin as a compressed stream does.
///
/// # Errors
/// Those of `raw`.
pub fn decompressed(raw: impl BufRead + Send + 'static) -> io::Result<Box<dyn Read + Send>> {
    let mut raw = Ahead::new(raw);
    Ok(match Compression::sniff(raw.peek(MAGIC)?) {
        Some(_) => Box::new(Decoder::new(raw, None)),
        None => Box::new(raw),
    })
}

/// The decompressed octets of all frames of an input.
pub(crate) struct Decoder<R: BufRead> {
    /// The kind of the last frame that was begun.
    compression: Option<Compression>,
    /// The only kind that there may be, where there is one.
    only: Option<Compression>,
    state: State<R>,
}

/// Where in the input a decoder is.
enum State<R: BufRead> {
    Between(Ahead<R>),
    Inside(Box<Frame<Ahead<R>>>),
    /// It has ended, or failed.
    Done,
}

/// One frame, with the input behind it.
enum Frame<R: BufRead> {
    Gzip(flate2::bufread::GzDecoder<R>),
    Zstd(zstd::stream::read::Decoder<'static, R>),
    Lz4(Lz4Frame<R>),
    // Its state is large.
    Xz(Box<lzma_rust2::XzReader<R>>),
    Bzip2(bzip2::bufread::BzDecoder<R>),
}

impl<R: BufRead> Decoder<R> {
    /// Reads frames of every kind, or of one `only`.
    pub(crate) fn new(raw: Ahead<R>, only: Option<Compression>) -> Decoder<R> {
        Decoder {
            compression: None,
            only,
            state: State::Between(raw),
        }
    }

    /// Goes to the next frame. `false`: there is none, and nothing else.
    fn begin(&mut self) -> io::Result<bool> {
        let State::Between(raw) = &mut self.state else {
            return Ok(true);
        };
        let next = loop {
            match raw.peek(MAGIC)? {
                [] => return Ok(false),
                [0, ..] if self.compression.is_some() => raw.skip(1),
                octets if is_skippable(octets) => raw.skip_frame()?,
                octets if octets.starts_with(&OLD_LZ4) => {
                    return Err(DecompressError::OldLz4.into());
                }
                octets => match Compression::sniff(octets) {
                    Some(next) if self.only.is_none_or(|only| only == next) => break next,
                    _ => return Err(behind(self.compression, octets)),
                },
            }
        };
        if let State::Between(raw) = std::mem::replace(&mut self.state, State::Done) {
            self.compression = Some(next);
            self.state = State::Inside(Box::new(Frame::new(next, raw)?));
        }
        Ok(true)
    }
}

/// What it means that octets which begin no frame stand where one may, behind one of this kind.
fn behind(before: Option<Compression>, octets: &[u8]) -> io::Error {
    const MAGICS: [&[u8]; 5] = [
        &[0x1f, 0x8b],
        &[0x28, 0xb5, 0x2f, 0xfd],
        &[0x04, 0x22, 0x4d, 0x18],
        &[0xfd, b'7', b'z', b'X', b'Z', 0],
        b"BZh9",
    ];
    // Fewer octets than a magic number has, and its first ones: a frame that is cut short.
    let is_cut = |magic: &&[u8]| octets.len() < magic.len() && magic.starts_with(octets);
    if MAGICS.iter().any(is_cut) {
        ErrorKind::UnexpectedEof.into()
    } else {
        // Of both, and nothing tells which.
        DecompressError::Behind(before.map_or("zstd or lz4", Compression::name)).into()
    }
}

impl<R: BufRead> Read for Decoder<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        loop {
            if !self.begin()? {
                return Ok(0);
            }
            let State::Inside(frame) = &mut self.state else {
                return Ok(0);
            };
            match frame.read(buffer)? {
                0 => {
                    if let State::Inside(frame) = std::mem::replace(&mut self.state, State::Done) {
                        self.state = State::Between(frame.into_raw());
                    }
                }
                count => return Ok(count),
            }
        }
    }
}

impl<R: BufRead> Frame<R> {
    fn new(compression: Compression, raw: R) -> io::Result<Frame<R>> {
        Ok(match compression {
            Compression::Gzip => Frame::Gzip(flate2::bufread::GzDecoder::new(raw)),
            Compression::Zstd => {
                Frame::Zstd(zstd::stream::read::Decoder::with_buffer(raw)?.single_frame())
            }
            Compression::Lz4 => Frame::Lz4(Lz4Frame::new(raw)),
            Compression::Xz => {
                let reader = lzma_rust2::XzReader::new_mem_limit(raw, false, XZ_MEMORY_KIB);
                Frame::Xz(Box::new(reader))
            }
            Compression::Bzip2 => Frame::Bzip2(bzip2::bufread::BzDecoder::new(raw)),
        })
    }

    fn into_raw(self) -> R {
        match self {
            Frame::Gzip(decoder) => decoder.into_inner(),
            Frame::Zstd(decoder) => decoder.finish(),
            Frame::Lz4(decoder) => decoder.into_raw(),
            Frame::Xz(decoder) => decoder.into_inner(),
            Frame::Bzip2(decoder) => decoder.into_inner(),
        }
    }
}

impl<R: BufRead> Read for Frame<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Frame::Gzip(decoder) => decoder.read(buffer),
            Frame::Zstd(decoder) => decoder.read(buffer).map_err(of_zstd),
            Frame::Lz4(decoder) => decoder.read(buffer),
            Frame::Xz(decoder) => decoder.read(buffer).map_err(of_xz),
            Frame::Bzip2(decoder) => decoder.read(buffer),
        }
    }
}

/// What an error of zstd is, by the words of the library: it has nothing else.
fn of_zstd(error: io::Error) -> io::Error {
    let text = error.to_string();
    if text.contains("too much memory") {
        let (format, limit) = ("zstd", ZSTD_WINDOW_MIB);
        DecompressError::Memory { format, limit }.into()
    } else if text.contains("Dictionary mismatch") {
        DecompressError::Unsupported("zstd").into()
    } else {
        error
    }
}

fn of_xz(error: io::Error) -> io::Error {
    match error.kind() {
        ErrorKind::OutOfMemory => {
            let (format, limit) = ("xz", XZ_MEMORY_KIB >> 10);
            DecompressError::Memory { format, limit }.into()
        }
        ErrorKind::Unsupported => DecompressError::Unsupported("xz").into(),
        _ => error,
    }
}
