"""Set a pin somewhere on the guess map."""

from __future__ import annotations

from random import Random

from lost_and_found.collection.game.capture import NEXT_FRAME
from lost_and_found.collection.game.screens import Visit

MOST_CLICKS = 40

# Maps grow when hovered; after this many frames of the same size they have finished growing.
STILL_FRAMES = 12

# The box of the map with that attribution or that button, once it has kept its size for some frames. The map
# is their smallest ancestor that is tall enough to be one.
MAP_BOX = r"""async ([attribution, shortcuts, still]) => {
  const [said, title] = [new RegExp(attribution, "i"), new RegExp(shortcuts, "i")];
  const marks = element => title.test(element.title) || title.test(element.ariaLabel ?? "")
    || [...element.childNodes].some(node => node.nodeType === Node.TEXT_NODE && said.test(node.data));
  const mark = [...document.querySelectorAll("body *")].find(
    element => marks(element) && element.checkVisibility({visibilityProperty: true}));
  let map = mark;
  while (map && map.getBoundingClientRect().height < 80) map = map.parentElement;
  if (!map) return null;
  let [box, frames] = [map.getBoundingClientRect(), 0];
  while (frames < still) {
    await new Promise(requestAnimationFrame);
    const now = map.getBoundingClientRect();
    frames = ["x", "y", "width", "height"].every(side => now[side] === box[side]) ? frames + 1 : 0;
    box = now;
  }
  return box.toJSON();
}"""


async def set_pin(visit: Visit, random: Random) -> None:
    """Click somewhere on the guess map until the guess button is enabled, or `MOST_CLICKS` times.

    In singleplayer any point will do; in multiplayer it has to be in a country.

    Raises:
        SiteChanged: there is no guess map.
    """
    mouse = visit.page.mouse
    box = await _map_box(visit, still=0)
    await mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    box = await _map_box(visit, still=STILL_FRAMES)
    for _ in range(MOST_CLICKS):
        # Away from the edges, where maps have links and buttons.
        x, y = random.uniform(0.1, 0.9), random.uniform(0.2, 0.8)
        await mouse.click(box["x"] + x * box["width"], box["y"] + y * box["height"])
        await visit.page.evaluate(NEXT_FRAME)
        if await visit.now(visit.site.texts.guess):
            return


async def _map_box(visit: Visit, *, still: int) -> dict[str, float]:
    texts = visit.site.texts
    marks = [texts.map_attribution.pattern, texts.map_shortcuts.pattern, still]
    box: dict[str, float] | None = await visit.page.evaluate(MAP_BOX, marks)
    if not box:
        await visit.check()
        raise await visit.changed(texts.map_attribution, texts.map_shortcuts)
    return box
