"""The page: one shell for every path, with class names that are new at each start of the server.

The style sheet is written with logical names, `.__guess-map__`. As with CSS modules, browsers see a hash
instead, so that nothing can be found by class, except the viewer, whose class stays, as on the real site.
"""

from __future__ import annotations

import json
import re
import secrets
from importlib import resources

from lost_and_found.practice.game.faults import Faults
from lost_and_found.practice.game.pace import Pace
from lost_and_found.practice.game.texts import RENAMED_GUESS, TEXTS

VIEWER_CLASS = "mapsConsumerUiSceneCoreScene__canvas"
_CLASS = re.compile(r"\.__([a-z][a-z0-9-]*)__")


class Shell:
    """What the browser loads before it calls the API.

    Attributes:
        classes: class in the page by logical name.
        files: the page's scripts, and its style sheet with this start's class names, by name.
    """

    def __init__(self, pace: Pace) -> None:
        self._pace = pace
        static = resources.files(__package__) / "static"
        texts = {file.name: file.read_text(encoding="utf-8") for file in static.iterdir()}
        self._html = texts.pop("shell.html")
        self.classes = {name: f"c{secrets.token_hex(5)}" for name in _CLASS.findall(texts["game.css"])}
        self.files = texts | {
            "game.css": _CLASS.sub(lambda match: f".{self.classes[match[1]]}", texts["game.css"])
        }

    def page(self, faults: Faults) -> str:
        """The HTML of every page."""
        renamed = {"guess": RENAMED_GUESS} if faults.strikes("renamed-button") else {}
        config = {
            "classes": self.classes,
            "viewer": VIEWER_CLASS,
            "texts": TEXTS | renamed,
            "pace": self._pace.factor,
        }
        # "</script>" in a text would end the element.
        text = json.dumps(config, ensure_ascii=False).replace("<", r"\u003c")
        return self._html.replace("{{config}}", text)
