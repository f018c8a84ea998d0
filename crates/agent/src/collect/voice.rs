//! What an agent of the extended stream says, over a connection or to a multicast group.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::Duration;

use netcap_capture::pcap_over_ip::Connection;

use crate::extended::{Message, Messages, StreamError, join, opened};

/// How long an agent may be silent: it speaks each second.
const SILENCE: Duration = Duration::from_secs(60);
/// The same where nothing but silence tells that it is gone.
const GROUP_SILENCE: Duration = Duration::from_secs(10);
/// The longest datagram there can be.
const LONGEST: usize = 65_535;

/// See the module.
#[derive(Debug)]
pub(crate) enum Voice {
    /// An agent that we are connected to.
    Connection(Messages<Connection>),
    /// One that many listen to.
    Group(Overheard),
}

impl Voice {
    /// As [`Messages::read`]. Of a group nothing is ever the end.
    pub(crate) fn read(&mut self, messages: &mut Vec<Message>) -> Result<usize, StreamError> {
        match self {
            Voice::Connection(stream) => stream.read(messages),
            Voice::Group(group) => group.read(messages),
        }
    }

    /// Where it comes from.
    pub(crate) fn place(&self) -> String {
        match self {
            Voice::Connection(stream) => stream.get_ref().peer().to_owned(),
            Voice::Group(group) => format!("{} by way of {}", group.source, group.place),
        }
    }

    /// Why nothing may have come so far.
    pub(crate) fn unanswered(&self) -> &'static str {
        match self {
            Voice::Connection(_) => {
                "the agent does not answer as one of the extended stream (is it started with --extended, and is that \
                 the port? else leave `extended` out)"
            }
            Voice::Group(_) => {
                "nothing comes to the group (is the agent started with --multicast, and does its network forward that \
                 to here?)"
            }
        }
    }

    /// Octets of a message that has not come in full.
    pub(crate) fn partial(&self) -> usize {
        match self {
            Voice::Connection(stream) => stream.partial(),
            Voice::Group(_) => 0,
        }
    }

    /// How long it may be silent before it counts as gone.
    pub(crate) fn patience(&self) -> Duration {
        match self {
            Voice::Connection(_) => SILENCE,
            Voice::Group(_) => GROUP_SILENCE,
        }
    }
}

/// The datagrams of an agent to a group, in their order.
///
/// Guarantees: only what comes from the agent's address is looked at; one that comes twice, or after a later one,
/// is left out: its packets count as missing already.
#[derive(Debug)]
pub(crate) struct Overheard {
    socket: UdpSocket,
    source: IpAddr,
    place: SocketAddr,
    buffer: Vec<u8>,
    order: Order,
}

impl Overheard {
    /// What this source sends to that group. Reading waits so long at most.
    pub(crate) fn join(source: IpAddr, place: SocketAddr, wait: Duration) -> io::Result<Overheard> {
        let socket = join(source, place)?;
        socket.set_read_timeout(Some(wait))?;
        Ok(Overheard {
            socket,
            source,
            place,
            buffer: vec![0; LONGEST],
            order: Order::default(),
        })
    }

    fn read(&mut self, messages: &mut Vec<Message>) -> Result<usize, StreamError> {
        messages.clear();
        let nothing = || StreamError::Io(ErrorKind::WouldBlock.into());
        let (count, source) = self.socket.recv_from(&mut self.buffer)?;
        if source.ip().to_canonical() != self.source {
            return Err(nothing());
        }
        let datagram = self.buffer.get(..count).unwrap_or_default();
        match opened(datagram) {
            Ok((instance, said)) if self.order.takes(instance, &said) => {
                *messages = said;
                Ok(count)
            }
            // Anybody can pretend to be the agent; that ends nothing.
            Ok(_) | Err(_) => Err(nothing()),
        }
    }
}

/// Datagrams that may be behind the others one after the other: what comes later of them is no latecomer, but shows
/// that a number before was not the agent's.
const MOST_LATE: u32 = 8;

/// How far the datagrams of an agent are.
#[derive(Debug, Default)]
struct Order {
    /// The start of the agent that has said who it is.
    instance: Option<u64>,
    next: u64,
    /// Datagrams that were late since the last that was not.
    late: u32,
}

impl Order {
    /// Whether a datagram comes in its turn, from an agent that is known, or that it makes known.
    fn takes(&mut self, instance: u64, messages: &[Message]) -> bool {
        let is_agent = |message: &Message| matches!(message, Message::Agent(agent) if agent.instance == instance);
        if self.instance != Some(instance) {
            if !messages.iter().any(is_agent) {
                return false;
            }
            (self.instance, self.next) = (Some(instance), 0);
        }
        let number = messages.iter().find_map(|message| match message {
            Message::Number(number) => Some(*number),
            _ => None,
        });
        let packets = messages.iter();
        let packets = packets.filter(|message| matches!(message, Message::Packet(_)));
        match number {
            Some(number) if number >= self.next || self.late >= MOST_LATE => {
                self.next = number.saturating_add(packets.count() as u64);
                self.late = 0;
                true
            }
            Some(_) => {
                self.late += 1;
                false
            }
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::extended::Agent;

    fn agent(instance: u64) -> Message {
        Message::Agent(Agent {
            instance,
            ..Agent::default()
        })
    }

    #[test]
    fn what_comes_late_or_twice_is_left_out() {
        let mut order = Order::default();
        let mut takes = |instance, messages: &[Message]| order.takes(instance, messages);
        // Who has not said who it is cannot be understood.
        assert!(!takes(1, &[Message::Number(5)]));
        assert!(!takes(1, &[agent(2), Message::Number(5)]));
        assert!(takes(1, &[agent(1), Message::Number(5)]));
        assert!(takes(1, &[Message::Number(9)]));
        assert!(!takes(1, &[Message::Number(7)]));
        assert!(!takes(1, &[]));
        // A number that was not the agent's holds nothing up for long.
        assert!(takes(1, &[Message::Number(1 << 40)]));
        let believed = (20..40).filter(|number| takes(1, &[Message::Number(*number)]));
        assert_eq!(believed.collect::<Vec<_>>(), (28..40).collect::<Vec<_>>());
        // It was started again.
        assert!(!takes(2, &[Message::Number(0)]));
        assert!(takes(2, &[agent(2), Message::Number(0)]));
    }
}
