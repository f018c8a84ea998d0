//! Any pieces of a stream as one of HTTP.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use netcap_dissect::StreamProtocol;
use netcap_fuzz::stream;

static TARGET: LazyLock<(&StreamProtocol, u16)> = LazyLock::new(|| stream::target("http"));

fuzz_target!(|input: &[u8]| stream::check(*TARGET, input));
