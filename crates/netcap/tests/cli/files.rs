//! Bodies of responses as files: `-files`.

use std::fs;
use std::path::{Path, PathBuf};

use netcap_capture::{LinkType, Timestamp, pcap_writer};
use tempfile::TempDir;

use crate::run::run;

/// `<p>one fish, two fish</p>` as gzip has it.
const GZIP: &[u8] = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03\xb3\x29\xb0\xcb\xcf\x4b\x55\x48\
    \xcb\x2c\xce\xd0\x51\x28\x29\xcf\x07\xb3\x6c\xf4\x0b\xec\x00\x9c\x8f\xd4\x5e\x19\x00\x00\x00";

/// TCP streams in a capture, packet by packet.
struct Capture {
    file: Vec<u8>,
    packets: i64,
}

impl Capture {
    fn new() -> Capture {
        Capture {
            file: pcap_writer::file_header(LinkType(101), 65_535).to_vec(),
            packets: 0,
        }
    }

    /// A segment without options between 10.0.0.1 and port 80 of 10.0.0.2, on raw IP.
    fn segment(&mut self, port: u16, to_server: bool, sequence: u32, octets: &[u8]) {
        let (ports, hosts) = match to_server {
            true => ([port, 80], [1, 2]),
            false => ([80, port], [2, 1]),
        };
        let length = u16::try_from(40 + octets.len()).expect("a short segment");
        let mut packet = vec![0x45, 0];
        packet.extend(length.to_be_bytes());
        packet.extend([0, 0, 0, 0, 64, 6, 0, 0]);
        packet.extend(hosts.map(|host| [10, 0, 0, host]).concat());
        packet.extend(ports.map(u16::to_be_bytes).concat());
        packet.extend(sequence.to_be_bytes());
        packet.extend([0, 0, 0, 0, 0x50, 0x18, 0, 0, 0, 0, 0, 0]);
        packet.extend(octets);
        let time = Timestamp {
            seconds: 1_600_000_000 + self.packets,
            nanos: 0,
        };
        self.packets += 1;
        let length = packet.len() as u32;
        pcap_writer::append_record(&mut self.file, time, length, &packet);
    }

    fn write(&self, directory: &TempDir) -> PathBuf {
        let path = directory.path().join("http.pcap");
        fs::write(&path, &self.file).expect("a file");
        path
    }
}

/// Three streams at once: the same name again and again, chunks, codings, hostile names, a gap.
fn capture() -> Capture {
    let mut capture = Capture::new();
    let targets = [
        "/a.html",
        "/a.html?again",
        "/../../../etc/passwd",
        "/%2e%2e%2f%2e%2e%2fa",
        "http://b.example/",
        "/x/a.html",
    ];
    let mut to_server = [1000_u32; 3];
    let mut to_client = [9000_u32; 3];
    for (round, target) in targets.iter().enumerate() {
        for (stream, port) in (40_000..40_003).enumerate() {
            let request = format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n");
            capture.segment(port, true, to_server[stream], request.as_bytes());
            to_server[stream] += request.len() as u32;
        }
        for (stream, port) in (40_000..40_003).enumerate() {
            let response = match (round + stream) % 3 {
                0 => {
                    let head = "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\
                        Transfer-Encoding: chunked\r\n\r\n";
                    let (first, second) = GZIP.split_at(20);
                    let sizes = [first.len(), second.len()].map(|size| format!("{size:x}\r\n"));
                    let [first_size, second_size] = sizes.each_ref().map(String::as_bytes);
                    let pieces = [first_size, first, b"\r\n", second_size, second];
                    [head.as_bytes(), &pieces.concat(), b"\r\n0\r\n\r\n"].concat()
                }
                1 => b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nGIF89a\x00\x01".to_vec(),
                _ => {
                    format!("HTTP/1.1 404 No\r\nContent-Length: 11\r\n\r\nnothing {round}{stream}.")
                        .into_bytes()
                }
            };
            for piece in response.chunks(50) {
                capture.segment(port, false, to_client[stream], piece);
                to_client[stream] += piece.len() as u32;
            }
        }
    }
    let head = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nthe beginning";
    capture.segment(40_000, true, to_server[0], b"GET /cut HTTP/1.1\r\n\r\n");
    capture.segment(40_000, false, to_client[0], head);
    let beyond = to_client[0] + head.len() as u32 + 10;
    capture.segment(40_000, false, beyond, b"and the end");
    capture
}

