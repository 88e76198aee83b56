"""Listing, filtering, order, pinning and what happens when files are missing or changed."""

import functools
import hashlib
import json
import os
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lost_and_found import digests
from lost_and_found.data_lists import new_list, pin, read_list, sublist
from lost_and_found.data_loader import Selection, find_pairs, load_pinned, load_samples, records_table
from lost_and_found.errors import BrokenSample, InvalidConfig, ListMismatch, MissingInput
from lost_and_found.processes import map_in_processes
from lost_and_found.samples import read_record, write_pair
from tests.pairs import make_pairs, noise_jpeg


@pytest.fixture
def folder(tmp_path):
    make_pairs(tmp_path / "samples", 20)
    return tmp_path / "samples"


@pytest.fixture
def list_path(tmp_path):
    return tmp_path / "lists.txt"


def ids(samples):
    return [sample.id for sample in samples]


def test_all_pairs_come_sorted_by_id(folder):
    loaded = ids(load_samples(folder))
    assert len(loaded) == 20
    assert loaded == sorted(loaded)


@pytest.mark.parametrize(
    ("selection", "expected"),
    [
        (Selection(text="game001"), 5),
        (Selection(mode="multiplayer"), 5),
        (Selection(mode="multi"), None),
        (Selection(countries=frozenset({"FR"})), 10),
        (Selection(mode="singleplayer", countries=frozenset({"DE"})), 8),
        (Selection(predicate=lambda sample, record: record["coordinates"][0] < 10.03), 3),
        (Selection(limit=4), 4),
        (Selection(text="absent"), None),
    ],
)
def test_filters_keep_what_fits(folder, selection, expected):
    if expected is None:
        with pytest.raises(MissingInput, match="none of which matches"):
            load_samples(folder, selection=selection)
    else:
        assert len(load_samples(folder, selection=selection)) == expected


def test_half_pairs_are_not_loaded_and_are_named(folder):
    (folder / "practice_singleplayer_game000_0.jpg").unlink()
    (folder / "practice_singleplayer_game000_1.json").unlink()
    (folder / "below").mkdir()
    (folder / "practice_singleplayer_game000_2.json").rename(
        folder / "below" / "practice_singleplayer_game000_2.json"
    )
    pairs, halves = find_pairs(folder)
    assert len(pairs) == 17
    assert halves == {
        "practice_singleplayer_game000_0": "image missing",
        "practice_singleplayer_game000_1": "record missing",
        "practice_singleplayer_game000_2": "image missing",  # beside the record
    }


def test_halves_that_are_left_out_are_warned_of(folder):
    (folder / "practice_singleplayer_game000_1.json").unlink()
    with pytest.warns(UserWarning, match=r"1 halves .*game000_1 \(record missing\)"):
        assert len(load_samples(folder)) == 19


def test_other_and_hidden_files_are_no_samples(folder):
    (folder / ".trash").mkdir()
    for name in (
        *("rejected.csv", "import.json", ".digests", ".practice_m_g_0.jpg.12.tmp"),
        *(".trash/practice_m_g_0.jpg", "._practice_m_g_0.jpg", "._practice_m_g_0.json"),  # as macOS leaves
    ):
        (folder / name).write_text("{}")
    pairs, halves = find_pairs(folder)
    assert len(pairs) == 20
    assert not halves


@given(st.integers(0, 2**32), st.permutations(range(30)))
def test_order_shuffle_and_limit_depend_on_the_ids_alone(seed, order):
    names = [f"s_m_game{number}_0" for number in range(30)]
    shuffled = Selection(shuffle_seed=seed, limit=10)
    assert shuffled.order([names[place] for place in order]) == shuffled.order(names)


def test_a_shuffle_goes_by_its_seed_and_a_limit_takes_its_first_ids():
    names = [f"s_m_game{number:02}_0" for number in range(30)]
    first, second = (Selection(shuffle_seed=seed).order(names) for seed in (1, 2))
    assert sorted(first) == sorted(second) == names
    assert names != first != second != names
    assert Selection(shuffle_seed=1, limit=10).order(names) == first[:10]


