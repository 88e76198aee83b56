"""The true location of a round."""

from __future__ import annotations

from lost_and_found.collection.game.screens import Visit
from lost_and_found.errors import AnswerMissing

TRIES = 3

# Catches the address of the next window that the page would open, instead of opening it: the maps service
# gets no request, and the game stays in front (behind another page it would draw only one frame a second).
CATCH = """() => {
  const open = window.open;
  const onclick = event => {
    const link = event.composedPath().find(element => element.tagName === "A" && element.target === "_blank");
    if (link) { event.preventDefault(); caught(link.href); }
  };
  let caught;
  const link = new Promise(resolve => caught = resolve);
  window.open = url => { caught(new URL(url ?? "", location).href); return null; };
  addEventListener("click", onclick, true);
  const stop = () => { window.open = open; removeEventListener("click", onclick, true); };
  return {link, stop};
}"""
CAUGHT = """async ({link, stop}, longestMs) => {
  const url = await Promise.race([link, new Promise(late => setTimeout(late, longestMs, ""))]);
  stop();
  return url;
}"""


async def coordinates(visit: Visit) -> list[float]:
    """[lat, lon] in degrees, from the link behind the answer's pin on the result screen.

    Raises:
        AnswerMissing: the pin opened no such link in `TRIES` tries.
    """
    for _ in range(TRIES):
        watch = await visit.page.evaluate_handle(CATCH)
        pin = await visit.first(visit.site.texts.answer_pin)
        if not await visit.press(pin):  # another pin lies over it
            await pin.found.evaluate("({element}) => element.click()")
        url = await watch.evaluate(CAUGHT, 1000 * visit.site.popup_s)
        found = visit.site.coordinates(url)
        if found:
            return found
    raise AnswerMissing(f"the answer's pin opened no link to a place in {TRIES} tries")
