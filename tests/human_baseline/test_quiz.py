"""The rules of the quiz."""

import contextlib
import sqlite3

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_quiz import COUNTRIES, RUN, made_quiz, make_workspace, play, write_predictions

from lost_and_found.errors import InvalidConfig, MissingInput, NotTaken
from lost_and_found.human_baseline.opening import open_quiz, sizes_text
from lost_and_found.human_baseline.quiz import LONGEST_NAME, rank_of
from lost_and_found.workspace import ENRICH, TEST, TRAIN, Workspace


@pytest.fixture
def quiz(tmp_path):
    made = made_quiz(tmp_path, rounds=5)
    yield made
    made.answers.close()


def join(quiz, name="Ann"):
    return quiz.answers.player(quiz.join(name, "amateur"))


def item_of(quiz, player, number):
    return next(one.item for one in quiz.answers.rounds(player) if one.number == number)


def delete_picture(quiz, item):
    quiz.deck.items[item].path.unlink()


def test_a_session_shows_as_many_different_pictures_as_it_has_rounds(quiz):
    player = play(quiz, "Ann", lambda item: ["FR"])
    items = [one.item for one in quiz.answers.rounds(player)]
    assert len(items) == len(set(items)) == 5
    assert items == list(quiz.deck.order(player.id))[:5]


def test_the_same_picture_is_asked_until_it_is_answered(quiz):
    player = join(quiz)
    first, second = quiz.question(player), quiz.question(player)
    assert first == second
    quiz.answer(player, first.number, ["FR"])
    assert quiz.question(player).number == first.number + 1


def test_a_question_reveals_nothing_about_the_answer(quiz):
    player = join(quiz)
    asked = quiz.question(player)
    item = quiz.deck.items[item_of(quiz, player, asked.number)]
    assert item.id not in repr(asked)
    assert asked.problem == ""
    assert b"taken in" in item.path.read_bytes()
    assert b"taken in" not in asked.picture


def test_before_the_answer_there_is_no_outcome(quiz):
    player = join(quiz)
    asked = quiz.question(player)
    with pytest.raises(NotTaken, match="no answer yet"):
        quiz.outcome(player, asked.number)


def test_an_answer_tells_the_truth_the_rank_and_what_the_model_said(quiz):
    player = join(quiz)
    asked = quiz.question(player)
    item = quiz.deck.items[item_of(quiz, player, asked.number)]
    others = [code for code in COUNTRIES if code != item.country_code]
    outcome = quiz.answer(player, asked.number, [others[0], item.country_code])
    assert (outcome.item, outcome.rank, outcome.repeated, outcome.is_last) == (item, 2, False, False)
    assert outcome.model == quiz.model[item.id]
    assert outcome.model.guesses[0][1] == pytest.approx(0.7)


def test_a_second_answer_to_a_picture_gives_the_outcome_of_the_first(quiz):
    player = join(quiz)
    asked = quiz.question(player)
    first = quiz.answer(player, asked.number, ["FR"])
    second = quiz.answer(player, asked.number, ["JP", "US", "BR"])
    assert second.repeated
    assert (second.guesses, second.rank) == (first.guesses, first.rank)


@pytest.mark.parametrize(
    ("guesses", "why"),
    [
        ([], "name at least one country"),
        (["Atlantis"], "'Atlantis' is not a known country"),
        (["FR", ""], "is not a country name"),
        ([None], "is not a country name"),
        ([{"code": "FR"}], "is not a country name"),
        (["FR", "France"], "a country is named twice"),
        (["FR", "DE", "IT", "ES", "PT", "NL"], "6 countries; at most 5 are allowed"),
        (["'; DROP TABLE guesses; --"], "is not a known country"),
    ],
)
def test_what_is_no_answer_is_not_counted_and_says_why(quiz, guesses, why):
    player = join(quiz)
    asked = quiz.question(player)
    with pytest.raises(NotTaken, match=why):
        quiz.answer(player, asked.number, guesses)
    assert quiz.question(player) == asked
    assert quiz.answers.table().empty


