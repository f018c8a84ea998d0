#!/usr/bin/env python3
"""The live view of recollect in a real browser, with real agents.

Agents (`pcapper --read`, at the pace of captures that are made here) report to a `recollect --web`, whose page is
looked at in headless Chromium, by its DevTools protocol. What the page says must be what /state.json says, and
what the lines of the same recollect add up to; it must ask for nothing elsewhere, tell no errors, work by
keyboard, on a phone, in light and dark, with 64 hosts, and find recollect again after a restart.

    cargo build && python3 tests/view_chromium.py
    python3 tests/view_chromium.py --shots /tmp/shots     # screenshots, to be looked at
    python3 tests/view_chromium.py --keep                 # leaves the lab running, for a browser of yours

It exits with 1 where something is not as it should be. Without Chromium it is skipped.
"""

import argparse
import base64
import collections
import contextlib
import json
import math
import os
import random
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
CHROMIUM = next(filter(None, map(shutil.which, ["chromium", "chromium-browser", "google-chrome"])), None)
HOSTS = 64
SECONDS = 75
PATIENCE = 60

CONFIG = """\
1=5000
2=5001-5010
3=M100-199
4=6000
[Video]
[Voice over IP]
Color=#009988
Relay=#99ddcc
[MGEN flows]
[<img src=x onerror=alert(1)>]
"""
# A label is text of a file, and may look like anything.
ODD_LABEL = "<i>n7</i>"


def binary(name):
    return next(path for kind in ["debug", "release"] if (path := TARGET / kind / name).exists())


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def wait_for(what, check, patience=PATIENCE):
    until = time.monotonic() + patience
    while time.monotonic() < until:
        if (found := check()) not in (None, False):
            return found
        time.sleep(0.1)
    raise AssertionError(f"never: {what}")


# ---- Captures and agents


def udp(source, port, size, payload=b""):
    """A frame of 96 octets at most, of a UDP datagram whose IP packet has this size; and its size."""
    ip = struct.pack(">BBHHHBBH4s4s", 0x45, 0, size, 0, 0, 64, 17, 0, source, bytes([10, 99, 0, 200]))
    frame = bytes([2, 0, 0, 0, 0, 1, 10, 0, 0, 0, 0, 1, 8, 0]) + ip
    frame += struct.pack(">HHHH", 4000, port, size - 20, 0) + payload
    return frame.ljust(14 + size, b"\0")[:96], 14 + size


def mgen(port, flow):
    """The head of a message of MGEN, which repeats its destination."""
    head = struct.pack(">HBBIIII", 64, 2, 8, flow, 1, 0, 0)
    return head + struct.pack(">HBB4s", port, 1, 4, bytes([10, 99, 0, 200]))


def packets(host, begin, seconds):
    """What a host sends: (time, frame, size), in order of time."""
    chance = random.Random(host)
    source = bytes([10, 99, 1, host])
    strength = 0.15 + chance.random() ** 2
    phase = chance.random() * 6.28
    for tick in range(seconds * 10):
        at = tick / 10
        wave = 1 + 0.8 * math.sin(phase + at / 7)
        # The pace counts from the first packet, so there is one at the very beginning.
        sent = [udp(source, 53, 60)] if tick == 0 else []
        if chance.random() < strength * wave:
            sent += [udp(source, 5000, chance.randint(700, 1400)) for _ in range(1 + host % 3)]
        if host % 4 != 3:
            sent.append(udp(source, 5001 + host % 10, 200))
        if host % 5 == 0 and tick % 2 == 0:
            # Its port is of a type, too: the record counts in both.
            port = 6000 if host % 10 == 0 else 9000
            sent.append(udp(source, port, 500, mgen(port, 100 + host)))
        if chance.random() < 0.1:
            sent.append(udp(source, 53, chance.randint(60, 300)))
        for place, (frame, size) in enumerate(sent):
            yield begin + at + place * 0.004, frame, size


def write_capture(path, host, begin, seconds):
    with open(path, "wb") as file:
        file.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 96, 1))
        for at, frame, size in packets(host, begin, seconds):
            file.write(struct.pack("<IIII", int(at), int(at % 1 * 1e6), len(frame), size) + frame)


