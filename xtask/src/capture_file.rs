//! Writing generated traffic as a classic pcap file, little-endian, microseconds, Ethernet.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::arguments::Size;
use crate::traffic::{FINGERPRINT, Profile, Traffic};

pub(crate) const FILE_HEADER: usize = 24;
pub(crate) const PACKET_HEADER: usize = 16;
/// The first four octets of a file such as we write.
pub(crate) const MAGIC: u32 = 0xa1b2_c3d4;
const SNAPLEN: u32 = 262_144;
const LINKTYPE_ETHERNET: u32 = 1;

/// How much of what was written.
#[derive(Clone, Copy, Default)]
pub(crate) struct Written {
    pub(crate) packets: u64,
    /// Octets of packets, without the headers of the file format.
    pub(crate) octets: u64,
}

impl Written {
    pub(crate) fn mean(&self) -> f64 {
        self.octets as f64 / self.packets.max(1) as f64
    }
}

/// Writes as many packets as fit into `size`.
pub(crate) fn write(
    out: &mut impl Write,
    traffic: &mut Traffic,
    size: Size,
) -> io::Result<Written> {
    for field in [MAGIC, 2 | 4 << 16, 0, 0, SNAPLEN, LINKTYPE_ETHERNET] {
        out.write_all(&field.to_le_bytes())?;
    }
    let mut written = Written::default();
    let mut room = size.0.saturating_sub(FILE_HEADER as u64);
    loop {
        let (micros, packet, wire_length) = traffic.next_packet();
        let length = packet.len() as u32;
        let Some(rest) = room.checked_sub(PACKET_HEADER as u64 + u64::from(length)) else {
            return Ok(written);
        };
        room = rest;
        for field in [
            (micros / 1_000_000) as u32,
            (micros % 1_000_000) as u32,
            length,
            wire_length as u32,
        ] {
            out.write_all(&field.to_le_bytes())?;
        }
        out.write_all(packet)?;
        written.packets += 1;
        written.octets += u64::from(length);
    }
}

/// Writes `path` through a neighbour that is renamed when it is complete.
pub(crate) fn create(path: &Path, profile: Profile, size: Size, seed: u64) -> Result<Written> {
    let unfinished = path.with_extension("unfinished");
    let create = || -> io::Result<Written> {
        let mut out = BufWriter::with_capacity(1 << 20, File::create(&unfinished)?);
        let written = write(&mut out, &mut Traffic::new(profile, seed), size)?;
        out.into_inner()?.sync_all()?;
        fs::rename(&unfinished, path)?;
        Ok(written)
    };
    create().with_context(|| format!("writing {}", path.display()))
}

/// The kept capture with these parameters, written first if it isn't there.
///
/// The fingerprint of the generator is part of the name: a changed generator never meets the
/// captures of its predecessor.
pub(crate) fn kept(folder: &Path, profile: Profile, size: Size, seed: u64) -> Result<PathBuf> {
    let name = format!(
        "{}-{size}-{seed}-{:08x}.pcap",
        profile.name(),
        FINGERPRINT as u32
    );
    let path = folder.join(name);
    if !path.exists() {
        eprintln!("writing {}", path.display());
        fs::create_dir_all(folder).with_context(|| format!("creating {}", folder.display()))?;
        create(&path, profile, size, seed)?;
    }
    Ok(path)
}
