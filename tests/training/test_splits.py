from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lost_and_found.training import splits
from lost_and_found.training.config import TrainingConfig
from lost_and_found.training.splits import Split, batches, epoch_order, read_splits
from lost_and_found.training.targets import build_target


@pytest.mark.parametrize(
    ("count", "size", "lengths"), [(9, 4, [3, 3, 3]), (8, 4, [4, 4]), (3, 64, [3]), (1, 4, [1])]
)
def test_batches_are_of_nearly_equal_size(count, size, lengths):
    parts = batches(torch.arange(count), size)
    assert [len(part) for part in parts] == lengths
    assert torch.cat(parts).tolist() == list(range(count))


@given(count=st.integers(2, 400), size=st.integers(2, 70))
def test_no_batch_is_of_one_picture(count, size):
    lengths = [len(part) for part in batches(torch.arange(count), size)]
    assert sum(lengths) == count
    assert min(lengths) >= 2
    assert max(lengths) - min(lengths) <= 1
    assert max(lengths) <= (3 if size == 2 else size)


def order(sampling, *, classes, seed=0):
    rows = range(len(classes))
    return epoch_order(rows, classes, sampling=sampling, generator=torch.Generator().manual_seed(seed))


def test_balanced_sampling_draws_classes_equally_often_and_natural_order_takes_each_row_once():
    classes = torch.tensor([0] * 5400 + [1] * 540 + [2] * 60)
    drawn = order("balanced", classes=classes)
    shares = classes[drawn].bincount() / len(drawn)
    torch.testing.assert_close(shares, torch.full((3,), 1 / 3), atol=0.02, rtol=0)
    assert sorted(order("natural", classes=classes).tolist()) == list(range(6000))


@pytest.mark.parametrize("sampling", ["natural", "balanced"])
def test_the_order_of_an_epoch_repeats_with_the_seed_and_is_another_with_another(sampling):
    classes = torch.arange(100) % 3
    first, same, other = (order(sampling, classes=classes, seed=seed) for seed in (1, 1, 2))
    assert torch.equal(first, same)
    assert not torch.equal(first, other)


def test_only_a_few_batches_are_read_ahead_and_all_come_in_order(eight_pictures, monkeypatch):
    submitted = []

    class Counted(ThreadPoolExecutor):
        def submit(self, *arguments):
            submitted.append(1)
            return super().submit(*arguments)

    monkeypatch.setattr(splits, "ThreadPoolExecutor", Counted)
    target = build_target(TrainingConfig(dataset="made"), eight_pictures.table)
    split = Split(eight_pictures, target, torch.device("cpu"))
    parts = torch.tensor([3, 1, 7, 0, 2, 5, 6, 4]).split(1)
    for taken, (pixels, labels) in enumerate(split.batches(parts), start=1):
        assert len(submitted) <= taken + splits.BATCHES_AHEAD
        assert torch.equal(pixels, split.pixels[parts[taken - 1]])
        assert all(torch.equal(labels[name], split.labels[name][parts[taken - 1]]) for name in split.labels)
    assert taken == 8


@pytest.mark.parametrize(("device", "kept"), [("cuda", [True, False, True]), ("cpu", [False] * 3)])
def test_a_gpu_keeps_the_pixels_of_the_splits_that_still_fit(monkeypatch, device, kept):
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: None)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (200, 1000))
    monkeypatch.setattr(splits, "Split", lambda *_, resident: resident)
    caches = [SimpleNamespace(pixels=np.zeros(size, np.uint8)) for size in (60, 50, 40)]
    assert read_splits(caches, None, torch.device(device)) == kept
