//! One connection on the server: the handshake, and when what is acknowledged.
//!
//! Guarantees: a message is acknowledged only when all records up to there are on the disk.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use netcap_capture::pcap_over_ip::{ConnectError, Connection, Pending, Pin};

use super::door::{Newcomer, Seat};
use super::ending::Fault;
use super::events::Event;
use super::inbox::{Inbox, write_all};
use super::intake::Intake;
use super::sensors::Reason;
use super::server::Shared;
use super::wire::{LONGEST_HELLO, LONGEST_REASON, Malformed, Message, VERSION};
use crate::batch::StreamId;

/// Octets that are taken before they are acknowledged, at most.
const OCTETS: usize = 4 << 20;
/// How long a message waits to be acknowledged, the disk aside.
const PATIENCE: Duration = Duration::from_millis(200);
/// How often a silent connection looks whether it is to end.
const TICK: Duration = Duration::from_millis(250);
/// How often it looks whether the sensor is still enrolled.
const CHECK: Duration = Duration::from_secs(1);

/// Performs the handshake, and then whatever the sensor wants.
pub(crate) fn serve(pending: Pending, newcomer: Newcomer, shared: &Shared) {
    let peer = pending.peer();
    let refuse = |reason: Reason, pin: Option<Pin>| {
        shared.count(reason);
        shared.events.add(Event::Refused {
            reason: reason.name(),
            peer,
            pin,
        });
    };
    let mut connection = match pending.handshake(shared.options.handshake) {
        Ok(connection) => connection,
        Err(_) if shared.is_stopped() => return,
        Err(_) if newcomer.is_cut() => return refuse(Reason::Displaced, None),
        Err(ConnectError::Unknown { pin, .. }) => return refuse(Reason::UnknownKey, Some(pin)),
        Err(_) => return refuse(Reason::Handshake, None),
    };
    let (sensor, result) = match greet(&mut connection, &newcomer, peer, shared) {
        Ok((mut session, mut inbox)) => {
            drop(newcomer);
            let result = session.serve(&mut connection, &mut inbox);
            (Some(session), result)
        }
        Err(_) if shared.is_stopped() => return,
        Err(_) if newcomer.is_cut() => return refuse(Reason::Displaced, connection.pin()),
        Err(fault) => (None, Err(fault)),
    };
    let fault = result.err().unwrap_or(Fault::Closed);
    let (reason, word, told) = fault.meaning();
    // Its place is taken until the connection is closed.
    match &sensor {
        Some(sensor) => {
            reason.into_iter().for_each(|reason| shared.count(reason));
            shared.events.add(Event::Gone {
                sensor: sensor.name.clone(),
                peer,
                reason: word,
            });
        }
        // One that closes before it has said anything is no refusal.
        None => reason
            .into_iter()
            .for_each(|reason| refuse(reason, connection.pin())),
    }
    if let Some(told) = told {
        let told = told.get(..LONGEST_REASON).unwrap_or(&told);
        let mut out = Vec::new();
        Message::Refused(told.as_bytes()).put(&mut out);
        let _ = write_all(&mut connection, &out, TICK, || shared.is_stopped());
    }
    if let Fault::Disk(error) = fault {
        shared.report(error);
    }
    let _ = connection.close();
}

/// A sensor that has said what it reads.
struct Session<'s> {
    shared: &'s Shared,
    intake: Intake<'s>,
    name: String,
    pin: Pin,
    /// Messages after Hello.
    messages: u64,
    /// Since when something is not acknowledged.
    since: Option<Instant>,
    _seat: Seat<'s>,
}

