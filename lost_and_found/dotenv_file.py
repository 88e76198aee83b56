"""The file `.env`: secrets, and settings of this machine only."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dotenv

from lost_and_found.errors import InvalidConfig

ENCODING = "utf-8-sig"  # Windows editors put a mark before UTF-8, which would join the first name


def load_dotenv(path: str | Path) -> None:
    """Add the file's variables to the environment, which takes precedence; the file may be missing.

    Raises:
        InvalidConfig: the file isn't in UTF-8.
    """
    with _told(path):
        dotenv.load_dotenv(path, encoding=ENCODING)


def dotenv_values(path: str | Path) -> dict[str, str]:
    """The variables that the file sets; none if it is missing.

    Raises:
        InvalidConfig: the file isn't in UTF-8.
    """
    with _told(path):
        values = dotenv.dotenv_values(path, encoding=ENCODING)
    return {name: value for name, value in values.items() if value is not None}


@contextmanager
def _told(path: str | Path) -> Iterator[None]:
    try:
        yield
    except UnicodeDecodeError as error:
        raise InvalidConfig(f"{Path(path).resolve()} is not in UTF-8 ({error}); save it as UTF-8") from None
