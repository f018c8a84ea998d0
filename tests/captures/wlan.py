"""Captures of wireless LANs and of port authentication: 802.11 with the headers that capture
programs put before it, EAPOL, EAP. Scapy knows 802.11, but these frames are packed here, where
every bit of a header field can be seen."""

import zlib

from build import *

DOT11, PRISM, RADIOTAP, AVS, PPI = 105, 119, 127, 163, 192
MAC_C, MAC_D = "02:00:5e:00:00:0c", "02:00:5e:00:00:0d"

TO_DS, FROM_DS, MORE_FRAGMENTS, RETRY, PROTECTED, ORDER = 1, 2, 4, 8, 0x40, 0x80


def wifi(kind, subtype, flags=0, addresses=(MAC_B, MAC_A, MAC_C), seq=None, body=b"", duration=44,
         version=0):
    """An 802.11 frame; seq is (sequence number, fragment), addresses beyond three follow it."""
    head = struct.pack("<BBH", version | kind << 2 | subtype << 4, flags, duration)
    head += b"".join(mac(a) for a in addresses[:3])
    if seq is not None:
        head += struct.pack("<H", seq[0] << 4 | seq[1])
    return head + b"".join(mac(a) for a in addresses[3:]) + body


def with_fcs(frame):
    return frame + struct.pack("<I", zlib.crc32(frame))


def snap(payload, kind=0x0800):
    return b"\xaa\xaa\x03\0\0\0" + struct.pack("!H", kind) + bytes(payload)


def element(number, data):
    return bytes([number, len(data)]) + data


def management(subtype, body, flags=0, seq=1):
    return wifi(0, subtype, flags, seq=(seq, 0), body=body)


def control(subtype, addresses, body=b"", flags=0, duration=44):
    return wifi(1, subtype, flags, addresses, None, body, duration)


def data(body=b"", subtype=0, flags=TO_DS, seq=(100, 0), addresses=(MAC_B, MAC_A, MAC_C), qos=None,
         htc=None):
    """A data frame; qos and htc are the control fields of that name."""
    fields = b"" if qos is None else struct.pack("<H", qos)
    fields += b"" if htc is None else struct.pack("<I", htc)
    return wifi(2, subtype, flags, addresses, seq, fields + body)


BEACON = (struct.pack("<QHH", 0x123456789, 100, 0x0411) + element(0, b"example")
          + element(1, b"\x82\x84\x8b\x96\x0c\x12\x18\x24") + element(3, b"\x06")
          + element(5, b"\x00\x01\x00\x00"))
REQUEST = element(0, b"example") + element(1, b"\x82\x84\x8b\x96")


@capture("dot11_management.pcap", link=DOT11)
def dot11_management():
    """802.11 management: every subtype, HT control of each variant, protected, cut."""
    return [
        management(0, struct.pack("<HH", 0x0431, 10) + REQUEST),  # association
        management(1, struct.pack("<HHH", 0x0431, 0, 0xC001) + element(1, b"\x82\x84")),
        management(2, struct.pack("<HH", 0x0431, 10) + mac(MAC_D) + REQUEST),
        management(3, struct.pack("<HHH", 0x0431, 17, 0xC000) + element(1, b"\x82\x84")),
        management(4, REQUEST),
        management(5, BEACON),
        management(6, b"\0" * 9),  # timing advertisement
        management(7, b""),  # reserved
        management(8, BEACON, seq=4095),
        management(9, b""),  # ATIM
        management(10, struct.pack("<H", 8)),
        management(11, struct.pack("<HHH", 0, 1, 0)),
        management(12, struct.pack("<H", 7), RETRY),
        management(12, b"\x5a" * 26, PROTECTED),
        management(13, b"\x03\x00\x01\x03\x10\x00\x00\x00\x00"),  # add block acknowledgment
        management(13, struct.pack("<I", 0x40000000) + b"\x03\x02\x00\x00\x01\x00", ORDER),
        management(14, struct.pack("<I", 0x20000001) + b"\x03\x02\x00\x00\x01\x00", ORDER),
        management(15, struct.pack("<I", 0x00000003), ORDER),
        (management(8, BEACON), 60),
        (management(8, BEACON), 23),
        management(13, b"\0\0\0", ORDER),  # less than HT control
    ]


