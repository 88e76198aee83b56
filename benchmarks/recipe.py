"""What each change of the training recipe brings, from the study's preset to this project's defaults.

    python benchmarks/recipe.py --root FOLDER --dataset NAME [--architecture mobilenet_v2] [--weights FILE]
    python benchmarks/recipe.py --root FOLDER --dataset NAME --regions

FOLDER is a workspace in which the stages have run up to 3-training/01-train-model. Each row of the table adds
a change to the row above and is trained with the same seeds, for as many epochs. Scores are of the
validation split, on which the changes were chosen, and of the test split for the first row and the last.
`--regions` compares normalised with published region labels instead. Runs that are there already are not
trained again.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from lost_and_found.training.config import STUDY, TrainingConfig
from lost_and_found.training.pixel_cache import PixelCache, cache_split
from lost_and_found.training.runs import Run, measure, predict
from lost_and_found.training.trainer import train_run
from lost_and_found.workspace import TRAIN, Workspace

Settings = Mapping[str, str | int | float | bool]
RESAMPLES = 2000
DEFAULTS = TrainingConfig(dataset="any")
# In the order in which they are added to the study's recipe.
CHANGES: dict[str, tuple[str, ...]] = {
    "batches of 32": ("batch_size",),
    "pretrained layers at the full rate": ("backbone_factor",),
    "augmentation, anew each epoch": ("augmentation",),
    "cosine schedule, warm-up": ("schedule", "warmup_epochs"),
    "moving average, clipping": ("ema_decay", "clip_norm"),
    "label smoothing": ("label_smoothing",),
    "logit adjustment": ("logit_adjustment",),
}


@dataclass(frozen=True)
class Splits:
    """The three splits of a dataset."""

    train: PixelCache
    val: PixelCache
    test: PixelCache


def main() -> None:
    """Train what isn't there, and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--root", type=Path, required=True)
    parser.add_argument("--dataset", required=True)
    parser.add_argument("--architecture", default="mobilenet_v2")
    parser.add_argument("--weights", default="none")
    parser.add_argument("--normalisation", default="half", help="that of the weights, for all rows")
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--regions", action="store_true")
    parser.add_argument("--rows", type=int, nargs="*", help="only these, counted from 0")
    parser.add_argument("--threads", type=int)
    arguments = parser.parse_args()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    workspace = Workspace(arguments.root, arguments.dataset)
    fixed: Settings = {
        "dataset": arguments.dataset,
        "architecture": arguments.architecture,
        "weights": arguments.weights,
        "normalisation": arguments.normalisation,
        "epochs": arguments.epochs,
    }
    table = region_rows(fixed) if arguments.regions else recipe_rows(fixed)
    rows = dict(list(table.items())[row] for row in arguments.rows or range(len(table)))
    splits = read_splits(workspace)
    folder = workspace.output(TRAIN) / "runs"
    trained: dict[str, list[Run]] = {}
    for name, settings in rows.items():
        configs = [TrainingConfig(**settings, seed=seed) for seed in range(arguments.seeds)]  # type: ignore[arg-type]
        trained[name] = [
            train_run(config, train=splits.train, val=splits.val, folder=folder, tracking="off")
            for config in configs
        ]
        print(row_text(name, trained[name]), flush=True)
    first, *_, last = table
    if not {first, last} <= set(trained):  # changes are chosen on the validation split alone
        return
    print(f"\ntest split, {len(splits.test)} pictures: {first} | {last} | difference with 95 % interval")
    print(comparison_text(trained[first], trained[last], splits.test))


def read_splits(workspace: Workspace) -> Splits:
    """The pixel caches, made if need be."""
    folder = workspace.output(TRAIN) / "pixels"
    where = {"folder": folder, "width": DEFAULTS.width, "height": DEFAULTS.height}
    return Splits(*(cache_split(workspace, split, **where) for split in (".train", ".val", ".test")))


def recipe_rows(fixed: Settings) -> dict[str, Settings]:
    """Settings of each row: the study's, then with one change more in each."""
    settings = {**STUDY, **fixed}
    rows: dict[str, Settings] = {"study": dict(settings)}
    for name, fields in CHANGES.items():
        settings |= {field: getattr(DEFAULTS, field) for field in fields}
        rows[f"+ {name}"] = dict(settings)
    return rows


