#!/usr/bin/env python3
"""What floods do to the records of everybody else.

A capture of ordinary traffic is read alone, and then with a million hostile packets in between:
connections that nobody answers, first fragments of datagrams that never become whole, segments
behind holes that are never filled. It fails if a record of the ordinary traffic is missing or
different, if memory exceeds what the flags allow, or if nothing is counted as given up.

    cargo build --release && python3 tests/floods.py [--packets N] [--keep DIR]
"""

import argparse
import collections
import os
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
NETCAP = ROOT / "target/release/netcap"

# What may be held, by flag. The flood brings 16,600 flows a second, so that in ten seconds there are
# more than there is room for; and whoever is silent after a first packet for less than 9.6 seconds
# must not be mistaken for one of them.
SECONDS = 10
FLOWS = 160_000
STREAMS = 200_000
FRAGMENT_MB = 16
STREAM_MB = 32
FLAGS = [
    "-flow-timeout", str(SECONDS), "-conn-timeout", str(SECONDS),
    "-max-flows", str(FLOWS), "-max-streams", str(STREAMS),
    "-fragment-memory", str(FRAGMENT_MB), "-stream-memory", str(STREAM_MB),
]
# Octets that an entry costs, at most, in each of the five tables of flows and in that of streams;
# tables double.
FLOW, STREAM = 2 * 300, 2 * 700

# The flood has addresses and ports that the ordinary traffic has not: 240.0.0.0/4, discard.
ETHERNET = bytes.fromhex("02ffffff0002" "02ffffff0001" "0800")
VICTIM = bytes([250, 0, 0, 1])
DISCARD = 9
SYN, ACK = 2, 16


def ipv4(source, protocol, payload, identification=0, fragment=0):
    header = struct.pack(
        ">BBHHHBBH4s4s", 0x45, 0, 20 + len(payload), identification, fragment, 64, protocol, 0,
        source, VICTIM)
    return ETHERNET + header + payload


def source(number):
    return struct.pack(">I", 0xF1000000 + number)


def tcp(port, sequence, flags, payload=b""):
    return struct.pack(">HHIIBBHHH", port, DISCARD, sequence, 0, 5 << 4, flags, 1024, 0, 0) + payload


def half_open(count):
    for n in range(count):
        yield ipv4(source(n), 6, tcp(1024 + n % 60_000, n, SYN))


def fragment_heads(count):
    for n in range(count):
        datagram = struct.pack(">HHHH", 1024 + n % 60_000, DISCARD, 1480, 0) + bytes(120)
        yield ipv4(source(n >> 8), 17, datagram, n & 0xFFFF, 0x2000)


def out_of_order(count):
    # A thousand streams of a thousand segments, from the last to the second: the first never comes.
    streams = 1000
    for n in range(count):
        stream, segment = n % streams, n // streams
        if segment == 0:
            yield ipv4(source(stream), 6, tcp(1024 + stream, 0, SYN))
        else:
            place = 2 + 100 * (count // streams - segment)
            yield ipv4(source(stream), 6, tcp(1024 + stream, place, ACK, b"x" * 100))


def read(path):
    octets = path.read_bytes()
    at = 24
    while at < len(octets):
        length = struct.unpack_from("<I", octets, at + 8)[0]
        yield octets[at:at + 8], octets[at + 16:at + 16 + length]
        at += 16 + length


def write(path, ordinary, flood, each):
    """Ordinary packets, each with its share of the flood behind it, at its time."""
    with open(path, "wb") as out:
        out.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262_144, 1))

        def packet(time, octets):
            out.write(time + struct.pack("<II", len(octets), len(octets)) + octets)

        time = b""
        for time, octets in ordinary:
            packet(time, octets)
            for _, hostile in zip(range(each), flood):
                packet(time, hostile)
        for hostile in flood:
            packet(time, hostile)


def run(capture, out):
    """Rows by type, what the program said, its peak in octets."""
    command = ["/usr/bin/time", "-f", "peak %M", NETCAP, "-r", capture, "-out", out, "-csv",
               "-comp=false", *FLAGS]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(done.stderr)
    peak = int(done.stderr.rsplit("peak ", 1)[1]) * 1024
    rows = {path.stem: path.read_text().splitlines() for path in Path(out).glob("*.csv")}
    return rows, done.stdout, peak


def is_hostile(kind, row):
    """A transport flow has ports alone, a link flow MAC addresses alone."""
    port = {"TCP": 2, "UDP": 2, "TransportFlow": 4}.get(kind)
    if port:
        return row.split(",")[port] == str(DISCARD)
    return ",250.0.0.1," in row or "02:ff:ff:ff:00:01" in row


def main():
    arguments = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    arguments.add_argument("--packets", type=int, default=1_000_000)
    arguments.add_argument("--keep", type=Path, help="keep the captures in this folder")
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = given.keep or Path(scratch)
        folder.mkdir(exist_ok=True)
        ordinary = folder / "ordinary.pcap"
        subprocess.run(["cargo", "xtask", "generate", "mixed", "100MB", ordinary], cwd=ROOT,
                       check=True, capture_output=True)
        packets = list(read(ordinary))
        each = given.packets // len(packets) + 1
        expected, _, alone = run(ordinary, f"{scratch}/alone")
        allowed = (alone + 5 * FLOWS * FLOW + STREAMS * STREAM
                   + (FRAGMENT_MB + STREAM_MB << 20))
        print(f"ordinary: {len(packets)} packets, {sum(map(len, expected.values()))} rows, "
              f"peak {alone >> 20} MB; allowed by the flags {allowed >> 20} MB")
        failed = False
        for flood in (half_open, fragment_heads, out_of_order):
            capture = folder / f"{flood.__name__}.pcap"
            write(capture, packets, flood(given.packets), each)
            found, said, peak = run(capture, f"{scratch}/{flood.__name__}")
            lost = {}
            for kind, rows in expected.items():
                ours = [row for row in found.get(kind, []) if not is_hostile(kind, row)]
                missing = collections.Counter(rows) - collections.Counter(ours)
                excess = collections.Counter(ours) - collections.Counter(rows)
                if missing or excess:
                    lost[kind] = (sum(missing.values()), sum(excess.values()))
                    example = next(iter(missing), None) or next(iter(excess))
                    print(f"  {kind}: {lost[kind]} missing and more, such as {example}")
            counted = [line.strip() for line in said.splitlines()
                       if any(word in line for word in ("early", "room", "given up", "evicted"))]
            print(f"{flood.__name__}: {given.packets} packets, "
                  f"{capture.stat().st_size >> 20} MB, peak {peak >> 20} MB")
            for line in counted:
                print(f"  {line}")
            failed |= bool(lost) or peak > allowed or not counted
            if not given.keep:
                os.remove(capture)
    sys.exit("FAILED" if failed else print("no ordinary record changed"))


if __name__ == "__main__":
    main()
