"""A collection from its start to its end: targets, stops, restarts, refusals."""

import os
import signal
import subprocess
import sys
import time

import psutil
import pytest
from fleets import (
    PATIENCE_S,
    check,
    collect,
    collecting,
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

from lost_and_found.collection.game import fleet
from lost_and_found.collection.game.job import BOOKS, CollectJob, account_key, accounts_for
from lost_and_found.collection.game.log import log_path, read_events, summarise
from lost_and_found.collection.game.manners import Turns
from lost_and_found.errors import InvalidConfig, MissingInput
from lost_and_found.locks import sole_writer

# -- the target --


def test_several_instances_save_exactly_as_many_rounds_as_wanted_and_a_rerun_starts_no_browser(
    tmp_path, capsys
):
    with playing() as game:
        assert collect(tmp_path, game, "--instances", "2", rounds=7) == 0
        assert check(tmp_path, game) == 7
        assert "7 rounds collected" in capsys.readouterr().out
        started = len(events(tmp_path, "started"))
        assert started == 2
        assert game.state.accounts.log_ins == 2

        assert collect(tmp_path, game, "--instances", "2", rounds=7) == 0
        assert "no browser was started" in capsys.readouterr().out
        assert len(events(tmp_path, "started")) == started
    assert failures(tmp_path) == []


def test_the_bar_says_how_many_browsers_there_are(tmp_path, capsys):
    with playing() as game:
        assert collect(tmp_path, game, rounds=2) == 0
    told = capsys.readouterr().err
    assert "1 browser" in told
    assert "1 browsers" not in told


def test_a_practice_game_of_its_own_is_started_and_has_other_games_the_next_time(tmp_path):
    own = ("--pace", "0.02", "--min-free-gb", "0.001")
    assert collect(tmp_path, None, *own, rounds=2) == 0
    assert saved(tmp_path) == 2
    assert collect(tmp_path, None, *own, rounds=4) == 0
    assert saved(tmp_path) == 4
    assert failures(tmp_path) == []
    assert len({one["game"] for one in events(tmp_path, "game")}) == 2


def test_the_last_round_ends_the_collection_also_for_a_worker_whose_account_is_held_back(tmp_path):
    job = CollectJob(site="practice", mode="singleplayer", rounds=2, root=tmp_path)
    _, held = accounts_for("practice", {}, instances=2)
    turns = Turns(job.auth / "pace.sqlite")
    turns.hold_back(account_key(held), for_s=3600)
    with playing() as game, collecting(tmp_path, game, "--instances", "2", rounds=2) as run:
        assert run.wait(PATIENCE_S) == 0
        assert check(tmp_path, game) == 2
    assert turns.held(account_key(held)) > 0
    assert events(tmp_path, "finished")[-1]["reason"] == "target reached"
    assert failures(tmp_path) == []


def test_running_out_of_time_is_a_success_too(tmp_path):
    with playing() as game:
        assert collect(tmp_path, game, "--minutes", "0.1", rounds=0) == 0
        assert check(tmp_path, game) == saved(tmp_path)
    assert events(tmp_path, "finished")[-1]["reason"] == "time is up"


# -- stops --


def test_a_signal_stops_after_the_running_round_and_the_same_command_goes_on(tmp_path):
    signals = {
        signal.SIGINT: (130, lambda: events(tmp_path, "game")),  # in the first round
        signal.SIGTERM: (143, lambda: saved(tmp_path) >= 2),
    }
    before = 0
    with playing(pace=0.2) as game:
        for number, (status, moment) in signals.items():
            with collecting(tmp_path, game) as run:
                wait_until(moment, what="rounds")
                os.killpg(run.pid, number)  # as a terminal does
                assert run.wait() == status
            assert "Traceback" not in (tmp_path / "said").read_text()
            before, earlier = check(tmp_path, game), before
            assert earlier < before < 5
            assert failures(tmp_path) == []
        assert collect(tmp_path, game) == 0
        assert check(tmp_path, game) == 5
        # The half-played game was played on.
        assert len(game.state.game_ids) == 1
    assert [one["reason"] for one in events(tmp_path, "finished")] == ["SIGINT", "SIGTERM", "target reached"]


def test_a_second_signal_does_not_wait_for_the_round(tmp_path):
    with playing(pace=30) as game, collecting(tmp_path, game) as run:
        wait_until(lambda: events(tmp_path, "ready"), what="a log-in")
        for _ in range(2):
            run.send_signal(signal.SIGINT)
            time.sleep(0.5)
        assert run.wait() == 130
        assert check(tmp_path, game) == 0


def test_nothing_outlives_a_killed_collection_and_the_next_one_goes_on(tmp_path):
    with playing(pace=0.2) as game:
        with collecting(tmp_path, game, "--instances", "2", rounds=6) as run:
            wait_until(lambda: saved(tmp_path) >= 2, what="rounds")
            family = psutil.Process(run.pid).children(recursive=True)
            run.kill()
            wait_until(lambda: not any(is_alive(one) for one in family), what="the end of all its processes")
        before = saved(tmp_path)
        assert collect(tmp_path, game, "--instances", "2", rounds=6) == 0
        assert check(tmp_path, game) == 6
    (cut_off, whole) = events(tmp_path, "collecting")
    assert cut_off["saved"] == 0
    assert whole["saved"] >= before


def is_alive(process):
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


# -- replaced workers --


def test_a_worker_with_too_much_memory_is_replaced_and_that_is_no_failure(tmp_path, capsys):
    with playing(pace=0.5) as game:
        assert collect(tmp_path, game, "--memory-mb", "50", rounds=3) == 0
        assert check(tmp_path, game) == 3
    assert len(events(tmp_path, "recycled")) >= 1
    assert all(one["mb"] > 50 for one in events(tmp_path, "recycled"))
    assert failures(tmp_path) == []
    assert "recycled workers" in capsys.readouterr().out


def test_workers_that_die_again_and_again_are_given_up(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(fleet, "MOST_CRASHES", 2)

    def disturb():
        for number in (1, 2):
            wait_until(lambda count=number: len(events(tmp_path, "started")) == count, what="a worker")
            for worker in wait_until(lambda: workers(tmp_path), what="its process"):
                kill(worker)
            wait_until(lambda count=number: len(events(tmp_path, "ended")) == count, what="its end")

    with playing() as game, meanwhile(disturb):
        assert collect(tmp_path, game) == 8
        assert check(tmp_path, game) == 0
    assert "killed by SIGKILL" in capsys.readouterr().err
    assert failures(tmp_path) == ["SIGKILL", "SIGKILL"]


# -- refusals --


def test_a_live_site_is_refused_without_the_statement(tmp_path, capsys, monkeypatch):
    monkeypatch.delenv("LOST_AND_FOUND_MAY_COLLECT_FROM_GEOGUESSR", raising=False)
    assert collect(tmp_path, None, "--site", "geoguessr") == 5
    assert "I have the right to collect" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_live_site_needs_an_account(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("LOST_AND_FOUND_MAY_COLLECT_FROM_GEOGUESSR", "I have the right to collect")
    monkeypatch.delenv("GEOGUESSR_EMAIL", raising=False)
    assert collect(tmp_path, None, "--site", "geoguessr") == 1
    assert "GEOGUESSR_EMAIL" in capsys.readouterr().err


FORBIDDING = """
import http.server, sys
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"User-agent: *\\nDisallow: /game/")
server = http.server.HTTPServer(("127.0.0.1", 0), Answer)
print(server.server_port, flush=True)
server.serve_forever()
"""


def test_a_robots_txt_that_disallows_is_obeyed(tmp_path, capsys):
    server = subprocess.Popen(
        [sys.executable, "-c", FORBIDDING], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    with server:
        url = f"http://127.0.0.1:{server.stdout.readline().strip()}"
        assert collect(tmp_path, None, "--url", url) == 5
        server.kill()
    assert "robots.txt disallows /game/" in capsys.readouterr().err
    assert events(tmp_path, "started") == []


def test_turns_that_can_not_be_read_are_named_before_a_browser_is_started(tmp_path, capsys):
    turns = tmp_path / ".auth" / "practice" / "pace.sqlite"
    turns.parent.mkdir(parents=True)
    turns.write_text("no database " * 100)
    with playing() as game:
        assert collect(tmp_path, game) == 1
    assert f"{turns} is damaged" in capsys.readouterr().err
    assert events(tmp_path, "started") == []


def test_two_collections_of_one_folder_are_refused(tmp_path, capsys):
    with playing() as game, sole_writer(folder_of(tmp_path), wait=False):
        assert collect(tmp_path, game) == 1
    assert "another process is writing it" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (("--seconds-per-round", "0"), "seconds_per_round 0"),
        (("--seconds-per-round", "0.001"), "too fast"),
        (("--rounds", "-1"), "rounds -1"),
        (("--instances", "0"), "instances 0"),
        (("--minutes", "-1"), "minutes -1"),
        (("--dataset", "a/b"), "plain name"),
        (("--fault", "earthquake"), "is not a fault"),
        (("--pace", "0"), "pace 0"),
        (("--url", "http://127.0.0.1:1", "--pace", "0.5"), "without url"),
        (("--url", "http://127.0.0.1:1", "--fault", "log-out"), "without url"),
        (("--url", "127.0.0.1:1"), "not an address"),
        (("--url", "http://[::1"), "not an address"),
        (("--site", "geoguessr", "--url", "http://127.0.0.1:1"), "its own address"),
        (("--site", "geoguessr", "--seed", "1"), "practice game"),
    ],
)
def test_impossible_or_contradictory_values_are_wrong_usage(tmp_path, capsys, wrong, message):
    assert collect(tmp_path, None, *wrong) == 2
    assert message in capsys.readouterr().err


def test_a_folder_that_cannot_be_written_is_an_error_without_a_trace(tmp_path, capsys):
    folder_of(tmp_path).parent.mkdir(parents=True)
    folder_of(tmp_path).touch()
    assert collect(tmp_path, None) == 1
    assert capsys.readouterr().err == f"error: {folder_of(tmp_path)}: File exists\n"


@pytest.mark.parametrize("wrong", [("--site", "earth"), ("--mode", "duel"), ("--rounds", "many")])
def test_unknown_values_are_wrong_usage(tmp_path, wrong):
    with pytest.raises(SystemExit) as caught:
        collect(tmp_path, None, *wrong)
    assert caught.value.code == 2


def test_a_job_knows_its_folders(tmp_path):
    job = CollectJob(site="practice", mode="singleplayer", rounds=5, root=tmp_path)
    assert job.folder == folder_of(tmp_path)
    assert job.auth == tmp_path / ".auth" / "practice"
    with pytest.raises(InvalidConfig, match="mode"):
        CollectJob(site="practice", mode="duel", rounds=5)


# -- accounts --


def test_instances_are_spread_over_the_accounts_of_the_environment():
    environment = {
        "GEOGUESSR_EMAIL": "a@example.org",
        "GEOGUESSR_PASSWORD": "x",
        "GEOGUESSR_EMAIL_2": "b@example.org",
        "GEOGUESSR_PASSWORD_2": "y",
    }
    accounts = accounts_for("geoguessr", environment, instances=3)
    assert [one.email[0] + one.password for one in accounts] == ["ax", "by", "ax"]
    del environment["GEOGUESSR_PASSWORD_2"]
    with pytest.raises(MissingInput, match="GEOGUESSR_PASSWORD_2"):
        accounts_for("geoguessr", environment, instances=1)


def test_every_instance_has_its_own_practice_account():
    accounts = accounts_for("practice", {}, instances=3)
    assert [one.email for one in accounts] == [f"player-{number}@practice.example" for number in (1, 2, 3)]
    assert "practice'" not in repr(accounts)


# -- the log --

LOG = """
{"time": 1000.0, "worker": "", "event": "collecting", "target": 5, "saved": 0}
{"time": 1001.0, "worker": "1", "event": "round", "id": "practice_singleplayer_a_0", "seconds": 2.0}
{"time": 1002.0, "worker": "1", "event": "skipped", "id": "practice_singleplayer_a_1", "reason": "black"}
{"time": 1060.0, "worker": "1", "event": "failure", "kind": "SiteError", "message": "m"}
{"time": 2000.0, "worker": "", "event": "collecting", "target": 5, "saved": 1}
{"time": 2030.0, "worker": "1", "event": "round", "id": "practice_singleplayer_b_0", "seconds": 2.0}
{"time": 2059.0, "worker": "1", "event": "recycled", "mb": 3000}
{"time": 2060.0, "worker": "", "event": "finished", "reason": "target reached", "saved": 2}
{"time": 2061.0, "wor
"""


def test_the_log_can_be_read_and_summed_up_also_after_a_killed_supervisor(tmp_path):
    (tmp_path / BOOKS).mkdir()
    assert list(read_events(tmp_path)) == []
    log_path(tmp_path).write_text(LOG.strip())
    assert len(list(read_events(tmp_path))) == 8
    summary = summarise(tmp_path)
    assert (summary.rounds, summary.minutes) == (2, 2.0)
    assert summary.rounds_per_minute == 1
    assert (summary.skipped, summary.failures) == ({"black": 1}, {"SiteError": 1})
