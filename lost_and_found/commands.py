"""What the project's commands have in common: how their errors are told."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec

from lost_and_found.errors import LostAndFoundError

P = ParamSpec("P")


def command(
    status_of: Callable[[Exception], int] = lambda _: 1,
) -> Callable[[Callable[P, int]], Callable[P, int]]:
    """Makes the expected errors of a `main` a line on stderr and an exit status, instead of a traceback.

    Expected are the project's own, and files and folders that can't be used, such as write-protected ones.
    Ctrl-C is a line, too.

    Args:
        status_of: exit status of an error.
    """

    def told(main: Callable[P, int]) -> Callable[P, int]:
        @wraps(main)
        def run(*args: P.args, **kwargs: P.kwargs) -> int:
            try:
                return main(*args, **kwargs)
            except KeyboardInterrupt:
                print("\nstopped", file=sys.stderr)
                return 128 + signal.SIGINT
            except LostAndFoundError as error:
                text, status = str(error), status_of(error)
            except OSError as error:
                if error.filename is None:
                    raise
                text, status = f"{error.filename}: {error.strerror}", status_of(error)
            print(f"error: {text}", file=sys.stderr)
            return status

        return run

    return told
