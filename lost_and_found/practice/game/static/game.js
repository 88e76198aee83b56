// Which page is shown at which address, and what is shown when something goes wrong.

import { Refusal } from "./api.js";
import { showBattle } from "./battle-royale.js";
import { offerConsent } from "./consent.js";
import { button, icon, make, motion, say } from "./dom.js";
import { showHome, showMaps, showMultiplayer, showSignIn } from "./menus.js";
import { logo } from "./overlays.js";
import { showGame, showResults } from "./singleplayer.js";

const PAGES = [
  [/^\/$/, showHome],
  [/^\/signin$/, showSignIn],
  [/^\/maps\/world$/, showMaps],
  [/^\/game\/(\w+)$/, showGame],
  [/^\/results\/(\w+)$/, showResults],
  [/^\/multiplayer$/, showMultiplayer],
  [/^\/battle-royale\/(\w+)$/, showBattle],
];

/** A page on the screen, until another one takes its place. */
class Page {
  constructor(root) {
    this.root = root;
    this.leaving = new AbortController();
    this.signal = this.leaving.signal;
    this.onkey = () => false;
  }

  show(name, ...children) {
    if (this.signal.aborted) return;
    this.onkey = () => false;
    this.root.replaceChildren(make("div", { class: `screen ${name}` }, ...children));
  }

  loading() {
    this.show("waiting", make("div", { class: "loader", role: "status" },
      icon("pin", "loader-pin"), make("p", {}, say("loading"))));
  }

  /** Go to another page; `how` is "push", or "replace" where going back should skip this one. */
  go(path, how = "push") {
    if (this.signal.aborted) return;
    history[`${how}State`](null, "", path);
    route();
  }

  /** A link to another page; `options` and children as for `make`. */
  link(path, options, ...children) {
    const onclick = (event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey) return; // a new tab was meant
      event.preventDefault();
      this.go(path);
    };
    return make("a", { href: path, onclick, ...options }, ...children);
  }

  /** Do something that may fail; if it does, show the failure instead of the page. */
  async attempt(act) {
    try {
      await act();
    } catch (error) {
      if (this.signal.aborted) return;
      if (!(error instanceof Refusal)) console.error(error);
      if (error.status === 401) this.go(`/signin?target=${encodeURIComponent(location.pathname)}`, "replace");
      else if (error.status === 409) route(); // another tab has gone on
      else showRefusal(turnOver(), error);
    }
  }
}

let page = null;

/** A new page in place of the one shown, which stops whatever it was doing. */
function turnOver() {
  page?.leaving.abort();
  // Going back leaves a dialog open. The question about cookies, asked before all else, belongs to no page.
  if (!root.inert) document.querySelector("dialog")?.close();
  page = new Page(root);
  return page;
}

/** Show the page of the address. */
function route() {
  const [pattern, show] = PAGES.find(([path]) => path.test(location.pathname));
  const opened = turnOver();
  opened.attempt(() => show(opened, ...location.pathname.match(pattern).slice(1)));
}

function showRefusal(page, refusal) {
  const home = page.link("/", { class: "button primary" }, say("home"));
  if (refusal.status === 429) showRateLimit(page, refusal.retryAfterS);
  else if (refusal.status === 404) showTrouble(page, "no_such_game", home);
  else showTrouble(page, "server_error", button(say("try_again"), route, { class: "button primary" }));
}

function showTrouble(page, text, ...children) {
  page.show("trouble",
    make("header", { class: "top-bar" }, logo(page)),
    make("main", { class: "centred", role: "alert" },
      make("div", { class: "lost-pin" }, icon("pin")), make("h1", { class: "title" }, say(text)), ...children));
}

function showRateLimit(page, seconds) {
  const until = performance.now() + seconds * 1000;
  const wait = make("p", { class: "hint" });
  const again = button(say("try_again"), route, { class: "button primary" });
  const count = () => {
    const left = Math.ceil((until - performance.now()) / 1000);
    again.disabled = left > 0;
    wait.textContent = left > 0 ? say("rate_limit_wait", { seconds: left }) : "";
  };
  const timer = setInterval(count, 200);
  page.signal.addEventListener("abort", () => clearInterval(timer));
  count();
  showTrouble(page, "rate_limit", wait, again);
}

const root = make("div", { class: "root" });
document.body.append(root);
document.documentElement.style.setProperty("--motion", motion);
document.title = say("title");
addEventListener("popstate", route);
addEventListener("keydown", (event) => {
  const typing = event.target.closest?.("button, a, input, select, dialog");
  const forMap = /^(Arrow\w+|[-+=])$/.test(event.key) && !event.target.closest?.("input, select, dialog");
  if (root.inert || event.ctrlKey || event.metaKey || event.altKey || (typing && !forMap)) return;
  if (event.repeat && !event.key.startsWith("Arrow")) return;
  if (page.onkey(event)) event.preventDefault();
});
offerConsent(root);
route();
