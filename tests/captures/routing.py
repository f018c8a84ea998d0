"""Captures of routing and group membership: OSPF, BFD, VRRP (and CARP), IGMP."""

import struct

from scapy.contrib.ospf import ospf_lsa_checksum
from scapy.layers.inet import IP, UDP, IPOption_Router_Alert
from scapy.layers.inet6 import IPv6
from scapy.packet import Raw
from scapy.utils import checksum

from build import *

ALL_SPF, ALL_SPF6 = "224.0.0.5", "ff02::5"
ROUTER, OTHER, THIRD = v4("192.0.2.1"), v4("192.0.2.2"), v4("192.0.2.3")


def in_ip4(proto, data, dst=ALL_SPF, ttl=1, **kw):
    return eth(ip4(dst=dst, ttl=ttl, proto=proto, tos=0xC0, **kw) / Raw(data),
               dst="01:00:5e:" + ":".join("%02x" % o for o in [v4(dst)[1] & 0x7F, *v4(dst)[2:]]))


def in_ip6(nh, data, dst=ALL_SPF6, hlim=1):
    return eth(IPv6(src=LLA, dst=dst, nh=nh, hlim=hlim, tc=0xC0) / Raw(data),
               dst="33:33:" + ":".join("%02x" % o for o in v6(dst)[12:]))


def with_checksum(data, at, pseudo=b""):
    return data[:at] + struct.pack("!H", checksum(pseudo + data)) + data[at + 2:]


def pseudo6(data, nh, dst, src=LLA):
    return v6(src) + v6(dst) + struct.pack("!IxxxB", len(data), nh)


# ------------------------------------------------------------------------ OSPF

def ospf2(kind, body=b"", length=None, auth=(0, bytes(8)), behind=b"", version=2, checked=True):
    length = 24 + len(body) if length is None else length
    head = struct.pack("!BBH4s4sHH", version, kind, length, ROUTER, v4("0.0.0.1"), 0, auth[0])
    if checked and auth[0] != 2:  # the authentication data are not part of it
        head = with_checksum(head + body, 12)[:16]
    return in_ip4(89, head + auth[1] + body + behind)


def ospf3(kind, body=b"", length=None, instance=0, behind=b""):
    length = 16 + len(body) if length is None else length
    data = struct.pack("!BBH4s4sHBB", 3, kind, length, ROUTER, v4("0.0.0.1"), 0, instance, 0)
    data = with_checksum(data + body, 12, pseudo6(data + body, 89, ALL_SPF6))
    return in_ip6(89, data + behind)


def lsa(kind, body, ident, options=0x22, age=7, length=None, v3=False):
    """Type and options share two octets that version 3 has for the type alone."""
    what = struct.pack("!H", kind) if v3 else struct.pack("!BB", options, kind)
    data = struct.pack("!H2s4s4sIHH", age, what, ident, OTHER, 0x80000005, 0,
                       20 + len(body) if length is None else length) + body
    data = data[:16] + ospf_lsa_checksum(data) + data[18:]
    return data


def lsa3(kind, body, ident=b"\0\0\0\x05", **kw):
    return lsa(kind, body, ident, v3=True, **kw)


def update(*lsas, count=None):
    return struct.pack("!I", len(lsas) if count is None else count) + b"".join(lsas)


def hello2(*neighbors, options=0x12):
    return struct.pack("!4sHBBI4s4s", v4("255.255.255.0"), 10, options, 3, 40, ROUTER,
                       OTHER) + b"".join(neighbors)


def word(flags, value):
    """An octet and 24 bits."""
    return struct.pack("!I", flags << 24 | value)


NET = v4("10.1.0.0")


