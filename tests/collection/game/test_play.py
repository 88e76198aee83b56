"""Games against the practice game in a real Chromium, on good days and bad ones."""

import asyncio

import psutil
import pytest
from fleets import playing
from plays import ANN, is_the_scene, numbers

from lost_and_found.collection.game import multiplayer
from lost_and_found.collection.game.chromium import launched
from lost_and_found.collection.game.play import play_game
from lost_and_found.collection.game.rounds import CollectedRound, SkippedRound
from lost_and_found.collection.game.session import signed_in
from lost_and_found.collection.game.sites import practice_site
from lost_and_found.errors import (
    BrowserLost,
    GameTaken,
    LoggedOut,
    PageCrashed,
    RateLimited,
    SiteChanged,
    SiteError,
)
from lost_and_found.geo.countries import find_country


def test_a_singleplayer_game_gives_five_rounds_with_their_coordinates_and_exactly_the_drawn_pixels(
    player, tmp_path
):
    claimed = []
    with playing() as game:
        rounds, error = player.play(game, tmp_path, claim=lambda id_: claimed.append(id_) or True)
        assert error is None
        assert claimed == game.state.game_ids
        assert [round_.id for round_ in rounds] == [
            f"practice_singleplayer_{claimed[0]}_{n}" for n in range(5)
        ]
        for round_ in rounds:
            place = game.state.truth(round_.id).place
            assert round_.record["coordinates"] == [place.lat, place.lon]
            assert round_.record["source"] == "practice"
            assert 0 <= round_.record["duration"] < 60
            assert is_the_scene(game, round_)


def test_a_battle_royale_gives_rounds_with_their_countries_to_its_end(player, tmp_path):
    with playing(pace=0.5) as game:
        rounds, error = player.play(game, tmp_path, "multiplayer")
        assert error is None
        battle = game.state.battles.get(game.state.game_ids[0])
        assert battle.phase == "finished"
        assert numbers(rounds) == list(range(battle.turn + 1))
        # On a slow day some are over before they can be read.
        collected = [round_ for round_ in rounds if isinstance(round_, CollectedRound)]
        assert collected
        for round_ in collected:
            country = find_country(game.state.truth(round_.id).place.country_code)
            assert round_.id.startswith("practice_multiplayer_")
            assert round_.record["country_code"] == country.code
            assert round_.record["country_name"] == country.name
            assert "coordinates" not in round_.record
            assert is_the_scene(game, round_)


def test_one_visit_serves_for_game_after_game_and_never_asks_the_maps_service(player, tmp_path):
    asked = []

    async def two_games(game):
        async with player.signed_in(game, tmp_path) as visit:
            visit.page.context.on("request", lambda request: asked.append(request.url))
            return [round_.id for _ in range(2) async for round_ in play_game(visit, "singleplayer", bool)]

    with playing() as game:
        assert len(set(player.run(two_games(game)))) == 10
        assert len(game.state.game_ids) == 2
    assert asked
    assert not any("/maps?" in url for url in asked)


@pytest.mark.parametrize(
    ("fault", "reason"),
    [("black-pictures@2", "the viewer stayed blank"), ("no-popup@2", "the answer's pin opened no link")],
)
def test_a_round_without_picture_or_answer_is_skipped_and_the_others_are_kept(
    player, tmp_path, fault, reason
):
    with playing(fault) as game:
        rounds, error = player.play(game, tmp_path, blank_s=2, popup_s=2)
    assert error is None
    assert numbers(rounds) == [0, 1, 2, 3, 4]
    (skipped,) = [round_ for round_ in rounds if isinstance(round_, SkippedRound)]
    assert skipped.id.endswith("_1")
    assert skipped.reason.startswith(reason)


def test_a_battle_royale_that_is_over_before_its_pictures_came_is_played_to_its_end(player, tmp_path):
    with playing("slow-images", pace=0.4) as game:
        rounds, error = player.play(game, tmp_path, "multiplayer")
    assert error is None
    assert rounds


def test_slow_pictures_are_waited_for(player, tmp_path):
    with playing("slow-images@2", pace=0.1) as game:
        rounds, error = player.play(game, tmp_path)
        assert error is None
        assert numbers(rounds) == [0, 1, 2, 3, 4]
        assert is_the_scene(game, rounds[1])


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ("rate-limit@1", RateLimited),  # play
        ("rate-limit@2", RateLimited),  # guess
        ("log-out@3", LoggedOut),  # next
        ("log-out@4", LoggedOut),
        ("server-error@2", SiteError),
        ("server-error@11", SiteError),  # view results
    ],
)
def test_an_interrupted_game_is_taken_up_again_without_losing_a_round(player, tmp_path, fault, kind):
    claimed = []
    with playing(fault) as game:
        before, error = player.play(game, tmp_path, claim=lambda id_: claimed.append(id_) or True)
        assert type(error) is kind
        if kind is RateLimited:
            assert error.retry_after_s == 1
            player.run(asyncio.sleep(error.retry_after_s))
        saved = {round_.id for round_ in before}
        resume = claimed[0] if claimed else None
        after, error = player.play(game, tmp_path, resume=resume, saved=saved)
        assert error is None
        assert numbers([*before, *after]) == [0, 1, 2, 3, 4]
        for round_ in [*before, *after]:
            place = game.state.truth(round_.id).place
            assert round_.record["coordinates"] == [place.lat, place.lon]
        assert len(game.state.game_ids) == 1


