"""`torchrun` without its own tracebacks, which would bury a process's error message."""

from __future__ import annotations

import atexit
import logging
import signal
import sys
from collections.abc import Sequence

from torch.distributed import run
from torch.distributed.elastic.multiprocessing.api import SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError

from lost_and_found.signals import RESUME, STOP_SIGNALS, STOPPED


def main(arguments: Sequence[str] | None = None) -> int:
    """Run with torchrun's arguments; the exit status of the process that failed first."""
    logging.disable(logging.ERROR)
    try:
        run.main(arguments)
    except ChildFailedError as error:
        rank, failure = error.get_first_failure()
        status: int = failure.exitcode
        number = -status if status < 0 else status - 128  # as shells report signals
        if status > 0 and number not in STOP_SIGNALS:
            return status
        # A process that is killed can't say so itself, and one that is stopped leaves it to this one.
        why = ", perhaps for lack of memory" if number == signal.SIGKILL else ""
        name = failure.signal_name() if status < 0 else signal.Signals(number).name
        print(f"\nerror: process {rank} was ended by {name}{why}; {RESUME}", file=sys.stderr)
        return 128 + number
    except SignalException as error:
        if error.sigval != signal.SIGINT:  # of which the processes say so
            atexit.register(print, f"\n{STOPPED}", file=sys.stderr)  # as the terminal may be gone
        return 128 + int(error.sigval)
    return 0


if __name__ == "__main__":
    sys.exit(main())
