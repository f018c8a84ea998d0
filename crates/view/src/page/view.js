// The live view of recollect: takes frames as the server pushes them, and draws them.
//
// Frames come at most four times a second; they are drawn when the browser draws, and only the last one if
// several came in between. The first frame of a connection is full, those after it add to the history.

import { Card } from "./card.js";
import { make, say } from "./elements.js";
import { clock } from "./format.js";
import { Agents, Flows, agentsText } from "./panels.js";

// Without any sign of life for that long a connection is given up; the server sends some each 15 seconds.
const SILENCE_MS = 40_000;
const RETRY_MS = 2_000;

const byId = (id) => document.getElementById(id);
const cards = new Map();
const agents = new Agents();
const flows = new Flows();
const systemDark = matchMedia("(prefers-color-scheme: dark)");

let frame = null;
let source = null;
let retry = 0;
let heard = performance.now();
let isPaused = false;
let isDrawn = true;
let notice = "";
// Whether what is drawn is dark.
let painted = null;

// ---- The stream

function url() {
  const query = new URLSearchParams({ interval: byId("interval").value, span: byId("span").value });
  const chosen = hosts.chosen();
  // No host has an empty label: that wants none.
  if (chosen) for (const label of chosen.length > 0 ? chosen : [""]) query.append("host", label);
  return `events?${query}`;
}

function connect() {
  disconnect();
  heard = performance.now();
  source = new EventSource(url());
  source.addEventListener("message", (event) => {
    heard = performance.now();
    tell("");
    take(JSON.parse(event.data));
  });
  source.addEventListener("error", () => lost());
}

function disconnect() {
  clearTimeout(retry);
  source?.close();
  source = null;
}

// The browser's own attempts end with the first answer that is no stream, so they are made here.
function lost() {
  disconnect();
  tell("No connection with recollect: it has ended, or has as many browsers as it takes. Trying again …");
  retry = setTimeout(connect, RETRY_MS);
}

// What is wrong, told once, and not with each attempt.
function tell(text) {
  if (text === notice) return;
  notice = text;
  byId("notice").hidden = text === "";
  say(byId("notice"), text);
  status();
}

setInterval(() => {
  if (source && performance.now() - heard > SILENCE_MS) lost();
}, 5_000);

// ---- What a frame has

function take(next) {
  frame = next;
  hosts.offer(frame.hosts.map((label) => [label, label]));
  types.offer(frame.series.map(({ key, name }) => [key, name]));
  const shown = {
    hosts: frame.hosts
      .map((label, place) => ({ label, place, isAway: ["lost", "connecting"].includes(frame.agents[place].state) }))
      .filter(({ label }) => hosts.isChosen(label)),
  };
  byId("graphs").style.setProperty("--hosts", shown.hosts.length);
  for (const series of frame.series) {
    const card = cards.get(series.key) ?? add(series);
    card.take(frame, series, shown);
    card.element.hidden = !types.isChosen(series.key);
  }
  for (const key of cards.keys()) if (!frame.series.some((series) => series.key === key)) remove(key);
  status();
  soon();
}

function add(series) {
  const card = new Card(series);
  cards.set(series.key, card);
  card.paint(series, isDark(), colors());
  // In the order of the frame, also where processor and memory come later.
  const place = frame.series.findIndex(({ key }) => key === series.key);
  byId("graphs").insertBefore(card.element, byId("graphs").children[place] ?? null);
  return card;
}

function remove(key) {
  cards.get(key).close();
  cards.delete(key);
}

// ---- Drawing

function soon() {
  if (!isDrawn) return;
  isDrawn = false;
  requestAnimationFrame(() => {
    isDrawn = true;
    draw();
  });
}

function draw() {
  if (!frame) return;
  repaint();
  const around = colors();
  const shown = [...cards.values()].filter((card) => !card.element.hidden);
  const most = { bar: 0, point: 0 };
  for (const card of shown.filter((card) => card.isTraffic)) {
    most.bar = Math.max(most.bar, card.peaks.bar);
    most.point = Math.max(most.point, card.peaks.point);
  }
  const isSame = byId("scale").value === "same";
  for (const card of shown) card.draw(isSame && card.isTraffic ? most : card.peaks, around);
  const [all] = frame.series;
  agents.take(frame, all.records.map((records) => records / frame.interval.seconds));
  flows.take(frame);
}

