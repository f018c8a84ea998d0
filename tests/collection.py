#!/usr/bin/env python3
"""Sensors and a server over bad links, killed again and again: is every record there, once?

Three sensors and a server, each in a network namespace of its own, are joined by links each of which
loses 5 % of the packets, delays them by 10 ms, and lets a tenth overtake the others. Each sensor delivers a capture of
its own (-reliable) while programs are killed (SIGKILL) at random and started again. In the end the
server's files must hold what a local netcap makes of the captures: no record missing, none twice.

    cargo build --release && sudo python3 tests/collection.py
    sudo python3 tests/collection.py --many 200      # as many sensors at once, in good order
    sudo python3 tests/collection.py --rate 300      # datagrams at that rate, and at ten times that
    python3 tests/collection.py --beside-nats 4      # beside nats-server; build with --features nats

It exits with 1 where a record is missing or there twice; of datagrams that is only told.
"""

import argparse
import collections
import fcntl
import heapq
import os
import random
import re
import select
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release"
SENSORS = ["left", "middle", "right"]
SERVER = "server"
PORT = 1335
# Of <linux/if_tun.h>: whole IP packets, with nothing before them.
TUNSETIFF, IFF_TUN = 0x400454CA, 0x0001 | 0x1000


def sh(line, check=True):
    return subprocess.run(line, shell=True, check=check, capture_output=True, text=True).stdout


class Network:
    """A namespace for each program, and bad links between them, which go when this ends.

    The links are a process of ours with a TUN device in each namespace, as not every kernel has netem:
    it takes whole IP packets, and what a packet meets on its link to the middle it meets once more on
    the link from there.
    """

    def __init__(self, loss, delay, reorder):
        self.loss, self.delay, self.reorder = loss / 100, delay / 1000, reorder / 100
        self.addresses = {name: f"10.98.0.{n}" for n, name in enumerate([SERVER, *SENSORS], 1)}
        self.links = None

    def __enter__(self):
        self.clean()
        try:
            devices = {}
            for name, address in self.addresses.items():
                device = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
                fcntl.ioctl(device, TUNSETIFF, struct.pack("16sH22x", f"nc-{name}".encode(), IFF_TUN))
                devices[socket.inet_aton(address)] = device
                inside = f"ip -n nc-{name}"
                sh(f"ip netns add nc-{name} && ip link set nc-{name} netns nc-{name}")
                sh(f"{inside} link set lo up && {inside} address add {address}/24 dev nc-{name}")
                sh(f"{inside} link set nc-{name} txqueuelen 1000 up")
            self.links = os.fork()
            if self.links == 0:
                try:
                    self.carry(devices)
                finally:
                    os._exit(1)
            for device in devices.values():
                os.close(device)
        except BaseException:
            self.clean()
            raise
        return self

    def __exit__(self, *_):
        self.clean()

    def carry(self, devices):
        """Carries packets from device to device, for ever."""
        chance = random.Random()
        waiting, number = [], 0
        while True:
            now = time.monotonic()
            while waiting and waiting[0][0] <= now:
                _, _, device, packet = heapq.heappop(waiting)
                try:
                    os.write(device, packet)
                except OSError:
                    pass  # Its queue is full: lost as well.
            patience = waiting[0][0] - now if waiting else 1
            for device in select.select(devices.values(), [], [], patience)[0]:
                packet = os.read(device, 65_536)
                to = devices.get(packet[16:20])
                if to is None or any(chance.random() < self.loss for _ in range(2)):
                    continue
                # What overtakes others is not delayed.
                late = sum(self.delay for _ in range(2) if chance.random() >= self.reorder)
                number += 1
                heapq.heappush(waiting, (time.monotonic() + late, number, to, packet))

    def clean(self):
        if self.links:
            os.kill(self.links, signal.SIGKILL)
            os.waitpid(self.links, 0)
            self.links = None
        for name in self.addresses:
            sh(f"ip netns delete nc-{name}", check=False)

    def inside(self, name):
        return ["ip", "netns", "exec", f"nc-{name}"]


class Program:
    """A program, with what it says in a file."""

    def __init__(self, command, folder, log):
        self.command, self.folder, self.log = command, folder, log
        self.kills = 0
        self.start()

    def start(self):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                self.command, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def kill(self):
        # `ip netns exec` becomes the program itself.
        self.process.kill()
        self.process.wait()
        self.kills += 1

    def stop(self):
        # Of a program that has not begun yet, a signal is the end.
        while self.said().count('event="waiting for ') <= self.kills:
            time.sleep(0.1)
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(timeout=120)

    def said(self):
        return Path(self.log).read_text(errors="replace")


def sh_octets(line):
    return subprocess.run(line, shell=True, check=True, capture_output=True).stdout


