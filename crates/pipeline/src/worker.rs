//! A batch becomes records: a pure function of the batch and the options.
//!
//! Packets with fragments are noted. Where these complete datagrams, the packets that they complete
//! in are walked again with them, once their turn has come ([`Fragments`](crate::fragments)).

use std::sync::Arc;

use netcap_capture::{Batch, Filter, FilterError, LinkType, Packet};
use netcap_dissect::{Completed, Context, Entropy, Fate, Output, PacketInfo, Registry, walk};
use netcap_flow::{Notes, PacketSummary};
use netcap_record::{Field, Time, split_frame};
use netcap_store::Encoding;

use crate::job::Parcel;
use crate::registry::stream_ports;
use crate::side::Sides;
use crate::{Config, Ledger};

/// What a batch became.
#[derive(Debug)]
pub(crate) struct Walked {
    /// Records by type, and fragments.
    pub(crate) output: Output,
    pub(crate) rest: Rest,
}

/// What a batch became beside records.
#[derive(Debug, Default)]
pub(crate) struct Rest {
    /// What goes to the side files.
    pub(crate) sides: Sides,
    /// What state across packets is kept by.
    pub(crate) notes: Notes,
    /// The account of these packets.
    pub(crate) ledger: Ledger,
    /// The packets that hold fragments.
    pub(crate) fragmented: Vec<Fragmented>,
    /// Why the filter cannot tell whether it keeps a packet, which ends the run; those after it are
    /// not walked.
    pub(crate) trouble: Option<FilterError>,
}

/// What is known of a packet with fragments.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fragmented {
    /// Place of the packet in its batch.
    pub(crate) place: u32,
    pub(crate) fate: Fate,
    /// Fragments in it whose octets were not all captured.
    pub(crate) cut: u64,
}

impl Walked {
    pub(crate) fn new(registry: &Registry) -> Walked {
        Walked {
            output: Output::new(registry),
            rest: Rest::default(),
        }
    }

    pub(crate) fn clear(&mut self) {
        self.output.clear();
        let rest = &mut self.rest;
        rest.sides.clear();
        rest.notes.clear();
        rest.ledger = Ledger::default();
        rest.fragmented.clear();
        rest.trouble = None;
    }
}

/// Turns batches into records; one per thread.
pub(crate) struct Worker<'r> {
    pub(crate) registry: &'r Registry,
    filter: Option<&'r Filter>,
    base: Option<u32>,
    wanted: Wanted,
    encoding: Arc<dyn Encoding>,
    /// The columns of each selected type.
    columns: Vec<Vec<&'static Field>>,
    entropy: Entropy,
    encoded: Vec<u8>,
}

/// What is wanted of packets beside their records.
struct Wanted {
    summaries: bool,
    /// The ports of the streams that anybody wants.
    stream_ports: Option<Vec<u16>>,
    /// Whether VLANs tell flows and streams apart.
    vlans: bool,
    /// Packets that were malformed or cut, and those that nobody knows.
    errors: bool,
    unknown: bool,
}

