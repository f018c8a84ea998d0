//! The thread of a server: group after group.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use async_nats::jetstream::AckKind;
use async_nats::jetstream::consumer::pull::Config;
use async_nats::jetstream::consumer::{AckPolicy, Consumer};
use async_nats::jetstream::stream::Stream;
use futures_util::future::join_all;
use netcap_record::Schema;
use netcap_remote::{Archive, Client, Error};
use tokio::time::{sleep, timeout};

use super::incoming::{Incoming, SLACK};
use super::{GROUP, ServerOptions, Shared, lock};
use crate::connection::{Broker, Notices, PAUSE, Trouble};
use crate::message::check;
use crate::names::CONSUMER;
use crate::settle::{Copy, Verdict, claimed, settle, settle_again};

/// How often the broker is asked for what it does not give by itself.
const REMNANTS: Duration = Duration::from_secs(5);

/// What the consumer has given: messages up to a sequence.
#[derive(Default)]
pub(super) struct Past {
    /// Up to where at some time.
    pub(super) given: Option<(Instant, u64)>,
    /// Up to where long ago.
    pub(super) long_ago: u64,
}

/// A server that is connected.
pub(super) struct Server<'a> {
    archive: &'a Archive,
    name: &'a str,
    shared: &'a Shared,
    types: Vec<&'static Schema>,
    pub(super) broker: Broker,
    pub(super) records: Stream,
    commits: Stream,
    pub(super) consumer: Consumer<Config>,
    /// Stays when the connection begins anew, which may be often.
    pub(super) past: &'a mut Past,
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
    *lock(&shared.client) = Some(broker.client.clone());
    let stops = || shared.stop.load(Ordering::Relaxed);
    let mut is_recovered = false;
    let mut past = Past::default();
    while !stops() {
        let made = match broker.is_there() {
            true => prepare(&broker, options).await,
            false => {
                sleep(PAUSE).await;
                continue;
            }
        };
        let (records, commits, consumer) = match made {
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
            records,
            commits,
            consumer,
            past: &mut past,
            room: Vec::new(),
        };
        if !is_recovered {
            server.recover().await?;
            is_recovered = true;
        }
        let mut looked: Option<Instant> = None;
        while !stops() {
            let group = match looked {
                Some(when) if when.elapsed() < REMNANTS => server.pull().await,
                // Until there are none.
                _ => server.remnants().await.inspect(|group| {
                    looked = group.is_empty().then(Instant::now);
                }),
            };
            match group {
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
) -> Result<(Stream, Stream, Consumer<Config>), Trouble> {
    let (records, commits) = broker.streams().await?;
    let config = Config {
        durable_name: Some(CONSUMER.to_owned()),
        ack_policy: AckPolicy::Explicit,
        ack_wait: options.ack_wait,
        // No filter: the stream has batches only, and the broker does not find all of them by subject (see
        // [`super::incoming`]). What a consumer of an earlier version passes by is found as a remnant.
        // Those that many servers have at once:
        max_ack_pending: 1 << 16,
        ..Config::default()
    };
    let consumer = records.get_or_create_consumer(CONSUMER, config).await;
    let consumer = consumer.map_err(|error| Trouble::Passing(format!("the broker: {error}")))?;
    Ok((records, commits, consumer))
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

    /// Keeps what is new of a group.
    async fn take(&mut self, group: Vec<Incoming>) -> Result<(), Error> {
        let mut checked = Vec::new();
        for message in group {
            match check(message.message(), &self.types, &mut self.room) {
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
            let subject = batch.origin.commit_subject(&batch.mark);
            // Where the broker does not tell, claiming will.
            !message.is_first()
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
                &message.message().payload,
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
                    let client = self.archive.client(&copy.origin.sensor)?;
                    let member = &message.message().payload;
                    lock(&client).count(copy.origin.schema, member, &copy.mark);
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
    async fn acknowledge(&self, incoming: &Incoming, kind: AckKind) {
        if !self.broker.is_there() {
            return;
        }
        match incoming {
            Incoming::Given(message) => {
                let _ = message.ack_with(kind).await;
            }
            Incoming::Remnant(sequence, _) => {
                let _ = self.records.delete_message(*sequence).await;
            }
        }
    }
}
