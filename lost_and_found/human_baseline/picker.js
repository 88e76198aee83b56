// The field with type-ahead in which a player names up to five countries. Runs once when the component is mounted, with
// `element`, `props`, `trigger` and `watch` from Gradio, and COUNTRIES from the page. `props.value` is
// {round, guesses: [codes]}.

const MOST = 5;
const SHOWN = 8;
const MISSPELT = 4;
const PATIENCE_MS = 8000;

const input = element.querySelector("input");
const list = element.querySelector("[role=listbox]");
const chosen = element.querySelector(".chosen");
const message = element.querySelector(".picker-message");
const button = element.querySelector(".guess-button");
let matches = [];
let active = -1;
let sent = false;

// -- search --

const LETTERS = { ø: "o", ł: "l", ı: "i", đ: "d", æ: "ae", œ: "oe", ð: "d", ß: "ss", þ: "th" };

function fold(text) {
  return text
    .normalize("NFKD")
    .replace(/\p{M}/gu, "")
    .toLowerCase()
    .replace(/[øłıđæœðßþ]/g, (letter) => LETTERS[letter])
    .replace(/&/g, " and ")
    .replace(/['’‘`´.]/g, "")
    .replace(/\bst\b/g, "saint")
    .replace(/[^\p{L}\p{N}]+/gu, " ")
    .trim();
}

const index = COUNTRIES.map((country) => ({
  ...country,
  names: [country.name, ...country.others, country.code].map(fold),
}));
const byCode = new Map(index.map((country) => [country.code, country]));

// Letters missing, added, changed or swapped with the next in `typed`, against the best beginning of `name`.
function typingErrors(typed, name, most) {
  let before = null;
  let row = Array.from({ length: name.length + 1 }, (_, column) => column);
  for (let i = 1; i <= typed.length; i++) {
    const next = [i];
    for (let j = 1; j <= name.length; j++) {
      const same = typed[i - 1] === name[j - 1];
      next[j] = Math.min(row[j] + 1, next[j - 1] + 1, row[j - 1] + (same ? 0 : 1));
      if (before && typed[i - 1] === name[j - 2] && typed[i - 2] === name[j - 1])
        next[j] = Math.min(next[j], before[j - 2] + 1);
    }
    if (Math.min(...next) > most + 1) return Infinity;
    before = row;
    row = next;
  }
  return Math.min(...row);
}

// A name from each of its words on: "new zealand", "zealand".
function endings(name) {
  const words = name.split(" ");
  return words.map((_, place) => words.slice(place).join(" "));
}

// Lower is better; Infinity is no match. Whole names come first, then beginnings, beginnings of words, typing errors.
function distance(typed, country) {
  const allowed = typed.length >= 8 ? 2 : typed.length >= 4 ? 1 : 0;
  let best = Infinity;
  country.names.forEach((name, rank) => {
    const penalty = rank ? 0.4 : 0; // another name than the one that is shown
    if (name === typed) best = Math.min(best, penalty / 4);
    else if (name.length > 2 && name.startsWith(typed)) best = Math.min(best, 1 + penalty);
    else if (typed.length > 1 && name.includes(" " + typed)) best = Math.min(best, 2 + penalty);
    else if (typed.length > 3 && name.includes(typed)) best = Math.min(best, 3 + penalty);
    else if (allowed) {
      const errors = Math.min(...endings(name).map((ending) => typingErrors(typed, ending, allowed)));
      if (errors <= allowed) best = Math.min(best, MISSPELT + errors + penalty);
    }
  });
  return best;
}

function search(text) {
  const typed = fold(text);
  if (!typed) return [];
  const taken = new Set(guesses());
  const found = index
    .filter((country) => !taken.has(country.code))
    .map((country) => ({ country, score: distance(typed, country) }))
    .filter((one) => one.score < Infinity)
    .sort((a, b) => a.score - b.score || a.country.name.localeCompare(b.country.name));
  // What may be a typing error is only worth showing where nothing is spelt like that.
  const spelt = found.filter((one) => one.score < MISSPELT);
  return (spelt.length ? spelt : found)
    .slice(0, SHOWN)
    .map((one) => one.country);
}

// -- state --

function guesses() {
  return (props.value && props.value.guesses) || [];
}

function setGuesses(codes) {
  props.value = { ...props.value, guesses: codes };
  drawChosen();
}

function add(country) {
  if (sent) return;
  close(); // what is said now would be hidden below the proposals
  if (guesses().length >= MOST) return say(`At most ${MOST} countries. Remove one first.`);
  setGuesses([...guesses(), country.code]);
  input.value = "";
  const left = MOST - guesses().length;
  say(`${country.name} is guess ${guesses().length}. ${left ? `You can add ${left} more.` : "Press Enter to send."}`);
}

function remove(code) {
  if (sent) return;
  setGuesses(guesses().filter((one) => one !== code));
  say(`${byCode.get(code).name} removed.`);
  input.focus();
}

function submit() {
  if (sent) return;
  if (input.value.trim()) {
    take();
    input.focus();
    return;
  }
  if (!guesses().length) return say("Not counted: name at least one country. Type a few letters and press Enter.");
  sent = true;
  button.disabled = true;
  trigger("submit");
  // Without an answer, as when the server has gone, it can be sent again: the first one counts.
  const waiting = props.value;
  setTimeout(() => {
    if (!sent || props.value !== waiting) return;
    sent = false;
    button.disabled = false;
    say("No answer from the quiz yet. Press Enter to send your guesses again.");
  }, PATIENCE_MS);
}

// Adds what is typed: the proposal that is marked, or the first one.
function take() {
  const typed = fold(input.value);
  const taken = guesses().findIndex((code) => byCode.get(code).names.includes(typed));
  if (taken >= 0 && active < 1) {
    close();
    return say(`${byCode.get(guesses()[taken]).name} is already guess ${taken + 1}.`);
  }
  const found = active >= 0 ? matches[active] : search(input.value)[0];
  if (found) add(found);
  else say(`Not counted: no country matches “${input.value.trim().slice(0, 40)}”.`);
}

// -- drawing --

function say(text) {
  message.textContent = text;
}

function close() {
  matches = [];
  active = -1;
  list.hidden = true;
  list.replaceChildren();
  input.setAttribute("aria-expanded", "false");
  input.removeAttribute("aria-activedescendant");
}

function drawOptions() {
  list.replaceChildren(
    ...matches.map((country, place) => {
      const option = document.createElement("li");
      option.id = `country-option-${place}`;
      option.setAttribute("role", "option");
      option.setAttribute("aria-selected", String(place === active));
      option.textContent = country.name;
      return option;
    })
  );
  list.hidden = !matches.length;
  input.setAttribute("aria-expanded", String(matches.length > 0));
  if (active >= 0) {
    input.setAttribute("aria-activedescendant", `country-option-${active}`);
    list.scrollIntoView({ block: "nearest" }); // below the window it would not be seen to go on
    list.children[active].scrollIntoView({ block: "nearest" });
  } else input.removeAttribute("aria-activedescendant");
}

function drawChosen() {
  chosen.replaceChildren(
    ...guesses().map((code, place) => {
      const item = document.createElement("li");
      const name = document.createElement("span");
      name.textContent = `${place + 1}. ${byCode.get(code).name}`;
      const cross = document.createElement("button");
      cross.type = "button";
      cross.textContent = "×";
      cross.dataset.code = code;
      cross.setAttribute("aria-label", `Remove ${byCode.get(code).name}`);
      item.append(name, cross);
      return item;
    })
  );
  button.disabled = sent;
}

// -- events --

function propose() {
  matches = search(input.value);
  active = matches.length ? 0 : -1;
  drawOptions();
}

input.addEventListener("input", () => {
  propose();
  if (input.value.trim() && !matches.length) say(`No country matches “${input.value.trim().slice(0, 40)}”.`);
  else say("");
});

input.addEventListener("keydown", (event) => {
  if (event.isComposing) return;
  if (event.key === "ArrowDown" || event.key === "ArrowUp") {
    event.preventDefault();
    if (!matches.length) return propose();
    active = (active + (event.key === "ArrowDown" ? 1 : -1) + matches.length) % matches.length;
    drawOptions();
  } else if (event.key === "Enter") {
    event.preventDefault();
    if (event.repeat) return; // a key held too long must not send what was only just added
    if (input.value.trim()) take();
    else submit();
  } else if (event.key === "Escape") close();
  else if (event.key === "Backspace" && !input.value && guesses().length) remove(guesses().at(-1));
});

list.addEventListener("mousedown", (event) => event.preventDefault()); // the field keeps the focus
// Not when a finger comes down: it may have come to scroll.
list.addEventListener("click", (event) => {
  const place = [...list.children].indexOf(event.target.closest("[role=option]"));
  if (place >= 0) add(matches[place]);
});

input.addEventListener("blur", close);
button.addEventListener("click", submit);
chosen.addEventListener("click", (event) => {
  const code = event.target.dataset.code;
  if (code) remove(code);
});

// A new question, or the same one again after an answer that was not taken.
watch("value", () => {
  sent = false;
  input.value = "";
  close();
  say("");
  drawChosen();
});

drawChosen();
