#!/usr/bin/env python3
"""Makes every capture in this directory, and its README.md.

    python3 tests/captures/make.py           write the files
    python3 tests/captures/make.py --check   only compare them with what would be written

Needs scapy (2.6 or later). Nothing is sent: packets are built and written. The captures are
made by the modules listed below, with what build.py offers.
"""

import sys

# Each module registers its captures.
import apps
import core
import discovery
import links
import networks
import routing
import streams
import tunnels
import wlan
from build import CAPTURES, FILES, HERE, LINES


def readme():
    out = ["# Captures", "",
           "Made by `make.py` in this directory, with scapy for the packets and its own writers "
           "for the file", "formats; nothing in them was recorded on a network. Addresses and "
           "names are private ones or", "those reserved for documentation. Two runs give the "
           "same bytes; other versions of zlib, zstd or lz4", "may compress differently. This "
           "file is made by the same run: change the modules, not this.", "",
           "    python3 tests/captures/make.py", "    python3 tests/captures/make.py --check", "",
           "| File | Bytes | What it exercises |", "| --- | ---: | --- |"]
    out += [f"| `{n}` | {len(FILES[n])} | {note.rstrip('.')} |" for n, note in sorted(LINES)]
    return "\n".join(out) + "\n"


def main():
    for make in CAPTURES:
        make()
    FILES["README.md"] = readme().encode()
    if sys.argv[1:] == ["--check"]:
        bad = [n for n, data in FILES.items()
               if not (HERE / n).exists() or (HERE / n).read_bytes() != data]
        sys.exit(f"differ from make.py: {', '.join(sorted(bad))}" if bad else 0)
    for n, data in FILES.items():
        (HERE / n).write_bytes(data)
    print(f"{len(FILES) - 1} captures, {sum(map(len, FILES.values()))} bytes")


if __name__ == "__main__":
    main()
