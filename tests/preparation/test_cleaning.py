import itertools
import json
import time
import tracemalloc
from dataclasses import asdict, replace

import imagehash
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageFilter
from sample_photos import encoded, photo, sample_id

from lost_and_found.errors import InvalidConfig
from lost_and_found.preparation import measures as measures_module
from lost_and_found.preparation.cleaning import Thresholds, clean, contradictions, similar_hashes
from lost_and_found.preparation.measures import measure_images
from lost_and_found.preparation.pictures import (
    channel_variance,
    laplacian_variance,
    measure_image,
    perceptual_hash,
)
from lost_and_found.preparation.places import close_pairs, first_at_same_place
from lost_and_found.samples import Sample

METRE = 1 / 111_195  # degrees of latitude
EVERYTHING = Thresholds(channel_variance=0, laplacian_variance=0, duplicate_km=-1, hash_distance=-1)


def grey(rows):
    return Image.fromarray(np.array(rows, dtype=np.uint8))


def test_the_laplacian_is_exact_on_a_hand_example():
    # A single bright pixel: its Laplacian is -40, its four neighbours' 10, the corners' 0. Mirrored edges
    # see the bright pixel a second time, which makes the neighbours' 20 in a 3x3 picture.
    variance = laplacian_variance(grey([[0, 0, 0], [0, 10, 0], [0, 0, 0]]))
    values = np.array([0, 20, 0, 20, -40, 20, 0, 20, 0])
    assert variance == pytest.approx(values.var())


def test_the_laplacian_of_a_slope_is_nonzero_only_at_the_mirrored_edges():
    slope = np.tile(np.arange(0, 200, 10), (6, 1))
    edges = np.zeros(slope.shape)
    edges[:, 0], edges[:, -1] = 20, -20
    assert laplacian_variance(grey(slope)) == pytest.approx(edges.var())


@given(st.integers(1, 9), st.integers(1, 9), st.integers(0, 2**32 - 1))
def test_the_laplacian_agrees_with_the_definition(width, height, seed):
    levels = np.random.default_rng(seed).integers(0, 256, (height, width))

    def mirrored(index, size):
        return 0 if size == 1 else abs(index) if index < size else 2 * size - 2 - index

    values = [
        sum(
            levels[mirrored(y + dy, height), mirrored(x + dx, width)]
            if height > 1 and width > 1
            else levels[min(max(y + dy, 0), height - 1), min(max(x + dx, 0), width - 1)]
            for dy, dx in ((-1, 0), (1, 0), (0, -1), (0, 1))
        )
        - 4 * levels[y, x]
        for y in range(height)
        for x in range(width)
    ]
    assert laplacian_variance(grey(levels)) == pytest.approx(np.var(values), rel=1e-5, abs=1e-3)


def test_the_channel_variance_is_that_of_the_liveliest_channel():
    image = Image.new("RGB", (2, 1), (10, 100, 7))
    image.putpixel((1, 0), (14, 60, 7))
    assert channel_variance(image) == pytest.approx(20**2)


def test_the_perceptual_hash_has_the_bits_of_imagehash():
    for seed in range(12):
        image = photo(seed, (320, 180))
        assert perceptual_hash(image) == str(imagehash.phash(image))


