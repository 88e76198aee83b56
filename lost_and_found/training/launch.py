"""`torchrun` without its own tracebacks, which would bury a process's error message."""

from __future__ import annotations

import logging
import signal
import sys
from collections.abc import Sequence

from torch.distributed import run
from torch.distributed.elastic.multiprocessing.api import SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError

from lost_and_found.signals import RESUME


def main(arguments: Sequence[str] | None = None) -> int:
    """Run with torchrun's arguments; the exit status of the process that failed first."""
    logging.disable(logging.ERROR)
    try:
        run.main(arguments)
    except ChildFailedError as error:
        rank, failure = error.get_first_failure()
        status: int = failure.exitcode
        if status > 0:
            return status
        # A process that is killed can't say so itself.
        why = ", perhaps for lack of memory" if status == -signal.SIGKILL else ""
        print(f"\nerror: process {rank} was ended by {failure.signal_name()}{why}; {RESUME}", file=sys.stderr)
        return 128 - status  # as shells report signals
    except SignalException as error:
        return 128 + int(error.sigval)
    return 0


if __name__ == "__main__":
    sys.exit(main())
