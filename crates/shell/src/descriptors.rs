//! How many files and connections the system lets a program have open at a time.

use std::borrow::Cow;

use nix::errno::Errno;
use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// Has the system allow so many descriptors, if it lets us. Gives how many it allows: that it is fewer
/// shows when they are used up, and who accepts connections says so then.
pub fn allow(wanted: u64) -> u64 {
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else {
        return wanted;
    };
    if soft >= wanted {
        return soft;
    }
    let raised = wanted.min(hard);
    match setrlimit(Resource::RLIMIT_NOFILE, raised, hard) {
        Ok(()) => raised,
        Err(_) => soft,
    }
}

/// A message about an error of the system; where that is that all descriptors are used up, the remedy is
/// their limit, whatever else the message advises.
pub(crate) fn explained(message: &str) -> Cow<'_, str> {
    // As the standard library words it.
    let code = format!("(os error {})", Errno::EMFILE as i32);
    match (
        message.split_once(&code),
        getrlimit(Resource::RLIMIT_NOFILE),
    ) {
        (Some((what, _)), Ok((soft, _))) => Cow::Owned(format!(
            "{what}at a time, {soft} are allowed; `ulimit -n` allows more"
        )),
        _ => Cow::Borrowed(message),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_is_named_where_it_is_reached() {
        let error = std::io::Error::from_raw_os_error(Errno::EMFILE as i32);
        let message = format!("x.pcap: cannot read: {error}; check that it exists");
        let (soft, _) = getrlimit(Resource::RLIMIT_NOFILE).expect("a limit");
        let expected = format!(
            "x.pcap: cannot read: Too many open files at a time, {soft} are allowed; \
             `ulimit -n` allows more"
        );
        assert_eq!(explained(&message), expected);
        let other = "x.pcap: No such file or directory (os error 2)";
        assert_eq!(explained(other), other);
    }

    #[test]
    fn it_never_becomes_fewer() {
        let before = allow(0);
        assert!(allow(1) >= before.min(1));
        assert_eq!(allow(before), before);
    }
}
