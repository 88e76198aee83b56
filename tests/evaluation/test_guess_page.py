"""The page to drop photos on, in a real browser."""

import asyncio
import io
import os
import signal
import subprocess
import sys
import tempfile
import threading
from contextlib import asynccontextmanager, contextmanager

import httpx
import numpy as np
import pytest
from PIL import Image

from lost_and_found.errors import InvalidConfig
from lost_and_found.evaluation import guess_page
from lost_and_found.evaluation.__main__ import main
from lost_and_found.evaluation.guess_figures import photo_evidence
from lost_and_found.evaluation.guess_page import build_page, launch
from lost_and_found.evaluation.photos import guess_photos, point_text
from lost_and_found.geo.countries import find_country


@contextmanager
def served(run, **options):
    """The address of a running page, started in an event loop, as Gradio would otherwise make its own."""

    async def start():
        page = build_page(run)
        return page, launch(page, **options)

    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setenv(
            "GRADIO_TEMP_DIR", folder
        )  # a page that closes deletes its photos, and other pages' with them
        page, address = asyncio.run(start())
        try:
            yield address
        finally:
            page.close(verbose=False)


@asynccontextmanager
async def dropped(browser, address, photo):
    """The page after a photo was dropped on it."""
    page = await browser.new_page()
    await page.goto(address)
    await page.set_input_files("input[type=file]", photo)
    yield page
    await page.close()


@pytest.fixture
def photo(tmp_path):
    path = tmp_path / "turned.jpg"
    exif = Image.Exif()
    exif[0x0112] = 6  # on its side
    Image.fromarray(np.random.default_rng(3).integers(0, 256, (60, 40, 3), np.uint8)).save(path, exif=exif)
    return path


@pytest.mark.parametrize("target", ["country", "region", "coordinates"])
def test_a_dropped_photo_gets_the_guess_that_the_shell_gives(run_of, in_browser, photo, target):
    run = run_of(target)
    row = next(guess_photos(run, [photo])).table.iloc[0]

    async def drop(browser):
        async with dropped(browser, address, photo) as page:
            await page.wait_for_selector("img[alt^='The world']")
            return await page.inner_text("body")

    with served(run) as address:
        text = in_browser(drop)
    if target != "coordinates":
        assert find_country(row["guess_1"]).name in text
        assert f"{100 * row['probability_1']:.0f}%" in text
    if target != "country":
        assert f"Guessed point: {point_text(row)}" in text


@pytest.mark.parametrize("target", ["country", "coordinates"])
def test_the_page_shows_what_speaks_for_the_guess(run_of, in_browser, photo, target):
    run = run_of(target)
    picture, title = photo_evidence(run, photo)

    async def drop(browser):
        async with dropped(browser, address, photo) as page:
            shown = page.get_by_role("img", name="What the model sees")
            await shown.wait_for()
            await page.get_by_text(title).wait_for()
            answer = await page.request.get(await shown.get_attribute("src"))
            return await answer.body()

    with served(run) as address:
        body = in_browser(drop)
    sent = Image.open(io.BytesIO(body)).convert("RGB").resize(picture.shape[1::-1], Image.Resampling.BOX)
    assert np.abs(np.asarray(sent).astype(int) - picture).mean() < 8


def test_a_removed_photo_takes_its_guess_along_even_while_its_evidence_is_computed(
    run_of, in_browser, photo, monkeypatch
):
    may_end = threading.Event()

    def slow(run, path):
        assert may_end.wait(60)
        return photo_evidence(run, path)

    async def drop(browser):
        async with dropped(browser, address, photo) as page:
            world = page.get_by_role("img", name="The world")
            await world.wait_for()
            await page.get_by_label("Remove").click()
            await world.wait_for(state="hidden")
            may_end.set()
            await page.wait_for_timeout(1000)
            return await page.get_by_role("img", name="What the model sees").count()

    monkeypatch.setattr(guess_page, "photo_evidence", slow)
    try:
        with served(run_of("country")) as address:
            assert in_browser(drop) == 0
    finally:
        may_end.set()


def test_the_browser_keeps_no_photo_and_no_guess(run_of, in_browser, photo):
    async def drop(browser):
        async with dropped(browser, address, photo) as page:
            await page.get_by_text(": up to ").wait_for()  # the last part of the answer
            stores = await page.evaluate("indexedDB.databases()")
            return stores, await page.evaluate("Object.keys(localStorage)")

    with served(run_of("country")) as address:
        assert in_browser(drop) == ([], [])


