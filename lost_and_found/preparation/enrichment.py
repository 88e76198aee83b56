"""Giving each record its country, region, surroundings and distance to the border.

If there are coordinates, the polygon that contains them decides; the country that the record itself names is
only used without coordinates. Collected data often names the country of the nearest town, which is
wrong for about 1 % of points near towns and 7 % of points anywhere.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lost_and_found.data_loader import read_records
from lost_and_found.errors import BrokenSample, InvalidConfig, UnknownCountry
from lost_and_found.geo.countries import find_country
from lost_and_found.geo.regions import locate, nearest_regions, region_source, regions
from lost_and_found.geo.towns import nearest_town
from lost_and_found.preparation.pairs import Outcome, Transfer, transfer_pairs
from lost_and_found.processes import map_in_processes
from lost_and_found.samples import (
    IMAGE_SUFFIXES,
    Record,
    Sample,
    read_record,
    record_bytes,
    write_atomically,
    write_table,
)
from lost_and_found.stamps import link_or_copy, mark_finished

CHUNK = 500
IN_PROCESSES_FROM = 5_000
MAXIMUM_SEA_KM = 25.0
CHANGED_COLUMNS = ["id", "from", "to", "border_km"]
COUNTRY_FIELDS = ("country_name", "country", "country_code")
SEVERAL = " / "  # separates the codes of a record that names more than one country
# What this step writes about a point; values already in a record may come from another map.
POSITION_FIELDS = ("region", "regions", "place", "border_km", "is_in_region", "country_before")


@dataclass(frozen=True)
class Enrichment(Outcome):
    """What became of a folder of pairs.

    Attributes:
        changed: one row for each sample whose own country isn't the one at its coordinates: id, from, to, and
            border_km, the distance from the point to the border. The map is simplified, so close to a border,
            or outside every region, the record may have been right.
    """

    changed: pd.DataFrame

    def counts(self) -> pd.Series:
        """How many pairs were written, kept, removed, rejected, and given another country."""
        changed = pd.Series({"given another country": len(self.changed)})
        return pd.concat([super().counts(), changed]).rename("pairs")


def enrich_collection(
    source: Path, destination: Path, *, maximum_sea_km: float = MAXIMUM_SEA_KM, workers: int | None = None
) -> Enrichment:
    """Write each pair of a folder to another folder, with its record enriched; images are hard links.

    Records get country_code, country_name, and with coordinates also region (the polygon that contains the
    point, or the nearest one), is_in_region (false outside every polygon), regions (five nearest centroids as
    [name, [lat, lon]]), place (nearest town), border_km, and country_before if the record named another one.

    Args:
        source: pairs, never changed.
        destination: filled by this function alone; also gets `rejected.csv` and `changed.csv`.
        maximum_sea_km: points farther than this from every polygon are rejected; nearer ones are on coasts
            and islands that the map simplifies away.
        workers: processes; by default one for each core.

    Raises:
        InvalidConfig: a negative distance, or a destination that holds something else.
        MissingInput: no source, or none of it could be used.
        FolderInUse: another process fills the destination.
        StorageFull: the disk is full; make room and run again, finished pairs are kept.
    """
    if not maximum_sea_km >= 0:
        raise InvalidConfig(f"maximum_sea_km {maximum_sea_km} must be at least 0")
    settings = {"maximum_sea_km": maximum_sea_km, "regions": region_source()}
    with transfer_pairs(source, destination, step="enrich", settings=settings, same_images=True) as transfer:
        return _enrich(transfer, maximum_sea_km=maximum_sea_km, workers=workers)


def _enrich(transfer: Transfer, *, maximum_sea_km: float, workers: int | None) -> Enrichment:
    changed = _changes_of_finished(transfer.destination, list(transfer.finished.values()))
    chunks = [transfer.to_do[first : first + CHUNK] for first in range(0, len(transfer.to_do), CHUNK)]
    enrich = functools.partial(_enrich_chunk, destination=transfer.destination, maximum_sea_km=maximum_sea_km)
    results = map_in_processes(
        enrich,
        chunks,
        description=f"enrich, {CHUNK} samples an item",
        workers=workers if len(transfer.to_do) >= IN_PROCESSES_FROM else 1,
        chunk_size=1,
    )
    for chunk, reasons_and_changes in zip(chunks, results, strict=True):
        for sample, (reason, change) in zip(chunk, reasons_and_changes, strict=True):
            if reason:
                transfer.reject(sample, reason)
            elif change:
                changed.append((sample.id, *change))
    outcome = transfer.outcome()
    changes = pd.DataFrame(sorted(changed), columns=CHANGED_COLUMNS)
    write_table(transfer.destination / "changed.csv", changes)
    return Enrichment(outcome.written, outcome.kept, outcome.removed, outcome.rejected, changes)


def enriched(
    records: Sequence[Record], *, maximum_sea_km: float = MAXIMUM_SEA_KM
) -> list[Record | BrokenSample]:
    """The enriched record for each record, or the error that says why there is none.

    Args:
        records: with coordinates as `read_record` checks them.
        maximum_sea_km: as for `enrich_collection`.
    """
    with_point = [row for row, record in enumerate(records) if record.get("coordinates") is not None]
    points = np.array([records[row]["coordinates"] for row in with_point], dtype=float).reshape(-1, 2)
    positions = iter(_positions(points))
    results: list[Record | BrokenSample] = []
    for record in records:
        own, problem = _own_country(record)
        rest = {name: value for name, value in record.items() if name not in POSITION_FIELDS}
        if record.get("coordinates") is not None:
            position = next(positions)
            if not position["is_in_region"] and position["border_km"] > maximum_sea_km:
                reason = f"over {maximum_sea_km:g} km from every region ({position['border_km']:,.0f} km)"
                results.append(BrokenSample("point", reason))
                continue
            found = position["country_code"]
            before = {"country_before": own} if own and found not in own.split(SEVERAL) else {}
            results.append({**rest, **position, **before})
        elif problem or own is None:
            results.append(BrokenSample("record", problem or "neither coordinates nor a country"))
        else:
            country = find_country(own)
            names = {"country_code": country.code, "country_name": country.name}
            results.append({**rest, **names})
    return results


def _positions(points: np.ndarray) -> list[Record]:
    """What the map says about each point."""
    if not len(points):
        return []
    lat, lon = points.T
    where, table = locate(lat, lon), regions()
    names, centres = table["region"].tolist(), table[["lat", "lon"]].round(6).to_numpy().tolist()
    around = nearest_regions(lat, lon)
    places = nearest_town(lat, lon)["name"]
    return [
        {
            "country_code": point["country_code"],
            "country_name": find_country(point["country_code"]).name,
            "region": point["region"],
            "is_in_region": point["inside"],
            "regions": [[names[one], centres[one]] for one in nearest],
            "place": place,
            "border_km": round(point["border_km"], 3),
        }
        for point, nearest, place in zip(where.to_dict("records"), around, places, strict=True)
    ]


def _own_country(record: Record) -> tuple[str | None, str | None]:
    """The country that the record itself names, by alpha-2 code if it is known, and what is wrong with it."""
    texts = [str(record[name]) for name in COUNTRY_FIELDS if record.get(name)]
    found: dict[str, str] = {}
    problem = None
    for text in texts:
        try:
            found.setdefault(find_country(text).code, text)
        except UnknownCountry as error:
            problem = str(error)
    if len(found) > 1:
        return SEVERAL.join(found), f"contradictory countries: {' / '.join(map(repr, found.values()))}"
    if found:
        return next(iter(found)), None
    return (texts[0] if texts else None), problem


def _enrich_chunk(
    samples: Sequence[Sample], *, destination: Path, maximum_sea_km: float
) -> list[tuple[str | None, tuple[str, str, float] | None]]:
    """For each sample, why it was rejected, and its change (from, to, border_km); None where neither."""
    read: list[Record | BrokenSample] = []
    for sample in samples:
        try:
            read.append(read_record(sample.record))
        except BrokenSample as error:
            read.append(error)
    fresh = iter(enriched([one for one in read if isinstance(one, dict)], maximum_sea_km=maximum_sea_km))
    answers: list[tuple[str | None, tuple[str, str, float] | None]] = []
    for sample, record in zip(samples, read, strict=True):
        result = record if isinstance(record, BrokenSample) else next(fresh)
        if isinstance(result, BrokenSample):
            answers.append((result.reason, None))
            continue
        reason = _write(sample, destination, result)
        before = result.get("country_before")
        change = (before, result["country_code"], result["border_km"]) if before else None
        answers.append((reason, change))
    return answers


def _write(sample: Sample, destination: Path, record: Record) -> str | None:
    """Why the pair can't be written; None once it is."""
    target = destination / f"{sample.id}.json"
    try:
        text = record_bytes(record, where=target)
    except BrokenSample as error:
        return error.reason
    image = destination / sample.image.name
    for suffix in IMAGE_SUFFIXES:
        if suffix != sample.image.suffix:
            image.with_suffix(suffix).unlink(missing_ok=True)
    link_or_copy(sample.image, image)
    write_atomically(target, text)
    mark_finished(sample.record, target)
    return None


def _changes_of_finished(destination: Path, finished: Sequence[Sample]) -> list[tuple[Any, ...]]:
    """Rows of changed.csv for finished samples; from their records if an earlier run was killed."""
    path = destination / "changed.csv"
    if not finished:
        rows: list[tuple[Any, ...]] = []
    elif path.exists() and CHANGED_COLUMNS[-1] in path.read_text().partition("\n")[0]:
        # Namibia's code is NA.
        types = dict.fromkeys(CHANGED_COLUMNS[:3], str)
        stored = pd.read_csv(path, dtype=types, keep_default_na=False)
        done = {sample.id for sample in finished}
        rows = [row for row in stored.itertuples(index=False, name=None) if row[0] in done]
    else:
        rows = [
            (sample.id, record["country_before"], record["country_code"], record["border_km"])
            for sample, record in zip(finished, read_records(finished), strict=True)
            if record.get("country_before")
        ]
    # From here until the end the file would be incomplete.
    path.unlink(missing_ok=True)
    return rows
