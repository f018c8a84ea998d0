//! The PROXY protocol of HAProxy, versions 1 and 2 (proxy-protocol.txt sections 2.1 and 2.2): a header in
//! which a proxy says whom it speaks for, in front of what it hands on.
//!
//! There is no record of it. It leads on to what follows, in the same segment or in later ones.

use netcap_dissect::{
    Beginning, Both, Carrier, Direction, Ending, Measure, Recognition, StreamContext,
    StreamDissector, StreamProtocol, Then,
};

pub(crate) static STREAM: StreamProtocol = StreamProtocol {
    name: "PROXY",
    ports: &[],
    recognise: |beginning: &Beginning<'_>| recognise(beginning.octets),
    inside: None,
    start: || Box::<Proxy>::default(),
    schemas: &[],
};

/// What version 1 begins with, one of them: section 2.1.
const WORDS: [&[u8]; 3] = [b"PROXY TCP4 ", b"PROXY TCP6 ", b"PROXY UNKNOWN"];
/// Octets of a header of version 1 at most, with its end of line: section 2.1.
const LONGEST_LINE: usize = 107;
/// What version 2 begins with: section 2.2.
const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
/// Octets of a header of version 2 before its addresses: section 2.2.
const FIXED: usize = 16;

fn recognise(octets: &[u8]) -> Recognition {
    let begins = |known: &[u8]| octets.starts_with(known);
    if WORDS.iter().any(|word| begins(word)) {
        return Recognition::Yes;
    }
    // The version, and whether it speaks for somebody.
    match octets.strip_prefix(SIGNATURE) {
        Some([0x20 | 0x21, ..]) => return Recognition::Yes,
        Some([_, ..]) => return Recognition::No,
        _ => {}
    }
    let mut beginnings = WORDS.into_iter().chain([SIGNATURE]);
    match beginnings.any(|known| known.starts_with(octets)) {
        true => Recognition::More,
        false => Recognition::No,
    }
}

/// How long the header is that octets begin with, which were recognised.
fn measure(octets: &[u8]) -> Measure {
    if octets.starts_with(SIGNATURE) {
        let length = octets.get(FIXED - 2..FIXED);
        return match length.and_then(|length| length.first_chunk()) {
            Some(length) => Measure::Message(FIXED + usize::from(u16::from_be_bytes(*length))),
            None => Measure::More,
        };
    }
    if SIGNATURE.starts_with(octets) {
        return Measure::More;
    }
    let line = octets.get(..LONGEST_LINE).unwrap_or(octets);
    match line.iter().position(|octet| *octet == b'\n') {
        Some(end) => Measure::Message(end + 1),
        None if octets.len() < LONGEST_LINE => Measure::More,
        None => Measure::Foreign,
    }
}

/// What stands behind a header, or several of proxies behind one another, that octets begin with.
pub(crate) fn behind(octets: &[u8]) -> &[u8] {
    let mut octets = octets;
    while recognise(octets) == Recognition::Yes
        && let Measure::Message(length) = measure(octets)
        && let Some(rest) = octets.get(length..)
    {
        octets = rest;
    }
    octets
}

/// A header that is not whole, and what stands behind it.
#[derive(Default)]
struct Proxy {
    header: Vec<u8>,
    /// Which way it goes.
    direction: Option<Direction>,
    rest: Both<Option<(Carrier, Vec<u8>)>>,
}

impl StreamDissector for Proxy {
    fn data(
        &mut self,
        direction: Direction,
        octets: &[u8],
        context: &mut StreamContext<'_, '_>,
    ) -> Then {
        if *self.direction.get_or_insert(direction) != direction {
            *self.rest.of(direction) = Some((context.carrier(), octets.to_vec()));
            return Then::Leave;
        }
        self.header.extend_from_slice(octets);
        match measure(&self.header) {
            Measure::Message(length) if length <= self.header.len() => {
                let rest = self.header.split_off(length);
                *self.rest.of(direction) = Some((context.carrier(), rest));
                Then::Leave
            }
            Measure::Message(_) | Measure::More => Then::GoOn,
            Measure::Foreign => Then::Leave,
        }
    }

    fn gap(&mut self, _: Direction, _: u64, _: &mut StreamContext<'_, '_>) -> Then {
        Then::Leave
    }

    fn end(&mut self, _: Direction, _: Ending, _: &mut StreamContext<'_, '_>) {}

    fn held(&self) -> usize {
        self.header.len()
    }

    fn rest(&mut self, direction: Direction) -> Option<(Carrier, Vec<u8>)> {
        self.rest.of(direction).take()
    }
}

#[cfg(test)]
mod tests {
    use netcap_dissect::Direction::{ToClient, ToServer};
    use netcap_dissect::testing::led_on;

    use super::*;

    const LINE: &[u8] = b"PROXY TCP6 2001:db8::1 2001:db8::2 1 65535\r\n";

    fn binary(command: u8, addresses: &[u8]) -> Vec<u8> {
        let length = u16::try_from(addresses.len()).unwrap().to_be_bytes();
        [SIGNATURE, &[command, 0x11], &length, addresses].concat()
    }

    #[test]
    fn what_stands_behind_a_header_is_given_back() {
        let headers = [
            LINE.to_vec(),
            b"PROXY UNKNOWN\r\n".to_vec(),
            binary(0x21, &[7; 12]),
            binary(0x20, &[]),
            // With more of it than is kept of a beginning.
            binary(0x21, &[b'\n'; 3000]),
        ];
        for header in headers {
            let octets = [&header[..], b"hello"].concat();
            assert_eq!(behind(&octets), b"hello");
            assert_eq!(behind(&[&header[..], &octets].concat()), b"hello");
            for cut in 0..octets.len() {
                let (first, second) = octets.split_at(cut);
                let led = led_on(&STREAM, &[(ToServer, first), (ToServer, second)]);
                assert_eq!(led, [(ToServer, b"hello".to_vec())], "cut at {cut}");
            }
        }
    }

    #[test]
    fn what_is_no_header() {
        use Recognition::{More, No, Yes};
        for (octets, expected) in [
            (&b"PROXY TCP4 1.2.3.4 "[..], Yes),
            (b"PROXY TCP5 1.2.3.4 ", No),
            (b"PRO", More),
            (b"PROPFIND / HTTP/1.1\r\n", No),
            (b"\r\n\r\n\0\r\nQUIT\n\x21", Yes),
            (b"\r\n\r\n\0\r\nQUIT\n\x31", No),
            (b"\r\n\r\n", More),
            (b"\r\n\r\nGET / HTTP/1.1\r\n", No),
        ] {
            assert_eq!(recognise(octets), expected, "{}", octets.escape_ascii());
        }
        // A line that does not end.
        let endless = [b"PROXY UNKNOWN ", &[b'x'; 200][..]].concat();
        for octets in [&endless[..], LINE.split_last().unwrap().1, &SIGNATURE[..9]] {
            assert_eq!(behind(octets), octets);
        }
        assert_eq!(led_on(&STREAM, &[(ToServer, &endless)]), []);
        // The other end speaks before it is whole.
        let events = [(ToServer, &LINE[..20]), (ToClient, b"220 hello\r\n")];
        assert_eq!(
            led_on(&STREAM, &events),
            [(ToClient, b"220 hello\r\n".to_vec())]
        );
    }
}
