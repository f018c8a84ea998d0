"""Interfaces that go away, a full disk, hostile frames, a collector on the watched link."""

import signal
import threading
import time

from peers import packets
from peers.collectors import frames_of
from peers.flood import at_a_rate
from peers.lab import METRICS, PORT, Collector, sh, until


def surroundings(lab, report, captures):
    hostile(lab, report, captures)
    watched_link(lab, report)
    addresses(lab, report)
    full_disk(lab, report)
    removed(lab, report)


def count_at(lab, host, count):
    until(f"{count} packets came", lambda: lab.metric(host, "pcapper_packets_total") >= count)


def hostile(lab, report, captures):
    """Frames that no sane sender sends, and those of captures that are given; then ordinary ones."""
    name = "hostile frames"
    frames = odd_frames(lab)
    # To our address, as the bridge would have others go elsewhere.
    macs = packets.ethernet(lab.mac("right"), lab.mac("left"))[:12]
    for capture in captures:
        given = packets.capture(capture.read_bytes())
        frames += [macs + frame[12:] for _, frame in given if len(frame) >= 14]
    agent = lab.agent("right", f"-i eth0 -m none --listen 127.0.0.1 -f /dev/null {METRICS}")
    strict = lab.agent("right", f"-i eth0 -m none --mgen strict --listen 127.0.0.1:{PORT + 1} -f /dev/null")
    reader = lab.collector("right")
    until("it is there", lambda: lab.metric("right", "pcapper_collectors") == 1)
    wire = lab.wire("left")
    for frame in frames:
        wire.send(frame)
    at_a_rate(wire, frames_of(lab), 1000, 5000)
    count_at(lab, "right", len(frames) + 1000)
    for program in (agent, strict):
        report.equal(f"{name}: exit code", program.end(), 0)
    counts = agent.account()
    wanted = account_of(frames)
    wanted["recorded"] += 1000
    wanted["packets"] = len(frames) + 1000
    wanted["dropped by the kernel"] = 0
    report.equal(f"{name}: the account of {len(frames)}, and of 1,000 ordinary ones behind them", counts,
                 {key: value for key, value in wanted.items() if value or key.startswith("dropped")})
    found = packets.records(reader.end())
    report.equal(f"{name}: records", len(found), wanted["recorded"])
    report.check(f"{name}: all ordinary ones are there",
                 [record.source_port for record in found[-1000:]] == list(range(1000, 2000)))


def odd_frames(lab):
    """Headers that cannot be, of every length, and messages that are nearly of MGEN."""
    head = packets.ethernet(lab.mac("right"), lab.mac("left"))
    ends = lab.address("left"), lab.address("right")
    whole = head + packets.ipv4(*ends, 17, packets.udp(1, 2, bytes(40)))
    frames = [whole[:length] for length in range(14, len(whole))]
    for octet in range(256):
        frames.append(head + packets.ipv4(*ends, 17, packets.udp(1, 2, bytes(40)), head=octet))
        frames.append(head + packets.ipv4(*ends, octet, packets.udp(1, 2, bytes(40))))
    for length in (0, 1, 19, 65535):
        frame = bytearray(whole)
        frame[16:18] = length.to_bytes(2, "big")
        frames.append(bytes(frame))
    # BMF, an encapsulation that an old agent looked into: cut, and whole.
    for length in (0, 11, 12, 20, 31, 32, 60):
        frames.append(head + packets.ipv4(*ends, 17, packets.udp(50698, 50698, bytes([0x45]) * length)))
    return frames


def account_of(frames):
    """What is to become of frames, by reason, as docs/pcapper.md says."""
    counts = {"recorded": 0, "not ipv4": 0, "later fragment": 0, "other protocol": 0, "malformed": 0}
    for frame in frames:
        counts[fate_of(frame)] += 1
    return counts


def fate_of(frame):
    packet = frame[14:]
    if frame[12:14] != b"\x08\x00":
        return "not ipv4"
    if len(packet) < 20:
        return "malformed"
    if int.from_bytes(packet[6:8], "big") & 0x1FFF:
        return "later fragment"
    if packet[0] >> 4 != 4:
        return "not ipv4"
    if packet[9] not in (packets.TCP, packets.UDP):
        return "other protocol"
    length = 4 * (packet[0] & 15)
    return "recorded" if length >= 20 and len(packet) >= length + 4 else "malformed"


def watched_link(lab, report):
    """A collector on the link that is watched: its records make no records, unless that is asked for."""
    name = "a collector on the watched link"
    here = lab.address("left")
    agent = lab.agent("left", "-i eth0 -m src -f link.log")
    collector = lab.collector("right", here)
    agent.says("connected")
    at_a_rate(lab.wire("left"), frames_of(lab), 500, 500)
    # A feedback would go on by itself.
    time.sleep(1)
    report.equal(f"{name}: exit code", agent.end(), 0)
    report.equal(f"{name}: records received", collector.count(), 500)
    counts = agent.account()
    report.equal(f"{name}: packets recorded", counts["recorded"], 500)
    report.equal(f"{name}: lines of the log", (lab.folder / "link.log").read_text().count("\n"), 500)
    report.check(f"{name}: that it listens to all is warned of",
                 "anyone who can reach it learns who talks to whom here" in agent.said())
    agent = lab.agent("left", "-i eth0 -m src -f own.log --include-own")
    collector = lab.collector("right", here)
    agent.says("connected")
    at_a_rate(lab.wire("left"), frames_of(lab), 5, 500)
    time.sleep(1)
    report.equal(f"{name}: --include-own: exit code", agent.end(), 0)
    report.check(f"{name}: --include-own is warned of", "--include-own: a record sent" in agent.said())
    report.check(f"{name}: --include-own does what it says", agent.account()["recorded"] > 10,
                 f"5 datagrams, {agent.account()['recorded']:,} records")


