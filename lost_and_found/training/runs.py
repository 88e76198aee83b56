"""The run folder: everything that training leaves behind, enough to use the model without any service.

`runs/<id>/` holds `config.json`, `metrics.csv` (one row per epoch), `summary.json`, `model.safetensors`,
`labels.json` (label order, region centroids, normalisation, picture size, digests of the lists) and
`environment.json`. While being written it is called `.<id>.partial` and also holds a checkpoint, from which
interrupted training resumes; a folder called `runs/<id>/` is always a complete run.
"""

from __future__ import annotations

import io
import json
import shutil
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import safetensors.torch
import torch
from torch import nn

from lost_and_found.bars import progress_bar
from lost_and_found.digests import digest
from lost_and_found.errors import FolderInUse, InvalidConfig, MissingInput
from lost_and_found.locks import sole_writer
from lost_and_found.samples import read_json, remove_leftovers, table_bytes, write_atomically, write_json
from lost_and_found.training.backends import lacks_memory
from lost_and_found.training.config import NORMALISATIONS, TrainingConfig
from lost_and_found.training.environment import environment, warn_of_other_code
from lost_and_found.training.models import InitialWeights, Normalisation, build_model, pick_device
from lost_and_found.training.pixel_cache import COPY_SIZE, PixelCache
from lost_and_found.training.splits import as_tensor
from lost_and_found.training.targets import Target, target_from_json
from lost_and_found.workspace import TRAIN

ASKED_FOR = ".asked-for"  # in a run's folder, see `ask_for`
FILES = ("config.json", "metrics.csv", "summary.json", "model.safetensors", "labels.json", "environment.json")
CHECKPOINT = "checkpoint.pt"
NOT_IN_DIGEST = ("device", "weights")  # weights count by their content
# What a network sees at a time when it predicts; the largest takes 1.3 GB for it. Of large pictures, as many
# as of small ones would take more memory than training did.
PIXELS_AT_ONCE = 256 * 130 * 80


@dataclass(frozen=True)
class Run:
    """A finished training run with its model, ready to predict.

    Attributes:
        folder: `runs/<id>`.
        config: the settings it was trained with.
        target: knows the label order.
        normalisation: to be applied to the model's input.
        model: with the best epoch's weights, in evaluation mode, on `device`.
        device: where the model is.
        metrics: one row per epoch.
        summary: best metrics, best epoch, weights used, times.
        list_digests: digests of the lists it was trained and validated on, by list name.
        environment: where, when and with what code it was started, see `environment`.
        copy_size: (width, height) of the working copies of the pictures that it was trained with.
    """

    folder: Path
    config: TrainingConfig
    target: Target
    normalisation: Normalisation
    model: nn.Module
    device: torch.device
    metrics: pd.DataFrame
    summary: dict[str, Any]
    list_digests: dict[str, str]
    environment: dict[str, Any]
    copy_size: tuple[int, int]

    @property
    def id(self) -> str:
        """Name of the folder."""
        return self.folder.name


def run_id(config: TrainingConfig, weights: InitialWeights, caches: Mapping[str, PixelCache]) -> str:
    """`<dataset>-<target>-<architecture>-<width>x<height>-<8 hex digits>`.

    The digits are a digest of what is asked for: settings, initial weights, lists and labels. The code and
    the machine, which `environment.json` records, don't count.
    """
    settings = {name: value for name, value in config.to_json().items() if name not in NOT_IN_DIGEST}
    content = {
        "settings": settings,
        "weights": [weights.used, weights.digest],
        "lists": list_digests(caches),
        "labels": {split: digest(table_bytes(cache.table)) for split, cache in caches.items()},
    }
    hexdigits = digest(json.dumps(content, sort_keys=True).encode())[:8]
    return (
        f"{config.dataset}-{config.target}-{config.architecture}-{config.width}x{config.height}-{hexdigits}"
    )


def list_digests(caches: Mapping[str, PixelCache]) -> dict[str, str]:
    """Digests of the lists of these caches, by list name."""
    return {cache.spec.list_name: cache.spec.list_digest for cache in caches.values()}


def is_complete(folder: Path) -> bool:
    """Whether this is a run with all its files; runs still being written have hidden names."""
    return not folder.name.startswith(".") and all((folder / name).is_file() for name in FILES)


def complete_runs(folder: Path) -> list[Path]:
    """The folders of all complete runs in a folder, sorted by id.

    Raises:
        MissingInput: there is none.
    """
    found = [path for path in sorted(folder.glob("*")) if is_complete(path)]
    if not found:
        raise MissingInput(f"{folder} holds no complete run; run {TRAIN}.ipynb first")
    return found


