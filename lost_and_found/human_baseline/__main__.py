"""Serves the quiz: `python -m lost_and_found.human_baseline [--dataset practice] [--rounds 20] ...`."""

from __future__ import annotations

import argparse
import os
import secrets
import socket
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path

from lost_and_found import notebooks
from lost_and_found.commands import command
from lost_and_found.data_lists import read_list
from lost_and_found.dotenv_file import load_dotenv
from lost_and_found.errors import SiteError
from lost_and_found.human_baseline.answers import read_answers
from lost_and_found.human_baseline.opening import MODEL_SIZE, answers_path, open_quiz, parse_size
from lost_and_found.human_baseline.quiz import Quiz, check_session
from lost_and_found.samples import write_table
from lost_and_found.signals import asked_to_stop
from lost_and_found.texts import counted
from lost_and_found.workspace import REPOSITORY, Workspace

PASSWORD = "LOST_AND_FOUND_QUIZ_PASSWORD"
PRACTICE = "practice"
ANY_SIZE = (1, 1)  # of a model that is not there yet
EVERYWHERE = ("0.0.0.0", "::")
SOMEWHERE = "192.0.2.1"  # an address reserved for documentation, so nobody's


@command()
def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until Ctrl-C or SIGTERM; returns the exit status."""
    options = _parser().parse_args(arguments)
    load_dotenv(REPOSITORY / ".env")
    warnings.showwarning = lambda message, *_: print(f"warning: {message}", file=sys.stderr)
    workspace = Workspace(options.root, options.dataset)
    if options.export:
        return _export(workspace, options.list or f"{options.dataset}.test", options.export)
    if status := _make_practice_pictures(workspace, options):
        return status
    quiz = open_quiz(
        workspace,
        list_name=options.list,
        rounds=options.rounds,
        image_size=options.image_size,
        run=options.run,
    )
    return _serve(quiz, options)


def _serve(quiz: Quiz, options: argparse.Namespace) -> int:
    # Takes seconds, and isn't needed for --help and errors.
    from lost_and_found.human_baseline.app import build_app, launch
    from lost_and_found.pages import LOOPBACK

    chosen = os.environ.get(PASSWORD, "")
    password = chosen
    if not chosen and (options.share or options.host not in LOOPBACK):
        password = secrets.token_urlsafe(9)
    stop = asked_to_stop()
    demo = build_app(quiz)
    address = launch(demo, host=options.host, port=options.port, password=password, share=options.share)
    if options.share and not demo.share_url:
        demo.close()
        raise SiteError("Gradio gave no public address; try again later, or play without --share")
    # The first line is for programs that start the quiz.
    print(f"Quiz: {address}", flush=True)
    if options.host in EVERYWHERE and (here := _network_address()):
        print(f"On the local network: http://{here}:{demo.server_port}/", flush=True)
    if password:
        # What is printed may be kept in a log, and a chosen password may be used elsewhere, too.
        told = (
            f"the password in {PASSWORD}"
            if chosen
            else f'password "{password}" (set {PASSWORD} to choose it)'
        )
        print(f'User name "player", {told}.', flush=True)
    width, height = quiz.size
    print(
        f"{len(quiz.deck):,} pictures of {quiz.deck.name} at {width}x{height}, {quiz.rounds} a session. "
        f"Answers go to {quiz.answers.path}. Stop with Ctrl-C; players can go on where they left off.",
        flush=True,
    )
    stop.wait()
    demo.close(verbose=False)
    quiz.answers.close()
    return 0


def _network_address() -> str:
    """This machine's address on the local network; empty if it has none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((SOMEWHERE, 9))  # sends nothing, but chooses the outgoing address
        except OSError:
            return ""
        return str(probe.getsockname()[0])


def _export(workspace: Workspace, list_name: str, path: Path) -> int:
    """Write the answers given to a list, whose pictures aren't needed."""
    pinned = read_list(workspace.lists / f"{list_name}.txt")
    table = read_answers(answers_path(workspace, list_name), list_name=list_name, list_digest=pinned.digest)
    if str(path) == "-":
        table.to_csv(sys.stdout, index=False)
    else:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_table(path, table)
        guesses = counted(len(table), "guess", "guesses")
        print(f"{guesses} of {counted(table['player'].nunique(), 'player')} written to {path}")
    return 0


def _make_practice_pictures(workspace: Workspace, options: argparse.Namespace) -> int:
    """Run the practice profile if its pictures are missing; returns its exit status, 0 if there's no need.

    Raises:
        InvalidConfig: an option is wrong, which would only show after the pictures have been made.
    """
    if workspace.dataset != PRACTICE or options.list or workspace.list_path(".test").exists():
        return 0
    from lost_and_found.pages import check_port  # takes seconds, as in _serve

    check_port(options.port)
    check_session(
        options.rounds, ANY_SIZE if options.image_size == MODEL_SIZE else parse_size(options.image_size)
    )
    print(
        "There are no practice pictures yet: making them and a model takes four to ten minutes.",
        flush=True,
    )
    return notebooks.main([PRACTICE, "-p", "root", str(workspace.root)])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="scripts/quiz",
        description="Where was this taken? A quiz in which people play against the model.",
    )
    add = parser.add_argument
    add("--dataset", default=PRACTICE, help="dataset to show pictures of (default: practice)")
    add("--list", default="", metavar="NAME", help="a pinned list (default: the dataset's test list)")
    add("--rounds", type=int, default=20, help="pictures in a session (default: 20)")
    add(
        "--image-size",
        default="320x180",
        metavar="WxH",
        help=f"picture size in pixels, or '{MODEL_SIZE}' for the model's own (default: 320x180)",
    )
    add(
        "--run",
        default="",
        metavar="ID",
        help="the tested run to play against (default: the one tested last)",
    )
    add("--port", type=int, help="port of the page (default: the first free one from 7860)")
    add(
        "--host",
        default="127.0.0.1",
        help="0.0.0.0 lets the local network play, with a password (default: this machine only)",
    )
    add(
        "--share",
        action="store_true",
        help="also serve at a public address, through Gradio's tunnel, with a password",
    )
    add("--export", type=Path, metavar="FILE", help="write the answers as CSV ('-' prints them) and stop")
    add("--root", type=Path, default=REPOSITORY, help="where the stages write (default: the repository)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
