"""File formats, packet builders and the list of captures, for the modules that make captures.

All times, addresses, ids, ports and sequence numbers are fixed, so two runs give the same
bytes. Scapy fills in an address, a MAC or a port that is left out from the machine it runs
on, so every packet names its own.

A function marked with `capture` makes one capture, one marked with `family` several; the
first line of its docstring is its line in README.md.
"""

import pathlib
import socket
import struct

from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Ether
from scapy.packet import Raw

HERE = pathlib.Path(__file__).resolve().parent

# ---------------------------------------------------------------- file formats

ETHERNET, NULL, RAW, LOOP, SLL, USER0, SLL2 = 1, 0, 101, 108, 113, 147, 276
START = 1_600_000_000  # 2020-09-13 12:26:40 UTC

FILES = {}  # name -> bytes
LINES = []  # (name, note) in the order made


def emit(name, data, note):
    assert name not in FILES, name
    FILES[name] = data
    LINES.append((name, note))


class Pkt:
    """Captured bytes, time in nanoseconds since 1970, and length on the wire."""

    def __init__(self, data, ns, wire=None):
        self.data, self.ns = bytes(data), ns
        self.wire = len(self.data) if wire is None else wire


def timed(frames):
    """Gives frames their times. A frame may be (frame, captured length): cut short."""
    # Fractions that go wrong when printed without leading zeros, then the last
    # microsecond of a second and the first of the next.
    steps = [1, 20, 300, 4_000, 50_000, 600_000, 999_999, 1_000_000]
    out = []
    for i, frame in enumerate(frames):
        us = (i // 8) * 2_000_000 + steps[i % 8]
        cut = None
        if isinstance(frame, tuple):
            frame, cut = frame
        data = bytes(frame)
        out.append(Pkt(data[:cut], START * 10**9 + us * 1000, len(data)))
    return out


def pcap(packets, link=ETHERNET, e="<", nano=False, magic=None, version=(2, 4),
         snaplen=262144, swapped=False, modified=False):
    """A pcap file. swapped: lengths in the order of old versions. modified: the
    record header of Kuznetzov's patched libpcap, eight bytes longer."""
    if magic is None:
        magic = 0xA1B2CD34 if modified else 0xA1B23C4D if nano else 0xA1B2C3D4
    out = [struct.pack(e + "IHHiIII", magic, *version, 0, 0, snaplen, link)]
    for p in packets:
        sec, ns = divmod(p.ns, 10**9)
        lengths = (p.wire, len(p.data)) if swapped else (len(p.data), p.wire)
        out.append(struct.pack(e + "IIII", sec, ns if nano else ns // 1000, *lengths))
        if modified:  # interface index, protocol, packet type, padding
            out.append(struct.pack(e + "IHBx", 2, 0x0800, 0))
        out.append(p.data)
    return b"".join(out)


def pad4(data):
    return data + b"\0" * (-len(data) % 4)


class Ng:
    """Writes pcapng blocks in one byte order."""

    def __init__(self, e="<"):
        self.e = e

    def options(self, opts):
        if not opts:
            return b""
        out = [struct.pack(self.e + "HH", code, len(v)) + pad4(v) for code, v in opts]
        return b"".join(out) + bytes(4)  # opt_endofopt

    def block(self, kind, body):
        body = pad4(body)
        size = struct.pack(self.e + "I", 12 + len(body))
        return struct.pack(self.e + "I", kind) + size + body + size

    def section(self, opts=(), length=-1):
        return self.block(0x0A0D0D0A, struct.pack(self.e + "IHHq", 0x1A2B3C4D, 1, 0, length)
                          + self.options(opts))

    def interface(self, link=ETHERNET, snaplen=262144, opts=()):
        return self.block(1, struct.pack(self.e + "HHI", link, 0, snaplen) + self.options(opts))

    def enhanced(self, p, iface=0, ticks=None, opts=()):
        ticks = p.ns // 1000 if ticks is None else ticks
        head = struct.pack(self.e + "IIIII", iface, ticks >> 32, ticks & 0xFFFFFFFF,
                           len(p.data), p.wire)
        return self.block(6, head + pad4(p.data) + self.options(opts))

    def simple(self, p):
        return self.block(3, struct.pack(self.e + "I", p.wire) + p.data)

    def obsolete(self, p, iface=0, drops=0, opts=()):
        ticks = p.ns // 1000
        head = struct.pack(self.e + "HHIIII", iface, drops, ticks >> 32, ticks & 0xFFFFFFFF,
                           len(p.data), p.wire)
        return self.block(2, head + pad4(p.data) + self.options(opts))


def pcapng(packets, e="<"):
    ng = Ng(e)
    return b"".join([ng.section(), ng.interface()] + [ng.enhanced(p) for p in packets])


CAPTURES = []


def capture(name, **how):
    """Marks a function that returns the frames of one pcap file."""

    def register(make):
        def run():
            emit(name, pcap(timed(make()), **how), make.__doc__.splitlines()[0])
        CAPTURES.append(run)
        return make
    return register


def family(make):
    """Marks a function that emits several files itself."""
    CAPTURES.append(make)
    return make


# ------------------------------------------------------------- packet builders

MAC_A, MAC_B, BCAST = "02:00:5e:00:00:0a", "02:00:5e:00:00:0b", "ff:ff:ff:ff:ff:ff"
A4, B4 = "192.0.2.10", "198.51.100.20"
A6, B6 = "2001:db8::a", "2001:db8:1::b"
LLA, LLB = "fe80::5eff:fe00:a", "fe80::5eff:fe00:b"


def mac(text):
    return bytes.fromhex(text.replace(":", ""))


def eth(payload=b"", kind=None, src=MAC_A, dst=MAC_B):
    """Ethernet II. kind is needed when payload is bytes."""
    if kind is None:
        return Ether(src=src, dst=dst) / payload
    return mac(dst) + mac(src) + struct.pack("!H", kind) + bytes(payload)


def ieee8023(payload, length=None, src=MAC_A, dst=MAC_B):
    """An 802.3 frame, padded to the minimum of 60 bytes."""
    length = len(payload) if length is None else length
    return (mac(dst) + mac(src) + struct.pack("!H", length) + payload).ljust(60, b"\0")


def ip4(**kw):
    return IP(**{"src": A4, "dst": B4, "id": 0x1234, "ttl": 64, **kw})


def ip6(**kw):
    return IPv6(**{"src": A6, "dst": B6, "hlim": 64, **kw})


def udp4(data=b"", sport=40000, dport=9999, **kw):
    return ip4() / UDP(sport=sport, dport=dport, **kw) / Raw(data)


def tcp(flags="S", **kw):
    return TCP(**{"sport": 40000, "dport": 9999, "seq": 1000, "ack": 0, "flags": flags,
                  "window": 64240, **kw})


def labels(*parts):
    """A name from its labels; labels are bytes and may hold anything."""
    return b"".join(bytes([len(p)]) + p for p in parts)


def name(text):
    """An uncompressed name from dotted text."""
    return labels(*(p.encode() for p in text.split(".") if p)) + b"\0"


def ptr(offset):
    """A compression pointer. The question of a message starts at 12."""
    return struct.pack("!H", 0xC000 | offset)


def question(qname, qtype=1, qclass=1):
    return qname + struct.pack("!HH", qtype, qclass)


def rr(owner, kind, rdata, ttl=300, cls=1):
    return owner + struct.pack("!HHIH", kind, cls, ttl, len(rdata)) + rdata


def dns(ident, flags, qd=(), an=(), ns=(), ar=(), counts=None):
    counts = counts or (len(qd), len(an), len(ns), len(ar))
    return struct.pack("!HH4H", ident, flags, *counts) + b"".join([*qd, *an, *ns, *ar])


def v4(text):
    return socket.inet_pton(socket.AF_INET, text)


def v6(text):
    return socket.inet_pton(socket.AF_INET6, text)


QUERY, ANSWER = 0x0100, 0x8180  # recursion desired; response, RD, RA


def dns_query(data):
    return eth(ip4() / UDP(sport=50053, dport=53) / Raw(data))


def dns_answer(data):
    return eth(ip4(src=B4, dst=A4) / UDP(sport=53, dport=50053) / Raw(data),
               src=MAC_B, dst=MAC_A)


def small_answer(ident=0x0F00, host="www.example.com"):
    """A DNS answer of about 80 bytes, for captures that need some real payload."""
    return dns(ident, ANSWER, [question(name(host))],
               [rr(ptr(12), 1, v4("203.0.113.80")), rr(ptr(12), 16, b"\x0bhello world")])
