"""A small workspace as the notebooks of stage 2 leave it: enriched pairs and pinned splits."""

from pathlib import Path

from made_splits import COUNTRIES, write_samples

from lost_and_found.data_lists import new_list, pin
from lost_and_found.geo.regions import regions
from lost_and_found.samples import read_record, write_pair
from lost_and_found.workspace import Workspace

DATASET = "made"


def make_workspace(root: Path, *, count: int = 16) -> Workspace:
    """Every second picture is in the train split, every fourth in each of the others; countries in turn,
    one region of each."""
    workspace = Workspace(root, DATASET)
    places = regions().drop_duplicates("country_code").set_index("country_code")
    folder = workspace.output("2-data-preparation/02-enrich-records")
    samples = []
    for number, drawn in enumerate(write_samples(root / "drawn", count=count)):
        place = places.loc[COUNTRIES[number // 4 % len(COUNTRIES)]]
        record = {"country_code": place.name, "region": place["region"]}
        record["coordinates"] = [place["lat"], place["lon"]]
        picture = drawn.image.read_bytes()
        samples.append(write_pair(folder, drawn.id, image=picture, suffix=".png", record=record))
    parts = {".train": samples[0::2], ".val": samples[1::4], ".test": samples[3::4]}
    for name, part in parts.items():
        codes = [read_record(sample.record)["country_code"] for sample in part]
        pin(workspace.list_path(name), new_list(part, "split", country_codes=codes))
    return workspace
