//! Addresses of PCAP-over-IP peers, in the forms that Wireshark, Zeek and ours write them.
//!
//! ```text
//! TCP@host[:port]             connect; Wireshark's form, whose port is 19000 if left out
//! pcapovertcp::host:port      connect; Zeek's form
//! tcp://host[:port]           connect; pcap-over-ip:// is the same
//! tls://host[:port]           connect over TLS
//! listen://[address][:port]   wait for peers to connect
//! tls-listen://...            wait for peers to connect over TLS
//! unix:/path                  connect to a Unix socket
//! ```
//!
//! `?offset=SECONDS` after any of them is added to the times of what comes from there, as in
//! `tcp://sensor?offset=-1.5`: for clocks that are known to be wrong.
//!
//! The port is 57012 where a form leaves it out and is not Wireshark's. IPv6 addresses with a port
//! are in brackets; alone they may stand as they are. Waiting without an address is on 127.0.0.1.
//! Nothing is resolved here: a bad address is known before any octet is sent.

use std::fmt;
use std::net::Ipv6Addr;
use std::path::PathBuf;
use std::str::FromStr;

/// The port of PCAP-over-IP by convention (Netresec, Arkime).
pub const DEFAULT_PORT: u16 = 57012;

/// The port Wireshark takes for `TCP@host` (`DEFAULT_TCP_PORT` of its dumpcap.c).
const WIRESHARK_PORT: u16 = 19000;

/// Who opens the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// We do.
    Connect,
    /// The peer does; we wait for it.
    Listen,
}

/// Where a connection leads, or where it is waited for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Place {
    /// A host, by name or address (IPv6 without brackets), and a TCP port.
    Tcp {
        /// Name or address.
        host: String,
        /// 0 only when listening: the system chooses.
        port: u16,
    },
    /// A Unix socket.
    Unix(PathBuf),
}

/// An address as somebody wrote it, and what it means.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Address {
    text: String,
    /// Who opens the connection.
    pub role: Role,
    /// Whether TLS is spoken. There is no fallback to plain TCP.
    pub tls: bool,
    /// Where.
    pub place: Place,
    /// Nanoseconds to add to the times of what comes from there.
    pub offset: i64,
}

/// Why a text is no address; the message is one line and names the remedy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text}: {reason}")]
pub struct AddressError {
    text: String,
    reason: String,
}

/// The forms, by how they begin: role, TLS, port if left out (none: it may not be).
const FORMS: &[(&str, Role, bool, Option<u16>)] = &[
    ("tcp@", Role::Connect, false, Some(WIRESHARK_PORT)),
    ("pcapovertcp::", Role::Connect, false, None),
    ("tcp://", Role::Connect, false, Some(DEFAULT_PORT)),
    ("pcap-over-ip://", Role::Connect, false, Some(DEFAULT_PORT)),
    ("tls://", Role::Connect, true, Some(DEFAULT_PORT)),
    ("listen://", Role::Listen, false, Some(DEFAULT_PORT)),
    ("tls-listen://", Role::Listen, true, Some(DEFAULT_PORT)),
];

/// How the address of a Unix socket begins.
const UNIX: &str = "unix:";

/// What comes after `form` in `text`, whatever the case of the form.
fn after<'t>(text: &'t str, form: &str) -> Option<&'t str> {
    let (head, rest) = text.split_at_checked(form.len())?;
    head.eq_ignore_ascii_case(form).then_some(rest)
}

