//! Flags without effect are refused rather than ignored: what each of them needs, beside what
//! [`inputs`](crate::inputs) says of captures and files of records.

use netcap_shell::Failure;

use crate::flags::Flags;

/// How rows look: for CSV, and for nothing else.
pub(crate) const ROWS: [&str; 4] = ["csv", "tsv", "sep", "no-quote"];
/// How nested values look: for CSV and tables.
pub(crate) const NESTED: [&str; 3] = ["begin", "end", "struct-sep"];

/// Flags, by their long names, and what they need to have an effect.
struct Need {
    flags: &'static [&'static str],
    is_met: fn(&Flags) -> bool,
    /// What is said behind the flag.
    why: &'static str,
}

/// What flags need where packets are collected.
const NEEDS: &[Need] = &[
    Need {
        flags: &["files-size", "files-total", "files-count"],
        is_met: |flags| flags.files.is_some(),
        why: "limits what -files keeps; give -files a directory too",
    },
    Need {
        flags: &[
            "overwrite",
            "comp",
            "buf",
            "leftovers",
            "ignore-unknown",
            "rotate",
            "disk-limit",
        ],
        is_met: |flags| !flags.to_stdout(),
        why: "is for files, and -out - has none; leave one of them out",
    },
];

/// Refuses flags that need what is not there.
pub(crate) fn check(flags: &Flags) -> Result<(), Failure> {
    let unmet = NEEDS.iter().filter(|need| !(need.is_met)(flags));
    let mut refused = unmet.flat_map(|need| need.flags.iter().map(|flag| (flag, need.why)));
    match refused.find(|(flag, _)| flags.is_given(flag)) {
        Some((flag, why)) => Err(Failure::Usage(format!("-{flag} {why}"))),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_names_flags_that_there_are() {
        let command = crate::flags::command();
        let known: Vec<_> = command
            .get_arguments()
            .filter_map(|flag| flag.get_long())
            .collect();
        let named = NEEDS.iter().flat_map(|need| need.flags);
        for flag in named.chain(&ROWS).chain(&NESTED) {
            assert!(known.contains(flag), "{flag}");
        }
    }
}
