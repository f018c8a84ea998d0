//! PCAP-over-IP: one connection carries one capture file, as it is written.
//!
//! A [`Reader`] is a source of packets; the rest is what its peers are made of too: [`connect`] and
//! [`Listener`] give [`Connection`]s, over TCP, TLS or a Unix socket.
//!
//! Guarantees: nothing a peer sends ends more than its own connection; TLS, where asked for, is never
//! given up for plain TCP.

pub mod address;
mod backoff;
mod connection;
mod endpoint;
mod flow;
mod options;
mod reader;
mod shared;
mod stream;
pub mod tls;
mod window;

pub use address::{Address, AddressError, Place, Role};
pub use backoff::Backoff;
pub use connection::{
    ConnectError, Connection, Cutter, Listener, Pending, connect, is_not_known, listen_remedy,
    tls_fault,
};
pub use options::{InterfaceInfo, Notify, ReaderOptions};
pub use reader::Reader;
pub use stream::{Fault, StreamError};
pub use tls::{Admit, ClientTls, Pin, ServerTls, TlsError, TlsOptions};
pub use window::Order;
