"""Claims that several workers share, and what they still know after a worker's death."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from lost_and_found.collection.game import claims as module
from lost_and_found.collection.game.claims import Claims
from lost_and_found.data_loader import find_pairs
from lost_and_found.errors import StorageFull
from lost_and_found.samples import read_record, write_pair

RECORD = {"coordinates": [48.2, 16.4], "duration": 12.5, "source": "practice"}
GAME = "practice_singleplayer_AbC"


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "out"
    folder.mkdir()
    return folder


@pytest.fixture
def open_claims(tmp_path):
    opened = []

    def open_one(worker="one"):
        opened.append(Claims(tmp_path / "claims.sqlite", worker=worker))
        return opened[-1]

    yield open_one
    for one in opened:
        one.close()


def save(claims, folder, number, *, target=0, game=GAME):
    return claims.save(folder, f"{game}_{number}", image=b"picture", record=RECORD, target=target)


# -- games --


def test_a_game_belongs_to_the_first_worker_that_claims_it(open_claims):
    one, two = open_claims("one"), open_claims("two")
    assert one.claim(GAME, account="a")
    assert one.claim(GAME, account="a")
    assert not two.claim(GAME, account="a")


def test_a_finished_or_abandoned_game_is_never_claimed_again(open_claims):
    claims = open_claims()
    for end in (claims.finish, claims.abandon):
        assert claims.claim(f"{GAME}{end.__name__}", account="a")
        end(f"{GAME}{end.__name__}")
        assert not claims.claim(f"{GAME}{end.__name__}", account="a")


def test_a_released_game_goes_to_another_worker_of_the_same_account_only(open_claims):
    one, two = open_claims("one"), open_claims("two")
    assert one.claim(GAME, account="a")
    assert two.take_over("practice_singleplayer_", account="a") is None
    one.release(GAME)
    assert two.take_over("practice_singleplayer_", account="b") is None
    assert two.take_over("practice_multiplayer_", account="a") is None
    assert not two.claim(GAME, account="b")
    assert two.take_over("practice_singleplayer_", account="a") == GAME
    assert one.take_over("practice_singleplayer_", account="a") is None
    assert two.claim(GAME, account="a")
    assert not one.claim(GAME, account="a")


def test_a_game_that_fails_again_and_again_is_abandoned(open_claims):
    claims = open_claims()
    assert claims.claim(GAME, account="a")
    for _ in range(module.MOST_RESUMPTIONS):
        assert claims.release(GAME)
        assert claims.take_over("practice_singleplayer_", account="a") == GAME
    assert not claims.release(GAME)
    assert claims.take_over("practice_singleplayer_", account="a") is None


def test_games_of_a_server_that_is_gone_are_abandoned(open_claims):
    claims = open_claims()
    assert claims.claim(GAME, account="a")
    assert claims.claim(f"{GAME}2", account="a")
    assert claims.release(GAME)
    assert claims.abandon_released() == [GAME]
    assert claims.take_over("practice_singleplayer_", account="a") is None
    assert claims.claim(f"{GAME}2", account="a")


# -- reservations --


def test_games_are_reserved_so_that_the_target_is_met_and_not_passed(open_claims, folder):
    one, two, three = (open_claims(name) for name in ("one", "two", "three"))
    assert one.reserve(5, target=7) and one.reserve(5, target=7)  # the second in place of the first
    assert two.reserve(5, target=7)
    assert not three.reserve(5, target=7)
    assert all(save(one, folder, number, target=7) for number in range(5))
    assert not three.reserve(5, target=7)
    two.unreserve()
    assert three.reserve(5, target=7)
    assert not one.reached(7)
    assert [save(three, folder, number, target=7, game="practice_singleplayer_B") for number in range(3)] == [
        True,
        True,
        False,
    ]
    assert one.reached(7)
    assert not one.reserve(5, target=7)
    assert len(find_pairs(folder)[0]) == 7


def test_without_a_target_every_game_is_wanted(open_claims, folder):
    claims = open_claims()
    assert save(claims, folder, 0)
    assert claims.reserve(5, target=0)
    assert not claims.reached(0)


# -- rounds --


def test_a_saved_round_is_a_pair_that_is_never_saved_again(open_claims, folder):
    one, two = open_claims("one"), open_claims("two")
    assert save(one, folder, 0)
    assert not save(two, folder, 0)
    assert two.saved() == {f"{GAME}_0"}
    assert read_record(folder / f"{GAME}_0.json") == RECORD
    assert sorted(path.name for path in folder.iterdir()) == [f"{GAME}_0.json", f"{GAME}_0.png"]


STOPPED = """
import os, signal, sys
from pathlib import Path
from lost_and_found import samples
from lost_and_found.collection.game.claims import Claims
writes = []
def write(path, data, real=samples.write_atomically):
    if len(writes) == int(sys.argv[3]):
        os.kill(os.getpid(), signal.SIGKILL)
    writes.append(real(path, data))
samples.write_atomically = write
claims = Claims(Path(sys.argv[1]), worker="killed")
claims.claim("practice_singleplayer_AbC", account="a")
claims.reserve(5, target=5)
claims.save(Path(sys.argv[2]), "practice_singleplayer_AbC_0", image=b"picture",
            record={"coordinates": [48.2, 16.4], "duration": 12.5, "source": "practice"}, target=5)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("worker", [None, "killed"], ids=["all", "one"])
