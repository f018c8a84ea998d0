//! TLS for PCAP-over-IP: who is believed, and by which certificate we are known.
//!
//! TLS 1.2 and 1.3 (RFC 5246, RFC 8446) through rustls; nothing older, and never plain TCP instead.
//! A pin is the SHA-256 of a certificate's SubjectPublicKeyInfo, as in RFC 7469 section 2.4.
//!
//! Guarantees: a server is verified unless that was explicitly given up: by a certification
//! authority (ours, or the system's) and the name or address connected to; or by its pin alone,
//! which suits certificates that nobody else signed; or, where both are given, by both. Keys appear
//! in no message.

use std::fmt;
use std::fs::File;
use std::io::BufReader;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::{Arc, PoisonError, RwLock};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use ring::digest::{SHA256, digest};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::crypto::{CryptoProvider, ring as provider};
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{NoServerSessionStorage, ParsedCertificate, WebPkiClientVerifier};
use rustls::version::{TLS12, TLS13};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, DistinguishedName, OtherError,
    RootCertStore, ServerConfig, SignatureScheme, SupportedProtocolVersion,
};
use x509_parser::extensions::{GeneralName, ParsedExtension};

use crate::access_of_others;

/// The versions that are spoken unless only the newest is asked for.
const ALL: &[&SupportedProtocolVersion] = &[&TLS13, &TLS12];

/// The longest name of a peer that is shown: host names have at most 253 octets (RFC 1035).
const MAX_NAME: usize = 253;

/// What the user wants of TLS.
#[derive(Clone, Debug, Default)]
pub struct TlsOptions {
    /// Certificates (PEM) of the authorities that servers are verified by; else the system's.
    pub ca: Option<PathBuf>,
    /// One of these must be the server's. Without `ca` a pin is enough, with it both must hold.
    pub pins: Vec<Pin>,
    /// The name the server's certificate must have, if it is not the one connected to.
    pub server_name: Option<String>,
    /// Our certificate and those between it and its authority (PEM): a listener needs one, a client
    /// if the server demands it.
    pub cert: Option<PathBuf>,
    /// The key of our certificate (PEM); a file that others can read is refused.
    pub key: Option<PathBuf>,
    /// Accept any certificate. Anyone on the path can then read and change what is sent.
    pub insecure: bool,
    /// As a listener, demand certificates of peers, signed by these authorities (PEM).
    pub client_ca: Option<PathBuf>,
    /// As a listener with `client_ca`, let in only certificates with one of these as common name,
    /// alternative name, pin, or hexadecimal SHA-256 of the certificate. Empty: all.
    pub allow: Vec<String>,
    /// Take an end of stream that TLS has not announced (close_notify) for a fault even between
    /// records. Several programs, ncat among them, never announce it.
    pub strict: bool,
}

/// Why TLS cannot be used as asked; the message is one line and names the remedy.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file of certificates or of a key is of no use.
    #[error("{}: {reason}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A key that is another certificate's.
    #[error("{} does not belong to {}", key.display(), cert.display())]
    Pair {
        /// The file of the key.
        key: PathBuf,
        /// The file of the certificate.
        cert: PathBuf,
    },
    /// Options that are missing, or contradict each other.
    #[error("TLS: {0}")]
    Options(String),
    /// A text is no pin.
    #[error("not a pin; use sha256/ and 44 characters of base64, or 64 hexadecimal digits")]
    NoPin,
}

/// The SHA-256 of a certificate's public key (its SubjectPublicKeyInfo).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Pin([u8; 32]);

impl Pin {
    /// The pin of a certificate given as DER; none if it is no certificate.
    pub fn of_certificate(der: &[u8]) -> Option<Pin> {
        let der = CertificateDer::from(der);
        let key = ParsedCertificate::try_from(&der)
            .ok()?
            .subject_public_key_info();
        Some(Pin(sha256(key.as_ref())))
    }

    /// The pin of the first certificate of a PEM file.
    pub fn of_file(path: &Path) -> Result<Pin, TlsError> {
        certificates(path)?
            .first()
            .and_then(|certificate| Pin::of_certificate(certificate))
            .ok_or_else(|| file_error(path, "its certificate cannot be read"))
    }
}

