//! A stream on its way from its connection into the window.
//!
//! Guarantees: where the window has no room the connection is not read, so that TCP holds the peer up;
//! a peer that is silent, or leaves a record half, for longer than it may is given up.

use std::sync::Arc;
use std::time::Instant;

use super::endpoint::Endpoint;
use super::shared::{EXPECTED, MAX_INTERFACES, wait};
use super::stream::{self, Fault, StreamError};
use super::window::LaneId;
use crate::batch::Packet;
use crate::file::FileSource;
use crate::format::Format;
use crate::{Batch, LIVE_TICK, Source, Timestamp};

/// Octets read from a connection at a time.
const BLOCK_OCTETS: usize = 64 << 10;
/// Packets read from a connection at a time.
const BLOCK_PACKETS: usize = 1024;

/// A stream on its way into the window.
pub(crate) struct Flow<'a> {
    endpoint: &'a Endpoint,
    name: &'a str,
    account: usize,
    source: FileSource<Box<dyn Format>>,
    /// The numbers that the stream's interfaces have for us, from its `first_number` on.
    numbers: Vec<u32>,
    first_number: u32,
    /// The number of the first interface of the current section.
    section: u32,
    pub(crate) packets: u64,
    /// Octets counted so far.
    octets: u64,
}

impl<'a> Flow<'a> {
    /// A stream called `name`, of the source with this account.
    pub(crate) fn new(
        endpoint: &'a Endpoint,
        name: &'a str,
        account: usize,
        source: FileSource<Box<dyn Format>>,
    ) -> Flow<'a> {
        Flow {
            endpoint,
            name,
            account,
            source,
            numbers: Vec::new(),
            first_number: 0,
            section: 0,
            packets: 0,
            octets: 0,
        }
    }

    /// Reads until the stream ends, or all is to stop.
    pub(crate) fn run(&mut self) -> Result<(), StreamError> {
        let shared = &self.endpoint.shared;
        let lane = {
            let mut state = shared.state();
            state.connections += 1;
            let lane: LaneId = (self.endpoint.index, state.connections);
            state.window.open(lane, self.account);
            state.window.close((self.endpoint.index, EXPECTED));
            lane
        };
        let result = self.pump(lane);
        shared.state().window.close(lane);
        shared.news.notify_all();
        result
    }

    fn pump(&mut self, lane: LaneId) -> Result<(), StreamError> {
        let shared = Arc::clone(&self.endpoint.shared);
        let mut batch = Batch::new(BLOCK_OCTETS, BLOCK_PACKETS);
        let mut heard = Instant::now();
        let mut half: Option<(u64, Instant)> = None;
        while !shared.stopped() {
            let more = match self.source.fill(&mut batch) {
                Ok(more) => more,
                Err(error) => {
                    self.note()?;
                    let at = self.at();
                    return Err(stream::describe(self.name, error, self.packets, at));
                }
            };
            let noted = self.note();
            let octets = self.source.progress().done;
            if octets > self.octets {
                shared.add_octets(octets - self.octets);
                self.octets = octets;
                heard = Instant::now();
            }
            if !more {
                return noted;
            }
            self.translate(&mut batch);
            if !batch.is_empty() {
                self.packets += batch.len() as u64;
                let mut state = shared.state();
                while state.window.is_full() && !shared.stopped() {
                    state = wait(&shared.room, state, LIVE_TICK);
                }
                state.window.push(lane, &batch, Instant::now());
                drop(state);
                shared.news.notify_one();
            }
            noted?;
            self.check(heard, &mut half)?;
        }
        Ok(())
    }

    /// How far the stream has come, in octets.
    fn at(&self) -> u64 {
        let (offset, waiting) = self.source.half();
        offset + waiting as u64
    }

    /// Whether the peer lets us wait for too long.
    fn check(&self, heard: Instant, half: &mut Option<(u64, Instant)>) -> Result<(), StreamError> {
        let options = &self.endpoint.shared.options;
        let late = |reason: String| StreamError {
            peer: self.name.to_owned(),
            fault: Fault::TimedOut,
            offset: self.at(),
            packets: self.packets,
            reason,
        };
        if let Some(most) = options.idle_timeout
            && heard.elapsed() >= most
        {
            return Err(late(format!("silent for {} s", most.as_secs_f32())));
        }
        let (offset, waiting) = self.source.half();
        match *half {
            _ if waiting == 0 => *half = None,
            Some((known, since)) if known == offset => {
                if let Some(most) = options.record_timeout
                    && since.elapsed() >= most
                {
                    return Err(late(format!("half a record for {} s", most.as_secs_f32())));
                }
            }
            _ => *half = Some((offset, Instant::now())),
        }
        Ok(())
    }

    /// Takes note of what the format has noticed beside packets.
    fn note(&mut self) -> Result<(), StreamError> {
        let notes = self.source.notes();
        let counts = [
            ("new headers", std::mem::take(&mut notes.restarts)),
            ("lengths mended", std::mem::take(&mut notes.mended_lengths)),
            (
                "fractions carried",
                std::mem::take(&mut notes.carried_fractions),
            ),
        ];
        let dropped = std::mem::take(&mut notes.dropped);
        let described = notes
            .described
            .as_mut()
            .map(std::mem::take)
            .unwrap_or_default();
        if described.is_empty() && dropped == 0 && counts.iter().all(|(_, count)| *count == 0) {
            return Ok(());
        }
        let mut state = self.endpoint.shared.state();
        if let Some(account) = state.accounts.get_mut(self.account) {
            account.dropped = account.dropped.saturating_add(dropped);
            for (event, count) in counts {
                account.count(event, count);
            }
        }
        for described in described {
            if described.in_section == 0 {
                let before = self.numbers.len() as u32;
                self.section = self.first_number.saturating_add(before);
            }
            let Some(number) = state.interface(self.name, described) else {
                return Err(StreamError {
                    peer: self.name.to_owned(),
                    fault: Fault::Malformed,
                    offset: self.source.half().0,
                    packets: self.packets,
                    reason: format!("more than {MAX_INTERFACES} interfaces in all"),
                });
            };
            self.numbers.push(number);
        }
        Ok(())
    }

    /// Gives packets our numbers of interfaces, and the time of the other clocks.
    fn translate(&mut self, batch: &mut Batch) {
        let packets = batch.parts(0).1;
        for at in 0..packets.len() {
            let place = packets[at].interface.saturating_sub(self.first_number);
            let Some(number) = self.numbers.get(place as usize) else {
                // Of an interface that was one too many: the stream ends there.
                packets.truncate(at);
                break;
            };
            packets[at].interface = *number;
            shift(&mut packets[at], self.endpoint.offset);
        }
        // What earlier sections described is of no more use.
        let done = self.section.saturating_sub(self.first_number) as usize;
        self.numbers.drain(..done.min(self.numbers.len()));
        self.first_number = self.section;
    }
}

/// Adds nanoseconds, perhaps negative ones, to a packet's time.
fn shift(packet: &mut Packet, offset: i64) {
    if offset != 0 {
        const SECOND: i64 = 1_000_000_000;
        let nanos = i64::from(packet.timestamp.nanos) + offset.rem_euclid(SECOND);
        let seconds = packet.timestamp.seconds;
        let seconds = seconds.saturating_add(offset.div_euclid(SECOND));
        packet.timestamp = Timestamp::new(seconds, nanos.unsigned_abs());
    }
}
