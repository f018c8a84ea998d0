//! What a sensor's connection appends to its files.
//!
//! Guarantees: nothing of a batch is appended unless all of it is in order; records are missing before it
//! only where the sensor has said so; and nothing is appended once a newer connection of the sensor has
//! begun.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use netcap_capture::pcap_over_ip::Pin;
use netcap_record::{Schema, find_schema};

use super::checks::check;
use super::ending::Fault;
use super::sensors::Sensor;
use super::server::Shared;
use super::wire::{END_OF_NUMBERS, Message, PAYLOADS};
use crate::archive::{Appended, Client, lock};
use crate::batch::StreamId;
use crate::client_name::ClientName;
use crate::members::Mark;

/// See the module.
pub(crate) struct Intake<'s> {
    shared: &'s Shared,
    pub(crate) sensor: Arc<Sensor>,
    client: Arc<Mutex<Client>>,
    stream: StreamId,
    generation: u64,
    /// From which number up to which a type's records are known to be lost.
    lost: HashMap<u16, (u64, u64)>,
    frames: Vec<u8>,
    /// Octets of batches since this was set to 0.
    pub(crate) octets: usize,
}

impl<'s> Intake<'s> {
    /// The connection becomes the one that counts.
    pub(crate) fn begin(
        shared: &'s Shared,
        name: &str,
        stream: StreamId,
        from: (SocketAddr, Pin),
        about: (&[u8], &[u8]),
    ) -> Result<Intake<'s>, Fault> {
        let sensor = shared.sensors.get(name);
        let client = shared.archive.client(&ClientName::new(name.as_bytes()))?;
        let generation = {
            let _files = lock(&client);
            sensor.begin(stream, from, about)
        };
        Ok(Intake {
            shared,
            sensor,
            client,
            stream,
            generation,
            lost: HashMap::new(),
            frames: Vec::new(),
            octets: 0,
        })
    }

    /// How far the stream has come, on the disk or not.
    pub(crate) fn positions(&self) -> Result<Vec<(&'static Schema, u64)>, Fault> {
        let mut client = lock(&self.client);
        self.check_latest()?;
        Ok(client.positions(&self.shared.types, &self.stream)?)
    }

    /// Fails where a newer connection has begun. That stays so while the lock of the files is held.
    pub(crate) fn check_latest(&self) -> Result<(), Fault> {
        match self.sensor.is_latest(self.generation) {
            true => Ok(()),
            false => Err(Fault::Superseded),
        }
    }

    /// The connection has ended.
    pub(crate) fn end(&self) {
        self.sensor.end(self.generation);
    }

    /// Does what a message says.
    pub(crate) fn take(&mut self, message: &Message<'_>) -> Result<(), Fault> {
        match message {
            Message::Batch {
                number,
                first,
                count,
                flags,
                member,
            } => {
                let numbers = (*number, *first, *count);
                self.append(numbers, flags & PAYLOADS != 0, member)?;
                self.octets += member.len();
            }
            Message::Lost {
                number,
                first,
                count,
            } => {
                let end = first.checked_add(*count);
                let end = end.filter(|end| *end <= END_OF_NUMBERS);
                let end = end.ok_or(Fault::Place("numbers of lost records are too large"))?;
                if find_schema(&self.shared.types, *number).is_none() {
                    return Err(Fault::Place(
                        "lost records are of a type that is unknown here",
                    ));
                }
                let lost = self.lost.entry(*number).or_insert((*first, end));
                *lost = match *first <= lost.1 && lost.0 <= *first {
                    true => (lost.0, lost.1.max(end)),
                    false => (*first, end),
                };
                self.sensor.count_gap(*number, *first, end);
            }
            Message::Status(values) => self.sensor.count(|counts| {
                counts.status.clone_from(values);
            }),
            Message::End { is_complete } => {
                self.sensor
                    .count(|counts| counts.ended = Some(*is_complete));
            }
            _ => return Err(Fault::Place("a message is not one that a sensor sends now")),
        }
        Ok(())
    }

    fn append(
        &mut self,
        (number, first, count): (u16, u64, u32),
        payloads: bool,
        member: &[u8],
    ) -> Result<(), Fault> {
        let schema: &'static Schema = check(
            &self.shared.types,
            (number, first, count),
            member,
            &mut self.frames,
        )
        .map_err(Fault::Batch)?;
        if first.saturating_add(u64::from(count)) > END_OF_NUMBERS {
            return Err(Fault::Batch("its numbers are too large"));
        }
        let mark = Mark {
            stream: self.stream,
            first,
            count,
        };
        let appended = {
            let mut client = lock(&self.client);
            self.check_latest()?;
            let next = client.next(schema, &self.stream)?;
            let is_announced = self
                .lost
                .get(&number)
                .is_some_and(|(from, upto)| *from <= next && *upto >= first);
            if first > next && !is_announced {
                return Err(Fault::Batch("records are missing before it"));
            }
            client.append(schema, payloads, member, &mark)?
        };
        match appended {
            Appended::InTurn | Appended::After(_) => {}
            Appended::Known => self
                .sensor
                .count(|counts| counts.duplicates += u64::from(count)),
            Appended::Overlaps => return Err(Fault::Overlap),
        }
        Ok(())
    }
}
