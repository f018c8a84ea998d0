//! Where a stream goes, made of flags, and what the user should know of it before it starts.

use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::Arc;

use netcap_capture::libpcap;
use netcap_capture::pcap_over_ip::{Address, ClientTls, Listener, Place, Role, ServerTls};
use netcap_relay::{Limits, Outlets, OwnTraffic, QueueLimits};
use netcap_shell::peers::ReaderFlags;
use netcap_shell::{Failure, Given, TlsFlags};

use crate::PROGRAM;
use crate::flags::OutletFlags;
use crate::report::has_peers;

/// Octets of the program itself: its code, its libraries, what its allocator keeps.
const ITSELF: u64 = 32 << 20;

/// Where peers connect if no flag says otherwise.
const DEFAULT_LISTEN: &str = "127.0.0.1:57012";

/// Where a stream goes.
pub(crate) struct Opened {
    pub(crate) outlets: Outlets,
    /// Those of the listeners that speak TLS.
    pub(crate) tls: Option<Arc<ServerTls>>,
}

/// Opens what the flags say. `read`: the addresses that the stream comes from; `is_listening`:
/// whether peers may connect if no flag says where.
pub(crate) fn open(
    flags: &OutletFlags,
    tls: &Given<TlsFlags>,
    read: &[Address],
    is_listening: bool,
    reader: &ReaderFlags,
) -> Result<Opened, Failure> {
    let mut places = flags.listen.clone();
    if places.is_empty() && flags.connect.is_empty() && is_listening {
        places.push(DEFAULT_LISTEN.to_owned());
    }
    let places = places
        .iter()
        .map(|place| listening(place, tls.has_certificate()))
        .collect::<Result<Vec<_>, _>>()?;
    let peers = flags
        .connect
        .iter()
        .map(|peer| connecting(peer, tls.is_about_servers()))
        .collect::<Result<Vec<_>, _>>()?;

    tls.check(PROGRAM, places.iter().chain(&peers).chain(read))?;
    let options = tls.options();
    let server = places.iter().any(|place| place.tls);
    let server = server.then(|| ServerTls::new(&options)).transpose()?;
    let first = peers.iter().find(|peer| peer.tls);
    if let Some(first) = first.filter(|_| options.insecure) {
        PROGRAM.note(format_args!(
            "warning: {first}: --insecure believes anybody who answers there"
        ));
    }
    let client = first.map(|_| ClientTls::new(&options)).transpose()?;
    let listeners = places
        .iter()
        .map(|place| {
            let listener = Listener::bind(place, server.clone())?;
            let where_to = listener.local_addr();
            if !place.tls && !where_to.ip().is_loopback() {
                let warning = format!(
                    "{where_to}: without TLS anyone who can reach it can read the captured traffic"
                );
                if flags.require_tls {
                    return Err(Failure::Usage(format!(
                        "{warning}; give --cert and --key, which `pcap-over-ip tls make` makes"
                    )));
                }
                PROGRAM.note(format_args!("warning: {warning}; --cert and --key help"));
            }
            Ok(listener)
        })
        .collect::<Result<Vec<_>, Failure>>()?;
    let outlets = Outlets {
        listeners,
        peers,
        tls: client,
        allow: flags.allow.clone(),
        greeting: None,
        limits: limits(flags),
        is_persistent: !reader.once,
        retries: reader.retry,
        own: None,
    };
    refuse_itself(&outlets, read)?;
    Ok(Opened {
        outlets,
        tls: server,
    })
}

/// Refuses to read what we send: `read` are the addresses that the stream comes from.
fn refuse_itself(outlets: &Outlets, read: &[Address]) -> Result<(), Failure> {
    let mut listening: Vec<SocketAddr> =
        outlets.listeners.iter().map(Listener::local_addr).collect();
    let waiting = read.iter().filter(|address| address.role == Role::Listen);
    listening.extend(waiting.flat_map(places));
    let reading = read.iter().filter(|address| address.role == Role::Connect);
    for address in reading.chain(&outlets.peers) {
        let is_us = |place| listening.iter().any(|here| is_there(*here, place));
        if places(address).any(is_us) {
            return Err(Failure::Usage(format!(
                "{address} is where this program listens: it would read what it sends, again and again"
            )));
        }
    }
    Ok(())
}

/// The places of an address.
fn places(address: &Address) -> impl Iterator<Item = SocketAddr> {
    let found = match &address.place {
        Place::Tcp { host, port } => (host.as_str(), *port).to_socket_addrs().ok(),
        Place::Unix(_) => None,
    };
    found.into_iter().flatten()
}

/// Whether who connects to that place comes to who listens here.
fn is_there(here: SocketAddr, place: SocketAddr) -> bool {
    let (here_ip, ip) = (here.ip().to_canonical(), place.ip().to_canonical());
    let is_here = match here_ip.is_unspecified() {
        true => ip.is_unspecified() || is_local(ip),
        false => here_ip == ip || ip.is_unspecified() && here_ip.is_loopback(),
    };
    here.port() == place.port() && is_here
}

