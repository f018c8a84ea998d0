//! The extended stream, from notes of all interfaces to collectors.
//!
//! Guarantees: numbers are in the order of the stream, without gaps; the packets recorded of all interfaces in a
//! [`Status`] are as many as have numbers; nothing follows the end.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use netcap_relay::{Chunk, Fanout, Form, Preamble, QueueLimits, Slow};

use super::message::{Agent, Counters, Interface, LONGEST_NOTE, Machine, Message, Status};

/// Octets of a message that says a number.
const NUMBER: usize = 11;

/// Where the notes of all interfaces go.
#[derive(Debug)]
pub struct NoteOutlet {
    fanout: Fanout,
    preamble: Arc<Preamble>,
    state: Mutex<State>,
}

/// The packets of an interface by outcome.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NoteAccount {
    /// Its name.
    pub interface: String,
    /// As a status tells them.
    pub counters: Counters,
    /// Datagrams whose first fragment was forgotten for lack of room, so that later ones may lack their ports.
    pub forgotten: u64,
}

#[derive(Debug)]
struct State {
    agent: Agent,
    /// The position in the preamble after what it says of the agent.
    described: usize,
    next: u64,
    accounts: Vec<NoteAccount>,
    machine: Option<Machine>,
    /// Of captures how far they are: that is the time there, and not ours.
    passed: Option<i64>,
    has_ended: bool,
}

impl NoteOutlet {
    /// That of an agent, for collectors of which each may leave so many notes waiting; the oldest make room.
    pub fn new(agent: Agent, queue: usize) -> NoteOutlet {
        let preamble = Arc::new(Preamble::new(Form::Messages));
        let limits = QueueLimits {
            // Of any notes, in pieces of any size.
            octets: queue.saturating_mul(NUMBER + LONGEST_NOTE),
            packets: queue as u64,
            slow: Slow::DropOldest,
        };
        let accounts = agent.interfaces.iter().map(|interface| NoteAccount {
            interface: interface.name.clone(),
            ..NoteAccount::default()
        });
        let mut state = State {
            accounts: accounts.collect(),
            agent,
            described: 0,
            next: 0,
            machine: None,
            passed: None,
            has_ended: false,
        };
        state.describe(&preamble);
        NoteOutlet {
            fanout: Fanout::new(Arc::clone(&preamble), limits),
            preamble,
            state: Mutex::new(state),
        }
    }

    /// The same of captures: their time is that of the last packet, 0 before the first.
    #[must_use]
    pub fn of_captures(self) -> NoteOutlet {
        self.state().passed = Some(0);
        self
    }

    /// What collectors are served from.
    pub fn fanout(&self) -> &Fanout {
        &self.fanout
    }

    /// Of which start of the agent it is.
    pub fn instance(&self) -> u64 {
        self.state().agent.instance
    }

    /// How many collectors are there.
    pub fn collectors(&self) -> usize {
        self.fanout.audience().peers
    }

    /// Says that an interface has other addresses from now on.
    pub fn describe(&self, number: u16, interface: Interface) {
        let mut state = self.state();
        if let Some(known) = state.agent.interfaces.get_mut(usize::from(number))
            && *known != interface
        {
            *known = interface;
            state.describe(&self.preamble);
        }
    }

    /// Gives away the notes of an interface, which are none then, and takes note of the outcome of its packets
    /// so far, but for [`Counters::dropped`].
    pub fn publish(&self, number: u16, notes: &mut Chunk, counters: Counters, forgotten: u64) {
        let mut state = self.state();
        if let Some(account) = state.accounts.get_mut(usize::from(number)) {
            let dropped = account.counters.dropped;
            account.counters = Counters {
                dropped,
                ..counters
            };
            account.forgotten = forgotten;
        }
        if notes.packets == 0 {
            return;
        }
        let mut octets = Vec::with_capacity(NUMBER + notes.octets.len());
        Message::Number(state.next).write(&mut octets);
        octets.append(&mut notes.octets);
        state.next += notes.packets;
        self.give(&state, octets, std::mem::take(&mut notes.packets));
    }

