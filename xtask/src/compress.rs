//! What gzip alone costs: libdeflate at level 1 over the uncompressed records that netcap wrote.
//!
//! Started by `cargo xtask bench` as a child, so that its cost is taken like that of any tool. What
//! it compresses is thrown away.

use std::fs::{self, File};
use std::io::Read;
use std::path::Path;

use anyhow::{Context, Result, anyhow};
use libdeflater::{CompressionLvl, Compressor};

use crate::Command;
use crate::arguments::Arguments;

pub(crate) const COMMAND: Command = Command {
    name: "compress",
    usage: "<folder>",
    help: "",
    run,
};

/// Octets per gzip member.
const MEMBER: u64 = 1 << 20;
const LEVEL: i32 = 1;

fn run(mut arguments: Arguments) -> Result<()> {
    let folder = arguments.positional("the folder with .ncap files")?;
    arguments.finish()?;
    let (mut before, mut after) = (0, 0);
    for entry in fs::read_dir(&folder).with_context(|| folder.clone())? {
        let path = entry?.path();
        if path
            .extension()
            .is_some_and(|extension| extension == "ncap")
        {
            let (octets, compressed) =
                compress(&path).with_context(|| path.display().to_string())?;
            before += octets;
            after += compressed;
        }
    }
    println!("before={before} after={after}");
    Ok(())
}

/// The length of a file, and what its compressed members add up to.
fn compress(path: &Path) -> Result<(u64, u64)> {
    let level = CompressionLvl::new(LEVEL).map_err(|error| anyhow!("level {LEVEL}: {error:?}"))?;
    let mut compressor = Compressor::new(level);
    let mut file = File::open(path)?;
    let (mut member, mut compressed) = (
        Vec::new(),
        vec![0; compressor.gzip_compress_bound(MEMBER as usize)],
    );
    let (mut before, mut after) = (0, 0);
    loop {
        member.clear();
        if (&mut file).take(MEMBER).read_to_end(&mut member)? == 0 {
            return Ok((before, after));
        }
        before += member.len() as u64;
        after += compressor.gzip_compress(&member, &mut compressed)? as u64;
    }
}
