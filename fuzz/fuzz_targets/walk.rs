//! Any octets as a packet of any link type.
//!
//! The input: link type (two octets, little-endian), by how many octets the capture cut the packet,
//! where a prefix of it ends, the packet.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    if let [low, high, cut, end, octets @ ..] = input {
        let link_type = u32::from(u16::from_le_bytes([*low, *high]));
        netcap_fuzz::laws::check(link_type, octets, *cut, *end);
    }
});
