//! One live source of several, in order of time as far as that can be known.
//!
//! Each source is read by a thread of its own, so that a silent one holds nobody up. A packet is
//! handed on when no other source can still give an earlier one: each has a later packet, or has
//! said that it is later there ([`Batch::clock`]). It waits for that no longer than the window, and
//! not at all while half of the batches of some source wait: order is worth less than packets.
//!
//! Guarantees: packets of one source keep their order; each thread has a fixed number of batches, and
//! a thread without any leaves packets where they wait (the kernel's ring); a source in trouble stops
//! nobody else, and the first trouble is reported once, at the end.

use std::collections::VecDeque;
use std::panic;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::source::UNREAD;
use crate::{Batch, Error, LAST_WORDS, LIVE_TICK, Origin, Progress, Source, Timestamp};

/// How long a packet waits for earlier ones of other sources.
pub const MERGE_WINDOW: Duration = Duration::from_millis(200);

/// Batches of each source, and their size: 8 MiB in all, if a source has that much to say within the
/// window.
const BATCHES: usize = 32;
const BLOCK_SIZE: usize = 256 << 10;
const MAX_PACKETS: usize = 4096;
/// How often a thread asks its source for its account.
const ACCOUNT: Duration = Duration::from_millis(500);

/// Merges live sources by time. Interface numbers stay those of each source. One source is given
/// back as it is. Threads begin when packets are asked for: who opens interfaces may have privileges then that
/// no thread is to have.
pub fn merge_live(mut sources: Vec<Box<dyn Source>>, window: Duration) -> Box<dyn Source> {
    match sources.pop() {
        Some(only) if sources.is_empty() => return only,
        Some(last) => sources.push(last),
        None => {}
    }
    let names: Vec<&str> = sources.iter().map(|source| source.name()).collect();
    let name = names.join(", ");
    let stop = Arc::new(AtomicBool::new(false));
    // Room for every batch and every end, so that no thread waits here.
    let (out, messages) = sync_channel(sources.len() * (BATCHES + 1));
    let inputs = sources.into_iter().enumerate().map(|(number, source)| {
        let (free, batches) = sync_channel(BATCHES);
        for _ in 0..BATCHES {
            // There is room, and the other end is here.
            drop(free.try_send(Batch::new(BLOCK_SIZE, MAX_PACKETS)));
        }
        let reading = Reading {
            number,
            batches,
            out: out.clone(),
            stop: Arc::clone(&stop),
        };
        Input {
            free,
            begins: Some((reading, source)),
            thread: None,
            waiting: VecDeque::new(),
            next: 0,
            clock: None,
            unread: 0,
            origins: Vec::new(),
        }
    });
    Box::new(LiveMerge {
        name,
        window,
        inputs: inputs.collect(),
        messages,
        stop,
        stopped: None,
        trouble: None,
        packets: 0,
        octets: 0,
        sequence: 0,
    })
}

/// What a thread says of its source.
struct Message {
    number: usize,
    origins: Option<Vec<Origin>>,
    event: Event,
}

enum Event {
    Filled(Batch),
    /// The last.
    End(Option<Error>),
}

/// The thread of a source.
struct Reading {
    number: usize,
    batches: Receiver<Batch>,
    out: SyncSender<Message>,
    stop: Arc<AtomicBool>,
}

