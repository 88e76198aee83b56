"""A folder of practice samples: pairs of a picture and its record, as a collection from the game would be."""

from __future__ import annotations

import io
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from PIL import Image

from lost_and_found.errors import InvalidConfig
from lost_and_found.locks import filling
from lost_and_found.practice.draws import Draws
from lost_and_found.practice.places import Round, draw_places
from lost_and_found.practice.scenes import SIZE, render
from lost_and_found.processes import map_in_processes
from lost_and_found.samples import remove_leftovers, write_pair

SOURCE = "practice"
JPEG_QUALITY = 90
_CHUNK = 8


@dataclass(frozen=True)
class CollectionSummary:
    """What a call of `render_collection` did.

    Attributes:
        folder: where the pairs lie.
        written: pairs rendered by this call.
        kept: pairs that were there before.
        rounds_by_country: alpha-2 code to number of rounds, most first.
    """

    folder: Path
    written: int
    kept: int
    rounds_by_country: dict[str, int]


def render_collection(
    folder: Path, *, count: int, seed: int, workers: int | None = None
) -> CollectionSummary:
    """Fill a folder with `count` practice samples; what an earlier call has finished is kept.

    Records have `coordinates`, `duration` and `source`, and no country: enrichment finds it, as for real
    singleplayer rounds. About one sample in twenty is spoilt on purpose; `Round.defect` of `draw_places` with
    the same count and seed tells which.

    Args:
        folder: made if it is not there.
        count: samples.
        seed: same seed and count, same files.
        workers: processes; one per core by default.

    Raises:
        InvalidConfig: the folder holds samples of another collection, for example of another count or seed.
        FolderInUse: another process fills the folder.
        StorageFull: no room; run again after making some.
    """
    rounds = draw_places(count, seed=seed)
    with filling(folder, check=partial(_refuse_strangers, folder, rounds)):
        remove_leftovers(folder)
        there = {path.name for path in folder.iterdir()}
        missing = [round_ for round_ in rounds if not {f"{round_.id}.jpg", f"{round_.id}.json"} <= there]
        work = map_in_processes(
            partial(write_round, folder),
            missing,
            description="practice scenes",
            workers=workers,
            chunk_size=_CHUNK,
        )
        written = sum(1 for _ in work)
    by_country: dict[str, int] = {}
    for round_ in rounds:
        by_country[round_.place.country_code] = by_country.get(round_.place.country_code, 0) + 1
    ranked = dict(sorted(by_country.items(), key=lambda entry: -entry[1]))
    return CollectionSummary(folder, written, len(rounds) - written, ranked)


def _refuse_strangers(folder: Path, rounds: list[Round]) -> None:
    ours = {round_.id for round_ in rounds}
    strangers = [
        name
        for name in sorted(path.name for path in folder.iterdir())
        if name.endswith((".jpg", ".png", ".json")) and Path(name).stem not in ours
    ]
    if strangers:
        raise InvalidConfig(
            f"{folder} holds {len(strangers)} files of another collection ({strangers[0]} ...), "
            "perhaps of another count or seed; choose another folder or delete them."
        )


def write_round(folder: Path, round_: Round) -> None:
    """Render one round and write its pair."""
    record = {
        "coordinates": [round_.place.lat, round_.place.lon],
        "duration": round_.duration_s,
        "source": SOURCE,
    }
    write_pair(folder, round_.id, image=encode_round(round_), suffix=".jpg", record=record)


def encode_round(round_: Round) -> bytes:
    """The picture of a round as JPEG with the comment "practice", with its defect, if any."""
    if round_.defect == "black":
        return _encode(Image.new("RGB", SIZE))
    image = render(round_.place, heading_deg=round_.heading_deg, seed=round_.seed)
    draws = Draws("defect", round_.id)
    if round_.defect == "dark":
        gain = draws.uniform(0.06, 0.14)
        image = image.point([round(level * gain) for level in range(256)] * 3)
    if round_.defect == "blurred":
        shrunk = round(draws.uniform(16, 32))
        image = image.reduce(shrunk).resize(SIZE, Image.Resampling.BICUBIC)
    data = _encode(image)
    if round_.defect == "truncated":
        return data[: round(len(data) * draws.uniform(0.25, 0.75))]
    return data


def _encode(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=JPEG_QUALITY, comment=SOURCE)
    return buffer.getvalue()
