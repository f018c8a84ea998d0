//! Records of captures on standard output, as they come: `-out -`.

use std::io::{self, IsTerminal};
use std::sync::Arc;

use netcap_pipeline::{Csv, Encoding, Frames, Json, Registry, schemas};
use netcap_record::csv;
use netcap_shell::Failure;

use crate::flags::Flags;

/// The encoding that the flags ask for.
pub(crate) fn encoding(flags: &Flags, registry: &Registry) -> Result<Arc<dyn Encoding>, Failure> {
    if flags.rotation.is_given() {
        return Err(Failure::Usage(
            "-rotate makes files, and -out - has none; leave one of them out".to_owned(),
        ));
    }
    let types = registry.selected();
    if types.is_empty() {
        return Err(Failure::Usage(
            "no type of record is left to be written; see -include, -exclude and -nohttp"
                .to_owned(),
        ));
    }
    if flags.json {
        if flags.select.is_some() {
            return Err(Failure::Usage(
                "-json prints all fields; choose some with jq, or use -select with -csv or -tsv"
                    .to_owned(),
            ));
        }
        if flags.csv || flags.tsv || flags.sep.is_some() {
            return Err(Failure::Usage(
                "-json and CSV cannot be had at once; leave one of them out".to_owned(),
            ));
        }
        return Ok(Arc::new(Json {
            types: schemas(),
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
        let select = flags.select.as_deref();
        let select = select.map(|names| csv::select(schema, registry.columns(), names));
        return Ok(Arc::new(Csv {
            style: flags.csv_style(),
            select: select
                .transpose()
                .map_err(|unknown| Failure::Usage(unknown.to_string()))?
                .unwrap_or_default(),
        }));
    }
    if io::stdout().is_terminal() {
        return Err(Failure::Usage(
            "audit records are binary; -json, -csv or -tsv writes text, or send them to a file or \
             a program"
                .to_owned(),
        ));
    }
    Ok(Arc::new(Frames))
}
