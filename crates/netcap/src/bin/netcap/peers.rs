//! PCAP-over-IP peers as inputs: their flags, their addresses, and the source made of them.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use clap::builder::PossibleValuesParser;
use netcap_capture::Source;
use netcap_capture::pcap_over_ip::{
    Address, Order, Pin, Reader, ReaderOptions, Role, TlsError, TlsOptions,
};

use crate::console::note;
use crate::failure::Failure;

/// Flags for inputs that are addresses, `-r tcp://sensor:57012`.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "PCAP-over-IP")]
pub(crate) struct PeerFlags {
    /// Read one stream of each address; do not connect again when it ends
    ///
    /// By default an address is connected to again 1 to 30 seconds after its stream has ended, and a
    /// listener lets in any number of peers, until Ctrl-C.
    #[arg(long, alias = "no-reconnect")]
    pub(crate) once: bool,

    /// Give an address up after so many attempts to connect have failed [default: never; with -once: 0]
    #[arg(long, value_name = "N")]
    pub(crate) retry: Option<u32>,

    /// End at the first error of any address
    #[arg(long)]
    pub(crate) fail_fast: bool,

    /// Order of the packets of several peers: of time, or as they arrive [default: time]
    #[arg(long, value_name = "ORDER", value_parser = PossibleValuesParser::new(["time", "arrival"]))]
    pub(crate) order: Option<String>,

    /// Milliseconds that a packet waits for earlier ones of other peers [default: 200]
    #[arg(long, value_name = "MS")]
    pub(crate) window: Option<u32>,

    /// Megabytes of packets that may wait so [default: 8]
    #[arg(long, value_name = "MB", value_parser = clap::value_parser!(u32).range(1..=1 << 16))]
    pub(crate) window_memory: Option<u32>,

    /// Certificates (PEM) of the authorities that TLS peers are verified by [default: the system's]
    #[arg(long, value_name = "FILE")]
    pub(crate) ca: Option<PathBuf>,

    /// Believe the TLS peer whose certificate has this pin: sha256/ and base64, or hexadecimal
    ///
    /// The SHA-256 of the public key. Enough without -ca; with it, both must hold. May be given
    /// several times.
    #[arg(long, value_name = "PIN", value_parser = pin)]
    pub(crate) pin: Vec<Pin>,

    /// Name that the TLS peer's certificate must have, if not the one connected to
    #[arg(long, value_name = "NAME")]
    pub(crate) server_name: Option<String>,

    /// Our certificate (PEM): for tls-listen://, or if a peer demands one
    #[arg(long, value_name = "FILE", requires = "key")]
    pub(crate) cert: Option<PathBuf>,

    /// Its key (PEM), which not everybody may be able to read
    #[arg(long, value_name = "FILE", requires = "cert")]
    pub(crate) key: Option<PathBuf>,

    /// For tls-listen://: demand certificates signed by these authorities (PEM)
    #[arg(long, value_name = "FILE")]
    pub(crate) client_ca: Option<PathBuf>,

    /// With -client-ca: let in only this name, pin or SHA-256; may be given several times
    #[arg(long, value_name = "WHO", requires = "client_ca")]
    pub(crate) allow: Vec<String>,

    /// Believe any TLS peer: who can come between can read and change what is sent
    #[arg(long)]
    pub(crate) insecure: bool,

    /// Take a TLS stream that ends without close_notify for cut short, even between records
    #[arg(long)]
    pub(crate) strict_tls: bool,

    /// Read streams that are compressed with gzip or zstd, too
    #[arg(long)]
    pub(crate) decompress: bool,

    /// Octets of a packet that are believed, to 16777216 [default: 262144]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=16 << 20))]
    pub(crate) max_record: Option<u32>,

    /// Seconds for a peer to send its file header; 0 is for ever [default: 30]
    #[arg(long, value_name = "SECONDS", hide_short_help = true)]
    pub(crate) header_timeout: Option<u32>,

    /// Seconds without any octet after which a connection ends; 0 is never [default: 0]
    #[arg(long, value_name = "SECONDS")]
    pub(crate) idle_timeout: Option<u32>,

    /// Seconds with half a record after which a connection ends; 0 is never [default: 60]
    #[arg(long, value_name = "SECONDS", hide_short_help = true)]
    pub(crate) record_timeout: Option<u32>,

    /// Connections that listeners have at a time [default: 64]
    #[arg(long, value_name = "N", hide_short_help = true)]
    pub(crate) max_connections: Option<u16>,
}

fn pin(text: &str) -> Result<Pin, TlsError> {
    text.parse()
}

/// The addresses among the inputs. None of them, or all, are addresses.
pub(crate) fn addresses(inputs: &[String]) -> Result<Vec<Address>, Failure> {
    let (addresses, others): (Vec<&String>, Vec<&String>) =
        inputs.iter().partition(|input| Address::looks_like(input));
    if let (Some(address), Some(other)) = (addresses.first(), others.first()) {
        return Err(Failure::Usage(format!(
            "{address} and {other}: addresses cannot be read in one run with files or interfaces; \
             make two runs, or offer the other at an address too with `pcap-over-ip serve`"
        )));
    }
    let parsed = addresses.into_iter().map(|address| address.parse());
    let parsed: Result<_, _> = parsed.collect();
    parsed.map_err(|error: netcap_capture::pcap_over_ip::AddressError| {
        Failure::Usage(error.to_string())
    })
}

