"""What the project's commands have in common: how they report errors."""

from __future__ import annotations

import argparse
import os
import select
import signal
import sys
import textwrap
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec

from lost_and_found.errors import LostAndFoundError

P = ParamSpec("P")
STDOUT = 1


class WholeNames(argparse.RawDescriptionHelpFormatter):
    """Breaks the help of no option at a hyphen, so that what is to be typed stands in one line."""

    def _split_lines(self, text: str, width: int) -> list[str]:
        return textwrap.wrap(" ".join(text.split()), width, break_on_hyphens=False)


def command(
    status_of: Callable[[Exception], int] = lambda _: 1,
) -> Callable[[Callable[P, int]], Callable[P, int]]:
    """Turns the expected errors of a `main` into a line on stderr and an exit status, without a traceback.

    Expected are the project's own errors, and files and folders that can't be used, such as write-protected
    ones. Ctrl-C gives a line, too. If nobody reads the output any more, as after `| head`, the command ends.

    Args:
        status_of: exit status of an error.
    """

    def told(main: Callable[P, int]) -> Callable[P, int]:
        @wraps(main)
        def run(*args: P.args, **kwargs: P.kwargs) -> int:
            try:
                status = main(*args, **kwargs)
                sys.stdout.flush()
                return status
            except KeyboardInterrupt:
                print("\nstopped", file=sys.stderr)
                return 128 + signal.SIGINT
            except LostAndFoundError as error:
                text, status = str(error), status_of(error)
            except OSError as error:
                if isinstance(error, BrokenPipeError) and _nobody_reads():
                    return 128 + signal.SIGPIPE
                if error.filename is None:
                    raise
                text, status = f"{error.filename}: {error.strerror}", status_of(error)
            print(f"error: {text}", file=sys.stderr)
            return status

        return run

    return told


def _nobody_reads() -> bool:
    """Whether stdout is a broken pipe; if so, what it still holds is dropped, and Python ends silently."""
    poll = select.poll()
    poll.register(STDOUT, 0)
    is_broken = any(event & select.POLLERR for _, event in poll.poll(0))
    if is_broken:
        os.dup2(os.open(os.devnull, os.O_WRONLY), STDOUT)
    return is_broken
