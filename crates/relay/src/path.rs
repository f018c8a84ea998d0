//! Which hubs a stream has been through, so that those that read each other know what comes back.
//!
//! Each program that makes a stream of streams has a number by chance, and says in the pcapng that it makes, as
//! a comment of each interface, which numbers its packets have been through. What has been through here is
//! left out: that is certain, however times and lengths were changed on the way. pcap has no room for it.

use std::fmt;
use std::hash::{BuildHasher, RandomState};

/// What the comment begins with.
const WORDS: &str = "has passed through pcap-over-ip";
/// Hubs of which a stream tells, the latest.
const MOST: usize = 32;

/// The number of one program that makes streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Station(u64);

impl Station {
    /// One that nobody else has.
    pub(crate) fn new() -> Station {
        // The only source of chance of the standard library.
        Station(RandomState::new().hash_one("station"))
    }
}

/// The numbers that packets have been through.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Path(Vec<Station>);

impl Path {
    /// As the comment of an interface tells; of other comments, and of none, it is empty.
    pub(crate) fn of(comment: Option<&str>) -> Path {
        let numbers = comment.and_then(|comment| comment.strip_prefix(WORDS));
        let numbers = numbers.unwrap_or_default().split_whitespace();
        let stations = numbers.map_while(|number| u64::from_str_radix(number, 16).ok());
        Path(stations.take(MOST).map(Station).collect())
    }

    /// Whether it has been there.
    pub(crate) fn has(&self, station: Station) -> bool {
        self.0.contains(&station)
    }

    /// The same, and through there.
    pub(crate) fn through(&self, station: Station) -> Path {
        let earlier = self.0.len().saturating_sub(MOST - 1);
        let mut stations = self.0.get(earlier..).unwrap_or_default().to_vec();
        stations.push(station);
        Path(stations)
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(WORDS)?;
        self.0
            .iter()
            .try_for_each(|Station(number)| write!(f, " {number:016x}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_read_as_it_is_told() {
        let (here, there) = (Station(7), Station(u64::MAX));
        let path = Path::default().through(here).through(there);
        let read = Path::of(Some(&path.to_string()));
        assert_eq!(read, path);
        assert!(read.has(here) && read.has(there) && !read.has(Station(8)));
        for other in [None, Some(""), Some("a comment"), Some(WORDS)] {
            assert_eq!(Path::of(other), Path::default());
        }
    }

    #[test]
    fn it_is_bounded() {
        let mut path = Path::default();
        for number in 0..100 {
            path = path.through(Station(number));
        }
        assert!(path.has(Station(99)) && path.has(Station(68)) && !path.has(Station(67)));
        assert_eq!(Path::of(Some(&path.to_string())), path);
        assert_eq!(Path::of(Some(&format!("{path} 0 1 2"))), path);
    }
}
