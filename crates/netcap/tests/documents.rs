//! What the documents tell people to type is typed here, and what they name is there: the commands of the
//! README and of docs/collection.md, the example of docs/recollect.md, the units of systemd, the metrics of the dashboard. Commands that need a
//! broker are only read, as few machines have one.
//!
//! Interfaces become captures and hosts this one. The folder of the programs comes first on the path,
//! with a `sudo`, a `tcpdump` and a `jq` that need nothing.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, UdpSocket};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// As long as anything here may take, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);
/// A pin, of nobody.
const PIN: &str = "sha256/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";

fn project(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .join(path)
}

fn text(path: &str) -> String {
    fs::read_to_string(project(path)).unwrap()
}

/// A folder in which commands are typed, and who runs there.
struct Desk {
    folder: tempfile::TempDir,
    port: u16,
    server: Option<Child>,
    server_pins: Vec<String>,
    sensor_pins: Vec<String>,
}

impl Desk {
    fn new() -> Desk {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        fs::create_dir(path.join("bin")).unwrap();
        for (name, program) in [
            ("netcap", env!("CARGO_BIN_EXE_netcap")),
            ("netcap-sensor", env!("CARGO_BIN_EXE_netcap-sensor")),
            ("netcap-server", env!("CARGO_BIN_EXE_netcap-server")),
            ("pcapper", env!("CARGO_BIN_EXE_pcapper")),
            ("recollect", env!("CARGO_BIN_EXE_recollect")),
        ] {
            symlink(program, path.join("bin").join(name)).unwrap();
        }
        for (name, script) in [
            ("sudo", "exec \"$@\""),
            ("tcpdump", "cat traffic.pcap"),
            ("jq", "cat"),
        ] {
            let stub = path.join("bin").join(name);
            fs::write(&stub, format!("#!/bin/sh\n{script}\n")).unwrap();
            fs::set_permissions(&stub, fs::Permissions::from_mode(0o755)).unwrap();
        }
        let packets = fs::read(project("tests/captures/example.pcap")).unwrap();
        for name in ["traffic.pcap", "monday.pcap"] {
            fs::write(path.join(name), &packets).unwrap();
        }
        let tuesday = project("tests/captures/mixed.pcapng");
        fs::copy(tuesday, path.join("tuesday.pcapng")).unwrap();
        let gzip = fs::File::create(path.join("monday.pcap.gz")).unwrap();
        let mut gzip = flate2::write::GzEncoder::new(gzip, flate2::Compression::fast());
        gzip.write_all(&packets).unwrap();
        gzip.finish().unwrap();
        Desk {
            folder,
            port: free_port(),
            server: None,
            server_pins: Vec::new(),
            sensor_pins: Vec::new(),
        }
    }

    fn shell(&self, line: &str) -> Command {
        let bin = self.folder.path().join("bin");
        let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
        let mut command = Command::new("sh");
        command
            .args(["-c", line])
            .env("PATH", path)
            .current_dir(self.folder.path())
            .stdin(Stdio::null());
        command
    }

    /// The line as it can be run here.
    fn adapted(&self, line: &str) -> String {
        let here = format!("127.0.0.1:{}", self.port);
        let line = line
            .replace("0.0.0.0:1335", &here)
            .replace("collector.example:1335", &here)
            .replace("127.0.0.1:9100", "127.0.0.1:0")
            .replace("-iface eth0", "-r traffic.pcap")
            .replace("-r tcp://sensor.example", "-r traffic.pcap");
        let mut words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        for place in 1..words.len() {
            let pins = match words[place - 1].as_str() {
                "-server-pin" => &self.server_pins,
                "-pin" => &self.sensor_pins,
                _ => continue,
            };
            let pin = match words[place].as_str() {
                "sha256/OLD" => pins.first(),
                _ => pins.last(),
            };
            words[place] = pin.unwrap_or_else(|| panic!("no pin for: {line}")).clone();
        }
        words.join(" ")
    }

