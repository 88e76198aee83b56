"""Seconds from a warm pixel cache to the first training step, for as many samples as were published.

Run `python benchmarks/start_up.py [--pairs 332786] [--folder FOLDER]`. The process that is timed is a new
one, imports included: it checks both pinned lists against the files on disk, opens the caches, builds the
network and takes a step. The baseline is the same without what makes a cache warm: it reads every record
again. Pixels are a sparse file, since neither reads them but for one batch.
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
SPLITS = {".train": 0.7, ".val": 0.2}
STEP = """
import sys
from pathlib import Path
from lost_and_found.training.config import TrainingConfig
from lost_and_found.training.models import InitialWeights
from lost_and_found.training.pixel_cache import STAMPS, cache_split
from lost_and_found.training.splits import Split, batches
from lost_and_found.training.targets import build_target
from lost_and_found.training.trainer import Training
from lost_and_found.workspace import Workspace
import torch

workspace = Workspace(Path(sys.argv[1]), "made")
folder = workspace.output("3-training/01-train-model") / "pixels"
if sys.argv[2] == "cold":
    for stamps in folder.glob("*/" + STAMPS):
        stamps.unlink()
config = TrainingConfig(dataset="made", architecture="efficientnet_b1")
train, val = (cache_split(workspace, one, folder=folder, width=130, height=80) for one in (".train", ".val"))
training = Training(config, build_target(config, train.table), InitialWeights("none", "benchmark"))
train_split, val_split = (Split(cache, training.target, training.device) for cache in (train, val))
rows = batches(torch.randperm(len(train)), config.batch_size)[:1]
((pixels, labels),) = train_split.batches(rows)
training.take_step(pixels, labels, count=len(pixels), progress=0.5)
"""


def main() -> None:
    """Print both times and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=PUBLISHED_PAIRS)
    parser.add_argument("--folder", type=Path, help="for some gigabytes of small files")
    arguments = parser.parse_args()
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
