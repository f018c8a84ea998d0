//! One source of several, in order of time.
//!
//! Guarantees: the next packet is the earliest of those at the heads of the sources, the first
//! source winning ties; packets of one source keep their order even where its time goes backwards; a
//! source in trouble stops nobody else, and the first trouble is reported once, at the end.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::{Batch, Error, Origin, Progress, Source, Timestamp};

/// Size of the batches read from each source: small, as there may be many sources.
const BLOCK_SIZE: usize = 256 << 10;
const MAX_PACKETS: usize = 1024;

/// Merges sources by time. Interface numbers stay those of each source.
pub fn merge(mut sources: Vec<Box<dyn Source>>) -> Box<dyn Source> {
    match sources.pop() {
        Some(only) if sources.is_empty() => return only,
        Some(last) => sources.push(last),
        None => {}
    }
    let names: Vec<&str> = sources.iter().map(|source| source.name()).collect();
    let name = names.join(", ");
    let inputs = sources
        .into_iter()
        .map(|source| Head {
            source,
            batch: Batch::new(BLOCK_SIZE, MAX_PACKETS),
            next: 0,
        })
        .collect();
    Box::new(Merge {
        name,
        inputs,
        order: BinaryHeap::new(),
        started: false,
        trouble: None,
        packets: 0,
        sequence: 0,
    })
}

/// A source with the packets read from it that are not merged yet.
struct Head {
    source: Box<dyn Source>,
    batch: Batch,
    /// The first of those, by position in the batch.
    next: usize,
}

struct Merge {
    name: String,
    inputs: Vec<Head>,
    /// The inputs that have packets, the one with the earliest next packet on top.
    order: BinaryHeap<Reverse<(Timestamp, usize)>>,
    started: bool,
    /// The first error of any source.
    trouble: Option<Error>,
    packets: u64,
    sequence: u64,
}

impl Merge {
    /// Puts an input in order by its next packet, reading more if need be. An input at its end, or
    /// in trouble, leaves the order.
    fn enqueue(&mut self, index: usize) {
        let head = &mut self.inputs[index];
        if head.next >= head.batch.len() {
            head.next = 0;
            match head.source.fill(&mut head.batch) {
                Ok(_) => {}
                Err(error) => {
                    head.batch.clear();
                    self.trouble.get_or_insert(error);
                }
            }
        }
        if let Some(packet) = head.batch.packets().get(head.next) {
            self.order.push(Reverse((packet.timestamp, index)));
        }
    }
}

impl Source for Merge {
    fn fill(&mut self, batch: &mut Batch) -> Result<bool, Error> {
        batch.clear();
        batch.sequence = self.sequence;
        batch.first_index = self.packets;
        if !self.started {
            self.started = true;
            (0..self.inputs.len()).for_each(|index| self.enqueue(index));
        }
        while !batch.is_full() {
            let Some(Reverse((_, index))) = self.order.pop() else {
                break;
            };
            let head = &mut self.inputs[index];
            let packet = head.batch.packets()[head.next];
            batch.push_from(&head.batch, &packet);
            head.next += 1;
            self.enqueue(index);
        }
        if batch.is_empty() {
            return self.trouble.take().map_or(Ok(false), Err);
        }
        self.packets += batch.len() as u64;
        self.sequence += 1;
        Ok(true)
    }

    fn progress(&self) -> Progress {
        let each = || self.inputs.iter().map(|head| head.source.progress());
        Progress {
            done: each().map(|progress| progress.done).sum(),
            total: each().map(|progress| progress.total).sum(),
        }
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn may_wait(&self) -> bool {
        self.inputs.iter().any(|head| head.source.may_wait())
    }

    fn origins(&mut self) -> Vec<Origin> {
        let each = self.inputs.iter_mut().map(|head| head.source.origins());
        each.flatten().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{drain, source};
    use crate::{LinkType, pcap_writer};

    /// A capture whose packets have these times, in seconds, and this text before their number.
    fn capture(text: &str, times: &[i64]) -> Vec<u8> {
        let mut file = pcap_writer::file_header(LinkType::ETHERNET, 0).to_vec();
        for (number, seconds) in times.iter().enumerate() {
            let data = format!("{text}{number}");
            let timestamp = Timestamp {
                seconds: *seconds,
                nanos: 0,
            };
            pcap_writer::append_record(&mut file, timestamp, 2, data.as_bytes());
        }
        file
    }

    fn merged(captures: &[&[u8]], max_packets: usize) -> (String, Option<Error>) {
        let sources = captures.iter().map(|capture| source(capture)).collect();
        let mut batch = Batch::new(1 << 16, max_packets);
        let (seen, trouble) = drain(merge(sources).as_mut(), &mut batch);
        let words: Vec<_> = seen
            .iter()
            .map(|seen| String::from_utf8_lossy(&seen.data).into_owned())
            .collect();
        (words.join(" "), trouble)
    }

    #[test]
    fn by_time_then_by_source() {
        let (a, b) = (capture("a", &[1, 2, 2, 9]), capture("b", &[2, 3, 9]));
        for max_packets in [1, 2, 100] {
            let (words, trouble) = merged(&[&a, &b], max_packets);
            assert_eq!(words, "a0 a1 a2 b0 b1 a3 b2");
            assert!(trouble.is_none());
        }
        assert_eq!(merged(&[&b, &a], 100).0, "a0 b0 a1 a2 b1 b2 a3");
    }

    #[test]
    fn a_source_that_goes_back_in_time_keeps_its_order() {
        let (a, b) = (capture("a", &[5, 1, 6]), capture("b", &[2, 7]));
        assert_eq!(merged(&[&a, &b], 100).0, "b0 a0 a1 a2 b1");
    }

    #[test]
    fn trouble_of_one_source_stops_no_other() {
        let (a, b) = (capture("a", &[1, 3, 5]), capture("b", &[2, 4, 6]));
        let cut = &a[..a.len() - 1];
        let (words, trouble) = merged(&[cut, &b, cut], 2);
        assert_eq!(words, "a0 a0 b0 a1 a1 b1 b2");
        assert!(
            matches!(trouble, Some(Error::Truncated { packets: 2, .. })),
            "{trouble:?}"
        );
    }

    #[test]
    fn of_none_and_of_one() {
        assert_eq!(merged(&[], 1).0, "");
        assert_eq!(merged(&[&capture("a", &[2, 1])], 1).0, "a0 a1");
    }

    #[test]
    fn comments_come_along() {
        let file = crate::testing::small_pcapng(crate::testing::Order::Big);
        let alone = drain(source(&file).as_mut(), &mut Batch::new(1, 1)).0;
        let empty = capture("", &[]);
        let both = merge(vec![source(&file), source(&empty)]);
        let mut both = both;
        assert_eq!(drain(both.as_mut(), &mut Batch::new(1 << 16, 100)).0, alone);
    }
}
