//! Filters of every kind that pcap-filter(7) has, over captures of many link types: kept are exactly
//! the packets that `tcpdump -r` keeps, and refused is what it refuses, in the same words.
//!
//! Skipped where there is no tcpdump, or no libpcap.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::process::Command;

use netcap_capture::{
    Batch, Filter, FilterError, LinkType, Source, Timestamp, from_reader, libpcap, open,
};

/// The filters, one to a line, each list after the link types that it is tried on.
const FILTERS: [(&[LinkType], &str); 4] = [
    (
        &[
            LinkType::ETHERNET,
            LinkType::RAW,
            LinkType::NULL,
            LinkType::PPP,
            LinkType::LINUX_SLL2,
            LinkType::IEEE802_11_RADIOTAP,
        ],
        r"
host 192.0.2.1
src host 192.0.2.1
dst host 192.0.2.1
src or dst host 192.0.2.1
src and dst host 192.0.2.1
ip host 192.0.2.1
host 2001:db8::1
ip6 src host 2001:db8::1
net 192.0.2
net 192.0.2.0/24
src net 192.0.2.0 mask 255.255.255.0
dst net 2001:db8::/32
not net 10
port 53
src port 53
dst port 80
tcp port 80
udp port 53
tcp src port 443
sctp port 2905
port http or port domain
portrange 50-600
tcp portrange 1-1023
udp dst portrange 1000-65535
less 100
greater 100
len = 60
len > 64 and len <= 200
ip
ip6
ip proto 17
ip proto \tcp
ip6 proto 58
proto 50
ip protochain 6
ip6 protochain 17
ip6 protochain 58
protochain 6
tcp
udp
sctp
icmp
icmp6
igmp
pim
vrrp
ah
esp
ip proto 47
tcp[tcpflags] & (tcp-syn|tcp-fin) != 0
tcp[tcpflags] == tcp-ack
tcp[13] & 0x3f = 0x12
tcp[2:2] = 80
(tcp[12:1] & 0xf0) >> 2 > 20
ip[0] & 0xf != 5
ip[6:2] & 0x1fff = 0
ip[8] < 64
ip[2:2] - ((ip[0] & 0xf) << 2) > 100
((ip[2:2] - ((ip[0]&0xf)<<2)) - ((tcp[12]&0xf0)>>2)) != 0
ip6[6] = 58
ip6[40] = 135
udp[4:2] > 30
udp[8:2] ^ 0xffff != 0
icmp[icmptype] = icmp-echo or icmp[icmptype] = icmp-echoreply
icmp[icmptype] != icmp-unreach and icmp[icmpcode] = 0
icmp6[icmp6type] = icmp6-neighborsolicit
icmp6[icmp6type] == icmp6-echo
sctp[0:2] = 2905
igmp[0] = 0x16
len % 2 = 0
len / 10 = 6
-len + 100 < 40
ip[ip[0] & 1 : 1] != 0
1 = 1
not ip and not ip6
! (tcp or udp) and (ip || ip6)
tcp && port 80 || udp && port 53
src host 192.0.2.1 and not (port 80 or port 443)
ip broadcast
ip multicast
ip6 multicast
tcp and udp
ip host 02:00:00:00:00:01
tcp[0:3] = 1
tcp prot 80
",
    ),
    (
        &[
            LinkType::ETHERNET,
            LinkType::RAW,
            LinkType::LINUX_SLL,
            LinkType::PPP,
            LinkType::FDDI,
            LinkType::IEEE802_5,
            LinkType::C_HDLC,
        ],
        r"
arp
rarp
arp host 192.0.2.1
arp[6:2] = 1
ether host 02:00:00:00:00:01
ether src 02:00:00:00:00:01
ether dst 02:00:00:00:00:02
ether proto 0x0806
ether proto \ip6
ether[0] & 1 != 0
ether[12:2] * 2 > 0x1000
ether broadcast
ether multicast
broadcast
multicast
inbound
outbound
vlan
vlan 10
vlan and tcp
vlan and vlan
mpls
mpls 16
mpls and ip
mpls and mpls and host 192.0.2.1
pppoed
pppoes
pppoes and ip
pppoes 1 and tcp
geneve
geneve and ip
geneve 5 and udp
iso
clnp
esis
isis
iso proto 130
llc
llc ui
llc s
llc u
stp
ipx
netbeui
aarp
atalk
decnet
decnet host 1.2
lat
moprc
mopdl
ppp proto 0x21
fddi host 02:00:00:00:00:01
tr host 02:00:00:00:00:01
ether proto \nonsense
",
    ),
    (
        &[
            LinkType::IEEE802_11,
            LinkType::IEEE802_11_RADIOTAP,
            LinkType::IEEE802_11_AVS,
            LinkType::IEEE802_11_PRISM,
            LinkType::PPI,
            LinkType::ETHERNET,
        ],
        "
wlan type mgt
wlan type data
type ctl
subtype beacon
type mgt subtype probe-req
type data subtype qos-data
wlan addr1 ff:ff:ff:ff:ff:ff
wlan addr2 02:00:00:00:00:01
wlan host 02:00:00:00:00:01
wlan ra ff:ff:ff:ff:ff:ff
wlan ta 02:00:00:00:00:01
dir tods
dir fromds
wlan[0] = 0x80
radio[0:2] = 0
broadcast
arp
ip
",
    ),
    (
        &[
            LinkType::ETHERNET,
            LinkType::LINUX_SLL,
            LinkType::PFLOG,
            LinkType::SUNATM,
            LinkType::USB_LINUX,
            LinkType::USER0,
        ],
        "
ifname eth0
action pass
rulenum 1
inbound
vpi 1
fisu
hsio 1
link[0] = 2
ip
",
    ),
];

