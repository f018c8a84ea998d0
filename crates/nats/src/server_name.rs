//! What a server calls itself in its claims.
//!
//! Guarantee: a folder has the same name for ever, unless another is asked for.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use netcap_remote::Error;
use ring::rand::{SecureRandom, SystemRandom};

/// The file with the name.
const FILE: &str = ".server-id";
/// Octets of a name at most.
const LONGEST: usize = 100;

/// The name of the server that writes to a folder: the one that is asked for, or what the folder has, or a
/// random one.
pub(crate) fn server_name(folder: &Path, wanted: Option<&str>) -> Result<String, Error> {
    let path = folder.join(FILE);
    let io = |source| Error::Io {
        path: path.clone(),
        source,
    };
    if let Some(name) = wanted {
        let reason = "a server's name has letters, digits, `-` and `_` only, 100 at most";
        return match is_name(name) {
            true => Ok(name.to_owned()),
            false => Err(Error::Transport(format!("{name:?}: {reason}"))),
        };
    }
    match fs::read_to_string(&path) {
        Ok(text) if is_name(text.trim_end()) => return Ok(text.trim_end().to_owned()),
        Ok(_) => {
            return Err(Error::Foreign {
                path,
                reason: "does not hold the name of a server; move it away".to_owned(),
            });
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(io(error)),
    }
    let mut random = [0; 16];
    let filled = SystemRandom::new().fill(&mut random);
    filled.map_err(|_| io(io::Error::other("the system gives no random numbers")))?;
    let name: String = random.iter().map(|octet| format!("{octet:02x}")).collect();
    // It appears whole or not at all.
    let new = folder.join(".server-id.new");
    let written = (|| {
        let mut file = File::create(&new)?;
        writeln!(file, "{name}")?;
        file.sync_all()?;
        fs::rename(&new, &path)?;
        File::open(folder)?.sync_all()
    })();
    written.map_err(io)?;
    Ok(name)
}

fn is_name(name: &str) -> bool {
    (1..=LONGEST).contains(&name.len())
        && name
            .bytes()
            .all(|octet| octet.is_ascii_alphanumeric() || b"-_".contains(&octet))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_keeps_its_name() {
        let folder = tempfile::tempdir().expect("a folder");
        let name = server_name(folder.path(), None).expect("a name");
        assert_eq!(server_name(folder.path(), None).expect("a name"), name);
        let asked = server_name(folder.path(), Some("east-1")).expect("a name");
        assert_eq!(asked, "east-1");
        assert!(server_name(folder.path(), Some("a/b")).is_err());
        fs::write(folder.path().join(FILE), "").expect("written");
        assert!(server_name(folder.path(), None).is_err());
    }
}
