//! How agents are reached: over TCP or TLS, with which greeting, or by way of a multicast group.
//!
//! Guarantee: TLS, where a configuration asks for it, is never given up for plain TCP.

use std::io::{self, ErrorKind, Write};
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::time::Duration;

use netcap_capture::pcap_over_ip::{
    Address, AddressError, ClientTls, ConnectError, Connection, TlsError, TlsOptions, connect,
};

use crate::collect::voice::{Overheard, Voice};
use crate::config::{Agent, Stream};
use crate::extended::{GREETING, Messages};

/// How long one address may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// How one agent is reached.
#[derive(Clone, Debug)]
pub(crate) struct Way {
    address: Result<Address, AddressError>,
    tls: Option<Arc<ClientTls>>,
    /// Whether it speaks the extended stream.
    pub(crate) is_extended: bool,
    /// The multicast group that it speaks to, if it does.
    group: Option<SocketAddr>,
    /// Its name and port.
    source: (String, u16),
}

/// Why there is no connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unreachable {
    pub(crate) why: String,
    /// Only a person can mend it.
    pub(crate) is_lasting: bool,
}

impl Unreachable {
    pub(crate) fn for_now(why: impl ToString) -> Unreachable {
        Unreachable {
            why: why.to_string(),
            is_lasting: false,
        }
    }
}

/// The ways to all agents, in their order. An agent's own pins stand for those of the options.
///
/// # Errors
/// What the options say of TLS cannot be used, and an agent needs it.
pub(crate) fn ways(agents: &[Agent], options: &TlsOptions) -> Result<Vec<Way>, TlsError> {
    // Agents without pins of their own have the same.
    let mut common = None;
    let mut tls = |stream: &Stream| match stream {
        Stream::Classic | Stream::Extended | Stream::Multicast(_) => Ok(None),
        Stream::ExtendedTls(pins) if pins.is_empty() => {
            let tls = match &common {
                Some(tls) => Arc::clone(tls),
                None => ClientTls::new(options)?,
            };
            common = Some(Arc::clone(&tls));
            Ok(Some(tls))
        }
        Stream::ExtendedTls(pins) => {
            let pins = pins.clone();
            let options = options.clone();
            ClientTls::new(&TlsOptions { pins, ..options }).map(Some)
        }
    };
    let way = |agent: &Agent| {
        let tls = tls(&agent.stream)?;
        let scheme = if tls.is_some() { "tls" } else { "tcp" };
        Ok(Way {
            address: format!("{scheme}://{agent}").parse(),
            tls,
            is_extended: agent.stream != Stream::Classic,
            group: match agent.stream {
                Stream::Multicast(group) => Some(SocketAddr::new(group, agent.port)),
                _ => None,
            },
            source: (agent.host.clone(), agent.port),
        })
    };
    agents.iter().map(way).collect()
}

impl Way {
    /// Begins to listen to an agent of the extended stream, which has been greeted or speaks to a group.
    pub(crate) fn listen(&self, wait: Duration) -> Result<Voice, Unreachable> {
        let Some(group) = self.group else {
            let connection = self.connect()?;
            let waits = connection.set_read_timeout(Some(wait));
            waits.map_err(Unreachable::for_now)?;
            return Ok(Voice::Connection(Messages::new(connection)));
        };
        let (host, port) = &self.source;
        let found = (host.as_str(), *port).to_socket_addrs();
        let mut found = found.map_err(Unreachable::for_now)?;
        let source = found.find(|found| found.is_ipv4() == group.is_ipv4());
        let source = source.ok_or_else(|| {
            Unreachable::for_now("it has no address of the version of IP that its group is of")
        })?;
        let overheard = Overheard::join(source.ip(), group, wait);
        overheard.map(Voice::Group).map_err(Unreachable::for_now)
    }

    /// Connects, and greets an agent of the extended stream.
    pub(crate) fn connect(&self) -> Result<Connection, Unreachable> {
        let address = self.address.as_ref().map_err(Unreachable::for_now)?;
        let connection = connect(address, self.tls.as_ref(), PATIENCE).map_err(unreachable)?;
        // To a port of this machine where nobody listens TCP may connect us to ourselves.
        if connection
            .local_and_peer()
            .is_some_and(|(local, peer)| local == peer)
        {
            let refused = io::Error::from(ErrorKind::ConnectionRefused);
            return Err(Unreachable::for_now(refused));
        }
        match self.is_extended {
            true => greeted(connection).map_err(Unreachable::for_now),
            false => Ok(connection),
        }
    }
}

fn greeted(mut connection: Connection) -> io::Result<Connection> {
    connection.set_write_timeout(Some(PATIENCE))?;
    connection.write_all(GREETING)?;
    Ok(connection)
}

/// Without the address, which the user knows by its label.
fn unreachable(error: ConnectError) -> Unreachable {
    let is_lasting = error.is_permanent();
    let why = match error {
        ConnectError::Resolve { source, .. } | ConnectError::Connect { source, .. } => {
            source.to_string()
        }
        ConnectError::Handshake { source, .. } => {
            format!("no TLS handshake: {source}; does the agent speak TLS there?")
        }
        ConnectError::Refused { reason, .. } => reason,
        other => other.to_string(),
    };
    Unreachable { why, is_lasting }
}
