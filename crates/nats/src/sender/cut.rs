//! Batches of a repeatable input, which are the same in every run.
//!
//! Guarantee: where a batch ends depends on where it begins and on the records after that, and on nothing
//! else; a run begins where a batch does.

use std::collections::HashMap;

use netcap_record::split_frame;
use netcap_remote::Batch;

use crate::names::number;

/// The batches that are not full, by type.
#[derive(Default)]
pub(super) struct Cutter {
    open: HashMap<u16, Batch>,
}

impl Cutter {
    /// Takes records as they come; gives the batches that are full.
    pub(super) fn cut(&mut self, batch: &Batch, most: usize) -> Vec<Batch> {
        let mut full = Vec::new();
        let key = number(batch.schema);
        let mut first = batch.first;
        let mut frames = &batch.frames[..];
        while let Some((_, rest)) = split_frame(frames) {
            let record = &frames[..frames.len() - rest.len()];
            let open = self.open.get(&key);
            if open.is_some_and(|open| open.frames.len() + record.len() > most) {
                full.extend(self.open.remove(&key));
            }
            let open = self.open.entry(key).or_insert_with(|| Batch {
                schema: batch.schema,
                first,
                count: 0,
                payloads: batch.payloads,
                frames: Vec::new(),
            });
            open.frames.extend_from_slice(record);
            open.count += 1;
            first += 1;
            frames = rest;
        }
        full
    }

    /// What is left at the end of the input.
    pub(super) fn rest(&mut self) -> Vec<Batch> {
        let mut rest: Vec<Batch> = self.open.drain().map(|(_, batch)| batch).collect();
        rest.sort_by_key(|batch| number(batch.schema));
        rest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Cuts records of lengths 2 to 8 that come so many at a time, from a number on: first and count of
    /// each batch.
    fn cuts(from: u64, at_a_time: u64) -> Vec<(u64, u32)> {
        let schema = netcap_pipeline::schemas()[0];
        let mut cutter = Cutter::default();
        let mut batches = Vec::new();
        let mut first = from;
        while first < 200 {
            let end = (first + at_a_time).min(200);
            let frames = (first..end).flat_map(|number| {
                let length = 1 + (number * number % 7) as u8;
                let mut frame = vec![length];
                frame.resize(1 + usize::from(length), 0);
                frame
            });
            let batch = Batch {
                schema,
                first,
                count: (end - first) as u32,
                payloads: false,
                frames: frames.collect(),
            };
            batches.extend(cutter.cut(&batch, 20));
            first = end;
        }
        batches.extend(cutter.rest());
        batches
            .iter()
            .map(|batch| (batch.first, batch.count))
            .collect()
    }

    #[test]
    fn batches_do_not_depend_on_how_records_came() {
        let all = cuts(0, 1);
        assert!(all.len() > 30);
        for at_a_time in [2, 7, 64, 200] {
            assert_eq!(cuts(0, at_a_time), all);
            for (place, (first, _)) in all.iter().enumerate() {
                assert_eq!(cuts(*first, at_a_time), all[place..]);
            }
        }
    }
}
