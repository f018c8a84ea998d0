//! Live capture from interfaces, through libpcap.
//!
//! The kernel's ring is the buffer. Whoever calls [`Source::fill`] is the capturing thread; while it
//! does not come, packets wait in the ring, and what finds no room there is dropped and counted by
//! the kernel. Times are those of the kernel, in nanoseconds where it has them.
//!
//! Guarantees: with a filter, packets that it refuses never leave the kernel; every packet that was
//! captured before [`Source::stop`] is delivered or counted as lost; an interface that goes down or
//! away is an error behind the packets that came before.

use std::thread;
use std::time::{Duration, Instant};

use crate::libpcap::{self, LibpcapError, Live, LiveOptions, LiveStatistics};
use crate::source::{LAST_WORDS, UNREAD};
use crate::{
    Batch, Error, Filter, LIVE_TICK, LinkType, MERGE_WINDOW, Origin, Progress, Source, Timestamp,
    merge_live,
};

/// How late a packet may leave the kernel: twice the patience that [`LiveOptions`] has by default,
/// for a block of the ring is handed on when it is full or after that patience.
const LATENESS: Duration = Duration::from_millis(100);

/// How often a device in trouble is asked again.
const AGAIN: Duration = Duration::from_millis(10);

/// Opens interfaces for capture; several are merged by time. The interface numbers of packets are
/// the positions of `names`. The filter is compiled for each interface of its own.
///
/// # Errors
///
/// Where one of them cannot be captured from, or the filter makes no sense for it.
pub fn open_interfaces<N: AsRef<str>>(
    names: &[N],
    options: &LiveOptions,
    filter: Option<&Filter>,
) -> Result<Box<dyn Source>, Error> {
    let mut sources: Vec<Box<dyn Source>> = Vec::new();
    for (name, number) in names.iter().zip(0..) {
        let source = LiveSource::open(name.as_ref(), number, options, filter)?;
        sources.push(Box::new(source));
    }
    Ok(merge_live(sources, MERGE_WINDOW))
}

/// What gives packets as they happen: an interface, or what a test makes up.
pub trait Device: Send {
    /// As [`Live::read`].
    fn read(
        &mut self,
        batch: &mut Batch,
        interface: u32,
        wait: Duration,
    ) -> Result<usize, LibpcapError>;

    /// As [`Live::statistics`].
    fn statistics(&mut self) -> Result<LiveStatistics, LibpcapError>;
}

impl Device for Live {
    fn read(
        &mut self,
        batch: &mut Batch,
        interface: u32,
        wait: Duration,
    ) -> Result<usize, LibpcapError> {
        Live::read(self, batch, interface, wait)
    }

    fn statistics(&mut self) -> Result<LiveStatistics, LibpcapError> {
        Live::statistics(self)
    }
}

/// One interface.
pub struct LiveSource<D = Live> {
    device: D,
    interface: u32,
    origin: Origin,
    sequence: u64,
    /// What the system said last.
    statistics: LiveStatistics,
    /// Packets that were captured before the stop and came too late for the last words.
    unread: u64,
    /// When it was told to stop, by both clocks.
    stopped: Option<(Timestamp, Instant)>,
    /// Why there are no more packets, until it is told, and when that was known.
    trouble: Option<(LibpcapError, Instant)>,
    ended: bool,
}

impl LiveSource {
    /// Opens an interface; `number` is that of its packets.
    ///
    /// # Errors
    ///
    /// Where it cannot be captured from, or the filter makes no sense for it.
    pub fn open(
        name: &str,
        number: u32,
        options: &LiveOptions,
        filter: Option<&Filter>,
    ) -> Result<LiveSource, Error> {
        let device = libpcap::open_live(name, options)?;
        let mut source = LiveSource::new(device, name, number);
        filter.map_or(Ok(()), |filter| source.set_filter(filter))?;
        Ok(source)
    }

    /// Has another filter from now on; see [`Live::set_filter`].
    ///
    /// # Errors
    ///
    /// It makes no sense for the interface, or the system does not take it; the filter before holds on.
    pub fn set_filter(&mut self, filter: &Filter) -> Result<(), Error> {
        let program = filter.program_for(&mut self.device)?;
        self.device.set_filter(&program).map_err(Error::NoFilter)
    }

    /// What its packets begin with.
    pub fn link_type(&self) -> LinkType {
        self.device.link_type()
    }

