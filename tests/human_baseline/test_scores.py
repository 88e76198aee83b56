"""The scores of simulated players are what arithmetic says."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from made_quiz import COUNTRIES, made_quiz, play

from lost_and_found.errors import InvalidConfig, ListMismatch, MissingInput
from lost_and_found.human_baseline import plots, scores
from lost_and_found.human_baseline.deck import Item
from lost_and_found.human_baseline.model_guesses import ModelGuess


@pytest.fixture(scope="module")
def ranks(tmp_path_factory):
    """A perfect player, one who always says United States first, and one who guesses at random."""
    quiz = made_quiz(tmp_path_factory.mktemp("quiz"), rounds=12)
    rng = np.random.default_rng(0)
    play(quiz, "perfect", lambda item: [item.country_code], experience="advanced")
    play(quiz, "always US", lambda item: ["US"])
    play(quiz, "always US then BR", lambda item: ["US", "BR"])
    play(quiz, "random", lambda item: list(rng.permutation(COUNTRIES)))
    table = scores.answer_ranks(quiz.answers.table(), quiz.deck.items, quiz.model)
    quiz.answers.close()
    return table


@pytest.fixture
def by_player(ranks):
    return scores.player_table(ranks).set_index("player")


def test_who_is_always_right_has_full_marks(by_player):
    assert by_player.loc["perfect", ["top1", "top3", "top5"]].tolist() == [1, 1, 1]
    assert by_player.loc["perfect", "top1_high"] == 1
    assert by_player.loc["perfect", "top1_low"] == pytest.approx(0.7575, abs=1e-4)  # Wilson, 12 of 12


def test_who_always_says_one_country_is_right_as_often_as_it_occurs(by_player):
    assert by_player.loc["always US", ["top1", "top5"]].tolist() == [0.25, 0.25]
    assert by_player.loc["always US then BR", ["top1", "top3"]].tolist() == [0.25, 0.5]


def test_who_names_all_four_in_any_order_is_right_among_five_and_often_among_three(by_player, ranks):
    own = ranks[ranks["player"] == "random"]
    assert by_player.loc["random", "top5"] == 1
    assert by_player.loc["random", "top3"] == (own["rank"] <= 3).mean() > by_player.loc["random", "top1"]


def test_over_many_pictures_random_guesses_are_right_by_chance():
    items = {
        f"item-{number}": Item(f"item-{number}", Path(), COUNTRIES[number % 4], None, number)
        for number in range(4000)
    }
    rng = np.random.default_rng(1)
    rows = [
        {
            "player": "p",
            "experience": "amateur",
            "order": order,
            "item": item,
            "place": place,
            "country_code": code,
        }
        for order, item in enumerate(items)
        for place, code in enumerate(rng.permutation(COUNTRIES)[:3], start=1)
    ]
    table = scores.answer_ranks(pd.DataFrame(rows).assign(seconds=1.0, width=64, height=36), items, {})
    groups = scores.group_table(table).query("group == 'everybody'").set_index("k")
    assert groups.loc[1, "low"] < 1 / 4 < groups.loc[1, "high"]
    assert groups.loc[3, "low"] < 3 / 4 < groups.loc[3, "high"]
    order = scores.order_table(table)
    assert order["n"].tolist() == [4000, 4000, 4000, 0, 0]
    assert ((order["low"] < 0.25) & (order["high"] > 0.25)).all()


def test_groups_are_summed_over_their_players(ranks):
    groups = scores.group_table(ranks).set_index(["group", "who", "k"])
    assert groups.loc[("advanced", "people", 1), "value"] == 1
    assert groups.loc[("amateur", "people", 1), "n"] == 36
    amateurs = ranks[ranks["experience"] == "amateur"]
    assert groups.loc[("amateur", "people", 1), "value"] == pytest.approx((amateurs["rank"] == 1).mean())
    assert groups.loc[("everybody", "people", 1), "n"] == 48


def test_the_model_is_scored_on_the_same_pictures(ranks):
    # All twelve pictures were answered four times, and the model is right about every second one.
    groups = scores.group_table(ranks).set_index(["group", "who", "k"])
    row = groups.loc[("everybody", "model", 1)]
    assert row[["n", "pictures", "value"]].tolist() == [48, 12, 0.5]
    # It answered twelve pictures, not 48: Wilson, 6 of 12.
    assert row[["low", "high"]].tolist() == pytest.approx([0.2538, 0.7462], abs=1e-4)
    assert groups.loc[("advanced", "model", 1), ["n", "value"]].tolist() == [12, 0.5]


def test_the_paired_test_counts_answers_that_only_one_had_right(ranks):
    paired = scores.compare_with_model(ranks).set_index(["group", "k"])
    row = paired.loc[("advanced", 1)]
    # Perfect people: they alone are right about the six pictures that the model gets wrong.
    assert row[["both", "people_only", "model_only", "neither"]].tolist() == [6, 6, 0, 0]
    assert row["difference"] == -0.5
    # Bonett and Price by hand: (1 - 7) / 14 ± 1.96 · sqrt((8 / 14 - (6 / 14)²) / 14), or farther.
    assert row["low"] <= -0.75 < row["difference"] < row["high"]
    assert row["high"] == pytest.approx(-0.103, abs=0.005)
    assert row["p_value"] == pytest.approx(2 / 2**6)
    assert row["missing"] > 0


def test_more_answers_of_players_who_differ_much_make_the_interval_no_narrower(ranks):
    """Six players, half of them always right: more answers don't show how much people differ."""
    few = [
        ranks[ranks["player"] == kind].assign(player=f"{kind} {copy}")
        for kind in ("perfect", "always US")
        for copy in range(3)
    ]
    few = pd.concat(few)
    more = pd.concat(
        [few.assign(item=few["item"] + str(copy), scene=few["scene"] + 100 * copy) for copy in range(30)]
    )
    for table in (few, more):
        row = scores.compare_with_model(table).iloc[-3]
        assert (row["group"], row["k"], row["players"]) == ("everybody", 1, 6)
        assert row["high"] - row["low"] > 0.6
    groups = [
        scores.group_table(table).query("group == 'everybody' and who == 'people'") for table in (few, more)
    ]
    assert all((table["high"] - table["low"]).iloc[0] > 0.5 for table in groups)


