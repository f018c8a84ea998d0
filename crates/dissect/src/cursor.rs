//! Bounds-checked reading, front to back, in network byte order unless the name says otherwise.
//!
//! Every method either moves past what it returns or fails with a [`Malformed`] that says how many
//! octets were needed and how many there were, and moves nowhere.

use crate::{Malformed, Reason};

/// A reader over the octets of one layer.
#[derive(Clone, Copy, Debug)]
pub struct Cursor<'p> {
    protocol: &'static str,
    whole: &'p [u8],
    rest: &'p [u8],
}

impl<'p> Cursor<'p> {
    /// Starts at the first octet of a layer; errors will name `protocol`.
    #[inline]
    pub const fn new(protocol: &'static str, octets: &'p [u8]) -> Cursor<'p> {
        Cursor {
            protocol,
            whole: octets,
            rest: octets,
        }
    }

    /// Octets not read yet.
    #[inline]
    pub fn rest(&self) -> &'p [u8] {
        self.rest
    }

    /// All octets of the layer.
    pub fn whole(&self) -> &'p [u8] {
        self.whole
    }

    /// Number of octets not read yet.
    #[inline]
    pub fn remaining(&self) -> usize {
        self.rest.len()
    }

    /// Whether everything is read.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// Octets read so far.
    #[inline]
    pub fn offset(&self) -> usize {
        self.whole.len() - self.rest.len()
    }

    /// The error of this place.
    #[cold]
    pub fn malformed(&self, reason: Reason) -> Malformed {
        Malformed {
            protocol: self.protocol,
            reason,
            offset: clamp(self.offset()),
            needed: 0,
            had: clamp(self.rest.len()),
        }
    }

    #[cold]
    fn truncated(&self, needed: usize) -> Malformed {
        Malformed {
            needed: clamp(needed),
            ..self.malformed(Reason::Truncated)
        }
    }

    /// The next `N` octets as an array, which the compiler can index without checks.
    #[inline]
    pub fn array<const N: usize>(&mut self) -> Result<&'p [u8; N], Malformed> {
        match self.rest.split_first_chunk() {
            Some((head, tail)) => {
                self.rest = tail;
                Ok(head)
            }
            None => Err(self.truncated(N)),
        }
    }

    /// The next `n` octets.
    #[inline]
    pub fn bytes(&mut self, n: usize) -> Result<&'p [u8], Malformed> {
        match self.rest.split_at_checked(n) {
            Some((head, tail)) => {
                self.rest = tail;
                Ok(head)
            }
            None => Err(self.truncated(n)),
        }
    }

    /// All octets that are left.
    #[inline]
    pub fn take_rest(&mut self) -> &'p [u8] {
        std::mem::take(&mut self.rest)
    }

    /// Moves past `n` octets.
    #[inline]
    pub fn skip(&mut self, n: usize) -> Result<(), Malformed> {
        self.bytes(n).map(drop)
    }

    /// A reader over the next `n` octets alone.
    #[inline]
    pub fn sub(&mut self, n: usize) -> Result<Cursor<'p>, Malformed> {
        Ok(Cursor::new(self.protocol, self.bytes(n)?))
    }

    /// Forgets what lies more than `n` octets ahead, where a length field says so.
    #[inline]
    pub fn limit(&mut self, n: usize) {
        if let Some(head) = self.rest.get(..n) {
            let read = self.offset();
            self.rest = head;
            self.whole = self.whole.get(..read + n).unwrap_or(self.whole);
        }
    }

    /// One octet.
    #[inline]
    pub fn u8(&mut self) -> Result<u8, Malformed> {
        self.array::<1>().map(|[octet]| *octet)
    }

    /// Two octets.
    #[inline]
    pub fn u16(&mut self) -> Result<u16, Malformed> {
        self.array().map(|octets| u16::from_be_bytes(*octets))
    }

    /// Three octets.
    #[inline]
    pub fn u24(&mut self) -> Result<u32, Malformed> {
        self.array::<3>()
            .map(|[a, b, c]| u32::from_be_bytes([0, *a, *b, *c]))
    }

    /// Four octets.
    #[inline]
    pub fn u32(&mut self) -> Result<u32, Malformed> {
        self.array().map(|octets| u32::from_be_bytes(*octets))
    }

    /// Eight octets.
    #[inline]
    pub fn u64(&mut self) -> Result<u64, Malformed> {
        self.array().map(|octets| u64::from_be_bytes(*octets))
    }

    /// Two octets, least significant first.
    #[inline]
    pub fn u16_le(&mut self) -> Result<u16, Malformed> {
        self.array().map(|octets| u16::from_le_bytes(*octets))
    }

    /// Four octets, least significant first.
    #[inline]
    pub fn u32_le(&mut self) -> Result<u32, Malformed> {
        self.array().map(|octets| u32::from_le_bytes(*octets))
    }

    /// Eight octets, least significant first.
    #[inline]
    pub fn u64_le(&mut self) -> Result<u64, Malformed> {
        self.array().map(|octets| u64::from_le_bytes(*octets))
    }
}

/// Offsets in errors are informative; a packet beyond 4 GiB does not exist.
fn clamp(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}
