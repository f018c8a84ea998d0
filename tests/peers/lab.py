"""Network namespaces joined by a bridge, the programs in them, and what they say."""

import contextlib
import ctypes
import json
import os
import re
import signal
import socket
import struct
import subprocess
import tempfile
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release"
# Of <sched.h>.
CLONE_NEWNET = 0x40000000
# As long as anything here may take on a busy machine.
PATIENCE = 60
PORT = 7073
METRICS = "--metrics 127.0.0.1:9103"


def sh(line, check=True):
    return subprocess.run(line, shell=True, check=check, capture_output=True, text=True).stdout


def until(what, holds, patience=PATIENCE):
    """Waits until something holds; gives what that was."""
    end = time.monotonic() + patience
    while True:
        found = holds()
        if found:
            return found
        if time.monotonic() > end:
            raise Failure(f"it never happened within {patience} s: {what}")
        time.sleep(0.02)


class Failure(Exception):
    """What was to be shown is not so."""


class Report:
    """What was shown, and what was not."""

    def __init__(self):
        self.failures = []

    def section(self, name):
        print(f"\n{name}")

    def tell(self, text):
        print(f"  {text}")

    def check(self, what, holds, detail=""):
        """Notes that something is so, or is not."""
        more = f": {detail}" if detail else ""
        print(f"  {'ok' if holds else 'FAILED'}  {what}{more}", flush=True)
        if not holds:
            self.failures.append(what)

    def equal(self, what, found, expected):
        detail = f"{found:,}" if isinstance(found, int) else ""
        if found != expected:
            detail = f"{found!r} is not {expected!r}"[:600]
        self.check(what, found == expected, detail)


class Lab:
    """Hosts, each a namespace with an interface `eth0`, and a bridge between them; gone when this ends.

    Host n has the address 10.97.0.n. There is no IPv6, and neighbours are known to each other, so that
    nothing is on the wire but what tests send.
    """

    def __init__(self, hosts):
        self.prefix = f"pp{os.getpid()}"
        self.hosts = hosts
        self.programs = []
        self.folder = None

    def __enter__(self):
        self.temporary = tempfile.TemporaryDirectory(prefix="pcapper-peers-")
        self.folder = Path(self.temporary.name)
        try:
            for name in ["hub", *self.hosts]:
                sh(f"ip netns add {self.space(name)} && ip -n {self.space(name)} link set lo up")
                sh(f"{self.inside(name)} sh -c 'for each in all default; do"
                   " echo 1 > /proc/sys/net/ipv6/conf/$each/disable_ipv6; done'")
            sh(f"ip -n {self.space('hub')} link add bridge type bridge mcast_snooping 0")
            sh(f"ip -n {self.space('hub')} link set bridge up")
            # Where the system has filters for bridges, they drop what is malformed.
            sh(f"{self.inside('hub')} sh -c 'for each in /proc/sys/net/bridge/bridge-nf-call-*; do"
               " echo 0 > $each; done'", check=False)
            for name in self.hosts:
                self.plug_in(name)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for program in self.programs:
            program.kill()
        for name in ["hub", *self.hosts]:
            sh(f"ip netns delete {self.space(name)}", check=False)
        self.temporary.cleanup()

    def space(self, name):
        return f"{self.prefix}-{name}"

    def inside(self, name):
        return f"ip netns exec {self.space(name)}"

    def address(self, name):
        return f"10.97.0.{self.hosts.index(name) + 1}"

    def mac(self, name):
        return f"02:00:00:00:97:{self.hosts.index(name) + 1:02x}"

    def plug_in(self, name):
        """Gives a host its interface, and the hub the other end, which is called as the host."""
        hub, host = (f"ip -n {self.space(each)}" for each in ("hub", name))
        sh(f"{hub} link add {name} type veth peer name eth0 netns {self.space(name)}")
        sh(f"{hub} link set {name} master bridge up")
        sh(f"{host} link set eth0 address {self.mac(name)} txqueuelen 10000 up")
        sh(f"{host} address add {self.address(name)}/24 dev eth0")
        sh(f"{host} route add 224.0.0.0/4 dev eth0")
        for other in self.hosts:
            if other != name:
                sh(f"{host} neighbour replace {self.address(other)} lladdr {self.mac(other)} dev eth0")
        # What is sent before that goes nowhere.
        until(f"{name} is connected", lambda: "state UP" in sh(f"{host} link show dev eth0"))

    def unplug(self, name):
        sh(f"ip -n {self.space(name)} link delete eth0")

    def sent_by(self, name):
        """Packets that the host's interface has sent, and those that found no room on the other side."""
        shown = sh(f"ip -n {self.space(name)} -s -j link show dev eth0")
        counts = json.loads(shown)[0]["stats64"]["tx"]
        return counts["packets"], counts["dropped"]

    def start(self, name, command, called=None):
        """Starts a program on a host."""
        command = command.split() if isinstance(command, str) else [str(word) for word in command]
        called = called or f"{Path(command[0]).name}-{name}-{len(self.programs)}"
        program = Program([*self.inside(name).split(), *command], self.folder, called)
        self.programs.append(program)
        return program

    def run(self, name, command):
        """Runs a program to its end."""
        return sh(f"{self.inside(name)} {command}")

    def agent(self, name, flags):
        """Starts pcapper on a host, and waits until it captures."""
        agent = self.start(name, [TARGET / "pcapper", *flags.split()])
        wanted = 1 if "--read" in flags else flags.count("-i ")
        until(f"pcapper {flags}",
              lambda: agent.said().count(": capturing: ") >= wanted or agent.has_ended())
        if agent.has_ended():
            raise Failure(f"pcapper {flags}: {agent.said()}")
        return agent

    def recollect(self, name, config, flags=""):
        """Starts recollect on a host; its lines are in `lines` of what it gives."""
        path = self.folder / f"collector-{len(self.programs)}.conf"
        path.write_text(config)
        program = self.start(name, f"{TARGET}/recollect -c {path} {flags}")
        return program

    @contextlib.contextmanager
    def on(self, name):
        """Sockets that are made within this are on that host."""
        libc = ctypes.CDLL(None, use_errno=True)
        with open("/proc/self/ns/net", "rb") as home, \
                open(f"/run/netns/{self.space(name)}", "rb") as there:
            if libc.setns(there.fileno(), CLONE_NEWNET) != 0:
                raise OSError(ctypes.get_errno(), "setns")
            try:
                yield
            finally:
                libc.setns(home.fileno(), CLONE_NEWNET)

    def connect(self, name, address="127.0.0.1", port=PORT):
        with self.on(name):
            return socket.create_connection((address, port), timeout=PATIENCE)

    def collector(self, name, address="127.0.0.1", port=PORT):
        return Collector(self.connect(name, address, port))

    def metric(self, name, metric):
        """The sum of what a host's agent tells Prometheus by that name."""
        with self.connect(name, port=9103) as stream:
            stream.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
            page = b"".join(iter(lambda: stream.recv(1 << 16), b"")).decode()
        return sum(int(value) for value in re.findall(rf"^{metric}(?:\{{.*\}})? (\d+)$", page, re.MULTILINE))

    def wire(self, name):
        """A socket that sends frames out of the host's interface as they are."""
        with self.on(name):
            wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
            wire.bind(("eth0", 0))
            return wire


