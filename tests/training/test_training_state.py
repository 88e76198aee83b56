"""Stopping and resuming training, and what becomes of it when things go wrong."""

import contextlib
import dataclasses
import errno
import itertools
import json
import os
import signal
import subprocess
import sys
import threading
import weakref
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest
import torch
from made_trainings import begun, interrupted_training, same_numbers, train

from lost_and_found.errors import NotFinite, OutOfMemory, StorageFull
from lost_and_found.training import epochs, runs
from lost_and_found.training.backends import explained_memory, memory_freed_after_errors
from lost_and_found.training.checkpoints import restore, state_of
from lost_and_found.training.config import TrainingConfig
from lost_and_found.training.distributed import World
from lost_and_found.training.epochs import Training
from lost_and_found.training.targets.country import CountryTarget
from lost_and_found.training.tracking import Tracker
from tests.disks import room_for

CONFIG = TrainingConfig(
    dataset="made",
    architecture="mobilenet_v3_small",  # with dropout, so that random numbers matter
    width=64,
    height=40,
    batch_size=4,
    epochs=3,
    device="cpu",
)


@pytest.fixture(scope="module")
def uninterrupted(split, tmp_path_factory):
    return train(CONFIG, split, tmp_path_factory.mktemp("uninterrupted"))


@pytest.mark.parametrize("steps", [1, 3, 9])  # within an epoch, at its end, and at the very end
def test_a_training_stopped_anywhere_goes_on_exactly(uninterrupted, split, tmp_path, monkeypatch, steps):
    interrupted_training(CONFIG, split, tmp_path, monkeypatch, steps=steps)
    (partial,) = tmp_path.glob(".*.partial")
    assert (partial / runs.CHECKPOINT).is_file()
    assert not runs.is_complete(tmp_path / uninterrupted.id)
    run = train(CONFIG, split, tmp_path)
    same_numbers(run, uninterrupted)
    assert (len(run.environment["resumed"]), "resumed" in uninterrupted.environment) == (1, False)
    assert (run.summary["resumed"], uninterrupted.summary["resumed"]) == (True, False)
    assert not list(run.folder.glob(f"*{runs.CHECKPOINT}*"))


def test_a_run_started_by_other_code_continues_with_a_warning(uninterrupted, split, tmp_path, monkeypatch):
    interrupted_training(CONFIG, split, tmp_path, monkeypatch, steps=3)
    (partial,) = tmp_path.glob(".*.partial")
    environment = json.loads((partial / "environment.json").read_text())
    (partial / "environment.json").write_text(json.dumps(environment | {"code": "another"}))
    with pytest.warns(UserWarning, match="started with code another .*; it continues with the present ones"):
        same_numbers(train(CONFIG, split, tmp_path), uninterrupted)


def test_a_training_in_float16_goes_on_exactly(split, tmp_path, monkeypatch):
    config = dataclasses.replace(CONFIG, precision="float16", epochs=2)
    interrupted_training(config, split, tmp_path / "parts", monkeypatch, steps=4)
    (checkpoint,) = (tmp_path / "parts").glob(f".*.partial/{runs.CHECKPOINT}")
    state = runs.load_checkpoint(checkpoint)
    resumed = begun(config, split)
    restore(resumed, state | {"scaler": state["scaler"] | {"scale": 4.0}})
    assert resumed.scaler.get_scale() == 4
    run = train(config, split, tmp_path / "parts")
    same_numbers(run, train(config, split, tmp_path / "whole"))


def test_a_termination_is_a_stop_too(uninterrupted, split, tmp_path, monkeypatch):
    before = signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    try:
        interrupted_training(CONFIG, split, tmp_path, monkeypatch, steps=4, number=signal.SIGTERM)
    finally:
        signal.signal(signal.SIGTERM, before)
    same_numbers(train(CONFIG, split, tmp_path), uninterrupted)


def test_stopping_twice_goes_on_exactly(uninterrupted, split, tmp_path, monkeypatch):
    interrupted_training(CONFIG, split, tmp_path, monkeypatch, steps=2)
    interrupted_training(CONFIG, split, tmp_path, monkeypatch, steps=5)
    run = train(CONFIG, split, tmp_path)
    same_numbers(run, uninterrupted)
    assert len(run.environment["resumed"]) == 2


def test_the_seconds_of_a_run_are_those_of_its_epochs_and_validations_over_all_stops(
    split, tmp_path, monkeypatch
):
    clock = itertools.count()
    monkeypatch.setattr(epochs, "time", SimpleNamespace(perf_counter=lambda: float(next(clock))))
    interrupted_training(CONFIG, split, tmp_path, monkeypatch, steps=4)
    run = train(CONFIG, split, tmp_path)
    assert run.summary["seconds"] == 7  # three epochs and validations, the second epoch in two parts
    assert run.metrics["images/s"].tolist() == [12, 8, 12]


