"""Captures of TCP streams: TLS, HTTP, DNS, SIP and Modbus on them, what befalls their segments,
and flows."""

import struct

from scapy.layers.inet import ICMP, IP, UDP
from scapy.layers.l2 import ARP
from scapy.packet import Raw

from apps import adu, sip_message
from build import *


class Talk:
    """A TCP connection whose frames go to a list; numbers count what was sent, unless told."""

    def __init__(self, out, sport, dport, v6=False, client=1000, server=5000):
        self.out, self.ports, self.v6 = out, (sport, dport), v6
        self.next = [client, server]

    def send(self, side, flags="PA", data=b"", seq=None, ack=None, lost=False, cut=None):
        """A segment of the client (0) or the server (1). lost: the capture lacks it."""
        start = self.next[side] if seq is None else seq
        ends = [(A6, B6), (B6, A6)] if self.v6 else [(A4, B4), (B4, A4)]
        src, dst = ends[side]
        sport, dport = self.ports[::1 - 2 * side]
        ack = self.next[1 - side] if ack is None and "A" in flags else ack or 0
        segment = tcp(flags, sport=sport, dport=dport, seq=start % 2**32, ack=ack % 2**32)
        ip = ip6(src=src, dst=dst) if self.v6 else ip4(src=src, dst=dst)
        macs = {"src": MAC_B, "dst": MAC_A} if side else {}
        frame = eth(ip / segment / Raw(data), **macs)
        if seq is None:
            self.next[side] += len(data) + ("S" in flags) + ("F" in flags)
        if not lost:
            self.out.append((frame, cut) if cut else frame)

    def open(self):
        self.send(0, "S")
        self.send(1, "SA")
        self.send(0, "A")
        return self

    def client(self, *pieces, **kw):
        for data in pieces:
            self.send(0, data=data, **kw)
        return self

    def server(self, *pieces, **kw):
        for data in pieces:
            self.send(1, data=data, **kw)
        return self

    def close(self):
        self.send(0, "FA")
        self.send(1, "FA")
        self.send(0, "A")


def talks(first_port):
    """A list for frames, and what opens the next connection to a port."""
    out, ports = [], iter(range(first_port, first_port + 1000))
    return out, lambda port, **kw: Talk(out, next(ports), port, **kw).open()


def halves(data, at):
    return data[:at], data[at:]


# ------------------------------------------------------------------------- TLS

def vec(size, *parts, length=None):
    """A vector with its length before it, in so many octets."""
    data = b"".join(parts)
    return (len(data) if length is None else length).to_bytes(size, "big") + data


def numbers(*values):
    return struct.pack(f"!{len(values)}H", *values)


def extension(kind, data=b"", length=None):
    return struct.pack("!H", kind) + vec(2, data, length=length)


def tls_record(content, kind=22, version=0x0301):
    return struct.pack("!BH", kind, version) + vec(2, content)


def handshake(kind, *parts):
    return bytes([kind]) + vec(3, *parts)


def server_name(host):
    return extension(0, vec(2, b"\0" + vec(2, host)))


def alpn(*names):
    return extension(16, vec(2, *(vec(1, n) for n in names)))


def client_hello(extensions=None, suites=(0xC02F, 0xC030, 0x009C, 0x002F), version=0x0303,
                 session=b"", methods=b"\0", random=bytes(range(32))):
    parts = [struct.pack("!H", version), random, vec(1, session), vec(2, numbers(*suites)),
             vec(1, methods)]
    if extensions is not None:
        parts.append(vec(2, *extensions))
    return handshake(1, *parts)


def server_hello(extensions=None, suite=0xC02F, version=0x0303, session=b"",
                 random=bytes(range(64, 96))):
    parts = [struct.pack("!H", version), random, vec(1, session), numbers(suite), b"\0"]
    if extensions is not None:
        parts.append(vec(2, *extensions))
    return handshake(2, *parts)


RETRY = bytes.fromhex("cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c")
CHANGE = tls_record(b"\x01", 20, 0x0303)
ENCRYPTED = tls_record(bytes(range(40)), 23, 0x0303)


def key_share(group, data):
    return numbers(group) + vec(2, data)


def hello12(host=b"www.example.com"):
    return client_hello([
        server_name(host), extension(23), extension(0xFF01, b"\0"),
        extension(10, vec(2, numbers(29, 23, 24))), extension(11, vec(1, b"\0")), extension(35),
        alpn(b"h2", b"http/1.1"), extension(5, b"\x01\0\0\0\0"),
        extension(13, vec(2, numbers(0x0403, 0x0804, 0x0401)))])


