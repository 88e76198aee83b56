"""Text to be read in a notebook or a terminal. Knows nothing of stages."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable

LINE = 100  # characters; a notebook breaks longer lines, in the middle of words


def in_lines(items: Iterable[str]) -> str:
    """The items, separated by commas, with line breaks only between items."""
    unbroken = ", ".join(item.replace(" ", "\xa0") for item in items)
    lines = textwrap.fill(unbroken, LINE, break_long_words=False, break_on_hyphens=False)
    return lines.replace("\xa0", " ")


def printable(text: str) -> str:
    """The text with bytes that aren't UTF-8, as file names may have, written as escapes."""
    return text.encode(errors="surrogateescape").decode(errors="backslashreplace")
