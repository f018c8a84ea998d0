"""Captures of link types other than Ethernet, and of what wide area networks have between."""

import binascii

from build import *
from scapy.layers.inet6 import ICMPv6EchoRequest
from scapy.layers.l2 import ARP


def four():
    """An IPv4 packet to put behind a link layer."""
    return bytes(udp4(b"abcdefgh", sport=50000))


def six():
    """An IPv6 packet to put behind a link layer."""
    return bytes(ip6() / ICMPv6EchoRequest(id=5, seq=1, data=b"abcdefgh"))


def snap(kind, oui=b"\0\0\0"):
    """LLC and SNAP."""
    return b"\xaa\xaa\x03" + oui + struct.pack("!H", kind)


def arp():
    return bytes(ARP(op=1, hwsrc=MAC_A, psrc=A4, hwdst="00:00:00:00:00:00", pdst=B4))


BPDU = b"\x42\x42\x03" + bytes(35)


# ------------------------------------------------------------------- local networks

def swapped(text):
    """An address with the bits of each octet in the order of FDDI."""
    return bytes(int(f"{octet:08b}"[::-1], 2) for octet in mac(text))


@capture("fddi.pcap", link=10)
def fddi():
    """Link type 10, FDDI: LLC asynchronous of all priorities and synchronous, SNAP with IPv4, IPv6 and ARP, station management, MAC, token, cut."""
    def frame(control, body, src=MAC_A, dst=MAC_B):
        return bytes([control]) + swapped(dst) + swapped(src) + body

    return ([frame(0x50 + n, snap(0x0800) + four()) for n in range(8)]
            + [frame(0xD0, snap(0x86DD) + six()),
               frame(0x50, snap(0x0806) + arp(), dst=BCAST),
               frame(0x50, BPDU, dst="01:80:c2:00:00:00"),
               frame(0x50, b"\xfe\xfe\x03\x83" + bytes(20)),
               frame(0x41, b"\x01\x02" + bytes(30), dst=BCAST),   # station management
               frame(0x4F, bytes(20)),
               frame(0xC2, bytes(10)),                            # MAC
               frame(0x80, b""),                                  # token
               frame(0x50, b""),
               frame(0x50, b"\x42\x42"),
               frame(0x50, BPDU)[:12],
               (frame(0x50, BPDU), 9),
               (frame(0x50, snap(0x0800) + four()), 30),
               b""])


@capture("token_ring.pcap", link=6)
def token_ring():
    """Link type 6, Token Ring: LLC, source routes of several lengths, bad ones, MAC frames, a reserved type, cut."""
    def frame(body, control=0x40, src=MAC_A, route=b""):
        source = bytearray(mac(src))
        source[0] |= 0x80 if route else 0
        return bytes([0x10, control]) + mac(MAC_B) + bytes(source) + route + body

    return [frame(snap(0x0800) + four()),
            frame(snap(0x86DD) + six(), route=b"\x06\x30\x00\x12\x00\x20"),
            frame(snap(0x0806) + arp(), route=b"\x82\x30"),
            frame(BPDU, route=b"\x12\x30" + bytes(16)),
            frame(b"\x00\x04\x00\x05", control=0x00),
            frame(b"--", control=0x80),
            frame(BPDU, route=b"\x00\x30"),
            frame(BPDU, route=b"\x03\x30\x01"),
            frame(b"", route=b"\x1e\x30\x01"),
            frame(BPDU)[:13],
            (frame(BPDU, route=b"\x06\x30\x00\x12\x00\x20"), 16)]


@family
def arcnet():
    heads = {0xF0: b"", 0xD4: b"\x00\x00\x01"}
    frames = [b"\x0a\x0b\xf0" + four(), b"\x0a\x0b\xf1" + arp(),
              b"\x0a\x0b\xd4\x00\x00\x01" + four(), b"\x0a\x0b\xc4\x00\x00\x02" + six(),
              b"\x0a\x0b\xd4\xff\xff\xff\xd4\x00\x00\x03" + four(),     # exception
              b"\x0a\x0b\xd4\x01\x00\x04" + four()[:24],                # first of two
              b"\x0a\x0b\xd4\x02\x00\x04" + four()[24:],
              b"\x0a\x0b\x80\x01", b"\x0a\x0b\xd4\x00"]
    emit("arcnet.pcap", pcap(timed(frames), link=7),
         "Link type 7, ARCNET of the BSDs: RFC 1051, RFC 1201, IPv6, an exception frame, fragments, another protocol, cut.")
    linux = [b"\x0a\x0b\0\0" + bytes([kind]) + head + four() for kind, head in heads.items()]
    emit("arcnet_linux.pcap", pcap(timed(linux + [b"\x0a\x0b\0\0\xc4\0\0\x01" + six(), b"\x0a\x0b\0"]),
                                   link=129),
         "Link type 129, ARCNET of Linux: RFC 1051, RFC 1201, IPv6, cut.")


