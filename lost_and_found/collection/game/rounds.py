"""What a round leaves behind."""

from __future__ import annotations

from dataclasses import dataclass, field

from lost_and_found.samples import Record


@dataclass(frozen=True)
class CollectedRound:
    """A picture and its record, not yet written.

    Attributes:
        id: `<site>_<mode>_<game>_<round>`.
        image: PNG, 1280 x 720.
        record: `duration` (s), `source`, and `coordinates` ([lat, lon] in degrees) in singleplayer or
            `country_code` and `country_name` in multiplayer.
    """

    id: str
    image: bytes = field(repr=False)
    record: Record


@dataclass(frozen=True)
class SkippedRound:
    """A round that was played without a picture or without an answer, of which nothing is kept."""

    id: str
    reason: str