    /// Whether its times have nanoseconds, and not microseconds.
    pub fn is_nanoseconds(&self) -> bool {
        self.device.is_nanoseconds()
    }
}

impl<D: Device> LiveSource<D> {
    fn new(device: D, name: &str, interface: u32) -> LiveSource<D> {
        LiveSource {
            device,
            interface,
            origin: Origin {
                name: name.to_owned(),
                ..Origin::default()
            },
            sequence: 0,
            statistics: LiveStatistics::default(),
            unread: 0,
            stopped: None,
            trouble: None,
            ended: false,
        }
    }

    /// Reads what there is. The error comes when nothing comes any more: the kernel may still hold
    /// packets of an interface that is gone.
    fn read(&mut self, batch: &mut Batch) -> Result<(), LibpcapError> {
        loop {
            let read = self.device.read(batch, self.interface, LIVE_TICK);
            match (read, &self.trouble) {
                (Err(trouble), None) => self.trouble = Some((trouble, Instant::now())),
                (Err(_), Some(_)) => thread::sleep(AGAIN),
                (Ok(_), _) => {}
            }
            match &self.trouble {
                Some((trouble, since)) if batch.is_empty() => {
                    if since.elapsed() > LATENESS {
                        return Err(trouble.clone());
                    }
                }
                _ => return Ok(()),
            }
        }
    }

    /// Counts what was captured before the stop and is not asked for any more.
    fn count_unread(&mut self, batch: &mut Batch, until: Timestamp) {
        let mut is_before = true;
        while is_before {
            batch.clear();
            let read = self.device.read(batch, self.interface, Duration::ZERO);
            let times = batch.packets().iter().map(|packet| packet.timestamp);
            let before = times.filter(|time| *time <= until).count();
            self.unread += before as u64;
            is_before = matches!(read, Ok(count) if count > 0 && count == before);
        }
        batch.clear();
    }
}

impl<D: Device> Source for LiveSource<D> {
    fn fill(&mut self, batch: &mut Batch) -> Result<bool, Error> {
        batch.clear();
        batch.sequence = self.sequence;
        batch.first_index = self.origin.packets;
        if let Some((until, since)) = self.stopped
            && !self.ended
            && since.elapsed() > LAST_WORDS
        {
            self.count_unread(batch, until);
            self.ended = true;
        }
        if self.ended {
            return Ok(false);
        }
        if let Err(source) = self.read(batch) {
            self.ended = true;
            let packets = self.origin.packets;
            return Err(Error::InterfaceEnded { packets, source });
        }
        let last = batch.packets().last().map(|packet| packet.timestamp);
        if let Some((until, _)) = self.stopped
            && last.is_none_or(|last| last > until)
        {
            self.ended = true;
        }
        if batch.is_empty() {
            batch.clock = Some(Timestamp::of_wall_clock(LATENESS));
            return Ok(!self.ended);
        }
        self.sequence += 1;
        self.origin.packets += batch.len() as u64;
        let octets = batch.packets().iter().map(|packet| u64::from(packet.len));
        self.origin.octets += octets.sum::<u64>();
        Ok(true)
    }

    fn progress(&self) -> Progress {
        Progress {
            done: self.origin.octets,
            total: None,
        }
    }

    fn name(&self) -> &str {
        &self.origin.name
    }

    fn is_live(&self) -> bool {
        true
    }

    fn stop(&mut self) {
        let now = (Timestamp::of_wall_clock(Duration::ZERO), Instant::now());
        self.stopped.get_or_insert(now);
    }

