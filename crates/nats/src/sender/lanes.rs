//! The thread that publishes. A lane is a queue of batches: that of a type, which has one batch at the broker
//! at a time, or one for all, which has many.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::mpsc;

use futures_util::future::{join_all, select};
use netcap_record::Schema;
use netcap_remote::{Batch, Error};
use netcap_store::Gzip;
use tokio::runtime::Builder;
use tokio::sync::{Mutex, mpsc as queue, oneshot};
use tokio::time::sleep;

use super::{Full, SenderOptions, Shared};
use crate::connection::{Broker, Notices, PAUSE, Trouble};
use crate::names::Origin;
use crate::publish::Outgoing;

/// Batches of one lane at the broker at a time, where their order does not matter.
const AT_A_TIME: usize = 32;

/// What the thread begins with.
pub(super) struct Run {
    pub(super) options: SenderOptions,
    pub(super) shared: Arc<Shared>,
    pub(super) types: Vec<&'static Schema>,
    pub(super) lanes: Vec<queue::UnboundedReceiver<Batch>>,
    /// Is told the positions, once.
    pub(super) tell: mpsc::Sender<Result<HashMap<u16, u64>, Error>>,
}

impl Run {
    /// Publishes until there is nothing more, or `ended`.
    pub(super) fn run(self, ended: oneshot::Receiver<()>) {
        let tell = self.tell.clone();
        let runtime = match Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => {
                let error = Error::Transport(format!("no connections can be made: {error}"));
                let _ = tell.send(Err(error));
                return;
            }
        };
        let shared = Arc::clone(&self.shared);
        runtime.block_on(async {
            let work = Box::pin(async {
                if let Err(error) = self.work().await {
                    shared.fail(&error);
                    let _ = tell.send(Err(error));
                }
            });
            select(work, ended).await;
        });
        shared.lock().client = None;
    }

    async fn work(self) -> Result<(), Error> {
        let options = &self.options;
        let notices = Notices::new(&options.notify);
        let name = format!("netcap sensor {}", options.sensor);
        let broker = Broker::connect(&options.connection, options.limits, &name, &notices).await?;
        self.shared.lock().client = Some(broker.client.clone());
        if options.is_repeatable {
            let positions = positions(&broker, options, &self.types).await?;
            let _ = self.tell.send(Ok(positions));
        } else {
            let _ = self.tell.send(Ok(HashMap::new()));
        }
        let at_a_time = if options.is_repeatable { 1 } else { AT_A_TIME };
        let mut publishers = Vec::new();
        for lane in self.lanes {
            let lane = Arc::new(Mutex::new(lane));
            for _ in 0..at_a_time {
                let lane = Arc::clone(&lane);
                publishers.push(publish_all(&broker, options, &self.shared, lane));
            }
        }
        for published in join_all(publishers).await {
            published?;
        }
        Ok(())
    }
}

/// Asks for the positions until the broker knows them.
async fn positions(
    broker: &Broker,
    options: &SenderOptions,
    types: &[&'static Schema],
) -> Result<HashMap<u16, u64>, Error> {
    loop {
        broker.wait().await;
        match broker
            .positions(&options.sensor, &options.stream, types)
            .await
        {
            Ok(positions) => return Ok(positions),
            Err(Trouble::Lasting(error)) => return Err(error),
            Err(Trouble::Passing(text)) => broker.notices.say(&text),
        }
        sleep(PAUSE).await;
    }
}

/// Publishes one batch of a lane after the other.
async fn publish_all(
    broker: &Broker,
    options: &SenderOptions,
    shared: &Shared,
    lane: Arc<Mutex<queue::UnboundedReceiver<Batch>>>,
) -> Result<(), Error> {
    let mut gzip = Gzip::default();
    loop {
        let Some(batch) = lane.lock().await.recv().await else {
            return Ok(());
        };
        let origin = Origin {
            sensor: options.sensor.clone(),
            stream: options.stream,
            schema: batch.schema,
        };
        let outgoing = Outgoing {
            origin: &origin,
            first: batch.first,
            count: batch.count,
            payloads: batch.payloads,
            member: gzip.member(&batch.frames).into(),
        };
        let is_taken = match broker.publish(&outgoing).await {
            Ok(false) if options.full() == Full::Wait => Err(Error::Transport(format!(
                "the broker takes no message of {} octets; raise max_payload in its configuration",
                outgoing.member.len()
            ))),
            other => other,
        };
        // Where it can never be sent, the run ends.
        let is_taken = is_taken.inspect_err(|error| shared.fail(error))?;
        let count = u64::from(batch.count);
        let mut state = shared.lock();
        state.waiting -= batch.frames.len();
        state.batches -= 1;
        state.records -= count;
        if is_taken {
            state.sent.batches += 1;
            state.sent.records += count;
            state.sent.octets += outgoing.member.len() as u64;
        } else {
            state.sent.too_long += count;
        }
        drop(state);
        shared.changed.notify_all();
    }
}
