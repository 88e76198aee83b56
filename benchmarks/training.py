"""Training speed: ours, its ceiling, and the published way to feed the same network; one run, one machine.

    python benchmarks/training.py                 images/s of these, with ratios
    python benchmarks/training.py --profile       also where the time of our step goes, and its floor
    python benchmarks/training.py --headline      also a whole training on 332,786 pictures, 20 epochs
    python benchmarks/training.py --no-compare --headline --width 320 --height 180     that alone

(a) ours: batches from the pixel cache with augmentation `study`, as `train_run` takes them;
(b) the ceiling: the same network, optimizer and precision on one batch that stays on the device;
(c) the published approach: float32 pictures in a list, a DataLoader without workers, batches of 200 on a
GPU, `.item()` for every batch, float32, no augmentation;
(d) on a GPU also ours with layers as torch computes them, without this project's kernels.

Pictures are noise, drawn once into a file of the pixel cache's form. Rounds of all are interleaved, so
that a slow minute of the machine hits all; the medians are compared.
"""

from __future__ import annotations

import argparse
import dataclasses
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

import numpy as np
import pandas as pd
import psutil
import torch
from torch import nn
from torch.profiler import ProfilerActivity, profile
from tqdm.auto import tqdm

from lost_and_found.training import epochs
from lost_and_found.training.backends import precision_for, tuned_backends
from lost_and_found.training.config import ARCHITECTURES, TrainingConfig
from lost_and_found.training.decoding import CHANNELS, allocate
from lost_and_found.training.epochs import Training
from lost_and_found.training.fused import timing
from lost_and_found.training.models import InitialWeights, build_model, pick_device
from lost_and_found.training.pixel_cache import CacheSpec, PixelCache
from lost_and_found.training.splits import Split, read_splits
from lost_and_found.training.targets import build_target
from lost_and_found.training.tracking import Tracker

PUBLISHED_IMAGES = 332_786
TRAIN_SHARE, VAL_SHARE = 0.7, 0.2
COUNTRIES = 138
HEADLINE_EPOCHS = 20
PUBLISHED_BATCH = 200
# How often a convolution's output is written or read at least, if everything up to the next one were fused
# with both: once each, the same for its gradient, and once more for the gradients of weights.
TOUCHES = 5
ROUNDS = 5
GB = 1e9


