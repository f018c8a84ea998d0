//! Certificates made for the tests.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use netcap_capture::pcap_over_ip::TlsOptions;

/// Two certification authorities, `ca` and `other`, and from each of them a certificate for
/// localhost and 127.0.0.1 called `server` and one called `sensor-7`, as files.
pub(crate) struct Certificates {
    folder: tempfile::TempDir,
}

impl Certificates {
    pub(crate) fn new() -> Certificates {
        use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
        let folder = tempfile::tempdir().expect("a folder");
        let write = |name: &str, text: String| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).expect("a file");
            let mode = std::fs::Permissions::from_mode(0o600);
            std::fs::set_permissions(&path, mode).expect("a mode");
        };
        for authority in ["ca", "other"] {
            let mut params = CertificateParams::new(Vec::new()).expect("parameters");
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            params
                .distinguished_name
                .push(DnType::CommonName, authority);
            let key = KeyPair::generate().expect("a key");
            let certificate = params.self_signed(&key).expect("a certificate");
            write(&format!("{authority}.pem"), certificate.pem());
            let issuer = Issuer::new(params, key);
            for name in ["server", "sensor-7"] {
                let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
                let mut params = CertificateParams::new(names).expect("parameters");
                params.distinguished_name.push(DnType::CommonName, name);
                let key = KeyPair::generate().expect("a key");
                let certificate = params.signed_by(&key, &issuer).expect("a certificate");
                write(&format!("{authority}-{name}.pem"), certificate.pem());
                write(&format!("{authority}-{name}.key"), key.serialize_pem());
            }
        }
        Certificates { folder }
    }

    pub(crate) fn path(&self, name: &str) -> Option<PathBuf> {
        Some(self.folder.path().join(name))
    }

    /// Options with this certificate and its key as ours.
    pub(crate) fn identity(&self, name: &str) -> TlsOptions {
        TlsOptions {
            cert: self.path(&format!("{name}.pem")),
            key: self.path(&format!("{name}.key")),
            ..TlsOptions::default()
        }
    }
}
