"""What each change to the training recipe brings, from the study's preset to this project's defaults.

    python benchmarks/recipe.py --root FOLDER --dataset NAME [--architecture mobilenet_v2] [--weights FILE]
    python benchmarks/recipe.py --root FOLDER --dataset NAME --compare region-labels
    python benchmarks/recipe.py --root FOLDER --dataset NAME --compare coordinate-losses
    python benchmarks/recipe.py --root FOLDER --dataset NAME --compare upsampling
    python benchmarks/recipe.py --root FOLDER --dataset NAME --compare temperature [--target region]

FOLDER is a workspace in which stages 1 and 2 have run. Each row of the table adds a change to the row above
and is trained with the same seeds, for as many epochs. Scores of the table are of the validation split, on
which the changes were chosen.

The last row is then compared with the first on pictures that played no part in any choice: those of the
train and the test split are divided into folds, and each is tested with networks trained on the others.
The validation split still says which epoch is kept. `--compare region-labels` compares normalised with
published labels in the same way, with exact ones between them in the table, and `--compare coordinate-losses`
the angular loss with the published one. `--compare upsampling` compares networks that see the pictures
enlarged with the study's recipe, which may train for longer in return. `--compare temperature` compares what
the same networks say at the temperature of their run with what they learned to say. Runs that exist already
are not trained again.
"""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from sklearn.model_selection import StratifiedGroupKFold

from lost_and_found.digests import digest
from lost_and_found.errors import UnsplittableClass
from lost_and_found.evaluation.bootstrap import group_numbers, percentiles, resampled_rows
from lost_and_found.geo.distances import haversine_km
from lost_and_found.preparation.splitting import group_samples
from lost_and_found.processes import map_in_processes
from lost_and_found.training.config import COORDINATE_LOSSES, STUDY, TrainingConfig
from lost_and_found.training.pixel_cache import PixelCache, cache_splits
from lost_and_found.training.runs import Run, load_run, predict
from lost_and_found.training.targets.base import index_of, mean_recall, ranks
from lost_and_found.training.temperature import SMALLEST
from lost_and_found.training.trainer import train_run
from lost_and_found.workspace import TRAIN, Workspace

Settings = Mapping[str, str | int | float | bool]
RESAMPLES = 2000
DEFAULTS = TrainingConfig(dataset="any")
# In the order in which they are added to the study's recipe.
CHANGES: dict[str, tuple[str, ...]] = {
    "batches of 32": ("batch_size",),
    "pretrained layers at half the rate, not a tenth": ("backbone_factor",),
    "augmentation, anew each epoch": ("augmentation",),
    "cosine schedule, warm-up": ("schedule", "warmup_epochs"),
    "moving average, clipping": ("ema_decay", "clip_norm"),
    "logit adjustment": ("logit_adjustment",),
}
# How the device computes: the study's way is slower, which has nothing to do with how well a network learns.
NO_RECIPE = ("precision", "compile")
LEARNED = "as learned"
SHOWN = ("top1", "top5", "balanced_accuracy", "country_top1", "country_top5", "median_km", "geoscore")


@dataclass(frozen=True)
class Fold:
    """What a network learns from, and the pictures that it may be tested on, if any.

    Attributes:
        train: to learn from.
        val: says which epoch is kept.
        place: folder of the runs; those that learn from the test split are kept apart from all others.
        test: pictures that the network hasn't seen.
    """

    train: PixelCache
    val: PixelCache
    place: str
    test: PixelCache | None = None