def test_how_much_speaks_for_a_guess_is_not_said_of_the_next_photo(run_of, in_browser, photo):
    async def drop(browser):
        async with dropped(browser, address, photo) as page:
            title = page.get_by_text(": up to ")
            await title.wait_for()
            await page.get_by_label("Remove").click()
            await title.wait_for(state="hidden", timeout=5000)

    with served(run_of("country")) as address:
        in_browser(drop)


def test_the_photo_has_a_name_for_screen_readers_and_nothing_lies_over_the_map(run_of, in_browser, photo):
    async def drop(browser):
        async with dropped(browser, address, photo) as page:
            await page.get_by_role("img", name="Your photo").wait_for()
            world = page.get_by_role("img", name="The world")
            await world.wait_for()
            return [await one.bounding_box() for one in (page.get_by_text("Probability map"), world)]

    with served(run_of("country")) as address:
        heading, world = in_browser(drop)
    assert heading["y"] + heading["height"] <= world["y"]


def test_the_page_is_read_out_in_its_own_language(run_of, in_browser):
    async def look(browser):
        page = await browser.new_page(locale="de-DE")
        await page.goto(address)
        # Gradio's own choice comes first, with the page's first heading.
        await page.get_by_role("heading", name="Where was this photo taken?").wait_for()
        await page.wait_for_function("document.documentElement.lang === 'en'")
        await page.close()

    with served(run_of("country")) as address:
        in_browser(look)


def test_the_page_says_which_part_of_a_photo_the_model_sees(run_of):
    run = run_of("country")
    (width, height), size = run.copy_size, f"{run.config.width}x{run.config.height}"
    with served(run) as address:
        page = httpx.get(f"{address}config", timeout=60).text
    assert (
        f"the middle of the photo, cropped to the shape of {width}x{height} and shrunk to {size} pixels"
        in page
    )


def test_a_file_that_is_no_photo_is_reported_and_the_next_one_is_guessed(run_of, in_browser, photo, tmp_path):
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"no picture")

    async def drop(browser):
        async with dropped(browser, address, broken) as page:
            await page.get_by_text("This photo can't be read: not an image.").wait_for()
            await page.get_by_label("Remove").click()
            await page.get_by_text("can't be read").wait_for(state="hidden")
            await page.set_input_files("input[type=file]", photo)
            await page.get_by_role("img", name="What the model sees").wait_for()
            assert await page.get_by_text("Error").count() == 0

    with served(run_of("country")) as address:
        in_browser(drop)


@pytest.mark.parametrize("function", [0, 1], ids=["guess", "explain"])
@pytest.mark.parametrize("told", [{}, {"meta": {"_type": "gradio.FileData"}}], ids=["path", "file"])
def test_no_file_is_opened_that_was_not_dropped(run_of, photo, told, function):
    asked = {"data": [{"path": str(photo), **told}], "fn_index": function, "session_hash": "made"}
    with served(run_of("country")) as address, httpx.Client(base_url=address, timeout=60) as client:
        assert client.post("gradio_api/queue/join", json=asked).status_code == 200
        answer = client.get("gradio_api/queue/data", params={"session_hash": "made"}).text
    assert '"success":false' in answer
    assert "confidences" not in answer and "image.webp" not in answer


def test_a_port_that_is_taken_is_named(run_of):
    with served(run_of("country")) as address:
        port = int(address.rstrip("/").rsplit(":", 1)[1])
        with (
            pytest.raises(InvalidConfig, match=rf"127\.0\.0\.1:{port} can't be listened on"),
            served(run_of("country"), port=port),
        ):
            pass


def test_the_command_serves_until_it_is_stopped_and_keeps_no_photo(three_runs, in_browser, photo, tmp_path):
    command = [sys.executable, "-m", "lost_and_found.evaluation", "--page", "--device", "cpu"]
    command += ["--root", str(three_runs.root), "--dataset", "made"]
    kept = tmp_path / "kept"
    kept.mkdir()
    environment = {**os.environ, "TMPDIR": str(kept)}

    async def drop(browser):
        async with dropped(browser, address, photo) as page:
            await page.wait_for_selector("img[alt^='The world']")

    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as running:
        address = running.stdout.readline().split()[0]
        assert address.startswith("http://127.0.0.1:")
        in_browser(drop)
        assert list(kept.rglob("turned.jpg")) != []
        running.send_signal(signal.SIGTERM)  # heard as Ctrl-C is, see `asked_to_stop`
        assert running.wait(timeout=60) == 0
    assert list(kept.rglob("turned.jpg")) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "name photos, or use --page"),
        (["--page", "a.jpg"], "name photos, or use --page"),
        (["--page", "--csv", "a.csv"], "--page writes no files"),
    ],
)
def test_either_photos_or_the_page_must_be_requested(arguments, message, capsys):
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert message in capsys.readouterr().err
