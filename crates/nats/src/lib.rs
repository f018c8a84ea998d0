//! Records from any number of sensors to any number of servers, through NATS JetStream.
//!
//! A sensor publishes its batches ([`NatsSender`]); servers share them, each with an archive of its own
//! ([`NatsServer`]). The broker keeps what no server has yet.
//!
//! Guarantee: whatever is killed at whatever moment, all archives together have every record exactly
//! once. Three rules make it so:
//!
//! - A batch counts where the broker says so: `NETCAP_COMMITS` has one message for it, which names the
//!   server and the place in its file, and whoever publishes it first wins. Every other copy is taken back,
//!   and nobody takes one back before somebody else's claim is there.
//! - The message of a batch is acknowledged when its claim is there, never before.
//! - A sensor that begins again sends the same batches: see [`NatsSender`].
//!
//! It depends on the broker keeping what it acknowledged, and on claims staying
//! ([`Limits::commits_age`]) as long as a server may be away, or a batch may come twice.

mod address;
mod connection;
mod message;
mod names;
mod publish;
mod sender;
mod server;
mod server_name;
mod settle;

pub use address::Connection;
pub use connection::{Limits, Notify};
pub use message::Refusal;
pub use sender::{Full, NatsSender, SenderCounters, SenderOptions, Sent};
pub use server::{Counts, NatsServer, ServerOptions};