# -------------------------------------------------------------------- wide area networks

def lcp(code, options=b"", ident=7, length=None):
    length = 4 + len(options) if length is None else length
    return struct.pack("!BBH", code, ident, length) + options


def ppp_packets():
    """PPP from the protocol field on."""
    bridged = eth(udp4(b"bridged"))
    return [b"\x00\x21" + four(), b"\x21" + four(), b"\x00\x57" + six(), b"\x57" + six(),
            b"\xc0\x21" + lcp(1, b"\x01\x04\x05\xdc\x03\x04\xc0\x23\x05\x06\xde\xad\xbe\xef\x07\x02"),
            b"\xc0\x21" + lcp(9, b"\xde\xad\xbe\xef"),
            b"\x80\x21" + lcp(1, b"\x03\x06" + socket.inet_aton(A4)) + bytes(4),   # padding
            b"\x80\x57" + lcp(2, b"\x01\x0a" + bytes(8)),
            b"\x80\xfd" + lcp(4, b"\x1a\x04\x78\x00"),
            b"\xc0\x23" + lcp(1, b"\x04user\x04pass"),
            b"\xc2\x23" + lcp(1, b"\x04abcdname"),
            b"\x00\x23\x83" + bytes(20), b"\x00\x2d" + bytes(20), b"\x00\xfd" + bytes(20),
            b"\x00\x3d\xc0\x00\x00\x01\x00\x21" + four(),                          # multilink
            b"\x00\x3d\x80\x00\x00\x02\x00\x21" + four()[:20],
            b"\x00\x31\x00\x01" + bytes(bridged),
            b"\x00\x31\xc2\x01\0\0\0\x07" + bytes(bridged) + b"\xfe\xed\xbe\xef\0\0",
            b"\x00\x31\x00\x03" + bytes(20),
            # Length below the header, options of length 1, beyond the packet; an even number.
            b"\xc0\x21" + lcp(1, length=3), b"\xc0\x21" + lcp(1, b"\x01\x01\x05\xdc"),
            b"\xc0\x21" + lcp(1, b"\x01\x09\x05\xdc"), b"\xc0\x22" + bytes(8),
            b"\x00\x21", b"\x00", b""]


@family
def ppp():
    packets = ppp_packets()
    framed = [b"\xff\x03" + p for p in packets]
    emit("ppp.pcap", pcap(timed(packets + framed[:4] + [(framed[0], 3)]), link=9),
         "Link type 9, PPP: IPv4 and IPv6 with one and two octets of protocol, framed or not, control, authentication, multilink, bridging, unknown, malformed, cut.")
    emit("ppp_hdlc.pcap", pcap(timed(framed[:8] + [b"\x0f\x00\x08\x00" + four(),
                                                   b"\x8f\x00\x20\x00\x02\xb4" + bytes(20)]), link=50),
         "Link type 50, framed PPP, and Cisco HDLC in the same capture.")
    emit("ppp_direction.pcap", pcap(timed([b"\x01" + p for p in framed[:3]]
                                          + [b"\x00" + p for p in packets[:3]] + [b"\x00"]), link=204),
         "Link type 204, PPP after an octet of direction, framed or not, cut.")
    emit("ppp_pppd.pcap", pcap(timed([b"\x01\x03" + p for p in packets[:4]] + [b"\x00"]), link=166),
         "Link type 166, PPP of pppd: direction instead of the address, cut.")


