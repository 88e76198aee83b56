"""What to collect, as the user asks for it and as a worker is told."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from lost_and_found.collection.game.session import Account
from lost_and_found.collection.game.sites import GEOGUESSR, Mode, Site, practice_site
from lost_and_found.errors import InvalidConfig, MissingInput
from lost_and_found.practice.game.accounts import PASSWORD
from lost_and_found.practice.game.faults import Faults
from lost_and_found.practice.game.pace import Pace
from lost_and_found.workspace import Workspace

NOTEBOOK = "1-data-collection/01-collect-from-game"
SITES = ("practice", GEOGUESSR.name)
MODES = ("singleplayer", "multiplayer")
# How many rounds a game is expected to have: in singleplayer, all have five.
ROUNDS_PER_GAME = 5
# In the output folder; the loader skips hidden folders and files.
BOOKS = ".collect"


@dataclass(frozen=True)
class CollectJob:
    """A collection as the user asks for it.

    Attributes:
        site: "practice" or "geoguessr".
        mode: "singleplayer" or "multiplayer".
        rounds: pairs that the folder should hold in the end; 0 goes on until stopped.
        instances: browsers at once, each with its own worker process.
        dataset: name of the folder; by default the site's.
        root: of the workspace; log-ins are kept in its `.auth/`, secrets in its `.env`.
        url: of a practice game that is already running; by default one is started.
        seconds_per_round: minimum time between rounds of one account; None for the site's usual.
        patience_s: how long to wait for what a page should show; None for the site's usual.
        minutes: stop after this many; 0 for no limit.
        headed: show the browsers' windows.
        games_per_browser: games after which a fresh browser is started.
        memory_mb: resident memory of a worker with its browser above which it is replaced.
        min_free_gb: free space on the disk below which nothing is collected.
        pace: of the practice game to start: 1 is the real site's, 0.1 ten times as fast.
        seed: of the practice game to start.
        faults: of the practice game to start, such as "rate-limit@3".
    """

    site: str
    mode: Mode
    rounds: int
    instances: int = 1
    dataset: str = ""
    root: Path = Path()
    url: str | None = None
    seconds_per_round: float | None = None
    patience_s: float | None = None
    minutes: float = 0.0
    headed: bool = False
    games_per_browser: int = 20
    memory_mb: int = 2500
    min_free_gb: float = 2.0
    pace: float = 1.0
    seed: int = 0
    faults: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse what can't be collected."""
        if self.site not in SITES:
            raise InvalidConfig(f"site {self.site!r} is not one of {', '.join(SITES)}")
        if self.mode not in MODES:
            raise InvalidConfig(f"mode {self.mode!r} is not one of {', '.join(MODES)}")
        for name, least in {"rounds": 0, "instances": 1, "games_per_browser": 1, "memory_mb": 1}.items():
            if getattr(self, name) < least:
                raise InvalidConfig(f"{name} {getattr(self, name)} must be at least {least}")
        for name in ("minutes", "min_free_gb"):
            if not 0 <= getattr(self, name) < math.inf:
                raise InvalidConfig(f"{name} {getattr(self, name)} must be a number, at least 0")
        for name in ("seconds_per_round", "patience_s"):
            value = getattr(self, name)
            if value is not None and not 0 < value < math.inf:
                raise InvalidConfig(f"{name} {value} must be a number above 0")
        Pace(self.pace)
        Faults(self.faults)
        starts_game = self.site == "practice" and self.url is None
        if not starts_game and (self.faults or self.pace != 1.0 or self.seed):
            raise InvalidConfig("pace, seed and faults are only for a practice game started without url")
        if self.url is not None and self.site != "practice":
            raise InvalidConfig(f"url is for a practice game; {self.site} has its own address")
        if self.url is not None and not _is_address(self.url):
            raise InvalidConfig(f"url {self.url!r} is not an address such as http://127.0.0.1:8765")
        object.__setattr__(self, "dataset", self.dataset or self.site)
        object.__setattr__(self, "root", Path(self.root).resolve())
        object.__setattr__(self, "faults", tuple(self.faults))
        Workspace(self.root, self.dataset)

    @property
    def folder(self) -> Path:
        """Where the pairs go."""
        return self.root / NOTEBOOK / self.dataset

    @property
    def auth(self) -> Path:
        """Where the site's log-ins and the pace of its accounts are kept."""
        return self.root / ".auth" / self.site