/// Filters that say something about most captures.
const SOME: [&str; 10] = [
    "tcp port 443 or udp port 53",
    "ip6 protochain 58",
    "vlan and ip",
    "ip[2:2] - ((ip[0] & 0xf) << 2) > 100",
    "not (arp or ip or ip6)",
    "len > 200 or ether multicast",
    "portrange 1-1023 and not tcp[tcpflags] & tcp-ack = 0",
    "net 10.0.0.0/8 or net 192.168.0.0/16 or ip6 net fe80::/10",
    "pppoes and (tcp or udp)",
    "ip[6:2] & 0x1fff != 0 or greater 1000",
];

/// How many packets tcpdump keeps of some captures, for machines without it.
const KNOWN: [(&str, &str, usize); 16] = [
    ("mixed.pcap", "udp", 2),
    ("example.pcap", "tcp port 443 or udp port 53", 8),
    ("ipv6_extension.pcap", "ip6 protochain 17", 11),
    ("dot11_management.pcap", "type mgt subtype beacon", 3),
    ("radiotap.pcap", "wlan type data", 17),
    ("sll2.pcap", "ip", 4),
    ("raw.pcap", "ip6", 1),
    ("ppp.pcap", "ppp proto 0x21", 1),
    ("pppoe.pcap", "pppoes and ip", 5),
    ("mpls.pcap", "mpls and ip", 2),
    ("dot1q.pcap", "vlan and vlan", 2),
    ("llc.pcap", "llc ui", 2),
    ("tcp.pcap", "tcp[tcpflags] & tcp-syn != 0", 10),
    ("icmpv6.pcap", "icmp6[icmp6type] = icmp6-echo", 3),
    ("snaplen.pcap", "greater 100", 9),
    ("geneve.pcap", "geneve and ip", 5),
];

/// A packet, as far as a filter may not change it.
type Seen = (Timestamp, u32, Vec<u8>);

/// The packets of a source that the filter keeps.
fn kept(mut source: Box<dyn Source>, filter: Option<&Filter>) -> Result<Vec<Seen>, FilterError> {
    let mut batch = Batch::new(1 << 20, 1024);
    let mut kept = Vec::new();
    // A capture that is cut short ends for tcpdump too.
    while let Ok(true) = source.fill(&mut batch) {
        for (packet, octets) in batch.iter() {
            let is_kept = match filter {
                Some(filter) => filter.keeps(packet.link_type, octets, packet.original_len)?,
                None => true,
            };
            if is_kept {
                kept.push((packet.timestamp, packet.original_len, octets.to_vec()));
            }
        }
    }
    Ok(kept)
}

