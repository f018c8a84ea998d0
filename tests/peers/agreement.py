"""What mgen, socat and ping send: is every datagram's record what tcpdump has seen on the same wire?"""

import collections
import re
import socket
import struct
import time

from peers import packets
from peers.lab import PORT, until

MULTICAST = "224.1.2.3"
# Flow, kind, port of destination, pattern with packets a second and octets of a message.
FLOWS = [
    (1, "UDP", 5001, "PERIODIC [100 28]"),
    (70_000, "UDP", 5002, "POISSON [100 512]"),
    (0xFFFF_FFFD, "UDP", 5003, "PERIODIC [50 1472]"),
    (4, "UDP", 5004, "PERIODIC [40 1473]"),
    (5, "UDP", 5005, "POISSON [20 8192]"),
    (6, "multicast", 5006, "PERIODIC [50 1000]"),
    (7, "multicast", 5007, "POISSON [20 4000]"),
    (8, "TCP", 5008, "PERIODIC [50 1024]"),
    (9, "TCP", 5009, "POISSON [20 8192]"),
]
# Octets of the first fragment of a datagram, where frames carry 1500.
FIRST_FRAGMENT = 1500


def agreement(lab, report, seconds):
    here, there = "left", "right"
    # Name, host, the agent's mode, the same for tcpdump, port.
    watchers = [
        ("src", here, f"ether src {lab.mac(here)}", PORT),
        ("dst", there, f"ether src not {lab.mac(there)}", PORT),
        ("none", there, "", PORT + 1),
    ]
    watched = []
    for mode, host, filter, port in watchers:
        seen = lab.folder / f"{mode}.pcap"
        # Short packets, so that its ring has room for many.
        flags = "-i eth0 -n -s 128 -B 65536 --immediate-mode -Z root -w".split()
        tcpdump = lab.start(host, ["tcpdump", *flags, seen, filter])
        until("tcpdump captures", lambda: "listening on" in tcpdump.said())
        log = lab.folder / f"{mode}.log"
        agent = lab.agent(host, f"-i eth0 -m {mode} --listen 127.0.0.1:{port} -f {log}")
        collector = lab.collector(host, port=port)
        agent.says("connected")
        watched.append((mode, tcpdump, seen, agent, collector, log))
    sent = traffic(lab, here, there, seconds)
    # What is captured last takes its way.
    time.sleep(1)
    greatest = 0
    for mode, tcpdump, seen, agent, collector, log in watched:
        tcpdump.end()
        report.check(f"{mode}: tcpdump has lost nothing", tcpdump.number("packets? dropped by kernel") == 0)
        report.equal(f"{mode}: exit code", agent.end(), 0)
        found = packets.records(collector.end())
        greatest = max(greatest, compare(report, mode, packets.expected(seen.read_bytes()), found))
        report.check(f"{mode}: the log has the same", log.read_text().splitlines()
                     == [packets.line(record) for record in found])
        account = agent.account()
        report.equal(f"{mode}: packets of the account", account["packets"],
                     len(list(packets.capture(seen.read_bytes()))))
        report.equal(f"{mode}: dropped by the kernel", account["dropped by the kernel"], 0)
        if mode == "src":
            of_mgen(report, sent, found)
            report.check("src: pings and later fragments are counted",
                         account.get("other protocol", 0) > 0 and account.get("later fragment", 0) > 0,
                         f"{account}")
    report.tell("the greatest difference in time to tcpdump, where the kernel stamps for each socket anew: "
                f"{greatest} µs")


