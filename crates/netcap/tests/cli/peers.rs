//! PCAP-over-IP peers as inputs: what comes from them, and what is said when it does not.

use std::io::Write;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Stdio;
use std::thread;
use std::time::Duration;

use netcap_capture::pcap_over_ip::{Listener, Pin, ServerTls, TlsOptions};

use crate::run::{capture, files_in, netcap, run, run_with_input};

/// What fixes the two things that differ from run to run.
const FIXED: &str = "-created 1600000000.000000 -source fixed -quiet";

/// A peer that sends a file to the first who connects.
fn serve(octets: Vec<u8>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let place = listener.local_addr().expect("an address");
    thread::spawn(move || {
        let (mut peer, _) = listener.accept().expect("a reader");
        // In pieces that end anywhere.
        for piece in octets.chunks(777) {
            if peer.write_all(piece).is_err() {
                return;
            }
        }
    });
    place
}

/// The same over TLS, and the pin of its certificate.
fn serve_tls(octets: Vec<u8>, folder: &Path) -> (SocketAddr, Pin) {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).expect("made");
    let (cert, key) = (folder.join("cert.pem"), folder.join("key.pem"));
    std::fs::write(&cert, made.cert.pem()).expect("written");
    std::fs::write(&key, made.signing_key.serialize_pem()).expect("written");
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).expect("set");
    let pin = Pin::of_file(&cert).expect("a pin");
    let options = TlsOptions {
        cert: Some(cert),
        key: Some(key),
        ..TlsOptions::default()
    };
    let tls = ServerTls::new(&options).expect("a server");
    let address = "tls-listen://:0".parse().expect("an address");
    let listener = Listener::bind(&address, Some(tls)).expect("a listener");
    let place = listener.local_addr();
    let patience = Duration::from_secs(20);
    thread::spawn(move || {
        let pending = listener
            .accept(patience)
            .expect("a reader")
            .expect("a reader");
        if let Ok(mut connection) = pending.handshake(patience) {
            connection.write_all(&octets).expect("written");
            connection.close().expect("closed");
        }
    });
    (place, pin)
}

#[test]
fn wherever_a_capture_comes_from_its_records_are_the_same() {
    for name in [
        "example.pcap",
        "mixed.pcap",
        "mixed.be.pcapng",
        "mixed.ns.pcap",
    ] {
        let file = capture(name);
        let octets = std::fs::read(&file).expect("a capture");
        let records = |args: &str| {
            let out = tempfile::tempdir().expect("a directory");
            let args = format!("{args} -out {} {FIXED}", out.path().display());
            let result = match args.starts_with("-r - ") {
                true => run_with_input(&args, &file),
                false => run(&args),
            };
            assert_eq!((result.0, result.2.as_str()), (0, ""), "{args}");
            files_in(out.path())
        };
        let expected = records(&format!("-r {}", file.display()));
        assert!(expected.len() > 3);
        assert!(records("-r - ") == expected, "{name}: standard input");

        let place = serve(octets.clone());
        assert!(
            records(&format!("-r tcp://{place} -once")) == expected,
            "{name}: TCP"
        );
        let place = serve(octets.clone());
        assert!(
            records(&format!("-iface TCP@{place} -once")) == expected,
            "{name}: TCP@"
        );
        let folder = tempfile::tempdir().expect("a directory");
        let (place, pin) = serve_tls(octets, folder.path());
        let args = format!("-r tls://{place} -once -pin {pin}");
        assert!(records(&args) == expected, "{name}: TLS");
    }
}

#[test]
fn the_header_names_the_addresses() {
    let octets = std::fs::read(capture("tcp.pcap")).expect("a capture");
    let address = format!("tcp://{}", serve(octets));
    let out = tempfile::tempdir().expect("a directory");
    let path = out.path().display();
    let (code, _, errors) = run(&format!("-r {address} -once -out {path}"));
    assert_eq!(code, 0, "{errors}");
    assert!(
        errors.contains("memory stays below") && errors.lines().count() == 1,
        "{errors}"
    );
    let (_, header, _) = run(&format!("-r {path}/TCP.ncap.gz -header"));
    assert!(header.contains(&address), "{header}");
}

