"""A folder of practice samples: pairs of a picture and its record, as if collected from the game."""

from __future__ import annotations

import io
from collections import Counter
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from PIL import Image

from lost_and_found.data_loader import find_pairs
from lost_and_found.errors import InvalidConfig
from lost_and_found.locks import filling
from lost_and_found.practice.draws import Draws
from lost_and_found.practice.places import Round, draw_places
from lost_and_found.practice.scenes import SIZE, render
from lost_and_found.processes import map_in_processes
from lost_and_found.samples import Sample, remove_leftovers, write_pair
from lost_and_found.stamps import has_same_content, link_or_copy

SOURCE = "practice"
JPEG_QUALITY = 90
_CHUNK = 8


@dataclass(frozen=True)
class CollectionSummary:
    """What a call of `render_collection` did; the three counts add up to the pairs in the folder.

    Attributes:
        folder: where the pairs are.
        collected: pairs from the game that this call added.
        rendered: pairs that this call drew.
        kept: pairs that were there before.
        rounds_by_country: drawn rounds by alpha-2 code, those of earlier calls included, most frequent first.
    """

    folder: Path
    collected: int
    rendered: int
    kept: int
    rounds_by_country: dict[str, int]


def render_collection(
    folder: Path, *, count: int, seed: int, collected: Path | None = None, workers: int | None = None
) -> CollectionSummary:
    """Fill a folder with `count` practice samples; those that an earlier call finished are kept.

    Records have `coordinates`, `duration` and `source`, and no country: enrichment finds it, as for real
    singleplayer rounds. About one sample in twenty is spoilt on purpose; `Round.defect` of `draw_places` with
    the same count and seed tells which.

    Args:
        folder: created if absent.
        count: samples.
        seed: same seed and count, same files.
        collected: folder of pairs from the game, which replace as many of the first rounds, unchanged. If
            more are collected after `folder` was filled, it ends up with somewhat more than `count`.
        workers: processes; one per core by default.

    Raises:
        InvalidConfig: the folder holds samples of another collection, for example of another count or seed.
        MissingInput: `collected` is not a folder.
        FolderInUse: another process is filling the folder.
        StorageFull: the disk is full; free some space and run again.
    """
    rounds = draw_places(count, seed=seed)
    from_game = find_pairs(collected)[0] if collected else {}
    with filling(folder, check=partial(_refuse_strangers, folder, rounds, from_game)):
        remove_leftovers(folder)
        before, _ = find_pairs(folder)
        for sample in from_game.values():
            _take_in(sample, folder)
        missing = [round_ for round_ in rounds[len(from_game) :] if round_.id not in before]
        work = map_in_processes(
            partial(write_round, folder),
            missing,
            description="Drawing practice scenes",
            workers=workers,
            chunk_size=_CHUNK,
        )
        rendered = sum(1 for _ in work)
        there = before.keys() | {round_.id for round_ in missing}
    by_country = Counter(round_.place.country_code for round_ in rounds if round_.id in there)
    taken_in = len(from_game.keys() - before.keys())
    return CollectionSummary(folder, taken_in, rendered, len(before), dict(by_country.most_common()))


def _refuse_strangers(folder: Path, rounds: list[Round], from_game: dict[str, Sample]) -> None:
    ours = from_game.keys() | {round_.id for round_ in rounds}
    strangers = [
        name
        for name in sorted(path.name for path in folder.iterdir())
        if name.endswith((".jpg", ".png", ".json")) and Path(name).stem not in ours
    ]
    if strangers:
        raise InvalidConfig(
            f"{folder} holds {len(strangers)} files of another collection ({strangers[0]} ...), perhaps of "
            "another count or seed, or collected from other games (parameters count, seed and collected); "
            "choose another folder or delete them"
        )
    for original in (path for sample in from_game.values() for path in (sample.image, sample.record)):
        taken = folder / original.name
        if taken.exists() and not has_same_content(original, taken):
            raise InvalidConfig(
                f"{taken} differs from {original}, perhaps because that was collected again; "
                f"delete {folder} to fill it again"
            )


def _take_in(sample: Sample, folder: Path) -> None:
    """Link or copy a pair, the record last, as everywhere; existing files are never overwritten."""
    for original in (sample.image, sample.record):
        if not (folder / original.name).exists():
            link_or_copy(original, folder / original.name)


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
