"""The pictures of the quiz: those of a pinned list, with the countries that they show."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from math import isnan
from pathlib import Path

import numpy as np
from PIL import Image

from lost_and_found.data_lists import read_list
from lost_and_found.data_loader import load_pinned, records_table
from lost_and_found.errors import MissingInput
from lost_and_found.preparation.splitting import groups_of_list
from lost_and_found.training.decoding import decode
from lost_and_found.workspace import ENRICH, Workspace

PICTURES_IN_MEMORY = 512


@dataclass(frozen=True)
class Item:
    """A picture to be located.

    Attributes:
        id: of the sample; never leaves the server.
        path: of the picture.
        country_code: the answer.
        coordinates: (lat, lon) in degrees, where they are known.
        scene: a number that it shares with pictures of the same game, group or place, see `groups_of_list`.
    """

    id: str
    path: Path
    country_code: str
    coordinates: tuple[float, float] | None
    scene: int


@dataclass(frozen=True)
class Deck:
    """The items of a list.

    Attributes:
        name: of the list.
        digest: of the list, which identifies its content.
        items: by id, in the order of the list.
    """

    name: str
    digest: str
    items: Mapping[str, Item] = field(repr=False)

    def __len__(self) -> int:
        return len(self.items)

    def order(self, seed: int) -> Iterator[str]:
        """All ids, shuffled: one order for each seed, whatever the machine."""
        ids = list(self.items)
        return (ids[place] for place in np.random.default_rng(seed).permutation(len(ids)))


def load_deck(workspace: Workspace, list_name: str) -> Deck:
    """The pictures of `data-lists/<list_name>.txt`, each checked to be the one that was pinned.

    Raises:
        MissingInput: no such list, or records without a country.
        ListMismatch: pictures are missing or changed.
        BrokenSample: a record can't be read.
    """
    path = workspace.lists / f"{list_name}.txt"
    pinned = read_list(path)
    samples = load_pinned(workspace.input(ENRICH), path)
    records = records_table(samples)
    if nowhere := records.loc[~records["country_code"].astype(bool), "id"].tolist():
        raise MissingInput(
            f"{len(nowhere)} of {len(samples)} records of {path} have no country, such as {nowhere[0]}; run "
            f"{ENRICH}.ipynb, or choose a list that was made after it"
        )
    points = records[["lat", "lon"]].to_numpy().tolist()
    parts = zip(
        samples, records["country_code"], points, groups_of_list(records, pinned).tolist(), strict=True
    )
    items = {
        sample.id: Item(sample.id, sample.image, code, None if isnan(lat) else (lat, lon), scene)
        for sample, code, (lat, lon), scene in parts
    }
    return Deck(list_name, pinned.digest, items)


@lru_cache(maxsize=PICTURES_IN_MEMORY)
def encode_picture(path: Path, size: tuple[int, int]) -> bytes:
    """The picture as PNG with its pixels and nothing else: no name, no metadata.

    Args:
        path: of the picture.
        size: (width, height) in pixels; it is shrunk as for a model that takes this size.

    Raises:
        BrokenSample: it can't be read.
    """
    width, height = size
    image = Image.fromarray(decode(path, width=width, height=height).transpose(1, 2, 0))
    file = io.BytesIO()
    image.save(file, "PNG", compress_level=6)
    return file.getvalue()
