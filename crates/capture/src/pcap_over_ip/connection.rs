//! One connection to a PCAP-over-IP peer: TCP, TLS over TCP, or a Unix socket, whoever opened it.
//!
//! Guarantees: reading and writing block no longer than the time-outs that were set; an open
//! connection ends with FIN, and in TLS with close_notify, not with a reset; a peer that is gone
//! without a word is noticed after about a minute (TCP keep-alive), or sooner if that is asked for.

use std::fmt;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream, ToSocketAddrs};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{MsgFlags, send};
use socket2::{SockRef, TcpKeepalive};

use super::address::{Address, Place};
use super::tls::{self, ClientTls, Pin, ServerTls, TlsError};

/// TCP keep-alive: after this much silence the peer is asked,
const KEEPALIVE_IDLE: Duration = Duration::from_secs(30);
/// again after this,
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);
/// and so many times before it counts as gone.
const KEEPALIVE_RETRIES: u32 = 3;

/// The same for who has to know soon.
const SOON: Duration = Duration::from_secs(1);
const SOON_RETRIES: u32 = 4;

/// Peers that may wait to be let in. Where there are more the kernel does not answer, and they try again
/// after a second; the 128 of the standard library are less than connect at once after a restart. This is
/// the most that Linux allows by default (net.core.somaxconn, since 5.4).
const BACKLOG: i32 = 4096;

/// As many addresses of one host are tried, so that a name server cannot keep us busy for ever.
const MAX_ADDRESSES: usize = 16;

/// How long closing waits for the peer to close too, so that what it still sends causes no reset.
const LINGER: Duration = Duration::from_millis(500);

/// Why there is no connection; the message is one line and names the remedy.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The host's name leads nowhere.
    #[error("{address}: cannot find the host: {source}; check its name")]
    Resolve {
        /// The address as given.
        address: String,
        /// The system's answer.
        source: io::Error,
    },
    /// Nobody there, or no way there.
    #[error("{address}: cannot connect: {source}; check that the peer runs and may be reached")]
    Connect {
        /// The address as given.
        address: String,
        /// The system's answer, for the last address tried.
        source: io::Error,
    },
    /// The address cannot be listened on.
    #[error("{address}: cannot listen: {source}; {}", listen_remedy(source))]
    Listen {
        /// The address as given.
        address: String,
        /// The system's answer.
        source: io::Error,
    },
    /// The connection ended during the TLS handshake.
    #[error("{peer}: no TLS handshake: {source}; check that the peer speaks TLS")]
    Handshake {
        /// The address as given, or the peer's.
        peer: String,
        /// The system's answer.
        source: io::Error,
    },
    /// The peer is not to be trusted, does not trust us, or does not speak TLS.
    #[error("{peer}: {reason}")]
    Refused {
        /// The address as given, or the peer's.
        peer: String,
        /// What is wrong, with the remedy.
        reason: String,
    },
    /// The peer has shown that it holds a key, but one that is not let in.
    #[error("{peer}: its key {pin} is not enrolled here")]
    Unknown {
        /// The peer's address.
        peer: String,
        /// The pin of its certificate.
        pin: Pin,
    },
    /// Our own side of TLS is not in order.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// What a person can do who cannot listen on an address.
pub fn listen_remedy(error: &io::Error) -> &'static str {
    match error.kind() {
        ErrorKind::PermissionDenied => {
            "ports below 1024 are for root; choose another, or give the program the capability \
             cap_net_bind_service"
        }
        _ => "choose a free port and an address of this machine",
    }
}

impl ConnectError {
    /// Whether only a person can mend it, so that trying again soon is of no use: certificates,
    /// pins, protocols.
    pub fn is_permanent(&self) -> bool {
        matches!(
            self,
            ConnectError::Refused { .. } | ConnectError::Unknown { .. } | ConnectError::Tls(_)
        )
    }

    /// Whether it is about TLS (exit code 4) and not about reaching the peer (exit code 2).
    pub fn is_tls(&self) -> bool {
        self.is_permanent() || matches!(self, ConnectError::Handshake { .. })
    }
}

