//! Both programs killed at random moments, and started again.

use std::thread;
use std::time::Duration;

use crate::captures::write_long;
use crate::chance::Chance;
use crate::lab::{Lab, NETCAP, SENSOR, assert_same, files_in, wait_for};

const KILLS: u32 = 20;

#[test]
fn nothing_is_lost_and_nothing_doubled() {
    let mut chance = Chance::new();
    let (lab, pin) = Lab::with_identity();
    lab.enrolled("alice");
    let file = lab.path("long.pcap");
    write_long(&file, 150);
    let expected = lab.expected(&file);
    let (mut server, address) = lab.serve("-reliable");
    let args = format!(
        "-reliable -identity alice -server-pin {pin} -addr {address} -r {}",
        file.display()
    );
    let mut sensor = lab.start(SENSOR, &args);
    for _ in 0..KILLS {
        thread::sleep(Duration::from_millis(50 + chance.below(500)));
        look(&lab, &mut chance);
        if chance.below(2) == 0 {
            server.kill();
            (server, _) = lab.serve_at(&address, "-reliable");
        } else {
            sensor.kill();
            sensor = lab.start(SENSOR, &args);
        }
    }
    wait_for(|| sensor.has_ended());
    let (code, said) = sensor.end();
    assert_eq!(code, 0, "{chance}: {said}");
    server.stop();
    let found = lab.received("alice");
    assert_same(&chance.to_string(), &found, &expected);
}

/// Reads a file as it is at this moment.
fn look(lab: &Lab, chance: &mut Chance) {
    let folder = lab.path("records/alice");
    if !folder.exists() {
        return;
    }
    let files = files_in(&folder);
    if files.is_empty() {
        return;
    }
    let file = &files[chance.below(files.len() as u64) as usize];
    // A file that was made and has no header yet is none.
    let (code, output, errors) = lab.run(NETCAP, &format!("-r {} -quiet", file.display()));
    assert!([0, 3].contains(&code), "{code}: {errors}");
    let mut lines = output.lines().map(|line| line.split(',').count());
    let columns = lines.next().unwrap_or_default();
    assert!(columns > 1 || code == 3, "{output}");
}
