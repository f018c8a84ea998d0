//! What becomes of packets on their way into a stream: some are left out, some are cut.

use std::net::SocketAddr;
use std::sync::Arc;

use netcap_capture::{Filter, FilterError, Packet};

use crate::feedback::Feedback;
use crate::inlet::Inlet;
use crate::own_traffic::{Ends, OwnTraffic, ends};
use crate::stream::{Chunk, Encoder, Fate, Interface, Preamble, UNKNOWN_SNAPLEN};

/// What is left out, and how much is kept of the rest.
#[derive(Clone, Debug, Default)]
pub struct Shaping {
    /// Only packets that this filter keeps.
    pub filter: Option<Arc<Filter>>,
    /// Octets kept of each packet at most; unless said, 262,144: Wireshark and tcpdump stop at more.
    pub snaplen: Option<u32>,
    /// Not our own connections.
    pub own: Option<Arc<OwnTraffic>>,
}

/// What became of packets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Packets that came.
    pub read: u64,
    /// Captured octets of those.
    pub octets: u64,
    /// Those that are in the stream, or in the file beside it.
    pub written: u64,
    /// Those that were cut to what is kept of each.
    pub cut: u64,
    /// Those that the filter left out.
    pub filtered: u64,
    /// Those of our own connections.
    pub own: u64,
    /// Those by which the stream would feed itself, left out.
    pub feedback: u64,
    /// Those without octets, which peers do not get.
    pub empty: u64,
    /// Those that a stream of pcap has no room for, being of another link type.
    pub other_link_type: u64,
    /// Those of interfaces beyond what a stream describes.
    pub too_many_interfaces: u64,
}

/// Who feeds a stream with itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Feeder {
    /// The connection with these ends carries what we send.
    Connection(SocketAddr, SocketAddr),
    /// The packets of the interface of that name have been through here.
    Interface(String),
}

/// Feeders that are named.
const MOST_NAMED: usize = 64;

/// Makes chunks of batches.
#[derive(Clone, Debug)]
pub(crate) struct Shaper {
    shaping: Shaping,
    encoder: Encoder,
    preamble: Arc<Preamble>,
    interfaces: Vec<Interface>,
    feedback: Feedback,
    pub(crate) counts: Counts,
    /// Who feeds the stream with itself, each once.
    pub(crate) feeders: Vec<Feeder>,
}

impl Shaper {
    pub(crate) fn new(shaping: Shaping, preamble: Arc<Preamble>) -> Shaper {
        Shaper {
            shaping,
            feedback: Feedback::new(preamble.form()),
            encoder: Encoder::new(Arc::clone(&preamble)),
            preamble,
            interfaces: Vec::new(),
            counts: Counts::default(),
            feeders: Vec::new(),
        }
    }

    /// Takes note of interfaces that have appeared, so that readers know of them at once, and of those that come from
    /// elsewhere now. One whose packets have been through here is none of the stream.
    pub(crate) fn announce(&mut self, interfaces: Vec<Interface>) {
        let cut = self.shaping.snaplen;
        for (at, interface) in interfaces.iter().enumerate() {
            let known = self.interfaces.get(at);
            if known.is_some_and(|known| known.path == interface.path) {
                continue;
            }
            let number = u32::try_from(at).unwrap_or(u32::MAX);
            if known.is_some() {
                self.encoder.forget(number, interface.link_type);
            }
            if self.has_been_here(interface) {
                self.name(Feeder::Interface(interface.name.clone()));
            } else {
                self.encoder
                    .number(number, interface.link_type, || shown(interface, cut));
            }
        }
        self.interfaces = interfaces;
    }

    fn has_been_here(&self, interface: &Interface) -> bool {
        let path = interface.path.as_ref();
        path.is_some_and(|path| path.has(self.preamble.station()))
    }

    /// Takes note of who feeds the stream with itself.
    fn name(&mut self, feeder: Feeder) {
        if self.feeders.len() < MOST_NAMED && !self.feeders.contains(&feeder) {
            self.feeders.push(feeder);
        }
    }

    /// Appends a packet with these octets to the chunk, unless it is left out. `Err`: the filter
    /// means nothing for its link type.
    ///
    /// Packets without octets are for files only: dumpcap takes one for the end of the stream.
    pub(crate) fn append(
        &mut self,
        chunk: &mut Chunk,
        (packet, octets): (&Packet, &[u8]),
        inlet: &dyn Inlet,
        is_for_file: bool,
    ) -> Result<(), FilterError> {
        self.counts.read += 1;
        self.counts.octets += u64::from(packet.captured_len());
        if packet.interface as usize >= self.interfaces.len() {
            self.announce(inlet.interfaces());
        }
        let own = self.shaping.own.as_ref();
        let ends = own.and_then(|_| ends(packet.link_type, octets));
        if let (Some(own), Some(ends)) = (own, &ends)
            && own.has(ends)
        {
            self.counts.own += 1;
            return Ok(());
        }
        if self.feeds(packet, octets, ends.as_ref()) {
            self.counts.feedback += 1;
            return Ok(());
        }
        if let Some(filter) = &self.shaping.filter
            && !filter.keeps(packet.link_type, octets, packet.original_len)?
        {
            self.counts.filtered += 1;
            return Ok(());
        }
        if octets.is_empty() {
            self.counts.empty += 1;
            if !is_for_file {
                return Ok(());
            }
        }
        let most = self.shaping.snaplen.unwrap_or(UNKNOWN_SNAPLEN) as usize;
        let kept = octets.len().min(most);
        self.counts.cut += u64::from(kept < octets.len());
        let interface = self.interfaces.get(packet.interface as usize);
        let begin = chunk.octets.len();
        let fate = self.encoder.append(chunk, packet, &octets[..kept], || {
            interface.cloned().unwrap_or_else(|| Interface {
                name: inlet.name().to_owned(),
                link_type: packet.link_type,
                snaplen: 0,
                path: None,
            })
        });
        match fate {
            Fate::Written => {
                self.counts.written += 1;
                if let Some(ends) = ends {
                    let record = chunk.octets.get(begin..).unwrap_or_default();
                    self.feedback.wrote(record, &ends);
                }
            }
            Fate::OtherLinkType => self.counts.other_link_type += 1,
            Fate::TooManyInterfaces => self.counts.too_many_interfaces += 1,
        }
        Ok(())
    }

