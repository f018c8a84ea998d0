//! How far an agent is, by its own clock, and where its records have gaps.
//!
//! Guarantees: bounded; what an agent says of its time concerns only what it takes part in.

use std::collections::VecDeque;

/// Gaps that are kept; older ones are of packets that are settled.
const MOST_GAPS: usize = 256;
/// A clock that goes back by more has been set; in nanoseconds.
const SET_BACK: i64 = 10_000_000_000;

/// Whether more is to be expected of an agent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Presence {
    /// It is being connected to for the first time.
    #[default]
    Expected,
    /// It is there.
    Here,
    /// It is not, or has ended.
    Away,
}

/// See the module. Times are in nanoseconds since 1970, by the agent's clock.
#[derive(Debug, Default)]
pub(super) struct Timeline {
    pub(super) presence: Presence,
    /// Nothing from before is to come.
    progress: Option<i64>,
    /// Its first time.
    start: Option<i64>,
    gaps: VecDeque<(i64, i64)>,
    /// Since when there is one that has not ended, as nothing came after it.
    open: Option<i64>,
    /// The time of the last status.
    status: Option<i64>,
}

impl Timeline {
    /// How far it is; none before it has said.
    pub(super) fn progress(&self) -> Option<i64> {
        self.progress
    }

    /// The first time that it has said.
    pub(super) fn start(&self) -> Option<i64> {
        self.start
    }

    /// A packet has this time.
    pub(super) fn packet(&mut self, time: i64) {
        self.close(time);
        self.start.get_or_insert(time);
        self.progress = self.progress.max(Some(time));
    }

    /// It is this time there, and packets were dropped since it last said so. An agent that reads a capture
    /// has no time before the first packet.
    pub(super) fn status(&mut self, time: i64, has_dropped: bool) {
        if time <= 0 {
            return;
        }
        self.packet(time);
        if self
            .progress
            .is_some_and(|progress| progress.saturating_sub(SET_BACK) > time)
        {
            self.progress = Some(time);
        }
        // Before its first it may have dropped whatever there was.
        let before = self.status.replace(time).unwrap_or(i64::MIN);
        if has_dropped {
            self.gap(before.min(time), before.max(time));
        }
    }

    /// Records are missing here.
    pub(super) fn interrupted(&mut self) {
        self.open = self.open.or(self.progress);
    }

    fn close(&mut self, time: i64) {
        if let Some(begin) = self.open.take() {
            self.gap(begin.min(time), begin.max(time));
        }
    }

    fn gap(&mut self, begin: i64, end: i64) {
        match self.gaps.back_mut() {
            Some(last) if last.0 <= begin && begin <= last.1 => last.1 = last.1.max(end),
            _ => self.gaps.push_back((begin, end)),
        }
        if self.gaps.len() > MOST_GAPS {
            self.gaps.pop_front();
        }
    }

    /// Whether a packet that was to come about this time would be known: within the window where the agent
    /// goes on, else after the longest delay so far.
    pub(super) fn covers(&self, time: i64, window: i64, most: i64) -> bool {
        let Some(progress) = self.progress else {
            return false;
        };
        let (first, last) = (time.saturating_sub(window), time.saturating_add(window));
        let is_past = last < progress
            || self.presence == Presence::Away && time.saturating_add(most.max(0)) <= progress;
        let is_open = self
            .open
            .is_some_and(|begin| begin <= last && self.presence == Presence::Here);
        let has_gap = self
            .gaps
            .iter()
            .any(|(begin, end)| *begin <= last && first <= *end);
        is_past && !is_open && !has_gap
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_end_when_something_comes() {
        let mut agent = Timeline {
            presence: Presence::Here,
            ..Timeline::default()
        };
        assert!(!agent.covers(50, 5, 0));
        agent.packet(100);
        assert_eq!((agent.start(), agent.progress()), (Some(100), Some(100)));
        agent.interrupted();
        agent.packet(120);
        agent.status(200, false);
        agent.status(300, true);
        agent.status(400, false);
        for (time, is_covered) in [
            (90, true),
            (97, false),
            (110, false),
            (126, true),
            (194, true),
            (195, false),
            (305, false),
            (306, true),
            (394, true),
            (395, false),
        ] {
            assert_eq!(agent.covers(time, 5, 0), is_covered, "{time}");
        }
        // Before its first status it may have dropped anything.
        let mut other = Timeline::default();
        other.packet(100);
        other.status(200, true);
        other.status(300, false);
        assert!(!other.covers(90, 5, 0) && !other.covers(205, 5, 0) && other.covers(206, 5, 0));
        // It goes away, and comes again.
        agent.presence = Presence::Away;
        agent.interrupted();
        assert!(agent.covers(397, 5, 3) && !agent.covers(398, 5, 3));
        agent.presence = Presence::Here;
        assert!(!agent.covers(395, 5, 0));
        agent.packet(500);
        assert!(!agent.covers(450, 5, 0));
        assert!(agent.covers(394, 5, 0));
    }

    #[test]
    fn a_clock_may_be_set_back_and_gaps_are_bounded() {
        let mut agent = Timeline::default();
        agent.packet(i64::MAX);
        agent.status(0, false);
        assert_eq!(agent.progress(), Some(i64::MAX));
        agent.status(1000, false);
        assert_eq!(agent.progress(), Some(1000));
        for time in 0..10_000 {
            agent.packet(i64::MIN + 10 * time);
            agent.interrupted();
            agent.status(2000 + 10 * time, true);
        }
        assert!(agent.gaps.len() <= MOST_GAPS);
    }
}
