// The player: time, controls, panels. window.replay lets scripts and tests drive it.
"use strict";

const element = (id) => document.getElementById(id);
const data = decode(JSON.parse(element("data").textContent));
const palette = PALETTE;
const map = new TrafficMap(element("map"), data, palette);
const chart = new TimeChart(element("chart"), data, palette);
const start = data.times[0], end = Math.max(data.times[data.times.length - 1], start);
const fine = end - start < 20;
const state = { time: start, playing: false, speed: data.speed, jumped: true, frames: 0, last: 0, dirty: true };
const SPEEDS = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100];
const EVENTS_SHOWN = 120;

function seek(time) {
  state.time = Math.min(Math.max(time, start), end);
  state.jumped = state.dirty = true;
}

function setPlaying(playing) {
  if (playing && state.time >= end) seek(start);
  state.playing = playing;
  element("play").textContent = playing ? "❚❚" : "▶";
  element("play").setAttribute("aria-label", playing ? "Pause" : "Play");
}

function frame(now) {
  const passed = Math.min((now - state.last) / 1000, 0.25);
  state.last = now;
  if (state.playing) {
    state.time += passed * state.speed;
    if (state.time >= end) { state.time = end; setPlaying(false); }
  }
  if (state.playing || state.dirty) draw();
  state.frames++;
  requestAnimationFrame(frame);
}

let settle = 0;
function draw() {
  const k = Math.max(lastAt(data.times, state.time), 0);
  const span = k + 1 < data.times.length ? data.times[k + 1] - data.times[k] : 0;
  const share = span > 0 ? Math.max((state.time - data.times[k]) / span, 0) : 0;
  map.draw(k, share, state.time, state.jumped);
  chart.draw(state.time);
  element("clock").textContent = clockText(state.time, fine);
  element("scrub").value = state.time;
  // After a pause twins still glide to their seats for half a second.
  settle = state.playing || state.jumped ? 30 : settle - 1;
  state.dirty = settle > 0;
  state.jumped = false;
  showPanels();
}

let shownAt = 0, shownFor = "";
function showPanels() {
  const now = performance.now();
  if (state.playing && now - shownAt < 200) return;
  shownAt = now;
  element("count-vehicles").textContent = map.counts.vehicles;
  element("count-twins").textContent = map.counts.twins;
  element("count-moving").textContent = map.counts.moving;
  const kind = element("event-choice").value;
  const list = kind ? data.byKind.get(kind) : data.events;
  const last = lastAt(list.map ? data.eventTimes.get(kind) : [], state.time);
  const key = `${kind}/${last}`;
  if (key === shownFor) return;
  shownFor = key;
  const rows = [];
  for (let n = last; n >= 0 && n > last - EVENTS_SHOWN; n--) rows.push(eventRow(list[n]));
  element("events").replaceChildren(...rows);
}

function eventRow(event) {
  const item = document.createElement("li"), button = document.createElement("button");
  const time = document.createElement("time"), text = document.createElement("span");
  button.type = "button";
  time.textContent = clockText(event.time, fine);
  text.textContent = event.text;
  button.append(time, text);
  button.addEventListener("click", () => {
    if (event.vehicle >= 0) select({ vehicle: event.vehicle });
    seek(event.time);
  });
  item.append(button);
  return item;
}

