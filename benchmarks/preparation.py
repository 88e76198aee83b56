"""Images/s of resizing and of the measures for cleaning.

Run with `python benchmarks/preparation.py [--images N]`. The pictures are 1280x720 JPEGs with the spectrum of
photographs. The baseline is a pool of as many threads as there are cores, with Pillow's own `thumbnail` for
resizing, and Pillow, numpy and imagehash for the measures. Ours also checks records, writes atomically, and
can be resumed; the start of its processes is included.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image, ImageStat

from lost_and_found.preparation.pictures import JPEG_QUALITY
from lost_and_found.processes import available_cores

DIFFERENT_PICTURES = 30
RAW, SMALL = (1280, 720), (320, 180)


def make_pictures(folder: Path, count: int) -> None:
    """Write pairs, some of which show the same picture."""
    for number in range(count):
        image = folder / f"bench_photos_{number // 5:06}_{number % 5}.jpg"
        image.with_suffix(".json").write_text('{"coordinates": [46.05, 14.51]}')
        if number >= DIFFERENT_PICTURES:
            same = number % DIFFERENT_PICTURES
            shutil.copyfile(folder / f"bench_photos_{same // 5:06}_{same % 5}.jpg", image)
            continue
        generator = np.random.default_rng(number)
        levels = generator.normal(0, 3, (RAW[1], RAW[0], 3))
        for cell in (4, 16, 64, 256):
            coarse = generator.integers(0, 256, (RAW[1] // cell + 2, RAW[0] // cell + 2, 3), dtype=np.uint8)
            levels += np.asarray(Image.fromarray(coarse).resize(RAW, Image.Resampling.BICUBIC)) * (
                cell**0.5 / 30
            )
        Image.fromarray(levels.clip(0, 255).astype(np.uint8)).save(image, quality=90)


def plain_resize(image: Path, destination: Path) -> None:
    """One pair, in the most obvious way."""
    with Image.open(image) as picture:
        picture.thumbnail(SMALL, Image.Resampling.LANCZOS)
        picture.save(destination / image.name, quality=JPEG_QUALITY, subsampling=0)
    shutil.copyfile(image.with_suffix(".json"), destination / image.with_suffix(".json").name)


def plain_measures(image: Path) -> tuple[float, float, str]:
    """The measures of one picture, in the most obvious way."""
    import imagehash

    with Image.open(image) as picture:
        grey = np.pad(np.asarray(picture.convert("L"), dtype=float), 1, mode="reflect")
        laplacian = grey[:-2, 1:-1] + grey[2:, 1:-1] + grey[1:-1, :-2] + grey[1:-1, 2:] - 4 * grey[1:-1, 1:-1]
        return max(ImageStat.Stat(picture).var), laplacian.var(), str(imagehash.phash(picture))


def plain_pool(function: Callable[[Path], object], images: list[Path]) -> None:
    """Run over all pictures in threads."""
    with ThreadPoolExecutor(available_cores()) as pool:
        list(pool.map(function, images))


def compare(name: str, count: int, ours: Callable[[], object], baseline: Callable[[], object]) -> None:
    """Time both and print images/s and their ratio."""
    rates = []
    for run in (ours, baseline):
        start = time.perf_counter()
        run()
        rates.append(count / (time.perf_counter() - start))
    print(
        f"{name:8} ours {rates[0]:6.0f} images/s   threads {rates[1]:6.0f}   ratio {rates[0] / rates[1]:.2f}"
    )


def main() -> None:
    """Make pictures in a temporary folder and compare."""
    # Not at the top, as every worker imports this script; a notebook's workers don't import the notebook.
    from lost_and_found.data_loader import find_pairs
    from lost_and_found.preparation.measures import measure_images
    from lost_and_found.preparation.resizing import resize_collection

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=5000)
    count = parser.parse_args().images
    with tempfile.TemporaryDirectory() as folder:
        raw, small, plain = (Path(folder, name) for name in ("raw", "small", "plain"))
        raw.mkdir()
        plain.mkdir()
        make_pictures(raw, count)
        images = sorted(raw.glob("*.jpg"))
        print(f"{count} pictures of {images[0].stat().st_size / 1000:.0f} kB, {available_cores()} cores")
        compare(
            "resize",
            count,
            lambda: resize_collection(raw, small, size=SMALL),
            lambda: plain_pool(lambda image: plain_resize(image, plain), images),
        )
        samples = list(find_pairs(small)[0].values())
        small_images = [sample.image for sample in samples]
        compare(
            "measure",
            count,
            lambda: measure_images(samples),
            lambda: plain_pool(plain_measures, small_images),
        )


if __name__ == "__main__":
    main()
