import dataclasses
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
import pytest
from made_splits import DIGEST, table_of, write_samples
from PIL import Image

from lost_and_found.data_lists import new_list, pin
from lost_and_found.data_loader import records_table
from lost_and_found.errors import BrokenSample, InvalidConfig, LeakyList, ListMismatch, MissingInput
from lost_and_found.samples import Sample
from lost_and_found.training import pixel_cache
from lost_and_found.training.decoding import decode
from lost_and_found.training.pixel_cache import (
    CacheSpec,
    cache_list,
    cache_pixels,
    cache_split,
    cache_splits,
    read_cache,
)
from lost_and_found.training.splits import as_tensor
from lost_and_found.workspace import ENRICH, Workspace

SPEC = CacheSpec(list_name="made.train", list_digest=DIGEST, width=64, height=40)


def test_a_cache_holds_what_plain_decoding_gives(make_samples, tmp_path):
    samples = make_samples(5)
    cache = cache_pixels(samples, table_of(samples), folder=tmp_path, spec=SPEC)
    plain = [Image.open(sample.image).resize((64, 40), Image.Resampling.BILINEAR) for sample in samples]
    assert cache.pixels.dtype == np.uint8
    np.testing.assert_array_equal(
        cache.pixels, np.stack([np.asarray(one) for one in plain]).transpose(0, 3, 1, 2)
    )
    assert cache.ids == [sample.id for sample in samples]


def test_several_processes_give_what_one_gives(make_samples, tmp_path, monkeypatch):
    samples, made = make_samples(70), []
    for cores in (1, 2):
        monkeypatch.setattr("lost_and_found.processes.available_cores", lambda cores=cores: cores)
        made.append(cache_pixels(samples, table_of(samples), folder=tmp_path / str(cores), spec=SPEC))
    np.testing.assert_array_equal(made[0].pixels, made[1].pixels)


def test_shrinking_averages_a_fine_pattern_away(tmp_path):
    stripes = np.zeros((320, 320, 3), np.uint8)
    stripes[:, ::2] = 255
    Image.fromarray(stripes).save(tmp_path / "stripes.png")
    inner = decode(tmp_path / "stripes.png", width=64, height=64)[:, 2:-2, 2:-2].astype(int)
    assert np.ptp(inner) < 30
    assert inner.mean() == pytest.approx(127.5, abs=3)


def test_the_table_comes_back_as_it_was(make_samples, tmp_path):
    samples = make_samples(4)
    table = table_of(samples).assign(
        lon=[0.1 + 0.2, np.nan, -180.0, 1e-17],
        region=["Île", None, 'a,"b', "NA"],
        game=["a\rb", "\n", " ", "\t"],
    )
    cache = cache_pixels(samples, table, folder=tmp_path, spec=SPEC)
    assert cache.table["country_code"].tolist() == ["NA", "FR", "JP", "BR"]
    assert cache.table["region"].tolist() == ["Île", None, 'a,"b', "NA"]
    assert cache.table["game"].tolist() == ["a\rb", "\n", " ", "\t"]
    np.testing.assert_array_equal(cache.table["lon"], table["lon"])


def test_a_second_call_reads_and_takes_corrected_labels(make_samples, tmp_path):
    samples = make_samples(4)
    cache_pixels(samples, table_of(samples), folder=tmp_path, spec=SPEC)
    for sample in samples:
        sample.image.unlink()
    corrected = table_of(samples).assign(country_code="XK")
    assert set(cache_pixels(samples, corrected, folder=tmp_path, spec=SPEC).table["country_code"]) == {"XK"}
    assert set(read_cache(tmp_path / SPEC.folder_name).table["country_code"]) == {"XK"}


def test_a_cache_of_another_list_is_refused(make_samples, tmp_path):
    samples = make_samples(4)
    cache_pixels(samples, table_of(samples), folder=tmp_path, spec=SPEC)
    place = tmp_path / SPEC.folder_name
    with pytest.raises(ListMismatch, match="delete it and run again"):
        read_cache(place, spec=dataclasses.replace(SPEC, list_digest="f" * 32))
    with pytest.raises(ListMismatch, match="other samples"):
        cache_pixels(samples[::-1], table_of(samples[::-1]), folder=tmp_path, spec=SPEC)


