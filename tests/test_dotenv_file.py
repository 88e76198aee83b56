"""The file `.env` as editors leave it."""

import os

import pytest

from lost_and_found.dotenv_file import dotenv_values, load_dotenv
from lost_and_found.errors import InvalidConfig
from lost_and_found.training import sync, trial

NAME = "LOST_AND_FOUND_MADE_UP"


@pytest.mark.parametrize("encoding", ["utf-16", "latin-1"])
def test_a_file_in_another_encoding_is_told_with_its_place_and_the_way_out(tmp_path, encoding):
    path = tmp_path / ".env"
    path.write_text(f"{NAME}=Müller\n", encoding=encoding)
    for read in (dotenv_values, load_dotenv, sync.key_environment):
        with pytest.raises(InvalidConfig) as error:
            read(path)
        assert str(error.value).startswith(f"{path} is not in UTF-8 (")
        assert str(error.value).endswith("; save it as UTF-8")


def test_the_mark_that_windows_editors_write_is_no_part_of_the_first_name(tmp_path, monkeypatch):
    monkeypatch.setenv(NAME, "")  # for what is set below to be undone
    monkeypatch.delenv(NAME)
    path = tmp_path / ".env"
    path.write_text(f"{NAME}=a\nUNSET\n", encoding="utf-8-sig")
    assert dotenv_values(path) == {NAME: "a"}
    load_dotenv(path)
    assert os.environ[NAME] == "a"


def test_a_trial_reports_it_as_any_wrong_setting(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(trial, "REPOSITORY", tmp_path)
    (tmp_path / ".env").write_text(f"{NAME}=a\n", encoding="utf-16")
    assert trial.main([]) == 1
    assert capsys.readouterr().err.startswith(f"error: {tmp_path / '.env'} is not in UTF-8 (")
