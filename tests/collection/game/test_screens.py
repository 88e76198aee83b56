"""Seeing which screen is shown, on pages made for the tests."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from lost_and_found.collection.game import multiplayer
from lost_and_found.collection.game.capture import Camera
from lost_and_found.collection.game.screens import retry_after_s
from lost_and_found.collection.game.sites import Label, Phrase
from lost_and_found.errors import LoggedOut, SiteChanged, SiteError


@pytest.fixture
def on_page(player, tmp_path):
    """Runs something on a page with this HTML."""

    def run(html, act, patience_s=20):
        async def opened(visit):
            await visit.goto(visit.site.url)
            return await act(visit)

        return player.on_page(html, opened, tmp_path, patience_s=patience_s)

    return run


def first(*signs, **options):
    async def act(visit):
        return (await visit.first(*signs, **options)).sign

    return act


NEXT, GUESS = Label("Next"), Label("Guess")


@pytest.mark.parametrize(
    "html",
    [
        "<button>Next</button>",
        "<button style='text-transform: uppercase'> next </button>",
        "<a href='/'><b style='display: block'>Next</b><small>to the second round</small></a>",
        "<div role=button>Next</div>",
        "<button title=Next><svg></svg></button>",
        "<button aria-label=Next></button>",
    ],
)
def test_a_button_is_found_by_a_line_of_its_text_or_by_its_title(on_page, html):
    assert on_page(html, first(NEXT)) == NEXT


@pytest.mark.parametrize(
    "html",
    [
        "<p>Next</p>",
        "<button>Next game</button>",
        "<button disabled>Next</button>",
        "<button aria-disabled=true>Next</button>",
        "<button style='visibility: hidden'>Next</button>",
        "<div style='display: none'><button>Next</button></div>",
    ],
)
def test_a_button_that_can_not_be_pressed_does_not_count(on_page, html):
    with pytest.raises(SiteChanged, match="'Next'"):
        on_page(html, first(NEXT), 0.2)


def test_a_phrase_is_part_of_the_visible_text(on_page):
    assert on_page("<p>You <b>are</b> out</p>", first(Phrase("you are out"))) == Phrase("you are out")
    with pytest.raises(SiteChanged, match="you are out"):
        on_page("<p hidden>You are out</p>", first(Phrase("you are out")), 0.2)


def test_of_several_screens_the_first_named_counts(on_page):
    assert on_page("<button>Guess</button><button>Next</button>", first(NEXT, GUESS)) == NEXT


def test_a_screen_is_not_taken_for_the_next_one_while_the_one_before_is_shown(on_page):
    html = """<p>old</p><button>Next</button>
      <script>setTimeout(() => document.querySelector("p").remove(), 200)</script>"""

    async def act(visit):
        await visit.first(NEXT, unless=[Phrase("old")])
        return await visit.now(Phrase("old"))

    assert on_page(html, act) is None


@pytest.mark.parametrize(
    ("html", "error"),
    [
        ("<h1>Something went wrong</h1><button>Next</button>", SiteError),
        ("<a href='/signin'>Log in</a><button>Next</button>", LoggedOut),
    ],
)
def test_an_interruption_comes_before_the_screen_behind_it(on_page, html, error):
    with pytest.raises(error):
        on_page(html, first(NEXT))


def test_a_cookie_banner_that_comes_late_is_accepted_before_the_click(on_page):
    html = """<button onclick="document.title += ' next'">Next</button><script>
        setTimeout(() => {
          const banner = document.createElement("div");
          banner.innerHTML = "<button>Accept all</button>";
          banner.onclick = () => { document.title += "cookies, then"; banner.remove(); };
          banner.style = "position: fixed; inset: 0; background: white";
          document.body.append(banner);
        }, 0);
      </script>"""

    async def act(visit):
        await visit.page.wait_for_function("document.querySelectorAll('button').length === 2")
        await visit.click(NEXT)
        return await visit.page.title()

    assert on_page(html, act) == "cookies, then next"


def test_a_button_that_stays_covered_is_a_changed_site(on_page):
    html = "<button>Next</button><div style='position: fixed; inset: 0; background: white'></div>"
    with pytest.raises(SiteChanged, match="'Next'"):
        on_page(html, lambda visit: visit.click(NEXT), 0.3)


@pytest.mark.parametrize(
    "hindrance",
    ["position: fixed; inset: 0; background: white", "height: 0; animation: grow 400ms"],
    ids=["covered", "moving"],
)
def test_a_button_to_spectate_that_is_covered_or_moves_is_pressed_once_it_can_be(
    on_page, monkeypatch, hindrance
):
    monkeypatch.setattr(multiplayer, "PATIENCE_S", 60)
    html = f"""<style>@keyframes grow {{ from {{ height: 400px }} }}</style><div style="{hindrance}"></div>
      <button onclick="this.textContent = 'Play again'">Spectate</button>
      <script>setTimeout(() => document.querySelector("div").remove(), 500)</script>"""

    async def act(visit):
        camera = Camera(visit)
        return [one async for one in multiplayer.rounds(visit, camera, "game")]

    assert on_page(html, act) == []


def test_a_window_that_the_page_opens_is_closed_again(on_page):
    async def act(visit):
        async with visit.page.context.expect_page() as opened:
            await visit.click(NEXT)
        page = await opened.value
        if not page.is_closed():
            await page.wait_for_event("close")
        return visit.page.context.pages == [visit.page]

    assert on_page("<button onclick=\"window.open('about:blank')\">Next</button>", act)


def test_retry_after_may_be_seconds_or_a_date():
    assert retry_after_s("120") == 120
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=900), usegmt=True)
    assert 800 < retry_after_s(soon) <= 900
    assert retry_after_s("Wed, 21 Oct 2015 07:28:00 GMT") == 0
    assert retry_after_s("soon") is None
    assert retry_after_s(None) is None
