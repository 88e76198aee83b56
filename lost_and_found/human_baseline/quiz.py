"""The rules of the quiz, without its page: who sees which picture, what counts, what is revealed when.

Nothing about an answer leaves this module before the picture is answered: a `Question` has a number and
pixels, an `Outcome` exists for answered rounds only.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

from lost_and_found.errors import BrokenSample, InvalidConfig, MissingInput, NotTaken, UnknownCountry
from lost_and_found.evaluation.metrics import TOP_K
from lost_and_found.geo.countries import find_country
from lost_and_found.human_baseline.answers import MOST_GUESSES, Answers, Player
from lost_and_found.human_baseline.deck import Deck, Item, encode_picture
from lost_and_found.human_baseline.model_guesses import ModelGuess
from lost_and_found.human_baseline.proportions import Proportion

EXPERIENCES = ("amateur", "advanced")
LONGEST_NAME = 40
FORMULA = "=+-@"  # a text that begins with one is calculated by spreadsheets, in which answers are opened
# Unreadable pictures in a row, after which the disk must be at fault.
MOST_BROKEN = 5


@dataclass(frozen=True)
class Question:
    """A picture to be located.

    Attributes:
        number: of the player's round, which an answer has to name.
        place: from 1, among the pictures that count.
        rounds: pictures in the session.
        picture: a PNG.
        problem: why the picture before was left out; empty if none was.
    """

    number: int
    place: int
    rounds: int
    picture: bytes
    problem: str


@dataclass(frozen=True)
class Outcome:
    """An answered picture.

    Attributes:
        place: from 1, among the pictures that count.
        rounds: pictures in the session.
        guesses: the player's, as country codes.
        item: with the truth.
        rank: place of the truth among the guesses, from 1; 0 if it isn't among them.
        picture: a PNG; empty if it can't be read any more.
        model: what the model said, where it is known.
        repeated: this round was answered before, and the guesses are the earlier ones.
        is_last: no picture is left in the session.
    """

    place: int
    rounds: int
    guesses: tuple[str, ...]
    item: Item
    rank: int
    picture: bytes
    model: ModelGuess | None
    repeated: bool
    is_last: bool


@dataclass(frozen=True)
class Standing:
    """How well a player has done so far.

    Attributes:
        name: of the player.
        experience: of the player.
        top: shares with the truth among the first k guesses, by k.
        model: those of the model on the same pictures; empty without one.
    """

    name: str
    experience: str
    top: Mapping[int, Proportion]
    model: Mapping[int, Proportion]

    @property
    def answered(self) -> int:
        """Answered pictures."""
        return int(self.top[1].n)


def check_session(rounds: int, size: tuple[int, int]) -> None:
    """Refuse what no quiz can show.

    Raises:
        InvalidConfig: a session without pictures, or pictures without pixels.
    """
    if rounds < 1:
        raise InvalidConfig(f"rounds is {rounds}; a session has at least one picture")
    if not all(1 <= side <= 4096 for side in size):
        raise InvalidConfig(f"image size {size[0]}x{size[1]}; both must be from 1 to 4096 pixels")


class Quiz:
    """A deck, the answers to it, and the rules; threads may share it."""

    def __init__(
        self,
        deck: Deck,
        answers: Answers,
        *,
        rounds: int,
        size: tuple[int, int],
        model: Mapping[str, ModelGuess],
    ) -> None:
        """A quiz for players who join from now on; earlier ones keep their rounds and size.

        Args:
            deck: the pictures.
            answers: the file of answers to them.
            rounds: pictures in a session; fewer if the deck has fewer.
            size: (width, height) of the pictures in pixels.
            model: what a model guessed, by item; empty without one.

        Raises:
            InvalidConfig: a session without pictures, or pictures without pixels.
        """
        check_session(rounds, size)
        self.deck = deck
        self.answers = answers
        self.model = model
        self.rounds = min(rounds, len(deck))
        self.size = size
        # By player; computed again only after further answers, and all of them after an edit of the file.
        self._standings: dict[int, Standing] = {}
        self._edits = answers.edits()

    def join(self, name: str, experience: str) -> str:
        """Add a player and return their token.

        Raises:
            NotTaken: no name, a name that is too long, taken or like a formula, or an unknown experience.
        """
        name = _clean(name)
        if not name:
            raise NotTaken(
                "Enter a name, so that you can find yourself on the leaderboard. Any name will do."
            )
        if name[0] in FORMULA:
            raise NotTaken(f"A name can't begin with {name[0]}; put a letter before it, or choose another.")
        if len(name) > LONGEST_NAME:
            raise NotTaken(f"That name has {len(name)} letters; at most {LONGEST_NAME} are allowed.")
        if experience not in EXPERIENCES:
            raise NotTaken("Say how experienced you are.")
        return self.answers.join(name, experience=experience, rounds=self.rounds, size=self.size)

    def question(self, player: Player) -> Question | None:
        """The picture that the player has to locate now; None at the end of the session.

        It stays the same until it is answered, in any tab. A picture that can't be read is recorded as such
        and left out.

        Raises:
            MissingInput: the pictures' folder is gone, or several in a row can't be read, so the pictures
                aren't at fault; none is left out.
        """
        rounds = self.answers.rounds(player)
        is_open = bool(rounds) and rounds[-1].is_open
        ended = rounds[:-1] if is_open else rounds
        counted = sum(one.problem is None for one in ended)
        if counted >= player.rounds:
            return None
        seen = {one.item for one in rounds}
        unseen = (one for one in self.deck.order(player.id) if one not in seen)
        ahead = chain([rounds[-1].item], unseen) if is_open else unseen
        broken: list[tuple[str, str]] = []
        for item in ahead:
            path = self.deck.items[item].path
            try:
                picture = encode_picture(path, player.size)
            except BrokenSample as error:
                if not path.parent.is_dir():
                    raise MissingInput(
                        f"{path.parent}, where the pictures were, is gone; bring it back, and players can go "
                        "on where they left off"
                    ) from None
                broken.append((item, _short(error.reason)))
                if len(broken) >= MOST_BROKEN:
                    raise MissingInput(
                        f"{len(broken)} pictures in a row can't be read ({broken[-1][1]}), the last one "
                        f"{error.where}; bring them back, and players can go on where they left off"
                    ) from None
                continue
            self._leave_out(player, broken, begun=len(ended))
            number = len(ended) + len(broken) + 1
            self.answers.show(player, number, item)
            problem = f"A picture can't be shown and was left out ({broken[-1][1]})." if broken else ""
            length = self._length(player, left_out=len(ended) - counted + len(broken))
            return Question(number, counted + 1, length, picture, problem)
        self._leave_out(player, broken, begun=len(ended))
        return None

    def _leave_out(self, player: Player, broken: Sequence[tuple[str, str]], *, begun: int) -> None:
        for number, (item, problem) in enumerate(broken, start=begun + 1):
            self.answers.show(player, number, item)
            self.answers.skip(player, number, problem=problem)

    def answer(self, player: Player, number: int, guesses: Sequence[object]) -> Outcome:
        """Answer a round; returns the outcome, that of the earlier guesses if it was answered before.

        Args:
            player: who answers.
            number: of the question.
            guesses: one to five different country codes, the likeliest first.

        Raises:
            NotTaken: no guess, too many, one that isn't a country or is given twice, or a picture that the
                player never saw.
        """
        counted = self.answers.answer(player, number, _checked(guesses))
        return self.outcome(player, number, repeated=not counted)

    def outcome(self, player: Player, number: int, *, repeated: bool = False) -> Outcome:
        """The outcome of an answered round.

        Raises:
            NotTaken: it wasn't answered yet.
        """
        rounds = self.answers.rounds(player)
        chosen = next((one for one in rounds if one.number == number), None)
        if chosen is None or chosen.seconds is None:
            raise NotTaken("This picture has no answer yet. Reload the page to go on.")
        item = self.deck.items[chosen.item]
        answered = [one for one in rounds if one.seconds is not None]
        length = self._length(player, left_out=sum(one.problem is not None for one in rounds))
        return Outcome(
            place=answered.index(chosen) + 1,
            rounds=length,
            guesses=chosen.guesses,
            item=item,
            rank=rank_of(item.country_code, chosen.guesses),
            picture=_picture(item, player),
            model=self.model.get(chosen.item),
            repeated=repeated,
            is_last=len(answered) >= length,
        )

    def standing(self, player: Player) -> Standing:
        """How well the player has done so far, and the model, if it has guesses for all of these pictures."""
        answered = [one for one in self.answers.rounds(player) if one.seconds is not None]
        ranks = [rank_of(self.deck.items[one.item].country_code, one.guesses) for one in answered]
        model = [self.model[one.item].rank for one in answered if one.item in self.model]
        same = bool(model) and len(model) == len(ranks)
        return Standing(player.name, player.experience, _top(ranks), _top(model) if same else {})

    def leaderboard(self) -> list[Standing]:
        """Everybody who answered something, the best first, by the lower end of the interval of top-1.

        So one lucky answer isn't the best of all.
        """
        if (edits := self.answers.edits()) != self._edits:  # a deleted player's id is given to the next one
            self._edits, self._standings = edits, {}
        standings = self._standings  # of this thread, should another one begin anew
        answered = self.answers.answered()
        players = [one for one in self.answers.players() if one.id in answered]
        for one in players:
            if one.id not in standings or standings[one.id].answered != answered[one.id]:
                standings[one.id] = self.standing(one)
        played = [standings[one.id] for one in players]
        return sorted(played, key=lambda one: (-one.top[1].low, -one.top[5].low))

    def extend(self, player: Player) -> None:
        """Lengthen a finished session by as many pictures as a session has, or by those that are left."""
        self.answers.extend(player, rounds=min(player.rounds + self.rounds, len(self.deck)))

    def can_extend(self, player: Player) -> bool:
        """Whether there are pictures that the player has not seen."""
        return len(self.answers.rounds(player)) < len(self.deck)

    def _length(self, player: Player, *, left_out: int) -> int:
        """Pictures of the session that count: broken ones can make it shorter than was planned."""
        return min(player.rounds, len(self.deck) - left_out)


def rank_of(truth: str, guesses: Sequence[str]) -> int:
    """Place of the truth among the guesses, from 1; 0 if it isn't among them."""
    return guesses.index(truth) + 1 if truth in guesses else 0


