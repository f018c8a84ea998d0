//! Signals: the first SIGINT or SIGTERM ends a program in good order, the second at once; SIGHUP has
//! certificates read again.

use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use netcap_relay::Halt;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::flag::{register, register_conditional_shutdown};

use crate::failure::Failure;

/// The exit code of a program that Ctrl-C ended before it could do so in good order (128 + 2).
pub const INTERRUPTED: i32 = 128 + SIGINT;

/// A flag that the first Ctrl-C, or SIGTERM, sets. The second ends the program at once.
///
/// # Errors
///
/// The system does not tell of signals.
pub fn stop() -> Result<Arc<AtomicBool>, Failure> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        // In this order: what is registered first looks before the flag is set.
        register_conditional_shutdown(signal, 128 + signal, Arc::clone(&stop))
            .and_then(|_| register(signal, Arc::clone(&stop)))
            .map_err(unavailable)?;
    }
    Ok(stop)
}

/// The same for those who share the end among threads.
///
/// # Errors
///
/// Those of [`stop`].
pub fn halt() -> Result<Arc<Halt>, Failure> {
    Ok(Arc::new(Halt::new(stop()?)))
}

/// A flag that SIGHUP sets.
///
/// # Errors
///
/// The system does not tell of signals.
pub fn hang_up() -> Result<Arc<AtomicBool>, Failure> {
    let asked = Arc::new(AtomicBool::new(false));
    register(SIGHUP, Arc::clone(&asked)).map_err(unavailable)?;
    Ok(asked)
}

fn unavailable(error: io::Error) -> Failure {
    Failure::Environment(format!("cannot wait for signals: {error}"))
}
