// Countries: name the country before the others do, or lose a heart.

import { countries, get, post } from "./api.js";
import { button, icon, make, notice, say, toggle } from "./dom.js";
import { silhouette } from "./geometry.js";
import { GuessPanel, avatar, compass, hearts, logo, reportFlag, status } from "./overlays.js";
import { Viewer, exhaustMemory } from "./viewer.js";

/** Join a lobby and go to its page. */
export async function joinBattle(page) {
  page.loading();
  const { id } = await post("/api/battle-royale", {}, page.signal);
  page.go(`/battle-royale/${id}`);
}

export async function showBattle(page, id) {
  page.loading();
  const [first, world] = await Promise.all([get(`/api/battle-royale/${id}`, page.signal), countries()]);
  const battle = new Battle(page, id, world);
  for (let state = first; ; state = await get(`/api/battle-royale/${id}?since=${state.version}`, page.signal)) {
    battle.update(state);
    if (state.phase === "finished") return;
  }
}

class Battle {
  constructor(page, id, world) {
    Object.assign(this, { page, id, world });
    this.names = new Map(world.map((country) => [country.code, country]));
    this.viewer = new Viewer(say("street_view"));
    this.panel = new GuessPanel({
      countries: world,
      signal: page.signal,
      byCountry: true,
      onguess: ({ country }) => this.guess(country.code),
    });
    this.players = make("ul", { class: "players panel", "aria-label": say("players") });
    this.guesses = make("ul", { class: "wrong-list" });
    this.message = make("div", { class: "message", role: "status" });
    this.own = make("div", { class: "own" });
    this.compass = make("div", {});
    this.round = make("b", {});
    this.time = make("div", { class: "time" });
    this.scene = null;
    this.tick = setInterval(() => this.count(), 100);
    page.signal.addEventListener("abort", () => clearInterval(this.tick));
  }

  /** Draw the server's latest state; only what changed is touched. */
  update(state) {
    if (this.state && state.version < this.state.version) return; // overtaken by the answer to a guess
    this.state = state;
    this.deadline = performance.now() + 1000 * (state.starts_in_s ?? state.ends_in_s ?? 0);
    if (state.crash) exhaustMemory();
    if (state.phase === "lobby" || state.phase === "countdown") return this.showLobby();
    if (state.phase === "finished") return this.showEnd();
    if (!this.stage) this.showStage();
    if (state.scene !== this.scene) this.beginRound();
    this.players.replaceChildren(...state.players.map((player) => this.player(player)));
    this.listGuesses();
    this.showOwn();
    this.showAnswer();
    this.count();
  }

  // Before and after

  showLobby() {
    const { phase, players } = this.state;
    this.heading ??= make("h1", { class: "title", role: "status" });
    this.lobbyPlayers ??= make("ul", { class: "lobby-players", "aria-label": say("players") });
    if (!this.lobby) {
      this.lobby = true;
      this.page.show("lobby",
        make("header", { class: "top-bar" }, logo(this.page)),
        make("main", { class: "centred" },
          make("div", { class: "radar", "aria-hidden": "true" }, icon("globe", "radar-globe")),
          this.heading, this.lobbyPlayers, make("p", { class: "hint" }, say("battle_rules"))));
    }
    if (phase === "lobby") this.heading.textContent = say("waiting");
    for (const { name } of players.slice(this.lobbyPlayers.children.length)) {
      const player = make("li", { class: "lobby-player" }, avatar(name), make("span", {}, this.called(name)));
      this.lobbyPlayers.append(player);
    }
    this.count();
  }

  showEnd() {
    const { winner, players } = this.state;
    const mine = winner === this.state.you.name;
    const order = [...players].sort((a, b) => (b.name === winner) - (a.name === winner) || b.hearts - a.hearts);
    const again = () => this.page.attempt(() => joinBattle(this.page));
    clearInterval(this.tick);
    this.page.show("lobby",
      make("header", { class: "top-bar" }, logo(this.page)),
      make("main", { class: "centred" },
        make("div", { class: mine ? "trophy won" : "trophy" },
          icon("crown", "trophy-crown"), avatar(winner, "avatar large")),
        make("h1", { class: "title" }, say("won", { player: winner })),
        make("p", { class: "hint" }, say(mine ? "you_won" : "better_luck")),
        make("ol", { class: "standings" }, order.map((player) => this.player(player))),
        make("div", { class: "row buttons" },
          button(say("play_again"), again, { class: "button primary" }),
          this.page.link("/", { class: "button" }, say("home")))));
  }

  // The rounds

