//! What packets and lanes gave of a batch, put into one order.

use netcap_dissect::{Chunk, Output, Turn};

/// Adds what lanes gave of a batch, all of it in `lanes` and in order, to what its packets gave.
/// `first` is the number of its first packet.
pub(crate) fn merge(chunks: &mut [Chunk], first: u64, lanes: &mut Output) {
    for (layers, state) in chunks.iter_mut().zip(&mut lanes.chunks) {
        if state.is_empty() {
            continue;
        }
        if layers.is_empty() {
            std::mem::swap(layers, state);
        } else {
            *layers = interleave(layers, first, state);
        }
    }
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
    use super::*;

    /// Records with the places of their packets, in a batch whose first has number 10.
    fn chunk(records: &[(u32, &[u8])]) -> Chunk {
        let mut chunk = Chunk::default();
        for (place, record) in records {
            chunk.push(u64::from(*place) + 10, record);
            chunk.turns.push(Turn {
                place: *place,
                ..Turn::default()
            });
        }
        chunk
    }

    fn merged(layers: &[(u32, &[u8])], streams: &[(u32, &[u8])]) -> Chunk {
        let mut layers = chunk(layers);
        layers.turns.clear();
        let mut lanes = Output {
            chunks: vec![chunk(streams)],
            ..Output::default()
        };
        let mut chunks = [layers];
        merge(&mut chunks, 10, &mut lanes);
        let [merged] = chunks;
        merged
    }

    #[test]
    fn packets_are_in_order_and_layers_come_first() {
        let layers = [(1, &b"a"[..]), (3, b"bb"), (3, b"c")];
        let streams = [(0, &b"0"[..]), (1, b"1"), (3, b"3")];
        let found = merged(&layers, &streams);
        assert_eq!(found.octets, b"0a1bbc3");
        let numbers: Vec<u64> = found.marks.iter().map(|mark| mark.packet).collect();
        assert_eq!(numbers, [10, 11, 11, 13, 13, 13]);
        assert!(found.turns.is_sorted() && found.turns.len() == 6);
        assert_eq!(merged(&[], &streams).octets, b"013");
        assert_eq!(merged(&layers, &[]).octets, b"abbc");
    }
}