@capture("dot11_control.pcap", link=DOT11)
def dot11_control():
    """802.11 control and extension: every subtype, wrapped frames, cut, versions 1 to 3."""
    both, one = (MAC_B, MAC_A), (MAC_B,)
    bitmap = struct.pack("<HH", 0x0005, 0x1230) + b"\xff" * 8
    htc = struct.pack("<I", 0x80010002)
    return [
        control(11, both), control(12, one), control(13, one, duration=0),
        control(10, both, duration=0xC005), control(14, both, duration=0),
        control(15, both, duration=0),
        control(8, both, struct.pack("<HH", 0x0004, 0x1230)), control(9, both, bitmap),
        control(2, both, b"\0" * 8), control(3, both, b"\0" * 9), control(4, both, b"\x01"),
        control(5, both, b"\x04\x01\x10"),
        control(0, one), control(1, one),
        # A wrapped RTS, CTS and block acknowledgment; a wrapped frame that is no control frame.
        control(7, one, b"\xb4\x00" + htc + mac(MAC_A)),
        control(7, one, b"\xc4\x00" + htc),
        control(7, one, b"\x94\x00" + htc + mac(MAC_A) + bitmap),
        control(7, one, b"\x80\x00" + htc),
        # Extensions: poll, DMG CTS, DMG DTS, sector sweep; DMG and S1G beacons.
        control(6, both, b"\0\0", flags=2), control(6, both, flags=5),
        control(6, both, mac(MAC_C), flags=6), control(6, both, b"\0" * 6, flags=8),
        control(6, one, flags=0),
        wifi(3, 0, addresses=one, body=b"\0" * 20), wifi(3, 1, addresses=one, body=b"\0" * 9),
        wifi(3, 15, addresses=one),
        # Cut in the transmitter, in the receiver, in the first field; too short as such.
        (control(11, both), 12), (control(12, one), 9), (control(12, one), 1),
        control(11, one), b"\xc4\x00\x2c\x00\x02\x00", b"\xc4",
        wifi(2, 0, version=1), wifi(2, 0, version=2), wifi(1, 13, addresses=one, version=3),
    ]