class Lab:
    """Agents and a collector, which end when this does."""

    def __init__(self, folder, hosts=HOSTS, seconds=SECONDS):
        self.folder, self.hosts, self.seconds = Path(folder), hosts, seconds
        self.labels = [ODD_LABEL if host == 7 else f"n{host:02}" for host in range(1, hosts + 1)]
        self.agent_ports = [free_port() for _ in self.labels]
        self.port = free_port()
        self.lines_path = self.folder / "lines"
        self.errors_path = self.folder / "errors"
        self.agents, self.collector = [], None

    def __enter__(self):
        agents = [f"{label}:127.0.0.1:{port}\n" for label, port in zip(self.labels, self.agent_ports)]
        (self.folder / "collector.conf").write_text(CONFIG + "".join(agents))
        # Times are of now, so that records are of now when they are read at their pace.
        begin = time.time() + 2 + self.hosts / 40
        for host, port in enumerate(self.agent_ports, 1):
            path = self.folder / f"{host}.pcap"
            write_capture(path, host, begin, self.seconds)
            self.agents.append(subprocess.Popen(
                [binary("pcapper"), "--read", path, "-m", "none", "--pace", "recorded", "--listen", "127.0.0.1",
                 "-p", str(port), "--quiet", "-f", "/dev/null"],
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=self.folder,
            ))
        time.sleep(max(0, begin - time.time()))
        self.start()
        return self

    def start(self):
        self.collector = subprocess.Popen(
            [binary("recollect"), "--web", f"127.0.0.1:{self.port}"],
            stdout=open(self.lines_path, "ab"), stderr=open(self.errors_path, "ab"), cwd=self.folder,
        )
        wait_for("the page", lambda: self.get("state.json"))

    def stop(self):
        self.collector.send_signal(signal.SIGINT)
        return self.collector.wait(timeout=10)

    def __exit__(self, *_):
        for process in [self.collector, *self.agents]:
            if process and process.poll() is None:
                process.kill()
                process.wait()

    def get(self, path):
        with contextlib.suppress(OSError):
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/{path}", timeout=10) as answer:
                return json.load(answer)

    def lines(self):
        """Bits and records by (second, label, type, level) of all whole lines so far."""
        sums = collections.Counter()
        text = self.lines_path.read_text()
        for line in text[: text.rfind("\n") + 1].splitlines():
            at, label, kind, value, level = line.rsplit(":", 4)
            sums[int(at.split(".")[0]), label, kind, int(level)] += int(value)
        return sums


# ---- The browser