function details(found) {
  if ("rsu" in found) {
    const rsu = data.rsus[found.rsu];
    const lines = [rsu.name];
    for (const panel of data.charts) {
      for (const line of panel.lines.filter((line) => line.rsu === found.rsu)) {
        const n = lastAt(line.times, state.time);
        if (n >= 0) lines.push(`${panel.title}: ${line.values[n]} ${panel.unit}`.trimEnd());
      }
    }
    if (data.hasTwins && !data.charts.some((panel) => panel.title === "Twins")) lines.push(`${map.twins.filter((mark) => mark.twin && mark.twin.rsu === found.rsu).length} twins`);
    return lines.join("\n");
  }
  const { name } = data.vehicles[found.vehicle], { twin } = map.twins[found.vehicle];
  const place = map.places[found.vehicle];
  const lines = [name];
  if (place.here) lines.push(`at ${place.x.toFixed(0)} m, ${place.y.toFixed(0)} m`); else lines.push("not on the map");
  if (!data.hasTwins) return lines.join("\n");
  if (!twin) return [...lines, "no twin at any RSU"].join("\n");
  const host = data.rsus[twin.rsu];
  lines.push(`twin at ${host ? host.name : "home"}: ${PHASES[twin.phase]}`);
  if (twin.phase === TRANSFERRING) lines.push(`${Math.floor(100 * twin.share)} % have arrived`);
  if (twin.ahead !== undefined) lines.push(`${twin.ahead} jobs ahead`);
  if (twin.target >= 0) lines.push(`on its way to ${data.rsus[twin.target].name}`);
  if (place.here && host) lines.push(`${Math.hypot(place.x - host.x, place.y - host.y).toFixed(0)} m away from it`);
  return lines.join("\n");
}

// A vehicle gets a ring and a line to its twin, an RSU its line in the chart.
function select(found) {
  map.selected = found && "vehicle" in found ? found.vehicle : -1;
  chart.focus = found && "rsu" in found ? found.rsu : -1;
  chart.drawGround();
  state.dirty = true;
}

function showTip(found, x, y) {
  const tip = element("tip");
  tip.hidden = !found;
  if (!found) return;
  tip.textContent = details(found);
  const left = Math.min(x + 14, map.width - tip.offsetWidth - 6);
  const top = y + 14 + tip.offsetHeight > map.height ? y - tip.offsetHeight - 10 : y + 14;
  tip.style.transform = `translate(${Math.max(left, 4)}px, ${Math.max(top, 4)}px)`;
}

function handlePointers(canvas) {
  const pointers = new Map();
  let moved = 0;
  const local = (event) => {
    const box = canvas.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    pointers.set(event.pointerId, local(event));
    moved = 0;
  });
  canvas.addEventListener("pointermove", (event) => {
    const here = local(event), before = pointers.get(event.pointerId);
    if (!before) { showTip(map.under(...here), ...here); return; }
    const others = [...pointers].filter(([id]) => id !== event.pointerId);
    if (others.length) {
      const [, pin] = others[0];
      const distance = (point) => Math.hypot(point[0] - pin[0], point[1] - pin[1]);
      map.zoom(distance(here) / Math.max(distance(before), 1), ...pin);
    } else {
      map.pan(here[0] - before[0], here[1] - before[1]);
    }
    moved += Math.hypot(here[0] - before[0], here[1] - before[1]);
    pointers.set(event.pointerId, here);
    state.jumped = state.dirty = true;
    element("tip").hidden = true;
  });
  const release = (event) => {
    if (pointers.delete(event.pointerId) && moved < 6 && event.type === "pointerup") {
      const here = local(event), found = map.under(...here);
      select(found);
      showTip(found, ...here);
      state.dirty = true;
    }
  };
  canvas.addEventListener("pointerup", release);
  canvas.addEventListener("pointercancel", release);
  canvas.addEventListener("pointerleave", () => { element("tip").hidden = true; });
  canvas.addEventListener("wheel", (event) => {
    event.preventDefault();
    map.zoom(Math.exp(-event.deltaY * 0.0015), ...local(event));
    state.jumped = state.dirty = true;
  }, { passive: false });
}

function options(select, entries, chosen) {
  select.replaceChildren(...entries.map(([value, text]) => {
    const option = document.createElement("option");
    Object.assign(option, { value, textContent: text, selected: value === chosen });
    return option;
  }));
}

function setTheme(theme) {
  document.documentElement.dataset.theme = theme;
  map.resize();
  chart.resize();
  state.jumped = state.dirty = true;
}

