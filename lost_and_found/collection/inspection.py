"""A look at what was collected: where it is, what it looks like, and whether it is intact."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from lost_and_found.data_loader import records_table
from lost_and_found.digests import digest
from lost_and_found.errors import BrokenSample, UnknownCountry
from lost_and_found.figures import picture_sheet, short_name
from lost_and_found.geo.countries import find_country
from lost_and_found.geo.regions import locate
from lost_and_found.processes import map_in_processes
from lost_and_found.samples import Sample, parse_id, read_image
from lost_and_found.texts import in_lines

UNKNOWN = "unknown"
ROWS, COLUMNS = 5, 4  # of a contact sheet
ID_THAT_FITS = 44  # characters below a picture of it
IN_PROCESSES_FROM = 200


def country_names(samples: Sequence[Sample]) -> pd.Series:
    """The country of each sample by id: where its coordinates are, else what its record says, else "unknown".

    Raises:
        BrokenSample: a record can't be read.
    """
    table = records_table(samples)
    codes, placed = table["country_code"].fillna(table["country_name"]), table["lat"].notna()
    if placed.any():
        codes[placed] = locate(table.loc[placed, "lat"], table.loc[placed, "lon"])["country_code"].to_numpy()
    names = [_name(code) for code in codes]
    return pd.Series(names, index=table["id"], name="country", dtype=object)


def _name(code: object) -> str:
    try:
        return find_country(code).name if isinstance(code, str) else UNKNOWN
    except UnknownCountry:  # of a published record, which is rejected when it is enriched
        return UNKNOWN


def counts_text(names: pd.Series) -> str:
    """How often each name occurs, the most frequent first, in lines that fit a page."""
    counts = names.fillna(UNKNOWN).value_counts()
    return in_lines(f"{name} {n:,}" for name, n in counts.items())


def contact_sheet(samples: Sequence[Sample], *, seed: int) -> Figure:
    """Twenty pictures, each with its country and id, to be looked at by a person.

    Args:
        samples: what to draw from.
        seed: of the draw.
    """
    chosen = np.random.default_rng(seed).permutation(len(samples))[: ROWS * COLUMNS]
    shown = [samples[one] for one in chosen]
    titles = [f"{short_name(name)}\n{_broken(str(one))}" for one, name in country_names(shown).items()]
    return picture_sheet(list(zip(shown, titles, strict=True)), COLUMNS)


def picture_report(samples: Sequence[Sample]) -> pd.DataFrame:
    """One row per sample, in order: id, size ("1280x720", or why it can't be read), digest of the picture."""
    report = map_in_processes(
        _size_and_digest,
        [sample.image for sample in samples],
        description="Checking pictures",
        workers=None if len(samples) >= IN_PROCESSES_FROM else 1,
    )
    table = pd.DataFrame(list(report), columns=["size", "digest"])
    table.insert(0, "id", [sample.id for sample in samples])
    return table


def _size_and_digest(path: Path) -> tuple[str, str]:
    try:
        image = read_image(path)
    except BrokenSample as error:
        return error.reason, ""
    return f"{image.width}x{image.height}", digest(path.read_bytes())


def _broken(sample_id: str) -> str:
    """The id, on two lines where one would run into the next picture."""
    if len(sample_id) <= ID_THAT_FITS:
        return sample_id
    head = f"{parse_id(sample_id).site}_{parse_id(sample_id).mode}_"
    return f"{head}\n{sample_id.removeprefix(head)}"
