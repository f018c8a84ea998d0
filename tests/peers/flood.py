"""Packets at the highest rate that the machine sends: is each of them accounted for?"""

import ctypes
import multiprocessing
import os
import signal
import threading
import time

from peers import packets
from peers.lab import METRICS, PORT, until

# What sendmmsg takes at a time.
BATCH = 256


class Vector(ctypes.Structure):
    """struct iovec of <sys/uio.h>."""
    _fields_ = [("base", ctypes.c_void_p), ("length", ctypes.c_size_t)]


class Header(ctypes.Structure):
    """struct msghdr of <sys/socket.h>."""
    _fields_ = [("name", ctypes.c_void_p), ("name_length", ctypes.c_uint32),
                ("vectors", ctypes.POINTER(Vector)), ("count", ctypes.c_size_t),
                ("control", ctypes.c_void_p), ("control_length", ctypes.c_size_t),
                ("flags", ctypes.c_int)]


class Message(ctypes.Structure):
    """struct mmsghdr, of the same."""
    _fields_ = [("header", Header), ("sent", ctypes.c_uint)]


def send(wire, frames, count):
    """Sends that many frames, as fast as it goes, from a list over and over; gives how many were sent."""
    libc = ctypes.CDLL(None, use_errno=True)
    frames = [frames[n % len(frames)] for n in range(BATCH)]
    buffers = [ctypes.create_string_buffer(frame, len(frame)) for frame in frames]
    vectors = [Vector(ctypes.addressof(buffer), len(frame)) for buffer, frame in zip(buffers, frames)]
    messages = (Message * BATCH)()
    for message, vector in zip(messages, vectors):
        message.header.vectors, message.header.count = ctypes.pointer(vector), 1
    sent = 0
    while sent < count:
        done = libc.sendmmsg(wire.fileno(), messages, min(BATCH, count - sent), 0)
        if done > 0:
            sent += done
        elif ctypes.get_errno() not in (4, 11, 105):  # EINTR, EAGAIN, ENOBUFS: again.
            raise OSError(ctypes.get_errno(), "sendmmsg")
    return sent


def at_a_rate(wire, frames, count, rate):
    """Sends frames in small bursts, so many a second."""
    begun, sent = time.monotonic(), 0
    while sent < count:
        due = min(count, int((time.monotonic() - begun) * rate) + 1)
        for number in range(sent, due):
            wire.send(frames[number % len(frames)])
        sent = max(sent, due)
        time.sleep(0.001)
    return sent


def mixed(lab, here, there):
    """Frames of all kinds: those that are recorded, and those that make no record, with the reason."""
    ends = lab.address(here), lab.address(there)
    head = packets.ethernet(lab.mac(there), lab.mac(here))
    frame = lambda *args, **more: head + packets.ipv4(*ends, *args, **more)
    recorded = [frame(17, packets.udp(1000 + n, 5000, bytes(18 + 64 * n))) for n in range(8)]
    recorded += [frame(6, packets.tcp(2000 + n, 80, bytes(n))) for n in range(4)]
    others = [
        (frame(1, bytes(40)), "other protocol"),
        (frame(17, bytes(1000), fragment=100), "later fragment"),
        (packets.ethernet(lab.mac(there), lab.mac(here), 0x86DD) + bytes(60), "not ipv4"),
        (frame(17, bytes(20), head=0x43), "malformed"),
    ]
    return recorded, others


def flood(lab, report, count):
    exact(lab, report)
    fastest(lab, report, count, 0)
    fastest(lab, report, count, 2)
    fastest(lab, report, count, 2, is_held_up=True)


def exact(lab, report):
    """At a rate at which nothing is lost each reason is told exactly."""
    recorded, others = mixed(lab, "left", "right")
    agent = lab.agent("right", "-i eth0 -m none --listen 127.0.0.1 --log-always -f mixed.log")
    rounds = 400
    frames = recorded + [frame for frame, _ in others]
    at_a_rate(lab.wire("left"), frames, rounds * len(frames), 5000)
    time.sleep(0.5)
    agent.end()
    wanted = {"packets": rounds * len(frames), "recorded": rounds * len(recorded),
              "dropped by the kernel": 0} | {reason: rounds for _, reason in others}
    report.equal("a mixture at 5,000 packets a second: the account", agent.account(), wanted)