def hello13(host=b"grease.example.com", shares=(key_share(0x2A2A, b"\0"),
                                                key_share(29, bytes(range(32))))):
    """With reserved values everywhere (RFC 8701)."""
    return client_hello([
        extension(0x8A8A), server_name(host), extension(10, vec(2, numbers(0x2A2A, 29, 23))),
        extension(11, vec(1, b"\0")), alpn(b"\x9a\x9a", b"h2"),
        extension(13, vec(2, numbers(0x0403, 0x0804))), extension(51, vec(2, *shares)),
        extension(45, vec(1, b"\x01")), extension(43, vec(1, numbers(0x5A5A, 0x0304, 0x0303))),
        extension(0xBABA, b"\0")],
        suites=(0x6A6A, 0x1301, 0x1302, 0xC02F), session=bytes(range(100, 132)))


ANSWER12 = server_hello([extension(0xFF01, b"\0"), alpn(b"h2")], session=bytes(range(200, 232)))
ANSWER13 = server_hello([extension(43, numbers(0x0304)),
                         extension(51, key_share(29, bytes(range(32, 64))))],
                        suite=0x1301, session=bytes(range(100, 132)))


@capture("tls.pcap")
def tls():
    """TLS: 1.2 and 1.3 with GREASE, hellos over segments and records, without extensions, a second one on request, after STARTTLS, over IPv6, without an answer, cut off, lengths that lie."""
    out, talk = talks(41000)
    t = talk(443).client(tls_record(hello12()))
    t.server(tls_record(ANSWER12 + handshake(14), version=0x0303))
    t.client(tls_record(handshake(16, bytes(66)), version=0x0303) + CHANGE + ENCRYPTED)
    t.server(CHANGE + ENCRYPTED)
    t.close()
    t = talk(443).client(tls_record(hello13()))
    t.server(tls_record(ANSWER13, version=0x0303) + CHANGE + ENCRYPTED)
    t.client(CHANGE + ENCRYPTED).close()

    # Over two segments, with a key as long as that of ML-KEM; answered over two segments.
    long = tls_record(hello13(b"segments.example.com", [key_share(4588, bytes(1216))]))
    answer = tls_record(ANSWER13, version=0x0303)
    talk(8443).client(*halves(long, 700)).server(*halves(answer, 3)).close()
    # Over two records in three segments; answered in records of 50 octets.
    first, second = halves(hello12(b"records.example.com"), 77)
    both = tls_record(first) + tls_record(second)
    pieces = [ANSWER12[i:i + 50] for i in range(0, len(ANSWER12), 50)]
    talk(443).client(both[:60], both[60:85], both[85:]).server(
        b"".join(tls_record(p, version=0x0303) for p in pieces)).close()
    # Without extensions: TLS 1.0 with compression, and SSL 3.0.
    old = client_hello(version=0x0301, suites=(4, 5, 10, 9, 255), methods=b"\x01\0")
    talk(443).client(tls_record(old)).server(
        tls_record(server_hello(version=0x0301, suite=10))).close()
    talk(443).client(tls_record(client_hello(version=0x0300, suites=(10,)), version=0x0300)).server(
        tls_record(server_hello(version=0x0300, suite=10), version=0x0300)).close()
    # A HelloRetryRequest, and the second hello.
    retry = server_hello([extension(43, numbers(0x0304)), extension(51, numbers(23))],
                         suite=0x1302, session=bytes(range(100, 132)), random=RETRY)
    again = hello13(b"again.example.com", [key_share(23, b"\x04" + bytes(64))])
    t = talk(443).client(tls_record(hello13(b"again.example.com")))
    t.server(tls_record(retry, version=0x0303) + CHANGE)
    t.client(CHANGE + tls_record(again, version=0x0303))
    t.server(tls_record(server_hello([extension(51, key_share(23, b"\x04" + bytes(64))),
                                      extension(43, numbers(0x0304))], suite=0x1302,
                                     session=bytes(range(100, 132))), version=0x0303)).close()
    # Mail that turns to TLS.
    t = talk(25).server(b"220 mail.example.com ESMTP\r\n").client(b"EHLO a.example.com\r\n")
    t.server(b"250-mail.example.com\r\n250 STARTTLS\r\n").client(b"STARTTLS\r\n")
    t.server(b"220 go ahead\r\n").client(tls_record(hello12(b"mail.example.com")))
    t.server(tls_record(ANSWER12, version=0x0303)).close()
    talk(443, v6=True).client(tls_record(hello13(b"six.example.com"))).server(answer).close()

    # No answer: none at all, an alert, the client goes on.
    talk(443).client(tls_record(hello12(b"silent.example.com")))
    talk(443).client(tls_record(hello12(b"alert.example.com"))).server(
        tls_record(b"\x02\x28", 21)).close()
    talk(443).client(tls_record(hello12(b"onward.example.com")),
                     tls_record(handshake(16, bytes(66)), version=0x0303)).close()
    # The capture lacks the end of a hello; the connection is closed within one.
    t = talk(443)
    first, second = halves(tls_record(hello12(b"gap.example.com")), 90)
    t.client(first).client(second[:50], lost=True).client(second[50:]).close()
    talk(443).client(tls_record(hello12(b"closed.example.com"))[:120]).close()
    # Sent twice, then answered.
    t = talk(443)
    again = tls_record(hello12(b"twice.example.com"))
    t.client(again).client(again, seq=1001).server(tls_record(ANSWER12)).close()
    # The end that was called is the client of TLS; the capture begins later.
    t = Talk(out, 443, 51000)
    t.client(tls_record(hello12(b"reversed.example.com"))).server(tls_record(ANSWER12)).close()

    # Lengths that contradict each other.
    good = hello12(b"lies.example.com")
    suites = good.index(numbers(0xC02F, 0xC030)) - 2
    for at, new in [(38, b"\xff"),                            # a session beyond the hello
                    (suites, b"\0\x07"),                      # three suites and a half
                    (suites, b"\xff\xff"),
                    (suites + 12, b"\0\xff"),                 # extensions beyond the hello
                    (suites + 12, b"\0\x10"),                 # extensions end in the first one
                    (good.index(b"\0\x10lies"), b"\xff\xff"),  # a name beyond its extension
                    (good.index(b"\x02h2"), b"\xc8")]:
        bad = good[:at] + new + good[at + len(new):]
        talk(443).client(tls_record(bad)).server(tls_record(ANSWER12)).close()
    bad = ANSWER12[:-3] + b"\x09h2"                           # the server's lies
    talk(443).client(tls_record(hello12(b"lied.example.com"))).server(tls_record(bad)).close()
    return out


