//! A stream that is fed with itself over the interface that it is captured from, told by what comes.
//!
//! Somebody passes our stream on over that interface: then a connection carries records that we have just
//! written of packets of that same connection, and each of them makes another. That is the proof: a
//! connection that carries records of others, such as a recording that is copied, is left alone, and so are
//! packets that are repeated on the wire. Not told: what is passed on encrypted or compressed.

use std::net::SocketAddr;

use crate::own_traffic::Ends;
use crate::stream::Form;

/// Octets of a record that are looked for: its header, and some of its packet.
const PROBE: usize = 48;
/// Octets of it that hardly two records have in common, its time among them.
const KEY: usize = 8;
/// Records that are looked for, in each of two tables: of all that were written, and of one in so many, for
/// what takes long to come back where much is written. Each takes the place of another by chance.
const SLOTS: usize = 1024;
const APART: u64 = 64;
/// Packets of which each is searched at first; then every one in so many. What feeds itself goes on
/// holding what it held.
const SEARCHED: u64 = 4096;
const EVERY: u64 = 16;

/// Both ends of a connection, in order.
type Connection = (SocketAddr, SocketAddr);

/// Looks for it.
#[derive(Clone, Debug)]
pub(crate) struct Feedback {
    /// Where the time is in a record.
    key_at: usize,
    tables: [Table; 2],
    written: u64,
    searched: u64,
}

/// Records that are looked for.
#[derive(Clone, Debug, Default)]
struct Table {
    keys: Vec<u64>,
    probes: Vec<([u8; PROBE], Option<Connection>)>,
}

impl Feedback {
    /// For records of that form.
    pub(crate) fn new(form: Form) -> Feedback {
        Feedback {
            key_at: match form {
                // Behind the type and length of the block, and the interface (draft-ietf-opsawg-pcapng, 4.3).
                Form::Pcapng => 12,
                Form::Pcap(_) | Form::Records(_) | Form::Messages => 0,
            },
            tables: [Table::default(), Table::default()],
            written: 0,
            searched: 0,
        }
    }

    /// Takes note of a record that is sent, of a packet with these ends.
    pub(crate) fn wrote(&mut self, record: &[u8], ends: &Ends) {
        self.written += 1;
        let Some((probe, key)) = record.first_chunk().zip(key(record, self.key_at)) else {
            return;
        };
        let [all, some] = &mut self.tables;
        all.put(key, *probe, connection(ends));
        if self.written.is_multiple_of(APART) {
            some.put(key, *probe, connection(ends));
        }
    }

    /// Whether a captured packet with these ends holds a record that we have sent of its connection.
    pub(crate) fn feeds_itself(&mut self, octets: &[u8], ends: &Ends) -> bool {
        self.searched += 1;
        if self.searched > SEARCHED && !self.searched.is_multiple_of(EVERY) {
            return false;
        }
        let connection = connection(ends);
        octets.windows(PROBE).any(|window| {
            let Some(key) = key(window, self.key_at) else {
                return false;
            };
            let mut tables = self.tables.iter();
            tables.any(|table| table.find(key, window) == Some(connection))
        })
    }
}

impl Table {
    fn put(&mut self, key: u64, probe: [u8; PROBE], connection: Connection) {
        if self.keys.is_empty() {
            self.keys = vec![0; SLOTS];
            self.probes = vec![([0; PROBE], None); SLOTS];
        }
        let slot = slot(key);
        self.keys[slot] = key;
        self.probes[slot] = (probe, Some(connection));
    }

    /// The connection that a record is of, if it is looked for.
    fn find(&self, key: u64, window: &[u8]) -> Option<Connection> {
        let slot = slot(key);
        if self.keys.get(slot) != Some(&key) {
            return None;
        }
        let (probe, connection) = self.probes.get(slot)?;
        connection.filter(|_| probe == window)
    }
}

/// The octets of a record by which it is found.
fn key(record: &[u8], at: usize) -> Option<u64> {
    record
        .get(at..)?
        .first_chunk::<KEY>()
        .map(|key| u64::from_le_bytes(*key))
}

/// Where a record is looked for: by Fibonacci hashing, as times are far from evenly spread.
fn slot(key: u64) -> usize {
    (key.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 54) as usize % SLOTS
}

fn connection((_, source, destination): &Ends) -> Connection {
    (*source.min(destination), *source.max(destination))
}

#[cfg(test)]
mod tests {
    use netcap_capture::pcap_writer::TimeUnit;

    use super::*;

    fn ends(ports: (u16, u16)) -> Ends {
        let end = |port| SocketAddr::from(([10, 0, 0, 1], port));
        (6, end(ports.0), end(ports.1))
    }

    #[test]
    fn a_connection_that_carries_records_of_its_own_packets() {
        let record: Vec<u8> = (1..101).collect();
        for form in [Form::Pcap(TimeUnit::Microseconds), Form::Pcapng] {
            let mut feedback = Feedback::new(form);
            assert!(
                !feedback.feeds_itself(&record, &ends((1, 2))),
                "nothing was sent yet"
            );
            feedback.wrote(&record, &ends((1, 2)));
            feedback.wrote(&record[..20], &ends((1, 2)));
            let carried = [&[7; 66][..], &record, &[9; 30]].concat();
            assert!(feedback.feeds_itself(&carried, &ends((1, 2))));
            assert!(
                feedback.feeds_itself(&carried, &ends((2, 1))),
                "the other way"
            );
            // A recording that is copied holds records of others.
            assert!(!feedback.feeds_itself(&carried, &ends((1, 3))));
            assert!(
                !feedback.feeds_itself(&carried[..100], &ends((1, 2))),
                "cut before its end"
            );
            assert!(!feedback.feeds_itself(&record[1..], &ends((1, 2))));
            assert!(!feedback.feeds_itself(&[], &ends((1, 2))));
            // Seldom, where there is much, but it is found.
            let mut packets = 0..SEARCHED + EVERY;
            assert!(packets.any(|number| {
                number > SEARCHED && feedback.feeds_itself(&carried, &ends((1, 2)))
            }));
        }
    }

    #[test]
    fn whatever_was_written_since() {
        let mut feedback = Feedback::new(Form::Pcap(TimeUnit::Microseconds));
        let record = |number: u64| [&number.to_le_bytes()[..], &[5; 60]].concat();
        let most = 20 * SLOTS as u64;
        (1..most).for_each(|number| feedback.wrote(&record(number), &ends((1, 2))));
        let carried = |numbers: &mut dyn Iterator<Item = u64>| {
            let records: Vec<Vec<u8>> = numbers.map(record).collect();
            records.concat()
        };
        assert!(feedback.feeds_itself(&carried(&mut (most - 9..most)), &ends((1, 2))));
        let late = carried(&mut (most / 2..most / 2 + 2 * APART));
        assert!(feedback.feeds_itself(&late, &ends((1, 2))));
    }
}
