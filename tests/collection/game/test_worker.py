"""One worker: its process, its browser, and what becomes of its games."""

import asyncio
import json
import stat
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

import pytest
from fleets import browsers, check, failures, folder_of, playing, saved, wait_until

from lost_and_found.collection.game import worker as module
from lost_and_found.collection.game.claims import Claims
from lost_and_found.collection.game.instances import MARK, Instance, strays
from lost_and_found.collection.game.job import BOOKS, WorkerJob
from lost_and_found.collection.game.rounds import SkippedRound
from lost_and_found.collection.game.session import Account
from lost_and_found.errors import PageCrashed
from lost_and_found.practice.game.accounts import PASSWORD

ACCOUNT = Account("ann@practice.example", PASSWORD)


def job(root, game, **changed):
    folder = folder_of(root)
    (folder / BOOKS).mkdir(parents=True, exist_ok=True)
    values = {
        "name": "one",
        "site": "practice",
        "url": game.url,
        "mode": "singleplayer",
        "folder": str(folder),
        "auth": str(root / ".auth" / "practice"),
        "seconds_per_round": 0.05,
        "patience_s": None,
        "target": 5,
        "games_per_browser": 20,
        "headed": False,
    }
    return WorkerJob(**(values | changed))


def work(worker_job, capsys, account=ACCOUNT):
    """The exit status and the events of a worker in this process."""
    status = asyncio.run(module.work(worker_job, account))
    return status, [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def of(events, name):
    return [one for one in events if one["event"] == name]


def claims_of(root):
    return Claims(folder_of(root) / BOOKS / "claims.sqlite", worker="test")


@pytest.fixture
def instance():
    """A place for a worker process, which is ended after the test."""
    one = Instance(1, ACCOUNT)
    folders = []

    def start(worker_job):
        folders.append(worker_job.folder)
        one.start(worker_job, errors=Path(worker_job.folder) / BOOKS / "errors.log")
        return one

    yield start
    one.kill()
    for folder in folders:
        one.bury(Path(folder))


def test_a_worker_collects_until_enough_is_saved_with_one_log_in_and_fresh_browsers(tmp_path, capsys):
    with playing() as game:
        status, events = work(job(tmp_path, game, target=10, games_per_browser=1), capsys)
        assert status == 0
        assert game.state.accounts.log_ins == 1
        assert len(game.state.game_ids) == 2
    assert [one["event"] for one in events] == ["ready", "game", *["round"] * 5] * 2
    assert saved(tmp_path) == 10
    (state,) = (tmp_path / ".auth" / "practice").glob("*.json")
    assert stat.S_IMODE(state.stat().st_mode) == 0o600
    assert "ann" not in state.name


def test_a_worker_stops_in_the_middle_of_a_game_once_enough_is_saved(tmp_path, capsys):
    with playing() as game:
        status, events = work(job(tmp_path, game, target=2), capsys)
    assert (status, len(of(events, "round")), saved(tmp_path)) == (0, 2, 2)


def test_rounds_of_an_account_keep_their_minimum_distance(tmp_path, capsys):
    begun_at = time.monotonic()
    with playing() as game:
        work(job(tmp_path, game, target=3, seconds_per_round=2.5), capsys)
    assert time.monotonic() - begun_at >= 5
    assert saved(tmp_path) == 3


def idle_worker(tmp_path, **changed):
    """A worker that is not running, whose account may begin a round every fifth of a second."""
    nowhere = SimpleNamespace(url="http://127.0.0.1:9")
    return module.Worker(job(tmp_path, nowhere, seconds_per_round=0.2, **changed), ACCOUNT)


async def rounds_of(worker, outcomes, begun):
    """Play made-up games, one per outcome: a number of rounds, or an error in the first one."""

    ahead = iter(outcomes)

    async def made_up_game(visit, mode, claim, **_):
        outcome = next(ahead)
        claim(f"game{len(begun)}")
        for number in range(outcome if isinstance(outcome, int) else 1):
            begun.append(time.monotonic())
            if not isinstance(outcome, int):
                raise outcome
            yield SkippedRound(f"practice_{mode}_game{len(begun)}_{number}", "made up")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "play_game", made_up_game)
        patch.setattr(module, "MOST_FRUITLESS", 99)
        for _ in outcomes:
            with suppress(PageCrashed):
                await worker._play(None)


def test_the_wait_that_a_battle_royale_owes_comes_before_the_next_one(tmp_path):
    begun, start = [], time.monotonic()
    asyncio.run(rounds_of(idle_worker(tmp_path, mode="multiplayer"), [4, 4, 1], begun))
    assert len(begun) == 9
    assert begun[4] - start >= 4 * 0.2
    assert begun[8] - start >= 8 * 0.2


@pytest.mark.parametrize("mode", ["singleplayer", "multiplayer"])
def test_a_game_that_fails_has_used_its_turn(tmp_path, mode):
    begun, start = [], time.monotonic()
    asyncio.run(rounds_of(idle_worker(tmp_path, mode=mode), [PageCrashed("gone")] * 4, begun))
    assert len(begun) == 4
    assert begun[-1] - start >= 3 * 0.2