def netcap(*args):
    done = subprocess.run([TARGET / "netcap", *args], capture_output=True, text=True, check=False,
                          errors="surrogateescape")
    return done.returncode, done.stdout, done.stderr


def rows_of(folder):
    """Rows of CSV by type, with the number of each, without the columns' names."""
    rows = {}
    for path in sorted(Path(folder).glob("*.ncap.gz")):
        code, output, errors = netcap("-r", path, "-quiet")
        if code != 0:
            sys.exit(f"{path}: exit code {code}: {errors}")
        name = path.name.removesuffix(".ncap.gz")
        # A server calls the file by its type.
        rows["TLSClientHello" if name == "TLS" else name] = collections.Counter(
            output.split("\n")[1:-1])
    return rows


def expected_of(capture, scratch):
    out = Path(scratch) / f"local-{Path(capture).name}"
    code, _, errors = netcap("-r", capture, "-out", out, "-quiet")
    if code != 0:
        sys.exit(f"{capture}: {errors}")
    return rows_of(out)


def compare(name, expected, found):
    """Prints what differs; gives how many rows are missing, and how many are too many."""
    missing = excess = 0
    for kind in sorted(expected.keys() | found.keys()):
        lost = expected.get(kind, collections.Counter()) - found.get(kind, collections.Counter())
        more = found.get(kind, collections.Counter()) - expected.get(kind, collections.Counter())
        if lost or more:
            example = next(iter(lost), None) or next(iter(more))
            print(f"  {name}: {kind}: {lost.total()} missing, {more.total()} too many, "
                  f"such as {example[:150]!a}")
        missing += lost.total()
        excess += more.total()
    total = sum(rows.total() for rows in expected.values())
    print(f"{name}: {total} records of {len(expected)} types, {missing} missing, {excess} too many")
    return missing, excess


def captures(given, scratch):
    """One for each sensor: those given, or one of ours in three parts."""
    if len(given) == len(SENSORS):
        return [path.resolve() for path in given]
    whole = given[0] if given else Path(scratch) / "mixed.pcap"
    if not given:
        subprocess.run(["cargo", "run", "--release", "-p", "xtask", "--", "generate", "mixed", "300MB",
                        whole], cwd=ROOT, check=True)
    packets = int(re.search(r"packets[ =:]+(\d+)", sh(f"capinfos -M -c {whole}")).group(1))
    share = packets // len(SENSORS) + 1
    parts = []
    for n in range(len(SENSORS)):
        part = Path(scratch) / f"part{n}.pcap"
        sh(f"editcap -F pcap -r {whole} {part} {n * share + 1}-{(n + 1) * share}")
        parts.append(part)
    return parts


def printed(folder, *command):
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def enrol(folder, names):
    """Makes the keys of all; gives the server's pin."""
    pin = printed(folder, TARGET / "netcap-server", "-reliable", "-gen-keypair")
    for name in names:
        ours = printed(folder, TARGET / "netcap-sensor", "-gen-keypair", "-identity", name)
        printed(folder, TARGET / "netcap-server", "-enroll", name, "-pin", ours)
    return pin


def look(folder, chance):
    """Reads a file of the server as it is; gives the exit code, if there is a file."""
    files = sorted(folder.glob("records/*/*.ncap.gz"))
    if not files:
        return None
    path = chance.choice(files)
    code, _, errors = netcap("-r", path, "-quiet")
    if code not in (0, 3):
        sys.exit(f"{path}, while it is written: exit code {code}: {errors}")
    return code


