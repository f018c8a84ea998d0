//! The files that are derived from the definitions of the records.
//!
//! `cargo xtask gen` writes them; a test of `netcap-pipeline` includes this file and fails where
//! one is not current.

use std::fs;
use std::io;
use std::path::Path;

use netcap_record::{Schema, dot_proto, markdown};

/// Where the table of records begins and ends in the README.
const TABLE: [&str; 2] = ["<!-- records:begin -->\n", "<!-- records:end -->"];

const MANUAL_HEAD: &str = "\
<!-- Generated from the definitions of the records by `cargo xtask gen`: do not edit. -->

# Fields

Every record type with all of its fields: their names, their numbers in the protobuf messages, their
types. Times are strings, seconds and microseconds of the Unix epoch with a point between them.

";

/// A generated file as it should be.
pub(crate) struct Generated {
    /// Its place below the root of the project.
    pub(crate) path: &'static str,
    /// Its text.
    pub(crate) text: String,
}

impl Generated {
    /// Whether the file is there with this text.
    pub(crate) fn is_current(&self, root: &Path) -> bool {
        fs::read_to_string(root.join(self.path)).is_ok_and(|text| text == self.text)
    }
}

/// Every generated file of the project at `root`. Of the README everything but the table stays.
pub(crate) fn all(root: &Path) -> io::Result<Vec<Generated>> {
    let records = records();
    let readme = fs::read_to_string(root.join("README.md"))?;
    Ok(vec![
        Generated {
            path: "proto/netcap.proto",
            text: dot_proto::dot_proto(&records).map_err(io::Error::other)?,
        },
        Generated {
            path: "README.md",
            text: with_table(&readme, &markdown::record_table(&records))?,
        },
        Generated {
            path: "docs/fields.md",
            text: format!("{MANUAL_HEAD}{}", markdown::field_manual(&records)),
        },
    ])
}

/// Every record type, ordered by their names for users.
fn records() -> Vec<&'static Schema> {
    let mut records = netcap_pipeline::schemas();
    records.sort_by_key(|schema| schema.encoder.to_ascii_lowercase());
    records
}

/// The text with another table between its marks.
fn with_table(text: &str, table: &str) -> io::Result<String> {
    let [begin, end] = TABLE;
    let parts = text
        .split_once(begin)
        .and_then(|(before, rest)| Some((before, rest.split_once(end)?.1)));
    match parts {
        Some((before, after)) => Ok(format!("{before}{begin}\n{table}\n{end}{after}")),
        None => Err(io::Error::other(
            "README.md has lost the marks of its table",
        )),
    }
}
