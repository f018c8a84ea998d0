"""Captures of what neighbours tell each other (LLDP, CDP, SONMP, Ethernet's loopback), and of USB."""

from scapy.layers.l2 import Dot1Q

from build import *

LLDP_GROUP, CDP_GROUP = "01:80:c2:00:00:0e", "01:00:0c:cc:cc:cc"

# ------------------------------------------------------------------------ LLDP


def lldp_tlv(kind, value=b"", length=None):
    length = len(value) if length is None else length
    return struct.pack("!H", kind << 9 | length) + value


CHASSIS = lldp_tlv(1, b"\x04" + mac(MAC_A))
PORT = lldp_tlv(2, b"\x05" + b"GigabitEthernet1/0/1")
TTL = lldp_tlv(3, struct.pack("!H", 120))
END = lldp_tlv(0)


def management(family, address, subtype=2, number=7, oid=b""):
    return lldp_tlv(8, bytes([1 + len(address), family]) + address
                    + struct.pack("!BIB", subtype, number, len(oid)) + oid)


def organization(oui, subtype, info=b""):
    return lldp_tlv(127, bytes.fromhex(oui) + bytes([subtype]) + info)


def lldp(*tlvs, header=CHASSIS + PORT + TTL, end=END):
    return eth((header + b"".join(tlvs) + end).ljust(46, b"\0"), kind=0x88CC, dst=LLDP_GROUP)


@capture("lldp.pcap")
def lldp_pcap():
    """LLDP: every TLV, chassis and port subtypes, several addresses, organisations, shutdown, VLAN, SNAP, broken and doubled TLVs, cut."""
    name = lldp_tlv(5, b"sw1.example.com")
    ordinary = [
        lldp_tlv(4, b"uplink to the core"), name,
        lldp_tlv(6, b"Linux 6.1.0\nan example, \"quoted\""),
        lldp_tlv(7, struct.pack("!HH", 0x07FF, 0x0014)),
        management(1, v4("192.0.2.10")),
    ]
    bare = bytes(lldp())
    plain = CHASSIS + PORT + TTL
    snap = b"\xaa\xaa\x03\0\0\0\x88\xcc" + plain + name + END
    return [
        lldp(),                                               # the header, end and padding
        lldp(end=b""),                                        # padding instead of an end
        eth(plain, kind=0x88CC, dst=LLDP_GROUP),              # no end at all
        lldp(*ordinary, management(2, v6("2001:db8::a")),
             organization("0080c2", 1, b"\x00\x64"), organization("0080c2", 3, b"\0\x64\x05voice"),
             organization("00120f", 1, b"\x03\x6c\x01\x00\x10"),
             organization("0012bb", 1, b"\x00\x3f\x04"), organization("0012bb", 5)),
        lldp(header=lldp_tlv(1, b"\x05\x01" + v4("192.0.2.10"))
             + lldp_tlv(2, b"\x04\x02" + v6("2001:db8::a")) + lldp_tlv(3, b"\0\0")),  # shutdown
        lldp(header=lldp_tlv(1, b"\x07slot 3") + lldp_tlv(2, b"\x03" + mac(MAC_B)) + TTL),
        lldp(management(6, mac(MAC_A), 3, 0xFFFFFFFF, bytes.fromhex("2b06010401090101")),
             header=lldp_tlv(1, b"\x00\xff") + lldp_tlv(2, b"\xff" + bytes(255))
             + lldp_tlv(3, b"\xff\xff")),
        lldp(management(1, v4("192.0.2.11"), oid=bytes.fromhex("06052b06010201"))),
        lldp(lldp_tlv(9, b"reserved"), lldp_tlv(126), lldp_tlv(4), lldp_tlv(6, b"x" * 511),
             organization("abcdef", 255, bytes(range(48)))),
        lldp(name, lldp_tlv(5, b"second name"), lldp_tlv(7, struct.pack("!HH", 1, 0)),
             lldp_tlv(7, struct.pack("!HH", 0xF800, 0x8000))),  # the first of each counts
        lldp(lldp_tlv(5, b"\xc3\x28 not UTF-8")),
        eth(Dot1Q(vlan=100, type=0x88CC) / Raw(plain + name + END), dst=LLDP_GROUP),
        ieee8023(snap, dst=LLDP_GROUP),
        # Values that contradict their type; the others are read.
        lldp(lldp_tlv(7, b"\0\x14\0"), name),
        lldp(lldp_tlv(127, b"\0\x80\xc2"), name),
        lldp(lldp_tlv(8, b"\x00\x02\0\0\0\x07\0"), lldp_tlv(8, b"\x21\x01"),
             lldp_tlv(8, b"\x05\x01" + v4("192.0.2.12") + b"\x02\0\0\0\x07\x09"), name),
        lldp(TTL, name),                                      # a second time to live
        lldp(name, end=lldp_tlv(0, b"\xff")),                 # an end with a value
        lldp(header=lldp_tlv(1, b"\x07") + PORT + TTL),       # no identifier
        # No header.
        lldp(header=PORT + CHASSIS + TTL),
        lldp(name, header=CHASSIS + PORT),
        lldp(header=CHASSIS + PORT + lldp_tlv(3, b"\x78")),
        lldp(header=lldp_tlv(1) + PORT + TTL),
        # Lengths beyond the packet, and captures that end.
        lldp(name, lldp_tlv(6, b"short", length=500), end=b""),
        (bare, 20), (bare, 45), (bytes(lldp(*ordinary)), 70), (bytes(lldp(name)), 55),
    ]


