import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lost_and_found.data_lists import PinnedList, pin
from lost_and_found.errors import InvalidConfig, LeakyList, ListMismatch, UnsplittableClass
from lost_and_found.preparation.splitting import (
    NAMES,
    RATIOS,
    audit,
    group_samples,
    groups_of_list,
    pin_splits,
    split,
    without,
)

KM = 1 / 111.19  # degrees of latitude


def made_table(countries, games=None, lat=None, lon=None):
    """Samples five to a game and far apart, unless said otherwise."""
    count = len(countries)
    games = [f"site_mode_game{number // 5:05}" for number in range(count)] if games is None else games
    rng = np.random.default_rng(count)
    return pd.DataFrame(
        {
            "id": [f"{game}_{number}" for number, game in enumerate(games)],
            "game": games,
            "lat": np.degrees(np.arcsin(rng.uniform(-1, 1, count)))
            if lat is None
            else np.asarray(lat, float),
            "lon": rng.uniform(-180, 180, count) if lon is None else np.asarray(lon, float),
            "country_code": pd.Series(countries, dtype=object),
        }
    )


def skewed(count=2000, classes=12, seed=0):
    shares = 1 / np.arange(1, classes + 1)
    codes = np.array([f"{chr(65 + number)}X" for number in range(classes)], dtype=object)
    return made_table(list(np.random.default_rng(seed).choice(codes, count, p=shares / shares.sum())))


@pytest.mark.parametrize("seed", range(5))
def test_every_class_is_in_every_split_in_about_its_share(seed):
    table = skewed()
    report = audit(table, split(table, seed=seed))
    for name, ratio in zip(NAMES, RATIOS, strict=True):
        assert (report[f"{name}_share"] - ratio).abs().max() < 0.02
        assert report[name].sum() == pytest.approx(ratio * len(table), abs=1)
    assert report["total"].is_monotonic_decreasing


@pytest.mark.parametrize("seed", range(5))
def test_games_that_fill_a_small_split_leave_every_class_its_share(seed):
    sizes = [50] * 15 + [5] * 50
    games = np.repeat([f"site_mode_{number:03}" for number in range(65)], sizes)
    table = made_table(list(skewed(1000, 6)["country_code"]), games=list(games))
    report = audit(table, split(table, seed=seed))
    for name, ratio in zip(NAMES, RATIOS, strict=True):
        assert (report[f"{name}_share"] - ratio).abs().max() < 0.03


def test_the_order_of_the_rows_makes_no_difference_and_the_seed_does():
    table = skewed(600, 5)
    first = split(table, seed=1)
    assert split(table.sample(frac=1, random_state=7), seed=1) == first
    assert split(table, seed=2) != first


def test_splits_are_in_random_order_so_that_a_prefix_is_a_fair_sample():
    ids = split(skewed(), seed=0)["train"]
    assert ids != sorted(ids)


def test_rounds_of_a_game_stay_together():
    table = skewed(1000, 8)
    where = {one: name for name, ids in split(table).items() for one in ids}
    assert (table.assign(split=table["id"].map(where)).groupby("game")["split"].nunique() == 1).all()


@pytest.mark.parametrize("lon", [[0, 0, 0], [180, -180, 179.9999999]])
def test_near_places_are_one_group_also_over_a_chain_and_the_antimeridian(lon):
    lat = [10, 10 + 0.08 * KM, 10 + 0.16 * KM] if lon[0] == 0 else [10, 10, 10]
    table = made_table(["AX"] * 5, games=list("abcde"), lat=[*lat, 50, np.nan], lon=[*lon, 0, np.nan])
    groups = group_samples(table, place_km=0.1)
    assert groups.tolist() == [0, 0, 0, 1, 2]
    assert group_samples(table, place_km=0).max() >= 2


@pytest.mark.parametrize(("parameters", "groups"), [({"place_km": 2.0}, [0, 0, 1]), ({}, [0, 1, 2])])
def test_what_a_split_kept_together_is_what_intervals_of_its_lists_resample(parameters, groups):
    table = made_table(["AX"] * 3, games=list("abc"), lat=[10, 10 + KM, 50], lon=[0, 0, 0])
    pinned = PinnedList({}, "split", parameters)
    assert groups_of_list(table, pinned).tolist() == groups


@pytest.mark.parametrize("missing", [None, np.nan, pd.NA])
def test_samples_without_a_game_are_grouped_by_place_alone(missing):
    table = made_table(["AX"] * 5, games=list("abcdd"), lat=[10, 20, 10, 30, 40], lon=[0] * 5)
    table["game"] = pd.Series([missing, missing, missing, "d", "d"], dtype=object)
    assert group_samples(table).tolist() == [0, 1, 0, 2, 2]


def test_samples_without_coordinates_are_grouped_by_game_alone():
    table = made_table(["AX"] * 30, lat=[np.nan] * 30, lon=[np.nan] * 30)
    assert group_samples(table).max() == 5
    audit(table, split(table))