def main() -> None:
    """Measure what was asked for and print it."""
    arguments = _parser().parse_args()
    device = pick_device(arguments.device)
    if device.type == "cuda":
        torch.cuda.set_device(device.index or 0)  # where Triton starts kernels
    config = TrainingConfig(
        dataset="benchmark",
        architecture=arguments.architecture
        or ("efficientnet_b1" if device.type == "cuda" else "mobilenet_v2"),
        width=arguments.width,
        height=arguments.height,
        batch_size=arguments.batch_size or (512 if device.type == "cuda" else 32),
        epochs=HEADLINE_EPOCHS,
        augmentation="study",
        compile=arguments.compile,
        device=str(device),
    )
    print(f"{describe(device)}, torch {torch.__version__}")
    print(f"{config.architecture}, {config.width}x{config.height}, batches of {config.batch_size}")
    if arguments.scratch:
        arguments.scratch.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=arguments.scratch) as scratch, tuned_backends(config):
        images = arguments.images or (20_480 if device.type == "cuda" else 512)
        if images < config.batch_size:
            raise SystemExit(f"--images {images}: at least a batch of {config.batch_size} is needed")
        cache = synthetic_cache(Path(scratch), images, config, name="train")
        if arguments.compare:
            compare(config, cache, device, seconds=arguments.seconds)
        if arguments.profile:
            print(profiled(config, cache, device))
            print(floor_text(config, cache, device))
        if arguments.headline:
            headline(config, Path(scratch), device)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", default="auto")
    parser.add_argument("--architecture", choices=ARCHITECTURES)
    parser.add_argument("--width", type=int, default=130)
    parser.add_argument("--height", type=int, default=80)
    parser.add_argument("--batch-size", type=int)
    parser.add_argument("--images", type=int, help="number of pictures in the pixel cache")
    parser.add_argument("--seconds", type=float, default=8.0, help="length of each round")
    parser.add_argument("--compile", choices=("auto", "on", "off"), default="auto")
    parser.add_argument(
        "--scratch", type=Path, help="folder for the pictures; for --headline 10 GB, 52 GB at 320x180"
    )
    parser.add_argument("--compare", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--profile", action="store_true")
    parser.add_argument("--headline", action="store_true")
    return parser


def describe(device: torch.device) -> str:
    """What the figures were measured on."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"CPU, {torch.get_num_threads()} threads"


def synthetic_cache(folder: Path, images: int, config: TrainingConfig, *, name: str) -> PixelCache:
    """A file of noise with countries in turn, in the pixel cache's form."""
    folder = folder / name
    folder.mkdir()
    shape = (images, CHANNELS, config.height, config.width)
    offset = allocate(folder / "pixels.npy", shape)
    chunk = np.random.default_rng(0).integers(0, 256, (1024, *shape[1:]), np.uint8)
    with (folder / "pixels.npy").open("r+b") as file:
        file.seek(offset)
        for start in tqdm(range(0, images, len(chunk)), desc=f"drawing {name}", unit=" chunks"):
            file.write(chunk[: images - start].tobytes())
    codes = [f"{number:03d}" for number in range(COUNTRIES)]
    table = pd.DataFrame(
        {
            "id": [f"made_up_game_{number}" for number in range(images)],
            "country_code": np.resize(codes, images),
        }
    )
    spec = CacheSpec(list_name=name, list_digest="0" * 32, width=config.width, height=config.height)
    return PixelCache(spec, np.load(folder / "pixels.npy", mmap_mode="r"), table, folder)


def training_of(config: TrainingConfig, cache: PixelCache, *, images: int) -> Training:
    """Training that is ready to take steps."""
    training = Training(config, build_target(config, cache.table), InitialWeights("none", "benchmark"))
    training.speed_up(images=images)
    training.stepping.train()
    return training


# -- side by side --


def compare(config: TrainingConfig, cache: PixelCache, device: torch.device, *, seconds: float) -> None:
    """Print the images per second of all."""
    steps = {
        "ours": our_steps(config, cache),
        "ceiling": ceiling_steps(config, cache),
        "published": published_steps(config, cache),
    }
    if device.type == "cuda" and config.compile == "auto":
        with mock.patch.object(epochs, "fuse"):
            steps["unfused"] = our_steps(config, cache)
    rates: dict[str, list[float]] = {name: [] for name in steps}
    for name, step in steps.items():
        started = time.perf_counter()
        for _ in range(5):  # meanwhile kernels are compiled and chosen, and the step is recorded
            step()
        _wait(device)
        print(f"first five steps of {name}: {time.perf_counter() - started:.1f} s", flush=True)
    for _ in range(ROUNDS):
        for name, step in steps.items():
            rates[name].append(images_per_second(step, device, seconds=seconds / ROUNDS))
    medians = {name: statistics.median(values) for name, values in rates.items()}
    print(f"(a) ours, pixel cache and augmentation  {medians['ours']:10,.0f} images/s")
    print(f"(b) one resident batch, the ceiling     {medians['ceiling']:10,.0f} images/s   a/b", end=" ")
    print(f"{medians['ours'] / medians['ceiling']:.2f}")
    print(f"(c) as published                        {medians['published']:10,.0f} images/s   a/c", end=" ")
    print(f"{medians['ours'] / medians['published']:.1f}")
    if "unfused" in medians:
        print(f"(d) ours, layers as torch computes them {medians['unfused']:10,.0f} images/s   a/d", end=" ")
        print(f"{medians['ours'] / medians['unfused']:.2f}")
        won = f"{sum(timing.known.values())} of {len(timing.known)}"
        print(f"    depthwise convolutions are faster by our kernels than by cuDNN in {won} sizes of layers")


def images_per_second(step: Callable[[], int], device: torch.device, *, seconds: float) -> float:
    """How many images the steps take in per second, measured over at least so many seconds."""
    _wait(device)
    started, images = time.perf_counter(), 0
    while time.perf_counter() < started + seconds:
        images += step()
        if device.type == "cuda" and images % (20 * 512) == 0:
            _wait(device)  # else the CPU runs ahead of the GPU by hundreds of steps
    _wait(device)
    return images / (time.perf_counter() - started)


def our_steps(config: TrainingConfig, cache: PixelCache) -> Callable[[], int]:
    """A step of our training with the next batch; returns its number of pictures."""
    training = training_of(config, cache, images=len(cache))
    (split,) = read_splits([cache], training.target, training.device)
    stream = _endless(split, config.batch_size)

    def step() -> int:
        pixels, labels = next(stream)
        training.steps += 1
        training.take_step(pixels, labels, count=len(pixels), progress=1.0)
        return len(pixels)

    return step


def _endless(split: Split, batch_size: int) -> Iterator[tuple[torch.Tensor, dict[str, torch.Tensor]]]:
    while True:
        order = torch.randperm(len(split))
        yield from split.batches(order[: len(order) // batch_size * batch_size].split(batch_size))


def ceiling_steps(config: TrainingConfig, cache: PixelCache) -> Callable[[], int]:
    """The network's own step: nothing is read, moved, augmented, clipped or averaged."""
    bare = dataclasses.replace(config, augmentation="none", clip_norm=0.0, ema_decay=0.0)
    training = training_of(bare, cache, images=len(cache))
    few = dataclasses.replace(
        cache, pixels=cache.pixels[: config.batch_size], table=cache.table[: config.batch_size]
    )
    (split,) = read_splits([few], training.target, training.device)
    ((pixels, labels),) = split.batches([torch.arange(config.batch_size)])

    def step() -> int:
        training.take_step(pixels, labels, count=len(pixels), progress=1.0)
        return len(pixels)

    return step


def published_steps(config: TrainingConfig, cache: PixelCache) -> Callable[[], int]:
    """What the published code did, as far as it affects speed."""
    device = pick_device(config.device)
    model = build_model(config.architecture, COUNTRIES).to(device).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    few = min(len(cache), 20 * PUBLISHED_BATCH)
    pictures = [
        ((torch.from_numpy(cache.pixels[row].copy()).float() / 255 - 0.5) / 0.5, row % COUNTRIES)
        for row in range(few)
    ]
    batch = PUBLISHED_BATCH if device.type == "cuda" else config.batch_size
    loader = torch.utils.data.DataLoader(pictures, batch_size=batch, shuffle=True)  # type: ignore
    loss_of, stream = nn.CrossEntropyLoss(), iter(loader)
    total = 0.0

    def step() -> int:
        nonlocal stream, total
        batch = next(stream, None)
        if batch is None:
            stream = iter(loader)
            batch = next(stream)
        with as_torch_comes():
            images, labels = (one.to(device) for one in batch)
            optimizer.zero_grad()
            loss = loss_of(model(images), labels)
            loss.backward()
            optimizer.step()
            total += loss.item() * len(images)
        return len(images)

    return step


@contextmanager
def as_torch_comes() -> Iterator[None]:
    """Torch's default settings for the block."""
    precision = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    try:
        with torch.backends.cudnn.flags(enabled=True):
            yield
    finally:
        torch.set_float32_matmul_precision(precision)


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


# -- where the time goes --


def profiled(config: TrainingConfig, cache: PixelCache, device: torch.device) -> str:
    """The operators that take most of our step, and the arithmetic that the network needs."""
    step = our_steps(config, cache)
    for _ in range(5):
        step()
    activities = [ProfilerActivity.CPU] + ([ProfilerActivity.CUDA] if device.type == "cuda" else [])
    with profile(activities=activities) as times:
        for _ in range(10):
            step()
        _wait(device)
    key = "self_cuda_time_total" if device.type == "cuda" else "self_cpu_time_total"
    return times.key_averages().table(sort_by=key, row_limit=15, max_name_column_width=60)


def floor_text(config: TrainingConfig, cache: PixelCache, device: torch.device) -> str:
    """The least time that this device needs per picture for arithmetic and for memory, beside ours."""
    step = our_steps(config, cache)
    for _ in range(10):
        step()
    taken = 1 / images_per_second(step, device, seconds=3)
    flops, values = needs_of(config)
    dtype = precision_for(config, device)
    peak, bandwidth = measured_peaks(device, dtype)
    bytes_of_outputs = TOUCHES * values * dtype.itemsize
    arithmetic, memory = flops / peak, bytes_of_outputs / bandwidth
    return (
        f"a picture needs {flops / 1e9:.2f} GFLOP, {1e6 * arithmetic:.1f} us at {peak / 1e12:.1f} TFLOP/s, "
        f"and {bytes_of_outputs / 1e6:.0f} MB of convolutions' outputs, {1e6 * memory:.1f} us at "
        f"{bandwidth / 1e9:,.0f} GB/s; ours takes {1e6 * taken:.1f} us, "
        f"{taken / max(arithmetic, memory):.1f} times the longer"
    )


def needs_of(config: TrainingConfig) -> tuple[float, int]:
    """Floating-point operations per picture, forward and backward, and values output by its convolutions."""
    model = build_model(config.architecture, COUNTRIES).eval()
    outputs, products = [0], [0]

    def count(layer: nn.Conv2d | nn.Linear, _: object, output: torch.Tensor) -> None:
        outputs[0] += output.numel()
        products[0] += output.numel() * layer.weight[0].numel()

    for layer in model.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            layer.register_forward_hook(count)
    with torch.inference_mode():
        model(torch.rand(1, CHANNELS, config.height, config.width))
    # A product is a multiplication and an addition; gradients of inputs and of weights take as many each.
    return 2 * 3 * products[0], outputs[0]


def measured_peaks(device: torch.device, dtype: torch.dtype) -> tuple[float, float]:
    """FLOP/s of a large matrix product, and bytes read or written per second by a large copy."""
    size = 8192 if device.type == "cuda" else 1024
    one, other = (torch.randn(size, size, device=device).to(dtype) for _ in range(2))
    source = torch.ones(size * size * 4, device=device)
    target = torch.empty_like(source)
    best = []
    for work in (lambda: one @ other, lambda: target.copy_(source)):
        times = []
        for _ in range(10):
            _wait(device)
            started = time.perf_counter()
            work()
            _wait(device)
            times.append(time.perf_counter() - started)
        best.append(min(times))
    return 2 * size**3 / best[0], 2 * source.nbytes / best[1]


# -- a whole training --


def headline(config: TrainingConfig, scratch: Path, device: torch.device) -> None:
    """Train on as many pictures as were published and validate after every epoch."""
    train = synthetic_cache(scratch, round(TRAIN_SHARE * PUBLISHED_IMAGES), config, name="headline.train")
    val = synthetic_cache(scratch, round(VAL_SHARE * PUBLISHED_IMAGES), config, name="headline.val")
    config = dataclasses.replace(config, patience=HEADLINE_EPOCHS)
    folder = scratch / "run"
    folder.mkdir()
    with peak_anonymous_memory() as peak:
        started = time.perf_counter()
        training = Training(config, build_target(config, train.table), InitialWeights("none", "benchmark"))
        training.fit(train, val, folder=folder, tracker=Tracker())
        elapsed = time.perf_counter() - started
    print(
        f"whole training: {len(train):,} + {len(val):,} pictures, {HEADLINE_EPOCHS} epochs, "
        f"{elapsed / 60:.2f} min on {describe(device)}, of which steps and validation "
        f"{training.seconds / 60:.2f} min; {training.history[0]['images/s']:,.0f} images/s in the first "
        f"epoch, {training.history[-1]['images/s']:,.0f} in the last; "
        f"host memory beside the mapped files {peak[0] / GB:.2f} GB"
    )


@contextmanager
def peak_anonymous_memory() -> Iterator[list[int]]:
    """This process's peak memory in bytes, not counting mapped files, in a list of one."""
    peak, done = [0], threading.Event()

    def sample() -> None:
        while not done.wait(0.2):
            memory = psutil.Process().memory_info()
            peak[0] = max(peak[0], memory.rss - memory.shared)

    thread = threading.Thread(target=sample)
    thread.start()
    try:
        yield peak
    finally:
        done.set()
        thread.join()


if __name__ == "__main__":
    main()
