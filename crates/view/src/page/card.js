// One type of traffic: its rate, a bar for each host, the history as a strip, and both as tables.
//
// Names and labels come from files and may be any text: they become text nodes and canvas text, never HTML.

import { make, say, table } from "./elements.js";
import { amount, bits, clock, perSecond } from "./format.js";
import { AXIS_WIDTH, Scale, chartBox, common, explore, labelling, minutes, refresh, scale, short } from "./graph.js";

// A value of a series in its unit: bits by the second, or the mean of what was reported.
function measured(unit, seconds, records, level) {
  if (unit === "bits") return level / seconds;
  return records === 0 ? 0 : level / records;
}

export class Card {
  #unit;
  #series;
  #history = new Map();
  #barScale = new Scale();
  #stripScale = new Scale();
  #parts = {};
  #bars;
  #strip;
  #hosts = [];
  #points = [];
  #range = { first: 0, end: 1 };
  // What the charts were drawn of, and whether that is still so: drawing is what takes most time.
  #drawn = "";
  #isStale = true;

  constructor(series) {
    this.key = series.key;
    this.name = series.name;
    this.#unit = series.unit;
    this.element = this.#build();
    this.#bars = this.#barChart();
    this.#strip = this.#stripChart();
    explore(this.#parts.bars, this.#bars, (place) => this.#barText(place), this.#parts.readout);
    explore(this.#parts.strip, this.#strip, (place) => this.#pointText(place), this.#parts.readout);
  }

  get isTraffic() {
    return this.#unit === "bits";
  }

  #build() {
    const id = `card-${this.key}`;
    const parts = this.#parts;
    parts.swatch = make("span", { class: "swatch", "aria-hidden": "true" });
    parts.now = make("data", { class: "now" }, "–");
    parts.detail = make("p", { class: "detail" });
    parts.bars = chartBox("bars", `${this.name}: bars by host. Arrow keys go from host to host.`);
    parts.strip = chartBox("strip", `${this.name}: history. Arrow keys go back and forth.`);
    parts.readout = make("p", { class: "hidden", role: "status" });
    const title = this.#unit === "bits" ? "Rate" : "Value";
    parts.hostTable = table("Hosts as a table", ["Host", title, "Level 1", "Packets/s"]);
    parts.pointTable = table("History as a table", ["From", title, "Level 1", "Packets/s"]);
    return make(
      "section",
      { class: "card", "aria-labelledby": id, "data-key": this.key },
      make("div", { class: "head" }, make("h2", { id }, parts.swatch, this.name), parts.now),
      parts.detail,
      parts.bars,
      parts.strip,
      parts.readout,
      make("div", { class: "tables" }, parts.hostTable.element, parts.pointTable.element),
    );
  }

  #barChart() {
    const level = (label) => ({ label, data: [], borderWidth: 1, borderSkipped: false, minBarLength: 0 });
    return new Chart(this.#parts.bars.firstChild, {
      type: "bar",
      data: { labels: [], datasets: [level("level 0"), level("level 1")] },
      options: {
        ...common(),
        datasets: { bar: { categoryPercentage: 0.92, barPercentage: 0.92, maxBarThickness: 48 } },
        scales: {
          x: { stacked: true, grid: { display: false }, ticks: { autoSkip: false } },
          y: this.#axis(),
        },
        plugins: { legend: { display: false }, tooltip: this.#tooltip((place) => this.#barText(place)) },
      },
    });
  }

