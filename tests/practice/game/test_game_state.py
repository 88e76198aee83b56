"""What the running game remembers, and for how long."""

import pytest

from lost_and_found.errors import InvalidConfig
from lost_and_found.practice.game import state as state_module
from lost_and_found.practice.game.recent import Recent
from lost_and_found.practice.game.state import GameConfig, GameState


def test_old_games_are_forgotten_but_their_truth_is_not(monkeypatch):
    monkeypatch.setattr(state_module, "GAMES_KEPT", 3)
    state = GameState(GameConfig())
    games = [state.start_singleplayer("ann@example.org") for _ in range(5)]
    truth = [state.truth(round_.id) for round_ in games[0].rounds]
    assert truth == games[0].rounds
    assert state.game_ids == [game.id for game in games]
    assert [state.singleplayer.get(game.id) for game in games] == [None, None, *games[2:]]
    state.close()


@pytest.mark.parametrize("turn", [5, 12])
def test_a_round_that_was_never_handed_out_has_no_truth(turn):
    state = GameState(GameConfig())
    game = state.start_singleplayer("ann@example.org")
    for sample_id in (f"practice_singleplayer_{game.id}_{turn}", "practice_singleplayer_none_0"):
        with pytest.raises(InvalidConfig):
            state.truth(sample_id)
    state.close()


def test_what_was_used_last_is_kept():
    recent = Recent(2)
    recent.put("a", 1)
    recent.put("b", 2)
    recent.get("a")
    recent.put("c", 3)
    assert [recent.get(name) for name in "abc"] == [1, None, 3]


@pytest.mark.parametrize("wrong", [{"pace": 0}, {"pace": -1}, {"port": 70_000}, {"faults": ("bad-luck",)}])
def test_settings_outside_what_is_allowed_are_refused(wrong):
    with pytest.raises(InvalidConfig):
        GameConfig(**wrong)
