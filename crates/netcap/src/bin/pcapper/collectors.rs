//! Where collectors connect, and what they may cost.

use std::io::ErrorKind::{AddrInUse, AddrNotAvailable, PermissionDenied};
use std::net::SocketAddr;
use std::sync::Arc;

use netcap_agent::LENGTH;
use netcap_agent::extended::GREETING;
use netcap_capture::pcap_over_ip::{ConnectError, Listener, ServerTls};
use netcap_relay::{Limits, Outlets};
use netcap_shell::{Failure, descriptors};

use crate::PROGRAM;
use crate::flags::{Flags, own};

/// Records in a segment. With the 12 octets of TCP's time stamps that is what fits an Ethernet frame.
const RECORDS: u32 = 50;
const TIME_STAMPS: u32 = 12;

/// Descriptors that are not of collectors: of interfaces, the log, metrics, libpcap.
const DESCRIPTORS: usize = 64;

/// Octets that are held at most: by the program itself, for each record that waits, for each collector
/// and for each record that waits for it.
const ITSELF: u64 = 48 << 20;
const PER_RECORD: u64 = 160;
const PER_COLLECTOR: u64 = 64 << 10;
const PER_WAITING: u64 = 8;
/// The same of the extended stream; with TLS a collector has its buffers, too. And for the fragments that
/// an interface remembers.
const PER_NOTE: u64 = 272;
const PER_TLS: u64 = 192 << 10;
const PER_INTERFACE: u64 = 4 << 20;

/// Where collectors connect, of either stream.
pub(crate) struct Doors {
    pub(crate) classic: Outlets,
    pub(crate) extended: Option<Outlets>,
}

/// Opens what the flags say.
pub(crate) fn open(flags: &Flags) -> Result<Doors, Failure> {
    let streams = usize::from(flags.is_classic()) + usize::from(flags.is_extended());
    let wanted = flags.max_clients().saturating_mul(streams);
    descriptors::allow(wanted.saturating_add(DESCRIPTORS) as u64);
    let classic = flags
        .places()?
        .into_iter()
        .map(|place| classic(flags, place));
    let classic = outlets(flags, classic.collect::<Result<_, _>>()?, None);
    let mut extended = None;
    if flags.is_extended() {
        let tls = flags.tls.has_certificate();
        let tls = tls
            .then(|| ServerTls::new(&flags.tls.options()))
            .transpose()?;
        let places = flags.extended_places().into_iter();
        let listeners = places.map(|place| self::extended(flags, place, tls.as_ref()));
        let listeners = listeners.collect::<Result<_, _>>()?;
        extended = Some(outlets(flags, listeners, Some(GREETING)));
    }
    Ok(Doors { classic, extended })
}

impl Doors {
    /// Where all of them listen: our own traffic goes there.
    pub(crate) fn places(&self) -> Vec<SocketAddr> {
        let extended = self.extended.iter().flat_map(|outlets| &outlets.listeners);
        let listeners = self.classic.listeners.iter().chain(extended);
        listeners.map(Listener::local_addr).collect()
    }

    /// Says where records go, and what that may take.
    pub(crate) fn announce(&self, flags: &Flags) {
        if flags.quiet {
            return;
        }
        for listener in &self.classic.listeners {
            PROGRAM.note(format_args!("records at {}", listener.local_addr()));
        }
        let tls = if flags.tls.has_certificate() {
            " (TLS)"
        } else {
            ""
        };
        for listener in self.extended.iter().flat_map(|outlets| &outlets.listeners) {
            PROGRAM.note(format_args!(
                "extended stream{tls} at {}",
                listener.local_addr()
            ));
        }
        PROGRAM.tell_ceiling(ceiling(flags), &["queue", "max-clients"]);
    }
}

/// The most octets that are held.
fn ceiling(flags: &Flags) -> u64 {
    let (queue, clients) = (u64::from(flags.queue), flags.max_clients() as u64);
    let of_stream = |per_record: u64, per_collector: u64| {
        let each = per_collector + PER_WAITING * queue;
        (per_record * queue).saturating_add(each.saturating_mul(clients))
    };
    let mut most = ITSELF.saturating_add(of_stream(PER_RECORD, PER_COLLECTOR));
    if flags.is_extended() {
        let tls = u64::from(flags.tls.has_certificate());
        let fragments = PER_INTERFACE * flags.interfaces().len() as u64;
        most = most
            .saturating_add(of_stream(PER_NOTE, PER_COLLECTOR + PER_TLS * tls))
            .saturating_add(fragments);
    }
    most
}

/// The limits are the same for both streams; what waits is limited where it is given away.
fn outlets(flags: &Flags, listeners: Vec<Listener>, greeting: Option<&'static [u8]>) -> Outlets {
    Outlets {
        listeners,
        allow: flags.allow.clone(),
        greeting,
        limits: Limits {
            clients: flags.max_clients(),
            per_ip: flags.max_clients(),
            ..Limits::default()
        },
        ..Outlets::default()
    }
}

fn classic(flags: &Flags, place: SocketAddr) -> Result<Listener, Failure> {
    let address = format!("listen://{place}").parse()?;
    let advice = "-p or --listen names another port";
    let listener =
        Listener::bind(&address, None).map_err(|error| unlistened("", place, advice, error))?;
    let segment = RECORDS * LENGTH as u32 + TIME_STAMPS;
    if let Err(error) = listener.limit_segments(segment) {
        PROGRAM.note(format_args!(
            "warning: {place}: segments stay as they are: {error}"
        ));
    }
    if !place.ip().is_loopback() && flags.allow.is_empty() {
        PROGRAM.note(format_args!(
            "warning: {place}: anyone who can reach it learns who talks to whom here; --listen \
             127.0.0.1 or --allow NET narrows that"
        ));
    }
    Ok(listener)
}

fn extended(
    flags: &Flags,
    place: SocketAddr,
    tls: Option<&Arc<ServerTls>>,
) -> Result<Listener, Failure> {
    let scheme = if tls.is_some() {
        "tls-listen"
    } else {
        "listen"
    };
    let address = format!("{scheme}://{place}").parse()?;
    let advice = "write another port behind the address";
    let listener = Listener::bind(&address, tls.cloned())
        .map_err(|error| unlistened("--extended ", place, advice, error))?;
    let is_narrowed = !flags.allow.is_empty() || flags.tls.demands_certificates();
    if !place.ip().is_loopback() && !is_narrowed {
        PROGRAM.note(format_args!(
            "warning: {place}: anyone who can reach it learns who talks to whom here; --client-ca with \
             --cert and --key, --allow NET, or --extended 127.0.0.1 narrows that"
        ));
    }
    Ok(listener)
}

/// Why collectors cannot be listened for at a place, after the flag that names it.
fn unlistened(flag: &str, place: SocketAddr, advice: &str, error: ConnectError) -> Failure {
    let ConnectError::Listen { source, .. } = &error else {
        return own(2, error.to_string());
    };
    let (code, reason) = match source.kind() {
        AddrInUse => (2, format!("this port is in use; {advice}")),
        AddrNotAvailable => (
            2,
            "this machine has no such address; `ip address` lists them".to_owned(),
        ),
        PermissionDenied => (2, format!("only root may listen at this port; {advice}")),
        _ => (1, source.to_string()),
    };
    own(code, format!("{flag}{place}: cannot listen: {reason}"))
}
