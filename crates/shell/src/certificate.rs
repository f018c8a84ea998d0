//! Certificates that sign themselves: peers know each other by their pins, and need no authority.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use netcap_capture::pcap_over_ip::Pin;
use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, KeyPair};

use crate::Failure;

/// A certificate and its key, as files.
#[derive(Debug)]
pub struct Identity {
    /// The certificate (PEM).
    pub certificate: PathBuf,
    /// Its key (PEM), which nobody else may read.
    pub key: PathBuf,
    /// What peers know it by.
    pub pin: Pin,
}

/// Days that a certificate is good for whose pin is believed whatever its age.
const DAYS: u32 = 3650;

impl Identity {
    /// Makes `PATH.pem` and `PATH.key` for a program whose peers believe the pin.
    ///
    /// # Errors
    ///
    /// A path that names no file, and those of [`Identity::make`].
    pub fn make_at(path: &Path, program: &str) -> Result<Identity, Failure> {
        let Some(stem) = path.file_name().and_then(|name| name.to_str()) else {
            return Err(Failure::Usage(format!(
                "-identity {}: names no file; use a path without extension, as in `-identity sensor`",
                path.display()
            )));
        };
        let directory = path.parent().unwrap_or(Path::new(""));
        Identity::make(&[program.to_owned()], directory, stem, DAYS, false)
    }

    /// Makes `STEM.pem` and `STEM.key` in a directory, good for so many days, for a server as for a
    /// client.
    ///
    /// # Errors
    ///
    /// A name that no certificate can have, or files that are there already or cannot be written.
    pub fn make(
        names: &[String],
        directory: &Path,
        stem: &str,
        days: u32,
        overwrite: bool,
    ) -> Result<Identity, Failure> {
        let (certificate, key) = generate(names, days).map_err(|error| {
            Failure::Usage(format!(
                "cannot make a certificate for {}: {error}",
                names.join(" ")
            ))
        })?;
        let certificate_path = directory.join(format!("{stem}.pem"));
        let key_path = directory.join(format!("{stem}.key"));
        for path in [&certificate_path, &key_path] {
            if !overwrite && path.exists() {
                return Err(Failure::Output(format!(
                    "{} is there already, and peers may know it; move it away first",
                    path.display()
                )));
            }
        }
        // The key first: a certificate without one is of no use, and nobody else may read it, ever.
        write(&key_path, &key, 0o600, overwrite)?;
        write(&certificate_path, &certificate, 0o644, overwrite)?;
        Ok(Identity {
            pin: Pin::of_file(&certificate_path)?,
            certificate: certificate_path,
            key: key_path,
        })
    }
}

/// The certificate and the key that [`Identity::make_at`] makes, `PATH.pem` and `PATH.key`; `maker` is the
/// command line that does so.
///
/// # Errors
///
/// There is no such certificate.
pub fn files(path: &Path, maker: &str) -> Result<(PathBuf, PathBuf), Failure> {
    let file = |extension: &str| {
        let mut path = path.as_os_str().to_owned();
        path.push(extension);
        PathBuf::from(path)
    };
    let certificate = file(".pem");
    if !certificate.exists() {
        return Err(Failure::Usage(format!(
            "{}: no such certificate; `{maker}` makes one",
            certificate.display()
        )));
    }
    Ok((certificate, file(".key")))
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
fn write(path: &Path, text: &str, mode: u32, overwrite: bool) -> Result<(), Failure> {
    let failed =
        |error: io::Error| Failure::Output(format!("cannot write {}: {error}", path.display()));
    if overwrite && path.exists() {
        // A new file has the right mode from its beginning.
        fs::remove_file(path).map_err(failed)?;
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(path)
        .map_err(failed)?;
    file.write_all(text.as_bytes()).map_err(failed)
}
