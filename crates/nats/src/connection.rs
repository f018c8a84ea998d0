//! The way to the broker, and what there must be at it.
//!
//! Guarantee: a broker that is away is waited for; what was there with other settings than these, which
//! would lose records, is refused.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_nats::connection::State;
use async_nats::jetstream::stream::{Config, DiscardPolicy, RetentionPolicy, StorageType, Stream};
use async_nats::jetstream::{Context, ContextBuilder};
use async_nats::{Client, ConnectOptions, Event, ServerAddr};
use netcap_remote::{Error, LONGEST_BATCH};
use tokio::time::sleep;

use crate::address::{Connection, plain};
use crate::names::{COMMITS, COMMITS_SUBJECTS, RECORDS, RECORDS_SUBJECTS};

/// How long an answer of the broker's is waited for before it is asked again.
const ANSWER: Duration = Duration::from_secs(5);
/// How long nothing is tried after something failed.
pub(crate) const PAUSE: Duration = Duration::from_millis(200);
/// The same is not said again so soon.
const SILENCE: Duration = Duration::from_secs(60);

/// Is told what a person may want to know, in one line: that the broker is away, or takes nothing.
pub type Notify = Arc<dyn Fn(&str) + Send + Sync>;

/// How much the broker keeps. Only what is first to make the streams is heard; `nats stream edit` changes
/// them later.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Batches that no server has yet; where that is reached sensors wait. It is no number of octets, as
    /// nats-server 2.9 compares these wrongly, and would remove the oldest batch for one more.
    pub max_messages: i64,
    /// How long it is known which server has a batch. A server that was killed must be back before
    /// that, and a sensor's stream be sent.
    pub commits_age: Duration,
    /// How many brokers of a cluster keep each message.
    pub replicas: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            max_messages: 1_000_000,
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

/// Whether a client has the broker at the other end.
pub(crate) fn is_connected(client: &Client) -> bool {
    client.connection_state() == State::Connected
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
        let (heard, place) = (Arc::clone(notices), connection.place()?);
        let mut options = ConnectOptions::new()
            .name(name)
            .retry_on_initial_connect()
            .reconnect_delay_callback(|attempts| {
                Duration::from_millis(100 * attempts.min(20) as u64)
            })
            .event_callback(move |event| {
                let (notices, place) = (Arc::clone(&heard), place.clone());
                async move {
                    match event {
                        Event::Disconnected => notices.say("the broker is away; trying again"),
                        Event::ServerError(error) => notices.say(&format!("the broker: {error}")),
                        Event::ClientError(error) => {
                            let text = error.to_string();
                            let text = match text.trim_start_matches("nats: ") {
                                "IO error" => {
                                    "cannot connect; check that it runs and may be reached"
                                }
                                text => text,
                            };
                            notices.say(&format!("the broker at {place}: {text}; trying again"));
                        }
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
        is_connected(&self.client)
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
            max_messages: self.limits.max_messages,
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