@pytest.mark.parametrize("name", ["", "   ", "\n\t", "\u200b", "x" * (LONGEST_NAME + 1)])
def test_no_name_and_an_endless_one_are_refused(quiz, name):
    with pytest.raises(NotTaken, match="name"):
        quiz.join(name, "amateur")


@pytest.mark.parametrize(
    "name", ['=HYPERLINK("http://x.test")', "  +1", "-1", "@SUM(1)", "\uff1d1", "\u200b=1"]
)
def test_a_name_that_a_spreadsheet_would_calculate_is_refused(quiz, name):
    with pytest.raises(NotTaken, match="can't begin with"):
        quiz.join(name, "amateur")


@pytest.mark.parametrize(
    "name", ["<script>alert(1)</script>", "Robert'); DROP TABLE players;--", "💣" * 40, "Zoë"]
)
def test_odd_names_are_names(quiz, name):
    player = join(quiz, name)
    assert player.name == name
    assert [one.name for one in quiz.answers.players()] == [name]


def test_names_that_look_alike_are_one_name(quiz):
    assert join(quiz, "  Zoe\u0308 \n Q ").name == "Zoë Q"
    with pytest.raises(NotTaken, match="already"):
        join(quiz, "ZOË  q")


def test_an_unknown_experience_is_refused(quiz):
    with pytest.raises(NotTaken, match="how experienced"):
        quiz.join("Ann", "godlike")


def test_a_deleted_picture_is_left_out_counted_and_told(quiz):
    player = join(quiz)
    first, second, *_ = quiz.deck.order(player.id)
    delete_picture(quiz, first)
    asked = quiz.question(player)
    assert asked.problem == "A picture can't be shown and was left out (image missing)."
    assert (asked.number, asked.place, asked.rounds) == (2, 1, 5)
    assert item_of(quiz, player, 2) == second
    ((item, problem),) = quiz.answers.problems()
    assert item == first
    assert problem.startswith("image missing")
    quiz.answer(player, 2, ["FR"])
    assert quiz.standing(player).answered == 1


@pytest.mark.parametrize(("answered", "emptied"), [(0, True), (0, False), (4, False)])
def test_when_no_picture_can_be_read_nothing_is_left_out_for_good(quiz, answered, emptied):
    player = join(quiz)
    for _ in range(answered):
        quiz.answer(player, quiz.question(player).number, ["FR"])
    folder = next(iter(quiz.deck.items.values())).path.parent
    hidden = folder.rename(folder.with_name("unmounted"))
    said = r"pictures, where the pictures were, is gone|made, where the pictures were, is gone"
    if emptied:  # like the folder where a disk was mounted
        folder.mkdir()
        said = r"5 pictures in a row can't be read \(image missing\)"
    with pytest.raises(MissingInput, match=said):
        quiz.question(player)
    assert quiz.answers.problems() == []
    if emptied:
        folder.rmdir()
    hidden.rename(folder)
    asked = quiz.question(player)
    assert (asked.number, asked.problem) == (1 + answered, "")


def test_a_session_whose_last_pictures_are_deleted_ends_with_those_that_were_there(tmp_path):
    quiz = made_quiz(tmp_path, rounds=12)
    player = join(quiz)
    for item in list(quiz.deck.order(player.id))[-3:]:
        delete_picture(quiz, item)
    while (asked := quiz.question(player)) is not None:
        quiz.answer(player, asked.number, ["FR"])
    assert quiz.standing(player).answered == 9
    assert len(quiz.answers.problems()) == 3
    assert not quiz.can_extend(player)


def test_a_picture_deleted_after_it_was_shown_can_still_be_answered(quiz):
    player = join(quiz)
    asked = quiz.question(player)
    delete_picture(quiz, item_of(quiz, player, asked.number))
    outcome = quiz.answer(player, asked.number, ["FR"])
    assert outcome.guesses == ("FR",)


