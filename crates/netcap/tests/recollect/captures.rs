//! What was captured at two hosts, a (10.9.0.1) and b (10.9.0.2), with a router between them, and agents that
//! read it.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use netcap_capture::{LinkType, Timestamp, pcap_writer};
use tempfile::TempDir;

const HOSTS: [([u8; 6], [u8; 4]); 2] = [
    ([2, 0, 0, 0, 0, 10], [10, 9, 0, 1]),
    ([2, 0, 0, 0, 0, 11], [10, 9, 0, 2]),
];
const ROUTER: [u8; 6] = [2, 0, 0, 0, 0, 1];

/// Frames of both captures with their times in microseconds.
#[derive(Default)]
pub(crate) struct Ends([Vec<(i64, Vec<u8>)>; 2]);

/// A packet with the header of IP.
struct Packet {
    source: [u8; 4],
    destination: [u8; 4],
    protocol: u8,
    identification: i64,
    /// Of a fragment, in units of 8 octets, and whether others follow.
    fragment: u16,
    carried: Vec<u8>,
}

impl Packet {
    fn frame(&self, from: [u8; 6], to: [u8; 6], hops_left: u8) -> Vec<u8> {
        let mut header = vec![0x45, 0];
        header.extend(((20 + self.carried.len()) as u16).to_be_bytes());
        header.extend((self.identification as u16).to_be_bytes());
        header.extend(self.fragment.to_be_bytes());
        header.extend([hops_left, self.protocol, 0, 0]);
        header.extend(self.source);
        header.extend(self.destination);
        let sum: u32 = header
            .chunks(2)
            .map(|pair| u32::from(pair[0]) << 8 | u32::from(pair[1]))
            .sum();
        let sum = !((sum & 0xffff) + (sum >> 16)) as u16;
        header[10..12].copy_from_slice(&sum.to_be_bytes());
        [&to[..], &from, &[8, 0], &header, &self.carried].concat()
    }
}

/// A datagram; its checksum is nothing that anybody would compute.
fn datagram(ports: (u16, u16), checksum: u16, payload: &[u8]) -> Vec<u8> {
    let length = 8 + payload.len() as u16;
    let header = [ports.0, ports.1, length, checksum].map(u16::to_be_bytes);
    [header.as_flattened(), payload].concat()
}

impl Ends {
    /// One host sends a packet, the other receives it after these delays.
    fn pass(&mut self, sender: usize, time: i64, packet: Packet, arrivals: &[i64]) {
        let receiver = 1 - sender;
        self.0[sender].push((time, packet.frame(HOSTS[sender].0, ROUTER, 64)));
        let mut changed = packet;
        // The interface computes it when it sends.
        if changed.protocol == 17 && changed.fragment & 0x1fff == 0 {
            changed.carried[6..8].copy_from_slice(&[0xbe, 0xef]);
        }
        let frame = changed.frame(ROUTER, HOSTS[receiver].0, 63);
        for delay in arrivals {
            self.0[receiver].push((time + delay, frame.clone()));
        }
    }

    fn packet(sender: usize, protocol: u8, identification: i64, carried: Vec<u8>) -> Packet {
        Packet {
            source: HOSTS[sender].1,
            destination: HOSTS[1 - sender].1,
            protocol,
            identification,
            fragment: 0,
            carried,
        }
    }

    /// A message of flow 7 of MGEN, of a to b.
    pub(crate) fn mgen(&mut self, number: i64, time: i64, arrivals: &[i64]) {
        let mut payload = vec![0, 64, 4, 0, 0, 0, 0, 7];
        payload.extend((number as u32).to_be_bytes());
        payload.resize(20, 0);
        payload.extend(5000_u16.to_be_bytes());
        payload.extend([1, 4]);
        payload.extend(HOSTS[1].1);
        payload.resize(64, 0);
        // It goes without an identification, as those of Linux do that may not be cut.
        let packet = Ends::packet(0, 17, 0, datagram((4000, 5000), 1, &payload));
        self.pass(0, time, packet, arrivals);
    }

