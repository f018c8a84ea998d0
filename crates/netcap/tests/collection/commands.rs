//! The commands of the manual, as they stand there but for addresses.

use crate::lab::{Lab, SENSOR, SERVER, capture};

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
        errors.contains("server.pem and server.key written"),
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
