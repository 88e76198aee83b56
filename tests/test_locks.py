"""One writer at a time, and the mark on unfinished folders."""

import subprocess
import sys
import threading

import pytest

from lost_and_found import locks
from lost_and_found.errors import FolderInUse, InvalidConfig, MissingInput
from lost_and_found.locks import filling
from lost_and_found.workspace import Workspace

NOTEBOOK = "1-data-collection/02-render-practice-world"
HOLD = """
import sys
from pathlib import Path
from lost_and_found.locks import filling
with filling(Path(sys.argv[1]), check=list):
    print("within", flush=True)
    sys.stdin.read()
"""


def check():
    """Refuses nothing."""


def refuse():
    raise InvalidConfig("not ours")


@pytest.fixture
def holder(tmp_path):
    command = [sys.executable, "-c", HOLD, tmp_path / "out"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "within\n"
        yield process
        process.kill()


def test_a_folder_is_no_input_while_it_is_being_filled_or_after_that_failed(tmp_path):
    workspace = Workspace(tmp_path, "tiny")
    folder = workspace.output(NOTEBOOK)
    with pytest.raises(KeyError), filling(folder, check=check):
        (folder / "one.json").touch()
        raise KeyError
    with pytest.raises(MissingInput, match="half filled"):
        workspace.input(NOTEBOOK)
    with filling(folder, check=check), pytest.raises(MissingInput):
        workspace.input(NOTEBOOK)
    assert workspace.input(NOTEBOOK) == folder


def test_a_folder_that_is_refused_is_not_marked(tmp_path):
    with pytest.raises(InvalidConfig), filling(tmp_path, check=refuse):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_second_process_is_told_that_the_folder_is_in_use(tmp_path, holder, monkeypatch):
    monkeypatch.setattr(locks, "PATIENCE_S", 0.2)
    with filling(tmp_path / "new" / "other", check=check):
        pass  # nobody else writes there
    with pytest.raises(FolderInUse, match="another process"), filling(tmp_path / "out", check=check):
        pass


def test_a_second_process_goes_on_where_a_killed_one_stopped_once_it_has_ended(tmp_path, holder):
    ending = threading.Timer(0.2, holder.kill)
    ending.start()
    with filling(tmp_path / "out", check=check):
        pass
    ending.join()
    assert list((tmp_path / "out").iterdir()) == []
