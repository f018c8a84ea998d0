//! What a sensor does while it is connected: sends batches and how it goes, and takes what the server
//! acknowledges.

use std::collections::BTreeSet;
use std::io;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use netcap_capture::pcap_over_ip::Connection;
use netcap_record::find_schema;

use super::fault::{Fault, odd, refused};
use super::inbox::{Inbox, write_all};
use super::link::{IDLE, Link, SILENCE, TICK, over};
use super::queue::Next;
use super::status;
use super::wire::Message;

/// How often the status is sent.
const STATUS: Duration = Duration::from_secs(1);

impl Link {
    /// Sends a message. Where that fails, the server may have said why before it went.
    pub(crate) fn say(
        &self,
        connection: &mut Connection,
        inbox: &mut Inbox,
        message: &Message<'_>,
    ) -> Result<(), Fault> {
        let mut out = Vec::new();
        message.put(&mut out);
        let Err(error) = write_all(connection, &out, SILENCE, || self.is_over()) else {
            return Ok(());
        };
        while self.fill(connection, inbox, None)? {
            while let Some(message) = inbox.next()? {
                if let Message::Refused(reason) = message {
                    return Err(refused(reason));
                }
            }
        }
        Err(self.ended(&error))
    }

    /// Sends what there is, until there is no more and the server has everything.
    pub(crate) fn deliver(
        &self,
        connection: &mut Connection,
        inbox: &mut Inbox,
    ) -> Result<(), Fault> {
        let mut heard = Instant::now();
        let mut told: Option<Instant> = None;
        let mut has_ended = false;
        let mut named = 0;
        loop {
            self.listen(inbox)?;
            if self.fill(connection, inbox, None)? {
                heard = Instant::now();
                continue;
            }
            if heard.elapsed() > SILENCE {
                let silent = io::Error::new(io::ErrorKind::TimedOut, "the server is silent");
                return Err(self.ended(&silent));
            }
            let is_due = told.is_none_or(|told| told.elapsed() >= STATUS);
            if is_due && !has_ended {
                told = Some(Instant::now());
                let values = self.status();
                self.say(connection, inbox, &Message::Status(values))?;
            }
            let mut state = self.shared.lock();
            if over(&state, &self.shared) {
                return Ok(());
            }
            let (queue, counts, finishing) = state.current();
            if queue.unknown.len() > named {
                named = queue.unknown.len();
                let text = left_out(&queue.unknown);
                drop(state);
                self.note(&text);
                continue;
            }
            let before = queue.octets();
            let mut next = queue.next(counts);
            if next.is_none() && (is_due || finishing.is_some()) {
                next = queue.trailing();
            }
            if queue.octets() < before {
                self.shared.changed.notify_all();
            }
            let is_acknowledged = queue.is_acknowledged();
            // What is in files comes when there is room.
            let finishing = finishing.filter(|_| queue.is_sent());
            match (next, finishing) {
                (Some(Next::Batch(entry)), _) => {
                    state.counts.resent += u64::from(entry.was_sent);
                    drop(state);
                    self.say(connection, inbox, &entry.message())?;
                }
                (
                    Some(Next::Lost {
                        number,
                        first,
                        count,
                    }),
                    _,
                ) => {
                    drop(state);
                    let lost = Message::Lost {
                        number,
                        first,
                        count,
                    };
                    self.say(connection, inbox, &lost)?;
                }
                (None, Some(is_complete)) if !has_ended => {
                    has_ended = true;
                    queue.note(false);
                    drop(state);
                    let values = self.status();
                    self.say(connection, inbox, &Message::Status(values))?;
                    self.say(connection, inbox, &Message::End { is_complete })?;
                }
                (None, _) if has_ended && is_acknowledged => return Ok(()),
                (None, _) if is_acknowledged => {
                    drop(self.shared.wait(state, IDLE));
                }
                (None, _) => {
                    drop(state);
                    if self.fill(connection, inbox, Some(TICK))? {
                        heard = Instant::now();
                    }
                }
            }
        }
    }

    /// Takes what the server has said.
    fn listen(&self, inbox: &mut Inbox) -> Result<(), Fault> {
        while let Some(message) = inbox.next()? {
            match message {
                Message::Ack(messages) => {
                    let mut state = self.shared.lock();
                    let (queue, counts, _) = state.current();
                    let taken = queue.acknowledge(messages, counts);
                    taken.ok_or_else(|| odd("it acknowledges what was never sent"))?;
                    state.last_ack = Some(Instant::now());
                    self.shared.changed.notify_all();
                }
                Message::Refused(reason) => return Err(refused(reason)),
                _ => return Err(odd("a message that a server does not send now")),
            }
        }
        Ok(())
    }

    /// The values of a status, which is noted to be sent.
    fn status(&self) -> Vec<(u16, u64)> {
        let mut state = self.shared.lock();
        state.current().0.note(false);
        let gauges = &self.shared.gauges;
        let age = state.queue.age().as_millis();
        vec![
            (status::PACKETS, gauges.packets.load(Ordering::Relaxed)),
            (status::OCTETS, gauges.octets.load(Ordering::Relaxed)),
            (
                status::PACKETS_DROPPED,
                gauges.packets_dropped.load(Ordering::Relaxed),
            ),
            (status::QUEUE_OCTETS, state.queue.octets() as u64),
            (status::SPOOL_OCTETS, state.queue.spooled()),
            (status::OLDEST_AGE, u64::try_from(age).unwrap_or(u64::MAX)),
            (status::RECORDS_LOST, state.counts.lost),
        ]
    }
}

/// What is told of types that the server does not know.
fn left_out(unknown: &BTreeSet<u16>) -> String {
    let types = netcap_pipeline::schemas();
    let names: Vec<&str> = unknown
        .iter()
        .map(|number| find_schema(&types, *number).map_or("unknown", |schema| schema.name))
        .collect();
    format!(
        "the server does not know records of type {}, so they are left out; bring it up to date",
        names.join(", ")
    )
}
