//! `cargo xtask gen`: writes the files that are derived from the definitions of the records.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::arguments::Arguments;
use crate::{Command, ROOT, generated};

pub(crate) const COMMAND: Command = Command {
    name: "gen",
    usage: "[--check]",
    help: "Write proto/netcap.proto, docs/fields.md and the README's table; or say which differ.",
    run,
};

fn run(mut arguments: Arguments) -> Result<()> {
    let check = arguments.flag("--check");
    arguments.finish()?;
    let root = Path::new(ROOT);
    let mut files = generated::all(root)?;
    files.retain(|file| !file.is_current(root));
    if check && !files.is_empty() {
        let paths: Vec<&str> = files.iter().map(|file| file.path).collect();
        bail!("not current: {}; run `cargo xtask gen`", paths.join(", "));
    }
    for file in files {
        let path = root.join(file.path);
        if let Some(directory) = path.parent() {
            fs::create_dir_all(directory)?;
        }
        fs::write(&path, file.text).with_context(|| format!("cannot write {}", file.path))?;
        println!("{}", file.path);
    }
    Ok(())
}