  #stripChart() {
    const level = (label, fill) => ({ label, data: [], fill, borderWidth: 1, pointRadius: 0, pointHitRadius: 0 });
    return new Chart(this.#parts.strip.firstChild, {
      type: "line",
      data: { datasets: [level("level 0", "origin"), level("level 1", "-1")] },
      options: {
        ...common(),
        parsing: false,
        scales: {
          x: {
            type: "linear",
            ticks: { callback: (seconds) => clock(seconds, false), maxRotation: 0, autoSkipPadding: 12 },
            afterBuildTicks: (axis) => {
              axis.ticks = minutes(axis.min, axis.max).map((value) => ({ value }));
            },
          },
          y: this.#axis(),
        },
        plugins: { legend: { display: false }, tooltip: this.#tooltip((place) => this.#pointText(place)) },
      },
    });
  }

  #axis() {
    const callback = (value) => amount(value, this.#unit);
    const afterFit = (axis) => {
      axis.width = AXIS_WIDTH;
    };
    return { stacked: true, min: 0, max: 1, border: { display: false }, ticks: { callback }, afterFit };
  }

  // One line for a bar or a point, the same that screen readers get.
  #tooltip(text) {
    return {
      mode: "index",
      intersect: false,
      displayColors: false,
      animation: false,
      callbacks: {
        title: () => "",
        label: (item) => (item.datasetIndex === 0 ? text(item.dataIndex).split("; ") : []),
      },
    };
  }

  #value(records, level, seconds) {
    return measured(this.#unit, seconds, records, level);
  }

  #barText(place) {
    const host = this.#hosts[place];
    return host ? this.#text(host.label, host) : "";
  }

  #pointText(place) {
    const point = this.#points[place];
    return point ? this.#text(clock(point.begin), point) : "";
  }

  #text(what, of) {
    const parts = [`${what}: ${amount(of.value0 + of.value1, this.#unit)}`];
    if (of.value1 > 0) parts.push(`level 1 of it: ${amount(of.value1, this.#unit)}`);
    if (this.#unit === "bits") parts.push(`${perSecond(of.packets)} records/s`);
    if (of.isAway) parts.push("no connection");
    return parts.join("; ");
  }

  // Takes a frame: the bars of it, and what it adds to the history.
  take(frame, series, view) {
    this.#series = series;
    const of = [frame.time, frame.interval, series.level0, series.level1, series.records, series.history, view.hosts];
    const drawn = JSON.stringify(of);
    this.#isStale ||= frame.full || drawn !== this.#drawn;
    this.#drawn = drawn;
    if (frame.full) this.#history.clear();
    for (const [begin, ...levels] of series.history) this.#history.set(begin, levels);
    const { seconds, steps } = frame.history;
    const end = Math.floor(frame.time / seconds) * seconds;
    const first = end - seconds * steps;
    for (const begin of this.#history.keys()) if (begin < first) this.#history.delete(begin);
    this.#hosts = view.hosts.map(({ label, place, isAway }) => ({
      label,
      isAway,
      bits: series.level0[place] + series.level1[place],
      records: series.records[place],
      ...this.#levels(series.records[place], series.level0[place], series.level1[place], frame.interval.seconds),
    }));
    this.#points = [];
    // Before the first record there is no history, not one of zeros.
    const began = Math.max(first, Math.floor((frame.began ?? end) / seconds) * seconds);
    for (let begin = began; begin < end; begin += seconds) {
      const [records, level0, level1] = this.#history.get(begin) ?? [0, 0, 0];
      this.#points.push({ begin, ...this.#levels(records, level0, level1, seconds) });
    }
    this.#range = { first, end: Math.max(end - seconds, first + seconds) };
  }

  #levels(records, level0, level1, seconds) {
    return {
      value0: this.#value(records, level0, seconds),
      value1: this.#value(records, level1, seconds),
      packets: records / seconds,
    };
  }

  // The highest bar and the highest point.
  get peaks() {
    const highest = (list) => list.reduce((most, { value0, value1 }) => Math.max(most, value0 + value1), 0);
    return { bar: highest(this.#hosts), point: highest(this.#points) };
  }

  // What is at its top.
  get rate() {
    const text = amount(this.#now().value, this.#unit);
    return this.isTraffic ? text : `${text} on average`;
  }

  // What all its hosts come to: a sum of rates, or a mean of the others.
  #now() {
    const sum = (of) => this.#hosts.reduce((sum, host) => sum + of(host), 0);
    const of = this.isTraffic ? 1 : Math.max(1, this.#hosts.filter(({ records }) => records > 0).length);
    return {
      value: sum(({ value0, value1 }) => value0 + value1) / of,
      level1: sum(({ value1 }) => value1) / of,
      packets: sum(({ packets }) => packets),
      bits: sum(({ bits }) => bits),
    };
  }

  // Draws what it took. The peaks are those of all cards where they have one scale.
  draw(peaks, colors) {
    this.#tell();
    if (!this.#isStale) return;
    this.#isStale = false;
    // What agents measure of processors may be some percent over 100.
    const fitting = (value) => (this.#unit === "percent" && value <= 110 ? 100 : value);
    this.#drawBars(this.#barScale.fit(fitting(peaks.bar)), colors);
    this.#drawStrip(this.#stripScale.fit(fitting(peaks.point)), colors);
  }

  // Has the next drawing draw everything.
  spoil() {
    this.#isStale = true;
  }

  // What is told by text.
  #tell() {
    const [parts, unit] = [this.#parts, this.#unit];
    const now = this.#now();
    say(parts.now, this.rate);
    parts.now.value = now.bits;
    const total = this.#series.total;
    const detail = [];
    if (now.level1 > 0) detail.push(`level 1: ${amount(now.level1, unit)}`);
    if (unit === "bits") {
      detail.push(`${perSecond(now.packets)} records/s`, `${bits(total.level0 + total.level1)} in all`);
    }
    say(parts.detail, detail.join(" · "));
    const row = (name, of) => [
      name,
      amount(of.value0 + of.value1, unit),
      of.value1 > 0 ? amount(of.value1, unit) : "",
      unit === "bits" ? perSecond(of.packets) : "",
    ];
    parts.hostTable.fill(this.#hosts.map((host) => [row(host.label, host), host.bits]));
    const points = this.#points.toReversed();
    parts.pointTable.fill(points.map((point) => [row(clock(point.begin), point)]));
  }

  #drawBars(fitting, colors) {
    const { data, options } = this.#bars;
    data.labels = this.#hosts.map(({ label }) => short(label));
    data.datasets[0].data = this.#hosts.map(({ value0 }) => value0);
    data.datasets[1].data = this.#hosts.map(({ value1 }) => value1);
    scale(options.scales.y, fitting);
    Object.assign(options.scales.x.ticks, labelling(data.labels, this.#parts.bars.clientWidth - AXIS_WIDTH));
    const isAway = ({ tick }) => this.#hosts[tick?.value]?.isAway;
    options.scales.x.ticks.color = (context) => (isAway(context) ? colors.alarm : colors.text);
    refresh(this.#bars);
  }

  #drawStrip(fitting, colors) {
    const { data, options } = this.#strip;
    data.datasets[0].data = this.#points.map(({ begin, value0 }) => ({ x: begin, y: value0 }));
    data.datasets[1].data = this.#points.map(({ begin, value1 }) => ({ x: begin, y: value1 }));
    options.scales.x.min = this.#range.first;
    options.scales.x.max = this.#range.end;
    options.scales.x.ticks.color = colors.text;
    scale(options.scales.y, fitting);
    refresh(this.#strip);
  }

  // Takes colours, of the type and of what is around it.
  paint(series, isDark, colors) {
    const [color, relay] = isDark ? series.dark : series.light;
    this.#parts.swatch.style.background = color;
    for (const chart of [this.#bars, this.#strip]) {
      const [level0, level1] = chart.data.datasets;
      Object.assign(level0, { backgroundColor: color, borderColor: color });
      // With its border the pale part can be told from the background, whatever its colour is.
      Object.assign(level1, { backgroundColor: relay, borderColor: color });
      for (const axis of Object.values(chart.options.scales)) {
        axis.ticks.color = colors.text;
        axis.grid.color = colors.line;
      }
      chart.options.scales.x.border = { color: colors.line };
    }
    for (const level of this.#strip.data.datasets) level.backgroundColor = `${level.backgroundColor}b0`;
  }

  close() {
    this.#bars.destroy();
    this.#strip.destroy();
    this.element.remove();
  }
}
