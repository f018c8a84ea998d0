//! Who gets the stream: peers that connect to us, and peers that we connect to.
//!
//! Guarantees: a peer that is silent, slow, hostile or gone costs its own thread and queue and
//! nobody else's time; there are never more peers than the limits allow; nobody outside the allowed
//! networks gets an octet.

use std::collections::HashMap;
use std::io;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, Scope};
use std::time::{Duration, Instant};

use netcap_capture::pcap_over_ip::{
    Address, Backoff, ClientTls, ConnectError, Connection, Listener, Pending, connect,
};

use crate::allow::Cidr;
use crate::arrivals::{Arrival, Arrivals};
use crate::client::{ClientTotals, Farewell, Feed, attend};
use crate::fanout::Audience;
use crate::greeting;
use crate::halt::Halt;
use crate::own_traffic::OwnTraffic;
use crate::queue::QueueLimits;
use crate::stream::Preamble;

/// How long a connection may take to be made, and TLS to be agreed upon.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// A connection that lasted so long was a good one: the next attempt need not wait.
const HEALTHY: Duration = Duration::from_secs(10);

/// How often it is looked whether it is time to end.
const TICK: Duration = Duration::from_millis(100);

/// What is rested when the system cannot accept more connections.
const REST: Duration = Duration::from_secs(1);

/// Octets that a peer costs beside its queue: buffers of its connection, its thread's stack in use.
const PER_CLIENT: u64 = 512 << 10;

/// Why a peer that has connected comes no further.
const CROWD: &str = "it did not show who it is while many others came";

/// What peers are given.
pub trait Supply: Sync {
    /// How their stream begins.
    fn preamble(&self) -> Arc<Preamble>;

    /// What one more peer gets.
    fn join(&self) -> Box<dyn Feed + '_>;

    /// Whether there is nothing more for who comes now.
    fn is_ended(&self) -> bool;

    /// Whether who comes later gets something else, so that a lost connection is worth another.
    fn is_live(&self) -> bool;

    /// Who is there, where that is known.
    fn audience(&self) -> Option<Audience> {
        None
    }
}

/// How many peers there may be, and what each may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Peers at a time.
    pub clients: usize,
    /// Peers at a time from one address.
    pub per_ip: usize,
    /// What waits for each.
    pub queue: QueueLimits,
    /// How long, when the end is asked for, peers may take what waits.
    pub drain: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            clients: 64,
            per_ip: 16,
            queue: QueueLimits::default(),
            drain: Duration::from_secs(2),
        }
    }
}

impl Limits {
    /// The most octets that peers make us hold, with `peers` of them that we connect to.
    pub fn ceiling(&self, peers: usize) -> u64 {
        let each = (self.queue.octets as u64).saturating_add(PER_CLIENT);
        each.saturating_mul(self.clients.saturating_add(peers) as u64)
    }
}

/// Where peers come from.
#[derive(Debug, Default)]
pub struct Outlets {
    /// Where they connect to us.
    pub listeners: Vec<Listener>,
    /// Where we connect to them.
    pub peers: Vec<Address>,
    /// TLS for those of [`Outlets::peers`] that have it.
    pub tls: Option<Arc<ClientTls>>,
    /// Networks that may connect to us; empty: all.
    pub allow: Vec<Cidr>,
    /// What who connects to us has to say first, if anything.
    pub greeting: Option<&'static [u8]>,
    /// Limits.
    pub limits: Limits,
    /// Whether we try again when a connection of ours cannot be made or is lost.
    pub is_persistent: bool,
    /// How many attempts to connect may fail one after the other; none: any number where we try again, else no more
    /// than the first.
    pub retries: Option<u32>,
    /// Who has to know of connections that we open.
    pub own: Option<Arc<OwnTraffic>>,
}

/// What happens with peers.
#[derive(Debug)]
pub enum Event {
    /// One is served from now on.
    Joined(String),
    /// One is served no longer.
    Left(ClientTotals),
    /// One was turned away, and why.
    Refused(IpAddr, String),
    /// One connected and came no further.
    NoHandshake(ConnectError),
    /// One cannot be connected to; the wait before the next attempt, if there is one.
    NoConnection(ConnectError, Option<Duration>),
    /// The system cannot accept connections.
    NoAccept(io::Error),
}

