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
# Several may run at a time.
SPACE = f"ie_runs_{os.getpid()}"
ELSEWHERE = f"{SPACE}_b"
# As long as anything may take on a busy machine.
PATIENCE = 60
CLONE_NEWNET = 0x40000000


def sh(line, check=True, **more):
    return subprocess.run(line, shell=True, check=check, capture_output=True, text=True, **more).stdout


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
        sh(f"ip netns delete {SPACE}; ip netns delete {ELSEWHERE}; umount -l {self.folder}/*; rm -rf {self.folder}", check=False)

    def socket(self, protocol=0x0800):
        """A raw socket at the far end; a socket belongs to the namespace in which it was made."""
        own = os.open("/proc/self/ns/net", os.O_RDONLY)
        there = os.open(f"/run/netns/{SPACE}", os.O_RDONLY)
        setns(there, CLONE_NEWNET)
        try:
            wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(protocol))
            wire.bind(("ie_far", protocol))
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

    def __init__(self, lab, program, arguments, space=None, **more):
        self.errors = tempfile.TemporaryFile("w+")
        self.output = tempfile.TemporaryFile("w+")
        line = ["ip", "netns", "exec", space or SPACE, str(lab.programs / program), *arguments.split()]
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


def signals_of_others(lab):
    """SIGUSR1 and SIGHUP in the other programs; who reads a file to its end and is ended before."""
    capture = write_capture(lab.folder / "slow.pcap", 1, [FRAME] * 600)
    keys = lab.folder / "keys"
    keys.mkdir()
    made = subprocess.run([lab.programs / "netcap-server", "-gen-keypair"], cwd=keys, capture_output=True, text=True)
    lab.check("keys", made.returncode == 0, made.stderr.strip())
    public, private = sorted(keys.glob("*pub*"))[0], sorted(keys.glob("*priv*"))[0]
    serve = lab.run("serve -i ie_near --listen 127.0.0.1:57130", "pcap-over-ip").says("memory stays below")
    server = lab.run(f"-privkey {private} -addr 127.0.0.1:57131 -out {lab.folder}/server", "netcap-server").says("waiting for")
    agents = lab.folder / "agents.conf"
    agents.write_text("1=1-65535\na:127.0.0.1:57134\n")
    pcapper = lab.run(f"-i ie_near -m none --listen 127.0.0.1 -p 57134 -f {lab.folder}/pcapper.log", "pcapper").says("memory stays below")
    runs = [
        ("recollect", lab.run(f"-c {agents}", "recollect").says("connected to"), 0),
        ("hub", lab.run("hub tcp://127.0.0.1:57130 --listen 127.0.0.1:57132", "pcap-over-ip").says("memory stays"), 0),
        ("replay", lab.run(f"replay {capture} -i ie_near --pace pps=1", "pcap-over-ip"), 128 + signal.SIGHUP),
        ("netcap-sensor", lab.run(f"-iface ie_near -pubkey {public} -addr 127.0.0.1:57131 -client a", "netcap-sensor").capturing(), 0),
        ("serve", serve, 0),
        ("netcap-server", server, 0),
    ]
    time.sleep(2)
    for name, run, code in runs:
        run.tell(signal.SIGUSR1)
        if name == "recollect":
            lab.send(3)
            time.sleep(1)
        told = "event=\"status\"" if name == "netcap-server" else "so far"
        run.says(told)
        lab.check(f"{name}: SIGUSR1 prints the account", run.process.poll() is None, run.said().strip().splitlines()[-1])
    pcapper.tell(signal.SIGUSR1)
    pcapper.says("so far:")
    pcapper.tell(signal.SIGHUP)
    time.sleep(1)
    lab.check("pcapper: it goes on", pcapper.process.poll() is None, pcapper.said().strip())
    lab.check("pcapper: SIGTERM", pcapper.end() == 0)
    for name, run, code in runs:
        ended = run.end(signal.SIGHUP)
        lab.check(f"{name}: SIGHUP", ended == code, f"{ended}, {run.said().strip().splitlines()[-1]}")
    for number, code in [(signal.SIGINT, 130), (signal.SIGTERM, 143)]:
        run = lab.run(f"replay {capture} -i ie_near --pace pps=1", "pcap-over-ip")
        time.sleep(2)
        lab.check(f"replay of a file: {number.name}", run.end(number) == code, run.said().strip())
        run = lab.run(f"serve {capture} --mode live --pace recorded --listen 127.0.0.1:57133", "pcap-over-ip")
        run.says("memory stays below")
        lab.check(f"serve of a file as recorded: {number.name}", run.end(number) == code, run.said().strip())
    ignore = lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN)
    run = lab.run("serve -i ie_near --listen 127.0.0.1:57130", "pcap-over-ip", preexec_fn=ignore).says("memory stays below")
    run.tell(signal.SIGHUP)
    time.sleep(1)
    lab.check("nohup: it goes on", run.process.poll() is None)
    lab.check("SIGTERM", run.end() == 0)


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
            lab.check("said as it happens", [run.said().count(words) for words in ["waiting for it", "it is back"]] == [1, 1])
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


