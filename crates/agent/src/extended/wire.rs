//! Numbers, texts and lists in messages.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::plain::is_plain;

/// A message ends before its fields do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Short;

/// What is left of a message's fields.
#[derive(Debug)]
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], Short> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(Short)?;
        self.0 = rest;
        Ok(taken)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], Short> {
        let (taken, rest) = self.0.split_first_chunk().ok_or(Short)?;
        self.0 = rest;
        Ok(*taken)
    }

    pub(super) fn u8(&mut self) -> Result<u8, Short> {
        self.array().map(|[octet]| octet)
    }

    pub(super) fn u16(&mut self) -> Result<u16, Short> {
        self.array().map(u16::from_be_bytes)
    }

    pub(super) fn u32(&mut self) -> Result<u32, Short> {
        self.array().map(u32::from_be_bytes)
    }

    pub(super) fn u64(&mut self) -> Result<u64, Short> {
        self.array().map(u64::from_be_bytes)
    }

    pub(super) fn address(&mut self, is_ipv6: bool) -> Result<IpAddr, Short> {
        Ok(match is_ipv6 {
            true => Ipv6Addr::from(self.array::<16>()?).into(),
            false => Ipv4Addr::from(self.array::<4>()?).into(),
        })
    }

    /// A text of plain letters, whatever came.
    pub(super) fn text(&mut self) -> Result<String, Short> {
        let length = self.u8()?;
        let text = String::from_utf8_lossy(self.take(length.into())?);
        let plain = text
            .chars()
            .map(|c| if is_plain(c) { c } else { '\u{fffd}' });
        Ok(plain.collect())
    }

    /// A list, whose number of items comes first.
    pub(super) fn list<T>(
        &mut self,
        mut item: impl FnMut(&mut Self) -> Result<T, Short>,
    ) -> Result<Vec<T>, Short> {
        let count = self.u8()?;
        (0..count).map(|_| item(self)).collect()
    }
}

/// A message being written.
#[derive(Debug)]
pub(super) struct Writer<'a>(&'a mut Vec<u8>);

impl Writer<'_> {
    /// Appends a message of this kind with the fields that are written.
    pub(super) fn message(out: &mut Vec<u8>, kind: u8, fields: impl FnOnce(&mut Writer<'_>)) {
        let begin = out.len();
        out.extend_from_slice(&[0, 0, kind]);
        fields(&mut Writer(out));
        // None has more: texts and lists are cut to what fits (see `MOST_INTERFACES`).
        let length = u16::try_from(out.len() - begin - 2).unwrap_or(u16::MAX);
        out[begin..begin + 2].copy_from_slice(&length.to_be_bytes());
    }

    pub(super) fn octets(&mut self, octets: &[u8]) {
        self.0.extend_from_slice(octets);
    }

    pub(super) fn u8(&mut self, number: u8) {
        self.0.push(number);
    }

    pub(super) fn u16(&mut self, number: u16) {
        self.octets(&number.to_be_bytes());
    }

    pub(super) fn u32(&mut self, number: u32) {
        self.octets(&number.to_be_bytes());
    }

    pub(super) fn u64(&mut self, number: u64) {
        self.octets(&number.to_be_bytes());
    }

    pub(super) fn address(&mut self, address: IpAddr) {
        match address {
            IpAddr::V4(address) => self.octets(&address.octets()),
            IpAddr::V6(address) => self.octets(&address.octets()),
        }
    }

    /// A text, cut at a character where it is longer than that.
    pub(super) fn text(&mut self, text: &str, most: usize) {
        let end = text.floor_char_boundary(most.min(usize::from(u8::MAX)));
        self.u8(end as u8);
        self.octets(&text.as_bytes()[..end]);
    }

    /// A list, without the items beyond the most.
    pub(super) fn list<T>(
        &mut self,
        items: &[T],
        most: usize,
        mut write: impl FnMut(&mut Self, &T),
    ) {
        let items = &items[..items.len().min(most).min(usize::from(u8::MAX))];
        self.u8(items.len() as u8);
        items.iter().for_each(|item| write(self, item));
    }
}