/// Serves until [`Halt`], or until there is nothing more for anybody: a stream has ended and all who
/// were there have it, or there are no listeners and all peers have it.
pub fn serve(outlets: &Outlets, supply: &dyn Supply, halt: &Halt, report: &(dyn Fn(Event) + Sync)) {
    let server = Server {
        outlets,
        supply,
        halt,
        report,
        guests: Guests::default(),
        arrivals: Arrivals::default(),
    };
    thread::scope(|scope| {
        for listener in &outlets.listeners {
            scope.spawn(|| server.accept(scope, listener));
        }
        for peer in &outlets.peers {
            scope.spawn(|| server.keep_connected(peer));
        }
    });
}

struct Server<'a> {
    outlets: &'a Outlets,
    supply: &'a dyn Supply,
    halt: &'a Halt,
    report: &'a (dyn Fn(Event) + Sync),
    guests: Guests,
    arrivals: Arrivals,
}

impl<'a> Server<'a> {
    fn is_over(&self) -> bool {
        self.halt.is_asked() || self.supply.is_ended()
    }

    /// Lets peers in.
    fn accept<'scope>(&'scope self, scope: &'scope Scope<'scope, '_>, listener: &Listener) {
        while !self.is_over() {
            match listener.accept(TICK) {
                Ok(None) => {}
                Ok(Some(pending)) => {
                    let address = pending.peer().ip();
                    let is_known = self.outlets.greeting.is_none() && !pending.has_tls();
                    let spawned = match self.admit(address, is_known) {
                        Ok(place) if is_known => thread::Builder::new()
                            .spawn_scoped(scope, move || self.receive(pending, place)),
                        Ok(_) => {
                            let (arrival, gone) = self.arrivals.enter(address, pending.cutter());
                            gone.into_iter().for_each(|gone| self.refuse(gone, CROWD));
                            thread::Builder::new()
                                .spawn_scoped(scope, move || self.greet(pending, arrival))
                        }
                        Err(reason) => {
                            self.refuse(address, reason);
                            continue;
                        }
                    };
                    if let Err(error) = spawned {
                        self.rest(error);
                    }
                }
                Err(error) => self.rest(error),
            }
        }
        // Who has not shown who it is by now could make the end wait for ten seconds.
        self.arrivals.cut_all();
    }

    /// Waits for the system to have what it is short of.
    fn rest(&self, error: io::Error) {
        (self.report)(Event::NoAccept(error));
        self.halt.sleep(REST);
    }

    /// Gives a peer its place, if it is known that it is to have one.
    fn admit(&self, peer: IpAddr, is_known: bool) -> Result<Option<Place<'_>>, &'static str> {
        let Outlets { allow, limits, .. } = self.outlets;
        if !allow.is_empty() && !allow.iter().any(|network| network.contains(peer)) {
            return Err("it is in none of the networks of --allow");
        }
        let place = is_known.then(|| self.guests.seat(peer, limits));
        place.transpose()
    }

    fn refuse(&self, peer: IpAddr, reason: impl Into<String>) {
        (self.report)(Event::Refused(peer, reason.into()));
    }

    /// Serves a peer that has connected.
    fn receive(&self, pending: Pending, _place: Option<Place<'_>>) {
        match pending.handshake(CONNECT_TIMEOUT) {
            Ok(connection) => drop(self.attend(connection, false)),
            Err(error) => (self.report)(Event::NoHandshake(error)),
        }
    }

    /// Serves a peer that has connected, once it has shown who it is.
    fn greet(&self, pending: Pending, arrival: Arrival<'_>) {
        let address = pending.peer().ip();
        let mut connection = match pending.handshake(CONNECT_TIMEOUT) {
            Ok(connection) => connection,
            Err(error) => return (self.report)(Event::NoHandshake(error)),
        };
        let greeted = match self.outlets.greeting {
            Some(greeting) => greeting::hear(&mut connection, greeting, || self.is_over()),
            None => Ok(()),
        };
        let place = greeted.and_then(|()| {
            let place = self.guests.seat(address, &self.outlets.limits);
            place.map_err(str::to_owned)
        });
        drop(arrival);
        match place {
            Ok(_place) => drop(self.attend(connection, false)),
            Err(reason) => {
                // It may have gone by itself.
                drop(connection.close());
                self.refuse(address, reason);
            }
        }
    }

    fn attend(&self, connection: Connection, is_opened: bool) -> ClientTotals {
        (self.report)(Event::Joined(connection.peer().to_owned()));
        let mut feed = self.supply.join();
        let preamble = self.supply.preamble();
        let drain = self.outlets.limits.drain;
        let feed = feed.as_mut();
        let totals = attend(connection, feed, &preamble, self.halt, drain, is_opened);
        (self.report)(Event::Left(totals.clone()));
        totals
    }

    /// Connects to a peer, again and again if it is to be.
    fn keep_connected(&self, peer: &Address) {
        let mut backoff = Backoff::new();
        let mut failures = 0;
        let most = self
            .outlets
            .retries
            .unwrap_or(match self.outlets.is_persistent {
                true => u32::MAX,
                false => 0,
            });
        while !self.is_over() {
            let wait = match connect(peer, self.outlets.tls.as_ref(), CONNECT_TIMEOUT) {
                Ok(connection) => {
                    if let Some(own) = &self.outlets.own
                        && let Some(ends) = connection.local_and_peer()
                    {
                        own.opened(ends);
                    }
                    failures = 0;
                    let since = Instant::now();
                    let totals = self.attend(connection, true);
                    let is_complete = totals.farewell == Farewell::Complete;
                    if is_complete || !self.outlets.is_persistent {
                        return;
                    }
                    if since.elapsed() >= HEALTHY || totals.packets > 0 {
                        backoff.reset();
                    }
                    backoff.next()
                }
                Err(error) => {
                    let wait = if error.is_permanent() {
                        backoff.longest()
                    } else {
                        backoff.next()
                    };
                    failures = u32::saturating_add(failures, 1);
                    let is_hopeless = error.is_permanent() && !self.outlets.is_persistent;
                    let again = (failures <= most && !is_hopeless).then_some(wait);
                    (self.report)(Event::NoConnection(error, again));
                    if again.is_none() {
                        return;
                    }
                    wait
                }
            };
            let until = Instant::now() + wait;
            while !self.is_over() && Instant::now() < until {
                self.halt.sleep(TICK);
            }
        }
    }
}

