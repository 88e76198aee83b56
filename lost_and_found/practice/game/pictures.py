"""The scenes as the page gets them: a preview and lossless tiles, rendered ahead in threads."""

from __future__ import annotations

import asyncio
import io
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache

from PIL import Image

from lost_and_found.practice.draws import Draws
from lost_and_found.practice.game.faults import Faults
from lost_and_found.practice.game.recent import Recent
from lost_and_found.practice.places import Round
from lost_and_found.practice.scenes import SIZE, render

TILE_SIZE = (320, 360)
PREVIEW_SIZE = (320, 180)
_KEPT = 32  # encoded scenes, about 2 MB each


@dataclass(frozen=True)
class Encoded:
    """A scene as JPEG preview and PNG tiles by column and row."""

    preview: bytes
    tiles: dict[tuple[int, int], bytes]


@dataclass
class Showing:
    """A round as it is shown in a game: under a token that reveals nothing, with the faults that struck.

    Attributes:
        round: what is shown.
        token: names the scene to the page.
        black: whether the scene is black.
        slow: whether the tiles take longer.
        crash: whether the page has yet to be told to crash.
        tiles_at: when the tiles come; None until one has been requested.
    """

    round: Round
    token: str
    black: bool
    slow: bool
    crash: bool
    tiles_at: float | None = None

    def tell(self) -> dict[str, object]:
        """What the page is told about the scene; a crash only once."""
        told: dict[str, object] = {"heading_deg": self.round.heading_deg, "scene": f"/scenes/{self.token}"}
        if self.crash:
            told["crash"], self.crash = True, False
        return told


def show(round_: Round, faults: Faults) -> Showing:
    """Begin to show a round."""
    draws = Draws("scene", round_.id)
    return Showing(
        round_,
        token="".join(f"{draws.index(256):02x}" for _ in range(16)),
        black=faults.strikes("black-pictures"),
        slow=faults.strikes("slow-images"),
        crash=faults.strikes("renderer-crash"),
    )


def picture(round_: Round) -> Image.Image:
    """The scene of a round, 1280x720."""
    return render(round_.place, heading_deg=round_.heading_deg, seed=round_.seed)


def encode(scene: Image.Image) -> Encoded:
    """Preview and tiles of a scene."""
    # Shrunk to a quarter in between, which blurs it.
    small = scene.reduce(16).resize(PREVIEW_SIZE, Image.Resampling.BICUBIC)
    (width, height), tiles = TILE_SIZE, {}
    for x in range(SIZE[0] // width):
        for y in range(SIZE[1] // height):
            box = (x * width, y * height, (x + 1) * width, (y + 1) * height)
            tiles[x, y] = _bytes(scene.crop(box), "PNG", compress_level=1)
    return Encoded(_bytes(small, "JPEG", quality=70), tiles)


def encoded(round_: Round) -> Encoded:
    """The scene of a round as the page gets it."""
    return encode(picture(round_))


class Pictures:
    """Renders scenes before they are requested and keeps the latest.

    For use from the server's event loop only.
    """

    def __init__(self, pool: ThreadPoolExecutor) -> None:
        self._pool = pool
        self._kept: Recent[Future[Encoded]] = Recent(_KEPT)

    def prepare(self, round_: Round) -> Future[Encoded]:
        """The scene as a future; starts rendering it unless that was done."""
        return self._kept.get(round_.id) or self._kept.put(round_.id, self._pool.submit(encoded, round_))

    async def of(self, showing: Showing) -> Encoded:
        """The scene as it is shown."""
        if showing.black:
            return _black()
        # Shielded, since others may wait for the same scene when one request is cancelled.
        return await asyncio.shield(asyncio.wrap_future(self.prepare(showing.round)))


@cache
def _black() -> Encoded:
    return encode(Image.new("RGB", SIZE))


def _bytes(image: Image.Image, form: str, **options: int) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()