    /// A datagram of a to b.
    pub(crate) fn udp(&mut self, port: u16, number: i64, time: i64, arrivals: &[i64]) {
        let packet = Ends::packet(0, 17, number, datagram((4000, port), 2, b"the same in all"));
        self.pass(0, time, packet, arrivals);
    }

    /// One in two fragments, of which the second may be lost.
    pub(crate) fn fragments(
        &mut self,
        port: u16,
        number: i64,
        time: i64,
        delay: i64,
        is_cut: bool,
    ) {
        let whole = datagram((4000, port), 3, &[7; 200]);
        let (first, second) = whole.split_at(104);
        let part = |carried: &[u8], fragment| Packet {
            fragment,
            ..Ends::packet(0, 17, 30_000 + number, carried.to_vec())
        };
        self.pass(0, time, part(first, 0x2000), &[delay]);
        let arrivals = if is_cut { vec![] } else { vec![delay] };
        self.pass(0, time + 1, part(second, 104 / 8), &arrivals);
    }

    /// An echo request of a to b.
    pub(crate) fn ping(&mut self, number: i64, time: i64, delay: i64) {
        let mut message = vec![8, 0, 0, 0, 0, 1];
        message.extend((number as u16).to_be_bytes());
        message.resize(64, 0xaa);
        self.pass(
            0,
            time,
            Ends::packet(0, 1, 40_000 + number, message),
            &[delay],
        );
    }

    /// A datagram of b to a.
    pub(crate) fn back(&mut self, port: u16, number: i64, time: i64, delay: i64) {
        let packet = Ends::packet(1, 17, number, datagram((4000, port), 4, b"and back"));
        self.pass(1, time, packet, &[delay]);
    }

    /// A datagram of somebody else to b.
    pub(crate) fn stranger(&mut self, number: i64, time: i64) {
        let packet = Packet {
            source: [10, 9, 0, 99],
            ..Ends::packet(0, 17, number, datagram((4000, 5000), 5, b"from afar"))
        };
        self.0[1].push((time, packet.frame(ROUTER, HOSTS[1].0, 60)));
    }
}

/// An agent for each capture.
pub(crate) struct Both {
    agents: Vec<(Child, String)>,
    _folder: TempDir,
}

impl Both {
    pub(crate) fn new(ends: &Ends) -> Both {
        let folder = tempfile::tempdir().unwrap();
        let agents = ["a", "b"].into_iter().zip(&ends.0).zip(HOSTS);
        let agents = agents.map(|((label, frames), (mac, ip))| {
            let mut frames = frames.clone();
            frames.sort_by_key(|(time, _)| *time);
            let mut file = pcap_writer::file_header(LinkType::ETHERNET, 262_144).to_vec();
            for (time, frame) in frames {
                let time = Timestamp {
                    seconds: 1_700_000_000 + time.div_euclid(1_000_000),
                    nanos: time.rem_euclid(1_000_000) as u32 * 1000,
                };
                pcap_writer::append_record(&mut file, time, frame.len() as u32, &frame);
            }
            let name = format!("{label}.pcap");
            std::fs::write(folder.path().join(&name), file).unwrap();
            let mac = mac.map(|octet| format!("{octet:02x}")).join(":");
            let ip = ip.map(|octet| octet.to_string()).join(".");
            let mut child = Command::new(env!("CARGO_BIN_EXE_pcapper"))
                .args(["--read", &name, "-m", "none", "--mac", &mac, "--ip", &ip])
                .args(["--listen", "127.0.0.1:0", "--extended", "127.0.0.1:0"])
                .current_dir(folder.path())
                .stdin(Stdio::null())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap();
            let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
            let line =
                lines.find_map(|line| line.ok().filter(|line| line.contains("extended stream")));
            let line = line.unwrap();
            // Whatever else it says is read, so that it is not held up.
            std::thread::spawn(move || lines.for_each(drop));
            let place = line.rsplit(' ').next().unwrap();
            (child, format!("{label}:{place} extended\n"))
        });
        Both {
            agents: agents.collect(),
            _folder: folder,
        }
    }

    pub(crate) fn config(&self) -> String {
        self.agents.iter().map(|(_, line)| line.as_str()).collect()
    }
}

impl Drop for Both {
    fn drop(&mut self) {
        for (child, _) in &mut self.agents {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
