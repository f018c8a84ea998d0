// What bars and history have in common: scales, labels, and ways to go through them by keyboard.

import { make, say } from "./elements.js";
import { scaleFor } from "./format.js";

// How long a scale stays when less would do, so that it does not jump with each frame.
const CALM_MS = 15_000;
// Pixels left of all graphs, so that they begin at the same place.
export const AXIS_WIDTH = 76;
// Pixels of a line of text, and between two words.
const LINE = 13;
const GAP = 8;
// Characters of a label under a bar; all of it is in the tooltip and in the table.
const LONGEST_LABEL = 14;

// The upper end of a scale: up at once, down only after a while.
export class Scale {
  #now = scaleFor(0);
  #since = 0;

  fit(value) {
    const wanted = scaleFor(value);
    const now = performance.now();
    if (wanted.top >= this.#now.top || now - this.#since > CALM_MS) {
      this.#now = wanted;
      this.#since = now;
    }
    return this.#now;
  }
}

// What both charts have in common. Nothing is animated: the next frame comes before an animation would end, and
// those who want no motion have none.
export function common() {
  return {
    animation: false,
    responsive: true,
    maintainAspectRatio: false,
    interaction: { mode: "index", intersect: false },
    layout: { autoPadding: false, padding: { top: 6, right: 10, bottom: 2 } },
  };
}

export function scale(axis, { top, step }) {
  axis.max = top || 1;
  axis.ticks.stepSize = step;
  // Without anything to draw there is no scale.
  axis.ticks.display = top > 0;
}

// Draws, and says what is new of a bar or point that was gone to by keyboard.
export function refresh(chart) {
  chart.update();
  if (chart.tooltip.getActiveElements().length === 0) return;
  chart.tooltip.update(true);
  chart.draw();
}

// Whole minutes between two times, some five at most.
export function minutes(from, to) {
  const step = [60, 120, 300, 600].find((step) => (to - from) / step <= 5) ?? 900;
  const found = [];
  for (let at = Math.ceil(from / step) * step; at <= to; at += step) found.push(at);
  return found;
}

export function short(label) {
  return label.length > LONGEST_LABEL ? `${label.slice(0, LONGEST_LABEL - 1)}…` : label;
}

const ruler = document.createElement("canvas").getContext("2d");

// Which hosts are named under their bars, and whether upright: each of them, or where there is no room each
// second, fifth, and so on. Level text is easier to read, until it is too rare.
export function labelling(labels, width) {
  ruler.font = `${Chart.defaults.font.size}px ${Chart.defaults.font.family}`;
  const longest = labels.reduce((most, label) => Math.max(most, ruler.measureText(label).width), 0);
  const share = Math.max(1, width) / Math.max(1, labels.length);
  const every = (room) => [1, 2, 5, 10, 20, 50, 100].find((every) => every * share >= room) ?? 200;
  const [level, upright] = [every(longest + GAP), every(LINE)];
  const isUpright = level > 5 || (level > 1 && upright === 1);
  const chosen = isUpright ? upright : level;
  const rotation = isUpright ? 90 : 0;
  return {
    minRotation: rotation,
    maxRotation: rotation,
    callback: (_, place) => (place % chosen === 0 ? labels[place] : ""),
  };
}

export function chartBox(kind, label) {
  const attributes = { class: kind, tabindex: "0", role: "application", "aria-label": label };
  return make("div", attributes, make("canvas", { "aria-hidden": "true" }));
}

// Goes through the bars or points of a chart by keyboard, and tells each.
export function explore(box, chart, text, readout) {
  let place = 0;
  const show = () => {
    const count = chart.data.datasets[0].data.length;
    if (count === 0) return;
    place = Math.min(Math.max(place, 0), count - 1);
    const active = [{ datasetIndex: 0, index: place }];
    chart.setActiveElements(active);
    chart.tooltip.setActiveElements(active, { x: 0, y: 0 });
    chart.update();
    say(readout, text(place).replaceAll("; ", ", "));
  };
  const keys = {
    ArrowLeft: () => place - 1,
    ArrowRight: () => place + 1,
    PageUp: () => place - 10,
    PageDown: () => place + 10,
    Home: () => 0,
    End: () => Infinity,
  };
  box.addEventListener("keydown", (event) => {
    const move = keys[event.key];
    if (!move || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    place = move();
    show();
  });
  box.addEventListener("focus", () => {
    // A click shows its own.
    if (box.matches(":focus-visible")) show();
  });
  box.addEventListener("blur", () => {
    chart.setActiveElements([]);
    chart.tooltip.setActiveElements([], { x: 0, y: 0 });
    chart.update();
  });
}
