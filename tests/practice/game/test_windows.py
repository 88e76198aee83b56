"""The page in windows of all sizes: nothing that can be pressed is covered or out of reach."""

from dataclasses import replace

import pytest
from visitors import PACE, player, start_game

from lost_and_found.practice.game.server import GameConfig, serving

# Small phones, with the browser's bars and without, upright and sideways; a phone, a tablet, a screen.
WINDOWS = [(320, 454), (320, 568), (568, 320), (844, 390), (820, 1180), (1280, 720)]
# Answers and guesses: south to north, over the pole, over the date line, edge to edge, and a near one.
ROUNDS = [
    ((-52, -70), (64, -20)),
    ((55, 80), (50, -75)),
    ((-17, 178), (60, -150)),
    ((78, 15), (-54, -36)),
    ((1, 103), (3, 104)),
]
# Whatever is covered or partly outside the window, and numbers that wrap onto a second line.
OUT_OF_REACH = """async () => {
  const found = [];
  for (let frame = 0; frame < 3; frame++) await new Promise(requestAnimationFrame); // maps follow the window
  for (const one of document.querySelectorAll("button, a")) {
    if (getComputedStyle(one).visibility === "hidden" || !one.offsetParent) continue;
    const inside = () => {
      const { left, top, right, bottom } = one.getBoundingClientRect();
      return left >= 0 && top >= 0 && right <= innerWidth && bottom <= innerHeight;
    };
    if (!inside()) scrollBy(0, one.getBoundingClientRect().top - innerHeight / 2);
    const { left, top, width, height } = one.getBoundingClientRect();
    const free = [[0.5, 0.5], [0.2, 0.3], [0.8, 0.7]].every(([x, y]) =>
      one.contains(document.elementFromPoint(left + x * width, top + y * height)));
    if (!free || !inside()) found.push(one.ariaLabel || one.textContent);
  }
  // Pins of guesses, which clicks go through.
  for (const one of document.querySelectorAll("div[aria-hidden]:has(> svg)")) {
    one.scrollIntoView({ block: "nearest" });
    const { left, top, width, height } = one.getBoundingClientRect();
    const over = document.elementFromPoint(left + width / 2, top + height / 2);
    if (!over?.closest("canvas, [title=Location]")) found.push("pin of a guess");
  }
  for (const one of document.querySelectorAll(":is(td, strong):not(:has(*))")) {
    const range = document.createRange();
    range.selectNodeContents(one);
    const isNumber = /^[\\d,.]+( km)?$/.test(one.textContent);
    if (isNumber && range.getClientRects().length > 1) found.push(one.textContent);
  }
  scrollTo(0, 0);
  return found;
}"""


@pytest.fixture(scope="module")
def game():
    with serving(GameConfig(pace=PACE)) as running:
        yield running


async def reachable_in_all_windows(page):
    for width, height in WINDOWS:
        await page.set_viewport_size({"width": width, "height": height})
        assert await page.evaluate(OUT_OF_REACH) == [], (width, height)


def test_whatever_can_be_pressed_can_be_reached_in_every_window(in_browser, game):
    async def play(browser):
        async with player(browser, game, reduced_motion="reduce", has_touch=True) as page:
            await start_game(page)
            game_id = page.url[-16:]
            await page.get_by_role("img", name="Map of the world").tap()  # the map grows, and stays large
            await reachable_in_all_windows(page)
            rounds = game.state.singleplayer.get(game_id).rounds
            for number, (answer, guess) in enumerate(ROUNDS):
                place = replace(rounds[number].place, lat=answer[0], lon=answer[1])
                rounds[number] = replace(rounds[number], place=place)
                guessed = {"lat": guess[0], "lon": guess[1]}
                await page.request.post(f"/api/games/{game_id}/guess", data=guessed)
                await page.reload()
                await page.get_by_text("of 5,000 points").wait_for()
                await reachable_in_all_windows(page)
                await page.request.post(f"/api/games/{game_id}/next")
            await page.reload()
            await page.get_by_text("Breakdown").wait_for()
            await reachable_in_all_windows(page)

    in_browser(play)