def test_with_enough_pictures_none_is_missing_and_copies_of_answers_are_no_evidence(ranks):
    copies = pd.concat([ranks.assign(player=ranks["player"] + str(copy)) for copy in range(60)])
    pictures = pd.concat(
        [
            ranks.assign(item=ranks["item"] + str(copy), scene=ranks["scene"] + 100 * copy)
            for copy in range(60)
        ]
    )
    once, copied, more = (scores.compare_with_model(one).iloc[0] for one in (ranks, copies, pictures))
    assert (once["missing"] > 0, more["missing"]) == (True, 0)
    assert copied["missing"] > 0
    assert copied["high"] - copied["low"] > 0.7 * (once["high"] - once["low"])
    assert more["high"] - more["low"] < 0.3 * (once["high"] - once["low"])


def test_countries_are_counted_by_their_truth(ranks):
    table = scores.country_table(ranks).set_index("country_code")
    assert table["n"].tolist() == [12] * 4
    # All four players are right about US; the perfect one and perhaps the random one about the others.
    others = ranks[ranks["country_code"] == "FR"]
    assert table.loc["US", "people"] >= 0.75
    assert table.loc["FR", "people"] == pytest.approx((others["rank"] == 1).mean())
    assert table["people"].max() == table.loc["US", "people"]


def test_the_studys_table_has_a_row_per_group_and_the_model_below(ranks):
    table = scores.study_table(ranks)
    assert table.index.tolist() == [
        "advanced",
        "amateur",
        "everybody",
        "model, pictures of advanced",
        "model, pictures of amateur",
        "model, pictures of everybody",
    ]
    assert table.loc["advanced", "Top 1"] == "100.0 % (76 to 100)"
    assert table.loc["model, pictures of everybody", "guessed pictures"] == 48


def test_without_a_model_people_are_scored_alone(ranks):
    alone = ranks.assign(model_rank=pd.array([pd.NA] * len(ranks), dtype="Int64"))
    assert set(scores.group_table(alone)["who"]) == {"people"}
    assert scores.compare_with_model(alone).empty
    assert scores.study_table(alone).index.tolist() == ["advanced", "amateur", "everybody"]
    assert "model" not in scores.country_table(alone)


