//! What happened to the connections of a server, one after the other, for its log.
//!
//! Guarantees: at most [`MOST`] wait to be asked for; what comes beyond them is counted.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Mutex;

use netcap_capture::pcap_over_ip::Pin;

use crate::archive::lock;

/// Events that wait at most.
const MOST: usize = 1024;

/// Something that happened to a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A sensor has said what it reads, and counts as connected.
    Connected {
        /// Its name.
        sensor: String,
        /// Where it is.
        peer: SocketAddr,
        /// Its key.
        pin: Pin,
    },
    /// The connection of a sensor has ended.
    Gone {
        /// Its name.
        sensor: String,
        /// Where it was.
        peer: SocketAddr,
        /// Why, as in `closed` or `superseded`.
        reason: &'static str,
    },
    /// A connection ended before there was a sensor.
    Refused {
        /// Why, as [`Refusals::by_name`](super::Refusals::by_name) has it.
        reason: &'static str,
        /// Where it came from.
        peer: SocketAddr,
        /// Its key, if it has shown one.
        pin: Option<Pin>,
    },
    /// The system is short of what connections need; it is tried again.
    Short(String),
    /// So many events were left out here.
    LeftOut(u64),
}

/// See the module.
#[derive(Default)]
pub(crate) struct Events(Mutex<(VecDeque<Event>, u64)>);

impl Events {
    pub(crate) fn add(&self, event: Event) {
        let (events, left_out) = &mut *lock(&self.0);
        match events.len() < MOST {
            true => events.push_back(event),
            false => *left_out += 1,
        }
    }

    /// What has happened since this was last asked.
    pub(crate) fn take(&self) -> Vec<Event> {
        let (mut events, left_out) = std::mem::take(&mut *lock(&self.0));
        if left_out > 0 {
            events.push_back(Event::LeftOut(left_out));
        }
        events.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_bounded_and_those_beyond_are_counted() {
        let events = Events::default();
        for number in 0..MOST + 3 {
            events.add(Event::Short(number.to_string()));
        }
        let taken = events.take();
        assert_eq!(taken.len(), MOST + 1);
        assert_eq!(taken.last(), Some(&Event::LeftOut(3)));
        assert!(events.take().is_empty());
    }
}
