"""Frames, captures and records, read and written without any code of the programs under test."""

import socket
import struct
from collections import namedtuple

TCP, UDP = 6, 17

Record = namedtuple("Record", "time source destination source_port destination_port length flow protocol")


def records(octets):
    """The records of a collector's octets."""
    whole = len(octets) // 28 * 28
    found = []
    for seconds, micros, source, destination, *rest in struct.iter_unpack(">IIIIHHHIBB", octets[:whole]):
        sport, dport, length, flow, protocol, _ = rest
        found.append(Record(seconds * 10**6 + micros, source, destination, sport, dport, length, flow,
                            protocol))
    return found


def line(record):
    """As the log has it."""
    source, destination = (socket.inet_ntoa(struct.pack(">I", end)) for end in record[1:3])
    return (f"{record.time // 10**6}.{record.time % 10**6:06}:{source}:{record.source_port}:"
            f"{destination}:{record.destination_port}:{record.length}:{record.flow}:{record.protocol}")


def capture(octets):
    """Times in microseconds and octets of the frames of a pcap file."""
    order = "<" if octets[:4] in (b"\xd4\xc3\xb2\xa1", b"\x4d\x3c\xb2\xa1") else ">"
    nanos = octets[:4] in (b"\x4d\x3c\xb2\xa1", b"\xa1\xb2\x3c\x4d")
    at = 24
    while at + 16 <= len(octets):
        seconds, fraction, captured, _ = struct.unpack_from(order + "IIII", octets, at)
        yield seconds * 10**6 + fraction // (1000 if nanos else 1), octets[at + 16:at + 16 + captured]
        at += 16 + captured


def expected(octets):
    """What an agent should record of a capture: of TCP and UDP over IPv4, but for later fragments."""
    found = []
    for time, frame in capture(octets):
        if len(frame) < 34 or frame[12:14] != b"\x08\x00" or frame[14] >> 4 != 4:
            continue
        header = 4 * (frame[14] & 15)
        length, _, fragment = struct.unpack_from(">HHH", frame, 16)
        protocol = frame[23]
        if header < 20 or fragment & 0x1FFF or protocol not in (TCP, UDP):
            continue
        segment = frame[14 + header:]
        source, destination = struct.unpack_from(">II", frame, 26)
        sport, dport = struct.unpack_from(">HH", segment)
        found.append(Record(time, source, destination, sport, dport, length,
                            flow(segment, frame[30:34]) if protocol == UDP else 0, protocol))
    return found


def flow(segment, destination):
    """The flow of a datagram of MGEN: its message begins with octets, version, flags, flow; and repeats
    where it goes."""
    message = segment[8:]
    if len(message) < 28 or message[20:22] != segment[2:4] or message[22:28] != b"\x01\x04" + destination:
        return 0
    return struct.unpack_from(">I", message, 4)[0]


def ethernet(destination, source, kind=0x0800):
    """The header of Ethernet between two MACs as text."""
    macs = (bytes.fromhex(mac.replace(":", "")) for mac in (destination, source))
    return b"".join(macs) + struct.pack(">H", kind)


def ipv4(source, destination, protocol, payload, identification=0, fragment=0, head=0x45):
    header = struct.pack(">BBHHHBBH4s4s", head, 0, 20 + len(payload), identification, fragment, 64,
                         protocol, 0, socket.inet_aton(source), socket.inet_aton(destination))
    return header + payload


def udp(sport, dport, payload=b""):
    return struct.pack(">HHHH", sport, dport, 8 + len(payload), 0) + payload


def tcp(sport, dport, payload=b""):
    return struct.pack(">HHIIBBHHH", sport, dport, 1, 0, 5 << 4, 16, 1024, 0, 0) + payload
