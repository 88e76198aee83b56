"""How commands tell their errors."""

import os
import subprocess
import sys

import pytest

from lost_and_found import commands, dataset_archive, errors, notebook_script, notebooks
from lost_and_found.collection.game import __main__ as collect
from lost_and_found.geo import region_download
from lost_and_found.practice.game import __main__ as practice_game
from lost_and_found.practice.game.faults import FAULTS


@pytest.mark.parametrize(
    ("main", "arguments"),
    [
        (notebook_script.main, ["-p", "root"]),
        (notebooks.main, ["4-evaluation/02-compare-runs", "-p", "root"]),
        (dataset_archive.main, ["practice", "--root"]),
        (region_download.main, ["--file"]),
    ],
    ids=["train", "run-stages", "pack-dataset", "download-regions"],
)
def test_a_file_in_place_of_a_folder_is_told_in_a_line(tmp_path, capfd, main, arguments):
    (tmp_path / "file").touch()
    assert main([*arguments, str(tmp_path / "file/folder")]) == 1
    told = capfd.readouterr().err.splitlines()
    assert told[-1].startswith("error: ")
    assert str(tmp_path / "file") in told[-1]
    assert "Traceback" not in "".join(told)


@pytest.mark.parametrize("columns", range(65, 100, 5))
@pytest.mark.parametrize(
    ("main", "named"), [(collect.main, ["rate-limit@3", "log-out/20"]), (practice_game.main, FAULTS)]
)
def test_what_is_to_be_typed_stands_in_one_line_of_the_help(monkeypatch, capsys, main, named, columns):
    monkeypatch.setenv("COLUMNS", str(columns))
    with pytest.raises(SystemExit):
        main(["--help"])
    told = capsys.readouterr().out
    assert all(name in told for name in named)
    assert max(map(len, told.partition("Pairs go to")[0].splitlines())) <= columns


def test_each_error_has_its_exit_status(capsys):
    def status_of(error):
        return {errors.MissingInput: 7, PermissionError: 5}[type(error)]

    @commands.command(status_of)
    def main(error=None):
        if error:
            raise error
        return 0

    assert main() == 0
    assert main(errors.MissingInput("no list; make one")) == 7
    assert main(PermissionError(13, "Permission denied", "runs")) == 5
    assert capsys.readouterr().err == "error: no list; make one\nerror: runs: Permission denied\n"


@pytest.mark.parametrize("length", [10, 100_000])
def test_a_command_whose_output_nobody_reads_any_more_ends_in_silence(length):
    program = (
        "import sys\nfrom lost_and_found.commands import command\n@command()\n"
        f"def main():\n    sys.stdin.read()\n    print('a' * {length})\n    return 0\nsys.exit(main())"
    )
    pipe = subprocess.PIPE
    command = [sys.executable, "-c", program]
    buffered = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, env=buffered) as running:
        running.stdout.close()
        running.stdin.close()  # only now it prints
        assert running.stderr.read() == b""
    assert running.returncode == 141


@pytest.mark.parametrize(
    "error", [BrokenPipeError("of a worker"), ValueError("a fault of ours"), ConnectionResetError("by peer")]
)
def test_what_nobody_expected_keeps_its_traceback(error):
    @commands.command()
    def main():
        raise error

    with pytest.raises(type(error), match=str(error)):
        main()
