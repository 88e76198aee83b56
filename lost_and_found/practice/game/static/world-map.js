// A map of the world that can be moved, zoomed and clicked, with the mouse, by touch or from the keyboard.

import { button, css, make, motion, say, toggle } from "./dom.js";
import { PATH_SCALE, box, countryAt, greatCircle, project, unproject } from "./geometry.js";

const LAND = ["#7fa487", "#8fae85", "#a3b583", "#86a997", "#98a97c"];
const MARKED = { wrong: "#b8505a", right: "#46c07a", chosen: "#ffb347" };
const OCEAN = "#17385a";
const CLOSEST = 1 << 16; // pixels around the globe
const STILL_A_CLICK = 6; // pixels
const REACH = 16; // pixels

export class WorldMap {
  /** `onpick({lat, lon, country})` is called for clicks and arrow keys; without it the map is only looked at. */
  constructor({ countries, label, signal, onpick = null }) {
    Object.assign(this, { countries, onpick, signal });
    this.marks = new Map();
    this.markers = [];
    this.arcs = [];
    this.hovered = null;
    this.pin = null;
    this.cursor = false; // whether the pin was moved by keys, so that one has to see where it is
    this.size = { width: 0, height: 0 };
    this.camera = { x: 0.5, y: 0.4, scale: 1 };
    this.goal = world;
    this.canvas = make("canvas", { class: "map-canvas", role: "img", "aria-label": label });
    toggle(this.canvas, "pickable", Boolean(onpick));
    this.layer = make("div", { class: "map-layer" });
    this.element = make("div", { class: "map" }, this.canvas, this.layer,
      make("div", { class: "map-zoom" },
        button("+", () => this.zoom(2), { class: "map-zoom-button", "aria-label": say("zoom_in") }),
        button("−", () => this.zoom(0.5), { class: "map-zoom-button", "aria-label": say("zoom_out") })),
      make("small", { class: "map-source" }, say("map_data"), " Natural Earth"));
    const observer = new ResizeObserver(([entry]) => this.resize(entry.contentRect));
    observer.observe(this.element);
    signal.addEventListener("abort", () => observer.disconnect());
    this.listen();
  }

  // What is on the map

  /** A marker that stands on its point; drawn over the map as an element of the page. */
  addMarker(element, [lat, lon]) {
    element.classList.add(css("marker"));
    this.layer.append(element);
    const marker = { element, at: project(lat, lon) };
    this.markers.push(marker);
    this.redraw();
    return marker;
  }

  /** A dashed line along the great circle. */
  addArc(from, to) {
    this.arcs.push(greatCircle(from, to));
    this.redraw();
  }

  /** Colour a country as "wrong", "right" or "chosen"; null takes the colour away. */
  mark(code, colour) {
    if (colour) this.marks.set(code, colour);
    else this.marks.delete(code);
    this.redraw();
  }

  clear() {
    for (const { element } of this.markers) element.remove();
    Object.assign(this, { markers: [], arcs: [], pin: null, hovered: null });
    this.marks.clear();
    this.redraw();
  }

  // Where one looks

  show(goal) {
    this.goal = goal;
    if (!this.size.width) return;
    const [from, to, began] = [this.camera, goal(this.size), performance.now()];
    const step = (now) => {
      if (this.goal !== goal || this.signal.aborted) return;
      const done = motion ? Math.min(1, (now - began) / (800 * motion)) : 1;
      const eased = done < 0.5 ? 2 * done ** 2 : 1 - 2 * (1 - done) ** 2;
      this.camera = this.within({
        x: from.x + (to.x - from.x) * eased,
        y: from.y + (to.y - from.y) * eased,
        scale: from.scale * (to.scale / from.scale) ** eased,
      });
      this.redraw();
      if (done < 1) requestAnimationFrame(step);
    };
    step(began);
  }

  showWorld() {
    this.show(world);
  }

  /** Move so that these points ([lat, lon]) and all lines are seen, with room for `below` pixels of other things. */
  showPoints(points, below = 0) {
    const projected = points.map(([lat, lon]) => project(lat, lon));
    // The other ends of lines may lie beyond the map's edge; then that is where the view goes.
    this.show(around(box(this.arcs.length ? this.arcs.flat() : projected), below));
  }

  showCountry(code) {
    const country = this.countries.find((other) => other.code === code);
    if (country) this.show(around(country.mainBox, 0, 6));
  }

  zoom(factor, { x, y } = { x: this.size.width / 2, y: this.size.height / 2 }) {
    const before = this.at(x, y);
    this.goal = null;
    this.camera = this.within({ ...this.camera, scale: this.camera.scale * factor });
    const after = this.at(x, y);
    this.move(before.x - after.x, before.y - after.y);
  }

  move(x, y) {
    this.goal = null;
    this.camera = this.within({ ...this.camera, x: this.camera.x + x, y: this.camera.y + y });
    this.redraw();
  }

