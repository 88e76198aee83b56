"""Whether a site may be collected from, and how fast."""

import http.server
import subprocess
import sys
import threading
import time

import pytest

from lost_and_found.collection.game.manners import (
    STATEMENT,
    Turns,
    check_permission,
    check_robots,
    pace_s,
    statement_name,
)
from lost_and_found.collection.game.sites import GEOGUESSR, practice_site
from lost_and_found.errors import InvalidConfig, NotPermitted

PRACTICE = practice_site("http://127.0.0.1:1")
NAME = "LOST_AND_FOUND_MAY_COLLECT_FROM_GEOGUESSR"


# -- permission --


@pytest.mark.parametrize("statement", [None, "", "yes", "true", "1", "I have the right", STATEMENT.upper()])
def test_a_live_site_is_refused_without_the_statement_word_by_word(statement):
    environment = {} if statement is None else {NAME: statement}
    with pytest.raises(NotPermitted, match="terms of service") as caught:
        check_permission(GEOGUESSR, environment)
    assert f'{NAME}="{STATEMENT}"' in str(caught.value)


def test_a_live_site_is_open_to_whoever_states_the_right_to_it():
    assert statement_name(GEOGUESSR) == NAME
    check_permission(GEOGUESSR, {NAME: STATEMENT})
    check_permission(GEOGUESSR, {NAME: f" {STATEMENT} "})


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "http://localhost:1", "http://[::1]:1"])
def test_a_practice_game_on_this_machine_needs_no_statement(url):
    check_permission(practice_site(url), {})


@pytest.mark.parametrize(
    "url",
    ["https://www.geoguessr.com", "http://localhost.example.org", "http://192.168.0.1:1", "127.0.0.1:1", ""],
)
def test_a_live_site_can_not_pass_for_a_practice_game(url):
    with pytest.raises(NotPermitted, match="this machine only"):
        check_permission(practice_site(url), {NAME: STATEMENT})


# -- robots.txt --


class Answering(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        status, text = self.server.answer
        self.send_response(status)
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *arguments):
        pass


@pytest.fixture
def robots():
    """Starts a server with this robots.txt; returns the site."""
    servers = []

    def serve(text, status=200):
        server = http.server.HTTPServer(("127.0.0.1", 0), Answering)
        server.answer = (status, text)
        threading.Thread(target=server.serve_forever, args=(0.01,)).start()
        servers.append(server)
        return practice_site(f"http://127.0.0.1:{server.server_port}")

    yield serve
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize(
    ("text", "delay_s"),
    [
        ("", 0),
        ("User-agent: *\nDisallow:", 0),
        ("User-agent: *\nDisallow: /api/admin\n", 0),
        ("User-agent: *\nCrawl-delay: 7\nDisallow: /admin", 7),
        ("User-agent: *\nCrawl-delay: 7.5", 7.5),
        ("User-agent: *\nRequest-rate: 2/60", 30),
        ("User-agent: *\nDisallow: /game/\nAllow: /game/*", 0),
        ("User-agent: Other\nDisallow: /\n", 0),
    ],
)
def test_a_robots_txt_that_allows_access_also_says_how_often(robots, text, delay_s):
    assert check_robots(robots(text)) == delay_s


@pytest.mark.parametrize(
    ("text", "forbidden"),
    [
        ("User-agent: *\nDisallow: /", "/, /signin, /maps/world"),
        ("User-agent: *\nDisallow: /game", "/game"),
        ("User-agent: *\nDisallow: /*", "/, /signin, /maps/world"),
        ("User-agent: *\nDisallow: /game/*", "/game"),
        ("User-agent: *\nAllow: /\nDisallow: /game/", "/game"),
        ("User-agent: *\n\nDisallow: /", "/, /signin"),
        ("\ufeffUser-agent: *\nDisallow: /", "/, /signin"),
        ("User-agent: LostAndFound\nDisallow: /battle-royale/\n\nUser-agent: *\nDisallow:", "/battle-royale"),
    ],
)
def test_a_robots_txt_that_disallows_a_page_is_obeyed(robots, text, forbidden):
    with pytest.raises(NotPermitted, match=f"disallows {forbidden}"):
        check_robots(robots(text))


