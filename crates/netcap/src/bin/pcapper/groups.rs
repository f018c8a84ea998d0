//! Multicast groups that the extended stream is sent to.

use std::net::SocketAddr;
use std::thread::Scope;

use netcap_agent::extended::{Multicast, NoteOutlet};
use netcap_shell::Failure;
use netcap_shell::figures::{counted, grouped};
use netcap_shell::privileges::need_no_capabilities;

use crate::PROGRAM;
use crate::flags::{Flags, own};
use crate::report::Report;

/// See the module.
pub(crate) struct Groups(Vec<Multicast>);

impl Groups {
    /// Opens those that the flags say, and says so.
    pub(crate) fn open(flags: &Flags) -> Result<Groups, Failure> {
        let groups = flags.groups().into_iter().map(|group| {
            let failed = |error| own(2, format!("--multicast {}: {error}", group.place));
            let opened = Multicast::open(&group).map_err(failed)?;
            if !flags.quiet {
                PROGRAM.note(format_args!("extended stream to {}", group.place));
            }
            PROGRAM.note(format_args!(
                "warning: {}: anyone who receives the group learns who talks to whom here",
                group.place
            ));
            Ok(opened)
        });
        Ok(Groups(groups.collect::<Result<_, Failure>>()?))
    }

    /// Where they are.
    pub(crate) fn places(&self) -> Vec<SocketAddr> {
        self.0.iter().map(Multicast::place).collect()
    }

    /// Sends the stream to all of them until it ends, each in a thread of its own.
    pub(crate) fn serve<'scope>(
        &'scope self,
        scope: &'scope Scope<'scope, '_>,
        notes: Option<&'scope NoteOutlet>,
        report: &'scope Report,
    ) {
        for (group, notes) in self.0.iter().zip(notes.into_iter().cycle()) {
            scope.spawn(move || {
                need_no_capabilities();
                group.run(notes, &|error| {
                    report.unsent(&format!("{}: cannot send: {error}", group.place()));
                });
            });
        }
    }

    /// Prints what was sent.
    pub(crate) fn sums(&self) {
        for group in &self.0 {
            let counts = group.counts();
            PROGRAM.note(format_args!(
                "{}: {} records sent in {}, {} lost here",
                group.place(),
                grouped(counts.sent),
                counted(counts.datagrams, "datagrams"),
                grouped(counts.lost),
            ));
        }
    }

    /// What was sent, by group.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Multicast> {
        self.0.iter()
    }
}
