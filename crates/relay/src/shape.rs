//! What becomes of packets on their way into a stream: some are left out, some are cut.

use std::sync::Arc;

use netcap_capture::{Filter, FilterError, Packet};

use crate::feedback::{Feedback, Feeder};
use crate::inlet::Inlet;
use crate::own_traffic::{OwnTraffic, ends};
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
    /// Those by which the stream would feed itself, left out, and who began with it.
    pub feedback: u64,
    /// See there.
    pub feeder: Option<Feeder>,
    /// Those without octets, which peers do not get.
    pub empty: u64,
    /// Those that a stream of pcap has no room for, being of another link type.
    pub other_link_type: u64,
    /// Those of interfaces beyond what a stream describes.
    pub too_many_interfaces: u64,
}

/// Makes chunks of batches.
#[derive(Clone, Debug)]
pub(crate) struct Shaper {
    shaping: Shaping,
    encoder: Encoder,
    interfaces: Vec<Interface>,
    /// How many of those the stream knows.
    announced: usize,
    feedback: Feedback,
    pub(crate) counts: Counts,
}

impl Shaper {
    pub(crate) fn new(shaping: Shaping, preamble: Arc<Preamble>) -> Shaper {
        Shaper {
            shaping,
            encoder: Encoder::new(preamble),
            interfaces: Vec::new(),
            announced: 0,
            feedback: Feedback::default(),
            counts: Counts::default(),
        }
    }

    /// Takes note of interfaces that have appeared, so that readers know of them at once.
    pub(crate) fn announce(&mut self, interfaces: Vec<Interface>) {
        self.interfaces = interfaces;
        let cut = self.shaping.snaplen;
        for (number, interface) in self.interfaces.iter().enumerate().skip(self.announced) {
            let number = u32::try_from(number).unwrap_or(u32::MAX);
            self.encoder
                .number(number, interface.link_type, || shown(interface, cut));
        }
        self.announced = self.interfaces.len();
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
        if let Some(own) = &self.shaping.own
            && own.contains(packet.link_type, octets)
        {
            self.counts.own += 1;
            return Ok(());
        }
        if inlet.is_live()
            && let Some(feeder) = self.feeder(packet, octets)
        {
            self.counts.feedback += 1;
            self.counts.feeder.get_or_insert(feeder);
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
        if packet.interface as usize >= self.announced {
            self.announce(inlet.interfaces());
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
            })
        });
        match fate {
            Fate::Written => {
                self.counts.written += 1;
                if self.shaping.own.is_some() {
                    self.feedback
                        .wrote(chunk.octets.get(begin..).unwrap_or_default());
                }
            }
            Fate::OtherLinkType => self.counts.other_link_type += 1,
            Fate::TooManyInterfaces => self.counts.too_many_interfaces += 1,
        }
        Ok(())
    }

    /// Who feeds the stream with itself by this packet, if it does. A connection that does is one of our
    /// own from then on.
    fn feeder(&mut self, packet: &Packet, octets: &[u8]) -> Option<Feeder> {
        let Some(own) = &self.shaping.own else {
            let again = self.feedback.comes_again(packet, octets);
            return again.then_some(Feeder::Interface(packet.interface));
        };
        let (_, source, destination) = ends(packet.link_type, octets)?;
        if !self.feedback.holds(octets) {
            return None;
        }
        own.opened((source, destination));
        Some(Feeder::Connection(source, destination))
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
