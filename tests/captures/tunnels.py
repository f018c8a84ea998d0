"""Captures of tunnels: GRE and what it carries, MPLS, VXLAN, Geneve, IPsec, and those without a record."""

import struct

from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import ARP, Dot1Q, Ether
from scapy.packet import Raw

from build import *

IN4 = bytes(IP(src="10.1.0.1", dst="10.1.0.2", id=7, ttl=9)
            / UDP(sport=40001, dport=9999) / Raw(b"inner"))
IN6 = bytes(IPv6(src="2001:db8:2::1", dst="2001:db8:2::2", hlim=9)
            / UDP(sport=40001, dport=9999) / Raw(b"inner"))
FRAME = bytes(Ether(src="02:00:5e:00:00:0c", dst="02:00:5e:00:00:0d", type=0x0800)) + IN4
STP = bytes.fromhex("0180c2000000" "02005e00000c" "0026" "424203" "0000000000"
                    "800002005e00000a" "00000000" "800002005e00000a" "8001"
                    "0000" "1400" "0200" "0f00") + bytes(8)
PPP = b"\x00\x21" + IN4


def over_ip(proto, data):
    return eth(ip4(proto=proto) / Raw(data))


def over_ip6(proto, data):
    return eth(ip6(nh=proto) / Raw(data))


def over_udp(port, data, sport=40000):
    return eth(udp4(data, sport=sport, dport=port))


# ------------------------------------------------------------------------- GRE

def gre_header(flags, proto, *optional):
    return struct.pack("!HH", flags, proto) + b"".join(optional)


def u32(*numbers):
    return b"".join(struct.pack("!I", n) for n in numbers)


def sre(family, offset, data):
    return struct.pack("!HBB", family, offset, len(data)) + data


@capture("gre.pcap")
def gre():
    """GRE: all flags, source routes, version 1 of PPTP, NVGRE, WCCP, other protocols, over UDP, cut."""
    checksum = b"\x12\x34\x00\x00"
    routes = sre(0x0800, 4, v4("192.0.2.1") + v4("192.0.2.2")) + sre(0xFFFE, 0, b"\xfd\xe8")
    end = bytes(4)
    return [
        over_ip(47, gre_header(0, 0x0800) + IN4),
        over_ip6(47, gre_header(0, 0x86DD) + IN6),
        over_ip(47, gre_header(0xB000, 0x0800, checksum, u32(0x2A07, 9)) + IN4),
        over_ip(47, gre_header(0xFB00, 0x0800, checksum, u32(1, 2), routes, end) + IN4),
        over_ip(47, gre_header(0x4000, 0x0800, checksum, end) + IN4),       # an empty route
        over_ip(47, gre_header(0x4000, 0x0800, checksum, routes)),          # no end
        over_ip(47, gre_header(0x4000, 0x0800, checksum, sre(0x0800, 5, v4("192.0.2.1")),
                               end) + IN4),                                 # offset beyond
        over_ip(47, gre_header(0x2000, 0x6558, u32(0x12345678)) + FRAME),   # NVGRE
        over_ip(47, gre_header(0, 0x6558) + STP),
        over_ip(47, gre_header(0x3081, 0x880B, struct.pack("!HH", len(PPP), 7), u32(1, 2)) + PPP),
        over_ip(47, gre_header(0x2081, 0x880B, u32(7, 3)) + bytes(6)),      # acknowledgement only
        over_ip(47, gre_header(0, 0x883E) + IN4),                           # WCCP version 1
        over_ip(47, gre_header(0, 0x883E) + b"\x00\x01\x02\x03" + IN4),     # version 2
        over_ip(47, gre_header(0, 0x8847) + u32(100 << 12 | 0x140) + IN4),
        over_ip(47, gre_header(0, 0x0806) + bytes(ARP(op=1, hwsrc=MAC_A, psrc="192.0.2.10",
                                                      hwdst=BCAST, pdst="192.0.2.1"))),
        over_ip(47, gre_header(0, 0x0000)),                                 # keep-alive
        over_ip(47, gre_header(0, 0x0004) + IN4),                           # no EtherType
        over_ip(47, gre_header(0, 0x88B5) + b"unknown"),
        over_ip(47, gre_header(0x0002, 0x0800) + IN4),                      # version 2
        over_ip(47, gre_header(0x0078, 0x0800) + IN4),                      # reserved flags
        over_ip(47, gre_header(0x2000, 0x0800)),                            # no key
        over_ip(47, b"\x00\x00\x08"),
        over_ip(47, gre_header(0, 0x8909) + b"\x08\x00\x01\x01\x00\x01\x00\x05" + IN4),
        over_udp(4754, gre_header(0, 0x0800) + IN4),
        (over_ip(47, gre_header(0x3000, 0x0800, u32(1, 2)) + IN4), 44),     # cut in the key
    ]