def test_a_table_that_is_not_of_the_samples_is_refused(make_samples, tmp_path):
    samples = make_samples(4)
    with pytest.raises(ListMismatch, match="not the samples' ids"):
        cache_pixels(samples, table_of(samples[::-1]), folder=tmp_path, spec=SPEC)


def test_an_empty_list_is_refused(tmp_path):
    with pytest.raises(InvalidConfig, match="empty"):
        cache_pixels([], pd.DataFrame({"id": []}), folder=tmp_path, spec=SPEC)


@pytest.mark.parametrize("end", [-1, 0])
def test_a_cache_that_is_cut_short_or_emptied_is_refused(make_samples, tmp_path, end):
    samples = make_samples(4)
    file = cache_pixels(samples, table_of(samples), folder=tmp_path, spec=SPEC).folder / "pixels.npy"
    content = file.read_bytes()
    file.unlink()  # while the cache is mapped, its file must not shrink
    file.write_bytes(content[:end])
    with pytest.raises(ListMismatch, match="damaged"):
        read_cache(file.parent)


@pytest.mark.parametrize("damage", ["a record less", "another size", "other numbers"])
def test_a_cache_whose_files_do_not_fit_each_other_is_refused(make_samples, tmp_path, damage):
    samples = make_samples(4)
    cache = cache_pixels(samples, table_of(samples), folder=tmp_path, spec=SPEC)
    pixels, labels = np.array(cache.pixels), cache.folder / "labels.csv"
    if damage == "a record less":
        labels.write_text("".join(labels.read_text().splitlines(keepends=True)[:-1]))
    else:
        (cache.folder / "pixels.npy").unlink()  # while the cache is mapped, its file must not change
        other = pixels[:, :, 1:] if damage == "another size" else pixels.astype(np.int8)
        np.save(cache.folder / "pixels.npy", other)
    with pytest.raises(ListMismatch, match=r"damaged .* for [34] records of .*; delete it and run again"):
        read_cache(cache.folder)