def region_rows(fixed: Settings) -> dict[str, Settings]:
    """Settings that differ in the region labels alone."""
    return {
        f"{labels} labels": {**fixed, "target": "region", "region_labels": labels}
        for labels in ("published", "normalised")
    }


def row_text(name: str, runs: Sequence[Run]) -> str:
    """Mean and spread over seeds of what was measured on the validation split."""
    shown = [
        key
        for key in ("top1", "top5", "balanced_accuracy", "country_top1", "median_km", "mean_km", "geoscore")
        if f"val/{key}" in runs[0].summary
    ]
    parts = []
    for key in shown:
        values = np.array([run.summary[f"val/{key}"] for run in runs])
        scale = 1 if key.endswith("km") or key == "geoscore" else 100
        parts.append(f"{key} {scale * values.mean():.1f} ± {scale * values.std(ddof=len(values) > 1):.1f}")
    epochs = [run.summary["best_epoch"] for run in runs]
    seconds = np.mean([run.summary["seconds"] for run in runs])
    return f"{name:38} {', '.join(parts)}; best epochs {epochs}, {seconds:.0f} s"


def comparison_text(reference: Sequence[Run], candidate: Sequence[Run], test: PixelCache) -> str:
    """Scores of both on the test split, mean over seeds, and their paired difference."""
    if not reference[0].target.higher_is_better or reference[0].target.name == "region":
        return "\n".join(
            f"{key:14} {np.mean([measure(run, test)[key] for run in reference]):9.3f} | "
            f"{np.mean([measure(run, test)[key] for run in candidate]):9.3f}"
            for key in ("top1", "top5", "median_km", "mean_km", "geoscore", "country_top1")
        )
    hits = [np.stack([hits_of(run, test) for run in runs]).mean(axis=0) for runs in (reference, candidate)]
    classes = reference[0].target.encode(test.table)["country"].numpy()
    games = np.unique(test.table["game"].to_numpy(dtype=str), return_inverse=True)[1]
    lines = []
    for number, key in enumerate(("top1", "top5", "balanced_accuracy")):
        column = 0 if key == "balanced_accuracy" else number
        balanced = classes if key == "balanced_accuracy" else None
        ours, theirs = (score(one[:, column], balanced) for one in hits[::-1])
        low, high = interval(hits[1][:, column] - hits[0][:, column], balanced, games)
        lines.append(
            f"{key:18} {100 * theirs:5.1f} % | {100 * ours:5.1f} % | "
            f"{100 * (ours - theirs):+5.1f} [{100 * low:+.1f}, {100 * high:+.1f}]"
        )
    return "\n".join(lines)


def hits_of(run: Run, test: PixelCache) -> np.ndarray:
    """Whether the truth is the first guess, and whether it is among five, (N, 2)."""
    probabilities = run.target.country_probabilities(predict(run, test.pixels))
    truth = run.target.encode(test.table)["country"].numpy()
    ranks = (probabilities > probabilities[np.arange(len(truth)), truth][:, None]).sum(axis=1)
    return np.stack([ranks < 1, ranks < 5], axis=1).astype(float)


def score(values: np.ndarray, classes: np.ndarray | None) -> float:
    """The mean, or the mean over classes of the mean of each."""
    if classes is None:
        return float(values.mean())
    counts = np.bincount(classes)
    return float((np.bincount(classes, values)[counts > 0] / counts[counts > 0]).mean())


def interval(values: np.ndarray, classes: np.ndarray | None, games: np.ndarray) -> tuple[float, float]:
    """95 % interval of the score, from a bootstrap over games."""
    rng = np.random.default_rng(0)
    rows = [np.flatnonzero(games == game) for game in range(games.max() + 1)]
    draws = []
    for _ in range(RESAMPLES):
        drawn = np.concatenate([rows[game] for game in rng.integers(len(rows), size=len(rows))])
        draws.append(score(values[drawn], None if classes is None else classes[drawn]))
    low, high = np.quantile(draws, [0.025, 0.975])
    return float(low), float(high)


if __name__ == "__main__":
    main()