@dataclass(frozen=True)
class Guesses:
    """What networks of each seed guessed, each picture by one that hadn't seen it.

    Attributes:
        ranks: of the true country, 0 for the first, (seeds, N); (0, N) for a target of coordinates.
        first: probability of the likeliest country, of the same shape.
        true: probability of the true country, of the same shape.
        km: to the true point, (seeds, N); (0, N) for a country target.
        classes: the true country's number, (N,).
        groups: pictures of one game or place have one number, (N,).
    """

    ranks: np.ndarray
    first: np.ndarray
    true: np.ndarray
    km: np.ndarray
    classes: np.ndarray
    groups: np.ndarray

    def drawn(self, rows: np.ndarray, rng: np.random.Generator) -> Guesses:
        """The guesses for these pictures by as many networks, drawn with replacement."""
        count = max(len(self.ranks), len(self.km))
        seeds = rng.integers(count, size=count)
        of_seeds = (self.ranks, self.first, self.true, self.km)
        drawn = (one[np.ix_(seeds[: len(one)], rows)] for one in of_seeds)
        return Guesses(*drawn, classes=self.classes[rows], groups=self.groups[rows])


def main() -> None:
    """Train the runs that are missing, and print the tables."""
    arguments = _parser().parse_args()
    fixed: Settings = {
        name: getattr(arguments, name)
        for name in ("dataset", "architecture", "weights", "normalisation", "epochs")
    }
    table = {
        "recipe": recipe_rows,
        "region-labels": region_rows,
        "coordinate-losses": coordinate_rows,
        "upsampling": upsampling_rows,
        "temperature": partial(temperature_rows, target=arguments.target),
    }[arguments.compare](fixed)
    names = [list(table)[row] for row in arguments.rows or range(len(table))]
    workspace = Workspace(arguments.root, arguments.dataset)
    train, val, test = cache_splits(
        workspace, folder=workspace.output(TRAIN) / "pixels", width=DEFAULTS.width, height=DEFAULTS.height
    )
    ends = (names[0], names[-1])
    folds = cross(train, val, test, count=arguments.folds) if arguments.folds and len(names) > 1 else []
    seeds = range(arguments.seeds)
    work = [
        *((configured(table[name], seed), Fold(train, val, "runs")) for name in names for seed in seeds),
        *((configured(table[name], seed), fold) for name in ends for seed in seeds for fold in folds),
    ]
    job = partial(train_one, output=workspace.output(TRAIN), threads=arguments.threads)
    jobs = {(config, fold.train.spec): (config, fold) for config, fold in work}  # rows may be the same runs
    done = map_in_processes(
        job, list(jobs.values()), description="runs", workers=arguments.processes, chunk_size=1
    )
    folder_of = dict(zip(jobs, done, strict=True))
    trained = [folder_of[config, fold.train.spec] for config, fold in work]
    for number, name in enumerate(names):
        of_row = trained[number * len(seeds) : (number + 1) * len(seeds)]
        print(row_text(name, [load_run(folder) for folder in of_row]), flush=True)
    if folds:
        tested = trained[len(names) * len(seeds) :]
        half = len(seeds) * len(folds)
        first, last = (
            guesses_of(runs, folds, calibrated=name != LEARNED)
            for name, runs in zip(ends, (tested[:half], tested[half:]), strict=True)
        )
        print(f"\n{first.ranks.shape[1]} pictures in {len(folds)} folds, trained {len(seeds)}x: ", end="")
        over = "pictures and seeds" if len(seeds) > 1 else "pictures, not over trainings"
        print(" | ".join((*ends, f"difference with 95 % interval over {over}")))
        print(comparison_text(first, last))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--root", type=Path, required=True)
    add("--dataset", required=True)
    add("--architecture", default="mobilenet_v2")
    add("--weights", default="none")
    add("--normalisation", default="half", help="the one that the weights expect, for all rows")
    add("--epochs", type=int, default=12)
    add("--seeds", type=int, default=3)
    add("--folds", type=int, default=5, help="0 stays on the validation split")
    comparisons = ("recipe", "region-labels", "coordinate-losses", "upsampling", "temperature")
    add("--compare", choices=comparisons, default="recipe")
    add("--target", choices=("country", "region"), default="country", help="of --compare temperature")
    add("--rows", type=int, nargs="*", help="only these, counted from 0")
    add("--processes", type=int, default=1, help="runs to train at the same time")
    add("--threads", type=int, help="threads of each run")
    return parser


