//! Who is root to open interfaces need not be root to dissect what strangers send.
//!
//! Once the interfaces are open, and the directories for the files are there, the program becomes
//! another user for good: the one that is named, or whoever called sudo. Who is root otherwise stays
//! root. Who is not, and may capture by capabilities (of the file, setcap(8), or ambient ones), gives them up.

use std::env;
use std::fs;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};

use nix::unistd::{AccessFlags, Gid, Uid, User, access, setgid, setuid};

use crate::failure::Failure;

/// Becomes the other user, if there is one, who can write to the directories then; those that are
/// missing are made.
///
/// # Errors
///
/// Where there is no such user, or that user cannot write to the directories.
pub fn drop_after_opening<'a>(
    user: Option<&str>,
    directories: impl Iterator<Item = &'a PathBuf>,
) -> Result<(), Failure> {
    let Some((uid, gid)) = successor(user)? else {
        return match Uid::effective().is_root() {
            true => Ok(()),
            false => drop_capabilities(),
        };
    };
    let directories: Vec<&PathBuf> = directories.collect();
    for directory in &directories {
        make_for(directory, uid, gid).map_err(|error| {
            Failure::Environment(format!(
                "cannot make the directory {}: {error}",
                directory.display()
            ))
        })?;
    }
    // In this order: who is no longer root may not change the groups.
    leave_groups(gid)
        .and_then(|()| setgid(gid))
        .and_then(|()| setuid(uid))
        .map_err(|error| Failure::Environment(format!("cannot become user {uid}: {error}")))?;
    for directory in directories {
        access(directory.as_path(), AccessFlags::W_OK | AccessFlags::X_OK).map_err(|error| {
            Failure::Environment(format!(
                "{}: {error} for user {uid}, whom the program becomes once the interfaces are open; \
                 choose another directory with -out, or stay root with -user root",
                directory.display()
            ))
        })?;
    }
    Ok(())
}

/// For threads that begin before the interfaces are open, as capabilities are those of each thread: gives up
/// its own. Root's are left, as all threads become another user together.
pub fn need_no_capabilities() {
    if !Uid::effective().is_root() {
        // Who has none, or may not even ask for them, has nothing to give up.
        drop(drop_capabilities());
    }
}

/// Gives up the capabilities of this thread, and of those that it starts from now on, but for what opening an interface
/// takes: that is kept for [`opening`], and has no effect meanwhile. Root stays root.
///
/// # Errors
///
/// The system does not allow it.
#[cfg(target_os = "linux")]
pub fn keep_for_opening() -> Result<(), Failure> {
    use caps::CapSet::{Effective, Inheritable, Permitted};
    if Uid::effective().is_root() {
        return Ok(());
    }
    let keep = || {
        let mut kept = caps::read(None, Permitted)?;
        kept.retain(|capability| *capability == caps::Capability::CAP_NET_RAW);
        caps::clear(None, Effective)?;
        caps::set(None, Permitted, &kept)?;
        caps::clear(None, Inheritable)
    };
    keep().map_err(kept)
}

/// Elsewhere there are none.
#[cfg(not(target_os = "linux"))]
pub fn keep_for_opening() -> Result<(), Failure> {
    Ok(())
}

/// Opens an interface with what [`keep_for_opening`] has kept.
#[cfg(target_os = "linux")]
pub fn opening<T>(open: impl FnOnce() -> T) -> T {
    use caps::CapSet::{Effective, Permitted};
    if Uid::effective().is_root() {
        return open();
    }
    // Where this fails the system says, as it is opened, what is missing.
    if let Ok(kept) = caps::read(None, Permitted) {
        drop(caps::set(None, Effective, &kept));
    }
    let opened = open();
    drop(caps::clear(None, Effective));
    opened
}

/// Elsewhere there are none.
#[cfg(not(target_os = "linux"))]
pub fn opening<T>(open: impl FnOnce() -> T) -> T {
    open()
}

/// Capabilities stay where they should not.
#[cfg(target_os = "linux")]
fn kept(error: caps::errors::CapsError) -> Failure {
    Failure::Environment(format!("cannot give up capabilities: {error}"))
}

/// Gives up what this thread, and those that it starts from now on, may do beyond other users.
#[cfg(target_os = "linux")]
fn drop_capabilities() -> Result<(), Failure> {
    use caps::CapSet::{Effective, Inheritable, Permitted};
    // In this order: what is effective has to be permitted. Ambient ones go with these.
    for set in [Effective, Permitted, Inheritable] {
        caps::clear(None, set).map_err(kept)?;
    }
    Ok(())
}

/// Elsewhere there are none.
#[cfg(not(target_os = "linux"))]
fn drop_capabilities() -> Result<(), Failure> {
    Ok(())
}

/// Leaves all other groups than that.
#[cfg(not(target_vendor = "apple"))]
fn leave_groups(gid: Gid) -> nix::Result<()> {
    nix::unistd::setgroups(&[gid])
}

/// macOS keeps the groups of a user elsewhere, and nix has no call for it.
#[cfg(target_vendor = "apple")]
fn leave_groups(_gid: Gid) -> nix::Result<()> {
    Ok(())
}

/// The user to become, and that user's group.
fn successor(user: Option<&str>) -> Result<Option<(Uid, Gid)>, Failure> {
    let is_root = Uid::effective().is_root();
    let found = match user {
        Some(name) => Some(by_name(name)?),
        None if is_root => by_sudo(),
        None => None,
    };
    match found {
        Some((uid, _)) if !is_root && uid != Uid::effective() => Err(Failure::Usage(
            "-user: only root can become another user".to_owned(),
        )),
        Some((uid, _)) if !is_root || uid.is_root() => Ok(None),
        found => Ok(found),
    }
}

/// The user of a name or a number.
fn by_name(name: &str) -> Result<(Uid, Gid), Failure> {
    let found = match name.parse() {
        Ok(number) => User::from_uid(Uid::from_raw(number)),
        Err(_) => User::from_name(name),
    };
    match found {
        Ok(Some(user)) => Ok((user.uid, user.gid)),
        Ok(None) => Err(Failure::Usage(format!("-user {name}: no such user"))),
        Err(error) => Err(Failure::Environment(format!("-user {name}: {error}"))),
    }
}

/// Whoever called sudo, as sudo(8) tells.
fn by_sudo() -> Option<(Uid, Gid)> {
    let number = |name| env::var(name).ok()?.parse::<u32>().ok();
    Some((
        Uid::from_raw(number("SUDO_UID")?),
        Gid::from_raw(number("SUDO_GID")?),
    ))
}

/// Makes a directory and those above it that are missing; the new ones belong to that user.
fn make_for(directory: &Path, uid: Uid, gid: Gid) -> std::io::Result<()> {
    if directory.as_os_str().is_empty() || directory.is_dir() {
        return Ok(());
    }
    if let Some(parent) = directory.parent() {
        make_for(parent, uid, gid)?;
    }
    fs::create_dir(directory)?;
    chown(directory, Some(uid.as_raw()), Some(gid.as_raw()))
}