fn sha256(octets: &[u8]) -> [u8; 32] {
    let mut sum = [0; 32];
    sum.copy_from_slice(digest(&SHA256, octets).as_ref());
    sum
}

/// The 32 octets of 64 hexadecimal digits, with colons between pairs or without.
fn unhex(text: &str) -> Option<[u8; 32]> {
    let digits: Vec<u8> = text
        .bytes()
        .filter(|octet| *octet != b':')
        .map(|octet| char::from(octet).to_digit(16).map(|digit| digit as u8))
        .collect::<Option<_>>()?;
    let octets: Vec<u8> = digits
        .chunks(2)
        .map(|pair| pair[0] << 4 | pair[pair.len() - 1])
        .collect();
    (digits.len() == 64).then(|| octets.try_into().ok())?
}

/// `sha256/` and base64, or 64 hexadecimal digits.
impl FromStr for Pin {
    type Err = TlsError;

    fn from_str(text: &str) -> Result<Pin, TlsError> {
        let sum = match text.strip_prefix("sha256/") {
            Some(rest) => unhex(rest).or_else(|| BASE64.decode(rest).ok()?.try_into().ok()),
            None => unhex(text),
        };
        sum.map(Pin).ok_or(TlsError::NoPin)
    }
}

impl fmt::Display for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256/{}", BASE64.encode(self.0))
    }
}

impl fmt::Debug for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

fn file_error(path: &Path, reason: impl ToString) -> TlsError {
    TlsError::File {
        path: path.to_owned(),
        reason: reason.to_string(),
    }
}

fn pem_error(path: &Path, what: &str, error: pem::Error) -> TlsError {
    match error {
        pem::Error::Io(error) => file_error(path, format!("cannot read: {error}")),
        pem::Error::NoItemsFound => file_error(path, format!("holds no {what} in PEM form")),
        error => file_error(path, format!("is no PEM file: {error}")),
    }
}

/// All certificates of a PEM file, at least one.
fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let failed = |error| pem_error(path, "certificate", error);
    let certificates = CertificateDer::pem_file_iter(path)
        .map_err(failed)?
        .collect::<Result<Vec<_>, _>>()
        .map_err(failed)?;
    if certificates.is_empty() {
        return Err(failed(pem::Error::NoItemsFound));
    }
    Ok(certificates)
}

/// The key of a PEM file that [nobody else](access_of_others) can read.
fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    let failed = |error| pem_error(path, "private key", error);
    let file = File::open(path).map_err(|error| failed(pem::Error::Io(error)))?;
    // Of the file that was opened: the name may lead elsewhere a moment later.
    let metadata = file.metadata();
    let metadata = metadata.map_err(|error| failed(pem::Error::Io(error)))?;
    if let Some(mode) = access_of_others(&metadata).filter(|_| !metadata.is_dir()) {
        let error = format!(
            "others than its owner have access to this private key (mode {mode:03o}); chmod 600 it"
        );
        return Err(file_error(path, error));
    }
    PrivateKeyDer::from_pem_reader(BufReader::new(file)).map_err(failed)
}

/// The authorities of a PEM file.
fn authorities(path: &Path) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path)? {
        roots
            .add(certificate)
            .map_err(|error| file_error(path, error))?;
    }
    Ok(roots)
}

/// The authorities that the system trusts.
fn system_authorities() -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        return Err(TlsError::Options(
            "this system has no certification authorities; give one (ca) or the server's pin"
                .to_owned(),
        ));
    }
    Ok(roots)
}

/// Our own certificates and key, if they are given.
fn identity(
    options: &TlsOptions,
) -> Result<Option<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)>, TlsError> {
    match (&options.cert, &options.key) {
        (Some(cert), Some(key)) => Ok(Some((certificates(cert)?, private_key(key)?))),
        (None, None) => Ok(None),
        _ => Err(TlsError::Options(
            "a certificate (cert) and its key (key) go together; give both".to_owned(),
        )),
    }
}