/// What the octets go through.
enum Socket {
    Tcp(Arc<TcpStream>),
    Unix(UnixStream),
}

/// Calls a method that both kinds of sockets have.
macro_rules! on_socket {
    ($socket:expr, $stream:ident => $call:expr) => {
        match $socket {
            Socket::Tcp($stream) => $call,
            Socket::Unix($stream) => $call,
        }
    };
}

impl Read for Socket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Socket::Tcp(stream) => (&**stream).read(buffer),
            Socket::Unix(stream) => stream.read(buffer),
        }
    }
}

impl Write for Socket {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        match self {
            Socket::Tcp(stream) => (&**stream).write(octets),
            Socket::Unix(stream) => stream.write(octets),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A connection to a peer. Reading and writing may fail with `WouldBlock` (or `TimedOut`) when a
/// time-out is set; nothing is lost then, and they can be called again.
pub struct Connection {
    socket: Socket,
    tls: Option<Box<rustls::Connection>>,
    peer: String,
    unclean: bool,
}

impl Connection {
    fn plain(socket: Socket, peer: String) -> Connection {
        Connection {
            socket,
            tls: None,
            peer,
            unclean: false,
        }
    }

    /// The peer: the name in its certificate where that was demanded and verified, else its address.
    pub fn peer(&self) -> &str {
        &self.peer
    }

    /// The pin of the certificate that the peer has shown.
    pub fn pin(&self) -> Option<Pin> {
        Pin::of_certificate(self.certificate()?)
    }

    /// Both ends, where there are addresses: not of a Unix socket, nor when the peer is gone.
    pub fn local_and_peer(&self) -> Option<(SocketAddr, SocketAddr)> {
        match &self.socket {
            Socket::Tcp(stream) => Some((stream.local_addr().ok()?, stream.peer_addr().ok()?)),
            Socket::Unix(_) => None,
        }
    }

    /// Has a peer that is gone without a word noticed after five seconds of silence, of both sides.
    ///
    /// # Errors
    ///
    /// The system does not take it.
    pub fn notice_soon(&self) -> io::Result<()> {
        let Socket::Tcp(stream) = &self.socket else {
            return Ok(());
        };
        let keepalive = TcpKeepalive::new()
            .with_time(SOON)
            .with_interval(SOON)
            .with_retries(SOON_RETRIES);
        SockRef::from(stream).set_tcp_keepalive(&keepalive)
    }

    /// Has a peer that acknowledges nothing for so long, or takes nothing, counted as gone; zero: as long as the
    /// system has it, which is a quarter of an hour. Where the system has no such setting nothing changes.
    ///
    /// # Errors
    ///
    /// The system does not take it.
    pub fn set_unacknowledged_timeout(&self, timeout: Duration) -> io::Result<()> {
        let Socket::Tcp(stream) = &self.socket else {
            return Ok(());
        };
        #[cfg(target_os = "linux")]
        SockRef::from(stream).set_tcp_user_timeout(Some(timeout))?;
        #[cfg(not(target_os = "linux"))]
        let _ = (stream, timeout);
        Ok(())
    }

    /// How long reading waits at most; none: for ever. Zero is taken for the shortest time there is.
    pub fn set_read_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        let timeout = timeout.map(|timeout| timeout.max(Duration::from_millis(1)));
        on_socket!(&self.socket, stream => stream.set_read_timeout(timeout))
    }

    /// How long writing waits at most; none: for ever. Zero is taken for the shortest time there is.
    pub fn set_write_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        let timeout = timeout.map(|timeout| timeout.max(Duration::from_millis(1)));
        on_socket!(&self.socket, stream => stream.set_write_timeout(timeout))
    }

    /// Writes some of these records of `unit` octets each, of which the first may be the rest of one:
    /// so many that fit one TCP segment, and so that nothing is put behind them into that segment. So
    /// a segment ends where a record does, unless the peer's window has less room than a record.
    /// Only systems that know of such ends do this (Linux), and it is nothing that TLS has.
    pub fn write_records(&mut self, octets: &[u8], unit: usize) -> io::Result<usize> {
        let (Socket::Tcp(stream), None) = (&self.socket, &self.tls) else {
            return self.write(octets);
        };
        let segment = SockRef::from(stream).tcp_mss()? as usize;
        let piece = octets.get(..whole_records(octets.len(), unit, segment));
        let piece = piece.unwrap_or(octets);
        // A peer that is gone is an error here, and no signal.
        let flags = MsgFlags::MSG_EOR | MsgFlags::MSG_NOSIGNAL;
        Ok(send(stream.as_raw_fd(), piece, flags)?)
    }

