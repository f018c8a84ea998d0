//! PCAP-over-IP peers as inputs: their addresses, the flags for reading them, and what is read.

use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use clap::builder::PossibleValuesParser;
use netcap_capture::pcap_over_ip::{Address, Order, Reader, ReaderOptions, Role};

use crate::failure::Failure;
use crate::program::Program;
use crate::quantity::seconds;
use crate::tls_flags::TlsFlags;

/// Flags for inputs that are addresses, as in `tcp://sensor:57012`.
#[derive(Debug, Args)]
#[command(next_help_heading = "PCAP-over-IP")]
pub struct ReaderFlags {
    /// Read one stream of each address; do not connect again when it ends
    ///
    /// By default an address is connected to again 1 to 30 seconds after its stream has ended, and a
    /// listener lets in any number of peers, until Ctrl-C.
    #[arg(long, alias = "no-reconnect")]
    pub once: bool,

    /// Give an address up after so many attempts to connect have failed [default: never; where each
    /// address is read once: 0]
    #[arg(long, value_name = "N")]
    pub retry: Option<u32>,

    /// End at the first error of any address
    #[arg(long)]
    fail_fast: bool,

    /// Order of the packets of several peers: of time, or as they arrive
    #[arg(
        long, value_name = "ORDER", default_value = "time",
        value_parser = PossibleValuesParser::new(["time", "arrival"])
    )]
    order: String,

    /// Milliseconds that a packet waits for earlier ones of other peers
    #[arg(long, value_name = "MS", default_value_t = ReaderOptions::default().window.as_millis() as u32)]
    window: u32,

    /// Megabytes of packets that may wait for earlier ones
    #[arg(
        long, value_name = "MB", default_value_t = (ReaderOptions::default().window_octets >> 20) as u32,
        value_parser = clap::value_parser!(u32).range(1..=1 << 16)
    )]
    window_memory: u32,

    /// Read streams that are compressed with gzip or zstd, too
    #[arg(long)]
    decompress: bool,

    /// Largest packet that is accepted, in octets; at most 16777216
    #[arg(
        long, value_name = "N", default_value_t = ReaderOptions::default().max_record as u32,
        value_parser = clap::value_parser!(u32).range(1..=16 << 20)
    )]
    max_record: u32,

    /// Seconds that a peer may take to send its file header; 0 is no limit
    #[arg(
        long, value_name = "SECONDS", default_value = "30", value_parser = seconds,
        hide_short_help = true
    )]
    header_timeout: Duration,

    /// End a connection after so many seconds without any octet; 0 is never
    #[arg(long, value_name = "SECONDS", default_value = "0", value_parser = seconds)]
    idle_timeout: Duration,

    /// Seconds that a record may take to arrive, or the connection ends; 0 is no limit
    #[arg(
        long, value_name = "SECONDS", default_value = "60", value_parser = seconds,
        hide_short_help = true
    )]
    record_timeout: Duration,

    /// Connections that listeners have at a time
    #[arg(
        long, value_name = "N", default_value_t = ReaderOptions::default().max_connections as u16,
        hide_short_help = true
    )]
    max_connections: u16,
}

/// What the user wants to hear of peers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum News {
    /// Where they are waited for, and what happens to connections.
    #[default]
    All,
    /// Only what happens to connections: they fail, end and begin again.
    Connections,
    /// Only warnings of what is dangerous.
    Warnings,
}

/// What the user wants to hear of peers, and to rule out.
#[derive(Clone, Copy, Debug, Default)]
pub struct Terms {
    /// What is told.
    pub news: News,
    /// Refuse to listen without TLS anywhere but on this machine.
    pub requires_tls: bool,
}

