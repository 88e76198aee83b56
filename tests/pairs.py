"""Makes small pairs for tests."""

import io
from pathlib import Path

import numpy as np
from PIL import Image

from lost_and_found.data_lists import new_list, pin
from lost_and_found.samples import Sample, write_pair
from lost_and_found.workspace import ENRICH, Workspace


def noise_jpeg(seed: int, size: tuple[int, int] = (32, 18)) -> bytes:
    """An encoded picture that differs from those of other seeds."""
    noise = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(noise).save(buffer, "jpeg")
    return buffer.getvalue()


def make_pairs(folder: Path, count: int, *, countries: tuple[str, ...] = ("FR", "DE")) -> list[Sample]:
    """`count` pairs: five rounds per game, every third game multiplayer, the countries in turn."""
    folder.mkdir(parents=True, exist_ok=True)
    samples = []
    for number in range(count):
        mode = "multiplayer" if number // 5 % 3 == 2 else "singleplayer"
        code = countries[number % len(countries)]
        samples.append(
            write_pair(
                folder,
                f"practice_{mode}_game{number // 5:03d}_{number % 5}",
                image=noise_jpeg(number),
                suffix=".jpg",
                record={"coordinates": [10 + number / 100, 20.0], "country_code": code},
            )
        )
    return samples


def make_dataset(root: Path) -> Workspace:
    """A workspace with lists and pairs of the dataset "made", and some of a dataset with a longer name."""
    workspace = Workspace(root, "made")
    samples = make_pairs(workspace.output(ENRICH), 25)  # five games
    for split, some in ((".train", samples[:15]), (".val", samples[15:20]), (".test", samples[20:])):
        pin(workspace.list_path(split), new_list(some, "split"))
    assert (Path(samples[0].folder) / ".digests").exists()  # which is only valid on this machine
    pin(Workspace(root, "made-tiny").list_path(".train"), new_list(samples, "split"))
    return workspace
