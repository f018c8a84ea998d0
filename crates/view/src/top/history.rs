//! The history of all types, kept so that only what has changed is asked for.

use std::collections::BTreeMap;

use netcap_agent::collect::SUMS_KEPT;

use crate::amount::{Amount, Mark};
use crate::model::Model;

/// Pieces that are kept: as many as a wide terminal has columns.
const MOST_STEPS: u32 = 400;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct History {
    /// Seconds of a piece.
    step: u32,
    /// How many types the pieces have.
    types: usize,
    mark: Mark,
    /// By their beginning, in seconds since 1970.
    pieces: BTreeMap<i64, Vec<Amount>>,
}

impl History {
    /// Of each type, from its oldest piece with records to the last complete one.
    pub(super) fn of(&mut self, model: &Model, step: u32) -> Vec<Vec<Amount>> {
        let types = model.series().len();
        if (self.step, self.types) != (step, types) {
            *self = History {
                step,
                types,
                ..History::default()
            };
        }
        let steps = (SUMS_KEPT.as_secs() as u32 / step.max(1)).min(MOST_STEPS);
        let (points, mark) = model.history(step, steps, self.mark, |_| true);
        self.mark = mark;
        let pieces = points.into_iter();
        self.pieces
            .extend(pieces.map(|point| (point.period.begin, point.amounts)));
        let last = model.last(step);
        let length = i64::from(last.seconds);
        let end = last.begin + length;
        self.pieces = self.pieces.split_off(&(end - length * i64::from(steps)));
        // Where records say what time it is, that may go back.
        self.pieces.split_off(&end);
        let begin = self.pieces.keys().next().copied().unwrap_or(end);
        let count = ((end - begin) / length) as usize;
        let mut all = vec![vec![Amount::default(); count]; types];
        for (time, amounts) in &self.pieces {
            let place = ((time - begin) / length) as usize;
            for (history, amount) in all.iter_mut().zip(amounts) {
                if let Some(piece) = history.get_mut(place) {
                    *piece = *amount;
                }
            }
        }
        all
    }
}
