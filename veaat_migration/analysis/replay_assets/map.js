// The map: roads, coverage, vehicles, twins; pan, zoom, and what is under the pointer.
"use strict";

class TrafficMap {
  constructor(canvas, data, palette) {
    Object.assign(this, { canvas, data, palette });
    this.context = canvas.getContext("2d");
    this.ground = document.createElement("canvas");
    this.view = { x: 0, y: 0, scale: 1 };
    this.places = data.vehicles.map(() => ({ x: 0, y: 0, angle: null, here: false }));
    this.twins = data.vehicles.map(() => ({ x: 0, y: 0, twin: null, seen: false }));
    this.seated = data.rsus.map(() => 0);
    this.selected = -1;
    this.counts = { vehicles: 0, twins: 0, moving: 0 };
    this.still = matchMedia("(prefers-reduced-motion: reduce)").matches;
    this.bounds = this.extent();
    this.fitted = true;
  }

  extent() {
    let low = [Infinity, Infinity], high = [-Infinity, -Infinity];
    const add = (x, y, r = 0) => {
      low = [Math.min(low[0], x - r), Math.min(low[1], y - r)];
      high = [Math.max(high[0], x + r), Math.max(high[1], y + r)];
    };
    for (const rsu of this.data.rsus) add(rsu.x, rsu.y, Math.max(rsu.radius, 20));
    for (const [x, y] of this.data.roads) for (let k = 0; k < x.length; k++) add(x[k], y[k]);
    for (const vehicle of this.data.vehicles) {
      for (const span of vehicle.spans) for (let k = 0; k < span.x.length; k += 5) add(span.x[k], span.y[k]);
    }
    return low[0] <= high[0] ? [...low, ...high] : [0, 0, 1, 1];
  }

  resize() {
    const box = this.canvas.getBoundingClientRect();
    const ratio = Math.min(devicePixelRatio || 1, 2);
    Object.assign(this, { width: box.width, height: box.height, ratio });
    for (const canvas of [this.canvas, this.ground]) {
      canvas.width = Math.max(1, Math.round(box.width * ratio));
      canvas.height = Math.max(1, Math.round(box.height * ratio));
    }
    if (this.fitted) this.fit(); else this.drawGround();
  }

  fit() {
    const [x0, y0, x1, y1] = this.bounds, margin = 14, foot = 30;
    const w = Math.max(x1 - x0, 1), h = Math.max(y1 - y0, 1);
    this.view.scale = Math.min((this.width - 2 * margin) / w, (this.height - 2 * margin - foot) / h);
    this.view.x = (x0 + x1) / 2;
    this.view.y = (y0 + y1) / 2 - foot / 2 / this.view.scale;
    this.fitted = true;
    this.drawGround();
  }

  zoom(factor, px = this.width / 2, py = this.height / 2) {
    const [x, y] = this.world(px, py);
    this.view.scale = Math.min(Math.max(this.view.scale * factor, 1e-4), 100);
    const [nx, ny] = this.world(px, py);
    this.view.x += x - nx;
    this.view.y += y - ny;
    this.fitted = false;
    this.drawGround();
  }

  pan(dx, dy) {
    this.view.x -= dx / this.view.scale;
    this.view.y += dy / this.view.scale;
    this.fitted = false;
    this.drawGround();
  }

  world(px, py) {
    return [this.view.x + (px - this.width / 2) / this.view.scale, this.view.y - (py - this.height / 2) / this.view.scale];
  }

  px(x) { return this.width / 2 + (x - this.view.x) * this.view.scale; }
  py(y) { return this.height / 2 - (y - this.view.y) * this.view.scale; }

  colour(name) { return getComputedStyle(document.documentElement).getPropertyValue(name).trim(); }

