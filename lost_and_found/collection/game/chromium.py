"""Find and start Chromium.

`python -m lost_and_found.collection.game.chromium` prints the one that a collection would start; if there
is none, it says why and exits with status 7. `scripts/setup-browser` calls it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from playwright.async_api import Browser, async_playwright
from playwright.async_api import Error as PlaywrightError
from playwright.sync_api import sync_playwright

from lost_and_found.collection.game.exits import status_of
from lost_and_found.commands import command
from lost_and_found.dotenv_file import dotenv_values
from lost_and_found.errors import BrowserMissing

VARIABLE = "LOST_AND_FOUND_CHROMIUM"
LONGEST_START_S = 30.0
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
HOW_TO_GET = (
    "run `scripts/setup-browser`, or install your system's chromium package, or set "
    f"{VARIABLE} to the path of a Chromium or Chrome"
)
ARGUMENTS = (
    "--force-color-profile=srgb",  # the pixels of a canvas reach the screenshot unchanged
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)


def find_chromium(environment: Mapping[str, str], *, bundled: Path | None = None) -> Path:
    """The browser to use: what `LOST_AND_FOUND_CHROMIUM` names, else Playwright's own, else an installed one.

    Args:
        environment: variables, as in `os.environ`.
        bundled: where Playwright's own would be.

    Raises:
        BrowserMissing: none of them exists and starts.
    """
    named = environment.get(VARIABLE)
    if named:
        found = shutil.which(named, path=environment.get("PATH"))
        if not found or not _starts(found):
            raise BrowserMissing(f"{VARIABLE}={named} is not a browser that starts; {HOW_TO_GET}")
        return Path(found)
    installed = (shutil.which(name, path=environment.get("PATH")) for name in NAMES)
    for path in (bundled, *installed):
        if path and _starts(path):
            return Path(path)
    raise BrowserMissing(
        f"No Chromium that starts was found (looked for Playwright's own, {', '.join(NAMES)}); {HOW_TO_GET}"
    )


def _starts(program: str | Path) -> bool:
    """Whether it runs at all: Playwright's may lack libraries, and Ubuntu's may only point to a snap."""
    try:
        done = subprocess.run([program, "--version"], capture_output=True, timeout=LONGEST_START_S)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


@asynccontextmanager
async def launched(*, headed: bool = False) -> AsyncIterator[Browser]:
    """A running Chromium, closed at the end of the block.

    Args:
        headed: show its window, to watch.

    Raises:
        BrowserMissing: none is installed, or it doesn't start.
    """
    async with async_playwright() as playwright:
        chromium = playwright.chromium
        path = find_chromium(os.environ, bundled=Path(chromium.executable_path))
        try:
            browser = await chromium.launch(
                executable_path=path,
                headless=not headed,
                args=ARGUMENTS,
                # The caller decides what a signal means: a collection first finishes the running round.
                handle_sigint=False,
                handle_sigterm=False,
                handle_sighup=False,
            )
        except PlaywrightError as error:
            why = error.message.splitlines()[0]
            display = "; --headed needs a display, so leave it out where there is none" if headed else ""
            raise BrowserMissing(f"{path} doesn't start ({why}){display}; otherwise {HOW_TO_GET}") from error
        try:
            yield browser
        finally:
            await browser.close()


@command(status_of)
def main() -> int:
    """Print the browser that a collection from this folder would start; the exit status."""
    known = {**dotenv_values(".env"), **os.environ}
    with sync_playwright() as playwright:
        bundled = Path(playwright.chromium.executable_path)
    print(find_chromium(known, bundled=bundled))
    return 0


if __name__ == "__main__":
    sys.exit(main())
