//! Shannon entropy of a payload in bits per octet: `-sum p log2 p` over the 256 octet values.
//!
//! The payload of an outer layer is the inner header and the inner payload, so a packet's octets
//! are counted once, for its outermost layer, and every layer inside takes its header away from
//! the histogram. Sums are exact integers (fixed point), so the result does not depend on which
//! layers asked before.
// Every index here is an octet into 256 places; the compiler drops the checks.
#![allow(clippy::indexing_slicing)]

use std::sync::LazyLock;

/// Fraction bits of a term. The largest sum, of `EXACT` octets, stays below 2^56.
const FRACTION: u32 = 36;
/// Octets up to which counts fit; longer payloads are summed in floating point.
const EXACT: usize = u16::MAX as usize;
/// Terms kept ready: the counts of ordinary packets.
const TERMS: usize = 2048;

/// Octets up to which it is faster to add up while counting.
const SHORT: usize = 128;

/// What is the same for all who count.
struct Tables {
    /// `c log2 c` by count.
    terms: [i64; TERMS],
    /// What counting one more octet adds to the sum, by the count before.
    steps: [i64; TERMS],
}

static TABLES: LazyLock<Tables> = LazyLock::new(|| Tables {
    terms: std::array::from_fn(compute),
    steps: std::array::from_fn(step),
});

/// Counts octets and knows the entropy of what it counted last.
pub struct Entropy {
    tables: &'static Tables,
    counts: [u16; 256],
    /// `sum c log2 c` over `counts`.
    sum: i64,
}

impl Default for Entropy {
    fn default() -> Entropy {
        Entropy {
            tables: &TABLES,
            counts: [0; 256],
            sum: 0,
        }
    }
}

/// `c log2 c` in fixed point.
fn compute(count: usize) -> i64 {
    if count < 2 {
        return 0;
    }
    let count = count as f64;
    (count * count.log2() * (1u64 << FRACTION) as f64).round() as i64
}

/// The step from one count to the next.
fn step(count: usize) -> i64 {
    compute(count + 1) - compute(count)
}

impl Entropy {
    /// Entropy of `payload`, 0 to 8; 0 where it is empty.
    ///
    /// `counted` is the slice given last, of which the histogram still is, or an empty one.
    #[inline]
    pub fn of(&mut self, payload: &[u8], counted: &[u8]) -> f64 {
        let n = payload.len();
        if n > EXACT {
            return long(payload);
        }
        match around(payload, counted) {
            Some((before, after)) if before.len() + after.len() < n => {
                before.iter().for_each(|octet| self.take(*octet));
                after.iter().for_each(|octet| self.take(*octet));
            }
            _ => self.count(payload),
        }
        if n < 2 {
            return 0.0;
        }
        let bits = self.term(n) - self.sum;
        bits as f64 / (n as f64 * (1u64 << FRACTION) as f64)
    }

    #[inline]
    fn term(&self, count: usize) -> i64 {
        match self.tables.terms.get(count) {
            Some(term) => *term,
            None => compute(count),
        }
    }

    /// Counts from nothing.
    fn count(&mut self, payload: &[u8]) {
        self.counts = [0; 256];
        self.sum = 0;
        if payload.len() <= SHORT {
            for octet in payload {
                let count = &mut self.counts[usize::from(*octet)];
                self.sum += self.tables.steps[usize::from(*count) % TERMS];
                *count += 1;
            }
            return;
        }
        self.counts = histogram(payload);
        self.sum = if payload.len() < TERMS {
            // No count can exceed the table, so the remainder is the count.
            let term = |count: &u16| self.tables.terms[usize::from(*count) % TERMS];
            let (groups, _) = self.counts.as_chunks::<4>();
            groups
                .iter()
                .map(|[a, b, c, d]| (term(a) + term(b)) + (term(c) + term(d)))
                .sum()
        } else {
            self.counts
                .iter()
                .map(|count| self.term(usize::from(*count)))
                .sum()
        };
    }

    /// Takes one octet out of the histogram.
    #[inline]
    fn take(&mut self, octet: u8) {
        let count = &mut self.counts[usize::from(octet)];
        *count = count.saturating_sub(1);
        let left = usize::from(*count);
        self.sum -= match self.tables.steps.get(left) {
            Some(step) => *step,
            None => step(left),
        };
    }
}

/// How often each of the 256 octets is there, of at most `EXACT`.
fn histogram(payload: &[u8]) -> [u16; 256] {
    // Four histograms, so that a run of equal octets does not wait for its own stores.
    let mut lanes = [[0u16; 256]; 4];
    let (groups, rest) = payload.as_chunks::<4>();
    for group in groups {
        for (lane, octet) in lanes.iter_mut().zip(group) {
            lane[usize::from(*octet)] += 1;
        }
    }
    for octet in rest {
        lanes[0][usize::from(*octet)] += 1;
    }
    let [a, b, c, d] = &lanes;
    std::array::from_fn(|i| a[i] + b[i] + c[i] + d[i])
}

/// The octets of `outer` before and after `inner`, where `inner` is a part of it.
#[inline]
fn around<'o>(inner: &[u8], outer: &'o [u8]) -> Option<(&'o [u8], &'o [u8])> {
    // Addresses are compared, never followed.
    let before = (inner.as_ptr() as usize).checked_sub(outer.as_ptr() as usize)?;
    if outer.len() > EXACT {
        return None;
    }
    Some((
        outer.get(..before)?,
        outer.get(before.checked_add(inner.len())?..)?,
    ))
}

/// The same in floating point, for payloads beyond any packet.
fn long(payload: &[u8]) -> f64 {
    let mut counts = [0u64; 256];
    for octet in payload {
        if let Some(count) = counts.get_mut(usize::from(*octet)) {
            *count += 1;
        }
    }
    let n = payload.len() as f64;
    counts
        .iter()
        .filter(|count| **count > 0)
        .map(|count| {
            let p = *count as f64 / n;
            -p * p.log2()
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_values() {
        let mut entropy = Entropy::default();
        assert_eq!(entropy.of(&[], &[]), 0.0);
        assert_eq!(entropy.of(&[7], &[]), 0.0);
        assert_eq!(entropy.of(&[7; 1000], &[]), 0.0);
        assert_eq!(entropy.of(&vec![7; 600_001], &[]), 0.0);
        assert_eq!(entropy.of(&[1, 2, 1, 2], &[]), 1.0);
        let all: Vec<u8> = (0..=255).collect();
        assert_eq!(entropy.of(&all, &[]), 8.0);
    }

    #[test]
    fn inner_layers_are_exact() {
        let mut state = 1u32;
        let octets: Vec<u8> = (0..3000)
            .map(|_| {
                state = state.wrapping_mul(1664525).wrapping_add(1013904223);
                (state >> 27) as u8
            })
            .collect();
        let mut nested = Entropy::default();
        let mut counted: &[u8] = &[];
        for (start, end) in [
            (14, 3000),
            (34, 2990),
            (54, 2990),
            (2000, 2500),
            (2499, 2500),
            (2500, 2500),
        ] {
            let inner = &octets[start..end];
            let mut fresh = Entropy::default();
            assert_eq!(nested.of(inner, counted), fresh.of(inner, &[]));
            assert!((nested.of(inner, inner) - long(inner)).abs() < 1e-9);
            counted = inner;
        }
    }
}
