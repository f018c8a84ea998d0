//! Certificates that sign themselves: peers know each other by their pins, and need no authority.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
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
        let path = without_extension(path);
        let Some(stem) = path.file_name().and_then(|name| name.to_str()) else {
            return Err(Failure::Usage(format!(
                "-identity {}: names no file; use a path as in `-identity sensor`",
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
/// command line that does so, but for `-identity`.
///
/// # Errors
///
/// One of them is not there, or may not be read.
pub fn files(path: &Path, maker: &str) -> Result<(PathBuf, PathBuf), Failure> {
    let path = without_extension(path);
    let file = |extension: &str, what: &str| {
        let mut file = path.as_os_str().to_owned();
        file.push(extension);
        let file = PathBuf::from(file);
        let error = match File::open(&file) {
            Ok(_) => return Ok(file),
            Err(error) => error,
        };
        let (shown, path) = (file.display(), path.display());
        Err(Failure::Environment(match error.kind() {
            ErrorKind::NotFound => {
                format!("-identity: {shown}: no such {what}; `{maker} -identity {path}` makes one")
            }
            ErrorKind::PermissionDenied => format!(
                "-identity: {shown}: this user may not read the {what}; run as its owner, or give it to \
                 this user with chown"
            ),
            _ => format!("-identity: {shown}: cannot read the {what}: {error}"),
        }))
    };
    Ok((file(".pem", "certificate")?, file(".key", "key")?))
}

/// The path as it is meant: who completes names gives `sensor.pem`.
fn without_extension(path: &Path) -> PathBuf {
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("pem" | "key") => path.with_extension(""),
        _ => path.to_owned(),
    }
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
    let failed = |error: io::Error| {
        Failure::Output(format!(
            "cannot write {}: {error}; choose a folder that you may write to",
            path.display()
        ))
    };
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
