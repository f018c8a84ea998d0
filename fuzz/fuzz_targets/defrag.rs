//! Any sequence of fragments, with time going anywhere.
//!
//! Laws: what is held stays below the limits; every octet of a completed datagram stood at its
//! place in a fragment of that datagram; its end and its protocol are those of such fragments; every
//! fragment is counted.
#![no_main]

use std::collections::HashMap;

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use netcap_dissect::{Fragment, FragmentKey};
use netcap_flow::{Defragmenter, Limits};

#[derive(Arbitrary, Debug)]
struct Step {
    is_v6: bool,
    id: u8,
    /// In units of eight octets, as on the wire; small ones meet more often.
    offset: u8,
    far: bool,
    more: bool,
    protocol: u8,
    passed: i8,
    data: Vec<u8>,
}

const LIMITS: Limits = Limits {
    octets: 2048,
    seconds: 60,
};

fuzz_target!(|steps: Vec<Step>| {
    let mut table = Defragmenter::new(LIMITS);
    let mut seen: HashMap<FragmentKey, Vec<Fragment>> = HashMap::new();
    let mut now = 0i64;
    for (i, step) in steps.iter().enumerate() {
        now += i64::from(step.passed);
        let fragment = Fragment {
            packet: i as u32,
            ordinal: 0,
            key: FragmentKey {
                version: if step.is_v6 { 6 } else { 4 },
                protocol: 0,
                source: [1; 16],
                destination: [2; 16],
                id: u32::from(step.id % 8),
            },
            offset: u32::from(step.offset) * if step.far { 8 * 257 } else { 8 },
            more: step.more,
            protocol: step.protocol,
            data: step.data.as_slice().into(),
        };
        let key = fragment.key;
        seen.entry(key).or_default().push(fragment.clone());
        let completed = table.insert(&fragment, now);
        assert!(table.octets() <= LIMITS.octets, "{} octets", table.octets());
        let ledger = table.ledger();
        assert!(ledger.incomplete <= LIMITS.octets as u64 / 256);
        assert_eq!(ledger.fragments, i as u64 + 1);
        if let Some(whole) = completed {
            assert_eq!((whole.packet, whole.ordinal), (fragment.packet, 0));
            let pieces = seen.remove(&key).unwrap_or_default();
            assert!(whole.data.len() <= 65_535);
            assert!(
                pieces
                    .iter()
                    .any(|p| p.offset == 0 && p.protocol == whole.protocol)
            );
            assert!(pieces.iter().any(|p| !p.more && end(p) == whole.data.len()));
            for (at, octet) in whole.data.iter().enumerate() {
                let there = |p: &&Fragment| (p.offset as usize..end(p)).contains(&at);
                let mut stood = pieces
                    .iter()
                    .filter(there)
                    .map(|p| p.data[at - p.offset as usize]);
                assert!(
                    stood.any(|other| other == *octet),
                    "octet {at} came from nowhere"
                );
            }
        }
    }
});

fn end(fragment: &Fragment) -> usize {
    fragment.offset as usize + fragment.data.len()
}