def test_a_finished_session_can_be_made_longer_until_no_picture_is_left(quiz):
    player = play(quiz, "Ann", lambda item: ["FR"])
    lengths = []
    while quiz.can_extend(player):
        quiz.extend(player)
        player = quiz.answers.players()[0]
        lengths.append(player.rounds)
        while (asked := quiz.question(player)) is not None:
            quiz.answer(player, asked.number, ["FR"])
    assert lengths == [10, 12]
    assert len({one.item for one in quiz.answers.rounds(player)}) == 12


def test_a_session_is_no_longer_than_the_list(tmp_path):
    quiz = made_quiz(tmp_path, rounds=500)
    assert quiz.rounds == 12
    player = play(quiz, "Ann", lambda item: ["FR"])
    assert quiz.standing(player).answered == 12


def test_earlier_players_keep_rounds_and_size_when_the_server_changes_them(tmp_path):
    before = made_quiz(tmp_path, rounds=5)
    player = join(before)
    before.answers.close()
    after = open_quiz(Workspace(tmp_path, "made"), rounds=9, image_size="32x20")
    again = after.answers.players()[0]
    assert (again.rounds, again.size) == (player.rounds, player.size) == (5, (64, 36))
    assert after.question(again).rounds == 5
    assert join(after, "Bob").rounds == 9


def test_players_and_model_are_measured_on_the_same_pictures(quiz):
    player = play(quiz, "Ann", lambda item: [item.country_code])
    standing = quiz.standing(player)
    items = [one.item for one in quiz.answers.rounds(player)]
    assert standing.top[1].value == 1
    assert standing.model[1].n == 5
    assert standing.model[1].hits == sum(quiz.model[item].rank == 1 for item in items)


def test_one_lucky_answer_is_not_the_best_of_all(quiz):
    lucky = join(quiz, "Lucky")
    asked = quiz.question(lucky)
    quiz.answer(lucky, asked.number, [quiz.deck.items[item_of(quiz, lucky, asked.number)].country_code])
    play(quiz, "Steady", lambda item: [item.country_code])
    join(quiz, "Idle")
    assert [one.name for one in quiz.leaderboard()] == ["Steady", "Lucky"]


def test_the_leaderboard_reads_only_what_was_answered_since_the_last_time(quiz, monkeypatch):
    for name in ("Ann", "Bob"):
        play(quiz, name, lambda item: [item.country_code])
    assert len(quiz.leaderboard()) == 2
    read, rows = [], quiz.answers._database.execute

    def counted(statement, values=()):
        found = rows(statement, values)
        read.append(sum("country_code" in statement for _ in found))
        return found

    monkeypatch.setattr(quiz.answers._database, "execute", counted)
    before = quiz.leaderboard()
    assert sum(read) == 0
    quiz.extend(quiz.answers.players()[1])
    player = quiz.answers.players()[1]
    asked = quiz.question(player)
    quiz.answer(player, asked.number, ["FR"])
    after = {one.name: one.answered for one in quiz.leaderboard()}
    assert after == {one.name: one.answered + (one.name == "Bob") for one in before}


def test_whoever_is_deleted_from_the_file_and_plays_again_is_not_shown_as_before(quiz):
    play(quiz, "Ann", lambda item: [item.country_code])
    assert quiz.leaderboard()[0].top[1].value == 1
    with contextlib.closing(sqlite3.connect(quiz.answers.path)) as other, other:
        for table in ("guesses", "rounds", "players"):
            other.execute(f"DELETE FROM {table}")
    play(quiz, "Ann", lambda item: [next(code for code in COUNTRIES if code != item.country_code)])
    (again,) = quiz.leaderboard()
    assert (again.answered, again.top[1].value) == (5, 0)


@given(st.lists(st.sampled_from(COUNTRIES), unique=True, max_size=4), st.sampled_from(COUNTRIES))
@settings(max_examples=50)
def test_the_rank_is_the_place_of_the_truth(guesses, truth):
    rank = rank_of(truth, guesses)
    assert (rank == 0) == (truth not in guesses)
    assert rank == 0 or guesses[rank - 1] == truth


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"rounds": 0}, "at least one picture"),
        ({"image_size": "big"}, "must be like 320x180"),
        ({"image_size": "0x5"}, "from 1 to 4096"),
    ],
)
def test_a_quiz_that_can_not_be_played_is_refused(tmp_path, options, why):
    with pytest.raises(InvalidConfig, match=why):
        made_quiz(tmp_path, **options)


