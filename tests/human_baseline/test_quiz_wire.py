"""What the quiz's server reveals, to whom and when."""

import asyncio
import json
import re
import urllib.request

import gradio as gr
import httpx
import pytest
from made_quiz import DATASET, made_quiz, make_workspace
from quiz_page import answer, free_port, join, press, served, start

from lost_and_found import notebooks
from lost_and_found.errors import InvalidConfig
from lost_and_found.human_baseline.app import STORAGE_KEY


def call(address, event, *data):
    """What the server answers to an event, as the page gets it."""
    done = httpx.post(f"{address}gradio_api/run/{event}", json={"data": list(data)}, timeout=60)
    done.raise_for_status()
    return done.json()["data"]


def test_before_the_guess_the_answer_is_nowhere_in_the_traffic(tmp_path):
    quiz = made_quiz(tmp_path, rounds=3)
    with served(quiz) as address:
        told = {}
        for number in range(1, 7):
            token, *rest = call(address, "join", "", f"player {number}", "amateur")
            item = quiz.deck.items[next(quiz.deck.order(number))]
            text = json.dumps(rest)
            assert item.id not in text
            told[item.country_code] = re.sub(r"base64,[A-Za-z0-9+/=]+", "base64,", text)
            assert token not in told[item.country_code]
            again = json.dumps([call(address, event, token) for event in ("load", "go_on")])
            assert item.id not in again
        # The answers differ, and what was sent differs in pixels alone.
        assert len(told) > 1
        assert len(set(told.values())) == 1
        sent = [httpx.get(f"{address}{path}", timeout=60).text for path in ("", "config")]
    for item in quiz.deck.items:
        assert all(item not in page for page in sent)


def test_the_browser_keeps_nothing_of_a_player_but_the_token(on_page):
    async def play(page):
        await join(page, "Ann")
        await answer(page, "france")
        await press(page, "Enter")
        await answer(page, "japan")
        kept = await page.evaluate("Object.keys(localStorage)")
        assert [one.startswith(STORAGE_KEY) for one in kept] == [True]
        assert await page.evaluate("indexedDB.databases()") == []
        assert (await page.request.get(f"{page.url}gradio_api/runs")).status == 404

    on_page(play)


@pytest.mark.parametrize(
    "name", ["data-lists/made.test.txt", "5-human-baseline/01-play-quiz/made/made.test.sqlite"]
)
def test_files_of_the_project_can_not_be_fetched(tmp_path, name):
    quiz = made_quiz(tmp_path)
    with served(quiz) as address:
        assert (tmp_path / name).is_file()
        for route in ("gradio_api/file=", "file="):
            got = httpx.get(f"{address}{route}{tmp_path / name}", timeout=60)
            assert got.status_code in (403, 404)


def test_strangers_tokens_and_forged_rounds_change_nothing(tmp_path):
    quiz = made_quiz(tmp_path, rounds=3)
    with served(quiz) as address:
        call(address, "join", "", "Ann", "amateur")
        for token, picked in (("forged", {"round": 1, "guesses": ["FR"]}), ("", {}), ("' OR 1=1", None)):
            done = httpx.post(f"{address}gradio_api/run/answer", json={"data": [token, picked]}, timeout=60)
            assert done.status_code == 500
    assert quiz.answers.table().empty


def test_whoever_joins_while_the_pictures_are_gone_goes_on_when_they_are_back(tmp_path, capsys):
    quiz = made_quiz(tmp_path, rounds=3)
    folder = next(iter(quiz.deck.items.values())).path.parent
    hidden = folder.rename(folder.with_name("unmounted"))
    with served(quiz) as address:
        token, *rest = call(address, "join", "", "Ann", "amateur")
        assert "Tell whoever runs it" in json.dumps(rest)
        hidden.rename(folder)
        again = call(address, "join", token, "Ann", "amateur")
    assert again[0] == token
    assert "Picture 1 of 3" in json.dumps(again)
    assert "where the pictures were, is gone; bring it back" in capsys.readouterr().err


def test_the_page_listens_to_this_machine_alone(tmp_path):
    quiz = made_quiz(tmp_path)
    with served(quiz) as address:
        assert address.startswith("http://127.0.0.1:")
        assert urllib.request.urlopen(address, timeout=30).status == 200


@pytest.mark.parametrize("options", [{"share": True}, {"host": "0.0.0.0"}])
def test_other_machines_are_never_let_in_without_a_password(tmp_path, options):
    with pytest.raises(InvalidConfig, match="needs a password"):
        start(made_quiz(tmp_path), **options)


@pytest.mark.parametrize("host", ["192.0.2.1", "2001:db8::1"])  # reserved for documentation, so nobody's
def test_an_address_that_is_not_this_machines_is_refused_at_once(tmp_path, monkeypatch, host):
    monkeypatch.setattr(gr.Blocks, "launch", lambda *_, **__: pytest.fail("Gradio tries it for minutes"))
    with pytest.raises(InvalidConfig, match=f"{host}:7860 can't be listened on"):
        start(made_quiz(tmp_path), host=host, password="s3same")


def test_nothing_can_be_uploaded(tmp_path):
    with served(made_quiz(tmp_path)) as address:
        done = httpx.post(f"{address}gradio_api/upload", files={"files": ("x.bin", b"x" * 5000)}, timeout=60)
        assert done.status_code >= 400


def test_with_a_password_nothing_is_shown_before_it(tmp_path):
    quiz = made_quiz(tmp_path)
    with served(quiz, password="s3same") as address, httpx.Client(base_url=address, timeout=60) as client:
        assert client.post("gradio_api/run/join", json={"data": ["", "Ann", "amateur"]}).status_code == 401
        assert client.post("login", data={"username": "player", "password": "wrong"}).status_code == 400
        client.post("login", data={"username": "player", "password": "s3same"}).raise_for_status()
        assert client.post("gradio_api/run/join", json={"data": ["", "Ann", "amateur"]}).status_code == 200


def test_the_notebook_run_again_serves_the_quiz_at_the_same_address_where_browsers_know_their_players(
    tmp_path, monkeypatch
):
    # Not where other tests' pages come and go meanwhile.
    monkeypatch.setattr("gradio.http_server.INITIAL_PORT_VALUE", free_port())
    make_workspace(tmp_path)
    path = notebooks.REPOSITORY / "5-human-baseline" / "01-play-quiz.ipynb"
    parameters, *cells = [
        cell.source for cell in notebooks.read_notebook(path).cells if cell.cell_type == "code"
    ]
    names = {}

    async def run_all():
        exec(parameters, names)
        names.update(root=str(tmp_path), dataset=DATASET)
        for source in cells:
            exec(source, names)
        return names["address"]

    try:
        address = asyncio.run(run_all())
        token = call(address, "join", "", "Ann", "amateur")[0]
        assert asyncio.run(run_all()) == address
        assert "Picture 1 of" in json.dumps(call(address, "load", token))
    finally:
        gr.close_all(verbose=False)