impl PeerFlags {
    /// A flag that was given, if any: where no input is an address they mean nothing.
    pub(crate) fn given(&self) -> Option<&'static str> {
        let given = [
            ("-once", self.once),
            ("-retry", self.retry.is_some()),
            ("-fail-fast", self.fail_fast),
            ("-order", self.order.is_some()),
            ("-window", self.window.is_some()),
            ("-window-memory", self.window_memory.is_some()),
            ("-ca", self.ca.is_some()),
            ("-pin", !self.pin.is_empty()),
            ("-server-name", self.server_name.is_some()),
            ("-cert", self.cert.is_some()),
            ("-client-ca", self.client_ca.is_some()),
            ("-insecure", self.insecure),
            ("-strict-tls", self.strict_tls),
            ("-decompress", self.decompress),
            ("-max-record", self.max_record.is_some()),
            ("-header-timeout", self.header_timeout.is_some()),
            ("-idle-timeout", self.idle_timeout.is_some()),
            ("-record-timeout", self.record_timeout.is_some()),
            ("-max-connections", self.max_connections.is_some()),
        ];
        let mut given = given.into_iter().filter(|(_, is_given)| *is_given);
        given.next().map(|(flag, _)| flag)
    }

    /// A TLS flag that was given: where no address speaks TLS it would protect nothing.
    fn given_of_tls(&self) -> Option<&'static str> {
        let given = [
            ("-ca", self.ca.is_some()),
            ("-pin", !self.pin.is_empty()),
            ("-server-name", self.server_name.is_some()),
            ("-cert", self.cert.is_some()),
            ("-client-ca", self.client_ca.is_some()),
            ("-insecure", self.insecure),
            ("-strict-tls", self.strict_tls),
        ];
        let mut given = given.into_iter().filter(|(_, is_given)| *is_given);
        given.next().map(|(flag, _)| flag)
    }

    /// Connects and listens.
    pub(crate) fn open(
        &self,
        addresses: Vec<Address>,
        is_quiet: bool,
    ) -> Result<Box<dyn Source>, Failure> {
        if let Some(flag) = self.given_of_tls()
            && !addresses.iter().any(|address| address.tls)
        {
            return Err(Failure::Usage(format!(
                "{flag} is for TLS, and no address speaks it; use tls:// or tls-listen://"
            )));
        }
        let order = match self.order.as_deref() {
            Some("arrival") => Order::Arrival,
            _ => Order::Time,
        };
        let listeners: Vec<Address> = addresses
            .iter()
            .filter(|address| address.role == Role::Listen)
            .cloned()
            .collect();
        let reader = Reader::new(addresses, self.options(is_quiet), order)?;
        for (address, place) in listeners.iter().zip(reader.listening()) {
            if !is_quiet {
                note(format_args!("{address}: waiting for peers at {place}"));
            }
            if !address.tls && !place.ip().is_loopback() {
                note(format_args!(
                    "{address}: anyone who can reach {place} can send packets; use tls-listen:// \
                     with -client-ca, or an address that only your sensors reach"
                ));
            }
        }
        Ok(Box::new(reader))
    }

    fn options(&self, is_quiet: bool) -> ReaderOptions {
        let default = ReaderOptions::default();
        // No flag leaves the default, 0 is no limit.
        let timeout = |flag: Option<u32>, default: Option<Duration>| match flag {
            None => default,
            Some(0) => None,
            Some(seconds) => Some(Duration::from_secs(seconds.into())),
        };
        ReaderOptions {
            reconnect: !self.once,
            retries: self.retry,
            header_timeout: timeout(self.header_timeout, default.header_timeout),
            idle_timeout: timeout(self.idle_timeout, default.idle_timeout),
            record_timeout: timeout(self.record_timeout, default.record_timeout),
            max_record: self.max_record.map_or(default.max_record, |n| n as usize),
            decompress: self.decompress,
            fail_fast: self.fail_fast,
            window: self
                .window
                .map_or(default.window, |ms| Duration::from_millis(ms.into())),
            window_octets: self
                .window_memory
                .map_or(default.window_octets, |mb| (mb as usize) << 20),
            max_connections: self
                .max_connections
                .map_or(default.max_connections, usize::from),
            tls: TlsOptions {
                ca: self.ca.clone(),
                pins: self.pin.clone(),
                server_name: self.server_name.clone(),
                cert: self.cert.clone(),
                key: self.key.clone(),
                insecure: self.insecure,
                client_ca: self.client_ca.clone(),
                allow: self.allow.clone(),
                strict: self.strict_tls,
            },
            notify: (!is_quiet).then(|| Arc::new(|line: &str| note(line)) as _),
            ..default
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_go_with_addresses() {
        let all = |texts: &[&str]| {
            let texts: Vec<String> = texts.iter().map(|text| (*text).to_owned()).collect();
            addresses(&texts).map_err(|failure| failure.to_string())
        };
        assert_eq!(all(&["a.pcap", "eth0"]).map(|all| all.len()), Ok(0));
        assert_eq!(all(&["TCP@h:1", "tls://h"]).map(|all| all.len()), Ok(2));
        for (texts, expected) in [
            (&["TCP@h:1", "a.pcap"][..], "two runs"),
            (&["TCP@h:x"], "not a port"),
            (&["http://h"], "use tcp://"),
        ] {
            let message = all(texts).expect_err("refused");
            assert!(message.contains(expected), "{message}");
        }
    }
}