def test_pictures_that_the_model_never_saw_are_left_out_of_the_comparison(ranks):
    partly = ranks.copy()
    partly.loc[partly["country_code"] == "FR", "model_rank"] = pd.NA
    paired = scores.compare_with_model(partly).set_index(["group", "k"])
    assert paired.loc[("everybody", 1), ["n", "pictures"]].tolist() == [36, 9]
    assert set(scores.group_table(partly)["who"]) == {"people"}


@pytest.mark.parametrize(("difference", "power"), [(0, 0.8), (1, 0.8), (0.1, 0), (0.1, 1)])
def test_impossible_questions_are_refused(ranks, difference, power):
    with pytest.raises(InvalidConfig, match="between 0 and 1"):
        scores.compare_with_model(ranks, difference=difference, power=power)


def test_answers_are_counted_by_the_size_of_their_pictures(ranks):
    mixed = ranks.assign(size=["64x36", "32x20"] * 24)
    assert len(scores.of_size(mixed, "32x20")) == 24
    assert len(scores.of_size(mixed, "")) == 48
    with pytest.raises(MissingInput, match="'9x9'; there are answers at 32x20, 64x36"):
        scores.of_size(mixed, "9x9")


def test_answers_to_another_list_are_refused():
    answers = pd.DataFrame(
        [["p", "amateur", 1, "stranger", 1, "FR", 1.0, 64, 36]],
        columns=[
            *("player", "experience", "order", "item", "place", "country_code"),
            *("seconds", "width", "height"),
        ],
    )
    with pytest.raises(ListMismatch, match="1 answered pictures are not in the list, such as stranger"):
        scores.answer_ranks(
            answers, {"item": Item("item", Path(), "FR", None, 0)}, {"item": ModelGuess(1, ())}
        )


def test_the_figures_show_both_and_every_group(ranks):
    figure = plots.plot_scores(scores.group_table(ranks), scores.order_table(ranks))
    texts = [text.get_text() for text in figure.axes[0].texts]
    assert texts == ["advanced, 12 answers", "amateur, 36 answers", "everybody, 48 answers"]
    countries = plots.plot_countries(scores.country_table(ranks), fewest=3)
    assert len(countries.axes[0].get_yticklabels()) == 4
    empty = plots.plot_countries(scores.country_table(ranks), fewest=99)
    assert empty.axes[0].texts[0].get_text() == "no country has 99 answers"


def test_the_figure_of_one_answer_speaks_of_one(ranks):
    one = ranks[:1]
    figure = plots.plot_scores(scores.group_table(one), scores.order_table(one))
    assert [text.get_text().split(", ")[1] for text in figure.axes[0].texts] == ["1 answer"] * 2


def test_without_a_model_no_title_promises_one(ranks):
    alone = ranks.assign(model_rank=pd.array([None] * len(ranks), dtype="Int64"))
    figure = plots.plot_scores(scores.group_table(alone), scores.order_table(alone))
    assert figure.axes[0].get_title(loc="left").strip() == "People, 95 % intervals"


def test_the_marks_of_two_countries_keep_clear_of_the_axis(ranks):
    two = ranks[ranks["country_code"].isin(sorted(set(ranks["country_code"]))[:2])]
    axes = plots.plot_countries(scores.country_table(two), fewest=1).axes[0]
    assert axes.get_ylim()[0] < -0.5
    assert axes.get_ylim()[1] > 1.5


@pytest.mark.parametrize("figure", ["scores", "countries"])
def test_the_legend_overlaps_no_title_and_no_interval(figure):
    ranks = many_answers(3, 6, np.zeros((3, 6))).assign(country_code="GS")
    if figure == "scores":
        drawn = plots.plot_scores(scores.group_table(ranks), scores.order_table(ranks))
    else:
        drawn = plots.plot_countries(scores.country_table(ranks), fewest=3)
    drawn.draw_without_rendering()
    inside = [legend for axes in drawn.axes if (legend := axes.get_legend())]
    (legend,) = [*drawn.legends, *inside]
    assert [text.get_text() for text in legend.get_texts()] == ["people", "model"]
    assert not any(legend.get_window_extent().overlaps(axes.get_tightbbox()) for axes in drawn.axes)


