#!/usr/bin/env python3
"""The live view of recollect in a real browser, with real agents.

Agents (`pcapper --read`, at the pace of captures that are made here) report to a `recollect --web`, whose page is
looked at in headless Chromium, by its DevTools protocol. What the page says must be what /state.json says, and
what the lines of the same recollect add up to; it must ask for nothing elsewhere, tell no errors, work by
keyboard, on a phone, in light and dark, with 64 hosts, and find recollect again after a restart.

    cargo build && python3 tests/view_chromium.py
    python3 tests/view_chromium.py --shots shots --seconds 190   # screenshots, to be looked at
    python3 tests/view_chromium.py --keep                        # leaves the lab running, for a browser of yours

It exits with 1 where something is not as it should be. Without Chromium it is skipped.
"""

import argparse
import collections
import sys
import tempfile
import threading
import time
import traceback
from pathlib import Path

from view.browser import CHROMIUM, Browser, Page
from view.lab import Lab, packets
from view.waiting import wait_for

SECONDS = 75


class Record:
    """What /state.json said of each second, as the page was looked at."""

    def __init__(self, lab):
        self.lab, self.states, self.is_over = lab, {}, False
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while not self.is_over:
            if state := self.lab.get("state.json"):
                self.states[state["interval"]["begin"]] = state
            time.sleep(0.2)

    def close(self):
        self.is_over = True
        self.thread.join()


TABLES = """
Object.fromEntries([...document.querySelectorAll(".card")].map((card) => [
  card.dataset.key,
  Object.fromEntries([...card.querySelectorAll(".numbers:first-child tbody tr")].map((row) =>
    [row.cells[0].textContent, Number(row.cells[1].dataset.bits)])),
]))
"""
OPEN = "document.querySelectorAll('.card .numbers').forEach((table) => { table.open = true })"
PAUSE = "document.getElementById('pause').click()"
BEGIN = "Number(document.getElementById('clock').dataset.begin)"


def sums(lab, begin, seconds):
    """Bits by type and label in these seconds: of lines, and for the aggregate of what was captured."""
    found = collections.defaultdict(collections.Counter)
    for (second, label, kind, _), value in lab.lines().items():
        if begin <= second < begin + seconds:
            found[kind][label] += value
    for host, label in enumerate(lab.labels, 1):
        sizes = (size - 14 for at, _, size in packets(host, lab.begin, lab.seconds) if begin <= int(at) < begin + seconds)
        found["all"][label] = 8 * sum(sizes)
    return found


def same(what, one, other):
    clean = [{key: value for key, value in numbers.items() if value} for numbers in (one, other)]
    assert clean[0] == clean[1], f"{what}: {clean[0]} is not {clean[1]}"


def check_numbers(page, lab, record, seconds=1):
    """The tables of the page are what the collector's lines, its state and the captures add up to."""
    page.js(f"document.getElementById('interval').value = '{seconds}'; "
            "document.getElementById('interval').dispatchEvent(new Event('change'))")
    begin = page.js(BEGIN)
    page.wait(f"{BEGIN} > {begin} && {BEGIN} % {seconds} === 0")
    page.js(OPEN)
    time.sleep(2.5)
    page.js(PAUSE)
    time.sleep(0.3)
    begin, tables = page.js(BEGIN), page.js(TABLES)
    page.js(PAUSE)
    time.sleep(2)
    expected = sums(lab, begin, seconds)
    assert set(tables) == {"all", "1", "2", "3", "4", "X"}, tables.keys()
    for key, table in tables.items():
        assert len(table) == lab.hosts, (key, len(table))
        same(f"page and lines, type {key}, {seconds} s from {begin}", table, expected[key])
    assert sum(tables["all"].values()) > 0 and sum(tables["4"].values()) > 0
    if seconds == 1:
        state = record.states[begin]
        for series in state["series"]:
            both = [a + b for a, b in zip(series["level0"], series["level1"])]
            same("page and state.json", tables[series["key"]], dict(zip(state["hosts"], both)))


def check_totals(lab):
    """In the end everything has arrived, and is counted once."""
    state = wait_for("the end of all captures", lambda: (state := lab.get("state.json?span=180"))
                     and all(agent["state"] == "lost" for agent in state["agents"]) and state, lab.seconds + 30)
    lines = collections.Counter()
    for (_, _, kind, level), value in lab.lines().items():
        lines[kind, level] += value
    for series in state["series"]:
        total = series["total"]
        if series["key"] != "all":
            same(series["key"], {level: lines[series["key"], level] for level in (0, 1)},
                 {0: total["level0"], 1: total["level1"]})
    sent = [size - 14 for host in range(1, lab.hosts + 1) for _, _, size in packets(host, lab.begin, lab.seconds)]
    total = state["series"][0]["total"]
    assert (total["records"], total["level0"], total["level1"]) == (len(sent), 8 * sum(sent), 0), total
    print(f"  {len(sent):,} packets, {8 * sum(sent):,} bits: all of them, once")