def vanished_peer(lab):
    """serve --connect on a silent line: the host of the peer is gone without a word."""
    sh(f"ip netns add {ELSEWHERE}; ip -n {SPACE} link add ie_way type veth peer name ie_end netns {ELSEWHERE}")
    for space, name, address in [(SPACE, "ie_way", "10.9.9.1"), (ELSEWHERE, "ie_end", "10.9.9.2")]:
        sh(f"ip -n {space} address add {address}/24 dev {name}; ip -n {space} link set {name} up")
    peer = Run(lab, "netcap", f"-r listen://10.9.9.2:57100 -out {lab.folder}/vanished", space=ELSEWHERE)
    peer.says("waiting for peers")
    run = lab.run("serve -i ie_near --connect 10.9.9.2:57100 --stats", "pcap-over-ip").says("joined")
    for sends in [0, 3]:
        before = run.said().count("; next") + run.said().count("10.9.9.2:57100: ")
        lab.send(sends)
        sh(f"ip -n {ELSEWHERE} link set ie_end down")
        gone = time.monotonic()
        until("it is noticed", lambda: run.said().count("10.9.9.2:57100: ") > before)
        took = time.monotonic() - gone
        lab.check(f"noticed within ten seconds, {sends} packets under way", took < 10, f"{took:.1f} s")
        joined = run.said().count("joined")
        sh(f"ip -n {ELSEWHERE} link set ie_end up")
        until("it is connected to again", lambda: run.said().count("joined") > joined)
        time.sleep(2)
    run.end()
    peer.end()
    sh(f"ip netns delete {ELSEWHERE}")


def given_up(lab):
    """A peer to connect to that is not there, where it is given up."""
    for more, attempts in [("--once", 1), ("--retry 1", 2), ("--once --retry 1", 2)]:
        run = lab.run(f"serve -i ie_near --connect 127.0.0.1:57109 {more}", "pcap-over-ip")
        code = run.end(None)
        said = run.said().count("cannot connect")
        lab.check(f"{more}: exit code, attempts", (code, said) == (2, attempts), run.said().strip())
    out = lab.folder / "given_up.pcapng"
    run = lab.run(f"hub listen://127.0.0.1:57110 --connect 127.0.0.1:57109 --retry 0 -w {out}", "pcap-over-ip")
    run.says("given up")
    lab.check("who writes a file goes on", run.process.poll() is None)
    lab.check("exit code", run.end() == 0, run.said().strip())


def datagrams_over_lo(count):
    line = f"import socket; s=socket.socket(socket.AF_INET, socket.SOCK_DGRAM); [s.sendto(b'x'*80, ('127.0.0.1', 9)) for _ in range({count})]"
    sh(f'ip netns exec {SPACE} python3 -c "{line}"')


