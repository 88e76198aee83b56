"""A quiz that runs, and what a player does at its page."""

import asyncio
import random
import socket
from contextlib import asynccontextmanager, contextmanager

from lost_and_found.human_baseline.app import build_app, launch

DESKTOP = {"width": 1100, "height": 900}
PHONE = {"width": 320, "height": 640}
FIELD = "#country-input"


def start(quiz, **options):
    """A running app and its address, started in an event loop, as Gradio would otherwise make its own."""

    def starting():
        demo = build_app(quiz)
        return demo, launch(demo, **options)

    async def in_a_loop():
        return starting()

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(in_a_loop())
    return starting()


def free_port():
    """A port that stays free between two servers: not one of those that the system gives to connections."""
    while True:
        port = random.randrange(20_000, 32_000)
        with socket.socket() as listener:
            if listener.connect_ex(("127.0.0.1", port)):
                return port


@contextmanager
def served(quiz, **options):
    """The address of a running quiz."""
    demo, address = start(quiz, **options)
    try:
        yield address
    finally:
        demo.close(verbose=False)


@asynccontextmanager
async def visitor(browser, address, **options):
    """A new visitor's page, on which no error may occur."""
    context = await browser.new_context(**{"viewport": DESKTOP} | options)
    page = await context.new_page()
    troubles = []
    page.on("pageerror", lambda error: troubles.append(str(error)))
    page.on("dialog", lambda dialog: troubles.append(f"dialog {dialog.message}"))
    await page.goto(address)
    yield page
    assert troubles == []
    await context.close()


async def press(page, *keys):
    for key in keys:
        await page.keyboard.press(key)


async def join(page, name):
    """Enter a name by keyboard alone; the field has the focus already."""
    await page.wait_for_function("document.activeElement.closest('#player-name')")
    await page.keyboard.type(name)
    await press(page, "Tab", "Space")  # an amateur
    await page.wait_for_function("document.activeElement.checked")
    while await page.evaluate("document.activeElement.innerText") != "Start":
        await press(page, "Tab")
    await press(page, "Enter")
    await page.wait_for_function("document.activeElement.id === 'country-input'")


async def answer(page, *texts):
    """Type each text, take the first proposal, send, by keyboard alone."""
    await page.wait_for_function("document.activeElement.id === 'country-input'")
    for text in texts:
        await page.keyboard.type(text)
        await page.wait_for_selector("[role=option]")
        await press(page, "Enter")
    await press(page, "Enter")
    await page.wait_for_function("document.activeElement.id === 'next'")
