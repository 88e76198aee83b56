"""The practice game's scenes, of which the games of all tests have the same few."""

from functools import lru_cache

import pytest

from lost_and_found.practice.game import pictures


@pytest.fixture(scope="session", autouse=True)
def scenes_drawn_once():
    """Drawing takes much of a test's time. What a page shows is still compared with a scene drawn anew."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pictures, "encoded", lru_cache(64)(pictures.encoded))
        yield
