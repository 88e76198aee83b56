"""The quiz's page.

All state is in the file of answers: an event brings its player's token, by which the rest is found there.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.blocks import Block

from lost_and_found import pages
from lost_and_found.errors import InvalidConfig, LostAndFoundError, NotTaken
from lost_and_found.geo.countries import aliases, all_countries
from lost_and_found.human_baseline import views
from lost_and_found.human_baseline.answer_map import land_symbols
from lost_and_found.human_baseline.answers import Player
from lost_and_found.human_baseline.quiz import EXPERIENCES, LONGEST_NAME, Quiz

HERE = Path(__file__).parent
STORAGE_KEY = "lost-and-found-player"
THREADS = 64  # events handled at once; each is a few milliseconds of work
# Kept by the browser in place of a token, as an empty text would not be.
NOBODY = "nobody"


class Page:
    """The components of the page, and which of them are shown when."""

    def __init__(self, quiz: Quiz) -> None:
        """Lay the page out; call it within `gr.Blocks`."""
        self._quiz = quiz
        deck = quiz.deck
        countries = len({item.country_code for item in deck.items.values()})
        # A key for each list, as each list has its own players.
        key = f"{STORAGE_KEY}-{deck.digest[:12]}"
        self.token = gr.BrowserState("", storage_key=key, secret=quiz.answers.secret)
        gr.HTML(land_symbols(), padding=False)
        with gr.Column(elem_classes="quiz"):
            with gr.Column(visible=False) as self.entry:
                gr.HTML(
                    views.intro(
                        pictures=len(deck), rounds=quiz.rounds, countries=countries, model=bool(quiz.model)
                    )
                )
                self.name = gr.Textbox(label="Your name", max_length=4 * LONGEST_NAME, elem_id="player-name")
                self.experience = gr.Radio(
                    [
                        ("Amateur: I play rarely or never", EXPERIENCES[0]),
                        ("Advanced: I play often", EXPERIENCES[1]),
                    ],
                    label="How experienced are you at guessing places?",
                )
                self.start = gr.Button("Start", variant="primary")
            self.problem = gr.HTML()
            with gr.Column(visible=False) as self.playing:
                self.question = gr.HTML()
                self.picker = gr.HTML(
                    {"round": 0, "guesses": []},
                    html_template=(HERE / "picker.html").read_text(encoding="utf-8"),
                    js_on_load=_picker_script(),
                )
            with gr.Column(visible=False) as self.answered:
                self.outcome = gr.HTML()
                self.next = gr.Button("Next picture", variant="primary", elem_id="next")
            with gr.Column(visible=False) as self.finished:
                self.summary = gr.HTML()
                self.again = gr.Button("Play on with more pictures", variant="primary", elem_id="again")
                self.leave = gr.Button("Let somebody else play", elem_id="leave")
            self.standing = gr.HTML()
            with gr.Accordion("Leaderboard", open=False):
                self.leaders = gr.HTML()

    @property
    def outputs(self) -> list[Any]:
        """All components that an event may change."""
        return [one for one in vars(self).values() if isinstance(one, Block)]

    # -- what is shown --

    def _shows(self, part: Any, changes: Mapping[Any, Any]) -> dict[Any, Any]:  # noqa: ANN401
        parts = (self.entry, self.playing, self.answered, self.finished)
        visible = {one: gr.update(visible=one is part) for one in parts}
        leaders = views.leaderboard(self._quiz.leaderboard())
        return {**visible, self.problem: "", self.leaders: leaders, **changes}

    def _entry(self) -> dict[Any, Any]:
        return self._shows(self.entry, {self.standing: ""})

    def _play(self, player: Player) -> dict[Any, Any]:
        """Show the next picture, or the end of the session."""
        asked = self._quiz.question(player)
        own = self._quiz.standing(player)
        if asked is None:
            changes: dict[Any, Any] = {
                self.summary: views.summary(own),
                self.again: gr.update(visible=self._quiz.can_extend(player)),
                self.standing: "",
            }
            return self._shows(self.finished, changes)
        changes = {
            self.question: views.question(asked),
            self.picker: {"round": asked.number, "guesses": []},
            self.standing: views.standing(own),
        }
        return self._shows(self.playing, changes)

    # -- events --

    def load(self, token: str) -> dict[Any, Any]:
        """The page was opened: go on where the player left off."""
        player = self._quiz.answers.player(str(token))
        return self._entry() if player is None else self._play(player)

    def join(self, token: str, name: str, experience: str) -> dict[Any, Any]:
        """A name was entered; in a second tab of a player, that player goes on."""
        player = self._quiz.answers.player(str(token))
        if player is None:
            token = self._quiz.join(name, experience)
            player = self._quiz.answers.player(token)
        assert player is not None  # it has just joined
        try:
            changes = self._play(player)
        except LostAndFoundError as error:  # the name is taken now, and only this browser can go on with it
            changes = {self.problem: _told(error)}
        return {**changes, self.token: token}

    def answer(self, token: str, picked: object) -> dict[Any, Any]:
        """Guesses were sent."""
        player = self._player(token)
        value = picked if isinstance(picked, dict) else {}
        number, guesses = value.get("round"), value.get("guesses")
        if not isinstance(number, int) or not isinstance(guesses, list):
            raise gr.Error("This page is out of date. Reload it to go on.")
        outcome = self._quiz.answer(player, number, guesses)
        changes = {
            self.outcome: views.outcome(outcome),
            self.next: gr.update(value="See how you did" if outcome.is_last else "Next picture"),
            self.standing: views.standing(self._quiz.standing(player)),
        }
        return self._shows(self.answered, changes)

    def go_on(self, token: str) -> dict[Any, Any]:
        """The next picture was requested."""
        return self._play(self._player(token))

    def play_on(self, token: str) -> dict[Any, Any]:
        """A longer session was requested."""
        player = self._player(token)
        if self._quiz.question(player) is None:
            self._quiz.extend(player)
        return self._play(self._player(token))

    def sign_out(self) -> dict[Any, Any]:
        """Somebody else wants to play in this browser."""
        return {**self._entry(), self.token: NOBODY, self.name: "", self.experience: None}

    def _player(self, token: str) -> Player:
        player = self._quiz.answers.player(str(token))
        if player is None:
            raise gr.Error("This browser has forgotten who you are. Reload the page.")
        return player

    def connect(self, demo: gr.Blocks) -> None:
        """Connect events to components."""
        own = [self.token]
        entered = [self.token, self.name, self.experience]
        events: list[tuple[list[Any], Callable, list[Any]]] = [
            ([demo.load], self.load, own),
            ([self.start.click, self.name.submit], self.join, entered),
            ([self.picker.submit], self.answer, [self.token, self.picker]),
            ([self.next.click], self.go_on, own),
            ([self.again.click], self.play_on, own),
            ([self.leave.click], self.sign_out, []),
        ]
        for triggers, respond, inputs in events:
            done = gr.on(
                triggers,
                self._explaining(respond),
                inputs,
                self.outputs,
                show_progress="hidden",
                # Only the first answer counts, so it may be sent again while the first try hangs.
                trigger_mode="multiple" if respond == self.answer else "once",
                queue=False,  # a few milliseconds of work, a tenth of what the queue itself takes
                api_name=respond.__name__,
            )
            done.then(None, None, None, js="() => window.focusOnNext()")  # of page.js

    def _explaining(self, respond: Callable) -> Callable:
        """Show the message of an error of the project, and leave the page as it is."""

        def explained(*inputs: Any) -> dict[Any, Any]:  # noqa: ANN401
            try:
                return respond(*inputs)
            except LostAndFoundError as error:
                changes: dict[Any, Any] = {self.problem: _told(error)}
                if respond == self.answer:  # the picker waits for another value before it sends again
                    _, picked = inputs
                    changes[self.picker] = {**picked, "refused": picked.get("refused", 0) + 1}
                return changes

        return explained


def _told(error: LostAndFoundError) -> str:
    """What players are told of an error; whoever runs the quiz is told all of it."""
    if isinstance(error, NotTaken):
        return views.notice(str(error))
    # It names folders, and players can do nothing about it.
    print(f"error: {error}", file=sys.stderr, flush=True)
    return views.notice("The quiz can't go on. Tell whoever runs it, and try again later; nothing is lost.")


def _picker_script() -> str:
    """`picker.js` with its index, as the component loses properties when an event leaves it unchanged."""
    index = json.dumps(search_index(), ensure_ascii=False)
    return f"const COUNTRIES = {index};\n{(HERE / 'picker.js').read_text(encoding='utf-8')}"


def search_index() -> list[dict[str, object]]:
    """[{"code", "name", "others": [other names]}, ...] by name, as people write them."""
    countries = sorted(all_countries(), key=lambda country: country.name)
    return [
        {"code": country.code, "name": country.name, "others": list(aliases(country.code))}
        for country in countries
    ]


def build_app(quiz: Quiz) -> gr.Blocks:
    """The page as a Gradio app, to be launched."""
    with gr.Blocks(title="Lost & Found quiz", analytics_enabled=False) as demo:
        Page(quiz).connect(demo)
    return demo


def launch(
    demo: gr.Blocks,
    *,
    host: str = pages.LOOPBACK[0],
    port: int | None = None,
    password: str = "",
    share: bool = False,
) -> str:
    """Serve the quiz from a thread until `demo.close()`; returns its address.

    Args:
        demo: from `build_app`.
        host: 127.0.0.1 is for this machine only.
        port: None for the first free one from 7860.
        password: asked for before anything is shown; the user name is "player". Empty for none.
        share: serve it also through Gradio's public tunnel.

    Raises:
        InvalidConfig: other machines could reach it without a password, or host and port can't be listened
            on.
    """
    if not password and (share or host not in pages.LOOPBACK):
        raise InvalidConfig("a quiz that other machines can reach needs a password")
    return pages.launch(
        demo,
        host=host,
        port=port,
        share=share,
        auth=("player", password) if password else None,
        max_threads=THREADS,
        max_file_size=1,  # nothing may be uploaded
        css_paths=HERE / "quiz.css",
        js=(HERE / "page.js").read_text(encoding="utf-8"),
    )