def feedback(lab):
    """serve -i lo read through a relay; two of them; a connection that carries a recording."""
    inside = ["ip", "netns", "exec", SPACE, "python3", "-c"]
    for forms in [[""], ["--format pcapng"], ["--snaplen 60"], ["", ""], ["", "--format pcapng --flush-ms 300"]]:
        runs, others, outs = [], [], []
        for number, form in enumerate(forms):
            served, relayed = 57101 + 2 * number, 57102 + 2 * number
            runs.append(lab.run(f"serve -i lo {form} --listen 127.0.0.1:{served}", "pcap-over-ip").says("memory stays below"))
            others.append(subprocess.Popen([*inside, RELAY, str(served), str(relayed)]))
            time.sleep(1)
            outs.append(lab.folder / f"relayed{number}")
            others.append(subprocess.Popen([*inside, READER, str(relayed), str(outs[-1])]))
        time.sleep(1)
        datagrams_over_lo(5)
        time.sleep(6)
        sizes = [out.stat().st_size for out in outs]
        lab.check(f"serve {forms}: it does not grow", max(sizes) < 300_000, f"{sizes} octets")
        said = [line for run in runs for line in run.said().splitlines() if "feedback" in line]
        lab.check(f"serve {forms}: it is named", said != [], said)
        for run in runs:
            run.end()
        for other in others:
            other.kill()
            other.wait()

    # What an earlier stream has brought is sent over the interface: that is traffic as any other.
    first, second = lab.folder / "first.pcap", lab.folder / "second.pcap"
    run = lab.run("serve -i lo --listen 127.0.0.1:57101", "pcap-over-ip").says("memory stays below")
    readers = [subprocess.Popen([*inside, READER, "57101", str(out)]) for out in [first, second]]
    time.sleep(1)
    datagrams_over_lo(50)
    time.sleep(1)
    recording = first.read_bytes()
    sh(f"ip netns exec {SPACE} python3 -c '{COPY}' {first}")
    time.sleep(1)
    run.end()
    for reader in readers:
        reader.wait()
    lab.check("a recording that is copied is captured", recording[24:] in second.read_bytes().split(recording[:24], 1)[1][1:],
              "feedback" in run.said())
    lab.check("and is no feedback", "feedback" not in run.said(), run.said().strip())


def feedback_of_hubs(lab):
    """Hubs that read each other, whatever they change; a hub that reads itself; packets that are equal."""
    packets = write_capture(lab.folder / "equal.pcap", 1, [FRAME] * 40, every=0)
    for first, second in [("", ""), ("?offset=0.5", ""), ("?offset=-1", "?offset=1")]:
        one = lab.run(f"hub tcp://127.0.0.1:57112{first} listen://127.0.0.1:57113 --listen 127.0.0.1:57111 --stats"
                      f" -w {lab.folder}/hub.pcapng --snaplen 70", "pcap-over-ip")
        two = lab.run(f"hub tcp://127.0.0.1:57111{second} --listen 127.0.0.1:57112 --bpf ip --ts ns", "pcap-over-ip")
        time.sleep(5)
        sensor = lab.run(f"serve {packets} --connect 127.0.0.1:57113", "pcap-over-ip")
        lab.check("packets sent", sensor.end(None) == 0)
        time.sleep(4)
        for run in [one, two]:
            run.end()
        lines = [line for line in one.said().splitlines() if "feedback" in line]
        lab.check(f"two hubs {first} {second}: it is named, by its source, once",
                  len(lines) == 1 and "tcp://127.0.0.1:57112" in lines[0], lines)
        passed = [line for line in one.said().splitlines() if " passed on" in line]
        lab.check("all equal packets are passed on, once", bool(passed) and "40 passed on" in passed[-1], passed)
    for line in ["hub tcp://127.0.0.1:57114 --listen 127.0.0.1:57114", "hub listen://127.0.0.1:57114 --connect 127.0.0.1:57114",
                 "hub listen://127.0.0.1:57115 --listen 127.0.0.1:57114 --connect 127.0.0.1:57114"]:
        run = lab.run(line, "pcap-over-ip")
        lab.check(f"{line}: refused", run.end(None) == 1, run.said().strip())


def rewritten(lab):
    """--rewrite-eth of captures without Ethernet."""
    ip4, ip6 = FRAME[14:], bytes([0x60, 0, 0, 0, 0, 0, 59, 64]) + bytes(32)
    sll = lambda kind, inside: struct.pack("!HHH8sH", 0, 1, 6, b"\2\0\0\0\0\1", kind) + inside
    null = lambda family, inside, order="<": struct.pack(order + "I", family) + inside
    cases = [
        ("SLL", 113, [sll(0x0800, ip4), sll(0x86dd, ip6), sll(0x0806, bytes(28)), sll(0x0004, bytes(38))], [0x0800, 0x86dd, 0x0806]),
        ("NULL", 0, [null(2, ip4), null(2, ip4, ">"), null(24, ip6), null(28, ip6), null(30, ip6, ">"), null(7, b"osi-not-ip"),
                     null(16, b"Efoo"), null(99, ip4), null(2, ip6)], [0x0800, 0x0800, 0x86dd, 0x86dd, 0x86dd]),
        ("LOOP", 108, [null(2, ip4, ">"), null(24, ip6, ">"), null(7, ip4, ">")], [0x0800, 0x86dd]),
    ]
    for name, link_type, packets, kinds in cases:
        capture = write_capture(lab.folder / "rewritten.pcap", link_type, packets)
        wire = lab.socket(3)  # ETH_P_ALL
        wire.settimeout(1)
        run = lab.run(f"replay {capture} -i ie_near --rewrite-eth --pace max", "pcap-over-ip")
        lab.check(f"{name}: exit code", run.end(None) == 0)
        frames = []
        while len(frames) < len(kinds):
            try:
                frames.append(wire.recv(2000))
            except TimeoutError:
                break
        wire.close()
        lab.check(f"{name}: what is sent", [struct.unpack("!H", frame[12:14])[0] for frame in frames] == kinds, run.said().strip())
        left_out = len(packets) - len(kinds)
        lab.check(f"{name}: the rest is counted", f"{left_out} of a link type" in run.said())


