//! How many connections there may be: newcomers, which have not yet said who they are, and sensors.
//!
//! Guarantees: both are bounded, each by itself, so newcomers take no sensor's place. A newcomer too many
//! has the oldest of the address that has most of them closed; of one key there are at most [`OF_A_KEY`],
//! and the oldest goes. Of one sensor there are at most [`OF_A_SENSOR`] connections, those included that
//! a newer one is about to end.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use netcap_capture::pcap_over_ip::{Cutter, Pending, Pin};

use crate::archive::lock;

/// Newcomers of one key at most.
const OF_A_KEY: usize = 4;
/// Connections of one sensor at most.
const OF_A_SENSOR: usize = 4;
/// So long each newcomer is left alone, however many others come: a handshake takes less.
const TENURE: Duration = Duration::from_millis(200);

/// The newcomers.
pub(crate) struct Door {
    most: usize,
    inside: Mutex<Inside>,
    changed: Condvar,
}

#[derive(Default)]
struct Inside {
    /// The oldest first.
    newcomers: Vec<Guest>,
    next: u64,
    is_closed: bool,
}

struct Guest {
    id: u64,
    since: Instant,
    address: IpAddr,
    pin: Option<Pin>,
    cutter: Cutter,
    is_cut: bool,
}

impl Guest {
    fn cut(&mut self) {
        self.is_cut = true;
        self.cutter.cut();
    }
}

/// A connection on its way to become a sensor; its place is free when this is dropped.
pub(crate) struct Newcomer {
    door: Arc<Door>,
    id: u64,
}

impl Door {
    pub(crate) fn new(most: usize) -> Arc<Door> {
        Arc::new(Door {
            most: most.max(1),
            inside: Mutex::default(),
            changed: Condvar::new(),
        })
    }

    /// Lets a connection in, once there is room; none when the door is closed.
    pub(crate) fn admit(self: &Arc<Door>, pending: &Pending) -> Option<Newcomer> {
        let mut inside = lock(&self.inside);
        while !inside.is_closed && inside.newcomers.len() >= self.most {
            let wait = inside.make_room();
            inside = self.wait(inside, wait);
        }
        if inside.is_closed {
            return None;
        }
        let id = inside.next;
        inside.next += 1;
        inside.newcomers.push(Guest {
            id,
            since: Instant::now(),
            address: pending.peer().ip(),
            pin: None,
            cutter: pending.cutter(),
            is_cut: false,
        });
        Some(Newcomer {
            door: Arc::clone(self),
            id,
        })
    }

    /// Ends all newcomers, and lets nobody in any more.
    pub(crate) fn close(&self) {
        let mut inside = lock(&self.inside);
        inside.is_closed = true;
        inside.newcomers.iter_mut().for_each(Guest::cut);
        self.changed.notify_all();
    }

    fn wait<'a>(&self, inside: MutexGuard<'a, Inside>, most: Duration) -> MutexGuard<'a, Inside> {
        let woken = self.changed.wait_timeout(inside, most);
        woken.unwrap_or_else(PoisonError::into_inner).0
    }
}

impl Inside {
    /// Closes one, unless one is on its way out or all have just come. Gives how long to wait before the
    /// next look.
    fn make_room(&mut self) -> Duration {
        if self.newcomers.iter().any(|guest| guest.is_cut) {
            return TENURE;
        }
        let mut crowd: HashMap<IpAddr, usize> = HashMap::new();
        for guest in &self.newcomers {
            *crowd.entry(guest.address).or_default() += 1;
        }
        let size = |guest: &Guest| crowd.get(&guest.address).copied();
        let largest = self.newcomers.iter().filter_map(size).max();
        let oldest = self
            .newcomers
            .iter_mut()
            .find(|guest| size(guest) == largest);
        let Some(oldest) = oldest else {
            return TENURE;
        };
        let left = TENURE.saturating_sub(oldest.since.elapsed());
        if left.is_zero() {
            oldest.cut();
            return TENURE;
        }
        left
    }
}

impl Newcomer {
    /// It has shown a key.
    pub(crate) fn show(&self, pin: Pin) {
        let mut inside = lock(&self.door.inside);
        for guest in &mut inside.newcomers {
            if guest.id == self.id {
                guest.pin = Some(pin);
            }
        }
        let same = |guest: &&mut Guest| guest.pin == Some(pin) && !guest.is_cut;
        let count = inside.newcomers.iter_mut().filter(same).count();
        let many = count.saturating_sub(OF_A_KEY);
        let oldest = inside.newcomers.iter_mut().filter(same).take(many);
        oldest.for_each(Guest::cut);
    }

    /// Whether it was closed to make room.
    pub(crate) fn is_cut(&self) -> bool {
        let inside = lock(&self.door.inside);
        let found = inside.newcomers.iter().find(|guest| guest.id == self.id);
        found.is_some_and(|guest| guest.is_cut)
    }
}

impl Drop for Newcomer {
    fn drop(&mut self) {
        let mut inside = lock(&self.door.inside);
        inside.newcomers.retain(|guest| guest.id != self.id);
        self.door.changed.notify_all();
    }
}

/// The connections of sensors, by name.
pub(crate) struct Seats {
    sensors: usize,
    connections: usize,
    taken: Mutex<HashMap<String, usize>>,
}

/// The place of a sensor's connection; free when this is dropped.
pub(crate) struct Seat<'a> {
    seats: &'a Seats,
    name: String,
}

impl Seats {
    /// For so many sensors, and so many connections more while they are replaced.
    pub(crate) fn new(sensors: usize, more: usize) -> Seats {
        Seats {
            sensors,
            connections: sensors.saturating_add(more),
            taken: Mutex::default(),
        }
    }

    /// None where there are too many.
    pub(crate) fn take(&self, name: &str) -> Option<Seat<'_>> {
        let mut taken = lock(&self.taken);
        let own = taken.get(name).copied().unwrap_or_default();
        let has_room = match own {
            0 => taken.len() < self.sensors,
            own => own < OF_A_SENSOR,
        };
        if !has_room || taken.values().sum::<usize>() >= self.connections {
            return None;
        }
        taken.insert(name.to_owned(), own + 1);
        Some(Seat {
            seats: self,
            name: name.to_owned(),
        })
    }
}

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        let mut taken = lock(&self.seats.taken);
        match taken.get_mut(&self.name) {
            Some(own) if *own > 1 => *own -= 1,
            _ => drop(taken.remove(&self.name)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seats_are_by_sensor() {
        let seats = Seats::new(2, 4);
        let mut alice: Vec<_> = (0..OF_A_SENSOR)
            .filter_map(|_| seats.take("alice"))
            .collect();
        assert_eq!(alice.len(), OF_A_SENSOR);
        assert!(seats.take("alice").is_none(), "too many of one");
        let bob = seats.take("bob").expect("there is room");
        assert!(seats.take("carol").is_none(), "too many sensors");
        assert!(seats.take("bob").is_some());
        alice.pop();
        alice.push(seats.take("alice").expect("one has ended"));
        drop(bob);
        assert!(seats.take("carol").is_some());
    }
}