@capture("pppoe.pcap")
def pppoe():
    """PPPoE: the four packets of discovery, an error, a terminate, sessions with IPv4, IPv6, LCP and padding, bad tags, version and length, cut."""
    def head(code, body, session=0x1234, version=0x11, length=None):
        length = len(body) if length is None else length
        return struct.pack("!BBHH", version, code, session, length) + body

    def tag(kind, value=b""):
        return struct.pack("!HH", kind, len(value)) + value

    def disc(code, *tags, session=0, **kw):
        return eth(head(code, b"".join(tags), session, **kw), 0x8863)

    def data(body, **kw):
        return eth(head(0, body, **kw), 0x8864)

    return [disc(0x09, tag(0x0101), tag(0x0103, b"host")),
            disc(0x07, tag(0x0101), tag(0x0102, b"concentrator"), tag(0x0104, b"cookie")),
            disc(0x19, tag(0x0101), tag(0x0104, b"cookie")),
            disc(0x65, tag(0x0101), session=0x1234),
            disc(0x07, tag(0x0201, b"no such service"), tag(0)),
            disc(0xA7, session=0x1234),
            data(b"\x00\x21" + four()), data(b"\x00\x57" + six()), data(b"\xc0\x21" + lcp(9, bytes(4))),
            data(b"\x00\x21" + four()) + bytes(6),
            data(b"\x00\x21" + four(), length=30),           # shorter than the packet inside
            data(b"\x00\x21" + four(), length=2000),         # beyond the frame
            disc(0x09, struct.pack("!HH", 0x0103, 99)),
            data(b"\x00\x21" + four(), version=0x21),
            eth(b"\x11\x00\x12", 0x8864), (data(b"\x00\x21" + four()), 18)]


@family
def hdlc():
    frames = [b"\x0f\x00\x08\x00" + four(), b"\x8f\x00\x86\xdd" + six(),
              b"\x8f\x00\x80\x35" + struct.pack("!IIIH", 2, 5, 2, 0xFFFF) + bytes(4),
              b"\x0f\x00\xfe\xfe\x03\x83" + bytes(20), b"\x0f\x00\xfe\xfe\x83" + bytes(20),
              b"\x0f\x00\x65\x58" + bytes(eth(udp4(b"bridged"))),
              b"\x0f\x00\x00\x04" + bytes(8), b"\x8f\x00\x80\x35" + bytes(5), b"\x0f\x00\x08"]
    emit("c_hdlc.pcap", pcap(timed(frames), link=104),
         "Link type 104, Cisco HDLC: IPv4, IPv6, SLARP, OSI with and without padding, a bridged frame, unknown, malformed, cut.")


@family
def frame_relay():
    frames = [b"\x18\x41\x03\xcc" + four(), b"\x18\x41\x03\x8e" + six(),
              b"\x18\x40\x11\x03\xcc" + four(), b"\x18\x40\x10\x81\x03\xcc" + four(),
              b"\x18\x41\x03\x00\x80\x00\x80\xc2\x00\x07" + bytes(eth(udp4(b"bridged"))),
              b"\x18\x41\x03\x00\x80\x00\x00\x00\x08\x06" + arp(),
              b"\x18\x41\x03\xcf\x00\x21" + four(), b"\x18\x41\x03\x83" + bytes(20),
              b"\x18\x41\x08\x00" + four(), b"\x18\x41\x20\x00\x02\xb4" + bytes(8),
              b"\x00\x01\x03\x08\x00\x75\x95\x01\x01\x00", b"\x00\x01\x08\x02\x01\x01",
              b"\x18\x41", b"\x18\x40\x10\x80\x03\xcc" + four(), b"\x19\x41\x03\xcc" + four(), b"\x18"]
    emit("frame_relay.pcap", pcap(timed(frames), link=107),
         "Link type 107, frame relay: addresses of two to four octets, RFC 2427, SNAP, PPP, OSI, Cisco's EtherTypes, signalling, bad addresses, cut.")
    bundle = [b"\xc0\x01" + frames[0], b"\x80\x02" + frames[1][:30], b"\x40\x03" + frames[1][30:],
              b"\xe1\x00\x01" + b"\x03\x07frf16", b"\xc0"]
    emit("frame_relay_bundle.pcap", pcap(timed(bundle), link=182),
         "Link type 182, a bundle of FRF.16: a whole frame, fragments, control, cut.")


# --------------------------------------------------------------- everything with IP inside

def attribute(kind, value, e="<"):
    return struct.pack(e + "HH", 4 + len(value), kind) + pad4(value)


