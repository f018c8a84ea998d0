//! Interfaces: waited for, opened, opened again when they come back, and looked at for other addresses.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use netcap_agent::{Addresses, Missing, classic, extended};
use netcap_capture::libpcap::LiveOptions;
use netcap_capture::{Error, Filter, LiveSource};
use netcap_relay::{Halt, OwnTraffic};
use netcap_shell::Failure;
use netcap_shell::privileges::opening;

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
    pub(crate) plan: Plan,
}

/// What is captured and told, by the addresses that there are at a moment.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Plan {
    /// The filter of the mode.
    mode: String,
    /// The machine's addresses, where our own connections are left out.
    here: Option<Vec<IpAddr>>,
    /// What the extended stream says of the interface.
    pub(crate) described: extended::Interface,
}

impl Interface<'_> {
    /// Opens it, once it is there and has its addresses; `None`: the end was asked for before.
    pub(crate) fn open(&self) -> Result<Option<Opened>, Failure> {
        let until = Instant::now() + self.flags.wait;
        let mut is_told = false;
        while !self.halt.is_asked() {
            let failure = match self.plan() {
                Ok(plan) => return self.open_with(plan).map(Some),
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
            let failure = match self
                .plan()
                .and_then(|plan| opening(|| self.open_with(plan)))
            {
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

    /// What is to be captured, by the addresses that there are now.
    pub(crate) fn plan(&self) -> Result<Plan, Failure> {
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
        Ok(Plan {
            mode: filter.trim().to_owned(),
            here: (!self.flags.include_own).then(extended::addresses),
            described: self.described(addresses),
        })
    }

    fn open_with(&self, plan: Plan) -> Result<Opened, Failure> {
        // The mode alone first, so that what is wrong with it is shown without what we add.
        Filter::new(&plan.mode)?;
        let filter = self.filter(&plan)?;
        let options = LiveOptions {
            snaplen: match self.flags.is_extended() {
                true => extended::SNAPLEN,
                false => classic::SNAPLEN,
            },
            promiscuous: false,
            patience: PATIENCE,
            ..LiveOptions::default()
        };
        let source = LiveSource::open(&self.name, 0, &options, Some(&filter)).map_err(refused)?;
        self.announce("", &plan);
        Ok(Opened { source, plan })
    }

    /// Captures by another plan from now on, and misses no packet meanwhile.
    pub(crate) fn renew(&self, opened: &mut Opened, plan: Plan) -> Result<(), Failure> {
        let filter = self.filter(&plan)?;
        opened.source.set_filter(&filter).map_err(refused)?;
        let before = std::mem::replace(&mut opened.plan, plan);
        // That another interface has other addresses is no news here.
        if before.mode != opened.plan.mode || before.described != opened.plan.described {
            self.announce("the interface has changed; ", &opened.plan);
        }
        Ok(())
    }

    /// What the kernel is to keep.
    fn filter(&self, plan: &Plan) -> Result<Filter, Failure> {
        let own = self.own(plan);
        let own = own.as_ref().map(OwnTraffic::filter).unwrap_or_default();
        let mode = match &plan.mode[..] {
            "" => String::new(),
            mode => format!("({mode})"),
        };
        let terms = [own, mode];
        let terms: Vec<_> = terms.into_iter().filter(|term| !term.is_empty()).collect();
        Ok(Filter::new(&terms.join(" and "))?)
    }

    fn announce(&self, news: &str, plan: &Plan) {
        if self.flags.quiet {
            return;
        }
        let packets = match &plan.mode[..] {
            "" => "all packets",
            mode => mode,
        };
        let exception = match &plan.here {
            Some(_) => ", but for our own connections",
            None => "",
        };
        let name = &self.name;
        PROGRAM.note(format_args!(
            "{name}: {news}capturing: {packets}{exception}"
        ));
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

    /// Our own connections, some of which the kernel may have left in.
    pub(crate) fn own(&self, plan: &Plan) -> Option<OwnTraffic> {
        let here = plan.here.clone()?;
        let own = OwnTraffic::new(self.places.to_vec(), here);
        Some(own.with_groups(self.groups.to_vec()))
    }
}

/// Looks whether an interface, or the machine, has other addresses by now.
pub(crate) struct Lookout<'a> {
    interface: &'a Interface<'a>,
    looked: Instant,
    /// What keeps the capture as it is, and was told.
    trouble: Option<String>,
}

impl<'a> Lookout<'a> {
    pub(crate) fn new(interface: &'a Interface<'a>) -> Lookout<'a> {
        Lookout {
            interface,
            looked: Instant::now(),
            trouble: None,
        }
    }

    /// The plan for now, if a second is over and it is another.
    pub(crate) fn look(&mut self, plan: &Plan) -> Option<Plan> {
        if self.looked.elapsed() < AGAIN {
            return None;
        }
        self.looked = Instant::now();
        match self.interface.plan() {
            Ok(found) if found == *plan => {
                self.trouble = None;
                None
            }
            Ok(found) => Some(found),
            // An interface that is gone is told of where packets are read.
            Err(failure) if self.interface.is_there() => {
                self.tell(&failure);
                None
            }
            Err(_) => None,
        }
    }

    /// Says, once, why the capture stays as it is.
    pub(crate) fn tell(&mut self, failure: &Failure) {
        let trouble = failure.to_string();
        if self.trouble.as_ref() != Some(&trouble) {
            PROGRAM.note(format_args!(
                "warning: {trouble}; until then the capture stays as it is"
            ));
            self.trouble = Some(trouble);
        }
    }
}

/// Why an interface cannot be captured from.
fn refused(error: Error) -> Failure {
    match error {
        Error::Filter(error) => error.into(),
        Error::NoFilter(_) => own(7, error.to_string()),
        error => own(4, error.to_string()),
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
