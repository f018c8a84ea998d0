//! Messages as a server gets them from the broker.
//!
//! The broker gives them by the consumer. One that was killed may have messages again that were acknowledged
//! and taken away before (nats-server 2.9 does), and the consumer does not give those: they would fill the
//! stream for ever. A broker that lost the end of its store may even give numbers to new messages that the
//! consumer is done with. So what the consumer had given long ago, and is there all the same, is taken
//! too, as [remnants]. Claims decide about them as about all others, so it does no harm where a message
//! only took long. (Where the consumer's acknowledgements begin is no measure: it may wait for ever for
//! one of a message that is gone.)
//!
//! A consumer that counts messages which it does not find answers nothing at all, and the connection begins
//! anew every few seconds; what it had given long ago is known all the same.
//!
//! Nothing here asks for messages by subject, as the broker's index of subjects may be wrong. nats-server
//! 2.9 notes the first and the last message of each subject, and leaves the note on the last one as it is
//! when that is taken away. If then all but one are taken, it takes the note for the place of the one, and
//! requests by subject and consumers with a filter pass it by. Where all subjects are asked for ([`ANY`]) it
//! looks at the messages themselves. Claims are safe from this: each has a subject of its own. A sensor
//! that asks where to go on may be told too low a number; then it repeats batches, which are known.
//!
//! [remnants]: Server::remnants

use std::time::{Duration, Instant};

use async_nats::jetstream::Message;
use async_nats::jetstream::consumer::pull::BatchConfig;
use async_nats::jetstream::stream::RawMessageErrorKind;
use futures_util::StreamExt;
use tokio::time::timeout;

use super::GROUP;
use super::groups::Server;
use crate::connection::Broker;

/// Octets of a group at most. The broker has no message that is larger.
const GROUP_OCTETS: usize = 4 << 20;
/// All subjects, for which the broker does not use its index.
const ANY: &str = ">";
/// How long the broker waits for a message where it has none.
const EXPIRES: Duration = Duration::from_secs(1);
/// How long after that its answer may take.
pub(super) const SLACK: Duration = Duration::from_secs(2);

/// A message, and how the broker is told that it is done.
pub(super) enum Incoming {
    /// The consumer gave it, and is told.
    Given(Box<Message>),
    /// It is taken out of the stream by its number.
    Remnant(u64, async_nats::Message),
}

impl Incoming {
    pub(super) fn message(&self) -> &async_nats::Message {
        match self {
            Incoming::Given(message) => &message.message,
            Incoming::Remnant(_, message) => message,
        }
    }

    /// Whether nobody had it before, as far as the broker knows.
    pub(super) fn is_first(&self) -> bool {
        match self {
            Incoming::Given(message) => message.info().is_ok_and(|info| info.delivered <= 1),
            Incoming::Remnant(..) => false,
        }
    }
}

impl Server<'_> {
    /// What the broker has, or what comes within a moment.
    pub(super) async fn pull(&self) -> Result<Vec<Incoming>, String> {
        let group = self.request(GROUP, Duration::ZERO).await?;
        match group.is_empty() {
            true => self.request(1, EXPIRES).await,
            false => Ok(group),
        }
    }

    /// Asks for messages. Only an answer with an address for the acknowledgement is one: whatever headers
    /// somebody has published, they end no group.
    async fn request(&self, batch: usize, expires: Duration) -> Result<Vec<Incoming>, String> {
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
                group.push(Incoming::Given(Box::new(Message {
                    message: answer,
                    context: context.clone(),
                })));
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

    /// Messages that the consumer gave long ago, and that are there all the same. That takes two requests
    /// for the states and one for each message, [`GROUP`] at most: the broker jumps over gaps by itself.
    pub(super) async fn remnants(&mut self) -> Result<Vec<Incoming>, String> {
        let failed = |error: &dyn std::fmt::Display| format!("the broker: {error}");
        let info = self.consumer.get_info().await;
        let info = info.map_err(|error| failed(&error))?;
        let given = info.delivered.stream_sequence;
        match self.past.given {
            // Whoever had one of them has settled it, or it was given again.
            Some((when, given)) if when.elapsed() >= 2 * info.config.ack_wait => {
                self.past.long_ago = given;
                self.past.given = None;
            }
            _ => {}
        }
        self.past.given.get_or_insert((Instant::now(), given));
        let last = self.past.long_ago;
        let info = self.records.get_info().await;
        let state = info.map_err(|error| failed(&error))?.state;
        let mut next = state.first_sequence;
        let (mut group, mut octets) = (Vec::new(), 0);
        while state.messages > 0 && next <= last && group.len() < GROUP && octets < GROUP_OCTETS {
            let found = self.records.raw_message_builder().sequence(next);
            let found = found.next_by_subject(ANY).send();
            let message = match found.await {
                Ok(message) if message.sequence <= last => message,
                Ok(_) => break,
                Err(error) if error.kind() == RawMessageErrorKind::NoMessageFound => break,
                Err(error) => return Err(failed(&error)),
            };
            next = message.sequence + 1;
            octets += message.payload.len();
            let remnant = async_nats::Message {
                subject: message.subject,
                reply: None,
                payload: message.payload,
                headers: Some(message.headers),
                status: None,
                description: None,
                length: 0,
            };
            group.push(Incoming::Remnant(message.sequence, remnant));
        }
        Ok(group)
    }
}
