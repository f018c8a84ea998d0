//! Shannon entropy of a payload in bits per octet: `-sum p log2 p` over the 256 octet values.
//!
//! The payload of an outer layer is the inner header and the inner payload, so a packet's octets
//! are counted once, for its outermost layer, and every layer inside takes its header away from
//! the histogram. Sums are exact integers (fixed point), so the result does not depend on which
//! layers asked before.

/// Fraction bits of a term. The largest sum, of `EXACT` octets, stays below 2^63.
const FRACTION: u32 = 36;
/// Octets up to which sums fit; longer payloads are summed in floating point.
const EXACT: usize = 1 << 22;
/// Terms kept ready: the counts of ordinary packets.
const TERMS: usize = 2048;

/// Counts octets and knows the entropy of what it counted last.
pub struct Entropy {
    terms: Box<[i64; TERMS]>,
    counts: [u32; 256],
    /// `sum c log2 c` over `counts`.
    sum: i64,
}

impl Default for Entropy {
    fn default() -> Entropy {
        let mut terms = Box::new([0; TERMS]);
        for (count, slot) in terms.iter_mut().enumerate() {
            *slot = compute(count);
        }
        Entropy {
            terms,
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
        match self.terms.get(count) {
            Some(term) => *term,
            None => compute(count),
        }
    }

    /// Counts from nothing.
    fn count(&mut self, payload: &[u8]) {
        // Four histograms, so that a run of equal octets does not wait for its own stores.
        let mut lanes = [[0u32; 256]; 4];
        let [a, b, c, d] = &mut lanes;
        let mut groups = payload.chunks_exact(4);
        for group in &mut groups {
            if let [w, x, y, z] = group {
                bump(a, *w);
                bump(b, *x);
                bump(c, *y);
                bump(d, *z);
            }
        }
        for octet in groups.remainder() {
            bump(a, *octet);
        }
        let mut sum = 0;
        for (total, (((a, b), c), d)) in self
            .counts
            .iter_mut()
            .zip(a.iter().zip(b.iter()).zip(c.iter()).zip(d.iter()))
        {
            *total = a + b + c + d;
        }
        for count in &self.counts {
            sum += self.term(*count as usize);
        }
        self.sum = sum;
    }

    /// Takes one octet out of the histogram.
    #[inline]
    fn take(&mut self, octet: u8) {
        let Some(count) = self.counts.get_mut(usize::from(octet)) else {
            return;
        };
        let old = *count as usize;
        *count = count.saturating_sub(1);
        self.sum += self.term(old.saturating_sub(1)) - self.term(old);
    }
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

#[inline(always)]
fn bump(lane: &mut [u32; 256], octet: u8) {
    // An octet cannot exceed 255: the check disappears.
    if let Some(count) = lane.get_mut(usize::from(octet)) {
        *count += 1;
    }
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
        for (start, end) in [(14, 3000), (34, 2990), (54, 2990), (2000, 2500), (2499, 2500), (2500, 2500)] {
            let inner = &octets[start..end];
            let mut fresh = Entropy::default();
            assert_eq!(nested.of(inner, counted), fresh.of(inner, &[]));
            assert!((nested.of(inner, inner) - long(inner)).abs() < 1e-9);
            counted = inner;
        }
    }
}
