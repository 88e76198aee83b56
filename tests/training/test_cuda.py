"""Training on a GPU; skipped where there is none."""

import copy
import dataclasses

import numpy as np
import pandas as pd
import pytest
import torch
from made_splits import located, make_split, ten_times
from made_trainings import begun, interrupted_training, same_numbers, take_step, train
from torch import nn
from torch.nn import functional
from torchvision.ops import SqueezeExcitation, StochasticDepth

from lost_and_found.errors import InvalidConfig, OutOfMemory
from lost_and_found.training import epochs, fused, splits
from lost_and_found.training.augmentation import SETS, crop_and_rotate, jitter_colours
from lost_and_found.training.backends import autocast_for, explained_memory, tuned_backends
from lost_and_found.training.config import NORMALISATIONS, TrainingConfig
from lost_and_found.training.degradation import degrade
from lost_and_found.training.distributed import joined
from lost_and_found.training.fused import ACTIVATION_NAMES, Depthwise, fuse, mistake_of, timing
from lost_and_found.training.models import Normalisation, build_model
from lost_and_found.training.recording import STEPS_BEFORE
from lost_and_found.training.splits import Split, read_splits
from lost_and_found.training.targets import build_target

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")

GPU, CPU = torch.device("cuda"), torch.device("cpu")
DEPTHWISE = {Depthwise(size, stride) for size in (3, 5) for stride in (1, 2)}
CONFIG = TrainingConfig(
    dataset="made",
    architecture="mobilenet_v3_small",
    width=64,
    height=40,
    batch_size=8,
    epochs=2,
    device="cuda",
)


@pytest.fixture(scope="module")
def split(tmp_path_factory):
    return make_split(tmp_path_factory.mktemp("many"), count=45)  # in batches of eight and of seven


def losses(config, split, *, steps=3):
    """The losses of so many steps on the same eight pictures."""
    with tuned_backends(config):
        training = begun(config, split)
        training.speed_up(images=len(split))
        found = []
        for _ in range(steps):
            training.loss_sum.zero_()
            take_step(training, split, count=8)
            training.steps += 1
            found.append(training.loss_sum.item() / 8)
    return found


def test_the_first_losses_are_those_of_a_cpu(split):
    plain = dataclasses.replace(
        CONFIG, architecture="resnet18", augmentation="none", precision="float32", ema_decay=0.0
    )
    wanted = losses(dataclasses.replace(plain, device="cpu"), split)
    found = losses(plain, split)
    assert found[0] == pytest.approx(wanted[0], rel=5e-4)
    assert found == pytest.approx(
        wanted, rel=0.02
    )  # AdamW divides by tiny gradients, which amplifies rounding
    for precision in ("bfloat16", "float16"):
        (rounded,) = losses(dataclasses.replace(plain, precision=precision), split, steps=1)
        assert rounded == pytest.approx(wanted[0], rel=0.02)


@pytest.mark.filterwarnings("ignore")  # torch's compiler gives warnings about itself
def test_compiled_networks_learn_the_same(split):
    plain = dataclasses.replace(CONFIG, architecture="resnet18", precision="float32", compile="off")
    on = dataclasses.replace(plain, compile="on")
    steps = STEPS_BEFORE + 2  # the last of which are recorded
    found, wanted = losses(on, split, steps=steps), losses(plain, split, steps=steps)
    assert found[:2] == pytest.approx(wanted[:2], rel=0.01)
    assert found == pytest.approx(wanted, rel=0.1)  # as above, rounding is amplified from step to step


@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16, torch.float16])
def test_fused_layers_give_torchs_results(monkeypatch, precision):
    with tuned_backends(dataclasses.replace(CONFIG, precision="float32")):  # without TensorFloat-32
        for kinds in ({nn.Identity, *ACTIVATION_NAMES, SqueezeExcitation}, DEPTHWISE):
            assert mistake_of(GPU, precision, frozenset(kinds)) == ""
        # So many pictures that programs have several tiles.
        monkeypatch.setattr(fused, "TRIED", (64, 144, 36, 50))
        assert mistake_of.__wrapped__(GPU, precision, frozenset(DEPTHWISE)) == ""


def test_depthwise_convolutions_are_timed_once_in_the_first_step(split, monkeypatch):
    monkeypatch.setattr(timing, "known", {})
    milliseconds, times = timing._milliseconds, []

    def timed(work):
        times.append(milliseconds(work))
        form, is_theirs = divmod(len(times) - 1, 2)
        return float(is_theirs == form % 2)  # so that both ways are used in one network

    monkeypatch.setattr(timing, "_milliseconds", timed)
    assert np.isfinite(losses(CONFIG, split, steps=STEPS_BEFORE + 2)).all()
    forms = len(timing.known)
    assert len(times) == 2 * forms > 8
    assert min(times) > 0
    losses(CONFIG, split)
    assert len(timing.known) == forms


