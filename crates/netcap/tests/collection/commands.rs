//! The commands of the manual, as they stand there but for addresses.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::lab::{Lab, SENSOR, SERVER, capture};

/// A pin, of nobody.
const PIN: &str = "sha256/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";

/// A program says in one line why it does nothing.
fn assert_refused(lab: &Lab, program: &str, args: &str, expected: i32, words: &str) {
    let (code, output, errors) = lab.run(program, args);
    assert_eq!((code, output.as_str()), (expected, ""), "{args}: {errors}");
    assert_eq!(errors.lines().count(), 1, "{args}: {errors}");
    assert!(errors.contains(words), "{args}: {errors}");
    assert!(
        !errors.contains("TLS: ") && !errors.contains("lists all"),
        "{errors}"
    );
}

#[test]
fn three_commands_for_datagrams() {
    let lab = Lab::new();
    let (code, output, errors) = lab.run(SERVER, "-gen-keypair");
    assert_eq!((code, output.as_str()), (0, "wrote keys\n"), "{errors}");
    let (server, address) = lab.serve("-privkey priv.key");
    let file = capture("example.pcap");
    let read = format!("-r {}", file.display());
    lab.send(&format!("-pubkey pub.key -addr {address} {read}"));
    server.stop();
    lab.assert_received("somebody", &lab.expected(&file));
}

#[test]
fn commands_of_the_reliable_mode() {
    let lab = Lab::new();
    let (code, output, errors) = lab.run(SERVER, "-reliable -gen-keypair");
    assert_eq!(code, 0, "{errors}");
    let pin = output.trim_end().to_owned();
    assert!(pin.starts_with("sha256/"), "{pin}");
    assert!(
        errors.contains("wrote server.pem and server.key"),
        "{errors}"
    );
    let (code, output, errors) = lab.run(SENSOR, "-gen-keypair");
    assert_eq!(code, 0, "{errors}");
    assert!(errors.contains("-enroll NAME -pin sha256/"), "{errors}");
    lab.enrol("lab-7", output.trim_end());
    let (server, address) = lab.serve("-reliable");
    let file = capture("example.pcap");
    let read = format!("-r {}", file.display());
    lab.send(&format!(
        "-reliable -server-pin {pin} -addr {address} {read}"
    ));
    server.stop();
    lab.assert_received("lab-7", &lab.expected(&file));
}

#[test]
fn flags_without_effect_are_refused() {
    let lab = Lab::new();
    let sensor = |args: &str, words: &str| assert_refused(&lab, SENSOR, args, 1, words);
    sensor(
        "-spool x",
        "-spool needs -reliable; by datagrams nothing is kept",
    );
    sensor("-spool-size 1GB", "-spool-size needs -reliable");
    sensor("-queue 1MB", "-queue needs -reliable or -nats");
    sensor("-stream x", "-stream needs -reliable or -nats");
    sensor("-identity x", "-identity needs -reliable");
    sensor(&format!("-server-pin {PIN}"), "-server-pin needs -reliable");
    sensor("-reliable -spool-size 1GB", "-spool-size needs -spool");
    sensor(
        "-reliable -pubkey x",
        "-pubkey is for datagrams; leave it out with -reliable",
    );
    sensor(
        "-reliable -rate 1",
        "-rate is for datagrams; leave it out with -reliable",
    );
    sensor("-reliable -max 500", "-max is for datagrams");
    sensor("-reliable -client x", "enrolled under; leave it out");
    sensor("-nats nats://h -rate 1", "leave it out with -nats");
    sensor(
        "-nats nats://h -spool x",
        "-spool needs -reliable; leave it out with -nats",
    );
    sensor("-nats nats://h -addr h:1", "-addr has no effect with -nats");
    sensor(
        "-gen-keypair -addr h:1",
        "-addr has no effect with -gen-keypair",
    );
    let server = |args: &str, words: &str| assert_refused(&lab, SERVER, args, 1, words);
    server("-identity x", "-identity needs -reliable");
    server("-sensors x", "-sensors needs -reliable");
    server("-reliable -workers 2", "-workers is for datagrams");
    server(
        "-nats nats://h -privkey x",
        "-privkey has no effect with -nats",
    );
    server(
        "-gen-keypair -out x",
        "-out has no effect with -gen-keypair",
    );
    server(
        "-gen-keypair -privkey x",
        "-privkey has no effect with -gen-keypair",
    );
    server(
        "-gen-keypair -identity x",
        "with -reliable, or leave -identity out",
    );
    server(&format!("-pin {PIN}"), "-enroll NAME, or -revoke");
    server("-enroll a", "-enroll needs -pin");
    server("-revoke", "-revoke needs -pin");
    server("-list -revoke-sensor a", "cannot be had in one run");
    server("-list -out x", "-out has no effect with -list");
    assert_eq!(fs::read_dir(lab.path(".")).expect("a folder").count(), 0);
}