  drawGround() {
    this.ink = this.colour("--ink");
    this.none = this.colour("--none");
    this.panel = this.colour("--panel");
    const c = this.ground.getContext("2d");
    c.setTransform(this.ratio, 0, 0, this.ratio, 0, 0);
    c.clearRect(0, 0, this.width, this.height);
    this.data.rsus.forEach((rsu, j) => {
      if (!(rsu.radius > 0)) return;
      c.beginPath();
      c.arc(this.px(rsu.x), this.py(rsu.y), rsu.radius * this.view.scale, 0, 7);
      c.fillStyle = this.palette[j];
      c.globalAlpha = 0.07;
      c.fill();
      c.globalAlpha = 0.55;
      c.strokeStyle = this.palette[j];
      c.lineWidth = 1;
      c.setLineDash([5, 4]);
      c.stroke();
      c.setLineDash([]);
      c.globalAlpha = 1;
    });
    c.strokeStyle = this.colour("--road");
    c.lineWidth = Math.min(Math.max(7 * this.view.scale, 1.4), 14);
    c.lineCap = c.lineJoin = "round";
    c.beginPath();
    for (const [x, y] of this.data.roads) {
      for (let k = 0; k < x.length; k++) c[k ? "lineTo" : "moveTo"](this.px(x[k]), this.py(y[k]));
    }
    c.stroke();
  }

  // Seats of twins around their RSU: a spiral, the first nearest, that stays within half its reach.
  seat(j, number) {
    const rsu = this.data.rsus[j], room = Math.max(0.5 * rsu.radius * this.view.scale - 15, 12);
    const pitch = Math.min(5.2, room / Math.sqrt(Math.max(this.seated[j], 1)));
    const radius = 15 + pitch * Math.sqrt(number), angle = number * 2.39996 + 0.5;
    return [this.px(rsu.x) + radius * Math.cos(angle), this.py(rsu.y) + radius * Math.sin(angle)];
  }

  draw(k, share, time, jumped) {
    const c = this.context;
    c.setTransform(1, 0, 0, 1, 0, 0);
    c.clearRect(0, 0, this.canvas.width, this.canvas.height);
    c.drawImage(this.ground, 0, 0);
    c.setTransform(this.ratio, 0, 0, this.ratio, 0, 0);
    const seats = new Array(this.data.rsus.length).fill(0);
    const counts = { vehicles: 0, twins: 0, moving: 0 };
    this.data.vehicles.forEach((vehicle, i) => {
      const place = this.places[i], mark = this.twins[i];
      place.here = locate(vehicle, k, share, place);
      if (place.here) counts.vehicles++;
      mark.twin = twinAt(vehicle, time);
      if (mark.twin && mark.twin.rsu < 0 && !place.here) mark.twin = null;
      if (!mark.twin) { mark.seen = false; return; }
      counts.twins++;
      if (!RESTING.has(mark.twin.phase)) counts.moving++;
      this.moveTwin(mark, place, seats, jumped);
    });
    this.counts = counts;
    this.seated = seats;
    this.drawLinks(c);
    this.drawTransfers(c);
    this.drawRsus(c);
    this.drawTwins(c);
    this.drawVehicles(c);
    this.drawNames(c);
  }

  moveTwin(mark, place, seats, jumped) {
    const { rsu, target, share } = mark.twin;
    let [x, y] = rsu < 0 ? [this.px(place.x), this.py(place.y)] : this.seat(rsu, seats[rsu]++);
    if (target >= 0 && share > 0) {
      const [tx, ty] = this.seat(target, seats[target]++);
      x += (tx - x) * share;
      y += (ty - y) * share;
    }
    const ease = jumped || !mark.seen || this.still ? 1 : 0.18;
    mark.x += (x - mark.x) * ease;
    mark.y += (y - mark.y) * ease;
    mark.seen = true;
  }

  drawLinks(c) {
    const many = this.counts.vehicles > 150;
    c.lineWidth = 1;
    this.places.forEach((place, i) => {
      const { twin } = this.twins[i];
      if (!twin || twin.rsu < 0 || !place.here || (many && i !== this.selected)) return;
      const rsu = this.data.rsus[twin.rsu];
      c.strokeStyle = this.palette[twin.rsu];
      c.globalAlpha = i === this.selected ? 0.95 : 0.3;
      c.beginPath();
      c.moveTo(this.px(place.x), this.py(place.y));
      c.lineTo(this.px(rsu.x), this.py(rsu.y));
      c.stroke();
    });
    c.globalAlpha = 1;
  }

