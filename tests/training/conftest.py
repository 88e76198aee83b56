"""Fixtures of the training tests."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from made_splits import make_split, write_samples
from wandb_server import WandbServer

from lost_and_found.samples import Sample
from lost_and_found.training.pixel_cache import PixelCache


@pytest.fixture(scope="session")
def eight_pictures(tmp_path_factory: pytest.TempPathFactory) -> PixelCache:
    """A split of eight pictures of four countries."""
    return make_split(tmp_path_factory.mktemp("eight"), count=8)


@pytest.fixture
def make_samples(tmp_path: Path) -> Callable[[int], list[Sample]]:
    """Makes samples in the test's own folder."""
    return lambda count: write_samples(tmp_path / "pictures", count=count)


@pytest.fixture
def no_wandb(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever runs the tests may have a key, and settings of their own."""
    of_sweeps = ("RUN_GROUP", "SWEEP_ID", "SWEEP_PARAM_PATH")
    for name in ("API_KEY", "DATA_DIR", "ENTITY", "MODE", "PROJECT", "RUN_ID", *of_sweeps):
        monkeypatch.delenv(f"WANDB_{name}", raising=False)


@pytest.fixture
def server(no_wandb: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[WandbServer]:
    """A stand-in for the service of W&B, the only one that the test knows, and a home folder of its own."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("WANDB_ERROR_REPORTING", "false")
    with WandbServer() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        monkeypatch.setenv("WANDB_BASE_URL", server.url)
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def split(tmp_path_factory: pytest.TempPathFactory) -> PixelCache:
    """A split of twelve pictures."""
    return make_split(tmp_path_factory.mktemp("twelve"), count=12)
