"""Time to list, pair, filter, shuffle and pin 332,786 samples, and to resolve the pinned list again.

Run with `python benchmarks/data_loader.py [--pairs N] [--folder FOLDER]`. The baseline is the plain way:
`glob`, `Path` objects, one `hashlib` call per file in one process. Both work on the same files (1 KB images).
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PUBLISHED_PAIRS = 332_786
IMAGE_BYTES = 1_000


def make_pairs(folder: Path, count: int) -> None:
    """Write `count` pairs whose images are noise: only names, sizes and bytes matter here."""
    generator = random.Random(0)
    for number in range(count):
        mode = "multiplayer" if number % 20 == 0 else "singleplayer"
        stem = f"{folder}/geoguessr_{mode}_{generator.getrandbits(80):016x}_{number % 5}"
        with open(f"{stem}.jpg", "wb") as image, open(f"{stem}.json", "w") as record:  # noqa: PTH123
            image.write(generator.randbytes(IMAGE_BYTES))
            json.dump({"coordinates": [48.0, 11.0], "country_code": ("DE", "FR")[number % 2]}, record)


def baseline(folder: Path, list_path: Path) -> None:
    """List, pair, filter, shuffle and pin in the most obvious way."""
    images = {path.stem: path for path in folder.glob("*.jpg")}
    records = {path.stem: path for path in folder.glob("*.json")}
    ids = sorted(one for one in images if one in records and "_singleplayer_" in one)
    random.Random(0).shuffle(ids)
    lines = [f"{one}\t{hashlib.sha256(images[one].read_bytes()).hexdigest()}\n" for one in ids]
    list_path.write_text("".join(lines))


def ours(folder: Path, list_path: Path) -> int:
    """The same through the loader: pins at the first call and resolves at later ones."""
    from lost_and_found.data_loader import Selection, load_samples

    selection = Selection(mode="singleplayer", shuffle_seed=0)
    return len(load_samples(folder, selection=selection, pinned=list_path))


def timed(step: str, folder: Path, list_path: Path) -> float:
    """Seconds that one step takes in its own process, without imports; prints its peak memory."""
    output = subprocess.run(
        [sys.executable, __file__, "--step", step, "--folder", str(folder), "--list", str(list_path)],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    ).stdout
    seconds, mebibytes = map(float, output.split())
    print(f"{step:>10}: {seconds:6.2f} s, peak {mebibytes:5.0f} MiB (largest process)", flush=True)
    return seconds


def run_step(step: str, folder: Path, list_path: Path) -> None:
    """Do one step and print seconds and MiB."""
    import lost_and_found.data_loader  # noqa: F401  so that the import isn't timed

    start = time.perf_counter()
    baseline(folder, list_path) if step == "baseline" else ours(folder, list_path)
    seconds = time.perf_counter() - start
    kibibytes = max(
        resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    print(seconds, kibibytes / 1024)


def main() -> None:
    """Compare in one run and print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=PUBLISHED_PAIRS)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--list", type=Path)
    parser.add_argument("--step", choices=["baseline", "pin", "resolve"])
    arguments = parser.parse_args()
    if arguments.step:
        run_step(arguments.step, arguments.folder, arguments.list)
        return
    if arguments.folder:
        arguments.folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=arguments.folder) as temporary:
        folder = Path(temporary, "samples")
        folder.mkdir()
        make_pairs(folder, arguments.pairs)
        print(f"{arguments.pairs:,} pairs with images of {IMAGE_BYTES:,} bytes")
        slow = timed("baseline", folder, Path(temporary, "baseline.txt"))
        pinned = timed("pin", folder, Path(temporary, "ours.txt"))
        resolved = timed("resolve", folder, Path(temporary, "ours.txt"))
        print(f"baseline / pin = {slow / pinned:.2f}, baseline / resolve = {slow / resolved:.2f}")


if __name__ == "__main__":
    main()