function prepareTexts() {
  element("title").textContent = data.title;
  element("description").textContent = data.description;
  const moves = data.vehicles.some((vehicle) => vehicle.twin.some((entry) => entry[1] === TRANSFERRING));
  const marks = data.hasTwins ? [["➤", "vehicle, coloured by its twin's RSU"], ["■", "twin"], ...(moves ? [["━", "transfer"]] : [])] : [["➤", "vehicle"]];
  for (const [mark, text] of [["▲", "RSU and its reach"], ...marks]) {
    const item = document.createElement("li"), sign = document.createElement("span");
    sign.textContent = mark;
    item.append(sign, ` ${text}`);
    element("legend").append(item);
  }
  for (const [id, text] of [["vehicles", "vehicles"], ["twins", "twins"], ["moving", "migrating"]]) {
    const box = document.createElement("div"), name = document.createElement("dt"), value = document.createElement("dd");
    name.textContent = text;
    value.id = `count-${id}`;
    box.append(value, name);
    box.hidden = id !== "vehicles" && !data.hasTwins;
    element("counts").append(box);
  }
}

function prepareChoices() {
  data.byKind = new Map();
  for (const event of data.events) {
    if (!data.byKind.has(event.kind)) data.byKind.set(event.kind, []);
    data.byKind.get(event.kind).push(event);
  }
  data.eventTimes = new Map([["", data.events], ...data.byKind].map(([kind, list]) => [kind, list.map((event) => event.time)]));
  const kinds = [...data.byKind].map(([kind, list]) => [kind, `${kind} (${list.length})`]);
  options(element("event-choice"), [["", `all (${data.events.length})`], ...kinds], "");
  options(element("chart-choice"), data.charts.map((panel, n) => [n, panel.unit ? `${panel.title} [${panel.unit}]` : panel.title]), 0);
  element("chart-box").hidden = !data.charts.length;
  const nearest = SPEEDS.reduce((best, speed) => (Math.abs(Math.log(speed / data.speed)) < Math.abs(Math.log(best / data.speed)) ? speed : best));
  state.speed = nearest;
  options(element("speed"), SPEEDS.map((speed) => [speed, `${speed}×`]), nearest);
}

function connectControls() {
  const scrub = element("scrub");
  scrub.min = start;
  scrub.max = end;
  scrub.addEventListener("input", () => seek(Number(scrub.value)));
  element("play").addEventListener("click", () => setPlaying(!state.playing));
  element("speed").addEventListener("change", (event) => { state.speed = Number(event.target.value); });
  element("theme").addEventListener("click", () => setTheme(document.documentElement.dataset.theme === "dark" ? "light" : "dark"));
  element("event-choice").addEventListener("change", () => { state.dirty = true; });
  element("chart-choice").addEventListener("change", (event) => {
    chart.chart = data.charts[Number(event.target.value)];
    chart.drawGround();
    state.dirty = true;
  });
  for (const [id, act] of [["zoom-in", () => map.zoom(1.5)], ["zoom-out", () => map.zoom(1 / 1.5)], ["zoom-fit", () => map.fit()]]) {
    element(id).addEventListener("click", () => { act(); state.jumped = state.dirty = true; });
  }
  element("chart").addEventListener("pointermove", (event) => {
    const found = chart.under(event.offsetX, event.offsetY);
    element("chart-value").textContent = found ? `${found.name}: ${found.value} at ${clockText(found.time, fine)}` : "";
  });
  element("chart").addEventListener("pointerleave", () => { element("chart-value").textContent = ""; });
  element("chart").addEventListener("click", (event) => seek(chart.timeAt(event.offsetX)));
  addEventListener("keydown", (event) => {
    if (event.target.closest("select, input, button")) return;
    const step = (end - start) / 100;
    const acts = {
      " ": () => setPlaying(!state.playing), ArrowRight: () => seek(state.time + step),
      ArrowLeft: () => seek(state.time - step), Home: () => seek(start), End: () => seek(end),
    };
    if (acts[event.key]) { acts[event.key](); event.preventDefault(); }
  });
  addEventListener("resize", () => { map.resize(); chart.resize(); state.jumped = state.dirty = true; });
}

prepareTexts();
prepareChoices();
connectControls();
handlePointers(element("map"));
setTheme(matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
requestAnimationFrame((now) => { state.last = now; frame(now); });
window.replay = { state, seek, play: () => setPlaying(true), pause: () => setPlaying(false), details, map, chart, data };
