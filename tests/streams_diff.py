#!/usr/bin/env python3
"""Compares what netcap makes of TCP streams with tshark, over a folder of captures.

    cargo build --release -p netcap --bins --examples
    python3 tests/streams_diff.py --jobs 2

- ja3: the Ja3 of every ClientHello and the Ja3s of every ServerHello in TLS over TCP.
- http: method, target, host and status of every HTTP message over TCP, and which response answers
  which request.
- octets: both directions of every stream that tshark can follow, octet for octet. The example
  `follow` prints netcap's.
- unfollowed: streams that netcap has and tshark cannot follow.
- gaps: of the streams whose octets are equal, where each program says that the capture lacks some.

Captures are those in ../shared/captures beside the checkout unless --corpus says otherwise. tshark
is asked with its own settings, and nothing times out and VLANs tell no streams apart, as there. Each difference is printed with its
capture, the totals at the end. What is left is explained in docs/stream-differences.md. The exit
status is 1 where a program failed.
"""

import argparse
import collections
import concurrent.futures
import ipaddress
import itertools
import json
import pathlib
import re
import subprocess
import sys
import tempfile
import urllib.parse
import xml.etree.ElementTree

ROOT = pathlib.Path(__file__).resolve().parent.parent
# Streams that one run of tshark follows.
FOLLOWED_AT_ONCE = 50
# Octets, or pieces, of a difference that are shown.
SHOWN = 24


class Result:
    """What the comparison of one capture gave."""

    def __init__(self):
        self.counts = collections.Counter()
        self.differences = []
        self.failures = []

    def equal(self, kind, number=1):
        self.counts[kind, "equal"] += number

    def differ(self, kind, text):
        self.counts[kind, "different"] += 1
        self.differences.append(f"{kind}: {text}")



def run(command, result, statuses=(0,)):
    done = subprocess.run(command, capture_output=True, timeout=600)
    if done.returncode not in statuses:
        last = done.stderr.decode(errors="replace").strip().splitlines()[-1:]
        result.failures.append(f"{pathlib.Path(command[0]).name}: {done.returncode} {last}")
    return done.stdout


def tshark(capture, arguments, result):
    # It ends with 2 where a capture is cut short, after all packets before the cut.
    command = ["tshark", "-n", "-r", str(capture), *arguments]
    return run(command, result, (0, 1, 2)).decode(errors="replace")


def end(address, port):
    """An end of a stream as both programs write it."""
    return str(ipaddress.ip_address(address)), int(port)


def split_end(text):
    address, port = text.rsplit(":", 1)
    # tshark has no address for a stream of which the first packet has none.
    return end(address.strip("[]") or "::", port)


# ---------------------------------------------------------------- what netcap says


def netcap_records(program, capture, result):
    """Records of HTTP and TLS by the ends of their connection, client first."""
    records = {"HTTP": collections.defaultdict(list), "TLS": collections.defaultdict(list)}
    with tempfile.TemporaryDirectory() as folder:
        # 3: the capture is damaged, what came before is recorded.
        options = ["-include", "HTTP,TLS", "-out", folder, "-quiet", "-ignore-unknown", "-ignore-vlans"]
        options += ["-tcp-timeout", "0", "-tcp-close-timeout", "0"]
        run([program, "-r", capture, *options], result, (0, 1, 2, 3, 4))
        for stem, by_ends in records.items():
            file = pathlib.Path(folder, f"{stem}.ncap.gz")
            if file.exists():
                for line in run([program, "-r", file, "-json", "-quiet"], result).splitlines():
                    record = json.loads(line)
                    client = end(record["SrcIP"], record["SrcPort"])
                    server = end(record["DstIP"], record["DstPort"])
                    by_ends[client, server].append(record)
    return records


def netcap_streams(program, capture, result):
    """Octets of streams by their ends, in order of their beginnings."""
    lines = iter(run([program, capture], result).decode().splitlines())
    streams = collections.defaultdict(list)
    for ends, to_server, to_client in zip(lines, lines, lines):
        client, server = map(split_end, ends.split())
        stream = {client: pieces_of(to_server[1:]), server: pieces_of(to_client[1:])}
        streams[frozenset(stream)].append(stream)
    return streams


