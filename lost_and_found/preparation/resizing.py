"""Shrinking raw pictures once to the size that everything later works from."""

from __future__ import annotations

import functools
from pathlib import Path

from lost_and_found.errors import InvalidConfig
from lost_and_found.preparation.pairs import Outcome, transfer_pairs
from lost_and_found.preparation.pictures import JPEG_QUALITY, resize_pair
from lost_and_found.processes import map_in_processes


def resize_collection(
    source: Path, destination: Path, *, size: tuple[int, int] = (320, 180), workers: int | None = None
) -> Outcome:
    """Write each pair of a folder to another folder, with its picture shrunk.

    Pictures of another shape are cropped at the centre, smaller ones keep their size, JPEG stays JPEG, and
    all else becomes PNG. They are turned upright and lose their metadata. Records are copied.

    Args:
        source: pairs, never changed.
        destination: filled by this function alone; also gets `rejected.csv`.
        size: (width, height) in pixels.
        workers: processes; by default one for each core.

    Raises:
        InvalidConfig: an impossible size, or a destination that holds something else.
        MissingInput: no source, or none of it could be used.
        FolderInUse: another process fills the destination.
        StorageFull: the disk is full; make room and run again, finished pairs are kept.
    """
    if min(size) < 1:
        raise InvalidConfig(f"size {size} must be (width, height) in pixels, both at least 1")
    settings = {"size": list(size), "jpeg_quality": JPEG_QUALITY}
    resize = functools.partial(resize_pair, destination=destination, size=size)
    with transfer_pairs(source, destination, step="resize", settings=settings) as transfer:
        reasons = map_in_processes(resize, transfer.to_do, description="resize", workers=workers)
        for sample, reason in zip(transfer.to_do, reasons, strict=True):
            if reason:
                transfer.reject(sample, reason)
        return transfer.outcome()
