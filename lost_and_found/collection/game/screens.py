"""See which screen of the site is shown, act on it, and notice what interrupts the game."""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from urllib.parse import urlsplit

from playwright.async_api import CDPSession, JSHandle, Page, Response
from playwright.async_api import Error as PlaywrightError
from playwright.async_api import TimeoutError as PlaywrightTimeout

from lost_and_found.collection.game.pictures import PictureRequests
from lost_and_found.collection.game.sites import Label, Phrase, Sign, Site
from lost_and_found.errors import (
    BrowserLost,
    LoggedOut,
    LostAndFoundError,
    PageCrashed,
    RateLimited,
    SiteChanged,
    SiteError,
)

# Playwright's own waits poll twice a second, which would cost a second or two in every round.
LOOK_EVERY_MS = 20
# What Playwright says if the page navigates away during an evaluation.
LEFT = re.compile("context was destroyed|Cannot find context|disposed", re.IGNORECASE)

# The first of the given signs that a person can see: its index, what it says and, for a button, the element.
# Buttons count only if enabled.
SHOWN = r"""({signs, unless}) => {
  const text = document.body?.innerText ?? "";
  const lines = element => [...element.innerText.split("\n"), element.ariaLabel, element.title];
  const buttons = () => [...document.querySelectorAll("a[href], button, [role=button], [role=link]")].filter(
    element => !element.disabled && element.ariaDisabled !== "true"
      && element.checkVisibility({visibilityProperty: true}));
  const find = ({kind, pattern}) => {
    if (kind === "Phrase") {
      const groups = text.match(new RegExp(pattern, "i"));
      return groups && {groups: [...groups]};
    }
    const whole = new RegExp(`^\\s*(?:${pattern})\\s*$`, "i");
    const element = buttons().find(button => lines(button).some(line => whole.test(line ?? "")));
    return element && {groups: [], element};
  };
  const before = unless.some(find);
  for (const [index, sign] of signs.entries()) {
    const found = (!before || sign.interrupts) && find(sign);
    if (found) return {index, ...found};
  }
  return null;
}"""

# Where to click the element found, unless it is moving, gone or covered. Notes whether the click hits it.
AIM = """async found => {
  const {element} = found;
  element.scrollIntoView({block: "nearest", inline: "nearest"});
  const before = element.getBoundingClientRect();
  await new Promise(requestAnimationFrame);
  const {x, y, width, height} = element.getBoundingClientRect();
  const [centreX, centreY] = [x + width / 2, y + height / 2];
  const still = x === before.x && y === before.y && width === before.width && height === before.height;
  if (!still || !element.contains(document.elementFromPoint(centreX, centreY))) return null;
  element.addEventListener("pointerdown", () => found.hit = true, {once: true});
  return [centreX, centreY];
}"""


@dataclass(frozen=True)
class Shown:
    """A sign that is on the screen.

    Attributes:
        sign: one of those looked for.
        groups: of a phrase's regular expression, the whole match first.
        found: handle in the page, with the `element` of a label.
    """

    sign: Sign
    groups: list[str]
    found: JSHandle = field(repr=False)


