"""The picture of the viewer, on pages made for it."""

import io

import pytest
from PIL import Image
from playwright.async_api import expect

from lost_and_found.collection.game.capture import Camera
from lost_and_found.errors import BlankPicture, LoggedOut, SiteChanged

VIEWER = "mapsConsumerUiSceneCoreScene__canvas"
OVER_IT = """
  <style>
    body { margin: 0; }
    canvas { position: fixed; inset: 0; width: 100%; height: 100%; }
    p { position: fixed; inset: 100px; background: red; transition: all 3s; z-index: 9; }
    p::after { content: "after"; visibility: visible; }
    canvas:hover { filter: invert(1); }
  </style>
  <p>Score <b style="visibility: visible">5,000</b></p>"""
CANVAS = f"<canvas class={VIEWER} width=1280 height=720></canvas>"
# Left half in one colour, right half in another, once the part that it requests has arrived.
PAINT = """<script>
  const canvas = document.querySelector("canvas"), context = canvas.getContext("2d");
  fetch("/scenes/1").then(() => {
    context.fillStyle = "rgb(10, 120, 200)"; context.fillRect(0, 0, 640, 720);
    context.fillStyle = "rgb(250, 240, 30)"; context.fillRect(640, 0, 640, 720);
  });
</script>"""
WEBGL = """<script>
  const gl = document.querySelector("canvas").getContext("webgl");
  fetch("/scenes/1").then(() => requestAnimationFrame(() => {
    gl.enable(gl.SCISSOR_TEST);
    for (const [x, ...rgb] of [[0, 10, 120, 200], [640, 250, 240, 30]]) {
      gl.scissor(x, 0, 640, 720);
      gl.clearColor(...rgb.map(level => level / 255), 1);
      gl.clear(gl.COLOR_BUFFER_BIT);
    }
  }));
</script>"""


@pytest.fixture
def on_page(player, tmp_path):
    """Runs something with a camera on a page with this HTML."""

    def run(html, act, **changes):
        async def with_camera(visit):
            camera = Camera(visit)
            await visit.goto(visit.site.url)
            return await act(visit, camera)

        return player.on_page(html, with_camera, tmp_path, **{"patience_s": 60, "blank_s": 20} | changes)

    return run


async def shoot(visit, camera):
    return Image.open(io.BytesIO(await camera.street_view())).convert("RGB")


@pytest.mark.parametrize("paint", [PAINT, WEBGL], ids=["2d", "webgl"])
def test_the_picture_is_the_canvas_alone_with_its_own_colours(on_page, paint):
    picture = on_page(OVER_IT + CANVAS + paint, shoot)
    assert picture.size == (1280, 720)
    assert picture.crop((0, 0, 640, 720)).getcolors() == [(640 * 720, (10, 120, 200))]
    assert picture.crop((640, 0, 1280, 720)).getcolors() == [(640 * 720, (250, 240, 30))]


def test_what_covered_the_canvas_is_visible_again_afterwards(on_page):
    async def act(visit, camera):
        before = await visit.page.screenshot(animations="disabled")
        await shoot(visit, camera)
        # It may fade in by a transition of its own, so nothing of it is visible at the very beginning.
        await expect(visit.page.locator("p")).to_be_visible()
        assert await visit.page.evaluate("document.adoptedStyleSheets.length") == 0
        return before == await visit.page.screenshot(animations="disabled")

    async def drawn_first(visit, camera):
        await visit.page.mouse.move(0, 0)
        await visit.page.wait_for_function("context.getImageData(0, 0, 1, 1).data[2] === 200")
        return await act(visit, camera)

    assert on_page(OVER_IT.replace("canvas:hover", "i:hover") + CANVAS + PAINT, drawn_first)


def test_only_the_canvas_is_taken_of_a_larger_page(on_page):
    small = OVER_IT.replace(
        "inset: 0; width: 100%; height: 100%", "left: 64px; top: 36px; width: 640px; height: 360px"
    )
    picture = on_page(small + CANVAS + PAINT, shoot)
    assert picture.size == (640, 360)
    assert picture.getpixel((0, 0)) == (10, 120, 200)
    assert picture.getpixel((639, 359)) == (250, 240, 30)