def test_a_nested_folder_gives_the_same_order_as_a_flat_one(folder, tmp_path):
    for sample in load_samples(folder):
        nested = tmp_path / "nested" / sample.id[-1] / "deep"
        nested.mkdir(parents=True, exist_ok=True)
        (nested / sample.image.name).write_bytes(sample.image.read_bytes())
        (nested / sample.record.name).write_bytes(sample.record.read_bytes())
    selection = Selection(shuffle_seed=7, limit=12)
    assert ids(load_samples(tmp_path / "nested", selection=selection)) == ids(
        load_samples(folder, selection=selection)
    )


def test_an_id_that_is_there_twice_is_an_error(folder):
    (folder / "practice_singleplayer_game000_0.png").write_bytes(noise_jpeg(1))
    with pytest.raises(ListMismatch, match="ids must be unique"):
        load_samples(folder)


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(MissingInput, match="absent is not a folder"):
        load_samples(tmp_path / "absent")
    assert not (tmp_path / "absent").exists()


@pytest.mark.parametrize(
    "wrong",
    [
        *({"limit": 0}, {"limit": 2.0}, {"shuffle_seed": -1}, {"shuffle_seed": "1"}),
        *({"countries": frozenset({"France"})}, {"countries": frozenset({"FR", "UK"})}),
        {"predicate": functools.partial(bool)},  # without a name
    ],
)
def test_a_selection_that_can_only_be_a_mistake_is_refused(wrong):
    with pytest.raises(InvalidConfig):
        Selection(**wrong)


def test_a_broken_record_stops_a_selection_that_needs_it(folder):
    (folder / "practice_singleplayer_game000_0.json").write_text("{")
    with pytest.raises(BrokenSample, match="game000_0"):
        load_samples(folder, selection=Selection(countries=frozenset({"FR"})))


def test_the_table_has_a_row_for_each_sample_in_order(folder):
    samples = load_samples(folder, selection=Selection(shuffle_seed=1))
    samples[0].record.write_text('{"coordinates": null}')
    table = records_table(samples)
    assert list(table["id"]) == ids(samples)
    assert table["game"].nunique() == 4
    assert table.loc[0, ["country_code", "country_name", "region"]].isna().all()
    assert table["lat"].isna().sum() == 1
    assert table.loc[1, ["lat", "lon"]].tolist() == read_record(samples[1].record)["coordinates"]


def test_what_a_table_of_records_leaves_out_is_not_handed_over_by_the_workers(tmp_path, monkeypatch):
    handed = []

    def watched(*arguments, **options):
        for result in map_in_processes(*arguments, **options):
            handed.append(result)
            yield result

    monkeypatch.setattr("lost_and_found.data_loader.map_in_processes", watched)
    record = {"country_code": "FR", "regions": [["France_Corse_FRA-1", [42.0, 9.0]]]}
    sample = write_pair(tmp_path, "made_single_a_0", image=noise_jpeg(0), suffix=".jpg", record=record)
    assert records_table([sample])["country_code"].tolist() == ["FR"]
    assert "FR" in str(handed)
    assert "Corse" not in str(handed)


# Pinned lists


def test_a_pinned_list_is_found_again_whatever_was_added(folder, list_path):
    selection = Selection(shuffle_seed=3, limit=8)
    first = load_samples(folder, selection=selection, pinned=list_path)
    make_pairs(folder, 40)
    assert ids(load_samples(folder, pinned=list_path)) == ids(first)
    assert ids(load_samples(folder, selection=selection, pinned=list_path)) == ids(first)


def test_a_list_that_is_there_is_loaded_and_none_is_made(folder, list_path, tmp_path):
    first = load_samples(folder, selection=Selection(shuffle_seed=3, limit=8), pinned=list_path)
    assert load_pinned(folder, list_path) == first
    away = load_pinned(tmp_path / "away", list_path, store=str(folder))
    assert ids(away) == ids(first)
    with pytest.raises(MissingInput, match=r"other\.txt is missing"):
        load_pinned(folder, tmp_path / "other.txt")
    assert not (tmp_path / "other.txt").exists()


