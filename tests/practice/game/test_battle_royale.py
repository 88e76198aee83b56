"""The rules and the schedule of a battle royale, and two accounts in one over the API."""

import asyncio

import httpx
import pytest

from lost_and_found.errors import OutOfTurn
from lost_and_found.practice.game.api import app
from lost_and_found.practice.game.battle_royale import HEARTS, BattleRoyale
from lost_and_found.practice.game.faults import Faults
from lost_and_found.practice.game.pace import Pace
from lost_and_found.practice.game.pictures import show
from lost_and_found.practice.game.state import GameConfig, GameState
from lost_and_found.practice.places import draw_game
from lost_and_found.samples import parse_id

PACE = Pace(1.0)
FIRST_ROUND_AT = PACE.lobby + PACE.countdown
ANN, BEN = "ann@example.org", "ben@example.org"


def battle(number=0, *, players=(ANN,)):
    rounds = draw_game(number, seed=0, mode="multiplayer", rounds=8)
    game = BattleRoyale(
        parse_id(rounds[0].id).game, rounds, pace=PACE, show=lambda round_: show(round_, Faults()), now=0.0
    )
    for email in players:
        game.join(email, email[:3])
    return game


def wrong_code(game):
    return next(code for code in ("NL", "FR") if code != game.rounds[game.turn].place.country_code)


def test_the_lobby_fills_before_the_countdown_and_the_first_round():
    game = battle()
    sizes = []
    for tenths in range(round(FIRST_ROUND_AT * 10)):
        game.advance(tenths / 10)
        told = game.tell(ANN, now=tenths / 10)
        assert told["phase"] == ("lobby" if tenths / 10 < PACE.lobby else "countdown")
        assert told["scene"] is told["answer"] is told["ends_in_s"] is None
        sizes.append(len(told["players"]))
    assert sizes == sorted(sizes)
    assert (sizes[0], 4 <= sizes[-1] <= 6) == (1, True)
    game.advance(FIRST_ROUND_AT)
    assert game.tell(ANN, now=FIRST_ROUND_AT)["scene"].startswith("/scenes/")


def test_a_round_lasts_four_to_nine_seconds_and_its_answer_is_shown_for_three():
    game = battle(players=())
    lengths, began, phase = {"playing": [], "answer": []}, 0.0, "lobby"
    for hundredths in range(12_000):
        game.advance(hundredths / 100)
        if game.phase != phase:
            lengths.setdefault(phase, []).append(hundredths / 100 - began)
            began, phase = hundredths / 100, game.phase
    assert phase == "finished"
    assert all(3.98 < length < 9.02 for length in lengths["playing"])
    assert lengths["answer"] == pytest.approx([3.0] * len(lengths["playing"]), abs=0.02)


def test_a_wrong_guess_costs_a_heart_and_is_shown_to_all():
    game = battle(players=(ANN, BEN))
    game.advance(FIRST_ROUND_AT)
    code = wrong_code(game)
    game.guess(ANN, code)
    told = game.tell(BEN, now=FIRST_ROUND_AT)
    assert [(guess["player"], guess["code"]) for guess in told["guesses"]] == [("ann", code)]
    assert game.player_of(ANN).hearts == HEARTS - 1
    assert told["answer"] is None


def test_the_right_guess_keeps_the_heart_that_no_guess_costs():
    game = battle(players=(ANN, BEN))
    game.advance(FIRST_ROUND_AT)
    game.guess(ANN, game.rounds[0].place.country_code)
    told = game.tell(BEN, now=FIRST_ROUND_AT)
    assert told["answer"] is None and told["guesses"] == []
    now = FIRST_ROUND_AT
    while game.phase == "playing":
        now += 0.1
        game.advance(now)
    told = game.tell(BEN, now=now)
    assert told["answer"]["code"] == game.rounds[0].place.country_code
    assert (game.player_of(ANN).hearts, game.player_of(BEN).hearts) == (HEARTS, HEARTS - 1)


def test_a_player_who_is_out_may_spectate_but_no_longer_guess():
    game = battle()
    game.advance(FIRST_ROUND_AT)
    with pytest.raises(OutOfTurn):
        game.spectate(ANN)
    for _ in range(HEARTS):
        game.guess(ANN, wrong_code(game))
    with pytest.raises(OutOfTurn, match="out"):
        game.guess(ANN, wrong_code(game))
    assert game.tell(ANN, now=FIRST_ROUND_AT)["you"]["out"]
    game.spectate(ANN)
    assert game.tell(ANN, now=FIRST_ROUND_AT)["you"]["spectating"]


