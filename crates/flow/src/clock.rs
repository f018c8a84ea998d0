//! The clock of a run: how late it is at a packet, whatever single packets and interfaces say.
//!
//! Flows, streams, holes and datagrams end by the times of their own packets. This clock only lets
//! out early what is idle, and makes room. It is the largest value so far of the smallest time
//! among 64 packets in a row, and moves behind every 64th packet that is kept: so a packet with an
//! impossible time, interfaces whose clocks disagree and steps of a clock do not move it past
//! packets that are still to come. Until 64 packets have been seen it stands at no time at all.
//!
//! A matter of all packets in order, whichever lane takes them: so it is found before the lanes.

use netcap_record::Time;

use crate::notes::Notes;

/// Packets of which the smallest time counts.
const WINDOW: usize = 64;

/// Before any packet.
pub(crate) const NEVER: Time = Time {
    seconds: i64::MIN,
    nanos: 0,
};

/// The times of a batch's packets, and how late it is at them once [`RunClock::complete`] has told.
#[derive(Debug, Default)]
pub struct Ticks {
    /// By place in the batch.
    times: Vec<(u32, Time)>,
    /// From which place on it is how late, in order of both.
    ticks: Vec<(u32, Time)>,
    /// Whether some packet is earlier than it is.
    has_late: bool,
}

impl Ticks {
    /// Forgets the packets and keeps the memory.
    pub(crate) fn clear(&mut self) {
        self.times.clear();
        self.ticks.clear();
        self.has_late = false;
    }

    /// Takes the time of the next packet.
    #[inline]
    pub fn add(&mut self, place: u32, time: Time) {
        self.times.push((place, time));
    }

    /// How late it is at the packet at this place.
    #[inline]
    pub fn at(&self, place: u32) -> Time {
        let after = self.ticks.partition_point(|(from, _)| *from <= place);
        let tick = after.checked_sub(1).and_then(|tick| self.ticks.get(tick));
        tick.map_or(NEVER, |(_, clock)| *clock)
    }

    /// The first place at which it is more than so many seconds after `last`.
    pub(crate) fn first_after(&self, last: Time, seconds: u32) -> Option<u32> {
        let is_before = |clock: &Time| clock.before(seconds) <= last;
        let first = self.ticks.partition_point(|(_, clock)| is_before(clock));
        self.ticks.get(first).map(|(from, _)| *from)
    }

    /// Whether some packet is earlier than it is: one that came late, or of a clock that is behind.
    pub(crate) fn has_late(&self) -> bool {
        self.has_late
    }
}

/// See the module.
#[derive(Debug)]
pub struct RunClock {
    clock: Time,
    /// Packets since the clock last moved, and the smallest time of these.
    packets: usize,
    earliest: Option<Time>,
}

impl Default for RunClock {
    fn default() -> RunClock {
        RunClock {
            clock: NEVER,
            packets: 0,
            earliest: None,
        }
    }
}

impl RunClock {
    /// Tells the next batch how late it is at each of its packets.
    pub fn complete(&mut self, notes: &mut Notes) {
        let Ticks {
            times,
            ticks,
            has_late,
        } = &mut notes.ticks;
        ticks.clear();
        ticks.push((0, self.clock));
        for (place, time) in times.iter() {
            if self.packets == WINDOW {
                self.tick();
                ticks.push((*place, self.clock));
            }
            *has_late |= *time < self.clock;
            self.earliest = Some(self.earliest.map_or(*time, |earliest| earliest.min(*time)));
            self.packets += 1;
        }
    }

    fn tick(&mut self) {
        self.clock = self
            .earliest
            .take()
            .map_or(self.clock, |e| e.max(self.clock));
        self.packets = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the clock says at each packet, in batches of so many.
    fn clocks(seconds: &[i64], batch: usize) -> Vec<i64> {
        let (mut clock, mut notes) = (RunClock::default(), Notes::default());
        let mut clocks = Vec::new();
        for batch in seconds.chunks(batch) {
            notes.clear();
            for (place, seconds) in (0..).zip(batch) {
                notes.ticks.add(place, Time::new(*seconds, 0));
            }
            clock.complete(&mut notes);
            let places = 0..batch.len() as u32;
            clocks.extend(places.map(|place| notes.ticks.at(place).seconds));
        }
        clocks
    }

    #[test]
    fn it_is_as_late_as_the_earliest_of_many() {
        let mut seconds: Vec<i64> = (0..300).collect();
        // A time that is impossible, and an interface an hour behind.
        seconds[70] = i64::MAX;
        for second in seconds[128..192].iter_mut().step_by(2) {
            *second -= 3600;
        }
        let found = clocks(&seconds, 1000);
        assert_eq!(found[..64], [i64::MIN; 64]);
        assert_eq!(found[64..128], [0; 64]);
        assert_eq!(found[128..192], [64; 64]);
        // It never goes back.
        assert_eq!(found[192..256], [64; 64]);
        assert_eq!(found[256..], [192; 44]);
        for batch in [1, 7, 63, 64, 65] {
            assert_eq!(clocks(&seconds, batch), found, "{batch}");
        }
    }

    #[test]
    fn late_packets() {
        let mut clock = RunClock::default();
        let mut has_late = |times: &[i64]| {
            let mut notes = Notes::default();
            for (place, seconds) in (0..).zip(times) {
                notes.ticks.add(place, Time::new(*seconds, 0));
            }
            clock.complete(&mut notes);
            notes.ticks.has_late()
        };
        assert!(!has_late(&[5; 64]));
        assert!(!has_late(&[5, 6]));
        assert!(has_late(&[6, 4]));
        assert!(!has_late(&[9]));
    }

    #[test]
    fn when_it_is_later_than() {
        let mut notes = Notes::default();
        for place in 0..200 {
            notes.ticks.add(place, Time::new(place.into(), 0));
        }
        RunClock::default().complete(&mut notes);
        let first = |last| notes.ticks.first_after(Time::new(last, 0), 10);
        assert_eq!(first(-11), Some(64));
        assert_eq!(first(-10), Some(128));
        assert_eq!(first(54), Some(192));
        assert_eq!(first(118), None);
    }
}
