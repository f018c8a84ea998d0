//! The page, served to browsers: the connections and who is let in.
//!
//! ```text
//! mod.rs       a runtime of its own; connections
//! routes.rs    what is answered: the page, its parts, frames, one or many
//! ```
//!
//! Guarantees: a browser holds up nobody, however slowly it asks or reads: it is sent the newest frame when it
//! has taken the one before, and let go when it takes nothing for long. Connections are limited ([`Limits`]);
//! those beyond are turned away, and counted.

mod routes;

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use socket2::SockRef;
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::amount::Mark;
use crate::choice::Choice;
use crate::frame::{Browsers, Frame};
use crate::model::Model;

/// How many may be there, and how long they may take.
#[derive(Clone, Copy, Debug)]
struct Limits {
    /// Connections at a time. A browser has up to six.
    connections: usize,
    /// Streams of frames at a time.
    streams: usize,
    /// How long a request may take to come, and a connection be idle between two.
    request: Duration,
    /// How long a browser may take nothing.
    patience: Duration,
}

const LIMITS: Limits = Limits {
    connections: 256,
    streams: 64,
    request: Duration::from_secs(10),
    patience: Duration::from_secs(30),
};
/// Octets that wait in the kernel for a slow browser: some frames, so that what it gets is not old.
const SEND_BUFFER: usize = 256 << 10;
/// Octets of a request's head: the URL may have the labels of many hosts.
const REQUEST: usize = 64 << 10;
/// How often the collector is looked at, at most.
const TICK: Duration = Duration::from_millis(250);
/// How long the end may take.
const END: Duration = Duration::from_secs(1);
/// How long to wait after a connection could not be accepted, as there are no descriptors.
const PAUSE: Duration = Duration::from_secs(1);
/// Threads: browsers take little.
const THREADS: usize = 2;

/// Serves the page until dropped.
#[derive(Debug)]
pub struct Web {
    address: SocketAddr,
    shared: Arc<Shared>,
    runtime: Option<Runtime>,
}

impl Web {
    /// Serves what the model has at a listener, whose host was given by this name or address.
    ///
    /// # Errors
    /// The system gives no threads, or none of its events.
    pub fn serve(listener: TcpListener, host: &str, model: Model) -> io::Result<Web> {
        Web::limited(listener, host, model, LIMITS)
    }

    fn limited(listener: TcpListener, host: &str, model: Model, limits: Limits) -> io::Result<Web> {
        let address = listener.local_addr()?;
        listener.set_nonblocking(true)?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(THREADS)
            .thread_name("web")
            .enable_all()
            .build()?;
        let shared = Arc::new(Shared::new(host, model, limits));
        let listener = {
            let _inside = runtime.enter();
            tokio::net::TcpListener::from_std(listener)?
        };
        runtime.spawn(accept(listener, Arc::clone(&shared)));
        Ok(Web {
            address,
            shared,
            runtime: Some(runtime),
        })
    }

    /// Where the page is, for browsers on this host.
    pub fn url(&self) -> String {
        let port = self.address.port();
        match self.address.ip() {
            address if address.is_unspecified() => format!("http://localhost:{port}/"),
            _ => format!("http://{}:{port}/", self.shared.host),
        }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Who looks on.
    pub fn browsers(&self) -> Browsers {
        self.shared.browsers()
    }
}

impl Drop for Web {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_timeout(END);
        }
    }
}

/// What all connections share.
#[derive(Debug)]
struct Shared {
    /// The host that the user gave, which browsers may call us by.
    host: String,
    limits: Limits,
    look: Mutex<Look>,
    connections: Arc<Semaphore>,
    streams: Arc<Semaphore>,
    turned_away: AtomicU64,
}

/// The model, and when it was brought up to date.
#[derive(Debug)]
struct Look {
    model: Model,
    at: Option<Instant>,
}

impl Shared {
    fn new(host: &str, model: Model, limits: Limits) -> Shared {
        Shared {
            host: host.to_owned(),
            limits,
            look: Mutex::new(Look { model, at: None }),
            connections: Arc::new(Semaphore::new(limits.connections)),
            streams: Arc::new(Semaphore::new(limits.streams)),
            turned_away: AtomicU64::new(0),
        }
    }

    /// A frame of now, as text, and its mark. Nothing is done for a page that nobody looks at.
    fn frame(&self, choice: &Choice, since: Option<Mark>) -> (String, Mark) {
        let mut look = self.look.lock().unwrap_or_else(PoisonError::into_inner);
        if look.at.is_none_or(|at| at.elapsed() >= TICK) {
            look.model.refresh(SystemTime::now());
            look.at = Some(Instant::now());
        }
        let (mut frame, mark) = Frame::new(&look.model, choice, since);
        frame.browsers = self.browsers();
        (frame.json(), mark)
    }

    fn browsers(&self) -> Browsers {
        Browsers {
            connected: self.limits.streams - self.streams.available_permits(),
            turned_away: self.turned_away.load(Ordering::Relaxed),
        }
    }

    /// Lets one more in, if there is room.
    fn enter(&self, room: &Arc<Semaphore>) -> Option<OwnedSemaphorePermit> {
        let permit = Arc::clone(room).try_acquire_owned().ok();
        if permit.is_none() {
            self.turned_away.fetch_add(1, Ordering::Relaxed);
        }
        permit
    }
}

async fn accept(listener: tokio::net::TcpListener, shared: Arc<Shared>) {
    let router = routes::router(Arc::clone(&shared));
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(PAUSE).await;
            continue;
        };
        if let Some(permit) = shared.enter(&shared.connections) {
            let (router, limits) = (router.clone(), shared.limits);
            tokio::spawn(async move {
                serve(stream, router, limits).await;
                drop(permit);
            });
        }
    }
}

/// One connection to its end, of which nobody needs to know why.
async fn serve(stream: TcpStream, router: Router, limits: Limits) {
    let socket = SockRef::from(&stream);
    let is_set = socket
        .set_tcp_user_timeout(Some(limits.patience))
        .and_then(|()| socket.set_send_buffer_size(SEND_BUFFER))
        .and_then(|()| socket.set_tcp_nodelay(true));
    if is_set.is_err() {
        return;
    }
    let _ = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.request)
        .max_buf_size(REQUEST)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router))
        .await;
}

#[cfg(test)]
mod tests;
