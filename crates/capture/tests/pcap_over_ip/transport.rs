//! Connections to PCAP-over-IP peers: TCP and TLS in both roles, and who is believed.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use netcap_capture::pcap_over_ip::{
    Address, ClientTls, ConnectError, Connection, Listener, Pin, ServerTls, TlsOptions, connect,
};

use crate::certificates::Certificates;

const SHORT: Duration = Duration::from_secs(5);

type Outcome = Result<(String, Vec<u8>), ConnectError>;

/// A TLS server says `hello` and closes; what the client and the server saw.
fn meet(server: &TlsOptions, client: &TlsOptions) -> (Outcome, Result<String, ConnectError>) {
    let address: Address = "tls-listen://127.0.0.1:0".parse().expect("an address");
    let tls = ServerTls::new(server).expect("a server");
    let listener = Listener::bind(&address, Some(tls)).expect("a listener");
    let port = listener.local_addr().port();
    let serving = thread::spawn(move || {
        let pending = listener.accept(SHORT).expect("a peer").expect("a peer");
        let mut connection = pending.handshake(SHORT)?;
        connection.write_all(b"hello").expect("written");
        connection.close().expect("closed");
        Ok(connection.peer().to_owned())
    });
    let address: Address = format!("tls://127.0.0.1:{port}")
        .parse()
        .expect("an address");
    let outcome = ClientTls::new(client)
        .map_err(ConnectError::from)
        .and_then(|tls| connect(&address, Some(&tls), SHORT))
        .map(|mut connection: Connection| {
            let mut octets = Vec::new();
            let result = connection.read_to_end(&mut octets);
            let unclean = if connection.is_unclean() {
                "unclean"
            } else {
                "clean"
            };
            (
                result.map_or_else(|error| error.to_string(), |_| unclean.to_owned()),
                octets,
            )
        });
    (outcome, serving.join().expect("no panic"))
}

fn refusal(outcome: Outcome) -> String {
    let error = outcome.expect_err("a refusal");
    assert!(error.is_permanent() && error.is_tls(), "{error:?}");
    let message = error.to_string();
    assert!(!message.contains('\n'));
    message
}

#[test]
fn servers_are_believed_by_authority_or_pin() {
    let files = Certificates::new();
    let server = files.identity("ca-server");
    let pin = Pin::of_file(&files.path("ca-server.pem").expect("a path")).expect("a pin");
    let other = Pin::of_file(&files.path("other-server.pem").expect("a path")).expect("a pin");
    let options = TlsOptions::default;
    let good = [
        TlsOptions {
            ca: files.path("ca.pem"),
            ..options()
        },
        TlsOptions {
            ca: files.path("ca.pem"),
            pins: vec![other, pin],
            ..options()
        },
        TlsOptions {
            ca: files.path("ca.pem"),
            server_name: Some("localhost".into()),
            ..options()
        },
        TlsOptions {
            pins: vec![pin],
            ..options()
        },
        TlsOptions {
            insecure: true,
            ..options()
        },
    ];
    for client in good {
        let (outcome, _) = meet(&server, &client);
        assert_eq!(
            outcome.expect("trust"),
            ("clean".to_owned(), b"hello".to_vec())
        );
    }
    let shown = pin.to_string();
    let bad = [
        (
            TlsOptions {
                ca: files.path("other.pem"),
                ..options()
            },
            "no known authority",
        ),
        (
            TlsOptions {
                ca: files.path("other.pem"),
                pins: vec![pin],
                ..options()
            },
            "no known auth",
        ),
        (
            TlsOptions {
                ca: files.path("ca.pem"),
                pins: vec![other],
                ..options()
            },
            "another pin",
        ),
        (
            TlsOptions {
                pins: vec![other],
                ..options()
            },
            &shown,
        ),
        (
            TlsOptions {
                ca: files.path("ca.pem"),
                server_name: Some("x.org".into()),
                ..options()
            },
            "server-name",
        ),
    ];
    for (client, expected) in bad {
        let (outcome, seen) = meet(&server, &client);
        let message = refusal(outcome);
        assert!(message.contains(expected), "{message}");
        let seen = seen.expect_err("an alert").to_string();
        assert!(seen.contains("refused"), "{seen}");
    }
}

