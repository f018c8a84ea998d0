//! SOCKS, versions 4 and 4A (the protocol of NEC and its extension) and 5 (RFC 1928, RFC 1929): by which a
//! client asks a proxy to connect it.
//!
//! There is no record of it. It leads on to what the two say once they are connected, in the segments
//! of the last messages or in later ones. What a client sends before it is answered is kept until then,
//! at most [`MOST_KEPT`] octets.

use netcap_dissect::{
    Beginning, Both, Carrier, Direction, Ending, Measure, Recognition, StreamContext,
    StreamDissector, StreamProtocol, Then,
};

pub(crate) static STREAM: StreamProtocol = StreamProtocol {
    name: "SOCKS",
    ports: &[],
    recognise: |beginning: &Beginning<'_>| recognise(beginning.octets),
    inside: None,
    start: || Box::<Socks>::default(),
    schemas: &[],
};

/// Octets that wait for the answer of the proxy.
const MOST_KEPT: usize = 1 << 16;
/// Methods of authentication that a client may offer and still be recognised: it knows ten or so.
const MOST_METHODS: u8 = 16;
/// Octets of the name of a user, and of the host, in version 4.
const LONGEST_NAME: usize = 255;

/// Whether octets are the first message of a client, and the next one where they go on.
fn recognise(octets: &[u8]) -> Recognition {
    match *octets {
        [5] | [4] | [4, 1 | 2] => Recognition::More,
        [5, count @ 1..=MOST_METHODS, ref rest @ ..] => {
            let (methods, behind) = match rest.split_at_checked(count.into()) {
                Some((methods, behind)) => (methods, behind),
                None => (rest, &[][..]),
            };
            // RFC 1928 section 3: from 0x80 they are private; IANA has assigned up to 9.
            let are_methods = methods
                .iter()
                .all(|method| matches!(method, 0..=9 | 0x80..));
            match (are_methods, behind) {
                (true, []) if methods.len() < count.into() => Recognition::More,
                (true, [] | [1 | 5, ..]) => Recognition::Yes,
                _ => Recognition::No,
            }
        }
        [4, 1 | 2, ..] => match measure_v4(octets) {
            Measure::Message(_) => Recognition::Yes,
            Measure::More => Recognition::More,
            Measure::Foreign => Recognition::No,
        },
        _ => Recognition::No,
    }
}

/// A request of version 4: port, address, the name of the user with a zero behind it, and that of the
/// host where the address is 0.0.0.x.
fn measure_v4(octets: &[u8]) -> Measure {
    let Some([_, _, _, _, address @ .., _]) = octets.first_chunk::<8>() else {
        return Measure::More;
    };
    let names = 1 + usize::from(*address == [0, 0, 0]);
    let mut end = 8;
    for _ in 0..names {
        let rest = octets.get(end..).unwrap_or_default();
        let rest = rest.get(..=LONGEST_NAME).unwrap_or(rest);
        match rest.iter().position(|octet| !octet.is_ascii_graphic()) {
            Some(at) if rest.get(at) == Some(&0) => end += at + 1,
            None if rest.len() <= LONGEST_NAME => return Measure::More,
            _ => return Measure::Foreign,
        }
    }
    Measure::Message(end)
}

/// A request or a reply of version 5: four octets, an address of the kind that the last of them says, and
/// a port (RFC 1928 sections 4 and 6).
fn measure_v5(octets: &[u8]) -> Measure {
    let address = match octets.get(3..) {
        Some([1, ..]) => 4,
        Some([3, length, ..]) => 1 + usize::from(*length),
        Some([4, ..]) => 16,
        None | Some([] | [3]) => return Measure::More,
        _ => return Measure::Foreign,
    };
    Measure::Message(4 + address + 2)
}

/// Where one direction is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    /// At its first message.
    #[default]
    First,
    /// At one that authenticates, or the one that asks or answers.
    Second,
    /// Connected.
    Open,
}

impl State {
    /// The length of the message that a client sends, and where it is then.
    fn client(self, octets: &[u8]) -> (Measure, State) {
        match (self, octets) {
            (State::First, [5]) => (Measure::More, self),
            (State::First, [5, count, ..]) => {
                (Measure::Message(2 + usize::from(*count)), State::Second)
            }
            (State::First, _) => (measure_v4(octets), State::Open),
            // RFC 1929 section 2: two texts, each behind its length.
            (State::Second, [1, rest @ ..]) => {
                let name = rest.first().map(|length| usize::from(*length) + 1);
                let word = name.and_then(|name| Some((name, rest.get(name)?)));
                let length = word.map(|(name, word)| 1 + name + 1 + usize::from(*word));
                (length.map_or(Measure::More, Measure::Message), self)
            }
            (State::Second, [5, ..]) => (measure_v5(octets), State::Open),
            _ => (Measure::Foreign, self),
        }
    }

    /// The same for the proxy.
    fn proxy(self, octets: &[u8]) -> (Measure, State) {
        match (self, octets) {
            (State::First, [5, ..]) => (Measure::Message(2), State::Second),
            (State::First, [0, ..]) => (Measure::Message(8), State::Open),
            (State::Second, [1, ..]) => (Measure::Message(2), self),
            (State::Second, [5, ..]) => (measure_v5(octets), State::Open),
            _ => (Measure::Foreign, self),
        }
    }
}

/// One direction.
#[derive(Default)]
struct Side {
    state: State,
    octets: Vec<u8>,
    /// What brought the latest of them, or the first once it is open.
    carrier: Option<Carrier>,
}