impl Address {
    /// Whether a text is an address, well-formed or not, and no file's name: it begins with one of
    /// the forms, or with any scheme and `://`. A file of such a name can be given as `./NAME`.
    pub fn looks_like(text: &str) -> bool {
        let scheme = |text: &str| {
            text.split_once("://").is_some_and(|(scheme, _)| {
                scheme.len() > 1
                    && scheme
                        .bytes()
                        .all(|octet| octet.is_ascii_alphanumeric() || b"+-.".contains(&octet))
            })
        };
        after(text, UNIX).is_some()
            || FORMS.iter().any(|(form, ..)| after(text, form).is_some())
            || scheme(text)
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Address, AddressError> {
        let wrong = |reason: String| AddressError {
            text: text.to_owned(),
            reason,
        };
        let (bare, offset) = match text.split_once("?offset=") {
            Some((bare, seconds)) => (bare, offset(seconds).map_err(wrong)?),
            None => (text, 0),
        };
        let address = |role, tls, place| Address {
            text: text.to_owned(),
            role,
            tls,
            place,
            offset,
        };
        if let Some(path) = after(bare, UNIX) {
            let path = path.strip_prefix("//").unwrap_or(path);
            if path.is_empty() {
                return Err(wrong(
                    "give the path of the socket, as in unix:/run/x.sock".into(),
                ));
            }
            return Ok(address(Role::Connect, false, Place::Unix(path.into())));
        }
        let Some((rest, (form, role, tls, default))) = FORMS
            .iter()
            .find_map(|form| Some((after(bare, form.0)?, form)))
        else {
            return Err(wrong(
                "not an address of a known form; use tcp://host:port, tls://host:port, \
                 listen://address:port, tls-listen://address:port, TCP@host:port or unix:/path"
                    .into(),
            ));
        };
        let (host, port) = split(rest.trim_end_matches('/')).map_err(wrong)?;
        let host = match (host, role) {
            ("", Role::Listen) => "127.0.0.1",
            ("", Role::Connect) => {
                return Err(wrong(format!("give the host, as in {form}192.0.2.1:57012")));
            }
            (host, _) => host,
        };
        let port = match (port, *default) {
            (Some(0), _) if *role == Role::Connect => {
                return Err(wrong(
                    "port 0 cannot be connected to; use 1 to 65535".into(),
                ));
            }
            (Some(port), _) | (None, Some(port)) => port,
            (None, None) => {
                return Err(wrong(format!(
                    "give the port, as in {form}{host}:{DEFAULT_PORT}"
                )));
            }
        };
        let host = host.to_owned();
        Ok(address(*role, *tls, Place::Tcp { host, port }))
    }
}

/// The longest offset: ten years, in seconds.
const MAX_OFFSET: f64 = 10.0 * 365.25 * 86_400.0;

/// Nanoseconds of a number of seconds.
fn offset(text: &str) -> Result<i64, String> {
    match text.parse::<f64>() {
        Ok(seconds) if seconds.abs() <= MAX_OFFSET => Ok((seconds * 1e9).round() as i64),
        _ => Err(format!(
            "'{}' is not an offset; use seconds, as in ?offset=-1.5",
            text.escape_debug()
        )),
    }
}

/// Host and port of `host`, `host:port`, `[v6]`, `[v6]:port` or an IPv6 address alone.
fn split(text: &str) -> Result<(&str, Option<u16>), String> {
    let (host, port) = if let Some(rest) = text.strip_prefix('[') {
        let (host, rest) = rest
            .split_once(']')
            .ok_or("the bracket of the IPv6 address is not closed")?;
        if !is_ipv6(host) {
            return Err(format!(
                "[{host}] is not an IPv6 address; only those are in brackets"
            ));
        }
        match rest.strip_prefix(':') {
            Some(port) => (host, Some(port)),
            None if rest.is_empty() => (host, None),
            None => return Err("after the bracket comes :port or nothing".into()),
        }
    } else if is_ipv6(text) {
        (text, None)
    } else {
        match text.split_once(':') {
            Some((_, port)) if port.contains(':') => {
                return Err("an IPv6 address with a port needs brackets, as in [::1]:57012".into());
            }
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        }
    };
    if host.contains(|c: char| c.is_whitespace() || c.is_control() || "/@?\\".contains(c)) {
        return Err("the host holds characters that no host name has".into());
    }
    let port = port
        .map(|port| {
            let digits = !port.is_empty() && port.bytes().all(|octet| octet.is_ascii_digit());
            digits
                .then(|| port.parse().ok())
                .flatten()
                .ok_or_else(|| format!("'{}' is not a port; use 1 to 65535", port.escape_debug()))
        })
        .transpose()?;
    Ok((host, port))
}

/// Whether a text is an IPv6 address, perhaps with a zone as in `fe80::1%eth0`.
fn is_ipv6(text: &str) -> bool {
    let (address, _) = text.split_once('%').unwrap_or((text, ""));
    address.parse::<Ipv6Addr>().is_ok()
}

/// The text as it was given.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

/// `host:port`, with IPv6 in brackets, or the path.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Tcp { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Place::Tcp { host, port } => write!(f, "{host}:{port}"),
            Place::Unix(path) => write!(f, "{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form() {
        use Role::{Connect, Listen};
        let cases = [
            ("TCP@10.0.0.1", Connect, false, "10.0.0.1:19000"),
            ("tcp@sensor:57012", Connect, false, "sensor:57012"),
            ("TCP@[::1]:4242", Connect, false, "[::1]:4242"),
            ("TCP@::1", Connect, false, "[::1]:19000"),
            (
                "pcapovertcp::10.0.0.1:57012",
                Connect,
                false,
                "10.0.0.1:57012",
            ),
            (
                "pcapovertcp::[2001:db8::1]:7",
                Connect,
                false,
                "[2001:db8::1]:7",
            ),
            ("tcp://host", Connect, false, "host:57012"),
            ("TCP://host/", Connect, false, "host:57012"),
            ("tcp://fe80::1%eth0", Connect, false, "[fe80::1%eth0]:57012"),
            ("pcap-over-ip://host:1", Connect, false, "host:1"),
            ("tls://[::1]", Connect, true, "[::1]:57012"),
            ("listen://", Listen, false, "127.0.0.1:57012"),
            ("listen://:0", Listen, false, "127.0.0.1:0"),
            ("listen://0.0.0.0", Listen, false, "0.0.0.0:57012"),
            ("tls-listen://[::]:5", Listen, true, "[::]:5"),
            ("unix:/run/x.sock", Connect, false, "/run/x.sock"),
            ("unix:///run/x.sock", Connect, false, "/run/x.sock"),
        ];
        for (text, role, tls, place) in cases {
            assert!(Address::looks_like(text), "{text}");
            let address: Address = text.parse().expect(text);
            assert_eq!(
                (address.role, address.tls, address.place.to_string()),
                (role, tls, place.to_owned()),
                "{text}"
            );
            assert_eq!(address.to_string(), text);
        }
    }

