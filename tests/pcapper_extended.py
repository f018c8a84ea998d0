#!/usr/bin/env python3
"""The extended stream of pcapper beside real programs: does it say what tcpdump and mgen say?

Two hosts, each a network namespace with a pcapper that captures everything, are joined by a link. mgen sends from
one to the other, over IPv4 and IPv6, in datagrams whole and in fragments, and over TCP; ping does, too. Then

- what tcpdump saw on the link, pcapper has noted: each packet with its length, at its time;
- each message that mgen sent has been noted, with its flow and number, and beyond doubt;
- each packet that one host has sent, the other has received: the same digest, identification and fragment.

    cargo build && sudo python3 tests/pcapper_extended.py

It needs mgen, tcpdump and ping, and exits with 1 where they disagree.
"""

import collections
import ctypes
import os
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PROGRAM = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "debug/pcapper"
LEFT, RIGHT = "pcapper-left", "pcapper-right"
# Each packet socket of the kernel may take its own time of a packet.
NEAR = 50_000
SENT, RECEIVED = 1, 2
SECONDS = 3
# Flow, protocol, destination, messages in a second, octets.
FLOWS = [
    (1, "UDP", "10.9.0.2/5000", 20, 200),
    (2, "UDP", "10.9.0.2/5001", 5, 8000),
    (3, "UDP", "fd09::2/5002", 20, 300),
    (4, "UDP", "fd09::2/5003", 5, 6000),
    (5, "TCP", "10.9.0.2/6000", 5, 500),
]


def sh(line, check=True):
    return subprocess.run(line, shell=True, check=check, capture_output=True, text=True).stdout


def inside(host, *words, **more):
    return subprocess.Popen(["ip", "netns", "exec", host, *map(str, words)], **more)


def set_up():
    for host in (LEFT, RIGHT):
        sh(f"ip netns delete {host}", check=False)
        sh(f"ip netns add {host} && ip -n {host} link set lo up")
    sh(f"ip link add wire netns {LEFT} type veth peer name wire netns {RIGHT}")
    for number, host in enumerate((LEFT, RIGHT), 1):
        sh(f"ip -n {host} link set wire up")
        sh(f"ip -n {host} address add 10.9.0.{number}/24 dev wire")
        sh(f"ip -n {host} address add fd09::{number}/64 dev wire nodad")
    time.sleep(1)


def collector(host):
    """A connection to the agent there, from there."""
    libc = ctypes.CDLL(None, use_errno=True)
    here = os.open("/proc/self/ns/net", os.O_RDONLY)
    there = os.open(f"/run/netns/{host}", os.O_RDONLY)
    if libc.setns(there, 0):
        raise OSError(ctypes.get_errno(), "setns")
    try:
        stream = socket.create_connection(("127.0.0.1", 7075))
    finally:
        libc.setns(here, 0)
    stream.sendall(b"PCAPPER-EXTENDED 1\n")
    return stream


Note = collections.namedtuple("Note", "number time way length what mgen")


def notes(stream):
    """The packets that an agent tells of, as docs/extended-stream.md says."""
    octets = b"".join(iter(lambda: stream.recv(1 << 16), b""))
    found, number, is_complete = [], 0, False
    while octets:
        (length,) = struct.unpack_from(">H", octets)
        kind, fields, octets = octets[2], octets[3 : 2 + length], octets[2 + length :]
        if kind == 2:
            (number,) = struct.unpack(">Q", fields)
        elif kind == 3:
            found.append(note(number, fields))
            number += 1
        is_complete = kind == 5
    if not is_complete:
        sys.exit("an agent has not come to its end")
    return found


def note(number, fields):
    at, flags, _, protocol, _, _, _, on_wire, identification = struct.unpack_from(">qHHBBBIII", fields)
    width = 16 if flags & 4 else 4
    ends, rest = fields[27 : 27 + 2 * width], fields[27 + 2 * width :]
    place, digest, mgen = None, None, None
    if flags & 16:
        rest = rest[4:]
    if flags & 8:
        place, rest = rest[:2], rest[2:]
    rest = rest[2 * (flags >> 10 & 7) :]
    if flags & 64:
        digest, rest = rest[:8], rest[8:]
    if flags & 128:
        mgen, rest = (*struct.unpack_from(">II", rest), bool(flags & 256)), rest[8:]
    return Note(number, at, flags & 3, on_wire, (ends, protocol, identification, place, digest), mgen)


