//! PCAP-over-IP against peers on loopback sockets that do as they are told, and as they should not.

mod certificates;
mod peer;
mod property;
mod reader;
mod transport;
