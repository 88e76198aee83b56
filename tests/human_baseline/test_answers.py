"""The file of answers: one answer per picture, whatever happens."""

import gc
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

from lost_and_found.errors import DatabaseUnusable, ListMismatch, MissingInput, NotTaken
from lost_and_found.human_baseline.answers import Answers, read_answers

LIST = {"list_name": "made.test", "list_digest": "a" * 64}


@pytest.fixture
def answers(tmp_path):
    opened = Answers(tmp_path / "folder" / "answers.sqlite", **LIST)
    yield opened
    opened.close()


def join(answers, name="Ann", rounds=3):
    return answers.player(answers.join(name, experience="amateur", rounds=rounds, size=(320, 180)))


def test_a_player_is_known_by_the_token_and_by_nothing_else(answers):
    token = answers.join("Ann", experience="advanced", rounds=7, size=(130, 80))
    player = answers.player(token)
    assert (player.name, player.experience, player.rounds, player.size) == ("Ann", "advanced", 7, (130, 80))
    assert [answers.player(other) for other in ("", "Ann", token[:-1], "' OR 1=1 --")] == [None] * 4


@pytest.mark.parametrize("again", ["Ann", "ANN", "ann"])
def test_a_name_belongs_to_one_player(answers, again):
    join(answers, "Ann")
    with pytest.raises(NotTaken, match=f"already playing as {again}"):
        join(answers, again)
    assert len(answers.players()) == 1


def test_an_answer_is_one_row_per_guess_with_its_time(answers):
    player = join(answers)
    answers.show(player, 1, "item-1")
    assert answers.answer(player, 1, ["FR", "DE"])
    table = answers.table()
    assert table[["player", "experience", "order", "item", "place", "country_code"]].values.tolist() == [
        ["Ann", "amateur", 1, "item-1", 1, "FR"],
        ["Ann", "amateur", 1, "item-1", 2, "DE"],
    ]
    assert (table["width"].iloc[0], table["height"].iloc[0]) == (320, 180)
    assert 0 <= table["seconds"].iloc[0] < 60


def test_an_answer_takes_no_negative_time_when_the_clock_is_set_back(answers, monkeypatch):
    player = join(answers)
    answers.show(player, 1, "item-1")
    monkeypatch.setattr("time.time", lambda: 0.0)
    answers.answer(player, 1, ["FR"])
    assert answers.table()["seconds"].tolist() == [0.0]


def test_the_first_answer_counts_and_later_ones_change_nothing(answers):
    player = join(answers)
    answers.show(player, 1, "item-1")
    assert answers.answer(player, 1, ["FR"])
    assert not answers.answer(player, 1, ["DE", "IT"])
    assert answers.rounds(player)[0].guesses == ("FR",)


def test_of_many_clicks_at_once_one_is_counted(answers):
    player = join(answers)
    answers.show(player, 1, "item-1")
    codes = ["FR", "DE", "IT", "ES", "PT", "NL", "BE", "CH"]
    with ThreadPoolExecutor(8) as pool:
        counted = list(pool.map(lambda code: answers.answer(player, 1, [code]), codes))
    assert counted.count(True) == 1
    assert answers.rounds(player)[0].guesses == (codes[counted.index(True)],)


def test_the_time_runs_from_the_first_look_not_from_a_reload(answers):
    player = join(answers)
    answers.show(player, 1, "item-1")
    with closing(sqlite3.connect(answers.path)) as file:
        (before,) = file.execute("SELECT shown_at FROM rounds").fetchone()
        answers.show(player, 1, "item-1")
        (after,) = file.execute("SELECT shown_at FROM rounds").fetchone()
    assert before == after


def test_what_was_never_shown_can_not_be_answered(answers):
    ann, bob = join(answers), join(answers, "Bob")
    answers.show(ann, 1, "item-1")
    for player, number in ((ann, 2), (bob, 1), (ann, -1)):
        with pytest.raises(NotTaken, match="not shown to you"):
            answers.answer(player, number, ["FR"])
    assert answers.table().empty


def test_two_players_do_not_disturb_each_other(answers):
    players = [join(answers, f"player {number}", rounds=20) for number in range(8)]

    def play(player):
        for number in range(1, 21):
            answers.show(player, number, f"item-{number}")
            assert answers.answer(player, number, [f"{chr(65 + player.id)}A", "FR"])

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(play, players))
    table = answers.table()
    assert len(table) == 8 * 20 * 2
    for player in players:
        own = table[(table["player"] == player.name) & (table["place"] == 1)]
        assert own["order"].tolist() == list(range(1, 21))
        assert set(own["country_code"]) == {f"{chr(65 + player.id)}A"}