@capture("dot11_data.pcap", link=DOT11)
def dot11_data():
    """802.11 data: directions, QoS, HT control, no data, encrypted, fragments, A-MSDU, mesh, FCS, cut."""
    ip = bytes(udp4(b"wireless"))
    msdu = snap(ip)
    four = (MAC_B, MAC_A, MAC_C, MAC_D)
    sub = mac(MAC_B) + mac(MAC_A) + struct.pack("!H", len(msdu)) + msdu
    mesh = struct.pack("<BBI", 0, 31, 77)
    long = snap(bytes(udp4(b"fragment" * 8)))
    ht = 1 << 1 | 1 << 2 | 5 << 3 | 6 << 6 | 77 << 9 | 2 << 16 | 1 << 18 | 3 << 22 | 1 << 24
    asel = 14 << 2 | 3 << 9 | 9 << 12 | 1 << 29 | 1 << 30
    vht = 1 | 1 << 2 | 6 << 3 | 5 << 6 | 3 << 9 | 9 << 12 | 2 << 16 | 45 << 18 | 6 << 24 | 3 << 27
    return [
        data(msdu, flags=0), data(msdu), data(msdu, flags=FROM_DS),
        data(msdu, flags=TO_DS | FROM_DS, addresses=four),
        data(snap(b"\0\1\x08\0\6\4\0\1" + mac(MAC_A) + v4(A4) + bytes(6) + v4(B4), 0x0806),
             flags=FROM_DS, addresses=(BCAST, MAC_B, MAC_A)),
        data(b"\x42\x42\x03" + bytes(35)),  # spanning tree
        data(msdu, 8, TO_DS, qos=0x4076), data(msdu, 8, FROM_DS, qos=0x0000),
        data(msdu, 8, TO_DS | FROM_DS, addresses=four, qos=0x0025),
        data(msdu, 8, TO_DS | ORDER, qos=0, htc=ht), data(msdu, 8, TO_DS | ORDER, qos=0, htc=asel),
        data(msdu, 8, TO_DS | ORDER, qos=0, htc=vht | 1 << 31),
        data(msdu, 8, TO_DS | ORDER, qos=0, htc=vht | 1 << 29),
        data(msdu, 8, TO_DS | ORDER, qos=0, htc=3),
        data(msdu, 0, TO_DS | ORDER),  # strictly ordered, no HT control
        # No data: plain, with acknowledgment and poll, QoS.
        data(subtype=4), data(subtype=5), data(subtype=6), data(subtype=7),
        data(subtype=12, qos=0x0010), data(subtype=14, qos=0), data(subtype=15, qos=0),
        data(msdu, 1), data(msdu, 2), data(msdu, 3), data(msdu, 9, qos=5), data(msdu, 10, qos=6),
        data(msdu, 11, qos=7), data(msdu, 13, qos=8), data(b""),
        data(b"\x01\x00\x00\x20" + b"\xa5" * 40, 0, TO_DS | PROTECTED),
        data(b"\x01\x00\x00\x20\0\0\0\0" + b"\xa5" * 40, 8, FROM_DS | PROTECTED, qos=0),
        data(long[:40], 0, TO_DS | MORE_FRAGMENTS, (101, 0)), data(long[40:], seq=(101, 1)),
        # Two subframes, the first padded; one of a length beyond the frame; half a header.
        data(pad4(sub) + sub, 8, FROM_DS, qos=0x0080),
        data(sub[:12] + b"\xff\xff" + msdu, 8, FROM_DS, qos=0x0080),
        data(sub[:9], 8, FROM_DS, qos=0x0080),
        data(mesh + msdu, 8, TO_DS | FROM_DS, addresses=four, qos=0x0100),
        data(b"\x01" + mesh[1:] + mac(MAC_D) + msdu, 8, FROM_DS, qos=0x0100),
        data(b"\x02" + mesh[1:] + mac(MAC_C) + mac(MAC_D) + msdu, 8, TO_DS | FROM_DS,
             addresses=four, qos=0x0100),
        data(b"\x02" + mesh[1:] + mac(MAC_C), 8, TO_DS | FROM_DS, addresses=four, qos=0x0100),
        data(msdu, 8, FROM_DS, qos=0x0100),  # the same bit in an access point's field
        # A handshake and an identity on the air.
        data(snap(struct.pack("!BBH", 2, 3, 95) + key(0x008A), 0x888E), 8, FROM_DS, qos=6),
        data(snap(struct.pack("!BBH", 1, 0, 10) + eap_message(2, 1, b"\x01alice"), 0x888E)),
        with_fcs(data(msdu)), with_fcs(data(msdu, 8, qos=0)), data(msdu) + b"\1\2\3\4",
        (data(msdu), 40), (data(msdu), 24), (data(msdu, 8, qos=0), 25), (data(msdu), 17),
    ]


def radiotap(present, fields, frame, length=None):
    length = 4 + 4 * len(present) + len(fields) if length is None else length
    return struct.pack(f"<BBH{len(present)}I", 0, 0, length, *present) + fields + frame


@capture("radiotap.pcap", link=RADIOTAP)
def radiotap_headers():
    """Radiotap: flags found, FCS there, wrong or cut, padding, no frame, wrong lengths and version."""
    frame = data(snap(udp4(b"wireless")), 8, qos=0)
    padded = frame[:26] + b"\0\0" + frame[26:]
    tsft, flags, rate, more = 1, 2, 4, 1 << 31
    usual = tsft | flags | rate | 1 << 3 | 1 << 5 | 1 << 11

    def fields(bits):
        return struct.pack("<QBBHHbB", 0x1122334455667788, bits, 12, 2412, 0x00A0, -40, 0)

    checked = radiotap([usual], fields(0x10), with_fcs(frame))
    return [
        radiotap([usual], fields(0), frame), checked,
        radiotap([usual], fields(0x50), frame + b"\1\2\3\4"),
        radiotap([usual], fields(0x30), with_fcs(padded)),
        radiotap([usual], fields(0x20), data(snap(udp4(b"wireless")))),
        radiotap([usual | more, 1 << 5 | 1 << 11], b"\0" * 4 + fields(0x10) + b"\xd8\1",
                 with_fcs(frame)),
        radiotap([flags | more, more, 0], b"\x10", with_fcs(frame)),
        radiotap([rate], b"\x02", with_fcs(frame)), radiotap([rate], b"\x02", frame),
        radiotap([0], b"", frame), radiotap([0], b"vendor's own", frame),
        radiotap([flags | 1 << 26], b"\0\0", b""),
        radiotap([usual], fields(0x10), with_fcs(control(13, (MAC_A,)))),
        (checked, len(checked) - 2), (checked, len(checked) - 10), (checked, 30), (checked, 12),
        (checked, 3),
        radiotap([flags], b"", frame), radiotap([usual | more], b"", frame),
        radiotap([usual], fields(0), frame, 7), radiotap([usual], fields(0), frame, 0xFFFF),
        b"\1" + radiotap([usual], fields(0), frame)[1:],
    ]


