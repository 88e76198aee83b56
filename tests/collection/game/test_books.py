from contextlib import closing

import pytest

from lost_and_found.collection.game.__main__ import describe
from lost_and_found.collection.game.books import Books
from lost_and_found.collection.game.claims import Claims
from lost_and_found.collection.game.job import BOOKS, CollectJob
from lost_and_found.collection.game.log import Log, event, log_path, read_events, summarise
from lost_and_found.samples import write_pair


def test_a_round_that_is_found_on_the_disk_before_its_worker_reports_it_counts_once(tmp_path):
    job = CollectJob(site="practice", mode="singleplayer", rounds=0, root=tmp_path)
    job.folder.mkdir(parents=True)
    books = Books(job)
    claims = Claims(job.folder / BOOKS / "claims.sqlite", worker="alive")
    claims.claim("practice_singleplayer_abc", account="ann")
    claims.reserve(5, target=0)
    sample = "practice_singleplayer_abc_0"
    record = {"coordinates": [1.0, 2.0], "source": "practice"}
    assert claims.save(job.folder, sample, image=b"png", record=record, target=0)
    books.note_recovery([])
    books.note(event("round", worker="alive", id=sample, seconds=1.0))
    assert (books.saved, books.rounds_per_minute) == (1, 0)
    claims.close()
    books.close()
    with closing(Books(job)) as later:
        later.put_in_order()
        assert (later.saved, later.earlier_runs) == (1, 0)
    assert [one["id"] for one in read_events(job.folder) if one["event"] == "round"] == [sample]


def test_a_skipped_round_counts_once_though_the_resumed_game_skips_it_again(tmp_path):
    job = CollectJob(site="practice", mode="singleplayer", rounds=0, root=tmp_path)
    job.folder.mkdir(parents=True)
    sample = "practice_singleplayer_abc_0"
    with closing(Books(job)) as books:
        books.note(event("skipped", worker="1", id=sample, reason="the viewer stayed blank"))
        books.note(event("skipped", worker="2", id=sample, reason="its picture is gone"))
        assert books.events["skipped"] == 1
    with closing(Books(job)) as later:
        later.note(event("skipped", worker="3", id=sample, reason="its picture is gone"))
    assert dict(summarise(job.folder).skipped) == {"the viewer stayed blank": 1}


@pytest.mark.parametrize(
    "line", [b'{"event": "round", "wor', '{"event": "failure", "message": "©'.encode()[:-1]]
)
def test_a_line_that_was_cut_off_is_skipped_and_does_not_spoil_the_next(tmp_path, line):
    (tmp_path / BOOKS).mkdir()
    log_path(tmp_path).write_bytes(b'{"event": "started"}\n' + line)
    with closing(Log(tmp_path)) as log:
        log.append(event("finished", reason="é"))
    assert [one["event"] for one in read_events(tmp_path)] == ["started", "finished"]
    assert list(read_events(tmp_path))[-1]["reason"] == "é"


def test_the_time_between_a_killed_collection_and_the_next_one_counts_for_neither(tmp_path):
    job = CollectJob(site="practice", mode="multiplayer", rounds=0, root=tmp_path)
    (job.folder / BOOKS).mkdir(parents=True)
    log = Log(job.folder)
    for name, minute in (("collecting", -100), ("started", -99)):
        one = event(name)
        log.append(one | {"time": one["time"] + 60 * minute})
    log.close()
    with closing(Claims(job.folder / BOOKS / "claims.sqlite", worker="killed")) as claims:
        claims.claim("practice_multiplayer_abc", account="ann")
    with closing(Books(job)) as books:
        books.put_in_order()
    assert [one["event"] for one in read_events(job.folder)][-1] == "abandoned"
    assert 0.9 < summarise(job.folder).minutes < 2


def test_a_clock_that_is_set_back_takes_no_time_away(tmp_path):
    (tmp_path / BOOKS).mkdir()
    with closing(Log(tmp_path)) as log:
        for name, time in (("collecting", 7200), ("started", 7260), ("ready", 3600), ("finished", 3660)):
            log.append(event(name) | {"time": time})
    assert summarise(tmp_path).minutes == 2


def test_a_collection_that_saved_nothing_tells_what_went_wrong(tmp_path):
    job = CollectJob(site="practice", mode="singleplayer", rounds=0, root=tmp_path)
    job.folder.mkdir(parents=True)
    with closing(Books(job)) as books:
        assert describe(books.summary(1)).endswith("no browser was started")
        books.note(event("started"))
        books.note(event("failure", kind="RateLimited", message=""))
        assert describe(books.summary(60)).splitlines()[1] == "RateLimited 1"


def test_a_single_round_is_not_told_as_several(tmp_path):
    job = CollectJob(site="practice", mode="singleplayer", rounds=1, root=tmp_path)
    job.folder.mkdir(parents=True)
    with closing(Books(job)) as books:
        books.note(event("started"))
        books.note(event("round", id="practice_singleplayer_a_0", seconds=1.0))
        assert describe(books.summary(60)).startswith("1 round collected in 60 s (1.0/min); ")
    write_pair(job.folder, "practice_singleplayer_a_0", image=b"png", suffix=".png", record={})
    with closing(Books(job)) as books:
        books.put_in_order()
        assert "already holds 1 round; " in describe(books.summary(1))


def test_rounds_that_are_found_in_the_folder_have_no_part_in_the_rate(tmp_path):
    job = CollectJob(site="practice", mode="singleplayer", rounds=0, root=tmp_path)
    job.folder.mkdir(parents=True)
    for number in range(5):
        write_pair(job.folder, f"practice_singleplayer_a_{number}", image=b"png", suffix=".png", record={})
    with closing(Books(job)) as books:
        books.put_in_order()
        assert books.saved == 5
        books.note(event("round", id="practice_singleplayer_b_0", seconds=1.0))
        assert books.rounds_per_minute == 0
