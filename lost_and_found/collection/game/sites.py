"""The sites that can be played: where they are and what their pages say.

Both have the same flow and the same texts, so what is tested on the practice game holds for the live site.
Texts are what a person sees, since class names and ids change with every release of a site.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Literal

Mode = Literal["singleplayer", "multiplayer"]
# What the collector calls itself, to a site and in its robots.txt.
AGENT = "LostAndFound"

PLACE = r"(?:.*&)?cbll=(?P<lat>-?\d+(?:\.\d+)?)(?:,|%2C)(?P<lon>-?\d+(?:\.\d+)?)(?:&|$)"


@dataclass(frozen=True)
class Label:
    """A whole line on a button or link, or its title, as a case-insensitive regular expression."""

    pattern: str

    def __str__(self) -> str:
        return f"a button {self.pattern!r}"


@dataclass(frozen=True)
class Phrase:
    """Part of the visible text of a page, as a case-insensitive regular expression."""

    pattern: str

    def __str__(self) -> str:
        return f"the text {self.pattern!r}"


Sign = Label | Phrase


@dataclass(frozen=True)
class Texts:
    """What the pages say to a person."""

    accept_cookies: Label = Label(r"Accept all(?: cookies)?")
    log_in: Label = Label(r"Log in")
    wrong_password: Phrase = Phrase(r"Wrong email or password")

    classic: Label = Label(r"Classic Maps")
    world: Label = Label(r"World")
    play: Label = Label(r"Play")
    place_pin: Phrase = Phrase(r"Place your pin on the map")
    guess: Label = Label(r"Guess")
    round_number: Phrase = Phrase(r"Round\s+(\d+)\b")
    map_attribution: Phrase = Phrase(r"Map data ©")
    map_shortcuts: Label = Label(r"Keyboard shortcuts")
    answer_pin: Label = Label(r"Location")
    next_round: Label = Label(r"Next")
    view_results: Label = Label(r"View results")
    play_again: Label = Label(r"Play again")

    multiplayer: Label = Label(r"Multiplayer")
    got_it: Label = Label(r"Got it!?")
    unranked: Label = Label(r"Unranked")
    countries: Label = Label(r"Countries")
    waiting: Phrase = Phrase(r"Waiting for players|Game starting in")
    guesses_made: Phrase = Phrase(r"Already made guesses")
    right_answer: Phrase = Phrase(r"right answer was(?: indeed)?:?\s+([^\n]+?)\s*[.!]?\s*(?:\n|$)")
    spectate: Label = Label(r"Spectate")

    rate_limit: Phrase = Phrase(r"Rate limit")
    server_error: Phrase = Phrase(r"Something went wrong")
    no_such_game: Phrase = Phrase(r"This game does not exist")


@dataclass(frozen=True)
class Site:
    """A site to collect from.

    Attributes:
        name: first part of every sample id, and the `source` of every record.
        url: the home page, without a slash at the end.
        live: whether it is a real service, which needs the user's statement and a slower pace.
        texts: what its pages say.
        viewer: CSS selector of the canvas that shows the street view.
        game_url: matches a game's address, with the id in group "game".
        maps_link: matches the link to a place on a maps service, with groups "lat" and "lon" in degrees.
        pictures: matches the addresses of the street views' parts, whose loading is waited for.
        patience_s: how long to wait for what a page should show before the site counts as changed.
        rest_s: how long the page may take to decode the street view after its last part has arrived; a
            blurred preview is shown meanwhile.
        blank_s: how long the viewer may stay blank after all parts of the street view have arrived.
        popup_s: how long the answer's pin may take to open its link.
    """

    name: str
    url: str
    live: bool
    maps_link: re.Pattern[str]
    pictures: re.Pattern[str]
    texts: Texts = field(default_factory=Texts)
    viewer: str = ".mapsConsumerUiSceneCoreScene__canvas"
    game_url: re.Pattern[str] = re.compile(
        r"https?://[^/]+/(?:[a-z]{2}/)?(?:game|results|battle-royale)/(?P<game>[0-9A-Za-z-]+)/?(?:[?#].*)?"
    )
    patience_s: float = 60.0
    rest_s: float = 1.0
    blank_s: float = 10.0
    popup_s: float = 5.0

    def game_id(self, url: str) -> str | None:
        """The id of the game that is played at this address, whichever language the address is in."""
        match = self.game_url.fullmatch(url)
        return match["game"] if match else None

    def address_of(self, mode: Mode, game: str) -> str:
        """The address of a game, to resume it."""
        return f"{self.url}/{'game' if mode == 'singleplayer' else 'battle-royale'}/{game}"

    def coordinates(self, url: str) -> list[float] | None:
        """[lat, lon] in degrees from a link to a place; None if it is no such link."""
        match = self.maps_link.match(url)
        return [float(match["lat"]), float(match["lon"])] if match else None


GEOGUESSR = Site(
    name="geoguessr",
    url="https://www.geoguessr.com",
    live=True,
    maps_link=re.compile(r"https://(?:www\.|maps\.)?google\.[a-z.]+/maps\?" + PLACE),
    pictures=re.compile(r"https://streetviewpixels[^/]*/|https://[^/]*\.ggpht\.com/|https://[^/]*/cbk\?"),
)


def practice_site(url: str) -> Site:
    """The practice game at an address such as `http://127.0.0.1:8765`."""
    url = url.rstrip("/")
    return Site(
        name="practice",
        url=url,
        live=False,
        maps_link=re.compile(re.escape(url) + r"/maps\?" + PLACE),
        pictures=re.compile(re.escape(url) + "/scenes/"),
        patience_s=30.0,
        rest_s=0.0,  # its page draws at once what is decoded
        popup_s=1.5,
    )