def test_a_split_by_sorted_order_loses_classes_and_ours_does_not():
    """The published list: 75 countries sorted by id, cut at 70 % and 90 %, left 75 / 58 / 15."""
    codes = [f"{chr(65 + n // 26)}{chr(65 + n % 26)}" for n in range(75)]
    sizes = np.random.default_rng(0).integers(40, 200, 75)
    countries = np.repeat(np.array(codes, dtype=object), sizes)
    table = made_table(list(countries), games=[f"site_mode_{n:05}" for n in range(len(countries))])
    ids = table["id"].tolist()
    edges = [0, int(0.7 * len(ids)), int(0.9 * len(ids)), len(ids)]
    sequential = {name: ids[edges[i] : edges[i + 1]] for i, name in enumerate(NAMES)}
    with pytest.raises(LeakyList, match=r"train lacks .* and .* more; val lacks .*; test lacks"):
        audit(table, sequential)
    assert len(audit(table, split(table))) == 75


def test_a_class_that_is_too_small_is_named_with_its_counts_and_what_to_do():
    table = skewed(300, 3)
    table.loc[[0, 1, 2, 5], "country_code"] = "ZZ"  # four samples, but of two games
    with pytest.raises(UnsplittableClass, match=r"1 classes .*: ZZ \(4 in 2\).*set leave_out to 'ZZ'"):
        split(table)


def test_where_every_class_is_too_small_leaving_out_is_not_proposed():
    with pytest.raises(UnsplittableClass, match=r"2 classes .*Collect more of them\.$"):
        split(made_table(["FR", "DE"]))


def test_countries_that_are_left_out_are_in_no_split():
    table = made_table(["FR"] * 30 + ["MC"] * 3 + ["AD"] * 2)
    rest = without(table, "Monaco, AD")
    assert set(rest["country_code"]) == {"FR"}
    assert sum(map(len, split(rest).values())) == 30
    assert without(table, "").equals(table)


@pytest.mark.parametrize(
    ("countries", "message"), [("Atlantis", "Atlantis.*separate"), ("FR, LI", "the list has no LI")]
)
def test_unknown_or_absent_countries_can_not_be_left_out(countries, message):
    with pytest.raises(InvalidConfig, match=message):
        without(made_table(["FR"] * 5), countries)


def test_classes_with_just_three_groups_are_in_all_splits():
    countries = ["AX"] * 200 + ["BX"] * 3 + ["CX"] * 3 + ["DX"] * 4
    table = made_table(countries, games=[f"g{n}" for n in range(210)])
    report = audit(table, split(table)).set_index("country_code")
    assert report.loc["BX", list(NAMES)].tolist() == [1, 1, 1]


@pytest.mark.parametrize(
    "contents",
    [
        # Every game of B also has an A or C, which are rarer and decide first.
        ["AB"] * 3 + ["CB"] * 3 + ["DD"] * 60,
        # The first game gives B to val; the second would give it to test, and leave train without A.
        ["AAAABBBBB", "AAAABBBBB", "CCCBBBBB", "CCCBBBBB", "C", "C", "AD", "AD", "DDD"],
    ],
)
def test_a_class_whose_groups_went_where_rarer_ones_decided_is_repaired(contents):
    countries = [f"{letter}X" for content in contents for letter in content]
    games = [f"g{number:03}" for number, content in enumerate(contents) for _ in content]
    table = made_table(countries, games=games)
    for seed in range(10):
        audit(table, split(table, seed=seed))


def test_no_list_is_pinned_beside_one_of_another_split(tmp_path):
    table, parent = skewed(200, classes=2), tmp_path / "made.txt"
    pin(parent, PinnedList(dict.fromkeys(table["id"], "0" * 32), "clean"))

    def pinned(seed):
        return pin_splits(parent, split(table, seed=seed), table, parameters={"seed": seed})

    first = pinned(0)
    assert list(first) == list(NAMES)
    assert pinned(0) == first
    for ending in ("txt", "json"):  # as the message advises, of the first that it names
        (tmp_path / f"made.train.{ending}").unlink()
    with pytest.raises(ListMismatch, match=r"made\.val\.txt is pinned already .*seed 0 there, 1 now"):
        pinned(1)
    assert not (tmp_path / "made.train.txt").exists()
    assert pinned(0) == first


def test_samples_without_a_class_and_impossible_ratios_are_refused():
    table = skewed(100, 2)
    with pytest.raises(InvalidConfig, match="add up to 1"):
        split(table, ratios=(0.7, 0.2, 0.2))
    with pytest.raises(InvalidConfig, match="above 0"):
        split(table, ratios=(0.8, 0.2, 0.0))
    with pytest.raises(InvalidConfig, match="add up to 1"):
        split(table, ratios=(0.7, float("nan"), 0.1))
    with pytest.raises(InvalidConfig, match="seed -1 must be at least 0"):
        split(table, seed=-1)
    with pytest.raises(InvalidConfig, match="place"):
        split(table, place_km=-1)
    with pytest.raises(InvalidConfig, match="no samples to split"):
        split(table[:0])
    table.loc[3, "country_code"] = None
    with pytest.raises(InvalidConfig, match="02-enrich-records"):
        split(table)