def test_after_a_restart_everything_is_there(answers):
    token = answers.join("Ann", experience="amateur", rounds=3, size=(320, 180))
    answers.show(answers.player(token), 1, "item-1")
    answers.close()
    again = Answers(answers.path, **LIST)
    assert again.rounds(again.player(token))[0].is_open
    assert again.secret == answers.secret
    again.close()


def test_a_server_killed_in_the_middle_loses_no_counted_answer(tmp_path):
    path = tmp_path / "answers.sqlite"
    code = f"""
import itertools, os, signal
from pathlib import Path
from lost_and_found.human_baseline.answers import Answers
answers = Answers(Path({str(path)!r}), list_name="made.test", list_digest={"a" * 64!r})
player = answers.player(answers.join("Ann", experience="amateur", rounds=9, size=(1, 1)))
for number in range(1, 8):
    answers.show(player, number, f"item-{{number}}")
    answers.answer(player, number, ["FR", "DE"])
os.kill(os.getpid(), signal.SIGKILL)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == -9, done.stderr
    assert len(read_answers(path, **LIST)) == 14


def test_a_file_is_closed_with_the_last_reference_to_it(tmp_path):
    answers = Answers(tmp_path / "answers.sqlite", **LIST)
    join(answers)
    journal = tmp_path / "answers.sqlite-wal"
    assert journal.exists()
    del answers
    gc.collect()
    assert not journal.exists()  # who closes last removes it


def test_answers_to_another_list_are_not_mixed_in(answers):
    with pytest.raises(ListMismatch, match=r"holds answers to the list made\.test \(aaaaaaaaaaaa\)"):
        Answers(answers.path, list_name="made.test", list_digest="b" * 64)


def test_a_corrupt_file_is_named_and_kept_as_it_is(tmp_path):
    path = tmp_path / "answers.sqlite"
    path.write_bytes(b"this is no database" * 100)
    before = path.read_bytes()
    with pytest.raises(DatabaseUnusable, match=r"answers\.sqlite is damaged .* it was left as it is"):
        Answers(path, **LIST)
    assert path.read_bytes() == before


def test_a_file_that_was_damaged_in_the_middle_is_named_when_it_is_read(tmp_path):
    path = tmp_path / "answers.sqlite"
    answers = Answers(path, **LIST)
    for number in range(300):
        answers.join(f"player {number}", experience="amateur", rounds=1, size=(1, 1))
    answers.close()
    data = bytearray(path.read_bytes())
    data[8192:] = b"\xff" * (len(data) - 8192)
    path.write_bytes(data)
    with pytest.raises(DatabaseUnusable, match="is damaged"):
        Answers(path, **LIST).players()
    assert path.read_bytes() == data


def test_a_folder_that_may_not_be_written_is_named(tmp_path):
    folder = tmp_path / "locked"
    folder.mkdir()
    for place in (tmp_path, *tmp_path.parents[:2]):
        place.chmod(place.stat().st_mode | 0o055)
    folder.chmod(0o555)
    code = f"""
import os
from pathlib import Path
from lost_and_found.errors import DatabaseUnusable
from lost_and_found.human_baseline.answers import Answers
if os.getuid() == 0:  # nothing is read-only to root
    os.setgid(65534)
    os.setuid(65534)
try:
    Answers(Path({str(folder)!r}, "answers.sqlite"), list_name="l", list_digest="d")
except DatabaseUnusable as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "can't be written" in done.stdout, done.stderr
    assert "choose another folder" in done.stdout
    assert list(folder.iterdir()) == []


def test_other_users_of_the_machine_can_not_read_the_answers(answers):
    answers.join("Ann", experience="amateur", rounds=1, size=(1, 1))
    modes = {path.name: oct(path.stat().st_mode & 0o777) for path in answers.path.parent.iterdir()}
    name = answers.path.name
    assert modes == {name: "0o600", f"{name}-wal": "0o600", f"{name}-shm": "0o600"}


def test_reading_answers_before_anybody_played_says_what_to_do(tmp_path, answers):
    with pytest.raises(MissingInput, match="run `scripts/quiz`"):
        read_answers(tmp_path / "nothing.sqlite", **LIST)
    assert not (tmp_path / "nothing.sqlite").exists()
    with pytest.raises(MissingInput, match="holds no answer yet"):
        read_answers(answers.path, **LIST)