def captured(path):
    """Times and lengths of the packets of IP in a capture."""
    octets, found = path.read_bytes()[24:], []
    while octets:
        seconds, nanoseconds, length, on_wire = struct.unpack_from("<IIII", octets)
        if octets[28:30] in (b"\x08\x00", b"\x86\xdd"):
            found.append((seconds * 10**9 + nanoseconds, on_wire))
        octets = octets[16 + length :]
    return found


def traffic(folder):
    """Has mgen and ping send."""
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    script = [
        f"0.0 ON {flow} {protocol} SRC {4000 + flow} DST {to} PERIODIC [{rate} {size}]\n{SECONDS}.0 OFF {flow}"
        for flow, protocol, to, rate, size in FLOWS
    ]
    (folder / "send").write_text("\n".join(script))
    listening = [
        inside(RIGHT, "mgen", "event", "listen udp 5000-5001", "event", "listen tcp 6000", **quiet),
        inside(RIGHT, "mgen", "ipv6", "event", "listen udp 5002-5003", **quiet),
    ]
    time.sleep(1)
    mgen = inside(LEFT, "mgen", "input", folder / "send", "output", folder / "sent", "txlog", **quiet)
    for words in ("-s 3000 10.9.0.2", "-6 fd09::2"):
        inside(LEFT, "ping", "-c", "3", "-i", "0.3", *words.split(), **quiet).wait()
    time.sleep(SECONDS + 2)
    for program in (mgen, *listening):
        program.terminate()
        program.wait()
    time.sleep(0.5)


def compare(seen, left, right, log):
    """What does not agree."""
    begin = left[0].time - NEAR
    seen = sorted(packet for packet in seen if packet[0] >= begin)
    ours = sorted((packet.time, packet.length) for packet in left)
    print(f"tcpdump {len(seen)} packets, pcapper {len(ours)} and {len(right)}")
    # By length, as what is near in time may be in another order.
    by_length = lambda packets: sorted((length, at) for at, length in packets)
    pairs = list(zip(by_length(seen), by_length(ours)))
    if len(seen) != len(ours) or any(a[0] != b[0] or abs(a[1] - b[1]) > NEAR for a, b in pairs):
        yield "tcpdump saw something else"
    for flow, *_ in FLOWS:
        sent = {int(line.split("seq>")[1].split()[0]) for line in log if f" flow>{flow} " in line}
        told = [packet for packet in left if packet.way == SENT and packet.mgen and packet.mgen[0] == flow]
        numbers = {packet.mgen[1] for packet in told}
        print(f"flow {flow}: {len(sent)} messages in {len(told)} packets")
        if not sent or sent != numbers or not all(packet.mgen[2] for packet in told):
            yield f"flow {flow}: {len(sent ^ numbers)} of {len(sent)} messages are told otherwise"
    for one, other in ((left, right), (right, left)):
        sent = collections.Counter(packet.what for packet in one if packet.way == SENT)
        received = collections.Counter(packet.what for packet in other if packet.way == RECEIVED)
        if sent != received:
            yield f"{sum((sent - received).values())} packets were sent and not received"
    for packets in (left, right):
        if [packet.number for packet in packets] != list(range(packets[0].number, packets[0].number + len(packets))):
            yield "numbers have gaps"


def run(folder, running):
    """Does it all; gives what does not agree."""
    flags = "-i wire -m none --listen 127.0.0.1 --extended 127.0.0.1 --quiet".split()
    agents = [inside(host, PROGRAM, *flags, "-f", folder / "log") for host in (LEFT, RIGHT)]
    words = ["-i", "wire", "-s", "64", "--immediate-mode", "--time-stamp-precision=nano", "-w", folder / "seen"]
    tcpdump = inside(LEFT, "tcpdump", *words, stderr=subprocess.DEVNULL)
    running += [tcpdump, *agents]
    time.sleep(2)
    streams = [collector(host) for host in (LEFT, RIGHT)]
    traffic(folder)
    for program in running:
        program.terminate()
    left, right = map(notes, streams)
    tcpdump.wait()
    log = [line for line in (folder / "sent").read_text().splitlines() if " SEND " in line]
    return list(compare(captured(folder / "seen"), left, right, log))


def main():
    lacking = [name for name in ("mgen", "tcpdump", "ping") if not shutil.which(name)]
    if lacking or os.geteuid():
        sys.exit(f"needs root, and {', '.join(lacking) or 'nothing else'}")
    set_up()
    running = []
    try:
        with tempfile.TemporaryDirectory() as name:
            wrong = run(Path(name), running)
    finally:
        for program in running:
            program.kill()
        for host in (LEFT, RIGHT):
            sh(f"ip netns delete {host}", check=False)
    print("\n".join(wrong) or "all agree")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
