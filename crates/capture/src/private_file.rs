//! Files that hold private keys: who else can read them.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;

use nix::unistd::geteuid;

/// The permissions of a file, where others than who it is for have access to it.
///
/// It is for its owner. A file of root's may also be for us, by its group or by an access control list,
/// which shows as permissions of the group: so services get their keys, from systemd too. Root itself has
/// no use for that.
pub fn access_of_others(metadata: &Metadata) -> Option<u32> {
    let is_handed_to_us = metadata.uid() == 0 && !geteuid().is_root();
    refused(metadata.mode() & 0o777, is_handed_to_us)
}

fn refused(mode: u32, is_handed_to_us: bool) -> Option<u32> {
    let others = if is_handed_to_us { 0o037 } else { 0o077 };
    (mode & others != 0).then_some(mode)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_who_a_key_is_for_may_read_it() {
        for mode in 0..=0o777 {
            assert_eq!(refused(mode, false).is_none(), mode & 0o077 == 0);
            let is_for_its_group = [0, 0o040].contains(&(mode & 0o077));
            assert_eq!(refused(mode, true).is_none(), is_for_its_group);
        }
    }

    #[test]
    fn permissions_are_those_of_the_file() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        let access = || access_of_others(&file.as_file().metadata().expect("there"));
        assert_eq!(access(), None);
        for mode in [0o604, 0o610, 0o666] {
            let mode_of = std::os::unix::fs::PermissionsExt::from_mode;
            file.as_file()
                .set_permissions(mode_of(mode))
                .expect("a mode");
            assert_eq!(access(), Some(mode));
        }
    }
}