def killed(given, folder):
    """The proof."""
    chance = random.Random(given.seed)
    parts = captures(given.captures, folder)
    expected = [expected_of(part, folder) for part in parts]
    for name, rows in zip(SENSORS, expected):
        print(f"{name}: {rows['Ethernet'].total()} packets, "
              f"{sum(kind.total() for kind in rows.values())} records")
    with Network(given.loss, given.delay, given.reorder) as network:
        pin = enrol(folder, SENSORS)
        address = f"{network.addresses[SERVER]}:{PORT}"
        server = Program(
            [*network.inside(SERVER), TARGET / "netcap-server", "-reliable", "-addr", address,
             "-out", "records"], folder, folder / "server.log")
        sensors = [Program(
            [*network.inside(name), TARGET / "netcap-sensor", "-reliable", "-identity", name,
             "-server-pin", pin, "-addr", address, "-r", part, "-queue", given.queue],
            folder, folder / f"{name}.log") for name, part in zip(SENSORS, parts)]
        started = time.monotonic()
        kills = late = 0
        codes = collections.Counter()
        ended = {}
        while kills < given.kills or len(ended) < len(sensors):
            time.sleep(chance.uniform(0.2, 2 * given.seconds / given.kills - 0.2))
            for sensor in sensors:
                code = sensor.process.poll()
                if code is not None and sensor not in ended:
                    ended[sensor] = time.monotonic() - started
                    if code != 0:
                        sys.exit(f"{sensor.log}: exit code {code}: {sensor.said()[-2000:]}")
            codes[look(folder, chance)] += 1
            if kills < given.kills:
                victim = chance.choice([server, *sensors])
                # One that has ended reads all again, and delivers nothing.
                late += victim in ended
                ended.pop(victim, None)
                victim.kill()
                victim.start()
                kills += 1
            if time.monotonic() - started > given.patience:
                sys.exit(f"not delivered after {given.patience} s: {sensors[0].said()[-2000:]}")
        took = max(ended.values())
        code = server.stop()
        print(f"seed {given.seed}, each link: {given.loss:g} % lost, {given.delay:g} ms, "
              f"{given.reorder:g} % overtake: {kills} kills "
              f"(server {server.kills}, sensors {sum(s.kills for s in sensors)}, {late} of them after "
              f"their end) in {took:.0f} s; server ended with {code}")
        print(f"files read while they were written: "
              f"{', '.join(f'{n} with exit code {c}' for c, n in sorted(codes.items(), key=str))}")
        print(server.said().strip().rsplit("\n", 1)[-1] if code == 0 else server.said()[-1000:])
        results = [compare(name, rows, rows_of(folder / "records" / name))
                   for name, rows in zip(SENSORS, expected)]
    return code == 0 and not any(sum(result) for result in results)


def many(given, folder):
    """So many sensors at once."""
    names = [f"sensor-{n}" for n in range(given.many)]
    short = ROOT / "tests/captures"
    files = [short / name for name in ("example.pcap", "http.pcap", "tls.pcap", "sip.pcap")]
    expected = [expected_of(file, folder) for file in files]
    pin = enrol(folder, names)
    address = f"127.98.0.1:{PORT}"
    server = Program([TARGET / "netcap-server", "-reliable", "-addr", address, "-out", "records"],
                     folder, folder / "server.log")
    started = time.monotonic()
    sensors = [Program(
        [TARGET / "netcap-sensor", "-reliable", "-identity", name, "-server-pin", pin, "-addr", address,
         "-workers", "1", "-r", files[n % len(files)]], folder, folder / f"{name}.log")
        for n, name in enumerate(names)]
    codes = collections.Counter(sensor.process.wait(timeout=given.patience) for sensor in sensors)
    took = time.monotonic() - started
    code = server.stop()
    print(f"{len(names)} sensors at once: done after {took:.1f} s, exit codes {dict(codes)}, "
          f"server {code}")
    print(server.said().strip().rsplit("\n", 1)[-1])
    wrong = total = 0
    for n, name in enumerate(names):
        rows = expected[n % len(files)]
        found = rows_of(folder / "records" / name)
        total += sum(kind.total() for kind in rows.values())
        if found != rows:
            wrong += 1
            compare(name, rows, found)
    print(f"{total} records of {len(names)} sensors; {wrong} sensors differ")
    return wrong == 0 and codes == {0: len(names)} and code == 0


def datagrams(given, folder):
    """The compatible mode at a rate, at ten times that, and as fast as it goes."""
    part = captures(given.captures, folder)[0]
    expected = expected_of(part, folder)
    printed(folder, TARGET / "netcap-server", "-gen-keypair")
    good = True
    for rate in (given.rate, 10 * given.rate, 0):
        address = f"127.98.0.2:{PORT}"
        out = folder / f"records-{rate}"
        server = Program([TARGET / "netcap-server", "-privkey", "priv.key", "-addr", address, "-out",
                          out, "-metrics", "127.98.0.2:9100"], folder, folder / f"server-{rate}.log")
        time.sleep(1)
        started = time.monotonic()
        sensor = Program([TARGET / "netcap-sensor", "-pubkey", "pub.key", "-addr", address, "-client",
                          "alice", "-rate", str(rate), "-max", str(given.max), "-r", part],
                         folder, folder / f"sensor-{rate}.log")
        code = sensor.process.wait(timeout=given.patience)
        took = time.monotonic() - started
        time.sleep(2)
        metrics = sh("curl -s http://127.98.0.2:9100/metrics", check=False)
        server.stop()
        sent = re.search(r"([\d,]+) records sent in ([\d,]+) datagrams", sensor.said())
        counted = ", ".join(
            f"{name}{by} {value}" for name, by, value in
            re.findall(r"^netcap_server_(\w*datagrams)_total(\S*) (\d+)", metrics, re.M))
        print(f"-rate {rate}: exit code {code}, {sent.group(0)} in {took:.1f} s; server: {counted}")
        for line in server.said().splitlines():
            if "dropped" in line or "refused" in line:
                print(f"  server: {line.strip()}")
        missing, excess = compare(f"-rate {rate}", expected, rows_of(out / "alice"))
        if rate == given.rate:
            good &= not missing
        good &= not excess
    return good