# ------------------------------------------------------------------------ HTTP

def http_message(start, *fields, body=b"", end=b"\r\n"):
    return end.join([start, *fields, b"", b""]) + body


HOST = b"Host: www.example.com"


def get(target=b"/", *fields, method=b"GET", host=HOST):
    return http_message(method + b" " + target + b" HTTP/1.1", host, *fields)


def ok(body=b"", *fields, status=b"200 OK"):
    return http_message(b"HTTP/1.1 " + status, *fields, b"Content-Length: %d" % len(body),
                        body=body)


@capture("http.pcap")
def http():
    """HTTP: methods, keep-alive, pipelining, chunks with trailers, 1xx, 204, 304, cookies, lost segments, one side only, CONNECT and TLS, odd port, IPv6, what is malformed."""
    out, talk = talks(42000)
    # One connection, many requests.
    t = talk(80)
    t.client(get(b"/index.html?q=1&r=a%20b", b"User-Agent: Browser/1.0 (X11; Linux)",
                 b"Referer: http://example.org/from", b"Cookie: a=1; session=\"x y\";b",
                 b"Cookie: c=3"))
    t.server(ok(b"<p>hello</p>", b"Content-Type: text/html; charset=utf-8", b"Server: Test/2"))
    body = b"name=value&more=1"
    t.client(http_message(b"POST /form HTTP/1.1", HOST, b"Content-Length: 17", body=body))
    t.server(http_message(b"HTTP/1.1 204 No Content", b"Server: Test/2"))
    t.client(get(b"/", method=b"HEAD"))
    t.server(http_message(b"HTTP/1.1 200 OK", b"Content-Length: 12", b"Content-Type: text/html"))
    t.client(get(b"/index.html", b"If-None-Match: \"1\""))
    t.server(http_message(b"HTTP/1.1 304 Not Modified", b"Content-Length: 12"))
    t.client(get(b"/none")).server(ok(b"no", status=b"404 Not, \"Found\"")).close()
    # Requests together, answers over segments that end anywhere.
    t = talk(80).client(get(b"/1") + get(b"/2") + get(b"/3"))
    answers = ok(b"one", b"X: 1") + ok(b"", status=b"500 Oops") + ok(b"three")
    t.server(answers[:10], answers[10:60], answers[60:]).close()
    # The client is done before it is answered.
    t = talk(80).client(get(b"/half/1"))
    t.client(get(b"/half/2"))
    t.send(0, "FA")
    t.server(ok(b"1"))
    t.server(ok(b"2", status=b"202 Accepted"))
    t.send(1, "FA")
    # Chunks both ways, with extensions and a trailer.
    chunks = b"5;a=\"b\"\r\nhello\r\n00A\r\n, chunked!\r\n0\r\nX-Sum: 1\r\n\r\n"
    t = talk(80).client(http_message(b"PUT /chunked HTTP/1.1", HOST, b"Expect: 100-continue",
                                     b"Transfer-Encoding: chunked"))
    t.server(b"HTTP/1.1 100 Continue\r\n\r\n").client(chunks[:12], chunks[12:])
    t.server(http_message(b"HTTP/1.1 201 Created", b"transfer-encoding: gzip, Chunked",
                          b"Location: /chunked"), *halves(chunks, 20))
    t.client(get(b"/next")).server(ok(b"next")).close()
    # To the end of the connection, and version 1.0.
    t = talk(80).client(http_message(b"GET /old HTTP/1.0"))
    t.server(http_message(b"HTTP/1.0 200 OK", b"Content-Type: text/plain", body=b"until ")
             + b"the end", b"HTTP/1.1 200 is text here\r\n\r\n").close()
    # An odd port, IPv6, absolute target, LF alone, folded field, white space before a colon.
    t = talk(8081, v6=True)
    t.client(http_message(b"GET http://user@proxy.example.com:81/abs HTTP/1.1", b"User-Agent : a",
                          b"\tfolded one", end=b"\n")).server(ok(b"six")).close()
    # Lost: within a body of known length, within a header section, between messages.
    t = talk(80).client(get(b"/lost/body"))
    first, second = halves(ok(b"x" * 300), 100)
    t.server(first).server(second[:100], lost=True).server(second[100:])
    t.client(get(b"/after")).server(ok(b"after")).close()
    t = talk(80)
    first, second = halves(get(b"/lost/header", b"User-Agent: seen", b"Referer: not seen"), 75)
    t.client(first).client(second, lost=True).server(ok(b"1"))
    t.client(get(b"/found")).server(ok(b"found")).close()
    t = talk(80).client(get(b"/lost/request")).client(get(b"/unseen"), lost=True)
    t.server(ok(b"1"), ok(b"2", status=b"203 Second")).close()
    # A request without a response, a response without a request, from the middle.
    talk(80).client(get(b"/unanswered")).close()
    Talk(out, 42900, 80).server(ok(b"alone", b"Content-Type: text/plain")).close()
    Talk(out, 42901, 80).client(b"rest of a body\r\n").client(get(b"/middle")).server(
        ok(b"middle"))
    # A tunnel with TLS in it, refused and made.
    t = talk(3128)
    t.client(http_message(b"CONNECT secure.example.com:443 HTTP/1.1",
                          b"Host: secure.example.com:443"))
    t.server(ok(b"who?", b"Proxy-Authenticate: Basic", status=b"407 Proxy Auth Required"))
    t.client(http_message(b"CONNECT secure.example.com:443 HTTP/1.1",
                          b"Host: secure.example.com:443"))
    t.server(http_message(b"HTTP/1.1 200 Connection established"))
    t.client(tls_record(hello12(b"secure.example.com")))
    t.server(tls_record(ANSWER12, version=0x0303)).close()
    t = talk(80).client(get(b"/chat", b"Upgrade: websocket", b"Connection: Upgrade"))
    t.server(http_message(b"HTTP/1.1 101 Switching Protocols", b"Upgrade: websocket"))
    t.server(b"\x81\x05hello").close()
    # Malformed: two lengths, a length that is none, a line that is no field, no chunk, no message.
    t = talk(80).client(http_message(b"POST /two HTTP/1.1", HOST, b"Content-Length: 1",
                                     b"Content-Length: 2", body=b"ab")).server(ok(b"")).close()
    t = talk(80).client(http_message(b"POST /both HTTP/1.1", HOST, b"Content-Length: 3",
                                     b"Transfer-Encoding: chunked", body=b"0\r\n\r\n"))
    t.client(get(b"/smuggled")).server(ok(b"1"), ok(b"2")).close()
    t = talk(80).client(get(b"/field", b"no colon here"))
    t.server(http_message(b"HTTP/1.1 200 OK", b"Content-Length: twelve", body=b"?")).close()
    t = talk(80).client(get(b"/chunk"))
    t.server(http_message(b"HTTP/1.1 200 OK", b"Transfer-Encoding: chunked", body=b"xyz\r\n"))
    t.client(get(b"/next")).server(ok(b"found again")).close()
    t = talk(80).client(get(b"/good")).server(ok(b"good")).client(b"\x16\x03 garbage\r\n\r\n")
    t.client(get(b"/again")).server(ok(b"again")).close()
    talk(80).client(http_message(b"GET /v HTTP/1.11", HOST)).server(ok(b"")).close()
    talk(80).client(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(9)).close()
    talk(554).client(http_message(b"DESCRIBE rtsp://www.example.com/ RTSP/1.0", b"CSeq: 1")).close()
    return out


