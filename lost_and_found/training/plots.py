"""Figures of a training."""

from __future__ import annotations

import pandas as pd
from matplotlib import pyplot
from matplotlib.figure import Figure

from lost_and_found.training.runs import Run


def plot_curves(run: Run) -> Figure:
    """Losses, validation metrics and learning rate by epoch, the best epoch marked."""
    metrics = run.metrics.set_index("epoch")
    columns = metrics.columns.astype(str)
    losses = [name for name in columns if name.endswith("/loss")]
    scores = [name for name in columns if name.startswith("val/") and name not in losses]
    figure, panels = pyplot.subplots(1, 3, figsize=(14, 3.6), layout="constrained")
    for panel, names, title in zip(
        panels, (losses, scores, ["lr"]), ("loss", "validation", "learning rate"), strict=True
    ):
        metrics[names].plot(ax=panel, marker=".", title=title, logy=names == ["lr"])
        panel.axvline(run.summary["best_epoch"], color="grey", linestyle=":")
        panel.grid(alpha=0.3)
    figure.suptitle(run.id)
    return figure


def results_table(run: Run) -> pd.DataFrame:
    """The metrics of the best epoch, one a row."""
    names = [name for name in run.summary if name.startswith(("train/", "val/"))]
    return pd.DataFrame(
        {
            f"epoch {run.summary['best_epoch']} of {run.summary['epochs']}": [
                run.summary[name] for name in names
            ]
        },
        index=pd.Index(names, name="metric"),
    )