  // Transfers: a dashed way from the source to the target, solid as far as the bytes have come.
  drawTransfers(c) {
    const many = this.counts.moving > 150;
    this.twins.forEach(({ twin }, i) => {
      if (!twin || RESTING.has(twin.phase) || twin.target < 0 || (many && i !== this.selected)) return;
      const from = twin.rsu < 0 ? this.places[i] : this.data.rsus[twin.rsu], to = this.data.rsus[twin.target];
      const x = this.px(from.x), y = this.py(from.y), dx = this.px(to.x) - x, dy = this.py(to.y) - y;
      c.strokeStyle = this.palette[twin.target];
      for (const [share, width, dash] of [[1, 1.2, [4, 4]], [twin.share, 2.6, []]]) {
        c.lineWidth = width;
        c.setLineDash(dash);
        c.beginPath();
        c.moveTo(x, y);
        c.lineTo(x + dx * share, y + dy * share);
        c.stroke();
      }
    });
    c.setLineDash([]);
  }

  drawRsus(c) {
    this.data.rsus.forEach((rsu, j) => {
      const x = this.px(rsu.x), y = this.py(rsu.y);
      c.beginPath();
      c.moveTo(x, y - 10);
      c.lineTo(x + 9, y + 6);
      c.lineTo(x - 9, y + 6);
      c.closePath();
      c.fillStyle = this.palette[j];
      c.strokeStyle = this.panel;
      c.lineWidth = 2;
      c.stroke();
      c.fill();
    });
  }

  drawNames(c) {
    c.textAlign = "center";
    c.font = "600 11px system-ui, 'DejaVu Sans', sans-serif";
    c.lineJoin = "round";
    c.lineWidth = 3;
    c.strokeStyle = this.panel;
    c.fillStyle = this.ink;
    for (const rsu of this.data.rsus) {
      const x = this.px(rsu.x), y = this.py(rsu.y) + 19;
      c.strokeText(rsu.name, x, y);
      c.fillText(rsu.name, x, y);
    }
  }

  drawTwins(c) {
    this.twins.forEach((mark, i) => {
      if (!mark.twin) return;
      const moving = !RESTING.has(mark.twin.phase), size = moving ? 5.5 : 4;
      c.fillStyle = this.palette[moving && mark.twin.target >= 0 ? mark.twin.target : mark.twin.rsu];
      c.globalAlpha = this.places[i].here ? 1 : 0.4;
      c.fillRect(mark.x - size / 2, mark.y - size / 2, size, size);
      if (moving || i === this.selected) {
        c.strokeStyle = this.ink;
        c.lineWidth = 1.2;
        c.strokeRect(mark.x - size / 2 - 1, mark.y - size / 2 - 1, size + 2, size + 2);
      }
    });
    c.globalAlpha = 1;
  }

  drawVehicles(c) {
    const size = Math.min(Math.max(4.4 * this.view.scale, this.counts.vehicles > 150 ? 3.2 : 4.4), 9);
    c.strokeStyle = this.panel;
    c.lineWidth = 0.8;
    this.places.forEach((place, i) => {
      if (!place.here) return;
      const { twin } = this.twins[i], x = this.px(place.x), y = this.py(place.y);
      c.beginPath();
      if (place.angle === null) {
        c.arc(x, y, size, 0, 7);
      } else {
        const cos = Math.cos(place.angle) * size, sin = -Math.sin(place.angle) * size;
        c.moveTo(x + 1.5 * cos, y + 1.5 * sin);
        c.lineTo(x - cos - 0.8 * sin, y - sin + 0.8 * cos);
        c.lineTo(x - cos + 0.8 * sin, y - sin - 0.8 * cos);
        c.closePath();
      }
      c.fillStyle = twin && twin.rsu >= 0 ? this.palette[twin.rsu] : this.none;
      c.fill();
      c.stroke();
      if (i === this.selected) {
        c.beginPath();
        c.arc(x, y, size + 6, 0, 7);
        c.strokeStyle = this.ink;
        c.lineWidth = 1.6;
        c.stroke();
        c.strokeStyle = this.panel;
        c.lineWidth = 0.8;
      }
    });
  }

  // What is within a finger's breadth: a vehicle, else an RSU.
  under(px, py) {
    let best = null, nearest = 16;
    const consider = (x, y, found) => {
      const distance = Math.hypot(x - px, y - py);
      if (distance < nearest) { nearest = distance; best = found; }
    };
    this.places.forEach((place, i) => {
      if (place.here) consider(this.px(place.x), this.py(place.y), { vehicle: i });
      if (this.twins[i].twin) consider(this.twins[i].x, this.twins[i].y, { vehicle: i });
    });
    if (best) return best;
    this.data.rsus.forEach((rsu, j) => consider(this.px(rsu.x), this.py(rsu.y), { rsu: j }));
    return best;
  }
}
