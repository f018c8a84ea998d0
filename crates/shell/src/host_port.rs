//! `HOST:PORT` on a command line: told apart from what is none before anything is done, and looked up
//! later.

use std::fmt;
use std::net::{Ipv6Addr, SocketAddr, ToSocketAddrs};

use crate::failure::Failure;

/// A host, by name or address, and a port, both of which were given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostPort(String);

impl HostPort {
    /// Reads where to connect to.
    ///
    /// # Errors
    ///
    /// What is missing.
    pub fn remote(text: &str) -> Result<HostPort, String> {
        const EXAMPLE: &str = "use a host and a port, as in collector.example:1335";
        match split(text, 1335)? {
            (host, Some(port)) if !host.is_empty() && port > 0 => Ok(HostPort(text.to_owned())),
            _ => Err(EXAMPLE.to_owned()),
        }
    }

    /// Reads where to listen; port 0 lets the system choose.
    ///
    /// # Errors
    ///
    /// What is missing.
    pub fn local(text: &str) -> Result<HostPort, String> {
        HostPort::local_as_in(text, "192.0.2.1", 1335)
    }

    /// The same, where the address and the port of the example are these.
    ///
    /// # Errors
    ///
    /// Those of [`HostPort::local`].
    pub fn local_as_in(text: &str, address: &str, port: u16) -> Result<HostPort, String> {
        match split(text, port)? {
            ("" | "*", Some(port)) => Err(format!(
                "for all addresses use 0.0.0.0:{port} or [::]:{port}"
            )),
            (_, Some(_)) => Ok(HostPort(text.to_owned())),
            _ => Err(format!("use an address and a port, as in {address}:{port}")),
        }
    }

    /// Looks the host up; there is at least one address. `flag` is the one that gave it.
    ///
    /// # Errors
    ///
    /// There is no such host.
    pub fn resolve(&self, flag: &str) -> Result<Vec<SocketAddr>, Failure> {
        let unknown = |reason: String| {
            Failure::Environment(format!(
                "{flag} {self}: cannot find the host: {reason}; check its name"
            ))
        };
        let found = self.0.to_socket_addrs();
        let addresses: Vec<SocketAddr> =
            found.map_err(|error| unknown(error.to_string()))?.collect();
        match addresses.is_empty() {
            true => Err(unknown("it has no address".to_owned())),
            false => Ok(addresses),
        }
    }
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The host and the port, if there is one; the other port is that of an example.
fn split(text: &str, port: u16) -> Result<(&str, Option<u16>), String> {
    let bare = text.parse::<Ipv6Addr>().is_ok();
    if bare || text.starts_with('[') && !text.contains("]:") {
        let address = text.trim_matches(['[', ']']);
        return Err(format!(
            "an IPv6 address is in brackets and a port follows, as in [{address}]:{port}"
        ));
    }
    let Some((host, port)) = text.rsplit_once(':') else {
        return Ok((text, None));
    };
    if host.contains(|c: char| c.is_whitespace() || c.is_control() || "/@?".contains(c)) {
        return Err("only a host and a port, as in collector.example:1335".to_owned());
    }
    let wrong = |_| format!("'{}' is not a port; use 1 to 65535", port.escape_debug());
    match port {
        "" => Ok((host, None)),
        port => Ok((host, Some(port.parse().map_err(wrong)?))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_and_ports_are_told_from_others() {
        for good in ["collector.example:1335", "192.0.2.1:1", "[::1]:65535"] {
            assert!(HostPort::remote(good).is_ok(), "{good}");
            assert!(HostPort::local(good).is_ok(), "{good}");
        }
        assert!(HostPort::local("127.0.0.1:0").is_ok());
        for (text, remote, local) in [
            (
                "collector.example",
                "a host and a port",
                "an address and a port",
            ),
            (
                "collector.example:",
                "a host and a port",
                "an address and a port",
            ),
            (":1335", "a host and a port", "0.0.0.0:1335 or [::]:1335"),
            ("*:1335", "", "0.0.0.0:1335 or [::]:1335"),
            ("::1", "[::1]:1335", "[::1]:1335"),
            ("[::1]", "[::1]:1335", "[::1]:1335"),
            ("h:65536", "not a port", "not a port"),
            ("h:x", "not a port", "not a port"),
            ("tls://h:1", "only a host", "only a host"),
        ] {
            if !remote.is_empty() {
                let error = HostPort::remote(text).expect_err(text);
                assert!(error.contains(remote), "{text}: {error}");
            }
            let error = HostPort::local(text).expect_err(text);
            assert!(error.contains(local), "{text}: {error}");
        }
    }

    #[test]
    fn a_host_that_is_not_there_is_no_mistake_of_the_command_line() {
        let nobody = HostPort::remote("nobody.invalid:1335").expect("well-formed");
        let failure = nobody.resolve("-addr").expect_err("nobody");
        assert!(matches!(failure, Failure::Environment(_)), "{failure}");
        let text = failure.to_string();
        assert!(
            text.contains("-addr nobody.invalid:1335: cannot find the host"),
            "{text}"
        );
    }

    #[test]
    fn who_may_not_listen_is_told_why() {
        use netcap_capture::pcap_over_ip::listen_remedy;
        let remedy = |kind: std::io::ErrorKind| listen_remedy(&kind.into());
        assert!(remedy(std::io::ErrorKind::PermissionDenied).contains("below 1024"));
        assert!(remedy(std::io::ErrorKind::AddrInUse).contains("a free port"));
    }
}
