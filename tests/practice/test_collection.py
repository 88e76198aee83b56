"""A folder of practice samples."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image

from lost_and_found.errors import BrokenSample, InvalidConfig, MissingInput
from lost_and_found.practice.collection import encode_round, render_collection
from lost_and_found.practice.places import draw_places
from lost_and_found.samples import read_image, read_record, write_pair
from lost_and_found.workspace import UNFINISHED
from tests.pairs import noise_jpeg

COUNT, SEED = 12, 4


def digests(folder):
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.iterdir()
        if path.is_file()
    }


def digests_of_pairs(folder):
    return {name: value for name, value in digests(folder).items() if not name.startswith(".")}


@pytest.fixture(scope="module")
def collection(tmp_path_factory):
    folder = tmp_path_factory.mktemp("practice") / "raw"
    return render_collection(folder, count=COUNT, seed=SEED, workers=1)


def first_with(defect):
    return next(round_ for round_ in draw_places(1500, seed=0) if round_.defect == defect)


def test_each_round_is_a_pair_that_says_practice_and_no_country(collection):
    assert (collection.collected, collection.rendered, collection.kept) == (0, COUNT, 0)
    rounds = draw_places(COUNT, seed=SEED)
    for round_ in rounds:
        record = read_record(collection.folder / f"{round_.id}.json")
        assert record == {
            "coordinates": [round_.place.lat, round_.place.lon],
            "duration": round_.duration_s,
            "source": "practice",
        }
    assert len(list(collection.folder.iterdir())) == 2 * COUNT
    assert sum(collection.rounds_by_country.values()) == COUNT


def test_a_second_run_renders_nothing_and_repairs_half_pairs(collection):
    before = digests(collection.folder)
    stamps = {path: path.stat().st_mtime_ns for path in collection.folder.iterdir()}
    again = render_collection(collection.folder, count=COUNT, seed=SEED, workers=1)
    assert (again.rendered, again.kept) == (0, COUNT)
    assert {path: path.stat().st_mtime_ns for path in collection.folder.iterdir()} == stamps

    next(collection.folder.glob("*.jpg")).unlink()
    next(iter(sorted(collection.folder.glob("*.json"), reverse=True))).unlink()
    (collection.folder / ".half.jpg.1.tmp").write_bytes(b"half")
    repaired = render_collection(collection.folder, count=COUNT, seed=SEED, workers=1)
    assert repaired.rendered in (1, 2)
    assert digests(collection.folder) == before


def test_another_collection_is_not_mixed_in(collection):
    with pytest.raises(InvalidConfig, match="another"):
        render_collection(collection.folder, count=COUNT, seed=SEED + 1, workers=1)
    with pytest.raises(InvalidConfig, match="another"):
        render_collection(collection.folder, count=COUNT + 5, seed=SEED, workers=1)


@pytest.fixture
def game(tmp_path):
    """A folder as collecting from the game leaves it: three rounds, and the collector's own files."""
    folder = tmp_path / "game"
    (folder / ".collect").mkdir(parents=True)
    (folder / ".collect" / "log.jsonl").touch()
    for turn in range(3):
        collect_round(folder, turn)
    return folder


def collect_round(folder, turn):
    record = {"coordinates": [46.05, 14.51], "duration": 2.5 + turn, "source": "practice"}
    image = noise_jpeg(turn, size=(64, 36))
    return write_pair(folder, f"practice_singleplayer_Game_{turn}", image=image, suffix=".jpg", record=record)


def test_what_was_collected_from_the_game_is_added_and_topped_up(game, tmp_path):
    folder = tmp_path / "raw"
    summary = render_collection(folder, count=8, seed=SEED, collected=game, workers=1)
    assert (summary.collected, summary.rendered, summary.kept) == (3, 5, 0)
    assert sum(summary.rounds_by_country.values()) == 5
    collected = digests_of_pairs(game)
    drawn = {f"{one.id}{ending}" for one in draw_places(8, seed=SEED)[3:] for ending in (".jpg", ".json")}
    assert digests_of_pairs(folder).keys() == collected.keys() | drawn
    assert collected.items() <= digests_of_pairs(folder).items()
    assert all((folder / name).samefile(game / name) for name in collected)

    again = render_collection(folder, count=8, seed=SEED, collected=game, workers=1)
    assert (again.collected, again.rendered, again.kept) == (0, 0, 8)


def test_more_may_be_collected_later_and_half_a_pair_is_completed(game, tmp_path):
    folder = tmp_path / "raw"
    render_collection(folder, count=6, seed=SEED, collected=game, workers=1)
    collect_round(game, 3)
    (folder / "practice_singleplayer_Game_0.json").unlink()
    summary = render_collection(folder, count=6, seed=SEED, collected=game, workers=1)
    assert (summary.collected, summary.rendered, summary.kept) == (2, 0, 5)
    assert digests_of_pairs(game).items() <= digests_of_pairs(folder).items()
    assert len(digests_of_pairs(folder)) == 2 * 7