/// Waits for Hello, and for nothing else: whoever has not said it cannot have us keep more than that.
fn greet<'s>(
    connection: &mut Connection,
    newcomer: &Newcomer,
    peer: SocketAddr,
    shared: &'s Shared,
) -> Result<(Session<'s>, Inbox), Fault> {
    let pin = connection.pin().ok_or(Fault::Unknown)?;
    let name = shared.enrolment.name_of(&pin).ok_or(Fault::Unknown)?;
    newcomer.show(pin);
    connection.set_write_timeout(Some(TICK))?;
    let mut inbox = Inbox::default();
    let end = Instant::now() + shared.options.handshake;
    while !inbox.is_hello()? {
        if shared.is_stopped() {
            return Err(Fault::Stopped);
        }
        if Instant::now() > end {
            return Err(Fault::Silent);
        }
        inbox.fill_some(connection, Some(TICK), LONGEST_HELLO)?;
    }
    let intake = match inbox.next()? {
        Some(Message::Hello {
            version: VERSION,
            stream,
            source,
            program,
            ..
        }) if stream != StreamId::default() => {
            let seat = shared.seats.take(&name).ok_or(Fault::Full)?;
            let from = (peer, pin);
            let intake = Intake::begin(shared, &name, stream, from, (source, program))?;
            (intake, seat)
        }
        Some(Message::Hello { .. }) => return Err(Fault::Place("this version is not spoken here")),
        _ => return Err(Fault::Message(Malformed::NotHello)),
    };
    let (intake, _seat) = intake;
    shared.events.add(Event::Connected {
        sensor: name.clone(),
        peer,
        pin,
    });
    let session = Session {
        shared,
        intake,
        name,
        pin,
        messages: 0,
        since: None,
        _seat,
    };
    Ok((session, inbox))
}

impl Session<'_> {
    fn serve(&mut self, connection: &mut Connection, inbox: &mut Inbox) -> Result<(), Fault> {
        let ended = self
            .welcome(connection)
            .and_then(|()| self.run(connection, inbox));
        // What came is kept, even if nobody is there to hear it.
        let committed = match self.since {
            Some(_) => self.shared.archive.commit(),
            None => Ok(()),
        };
        self.intake.end();
        ended.and(committed.map_err(Fault::Disk))
    }

    /// Says how far the stream has come, for each type that is known here. The sensor forgets what is
    /// before that, so it must be on the disk.
    fn welcome(&self, connection: &mut Connection) -> Result<(), Fault> {
        let positions = self.intake.positions()?;
        self.shared.archive.commit()?;
        let numbers = self.shared.types.iter().filter_map(|schema| schema.number);
        let mut pairs: BTreeMap<u16, u64> = numbers.map(|number| (number, 0)).collect();
        for (schema, next) in positions {
            pairs.extend(schema.number.map(|number| (number, next)));
        }
        self.say(connection, &Message::Welcome(pairs.into_iter().collect()))
    }

    fn say(&self, connection: &mut Connection, message: &Message<'_>) -> Result<(), Fault> {
        let mut out = Vec::new();
        message.put(&mut out);
        // One that takes nothing does not stay for it when a newer one is there.
        let give_up = || self.shared.is_stopped() || self.intake.check_latest().is_err();
        let written = write_all(connection, &out, self.shared.options.silence, give_up);
        if written.is_err() {
            self.intake.check_latest()?;
        }
        Ok(written?)
    }

    fn run(&mut self, connection: &mut Connection, inbox: &mut Inbox) -> Result<(), Fault> {
        let mut heard = Instant::now();
        let mut checked = heard;
        loop {
            while let Some(message) = inbox.next()? {
                self.intake.take(&message)?;
                self.messages += 1;
                self.since.get_or_insert_with(Instant::now);
                let waited = self.since.is_some_and(|since| since.elapsed() >= PATIENCE);
                if self.intake.octets >= OCTETS || waited {
                    self.acknowledge(connection)?;
                }
            }
            if self.shared.is_stopped() {
                return Err(Fault::Stopped);
            }
            self.intake.check_latest()?;
            if checked.elapsed() >= CHECK {
                checked = Instant::now();
                if self.shared.enrolment.name_of(&self.pin).as_ref() != Some(&self.name) {
                    return Err(Fault::Unknown);
                }
            }
            let mut came = inbox.fill(connection, None)?;
            if !came {
                if self.since.is_some() {
                    self.acknowledge(connection)?;
                }
                came = inbox.fill(connection, Some(TICK))?;
            }
            if came {
                heard = Instant::now();
                self.intake.sensor.hear();
            } else if heard.elapsed() >= self.shared.options.silence {
                return Err(Fault::Silent);
            }
        }
    }

    /// Waits for the disk, and tells the sensor.
    fn acknowledge(&mut self, connection: &mut Connection) -> Result<(), Fault> {
        self.shared.archive.commit()?;
        self.intake.octets = 0;
        self.since = None;
        self.say(connection, &Message::Ack(self.messages))
    }
}
