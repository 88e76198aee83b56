"""Subsets, tables, predictions and figures of a test report."""

import json

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from lost_and_found.errors import InvalidConfig, MissingInput
from lost_and_found.evaluation import plots, predictions, tables
from lost_and_found.evaluation.metrics import score
from lost_and_found.evaluation.subsets import country_subset
from lost_and_found.geo.countries import find_country
from lost_and_found.samples import Sample

CODES = ("BR", "FR", "NA", "US")


@pytest.fixture
def results():
    rng = np.random.default_rng(0)
    truth = rng.choice(4, 200, p=[0.1, 0.3, 0.1, 0.5])
    probabilities = rng.dirichlet(np.ones(4), 200)
    probabilities[np.arange(200), truth] += 0.4 * rng.random(200)
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    return probabilities, truth, score(probabilities, truth, subset=[0, 1], resamples=100)


@pytest.fixture(autouse=True)
def _no_display():
    plt.switch_backend("Agg")


@pytest.mark.parametrize(("name", "countries"), [("published-52", 52), ("published-75", 75)])
def test_the_named_subsets_are_the_countries_of_the_published_lists(name, countries):
    codes = country_subset(name)
    assert len(codes) == countries
    assert {"US", "FR", "SG", "MT"} <= set(codes)
    assert list(codes) == sorted(set(codes))


def test_the_larger_published_subset_is_that_of_the_published_index(real_data):
    index = json.loads((real_data / "published-sample/country_to_index_mapped.json").read_bytes())
    assert country_subset("published-75") == tuple(sorted(find_country(name).code for name in index))


@pytest.mark.parametrize(
    ("text", "codes"), [("", ()), ("France, USA,fr", ("FR", "US")), ("NA", ("NA",)), (" , ", ())]
)
def test_a_subset_may_be_any_countries(text, codes):
    assert country_subset(text) == codes


def test_an_unknown_subset_is_refused_with_what_there_is():
    with pytest.raises(InvalidConfig, match="published-52, published-75, or countries"):
        country_subset("published-99")


def test_the_overall_table_has_scores_chance_and_how_much_better_than_chance(results):
    _, truth, scores = results
    table = tables.overall_table(scores, subset_name="mine").set_index("metric")
    assert list(table.index) == [
        "top-1 accuracy",
        "top-3 accuracy",
        "balanced accuracy, 4 countries",
        "balanced accuracy, 2 of mine",
        "chance, 1 in 4",
        "always the most frequent country",
        "top-1 in multiples of chance",
    ]
    assert table.loc["chance, 1 in 4", "value"] == 0.25
    assert table.loc["always the most frequent country", "value"] == np.bincount(truth).max() / 200
    times = table.loc["top-1 in multiples of chance"]
    assert times["value"] == pytest.approx(4 * table.loc["top-1 accuracy", "value"])
    assert times["high"] == pytest.approx(4 * table.loc["top-1 accuracy", "high"])
    assert table.loc["balanced accuracy, 2 of mine", "n"] == (truth < 2).sum()


def test_pictures_of_one_country_are_of_1_country():
    scores = score(np.eye(4)[[0, 1]], np.array([0, 0]), resamples=100)
    assert "balanced accuracy, 1 country" in list(tables.overall_table(scores)["metric"])


def test_the_text_of_a_table_has_aligned_columns(results):
    *_, scores = results
    overall = tables.overall_table(scores)
    for text in (
        tables.overall_text(overall),
        tables.country_text(tables.country_table(scores, CODES)),
        tables.confusion_text(tables.confusion_table(scores, CODES)),
    ):
        lines = text.splitlines()
        assert len({len(line) for line in lines}) == 1
        assert lines[0].endswith("pictures")
    assert "25.0 %" in tables.overall_text(overall)