impl Reading {
    fn run(self, mut source: Box<dyn Source>) {
        let mut asked = Instant::now();
        let (mut stopped, mut trouble) = (false, None);
        loop {
            if !stopped && self.stop.load(Ordering::Relaxed) {
                stopped = true;
                source.stop();
            }
            let mut batch = match self.batches.recv_timeout(LIVE_TICK) {
                Ok(batch) => batch,
                Err(RecvTimeoutError::Timeout) => continue,
                Err(RecvTimeoutError::Disconnected) => return,
            };
            match source.fill(&mut batch) {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) => {
                    trouble = Some(error);
                    break;
                }
            }
            let is_time = asked.elapsed() >= ACCOUNT;
            if is_time {
                asked = Instant::now();
            }
            let message = Message {
                number: self.number,
                origins: is_time.then(|| source.origins()),
                event: Event::Filled(batch),
            };
            if self.out.try_send(message).is_err() {
                return;
            }
        }
        drop(self.out.try_send(Message {
            number: self.number,
            origins: Some(source.origins()),
            event: Event::End(trouble.take()),
        }));
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        if thread::panicking() {
            // Who reads this joins the thread, and goes on with the panic.
            drop(self.out.try_send(Message {
                number: self.number,
                origins: None,
                event: Event::End(None),
            }));
        }
    }
}

/// A source as far as it has been read.
struct Input {
    free: SyncSender<Batch>,
    /// What its thread takes with it.
    begins: Option<(Reading, Box<dyn Source>)>,
    /// None before it begins and after its end.
    thread: Option<JoinHandle<()>>,
    /// Batches that are not merged yet, none of them empty, and when each came.
    waiting: VecDeque<(Batch, Instant)>,
    /// The first packet that is not merged yet, by its position in the first batch.
    next: usize,
    /// No later packet is older than this.
    clock: Option<Timestamp>,
    /// Packets that came too late for the last words.
    unread: u64,
    origins: Vec<Origin>,
}

impl Input {
    /// The time of its next packet, and when that came.
    fn head(&self) -> Option<(Timestamp, Instant)> {
        let (batch, came) = self.waiting.front()?;
        let packet = batch.packets().get(self.next)?;
        Some((packet.timestamp, *came))
    }

    /// Whether it may still give packets earlier than that.
    fn may_precede(&self, time: Timestamp) -> bool {
        self.thread.is_some()
            && self.waiting.is_empty()
            && self.clock.is_none_or(|clock| clock < time)
    }

    /// Gives up what waits.
    fn count_unread(&mut self) {
        while let Some((batch, _)) = self.waiting.pop_front() {
            self.unread += (batch.len() - self.next) as u64;
            self.next = 0;
            drop(self.free.try_send(batch));
        }
    }

    /// Its account, with what was given up here.
    fn origins(&self) -> Vec<Origin> {
        let mut origins = self.origins.clone();
        if self.unread > 0
            && let Some(origin) = origins.first_mut()
        {
            origin.lost += self.unread;
            match origin.events.iter_mut().find(|(name, _)| *name == UNREAD) {
                Some((_, count)) => *count += self.unread,
                None => origin.events.push((UNREAD, self.unread)),
            }
        }
        origins
    }

    /// Moves its next packet to a batch.
    fn move_to(&mut self, batch: &mut Batch) {
        let Some((first, _)) = self.waiting.front() else {
            return;
        };
        if let Some(packet) = first.packets().get(self.next) {
            batch.push_from(first, packet);
        }
        self.next += 1;
        if self.next >= first.len() {
            self.next = 0;
            if let Some((batch, _)) = self.waiting.pop_front() {
                // Where its thread has ended, nobody needs it.
                drop(self.free.try_send(batch));
            }
        }
    }
}

struct LiveMerge {
    name: String,
    window: Duration,
    inputs: Vec<Input>,
    messages: Receiver<Message>,
    stop: Arc<AtomicBool>,
    /// When it was told to stop.
    stopped: Option<Instant>,
    /// The first error of any source.
    trouble: Option<Error>,
    packets: u64,
    octets: u64,
    sequence: u64,
}

impl LiveMerge {
    fn begin(&mut self) {
        for input in &mut self.inputs {
            if let Some((reading, source)) = input.begins.take() {
                input.thread = Some(thread::spawn(move || reading.run(source)));
            }
        }
    }

