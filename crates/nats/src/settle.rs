//! Whose copy of a batch counts: the claim that is first at the broker.
//!
//! Guarantees: the answer is the broker's, and the same whenever it is asked for. A copy that was never
//! claimed is not given up but claimed: what a server that was killed had sent may still arrive, and says
//! the same.

use std::sync::atomic::{AtomicBool, Ordering};

use async_nats::jetstream::context::{PublishError, PublishErrorKind};
use async_nats::jetstream::message::PublishMessage;
use async_nats::jetstream::stream::{LastRawMessageErrorKind, Stream};
use netcap_record::Schema;
use netcap_remote::{ClientName, Mark, Place};
use tokio::time::sleep;

use crate::connection::{Broker, PAUSE};
use crate::names::{COMMITS, Origin};

/// A copy of a batch in a file of ours that is on the disk.
pub(crate) struct Copy {
    pub(crate) origin: Origin,
    pub(crate) mark: Mark,
    pub(crate) place: Place,
}

impl Copy {
    /// What is published to claim it: a server may have two copies, of which one counts.
    fn claim(&self, server: &str) -> String {
        format!("{server}/{}", self.place)
    }

    pub(crate) fn of(
        sensor: &ClientName,
        schema: &'static Schema,
        (mark, place): (Mark, Place),
    ) -> Copy {
        Copy {
            origin: Origin {
                sensor: sensor.clone(),
                stream: mark.stream,
                schema,
            },
            mark,
            place,
        }
    }
}

/// Whose copy counts.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// This one.
    Ours,
    /// Another, of another server or of ours.
    Others,
    /// The server is to stop before it is known.
    Unknown,
}

/// Claims a copy, until it is known whose counts.
pub(crate) async fn settle(
    broker: &Broker,
    commits: &Stream,
    server: &str,
    copy: &Copy,
    stop: &AtomicBool,
) -> Verdict {
    let subject = copy.origin.commit_subject(&copy.mark);
    let claim = copy.claim(server);
    while !stop.load(Ordering::Relaxed) {
        if !broker.is_there() {
            sleep(PAUSE).await;
            continue;
        }
        let message = PublishMessage::build()
            .expected_stream(COMMITS)
            .expected_last_subject_sequence(0)
            .payload(claim.clone().into());
        let published = match broker.context.send_publish(subject.clone(), message).await {
            Ok(acknowledged) => acknowledged.await,
            Err(error) => Err(error),
        };
        let Err(refused) = published else {
            return Verdict::Ours;
        };
        // Somebody was first, or nobody knows.
        match claimed(commits, &subject).await {
            Ok(Some(there)) if there == claim => return Verdict::Ours,
            Ok(Some(_)) => return Verdict::Others,
            // The broker went away; that was said.
            Ok(None) if is_gone(&refused) => {}
            Ok(None) => broker
                .notices
                .say(&format!("the broker takes no claims: {refused}")),
            Err(error) => broker.notices.say(&error),
        }
        sleep(PAUSE).await;
    }
    Verdict::Unknown
}

fn is_gone(error: &PublishError) -> bool {
    use PublishErrorKind::{BrokenPipe, TimedOut};
    [BrokenPipe, TimedOut].contains(&error.kind())
}

/// Settles a copy that was most likely settled before.
pub(crate) async fn settle_again(
    broker: &Broker,
    commits: &Stream,
    server: &str,
    copy: &Copy,
    stop: &AtomicBool,
) -> Verdict {
    match claimed(commits, &copy.origin.commit_subject(&copy.mark)).await {
        Ok(Some(there)) if there == copy.claim(server) => Verdict::Ours,
        Ok(Some(_)) => Verdict::Others,
        Ok(None) | Err(_) => settle(broker, commits, server, copy, stop).await,
    }
}

/// The claim on a batch, if there is one.
pub(crate) async fn claimed(commits: &Stream, subject: &str) -> Result<Option<String>, String> {
    match commits.get_last_raw_message_by_subject(subject).await {
        Ok(message) => Ok(Some(String::from_utf8_lossy(&message.payload).into_owned())),
        Err(error) if error.kind() == LastRawMessageErrorKind::NoMessageFound => Ok(None),
        Err(error) => Err(format!("the broker tells no claims: {error}")),
    }
}