def test_a_cache_larger_than_the_memory_is_read_from_its_file(make_samples, tmp_path):
    samples = make_samples(2)
    spec = dataclasses.replace(SPEC, width=200_000)
    spec = dataclasses.replace(spec, height=psutil.virtual_memory().total // spec.width)
    place = tmp_path / spec.folder_name
    place.mkdir()
    shape = (len(samples), 3, spec.height, spec.width)
    pixels = np.lib.format.open_memmap(place / "pixels.npy", mode="w+", dtype=np.uint8, shape=shape)
    pixels[1, 2, -1, -1] = 7  # the rest is a hole in the file
    table_of(samples).to_csv(place / "labels.csv", index=False)
    (place / "cache.json").write_text(json.dumps(dataclasses.asdict(spec)))
    read = as_tensor(read_cache(place, spec=spec).pixels)
    assert tuple(read.shape) == shape
    assert read[1, 2, -1, -2:].tolist() == [0, 7]


def test_a_pinned_list_is_cached_with_its_records_in_its_order(make_samples, tmp_path):
    samples = make_samples(4)
    for sample, code in zip(samples, ("NA", "FR", "JP", "BR"), strict=True):
        sample.record.write_text(f'{{"country_code": "{code}", "coordinates": [1.5, 2.25]}}')
    pinned = pin(tmp_path / "made.val.txt", new_list(samples[::-1], "test"))
    where = {
        "samples_folder": tmp_path / "pictures",
        "folder": tmp_path / "pixels",
        "width": 64,
        "height": 40,
    }
    cache = cache_list(tmp_path / "made.val.txt", **where)
    assert cache.ids == pinned.ids == [sample.id for sample in samples[::-1]]
    assert cache.table["country_code"].tolist() == ["BR", "JP", "FR", "NA"]
    assert (cache.spec.list_name, cache.spec.list_digest) == ("made.val", pinned.digest)
    with pytest.raises(MissingInput):
        cache_list(tmp_path / "made.test.txt", **where)


@pytest.fixture
def workspace(tmp_path):
    """Four enriched pairs of the pinned list "made.val", cached."""
    workspace = Workspace(tmp_path / "root", "made")
    samples = write_samples(workspace.output(ENRICH), count=4)
    for sample in samples:
        sample.record.write_text('{"country_code": "FR"}')
    pin(workspace.list_path(".val"), new_list(samples, "split"))
    split(workspace)
    return workspace


def split(workspace, **size):
    size = {"width": 64, "height": 40} | size
    return cache_split(workspace, ".val", folder=workspace.root / "pixels", **size)


def test_records_of_a_warm_cache_are_read_again_only_if_one_has_changed(workspace, monkeypatch):
    read = []
    monkeypatch.setattr(
        pixel_cache, "records_table", lambda samples: read.append(1) or records_table(samples)
    )
    assert set(split(workspace).table["country_code"]) == {"FR"}
    assert read == []
    (workspace.input(ENRICH) / "made_test_game2_0.json").write_text('{"country_code": "JP"}')
    assert split(workspace).table["country_code"].tolist() == ["FR", "FR", "JP", "FR"]
    assert read == [1]


def test_stamps_that_another_process_removes_just_now_are_written_again(workspace, monkeypatch):
    read = Path.read_text

    def too_late(path, **options):
        if path.name == pixel_cache.STAMPS:
            path.unlink()
        return read(path, **options)

    with monkeypatch.context() as another:
        another.setattr(Path, "read_text", too_late)
        split(workspace)
    assert len([*workspace.root.glob(f"pixels/*/{pixel_cache.STAMPS}")]) == 1


def test_pictures_of_a_warm_cache_are_not_looked_at_again(workspace):
    before = split(workspace).pixels.copy()
    for picture in workspace.input(ENRICH).glob("*.png"):
        picture.write_bytes(b"gone bad")
    np.testing.assert_array_equal(split(workspace).pixels, before)


def test_a_record_that_is_gone_is_named_whatever_is_cached(workspace):
    (workspace.input(ENRICH) / "made_test_game2_0.json").unlink()
    with pytest.raises(ListMismatch, match=r"made_test_game2_0 \(record missing\)"):
        split(workspace)


def test_samples_in_several_folders_are_read_each_time(workspace):
    folder = workspace.input(ENRICH) / "inner"
    folder.mkdir()
    for file in workspace.input(ENRICH).glob("made_test_game1_0.*"):
        file.rename(folder / file.name)
    split(workspace)
    (folder / "made_test_game1_0.json").write_text('{"country_code": "JP"}')
    assert split(workspace).table["country_code"].tolist() == ["FR", "JP", "FR", "FR"]


def test_a_cache_can_stand_alone_but_only_for_its_own_list_and_size(workspace):
    before = split(workspace)
    shutil.rmtree(workspace.root / ENRICH)
    np.testing.assert_array_equal(split(workspace).pixels, before.pixels)
    with pytest.raises(MissingInput, match=r"run 2-data-preparation/02-enrich-records\.ipynb"):
        split(workspace, width=80)


def test_splits_that_share_samples_are_refused(workspace):
    samples = [workspace.input(ENRICH) / f"made_test_game{number}_0.png" for number in range(4)]
    of = {".train": [2, 3], ".test": [0, 1]}  # and all four are in ".val"
    for name, numbers in of.items():
        chosen = [Sample(samples[one].stem, str(samples[one].parent), ".png") for one in numbers]
        pin(workspace.list_path(name), new_list(chosen, "split"))
    with pytest.raises(LeakyList, match=r"made\.train shares 2 samples with made\.val \(made_test_game2_0, "):
        cache_splits(workspace, folder=workspace.root / "pixels", width=64, height=40)


def test_a_missing_cache_is_named(tmp_path):
    with pytest.raises(MissingInput, match="01-train-model"):
        read_cache(tmp_path / "nothing")


def test_what_is_left_of_a_copy_stopped_half_way_is_to_be_deleted(workspace):
    (of_cache,) = workspace.root.glob("pixels/*/cache.json")
    of_cache.unlink()
    with pytest.raises(MissingInput, match=r"is not a pixel cache; delete it and run 3-training/01-train-"):
        split(workspace)


def test_a_broken_picture_is_named_and_leaves_no_cache(make_samples, tmp_path):
    samples = make_samples(4)
    samples[2].image.write_bytes(samples[2].image.read_bytes()[:300])
    with pytest.raises(BrokenSample, match=rf"{samples[2].image.name}.*04-clean-list"):
        cache_pixels(samples, table_of(samples), folder=tmp_path / "pixels", spec=SPEC)
    assert not [path for path in (tmp_path / "pixels").iterdir() if path.is_dir()]


BUILD = """
import resource, sys, time
from pathlib import Path
from made_splits import cache_of
from lost_and_found.samples import Sample

folder = Path(sys.argv[1])
samples = [Sample(f"made_test_game{{number}}_0", str(folder / "pictures"), ".png") for number in range(3)]

def incident(event, arguments):
    if event == "open" and str(arguments[0]).endswith(samples[2].image_name):
        {incident}

sys.addaudithook(incident)
cache_of(samples, folder=folder / "pixels")
"""


def build_with(incident, folder):
    """A process that caches three pictures; the incident occurs when it opens the third."""
    command = [sys.executable, "-c", BUILD.format(incident=incident), str(folder)]
    return subprocess.Popen(command, cwd=Path(__file__).parent, stderr=subprocess.PIPE, text=True)


def test_a_killed_build_leaves_nothing_that_looks_whole_and_is_made_again(make_samples, tmp_path):
    samples = make_samples(3)
    process = build_with("print('third', file=sys.stderr, flush=True); time.sleep(60)", tmp_path)
    assert any("third" in line for line in process.stderr)
    process.kill()
    process.communicate()
    unfinished = tmp_path / "pixels" / f".{SPEC.folder_name}.tmp"
    assert unfinished.is_dir()
    assert not (tmp_path / "pixels" / SPEC.folder_name).exists()

    cache = cache_pixels(samples, table_of(samples), folder=tmp_path / "pixels", spec=SPEC)
    assert len(cache) == 3
    assert not unfinished.exists()


def test_a_disk_that_fills_up_within_a_picture_is_named_and_leaves_no_cache(make_samples, tmp_path):
    make_samples(3)
    room = 128 + int(2.5 * 3 * SPEC.width * SPEC.height)  # header, two pictures and a half
    process = build_with(f"resource.setrlimit(resource.RLIMIT_FSIZE, ({room}, {room}))", tmp_path)
    _, errors = process.communicate()
    assert "StorageFull" in errors
    assert "free some space and run again" in errors
    assert not [path for path in (tmp_path / "pixels").iterdir() if path.is_dir()]


def test_the_module_that_workers_import_does_without_torch_and_pandas():
    code = (
        "import sys, lost_and_found.training.decoding; sys.exit(bool({'torch', 'pandas'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_cache_knows_how_large_the_pictures_were_that_it_was_made_of(make_samples, tmp_path):
    samples = make_samples(3)
    Image.new("RGB", (700, 20)).save(samples[1].image)
    Image.new("RGB", (30, 800)).save(samples[2].image)
    cache = cache_pixels(samples, table_of(samples), folder=tmp_path, spec=SPEC)
    assert cache.copy_size == (700, 800) == read_cache(cache.folder).copy_size


@pytest.mark.parametrize("change", [{"width": ...}, {"colour": "grey"}, {"copy_size": 320}])
def test_a_cache_with_an_edited_description_is_an_error_that_names_it(make_samples, tmp_path, change):
    samples = make_samples(2)
    cache = cache_pixels(samples, table_of(samples), folder=tmp_path, spec=SPEC)
    description = json.loads((cache.folder / "cache.json").read_text()) | change
    kept = {name: value for name, value in description.items() if value is not ...}
    (cache.folder / "cache.json").write_text(json.dumps(kept))
    with pytest.raises(MissingInput, match=r"cache\.json is damaged .*; delete .* and run again"):
        read_cache(cache.folder)


def test_a_cache_that_does_not_say_how_large_they_were_was_made_of_usual_copies(make_samples, tmp_path):
    samples = make_samples(2)
    cache = cache_pixels(samples, table_of(samples), folder=tmp_path, spec=SPEC)
    description = json.loads((cache.folder / "cache.json").read_text())
    del description["copy_size"]
    (cache.folder / "cache.json").write_text(json.dumps(description))
    assert read_cache(cache.folder).copy_size == (320, 180)
