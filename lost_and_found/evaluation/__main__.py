"""`scripts/guess`: guesses for photos on the command line, or a page to drop them on."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from lost_and_found.commands import command
from lost_and_found.errors import InvalidConfig
from lost_and_found.evaluation.held_out import find_run
from lost_and_found.evaluation.photos import common_folder, find_photos, guess_photos, text_of
from lost_and_found.samples import write_table
from lost_and_found.signals import asked_to_stop
from lost_and_found.training.runs import Run, is_complete, load_run
from lost_and_found.workspace import REPOSITORY, Workspace


@command()
def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; returns the exit status."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if bool(options.photos) == options.page:
        parser.error("name photos, or use --page")
    if options.page and (options.csv or options.figures):
        parser.error("--page writes no files; name photos to use --csv and --figures")
    if options.page:
        return _serve(options)
    if options.csv and options.csv.is_dir():
        raise InvalidConfig(f"{options.csv} is a folder; --csv takes a file, new or existing")
    if options.csv and not options.csv.parent.is_dir():
        raise InvalidConfig(f"there is no folder {options.csv.parent} to write {options.csv.name} to")
    if options.figures and options.figures.exists() and not options.figures.is_dir():
        raise InvalidConfig(f"{options.figures} is a file; --figures takes a folder, new or existing")
    photos = find_photos(options.photos)
    run = _run(options)
    tables = []
    for guesses in guess_photos(run, photos):
        print(text_of(guesses.table), flush=True)
        tables.append(guesses.table)
        if options.figures:
            from lost_and_found.evaluation.guess_figures import write_guess_figures  # a second to load

            write_guess_figures(options.figures, run, guesses, within=common_folder(photos))
    everything = pd.concat(tables, ignore_index=True)
    if options.csv:
        write_table(options.csv, everything)
    unread = int((everything["problem"] != "").sum())
    if unread:
        print(f"{unread} of {len(everything)} photos could not be read", file=sys.stderr)
    return int(unread > 0)


def _run(options: argparse.Namespace) -> Run:
    named = Path(options.run)
    if not (options.run and is_complete(named)):
        named = find_run(Workspace(options.root, options.dataset), options.run)
    run = load_run(named, device=options.device)
    print(f"run {run.id}", file=sys.stderr)
    return run


def _serve(options: argparse.Namespace) -> int:
    from lost_and_found.evaluation.guess_page import build_page, launch  # takes seconds

    run, stop = _run(options), asked_to_stop()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["GRADIO_TEMP_DIR"] = folder  # which keeps the photos until the page closes, and no longer
        page = build_page(run)
        address = launch(page, port=options.port)
        print(f"{address} takes photos from this machine. Stop with Ctrl-C.", flush=True)
        stop.wait()
        page.close(verbose=False)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="scripts/guess",
        description="Where were these photos taken? A trained model guesses.",
        epilog="Probabilities are calibrated on the dataset's validation photos: on average, first guesses "
        "are as probable as they are right. For photos of another kind they mean little. "
        "Exit status: 0 done; 1 an error, or a photo that can't be read; 2 wrong usage.",
    )
    add = parser.add_argument
    add("photos", nargs="*", type=Path, metavar="PHOTO", help="an image, or a folder of images")
    add("--page", action="store_true", help="serve a page to drop photos on, for this machine only")
    add("--port", type=int, help="port of the page (default: the first free one from 7860)")
    add("--dataset", default="practice", help="the dataset that the model was trained on (default: practice)")
    add("--run", default="", metavar="ID", help="a run's id or folder (default: the last one trained)")
    add("--csv", type=Path, metavar="FILE", help="also write all guesses to this table")
    add(
        "--figures",
        type=Path,
        metavar="FOLDER",
        help="write a figure of each guess to this folder: photo, what speaks for the guess, countries, and "
        "a probability map; takes seconds for each",
    )
    add("--device", default="auto", help="auto, cpu or cuda (default: auto)")
    add("--root", type=Path, default=REPOSITORY, help="where the stages write (default: the repository)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