def decompression(lab):
    """-decompress of a stream that would fill the disk."""
    packets = [bytes(60000)] * 1500
    capture = write_capture(lab.folder / "zeros.pcap", 1, packets)
    stream = lab.folder / "zeros.gz"
    stream.write_bytes(gzip.compress(capture.read_bytes(), 9))
    inside = ["ip", "netns", "exec", SPACE, "python3", "-c"]
    sender = subprocess.Popen([*inside, SENDER, "57140", str(stream)])
    time.sleep(1)
    run = lab.run(f"-r tcp://127.0.0.1:57140 -once -decompress -out {lab.folder}/zeros")
    code = run.end(None)
    sender.wait()
    lab.check("exit code", code == 3, code)
    lab.check("it is our limit, with a remedy",
              "500 times its size, which is the limit" in run.said() and "without compression" in run.said() and "corrupt" not in run.said(), run.said().strip())


def clock_steps_back(lab):
    """The clock is set back an hour, with rotation."""
    library = next(Path("/usr/lib").rglob("libfaketime.so.1"), None)
    if library is None:
        return print("  skipped: it needs libfaketime")
    offset = lab.folder / "offset"
    offset.write_text("+0")
    more = {"env": {**os.environ, "LD_PRELOAD": str(library), "FAKETIME_TIMESTAMP_FILE": str(offset), "FAKETIME_NO_CACHE": "1",
                    "DONT_FAKE_MONOTONIC": "1"}}
    out = lab.folder / "back"
    run = lab.run(f"-iface ie_near -include UDP -rotate 2s -out {out}", **more).capturing()
    sent = lab.send(4000, rate=1000)
    offset.write_text("-1h")
    sent += lab.send(4000, rate=1000)
    time.sleep(1)
    lab.check("exit code", run.end() == 0)
    lab.check("all records", lab.all_records(out) == (sent, True))
    periods = sorted(out.iterdir(), key=lambda period: period.stat().st_mtime)
    names = [period.name for period in periods]
    lab.check("names never go back", len(names) > 2 and names == sorted(names, key=in_order), names)


def in_order(name):
    """A period's name: the time, and a number where that has come before."""
    time_of, _, number = name.partition("Z")
    return time_of, int(number.lstrip("-") or 1)


def refused(lab):
    """Who is turned away by --allow."""
    run = lab.run("serve -i ie_near --listen 127.0.0.1:57120 --allow 10.0.0.0/8", "pcap-over-ip")
    run.says("memory stays below")
    reader = lab.run(f"-r tcp://127.0.0.1:57120 -once -out {lab.folder}/refused")
    code = reader.end(None)
    lab.check("the server says so", "--allow" in run.said(), run.said().strip())
    lab.check("the reader ends", code == 3, code)
    lab.check("and names a possible cause", "may not allow this address" in reader.said(), reader.said().strip())
    run.end()