# -------------------------------------------- DNS, SIP and Modbus over segments

@capture("dns_tcp.pcap")
def dns_tcp():
    """DNS over TCP: messages split, several in a segment, answers over three segments, a lost one, other octets, other port, IPv6."""
    out, talk = talks(43000)

    def asked(number, host, kind=1):
        return vec(2, dns(number, QUERY, [question(name(host), kind)]))

    def answered(number, host, count=1):
        records = [rr(ptr(12), 1, v4(f"203.0.113.{i}")) for i in range(count)]
        return vec(2, dns(number, ANSWER, [question(name(host))], records))

    talk(53).client(asked(1, "one.example.com")).server(answered(1, "one.example.com")).close()
    # The length in a segment of its own, as old resolvers send it; then every octet alone.
    t = talk(53).client(*halves(asked(2, "two.example.com"), 2))
    answer = answered(2, "two.example.com")
    t.server(*(answer[i:i + 1] for i in range(15)), answer[15:]).close()
    # Several in one segment, answered out of order (RFC 7766 section 6.2.1.1).
    t = talk(53).client(asked(3, "a.example.com") + asked(4, "b.example.com")
                        + asked(5, "c.example.com")[:9])
    t.client(asked(5, "c.example.com")[9:])
    t.server(answered(5, "c.example.com") + answered(3, "a.example.com"))
    t.server(answered(4, "b.example.com")).close()
    # Long, over three segments; then one of them is lost.
    long = answered(6, "long.example.com", 30)
    t = talk(53).client(asked(6, "long.example.com")).server(long[:200], long[200:400], long[400:])
    t.client(asked(7, "lost.example.com"))
    long = answered(7, "lost.example.com", 30)
    t.server(long[:200]).server(long[200:400], lost=True).server(long[400:])
    t.client(asked(8, "after.example.com")).server(answered(8, "after.example.com")).close()
    talk(53, v6=True).client(asked(9, "six.example.com", 28)).server(
        answered(9, "six.example.com")).close()
    # Closed within a message; broken; no DNS; a port that is not asked.
    talk(53).client(asked(10, "closed.example.com")[:30]).close()
    talk(53).client(vec(2, dns(11, QUERY, [question(ptr(12))]))).close()
    talk(53).client(b"GET / HTTP/1.1\r\nHost: dns.example.com\r\n\r\n").close()
    talk(53).client(vec(2, b"short")).close()
    talk(5353).client(asked(12, "elsewhere.example.com")).close()
    return out