def check_names(page, lab):
    """What looks like HTML is text."""
    names = page.js("[...document.querySelectorAll('.card h2')].map((title) => title.textContent)")
    assert names == ["Aggregate", "Video", "Voice over IP", "MGEN flows", "<img src=x onerror=alert(1)>", "Unknown"], names
    labels = page.js("[...document.querySelectorAll('#agents tbody th')].map((cell) => cell.textContent)")
    assert labels == lab.labels
    assert page.js("document.querySelectorAll('img, main i, iframe, body script').length") == 0


FOCUSED = """
(() => {
  const element = document.activeElement;
  const style = getComputedStyle(element);
  const card = element.closest(".card")?.dataset.key;
  const name = element.id || element.className || element.parentElement.id || element.textContent.trim();
  return [card ? `${card} ${element.textContent.trim() || name}` : name, style.outlineStyle !== "none", element.tagName];
})()
"""


def check_keyboard(page, lab):
    """Everything can be reached and worked without a mouse, and it can be seen where one is."""
    page.js("window.scrollTo(0, 0); document.activeElement.blur()")
    reached = []
    while len(reached) < 200:
        page.key("Tab")
        name, is_seen, tag = page.js(FOCUSED)
        if tag == "BODY" or (reached and name == reached[0]):
            break
        assert is_seen, f"no focus to be seen on {name}"
        reached.append(name)
    for wanted in ["skip", "pause", "interval", "span", "scale", "theme", "hosts", "types"]:
        assert wanted in reached, (wanted, reached)
    for key in ["all", "1", "2", "3", "4", "X"]:
        for part in ["bars", "strip", "Hosts as a table", "History as a table"]:
            assert any(name.startswith(f"{key} ") and part in name for name in reached), (key, part, reached)

    page.js("document.querySelector('.skip').focus()")
    page.key("Enter")
    assert page.js("document.activeElement.id") == "graphs"

    card = "document.querySelector('[data-key=all]')"
    page.js(f"{card}.querySelector('.bars').focus()")
    page.key("Home")
    page.key("ArrowRight")
    text = page.js(f"{card}.querySelector('[role=status]').textContent")
    assert text.startswith(f"{lab.labels[1]}: ") and "bit/s" in text, text
    page.key("End")
    text = page.js(f"{card}.querySelector('[role=status]').textContent")
    assert text.startswith(f"{lab.labels[-1]}: "), text

    page.js("document.querySelector('#hosts summary').focus()")
    page.key("Enter")
    assert page.js("document.getElementById('hosts').open") is True
    page.key("Escape")
    assert page.js("document.getElementById('hosts').open") is False


def check_screen_readers(page):
    """Whatever can be worked has a name, and charts are told as tables."""
    nodes = page.call("Accessibility.getFullAXTree")["nodes"]
    named = 0
    for node in nodes:
        role = node.get("role", {}).get("value")
        if node.get("ignored") or role not in ["button", "combobox", "application", "checkbox", "link", "DisclosureTriangle", "table"]:
            continue
        if role != "table":
            assert node["name"]["value"].strip(), node
            named += 1
    assert named > 30, named
    assert page.js("document.documentElement.lang") == "en"
    assert page.js("document.querySelectorAll('.card table').length") == 12
    # One for each card, which speaks at a key only, and one for what is wrong.
    assert page.js("document.querySelectorAll('[role=status], [aria-live]').length") == 7


def check_choices(page, lab):
    """Some hosts, some types."""
    page.js("document.querySelector('#hosts [data-choose=none]').click();"
            "document.querySelectorAll('#hosts input')[2].click()")
    page.wait("document.querySelectorAll('[data-key=all] .numbers:first-child tbody tr').length === 1")
    asked = [request["request"]["url"] for request in page.events("Network.requestWillBeSent")]
    assert f"host={lab.labels[2]}" in asked[-1], asked[-1]
    page.js("document.querySelectorAll('#types input')[0].click()")
    assert page.js("document.querySelector('[data-key=all]').hidden") is True
    page.js("document.querySelectorAll('#types input')[0].click(); document.querySelector('#hosts [data-choose=all]').click()")
    page.wait(f"document.querySelectorAll('[data-key=all] .numbers:first-child tbody tr').length === {lab.hosts}")


def check_phone(page):
    """One column, and nothing beside the screen."""
    assert page.js("document.getElementById('agents-list').open") is False
    page.js(OPEN)
    page.js("document.getElementById('agents-list').open = true")
    page.wait("document.querySelectorAll('#agents tbody tr').length > 0")
    time.sleep(1)
    widths = page.js("[document.documentElement.scrollWidth, innerWidth]")
    assert widths[0] <= widths[1] == 390, widths
    lefts = page.js("[...new Set([...document.querySelectorAll('.card')].map((card) => card.offsetLeft))]")
    assert len(lefts) == 1, lefts


