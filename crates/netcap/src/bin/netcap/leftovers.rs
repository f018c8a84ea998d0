//! `-leftovers`: what becomes of the unfinished files of runs that died.

use std::collections::BTreeMap;
use std::path::Path;

use netcap_shell::Failure;
use netcap_shell::figures::counted;

use crate::PROGRAM;
use crate::flags::Leftovers;

/// Files that are named; the rest is counted.
const MOST_NAMED: usize = 5;

/// Names the unfinished files in the directory, and finishes or removes them if that is wanted.
pub(crate) fn see_to(directory: &Path, wish: Leftovers) -> Result<(), Failure> {
    let found = netcap_pipeline::leftovers(directory).map_err(|error| {
        Failure::Environment(format!("cannot read {}: {error}", directory.display()))
    })?;
    if found.is_empty() {
        return Ok(());
    }
    let number = found.len();
    let names = found.iter().take(MOST_NAMED);
    let mut names: Vec<String> = names.map(|left| left.path.display().to_string()).collect();
    if number > MOST_NAMED {
        names.push(format!("{} more", number - MOST_NAMED));
    }
    let done = match wish {
        Leftovers::Keep => "`-leftovers adopt` finishes them, `-leftovers remove` removes them",
        Leftovers::Adopt => "they are finished",
        Leftovers::Remove => "they are removed",
    };
    PROGRAM.note(format_args!(
        "{} by a run that died: {}; {done}",
        counted(number as u64, "files left unfinished"),
        names.join(", ")
    ));
    let mut folders = BTreeMap::new();
    for leftover in found {
        match wish {
            Leftovers::Keep => {}
            Leftovers::Remove => leftover.remove()?,
            Leftovers::Adopt => {
                let path = leftover.path.display().to_string();
                match leftover.adopt(directory, &mut folders)? {
                    Some((path, mended)) => PROGRAM.note(format_args!(
                        "{}: {}",
                        path.display(),
                        counted(mended.records, "records")
                    )),
                    None => PROGRAM.note(format_args!("{path}: no whole record; removed")),
                }
            }
        }
    }
    Ok(())
}
