//! Capture filters in tcpdump's language (pcap-filter(7)), for packets of any link type.
//!
//! Guarantees: the packets kept are those that `tcpdump -r` keeps; an expression is compiled by
//! libpcap once for each link type that comes, and never again; threads that share a filter do not
//! wait for each other once it is compiled; a packet whose link type the expression makes no sense
//! for is an error, as in tcpdump, and not a packet that does not match.

use std::fmt;
use std::sync::OnceLock;

use crate::LinkType;
use crate::bpf::Program;
use crate::filter_place::Place;
use crate::libpcap::{self, LibpcapError, Live};

/// Link types below that have a place for their program; libpcap knows none beyond.
const LINK_TYPES: usize = 512;

/// Link types that an expression is tried on before there are packets: between them they have every
/// part of the language, and most expressions are for the first.
const TRIED: [LinkType; 6] = [
    LinkType::ETHERNET,
    LinkType::IEEE802_11_RADIOTAP,
    LinkType::LINUX_SLL,
    LinkType::PFLOG,
    LinkType::SUNATM,
    LinkType::MTP2,
];

/// An expression, and its programs.
pub struct Filter {
    expression: String,
    /// By link type, for both byte orders.
    programs: Box<[[Compiled; 2]]>,
}

/// The program for a link type and byte order, once there was a packet of these.
type Compiled = OnceLock<Result<Program, FilterError>>;

/// Why an expression does not filter. The text of an expression that is wrong has three lines: what
/// libpcap says, the expression, and a caret under the place, if one was found.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FilterError {
    /// There is no libpcap that could compile it.
    #[error(transparent)]
    Libpcap(LibpcapError),
    /// It is no expression.
    #[error("the filter is wrong: {message}; `man pcap-filter` tells the language{place}")]
    Wrong {
        /// What libpcap says.
        message: String,
        /// Where it goes wrong.
        place: Place,
    },
    /// It is none for packets of a link type that came.
    #[error("the filter does not fit packets of link type {link_type}: {message}{place}")]
    Unfit {
        /// Their link type.
        link_type: LinkType,
        /// What libpcap says.
        message: String,
        /// Where it goes wrong.
        place: Place,
    },
}

impl Filter {
    /// The filter of an expression; the empty one keeps every packet. Names of hosts in it are looked
    /// up, which can take a while.
    ///
    /// # Errors
    ///
    /// There is no link type that it makes sense for, or libpcap is missing.
    pub fn new(expression: &str) -> Result<Filter, FilterError> {
        let filter = Filter {
            expression: expression.to_owned(),
            programs: (0..LINK_TYPES).map(|_| Default::default()).collect(),
        };
        let mut worst: Option<(String, Place)> = None;
        for link_type in TRIED {
            let message = match filter.compile(link_type, false) {
                Ok(_) => return Ok(filter),
                Err(LibpcapError::Failed { message, .. }) => message,
                Err(error) => return Err(FilterError::Libpcap(error)),
            };
            // Of several link types the one counts where the expression holds longest. Most say the
            // same, and of a name that nobody knows it would take long to ask again.
            if worst.as_ref().is_some_and(|(other, _)| *other == message) {
                continue;
            }
            let place = filter.place(&message, link_type);
            let is_name = message.starts_with("unknown host");
            if worst
                .as_ref()
                .is_none_or(|(_, other)| place.is_behind(other))
            {
                worst = Some((message, place));
            }
            if is_name {
                break;
            }
        }
        let (message, place) = worst.unwrap_or_default();
        Err(FilterError::Wrong { message, place })
    }

    /// The expression.
    pub fn expression(&self) -> &str {
        &self.expression
    }

    /// Whether the filter keeps a packet of these captured octets, which had `wire_len` on the wire.
    ///
    /// # Errors
    ///
    /// The expression makes no sense for this link type.
    pub fn keeps(
        &self,
        link_type: LinkType,
        octets: &[u8],
        wire_len: u32,
    ) -> Result<bool, FilterError> {
        let is_swapped = is_swapped(link_type, octets);
        let places = self.programs.get(link_type.0 as usize);
        let Some(place) = places.and_then(|orders| orders.get(usize::from(is_swapped))) else {
            let program = self.program(link_type, is_swapped)?;
            return Ok(program.run(octets, wire_len) != 0);
        };
        match place.get_or_init(|| self.program(link_type, is_swapped)) {
            Ok(program) => Ok(program.run(octets, wire_len) != 0),
            Err(error) => Err(error.clone()),
        }
    }

