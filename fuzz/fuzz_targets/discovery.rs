//! Any octets as layers of the family `discovery`.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use netcap_dissect::Selector;
use netcap_fuzz::family;

static WAYS: LazyLock<Vec<(&str, Selector)>> = LazyLock::new(|| family::ways("discovery"));

fuzz_target!(|input: &[u8]| family::check(&WAYS, input));