def addresses(lab, report):
    """Addresses that come after the start are ours, too; and no packet is lost as the filter changes."""
    name = "addresses that come later"
    left, right = (f"ip -n {lab.space(host)} address" for host in ("left", "right"))
    agent = lab.agent("left", f"-i eth0 -m none --extended 0.0.0.0 -f /dev/null {METRICS}")
    sh(f"{left} add 10.98.0.1/24 dev eth0 && {right} add 10.98.0.2/24 dev eth0")
    agent.says("the interface has changed")
    extended = lab.connect("right", "10.98.0.1", PORT + 2)
    extended.sendall(b"PCAPPER-EXTENDED 1\n")
    classic, extended = lab.collector("right", "10.98.0.1"), Collector(extended)
    until("both are there", lambda: all(
        lab.metric("left", f"pcapper_{stream}collectors") == 1 for stream in ("", "extended_")))
    # A feedback would go on by itself.
    time.sleep(2)
    report.equal(f"{name}: records make no records", classic.count(), 0)
    report.check(f"{name}: the extended stream tells of it", bytes([4, 10, 98, 0, 1]) in extended.octets)
    sender = threading.Thread(target=at_a_rate, args=(lab.wire("left"), frames_of(lab), 40_000, 10_000))
    sender.start()
    changes = 0
    while sender.is_alive():
        sh(f"{left} {'del' if changes % 2 else 'add'} 10.98.1.1/24 dev eth0")
        changes += 1
        time.sleep(1.1)
    report.equal(f"{name}: exit code", agent.end(), 0)
    found = sum(record.destination_port == 9 for record in packets.records(classic.end()))
    report.equal(f"{name}: recorded + dropped = sent while {changes} changed the filter",
                 found + agent.account()["dropped by the kernel"], 40_000)
    sh(f"{left} del 10.98.0.1/24 dev eth0; {right} del 10.98.0.2/24 dev eth0; {left} del 10.98.1.1/24 dev eth0",
       check=False)


def full_disk(lab, report):
    """No room for the log, then room again: collectors have all, and the log has whole lines."""
    name = "a full disk"
    place = lab.folder / "small"
    place.mkdir()
    sh(f"mount -t tmpfs -o size=256k tmpfs {place}")
    try:
        # The agent comes after the mount, to see it.
        log, ballast = place / "pcapper.log", place / "ballast"
        agent = lab.agent("right", f"-i eth0 -m none --listen 127.0.0.1 -f {log} {METRICS}")
        collector = lab.collector("right")
        until("it is there", lambda: lab.metric("right", "pcapper_collectors") == 1)
        wire = lab.wire("left")
        ballast.write_bytes(bytes(200 << 10))
        at_a_rate(wire, frames_of(lab), 20_000, 10_000)
        agent.says("cannot write the log")
        # But for the one that is half on the disk.
        until("lines are counted as lost",
              lambda: lab.metric("right", "pcapper_log_lines_total") >= 20_000 - 1)
        lost_before = log.read_text().count("\n")
        ballast.unlink()
        at_a_rate(wire, frames_of(lab), 1000, 10_000)
        until("lines are written again", lambda: log.read_text().count("\n") > lost_before)
        report.equal(f"{name}: exit code", agent.end(), 0)
        report.equal(f"{name}: the collector has all", len(collector.end()), 28 * 21_000)
        text = log.read_text()
        written, lost = agent.number("lines written"), agent.number("lost\n")
        report.equal(f"{name}: written + lost = recorded", written + lost, 21_000)
        report.check(f"{name}: some are lost, and told of once", lost > 0
                     and agent.said().count("cannot write the log") == 1, f"{lost:,}")
        report.equal(f"{name}: lines in the log", text.count("\n"), written)
        report.check(f"{name}: all lines are whole", text.endswith("\n")
                     and all(line.count(":") == 7 and line.endswith(":17") for line in text.splitlines()))
    finally:
        sh(f"umount -l {place}")


def removed(lab, report):
    """The interface is taken away: exit code 4, or with --reattach waiting for it."""
    name = "the interface is removed"
    agent = lab.agent("third", "-i eth0 -m none --listen 127.0.0.1 -f /dev/null")
    patient = lab.agent("third", f"-i eth0 -m none --listen 127.0.0.1:{PORT + 1} -f /dev/null --reattach "
                                 f"{METRICS}")
    collectors = lab.collector("third"), lab.collector("third", port=PORT + 1)
    for each in (agent, patient):
        each.says("connected")
    frames = frames_of(lab, "left", "third")
    at_a_rate(lab.wire("left"), frames, 300, 1000)
    count_at(lab, "third", 300)
    lab.unplug("third")
    report.equal(f"{name}: exit code", agent.process.wait(timeout=60), 4)
    report.check(f"{name}: the remedy is told", "--reattach waits for it to come back" in agent.said())
    report.equal(f"{name}: the account is told nevertheless", agent.account()["recorded"], 300)
    report.equal(f"{name}: the collector has all", len(collectors[0].end()), 28 * 300)
    patient.says("waiting for it")
    lab.plug_in("third")
    patient.says("capturing again")
    at_a_rate(lab.wire("left"), frames[300:], 200, 1000)
    count_at(lab, "third", 500)
    report.equal(f"{name}: --reattach: exit code", patient.end(signal.SIGINT), 0)
    ports = [record.source_port for record in packets.records(collectors[1].end())]
    report.check(f"{name}: --reattach: the collector kept its connection and has all",
                 ports == list(range(1000, 1500)),
                 f"{len(ports)}")