/// What tcpdump keeps, or why it refuses the filter.
fn kept_by_tcpdump(path: &Path, expression: &str) -> Result<Vec<Seen>, String> {
    let output = Command::new("tcpdump")
        .args(["--nano", "-n", "-w", "-", "-r"])
        .arg(path)
        .args(["--", expression])
        .output()
        .expect("tcpdump runs");
    if output.stdout.is_empty() {
        let errors = String::from_utf8_lossy(&output.stderr);
        let last = errors.lines().last().unwrap_or_default();
        return Err(last.trim_start_matches("tcpdump: ").to_owned());
    }
    let source = from_reader("tcpdump", Box::new(Cursor::new(output.stdout)), None);
    Ok(kept(source.expect("a capture"), None).expect("without a filter"))
}

/// What we keep, or libpcap's words.
fn kept_by_us(path: &Path, expression: &str) -> Result<Vec<Seen>, String> {
    let explain = |error| match error {
        FilterError::Wrong { message, .. } | FilterError::Unfit { message, .. } => message,
        FilterError::Libpcap(error) => error.to_string(),
    };
    let filter = Filter::new(expression).map_err(explain)?;
    kept(open(path).expect("a capture"), Some(&filter)).map_err(explain)
}

/// The difference between the two, for one filter and one capture.
fn difference(path: &Path, expression: &str) -> Option<String> {
    let (ours, theirs) = (
        kept_by_us(path, expression),
        kept_by_tcpdump(path, expression),
    );
    (ours != theirs).then(|| told(path, expression, &counted(ours), &counted(theirs)))
}

/// The same of the number of packets alone, for captures of which tcpdump changes lengths or times.
fn difference_in_number(path: &Path, expression: &str) -> Option<String> {
    let ours = counted(kept_by_us(path, expression));
    let theirs = counted(kept_by_tcpdump(path, expression));
    (ours != theirs).then(|| told(path, expression, &ours, &theirs))
}

fn counted(kept: Result<Vec<Seen>, String>) -> Result<usize, String> {
    kept.map(|kept| kept.len())
}

fn told(path: &Path, expression: &str, ours: &impl Debug, theirs: &impl Debug) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    format!("{name}: {expression}: {ours:?} here, {theirs:?} by tcpdump")
}

/// Whether what is compared with is there.
fn can_compare() -> bool {
    if let Err(error) = libpcap::version() {
        eprintln!("skipped: {error}");
        return false;
    }
    let is_there = Command::new("tcpdump").arg("--version").output().is_ok();
    if !is_there {
        eprintln!("skipped: tcpdump is not installed");
    }
    is_there
}

fn project(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .join(path)
}

fn captures_in(directory: &Path, found: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(directory) else {
        return;
    };
    for entry in entries.flatten() {
        let path = entry.path();
        if path.is_dir() {
            captures_in(&path, found);
        } else if path
            .extension()
            .is_some_and(|e| e == "pcap" || e == "pcapng")
        {
            found.push(path);
        }
    }
    found.sort();
}

/// The packets of all captures of the project, in one file for each link type, as tcpdump reads one
/// link type at a time. Those that a machine of the other byte order captured are in a file of that
/// order, where it matters.
fn by_link_type(directory: &Path) -> BTreeMap<(LinkType, bool), PathBuf> {
    let mut captures = Vec::new();
    captures_in(&project("tests/captures"), &mut captures);
    let mut files: BTreeMap<(LinkType, bool), Vec<u8>> = BTreeMap::new();
    for path in captures {
        let Ok(mut source) = open(&path) else {
            continue;
        };
        let mut batch = Batch::new(1 << 20, 1024);
        while let Ok(true) = source.fill(&mut batch) {
            for (packet, octets) in batch.iter() {
                let is_big = packet.link_type == LinkType::NULL && octets.first() == Some(&0);
                let long = |n: u32| {
                    if is_big {
                        n.to_be_bytes()
                    } else {
                        n.to_le_bytes()
                    }
                };
                let file = files.entry((packet.link_type, is_big)).or_insert_with(|| {
                    let versions = if is_big { [0, 2, 0, 4] } else { [2, 0, 4, 0] };
                    let (magic, snaplen) = (long(0xa1b2_3c4d), long(262_144));
                    [
                        magic,
                        versions,
                        [0; 4],
                        [0; 4],
                        snaplen,
                        long(packet.link_type.0),
                    ]
                    .concat()
                });
                let lengths = [octets.len() as u32, packet.original_len];
                let times = [packet.timestamp.seconds as u32, packet.timestamp.nanos];
                for number in times.into_iter().chain(lengths) {
                    file.extend(long(number));
                }
                file.extend(octets);
            }
        }
    }
    let write = |((link_type, is_big), octets): ((LinkType, bool), Vec<u8>)| {
        let path = directory.join(format!("{link_type}-{is_big}.pcap"));
        std::fs::write(&path, octets).expect("written");
        ((link_type, is_big), path)
    };
    files.into_iter().map(write).collect()
}