def test_a_place_distance_that_chains_everything_is_refused_and_a_smaller_one_proposed():
    rng = np.random.default_rng(0)
    lat, lon = rng.uniform(46, 46.5, 2000), rng.uniform(14, 14.7, 2000)
    table = made_table(["AX", "BX"] * 1000, lat=lat, lon=lon)
    with pytest.raises(InvalidConfig, match=r"chain 2,000 of 2,000 .* place_km=0\.125 works, and lets"):
        split(table, place_km=2)
    audit(table, split(table, place_km=0.125), place_km=0.125)


def test_a_single_game_may_be_of_any_size_beside_small_ones():
    games = ["large"] * 70 + [f"g{number:03}" for number in range(230)]
    table = made_table(["AX"] * 300, games=games)
    assert audit(table, split(table))["total"].tolist() == [300]


def test_no_smaller_distance_is_proposed_where_none_helps():
    table = made_table(["AX"] * 400, lat=[10.0] * 300 + list(range(-50, 50)), lon=[10.0] * 400)
    with pytest.raises(InvalidConfig, match="no place_km helps"):
        split(table)


def small_table():
    return made_table(["AX", "AX", "BX", "BX"] * 3, games=[f"g{n}" for n in range(12)])


def fair_split():
    ids = small_table()["id"].tolist()
    return {"train": ids[:4], "val": ids[4:8], "test": ids[8:]}


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda t, s: s["val"].append(s["train"][0]), "1 samples are in the splits twice: g0_0"),
        (lambda t, s: s["test"].append(s["test"][0]), "1 samples are in the splits twice: g8_8"),
        (lambda t, s: s["train"].pop(), "1 samples are in no split: g3_3"),
        (lambda t, s: s["val"].append("g99_0"), "1 samples are not in the list that was split: g99_0"),
        (lambda t, s: t.__setitem__("country_code", ["AX"] * 11 + ["CX"]), "train lacks CX; val lacks CX"),
        (lambda t, s: t.__setitem__("game", ["g0"] * 5 + list("abcdefg")), "1 games are in two splits: g0"),
        (
            lambda t, s: t.update(pd.DataFrame({"lat": [1.0] * 5, "lon": 7.0})),
            r"within 0\.1 km of val: g0_0 / g4_4",
        ),
    ],
)
def test_the_audit_finds_every_kind_of_leak(damage, message):
    table, splits = small_table(), fair_split()
    assert audit(table, splits)["total"].tolist() == [6, 6]
    damage(table, splits)

    with pytest.raises(LeakyList, match=message) as error:
        audit(table, splits)
    assert "05-split-list" in str(error.value)


@pytest.mark.parametrize(("apart_km", "leaks"), [(0.0, True), (0.099, True), (0.101, False)])
def test_the_audit_measures_places_by_great_circle(apart_km, leaks):
    table = small_table()
    table.loc[0, ["lat", "lon"]] = [80.0, 180.0]
    table.loc[11, ["lat", "lon"]] = [80.0 + apart_km * KM, -180.0]
    if leaks:
        with pytest.raises(LeakyList, match=r"1 samples of train are within 0\.1 km of test: g0_0 / g11_11"):
            audit(table, fair_split())
    else:
        audit(table, fair_split())


def test_the_audit_counts_samples_whose_places_it_can_not_check():
    table = small_table()
    table.loc[[0, 1, 11], "lat"] = np.nan
    report = audit(table, fair_split()).set_index("country_code")
    assert report["unlocated"].to_dict() == table["lat"].isna().groupby(table["country_code"]).sum().to_dict()
    assert report["unlocated"].sum() == 3


@settings(max_examples=60)
@given(
    st.lists(st.tuples(st.sampled_from(["AX", "BX", "CX", "DX"]), st.integers(0, 40)), min_size=1),
    st.integers(0, 3),
)
def test_any_split_passes_the_audit_or_names_the_class(rows, seed):
    countries, games = [country for country, _ in rows], [f"g{game:03}" for _, game in rows]
    table = made_table(countries, games=games)
    table["lat"] = np.round(table["lat"] / 10) * 10  # some share a place
    table["lon"] = np.round(table["lon"] / 10) * 10
    try:
        splits = split(table, seed=seed)
    except UnsplittableClass as error:
        assert any(country in str(error) for country in set(countries))
    except InvalidConfig as error:
        assert "chain" in str(error)
    else:
        report = audit(table, splits)
        assert sum(map(len, splits.values())) == len(table) == report["total"].sum()
        assert split(table.iloc[::-1], seed=seed) == splits