def test_blurring_and_darkening_lower_the_measures_and_recompression_keeps_the_hash():
    image = photo(5, (320, 180))
    assert laplacian_variance(image.filter(ImageFilter.GaussianBlur(4))) < laplacian_variance(image) / 20
    assert channel_variance(image.point(lambda level: level // 10)) < channel_variance(image) / 50
    low_quality = image.convert("RGB").resize((300, 169)).resize((320, 180))
    bits = int(perceptual_hash(low_quality), 16) ^ int(perceptual_hash(image), 16)
    assert bits.bit_count() <= 2


def written(folder, name, data):
    (folder / f"{name}.jpg").write_bytes(data)
    return Sample(name, str(folder), ".jpg")


def test_measures_are_kept_and_only_changed_images_are_measured_again(tmp_path):
    samples = [written(tmp_path, sample_id(n), encoded(photo(n, (64, 36)))) for n in range(3)]
    samples.append(written(tmp_path, sample_id(3), b"no image"))
    samples.append(Sample(sample_id(4), str(tmp_path), ".jpg"))
    stored = tmp_path / "measures.csv"
    first = measure_images(samples, stored=stored, workers=1)
    assert first["problem"].tolist() == ["", "", "", "not an image", "image missing"]
    assert first["channel_variance"].isna().tolist() == [False, False, False, True, True]
    pd.testing.assert_frame_equal(measure_images(samples, stored=stored, workers=1), first)

    shown = pd.read_csv(stored, dtype={"perceptual_hash": str})
    shown.loc[0, "channel_variance"] = -1  # so that a measure taken from the file can be recognised
    shown.to_csv(stored, index=False)
    time.sleep(0.01)
    written(tmp_path, sample_id(1), encoded(photo(9, (64, 36))))
    second = measure_images(samples[::-1], stored=stored, workers=1).iloc[::-1].reset_index(drop=True)
    assert second["channel_variance"][0] == -1
    assert second["channel_variance"][1] != first["channel_variance"][1]
    assert second["perceptual_hash"][2] == first["perceptual_hash"][2]


def test_measures_survive_an_interruption(tmp_path, monkeypatch):
    samples = [written(tmp_path, sample_id(n), encoded(photo(n, (64, 36)))) for n in range(5)]
    stored, asked, was_stored = tmp_path / "measures.csv", [], []

    def interrupted(path):
        asked.append(path.stem)
        was_stored.append(stored.exists())
        if len(asked) == 4:
            raise KeyboardInterrupt
        return measure_image(path)

    monkeypatch.setattr(measures_module, "measure_image", interrupted)
    monkeypatch.setattr(measures_module, "STORE_EVERY", 2)
    with pytest.raises(KeyboardInterrupt):
        measure_images(samples, stored=stored, workers=1)
    measure_images(samples, stored=stored, workers=1)
    assert asked == [sample_id(n) for n in (0, 1, 2, 3, 3, 4)]
    assert was_stored == [False, False, True, True, True, True]  # a killed process runs no `finally`


def made(count, **columns):
    """A table and measures of pictures that are all fine and different."""
    ids = [sample_id(number) for number in range(count)]
    hashes = [f"{number * 0x0F1E2D3C4B5A6978 % 2**64:016x}" for number in range(1, count + 1)]
    table = pd.DataFrame({"id": ids, "lat": np.nan, "lon": np.nan})
    measures = pd.DataFrame(
        {
            "id": ids,
            "channel_variance": 900.0,
            "laplacian_variance": 90.0,
            "perceptual_hash": hashes,
            "problem": "",
        }
    )
    for name, values in columns.items():
        (table if name in table else measures)[name] = values
    return table, measures


def test_pictures_below_a_threshold_go_and_those_at_it_stay():
    table, measures = made(4, channel_variance=[299.9, 300, 900, 100], laplacian_variance=[90, 30, 29.9, 1])
    kept, removed = clean(table, measures)
    assert kept == [sample_id(1)]
    assert removed[["reason", "value"]].values.tolist() == [
        ["dark or empty", 299.9],
        ["blurred", 29.9],
        ["dark or empty", 100.0],
    ]


def test_unreadable_pictures_are_rows_with_their_problem():
    table, measures = made(2, problem=["", "not an image"], perceptual_hash=["0" * 16, ""])
    measures.loc[1, ["channel_variance", "laplacian_variance"]] = np.nan
    kept, removed = clean(table, measures)
    assert kept == [sample_id(0)]
    assert removed["reason"].tolist() == ["unreadable: not an image"]


def test_thresholds_that_no_picture_reaches_are_refused_before_an_empty_list_can_be_pinned():
    table, measures = made(3, channel_variance=[1, 2, 900], laplacian_variance=[90, 90, 1])
    with pytest.raises(InvalidConfig, match=r"none of 3 .*2 dark or empty, 1 blurred.* lower the thresholds"):
        clean(table, measures)


def test_similar_pictures_of_two_countries_are_named():
    table, measures = made(4, perceptual_hash=["0" * 16, "0" * 15 + "1", "f" * 16, "f" * 16])
    table["country_code"] = ["FR", "ES", "NA", "NA"]
    _, removed = clean(table, measures)
    assert removed["id"].tolist() == [sample_id(1), sample_id(3)]
    found = contradictions(removed, table)
    assert found.iloc[:, :4].values.tolist() == [[sample_id(1), "ES", sample_id(0), "FR"]]
    assert contradictions(removed.iloc[:0], table).empty


@pytest.mark.parametrize("dtype", ["object", "str", "string", "category"])
def test_a_picture_without_a_country_contradicts_none(dtype):
    table, measures = made(5, perceptual_hash=["0" * 16, "0" * 16, "0" * 16, "f" * 16, "f" * 16])
    table["country_code"] = pd.Series(["FR", None, "ES", None, None], dtype=dtype)
    _, removed = clean(table, measures)
    assert removed["id"].tolist() == [sample_id(1), sample_id(2), sample_id(4)]
    assert contradictions(removed, table)["id"].tolist() == [sample_id(2)]


def test_near_places_are_found_across_any_cell_border_and_the_first_is_kept():
    # 0.5 µ° cells, 1 m cells and the antimeridian all have borders between these pairs.
    lat = [10.000004999, 10.000005001, 20, 20 + 4 * METRE, 30, 30 + 6 * METRE, -5, -5]
    lon = [7.0, 7.0, 7.0, 7.0, 7.0, 7.0, 180, -180]
    table, measures = made(8, lat=lat, lon=lon)
    kept, removed = clean(table, measures)
    assert kept == [sample_id(number) for number in (0, 2, 4, 5, 6)]
    assert removed["like"].tolist() == [sample_id(number) for number in (0, 2, 6)]
    assert set(removed["reason"]) == {"same place"}
    assert removed["value"].tolist() == pytest.approx([0.0, 0.004, 0.0], abs=1e-6)


def test_places_on_the_antimeridian_are_near_others_whether_they_are_at_180_or_at_minus_180():
    lon = [180, 179.99999, -180]
    for order in itertools.permutations(range(3)):
        table, measures = made(3, lat=[10.0] * 3, lon=[lon[place] for place in order])
        assert len(clean(table, measures)[0]) == 1, order


def test_only_kept_pictures_stand_for_others():
    # The second is near the first and the third near the second alone; the fourth is a copy of the second.
    table, measures = made(4, lat=[0, 4 * METRE, 8 * METRE, 4 * METRE], lon=[1.0] * 4)
    kept, removed = clean(table, measures)
    assert kept == [sample_id(0), sample_id(2)]
    assert removed["like"].tolist() == [sample_id(0), sample_id(0)]


def test_what_is_like_a_removed_picture_in_another_way_stays():
    # The second shows what the first shows, and the third was taken where the second was.
    table, measures = made(4, lat=[0, 5, 5, 5], lon=[0, 5, 5, 5])
    measures["perceptual_hash"] = ["1", "1", "ff00", "ff00ff"]
    kept, removed = clean(table, measures)
    assert kept == [sample_id(0), sample_id(2)]
    assert removed["reason"].tolist() == ["same picture", "same place"]
    assert removed["like"].tolist() == [sample_id(0), sample_id(2)]


def test_a_removed_picture_takes_no_other_with_it():
    table, measures = made(
        2, lat=[1, 1], lon=[1, 1], channel_variance=[3, 900], perceptual_hash=["ff" * 8] * 2
    )
    assert clean(table, measures)[0] == [sample_id(1)]


def test_similar_pictures_are_found_by_their_hashes():
    hashes = [
        "0" * 16,
        "8000000000000001",
        "8000000000000007",
        "ffffffff00000000",
        "ffffffff00000000",
        "0" * 16,
    ]
    table, measures = made(6, perceptual_hash=hashes)
    kept, removed = clean(table, measures)
    assert kept == [sample_id(number) for number in (0, 2, 3)]
    assert removed["value"].tolist() == [2, 0, 0]
    assert removed["like"].tolist() == [sample_id(0), sample_id(3), sample_id(0)]
    assert clean(table, measures, EVERYTHING)[0] == table["id"].tolist()


def test_of_thousands_of_similar_pictures_at_one_place_the_first_is_kept():
    table, measures = made(30_000, lat=10.0, lon=10.0, perceptual_hash="ab" * 8)  # 450 million pairs
    kept, removed = clean(table, measures)
    assert kept == [sample_id(0)]
    assert set(removed["like"]) == set(kept)
    assert len(removed) == 29_999


def test_thousands_of_places_within_reach_of_each_other_take_no_memory_for_all_of_their_pairs():
    scatter = np.random.default_rng(0).normal(0, 2 * METRE, (2, 1500))  # as of photos taken at home
    table, measures = made(1500, lat=47 + scatter[0], lon=8 + scatter[1])
    tracemalloc.start()
    try:
        kept, removed = clean(table, measures, replace(EVERYTHING, duplicate_km=0.005))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(kept) + len(removed) == 1500
    assert len(kept) < 20
    assert set(removed["like"]) <= set(kept)
    assert peak < 1500 * 1499 / 2 * 16  # bytes; a pair is two numbers


@given(st.lists(st.integers(0, 2**64 - 1), max_size=30), st.integers(0, 6), st.data())
def test_similar_hashes_are_those_that_brute_force_finds(hashes, distance, data):
    for _ in range(10 if hashes else 0):
        value = data.draw(st.sampled_from(hashes))
        for bit in data.draw(st.lists(st.integers(0, 63), max_size=7)):
            value ^= 1 << bit
        hashes.append(value)
    hashes = list(dict.fromkeys(hashes))
    found = {tuple(pair) for pair in similar_hashes(np.array(hashes, dtype=np.uint64), distance).tolist()}
    pairs = itertools.combinations(range(len(hashes)), 2)
    assert found == {(i, j) for i, j in pairs if (hashes[i] ^ hashes[j]).bit_count() <= distance}


def test_places_without_coordinates_are_near_nothing():
    points = np.array([[np.nan, np.nan], [1, 1], [np.nan, np.nan], [1, 1], [-0.0, 2], [0.0, 2]])
    assert first_at_same_place(points).tolist() == [0, 1, 2, 1, 4, 4]
    assert close_pairs(points, 0.1).tolist() == [[1, 3], [4, 5]]
    assert close_pairs(np.full((3, 2), np.nan), 0.1).shape == (0, 2)
    assert close_pairs(np.empty((0, 2)), 0.1).shape == (0, 2)


@pytest.mark.parametrize(
    "wrong",
    [
        *({"channel_variance": -1}, {"laplacian_variance": float("nan")}),
        *({"duplicate_km": -0.1}, {"duplicate_km": 50}, {"duplicate_km": float("nan")}),
        *({"hash_distance": -2}, {"hash_distance": 7}, {"hash_distance": 1.5}),
    ],
)
def test_thresholds_out_of_range_are_refused(wrong):
    with pytest.raises(InvalidConfig):
        Thresholds(**wrong)


def test_the_widest_thresholds_are_accepted():
    table, measures = made(2, channel_variance=0.0, laplacian_variance=0.0)
    widest = Thresholds(channel_variance=0, laplacian_variance=0, duplicate_km=10, hash_distance=6)
    assert clean(table, measures, widest)[0] == table["id"].tolist()


@pytest.mark.parametrize("distance", [2.0, np.int64(2), np.float32(2)])
def test_a_whole_number_of_bits_may_be_of_any_type(distance):
    table, measures = made(3, perceptual_hash=["0" * 16, "0" * 15 + "3", "0" * 15 + "7"])
    thresholds = Thresholds(hash_distance=distance)
    assert clean(table, measures, thresholds)[0] == [sample_id(0), sample_id(2)]
    assert json.dumps(asdict(thresholds)) == json.dumps(asdict(Thresholds()))  # in the header of a list


def test_missing_or_double_ids_are_refused():
    table, measures = made(3)
    with pytest.raises(InvalidConfig, match=f"1 samples have no measures, such as {sample_id(2)}"):
        clean(table, measures.iloc[:2])
    with pytest.raises(InvalidConfig, match=r"names .* twice"):
        clean(pd.concat([table, table.iloc[:1]]), measures)


def test_duplicates_among_real_street_views_are_real(real_data):
    folder = real_data / "street-view-by-country" / "images"
    paths = sorted(folder.rglob("*.jpg"))[:300]
    samples = [Sample(path.stem, str(path.parent), path.suffix) for path in paths]
    samples = list({sample.id: sample for sample in samples}.values())
    measures = measure_images(samples, workers=1)
    table = pd.DataFrame({"id": measures["id"], "lat": np.nan, "lon": np.nan})
    kept, _ = clean(table, measures)
    assert len(kept) >= 0.97 * len(samples)