    /// Runs a line of a document.
    fn type_in(&mut self, line: &str) {
        let adapted = self.adapted(line);
        if line.starts_with("netcap-server") && line.contains(" -out ") {
            self.serve(&adapted);
            return;
        }
        let until = Instant::now() + PATIENCE;
        loop {
            let done = self.shell(&adapted).output().unwrap();
            if done.status.success() {
                self.note_pin(line, &done);
                return;
            }
            let errors = String::from_utf8_lossy(&done.stderr).into_owned();
            if errors.contains("libpcap") {
                eprintln!("skipped, as libpcap is not here: {line}");
                return;
            }
            // A server writes what it has received within a second or two.
            let may_come = line.contains("-r records/") && Instant::now() < until;
            assert!(may_come, "{line}\n{adapted}\n{errors}");
            thread::sleep(Duration::from_millis(100));
        }
    }

    fn note_pin(&mut self, line: &str, done: &Output) {
        let said = String::from_utf8_lossy(&done.stdout);
        if said.starts_with("sha256/") {
            let pins = match line.starts_with("netcap-server") {
                true => &mut self.server_pins,
                false => &mut self.sensor_pins,
            };
            pins.push(said.trim().to_owned());
        }
    }

    /// Starts a server, instead of the one that runs.
    fn serve(&mut self, line: &str) {
        self.stop();
        let mut child = self
            .shell(&format!("exec {line}"))
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = BufReader::new(child.stderr.take().unwrap()).lines();
        let waits = said.find(|said| said.as_ref().unwrap().contains("waiting for"));
        assert!(waits.is_some(), "{line}");
        // Until it ends, so that it can always write.
        thread::spawn(move || said.count());
        self.server = Some(child);
    }

    fn stop(&mut self) {
        if let Some(mut server) = self.server.take() {
            let _ = kill(Pid::from_raw(server.id().cast_signed()), Signal::SIGTERM);
            let status = server.wait().unwrap();
            assert!(thread::panicking() || status.success(), "{status}");
        }
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        self.stop();
    }
}