@contextmanager
def new_run_folder(folder: Path) -> Iterator[Path]:
    """A folder to fill with a run, which is renamed to `folder` if the block ends without an error.

    It starts with whatever an interrupted training left in it.

    Raises:
        FolderInUse: another process is training this very run, or has just finished it.
    """
    partial = folder.with_name(f".{folder.name}.partial")
    with sole_writer(folder, wait=False):
        if is_complete(folder):
            raise FolderInUse(
                f"{folder}: another process has just finished this run; load it by running again"
            )
        if folder.is_dir():
            shutil.rmtree(folder)
        partial.mkdir(parents=True, exist_ok=True)
        remove_leftovers(partial)  # each may be as large as a checkpoint, and would stay in the run
        yield partial
        partial.rename(folder)  # with its checkpoint: if this fails, the next attempt finishes from that
        (folder / CHECKPOINT).unlink(missing_ok=True)


def write_settings(
    folder: Path,
    *,
    config: TrainingConfig,
    target: Target,
    digests: Mapping[str, str],
    copy_size: tuple[int, int],
) -> None:
    """Write what is known before training: `config.json` and `labels.json`."""
    mean, std = NORMALISATIONS[config.normalisation]
    labels = {
        **target.to_json(),
        "normalisation": {"name": config.normalisation, "mean": mean, "std": std},
        "width": config.width,
        "height": config.height,
        "copy_size": copy_size,
        "lists": dict(digests),
    }
    write_json(folder / "config.json", config.to_json())
    write_json(folder / "labels.json", labels)


def write_environment(folder: Path, *, device: torch.device, resumed: bool) -> None:
    """Write `environment.json`.

    On resuming, the present environment is added to the first one, under "resumed", with a warning if the run
    was started by other code.
    """
    now, path = environment(device), folder / "environment.json"
    if resumed and path.is_file():
        first = read_json(path)
        warn_of_other_code(first, name=folder.name, so="it continues with the present ones")
        now = {**first, "resumed": [*first.get("resumed", []), now]}
    write_json(path, now)


def save_checkpoint(path: Path, state: Mapping[str, Any]) -> None:
    """Write what is needed to resume training: tensors, numbers and strings in dictionaries and lists.

    Raises:
        StorageFull: no room; the previous checkpoint is kept.
    """
    content = io.BytesIO()
    torch.save(dict(state), content)
    write_atomically(path, content.getvalue())


def load_checkpoint(path: Path) -> dict[str, Any] | None:
    """What `save_checkpoint` wrote, on the CPU; None without a checkpoint that this torch can read.

    Raises:
        OSError, MemoryError, RuntimeError: the file can't be read now, for lack of memory for instance, but
            may be later.
    """
    if not path.is_file():
        return None
    try:
        content = io.BytesIO(path.read_bytes())
        state: dict[str, Any] = torch.load(content, map_location="cpu", weights_only=True)
    except Exception as error:  # whatever torch, pickle and zip raise for files that aren't theirs
        if isinstance(error, OSError) or lacks_memory(error):
            raise  # starting over would overwrite it
        # Not the error's own text: torch advises to load the file unsafely, others give none.
        reason = type(error).__name__
        warnings.warn(f"{path} can't be read ({reason}); training starts from scratch", stacklevel=2)
        return None
    return state


def weights_of(model: nn.Module) -> dict[str, torch.Tensor]:
    """A copy of the model's parameters and buffers, on the CPU."""
    copied = {name: value.detach().to("cpu", copy=True) for name, value in model.state_dict().items()}
    # Safetensors only stores tensors that are dense and contiguous.
    return {name: value.contiguous() for name, value in copied.items()}


def save_weights(path: Path, weights: Mapping[str, torch.Tensor]) -> None:
    """Write what `weights_of` returned; if the process is killed meanwhile, the previous file is kept.

    Raises:
        StorageFull: no room; the previous file is kept.
    """
    write_atomically(path, safetensors.torch.save(dict(weights)))


def load_weights(path: Path) -> dict[str, torch.Tensor]:
    """What `save_weights` wrote, on the CPU."""
    weights: dict[str, torch.Tensor] = safetensors.torch.load_file(path)
    return weights


