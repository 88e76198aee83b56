"""Parts of `scripts/colab-train`, to be called by themselves."""

import contextlib

import psutil

from lost_and_found.workspace import REPOSITORY

SCRIPT = REPOSITORY / "scripts" / "colab-train"


def functions(*names):
    """Some of the script's functions, verbatim."""
    text = SCRIPT.read_text()
    return "set -euo pipefail; shopt -s nullglob\n" + "".join(
        text[(start := text.index(f"\n{name}()")) : text.index("\n}\n", start) + 3] for name in names
    )


def line_of(start):
    """The one line of the script that starts so."""
    (found,) = [line for line in SCRIPT.read_text().splitlines() if line.startswith(start)]
    return found + "\n"


EPOCHS_OF = line_of("epochs_of()")


def children_of(pid):
    """The command lines of its child processes, without those that have just ended."""
    found = []
    for child in psutil.Process(pid).children():
        with contextlib.suppress(psutil.NoSuchProcess):
            found.append(child.cmdline())
    return found
