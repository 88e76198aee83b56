"""What in a picture speaks for the guess: how much the guess suffers where a spot is blurred."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torchvision.transforms.v2.functional import gaussian_blur

from lost_and_found.bars import progress_bar
from lost_and_found.errors import InvalidConfig
from lost_and_found.evaluation.bootstrap import group_numbers, percentiles, resampled_rows
from lost_and_found.geo.distances import EARTH_RADIUS_KM, great_circle_km, to_unit_vectors
from lost_and_found.texts import aligned
from lost_and_found.training.runs import Run, predict
from lost_and_found.training.splits import as_tensor

# In multiples of a picture's shorter side: standard deviations of a spot, which has soft edges, and of the
# blur; distance between spots.
SPOT, BLUR, SPACING = 1 / 8, 1 / 8, 1 / 6
BATCH = 16  # spots at a time: on a CPU faster than all at once, in far less memory
PARTS = ("its own evidence", "another picture's evidence", "its least evidence")
DIFFERENCE = "the first less the second"
POSSIBLE = {"points": (-100.0, 100.0), "km": (0.0, np.pi * EARTH_RADIUS_KM)}  # losses by unit


def evidence_unit(run: Run) -> str:
    """What this run's evidence is measured in: "points" of probability, or "km"."""
    return "points" if run.target.country_codes else "km"


def evidence_maps(run: Run, pixels: np.ndarray) -> np.ndarray:
    """How much each place in each picture speaks for the first guess: float32 (N, H, W).

    Soft-edged spots are blurred one at a time, and the run guesses again. If it predicts countries or
    regions, a spot's evidence is by how many points the probability of the country that was guessed first
    falls; it is negative where the guess gets surer. If it predicts coordinates, it is by how many km the
    guess moves. A place has the mean evidence of the spots that cover it, weighted by how much they do.

    Blurring takes detail away, and neither colour nor light, so plain sky has no evidence. What can be seen
    in two places may have little in both, since one is left when the other is blurred; and a guess of nearly
    100 % may lose nothing by any single spot.

    Args:
        run: from `load_run`.
        pixels: uint8 (N, 3, H, W), RGB, of the size that the run was trained with.

    Raises:
        InvalidConfig: pixels of another type or size.

    Source:
        Zeiler and Fergus, Visualizing and Understanding Convolutional Networks (2014), section 4.2; blurred
        as in Fong and Vedaldi, Interpretable Explanations of Black Boxes by Meaningful Perturbation (2017).
    """
    guesses = predict(run, pixels)
    height, width = pixels.shape[2:]
    spots = _spots(height, width).to(run.device)
    weights = spots / spots.sum(dim=0)
    maps = np.empty((len(pixels), height, width), np.float32)
    for row in progress_bar(range(len(pixels)), desc="evidence", unit=" pictures", disable=len(pixels) < 2):
        sharp = as_tensor(pixels[row]).to(run.device).float()
        again = _decoded(run, sharp + spots[:, None] * (_blurred(sharp) - sharp))
        evidence = _losses(run, guesses[[row]], again)
        maps[row] = torch.tensordot(torch.from_numpy(evidence).to(weights), weights, dims=1).cpu()
    return maps


def highest_evidence(maps: np.ndarray) -> pd.DataFrame:
    """Where each map (H, W) is highest: evidence, and x and y, shares of width and height from top left."""
    height, width = maps.shape[1:]
    y, x = np.divmod(maps.reshape(len(maps), -1).argmax(axis=1), width)
    return pd.DataFrame(
        {
            "evidence": maps.max(axis=(1, 2)).round(2),
            "x": ((x + 0.5) / width).round(3),
            "y": ((y + 0.5) / height).round(3),
        }
    )


def blurring_losses(run: Run, pixels: np.ndarray, maps: np.ndarray, *, share: float) -> np.ndarray:
    """What it costs each guess to blur a share of its picture: (N, 3), measured as evidence is.

    The columns are `PARTS`: where the picture's own map is highest; where that of the picture before it is
    (before the first, the last), which only knows where in a frame evidence usually lies; and where its own
    is lowest. If maps tell what matters, the first costs most.

    Args:
        run: whose maps they are.
        pixels: as for `evidence_maps`, two pictures or more.
        maps: from `evidence_maps`.
        share: of each picture, above 0 and below 1.

    Raises:
        InvalidConfig: a single picture, or no such share.
    """
    if not 0 < share < 1:
        raise InvalidConfig(f"the share to blur is {share:g}; it must be above 0 and below 1")
    if len(pixels) < 2:
        raise InvalidConfig(f"maps are checked against those of other pictures: {len(pixels)} isn't enough")
    guesses = predict(run, pixels)
    losses = np.empty((len(pixels), len(PARTS)))
    for row in progress_bar(range(len(pixels)), desc="blurring", unit=" pictures"):
        sharp = as_tensor(pixels[row]).to(run.device).float()
        parts = np.stack([_highest(one, share) for one in (maps[row], maps[row - 1], -maps[row])])
        blurs = torch.from_numpy(parts).to(run.device)[:, None]
        losses[row] = _losses(run, guesses[[row]], _decoded(run, torch.where(blurs, _blurred(sharp), sharp)))
    return losses