@capture("sip_tcp.pcap")
def sip_tcp():
    """SIP over TCP: bodies and headers split, pings between messages, several in a segment, no length, a lost segment, any port."""
    out, talk = talks(44000)

    def message(start, method, *more, body=b"", length=True):
        fields = [b"Via: SIP/2.0/TCP a.example.com;branch=z9hG4bK1",
                  b"From: <sip:alice@example.com>;tag=1", b"To: <sip:bob@example.com>",
                  b"Call-ID: stream@a.example.com", b"CSeq: 7 " + method, *more]
        if length:
            fields.append(b"Content-Length: %d" % len(body))
        return sip_message(start, *fields, body=body)

    sdp = b"v=0\r\no=- 1 1 IN IP4 192.0.2.10\r\ns=-\r\nt=0 0\r\n"
    invite = message(b"INVITE sip:bob@example.com SIP/2.0", b"INVITE",
                     b"Content-Type: application/sdp", body=sdp)
    ring, yes = (message(b"SIP/2.0 " + s, b"INVITE") for s in (b"180 Ringing", b"200 OK"))
    # In the header section, in the body, at the empty line.
    t = talk(5060).client(invite[:100], invite[100:-20], invite[-20:])
    t.client(b"\r\n\r\n").server(b"\r\n")                     # keep-alives of RFC 5626
    t.server(ring + yes[:-1]).server(yes[-1:])
    t.client(message(b"ACK sip:bob@example.com SIP/2.0", b"ACK")
             + message(b"BYE sip:bob@example.com SIP/2.0", b"BYE"))
    t.server(message(b"SIP/2.0 200 OK", b"BYE")).close()
    # Any port, IPv6, the short name of the length, from the middle of a stream.
    short = message(b"OPTIONS sip:bob@example.com SIP/2.0", b"OPTIONS", b"l: 4", length=False)
    talk(15060, v6=True).client(short + b"body", ring).close()
    Talk(out, 44900, 5060).client(b"the end of a body").client(invite).server(yes)
    # Without a length there is no body; what follows is no message.
    bare = message(b"MESSAGE sip:bob@example.com SIP/2.0", b"MESSAGE", length=False)
    talk(5060).client(bare + b"surprise\r\n\r\n", invite).close()
    # A segment of the body is lost; then the connection is closed within a message.
    body = b"x" * 200
    loses = message(b"MESSAGE sip:bob@example.com SIP/2.0", b"MESSAGE", body=body)
    t = talk(5060).client(loses[:-150]).client(loses[-150:-50], lost=True)
    t.client(loses[-50:] + invite).client(yes[:-30]).close()
    return out


