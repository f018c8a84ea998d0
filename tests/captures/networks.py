"""Captures of networks with the same addresses, and of clocks that disagree."""

from scapy.layers.inet import ICMP, IP, UDP
from scapy.layers.l2 import GRE, Dot1Q, Ether
from scapy.layers.vxlan import VXLAN
from scapy.packet import Raw

from build import *
from streams import Talk

REQUEST = b"GET /%s HTTP/1.1\r\nHost: %s.example\r\n\r\n"


def pieces(text):
    """Two fragments of a datagram of UDP with this text."""
    whole = bytes(UDP(sport=53000, dport=53001, len=8 + len(text), chksum=0)) + text
    first = ip4(id=9, proto=17, flags="MF") / Raw(whole[:16])
    return first, ip4(id=9, proto=17, frag=2) / Raw(whole[16:])


def exchange(word, status):
    """The packets of a request and its answer, and which of the two sides sends each."""
    frames = []
    talk = Talk(frames, 40000, 80)
    talk.open()
    talk.client(REQUEST % (word, word))
    talk.server(b"HTTP/1.1 %d X\r\nContent-Length: 2\r\n\r\nok" % status)
    talk.close()
    sides = [0, 1, 0, 0, 1, 0, 1, 0]
    return [(frame[IP], side) for frame, side in zip(frames, sides, strict=True)]


@capture("networks.pcap")
def networks():
    """Equal addresses in several networks: fragments and connections in VLANs, VNIs, GRE keys and
    outer addresses, both directions in turn; a connection through two routers; IP protocols without
    ports, and tunnels of several kinds, between the same hosts."""
    def outer(**kw):
        return IP(src="203.0.113.1", dst="203.0.113.2", id=1, **kw)

    def vxlan(vni, inner):
        datagram = UDP(sport=50000, dport=4789, chksum=0) / VXLAN(vni=vni, flags=8)
        return eth(outer() / datagram / Ether(src=MAC_A, dst=MAC_B) / inner)

    around = [
        lambda inner: eth(inner),
        lambda inner: eth(Dot1Q(vlan=10) / inner),
        lambda inner: eth(Dot1Q(vlan=20) / inner),
        lambda inner: eth(Dot1Q(vlan=10) / Dot1Q(vlan=20) / inner),
        lambda inner: vxlan(1, inner),
        lambda inner: vxlan(2, inner),
        lambda inner: eth(outer(proto=47) / GRE(proto=0x0800, key_present=1, key=1) / inner),
        lambda inner: eth(outer(proto=47) / GRE(proto=0x0800, key_present=1, key=2) / inner),
        lambda inner: eth(outer(proto=4) / inner),
        lambda inner: eth(IP(src="203.0.113.1", dst="203.0.113.3", id=1, proto=4) / inner),
    ]
    frames = []
    datagrams = [pieces(b"network %d, " % place * 2) for place in range(len(around))]
    for piece in range(2):
        frames += [wrap(of[piece]) for wrap, of in zip(around, datagrams, strict=True)]
    # A tag that only has a priority is no VLAN.
    talks = [exchange(b"plain", 200), exchange(b"ten", 201), exchange(b"twenty", 202)]
    tags = [lambda side, ip: Dot1Q(vlan=0, prio=5) / ip if side else ip,
            lambda side, ip: Dot1Q(vlan=10) / ip, lambda side, ip: Dot1Q(vlan=20) / ip]
    for packets in zip(*talks, strict=True):
        for (ip, side), tag in zip(packets, tags, strict=True):
            ends = {"src": MAC_B, "dst": "02:00:5e:00:00:0c"} if side else {}
            frames.append(eth(tag(side, ip), **ends))
    for protocol in 2, 50, 51, 103, 115:
        frames.append(eth(ip4(proto=protocol) / Raw(bytes(24))))
    frames.append(eth(ip4() / ICMP(type=8, id=1, seq=1)))
    frames.append(eth(IP(src=B4, dst=A4, id=1, ttl=64) / ICMP(type=0, id=1, seq=1)))
    return frames


def skewed(ahead):
    """The frames of an exchange with their seconds; those of the server are so much ahead."""
    packets = exchange(b"clock", 200)
    macs = [{}, {"src": MAC_B, "dst": MAC_A}]
    return [(place + side * ahead, eth(ip, **macs[side])) for place, (ip, side) in enumerate(packets)]


@family
def clocks():
    """Clocks that disagree: two directions, two interfaces, one impossible time, a step back."""
    def datagram(host, seconds):
        ip = IP(src=f"192.0.2.{host}", dst=B4, id=1, ttl=64)
        return seconds, eth(ip / UDP(sport=host, dport=9999) / Raw(b"x"))

    def write(name, frames, note):
        emit(name, pcap([Pkt(f, (START + s) * 10**9) for s, f in frames]), note)

    write("clock_directions.pcap", skewed(37), "A connection whose directions differ by 37 s.")
    write("clock_directions_hour.pcap", skewed(3600),
          "A connection whose directions differ by an hour.")
    steady = [datagram(1 + place % 2, place // 2) for place in range(200)]
    write("clock_impossible.pcap", steady[:100] + [datagram(3, 1_000_000_000)] + steady[100:],
          "Two flows, and a packet of another with an impossible time between them.")
    back = [(s - 3600 * (place > 99), f) for place, (s, f) in enumerate(steady)]
    write("clock_back.pcap", back, "Two flows while the clock is set back by an hour.")
    silent = [datagram(1 + place % 2, place // 2 + 31 * (place > 99)) for place in range(200)]
    write("clock_silence.pcap", silent, "Two flows with a silence of 31 s in between.")
    ng = Ng()
    both = [ng.section(), ng.interface(), ng.interface()]
    for place, (s, frame) in enumerate(steady):
        iface = place % 2
        both.append(ng.enhanced(Pkt(frame, (START + s + iface * 300) * 10**9), iface))
    emit("clock_interfaces.pcapng", b"".join(both), "Two interfaces whose clocks differ by 300 s.")
