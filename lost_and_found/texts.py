"""Text to be read in a notebook or a terminal. Knows nothing of stages."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence

LINE = 100  # characters; a notebook breaks longer lines, in the middle of words


def in_lines(items: Iterable[str]) -> str:
    """The items, separated by commas, with line breaks only between items."""
    unbroken = ", ".join(item.replace(" ", "\xa0") for item in items)
    lines = textwrap.fill(unbroken, LINE, break_long_words=False, break_on_hyphens=False)
    return lines.replace("\xa0", " ")


def aligned(lines: Sequence[tuple[str, ...]]) -> str:
    """A table of these rows: the first column flush left, the others flush right."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(
            [first.ljust(widths[0]), *(cell.rjust(w) for cell, w in zip(rest, widths[1:], strict=True))]
        )
        for first, *rest in lines
    )


def counted(number: int, noun: str, plural: str = "") -> str:
    """The number and its noun, like "1 country" or "2,000 pictures"; give plurals other than with an "s"."""
    return f"{number:,} {noun if number == 1 else plural or f'{noun}s'}"


def printable(text: str) -> str:
    """The text with bytes that aren't UTF-8, as file names may have, written as escapes."""
    return text.encode(errors="surrogateescape").decode(errors="backslashreplace")