def test_a_checkpoint_of_an_earlier_version_goes_on_exactly(uninterrupted, split, tmp_path, monkeypatch):
    interrupted_training(CONFIG, split, tmp_path, monkeypatch, steps=4)
    (checkpoint,) = tmp_path.glob(f".*.partial/{runs.CHECKPOINT}")
    state = runs.load_checkpoint(checkpoint)
    kept = ("lr", "params", "name")
    groups = [{name: group[name] for name in kept} for group in state["optimizer"]["param_groups"]]
    state["optimizer"]["param_groups"] = groups
    (state["total_loss"],) = state.pop("loss_sums")
    for name in ("best_weights", "rate", "scaler"):
        del state[name]
    runs.save_checkpoint(checkpoint, state)
    same_numbers(train(CONFIG, split, tmp_path), uninterrupted)


def test_weights_that_a_killed_process_wrote_after_its_checkpoint_are_not_taken_for_the_best(
    uninterrupted, split, tmp_path, monkeypatch
):
    interrupted_training(CONFIG, split, tmp_path, monkeypatch, steps=9)
    (partial,) = tmp_path.glob(".*.partial")
    later = {name: value + 1 for name, value in runs.weights_of(uninterrupted.model).items()}
    runs.save_weights(partial / "model.safetensors", later)
    same_numbers(train(CONFIG, split, tmp_path), uninterrupted)


def test_a_training_goes_on_with_the_checkpoint_of_another_kind_of_device(split, tmp_path, monkeypatch):
    interrupted_training(CONFIG, split, tmp_path, monkeypatch, steps=4)
    (checkpoint,) = tmp_path.glob(f".*.partial/{runs.CHECKPOINT}")
    state = runs.load_checkpoint(checkpoint)
    of_gpu = torch.zeros(16, dtype=torch.uint8)  # seed and offset, all the state of CUDA's generator
    runs.save_checkpoint(checkpoint, state | {"augmentation": of_gpu})
    assert train(CONFIG, split, tmp_path).metrics["epoch"].tolist() == [1, 2, 3]


@pytest.mark.parametrize(
    ("rank", "size", "own"), [(0, 1, 4.0), (0, 2, 1.5), (1, 2, 2.5), (0, 3, 4.0), (1, 3, 0.0)]
)
def test_the_loss_so_far_is_kept_by_any_number_of_processes(split, rank, size, own):
    training = begun(CONFIG, split)
    random = [[torch.get_rng_state()]] * 2
    state = state_of(training) | {"loss_sums": [1.5, 2.5], "random": random}
    training.world = World(training.device, rank, size)
    restore(training, state)
    assert training.loss_sum.item() == own