def fastest(lab, report, count, collectors, is_held_up=False):
    """As fast as it goes, of all processors; at the sender's end and at the receiver's. Meanwhile an agent
    and a collector may be held up, so that something is lost."""
    name = f"with {collectors} collectors" if collectors else "alone"
    name = "held up" if is_held_up else name
    recorded, others = mixed(lab, "left", "right")
    frames = (recorded + [frame for frame, _ in others])[::-1]
    agents = {
        "src": ("left", lab.agent("left", f"-i eth0 -m src --listen 127.0.0.1 -f /dev/null {METRICS}")),
        "none": ("right", lab.agent("right", f"-i eth0 -m none --listen 127.0.0.1 -f none.log --log-always {METRICS}")),
    }
    readers = {mode: [] for mode in agents}
    for mode, (host, agent) in agents.items():
        for _ in range(collectors):
            reader = lab.recollect(host, f"1=5000\nlab:127.0.0.1:{PORT}\n")
            reader.says("connected to")
            readers[mode].append(reader)
        until("collectors are there",
              lambda: lab.metric(host, "pcapper_collectors") == collectors)
    before = lab.sent_by("left")
    victims = [agents["none"][1], readers["src"][0]] if is_held_up else []
    holding = threading.Thread(target=hold, args=(victims, 2))
    holding.start()
    begun = time.monotonic()
    sent = flooded(lab, "left", frames, count)
    took = time.monotonic() - begun
    holding.join()
    time.sleep(1)
    after = lab.sent_by("left")
    carried, refused = (new - old for new, old in zip(after, before))
    report.tell(f"{name}: {sent:,} packets in {took:.1f} s, {sent / took:,.0f} a second; "
                f"{refused:,} found no room at the other end")
    report.equal(f"{name}: what the system says was sent", carried + refused, sent)
    for mode, (_, agent) in agents.items():
        report.equal(f"{name}: {mode}: exit code", agent.end(), 0)
        account = agent.account()
        dropped = account.pop("dropped by the kernel")
        packets_come = account.pop("packets")
        passed = sent if mode == "src" else carried
        report.equal(f"{name}: {mode}: recorded + skipped by reason + dropped by the kernel = sent",
                     sum(account.values()) + dropped, passed)
        report.equal(f"{name}: {mode}: packets of the account", packets_come, sum(account.values()))
        report.tell(f"{name}: {mode}: {account}, dropped by the kernel: {dropped}")
        written, lost = agent.number("lines written"), agent.number("lost\n")
        heard = account["recorded"] if mode == "none" or collectors else 0
        report.equal(f"{name}: {mode}: lines of the log, written + lost = recorded", written + lost, heard)
        if mode == "none":
            with open(lab.folder / "none.log", "rb") as log:
                report.equal(f"{name}: lines in the log", sum(1 for _ in log), written)
            (lab.folder / "none.log").unlink()
        lost = received(report, f"{name}: {mode}", agent, readers[mode], account["recorded"])
        if is_held_up:
            what, number = ("the kernel", dropped) if mode == "none" else ("a collector", lost)
            report.check(f"{name}: {mode}: {what} has dropped some", number > 0, f"{number:,}")


def received(report, name, agent, readers, recorded):
    """What collectors have, and what was counted as lost to them, is what was recorded. Gives the latter."""
    if not readers:
        return 0
    totals = agent.number("records sent, "), agent.number("not taken in time")
    for reader in readers:
        reader.says("connection lost")
    lines = []
    for reader in readers:
        reader.end()
        with open(reader.out, "rb") as out:
            lines.append(sum(1 for _ in out))
    report.equal(f"{name}: received + lost = recorded, of {len(readers)} collectors",
                 sum(lines) + totals[1], len(readers) * recorded)
    report.equal(f"{name}: received = sent", sum(lines), totals[0])
    return totals[1]


def hold(programs, seconds):
    """Has programs do nothing for a while."""
    for program in programs:
        program.process.send_signal(signal.SIGSTOP)
    time.sleep(seconds)
    for program in programs:
        program.process.send_signal(signal.SIGCONT)


def flooded(lab, host, frames, count):
    """Sends that many frames from all processors; gives how many were sent."""
    context = multiprocessing.get_context("fork")
    workers = os.cpu_count()
    results = context.SimpleQueue()
    work = lambda: results.put(send(lab.wire(host), frames, count // workers))
    processes = [context.Process(target=work) for _ in range(workers)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    return sum(results.get() for _ in processes)
