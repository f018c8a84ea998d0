#!/usr/bin/env python3
"""How time and memory grow with hostile input: each kind of it once, twice and four times.

Half-open connections; datagrams whole in pieces, their first pieces alone, pieces of eight bytes; one
byte behind a hole on each of many streams; cut segments over pieces that wait; times that jump. Time
should double with the input, and memory stay where it was once the tables are full.

    cargo build --release && python3 tests/growth.py
    python3 tests/growth.py --beside OLD_NETCAP --only half_open jumps --scale 0.2

It prints a table, and judges nothing but that each run succeeds and counts every packet.
"""

import argparse
import random
import re
import statistics
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

from floods import ACK, ROOT, SYN, ipv4, source, tcp

FLAGS = ["-max-flows", "100000", "-max-streams", "100000", "-fragment-memory", "16",
         "-stream-memory", "32"]


def udp(payload=b"x" * 16, port=1024):
    return struct.pack(">HHHH", port, 9, 8 + len(payload), 0) + payload


def half_open(count):
    """Half-open connections."""
    for n in range(count):
        yield ipv4(source(n), 6, tcp(1024 + n % 60_000, n, SYN))


def whole(count):
    """Datagrams, each in two fragments."""
    for n in range(count // 2):
        datagram = udp(bytes(56), 1024 + n % 60_000)
        yield ipv4(source(n >> 16), 17, datagram[:32], n & 0xFFFF, 0x2000)
        yield ipv4(source(n >> 16), 17, datagram[32:], n & 0xFFFF, 4)


def heads(count):
    """First fragments alone."""
    for n in range(count):
        yield ipv4(source(n >> 16), 17, udp(bytes(120), 1024 + n % 60_000), n & 0xFFFF, 0x2000)


def eights(count):
    """Pieces of eight bytes, every other one missing, last first."""
    pieces = 4000
    for n in range(count):
        datagram, piece = divmod(n, pieces)
        yield ipv4(source(datagram), 17, bytes(8), datagram & 0xFFFF, 0x2000 | 2 * (pieces - piece))


def early_bytes(count):
    """Streams with one byte behind a hole."""
    for n in range(count // 2):
        ports = 1024 + n % 60_000
        yield ipv4(source(n), 6, tcp(ports, 1, SYN))
        yield ipv4(source(n), 6, tcp(ports, 3, ACK, b"x"))


def cut_segments(count):
    """Cut segments over pieces of one byte behind holes, as many of each."""
    pieces = count // 2
    yield ipv4(source(0), 6, tcp(1024, 0, SYN)), 0
    for n in range(pieces):
        yield ipv4(source(0), 6, tcp(1024, 2 + 2 * (n % 30_000), ACK, b"x")), 0
    for n in range(pieces):
        yield ipv4(source(0), 6, tcp(1024, 2 + n % 7, ACK, b"xxxx"))[:-2], 60_000


def jumps(count):
    """A thousand flows whose times jump within ten years."""
    for n in range(count):
        yield ipv4(source(n % 1000), 17, udp(port=1024 + n % 1000))


def write(path, kind, count):
    """The capture, of so many packets; its packets are 10 microseconds apart."""
    dice = random.Random(1)
    total = 0
    with open(path, "wb") as out:
        out.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262_144, 1))
        for n, packet in enumerate(kind(count)):
            packet, more = packet if isinstance(packet, tuple) else (packet, 0)
            if more:
                packet = bytearray(packet)
                packet[16:18] = struct.pack(">H", len(packet) - 14 + more)
            seconds, micros = divmod(n * 10, 1_000_000)
            if kind is jumps:
                seconds = dice.randrange(10 * 365 * 86_400)
            out.write(struct.pack("<IIII", 1_700_000_000 + seconds, micros, len(packet), len(packet) + more))
            out.write(packet)
            total += 1
    return total


def run(program, capture):
    """CPU seconds, peak memory in MB, packets counted."""
    with tempfile.TemporaryDirectory() as out:
        command = ["/usr/bin/time", "-f", "used %U %S %M", program, "-r", capture, "-out", out + "/out", *FLAGS]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    used = re.search(r"used (\S+) (\S+) (\d+)", done.stderr)
    packets = re.search(r"all packets\s*\|\s*([\d,]+)", done.stdout + done.stderr)
    if done.returncode not in (0, 3) or not packets:
        sys.exit(f"{' '.join(map(str, command))}: {done.stderr}")
    return float(used[1]) + float(used[2]), int(used[3]) / 1024, int(packets[1].replace(",", ""))


KINDS = [half_open, whole, heads, eights, early_bytes, cut_segments, jumps]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--program", type=Path, default=ROOT / "target/release/netcap")
    parser.add_argument("--beside", type=Path, help="another build, measured in the same run")
    parser.add_argument("--only", nargs="+", choices=[kind.__name__ for kind in KINDS])
    parser.add_argument("--scale", type=float, default=1, help="share of the 500,000 packets to begin with")
    parser.add_argument("--runs", type=int, default=3)
    given = parser.parse_args()
    programs = [path for path in (given.beside, given.program) if path]
    print("| input | packets |" + "".join(f" {name} CPU s | {name} MB |" for name in ["before", "now"][-len(programs):]))
    print("|---|---|" + "---|---|" * len(programs))
    with tempfile.TemporaryDirectory() as scratch:
        for kind in KINDS:
            if given.only and kind.__name__ not in given.only:
                continue
            for times in (1, 2, 4):
                capture = Path(scratch) / "hostile.pcap"
                total = write(capture, kind, int(500_000 * given.scale) * times)
                cells = []
                for program in programs:
                    runs = [run(program, capture) for _ in range(given.runs)]
                    if any(packets != total for _, _, packets in runs):
                        sys.exit(f"{program}, {kind.__name__}: {runs} of {total} packets")
                    cells += [f"{statistics.median(cpu for cpu, _, _ in runs):.2f}",
                              f"{statistics.median(peak for _, peak, _ in runs):.0f}"]
                print(f"| {kind.__doc__.strip('.')} | {total:,} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
