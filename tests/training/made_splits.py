"""Small generated splits."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from lost_and_found.geo.regions import regions
from lost_and_found.samples import Sample
from lost_and_found.training.pixel_cache import CacheSpec, PixelCache, cache_pixels

COUNTRIES = ("NA", "FR", "JP", "BR")  # Namibia first: its code is what pandas takes for a missing value
WIDTH, HEIGHT = 64, 40
DIGEST = "0123456789abcdef" * 2


def write_samples(folder: Path, *, count: int, suffix: str = ".png") -> list[Sample]:
    """Pictures that differ a lot: noise on a different colour in each."""
    folder.mkdir(parents=True, exist_ok=True)
    samples = []
    for number in range(count):
        rng = np.random.default_rng(number)
        noise = rng.integers(-60, 60, (90, 160, 3)) + rng.integers(60, 196, 3)
        sample = Sample(f"made_test_game{number}_0", str(folder), suffix)
        Image.fromarray(noise.clip(0, 255).astype(np.uint8)).save(sample.image)
        samples.append(sample)
    return samples


def table_of(samples: Sequence[Sample]) -> pd.DataFrame:
    """Records, with the countries in turn."""
    codes = [COUNTRIES[number % len(COUNTRIES)] for number in range(len(samples))]
    return pd.DataFrame({"id": [sample.id for sample in samples], "country_code": codes, "lat": 1 / 3})


def cache_of(samples: Sequence[Sample], *, folder: Path, split: str = "train") -> PixelCache:
    """The samples as a split."""
    spec = CacheSpec(list_name=f"made.{split}", list_digest=DIGEST, width=WIDTH, height=HEIGHT)
    return cache_pixels(samples, table_of(samples), folder=folder, spec=spec)


def make_split(folder: Path, *, count: int) -> PixelCache:
    """A split of so many pictures, all in this folder."""
    return cache_of(write_samples(folder / "pictures", count=count), folder=folder / "pixels")


def located(split: PixelCache, rows: Sequence[int]) -> PixelCache:
    """The split with its records in these regions of the map."""
    known = regions().iloc[list(rows)].reset_index(drop=True)
    places = {name: known[name] for name in ("region", "country_code", "lat", "lon")}
    return dataclasses.replace(split, table=split.table.assign(**places))


def ten_times(split: PixelCache) -> PixelCache:
    """The split with each picture ten times, so that an epoch has more steps."""
    table = pd.concat([split.table] * 10, ignore_index=True)
    return dataclasses.replace(split, pixels=np.tile(split.pixels, (10, 1, 1, 1)), table=table)