class Visit:
    """A page of a site, watched for what interrupts a game.

    Attributes:
        page: the browser's page.
        devtools: the page's DevTools, for what Playwright does slowly.
        site: what is visited.
        screenshots: folder for screenshots of pages that have changed.
        pictures: the parts of street views that the page has requested.
        entered: whether logged in, so that being asked to log in is an interruption.
    """

    def __init__(self, page: Page, devtools: CDPSession, site: Site, screenshots: Path) -> None:
        self.page = page
        self.devtools = devtools
        self.site = site
        self.screenshots = screenshots
        self.pictures = PictureRequests(page, site.pictures, rest_s=site.rest_s)
        self.entered = False
        self._crashed = False
        self._rate_limit: RateLimited | None = None
        page.on("crash", self._note_crash)
        page.on("close", lambda _: self.pictures.forget())
        page.on("response", self._note_rate_limit)
        page.context.on("page", self._close_stray)

    async def goto(self, url: str) -> None:
        """Open an address of the site."""
        self._rate_limit = None
        self.pictures.forget()
        await self.page.goto(url, wait_until="commit")

    async def first(self, *signs: Sign, unless: Sequence[Sign] = (), within_s: float | None = None) -> Shown:
        """Wait until one of the signs is shown; of several, the first given. Cookies are accepted meanwhile.

        Args:
            signs: of the screens that may come next.
            unless: while one of these is shown, the screen before is still there.
            within_s: how long to wait; by default the site's patience.

        Raises:
            RateLimited, LoggedOut, SiteError: the page shows that instead.
            SiteChanged: none appeared.
        """
        accept, interruptions = self.site.texts.accept_cookies, self._interruptions()
        while True:
            shown = await self._wait([accept, *interruptions], signs, unless, within_s)
            self.check_rate_limit()
            if shown.sign in interruptions:
                raise self._interruption(shown.sign)
            if shown.sign != accept:
                return shown
            await self.press(shown)

    async def click(self, *labels: Label) -> Label:
        """Wait for one of the buttons and click it; returns which it was.

        Raises:
            SiteChanged: none appeared, or it stayed covered.
            RateLimited, LoggedOut, SiteError: as in `first`.
        """
        deadline = time.monotonic() + self.site.patience_s
        while time.monotonic() < deadline:
            shown = await self.first(*labels)
            if await self.press(shown):
                assert isinstance(shown.sign, Label)
                return shown.sign
        raise await self.changed(*labels)

    async def press(self, shown: Shown) -> bool:
        """Click a button that is on the screen; False if it was gone, covered or moving."""
        try:
            at = await shown.found.evaluate(AIM)
        except PlaywrightError as error:
            if not LEFT.search(error.message):
                raise
            return False
        if not at:
            return False
        await self.page.mouse.click(*at)
        try:
            return bool(await shown.found.evaluate("found => found.hit"))
        except PlaywrightError as error:
            if not LEFT.search(error.message):
                raise
            return True

    async def now(self, *signs: Sign) -> Shown | None:
        """The first of the signs that is shown right now; None if none is."""
        found = await self.page.evaluate_handle(
            SHOWN, {"signs": [_told(sign) for sign in signs], "unless": []}
        )
        return await _read(found, signs)

    async def check(self) -> None:
        """Raise RateLimited, LoggedOut or SiteError if the page shows one right now."""
        self.check_rate_limit()
        shown = await self.now(*self._interruptions())
        if shown:
            raise self._interruption(shown.sign)

    def check_rate_limit(self) -> None:
        """Raise RateLimited if the site has answered 429, whether or not the page shows it."""
        if self._rate_limit:
            raise self._rate_limit

    async def changed(self, *looked_for: object) -> SiteChanged:
        """The error for a page that lacks something, with a screenshot of it."""
        path = self.screenshots / f"{datetime.now(UTC):%Y%m%dT%H%M%S%f}.png"
        screenshot: Path | None = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            await self.page.screenshot(path=path)
        except (OSError, PlaywrightError):
            screenshot = None
        return SiteChanged(self.page.url, " or ".join(map(str, looked_for)), screenshot)

    @contextlib.contextmanager
    def translating(self) -> Iterator[None]:
        """Turn Playwright's errors within this block into BrowserLost, PageCrashed or SiteError."""
        try:
            yield
        except PlaywrightError as error:
            what = f"{self.page.url}: {error.message.splitlines()[0]}"
            browser = self.page.context.browser
            if browser and not browser.is_connected():
                raise BrowserLost(f"{what}; the browser's process has ended, start another") from error
            if self._crashed or "crashed" in error.message:
                raise PageCrashed(
                    f"{what}; the page's process has ended, go on in a fresh context"
                ) from error
            raise SiteError(f"{what}; try again later") from error

    async def _wait(
        self, always: list[Sign], signs: tuple[Sign, ...], unless: Sequence[Sign], within_s: float | None
    ) -> Shown:
        every = [*always, *signs]
        look = {
            "signs": [{**_told(sign), "interrupts": sign in always} for sign in every],
            "unless": [_told(sign) for sign in unless],
        }
        timeout_ms = 1000 * (self.site.patience_s if within_s is None else within_s)
        try:
            found = await self.page.wait_for_function(
                SHOWN, arg=look, polling=LOOK_EVERY_MS, timeout=timeout_ms
            )
        except PlaywrightTimeout:
            self.check_rate_limit()
            raise await self.changed(*signs) from None
        shown = await _read(found, every)
        assert shown
        return shown

    def _interruptions(self) -> list[Sign]:
        texts = self.site.texts
        return [texts.rate_limit, texts.server_error, *([texts.log_in] if self.entered else [])]

    def _interruption(self, sign: Sign) -> LostAndFoundError:
        url, texts = self.page.url, self.site.texts
        if sign == texts.rate_limit:
            return RateLimited(url, None)
        if sign == texts.log_in:
            return LoggedOut(f"{url}: the site asks to log in, as the session has expired; log in again")
        return SiteError(f"{url}: the page says {texts.server_error.pattern!r}; try again later")

    def _note_rate_limit(self, response: Response) -> None:
        if response.status == 429 and urlsplit(response.url).netloc == urlsplit(self.site.url).netloc:
            self._rate_limit = RateLimited(response.url, retry_after_s(response.headers.get("retry-after")))

    def _note_crash(self, _: Page) -> None:
        self._crashed = True
        self.pictures.forget()

    async def _close_stray(self, page: Page) -> None:
        """Close a page that a map's own link opened; behind it, the game would draw one frame a second."""
        with contextlib.suppress(PlaywrightError):
            await page.close()
            await self.page.bring_to_front()


def retry_after_s(header: str | None) -> float | None:
    """Seconds that a Retry-After header asks for, as a number or a date; None if absent or malformed."""
    if header is None:
        return None
    try:
        if header.strip().isdecimal():
            return float(header)
        return max(0.0, (parsedate_to_datetime(header) - datetime.now(UTC)).total_seconds())
    except (TypeError, ValueError):
        return None


async def _read(found: JSHandle, signs: Sequence[Sign]) -> Shown | None:
    """What `SHOWN` found."""
    told = await found.evaluate("found => found && {index: found.index, groups: found.groups}")
    if told is None:
        return None
    return Shown(signs[told["index"]], told["groups"], found)


def _told(sign: Sign) -> dict[str, str]:
    """A sign as `SHOWN` takes it."""
    return {"kind": "Phrase" if isinstance(sign, Phrase) else "Label", "pattern": sign.pattern}
