//! `netcap-sensor` and `netcap-server` as programs, end to end: what a sensor reads is in the server's
//! files as a local netcap would have written it, whoever is started late, interrupted or killed.

mod captures;
mod chance;
mod commands;
mod datagrams;
mod hostile;
mod killed;
mod lab;
mod metrics;
#[cfg(feature = "nats")]
mod nats;
#[cfg(not(feature = "nats"))]
mod no_nats;
mod reliable;
mod rotation;
