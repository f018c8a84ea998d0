"""Captures of the core: file formats, link layers, IP, TCP, UDP, DNS, NTP and DHCPv4."""

import bz2
import gzip
import io
import lzma
import shutil
import socket
import struct
import subprocess
import sys

from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import (
    ICMPv6DestUnreach, ICMPv6EchoReply, ICMPv6EchoRequest, ICMPv6ND_NA, ICMPv6ND_NS,
    ICMPv6ND_RA, ICMPv6ND_Redirect, ICMPv6ND_RS, ICMPv6NDOptDstLLAddr, ICMPv6NDOptMTU,
    ICMPv6NDOptPrefixInfo, ICMPv6NDOptRDNSS, ICMPv6NDOptRedirectedHdr,
    ICMPv6NDOptSrcLLAddr, ICMPv6PacketTooBig, ICMPv6ParamProblem, ICMPv6TimeExceeded,
    IPv6, IPv6ExtHdrFragment)
from scapy.layers.l2 import ARP, Dot1Q, Ether
from scapy.packet import Raw

from build import *

# ------------------------------------------------------------------ link layer

@capture("ethernet.pcap")
def ethernet():
    """Ethernet II and 802.3 length frames, padding and trailers, lengths that lie, a runt."""
    stp = bytes.fromhex("424203" "0000000000" "800002005e00000a" "00000000"
                        "800002005e00000a" "8001" "0000" "1400" "0200" "0f00")
    return [
        bytes(eth(udp4(b"x"))).ljust(60, b"\0"),              # padded to the minimum
        bytes(eth(udp4(b"trailer follows"))) + b"\xde\xad\xbe\xef",
        ieee8023(stp, dst="01:80:c2:00:00:00"),               # length + LLC + padding
        ieee8023(b"\xff\xff" + bytes(28), dst=BCAST),         # Novell "raw" 802.3
        ieee8023(b"\xaa\xaa\x03", length=1500),               # length beyond the frame
        ieee8023(b"", length=0),                              # length 0
        eth(bytes(46), kind=0x05DD),                          # neither length nor type
        eth(b"", kind=0x0800),                                # a header and nothing more
        mac(MAC_B) + b"\x02\x00",                             # shorter than the header
        eth(udp4(b"multicast"), dst="01:00:5e:00:00:fb"),
    ]


@capture("dot1q.pcap")
def dot1q():
    """VLAN tags: single, priority and DEI, QinQ 0x88a8/0x8100, 0x8100 twice, 0x9100, LLC inside, cut."""
    up = udp4(b"tagged")
    return [
        eth(Dot1Q(vlan=100) / up),
        eth(Dot1Q(vlan=4095, prio=7, dei=1) / up),
        eth(Dot1Q(vlan=0, prio=5) / up),                      # priority tag only
        Ether(src=MAC_A, dst=MAC_B, type=0x88A8) / Dot1Q(vlan=200, prio=3, dei=1, type=0x8100)
        / Dot1Q(vlan=30) / up,
        eth(Dot1Q(vlan=10, type=0x8100) / Dot1Q(vlan=20) / up),
        Ether(src=MAC_A, dst=MAC_B, type=0x9100) / Dot1Q(vlan=7, type=0x0800) / up,
        eth(struct.pack("!HH", 42, 3) + b"\x42\x42\x03", kind=0x8100),  # 802.3 length in a tag
        eth(b"\x00\x64", kind=0x8100),                        # half a tag
        eth(Dot1Q(vlan=55) / ip6() / UDP(sport=40000, dport=9999) / Raw(b"six")),
    ]


@capture("arp.pcap")
def arp():
    """ARP request, reply, gratuitous, probe, RARP, hardware types 24 and 0x0101, odd lengths, cut."""
    req = ARP(op=1, hwsrc=MAC_A, psrc="192.0.2.10", hwdst="00:00:00:00:00:00", pdst="192.0.2.1")
    rep = ARP(op=2, hwsrc=MAC_B, psrc="192.0.2.1", hwdst=MAC_A, pdst="192.0.2.10")

    def by_hand(hw, proto, hlen, plen, op, body):
        return struct.pack("!HHBBH", hw, proto, hlen, plen, op) + body

    addrs = mac(MAC_A) + v4("192.0.2.10") + mac(MAC_B) + v4("192.0.2.1")
    return [
        bytes(eth(req, dst=BCAST)).ljust(60, b"\0"),
        eth(rep, src=MAC_B, dst=MAC_A),
        eth(ARP(op=1, hwsrc=MAC_A, psrc="192.0.2.10", hwdst=BCAST, pdst="192.0.2.10"), dst=BCAST),
        eth(ARP(op=1, hwsrc=MAC_A, psrc="0.0.0.0", hwdst="00:00:00:00:00:00",
                pdst="192.0.2.77"), dst=BCAST),
        eth(by_hand(0x0101, 0x0800, 6, 4, 2, addrs), kind=0x0806),  # does not fit one byte
        eth(by_hand(24, 0x0800, 8, 4, 1, bytes(range(8)) + v4("192.0.2.10") + bytes(8)
                    + v4("192.0.2.1")), kind=0x0806, dst=BCAST),
        eth(by_hand(1, 0x0800, 0, 0, 9, b""), kind=0x0806),   # no addresses, InARP reply op
        eth(by_hand(1, 0x0800, 6, 4, 3, addrs), kind=0x8035, dst=BCAST),  # RARP
        eth(by_hand(1, 0x0800, 6, 4, 1, addrs[:9]), kind=0x0806),  # ends in the sender
        eth(by_hand(1, 0x0800, 255, 255, 1, addrs), kind=0x0806),  # lengths too large
    ]


@capture("llc.pcap")
def llc():
    """802.2 LLC: U frames (8 bit control), I and S frames (16 bit), group and response bits, cut."""
    return [
        ieee8023(b"\x42\x42\x03" + bytes(35)),                # UI, spanning tree
        ieee8023(b"\x00\x01\xbf\x81\x01\x00"),                # XID response, poll/final
        ieee8023(b"\x04\x04\xf3test"),                        # TEST
        ieee8023(b"\xf0\xf0\x7f"),                            # SABME
        ieee8023(b"\xf0\xf1\x73"),                            # UA, response
        ieee8023(b"\xf0\xf0\x0a\x0dinfo"),                    # I: N(S) 5, N(R) 6, poll
        ieee8023(b"\xf0\xf1\x01\x0e"),                        # S: RR, N(R) 7
        ieee8023(b"\xf0\xf1\x05\x11"),                        # S: RNR, N(R) 8, final
        ieee8023(b"\xf0\xf1\x09\xff"),                        # S: REJ, N(R) 127, final
        ieee8023(b"\xff\xe0\x03ipx", dst=BCAST),              # global DSAP
        ieee8023(b"\xf0\xf0\x00", length=3)[:17],             # I frame, half a control
        ieee8023(b"\x42", length=1)[:15],                     # one byte
    ]


@capture("snap.pcap")
def snap():
    """SNAP with IPv4, IPv6 and ARP inside, Cisco, bridged and unknown OUIs, cut."""
    up = b"\xaa\xaa\x03"
    rep = ARP(op=2, hwsrc=MAC_B, psrc="192.0.2.1", hwdst=MAC_A, pdst="192.0.2.10")
    return [
        ieee8023(up + b"\0\0\0\x08\x00" + bytes(udp4(b"in snap"))),
        ieee8023(up + b"\0\0\0\x86\xdd" + bytes(ip6() / UDP(sport=40000, dport=9999) / b"six")),
        ieee8023(up + b"\0\0\0\x08\x06" + bytes(rep)),
        ieee8023(up + b"\x00\x00\x0c\x20\x00" + bytes.fromhex("02b40000" "000100086c616231"),
                 dst="01:00:0c:cc:cc:cc"),                    # Cisco discovery
        ieee8023(up + b"\x00\x80\xc2\x00\x07" + bytes(20)),   # bridged Ethernet
        ieee8023(up + b"\xab\xcd\xef\x12\x34unknown"),
        ieee8023(up + b"\0\0\0\x88\xb5local"),                # known OUI, unknown type
        ieee8023(up + b"\0\0\0", length=6)[:20],              # ends in the OUI
    ]


@capture("unknown.pcap")
def unknown():
    """Types nobody decodes: EtherType 0x88b5 (plain, empty, in a VLAN), IP protocol 253 and 254."""
    return [
        eth(b"local experiment", kind=0x88B5),
        eth(b"", kind=0x88B5),
        eth(struct.pack("!HH", 9, 0x88B5) + b"tagged", kind=0x8100),
        eth(ip4(proto=253) / Raw(b"experiment")),
        eth(ip6(nh=254) / Raw(b"experiment")),
    ]