# ------------------------------------------------------------------------- CDP


def cdp_tlv(kind, value=b"", length=None):
    return struct.pack("!HH", kind, 4 + len(value) if length is None else length) + value


def checksum(data):
    """The checksum of IP; an odd last octet counts as its own number, as Cisco does it."""
    words = list(struct.unpack(f"!{len(data) // 2}H", data[:len(data) // 2 * 2]))
    if len(data) % 2:
        last = data[-1]
        words.append(last if last < 0x80 else (0xFF00 | last) - 1 & 0xFFFF)
    total = sum(words)
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def cdp_packet(*tlvs, version=2, ttl=180):
    body = b"".join(tlvs)
    head = bytes([version, ttl])
    return head + struct.pack("!H", checksum(head + b"\0\0" + body)) + body


def cdp(*tlvs, **kw):
    return ieee8023(b"\xaa\xaa\x03\x00\x00\x0c\x20\x00" + cdp_packet(*tlvs, **kw), dst=CDP_GROUP)


def addresses(*entries):
    return struct.pack("!I", len(entries)) + b"".join(entries)


def address(kind, protocol, octets):
    return bytes([kind, len(protocol)]) + protocol + struct.pack("!H", len(octets)) + octets


def ipv4_address(text):
    return address(1, b"\xcc", v4(text))


def ipv6_address(text):
    return address(2, b"\xaa\xaa\x03\0\0\0\x86\xdd", v6(text))


@capture("cdp.pcap")
def cdp_pcap():
    """CDP: every TLV, version 1, addresses of three protocols, prefixes and gateway, EnergyWise, broken TLVs and lengths, cut."""
    device = cdp_tlv(1, b"R1.example.com")
    version = b"Cisco IOS Software, C3560 Software\nTechnical Support: http://example.com\n"
    switch = [
        device, cdp_tlv(2, addresses(ipv4_address("192.0.2.10"))), cdp_tlv(3, b"FastEthernet0/1"),
        cdp_tlv(4, b"\0\0\0\x28"), cdp_tlv(5, version), cdp_tlv(6, b"cisco WS-C3560-24TS"),
        cdp_tlv(8, bytes.fromhex("00000c 0112 00000000 ffffffff 01 02 21 ff")
                + mac(MAC_A) + mac(MAC_B) + b"\xff\x00\x07"),
        cdp_tlv(9, b"vtp"), cdp_tlv(10, b"\0\x63"), cdp_tlv(11, b"\x01"),
        cdp_tlv(18, b"\x01"), cdp_tlv(19, b"\x05"),
        cdp_tlv(22, addresses(ipv4_address("192.0.2.1"), ipv6_address("2001:db8::1"))),
        cdp_tlv(26, struct.pack("!HHII", 1, 2, 0, 0xFFFFFFFF)), cdp_tlv(31, b"\x0f"),
        cdp_tlv(0x1003, b"1"), cdp_tlv(0x18, b"external port"),
    ]
    phone = [
        cdp_tlv(1, b"SEP02005E00000A"), cdp_tlv(4, b"\0\0\x04\x90"), cdp_tlv(11, b"\x00"),
        cdp_tlv(14, b"\x01\x00\x14"), cdp_tlv(15, b"\x01\x00\x15"), cdp_tlv(16, b"\x18\x9c"),
        cdp_tlv(17, struct.pack("!I", 1500)), cdp_tlv(20, b"phone, second floor"),
        cdp_tlv(21, bytes.fromhex("06082b06010401090101")), cdp_tlv(23, b"\x00room \"7\""),
        cdp_tlv(25, struct.pack("!HHI", 0x1234, 0, 6300)), cdp_tlv(31, b"\x01"),
    ]
    reply = struct.pack("!HH4sH4s", 1, 43440, v4("192.0.2.10"), 0x3344, v4("192.0.2.11"))
    table = b"".join(struct.pack("!II", kind, 8 + len(v)) + v for kind, v in [
        (7, b"router\0"), (8, b"example\0"), (9, b"R1\0"), (0x17, reply), (0x55, b"?")])
    energy = (bytes(range(20)) + struct.pack("!II", 1, 2) + b"WS-C3560-24TS".ljust(16, b"\0")
              + b"\x12\x34" + b"V01" + b"FOC0000X000" + b"ABCDEFGH"
              + struct.pack("!HH", len(table), 5) + table)
    one = bytes(cdp(*switch))
    return [
        cdp(*switch),
        cdp(*phone),
        cdp(device, cdp_tlv(4, b"\xff\xff\xff\xff"), version=1, ttl=255),
        cdp(ttl=0),                                           # no TLV at all
        cdp(device, cdp_tlv(2, addresses(
            ipv4_address("192.0.2.10"), ipv6_address("fe80::a"), address(1, b"\x81", b"\x49\0\x01"),
            address(1, b"\xcc", b"\x7f"), address(2, b"\xaa\xaa\x03\0\0\0\x08\0", v4("192.0.2.9"))))),
        cdp(device, cdp_tlv(7, v4("10.0.0.0") + b"\x08" + v4("192.0.2.0") + b"\x18"
                            + v4("0.0.0.0") + b"\x00" + v4("192.0.2.1") + b"\x20")),
        cdp(device, cdp_tlv(7, v4("192.0.2.1"))),             # a hub's default gateway
        cdp(device, cdp_tlv(7)),
        cdp(device, cdp_tlv(29, energy)),
        cdp(device, cdp_tlv(8, bytes.fromhex("00000c 0113") + b"something else")),
        cdp(device, cdp_tlv(15, b"\x01"), cdp_tlv(15, b"\x20\x02\x00\x01")),
        cdp(device, cdp_tlv(1, b"again"), cdp_tlv(10, b"\0\x01"), cdp_tlv(10, b"\0\x02")),
        cdp(cdp_tlv(1), cdp_tlv(5), cdp_tlv(21), cdp_tlv(2, addresses()), cdp_tlv(0x7FFF)),
        cdp(cdp_tlv(20, b"\xc3\x28 not UTF-8")),
        # Values that contradict their type; the others are read.
        cdp(cdp_tlv(2, struct.pack("!I", 2) + ipv4_address("192.0.2.10")), device),
        cdp(cdp_tlv(2, b"\xff\xff\xff\xff"), device),
        cdp(cdp_tlv(4, b"\0\0\x28"), cdp_tlv(10, b"\x01"), cdp_tlv(17, b"\0\0\x05"), device),
        cdp(cdp_tlv(7, v4("10.0.0.0") + b"\x08\x0a"), cdp_tlv(8, b"\0\0\x0c\x01"), device),
        cdp(cdp_tlv(29, energy[:-1]), cdp_tlv(25, b"\0\x01\0\0\0\0\x18"), cdp_tlv(23), device),
        # Lengths below the header of a TLV and beyond the packet, other versions.
        cdp(device, bytes(6)),                                # padding
        cdp(device, cdp_tlv(3, b"abc", length=3)),
        cdp(device, cdp_tlv(3, b"abc", length=500)),
        cdp(device, b"\0\x03\0"),
        cdp(device, version=0),
        cdp(device, version=3),
        (one, 24), (one, 25), (one, 60), (one, 200),
    ]


# -------------------------------------------------- Ethernet loopback and SONMP


def loopback(skip, *functions, dst="cf:00:00:00:00:00"):
    return eth((struct.pack("<H", skip) + b"".join(functions)).ljust(46, b"\0"), kind=0x9000,
               dst=dst)


def forward(address):
    return struct.pack("<H", 2) + mac(address)


def answer(receipt, data=b""):
    return struct.pack("<HH", 1, receipt) + data


@capture("ethernet_ctp.pcap")
def ethernet_ctp():
    """Ethernet's configuration testing: reply, forwarding by one and three stations at every step, unknown functions, skip counts that lead nowhere, cut."""
    three = [forward(MAC_B), forward("02:00:5e:00:00:0c"), forward(MAC_A), answer(0xFFFE, b"three")]
    one = bytes(loopback(0, forward(MAC_A), answer(258, b"data")))
    return [
        loopback(0, answer(0), dst=MAC_A),                    # a switch's keepalive
        loopback(0, answer(258, b"data")),
        loopback(0, forward(MAC_A), answer(258, b"data"), dst=MAC_B),
        loopback(8, forward(MAC_A), answer(258, b"data"), dst=MAC_A),
        *[loopback(8 * i, *three, dst=MAC_B) for i in range(4)],
        loopback(0, struct.pack("<H", 3)),                    # no such function
        loopback(2, forward(MAC_A), answer(1)),               # into an address
        loopback(1, forward(MAC_A), answer(1)),
        loopback(0xFFFF, answer(1)),
        eth(struct.pack("<HH", 0, 2) + mac(MAC_A), kind=0x9000, dst=MAC_B),  # nothing after it
        (one, 15), (one, 17), (one, 20), (one, 25), (one, 27), (one, 30),
    ]


def sonmp(data, protocol=0x01A2):
    return ieee8023(b"\xaa\xaa\x03\x00\x00\x81" + struct.pack("!H", protocol) + data,
                    dst="01:00:81:00:01:00" if protocol == 0x01A2 else "01:00:81:00:01:01")


@capture("nortel_discovery.pcap")
def nortel_discovery():
    """Nortel's discovery: hello of segment and flat network, every state, more octets, too few, another number, cut."""
    def hello(segment="00011b", chassis=67, backplane=12, state=2, links=1):
        return v4("192.0.2.10") + bytes.fromhex(segment) + bytes([chassis, backplane, state, links])

    whole = bytes(sonmp(hello()))
    return [
        sonmp(hello()),
        sonmp(hello("ffffff", 255, 255, 1, 255), 0x01A1),
        sonmp(hello("000000", 2, 1, 3, 0)),
        sonmp(hello() + bytes(3)),
        sonmp(hello()[:10]),
        sonmp(b""),
        sonmp(hello(), 0x01A3),                               # SynOptics' own, another
        (whole, 22), (whole, 32),
    ]


# ------------------------------------------------------------------------- USB

USB_LINUX, USB_MMAPPED, USBPCAP, USB_DARWIN = 189, 220, 249, 266
GET_DESCRIPTOR = struct.pack("<BBHHH", 0x80, 6, 0x0100, 0, 18)
DESCRIPTOR = bytes.fromhex("12010002000000403412785601000102 0301")
REPORT = bytes.fromhex("0000040000000000")


def usbmon(event, transfer, endpoint, setup=None, data=None, status=0, length=0, iso=None, flags=0,
           interval=0, start=0, ndesc=0, device=5, bus=3, seconds=START, us=123456, ident=None,
           said=None, size=64, e="<"):
    """Linux's header; data None is `<`, in the manner of a transfer that waits for it."""
    union = setup or struct.pack(e + "II", *(iso or (0, 0)))
    body = b"" if data is None else data
    out = struct.pack(
        e + "QBBBBHBBqiiII", 0xFFFF888012345678 if ident is None else ident, ord(event), transfer,
        endpoint, device, bus, 0 if setup else ord("-"),
        0 if data is not None else ord("<" if endpoint & 0x80 else ">"), seconds, us, status, length,
        len(body) if said is None else said) + union
    if size == 64:
        out += struct.pack(e + "iiII", interval, start, flags, ndesc)
    return out + body


def usbmon_packets(**kw):
    def pkt(*args, **more):
        return usbmon(*args, **{**kw, **more})

    e = kw.get("e", "<")
    isos = b"".join(struct.pack(e + "iIII", status, at, 4, 0) for status, at in [(0, 0), (-18, 4)])
    control = pkt("S", 2, 0x80, setup=GET_DESCRIPTOR, status=-115, length=18, flags=0x200)
    return [
        control,
        pkt("C", 2, 0x80, data=DESCRIPTOR, length=18),
        pkt("S", 2, 0x00, setup=struct.pack("<BBHHH", 0x21, 9, 0x0200, 1, 1), data=b"\x01",
            status=-115, length=1),
        pkt("S", 1, 0x81, status=-115, length=8, interval=8, flags=0x204),
        pkt("C", 1, 0x81, data=REPORT, length=8, interval=8),
        pkt("S", 3, 0x02, data=b"USBC" + bytes(27), status=-115, length=31, device=127, bus=65535),
        pkt("C", 3, 0x82, status=-32, length=512),            # a stall
        pkt("E", 3, 0x0F, status=-19, length=0, ident=0),
        pkt("S", 0, 0x83, data=isos, status=-115, length=8, iso=(0, 2), interval=1, start=77,
            ndesc=2),
        pkt("C", 0, 0x83, data=isos + b"isoc", length=8, iso=(1, 2), interval=1, start=77, ndesc=2),
        pkt("C", 3, 0x82, data=b"four", length=1000, said=1000),  # more than was captured
        pkt("C", 3, 0x82, data=b"four and more", length=4, said=4),
        pkt("X", 3, 0x82),                                    # no such event
        pkt("S", 3, 0x02, setup=GET_DESCRIPTOR),              # setup outside of control
        (control, 8), (control, 47), (control, len(control) - 1),
    ]


@capture("usb.pcap", link=USB_MMAPPED)
def usb():
    """Link type 220, USB of Linux: every transfer and event, setup packets, stall, isochronous descriptors, lengths that lie, no time, cut."""
    return usbmon_packets() + [
        usbmon("S", 2, 0x80, setup=GET_DESCRIPTOR, seconds=0, us=0),
        usbmon("S", 2, 0x80, setup=GET_DESCRIPTOR, seconds=0, us=0, bus=0x0101),
    ]


@capture("usb_big_endian.pcap", link=USB_MMAPPED, e=">")
def usb_big_endian():
    """The packets of usb.pcap, written by a big endian machine."""
    return usbmon_packets(e=">") + [
        usbmon("S", 2, 0x80, setup=GET_DESCRIPTOR, seconds=0, us=0, e=">"),
        usbmon("S", 2, 0x80, setup=GET_DESCRIPTOR, seconds=0, us=0, bus=0x0101, e=">"),
    ]


@capture("usb_linux.pcap", link=USB_LINUX)
def usb_linux():
    """Link type 189, USB of Linux with 48 octets of header: the packets of usb.pcap."""
    return usbmon_packets(size=48)


def usbpcap_packet(transfer, endpoint, data=b"", back=0, specific=b"", status=0, function=9,
                   device=5, bus=3, said=None, header=None):
    header = 27 + len(specific) if header is None else header
    return struct.pack("<HQIHBHHBBI", header, 0xFFFFE001234567F0, status, function, back, bus,
                       device, endpoint, transfer,
                       len(data) if said is None else said) + specific + data


@capture("usbpcap.pcap", link=USBPCAP)
def usbpcap():
    """Link type 249, USBPcap: every transfer, the stages of control, isochronous packets, wrong header lengths, cut."""
    iso = struct.pack("<III", 77, 2, 1) + struct.pack("<IIIIII", 0, 4, 0, 4, 0, 0xC0000008)
    control = usbpcap_packet(2, 0x80, GET_DESCRIPTOR, specific=b"\0", function=11)
    return [
        control,
        usbpcap_packet(2, 0x80, DESCRIPTOR, back=1, specific=b"\1", function=8),
        usbpcap_packet(2, 0x80, b"", back=1, specific=b"\2", function=8),
        usbpcap_packet(2, 0x80, DESCRIPTOR, back=1, specific=b"\3", function=8),
        usbpcap_packet(2, 0x00, struct.pack("<BBHHH", 0x21, 9, 0x0200, 1, 1) + b"\x01",
                       specific=b"\0", function=27),          # data in the setup stage
        usbpcap_packet(1, 0x81, REPORT, back=1),
        usbpcap_packet(3, 0x02, b"USBC" + bytes(27), device=300),
        usbpcap_packet(3, 0x82, back=1, status=0xC0000004),   # a stall
        usbpcap_packet(0, 0x83, specific=iso, function=10),
        usbpcap_packet(0, 0x83, b"isoc", back=1, specific=iso, function=10),
        usbpcap_packet(0xFE, 0x00, function=0x0A, back=1),    # about an I/O request
        usbpcap_packet(0xFF, 0x00, function=0x7FFF),
        usbpcap_packet(3, 0x82, b"four", back=1, said=1000),
        usbpcap_packet(3, 0x82, b"four and more", back=1, said=4),
        usbpcap_packet(2, 0x80, GET_DESCRIPTOR, header=26),
        usbpcap_packet(2, 0x80, b"", header=27),              # no stage
        usbpcap_packet(2, 0x80, GET_DESCRIPTOR[:5], specific=b"\0"),
        usbpcap_packet(0, 0x83, b"", specific=b"\x4d\0\0\0"),
        usbpcap_packet(3, 0x82, b"header beyond", header=300),
        (control, 1), (control, 20), (control, 27), (control, 33),
    ]


def darwin_packet(kind, endpoint, data=b"", request=0, length=0, status=0, frames=0, header=32,
                  bus=0x14, device=5):
    return struct.pack("<HBBIIIQIBBBB", 0x0100, header, request, length, status, frames,
                       0x0102030405060708, bus << 24 | 0x100000, 2, device, endpoint,
                       kind).ljust(header, b"\xee") + data


@capture("usb_darwin.pcap", link=USB_DARWIN)
def usb_darwin():
    """Link type 266, USB of Darwin: every transfer, setup, a longer header, wrong lengths and values, cut."""
    control = darwin_packet(0, 0x80, GET_DESCRIPTOR, length=18)
    return [
        control,
        darwin_packet(0, 0x80, DESCRIPTOR, request=1, length=18),
        darwin_packet(1, 0x83, frames=0, length=8),
        darwin_packet(2, 0x02, b"USBC" + bytes(27), length=31),
        darwin_packet(2, 0x82, request=1, status=0xE000404F),
        darwin_packet(3, 0x81, REPORT, request=1, length=8),
        darwin_packet(3, 0x81, REPORT, request=1, length=8, header=40),
        darwin_packet(4, 0x81, request=1),
        darwin_packet(3, 0x81, request=2),
        darwin_packet(3, 0x81, request=1, header=31),
        darwin_packet(0, 0x80, b"short"),
        (control, 3), (control, 31), (control, 36),
    ]
