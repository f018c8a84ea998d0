//! Programs without the client of a broker know its flags, and say what to do.

use crate::lab::{Lab, SENSOR, SERVER, capture};

#[test]
fn the_remedy_is_told() {
    let lab = Lab::new();
    let read = format!("-r {}", capture("example.pcap").display());
    for (program, more) in [(SENSOR, read.as_str()), (SERVER, "-out records")] {
        let (code, output, errors) = lab.run(program, &format!("-nats nats://127.0.0.1 {more}"));
        assert_eq!((code, output.as_str()), (1, ""), "{errors}");
        assert_eq!(errors.lines().count(), 1, "{errors}");
        assert!(errors.contains("--features nats"), "{errors}");
    }
    assert!(!lab.path("records").exists());
}
