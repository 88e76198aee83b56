"""The file `.env`: secrets, and what holds for this machine alone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dotenv

from lost_and_found.errors import InvalidConfig

ENCODING = "utf-8-sig"  # Windows' editors begin UTF-8 with a mark, which would belong to the first name


def load_dotenv(path: str | Path) -> None:
    """Add what the file sets to the environment, which goes before it; no file is fine.

    Raises:
        InvalidConfig: the file is in another encoding than UTF-8.
    """
    with _told(path):
        dotenv.load_dotenv(path, encoding=ENCODING)


def dotenv_values(path: str | Path) -> dict[str, str]:
    """What the file sets; nothing if there is none.

    Raises:
        InvalidConfig: the file is in another encoding than UTF-8.
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