def capabilities(lab):
    """Those of the file are given up once the interfaces are open, in every thread."""
    bin = lab.folder / "bin"
    bin.mkdir()
    place = lab.folder / "caps"
    place.mkdir()
    sh(f"chmod 755 {lab.folder}; chown 65534 {place}; {lab.programs}/netcap-server -gen-keypair", cwd=place)
    public = sorted(place.glob("*pub*"))[0]
    capture = write_capture(place / "slow.pcap", 1, [FRAME] * 600)
    sh(f"chmod -R a+rX {place}")
    lower = lambda: (os.setgroups([]), os.setgid(65534), os.setuid(65534))
    space = f"/run/netns/{SPACE}"

    def enter():
        there = os.open(space, os.O_RDONLY)
        setns(there, CLONE_NEWNET)
        lower()
    none, raw = 0, 1 << 13  # CAP_NET_RAW
    add = (f"ip -n {SPACE} link add ie_dummy type veth peer name ie_end; ip -n {SPACE} link set ie_end up; "
           f"ip -n {SPACE} link set ie_dummy up")
    sh(add)
    for line, kept in [
        (f"netcap -iface ie_near,lo -metrics 127.0.0.1:57150 -out {place}/out", none),
        (f"netcap-sensor -iface ie_near -metrics 127.0.0.1:57150 -pubkey {public} -addr 127.0.0.1:57131 -client a", none),
        ("pcap-over-ip serve -i ie_near --listen 127.0.0.1:57151", none),
        (f"pcap-over-ip replay {capture} -i lo --pace pps=1", none),
        ("pcap-over-ip replay tcp://127.0.0.1:57159 -i ie_near", none),
        # To open an interface again that was removed: permitted, and not in effect.
        (f"pcapper -i ie_dummy --reattach -m none -p 57152 --metrics 127.0.0.1:57150 -f {place}/pcapper.log", raw),
    ]:
        name, *arguments = line.split()
        program = bin / name
        if not program.exists():
            sh(f"cp {lab.programs}/{name} {program} && setcap cap_net_raw,cap_net_admin,cap_dac_override=ep {program}")
        process = subprocess.Popen([program, *arguments], preexec_fn=enter, stderr=subprocess.PIPE,
                                   stdout=subprocess.DEVNULL, text=True)
        time.sleep(2)
        sets = {"CapEff": [], "CapPrm": []}
        for task in Path(f"/proc/{process.pid}/task").iterdir():
            for status in (task / "status").read_text().splitlines():
                if status.startswith(tuple(sets)):
                    sets[status[:6]].append(int(status.split()[1], 16))
        sent = lab.send(100)
        time.sleep(1)
        if name == "pcapper":
            sh(f"ip -n {SPACE} link delete ie_dummy; sleep 2; {add}; sleep 3")
        process.terminate()
        said = process.communicate()[1]
        lab.check(f"{line}: no thread has any in effect", len(sets["CapEff"]) > 1 and not any(sets["CapEff"]), sets)
        lab.check("none is permitted that is not needed", all(each in (none, kept) for each in sets["CapPrm"])
                  and sets["CapPrm"].count(kept if kept else 1) == (1 if kept else 0))
        if name == "netcap":
            lab.check("it captures", process.returncode == 0 and lab.all_records(place)[0] == sent, said.strip())
        if name == "pcapper":
            lab.check("it opens the interface again", "capturing again" in said, said.strip())
    sh(f"ip -n {SPACE} link delete ie_dummy")


FRAME = bytes.fromhex("02000000000202000000000108004500002800000000400600000a0000010a000002") + bytes(20)


def write_capture(path, link_type, packets, every=1):
    """A capture in which a packet comes every so many seconds."""
    header = struct.pack("<IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0, 262144, link_type)
    records = (struct.pack("<IIII", 1000 + n * every, 0, len(packet), len(packet)) + packet for n, packet in enumerate(packets))
    path.write_bytes(header + b"".join(records))
    return path


# From one port, through another.
RELAY = """
import socket, sys
there = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
door = socket.create_server(("127.0.0.1", int(sys.argv[2])))
peer, _ = door.accept()
while octets := there.recv(65536):
    peer.sendall(octets)
"""

READER = """
import socket, sys
there = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
with open(sys.argv[2], "wb", 0) as out:
    while octets := there.recv(65536):
        out.write(octets)
"""

SENDER = """
import socket, sys
door = socket.create_server(("127.0.0.1", int(sys.argv[1])))
peer, _ = door.accept()
try:
    peer.sendall(open(sys.argv[2], "rb").read())
except OSError:
    pass
"""

# A file, from one end of a connection over lo to the other.
COPY = """
import socket, sys
door = socket.create_server(("127.0.0.1", 0))
there = socket.create_connection(door.getsockname())
peer, _ = door.accept()
there.sendall(open(sys.argv[1], "rb").read())
there.close()
while peer.recv(65536):
    pass
"""

PARTS = [limit, full_disk, full_disk_of_csv, full_disk_of_bodies, taken_name, folder_is_gone,
         one_of_two, room_returns, killed, signals, signals_of_others, losses, twice,
         interrupted, replayed_interface, dead_peer, vanished_peer, given_up, feedback, feedback_of_hubs, rewritten, decompression,
         clock_steps_back, refused, capabilities]


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
