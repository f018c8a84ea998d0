//! Compression of captures: told by content, undone on reading.
//!
//! Magic numbers: gzip RFC 1952 section 2.3.1; zstd RFC 8878 sections 3.1.1 and 3.1.2; lz4
//! lz4_Frame_format.md; xz xz-file-format.txt section 2.1.1.1; bzip2 `BZh`.
//!
//! Guarantee: decompression streams, with bounded windows (zstd 128 MiB, xz 512 MiB, the others
//! less); several members, frames or streams one after the other are one file.

use std::io::{self, BufRead, ErrorKind, Read};

/// How much memory an xz stream may ask for, in KiB; `xz -9` needs 65 MiB.
const XZ_MEMORY_KIB: u32 = 512 << 10;

/// A way of compressing that is undone on reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Compression {
    Gzip,
    Zstd,
    Lz4,
    Xz,
    Bzip2,
}

impl Compression {
    /// Tells a compressed stream by its first octets.
    pub(crate) fn sniff(prefix: &[u8]) -> Option<Compression> {
        match prefix {
            [0x1f, 0x8b, ..] => Some(Compression::Gzip),
            // The second is a skippable frame, with which seekable and parallel zstd files begin.
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => {
                Some(Compression::Zstd)
            }
            [0x04, 0x22, 0x4d, 0x18, ..] => Some(Compression::Lz4),
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Some(Compression::Xz),
            [b'B', b'Z', b'h', b'1'..=b'9', ..] => Some(Compression::Bzip2),
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

    /// The decompressed octets of `raw`.
    pub(crate) fn decoder(
        self,
        raw: impl BufRead + Send + 'static,
    ) -> io::Result<Box<dyn Read + Send>> {
        Ok(match self {
            Compression::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(raw)),
            Compression::Zstd => Box::new(zstd::stream::read::Decoder::with_buffer(raw)?),
            Compression::Lz4 => Box::new(Lz4Frames::new(raw)),
            Compression::Xz => Box::new(lzma_rust2::XzReader::new_mem_limit(
                raw,
                true,
                XZ_MEMORY_KIB,
            )),
            Compression::Bzip2 => Box::new(bzip2::bufread::MultiBzDecoder::new(raw)),
        })
    }
}

/// All lz4 frames of an input. The decoder beneath takes the end of input between two blocks for
/// the end of the frame; to see that a file was cut there, it is shown an error instead.
struct Lz4Frames<R: BufRead> {
    decoder: lz4_flex::frame::FrameDecoder<EndIsError<R>>,
    /// Whether no frame is open, so that the input may end.
    between_frames: bool,
}

impl<R: BufRead> Lz4Frames<R> {
    fn new(raw: R) -> Lz4Frames<R> {
        let raw = EndIsError { raw, at_end: false };
        Lz4Frames {
            decoder: lz4_flex::frame::FrameDecoder::new(raw),
            between_frames: true,
        }
    }
}

impl<R: BufRead> Read for Lz4Frames<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        loop {
            if self.between_frames && self.decoder.get_mut().raw.fill_buf()?.is_empty() {
                return Ok(0);
            }
            let result = self.decoder.read(buffer);
            self.between_frames = matches!(result, Ok(0));
            match result {
                Ok(0) => {}
                Err(_) if self.decoder.get_ref().at_end => {
                    return Err(ErrorKind::UnexpectedEof.into());
                }
                result => return result,
            }
        }
    }
}

/// A reader for which there is no end, only an error.
struct EndIsError<R> {
    raw: R,
    at_end: bool,
}

impl<R: BufRead> Read for EndIsError<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.raw.read(buffer)?;
        if count == 0 && !buffer.is_empty() {
            self.at_end = true;
            return Err(io::Error::other("the input has ended"));
        }
        Ok(count)
    }
}
