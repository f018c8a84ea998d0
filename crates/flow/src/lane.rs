//! Shim.
#![allow(missing_docs)]
use netcap_dissect::{Output, Registry, StreamProtocol, Turn};
use netcap_record::Time;

use crate::{FlowLimits, Groups, SegmentNote, StreamLedger, StreamLimits, Streams, Trackers};

#[derive(Debug, Default)]
pub struct Notes {
    pub groups: Groups,
    pub segments: Vec<SegmentNote>,
    first: u64,
}

impl Notes {
    pub fn begin(&mut self, first: u64) {
        self.first = first;
    }
    pub fn clear(&mut self) {
        self.groups.clear();
        self.segments.clear();
    }
    pub fn append(&mut self, other: &mut Notes) {
        for packet in other.groups.packets() {
            self.groups.add(packet);
        }
        self.segments.append(&mut other.segments);
    }
    pub fn amend(&mut self, other: &Notes, places: &[u32]) {
        self.groups.amend(&other.groups, places);
        let mut segments = Vec::new();
        let mut theirs = other.segments.iter().peekable();
        for own in &self.segments {
            while let Some(note) = theirs.next_if(|note| note.packet() <= own.packet()) {
                segments.push(note.clone());
            }
            if places.binary_search(&own.packet()).is_err() {
                segments.push(own.clone());
            }
        }
        segments.extend(theirs.cloned());
        self.segments = segments;
    }
}

#[derive(Default)]
pub struct FragmentPorts;
impl FragmentPorts {
    pub fn complete(&mut self, _notes: &mut Notes) {}
}

pub struct Lane(Option<(Trackers, Streams)>);

impl Lane {
    pub fn all(
        registry: &Registry,
        protocols: &'static [&'static StreamProtocol],
        flows: FlowLimits,
        streams: StreamLimits,
        lanes: usize,
    ) -> Vec<Lane> {
        (0..lanes)
            .map(|lane| {
                Lane((lane == 0).then(|| {
                    (
                        Trackers::new(registry, flows),
                        Streams::new(registry, protocols, streams),
                    )
                }))
            })
            .collect()
    }
    pub fn take<'b>(
        &mut self,
        notes: &Notes,
        octets: &dyn Fn(u32) -> &'b [u8],
        registry: &Registry,
        output: &mut Output,
    ) {
        let Some((trackers, streams)) = &mut self.0 else {
            return;
        };
        output.turn = Some(Turn::default());
        trackers.take(&mut notes.groups.clone(), registry, output);
        for note in &notes.segments {
            output.turn = Some(Turn {
                place: note.packet(),
                ..Turn::default()
            });
            streams.take(&note.segment(octets(note.packet())), registry, output);
        }
    }
    pub fn expire(&mut self, clock: Time, registry: &Registry, output: &mut Output) {
        if let Some((trackers, streams)) = &mut self.0 {
            output.turn = Some(Turn {
                place: Turn::BEHIND,
                ..Turn::default()
            });
            trackers.expire(clock, registry, output);
            streams.expire_at(clock, registry, output);
        }
    }
    pub fn closes_up_to(&mut self, _most: usize) -> u64 {
        u64::MAX
    }
    pub fn close(&mut self, _up_to: u64, registry: &Registry, output: &mut Output) {
        output.turn = Some(Turn::default());
        if let Some((trackers, streams)) = &mut self.0 {
            while trackers.close(registry, output, usize::MAX >> 1) {}
            while streams.close(registry, output, usize::MAX >> 1) {}
        }
    }
    pub fn open(&self) -> Vec<usize> {
        self.0
            .as_ref()
            .map(|(trackers, _)| vec![trackers.open()])
            .unwrap_or_default()
    }
    pub fn evicted(&self) -> u64 {
        self.0
            .as_ref()
            .map_or(0, |(trackers, _)| trackers.evicted())
    }
    pub fn stream_ledger(&self) -> StreamLedger {
        self.0
            .as_ref()
            .map(|(_, streams)| streams.ledger())
            .unwrap_or_default()
    }
}
