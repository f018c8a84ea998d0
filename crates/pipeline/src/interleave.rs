//! Records of a type that has two writers, packets and streams, in the order of their packets.

use netcap_dissect::Mark;

/// Appends both chunks to `out`, record by record in the order of packets; of one packet, those
/// of its layers first. Each chunk is in that order by itself.
pub(crate) fn interleave(layers: (&[u8], &[Mark]), streams: (&[u8], &[Mark]), out: &mut Vec<u8>) {
    let mut streams = records(streams).peekable();
    for (packet, record) in records(layers) {
        while let Some((_, earlier)) = streams.next_if(|(other, _)| *other < packet) {
            out.extend_from_slice(earlier);
        }
        out.extend_from_slice(record);
    }
    streams.for_each(|(_, record)| out.extend_from_slice(record));
}

/// The records of a chunk with their packets.
fn records<'a>((chunk, marks): (&'a [u8], &'a [Mark])) -> impl Iterator<Item = (u32, &'a [u8])> {
    let mut start = 0;
    marks.iter().map(move |mark| {
        let record = chunk.get(start..mark.end).unwrap_or_default();
        start = mark.end;
        (mark.packet, record)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(packet: u32, end: usize) -> Mark {
        Mark { packet, end }
    }

    #[test]
    fn packets_are_in_order_and_layers_come_first() {
        let layers = [mark(1, 1), mark(3, 3), mark(3, 4)];
        let streams = [mark(0, 1), mark(1, 2), mark(3, 3), mark(9, 5)];
        let mut out = Vec::new();
        interleave((b"abbc", &layers), (b"0139", &streams[..3]), &mut out);
        assert_eq!(out, b"0a1bbc3");
        out.clear();
        interleave((b"", &[]), (b"01399", &streams), &mut out);
        assert_eq!(out, b"01399");
    }
}
