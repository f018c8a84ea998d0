//! Interfaces: waited for, opened, and opened again when they come back.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use netcap_agent::{Addresses, Missing, classic, extended};
use netcap_capture::libpcap::LiveOptions;
use netcap_capture::{Error, Filter, LiveSource, libpcap};
use netcap_relay::{Halt, OwnTraffic};
use netcap_shell::Failure;

use crate::PROGRAM;
use crate::flags::{Flags, own};

/// How often it is looked whether something is there.
const AGAIN: Duration = Duration::from_secs(1);

/// How long the kernel may collect packets: so that they reach collectors within 10 ms, mostly.
const PATIENCE: Duration = Duration::from_millis(4);

/// An interface to be captured from.
pub(crate) struct Interface<'a> {
    pub(crate) name: String,
    pub(crate) flags: &'a Flags,
    /// Where collectors connect: what goes there and comes from there is left out.
    pub(crate) places: &'a [SocketAddr],
    /// Groups that we send to, for the same.
    pub(crate) groups: &'a [SocketAddr],
    pub(crate) halt: &'a Halt,
}

/// An interface that is captured from.
pub(crate) struct Opened {
    pub(crate) source: LiveSource,
    /// What the kernel may have left in of our own connections.
    pub(crate) own: Option<Arc<OwnTraffic>>,
    /// What the extended stream says of it.
    pub(crate) described: extended::Interface,
}

impl Interface<'_> {
    /// Opens it, once it is there and has its addresses; `None`: the end was asked for before.
    pub(crate) fn open(&self) -> Result<Option<Opened>, Failure> {
        let until = Instant::now() + self.flags.wait;
        let mut is_told = false;
        while !self.halt.is_asked() {
            let failure = match self.filter() {
                Ok((filter, addresses)) => return self.open_with(&filter, addresses).map(Some),
                Err(failure) => failure,
            };
            if Instant::now() >= until {
                return Err(failure);
            }
            if !std::mem::replace(&mut is_told, true) {
                let wait = self.flags.wait.as_secs_f64();
                PROGRAM.note(format_args!("{failure}; waiting for it, up to {wait} s"));
            }
            self.halt.sleep(AGAIN);
        }
        Ok(None)
    }

    /// Opens it again after its capture has ended: once it is up again, if it is there still, and once
    /// it is there again, with `--reattach`.
    pub(crate) fn open_again(&self, ended: &Error) -> Result<Option<Opened>, Failure> {
        let mut is_told = false;
        while !self.halt.is_asked() {
            if !self.flags.reattach && !self.is_there() {
                return Err(own(
                    4,
                    format!("{ended}; --reattach waits for it to come back"),
                ));
            }
            let opened = self.filter();
            let opened = opened.and_then(|(filter, addresses)| self.open_with(&filter, addresses));
            let failure = match opened {
                Ok(opened) => {
                    PROGRAM.note(format_args!("{}: capturing again", self.name));
                    return Ok(Some(opened));
                }
                Err(failure) => failure,
            };
            if !std::mem::replace(&mut is_told, true) {
                PROGRAM.note(format_args!("{failure}; waiting for it"));
            }
            self.halt.sleep(AGAIN);
        }
        Ok(None)
    }

    fn is_there(&self) -> bool {
        !matches!(Addresses::of(&self.name), Ok(None))
    }

    /// The filter of the mode, for the addresses that there are now, and those.
    fn filter(&self) -> Result<(String, Addresses), Failure> {
        let mut addresses = of(&self.name)?;
        if let Some(other) = &self.flags.mac_of {
            addresses.mac = of(other)
                .map_err(|failure| own(22, failure.to_string()))?
                .mac;
        }
        addresses.mac = self.flags.mac.or(addresses.mac);
        addresses.ip = self.flags.ip.or(addresses.ip);
        let name = &self.name;
        let filter = self.flags.mode().filter(addresses);
        let filter = filter.map_err(|missing| match missing {
            Missing::Ip => own(
                16,
                format!("{name}: it has no IPv4 address; give it one, or use --ip or -m none"),
            ),
            Missing::Mac => {
                let name = self.flags.mac_of.as_ref().unwrap_or(name);
                own(
                    22,
                    format!("{name}: it has no MAC; use -m none, a filter, or --mac"),
                )
            }
        })?;
        Ok((filter, addresses))
    }

    fn open_with(&self, mode: &str, addresses: Addresses) -> Result<Opened, Failure> {
        let name = &self.name;
        let own_traffic = self.own_traffic();
        let mut terms = vec![
            own_traffic
                .as_ref()
                .map(OwnTraffic::filter)
                .unwrap_or_default(),
        ];
        if !mode.trim().is_empty() {
            terms.push(format!("({mode})"));
        }
        terms.retain(|term| !term.is_empty());
        let text = terms.join(" and ");
        // The mode alone first, so that what is wrong with it is shown without what we add.
        Filter::new(mode)?;
        let filter = Filter::new(&text)?;
        let options = LiveOptions {
            snaplen: match self.flags.is_extended() {
                true => extended::SNAPLEN,
                false => classic::SNAPLEN,
            },
            promiscuous: false,
            patience: PATIENCE,
            ..LiveOptions::default()
        };
        let source =
            LiveSource::open(name, 0, &options, Some(&filter)).map_err(|error| match error {
                Error::Filter(error) => error.into(),
                Error::NoFilter(_) => own(7, error.to_string()),
                error => own(4, error.to_string()),
            })?;
        if !self.flags.quiet {
            let packets = match mode.trim() {
                "" => "all packets",
                mode => mode,
            };
            let exception = match &own_traffic {
                Some(_) => ", but for our own connections",
                None => "",
            };
            PROGRAM.note(format_args!("{name}: capturing: {packets}{exception}"));
        }
        Ok(Opened {
            source,
            own: own_traffic.map(Arc::new),
            described: self.described(addresses),
        })
    }

    /// What collectors are told of it: as the system says, but for what flags say.
    fn described(&self, addresses: Addresses) -> extended::Interface {
        let mut described = extended::Interface::named(&self.name);
        described.mac = addresses.mac;
        let given = self.flags.ip.map(Into::into);
        described.addresses.retain(|known| Some(*known) != given);
        described.addresses.splice(..0, given);
        described
    }

    /// Our own connections, by the addresses that the machine has now.
    fn own_traffic(&self) -> Option<OwnTraffic> {
        if self.flags.include_own {
            return None;
        }
        let addresses = libpcap::interfaces().unwrap_or_default();
        let addresses = addresses.into_iter().flat_map(|each| each.addresses);
        let own = OwnTraffic::new(self.places.to_vec(), addresses.collect());
        Some(own.with_groups(self.groups.to_vec()))
    }
}

/// The addresses of an interface that is there.
fn of(name: &str) -> Result<Addresses, Failure> {
    match Addresses::of(name) {
        Ok(Some(addresses)) => Ok(addresses),
        Ok(None) => Err(own(
            16,
            format!("{name}: no such interface; `ip link` lists them, -i names one"),
        )),
        Err(error) => Err(own(16, format!("{name}: no addresses: {error}"))),
    }
}
