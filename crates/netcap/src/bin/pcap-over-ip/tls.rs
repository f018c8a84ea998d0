//! `tls`: certificates for peers to know us by, and the pins of others'.

use std::path::Path;
use std::time::Duration;

use netcap_capture::pcap_over_ip::{Address, ClientTls, Pin, TlsOptions, connect};
use netcap_shell::Failure;
use netcap_shell::certificate::Identity;
use netcap_shell::console::print;

use crate::PROGRAM;
use crate::flags::Tls;

/// How long who is asked for a certificate may take.
const TIMEOUT: Duration = Duration::from_secs(10);

pub(crate) fn run(command: &Tls) -> Result<(), Failure> {
    match command {
        Tls::Make {
            names,
            out,
            days,
            overwrite,
        } => make(names, out, *days, *overwrite),
        Tls::Pin { target } => print(&format!("{}\n", pin(target)?)),
    }
}

/// Makes a certificate that signs itself, and its key.
fn make(names: &[String], out: &Path, days: u32, overwrite: bool) -> Result<(), Failure> {
    let first = names.first().map_or("", String::as_str);
    let stem: String = first
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || ".-_".contains(c) {
                c
            } else {
                '_'
            }
        })
        .collect();
    let identity = Identity::make(names, out, &stem, days, overwrite)?;
    PROGRAM.note(format_args!(
        "{} and {} written; peers believe it by --pin, or by --ca {0}",
        identity.certificate.display(),
        identity.key.display()
    ));
    print(&format!("{}\n", identity.pin))
}

/// The pin of a certificate file, or of who answers at an address.
fn pin(target: &str) -> Result<Pin, Failure> {
    let path = Path::new(target);
    if path.exists() || !target.contains(':') {
        return Ok(Pin::of_file(path)?);
    }
    let address: Address = if Address::looks_like(target) {
        target.parse()?
    } else {
        format!("tls://{target}").parse()?
    };
    if !address.tls {
        return Err(Failure::Usage(format!(
            "{target}: without TLS there is no certificate; write tls://HOST:PORT"
        )));
    }
    let options = TlsOptions {
        insecure: true,
        ..TlsOptions::default()
    };
    let connection = connect(&address, Some(&ClientTls::new(&options)?), TIMEOUT)?;
    PROGRAM.note("whoever answered has this pin; compare it by another way before you believe it");
    connection
        .pin()
        .ok_or_else(|| Failure::Untrusted(format!("{target}: its certificate cannot be read")))
}