    fn take(&mut self, message: Message) {
        let Some(input) = self.inputs.get_mut(message.number) else {
            return;
        };
        if let Some(origins) = message.origins {
            input.origins = origins;
        }
        match message.event {
            Event::Filled(batch) => {
                let last = batch.packets().last().map(|packet| packet.timestamp);
                input.clock = input.clock.max(last).max(batch.clock);
                if batch.is_empty() {
                    drop(input.free.try_send(batch));
                } else {
                    input.waiting.push_back((batch, Instant::now()));
                }
            }
            Event::End(trouble) => {
                if let Some(trouble) = trouble {
                    self.trouble.get_or_insert(trouble);
                }
                let thread = input.thread.take();
                if let Some(Err(panic)) = thread.map(JoinHandle::join) {
                    panic::resume_unwind(panic);
                }
            }
        }
    }

    /// The input whose next packet is the earliest, if that need not wait; otherwise how long it
    /// must, if there is one.
    fn earliest(&self) -> Result<usize, Option<Duration>> {
        let heads = || {
            let heads = self.inputs.iter().enumerate();
            heads.filter_map(|(number, input)| Some((number, input.head()?)))
        };
        let Some((number, (time, _))) = heads().min_by_key(|(_, (time, _))| *time) else {
            return Err(None);
        };
        let mut inputs = self.inputs.iter();
        let is_crowded = inputs.any(|input| input.waiting.len() >= BATCHES / 2);
        if is_crowded || !self.inputs.iter().any(|input| input.may_precede(time)) {
            return Ok(number);
        }
        let longest = heads().map(|(_, (_, came))| came.elapsed()).max();
        match self.window.checked_sub(longest.unwrap_or_default()) {
            Some(left) if !left.is_zero() => Err(Some(left)),
            _ => Ok(number),
        }
    }

    /// Whether some source has not ended yet.
    fn is_open(&self) -> bool {
        self.inputs.iter().any(|input| input.thread.is_some())
    }

    /// Counts all that waits, and what the sources still give, until they end.
    fn count_unread(&mut self) {
        let deadline = Instant::now() + LAST_WORDS;
        loop {
            self.inputs.iter_mut().for_each(Input::count_unread);
            let left = deadline.saturating_duration_since(Instant::now());
            match self.messages.recv_timeout(left) {
                Ok(message) => self.take(message),
                // All have ended, or there is no more time.
                Err(_) => return,
            }
        }
    }

    /// How late it is where the packets come from.
    fn clock(&self) -> Option<Timestamp> {
        let open = self.inputs.iter();
        let open = open.filter(|input| input.thread.is_some() || !input.waiting.is_empty());
        let each = open.map(|input| match input.head() {
            Some((time, _)) => Some(time),
            None => input.clock,
        });
        each.min().flatten()
    }
}

impl Source for LiveMerge {
    fn fill(&mut self, batch: &mut Batch) -> Result<bool, Error> {
        batch.clear();
        batch.sequence = self.sequence;
        batch.first_index = self.packets;
        self.begin();
        if self
            .stopped
            .is_some_and(|since| since.elapsed() > LAST_WORDS)
        {
            self.count_unread();
            return self.trouble.take().map_or(Ok(false), Err);
        }
        let deadline = Instant::now() + LIVE_TICK;
        loop {
            while let Ok(message) = self.messages.try_recv() {
                self.take(message);
            }
            let mut wait = None;
            while !batch.is_full() {
                match self.earliest() {
                    Ok(number) => self.inputs[number].move_to(batch),
                    Err(left) => {
                        wait = left;
                        break;
                    }
                }
            }
            if !batch.is_empty() {
                self.sequence += 1;
                self.packets += batch.len() as u64;
                let octets = batch.packets().iter().map(|packet| u64::from(packet.len));
                self.octets += octets.sum::<u64>();
                return Ok(true);
            }
            if !self.is_open() {
                return self.trouble.take().map_or(Ok(false), Err);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                batch.clock = self.clock();
                return Ok(true);
            }
            let wait = wait.unwrap_or(left).min(left);
            if let Ok(message) = self.messages.recv_timeout(wait) {
                self.take(message);
            }
        }
    }

