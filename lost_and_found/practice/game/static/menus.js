// The pages before a game: home, log-in, the list of maps, the choice of a multiplayer game.

import { account, countries, post } from "./api.js";
import { joinBattle } from "./battle-royale.js";
import { isFirst } from "./consent.js";
import { ask, button, icon, make, say } from "./dom.js";
import { spinGlobe } from "./globe.js";
import { avatar, logo } from "./overlays.js";
import { startGame } from "./singleplayer.js";

export async function showHome(page) {
  const user = await account(page.signal);
  if (user) return showMenu(page, user);
  const globe = make("canvas", { class: "globe", role: "img", "aria-label": say("globe") });
  page.show("home",
    make("header", { class: "top-bar" }, logo(page)),
    make("main", { class: "hero" },
      make("div", { class: "hero-words" },
        make("h1", {}, say("hero")),
        make("p", {}, say("hero_more")),
        page.link("/signin", { class: "button primary big" }, say("log_in"))),
      globe),
    footer());
  page.attempt(async () => spinGlobe(globe, await countries(), page.signal));
}

function showMenu(page, user) {
  page.show("home",
    topBar(page, user),
    make("main", { class: "centred" },
      make("h1", { class: "title" }, say("greeting", { name: user.name })),
      make("nav", { class: "entries", "aria-label": say("games") },
        page.link("/maps/world", { class: "entry" }, ...entry("pin", "classic_maps", "classic_maps_more")),
        page.link("/multiplayer", { class: "entry" }, ...entry("people", "multiplayer", "multiplayer_more")))),
    footer());
}

export async function showSignIn(page) {
  const email = make("input", { type: "email", name: "email", autocomplete: "username", required: true });
  const password = make("input", {
    type: "password", name: "password", autocomplete: "current-password", required: true,
  });
  const trouble = make("p", { class: "form-trouble", role: "alert" });
  const submit = make("button", { type: "submit", class: "button primary wide" }, say("log_in"));
  const logIn = async (event) => {
    event.preventDefault();
    submit.disabled = true;
    trouble.textContent = "";
    await page.attempt(async () => {
      try {
        await post("/api/login", { email: email.value, password: password.value }, page.signal);
      } catch (refusal) {
        if (refusal.status !== 401) throw refusal;
        trouble.textContent = refusal.message;
        password.select();
        return;
      }
      page.go(target(), "replace");
    });
    submit.disabled = false;
  };
  page.show("signin",
    make("header", { class: "top-bar" }, logo(page)),
    make("main", { class: "centred" },
      make("form", { class: "form", onsubmit: logIn },
        make("h1", { class: "title" }, say("welcome")),
        make("p", { class: "form-hint" }, say("log_in_hint")),
        make("label", {}, say("email"), email),
        make("label", {}, say("password"), password),
        trouble, submit)),
    footer());
  email.focus();
}

// Where the visitor was when asked to log in; only a path of this site.
function target() {
  const path = new URLSearchParams(location.search).get("target") ?? "/";
  return /^\/(?!\/)/.test(path) ? path : "/";
}

export async function showMaps(page) {
  const user = await visitor(page);
  page.show("home",
    topBar(page, user),
    make("main", { class: "centred" },
      make("h1", { class: "title" }, say("classic_maps")),
      make("article", { class: "map-card" },
        make("div", { class: "map-card-picture" }, icon("globe", "map-card-globe")),
        make("div", { class: "map-card-words" },
          make("h2", {}, say("world")),
          make("p", {}, say("world_more")),
          button(say("play"), () => page.attempt(() => startGame(page)), { class: "button primary wide" })))),
    footer());
}

export async function showMultiplayer(page) {
  const user = await visitor(page);
  const choose = (onclick, ...content) => {
    page.show("home",
      topBar(page, user),
      make("main", { class: "centred" },
        make("h1", { class: "title" }, say("multiplayer")),
        make("div", { class: "entries" }, make("button", { type: "button", class: "entry", onclick }, ...content))),
      footer());
  };
  const join = () => page.attempt(() => joinBattle(page));
  const chooseGame = () => choose(join, ...entry("flag", "countries", "countries_more"));
  choose(chooseGame, ...entry("people", "unranked", "unranked_more"));
  if (!isFirst("multiplayer")) return;
  await ask(say("multiplayer"), [make("p", {}, say("multiplayer_intro"))], [[say("got_it"), "yes"]]);
}

function entry(drawing, title, text) {
  const words = make("span", {}, make("b", {}, say(title)), make("small", {}, say(text)));
  return [icon(drawing, "entry-icon"), words];
}

async function visitor(page) {
  const user = await account(page.signal);
  if (!user) page.go(`/signin?target=${encodeURIComponent(location.pathname)}`, "replace");
  return user;
}

function topBar(page, user) {
  const logOut = () => page.attempt(async () => {
    await post("/api/logout");
    page.go("/");
  });
  const menu = make("details", { class: "user" },
    make("summary", { class: "user-name" }, avatar(user.name), make("span", {}, user.name), icon("down")),
    make("div", { class: "user-menu" },
      make("small", {}, user.email), button(say("log_out"), logOut, { class: "button wide" })));
  document.addEventListener("pointerdown", (event) => {
    if (!menu.contains(event.target)) menu.open = false;
  }, { signal: page.signal });
  menu.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    menu.open = false;
    menu.querySelector("summary").focus();
  });
  return make("header", { class: "top-bar" }, logo(page), menu);
}

function footer() {
  return make("footer", { class: "footer" }, say("drawn_more"));
}
