"""A trained model's guesses of where photos were taken."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from lost_and_found.errors import BrokenSample, MissingInput
from lost_and_found.evaluation.predictions import best_guesses, guesses_of
from lost_and_found.geo.countries import find_country
from lost_and_found.geo.regions import locate
from lost_and_found.geo.towns import nearest_town
from lost_and_found.preparation.pictures import resized
from lost_and_found.processes import map_in_processes
from lost_and_found.texts import printable
from lost_and_found.training.decoding import decode
from lost_and_found.training.pixel_cache import COPY_SIZE
from lost_and_found.training.runs import Run, predict
from lost_and_found.training.targets.region import RegionTarget

# Of the files in a folder; a file that is named itself is tried whatever its suffix.
SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".heic", ".heif"}
AT_ONCE = 2048  # photos whose pixels are in memory
IN_PROCESSES_FROM = 200
FAR_KM = 50  # from this distance on, a town isn't called near


class PhotoGuesses(NamedTuple):
    """What a run says about some photos.

    Attributes:
        table: a row per photo; columns photo, problem (why it couldn't be read, or empty), guess_1,
            probability_1, ... guess_5, probability_5 (countries by alpha-2 code); for region runs also region
            (the likeliest); for region and coordinates runs also lat, lon, place (the nearest town and its
            country) and place_km (how far away that is). A coordinates run has no probabilities, and guess_1
            is the country of the point, at sea the nearest one. Cells of photos with a problem are empty.
        decoded: from `predict`, a row for each photo without a problem.
    """

    table: pd.DataFrame
    decoded: np.ndarray


def photo_pixels(
    path: Path, *, width: int, height: int, copy_size: tuple[int, int] = COPY_SIZE
) -> np.ndarray:
    """A photo made like the pictures that a model was trained with: uint8 (3, height, width), RGB.

    It is processed like them: cropped at its centre to the shape of a working copy, shrunk and saved as one,
    and read from there as the pixel cache does. So the pixels are exactly those that the stages would have
    made of it.

    Args:
        path: of an image in any format that Pillow reads.
        width: in pixels, as the run takes it.
        height: in pixels, as the run takes it.
        copy_size: (width, height) of the working copies of the pictures that the run was trained with, or
            of the largest if all photos were smaller than working copies may be.

    Raises:
        BrokenSample: it can't be read.
    """
    content, suffix = resized(path, copy_size)
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / f"copy{suffix}"
        copy.write_bytes(content)
        return decode(copy, width=width, height=height)


def find_photos(places: Sequence[Path]) -> list[Path]:
    """The files that are named, and the images in the folders that are, in order, without hidden ones.

    Raises:
        MissingInput: a place that doesn't exist, or no photo in any.
    """
    found: list[Path] = []
    for place in places:
        if not place.exists():
            raise MissingInput(f"there is no file or folder {place}")
        inside = sorted(place.rglob("*")) if place.is_dir() else [place]
        found += [path for path in inside if path == place or _is_photo(path, place)]
    if not found:
        raise MissingInput(f"there is no image in {', '.join(map(str, places))}")
    return list(dict.fromkeys(found))


def common_folder(photos: Sequence[Path]) -> Path:
    """The absolute path of the innermost folder that holds all of the photos."""
    return Path(os.path.commonpath([without_dots(photo).parent for photo in photos]))


def without_dots(path: Path) -> Path:
    """The absolute path without "..", so that no path made from it leads elsewhere; links stay."""
    return Path(os.path.abspath(path))  # noqa: PTH100  resolve() follows links


def guess_photos(run: Run, photos: Sequence[Path]) -> Iterator[PhotoGuesses]:
    """Guesses for up to `AT_ONCE` photos at a time."""
    for first in range(0, len(photos), AT_ONCE):
        some = photos[first : first + AT_ONCE]
        read = partial(
            _pixels_or_problem, width=run.config.width, height=run.config.height, copy_size=run.copy_size
        )
        workers = None if len(some) >= IN_PROCESSES_FROM else 1
        results = list(map_in_processes(read, some, description="photos", workers=workers))
        pixels = np.array([one for one in results if isinstance(one, np.ndarray)], np.uint8)
        table = pd.DataFrame({"photo": list(map(str, some))})
        table["problem"] = ["" if isinstance(one, np.ndarray) else one for one in results]
        rows = table.index[table["problem"] == ""]
        decoded = predict(run, pixels.reshape(-1, 3, run.config.height, run.config.width))
        yield PhotoGuesses(table.join(guesses_table(run, decoded).set_index(rows)), decoded)


def guesses_table(run: Run, decoded: np.ndarray) -> pd.DataFrame:
    """A row per picture, with the columns of `PhotoGuesses.table` but photo and problem.

    Args:
        run: whose guesses they are.
        decoded: from `predict`, a row per picture.
    """
    table = pd.DataFrame(index=range(len(decoded)))
    if run.target.country_codes:
        table = best_guesses(run.target.country_probabilities(decoded), run.target.country_codes)
    if isinstance(run.target, RegionTarget):
        names = run.target.region_names
        table["region"] = [names[one] for one in decoded.argmax(axis=1)]
    if (points := run.target.points(decoded)) is not None:
        towns = nearest_town(*points.astype(float).T)
        countries = [find_country(code).name for code in towns["country_code"]]
        table["lat"], table["lon"] = points.astype(float).round(3).T
        table["place"] = [f"{town}, {name}" for town, name in zip(towns["name"], countries, strict=True)]
        table["place_km"] = towns["distance_km"].round(1).to_numpy()
        if not run.target.country_codes:
            table["guess_1"] = locate(*points.astype(float).T)["country_code"].to_numpy()
    return table


def _pixels_or_problem(
    path: Path, *, width: int, height: int, copy_size: tuple[int, int]
) -> np.ndarray | str:
    try:
        return photo_pixels(path, width=width, height=height, copy_size=copy_size)
    except BrokenSample as error:
        return error.reason
    except OSError as error:
        return error.strerror or str(error)


def text_of(table: pd.DataFrame) -> str:
    """The guesses as text: for one photo a line per guess, for several a line per photo."""
    if len(table) == 1:
        return _in_full(table.iloc[0])
    names = table["photo"].map(printable)
    width = min(60, max(map(len, names)))
    rows = zip(names, table.iterrows(), strict=True)
    return "\n".join(f"{name:<{width}}  {_in_short(row)}" for name, (_, row) in rows)


def point_text(row: pd.Series) -> str:
    """The guessed point of a row, by its coordinates and the nearest town."""
    far = row["place_km"] >= FAR_KM
    return (
        f"{row['lat']:z.2f}, {row['lon']:z.2f}, "
        f"{f'{row.place_km:,.0f} km from' if far else 'near'} {row['place']}"
    )


def _in_full(row: pd.Series) -> str:
    lines = [printable(row["photo"])]
    if row["problem"]:
        return f"{lines[0]}: {row['problem']}"
    guesses = [(find_country(code).name, share) for code, share in guesses_of(row)]
    width = max(len(name) for name, _ in guesses)
    lines += [f"  {name:<{width}}  {100 * share:5.1f} %" for name, share in guesses if not np.isnan(share)]
    if "place" in row:
        lines += [f"  likeliest region: {_region_name(row['region'])}"] if "region" in row else []
        lines.append(f"  guessed point: {point_text(row)}")
    return "\n".join(lines)


def _region_name(region: str) -> str:
    country, name, _ = region.split("_")
    return f"{name}, {country}"


def _in_short(row: pd.Series) -> str:
    if row["problem"]:
        return f"not read: {row['problem']}"
    said = [
        f"{find_country(code).name} {100 * share:.0f} %"
        for code, share in guesses_of(row)[:3]
        if not np.isnan(share)
    ]
    return "; ".join(filter(None, [", ".join(said), point_text(row) if "place" in row else ""]))


def _is_photo(path: Path, folder: Path) -> bool:
    hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
    return path.is_file() and not hidden and path.suffix.lower() in SUFFIXES
