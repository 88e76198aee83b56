// Elements, texts and icons. Class names differ at every start of the server, so all of them pass through here.

export const config = JSON.parse(document.querySelector('script[type="application/json"]').textContent);

// Some waits are only there to be pleasant; they shrink with the game's pace, and are 0 where no motion is wanted.
const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
export const motion = still ? 0 : Math.min(1, config.pace);

/** The page's classes for logical names; both are separated by spaces. */
export function css(names) {
  return names.split(" ").map((name) => {
    const hashed = config.classes[name];
    if (!hashed) throw new Error(`game.css has no rule for .__${name}__`);
    return hashed;
  }).join(" ");
}

/** A text from the table with its {parts} filled in. */
export function say(key, parts = {}) {
  const text = config.texts[key];
  if (text === undefined) throw new Error(`no text "${key}"`);
  return text.replace(/\{(\w+)\}/g, (_, part) => parts[part]);
}

/**
 * An element. `class` takes logical names, `on…` listeners, true and false set and omit an attribute;
 * children are elements, texts, or null for nothing.
 */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === false || value === null || value === undefined) continue;
    if (name === "class") element.className = css(value);
    else if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
}

/** A button; `options` as for `make`. */
export function button(text, onclick, options = {}) {
  return make("button", { type: "button", class: "button", onclick, ...options }, text);
}

export function toggle(element, name, on) {
  element.classList.toggle(css(name), on);
}

const SHAPES = {
  pin: '<path d="M12 2a7.5 7.5 0 0 0-7.5 7.5C4.5 15.2 12 22 12 22s7.5-6.8 7.5-12.5A7.5 7.5 0 0 0 12 2z"/><circle cx="12" cy="9.5" r="2.7"/>',
  flag: '<path d="M5 22V3"/><path d="M5 4c5-3 8 3 14 0v10c-6 3-9-3-14 0"/>',
  globe: '<circle cx="12" cy="12" r="9.5"/><path d="M2.5 12h19M12 2.5c-6 6-6 13 0 19M12 2.5c6 6 6 13 0 19"/>',
  people: '<circle cx="9" cy="8" r="3.5"/><path d="M2 20c0-4 3-6.5 7-6.5s7 2.5 7 6.5"/><path d="M16 4.8a3.5 3.5 0 0 1 0 6.4M18 14c2.5.8 4 3 4 6"/>',
  heart: '<path d="M12 20.5S3 15 3 8.8C3 5.8 5.2 4 7.5 4 9.5 4 11.2 5.2 12 7c.8-1.8 2.5-3 4.5-3C18.8 4 21 5.8 21 8.8 21 15 12 20.5 12 20.5z"/>',
  crown: '<path d="M3 18h18M3.5 15 3 6l5 4 4-6 4 6 5-4-.5 9z"/>',
  cookie: '<path d="M21 12.5A9 9 0 1 1 11.5 3c0 2.5 2 4 4 4 0 3 2.5 5.5 5.5 5.5z"/><path d="M8.5 9v.01M8 15v.01M13 16.5v.01M12.5 11.5v.01"/>',
  keys: '<rect x="2" y="6" width="20" height="12" rx="2"/><path d="M6 10h.01M10 10h.01M14 10h.01M18 10h.01M7 14h10"/>',
  down: '<path d="m6 9 6 6 6-6"/>',
  eye: '<path d="M2 12s3.5-6.5 10-6.5S22 12 22 12s-3.5 6.5-10 6.5S2 12 2 12z"/><circle cx="12" cy="12" r="2.8"/>',
};

/** A drawing in the text's colour that screen readers skip. */
export function icon(name, classes = "icon") {
  const holder = document.createElement("template");
  holder.innerHTML = `<svg viewBox="0 0 24 24" aria-hidden="true">${SHAPES[name]}</svg>`;
  const drawing = holder.content.firstChild;
  drawing.setAttribute("class", css(classes));
  return drawing;
}

/** A number that counts up to its value. */
export function countUp(element, value, signal) {
  const began = performance.now();
  const step = (now) => {
    const done = motion ? Math.min(1, (now - began) / (900 * motion)) : 1;
    element.textContent = Math.round(value * (1 - (1 - done) ** 3)).toLocaleString("en");
    if (done < 1 && !signal.aborted) requestAnimationFrame(step);
  };
  step(began);
}

/** A modal dialog with a title; resolves to the value of the button pressed, or "" when it is dismissed. */
export function ask(title, content, buttons) {
  const choices = buttons.map(([text, value]) =>
    button(text, () => dialog.close(value), { class: value ? "button primary" : "button" }));
  const dialog = make("dialog", { class: "dialog", "aria-label": title },
    make("h2", {}, title), ...content, make("div", { class: "dialog-buttons" }, choices));
  document.body.append(dialog);
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(dialog.returnValue);
    });
  });
}

let toast = null;

/** A short notice that disappears by itself, and at once when another one comes. */
export function notice(text) {
  toast?.remove();
  const shown = make("div", { class: "toast", role: "status" }, text);
  toast = shown;
  document.body.append(shown);
  setTimeout(() => shown.remove(), 3500);
}