  within({ x, y, scale }) {
    const least = world(this.size).scale;
    const bounded = Math.max(least, Math.min(CLOSEST, scale));
    const half = this.size.height / 2 / bounded;
    return { x, y: half > 0.45 ? 0.44 : Math.max(half, Math.min(0.9 - half, y)), scale: bounded };
  }

  resize({ width, height }) {
    if (!width || !height) return;
    this.size = { width, height };
    this.camera = this.within(this.goal ? this.goal(this.size) : this.camera);
    this.redraw();
  }

  /** The point of the projected world under a pixel of the map. */
  at(x, y) {
    const { width, height } = this.size;
    const { x: middle, y: centre, scale } = this.camera;
    return { x: middle + (x - width / 2) / scale, y: centre + (y - height / 2) / scale };
  }

  // What the person does

  listen() {
    const pointers = new Map();
    let travelled = 0;
    const place = (event) => {
      const { left, top } = this.canvas.getBoundingClientRect();
      return { x: event.clientX - left, y: event.clientY - top };
    };
    this.canvas.addEventListener("pointerdown", (event) => {
      if (event.button) return;
      this.cursor = false;
      this.canvas.setPointerCapture(event.pointerId);
      pointers.set(event.pointerId, place(event));
      travelled = pointers.size > 1 ? Infinity : 0; // two fingers are never a click
    });
    this.canvas.addEventListener("pointermove", (event) => {
      const [before, now] = [pointers.get(event.pointerId), place(event)];
      if (!before) return this.hover(event.pointerType === "mouse" ? now : null);
      const others = [...pointers].filter(([id]) => id !== event.pointerId).map(([, other]) => other);
      travelled += Math.hypot(now.x - before.x, now.y - before.y);
      if (travelled <= STILL_A_CLICK) return;
      pointers.set(event.pointerId, now);
      if (others.length) {
        const [other] = others;
        const apart = ({ x, y }) => Math.hypot(x - other.x, y - other.y);
        this.zoom(apart(now) / apart(before), other);
      } else {
        this.move((before.x - now.x) / this.camera.scale, (before.y - now.y) / this.camera.scale);
      }
    });
    this.canvas.addEventListener("pointerup", (event) => {
      const { x, y } = place(event);
      if (pointers.delete(event.pointerId) && travelled <= STILL_A_CLICK) this.pick(this.at(x, y));
    });
    this.canvas.addEventListener("pointercancel", (event) => pointers.delete(event.pointerId));
    this.canvas.addEventListener("pointerleave", () => this.hover(null));
    this.canvas.addEventListener("wheel", (event) => {
      event.preventDefault();
      this.zoom(2 ** (-event.deltaY / (event.deltaMode ? 8 : 250)), place(event));
    }, { passive: false });
  }

  hover(place) {
    const code = place && this.onpick ? this.countryAt(this.at(place.x, place.y))?.code ?? null : null;
    if (code === this.hovered) return;
    this.hovered = code;
    this.redraw();
  }

  countryAt(point) {
    return countryAt(this.countries, { ...point, x: point.x - Math.floor(point.x) }, REACH / this.camera.scale);
  }

  pick(point) {
    if (!this.onpick || point.y < 0 || point.y > 1) return;
    this.pin = point;
    const [lat, lon] = unproject(point);
    this.onpick({ lat, lon, country: this.countryAt(point) });
    this.redraw();
  }

  /** Arrows move the pin (with Shift in smaller steps), plus and minus zoom. True when the key was for the map. */
  key(event) {
    const steps = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    const zooms = { "+": 2, "=": 2, "-": 0.5 };
    const focus = this.pin ?? this.at(this.size.width / 2, this.size.height / 2);
    if (zooms[event.key]) {
      this.zoom(zooms[event.key], this.pixel(focus));
    } else if (steps[event.key] && this.onpick) {
      this.cursor = true;
      const step = (event.shiftKey ? 3 : 14) / this.camera.scale;
      const [x, y] = steps[event.key];
      this.pick(this.pin ? { x: focus.x + x * step, y: Math.max(0, Math.min(1, focus.y + y * step)) } : focus);
      const { x: left, y: top } = this.pixel(this.pin);
      const margin = 30;
      this.move(
        (Math.min(0, left - margin) + Math.max(0, left + margin - this.size.width)) / this.camera.scale,
        (Math.min(0, top - margin) + Math.max(0, top + margin - this.size.height)) / this.camera.scale);
    } else {
      return false;
    }
    return true;
  }

  pixel({ x, y }) {
    const { width, height } = this.size;
    const { x: middle, y: centre, scale } = this.camera;
    return { x: width / 2 + (x - middle) * scale, y: height / 2 + (y - centre) * scale };
  }

  // Drawing

