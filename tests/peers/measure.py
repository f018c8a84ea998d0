"""Delay from wire to collector, cost beside tcpdump, and how cost grows with collectors."""

import os
import platform
import statistics
import threading
import time

from peers import packets
from peers.collectors import read_all
from peers.flood import at_a_rate
from peers.lab import METRICS, sh, until

# The limits that hold, in milliseconds.
MEDIAN, LATE = 10, 25


def measure(lab, report, rounds):
    commit = sh("git rev-parse --short HEAD", check=False).strip()
    report.tell(f"{os.cpu_count()} processors, {platform.system()} {platform.release()}, commit {commit}, "
                f"load {os.getloadavg()[0]:.2f} before")
    for rate in (1000, 10_000):
        delay(lab, report, rate)
    beside_tcpdump(lab, report, rounds)
    growth(lab, report)
    report.tell(f"load {os.getloadavg()[0]:.2f} after")


def datagrams(lab):
    head = packets.ethernet(lab.mac("right"), lab.mac("left"))
    ends = lab.address("left"), lab.address("right")
    return [head + packets.ipv4(*ends, 17, packets.udp(1000 + n, 9, bytes(200))) for n in range(256)]


def delay(lab, report, rate):
    """From the time that the kernel has noted for a packet to when its record is in the hands of a collector,
    of at least 10,000 packets."""
    count = max(10_000, 10 * rate)
    agent = lab.agent("right", f"-i eth0 -m dst --listen 127.0.0.1 -f /dev/null {METRICS}")
    collector = lab.collector("right")
    until("it is there", lambda: lab.metric("right", "pcapper_collectors") == 1)
    _, refused_before = lab.sent_by("left")
    at_a_rate(lab.wire("left"), datagrams(lab), count, rate)
    # A machine that is overloaded sends in bursts, which the link may have no room for.
    refused = lab.sent_by("left")[1] - refused_before
    count -= refused
    until("all came", lambda: collector.count() + lab.metric("right", "pcapper_dropped_packets_total") == count)
    count = collector.count()
    report.equal(f"delay at {rate:,} packets a second: exit code", agent.end(), 0)
    found = sorted(1000 * seconds for seconds in collector.delays())
    report.equal(f"delay at {rate:,} packets a second: records", len(found), count)
    median, late = found[count // 2], found[count * 99 // 100]
    report.check(f"delay at {rate:,} packets a second", median <= MEDIAN and late <= LATE,
                 f"median {median:.2f} ms, 99th percentile {late:.2f} ms (limits {MEDIAN} and {LATE}), "
                 f"least {found[0]:.2f}, most {found[-1]:.2f}")


def beside_tcpdump(lab, report, rounds):
    """Processor time for a packet, one after the other in each round, with the same filter."""
    filter = f"ether src not {lab.mac('right')}"
    tcpdump = ["tcpdump", "-i", "eth0", "-n", "-Z", "root", "-w", "/dev/null"]
    pcapper = "-i eth0 -m dst --listen 127.0.0.1 -f "
    contenders = {
        "tcpdump -w /dev/null": lambda: (started(lab, [*tcpdump, filter]), 0),
        "tcpdump --immediate-mode -w /dev/null":
            lambda: (started(lab, [*tcpdump, "--immediate-mode", filter]), 0),
        "tcpdump -U -w /dev/null": lambda: (started(lab, [*tcpdump, "-U", filter]), 0),
        "pcapper, no collector": lambda: (lab.agent("right", f"{pcapper}/dev/null"), 0),
        "pcapper, a collector and the log": lambda: (
            lab.agent("right", f"{pcapper}cost.log"), 1),
    }
    for rate in (1000, 30_000):
        costs = {name: [] for name in contenders}
        for _ in range(rounds):
            for name, start in contenders.items():
                costs[name].append(cost(lab, *start(), rate))
        for name, found in costs.items():
            ratios = [own / theirs for own, theirs in zip(found, costs["tcpdump -w /dev/null"])]
            report.tell(f"{rate:,} packets a second: {name}: {1e6 * statistics.median(found):.2f} µs a packet "
                        f"({1e6 * min(found):.2f} to {1e6 * max(found):.2f}), "
                        f"{statistics.median(ratios):.1f} times tcpdump")


def started(lab, command):
    program = lab.start("right", command)
    program.says("listening on")
    return program


def cost(lab, program, collectors, rate, seconds=5):
    """Seconds of processors for a packet."""
    readers = [lab.collector("right") for _ in range(collectors)]
    if collectors:
        program.says("connected")
    used = program.processor()
    at_a_rate(lab.wire("left"), datagrams(lab), rate * seconds, rate)
    # tcpdump may collect packets for a second.
    time.sleep(1.2)
    used = program.processor() - used
    program.end()
    for reader in readers:
        reader.end()
    return used / (rate * seconds)


def growth(lab, report, rate=1000, seconds=5):
    """What a packet costs with more and more collectors."""
    for count in (0, 1, 10, 100, 1000):
        agent = lab.agent("right", "-i eth0 -m dst --listen 127.0.0.1 -f /dev/null --max-clients 2000 "
                                   f"{METRICS}")
        streams = [lab.connect("right") for _ in range(count)]
        until("they are there", lambda: lab.metric("right", "pcapper_collectors") == count)
        idle = agent.processor()
        time.sleep(2)
        idle = (agent.processor() - idle) / 2
        used = agent.processor()
        reading = threading.Thread(target=read_all, args=(streams, 28 * rate * seconds))
        reading.start()
        at_a_rate(lab.wire("left"), datagrams(lab), rate * seconds, rate)
        reading.join()
        used = agent.processor() - used
        lost = lab.metric("right", "pcapper_lost_records_total")
        report.tell(f"{count:,} collectors at {rate:,} packets a second: {1e6 * used / rate / seconds:.1f} µs a "
                    f"packet, {100 * used / seconds:.0f} % of a processor; idle {100 * idle:.1f} %; "
                    f"{agent.memory():.0f} MB; {lost:,} records lost")
        agent.end()
        for stream in streams:
            stream.close()
