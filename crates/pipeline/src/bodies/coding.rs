//! Content codings of HTTP (RFC 9110 section 8.4.1), taken off octet by octet.
//!
//! gzip and deflate are decoded, others stay. What does not begin like the coding it claims is
//! taken for plain, because servers say so of what they did not encode. For deflate, which has
//! always been sent with and without the wrapper of zlib (RFC 1950), the first two octets decide.

use std::io::Write;

use flate2::write::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};

/// Takes the coding off one body.
pub(crate) enum Coding {
    /// Nothing to take off.
    Plain,
    /// Claimed to be gzip or deflate; the octets that were not enough to tell.
    Claimed(Claimed, Vec<u8>),
    /// RFC 1952.
    Gzip(Box<MultiGzDecoder<Vec<u8>>>),
    /// RFC 1950.
    Zlib(Box<ZlibDecoder<Vec<u8>>>),
    /// RFC 1951.
    Deflate(Box<DeflateDecoder<Vec<u8>>>),
}

/// A coding that is known here, as it is claimed.
#[derive(Clone, Copy)]
pub(crate) enum Claimed {
    /// `gzip`, `x-gzip`.
    Gzip,
    /// `deflate`.
    Deflate,
}

impl Coding {
    /// What a `Content-Encoding` names; none where it is a coding, or several, that stay.
    pub(crate) fn named(name: &[u8]) -> Option<Coding> {
        let is = |known: &[u8]| name.eq_ignore_ascii_case(known);
        if is(b"") || is(b"identity") {
            Some(Coding::Plain)
        } else if is(b"gzip") || is(b"x-gzip") {
            Some(Coding::Claimed(Claimed::Gzip, Vec::new()))
        } else if is(b"deflate") {
            Some(Coding::Claimed(Claimed::Deflate, Vec::new()))
        } else {
            None
        }
    }

    /// Appends what the octets stand for. `false` where they contradict the coding: what comes
    /// after is lost.
    pub(crate) fn decode(&mut self, octets: &[u8], out: &mut Vec<u8>) -> bool {
        if let Coding::Claimed(claimed, start) = self {
            start.extend_from_slice(octets);
            let [first, second, ..] = start[..] else {
                return true;
            };
            let start = std::mem::take(start);
            *self = Coding::begun(*claimed, first, second);
            return self.decode(&start, out);
        }
        let sound = match self {
            Coding::Gzip(decoder) => decoder.write_all(octets),
            Coding::Zlib(decoder) => decoder.write_all(octets),
            Coding::Deflate(decoder) => decoder.write_all(octets),
            Coding::Plain | Coding::Claimed(..) => out.write_all(octets),
        };
        self.move_to(out);
        sound.is_ok()
    }

    /// Appends what is left at the end. `false` where it is not the end of the coding.
    pub(crate) fn finish(&mut self, out: &mut Vec<u8>) -> bool {
        let ended = match self {
            Coding::Gzip(decoder) => decoder.try_finish(),
            Coding::Zlib(decoder) => decoder.try_finish(),
            Coding::Deflate(decoder) => decoder.try_finish(),
            Coding::Claimed(_, start) => out.write_all(start),
            Coding::Plain => Ok(()),
        };
        self.move_to(out);
        ended.is_ok()
    }

    /// Appends what the decoder has given so far.
    fn move_to(&mut self, out: &mut Vec<u8>) {
        let decoded = match self {
            Coding::Gzip(decoder) => decoder.get_mut(),
            Coding::Zlib(decoder) => decoder.get_mut(),
            Coding::Deflate(decoder) => decoder.get_mut(),
            Coding::Plain | Coding::Claimed(..) => return,
        };
        // Its memory goes too: one piece may have become a thousand times as long.
        out.append(&mut std::mem::take(decoded));
    }

    fn begun(claimed: Claimed, first: u8, second: u8) -> Coding {
        // RFC 1950 section 2.2: the method is 8, and both octets are a multiple of 31.
        let is_zlib = first & 0x0f == 8 && u16::from_be_bytes([first, second]).is_multiple_of(31);
        match claimed {
            // RFC 1952 section 2.3.1.
            Claimed::Gzip if [first, second] == [0x1f, 0x8b] => {
                Coding::Gzip(Box::new(MultiGzDecoder::new(Vec::new())))
            }
            Claimed::Gzip => Coding::Plain,
            Claimed::Deflate if is_zlib => Coding::Zlib(Box::new(ZlibDecoder::new(Vec::new()))),
            Claimed::Deflate => Coding::Deflate(Box::new(DeflateDecoder::new(Vec::new()))),
        }
    }
}

#[cfg(test)]
mod tests {
    use flate2::Compression;
    use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};

    use super::*;

    const TEXT: &[u8] = b"one fish, two fish, red fish, blue fish";

    fn gzip() -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(TEXT).expect("memory");
        encoder.finish().expect("memory")
    }

    fn zlib() -> Vec<u8> {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(TEXT).expect("memory");
        encoder.finish().expect("memory")
    }

    fn deflate() -> Vec<u8> {
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(TEXT).expect("memory");
        encoder.finish().expect("memory")
    }

    /// What comes out, in pieces of every size, and whether the end was one.
    fn decoded(name: &[u8], octets: &[u8]) -> (Vec<u8>, bool) {
        let in_pieces = |size: usize| {
            let mut coding = Coding::named(name).expect("a known coding");
            let mut out = Vec::new();
            let sound = octets
                .chunks(size)
                .all(|piece| coding.decode(piece, &mut out));
            let ended = coding.finish(&mut out);
            (out, sound && ended)
        };
        let whole = in_pieces(octets.len().max(1));
        for size in 1..octets.len() {
            assert_eq!(in_pieces(size), whole, "pieces of {size}");
        }
        whole
    }

    #[test]
    fn known_codings_are_taken_off() {
        let plain = (TEXT.to_vec(), true);
        assert_eq!(decoded(b"gzip", &gzip()), plain);
        assert_eq!(decoded(b"X-GZIP", &gzip()), plain);
        assert_eq!(decoded(b"deflate", &zlib()), plain);
        assert_eq!(decoded(b"deflate", &deflate()), plain);
        assert_eq!(decoded(b"identity", TEXT), plain);
        assert_eq!(decoded(b"", &gzip()), (gzip(), true));
        assert!(Coding::named(b"br").is_none() && Coding::named(b"gzip, gzip").is_none());
    }

    #[test]
    fn what_is_not_encoded_stays() {
        assert_eq!(decoded(b"gzip", TEXT), (TEXT.to_vec(), true));
        assert_eq!(decoded(b"gzip", b"x"), (b"x".to_vec(), true));
        assert_eq!(decoded(b"gzip", b""), (Vec::new(), true));
    }

    #[test]
    fn contradictions_are_told() {
        let mut cut = gzip();
        cut.pop();
        let (out, sound) = decoded(b"gzip", &cut);
        assert!(out == TEXT && !sound);
        assert!(!decoded(b"deflate", b"\xff\xff\xff\xff").1);
        let mut twice = gzip();
        twice.extend(gzip());
        assert_eq!(decoded(b"gzip", &twice), ([TEXT, TEXT].concat(), true));
    }
}