impl<'r> Worker<'r> {
    pub(crate) fn new(
        registry: &'r Registry,
        config: &'r Config,
        encoding: Arc<dyn Encoding>,
        wants_sides: bool,
    ) -> Worker<'r> {
        let types = registry.selected().iter();
        let columns = types.map(|schema| encoding.columns(schema, registry.columns()));
        let mut flows = netcap_flow::SCHEMAS.iter();
        Worker {
            registry,
            filter: config.filter.as_deref(),
            base: config.base,
            wanted: Wanted {
                summaries: flows.any(|schema| registry.selects(schema)),
                stream_ports: stream_ports(registry),
                vlans: !config.ignore_vlans,
                errors: wants_sides,
                unknown: wants_sides && !config.ignore_unknown,
            },
            columns: columns.collect(),
            encoding,
            entropy: Entropy::default(),
            encoded: Vec::new(),
        }
    }

    /// Walks all packets of a batch that the filter keeps.
    pub(crate) fn walk(&mut self, mut parcel: Box<Parcel>) -> Box<Parcel> {
        let Parcel { batch, walked, .. } = &mut *parcel;
        walked.clear();
        let Walked { output, rest } = walked;
        rest.notes.first_number = batch.first_index + 1;
        let mut context = Context::new(self.registry, output, &mut self.entropy, &[]);
        for (place, (packet, octets)) in batch.iter().enumerate() {
            let info = info(batch, place, packet, self.base);
            if let Some(filter) = self.filter {
                let link_type = LinkType(info.link_type);
                match filter.keeps(link_type, octets, packet.original_len) {
                    Ok(true) => {}
                    Ok(false) => {
                        rest.ledger.count_filtered(octets.len());
                        continue;
                    }
                    Err(error) => {
                        rest.trouble = Some(error);
                        break;
                    }
                }
            }
            rest.walk(&mut context, &self.wanted, info, (packet, octets));
        }
        self.encode(output);
        parcel
    }

    /// Walks one packet of a batch with the datagrams that its fragments complete, and nothing else.
    pub(crate) fn walk_with(
        &mut self,
        batch: &Batch,
        place: u32,
        completed: &[Completed],
        walked: &mut Walked,
    ) {
        walked.clear();
        let Walked { output, rest } = walked;
        let mut context = Context::new(self.registry, output, &mut self.entropy, completed);
        if let Some(packet) = batch.packets().get(place as usize) {
            let info = info(batch, place as usize, packet, self.base);
            let octets = batch.data(packet);
            rest.walk(&mut context, &self.wanted, info, (packet, octets));
        }
    }

    /// Puts records into the encoding that the outlet asks for.
    pub(crate) fn encode(&mut self, output: &mut Output) {
        if self.encoding.is_frames() {
            return;
        }
        let types = self.registry.selected().iter().zip(&self.columns);
        for ((schema, columns), chunk) in types.zip(&mut output.chunks) {
            self.encoded.clear();
            let mut rest = chunk.octets.as_slice();
            for mark in &mut chunk.marks {
                if let Some((record, after)) = split_frame(rest) {
                    let encoded = &mut self.encoded;
                    self.encoding.record(schema, columns, record, encoded);
                    rest = after;
                }
                mark.end = self.encoded.len();
            }
            std::mem::swap(&mut chunk.octets, &mut self.encoded);
        }
    }
}

impl Rest {
    /// Walks a packet, and keeps of it what is wanted.
    #[inline]
    fn walk<'p>(
        &mut self,
        context: &mut Context<'p, '_>,
        wanted: &Wanted,
        info: PacketInfo,
        (packet, octets): (&Packet, &'p [u8]),
    ) {
        let before = context.fragments();
        let fate = walk(context, info, octets);
        self.ledger.count(octets.len(), &fate);
        self.notes.ticks.add(info.index, info.time);
        if wanted.summaries {
            let summary = PacketSummary::of(context, octets.len(), wanted.vlans);
            self.notes.groups.add(info.index, summary);
        }
        if let Some(ports) = &wanted.stream_ports {
            let segments = &mut self.notes.segments;
            segments.add(context.path(), info, octets, ports, wanted.vlans);
        }
        let is_wanted = match fate {
            Fate::Unknown(_) | Fate::UnsupportedLink(_) => wanted.unknown,
            _ => wanted.errors,
        };
        if is_wanted {
            let layers = context.layers();
            self.sides
                .keep(&fate, (info.number, packet), octets, layers);
        }
        let after = context.fragments();
        if after != before {
            self.fragmented.push(Fragmented {
                place: info.index,
                fate,
                cut: after.cut - before.cut,
            });
        }
    }
}

fn info(batch: &Batch, place: usize, packet: &Packet, base: Option<u32>) -> PacketInfo {
    PacketInfo {
        time: Time::new(packet.timestamp.seconds, packet.timestamp.nanos),
        link_type: base.unwrap_or(packet.link_type.0),
        original_len: packet.original_len,
        index: place as u32,
        number: batch.first_index + place as u64 + 1,
    }
}
