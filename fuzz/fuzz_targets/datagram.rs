//! Any octets as a batch that a sensor has sealed.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| netcap_remote::fuzzing::datagram(input));