# --------------------------------------------------------------------- network

@capture("ipv4.pcap")
def ipv4():
    """IPv4: every flag and TOS bit, options, wrong version, header length and total length, protocol 253."""
    def options(raw):
        return ip4(options=[Raw(raw)], proto=17) / UDP(sport=40000, dport=9999) / Raw(b"opt")

    up = UDP(sport=40000, dport=9999) / Raw(b"payload")
    unchecked = UDP(sport=40000, dport=9999, chksum=0) / Raw(b"payload")
    record_route = b"\x07\x0b\x08" + v4("192.0.2.1") + bytes(4)
    stamps = (b"\x44\x14\x15\x01" + v4("192.0.2.1") + struct.pack("!I", 44_800_001)
              + v4("192.0.2.2") + struct.pack("!I", 44_800_002))
    return [
        eth(ip4(tos=0xFF, flags="DF", ttl=1) / up),
        eth(ip4(flags="evil", id=0xFFFF, ttl=255) / up),
        eth(ip4(flags="MF", id=0) / up),                      # a first fragment
        eth(ip4(flags="evil+DF+MF", frag=0x1FFF) / up),       # all bits: a last fragment, past 65535
        eth(options(b"\x94\x04\x00\x00")),                    # router alert
        eth(options(record_route + b"\x00")),
        eth(options(b"\x01\x01" + b"\x94\x04\x00\x00" + b"\x01\x00")),  # NOPs, EOL
        eth(options(stamps)),
        eth(options(b"\x94\x00\x00\x00")),                    # option length 0
        eth(options(b"\x83\x28\x04" + bytes(5))),             # option longer than the header
        eth(ip4(version=6) / up, kind=0x0800),
        eth(ip4(ihl=4) / up),                                 # less than a header
        eth(ip4(ihl=15) / up),                                # more than there is
        eth(ip4(len=12) / up),                                # total less than a header
        eth(ip4(len=0) / unchecked),                          # segmentation offload
        eth(ip4(len=1500) / unchecked),                       # total beyond the frame
        eth(ip4(chksum=0xBAD0) / up),
        eth(ip4(proto=253) / Raw(b"experiment")),
        eth(ip4(proto=4) / IP(src="10.0.0.1", dst="10.0.0.2", id=7) / up),  # IP in IP
        eth(ip4(proto=17)),                                   # header only
        eth(b"\x45", kind=0x0800),                            # one byte
    ]


def fragments4(ident, cuts, whole):
    """IPv4 fragments of whole at the given (start, end) pairs."""
    return [eth(ip4(src=B4, dst=A4, id=ident, proto=17, frag=a // 8,
                    flags="MF" if b < len(whole) else 0) / Raw(whole[a:b]),
                src=MAC_B, dst=MAC_A) for a, b in cuts]


@capture("ipv4_fragments.pcap")
def ipv4_fragments():
    """DNS answers in IPv4 fragments: in order, out of order, conflicting overlap, missing, duplicate, impossible.

    The answer shows up as a DNS record only where the datagram is put together."""
    def datagram(n):
        head = ip4(src=B4, dst=A4, proto=17) / UDP(sport=53, dport=50053)
        return bytes(head / Raw(small_answer(0x0400 + n, f"frag{n}.example.com")))[20:]

    out = []
    d = datagram(1)
    end = len(d)
    out += fragments4(0x4001, [(0, 32), (32, 64), (64, end)], d)
    out += fragments4(0x4002, [(64, end), (0, 32), (32, 64)], datagram(2))
    d = datagram(3)
    other = d[:24] + b"X" * 8 + d[32:]  # disagrees about bytes 24..32
    out += fragments4(0x4003, [(0, 32)], d) + fragments4(0x4003, [(24, 64)], other)
    out += fragments4(0x4003, [(64, end)], d)
    out += fragments4(0x4004, [(0, 32), (64, end)], datagram(4))           # no middle
    out += fragments4(0x4005, [(0, 32), (0, 32), (32, end), (32, end)], datagram(5))
    d = datagram(6)
    out += fragments4(0x4006, [(0, 30)], d)                   # not a multiple of eight
    out += [eth(ip4(src=B4, dst=A4, id=0x4007, proto=17, frag=8190) / Raw(bytes(64)))]  # past 65535
    out += [eth(ip4(src=B4, dst=A4, id=0x4008, proto=17, frag=4, flags="MF"))]  # empty
    return out


@capture("ipv6.pcap")
def ipv6():
    """IPv6: flow label, traffic class, no next header, unknown next header, wrong version and lengths, cut."""
    up = UDP(sport=40000, dport=9999) / Raw(b"payload")
    return [
        eth(ip6(tc=0xB8, fl=0xABCDE, hlim=255) / up),
        eth(ip6(tc=0xFF, fl=0xFFFFF, hlim=0) / tcp()),
        eth(ip6(src="::", dst="ff02::1", hlim=1) / up, dst="33:33:00:00:00:01"),
        eth(ip6(src="::ffff:192.0.2.10", dst="::1") / up),    # forms that are printed specially
        eth(ip6(nh=59)),
        eth(ip6(nh=59) / Raw(b"ignored")),
        eth(ip6(nh=253) / Raw(b"experiment")),
        eth(ip6(version=4) / up, kind=0x86DD),
        eth(ip6(plen=1400) / up),                             # beyond the frame
        eth(ip6(plen=4) / up),                                # ends in the UDP header
        bytes(eth(ip6() / up)) + b"\xde\xad\xbe\xef",         # trailer
        eth(ip6(nh=41) / IPv6(src="2001:db8::1", dst="2001:db8::2") / up),  # IPv6 in IPv6
        bytes(eth(ip6() / up))[:40],
    ]


