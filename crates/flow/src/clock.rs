//! The clock of a run: how late it is at a packet, whatever single packets and interfaces say.
//!
//! Flows, streams, holes and datagrams end by the times of their own packets. This clock only lets
//! out early what is idle, and makes room. It goes by the smallest time among 64 packets in a row, and
//! moves behind every 64th packet that is kept: so a packet with an impossible time and an interface
//! whose clock is behind do not move it past packets that are still to come. Until 64 packets have
//! been seen it stands at no time at all, and it never goes back.
//!
//! Where that time leaps forward, nothing has been captured for a while, or packets come from an
//! interface whose clock is ahead, and others of the time before may follow. So a leap does not move
//! the clock before it is certain: when an hour of traffic has followed it. Leaps hold the clock back
//! by an hour at most, and where traffic is dense there are none.
//!
//! A matter of all packets in order, whichever lane takes them: so it is found before the lanes.

use netcap_record::Time;

use crate::notes::Notes;

/// Packets of which the smallest time counts.
const WINDOW: usize = 64;
/// Seconds between two packets that are a leap, where it is more.
const LEAP: u32 = 1;
/// Seconds by which clocks of one run may differ.
const HOUR: i64 = 3600;

/// Before any packet.
pub(crate) const NEVER: Time = Time {
    seconds: i64::MIN,
    nanos: 0,
};

/// How late it is from a place of a batch on.
#[derive(Clone, Copy, Debug)]
struct Tick {
    from: u32,
    clock: Time,
    /// The same with all leaps.
    leapt: Time,
}

/// The times of a batch's packets, and how late it is at them once [`RunClock::complete`] has told.
#[derive(Debug, Default)]
pub struct Ticks {
    /// By place in the batch.
    times: Vec<(u32, Time)>,
    /// In order of places and times.
    ticks: Vec<Tick>,
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
        self.tick(place).map_or(NEVER, |tick| tick.clock)
    }

    /// The same with all leaps: how late it most likely is.
    #[inline]
    pub(crate) fn leapt(&self, place: u32) -> Time {
        self.tick(place).map_or(NEVER, |tick| tick.leapt)
    }

    #[inline]
    fn tick(&self, place: u32) -> Option<&Tick> {
        let after = self.ticks.partition_point(|tick| tick.from <= place);
        after.checked_sub(1).and_then(|tick| self.ticks.get(tick))
    }

    /// The first place at which it is more than so many seconds after `last`.
    pub(crate) fn first_after(&self, last: Time, seconds: u32) -> Option<u32> {
        let is_before = |tick: &Tick| tick.clock.before(seconds) <= last;
        let first = self.ticks.partition_point(is_before);
        self.ticks.get(first).map(|tick| tick.from)
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
    leapt: Time,
    /// Times since the clock last moved.
    window: Vec<Time>,
    /// The latest time that has been come to without a leap since the last one.
    level: Option<Time>,
    leaps: Leaps,
}

impl Default for RunClock {
    fn default() -> RunClock {
        RunClock {
            clock: NEVER,
            leapt: NEVER,
            window: Vec::with_capacity(WINDOW),
            level: None,
            leaps: Leaps::default(),
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
        ticks.push(self.tick_from(0));
        for (place, time) in times.iter() {
            if self.window.len() == WINDOW {
                self.tick();
                ticks.push(self.tick_from(*place));
            }
            *has_late |= *time < self.clock;
            self.window.push(*time);
        }
    }

    fn tick_from(&self, from: u32) -> Tick {
        Tick {
            from,
            clock: self.clock,
            leapt: self.leapt,
        }
    }

    fn tick(&mut self) {
        self.window.sort_unstable();
        let Some(&earliest) = self.window.first() else {
            return;
        };
        let mut level = self.level.unwrap_or(earliest);
        if earliest.before(LEAP) > level {
            self.leaps.forward(seconds(level, earliest));
            level = earliest;
        } else if level.before(LEAP) > earliest {
            self.leaps.back(seconds(earliest, level));
            level = earliest;
        }
        let from = level;
        for time in self.window.drain(..) {
            if time.before(LEAP) <= level {
                level = level.max(time);
            }
        }
        self.leaps.pass(seconds(from, level));
        self.level = Some(level);
        self.leapt = self.leapt.max(earliest);
        self.clock = self.clock.max(earliest.before(self.leaps.sum()));
    }
}

/// Seconds from one time to a later one, by the seconds that clocks show.
fn seconds(from: Time, to: Time) -> i64 {
    to.seconds.saturating_sub(from.seconds)
}

/// Seconds by which time has leapt forward and that are not certain, at most an hour.
#[derive(Debug, Default)]
struct Leaps {
    /// In the hour of traffic before this one, and in this one.
    before: i64,
    now: i64,
    /// Seconds of this hour that have passed.
    passed: i64,
}

impl Leaps {
    fn sum(&self) -> u32 {
        u32::try_from(self.before + self.now).unwrap_or_default()
    }

    /// A second more, as clocks show whole ones.
    fn forward(&mut self, seconds: i64) {
        self.now = (self.now + seconds.min(HOUR) + 1).min(HOUR);
        self.before = self.before.min(HOUR - self.now);
    }

    /// Packets of the time before do follow, so they are behind no leap any more.
    fn back(&mut self, seconds: i64) {
        let now = self.now.min(seconds);
        self.now -= now;
        self.before -= self.before.min(seconds - now);
    }

    /// Traffic goes on for so long.
    fn pass(&mut self, seconds: i64) {
        self.passed += seconds;
        if self.passed >= HOUR {
            (self.before, self.now, self.passed) = (self.now, 0, 0);
        }
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
        // It never goes back, and does not leap forward.
        assert_eq!(found[192..], [64; 108]);
        for batch in [1, 7, 63, 64, 65] {
            assert_eq!(clocks(&seconds, batch), found, "{batch}");
        }
    }

    /// What the clock says behind all of these times, of which many packets have each.
    fn after(seconds: impl IntoIterator<Item = i64>) -> i64 {
        let times: Vec<i64> = seconds
            .into_iter()
            .flat_map(|second| [second; 2 * WINDOW])
            .collect();
        clocks(&times, 1000).pop().expect("some")
    }

    #[test]
    fn a_leap_is_certain_after_an_hour() {
        // A silence of ten minutes.
        assert_eq!(after((0..10).chain(600..700)), 699 - 592);
        assert_eq!(after((0..10).chain(600..600 + 2 * HOUR)), 599 + 2 * HOUR);
        // Another, which does not move it back.
        assert_eq!(after((0..10).chain(600..700).chain([800])), 699 - 592);
        assert_eq!(
            after((0..10).chain(600..700).chain(800..900)),
            899 - 592 - 102
        );
        // A step of a day.
        assert_eq!(after((0..10).chain([86_400])), 86_400 - HOUR);
        // Bursts of two interfaces.
        let bursts = |ahead| (0..400).map(move |second| second + second / 20 % 2 * ahead);
        for ahead in [30, 300, HOUR] {
            let clock = after(bursts(ahead));
            assert!((360..400).contains(&clock), "{ahead} {clock}");
        }
        // Seldom a packet: everything is a leap.
        assert_eq!(after((0..4000).map(|packet| 2 * packet)), 7998 - HOUR);
        // Impossible times.
        assert_eq!(
            after([i64::MIN, i64::MAX, i64::MIN, i64::MAX]),
            i64::MAX - HOUR
        );
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
