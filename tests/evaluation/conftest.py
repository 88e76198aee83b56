"""Runs that several test files share."""

import io
import shutil

import numpy as np
import pytest
from PIL import Image

from lost_and_found.data_lists import new_list, pin
from lost_and_found.data_loader import records_table
from lost_and_found.geo.regions import regions
from lost_and_found.samples import write_pair
from lost_and_found.training.config import TrainingConfig
from lost_and_found.training.pixel_cache import cache_split
from lost_and_found.training.runs import load_run
from lost_and_found.training.trainer import train_run
from lost_and_found.workspace import ENRICH, TRAIN, Workspace


@pytest.fixture(scope="session")
def three_runs(tmp_path_factory):
    """Pictures of four regions in three countries with their lists, and a run for each target."""
    workspace = Workspace(tmp_path_factory.mktemp("root"), "made")
    known = regions().iloc[[2403, 2404, 900, 4000]]  # two of them Namibia's, whose code is NA
    rng = np.random.default_rng(0)
    for split, count in {".train": 12, ".val": 8, ".test": 8}.items():
        samples = [
            write_picture(
                workspace, f"made_{split[1:]}_g{number // 2}_{number % 2}", known.iloc[number % 4], rng
            )
            for number in range(count)
        ]
        codes = records_table(samples)["country_code"]
        pin(workspace.list_path(split), new_list(samples, "split", country_codes=codes))
    folder = workspace.output(TRAIN)
    caches = [
        cache_split(workspace, split, folder=folder / "pixels", width=32, height=32)
        for split in (".train", ".val")
    ]
    for target in ("country", "region", "coordinates"):
        config = TrainingConfig(
            dataset="made",
            target=target,
            architecture="mobilenet_v3_small",
            width=32,
            height=32,
            batch_size=4,
            epochs=1,
            device="cpu",
        )
        train_run(config, train=caches[0], val=caches[1], folder=folder / "runs", tracking="off")
    return workspace


@pytest.fixture
def workspace(three_runs, tmp_path):
    """A copy of that workspace, which a test may damage."""
    shutil.copytree(three_runs.root, tmp_path / "root")
    return Workspace(tmp_path / "root", "made")


@pytest.fixture
def run_of(three_runs):
    """Loads the run of a target."""

    def load(target):
        (folder,) = (three_runs.input(TRAIN) / "runs").glob(f"made-{target}-*")
        return load_run(folder, device="cpu")

    return load


def write_picture(workspace, sample_id, region, rng):
    file = io.BytesIO()
    Image.fromarray(rng.integers(0, 256, (36, 64, 3), np.uint8)).save(file, "png")
    record = {
        "coordinates": [region["lat"], region["lon"]],
        "country_code": region["country_code"],
        "region": region["region"],
    }
    folder = workspace.output(ENRICH)
    return write_pair(folder, sample_id, image=file.getvalue(), suffix=".png", record=record)