def test_nobody_guesses_twice_after_being_right_or_before_a_round():
    game = battle()
    with pytest.raises(OutOfTurn, match="lobby"):
        game.guess(ANN, "NL")
    game.advance(FIRST_ROUND_AT)
    game.guess(ANN, game.rounds[0].place.country_code)
    with pytest.raises(OutOfTurn, match="right already"):
        game.guess(ANN, wrong_code(game))


@pytest.mark.parametrize("number", range(12))
def test_one_player_wins_within_eight_rounds(number):
    game = battle(number)
    game.advance(200.0)
    assert game.phase == "finished"
    assert game.turn < 8
    left = [player for player in game.players if not player.out]
    assert len(left) <= 1 or game.turn == 7
    assert game.winner.hearts == max(player.hearts for player in game.players)


def test_the_same_guesses_at_the_same_times_give_the_same_game():
    def transcript():
        game, told = battle(3, players=(ANN, BEN)), []
        for tenths in range(900):
            game.advance(tenths / 10)
            if game.phase == "playing" and tenths % 40 == 0 and not game.player_of(ANN).out:
                game.guess(ANN, wrong_code(game))
            told.append(game.tell(BEN, now=tenths / 10))
        return told

    assert transcript() == transcript()


def test_players_with_the_same_name_are_told_apart():
    game = battle(players=())
    game.join("ann@example.org", "ann")
    game.join("ann@example.com", "ann")
    game.join("ann@example.org", "ann")
    assert [player.name for player in game.players] == ["ann", "ann 2"]


class Clock:
    """A clock that stands still until it is set."""

    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def table():
    """A state whose clock is set by hand, and the application that serves it."""
    clock = Clock()
    state = GameState(GameConfig(pace=0.01), clock=clock)
    yield state, clock, httpx.ASGITransport(app(state))
    state.close()


async def joined(transport, email):
    client = httpx.AsyncClient(transport=transport, base_url="http://game")
    await client.post("/api/login", json={"email": email, "password": "practice"})
    return client, (await client.post("/api/battle-royale")).raise_for_status().json()["id"]


def test_two_accounts_play_one_game_to_one_winner(table):
    state, clock, transport = table

    async def play():
        (ann, game_id), (ben, other_id) = await joined(transport, ANN), await joined(transport, BEN)
        assert game_id == other_id
        path, states, rounds = f"/api/battle-royale/{game_id}", [], set()
        while not states or states[-1]["phase"] != "finished":
            clock.now += 0.01
            states = [(await client.get(path)).raise_for_status().json() for client in (ann, ben)]
            told, truth = states[-1], state.truth(f"practice_multiplayer_{game_id}_{states[-1]['round']}")
            if told["phase"] == "playing":
                assert told["answer"] is None
                assert truth.place.country_code not in {guess["code"] for guess in told["guesses"]}
            if told["phase"] == "answer":
                assert told["answer"]["code"] == truth.place.country_code
                rounds.add(told["round"])
            if told["you"]["out"] and not told["you"]["spectating"]:
                assert (await ben.post(f"{path}/spectate")).json()["you"]["spectating"]
        again = (await ann.post("/api/battle-royale")).json()
        await ann.aclose()
        await ben.aclose()
        assert states[0]["winner"] == states[1]["winner"] in [player["name"] for player in told["players"]]
        assert rounds == set(range(told["round"] + 1))
        assert again["id"] != game_id

    asyncio.run(play())


def test_an_account_that_is_in_the_lobby_gets_another_game(table):
    async def play():
        clients, ids = zip(*[await joined(table[2], email) for email in (ANN, ANN, BEN)], strict=True)
        for client in clients:
            await client.aclose()
        assert ids[0] != ids[1] == ids[2]

    asyncio.run(play())


def test_a_request_that_waits_for_a_change_is_answered_when_it_happens(table):
    _, clock, transport = table

    async def play():
        (ann, game_id), (ben, _) = await joined(transport, ANN), await joined(transport, BEN)
        path = f"/api/battle-royale/{game_id}"
        clock.now += 0.01 * FIRST_ROUND_AT
        version = (await ann.get(path)).json()["version"]
        waiting = asyncio.create_task(ann.get(path, params={"since": version}))
        await asyncio.sleep(0)
        await ben.post(f"{path}/guess", json={"code": "XK"})
        assert [guess["name"] for guess in (await waiting).json()["guesses"]] == ["Kosovo"]
        for code in ("ZZ", ["NL"]):
            assert (await ben.post(f"{path}/guess", json={"code": code})).status_code == 400
        await ann.aclose()
        await ben.aclose()

    asyncio.run(play())
