"""Where notebooks find input and put output."""

from pathlib import Path

import pytest

from lost_and_found.data_lists import read_list
from lost_and_found.errors import InvalidConfig, MissingInput
from lost_and_found.workspace import REPOSITORY, UNFINISHED, Workspace


def test_each_notebook_has_a_folder_for_each_data_set(tmp_path):
    workspace = Workspace(tmp_path, "mine")
    output = workspace.output("1-data-collection/01-x")
    assert output == tmp_path / "1-data-collection" / "01-x" / "mine"
    (output / "file").touch()
    assert workspace.input("1-data-collection/01-x") == output
    assert workspace.list_path(".train") == tmp_path / "data-lists" / "mine.train.txt"


def test_a_notebook_that_runs_in_the_repositorys_folder_writes_nothing_beyond_it(monkeypatch):
    monkeypatch.chdir(REPOSITORY)
    with pytest.raises(InvalidConfig, match="beyond the repository"):
        Workspace(Path(".."), "mine")
    assert Workspace(REPOSITORY.parent, "mine").root == REPOSITORY.parent
    monkeypatch.chdir(REPOSITORY / "3-training")
    assert Workspace(Path(".."), "mine").root == REPOSITORY


def test_a_missing_input_names_the_notebook_that_writes_it(tmp_path):
    with pytest.raises(MissingInput, match=r"run 1-data-collection/01-x\.ipynb for dataset 'mine'"):
        Workspace(tmp_path, "mine").input("1-data-collection/01-x")


def test_a_data_set_that_is_misspelled_is_answered_with_one_that_is_there(tmp_path):
    (Workspace(tmp_path, "photos").output("1-data-collection/01-x") / "file").touch()
    Workspace(tmp_path, "photoz").output("1-data-collection/01-x")  # as a notebook makes it before it stops
    with pytest.raises(MissingInput, match=r"did you mean 'photos'\?"):
        Workspace(tmp_path, "photoz").input("1-data-collection/01-x")
    (tmp_path / "data-lists").mkdir()
    (tmp_path / "data-lists" / "photos.train.txt").touch()
    with pytest.raises(MissingInput, match=r"did you mean 'photos.train'\?"):
        read_list(Workspace(tmp_path, "photoz").list_path(".train"))
    with pytest.raises(MissingInput, match=r"write the lists$"):
        read_list(Workspace(tmp_path, "other").list_path(".train"))


def test_pictures_that_came_in_by_another_way_are_offered(tmp_path):
    workspace = Workspace(tmp_path, "mine")
    for way in ("04-photos", "03-published"):
        (workspace.output(f"1-data-collection/{way}") / "file").touch()
    (Workspace(tmp_path, "other").output("1-data-collection/05-positions") / "file").touch()
    workspace.output("1-data-collection/06-game")  # as a notebook makes it before it stops
    with pytest.raises(MissingInput, match=r"there: -p collection 03-published or 04-photos$"):
        workspace.input("1-data-collection/02-practice")
    (workspace.output("1-data-collection/04-photos") / UNFINISHED).touch()
    with pytest.raises(MissingInput, match=r"only half filled, .* there: -p collection 03-published$"):
        workspace.input("1-data-collection/04-photos")
    (workspace.output("2-data-preparation/02-x") / "file").touch()
    with pytest.raises(MissingInput, match=r"'mine' first$"):
        workspace.input("2-data-preparation/01-x")


@pytest.mark.parametrize("name", ["", "../x", "a/b", ".hidden"])
def test_a_data_set_needs_a_plain_name(tmp_path, name):
    with pytest.raises(InvalidConfig, match="plain name"):
        Workspace(tmp_path, name)
