#!/usr/bin/env python3
"""Compares netcap with tshark, field by field, over a folder of captures.

    cargo build --release
    python3 tests/tshark_diff.py --jobs 2 [any option of the tool]

Runs the tool in ../shared/checks/tshark-diff beside the checkout, on ../shared/captures unless
--corpus says otherwise. Before that it tells the tool of link layers at which it would stop,
although tshark goes on, and of ports of BFD and DNS: so it expects more records than it would by itself,
and compares more. Nothing is taken away from what it compares. What is left is explained in
docs/tshark-differences.md.
"""

import importlib.util
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
SHARED = ROOT.parent / "shared"

# tshark's names of link layers and of tags in Ethernet that have no record.
LINK_LAYERS = {"arcnet", "avsp", "cfp", "fr", "ipnet", "ipoib", "pcap_pktdata", "user_dlt"}
# RFC 5883 (several hops), RFC 7130 (aggregated links), RFC 7881 (seamless).
BFD_PORTS = (4784, 6784, 7784)
# What has DNS records by the name of tshark: RFC 6762, RFC 4795.
DNS_PORTS = {5353: "mdns", 5355: "llmnr"}


def main():
    tool = SHARED / "checks/tshark-diff/tshark_diff.py"
    if not tool.exists():
        sys.exit(f"{tool} is missing: the comparison needs the shared folder beside the checkout")
    spec = importlib.util.spec_from_file_location("tshark_diff", tool)
    module = importlib.util.module_from_spec(spec)
    sys.modules["tshark_diff"] = module
    spec.loader.exec_module(module)
    module.LINK_SKIP |= LINK_LAYERS
    module.UDP_PORTS.update({port: ("BFD", "bfd") for port in BFD_PORTS})
    for port, name in DNS_PORTS.items():
        module.UDP_PORTS[port] = ("DNS", name)
        module.STEP[name] = module.UDP_APP[name] = "DNS"
        module.TERMINAL.add(name)

    arguments = sys.argv[1:]
    if "--netcap" not in arguments:
        program = ROOT / "target/release/netcap"
        arguments += ["--netcap", f"{program} -r {{in}} -out {{out}} -quiet"]
    if "--corpus" not in arguments:
        arguments += ["--corpus", str(SHARED / "captures")]
    sys.argv[1:] = arguments
    sys.exit(module.main())


if __name__ == "__main__":
    main()