/// The peers that are connected, by address.
#[derive(Default)]
struct Guests(Mutex<HashMap<IpAddr, usize>>);

/// A peer's place among them, until it is dropped.
struct Place<'a> {
    guests: &'a Guests,
    address: IpAddr,
}

impl Guests {
    fn seat(&self, address: IpAddr, limits: &Limits) -> Result<Place<'_>, &'static str> {
        let mut guests = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if guests.values().sum::<usize>() >= limits.clients {
            return Err("there are as many clients as --max-clients allows");
        }
        let here = guests.entry(address).or_default();
        if *here >= limits.per_ip {
            return Err("its address has as many clients as --per-ip allows");
        }
        *here += 1;
        Ok(Place {
            guests: self,
            address,
        })
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut guests = self.guests.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(here) = guests.get_mut(&self.address) {
            *here -= 1;
            if *here == 0 {
                guests.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_counted() {
        let guests = Guests::default();
        let limits = Limits {
            clients: 3,
            per_ip: 2,
            ..Limits::default()
        };
        let [a, b] = [[10, 0, 0, 1], [10, 0, 0, 2]].map(IpAddr::from);
        let first = guests.seat(a, &limits);
        let _second = guests.seat(a, &limits).map_err(drop);
        assert!(guests.seat(a, &limits).is_err());
        let _third = guests.seat(b, &limits).map_err(drop);
        assert!(guests.seat(b, &limits).is_err());
        drop(first);
        assert!(guests.seat(b, &limits).is_ok());
        assert_eq!(limits.ceiling(1), 4 * ((16 << 20) + PER_CLIENT));
    }
}
