"""From settings and splits to a complete run; the training itself is in `epochs`."""

from __future__ import annotations

from pathlib import Path

from lost_and_found.errors import InvalidConfig
from lost_and_found.samples import read_json
from lost_and_found.training import runs
from lost_and_found.training.backends import explained_memory, memory_freed_after_errors, tuned_backends
from lost_and_found.training.config import TrainingConfig
from lost_and_found.training.distributed import joined
from lost_and_found.training.environment import warn_of_other_code
from lost_and_found.training.epochs import Training
from lost_and_found.training.models import initial_weights
from lost_and_found.training.pixel_cache import PixelCache
from lost_and_found.training.targets import build_target
from lost_and_found.training.tracking import Tracker, agent_waits, tell_again, tracked


def train_run(
    config: TrainingConfig,
    *,
    train: PixelCache,
    val: PixelCache,
    folder: Path,
    test: PixelCache | None = None,
    tracking: str = "auto",
) -> runs.Run:
    """The run of this config on these splits: trained now, resumed, or loaded if it is already complete.

    Under `torchrun`, all processes train this one run, and only the first returns from here.

    Args:
        config: the settings.
        train: the split to learn from.
        val: the split that decides which epoch was best and when to stop.
        folder: the folder of all runs.
        test: stored with the run in W&B, never looked at.
        tracking: one of `tracking.MODES`.

    Raises:
        InvalidConfig: caches of another picture size, a device that this machine lacks, weights of another
            network, several processes that are to compile it, or that were not given the same run.
        MissingInput: a record lacks what the target needs, such as a country.
        LeakyList: a country of the validation split that the train split lacks.
        MissingWeights: the initial weights can't be had.
        FolderInUse: another process is training this very run.
        NotFinite: the loss became NaN or infinite.
        OutOfMemory: the batch is too large for the device.
        StorageFull: no room for the run; what was written before is kept, and the next call resumes.
        SystemExit: in all processes of `torchrun` but the first, when the run is done.
    """
    caches = {"train": train, "val": val}
    _check_sizes(config, caches)
    weights = initial_weights(config)
    place = folder / runs.run_id(config, weights, caches)
    with joined(config.device) as world:
        world.check_same(place.name)
        if not world.from_main(runs.is_complete(place)):
            config.check_processes(world.size)
            with tuned_backends(config), memory_freed_after_errors(), explained_memory(config, world.device):
                # Not a variable of this function, whose frame the error that the caller gets keeps alive.
                _fit(
                    Training(config, build_target(config, train.table), weights, world),
                    caches,
                    place=place,
                    test=test,
                    tracking=tracking,
                )
        elif world.is_main:
            (place / runs.CHECKPOINT).unlink(missing_ok=True)  # left by a process killed at the very end
            begun = read_json(place / "environment.json")
            warn_of_other_code(begun, name=place.name, so="it is loaded, not trained again")
            if agent_waits():
                tell_again(place, tracking)
    if not world.is_main:
        raise SystemExit(0)
    return runs.load_run(place, device=config.device)


def _check_sizes(config: TrainingConfig, caches: dict[str, PixelCache]) -> None:
    for name, cache in caches.items():
        if (cache.spec.width, cache.spec.height) != (config.width, config.height):
            size = f"{cache.spec.width}x{cache.spec.height}"
            raise InvalidConfig(
                f"the {name} cache is {size}, but the config says {config.width}x{config.height}"
            )


def _fit(
    training: Training, caches: dict[str, PixelCache], *, place: Path, test: PixelCache | None, tracking: str
) -> None:
    """Train; the main process fills the run folder."""
    if not training.world.is_main:
        training.fit(caches["train"], caches["val"], folder=None, tracker=Tracker())
        return
    with (
        runs.new_run_folder(place) as partial,
        tracked(tracking, run_id=place.name, config=training.config.to_json(), folder=partial) as tracker,
    ):
        training.fit(caches["train"], caches["val"], folder=partial, tracker=tracker)
        tracker.keep(partial, test=test.folder if test else None)
