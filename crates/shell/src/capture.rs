//! Packets, opened: from the command line to what `netcap_pipeline::run` takes.
//!
//! Programs that make records of packets differ in where the records go. What they read, how, and what
//! they refuse to, is the same by being here: a program flattens [`InputFlags`], [`RecordFlags`] and
//! [`PipelineFlags`] into its own, and then
//!
//! 1. asks [`RecordFlags::registry`] what records there will be, and refuses what does not go with that,
//! 2. asks [`InputFlags::inputs`] what is to be read,
//! 3. opens it: [`Capture::open`],
//! 4. [drops privileges](Capture::drop_privileges), before any packet is read,
//! 5. changes what it likes in [`Capture::config`], and [tells the user](Capture::tell_ceiling) how much
//!    memory that may take.
//!
//! Flags are spelled as the program's documentation has it; the program is called by its name.
//!
//! [`RecordFlags`]: crate::RecordFlags
//! [`RecordFlags::registry`]: crate::RecordFlags::registry

use std::path::PathBuf;

use netcap_capture::Source;
use netcap_pipeline::{Config, Registry, memory_ceiling};

use crate::failure::Failure;
use crate::input_flags::{InputFlags, Inputs};
use crate::peers::News;
use crate::pipeline_flags::PipelineFlags;
use crate::privileges::drop_after_opening;
use crate::program::Program;

/// Flags that decide how much memory a run takes.
const DECISIVE: &[&str] = &[
    "max-flows",
    "max-streams",
    "stream-memory",
    "fragment-memory",
    "include",
];

/// Packets that can be read now, and how they are to be worked on.
pub struct Capture {
    /// Where they come from.
    pub source: Box<dyn Source>,
    /// How they are worked on: as the flags say, without bodies, and with packets that nobody could
    /// dissect; a program sets these if it has a use for them.
    pub config: Config,
    program: &'static Program,
    user: Option<String>,
    quiet: bool,
}

impl Capture {
    /// Opens the files or interfaces, or connects to the peers and listens for them. `quiet` is for
    /// users who want to hear of nothing but warnings.
    ///
    /// # Errors
    ///
    /// What cannot be opened, a filter that is none, and flags for live capture where there is none.
    pub fn open(
        program: &'static Program,
        input: &InputFlags,
        pipeline: &PipelineFlags,
        inputs: Inputs,
        quiet: bool,
    ) -> Result<Capture, Failure> {
        let filter = input.filter()?;
        if !matches!(inputs, Inputs::Interfaces(_)) {
            input.check_without_interfaces(program)?;
        }
        // The kernel filters what is captured, the workers what comes from elsewhere.
        let (source, filter) = match inputs {
            Inputs::Interfaces(names) => (input.open_interfaces(&names, filter.as_deref())?, None),
            Inputs::Files(paths) => (input.open_files(&paths)?, filter),
            Inputs::Peers(addresses) => {
                let news = if quiet { News::Warnings } else { News::All };
                (input.open_peers(program, addresses, news)?, filter)
            }
        };
        input.check_live(program, source.as_ref())?;
        let config = Config {
            limits: input.run_limits(),
            filter,
            base: input.base(),
            ..pipeline.config()
        };
        Ok(Capture {
            source,
            config,
            program,
            user: input.user.clone(),
            quiet,
        })
    }

    /// Becomes the user that live capture goes on as, who can write to the directories then; those that
    /// are missing are made. Does nothing where nothing is captured live. See
    /// [`privileges`](crate::privileges).
    ///
    /// # Errors
    ///
    /// Where there is no such user, or that user cannot write to the directories.
    pub fn drop_privileges<'a>(
        &self,
        directories: impl IntoIterator<Item = &'a PathBuf>,
    ) -> Result<(), Failure> {
        if !self.source.is_live() {
            return Ok(());
        }
        drop_after_opening(self.user.as_deref(), directories.into_iter())
    }

    /// Octets of memory that the run takes at most. What an outlet of the program's own holds is not in
    /// it.
    pub fn ceiling(&self, registry: &Registry) -> u64 {
        memory_ceiling(&self.config, registry) + self.source.ceiling()
    }

    /// Says how many octets of memory a live capture takes at most, and which flags decide that. Of
    /// others, and to users who want quiet, it says nothing.
    pub fn tell_ceiling(&self, registry: &Registry) {
        if self.source.is_live() && !self.quiet {
            let ceiling = self.ceiling(registry);
            self.program.tell_ceiling(ceiling, DECISIVE);
        }
    }
}
