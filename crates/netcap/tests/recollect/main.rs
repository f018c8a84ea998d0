//! `recollect` as its users have it: agents made of listeners, logs, what it prints and how it ends.

#![allow(clippy::unwrap_used)]

mod agents;
mod captures;
mod command_line;
mod extended;
mod flows;
mod lab;
mod logs;
mod multicast;
mod reference;
mod speaker;
mod top;
mod web;
