//! Records of a type that has two writers, packets and streams, in the order of their packets.

use netcap_dissect::Chunk;

/// Appends both chunks to `out`, record by record in the order of packets; of one packet, those
/// of its layers first. Each chunk is in that order by itself; `first` is the number of the batch's
/// first packet.
pub(crate) fn interleave(layers: &Chunk, first: u64, streams: &Chunk, out: &mut Vec<u8>) {
    let turns = streams.turns.iter().zip(streams.iter());
    let mut streams = turns
        .map(|(turn, (_, record))| (u64::from(turn.place), record))
        .peekable();
    for (mark, record) in layers.iter() {
        let place = mark.packet - first;
        while let Some((_, earlier)) = streams.next_if(|(other, _)| *other < place) {
            out.extend_from_slice(earlier);
        }
        out.extend_from_slice(record);
    }
    streams.for_each(|(_, record)| out.extend_from_slice(record));
}

#[cfg(test)]
mod tests {
    use netcap_dissect::Turn;

    use super::*;

    /// Records of one octet with the places of their packets.
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

    #[test]
    fn packets_are_in_order_and_layers_come_first() {
        let layers = chunk(&[(1, b"a"), (3, b"bb"), (3, b"c")]);
        let mut out = Vec::new();
        let streams = chunk(&[(0, b"0"), (1, b"1"), (3, b"3")]);
        interleave(&layers, 10, &streams, &mut out);
        assert_eq!(out, b"0a1bbc3");
        out.clear();
        interleave(&chunk(&[]), 10, &streams, &mut out);
        assert_eq!(out, b"013");
    }
}
