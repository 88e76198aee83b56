"""Work shared among processes, in order, with a progress bar."""

from __future__ import annotations

import itertools
import multiprocessing
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from typing import TypeVar

from lost_and_found.bars import progress_bar

Item = TypeVar("Item")
Result = TypeVar("Result")

CHUNKS_IN_FLIGHT_PER_WORKER = 4


def available_cores() -> int:
    """Cores that this process may use, which in a container can be fewer than the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def map_in_processes(
    function: Callable[[Item], Result],
    items: Sequence[Item],
    *,
    description: str,
    workers: int | None = None,
    chunk_size: int = 64,
) -> Iterator[Result]:
    """Yield `function(item)` for each item, in the order of the items.

    Args:
        function: picklable (defined in a module, or a `functools.partial` of such a function).
        items: what to work on; only a few chunks are sent ahead, so the results need not fit in memory.
        description: stands before the progress bar.
        workers: processes; by default one for each available core. With one, this process does the work.
        chunk_size: items sent to a worker at a time.

    Raises:
        Whatever `function` raises; items not yet started are then skipped.
    """
    workers = min(workers or available_cores(), -(-len(items) // chunk_size))
    with progress_bar(total=len(items), desc=description, unit=" items", disable=not items) as bar:
        chunks = (
            ([function(one)] for one in items)
            if workers <= 1
            else _pooled(function, items, workers, chunk_size)
        )
        for results in chunks:
            bar.update(len(results))  # at once: by ones, the first estimate would take them for one item
            yield from results


def _pooled(
    function: Callable[[Item], Result], items: Sequence[Item], workers: int, chunk_size: int
) -> Iterator[list[Result]]:
    chunks = iter([items[start : start + chunk_size] for start in range(0, len(items), chunk_size)])
    # Spawned, because a forked copy of a notebook's kernel inherits locks that its threads hold.
    pool = ProcessPoolExecutor(
        workers, mp_context=multiprocessing.get_context("spawn"), initializer=_end_with_parent
    )
    pending: list[Future[list[Result]]] = []
    try:
        for chunk in itertools.islice(chunks, workers * CHUNKS_IN_FLIGHT_PER_WORKER):
            pending.append(pool.submit(_work, function, chunk))
        while pending:
            yield pending.pop(0).result()
            for chunk in itertools.islice(chunks, 1):
                pending.append(pool.submit(_work, function, chunk))
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _end_with_parent() -> None:
    """Have this worker end when its parent is killed, instead of working on and then waiting for ever."""

    def watch() -> None:
        if parent := multiprocessing.parent_process():
            parent.join()
            os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _work(function: Callable[[Item], Result], chunk: Sequence[Item]) -> list[Result]:
    return [function(item) for item in chunk]
