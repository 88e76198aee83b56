import csv
import gettext
import json
from pathlib import Path

import pycountry
import pytest

from lost_and_found.errors import UnknownCountry
from lost_and_found.geo import countries
from lost_and_found.geo.countries import Country, aliases, all_countries, find_country
from lost_and_found.published import multiplayer_counts, singleplayer_counts

STATES = """
    Alabama Alaska Arizona Arkansas California Colorado Connecticut Delaware Florida Hawaii Idaho Illinois
    Indiana Iowa Kansas Kentucky Louisiana Maine Maryland Massachusetts Michigan Minnesota Mississippi
    Missouri Montana Nebraska Nevada Ohio Oklahoma Oregon Pennsylvania Tennessee Texas Utah Vermont
    Virginia Washington Wisconsin Wyoming
"""


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("Turkey", "TR"), ("Türkiye", "TR"), ("turkiye", "TR"), ("Republic of Türkiye", "TR"),
        ("Ivory Coast", "CI"), ("Côte d'Ivoire", "CI"), ("Cote dIvoire", "CI"), ("Côte d’Ivoire", "CI"),
        ("Swaziland", "SZ"), ("Eswatini", "SZ"), ("Burma", "MM"), ("Myanmar", "MM"), ("Cape Verde", "CV"),
        ("Czech Republic", "CZ"), ("Czechia", "CZ"), ("Macedonia", "MK"), ("FYROM", "MK"), ("Russia", "RU"),
        ("Russian Federation", "RU"), ("South Korea", "KR"), ("Korea, Republic of", "KR"), ("S. Korea", "KR"),
        ("North Korea", "KP"), ("Korea, Democratic People's Republic of", "KP"), ("DPRK", "KP"),
        ("Laos", "LA"), ("Lao People's Democratic Republic", "LA"), ("Vietnam", "VN"), ("Viet Nam", "VN"),
        ("Bolivia", "BO"), ("Bolivia, Plurinational State of", "BO"),
        ("Plurinational State of Bolivia", "BO"), ("USA", "US"), ("usa", "US"), ("U.S.", "US"),
        ("U.S.A.", "US"), ("America", "US"), ("us", "US"), ("United States of America", "US"),
        ("the United States", "US"), ("UK", "GB"), ("Great Britain", "GB"), ("England", "GB"),
        ("Scotland", "GB"), ("Northern Ireland", "GB"), ("Ireland", "IE"), ("UAE", "AE"), ("Dubai", "AE"),
        ("Réunion", "RE"), ("Reunion", "RE"), ("Holland", "NL"), ("the Netherlands", "NL"),
        ("Palestine", "PS"), ("Palestine, State of", "PS"), ("Kosovo", "XK"), ("XK", "XK"), ("XKX", "XK"),
        ("Congo", "CG"), ("Republic of the Congo", "CG"), ("DR Congo", "CD"),
        ("Democratic Republic of the Congo", "CD"), ("Republic of Korea", "KR"),
        ("Congo, The Democratic Republic of the", "CD"), ("DRC", "CD"), ("Zaire", "CD"), ("Micronesia", "FM"),
        ("Hong Kong", "HK"), ("Hong Kong S.A.R.", "HK"), ("Macau", "MO"), ("Macao", "MO"), ("Taiwan", "TW"),
        ("Taiwan, Province of China", "TW"), ("Republic of China", "TW"), ("China", "CN"), ("Curaçao", "CW"),
        ("Curacao", "CW"), ("Brunei", "BN"), ("Syria", "SY"), ("Iran", "IR"), ("Iraq", "IQ"),
        ("Moldova", "MD"), ("Tanzania, United Republic of", "TZ"), ("Venezuela", "VE"), ("Vatican", "VA"),
        ("Holy See (Vatican City State)", "VA"), ("East Timor", "TL"), ("S. Sudan", "SS"), ("S.Sudan", "SS"),
        ("Virgin Islands, U.S.", "VI"), ("British Virgin Islands", "VG"), ("St. Lucia", "LC"), ("ST", "ST"),
        ("St Kitts & Nevis", "KN"), ("Trinidad & Tobago", "TT"), ("Bosnia", "BA"), ("AND", "AD"),
        ("Niger", "NE"), ("Nigeria", "NG"), ("Georgia", "GE"), ("Guinea", "GN"), ("Guinea-Bissau", "GW"),
        ("Equatorial Guinea", "GQ"), ("Papua New Guinea", "PG"), ("Dominica", "DM"),
        ("Dominican Republic", "DO"), ("Austria", "AT"), ("Australia", "AU"), ("Slovakia", "SK"),
        ("Slovenia", "SI"), ("Mali", "ML"), ("Malta", "MT"), ("Malawi", "MW"), ("Gambia", "GM"),
        ("The Gambia", "GM"), ("Zambia", "ZM"), ("SÃO TOMÉ", "ST"), ("  New\tZealand ", "NZ"),
        ("south_africa", "ZA"), ("NewZealand", "NZ"), ("deu", "DE"), ("Åland", "AX"),
    ],
)  # fmt: skip
def test_names_codes_and_aliases_find_their_country(text, code):
    assert find_country(text).code == code


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("Untied States", "US"), ("Germny", "DE"), ("Argentinna", "AR"), ("Phillipines", "PH"),
        ("Isreal", "IL"),
        ("Switzerlnad", "CH"), ("Indonezia", "ID"), ("Untied Kingdom", "GB"), ("Kyrgystan", "KG"),
    ],
)  # fmt: skip
def test_typing_errors_that_can_mean_one_country_only_are_corrected(text, code):
    assert find_country(text).code == code