@capture("nflog.pcap", link=239)
def nflog():
    """Link type 239, Linux netfilter log: both byte orders, IPv4, IPv6, a bridge's ARP, no payload, bad length and version, cut."""
    def packet(family, ethertype, payload, e="<", version=0):
        head = bytes([family, version, 0, 7])
        return (head + attribute(1, struct.pack("!HBB", ethertype, 1, 0), e) + attribute(10, b"x\0", e)
                + attribute(9, payload, e))

    return [packet(2, 0x0800, four()), packet(2, 0x0800, four(), ">"), packet(10, 0x86DD, six()),
            packet(7, 0x0806, arp()), b"\x02\0\0\x07" + attribute(10, b"only a prefix\0"),
            b"\x02\0\0\x07\x03\0\x01\0", packet(2, 0x0800, four(), version=1),
            b"\x02\0\0\x07\x30\0\x01\0", b"\x02\0", (packet(2, 0x0800, four()), 40)]


def docsis(header):
    """A DOCSIS header and its check sequence (CM-SP-MULPIv3.0, section 6.2.1.2: that of X.25)."""
    crc = 0xFFFF
    for octet in header:
        crc ^= octet
        for _ in range(8):
            crc = crc >> 1 ^ (0x8408 if crc & 1 else 0)
    return header + struct.pack("<H", crc ^ 0xFFFF)


def vpp(hint):
    return bytes([1, 0, 4, hint]) + struct.pack("!I", 9) + b"a-node\0buffer\0opaque\0\0"


