"""Digests of image files, remembered so that an unchanged file isn't read twice."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

from lost_and_found.errors import StorageFull
from lost_and_found.processes import map_in_processes
from lost_and_found.samples import Sample, write_atomically
from lost_and_found.stamps import stamp

INDEX_NAME = ".digests"
PARALLEL_FROM = 20_000
CHUNK = 2_000
DIGITS = 32


def digest(data: bytes) -> str:
    """The first 32 hex digits (128 bits) of the SHA-256."""
    return hashlib.sha256(data).hexdigest()[:DIGITS]


def digest_images(samples: Sequence[Sample]) -> list[str]:
    """The digest of each sample's image, in order.

    As git does, a digest is taken from an index beside the files (`.digests`) while the size and the times of
    the last change stay the same. An index that can't be written (in a read-only folder) or is damaged only
    costs time.

    Raises:
        FileNotFoundError: a file is missing.
    """
    by_folder: dict[str, list[str]] = {}
    for sample in samples:
        by_folder.setdefault(sample.folder, []).append(sample.image_name)
    found = {folder: _digest_folder(folder, names) for folder, names in by_folder.items()}
    return [found[sample.folder][sample.image_name] for sample in samples]


def _digest_folder(folder: str, names: Sequence[str]) -> dict[str, str]:
    known = _read_index(folder)
    stamps = {name: stamp(f"{folder}/{name}") for name in names}
    digests = {name: known[name][1] for name in names if name in known and known[name][0] == stamps[name]}
    stale = [name for name in stamps if name not in digests]
    if stale:
        workers = None if len(stale) >= PARALLEL_FROM else 1
        paths = [f"{folder}/{name}" for name in stale]
        hashed = map_in_processes(_hash, paths, description="digests", workers=workers, chunk_size=CHUNK)
        digests.update(zip(stale, hashed, strict=True))
        _write_index(folder, known | {name: (stamps[name], digests[name]) for name in stale})
    return digests


def _hash(path: str) -> str:
    with open(path, "rb", buffering=0) as file:  # noqa: PTH123  as in stamp
        return digest(file.read())


def _read_index(folder: str) -> dict[str, tuple[str, str]]:
    try:
        lines = Path(folder, INDEX_NAME).read_text().splitlines()
    except (OSError, UnicodeDecodeError):
        return {}
    rows = (line.split("\t") for line in lines)
    # A damaged line is skipped: its file is read again.
    return {row[0]: (row[1], row[2]) for row in rows if len(row) == 3 and len(row[2]) == DIGITS}


def _write_index(folder: str, index: Mapping[str, tuple[str, str]]) -> None:
    text = "".join(f"{name}\t{stamp}\t{hexdigits}\n" for name, (stamp, hexdigits) in index.items())
    with contextlib.suppress(OSError, StorageFull):
        write_atomically(Path(folder, INDEX_NAME), text.encode())
