// The banner about cookies, until it is answered, and what the browser remembers besides.

import { ask, button, icon, make, say } from "./dom.js";

const YEAR_S = 365 * 24 * 3600;

function answer() {
  return document.cookie.match(/(?:^|; )consent=(\w+)/)?.[1];
}

function keep(choice) {
  document.cookie = `consent=${choice}; path=/; max-age=${YEAR_S}; SameSite=Lax`;
}

/** Lay the banner over the page if it hasn't been answered; until then nothing else can be used. */
export function offerConsent(root) {
  root.inert = !answer();
  if (!root.inert) return;
  const settle = (choice) => {
    keep(choice);
    banner.remove();
    root.inert = false;
  };
  const manage = async () => {
    const remember = make("input", { type: "checkbox" });
    const option = (box, name, text) =>
      make("label", { class: "choice" },
        box, make("span", {}, make("b", {}, say(name)), make("small", {}, say(text))));
    const needed = make("input", { type: "checkbox", checked: true, disabled: true });
    const saved = await ask(say("consent_manage"), [
      option(needed, "cookies_needed", "cookies_needed_why"),
      option(remember, "cookies_remember", "cookies_remember_why"),
    ], [[say("cancel"), ""], [say("save_choices"), "save"]]);
    if (saved) settle(remember.checked ? "all" : "needed");
  };
  const accept = button(say("consent_accept"), () => settle("all"), { class: "button primary" });
  const banner = make("div", { class: "consent-cover" },
    make("section", { class: "consent", role: "dialog", "aria-label": say("cookies") },
      icon("cookie", "consent-cookie"),
      make("p", {}, say("consent")),
      make("div", { class: "row buttons" }, button(say("consent_manage"), manage), accept)));
  document.body.append(banner);
  accept.focus();
}

const seen = new Set();

/** Whether something is shown for the first time; remembered beyond this visit if the visitor has agreed to that. */
export function isFirst(what) {
  if (seen.has(what) || localStorage.getItem(what)) return false;
  seen.add(what);
  if (answer() === "all") localStorage.setItem(what, "seen");
  return true;
}
