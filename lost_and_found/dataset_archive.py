"""One archive with all that training needs of a dataset, to be taken to another machine.

A shared drive delivers one large file a thousand times faster than the many small files in it.
`python -m lost_and_found.dataset_archive DATASET` is what `scripts/pack-dataset` calls.
"""

from __future__ import annotations

import argparse
import glob
import sys
import tarfile
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

from tqdm.auto import tqdm

from lost_and_found.commands import command
from lost_and_found.data_lists import read_list
from lost_and_found.errors import MissingInput, StorageFull
from lost_and_found.samples import NO_ROOM, read_json, replacing
from lost_and_found.signals import exit_when_stopped
from lost_and_found.workspace import ENRICH, REPOSITORY, TRAIN, Workspace

NEEDED_LISTS = (".train", ".val", ".test")
OTHER_LISTS = ("", "-mapped")


def pack_dataset(workspace: Workspace, output: Path, *, with_pairs: bool = True) -> int:
    """Write an uncompressed tar with paths relative to the root; returns the number of files in it.

    It holds the pinned lists, the complete pixel caches and, with `with_pairs`, the enriched pairs.
    Compression doesn't make pictures smaller.

    Raises:
        MissingInput: no root, no lists, no pairs, or neither pairs nor a pixel cache to take their place.
        ListMismatch: a list was edited.
        StorageFull: no room; nothing is left behind.
    """
    if not workspace.root.is_dir():
        raise MissingInput(f"there is no folder {workspace.root}; correct --root")
    files = [*_lists(workspace), *_pixel_caches(workspace, needed=not with_pairs)]
    if with_pairs:
        files += _visible(workspace.input(ENRICH))
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        for leftover in output.parent.glob(f".{glob.escape(output.name)}.*.tmp"):
            leftover.unlink()  # from a killed process, as large as the archive
        with (
            replacing(output) as temporary,
            # GNU's format needs no extra header per file, and has no limit on file size.
            tarfile.open(temporary, "w", format=tarfile.GNU_FORMAT, dereference=True) as archive,
        ):
            for path in tqdm(files, desc=f"packing {workspace.dataset}", unit=" files"):
                archive.add(path, path.relative_to(workspace.root), filter=_anonymous)
    except OSError as error:
        if error.errno in NO_ROOM:
            raise StorageFull(
                f"{output}: no room for it; free some space, or choose another place with --output"
            ) from error
        raise
    return len(files)


def _lists(workspace: Workspace) -> Iterator[Path]:
    for name in (*NEEDED_LISTS, *OTHER_LISTS):
        path = workspace.list_path(name)
        if name in NEEDED_LISTS or path.exists():
            read_list(path)  # an edited list is better found here than on a rented machine
            yield from (path, path.with_suffix(".json"))


def _pixel_caches(workspace: Workspace, *, needed: bool) -> Iterator[Path]:
    folder = workspace.folder(TRAIN) / "pixels"
    caches = [path.parent for path in sorted(folder.glob("[!.]*/cache.json"))]
    digests = {read_list(workspace.list_path(name)).digest for name in NEEDED_LISTS}
    made_of: dict[tuple[int, int], set[str]] = defaultdict(set)
    for cache in caches:
        content = read_json(cache / "cache.json")
        made_of[content["width"], content["height"]].add(content["list_digest"])
    if needed and not any(digests <= found for found in made_of.values()):
        raise MissingInput(
            f"{folder} holds no pixel caches of the train, val and test lists as they are now; run "
            f"{TRAIN}.ipynb for dataset {workspace.dataset!r} first, or pack the pairs too"
        )
    for cache in caches:
        yield from _visible(cache)


def _visible(folder: Path) -> list[Path]:
    """The files of a folder; hidden ones are temporary, or valid only on this machine."""
    return [path for path in sorted(folder.iterdir()) if path.is_file() and not path.name.startswith(".")]


def _anonymous(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    return member


@command()
def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="scripts/pack-dataset", description="Pack what training needs of a dataset into one archive."
    )
    parser.add_argument("dataset", help="its name, as in the notebooks")
    parser.add_argument(
        "--root", type=Path, default=REPOSITORY, help="where the stages write (default: the repository)"
    )
    parser.add_argument(
        "--output", type=Path, help="the archive, or a folder for it (default: <dataset>.tar)"
    )
    parser.add_argument(
        "--pixels-only", action="store_true", help="pack the pixel cache instead of the pairs"
    )
    options = parser.parse_args(arguments)
    exit_when_stopped()
    workspace = Workspace(options.root, options.dataset)
    output = (options.output or Path()).resolve()
    if output.is_dir():
        output /= f"{options.dataset}.tar"
    count = pack_dataset(workspace, output, with_pairs=not options.pixels_only)
    print(f"{output}: {count:,} files, {output.stat().st_size / 1e6:,.1f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