def test_a_process_that_is_killed_loses_no_finished_epoch(uninterrupted, split, tmp_path):
    code = (
        "import os, signal, sys\n"
        "from pathlib import Path\n"
        "import torch\n"
        "from lost_and_found.training.config import TrainingConfig\n"
        "from lost_and_found.training.pixel_cache import read_cache\n"
        "from lost_and_found.training import runs, trainer\n"
        "torch.set_num_threads(1)\n"
        "split = read_cache(Path(sys.argv[1]))\n"
        "save = runs.save_checkpoint\n"
        "def save_and_die(path, state):\n"
        "    save(path, state)\n"
        "    if state['epoch'] == 2: os.kill(os.getpid(), signal.SIGKILL)\n"
        "runs.save_checkpoint = save_and_die\n"
        f"config = TrainingConfig.from_json({CONFIG.to_json()!r})\n"
        "trainer.train_run(config, train=split, val=split, folder=Path(sys.argv[2]), tracking='off')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, split.folder, tmp_path], capture_output=True, text=True
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    (partial,) = tmp_path.glob(".*.partial")
    assert len(pd.read_csv(partial / "metrics.csv")) == 2
    run = train(CONFIG, split, tmp_path)
    same_numbers(run, uninterrupted)
    assert run.summary["resumed"]


def test_a_stop_in_another_thread_is_nobodys_to_catch(split, tmp_path):
    failures = []

    def work():
        try:
            train(dataclasses.replace(CONFIG, epochs=1), split, tmp_path)
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert failures == []


@pytest.mark.parametrize("content", [b"", b"torn", b"\x80\x02torn"])
def test_with_an_unreadable_checkpoint_training_starts_from_scratch_after_a_warning(
    uninterrupted, split, tmp_path, monkeypatch, content
):
    interrupted_training(CONFIG, split, tmp_path, monkeypatch, steps=4)
    (partial,) = tmp_path.glob(".*.partial")
    (partial / runs.CHECKPOINT).write_bytes(content)
    begun_by = json.loads((partial / "environment.json").read_text()) | {"code": "another"}
    (partial / "environment.json").write_text(json.dumps(begun_by))
    with pytest.warns(UserWarning, match=r"can't be read \(\w+\); training starts from scratch"):
        run = train(CONFIG, split, tmp_path)
    same_numbers(run, uninterrupted)
    assert run.environment["code"] == uninterrupted.environment["code"]
    assert "resumed" not in run.environment


def test_a_full_disk_keeps_what_was_written_and_training_goes_on_later(uninterrupted, split, tmp_path):
    class FillingUp(Tracker):
        """After the first epoch, no file can grow beyond a hundred kilobytes."""

        def log(self, metrics):
            if metrics["epoch"] == 2:
                disk.enter_context(room_for(100_000))

    training = begun(CONFIG, split)
    partial = tmp_path / f".{uninterrupted.id}.partial"
    partial.mkdir()
    with contextlib.ExitStack() as disk, pytest.raises(StorageFull, match="no room"):
        training.fit(split, split, folder=partial, tracker=FillingUp())
    assert runs.load_checkpoint(partial / runs.CHECKPOINT)["epoch"] == 1
    same_numbers(train(CONFIG, split, tmp_path), uninterrupted)


@pytest.mark.parametrize(("every", "steps"), [(2, 2), (50, 3)])  # found within an epoch, and at its end
def test_a_loss_that_becomes_nan_leaves_the_weights_of_the_best_epoch(
    split, tmp_path, monkeypatch, every, steps
):
    finite, taken = Training.take_step, []
    monkeypatch.setattr(epochs, "CHECK_EVERY", every)

    def poisoned(self, pixels, labels, **more):
        finite(self, pixels, labels, **more)
        taken.append(self.epoch)
        if self.epoch == 1:
            self.loss_sum.fill_(float("nan"))

    monkeypatch.setattr(Training, "take_step", poisoned)
    with pytest.raises(NotFinite, match=r"epoch 2: the loss is nan in training.*epoch 1 are kept"):
        train(CONFIG, split, tmp_path)
    assert taken == [0] * 3 + [1] * steps, "further batches would have been a waste"
    (partial,) = tmp_path.glob(".*.partial")
    assert runs.load_checkpoint(partial / runs.CHECKPOINT)["epoch"] == 1
    assert (partial / "model.safetensors").is_file()


def test_a_loss_that_is_nan_in_validation_alone_stops_the_run(split, tmp_path, monkeypatch):
    monkeypatch.setattr(CountryTarget, "summarise", lambda *_: {"loss": float("nan"), "top1": 0.5})
    with pytest.raises(NotFinite, match="epoch 1: the loss is nan in validation"):
        train(CONFIG, split, tmp_path)


def test_too_little_memory_suggests_half_the_batch():
    code = (
        "import resource, sys, torch\n"
        "from lost_and_found.training.backends import explained_memory\n"
        "from lost_and_found.training.config import TrainingConfig\n"
        "config = TrainingConfig(dataset='made', batch_size=512)\n"
        "resource.setrlimit(resource.RLIMIT_AS, (8 << 30, -1))\n"
        "with explained_memory(config, torch.device('cpu')):\n"
        "    torch.ones(16 << 30, dtype=torch.uint8)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "OutOfMemory: cpu has too little memory for batches of 512" in done.stderr
    assert "try batch_size 256. " in done.stderr


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        *map(
            RuntimeError,
            (
                "DefaultCPUAllocator: not enough memory: you tried to allocate 4 bytes.",
                "DefaultCPUAllocator: can't allocate memory: you tried to allocate 4 bytes",
                "unable to mmap 4 bytes from file: Cannot allocate memory (12)",
                "std::bad_alloc",
                "CUDA error: out of memory",
                "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
                "FIND was unable to find an engine to execute this computation",
                "GET was unable to find an engine to execute this computation",  # in deterministic mode
            ),
        ),
    ],
)
def test_whatever_lacks_room_is_reported_as_too_little_memory(error):
    with (
        pytest.raises(OutOfMemory, match=r"try batch_size 2\. .*\(\w+"),
        explained_memory(CONFIG, torch.device("cuda")),
    ):
        raise error


def test_batches_that_can_not_be_halved_need_something_smaller():
    config = dataclasses.replace(CONFIG, batch_size=3)
    with (
        pytest.raises(OutOfMemory, match="use a smaller architecture or smaller pictures"),
        explained_memory(config, torch.device("cpu")),
    ):
        raise MemoryError


def test_what_the_caller_is_handling_keeps_its_variables():
    def look_up():
        key = "absent"
        return {}[key]

    try:
        look_up()
    except KeyError as handled:
        with pytest.raises(KeyboardInterrupt), memory_freed_after_errors():
            raise KeyboardInterrupt from None
        assert handled.__traceback__.tb_next.tb_frame.f_locals == {"key": "absent"}


