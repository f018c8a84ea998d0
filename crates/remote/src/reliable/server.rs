//! The server: waits for sensors, and has a thread for each connection.
//!
//! Guarantees: a peer that is silent, slow or hostile holds up nobody but itself, and its thread ends;
//! what is refused is counted by reason.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use netcap_capture::pcap_over_ip::{Address, Listener, ServerTls, TlsError};
use netcap_record::Schema;

use super::door::{Door, Seats};
use super::enrolment::Enrolment;
use super::events::{Event, Events};
use super::sensors::{Reason, Refusals, SensorCounts, Sensors};
use super::session;
use crate::Error;
use crate::archive::{Archive, lock};

/// How often who waits for connections looks whether to stop.
const TICK: Duration = Duration::from_millis(200);

/// Limits of a server.
#[derive(Clone, Copy, Debug)]
pub struct ServerOptions {
    /// Sensors that are connected at most. Each has a thread, and up to 7 MiB while a large batch is
    /// looked through.
    pub connections: usize,
    /// Connections at most that have not said who they are; beside these there are as many of sensors that
    /// are being replaced by newer ones of the same sensor.
    pub newcomers: usize,
    /// How long a handshake may take, and after it the first message.
    pub handshake: Duration,
    /// After so much silence a connection ends. Sensors tell their status every second.
    pub silence: Duration,
}

impl Default for ServerOptions {
    /// 1024 sensors, 128 newcomers, 10 s for a handshake, 30 s of silence.
    fn default() -> ServerOptions {
        ServerOptions {
            connections: 1024,
            newcomers: 128,
            handshake: Duration::from_secs(10),
            silence: Duration::from_secs(30),
        }
    }
}

/// What happened since the start.
#[derive(Clone, Debug)]
pub struct ServerCounts {
    /// Connections there are, those in their handshake included.
    pub connections: usize,
    /// What was refused, by reason.
    pub refusals: Refusals,
    /// Each sensor that was connected once, by name.
    pub sensors: Vec<SensorCounts>,
}

/// A server that runs until it is stopped or dropped.
pub struct ReliableServer {
    shared: Arc<Shared>,
    local: SocketAddr,
    accepting: Option<JoinHandle<()>>,
}

/// What all threads of a server share.
pub(crate) struct Shared {
    pub(crate) archive: Arc<Archive>,
    pub(crate) enrolment: Arc<Enrolment>,
    pub(crate) options: ServerOptions,
    /// All types there are.
    pub(crate) types: Vec<&'static Schema>,
    pub(crate) sensors: Sensors,
    pub(crate) seats: Seats,
    pub(crate) events: Events,
    stop: AtomicBool,
    door: Arc<Door>,
    refusals: Mutex<Refusals>,
    trouble: Mutex<Option<Error>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl Shared {
    pub(crate) fn count(&self, reason: Reason) {
        lock(&self.refusals).count(reason);
    }

    pub(crate) fn report(&self, trouble: Error) {
        *lock(&self.trouble) = Some(trouble);
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Forgets threads that have ended; gives how many there are.
    fn forget_ended(&self) -> usize {
        let mut threads = lock(&self.threads);
        threads.retain(|thread| !thread.is_finished());
        threads.len()
    }
}

impl ReliableServer {
    /// Listens, and takes records of enrolled sensors into the archive from now on. The address must be
    /// one of TLS, and `tls` that of [`server_tls`](super::server_tls) with the same enrolment.
    ///
    /// # Errors
    /// Where the address cannot be listened on.
    pub fn start(
        address: &Address,
        tls: &Arc<ServerTls>,
        archive: &Arc<Archive>,
        enrolment: &Arc<Enrolment>,
        options: ServerOptions,
    ) -> Result<ReliableServer, Error> {
        if !address.tls {
            let reason = format!("{address}: records are only taken over TLS; write tls-listen://");
            return Err(Error::Connect(TlsError::Options(reason).into()));
        }
        let listener = Listener::bind(address, Some(Arc::clone(tls)))?;
        let shared = Arc::new(Shared {
            archive: Arc::clone(archive),
            enrolment: Arc::clone(enrolment),
            options,
            types: netcap_pipeline::schemas(),
            sensors: Sensors::default(),
            seats: Seats::new(options.connections, options.newcomers),
            events: Events::default(),
            stop: AtomicBool::new(false),
            door: Door::new(options.newcomers),
            refusals: Mutex::default(),
            trouble: Mutex::default(),
            threads: Mutex::default(),
        });
        let local = listener.local_addr();
        let accepting = {
            let shared = Arc::clone(&shared);
            Builder::new()
                .name("reliable server".to_owned())
                .spawn(move || accept(&listener, &shared))
                .map_err(Error::io("a thread".as_ref()))?
        };
        Ok(ReliableServer {
            shared,
            local,
            accepting: Some(accepting),
        })
    }

    /// Where it listens, with the port that the system chose if it was asked to.
    pub fn local_addr(&self) -> SocketAddr {
        self.local
    }

    /// What happened since the start.
    pub fn counts(&self) -> ServerCounts {
        ServerCounts {
            connections: self.shared.forget_ended(),
            refusals: *lock(&self.shared.refusals),
            sensors: self.shared.sensors.counts(),
        }
    }

    /// What the disk, a file in the way, or the system has refused since this was last asked. Sensors keep
    /// what they have meanwhile, and try again within seconds.
    pub fn trouble(&self) -> Option<Error> {
        lock(&self.shared.trouble).take()
    }

    /// What happened to connections since this was last asked, in order.
    pub fn events(&self) -> Vec<Event> {
        self.shared.events.take()
    }

    /// Ends all connections, and waits for their threads. What came by then is on the disk.
    pub fn stop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        self.shared.door.close();
        if let Some(thread) = self.accepting.take() {
            let _ = thread.join();
        }
        let threads = std::mem::take(&mut *lock(&self.shared.threads));
        for thread in threads {
            let _ = thread.join();
        }
    }
}

impl Drop for ReliableServer {
    fn drop(&mut self) {
        self.stop();
    }
}

fn accept(listener: &Listener, shared: &Arc<Shared>) {
    // What the system is short of, such as files, is no trouble of the disk, and may pass.
    let short = |what: &str, error: std::io::Error| {
        shared.count(Reason::TooMany);
        shared.events.add(Event::Short(format!("{what}: {error}")));
        std::thread::sleep(TICK);
    };
    while !shared.is_stopped() {
        let pending = match listener.accept(TICK) {
            Ok(Some(pending)) => pending,
            Ok(None) => continue,
            Err(error) => {
                short("no connection", error);
                continue;
            }
        };
        let Some(newcomer) = shared.door.admit(&pending) else {
            return;
        };
        shared.forget_ended();
        let name = format!("sensor {}", pending.peer());
        let of_thread = Arc::clone(shared);
        let spawned = Builder::new()
            .name(name)
            .spawn(move || session::serve(pending, newcomer, &of_thread));
        match spawned {
            Ok(thread) => lock(&shared.threads).push(thread),
            Err(error) => short("no thread for a connection", error),
        }
    }
}