    fn progress(&self) -> Progress {
        Progress {
            done: self.octets,
            total: None,
        }
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn is_live(&self) -> bool {
        true
    }

    fn stop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.stopped.get_or_insert_with(Instant::now);
    }

    fn origins(&mut self) -> Vec<Origin> {
        self.inputs.iter().flat_map(Input::origins).collect()
    }

    fn ceiling(&self) -> u64 {
        // Buffers double while they grow.
        self.inputs.len() as u64 * BATCHES as u64 * 2 * BLOCK_SIZE as u64
    }
}

impl Drop for LiveMerge {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for input in &mut self.inputs {
            // Without batches a thread ends, at the latest when its source has waited a tick.
            let (closed, _) = sync_channel(0);
            input.free = closed;
            if let Some(thread) = input.thread.take() {
                drop(thread.join());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Sender, channel};

    use super::*;
    use crate::LinkType;

    /// A source that gives what a test sends it: times of packets, or how late it is; each is a
    /// batch of its own. It ends when it is told to stop, or when the test does not send any more.
    struct Script {
        name: &'static str,
        steps: Receiver<Step>,
        stopped: bool,
        packets: u64,
    }

    enum Step {
        Packets(&'static [i64]),
        Clock(i64),
        Trouble,
        Panic,
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp { seconds, nanos: 0 }
    }

    impl Source for Script {
        fn fill(&mut self, batch: &mut Batch) -> Result<bool, Error> {
            batch.clear();
            match self.steps.recv_timeout(LIVE_TICK) {
                Ok(Step::Packets(times)) => {
                    for time in times {
                        let text = format!("{}{time}", self.name);
                        batch.push(at(*time), LinkType::RAW, 0, 2, text.as_bytes());
                    }
                    self.packets += times.len() as u64;
                }
                Ok(Step::Clock(time)) => batch.clock = Some(at(time)),
                Ok(Step::Trouble) => {
                    return Err(Error::Unsupported {
                        name: self.name.to_owned(),
                        reason: "it".to_owned(),
                    });
                }
                Ok(Step::Panic) => panic!("made up"),
                Err(RecvTimeoutError::Disconnected) => return Ok(false),
                Err(RecvTimeoutError::Timeout) => return Ok(!self.stopped),
            }
            Ok(true)
        }

        fn progress(&self) -> Progress {
            Progress::default()
        }

        fn name(&self) -> &str {
            self.name
        }

        fn is_live(&self) -> bool {
            true
        }

        fn stop(&mut self) {
            self.stopped = true;
        }

        fn origins(&mut self) -> Vec<Origin> {
            vec![Origin {
                name: self.name.to_owned(),
                packets: self.packets,
                ..Origin::default()
            }]
        }
    }

    /// A merged source of two, and what tells them what to do.
    fn two(window: Duration) -> (Box<dyn Source>, Sender<Step>, Sender<Step>) {
        let source = |name| {
            let (tell, steps) = channel();
            let script = Script {
                name,
                steps,
                stopped: false,
                packets: 0,
            };
            (Box::new(script) as Box<dyn Source>, tell)
        };
        let ((a, tell_a), (b, tell_b)) = (source("a"), source("b"));
        (merge_live(vec![a, b], window), tell_a, tell_b)
    }

    /// The packets up to the end, or until there was nothing for so many ticks.
    fn words(source: &mut dyn Source, ticks: usize) -> (String, Option<Error>) {
        let mut batch = Batch::new(1 << 16, 3);
        let (mut words, mut idle) = (Vec::new(), 0);
        while idle < ticks {
            match source.fill(&mut batch) {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) => return (words.join(" "), Some(error)),
            }
            idle += usize::from(batch.is_empty());
            let data = batch.iter().map(|(_, data)| String::from_utf8_lossy(data));
            words.extend(data.map(|word| word.into_owned()));
        }
        (words.join(" "), None)
    }

    const LONG: Duration = Duration::from_secs(1000);

