"""Capture the street view alone, once it is fully drawn."""

from __future__ import annotations

import asyncio
import base64
import io
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from PIL import Image, ImageStat

from lost_and_found.collection.game.screens import Visit
from lost_and_found.errors import BlankPicture

# A picture whose channels all span less than this is of a single colour, apart from compression artefacts.
LEAST_CONTRAST = 12
SKETCH = {"format": "jpeg", "quality": 50}
EXACT = {"format": "png", "optimizeForSpeed": True}

Box = dict[str, float]

# Hides everything but the viewer, also from the mouse. A style sheet constructed in script is allowed under
# any content security policy.
HIDE = """viewer => {
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(`
    *, ::before, ::after, ::backdrop {
      visibility: hidden !important; pointer-events: none !important; transition: none !important;
    }
    ${viewer} { visibility: visible !important; }`);
  document.adoptedStyleSheets.push(sheet);
  const show = () => {
    document.adoptedStyleSheets = document.adoptedStyleSheets.filter(other => other !== sheet);
  };
  const {x, y, width, height} = document.querySelector(viewer)?.getBoundingClientRect() ?? {};
  return {show, box: width && {x, y, width, height}};
}"""
# Chromium decodes images one after another: once this one is decoded, so are those asked for before. No
# standard promises it, and a page may forbid this image: what it decodes is then left to `site.rest_s`.
DECODED = """async () => {
  const image = new Image();
  image.src = "data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7";
  await image.decode().catch(() => {});
}"""
NEXT_FRAME = "new Promise(drawn => requestAnimationFrame(() => requestAnimationFrame(drawn)))"


class Camera:
    """Takes one picture for each round of a game, never the last round's again."""

    def __init__(self, visit: Visit) -> None:
        """Must be created before the page can request its first street view."""
        self._visit = visit
        self._activity = visit.pictures.activity
        self._last = b""

    async def street_view(self) -> bytes:
        """The viewer's picture as PNG, with the browser's own pixels.

        It counts as drawn when all parts that the page has requested have arrived and are decoded, the page
        has had `site.rest_s` for decoding in a way of its own, and the frames before and after it are equal.
        A WebGL viewer's pixels can't be read from within the page, so frames are screenshots; PNGs are slow
        to encode, so the frames before and after are JPEGs.

        Raises:
            BlankPicture: parts of it never arrived, or the game was over before they did, or the viewer
                stayed blank, kept showing the last round's picture, or kept moving.
        """
        visit, patience_s = self._visit, self._visit.site.patience_s
        try:
            async with asyncio.timeout(patience_s):
                await self._decoded()
                async with _alone(visit) as box:
                    return await self._at_rest(box)
        except TimeoutError:
            visit.check_rate_limit()
            visit.pictures.forget()
            raise BlankPicture(f"the picture was not complete within {patience_s:g} s") from None
        finally:
            self._activity = visit.pictures.activity

    async def _at_rest(self, box: Box) -> bytes:
        """The first picture that is new, not blank and no longer changing."""
        visit, pictures = self._visit, self._visit.pictures
        seen, since = pictures.activity, time.monotonic()
        while True:
            activity = pictures.activity
            if activity != seen:
                seen, since = activity, time.monotonic()
            before = await _frame(visit, box, SKETCH)
            # Requested together, these two show the same frame, or the second shows a later one.
            image, behind = await asyncio.gather(_frame(visit, box, EXACT), _frame(visit, box, SKETCH))
            trouble = self._trouble_with(before) or ("" if before == behind else "the viewer kept moving")
            if activity == pictures.activity:  # else more parts have arrived meanwhile
                if not trouble:
                    self._last = before
                    return image
                if time.monotonic() > since + visit.site.blank_s:
                    raise BlankPicture(trouble)
            await self._decoded()
            await visit.page.evaluate(NEXT_FRAME)

    async def _decoded(self) -> None:
        """Wait until all that was requested has arrived and is decoded."""
        await self._visit.pictures.complete()
        await self._visit.page.evaluate(NEXT_FRAME)  # by which the page has heard of it, too
        await self._visit.page.evaluate(DECODED)

    def _trouble_with(self, sketch: bytes) -> str:
        if self._activity == self._visit.pictures.activity:
            return "the page requested no new picture"
        if sketch == self._last:
            return "the viewer kept showing the last round's picture"
        return "the viewer stayed blank" if _is_blank(sketch) else ""


@asynccontextmanager
async def _alone(visit: Visit) -> AsyncIterator[Box]:
    """The viewer's box in pixels, while nothing else is visible."""
    page, viewer = visit.page, visit.site.viewer
    hidden = await page.evaluate_handle(HIDE, viewer)
    try:
        # Nothing reacts to the mouse now, so the corner is as good a place as any.
        _, box = await asyncio.gather(page.mouse.move(0, 0), hidden.evaluate("({box}) => box"))
        if box:
            yield box
    finally:
        await hidden.evaluate("({show}) => show()")
    if not box:  # only now, as neither a look nor a screenshot sees what is hidden
        await visit.check()
        if await visit.now(visit.site.texts.play_again):
            raise BlankPicture("the game was over before its picture could be taken")
        raise await visit.changed(f"an element {viewer}")


async def _frame(visit: Visit, box: Box, options: Mapping[str, object]) -> bytes:
    """A screenshot of the box, straight from Chromium, which takes a third of Playwright's time."""
    size = visit.page.viewport_size or {"width": 0, "height": 0}
    whole = {"x": 0, "y": 0, "width": size["width"], "height": size["height"]}
    clip: dict[str, object] = {} if box == whole else {"clip": dict(box, scale=1)}
    answer = await visit.devtools.send("Page.captureScreenshot", {**options, **clip})
    return base64.b64decode(answer["data"])


def _is_blank(frame: bytes) -> bool:
    extrema = ImageStat.Stat(Image.open(io.BytesIO(frame)).convert("RGB")).extrema
    return all(highest - lowest < LEAST_CONTRAST for lowest, highest in extrema)