  showStage() {
    this.stage = true;
    this.page.show("stage", this.viewer.canvas,
      make("div", { class: "side" },
        make("div", { class: "corner top-left" }, logo(this.page), this.players),
        make("div", { class: "corner bottom-left" },
          this.own,
          make("p", { class: "drawn-notice" }, say("drawn")),
          make("div", { class: "row" }, this.compass, reportFlag()))),
      make("div", { class: "side" },
        make("div", { class: "corner top-right" },
          status(["round", this.round]),
          make("section", { class: "wrong panel" },
            make("h2", { class: "panel-title" }, say("guesses_made")), this.guesses)),
        this.panel.element),
      this.message, this.time);
    this.page.onkey = (event) => this.panel.key(event);
  }

  beginRound() {
    const { scene, round, heading_deg: heading } = this.state;
    this.scene = scene;
    this.length = this.state.ends_in_s;
    this.round.textContent = round + 1;
    this.compass.replaceChildren(compass(heading));
    this.panel.reset();
    this.panel.lock(false);
    this.guesses.replaceChildren();
    this.shownAnswer = null;
    this.page.attempt(() => this.viewer.show(scene, this.page.signal));
  }

  listGuesses() {
    for (const { player, code, name } of this.state.guesses.slice(this.guesses.children.length)) {
      const src = silhouette(this.names.get(code), "#ff8d8d");
      this.guesses.append(make("li", { class: "wrong-guess", title: `${this.called(player)}: ${name}` },
        make("img", { class: "shape", alt: name, width: 28, height: 28, src }), make("span", {}, name)));
      this.panel.refuse(code);
      this.guesses.scrollTop = this.guesses.scrollHeight; // the latest stays in view where there isn't room for all
    }
    toggle(this.guesses, "empty", !this.guesses.children.length);
  }

  async guess(code) {
    this.panel.lock(true);
    await this.page.attempt(async () => {
      const before = this.state.you.hearts;
      const path = `/api/battle-royale/${this.id}/guess`;
      const state = await post(path, { code }, this.page.signal).catch((refusal) => {
        // The round may have ended while the guess was on its way.
        if (refusal.status !== 409) throw refusal;
        return this.state;
      });
      if (state.you.hearts < before) notice(say("wrong_country", { country: this.names.get(code).name }));
      this.update(state);
    });
    this.panel.lock(!this.canGuess);
  }

  get canGuess() {
    const { you, phase } = this.state;
    return phase === "playing" && !you.out && !you.right;
  }

  showOwn() {
    const { you, phase } = this.state;
    toggle(this.panel.element, "watching", !this.canGuess);
    if (!this.canGuess) this.panel.lock(true);
    const found = you.right && phase === "playing";
    const key = JSON.stringify([you.hearts, you.out, you.spectating, found]);
    if (key === this.ownShown) return; // a button that is replaced under the mouse can't be clicked
    this.ownShown = key;
    const watching = make("span", { class: "spectating" }, icon("eye"), say("spectating"));
    const spectate = button(say("spectate"), () => this.spectate(), { class: "button primary small" });
    this.own.replaceChildren(hearts(you.hearts),
      ...(found ? [make("b", { class: "good" }, say("you_found_it"))] : []),
      ...(you.out ? (you.spectating ? [watching] : [make("b", {}, say("you_are_out")), spectate]) : []));
  }

  spectate() {
    this.page.attempt(() => post(`/api/battle-royale/${this.id}/spectate`, {}, this.page.signal));
  }

  showAnswer() {
    const { answer, phase } = this.state;
    if (phase !== "answer" || this.shownAnswer) return;
    this.shownAnswer = answer.code;
    this.panel.drop();
    this.panel.map.mark(answer.code, "right");
    this.panel.map.showCountry(answer.code);
    this.countdown = make("small", {});
    this.message.replaceChildren(make("b", {}, say("right_answer", { country: answer.name })), this.countdown);
  }

  /** The seconds that count down in whatever is shown. */
  count() {
    if (!this.state) return;
    const { phase } = this.state;
    const left = Math.max(0, (this.deadline - performance.now()) / 1000);
    const seconds = Math.max(1, Math.ceil(left));
    if (phase === "countdown") this.heading.textContent = say("starting_in", { seconds });
    if (phase === "answer" && this.countdown) this.countdown.textContent = say("next_round_in", { seconds });
    if (phase === "playing") this.message.replaceChildren();
    this.time.style.width = phase === "playing" ? `${100 * left / this.length}%` : 0;
  }

  player(player) {
    const found = make("span", { class: "good", role: "img", "aria-label": say("found_it") }, "✓");
    return make("li", { class: player.out ? "player out" : "player" },
      avatar(player.name), make("span", { class: "player-name" }, player.name),
      player.name === this.state.you.name ? make("span", { class: "player-you" }, `(${say("you")})`) : null,
      player.right && !player.out ? found : null,
      hearts(player.hearts));
  }

  called(name) {
    return name === this.state.you.name ? `${name} (${say("you")})` : name;
  }
}
