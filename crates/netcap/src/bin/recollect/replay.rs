//! Logs of agents, told as if their packets came now.

use std::fmt::Write as _;
use std::panic;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use netcap_agent::collect::{Account, Log, LogError, Playback, Statistics, find, replay};
use netcap_shell::Failure;
use netcap_shell::figures::{grouped, several};

use crate::configuration;
use crate::flags::Flags;
use crate::session::Session;

/// How long the player may take to end, and how often it is looked whether it has.
const PATIENCE: Duration = Duration::from_secs(1);
const TICK: Duration = Duration::from_millis(10);

/// What agents there are, and whose each log is.
type Logs = (Vec<(String, String)>, Vec<(usize, Log)>);

pub(crate) fn run(flags: &Flags) -> Result<(), Failure> {
    let config = configuration::load(flags)?;
    let (agents, logs) = logs(&flags.replay.paths)?;
    let session = Session::begin(flags, config, agents, None)?;
    let intake = session
        .intake(flags)
        .with_statistics(match flags.statistics {
            true => Statistics::AreShown,
            false => Statistics::AreLeftOut,
        })
        .with_old_times(flags.replay.original_time);
    let intake = Arc::new(intake);
    let playback = Playback {
        speed: flags.replay.speed,
        seek: flags.replay.seek,
        max_gap: flags.replay.max_gap.unwrap_or(Duration::MAX),
        has_old_times: flags.replay.original_time,
    };
    session.report.line(format_args!(
        "{}, {}; Ctrl-C ends it",
        several(session.config.rules.len() as u64, "rule"),
        several(logs.len() as u64, "log")
    ));
    let (receiver, stop) = (Arc::clone(&intake), Arc::clone(&session.stop));
    let player = thread::Builder::new()
        .name("replay".to_owned())
        .spawn(move || {
            let accounts = replay(&logs, &playback, receiver.as_ref(), &stop);
            if accounts.is_err() {
                // There is nothing that a page could show.
                stop.store(true, Ordering::Relaxed);
            }
            accounts
        })
        .map_err(|error| Failure::Environment(format!("cannot start a thread: {error}")))?;
    session.watch(&intake, || player.is_finished())?;
    if player.is_finished() && !session.has_records() {
        session.report.line(format_args!(
            "the logs have no record at or after that time: see --seek"
        ));
    }
    // Where Ctrl-C came first it may wait for a reader that reads no more.
    let until = Instant::now() + PATIENCE;
    while !player.is_finished() {
        if Instant::now() >= until {
            return Ok(());
        }
        thread::sleep(TICK);
    }
    match player.join() {
        Ok(accounts) => told(&accounts.map_err(unreadable)?),
        Err(bug) => panic::resume_unwind(bug),
    }
}

/// Finds logs; those of one label are of one agent.
fn logs(paths: &[PathBuf]) -> Result<Logs, Failure> {
    let (mut agents, mut logs) = (Vec::<(String, String)>::new(), Vec::new());
    for path in paths {
        for log in find(path).map_err(unreadable)? {
            let known = agents.iter().position(|(label, _)| *label == log.label);
            let agent = known.unwrap_or_else(|| {
                agents.push((log.label.clone(), log.path.display().to_string()));
                agents.len() - 1
            });
            logs.push((agent, log));
        }
    }
    Ok((agents, logs))
}

fn unreadable(error: LogError) -> Failure {
    let remedy = match error {
        LogError::Unreadable { .. } => "; --replay names a log, or a folder of them",
        LogError::None(_) | LogError::Twice(_) => "",
    };
    let error = error.to_string();
    Failure::Environment(format!("{}{remedy}", error.escape_debug()))
}

/// Tells what was no record.
fn told(accounts: &[Account]) -> Result<(), Failure> {
    let wrong: u64 = accounts.iter().map(|account| account.malformed).sum();
    let mut text = String::new();
    for account in accounts {
        let path = account.path.display().to_string();
        let path = path.escape_debug();
        for place in &account.places {
            // Writing to a string cannot fail.
            let _ = write!(text, ", {path}:{place}");
        }
        if account.malformed > account.places.len() as u64 {
            text.push_str(", ...");
        }
        if let Some(why) = &account.cut_short {
            let _ = write!(text, ", {path} ends early: {why}");
        }
    }
    match text.is_empty() {
        true => Ok(()),
        false => Err(Failure::Input(format!(
            "{}: {}",
            match wrong {
                0 => "not all logs are whole".to_owned(),
                1 => "left out a line that is not a record".to_owned(),
                _ => format!("left out {} lines that are not records", grouped(wrong)),
            },
            text.trim_start_matches(", ")
        ))),
    }
}
