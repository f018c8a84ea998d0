// What is known of agents, and of flows that were seen at both ends.

import { make, say } from "./elements.js";
import { clock, count, duration, perSecond } from "./format.js";

// A lag beyond this, or that much ahead of us, is told as a difference of clocks, or a link that is slow.
const ODD_LAG_US = 1_000_000;
const AHEAD_US = -100_000;
// Names of IP protocols (IANA).
const PROTOCOLS = new Map([[1, "ICMP"], [2, "IGMP"], [6, "TCP"], [17, "UDP"], [47, "GRE"], [50, "ESP"], [58, "ICMPv6"], [89, "OSPF"], [132, "SCTP"]]);

// A table that keeps its rows, and changes what has changed. Columns: a title, a text of a row, and NUMBER if it is one.
const NUMBER = { class: "number" };

export class Table {
  #columns;
  #body = make("tbody");

  constructor(element, columns) {
    this.#columns = columns;
    const head = columns.map(([title, , kind]) => make("th", { scope: "col", ...kind }, title));
    element.replaceChildren(make("table", { class: "stacked" }, make("thead", {}, make("tr", {}, ...head)), this.#body));
  }

  fill(rows) {
    const body = this.#body;
    while (body.rows.length > rows.length) body.lastChild.remove();
    rows.forEach((row, place) => {
      const line = body.rows[place] ?? body.appendChild(this.#empty());
      this.#columns.forEach(([, text], column) => say(line.cells[column], text(row)));
      line.dataset.state = row.state ?? "";
    });
  }

  // On small screens each cell says what it is of.
  #empty() {
    const cells = this.#columns.map(([title, , kind], column) =>
      make(column === 0 ? "th" : "td", { "data-title": title, ...kind, ...(column === 0 ? { scope: "row" } : {}) }));
    return make("tr", {}, ...cells);
  }
}

function stateText({ state, since, why }) {
  const time = since === null ? "" : ` since ${clock(since)}`;
  switch (state) {
    case "connected":
      return `connected${time}`;
    case "lost":
      return `not connected${time}: ${why}`;
    case "ended":
      return "ended";
    default:
      return "connecting";
  }
}

// Whether the clock of an agent differs from ours, or its records come late, and how that is told.
function isOdd({ lag_us }) {
  return lag_us !== null && (lag_us > ODD_LAG_US || lag_us < AHEAD_US);
}

function lagText(agent) {
  const { lag_us } = agent;
  if (lag_us === null) return "–";
  const time = duration(Math.abs(lag_us) / 1e6);
  if (lag_us < AHEAD_US) return `clock differs: ${time} ahead of ours`;
  if (lag_us > ODD_LAG_US) return `${time}: its records come late, or its clock is behind`;
  // Clocks that agree may differ by less than a packet takes.
  return lag_us < 0 ? `−${time}` : time;
}

// What did not come, or is not in the graphs.
function lossText({ dropped, missing, partial_octets, outside, crowded_out }) {
  const parts = [];
  if (dropped) parts.push(`${count(dropped)} packets dropped there`);
  if (missing) parts.push(`${count(missing)} records missing`);
  if (partial_octets) parts.push(`${count(partial_octets)} octets of cut records`);
  if (outside) parts.push(`${count(outside)} records not drawn: their time is too far from ours`);
  if (crowded_out) parts.push(`${count(crowded_out)} not drawn: no room`);
  return parts.join("; ") || (dropped === null ? "" : "none");
}

const AGENT_COLUMNS = [
  ["Agent", ({ label }) => label],
  ["Where", ({ place }) => place],
  ["State", stateText],
  ["Records/s", ({ rate }) => perSecond(rate), NUMBER],
  ["Records", ({ records }) => count(records), NUMBER],
  ["Lag", lagText],
  ["Lost", lossText],
];

export class Agents {
  #table = new Table(document.getElementById("agents"), AGENT_COLUMNS);
  #sum = document.getElementById("agents-sum");