    #[test]
    fn by_time_as_far_as_known() {
        let (mut merged, a, b) = two(LONG);
        a.send(Step::Packets(&[1, 3, 5])).expect("it runs");
        assert_eq!(words(merged.as_mut(), 2).0, "", "b may have earlier ones");
        b.send(Step::Packets(&[2, 4])).expect("it runs");
        assert_eq!(words(merged.as_mut(), 2).0, "a1 b2 a3 b4");
        b.send(Step::Clock(6)).expect("it runs");
        assert_eq!(words(merged.as_mut(), 2).0, "a5");
        a.send(Step::Clock(9)).expect("it runs");
        let mut batch = Batch::new(1, 1);
        while batch.clock != Some(at(6)) {
            assert!(merged.fill(&mut batch).expect("silence") && batch.is_empty());
        }
    }

    #[test]
    fn a_silent_source_is_waited_for_no_longer_than_the_window() {
        let (mut merged, a, _b) = two(Duration::from_millis(150));
        a.send(Step::Packets(&[1, 2])).expect("it runs");
        let started = Instant::now();
        assert_eq!(words(merged.as_mut(), 3).0, "a1 a2");
        assert!(started.elapsed() >= Duration::from_millis(150));
    }

    #[test]
    fn an_end_holds_nobody_up_and_trouble_comes_last() {
        let (mut merged, a, b) = two(LONG);
        a.send(Step::Packets(&[5])).expect("it runs");
        a.send(Step::Trouble).expect("it runs");
        b.send(Step::Packets(&[7, 1])).expect("it runs");
        drop(b);
        let (words, trouble) = words(merged.as_mut(), 100);
        assert_eq!(words, "a5 b7 b1");
        assert!(trouble.is_some());
        assert!(!merged.fill(&mut Batch::new(1, 1)).expect("the end"));
        let packets: Vec<_> = merged.origins().iter().map(|o| o.packets).collect();
        assert_eq!(packets, [1, 2]);
    }

    #[test]
    fn a_stop_ends_all() {
        let (mut merged, a, _b) = two(LONG);
        a.send(Step::Packets(&[1])).expect("it runs");
        assert_eq!(words(merged.as_mut(), 1).0, "");
        merged.stop();
        let (words, trouble) = words(merged.as_mut(), 100);
        assert!(words == "a1" && trouble.is_none(), "{words}");
    }

    #[test]
    fn a_crowd_waits_for_nobody() {
        let (mut merged, a, _b) = two(LONG);
        for _ in 0..10 * BATCHES {
            a.send(Step::Packets(&[1])).expect("it runs");
        }
        let found = words(merged.as_mut(), 2).0.matches("a1").count();
        let waiting = 10 * BATCHES - found;
        assert!(waiting < BATCHES / 2, "{waiting} of them wait");
    }

    #[test]
    fn what_is_too_late_for_the_last_words_is_counted() {
        let (mut merged, a, b) = two(LONG);
        for _ in 0..2 * BATCHES {
            a.send(Step::Packets(&[1, 1, 1])).expect("it runs");
        }
        b.send(Step::Packets(&[2])).expect("it runs");
        let mut batch = Batch::new(1 << 16, 2);
        assert!(merged.fill(&mut batch).expect("packets"));
        merged.stop();
        thread::sleep(LAST_WORDS + LIVE_TICK);
        let read = batch.len() as u64;
        assert!(!merged.fill(&mut batch).expect("the end") && batch.is_empty());
        let origins = merged.origins();
        let lost: u64 = origins.iter().map(|origin| origin.lost).sum();
        assert_eq!(read + lost, 6 * BATCHES as u64 + 1);
        assert_eq!(origins[1].events, [(UNREAD, 1)]);
    }

    #[test]
    #[should_panic(expected = "made up")]
    fn a_panic_is_passed_on() {
        let (mut merged, a, _b) = two(LONG);
        a.send(Step::Panic).expect("it runs");
        words(merged.as_mut(), 100);
    }
}
