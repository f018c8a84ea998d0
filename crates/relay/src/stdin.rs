//! Standard input as a stream's beginning: read without missing a signal, and looked at before the
//! first packet, so that peers get their header at once.

use std::io::{self, Cursor, Read, Stdin};
use std::os::fd::AsFd;
use std::sync::Arc;

use netcap_capture::{Error, LinkType, from_reader};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::halt::Halt;
use crate::inlet::Files;
use crate::stream::Interface;

/// What a classic pcap file begins with (draft-ietf-opsawg-pcap, section 4).
const FILE_HEADER: usize = 24;
const MICROSECONDS: u32 = 0xa1b2_c3d4;
const NANOSECONDS: u32 = 0xa1b2_3c4d;
/// The part of its last field that is the link type.
const LINK_TYPE_BITS: u32 = 0x03ff_ffff;

/// How often it is looked whether it is time to end, in milliseconds.
const TICK: u16 = 100;

/// What standard input has begun with.
pub struct Beginning {
    /// The capture.
    pub files: Files,
    /// Whether it is classic pcap with times in nanoseconds (`true`) or not; `None`: it is pcapng, or
    /// compressed.
    pub pcap: Option<bool>,
}

/// Waits for the beginning of a capture on standard input. [`Halt`] is its end.
pub fn open(halt: Arc<Halt>) -> Result<Beginning, Error> {
    let mut input = Interruptible {
        stdin: io::stdin(),
        halt,
    };
    let mut header = Vec::with_capacity(FILE_HEADER);
    let read = input
        .by_ref()
        .take(FILE_HEADER as u64)
        .read_to_end(&mut header);
    read.map_err(|source| Error::Io {
        name: "-".to_owned(),
        source,
    })?;
    let pcap = interface(&header);
    let reader = Box::new(Cursor::new(header).chain(input));
    let source = from_reader("-", reader, None)?;
    let (interface, pcap) = pcap.unzip();
    Ok(Beginning {
        files: Files::one(source, interface),
        pcap,
    })
}

/// What a classic pcap header says: the interface, and whether times have nanoseconds.
fn interface(header: &[u8]) -> Option<(Interface, bool)> {
    let number = |at: usize| Some(*header.get(at..)?.first_chunk::<4>()?);
    let (magic, link) = (number(0)?, number(20)?);
    let little = (u32::from_le_bytes(magic), u32::from_le_bytes(link));
    let big = (u32::from_be_bytes(magic), u32::from_be_bytes(link));
    let known = |(magic, _): &(u32, u32)| [MICROSECONDS, NANOSECONDS].contains(magic);
    let (magic, link) = [little, big].into_iter().find(known)?;
    let interface = Interface {
        name: "-".to_owned(),
        link_type: LinkType(link & LINK_TYPE_BITS),
        snaplen: 0,
        path: None,
    };
    Some((interface, magic == NANOSECONDS))
}

/// Standard input, which ends when the end is asked for.
struct Interruptible {
    stdin: Stdin,
    halt: Arc<Halt>,
}

impl Read for Interruptible {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            if self.halt.is_asked() {
                return Ok(0);
            }
            let mut polled = [PollFd::new(self.stdin.as_fd(), PollFlags::POLLIN)];
            match poll(&mut polled, PollTimeout::from(TICK)) {
                Ok(0) | Err(nix::errno::Errno::EINTR) => {}
                Ok(_) => return nix::unistd::read(&self.stdin, buffer).map_err(io::Error::from),
                Err(error) => return Err(error.into()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use netcap_capture::pcap_writer::TimeUnit;

    use super::*;

    #[test]
    fn headers_are_recognised() {
        for (unit, nanoseconds) in [
            (TimeUnit::Microseconds, false),
            (TimeUnit::Nanoseconds, true),
        ] {
            let header = unit.file_header(LinkType::LINUX_SLL2, 0);
            let (interface, is_nanoseconds) = interface(&header).expect("a header");
            assert_eq!(interface.link_type, LinkType::LINUX_SLL2);
            assert_eq!(is_nanoseconds, nanoseconds);
            for end in 0..header.len() {
                assert!(super::interface(&header[..end]).is_none());
            }
        }
        assert!(interface(&[0x0a; 24]).is_none());
    }
}