@pytest.mark.parametrize(
    ("text", "proposal"),
    [
        ("Korea", "South Korea (KR) or North Korea (KP)"),
        ("Virgin Islands", "British Virgin Islands (VG)"),
        ("Nigeri", "did you mean Nigeria (NG) or Niger (NE)"),
        ("Slovania", "Slovenia (SI) or Slovakia (SK)"),
        ("Austrlia", "Australia (AU)"),
        ("Dominican", "Dominican Republic (DO) or Dominica (DM)"),
        ("Granada", "Spain (ES) or Grenada (GD)"),
        ("SSudan", "South Sudan (SS) or Sudan (SD)"),
        ("Czechoslovakia", "Czechia (CZ) or Slovakia (SK)"),
        ("New Mexico", "Mexico (MX)"),
        ("Thaiti", "Haiti (HT)"),
        ("Not available", "nothing similar is known"),
        ("Dominicna", "Dominica (DM) or Dominican Republic (DO)"),
        ("Virgin Islandss", "US Virgin Islands (VI) or British Virgin Islands (VG)"),
    ],
)
def test_names_that_could_be_several_countries_are_refused_with_proposals(text, proposal):
    with pytest.raises(UnknownCountry) as refusal:
        find_country(text)
    assert proposal in str(refusal.value)


@pytest.mark.parametrize(
    "text",
    [
        "", "  ", "?!", "x", "zz", "zzz", "usx", "Atlantis", "Iberia", "Panema", "Penama", "Masaya", "n.a.",
        " N. A",
    ],
)  # fmt: skip
def test_what_is_no_country_is_refused(text):
    with pytest.raises(UnknownCountry):
        find_country(text)


@pytest.mark.parametrize("value", [None, float("nan"), 42])
def test_missing_names_are_refused(value):
    with pytest.raises(UnknownCountry, match="is not a country name; give a name"):
        find_country(value)


def test_states_of_the_usa_are_no_countries():
    for state in STATES.split():
        with pytest.raises(UnknownCountry):
            find_country(state)


def test_there_are_249_iso_countries_and_kosovo():
    every = all_countries()
    codes, names = {country.code for country in every}, {country.name for country in every}
    assert len(every) == len(codes) == len(names) == 250
    assert Country("XK", "Kosovo") in every


@pytest.mark.parametrize("country", all_countries(), ids=lambda country: country.code)
def test_a_country_is_found_by_its_code_its_name_and_each_alias(country):
    code, name = country.code, country.name
    for text in (code, code.lower(), name, name.upper(), *aliases(code)):
        assert find_country(text) == country


def test_shown_names_are_the_ones_people_know():
    shown = [find_country(code).name for code in ("BO", "KR", "RU", "TR", "CZ", "VN", "TW")]
    assert shown == ["Bolivia", "South Korea", "Russia", "Türkiye", "Czechia", "Vietnam", "Taiwan"]


def test_aliases_help_to_search_without_accents_and_hold_no_codes():
    assert {"Turkey", "Turkiye"} <= set(aliases("TR"))
    assert "Reunion" in aliases("RE") and "Côte d'Ivoire" in aliases("CI")
    assert "Ivory Coast" not in aliases("CI") and "CIV" not in aliases("CI")


