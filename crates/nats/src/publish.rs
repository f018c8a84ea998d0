//! Publishing batches until the broker has them, and asking which it has.
//!
//! Guarantee: a batch is done when the broker has acknowledged it, and not given up before, but for one
//! that it can never take.

use std::collections::HashMap;
use std::error::Error as _;

use async_nats::jetstream;
use async_nats::jetstream::ErrorCode;
use async_nats::jetstream::context::{PublishError, PublishErrorKind};
use async_nats::jetstream::message::PublishMessage;
use async_nats::jetstream::stream::{LastRawMessageErrorKind, Stream};
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::future::join_all;
use netcap_record::Schema;
use netcap_remote::{ClientName, Error, StreamId};
use tokio::time::sleep;

use crate::connection::{Broker, PAUSE, Trouble};
use crate::message::extent;
use crate::names::{COUNT, FIRST, FLAGS, Origin, PAYLOADS, RECORDS, claimed, commits_of, number};

/// What the broker says where the stream, or its disk, has as much as it may.
const FULL: [&str; 4] = [
    "maximum messages exceeded",
    "maximum bytes exceeded",
    "resource limits exceeded",
    "insufficient storage resources",
];

/// A batch as it goes to the broker.
pub(crate) struct Outgoing<'a> {
    pub(crate) origin: &'a Origin,
    pub(crate) first: u64,
    pub(crate) count: u32,
    pub(crate) payloads: bool,
    pub(crate) member: Bytes,
}

impl Broker {
    /// Publishes a batch; whether it is not too large for the broker.
    pub(crate) async fn publish(&self, batch: &Outgoing<'_>) -> Result<bool, Error> {
        let subject = batch.origin.subject();
        let flags = if batch.payloads { PAYLOADS } else { 0 };
        loop {
            self.wait().await;
            let message = PublishMessage::build()
                .expected_stream(RECORDS)
                .message_id(batch.origin.message_id(batch.first))
                .header(FIRST, batch.first.to_string())
                .header(COUNT, batch.count.to_string())
                .header(FLAGS, flags.to_string())
                .payload(batch.member.clone());
            let published = match self.context.send_publish(subject.clone(), message).await {
                Ok(acknowledged) => acknowledged.await,
                Err(error) => Err(error),
            };
            let Err(error) = published else {
                return Ok(true);
            };
            if !self.consider(&error).await? {
                return Ok(false);
            }
            sleep(PAUSE).await;
        }
    }

    /// Why a batch was not published: whether it may be later.
    async fn consider(&self, error: &PublishError) -> Result<bool, Error> {
        let reason = error
            .source()
            .and_then(|source| source.downcast_ref::<jetstream::Error>());
        let code = reason.map(jetstream::Error::error_code);
        if error.kind() == PublishErrorKind::MaxPayloadExceeded
            || code == Some(ErrorCode::STREAM_MESSAGE_EXCEEDS_MAXIMUM)
        {
            return Ok(false);
        }
        match error.kind() {
            PublishErrorKind::StreamNotFound => match self.streams().await {
                Ok(_) => {}
                Err(Trouble::Passing(text)) => self.notices.say(&text),
                Err(Trouble::Lasting(error)) => return Err(error),
            },
            // The broker went away; that was said.
            PublishErrorKind::TimedOut | PublishErrorKind::BrokenPipe => {}
            _ if reason.is_some_and(|reason| is_full(&reason.to_string())) => {
                self.notices
                    .say("the broker has all that it may keep: waiting for servers to take some");
            }
            _ => self.notices.say(&format!(
                "the broker takes no records: {}",
                reason.map_or_else(|| error.to_string(), ToString::to_string)
            )),
        }
        Ok(true)
    }

    /// The next record of each type that the broker and the servers do not have. What is asked first
    /// matters: a batch is claimed before its message goes away.
    pub(crate) async fn positions(
        &self,
        sensor: &ClientName,
        stream: &StreamId,
        types: &[&'static Schema],
    ) -> Result<HashMap<u16, u64>, Trouble> {
        let (records, commits) = self.streams().await?;
        let mut positions = HashMap::new();
        let ends = types
            .iter()
            .map(|schema| end(&records, sensor, stream, schema));
        for end in join_all(ends).await {
            let (schema, end) = end.map_err(Trouble::Passing)?;
            positions.insert(schema, end);
        }
        let passing = |error: &dyn std::fmt::Display| {
            Trouble::Passing(format!("the broker tells no claims: {error}"))
        };
        let subjects = commits.info_with_subjects(commits_of(sensor, stream)).await;
        let mut subjects = subjects.map_err(|error| passing(&error))?;
        while let Some(subject) = subjects.next().await {
            let (subject, _) = subject.map_err(|error| passing(&error))?;
            if let Some((schema, end)) = claimed(&subject) {
                let position = positions.entry(schema).or_default();
                *position = end.max(*position);
            }
        }
        Ok(positions)
    }
}

/// The end of a type's last batch on its way.
async fn end(
    records: &Stream,
    sensor: &ClientName,
    stream: &StreamId,
    schema: &'static Schema,
) -> Result<(u16, u64), String> {
    let origin = Origin {
        sensor: sensor.clone(),
        stream: *stream,
        schema,
    };
    let subject = origin.subject();
    let end = match records.get_last_raw_message_by_subject(&subject).await {
        Ok(message) => {
            extent(&message.headers).map_or(0, |(first, count)| first + u64::from(count))
        }
        Err(error) if error.kind() == LastRawMessageErrorKind::NoMessageFound => 0,
        Err(error) => return Err(format!("the broker tells no positions: {error}")),
    };
    Ok((number(schema), end))
}

fn is_full(reason: &str) -> bool {
    FULL.iter().any(|text| reason.contains(text))
}
