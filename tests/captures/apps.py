"""Captures of applications: DHCPv6, SIP, SCTP, LCM and Modbus."""

import struct

from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.inet6 import IPv6
from scapy.packet import Raw

from build import *
from core import bootp, opt

# ---------------------------------------------------------------------- DHCPv6

CLIENT_ID = struct.pack("!HH", 3, 1) + mac(MAC_A)  # DUID-LL
SERVER_ID = struct.pack("!HHI", 1, 1, 0x2A000000) + mac(MAC_B)  # DUID-LLT


def opt6(code, data=b"", length=None):
    return struct.pack("!HH", code, len(data) if length is None else length) + data


def dhcp6(kind, xid, *options):
    return struct.pack("!I", kind << 24 | xid) + b"".join(options)


def relay6(kind, hops, link, peer, *options):
    return bytes([kind, hops]) + v6(link) + v6(peer) + b"".join(options)


def to_servers(data, port=547):
    return eth(ip6(src=LLA, dst="ff02::1:2", hlim=1) / UDP(sport=546, dport=port) / Raw(data),
               dst="33:33:00:01:00:02")


def to_client(data):
    return eth(ip6(src=LLB, dst=LLA) / UDP(sport=547, dport=546) / Raw(data),
               src=MAC_B, dst=MAC_A)


def relayed(data):
    return eth(ip6() / UDP(sport=547, dport=547) / Raw(data))


@capture("dhcpv6.pcap")
def dhcpv6():
    """DHCPv6: the four messages of a lease, prefixes, relay agents in each other, DHCPv4 inside, an unknown type, options broken and cut."""
    asks = opt6(6, struct.pack("!3H", 23, 24, 31))
    address = opt6(5, v6("2001:db8::1234") + struct.pack("!II", 3600, 7200)
                   + opt6(13, b"\0\0granted, \"yes\""))
    na = opt6(3, struct.pack("!III", 1, 1800, 2880) + address)
    pd = opt6(25, struct.pack("!III", 1, 1800, 2880)
              + opt6(26, struct.pack("!IIB", 3600, 7200, 56) + v6("2001:db8:0:ff00::")))
    servers = opt6(23, v6("2001:db8::53") + v6("2001:db8::54"))
    domain = opt6(24, name("example.com"))
    solicit = dhcp6(1, 0xA1B2C3, opt6(1, CLIENT_ID), asks, opt6(8, b"\0\0"),
                    opt6(3, struct.pack("!III", 1, 0, 0)), opt6(14))
    advertise = dhcp6(2, 0xA1B2C3, opt6(1, CLIENT_ID), opt6(2, SERVER_ID), na, servers, domain)
    inner = relay6(12, 0, "2001:db8::1", LLA, opt6(9, solicit), opt6(18, b"eth0"))
    four = bootp(1, 0x3903F326, opt(53, b"\x01") + b"\xff")
    return [
        to_servers(solicit),
        to_client(advertise),
        to_servers(dhcp6(3, 0x000001, opt6(1, CLIENT_ID), opt6(2, SERVER_ID), na, asks,
                         opt6(8, b"\xff\xff"))),
        to_client(dhcp6(7, 0x000001, opt6(1, CLIENT_ID), opt6(2, SERVER_ID), na, pd, servers,
                        domain)),
        to_servers(dhcp6(11, 0xFFFFFF)),                      # no options
        to_client(dhcp6(10, 0, opt6(2, SERVER_ID), opt6(19, b"\x05"))),  # reconfigure
        relayed(inner),
        relayed(relay6(12, 1, "::", "2001:db8::2", opt6(9, inner))),  # twice
        relayed(relay6(13, 0, "2001:db8::1", LLA, opt6(18, b"eth0"), opt6(9, advertise))),
        to_servers(dhcp6(20, 0x800000, opt6(87, four))),      # DHCPv4 over DHCPv6
        to_servers(dhcp6(255, 0x123456, opt6(65535, b"\xff"))),
        to_servers(dhcp6(1, 0x00BAD1, opt6(1, CLIENT_ID), opt6(6, b"\0\x17", length=200))),
        to_servers(dhcp6(1, 0x00BAD2, opt6(1, CLIENT_ID), b"\0\x06\0")),  # half a length
        relayed(inner[:30]),                                  # ends in the peer's address
        to_servers(b"\x01\xa1"),
        (to_servers(solicit), 90),                            # cut among the options
        (relayed(inner), 80),                                 # cut in the header
    ]