def load_run(folder: Path, *, device: str = "auto") -> Run:
    """The run in a folder.

    Raises:
        MissingInput: there is none, it isn't complete, or one of its files is damaged.
        InvalidConfig: its files were edited and no longer match, or this machine has no such device.
    """
    if not is_complete(folder):
        raise MissingInput(f"{folder} holds no complete run; run {TRAIN}.ipynb")
    config = TrainingConfig.from_json(read_json(folder / "config.json"))
    labels = read_json(folder / "labels.json")
    summary = read_json(folder / "summary.json")
    try:
        target = target_from_json(labels)
        mean, std = (labels["normalisation"][name] for name in ("mean", "std"))
        normalisation = Normalisation(mean, std, upsampling=config.upsampling)
        lists, copy_size = dict(labels["lists"]), tuple(labels.get("copy_size", COPY_SIZE))
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise InvalidConfig(
            f"{folder}: labels.json was edited ({type(error).__name__}: {error}); copy it anew, or delete "
            "the folder and train again"
        ) from error
    target.temperature = summary.get("temperature", 1.0)  # older runs, and those for coordinates, have none
    model = build_model(config.architecture, target.outputs)
    try:
        model.load_state_dict(load_weights(folder / "model.safetensors"))
    except (RuntimeError, safetensors.SafetensorError) as error:
        raise InvalidConfig(
            f"{folder}: the weights don't fit the settings ({error}); copy the folder anew, or delete it and "
            "train again"
        ) from error
    place = pick_device(device)
    return Run(
        folder=folder,
        config=config,
        target=target.to(place),
        normalisation=normalisation.to(place),
        model=model.to(place, memory_format=torch.channels_last).eval(),  # type: ignore[call-overload]
        device=place,
        metrics=read_metrics(folder),
        summary=summary,
        list_digests=lists,
        environment=read_json(folder / "environment.json"),
        copy_size=copy_size,
    )


def read_metrics(folder: Path) -> pd.DataFrame:
    """The metrics of a run by epoch.

    Raises:
        MissingInput: the file is damaged.
    """
    path = folder / "metrics.csv"
    try:
        return pd.read_csv(path)
    except ValueError as error:  # including pandas' own, for an empty file or malformed rows
        raise MissingInput(f"{path} is damaged ({error}); copy {folder} anew or delete it") from None


def ask_for(run: Run) -> None:
    """Make this run the default of stage 4; a sweep's trials come after all runs so marked."""
    (run.folder / ASKED_FOR).touch()


def predict(run: Run, pixels: np.ndarray) -> np.ndarray:
    """The target's decoded predictions, float32, one row per picture.

    For countries and regions these are probabilities (N, K) in the order of the labels, as learned:
    `run.target.country_probabilities` makes calibrated ones of countries from them. For coordinates they are
    (lat, lon) (N, 2) in degrees.

    Args:
        run: from `load_run`.
        pixels: uint8 (N, 3, height, width), RGB, of the size that the run was trained with.

    Raises:
        InvalidConfig: pixels of another type or size.
    """
    decoded = [run.target.decode(outputs).cpu() for _, outputs in _outputs(run, pixels)]
    return torch.cat(decoded or [run.target.decode(torch.empty(0, run.target.outputs))]).numpy()


def measure(run: Run, cache: PixelCache) -> dict[str, float]:
    """The target's metrics on a split, named as in `metrics.csv` but without "val/".

    Raises:
        InvalidConfig: pixels of another size.
        MissingInput, LeakyList: records without the label, or with one that the run doesn't know.
    """
    labels = {name: label.to(run.device) for name, label in run.target.encode(cache.table).items()}
    parts = [
        run.target.measure(outputs, {name: label[rows] for name, label in labels.items()})
        for rows, outputs in _outputs(run, cache.pixels)
    ]
    return run.target.summarise(
        {name: torch.cat([part[name] for part in parts]).cpu().numpy() for name in parts[0]}
    )


@torch.inference_mode()
def _outputs(run: Run, pixels: np.ndarray) -> Iterator[tuple[slice, torch.Tensor]]:
    """Batches of rows with the network's outputs for them."""
    wanted = (3, run.config.height, run.config.width)
    if pixels.dtype != np.uint8 or pixels.shape[1:] != wanted:
        raise InvalidConfig(
            f"run {run.id} predicts from uint8 pixels of shape (N, {', '.join(map(str, wanted))}), "
            f"not from {pixels.dtype} {pixels.shape}"
        )
    each = run.config.width * run.config.height * run.config.upsampling**2
    at_once = max(1, int(PIXELS_AT_ONCE / each))
    starts = range(0, len(pixels), at_once)
    for start in progress_bar(starts, desc="predicting", unit=" batches", disable=len(starts) < 2):
        rows = slice(start, start + at_once)
        # Contiguous, as torch takes no array that runs backwards, such as BGR turned into RGB.
        batch = as_tensor(np.ascontiguousarray(pixels[rows]))
        yield rows, run.model(run.normalisation(batch.to(run.device)))