@pytest.mark.parametrize(("files_written", "pairs"), [(0, 0), (1, 1), (2, 1)])
def test_a_worker_killed_at_any_step_leaves_no_half_pair(
    open_claims, folder, tmp_path, files_written, pairs, worker
):
    command = [sys.executable, "-c", STOPPED, tmp_path / "claims.sqlite", folder, str(files_written)]
    assert subprocess.run(command).returncode == -signal.SIGKILL
    claims = open_claims()
    assert not claims.reserve(5, target=5)
    assert claims.recover(folder, worker=worker) == [GAME]
    assert claims.recover(folder, worker=worker) == []
    found, halves = find_pairs(folder)
    assert (len(found), halves) == (pairs, {})
    assert claims.saved() == set(found)
    assert all(read_record(sample.record) == RECORD for sample in found.values())
    assert claims.reserve(5, target=5)
    assert save(claims, folder, 0) is (pairs == 0)


def test_recovery_after_one_worker_leaves_the_others_alone(open_claims, folder):
    one, two = open_claims("one"), open_claims("two")
    assert one.claim(GAME, account="a")
    assert two.claim(f"{GAME}2", account="a")
    assert one._begin(f"{GAME}_0", RECORD, 0)
    assert two._begin(f"{GAME}2_0", RECORD, 0)
    assert open_claims("three").recover(folder, worker="one") == [GAME]
    assert f"{GAME}_0" not in one
    assert f"{GAME}2_0" in two
    assert two.claim(f"{GAME}2", account="a")


def test_pairs_that_the_file_does_not_know_are_not_collected_again(open_claims, folder):
    write_pair(folder, f"{GAME}_0", image=b"picture", suffix=".jpg", record=RECORD)
    claims = open_claims()
    claims.recover(folder)
    assert claims.saved() == {f"{GAME}_0"}
    assert claims.reached(1)
    assert not claims.claim(GAME, account="a")
    assert not save(claims, folder, 0)


def test_a_deleted_pair_no_longer_counts_and_is_not_collected_again(open_claims, folder):
    claims = open_claims()
    assert save(claims, folder, 0)
    for path in folder.iterdir():
        path.unlink()
    claims.recover(folder)
    assert claims.saved() == set()
    assert not claims.reached(1)
    assert f"{GAME}_0" in claims


@pytest.mark.parametrize("suffix", [".png", ".json"])
def test_a_full_disk_leaves_no_half_pair(open_claims, folder, monkeypatch, suffix):
    claims = open_claims()

    def write(path, data, real=module.write_atomically):
        if path.suffix == suffix:
            raise StorageFull(f"{path}: no room")
        real(path, data)

    monkeypatch.setattr("lost_and_found.samples.write_atomically", write)
    with pytest.raises(StorageFull):
        save(claims, folder, 0)
    assert not list(folder.iterdir())
    assert f"{GAME}_0" not in claims


NO_ROOM = """
import resource, signal, sys
from pathlib import Path
from lost_and_found.collection.game.claims import Claims
claims = Claims(Path(sys.argv[1]), worker="one")
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (60000, 60000))
for number in range(1000):
    claims.claim(f"game{number}", account="a")
"""


def test_a_claims_file_on_a_full_disk_says_so(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", NO_ROOM, tmp_path / "claims.sqlite"], capture_output=True, text=True
    )
    assert "StorageFull" in done.stderr
    assert "free some space and run again" in done.stderr


CLAIM_MANY = """
import json, sys
from pathlib import Path
from lost_and_found.collection.game.claims import Claims
claims = Claims(Path(sys.argv[1]), worker=sys.argv[2])
input()
mine = [n for n in range(200) if claims.claim(f"game{n}", account="a")]
print(json.dumps(mine))
"""


def test_of_processes_that_claim_at_once_exactly_one_gets_each_game(tmp_path):
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", CLAIM_MANY, tmp_path / "claims.sqlite", str(number)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(3)
    ]
    for worker in workers:
        worker.stdin.write("\n")
        worker.stdin.flush()
    claimed = [json.loads(worker.communicate()[0]) for worker in workers]
    assert sorted(number for mine in claimed for number in mine) == list(range(200))


SAVE_FOR_EVER = """
import itertools, sys
from pathlib import Path
from lost_and_found.collection.game.claims import Claims
claims = Claims(Path(sys.argv[1]), worker=sys.argv[3])
for number in itertools.count():
    claims.save(Path(sys.argv[2]), f"s_m_{sys.argv[3]}_{number}", image=bytes(300_000), record={}, target=0)
"""


def test_writers_killed_anywhere_leave_whole_pairs_only(open_claims, folder, tmp_path):
    command = [sys.executable, "-c", SAVE_FOR_EVER, tmp_path / "claims.sqlite", folder]
    writers = [subprocess.Popen([*command, f"w{attempt}"]) for attempt in range(4)]
    for attempt, writer in enumerate(writers):
        while len(list(folder.glob(f"s_m_w{attempt}_*.json"))) < 3:
            time.sleep(0.003)
        os.kill(writer.pid, signal.SIGKILL)
        writer.wait()
    claims = open_claims()
    for attempt in range(4):
        claims.recover(folder, worker=f"w{attempt}")
    found, halves = find_pairs(folder)
    assert halves == {}
    assert claims.saved() == set(found)
