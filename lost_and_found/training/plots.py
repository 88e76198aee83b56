"""Figures and tables of a training run."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import torch
from matplotlib import pyplot
from matplotlib.figure import Figure

from lost_and_found.figures import BLUE, GREY, ORANGE, compress_losses, tidy_epochs
from lost_and_found.training.augmentation import Augmentation
from lost_and_found.training.config import STUDY, TrainingConfig
from lost_and_found.training.pixel_cache import PixelCache
from lost_and_found.training.runs import Run

# Validation metrics that are drawn: shares on one axis, kilometres on another.
SHARES = ("top1", "top3", "top5", "balanced_accuracy", "country_top1", "within_200_km", "within_750_km")
DISTANCES_KM = ("median_km", "mean_km")
# In the figure of the augmentation: rows, and changed pictures in each.
PICTURES, VARIANTS = 5, 5
LINES = ("-", "--", ":", "-.")
MARKED_EPOCHS = 40  # with dots for more of them, no line would look dashed


def plot_curves(run: Run) -> Figure:
    """Losses, validation metrics and learning rate by epoch, the best epoch marked."""
    metrics = run.metrics.set_index("epoch")
    groups = {
        "loss": ["train/loss", "val/loss"],
        "validation, shares": [f"val/{name}" for name in SHARES if f"val/{name}" in metrics],
        "validation, km": [f"val/{name}" for name in DISTANCES_KM if f"val/{name}" in metrics],
        "learning rate at the end of the epoch": ["lr"],
    }
    shown = {title: names for title, names in groups.items() if names}
    rows, columns = (1, 3) if len(shown) == 3 else (2, 2)  # four in a row would be too small to read
    size = (4.2 * columns, 3.8 * rows)
    figure, panels = pyplot.subplots(rows, columns, figsize=size, layout="constrained")
    for axes, (title, names) in zip(panels.flat, shown.items(), strict=True):
        for number, name in enumerate(names):
            colour = (BLUE, ORANGE, GREY)[number % 3]
            line = LINES[number // 3]
            marker = "." if len(metrics) <= MARKED_EPOCHS else ""
            axes.plot(metrics.index, metrics[name], marker=marker, color=colour, linestyle=line, label=name)
        if title == "loss":
            compress_losses(axes)
        elif title == "validation, km":
            axes.yaxis.set_major_formatter("{x:,.0f}")
        axes.axvline(run.summary["best_epoch"], color=GREY, linestyle=":", linewidth=1)
        tidy_epochs(axes, title)
        if len(names) > 1:  # below, where no line can run through it
            axes.legend(frameon=False, fontsize=8, ncols=2, loc="upper center", bbox_to_anchor=(0.5, -0.18))
    figure.suptitle(run.id, fontsize=9, color=GREY)
    return figure


def plot_augmentation(cache: PixelCache, name: str, *, seed: int) -> Figure:
    """A seeded draw of pictures, each as it is and as the named set changes it, a row for each.

    Args:
        cache: where the pictures come from.
        name: one of `config.AUGMENTATIONS`.
        seed: of the draw and of the changes.
    """
    rows = np.random.default_rng(seed).permutation(len(cache))[:PICTURES]
    pixels = torch.from_numpy(cache.pixels[rows])
    augmentation = Augmentation(name, device=torch.device("cpu"), seed=seed)
    columns = [pixels.float(), *(augmentation(pixels) for _ in range(VARIANTS))]
    height, width = pixels.shape[2:]
    size = (11, 11 / len(columns) * height / width * len(rows) + 0.35)
    figure, panels = pyplot.subplots(len(rows), len(columns), figsize=size, squeeze=False)
    figure.subplots_adjust(
        left=0.005, right=0.995, bottom=0.01, top=1 - 0.3 / size[1], wspace=0.03, hspace=0.04
    )
    for column, images in enumerate(columns):
        for axes, image in zip(panels[:, column], images, strict=True):
            axes.imshow(image.permute(1, 2, 0).round().byte().numpy(), aspect="auto")
            axes.set_axis_off()
    panels[0, 0].set_title("original", fontsize=9, loc="left")
    panels[0, 1].set_title(f"augmentation {name!r}", fontsize=9, loc="left")
    return figure


def settings_table(config: TrainingConfig) -> pd.DataFrame:
    """The recipe of this run beside the defaults and the study's, a row per setting."""
    defaults = {field.name: field.default for field in dataclasses.fields(TrainingConfig)}
    names = list(STUDY)
    return pd.DataFrame(
        {
            "this run": [getattr(config, name) for name in names],
            "default": [defaults[name] for name in names],
            "study": [STUDY[name] for name in names],
        },
        index=pd.Index(names, name="setting"),
        dtype=object,
    )


def epochs_table(run: Run) -> pd.DataFrame:
    """What the curves show, rounded for reading, a row per epoch; `metrics.csv` has all metrics in full."""
    drawn = [f"val/{name}" for name in (*SHARES, *DISTANCES_KM)]
    table = run.metrics.set_index("epoch")
    names = [name for name in ("train/loss", "val/loss", *drawn, "lr", "images/s") if name in table]
    shown = {name: [_shown(name, value) for value in table[name]] for name in names}
    short = {name: name.removeprefix("val/") for name in drawn}  # or regions' table is too wide for a page
    return pd.DataFrame(shown, index=table.index).rename(columns=short)


def results_table(run: Run) -> pd.DataFrame:
    """All metrics of the best epoch, rounded for reading, one per row."""
    names = [name for name in run.summary if name.startswith(("train/", "val/"))]
    return pd.DataFrame(
        {
            f"epoch {run.summary['best_epoch']} of {run.summary['epochs']}": [
                _shown(name, run.summary[name]) for name in names
            ]
        },
        index=pd.Index(names, name="metric"),
    )


def _shown(name: str, value: float) -> str:
    """A metric with only its meaningful digits."""
    if name == "lr":
        return f"{value:.2g}"
    if name in ("val/geoscore", "images/s", *(f"val/{one}" for one in DISTANCES_KM)):
        return f"{value:,.0f}"
    return f"{value:.4f}"
