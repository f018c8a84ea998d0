//! Values at numbered places, which they keep until they are taken out.
//!
//! Room comes in pieces of a fixed size: growing moves no value, and never leaves more than a piece
//! unused.

/// Places of a piece, but the first, which begins small: most captures need no second one.
const PIECE: usize = 128;

/// See the module.
pub(crate) struct Slab<T> {
    pieces: Vec<Vec<Option<T>>>,
    vacant: Vec<u32>,
}

impl<T> Default for Slab<T> {
    fn default() -> Slab<T> {
        Slab {
            pieces: Vec::new(),
            vacant: Vec::new(),
        }
    }
}

impl<T> Slab<T> {
    /// Puts a value in a place that is vacant, or a new one.
    pub(crate) fn insert(&mut self, value: T) -> u32 {
        if let Some(place) = self.vacant.pop() {
            if let Some(slot) = self.slot(place) {
                *slot = Some(value);
            }
            return place;
        }
        if self.pieces.last().is_none_or(|last| last.len() == PIECE) {
            let room = if self.pieces.is_empty() { 0 } else { PIECE };
            self.pieces.push(Vec::with_capacity(room));
        }
        let before = self.pieces.len() - 1;
        let piece = &mut self.pieces[before];
        piece.push(Some(value));
        (before * PIECE + piece.len() - 1) as u32
    }

    #[inline]
    fn slot(&mut self, place: u32) -> Option<&mut Option<T>> {
        let piece = self.pieces.get_mut(place as usize / PIECE)?;
        piece.get_mut(place as usize % PIECE)
    }

    /// The value at a place.
    #[inline]
    pub(crate) fn get(&self, place: u32) -> Option<&T> {
        let piece = self.pieces.get(place as usize / PIECE)?;
        piece.get(place as usize % PIECE)?.as_ref()
    }

    /// The value at a place.
    #[inline]
    pub(crate) fn get_mut(&mut self, place: u32) -> Option<&mut T> {
        self.slot(place)?.as_mut()
    }

    /// Takes the value at a place out, which is vacant then.
    pub(crate) fn remove(&mut self, place: u32) -> Option<T> {
        let value = self.slot(place)?.take()?;
        self.vacant.push(place);
        Some(value)
    }

    /// All values with their places.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &T)> {
        let slots = self.pieces.iter().flatten().zip(0..);
        slots.filter_map(|(slot, place)| Some((place, slot.as_ref()?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_keep_their_places() {
        let mut slab = Slab::default();
        let count = 3 * PIECE as u32 + 1;
        for value in 0..count {
            assert_eq!(slab.insert(value), value);
        }
        let gone = [0, PIECE as u32, count - 1];
        for place in gone {
            assert_eq!(slab.remove(place), Some(place));
            assert_eq!((slab.remove(place), slab.get(place)), (None, None));
        }
        let left = slab.iter().map(|(place, value)| {
            assert_eq!(place, *value);
            place
        });
        assert!(left.eq((0..count).filter(|place| !gone.contains(place))));
        for place in gone.into_iter().rev() {
            assert_eq!(slab.insert(7), place);
            assert_eq!(slab.get_mut(place), Some(&mut 7));
        }
        assert_eq!(slab.get(count), None);
        assert_eq!(slab.insert(8), count);
    }
}
