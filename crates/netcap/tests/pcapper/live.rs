//! Interfaces: a pair of them in a network namespace of each test's own.

use std::collections::BTreeSet;
use std::io::Read;
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use netcap_agent::LENGTH;

use crate::lab::{Lab, PATIENCE, PROGRAM, Running, log_of, number_before};
use crate::namespace::{self, wait_for};

/// What tcpdump prints of what `left` shows it, while the shell runs a line; `None`: it is not here.
fn seen(lab: &namespace::Lab, folder: &Lab, filter: &str) -> Option<std::process::Child> {
    let file = folder.path("seen.pcap");
    let mut command = lab.command("tcpdump");
    command.args(["-i", "left", "-n", "-U", "-Z", "root", "-w"]);
    let child = command.arg(&file).arg(filter).stderr(Stdio::null()).spawn();
    let child = child.ok()?;
    wait_for(|| file.metadata().is_ok_and(|found| found.len() >= 24));
    Some(child)
}

/// A namespace, and a folder.
pub(crate) fn labs() -> Option<(namespace::Lab, Lab)> {
    let lab = namespace::Lab::open()?;
    Some((lab, Lab::new()))
}

/// Starts the program in the namespace.
pub(crate) fn start(lab: &namespace::Lab, folder: &Lab, args: &str) -> Running {
    let mut command = lab.command(PROGRAM);
    command.args(args.split_whitespace());
    folder.run(command)
}

/// Frames of UDP that `right` sends to `left`: from that MAC and address, and so many.
fn spoof(lab: &namespace::Lab, folder: &Lab, source: [u8; 4], count: u16) {
    let frames: Vec<_> = (0..count)
        .map(|number| {
            let mac = [2, 0, 0, 0, 0, 7];
            (u64::from(number), crate::lab::udp(mac, source, number))
        })
        .collect();
    folder.capture("spoof.pcap", &frames);
    let mut command = lab.command(env!("CARGO_BIN_EXE_pcap-over-ip"));
    let status = command
        .arg("replay")
        .arg(folder.path("spoof.pcap"))
        .args(["-i", "right", "--pace", "max"])
        .stderr(Stdio::null())
        .status();
    assert!(status.is_ok_and(|status| status.success()));
}

#[test]
fn modes_see_what_tcpdump_sees() {
    let Some((lab, folder)) = labs() else { return };
    let output = lab
        .command("cat")
        .arg("/sys/class/net/left/address")
        .output()
        .unwrap();
    let mac = String::from_utf8(output.stdout).unwrap();
    let mac = mac.trim();
    for (mode, filter, expected) in [
        ("src", format!("ether src {mac}"), 40),
        ("dst", format!("ether src not {mac}"), 50),
        ("spoof", format!("src 10.9.0.1 and ether src not {mac}"), 20),
    ] {
        let Some(mut tcpdump) = seen(&lab, &folder, &format!("udp and ({filter})")) else {
            eprintln!("skipped: tcpdump is not installed");
            return;
        };
        let log = format!("{mode}.log");
        let agent_args = format!("-i left -m {mode} -f {log} --log-always --listen 127.0.0.1");
        let mut agent = start(&lab, &folder, &agent_args);
        let line = agent.line_with("left: capturing: ");
        assert!(
            line.contains(&format!("capturing: {filter}, but")),
            "{line}"
        );
        assert_eq!(lab.send(40, 100), 40);
        spoof(&lab, &folder, [10, 9, 0, 1], 20);
        spoof(&lab, &folder, [10, 9, 0, 2], 30);
        wait_for(|| folder.text(&log).lines().count() >= expected);
        agent.stop();
        thread::sleep(Duration::from_millis(300));
        let pid = nix::unistd::Pid::from_raw(tcpdump.id().cast_signed());
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGINT).unwrap();
        tcpdump.wait().unwrap();
        let mut source = netcap_capture::open(&folder.path("seen.pcap")).unwrap();
        let mut batch = netcap_capture::Batch::new(1 << 20, 4096);
        let mut theirs = BTreeSet::new();
        while source.fill(&mut batch).unwrap() {
            for (packet, octets) in batch.iter() {
                let time = packet.timestamp;
                let record = netcap_agent::classic::record(
                    packet.link_type,
                    time,
                    octets,
                    netcap_agent::mgen::Check::Classic,
                );
                theirs.insert(log_of(&record.unwrap().encode()).trim_end().to_owned());
            }
        }
        let log = folder.text(&log);
        let ours: BTreeSet<_> = log.lines().map(str::to_owned).collect();
        assert_eq!((ours.len(), ours == theirs), (expected, true), "{mode}");
        std::fs::remove_file(folder.path("seen.pcap")).unwrap();
    }
}

