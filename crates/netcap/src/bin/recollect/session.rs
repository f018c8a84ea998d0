//! What a collector and a replay have in common: where records go, and the loop that looks after it.

use std::io::{Write, sink, stdout};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use netcap_agent::collect::{Intake, JoinOptions, Overview, SUMS_KEPT};
use netcap_agent::config::Config;
use netcap_shell::figures::counted;
use netcap_shell::metrics::Metrics;
use netcap_shell::{Failure, signals};
use netcap_view::{Model, Times, Web};

use crate::flags::Flags;
use crate::flows::Teller;
use crate::report::Report;
use crate::top::Canvas;
use crate::{PROGRAM, page, web};

/// How often the program looks at what is to be shown, and whether it is to end.
const TICK: Duration = Duration::from_millis(100);
/// How long the last line may take.
const PATIENCE: Duration = Duration::from_secs(1);

/// See the module.
pub(crate) struct Session {
    pub(crate) config: Config,
    pub(crate) report: Arc<Report>,
    /// Set by Ctrl-C, SIGTERM and SIGHUP.
    pub(crate) stop: Arc<AtomicBool>,
    /// Set by SIGUSR1.
    asked: Arc<AtomicBool>,
    overview: Arc<Overview>,
    metrics: Option<Metrics>,
    times: Times,
    canvas: Option<Canvas>,
    web: Option<Web>,
    teller: Option<Teller>,
    /// Whether the user looks at flows.
    has_flows: bool,
}

impl Session {
    /// With agents of these labels and places.
    pub(crate) fn begin(
        flags: &Flags,
        config: Config,
        agents: Vec<(String, String)>,
        joined: Option<&JoinOptions>,
    ) -> Result<Session, Failure> {
        let overview = Overview::new(agents, SUMS_KEPT);
        let overview = Arc::new(match joined {
            Some(options) => overview.with_joined(options),
            None => overview,
        });
        let times = match flags.replay.original_time {
            true => Times::OfRecords,
            false => Times::Ours,
        };
        let canvas = Canvas::find(flags)?;
        let messages = canvas.as_ref().map(|canvas| canvas.messages.clone());
        let stop = signals::stop()?;
        signals::stop_at_hang_up(&stop)?;
        Ok(Session {
            asked: signals::account()?,
            report: Arc::new(Report::new(flags.quiet, messages)),
            stop,
            metrics: flags.metrics.listen(PROGRAM, flags.quiet)?,
            web: web::serve(flags, &config, &overview, times)?,
            config,
            overview,
            times,
            canvas,
            teller: None,
            has_flows: flags.flows.flows || flags.view.top || flags.view.web.is_some(),
        })
    }

    /// Lines on standard output, in the format that was asked for.
    pub(crate) fn intake(&self, flags: &Flags) -> Intake {
        let overview = Arc::clone(&self.overview);
        // Its buffer is of lines, and it is given whole ones.
        let writer: Box<dyn Write + Send> = match flags.has_lines() {
            true => Box::new(stdout()),
            false => Box::new(sink()),
        };
        let intake = Intake::new(self.config.clone(), overview, writer).with_format(flags.format());
        let intake = intake.with_sent_only(flags.sent_only);
        match flags.flows.flows {
            true => intake.without_lines(),
            false => intake,
        }
    }

    /// Tells of flows instead of packets, if that was asked for.
    pub(crate) fn tell_flows(
        &mut self,
        flags: &Flags,
        intake: &Arc<Intake>,
    ) -> Result<(), Failure> {
        if flags.flows.flows {
            let (overview, stop) = (Arc::clone(&self.overview), Arc::clone(&self.stop));
            let teller = Teller::start(overview, Arc::clone(intake), flags.json, stop);
            self.teller = Some(teller.map_err(|error| {
                Failure::Environment(format!("cannot start a thread: {error}"))
            })?);
        }
        Ok(())
    }

    /// Tells what has come so far.
    fn account(&self) {
        for agent in self.overview.snapshot().agents {
            self.report.line(format_args!(
                "{}, so far: {} of {}",
                agent.label.escape_debug(),
                counted(agent.records, "records"),
                counted(agent.packets, "packets")
            ));
        }
    }

    /// Whether anything has come.
    pub(crate) fn has_records(&self) -> bool {
        let agents = self.overview.snapshot().agents;
        agents.iter().any(|agent| agent.records > 0)
    }

    /// Looks after clock, metrics and screen until the program is to end, or everything is told and there is no
    /// screen or page to look at it, or nobody reads the output; then ends that.
    pub(crate) fn watch(&self, intake: &Intake, is_over: impl Fn() -> bool) -> Result<(), Failure> {
        let overview = || Arc::clone(&self.overview);
        let canvas = self.canvas.as_ref();
        let view =
            canvas.map(|canvas| canvas.open(Model::new(&self.config, overview(), self.times)));
        let mut view = view.transpose()?;
        if let (Some(canvas), Some(web)) = (canvas, &self.web) {
            canvas.messages.tell(format_args!("live at {}", web.url()));
        }
        let (mut is_told, mut has_hint) = (false, !self.has_flows);
        let failure = loop {
            let mut is_last = self.stop.load(Ordering::Relaxed);
            if is_over() && !is_last {
                is_last = view.is_none() && self.web.is_none();
                if let (Some(web), false) = (&self.web, std::mem::replace(&mut is_told, true)) {
                    self.report.line(format_args!(
                        "that was all; the page stays at {} until Ctrl-C",
                        web.url()
                    ));
                }
            }
            if !has_hint && self.overview.is_one_sided() {
                has_hint = true;
                self.report.line(format_args!(
                    "no flows: all agents record one side only; give some of them `-m none` to record both"
                ));
            }
            if self.asked.swap(false, Ordering::Relaxed) {
                self.account();
            }
            self.report.clock(self.overview.clock());
            if let Some(metrics) = &self.metrics {
                metrics.refresh(|page| {
                    let browsers = self.web.as_ref().map(Web::browsers);
                    page::write(page, &self.config, &self.overview, browsers);
                });
            }
            if let (true, Some(teller)) = (is_last, &self.teller) {
                teller.finish();
            }
            let failure = match is_last {
                true => intake.close(PATIENCE),
                false => intake.failure(),
            };
            let failure = failure.map(Failure::stdout);
            if is_last || failure.is_some() {
                break failure;
            }
            match view.as_mut().map(|view| view.wait(TICK)) {
                None => thread::sleep(TICK),
                Some(Ok(is_end)) => {
                    self.stop.fetch_or(is_end, Ordering::Relaxed);
                }
                Some(Err(failure)) => break Some(failure),
            }
        };
        self.stop.store(true, Ordering::Relaxed);
        drop(view);
        self.report.end();
        failure.map_or(Ok(()), Err)
    }
}
