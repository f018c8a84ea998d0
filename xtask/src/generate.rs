//! `cargo xtask generate`: a synthetic capture, the same for the same seed on every machine.

use std::path::Path;

use anyhow::Result;

use crate::arguments::{Arguments, Size};
use crate::traffic::{DEFAULT_SEED, Profile};
use crate::{Command, capture_file};

pub(crate) const COMMAND: Command = Command {
    name: "generate",
    usage: "<mixed|small|large|many-flows|fragments8|cut-segments> <size> <file> [--seed N]",
    help: "Write a synthetic capture of a size such as 100MB: same seed, same octets. The last two \
           profiles cost a reader most: datagrams in fragments of eight octets, and cut segments \
           over thousands that wait.",
    run,
};

fn run(mut arguments: Arguments) -> Result<()> {
    let seed = arguments
        .option("--seed")?
        .map_or(Ok(DEFAULT_SEED), |text| text.parse())?;
    let profile: Profile = arguments.positional("the profile")?.parse()?;
    let size: Size = arguments.positional("the size")?.parse()?;
    let path = arguments.positional("the file to write")?;
    arguments.finish()?;

    let written = capture_file::create(Path::new(&path), profile, size, seed)?;
    println!(
        "{path}: {} packets, mean {:.0} octets",
        written.packets,
        written.mean()
    );
    Ok(())
}
