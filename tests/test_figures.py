"""Figures as files."""

import matplotlib.pyplot as plt
import pytest
from PIL import Image

from lost_and_found.errors import StorageFull
from lost_and_found.figures import save_figure
from lost_and_found.workspace import REPOSITORY
from tests.disks import room_for


def test_a_figure_is_whole_or_not_there(tmp_path):
    figure = plt.figure(figsize=(3, 2))
    figure.add_subplot().plot([1, 2])
    with room_for(1000), pytest.raises(StorageFull, match=r"figure\.png: no room"):
        save_figure(figure, tmp_path / "figure.png")
    assert list(tmp_path.iterdir()) == []
    save_figure(figure, tmp_path / "figure.png")
    save_figure(figure, tmp_path / "figure.svg", bbox_inches="tight")
    with Image.open(tmp_path / "figure.png") as image:
        assert image.size == (360, 240)
    assert (tmp_path / "figure.svg").read_text().rstrip().endswith("</svg>")


@pytest.mark.parametrize("ending", ["png", "svg"])
def test_a_figure_that_is_written_again_has_the_same_bytes(tmp_path, ending):
    written = []
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        path = tmp_path / folder / f"figure.{ending}"
        figure = plt.figure(figsize=(3, 2))
        figure.add_subplot().imshow([[1, 2]])  # clipped, and a clip has an id
        save_figure(figure, path)
        written.append(path.read_bytes())
    assert written[0] == written[1]


def test_notebooks_write_figures_in_no_other_way():
    notebooks = sorted(REPOSITORY.glob("[1-9]-*/*.ipynb"))
    assert notebooks
    assert not [path.name for path in notebooks if ".savefig(" in path.read_text(encoding="utf-8")]
