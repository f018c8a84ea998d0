//! Packets of an interface become notes, and each is accounted for.
//!
//! Guarantee: every packet that is given to it is recorded, not IP, malformed or unheard.

use netcap_capture::Packet;
use netcap_relay::Chunk;

use super::fragments::Fragments;
use super::frame::{Frame, NoNote, note};
use super::message::{Counters, Interface, Message};

/// Makes notes of an interface's packets.
#[derive(Debug)]
pub struct Maker {
    number: u16,
    interface: Interface,
    fragments: Fragments,
    counters: Counters,
    /// The latest time of a packet.
    latest: i64,
}

impl Maker {
    /// One for the interface of that number.
    pub fn new(number: u16, interface: Interface) -> Maker {
        Maker {
            number,
            interface,
            fragments: Fragments::default(),
            counters: Counters::default(),
            latest: 0,
        }
    }

    /// The number of its interface.
    pub fn number(&self) -> u16 {
        self.number
    }

    /// Says that the interface has other addresses from now on.
    pub fn describe(&mut self, interface: Interface) {
        self.interface = interface;
    }

    /// Appends the note of a packet with these octets, if it has one; none if nobody is there to hear it.
    pub fn append(&mut self, notes: Option<&mut Chunk>, packet: &Packet, octets: &[u8]) {
        let Some(notes) = notes else {
            self.counters.unheard += 1;
            return;
        };
        let frame = Frame {
            link_type: packet.link_type,
            time: packet.timestamp,
            octets,
            wire_length: packet.original_len,
        };
        match note(&frame, self.number, &self.interface) {
            Ok(mut note) => {
                self.fragments.complete(&mut note, packet.interface);
                self.latest = self.latest.max(note.time);
                Message::Packet(note).write(&mut notes.octets);
                notes.packets += 1;
                self.counters.recorded += 1;
            }
            Err(NoNote::NotIp) => self.counters.not_ip += 1,
            Err(NoNote::Malformed) => self.counters.malformed += 1,
        }
    }

    /// The outcome of the packets that it was given; nothing is said of others.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// The latest time of a packet, in nanoseconds since 1970; 0 before the first.
    pub fn latest(&self) -> i64 {
        self.latest
    }

    /// Datagrams whose first fragment was forgotten for lack of room, before its time.
    pub fn forgotten(&self) -> u64 {
        self.fragments.forgotten()
    }
}