class Browser:
    """Chromium without a window, spoken to by its DevTools protocol over a pipe."""

    def __init__(self, folder):
        to_browser, from_browser = os.pipe(), os.pipe()

        def descriptors():
            # It reads at 3 and writes at 4. First out of the way, as the ends may have these numbers.
            ends = [os.dup2(end, place) for end, place in ((to_browser[0], 103), (from_browser[1], 104))]
            os.dup2(ends[0], 3)
            os.dup2(ends[1], 4)

        self.process = subprocess.Popen(
            [CHROMIUM, "--headless=new", "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe", "--mute-audio",
             "--disable-dev-shm-usage", "--no-first-run", "--disable-background-networking", "--disable-extensions",
             "--disable-component-update", f"--user-data-dir={folder}/profile", "about:blank"],
            close_fds=False, preexec_fn=descriptors, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        os.close(to_browser[0])
        os.close(from_browser[1])
        self.out, self.into = os.fdopen(to_browser[1], "wb"), os.fdopen(from_browser[0], "rb")
        self.number, self.answers, self.events = 0, {}, []
        self.news = threading.Condition()
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        buffer = b""
        while octets := self.into.raw.read(1 << 16):
            *messages, buffer = (buffer + octets).split(b"\0")
            with self.news:
                for message in map(json.loads, messages):
                    if "id" in message:
                        self.answers[message["id"]] = message
                    else:
                        self.events.append(message)
                self.news.notify_all()

    def call(self, method, session=None, **params):
        self.number += 1
        number = self.number
        message = {"id": number, "method": method, "params": params}
        if session:
            message["sessionId"] = session
        self.out.write(json.dumps(message).encode() + b"\0")
        self.out.flush()
        with self.news:
            if not self.news.wait_for(lambda: number in self.answers, PATIENCE):
                raise AssertionError(f"no answer to {method}")
            answer = self.answers.pop(number)
        if "error" in answer:
            raise AssertionError(f"{method}: {answer['error']}")
        return answer["result"]

    def close(self):
        with contextlib.suppress(Exception):
            self.call("Browser.close")
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


class Page:
    """A page of the browser."""

    def __init__(self, browser, url, width=1400, height=900, dark=False, is_phone=False):
        self.browser = browser
        target = browser.call("Target.createTarget", url="about:blank")["targetId"]
        self.target = target
        self.session = browser.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ["Page", "Runtime", "Log", "Network"]:
            self.call(f"{domain}.enable")
        self.resize(width, height, is_phone)
        self.scheme(dark)
        self.call("Page.navigate", url=url)

    def call(self, method, **params):
        return self.browser.call(method, self.session, **params)

    def events(self, *methods):
        with self.browser.news:
            events = list(self.browser.events)
        return [e["params"] for e in events if e.get("sessionId") == self.session and e["method"] in methods]

    def resize(self, width, height, is_phone=False):
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height,
                  deviceScaleFactor=2 if is_phone else 1, mobile=is_phone)

    def scheme(self, dark, is_still=False):
        value = "dark" if dark else "light"
        features = [{"name": "prefers-color-scheme", "value": value}]
        if is_still:
            features.append({"name": "prefers-reduced-motion", "value": "reduce"})
        self.call("Emulation.setEmulatedMedia", features=features)

    def js(self, expression):
        result = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in result:
            raise AssertionError(f"{expression}: {result['exceptionDetails']}")
        return result["result"].get("value")

    def wait(self, expression, patience=PATIENCE):
        def check():
            with contextlib.suppress(AssertionError):
                return self.js(expression)

        return wait_for(expression, check, patience)

    def key(self, key, code=None, shift=False):
        virtual = {"Tab": 9, "Enter": 13, "Escape": 27, " ": 32, "End": 35, "Home": 36, "ArrowLeft": 37,
                   "ArrowRight": 39, "ArrowDown": 40}[key]
        text = {"Enter": "\r", " ": " "}.get(key)
        params = {"key": key, "code": code or key, "windowsVirtualKeyCode": virtual, "modifiers": 8 if shift else 0}
        self.call("Input.dispatchKeyEvent", type="keyDown", **params, **({"text": text} if text else {}))
        self.call("Input.dispatchKeyEvent", type="keyUp", **params)

    def shot(self, path, whole=False):
        params = {"format": "png"}
        if whole:
            size = self.call("Page.getLayoutMetrics")["cssContentSize"]
            params |= {"captureBeyondViewport": True,
                       "clip": {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1}}
        path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot", **params)["data"]))

    def close(self):
        self.browser.call("Target.closeTarget", targetId=self.target)


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--shots", type=Path, help="folder for screenshots")
    options.add_argument("--keep", action="store_true", help="only start the lab, until Ctrl-C")
    options = options.parse_args()
    with tempfile.TemporaryDirectory() as folder, Lab(folder) as lab:
        if options.keep:
            print(f"http://127.0.0.1:{lab.port}/")
            lab.collector.wait()
            return
        browser = Browser(folder)
        url = f"http://127.0.0.1:{lab.port}/"
        options.shots.mkdir(exist_ok=True)
        pages = {"light": Page(browser, url), "dark": Page(browser, url, dark=True), "phone": Page(browser, url, 390, 844, is_phone=True)}
        time.sleep(45)
        for name, page in pages.items():
            page.shot(options.shots / f"{name}.png")
            page.shot(options.shots / f"{name}-whole.png", whole=True)
            print(name, page.js("document.title"), page.events("Log.entryAdded"), page.events("Runtime.exceptionThrown"))
        browser.close()


if __name__ == "__main__":
    sys.exit(main())
