//! How far each stream of a type has come.
//!
//! Guarantee: bounded; the stream that was appended to least recently is forgotten first.

use crate::batch::StreamId;

/// Streams whose place is remembered for a file: a sensor has one at a time.
const STREAMS: usize = 64;

/// The next number of each stream, the one that was used last at the end.
#[derive(Default)]
pub(super) struct Streams(Vec<(StreamId, u64)>);

impl Streams {
    /// Remembers how far a stream has come.
    pub(super) fn note(&mut self, stream: StreamId, end: u64) {
        if stream == StreamId::default() {
            return;
        }
        let mut next = end;
        if let Some(place) = self.0.iter().rposition(|(known, _)| *known == stream) {
            let (_, before) = self.0.remove(place);
            next = next.max(before);
        } else if self.0.len() >= STREAMS {
            self.0.remove(0);
        }
        self.0.push((stream, next));
    }

    /// Those that follow on these.
    pub(super) fn note_all(&mut self, later: &Streams) {
        for (stream, next) in later.iter() {
            self.note(stream, next);
        }
    }

    pub(super) fn next(&self, stream: &StreamId) -> u64 {
        let known = self.0.iter().find(|(known, _)| known == stream);
        known.map_or(0, |(_, next)| *next)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// All of them, in the order in which noting them gives the same again.
    pub(super) fn iter(&self) -> impl Iterator<Item = (StreamId, u64)> {
        self.0.iter().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_one_used_least_recently_is_forgotten() {
        let mut streams = Streams::default();
        for other in 0..200 {
            let mut stream = [2; 16];
            stream[0] = other;
            streams.note(stream, 1);
            streams.note([1; 16], u64::from(other));
            assert_eq!(streams.next(&[1; 16]), other.into());
        }
        streams.note([1; 16], 7);
        assert_eq!((streams.next(&[1; 16]), streams.len()), (199, STREAMS));
        let mut again = Streams::default();
        again.note_all(&streams);
        assert!(again.iter().eq(streams.iter()));
    }
}
