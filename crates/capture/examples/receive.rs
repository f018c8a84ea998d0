//! Reads PCAP-over-IP peers and writes what comes as one pcapng file, an interface for each source.
//!
//! ```text
//! receive OUT ADDRESS... [NAME=VALUE...]
//! receive out.pcapng tcp://sensor:57012 listen://:57013 once=yes
//! ```
//!
//! Names: `once`, `insecure`, `arrival`, `decompress` (with any value), `ca`, `cert`, `key`,
//! `client-ca`, `server-name`, `pin`. Ends with 1 if asked wrongly, else with the code of the error.

use std::fs::File;
use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;

use netcap_capture::pcap_over_ip::{Address, Order, Reader, ReaderOptions};
use netcap_capture::{Batch, Source, pcapng_writer as pcapng};

type Failure = Box<dyn std::error::Error>;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match receive(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            let code = error.downcast_ref::<netcap_capture::Error>();
            ExitCode::from(code.map_or(1, netcap_capture::Error::exit_code))
        }
    }
}

fn receive(args: &[String]) -> Result<(), Failure> {
    let (out, args) = args.split_first().ok_or("receive OUT ADDRESS...")?;
    let mut addresses = Vec::new();
    let mut order = Order::Time;
    let mut options = ReaderOptions {
        notify: Some(Arc::new(|line| eprintln!("{line}"))),
        ..ReaderOptions::default()
    };
    let tls = &mut options.tls;
    for arg in args {
        match arg.split_once('=') {
            _ if Address::looks_like(arg) => addresses.push(arg.parse::<Address>()?),
            Some(("once", _)) => options.reconnect = false,
            Some(("decompress", _)) => options.decompress = true,
            Some(("arrival", _)) => order = Order::Arrival,
            Some(("insecure", _)) => tls.insecure = true,
            Some(("ca", file)) => tls.ca = Some(file.into()),
            Some(("cert", file)) => tls.cert = Some(file.into()),
            Some(("key", file)) => tls.key = Some(file.into()),
            Some(("client-ca", file)) => tls.client_ca = Some(file.into()),
            Some(("server-name", name)) => tls.server_name = Some(name.to_owned()),
            Some(("pin", pin)) => tls.pins.push(pin.parse()?),
            _ => return Err(format!("{arg}: neither an address nor NAME=VALUE").into()),
        }
    }
    let mut file = File::create(out)?;
    let mut reader = Reader::new(addresses, options, order)?;
    eprintln!(
        "{}: at most {} octets held",
        reader.name(),
        reader.ceiling()
    );

    let mut batch = Batch::new(1 << 20, 4096);
    let mut octets = Vec::new();
    pcapng::append_section(&mut octets, "receive");
    let mut interfaces = 0;
    let end = loop {
        let more = reader.fill(&mut batch);
        for info in reader.interfaces().iter().skip(interfaces) {
            pcapng::append_interface(&mut octets, &info.name(), info.link_type, info.snaplen);
            interfaces += 1;
        }
        for (packet, data) in batch.iter() {
            let (time, original_len) = (packet.timestamp, packet.original_len);
            pcapng::append_packet(&mut octets, packet.interface, time, original_len, data);
        }
        // At once, so that whoever ends this program has a whole file.
        file.write_all(&octets)?;
        octets.clear();
        match more {
            Ok(true) => {}
            Ok(false) => break Ok(()),
            Err(error) => break Err(error),
        }
    };
    for origin in reader.origins() {
        eprintln!(
            "{}: {} packets {:?}",
            origin.name, origin.packets, origin.events
        );
    }
    Ok(end?)
}