def lsas2():
    link = lambda i, d, kind, metric, tos=b"": (
        v4(i) + v4(d) + struct.pack("!BBH", kind, len(tos) // 4, metric) + tos)
    mask16, tos = v4("255.255.0.0"), bytes.fromhex("08000014")
    return [
        lsa(1, struct.pack("!BBH", 0x17, 0, 4)
            + link("192.0.2.3", "192.0.2.1", 1, 65535)
            + link("192.0.2.2", "192.0.2.1", 2, 10, tos)
            + link("10.1.0.0", "255.255.0.0", 3, 1, tos * 2)
            + link("192.0.2.9", "192.0.2.1", 4, 0), OTHER),
        lsa(2, mask16 + ROUTER + OTHER, NET),
        lsa(3, mask16 + word(0, 0xFFFFFF) + tos, NET, age=0x8E10),
        lsa(4, bytes(4) + word(0, 20), v4("192.0.2.9")),
        lsa(5, mask16 + word(0x80, 20) + ROUTER + struct.pack("!I", 0xDEADBEEF), NET),
        lsa(5, mask16 + word(0, 1) + bytes(8), NET),
        lsa(6, struct.pack("!I4s", 1, ROUTER), v4("224.0.1.1")),
        lsa(7, mask16 + word(0x80, 2) + THIRD + bytes(4), NET, options=0x08),
        lsa(9, struct.pack("!HHI", 1, 4, 120), v4("3.0.0.0"), options=0x42),   # grace
        lsa(10, struct.pack("!HH4s", 1, 4, ROUTER), v4("1.0.0.1"), options=0x42),
        lsa(11, struct.pack("!HHI", 1, 4, 0x60000000), v4("4.0.0.0"), options=0x42),
        lsa(99, b"", NET),
    ]


@capture("ospfv2.pcap")
def ospfv2():
    """OSPFv2: hello with each authentication and signalling behind it, description, request, update with every kind of LSA, acknowledgment."""
    lls = bytes.fromhex("fff6000300010004" "00000001")
    crypto = struct.pack("!HBBI", 0, 7, 16, 0x3C7EC653)
    lsas = lsas2()
    return [
        ospf2(1, hello2()),
        ospf2(1, hello2(OTHER, THIRD), behind=lls),
        ospf2(1, hello2(OTHER), auth=(1, b"password")),
        ospf2(1, hello2(OTHER), auth=(2, crypto), behind=bytes(range(16))),
        ospf2(2, struct.pack("!HBBI", 1500, 0x52, 7, 7777)),
        ospf2(2, struct.pack("!HBBI", 1500, 0x52, 1, 7778) + b"".join(x[:20] for x in lsas)),
        ospf2(3, struct.pack("!I4s4s", 1, OTHER, OTHER) + struct.pack("!I4s4s", 5, NET, THIRD)),
        ospf2(4, update(*lsas)),
        ospf2(4, update()),
        ospf2(5, b"".join(x[:20] for x in lsas[:3])),
        ospf2(5),
        eth(ip6() / IP(src=A4, dst=B4, id=1, proto=89)
            / Raw(bytes(ospf2(1, hello2()))[34:])),       # in a tunnel
    ]


@capture("ospfv2_malformed.pcap")
def ospfv2_malformed():
    """Broken OSPFv2: versions, types, packet and LSA lengths, counts, half entries, cut."""
    router, network, summary = lsas2()[:3]
    many = lsa(1, struct.pack("!BBH", 0, 0, 3) + router[24:36], OTHER)
    tos = lsa(1, struct.pack("!BBH4s4sBBH", 0, 0, 1, NET, NET, 3, 200, 1), OTHER)
    short, long = lsa(3, summary[20:], NET, length=19), lsa(3, summary[20:], NET, length=80)
    whole = bytes(ospf2(4, update(router, network)))
    return [
        ospf2(1, hello2(), version=1),
        ospf2(1, hello2(), version=4),
        ospf2(0, hello2()),
        ospf2(6),
        ospf2(1, hello2(), length=23),
        ospf2(1, hello2(), length=0),
        ospf2(1, hello2(OTHER), length=200),              # beyond the datagram
        ospf2(1, hello2(OTHER), length=44),               # the neighbor is not in it
        ospf2(1, hello2()[:12]),
        ospf2(1, hello2(OTHER) + b"\xc0\0"),              # half a neighbor
        ospf2(2, struct.pack("!HBBI", 1500, 2, 0, 1) + router[:20] + network[:7]),
        ospf2(3, struct.pack("!I4s4s", 1, OTHER, OTHER) + b"\0\0\0\x01"),
        ospf2(4, b"\0\0"),
        ospf2(4, update(many, summary)),                  # three links said, one there
        ospf2(4, update(tos, summary)),                   # metrics that are not there
        ospf2(4, update(short, summary)),
        ospf2(4, update(long, summary)),
        ospf2(4, update(summary, count=0xFFFFFFFF)),
        ospf2(4, update(summary, network, count=1)),
        ospf2(4, update(lsa(1, b"", OTHER), lsa(2, b"", NET), lsa(5, bytes(8), NET), summary)),
        ospf2(5, router[:20] + network[:19]),
        (whole, 14 + 20 + 23),                            # cut in the header
        (whole, 14 + 20 + 24 + 4 + 10),                   # in the header of an LSA
        (whole, 14 + 20 + 24 + 4 + 20 + 4 + 30),          # in a link
        (whole, len(whole) - 2),
    ]


def prefix(length, data, options=0, metric=0):
    return struct.pack("!BBH", length, options, metric) + data


def lsas3():
    p64 = v6("2001:db8:0:1::")[:8]
    return [
        lsa3(0x2001, word(0x17, 0x33) + struct.pack("!BxHII4s", 1, 65535, 6, 7, OTHER)
             + struct.pack("!BxHII4s", 2, 10, 8, 9, THIRD)),
        lsa3(0x2001, word(0, 0x33), age=0x8001),
        lsa3(0x2002, word(0, 0x33) + ROUTER + OTHER),
        lsa3(0x2003, word(0, 0xFFFFFF) + prefix(64, p64, 0x10)),
        lsa3(0x2003, word(0, 1) + prefix(0, b"")),
        lsa3(0x2003, word(0, 1) + prefix(128, v6("2001:db8::1"), 2)),
        lsa3(0x2004, word(0, 0x33) + word(0, 20) + THIRD),
        lsa3(0x4005, word(7, 20) + prefix(33, p64, 0, 0x2001) + v6("2001:db8::9")
             + struct.pack("!II", 0xDEADBEEF, 5)),
        lsa3(0x4005, word(0, 20) + prefix(64, p64)),
        lsa3(0x4005, word(1, 20) + prefix(0, b"") + struct.pack("!I", 99)),
        lsa3(0x2006, bytes(8)),                           # group membership, deprecated
        lsa3(0x2007, word(6, 2) + prefix(64, p64, 8) + v6("2001:db8::9")),
        lsa3(0x0008, word(1, 0x33) + v6(LLB) + struct.pack("!I", 2) + prefix(64, p64)
             + prefix(0, b"", 2)),
        lsa3(0x0008, word(0, 0x33) + v6(LLB) + bytes(4)),
        lsa3(0x2009, struct.pack("!HH4s4s", 2, 0x2002, b"\0\0\0\x05", OTHER)
             + prefix(64, p64, 0, 10) + prefix(128, v6("2001:db8::1"), 2, 0)),
        lsa3(0x000B, struct.pack("!HHI", 1, 4, 120)),     # grace
        lsa3(0xA021, word(0, 0x33) + struct.pack("!HHBxHII4s", 1, 16, 1, 1, 1, 1, OTHER)),
        lsa3(0x8123, b"unknown!"),
    ]


def hello3(*neighbors, options=0x13):
    return struct.pack("!IIHH4s4s", 6, 1 << 24 | options, 10, 40, ROUTER,
                       OTHER) + b"".join(neighbors)


@capture("ospfv3.pcap")
def ospfv3():
    """OSPFv3: hello, description, request, update with every kind of LSA, acknowledgment, instance, authentication trailer, over IPv4."""
    lsas = lsas3()
    trailer = struct.pack("!HHHHQ", 1, 36, 0, 1, 5) + bytes(range(20))
    over_ip4 = struct.pack("!BBH4s4sHBB", 3, 1, 36, ROUTER, bytes(4), 0, 64, 0) + hello3()
    return [
        ospf3(1, hello3()),
        ospf3(1, hello3(OTHER, THIRD), instance=64),
        ospf3(1, hello3(OTHER, options=0x413), behind=trailer),
        ospf3(2, struct.pack("!IHBBI", 0x13, 1500, 0, 7, 7777)),
        ospf3(2, struct.pack("!IHBBI", 0x13, 1500, 0, 0, 7778) + b"".join(x[:20] for x in lsas)),
        ospf3(3, struct.pack("!HH4s4s", 0, 0x2001, bytes(4), OTHER)
              + struct.pack("!HH4s4s", 0, 0x0008, b"\0\0\0\x06", THIRD)),
        ospf3(4, update(*lsas)),
        ospf3(4, update()),
        ospf3(5, b"".join(x[:20] for x in lsas[:3])),
        in_ip4(89, over_ip4),
    ]


@capture("ospfv3_malformed.pcap")
def ospfv3_malformed():
    """Broken OSPFv3: types, packet and LSA lengths, prefixes of impossible length, counts, cut."""
    router, _, network = lsas3()[:3]
    link = v6(LLB) + struct.pack("!I", 9)
    whole = bytes(ospf3(4, update(router, network)))
    return [
        ospf3(0, hello3()),
        ospf3(6),
        ospf3(1, hello3(), length=15),
        ospf3(1, hello3(OTHER), length=200),
        ospf3(1, hello3()[:7]),
        ospf3(1, hello3(OTHER) + b"\xc0"),
        ospf3(4, update(lsa3(0x2003, word(0, 1) + prefix(129, bytes(20))), network)),
        ospf3(4, update(lsa3(0x2003, word(0, 1) + prefix(64, bytes(4))), network)),
        ospf3(4, update(lsa3(0x0008, word(1, 0x33) + link + prefix(0, b"")), network)),
        ospf3(4, update(lsa3(0x2009, struct.pack("!HH4s4s", 3, 0x2001, bytes(4), OTHER)
                             + prefix(32, bytes(4)) + prefix(200, bytes(4))), network)),
        ospf3(4, update(lsa3(0x4005, word(3, 1) + prefix(0, b"") + bytes(8)), network)),
        ospf3(4, update(lsa3(0x2001, word(0, 0x33) + bytes(15)), network)),
        ospf3(4, update(lsa3(0x2002, b"", length=5), network)),
        ospf3(4, update(network, count=3)),
        ospf3(5, network[:20] + router[:4]),
        (whole, 14 + 40 + 15),
        (whole, 14 + 40 + 16 + 4 + 20 + 10),
    ]


# ------------------------------------------------------------------------- BFD

def bfd(first=0x20, second=0xC0, mine=1, yours=2, auth=b"", length=None, behind=b""):
    if auth:
        second |= 4
    length = 24 + len(auth) if length is None else length
    return struct.pack("!BBBBIIIII", first, second, 3, length, mine, yours, 1_000_000, 500_000,
                       50_000) + auth + behind


def on_port(data, dport=3784, sport=49152):
    return eth(ip4(ttl=255) / UDP(sport=sport, dport=dport) / Raw(data))


@capture("bfd.pcap")
def bfd_pcap():
    """BFD: states, diagnostics and flags, version 0, all ports, every authentication, wrong lengths and versions, what only has its port, cut."""
    digest = lambda kind, n: struct.pack("!BBBBI", kind, 8 + n, 7, 0, 0xFFFFFFFE) + bytes(range(n))
    whole = bytes(on_port(bfd(auth=digest(2, 16))))
    return [
        on_port(bfd(0x20, 0x40, mine=0x80000001, yours=0)),
        on_port(bfd(0x21, 0x80)),
        on_port(bfd(0x28, 0xC0)),
        on_port(bfd(0x27, 0x00)),
        *(on_port(bfd(0x20, 0xC0 | 1 << bit)) for bit in (0, 1, 3, 4, 5)),
        on_port(bfd(0x03, 0xB8)),                         # version 0
        on_port(bfd(), dport=4784),
        on_port(bfd(), dport=6784),
        on_port(bfd(), dport=7784),
        on_port(bfd(), sport=7784, dport=49152),
        on_port(bfd(auth=b"\x01\x09\x05secret")),
        on_port(bfd(auth=digest(2, 16))),
        on_port(bfd(auth=digest(3, 16))),
        on_port(bfd(auth=digest(4, 20))),
        on_port(bfd(auth=digest(5, 20)), dport=4784),
        on_port(bfd(auth=b"\x63\x04\x01\x02")),
        eth(ip6(hlim=255) / UDP(sport=49152, dport=3784) / Raw(bfd())),
        on_port(bfd(behind=b"not of it")),
        on_port(bfd(length=23)),
        on_port(bfd(length=0)),
        on_port(bfd(length=40)),
        on_port(bfd(0x20, 0xC4)),                         # authentication said, none there
        on_port(bfd(auth=b"\x02\x1c\x01\0" + bytes(24))),  # MD5 with the length of SHA1
        on_port(bfd(auth=b"\x01\x03\x01")),               # no password
        on_port(bfd()[:20]),
        on_port(bfd(0x40)),                               # version 2
        on_port(bfd(), dport=3785),                       # echo
        on_port(small_answer(0x2000), sport=53),          # an answer to a client on that port
        on_port(dns(0x2000, QUERY, [question(name("www.example.com"))]), sport=3784, dport=53),
        on_port(b"\x20\xc0\x03\x18" + bytes(20), sport=3784, dport=500),
        (whole, 14 + 20 + 8 + 23),
        (whole, 14 + 20 + 8 + 30),
    ]


# ------------------------------------------------------------------------ VRRP

def vrrp(version=2, count=None, addresses=(ROUTER,), priority=100, auth=0, interval=1, kind=1,
         behind=None):
    body = b"".join(addresses)
    if version == 2:
        times, body = struct.pack("!BB", auth, interval), body + (behind or bytes(8))
    else:
        times = struct.pack("!H", interval)
    count = len(addresses) if count is None else count
    head = struct.pack("!BBBB", version << 4 | kind, 7, priority, count)
    return with_checksum(head + times + bytes(2) + body, 6)


def in_vrrp(data, **kw):
    return in_ip4(112, data, dst="224.0.0.18", ttl=255, **kw)


@capture("vrrp.pcap")
def vrrp_pcap():
    """VRRP: version 2 with each authentication, version 3 over IPv4 and IPv6, CARP, wrong versions, types and counts, cut."""
    carp = struct.pack("!BBBBBBHQ", 0x21, 1, 0, 7, 0, 1, 0, 5) + bytes(range(20))
    six = vrrp(3, addresses=(v6(LLA), v6("2001:db8::1")), interval=100)
    group6 = "ff02::12"
    return [
        in_vrrp(vrrp()),
        in_vrrp(vrrp(addresses=(ROUTER, OTHER, THIRD), priority=255, interval=255)),
        in_vrrp(vrrp(auth=1, behind=b"password")),
        in_vrrp(vrrp(auth=2, priority=0)),
        in_vrrp(vrrp(addresses=())),
        in_vrrp(vrrp(3, interval=100)),
        in_vrrp(vrrp(3, interval=0xFFFF, addresses=(ROUTER, OTHER))),
        in_ip6(112, with_checksum(six, 6, pseudo6(six, 112, group6)), dst=group6, hlim=255),
        eth(ip4(proto=41) / IPv6(src=LLA, dst=group6, nh=112, hlim=255) / Raw(six)),
        in_vrrp(with_checksum(carp, 6)),
        in_vrrp(vrrp(addresses=[ROUTER] * 7)),            # as many as CARP seems to have
        in_vrrp(vrrp(version=1)),
        in_vrrp(vrrp(version=4)),
        in_vrrp(vrrp(kind=2)),
        in_vrrp(vrrp(3, count=3)),
        in_vrrp(vrrp()[:6]),
        (in_vrrp(vrrp()), 14 + 20 + 7),
        (in_vrrp(vrrp(addresses=(ROUTER, OTHER))), 14 + 20 + 8 + 6),
    ]


# ------------------------------------------------------------------------ IGMP

def igmp(kind, code=0, rest=v4("224.0.0.251")):
    return with_checksum(struct.pack("!BBH", kind, code, 0) + rest, 2)


def in_igmp(data, dst="224.0.0.1"):
    frame = in_ip4(2, data, dst=dst, options=[IPOption_Router_Alert()])
    return bytes(frame).ljust(60, b"\0")


def query3(group, code=100, flags=2, interval=125, sources=(), count=None):
    count = len(sources) if count is None else count
    return igmp(0x11, code, v4(group) + struct.pack("!BBH", flags, interval, count)
                + b"".join(sources))


def group_record(kind, group, sources=(), aux=b""):
    return struct.pack("!BBH4s", kind, len(aux) // 4, len(sources), v4(group)) + b"".join(
        sources) + aux


def report3(*records, count=None):
    count = len(records) if count is None else count
    return igmp(0x22, 0, struct.pack("!HH", 0, count) + b"".join(records))


@capture("igmp.pcap")
def igmp_pcap():
    """IGMP: queries, reports and leaves of versions 1 to 3, floating codes, all group records, auxiliary data, DVMRP, PIM, traceroute, router discovery, RGMP, wrong lengths and counts, cut."""
    group = "239.255.255.250"
    change = report3(group_record(3, group, (ROUTER, OTHER)), group_record(4, group))
    return [
        in_igmp(igmp(0x11, 0, bytes(4))),
        in_igmp(igmp(0x12)),
        in_igmp(igmp(0x11, 100, bytes(4))),
        in_igmp(igmp(0x11, 255), dst="224.0.0.251"),
        in_igmp(igmp(0x16, 0), dst="224.0.0.251"),
        in_igmp(igmp(0x17, 0), dst="224.0.0.2"),
        in_igmp(query3("0.0.0.0")),
        in_igmp(query3(group, 0x80, 0x0F, 0x80)),
        in_igmp(query3(group, 0x9F, 0, 0xFF, (ROUTER, OTHER))),
        in_igmp(query3(group, 0xFF, 7, 0)),
        in_igmp(report3(), dst="224.0.0.22"),
        in_igmp(report3(*(group_record(k, group, (ROUTER,) * (k % 3)) for k in range(1, 7))),
                dst="224.0.0.22"),
        in_igmp(report3(group_record(2, group, (OTHER,), b"auxiliar"), group_record(9, group)),
                dst="224.0.0.22"),
        in_igmp(igmp(0x13, 1, bytes.fromhex("00000e03") + bytes.fromhex("5f5c1234"))),
        in_igmp(igmp(0x14, 0, bytes.fromhex("1000000000000069"))),
        in_igmp(igmp(0x1F, 32, v4(group) + ROUTER + OTHER + THIRD + bytes.fromhex("40001234"))),
        in_igmp(igmp(0x30, 20, struct.pack("!HH", 125, 2)), dst="224.0.0.106"),
        in_igmp(igmp(0x31, 0, b""), dst="224.0.0.2"),
        in_igmp(igmp(0xFF, 0, bytes(4)), dst="224.0.0.25"),
        in_igmp(igmp(0x99, 3, b"unknown!")),
        in_igmp(query3(group)[:10]),                      # neither 8 nor 12 octets
        in_igmp(query3(group, count=3, sources=(ROUTER,))),
        in_igmp(igmp(0x16)[:6]),
        in_igmp(report3(group_record(1, group, (ROUTER,)), count=2)),
        in_igmp(report3(group_record(1, group)[:-2])),
        in_igmp(report3(group_record(1, group, (ROUTER, OTHER))[:-5])),
        (in_igmp(query3(group)), 14 + 24 + 8),            # not to be taken for version 2
        (in_igmp(change, dst="224.0.0.22"), 14 + 24 + 8 + 13),
        (in_igmp(change, dst="224.0.0.22"), 14 + 24 + 3),
    ]
