"""Progress bars: widgets in a notebook that somebody has open, otherwise text."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from typing import Any

from tqdm import auto, tqdm

AS_TEXT = "LOST_AND_FOUND_BARS_AS_TEXT"  # set for kernels whose output a command passes on to a terminal
SECONDS_BETWEEN_TEXTS = 5  # each is a message from the kernel


def progress_bar(
    items: Iterable[Any] | None = None,
    *,
    desc: str | None = None,
    total: int | None = None,
    initial: int = 0,
    unit: str,
    disable: bool = False,
) -> tqdm[Any]:
    """A tqdm bar, with some of tqdm's arguments."""
    options: dict[str, Any] = {"desc": desc, "total": total, "initial": initial, "unit": unit}
    if os.environ.get(AS_TEXT):
        return _TextBar(items, mininterval=SECONDS_BETWEEN_TEXTS, disable=disable, **options)
    return auto.tqdm(items, disable=disable, **options)


class _TextBar(tqdm):
    """Ends its line before anything else is printed; a kernel would hold back the line break."""

    def close(self) -> None:
        super().close()
        print(end="", file=sys.stderr, flush=True)
