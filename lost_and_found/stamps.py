"""Whether a file was made from another one as it is now, judged by sizes and modification times."""

from __future__ import annotations

import os
from pathlib import Path

from lost_and_found.samples import Sample, replacing, write_atomically


def stamp(path: str | Path) -> str:
    """`<size>:<modification time>:<status change time>` of a file, in ns; it differs once the file changes.

    The modification time can be set, as `cp -p` and `mark_finished` do; the status change time can't.

    Raises:
        FileNotFoundError: no such file.
    """
    status = os.stat(path)  # noqa: PTH116  a Path for each of 300,000 files costs a second
    return f"{status.st_size}:{status.st_mtime_ns}:{status.st_ctime_ns}"


def is_finished(sample: Sample, made: Sample, *, same_image: bool) -> bool:
    """Whether `made` was made from `sample` as it is now: its files have the same modification times.

    Args:
        sample: the original.
        made: made from it; both of its files exist.
        same_image: whether the picture is a hard link or a copy. It must then be that very file or hold the
            same bytes, as a picture resized from the same original has the same modification time too.
    """
    # Plain strings: Path objects would take most of the time when 300,000 finished pairs are looked through.
    image, made_image = f"{sample.folder}/{sample.image_name}", f"{made.folder}/{made.image_name}"
    one, other = os.stat(image), os.stat(made_image)  # noqa: PTH116
    if one.st_mtime_ns != other.st_mtime_ns:
        return False
    if same_image and not os.path.samestat(one, other) and not _same_bytes(image, made_image):
        return False
    record, made_record = f"{sample.folder}/{sample.id}.json", f"{made.folder}/{made.id}.json"
    return os.stat(record).st_mtime_ns == os.stat(made_record).st_mtime_ns  # noqa: PTH116


def mark_finished(original: Path, made: Path) -> None:
    """Give a file the modification time of the one it was made from."""
    times = original.stat()
    os.utime(made, ns=(times.st_atime_ns, times.st_mtime_ns))


def link_or_copy(original: Path, made: Path) -> None:
    """Make a hard link, or a copy if the file system has none or the original is on another one.

    Raises:
        StorageFull: no room; nothing is left behind.
    """
    if made.exists() and made.samefile(original):
        return
    try:
        with replacing(made) as temporary:
            # To a symbolic link's target; Path.hardlink_to has its arguments the other way round.
            os.link(original.resolve(), temporary)
    except OSError:
        write_atomically(made, original.read_bytes())
        mark_finished(original, made)


def has_same_content(one: Path, other: Path) -> bool:
    """Whether two files are one, or hold the same bytes."""
    return one.samefile(other) or _same_bytes(str(one), str(other))


def _same_bytes(one: str, other: str) -> bool:
    return Path(one).stat().st_size == Path(other).stat().st_size and (
        Path(one).read_bytes() == Path(other).read_bytes()
    )