@family
def link_types():
    """One interface of each kind, with an IPv4 and an IPv6 packet or what it has instead."""
    frame = bytes(eth(udp4(b"abcdefgh", sport=50000)))
    addresses, rest = frame[:12], frame[12:]
    crc = struct.pack("<I", binascii.crc32(frame))
    erf = struct.pack("!QBBHHH", 0, 0x82, 4, 28 + len(frame) + 6, 0, len(frame))
    pktap = struct.pack("<III", 108, 1, 1) + bytes(96)
    name = struct.pack("!HH", 12, 4)
    ax25 = bytes.fromhex("82a0a4a6404060" "82a0a4a640e061")
    kinds = [
        (100, [snap(0x0800) + four(), b"\xfe\xfe\x03\xcc" + four(), BPDU]),
        (106, [four(), snap(0x0800) + four()]),
        (110, [b"\x00\x01" + frame, b"\xff\x00\x01\x01"]),
        (123, [b"\x82\0\0\x64" + snap(0x0800) + four(), b"\x01\0\0\x64\x00\x01" + frame,
               b"\x06\0\0\x05\x09\x03", b"\x05\0\0\x64----"]),
        (8, [b"\x00\x45" + bytes(14) + four(), b"\x01\x60" + bytes(14) + six(), b"\x00"]),
        (109, [struct.pack("<II", 2, 5) + bytes(4) + four(), struct.pack("<II", 24, 5) + bytes(4) + six()]),
        (117, [b"\x3d\x02" + bytes(62) + four(), b"\x3d\x18" + bytes(62) + six(), b"\x10\x02" + bytes(62)]),
        (226, [b"\x01\x02" + bytes(22) + four(), b"\x01\x1a" + bytes(22) + six(), b"\x02\x02" + bytes(22)]),
        (242, [bytes(40) + b"\x08\0\0\0" + four(), bytes(40) + b"\x86\xdd\0\0" + six()]),
        (138, [bytes(16) + b"\x08\0" + four(), bytes(16) + b"\0\x04"]),
        (122, [bytes(16) + snap(0x0800) + four()]),
        (99, [bytes(6) + b"\x08\0" + bytes(36) + four(), bytes(10) + b"\x86\xdd" + bytes(44) + six(),
              bytes(56)]),
        (281, [addresses + b"\0\0\x80\0" + rest]),
        (282, [b"\0\0\x20\x05" + frame]),
        (284, [addresses + b"\xc0\x0a\0\0" + rest, addresses + b"\xc0"]),
        (285, [addresses + b"\xda\xda\0\0\xc0\0\0\0" + rest]),
        (240, [b"\x00\x04\x40\x00" + frame, b"\x00\x05\x40\x00" + bytes(8)]),
        (241, [b"\x00\x06\x40\x00" + b"\x55" * 7 + b"\xd5" + frame]),
        (274, [b"\x55" * 7 + b"\xd5" + frame + crc, b"\x55" * 7 + b"\x4c" + frame + crc, b"\x55" * 7 + b"\x07" + bytes(60)]),
        (259, [b"\xd5\x55\x55\x12\x34\xeb" + frame]),
        (178, [b"MGC\x01" + frame, b"MGC\x81\x00\x03\x03\x01\x0e" + frame, b"MGC\x02\x02\0\0\0" + four(),
               b"XYZ\x01" + frame]),
        (179, [b"MGC\x01\xff\x03\x00\x21" + four()]),
        (180, [b"MGC\x01\x18\x41\x03\xcc" + four()]),
        (181, [b"MGC\x01\x0f\x00\x08\x00" + four()]),
        (137, [b"MGC\x01\0\0\0\x01" + snap(0x0800) + four(), b"MGC\x01\0\0\0\x01" + four(),
               b"MGC\x01\x80\0\0\x01" + bytes(48)]),
        (135, [b"MGC\x00\0\0\0\x01" + bytes(4) + frame, b"MGC\x01" + bytes(8) + b"\x00\x21" + four()]),
        (136, [b"MGC\x01" + bytes(8) + four()]),
        (168, [b"MGC\x01\x88\x64\x11\x00\x12\x34" + struct.pack("!H", 2 + len(four())) + b"\x00\x21" + four()]),
        (258, [pktap + frame, struct.pack("<I", 40) + bytes(40)]),
        (149, [pktap + frame, b"something else"]),
        (197, [erf + bytes(8) + b"\0\0" + frame + bytes(6), struct.pack("!QBBHHH", 0, 22, 4, 12, 0, 60)]),
        (143, [docsis(struct.pack("!BBH", 0, 0, len(frame) + 4)) + frame + crc,
               docsis(struct.pack("!BBHHHB", 1, 5, 9 + len(frame), 0x4410, 0x8001, 0)) + frame + crc,
               docsis(b"\xc2\x00\x00\x10") + bytes(16)]),
        (252, [name + b"ipv6" + bytes(4) + six(), name + b"eth\0" + bytes(4) + frame,
               name + b"foo\0" + bytes(4) + b"data"]),
        (219, [struct.pack("!I", 0x00064140) + four()]),
        (205, [b"\x01\x0f\x00\x08\x00" + four()]),
        (206, [b"\x01\x18\x41\x03\xcc" + four()]),
        (51, [b"\x11\x00\x12\x34" + struct.pack("!H", 2 + len(four())) + b"\x00\x21" + four()]),
        (144, [bytes(14) + b"\x00\x17\xff\x3f" + bytes(8)]),
        (187, [b"\x01\x03\x0c\x00", b"\x04\x0e\x04\x01\x03\x0c\x00", b"\x04\x0e\x09\x01", b"\x09"]),
        (201, [b"\0\0\0\x01\x04\x0e\x04\x01\x03\x0c\x00"]),
        (230, [b"\x41\x88\x07\x34\x12\x01\x00\x02\x00data", b"\x02\x00\x07", b"\x01\x04\x07"]),
        (253, [b"\x00\x04\x03\x38" + bytes(12) + struct.pack("<IHHII", 16, 3, 0, 1, 0)]),
        (271, [struct.pack("<QQIIHHHxx", 2, 3, 1024, 80, 1, 2, 0)]),
        (3, [ax25 + b"\x03\xcc" + four(), ax25 + b"\x03\xf0text", ax25 + b"\x21", ax25[:7] * 11]),
        (202, [b"\x00" + ax25 + b"\x03\xcc" + four(), b"\x01\x32"]),
        (128, [b"\x01\x00\x00\x01\x0a\x01\xc8\x00\x01" + frame, b"\x01\x04\x00\x00\x01",
               b"\x01\x00\x00\x03\x01----", b"\x02"]),
        (280, [vpp(2) + four(), vpp(3) + six(), vpp(1) + frame, vpp(5) + four()[20:], vpp(0) + b"data",
               b"\x01\x00\x01\x01\0\0\0\0no end", b"\x02" + bytes(7)]),
        (231, [b"l\x01\x00\x01"]),
    ]
    ng = Ng()
    packets = timed([p for _, some in kinds for p in some])
    out = [ng.section()] + [ng.interface(link) for link, _ in kinds]
    index = 0
    for number, (_, some) in enumerate(kinds):
        for _ in some:
            out.append(ng.enhanced(packets[index], number))
            index += 1
    emit("link_types.pcapng", b"".join(out),
         f"{len(kinds)} other link types, one interface each: ordinary frames with IP where there can be some, bad headers.")
