"""The game as a program."""

import socket
import subprocess
import sys

import httpx
import pytest

from lost_and_found.errors import InvalidConfig
from lost_and_found.practice.game.__main__ import main
from lost_and_found.practice.game.server import _listening

COMMAND = [sys.executable, "-m", "lost_and_found.practice.game"]


def test_it_says_where_it_is_and_ends_when_told_to():
    with subprocess.Popen(
        [*COMMAND, "--port", "0", "--pace", "0.1"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            first = process.stdout.readline()
            assert first.startswith("Practice game: http://127.0.0.1:")
            assert httpx.get(first.split()[-1], timeout=60).status_code == 200
            process.terminate()
            _, errors = process.communicate(timeout=60)
        finally:
            process.kill()
    assert (process.returncode, errors) == (0, "")


def test_a_port_in_use_is_named():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        command = [*COMMAND, "--port", str(port)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert str(port) in done.stderr and "Traceback" not in done.stderr


def test_a_port_is_taken_before_its_game_answers():
    with _listening(0) as first:
        port = first.getsockname()[1]
        with pytest.raises(InvalidConfig, match=f"can't listen on port {port}"):
            _listening(port)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [(["--fault", "bad-luck"], ["bad-luck", "rate-limit"]), (["--pace", "0"], ["pace 0"])],
)
def test_a_wrong_setting_is_named(capsys, arguments, named):
    assert main(arguments) == 1
    errors = capsys.readouterr().err
    assert errors.startswith("error: ")
    assert all(text in errors for text in named)