/// What the two have said.
#[derive(Default)]
struct Socks {
    sides: Both<Side>,
    /// Which way the client speaks.
    client: Option<Direction>,
}

impl StreamDissector for Socks {
    fn data(
        &mut self,
        direction: Direction,
        octets: &[u8],
        context: &mut StreamContext<'_, '_>,
    ) -> Then {
        let is_client = *self.client.get_or_insert(direction) == direction;
        let side = self.sides.of(direction);
        if side.state != State::Open || side.octets.is_empty() {
            side.carrier = Some(context.carrier());
        }
        side.octets.extend_from_slice(octets);
        while side.state != State::Open && !side.octets.is_empty() {
            let (measure, next) = match is_client {
                true => side.state.client(&side.octets),
                false => side.state.proxy(&side.octets),
            };
            match measure {
                Measure::Message(length) if length <= side.octets.len() => {
                    side.octets.drain(..length);
                    side.state = next;
                }
                Measure::Message(_) | Measure::More => break,
                Measure::Foreign => return Then::Leave,
            }
        }
        let are_open = [Direction::ToServer, Direction::ToClient]
            .map(|direction| self.sides.of(direction).state == State::Open);
        match are_open == [true; 2] || self.held() > MOST_KEPT {
            true => Then::Leave,
            false => Then::GoOn,
        }
    }

    fn gap(&mut self, _: Direction, _: u64, _: &mut StreamContext<'_, '_>) -> Then {
        Then::Leave
    }

    fn end(&mut self, _: Direction, _: Ending, _: &mut StreamContext<'_, '_>) {}

    fn held(&self) -> usize {
        self.sides.to_server.octets.len() + self.sides.to_client.octets.len()
    }

    fn rest(&mut self, direction: Direction) -> Option<(Carrier, Vec<u8>)> {
        let side = self.sides.of(direction);
        Some((side.carrier?, std::mem::take(&mut side.octets)))
    }
}

#[cfg(test)]
mod tests {
    use netcap_dissect::Direction::{ToClient, ToServer};
    use netcap_dissect::testing::led_on;

    use super::*;

    const V5: [&[u8]; 4] = [
        b"\x05\x02\0\x02",
        b"\x05\x02",
        b"\x05\x01\0\x03\x09a.example\x01\xbb",
        b"\x05\0\0\x01\x7f\0\0\x01\x04\xd2",
    ];

    /// What follows is led on to, wherever the pieces are cut.
    fn leads_on(client: &[u8], proxy: &[u8]) {
        let (asked, answered) = ([client, b"question"].concat(), [proxy, b"answer"].concat());
        let expected = [
            (ToServer, b"question".to_vec()),
            (ToClient, b"answer".to_vec()),
        ];
        for cut in 1..=asked.len() {
            let (one, two) = asked.split_at(cut);
            let pieces = [(ToServer, one), (ToServer, two), (ToClient, &answered)];
            assert_eq!(led_on(&STREAM, &pieces), expected, "cut at {cut}");
        }
        for cut in 0..answered.len() {
            let (one, two) = answered.split_at(cut);
            let pieces = [(ToServer, &asked[..]), (ToClient, one), (ToClient, two)];
            assert_eq!(led_on(&STREAM, &pieces), expected, "cut at {cut}");
        }
    }

    #[test]
    fn every_version_leads_on() {
        leads_on(&[V5[0], V5[2]].concat(), &[V5[1], V5[3]].concat());
        let word = b"\x01\x04user\x08password";
        let client = [V5[0], word, b"\x05\x01\0\x01\x01\x02\x03\x04\0\x50"].concat();
        leads_on(&client, &[V5[1], b"\x01\0", V5[3]].concat());
        let ipv6 = [b"\x05\x01\0\x04", &[0x20; 16][..], b"\0\x50"].concat();
        leads_on(
            &[b"\x05\x01\0", &ipv6[..]].concat(),
            &[b"\x05\0", V5[3]].concat(),
        );
        let granted = b"\0\x5a\0\0\0\0\0\0";
        leads_on(b"\x04\x01\0\x50\x01\x02\x03\x04user\0", granted);
        leads_on(b"\x04\x01\0\x50\0\0\0\x01\0a.example\0", granted);
    }

    #[test]
    fn what_is_no_message() {
        use Recognition::{More, No, Yes};
        for (octets, expected) in [
            (V5[0], Yes),
            (b"\x05\x01\0\x05\x01", Yes),
            (b"\x05\x01", More),
            (b"\x05\x01\x7f", No),
            (b"\x05\x01\0\x16\x03", No),
            (b"\x05\0\x0b\x03\x10\0\0\0", No),
            (b"\x04\x01\0\x50\x01\x02\x03\x04", More),
            (b"\x04\x01\0\x50\x01\x02\x03\x04\0", Yes),
            (b"\x04\x01\0\x50\x01\x02\x03\x04\x80", No),
            (b"\x04\0\0\x50", No),
        ] {
            assert_eq!(recognise(octets), expected, "{}", octets.escape_ascii());
        }
        // Another answer: all of it may be something else.
        let pieces = [(ToServer, V5[0]), (ToClient, b"220 hello".as_slice())];
        assert_eq!(
            led_on(&STREAM, &pieces),
            [(ToClient, b"220 hello".to_vec())]
        );
        // No answer, ever.
        let flood = vec![b'x'; MOST_KEPT + 1];
        let pieces = [(ToServer, V5[0]), (ToServer, V5[2]), (ToServer, &flood)];
        assert_eq!(led_on(&STREAM, &pieces), [(ToServer, flood.clone())]);
    }
}