def test_without_a_tested_model_the_quiz_says_so_and_is_played_without(tmp_path):
    workspace = make_workspace(tmp_path, predictions=False)
    with pytest.warns(
        UserWarning, match="no model to compare people with: .* run 4-evaluation/01-test-model"
    ):
        quiz = open_quiz(workspace, image_size="64x36")
    player = play(quiz, "Ann", lambda item: ["FR"])
    assert quiz.standing(player).model == {}


def test_the_model_is_the_one_asked_for_or_the_one_tested_last(tmp_path):
    workspace = make_workspace(tmp_path)
    write_predictions(workspace, ["practice_singleplayer_game000_0"], run="later")
    with pytest.warns(UserWarning, match=r"says nothing about 11 of the 12 pictures of made\.test"):
        assert len(open_quiz(workspace, image_size="64x36").model) == 1
    assert len(open_quiz(workspace, image_size="64x36", run=RUN).model) == 12
    with pytest.raises(
        MissingInput, match=r"no predictions of run 'other'; there are: later, made-run|made-run, later"
    ):
        open_quiz(workspace, run="other")
    write_predictions(workspace, ["practice_singleplayer_game999_0"], run="last")
    with pytest.warns(UserWarning, match=r"no model .* says nothing about the pictures of made\.test"):
        assert not open_quiz(workspace, image_size="64x36").model


def test_a_guess_that_was_ranked_by_another_country_than_the_records_now_name_is_left_out(tmp_path):
    workspace = make_workspace(tmp_path)
    (record,) = workspace.input(ENRICH).glob("*_game000_0.json")
    assert open_quiz(workspace, image_size="64x36").model["practice_singleplayer_game000_0"].rank == 1
    record.write_text(record.read_text().replace('"FR"', '"BE"'))
    with pytest.warns(
        UserWarning, match=r"about 1 of the 12 pictures of made\.test, or names another country"
    ):
        quiz = open_quiz(workspace, image_size="64x36")
    assert quiz.deck.items["practice_singleplayer_game000_0"].country_code == "BE"
    assert "practice_singleplayer_game000_0" not in quiz.model and len(quiz.model) == 11


def test_the_models_size_comes_from_its_run(tmp_path):
    workspace = make_workspace(tmp_path)
    with pytest.raises(MissingInput, match="give one such as 130x80"):
        open_quiz(workspace, image_size="model")
    folder = workspace.output(TRAIN) / "runs" / RUN
    folder.mkdir(parents=True)
    (folder / "config.json").write_text('{"width": 48, "height": 30}')
    assert open_quiz(workspace, image_size="model").size == (48, 30)


@pytest.mark.parametrize(
    ("shown", "config", "verdict"),
    [
        (["48x30"], True, "people saw pictures of 48x30, the model of 48x30, which is the same"),
        (
            ["320x180", "48x30"],
            True,
            "320x180 and 48x30, the model of 48x30, which is not the same: --image-size",
        ),
        (["48x30"], False, "the size of the model's is unknown, as its run is gone"),
    ],
)
def test_the_sizes_that_people_and_model_saw_are_told(tmp_path, shown, config, verdict):
    workspace = Workspace(tmp_path, "made")
    predictions = tmp_path / TEST / "made" / RUN / "predictions.csv"
    if config:
        folder = tmp_path / TRAIN / "made" / "runs" / RUN
        folder.mkdir(parents=True)
        (folder / "config.json").write_text('{"width": 48, "height": 30}')
    assert verdict in sizes_text(shown, workspace, predictions)
    assert sizes_text(shown, workspace, None) == f"people saw pictures of {' and '.join(shown)}"