  // Rates are those of the aggregate, by agent.
  take({ agents, browsers }, rates) {
    this.#table.fill(agents.map((agent, place) => ({ ...agent, rate: rates[place] })));
    say(this.#sum, [...agentsText(agents), browsersText(browsers)].filter(Boolean).join(" · "));
  }
}

// How agents are, in a few words, those that are well first.
export function agentsText(agents) {
  const of = (state) => agents.filter((agent) => agent.state === state);
  const some = (list, text) => {
    const names = list.slice(0, 5).map(({ label }) => label).join(", ");
    const more = list.length > 5 ? ", …" : "";
    return list.length > 0 ? `${list.length} ${text} (${names}${more})` : "";
  };
  const connected = of("connected").length;
  const ended = of("ended").length;
  return [
    ended > 0 ? `${ended} of ${agents.length} ended` : `${connected} of ${agents.length} connected`,
    some(of("lost"), "not connected"),
    some(of("connecting"), "not yet connected"),
    some(agents.filter((agent) => agent.state === "connected" && isOdd(agent)), "late or with another clock"),
  ].filter(Boolean);
}

function browsersText({ connected, turned_away }) {
  const away = turned_away > 0 ? `, ${count(turned_away)} turned away` : "";
  return `${connected} ${connected === 1 ? "browser" : "browsers"} connected${away}`;
}

function delayText(delay, which) {
  return delay === null ? "–" : duration(delay[which] / 1e9).replace("-", "−");
}

const FLOW_COLUMNS = [
  ["From", ({ sender }) => sender],
  ["To", ({ receiver }) => receiver],
  ["Flow", (flow) => {
    // Port 0 is that of protocols without ports.
    const [source, destination] = [flow.source, flow.destination].map((place) => place.replace(/:0$/, ""));
    const protocol = PROTOCOLS.get(flow.protocol) ?? `protocol ${flow.protocol}`;
    const mgen = flow.flow_id === null ? "" : `, MGEN ${flow.flow_id}`;
    return `${protocol} ${source} → ${destination}${mgen}`;
  }],
  ["Sent", ({ sent }) => count(sent), NUMBER],
  // Of those that were received so long ago that losses are known, too.
  ["Lost", ({ settled, lost }) => (lost === 0 ? "0" : `${count(lost)} (${((100 * lost) / (settled + lost)).toFixed(2)} %)`), NUMBER],
  // Where a receiver has packets put together (offload), those that it did not see may have come.
  ["Not known", ({ unknown, is_uncut }) => `${count(unknown)}${is_uncut ? " (offload)" : ""}`, NUMBER],
  ["Duplicates", ({ duplicated }) => count(duplicated), NUMBER],
  ["Delay: least", ({ delay_ns }) => delayText(delay_ns, "least"), NUMBER],
  ["Median", ({ delay_ns }) => delayText(delay_ns, "median"), NUMBER],
  ["99 %", ({ delay_ns }) => delayText(delay_ns, "p99"), NUMBER],
  ["Most", ({ delay_ns }) => delayText(delay_ns, "most"), NUMBER],
];

export class Flows {
  #panel = document.getElementById("flows-panel");
  #table = new Table(document.getElementById("flows"), FLOW_COLUMNS);
  #sum = document.getElementById("flows-sum");

  take({ flows, flows_in_all, flows_crowded_out }) {
    this.#panel.hidden = flows.length === 0;
    // Those that lose most come first.
    const share = ({ settled, lost }) => (lost === 0 ? 0 : lost / (settled + lost));
    this.#table.fill(flows.toSorted((one, other) => share(other) - share(one)));
    const shown = flows.length < flows_in_all ? `the first ${flows.length} of ${count(flows_in_all)}; ` : "";
    const gone = flows_crowded_out > 0 ? `${count(flows_crowded_out)} had to go for lack of room; ` : "";
    say(this.#sum, `${shown}${gone}losses and delays are known some seconds after the packets were sent; delays compare the clocks of two hosts: a negative delay means that the clocks differ`);
  }
}
