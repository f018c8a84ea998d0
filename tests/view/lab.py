"""Agents with captures of their own, read at their pace, and a collector with a page."""

import collections
import contextlib
import json
import math
import os
import random
import signal
import socket
import struct
import subprocess
import time
import urllib.request
from pathlib import Path

from .waiting import wait_for

ROOT = Path(__file__).resolve().parents[2]
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))

CONFIG = """\
1=5000
2=5001-5010
3=M100-199
4=6000
[Video]
[Voice over IP]
Color=#009988
Relay=#99ddcc
[MGEN flows]
[<img src=x onerror=alert(1)>]
"""
# A label is text of a file, and may look like anything.
ODD_LABEL = "<i>7"


def binary(name):
    return next(path for kind in ["debug", "release"] if (path := TARGET / kind / name).exists())


def free_ports(count):
    """So many, which differ, as all of them are held at a time."""
    with contextlib.ExitStack() as held:
        servers = [held.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [server.getsockname()[1] for server in servers]


def udp(source, port, size, payload=b""):
    """A frame of 96 octets at most, of a UDP datagram whose IP packet has this size; and its size."""
    ip = struct.pack(">BBHHHBBH4s4s", 0x45, 0, size, 0, 0, 64, 17, 0, source, bytes([10, 99, 0, 200]))
    frame = bytes([2, 0, 0, 0, 0, 1, 10, 0, 0, 0, 0, 1, 8, 0]) + ip
    frame += struct.pack(">HHHH", 4000, port, size - 20, 0) + payload
    return frame.ljust(14 + size, b"\0")[:96], 14 + size


def mgen(port, flow):
    """The head of a message of MGEN, which repeats its destination."""
    head = struct.pack(">HBBIIII", 64, 2, 8, flow, 1, 0, 0)
    return head + struct.pack(">HBB4s", port, 1, 4, bytes([10, 99, 0, 200]))


def packets(host, begin, seconds):
    """What a host sends: (time, frame, size), in order of time."""
    chance = random.Random(host)
    source = bytes([10, 99, 1, host])
    strength = 0.15 + chance.random() ** 2
    phase = chance.random() * 6.28
    for tick in range(seconds * 10):
        at = tick / 10
        wave = 1 + 0.8 * math.sin(phase + at / 7)
        # The pace counts from the first packet, so there is one at the very beginning.
        sent = [udp(source, 53, 60)] if tick == 0 else []
        if chance.random() < strength * wave:
            sent += [udp(source, 5000, chance.randint(700, 1400)) for _ in range(1 + host % 3)]
        if host % 4 != 3:
            sent.append(udp(source, 5001 + host % 10, 200))
        if host % 5 == 0 and tick % 2 == 0:
            # Its port is of a type, too: the record counts in both.
            port = 6000 if host % 10 == 0 else 9000
            sent.append(udp(source, port, 500, mgen(port, 100 + host)))
        if chance.random() < 0.1:
            sent.append(udp(source, 53, chance.randint(60, 300)))
        for place, (frame, size) in enumerate(sent):
            yield begin + at + place * 0.004, frame, size


def write_capture(path, host, begin, seconds):
    with open(path, "wb") as file:
        file.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 96, 1))
        for at, frame, size in packets(host, begin, seconds):
            file.write(struct.pack("<IIII", int(at), int(at % 1 * 1e6), len(frame), size) + frame)


class Lab:
    """Agents and a collector, which end when this does."""

    def __init__(self, folder, seconds, hosts=64):
        self.begin = 0
        self.folder, self.hosts, self.seconds = Path(folder), hosts, seconds
        self.labels = [ODD_LABEL if host == 7 else f"n{host:02}" for host in range(1, hosts + 1)]
        self.port, *self.agent_ports = free_ports(hosts + 1)
        self.lines_path = self.folder / "lines"
        self.errors_path = self.folder / "errors"
        self.agents, self.collector = [], None

    def __enter__(self):
        try:
            self.launch()
        except BaseException:
            self.__exit__()
            raise
        return self

    def launch(self):
        agents = [f"{label}:127.0.0.1:{port}\n" for label, port in zip(self.labels, self.agent_ports)]
        (self.folder / "collector.conf").write_text(CONFIG + "".join(agents))
        # Times are of now, so that records are of now when they are read at their pace.
        begin = self.begin = int(time.time()) + 4 + self.seconds * self.hosts // 2000
        for host, port in enumerate(self.agent_ports, 1):
            path = self.folder / f"{host}.pcap"
            write_capture(path, host, begin, self.seconds)
            self.agents.append(subprocess.Popen(
                [binary("pcapper"), "--read", path, "-m", "none", "--pace", "recorded", "--listen", "127.0.0.1",
                 "-p", str(port), "--quiet", "-f", "/dev/null"],
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=self.folder,
            ))
        time.sleep(max(0, begin - time.time()))
        self.start()

    def start(self):
        self.collector = subprocess.Popen(
            [binary("recollect"), "--web", f"127.0.0.1:{self.port}"],
            stdout=open(self.lines_path, "ab"), stderr=open(self.errors_path, "ab"), cwd=self.folder,
        )
        wait_for("the page", lambda: self.get("state.json"))

    def stop(self):
        self.collector.send_signal(signal.SIGINT)
        return self.collector.wait(timeout=10)

    def __exit__(self, *_):
        for process in [self.collector, *self.agents]:
            if process and process.poll() is None:
                process.kill()
                process.wait()

    def get(self, path):
        with contextlib.suppress(OSError):
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/{path}", timeout=10) as answer:
                return json.load(answer)

    def lines(self):
        """Bits and records by (second, label, type, level) of all whole lines so far."""
        sums = collections.Counter()
        text = self.lines_path.read_text()
        for line in text[: text.rfind("\n") + 1].splitlines():
            at, label, kind, value, level = line.rsplit(":", 4)
            sums[int(at.split(".")[0]), label, kind, int(level)] += int(value)
        return sums