def test_the_texts_say_what_the_tables_do_in_per_cent_and_in_multiples_of_chance():
    # Three of four pictures are right, of two countries; two other countries have none. The intervals are
    # those of tables of Clopper and Pearson's for 3 of 4 and for 2 of 3.
    scores = score(np.eye(4)[[0, 0, 1, 1]], np.array([0, 0, 0, 1]), resamples=100)
    text = tables.overall_text(tables.overall_table(scores))
    lines = [" ".join(line.split()) for line in text.splitlines()]
    assert lines[1] == "top-1 accuracy 75.0 % 19.4 to 99.4 % 4"
    assert lines[3].startswith("balanced accuracy, 2 countries ")
    assert lines[4:] == [
        "chance, 1 in 4 25.0 % 4",
        "always the most frequent country 75.0 % 4",
        "top-1 in multiples of chance 3.0x 0.8 to 4.0x 4",
    ]
    line = tables.country_text(tables.country_table(scores, CODES)[1:2]).splitlines()[1]
    assert " ".join(line.split()) == "Brazil 67 % 9 to 99 % 3"


def test_a_confusion_is_shown_beside_the_number_of_its_countrys_pictures():
    probabilities = np.eye(3)[[0, 0, 1, 1, 1, 1, 1]]
    confusions = tables.confusion_table(
        score(probabilities, np.array([0, 0, 0, 0, 0, 1, 1]), resamples=100), ("BR", "FR", "US")
    )
    (line,) = tables.confusion_text(confusions).splitlines()[1:]
    assert line.split()[:5] == ["Brazil", "taken", "for", "France", "60"]
    assert line.endswith("3 of 5")
    assert tables.confusion_text(confusions[:0]) == "no errors"


def test_a_score_without_samples_is_shown_as_none():
    scores = score(np.eye(3), np.arange(3) % 2, subset=[2], resamples=100)
    lines = tables.overall_text(tables.overall_table(scores, subset_name="mine")).splitlines()
    (line,) = [line for line in lines if "0 of mine" in line]
    assert line.split()[-2:] == ["none", "0"]


def test_the_country_table_has_names_and_the_best_first(results):
    *_, scores = results
    table = tables.country_table(scores, CODES)
    assert set(table["country"]) == {"Brazil", "France", "Namibia", "United States"}
    assert table["recall"].is_monotonic_decreasing
    assert table["n"].sum() == table["guessed"].sum() == 200


@pytest.mark.parametrize(
    ("n", "best", "worst"),
    [
        ([5] * 6, ["a", "b"], ["f", "e"]),
        ([9, 1, 9, 9, 1, 9], ["a", "c"], ["f", "d"]),
        ([9, 9, 9, 1, 1, 1], ["a", "b"], ["c"]),
        ([1] * 6, [], []),
    ],
)
def test_best_and_worst_share_no_country_and_leave_out_those_with_few_pictures(n, best, worst):
    table = pd.DataFrame({"country": list("abcdef"), "n": n, "recall": [0.9, 0.8, 0.7, 0.6, 0.5, 0.4]})
    top, bottom = tables.best_and_worst(table, ends=2, fewest=5)
    assert (list(top["country"]), list(bottom["country"])) == (best, worst)


def test_a_country_without_pictures_is_never_ranked():
    table = pd.DataFrame({"country": list("abc"), "n": [1, 1, 0], "recall": [1, 0, np.nan]})
    top, bottom = tables.best_and_worst(table, ends=2, fewest=0)
    assert (list(top["country"]), list(bottom["country"])) == (["a"], ["b"])


@pytest.mark.parametrize(
    ("recall", "ends", "best", "worst"),
    [
        ([0.9, 0.2, 0, 0, 0, 0], 4, ["a", "b"], ["f", "e", "d", "c"]),
        ([0.9, 0.2, 0, 0, 0, 0], 3, ["a", "b"], ["f", "e", "d"]),
        ([1, 1, 1, 1, 1, 0.5], 3, ["a", "b", "c"], ["f", "e", "d"]),
        ([0, 0, 0, 0, 0, 0], 3, ["a", "b", "c"], ["f", "e", "d"]),
        ([0.9, 0.5, 0.5, 0.5, 0.2, 0.1], 3, ["a"], ["f", "e", "d"]),
        ([0.5, 0.5, 0.5], 3, ["a", "b"], ["c"]),
    ],
)
def test_a_country_that_is_found_as_rarely_as_the_worst_is_none_of_the_best(recall, ends, best, worst):
    table = pd.DataFrame({"country": list("abcdef")[: len(recall)], "n": 9, "recall": recall})
    top, bottom = tables.best_and_worst(table, ends=ends, fewest=5)
    assert (list(top["country"]), list(bottom["country"])) == (best, worst)


