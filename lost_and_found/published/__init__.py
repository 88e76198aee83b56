"""Numbers from the published collection: how many rounds of the game showed each country."""

from __future__ import annotations

from pathlib import Path

import pandas as pd


def singleplayer_counts() -> dict[str, int]:
    """Number of singleplayer rounds by country name, most frequent first (356,606 in 2024)."""
    return _read_counts("singleplayer")


def multiplayer_counts() -> dict[str, int]:
    """Number of multiplayer rounds by country name, most frequent first (18,582 in 2024)."""
    return _read_counts("multiplayer")


def _read_counts(mode: str) -> dict[str, int]:
    path = Path(__file__).with_name(f"geoguessr-2024-{mode}-country-counts.csv")
    table = pd.read_csv(path, keep_default_na=False)
    return dict(zip(table["country"], table["count"].astype(int).tolist(), strict=True))
