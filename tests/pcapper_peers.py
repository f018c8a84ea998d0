#!/usr/bin/env python3
"""pcapper and recollect among real peers: mgen, socat, ping, tcpdump, floods, and hosts in trouble.

Hosts are network namespaces joined by a bridge; they are gone at the end. Built programs, root, mgen,
socat, ping and tcpdump are needed; where one is missing it is skipped, and said.

    cargo build --release && sudo python3 tests/pcapper_peers.py
    sudo python3 tests/pcapper_peers.py --only flood trouble      # some of it
    sudo python3 tests/pcapper_peers.py --measure                 # delay, and cost beside tcpdump

It exits with 1 if something is not as it should be. What is measured is told, and judged only where it is
said which limit holds.
"""

import argparse
import os
import shutil
import sys
from pathlib import Path

sys.dont_write_bytecode = True

from peers.agreement import agreement
from peers.collectors import collectors
from peers.flood import flood
from peers.lab import ROOT, TARGET, Failure, Lab, Report, sh
from peers.measure import measure
from peers.surroundings import surroundings
from peers.vanishing import vanishing

HOSTS = ["left", "right", "third"]
NEEDED = ["ip", "mgen", "socat", "ping", "tcpdump"]


def missing():
    """What is missing, in words."""
    if os.geteuid() != 0:
        return "this needs root, for network namespaces"
    for program in ["pcapper", "recollect"]:
        if not (TARGET / program).exists():
            return f"there is no {TARGET / program}; cargo build --release makes it"
    for program in NEEDED:
        if not shutil.which(program):
            return f"{program} is not installed"
    try:
        sh("ip netns add pp-trial && ip netns delete pp-trial")
    except Exception:  # Whatever the reason.
        return "there can be no network namespaces here"
    return None


def hostile_captures():
    """Those that crashed an agent of 2019, where they are beside the checkout."""
    folder = ROOT / "../shared/reference/pcapper"
    return [path for path in (folder / "hostile-ihl.pcap", folder / "short-bmf.pcap") if path.exists()]


def main():
    parts = {
        "agreement": lambda lab, report: agreement(lab, report, given.seconds),
        "flood": lambda lab, report: flood(lab, report, given.packets),
        "collectors": lambda lab, report: collectors(lab, report, given.collectors),
        "surroundings": lambda lab, report: surroundings(lab, report, given.hostile),
        "vanishing": vanishing,
    }
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=parts, default=list(parts))
    parser.add_argument("--seconds", type=int, default=5, help="how long mgen sends")
    parser.add_argument("--packets", type=int, default=2_000_000, help="of a flood")
    parser.add_argument("--collectors", type=int, default=2000, help="at once")
    parser.add_argument("--measure", action="store_true", help="only measure")
    parser.add_argument("--rounds", type=int, default=5, help="of measuring beside tcpdump")
    parser.add_argument("--hostile", type=Path, nargs="+", default=hostile_captures(),
                        help="captures whose frames are sent, too")
    given = parser.parse_args()
    if reason := missing():
        print(f"skipped: {reason}")
        return 0
    report = Report()
    if given.measure:
        parts = {"measure": lambda lab, report: measure(lab, report, given.rounds)}
        given.only = ["measure"]
    for name in given.only:
        report.section(name)
        try:
            with Lab(HOSTS) as lab:
                parts[name](lab, report)
        except Failure as failure:
            report.check(name, False, str(failure))
    print(f"\n{len(report.failures)} failures" if report.failures else "\nall is well")
    for failure in report.failures:
        print(f"  {failure}")
    return 1 if report.failures else 0


if __name__ == "__main__":
    sys.exit(main())
