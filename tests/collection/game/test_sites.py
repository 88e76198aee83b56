"""Which addresses and texts of the sites are understood."""

import re

import pytest

from lost_and_found.collection.game.sites import GEOGUESSR, Texts, practice_site

PRACTICE = practice_site("http://127.0.0.1:8765/")


@pytest.mark.parametrize(
    ("site", "url", "game"),
    [
        (GEOGUESSR, "https://www.geoguessr.com/game/00AH3Et9ehwdPYL8", "00AH3Et9ehwdPYL8"),
        (GEOGUESSR, "https://www.geoguessr.com/de/battle-royale/Zb3-9x", "Zb3-9x"),
        (GEOGUESSR, "https://www.geoguessr.com/results/00AH3Et9ehwdPYL8?from=x", "00AH3Et9ehwdPYL8"),
        (PRACTICE, "http://127.0.0.1:8765/game/m06kYc8CHiiEa9Qu", "m06kYc8CHiiEa9Qu"),
        (GEOGUESSR, "https://www.geoguessr.com/", None),
        (GEOGUESSR, "https://www.geoguessr.com/maps/world/play", None),
        (GEOGUESSR, "https://www.geoguessr.com/game/", None),
        (GEOGUESSR, "about:blank", None),
    ],
)
def test_a_game_is_known_by_its_address_in_any_language(site, url, game):
    assert site.game_id(url) == game


@pytest.mark.parametrize("mode", ["singleplayer", "multiplayer"])
@pytest.mark.parametrize("site", [GEOGUESSR, PRACTICE], ids=lambda site: site.name)
def test_a_game_is_found_again_where_it_is_played(site, mode):
    assert site.game_id(site.address_of(mode, "00AH3Et9ehwdPYL8")) == "00AH3Et9ehwdPYL8"


@pytest.mark.parametrize(
    ("site", "url", "coordinates"),
    [
        (
            GEOGUESSR,
            "https://www.google.com/maps?q&layer=c&cbll=66.40950012207031,14.124077796936035&cbp=0,120.5,0,0,0",
            [66.40950012207031, 14.124077796936035],
        ),
        (GEOGUESSR, "https://www.google.com/maps?q&layer=c&cbll=-33.5,-70.25&cbp=0,1,,0,-5", [-33.5, -70.25]),
        (GEOGUESSR, "https://maps.google.com/maps?cbll=0,-0.5", [0.0, -0.5]),
        (GEOGUESSR, "https://www.google.de/maps?q=&layer=c&cbll=1.5%2C2.5", [1.5, 2.5]),
        (PRACTICE, "http://127.0.0.1:8765/maps?q&layer=c&cbll=-1.5,102&cbp=20,0,0,0,0", [-1.5, 102.0]),
        (GEOGUESSR, "https://www.google.com/maps?q&layer=c&cbll=66.4&cbp=0", None),
        (GEOGUESSR, "https://www.google.com/maps?q&layer=c&cbll=1.2.3,4", None),
        (GEOGUESSR, "https://www.google.com/maps/@66.4,14.1,3a", None),
        (GEOGUESSR, "https://example.org/maps?cbll=1,2", None),
        (PRACTICE, "https://www.google.com/maps?q&layer=c&cbll=1,2", None),
        (GEOGUESSR, "", None),
    ],
)
def test_coordinates_are_read_from_links_to_the_maps_service_alone(site, url, coordinates):
    assert site.coordinates(url) == coordinates


@pytest.mark.parametrize(
    ("text", "country"),
    [
        ("The right answer was France.", "France"),
        ("The right answer was indeed Bosnia and Herzegovina", "Bosnia and Herzegovina"),
        ("THE RIGHT ANSWER WAS CÔTE D'IVOIRE.\nNEXT ROUND STARTS IN 3", "CÔTE D'IVOIRE"),
        ("The right answer was\nUnited States!\nNext", "United States"),
        ("Somebody wrote that right answers matter", None),
    ],
)
def test_the_country_is_read_from_the_announcement_in_all_its_wordings(text, country):
    match = re.search(Texts().right_answer.pattern, text, re.IGNORECASE)
    assert (match and match[1]) == country


@pytest.mark.parametrize("text", ["Round\n1 / 5", "ROUND 1/5", "Round 1"])
def test_the_number_of_the_round_is_read_however_it_is_set(text):
    assert re.search(Texts().round_number.pattern, text, re.IGNORECASE)[1] == "1"