    /// Whether the stream ended without the close_notify by which TLS says that nothing was cut off.
    pub fn is_unclean(&self) -> bool {
        self.unclean
    }

    /// Reads what has come, without waiting; an error of kind `WouldBlock` where that is nothing.
    pub fn read_now(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        on_socket!(&self.socket, stream => stream.set_nonblocking(true))?;
        let result = self.read(buffer);
        on_socket!(&self.socket, stream => stream.set_nonblocking(false))?;
        result
    }

    /// Reads and discards what has come, without waiting, until there is no more or it is `most`
    /// octets. Gives their number; an ended stream is an error of kind `UnexpectedEof`.
    pub fn drain(&mut self, most: usize) -> io::Result<usize> {
        on_socket!(&self.socket, stream => stream.set_nonblocking(true))?;
        let result = self.discard(most);
        on_socket!(&self.socket, stream => stream.set_nonblocking(false))?;
        result
    }

    fn discard(&mut self, most: usize) -> io::Result<usize> {
        let mut buffer = [0; 4096];
        let mut count = 0;
        while count < most {
            match self.read(&mut buffer) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(more) => count += more,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(count)
    }

    /// Ends the stream: close_notify in TLS, then FIN. Waits half a second at most for the peer's
    /// end, as closing while it sends would reset the connection and lose what it has not read yet.
    pub fn close(&mut self) -> io::Result<()> {
        if let Some(tls) = &mut self.tls {
            tls.send_close_notify();
        }
        let flushed = self.flush();
        on_socket!(&self.socket, stream => stream.shutdown(Shutdown::Write))?;
        flushed?;
        let end = Instant::now() + LINGER;
        let mut buffer = [0; 4096];
        loop {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            self.set_read_timeout(Some(left))?;
            if !matches!(self.socket.read(&mut buffer), Ok(count) if count > 0) {
                return Ok(());
            }
        }
    }

    /// Performs the TLS handshake within `timeout` in all, however slowly the peer trickles.
    fn shake_hands(mut self, tls: rustls::Connection, timeout: Duration) -> Result<Self, Shaken> {
        let end = Instant::now() + timeout;
        let tls = self.tls.insert(Box::new(tls));
        let waits = |socket: &Socket| {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(io::Error::from(ErrorKind::TimedOut));
            }
            let left = Some(left.max(Duration::from_millis(1)));
            on_socket!(socket, stream => {
                stream.set_read_timeout(left)?;
                stream.set_write_timeout(left)
            })
        };
        while tls.is_handshaking() || tls.wants_write() {
            waits(&self.socket)?;
            if tls.wants_write() {
                retry(|| tls.write_tls(&mut self.socket))?;
                continue;
            }
            if retry(|| tls.read_tls(&mut self.socket))? == 0 {
                return Err(Shaken::Io(ErrorKind::UnexpectedEof.into()));
            }
            if let Err(error) = tls.process_new_packets() {
                // The alert that tells the peer why.
                let _ = self.flush();
                let _ = on_socket!(&self.socket, stream => stream.shutdown(Shutdown::Write));
                return Err(Shaken::Tls(error));
            }
        }
        self.set_read_timeout(None)?;
        self.set_write_timeout(None)?;
        Ok(self)
    }

    /// The certificate that the peer has shown.
    fn certificate(&self) -> Option<&rustls::pki_types::CertificateDer<'static>> {
        self.tls.as_ref()?.peer_certificates()?.first()
    }
}

/// How a handshake failed.
enum Shaken {
    Io(io::Error),
    Tls(rustls::Error),
}

