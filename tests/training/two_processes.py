"""Two processes that run a program as torchrun's would, without importing torch for each of them anew."""

import multiprocessing
import os
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from torch.distributed import TCPStore

PATIENCE_S = 300
# Forked from a process that has imported what takes seconds, and has no threads yet.
PREPARED = multiprocessing.get_context("forkserver")
PREPARED.set_forkserver_preload(["lost_and_found.training.trainer"])


@dataclass(frozen=True)
class Ended:
    """How both have ended, by rank, and what they said on standard error."""

    statuses: list[int]
    stderr: str


def run_in_two(program: str, folder: Path) -> Ended:
    """Run the text of a program. Unlike under torchrun, nobody ends one process when the other has ended."""
    store = TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
    both = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(store.port)}
    both["TORCHELASTIC_USE_AGENT_STORE"] = "True"  # the store is here, as it is in torchrun
    errors = folder / "errors.txt"
    errors.unlink(missing_ok=True)
    with ExitStack() as ending:
        started = []
        for rank in ("0", "1"):
            own = {**both, "RANK": rank, "LOCAL_RANK": rank}
            started.append(PREPARED.Process(target=_run, args=(program, own, errors)))
            started[-1].start()
            ending.callback(started[-1].kill)
        for process in started:
            process.join(PATIENCE_S)
        statuses = [process.exitcode for process in started]
        if None in statuses:
            raise TimeoutError(f"not ended after {PATIENCE_S} s: {statuses}\n{errors.read_text()}")
        return Ended(statuses, errors.read_text())


def _run(program: str, environment: dict[str, str], errors: Path) -> None:
    with errors.open("a") as file:
        os.dup2(file.fileno(), 2)
    os.environ.update(environment)
    exec(compile(program, "program", "exec"), {"__name__": "__main__"})