def test_a_site_without_a_robots_txt_allows_all(robots):
    assert check_robots(robots("not here", 404)) == 0


@pytest.mark.parametrize("status", [401, 403, 429, 500, 503])
def test_a_robots_txt_that_answers_with_an_error_is_a_refusal(robots, status):
    with pytest.raises(NotPermitted, match=f"answers {status}"):
        check_robots(robots("go away", status))


def test_a_robots_txt_that_can_not_be_reached_is_a_refusal():
    with pytest.raises(NotPermitted, match="can't be read"):
        check_robots(PRACTICE)


# -- pace --


@pytest.mark.parametrize("site", [PRACTICE, GEOGUESSR], ids=["practice", "geoguessr"])
@pytest.mark.parametrize("wished", [0.0, -1.0, float("nan")])
def test_a_pace_without_pauses_is_refused(site, wished):
    with pytest.raises(InvalidConfig, match="too fast"):
        pace_s(site, wished, crawl_delay_s=0)


def test_the_pace_is_slower_on_a_live_site_and_never_faster_than_its_robots_txt_says():
    assert pace_s(PRACTICE, None, crawl_delay_s=0) == 0.05
    assert pace_s(GEOGUESSR, None, crawl_delay_s=0) == 20
    assert pace_s(GEOGUESSR, 5, crawl_delay_s=0) == 5
    assert pace_s(GEOGUESSR, 5, crawl_delay_s=30) == 30
    with pytest.raises(InvalidConfig, match="at least 5"):
        pace_s(GEOGUESSR, 4.9, crawl_delay_s=0)


@pytest.fixture
def turns(tmp_path):
    return Turns(tmp_path / "auth" / "pace.sqlite")


def test_turns_of_an_account_keep_their_distance_and_other_accounts_have_their_own(turns):
    begun_at = time.time()
    waits = [turns.take("a", every_s=10) for _ in range(3)]
    spent = time.time() - begun_at
    assert waits == pytest.approx([0, 10, 20], abs=spent + 0.01)
    assert turns.take("b", every_s=10) == 0


def test_a_turn_that_nobody_took_is_not_made_up_for(turns):
    turns.take("a", every_s=0.01)
    time.sleep(0.1)
    assert turns.take("a", every_s=1000) == 0
    assert turns.take("a", every_s=1000) > 900


def test_while_an_account_is_held_back_no_turn_may_be_taken_or_used(turns):
    assert turns.held("a") == 0
    turns.take("a", every_s=1)
    turns.hold_back("a", for_s=1000)
    turns.hold_back("a", for_s=500)
    assert 900 < turns.held("a") <= 1000
    assert 900 < turns.take("a", every_s=1) <= 1000
    turns.hold_back("b", for_s=0)
    assert turns.held("b") == turns.held("c") == 0


def test_a_clock_that_is_set_back_prolongs_no_wait(turns, monkeypatch):
    now = 1_000_000.0
    monkeypatch.setattr(time, "time", lambda: now)
    for _ in range(3):
        turns.take("a", every_s=10)
    turns.hold_back("b", for_s=60)
    now -= 3600
    assert turns.held("b") == 60
    assert turns.take("a", every_s=10) == 30
    assert turns.take("b", every_s=10) == 60
    now += 59
    assert turns.held("b") == 1
    assert turns.take("a", every_s=10) == 0


TAKE = """
import sys
from pathlib import Path
from lost_and_found.collection.game.manners import Turns
turns = Turns(Path(sys.argv[1]))
print(max(turns.take("a", every_s=1000) for _ in range(50)))
"""


def test_processes_share_the_turns_of_an_account(tmp_path):
    command = [sys.executable, "-c", TAKE, tmp_path / "pace.sqlite"]
    takers = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    longest = max(float(taker.communicate()[0]) for taker in takers)
    assert round(longest, -3) == 99_000
