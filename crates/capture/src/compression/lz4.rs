//! One lz4 frame. The decoder beneath takes the end of input between two blocks for the end of the
//! frame; to see that a file was cut there, it is shown an error instead.

use std::io::{self, BufRead, ErrorKind, Read};

use lz4_flex::frame::{Error, FrameDecoder};

use super::DecompressError;

pub(super) struct Lz4Frame<R: BufRead> {
    decoder: FrameDecoder<EndIsError<R>>,
}

impl<R: BufRead> Lz4Frame<R> {
    pub(super) fn new(raw: R) -> Lz4Frame<R> {
        let raw = EndIsError { raw, at_end: false };
        Lz4Frame {
            decoder: FrameDecoder::new(raw),
        }
    }

    pub(super) fn into_raw(self) -> R {
        self.decoder.into_inner().raw
    }
}

impl<R: BufRead> Read for Lz4Frame<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.decoder.read(buffer) {
            Err(_) if self.decoder.get_ref().at_end => Err(ErrorKind::UnexpectedEof.into()),
            Err(error) if needs_dictionary(&error) => {
                Err(DecompressError::Unsupported("lz4").into())
            }
            result => result,
        }
    }
}

fn needs_dictionary(error: &io::Error) -> bool {
    let error = error.get_ref().and_then(|error| error.downcast_ref());
    matches!(error, Some(Error::DictionaryNotSupported))
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
