//! The numbers of both programs, while they run.

use std::io::Write;
use std::process::Stdio;

use crate::lab::{Lab, SENSOR, capture, metrics_with};

/// Runs both with these flags until the metrics have the lines.
fn check(lab: &Lab, server: &str, sensor: &str, lines: &[&str], of_server: &[&str]) {
    let (mut server, address) = lab.serve(&format!("-metrics 127.0.0.1:0 {server}"));
    let args = format!("-addr {address} -r - -metrics 127.0.0.1:0 {sensor}");
    let mut sensor = lab.start_with(SENSOR, &args, Stdio::piped());
    let packets = std::fs::read(capture("example.pcap")).expect("a capture");
    let mut input = sensor.input();
    input.write_all(&packets).expect("written");
    metrics_with(&sensor.metrics(), lines);
    metrics_with(&server.metrics(), of_server);
    drop(input);
    let (code, said) = sensor.end();
    assert_eq!(code, 0, "{said}");
    server.stop();
}

#[test]
fn of_datagrams() {
    let lab = Lab::with_keys();
    let sensor = [
        "netcap_packets_total 57",
        "netcap_sensor_dropped_records_total 0",
        "netcap_sensor_send_errors_total 0",
    ];
    check(
        &lab,
        "-privkey priv.key",
        "-pubkey pub.key -client alice -include TCP",
        &[&sensor[..], &["netcap_sensor_records_total 21"]].concat(),
        &[
            "netcap_server_records_total{sensor=\"alice\",type=\"TCP\"} 21",
            "netcap_server_duplicate_datagrams_total 0",
            "netcap_server_dropped_datagrams_total{by=\"queue\"} 0",
        ],
    );
}

#[test]
fn of_the_reliable_mode() {
    let (lab, pin) = Lab::with_identity();
    lab.enrolled("alice");
    check(
        &lab,
        "-reliable",
        &format!("-reliable -identity alice -server-pin {pin} -include TCP"),
        &[
            "netcap_packets_total 57",
            "netcap_sensor_records_total 21",
            "netcap_sensor_acknowledged_records_total 21",
            "netcap_sensor_connected 1",
            "netcap_sensor_dropped_records_total 0",
            "netcap_sensor_queue_bytes 0",
        ],
        &[
            "netcap_server_records_total{sensor=\"alice\",type=\"TCP\"} 21",
            "netcap_server_missing_records_total{sensor=\"alice\"} 0",
            "netcap_server_sensor_packets_total{sensor=\"alice\"} 57",
            "netcap_server_sensor_connected{sensor=\"alice\"} 1",
        ],
    );
}
