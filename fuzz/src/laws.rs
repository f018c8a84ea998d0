//! What must be true of every walk.
//!
//! A walk has at most [`MAX_LAYERS`] layers; every record decodes and renders; a packet is cut short
//! only where the capture cut it and more was needed than there was; with fragments put together
//! the packet is still walked.

use std::sync::{LazyLock, Mutex};

use netcap_dissect::{
    Completed, Context, Entropy, Fate, MAX_LAYERS, Output, PacketInfo, Registry, Selection, walk,
};
use netcap_flow::{Defragmenter, Limits};
use netcap_protocols::PROTOCOLS;
use netcap_record::{Message, Time, split_frame};

use crate::render;

static REGISTRY: LazyLock<Registry> = LazyLock::new(|| {
    let selection = Selection {
        payloads: true,
        ..Selection::default()
    };
    Registry::new(PROTOCOLS, &[], &selection).expect("everything is selected")
});

/// Used again and again, as in a worker.
static ENTROPY: LazyLock<Mutex<Entropy>> = LazyLock::new(Mutex::default);

/// Walks a packet of which the capture left out `cut` octets, and `end` of 256 parts of it, once as
/// if the wire had no more and once as if the capture had cut it.
///
/// # Panics
/// Where a walk breaks a law.
pub fn check(link_type: u32, octets: &[u8], cut: u8, end: u8) {
    let whole = observe(link_type, octets, usize::from(cut), &[]);
    let mut table = Defragmenter::new(Limits::default());
    let completed: Vec<_> = whole
        .fragments
        .iter()
        .filter_map(|fragment| table.insert(fragment, 1))
        .collect();
    if !completed.is_empty() {
        observe(link_type, octets, usize::from(cut), &completed);
    }
    let end = octets.len() * usize::from(end) / 256;
    observe(link_type, &octets[..end], 0, &[]);
    observe(link_type, &octets[..end], octets.len() - end, &[]);
}

/// Walks a packet of which the capture left out `cut` octets, and holds what must be true.
fn observe(link_type: u32, octets: &[u8], cut: usize, completed: &[Completed]) -> Output {
    let mut output = Output::new(&REGISTRY);
    let mut entropy = ENTROPY.lock().expect("no walk panicked before");
    let mut context = Context::new(&REGISTRY, &mut output, &mut entropy, completed);
    let packet = PacketInfo {
        time: Time::new(1, 2000),
        link_type,
        original_len: (octets.len() + cut) as u32,
        index: 0,
        number: 0,
    };
    let fate = walk(&mut context, packet, octets);
    assert!(context.layers().len() <= MAX_LAYERS);
    if let Fate::CutShort(malformed) = fate {
        assert!(cut > 0 && malformed.needed > malformed.had, "{malformed}");
    }
    every_record(&REGISTRY, &output, |message| {
        assert_eq!(message.timestamp(), Some(Time::new(1, 2000).timestamp()));
    });
    output
}

/// Holds that every record decodes and renders, and what `hold` holds of it besides.
///
/// # Panics
/// Where it does not.
pub(crate) fn every_record(registry: &Registry, output: &Output, hold: impl Fn(&Message<'_>)) {
    for (schema, chunk) in registry.selected().iter().zip(&output.chunks) {
        let (mut rest, mut found) = (chunk.octets.as_slice(), 0);
        while !rest.is_empty() {
            let (record, after) = split_frame(rest).expect("whole frames");
            let message = Message::parse(schema, record).expect("a record that decodes");
            hold(&message);
            render(schema, &message);
            (rest, found) = (after, found + 1);
        }
        assert_eq!(found, chunk.records(), "{}", schema.name);
    }
}
