//! Where the broker is, and how it and this program know each other.
//!
//! Guarantee: no message holds a password, a token or a key.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use async_nats::ServerAddr;
use netcap_remote::Error;

/// Where the broker is, and how it and this program know each other.
///
/// With `tls://` in the URL, or where the broker asks for TLS, the broker's certificate must be by an
/// authority that the system trusts, and be for the name in the URL; with [`Connection::ca`] only the
/// authorities in that file are trusted. Without TLS nothing is checked, and what is sent can be read by
/// others. The broker in turn trusts whoever has a name and password, a token or a key that it knows, and
/// decides by its own configuration which subjects they may use.
#[derive(Clone)]
pub struct Connection {
    /// `nats://127.0.0.1:4222`, `tls://user:password@broker`, `nats://token@broker`; several brokers
    /// of a cluster with commas between them.
    pub url: String,
    /// A file with the certificates of the authorities that are trusted, PEM.
    pub ca: Option<PathBuf>,
    /// A JWT and its key, as `nsc` writes them to a file.
    pub credentials: Option<String>,
}

impl Connection {
    /// The broker at a URL, and nothing else.
    pub fn new(url: &str) -> Connection {
        Connection {
            url: url.to_owned(),
            ca: None,
            credentials: None,
        }
    }

    /// The broker at a URL, with the contents of a file of credentials: later the program may have no right
    /// to read it.
    ///
    /// # Errors
    /// Where the URL is none, or a file cannot be read.
    pub fn open(
        url: &str,
        ca: Option<&Path>,
        credentials: Option<&Path>,
    ) -> Result<Connection, Error> {
        let connection = Connection {
            ca: ca.map(Path::to_owned),
            credentials: credentials
                .map(|path| fs::read_to_string(path).map_err(io(path)))
                .transpose()?,
            ..Connection::new(url)
        };
        connection.place()?;
        connection.check_ca()?;
        Ok(connection)
    }

    /// Where the broker is, without names and passwords.
    ///
    /// # Errors
    /// Where the URL is none.
    pub fn place(&self) -> Result<String, Error> {
        let addresses = self.addresses()?;
        let places = addresses.iter().map(|address| {
            let (scheme, port) = (address.scheme(), address.port());
            match address.host() {
                host if host.contains(':') => format!("{scheme}://[{host}]:{port}"),
                host => format!("{scheme}://{host}:{port}"),
            }
        });
        Ok(places.collect::<Vec<_>>().join(","))
    }

    /// The file is read when a connection is made, over and over.
    pub(crate) fn check_ca(&self) -> Result<(), Error> {
        match &self.ca {
            Some(path) => File::open(path).map(drop).map_err(io(path)),
            None => Ok(()),
        }
    }
}

impl Connection {
    pub(crate) fn addresses(&self) -> Result<Vec<ServerAddr>, Error> {
        // The message does not have the URL, for that may have a password.
        let wrong = |reason: String| Error::Transport(format!("the URL of the broker: {reason}"));
        let addresses = self.url.split(',').map(|url| {
            let address = url.trim().parse::<ServerAddr>();
            let address = address
                .map_err(|error| wrong(format!("{error}; use nats://HOST or tls://HOST")))?;
            match address.host() {
                "" => Err(wrong("a host is missing, as in nats://HOST".to_owned())),
                _ => Ok(address),
            }
        });
        addresses.collect()
    }
}

fn io(path: &Path) -> impl FnOnce(std::io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::Io { path, source }
}

/// A part of a URL without its escapes.
pub(crate) fn plain(part: &str) -> String {
    let mut octets = Vec::new();
    let mut rest = part.as_bytes();
    while let Some((octet, behind)) = rest.split_first() {
        let escaped = behind
            .split_at_checked(2)
            .filter(|_| *octet == b'%')
            .and_then(|(digits, behind)| {
                let digits = std::str::from_utf8(digits).ok()?;
                Some((u8::from_str_radix(digits, 16).ok()?, behind))
            });
        let (octet, behind) = escaped.unwrap_or((*octet, behind));
        octets.push(octet);
        rest = behind;
    }
    String::from_utf8_lossy(&octets).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_have_no_secrets() {
        for (url, expected) in [
            ("nats://127.0.0.1", "nats://127.0.0.1:4222"),
            ("tls://user:pass%40@broker:7", "tls://broker:7"),
            (
                "token@a,nats://user:pass@[::1]",
                "nats://a:4222,nats://[::1]:4222",
            ),
        ] {
            assert_eq!(Connection::new(url).place().ok().as_deref(), Some(expected));
        }
        for url in [
            "",
            "http://user:secret@host",
            "nats://user:secret@host:port",
        ] {
            let error = Connection::new(url).place().expect_err(url).to_string();
            assert!(!error.contains("secret"), "{error}");
        }
    }

    #[test]
    fn escapes_are_taken_out() {
        for (part, expected) in [
            ("", ""),
            ("a%40b%2Fc", "a@b/c"),
            ("50%", "50%"),
            ("%zz", "%zz"),
        ] {
            assert_eq!(plain(part), expected);
        }
    }
}