// The line at the top, and the title, which is all that is seen of a page in the background.
function status() {
  const state = byId("state");
  const name = notice ? "lost" : isPaused ? "paused" : frame?.over ? "over" : frame ? "live" : "waiting";
  state.dataset.state = name;
  state.dataset.isWhole = name === "live" && frame.agents.every((agent) => agent.state === "connected");
  const texts = {
    lost: "No connection",
    paused: "Paused",
    over: "Ended",
    live: frame ? agentsText(frame.agents).join(" · ") : "",
    waiting: "Connecting …",
  };
  say(state.firstElementChild, texts[name]);
  if (!frame) return;
  const { begin, seconds } = frame.interval;
  say(byId("clock"), `${clock(begin)} to ${clock(begin + seconds)}`);
  byId("clock").dataset.begin = begin;
  const rate = cards.get("all")?.rate ?? "";
  const title = { lost: "no connection", paused: "paused", over: "ended", live: rate, waiting: "connecting" }[name];
  document.title = `${title} – recollect`;
}

// ---- Light and dark

function isDark() {
  const choice = document.documentElement.dataset.theme;
  return choice === "dark" || (choice !== "light" && matchMedia(systemDark.media).matches);
}

// Colours of the style sheet, for what is drawn on canvas.
function colors() {
  const style = getComputedStyle(byId("state"));
  const of = (name) => style.getPropertyValue(name).trim();
  return isDark()
    ? { text: of("--dark-text"), line: of("--dark-line"), alarm: of("--dark-alarm") }
    : { text: of("--light-text"), line: of("--light-line"), alarm: of("--light-alarm") };
}

// Gives all cards the colours of now, if they have others.
function repaint() {
  if (isDark() === painted) return;
  painted = isDark();
  for (const series of frame.series) {
    const card = cards.get(series.key);
    card?.paint(series, painted, colors());
    card?.spoil();
  }
}

function redraw() {
  for (const card of cards.values()) card.spoil();
  soon();
}

// ---- Choices

// A list of check boxes; with all of them ticked, what comes later is chosen too.
class Chooser {
  #element;
  #boxes;
  #offered = "";

  constructor(element, changed) {
    this.#element = element;
    this.#boxes = element.querySelector(".boxes");
    element.addEventListener("change", changed);
    for (const button of element.querySelectorAll("[data-choose]")) {
      button.addEventListener("click", () => {
        for (const box of this.#inputs()) box.checked = button.dataset.choose === "all";
        changed();
      });
    }
    // As menus do.
    element.addEventListener("keydown", (event) => {
      if (event.key === "Escape" && element.open) {
        element.open = false;
        element.querySelector("summary").focus();
      }
    });
  }

  #inputs() {
    return [...this.#boxes.querySelectorAll("input")];
  }

  offer(options) {
    const offered = JSON.stringify(options);
    if (offered === this.#offered) return;
    this.#offered = offered;
    const off = new Set(this.#inputs().filter((box) => !box.checked).map((box) => box.value));
    this.#boxes.replaceChildren(...options.map(([value, text]) => {
      const box = make("input", { type: "checkbox", value });
      box.checked = !off.has(value);
      return make("label", {}, box, text);
    }));
    this.tell();
  }

  isChosen(value) {
    return !this.#inputs().some((box) => box.value === value && !box.checked);
  }

  // Those that are chosen; null for all.
  chosen() {
    const inputs = this.#inputs();
    const chosen = inputs.filter((box) => box.checked);
    return chosen.length === inputs.length ? null : chosen.map((box) => box.value);
  }

  tell() {
    const chosen = this.chosen();
    const text = chosen === null ? `all ${this.#inputs().length}` : `${chosen.length} of ${this.#inputs().length}`;
    say(this.#element.querySelector(".chosen"), text);
  }
}

const hosts = new Chooser(byId("hosts"), () => {
  hosts.tell();
  connect();
});
const types = new Chooser(byId("types"), () => {
  types.tell();
  if (frame) take({ ...frame, full: false });
  redraw();
});

for (const id of ["interval", "span"]) byId(id).addEventListener("change", connect);
byId("scale").addEventListener("change", redraw);
// Other labels may have room.
addEventListener("resize", redraw);
byId("theme").value = theme.read();
byId("theme").addEventListener("change", () => {
  theme.choose(byId("theme").value);
  soon();
});
systemDark.addEventListener("change", soon);
byId("controls").addEventListener("submit", (event) => event.preventDefault());
byId("pause").addEventListener("click", () => {
  isPaused = !isPaused;
  byId("pause").setAttribute("aria-pressed", isPaused);
  say(byId("pause"), isPaused ? "Go on" : "Pause");
  if (isPaused) disconnect();
  else connect();
  tell("");
  status();
});
// Lists that are open close when something else is clicked, as menus do.
document.addEventListener("pointerdown", (event) => {
  for (const list of document.querySelectorAll(".chooser[open]")) {
    if (!list.contains(event.target)) list.open = false;
  }
});

Chart.defaults.font.family = "system-ui, sans-serif";
Chart.defaults.font.size = 11;
// Where it would fill many screens the list is folded; how agents are is in the line above it.
byId("agents-list").open = matchMedia("(min-width: 40rem)").matches;
connect();
