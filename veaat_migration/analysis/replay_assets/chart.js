// One chart over time: a line for each RSU, and where the replay stands.
"use strict";

class TimeChart {
  constructor(canvas, data, palette) {
    Object.assign(this, { canvas, data, palette });
    this.context = canvas.getContext("2d");
    this.ground = document.createElement("canvas");
    this.chart = data.charts[0];
    this.focus = -1;
    this.start = data.times[0];
    this.end = Math.max(data.times[data.times.length - 1], this.start + 1e-3);
  }

  resize() {
    const box = this.canvas.getBoundingClientRect();
    Object.assign(this, { width: box.width, height: box.height, ratio: Math.min(devicePixelRatio || 1, 2) });
    for (const canvas of [this.canvas, this.ground]) {
      canvas.width = Math.max(1, Math.round(box.width * this.ratio));
      canvas.height = Math.max(1, Math.round(box.height * this.ratio));
    }
    this.drawGround();
  }

  px(time) { return this.left + ((time - this.start) / (this.end - this.start)) * (this.width - this.left - 8); }
  py(value) { return 8 + ((this.high - value) / (this.high - this.low)) * (this.height - 30); }
  timeAt(px) {
    const share = (px - this.left) / (this.width - this.left - 8);
    return this.start + Math.min(Math.max(share, 0), 1) * (this.end - this.start);
  }

  drawGround() {
    const c = this.ground.getContext("2d"), style = getComputedStyle(document.documentElement);
    const soft = style.getPropertyValue("--soft"), line = style.getPropertyValue("--line");
    this.accent = style.getPropertyValue("--accent");
    c.setTransform(this.ratio, 0, 0, this.ratio, 0, 0);
    c.clearRect(0, 0, this.width, this.height);
    if (!this.chart) return;
    let low = Infinity, high = -Infinity;
    for (const { values } of this.chart.lines) for (const value of values) { low = Math.min(low, value); high = Math.max(high, value); }
    if (!(low <= high)) [low, high] = [0, 1];
    if (low > 0 && low < 0.6 * high) low = 0;
    const step = niceStep((high - low || Math.abs(high) || 1) / 4);
    this.low = Math.floor(low / step) * step;
    this.high = Math.max(Math.ceil(high / step) * step, this.low + step);
    c.font = "11px system-ui, 'DejaVu Sans', sans-serif";
    c.fillStyle = soft;
    c.strokeStyle = line;
    c.lineWidth = 1;
    const label = (value) => String(Number(value.toPrecision(6)));
    const ticks = [];
    for (let value = this.low; value <= this.high + step / 2; value += step) ticks.push(value);
    this.left = 8 + Math.max(...ticks.map((value) => c.measureText(label(value)).width));
    c.textAlign = "right";
    for (const value of ticks) {
      const y = this.py(value);
      c.beginPath();
      c.moveTo(this.left, y);
      c.lineTo(this.width - 8, y);
      c.stroke();
      c.fillText(label(value), this.left - 5, y + 4);
    }
    const fine = this.end - this.start < 20;
    c.textAlign = "left";
    c.fillText(clockText(this.start, fine), this.left, this.height - 6);
    c.textAlign = "right";
    c.fillText(clockText(this.end, fine), this.width - 8, this.height - 6);
    this.chart.lines.forEach((series, n) => {
      c.globalAlpha = this.focus < 0 || this.focus === series.rsu ? 0.9 : 0.15;
      c.lineWidth = this.focus === series.rsu ? 2.4 : 1.3;
      this.drawLine(c, series, this.palette[series.rsu] || this.palette[n % this.palette.length]);
    });
    c.globalAlpha = 1;
  }

  // Values hold until the next one.
  drawLine(c, { times, values }, colour) {
    if (!values.length) return;
    c.strokeStyle = colour;
    c.lineJoin = "round";
    c.beginPath();
    for (let k = 0; k < values.length; k++) {
      const x = this.px(times[k]);
      if (k) c.lineTo(x, this.py(values[k - 1])); else c.moveTo(x, this.py(values[k]));
      c.lineTo(x, this.py(values[k]));
    }
    c.lineTo(this.width - 8, this.py(values[values.length - 1]));
    c.stroke();
  }

  draw(time) {
    const c = this.context;
    c.setTransform(1, 0, 0, 1, 0, 0);
    c.clearRect(0, 0, this.canvas.width, this.canvas.height);
    c.drawImage(this.ground, 0, 0);
    if (!this.chart) return;
    c.setTransform(this.ratio, 0, 0, this.ratio, 0, 0);
    c.strokeStyle = this.accent;
    c.lineWidth = 1.5;
    c.beginPath();
    c.moveTo(this.px(time), 4);
    c.lineTo(this.px(time), this.height - 20);
    c.stroke();
  }

  // The line nearest to a point, and its value at that time.
  under(px, py) {
    const time = this.timeAt(px);
    let best = null, nearest = Infinity;
    for (const line of this.chart ? this.chart.lines : []) {
      const n = lastAt(line.times, time);
      if (n < 0) continue;
      const distance = Math.abs(this.py(line.values[n]) - py);
      if (distance < nearest) { nearest = distance; best = { name: line.name, value: line.values[n], time }; }
    }
    return best;
  }
}

function niceStep(size) {
  const power = 10 ** Math.floor(Math.log10(size));
  return power * [1, 2, 5, 10].find((factor) => factor * power >= size * 0.999);
}