def check_themes(page):
    """Light and dark, as the system or as chosen; the choice stays."""
    ground = "getComputedStyle(document.body).backgroundColor"
    grounds = []
    for dark in [True, False]:
        page.scheme(dark)
        grounds.append(page.js(ground))
    assert grounds[0] != grounds[1], grounds
    page.js("document.getElementById('theme').value = 'dark'; document.getElementById('theme').dispatchEvent(new Event('change'))")
    assert page.js(ground) == grounds[0]
    page.call("Page.reload")
    page.wait("document.querySelectorAll('.card').length > 0")
    assert page.js(ground) == grounds[0] and page.js("document.getElementById('theme').value") == "dark"
    page.js("localStorage.clear()")
    page.scheme(False, is_still=True)
    page.call("Page.reload")
    page.wait("document.querySelectorAll('.card').length > 0")
    assert page.js(ground) == grounds[1]
    assert page.js("document.getAnimations().length") == 0


def check_quiet(pages, lab):
    """Nothing was asked of others, and nothing went wrong."""
    for page in pages:
        for request in page.events("Network.requestWillBeSent"):
            url = request["request"]["url"]
            assert url.startswith(f"http://127.0.0.1:{lab.port}/"), url
        assert not page.events("Network.webSocketCreated")
        wrong = page.events("Log.entryAdded", "Runtime.exceptionThrown")
        wrong += [call for call in page.events("Runtime.consoleAPICalled") if call["type"] in ["error", "warning"]]
        assert not wrong, wrong


def check_restart(page, lab):
    """The collector ends at once with browsers there, is missed, and found again."""
    assert lab.stop() == 0
    page.wait("document.getElementById('state').dataset.state === 'lost'")
    assert page.js("document.getElementById('notice').hidden") is False
    assert page.js("document.title").startswith("no connection")
    lab.start()
    page.wait("document.getElementById('state').dataset.state === 'live'")
    assert page.js("document.getElementById('notice').hidden") is True


def look(options, folder, lab):
    browser = Browser(folder)
    try:
        url = f"http://127.0.0.1:{lab.port}/"
        page = Page(browser, url)
        dark = Page(browser, url, dark=True)
        phone = Page(browser, url, 390, 844, is_phone=True)
        pages = {"light": page, "dark": dark, "phone": phone}
        for each in pages.values():
            each.wait("document.querySelectorAll('.card').length === 6")
        if options.shots:
            take_shots(options.shots, lab, pages)
            return
        record = Record(lab)
        checks = [
            ("numbers, one second", lambda: check_numbers(page, lab, record)),
            ("numbers, ten seconds", lambda: check_numbers(page, lab, record, 10)),
            ("names", lambda: check_names(page, lab)),
            ("keyboard", lambda: check_keyboard(page, lab)),
            ("screen readers", lambda: check_screen_readers(page)),
            ("choices", lambda: check_choices(page, lab)),
            ("phone", lambda: check_phone(phone)),
            ("light and dark", lambda: check_themes(page)),
            ("nothing asked of others, no errors", lambda: check_quiet(pages.values(), lab)),
        ]
        for name, check in checks:
            begun = time.monotonic()
            check()
            print(f"{name}: as it should be ({time.monotonic() - begun:.0f} s)", flush=True)
        record.close()
        check_totals(lab)
        print("totals: as they should be", flush=True)
        check_restart(page, lab)
        print("restart: as it should be", flush=True)
    finally:
        browser.close()


def take_shots(folder, lab, pages):
    """Late, as there is some history then."""
    folder.mkdir(parents=True, exist_ok=True)
    time.sleep(max(0, lab.begin + lab.seconds - 15 - time.time()))
    for name, page in pages.items():
        page.shot(folder / f"{name}.png")
    for name, page in pages.items():
        page.shot(folder / f"{name}-whole.png", whole=True)


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--shots", type=Path, help="only take screenshots, into this folder")
    options.add_argument("--seconds", type=int, default=SECONDS, help="how long agents report")
    options.add_argument("--keep", action="store_true", help="only start the lab, until Ctrl-C")
    options = options.parse_args()
    if not CHROMIUM and not options.keep:
        print("skipped: Chromium is not here (apt install chromium)")
        return 0
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder, Lab(folder, seconds=options.seconds) as lab:
        if options.keep:
            print(f"http://127.0.0.1:{lab.port}/")
            lab.collector.wait()
            return 0
        try:
            look(options, folder, lab)
        except AssertionError:
            traceback.print_exc()
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
