//! Signals: the first SIGINT or SIGTERM ends in good order, the second at once; SIGHUP has
//! certificates read again.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use netcap_relay::Halt;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::flag::{register, register_conditional_shutdown};

use crate::failure::Failure;

/// The exit code of a program that SIGINT ended before it could do so in good order (128 + 2).
pub(crate) const INTERRUPTED: i32 = 130;

/// Who asks for the end.
pub(crate) fn halt() -> Result<Arc<Halt>, Failure> {
    let asked = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        register_conditional_shutdown(signal, INTERRUPTED, Arc::clone(&asked))
            .and_then(|_| register(signal, Arc::clone(&asked)))
            .map_err(unavailable)?;
    }
    Ok(Arc::new(Halt::new(asked)))
}

/// A flag that SIGHUP sets.
pub(crate) fn hang_up() -> Result<Arc<AtomicBool>, Failure> {
    let asked = Arc::new(AtomicBool::new(false));
    register(SIGHUP, Arc::clone(&asked)).map_err(unavailable)?;
    Ok(asked)
}

fn unavailable(error: std::io::Error) -> Failure {
    Failure::Environment(format!("cannot be told of signals: {error}"))
}