/// Whether an address is one of this machine.
fn is_local(ip: IpAddr) -> bool {
    let interfaces = libpcap::interfaces().unwrap_or_default();
    ip.is_loopback() || interfaces.iter().any(|each| each.addresses.contains(&ip))
}

/// The limits for peers.
pub(crate) fn limits(flags: &OutletFlags) -> Limits {
    Limits {
        clients: flags.max_clients,
        per_ip: flags.per_ip,
        queue: QueueLimits {
            octets: (flags.queue as usize) << 20,
            slow: flags.slow(),
            ..QueueLimits::default()
        },
        drain: flags.drain,
    }
}

/// Says where it goes, and what it may take.
pub(crate) fn announce(outlets: &Outlets, what: &str, more_memory: u64, is_queued: bool) {
    for listener in &outlets.listeners {
        PROGRAM.note(format_args!("{what} at {}", listener.local_addr()));
    }
    for peer in &outlets.peers {
        PROGRAM.note(format_args!("{what} to {peer}"));
    }
    let mut limits = outlets.limits;
    if !is_queued {
        // Files are read by each peer for itself, a block and a record at a time.
        limits.queue.octets = 4 << 20;
    }
    let clients = if outlets.listeners.is_empty() {
        0
    } else {
        limits.clients
    };
    limits.clients = clients;
    let most = limits
        .ceiling(outlets.peers.len())
        .saturating_add(more_memory)
        .saturating_add(ITSELF);
    let decisive = [
        ("queue", is_queued && has_peers(outlets)),
        ("max-clients", !outlets.listeners.is_empty()),
    ];
    let decisive = decisive.iter().filter(|(_, decides)| *decides);
    let decisive: Vec<&str> = decisive.map(|(flag, _)| *flag).collect();
    PROGRAM.tell_ceiling(most, &decisive);
}

/// What we have to leave out of a capture so that the stream does not carry itself.
pub(crate) fn own_traffic(outlets: &Outlets) -> Arc<OwnTraffic> {
    let listening: Vec<SocketAddr> = outlets.listeners.iter().map(Listener::local_addr).collect();
    let addresses = libpcap::interfaces().unwrap_or_default();
    let addresses = addresses.into_iter().flat_map(|each| each.addresses);
    Arc::new(OwnTraffic::new(listening, addresses.collect()))
}

/// `[ADDRESS:]PORT`, or an address of a listener in full.
fn listening(text: &str, is_tls: bool) -> Result<Address, Failure> {
    let scheme = if is_tls { "tls-listen" } else { "listen" };
    let address: Address = if Address::looks_like(text) {
        text.parse()?
    } else if text.bytes().all(|octet| octet.is_ascii_digit()) {
        format!("{scheme}://:{text}").parse()?
    } else {
        format!("{scheme}://{text}").parse()?
    };
    match (address.role, &address.place) {
        (Role::Listen, Place::Tcp { .. }) => Ok(address),
        _ => Err(Failure::Usage(format!(
            "--listen {text}: write [ADDRESS:]PORT, as in 127.0.0.1:57012"
        ))),
    }
}

/// `HOST:PORT`, or an address to connect to in full.
fn connecting(text: &str, is_tls: bool) -> Result<Address, Failure> {
    let scheme = if is_tls { "tls" } else { "tcp" };
    let address: Address = if Address::looks_like(text) {
        text.parse()?
    } else {
        format!("{scheme}://{text}").parse()?
    };
    if address.role != Role::Connect {
        return Err(Failure::Usage(format!(
            "--connect {text}: it is a place to listen at; --listen takes it"
        )));
    }
    if is_tls && !address.tls {
        return Err(Failure::Usage(format!(
            "--connect {text}: it is without TLS, but flags say how to believe it; write tls://, or \
             leave those flags out"
        )));
    }
    Ok(address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_and_full_forms() {
        let shown = |text: &str, tls| {
            let address = listening(text, tls).expect("an address");
            (address.place, address.tls)
        };
        let place = |host: &str, port| Place::Tcp {
            host: host.to_owned(),
            port,
        };
        assert_eq!(shown("4000", false), (place("127.0.0.1", 4000), false));
        assert_eq!(shown("0.0.0.0:4000", true), (place("0.0.0.0", 4000), true));
        assert_eq!(shown("[::]:4000", false), (place("::", 4000), false));
        assert!(listening("tcp://1.2.3.4", false).is_err());
        assert!(listening("nonsense:", false).is_err());

        assert!(connecting("host:1", true).expect("an address").tls);
        assert!(!connecting("host:1", false).expect("an address").tls);
        assert!(connecting("tls://host:1", false).expect("an address").tls);
        assert!(connecting("tcp://host:1", true).is_err());
        assert!(connecting("listen://:1", false).is_err());
    }
}