#[test]
fn addresses_have_a_host_and_a_port() {
    let lab = Lab::with_keys();
    let file = capture("example.pcap");
    let read = format!("-pubkey pub.key -r {}", file.display());
    let reliable = format!("-reliable -server-pin {PIN} -r {}", file.display());
    for args in [&read, &reliable] {
        for address in ["collector.example", ":1335", "collector.example:"] {
            let args = format!("{args} -addr {address}");
            let words = "use a host and a port, as in collector.example:1335";
            assert_refused(&lab, SENSOR, &args, 1, words);
        }
        let args = format!("{args} -addr nobody.invalid:1335");
        assert_refused(
            &lab,
            SENSOR,
            &args,
            2,
            "-addr nobody.invalid:1335: cannot find the host",
        );
    }
    for address in [":1335", "*:1335"] {
        for mode in ["", "-reliable"] {
            let args = format!("-addr {address} {mode}");
            assert_refused(
                &lab,
                SERVER,
                &args,
                1,
                "for all addresses use 0.0.0.0:1335 or [::]:1335",
            );
        }
    }
    assert_refused(
        &lab,
        SERVER,
        "-addr nobody.invalid:1",
        2,
        "cannot find the host",
    );
    assert_refused(
        &lab,
        SERVER,
        "-addr 192.0.2.1:1335",
        2,
        "an address of this machine",
    );
    // The address of the metrics is looked at before anything waits.
    let metrics = "-addr 127.0.0.1:0 -metrics 192.0.2.1:9100";
    assert_refused(&lab, SERVER, metrics, 2, "-metrics 192.0.2.1:9100");
}

#[test]
fn values_that_are_none_are_named_with_their_flag() {
    let lab = Lab::new();
    assert_refused(
        &lab,
        SENSOR,
        "-reliable -server-pin abc",
        1,
        "-server-pin abc: not a pin; use",
    );
    assert_refused(
        &lab,
        SERVER,
        "-enroll a -pin abc",
        1,
        "-pin abc: not a pin; use",
    );
    assert_refused(
        &lab,
        SENSOR,
        "-reliable -queue 0",
        1,
        "-queue 0: a size has",
    );
    let both = format!("-reliable -server-pin {PIN},abc");
    assert_refused(&lab, SENSOR, &both, 1, "-server-pin abc: not a pin");
}

#[test]
fn files_that_cannot_be_used_are_named_with_their_flag() {
    let lab = Lab::with_keys();
    let file = capture("example.pcap");
    let read = format!("-addr 127.0.0.1:9 -r {}", file.display());
    let refused =
        |program: &str, args: &str, words: &str| assert_refused(&lab, program, args, 2, words);
    refused(
        SENSOR,
        &format!("-pubkey nope.key {read}"),
        "-pubkey: nope.key: no such key",
    );
    refused(
        SERVER,
        "-privkey nope.key",
        "-privkey: nope.key: no such key",
    );
    let identity = format!("-reliable -server-pin {PIN} -identity nope {read}");
    refused(
        SENSOR,
        &identity,
        "`netcap-sensor -gen-keypair -identity nope` makes one",
    );
    refused(
        SERVER,
        "-reliable -identity nope",
        "-reliable -gen-keypair -identity nope` makes one",
    );
    fs::write(lab.path("file"), "").expect("written");
    refused(
        SERVER,
        "-addr 127.0.0.1:0 -out file",
        "-out file: it is no directory; name a directory",
    );
    lab.identity("sensor");
    let spool = format!("-reliable -server-pin {PIN} -spool file {read}");
    refused(SENSOR, &spool, "-spool file: it is no directory");
    // A key and its certificate are one identity, by whichever name.
    fs::set_permissions(lab.path("sensor.key"), fs::Permissions::from_mode(0o644)).expect("a mode");
    let identity = format!("-reliable -server-pin {PIN} -identity sensor.pem {read}");
    refused(SENSOR, &identity, "chmod 600");
    fs::remove_file(lab.path("sensor.key")).expect("removed");
    refused(SENSOR, &identity, "sensor.key: no such key");
}

