//! Any octets as messages between a sensor and a server.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| netcap_remote::fuzzing::messages(input));
