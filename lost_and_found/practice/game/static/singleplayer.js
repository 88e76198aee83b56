// Classic Maps: five rounds of setting a pin, and the summary.

import { countries, get, post } from "./api.js";
import { button, countUp, icon, make, say } from "./dom.js";
import { countryAt, project } from "./geometry.js";
import { GuessPanel, compass, guessPin, logo, reportFlag, status } from "./overlays.js";
import { Viewer, exhaustMemory } from "./viewer.js";
import { WorldMap } from "./world-map.js";

const MOST_POINTS = 5000;

/** Start a new game and go to its page. */
export async function startGame(page) {
  page.loading();
  const { id } = await post("/api/games", { map: "world" }, page.signal);
  page.go(`/game/${id}`);
}

export async function showGame(page, id) {
  page.loading();
  const [first, world] = await Promise.all([get(`/api/games/${id}`, page.signal), countries()]);
  const viewer = new Viewer(say("street_view"));
  let state = first;

  const advance = async () => {
    page.loading();
    state = await post(`/api/games/${id}/next`, {}, page.signal);
    render();
  };

  const render = () => {
    if (state.crash) exhaustMemory();
    if (state.phase === "finished") page.go(`/results/${id}`, "replace");
    else if (state.phase === "result") showResult(page, { state, world, advance });
    else showRound(page, { state, world, viewer, onguess: guess });
  };

  const guess = async ({ lat, lon }) => {
    state = await post(`/api/games/${id}/guess`, { lat, lon, round: state.round }, page.signal);
    render();
  };
  render();
}

function showRound(page, { state, world, viewer, onguess }) {
  const panel = new GuessPanel({
    countries: world,
    signal: page.signal,
    byCountry: false,
    onguess: (choice) => {
      panel.lock(true);
      page.attempt(() => onguess(choice));
    },
  });
  page.show("stage", viewer.canvas,
    make("div", { class: "side" },
      make("div", { class: "corner top-left" }, logo(page)),
      make("div", { class: "corner bottom-left" },
        make("p", { class: "drawn-notice" }, say("drawn")),
        make("div", { class: "row" }, compass(state.heading_deg), reportFlag()))),
    make("div", { class: "side" },
      make("div", { class: "corner top-right" }, status(
        ["map", say("world")], ["round", roundOf(state)], ["score", state.score.toLocaleString("en")])),
      panel.element));
  page.onkey = (event) => panel.key(event);
  page.attempt(() => viewer.show(state.scene, page.signal));
}

function showResult(page, { state, world, advance }) {
  const result = state.results.at(-1);
  const last = state.results.length === state.rounds;
  const map = resultMap(page, world, [result], { numbered: false });
  const points = make("strong", { class: "points" }, "0");
  const bar = make("div", { class: "bar-fill" });
  const goOn = () => page.attempt(advance);
  const next = button(say(last ? "view_results" : "next"), goOn, { class: "button primary wide" });
  const where = countryAt(world, project(result.lat, result.lon), 0.002);
  page.show("result", map.element,
    make("div", { class: "result-logo" }, logo(page)),
    make("section", { class: "result-card", "aria-label": say("result") },
      make("div", { class: "result-part" },
        make("div", { class: "result-points" }, points, outOf(MOST_POINTS)),
        make("div", { class: "bar" }, bar)),
      make("p", { class: "result-part" },
        make("span", {}, say("from_right_spot"), " ", make("b", {}, say("distance", { km: kilometres(result.km) }))),
        where && make("small", { class: "hint" }, say("right_country", { country: where.name }))),
      make("div", { class: "result-part" }, next,
        make("small", { class: "hint" },
          `${say("round")} ${roundOf(state)} · ${say("score")} ${state.score.toLocaleString("en")}`))));
  map.showArcs();
  countUp(points, result.points, page.signal);
  requestAnimationFrame(() => (bar.style.width = `${result.points / MOST_POINTS * 100}%`));
  next.focus();
  page.onkey = (event) => [" ", "Enter"].includes(event.key) ? (next.click(), true) : map.key(event);
}

/** A map with guesses, answers and the lines between them; the answers' pins open the maps service. */
function resultMap(page, world, results, { numbered }) {
  const map = new WorldMap({ countries: world, label: say("result_map"), signal: page.signal });
  results.forEach((result, index) => {
    const number = numbered ? index + 1 : null;
    map.addArc([result.lat, result.lon], result.guess);
    map.addMarker(guessPin(), result.guess);
    map.addMarker(answerPin(result, number), [result.lat, result.lon]);
  });
  return map;
}

function answerPin(result, number, classes = "pin answer-pin") {
  const { lat, lon, heading_deg: heading, popup } = result;
  const visit = () => {
    if (popup) open(`/maps?q&layer=c&cbll=${lat},${lon}&cbp=${heading},0,0,0,0`);
  };
  const title = say("location");
  return make("button", { type: "button", class: classes, title, "aria-label": title, onclick: visit },
    icon("pin", "pin-shape"), number && make("b", {}, number));
}

export async function showResults(page, id) {
  page.loading();
  const [state, world] = await Promise.all([get(`/api/games/${id}`, page.signal), countries()]);
  if (state.phase !== "finished") return page.go(`/game/${id}`, "replace");
  const map = resultMap(page, world, state.results, { numbered: true });
  const total = make("strong", { class: "points" }, "0");
  const most = MOST_POINTS * state.rounds;
  page.show("summary",
    make("header", { class: "top-bar" }, logo(page)),
    make("main", { class: "summary-main" },
      make("div", { class: "summary-map" }, map.element),
      make("section", { class: "summary-card" },
        make("h1", { class: "title" }, say(praise(state.score / most))),
        make("div", { class: "result-points" }, total, outOf(most)),
        make("h2", { class: "subtitle" }, say("breakdown")),
        breakdown(state, world),
        make("div", { class: "row buttons" },
          button(say("play_again"), () => page.attempt(() => startGame(page)), { class: "button primary" }),
          page.link("/", { class: "button" }, say("home"))))));
  map.showArcs();
  countUp(total, state.score, page.signal);
}

function breakdown({ results }, world) {
  const rows = results.map((result, index) => {
    const country = countryAt(world, project(result.lat, result.lon), 0.002);
    return make("tr", {},
      make("td", {}, answerPin(result, index + 1, "pin row-pin")),
      make("td", {}, country?.name ?? ""),
      make("td", { class: "number" }, say("distance", { km: kilometres(result.km) })),
      make("td", { class: "number" }, result.points.toLocaleString("en")));
  });
  const heads = ["round", "country", "distance_head", "points_head"].map((key, column) =>
    make("th", { scope: "col", class: column > 1 ? "number" : null }, say(key)));
  return make("table", { class: "breakdown" }, make("thead", {}, make("tr", {}, heads)), make("tbody", {}, rows));
}

function roundOf({ round, rounds }) {
  return say("round_of", { round: round + 1, rounds });
}

function outOf(most) {
  return make("small", {}, say("of_points", { most: most.toLocaleString("en") }));
}

function praise(share) {
  const steps = [[0.85, "praise_expert"], [0.6, "praise_good"], [0.35, "praise_fair"], [0, "praise_lost"]];
  return steps.find(([least]) => share >= least)[1];
}

function kilometres(km) {
  return km < 10 ? km.toFixed(1) : Math.round(km).toLocaleString("en");
}
