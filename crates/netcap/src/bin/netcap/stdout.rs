//! Records of captures on standard output, as they come: `-out -`.

use std::sync::Arc;

use netcap_pipeline::{Csv, Encoding, Frames, Json, Registry, schemas};
use netcap_record::Field;
use netcap_record::csv::{self, CsvStyle};
use netcap_record::json::JsonStyle;
use netcap_shell::Failure;
use netcap_shell::console::is_terminal;

use crate::effects::{NESTED, ROWS};
use crate::flags::Flags;

/// The encoding that the flags ask for.
pub(crate) fn encoding(flags: &Flags, registry: &Registry) -> Result<Arc<dyn Encoding>, Failure> {
    let types = registry.selected();
    if types.is_empty() {
        return Err(Failure::Usage(
            "no type of record is left to be written; see -include, -exclude and -nohttp"
                .to_owned(),
        ));
    }
    let select = |schema| match &flags.select {
        Some(names) => csv::select(schema, registry.columns(), names)
            .map_err(|unknown| Failure::Usage(unknown.to_string())),
        None => Ok(Vec::new()),
    };
    if flags.json {
        if let Some(flag) = ROWS.iter().chain(&NESTED).find(|flag| flags.is_given(flag)) {
            return Err(Failure::Usage(format!(
                "-{flag} has no effect with -json; leave one of them out"
            )));
        }
        let select = match types {
            [schema] => each_once(select(schema)?),
            _ if flags.select.is_some() => {
                return Err(Failure::Usage(format!(
                    "-select is for records of one type, and {} are selected; choose one with \
                     -include, as in -include DNS",
                    types.len()
                )));
            }
            _ => Vec::new(),
        };
        return Ok(Arc::new(Json {
            style: JsonStyle {
                types: schemas(),
                select,
                utc: flags.utc,
            },
            names_type: types.len() > 1,
        }));
    }
    let [schema] = types else {
        return Err(Failure::Usage(format!(
            "-out - writes records of one type, and {} are selected; choose one with -include, as in \
             -include DNS, or use -json, which can mix several types",
            types.len()
        )));
    };
    if flags.asks_for_csv() {
        return Ok(Arc::new(Csv {
            style: CsvStyle {
                terminal: is_terminal(),
                ..flags.csv_style()
            },
            select: select(schema)?,
        }));
    }
    if is_terminal() {
        return Err(Failure::Usage(
            "audit records are binary; -json, -csv or -tsv writes text, or send them to a file or \
             a program"
                .to_owned(),
        ));
    }
    Ok(Arc::new(Frames))
}

/// The fields without those that come again: the keys of an object are different.
pub(crate) fn each_once(fields: Vec<&'static Field>) -> Vec<&'static Field> {
    let mut once = Vec::new();
    for field in fields {
        if !once.contains(&field) {
            once.push(field);
        }
    }
    once
}