def pieces_of(text):
    pieces = re.findall(r"\[(\d+)\]|([0-9a-f]+)", text)
    return tidy(int(gap) if gap else bytes.fromhex(octets) for gap, octets in pieces)


def tidy(pieces):
    """Joins octets with octets and gaps with gaps. A gap at either end says nothing."""
    joined = []
    for kind, group in itertools.groupby(pieces, type):
        joined.append(sum(group) if kind is int else b"".join(group))
    while joined and isinstance(joined[0], int):
        joined.pop(0)
    while joined and isinstance(joined[-1], int):
        joined.pop()
    return joined


# ---------------------------------------------------------------- what tshark says


def tshark_overview(capture, result):
    """Streams with octets, fingerprints by stream, and whether there is HTTP."""
    fields = ["tcp.stream", "tcp.len", "frame.protocols", "tls.handshake.ja3", "tls.handshake.ja3s",
              "ip.src", "ipv6.src", "ip.dst", "ipv6.dst", "tcp.srcport", "tcp.dstport"]
    options = [option for field in fields for option in ("-e", field)]
    lines = tshark(capture, ["-Y", "tcp.len > 0", "-T", "fields", *options], result).splitlines()
    streams, hellos, has_http = set(), collections.defaultdict(lambda: ([], [])), False
    for line in lines:
        values = [value.split(",") if value else [] for value in line.split("\t")]
        if len(values) != len(fields):
            continue
        stream, length, protocols, ja3, ja3s, ip4, ip6, to4, to6, source, destination = values
        streams.update(number for number, octets in zip(stream, length) if octets != "0")
        has_http |= "http" in protocols[0].split(":")
        # QUIC and EAP have the messages of TLS without its records.
        if (ja3 or ja3s) and "tls" in protocols[0].split(":"):
            # The innermost addresses; those of a tunnel of the other version stand outside.
            versions = [name for name in protocols[0].split(":") if name in ("ip", "ipv6")]
            innermost = "ipv6" if versions[-1:] == ["ipv6"] else "ip"
            here, there = (ip6, to6) if innermost == "ipv6" else (ip4, to4)
            sender, receiver = end(here[-1], source[-1]), end(there[-1], destination[-1])
            hellos[sender, receiver][0].extend(ja3)
            hellos[receiver, sender][1].extend(ja3s)
    return sorted(streams, key=int), hellos, has_http


def tshark_streams(capture, numbers, result):
    """Octets of streams by their ends, in order of their numbers."""
    streams = collections.defaultdict(list)
    for first in range(0, len(numbers), FOLLOWED_AT_ONCE):
        some = numbers[first:first + FOLLOWED_AT_ONCE]
        options = [option for number in some for option in ("-z", f"follow,tcp,raw,{number}")]
        text = tshark(capture, ["-q", *options], result)
        found = []
        for block in re.split(r"^=+\nFollow: tcp,raw\n", text, flags=re.MULTILINE)[1:]:
            lines = block.splitlines()
            number = int(lines[0].rsplit(" ", 1)[1])
            nodes = [split_end(line.split(": ", 1)[1]) for line in lines[1:3]]
            directions = [[], []]
            for line in lines[3:]:
                if not line.startswith("="):
                    octets = bytes.fromhex(line.strip())
                    directions[line.startswith("\t")] += gaps_in(octets)
            found.append((number, dict(zip(nodes, map(tidy, directions)))))
        # The last one asked for is printed first.
        for _, stream in sorted(found, key=lambda item: item[0]):
            if any(stream.values()):
                streams[frozenset(stream)].append(stream)
    return streams


def gaps_in(octets):
    """tshark writes a gap as text among the octets."""
    parts = re.split(rb"\[(\d+) bytes missing in capture file\]\0?", octets)
    pieces = [int(part) if place % 2 else part for place, part in enumerate(parts)]
    return [piece for piece in pieces if piece]


