"""How far guesses are from the true points, with intervals."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from lost_and_found.errors import InvalidConfig
from lost_and_found.evaluation.bootstrap import group_numbers, percentiles, proportion, resampled_rows
from lost_and_found.figures import BLUE, GREY, ORANGE, plot_world, show_latitudes, tidy
from lost_and_found.geo.countries import find_country
from lost_and_found.geo.distances import EARTH_RADIUS_KM, haversine_km
from lost_and_found.texts import aligned
from lost_and_found.training.pixel_cache import PixelCache
from lost_and_found.training.runs import Run, predict
from lost_and_found.training.targets.base import WITHIN_KM, distance_metrics

SMALLEST_KM = 1.0
# Displayed names of `distance_metrics`, and the largest possible values of those that aren't shares.
NAMES = {
    "median_km": "median km",
    "mean_km": "mean km",
    "geoscore": "GeoScore, 0 to 5000",
    **{f"within_{limit}_km": f"within {limit:,} km" for limit in WITHIN_KM},
}
FARTHEST_KM = np.pi * EARTH_RADIUS_KM
MOST = {"median km": FARTHEST_KM, "mean km": FARTHEST_KM, "GeoScore, 0 to 5000": 5000.0}


def guessed_points(run: Run, cache: PixelCache) -> pd.DataFrame:
    """One row per picture: id, game, country_code, lat, lon, guess_lat, guess_lon, km between them.

    Raises:
        InvalidConfig: the run doesn't guess points.
        MissingInput: a picture has no coordinates.
    """
    run.target.encode(cache.table)  # raises where labels are missing
    points = run.target.points(predict(run, cache.pixels))
    if points is None:
        raise InvalidConfig(
            f"run {run.id} predicts {run.target.name}, which is not a point; 01-test-model tests it"
        )
    table = cache.table[["id", "game", "country_code", "lat", "lon"]].reset_index(drop=True)
    return table.assign(
        guess_lat=points[:, 0], guess_lon=points[:, 1], km=haversine_km(table[["lat", "lon"]], points)
    )


def distance_table(
    km: np.ndarray, *, groups: Sequence[object], resamples: int = 1000, seed: int = 0
) -> pd.DataFrame:
    """Scores of distances: metric, value, low, high (the 95 % interval), n.

    Intervals of shares are those of `bootstrap.proportion`, others those of `bootstrap.percentiles`; for a
    single group they span all possible values.

    Args:
        km: (N,).
        groups: of each picture, (N,), for example from `groups_of_list`.
        resamples: at least 100.
        seed: of the resampling.

    Raises:
        InvalidConfig: no distances, one that none on Earth can be, or too few resamples.
    """
    if wrong := int((~((km >= 0) & (km <= FARTHEST_KM + 1))).sum()):  # NaN compares as wrong
        raise InvalidConfig(
            f"{wrong} of {len(km)} distances are unknown, or not from 0 to {FARTHEST_KM:,.0f} km; which unit?"
        )
    numbers = group_numbers(groups, len(km))
    resampled = resampled_rows(numbers, resamples=resamples, seed=seed)
    scores = pd.DataFrame([_scores(km), *(_scores(km[drawn]) for drawn in resampled)])
    draws, count = scores.to_numpy(), np.asarray(len(np.unique(numbers)))
    is_share = ~scores.columns.isin(MOST.keys())
    most = np.array([MOST.get(str(metric), 1.0) for metric in scores])
    low, high = (end.clip(0, most) for end in percentiles(draws, count))
    shares = proportion(draws[:, is_share], np.asarray(len(km)), count)
    low[is_share], high[is_share] = shares.low, shares.high
    return pd.DataFrame({"metric": scores.columns, "value": draws[0], "low": low, "high": high, "n": len(km)})


def country_distances(guesses: pd.DataFrame, *, fewest: int) -> pd.DataFrame:
    """Median km by country: country, code, n, median_km, the nearest first; rarer countries are left out."""
    found = guesses.groupby("country_code")["km"].agg(n="size", median_km="median").query("n >= @fewest")
    names = [find_country(code).name for code in found.index]
    table = pd.DataFrame(
        {"country": names, "code": found.index, "n": found["n"], "median_km": found["median_km"]}
    )
    return table.sort_values("median_km", kind="stable", ignore_index=True)


def nearest_and_farthest(countries: pd.DataFrame, *, ends: int) -> str:
    """The first and the last `ends` rows of `country_distances`, as text with aligned columns."""
    lines = [("", "median km", "pictures")]
    for row in countries.to_dict("records"):
        lines.append((row["country"], _whole(row["median_km"]), f"{row['n']:,}"))
    left_out = len(countries) - 2 * ends
    if left_out > 0:
        lines[1 + ends : -ends] = [(f"... {left_out} more", "", "")]
    return aligned(lines) if len(countries) else "no country has enough pictures to be listed"


def plot_distances(guesses: pd.DataFrame) -> Figure:
    """The share of pictures within each distance, and where guesses and truths lie."""
    figure, (curve, world) = plt.subplots(
        1, 2, figsize=(12, 3.9), width_ratios=[1, 1.75], layout="constrained"
    )
    km = np.sort(guesses["km"].to_numpy().clip(min=SMALLEST_KM))
    ends = np.r_[SMALLEST_KM, km, FARTHEST_KM]
    curve.step(ends, 100 * np.r_[0, np.arange(1, len(km) + 1), len(km)] / len(km), where="post", color=BLUE)
    for limit in WITHIN_KM:
        curve.axvline(limit, color=GREY, linewidth=0.7, linestyle=":")
        share = 100 * float((guesses["km"] <= limit).mean())
        side, gap = ("left", 3) if limit == WITHIN_KM[0] else ("right", -3)  # where the curve isn't
        curve.annotate(
            f"{share:.0f} %", (limit, share), xytext=(gap, 5), textcoords="offset points", ha=side, fontsize=8
        )
    curve.set_xscale("log")
    curve.set_xlim(SMALLEST_KM, FARTHEST_KM)
    ticks = [*WITHIN_KM, 10_000]
    curve.set_xticks(
        ticks, [f"{limit:,}" for limit in ticks], rotation=40, ha="right", rotation_mode="anchor"
    )
    curve.minorticks_off()
    curve.set_ylim(0, 104)
    curve.set_xlabel("km from the guess to the true point")
    tidy(curve, "Pictures within a distance, %")
    plot_world(world, {})
    # Smaller where there are many, and translucent, or the guesses would hide the true points.
    size = float(np.clip(3000 / len(guesses), 3, 12))
    for name, columns, colour in (
        ("true", ["lat", "lon"], BLUE),
        ("guessed", ["guess_lat", "guess_lon"], ORANGE),
    ):
        lat, lon = guesses[columns].to_numpy().T
        world.scatter(lon, lat, s=size, alpha=0.6, color=colour, linewidths=0, clip_on=False)
        show_latitudes(world, lat)
        world.scatter([], [], s=20, color=colour, label=name)
    world.legend(frameon=False, fontsize=8, loc="upper left", bbox_to_anchor=(0, 0), ncols=2)
    tidy(world, "Where guesses fall")
    return figure


def distances_text(distances: pd.DataFrame) -> str:
    """The table of scores as text: shares in per cent, distances in km."""
    lines = [("", "value", "95 % interval")]
    for row in distances.to_dict("records"):
        share = row["metric"].startswith("within")
        value, low, high = (row[name] for name in ("value", "low", "high"))
        if share:
            lines.append((row["metric"], f"{100 * value:.1f} %", f"{100 * low:.1f} to {100 * high:.1f} %"))
        else:
            lines.append((row["metric"], _whole(value), f"{_whole(low)} to {_whole(high)}"))
    return aligned(lines)


def _whole(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}"


def _scores(km: np.ndarray) -> dict[str, float]:
    found = distance_metrics(km)
    return {name: found[key] for key, name in NAMES.items()}