def traffic(lab, here, there, seconds):
    """Sends all kinds; gives what mgen says it has sent."""
    target = lab.address(there)
    listen = "".join(f"0.0 LISTEN {'TCP' if kind == 'TCP' else 'UDP'} {port}\n"
                     for _, kind, port, _ in FLOWS)
    (lab.folder / "right.mgn").write_text(f"{listen}0.0 JOIN {MULTICAST}\n")
    lines = []
    for flow, kind, port, pattern in FLOWS:
        protocol = "TCP" if kind == "TCP" else "UDP"
        to = MULTICAST if kind == "multicast" else target
        lines.append(f"0.0 ON {flow} {protocol} SRC {port + 1000} DST {to}/{port} {pattern}\n"
                     f"{seconds}.0 OFF {flow}\n")
    (lab.folder / "left.mgn").write_text("".join(lines))
    receivers = [
        lab.start(there, "mgen flush input right.mgn output right.mgenlog"),
        lab.start(there, "socat -u UDP4-RECV:9000 OPEN:/dev/null"),
        lab.start(there, "socat -u TCP4-LISTEN:9001,fork,reuseaddr OPEN:/dev/null"),
    ]
    until("mgen listens", lambda: "JOIN" in (lab.folder / "right.mgenlog").read_text()
          if (lab.folder / "right.mgenlog").exists() else False)
    (lab.folder / "bulk").write_bytes(bytes(3_000_000))
    mgen = lab.start(here, "mgen flush txlog input left.mgn output left.mgenlog")
    for command in [f"socat -u -b 8000 OPEN:bulk UDP4-SENDTO:{target}:9000,shut-none",
                    f"socat -u -b 500 OPEN:left.mgn UDP4-SENDTO:{target}:9000,shut-none",
                    f"socat -u OPEN:bulk TCP4:{target}:9001",
                    f"ping -c 10 -i 0.1 {target}",
                    f"ping -c 10 -i 0.1 -s 4000 {target}"]:
        code = lab.start(here, command).process.wait(timeout=60)
        if code != 0:
            raise RuntimeError(f"{command}: {code}")
    last = f"OFF flow>{FLOWS[-1][0]}"
    log = lab.folder / "left.mgenlog"
    until("mgen has sent all", lambda: log.read_text().count("OFF ") == len(FLOWS), seconds + 60)
    assert last in log.read_text()
    time.sleep(0.5)
    for program in [mgen, *receivers]:
        program.end()
    return log.read_text()


def compare(report, mode, expected, found):
    """Compares one to one; gives the greatest difference in time, in microseconds.

    In order by connection: of packets that two processors have at once, two sockets may get one or the other
    first.
    """
    report.equal(f"{mode}: records", len(found), len(expected))
    ours, theirs = by_connection(found), by_connection(expected)
    differing = [(a, b) for a, b in zip(ours, theirs) if a[1:] != b[1:]]
    report.check(f"{mode}: addresses, ports, lengths, flows and protocols are those of tcpdump",
                 not differing and len(found) == len(expected), f"{differing[:1] or ''}")
    moved = sum(a[1:] != b[1:] for a, b in zip(found, expected))
    report.tell(f"{mode}: records that another one has changed places with: {moved}")
    flows = collections.Counter(record.flow for record in found if record.flow)
    report.check(f"{mode}: all flows are there",
                 set(flows) == {flow for flow, kind, _, _ in FLOWS if kind != "TCP"}, f"{dict(flows)}")
    greatest = max((abs(a.time - b.time) for a, b in zip(ours, theirs)), default=0)
    report.check(f"{mode}: times are within a millisecond", greatest <= 1000)
    return greatest


def by_connection(records):
    return sorted(records, key=lambda record: (*record[1:5], record.protocol))


def of_mgen(report, log, found):
    """Compares with what mgen says it has sent."""
    pattern = r"SEND proto>UDP flow>(\d+) seq>\d+ srcPort>(\d+) dst>([\d.]+)/(\d+) size>(\d+)"
    said = collections.defaultdict(list)
    for flow, sport, destination, dport, size in re.findall(pattern, log):
        length = min(int(size) + 28, FIRST_FRAGMENT)
        said[int(flow)].append((int(sport), destination, int(dport), length))
    recorded = collections.defaultdict(list)
    for record in found:
        if record.flow:
            destination = socket.inet_ntoa(struct.pack(">I", record.destination))
            recorded[record.flow].append((record.source_port, destination, record.destination_port,
                                          record.length))
    report.check("src: datagrams by flow are those of mgen's own log, in order", said == recorded,
                 f"{sum(map(len, said.values()))} of {len(said)} flows")
