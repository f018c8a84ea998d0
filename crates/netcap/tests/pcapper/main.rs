//! `pcapper` as a program, end to end: captures that are made here in, records and logs out; collectors of
//! every kind; interfaces in network namespaces, where these may be made. What is absent is skipped, and
//! said.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used)]

mod captures;
mod collectors;
mod documents;
mod extended;
mod lab;
mod live;
mod log;
#[path = "../live/lab.rs"]
#[allow(dead_code)]
mod namespace;