def tshark_http(capture, result):
    """HTTP messages over TCP in order: their frame, ends and fields."""
    protocols = "frame ip ipv6 tcp http"
    text = tshark(capture, ["-2", "-Y", "http && tcp", "-T", "pdml", "-J", protocols], result)
    messages = []
    if "<pdml" not in text:
        return messages
    for packet in xml.etree.ElementTree.fromstring(text).iter("packet"):
        address, ports, frame = None, None, None
        for protocol in packet.iter("proto"):
            first = {}
            for field in protocol.iter("field"):
                first.setdefault(field.get("name"), field)
            name = protocol.get("name")
            if name == "frame":
                frame = int(first["frame.number"].get("show"))
            elif name in ("ip", "ipv6") and f"{name}.src" in first:
                address = [first[f"{name}.{side}"].get("show") for side in ("src", "dst")]
            elif name == "tcp" and "tcp.srcport" in first:
                ports = [first[f"tcp.{side}port"].get("show") for side in ("src", "dst")]
            elif name == "http" and address and ports:
                message = http_message(first)
                if message:
                    source, destination = map(end, address, ports)
                    messages.append((frame, source, destination, message))
    return messages


def http_message(fields):
    def octets(name):
        field = fields.get(name)
        return bytes.fromhex(field.get("value", "")) if field is not None else b""

    def number(name):
        field = fields.get(name)
        return int(field.get("show")) if field is not None else None

    if "http.request.method" in fields:
        return {
            "method": octets("http.request.method"),
            "target": octets("http.request.uri"),
            # Its value is the whole field line.
            "host": octets("http.host").partition(b":")[2].strip(),
            "answer": number("http.response_in"),
        }
    if "http.response.code" in fields:
        return {"code": number("http.response.code"), "request": number("http.request_in")}
    return None


# ---------------------------------------------------------------- comparison


def compare_ja3(ours, theirs, result):
    for ends in sorted(set(ours) | set(theirs)):
        records = ours.get(ends, [])
        hellos, answers = theirs.get(ends, ([], []))
        for kind, mine, others in (
            ("ja3", [record["Ja3"] for record in records], hellos),
            ("ja3s", [record["Ja3s"] for record in records if record["Ja3s"]], answers),
        ):
            if mine == others:
                result.equal(kind, len(mine))
            else:
                compare_lists(kind, ends, mine, others, result)


def compare_http(ours, messages, result):
    """Both as a list of exchanges for each connection: method, target, host, status."""
    theirs = collections.defaultdict(list)
    waiting = collections.defaultdict(list)
    for frame, source, destination, message in messages:
        if "method" in message:
            host = message["host"] or host_of(message["method"], message["target"])
            request = [message["method"], message["target"], host, 0]
            theirs[source, destination].append(request)
            waiting[source, destination, frame, message["answer"]].append(request)
        else:
            key = (destination, source, message["request"], frame)
            if waiting[key]:
                waiting[key].pop(0)[3] = message["code"]
            # Interim responses are none of their own.
            elif not 100 <= message["code"] < 200 or message["code"] == 101:
                theirs[destination, source].append([b"", b"", b"", message["code"]])
    for ends in sorted(set(ours) | set(theirs)):
        mine = [
            [record[name].encode() for name in ("Method", "URL", "Host")] + [record["StatusCode"]]
            for record in ours.get(ends, [])
        ]
        if mine == theirs.get(ends, []):
            result.equal("http", len(mine))
        else:
            compare_lists("http", ends, mine, theirs.get(ends, []), result)


def host_of(method, target):
    """The host in a request target, for requests without the field."""
    if method == b"CONNECT":
        return target
    if target.lower().startswith((b"http://", b"https://")):
        return urllib.parse.urlsplit(target.decode(errors="replace")).netloc.encode()
    return b""


def compare_streams(ours, theirs, result):
    nothing = collections.defaultdict(list)
    for ends in sorted(set(ours) | set(theirs), key=sorted):
        mine, others = ours.get(ends, []), theirs.get(ends, [])
        for place in range(max(len(mine), len(others))):
            one = mine[place] if place < len(mine) else nothing
            other = others[place] if place < len(others) else nothing
            same_octets = all(octets_of(one[e]) == octets_of(other[e]) for e in ends)
            same_gaps = all(one[e] == other[e] for e in ends)
            text = stream_difference(ends, place, one, other)
            if not any(other.values()):
                result.differ("unfollowed", text)
                continue
            if not same_octets:
                result.differ("octets", text)
                continue
            result.equal("octets")
            if same_gaps:
                result.equal("gaps")
            else:
                result.differ("gaps", text)


