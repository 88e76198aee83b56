"""Order, laziness and errors of work that is shared among processes."""

import functools
import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from tqdm import tqdm

from lost_and_found import processes
from lost_and_found.errors import BrokenSample
from lost_and_found.processes import map_in_processes


def square(number):
    return number * number


def fail_at(number, *, bad):
    if number == bad:
        raise BrokenSample(f"item {number}", "is bad")
    return number


def process_of(_):
    return os.getpid()


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("count", [0, 1, 100])
def test_results_come_in_the_order_of_the_items(workers, count):
    results = map_in_processes(square, range(count), description="test", workers=workers, chunk_size=7)
    assert list(results) == [number * number for number in range(count)]


def test_the_bar_counts_a_chunk_at_once_lest_it_estimate_by_its_first_item(monkeypatch):
    shown = []

    class Bar(tqdm):
        def display(self, *_, **__):
            shown.append(self.n)

    monkeypatch.setattr(processes, "progress_bar", lambda **options: Bar(mininterval=0, **options))
    list(map_in_processes(square, range(20), description="test", workers=2, chunk_size=10))
    assert next(count for count in shown if count) == 10


@pytest.mark.parametrize(("workers", "is_own"), [(1, True), (2, False)])
def test_one_worker_is_this_process_and_several_are_others(workers, is_own):
    pids = set(map_in_processes(process_of, range(20), description="test", workers=workers, chunk_size=1))
    assert (os.getpid() in pids) == is_own


@pytest.mark.parametrize("workers", [1, 2])
def test_an_error_in_a_worker_reaches_the_caller_whole(workers):
    work = functools.partial(fail_at, bad=5)
    with pytest.raises(BrokenSample) as caught:
        list(map_in_processes(work, range(20), description="test", workers=workers, chunk_size=2))
    assert caught.value.reason == "is bad"


@pytest.mark.parametrize("end", ["terminate", "kill"])
def test_workers_end_with_the_process_that_is_killed(end):
    code = (
        "from test_processes import process_of\n"
        "from lost_and_found.processes import map_in_processes\n"
        "results = map_in_processes(process_of, range(1000), description='test', workers=2, chunk_size=1)\n"
        "print(next(results), flush=True)\n"
        "input()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=Path(__file__).parent,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as process:
        assert process.stdout.readline()
        workers = psutil.Process(process.pid).children()
        getattr(process, end)()
    _, alive = psutil.wait_procs(workers, timeout=10)
    for worker in alive:
        worker.kill()
    assert not alive
