//! The way to the broker, and what there must be at it.
//!
//! Guarantee: a broker that is away is waited for; what was there with other settings than these, which
//! would lose records, is refused.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_nats::connection::State;
use async_nats::jetstream::stream::{Config, DiscardPolicy, RetentionPolicy, StorageType, Stream};
use async_nats::jetstream::{Context, ContextBuilder};
use async_nats::{Client, ConnectOptions, Event, ServerAddr};
use netcap_remote::{Error, LONGEST_BATCH};
use tokio::time::sleep;

use crate::names::{COMMITS, COMMITS_SUBJECTS, RECORDS, RECORDS_SUBJECTS};

/// How long an answer of the broker's is waited for before it is asked again.
const ANSWER: Duration = Duration::from_secs(5);
/// How long nothing is tried after something failed.
pub(crate) const PAUSE: Duration = Duration::from_millis(200);
/// The same is not said again so soon.
const SILENCE: Duration = Duration::from_secs(60);

/// Is told what a person may want to know, in one line: that the broker is away, or takes nothing.
pub type Notify = Arc<dyn Fn(&str) + Send + Sync>;

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
    fn check_ca(&self) -> Result<(), Error> {
        match &self.ca {
            Some(path) => File::open(path).map(drop).map_err(io(path)),
            None => Ok(()),
        }
    }
}

/// How much the broker keeps. Only what is first to make the streams is heard; `nats stream edit` changes
/// them later.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Octets of batches that no server has yet; where it is reached sensors wait.
    pub max_bytes: i64,
    /// How long it is known which server has a batch. A server that was killed must be back before
    /// that, and a sensor's stream be sent.
    pub commits_age: Duration,
    /// How many brokers of a cluster keep each message.
    pub replicas: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            max_bytes: 10 << 30,
            commits_age: Duration::from_secs(30 * 24 * 60 * 60),
            replicas: 1,
        }
    }
}

/// Says things, but not the same over and over.
pub(crate) struct Notices {
    notify: Notify,
    said: Mutex<Vec<(String, Instant)>>,
}

impl Notices {
    pub(crate) fn new(notify: &Notify) -> Arc<Notices> {
        Arc::new(Notices {
            notify: Arc::clone(notify),
            said: Mutex::default(),
        })
    }

    pub(crate) fn say(&self, text: &str) {
        {
            let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
            said.retain(|(_, when)| when.elapsed() < SILENCE);
            if said.iter().any(|(known, _)| known == text) {
                return;
            }
            said.push((text.to_owned(), Instant::now()));
        }
        (self.notify)(text);
    }
}

/// What is wrong at the broker.
pub(crate) enum Trouble {
    /// It may be better soon.
    Passing(String),
    /// A person must do something.
    Lasting(Error),
}

/// The broker, whether it is there or not.
#[derive(Clone)]
pub(crate) struct Broker {
    pub(crate) client: Client,
    pub(crate) context: Context,
    pub(crate) notices: Arc<Notices>,
    limits: Limits,
}

impl Broker {
    /// Begins to connect.
    pub(crate) async fn connect(
        connection: &Connection,
        limits: Limits,
        name: &str,
        notices: &Arc<Notices>,
    ) -> Result<Broker, Error> {
        let addresses = connection.addresses()?;
        let heard = Arc::clone(notices);
        let mut options = ConnectOptions::new()
            .name(name)
            .retry_on_initial_connect()
            .reconnect_delay_callback(|attempts| {
                Duration::from_millis(100 * attempts.min(20) as u64)
            })
            .event_callback(move |event| {
                let notices = Arc::clone(&heard);
                async move {
                    match event {
                        Event::Disconnected => notices.say("the broker is away; trying again"),
                        Event::ServerError(error) => notices.say(&format!("the broker: {error}")),
                        Event::ClientError(error) => notices.say(&format!("the broker: {error}")),
                        _ => {}
                    }
                }
            });
        // The library does not take them from there.
        if let Some(name) = addresses.iter().find_map(ServerAddr::username) {
            let password = addresses.iter().find_map(ServerAddr::password);
            options = match password {
                Some(password) => options.user_and_password(plain(name), plain(password)),
                None => options.token(plain(name)),
            };
        }
        connection.check_ca()?;
        if let Some(path) = &connection.ca {
            options = options
                .add_root_certificates(path.clone())
                .require_tls(true);
        }
        if let Some(text) = &connection.credentials {
            // The message does not have the text.
            options = options.credentials(text).map_err(|_| {
                let reason = "the credentials hold no JWT with its key, as nsc writes them";
                Error::Transport(reason.to_owned())
            })?;
        }
        let client = options.connect(addresses).await;
        let client = client.map_err(|error| Error::Transport(format!("the broker: {error}")))?;
        let context = ContextBuilder::new().timeout(ANSWER).build(client.clone());
        Ok(Broker {
            client,
            context,
            notices: Arc::clone(notices),
            limits,
        })
    }

    /// Whether it is there. What is asked while it is not would wait in memory.
    pub(crate) fn is_there(&self) -> bool {
        self.client.connection_state() == State::Connected
    }

    /// Waits until it is there.
    pub(crate) async fn wait(&self) {
        while !self.is_there() {
            sleep(PAUSE / 4).await;
        }
    }

    /// The streams of batches and of claims, made where there are none.
    pub(crate) async fn streams(&self) -> Result<(Stream, Stream), Trouble> {
        let records = Config {
            name: RECORDS.to_owned(),
            subjects: vec![RECORDS_SUBJECTS.to_owned()],
            retention: RetentionPolicy::WorkQueue,
            discard: DiscardPolicy::New,
            max_bytes: self.limits.max_bytes,
            // Larger ones are refused by servers.
            max_message_size: 2 * LONGEST_BATCH as i32,
            ..Config::default()
        };
        let commits = Config {
            name: COMMITS.to_owned(),
            subjects: vec![COMMITS_SUBJECTS.to_owned()],
            retention: RetentionPolicy::Limits,
            discard: DiscardPolicy::Old,
            max_age: self.limits.commits_age,
            max_messages_per_subject: 1,
            ..Config::default()
        };
        Ok((self.stream(records).await?, self.stream(commits).await?))
    }

    async fn stream(&self, mut config: Config) -> Result<Stream, Trouble> {
        config.storage = StorageType::File;
        config.num_replicas = self.limits.replicas;
        let (retention, discard) = (config.retention, config.discard);
        let stream = self.context.get_or_create_stream(config).await;
        let stream = stream.map_err(|error| Trouble::Passing(format!("the broker: {error}")))?;
        let there = &stream.cached_info().config;
        if (there.retention, there.discard, there.storage)
            != (retention, discard, StorageType::File)
        {
            return Err(Trouble::Lasting(Error::Transport(format!(
                "the stream {} is at the broker already, with other settings, which could lose records; \
                 remove it",
                there.name
            ))));
        }
        Ok(stream)
    }
}

impl Connection {
    fn addresses(&self) -> Result<Vec<ServerAddr>, Error> {
        // The message does not have the URL, for that may have a password.
        let wrong = |reason: String| Error::Transport(format!("the URL of the broker: {reason}"));
        let addresses = self.url.split(',').map(|url| {
            let address = url.trim().parse::<ServerAddr>();
            let address = address.map_err(|error| wrong(error.to_string()))?;
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
fn plain(part: &str) -> String {
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