# ------------------------------------------------------------------------- SIP

def sip_frame(data, back=False):
    ends = dict(src=B4, dst=A4) if back else {}
    ports = (5060, 5060) if back else (5062, 5060)
    return eth(ip4(**ends) / UDP(sport=ports[0], dport=ports[1]) / Raw(data))


def sip_message(start, *headers, body=b"", end=b"\r\n"):
    return end.join([start, *headers, b"", b""]) + body


@capture("sip.pcap")
def sip():
    """SIP: a call, every method, short and folded headers, repeated ones, bad lengths and lines, other versions, no SIP, cut."""
    via = b"Via: SIP/2.0/UDP a.example.com:5062;branch=z9hG4bK776asdhds"
    common = [via, b"Max-Forwards: 70", b"To: Bob <sip:bob@example.com>",
              b"From: Alice <sip:alice@example.com>;tag=1928301774",
              b"Call-ID: a84b4c76e66710@a.example.com"]
    sdp = b"v=0\r\no=- 1 1 IN IP4 192.0.2.10\r\ns=-\r\nc=IN IP4 192.0.2.10\r\nt=0 0\r\n"
    invite = sip_message(b"INVITE sip:bob@example.com SIP/2.0", *common, b"CSeq: 314159 INVITE",
                         b"Contact: <sip:alice@192.0.2.10:5062>", b"Content-Type: application/sdp",
                         b"Content-Length: %d" % len(sdp), body=sdp)

    def request(method, *more, version=b"SIP/2.0", **kw):
        return sip_message(method + b" sip:bob@example.com " + version, *common,
                           b"CSeq: 1 " + method, *more, **kw)

    def answer(status, *more, cseq=b"CSeq: 314159 INVITE", **kw):
        return sip_message(b"SIP/2.0 " + status, *common, cseq, *more, **kw)

    out = [
        sip_frame(invite),
        sip_frame(answer(b"100 Trying"), back=True),
        sip_frame(answer(b"180 Ringing, \"a while\""), back=True),
        sip_frame(answer(b"200 OK", b"Content-Length: 0"), back=True),
    ]
    out += [sip_frame(request(m, b"Content-Length: 0")) for m in (
        b"ACK", b"BYE", b"CANCEL", b"OPTIONS", b"REGISTER", b"PRACK", b"SUBSCRIBE", b"NOTIFY",
        b"PUBLISH", b"INFO", b"REFER", b"MESSAGE", b"UPDATE", b"PING", b"NEWMETHOD")]
    out += [sip_frame(d) for d in (
        # Short names, folded lines, white space, repeated names.
        sip_message(b"OPTIONS sip:bob@example.com SIP/2.0", b"v: SIP/2.0/UDP a.example.com",
                    b"V: SIP/2.0/UDP b.example.com, SIP/2.0/UDP c.example.com",
                    b"f:Alice <sip:alice@example.com>;tag=1", b"t  :  <sip:bob@example.com>  ",
                    b"i: short@a.example.com", b"CSeq:   7\r\n   OPTIONS",
                    b"s: caf\xc3\xa9\r\n\t\"folded\", twice\r\n  (yes)", b"Route: <sip:p1>",
                    b"k: 100rel", b"Route: <sip:p2>", b"Empty:", b"l: 2", body=b"ok"),
        request(b"OPTIONS", end=b"\n"),                       # lines end with LF
        request(b"OPTIONS", b"Content-Length: 2", body=b"more than it says"),
        request(b"OPTIONS", b"Content-Length: 99", body=b"less"),
        request(b"OPTIONS", b"Content-Length: -1"),
        request(b"OPTIONS", b"no colon here", b": no name", b"Last: 1"),
        request(b"OPTIONS")[:-2],                             # no empty line
        request(b"OPTIONS")[:-9],                             # ends within a line
        request(b"OPTIONS", version=b"SIP/1.0"),
        request(b"OPTIONS", version=b"SIP/7.0"),
        request(b"OPTIONS", version=b"sip/2.0"),
        sip_message(b"SIP/2.0 200 ", b"CSeq: 9 SUBSCRIBE"),   # no reason phrase
        sip_message(b"SIP/2.0 4294967301 better not", b"CSeq: 9 INVITE"),
        b"\r\n\r\n",                                          # keep-alive
        b"\0\0\0\0",
        b"GET / HTTP/1.1\r\nHost: example.com\r\n\r\n",
        b"INVITE sip:bob@example.com",
    )]
    out += [(sip_frame(invite), 60), (sip_frame(invite), 180), (sip_frame(invite), 460)]
    return out