/// The certificate and the key given are no pair, or cannot be used.
fn identity_error(options: &TlsOptions, error: &rustls::Error) -> TlsError {
    if let (rustls::Error::InconsistentKeys(_), Some(key), Some(cert)) =
        (error, &options.key, &options.cert)
    {
        return TlsError::Pair {
            key: key.clone(),
            cert: cert.clone(),
        };
    }
    file_error(
        options.key.as_deref().unwrap_or(Path::new("key")),
        format!("does not work with the certificate: {error}"),
    )
}

fn unusable(error: impl fmt::Display) -> TlsError {
    TlsError::Options(error.to_string())
}

/// TLS as a client.
pub struct ClientTls {
    pub(crate) config: Arc<ClientConfig>,
    server_name: Option<ServerName<'static>>,
    pin: Option<Pin>,
}

impl ClientTls {
    /// Reads the files that the options name.
    pub fn new(options: &TlsOptions) -> Result<Arc<ClientTls>, TlsError> {
        ClientTls::of(options, ALL)
    }

    /// As [`ClientTls::new`], but speaks TLS 1.3 only, and every connection has a handshake with both
    /// certificates: no session is resumed, and nothing is sent before the handshake is over.
    pub fn only_tls13(options: &TlsOptions) -> Result<Arc<ClientTls>, TlsError> {
        ClientTls::of(options, &[&TLS13])
    }

    fn of(
        options: &TlsOptions,
        versions: &[&'static SupportedProtocolVersion],
    ) -> Result<Arc<ClientTls>, TlsError> {
        let provider = Arc::new(provider::default_provider());
        if options.insecure && !(options.pins.is_empty() && options.ca.is_none()) {
            return Err(TlsError::Options(
                "'insecure' believes anybody, so a ca or a pin beside it means nothing; leave one \
                 of them out"
                    .to_owned(),
            ));
        }
        let by_pin_alone = !options.pins.is_empty() && options.ca.is_none();
        let authorities = if options.insecure || by_pin_alone {
            None
        } else {
            let roots = match &options.ca {
                Some(path) => authorities(path)?,
                None => system_authorities()?,
            };
            let verifier =
                WebPkiServerVerifier::builder_with_provider(roots.into(), Arc::clone(&provider));
            Some(verifier.build().map_err(unusable)?)
        };
        let verifier = Arc::new(Verifier {
            authorities,
            pins: options.pins.clone(),
            provider: Arc::clone(&provider),
        });
        let config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .map_err(unusable)?
            .dangerous()
            .with_custom_certificate_verifier(verifier);
        let mut pin = None;
        let mut config = match identity(options)? {
            Some((certificates, key)) => {
                pin = certificates
                    .first()
                    .and_then(|first| Pin::of_certificate(first));
                config
                    .with_client_auth_cert(certificates, key)
                    .map_err(|error| identity_error(options, &error))?
            }
            None => config.with_no_client_auth(),
        };
        if versions.len() == 1 {
            config.resumption = Resumption::disabled();
        }
        let server_name = options
            .server_name
            .as_deref()
            .map(server_name)
            .transpose()?;
        Ok(Arc::new(ClientTls {
            config: Arc::new(config),
            server_name,
            pin,
        }))
    }

    /// The pin of our own certificate, if we have one.
    pub fn pin(&self) -> Option<Pin> {
        self.pin
    }

    /// The name that the certificate of `host` must have.
    pub(crate) fn name_for(&self, host: &str) -> Result<ServerName<'static>, TlsError> {
        match &self.server_name {
            Some(name) => Ok(name.clone()),
            None => server_name(host),
        }
    }
}

impl fmt::Debug for ClientTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientTls")
    }
}

/// A name or an address as TLS has it; certificates know no zones.
fn server_name(host: &str) -> Result<ServerName<'static>, TlsError> {
    let (name, _zone) = host.split_once('%').unwrap_or((host, ""));
    ServerName::try_from(name.to_owned()).map_err(|_| {
        TlsError::Options(format!(
            "'{}' is no name a certificate can have; give it as server-name",
            host.escape_debug()
        ))
    })
}

