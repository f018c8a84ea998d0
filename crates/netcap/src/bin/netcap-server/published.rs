//! Records from a NATS broker, which other servers share.

use std::sync::Arc;
use std::sync::mpsc::{Receiver as News, channel};

use netcap_nats::{Connection, NatsServer, ServerOptions};
use netcap_remote::Archive;
use netcap_remote::reliable::Event;
use netcap_shell::Failure;

use crate::flags::Flags;
use crate::snapshot::Snapshot;
use crate::status::Status;
use crate::way::{Receiver, tell};

/// The broker, and how both sides know each other.
pub(crate) struct Published {
    connection: Connection,
    place: String,
}

/// The server at work.
struct Sharing {
    server: NatsServer,
    news: News<String>,
}

impl Published {
    /// Reads the credentials.
    pub(crate) fn new(url: &str, flags: &Flags) -> Result<Published, Failure> {
        let place = Connection::new(url).place();
        let place = place.map_err(|error| Failure::Usage(format!("-nats: {error}")))?;
        let (ca, credentials) = (&flags.nats.ca, &flags.nats.credentials);
        Ok(Published {
            connection: Connection::open(url, ca.as_deref(), credentials.as_deref())?,
            place,
        })
    }

    pub(crate) fn open(
        self,
        flags: &Flags,
        archive: &Arc<Archive>,
        status: &Status,
    ) -> Result<Box<dyn Receiver>, Failure> {
        let (teller, news) = channel();
        let mut options = ServerOptions::new(self.connection);
        // When nobody listens any more, there is nobody to tell.
        options.notify = Arc::new(move |text| drop(teller.send(text.to_owned())));
        let server = NatsServer::start(options, Arc::clone(archive))?;
        tell(status, flags, "batches", self.place);
        Ok(Box::new(Sharing { server, news }))
    }
}

impl Receiver for Sharing {
    fn add_to(&self, snapshot: &mut Snapshot) {
        snapshot.add_nats(&self.server.counts());
    }

    fn news(&mut self) -> Vec<String> {
        self.news.try_iter().collect()
    }

    fn failure(&self) -> Option<Failure> {
        self.server.trouble().map(Failure::Environment)
    }

    fn stop(self: Box<Self>, snapshot: &mut Snapshot) -> (Vec<Event>, Result<(), Failure>) {
        let failure = self.failure();
        snapshot.add_nats(&self.server.stop());
        (Vec::new(), failure.map_or(Ok(()), Err))
    }
}
