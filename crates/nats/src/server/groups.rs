//! The thread of a server: group after group.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use async_nats::jetstream::consumer::pull::{BatchConfig, Config};
use async_nats::jetstream::consumer::{AckPolicy, Consumer};
use async_nats::jetstream::stream::Stream;
use async_nats::jetstream::{AckKind, Message};
use futures_util::StreamExt;
use futures_util::future::join_all;
use netcap_record::Schema;
use netcap_remote::{Archive, Client, Error};
use tokio::time::{sleep, timeout};

use super::{GROUP, ServerOptions, Shared, lock};
use crate::connection::{Broker, Notices, PAUSE, Trouble};
use crate::message::check;
use crate::names::{CONSUMER, RECORDS_SUBJECTS};
use crate::settle::{Copy, Verdict, claimed, settle, settle_again};

/// Octets of a group at most. The broker has no message that is larger.
const GROUP_OCTETS: usize = 4 << 20;
/// How long the broker waits for a message where it has none.
const EXPIRES: Duration = Duration::from_secs(1);
/// How long after that its answer may take.
const SLACK: Duration = Duration::from_secs(2);

/// A server that is connected.
struct Server<'a> {
    archive: &'a Archive,
    name: &'a str,
    shared: &'a Shared,
    types: Vec<&'static Schema>,
    broker: Broker,
    commits: Stream,
    consumer: Consumer<Config>,
    /// For the records of one batch.
    room: Vec<u8>,
}

/// Takes batches until the server is to stop. The error is what ends it before.
pub(super) async fn run(
    options: &ServerOptions,
    archive: &Archive,
    name: &str,
    shared: &Shared,
) -> Result<(), Error> {
    let notices = Notices::new(&options.notify);
    let (connection, limits) = (&options.connection, options.limits);
    let title = format!("netcap server {name}");
    let broker = Broker::connect(connection, limits, &title, &notices).await?;
    let stops = || shared.stop.load(Ordering::Relaxed);
    let mut is_recovered = false;
    while !stops() {
        let made = match broker.is_there() {
            true => prepare(&broker, options).await,
            false => {
                sleep(PAUSE).await;
                continue;
            }
        };
        let (commits, consumer) = match made {
            Ok(made) => made,
            Err(Trouble::Lasting(error)) => return Err(error),
            Err(Trouble::Passing(text)) => {
                notices.say(&text);
                sleep(PAUSE).await;
                continue;
            }
        };
        let mut server = Server {
            archive,
            name,
            shared,
            types: netcap_pipeline::schemas(),
            broker: broker.clone(),
            commits,
            consumer,
            room: Vec::new(),
        };
        if !is_recovered {
            server.recover().await?;
            is_recovered = true;
        }
        while !stops() {
            match server.pull().await {
                Ok(group) => server.take(group).await?,
                Err(text) => {
                    // It went away, or lost the consumer: both are looked after from the beginning.
                    if broker.is_there() {
                        notices.say(&text);
                    }
                    break;
                }
            }
        }
        if !stops() {
            sleep(PAUSE).await;
        }
    }
    let _ = timeout(SLACK, broker.client.flush()).await;
    Ok(())
}

/// The streams and the consumer, made where there are none.
async fn prepare(
    broker: &Broker,
    options: &ServerOptions,
) -> Result<(Stream, Consumer<Config>), Trouble> {
    let (records, commits) = broker.streams().await?;
    let config = Config {
        durable_name: Some(CONSUMER.to_owned()),
        ack_policy: AckPolicy::Explicit,
        ack_wait: options.ack_wait,
        filter_subject: RECORDS_SUBJECTS.to_owned(),
        // Those that many servers have at once.
        max_ack_pending: 1 << 16,
        ..Config::default()
    };
    let consumer = records.get_or_create_consumer(CONSUMER, config).await;
    let consumer = consumer.map_err(|error| Trouble::Passing(format!("the broker: {error}")))?;
    Ok((commits, consumer))
}

