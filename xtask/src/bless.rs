//! `cargo xtask bless`: what the captures give now becomes what the golden test expects.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::arguments::Arguments;
use crate::{Command, ROOT, expectation};

pub(crate) const COMMAND: Command = Command {
    name: "bless",
    usage: "[name...]",
    help: "Write what tests/captures/<name>* give now as expected; without a name, of all captures.",
    run,
};

fn run(mut arguments: Arguments) -> Result<()> {
    let names: Vec<String> = std::iter::from_fn(|| arguments.word()).collect();
    arguments.finish()?;
    let all = expectation::captures(&Path::new(ROOT).join("tests/captures"))?;
    for name in &names {
        if !all.iter().any(|capture| is_named(capture, name)) {
            bail!("there is no capture tests/captures/{name}");
        }
    }
    for capture in all {
        let place = expectation::place(&capture);
        let is_asked = names.is_empty() || names.iter().any(|name| is_named(&capture, name));
        // The test compares captures of the same packets with the expectation of one of them.
        let is_owner = place.file_stem() == capture.file_name();
        if is_asked && is_owner {
            bless(&capture, &place)
                .with_context(|| format!("cannot bless {}", capture.display()))?;
        }
    }
    Ok(())
}

/// Whether a name means this capture: its file name, or what stands before the first point in it.
fn is_named(capture: &Path, name: &str) -> bool {
    let file_name = expectation::name_of(capture);
    file_name == name || file_name.split('.').next() == Some(name)
}

/// Writes the expectation of one capture, and says so where it is another than before.
fn bless(capture: &Path, place: &Path) -> Result<()> {
    let files = expectation::render(capture)?;
    if expectation::files(place).is_ok_and(|before| before == files) {
        return Ok(());
    }
    if place.exists() {
        fs::remove_dir_all(place)?;
    }
    fs::create_dir_all(place)?;
    for (name, text) in files {
        fs::write(place.join(name), text)?;
    }
    println!("{}", expectation::name_of(place));
    Ok(())
}