impl From<io::Error> for Shaken {
    fn from(error: io::Error) -> Shaken {
        // The system's name for a time-out of a socket says nothing to people.
        Shaken::Io(match error.kind() {
            ErrorKind::WouldBlock => ErrorKind::TimedOut.into(),
            _ => error,
        })
    }
}

impl Shaken {
    fn with(self, peer: String) -> ConnectError {
        match self {
            Shaken::Io(source) => ConnectError::Handshake { peer, source },
            Shaken::Tls(error) => match tls::not_admitted(&error) {
                Some(pin) => ConnectError::Unknown { peer, pin },
                None => ConnectError::Refused {
                    peer,
                    reason: tls::explain(&error),
                },
            },
        }
    }
}

/// Calls again what a signal has interrupted.
fn retry<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

/// What an error from reading a connection means, if it is TLS that is at fault: a peer that
/// refuses our certificate says so only then.
pub fn tls_fault(error: &io::Error) -> Option<String> {
    error
        .get_ref()?
        .downcast_ref::<rustls::Error>()
        .map(tls::explain)
}

/// Whether an error from reading a connection is that the peer does not know our certificate, or lets it
/// in no more.
pub fn is_not_known(error: &io::Error) -> bool {
    let error = error.get_ref().and_then(|error| error.downcast_ref());
    error.is_some_and(tls::is_not_known)
}

impl Read for Connection {
    /// Gives 0 at the end of the stream; see [`Connection::is_unclean`].
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(tls) = &mut self.tls else {
            return self.socket.read(buffer);
        };
        if buffer.is_empty() {
            return Ok(0);
        }
        loop {
            match tls.reader().read(buffer) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => {
                    self.unclean = true;
                    return Ok(0);
                }
                result => return result,
            }
            // Answers of the protocol itself; the peer can do without them for a while.
            if tls.wants_write() {
                let _ = tls.write_tls(&mut self.socket);
            }
            tls.read_tls(&mut self.socket)?;
            if let Err(error) = tls.process_new_packets() {
                let _ = self.flush();
                return Err(io::Error::new(ErrorKind::InvalidData, error));
            }
        }
    }
}