impl Server<'_> {
    /// Settles what a server that was killed may have left open: the last members of every file.
    async fn recover(&mut self) -> Result<(), Error> {
        let mut copies = Vec::new();
        for sensor in self.archive.names()? {
            let client = self.archive.client(&sensor)?;
            for schema in &self.types {
                let members = lock(&client).last_members(schema, GROUP)?;
                let members = members.into_iter();
                copies.extend(members.map(|member| Copy::of(&sensor, schema, member)));
            }
        }
        self.archive.commit()?;
        for copies in copies.chunks(GROUP) {
            let settled = copies.iter().map(|copy| {
                let stop = &self.shared.stop;
                settle_again(&self.broker, &self.commits, self.name, copy, stop)
            });
            for (copy, verdict) in copies.iter().zip(join_all(settled).await) {
                if verdict == Verdict::Others {
                    self.void(copy)?;
                }
            }
        }
        Ok(())
    }

    /// What the broker has, or what comes within a moment.
    async fn pull(&self) -> Result<Vec<Message>, String> {
        let group = self.request(GROUP, Duration::ZERO).await?;
        match group.is_empty() {
            true => self.request(1, EXPIRES).await,
            false => Ok(group),
        }
    }

    /// Asks for messages. Only an answer with an address for the acknowledgement is one: whatever headers
    /// somebody has published, they end no group.
    async fn request(&self, batch: usize, expires: Duration) -> Result<Vec<Message>, String> {
        let failed =
            |error: &dyn std::fmt::Display| format!("the broker gives no batches: {error}");
        let Broker {
            client, context, ..
        } = &self.broker;
        let inbox = client.new_inbox();
        let subscribed = client.subscribe(inbox.clone()).await;
        let mut answers = subscribed.map_err(|error| failed(&error))?;
        let config = BatchConfig {
            batch,
            expires: (!expires.is_zero()).then_some(expires),
            no_wait: expires.is_zero(),
            max_bytes: GROUP_OCTETS,
            ..BatchConfig::default()
        };
        let requested = self.consumer.request_batch(config, inbox.into()).await;
        requested.map_err(|error| failed(&error))?;
        let mut group = Vec::new();
        while group.len() < batch {
            let answer = match timeout(expires + SLACK, answers.next()).await {
                Ok(Some(answer)) => answer,
                // It went away.
                Ok(None) | Err(_) if group.is_empty() => return Err(failed(&"no answer")),
                Ok(None) | Err(_) => break,
            };
            if answer.reply.is_some() {
                group.push(Message {
                    message: answer,
                    context: context.clone(),
                });
                continue;
            }
            match answer.status.map(|status| status.as_u16()) {
                // Nothing there; nothing came; no more fits.
                Some(404 | 408) => break,
                Some(409) if !group.is_empty() => break,
                _ => {
                    let reason = answer.description.unwrap_or_default();
                    return match group.is_empty() {
                        true => Err(failed(&reason)),
                        false => Ok(group),
                    };
                }
            }
        }
        Ok(group)
    }

    /// Keeps what is new of a group.
    async fn take(&mut self, group: Vec<Message>) -> Result<(), Error> {
        let mut checked = Vec::new();
        for message in group {
            match check(&message, &self.types, &mut self.room) {
                Ok(batch) => checked.push((message, batch)),
                Err(refusal) => {
                    *lock(&self.shared.counts)
                        .refused
                        .entry(refusal)
                        .or_default() += 1;
                    self.acknowledge(&message, AckKind::Term).await;
                }
            }
        }
        let known = checked.iter().map(|(message, batch)| async {
            let is_first = message.info().is_ok_and(|info| info.delivered <= 1);
            let subject = batch.origin.commit_subject(&batch.mark);
            // Where the broker does not tell, claiming will.
            !is_first
                && claimed(&self.commits, &subject)
                    .await
                    .is_ok_and(|claim| claim.is_some())
        });
        let known = join_all(known).await;
        let mut copies = Vec::new();
        for ((message, batch), is_known) in checked.into_iter().zip(known) {
            if is_known {
                lock(&self.shared.counts).duplicates += 1;
                self.acknowledge(&message, AckKind::Ack).await;
                continue;
            }
            let client = self.archive.client(&batch.origin.sensor)?;
            let appended = lock(&client).append_unordered(
                batch.origin.schema,
                batch.payloads,
                &message.payload,
                &batch.mark,
            )?;
            // Plain headers only were let through.
            if let Some(place) = appended {
                let copy = Copy {
                    origin: batch.origin,
                    mark: batch.mark,
                    place,
                };
                copies.push((message, copy));
            }
        }
        if copies.is_empty() {
            return Ok(());
        }
        self.archive.commit()?;
        let settled = copies.iter().map(|(_, copy)| {
            let stop = &self.shared.stop;
            settle(&self.broker, &self.commits, self.name, copy, stop)
        });
        for ((message, copy), verdict) in copies.iter().zip(join_all(settled).await) {
            match verdict {
                Verdict::Ours => {
                    let mut counts = lock(&self.shared.counts);
                    counts.batches += 1;
                    counts.records += u64::from(copy.mark.count);
                    counts.octets += message.payload.len() as u64;
                }
                Verdict::Others => self.void(copy)?,
                Verdict::Unknown => continue,
            }
            self.acknowledge(message, AckKind::Ack).await;
        }
        Ok(())
    }

    /// Takes a copy back.
    fn void(&self, copy: &Copy) -> Result<(), Error> {
        let client: Arc<std::sync::Mutex<Client>> = self.archive.client(&copy.origin.sensor)?;
        lock(&client).void(copy.origin.schema, copy.place)?;
        lock(&self.shared.counts).voided += 1;
        Ok(())
    }

    /// An acknowledgement that is lost is made up for when the message comes again.
    async fn acknowledge(&self, message: &Message, kind: AckKind) {
        if self.broker.is_there() {
            let _ = message.ack_with(kind).await;
        }
    }
}