@capture("ppi.pcap", link=PPI)
def ppi_headers():
    """PPI: with the 802.11 field and without, aligned fields, Ethernet inside, wrong lengths."""
    frame = data(snap(udp4(b"wireless")))

    def ppi(fields, packet, link=DOT11, flags=0, length=None):
        length = 8 + len(fields) if length is None else length
        return struct.pack("<BBHI", 0, flags, length, link) + fields + packet

    def common(flags):
        return struct.pack("<HHQHHHHBBbb", 2, 20, 77, flags, 12, 2412, 0xA0, 0, 0, -40, -90)

    odd = struct.pack("<HH5s", 6, 5, b"aaaaa")
    return [
        ppi(common(0), frame), ppi(common(1), with_fcs(frame)), ppi(b"", frame),
        ppi(b"", with_fcs(frame)), ppi(odd + common(1), with_fcs(frame)),
        ppi(odd + b"\0\0\0" + common(1), with_fcs(frame), flags=1),
        ppi(b"", bytes(eth(udp4(b"wired"))), ETHERNET), ppi(b"", frame, 147),
        (ppi(common(1), with_fcs(frame)), 30), (ppi(common(1), frame), 7),
        ppi(struct.pack("<HH", 2, 200), frame), ppi(b"", frame, length=7),
        ppi(b"", frame, length=2000),
    ]


@capture("prism.pcap", link=PRISM)
def prism_headers():
    """Prism headers in either byte order, AVS headers and bare frames in their place, cut."""
    frame = data(snap(udp4(b"wireless")))

    def value(did, number):
        return struct.pack("<IHHI", did, 0, 4, number)

    prism = struct.pack("<II16s", 0x44, 144, b"wlan0") + b"".join(
        value(n << 12 | 0x44, n) for n in range(1, 11))
    return [prism + frame, prism + with_fcs(frame), avs_header() + frame, frame,
            b"\0\0\0\x44" + prism[4:] + frame, (prism + frame, 150), (prism + frame, 100)]


def avs_header(version=1, length=64):
    return struct.pack("!IIQQIIIIIIiiII", 0x80211000 | version, length, 7, 8, 4, 6, 110, 1, 0, 1,
                       -40, -90, 0, 1)


@capture("avs.pcap", link=AVS)
def avs_headers():
    """AVS headers before 802.11: both versions, a wrong number, wrong lengths, cut."""
    frame = data(snap(udp4(b"wireless")))
    return [avs_header() + frame, avs_header() + with_fcs(frame),
            avs_header(2, 80) + bytes(16) + frame, avs_header(length=7) + frame,
            avs_header(length=4000) + frame, b"\0" + avs_header()[1:] + frame,
            (avs_header() + frame, 70), (avs_header() + frame, 40)]


# ------------------------------------------------------------- authentication

PAE = "01:80:c2:00:00:03"


def eapol(kind, body=b"", version=1, length=None, ethertype=0x888E):
    length = len(body) if length is None else length
    return eth(struct.pack("!BBH", version, kind, length) + body, ethertype, dst=PAE)


def eap_message(code, ident, body=b"", length=None):
    return struct.pack("!BBH", code, ident, 4 + len(body) if length is None else length) + body


@capture("eapol.pcap")
def eapol_frames():
    """EAPOL: every type, versions, padding, pre-authentication, lengths beyond and short, cut."""
    success = eap_message(3, 9)
    frame = eapol(0, success, 2)
    return [
        eapol(1).ljust(60, b"\0"), eapol(1, b"\x6f\x02aa", 3), eapol(2, version=2),
        eapol(4, b"alert"), eapol(5, b"\x01\x10\xf0\x2c" + bytes(40), 3), eapol(6, b"\x6f\x00", 3),
        eapol(9, b"?", 3), eapol(9, b"", 3),
        frame, frame.ljust(60, b"\0"), eapol(0, success, 2, ethertype=0x88C7),
        eapol(0, success, 9), eapol(0, success, 2, 400), eapol(0, success, 2, 3),
        eapol(0, b"", 2), eapol(3, b"", 2),
        (frame, 20), (frame, 17), (frame, 14),
    ]


