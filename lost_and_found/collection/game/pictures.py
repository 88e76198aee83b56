"""Which parts of street views a page is still waiting for."""

from __future__ import annotations

import asyncio
import math
import re
import time

from playwright.async_api import Page, Request, Response


class PictureRequests:
    """A page's requests for parts of street views.

    A part that failed to load is waited for until the page requests it again; one that the site doesn't have
    (404), or that the page no longer wants, isn't.

    Attributes:
        activity: grows whenever such a request begins or ends.
    """

    def __init__(self, page: Page, addresses: re.Pattern[str], *, rest_s: float) -> None:
        self.activity = 0
        self._active_at = -math.inf
        self._addresses, self._rest_s = addresses, rest_s
        self._missing: set[str] = set()
        self._refused: set[str] = set()
        self._complete = asyncio.Event()
        self.forget()
        page.on("request", self._begin)
        page.on("response", self._note_refusal)
        page.on("requestfinished", self._finish)
        page.on("requestfailed", self._fail)

    async def complete(self) -> None:
        """Wait until all that was requested has arrived and the page has had `rest_s` to decode it."""
        await self._complete.wait()
        while (left_s := self._active_at + self._rest_s - time.monotonic()) > 0:
            await asyncio.sleep(left_s)
            await self._complete.wait()

    def forget(self) -> None:
        """Stop waiting for what has been requested so far."""
        self._missing.clear()
        self._refused.clear()
        self._complete.set()

    def _begin(self, request: Request) -> None:
        if self._addresses.match(request.url):
            self._note_activity()
            self._missing.add(request.url)
            self._complete.clear()

    def _note_refusal(self, response: Response) -> None:
        if response.url in self._missing and (response.status == 429 or response.status >= 500):
            self._refused.add(response.url)

    def _finish(self, request: Request) -> None:
        if request.url in self._refused:
            self._refused.remove(request.url)
        else:
            self._end(request)

    def _fail(self, request: Request) -> None:
        if request.failure == "net::ERR_ABORTED":
            self._end(request)

    def _end(self, request: Request) -> None:
        if request.url in self._missing:
            self._note_activity()
            self._missing.remove(request.url)
            if not self._missing:
                self._complete.set()

    def _note_activity(self) -> None:
        self.activity += 1
        self._active_at = time.monotonic()