def ext(nxt, body):
    """An IPv6 extension header of TLV kind, padded with PadN to a multiple of eight."""
    gap = -(2 + len(body)) % 8
    if gap == 1:
        body += b"\0"
    elif gap:
        body += bytes([1, gap - 2]) + bytes(gap - 2)
    return bytes([nxt, (2 + len(body)) // 8 - 1]) + body


def routing(nxt, kind, left, addresses, special=bytes(4)):
    return bytes([nxt, 2 * len(addresses), kind, left]) + special + b"".join(map(v6, addresses))


HOP, ROUTE, FRAG, DEST, NONE = 0, 43, 44, 60, 59
ALERT = b"\x05\x02\x00\x00"  # router alert, MLD


@capture("ipv6_extension.pcap")
def ipv6_extension():
    """IPv6 extension headers: hop-by-hop, routing 0 and 4, destination options, chains, authentication, broken lengths."""
    up = bytes(ip6() / UDP(sport=40000, dport=9999) / Raw(b"payload"))[40:]
    # A checksum covers the last destination, so these have the right one.
    final = bytes(ip6(dst="2001:db8:2::c") / UDP(sport=40000, dport=9999) / Raw(b"payload"))[40:]
    home = b"\xc9\x10" + v6("2001:db8:5::5")                  # home address option
    segments = ["2001:db8:2::c", B6]
    return [
        eth(ip6(nh=HOP) / Raw(ext(17, ALERT) + up)),
        eth(ip6(nh=HOP) / Raw(ext(17, b"\0\0\0\0\0\0") + up)),  # six Pad1
        eth(ip6(nh=ROUTE) / Raw(routing(17, 0, 1, ["2001:db8:2::c"]) + final)),
        eth(ip6(nh=ROUTE) / Raw(routing(17, 4, 1, segments, b"\x01\x00\x00\x2a") + final)),
        eth(ip6(nh=ROUTE) / Raw(routing(17, 0, 0, []) + up)),   # no addresses
        eth(ip6(nh=DEST) / Raw(ext(17, home) + up)),
        eth(ip6(nh=HOP) / Raw(ext(DEST, ALERT) + ext(ROUTE, b"\x1e\x04abcd")
                              + routing(DEST, 0, 0, [B6]) + ext(17, b"") + up)),
        eth(ip6(nh=51) / Raw(bytes([17, 4, 0, 0]) + struct.pack("!II", 0x100, 1) + bytes(12)
                             + up)),                          # authentication header
        eth(ip6(nh=HOP) / Raw(ext(NONE, ALERT))),
        eth(ip6(nh=DEST) / Raw(bytes([17, 200]) + bytes(6) + up)),  # longer than the packet
        eth(ip6(nh=HOP) / Raw(bytes([17, 0, 5, 99, 0, 0, 0, 0]) + up)),  # option too long
        eth(ip6(nh=DEST) / Raw(ext(HOP, b"") + ext(17, ALERT) + up)),  # hop-by-hop not first
        eth(ip6(nh=HOP) / Raw(b"\x11")),                      # one byte
    ]


def fragments6(ident, cuts, whole, nh=17):
    return [eth(ip6(src=B6, dst=A6, nh=FRAG)
                / IPv6ExtHdrFragment(nh=nh, id=ident, offset=a // 8, m=int(b < len(whole)))
                / Raw(whole[a:b]), src=MAC_B, dst=MAC_A) for a, b in cuts]


@capture("ipv6_fragments.pcap")
def ipv6_fragments():
    """DNS answers in IPv6 fragments: complete, out of order, overlap (to be discarded), atomic, missing, repeated."""
    def datagram(n):
        head = ip6(src=B6, dst=A6) / UDP(sport=53, dport=50053)
        return bytes(head / Raw(small_answer(0x0600 + n, f"frag{n}.example.com")))[40:]

    d = datagram(1)
    end = len(d)
    out = fragments6(0x60000001, [(0, 32), (32, 64), (64, end)], d)
    out += fragments6(0x60000002, [(64, end), (32, 64), (0, 32)], datagram(2))
    out += fragments6(0x60000003, [(0, 32), (24, 64), (64, end)], datagram(3))  # overlap
    out += fragments6(0x60000004, [(0, end)], datagram(4))    # atomic: first and last
    out += fragments6(0x60000005, [(0, 32), (64, end)], datagram(5))  # no middle
    out += fragments6(0x60000006, [(0, 32), (0, 32), (32, end)], datagram(6))  # exact repeat
    out += fragments6(0x60000007, [(0, 30)], datagram(7))     # not a multiple of eight
    # Destination options inside the fragmented part.
    d = ext(17, b"\x1e\x04abcd") + datagram(8)
    out += fragments6(0x60000008, [(0, 40), (40, len(d))], d, nh=DEST)
    return out


@capture("icmpv4.pcap")
def icmpv4():
    """ICMP echo and reply, unreachable, redirect, time exceeded, parameter problem, timestamp, unknown type, cut."""
    quoted = ip4(id=0x7777) / UDP(sport=40000, dport=33434) / Raw(b"probe")
    back = ip4(src=B4, dst=A4)
    return [
        eth(ip4() / ICMP(type=8, id=0x0102, seq=1) / Raw(b"abcdefghijklmnop")),
        eth(back / ICMP(type=0, id=0x0102, seq=1) / Raw(b"abcdefghijklmnop")),
        eth(back / ICMP(type=3, code=3) / quoted),
        eth(back / ICMP(type=3, code=4, nexthopmtu=1400) / Raw(bytes(quoted)[:28])),
        eth(back / ICMP(type=5, code=1, gw="192.0.2.254") / Raw(bytes(quoted)[:28])),
        eth(back / ICMP(type=11, code=0) / Raw(bytes(quoted)[:28])),
        eth(back / ICMP(type=12, code=0, ptr=20) / Raw(bytes(quoted)[:28])),
        eth(ip4() / ICMP(type=13, id=0xFFFF, seq=0xFFFF, ts_ori=44_800_000, ts_rx=0, ts_tx=0)),
        eth(back / ICMP(type=14, id=0xFFFF, seq=0xFFFF, ts_ori=44_800_000, ts_rx=44_800_010,
                        ts_tx=44_800_011)),
        eth(ip4(proto=1) / Raw(b"\xfd\x07\xff\xff\x01\x02\x03\x04")),  # unknown type, bad sum
        eth(ip4(proto=1) / Raw(b"\x08\x00\x12")),
    ]


@capture("icmpv6.pcap")
def icmpv6():
    """ICMPv6 echo request and reply, unreachable, too big, time exceeded, parameter problem, MLDv2, unknown type, cut."""
    quoted = ip6() / UDP(sport=40000, dport=33434) / Raw(b"probe")
    back = ip6(src=B6, dst=A6)
    mld = b"\x8f\x00\x00\x00\x00\x00\x00\x01" + b"\x04\x00\x00\x00" + v6("ff02::fb")
    pseudo = v6(LLA) + v6("ff02::16") + struct.pack("!II", len(mld), 58)
    mld = mld[:2] + inet_sum(pseudo + mld) + mld[4:]
    return [
        eth(ip6() / ICMPv6EchoRequest(id=0x0304, seq=1, data=b"abcdefgh")),
        eth(back / ICMPv6EchoReply(id=0x0304, seq=1, data=b"abcdefgh")),
        eth(ip6() / ICMPv6EchoRequest(id=0xFFFF, seq=0xFFFF, data=b"")),
        eth(back / ICMPv6DestUnreach(code=4) / quoted),
        eth(back / ICMPv6PacketTooBig(mtu=1280) / quoted),
        eth(back / ICMPv6TimeExceeded(code=1) / quoted),
        eth(back / ICMPv6ParamProblem(code=1, ptr=6) / quoted),
        eth(ip6(src=LLA, dst="ff02::16", nh=HOP, hlim=1) / Raw(ext(58, ALERT) + mld),
            dst="33:33:00:00:00:16"),
        eth(ip6(nh=58) / Raw(b"\xc8\x07\xba\xd0\x01\x02\x03\x04")),  # unknown type, bad sum
        eth(ip6(nh=58) / Raw(b"\x80\x00\x12")),
    ]


def inet_sum(data):
    """The Internet checksum as two bytes."""
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return struct.pack("!H", ~total & 0xFFFF)


def nd(message, src=LLA, dst=LLB, smac=MAC_A, dmac=MAC_B):
    return eth(IPv6(src=src, dst=dst, hlim=255) / message, src=smac, dst=dmac)


@capture("ndp.pcap")
def ndp():
    """Neighbor discovery: NS, DAD, NA with R S O one by one, RS, RA with and without options, redirect, option length 0."""
    src = ICMPv6NDOptSrcLLAddr(lladdr=MAC_A)
    dst = ICMPv6NDOptDstLLAddr(lladdr=MAC_B)
    every = dict(src=LLB, dst="ff02::1", smac=MAC_B, dmac="33:33:00:00:00:01")
    reply = dict(src=LLB, dst=LLA, smac=MAC_B, dmac=MAC_A)
    prefix = ICMPv6NDOptPrefixInfo(prefixlen=64, L=1, A=1, R=0, validlifetime=2592000,
                                   preferredlifetime=604800, prefix="2001:db8::")
    rdnss = ICMPv6NDOptRDNSS(lifetime=3600, dns=["2001:db8::53", "2001:db8::54"])
    redirected = bytes(ip6() / UDP(sport=40000, dport=9999) / Raw(b"payload!"))
    unknown_option = Raw(b"\xfd\x01abcdef")
    return [
        nd(ICMPv6ND_NS(tgt=LLB) / src, dst="ff02::1:ff00:b", dmac="33:33:ff:00:00:0b"),
        nd(ICMPv6ND_NS(tgt=LLA), src="::", dst="ff02::1:ff00:a", dmac="33:33:ff:00:00:0a"),
        nd(ICMPv6ND_NA(tgt=LLB, R=1, S=1, O=1) / dst, **reply),
        nd(ICMPv6ND_NA(tgt=LLB, R=1, S=0, O=0), **reply),
        nd(ICMPv6ND_NA(tgt=LLB, R=0, S=1, O=0), **reply),
        nd(ICMPv6ND_NA(tgt=LLB, R=0, S=0, O=1) / dst, **every),
        nd(ICMPv6ND_RS() / src, dst="ff02::2", dmac="33:33:00:00:00:02"),
        nd(ICMPv6ND_RA(chlim=64, M=1, O=1, H=0, prf=0, routerlifetime=1800,
                       reachabletime=30000, retranstimer=1000)
           / ICMPv6NDOptSrcLLAddr(lladdr=MAC_B) / ICMPv6NDOptMTU(mtu=1500) / prefix / rdnss,
           **every),
        nd(ICMPv6ND_RA(chlim=0, M=0, O=0, H=1, prf=1, routerlifetime=0, reachabletime=0,
                       retranstimer=0) / unknown_option, **every),
        nd(ICMPv6ND_Redirect(tgt=LLB, dst=B6) / dst
           / ICMPv6NDOptRedirectedHdr(pkt=redirected), **reply),
        nd(ICMPv6ND_NS(tgt=LLB) / Raw(b"\x01\x00\x00\x00\x00\x00\x00\x00")),  # must not loop
        nd(ICMPv6ND_NS(tgt=LLB) / Raw(b"\x01\x04abcdef")),    # option longer than the packet
        (nd(ICMPv6ND_NS(tgt=LLB)), 14 + 40 + 12),             # ends in the target
    ]


# ------------------------------------------------------------------- transport

@capture("tcp.pcap")
def tcp_capture():
    """TCP: SYN options, every flag alone and all, payload, urgent, offset 15, offset below 5, broken options, IPv6."""
    syn = [("MSS", 1460), ("NOP", None), ("WScale", 7), ("SAckOK", b""),
           ("Timestamp", (305419896, 0)), ("EOL", None)]
    synack = [("MSS", 1400), ("SAckOK", b""), ("Timestamp", (2596069104, 305419896)),
              ("NOP", None), ("WScale", 14)]
    back = ip4(src=B4, dst=A4)
    out = [
        eth(ip4(flags="DF") / tcp("S", options=syn)),
        eth(back / tcp("SA", sport=9999, dport=40000, seq=0xFFFFFFFF, ack=1001, options=synack)),
        eth(ip4() / tcp("A", seq=1001, ack=0)),
        eth(ip4() / tcp("PA", seq=1001, ack=0) / Raw(b"payload, with \"quotes\"\r\nand lines\0")),
        eth(back / tcp("A", sport=9999, dport=40000, seq=0, ack=1001, options=[
            ("NOP", None), ("NOP", None), ("SAck", (2000, 3000, 4000, 5000))])),
        eth(ip4() / tcp("UPA", seq=1038, urgptr=3, window=0) / Raw(b"urgent")),
    ]
    out += [eth(ip4() / tcp(1 << bit, seq=2000 + bit)) for bit in range(9)]  # FIN .. NS
    out += [
        eth(ip4() / tcp(0)),                                  # null
        eth(ip4() / tcp(0x1FF, reserved=7, seq=0xFFFFFFFF, ack=0xFFFFFFFF, window=65535,
                        urgptr=65535)),                       # all flags, all ones
        eth(ip4() / tcp("S", dataofs=15, options=[("NOP", None)] * 40) / Raw(b"after")),
        eth(ip4() / tcp("S", dataofs=15) / Raw(b"too short")),  # offset beyond the segment
        eth(ip4() / tcp("S", dataofs=4)),                     # less than a header
        eth(ip4() / tcp("S", options=[(253, b"\xf9\x89ab")])),  # experimental option
        eth(ip4(proto=6) / Raw(raw_tcp(b"\x02\x00\x05\xb4"))),  # option length 0
        eth(ip4(proto=6) / Raw(raw_tcp(b"\x01\x01\x02\x09"))),  # option beyond the header
        eth(ip4() / tcp("R", chksum=0xBAD0)),
        eth(ip6() / tcp("S", options=syn)),
    ]
    return out


def raw_tcp(options):
    """A SYN with these option bytes just as they are, which scapy would set right."""
    words = 5 + len(options) // 4
    head = struct.pack("!HHIIHHHH", 40000, 9999, 1000, 0, words << 12 | 2, 64240, 0, 0)
    seg = head + options
    pseudo = v4(A4) + v4(B4) + struct.pack("!HH", 6, len(seg))
    return seg[:16] + inet_sum(pseudo + seg) + seg[18:]


@capture("udp.pcap")
def udp():
    """UDP: payload, empty, checksum 0 and wrong, length 0, below 8, beyond and short of the data, ports 0 and 65535, cut."""
    def v(data=b"payload", **kw):
        return UDP(**{"sport": 40000, "dport": 9999, **kw}) / Raw(data)

    return [
        eth(ip4() / v(b"a,b\n\"c\"\0\xff")),
        eth(ip4() / v(b"")),
        eth(ip4() / v(chksum=0)),
        eth(ip4() / v(chksum=0xBAD0)),
        eth(ip4() / v(len=0)),
        eth(ip4() / v(len=7)),
        eth(ip4() / v(len=1000)),
        eth(ip4() / v(len=10, chksum=0)),                     # data after the datagram
        eth(ip4() / v(sport=0, dport=65535)),
        eth(ip6() / v()),
        eth(ip6() / v(chksum=0)),                             # not allowed in IPv6
        eth(ip4(proto=17) / Raw(b"\x9c\x40\x27")),
    ]


# ----------------------------------------------------------------- application

@capture("dns.pcap")
def dns_capture():
    """DNS: queries and answers of fourteen types, compression, all sections and flags, awkward bytes in names, TCP, mDNS."""
    q = name("www.example.com")  # "example.com" is then at 12 + 4, "com" at 12 + 12
    zone, com = ptr(16), ptr(24)
    soa = labels(b"ns1") + zone + labels(b"hostmaster") + zone + struct.pack(
        "!5I", 2020091301, 7200, 3600, 1209600, 300)
    srv = struct.pack("!HHH", 10, 60, 5060) + name("sip.example.com")
    opt = b"\0" + struct.pack("!HHIH", 41, 1232, 0x00008000, 12) + struct.pack(
        "!HH", 10, 8) + bytes(range(8))                       # EDNS: DO and a cookie
    odd = labels(b"caf\xc3\xa9", b"a,b", b'say "hi"', b"new\nline", b"dot.in", b"\xff\x00\xfe",
                 b"example") + b"\0"
    every = dns(0x0D07, 0xFFFF, [question(q, 255, 255)])      # all flag bits, rcode 15
    tcp_message = small_answer(0x0D09)
    return [
        dns_query(dns(0x0D01, QUERY, [question(q)])),
        dns_answer(dns(0x0D01, ANSWER, [question(q)], [
            rr(ptr(12), 5, labels(b"web") + zone),            # CNAME; "web" is at 45
            rr(ptr(45), 1, v4("203.0.113.80"), ttl=60),
            rr(ptr(45), 1, v4("203.0.113.81"), ttl=0x7FFFFFFF)],
            [rr(zone, 2, labels(b"ns1") + zone), rr(zone, 2, labels(b"ns2") + zone)],
            [rr(labels(b"ns1") + zone, 1, v4("192.0.2.53")),
             rr(labels(b"ns1") + zone, 28, v6("2001:db8::53")), opt])),
        dns_query(dns(0x0D02, 0x0120, [question(q, 28)], ar=[opt])),
        dns_answer(dns(0x0D02, 0x85B3, [question(name("nope.example.com"), 28)],
                       ns=[rr(ptr(17), 6, name("ns1.example.com") + name("hostmaster.example.com")
                              + struct.pack("!5I", 2020091301, 7200, 3600, 1209600, 300))])),
        dns_answer(dns(0x0D03, 0x8580, [question(q, 255)], [
            rr(zone, 6, soa),
            rr(zone, 15, struct.pack("!H", 10) + labels(b"mail") + zone),
            rr(zone, 16, b"\x17v=spf1 ip4:192.0.2.4 -x\x00\x05a,b\"c\x04x\ny\xff"),
            rr(labels(b"_sip", b"_udp") + zone, 33, srv),
            rr(zone, 257, b"\x00\x05issueca.example"),         # CAA
            rr(zone, 48, b"\x01\x01\x03\x0dkey"),              # DNSKEY
            rr(zone, 65, b"\x00\x01\x00\x00\x01\x00\x03\x02h2"),  # HTTPS
            rr(zone, 65280, b"private"),
            rr(com, 2, name("a.gtld-servers.example"))])),
        dns_answer(dns(0x0D04, ANSWER, [question(name("10.2.0.192.in-addr.arpa"), 12)],
                       [rr(ptr(12), 12, name("host.example.com"))])),
        dns_query(dns(0x0D05, QUERY, [question(odd)])),
        dns_query(dns(0x0D06, QUERY, [question(b"\0", 2), question(q, 1, 3)])),  # root; two
        dns_query(every),
        dns_query(dns(0x0D08, 0x2800, [question(name("example.com"), 6)],
                      ns=[rr(labels(b"new") + ptr(12), 1, v4("192.0.2.99"), ttl=120)])),  # update
        eth(ip4(src=B4, dst=A4) / tcp("PA", sport=53, dport=50054, seq=1, ack=1)
            / Raw(struct.pack("!H", len(tcp_message)) + tcp_message), src=MAC_B, dst=MAC_A),
        eth(IPv6(src=LLA, dst="ff02::fb", hlim=255) / UDP(sport=5353, dport=5353)
            / Raw(dns(0, 0x8400, an=[rr(name("printer.local"), 1, v4("192.0.2.40"), 120, 0x8001)])),
            dst="33:33:00:00:00:fb"),
        dns_answer(dns(0x0D0A, 0x8380, [question(q)])),        # TC set, no answers
        dns_query(dns(0x0D0B, QUERY)),                         # no question
        dns_query(dns(0x0D0C, QUERY, [question(labels(*[b"a" * 63] * 3, b"b" * 61) + b"\0")])),
    ]


@capture("dns_malformed.pcap")
def dns_malformed():
    """Broken DNS: pointer loops, pointers forward and outside, labels and data past the end, counts too large, cut."""
    q = question(name("www.example.com"))
    good = small_answer(0x0E08)
    return [
        dns_query(dns(0x0E01, QUERY, [question(ptr(12))])),   # points at itself
        dns_query(dns(0x0E02, QUERY, [question(labels(b"a") + ptr(20)), question(ptr(12))])),
        # (two names that point at each other)
        dns_query(dns(0x0E03, QUERY, [question(ptr(18)), b"\x01a\0"], counts=(1, 0, 0, 0))),  # forward
        dns_query(dns(0x0E04, QUERY, [question(ptr(0x3FFF))])),  # outside
        dns_query(dns(0x0E05, QUERY, [b"\x3fshort"])),        # label past the end
        dns_query(dns(0x0E06, QUERY, [question(b"\x80abc\0")])),  # reserved label type
        dns_query(dns(0x0E07, QUERY, [q], counts=(65535, 65535, 65535, 65535))),
        dns_answer(good[:-20]),                               # ends in an answer
        dns_answer(dns(0x0E09, ANSWER, [q], [ptr(12) + struct.pack("!HHIH", 1, 1, 60, 500)
                                             + v4("192.0.2.1")])),  # data length past the end
        dns_answer(dns(0x0E0A, ANSWER, [q], [rr(ptr(12), 1, b"\x01\x02")])),  # A of two bytes
        dns_answer(dns(0x0E0B, ANSWER, [q], [rr(ptr(12), 16, b"\x20abc")])),  # TXT overrun
        dns_answer(dns(0x0E0C, ANSWER, [q], [rr(ptr(12), 15, b"\x00")])),     # half an MX
        dns_answer(dns(0x0E0D, ANSWER, [q], [rr(ptr(12), 6, ptr(12) + ptr(12) + bytes(3))])),
        # Five labels of 63 bytes: a name longer than 255.
        dns_query(dns(0x0E0E, QUERY, [question(labels(*[b"a" * 63] * 5) + b"\0")])),
        dns_query(dns(0x0E0F, QUERY)[:7]),                    # ends in the header
        dns_query(dns(0x0E10, QUERY, [q]) + b"trailing"),
        dns_query(b""),
    ]


def ntp_message(first, stratum=0, poll=6, precision=-20, delay=0, dispersion=0, ref=bytes(4),
                times=(0, 0, 0, 0)):
    return struct.pack("!BBbbII4s4Q", first, stratum, poll, precision, delay, dispersion, ref,
                       *times)


def ntp_time(seconds, fraction=0):
    """NTP counts from 1900."""
    return (seconds + 2_208_988_800) << 32 | fraction


@capture("ntp.pcap")
def ntp():
    """NTP: client, server, symmetric, broadcast, kiss of death, MAC, extension field, control and private mode, cut."""
    def send(data, port=50123):
        return eth(ip4() / UDP(sport=port, dport=123) / Raw(data))

    def back(data):
        return eth(ip4(src=B4, dst=A4) / UDP(sport=123, dport=50123) / Raw(data))

    t = [ntp_time(START - 64, 0x80000000), ntp_time(START, 1), ntp_time(START, 0x40000000),
         ntp_time(START, 0xFFFFFFFF)]
    client = ntp_message(0x23, times=(0, 0, 0, t[1]))
    server = ntp_message(0x24, 2, 10, -23, 0x00000A3D, 0x00001234, v4("192.0.2.123"), t)
    extension = struct.pack("!HH", 0x0104, 36) + bytes(range(32))  # unique identifier
    md5 = struct.pack("!I", 7) + bytes(range(16))
    return [
        send(client),
        back(server),
        back(ntp_message(0xE4, 16, -6, -6, 0xFFFF0000, 0xFFFFFFFF, b"INIT", t)),  # alarm
        back(ntp_message(0x24, 0, 6, 0, ref=b"RATE", times=t)),   # kiss of death
        back(ntp_message(0x64, 1, 4, -29, 0, 16, b"GPS\0", t)),   # leap second, 61
        back(ntp_message(0x1C, 1, 4, -29, 0, 16, b"GPS\0", t)),   # version 3
        send(ntp_message(0x21, 3, 6, -20, 1, 2, v4("192.0.2.124"), t), port=123),
        send(ntp_message(0x25, 1, 6, -20, 1, 2, b"PPS\0", t), port=123),
        send(client + md5),
        send(client + extension + md5),
        send(struct.pack("!BBHHHHH", 0x16, 2, 1, 0, 0, 0, 0)),    # mode 6, twelve bytes
        send(b"\x17\x00\x03\x2a" + bytes(4)),                    # mode 7, monlist
        send(client[:20]),
        eth(ip6() / UDP(sport=50123, dport=123) / Raw(client)),
    ]


def bootp(op, xid, opts, ciaddr="0.0.0.0", yiaddr="0.0.0.0", siaddr="0.0.0.0", giaddr="0.0.0.0",
          sname=b"", file=b"", flags=0, secs=0, hops=0, chaddr=MAC_A, cookie=b"\x63\x82\x53\x63",
          htype=1, hlen=6):
    return struct.pack("!BBBBIHH4s4s4s4s16s64s128s", op, htype, hlen, hops, xid, secs, flags,
                       v4(ciaddr), v4(yiaddr), v4(siaddr), v4(giaddr), mac(chaddr), sname,
                       file) + cookie + opts


def opt(code, data):
    return bytes([code, len(data)]) + data


END = b"\xff"


def to_server(message):
    return eth(ip4(src="0.0.0.0", dst="255.255.255.255") / UDP(sport=68, dport=67) / Raw(message),
               dst=BCAST)


def from_server(message):
    return eth(ip4(src="192.0.2.1", dst="192.0.2.10") / UDP(sport=67, dport=68) / Raw(message),
               src=MAC_B, dst=MAC_A)


@capture("dhcpv4.pcap")
def dhcpv4():
    """DHCP: discover, offer, request, ack, nak, inform; pads, missing end, sname and file, overload, split and broken options, BOOTP."""
    asks = opt(55, bytes([1, 3, 6, 15, 42, 51, 54, 119]))
    ident = opt(61, b"\x01" + mac(MAC_A))
    lease = (opt(54, v4("192.0.2.1")) + opt(51, struct.pack("!I", 86400))
             + opt(58, struct.pack("!I", 43200)) + opt(59, struct.pack("!I", 75600))
             + opt(1, v4("255.255.255.0")) + opt(3, v4("192.0.2.1"))
             + opt(6, v4("192.0.2.53") + v4("192.0.2.54")) + opt(15, b"example.com"))
    x = 0x3903F326
    given = dict(yiaddr="192.0.2.10", siaddr="192.0.2.1")
    return [
        to_server(bootp(1, x, opt(53, b"\x01") + ident + opt(12, b"lap,top\"1\"") + asks
                        + opt(60, b"MSFT 5.0") + END, flags=0x8000).ljust(300, b"\0")),
        from_server(bootp(2, x, opt(53, b"\x02") + lease + END, **given)),
        to_server(bootp(1, x, opt(53, b"\x03") + opt(50, v4("192.0.2.10"))
                        + opt(54, v4("192.0.2.1")) + ident + asks + END, secs=7)),
        from_server(bootp(2, x, opt(53, b"\x05") + lease + END, **given,
                          sname=b"boot.example.com", file=b"pxelinux.0")),
        from_server(bootp(2, 0xFFFFFFFF, opt(53, b"\x06") + opt(56, b"no, \"go\naway") + END,
                          flags=0xFFFF, secs=0xFFFF, hops=16, giaddr="192.0.2.254",
                          ciaddr="192.0.2.9")),
        to_server(bootp(1, x, b"\0\0\0" + opt(53, b"\x08") + b"\0" + ident + b"\0\0\0\0" + END)),
        to_server(bootp(1, x, opt(53, b"\x07") + opt(54, v4("192.0.2.1")))),  # no end
        # Overload: sname and file hold options of their own.
        from_server(bootp(2, x, opt(53, b"\x05") + opt(52, b"\x03") + END, **given,
                          file=opt(15, b"in.file") + END, sname=opt(12, b"in-sname") + END)),
        # An option in two pieces (RFC 3396), and an empty one.
        from_server(bootp(2, x, opt(53, b"\x05") + opt(121, b"\x18\xc6\x33\x64")
                          + opt(121, v4("192.0.2.1")) + opt(80, b"") + END, **given)),
        to_server(bootp(1, x, opt(53, b"\x01") + b"\x0c\xc8short")),  # option past the end
        to_server(bootp(1, x, b"\x35")),                      # a code and no length
        from_server(bootp(2, x, bytes(60), cookie=bytes(4), **given)),  # plain BOOTP
        to_server(bootp(1, x, opt(53, b"\x01") + END, htype=32, hlen=255)),  # address length
        to_server(bootp(1, x, b"")[:100]),
    ]


# ------------------------------------------------------------------ link types

def both():
    """An IPv4 and an IPv6 packet to put behind other link layers."""
    return (bytes(udp4(small_answer(), sport=53)),
            bytes(ip6() / ICMPv6EchoRequest(id=5, seq=1, data=b"abcdefgh")))


@capture("raw.pcap", link=RAW)
def raw():
    """Link type 101, raw IP: version 4, version 6, an unknown version, an empty packet."""
    four, six = both()
    return [four, six, b"\x50" + bytes(19), b"", bytes(ip4() / tcp())]


@capture("null.pcap", link=NULL)
def null():
    """Link type 0, BSD loopback: little endian families 2, 24, 28, 30, big endian 2 and 30, unknown, cut."""
    four, six = both()
    return ([struct.pack("<I", f) + (four if f == 2 else six) for f in (2, 24, 28, 30)]
            + [struct.pack(">I", 2) + four, struct.pack(">I", 30) + six]
            + [struct.pack("<I", 99) + b"unknown", b"\x02\x00"])


@capture("loop.pcap", link=LOOP)
def loop():
    """Link type 108, OpenBSD loopback: big endian families 2, 24, 28, 30, and an unknown one."""
    four, six = both()
    return ([struct.pack(">I", f) + (four if f == 2 else six) for f in (2, 24, 28, 30)]
            + [struct.pack(">I", 99) + b"unknown"])


@capture("sll.pcap", link=SLL)
def sll():
    """Link type 113, Linux cooked: all packet types, loopback, no address, VLAN, ARP, LLC, 802.3, unknown, cut."""
    def head(kind, proto, hw=1, addr=mac(MAC_A)):
        return struct.pack("!HHH8sH", kind, hw, len(addr), addr, proto)

    four, six = both()
    request = bytes(ARP(op=1, hwsrc=MAC_A, psrc="192.0.2.10", hwdst="00:00:00:00:00:00",
                        pdst="192.0.2.1"))
    return [
        head(0, 0x0800) + four,
        head(1, 0x0806) + request,
        head(2, 0x86DD) + six,
        head(3, 0x8100) + struct.pack("!HH", 0x6064, 0x0800) + four,
        head(4, 0x0800, 772, bytes(6)) + four,                # loopback
        head(0, 0x0800, 512, b"") + four,                     # PPP has no address
        head(2, 0x0004) + b"\x42\x42\x03" + bytes(35),        # 802.2 LLC
        head(2, 0x0001) + b"\xff\xff" + bytes(28),            # Novell 802.3
        head(0, 0x88B5) + b"unknown",
        head(0, 0x0800)[:10],
    ]


@capture("sll2.pcap", link=SLL2)
def sll2():
    """Link type 276, Linux cooked version 2: all packet types, interface index, VLAN, ARP, LLC, unknown, cut."""
    def head(kind, proto, hw=1, addr=mac(MAC_A), index=3):
        return struct.pack("!HHIHBB8s", proto, 0, index, hw, kind, len(addr), addr)

    four, six = both()
    request = bytes(ARP(op=1, hwsrc=MAC_A, psrc="192.0.2.10", hwdst="00:00:00:00:00:00",
                        pdst="192.0.2.1"))
    return [
        head(0, 0x0800) + four,
        head(1, 0x0806) + request,
        head(2, 0x86DD) + six,
        head(3, 0x8100) + struct.pack("!HH", 0x6064, 0x0800) + four,
        head(4, 0x0800, 772, bytes(6), index=0x10001) + four,
        head(0, 0x0800, 512, b"") + four,
        head(2, 0x0004) + b"\x42\x42\x03" + bytes(35),
        head(0, 0x88B5) + b"unknown",
        head(0, 0x0800)[:12],
    ]


@capture("unknown_link.pcap", link=USER0)
def unknown_link():
    """Link type 147, reserved for private use: frames that only look like Ethernet."""
    return [eth(udp4(b"not Ethernet")), b"anything", b""]


@capture("snaplen.pcap", snaplen=96)
def snaplen():
    """Packets that the snap length cut in the Ethernet, VLAN, ARP, IPv4, IPv6, TCP, UDP, ICMP and DNS headers."""
    syn = eth(ip4() / tcp("S", options=[("MSS", 1460), ("SAckOK", b""), ("Timestamp", (1, 0)),
                                        ("NOP", None), ("WScale", 7)]))
    data = eth(ip4() / tcp("PA") / Raw(b"x" * 1000))
    answer = dns_answer(small_answer())
    six = eth(ip6() / tcp("S"))
    return ([(syn, n) for n in (0, 13, 14, 33, 34, 53, 54, 61)]
            + [(data, 96)]
            + [(answer, n) for n in (38, 42, 53, 60, 75, 84, 96)]
            + [(six, n) for n in (34, 54, 60)]
            + [(eth(Dot1Q(vlan=5) / udp4(b"x")), 16),
               (eth(ARP(op=1, hwsrc=MAC_A, psrc=A4, hwdst=BCAST, pdst=B4)), 30),
               (eth(ip4() / ICMP(type=8, id=1, seq=1) / Raw(b"x" * 100)), 38),
               (eth(ip6(nh=HOP) / Raw(ext(17, ALERT) + bytes(20))), 57)])


# ---------------------------------------------------------------- file formats

def mixed_packets():
    return timed([
        bytes(eth(ARP(op=1, hwsrc=MAC_A, psrc=A4, hwdst="00:00:00:00:00:00", pdst="192.0.2.1"),
                  dst=BCAST)).ljust(60, b"\0"),
        dns_query(dns(0x0101, QUERY, [question(name("www.example.com"))])),
        dns_answer(small_answer(0x0101)),
        eth(ip4() / tcp("S", options=[("MSS", 1460)])),
        (eth(ip4() / tcp("PA", seq=1001) / Raw(b"y" * 500)), 128),  # cut: two lengths
        eth(ip6() / ICMPv6EchoRequest(id=7, seq=1, data=b"abcdefgh")),
        eth(Dot1Q(vlan=100, prio=3) / udp4(b"odd length")),
        ieee8023(b"\x42\x42\x03" + bytes(35)),
        eth(b"local experiment", kind=0x88B5),
    ])


def by_tool(name_, argv, data, note):
    """Compresses with a tool; where it is not installed the file stays as it is."""
    if shutil.which(argv[0]):
        out = subprocess.run(argv, input=data, stdout=subprocess.PIPE, check=True).stdout
    elif (HERE / name_).exists():
        print(f"{name_}: no {argv[0]} here, left as it is", file=sys.stderr)
        out = (HERE / name_).read_bytes()
    else:
        print(f"{name_}: no {argv[0]} here, not made", file=sys.stderr)
        return
    emit(name_, out, note)


@family
def mixed():
    ps = mixed_packets()
    plain = pcap(ps)
    same = "The packets of mixed.pcap: "
    emit("mixed.pcap", plain, "ARP, DNS, TCP (one cut), ICMPv6, VLAN, LLC and an unknown type, to be "
         "written in every format; little endian, microseconds.")
    emit("mixed.be.pcap", pcap(ps, e=">"), same + "big endian.")
    emit("mixed.ns.pcap", pcap(ps, nano=True), same + "nanosecond magic.")
    emit("mixed.ns.be.pcap", pcap(ps, nano=True, e=">"), same + "nanosecond magic, big endian.")
    emit("mixed.modified.pcap", pcap(ps, modified=True),
         same + "modified magic 0xa1b2cd34, record headers of 24 bytes.")
    emit("mixed.v2.3.pcap", pcap(ps, version=(2, 3), swapped=True),
         same + "version 2.3 with the two lengths exchanged, as some old writers did.")
    emit("mixed.snaplen0.pcap", pcap(ps, snaplen=0), same + "snap length 0, meaning no limit.")
    # Bit 26 says that the top four bits give the length of the FCS in 16 bit words.
    with_fcs = [Pkt(p.data + (b"\xfc\x50\xfc\x50" if len(p.data) == p.wire else b""), p.ns,
                    p.wire + 4) for p in ps]
    emit("mixed.fcs.pcap", pcap(with_fcs, link=ETHERNET | 1 << 26 | 2 << 28),
         same + "every frame ends in a (wrong) FCS of 4 bytes, announced in the link type field.")
    emit("mixed.pcapng", pcapng(ps), same + "pcapng, little endian.")
    emit("mixed.be.pcapng", pcapng(ps, ">"), same + "pcapng, big endian.")

    buf = io.BytesIO()  # no name and no time in the header
    with gzip.GzipFile(filename="", mode="wb", compresslevel=9, fileobj=buf, mtime=0) as z:
        z.write(plain)
    emit("mixed.pcap.gz", buf.getvalue(), same + "gzip.")
    members = b""
    for part in (plain[:10], plain[10:300], plain[300:]):
        buf = io.BytesIO()
        with gzip.GzipFile(filename="", mode="wb", fileobj=buf, mtime=0) as z:
            z.write(part)
        members += buf.getvalue()
    emit("mixed.members.pcap.gz", members,
         same + "gzip in three members, the cuts in the file header and in a record.")
    emit("mixed.pcap.bz2", bz2.compress(plain), same + "bzip2.")
    emit("mixed.pcap.xz", lzma.compress(plain), same + "xz.")
    by_tool("mixed.pcap.zst", ["zstd", "-q", "-c", "-19"], plain, same + "zstd.")
    by_tool("mixed.pcap.lz4", ["lz4", "-q", "-c", "-9"], plain, same + "lz4.")


@family
def nanoseconds():
    frames = [udp4(b"ns") for _ in range(4)]
    ns = [1, 999_999_999, 1_000_000_000, 1_000_001_001]
    ps = [Pkt(eth(f), START * 10**9 + t) for f, t in zip(frames, ns)]
    emit("nanoseconds.pcap", pcap(ps, nano=True),
         "Nanosecond times that microseconds cannot hold: .000000001, .999999999, then 1 s and 1001 ns on.")


@family
def two_sections():
    """Everything pcapng has that the plain files do not."""
    ps = mixed_packets()
    le, be = Ng("<"), Ng(">")
    comment, userappl, if_name, tsresol, tsoffset = 1, 4, 2, 9, 14
    # 2^-10 s ticks counted from START: 0, half a second, one second and a tick.
    binary = [(ps[3], 0), (ps[5], 512), (ps[6], 1025)]
    first = [
        le.interface(opts=[(if_name, b"eth0"), (tsresol, b"\x06"), (comment, b"microseconds")]),
        le.interface(opts=[(if_name, b"eth1"), (tsresol, b"\x09")]),
        le.enhanced(ps[0], 0, opts=[(comment, "a comment, with \"quotes\"\nand é".encode()),
                                    (2, struct.pack("<I", 1))]),  # epb_flags: inbound
        le.enhanced(ps[1], 1, ticks=ps[1].ns + 42),
        le.interface(opts=[(if_name, b"bin0"), (tsresol, b"\x8a"),
                           (tsoffset, struct.pack("<q", START))]),  # comes after packets
        *[le.enhanced(p, 2, ticks=t) for p, t in binary],
        le.simple(ps[7]),                                     # has no time
        le.obsolete(ps[8], 0, drops=5),
        le.block(4, struct.pack("<HH", 1, 4 + 12) + v4("203.0.113.80") + b"example.com\0"
                 + bytes(4)),                                 # name resolution
        le.block(0x0BAD, struct.pack("<I", 32473) + b"custom data"),
        le.block(0x40000BAD, struct.pack("<I", 32473) + b"not to be copied"),
        le.block(0x00007777, b"a block type nobody knows"),
        le.block(5, struct.pack("<III", 0, *divmod(ps[8].ns // 1000, 1 << 32))
                 + le.options([(4, struct.pack("<Q", 6)), (5, struct.pack("<Q", 0))])),
    ]
    size = sum(map(len, first))
    four, six = both()
    t = START * 10**9 + 2_000_000_000
    # An hour behind, so the ticks are an hour ahead of the time meant; seconds only.
    second = [
        be.interface(link=RAW, snaplen=40),                   # SPB data ends at the snap length
        be.interface(link=ETHERNET, snaplen=0,
                     opts=[(tsresol, b"\x00"), (tsoffset, struct.pack(">q", -3600))]),
        be.enhanced(Pkt(four[:40], t, len(four)), 0, opts=[(comment, b"cut by the snap length")]),
        be.simple(Pkt(six[:40], t, len(six))),
        be.enhanced(Pkt(ps[2].data, t), 1, ticks=START + 2 + 3600),
    ]
    data = (le.section([(comment, b"first section"), (userappl, b"make.py")], size)
            + b"".join(first) + be.section([(comment, b"second section")]) + b"".join(second))
    emit("two_sections.pcapng", data,
         "A little endian section of known length and a big endian one of unknown length: five "
         "interfaces with resolutions 10^-6, 10^-9, 2^-10, default and 1 s, two time offsets, "
         "comments, simple and obsolete packet blocks, custom and unknown blocks.")


@family
def damaged():
    ps = mixed_packets()
    plain, ng = pcap(ps), pcapng(ps)
    # The last record is 16 + 30 bytes, the last block 12 + 20 + 32.
    emit("truncated.pcap", plain[:-20], "mixed.pcap cut in the data of the last record.")
    emit("truncated_header.pcap", plain[:-(len(ps[-1].data) + 9)],
         "mixed.pcap cut in the header of the last record.")
    emit("truncated.pcapng", ng[:-20], "mixed.pcapng cut in the last block.")
    emit("truncated.pcap.gz", FILES["mixed.pcap.gz"][:-60],
         "mixed.pcap.gz cut in the compressed data.")
    emit("header_only.pcap", plain[:24], "A file header and no records.")
    emit("empty.pcap", b"", "No bytes at all.")
    emit("bad_length.pcap", pcap(ps[:5]) + struct.pack("<IIII", START, 0, 0x7FFFFFFF, 60)
         + bytes(60), "Five good records, then one that says it is 2 GiB long.")
    x = Ng()
    start, good = x.section(), x.enhanced(ps[3])
    emit("no_interface.pcapng", start + x.enhanced(ps[0]) + x.interface() + good,
         "A packet before any interface is described, then a good one.")
    emit("bad_interface.pcapng", start + x.interface() + good + x.enhanced(ps[2], iface=7) + good,
         "A packet of an interface that was never described, between two good ones.")
    emit("bad_trailer.pcapng", start + x.interface() + good + good[:-4] + struct.pack("<I", 4) + good,
         "A block whose second length disagrees with the first, between two good ones.")


# --------------------------------------------------------------------- example

@family
def example():
    """A small day on a home network; times and addresses hang together."""
    laptop, router, printer = "3c:22:fb:12:34:56", "74:ac:b9:00:00:01", "00:1b:a9:40:40:40"
    me, gw, printer4 = "192.168.1.23", "192.168.1.1", "192.168.1.40"
    web, clock = "203.0.113.80", "203.0.113.123"
    me_ll, gw_ll = "fe80::3e22:fbff:fe12:3456", "fe80::76ac:b9ff:fe00:1"
    me6, web6 = "2001:db8:1:0:3e22:fbff:fe12:3456", "2001:db8:80::80"
    out, ident = [], {}
    now = [0]

    def at(seconds):
        """Sets the clock to so many seconds after the start."""
        now[0] = round(seconds * 10**6)

    def add(after_us, frame):
        now[0] += after_us
        out.append(Pkt(bytes(frame).ljust(60, b"\0"), START * 10**9 + now[0] * 1000))

    def ip(src, dst, **kw):
        if ":" in dst:
            return IPv6(src=src, dst=dst, **{"hlim": 64, **kw})
        ident[src] = ident.get(src, 0x1000) + 1               # each host counts its packets
        return IP(src=src, dst=dst, id=ident[src], **{"ttl": 64, **kw})

    def up(after, dst, payload, src=me, **kw):
        add(after, eth(ip(src, dst, **kw) / payload, src=laptop, dst=router))

    def down(after, src, payload, dst=me, **kw):
        add(after, eth(ip(src, dst, **kw) / payload, src=router, dst=laptop))

    def lookup(port, number, host, kind, answers):
        q = question(name(host), kind)
        up(900, gw, UDP(sport=port, dport=53) / Raw(dns(number, QUERY, [q])))
        down(14_207, gw, UDP(sport=53, dport=port) / Raw(dns(number, ANSWER, [q], answers)))

    def session(port, src, dst, request, parts, gap=11_000):
        """A whole TCP connection: request, answer in parts, and close."""
        c, s = 0x10000000 + port, 0x90000000 + port
        stamp = [0x00A00000 + port, 0x0BB00000 + port]

        def side(client, flags, data=b"", first=False):
            nonlocal c, s
            me_, you = (stamp[0], stamp[1]) if client else (stamp[1], stamp[0])
            opts = [("NOP", None), ("NOP", None), ("Timestamp", (me_, you))]
            if first:
                opts = [("MSS", 1460), ("SAckOK", b""), ("Timestamp", (me_, 0 if client else you)),
                        ("NOP", None), ("WScale", 7)]
            stamp[0 if client else 1] += 12
            seg = TCP(sport=port if client else 80, dport=80 if client else port,
                      seq=c if client else s, ack=0 if flags == "S" else s if client else c,
                      flags=flags, window=64240 if first else 502, options=opts)
            size = len(data) + ("S" in flags) + ("F" in flags)
            if client:
                c += size
                up(210, dst, seg / Raw(data), src=src)
            else:
                s += size
                down(gap, dst, seg / Raw(data), dst=src)

        side(True, "S", first=True)
        side(False, "SA", first=True)
        side(True, "A")
        side(True, "PA", request)
        side(False, "A")
        for part in parts:
            side(False, "PA", part)
        side(True, "A")
        side(True, "FA")
        side(False, "FA")
        side(True, "A")

    # The laptop joins the network.
    at(0.000001)
    x = 0x5EED0001
    mine = dict(chaddr=laptop)
    lease = (opt(54, v4(gw)) + opt(51, struct.pack("!I", 86400)) + opt(1, v4("255.255.255.0"))
             + opt(3, v4(gw)) + opt(6, v4(gw)) + opt(15, b"home.arpa") + opt(42, v4(clock)) + END)
    asks = opt(55, bytes([1, 3, 6, 15, 42])) + END
    for code, extra, reply in ((1, b"", 2), (3, opt(50, v4(me)) + opt(54, v4(gw)), 5)):
        add(1_250, eth(ip("0.0.0.0", "255.255.255.255") / UDP(sport=68, dport=67) / Raw(
            bootp(1, x, opt(53, bytes([code])) + opt(61, b"\x01" + mac(laptop)) + extra
                  + opt(12, b"laptop") + asks, **mine)), src=laptop, dst=BCAST))
        add(20_480, eth(ip(gw, me) / UDP(sport=67, dport=68) / Raw(
            bootp(2, x, opt(53, bytes([reply])) + lease, yiaddr=me, siaddr=gw, **mine)),
            src=router, dst=laptop))
    add(3_000, eth(ARP(op=1, hwsrc=laptop, psrc="0.0.0.0", hwdst="00:00:00:00:00:00", pdst=me),
                   src=laptop, dst=BCAST))
    add(1_000_000, eth(ARP(op=1, hwsrc=laptop, psrc=me, hwdst="00:00:00:00:00:00", pdst=gw),
                       src=laptop, dst=BCAST))
    add(412, eth(ARP(op=2, hwsrc=router, psrc=gw, hwdst=laptop, pdst=me), src=router, dst=laptop))

    # IPv6: duplicate address detection, router discovery.
    def nd6(after, src, dst, message, smac, dmac):
        add(after, eth(IPv6(src=src, dst=dst, hlim=255) / message, src=smac, dst=dmac))

    at(1.5)
    nd6(7, "::", "ff02::1:ff12:3456", ICMPv6ND_NS(tgt=me_ll), laptop, "33:33:ff:12:34:56")
    nd6(1_000_000, me_ll, "ff02::2", ICMPv6ND_RS() / ICMPv6NDOptSrcLLAddr(lladdr=laptop),
        laptop, "33:33:00:00:00:02")
    nd6(2_345, gw_ll, "ff02::1", ICMPv6ND_RA(
        chlim=64, M=0, O=1, H=0, prf=0, routerlifetime=1800, reachabletime=0, retranstimer=0)
        / ICMPv6NDOptSrcLLAddr(lladdr=router) / ICMPv6NDOptMTU(mtu=1500)
        / ICMPv6NDOptPrefixInfo(prefixlen=64, L=1, A=1, R=0, validlifetime=86400,
                                preferredlifetime=14400, prefix="2001:db8:1::")
        / ICMPv6NDOptRDNSS(lifetime=1800, dns=["2001:db8:1::1"]), router, "33:33:00:00:00:01")
    nd6(50_000, me6, "ff02::1:ff00:1", ICMPv6ND_NS(tgt=gw_ll)
        / ICMPv6NDOptSrcLLAddr(lladdr=laptop), laptop, "33:33:ff:00:00:01")
    nd6(330, gw_ll, me6, ICMPv6ND_NA(tgt=gw_ll, R=1, S=1, O=1)
        / ICMPv6NDOptDstLLAddr(lladdr=router), router, laptop)

    # The clock is set.
    at(5)
    lookup(49801, 0x1A01, "time.example.com", 1, [rr(ptr(12), 1, v4(clock), 3600)])
    up(700, clock, UDP(sport=49123, dport=123) / Raw(
        ntp_message(0x23, times=(0, 0, 0, ntp_time(START + 5, 0x04000000)))))
    down(18_000, clock, UDP(sport=123, dport=49123) / Raw(ntp_message(
        0x24, 2, 6, -23, 0x123, 0x456, v4("192.0.2.1"),
        (ntp_time(START - 30), ntp_time(START + 5, 0x04000000), ntp_time(START + 5, 0x06400000),
         ntp_time(START + 5, 0x06410000)))), ttl=53)

    # A web page over IPv4.
    at(62)
    lookup(49802, 0x1A02, "www.example.com", 1, [
        rr(ptr(12), 5, labels(b"web") + ptr(16), 300), rr(ptr(45), 1, v4(web), 300)])
    lookup(49803, 0x1A03, "www.example.com", 28, [
        rr(ptr(12), 5, labels(b"web") + ptr(16), 300), rr(ptr(45), 28, v6(web6), 300)])
    page = b"<!doctype html><title>Example</title><p>Hello, \"world\".\n" + b"<p>Lorem ipsum.\n" * 60
    session(51000, me, web, b"GET / HTTP/1.1\r\nHost: www.example.com\r\nUser-Agent: demo/1.0\r\n"
            b"Accept: */*\r\n\r\n",
            [b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: %d\r\n\r\n"
             % len(page) + page[:400], page[400:]])

    # Is it still there? One probe runs out of hops.
    at(600.25)
    for n in (1, 2):
        data = bytes(range(0x10, 0x40))
        up(1_000_000 * (n - 1) + 3, web, ICMP(type=8, id=0x2A2A, seq=n) / Raw(data))
        down(21_009, web, ICMP(type=0, id=0x2A2A, seq=n) / Raw(data), ttl=53)
    probe = IP(src=me, dst=web, id=0x7001, ttl=1) / UDP(sport=33000, dport=33434) / Raw(b"probe")
    add(500_000, eth(probe, src=laptop, dst=router))
    down(600, gw, ICMP(type=11, code=0) / Raw(bytes(probe)[:28]))

    # The printer announces itself; the laptop asks.
    at(3600)
    service = name("_ipp._tcp.local")
    group = "01:00:5e:00:00:fb"
    add(5_000, eth(ip(me, "224.0.0.251", ttl=255) / UDP(sport=5353, dport=5353) / Raw(
        dns(0, 0, [question(service, 12)])), src=laptop, dst=group))
    add(31_000, eth(ip(printer4, "224.0.0.251", ttl=255) / UDP(sport=5353, dport=5353) / Raw(
        dns(0, 0x8400, an=[rr(service, 12, labels(b"Office Printer") + ptr(12), 4500)], ar=[
            rr(name("printer.local"), 1, v4(printer4), 120, 0x8001)])), src=printer, dst=group))

    # Voice on its own VLAN, as the port that mirrors it shows it.
    at(7200)
    for n in range(3):
        add(20_000, Ether(src="00:04:f2:00:00:99", dst=router) / Dot1Q(vlan=20, prio=5)
            / IP(src="192.168.20.99", dst="192.168.20.1", id=0x2000 + n, tos=0xB8, ttl=64)
            / UDP(sport=16384, dport=16386)
            / Raw(struct.pack("!BBHII", 0x80, 0, 100 + n, 160 * n, 0xCAFE0001) + b"\xff" * 160))

    # Late in the day: the same page over IPv6, a name that is not there.
    at(36_000)
    session(51001, me6, web6, b"HEAD / HTTP/1.1\r\nHost: www.example.com\r\n\r\n",
            [b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(page)], gap=9_000)
    q = question(name("wpad.home.arpa"))
    up(80_000, gw, UDP(sport=49804, dport=53) / Raw(dns(0x1A04, QUERY, [q])))
    down(1_500, gw, UDP(sport=53, dport=49804) / Raw(dns(0x1A04, ANSWER | 3, [q])))
    up(2_000_000, "2001:db8:80::80", ICMPv6EchoRequest(id=0x2A2B, seq=1, data=b"abcdefgh"), src=me6)
    down(20_100, "2001:db8:80::80", ICMPv6EchoReply(id=0x2A2B, seq=1, data=b"abcdefgh"), dst=me6)
    up(1_000_000, gw, UDP(sport=68, dport=67) / Raw(
        bootp(1, 0x5EED0002, opt(53, b"\x07") + opt(54, v4(gw)) + END, ciaddr=me, **mine)))
    emit("example.pcap", pcap(out),
         "A small day on a home network, for the README: DHCP, ARP, IPv6 discovery, DNS, NTP, HTTP "
         "over IPv4 and IPv6, ping, mDNS, voice on a VLAN.")
