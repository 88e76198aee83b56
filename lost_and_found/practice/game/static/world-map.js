// A map of the world that can be moved, zoomed and clicked, with the mouse, by touch or from the keyboard.

import { button, css, make, motion, say, toggle } from "./dom.js";
import { PATH_SCALE, box, countryAt, greatCircle, project, unproject } from "./geometry.js";

const LAND = ["#7fa487", "#8fae85", "#a3b583", "#86a997", "#98a97c"];
const MARKED = { wrong: "#b8505a", right: "#46c07a", chosen: "#ffb347" };
const OCEAN = "#17385a";
const CLOSEST = 1 << 16; // pixels around the globe
const STILL_A_CLICK = 6; // pixels
const REACH = 16; // pixels
const TALL = 0.8; // of the map's height: small enough to see the world from north to south, and pins at its edges

export class WorldMap {
  /** `onpick({lat, lon, country})` is called for clicks and arrow keys; without it the map is only for viewing. */
  constructor({ countries, label, signal, onpick = null }) {
    Object.assign(this, { countries, onpick, signal });
    this.marks = new Map();
    this.markers = [];
    this.arcs = [];
    this.hovered = null;
    this.pin = null;
    this.cursor = false; // whether the pin was moved by keys, so that a cursor has to show where it is
    this.measured = { width: 0, height: 0 };
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
    this.markers.push({ element, at: project(lat, lon) });
    this.redraw();
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

  // Where the map looks

  show(goal) {
    this.goal = goal;
    if (!this.size.width) return;
    const [from, began] = [this.camera, performance.now()];
    const step = (now) => {
      if (this.goal !== goal || this.signal.aborted) return;
      const to = goal(this.size);
      const done = motion ? Math.min(1, (now - began) / (800 * motion)) : 1;
      const eased = done < 0.5 ? 2 * done ** 2 : 1 - 2 * (1 - done) ** 2;
      this.camera = {
        x: from.x + (to.x - from.x) * eased,
        y: from.y + (to.y - from.y) * eased,
        scale: from.scale * (to.scale / from.scale) ** eased,
      };
      this.redraw();
      if (done < 1) requestAnimationFrame(step);
    };
    step(began);
  }

  showWorld() {
    this.show(world);
  }

  /** Move so that all lines are in view, and the markers at their ends. */
  showArcs() {
    // If need be, the whole world and whatever else there is room for around it.
    this.show(around(box(this.arcs.flat()), 1.5, ({ width, height }) => TALL * Math.min(width, height)));
  }

  showCountry(code) {
    const country = this.countries.find((other) => other.code === code);
    if (country) this.show(around(country.mainBox, 6, worldScale));
  }

  zoom(factor, { x, y } = { x: this.size.width / 2, y: this.size.height / 2 }) {
    const before = this.at(x, y);
    this.look({ ...this.camera, scale: this.camera.scale * factor });
    const after = this.at(x, y);
    this.move(before.x - after.x, before.y - after.y);
  }

  move(x, y) {
    this.look({ ...this.camera, x: this.camera.x + x, y: this.camera.y + y });
  }

  /** Look where the user wants to: zoomed out no further than to the whole world, or than the map already is. */
  look(camera) {
    this.goal = null;
    this.camera = within(camera, this.size, Math.min(worldScale(this.size), this.camera.scale));
    this.redraw();
  }

  /** Width and height in pixels, 0 before the map is in the page. A key may come before the observer's first report. */
  get size() {
    if (!this.measured.width) this.resize(this.element.getBoundingClientRect());
    return this.measured;
  }

  resize({ width, height }) {
    if (!width || !height) return;
    this.measured = { width, height };
    if (this.goal) this.camera = this.goal(this.size);
    else this.look(this.camera);
    this.redraw();
  }

  /** The point of the projected world under a pixel of the map. */
  at(x, y) {
    const { width, height } = this.size;
    const { x: middle, y: centre, scale } = this.camera;
    return { x: middle + (x - width / 2) / scale, y: centre + (y - height / 2) / scale };
  }

  // What the user does

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

  // Like markers, lines are drawn once, in the middle world's width; what leaves it comes in on the other side.
  drawArcs(context) {
    const [left, right] = [this.camera.x - 0.5, this.camera.x + 0.5];
    context.save();
    context.beginPath();
    context.rect(this.pixel({ x: left, y: 0 }).x, 0, this.camera.scale, this.size.height);
    context.clip();
    context.lineCap = "round";
    for (const arc of this.arcs) {
      const ends = box(arc);
      for (let copy = Math.ceil(left - ends.right); copy <= right - ends.left; copy++) {
        const line = new Path2D();
        for (const { x, y } of arc) {
          const pixel = this.pixel({ x: x + copy, y });
          line.lineTo(pixel.x, pixel.y);
        }
        for (const [colour, lineWidth, dashes] of [["#0b1526", 5, []], ["#ffffff", 2.5, [2, 7]]]) {
          Object.assign(context, { strokeStyle: colour, lineWidth });
          context.setLineDash(dashes);
          context.stroke(line);
        }
      }
    }
    context.restore();
  }
}

// Goals: where to look, given the map's size, so that they hold when the map grows.

function world(size) {
  return within({ x: 0.5, y: 0.4, scale: 0 }, size, worldScale(size));
}

function around({ left, right, top, bottom }, wider, leastScale) {
  return (size) => {
    const scale = Math.min(
      size.width / Math.max(1e-3, (right - left) * wider),
      size.height / Math.max(1e-3, (bottom - top) * wider),
      CLOSEST / 4);
    return within({ x: (left + right) / 2, y: (top + bottom) / 2, scale }, size, leastScale(size));
  };
}

/** At least the whole world, seen once. */
function worldScale({ width, height }) {
  return Math.max(width, TALL * height);
}

/** The camera, with its scale limited, moved so that it shows no more of the poles than it must. */
function within({ x, y, scale }, { height }, least) {
  const bounded = Math.max(least, Math.min(CLOSEST, scale));
  const half = height / 2 / bounded;
  return { x, y: half > 0.45 ? 0.44 : Math.max(half, Math.min(0.9 - half, y)), scale: bounded };
}