def recipe_rows(fixed: Settings) -> dict[str, Settings]:
    """Settings of each row: the study's, then one more change in each."""
    settings = {**STUDY, **{name: getattr(DEFAULTS, name) for name in NO_RECIPE}, **fixed}
    rows: dict[str, Settings] = {"study": dict(settings)}
    for name, fields in CHANGES.items():
        settings |= {field: getattr(DEFAULTS, field) for field in fields}
        rows[f"+ {name}"] = dict(settings)
    return rows


def region_rows(fixed: Settings) -> dict[str, Settings]:
    """Settings that differ only in the region labels."""
    return {
        f"{labels} labels": {**fixed, "target": "region", "region_labels": labels}
        for labels in ("published", "exact", "normalised")
    }


def coordinate_rows(fixed: Settings) -> dict[str, Settings]:
    """Settings that differ only in the loss of coordinates."""
    return {
        f"{loss} loss": {**fixed, "target": "coordinates", "coordinate_loss": loss}
        for loss in COORDINATE_LOSSES
    }


def upsampling_rows(fixed: Settings) -> dict[str, Settings]:
    """Of the first and the last, an epoch of the one takes about as long as four of the other."""
    study = recipe_rows(fixed)["study"]
    return {
        "study, four times the epochs": {**study, "epochs": 4 * int(fixed["epochs"])},
        "defaults": fixed,
        "defaults, enlarged twofold": {**fixed, "upsampling": 2.0},
    }


def temperature_rows(fixed: Settings, *, target: str) -> dict[str, Settings]:
    """The same settings twice: the runs are the same, too."""
    return {name: {**fixed, "target": target} for name in (LEARNED, "calibrated")}


def configured(settings: Settings, seed: int) -> TrainingConfig:
    """The settings of one run."""
    return TrainingConfig(**settings, seed=seed)  # type: ignore[arg-type]


def cross(train: PixelCache, val: PixelCache, test: PixelCache, *, count: int) -> list[Fold]:
    """The pictures of train and test divided into folds, with games and places kept whole and countries even.

    All of them are held in memory, once for each fold.

    Raises:
        UnsplittableClass: a country of the validation split has no picture to learn from in one of the folds.
    """
    pixels = np.concatenate([train.pixels, test.pixels])
    table = pd.concat([train.table, test.table], ignore_index=True)
    dealt = StratifiedGroupKFold(count, shuffle=True, random_state=0).split(
        pixels, table["country_code"], group_samples(table)
    )
    parts = [(f"train{number}", f"test{number}", *rows) for number, rows in enumerate(dealt)]

    def part(name: str, rows: np.ndarray) -> PixelCache:
        rows = np.sort(rows)
        own = table.iloc[rows].reset_index(drop=True)
        spec = dataclasses.replace(
            train.spec, list_name=f"crossed.{name}", list_digest=digest("\n".join(own["id"]).encode())
        )
        return PixelCache(spec, pixels[rows], own, train.folder)

    folds = [
        Fold(part(one, learned), val, "crossed", part(two, tested)) for one, two, learned, tested in parts
    ]
    for fold in folds:
        if lacking := sorted({*val.table["country_code"]} - {*fold.train.table["country_code"]}):
            raise UnsplittableClass(
                f"{fold.train.spec.list_name} lacks {', '.join(lacking)}; raise minimum_count in "
                "2-data-preparation/03-map-to-distribution, or take fewer --folds"
            )
    return folds


def train_one(work: tuple[TrainingConfig, Fold], *, output: Path, threads: int | None) -> Path:
    """Folder of a run, trained now unless it already exists."""
    if threads:
        torch.set_num_threads(threads)
    config, fold = work
    folder = output / fold.place
    return train_run(config, train=fold.train, val=fold.val, folder=folder, tracking="off").folder