def test_the_most_frequent_errors_come_first(results):
    *_, scores = results
    table = tables.confusion_table(scores, CODES)
    assert table["count"].is_monotonic_decreasing
    assert table["count"].sum() == 200 - np.trace(scores.confusion)
    assert (table["truth"] != table["guess"]).all()


def test_predictions_hold_the_best_guesses_and_come_back_from_a_file(results, tmp_path):
    probabilities, truth, scores = results
    ids = [f"a_b_{number}_0" for number in range(200)]
    table = predictions.predictions_table(ids, truth, probabilities, CODES)
    assert list(table.columns) == ["id", "truth", "rank"] + [
        f"{name}_{place}" for place in (1, 2, 3, 4) for name in ("guess", "probability")
    ]
    assert (table["guess_1"] == table["truth"]).mean() == scores.top_k[1].value
    assert ((table["guess_1"] == table["truth"]) == (table["rank"] == 1)).all()
    shares = table[[f"probability_{place}" for place in (1, 2, 3, 4)]].to_numpy()
    assert (np.diff(shares, axis=1) <= 0).all()
    assert shares.sum(axis=1) == pytest.approx(np.ones(200), abs=1e-5)

    table.to_csv(tmp_path / "predictions.csv", index=False)
    again = predictions.read_predictions(tmp_path / "predictions.csv")
    assert "NA" in set(again["truth"])  # Namibia is no missing value
    pd.testing.assert_frame_equal(again, table, check_dtype=False)


def test_of_many_countries_the_best_five_are_kept_and_equal_ones_stay_in_the_order_of_the_labels():
    codes = [f"C{number}" for number in range(40)]
    probabilities = np.full((40, 40), 0.02, np.float32)
    probabilities[:, [30, 35]] = 0.12
    table = predictions.predictions_table(codes, np.arange(40), probabilities, codes)
    for row, rank in zip(table.to_dict("records"), table["rank"], strict=True):
        guesses = [code for code, _ in predictions.guesses_of(row)]
        assert guesses == ["C30", "C35", "C0", "C1", "C2"]
        assert (guesses.index(row["truth"]) + 1 if row["truth"] in guesses else 6) == min(rank, 6)


def test_a_report_is_written_as_tables_and_as_text(results, tmp_path):
    probabilities, truth, scores = results
    ids = [f"a_b_{number}_0" for number in range(200)]
    written = {
        "overall": tables.overall_table(scores),
        "countries": tables.country_table(scores, CODES),
        "confusions": tables.confusion_table(scores, CODES),
        "predictions": predictions.predictions_table(ids, truth, probabilities, CODES),
    }
    tables.write_report(tmp_path, run_id="my-run", **written)
    for name, table in written.items():
        again = pd.read_csv(tmp_path / f"{name}.csv", keep_default_na=False, na_values=[""])
        pd.testing.assert_frame_equal(again, table, check_dtype=False)
    assert (tmp_path / "test-table.txt").read_text().startswith("my-run\n")
    assert "top-1 accuracy" in (tmp_path / "test-table.txt").read_text()
    assert len(list(tmp_path.iterdir())) == 5


def test_missing_predictions_name_the_notebook(tmp_path):
    with pytest.raises(MissingInput, match="01-test-model"):
        predictions.read_predictions(tmp_path / "predictions.csv")


@pytest.mark.parametrize("kept", [0, 10, 0.55])
def test_a_damaged_file_of_predictions_is_named_with_what_to_do(results, tmp_path, kept):
    probabilities, truth, _ = results
    path = tmp_path / "predictions.csv"
    predictions.predictions_table([f"a_b_{n}_0" for n in range(200)], truth, probabilities, CODES).to_csv(
        path, index=False
    )
    text = path.read_text()
    path.write_text(text[: kept if kept >= 1 else int(kept * len(text))])
    with pytest.raises(MissingInput, match=r"predictions\.csv is damaged; run 4-evaluation/01-test-model"):
        predictions.read_predictions(path)