@capture("eap.pcap")
def eap_messages():
    """EAP: every code, methods, expanded type, wrong lengths, padding, cut."""
    tls = eap_message(1, 4, b"\x0d\x20")
    return [eapol(0, body) for body in [
        eap_message(1, 1, b"\x01hello"), eap_message(2, 1, b"\x01alice@example.org"),
        eap_message(1, 2, b"\x02be quick"), eap_message(2, 2, b"\x02"),
        eap_message(1, 3, b"\x04\x10" + bytes(range(16))), eap_message(2, 3, b"\x03\x0d"), tls,
        eap_message(2, 4, b"\xfe\x00\x37\x2a\x00\x00\x00\x01\x10\x4a\x00\x0e"),
        eap_message(3, 5), eap_message(4, 255), eap_message(5, 6, b"\x01\x00"),
        eap_message(6, 6, b"\x02\x00\x00\x01"), eap_message(7, 7), eap_message(0, 0, b"\x01"),
        eap_message(3, 8, b"extra"), eap_message(3, 9) + b"\0" * 42,
        eap_message(1, 10, b"", 4), eap_message(1, 11, b"\x01", 3), eap_message(3, 12, b"", 0),
        eap_message(1, 13, b"\x0d\x20", 400), b"\x01\x0e\x00", b"",
    ]] + [(eapol(0, eap_message(2, 15, b"\x01alice")), n) for n in (25, 22, 20)]


def key(info, data_=b"", kind=2, mic=16, length=None, replay=1, key_length=16):
    length = len(data_) if length is None else length
    return (struct.pack("!BHHQ", kind, info, key_length, replay) + bytes(range(0x40, 0x60))
            + b"\x49" * 16 + struct.pack("!QQ", 0x0102030405060708, 0x1112131415161718)
            + b"\x4d" * mic + struct.pack("!H", length) + data_)


@capture("eapol_key.pcap")
def eapol_keys():
    """EAPOL-Key: WPA2, WPA, SMK, MICs of 0, 24 and 32 octets, RC4, unknown, lengths that lie, cut."""
    rsn = element(48, b"\x01\x00\x00\x0f\xac\x04\x01\x00\x00\x0f\xac\x04\x01\x00\x00\x0f\xac\x02\0\0")
    wpa = element(221, b"\x00\x50\xf2\x01\x01\x00\x00\x50\xf2\x02\x01\x00\x00\x50\xf2\x02\x01\x00"
                       b"\x00\x50\xf2\x02")
    secret = b"\xc3" * 24
    rc4 = struct.pack("!BHQ", 1, 13, 0xD000000000000001) + b"\x49" * 16
    third = key(0x13CA, secret, replay=2)
    frames = [eapol(3, body, 2) for body in [
        key(0x008A, element(221, b"\x00\x0f\xac\x04" + b"\x50" * 16)), key(0x010A, rsn), third,
        key(0x030A, replay=2), key(0x1382, secret, replay=3), key(0x0302, replay=3),
        key(0x0089, kind=254), key(0x0109, wpa, 254), key(0x01C9, wpa, 254),
        key(0x0391, secret, 254, key_length=32), key(0x0311, b"", 254),
        key(0x0F0A), key(0x2F8A, element(221, b"\x00\x0f\xac\x02" + b"\0" * 4)),
        key(0x1308, secret, mic=24), key(0x1388, secret, mic=32), key(0x1080, secret, mic=0),
        rc4 + b"\x83" + b"\x53" * 16, rc4 + b"\x01" + b"\x53" * 16 + b"\x4b" * 13,
        b"\x03" + bytes(50), key(0x13CA, secret, length=200), key(0x13CA, secret)[:60], b"\x02",
        rc4, key(0x13CA, secret, length=10),
    ]]
    third = eapol(3, third, 2)
    preauth = eapol(3, key(0x008A), 2, ethertype=0x88C7)
    return frames + [preauth, (third, 130), (third, 100)]
