//! `tls`: certificates for peers to know us by, and the pins of others'.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use netcap_capture::pcap_over_ip::{Address, ClientTls, Pin, TlsOptions, connect};
use netcap_shell::Failure;
use netcap_shell::console::print;
use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, KeyPair};

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
    let (certificate, key) = generate(names, days).map_err(|error| {
        Failure::Usage(format!(
            "cannot make a certificate for {}: {error}",
            names.join(" ")
        ))
    })?;
    let certificate_path = out.join(format!("{stem}.pem"));
    let key_path = out.join(format!("{stem}.key"));
    for path in [&certificate_path, &key_path] {
        if !overwrite && path.exists() {
            return Err(Failure::Output(format!(
                "{} is there already, and peers may know it; --overwrite replaces it",
                path.display()
            )));
        }
    }
    // The key first: a certificate without one is of no use, and nobody else may read it, ever.
    write(&key_path, &key, 0o600, overwrite)?;
    write(&certificate_path, &certificate, 0o644, overwrite)?;
    PROGRAM.note(format_args!(
        "{} and {} written; peers believe it by --pin, or by --ca {0}",
        certificate_path.display(),
        key_path.display()
    ));
    print(&format!("{}\n", Pin::of_file(&certificate_path)?))
}

/// The certificate and the key, both PEM.
fn generate(names: &[String], days: u32) -> Result<(String, String), rcgen::Error> {
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::new(names.to_vec())?;
    params.distinguished_name.remove(DnType::CommonName);
    if let Some(first) = names.first() {
        params
            .distinguished_name
            .push(DnType::CommonName, first.as_str());
    }
    params.extended_key_usages = vec![
        ExtendedKeyUsagePurpose::ServerAuth,
        ExtendedKeyUsagePurpose::ClientAuth,
    ];
    // An hour ago, as clocks differ.
    let now = time::OffsetDateTime::from(SystemTime::now());
    params.not_before = now - Duration::from_secs(3600);
    params.not_after = now + Duration::from_secs(u64::from(days) * 86_400);
    let certificate = params.self_signed(&key)?;
    Ok((certificate.pem(), key.serialize_pem()))
}

/// Writes a new file with that mode.
fn write(path: &PathBuf, text: &str, mode: u32, overwrite: bool) -> Result<(), Failure> {
    let failed = |error: std::io::Error| {
        Failure::Output(format!("cannot write {}: {error}", path.display()))
    };
    if overwrite && path.exists() {
        // A new file has the right mode from its beginning.
        std::fs::remove_file(path).map_err(failed)?;
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(path)
        .map_err(failed)?;
    file.write_all(text.as_bytes()).map_err(failed)
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
