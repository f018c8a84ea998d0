//! What a batch gave in several places, put into one order: what lanes did by the turns at which it
//! happened, and of types that packets and streams write the records by their packets.

use netcap_dissect::{BodyEvent, Chunk, Output, Turn};

/// Puts things in order, and keeps the memory for that.
#[derive(Default)]
pub(crate) struct Merger {
    /// Which record of which output, by its turn.
    order: Vec<(Turn, u32, u32)>,
    merged: Chunk,
}

impl Merger {
    /// Adds what lanes gave of a batch to what its packets gave. `first` is the number of its first
    /// packet.
    pub(crate) fn merge(&mut self, chunks: &mut [Chunk], first: u64, lanes: &mut [Output]) {
        for (place, layers) in chunks.iter_mut().enumerate() {
            if lanes.iter().all(|lane| lane.chunks[place].is_empty()) {
                continue;
            }
            self.gather(place, lanes);
            if layers.is_empty() {
                std::mem::swap(layers, &mut self.merged);
            } else {
                *layers = interleave(layers, first, &self.merged);
            }
        }
    }

    /// Puts the records of one type that lanes gave in order.
    fn gather(&mut self, place: usize, lanes: &mut [Output]) {
        self.merged.clear();
        let mut givers = lanes
            .iter_mut()
            .filter(|lane| !lane.chunks[place].is_empty());
        if let (Some(giver), None) = (givers.next(), givers.next())
            && giver.chunks[place].turns.is_sorted()
        {
            std::mem::swap(&mut giver.chunks[place], &mut self.merged);
            return;
        }
        self.order.clear();
        for (lane, output) in lanes.iter().enumerate() {
            let turns = output.chunks[place].turns.iter().enumerate();
            let order = turns.map(|(record, turn)| (*turn, lane as u32, record as u32));
            self.order.extend(order);
        }
        // Turns that are equal are of one lane, and its records are in order.
        self.order.sort_unstable();
        for (turn, lane, record) in &self.order {
            let chunk = &lanes[*lane as usize].chunks[place];
            self.merged.push_of(chunk, *record as usize);
            self.merged.turns.push(*turn);
        }
    }
}

/// What happened to bodies on all lanes, in order.
pub(crate) fn body_events(lanes: &mut [Output]) -> Vec<BodyEvent> {
    let bodies = lanes.iter_mut().filter_map(|lane| lane.bodies.as_mut());
    bodies.flat_map(|bodies| bodies.events.drain(..)).collect()
}

/// The records of both chunks in the order of packets, all with their turns; of one packet, those of
/// its layers first. Each chunk is in that order by itself.
fn interleave(layers: &Chunk, first: u64, streams: &Chunk) -> Chunk {
    let mut merged = Chunk::default();
    let mut turns = streams.turns.iter().enumerate().peekable();
    for (record, mark) in layers.marks.iter().enumerate() {
        let place = mark.packet - first;
        while let Some((earlier, turn)) = turns.next_if(|(_, turn)| u64::from(turn.place) < place) {
            merged.push_of(streams, earlier);
            merged.turns.push(*turn);
        }
        merged.push_of(layers, record);
        merged.turns.push(Turn {
            place: place as u32,
            ..Turn::default()
        });
    }
    for (record, turn) in turns {
        merged.push_of(streams, record);
        merged.turns.push(*turn);
    }
    merged
}

#[cfg(test)]
mod tests {
    use netcap_dissect::Registry;
    use netcap_dissect::Selection;

    use super::*;

    fn turn(place: u32, serial: u64) -> Turn {
        Turn {
            place,
            serial,
            ..Turn::default()
        }
    }

    /// Records of one octet with the places of their packets, in a batch whose first has number 10.
    fn chunk(records: &[(u32, u64, &[u8])]) -> Chunk {
        let mut chunk = Chunk::default();
        for (place, serial, record) in records {
            chunk.push(u64::from(*place) + 10, record);
            chunk.turns.push(turn(*place, *serial));
        }
        chunk
    }

    fn merged(layers: Chunk, lanes: Vec<Chunk>) -> Chunk {
        let registry = Registry::new(&[], &[], &Selection::default()).expect("nothing");
        let output = |chunk| Output {
            chunks: vec![chunk],
            ..Output::new(&registry)
        };
        let mut lanes: Vec<Output> = lanes.into_iter().map(output).collect();
        let mut chunks = [layers];
        Merger::default().merge(&mut chunks, 10, &mut lanes);
        let [merged] = chunks;
        merged
    }

    #[test]
    fn packets_are_in_order_and_layers_come_first() {
        let layers = || {
            let mut chunk = chunk(&[(1, 0, b"a"), (3, 0, b"bb"), (3, 0, b"c")]);
            chunk.turns.clear();
            chunk
        };
        let streams = [(0, 0, &b"0"[..]), (1, 0, b"1"), (3, 0, b"3")];
        let found = merged(layers(), vec![chunk(&streams)]);
        assert_eq!(found.octets, b"0a1bbc3");
        let numbers: Vec<u64> = found.marks.iter().map(|mark| mark.packet).collect();
        assert_eq!(numbers, [10, 11, 11, 13, 13, 13]);
        assert_eq!(
            merged(Chunk::default(), vec![chunk(&streams)]).octets,
            b"013"
        );
        assert_eq!(merged(layers(), vec![Chunk::default()]).octets, b"abbc");
    }

    #[test]
    fn turns_decide_between_lanes() {
        let one = chunk(&[(5, 1, b"d"), (5, 1, b"e"), (0, 9, b"b")]);
        let two = chunk(&[(0, 2, b"a"), (Turn::BEHIND, 0, b"f"), (3, 0, b"c")]);
        for lanes in [vec![one.clone(), two.clone()], vec![two, one]] {
            let found = merged(Chunk::default(), lanes);
            assert_eq!(found.octets, b"abcdef");
            assert!(found.turns.is_sorted());
        }
    }
}