/// A port that is free for both kinds of servers.
fn free_port() -> u16 {
    loop {
        let stream = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = stream.local_addr().unwrap().port();
        if UdpSocket::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// The commands of a document by section, sections beginning with one of the marks.
fn commands(document: &str, marks: &[&str]) -> Vec<(String, Vec<String>)> {
    let mut sections = Vec::new();
    let mut is_code = false;
    for line in document.lines() {
        if line.starts_with("```") {
            is_code = line == "```sh";
        } else if !is_code && marks.iter().any(|mark| line.starts_with(mark)) {
            sections.push((line.trim_start_matches(['#', ' ']).to_owned(), Vec::new()));
        } else if is_code
            && !line.trim_start().is_empty()
            && !line.trim_start().starts_with('#')
            && let Some((_, lines)) = sections.last_mut()
        {
            lines.push(line.to_owned());
        }
    }
    sections.retain(|(_, lines)| !lines.is_empty());
    sections
}

#[test]
fn the_commands_of_the_readme_work() {
    let readme = text("README.md");
    let mut typed = 0;
    for (section, lines) in commands(&readme, &["## ", "### "]) {
        match section.as_str() {
            // These build the project, and run its tests.
            "Start" => {}
            "Use" => {
                for line in lines {
                    let mut desk = Desk::new();
                    if line.contains(".ncap.gz") {
                        desk.type_in("netcap -r traffic.pcap");
                    }
                    desk.type_in(&line);
                    typed += 1;
                }
            }
            _ => {
                let mut desk = Desk::new();
                for line in &lines {
                    desk.type_in(line);
                    typed += 1;
                }
                desk.stop();
            }
        }
    }
    assert!(typed > 18, "{typed}");
}

#[test]
fn the_commands_of_collection_work() {
    let document = text("docs/collection.md");
    let mut typed = 0;
    for (_, lines) in commands(&document, &["## "]) {
        let mut desk = Desk::new();
        for line in &lines {
            desk.type_in(line);
            typed += 1;
        }
        desk.stop();
    }
    assert!(typed > 15, "{typed}");
}

/// The flags and arguments of a command are all right: it goes as far as to print its version.
fn is_understood(desk: &Desk, command: &str) {
    let done = desk.shell(&format!("{command} -version")).output().unwrap();
    let said = String::from_utf8_lossy(&done.stdout);
    assert!(
        done.status.success() && said.starts_with('v'),
        "{command}: {done:?}"
    );
}

#[test]
fn the_commands_of_nats_are_understood() {
    let desk = Desk::new();
    let mut understood = 0;
    for (_, lines) in commands(&text("docs/nats.md"), &["## "]) {
        for line in lines.iter().filter(|line| line.contains("-nats ")) {
            let command = line.split('#').next().unwrap_or_default();
            is_understood(&desk, command.trim_end());
            understood += 1;
        }
    }
    assert!(understood >= 5, "{understood}");
}

#[test]
fn the_commands_of_recollect_are_understood() {
    let desk = Desk::new();
    let document = text("docs/recollect.md");
    let mut understood = 0;
    for (_, lines) in commands(&document, &["## "]) {
        for line in lines {
            let command = line.split('#').next().unwrap_or_default().trim_end();
            let done = desk
                .shell(&format!("{command} --version"))
                .output()
                .unwrap();
            assert!(done.status.success(), "{command}: {done:?}");
            understood += 1;
        }
    }
    assert!(understood >= 8, "{understood}");
    let expected = [
        "3 rules, 2 agents, 2 names\n",
        "1 rule, 3 agents, 0 names\n",
    ];
    let examples: Vec<&str> = document.split("```conf\n").skip(1).collect();
    assert_eq!(examples.len(), expected.len());
    for (example, expected) in examples.into_iter().zip(expected) {
        let example = example.split("```").next().unwrap();
        fs::write(desk.folder.path().join("collector.conf"), example).unwrap();
        let done = desk.shell("recollect --check").output().unwrap();
        assert_eq!(String::from_utf8_lossy(&done.stdout), expected);
    }
    let lines = document.split("```json\n").nth(1).unwrap();
    for line in lines.split("```").next().unwrap().lines() {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        assert!(line["time_us"].is_u64());
    }
}

#[test]
fn the_commands_of_pcapper_are_understood() {
    let desk = Desk::new();
    let mut understood = 0;
    for (_, lines) in commands(&text("docs/pcapper.md"), &["## "]) {
        for line in lines.iter().filter(|line| line.contains("pcapper ")) {
            let command = line.split('#').next().unwrap_or_default().trim_end();
            let done = desk
                .shell(&format!("{command} --version"))
                .output()
                .unwrap();
            assert!(done.stdout.starts_with(b"pcapper "), "{command}: {done:?}");
            understood += 1;
        }
    }
    assert!(understood >= 4, "{understood}");
}

#[test]
fn the_units_of_systemd_are_understood() {
    let desk = Desk::new();
    for name in ["netcap-server", "netcap-sensor"] {
        let unit = text(&format!("dist/{name}.service"));
        let fill = |line: &str| {
            line.replace("%d", "/run/credentials/x")
                .replace("%S", "/var/lib")
                .replace("${PIN}", PIN)
                .replace("sha256/...", PIN)
                .replace("${SERVER}", "127.0.0.1:1335")
                .replace("${INTERFACE}", "any")
        };
        let started = unit
            .lines()
            .find_map(|line| line.strip_prefix("ExecStart=/usr/local/bin/"));
        is_understood(&desk, &fill(started.unwrap()));
        let mut told = 0;
        for line in unit.lines() {
            if let Some(command) = line.strip_prefix("#   sudo netcap-") {
                is_understood(&desk, &fill(&format!("netcap-{command}")));
                told += 1;
            }
        }
        assert!(told > 0, "{name}");
        // Who reads what the unit hands over: the identity of the certificate's and the key's name.
        for extension in ["pem", "key"] {
            let role = name.trim_start_matches("netcap-");
            let credential =
                format!("LoadCredential={role}.{extension}:/etc/netcap/{role}.{extension}");
            assert!(unit.lines().any(|line| line == credential), "{credential}");
        }
    }
}

#[test]
fn the_unit_of_pcapper_is_understood() {
    let desk = Desk::new();
    let unit = text("dist/pcapper.service");
    let mut lines = unit.lines();
    let started = lines.find_map(|line| line.strip_prefix("ExecStart=/usr/local/bin/"));
    let command = started.unwrap().replace("%L", "/var/log");
    let values = "INTERFACE=eth0 MODE=src ALLOW=10.0.0.0/8";
    let line = format!("export {values}; {command} --version");
    let done = desk.shell(&line).output().unwrap();
    assert!(done.stdout.starts_with(b"pcapper "), "{done:?}");
    is_a_unit(&desk, "pcapper", &unit);
}

#[test]
fn the_unit_of_recollect_is_understood() {
    let desk = Desk::new();
    let unit = text("dist/recollect.service");
    let mut lines = unit.lines();
    let started =
        lines.find_map(|line| line.strip_prefix("ExecStart=/bin/sh -c 'exec /usr/local/bin/"));
    let (command, file) = started.unwrap().split_once(" >> ").unwrap();
    assert_eq!(file, "%L/recollect/traffic.json'");
    let told = unit
        .lines()
        .find_map(|line| line.strip_prefix("#   recollect "));
    for line in [command, &format!("recollect {}", told.unwrap())] {
        let done = desk.shell(&format!("{line} --version")).output().unwrap();
        assert!(done.stdout.starts_with(b"recollect "), "{done:?}");
    }
    is_a_unit(&desk, "recollect", &unit);
}

/// Has systemd look at a unit, if it is here.
fn is_a_unit(desk: &Desk, name: &str, unit: &str) {
    let bin = desk.folder.path().join("bin");
    let unit = unit.replace("/usr/local/bin", bin.to_str().unwrap());
    let file = format!("{name}.service");
    fs::write(desk.folder.path().join(&file), unit).unwrap();
    let mut command = Command::new("systemd-analyze");
    command.args(["verify", "--man=no", &format!("./{file}")]);
    let Ok(done) = command.current_dir(desk.folder.path()).output() else {
        eprintln!("skipped: systemd-analyze is not here");
        return;
    };
    let said = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success() && said.is_empty(), "{said}");
}

/// The names of metrics in a text.
fn metrics(text: &str) -> BTreeSet<&str> {
    text.split(|c: char| !c.is_ascii_lowercase() && c != '_')
        .filter(|word| word.starts_with("netcap_"))
        .collect()
}

/// What the programs write, by their sources: names that stand in quotes alone.
fn written(sources: &[&str]) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for source in sources {
        let source = text(source);
        let quoted = source.split('"').filter(|part| {
            part.starts_with("netcap_") && part.bytes().all(|c| c.is_ascii_lowercase() || c == b'_')
        });
        // Packages have such names too, in `use`, but not in quotes.
        names.extend(quoted.map(str::to_owned));
    }
    names
}