    #[test]
    fn offsets() {
        let address: Address = "tcp://host:5?offset=-1.5".parse().expect("an address");
        assert_eq!(
            (address.offset, address.place.to_string()),
            (-1_500_000_000, "host:5".into())
        );
    }

    #[test]
    fn mistakes_name_the_remedy() {
        let cases = [
            ("http://host", "use tcp://"),
            ("TCP@", "give the host"),
            ("tcp://:5", "give the host"),
            ("tcp://host:", "'' is not a port"),
            ("tcp://host:65536", "use 1 to 65535"),
            ("tcp://host:+5", "not a port"),
            ("tcp://host:0", "port 0"),
            ("tcp://::1:x", "needs brackets"),
            ("tcp://[::1", "not closed"),
            ("tcp://[::1]5", "after the bracket"),
            ("tcp://[host]:5", "not an IPv6 address"),
            ("tcp://user@host:5", "characters"),
            ("pcapovertcp::host", "give the port"),
            ("unix:", "give the path"),
            ("tcp://host?offset=x", "not an offset"),
            ("tcp://host?offset=nan", "not an offset"),
            ("tcp://host?x=1", "characters"),
        ];
        for (text, remedy) in cases {
            assert!(Address::looks_like(text), "{text}");
            let message = text.parse::<Address>().expect_err(text).to_string();
            assert!(message.contains(remedy), "{message}");
            assert!(!message.contains('\n'));
        }
    }

    #[test]
    fn names_of_files_and_interfaces_are_no_addresses() {
        for text in [
            "capture.pcap",
            "eth0",
            "-",
            "any",
            "a/b:c",
            "./tcp://x",
            "C:\\x",
            "tcp",
            "é",
        ] {
            assert!(!Address::looks_like(text), "{text}");
        }
    }
}