@pytest.mark.parametrize(
    ("error", "seen", "is_held"),
    [
        (torch.OutOfMemoryError("CUDA out of memory"), OutOfMemory, False),
        (KeyboardInterrupt(), KeyboardInterrupt, False),
        (ZeroDivisionError(), ZeroDivisionError, True),
    ],
)
def test_an_error_that_a_notebook_keeps_holds_nothing_of_the_training_unless_it_is_for_a_debugger(
    split, tmp_path, monkeypatch, error, seen, is_held
):
    trainings, compute = [], Training.compute

    def failing(self, *arguments):
        compute(self, *arguments)
        trainings.append(weakref.ref(self))
        if len(trainings) == 2:
            raise error

    monkeypatch.setattr(Training, "compute", failing)
    with pytest.raises(seen) as kept:
        train(CONFIG, split, tmp_path)
    assert kept.value.__traceback__
    assert (trainings[0]() is not None) == is_held


def test_other_errors_of_torch_are_left_alone():
    with pytest.raises(RuntimeError, match="shape") as error, explained_memory(CONFIG, torch.device("cpu")):
        torch.ones(3) @ torch.ones(4, 2).T.reshape(3, 3)
    assert not isinstance(error.value, OutOfMemory)


def test_a_training_stopped_while_it_is_validated_goes_on_exactly(split, tmp_path, monkeypatch):
    monkeypatch.setattr(epochs, "VALIDATION_BATCH_FACTOR", 1)  # three batches
    whole = train(CONFIG, split, tmp_path / "whole")
    measured = []
    measure = CountryTarget.measure

    def counted(self, *arguments):
        measured.append(1)
        if len(measured) == 5:  # in the second epoch
            os.kill(os.getpid(), signal.SIGINT)
        return measure(self, *arguments)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(CountryTarget, "measure", counted)
        train(CONFIG, split, tmp_path / "parts")
    assert len(measured) == 5
    (checkpoint,) = (tmp_path / "parts").glob(f".*.partial/{runs.CHECKPOINT}")
    state = runs.load_checkpoint(checkpoint)
    assert (state["epoch"], state["step"]) == (1, 3), "all steps of the second epoch, not yet the epoch"
    run = train(CONFIG, split, tmp_path / "parts")
    same_numbers(run, whole)
    assert (run.metrics["images/s"] > 0).all()


def test_a_training_whose_folder_could_not_be_named_is_named_by_the_next_call(split, tmp_path, monkeypatch):
    rename, failed = Path.rename, []

    def failing(self, target):
        if self.name.endswith(".partial") and not failed:
            failed.append(self)
            raise OSError(errno.EIO, "Input/output error")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", failing)
    with pytest.raises(OSError, match="Input/output"):
        train(CONFIG, split, tmp_path)
    assert not runs.is_complete(*tmp_path.glob(".*.partial")), "it has all files, but no name yet"
    took = []
    monkeypatch.setattr(Training, "take_step", lambda self, *arguments, **more: took.append(1))
    run = train(CONFIG, split, tmp_path)
    assert (run.summary["epochs"], run.summary["resumed"], took) == (3, True, [])
    assert not list(run.folder.glob(f"*{runs.CHECKPOINT}*"))


def test_metrics_that_are_gone_when_no_epoch_is_left_are_written_again(split, tmp_path, monkeypatch):
    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Training, "fit_temperature", killed)
        train(CONFIG, split, tmp_path)
    (metrics,) = tmp_path.glob(".*.partial/metrics.csv")
    content = metrics.read_bytes()
    metrics.unlink()
    run = train(CONFIG, split, tmp_path)
    assert (run.folder / "metrics.csv").read_bytes() == content


@pytest.mark.parametrize(("holder", "name"), [(Path, "read_bytes"), (torch, "load")])
@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.EIO, "Input/output error"),
        MemoryError("none left"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 240000000 bytes."),
    ],
)
def test_a_checkpoint_that_cannot_be_read_now_is_not_overwritten(
    split, tmp_path, monkeypatch, error, holder, name
):
    interrupted_training(CONFIG, split, tmp_path, monkeypatch, steps=3)
    (checkpoint,) = tmp_path.glob(f".*.partial/{runs.CHECKPOINT}")
    content, reads = checkpoint.read_bytes(), getattr(holder, name)

    def failing(source, *arguments, **more):  # a path, or bytes, which have no name
        if getattr(source, "name", runs.CHECKPOINT) == runs.CHECKPOINT:
            raise error
        return reads(source, *arguments, **more)

    with monkeypatch.context() as patch, pytest.raises((OSError, OutOfMemory)):
        patch.setattr(holder, name, failing)
        train(CONFIG, split, tmp_path)
    assert checkpoint.read_bytes() == content
