"""Everything that can go wrong in a collection, against a practice game in a real Chromium.

After each: no half pair, no round twice, every finished round kept, the right exit status.
"""

import os
import resource
import time
from pathlib import Path

from fleets import (
    browsers,
    check,
    collect,
    events,
    failures,
    folder_of,
    kill,
    meanwhile,
    playing,
    saved,
    wait_until,
    workers,
)

from lost_and_found.collection.game.chromium import find_chromium
from lost_and_found.collection.game.instances import strays


def test_faults_of_the_site_cost_time_and_no_round(tmp_path):
    faults = ("slow-images@2", "log-out@4", "renderer-crash@4", "server-error@10")
    with playing(*faults) as game:
        # With the usual limit, a page that uses up its memory is replaced before it crashes.
        assert collect(tmp_path, game, "--memory-mb", "1000000", rounds=5) == 0
        assert [game.state.faults.struck[fault.partition("@")[0]] for fault in faults] == [1] * 4
        assert check(tmp_path, game) == 5
        # The game was resumed where it was left, each time.
        assert len(game.state.game_ids) == 1
    assert failures(tmp_path) == ["LoggedOut", "PageCrashed", "SiteError"]


def test_rounds_without_picture_or_answer_are_skipped_and_the_next_one_collected(tmp_path):
    with playing("black-pictures@2", "no-popup@3") as game:
        assert collect(tmp_path, game, rounds=2) == 0
        assert check(tmp_path, game) == 2
        assert len(game.state.game_ids) == 1
    skipped = events(tmp_path, "skipped")
    assert [one["id"][-2:] for one in skipped] == ["_1", "_2"]
    assert len({one["reason"] for one in skipped} - {""}) == 2
    assert failures(tmp_path) == []


def test_nobody_asks_for_anything_while_the_site_wants_a_pause(tmp_path):
    with playing("rate-limit@4") as game:
        assert collect(tmp_path, game, rounds=3) == 0
        assert check(tmp_path, game) == 3
        # A request within the pause would have been answered with 429 as well.
        assert game.state.rate_limited == 1
    (pause,) = events(tmp_path, "rate_limited")
    next_round = next(one for one in events(tmp_path, "round") if one["time"] > pause["time"])
    assert next_round["time"] - pause["time"] >= pause["seconds"] >= 1


def test_two_workers_that_are_handed_the_same_game_do_not_both_collect_it(tmp_path):
    with playing("same-game@1") as game:
        assert collect(tmp_path, game, "--instances", "2", rounds=6) == 0
        assert check(tmp_path, game) == 6
        assert game.state.faults.struck["same-game"] == 1
    assert failures(tmp_path) == ["GameTaken"]
    collected = [one["game"] for one in events(tmp_path, "game")]
    assert len(collected) == len(set(collected)) == 2


def test_changed_texts_stop_the_collection_with_a_screenshot_and_the_text(tmp_path, capsys):
    with playing("renamed-button") as game:
        assert collect(tmp_path, game, "--patience", "8") == 3
        assert check(tmp_path, game) == 0
    screenshots = sorted((folder_of(tmp_path) / ".collect" / "screenshots").iterdir())
    message = capsys.readouterr().err
    assert str(screenshots[-1]) in message
    assert "Guess" in message
    assert all(one.stat().st_size > 10_000 for one in screenshots)
    # It had a second try, as a page may hang once.
    assert failures(tmp_path) == ["SiteChanged", "SiteChanged"]
    assert len(screenshots) == 2


def test_one_page_with_other_texts_does_not_stop_the_collection(tmp_path):
    with playing("renamed-button@1") as game:
        assert collect(tmp_path, game, "--patience", "8", rounds=1) == 0
        assert check(tmp_path, game) == 1
    assert failures(tmp_path) == ["SiteChanged"]


def test_a_wrong_password_is_tried_once_and_told_to_nobody(tmp_path, capsys):
    (tmp_path / ".env").write_text('PRACTICE_EMAIL="me@example.org"\nPRACTICE_PASSWORD="swordfish"\n')
    seen = []

    def look():
        wait_until(lambda: browsers(tmp_path), what="a browser")
        while found := strays(folder_of(tmp_path)):
            for process in found:
                seen.extend(read_process(process.pid))
            time.sleep(0.05)

    with playing() as game, meanwhile(look):
        assert collect(tmp_path, game, "--instances", "2") == 4
        assert game.state.accounts.refused_log_ins == 1
        assert game.state.accounts.log_ins == 0
        assert check(tmp_path, game) == 0
    assert failures(tmp_path) == ["LoginRefused"]
    assert capsys.readouterr().err.count("error:") == 1
    kept = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file() and path.name != ".env"]
    assert seen
    assert not any(b"swordfish" in text for text in [*seen, *kept])
    assert not any(b"me@example.org" in text for text in seen)