def test_a_canvas_of_one_colour_is_blank(on_page):
    with pytest.raises(BlankPicture, match="stayed blank"):
        on_page(OVER_IT + CANVAS + PAINT.replace("250, 240, 30", "12, 118, 204"), shoot, blank_s=2)


def test_a_blurred_preview_is_not_taken_while_the_parts_that_came_are_decoded(on_page):
    sharpen = """() => fetch("/scenes/2").then(() => setTimeout(() => {
      context.fillStyle = "black";
      context.fillRect(300, 300, 100, 100);
    }, 600))"""

    async def act(visit, camera):
        async with visit.page.expect_event("requestfinished"):
            await visit.page.evaluate(sharpen)
        return (await shoot(visit, camera)).getpixel((350, 350))

    assert on_page(OVER_IT + CANVAS + PAINT, act, rest_s=5) == (0, 0, 0)


def test_a_blurred_preview_is_not_taken_while_the_last_part_is_decoded_at_length(on_page):
    file = io.BytesIO()
    Image.new("L", (6000, 6000)).save(file, "JPEG", progressive=True)
    draw = """() => {
      const image = new Image();
      image.src = "/scenes/2";
      image.decode().then(() => context.drawImage(image, 300, 300, 100, 100));
      return new Promise(loaded => image.onload = () => loaded());
    }"""

    async def act(visit, camera):
        await visit.page.wait_for_function("context.getImageData(0, 0, 1, 1).data[2] === 200")
        await visit.page.route("**/scenes/2", lambda route: route.fulfill(body=file.getvalue()))
        async with visit.page.expect_event("requestfinished"):
            await visit.page.evaluate(draw)
        return (await shoot(visit, camera)).getpixel((350, 350))

    assert on_page(OVER_IT + CANVAS + PAINT, act) == (0, 0, 0)


def test_a_canvas_that_never_rests_is_given_up(on_page):
    restless = """<script>
      const move = now => {
        context.fillStyle = `hsl(${now}, 80%, 50%)`;
        context.fillRect(9, 9, 900, 600);
        requestAnimationFrame(move);
      };
      requestAnimationFrame(move);
    </script>"""
    with pytest.raises(BlankPicture, match="kept moving"):
        on_page(OVER_IT + CANVAS + PAINT + restless, shoot, blank_s=2)


def test_a_page_without_viewer_is_a_changed_site_and_its_screenshot_shows_the_page(on_page):
    with pytest.raises(SiteChanged, match=VIEWER) as caught:
        on_page(OVER_IT, shoot)
    with Image.open(caught.value.screenshot) as screenshot:
        assert (255, 0, 0) in {colour for _, colour in screenshot.convert("RGB").getcolors(1 << 20)}


def test_a_viewer_that_gave_way_to_a_log_in_is_an_interruption(on_page):
    with pytest.raises(LoggedOut):
        on_page("<button>Log in</button>", shoot)


def test_a_viewer_that_is_gone_since_the_game_is_over_leaves_no_picture(on_page):
    with pytest.raises(BlankPicture, match="the game was over"):
        on_page("<h1>Atlas won</h1><button>Play again</button>", shoot)


def test_a_part_that_failed_is_waited_for_until_it_comes(on_page):
    async def act(visit, camera):
        failures = [True]

        async def fail_once(route):
            await (route.abort("connectionreset") if failures and failures.pop() else route.fulfill(body=""))

        await visit.page.route("**/scenes/2", fail_once)
        again = "setTimeout(() => fetch('/scenes/2').then(() => canvas.title = 'came'), 300)"
        async with visit.page.expect_event("requestfailed"):
            await visit.page.evaluate(f"() => void fetch('/scenes/2').catch(() => {again})")
        await camera.street_view()
        return await visit.page.evaluate("canvas.title")

    assert on_page(OVER_IT + CANVAS + PAINT, act) == "came"
