"""Every error that the project raises on purpose, under one root.

A message says what is wrong, where, and what to do about it.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from pathlib import Path

SHOWN = 5


def some_of(things: Sequence[object], *, between: str = ", ") -> str:
    """The first things and how many more there are, for a message."""
    more = f" and {len(things) - SHOWN} more" if len(things) > SHOWN else ""
    return between.join(map(str, things[:SHOWN])) + more


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """The end of a message about an unknown name; empty if no known one resembles it."""
    close = difflib.get_close_matches(name, sorted(known), n=1, cutoff=0.75)
    return f"; did you mean {close[0]!r}?" if close else ""


class LostAndFoundError(Exception):
    """Root of the errors below; catch it to catch them all."""


class BrokenSample(LostAndFoundError):
    """An image or record that can't be used.

    Attributes:
        reason: a short phrase without the path, fit for the `reason` column of a `rejected.csv`.
    """

    def __init__(self, where: object, reason: str) -> None:
        super().__init__(f"{where}: {reason}")
        self.where = str(where)
        self.reason = reason

    def __reduce__(self) -> tuple[type[BrokenSample], tuple[str, str]]:
        """Survive the trip back from a worker process; the default pickles the message alone."""
        return (type(self), (self.where, self.reason))


class UnknownCountry(LostAndFoundError):
    """A text that names no country, or more than one."""


class InvalidConfig(LostAndFoundError):
    """A parameter with a value that isn't allowed."""


class MissingDevice(InvalidConfig):
    """A device that this machine lacks."""


class UnfitWeights(InvalidConfig):
    """A file that holds no weights, or those of another architecture."""


class MissingInput(LostAndFoundError):
    """A file or folder that an earlier step should have written, or that the user should have given."""


class ListMismatch(LostAndFoundError):
    """A pinned list that was edited, or samples that are not what it says."""


class UnsplittableClass(LostAndFoundError):
    """A class with too few groups to be in every split."""


class LeakyList(LostAndFoundError):
    """Splits that share a game or a place, or lack a class."""


class StoreError(LostAndFoundError):
    """A store of samples that can't be listed or read."""


class StorageFull(LostAndFoundError):
    """No room to write a file; what was finished before is kept."""


class FolderInUse(LostAndFoundError):
    """A folder that another process is filling."""


class NotFinite(LostAndFoundError):
    """A loss that became NaN or infinite."""


class OutOfMemory(LostAndFoundError):
    """Training that needs more memory than the device has."""


class MissingWeights(LostAndFoundError):
    """Pretrained weights that are not on this machine and can't be downloaded."""


class NotPermitted(LostAndFoundError):
    """A site that may not be collected from: no statement of the user, or its robots.txt says no."""


class CollectionStuck(LostAndFoundError):
    """Workers that stopped again and again without saving a round."""


class BrowserMissing(LostAndFoundError):
    """No Chromium to collect with."""


class BrowserLost(LostAndFoundError):
    """The browser's process ended; start another one."""


class PageCrashed(LostAndFoundError):
    """The page's process ended, perhaps for lack of memory; another page can continue."""


class SiteError(LostAndFoundError):
    """The site can't be reached, or says that something went wrong on its side; try again later."""


class SiteChanged(LostAndFoundError):
    """A page that doesn't show what the collector expects, so that it can't continue.

    Attributes:
        looked_for: the texts that it waited for.
        screenshot: a picture of the page, or None where none could be taken.
    """

    def __init__(self, where: str, looked_for: str, screenshot: Path | None) -> None:
        seen = f"see {screenshot}" if screenshot else "no screenshot could be taken"
        super().__init__(
            f"{where}: looked for {looked_for}, which did not appear ({seen}); "
            "if the site's texts have changed, change them in lost_and_found/collection/game/sites.py"
        )
        self.looked_for = looked_for
        self.screenshot = screenshot


class LoginRefused(LostAndFoundError):
    """An e-mail and password that the site rejects; never tried a second time."""


class LoggedOut(LostAndFoundError):
    """The site ended the session early; log in again."""


class RateLimited(LostAndFoundError):
    """The site asks for fewer requests.

    Attributes:
        retry_after_s: how long it asks to wait, or None if it doesn't say.
    """

    def __init__(self, where: str, retry_after_s: float | None) -> None:
        wait = "a while" if retry_after_s is None else f"{retry_after_s:g} s"
        super().__init__(f"{where}: the site limits the rate of requests; wait {wait} before the next")
        self.retry_after_s = retry_after_s


class GameTaken(LostAndFoundError):
    """A game that another worker plays or has played."""


class BlankPicture(LostAndFoundError):
    """A viewer that stayed empty, or never stopped changing."""


class AnswerMissing(LostAndFoundError):
    """A round that was played, but whose right answer could not be read."""


class OutOfTurn(LostAndFoundError):
    """A move in the practice game that its rules don't allow now."""


class DatabaseUnusable(LostAndFoundError):
    """An SQLite file that is damaged or can't be written; it is left as it is."""


class NotTaken(LostAndFoundError):
    """A name or an answer that the quiz can't accept; the message tells the player why."""
