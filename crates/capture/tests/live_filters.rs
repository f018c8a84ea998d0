//! Filters of live capture ask the kernel for what it keeps beside a packet.
//!
//! In a network namespace of its own; skipped where there is no libpcap, or none can be made.

use std::process::Command;
use std::time::{Duration, Instant};

use netcap_capture::libpcap::{self, LiveOptions, open_live};
use netcap_capture::{Batch, Filter};

/// Two interfaces that are a wire.
const WIRE: &str = "ip link add wire0 type veth peer name wire1 && \
                    ip link set wire0 up && ip link set wire1 up && exec \"$@\"";

/// Set where this test runs in a namespace that has them.
const HAS_WIRE: &str = "NETCAP_TEST_HAS_WIRE";

/// The kernel takes the tag off a frame that arrives. Directions are compiled and not tried: for a
/// moment after it was set, libpcap runs a filter by itself too, without what the kernel knows.
#[test]
fn tags_are_seen_and_directions_compile() {
    if std::env::var_os(HAS_WIRE).is_some() {
        return on_the_wire();
    }
    if let Err(error) = libpcap::version() {
        eprintln!("skipped: {error}");
        return;
    }
    let in_namespace = || {
        let mut unshare = Command::new("unshare");
        unshare.args(["-n", "--", "sh", "-c", WIRE, "sh"]);
        unshare
    };
    let can_make = in_namespace().arg("true").output();
    if !can_make.is_ok_and(|output| output.status.success()) {
        eprintln!(
            "skipped: no network namespace can be made here, which takes root, unshare and ip"
        );
        return;
    }
    let this = std::env::current_exe().expect("this test");
    let output = in_namespace().arg(this).env(HAS_WIRE, "1").output();
    let output = output.expect("it runs");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}");
}

fn on_the_wire() {
    let frame = |tag: &[u8]| {
        let addresses = b"\x02\0\0\0\0\x01\x02\0\0\0\0\x02";
        [&addresses[..], tag, b"\x88\xb5", &[0; 46]].concat()
    };
    for (filter, expected) in [("vlan 7", vec![64]), ("vlan 8", vec![])] {
        let options = LiveOptions::default();
        let mut to = open_live("wire0", &options).expect("an interface");
        let mut from = open_live("wire1", &options).expect("an interface");
        let program = Filter::new(filter).and_then(|filter| filter.program_for(&mut to));
        to.set_filter(&program.expect("a program")).expect("set");
        from.inject(&frame(b"")).expect("sent");
        from.inject(&frame(b"\x81\0\0\x07")).expect("sent");
        let mut batch = Batch::new(1 << 20, 1024);
        let end = Instant::now() + Duration::from_millis(500);
        while Instant::now() < end {
            to.read(&mut batch, 0, Duration::from_millis(50))
                .expect("read");
        }
        let lengths: Vec<u32> = batch.packets().iter().map(|p| p.captured_len()).collect();
        assert_eq!(lengths, expected, "{filter}");
    }
    let mut live = open_live("wire0", &LiveOptions::default()).expect("an interface");
    let filter = Filter::new("inbound").expect("a filter for some link types");
    assert!(filter.program_for(&mut live).is_ok());
    let filter = Filter::new("wlan type mgt").expect("a filter for some link types");
    let error = filter
        .program_for(&mut live)
        .expect_err("none for Ethernet");
    assert!(error.to_string().contains("ETHERNET: 802.11"), "{error}");
}