@pytest.mark.parametrize(
    "architecture", ["resnet18", "mobilenet_v2", "mobilenet_v3_small", "efficientnet_b1"]
)
def test_gradients_of_fused_networks_are_as_exact_as_those_of_torch(architecture, monkeypatch):
    monkeypatch.setattr("lost_and_found.training.fused.depthwise.is_faster", lambda *_: True)
    torch.manual_seed(0)
    plain = build_model(architecture, 4)
    for module in plain.modules():
        if isinstance(module, nn.Dropout | StochasticDepth):
            module.p = 0.0
    plain = plain.to(GPU, memory_format=torch.channels_last)
    images = torch.randn(8, 3, 40, 64, device=GPU).contiguous(memory_format=torch.channels_last)

    def gradients(model, images):
        functional.cross_entropy(model(images), torch.arange(8, device=GPU) % 4).backward()
        return [parameter.grad.double() for parameter in model.parameters()]

    with tuned_backends(dataclasses.replace(CONFIG, precision="float32")):
        quick, exact = fuse(copy.deepcopy(plain)), copy.deepcopy(plain).double()
        wanted = gradients(exact, images.double())

        def error(model):
            pairs = zip(gradients(model, images), wanted, strict=True)
            return np.median([((one - other).norm() / other.norm()).item() for one, other in pairs])

        assert error(quick) < 3 * error(plain)


@pytest.mark.parametrize(
    ("augmentation", "resident", "others"),
    [
        ("none", True, {}),
        ("strong", True, {}),
        ("light", False, {}),
        ("light", True, {"precision": "float16"}),
        ("light", True, {"upsampling": 1.5}),
    ],
)
def test_recorded_steps_learn_the_same_to_the_last_bit(
    split, tmp_path, monkeypatch, augmentation, resident, others
):
    if not resident:
        monkeypatch.setattr(splits, "RESIDENT_SHARE", 0.0)
    # Nine batches of four, then three of three: steps are recorded, forgotten, and recorded again.
    config = dataclasses.replace(
        CONFIG, deterministic=True, augmentation=augmentation, batch_size=4, epochs=3, **others
    )
    one = train(config, split, tmp_path / "recorded")
    monkeypatch.setattr(epochs, "RecordedSteps", lambda device: None)
    two = train(config, split, tmp_path / "plain")
    same_numbers(one, two)


@pytest.mark.filterwarnings("ignore:Synchronization debug mode is a prototype")
@pytest.mark.parametrize("target", ["country", "region", "coordinates"])
def test_no_step_waits_for_the_gpu(split, target):
    config = dataclasses.replace(CONFIG, target=target, augmentation="strong", upsampling=1.5, compile="off")
    split = located(split, range(len(split)))
    with tuned_backends(config):
        training = begun(config, split)
        training.stepping.train()
        ((pixels, labels),) = Split(split, training.target, training.device).batches([torch.arange(8)])
        for waits in ("default", "error"):  # tables are copied and algorithms chosen by the first step
            torch.cuda.set_sync_debug_mode(waits)
            try:
                training.take_step(pixels, labels, count=8, progress=1.0)
            finally:
                torch.cuda.set_sync_debug_mode("default")


def test_auto_precision_is_the_fastest_that_the_gpu_has():
    with autocast_for(CONFIG, GPU):
        product = torch.ones(2, 2, device=GPU) @ torch.ones(2, 2, device=GPU)
    bfloat16 = torch.cuda.is_bf16_supported(including_emulation=False)
    assert product.dtype == (torch.bfloat16 if bfloat16 else torch.float16)  # of GPUs that torch still knows


@pytest.mark.parametrize("deterministic", [False, True])  # where torch enlarges in another way
def test_pictures_are_enlarged_as_on_a_cpu(split, deterministic):
    enlarge = Normalisation(*NORMALISATIONS["imagenet"], upsampling=1.5)
    wanted = enlarge(torch.from_numpy(split.pixels[:3]))
    with tuned_backends(dataclasses.replace(CONFIG, deterministic=deterministic)):
        found = enlarge.to(GPU)(torch.from_numpy(split.pixels[:3]).to(GPU)).cpu()
    torch.testing.assert_close(found, wanted, atol=1e-4, rtol=0)


