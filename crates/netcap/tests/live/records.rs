//! What is captured live is what others capture.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::lab::{Lab, number_before, rows, wait_for};

/// Columns that do not tell the time: the kernel stamps a packet for each who captures it.
const ETHERNET: &str = "SrcMAC,DstMAC,EthernetType,PayloadEntropy,PayloadSize";
const UDP: &str = "SrcPort,DstPort,Length,Checksum,PayloadEntropy,PayloadSize";

#[test]
fn the_same_records_as_of_tcpdump() {
    let Some(lab) = Lab::open() else { return };
    let out = tempfile::tempdir().expect("a directory");
    let file = out.path().join("tcpdump.pcap");
    if Command::new("tcpdump").arg("--version").output().is_err() {
        eprintln!("skipped: there is no tcpdump");
        return;
    }
    let mut tcpdump = lab
        .command("tcpdump")
        .args(["-i", "left", "-n", "-U", "-s", "2000", "-B", "8192", "-w"])
        .arg(&file)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it runs");
    let mut errors = BufReader::new(tcpdump.stderr.take().expect("a pipe"));
    let mut line = String::new();
    while !line.contains("listening on") {
        line.clear();
        assert!(errors.read_line(&mut line).expect("text") > 0);
    }

    let live = out.path().join("live");
    let capture = lab.capture("-iface left -include Ethernet,UDP", &live);
    let sent: u64 = [1, 4, 100, 1000]
        .map(|size| lab.send(50, size))
        .iter()
        .sum();
    // The file's header, and of each packet that of its record and 42 octets of headers.
    let octets = 24 + 200 * (16 + 42) + 50 * (1 + 4 + 100 + 1000);
    let mut waits = 0..100;
    while file.metadata().is_ok_and(|meta| meta.len() < octets) && waits.next().is_some() {
        thread::sleep(Duration::from_millis(20));
    }
    kill(Pid::from_raw(tcpdump.id().cast_signed()), Signal::SIGINT).expect("it runs");
    tcpdump.wait().expect("it ends");
    let output = capture.stop();
    assert_eq!((sent, number_before(&output, "dropped")), (200, 0));

    let offline = out.path().join("offline");
    let status = Command::new(env!("CARGO_BIN_EXE_netcap"))
        .args(["-quiet", "-include", "Ethernet,UDP", "-r"])
        .arg(&file)
        .arg("-out")
        .arg(&offline)
        .status();
    assert!(status.expect("netcap runs").success());
    for (name, columns) in [("Ethernet.ncap.gz", ETHERNET), ("UDP.ncap.gz", UDP)] {
        let found = rows(&live.join(name), columns);
        assert_eq!(found.len(), 200);
        assert_eq!(found, rows(&offline.join(name), columns), "{name}");
    }
    let times = rows(&live.join("UDP.ncap.gz"), "Timestamp");
    assert!(times.is_sorted(), "{times:?}");
}

/// Names and records of the files in the table of a summary.
fn files(output: &str) -> Vec<(&str, &str)> {
    let rows = output.lines().filter(|line| line.contains(".ncap.gz "));
    let cells = rows.map(|row| row.split('|').map(str::trim).collect::<Vec<_>>());
    cells.map(|cells| (cells[1], cells[2])).collect()
}

#[test]
fn a_capture_sent_again_gives_its_records_again() {
    let Some(lab) = Lab::open() else { return };
    if Command::new("tcpreplay").arg("-V").output().is_err() {
        eprintln!("skipped: there is no tcpreplay");
        return;
    }
    for name in [
        "http.pcap",
        "tls.pcap",
        "ipv4_fragments.pcap",
        "dns_tcp.pcap",
    ] {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/captures");
        let file = file.join(name);
        let out = tempfile::tempdir().expect("a directory");
        // How many flows there are depends on the times of the packets.
        let exclude = "-exclude Flow,Connection,LinkFlow,NetworkFlow,TransportFlow";
        let capture = lab.capture(&format!("-iface left {exclude}"), &out.path().join("live"));
        let sent = lab
            .command("tcpreplay")
            .args(["-q", "-t", "-i", "left"])
            .arg(&file)
            .stdout(Stdio::null())
            .status();
        assert!(sent.expect("it runs").success(), "{name}");
        let live = capture.stop();
        let offline = Command::new(env!("CARGO_BIN_EXE_netcap"))
            .args(exclude.split(' '))
            .arg("-r")
            .arg(&file)
            .arg("-out")
            .arg(out.path().join("offline"))
            .output();
        let offline = offline.expect("netcap runs").stdout;
        let offline = String::from_utf8_lossy(&offline);
        assert!(files(&offline).len() > 2);
        assert_eq!(files(&live), files(&offline), "{name}");
    }
}

