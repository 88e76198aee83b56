"""Every error that the project raises on purpose, under one root.

A message says what is wrong, where, and what to do about it.
"""

from __future__ import annotations


class LostAndFoundError(Exception):
    """Root of the errors below; catch it to catch them all."""


class BrokenSample(LostAndFoundError):
    """An image or record that can't be used.

    Attributes:
        reason: a short phrase without the path, fit for the `reason` column of a `rejected.csv`.
    """

    def __init__(self, where: object, reason: str) -> None:
        super().__init__(f"{where}: {reason}")
        self.where = str(where)
        self.reason = reason

    def __reduce__(self) -> tuple[type[BrokenSample], tuple[str, str]]:
        """Survive the trip back from a worker process; the default pickles the message alone."""
        return (type(self), (self.where, self.reason))


class UnknownCountry(LostAndFoundError):
    """A text that names no country, or more than one."""


class InvalidConfig(LostAndFoundError):
    """A parameter outside what is allowed."""


class MissingInput(LostAndFoundError):
    """A file or folder that an earlier step should have written, or that the user should have given."""


class ListMismatch(LostAndFoundError):
    """A pinned list that was edited, or samples that are not what it says."""


class UnsplittableClass(LostAndFoundError):
    """A class with too few groups to be in every split."""


class LeakyList(LostAndFoundError):
    """Splits that share a game or a place, or lack a class."""


class StoreError(LostAndFoundError):
    """A store of samples that can't be listed or read."""


class StorageFull(LostAndFoundError):
    """No room to write a file; what was finished before is kept."""


class FolderInUse(LostAndFoundError):
    """A folder that another process is filling."""


class NotFinite(LostAndFoundError):
    """A loss that became NaN or infinite."""


class MissingWeights(LostAndFoundError):
    """Pretrained weights that are neither here nor to be downloaded."""
