"""`scripts/quiz` as a user starts it."""

import io
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager

import httpx
import pandas as pd
import pytest
from made_quiz import DATASET, make_workspace

from lost_and_found.human_baseline.__main__ import main
from lost_and_found.signals import STOPPED
from lost_and_found.workspace import ENRICH


@contextmanager
def quiz_process(root, *options, environment=()):
    """The running command and what it printed first."""
    command = [sys.executable, "-m", "lost_and_found.human_baseline", "--root", root, "--dataset", DATASET]
    process = subprocess.Popen(
        [*map(str, command), *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **dict(environment)},
    )
    try:
        yield process, process.stdout.readline()
    finally:
        process.kill()
        process.communicate()


def test_it_serves_until_it_is_stopped_and_its_answers_can_be_exported(tmp_path, capsys):
    make_workspace(tmp_path)
    with quiz_process(tmp_path, "--image-size", "64x36", "--rounds", "2") as (process, line):
        address = line.removeprefix("Quiz: ").strip()
        assert address.startswith("http://127.0.0.1:")
        assert process.stdout.readline().startswith("12 pictures of made.test at 64x36, 2 a session.")
        data = ["", "Ann", "amateur"]
        token = httpx.post(f"{address}gradio_api/run/join", json={"data": data}, timeout=60).json()["data"][0]
        data = [token, {"round": 1, "guesses": ["FR", "NA"]}]
        httpx.post(f"{address}gradio_api/run/answer", json={"data": data}, timeout=60).raise_for_status()
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
    shutil.rmtree(tmp_path / ENRICH)  # the pictures aren't needed for that
    assert main(["--root", str(tmp_path), "--dataset", DATASET, "--export", "-"]) == 0
    table = pd.read_csv(io.StringIO(capsys.readouterr().out), keep_default_na=False)
    assert table["country_code"].tolist() == ["FR", "NA"]
    assert table["player"].tolist() == ["Ann", "Ann"]
    assert (
        main(["--root", str(tmp_path), "--dataset", DATASET, "--export", str(tmp_path / "new" / "a.csv")])
        == 0
    )
    assert "2 guesses of 1 player written to" in capsys.readouterr().out


def test_the_network_is_let_in_with_a_password_only(tmp_path):
    make_workspace(tmp_path)
    with quiz_process(tmp_path, "--host", "0.0.0.0") as (process, line):
        port = int(line.rstrip("/\n").rpartition(":")[2])
        second = process.stdout.readline()
        if second.startswith("On the local network: "):  # which a machine may lack
            assert re.fullmatch(rf"On the local network: http://[\d.]+:{port}/\n", second)
            second = process.stdout.readline()
        assert 'User name "player", password "' in second
        join = f"http://127.0.0.1:{port}/gradio_api/run/join"
        assert httpx.post(join, json={"data": ["", "Ann", "amateur"]}, timeout=60).status_code == 401


def test_a_password_that_was_chosen_is_not_printed_and_a_termination_is_a_stop_too(tmp_path):
    make_workspace(tmp_path)
    environment = {"LOST_AND_FOUND_QUIZ_PASSWORD": "s3same"}
    with quiz_process(tmp_path, environment=environment) as (process, line):
        printed = line + process.stdout.readline() + process.stdout.readline()
        process.send_signal(signal.SIGTERM)
        printed += "".join(process.communicate(timeout=60))
        assert process.returncode == 0
    assert 'User name "player", the password in LOST_AND_FOUND_QUIZ_PASSWORD.' in printed
    assert "s3same" not in printed


def test_it_can_be_stopped_while_the_practice_pictures_are_made(tmp_path):
    with quiz_process(tmp_path, "--dataset", "practice") as (process, line):
        assert line.startswith("There are no practice pictures yet")
        while not process.stdout.readline().startswith("[1/"):
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 130
        assert process.stderr.read().endswith(f"{STOPPED}\n")


@pytest.mark.parametrize(
    "options", [["--rounds", "0"], ["--image-size", "large"], ["--image-size", "0x9"], ["--port", "99999"]]
)
def test_a_wrong_option_is_refused_before_the_practice_pictures_are_made(
    tmp_path, capsys, monkeypatch, options
):
    monkeypatch.setattr("lost_and_found.notebooks.main", lambda _: pytest.fail("they are made"))
    assert main(["--root", str(tmp_path), *options]) == 1
    assert capsys.readouterr().err.startswith("error: ")


def test_a_port_that_is_taken_is_named(tmp_path):
    make_workspace(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with quiz_process(tmp_path, "--port", str(port)) as (process, first_line):
            assert first_line == ""
            assert process.wait(60) == 1
            assert f"error: 127.0.0.1:{port} can't be listened on" in process.stderr.read()


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (["--rounds", "0"], "at least one picture"),
        (["--image-size", "large"], "must be like 320x180"),
        (["--list", "elsewhere"], "elsewhere.txt is missing"),
        (["--run", "other"], "no predictions of run 'other'"),
        (["--dataset", "nowhere"], "nowhere.test.txt is missing"),
    ],
)
def test_what_can_not_be_played_ends_with_the_reason(tmp_path, capsys, options, why):
    make_workspace(tmp_path)
    assert main(["--root", str(tmp_path), "--dataset", DATASET, *options]) == 1
    assert why in capsys.readouterr().err


def test_a_corrupt_file_of_answers_is_named_and_kept(tmp_path, capsys):
    make_workspace(tmp_path)
    path = tmp_path / "5-human-baseline" / "01-play-quiz" / DATASET / "made.test.sqlite"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"x" * 4096)
    assert main(["--root", str(tmp_path), "--dataset", DATASET]) == 1
    assert f"error: {path} is damaged" in capsys.readouterr().err
    assert path.read_bytes() == b"x" * 4096


def test_there_is_nothing_to_export_where_nobody_has_played(tmp_path, capsys):
    make_workspace(tmp_path)
    assert main(["--root", str(tmp_path), "--dataset", DATASET, "--export", "-"]) == 1
    assert "run `scripts/quiz` and play first" in capsys.readouterr().err