/// Decides whether a server is believed.
#[derive(Debug)]
struct Verifier {
    /// None: no authority is asked, only the pins; and if there are none of these, anybody is
    /// believed.
    authorities: Option<Arc<WebPkiServerVerifier>>,
    pins: Vec<Pin>,
    provider: Arc<CryptoProvider>,
}

/// A server's certificate has none of the pins.
#[derive(Debug, thiserror::Error)]
#[error(
    "the peer's certificate has another pin, {0}; ask its owner whether that is right: somebody else may be answering"
)]
struct WrongPin(Pin);

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if let Some(authorities) = &self.authorities {
            authorities.verify_server_cert(
                end_entity,
                intermediates,
                server_name,
                ocsp_response,
                now,
            )?;
        }
        if !self.pins.is_empty() {
            let pin = Pin::of_certificate(end_entity).ok_or(CertificateError::BadEncoding)?;
            if !self.pins.contains(&pin) {
                let wrong = OtherError(Arc::new(WrongPin(pin)));
                return Err(CertificateError::Other(wrong).into());
            }
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, cert, dss, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, cert, dss, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}

/// Says of a peer's pin whether it is let in.
pub type Admit = Arc<dyn Fn(&Pin) -> bool + Send + Sync>;

/// Lets in peers by the pin of their certificate alone, as [`Admit`] says. No authority is asked, and
/// neither name nor validity of the certificate count: the pin decides. That the peer holds the key is
/// shown by its signature over the handshake (RFC 8446 section 4.4.3), which is verified.
struct ByPin {
    admit: Admit,
    provider: Arc<CryptoProvider>,
}

/// A peer's certificate is one that is not let in.
#[derive(Debug, thiserror::Error)]
#[error("the peer's key {0} is not enrolled here")]
struct NotAdmitted(Pin);

/// The pin of the certificate, if the error is that it was not let in.
pub(crate) fn not_admitted(error: &rustls::Error) -> Option<Pin> {
    match error {
        rustls::Error::InvalidCertificate(CertificateError::Other(error)) => error
            .0
            .downcast_ref::<NotAdmitted>()
            .map(|NotAdmitted(pin)| *pin),
        _ => None,
    }
}

impl fmt::Debug for ByPin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ByPin")
    }
}

impl ClientCertVerifier for ByPin {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        let pin = Pin::of_certificate(end_entity).ok_or(CertificateError::BadEncoding)?;
        if (self.admit)(&pin) {
            return Ok(ClientCertVerified::assertion());
        }
        Err(CertificateError::Other(OtherError(Arc::new(NotAdmitted(pin)))).into())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        // Only TLS 1.3 is offered beside this verifier.
        Err(CertificateError::BadSignature.into())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, cert, dss, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}

/// TLS as a server.
pub struct ServerTls {
    options: TlsOptions,
    by_pin: Option<Admit>,
    config: RwLock<Arc<ServerConfig>>,
}

impl ServerTls {
    /// Reads the files that the options name; a certificate with its key is needed.
    pub fn new(options: &TlsOptions) -> Result<Arc<ServerTls>, TlsError> {
        if options.client_ca.is_none() && !options.allow.is_empty() {
            return Err(TlsError::Options(
                "a list of allowed peers needs the authority that signs their certificates \
                 (client-ca)"
                    .to_owned(),
            ));
        }
        Ok(Arc::new(ServerTls {
            config: RwLock::new(server_config(options, None)?),
            options: options.clone(),
            by_pin: None,
        }))
    }

    /// TLS 1.3 only, and only for peers with a certificate whose pin `admit` lets in; it is asked at
    /// every handshake, as no session is resumed. Of the options, only `cert` and `key` count.
    pub fn by_pin(options: &TlsOptions, admit: Admit) -> Result<Arc<ServerTls>, TlsError> {
        Ok(Arc::new(ServerTls {
            config: RwLock::new(server_config(options, Some(&admit))?),
            options: options.clone(),
            by_pin: Some(admit),
        }))
    }