def many_answers(players, pictures, right):
    """Ranks of players who all answered the same pictures, right (1) or wrong (0) by player and picture."""
    rows = [
        {
            "player": f"p{player}",
            "experience": "amateur",
            "item": f"item-{picture}",
            "scene": picture,
            "country_code": "IS",
            "rank": int(right[player, picture]),
            "guesses": 1,
            "model_rank": 1,
            "seconds": 1.0,
            "size": "130x80",
        }
        for player in range(players)
        for picture in range(pictures)
    ]
    return pd.DataFrame(rows)


def test_many_answers_to_one_picture_say_little_about_its_country():
    ranks = many_answers(20, 1, np.arange(20)[:, None] % 2)
    country, order = scores.country_table(ranks).iloc[0], scores.order_table(ranks).iloc[0]
    whole = scores.group_table(ranks).query("group == 'everybody' and who == 'people' and k == 1").iloc[0]
    for low, high in (country[["people_low", "people_high"]], order[["low", "high"]]):
        assert (low, high) == pytest.approx((whole["low"], whole["high"]))
        assert high - low > 0.8
    assert (country["n"], order["n"], order["value"]) == (20, 20, 0.5)


def test_the_interval_of_a_country_is_that_of_first_guesses_even_if_second_guesses_are_all_right():
    ranks = many_answers(6, 40, np.random.default_rng(0).integers(1, 3, (6, 40)))
    country = scores.country_table(ranks).iloc[0]
    whole = scores.group_table(ranks).query("group == 'everybody' and who == 'people' and k == 1").iloc[0]
    assert country[["people_low", "people_high"]].tolist() == whole[["low", "high"]].tolist()


def test_a_player_has_the_median_of_the_times_and_the_models_share_of_first_guesses():
    ranks = many_answers(1, 4, np.ones((1, 4))).assign(seconds=[1.0, 2.0, 4.0, 90.0], model_rank=[1, 2, 2, 3])
    player = scores.player_table(ranks).iloc[0]
    assert player[["median_seconds", "model_top1"]].tolist() == [3, 0.25]


def test_unanimous_answers_to_few_pictures_are_no_proof_that_people_and_model_are_alike():
    ranks = many_answers(30, 4, np.ones((30, 4)))
    row = scores.compare_with_model(ranks).query("k == 1").iloc[0]
    assert row["difference"] == 0
    assert row["low"] < -0.3
    assert row["high"] > 0.3


def test_pictures_of_one_scene_are_one_piece_of_evidence():
    right = np.random.default_rng(0).random((6, 40)) < 0.1 + 0.8 * (np.arange(40) // 4 % 2)
    frames = many_answers(6, 40, right).assign(scene=lambda table: table["scene"] // 4)
    alone = frames.assign(scene=frames["item"])
    apart, together = scores.group_table(alone), scores.group_table(frames)
    assert together["pictures"].tolist() == apart["pictures"].tolist() == [40] * len(apart)
    assert ((together["high"] - together["low"]) > 1.4 * (apart["high"] - apart["low"])).all()
    one, other = (scores.compare_with_model(table).iloc[0] for table in (alone, frames))
    assert other["high"] - other["low"] > 1.4 * (one["high"] - one["low"])


def test_pictures_that_were_answered_more_often_weigh_more_and_widen_the_models_interval():
    even = many_answers(6, 12, np.ones((6, 12)))
    uneven = even[(even["player"] == "p0") | (even["scene"] < 3)]
    # By hand: 27 answers, three scenes with six and nine with one, are worth 27² / (3 · 36 + 9) scenes.
    worth = 27**2 / 117
    low = scores.group_table(uneven).query("who == 'model' and k == 1")["low"].iloc[0]
    assert low == pytest.approx(worth / (worth + 1.95996**2), abs=1e-4)
    assert scores.country_table(uneven)["model_low"].iloc[0] == pytest.approx(low)


def test_pictures_of_one_scene_are_one_piece_of_evidence_about_a_player_too():
    right = np.repeat([1, 0, 1, 0], 5)[None]
    frames = many_answers(1, 20, right).assign(scene=lambda table: table["scene"] // 5)
    player, group = scores.player_table(frames).iloc[0], scores.group_table(frames).iloc[0]
    assert player[["top1_low", "top1_high"]].tolist() == group[["low", "high"]].tolist()
    assert (player["n"], player["top1"]) == (20, 0.5)
    assert player["top1_low"] < 0.15, "four scenes, not twenty pictures"