def row_text(name: str, runs: Sequence[Run]) -> str:
    """Mean and standard deviation over seeds of the metrics on the validation split."""
    parts = []
    for key in [key for key in SHOWN if f"val/{key}" in runs[0].summary]:
        values = np.array([run.summary[f"val/{key}"] for run in runs])
        scale = 1 if key in ("median_km", "geoscore") else 100
        parts.append(f"{key} {scale * values.mean():.1f} ± {scale * values.std(ddof=len(values) > 1):.1f}")
    epochs = [run.summary["best_epoch"] for run in runs]
    seconds = np.mean([run.summary["seconds"] for run in runs])
    return f"{name:48} {', '.join(parts)}; best epochs {epochs}, {seconds:.0f} s"


def guesses_of(folders: Sequence[Path], folds: Sequence[Fold], *, calibrated: bool) -> Guesses:
    """What the runs, ordered by seed and then by fold, guess for the pictures that they haven't seen."""
    table = pd.concat([fold.test.table for fold in folds if fold.test], ignore_index=True)
    places, first, true, km = [], [], [], []
    for folder, fold in zip(folders, [*folds] * (len(folders) // len(folds)), strict=True):
        run, test = load_run(folder), fold.test
        assert test is not None
        if not calibrated:
            run.target.temperature = 1.0
        decoded = predict(run, test.pixels)
        if run.target.country_codes:
            probabilities = torch.from_numpy(run.target.country_probabilities(decoded))
            truth = torch.from_numpy(index_of(test.table["country_code"], run.target.country_codes))
            places.append(ranks(probabilities, truth).numpy())
            first.append(probabilities.amax(dim=1).numpy())
            of_truth = probabilities.gather(1, truth.clamp(min=0)[:, None])[:, 0]
            true.append(torch.where(truth < 0, 0, of_truth).numpy())
        if (points := run.target.points(decoded)) is not None:
            km.append(haversine_km(points, test.table[["lat", "lon"]].to_numpy(dtype=float)))
    of_seeds = (
        np.concatenate(parts).reshape(-1, len(table)) if parts else np.empty((0, len(table)))
        for parts in (places, first, true, km)
    )
    return Guesses(
        *of_seeds,
        classes=np.unique(table["country_code"].to_numpy(dtype=str), return_inverse=True)[1],
        groups=group_samples(table),
    )


def comparison_text(reference: Guesses, candidate: Guesses) -> str:
    """Scores of both, averaged over seeds, and the difference with its interval.

    Pictures are drawn for both at once, as both guessed the same ones, and seeds for each by itself.
    """
    scores: dict[str, Callable[[Guesses], float]] = {}
    if reference.ranks.size:
        scores["country top-1 %"] = lambda one: 100 * (one.ranks < 1).mean()
        scores["country top-5 %"] = lambda one: 100 * (one.ranks < 5).mean()
        scores["country balanced accuracy %"] = lambda one: (
            100 * mean_recall((one.ranks < 1).mean(axis=0), one.classes)
        )
        scores["probability of first guesses - top-1 %"] = lambda one: (
            100 * (one.first.mean() - (one.ranks < 1).mean())
        )
        scores["log loss of countries"] = lambda one: float(-np.log(one.true + SMALLEST).mean())
    if reference.km.size:
        scores["median km"] = lambda one: float(np.median(one.km, axis=1).mean())
        scores["mean km"] = lambda one: float(one.km.mean())
    groups = group_numbers(reference.groups, len(reference.classes))
    rng = np.random.default_rng(0)

    def differences(first: Guesses, last: Guesses) -> list[float]:
        return [score(last) - score(first) for score in scores.values()]

    resampled = [
        differences(reference.drawn(rows, rng), candidate.drawn(rows, rng))
        for rows in resampled_rows(groups, resamples=RESAMPLES, seed=0)
    ]
    draws = np.array([differences(reference, candidate), *resampled])
    low, high = percentiles(draws, np.asarray(len(np.unique(groups))))
    lines = [
        f"{name:38} {score(reference):9.2f} | {score(candidate):9.2f} | {difference:+9.2f} "
        f"[{lowest:+.2f}, {highest:+.2f}]"
        for (name, score), difference, lowest, highest in zip(
            scores.items(), draws[0], low, high, strict=True
        )
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