# ------------------------------------------------------------------------ SCTP

def chunk(kind, flags, value=b"", length=None):
    head = struct.pack("!BBH", kind, flags, 4 + len(value) if length is None else length)
    return pad4(head + value)


def sctp_packet(*chunks, sport=36412, dport=2905, tag=0xDEADBEEF, checksum=0x89ABCDEF):
    return struct.pack("!HHII", sport, dport, tag, checksum) + b"".join(chunks)


def data_chunk(tsn, data, stream=1, seq=0, ppid=0):
    return chunk(0, 3, struct.pack("!IHHI", tsn, stream, seq, ppid) + data)


@capture("sctp.pcap")
def sctp():
    """SCTP: the handshake, data in several chunks, padding, SACK, heartbeat, shutdown, in UDP, bad chunk lengths, cut."""
    def four(data):
        return eth(ip4(proto=132) / Raw(data))

    def in_udp(data):
        return eth(ip4() / UDP(sport=9899, dport=9899) / Raw(data))

    init = struct.pack("!IIHHI", 0x01020304, 131072, 10, 65535, 100)
    hello = sctp_packet(data_chunk(100, b"hello"), data_chunk(101, b"four"))
    return [
        four(sctp_packet(chunk(1, 0, init + struct.pack("!HH4s", 5, 8, v4(A4))), tag=0)),
        four(sctp_packet(chunk(2, 0, init + struct.pack("!HH", 7, 12) + b"cookie!!"))),
        four(sctp_packet(chunk(10, 0, b"cookie!!"), data_chunk(99, b"early"))),
        four(sctp_packet(chunk(11, 0))),
        four(hello),
        four(sctp_packet(chunk(3, 0, struct.pack("!IIHHHH", 101, 131072, 1, 0, 2, 3)))),
        eth(ip6(nh=132) / Raw(sctp_packet(chunk(4, 0, struct.pack("!HH", 1, 9) + b"beat!"),
                                          sport=1, dport=65535))),
        four(sctp_packet(chunk(64, 3, struct.pack("!IHHII", 7, 1, 0, 2, 0) + b"interleaved"))),
        four(sctp_packet(chunk(0xBF, 0xFF, b"unknown"), chunk(14, 1), tag=0xFFFFFFFF)),
        four(sctp_packet(data_chunk(102, b"no padding"))[:-2]),
        four(sctp_packet()),                                  # no chunks
        in_udp(hello),
        in_udp(b"\0\0\0\0 something else on this port"),
        four(sctp_packet(chunk(11, 0), chunk(11, 0, length=3))),
        four(sctp_packet(chunk(11, 0, length=0))),
        four(sctp_packet(chunk(0, 3, bytes(12), length=15))),  # less than its header
        four(sctp_packet(chunk(10, 0, b"short", length=400))),
        four(sctp_packet(chunk(11, 0), b"\x0b\0\0")),         # half a chunk's header
        four(hello[:11]),
        (four(sctp_packet(data_chunk(103, b"x" * 40))), 70),  # cut in user data
        (four(sctp_packet(chunk(10, 0, b"c" * 40))), 70),     # cut in a cookie
        (four(hello), 40),                                    # cut in the header
    ]


# ------------------------------------------------------------------------- LCM

def lcm_frame(data):
    return eth(ip4(dst="239.255.76.67", ttl=1) / UDP(sport=40000, dport=7667) / Raw(data),
               dst="01:00:5e:7f:4c:43")


