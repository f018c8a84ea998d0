//! A batch becomes records: a pure function of the batch, the options, and the datagrams that its
//! fragments completed.

use netcap_capture::{Batch, Filter, FilterError, LinkType, Packet};
use netcap_dissect::{
    Completed, Context, Entropy, Fate, Fragment, Output, PacketInfo, Registry, walk,
};
use netcap_flow::{Groups, PacketSummary, SegmentNote, note_segments};
use netcap_record::csv::{self, CsvStyle};
use netcap_record::{Message, Time, split_frame};

use crate::registry::stream_ports;
use crate::side::Sides;
use crate::{Config, Ledger};

/// What a batch became.
#[derive(Debug)]
pub(crate) struct Walked {
    /// Records by type, and fragments.
    pub(crate) output: Output,
    /// What goes to the side files.
    pub(crate) sides: Sides,
    /// The packets by their flows, where trackers are asked for.
    pub(crate) groups: Groups,
    /// The TCP segments in order, where streams are asked for.
    pub(crate) segments: Vec<SegmentNote>,
    /// The account of these packets.
    pub(crate) ledger: Ledger,
    /// Why the filter cannot tell whether it keeps a packet, which ends the run; those after it are
    /// not walked.
    pub(crate) trouble: Option<FilterError>,
}

impl Walked {
    pub(crate) fn new(registry: &Registry) -> Walked {
        Walked {
            output: Output::new(registry),
            sides: Sides::default(),
            groups: Groups::default(),
            segments: Vec::new(),
            ledger: Ledger::default(),
            trouble: None,
        }
    }

    fn clear(&mut self) {
        self.output.clear();
        self.sides.clear();
        self.groups.clear();
        self.segments.clear();
        self.ledger = Ledger::default();
        self.trouble = None;
    }
}

/// Turns batches into records; one per thread.
pub(crate) struct Worker<'r> {
    registry: &'r Registry,
    filter: Option<&'r Filter>,
    base: Option<u32>,
    ignore_unknown: bool,
    csv: Option<&'r CsvStyle>,
    /// Whether anybody wants summaries.
    tracked: bool,
    /// The ports of the streams that anybody wants.
    stream_ports: Option<Vec<u16>>,
    entropy: Entropy,
    rows: Vec<u8>,
}

impl<'r> Worker<'r> {
    pub(crate) fn new(registry: &'r Registry, config: &'r Config) -> Worker<'r> {
        Worker {
            registry,
            filter: config.filter.as_deref(),
            base: config.base,
            ignore_unknown: config.ignore_unknown,
            csv: config.format.style(),
            tracked: netcap_flow::SCHEMAS
                .iter()
                .any(|schema| registry.selects(schema)),
            stream_ports: stream_ports(registry),
            entropy: Entropy::default(),
            rows: Vec::new(),
        }
    }

    /// Walks all packets of a batch that the filter keeps.
    pub(crate) fn process(&mut self, batch: &Batch, completed: &[Completed], walked: &mut Walked) {
        walked.clear();
        let mut context = Context::new(
            self.registry,
            &mut walked.output,
            &mut self.entropy,
            completed,
        );
        for (i, (packet, octets)) in batch.iter().enumerate() {
            let info = info(packet, i, self.base);
            if let Some(filter) = self.filter {
                let link_type = LinkType(info.link_type);
                match filter.keeps(link_type, octets, packet.original_len) {
                    Ok(true) => {}
                    Ok(false) => {
                        walked.ledger.count_filtered(octets.len());
                        continue;
                    }
                    Err(error) => {
                        walked.trouble = Some(error);
                        break;
                    }
                }
            }
            let fate = walk(&mut context, info, octets);
            walked.ledger.count(octets.len(), &fate);
            if self.tracked {
                let summary = PacketSummary::of(context.path(), info.time, octets.len());
                walked.groups.add(summary);
            }
            if let Some(ports) = &self.stream_ports {
                let segments = &mut walked.segments;
                note_segments(context.path(), info, octets, ports, segments);
            }
            let unknown = matches!(fate, Fate::Unknown(_) | Fate::UnsupportedLink(_));
            if !(unknown && self.ignore_unknown) {
                let layers = context.layers();
                walked.sides.keep(&fate, packet, octets, layers);
            }
        }
        walked.ledger.records = walked.output.counts.iter().sum();
        self.render(&mut walked.output);
    }

    /// Walks one packet again to see which fragments it holds once its own are completed.
    pub(crate) fn fragments_of(
        &mut self,
        batch: &Batch,
        packet: u32,
        completed: &[Completed],
        scratch: &mut Output,
    ) -> Vec<Fragment> {
        scratch.clear();
        if let Some(p) = batch.packets().get(packet as usize) {
            let mut context = Context::new(self.registry, scratch, &mut self.entropy, completed);
            walk(
                &mut context,
                info(p, packet as usize, self.base),
                batch.data(p),
            );
        }
        std::mem::take(&mut scratch.fragments)
    }

    /// Replaces encoded records by rows of CSV, where CSV is asked for.
    pub(crate) fn render(&mut self, output: &mut Output) {
        let Some(style) = self.csv else {
            return;
        };
        let outputs = output.chunks.iter_mut().zip(&mut output.marks);
        for (schema, (chunk, marks)) in self.registry.selected().iter().zip(outputs) {
            let columns: Vec<_> = schema.columns(self.registry.payloads()).collect();
            let mut marks = marks.iter_mut();
            self.rows.clear();
            let mut rest = chunk.as_slice();
            while let Some((record, after)) = split_frame(rest) {
                if let Ok(message) = Message::parse(schema, record) {
                    csv::row(&message, &columns, style, &mut self.rows);
                }
                if let Some(mark) = marks.next() {
                    mark.end = self.rows.len();
                }
                rest = after;
            }
            std::mem::swap(chunk, &mut self.rows);
        }
    }
}

fn info(packet: &Packet, index: usize, base: Option<u32>) -> PacketInfo {
    PacketInfo {
        time: Time::new(packet.timestamp.seconds, packet.timestamp.nanos),
        link_type: base.unwrap_or(packet.link_type.0),
        original_len: packet.original_len,
        index: index as u32,
    }
}
