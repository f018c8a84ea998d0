//! How much `errors.log` holds: the errors of a period, one after the other, as far as they have room;
//! the rest is counted. Which these are follows from the packets alone, not from how they came.

use netcap_dissect::Chunk;

/// Octets of errors in a log. An empty packet has some three hundred, so a small file may have very many.
const ROOM: u64 = 64 << 20;

/// What a log holds so far.
#[derive(Debug)]
pub(crate) struct ErrorLog {
    room: u64,
    left_out: u64,
}

impl Default for ErrorLog {
    fn default() -> ErrorLog {
        ErrorLog::with_room(ROOM)
    }
}

impl ErrorLog {
    fn with_room(room: u64) -> ErrorLog {
        ErrorLog { room, left_out: 0 }
    }

    /// Takes away from a chunk what has no room. The closing lines, which belong to no packet, always
    /// have; what was left out stands before them.
    pub(crate) fn fit(&mut self, chunk: &mut Chunk) {
        if chunk.marks.is_empty() {
            if self.left_out > 0 {
                let text = format!(
                    "{} more errors had no room here; they are counted below\n\n",
                    self.left_out
                );
                chunk.octets.splice(..0, text.into_bytes());
            }
            return;
        }
        // Once one has no room, none has, however short.
        let fitting = match self.left_out {
            0 => chunk
                .marks
                .partition_point(|mark| mark.end as u64 <= self.room),
            _ => 0,
        };
        self.left_out += (chunk.marks.len() - fitting) as u64;
        let end = match fitting.checked_sub(1) {
            Some(last) => chunk.marks[last].end,
            None => 0,
        };
        self.room -= end as u64;
        chunk.octets.truncate(end);
        chunk.marks.truncate(fitting);
    }
}

#[cfg(test)]
mod tests {
    use netcap_dissect::Mark;

    use super::*;

    /// Errors of these lengths.
    fn chunk(lengths: &[usize]) -> Chunk {
        let mut chunk = Chunk::default();
        for length in lengths {
            chunk.octets.extend(vec![b'0' + *length as u8; *length]);
            let end = chunk.octets.len();
            chunk.marks.push(Mark { packet: 1, end });
        }
        chunk
    }

    #[test]
    fn errors_beyond_the_room_are_counted() {
        let lengths = [3, 2, 4, 1, 1];
        for (room, expected, left_out) in [
            (11, "33322444411", 0),
            (10, "3332244441", 1),
            (8, "33322", 3),
            (5, "33322", 3),
            (2, "", 5),
        ] {
            // However they come.
            for size in 1..=lengths.len() {
                let mut log = ErrorLog::with_room(room);
                let mut text = Vec::new();
                for lengths in lengths.chunks(size) {
                    let mut chunk = chunk(lengths);
                    log.fit(&mut chunk);
                    text.extend(chunk.octets);
                }
                let mut closing = Chunk::default();
                closing.octets.extend(b"TCP truncated: 5\n");
                log.fit(&mut closing);
                assert_eq!(text, expected.as_bytes(), "{room}");
                let closing = String::from_utf8(closing.octets).expect("text");
                assert!(closing.ends_with("TCP truncated: 5\n"));
                let told = closing.split_once(" more errors").map(|(count, _)| count);
                let expected = (left_out > 0).then(|| left_out.to_string());
                assert_eq!(told, expected.as_deref());
            }
        }
    }
}