class Program:
    """A program at work; what it says is in files."""

    def __init__(self, command, folder, called):
        self.out, self.log = folder / f"{called}.out", folder / f"{called}.log"
        with open(self.out, "wb") as out, open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                command, cwd=folder, stdin=subprocess.DEVNULL, stdout=out, stderr=log)

    def said(self):
        return self.log.read_text(errors="replace")

    def lines(self):
        return self.out.read_text(errors="replace").splitlines()

    def has_ended(self):
        return self.process.poll() is not None

    def says(self, text, patience=PATIENCE):
        """Waits for it to say that."""
        return until(f"'{text}' of {self.log.name}", lambda: text in self.said(), patience)

    def end(self, how=signal.SIGTERM):
        """Has it end; gives its exit code."""
        if not self.has_ended():
            self.process.send_signal(how)
        return self.process.wait(timeout=PATIENCE)

    def kill(self):
        if not self.has_ended():
            self.process.kill()
            self.process.wait()

    def processor(self):
        """Seconds of processors that its threads have used."""
        threads = Path(f"/proc/{self.process.pid}/task").glob("*/schedstat")
        return sum(int(thread.read_text().split()[0]) for thread in threads) / 1e9

    def memory(self):
        """Megabytes of memory that it has now."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", status).group(1)) / 1024

    def account(self, called="eth0"):
        """The outcomes of packets as pcapper has told them at its end, by name."""
        lines = re.findall(rf"^pcapper: {called}: (.* packets, .*)$", self.said(), re.MULTILINE)
        if not lines:
            raise Failure(f"no account: {self.said()}")
        counts = re.findall(r"([\d,]+) ([a-z][a-z0-9 ]*)", lines[-1])
        return {name.strip(): int(number.replace(",", "")) for number, name in counts}

    def number(self, before):
        """The last number before some words that it has said."""
        found = re.findall(rf"([\d,]+) {before}", self.said())
        if not found:
            raise Failure(f"no number before '{before}': {self.said()}")
        return int(found[-1].replace(",", ""))


class Collector:
    """Reads records to their end, in a thread of its own."""

    def __init__(self, stream):
        self.stream = stream
        self.octets = bytearray()
        # When how many octets were there.
        self.arrivals = []
        self.thread = threading.Thread(target=self.read, daemon=True)
        self.thread.start()

    def read(self):
        self.stream.settimeout(None)
        with contextlib.suppress(OSError):
            while more := self.stream.recv(1 << 16):
                self.octets += more
                self.arrivals.append((time.time_ns(), len(self.octets)))

    def count(self):
        return len(self.octets) // 28

    def end(self):
        """Waits for the end of the stream; gives its octets."""
        self.thread.join(PATIENCE)
        if self.thread.is_alive():
            raise Failure("the stream does not end")
        return bytes(self.octets)

    def delays(self):
        """Of each record, seconds from its time to its arrival here."""
        delays, at = [], 0
        for now, length in self.arrivals:
            while at + 28 <= length:
                seconds, micros = struct.unpack_from(">II", self.octets, at)
                delays.append((now - seconds * 10**9 - micros * 1000) / 1e9)
                at += 28
        return delays