    /// Reads the files again, for the connections to come; if that fails all stays as it was.
    pub fn reload(&self) -> Result<(), TlsError> {
        let config = server_config(&self.options, self.by_pin.as_ref())?;
        *self.config.write().unwrap_or_else(PoisonError::into_inner) = config;
        Ok(())
    }

    pub(crate) fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.config.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The name by which a peer with this verified certificate is known, or why it is not let in.
    pub(crate) fn admit(&self, certificate: &CertificateDer<'_>) -> Result<String, String> {
        if self.by_pin.is_some() {
            // Nobody but the peer itself has signed the names in its certificate.
            let pin = Pin::of_certificate(certificate);
            return Ok(pin.map_or_else(String::new, |pin| pin.to_string()));
        }
        let names = names(certificate);
        let name = names
            .first()
            .map_or("a certificate without a name".to_owned(), Clone::clone);
        let allowed = |entry: &String| {
            names.contains(entry)
                || unhex(entry).is_some_and(|sum| sum == sha256(certificate))
                || entry
                    .parse()
                    .is_ok_and(|pin| Pin::of_certificate(certificate) == Some(pin))
        };
        if self.options.allow.is_empty() || self.options.allow.iter().any(allowed) {
            Ok(name)
        } else {
            Err(format!("{name} is not on the list of allowed peers"))
        }
    }
}

impl fmt::Debug for ServerTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ServerTls")
    }
}

fn server_config(
    options: &TlsOptions,
    by_pin: Option<&Admit>,
) -> Result<Arc<ServerConfig>, TlsError> {
    let Some((certificates, key)) = identity(options)? else {
        return Err(TlsError::Options(
            "a TLS listener needs a certificate (cert) and its key (key)".to_owned(),
        ));
    };
    let provider = Arc::new(provider::default_provider());
    let versions = if by_pin.is_some() { &ALL[..1] } else { ALL };
    let config = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(versions)
        .map_err(unusable)?;
    let config = match (&options.client_ca, by_pin) {
        (_, Some(admit)) => config.with_client_cert_verifier(Arc::new(ByPin {
            admit: Arc::clone(admit),
            provider,
        })),
        (Some(path), None) => {
            let roots = Arc::new(authorities(path)?);
            let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider);
            config.with_client_cert_verifier(verifier.build().map_err(unusable)?)
        }
        (None, None) => config.with_no_client_auth(),
    };
    let mut config = config
        .with_single_cert(certificates, key)
        .map_err(|error| identity_error(options, &error))?;
    if by_pin.is_some() {
        // A resumed session would not ask whether the peer is still let in.
        config.send_tls13_tickets = 0;
        config.session_storage = Arc::new(NoServerSessionStorage {});
    }
    Ok(Arc::new(config))
}

/// The names of a certificate, safe to show: its common name, then its alternative names.
fn names(certificate: &CertificateDer<'_>) -> Vec<String> {
    let Ok((_, certificate)) = x509_parser::parse_x509_certificate(certificate) else {
        return Vec::new();
    };
    let common = certificate
        .subject()
        .iter_common_name()
        .filter_map(|name| name.as_str().ok().map(shown));
    let alternative = certificate
        .extensions()
        .iter()
        .filter_map(|extension| match extension.parsed_extension() {
            ParsedExtension::SubjectAlternativeName(names) => Some(&names.general_names),
            _ => None,
        })
        .flatten()
        .filter_map(|name| match name {
            GeneralName::DNSName(name) | GeneralName::RFC822Name(name) | GeneralName::URI(name) => {
                Some(shown(name))
            }
            GeneralName::IPAddress(octets) => ip_address(octets).map(|ip| ip.to_string()),
            _ => None,
        });
    common
        .chain(alternative)
        .filter(|name| !name.is_empty())
        .collect()
}

fn ip_address(octets: &[u8]) -> Option<IpAddr> {
    match octets.len() {
        4 => Some(Ipv4Addr::from(<[u8; 4]>::try_from(octets).ok()?).into()),
        16 => Some(Ipv6Addr::from(<[u8; 16]>::try_from(octets).ok()?).into()),
        _ => None,
    }
}

