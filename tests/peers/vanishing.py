"""recollect, and agents that are slow, nowhere, or gone without a word."""

import collections
import contextlib
import socket
import threading
import time

from peers.collectors import frames_of
from peers.flood import at_a_rate
from peers.lab import METRICS, PORT, sh, until

RATE = 200
# What docs/recollect.md says, and what a busy machine adds.
NOTICED = 60 + 15


def vanishing(lab, report):
    """Of two agents one vanishes and comes back; the other one's records come all the time."""
    with lab.on("right"):
        slow = socket.create_server((lab.address("right"), PORT + 5))
    trickle = threading.Thread(target=trickling, args=(slow,), daemon=True)
    trickle.start()
    agents = {
        "left": lab.agent("left", f"-i eth0 -m src -f /dev/null {METRICS}"),
        "right": lab.agent("right", f"-i eth0 -m dst -f /dev/null {METRICS}"),
    }
    config = "1=9\n" + "".join(f"{host}:{lab.address(host)}:{PORT}\n" for host in agents)
    config += f"slow:{lab.address('right')}:{PORT + 5}\nnobody:10.97.0.99:{PORT}\n"
    recollect = lab.recollect("third", config)
    for text in ("left: connected", "right: connected", "slow: connected", "nobody: cannot connect"):
        recollect.says(text)
    until("both agents have it", lambda: all(
        lab.metric(host, "pcapper_collectors") == 1 for host in agents))
    sender = Sender(lab.wire("third"), frames_of(lab, "third", "right"))
    at_a_rate(lab.wire("left"), frames_of(lab), 400, RATE)
    until("what left sends is there", lambda: told(recollect)["left"] == 400)
    begun = time.monotonic()
    sh(f"ip -n {lab.space('hub')} link set left down")
    with contextlib.suppress(Exception):
        recollect.says("left: connection lost", NOTICED)
    noticed = time.monotonic() - begun
    report.check("an agent that is gone without a word is noticed, and told", noticed < NOTICED,
                 f"after {noticed:.0f} s: {[line for line in recollect.said().splitlines() if 'lost' in line]}")
    sh(f"ip -n {lab.space('hub')} link set left up")
    begun = time.monotonic()
    until("it is connected to again", lambda: recollect.said().count("left: connected to") == 2)
    report.tell(f"when it is back it is connected to after {time.monotonic() - begun:.0f} s")
    until("the agent has it", lambda: lab.metric("left", "pcapper_collectors_total") == 2)
    at_a_rate(lab.wire("left"), frames_of(lab), 400, RATE)
    until("its records come again", lambda: told(recollect)["left"] == 800)
    sent = sender.end()
    # Those of left go to right, too, while its link is there.
    until("all of right is there", lambda: told(recollect)["right"] >= sent)
    gap = longest_gap(recollect, "right")
    report.tell(f"the longest gap between records of the other agent: {1000 * gap:.0f} ms")
    report.equal("each agent ends well", [agent.end() for agent in agents.values()], [0, 0])
    time.sleep(0.5)
    report.equal("recollect ends well", recollect.end(), 0)
    # What recollect sends to others before it is there is recorded, and nobody is told.
    recorded = agents["right"].account()["recorded"] - agents["right"].number("while nobody was there")
    report.equal("the other agent: lines = what it has recorded", told(recollect)["right"], recorded)
    report.equal("the other agent: of what it has recorded, nothing was lost meanwhile",
                 agents["right"].number("not taken in time"), 0)
    report.equal("the one that vanished: lines", told(recollect)["left"], 800)
    slow.close()


class Sender:
    """Sends without an end, in a thread of its own."""

    def __init__(self, wire, frames):
        self.wire, self.frames = wire, frames
        self.sent, self.is_over = 0, False
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while not self.is_over:
            self.sent += at_a_rate(self.wire, self.frames, RATE // 10, RATE)

    def end(self):
        self.is_over = True
        self.thread.join()
        return self.sent


def told(recollect):
    """Lines by agent."""
    return collections.Counter(line.split(":")[1] for line in recollect.lines() if line.count(":") == 4)


def longest_gap(recollect, agent):
    """Seconds between two datagrams that an agent reports, by their own times, at most."""
    lines = (line.split(":") for line in recollect.lines())
    times = [float(line[0]) for line in lines if line[1:3] == [agent, "1"]]
    return max(later - earlier for earlier, later in zip(times, times[1:]))


def trickling(listener):
    """An agent of whose records an octet comes each second, as long as somebody is there."""
    with contextlib.suppress(OSError):
        while True:
            stream, _ = listener.accept()
            with stream, contextlib.suppress(OSError):
                while True:
                    stream.send(b"\0")
                    time.sleep(1)