@capture("modbus_stream.pcap")
def modbus_stream():
    """Modbus over TCP: units split everywhere, several in a segment, retransmitted, a lost segment, other octets, closed within a unit."""
    out, talk = talks(45000)
    read = adu(1, 17, struct.pack("!BHH", 3, 107, 3))
    values = adu(1, 17, struct.pack("!BB3H", 3, 6, 0x022B, 0, 0x0064))
    longest = adu(0xFFFF, 255, b"\x03\xfa" + bytes(range(250)) + b"\0")
    t = talk(502).client(read).server(values)
    t.client(read[:4], read[4:8], read[8:])
    t.server(*(values[i:i + 1] for i in range(len(values))))
    # Three units over two segments, the second of them twice.
    both = adu(2, 1, b"\x07") + read + longest
    t.client(both[:25])
    again = t.next[0]
    t.client(both[25:]).client(both[25:], seq=again)
    t.server(longest + values[:3], values[3:]).close()
    # Lost within a unit whose length is known, then between units.
    t = talk(502).client(longest[:100]).client(longest[100:200], lost=True)
    t.client(longest[200:] + read)
    t.client(read, lost=True).client(adu(9, 1, b"\x07")).close()
    # No Modbus behind a unit; closed within one; a length of one.
    talk(502).client(read + b"GET / HTTP/1.1\r\n\r\n", read).close()
    talk(502, v6=True).client(values).server(longest[:150]).close()
    talk(502).client(adu(4, 1, b"\x03", length=1)).close()
    return out


# --------------------------------------------------------------------- segments