def test_more_collected_than_wanted_leaves_nothing_to_draw(game, tmp_path):
    summary = render_collection(tmp_path / "raw", count=2, seed=SEED, collected=game, workers=1)
    assert (summary.collected, summary.rendered, summary.rounds_by_country) == (3, 0, {})


def test_half_a_pair_from_the_game_is_not_added(game, tmp_path):
    (game / "practice_singleplayer_Game_1.json").unlink()
    summary = render_collection(tmp_path / "raw", count=3, seed=SEED, collected=game, workers=1)
    assert (summary.collected, summary.rendered) == (2, 1)


def test_another_collection_from_the_game_is_not_mixed_in(game, tmp_path):
    folder = tmp_path / "raw"
    render_collection(folder, count=4, seed=SEED, collected=game, workers=1)
    before = digests(folder)
    with pytest.raises(InvalidConfig, match="another"):
        render_collection(folder, count=4, seed=SEED, workers=1)
    collect_round(game, 2).image.write_bytes(b"another picture")
    (folder / "practice_singleplayer_Game_2.jpg").unlink()
    (folder / "practice_singleplayer_Game_2.jpg").write_bytes(b"the picture before")
    with pytest.raises(InvalidConfig, match=r"Game_2\.jpg differs from .* delete .*raw to fill it again"):
        render_collection(folder, count=4, seed=SEED, collected=game, workers=1)
    (folder / "practice_singleplayer_Game_2.jpg").unlink()
    assert digests(folder).items() <= before.items()


def test_a_collection_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(MissingInput, match="not a folder"):
        render_collection(tmp_path / "raw", count=1, seed=SEED, collected=tmp_path / "absent", workers=1)
    assert not (tmp_path / "raw").exists()


def test_two_processes_write_the_same_files_as_one(collection, tmp_path):
    render_collection(tmp_path, count=COUNT, seed=SEED, workers=2)
    assert digests(tmp_path) == digests(collection.folder)


def test_pictures_carry_the_comment_practice(collection):
    for path in sorted(collection.folder.glob("*.jpg"))[:3]:
        with Image.open(path) as image:
            assert (image.info["comment"], image.format) == (b"practice", "JPEG")


def write(tmp_path, round_):
    path = tmp_path / "scene.jpg"
    path.write_bytes(encode_round(round_))
    return path


def test_dark_and_black_scenes_have_little_variance(tmp_path):
    for defect in ("dark", "black"):
        image = np.asarray(read_image(write(tmp_path, first_with(defect))).reduce(4), dtype=float)
        assert image.var(axis=(0, 1)).max() < 300


def test_blurred_scenes_have_a_small_laplacian(tmp_path):
    def laplacian_variance(round_):
        grey = np.asarray(read_image(write(tmp_path, round_)).convert("L").reduce(4), dtype=float)
        inner = grey[1:-1, 1:-1] * -4 + grey[:-2, 1:-1] + grey[2:, 1:-1] + grey[1:-1, :-2] + grey[1:-1, 2:]
        return inner.var()

    assert laplacian_variance(first_with("blurred")) < 30 < laplacian_variance(first_with(""))


def test_truncated_files_are_broken(tmp_path):
    with pytest.raises(BrokenSample, match="damaged"):
        read_image(write(tmp_path, first_with("truncated")))


def test_a_duplicate_has_the_same_bytes_as_its_twin():
    copy = first_with("duplicate")
    twin = next(round_ for round_ in draw_places(1500, seed=0) if round_.place == copy.place)
    assert twin.id != copy.id
    assert encode_round(twin) == encode_round(copy)


@pytest.mark.skipif(os.name != "posix", reason="needs SIGKILL")
def test_a_killed_process_leaves_no_half_written_file(tmp_path):
    code = (
        "from pathlib import Path; from lost_and_found.practice.collection import render_collection as r; "
        f"r(Path({str(tmp_path)!r}), count=400, seed=1, workers=1)"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.DEVNULL)
    until = time.monotonic() + 60
    while len(list(tmp_path.glob("*.jpg"))) < 3 and time.monotonic() < until:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert (tmp_path / UNFINISHED).exists()
    defects = {round_.id: round_.defect for round_ in draw_places(400, seed=1)}
    whole = [path for path in tmp_path.glob("*.jpg") if defects[path.stem] != "truncated"]
    assert whole
    for path in whole:
        read_image(path)
    for path in tmp_path.glob("*.json"):
        assert json.loads(path.read_text())["source"] == "practice"