def _top(ranks: Sequence[int]) -> dict[int, Proportion]:
    return {k: Proportion(sum(0 < rank <= k for rank in ranks), len(ranks)) for k in TOP_K}


def _picture(item: Item, player: Player) -> bytes:
    try:
        return encode_picture(item.path, player.size)
    except BrokenSample:  # it could be read when it was shown, which is all that counts
        return b""


def _short(reason: str) -> str:
    """Without advice for whoever runs the quiz, and without paths, which are no player's business."""
    return reason.partition(";")[0].partition(" (")[0]


def _clean(name: str) -> str:
    """Without control characters and doubled spaces; letters that look alike are one letter."""
    plain = unicodedata.normalize("NFKC", str(name))
    return " ".join("".join(one if one.isprintable() else " " for one in plain).split())


def _checked(guesses: Sequence[object]) -> list[str]:
    codes = []
    for guess in guesses:
        try:
            codes.append(find_country(guess).code)  # type: ignore[arg-type]
        except UnknownCountry as error:
            raise NotTaken(f"Not counted: {error}") from None
    if not codes:
        raise NotTaken("Not counted: name at least one country. Type a few letters and press Enter.")
    if len(codes) > MOST_GUESSES:
        raise NotTaken(f"Not counted: {len(codes)} countries; at most {MOST_GUESSES} are allowed.")
    if len(set(codes)) < len(codes):
        raise NotTaken("Not counted: a country is named twice.")
    return codes
