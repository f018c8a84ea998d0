//! `replay`: the packets of a capture or a stream out of an interface.

use std::iter;
use std::sync::Arc;

use netcap_capture::pcap_over_ip::Address;
use netcap_capture::{Source, open};
use netcap_relay::replay::{Nic, ReplayOptions, ReplayTotals, carries, replay};
use netcap_relay::{Pace, stdin};
use netcap_shell::figures::{several, size};
use netcap_shell::peers::Terms;
use netcap_shell::privileges::drop_after_opening;
use netcap_shell::{Failure, signals};

use crate::PROGRAM;
use crate::flags::Replay;

pub(crate) fn run(flags: &Replay) -> Result<(), Failure> {
    let halt = signals::halt()?;
    let is_stream = Address::looks_like(&flags.input);
    let address = is_stream.then(|| flags.input.parse()).transpose()?;
    flags.tls.check(PROGRAM, &address)?;
    let mut source: Box<dyn Source> = if let Some(address) = address {
        if !flags.force && carries(&flags.interface, &address) {
            return Err(Failure::Usage(format!(
                "{}: the stream comes by this interface, so what is replayed onto it may be \
                 captured and come again; choose another, such as a dummy, or --force",
                flags.interface
            )));
        }
        let (addresses, terms) = (vec![address], Terms::default());
        Box::new(flags.reader.open(PROGRAM, addresses, &flags.tls, terms)?)
    } else if flags.input == "-" {
        match stdin::open(Arc::clone(&halt)) {
            // The user did not wait for the beginning.
            Err(_) if halt.is_asked() => return Ok(()),
            opened => Box::new(opened?.files),
        }
    } else {
        open(flags.input.as_ref())?
    };
    let mut nic = Nic::open(&flags.interface)?;
    drop_after_opening(None, iter::empty())?;
    let usual = if is_stream || flags.input == "-" {
        Pace::Max
    } else {
        Pace::Recorded(1.0)
    };
    let options = ReplayOptions {
        pace: flags.pace.unwrap_or(usual),
        max_gap: flags.max_gap,
        rewrite_ethernet: flags.rewrite_eth,
        pad: flags.pad,
    };
    let (totals, result) = replay(source.as_mut(), &mut nic, &options, &halt, &mut |_| {});
    tell(&totals);
    match result {
        // What was cut short because the user ended it is no fault.
        Err(error) if !halt.is_asked() => Err(error.into()),
        _ => Ok(()),
    }
}

/// Says what became of the packets.
fn tell(totals: &ReplayTotals) {
    let mut line = format!(
        "{} ({}) of {} sent",
        several(totals.sent, "packet"),
        size(totals.octets),
        totals.read
    );
    let causes = [
        (
            "of a link type that the interface does not carry",
            totals.other_link_type,
        ),
        ("without octets", totals.empty),
        ("too short for Ethernet", totals.too_short),
        ("cut by the capture (--pad sends them)", totals.cut),
        ("too long for the interface", totals.too_long),
        ("not taken by the interface", totals.failed),
    ];
    for (cause, number) in causes {
        if number > 0 {
            line += &format!(", {number} {cause}");
        }
    }
    if totals.downs > 0 {
        line += &format!("; the interface was down {}", several(totals.downs, "time"));
    }
    PROGRAM.note(line);
}
