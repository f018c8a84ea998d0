//! The anchor of all measurements: read a capture and touch every header, nothing else.
//!
//! Started by `cargo xtask bench` as a child, so that its cost is taken like that of any tool.
//! Reads blocks of 64 KiB into memory aligned to a cache line; a packet that straddles two blocks
//! has its first part moved in front of the second. Sums a few fields of Ethernet, IP, TCP and UDP
//! headers, so that no compiler leaves them out.

use std::fs::File;
use std::io::Read;

use anyhow::{Context, Result, bail, ensure};

use crate::Command;
use crate::arguments::Arguments;
use crate::capture_file::{FILE_HEADER, MAGIC, PACKET_HEADER};

pub(crate) const COMMAND: Command = Command {
    name: "slice-headers",
    usage: "<file>",
    help: "",
    run,
};

/// Octets per read, and room for the part of a packet that stays from the read before.
const BLOCK: usize = 1 << 16;
const CACHE_LINE: usize = 64;

/// What was seen.
#[derive(Default)]
pub(crate) struct Sum {
    pub(crate) packets: u64,
    pub(crate) octets: u64,
    /// Packets with a header that claims more than there is.
    pub(crate) damaged: u64,
    fields: u64,
}

fn run(mut arguments: Arguments) -> Result<()> {
    let path = arguments.positional("the capture")?;
    arguments.finish()?;
    let file = File::open(&path).with_context(|| path.clone())?;
    let sum = slice_all(file).with_context(|| path.clone())?;
    println!(
        "packets={} octets={} fields={:x}",
        sum.packets, sum.octets, sum.fields
    );
    Ok(())
}

/// Slices all packets of a capture such as [`crate::capture_file`] writes.
pub(crate) fn slice_all(mut source: impl Read) -> Result<Sum> {
    let mut memory = vec![0; 2 * BLOCK + CACHE_LINE];
    let block = BLOCK + memory[BLOCK..].as_ptr().align_offset(CACHE_LINE);
    let mut kept = 0;
    let mut at_start = true;
    let mut sum = Sum::default();
    loop {
        let read = fill(&mut source, &mut memory[block..block + BLOCK])?;
        let mut rest = &memory[block - kept..block + read];
        if at_start {
            let (header, packets) = rest
                .split_at_checked(FILE_HEADER)
                .context("too short for a capture")?;
            ensure!(
                u32_le(header, 0) == MAGIC,
                "not a little-endian pcap file in microseconds"
            );
            (rest, at_start) = (packets, false);
        }
        while let Some((packet, after)) = split_packet(rest) {
            sum.packets += 1;
            sum.octets += packet.len() as u64;
            match slice(packet) {
                Some(fields) => sum.fields = sum.fields.wrapping_add(fields),
                None => sum.damaged += 1,
            }
            rest = after;
        }
        kept = rest.len();
        if read == 0 {
            ensure!(kept == 0, "the last packet is incomplete");
            return Ok(sum);
        }
        if kept > BLOCK {
            bail!("a packet is longer than {BLOCK} octets");
        }
        let tail = block + read - kept;
        memory.copy_within(tail..tail + kept, block - kept);
    }
}

/// Reads until `block` is full or the source ends.
fn fill(source: &mut impl Read, block: &mut [u8]) -> std::io::Result<usize> {
    let mut filled = 0;
    while filled < block.len() {
        match source.read(&mut block[filled..])? {
            0 => break,
            count => filled += count,
        }
    }
    Ok(filled)
}

fn split_packet(octets: &[u8]) -> Option<(&[u8], &[u8])> {
    let (header, rest) = octets.split_at_checked(PACKET_HEADER)?;
    rest.split_at_checked(u32_le(header, 8) as usize)
}

/// The sum of some header fields; `None` if a header does not fit.
fn slice(packet: &[u8]) -> Option<u64> {
    let (ethernet, mut rest) = packet.split_at_checked(14)?;
    let mut ethertype = u16_be(ethernet, 12);
    let mut fields = u64::from(ethernet[5]) + u64::from(ethernet[11]);
    if ethertype == 0x8100 {
        let (tag, after) = rest.split_at_checked(4)?;
        (ethertype, rest) = (u16_be(tag, 2), after);
    }
    let (protocol, transport) = match ethertype {
        0x0800 => {
            let version_length = *rest.first()?;
            let header = rest
                .get(..usize::from(version_length & 15) * 4)
                .filter(|header| header.len() >= 20)?;
            fields += u64::from(header[8])
                + u64::from(u32_be(header, 12))
                + u64::from(u32_be(header, 16));
            let payload = rest.get(header.len()..usize::from(u16_be(header, 2)))?;
            if u16_be(header, 6) & 0x1fff != 0 {
                return Some(fields);
            }
            (header[9], payload)
        }
        0x86dd => {
            let (header, after) = rest.split_at_checked(40)?;
            fields += u64::from(header[7])
                + u64::from(u32_be(header, 20))
                + u64::from(u32_be(header, 36));
            (header[6], after.get(..usize::from(u16_be(header, 4)))?)
        }
        _ => return Some(fields),
    };
    match protocol {
        6 => {
            let header = transport.get(..20)?;
            let payload = transport.get(usize::from(header[12] >> 4) * 4..)?;
            fields += u64::from(u32_be(header, 0))
                + u64::from(u32_be(header, 4))
                + u64::from(u32_be(header, 8));
            fields += u64::from(u16_be(header, 14)) + payload.len() as u64;
        }
        17 => {
            let header = transport.get(..8)?;
            fields += u64::from(u32_be(header, 0)) + u64::from(u16_be(header, 4));
        }
        _ => {}
    }
    Some(fields)
}

fn u16_be(octets: &[u8], at: usize) -> u16 {
    u16::from_be_bytes([octets[at], octets[at + 1]])
}

fn u32_be(octets: &[u8], at: usize) -> u32 {
    u32::from_be_bytes([octets[at], octets[at + 1], octets[at + 2], octets[at + 3]])
}

fn u32_le(octets: &[u8], at: usize) -> u32 {
    u32_be(octets, at).swap_bytes()
}
