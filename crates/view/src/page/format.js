// Numbers as people read them. Units are those of the SI: 1 kbit/s is 1000 bits per second.

const PREFIXES = ["", "k", "M", "G", "T", "P", "E"];

// Three digits and a prefix: 1.25 M. What rounds to 1000 is one of the next prefix.
function prefixed(value, unit) {
  let place = 0;
  while (Math.abs(value) >= 999.5 && place + 1 < PREFIXES.length) {
    value /= 1000;
    place += 1;
  }
  const size = Math.abs(value);
  const digits = size === 0 || size >= 99.95 ? 0 : size >= 9.995 ? 1 : 2;
  // No zeros at the end, as in 5.00.
  return `${Number(value.toFixed(digits))} ${PREFIXES[place]}${unit}`;
}

// A value of a series, by its unit.
export function amount(value, unit) {
  switch (unit) {
    case "percent":
      return `${Math.round(value)} %`;
    case "octets":
      return prefixed(value, "B");
    default:
      return prefixed(value, "bit/s");
  }
}

export function bits(value) {
  return prefixed(value, "bit");
}

export function perSecond(value) {
  if (value === 0) return "0";
  return value < 10 ? value.toFixed(1) : Math.round(value).toLocaleString("en");
}

export function count(value) {
  return value.toLocaleString("en");
}

// The time of day here, of seconds since 1970.
export function clock(seconds, withSeconds = true) {
  const parts = { hour: "2-digit", minute: "2-digit", hourCycle: "h23" };
  if (withSeconds) parts.second = "2-digit";
  return new Date(seconds * 1000).toLocaleTimeString("en-GB", parts);
}

// A time that is no day of its own: 12 ms, 3.4 s, 2 min, 5 h.
export function duration(seconds) {
  const size = Math.abs(seconds);
  if (size < 0.0001) return `${Math.round(seconds * 1e6)} µs`;
  if (size < 0.9995) return `${Number((seconds * 1000).toPrecision(3))} ms`;
  if (size < 120) return `${Number(seconds.toFixed(1))} s`;
  if (size < 7200) return `${Math.round(seconds / 60)} min`;
  if (size < 172800) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / 86400)} days`;
}

// Upper ends of scales, and how far apart their lines are; times any power of ten.
const SCALES = [[1, 0.25], [1.5, 0.5], [2, 0.5], [3, 1], [4, 1], [5, 1], [6, 2], [8, 2], [10, 2.5]];

// The least scale that a value fits in.
export function scaleFor(value) {
  if (!(value > 0)) return { top: 0, step: 1 };
  const power = 10 ** Math.floor(Math.log10(value));
  const [top, step] = SCALES.find(([top]) => value <= top * power * 1.000001) ?? SCALES.at(-1);
  return { top: top * power, step: step * power };
}
