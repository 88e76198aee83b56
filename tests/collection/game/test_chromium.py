"""Which browser is used, and what is said when there is none."""

import asyncio

import pytest

from lost_and_found.collection.game.chromium import VARIABLE, find_chromium, launched
from lost_and_found.errors import BrowserMissing


@pytest.fixture
def program(tmp_path):
    """Makes a program in a folder of its own."""

    def make(name, status=0):
        path = tmp_path / name / name
        path.parent.mkdir()
        path.write_text(f"#!/bin/sh\nexit {status}\n")
        path.chmod(0o755)
        return path

    return make


def test_the_named_browser_comes_before_playwrights_and_that_before_an_installed_one(program):
    named, bundled, installed = program("mine"), program("bundled"), program("chromium")
    environment = {VARIABLE: str(named), "PATH": str(installed.parent)}
    assert find_chromium(environment, bundled=bundled) == named
    del environment[VARIABLE]
    assert find_chromium(environment, bundled=bundled) == bundled
    assert find_chromium(environment, bundled=bundled.with_name("absent")) == installed
    assert find_chromium(environment) == installed


def test_the_named_browser_may_be_a_name_on_the_path(program):
    browser = program("brave")
    assert find_chromium({VARIABLE: "brave", "PATH": str(browser.parent)}) == browser


def test_a_browser_that_does_not_run_is_skipped(program):
    broken, installed = program("bundled", status=127), program("chromium")
    assert find_chromium({"PATH": str(installed.parent)}, bundled=broken) == installed


def test_without_any_browser_the_error_says_how_to_get_one(tmp_path):
    with pytest.raises(BrowserMissing, match=r"setup-browser.*LOST_AND_FOUND_CHROMIUM"):
        find_chromium({"PATH": str(tmp_path)})


@pytest.mark.parametrize("missing", [True, False])
def test_a_named_browser_that_does_not_run_is_not_replaced_by_another(program, tmp_path, missing):
    named = tmp_path / "nowhere" if missing else program("broken", status=1)
    with pytest.raises(BrowserMissing, match=named.name):
        find_chromium({VARIABLE: str(named), "PATH": str(program("chromium").parent)})


def test_a_program_that_is_not_a_browser_is_reported(program, monkeypatch):
    async def launch():
        async with launched():
            pass

    monkeypatch.setenv(VARIABLE, str(program("pretender")))
    with pytest.raises(BrowserMissing, match="pretender doesn't start"):
        asyncio.run(launch())
