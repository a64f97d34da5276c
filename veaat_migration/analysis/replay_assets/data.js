// Turns the recording into arrays, and says where everyone is at a time.
"use strict";

const PHASES = ["resting", "requested", "negotiating", "transferring", "queued", "re-instantiating", "connected"];
const TRANSFERRING = 3, QUEUED = 4, RESTING = new Set([0, 6]);

function running(differences, scale) {
  const values = new Float64Array(differences.length);
  let sum = 0;
  for (let k = 0; k < differences.length; k++) { sum += differences[k]; values[k] = sum * scale; }
  return values;
}

// Index of the last value that is not greater, or -1.
function lastAt(values, wanted) {
  let low = 0, high = values.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (values[middle] <= wanted) low = middle + 1; else high = middle;
  }
  return low - 1;
}

function decode(replay) {
  const metre = replay.resolution;
  return {
    title: replay.title, description: replay.description, speed: replay.speed,
    times: running(replay.times, 0.001),
    rsus: replay.rsus,
    roads: replay.roads.map(([x, y]) => [running(x, metre), running(y, metre)]),
    vehicles: replay.vehicles.map((vehicle) => ({
      name: vehicle.name,
      spans: vehicle.spans.map(([first, x, y]) => ({ first, x: running(x, metre), y: running(y, metre) })),
      changes: Float64Array.from(vehicle.twin, (entry) => entry[0] * 0.001),
      twin: vehicle.twin,
    })),
    hasTwins: replay.vehicles.some((vehicle) => vehicle.twin.length > 0),
    events: replay.events.map(([time, kind, vehicle, rsu, text]) => ({ time: time * 0.001, kind, vehicle, rsu, text })),
    charts: replay.charts.map((chart) => ({
      ...chart,
      lines: chart.lines.map((line) => ({ ...line, times: running(line.times, 0.001) })),
    })),
  };
}

// Direction at step n of a span: of the move that follows, else of the last of some before; or null.
function heading(span, n) {
  for (let from = Math.min(n, span.x.length - 2); from >= Math.max(n - 120, 0); from--) {
    const dx = span.x[from + 1] - span.x[from], dy = span.y[from + 1] - span.y[from];
    if (dx !== 0 || dy !== 0) return Math.atan2(dy, dx);
  }
  return null;
}

// Where a vehicle is at step k and a share of the way to the next; false: it is not there.
function locate(vehicle, k, share, place) {
  for (const span of vehicle.spans) {
    const n = k - span.first;
    if (n < 0 || n >= span.x.length) continue;
    const next = Math.min(n + 1, span.x.length - 1);
    place.x = span.x[n] + (span.x[next] - span.x[n]) * share;
    place.y = span.y[n] + (span.y[next] - span.y[n]) * share;
    place.angle = heading(span, n) ?? place.angle;
    return true;
  }
  return false;
}

// How far a transfer has come: as it was told, evenly in between; without a word evenly to its end.
function transferred(vehicle, n, time) {
  const entry = vehicle.twin[n], next = vehicle.twin[n + 1], told = entry.length > 4;
  const from = told ? Math.min(entry[4] / 100, 1) : 0;
  if (!next) return from;
  let to = told ? from : 1;
  if (next[1] === TRANSFERRING && next[3] === entry[3] && next.length > 4) to = Math.min(next[4] / 100, 1);
  else if (next[1] > TRANSFERRING) to = 1;
  const share = (time - vehicle.changes[n]) / Math.max(vehicle.changes[n + 1] - vehicle.changes[n], 1e-9);
  return from + (to - from) * Math.min(Math.max(share, 0), 1);
}

// Owner, phase, target and how far a transfer has come at a time; null: there is no twin. Before its
// first deployment a twin is in its vehicle: the owner is -1.
function twinAt(vehicle, time) {
  const n = lastAt(vehicle.changes, time);
  if (n < 0) return null;
  const [, phase, rsu, target, detail] = vehicle.twin[n];
  const moving = !RESTING.has(phase);
  if (rsu < 0 && !(moving && target >= 0)) return null;
  const share = phase === TRANSFERRING ? transferred(vehicle, n, time) : Number(moving && phase > TRANSFERRING);
  return { phase, rsu, target, share, ahead: phase === QUEUED ? detail : undefined };
}

function clockText(seconds, fine) {
  const sign = seconds < 0 ? "−" : "", s = Math.abs(seconds);
  const whole = fine ? Math.floor(s * 1000) / 1000 : Math.floor(s * 10) / 10;
  const h = Math.floor(whole / 3600), m = Math.floor(whole / 60) % 60;
  const rest = (whole % 60).toFixed(fine ? 3 : 1).padStart(fine ? 6 : 4, "0");
  return `${sign}${h ? `${h}:${String(m).padStart(2, "0")}` : m}:${rest}`;
}
