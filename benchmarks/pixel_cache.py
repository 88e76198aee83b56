"""Pixel cache against two plain ways to get the same pixels into memory, on the same JPEGs.

Run `python benchmarks/pixel_cache.py [--images 8000] [--folder FOLDER_OF_JPEGS]`.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter

from lost_and_found.processes import available_cores, map_in_processes
from lost_and_found.samples import Sample

SOURCE_SIZE = (320, 180)
SIZE = (130, 80)
BASELINE_IMAGES = 2_000


def main() -> None:
    """Print images per second of all three, and ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=8_000)
    parser.add_argument("--folder", type=Path, help="folder tree of JPEGs to use (default: generated ones)")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        if arguments.folder:
            paths = sorted(arguments.folder.rglob("*.jpg"))[: arguments.images]
        else:
            paths = [scratch / f"generated_picture_{number:06d}_0.jpg" for number in range(arguments.images)]
            list(map_in_processes(draw_picture, paths, description="drawing"))
        few = paths[:BASELINE_IMAGES]
        mean_kb = np.mean([path.stat().st_size for path in few]) / 1000
        print(
            f"{len(paths):,} JPEGs of {mean_kb:.1f} KB on {available_cores()} cores, to {SIZE[0]}x{SIZE[1]}"
        )
        loop = rate(few, load_in_a_loop)
        pool = rate(few, load_in_threads)
        ours = rate(paths, lambda paths: fill_cache(paths, scratch))
    print(f"pixel cache, on disk                {ours:8,.0f} images/s")
    print(f"loop to float32 tensors (published) {loop:8,.0f} images/s  ours {ours / loop:.1f} x")
    print(f"Pillow thread pool to uint8         {pool:8,.0f} images/s  ours {ours / pool:.1f} x")


def draw_picture(path: Path) -> None:
    """A picture of about a photograph's size in bytes: blurred noise at two scales under fine noise."""
    rng = np.random.default_rng(int(path.stem.split("_")[2]))
    coarse = Image.fromarray(rng.integers(0, 256, (9, 16, 3), np.uint8)).resize(SOURCE_SIZE)
    middle = Image.fromarray(rng.integers(0, 256, (45, 80, 3), np.uint8)).resize(SOURCE_SIZE)
    fine = Image.fromarray(rng.integers(0, 256, (*SOURCE_SIZE[::-1], 3), np.uint8))
    image = Image.blend(Image.blend(coarse, middle, 0.3), fine.filter(ImageFilter.GaussianBlur(1)), 0.3)
    image.save(path, quality=85)


def rate(paths: Sequence[Path], load: Callable[[Sequence[Path]], object]) -> float:
    """Images per second."""
    started = time.perf_counter()
    load(paths)
    return len(paths) / (time.perf_counter() - started)


def load_in_a_loop(paths: Sequence[Path]) -> object:
    """As the published code did: one after the other, normalised float32, in a list."""
    import torch  # here, as worker processes import this file when they start

    tensors = []
    for path in paths:
        picture = np.asarray(Image.open(path).convert("RGB").resize(SIZE))
        tensors.append((torch.from_numpy(picture.copy()).permute(2, 0, 1).float() / 255 - 0.5) / 0.5)
    return tensors


def load_in_threads(paths: Sequence[Path]) -> object:
    """Pillow lets other threads work while it decodes and resizes."""

    def load(path: Path) -> np.ndarray:
        return np.asarray(Image.open(path).convert("RGB").resize(SIZE)).transpose(2, 0, 1)

    with ThreadPoolExecutor(available_cores()) as pool:
        return np.stack(list(pool.map(load, paths)))


def fill_cache(paths: Sequence[Path], scratch: Path) -> object:
    """Our pixel cache, written to disk, including the start of its processes."""
    import pandas as pd  # here, as worker processes import this file when they start

    from lost_and_found.training.pixel_cache import CacheSpec, cache_pixels

    samples = [Sample(path.stem, str(path.parent), path.suffix) for path in paths]
    table = pd.DataFrame({"id": [sample.id for sample in samples]})
    spec = CacheSpec(list_name="benchmark", list_digest="0" * 32, width=SIZE[0], height=SIZE[1])
    return cache_pixels(samples, table, folder=scratch / "pixels", spec=spec)


if __name__ == "__main__":
    main()