#[test]
fn several_interfaces_are_merged_by_time() {
    let Some(lab) = Lab::open() else { return };
    let out = tempfile::tempdir().expect("a directory");
    let live = out.path().join("live");
    // Every packet is captured as it leaves and as it comes.
    let capture = lab.capture("-iface left,right -include UDP", &live);
    let sent = lab.send(2000, 100);
    let output = capture.stop();
    assert_eq!(sent, 2000);
    for interface in ["left", "right"] {
        assert!(
            output.contains(&format!("\n{interface}: 2,000 packets")),
            "{output}"
        );
    }
    let times = rows(&live.join("UDP.ncap.gz"), "Timestamp");
    assert!(times.len() == 4000 && times.is_sorted());
}

#[test]
fn all_interfaces_at_once() {
    let Some(lab) = Lab::open() else { return };
    let out = tempfile::tempdir().expect("a directory");
    let live = out.path().join("live");
    let capture = lab.capture("-iface any -include UDP -count 20", &live);
    lab.send(10, 100);
    let (code, output, errors) = capture.end();
    assert_eq!((code, errors.as_str()), (0, ""));
    assert_eq!(rows(&live.join("UDP.ncap.gz"), UDP).len(), 20, "{output}");
    let header = Command::new(env!("CARGO_BIN_EXE_netcap"))
        .args(["-header", "-r"])
        .arg(live.join("UDP.ncap.gz"))
        .output();
    let header = header.expect("netcap runs").stdout;
    assert!(String::from_utf8_lossy(&header).contains("| any "));
}

#[test]
fn a_snapshot_length_cuts_packets() {
    let Some(lab) = Lab::open() else { return };
    let out = tempfile::tempdir().expect("a directory");
    let live = out.path().join("live");
    let capture = lab.capture("-iface left -snaplen 64 -count 5 -include UDP", &live);
    lab.send(5, 1000);
    let (code, output, errors) = capture.end();
    assert_eq!((code, errors.as_str()), (0, ""));
    assert!(
        output.contains("\nleft: 5 packets, 320 B, 0 dropped"),
        "{output}"
    );
}

#[test]
fn flows_end_on_a_silent_line() {
    let Some(lab) = Lab::open() else { return };
    let out = tempfile::tempdir().expect("a directory");
    let live = out.path().join("live");
    let args = "-iface left -include Flow -flow-timeout 1 -buf=false -comp=false";
    let capture = lab.capture(args, &live);
    lab.send(3, 100);
    // A file is begun with its first record, and nothing but the end of the flow gives one.
    wait_for(|| {
        let mut entries = std::fs::read_dir(&live).expect("a directory").flatten();
        entries.any(|entry| entry.metadata().is_ok_and(|file| file.len() > 100))
    });
    capture.stop();
    let flows = rows(&live.join("Flow.ncap"), "NumPackets");
    assert_eq!(flows, ["3"]);
}

#[test]
fn the_interfaces_are_listed() {
    let Some(lab) = Lab::open() else { return };
    let output = lab
        .command(env!("CARGO_BIN_EXE_netcap"))
        .arg("-interfaces")
        .output();
    let output = output.expect("netcap runs");
    let table = String::from_utf8_lossy(&output.stdout);
    let left = table.lines().find(|line| line.starts_with("| left "));
    let left = left.unwrap_or_else(|| panic!("no left in {table}"));
    for cell in [" up ", " ETHERNET ", " 10.9.0.1 "] {
        assert!(left.contains(cell), "{left}");
    }
    assert!(output.status.success() && table.contains("| lo "));
}
