//! An agent of the extended stream, made of a listener of the test.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use netcap_agent::extended::{
    Agent, Counters, Direction, GREETING, Interface, Message, MgenNote, PacketNote, Status,
};
use netcap_capture::pcap_over_ip::{Address, Connection, Listener, Pin, ServerTls, TlsOptions};

use crate::lab::PATIENCE;

/// A second of the packets here, in nanoseconds.
pub(crate) const SECOND: i64 = 1_000_000_000;
/// When they begin.
pub(crate) const BEGIN: i64 = 1_700_000_000 * SECOND;

/// An agent that waits for its collector.
pub(crate) struct Waiting {
    listener: Listener,
    label: String,
    words: &'static str,
}

impl Waiting {
    pub(crate) fn new(label: &str) -> Waiting {
        Waiting::at("listen://127.0.0.1:0", label, None, " extended")
    }

    /// With TLS as these options say.
    pub(crate) fn with_tls(label: &str, options: &TlsOptions) -> Waiting {
        let tls = ServerTls::new(options).unwrap();
        Waiting::at(
            "tls-listen://127.0.0.1:0",
            label,
            Some(tls),
            " extended tls",
        )
    }

    fn at(address: &str, label: &str, tls: Option<Arc<ServerTls>>, words: &'static str) -> Waiting {
        let address: Address = address.parse().unwrap();
        Waiting {
            listener: Listener::bind(&address, tls).unwrap(),
            label: label.to_owned(),
            words,
        }
    }

    /// Its line of a configuration.
    pub(crate) fn line(&self) -> String {
        format!("{}\n", self.line_with(self.words))
    }

    /// The same with these words behind the address.
    pub(crate) fn line_with(&self, words: &str) -> String {
        format!("{}:{}{words}", self.label, self.listener.local_addr())
    }

    /// The next connection, before a word is said.
    pub(crate) fn connection(&self) -> Result<Connection, String> {
        loop {
            if let Some(pending) = self.listener.accept(PATIENCE).unwrap() {
                return pending
                    .handshake(PATIENCE)
                    .map_err(|error| error.to_string());
            }
        }
    }

    /// The next collector, greeted by it.
    pub(crate) fn greeted(&self) -> Speaker {
        let mut connection = self.connection().unwrap();
        let mut greeting = [0; GREETING.len()];
        connection.read_exact(&mut greeting).unwrap();
        assert_eq!(&greeting, GREETING);
        Speaker(connection)
    }

    /// The next collector, which is told who this is.
    pub(crate) fn known(&self, who: &Agent) -> Speaker {
        let mut speaker = self.greeted();
        speaker.say([Message::Agent(who.clone())]);
        speaker
    }
}

/// An agent with its collector.
pub(crate) struct Speaker(pub(crate) Connection);

impl Speaker {
    pub(crate) fn say(&mut self, messages: impl IntoIterator<Item = Message>) {
        let mut octets = Vec::new();
        for message in messages {
            message.write(&mut octets);
        }
        self.0.write_all(&octets).unwrap();
    }
}

pub(crate) fn who(instance: u64, mode: &str, address: [u8; 4]) -> Agent {
    Agent {
        instance,
        host: "host".to_owned(),
        mode: mode.to_owned(),
        interfaces: vec![Interface {
            name: "eth\u{1b}0".to_owned(),
            mac: None,
            mtu: 1500,
            addresses: vec![address.into()],
        }],
        ports: vec![7073],
    }
}

/// A datagram of MGEN of this number, sent that many microseconds after the begin.
pub(crate) fn note(number: u32) -> PacketNote {
    PacketNote {
        time: BEGIN + 1000 * i64::from(number),
        interface: 0,
        direction: Direction::Sent,
        source: [10, 0, 0, 1].into(),
        destination: [10, 0, 0, 2].into(),
        protocol: 17,
        hops_left: 64,
        traffic_class: 0,
        length: 100,
        wire_length: 114,
        is_uncut: false,
        identification: number,
        fragment: None,
        ports: Some((4000, 2000)),
        vlans: Vec::new(),
        digest: Some(u64::from(number)),
        mgen: Some(MgenNote {
            flow_id: 7,
            sequence: number,
            is_certain: true,
        }),
    }
}

pub(crate) fn status(time: i64, next: u64, dropped: u64) -> Message {
    Message::Status(Status {
        time,
        next,
        machine: None,
        interfaces: vec![Counters {
            dropped,
            ..Counters::default()
        }],
    })
}

/// An authority `ca`, and from it certificates for 127.0.0.1 called `agent` and `collector`, as files in a
/// folder.
pub(crate) struct Certificates(tempfile::TempDir);

impl Certificates {
    pub(crate) fn new() -> Certificates {
        use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: String| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        };
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "ca");
        let key = KeyPair::generate().unwrap();
        write("ca.pem", params.self_signed(&key).unwrap().pem());
        let issuer = Issuer::new(params, key);
        for name in ["agent", "collector"] {
            let mut params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
            params.distinguished_name.push(DnType::CommonName, name);
            let key = KeyPair::generate().unwrap();
            let certificate = params.signed_by(&key, &issuer).unwrap();
            write(&format!("{name}.pem"), certificate.pem());
            write(&format!("{name}.key"), key.serialize_pem());
        }
        Certificates(folder)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn text(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    pub(crate) fn pin(&self, name: &str) -> Pin {
        Pin::of_file(Path::new(&self.path(name))).unwrap()
    }

    /// What an agent listens with.
    pub(crate) fn agent(&self) -> TlsOptions {
        TlsOptions {
            cert: Some(self.path("agent.pem")),
            key: Some(self.path("agent.key")),
            ..TlsOptions::default()
        }
    }
}