/// The addresses among the inputs. None of the inputs, or all, are addresses.
///
/// # Errors
///
/// An address that is none, or inputs of both kinds.
pub fn addresses(inputs: &[String]) -> Result<Vec<Address>, Failure> {
    let (addresses, others): (Vec<&String>, Vec<&String>) =
        inputs.iter().partition(|input| Address::looks_like(input));
    if let (Some(address), Some(other)) = (addresses.first(), others.first()) {
        return Err(Failure::Usage(format!(
            "{address} and {other}: addresses cannot be read in one run with files or interfaces; \
             make two runs, or offer the other at an address too with `pcap-over-ip serve`"
        )));
    }
    let parsed = addresses.into_iter().map(|address| address.parse());
    Ok(parsed.collect::<Result<_, _>>()?)
}

impl ReaderFlags {
    /// Connects and listens, and says where.
    ///
    /// # Errors
    ///
    /// A place cannot be listened at, or TLS cannot be used as asked.
    pub fn open(
        &self,
        program: &'static Program,
        addresses: Vec<Address>,
        tls: &TlsFlags,
        terms: Terms,
    ) -> Result<Reader, Failure> {
        let listeners: Vec<Address> = addresses
            .iter()
            .filter(|address| address.role == Role::Listen)
            .cloned()
            .collect();
        let mut options = self.options(tls);
        if terms.news != News::Warnings {
            options.notify = Some(Arc::new(|line| program.note(line)));
        }
        let reader = Reader::new(addresses, options, self.order())?;
        for (address, place) in listeners.iter().zip(reader.listening()) {
            let is_open = !address.tls && !place.ip().is_loopback();
            let warning = format!(
                "{address}: without TLS anyone who can reach {place} can send packets; use \
                 tls-listen:// with {}",
                program.flag("client-ca")
            );
            if is_open && terms.requires_tls {
                return Err(Failure::Usage(warning));
            }
            if terms.news == News::All {
                program.note(format_args!("{address}: waiting for peers at {place}"));
            }
            if is_open {
                program.note(format_args!(
                    "warning: {warning}, or an address that only your sensors reach"
                ));
            }
        }
        Ok(reader)
    }

    fn order(&self) -> Order {
        match self.order.as_str() {
            "arrival" => Order::Arrival,
            _ => Order::Time,
        }
    }

    fn options(&self, tls: &TlsFlags) -> ReaderOptions {
        let unless_zero = |time: Duration| (!time.is_zero()).then_some(time);
        ReaderOptions {
            reconnect: !self.once,
            retries: self.retry,
            header_timeout: unless_zero(self.header_timeout),
            idle_timeout: unless_zero(self.idle_timeout),
            record_timeout: unless_zero(self.record_timeout),
            max_record: self.max_record as usize,
            decompress: self.decompress,
            fail_fast: self.fail_fast,
            window: Duration::from_millis(self.window.into()),
            window_octets: (self.window_memory as usize) << 20,
            max_connections: self.max_connections.into(),
            tls: tls.options(),
            ..ReaderOptions::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::given::Given;

    #[derive(Parser)]
    struct Flags {
        #[command(flatten)]
        reader: Given<ReaderFlags>,
        #[command(flatten)]
        tls: Given<TlsFlags>,
    }

    #[test]
    fn without_flags_the_defaults_of_the_library_hold() {
        let flags = Flags::parse_from(["program"]);
        let (ours, theirs) = (flags.reader.options(&flags.tls), ReaderOptions::default());
        assert_eq!(ours.header_timeout, theirs.header_timeout);
        assert_eq!(ours.idle_timeout, theirs.idle_timeout);
        assert_eq!(ours.record_timeout, theirs.record_timeout);
        assert_eq!((flags.reader.given(), flags.tls.given()), (None, None));
    }

    #[test]
    fn what_was_given_is_known() {
        let flags = ["program", "--window", "200", "--insecure"];
        let flags = Flags::parse_from(flags);
        assert_eq!(flags.reader.given(), Some("window"));
        assert_eq!(flags.tls.given(), Some("insecure"));
    }

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
