"""What the collector asks before it knocks, and how fast it may go.

A live site is collected from only if the user has stated, in words and in `.env`, to have the right to do so,
if the site's robots.txt lets anyone in, and never faster than one round in so many seconds per account.
"""

from __future__ import annotations

import contextlib
import ipaddress
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from http.client import HTTPException
from pathlib import Path
from urllib.parse import urlsplit

from protego import Protego

from lost_and_found.collection.game.sites import Site
from lost_and_found.database import Database
from lost_and_found.errors import InvalidConfig, NotPermitted

STATEMENT = "I have the right to collect"
ROBOTS_TIMEOUT_S = 15.0
# Pages that a collection opens; {} stands for the id of a game.
PAGES = ("/", "/signin", "/maps/world", "/game/{}", "/results/{}", "/multiplayer", "/battle-royale/{}")
# (least, usual) seconds per round and account.
LIVE_PACE_S = (5.0, 20.0)
PRACTICE_PACE_S = (0.01, 0.05)
_TABLES = """
CREATE TABLE IF NOT EXISTS pace(
    account TEXT PRIMARY KEY, next_at REAL NOT NULL, held_until REAL NOT NULL);
"""


def statement_name(site: Site) -> str:
    """The variable in `.env` that holds the user's statement for a site."""
    return f"LOST_AND_FOUND_MAY_COLLECT_FROM_{site.name.upper()}"


def check_permission(site: Site, environment: Mapping[str, str]) -> None:
    """Pass if the site is a practice game on this machine, or the user has stated their right.

    Raises:
        NotPermitted: neither.
    """
    host = urlsplit(site.url).hostname or ""
    if not site.live:
        if not _is_this_machine(host):
            raise NotPermitted(
                f"{site.url} is not a practice game, which runs on this machine only; "
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


def check_robots(site: Site, *, agent: str) -> float:
    """The seconds that robots.txt asks for between visits; 0.0 if it doesn't say.

    Args:
        site: whose `/robots.txt` is read.
        agent: the name that the collector goes by.

    Raises:
        NotPermitted: it disallows a page that the collection needs, or it can't be read.
    """
    address = f"{site.url.rstrip('/')}/robots.txt"
    request = urllib.request.Request(address, headers={"User-Agent": agent})
    # The practice game is on this machine, which no proxy knows.
    proxies = urllib.request.ProxyHandler() if site.live else urllib.request.ProxyHandler({})
    try:
        with urllib.request.build_opener(proxies).open(request, timeout=ROBOTS_TIMEOUT_S) as answer:
            # Of the standard's library, rules with "*" and "$" and the longest match would not count.
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
            f"{address} can't be read ({error}); check the connection, nothing is collected until it can"
        ) from error
    if forbidden := [
        page for page in PAGES if not rules.can_fetch(site.url.rstrip("/") + page.format("x"), agent)
    ]:
        raise NotPermitted(f"{address} disallows {', '.join(forbidden)}, which a collection needs")
    rate = rules.request_rate(agent)
    return max(rules.crawl_delay(agent) or 0.0, rate.seconds / rate.requests if rate else 0.0)


def pace_s(site: Site, wished: float | None, *, crawl_delay_s: float) -> float:
    """Seconds per round and account, at least what the site's robots.txt asks for.

    Args:
        site: live sites have a slower least and usual pace.
        wished: the user's; None for the usual one.
        crawl_delay_s: from `check_robots`.

    Raises:
        InvalidConfig: faster than the least pace.
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

    The file lies with the log-ins and not with a collection, so two collections of one account keep its pace
    as well.
    """

    def __init__(self, path: Path) -> None:
        """Open the file, which is made if absent."""
        self._database = Database(path, tables=_TABLES)

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def take(self, account: str, *, every_s: float) -> float:
        """Seconds to wait for the turn that is the caller's from now on; the next is `every_s` later."""
        now = time.time()
        ((next_at,),) = self._database.execute(
            "INSERT INTO pace VALUES (:account, :now + :every, 0) ON CONFLICT(account) DO UPDATE "
            "SET next_at = MAX(next_at, :now) + :every RETURNING next_at",
            {"account": account, "now": now, "every": every_s},
        )
        return max(next_at - every_s - now, 0.0)

    def hold_back(self, account: str, *, for_s: float) -> None:
        """Nobody of the account is to do anything for so long, also those who have their turn already."""
        until = time.time() + for_s
        self._database.execute(
            "INSERT INTO pace VALUES (:account, :until, :until) ON CONFLICT(account) DO UPDATE "
            "SET next_at = MAX(next_at, :until), held_until = MAX(held_until, :until)",
            {"account": account, "until": until},
        )

    def held(self, account: str) -> float:
        """Seconds for which the account is still held back; 0.0 if it isn't."""
        rows = self._database.execute("SELECT held_until FROM pace WHERE account = ?", (account,))
        return max(rows[0][0] - time.time(), 0.0) if rows else 0.0
