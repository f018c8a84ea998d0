"""Collectors that misbehave: each harms itself, and is counted."""

import contextlib
import resource
import selectors
import socket
import struct
import time

from peers import packets
from peers.flood import at_a_rate
from peers.lab import METRICS, PORT, Collector, until


def frames_of(lab, sender="left", receiver="right"):
    """Datagrams that are told apart by the port that they come from."""
    head = packets.ethernet(lab.mac(receiver), lab.mac(sender))
    ends = lab.address(sender), lab.address(receiver)
    return [head + packets.ipv4(*ends, 17, packets.udp(1000 + n, 9, bytes(32))) for n in range(1000)]


def collectors(lab, report, idle):
    never_reading(lab, report)
    resets(lab, report)
    many(lab, report, idle)


def never_reading(lab, report, count=400_000):
    """One never reads, one does: the latter and the log have all."""
    name = "one never reads"
    agent = lab.agent("right", f"-i eth0 -m none --listen 127.0.0.1 --queue 4096 -f idle.log {METRICS}")
    idle = lab.connect("right")
    reader = lab.collector("right")
    until("both are there", lambda: lab.metric("right", "pcapper_collectors") == 2)
    at_a_rate(lab.wire("left"), frames_of(lab), count, 40_000)
    until("all came", lambda: lab.metric("right", "pcapper_packets_total") == count)
    losing = lab.metric("right", "pcapper_lost_records_total")
    report.equal(f"{name}: exit code", agent.end(), 0)
    found = packets.records(reader.end())
    report.check(f"{name}: the other one has all records, in order",
                 [record.source_port for record in found] == [1000 + n % 1000 for n in range(count)],
                 f"{len(found):,}")
    report.check(f"{name}: what it loses is counted meanwhile", losing > 0, f"{losing:,}")
    sent, lost = agent.number("records sent, "), agent.number("not taken in time")
    report.equal(f"{name}: sent + lost = recorded, of both", sent + lost, 2 * count)
    late = Collector(idle).end()
    report.equal(f"{name}: received, also late = sent", len(found) + len(late) // 28, sent)
    lines = (lab.folder / "idle.log").read_text().count("\n")
    report.equal(f"{name}: the log has all", lines, count)
    delays(report, name, reader)


def delays(report, name, reader):
    """Tells how late records were. A stall of those who are served would be seconds, and loss."""
    found = sorted(reader.delays())
    report.tell(f"{name}: the other one's delay: median {1000 * found[len(found) // 2]:.1f} ms, "
                f"99th percentile {1000 * found[len(found) * 99 // 100]:.1f} ms, at most "
                f"{1000 * found[-1]:.0f} ms")


def resets(lab, report, count=3000):
    """Resets in the middle of a record, half-closes, talkers: somebody who reads notices none of it."""
    name = "resets and half-closes"
    agent = lab.agent("right", f"-i eth0 -m none --listen 127.0.0.1 -f resets.log {METRICS}")
    reader = lab.collector("right")
    half = lab.connect("right")
    half.shutdown(socket.SHUT_WR)
    until("both are there", lambda: lab.metric("right", "pcapper_collectors") == 2)
    half = Collector(half)
    wire, frames = lab.wire("left"), frames_of(lab)
    came = 2
    for part in range(count // 100):
        victim = lab.connect("right")
        came += 1
        until("it is there", lambda: lab.metric("right", "pcapper_collectors_total") == came)
        at_a_rate(wire, frames[part % 10 * 100:][:100], 100, 10_000)
        victim.recv(10, socket.MSG_WAITALL)
        if part % 2:
            # Closing is a reset then; and without that too, as there are octets unread.
            victim.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        victim.close()
    talker = lab.connect("right")
    with contextlib.suppress(OSError):
        talker.sendall(bytes(1 << 20))
    at_a_rate(wire, frames[:100], 100, 10_000)
    until("all came, and the others are gone",
          lambda: lab.metric("right", "pcapper_packets_total") == count + 100
          and lab.metric("right", "pcapper_collectors") == 2)
    report.equal(f"{name}: exit code", agent.end(), 0)
    octets = reader.end()
    report.equal(f"{name}: the one who reads has all", len(octets), 28 * (count + 100))
    report.check(f"{name}: who has closed its half has the same", half.end() == octets)
    report.equal(f"{name}: collectors counted", agent.number("collectors: "), came + 1)


def many(lab, report, count):
    """So many collectors at once, mostly idle: all are let in, and all have all."""
    name = f"{count:,} collectors"
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    agent = lab.agent(
        "right", f"-i eth0 -m none --listen 127.0.0.1 --max-clients {count + 100} -f many.log {METRICS}")
    before = agent.memory()
    overflows = listen_overflows(lab, "right")
    begun = time.monotonic()
    streams = []
    with lab.on("right"):
        for _ in range(count):
            streams.append(socket.create_connection(("127.0.0.1", PORT), timeout=60))
    connected = time.monotonic() - begun
    until("all are let in", lambda: lab.metric("right", "pcapper_collectors") == count)
    let_in = time.monotonic() - begun
    report.tell(f"{name}: connected after {connected:.2f} s, let in after {let_in:.2f} s, "
                f"{agent.memory() - before:.0f} MB more memory")
    report.equal(f"{name}: none had to try again, as the queue of connections was full",
                 listen_overflows(lab, "right") - overflows, 0)
    used, begun = agent.processor(), time.monotonic()
    time.sleep(5)
    share = (agent.processor() - used) / (time.monotonic() - begun)
    report.tell(f"{name}: idle, {100 * share:.1f} % of a processor")
    packets_sent = 200
    used = agent.processor()
    at_a_rate(lab.wire("left"), frames_of(lab), packets_sent, 100)
    octets = read_all(streams, 28 * packets_sent)
    used = agent.processor() - used
    report.tell(f"{name}: a record to all of them takes {1000 * used / packets_sent:.1f} ms of a processor")
    first = octets[0]
    report.check(f"{name}: each has each record", len(first) == 28 * packets_sent
                 and all(one == first for one in octets))
    for stream in streams:
        stream.close()
    until("all have gone", lambda: lab.metric("right", "pcapper_collectors") == 0 or
          lab.wire("left").send(frames_of(lab)[0]) < 0)
    report.equal(f"{name}: exit code", agent.end(), 0)
    report.equal(f"{name}: records sent, and those that came when all had gone",
                 agent.number("collectors: "), count)


def listen_overflows(lab, host):
    """How often a connection was put off on a host, as too many waited to be accepted."""
    lines = [line.split() for line in lab.run(host, "cat /proc/net/netstat").splitlines()
             if line.startswith("TcpExt:")]
    return int(dict(zip(*lines))["ListenOverflows"])


def read_all(streams, octets):
    """What each of them sends, up to that many octets, within a minute."""
    found = {stream: bytearray() for stream in streams}
    end = time.monotonic() + 60
    with selectors.DefaultSelector() as selector:
        for stream in streams:
            stream.setblocking(False)
            selector.register(stream, selectors.EVENT_READ)
        while selector.get_map() and time.monotonic() < end:
            for key, _ in selector.select(1):
                more = key.fileobj.recv(1 << 16)
                found[key.fileobj] += more
                if not more or len(found[key.fileobj]) >= octets:
                    selector.unregister(key.fileobj)
    return [bytes(one) for one in found.values()]