def blurring_table(
    losses: np.ndarray,
    *,
    unit: str,
    groups: Sequence[object] | None = None,
    resamples: int = 1000,
    seed: int = 0,
) -> pd.DataFrame:
    """Mean losses by part, and by how much the first exceeds the second: columns blurred, mean, low, high.

    The ends are those of 95 % intervals. That of the difference is of pictures paired with themselves. For a
    single group they span all possible values.

    Args:
        losses: from `blurring_losses`.
        unit: from `evidence_unit`.
        groups: (N,) what is resampled as a whole, for example from `groups_of_list`.
        resamples: at least 100.
        seed: of the resampling.

    Raises:
        InvalidConfig: no pictures, too few resamples, or not one group for each picture.
    """
    numbers = group_numbers(groups, len(losses))
    drawn = resampled_rows(numbers, resamples=resamples, seed=seed)
    values = np.column_stack([losses, losses[:, 0] - losses[:, 1]])
    means = np.stack([values.mean(axis=0), *(values[rows].mean(axis=0) for rows in drawn)])
    low, high = percentiles(means, np.full(values.shape[1], numbers.max() + 1))
    least, most = POSSIBLE[unit]
    lowest, highest = len(PARTS) * [least] + [least - most], len(PARTS) * [most] + [most - least]
    low, high = (end.clip(lowest, highest) for end in (low, high))
    return pd.DataFrame({"blurred": [*PARTS, DIFFERENCE], "mean": means[0], "low": low, "high": high})


def blurring_text(table: pd.DataFrame, *, unit: str) -> str:
    """A `blurring_table` as text with aligned columns.

    Args:
        table: from `blurring_table`.
        unit: from `evidence_unit`.
    """
    lines = [
        ("blurred", f"{'moves the guess' if unit == 'km' else 'costs the guess'}, {unit}", "95 % interval")
    ]
    for row in table.to_dict("records"):
        interval = f"{row['low']:z,.1f} to {row['high']:z,.1f}"  # never -0.0
        lines.append((row["blurred"], f"{row['mean']:z,.1f}", interval))
    return aligned(lines)


def _spots(height: int, width: int) -> Tensor:
    """Soft-edged spots on a grid from edge to edge: float32 (S, H, W), 1 at their centres."""
    side = min(height, width)
    down, across = (
        torch.exp(-((torch.arange(length) - _centres(length, side)[:, None]) ** 2) / (2 * (SPOT * side) ** 2))
        for length in (height, width)
    )
    return torch.einsum("ih,jw->ijhw", down, across).flatten(0, 1)


def _centres(length: int, side: int) -> Tensor:
    return torch.linspace(0, length - 1, round(length / (SPACING * side)) + 1)


def _blurred(picture: Tensor) -> Tensor:
    """The picture, float32 (3, H, W), without detail."""
    sigma = BLUR * min(picture.shape[1:])
    return gaussian_blur(picture, 2 * [2 * round(2 * sigma) + 1], [sigma])


def _highest(values: np.ndarray, share: float) -> np.ndarray:
    """The places (H, W) where values are highest, as many as the share says; earlier ones first if equal."""
    chosen = np.zeros(values.size, bool)
    chosen[np.argsort(-values, axis=None, kind="stable")[: round(share * values.size)]] = True
    return chosen.reshape(values.shape)


@torch.inference_mode()
def _decoded(run: Run, pictures: Tensor) -> np.ndarray:
    parts = [run.target.decode(run.model(run.normalisation(part))) for part in pictures.split(BATCH)]
    return torch.cat(parts).cpu().numpy()


def _losses(run: Run, guess: np.ndarray, others: np.ndarray) -> np.ndarray:
    """How much worse the others (S, outputs) are than a guess (1, outputs), or how far away: (S,)."""
    if run.target.country_codes:
        before, after = (100 * run.target.country_probabilities(one) for one in (guess, others))
        first = before[0].argmax()
        losses: np.ndarray = before[0, first] - after[:, first]
        return losses
    there, here = (to_unit_vectors(run.target.points(one)) for one in (others, guess))
    return np.asarray(great_circle_km(there, here))