def read_process(pid):
    """What anyone, or at least the same user, can read of a process."""
    texts = []
    for name in ("cmdline", "environ"):
        try:
            texts.append(Path(f"/proc/{pid}/{name}").read_bytes())
        except OSError:
            continue
    return texts


def test_a_killed_browser_is_replaced(tmp_path):
    def disturb():
        wait_until(lambda: saved(tmp_path) >= 2, what="two rounds")
        kill(wait_until(lambda: browsers(tmp_path), what="a browser")[0])

    with playing(pace=0.2) as game:
        with meanwhile(disturb):
            assert collect(tmp_path, game, rounds=4) == 0
        assert check(tmp_path, game) == 4
    assert failures(tmp_path) == ["BrowserLost"]


def test_a_worker_killed_between_picture_and_record_loses_nothing(tmp_path):
    folder = folder_of(tmp_path)

    def disturb():
        game = wait_until(lambda: events(tmp_path, "game"), what="a game")[0]["game"]
        (worker,) = workers(tmp_path)
        # The record is written to a pipe that nobody reads, so the worker waits exactly there.
        for number in range(1, 5):
            os.mkfifo(folder / f".{game}_{number}.json.{worker.pid}.tmp")
        wait_until(lambda: len(list(folder.glob("*.png"))) > len(list(folder.glob("*.json"))), what="a half")
        kill(worker)

    with playing(pace=0.2) as game:
        with meanwhile(disturb):
            assert collect(tmp_path, game, rounds=4) == 0
        assert check(tmp_path, game) == 4
        assert len(game.state.game_ids) == 1
    assert failures(tmp_path) == ["SIGKILL"]


def test_workers_killed_at_any_moment_lose_nothing(tmp_path):
    def disturb():
        for number in range(2):
            wait_until(lambda count=number: saved(tmp_path) > count, what="a round")
            found = wait_until(lambda: workers(tmp_path), what="a worker")
            while found:  # one that was just being started isn't seen at first
                for worker in found:
                    kill(worker)
                found = workers(tmp_path)

    with playing() as game:
        with meanwhile(disturb):
            assert collect(tmp_path, game, "--instances", "2", rounds=6) == 0
        assert check(tmp_path, game) == 6
    assert set(failures(tmp_path)) == {"SIGKILL"}


def test_a_full_disk_stops_the_collection_and_leaves_whole_pairs(tmp_path, capsys):
    def disturb():
        wait_until(lambda: saved(tmp_path) >= 1, what="a round")
        # The limit on the size of a file stands in for a full disk: the write fails in the same place.
        for worker in workers(tmp_path):
            resource.prlimit(worker.pid, resource.RLIMIT_FSIZE, (50_000, 50_000))

    with playing(pace=0.2) as game:
        with meanwhile(disturb):
            assert collect(tmp_path, game, rounds=4) == 6
        before = check(tmp_path, game)
        assert 1 <= before < 4
        assert "free some space and run again" in capsys.readouterr().err
        assert collect(tmp_path, game, rounds=4) == 0
        assert check(tmp_path, game) == 4
    assert failures(tmp_path) == ["StorageFull"]


def test_a_disk_without_the_wanted_free_space_starts_no_browser(tmp_path, capsys):
    with playing() as game:
        assert collect(tmp_path, game, "--min-free-gb", "1e9") == 6
        assert check(tmp_path, game) == 0
    assert "collecting stops below" in capsys.readouterr().err
    assert events(tmp_path, "started") == []


def test_without_a_browser_it_says_what_to_do(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("LOST_AND_FOUND_CHROMIUM", str(tmp_path / "none"))
    with playing() as game:
        assert collect(tmp_path, game) == 7
    assert "error:" in capsys.readouterr().err
    assert len(events(tmp_path, "started")) == 1


def test_a_browser_that_fails_to_start_once_does_not_end_the_collection(tmp_path, monkeypatch):
    script = tmp_path / "chromium"
    starts = tmp_path / "starts"
    script.write_text(
        f"""#!/bin/sh
[ "$1" = --version ] || echo >>"{starts}"
[ "$1" = --version ] || [ "$(wc -l <"{starts}")" != 2 ] || exit 1
exec "{find_chromium(os.environ)}" "$@"
"""
    )
    script.chmod(0o755)
    monkeypatch.setenv("LOST_AND_FOUND_CHROMIUM", str(script))
    with playing() as game:
        assert collect(tmp_path, game, "--games-per-browser", "1", rounds=6) == 0
        assert check(tmp_path, game) == 6
    assert failures(tmp_path) == ["BrowserMissing"]
    assert len(starts.read_text().splitlines()) == 3
