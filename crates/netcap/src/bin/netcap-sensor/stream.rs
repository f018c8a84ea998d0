//! What makes two runs one stream: the same input, read with the same options by the same version, gives
//! the same records by number.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use netcap_pipeline::{Config, Registry};
use netcap_remote::{StreamId, stream_id};
use netcap_shell::{Failure, Inputs};

use crate::flags::Flags;
use crate::version;

/// How long a run that can be repeated waits for the server before it begins.
pub(crate) const PATIENCE: Duration = Duration::from_secs(3600);
/// Octets of a file's beginning that tell it apart from others.
const BEGINNING: u64 = 64 << 10;

/// Refuses a name for what cannot come again from its beginning: what came after a restart would be
/// taken for what was delivered before.
pub(crate) fn check(flags: &Flags, inputs: &Inputs) -> Result<(), Failure> {
    let reason = match inputs {
        _ if flags.stream.is_none() => return Ok(()),
        Inputs::Files(_) => return Ok(()),
        Inputs::Interfaces(_) => "an interface does not begin again; leave it away",
        Inputs::Peers(_) if flags.input.reads_once() => return Ok(()),
        Inputs::Peers(_) => {
            "a peer that is connected to again begins again, in the middle of the stream; add -once"
        }
    };
    Err(Failure::Usage(format!("-stream: {reason}")))
}

/// The stream of files, or the one that the user names; none where the input cannot come again.
pub(crate) fn id(
    flags: &Flags,
    files: &[PathBuf],
    config: &Config,
    registry: &Registry,
) -> Result<Option<StreamId>, Failure> {
    let options = options(flags, config, registry);
    let mut parts = vec![version().into_bytes(), options.into_bytes()];
    if let Some(name) = &flags.stream {
        parts.push(name.clone().into_bytes());
        return Ok(Some(stream_id(&parts)));
    }
    if files.is_empty() {
        return Ok(None);
    }
    for path in files {
        match fingerprint(path) {
            Ok(Some(print)) => parts.push(print),
            // A pipe, or standard input.
            Ok(None) => return Ok(None),
            Err(error) => {
                let message = format!("{}: cannot read: {error}", path.display());
                return Err(Failure::Environment(message));
            }
        }
    }
    Ok(Some(stream_id(&parts)))
}

/// What decides which records there are, beside the packets.
fn options(flags: &Flags, config: &Config, registry: &Registry) -> String {
    let selected = registry.selected().iter();
    let types: Vec<&str> = selected.map(|schema| schema.encoder).collect();
    format!(
        "{types:?} {} {} {} {:?} {:?} {:?} {:?} {:?} {:?}",
        registry.payloads(),
        registry.checksums(),
        flags.records.packet_numbers,
        flags.input.expression(),
        config.base,
        config.limits.packets,
        config.flows,
        config.fragments,
        config.streams,
    )
}

/// What tells a file apart from others, unless it is none.
fn fingerprint(path: &Path) -> std::io::Result<Option<Vec<u8>>> {
    if path.as_os_str() == "-" {
        return Ok(None);
    }
    let metadata = fs::metadata(path)?;
    if !metadata.is_file() {
        return Ok(None);
    }
    let changed = metadata.modified()?.duration_since(UNIX_EPOCH);
    let path = fs::canonicalize(path)?;
    let mut print = path.as_os_str().as_encoded_bytes().to_vec();
    print.extend(metadata.len().to_le_bytes());
    print.extend(changed.unwrap_or_default().as_nanos().to_le_bytes());
    File::open(&path)?.take(BEGINNING).read_to_end(&mut print)?;
    Ok(Some(print))
}
