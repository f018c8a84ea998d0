//! Any octets as the extended stream of an agent.
//!
//! Laws: the same messages and the same end, in pieces of any size; each is read again as it was written.
#![no_main]

use std::io::{self, Read};

use libfuzzer_sys::fuzz_target;
use netcap_agent::extended::{Agent, Message, Messages};

/// Gives so many octets at a time.
struct Pieces<'a>(&'a [u8], usize);

impl Read for Pieces<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let size = self.1.min(out.len());
        self.0.read(&mut out[..size])
    }
}

/// All messages, and whether something came that is none.
fn read(octets: &[u8], size: usize) -> (Vec<Message>, bool) {
    let mut reader = Messages::new(Pieces(octets, size));
    let (mut all, mut messages) = (Vec::new(), Vec::new());
    loop {
        let result = reader.read(&mut messages);
        all.append(&mut messages);
        match result {
            Ok(0) => return (all, false),
            Ok(_) => {}
            Err(_) => return (all, true),
        }
    }
}

fuzz_target!(|input: (u8, &[u8])| {
    let (size, octets) = input;
    let whole = read(octets, usize::MAX);
    assert_eq!(read(octets, usize::from(size) + 1), whole);
    for message in whole.0 {
        let written = |message: &Message| {
            let mut octets = Vec::new();
            Message::Agent(Agent::default()).write(&mut octets);
            message.write(&mut octets);
            octets
        };
        let (again, _) = read(&written(&message), usize::MAX);
        // Texts and lists are cut to what is told at most, but only once.
        let [_, again] = &again[..] else {
            panic!("{again:?}");
        };
        assert_eq!(read(&written(again), usize::MAX).0.last(), Some(again));
    }
});