def test_after_a_hold_the_workers_of_an_account_go_on_one_by_one(tmp_path):
    begun = []

    async def begin(worker):
        await worker._turn()
        begun.append(time.monotonic())
        if len(begun) == 1:  # the others have their turns
            worker._turns.hold_back(worker._key, for_s=1.0)

    async def all_at_once():
        await asyncio.gather(*(begin(idle_worker(tmp_path, name=f"w{number}")) for number in range(4)))

    asyncio.run(all_at_once())
    first, *late = begun
    assert len(late) == 3
    # The account's turns are a fifth of a second apart, and no worker begins before its own.
    assert all(at >= first + 1.0 + 0.2 * place - 0.02 for place, at in enumerate(late))


def test_battle_royales_are_collected_with_countries(tmp_path, capsys):
    with playing(pace=0.4) as game:
        status, events = work(job(tmp_path, game, mode="multiplayer", target=3), capsys)
        assert status == 0
        assert len(of(events, "round")) == saved(tmp_path) == 3
        assert check(tmp_path, game, told=events) == 3


def test_a_worker_that_gets_nowhere_ends_so_that_another_browser_is_tried(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(module, "MOST_FRUITLESS", 1)
    with playing("server-error") as game:
        status, events = work(job(tmp_path, game), capsys)
    assert status == 1
    assert [one["kind"] for one in of(events, "failure")] == ["SiteError", "SiteError"]


def test_rounds_that_are_skipped_again_and_again_end_a_worker_as_well(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(module, "MOST_FRUITLESS", 1)
    with playing("no-popup") as game:
        status, events = work(job(tmp_path, game), capsys)
    assert status == 1
    assert len(of(events, "skipped")) == 2
    assert [one["kind"] for one in of(events, "failure")] == ["AnswerMissing"]


def test_a_worker_that_can_not_begin_says_why(tmp_path, capsys):
    auth = tmp_path / "auth"
    auth.touch()
    status, events = work(job(tmp_path, SimpleNamespace(url="http://127.0.0.1:9"), auth=str(auth)), capsys)
    assert status == 1
    assert [one["kind"] for one in of(events, "failure")] == ["DatabaseUnusable"]


def test_a_rate_limit_without_a_time_is_waited_for_longer_each_time():
    assert [module.rate_limit_pause_s(None, failures=count) for count in range(1, 8)] == [
        *(30, 60, 120, 240, 480, 900, 900)
    ]
    assert module.rate_limit_pause_s(2.5, failures=5) == 2.5
    assert module.rate_limit_pause_s(0.0, failures=2) == 60  # a date that is past by this machine's clock


def test_a_worker_that_is_asked_to_stop_ends_its_round_and_leaves_the_game_to_others(tmp_path, instance):
    with playing(pace=0.3) as game:
        one = instance(job(tmp_path, game))
        wait_until(lambda: saved(tmp_path) >= 1, what="a round")
        before = saved(tmp_path)
        one.stop(grace_s=60)
        wait_until(lambda: one.status is not None, what="its end")
        assert one.status == 0
        assert before <= saved(tmp_path) < 5
        assert strays(folder_of(tmp_path)) == []
        claims = claims_of(tmp_path)
        (game_id,) = game.state.game_ids
        taken = claims.take_over("practice_singleplayer_", account=module.account_key(ACCOUNT))
        assert taken == f"practice_singleplayer_{game_id}"
        claims.close()
    assert len(of(one.events(), "round")) == saved(tmp_path)


def test_a_worker_whose_fleet_is_gone_ends_with_its_browser(tmp_path, instance):
    with playing(pace=5) as game:
        one = instance(job(tmp_path, game))
        wait_until(lambda: browsers(tmp_path), what="a browser")
        one._process.stdin.close()
        wait_until(lambda: one.status is not None, what="its end")
        wait_until(lambda: not strays(folder_of(tmp_path)), what="the end of its browser")


HANGING = "from lost_and_found.collection.game import worker; worker.HANG_S = 4; worker.main()"


def test_a_worker_that_hangs_ends_itself_with_its_browser(tmp_path):
    with playing(pace=100) as game:
        worker_job = job(tmp_path, game)
        run = subprocess.Popen(
            [sys.executable, "-c", HANGING, worker_job.as_json()],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**module.os.environ, MARK: f"{worker_job.folder}:one"},
        )
        run.stdin.write(b'{"email": "ann@practice.example", "password": "practice"}\n')
        run.stdin.flush()
        events = [json.loads(line) for line in run.stdout]
        assert run.wait() == 1
        run.stdin.close()
        run.stdout.close()
        wait_until(lambda: not strays(folder_of(tmp_path)), what="the end of its browser")
    assert of(events, "failure")[-1]["kind"] == "Hang"
    assert failures(tmp_path) == []