    /// Whether the stream would feed itself by this packet. A connection by which it does is one of our own from then on.
    fn feeds(&mut self, packet: &Packet, octets: &[u8], ends: Option<&Ends>) -> bool {
        if let Some(interface) = self.interfaces.get(packet.interface as usize)
            && self.has_been_here(interface)
        {
            return true;
        }
        let (Some(own), Some(ends)) = (&self.shaping.own, ends) else {
            return false;
        };
        if !self.feedback.feeds_itself(octets, ends) {
            return false;
        }
        let (_, source, destination) = *ends;
        own.opened((source, destination));
        self.name(Feeder::Connection(source, destination));
        true
    }
}

/// An interface as readers are told of it.
fn shown(interface: &Interface, cut: Option<u32>) -> Interface {
    let snaplen = match (interface.snaplen, cut) {
        (0, cut) => cut.unwrap_or(0),
        (known, None) => known,
        (known, Some(cut)) => known.min(cut),
    };
    Interface {
        snaplen,
        ..interface.clone()
    }
}

#[cfg(test)]
mod tests {
    use netcap_capture::{Batch, Error, LinkType, Progress, Source, Timestamp};

    use super::*;
    use crate::path::{Path, Station};
    use crate::stream::Form;

    /// Streams that have been somewhere.
    struct Streams(Vec<Interface>);

    impl Source for Streams {
        fn fill(&mut self, _: &mut Batch) -> Result<bool, Error> {
            Ok(false)
        }

        fn progress(&self) -> Progress {
            Progress::default()
        }

        fn name(&self) -> &str {
            "a test"
        }
    }

    impl Inlet for Streams {
        fn interfaces(&self) -> Vec<Interface> {
            self.0.clone()
        }
    }

    fn interface(name: &str, path: Path) -> Interface {
        Interface {
            name: name.to_owned(),
            link_type: LinkType::ETHERNET,
            snaplen: 0,
            path: Some(path),
        }
    }

    fn pass(shaper: &mut Shaper, streams: &Streams, numbers: &[u32]) -> Chunk {
        let mut batch = Batch::new(1 << 16, 1000);
        for number in numbers {
            batch.push(
                Timestamp::new(1, 1),
                LinkType::ETHERNET,
                *number,
                60,
                &[7; 60],
            );
        }
        let mut chunk = Chunk::default();
        for packet in batch.iter() {
            let appended = shaper.append(&mut chunk, packet, streams, false);
            appended.expect("no filter");
        }
        chunk
    }

    #[test]
    fn only_what_has_been_here_is_left_out() {
        let preamble = Arc::new(Preamble::new(Form::Pcapng));
        let mut shaper = Shaper::new(Shaping::default(), Arc::clone(&preamble));
        let there = Path::default().through(Station::new());
        let mut streams = Streams(vec![
            interface("sensor", Path::default()),
            interface(
                "hub/sensor",
                there.through(preamble.station()).through(Station::new()),
            ),
            interface("hub/own", there.clone()),
        ]);
        let chunk = pass(&mut shaper, &streams, &[0, 1, 2, 0, 1, 2]);
        assert_eq!(chunk.by_interface, [(0, 2), (1, 2)]);
        assert_eq!((shaper.counts.feedback, shaper.counts.written), (2, 4));
        let feeder = Feeder::Interface("hub/sensor".to_owned());
        assert_eq!(shaper.feeders, std::slice::from_ref(&feeder));
        // What is equal again and again on the wire is passed on.
        pass(&mut shaper, &streams, &[0; 500]);
        assert_eq!((shaper.counts.feedback, shaper.counts.written), (2, 504));

        // One that was started anew, and reads from here now.
        streams.0[2].path = Some(there.through(preamble.station()));
        shaper.announce(streams.interfaces());
        pass(&mut shaper, &streams, &[1, 2]);
        assert_eq!((shaper.counts.feedback, shaper.counts.written), (4, 504));
        assert_eq!(
            shaper.feeders,
            [feeder, Feeder::Interface("hub/own".to_owned())]
        );
        // And no longer.
        streams.0[2].path = Some(there);
        shaper.announce(streams.interfaces());
        let chunk = pass(&mut shaper, &streams, &[2]);
        assert_eq!(chunk.by_interface, [(2, 1)]);
    }
}
