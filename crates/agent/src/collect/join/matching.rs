//! Which packet received is which of those sent, where several are equal.
//!
//! Both sides are in their order. The first received belongs to the first sent, and so on; but one sent that
//! has none within the window is lost, and one received that has none is surplus. One received with more hops left
//! than one sent came another way. What is decided stays so, whatever comes later, and so it does not matter which
//! side is known first.

use smallvec::SmallVec;

use super::waiting::End;

/// The places of packets in the list of those sent, and in that of those received; both grow.
pub(super) type Same = SmallVec<[(usize, usize); 4]>;

/// Which packets are the same. What is left when one list ends is open, as long as more can come.
pub(super) fn same(sent: &[End], received: &[End], window: i64) -> Same {
    let (mut one, mut other) = (0, 0);
    let mut same = Same::new();
    while let (Some(first), Some(second)) = (sent.get(one), received.get(other)) {
        let delay = second.time.saturating_sub(first.time);
        if delay > window {
            one += 1;
        } else if delay < -window || second.hops_left > first.hops_left {
            other += 1;
        } else {
            same.push((one, other));
            one += 1;
            other += 1;
        }
    }
    same
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ends(times: &[i64]) -> Vec<End> {
        let end = |time: &i64| End {
            time: *time,
            ..End::default()
        };
        times.iter().map(end).collect()
    }

    fn found(sent: &[i64], received: &[i64]) -> Vec<(usize, usize)> {
        same(&ends(sent), &ends(received), 5).to_vec()
    }

    #[test]
    fn the_first_belongs_to_the_first() {
        for (sent, received, expected) in [
            (&[0][..], &[5][..], &[(0, 0)][..]),
            (&[5], &[0], &[(0, 0)]),
            (&[0], &[6], &[]),
            (&[6], &[0], &[]),
            (&[0, 1], &[1, 2], &[(0, 0), (1, 1)]),
            (&[0], &[1, 2], &[(0, 0)]),
            (&[0, 10], &[11], &[(1, 0)]),
            (&[i64::MIN, 1], &[0, i64::MAX], &[(1, 0)]),
        ] {
            assert_eq!(found(sent, received), expected, "{sent:?} {received:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_decided_stays(
            mut sent in prop::collection::vec(0..100_i64, 0..20),
            mut received in prop::collection::vec(0..100_i64, 0..20),
            known in (0..20_usize, 0..20_usize),
        ) {
            sent.sort_unstable();
            received.sort_unstable();
            let whole = found(&sent, &received);
            let part = found(&sent[..known.0.min(sent.len())], &received[..known.1.min(received.len())]);
            prop_assert_eq!(&whole[..part.len()], &part[..]);
        }
    }
}