@capture("lcm.pcap")
def lcm():
    """LCM: messages of one datagram, fragments, sequence numbers and names at their limits, what does not fit, another magic, cut."""
    def short(seq, channel, data=b"payload"):
        return b"LC02" + struct.pack("!I", seq) + channel + b"\0" + data

    def piece(number, of, offset, data, channel=None, seq=0xFFFFFFFF, size=3000):
        head = b"LC03" + struct.pack("!IIIHH", seq, size, offset, number, of)
        return head + (b"" if channel is None else channel + b"\0") + data

    return [lcm_frame(d) for d in (
        short(0, b"POSE"),
        short(1, b"EMPTY", b""),
        short(0x80000000, b""),                               # an empty name
        short(2, b"a, \"b\" \xc3\xa9"),
        short(3, b"n" * 63),
        short(4, b"n" * 64),                                  # too long
        piece(0, 3, 0, b"a" * 1000, b"IMAGE"),
        piece(1, 3, 1000, b"b" * 1000),
        piece(2, 3, 2000, b"c" * 1000),
        piece(0, 65535, 0, b"x", b"HUGE", size=0xFFFFFFFF),
        piece(3, 3, 2000, b"d"),                              # number beyond the total
        piece(1, 2, 2999, b"de"),                             # beyond the message
        b"LC02\0\0\0\x05no end",
        b"LC03\0\0\0\x05\0\0",
        b"LC01\0\0\0\x05OLD\0",
        b"LC",
    )] + [(lcm_frame(short(6, b"CUT", b"x" * 40)), 60), (lcm_frame(short(7, b"CUTNAME")), 55)]


# ---------------------------------------------------------------------- Modbus

def adu(transaction, unit, pdu, length=None, protocol=0):
    length = 1 + len(pdu) if length is None else length
    return struct.pack("!HHHB", transaction, protocol, length, unit) + pdu


@capture("modbus_tcp.pcap")
def modbus_tcp():
    """Modbus: request, response, exception, several in a segment, one over two segments, longest, in UDP, other octets, cut."""
    ports = iter(range(40000, 41000))  # each segment is the first of its connection

    def ask(data, **kw):
        return eth(ip4() / tcp("PA", **{"sport": next(ports), "dport": 502, **kw}) / Raw(data))

    def reply(data, **kw):
        return eth(ip4(src=B4, dst=A4)
                   / tcp("PA", **{"sport": 502, "dport": next(ports), **kw}) / Raw(data),
                   src=MAC_B, dst=MAC_A)

    read = adu(1, 17, struct.pack("!BHH", 3, 107, 3))
    values = adu(1, 17, struct.pack("!BB3H", 3, 6, 0x022B, 0, 0x0064))
    longest = adu(0xFFFF, 255, b"\x03\xfa" + bytes(range(250)) + b"\0")
    return [
        ask(read),
        reply(values),
        ask(adu(2, 0, struct.pack("!BHH", 5, 172, 0xFF00)) + read + adu(3, 1, b"\x07")),
        reply(adu(2, 0, b"\x85\x02")),                        # exception
        reply(longest),
        reply(values[:9], dport=40999),                       # continues in the next segment
        reply(values[9:], dport=40999, seq=1009),
        ask(read + values[:5]),
        ask(adu(4, 1, b"\x03", length=1)),                    # no function code counted
        ask(adu(4, 1, bytes(300), length=255)),
        ask(adu(4, 1, b"\x03\0\0\0\x01", protocol=1)),
        ask(read + b"GET / HTTP/1.1\r\n\r\n"),
        ask(b"\0"),
        eth(ip4() / UDP(sport=40000, dport=502) / Raw(read)),
        eth(ip4() / UDP(sport=40000, dport=502) / Raw(read[:10])),
        (reply(values), 65),                                  # cut in the payload
        (reply(values), 60),                                  # cut in the header
    ]


@capture("octets.pcap")
def octets():
    """Strings whose octets are not UTF-8: SIP headers and reason, LCM channel."""
    return [
        sip_frame(sip_message(b"SIP/2.0 200 caf\xe9", b"Subject: \xff\xfe\0 \x80",
                              b"CSeq: 1 INVITE")),
        lcm_frame(b"LC02" + struct.pack("!I", 1) + b"caf\xe9 \xff\0data"),
    ]
