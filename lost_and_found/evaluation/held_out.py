"""Which run is tested, and on what: the test split, which nothing has seen before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from lost_and_found.data_lists import PinnedList, read_list, refuse_shared
from lost_and_found.data_loader import load_pinned, records_table
from lost_and_found.errors import InvalidConfig, LeakyList, ListMismatch, MissingInput
from lost_and_found.samples import Sample, read_json
from lost_and_found.training.config import TARGETS
from lost_and_found.training.pixel_cache import CacheSpec, PixelCache, cache_pixels, read_cache
from lost_and_found.training.runs import ASKED_FOR, Run, complete_runs, predict
from lost_and_found.workspace import ENRICH, TEST, TRAIN, Workspace

SPLIT = "2-data-preparation/05-split-list"
MEASURE = "4-evaluation/03-measure-distances"


def find_run(workspace: Workspace, run_id: str = "", *, targets: Sequence[str] = TARGETS) -> Path:
    """Folder of a complete run of the workspace's dataset: the one with this id, or the one requested last.

    Trials of sweeps come after all others, unless one was requested by itself.

    Args:
        workspace: where it was trained.
        run_id: of a run, which may predict anything.
        targets: without an id, what the run may predict.

    Raises:
        MissingInput: no complete run, or none with this id or these targets.
    """
    folder = workspace.input(TRAIN) / "runs"
    found = complete_runs(folder)
    if run_id and run_id not in [path.name for path in found]:
        names = ", ".join(path.name for path in found)
        raise MissingInput(f"{folder} holds no complete run {run_id!r}; there are: {names}")
    if run_id:
        return folder / run_id
    fitting = [path for path in found if read_json(path / "config.json")["target"] in targets]
    if not fitting:
        raise MissingInput(
            f"{folder} holds no complete run that predicts {' or '.join(targets)}; "
            f"run {TRAIN}.ipynb with -p target {targets[0]}"
        )
    return max(fitting, key=_asked_for)


def _asked_for(folder: Path) -> tuple[bool, int]:
    asked = folder / ASKED_FOR
    is_asked = asked.exists()
    return is_asked, (asked if is_asked else folder / "summary.json").stat().st_mtime_ns


def load_test_samples(workspace: Workspace, run: Run) -> tuple[list[Sample], PinnedList]:
    """The samples of the test split in order, and their list, after a check that the run never saw them.

    Raises:
        MissingInput: the split wasn't made.
        ListMismatch: the run was trained with other lists than those on disk, or samples changed.
        LeakyList: the test list shares samples with the lists that the run was trained with.
    """
    pinned = _read_split(workspace, ".test")
    for name in (".train", ".val"):
        other = _read_split(workspace, name)
        used = run.list_digests.get(f"{workspace.dataset}{name}")
        if used != other.digest:
            raise ListMismatch(
                f"run {run.id} was not trained with {workspace.list_path(name)} as it is now; "
                f"its training samples may be in this test split. Train again with {TRAIN}.ipynb."
            )
        refuse_shared(
            {str(workspace.list_path(".test")): pinned.ids, str(workspace.list_path(name)): other.ids}
        )
    return load_split(workspace, ".test"), pinned


def tested_text(workspace: Workspace) -> str:
    """How many runs were tested on the test split, by country or by distance, and what follows from that."""
    folders = [workspace.folder(notebook) for notebook in (TEST, MEASURE)]
    count = len({table.parent.name for folder in folders for table in folder.glob("*/*.csv")})
    if count < 2:
        return "No other run was tested on this split here, so none was chosen by it."
    return (
        f"{count} runs were tested on this split here. The best of them was also lucky on it, and would\n"
        "score lower on other pictures: choose by validation (02-compare-runs), and report that run's test."
    )


def load_split(workspace: Workspace, name: str) -> list[Sample]:
    """The samples of a split, such as ".val", in order.

    Raises:
        MissingInput: the split wasn't made.
        ListMismatch: samples are missing or changed.
    """
    _read_split(workspace, name)
    return load_pinned(workspace.input(ENRICH), workspace.list_path(name))


def cached_by_training(run: Run, split: str, list_digest: str) -> tuple[CacheSpec, Path]:
    """What the pixel cache of a split, such as "val", holds, and the folder in which training keeps it."""
    config = run.config
    spec = CacheSpec(
        list_name=f"{config.dataset}.{split}",
        list_digest=list_digest,
        width=config.width,
        height=config.height,
    )
    return spec, run.folder.parent.parent / "pixels" / spec.folder_name


def cache_test_pixels(run: Run, samples: Sequence[Sample], pinned: PinnedList, *, folder: Path) -> PixelCache:
    """The pixel cache of the test split in the size that the run takes: training's, if it is still there.

    Args:
        run: from `load_run`.
        samples: in the order of the list; the cache's table holds their records as they are now.
        pinned: the list.
        folder: where another cache is made if training's is gone.

    Raises:
        BrokenSample: a record or picture can't be read.
        ListMismatch: a cache is damaged, or isn't of the list.
        StorageFull: no room.
    """
    table = records_table(samples)
    spec, made_by_training = cached_by_training(run, "test", pinned.digest)
    if made_by_training.is_dir():
        cache = read_cache(made_by_training, spec=spec)
        if cache.ids == pinned.ids:
            return replace(cache, table=table)
    return cache_pixels(samples, table, folder=folder, spec=spec)


def training_points(run: Run) -> np.ndarray:
    """(lat, lon) in degrees (M, 2) of what the run was trained on; none if its pixel cache was deleted."""
    spec, place = cached_by_training(run, "train", run.list_digests[f"{run.config.dataset}.train"])
    if not place.is_dir():
        return np.empty((0, 2))
    return read_cache(place, spec=spec).table[["lat", "lon"]].to_numpy(dtype=float)


def country_probabilities(run: Run, cache: PixelCache) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    """Probabilities (N, K), true class numbers (N,) and the label order of a country or region run.

    A region run's probabilities are sums over each country's regions.

    Raises:
        InvalidConfig: the run doesn't predict countries.
        LeakyList: a sample is of a country that the run doesn't know.
    """
    target = run.target
    if not target.country_codes:
        raise InvalidConfig(
            f"run {run.id} predicts {target.name}, not countries; 03-measure-distances tests it"
        )
    truth = target.encode(cache.table)["country"].numpy()
    if (truth < 0).any():
        raise LeakyList(
            f"{(truth < 0).sum()} test samples are of countries that run {run.id} doesn't know; "
            f"split again with {SPLIT}.ipynb"
        )
    return target.country_probabilities(predict(run, cache.pixels)), truth, target.country_codes


def _read_split(workspace: Workspace, name: str) -> PinnedList:
    path = workspace.list_path(name)
    if not path.exists():
        raise MissingInput(f"{path} is missing; run {SPLIT}.ipynb for dataset {workspace.dataset!r} first")
    return read_list(path)
