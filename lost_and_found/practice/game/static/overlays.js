// The street view's overlays: compass, score, logo, report flag, hearts, and the map to guess on.

import { ask, button, css, icon, make, notice, say, toggle } from "./dom.js";
import { WorldMap } from "./world-map.js";

const WINDS = ["N", "NE", "E", "SE", "S", "SW", "W", "NW"];
const HEARTS = 3;
const SEEN_DEG = 150; // how much of the horizon the compass shows

/** The logo, which leads home. */
export function logo(page) {
  return page.link("/", { class: "logo", "aria-label": say("home") },
    icon("pin", "icon logo-pin"), make("span", {}, say("title")));
}

/** A strip of the horizon with the heading in its middle. */
export function compass(headingDeg) {
  const degrees = Math.round(headingDeg);
  const ticks = [];
  for (let offset = -SEEN_DEG / 2; offset <= SEEN_DEG / 2; offset++) {
    const bearing = (degrees + offset + 360) % 360;
    if (bearing % 15) continue;
    const wind = WINDS[bearing / 45];
    const tick = make("span", { class: wind ? "tick wind" : "tick" }, wind);
    tick.style.left = `${50 + offset / SEEN_DEG * 100}%`;
    ticks.push(tick);
  }
  const wind = WINDS[Math.round(headingDeg / 45) % 8];
  return make("div", { class: "compass panel", role: "img", "aria-label": say("heading", { wind, degrees }) },
    make("div", { class: "compass-strip" }, ticks), make("div", { class: "compass-needle" }));
}

/** Names and values in a row; names are keys of the table of texts. */
export function status(...fields) {
  return make("div", { class: "status panel" }, fields.map(([name, value]) =>
    make("div", { class: "status-field" }, make("small", {}, say(name)), " ", make("b", {}, value))));
}

export function reportFlag() {
  const thank = () => notice(say("reported"));
  return button(icon("flag"), thank, { class: "round-button", title: say("report"), "aria-label": say("report") });
}

/** A player's initial in a colour of its own. */
export function avatar(name, classes = "avatar") {
  const element = make("span", { class: classes, "aria-hidden": "true" }, name.slice(0, 1).toUpperCase());
  // Steps by the golden angle keep the colours of similar names apart.
  const number = [...name].reduce((sum, letter) => sum + letter.codePointAt(0), 0);
  element.style.setProperty("--hue", Math.round(number * 137.5) % 360);
  return element;
}

export function hearts(count) {
  const drawn = Array.from({ length: HEARTS }, (_, index) =>
    icon("heart", index < count ? "icon heart" : "icon heart lost"));
  return make("span", { class: "hearts", role: "img", "aria-label": say("hearts", { count }) }, drawn);
}

export function guessPin() {
  return make("div", { class: "pin guess-pin", "aria-hidden": "true" }, icon("pin", "pin-shape"));
}

const SHORTCUTS = [
  ["← ↑ → ↓", "key_move"],
  ["Shift + ← ↑ → ↓", "key_fine"],
  ["+ −", "key_zoom"],
  ["Space, Enter", "key_go"],
];

export function shortcutsButton() {
  const title = say("keyboard_shortcuts");
  const rows = SHORTCUTS.flatMap(([keys, text]) => [make("dt", {}, keys), make("dd", {}, say(text))]);
  const show = () => ask(title, [make("dl", { class: "shortcuts" }, rows)], [[say("close"), "close"]]);
  return button(icon("keys"), show, { class: "map-keys", title, "aria-label": title });
}

/** The small map at the bottom right that grows, with the guess button. */
export class GuessPanel {
  /** `onguess` gets {lat, lon, country}; `byCountry` marks the country instead of setting a pin. */
  constructor({ countries, onguess, byCountry, signal }) {
    Object.assign(this, { onguess, byCountry, choice: null, refused: new Set() });
    const onpick = (choice) => this.choose(choice);
    this.map = new WorldMap({ countries, label: say("world_map"), signal, onpick });
    this.map.element.append(shortcutsButton());
    this.chosen = make("div", { class: "chosen", role: "status" });
    this.submit = button("", () => this.guess(), { class: "button guess" });
    this.element = make("section", { class: "guess-panel", "aria-label": say("world_map") },
      make("div", { class: "guess-map" }, this.map.element, this.chosen), this.submit);
    this.reset();
    this.keepOpen(signal);
  }

  /** A new round: nothing chosen, nothing refused, the whole world, small. */
  reset() {
    toggle(this.element, "open", false);
    this.map.clear();
    this.map.showWorld();
    this.refused.clear();
    this.drop();
  }

  drop() {
    if (this.choice && this.byCountry) this.map.mark(this.choice.country.code, null);
    this.choice = null;
    this.chosen.textContent = "";
    this.enable(false);
  }

  /** Strike a country off: a wrong guess. */
  refuse(code) {
    if (this.refused.has(code)) return;
    if (this.choice?.country?.code === code) this.drop();
    this.refused.add(code);
    this.map.mark(code, "wrong");
  }

  choose(choice) {
    const { country } = choice;
    if (this.locked || (this.byCountry && (!country || this.refused.has(country.code)))) return;
    if (this.byCountry) {
      this.drop();
      this.map.mark(country.code, "chosen");
      this.chosen.textContent = country.name;
    } else {
      this.marker ??= guessPin();
      this.map.markers = [];
      this.map.addMarker(this.marker, [choice.lat, choice.lon]);
    }
    this.choice = choice;
    this.enable(true);
  }

  enable(on) {
    this.submit.disabled = !on;
    this.submit.textContent = say(on ? "guess" : "place_pin");
    toggle(this.submit, "primary", on);
  }

  /** While the server thinks: the choice stays as it is. */
  lock(on) {
    this.locked = on;
    this.submit.disabled = on || !this.choice;
    toggle(this.submit, "busy", on);
  }

  guess() {
    if (this.choice && !this.submit.disabled) this.onguess(this.choice);
  }

  /** Keys for the map, and space or enter to guess; true when the key was used. */
  key(event) {
    if (this.map.key(event)) return true;
    if (event.key !== " " && event.key !== "Enter") return false;
    this.guess();
    return true;
  }

  // A map that shrinks the moment the mouse strays is a nuisance, so it waits a little.
  keepOpen(signal) {
    let timer = null;
    const open = () => {
      clearTimeout(timer);
      toggle(this.element, "open", true);
    };
    const close = () => {
      clearTimeout(timer);
      timer = setTimeout(() => toggle(this.element, "open", false), 600);
    };
    this.element.addEventListener("pointerenter", open);
    this.element.addEventListener("pointermove", open); // a new round has closed it under the mouse
    this.element.addEventListener("pointerleave", (event) => event.pointerType === "mouse" && close());
    this.element.addEventListener("focusin", open);
    document.addEventListener("pointerdown", (event) => {
      if (!this.element.contains(event.target)) close();
    }, { signal });
  }
}