/// The files below a directory, by path.
fn tree(directory: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files = Vec::new();
    let mut folders = vec![directory.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(directory).expect("a path below");
                let octets = fs::read(&path).expect("a file");
                files.push((name.display().to_string(), octets));
            }
        }
    }
    files.sort();
    files
}

/// What `-files` writes, and the summary.
fn bodies(capture: &Path, flags: &str) -> (Vec<(String, Vec<u8>)>, String) {
    let out = tempfile::tempdir().expect("a directory");
    let (capture, path) = (capture.display(), out.path().display());
    let args = format!("-r {capture} -out {path}/records -files {path}/bodies {flags}");
    let (code, summary, errors) = run(&args);
    assert_eq!((code, errors.as_str()), (0, ""), "{args}");
    let above = fs::read_dir(out.path()).expect("a directory").count();
    assert_eq!(above, 2, "nothing leaves the directory");
    (tree(&out.path().join("bodies")), summary)
}

#[test]
fn bodies_become_files() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = capture().write(&directory);
    let (files, summary) = bodies(&path, "");
    let names: Vec<&str> = files.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        names,
        [
            "image/gif/_2e_2e_2f_2e_2e_2fa",
            "image/gif/a.html",
            "image/gif/a.html-1",
            "image/gif/a.html-2",
            "image/gif/index",
            "image/gif/passwd",
            "text/html/_2e_2e_2f_2e_2e_2fa",
            "text/html/a.html",
            "text/html/a.html-1",
            "text/html/a.html-2",
            "text/html/index",
            "text/html/passwd",
            "text/plain/_2e_2e_2f_2e_2e_2fa",
            "text/plain/a.html",
            "text/plain/a.html-1",
            "text/plain/a.html-2",
            "text/plain/cut.partial",
            "text/plain/index",
            "text/plain/passwd",
        ]
    );
    for (name, octets) in &files {
        match name.split_once('/').map(|(first, _)| first) {
            Some("image") => assert_eq!(octets, b"GIF89a\x00\x01"),
            _ if name == "text/plain/cut.partial" => assert_eq!(octets, b"the beginning"),
            _ if name.starts_with("text/html") => {
                assert_eq!(octets, b"<p>one fish, two fish</p>");
            }
            _ => assert!(octets.starts_with(b"nothing "), "{name}"),
        }
    }
    assert!(
        summary.contains("19 bodies kept") && summary.contains("1 of them partial"),
        "{summary}"
    );
}

#[test]
fn workers_and_batches_change_no_body() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = capture().write(&directory);
    let expected = bodies(&path, "-workers 1").0;
    for workers in [1, 3] {
        for batch in [1, 7, 1024] {
            let flags = format!("-workers {workers} -batch {batch}");
            assert!(bodies(&path, &flags).0 == expected, "{flags}");
        }
    }
}

#[test]
fn limits_on_bodies_are_told() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = capture().write(&directory);
    let (files, summary) = bodies(&path, "-files-count 2");
    assert_eq!(files.len(), 2);
    assert!(
        summary.contains("17 left out for their number (-files-count)"),
        "{summary}"
    );
}

#[test]
fn bodies_need_http() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = capture().write(&directory);
    let out = directory.path().join("bodies");
    for flags in ["-nohttp", "-include TCP", "-exclude HTTP"] {
        let (path, out) = (path.display(), out.display());
        let (code, _, errors) = run(&format!("-r {path} -out {out} -files {out} {flags}"));
        assert!(
            code == 1 && errors.contains("HTTP must be included"),
            "{errors}"
        );
    }
    assert!(!out.exists(), "nothing was begun");
}