def test_a_crashed_page_ends_the_visit_and_the_game_goes_on_in_the_next(player, tmp_path):
    claimed = []
    with playing("renderer-crash@3") as game:
        before, error = player.play(game, tmp_path, claim=lambda id_: claimed.append(id_) or True)
        assert isinstance(error, PageCrashed)
        after, error = player.play(game, tmp_path, resume=claimed[0])
        assert error is None
    assert (numbers(before), numbers(after)) == ([0, 1], [2, 3, 4])


def test_a_browser_that_is_killed_is_distinguished_from_a_crashed_page(tmp_path):
    others = set(_browsers())

    async def play(url):
        async with launched() as browser:
            (own,) = set(_browsers()) - others
            site, storage = practice_site(url), tmp_path / "ann.json"
            async with signed_in(browser, site, ANN, storage=storage, screenshots=tmp_path) as visit:
                async for _ in play_game(visit, "singleplayer", bool):
                    own.kill()

    with playing() as game, pytest.raises(BrowserLost):
        asyncio.run(play(game.url))


def _browsers():
    for process in psutil.Process().children(recursive=True):
        try:
            command = process.cmdline()
        except psutil.Error:  # it has just ended
            continue
        if "--remote-debugging-pipe" in command and not any(part.startswith("--type=") for part in command):
            yield process


def test_a_game_that_another_worker_has_is_left_at_once(player, tmp_path):
    with playing() as game:
        rounds, error = player.play(game, tmp_path, claim=lambda _: False)
        assert (rounds, type(error)) == ([], GameTaken)
        assert game.state.game_ids[0] in str(error)


def test_a_game_that_is_handed_out_again_is_not_played_again(player, tmp_path):
    claimed = []

    def claim(game_id):
        claimed.append(game_id)
        return game_id not in claimed[:-1]

    async def two_games(game):
        async with player.signed_in(game, tmp_path) as visit:
            first = [round_ async for round_ in play_game(visit, "singleplayer", claim)]
            with pytest.raises(GameTaken):
                async for _ in play_game(visit, "singleplayer", claim):
                    raise AssertionError("a round was played twice")
            return first

    with playing("same-game@1") as game:
        assert len(player.run(two_games(game))) == 5
        assert claimed == game.state.game_ids * 2


@pytest.mark.parametrize("later", [2, 3])
def test_a_round_whose_picture_took_until_a_later_answer_is_skipped(player, tmp_path, later):
    class SlowCamera:
        def __init__(self, visit):
            self.visit = visit

        async def street_view(self):
            shown = f"Round {later}. Already made guesses. The right answer was Nigeria."
            await self.visit.page.evaluate("shown => document.body.innerText = shown", shown)
            return b"picture"

    async def act(visit):
        await visit.goto(visit.site.url)
        async for round_ in multiplayer.rounds(visit, SlowCamera(visit), "GQhz7jYy4TqRqVkN"):
            return round_

    round_ = player.on_page("Round 1. Already made guesses.", act, tmp_path)
    assert isinstance(round_, SkippedRound)
    assert (round_.id[-2:], round_.reason) == ("_0", "the right answer was gone before it could be read")


def test_a_game_that_is_over_or_unknown_has_no_rounds_left(player, tmp_path):
    with playing() as game:
        player.play(game, tmp_path)
        assert player.play(game, tmp_path, resume=game.state.game_ids[0]) == ([], None)
        assert player.play(game, tmp_path, resume="nosuchgame") == ([], None)
        assert player.play(game, tmp_path, "multiplayer", resume="nosuchgame") == ([], None)


def test_a_round_that_was_answered_before_an_interruption_is_skipped(player, tmp_path):
    async def guess_and_leave(game):
        async with player.signed_in(game, tmp_path) as visit:
            async for round_ in play_game(visit, "singleplayer", bool):
                return round_

    with playing() as game:
        player.run(guess_and_leave(game))
        rounds, error = player.play(game, tmp_path, resume=game.state.game_ids[0])
    assert error is None
    assert numbers(rounds) == [0, 1, 2, 3, 4]
    assert [type(round_) for round_ in rounds] == [SkippedRound] + [CollectedRound] * 4


def test_a_renamed_button_is_reported_with_its_text_and_a_screenshot(player, tmp_path):
    with playing("renamed-button") as game:
        rounds, error = player.play(game, tmp_path, patience_s=6)
    assert (rounds, type(error)) == ([], SiteChanged)
    assert "Guess" in str(error)
    assert error.screenshot.parent == tmp_path / "screenshots"
    assert str(error.screenshot) in str(error)
    assert error.screenshot.read_bytes().startswith(b"\x89PNG")


def test_a_site_that_can_not_be_reached_is_an_error_of_the_site(player, tmp_path):
    with playing() as game:
        pass
    rounds, error = player.play(game, tmp_path)
    assert (rounds, type(error)) == ([], SiteError)
    assert "ERR_CONNECTION_REFUSED" in str(error)