impl Write for Connection {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        if self.tls.is_none() {
            return self.socket.write(octets);
        }
        // What was taken before goes first, so that never more than one write is held.
        self.flush()?;
        let Some(tls) = &mut self.tls else {
            return Ok(0);
        };
        let count = tls.writer().write(octets)?;
        match self.flush() {
            // These octets are ours by now; the next call reports what is wrong.
            Ok(()) | Err(_) => Ok(count),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        if let Some(tls) = &mut self.tls {
            while tls.wants_write() {
                if retry(|| tls.write_tls(&mut self.socket))? == 0 {
                    return Err(ErrorKind::WriteZero.into());
                }
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Connection({})", self.peer)
    }
}

/// All addresses of a host, in the resolver's order.
fn resolve(address: &Address, host: &str, port: u16) -> Result<Vec<SocketAddr>, ConnectError> {
    let failed = |source| ConnectError::Resolve {
        address: address.to_string(),
        source,
    };
    let all: Vec<_> = (host, port)
        .to_socket_addrs()
        .map_err(failed)?
        .take(MAX_ADDRESSES)
        .collect();
    if all.is_empty() {
        return Err(failed(io::Error::other("it has no address")));
    }
    Ok(all)
}

/// How many of `length` octets, at whose end a record of `unit` octets ends, to write at a time, so
/// that they fill a segment and end where a record does.
fn whole_records(length: usize, unit: usize, segment: usize) -> usize {
    let unit = unit.max(1);
    // What is left of a record that an earlier write has begun.
    let rest = length % unit;
    let whole = segment.saturating_sub(rest) / unit * unit;
    match rest + whole {
        0 => length.min(segment.max(1)),
        piece => length.min(piece),
    }
}

/// Settings of every TCP connection.
fn set_up(stream: &TcpStream) -> io::Result<()> {
    stream.set_nonblocking(false)?;
    stream.set_nodelay(true)?;
    let keepalive = TcpKeepalive::new()
        .with_time(KEEPALIVE_IDLE)
        .with_interval(KEEPALIVE_INTERVAL)
        .with_retries(KEEPALIVE_RETRIES);
    SockRef::from(stream).set_tcp_keepalive(&keepalive)
}

/// Connects to an address: resolves its host anew, tries all addresses one after the other, each
/// for at most `timeout`, then performs the TLS handshake within `timeout` if the address says so.
/// `tls` is needed for that only.
pub fn connect(
    address: &Address,
    tls: Option<&Arc<ClientTls>>,
    timeout: Duration,
) -> Result<Connection, ConnectError> {
    let failed = |source| ConnectError::Connect {
        address: address.to_string(),
        source,
    };
    let (host, port) = match &address.place {
        Place::Unix(path) => {
            let stream = UnixStream::connect(path).map_err(failed)?;
            return Ok(Connection::plain(Socket::Unix(stream), address.to_string()));
        }
        Place::Tcp { host, port } => (host, *port),
    };
    let timeout = timeout.max(Duration::from_millis(1));
    let mut last = io::Error::from(ErrorKind::AddrNotAvailable);
    let mut connected = None;
    for place in resolve(address, host, port)? {
        match TcpStream::connect_timeout(&place, timeout).and_then(|stream| {
            set_up(&stream)?;
            Ok(stream)
        }) {
            Ok(stream) => {
                connected = Some((stream, place));
                break;
            }
            Err(error) => last = error,
        }
    }
    let (stream, place) = connected.ok_or_else(|| failed(last))?;
    let connection = Connection::plain(Socket::Tcp(Arc::new(stream)), place.to_string());
    if !address.tls {
        return Ok(connection);
    }
    let tls = tls.ok_or_else(|| TlsError::Options(format!("{address}: TLS is not set up")))?;
    let session = rustls::ClientConnection::new(Arc::clone(&tls.config), tls.name_for(host)?)
        .map_err(|error| Shaken::Tls(error).with(address.to_string()))?;
    connection
        .shake_hands(session.into(), timeout)
        .map_err(|failed| failed.with(address.to_string()))
}

/// Waits for peers to connect.
#[derive(Debug)]
pub struct Listener {
    socket: TcpListener,
    local: SocketAddr,
    tls: Option<Arc<ServerTls>>,
}

impl Listener {
    /// Listens on the address; `tls` is needed, and used, if the address says so.
    pub fn bind(address: &Address, tls: Option<Arc<ServerTls>>) -> Result<Listener, ConnectError> {
        let failed = |source| ConnectError::Listen {
            address: address.to_string(),
            source,
        };
        let Place::Tcp { host, port } = &address.place else {
            return Err(failed(ErrorKind::Unsupported.into()));
        };
        let tls = match (address.tls, tls) {
            (true, None) => {
                let missing = format!("{address}: TLS is not set up");
                return Err(TlsError::Options(missing).into());
            }
            (true, tls) => tls,
            (false, _) => None,
        };
        let places = resolve(address, host, *port)?;
        let socket = TcpListener::bind(&places[..]).map_err(failed)?;
        SockRef::from(&socket).listen(BACKLOG).map_err(failed)?;
        socket.set_nonblocking(true).map_err(failed)?;
        let local = socket.local_addr().map_err(failed)?;
        Ok(Listener { socket, local, tls })
    }

    /// Where it listens, with the port that the system chose if it was asked to.
    pub fn local_addr(&self) -> SocketAddr {
        self.local
    }

    /// Has the segments of connections from now on carry that many octets at most, the options of TCP
    /// among them.
    pub fn limit_segments(&self, octets: u32) -> io::Result<()> {
        SockRef::from(&self.socket).set_tcp_mss(octets)
    }

    /// The next peer; none if nobody came for `wait`, which is at most a minute. An error means that
    /// the system is short of something; it may pass.
    pub fn accept(&self, wait: Duration) -> io::Result<Option<Pending>> {
        let milliseconds = wait.as_millis().min(60_000) as u16;
        let mut polled = [PollFd::new(self.socket.as_fd(), PollFlags::POLLIN)];
        // An interruption is nobody coming.
        let _ = poll(&mut polled, PollTimeout::from(milliseconds));
        match self.socket.accept() {
            Ok((stream, peer)) => Ok(Some(Pending {
                stream: Arc::new(stream),
                // An IPv4 peer of an IPv6 socket by its own address.
                peer: SocketAddr::new(peer.ip().to_canonical(), peer.port()),
                tls: self.tls.clone(),
            })),
            Err(error) => match error.kind() {
                ErrorKind::WouldBlock | ErrorKind::Interrupted | ErrorKind::ConnectionAborted => {
                    Ok(None)
                }
                _ => Err(error),
            },
        }
    }
}

/// Ends a connection while another thread waits for its peer: reading finds its end then. Keeps nothing
/// open.
#[derive(Clone, Debug)]
pub struct Cutter(Weak<TcpStream>);

impl Cutter {
    /// Ends the connection, if there still is one.
    pub fn cut(&self) {
        if let Some(stream) = self.0.upgrade() {
            // One that has ended by itself cannot be shut down, and need not be.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

/// A peer that has connected and not yet shown who it is. Dropping it turns it away.
#[derive(Debug)]
pub struct Pending {
    stream: Arc<TcpStream>,
    peer: SocketAddr,
    tls: Option<Arc<ServerTls>>,
}

impl Pending {
    /// The peer's address.
    pub fn peer(&self) -> SocketAddr {
        self.peer
    }

    /// Whether it has to agree upon TLS first.
    pub fn has_tls(&self) -> bool {
        self.tls.is_some()
    }

    /// What ends the connection from another thread, now or later.
    pub fn cutter(&self) -> Cutter {
        Cutter(Arc::downgrade(&self.stream))
    }

    /// Performs the TLS handshake, if there is one, within `timeout`. A silent peer makes it last
    /// that long, so it belongs into a thread of its own.
    pub fn handshake(self, timeout: Duration) -> Result<Connection, ConnectError> {
        let peer = self.peer.to_string();
        set_up(&self.stream).map_err(|source| ConnectError::Connect {
            address: peer.clone(),
            source,
        })?;
        let connection = Connection::plain(Socket::Tcp(self.stream), peer.clone());
        let Some(server) = self.tls else {
            return Ok(connection);
        };
        let session = rustls::ServerConnection::new(server.config())
            .map_err(|error| Shaken::Tls(error).with(peer.clone()))?;
        let mut connection = connection
            .shake_hands(session.into(), timeout)
            .map_err(|failed| failed.with(peer.clone()))?;
        if let Some(certificate) = connection.certificate() {
            match server.admit(certificate) {
                Ok(name) => connection.peer = name,
                Err(reason) => {
                    let _ = connection.close();
                    return Err(ConnectError::Refused { peer, reason });
                }
            }
        }
        Ok(connection)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_os = "linux")]
    fn many_may_connect_before_anyone_is_let_in() {
        let most = std::fs::read_to_string("/proc/sys/net/core/somaxconn").expect("a number");
        if most.trim().parse::<usize>().is_ok_and(|most| most < 400) {
            eprintln!("skipped: this machine has at most {most} wait");
            return;
        }
        let address = "listen://127.0.0.1:0".parse().expect("an address");
        let listener = Listener::bind(&address, None).expect("it listens");
        let peers = (0..300).map(|_| {
            // Those who find no room get no answer, as nobody is ever let in.
            TcpStream::connect_timeout(&listener.local_addr(), Duration::from_secs(20))
        });
        let peers: Vec<_> = peers.collect::<io::Result<_>>().expect("all connect");
        assert_eq!(peers.len(), 300);
    }

    #[test]
    fn pieces_end_where_records_do() {
        // Octets to write, and what a segment has room for.
        for (length, segment, expected) in [
            (28, 1400, 28),
            (2800, 1400, 1400),
            (2800, 1412, 1400),
            // The rest of a record that was begun comes along.
            (2810, 1412, 10 + 1400),
            (2810, 1409, 10 + 1372),
            (10, 1400, 10),
            // A segment that is shorter than a record cannot hold one.
            (28, 20, 20),
            (38, 20, 10),
            (28, 0, 1),
        ] {
            assert_eq!(whole_records(length, 28, segment), expected, "{length}");
        }
        assert_eq!(whole_records(5, 0, 3), 3);
    }
}