def octets_of(pieces):
    return b"".join(piece for piece in pieces if isinstance(piece, bytes))


def stream_difference(ends, place, one, other):
    text = [f"stream {place} of {' '.join(f'{ip}:{port}' for ip, port in sorted(ends))}"]
    for sender in sorted(ends):
        mine, theirs = one[sender], other[sender]
        if mine != theirs:
            ip, port = sender
            text.append(f"    from {ip}:{port}: ours {shape(mine)}, tshark {shape(theirs)}")
            text += first_difference(octets_of(mine), octets_of(theirs))
    return "\n".join(text)


def shape(pieces):
    words = [f"[{p}]" if isinstance(p, int) else str(len(p)) for p in pieces]
    if len(words) > SHOWN:
        words = words[:SHOWN] + [f"and {len(words) - SHOWN} more"]
    return " ".join(words) or "nothing"


def first_difference(one, other):
    if one == other:
        return []
    places = (place for place, (a, b) in enumerate(zip(one, other)) if a != b)
    place = next(places, min(len(one), len(other)))
    here, there = one[place:place + SHOWN], other[place:place + SHOWN]
    return [f"        at octet {place}: ours {here!r}, tshark {there!r}"]


def compare_lists(kind, ends, mine, theirs, result):
    """What is in one list and not in the other, however it is arranged; then the order."""
    def count(items):
        return collections.Counter(map(repr, items))

    same = count(mine) & count(theirs)
    missing, extra = count(theirs) - same, count(mine) - same
    result.equal(kind, sum(same.values()))
    (a, b), (c, d) = ends
    where = f"{a}:{b} {c}:{d}"
    for who, items in (("only tshark", missing), ("only ours", extra)):
        for item, number in items.items():
            for _ in range(number):
                result.differ(kind, f"{where}: {who}: {item}")
    if not missing and not extra:
        result.differ(kind, f"{where}: another order: ours {mine}, tshark {theirs}")


def compare(capture, options):
    result = Result()
    try:
        numbers, hellos, has_http = tshark_overview(capture, result)
        records = netcap_records(options.netcap, capture, result)
        compare_ja3(records["TLS"], hellos, result)
        messages = tshark_http(capture, result) if has_http else []
        compare_http(records["HTTP"], messages, result)
        theirs = tshark_streams(capture, numbers, result)
        compare_streams(netcap_streams(options.follow, capture, result), theirs, result)
    except Exception as error:  # One capture must not hide what the others tell.
        result.failures.append(f"{type(error).__name__}: {error}")
    return result


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--corpus", type=pathlib.Path, default=ROOT.parent / "shared/captures")
    parser.add_argument("--netcap", default=ROOT / "target/release/netcap")
    parser.add_argument("--follow", default=ROOT / "target/release/examples/follow")
    parser.add_argument("--jobs", type=int, default=1, help="captures at a time")
    options = parser.parse_args()
    for program in (options.netcap, options.follow):
        if not pathlib.Path(program).exists():
            sys.exit(f"{program} is missing: cargo build --release --bin netcap --example follow")
    if options.corpus.is_file():
        captures = [options.corpus]
    else:
        files = options.corpus.rglob("*")
        captures = sorted(file for file in files if file.is_file() and file.suffix != ".tsv")
    if not captures:
        sys.exit(f"no captures in {options.corpus}")
    totals, failed = collections.Counter(), False
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        results = pool.map(lambda capture: compare(capture, options), captures)
        for capture, result in zip(captures, results):
            for text in result.differences + result.failures:
                print(f"{capture.relative_to(options.corpus.parent)}: {text}", flush=True)
            totals.update(result.counts)
            failed |= bool(result.failures)
    for kind in ("ja3", "ja3s", "http", "octets", "gaps"):
        equal, different = totals[kind, "equal"], totals[kind, "different"]
        share = 100 * equal / max(equal + different, 1)
        print(f"{kind}: {equal} equal, {different} different, {share:.3f} %")
    print(f"unfollowed: {totals['unfollowed', 'different']}")
    sys.exit(failed)


if __name__ == "__main__":
    main()
