//! Directories that flags name, to write into.

use std::fs;
use std::io;
use std::path::Path;

use nix::unistd::{AccessFlags, access};

use crate::failure::Failure;

/// Makes the directory, if need be. `flag` is the one that names it.
///
/// # Errors
///
/// It cannot be made, or this user may not write to it.
pub fn check_directory(flag: &str, path: &Path) -> Result<(), Failure> {
    let writable = || access(path, AccessFlags::W_OK | AccessFlags::X_OK);
    let usable = fs::create_dir_all(path).and_then(|()| writable().map_err(io::Error::from));
    usable.map_err(|error| {
        let reason = match path.exists() && !path.is_dir() {
            true => "it is no directory".to_owned(),
            false => error.to_string(),
        };
        Failure::Environment(format!(
            "{flag} {}: {reason}; name a directory that this user may write to",
            path.display()
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directories_are_made_and_files_are_none() {
        let folder = tempfile::tempdir().expect("a directory");
        let new = folder.path().join("a/b");
        check_directory("-out", &new).expect("made");
        assert!(new.is_dir());
        let file = folder.path().join("file");
        fs::write(&file, "").expect("written");
        for path in [file.clone(), file.join("below")] {
            let failure = check_directory("-out", &path).expect_err("refused");
            let text = failure.to_string();
            assert!(
                text.starts_with("-out ") && text.contains("; name a directory"),
                "{text}"
            );
        }
    }
}
