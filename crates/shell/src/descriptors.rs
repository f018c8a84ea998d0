//! How many files and connections the system lets a program have open at a time.

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_never_becomes_fewer() {
        let before = allow(0);
        assert!(allow(1) >= before.min(1));
        assert_eq!(allow(before), before);
    }
}