    fn origins(&mut self) -> Vec<Origin> {
        // An interface that is gone counts nothing any more; what it had counted stays.
        if let Ok(statistics) = self.device.statistics() {
            self.statistics = statistics;
        }
        let causes = [
            ("by the kernel", self.statistics.dropped),
            ("by the interface", self.statistics.dropped_by_interface),
            (UNREAD, self.unread),
        ];
        let trouble = self.trouble.as_ref().map(|(trouble, _)| {
            let text = trouble.to_string();
            let rest = text.strip_prefix(&self.origin.name);
            let rest = rest.and_then(|rest| rest.strip_prefix(": "));
            rest.map(str::to_owned).unwrap_or(text)
        });
        vec![Origin {
            lost: causes.iter().map(|(_, count)| count).sum(),
            events: causes.into_iter().filter(|(_, n)| *n > 0).collect(),
            trouble,
            ..self.origin.clone()
        }]
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::*;

    /// A device that has these packets, by their times; it is silent after them, or fails.
    struct Script {
        packets: VecDeque<i64>,
        fails: bool,
    }

    impl Device for Script {
        fn read(
            &mut self,
            batch: &mut Batch,
            interface: u32,
            _wait: Duration,
        ) -> Result<usize, LibpcapError> {
            let before = batch.len();
            while !batch.is_full()
                && let Some(seconds) = self.packets.pop_front()
            {
                let time = Timestamp { seconds, nanos: 0 };
                batch.push(time, LinkType::ETHERNET, interface, 4, b"ping");
            }
            match self.packets.is_empty() && self.fails {
                true => Err(LibpcapError::Down("made-up".to_owned())),
                false => Ok(batch.len() - before),
            }
        }

        fn statistics(&mut self) -> Result<LiveStatistics, LibpcapError> {
            Ok(LiveStatistics {
                received: 9,
                dropped: 2,
                dropped_by_interface: 3,
            })
        }
    }

    fn source(packets: impl IntoIterator<Item = i64>, fails: bool) -> LiveSource<Script> {
        let packets = packets.into_iter().collect();
        LiveSource::new(Script { packets, fails }, "made-up", 7)
    }

    #[test]
    fn silence_is_an_empty_batch_with_a_clock() {
        let mut source = source([1, 2, 3], false);
        let mut batch = Batch::new(1 << 16, 2);
        assert!(source.fill(&mut batch).expect("packets"));
        assert_eq!((batch.len(), batch.packets()[0].interface), (2, 7));
        assert!(batch.clock.is_none());
        assert!(source.fill(&mut batch).expect("a packet"));
        assert_eq!((batch.len(), batch.sequence, batch.first_index), (1, 1, 2));
        assert!(source.fill(&mut batch).expect("silence"));
        assert!(batch.is_empty() && batch.clock.is_some());
        let origin = &source.origins()[0];
        assert_eq!((origin.packets, origin.octets, origin.lost), (3, 12, 5));
    }

    #[test]
    fn packets_come_before_the_trouble() {
        let mut source = source([1, 2], true);
        let mut batch = Batch::new(1 << 16, 10);
        assert!(source.fill(&mut batch).expect("packets first") && batch.len() == 2);
        let error = source.fill(&mut batch).expect_err("then the trouble");
        assert!(!error.is_input_fault());
        let error = error.to_string();
        assert!(error.contains("made-up") && error.contains("2 packets"));
        assert!(!source.fill(&mut batch).expect("then the end"));
        let told = source.origins().remove(0).trouble;
        assert!(told.is_some_and(|why| why.starts_with("the interface is down")));
    }

    #[test]
    fn a_stop_gives_what_was_there() {
        let mut source = source([1, 2, 3], false);
        let mut batch = Batch::new(1 << 16, 2);
        source.stop();
        assert!(source.fill(&mut batch).expect("packets") && batch.len() == 2);
        assert!(source.fill(&mut batch).expect("a packet") && batch.len() == 1);
        assert!(!source.fill(&mut batch).expect("the end"));
        assert!(!source.fill(&mut batch).expect("the end is final"));
    }

    #[test]
    fn a_stop_ends_before_later_packets() {
        let later = Timestamp::of_wall_clock(Duration::ZERO).seconds + 1000;
        let mut source = source([1, later, later, later], false);
        let mut batch = Batch::new(1 << 16, 2);
        source.stop();
        assert!(source.fill(&mut batch).expect("packets"));
        assert!(!source.fill(&mut batch).expect("the end"));
    }

    #[test]
    fn what_is_too_late_for_the_last_words_is_counted() {
        let later = Timestamp::of_wall_clock(Duration::ZERO).seconds + 1000;
        let mut source = source([1, 2, 3, 4, 5, later, later, later], false);
        let mut batch = Batch::new(1 << 16, 2);
        source.stop();
        assert!(source.fill(&mut batch).expect("packets"));
        std::thread::sleep(LAST_WORDS);
        assert!(!source.fill(&mut batch).expect("the end") && batch.is_empty());
        assert_eq!(source.origins()[0].lost, 5 + 3);
    }
}