/// A peer's text without control characters, and of bounded length.
fn shown(text: &str) -> String {
    text.chars()
        .take(MAX_NAME)
        .flat_map(char::escape_debug)
        .collect()
}

/// Whether the peer has refused our certificate.
pub(crate) fn is_not_known(error: &rustls::Error) -> bool {
    use rustls::AlertDescription as Alert;
    matches!(
        error,
        rustls::Error::AlertReceived(
            Alert::AccessDenied
                | Alert::BadCertificate
                | Alert::CertificateExpired
                | Alert::CertificateRevoked
                | Alert::CertificateUnknown
                | Alert::UnknownCA
        )
    )
}

/// What an error of TLS means to the user, in one line with the remedy.
pub(crate) fn explain(error: &rustls::Error) -> String {
    use rustls::AlertDescription as Alert;
    use rustls::Error::{AlertReceived, InvalidCertificate, InvalidMessage, PeerIncompatible};
    match error {
        InvalidMessage(_) => {
            "the peer does not speak TLS; if it is meant not to, use tcp:// or listen://".to_owned()
        }
        InvalidCertificate(CertificateError::UnknownIssuer) => {
            "no known authority has signed the peer's certificate; give the one that has (ca), or \
             the certificate's pin"
                .to_owned()
        }
        InvalidCertificate(CertificateError::Other(error)) => error.to_string(),
        InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        ) => format!("{error}; give the name it has (server-name) or its pin"),
        InvalidCertificate(_) => format!("{error}; mend the certificate, or give its pin"),
        AlertReceived(Alert::CertificateRequired | Alert::HandshakeFailure) => {
            format!("the peer refused ({error}); it may demand a certificate of ours (cert, key)")
        }
        error if is_not_known(error) => {
            "the peer refused our certificate; it must know it, or the authority that has \
             signed it"
                .to_owned()
        }
        AlertReceived(alert) => format!("the peer refused: {alert:?}"),
        PeerIncompatible(_) => format!("no common TLS version or cipher: {error}"),
        error => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pins_in_both_spellings() {
        let pin = Pin(sha256(b""));
        // The SHA-256 of nothing, FIPS 180-4 examples.
        let hex = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        let base64 = "sha256/47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
        assert_eq!(pin.to_string(), base64);
        let colons = hex
            .as_bytes()
            .chunks(2)
            .map(|pair| std::str::from_utf8(pair).expect("hex"));
        let colons = colons.collect::<Vec<_>>().join(":");
        for text in [hex, base64, &colons, &format!("sha256/{hex}")] {
            assert_eq!(text.parse::<Pin>().expect(text), pin);
        }
        for text in ["", "sha256/", &hex[1..], "sha256/47DEQ", "md5/x", "é"] {
            let message = text.parse::<Pin>().expect_err(text).to_string();
            assert!(message.contains("sha256/"), "{message}");
        }
    }

    #[test]
    fn options_that_do_not_go_together() {
        let options = TlsOptions::default;
        let some = || Some(PathBuf::from("absent.pem"));
        let cases = [
            (
                TlsOptions {
                    cert: some(),
                    insecure: true,
                    ..options()
                },
                "go together",
            ),
            (
                TlsOptions {
                    ca: some(),
                    insecure: true,
                    ..options()
                },
                "leave one",
            ),
            (
                TlsOptions {
                    ca: some(),
                    ..options()
                },
                "absent.pem: cannot read",
            ),
        ];
        for (options, expected) in cases {
            let message = ClientTls::new(&options).expect_err(expected).to_string();
            assert!(message.contains(expected), "{message}");
        }
        let allow = TlsOptions {
            allow: vec!["x".into()],
            ..options()
        };
        for (options, expected) in [(options(), "needs a certificate"), (allow, "client-ca")] {
            let message = ServerTls::new(&options).expect_err(expected).to_string();
            assert!(message.contains(expected), "{message}");
        }
    }
}