#[test]
fn an_interface_that_is_removed_ends_it_or_is_waited_for() {
    let Some((lab, folder)) = labs() else { return };
    let mut agent = start(&lab, &folder, "-i left -p 7073");
    agent.line_with("left: capturing");
    // Down and up is no end.
    assert!(lab.shell("ip link set left down && sleep 0.5 && ip link set left up"));
    assert!(lab.shell("ip neighbour replace 10.9.0.2 lladdr 02:00:00:00:00:02 dev left"));
    thread::sleep(Duration::from_secs(2));
    lab.send(10, 10);
    let mut patient = start(
        &lab,
        &folder,
        "-i left -p 7074 --reattach --log-always -f patient.log",
    );
    patient.line_with("left: capturing");
    assert!(lab.shell("ip link delete left"));
    let (code, said) = agent.end();
    assert_eq!(code, Some(4), "{said:?}");
    assert!(
        said.iter().any(|line| line.contains("--reattach")),
        "{said:?}"
    );
    assert_eq!(number_before(&said, "recorded"), 10, "{said:?}");
    patient.line_with("waiting for it");
    assert!(lab.shell("ip link add left type veth peer name right && ip link set right up"));
    assert!(lab.shell("ip address add 10.9.0.1/24 dev left && ip link set left up"));
    assert!(lab.shell("ip neighbour add 10.9.0.2 lladdr 02:00:00:00:00:02 dev left"));
    patient.line_with("left: capturing again");
    lab.send(10, 10);
    wait_for(|| folder.text("patient.log").lines().count() == 10);
    patient.stop();
}

#[test]
fn an_interface_may_come_late_or_have_no_mac() {
    let Some((lab, folder)) = labs() else { return };
    let mut late = start(&lab, &folder, "-i later -p 7073 --wait 30");
    late.line_with("later: no such interface");
    assert!(lab.shell("ip link add later type veth peer name other && ip link set other up && ip link set later up"));
    thread::sleep(Duration::from_millis(1500));
    assert!(lab.shell("ip address add 10.8.0.1/24 dev later"));
    late.line_with("later: capturing");
    late.stop();
    if !lab.shell("ip tuntap add dev tunnel mode tun 2>/dev/null && ip link set tunnel up") {
        eprintln!("skipped: no tunnel can be made here");
        return;
    }
    assert!(lab.shell("ip address add 10.7.0.1/24 dev tunnel"));
    let (code, said) = start(&lab, &folder, "-i tunnel --wait 0").end();
    assert_eq!(code, Some(22), "{said:?}");
    for mode in ["none", "udp"] {
        let mut agent = start(&lab, &folder, &format!("-i tunnel -m {mode}"));
        agent.line_with("tunnel: capturing");
        agent.stop();
    }
}

#[test]
fn other_addresses_are_noticed() {
    let Some((lab, folder)) = labs() else { return };
    let args = "-i left -m spoof -f log --log-always --listen 127.0.0.1";
    let mut agent = start(&lab, &folder, args);
    agent.line_with("left: capturing: src 10.9.0.1 and");
    assert!(lab.shell("ip address del 10.9.0.1/24 dev left"));
    // The mode has no address to make a filter of, so the one before holds.
    agent.line_with("it has no IPv4 address");
    spoof(&lab, &folder, [10, 9, 0, 1], 3);
    assert!(lab.shell("ip address add 10.9.0.3/24 dev left"));
    agent.line_with("left: the interface has changed; capturing: src 10.9.0.3 and");
    spoof(&lab, &folder, [10, 9, 0, 1], 20);
    spoof(&lab, &folder, [10, 9, 0, 3], 5);
    wait_for(|| folder.text("log").lines().count() >= 8);
    let said = agent.stop();
    assert_eq!(number_before(&said, "recorded"), 8, "{said:?}");
}

#[test]
fn records_make_no_records() {
    let Some((lab, folder)) = labs() else { return };
    let mut agent = start(
        &lab,
        &folder,
        "-i lo -m none --log-always --listen 127.0.0.1:7073",
    );
    agent.line_with("lo: capturing");
    let script = "exec 3<>/dev/tcp/127.0.0.1/7073; exec timeout 3 cat <&3";
    let mut collector = lab
        .command("bash")
        .args(["-c", script])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    agent.line_with(": connected");
    thread::sleep(Duration::from_millis(300));
    let mut sender = lab.command("bash");
    let sent = sender.args(["-c", "echo x >/dev/udp/127.0.0.1/9"]).status();
    assert!(sent.is_ok_and(|status| status.success()));
    let mut octets = Vec::new();
    let output = collector.stdout.as_mut().unwrap();
    output.read_to_end(&mut octets).unwrap();
    collector.wait().unwrap();
    let said = agent.stop();
    let records = octets.len() / LENGTH;
    // The datagram goes out of the loopback and comes in there; ICMP answers, and is no record.
    assert!((1..=2).contains(&records), "{records}: {said:?}");

    // Statistics come by the second, and are no packets.
    let mut agent = start(
        &lab,
        &folder,
        "-i lo -m none --statistics --listen 127.0.0.1:7074",
    );
    agent.line_with("lo: capturing");
    let started = Instant::now();
    let mut command = lab.command("bash");
    command.args(["-c", "exec 3<>/dev/tcp/127.0.0.1/7074; head -c 112 <&3"]);
    let output = command.output().unwrap();
    assert!(started.elapsed() < PATIENCE);
    let protocols: Vec<_> = output
        .stdout
        .chunks(LENGTH)
        .map(|record| record[26])
        .collect();
    assert_eq!(protocols, [61; 4]);
    agent.stop();
}