@capture("erspan.pcap")
def erspan():
    """ERSPAN types I, II and III with and without a platform header, IP frames, other types, cut."""
    second = struct.pack("!HHI", 0x1000 | 100, 0x0401, 7)

    def third(flags):
        return struct.pack("!HHIHH", 0x2000 | 100, 1, 0x12345678, 0, flags)

    def numbered(proto, data):
        return over_ip(47, gre_header(0x1000, proto, u32(9)) + data)

    return [
        over_ip(47, gre_header(0, 0x88BE) + FRAME),
        numbered(0x88BE, second + FRAME),
        numbered(0x22EB, third(0x8000) + FRAME),
        numbered(0x22EB, third(0x8001) + bytes(8) + FRAME),
        numbered(0x22EB, third(2 << 10) + IN4),
        numbered(0x22EB, third(2 << 10) + IN6),
        numbered(0x22EB, third(7 << 10) + b"unknown"),
        numbered(0x88BE, b"\x30" + bytes(20)),                              # version 3
        numbered(0x22EB, third(1) + b"cut"),
    ]


# ------------------------------------------------------------------------ MPLS

def mpls_entry(label, bottom=1, tc=0, ttl=64):
    return u32(label << 12 | tc << 9 | bottom << 8 | ttl)


@capture("mpls.pcap")
def mpls():
    """MPLS stacks over Ethernet, IP and UDP; explicit null, pseudowires, the associated channel, cut."""
    m = mpls_entry
    return [
        eth(m(16) + IN4, kind=0x8847),
        eth(m(1, 0, ttl=255) + m(1048575, 0, tc=7, ttl=1) + m(17, tc=5) + IN6, kind=0x8847),
        eth(m(18) + IN4, kind=0x8848),
        eth(m(0) + IN4, kind=0x8847),
        eth(m(2) + IN6, kind=0x8847),
        eth(m(19) + FRAME, kind=0x8847),                                    # no control word
        eth(m(19) + bytes(4) + FRAME, kind=0x8847),
        eth(m(19) + u32(5) + STP, kind=0x8847),
        eth(m(19) + b"\x00\x40\x00\x01" + bytes(30), kind=0x8847),          # no frame
        eth(m(19) + b"\xe0" + bytes(30), kind=0x8847),
        eth(m(20, 0) + m(13) + b"\x10\x00\x00\x21" + IN4, kind=0x8847),     # channel, IPv4
        eth(m(20, 0) + m(13) + b"\x10\x00\x89\x02" + bytes(20), kind=0x8847),
        over_ip(137, m(21) + IN4),
        over_udp(6635, m(22) + IN4),
        eth(Dot1Q(vlan=5, type=0x8847) / Raw(m(23) + IN4)),
        eth(m(24, 0) + b"\x00\x01", kind=0x8847),                           # cut in an entry
        eth(m(25, 0), kind=0x8847),                                         # no bottom
        eth(m(26), kind=0x8847),                                            # nothing in it
        (eth(m(27, 0) + m(28) + IN4, kind=0x8847), 20),
    ]


# --------------------------------------------------------------- VXLAN, Geneve

@capture("vxlan.pcap")
def vxlan():
    """VXLAN: both ports, group policy, no valid identifier, inside itself; VXLAN-GPE; NSH; cut."""
    def header(flags=0x0800, group=0, vni=0x123456):
        return struct.pack("!HHI", flags, group, vni << 8)

    def gpe(proto, flags=0x0C):
        return struct.pack("!BHBI", flags, 0, proto, 0x123456 << 8)

    nsh1 = b"\x0f\xc6\x01\x01" + u32(0x1FF) + bytes(16)
    nsh2 = b"\x0f\xc3\x02\x03" + u32(0x2FE) + b"\x00\x01\x02\x00"
    inside = bytes(Ether(src=MAC_A, dst=MAC_B)
                   / udp4(header(vni=2) + FRAME, dport=4789))
    return [
        over_udp(4789, header() + FRAME),
        over_udp(8472, header(vni=0) + FRAME),
        over_udp(4789, header(0x8848, 65000, 0xFFFFFF) + FRAME),            # group policy
        over_udp(4789, header(0x0000) + FRAME),                             # no identifier
        over_udp(4789, header(0x0880) + FRAME),                             # a reserved bit
        over_udp(4789, header(vni=1) + inside),
        over_udp(4789, header() + STP),
        over_udp(4790, gpe(1) + IN4),
        over_udp(4790, gpe(2) + IN6),
        over_udp(4790, gpe(3) + FRAME),
        over_udp(4790, gpe(4) + nsh1 + IN4),
        over_udp(4790, gpe(5) + mpls_entry(16) + IN4),
        over_udp(4790, gpe(9) + b"unknown"),
        over_udp(4790, gpe(0, 0x08) + FRAME),                               # no next protocol
        over_udp(4790, gpe(1, 0x1C) + IN4),                                 # version 1
        eth(nsh2 + FRAME, kind=0x894F),
        eth(b"\x0f\xc2\x01\x01" + u32(0x1FF) + IN4, kind=0x894F),           # a wrong length
        eth(b"\x0f\xc1\x02\x01" + u32(0x1FF) + IN4, kind=0x894F),           # less than a header
        over_udp(4789, header()[:6]),
        (over_udp(4789, header() + FRAME), 47),
    ]


