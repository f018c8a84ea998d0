//! Every capture of `tests/captures` gives the records and the ledger that are kept beside it.

#[path = "../../../xtask/src/expectation.rs"]
mod expectation;

use std::collections::BTreeMap;
use std::path::Path;

const CAPTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/captures");

/// The first difference between what is expected and what was found.
fn difference(
    expected: &BTreeMap<String, Vec<u8>>,
    found: &BTreeMap<String, Vec<u8>>,
) -> Option<String> {
    for (name, text) in expected {
        let Some(other) = found.get(name) else {
            return Some(format!("{name} is missing"));
        };
        let (mut lines, mut others) = (text.split(|o| *o == b'\n'), other.split(|o| *o == b'\n'));
        for number in 1.. {
            let (line, other) = (lines.next(), others.next());
            if line != other {
                let shown = |line: Option<&[u8]>| match line {
                    Some(line) => String::from_utf8_lossy(line).into_owned(),
                    None => "(the end)".to_owned(),
                };
                let (line, other) = (shown(line), shown(other));
                return Some(format!(
                    "{name} line {number}\nexpected {line}\nfound    {other}"
                ));
            }
            if line.is_none() {
                break;
            }
        }
    }
    let surplus = found.keys().find(|name| !expected.contains_key(*name))?;
    Some(format!("{surplus} is there and not expected"))
}

#[test]
fn captures_give_what_is_expected() {
    let directory = Path::new(CAPTURES);
    let captures = expectation::captures(directory).unwrap();
    assert!(!captures.is_empty());
    let mut differences = Vec::new();
    for capture in captures {
        let name = expectation::name_of(&capture);
        let place = expectation::place(&capture);
        let Ok(expected) = expectation::files(&place) else {
            differences.push(format!("{name} has no expectation"));
            continue;
        };
        let found = expectation::render(&capture).unwrap();
        if let Some(difference) = difference(&expected, &found) {
            differences.push(format!("{}/{difference}", expectation::name_of(&place)));
            differences.push(format!("in {name}"));
        }
    }
    assert!(
        differences.is_empty(),
        "{}\nWhere the new result is right: cargo xtask bless, and read what changed.",
        differences.join("\n")
    );
}

#[test]
fn no_expectation_is_left_without_its_capture() {
    let directory = Path::new(CAPTURES);
    let captures = expectation::captures(directory).unwrap();
    for entry in directory.read_dir().unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|e| e == "expect") {
            let is_used = captures.iter().any(|c| expectation::place(c) == path);
            assert!(is_used, "{} belongs to no capture", path.display());
        }
    }
}