#[test]
fn sensors_are_enrolled_listed_and_revoked() {
    let lab = Lab::new();
    let pins = ["a", "b", "c"].map(|name| lab.identity(name));
    let says = |args: &str, words: &str| {
        let (code, output, errors) = lab.run(SERVER, args);
        assert_eq!(code, 0, "{errors}");
        assert!(errors.contains(words), "{errors}");
        output
    };
    let enrol = |name: &str, place: usize| format!("-enroll {name} -pin {}", pins[place]);
    says("-list", "no sensor is enrolled in sensors");
    says(
        &enrol("lab-7", 0),
        "lab-7 may connect now (written to sensors)",
    );
    says(&enrol("lab-7", 0), "lab-7 may connect already");
    says(&enrol("lab-7", 1), "lab-7 may connect with 2 keys now");
    says(&enrol("lab-6", 2), "lab-6 may connect now");
    let other = "this key is enrolled as lab-7; `netcap-server -revoke -pin";
    assert_refused(&lab, SERVER, &enrol("lab-8", 0), 1, other);
    for name in ["../x", ".hidden", "a/b", "100%"] {
        assert_refused(
            &lab,
            SERVER,
            &enrol(name, 0),
            1,
            "at most 64 letters, digits",
        );
    }
    let listed = says("-list", "");
    assert!(
        listed.starts_with(&format!("lab-6 {}\nlab-7 sha256/", pins[2])),
        "{listed}"
    );
    assert_eq!(listed.lines().count(), 3, "{listed}");
    says(
        &format!("-revoke -pin {}", pins[0]),
        "with this key any more, but with another",
    );
    says("-revoke-sensor lab-7", "lab-7 may not connect any more");
    assert_refused(
        &lab,
        SERVER,
        "-revoke-sensor lab-7",
        1,
        "lab-7 is not in sensors",
    );
    assert_eq!(says("-list", ""), format!("lab-6 {}\n", pins[2]));
}

#[test]
fn a_mistake_in_the_list_is_told_and_so_is_its_end() {
    let (lab, _) = Lab::with_identity();
    lab.enrolled("alice");
    let (mut server, _) = lab.serve("-reliable");
    let good = fs::read_to_string(lab.path("sensors")).expect("a list");
    // At once, so that no half of it is read.
    let replace = |text: String| {
        fs::write(lab.path("other"), text).expect("written");
        fs::rename(lab.path("other"), lab.path("sensors")).expect("replaced");
    };
    replace(format!("{good}bob\n"));
    let line = server.line_with("stays in force");
    assert!(
        line.contains("sensors, line 2: expected NAME PIN, found "),
        "{line}"
    );
    replace(format!("{good}bob {PIN}\n"));
    server.line_with("sensors read again: 2 keys");
    fs::remove_file(lab.path("sensors")).expect("removed");
    server.line_with("the file is gone; the list read before stays in force");
    server.stop();
}

#[test]
fn the_default_folder_is_records() {
    let lab = Lab::with_keys();
    let mut server = lab.start(SERVER, "-addr 127.0.0.1:0");
    let line = server.line_with("waiting for ");
    assert!(line.ends_with("out=\"records\""), "{line}");
    server.stop();
    assert!(lab.path("records").is_dir());
}

#[test]
fn datagrams_that_nobody_takes_are_told() {
    let lab = Lab::with_keys();
    let file = capture("example.pcap");
    // A port of this machine on which nobody listens.
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").expect("a socket");
    let address = socket.local_addr().expect("an address");
    drop(socket);
    let args = format!("-pubkey pub.key -addr {address} -r {}", file.display());
    let (code, _, errors) = lab.run(SENSOR, &args);
    let asked = format!("is netcap-server running at {address}?");
    assert_eq!(code, 2, "{errors}");
    assert!(
        errors.contains("sending under the name somebody"),
        "{errors}"
    );
    // What was read is accounted for nevertheless.
    assert!(errors.contains("all packets"), "{errors}");
    assert!(
        errors
            .lines()
            .last()
            .is_some_and(|line| line.contains(&asked)),
        "{errors}"
    );
    assert_refused(&lab, SENSOR, &format!("{args} -quiet"), 2, &asked);
}

#[test]
fn interfaces_that_there_are_are_named() {
    let lab = Lab::with_keys();
    let args = "-pubkey pub.key -addr 127.0.0.1:9 -iface nonesuch";
    let (code, _, errors) = lab.run(SENSOR, args);
    assert_eq!(code, 2, "{errors}");
    if !errors.contains("nonesuch: no such interface") {
        eprintln!("skipped, as nothing can be captured here: {errors}");
        return;
    }
    let told = ["; there are ", "; this user sees none"];
    assert!(told.iter().any(|told| errors.contains(told)), "{errors}");
}
