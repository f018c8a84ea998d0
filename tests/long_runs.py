#!/usr/bin/env python3
"""Live runs in trouble: full disks, signals, kills, limits. What is left on disk, and what was said.

A run captures from one end of a veth pair in a network namespace; datagrams are sent at the other end. Disks
are small tmpfs. All is gone at the end. Root and built programs are needed.

    cargo build --release && sudo python3 tests/long_runs.py
    sudo python3 tests/long_runs.py --programs target/debug --only killed full_disk

It exits with 1 if something is not as it should be.
"""

import argparse
import ctypes
import gzip
import os
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SPACE = "ie_runs"
# As long as anything may take on a busy machine.
PATIENCE = 60
CLONE_NEWNET = 0x40000000


def sh(line, check=True):
    return subprocess.run(line, shell=True, check=check, capture_output=True, text=True).stdout


def setns(space, kind):
    # os.setns came with Python 3.12.
    if ctypes.CDLL(None, use_errno=True).setns(space, kind) != 0:
        raise OSError(ctypes.get_errno(), "setns")


def until(what, holds):
    end = time.monotonic() + PATIENCE
    while not (found := holds()):
        if time.monotonic() > end:
            raise RuntimeError(f"it never happened: {what}")
        time.sleep(0.02)
    return found


class Lab:
    """The namespace, its wire, a folder, and what was found."""

    def __init__(self, programs):
        self.programs = programs
        self.failures = []

    def __enter__(self):
        sh(f"ip netns delete {SPACE}", check=False)
        sh(f"ip netns add {SPACE}")
        inside = f"ip -n {SPACE}"
        sh(f"{inside} link add ie_near type veth peer name ie_far")
        for name in ["ie_near", "ie_far"]:
            sh(f"ip netns exec {SPACE} sysctl -q -w net.ipv6.conf.{name}.disable_ipv6=1")
            sh(f"{inside} link set {name} arp off up")
        sh(f"{inside} link set lo up")
        self.folder = Path(tempfile.mkdtemp(prefix="ie_"))
        self.wire = self.socket()
        return self

    def __exit__(self, *_):
        self.wire.close()
        sh(f"ip netns delete {SPACE}; umount -l {self.folder}/*; rm -rf {self.folder}", check=False)

    def socket(self):
        """A raw socket at the far end; a socket belongs to the namespace in which it was made."""
        own = os.open("/proc/self/ns/net", os.O_RDONLY)
        there = os.open(f"/run/netns/{SPACE}", os.O_RDONLY)
        setns(there, CLONE_NEWNET)
        try:
            wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
            wire.bind(("ie_far", 0x0800))
        finally:
            setns(own, CLONE_NEWNET)
            os.close(own)
            os.close(there)
        return wire

    def send(self, count, rate=5000, payload=100):
        """Sends datagrams whose ports differ; gives how many."""
        begun = time.monotonic()
        for number in range(count):
            udp = struct.pack("!HHHH", 1024 + number % 60000, 9, 8 + payload, 0) + os.urandom(payload)
            ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0,
                             bytes([10, 0, 0, 1]), bytes([10, 0, 0, 2]))
            self.wire.send(bytes.fromhex("02000000000202000000000108 00".replace(" ", "")) + ip + udp)
            ahead = begun + number / rate - time.monotonic()
            if ahead > 0.005:
                time.sleep(ahead)
        return count

    def send_answer(self, number, octets):
        """A connection on which a server answers with so many octets; gives how many segments."""
        near, far = bytes([10, 0, 0, 1]), bytes([10, 0, 0, 2])
        at = [1000, 5000]
        segments = 0

        def send(side, flags, payload=b""):
            nonlocal segments
            ports = (2000 + number, 80) if side == 0 else (80, 2000 + number)
            tcp = struct.pack("!HHIIBBHHH", *ports, at[side], at[1 - side], 0x50, flags, 65535, 0, 0) + payload
            ends = near + far if side == 0 else far + near
            ip = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(tcp), 0, 0, 64, 6, 0) + ends
            self.wire.send(bytes.fromhex("0200000000020200000000010800") + ip + tcp)
            at[side] += len(payload) + (1 if flags & 3 else 0)
            segments += 1
            time.sleep(0.001)
        send(0, 2)
        send(1, 0x12)
        send(0, 0x18, b"GET /%d HTTP/1.1\r\nHost: x\r\n\r\n" % number)
        answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % octets + bytes(range(256)) * (octets // 256 + 1)
        answer = answer[:answer.index(b"\r\n\r\n") + 4 + octets]
        for place in range(0, len(answer), 1400):
            send(1, 0x18, answer[place:place + 1400])
            send(0, 0x10)
        send(1, 0x11)
        send(0, 0x11)
        send(1, 0x10)
        return segments

    def run(self, arguments, program="netcap", **more):
        return Run(self, program, arguments, **more)

    def small_disk(self, name, size):
        place = self.folder / name
        place.mkdir()
        sh(f"mount -t tmpfs -o size={size} tmpfs {place}")
        return place

    def records(self, path):
        """Whole records of a file, and whether nothing was wrong with it."""
        done = subprocess.run([self.programs / "netcap", "-r", path, "-csv", "-quiet"], capture_output=True)
        return max(done.stdout.count(b"\n") - 1, 0), done.returncode == 0

    def all_records(self, folder, name="UDP.ncap.gz"):
        """Of all files of that name below a folder."""
        found = [self.records(path) for path in sorted(folder.rglob(name))]
        return sum(count for count, _ in found), all(whole for _, whole in found)

    def check(self, what, holds, detail=""):
        print(f"  {'ok' if holds else 'FAILED'}  {what}{f': {detail}' if detail != '' else ''}", flush=True)
        if not holds:
            self.failures.append(what)


class Run:
    """A program in the namespace."""

    def __init__(self, lab, program, arguments, **more):
        self.errors = tempfile.TemporaryFile("w+")
        self.output = tempfile.TemporaryFile("w+")
        line = ["ip", "netns", "exec", SPACE, str(lab.programs / program), *arguments.split()]
        more.setdefault("stdin", subprocess.DEVNULL)
        self.process = subprocess.Popen(line, stdout=self.output, stderr=self.errors, **more)

    def said(self):
        # With a descriptor of its own: the position of ours is shared with the process.
        return Path(f"/proc/self/fd/{self.errors.fileno()}").read_text()

    def printed(self):
        return Path(f"/proc/self/fd/{self.output.fileno()}").read_text()

    def says(self, text):
        until(f"{text!r} in {self.said()!r}", lambda: text in self.said())
        return self

    def capturing(self):
        """Once it says how much memory it takes, the interface is open."""
        self.says("memory stays below")
        time.sleep(0.3)
        return self

    def tell(self, number):
        self.process.send_signal(number)

    def end(self, number=signal.SIGTERM):
        if number:
            self.tell(number)
        return self.process.wait(PATIENCE)


def limit(lab):
    """A limit on the disk that one period exceeds."""
    out = lab.folder / "limit"
    run = lab.run(f"-iface ie_near -include UDP -payload -rotate 1h -disk-limit 50kB -out {out}").capturing()
    sent = lab.send(2000)
    time.sleep(1)
    lab.check("exit code", run.end() == 0)
    lab.check("the newest period has all records", lab.all_records(out) == (sent, True), sh(f"ls -R {out}").split())
    run = lab.run(f"-iface ie_near -rotate 1MB -disk-limit 50kB -out {out}")
    lab.check("a limit below a period is refused", run.end(None) == 1, run.said().strip())


def full_disk(lab):
    """No room any more, without rotation."""
    place = lab.small_disk("full", "1m")
    run = lab.run(f"-iface ie_near -include UDP,Flow -payload -out {place}/out").capturing()
    sent = lab.send(20000)
    time.sleep(1)
    code = run.end()
    count, whole = lab.all_records(place)
    lab.check("exit code", code == 2)
    lab.check("files have their names, and whole records only", whole and 0 < count < sent, count)
    lab.check("nothing else is left", not list(place.rglob(".*")), sh(f"ls -lA {place}/out"))
    lab.check("it was said", "cannot write" in run.said() and "are in no file" in run.printed(), run.said().strip())
    print(run.printed())


def full_disk_of_csv(lab):
    """The same of files that are not compressed."""
    place = lab.small_disk("plain", "700k")
    run = lab.run(f"-iface ie_near -include UDP,Flow -csv -comp=false -out {place}/out").capturing()
    lab.send(20000)
    time.sleep(1)
    code = run.end()
    lines = (place / "out/UDP.csv").read_text().splitlines(keepends=True)
    lab.check("exit code", code == 2)
    lab.check("lines are whole", lines[-1].endswith("\n") and len({line.count(",") for line in lines}) == 1, len(lines))


def full_disk_of_bodies(lab):
    """No room for bodies (-files): records and flows go on, and so does the run."""
    place = lab.small_disk("bodies", "200k")
    out = lab.folder / "bodies_records"
    run = lab.run(f"-iface ie_near -include HTTP,TCP,Connection -files {place}/files -out {out}").capturing()
    bodies, segments = 4, 0
    for number in range(bodies):
        segments += lab.send_answer(number, 70_000)
    run.says("as they cannot be written (-files)")
    segments += lab.send_answer(bodies, 10)
    time.sleep(1)
    lab.check("it goes on", run.process.poll() is None, run.said().strip())
    code = run.end()
    records = [lab.all_records(out, f"{name}.ncap.gz") for name in ["TCP", "HTTP", "Connection"]]
    lab.check("exit code", code == 2)
    lab.check("all records", records == [(segments, True), (bodies + 1, True), (bodies + 1, True)], records)
    lab.check("cause and account", "No space left" in run.said() and "could not be written" in run.printed(),
              run.said().strip())
    kept = [path for path in (place / "files").rglob("*") if path.is_file()]
    lab.check("bodies have names, the rest is partial", len(kept) > 1 and any(p.suffix == ".partial" for p in kept)
              and not any(p.name.startswith(".") for p in kept), [p.name for p in kept])


def taken_name(lab):
    """A file of that name appears while the run goes on."""
    for number, flags in enumerate(["", "-csv -comp=false", "-overwrite", "-rotate 1h", "-rotate 1h -csv"]):
        out = lab.folder / f"taken{number}"
        name = "UDP.csv" if "comp" in flags else "UDP.csv.gz" if "csv" in flags else "UDP.ncap.gz"
        run = lab.run(f"-iface ie_near -include UDP,Flow {flags} -out {out}").capturing()
        sent = lab.send(500)
        until("it is written", lambda: list(out.rglob(f".{name}.*.partial")))
        folder = next(out.rglob(f".{name}.*.partial")).parent
        (folder / name).write_text("somebody else's")
        time.sleep(1)
        code = run.end()
        others = [path for path in out.rglob(name) if path != folder / name]
        if len(others) == 1 and "csv" in flags:
            text = others[0].read_bytes()
            text = gzip.decompress(text) if others[0].suffix == ".gz" else text
            count = text.count(b"\n") - 1
        else:
            count = lab.all_records(others[0].parent, name)[0] if others else 0
        what = flags or "without a flag"
        lab.check(f"{what}: exit code", code == 2)
        lab.check(f"{what}: all records, in another folder", len(others) == 1 and count == sent, [str(p) for p in others])
        lab.check(f"{what}: it is said where", bool(others) and str(others[0].parent) in run.said(), run.said().strip())
        lab.check(f"{what}: the account", "all packets" in run.printed())
        lab.check(f"{what}: the other file", (folder / name).read_text() == "somebody else's")
        lab.check(f"{what}: nothing unfinished", not list(out.rglob(".*")))


def folder_is_gone(lab):
    """The directory of output is removed, and there again; with periods the run goes on."""
    out = lab.folder / "gone"
    run = lab.run(f"-iface ie_near -include UDP -rotate 1s -out {out}").capturing()
    lab.send(100)
    sh(f"rm -rf {out}")
    run.says("cannot write")
    run.says("new files have begun")
    sent = lab.send(100)
    time.sleep(1)
    lab.check("exit code", run.end() == 2)
    lab.check("records go on", lab.all_records(out) == (sent, True), run.said().strip())
    lab.check("the account", "are in no file" in run.printed())


def room_returns(lab):
    """No room, and room again, with rotation."""
    place = lab.small_disk("again", "2m")
    ballast = place / "ballast"
    run = lab.run(f"-iface ie_near -include UDP -payload -rotate 300kB -out {place}/out").capturing()
    sent = lab.send(1000)
    ballast.write_bytes(bytes(1600 << 10))
    sent += lab.send(8000)
    run.says("cannot write")
    before = len(list((place / "out").iterdir()))
    ballast.unlink()
    time.sleep(2.5)
    last = lab.send(1000)
    time.sleep(1)
    code = run.end()
    count, whole = lab.all_records(place)
    lab.check("exit code", code == 2)
    lab.check("another period has begun", len(list((place / "out").iterdir())) > before)
    lab.check("files are whole", whole and 1000 + last <= count < sent + last, f"{count:,} of {sent + last:,}")
    told = [line for line in run.printed().splitlines() if "are in no file" in line]
    lab.check("records in files + lost = sent",
              bool(told) and count + int(told[0].split()[0].replace(",", "")) == sent + last, told)


def killed(lab):
    """kill -9, and the next run."""
    out = lab.folder / "killed"
    run = lab.run(f"-iface ie_near -include UDP -out {out}").capturing()
    sent = lab.send(2000)
    time.sleep(1)
    run.end(signal.SIGKILL)
    partial = list(out.glob(".UDP*.partial"))
    lab.check("what was sent a second before can be read", [lab.records(path) for path in partial] == [(sent, True)],
              [path.name for path in partial])
    run = lab.run(f"-iface ie_near -include UDP -duration 1s -out {out}/../killed")
    run.end(None)
    lab.check("the next run names the file", partial and partial[0].name in run.said(), run.said().strip())
    (out / "UDP.ncap.gz").unlink(missing_ok=True)
    run = lab.run(f"-iface ie_near -include UDP -duration 1s -leftovers adopt -out {out}")
    run.end(None)
    lab.check("adopted", lab.all_records(out) == (sent, True) and not list(out.glob(".*")), run.said().strip())


def signals(lab):
    """SIGHUP, SIGUSR1, nohup."""
    out = lab.folder / "signals"
    run = lab.run(f"-iface ie_near -include UDP -out {out}").capturing()
    sent = lab.send(500)
    time.sleep(1)
    run.tell(signal.SIGUSR1)
    run.says(", so far")
    lab.check("SIGUSR1 prints the account", "ie_near: 500 packets" in run.said(), run.said().strip())
    run.tell(signal.SIGHUP)
    lab.check("SIGHUP: exit code", run.end(signal.SIGHUP) == 0)
    lab.check("SIGHUP: all records", lab.all_records(out) == (sent, True))

    out = lab.folder / "nohup"
    ignore = lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN)
    run = lab.run(f"-iface ie_near -include UDP -out {out}", preexec_fn=ignore).capturing()
    run.tell(signal.SIGHUP)
    time.sleep(1)
    lab.check("nohup: it goes on", run.process.poll() is None)
    run.end()


