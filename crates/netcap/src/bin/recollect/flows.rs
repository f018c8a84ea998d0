//! The outcome of packets that one agent sent and another received: a line for each flow and second instead of
//! each packet, and at the end all flows.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use netcap_agent::collect::{FlowLines, Intake, JoinOptions, Overview};
use netcap_agent::config::{Config, Stream};
use netcap_shell::Failure;

use crate::PROGRAM;
use crate::flags::Flags;

/// How often it is looked for seconds that are settled.
const TICK: Duration = Duration::from_millis(100);

/// What is joined of which agents; nothing of fewer than two that speak the extended stream.
pub(crate) fn joined(flags: &Flags, config: &Config) -> Result<Option<JoinOptions>, Failure> {
    let agents = config.agents.iter();
    let joined = agents.map(|agent| agent.stream != Stream::Classic);
    let joined: Vec<bool> = joined.collect();
    if joined.iter().filter(|is_joined| **is_joined).count() >= 2 {
        return Ok(Some(JoinOptions {
            window: flags.flows.window,
            by_second: flags.flows.flows,
            joined,
        }));
    }
    match flags.flows.given() {
        Some(flag) => Err(Failure::Usage(format!(
            "{} needs two agents of the extended stream, and {} has fewer; put `extended` behind their addresses",
            PROGRAM.flag(flag),
            flags.config.display()
        ))),
        None => Ok(None),
    }
}

/// How long settling and printing the last may take: millions of packets may wait, or nobody reads.
const PATIENCE: Duration = Duration::from_secs(5);

/// A thread that prints flows until the program is to end.
pub(crate) struct Teller(JoinHandle<()>);

impl Teller {
    /// Begins to print.
    pub(crate) fn start(
        overview: Arc<Overview>,
        intake: Arc<Intake>,
        is_json: bool,
        stop: Arc<AtomicBool>,
    ) -> io::Result<Teller> {
        let agents = overview.snapshot().agents.into_iter();
        let mut lines = FlowLines::new(agents.map(|agent| agent.label).collect(), is_json);
        let tell = move || {
            while !stop.load(Ordering::Relaxed) {
                intake.write(lines.seconds(&overview.flow_seconds(false)).as_bytes());
                thread::sleep(TICK);
            }
            let mut last = lines.seconds(&overview.flow_seconds(true));
            last.push_str(&lines.all(&overview.flows(usize::MAX).0));
            intake.write(last.as_bytes());
        };
        thread::Builder::new()
            .name("flows".to_owned())
            .spawn(tell)
            .map(Teller)
    }

    /// Waits until all is printed, but not for ever.
    pub(crate) fn finish(&self) {
        let until = Instant::now() + PATIENCE;
        while !self.0.is_finished() && Instant::now() < until {
            thread::sleep(TICK / 10);
        }
    }
}
