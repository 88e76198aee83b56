"""What cleaning measures on a picture: darkness, blur, and a perceptual hash."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image, ImageStat

from lost_and_found.errors import BrokenSample
from lost_and_found.preparation.pairs import write_table
from lost_and_found.processes import map_in_processes
from lost_and_found.samples import Sample, read_image

COLUMNS = ["id", "channel_variance", "laplacian_variance", "perceptual_hash", "problem"]
HASH_SIDE = 8
HASH_PIXELS = 32
STORE_EVERY = 20_000
_FREQUENCIES = np.arange(HASH_SIDE)[:, None]
_COSINES = 2 * np.cos(np.pi * _FREQUENCIES * (2 * np.arange(HASH_PIXELS) + 1) / (2 * HASH_PIXELS))


def measure_images(
    samples: Sequence[Sample], *, stored: Path | None = None, workers: int | None = None
) -> pd.DataFrame:
    """One row a sample, in order: id, channel_variance, laplacian_variance, perceptual_hash, problem.

    Both variances are in squared levels of 0 to 255; they are NaN, and the hash (16 hexadecimal digits) is empty,
    where the image can't be read, and `problem` then says why.

    Args:
        samples: their images are read once each.
        stored: a CSV file in which measures are kept and from which those of unchanged images are taken. It is
            also written in between, so that little is lost when the work is stopped.
        workers: processes; by default one for each core.
    """
    changed_ns = {sample.id: _changed_ns(sample.image) for sample in samples}
    known = _read_stored(stored, changed_ns)
    to_do = [sample for sample in samples if sample.id not in known]
    results = map_in_processes(
        measure_image, [one.image for one in to_do], description="measure", workers=workers
    )
    fresh = 0
    try:
        for fresh, (sample, measures) in enumerate(zip(to_do, results, strict=True), start=1):
            known[sample.id] = (sample.id, *measures)
            if stored and fresh % STORE_EVERY == 0:
                _store(stored, known, changed_ns)
    finally:
        if stored and fresh:
            _store(stored, known, changed_ns)
    return pd.DataFrame([known[sample.id] for sample in samples], columns=COLUMNS)


def measure_image(path: Path) -> tuple[float, float, str, str]:
    """Channel variance, variance of the Laplacian, perceptual hash and problem of one image."""
    try:
        image = read_image(path)
    except BrokenSample as error:
        return np.nan, np.nan, "", error.reason
    return channel_variance(image), laplacian_variance(image), perceptual_hash(image), ""


def channel_variance(image: Image.Image) -> float:
    """The largest variance of the levels of a channel; small in pictures that are dark, empty or of one colour."""
    return float(max(ImageStat.Stat(image).var))


def laplacian_variance(image: Image.Image) -> float:
    """Variance of the Laplacian of the grey picture; small in blurred ones.

    The kernel is 0 1 0 / 1 -4 1 / 0 1 0 and the edge is mirrored without repeating it, as in OpenCV's Laplacian.
    """
    grey = np.pad(
        np.asarray(image.convert("L"), dtype=np.int16), 1, mode="reflect" if min(image.size) > 1 else "edge"
    )
    around = grey[:-2, 1:-1] + grey[2:, 1:-1] + grey[1:-1, :-2] + grey[1:-1, 2:]
    laplacian = (around - 4 * grey[1:-1, 1:-1]).astype(np.float32).ravel()
    # Squares of whole numbers below 2¹¹ are exact in float32, and the sum of 57,600 of them nearly so; the usual
    # way in float64 takes twice the time.
    mean = float(laplacian.mean(dtype=np.float64))
    return float(laplacian @ laplacian) / laplacian.size - mean**2


def perceptual_hash(image: Image.Image) -> str:
    """64 bits as 16 hexadecimal digits; alike pictures differ in few bits.

    Which of the 8x8 lowest frequencies of the grey picture at 32x32 are above their median. The same bits as
    `imagehash.phash`, in a quarter of its time: only the wanted frequencies are computed, as two products of
    matrices.
    """
    small = image.convert("L").resize((HASH_PIXELS, HASH_PIXELS), Image.Resampling.LANCZOS)
    low = _COSINES @ np.asarray(small, dtype=float) @ _COSINES.T
    return np.packbits(low > np.median(low)).tobytes().hex()


def _changed_ns(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except FileNotFoundError:
        return -1


def _read_stored(stored: Path | None, changed_ns: Mapping[str, int]) -> dict[str, tuple]:
    if not stored or not stored.exists():
        return {}
    types = {"id": str, "perceptual_hash": str, "problem": str, "changed_ns": "int64"}
    table = pd.read_csv(
        stored,
        dtype=types,
        keep_default_na=False,
        na_values={"channel_variance": [""], "laplacian_variance": [""]},
    )
    current = table["changed_ns"].to_numpy() == table["id"].map(changed_ns).fillna(-2).to_numpy()
    return {row[0]: row for row in table.loc[current, COLUMNS].itertuples(index=False, name=None)}


def _store(stored: Path, known: Mapping[str, tuple], changed_ns: Mapping[str, int]) -> None:
    table = pd.DataFrame(list(known.values()), columns=COLUMNS)
    write_table(stored, table.assign(changed_ns=table["id"].map(changed_ns).astype("int64")))
