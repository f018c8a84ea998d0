//! Streams to read, as the flags say.

use std::sync::Arc;
use std::time::Duration;

use netcap_capture::pcap_over_ip::{Address, Order, Reader, ReaderOptions};

use crate::console::note;
use crate::failure::Failure;
use crate::flags::{ReaderFlags, TlsFlags};

/// Begins to read streams.
pub(crate) fn open(
    addresses: Vec<Address>,
    flags: &ReaderFlags,
    tls: &TlsFlags,
) -> Result<Reader, Failure> {
    let order = match flags.order.as_str() {
        "arrival" => Order::Arrival,
        _ => Order::Time,
    };
    let options = ReaderOptions {
        reconnect: !flags.once,
        retries: flags.retry,
        idle_timeout: flags.idle_timeout,
        max_record: flags.max_record as usize,
        decompress: flags.decompress,
        window: Duration::from_millis(u64::from(flags.window)),
        tls: tls.options(),
        notify: Some(Arc::new(|line| note(line))),
        ..ReaderOptions::default()
    };
    Ok(Reader::new(addresses, options, order)?)
}