#[test]
fn clients_are_let_in_by_certificate() {
    let files = Certificates::new();
    let authority = TlsOptions {
        client_ca: files.path("ca.pem"),
        ..files.identity("ca-server")
    };
    let client = |name: &str| TlsOptions {
        insecure: true,
        ..files.identity(name)
    };

    let (outcome, seen) = meet(&authority, &client("ca-sensor-7"));
    assert_eq!(outcome.expect("trust").1, b"hello");
    assert_eq!(seen.expect("let in"), "sensor-7");

    for (client, expected) in [
        (client("other-sensor-7"), "no known authority"),
        (
            TlsOptions {
                insecure: true,
                ..TlsOptions::default()
            },
            "",
        ),
    ] {
        let (outcome, seen) = meet(&authority, &client);
        assert!(
            seen.expect_err("turned away")
                .to_string()
                .contains(expected)
        );
        // The client learns it when it reads.
        if let Ok((end, octets)) = outcome {
            assert!(octets.is_empty() && !end.starts_with("clean"), "{end}");
        }
    }

    let pin = Pin::of_file(&files.path("ca-sensor-7.pem").expect("a path")).expect("a pin");
    for (entry, good) in [
        ("sensor-7".to_owned(), true),
        ("localhost".to_owned(), true),
        (pin.to_string(), true),
        ("sensor-8".to_owned(), false),
    ] {
        let listed = TlsOptions {
            allow: vec![entry.clone()],
            ..authority.clone()
        };
        let (_, seen) = meet(&listed, &client("ca-sensor-7"));
        assert_eq!(seen.is_ok(), good, "{entry}: {seen:?}");
    }
}

#[test]
fn no_plain_tcp_where_tls_is_asked_for() {
    let peer = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = peer.local_addr().expect("an address").port();
    thread::spawn(move || {
        for stream in peer.incoming() {
            let _ = stream
                .expect("a peer")
                .write_all(&[0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0]);
        }
    });
    let address: Address = format!("tls://127.0.0.1:{port}")
        .parse()
        .expect("an address");
    let insecure = TlsOptions {
        insecure: true,
        ..TlsOptions::default()
    };
    let tls = ClientTls::new(&insecure).expect("a client");
    let error = connect(&address, Some(&tls), SHORT).expect_err("no TLS");
    assert!(error.to_string().contains("does not speak TLS"), "{error}");

    // A client that speaks plain TCP, and one that says nothing, to a TLS listener.
    let files = Certificates::new();
    let tls = ServerTls::new(&files.identity("ca-server")).expect("a server");
    let address: Address = "tls-listen://".parse().expect("an address");
    assert!(matches!(Listener::bind(&address, None), Err(error) if error.is_tls()));
    let address: Address = "tls-listen://:0".parse().expect("an address");
    let listener = Listener::bind(&address, Some(tls)).expect("a listener");
    let mut peer = TcpStream::connect(listener.local_addr()).expect("connected");
    peer.write_all(&[0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0])
        .expect("written");
    let pending = listener.accept(SHORT).expect("a peer").expect("a peer");
    let error = pending.handshake(SHORT).expect_err("no TLS");
    assert!(error.to_string().contains("does not speak TLS"), "{error}");

    let silent = TcpStream::connect(listener.local_addr()).expect("connected");
    let pending = listener.accept(SHORT).expect("a peer").expect("a peer");
    let begin = Instant::now();
    let error = pending
        .handshake(Duration::from_millis(200))
        .expect_err("silence");
    assert!(matches!(error, ConnectError::Handshake { .. }), "{error}");
    assert!(begin.elapsed() < SHORT);
    drop(silent);
}

#[test]
fn closing_resets_nothing_and_reading_keeps_time() {
    let address: Address = "listen://"
        .replace("//", "//:0")
        .parse()
        .expect("an address");
    let listener = Listener::bind(&address, None).expect("a listener");
    assert!(listener.accept(Duration::ZERO).expect("nobody").is_none());
    let mut peer = TcpStream::connect(listener.local_addr()).expect("connected");
    let pending = listener.accept(SHORT).expect("a peer").expect("a peer");
    let mut connection = pending.handshake(SHORT).expect("a connection");
    assert_eq!(
        connection.peer(),
        peer.local_addr().expect("an address").to_string()
    );
    assert_eq!(connection.drain(100).expect("nothing yet"), 0);

    connection
        .set_read_timeout(Some(Duration::from_millis(20)))
        .expect("set");
    assert!(connection.read(&mut [0; 9]).is_err());

    // What the peer says and nobody reads must not reset the connection under the last octets.
    peer.write_all(&[1; 10_000]).expect("written");
    connection.write_all(&[2; 50_000]).expect("written");
    let reading = thread::spawn(move || {
        let mut octets = Vec::new();
        peer.read_to_end(&mut octets).map(|_| octets.len())
    });
    connection.close().expect("closed");
    drop(connection);
    assert_eq!(reading.join().expect("no panic").expect("no reset"), 50_000);
}

#[test]
fn nobody_there() {
    let free = TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr());
    let port = free.expect("a port").port();
    let address: Address = format!("TCP@127.0.0.1:{port}").parse().expect("an address");
    let error = connect(&address, None, SHORT).expect_err("nobody");
    assert!(!error.is_permanent() && !error.is_tls());
    assert!(error.to_string().contains("cannot connect"), "{error}");

    let address: Address = "tcp://host.invalid".parse().expect("an address");
    let error = connect(&address, None, SHORT).expect_err("no host");
    assert!(
        error.to_string().contains("cannot find the host"),
        "{error}"
    );

    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("an address").port();
    let address: Address = format!("listen://:{port}").parse().expect("an address");
    let error = Listener::bind(&address, None).expect_err("taken");
    assert!(error.to_string().contains("choose a free port"), "{error}");
}
