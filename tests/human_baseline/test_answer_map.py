"""The map of guess and truth."""

import re
from xml.etree import ElementTree

import pytest

from lost_and_found.geo.outlines import country_outlines
from lost_and_found.human_baseline.answer_map import answer_map, land_symbols


def frame(svg):
    return [float(number) for number in ElementTree.fromstring(svg).attrib["viewBox"].split()]


def marks(svg):
    return re.findall(r'class="marker (\w+)"><circle cx="(-?[\d.]+)" cy="(-?[\d.]+)"', svg)


@pytest.mark.parametrize(
    ("truth", "guesses", "coordinates"),
    [
        ("FR", ["FR"], (48.9, 2.3)),
        ("NZ", ["US", "GL", "RU"], (-41.3, 174.8)),
        ("FJ", ["AQ", "CA"], (-17.0, -179.9)),
        ("RU", ["US"], (66.0, -171.0)),
        ("SG", ["MT", "VA"], None),
        ("XK", ["AL"], None),
    ],
)
def test_truth_and_guesses_are_all_in_the_frame(truth, guesses, coordinates):
    svg = answer_map(truth, guesses, coordinates)
    left, top, width, height = frame(svg)
    assert width / height == pytest.approx(16 / 9, abs=1e-3)
    found = marks(svg)
    assert len(found) == 1 + sum(code != truth for code in guesses)
    for _, x, y in found:
        assert left <= float(x) <= left + width
        assert top <= float(y) <= top + height


@pytest.mark.parametrize(
    ("country", "corners"),
    [
        ("ID", [(95.3, -5.9), (140.9, -9.1)]),  # Sumatra and New Guinea
        ("NZ", [(166.5, -46.2), (178.5, -37.7)]),
        ("US", [(-124.5, 48.0), (-67.0, 44.8)]),
    ],
)
def test_all_main_parts_of_the_countries_are_in_the_frame(country, corners):
    left, top, width, height = frame(answer_map(country, ["AR"], None))
    assert all(left < lon < left + width and top < -lat < top + height for lon, lat in corners)
    assert width < 300  # and not all that is far off, such as Hawaii


def test_the_truth_is_marked_where_the_picture_was_taken():
    assert ("truth", "2.30", "-48.90") in marks(answer_map("FR", ["DE"], (48.9, 2.3)))


def test_without_coordinates_the_truth_is_marked_inside_its_country():
    ((_, x, y),) = marks(answer_map("FR", ["FR"], None))
    assert 0 < float(x) < 6
    assert -50 < float(y) < -43


def test_a_right_guess_is_not_marked_as_wrong():
    svg = answer_map("FR", ["DE", "FR"], None)
    assert svg.count('class="guessed"') == 1
    assert "#land-FR" in svg
    assert "guess 1: Germany" in svg


def test_the_label_says_in_words_what_the_map_shows():
    label = ElementTree.fromstring(answer_map("CI", ["FR", "DE"], (7.0, -5.0))).attrib["aria-label"]
    assert label == (
        "Map. Ivory Coast is the answer, the picture was taken there. guess 1: France; guess 2: Germany."
    )


def test_every_country_has_an_outline_to_refer_to():
    symbols = land_symbols()
    ElementTree.fromstring(symbols)
    assert all(f'id="land-{outline.code}"' in symbols for outline in country_outlines())
    assert len(symbols) < 300_000
