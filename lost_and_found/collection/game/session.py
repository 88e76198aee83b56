"""A signed-in page: the account that plays, and the cookies that keep it signed in."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

from playwright.async_api import Browser, BrowserContext
from playwright.async_api import Error as PlaywrightError

from lost_and_found.collection.game.screens import Visit
from lost_and_found.collection.game.sites import AGENT, Site
from lost_and_found.errors import BrowserLost, LoginRefused
from lost_and_found.samples import replacing

VIEWPORT = (1280, 720)


@dataclass(frozen=True)
class Account:
    """Who plays."""

    email: str
    password: str = field(repr=False)


@asynccontextmanager
async def signed_in(
    browser: Browser, site: Site, account: Account, *, storage: Path, screenshots: Path
) -> AsyncIterator[Visit]:
    """A signed-in visit in a fresh browser context, which is closed at the end of the block.

    Args:
        browser: from `chromium.launched`.
        site: from `sites`.
        account: logs in only if the stored session is no longer valid.
        storage: file with the session's cookies, mode 0600; written after a log-in, with its folder.
        screenshots: folder for screenshots of pages that have changed; made when needed.

    Raises:
        LoginRefused: wrong e-mail or password; don't try again.
        RateLimited, SiteError, SiteChanged, PageCrashed, BrowserLost: as in `play.play_game`.
    """
    try:
        context = await _fresh_context(browser, storage)
        page = await context.new_page()
        devtools = await context.new_cdp_session(page)
    except PlaywrightError as error:
        raise BrowserLost(f"{site.url}: {error.message.splitlines()[0]}; start another browser") from error
    try:
        visit = Visit(page, devtools, site, screenshots)
        with visit.translating():
            await _enter(visit, account, storage)
        visit.entered = True
        yield visit
    finally:
        with suppress(PlaywrightError):
            await context.close()


async def _fresh_context(browser: Browser, storage: Path) -> BrowserContext:
    devtools = await browser.new_browser_cdp_session()
    agent = (await devtools.send("Browser.getVersion"))["userAgent"]
    await devtools.detach()
    width, height = VIEWPORT

    async def fresh(stored: Path | None) -> BrowserContext:
        return await browser.new_context(
            viewport={"width": width, "height": height},
            device_scale_factor=1,
            # Maps that grow without animation and scores that don't count up halve the page's work.
            reduced_motion="reduce",
            locale="en-US",
            user_agent=f"{agent} {AGENT}/{version('lost-and-found')}",
            storage_state=stored,
        )

    if storage.exists():
        # A damaged file only costs a log-in.
        with suppress(PlaywrightError, ValueError):
            return await fresh(storage)
    return await fresh(None)


async def _enter(visit: Visit, account: Account, storage: Path) -> None:
    """Open the home page, and log in if it asks to."""
    texts = visit.site.texts
    await visit.goto(visit.site.url)
    home = (texts.classic, texts.multiplayer)
    shown = await visit.first(*home, texts.log_in)
    if shown.sign != texts.log_in:
        return
    await visit.click(texts.log_in)
    email, password = (visit.page.locator(f"input[name={name}]") for name in ("email", "password"))
    await email.fill(account.email)
    await password.fill(account.password)
    await password.press("Enter")
    shown = await visit.first(texts.wrong_password, *home)
    if shown.sign == texts.wrong_password:
        raise LoginRefused(
            f"{visit.site.url} doesn't accept the e-mail {account.email} with this password; "
            "correct them before you start again, as too many attempts may lock the account"
        )
    _write_private(storage, json.dumps(await visit.page.context.storage_state()))


def _write_private(path: Path, text: str) -> None:
    """Write, atomically, a file that only its owner may read."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary:
        temporary.unlink(missing_ok=True)
        temporary.touch(0o600, exist_ok=False)
        temporary.write_text(text)