def losses(lab):
    """Packets that the kernel drops."""
    out = lab.folder / "losses"
    run = lab.run(f"-iface ie_near -ring 1 -fail-on-loss -out {out}").capturing()
    run.tell(signal.SIGSTOP)
    lab.send(30000, rate=100000, payload=1000)
    run.tell(signal.SIGCONT)
    run.says("dropped just now")
    lab.check("said as it happens", True, run.said().strip())
    lab.check("exit code", run.end() == 5, run.said().strip().splitlines()[-1])


def twice(lab):
    """The same interface twice, also by another of its names."""
    sh(f"ip -n {SPACE} link property add dev ie_near altname ie_other")
    for program, line in [("netcap", "-iface ie_near,ie_near"), ("netcap", "-iface ie_near -iface ie_near"),
                          ("netcap", "-iface ie_near,ie_other"), ("pcapper", "-i ie_other -i ie_near -m none"),
                          ("netcap-sensor", "-iface ie_near -iface ie_other -pubkey none"),
                          ("pcap-over-ip", "serve -i ie_near -i ie_near --listen 127.0.0.1:0")]:
        run = lab.run(line, program)
        lab.check(f"{program} {line}", run.end(None) == (12 if program == "pcapper" else 1), run.said().strip())


def interrupted(lab):
    """Ctrl-C while a file is read."""
    capture = lab.folder / "long.pcap"
    frame = bytes.fromhex("02000000000202000000000108004500") + bytes(58)
    record = struct.pack("<IIII", 1, 0, len(frame), len(frame)) + frame
    with capture.open("wb") as file:
        file.write(struct.pack("<IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0, 65535, 1))
        for _ in range(300):
            file.write(record * 10000)
    for how in ["by name", "by standard input"]:
        for number in [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]:
            out = lab.folder / f"interrupted_{how[3:].replace(' ', '_')}_{number.name}"
            name = capture if how == "by name" else "-"
            with capture.open() as stdin:
                run = lab.run(f"-r {name} -out {out}", stdin=stdin)
            until("it reads", lambda: list(out.glob(".*.partial")))
            lab.check(f"{how}: exit code after {number.name}", run.end(number) == 128 + number, run.said().strip())
            lab.check("files are there", lab.all_records(out, "Ethernet.ncap.gz")[1])


def one_of_two(lab):
    """One of two interfaces goes away."""
    sh(f"ip -n {SPACE} link add ie_dummy type veth peer name ie_end; ip -n {SPACE} link set ie_dummy up")
    out = lab.folder / "one"
    run = lab.run(f"-iface ie_near,ie_dummy -include UDP -out {out}").capturing()
    sh(f"ip -n {SPACE} link delete ie_dummy")
    run.says("ie_dummy gives no more packets; the others go on: The interface")
    sent = lab.send(100)
    time.sleep(1)
    lab.check("exit code", run.end() == 2, run.said().strip())
    lab.check("the other goes on", lab.all_records(out) == (sent, True))


def replayed_interface(lab):
    """replay while its interface is removed, for a moment and for good."""
    capture = lab.folder / "replay.pcap"
    header = struct.pack("<IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0, 65535, 1)
    frame = bytes.fromhex("020000000002020000000001080045") + bytes(60)
    packets = b"".join(struct.pack("<IIII", 1 + n // 10, n % 10 * 100000, len(frame), len(frame)) + frame
                       for n in range(200))
    capture.write_bytes(header + packets)
    for again in [True, False]:
        sh(f"ip -n {SPACE} link add ie_dummy type veth peer name ie_end; ip -n {SPACE} link set ie_end up; ip -n {SPACE} link set ie_dummy up")
        run = lab.run(f"replay {capture} -i ie_dummy", "pcap-over-ip")
        time.sleep(1)
        sh(f"ip -n {SPACE} link delete ie_dummy")
        time.sleep(1)
        if again:
            sh(f"ip -n {SPACE} link add ie_dummy type veth peer name ie_end; ip -n {SPACE} link set ie_end up; ip -n {SPACE} link set ie_dummy up")
            time.sleep(2)
            sent = int(sh(f"ip netns exec {SPACE} cat /sys/class/net/ie_dummy/statistics/tx_packets"))
            lab.check("it goes on at the new one", sent >= 5, f"{sent} packets")
            run.end()
            lab.check("said", "the interface was down 1 time" in run.said(), run.said().strip())
            sh(f"ip -n {SPACE} link delete ie_dummy")
        else:
            lab.check("exit code", run.end(None) == 2, run.said().strip())


def dead_peer(lab):
    """serve --connect on a silent line: the peer is killed, and there again."""
    listen = lambda: lab.run(f"-r listen://127.0.0.1:57100 -out {lab.folder}/dead -overwrite")
    peer = listen()
    run = lab.run("serve -i ie_near --connect 127.0.0.1:57100 --stats", "pcap-over-ip").says("joined")
    time.sleep(2)
    peer.end(signal.SIGKILL)
    killed = time.monotonic()
    run.says("127.0.0.1:57100: 0 packets")
    lab.check("noticed within 2 s", time.monotonic() - killed < 2, f"{time.monotonic() - killed:.1f} s")
    peer = listen()
    until("it is connected to again", lambda: run.said().count("joined") == 2)
    peer.end()
    run.end()


def feedback(lab):
    """serve -i lo read through a relay; two hubs that read each other; a hub that reads itself."""
    run = lab.run("serve -i lo --listen 127.0.0.1:57101", "pcap-over-ip").says("memory stays below")
    relay = subprocess.Popen(["ip", "netns", "exec", SPACE, "python3", "-c", RELAY])
    out = lab.folder / "relayed.pcap"
    time.sleep(1)
    reader = subprocess.Popen(["ip", "netns", "exec", SPACE, "python3", "-c", READER, str(out)])
    time.sleep(1)
    line = "import socket; s=socket.socket(socket.AF_INET, socket.SOCK_DGRAM); [s.sendto(b'x'*80, ('127.0.0.1', 9)) for _ in range(5)]"
    sh(f'ip netns exec {SPACE} python3 -c "{line}"')
    time.sleep(6)
    lab.check("a relay: it does not grow", out.stat().st_size < 200_000, f"{out.stat().st_size:,} octets")
    lab.check("a relay: it is named", "feedback" in run.said(), run.said().strip())
    run.end()
    for other in [relay, reader]:
        other.kill()
        other.wait()

    first = lab.run("hub tcp://127.0.0.1:57112 tcp://127.0.0.1:57113 --listen 127.0.0.1:57111", "pcap-over-ip")
    second = lab.run("hub tcp://127.0.0.1:57111 --listen 127.0.0.1:57112", "pcap-over-ip")
    sensor = lab.run("serve -i ie_near --listen 127.0.0.1:57113", "pcap-over-ip")
    time.sleep(5)
    lab.send(5)
    time.sleep(5)
    lab.check("two hubs: it is named", "feedback" in first.said() + second.said(), first.said().strip())
    for run in [sensor, first, second]:
        run.end()
    read = [line for line in first.said().splitlines() if " read, " in line]
    lab.check("two hubs: it does not grow", bool(read) and int(read[0].split()[1]) < 500, read)

    run = lab.run("hub tcp://127.0.0.1:57114 --listen 127.0.0.1:57114", "pcap-over-ip")
    lab.check("a hub that reads itself", run.end(None) == 1, run.said().strip())


def refused(lab):
    """Who is turned away by --allow."""
    run = lab.run("serve -i ie_near --listen 127.0.0.1:57120 --allow 10.0.0.0/8", "pcap-over-ip")
    run.says("memory stays below")
    reader = lab.run(f"-r tcp://127.0.0.1:57120 -once -out {lab.folder}/refused")
    reader.end(None)
    lab.check("the server says so", "--allow" in run.said(), run.said().strip())
    lab.check("the reader ends", True, reader.said().strip())
    run.end()


def capabilities(lab):
    """Those of the file are given up once the interface is open."""
    program = lab.folder / "netcap"
    sh(f"cp {lab.programs}/netcap {program} && setcap cap_net_raw,cap_net_admin=ep {program}")
    place = lab.folder / "caps"
    place.mkdir()
    sh(f"chmod 755 {lab.folder}; chown 65534 {place}")
    lower = lambda: (os.setgroups([]), os.setgid(65534), os.setuid(65534))
    space = f"/run/netns/{SPACE}"

    def enter():
        there = os.open(space, os.O_RDONLY)
        setns(there, CLONE_NEWNET)
        lower()
    line = [program, "-iface", "ie_near,lo", "-metrics", "127.0.0.1:0", "-include", "UDP", "-out", f"{place}/out"]
    process = subprocess.Popen(line, preexec_fn=enter,
                               stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    time.sleep(2)
    sets = {line.split()[1] for task in Path(f"/proc/{process.pid}/task").iterdir()
            for line in (task / "status").read_text().splitlines() if line.startswith(("CapEff", "CapPrm"))}
    sent = lab.send(100)
    time.sleep(1)
    process.terminate()
    said = process.communicate()[1]
    lab.check("no thread has any", sets == {"0" * 16}, sets)
    lab.check("it captures", process.returncode == 0 and lab.all_records(place)[0] == sent, said.strip())


RELAY = """
import socket
there = socket.create_connection(("127.0.0.1", 57101))
door = socket.create_server(("127.0.0.1", 57102))
peer, _ = door.accept()
while octets := there.recv(65536):
    peer.sendall(octets)
"""

READER = """
import socket, sys
there = socket.create_connection(("127.0.0.1", 57102))
with open(sys.argv[1], "wb", 0) as out:
    while octets := there.recv(65536):
        out.write(octets)
"""

PARTS = [limit, full_disk, full_disk_of_csv, full_disk_of_bodies, taken_name, folder_is_gone, one_of_two, room_returns, killed, signals, losses, twice, interrupted, replayed_interface, dead_peer,
         feedback, refused, capabilities]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--programs", type=Path, default=ROOT / "target/release")
    parser.add_argument("--only", nargs="+", choices=[part.__name__ for part in PARTS])
    given = parser.parse_args()
    if os.geteuid() != 0:
        print("this needs root, for network namespaces")
        return 0
    with Lab(given.programs.resolve()) as lab:
        for part in PARTS:
            if given.only and part.__name__ not in given.only:
                continue
            print(f"\n{part.__name__}: {part.__doc__}")
            try:
                part(lab)
            except Exception as error:  # One case must not hide the others.
                lab.check(f"{type(error).__name__}", False, error)
    print(f"\n{len(lab.failures)} failures")
    return 1 if lab.failures else 0


if __name__ == "__main__":
    sys.exit(main())
