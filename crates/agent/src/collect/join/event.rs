//! What messages of an agent mean to the join; made before its lock is taken.

use std::net::IpAddr;

use foldhash::quality::RandomState;

use super::sighting::{Flow, Sighting, Unfit};
use crate::collect::progress::Step;
use crate::extended::Message;

/// See the module.
#[derive(Debug)]
pub(crate) struct Events(pub(super) Vec<Event>);

/// What a message means.
#[derive(Debug)]
pub(super) enum Event {
    /// The agent has these addresses, and tells of so much.
    Agent {
        addresses: Vec<IpAddr>,
        scope: Scope,
        ports: Vec<u16>,
    },
    /// Records before this are missing.
    Missing,
    /// A packet that can be joined.
    Seen(Sighting),
    /// One of this time and flow that cannot.
    Unfit(i64, Unfit, Flow),
    /// It is this time there; packets were dropped since it last was.
    Status(i64, bool),
    /// Nothing more comes.
    End,
}

/// Which packets an agent tells of, by its mode.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Scope {
    /// Those that its filter selects, whatever they are.
    #[default]
    Some,
    /// Those that it sends.
    Sent,
    /// All that come to its addresses.
    Received,
    /// All.
    All,
}

impl Scope {
    fn of(mode: &str) -> Scope {
        match mode {
            "src" => Scope::Sent,
            "dst" => Scope::Received,
            "none" => Scope::All,
            _ => Scope::Some,
        }
    }

    /// Whether everything that comes to the agent's addresses is among them.
    pub(super) fn has_all_received(self) -> bool {
        matches!(self, Scope::Received | Scope::All)
    }
}

/// Addresses of an agent that are looked at: each has few.
const MOST_ADDRESSES: usize = 256;

impl Events {
    /// Of messages, of each of which is known what it says of the stream.
    pub(crate) fn of(messages: &[Message], steps: &[Step], state: &RandomState) -> Events {
        let mut events = Vec::with_capacity(messages.len());
        for (message, step) in messages.iter().zip(steps) {
            if *step == Step::Missing {
                events.push(Event::Missing);
            }
            events.push(match message {
                Message::Agent(who) => Event::Agent {
                    addresses: who
                        .interfaces
                        .iter()
                        .flat_map(|interface| interface.addresses.iter().copied())
                        .take(MOST_ADDRESSES)
                        .collect(),
                    scope: Scope::of(&who.mode),
                    ports: who.ports.clone(),
                },
                Message::Packet(note) => match Sighting::of(note, state) {
                    Ok(sighting) => Event::Seen(sighting),
                    Err(unfit) => Event::Unfit(note.time, unfit, Flow::from(note)),
                },
                Message::Status(status) => Event::Status(status.time, *step == Step::Dropped),
                Message::End => Event::End,
                Message::Number(_) | Message::Origin(_) => continue,
            });
        }
        Events(events)
    }
}
