"""The measures of many pictures, kept in a file so that none is measured twice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from lost_and_found.preparation.pictures import measure_image
from lost_and_found.processes import map_in_processes
from lost_and_found.samples import Sample, write_table
from lost_and_found.stamps import stamp

COLUMNS = ["id", "channel_variance", "laplacian_variance", "perceptual_hash", "problem"]
STORE_EVERY = 20_000


def measure_images(
    samples: Sequence[Sample], *, stored: Path | None = None, workers: int | None = None
) -> pd.DataFrame:
    """One row per sample, in order: id, channel_variance, laplacian_variance, perceptual_hash, problem.

    Both variances are in squared levels of 0 to 255 and the hash is 16 hexadecimal digits. Where an image
    can't be read they are NaN and empty, and `problem` says why.

    Args:
        samples: their images are read once each.
        stored: a CSV file that keeps measures; those of unchanged images are taken from it. It is also
            written every 20,000 images, so that little is lost when the work is stopped.
        workers: processes; by default one for each core.
    """
    stamps = {sample.id: _stamp(sample) for sample in samples}
    known = _read_stored(stored, stamps)
    to_do = [sample for sample in samples if sample.id not in known]
    results = map_in_processes(
        measure_image, [one.image for one in to_do], description="measure", workers=workers
    )
    fresh = 0
    try:
        for fresh, (sample, measures) in enumerate(zip(to_do, results, strict=True), start=1):
            known[sample.id] = (sample.id, *measures)
            if stored and fresh % STORE_EVERY == 0:
                _store(stored, known, stamps)
    finally:
        if stored and fresh:
            _store(stored, known, stamps)
    return pd.DataFrame([known[sample.id] for sample in samples], columns=COLUMNS)


def _stamp(sample: Sample) -> str:
    try:
        return stamp(f"{sample.folder}/{sample.image_name}")
    except FileNotFoundError:
        return ""


def _read_stored(stored: Path | None, stamps: Mapping[str, str]) -> dict[str, tuple]:
    if not stored or not stored.exists():
        return {}
    types = {"id": "str", "perceptual_hash": "str", "problem": "str", "stamp": "str"}
    table = pd.read_csv(
        stored,
        dtype=types,
        keep_default_na=False,
        na_values={"channel_variance": [""], "laplacian_variance": [""]},
    )
    current = table["stamp"] == table["id"].map(stamps)
    return {row[0]: row for row in table.loc[current, COLUMNS].itertuples(index=False, name=None)}


def _store(stored: Path, known: Mapping[str, tuple], stamps: Mapping[str, str]) -> None:
    table = pd.DataFrame(list(known.values()), columns=COLUMNS)
    write_table(stored, table.assign(stamp=table["id"].map(stamps)))