    /// Says that captures have come to this time, in nanoseconds since 1970.
    pub fn passed(&self, time: i64) {
        let passed = &mut self.state().passed;
        *passed = passed.map(|before| before.max(time));
    }

    /// Says how many packets were dropped before they came.
    pub fn dropped(&self, number: u16, dropped: u64) {
        if let Some(account) = self.state().accounts.get_mut(usize::from(number)) {
            account.counters.dropped = dropped;
        }
    }

    /// The outcome of the packets of the interfaces so far, by number.
    pub fn accounts(&self) -> Vec<NoteAccount> {
        self.state().accounts.clone()
    }

    /// Whether each packet has one fate, and each that is recorded a number.
    pub fn is_balanced(&self) -> bool {
        let state = self.state();
        let counters = state.accounts.iter().map(|account| account.counters);
        let recorded: u64 = counters.clone().map(|counters| counters.recorded).sum();
        recorded == state.next && counters.clone().all(|counters| counters.is_balanced())
    }

    /// Tells how far things are, and how the host is, if it is watched.
    pub fn tell(&self, machine: Option<Machine>) {
        let mut state = self.state();
        state.machine = machine;
        let octets = state.status();
        self.give(&state, octets, 0);
    }

    /// Says how far things are, and that nothing more comes.
    pub fn end(&self) {
        let mut state = self.state();
        let mut octets = state.status();
        Message::End.write(&mut octets);
        self.give(&state, octets, 0);
        state.has_ended = true;
        self.fanout.end();
    }

    /// Says nothing more, not even that this is the end.
    pub fn abandon(&self) {
        self.state().has_ended = true;
        self.fanout.end();
    }

    fn give(&self, state: &State, octets: Vec<u8>, packets: u64) {
        if !state.has_ended {
            self.fanout.publish(&Arc::new(Chunk {
                octets,
                packets,
                pieces: state.described,
                by_interface: Vec::new(),
            }));
        }
    }

