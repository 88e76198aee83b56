"""Seconds from a warm pixel cache to the first training step, for as many samples as were published.

Run `python benchmarks/start_up.py [--pairs 332786] [--folder FOLDER]`. A new process is timed, imports
included: it checks the pinned lists against the files on disk, opens the caches, starts a run, builds the
network and takes a step, as `train_run` does. The baseline is the same with a cold cache: it reads every
record again. The pixels are a sparse file, since both read only one batch of them.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from data_loader import PUBLISHED_PAIRS, make_pairs

ENRICH = "2-data-preparation/02-enrich-records"
DATASET, WIDTH, HEIGHT = "made", 130, 80
SPLITS = {".train": 0.7, ".val": 0.2, ".test": 0.1}
STEP = """
import os, sys
from pathlib import Path
from lost_and_found.training.config import TrainingConfig
from lost_and_found.training.pixel_cache import STAMPS, cache_splits
from lost_and_found.training.epochs import Training
from lost_and_found.training.trainer import train_run
from lost_and_found.workspace import Workspace

workspace = Workspace(Path(sys.argv[1]), "made")
output = workspace.output("3-training/01-train-model")
if sys.argv[2] == "cold":
    for stamps in output.glob("pixels/*/" + STAMPS):
        stamps.unlink()
train, val, test = cache_splits(workspace, folder=output / "pixels", width=130, height=80)
take_step = Training.take_step
def take_one(self, *arguments, **more):
    take_step(self, *arguments, **more)
    self.loss_sum.item()  # a GPU's first step is over only then
    os._exit(0)
Training.take_step = take_one
config = TrainingConfig(dataset="made", architecture="efficientnet_b1")
train_run(config, train=train, val=val, test=test, folder=output / "runs", tracking="off")
"""


def main() -> None:
    """Print both times and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=PUBLISHED_PAIRS)
    parser.add_argument("--folder", type=Path, help="where to put some gigabytes of small files")
    arguments = parser.parse_args()
    if arguments.folder:
        arguments.folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=arguments.folder) as root:
        make_workspace(Path(root), arguments.pairs)
        cold, warm, warmer = (timed(Path(root), how) for how in ("cold", "warm", "warm"))
        print(f"{arguments.pairs:,} samples, from the start of Python to the end of the first step")
        print(f"records read again (baseline) {cold:6.1f} s")
        print(f"warm pixel cache              {min(warm, warmer):6.1f} s, {cold / min(warm, warmer):.1f} x")


def make_workspace(root: Path, count: int) -> None:
    """Pairs, their pinned splits, and pixel caches without pixels."""
    from lost_and_found.data_lists import new_list, pin
    from lost_and_found.data_loader import load_samples
    from lost_and_found.training.decoding import CHANNELS, allocate
    from lost_and_found.training.pixel_cache import CacheSpec
    from lost_and_found.workspace import Workspace

    workspace = Workspace(root, DATASET)
    pairs = workspace.output(ENRICH)
    make_pairs(pairs, count)
    samples = load_samples(pairs)
    order = np.random.default_rng(0).permutation(len(samples))
    first = 0
    for split, share in SPLITS.items():
        rows = order[first : first + round(share * count)]
        first += len(rows)
        pinned = new_list([samples[row] for row in rows], rule="split")
        path = workspace.list_path(split)
        pin(path, pinned)
        spec = CacheSpec(list_name=path.stem, list_digest=pinned.digest, width=WIDTH, height=HEIGHT)
        place = workspace.output("3-training/01-train-model") / "pixels" / spec.folder_name
        place.mkdir(parents=True)
        allocate(place / "pixels.npy", (len(rows), CHANNELS, HEIGHT, WIDTH))
        write_rest(place, spec, [samples[row].id for row in rows])


def write_rest(place: Path, spec: object, ids: list[str]) -> None:
    """The table and the description of a cache; countries in turn."""
    import dataclasses
    import json

    import pandas as pd

    (place / "cache.json").write_text(json.dumps(dataclasses.asdict(spec)))  # type: ignore[call-overload]
    table = pd.DataFrame({"id": ids, "country_code": "DE", "lat": 48.0, "lon": 11.0})
    table.to_csv(place / "labels.csv", index=False)


def timed(root: Path, how: str) -> float:
    """Seconds of a new process."""
    started = time.perf_counter()
    subprocess.run([sys.executable, "-c", STEP, root, how], check=True, stderr=subprocess.DEVNULL)
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
