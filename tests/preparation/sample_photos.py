"""Pictures that tests of this stage make for themselves, and runs of its steps that go wrong."""

import io
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
from PIL import Image


def photo(seed=0, size=(1280, 720)):
    """Smooth colours with coarse and fine texture, like a photograph's spectrum."""
    rng = np.random.default_rng(seed)
    total = np.zeros((size[1], size[0], 3))
    for cell in (8, 32, 128):
        coarse = rng.integers(0, 256, (size[1] // cell + 2, size[0] // cell + 2, 3), dtype=np.uint8)
        total += np.asarray(Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC), dtype=float)
    return Image.fromarray((total / 3 + rng.normal(0, 4, total.shape)).clip(0, 255).astype(np.uint8))


def encoded(image, image_format="JPEG", **options):
    buffer = io.BytesIO()
    image.save(buffer, image_format, **options)
    return buffer.getvalue()


def sample_id(number):
    return f"test_photos_game{number // 5:04}_{number % 5}"


def add_pair(folder: Path, name, image, record=None, suffix=".jpg"):
    """Write a pair; `image` is a picture or bytes, `record` a dict, bytes or None for a plain one."""
    folder.mkdir(parents=True, exist_ok=True)
    if isinstance(image, Image.Image):
        image = encoded(image, "JPEG" if suffix == ".jpg" else "PNG")
    if record is None:
        record = {"coordinates": [46.05, 14.51]}
    if not isinstance(record, bytes):
        record = json.dumps(record).encode()
    (folder / f"{name}{suffix}").write_bytes(image)
    (folder / f"{name}.json").write_bytes(record)


def run_with(fault, step, source, destination):
    """Run a step, for example "resizing.resize_collection", in a process that begins with a fault's code."""
    program = f"""{fault}
import sys
from pathlib import Path
from lost_and_found.preparation import enrichment, resizing
{step}(Path(sys.argv[1]), Path(sys.argv[2]), workers=1)
"""
    command = [sys.executable, "-c", program, source, destination]
    return subprocess.run(command, capture_output=True, text=True)


def room_for(size):
    """Code that limits the size of files. It stands in for a full disk: writes fail in the same place."""
    return f"import resource\nresource.setrlimit(resource.RLIMIT_FSIZE, ({size}, {size}))"


def killed_in_record(number):
    """Code that kills its process while it writes its JSON file number `number`, counted from 1."""
    return f"""
import os, signal, sys
left = [{number}]
def count(event, arguments):
    if event == "os.rename" and str(arguments[1]).endswith(".json"):
        left[0] -= 1
        if not left[0]:
            os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(count)
"""