    /// The program for an interface, to be given to [`Live::set_filter`].
    ///
    /// # Errors
    ///
    /// The expression makes no sense for its link type.
    pub fn program_for(&self, live: &mut Live) -> Result<Program, FilterError> {
        let compiled = live.compile(&self.expression);
        compiled.map_err(|error| self.unfit(live.link_type(), error))
    }

    fn program(&self, link_type: LinkType, is_swapped: bool) -> Result<Program, FilterError> {
        let compiled = self.compile(link_type, is_swapped);
        compiled.map_err(|error| self.unfit(link_type, error))
    }

    fn unfit(&self, link_type: LinkType, error: LibpcapError) -> FilterError {
        match error {
            LibpcapError::Failed { message, .. } => FilterError::Unfit {
                link_type,
                place: self.place(&message, link_type),
                message,
            },
            error => FilterError::Libpcap(error),
        }
    }

    fn compile(&self, link_type: LinkType, is_swapped: bool) -> Result<Program, LibpcapError> {
        libpcap::compile(&self.expression, link_type, is_swapped)
    }

    fn place(&self, message: &str, link_type: LinkType) -> Place {
        Place::find(&self.expression, message, |expression| {
            libpcap::compile(expression, link_type, false).is_ok()
        })
    }
}

impl fmt::Debug for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Filter").field(&self.expression).finish()
    }
}

/// Whether a packet was captured by a machine of the other byte order, where the program depends on
/// it: the number of the address family, which is small, comes first then.
fn is_swapped(link_type: LinkType, octets: &[u8]) -> bool {
    matches!(link_type, LinkType::NULL | LinkType::ENC)
        && octets
            .first_chunk()
            .is_some_and(|family| u32::from_ne_bytes(*family) > u32::from(u16::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The filter; `None`, with a message, without libpcap.
    fn filter(expression: &str) -> Option<Result<Filter, FilterError>> {
        if let Err(error) = libpcap::version() {
            eprintln!("skipped: {error}");
            return None;
        }
        Some(Filter::new(expression))
    }

    #[test]
    fn each_link_type_has_its_own_program() {
        let Some(filter) = filter("ip and len = 20") else {
            return;
        };
        let filter = filter.expect("a filter");
        let ip = [0x45; 20];
        let ethernet = [&[0; 12][..], &[8, 0], &ip].concat();
        assert_eq!(filter.keeps(LinkType::RAW, &ip, 20), Ok(true));
        assert_eq!(filter.keeps(LinkType::RAW, &ip, 21), Ok(false));
        assert_eq!(filter.keeps(LinkType::ETHERNET, &ip, 20), Ok(false));
        assert_eq!(filter.keeps(LinkType::ETHERNET, &ethernet, 20), Ok(true));
        assert_eq!(filter.keeps(LinkType::ETHERNET, &[], 20), Ok(false));
    }

    #[test]
    fn loopback_of_either_byte_order() {
        let Some(filter) = filter("ip") else {
            return;
        };
        let filter = filter.expect("a filter");
        for family in [[2, 0, 0, 0], [0, 0, 0, 2]] {
            let packet = [&family[..], &[0x45; 20]].concat();
            assert_eq!(filter.keeps(LinkType::NULL, &packet, 24), Ok(true));
        }
        let ipv6 = [&[10, 0, 0, 0][..], &[0x60; 40]].concat();
        assert_eq!(filter.keeps(LinkType::NULL, &ipv6, 44), Ok(false));
    }

    #[test]
    fn a_link_type_it_makes_no_sense_for_is_an_error() {
        let Some(filter) = filter("tcp or wlan type mgt") else {
            return;
        };
        let filter = filter.expect("a filter for some link types");
        assert!(filter.keeps(LinkType::IEEE802_11, &[0; 24], 24).is_ok());
        for _ in 0..2 {
            let error = filter.keeps(LinkType::ETHERNET, &[], 0);
            assert_eq!(
                error.expect_err("none for Ethernet").to_string(),
                "the filter does not fit packets of link type ETHERNET: 802.11 link-layer types \
                 supported only on 802.11\n  tcp or wlan type mgt\n              ^"
            );
        }
        for number in [9999, u32::MAX] {
            let error = filter.keeps(LinkType(number), &[], 0);
            assert!(matches!(error, Err(FilterError::Unfit { .. })), "{error:?}");
        }
    }

    #[test]
    fn what_only_a_kernel_can_tell_is_refused() {
        let Some(filter) = filter("inbound") else {
            return;
        };
        let error = filter.expect("a filter for Linux cooked captures");
        let error = error.keeps(LinkType::ETHERNET, &[], 0).expect_err("none");
        assert!(error.to_string().contains("savefiles"), "{error}");
    }
}