def test_a_list_is_one_tab_separated_line_a_sample_and_a_header(folder, list_path):
    load_samples(folder, selection=Selection(mode="multiplayer", shuffle_seed=3), pinned=list_path)
    lines = list_path.read_bytes().decode().split("\n")
    assert lines[-1] == ""
    assert [len(line.split("\t")) for line in lines[:-1]] == [2] * 5
    name, digits = lines[0].split("\t")
    assert hashlib.sha256((folder / f"{name}.jpg").read_bytes()).hexdigest()[:32] == digits
    header = json.loads(list_path.with_suffix(".json").read_text())
    assert header["rule"] == "load_samples"
    assert header["parameters"]["seed"] == 3
    assert header["parameters"]["mode"] == "multiplayer"
    assert header["samples"] == 5


def test_missing_samples_are_named_with_what_is_missing(folder, list_path):
    load_samples(folder, pinned=list_path)
    (folder / "practice_singleplayer_game001_2.jpg").unlink()
    (folder / "practice_singleplayer_game001_3.jpg").unlink()
    (folder / "practice_singleplayer_game001_3.json").unlink()
    with pytest.raises(ListMismatch, match="2 are not in") as caught:
        load_samples(folder, pinned=list_path)
    assert "game001_2 (image missing)" in str(caught.value)
    assert "game001_3 (both files missing)" in str(caught.value)


def test_a_changed_image_is_named(folder, list_path):
    load_samples(folder, pinned=list_path)
    (folder / "practice_singleplayer_game001_2.jpg").write_bytes(noise_jpeg(99))
    with pytest.raises(ListMismatch, match=r"1 of 20 images .*game001_2"):
        load_samples(folder, pinned=list_path)


def test_a_touched_but_unchanged_image_is_fine(folder, list_path):
    load_samples(folder, pinned=list_path)
    (folder / "practice_singleplayer_game001_2.jpg").touch()
    assert len(load_samples(folder, pinned=list_path)) == 20


def test_a_changed_image_of_the_same_size_and_modification_time_is_named(folder, list_path):
    load_samples(folder, pinned=list_path)
    image = folder / "practice_singleplayer_game001_2.jpg"
    before, content = image.stat(), bytearray(image.read_bytes())
    content[-3] ^= 1
    image.write_bytes(content)
    os.utime(image, ns=(before.st_atime_ns, before.st_mtime_ns))
    with pytest.raises(ListMismatch, match=r"1 of 20 images .*game001_2"):
        load_samples(folder, pinned=list_path)


def test_an_unchanged_image_is_not_read_twice(folder, list_path, monkeypatch):
    load_samples(folder, pinned=list_path)
    (folder / "practice_singleplayer_game001_2.jpg").touch()
    read, original = [], digests._hash
    monkeypatch.setattr(digests, "_hash", lambda path: read.append(path) or original(path))
    assert len(load_samples(folder, pinned=list_path)) == 20
    assert read == [f"{folder}/practice_singleplayer_game001_2.jpg"]


def test_a_read_only_folder_can_be_pinned(folder, list_path):
    folder.chmod(0o555)
    try:
        assert len(load_samples(folder, pinned=list_path)) == 20
        assert len(load_samples(folder, pinned=list_path)) == 20
    finally:
        folder.chmod(0o755)