  redraw() {
    this.frame ??= requestAnimationFrame(() => {
      this.frame = null;
      if (this.size.width && !this.signal.aborted) this.draw();
    });
  }

  draw() {
    const { width, height } = this.size;
    const ratio = devicePixelRatio;
    if (this.canvas.width !== Math.round(width * ratio) || this.canvas.height !== Math.round(height * ratio)) {
      [this.canvas.width, this.canvas.height] = [Math.round(width * ratio), Math.round(height * ratio)];
    }
    const context = this.canvas.getContext("2d", { alpha: false });
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.fillStyle = OCEAN;
    context.fillRect(0, 0, width, height);
    const view = { ...this.at(0, 0), end: this.at(width, height) };
    for (let copy = Math.floor(view.x); copy <= Math.floor(view.end.x); copy++) {
      const visible = this.countries.filter(({ box: b }) =>
        b.right + copy > view.x && b.left + copy < view.end.x && b.bottom > view.y && b.top < view.end.y);
      this.drawCountries(context, visible, copy, ratio);
      context.setTransform(ratio, 0, 0, ratio, 0, 0);
      this.drawNames(context, visible, copy);
    }
    this.drawArcs(context);
    if (this.cursor && this.pin && !this.markers.length) this.drawCursor(context);
    for (const { element, at } of this.markers) {
      const { x, y } = this.pixel({ x: at.x + Math.round(this.camera.x - at.x), y: at.y });
      element.style.transform = `translate(${x}px, ${y}px)`;
    }
  }

  drawCountries(context, countries, copy, ratio) {
    const { x, y } = this.pixel({ x: copy, y: 0 });
    const scale = this.camera.scale / PATH_SCALE;
    context.setTransform(ratio * scale, 0, 0, ratio * scale, ratio * x, ratio * y);
    context.strokeStyle = "#1d4166";
    context.lineWidth = 0.8 / scale;
    context.lineJoin = "round";
    for (const country of countries) {
      const colour = MARKED[this.marks.get(country.code)];
      const [first, second] = [country.code.charCodeAt(0), country.code.charCodeAt(1)];
      context.fillStyle = colour ?? LAND[(first * 7 + second) % LAND.length];
      context.fill(country.path);
      if (country.code === this.hovered) {
        context.fillStyle = "#ffffff40";
        context.fill(country.path);
      }
      context.stroke(country.path);
    }
  }

  drawNames(context, countries, copy) {
    context.textAlign = "center";
    context.textBaseline = "middle";
    context.lineJoin = "round";
    for (const { name, label, mainBox } of countries) {
      const room = (mainBox.right - mainBox.left) * this.camera.scale;
      const size = Math.max(10, Math.min(16, room / 12));
      if (room < 34) continue;
      context.font = `600 ${size}px system-ui, sans-serif`;
      if (context.measureText(name).width > room * 1.05) continue;
      const { x, y } = this.pixel({ x: label.x + copy, y: label.y });
      context.strokeStyle = "#e8f0e4b0";
      context.lineWidth = 3;
      context.strokeText(name, x, y);
      context.fillStyle = "#1b2b2a";
      context.fillText(name, x, y);
    }
  }

  drawCursor(context) {
    const { x, y } = this.pixel(this.pin);
    for (const [colour, lineWidth] of [["#0b1526", 5], ["#ffffff", 2]]) {
      Object.assign(context, { strokeStyle: colour, lineWidth });
      context.beginPath();
      context.arc(x, y, 9, 0, 2 * Math.PI);
      context.stroke();
    }
  }

  drawArcs(context) {
    context.lineCap = "round";
    for (const arc of this.arcs) {
      const shift = Math.round(this.camera.x - (arc[0].x + arc.at(-1).x) / 2);
      const line = new Path2D();
      for (const { x, y } of arc) {
        const pixel = this.pixel({ x: x + shift, y });
        line.lineTo(pixel.x, pixel.y);
      }
      for (const [colour, lineWidth, dashes] of [["#0b1526", 5, []], ["#ffffff", 2.5, [2, 7]]]) {
        Object.assign(context, { strokeStyle: colour, lineWidth });
        context.setLineDash(dashes);
        context.stroke(line);
      }
      context.setLineDash([]);
    }
  }
}

// Goals: where to look, given the map's size, so that they hold when the map grows.

function world({ width, height }) {
  return { x: 0.5, y: 0.4, scale: Math.max(width, 0.8 * height) };
}

function around({ left, right, top, bottom }, below, wider = 1.5) {
  return ({ width, height }) => {
    const room = Math.max(120, height - below);
    const scale = Math.min(
      width / Math.max(1e-3, (right - left) * wider),
      room / Math.max(1e-3, (bottom - top) * wider),
      CLOSEST / 4);
    const bounded = Math.max(scale, world({ width, height }).scale);
    return { x: (left + right) / 2, y: (top + bottom) / 2 + below / 2 / bounded, scale: bounded };
  };
}
