//! Packets of several connections put into order of time within a window of time and of octets.
//!
//! The next packet is the earliest of those at the heads of the lanes, one lane a connection. It
//! leaves when every live lane has a packet to compare it with, or when one has waited as long as the
//! window is, or when the window is full. So a silent lane holds nobody up for longer than that, and
//! a single lane holds nothing up at all. Packets of one lane keep their order.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};
use std::time::{Duration, Instant};

use crate::batch::Packet;
use crate::{Batch, Timestamp};

/// In what order packets of several connections leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Order {
    /// Of time, within a window.
    #[default]
    Time,
    /// As they come, as Wireshark's dumpcap does.
    Arrival,
}

/// Octets and packets of one chunk of a lane.
const CHUNK_OCTETS: usize = 32 << 10;
const CHUNK_PACKETS: usize = 256;
/// Packets that come within this time share a chunk, and its time of arrival.
const CHUNK_TIME: Duration = Duration::from_millis(10);
/// What a packet takes in memory beside its octets, at most.
const PACKET_OVERHEAD: usize = 64;
/// Chunks kept for further use.
const SPARE_CHUNKS: usize = 16;

/// A lane: by its address, then by connection, so that ties do not depend on timing.
pub(crate) type LaneId = (usize, u64);

/// Some packets that came at about the same time.
struct Chunk {
    batch: Batch,
    /// The first that has not left.
    next: usize,
    arrived: Instant,
    /// Number of the chunk among those of all lanes.
    number: u64,
    octets: usize,
}

/// The packets of one connection that have come and not left.
struct Lane {
    chunks: VecDeque<Chunk>,
    /// More may come.
    live: bool,
    origin: usize,
    /// Time of the last packet that has left.
    last: Option<Timestamp>,
}

impl Lane {
    /// What comes first by time, or by arrival.
    fn key(&self, order: Order) -> Option<(Timestamp, u64)> {
        let head = self.chunks.front()?;
        let packet = head.batch.packets().get(head.next)?;
        Some(match order {
            Order::Time => (packet.timestamp, 0),
            Order::Arrival => (Timestamp::default(), head.number),
        })
    }
}

/// A packet that leaves.
pub(crate) struct Leaving<'a> {
    pub(crate) packet: &'a Packet,
    pub(crate) origin: usize,
    /// A later one has left before, of another lane: the window was too short.
    pub(crate) late: bool,
    /// A later one has left before, of its own lane.
    pub(crate) back: bool,
}

pub(crate) struct Window {
    order: Order,
    wait: Duration,
    most_octets: usize,
    lanes: BTreeMap<LaneId, Lane>,
    /// The lanes that have packets, by the first of each.
    heads: BinaryHeap<Reverse<((Timestamp, u64), LaneId)>>,
    /// Live lanes without packets.
    empty: usize,
    /// In the window, with overhead; chunks count until they are used up.
    octets: usize,
    /// When the longest waiting of the heads arrived; none: not known.
    oldest: Option<Instant>,
    chunks: u64,
    latest: Option<Timestamp>,
    spare: Vec<Batch>,
}

impl Window {
    pub(crate) fn new(order: Order, wait: Duration, most_octets: usize) -> Window {
        Window {
            order,
            wait,
            most_octets,
            lanes: BTreeMap::new(),
            heads: BinaryHeap::new(),
            empty: 0,
            octets: 0,
            oldest: None,
            chunks: 0,
            latest: None,
            spare: Vec::new(),
        }
    }

    /// Begins a lane, whose packets count for `origin`.
    pub(crate) fn open(&mut self, id: LaneId, origin: usize) {
        let lane = Lane {
            chunks: VecDeque::new(),
            live: true,
            origin,
            last: None,
        };
        self.lanes.insert(id, lane);
        self.empty += 1;
    }