@pytest.mark.parametrize(
    "edit",
    [
        lambda text: text.replace("game001_2", "game001_9"),
        lambda text: "".join(reversed(text.splitlines(keepends=True))),
        lambda text: text[: len(text) // 2],
        lambda text: text.replace("\n", "\r\n"),
        lambda text: "",
    ],
)
def test_an_edited_list_is_noticed(folder, list_path, edit):
    load_samples(folder, pinned=list_path)
    list_path.write_bytes(edit(list_path.read_bytes().decode()).encode())
    with pytest.raises(ListMismatch, match="edited or cut off"):
        load_samples(folder, pinned=list_path)


def test_a_list_without_its_header_is_not_taken_for_one(folder, list_path):
    load_samples(folder, pinned=list_path)
    list_path.with_suffix(".json").unlink()
    with pytest.raises(MissingInput, match=r"lists\.json"):
        load_samples(folder, pinned=list_path)


@pytest.mark.parametrize("header", ["[1]", "{", '{"digest": "0"}'])
def test_a_damaged_header_is_noticed(folder, list_path, header):
    load_samples(folder, pinned=list_path)
    list_path.with_suffix(".json").write_text(header)
    with pytest.raises(ListMismatch, match="restore it"):
        load_samples(folder, pinned=list_path)


def test_labels_that_changed_under_a_list_are_noticed(folder, list_path):
    samples = load_samples(folder)
    pin(list_path, new_list(samples, "clean", country_codes=["MY"] * 20))
    with pytest.raises(
        ListMismatch, match="samples of MY 20 there, none now; samples of SG none there, 20 now"
    ):
        pin(list_path, new_list(samples, "clean", country_codes=["SG"] * 20))


def test_numbers_of_a_selection_may_be_numpys(folder, list_path):
    numpys = Selection(shuffle_seed=np.uint8(3), limit=np.int64(8))
    first = load_samples(folder, selection=numpys, pinned=list_path)
    assert load_samples(folder, selection=Selection(shuffle_seed=3, limit=8), pinned=list_path) == first


def test_a_lambda_is_no_predicate_of_a_list_since_any_other_would_seem_the_same(folder, list_path):
    selection = Selection(predicate=lambda sample, record: sample.id.endswith("0"))
    with pytest.raises(InvalidConfig, match="make it a function with a name"):
        load_samples(folder, selection=selection, pinned=list_path)
    assert not list_path.exists()


@pytest.mark.parametrize("name", ["streets.v1", "streets.json"])
def test_a_list_whose_header_would_be_another_lists_or_the_list_itself_is_refused(folder, tmp_path, name):
    with pytest.raises(InvalidConfig, match=r"must have a name that ends in \.txt"):
        load_samples(folder, pinned=tmp_path / "lists" / name)
    assert not (tmp_path / "lists").exists()


def test_asking_for_another_selection_than_was_pinned_is_an_error(folder, list_path):
    load_samples(folder, selection=Selection(shuffle_seed=3), pinned=list_path)
    with pytest.raises(ListMismatch, match="was pinned with"):
        load_samples(folder, selection=Selection(shuffle_seed=4), pinned=list_path)


def test_pinning_the_same_list_twice_is_fine_and_another_one_is_refused(folder, list_path):
    samples = load_samples(folder)
    made = new_list(samples, "clean", parameters={"threshold": 30, "limits": (1, 2)})
    assert pin(list_path, made).digest == pin(list_path, made).digest
    before = list_path.read_bytes()
    with pytest.raises(ListMismatch, match="threshold 30 there, 40 now"):
        pin(list_path, new_list(samples, "clean", parameters={"threshold": 40, "limits": (1, 2)}))
    with pytest.raises(ListMismatch, match="samples 20 there, 19 now"):
        pin(list_path, new_list(samples[1:], "clean", parameters={"threshold": 30, "limits": (1, 2)}))
    with pytest.raises(ListMismatch, match="other samples, images or order"):
        pin(list_path, new_list(samples[::-1], "clean", parameters={"threshold": 30, "limits": (1, 2)}))
    assert list_path.read_bytes() == before


def test_a_sublist_keeps_the_digests_and_names_its_parent(folder, list_path, tmp_path):
    samples = load_samples(folder, pinned=list_path)
    chosen = ids(samples)[3:6]
    made = sublist(list_path, chosen, "split", parameters={"seed": 5}, country_codes=["FR", "DE", "FR"])
    child = pin(tmp_path / "child.txt", made)
    parent = read_list(list_path)
    assert child.ids == chosen
    assert all(child.digests[one] == parent.digests[one] for one in chosen)
    assert read_list(tmp_path / "child.txt") == made
    assert (made.parameters, made.parents) == ({"seed": 5}, {"lists": parent.digest})
    assert child.countries == {"FR": 2, "DE": 1}
    with pytest.raises(ListMismatch, match="doesn't hold s_m_g_0"):
        sublist(list_path, ["s_m_g_0"], "split")


def test_a_sample_that_comes_again_is_named_instead_of_being_left_out_of_the_list(folder, list_path):
    samples = load_samples(folder, pinned=list_path)
    again = f"each sample once, but {samples[3].id} would"
    with pytest.raises(InvalidConfig, match=again):
        new_list([*samples, samples[3]], "clean")
    with pytest.raises(InvalidConfig, match=again):
        sublist(list_path, ids([samples[3], samples[0], samples[3]]), "split")


@pytest.mark.parametrize("missing", [None, np.nan, pd.NA, ""])
def test_samples_without_a_country_are_not_counted_as_those_of_one(folder, missing):
    codes = pd.Series(["NA", missing, missing], dtype=object)
    assert new_list(load_samples(folder)[:3], "clean", country_codes=codes).countries == {"NA": 1}


def test_a_link_back_to_its_own_folder_is_named_instead_of_being_followed_for_ever(folder):
    (folder / "deeper").mkdir()
    (folder / "deeper" / "back").symlink_to(folder)
    with pytest.raises(InvalidConfig, match="back links to a folder that contains it; remove the link"):
        find_pairs(folder)


def test_a_damaged_index_of_digests_costs_time_and_nothing_else(folder, list_path):
    pinned = pin(list_path, new_list(load_samples(folder), "folder"))
    index = folder / ".digests"
    whole = index.read_bytes()
    for damaged in (
        whole[: len(whole) // 2],
        whole[:-5],
        whole.replace(b"\t", b" ", 3),
        b"\xff\xfe\n" + whole,
        b"",
    ):
        index.write_bytes(damaged)
        assert ids(load_samples(folder, pinned=list_path)) == pinned.ids
        assert sorted(index.read_bytes().splitlines()) == sorted(whole.splitlines())


def test_a_list_that_would_be_another_one_names_all_that_came_from_it(folder, tmp_path):
    samples = load_samples(folder)
    pin(tmp_path / "all.txt", new_list(samples, "load_samples"))
    pin(tmp_path / "some.txt", sublist(tmp_path / "all.txt", ids(samples[:9]), "clean"))
    pin(tmp_path / "few.txt", sublist(tmp_path / "some.txt", ids(samples[:3]), "split"))
    (tmp_path / "strange.json").write_text("[]")
    with pytest.raises(ListMismatch, match=r"remove .*all\.txt \(with few, some, which came from it\)"):
        pin(tmp_path / "all.txt", new_list(samples[1:], "load_samples"))
    with pytest.raises(ListMismatch, match=r"remove .*few\.txt and the \.json"):
        pin(tmp_path / "few.txt", new_list(samples[1:], "load_samples"))


def test_of_two_processes_that_pin_at_once_one_is_refused(tmp_path):
    code = (
        "import sys, time\n"
        "from pathlib import Path\n"
        "from lost_and_found.data_lists import PinnedList, pin\n"
        "from lost_and_found.errors import ListMismatch\n"
        "folder, name, begin = Path(sys.argv[1]), sys.argv[2], float(sys.argv[3])\n"
        "made = PinnedList({f's_m_{name}{number}_0': '0' * 32 for number in range(50)}, 'test')\n"
        "refused = []\n"
        "time.sleep(max(0, begin - time.time()))\n"
        "for number in range(200):\n"
        "    try:\n"
        "        pin(folder / f'{number}.txt', made)\n"
        "    except ListMismatch:\n"
        "        refused.append(number)\n"
        "print(*refused)\n"
    )
    begin = str(time.time() + 3)
    both = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(tmp_path), name, begin], stdout=subprocess.PIPE, text=True
        )
        for name in "ab"
    ]
    refused = [set(map(int, one.communicate(timeout=120)[0].split())) for one in both]
    assert not refused[0] & refused[1]
    assert refused[0] | refused[1] == set(range(200))
    for number in range(200):
        read_list(tmp_path / f"{number}.txt")