def processor_seconds(process):
    """User and system time of a process so far."""
    fields = Path(f"/proc/{process.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def beside_nats(given, folder):
    """What one server on one core takes, and what a broker takes of the same sensors."""
    part = captures(given.captures, folder)[0]
    expected = expected_of(part, folder)
    local = folder / f"local-{part.name}"
    octets = sum(len(sh_octets(f"zcat {path}")) for path in local.glob("*.ncap.gz"))
    records = sum(rows.total() for rows in expected.values())
    names = [f"sensor-{n}" for n in range(given.beside_nats)]
    pin = enrol(folder, names)
    address, broker = f"127.98.0.3:{PORT}", "nats://127.98.0.3:4222"
    ways = {
        "netcap-server -reliable": (
            [[TARGET / "netcap-server", "-reliable", "-addr", address, "-out", "records"]],
            lambda name: ["-reliable", "-identity", name, "-server-pin", pin, "-addr", address]),
        "nats-server": (
            [["nats-server", "-js", "-sd", folder / "nats", "-a", "127.98.0.3"]],
            lambda name: ["-nats", broker, "-client", name]),
        "netcap-server -nats": (
            [["nats-server", "-js", "-sd", folder / "nats-2", "-a", "127.98.0.3"],
             [TARGET / "netcap-server", "-nats", broker, "-out", "shared"]],
            lambda name: ["-nats", broker, "-client", name]),
    }
    for way, (servers, flags) in ways.items():
        running = [Program(["taskset", "-c", "0", *server], folder, folder / f"{n}-{way[:11]}.log")
                   for n, server in enumerate(servers)]
        time.sleep(2)
        started = time.monotonic()
        sensors = [Program(["taskset", "-c", "1", TARGET / "netcap-sensor", *flags(name), "-r", part],
                           folder, folder / f"{name}.log") for name in names]
        for sensor in sensors:
            if sensor.process.wait(timeout=given.patience) != 0:
                sys.exit(sensor.said())
        took = time.monotonic() - started
        # What a server of the broker has not taken by then, it takes now.
        time.sleep(3)
        used = processor_seconds(running[-1].process)
        for program in reversed(running):
            program.process.send_signal(signal.SIGINT)
            program.process.wait(timeout=60)
        count = records * len(names)
        print(f"{way}: {count} records, {octets * len(names) / 1e6:.0f} MB, in {took:.1f} s; CPU {used:.2f} s: "
              f"{count / used / 1e6:.2f} million records/s, {octets * len(names) / used / 1e6:.0f} MB/s")
        for name in names:
            found = {"netcap-server -reliable": "records", "netcap-server -nats": "shared"}.get(way)
            if found and any(compare(name, expected, rows_of(folder / found / name))):
                return False
    return True


def main():
    arguments = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    arguments.add_argument("captures", type=Path, nargs="*",
                           help="one for each sensor, or one to be cut; by default one is made")
    arguments.add_argument("--kills", type=int, default=50)
    arguments.add_argument("--seconds", type=float, default=90, help="in which the kills happen")
    arguments.add_argument("--loss", type=float, default=5, help="per cent, on each link")
    arguments.add_argument("--delay", type=float, default=10, help="milliseconds, on each link")
    arguments.add_argument("--reorder", type=float, default=10, help="per cent that are not delayed")
    arguments.add_argument("--queue", default="64MB", help="of each sensor")
    arguments.add_argument("--seed", type=int, default=int(time.time()))
    arguments.add_argument("--patience", type=float, default=900, help="seconds until all must be there")
    arguments.add_argument("--many", type=int, help="so many sensors at once instead")
    arguments.add_argument("--rate", type=int, help="datagrams at this rate instead")
    arguments.add_argument("--beside-nats", type=int, metavar="N",
                           help="so many sensors, and what a server and a broker need for them, instead")
    arguments.add_argument("--max", type=int, default=10240, help="octets of records in a datagram")
    arguments.add_argument("--keep", type=Path, help="keep all files in this folder")
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = (given.keep or Path(scratch)).resolve()
        folder.mkdir(exist_ok=True, parents=True)
        if given.many:
            good = many(given, folder)
        elif given.beside_nats:
            good = beside_nats(given, folder)
        elif given.rate:
            good = datagrams(given, folder)
        else:
            good = killed(given, folder)
    sys.exit(0 if good else "FAILED")


if __name__ == "__main__":
    main()
