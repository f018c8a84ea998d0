//! An outlet of one's own: records over a socket, as they come.
//!
//!     nc -l 4000 > records.bin &
//!     cargo run --example send -- traffic.pcap 127.0.0.1:4000
//!
//! What is sent are blocks of records of one type: the number of the type and the octets that follow,
//! four octets each, big-endian; then records as in `.ncap` files, each with its length before it.
//! Blocks are compressed by the workers, and sent in order.

#![expect(clippy::print_stdout, reason = "examples print")]

use std::collections::BTreeMap;
use std::io::Write;
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

use netcap::capture::open;
use netcap::dissect::Selection;
use netcap::pipeline::{Config, Delivery, Encoding, Error, Frames, Outlet, Workers, registry, run};

/// A block on its way: its number, the type of its records, and these.
type Block = (u64, u16, Vec<u8>);

/// Sends blocks to whoever listens.
struct Socket {
    stream: TcpStream,
    /// Blocks given to the workers, and sent.
    given: u64,
    sent: u64,
    /// Blocks that are compressed before their turn.
    early: BTreeMap<u64, Block>,
    compressed: (Sender<Block>, Receiver<Block>),
}

impl Outlet for Socket {
    fn encoding(&self) -> Arc<dyn Encoding> {
        Arc::new(Frames)
    }

    fn take(
        &mut self,
        delivery: &mut Delivery<'_>,
        workers: &mut Workers<'_>,
    ) -> Result<(), Error> {
        let types = delivery.registry.selected();
        for (schema, chunk) in types.iter().zip(delivery.chunks.iter_mut()) {
            if chunk.is_empty() {
                continue;
            }
            let records = std::mem::take(&mut chunk.octets);
            let (number, kind) = (self.given, schema.number.unwrap_or_default());
            let compressed = self.compressed.0.clone();
            self.given += 1;
            workers.give(Box::new(move |tools| {
                let block = (number, kind, tools.gzip.member(&records));
                // Nobody waits for it only if the run has failed.
                let _ = compressed.send(block);
            }));
        }
        Ok(())
    }

    fn task_ended(&mut self, _workers: &mut Workers<'_>) -> Result<(), Error> {
        while let Ok(block) = self.compressed.1.try_recv() {
            self.early.insert(block.0, block);
        }
        while let Some((_, kind, octets)) = self.early.remove(&self.sent) {
            self.sent += 1;
            self.stream.write_all(&u32::from(kind).to_be_bytes())?;
            self.stream
                .write_all(&(octets.len() as u32).to_be_bytes())?;
            self.stream.write_all(&octets)?;
        }
        Ok(())
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(path), Some(peer)) = (arguments.next(), arguments.next()) else {
        return Err("name a capture and an address, as in 127.0.0.1:4000".into());
    };
    let registry = registry(&Selection::default())?;
    let mut socket = Socket {
        stream: TcpStream::connect(peer)?,
        given: 0,
        sent: 0,
        early: BTreeMap::new(),
        compressed: channel(),
    };
    let config = Config {
        workers: 2,
        ..Config::default()
    };
    let source = open(path.as_ref())?;
    let report = run(
        source,
        &registry,
        &config,
        &mut socket,
        &Arc::default(),
        &mut |_| {},
    )?;
    println!(
        "{} records in {} blocks",
        report.ledger.records, socket.sent
    );
    Ok(())
}