    /// Nobody panics while holding it.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn describe(&mut self, preamble: &Preamble) {
        let mut octets = Vec::new();
        Message::Agent(self.agent.clone()).write(&mut octets);
        self.described = preamble.replace(&octets);
    }

    /// How far things are, behind the number of the next packet: who has missed the last ones notices.
    fn status(&self) -> Vec<u8> {
        let counters = self.accounts.iter().map(|account| account.counters);
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = now.map_or(0, |now| i64::try_from(now.as_nanos()).unwrap_or(i64::MAX));
        let status = Status {
            time: self.passed.unwrap_or(now),
            next: self.next,
            machine: self.machine,
            interfaces: counters.collect(),
        };
        let mut octets = Vec::new();
        Message::Number(self.next).write(&mut octets);
        Message::Status(status).write(&mut octets);
        octets
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use netcap_relay::{Next, Supply};

    use super::super::Messages;
    use super::super::message::tests::{agent, note};
    use super::*;

    fn two() -> Agent {
        let one = agent();
        Agent {
            interfaces: vec![one.interfaces[0].clone(); 2],
            ..one
        }
    }

    fn notes(count: u64) -> Chunk {
        let mut notes = Chunk::default();
        for _ in 0..count {
            Message::Packet(note()).write(&mut notes.octets);
            notes.packets += 1;
        }
        notes
    }

    fn counters(recorded: u64) -> Counters {
        Counters {
            packets: recorded,
            recorded,
            ..Counters::default()
        }
    }

    /// The messages of the chunks that wait, with what their beginning says.
    fn messages(outlet: &NoteOutlet, feed: &mut dyn netcap_relay::Feed) -> Vec<Message> {
        let mut octets = Vec::new();
        let mut position = 0;
        while let Next::Chunk(chunk) = feed.next(Duration::ZERO) {
            if chunk.pieces > position {
                let (pieces, count) = outlet.preamble.from(position);
                octets.extend(pieces.concat());
                position = count;
            }
            octets.extend_from_slice(&chunk.octets);
        }
        let (mut found, mut reader) = (Vec::new(), Messages::new(&octets[..]));
        let count = reader.read(&mut found).expect("messages");
        assert_eq!((count, reader.partial()), (octets.len(), 0));
        found
    }

    #[test]
    fn numbers_are_in_the_order_of_the_stream() {
        let outlet = NoteOutlet::new(two(), 100);
        outlet.publish(0, &mut notes(3), counters(3), 0);
        assert_eq!(outlet.collectors(), 0);
        let mut feed = outlet.fanout().join();
        outlet.publish(0, &mut notes(0), counters(3), 0);
        outlet.publish(1, &mut notes(2), counters(2), 5);
        outlet.dropped(1, 7);
        let renamed = Interface {
            name: "eth7".to_owned(),
            ..agent().interfaces[0].clone()
        };
        outlet.describe(0, renamed.clone());
        outlet.publish(0, &mut notes(1), counters(4), 0);
        outlet.tell(Some(Machine::default()));
        outlet.end();
        assert!(outlet.is_balanced());
        let account = &outlet.accounts()[1];
        assert_eq!((&account.interface[..], account.forgotten), ("eth0", 5));
        outlet.publish(0, &mut notes(1), counters(5), 0);
        outlet.end();
        let found = messages(&outlet, feed.as_mut());
        let packet = Message::Packet(note());
        let [Message::Agent(first), rest @ ..] = &found[..] else {
            panic!("{found:?}");
        };
        // Who reads late has the newest.
        assert_eq!(first.interfaces[0], renamed);
        assert_eq!(
            rest[..3],
            [Message::Number(3), packet.clone(), packet.clone()]
        );
        assert_eq!(rest[3..5], [Message::Number(5), packet]);
        let [
            Message::Number(6),
            Message::Status(now),
            Message::Number(6),
            Message::Status(last),
            Message::End,
        ] = &rest[5..]
        else {
            panic!("{rest:?}");
        };
        assert_eq!((now.next, last.next), (6, 6));
        assert_eq!((now.machine.is_some(), last.machine), (true, now.machine));
        let expected = [
            counters(4),
            Counters {
                dropped: 7,
                ..counters(2)
            },
        ];
        assert_eq!(last.interfaces, expected);
    }

    #[test]
    fn captures_have_a_time_of_their_own() {
        let outlet = NoteOutlet::new(two(), 100).of_captures();
        let mut feed = outlet.fanout().join();
        outlet.tell(None);
        for time in [7, 5] {
            outlet.passed(time);
            outlet.tell(None);
        }
        let found = messages(&outlet, feed.as_mut());
        let times: Vec<i64> = found
            .iter()
            .filter_map(|message| match message {
                Message::Status(status) => Some(status.time),
                _ => None,
            })
            .collect();
        assert_eq!(times, [0, 7, 7]);
    }

    #[test]
    fn who_is_slow_sees_how_many_are_lost() {
        let outlet = NoteOutlet::new(two(), 5);
        let mut feed = outlet.fanout().join();
        for so_far in 1..=10 {
            outlet.publish(0, &mut notes(1), counters(so_far), 0);
        }
        outlet.end();
        let found = messages(&outlet, feed.as_mut());
        let numbers: Vec<u64> = found
            .iter()
            .filter_map(|message| match message {
                Message::Number(number) => Some(*number),
                _ => None,
            })
            .collect();
        assert_eq!(numbers, [5, 6, 7, 8, 9, 10]);
        assert_eq!(found.last(), Some(&Message::End));
        assert_eq!(feed.losses().dropped_packets, 5);
    }
}