/// Who writes metrics of the sensor and the server.
const WRITERS: [&str; 4] = [
    "crates/netcap/src/bin/netcap-server/page.rs",
    "crates/netcap/src/bin/netcap-sensor/datagrams.rs",
    "crates/netcap/src/bin/netcap-sensor/acknowledged.rs",
    "crates/netcap/src/bin/netcap-sensor/published.rs",
];
/// Who writes those of all programs.
const ALL: &str = "crates/shell/src/metrics.rs";

#[test]
fn the_dashboard_shows_metrics_that_there_are() {
    let dashboard = text("dist/grafana-netcap.json");
    let dashboard: serde_json::Value = serde_json::from_str(&dashboard).unwrap();
    assert!(dashboard["schemaVersion"].as_u64().unwrap() >= 38);
    let variables = dashboard["templating"]["list"].as_array().unwrap();
    let source = variables
        .iter()
        .find(|variable| variable["name"] == "datasource");
    assert_eq!(source.unwrap()["query"], "prometheus");
    let mut there = written(&WRITERS);
    there.extend(written(&[ALL]));
    let (mut ids, mut shown) = (BTreeSet::new(), BTreeSet::new());
    for panel in dashboard["panels"].as_array().unwrap() {
        assert!(ids.insert(panel["id"].as_u64().unwrap()));
        for target in panel["targets"].as_array().into_iter().flatten() {
            assert_eq!(target["datasource"]["uid"], "${datasource}");
            let names = metrics(target["expr"].as_str().unwrap());
            assert!(!names.is_empty(), "{target}");
            shown.extend(names);
        }
    }
    for variable in variables {
        shown.extend(metrics(variable["definition"].as_str().unwrap_or_default()));
    }
    for name in &shown {
        assert!(there.contains(*name), "{name}");
    }
    assert!(shown.len() > 25);
}

#[test]
fn the_table_of_metrics_is_complete() {
    let document = text("docs/collection.md");
    let told: BTreeSet<&str> = document
        .lines()
        .filter_map(|line| line.strip_prefix("| `"))
        .filter_map(|line| line.split('`').next())
        .collect();
    let there = written(&WRITERS);
    let there: BTreeSet<&str> = there.iter().map(String::as_str).collect();
    assert_eq!(told, there);
}