@dataclass(frozen=True)
class WorkerJob:
    """What one worker has to do; without its account, since anyone can see a process's arguments.

    Attributes:
        name: never used by a worker before.
        site: as in `CollectJob`.
        url: the practice game's; not used for live sites.
        mode: as in `CollectJob`.
        folder: where pairs go.
        auth: where the log-in and the pace are kept.
        seconds_per_round: minimum time between rounds of its account.
        patience_s: as in `CollectJob`.
        target: rounds wanted in all; 0 for no limit.
        games_per_browser: games after which a fresh browser is started.
        headed: show the window.
    """

    name: str
    site: str
    url: str
    mode: Mode
    folder: str
    auth: str
    seconds_per_round: float
    patience_s: float | None
    target: int
    games_per_browser: int
    headed: bool

    @classmethod
    def from_json(cls, text: str) -> WorkerJob:
        """The job that `as_json` wrote."""
        return cls(**json.loads(text))

    def as_json(self) -> str:
        """The job as one argument of a command line."""
        return json.dumps(dataclasses.asdict(self))

    def site_to_play(self) -> Site:
        """The site with its texts."""
        site = site_named(self.site, self.url)
        return site if self.patience_s is None else dataclasses.replace(site, patience_s=self.patience_s)


@dataclass(frozen=True)
class CollectSummary:
    """The outcome of a collection.

    Attributes:
        folder: where the pairs are.
        saved: pairs that the folder holds now.
        added: rounds saved by this call.
        skipped: rounds of this call without a picture or an answer.
        failures: of this call, by kind.
        browsers: workers with a browser that were started by this call.
        recycled: workers of this call that were replaced because of their memory.
        seconds: how long it took.
    """

    folder: Path
    saved: int
    added: int
    skipped: int
    failures: Mapping[str, int]
    browsers: int
    recycled: int
    seconds: float

    @property
    def rounds_per_minute(self) -> float:
        """Saved rounds per minute of this call."""
        return 60 * self.added / self.seconds if self.seconds else 0.0


def site_named(name: str, url: str) -> Site:
    """The live site of that name, or the practice game at that address."""
    return practice_site(url) if name == "practice" else GEOGUESSR


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:  # a bracket that is never closed
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname)


def accounts_for(site: str, environment: Mapping[str, str], *, instances: int) -> list[Account]:
    """The account of each instance; if there are fewer accounts, some instances share one and its pace.

    `<SITE>_EMAIL` and `<SITE>_PASSWORD` are read, and further accounts with `_2`, `_3` ... at the end. The
    practice game accepts any account, so there every instance has its own unless one is given.

    Args:
        site: name of the site.
        environment: variables, including those of `.env`.
        instances: how many are needed.

    Raises:
        MissingInput: no account, or one without a password.
    """
    found: list[Account] = []
    email_name, password_name = f"{site.upper()}_EMAIL", f"{site.upper()}_PASSWORD"
    ending = ""
    while email := environment.get(email_name + ending):
        if not (password := environment.get(password_name + ending)):
            raise MissingInput(
                f"{password_name}{ending} is missing; set it in .env, next to {email_name}{ending}"
            )
        found.append(Account(email, password))
        ending = f"_{len(found) + 1}"
    if not found and site == "practice":
        found = [Account(f"player-{number}@practice.example", PASSWORD) for number in range(1, instances + 1)]
    if not found:
        raise MissingInput(f"no account for {site}; set {email_name} and {password_name} in .env")
    return [found[number % len(found)] for number in range(instances)]


def account_key(account: Account) -> str:
    """A name for the account that doesn't reveal its e-mail address."""
    return hashlib.sha256(account.email.encode()).hexdigest()[:16]