@pytest.mark.parametrize("name", ["light", "study", "strong"])
def test_pictures_are_changed_as_on_a_cpu(split, name):
    pixels = torch.from_numpy(split.pixels[:20])
    drawn = torch.rand(20, 12, generator=torch.Generator().manual_seed(1))

    def changed(device):
        ranges, numbers = SETS[name], drawn.to(device)
        images = crop_and_rotate(pixels.to(device).float(), numbers[:, :5], ranges)
        images = jitter_colours(images, numbers[:, 5:9], ranges)
        return images.cpu(), degrade(images, numbers[:, 9:], share=slice(None), batch_size=len(images)).cpu()

    plain, damaged = changed(GPU)
    wanted, wanted_damaged = changed(CPU)
    torch.testing.assert_close(plain, wanted, atol=0.05, rtol=0)
    # A coefficient near a half may be rounded the other way, which changes its block.
    assert (damaged - wanted_damaged).abs().mean() < 0.05


def test_labels_smoothed_by_distance_are_those_of_a_cpu(split):
    table = located(split, range(len(split))).table
    config = dataclasses.replace(CONFIG, target="region")
    target = build_target(config, table)
    xyz = target.encode(table)["xyz"]
    wanted = target.smoothed(xyz)
    torch.testing.assert_close(target.to(GPU).smoothed(xyz.to(GPU)).cpu(), wanted, atol=1e-5, rtol=1e-3)


def test_pixels_that_stay_on_the_device_and_those_that_are_sent_are_the_same(split, monkeypatch):
    target = build_target(CONFIG, split.table)
    parts = torch.randperm(len(split), generator=torch.Generator().manual_seed(0)).split(7)
    (resident,) = read_splits([split], target, GPU)
    monkeypatch.setattr(splits, "RESIDENT_SHARE", 0.0)
    (sent,) = read_splits([split], target, GPU)
    assert (resident.resident, sent.resident) == (True, False)
    for (pixels, labels), (others, same) in zip(resident.batches(parts), sent.batches(parts), strict=True):
        assert pixels.device.type == others.device.type == "cuda"
        assert torch.equal(pixels, others)
        assert torch.equal(labels["country"], same["country"])


def test_few_batches_on_their_way_to_the_device_keep_page_locked_memory(split, monkeypatch):
    monkeypatch.setattr(splits, "RESIDENT_SHARE", 0.0)
    (sent,) = read_splits([split], build_target(CONFIG, split.table), GPU)
    torch.cuda.synchronize()
    torch.cuda.reset_peak_host_memory_stats()
    for _ in sent.batches([torch.arange(4)] * 60):
        torch.cuda._sleep(10_000_000)  # a step that takes longer than reading
    assert torch.cuda.host_memory_stats()["active_requests.peak"] < 20


@pytest.mark.parametrize("architecture", ["mobilenet_v3_small", "resnet18", "efficientnet_b1"])
def test_a_deterministic_training_stopped_within_an_epoch_goes_on_exactly(
    split, tmp_path, monkeypatch, architecture
):
    config = dataclasses.replace(CONFIG, architecture=architecture, deterministic=True, augmentation="strong")
    whole = train(config, split, tmp_path / "whole")
    interrupted_training(config, split, tmp_path / "parts", monkeypatch, steps=7)
    same_numbers(train(config, split, tmp_path / "parts"), whole)


@pytest.mark.parametrize("target", ["country", "region", "coordinates"])
def test_every_target_learns_on_a_gpu(split, tmp_path, target):
    four = dataclasses.replace(split, pixels=split.pixels[:4], table=split.table[:4])
    repeated = ten_times(located(four, [10, 900, 2000, 4000]))  # they only have to be recognised
    config = dataclasses.replace(
        CONFIG, target=target, augmentation="none", epochs=20, ema_decay=0.0, learning_rate=2e-3
    )
    run = train(config, repeated, tmp_path)
    metrics = pd.read_csv(run.folder / "metrics.csv")
    assert metrics["train/loss"].iloc[-1] < metrics["train/loss"].iloc[0]
    assert run.summary["val/top1" if target != "coordinates" else "val/within_750_km"] == 1


def test_more_processes_than_gpus_are_refused(monkeypatch):
    count = torch.cuda.device_count()
    monkeypatch.setenv("WORLD_SIZE", str(count + 1))
    monkeypatch.setenv("LOCAL_RANK", str(count))
    with (
        pytest.raises(InvalidConfig, match=rf"{count + 1} processes can't share {count} GPU"),
        joined("cuda"),
    ):
        pass


def test_a_gpu_out_of_memory_suggests_half_the_batch():
    config = dataclasses.replace(CONFIG, batch_size=512)
    free, _ = torch.cuda.mem_get_info()
    with (
        pytest.raises(OutOfMemory, match=r"batches of 512 .*try batch_size 256"),
        explained_memory(config, GPU),
    ):
        torch.empty(2 * free, dtype=torch.uint8, device=GPU)
