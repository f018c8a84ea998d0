//! `replay`: the packets of a capture or a stream out of an interface.

use std::iter;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use netcap_capture::pcap_over_ip::Address;
use netcap_capture::{Source, open};
use netcap_relay::replay::{Nic, ReplayOptions, ReplayTotals, carries, replay};
use netcap_relay::{Pace, stdin};
use netcap_shell::figures::{several, size};
use netcap_shell::peers::Terms;
use netcap_shell::privileges::{drop_after_opening, need_no_capabilities};
use netcap_shell::{Failure, signals};

use crate::PROGRAM;
use crate::flags::Replay;
use crate::report::Asked;

/// How soon the account is told that is asked for.
const TICK: Duration = Duration::from_millis(100);

pub(crate) fn run(flags: &Replay) -> Result<(), Failure> {
    let halt = signals::halt()?;
    let asked = Asked::listen(&halt, None)?;
    let is_stream = Address::looks_like(&flags.input);
    let address = is_stream.then(|| flags.input.parse()).transpose()?;
    flags.tls.check(PROGRAM, &address)?;
    if let Some(address) = &address
        && !flags.force
        && carries(&flags.interface, address)
    {
        return Err(Failure::Usage(format!(
            "{}: the stream comes by this interface, so what is replayed onto it may be captured and \
             come again; choose another, such as a dummy, or --force",
            flags.interface
        )));
    }
    let mut nic = Nic::open(&flags.interface)?;
    // Before there are threads that read a stream; another user we become once files are open, too.
    need_no_capabilities();
    let mut source: Box<dyn Source> = if let Some(address) = address {
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
    let is_file = source.progress().total.is_some();
    let watch = Watch::new(&flags.interface);
    let (totals, result) = thread::scope(|scope| {
        scope.spawn(|| watch.answer(&asked));
        let source = source.as_mut();
        let replayed = replay(source, &mut nic, &options, &halt, &mut |totals| {
            watch.see(totals);
        });
        watch.is_over.store(true, Ordering::Relaxed);
        replayed
    });
    tell("", &totals);
    match result {
        Err(error) if !halt.is_asked() => Err(error.into()),
        _ if halt.is_asked() && is_file => {
            Err(asked.interrupted("interrupted; the rest was not sent"))
        }
        // What was cut short because the user ended it is no fault where it has no other end.
        _ => Ok(()),
    }
}

/// What is known of a replay while it runs.
struct Watch<'a> {
    interface: &'a str,
    totals: Mutex<ReplayTotals>,
    is_over: AtomicBool,
}

impl Watch<'_> {
    fn new(interface: &str) -> Watch<'_> {
        Watch {
            interface,
            totals: Mutex::default(),
            is_over: AtomicBool::new(false),
        }
    }

    /// Takes note of how far it is, and says so when the interface is away, and when it is back.
    fn see(&self, totals: &ReplayTotals) {
        let mut known = self.totals.lock().unwrap_or_else(PoisonError::into_inner);
        let name = self.interface;
        match (known.is_down, totals.is_down) {
            (false, true) => {
                PROGRAM.note(format_args!("{name}: it is down or gone; waiting for it"))
            }
            (true, false) => PROGRAM.note(format_args!("{name}: it is back; sending goes on")),
            _ => {}
        }
        *known = *totals;
    }

    /// Tells the account so far when it is asked for, until all is over.
    fn answer(&self, asked: &Asked) {
        while !self.is_over.load(Ordering::Relaxed) {
            thread::sleep(TICK);
            if asked.account() {
                let totals = *self.totals.lock().unwrap_or_else(PoisonError::into_inner);
                tell("so far: ", &totals);
            }
        }
    }
}

/// Says what became of the packets.
fn tell(so_far: &str, totals: &ReplayTotals) {
    let mut line = format!(
        "{so_far}{} ({}) of {} sent",
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
