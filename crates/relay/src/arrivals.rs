//! Peers that have connected and not yet shown who they are: in TLS, or by a greeting.
//!
//! Guarantees: they take no place of those who are served; there are [`MOST`] at most; if one more comes, the
//! oldest of the address that has most of them is cut off, so that nobody keeps others out from one address.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use netcap_capture::pcap_over_ip::Cutter;

/// Peers that may be arriving at a time.
const MOST: usize = 64;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Arrivals(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    next: u64,
    /// In the order in which they came.
    peers: Vec<(u64, IpAddr, Cutter)>,
}

/// A peer among them, until this is dropped.
#[derive(Debug)]
pub(crate) struct Arrival<'a> {
    arrivals: &'a Arrivals,
    number: u64,
}

impl Arrivals {
    /// Takes one more; gives the address of one that had to go for it.
    pub(crate) fn enter(&self, address: IpAddr, cutter: Cutter) -> (Arrival<'_>, Option<IpAddr>) {
        let mut state = self.state();
        let gone = (state.peers.len() >= MOST)
            .then(|| state.cut_one())
            .flatten();
        let number = state.next;
        state.next += 1;
        state.peers.push((number, address, cutter));
        let arrival = Arrival {
            arrivals: self,
            number,
        };
        (arrival, gone)
    }

    /// Cuts off all of them, as nobody is served any more.
    pub(crate) fn cut_all(&self) {
        for (_, _, cutter) in &self.state().peers {
            cutter.cut();
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn cut_one(&mut self) -> Option<IpAddr> {
        let mut counts = HashMap::new();
        for (_, address, _) in &self.peers {
            *counts.entry(*address).or_insert(0) += 1;
        }
        let most = counts.values().copied().max()?;
        let is_victim =
            |(_, address, _): &(u64, IpAddr, Cutter)| counts.get(address) == Some(&most);
        let place = self.peers.iter().position(is_victim)?;
        let (_, address, cutter) = self.peers.remove(place);
        cutter.cut();
        Some(address)
    }
}

impl Drop for Arrival<'_> {
    fn drop(&mut self) {
        let mut state = self.arrivals.state();
        state.peers.retain(|(number, ..)| *number != self.number);
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::net::TcpStream;
    use std::time::Duration;

    use netcap_capture::pcap_over_ip::Listener;

    use super::*;

    #[test]
    fn who_has_most_goes_first() {
        let address = "listen://127.0.0.1:0".parse().expect("an address");
        let listener = Listener::bind(&address, None).expect("a listener");
        let mut peer = TcpStream::connect(listener.local_addr()).expect("a connection");
        let pending = listener.accept(Duration::from_secs(60)).expect("accepted");
        let cutter = pending.as_ref().expect("a peer").cutter();
        let arrivals = Arrivals::default();
        let [few, many] = [[10, 0, 0, 1], [10, 0, 0, 2]].map(IpAddr::from);
        let first = arrivals.enter(few, cutter.clone());
        let rest: Vec<_> = (1..MOST)
            .map(|_| arrivals.enter(many, cutter.clone()))
            .collect();
        assert!(rest.iter().all(|(_, gone)| gone.is_none()));
        let (last, gone) = arrivals.enter(few, cutter);
        assert_eq!(gone, Some(many));
        assert_eq!(peer.read(&mut [0]).expect("its end"), 0);
        drop((first, rest, last));
        assert!(arrivals.state().peers.is_empty());
    }

    #[test]
    fn at_the_end_all_go() {
        let address = "listen://127.0.0.1:0".parse().expect("an address");
        let listener = Listener::bind(&address, None).expect("a listener");
        let arrivals = Arrivals::default();
        let peers = [(); 2].map(|()| {
            let peer = TcpStream::connect(listener.local_addr()).expect("a connection");
            let pending = listener.accept(Duration::from_secs(60)).expect("accepted");
            let pending = pending.expect("a peer");
            let arrival = arrivals.enter(pending.peer().ip(), pending.cutter());
            (peer, pending, arrival)
        });
        arrivals.cut_all();
        for (mut peer, _pending, _arrival) in peers {
            assert_eq!(peer.read(&mut [0]).expect("its end"), 0);
        }
    }
}
