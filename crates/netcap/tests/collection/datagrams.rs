//! The compatible mode: datagrams for whoever has the server's private key.

use std::fs;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;

use flate2::read::MultiGzDecoder;
use nix::sys::signal::Signal;

use crate::lab::{Lab, SENSOR, SERVER, capture, files_in, times};

#[test]
fn keys_are_made_once() {
    let lab = Lab::with_keys();
    let mode = fs::metadata(lab.path("priv.key"))
        .expect("a key")
        .permissions();
    assert_eq!(mode.mode() & 0o777, 0o600);
    let before = fs::read(lab.path("priv.key")).expect("a key");
    let (code, output, errors) = lab.run(SERVER, "-gen-keypair");
    assert_eq!((code, output.as_str()), (2, ""), "{errors}");
    assert!(errors.contains("priv.key: is there already"), "{errors}");
    assert_eq!(fs::read(lab.path("priv.key")).expect("a key"), before);
}

#[test]
fn records_of_two_sensors_and_of_two_servers() {
    let lab = Lab::with_keys();
    let sensors = [("left", "tls.pcap"), ("right", "example.pcap")];
    let expected = sensors.map(|(_, name)| lab.expected(&capture(name)));
    let mut address = String::new();
    for count in 1..=2 {
        let (server, local) = match count {
            1 => lab.serve("-privkey priv.key"),
            // As in 2019, where no key is named.
            _ => lab.serve_at(&address, ""),
        };
        address = local;
        for (name, file) in sensors {
            let file = capture(file);
            let args = format!("-pubkey pub.key -addr {address} -client {name}");
            let said = lab.send(&format!("{args} -r {}", file.display()));
            assert!(said.contains("UDP does not tell what arrived"), "{said}");
        }
        let said = server.stop();
        assert!(
            said.contains("event=\"ended\" connected=\"0\" sensors=\"2\" "),
            "{said}"
        );
        assert!(said.contains("refused=\"0\""), "{said}");
        for ((name, _), expected) in sensors.iter().zip(&expected) {
            lab.assert_received(name, &times(expected, count));
        }
    }
    assert!(lab.received("left").contains_key("TLSClientHello"));
    // The name of 2019 stands once in a file that was appended to.
    let file = fs::File::open(lab.path("records/left/TLSClientHello.ncap.gz")).expect("a file");
    let mut octets = Vec::new();
    MultiGzDecoder::new(file)
        .read_to_end(&mut octets)
        .expect("whole members");
    let version = b"netcap-server v";
    let headers = octets.windows(version.len()).filter(|at| at == version);
    assert_eq!(headers.count(), 1);
}

#[test]
fn names_are_no_paths() {
    let lab = Lab::with_keys();
    let (server, address) = lab.serve("");
    let before = files_in(&lab.path(""));
    let long = "x".repeat(300);
    let names = ["../../x", "a/b", "/etc/x", "..", long.as_str()];
    let file = capture("example.pcap");
    for name in names {
        let args = format!("-pubkey pub.key -addr {address} -client {name}");
        lab.send(&format!("{args} -r {}", file.display()));
    }
    // Without one it is the user's.
    lab.send(&format!(
        "-pubkey pub.key -addr {address} -r {}",
        file.display()
    ));
    let said = server.stop();
    assert!(
        said.contains("event=\"ended\" connected=\"0\" sensors=\"6\" "),
        "{said}"
    );
    assert_eq!(files_in(&lab.path("")), before);
    let expected = lab.expected(&file);
    let folders: Vec<_> = files_in(&lab.path("records"))
        .into_iter()
        .filter(|path| path.is_dir())
        .map(|path| {
            path.file_name()
                .expect("a name")
                .to_string_lossy()
                .into_owned()
        })
        .collect();
    for folder in &folders {
        lab.assert_received(folder, &expected);
    }
    let (long, short): (Vec<_>, Vec<_>) = folders.iter().partition(|name| name.len() > 100);
    assert_eq!(long.len(), 1);
    let expected = ["%2e.", "%2e.%2f..%2fx", "%2fetc%2fx", "a%2fb", "somebody"];
    assert_eq!(short, expected);
}

#[test]
fn what_cannot_be_stored_is_counted() {
    let lab = Lab::with_keys();
    let (mut server, address) = lab.serve("");
    fs::write(lab.path("records/alice"), "in the way").expect("written");
    let file = capture("example.pcap");
    let args = format!("-pubkey pub.key -addr {address} -client alice");
    lab.send(&format!("{args} -r {}", file.display()));
    server.line_with("not_stored");
    server.signal(Signal::SIGTERM);
    let (code, said) = server.end();
    assert_eq!(code, 2, "{said}");
    let ended = said.lines().find(|line| line.contains("event=\"ended\""));
    let count = |name: &str| {
        let (_, rest) = ended?.split_once(&format!(" {name}=\""))?;
        rest.split('"').next()?.parse::<u64>().ok()
    };
    assert!(count("not_stored") > Some(0), "{said}");
    assert_eq!(count("not_stored"), count("refused"), "{said}");
    assert!(said.contains("could not be stored"), "{said}");
}

#[test]
fn the_name_of_an_enrolled_sensor_is_not_for_datagrams() {
    let (lab, _) = Lab::with_identity();
    let (code, _, errors) = lab.run(SERVER, "-gen-keypair");
    assert_eq!(code, 0, "{errors}");
    lab.enrolled("lab-7");
    let (server, address) = lab.serve("-reliable -privkey priv.key");
    let file = capture("example.pcap");
    for name in ["lab-7", "other"] {
        let args = format!("-pubkey pub.key -addr {address} -client {name}");
        lab.send(&format!("{args} -r {}", file.display()));
    }
    let said = server.stop();
    assert!(said.contains("reason=\"enrolled_name\""), "{said}");
    assert!(!lab.path("records/lab-7").exists());
    lab.assert_received("other", &lab.expected(&file));
}

#[test]
fn keys_that_cannot_be_used() {
    let lab = Lab::with_keys();
    let file = capture("example.pcap");
    let one_line = |program, args: &str, expected: i32, words: &str| {
        let (code, output, errors) = lab.run(program, args);
        assert_eq!((code, output.as_str()), (expected, ""), "{errors}");
        assert_eq!(errors.lines().count(), 1, "{errors}");
        assert!(errors.contains(words), "{errors}");
    };
    let sensor = format!("-addr 127.0.0.1:9 -r {}", file.display());
    one_line(SENSOR, &sensor, 1, "-pubkey");
    fs::write(lab.path("short.key"), "5a5a").expect("written");
    let wrong = format!("-pubkey short.key {sensor}");
    one_line(SENSOR, &wrong, 2, "short.key: is no key");
    let missing = format!("-pubkey none.key {sensor}");
    one_line(SENSOR, &missing, 2, "none.key");
    let private = format!("-pubkey priv.key {sensor}");
    one_line(SENSOR, &private, 2, "priv.key: is the private key");
    let public = "-privkey pub.key -addr 127.0.0.1:0 -out records";
    one_line(SERVER, public, 2, "pub.key: is the public key");
    let key = lab.path("priv.key");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).expect("a mode");
    let server = "-addr 127.0.0.1:0 -out records";
    one_line(SERVER, server, 2, "chmod 600 priv.key");
    fs::remove_file(&key).expect("removed");
    one_line(SERVER, server, 2, "netcap-server -gen-keypair");
    let named = format!("{server} -privkey none.key");
    one_line(SERVER, &named, 2, "none.key");
    assert!(!lab.path("records").exists());
}
