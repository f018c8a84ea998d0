//! Signals: the first SIGINT or SIGTERM ends a program in good order, a later one at once; SIGHUP ends it
//! too, or has certificates read again; SIGUSR1 asks for the account so far; SIGTSTP gives a program that
//! draws the time to leave the terminal as it was.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use netcap_relay::Halt;
use signal_hook::consts::{SIGCONT, SIGHUP, SIGINT, SIGTERM, SIGTSTP, SIGUSR1};
use signal_hook::flag::{register, register_conditional_shutdown, register_usize};
use signal_hook::iterator::Signals;
use signal_hook::low_level::emulate_default_handler;

use crate::failure::Failure;
use crate::privileges::need_no_capabilities;

/// The exit code of a program that Ctrl-C ended before it could do so in good order (128 + 2).
pub const INTERRUPTED: i32 = 128 + SIGINT;

/// What signals do, for the long help of programs that tell their account and have SIGHUP end them.
pub const IN_HELP: &str = "\
Signals:
  SIGINT, SIGTERM, SIGHUP end it in good order (SIGHUP not under nohup)
  SIGUSR1 prints the account so far";

/// Signals within that time are one. Some come twice: `timeout` and shells signal a program and its process group.
const TOGETHER: Duration = Duration::from_millis(500);

/// A flag that the first Ctrl-C, or SIGTERM, sets. One that comes half a second later or more ends the program at
/// once.
///
/// # Errors
///
/// The system does not tell of signals.
pub fn stop() -> Result<Arc<AtomicBool>, Failure> {
    let (stop, again) = (Arc::default(), Arc::<AtomicBool>::default());
    let signals = [SIGINT, SIGTERM];
    for signal in signals {
        register_conditional_shutdown(signal, 128 + signal, Arc::clone(&again))
            .and_then(|_| register(signal, Arc::clone(&stop)))
            .map_err(unavailable)?;
    }
    let mut first = Signals::new(signals).map_err(unavailable)?;
    let waiter = thread::Builder::new().name("signals".to_owned());
    let spawned = waiter.spawn(move || {
        need_no_capabilities();
        if first.forever().next().is_some() {
            thread::sleep(TOGETHER);
            again.store(true, Ordering::Relaxed);
        }
    });
    spawned.map_err(unavailable)?;
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

/// Has SIGHUP end the program as SIGTERM does, for those that have nothing to read again: it comes when a
/// terminal or an ssh session is gone. It may come several times, so a second one ends nothing at once. Who
/// is started by nohup goes on.
///
/// # Errors
///
/// The system does not tell of signals.
pub fn stop_at_hang_up(stop: &Arc<AtomicBool>) -> Result<(), Failure> {
    if is_ignored(SIGHUP) {
        return Ok(());
    }
    register(SIGHUP, Arc::clone(stop)).map_err(unavailable)?;
    Ok(())
}

/// Whether whoever started the program has it ignore a signal, as Linux tells.
fn is_ignored(signal: i32) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask >> (signal - 1) & 1 == 1)
}

/// Which signal has ended a run, for the exit code of one that had not come to the end of its input.
#[derive(Debug)]
pub struct Cause(Arc<AtomicUsize>);

impl Cause {
    /// Watches from now on.
    ///
    /// # Errors
    ///
    /// The system does not tell of signals.
    pub fn watch() -> Result<Cause, Failure> {
        // Where neither of the others has come, it was a hang-up.
        let latest = Arc::new(AtomicUsize::new(SIGHUP as usize));
        for signal in [SIGINT, SIGTERM] {
            register_usize(signal, Arc::clone(&latest), signal as usize).map_err(unavailable)?;
        }
        Ok(Cause(latest))
    }

    /// The exit code of a run that a signal has ended: 128 and its number, as shells have it.
    pub fn code(&self) -> u8 {
        128 + self.0.load(Ordering::Relaxed) as u8
    }

    /// The failure of a run that a signal has ended.
    pub fn interrupted(&self, message: &str) -> Failure {
        Failure::Interrupted {
            code: self.code(),
            message: message.to_owned(),
        }
    }
}

/// A flag that SIGUSR1 sets: the account of the run is asked for.
///
/// # Errors
///
/// The system does not tell of signals.
pub fn account() -> Result<Arc<AtomicBool>, Failure> {
    flag_of(SIGUSR1)
}

/// A flag that SIGHUP sets.
///
/// # Errors
///
/// The system does not tell of signals.
pub fn hang_up() -> Result<Arc<AtomicBool>, Failure> {
    flag_of(SIGHUP)
}

/// A flag that a signal sets, and nothing else.
fn flag_of(signal: i32) -> Result<Arc<AtomicBool>, Failure> {
    let asked = Arc::default();
    register(signal, Arc::clone(&asked)).map_err(unavailable)?;
    Ok(asked)
}

/// Whether the program is to be suspended (SIGTSTP), or was (SIGCONT).
#[derive(Debug)]
pub struct Suspension {
    asked: Arc<AtomicBool>,
    over: Arc<AtomicBool>,
}

impl Suspension {
    /// From now on SIGTSTP does nothing but that [`Suspension::is_asked`] says so.
    ///
    /// # Errors
    ///
    /// The system does not tell of signals.
    pub fn watch() -> Result<Suspension, Failure> {
        Ok(Suspension {
            asked: flag_of(SIGTSTP)?,
            over: flag_of(SIGCONT)?,
        })
    }

    /// Whether SIGTSTP has come since this was asked last.
    pub fn is_asked(&self) -> bool {
        self.asked.swap(false, Ordering::Relaxed)
    }

    /// Whether SIGCONT has come since this was asked last.
    pub fn is_over(&self) -> bool {
        self.over.swap(false, Ordering::Relaxed)
    }

    /// Stops the process until SIGCONT comes.
    ///
    /// # Errors
    ///
    /// The system does not allow it.
    pub fn suspend(&self) -> io::Result<()> {
        emulate_default_handler(SIGTSTP)
    }
}

fn unavailable(error: io::Error) -> Failure {
    Failure::Environment(format!("cannot wait for signals: {error}"))
}