#[test]
fn the_exit_code_says_what_is_wrong() {
    let out = tempfile::tempdir().expect("a directory");
    let path = out.path().display();
    let octets = std::fs::read(capture("tcp.pcap")).expect("a capture");
    let ends = |args: &str, code: i32, expected: &str| {
        let (seen, _, errors) = run(&format!("{args} -out {path} -overwrite -quiet"));
        assert_eq!(seen, code, "{args}: {errors}");
        assert!(
            errors.contains(expected) && errors.lines().count() == 1,
            "{errors}"
        );
    };
    let free = TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr());
    let free = free.expect("a port");
    ends(&format!("-r tcp://{free} -once"), 2, "cannot connect");
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let place = taken.local_addr().expect("an address");
    ends(&format!("-r listen://{place}"), 2, "cannot listen");
    let cut = serve(octets[..octets.len() - 1].to_vec());
    ends(&format!("-r tcp://{cut} -once"), 3, "truncated at octet");
    assert!(
        out.path().join("TCP.ncap.gz").exists(),
        "the good part is kept"
    );
    let web = serve(b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec());
    ends(&format!("-r tcp://{web} -once"), 3, "HTTP");
    let folder = tempfile::tempdir().expect("a directory");
    let (place, _) = serve_tls(octets, folder.path());
    let wrong = "0".repeat(64);
    ends(
        &format!("-r tls://{place} -once -pin {wrong}"),
        4,
        "another pin",
    );
}

#[test]
fn wrong_command_lines_are_answered_in_one_line() {
    let file = capture("tcp.pcap");
    let file = file.display();
    for (args, expected) in [
        (format!("-r tcp://h -r {file}"), "two runs"),
        (format!("-r {file} -iface tcp://h"), "two runs"),
        (format!("-r {file} -once"), "-once is for PCAP-over-IP"),
        ("-r tcp://h:99999".to_owned(), "'99999' is not a port"),
        ("-r http://h".to_owned(), "use tcp://"),
        ("-r tcp://h -table".to_owned(), "-table"),
        ("-r tcp://h -pin x".to_owned(), "not a pin"),
        ("-r tcp://h -insecure".to_owned(), "-insecure is for TLS"),
        ("-r tls://h -cert x".to_owned(), "-key"),
        ("-r tls://h -allow x".to_owned(), "-client-ca"),
    ] {
        let (code, output, errors) = run(&args);
        assert_eq!((code, output.as_str()), (1, ""), "{args}: {errors}");
        assert_eq!(errors.lines().count(), 1, "{errors}");
        assert!(errors.contains(expected), "{errors}");
    }
}

#[test]
fn sensors_connect_until_an_interrupt() {
    let out = tempfile::tempdir().expect("a directory");
    let free = TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr());
    let place = free.expect("a port");
    let args = format!(
        "-iface listen://{place} -out {} -quiet",
        out.path().display()
    );
    let mut child = netcap(args.split_whitespace())
        .stderr(Stdio::null())
        .spawn()
        .expect("netcap runs");
    let octets = std::fs::read(capture("tcp.pcap")).expect("a capture");
    for octets in [
        &octets[..],
        b"GET / HTTP/1.0\r\n\r\n",
        &octets[..40],
        &octets[..],
    ] {
        let peer = (0..100).find_map(|_| {
            thread::sleep(Duration::from_millis(50));
            TcpStream::connect(place).ok()
        });
        peer.expect("it listens").write_all(octets).expect("sent");
    }
    thread::sleep(Duration::from_millis(700));
    let killed = std::process::Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status();
    assert!(killed.expect("kill runs").success());
    assert_eq!(child.wait().expect("it ends").code(), Some(0));
    let records = |path: &Path| {
        run(&format!("-r {} -quiet", path.display()))
            .1
            .lines()
            .count()
    };
    let expected = tempfile::tempdir().expect("a directory");
    let args = format!(
        "-r {} -out {}",
        capture("tcp.pcap").display(),
        expected.path().display()
    );
    assert_eq!(run(&args).0, 0);
    let one = records(&expected.path().join("TCP.ncap.gz")) - 1;
    assert_eq!(records(&out.path().join("TCP.ncap.gz")) - 1, 2 * one);
}
