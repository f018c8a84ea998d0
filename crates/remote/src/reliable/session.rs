//! One connection on the server: the handshake, and when what is acknowledged.
//!
//! Guarantees: a message is acknowledged only when all records up to there are on the disk.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use netcap_capture::pcap_over_ip::{ConnectError, Connection, Pending, Pin};

use super::inbox::{Inbox, write_all};
use super::intake::Intake;
use super::server::Shared;
use super::wire::{LONGEST_REASON, Malformed, Message, VERSION};
use crate::Error;
use crate::batch::StreamId;

/// Octets that are taken before they are acknowledged, at most.
const OCTETS: usize = 4 << 20;
/// How long a message waits to be acknowledged, the disk aside.
const PATIENCE: Duration = Duration::from_millis(200);
/// How often a silent connection looks whether it is to end.
const TICK: Duration = Duration::from_millis(250);
/// How often it looks whether the sensor is still enrolled.
const CHECK: Duration = Duration::from_secs(1);

/// Why a connection ends before its sensor closes it.
pub(crate) enum Fault {
    /// The sensor is gone, or the server stops.
    Gone,
    Message(Malformed),
    /// A message that is in form, and not in place.
    Place(&'static str),
    Batch(&'static str),
    Overlap,
    Superseded,
    Silent,
    Unknown,
    Disk(Error),
}

impl From<std::io::Error> for Fault {
    fn from(_: std::io::Error) -> Fault {
        Fault::Gone
    }
}

impl From<Malformed> for Fault {
    fn from(malformed: Malformed) -> Fault {
        Fault::Message(malformed)
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Fault {
        Fault::Disk(error)
    }
}

/// Performs the handshake, and then whatever the sensor wants.
pub(crate) fn serve(pending: Pending, shared: &Shared) {
    let peer = pending.peer();
    let mut connection = match pending.handshake(shared.options.handshake) {
        Ok(connection) => connection,
        Err(ConnectError::Unknown { .. }) => {
            return shared.refuse(|refusals| refusals.unknown_key += 1);
        }
        Err(_) => return shared.refuse(|refusals| refusals.handshake += 1),
    };
    let Err(fault) = converse(&mut connection, peer, shared) else {
        return;
    };
    let reason = match fault {
        Fault::Gone => None,
        Fault::Message(malformed) => {
            shared.refuse(|refusals| refusals.bad_message += 1);
            Some(malformed.to_string())
        }
        Fault::Place(what) => {
            shared.refuse(|refusals| refusals.bad_message += 1);
            Some(what.to_owned())
        }
        Fault::Batch(what) => {
            shared.refuse(|refusals| refusals.bad_batch += 1);
            Some(format!("a batch was refused: {what}"))
        }
        Fault::Overlap => {
            shared.refuse(|refusals| refusals.overlap += 1);
            Some("some records of a batch are there already".to_owned())
        }
        Fault::Superseded => {
            shared.refuse(|refusals| refusals.superseded += 1);
            Some("another connection with this sensor's key took its place".to_owned())
        }
        Fault::Silent => {
            shared.refuse(|refusals| refusals.silent += 1);
            Some("nothing came for too long".to_owned())
        }
        Fault::Unknown => {
            shared.refuse(|refusals| refusals.unknown_key += 1);
            Some("this sensor's key is not enrolled any more".to_owned())
        }
        Fault::Disk(error) => {
            shared.report(error);
            Some("the server cannot write records; see there".to_owned())
        }
    };
    if let Some(reason) = reason {
        let reason = reason.get(..LONGEST_REASON).unwrap_or(&reason);
        let mut out = Vec::new();
        Message::Refused(reason.as_bytes()).put(&mut out);
        let _ = write_all(&mut connection, &out, TICK, || shared.is_stopped());
    }
    let _ = connection.close();
}

/// A sensor that has said what it reads.
struct Session<'s> {
    shared: &'s Shared,
    intake: Intake<'s>,
    /// Messages after Hello.
    messages: u64,
    /// Since when something is not acknowledged.
    since: Option<Instant>,
}

fn converse(connection: &mut Connection, peer: SocketAddr, shared: &Shared) -> Result<(), Fault> {
    let pin = connection.pin().ok_or(Fault::Unknown)?;
    let name = shared.enrolment.name_of(&pin).ok_or(Fault::Unknown)?;
    connection.set_write_timeout(Some(TICK))?;
    let mut inbox = Inbox::default();
    let end = Instant::now() + shared.options.handshake;
    while !inbox.is_whole()? {
        if shared.is_stopped() {
            return Err(Fault::Gone);
        }
        if Instant::now() > end {
            return Err(Fault::Silent);
        }
        inbox.fill(connection, Some(TICK))?;
    }
    let mut session = match inbox.next()? {
        Some(Message::Hello {
            version: VERSION,
            stream,
            source,
            program,
            ..
        }) if stream != StreamId::default() => {
            let from = (peer, pin);
            Session {
                shared,
                intake: Intake::begin(shared, &name, stream, from, (source, program))?,
                messages: 0,
                since: None,
            }
        }
        Some(Message::Hello { .. }) => return Err(Fault::Place("this version is not spoken here")),
        _ => return Err(Fault::Place("the first message is not Hello")),
    };
    let ended = session
        .welcome(connection)
        .and_then(|()| session.run(connection, &mut inbox, &name, &pin));
    // What came is kept, even if nobody is there to hear it.
    let committed = match session.since {
        Some(_) => shared.archive.commit(),
        None => Ok(()),
    };
    session.intake.end();
    ended.and(committed.map_err(Fault::Disk))
}

impl Session<'_> {
    /// Says how far the stream has come. The sensor forgets what is before that, so it must be on the
    /// disk.
    fn welcome(&self, connection: &mut Connection) -> Result<(), Fault> {
        let positions = self.intake.positions()?;
        self.shared.archive.commit()?;
        let pairs = positions
            .into_iter()
            .filter_map(|(schema, next)| Some((schema.number?, next)));
        self.say(connection, &Message::Welcome(pairs.collect()))
    }

    fn say(&self, connection: &mut Connection, message: &Message<'_>) -> Result<(), Fault> {
        let mut out = Vec::new();
        message.put(&mut out);
        let give_up = || self.shared.is_stopped();
        Ok(write_all(
            connection,
            &out,
            self.shared.options.silence,
            give_up,
        )?)
    }

    fn run(
        &mut self,
        connection: &mut Connection,
        inbox: &mut Inbox,
        name: &str,
        pin: &Pin,
    ) -> Result<(), Fault> {
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
                return Err(Fault::Gone);
            }
            if checked.elapsed() >= CHECK {
                checked = Instant::now();
                if self.shared.enrolment.name_of(pin).as_deref() != Some(name) {
                    return Err(Fault::Unknown);
                }
            }
            let mut came = inbox.fill(connection, None)?;
            if !came {
                if self.since.is_some() {
                    self.acknowledge(connection)?;
                }
                self.intake.check_latest()?;
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