fn filters(text: &'static str) -> impl Iterator<Item = &'static str> {
    text.lines().filter(|line| !line.is_empty())
}

/// Does it for all of a list, on all processors.
fn each<T: Sync>(all: &[T], differ: impl Fn(&T) -> Vec<String> + Sync) -> Vec<String> {
    let count = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        let differ = &differ;
        let threads: Vec<_> = (0..count)
            .map(|first| all.iter().skip(first).step_by(count))
            .map(|part| scope.spawn(move || part.flat_map(differ).collect::<Vec<_>>()))
            .collect();
        let results = threads.into_iter().map(|thread| thread.join());
        results
            .flat_map(|result| result.expect("no panic"))
            .collect()
    })
}

#[test]
fn as_many_packets_as_tcpdump_keeps() {
    if let Err(error) = libpcap::version() {
        eprintln!("skipped: {error}");
        return;
    }
    for (name, filter, count) in KNOWN {
        let path = project("tests/captures").join(name);
        let kept = kept_by_us(&path, filter).map(|kept| kept.len());
        assert_eq!(kept, Ok(count), "{name}: {filter}");
    }
}

#[test]
fn the_packets_that_tcpdump_keeps() {
    if !can_compare() {
        return;
    }
    assert!(FILTERS.iter().flat_map(|(_, text)| filters(text)).count() >= 75);
    let directory = tempfile::tempdir().expect("a directory");
    let captures = by_link_type(directory.path());
    let pairs: Vec<(&Path, &str)> = FILTERS
        .iter()
        .flat_map(|(link_types, text)| {
            let captures = captures.iter();
            let chosen = captures.filter(|((link_type, _), _)| link_types.contains(link_type));
            chosen.flat_map(|(_, path)| filters(text).map(|filter| (path.as_path(), filter)))
        })
        .collect();
    let differing = each(&pairs, |(path, filter)| {
        difference(path, filter).into_iter().collect()
    });
    assert!(differing.is_empty(), "{}", differing.join("\n"));
}

#[test]
#[ignore = "minutes: every filter on every link type, and some on the captures beside the project"]
fn the_packets_that_tcpdump_keeps_everywhere() {
    if !can_compare() {
        return;
    }
    let directory = tempfile::tempdir().expect("a directory");
    let mut captures = by_link_type(directory.path());
    // libpcap has no filters for it, and says so before it looks at one.
    captures.remove(&(LinkType(3), false));
    let captures: Vec<PathBuf> = captures.into_values().collect();
    let all: Vec<&str> = FILTERS.iter().flat_map(|(_, text)| filters(text)).collect();
    let mut differing = each(&captures, |path| {
        let differ = |filter: &&str| difference(path, filter);
        all.iter().filter_map(differ).collect()
    });
    let mut shared = Vec::new();
    captures_in(&project("../shared/captures"), &mut shared);
    // Its packet is longer than its header allows, and tcpdump cuts it.
    shared.retain(|path| !path.ends_with("ieee802.11_meshhdr-oobr.pcap"));
    differing.extend(each(&shared, |path| {
        // What tcpdump does not read to its end, as with a second link type, is no matter of filters.
        if difference_in_number(path, "").is_some() {
            return Vec::new();
        }
        let differ = |filter| difference_in_number(path, filter);
        SOME.into_iter().filter_map(differ).collect()
    }));
    assert!(differing.is_empty(), "{}", differing.join("\n"));
}