def test_examples_are_a_seeded_draw_of_right_and_wrong_guesses(results, tmp_path):
    probabilities, truth, _ = results
    samples = [Sample(f"a_b_{n}_0", str(tmp_path), ".jpg") for n in range(200)]
    table = predictions.predictions_table([one.id for one in samples], truth, probabilities, CODES)
    drawn = predictions.draw_examples(samples, table, each=5, seed=1)
    assert drawn == predictions.draw_examples(samples, table, each=5, seed=1)
    assert drawn != predictions.draw_examples(samples, table, each=5, seed=2)
    ranks = dict(zip(table["id"], table["rank"], strict=True))
    assert [ranks[one.id] for one in drawn["right"]] == [1] * 5
    assert all(ranks[one.id] > 1 for one in drawn["wrong"])


@pytest.mark.parametrize(("rank", "counts"), [(1, [3, 0]), (2, [0, 3])])
def test_examples_are_also_drawn_if_every_guess_is_right_or_none_is(tmp_path, rank, counts):
    samples = [Sample(f"a_b_{n}_0", str(tmp_path), ".jpg") for n in range(4)]
    ids = pd.Series([one.id for one in samples], dtype=object)  # as a pixel cache has them
    table = pd.DataFrame({"id": ids, "rank": rank})
    drawn = predictions.draw_examples(samples, table, each=3, seed=0)
    assert [len(drawn[name]) for name in ("right", "wrong")] == counts


def test_the_page_shows_scores_countries_and_confusions(results, tmp_path):
    *_, scores = results
    overall = tables.overall_table(scores)
    countries = tables.country_table(scores, CODES)
    figure = plots.plot_report(scores, overall=overall, countries=countries, country_codes=CODES, fewest=5)
    figure.savefig(tmp_path / "test.png")
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    assert titles == ["Scores with 95 % intervals", "Most confused countries", "Best and worst countries"]
    labels = {label.get_text() for label in figure.axes[2].get_yticklabels()}
    assert {name.rsplit(" ", 1)[0] for name in labels} == set(countries["country"])


def test_each_row_of_the_confusions_tells_of_how_many_pictures_its_shares_are(results):
    *_, scores = results
    axes = plots.plt.figure().add_subplot()
    plots.plot_confusions(axes, scores, CODES)
    rows = {label.get_text() for label in axes.get_yticklabels()}
    countries = tables.country_table(scores, CODES)
    assert rows == {f"{one.country} ({one.n})" for one in countries.itertuples()}


@pytest.mark.parametrize("truth", [[0, 0, 0], [0, 1, 2]])
def test_the_page_of_a_perfect_model_can_be_drawn(truth):
    scores = score(np.eye(3)[truth], np.array(truth), subset=[1], resamples=100)
    figure = plots.plot_report(
        scores,
        overall=tables.overall_table(scores),
        countries=tables.country_table(scores, CODES[:3]),
        country_codes=CODES[:3],
        fewest=5,
    )
    figure.canvas.draw()
    titles = {axes.get_title(loc="left") for axes in figure.axes}
    assert titles == {"Scores with 95 % intervals", "Most confused countries", "Best and worst countries"}


def test_pictures_are_shown_with_truth_and_guesses(results, tmp_path):
    probabilities, truth, _ = results
    samples = []
    for number in range(3):
        samples.append(Sample(f"a_b_{number}_0", str(tmp_path), ".png"))
        Image.new("RGB", (32, 18), (90 * number, 0, 0)).save(samples[-1].image)
    table = predictions.predictions_table([one.id for one in samples], truth[:3], probabilities[:3], CODES)
    figure = plots.plot_guesses(samples, table)
    figure.canvas.draw()
    assert len([axes for axes in figure.axes if axes.images]) == 3
    assert find_country(CODES[truth[0]]).name in figure.axes[0].get_title()
    assert not [axes for axes in plots.plot_guesses([], table).axes if axes.images]