@capture("geneve.pcap")
def geneve():
    """Geneve: options, critical and OAM bits, versions, protocols, options that do not fit, cut."""
    def header(proto=0x6558, options=b"", flags=0, version=0, units=None):
        units = len(options) // 4 if units is None else units
        return struct.pack("!BBHI", version << 6 | units, flags, proto, 0x123456 << 8) + options

    def option(cls, kind, data, last=0):
        return struct.pack("!HBB", cls, kind, last | len(data) // 4) + data

    two = option(0x0102, 0x83, b"data", 0xE0) + option(0xFFFF, 4, b"")
    return [
        over_udp(6081, header() + FRAME),
        over_udp(6081, header(options=two, flags=0x40) + FRAME),
        over_udp(6081, header(options=option(0x0100, 1, bytes(124)) * 1, flags=0x80) + FRAME),
        over_udp(6081, header(0x0800) + IN4),
        over_udp(6081, header(0x86DD) + IN6),
        over_udp(6081, header(0x0004) + IN4),                               # no EtherType
        over_udp(6081, header(0x88B5) + b"unknown"),
        over_udp(6081, header(options=two[:-1] + b"\x01") + FRAME),         # an option too long
        over_udp(6081, header(version=1, options=two) + FRAME),
        over_udp(6081, header(version=3) + FRAME),
        over_udp(6081, header(options=two, units=63)),                      # options too long
        over_udp(6081, header()[:7]),
        (over_udp(6081, header(options=two) + FRAME), 58),
    ]


# ----------------------------------------------------------------------- IPsec

@capture("ipsec.pcap")
def ipsec():
    """Authentication header: tunnel, transport, over IPv6, lengths that lie; ESP over IP and UDP; cut."""
    def ah(next_header, icv=bytes(range(12)), length=None, spi=0x12345678, seq=1):
        length = 1 + len(icv) // 4 if length is None else length
        return struct.pack("!BBHII", next_header, length, 0, spi, seq) + icv

    udp = IN4[20:]
    esp = u32(0x12345678, 1) + bytes(range(40))
    return [
        over_ip(51, ah(17) + udp),
        over_ip(51, ah(4, seq=2) + IN4),
        over_ip6(51, ah(58, spi=0xFFFFFFFE, seq=0x80000000) + b"\x80\x00\x00\x00\x00\x01\x00\x02"),
        over_ip(51, ah(17, b"") + udp),                                     # no check value
        over_ip(51, ah(17, b"", 0)[:8] + udp),                              # no sequence number
        over_ip(51, ah(17, length=60) + udp),                               # more than there is
        over_ip(51, ah(59) + b"nothing"),
        over_ip(51, ah(50) + esp),
        over_ip(51, ah(17)[:11]),
        over_ip(50, esp),
        over_ip6(50, u32(0xFFFFFFFE, 0xFFFFFFFF) + bytes(16)),
        over_ip(50, u32(1, 2)),                                             # nothing in it
        over_ip(50, esp[:7]),
        over_udp(4500, esp, sport=4500),
        over_udp(4500, b"\xff", sport=4500),                                # keep-alive
        over_udp(4500, bytes(4) + bytes(28), sport=4500),                   # key exchange
        over_udp(4500, b"\x01\x02", sport=4500),
        (over_ip(50, esp), 40),
    ]


# ------------------------------------------------------ tunnels without records

@capture("ip_tunnels.pcap")
def ip_tunnels():
    """IP in IP of both versions, minimal encapsulation, EtherIP, too many layers."""
    deep = IN4
    for _ in range(40):
        deep = bytes(ip4(proto=4) / Raw(deep))
    without = struct.pack("!BBH", 17, 0, 0) + v4("192.0.2.1")
    return [
        over_ip(4, IN4), over_ip(41, IN6), over_ip6(4, IN4), over_ip6(41, IN6), over_ip(94, IN4),
        over_ip(55, without + IN4[20:]),
        over_ip(55, b"\x11\x80\x00\x00" + v4("192.0.2.1") + v4("192.0.2.2") + IN4[20:]),
        over_ip(55, b"\x11\x80\x00\x00" + v4("192.0.2.1")),
        over_ip(97, b"\x30\x00" + FRAME),
        over_ip(97, b"\x20\x00" + FRAME),                                   # version 2
        over_ip6(143, FRAME),
        eth(deep, kind=0x0800),
    ]


@capture("tags.pcap")
def tags():
    """Backbone bridges, VN-Tag, E-TAG, FabricPath, Cisco metadata and Arista times in frames; cut."""
    ip = b"\x08\x00" + IN4
    return [
        eth(u32(0x00012345) + FRAME, kind=0x88E7),
        eth(u32(0x00012345) + FRAME[:12], kind=0x88E7),
        eth(u32(0x80010002) + ip, kind=0x8926),
        eth(u32(0x80010002) + b"\x81\x00\x00\x0b" + ip, kind=0x8926),
        eth(u32(0x80010002) + b"\x08", kind=0x8926),
        eth(b"\xa0\x01\x00\x02\x00\x00" + ip, kind=0x893F),
        eth(b"\x00\x20" + FRAME, kind=0x8903),
        eth(b"\x01\x01\x00\x01\x00\x05" + ip, kind=0x8909),
        eth(b"\x00\x01\x00\x10" + bytes(8) + ip, kind=0xD28B),
        eth(b"\x00\x01\x00\x20" + bytes(6) + ip, kind=0xD28B),
        eth(b"\x00\x02\x00\x10" + bytes(8) + ip, kind=0xD28B),
    ]


@capture("udp_tunnels.pcap")
def udp_tunnels():
    """Teredo, GTP-U, L2TP, LISP and AYIYA: every optional field, control messages, other protocols, cut."""
    origin = b"\x00\x00" + bytes.fromhex("d8f0" "3ffffdf5")
    auth = b"\x00\x01\x02\x03" + b"id" + b"aut" + bytes(9)

    def gtp(data, flags=0x30, kind=255, extra=b"", length=None):
        length = len(extra + data) if length is None else length
        return struct.pack("!BBHI", flags, kind, length, 7) + extra + data

    def lisp(flags=0x88, last=0):
        return bytes([flags, 0, 0, last]) + u32(0x700)

    numbers = b"\x00\x07\x00\x00"
    return [
        over_udp(3544, IN6),
        over_udp(3544, origin + IN6),
        over_udp(3544, auth + IN6),
        over_udp(3544, auth + origin + IN6),
        over_udp(3544, b"something else"),
        over_udp(3544, auth[:9]),
        over_udp(2152, gtp(IN4)),
        over_udp(2152, gtp(IN6)),
        over_udp(2152, gtp(IN4, 0x32, extra=numbers)),
        over_udp(2152, gtp(IN4, 0x34, extra=b"\x00\x07\x00\x85" + b"\x01\x10\x09\xc0"
                           + b"\x02" + bytes(7))),
        over_udp(2152, gtp(FRAME)),
        over_udp(2152, gtp(b"", 0x32, 1, numbers)),                         # echo request
        over_udp(2152, gtp(IN4, 0x32, extra=numbers, length=3)),
        over_udp(2152, gtp(IN4, 0x34, extra=b"\x00\x07\x00\x85" + bytes(4))),
        over_udp(2152, gtp(IN4, 0x48)),                                     # version 2
        over_udp(1701, b"\x00\x02\x00\x01\x00\x02\xff\x03" + PPP),
        over_udp(1701, b"\x4a\x02" + struct.pack("!H", 17 + len(PPP))
                 + b"\x00\x01\x00\x02\x00\x03\x00\x04\x00\x03pad" + PPP + b"trailer"),
        over_udp(1701, b"\xc8\x02\x00\x0c\x00\x01\x00\x00\x00\x00\x00\x00"),  # control
        over_udp(1701, b"\x00\x03\x00\x00" + u32(5) + FRAME),               # version 3
        over_udp(1701, b"\x00\x04\x00\x01\x00\x02"),
        over_udp(1701, b"\x40\x02\x00\x03\x00\x01\x00\x02"),
        over_ip(115, u32(5) + FRAME),
        over_udp(4341, lisp() + IN4),
        over_udp(4341, lisp() + IN6),
        over_udp(4341, lisp(0x0C, 3) + FRAME),
        over_udp(4341, lisp() + b"something else"),
        over_udp(4341, lisp()[:5]),
        over_udp(5072, b"\x21\x22\x11\x29" + bytes(16) + IN6),             # AYIYA
        over_udp(5072, b"\x21\x22\x13\x3b" + bytes(16)),
    ]