    /// No more packets come on a lane; those that are there will leave.
    pub(crate) fn close(&mut self, id: LaneId) {
        if let Some(lane) = self.lanes.get_mut(&id)
            && std::mem::take(&mut lane.live)
            && lane.chunks.is_empty()
        {
            self.lanes.remove(&id);
            self.empty -= 1;
        }
    }

    /// Whether no more should come in before some have left.
    pub(crate) fn is_full(&self) -> bool {
        self.octets >= self.most_octets
    }

    /// Whether nothing is in it.
    pub(crate) fn is_empty(&self) -> bool {
        self.heads.is_empty()
    }

    /// Copies the packets of a batch into a lane.
    pub(crate) fn push(&mut self, id: LaneId, batch: &Batch, now: Instant) {
        let Some(lane) = self.lanes.get_mut(&id) else {
            return;
        };
        let was_empty = lane.chunks.is_empty();
        for packet in batch.packets() {
            let fits = |chunk: &&mut Chunk| {
                !chunk.batch.is_full() && now.duration_since(chunk.arrived) < CHUNK_TIME
            };
            let comment = batch.comment(packet).map_or(0, <[u8]>::len);
            let octets = packet.captured_len() as usize + comment + PACKET_OVERHEAD;
            self.octets += octets;
            if let Some(chunk) = lane.chunks.back_mut().filter(fits) {
                chunk.batch.push_from(batch, packet);
                chunk.octets += octets;
                continue;
            }
            let mut chunk = Chunk {
                batch: self
                    .spare
                    .pop()
                    .unwrap_or_else(|| Batch::new(CHUNK_OCTETS, CHUNK_PACKETS)),
                next: 0,
                arrived: now,
                number: self.chunks,
                octets,
            };
            self.chunks += 1;
            chunk.batch.push_from(batch, packet);
            lane.chunks.push_back(chunk);
        }
        if was_empty && let Some(key) = lane.key(self.order) {
            self.heads.push(Reverse((key, id)));
            self.empty -= usize::from(lane.live);
            self.oldest = None;
        }
    }

    /// When the first packet may leave even if nothing more comes; none if there is none.
    pub(crate) fn deadline(&mut self) -> Option<Instant> {
        if self.oldest.is_none() {
            let heads = self.lanes.values().filter_map(|lane| lane.chunks.front());
            self.oldest = heads.map(|chunk| chunk.arrived).min();
        }
        self.oldest.map(|oldest| oldest + self.wait)
    }

