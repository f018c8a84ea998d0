//! For the tests of protocols: walk a sample, see its records, try every prefix of it.

use netcap_record::{Record, Schema, Timestamp};

use crate::{
    Context, Entropy, Fate, Fragment, Output, PacketInfo, Protocol, Reason, Registry, Selection,
    walk,
};

/// What a walk gave.
#[derive(Debug)]
pub struct Walked {
    /// What became of the packet.
    pub fate: Fate,
    /// The records, each type's in order of emission: type and encoded octets, without a length.
    pub records: Vec<(&'static Schema, Vec<u8>)>,
    /// Fragments that were noted.
    pub fragments: Vec<Fragment>,
}

impl Walked {
    /// The encoded records of one type, by its message name.
    pub fn of(&self, name: &str) -> Vec<&[u8]> {
        self.records
            .iter()
            .filter(|(schema, _)| schema.name == name)
            .map(|(_, octets)| octets.as_slice())
            .collect()
    }

    /// What was malformed, if that is the packet's fate.
    pub fn malformed(&self) -> Option<Reason> {
        match self.fate {
            Fate::Malformed(malformed) => Some(malformed.reason),
            _ => None,
        }
    }
}

/// A record's octets, to compare with those of a walk.
pub fn encoded(record: &impl Record) -> Vec<u8> {
    let mut out = Vec::new();
    record.encode(&mut out);
    out
}

/// Walks one packet that was captured whole, at time 1.000002.
pub fn walk_packet(protocols: &[&'static Protocol], link_type: u32, octets: &[u8]) -> Walked {
    walk_cut(protocols, link_type, octets, octets.len())
}

/// Walks a packet of which the wire had `original` octets.
///
/// # Panics
/// Where the encoded output is not what the encoder promises.
pub fn walk_cut(
    protocols: &[&'static Protocol],
    link_type: u32,
    octets: &[u8],
    original: usize,
) -> Walked {
    let selection = Selection {
        payloads: true,
        ..Selection::default()
    };
    let registry = Registry::new(protocols, &[], &selection).expect("everything is selected");
    let mut output = Output::new(&registry);
    let mut entropy = Entropy::default();
    let mut context = Context::new(&registry, &mut output, &mut entropy, &[]);
    let packet = PacketInfo {
        timestamp: Timestamp::new(1, 2000),
        link_type,
        original_len: original as u32,
        index: 0,
    };
    let fate = walk(&mut context, packet, octets);
    let mut records = Vec::new();
    for (schema, chunk) in registry.selected().iter().zip(&output.chunks) {
        let mut rest = chunk.as_slice();
        while let Some((record, after)) = split_record(rest) {
            netcap_record::Message::parse(schema, record).expect("a record that decodes");
            records.push((*schema, record.to_vec()));
            rest = after;
        }
        assert!(
            rest.is_empty(),
            "{}: a frame that does not decode",
            schema.name
        );
    }
    Walked {
        fate,
        records,
        fragments: output.fragments,
    }
}

/// Walks every prefix of a packet, once as if the wire had no more and once as if the capture had
/// cut it, and holds what must be true of each.
///
/// # Panics
/// Where a prefix is cut short without needing more than it had, or yields more than the whole.
pub fn every_prefix(protocols: &[&'static Protocol], link_type: u32, octets: &[u8]) {
    let whole = walk_packet(protocols, link_type, octets);
    for end in 0..octets.len() {
        let Some(prefix) = octets.get(..end) else {
            continue;
        };
        for original in [end, octets.len()] {
            let walked = walk_cut(protocols, link_type, prefix, original);
            assert!(
                walked.records.len() <= whole.records.len(),
                "prefix of {end} octets"
            );
            if let Fate::CutShort(m) = walked.fate {
                assert!(
                    original > end && m.needed > m.had,
                    "prefix of {end} octets: {m}"
                );
            }
        }
    }
}

fn split_record(octets: &[u8]) -> Option<(&[u8], &[u8])> {
    let (mut len, mut shift) = (0usize, 0);
    for (i, octet) in octets.iter().enumerate().take(5) {
        len |= usize::from(octet & 0x7f) << shift;
        shift += 7;
        if octet & 0x80 == 0 {
            return octets.get(i + 1..)?.split_at_checked(len);
        }
    }
    None
}