def single_errors(name: str) -> set[str]:
    """Every way to leave out or double one letter, or to swap two neighbours."""
    places = range(len(name))
    left_out = {name[:at] + name[at + 1 :] for at in places}
    doubled = {name[:at] + name[at] + name[at:] for at in places}
    swapped = {name[:at] + name[at + 1] + name[at] + name[at + 2 :] for at in places[:-1]}
    return (left_out | doubled | swapped) - {name}


def test_no_single_typing_error_in_any_name_gives_another_country():
    wrong, right, tried = [], 0, 0
    for country in all_countries():
        for name in {country.name, *aliases(country.code)}:
            if len(name) < 5 or name.isupper():
                continue
            for text in single_errors(name):
                tried += 1
                try:
                    found = find_country(text)
                except UnknownCountry:
                    continue
                right += found == country
                wrong += [(text, found.name)] if found != country else []
    assert wrong == []
    assert right / tried > 0.85, "most single errors in names should be corrected"


def test_a_text_is_looked_up_once_even_if_it_is_no_name():
    countries._find.cache_clear()
    for _ in range(5):
        find_country("Türkiye")
        with pytest.raises(UnknownCountry):
            find_country("Atlantis")
    assert countries._find.cache_info().misses == 2


def test_names_in_other_languages_give_the_right_country_or_none():
    latin = "de fr es it pt nl sv da fi et lv lt pl cs sk sl hr hu ro tr ca ga cy id ms vi af sq"
    latin = latin.split()
    wrong, right = set(), 0
    for language in latin:
        path = Path(pycountry.__file__).parent / "locales" / language / "LC_MESSAGES" / "iso3166-1.mo"
        with path.open("rb") as file:
            names = gettext.GNUTranslations(file)
        for country in pycountry.countries:
            text = names.gettext(country.name)
            try:
                found = find_country(text).code
            except UnknownCountry:
                continue
            right += found == country.alpha_2
            if found != country.alpha_2:
                wrong.add((language, text, found))
    assert wrong == {("vi", "Ao", "AO")}  # a code, which is never taken for a word of another language
    assert right > 2000


@pytest.mark.parametrize(
    ("text", "code"),
    [("Saint Martin (NL)", "SX"), ("Islas Maldivas", "MV"), ("Guinea-B", None), ("Guinea E.", None)],
)
def test_short_forms_and_other_languages_are_not_taken_for_another_country(text, code):
    if code:
        assert find_country(text).code == code
    else:
        with pytest.raises(UnknownCountry, match="may be"):
            find_country(text)


def test_folded_names_of_different_countries_never_clash():
    assert len(countries._names()) > 600  # raises where two countries share a name


@pytest.mark.parametrize("counts", [singleplayer_counts, multiplayer_counts])
def test_every_country_of_the_published_counts_is_known(counts):
    codes = [find_country(name).code for name in counts()]
    assert len(codes) == len(set(codes)) > 80


def test_every_country_of_the_real_labels_is_known(real_data):
    for table in ("street-view-by-country/labels.csv", "webcams-with-coordinates/labels.csv"):
        with (real_data / table).open(encoding="utf-8") as lines:
            assert all(find_country(row["country"]).code for row in csv.DictReader(lines))


def test_every_country_of_the_published_records_has_its_recorded_code(real_data):
    folder = real_data / "published-sample"
    for path in folder.glob("data/*.json"):
        record = json.loads(path.read_text(encoding="utf-8"))
        assert find_country(record["country_name"]).code == record["country_code"]
    for index in ("country_to_index.json", "country_to_index_mapped.json"):
        names = json.loads((folder / index).read_text(encoding="utf-8"))
        assert len({find_country(name).code for name in names}) == len(names)


@pytest.mark.parametrize(
    ("table", "name", "value", "problem"),
    [
        ("OTHER_NAMES", "UK", ("Albion",), "names for UK, which are no countries' codes"),
        ("AMBIGUOUS_NAMES", "Albion", ("UK", "FR"), "names for UK, which are no countries' codes"),
        ("AMBIGUOUS_NAMES", "Holland", ("NL", "US"), "Holland in country_names.py: ambiguous, and yet"),
        ("OTHER_NAMES", "FR", ("Holland",), "'Holland' stands for both FR and NL"),
    ],
)
def test_a_mistake_in_the_tables_of_names_is_told_instead_of_ignored(
    monkeypatch, table, name, value, problem
):
    monkeypatch.setattr(countries, table, getattr(countries, table) | {name: value})
    with pytest.raises(ValueError, match=problem):
        countries._names.__wrapped__()