@family
def tcp_streams():
    """TCP segments of HTTP: out of order, again, overlapping and contradicting, lost, cut, keep-alive, reset, numbers that wrap, ports used again, from the middle, a hole for 120 and a stream idle for 180 seconds."""
    out, talk = talks(46000)
    answer = ok(b"0123456789" * 6)

    def request(what):
        return get(b"/" + what)

    def parts(data, size=30):
        return [(i, data[i:i + size]) for i in range(0, len(data), size)]

    def exchange(what, order, first=1001, **kw):
        """A request whose parts of 30 octets come in some order; then its answer."""
        t = talk(80, **kw)
        data = request(what)
        pieces = parts(data)
        for i in order(len(pieces)):
            t.client(pieces[i][1], seq=first + pieces[i][0])
        t.next[0] += len(data)
        t.server(answer)
        return t

    exchange(b"reversed-and-a-little-longer", lambda n: range(n - 1, -1, -1)).close()
    exchange(b"every-part-twice", lambda n: [i // 2 for i in range(2 * n)]).close()
    exchange(b"first-part-last", lambda n: [*range(1, n), 0]).close()
    # Sequence numbers that wrap within the request, in order and not.
    wrap = 2**32 - 20
    exchange(b"numbers-wrap", range, first=wrap + 1, client=wrap).close()
    exchange(b"numbers-wrap-backwards", lambda n: range(n - 1, -1, -1), first=wrap + 1,
             client=wrap).close()
    # Overlaps: the same octets, and others, before and behind a hole.
    data = request(b"overlap-same-octets")
    t = talk(80).client(data[:30]).client(data[10:50], seq=1011)
    t.next[0] = 1031
    t.client(data[30:]).server(answer).close()
    data = request(b"overlap-contradicts-AAAAAAAA")
    other = data.replace(b"AAAAAAAA", b"BBBBBBBB")
    at = data.index(b"AAAAAAAA") + 4
    t = talk(80).client(data[at:], seq=1001 + at).client(other[:at + 4], seq=1001)
    t.next[0] += len(data)
    t.server(answer).close()
    data = request(b"sent-again-otherwise-AAAA")
    t = talk(80).client(data).client(data.replace(b"AAAA", b"BBBB"), seq=1001)
    t.server(answer).close()
    # Lost for good: acknowledged by the receiver, and never acknowledged.
    t = talk(80).client(request(b"lost-in-answer")).server(answer[:40])
    t.server(answer[40:60], lost=True).server(answer[60:])
    t.client(request(b"behind-the-gap")).server(answer).close()
    t = talk(80).client(request(b"hole-at-the-end")[:45]).client(b"lost", lost=True)
    t.client(b"waits until the capture ends\r\n\r\n", ack=5001)
    # Cut by the capture: the wire had more.
    t = talk(80).client(request(b"cut-by-the-capture")).server(answer, cut=100)
    t.client(request(b"behind-the-cut")).server(answer).close()
    # Keep-alives (RFC 9293 section 3.8.4): without an octet, and with one.
    t = talk(80).client(request(b"keep-alive")).server(answer)
    t.send(0, "A", seq=t.next[0] - 1)
    t.send(0, "A", b"\0", seq=t.next[0] - 1)
    t.send(1, "A")
    t.client(request(b"after-keep-alive")).server(answer).close()
    # A reset, with octets that are no part of the stream; then the other end goes on.
    t = talk(80).client(request(b"reset")).server(answer[:50])
    t.send(0, "RA", b"connection refused", seq=t.next[0])
    t.server(answer[50:])
    # Octets in the segment with FIN, and behind it.
    t = talk(80)
    t.send(0, "FPA", request(b"with-fin"))
    t.client(b"behind the end").server(answer)
    t.send(1, "FA")
    # Octets in the SYN (RFC 7413).
    t = Talk(out, 46800, 80)
    t.send(0, "S", request(b"in-the-syn"))
    t.send(1, "SA")
    t.server(answer).close()
    # The same ports again: after FIN, and after nothing but another SYN.
    for what, number in [(b"ports-once", 1000), (b"ports-twice", 700000)]:
        t = Talk(out, 46801, 80, client=number).open().client(request(what)).server(answer)
        t.close()
    Talk(out, 46802, 80).open().client(request(b"left-open"))
    Talk(out, 46802, 80, client=900000).open().client(request(b"opened-anew")).server(answer)
    # From the middle, the answer first; far outside of any window.
    Talk(out, 46803, 80, client=77777, server=88888).server(answer).client(
        request(b"from-the-middle")).server(answer)
    t = talk(80).client(request(b"outside-the-window"))
    t.client(b"far away", seq=1001 + 2**30 + 5000).server(answer).close()
    # No handshake is whole, no octets follow.
    Talk(out, 46804, 80).send(0, "S")
    talk(80).close()

    packets = timed(out)

    def later(seconds):
        """Gives the frames since the last call the same time, so much after those before."""
        now = packets[-1].ns + round(seconds * 10**6) * 1000
        packets.extend(Pkt(bytes(frame), now) for frame in out)
        out.clear()

    # A hole holds octets up for a microsecond more than 120 s, until another stream moves the
    # clock. Both go on: that one after just 180 s, the one with the hole after too long.
    out.clear()
    hole, other = talk(80), talk(80)
    hole.client(request(b"a-hole-for-too-long")[:45]).client(b"X", lost=True)
    hole.client(b"behind the hole\r\n\r\n", ack=5001)
    later(1)
    other.client(request(b"moves-the-clock"))
    later(120.000001)
    other.server(answer)
    later(180)
    hole.client(request(b"idle-for-too-long"))
    later(0.000001)
    emit("tcp_streams.pcap", pcap(packets), tcp_streams.__doc__)


# ------------------------------------------------------------------------ flows

@family
def flows():
    """Flows: both directions, idle for 31 and 61 seconds, at the same time and back in time, fragments, TCP and UDP between the same ports, without ports, without IP."""
    out = []

    def at(seconds, frame):
        out.append(Pkt(bytes(frame), START * 10**9 + round(seconds * 10**6) * 1000))

    def there(data=b"there", **kw):
        return eth(ip4() / UDP(**{"sport": 47000, "dport": 9999, **kw}) / Raw(data))

    def back(data=b"and back", **kw):
        return eth(ip4(src=B4, dst=A4) / UDP(**{"sport": 9999, "dport": 47000, **kw}) / Raw(data),
                   src=MAC_B, dst=MAC_A)

    # Both directions, at once and a microsecond later.
    at(0, there())
    at(0, back())
    at(0.000001, there(b"again, longer"))
    at(1.5, back())
    # The same ports with TCP, and other MAC addresses.
    at(2, eth(ip4() / tcp("S", sport=47000)))
    at(2.000001, eth(ip4(src=B4, dst=A4) / tcp("RA", sport=9999, dport=47000, ack=1001),
                     src=MAC_B, dst=MAC_A))
    at(2.1, eth(udp4(b"other link", sport=47000), src="02:00:5e:00:00:0c"))
    # Back in time: the earliest packet is not the first.
    at(1.25, there(b"earlier"))
    at(0.75, eth(udp4(b"time runs back", sport=47001)))
    at(0.25, eth(udp4(b"and again", sport=47001)))
    # Without ports: ARP, ICMP of both versions, an unknown protocol, nothing at all.
    ask = ARP(op=1, hwsrc=MAC_A, psrc=A4, hwdst="00:00:00:00:00:00", pdst="192.0.2.1")
    at(3, eth(ask, dst=BCAST))
    at(3.1, eth(ip4() / ICMP(type=8, id=1, seq=1) / Raw(b"ping")))
    at(3.2, eth(ip4(src=B4, dst=A4) / ICMP(type=0, id=1, seq=1) / Raw(b"ping"),
                src=MAC_B, dst=MAC_A))
    at(3.3, eth(ip4(proto=253) / Raw(b"experiment")))
    at(3.4, eth(b"local experiment", kind=0x88B5))
    # A datagram in fragments: only the first has ports.
    whole = bytes(udp4(b"f" * 60, sport=47002))[20:]
    for n, (a, b) in enumerate([(0, 24), (24, 48), (48, len(whole))]):
        more = "MF" if b < len(whole) else 0
        at(4 + n / 10, eth(ip4(id=0x4F01, proto=17, frag=a // 8, flags=more) / Raw(whole[a:b])))
    # IPv6, DNS, and a tunnel whose inside does not count.
    at(5, eth(ip6() / UDP(sport=47003, dport=9999) / Raw(b"six")))
    at(5.1, dns_query(dns(1, QUERY, [question(name("flows.example.com"))])))
    at(5.2, dns_answer(small_answer(1, "flows.example.com")))
    at(5.3, eth(ip4(proto=4) / IP(src="10.0.0.1", dst="10.0.0.2", id=7)
                / UDP(sport=1, dport=2) / Raw(b"inside")))
    # The same two ends with equal ports and addresses.
    at(6, eth(IP(src=A4, dst=A4, id=1) / UDP(sport=5, dport=5) / Raw(b"self"), dst=MAC_A))
    # Idle: just 30 s, a microsecond more, and 61 s.
    idle = {"sport": 47004}
    at(10, there(b"idle", **idle))
    at(40, there(b"after 30", **idle))
    at(70.000001, there(b"after 30.000001", **idle))
    at(131.5, there(b"after 61.5", **idle))
    at(131.5, back(b"at last", dport=47004))
    at(200, there(b"the first flow again"))
    emit("flows.pcap", pcap(out), flows.__doc__)