    /// Moves to `batch` what may leave at the time `now`, and tells of each packet.
    pub(crate) fn take(
        &mut self,
        batch: &mut Batch,
        now: Instant,
        tell: &mut dyn FnMut(Leaving<'_>),
    ) {
        while !batch.is_full() {
            let may_leave = self.order == Order::Arrival
                || self.empty == 0
                || self.is_full()
                || self.deadline().is_some_and(|deadline| deadline <= now);
            if !may_leave {
                return;
            }
            let Some(Reverse((_, id))) = self.heads.pop() else {
                return;
            };
            let Some(lane) = self.lanes.get_mut(&id) else {
                continue;
            };
            let Some(head) = lane.chunks.front_mut() else {
                continue;
            };
            let packet = head.batch.packets()[head.next];
            batch.push_from(&head.batch, &packet);
            head.next += 1;
            let time = Some(packet.timestamp);
            let back = time < lane.last;
            tell(Leaving {
                packet: &packet,
                origin: lane.origin,
                late: !back && time < self.latest,
                back,
            });
            lane.last = time;
            self.latest = self.latest.max(time);
            if head.next == head.batch.len()
                && let Some(mut chunk) = lane.chunks.pop_front()
            {
                self.octets -= chunk.octets;
                self.oldest = None;
                chunk.batch.clear();
                if self.spare.len() < SPARE_CHUNKS {
                    self.spare.push(chunk.batch);
                }
            }
            match lane.key(self.order) {
                Some(key) => self.heads.push(Reverse((key, id))),
                None if lane.live => self.empty += 1,
                None => drop(self.lanes.remove(&id)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::LinkType;

    const WAIT: Duration = Duration::from_millis(200);

    fn packets(seconds: &[i64]) -> Batch {
        let mut batch = Batch::new(1 << 20, 1000);
        for seconds in seconds {
            let timestamp = Timestamp::new(*seconds, 0);
            batch.push(timestamp, LinkType::RAW, 0, 100, &[7; 100]);
        }
        batch
    }

    /// The seconds of what leaves, with `L` for late and `B` for back.
    fn take(window: &mut Window, now: Instant) -> String {
        let mut batch = Batch::new(1 << 20, 1000);
        let mut words = Vec::new();
        window.take(&mut batch, now, &mut |leaving| {
            let mark = ["", "L", "B"][usize::from(leaving.late) + 2 * usize::from(leaving.back)];
            words.push(format!("{}{mark}", leaving.packet.timestamp.seconds));
        });
        assert_eq!(batch.len(), words.len());
        words.join(" ")
    }

    #[test]
    fn one_lane_waits_for_nothing() {
        let (mut window, now) = (Window::new(Order::Time, WAIT, 1 << 20), Instant::now());
        window.open((0, 0), 0);
        window.push((0, 0), &packets(&[5, 3, 9]), now);
        assert_eq!(take(&mut window, now), "5 3B 9");
        assert!(window.is_empty() && window.octets == 0);
    }

    #[test]
    fn a_silent_lane_holds_up_as_long_as_the_window_is() {
        let (mut window, now) = (Window::new(Order::Time, WAIT, 1 << 20), Instant::now());
        window.open((0, 0), 0);
        window.open((1, 0), 1);
        window.push((0, 0), &packets(&[5, 7]), now);
        assert_eq!(take(&mut window, now), "");
        assert_eq!(window.deadline(), Some(now + WAIT));
        window.push((1, 0), &packets(&[4, 6]), now + WAIT / 2);
        assert_eq!(take(&mut window, now + WAIT / 2), "4 5 6");
        assert_eq!(take(&mut window, now + WAIT), "7");
        window.push((1, 0), &packets(&[6, 8]), now + WAIT);
        assert_eq!(take(&mut window, now + WAIT * 2), "6L 8");

        window.push((0, 0), &packets(&[9]), now + WAIT * 2);
        window.close((1, 0));
        assert_eq!(take(&mut window, now + WAIT * 2), "9");
        window.close((0, 0));
        assert!(window.lanes.is_empty() && window.empty == 0);
    }

    #[test]
    fn a_closed_lane_leaves_first() {
        let (mut window, now) = (Window::new(Order::Time, WAIT, 1 << 20), Instant::now());
        for lane in 0..3 {
            window.open((lane, 0), lane);
        }
        window.push((1, 0), &packets(&[1, 4]), now);
        window.close((1, 0));
        window.close((0, 0));
        window.push((2, 0), &packets(&[2, 5]), now);
        assert_eq!(take(&mut window, now), "1 2 4 5");
        assert_eq!(window.lanes.len(), 1);
    }

    #[test]
    fn a_full_window_waits_no_longer() {
        let (mut window, now) = (Window::new(Order::Time, WAIT, 1000), Instant::now());
        window.open((0, 0), 0);
        window.open((1, 0), 1);
        window.push((0, 0), &packets(&[1; 6]), now);
        assert!(!window.is_full());
        window.push((0, 0), &packets(&[2; 6]), now + WAIT / 10);
        assert!(window.is_full());
        assert_eq!(take(&mut window, now + WAIT / 10), "1 1 1 1 1 1");
    }

    #[test]
    fn by_arrival() {
        let (mut window, now) = (Window::new(Order::Arrival, WAIT, 1 << 20), Instant::now());
        window.open((0, 0), 0);
        window.open((1, 0), 1);
        window.push((1, 0), &packets(&[9]), now);
        window.push((0, 0), &packets(&[5]), now);
        assert_eq!(take(&mut window, now), "9 5L");
    }
}
