"""Whether a site may be collected from, and how fast.

A live site is collected from only if the user has stated in `.env` that they have the right to do so, only if
the site's robots.txt allows it, and never faster than at a minimum time between rounds of one account.
"""

from __future__ import annotations

import contextlib
import ipaddress
import sqlite3
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from http.client import HTTPException
from pathlib import Path
from urllib.parse import urlsplit

from protego import Protego

from lost_and_found.collection.game.sites import AGENT, Site
from lost_and_found.database import Database
from lost_and_found.errors import InvalidConfig, NotPermitted

STATEMENT = "I have the right to collect"
ROBOTS_TIMEOUT_S = 15.0
# Pages that a collection opens; {} stands for the id of a game.
PAGES = ("/", "/signin", "/maps/world", "/game/{}", "/results/{}", "/multiplayer", "/battle-royale/{}")
# (least, usual) seconds per round and account.
LIVE_PACE_S = (5.0, 20.0)
PRACTICE_PACE_S = (0.01, 0.05)
# In the folder of the log-ins.
TURNS_FILE = "pace.sqlite"
_TABLES = """
CREATE TABLE IF NOT EXISTS pace(
    account TEXT PRIMARY KEY, next_at REAL NOT NULL, held_until REAL NOT NULL);
CREATE TABLE IF NOT EXISTS clock(row INTEGER PRIMARY KEY CHECK (row = 1), seen_at REAL NOT NULL);
"""


def statement_name(site: Site) -> str:
    """The variable in `.env` that holds the user's statement for a site."""
    return f"LOST_AND_FOUND_MAY_COLLECT_FROM_{site.name.upper()}"


def check_permission(site: Site, environment: Mapping[str, str]) -> None:
    """Check that the site is a practice game on this machine, or that the user has stated their right.

    Raises:
        NotPermitted: it is neither.
    """
    host = urlsplit(site.url).hostname or ""
    if not site.live:
        if not _is_this_machine(host):
            raise NotPermitted(
                f"{site.url} is not a practice game, which may run on this machine only; "
                "leave out --url to have one started"
            )
        return
    name = statement_name(site)
    if environment.get(name, "").strip() != STATEMENT:
        raise NotPermitted(
            f"Collecting from {host} is off. Its terms of service may forbid it, so read them first; if you "
            f'have the right to collect there, state it in .env: {name}="{STATEMENT}"'
        )


def _is_this_machine(host: str) -> bool:
    if host == "localhost":
        return True
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return False


def check_robots(site: Site) -> float:
    """The seconds that a site's robots.txt asks for between visits; 0.0 if it doesn't say.

    Raises:
        NotPermitted: it disallows a page that the collection needs, or it can't be read.
    """
    address = f"{site.url}/robots.txt"
    request = urllib.request.Request(address, headers={"User-Agent": AGENT})
    # The practice game is on this machine, which no proxy can reach.
    proxies = urllib.request.ProxyHandler() if site.live else urllib.request.ProxyHandler({})
    try:
        with urllib.request.build_opener(proxies).open(request, timeout=ROBOTS_TIMEOUT_S) as answer:
            # The standard library's parser ignores "*" and "$" in rules, and that the longest match wins.
            rules = Protego.parse(answer.read().decode("utf-8-sig", "replace"))
    except urllib.error.HTTPError as error:
        error.close()
        if error.code not in (404, 410):
            raise NotPermitted(
                f"{address} answers {error.code}; nothing is collected until it can be read"
            ) from error
        return 0.0
    except (OSError, HTTPException, ValueError) as error:
        raise NotPermitted(
            f"{address} can't be read ({error}); check the connection; nothing is collected until it can be"
        ) from error
    if forbidden := [page for page in PAGES if not rules.can_fetch(site.url + page.format("x"), AGENT)]:
        raise NotPermitted(f"{address} disallows {', '.join(forbidden)}, which a collection needs")
    rate = rules.request_rate(AGENT)
    return max(rules.crawl_delay(AGENT) or 0.0, rate.seconds / rate.requests if rate else 0.0)


def pace_s(site: Site, wished: float | None, *, crawl_delay_s: float) -> float:
    """Seconds per round and account, at least what the site's robots.txt asks for.

    Args:
        site: live sites have a higher minimum and a slower usual pace.
        wished: the user's choice; None for the usual pace.
        crawl_delay_s: from `check_robots`.

    Raises:
        InvalidConfig: `wished` is less than the site's minimum.
    """
    least, usual = LIVE_PACE_S if site.live else PRACTICE_PACE_S
    chosen = usual if wished is None else wished
    if not chosen >= least:
        raise InvalidConfig(
            f"seconds_per_round {chosen:g} is too fast for {site.name}; give at least {least:g}"
        )
    return max(chosen, crawl_delay_s)


class Turns:
    """When an account may begin its next round; all workers of the account share it through one file.

    The file is kept with the log-ins, not with a collection, so two collections with one account also keep
    its pace.
    """

    def __init__(self, path: Path) -> None:
        """Open the file, creating it if absent."""
        self._database = Database(path, tables=_TABLES)

    def take(self, account: str, *, every_s: float) -> float:
        """Take the account's next turn; returns the seconds until it. The one after is `every_s` later."""
        with self._database.transaction() as database:
            now = _now(database)
            ((next_at,),) = database.execute(
                "INSERT INTO pace VALUES (:account, :now + :every, 0) ON CONFLICT(account) DO UPDATE "
                "SET next_at = MAX(next_at, :now) + :every RETURNING next_at",
                {"account": account, "now": now, "every": every_s},
            ).fetchall()
        return max(next_at - every_s - now, 0.0)

    def hold_back(self, account: str, *, for_s: float) -> None:
        """Stop all workers of the account for this long, including those that already have their turn."""
        with self._database.transaction() as database:
            database.execute(
                "INSERT INTO pace VALUES (:account, :until, :until) ON CONFLICT(account) DO UPDATE "
                "SET next_at = MAX(next_at, :until), held_until = MAX(held_until, :until)",
                {"account": account, "until": _now(database) + for_s},
            )

    def held(self, account: str) -> float:
        """Seconds for which the account is still held back; 0.0 if it isn't."""
        with self._database.transaction() as database:
            now = _now(database)
            row = database.execute("SELECT held_until FROM pace WHERE account = ?", (account,)).fetchone()
        return max(row[0] - now, 0.0) if row else 0.0


def _now(database: sqlite3.Connection) -> float:
    """The time, within a transaction; if the clock was set back, all turns and holds are set back with it.

    Otherwise a clock that was hours ahead for a while would stop a collection for hours.
    """
    now = time.time()
    database.execute(
        "UPDATE pace SET next_at = next_at - back, held_until = held_until - back "
        "FROM (SELECT seen_at - :now AS back FROM clock) WHERE back > 0",
        {"now": now},
    )
    database.execute("INSERT OR REPLACE INTO clock VALUES (1, ?)", (now,))
    return now
