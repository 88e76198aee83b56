"""The look that all figures share. Knows nothing of stages."""

from __future__ import annotations

from matplotlib.axes import Axes

BLUE, ORANGE, GREY = "#2f6f9f", "#c8612c", "#8a8a8a"
PICTURE = (320, 180)
LONGEST_NAME = 24


def short_name(name: str) -> str:
    """The name, or as much of its beginning as fits beside a bar."""
    return name if len(name) <= LONGEST_NAME else name[: LONGEST_NAME - 1].rstrip() + "…"


def tidy(axes: Axes, title: str, *, grid: bool = False) -> None:
    """A title at the left, small labels and no frame; with `grid`, lines to read horizontal bars by."""
    axes.set_title(title, loc="left", fontsize=10, fontweight="bold")
    axes.tick_params(labelsize=9)
    axes.xaxis.label.set_fontsize(9)
    axes.yaxis.label.set_fontsize(9)
    axes.spines[["top", "right"]].set_visible(False)
    if grid:
        axes.tick_params(length=0)
        axes.spines["left"].set_visible(False)
        axes.grid(axis="x", color="#dddddd", linewidth=0.8)
        axes.set_axisbelow(True)
