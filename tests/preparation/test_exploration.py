import itertools
import json
import re

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from PIL import Image
from sample_photos import encoded, photo, sample_id

from lost_and_found import notebooks
from lost_and_found.errors import MissingInput
from lost_and_found.geo.regions import regions
from lost_and_found.preparation import exploration
from lost_and_found.preparation.cleaning import Thresholds, clean
from lost_and_found.preparation.maps import write_heat_map
from lost_and_found.preparation.measures import measure_images
from lost_and_found.samples import Sample
from tests.pairs import make_dataset


@pytest.fixture(scope="module")
def collection(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures")
    images = [photo(number, (160, 90)) for number in range(6)]
    images += [Image.new("RGB", (160, 90)), images[0].resize((8, 5)).resize((160, 90)), images[1]]
    samples = []
    for number, image in enumerate(images):
        (folder / f"{sample_id(number)}.jpg").write_bytes(encoded(image))
        samples.append(Sample(sample_id(number), str(folder), ".jpg"))
    (folder / f"{sample_id(9)}.jpg").write_bytes(b"no image")
    samples.append(Sample(sample_id(9), str(folder), ".jpg"))
    table = pd.DataFrame(
        {
            "id": [sample.id for sample in samples],
            "lat": [46.0, 46.1, 10, 10, -40, 60, 61, 62, np.nan, np.nan],
            "lon": [14.0, 14.1, 20, 21, 170, 180, -180, 10, np.nan, np.nan],
            "country_code": ["SI", "SI", "TD", "TD", "NZ", "RU", "RU", "NO", "NA", None],
            "region": ["Slovenia_Kranj_SVN-1"] * 8 + [None, None],
        }
    )
    return samples, table, measure_images(samples, workers=1)


def texts(figure):
    return [text.get_text() for text in figure.findobj(plt.Text) if text.get_text()]


def test_countries_are_shown_by_name_with_counts_and_the_rest_in_a_row_that_shortens_no_bar(collection):
    _, table, _ = collection
    figure = exploration.country_distribution({"all": table, "north": table[table["lat"] > 0]}, most=3)
    shown = texts(figure)
    assert "Slovenia" in shown
    assert "3 others" in shown
    assert " 3  (30.0 %)" in shown
    bars = [[bar.get_width() for bar in axes.patches] for axes in figure.axes]
    assert bars == [[2, 2, 2, 0], [2, 2, 2, 0]]
    assert all(axes.get_xlim()[1] < 3 for axes in figure.axes)
    bottom, top = figure.axes[0].get_ylim()
    assert top < 0 < 3 < bottom
    assert " 2  (20.0 %)" in shown
    assert "all: 10 samples, 6 countries" in shown


def test_titles_of_one_sample_and_of_one_other_country_speak_of_one():
    table = pd.DataFrame({"country_code": ["SI", "SI", "TD"]})
    shown = texts(exploration.country_distribution({"all": table, "val": table[:1]}, most=1))
    assert "val: 1 sample, 1 country" in shown
    assert "1 other" in shown
    measures = pd.DataFrame({"channel_variance": [900.0], "laplacian_variance": [900.0]})
    shown = texts(exploration.measure_density(measures, Thresholds()))
    assert "1 picture: 0 dark or empty, another 0 blurred" in shown


def test_the_titles_of_four_panels_with_as_many_pictures_as_the_study_had_stay_apart():
    codes = sorted(set(regions()["country_code"]))[:138]
    table = pd.DataFrame({"country_code": np.resize(codes, 332_786)})
    figure = exploration.country_distribution({name: table for name in ("all", "train", "val", "test")})
    figure.draw_without_rendering()
    titles = [text for text in figure.findobj(plt.Text) if "samples" in text.get_text()]
    boxes = [title.get_window_extent() for title in titles]
    assert len(boxes) == 4
    assert all(left.x1 < right.x0 for left, right in itertools.pairwise(boxes))


def test_a_grid_shows_pictures_with_labels_and_says_which_cant_be_read(collection):
    samples, table, _ = collection
    shown = texts(exploration.sample_grid(samples, table, seed=0))
    assert "Slovenia\nKranj" in shown
    assert "Namibia\n" in shown
    assert "not an image" in shown
    first, again, other = (texts(exploration.sample_grid(samples, table, seed=seed)) for seed in (0, 0, 5))
    assert first == again != other


def test_examples_stand_on_both_sides_of_each_threshold(collection):
    samples, _, measures = collection
    thresholds = Thresholds(channel_variance=300, laplacian_variance=30)
    shown = texts(exploration.examples_page(samples, measures, thresholds))
    assert "largest variance of a channel < 300: removed as dark or empty" in shown
    assert "variance of the Laplacian ≥ 30: kept" in shown
    nothing_goes = Thresholds(channel_variance=0, laplacian_variance=0)
    assert texts(exploration.examples_page(samples, measures, nothing_goes)).count("none") == 2


def test_a_picture_that_one_threshold_removes_is_no_example_for_the_other(collection):
    samples, _, _ = collection
    variances = [(100, 50), (200, 10), (400, 20), (500, 60), (600, 70)]  # dark, dark, blurred, kept, kept
    measures = pd.DataFrame(variances, columns=list(exploration.MEASURES))
    measures.insert(0, "id", [sample.id for sample in samples[:5]])
    figure = exploration.examples_page(samples, measures, Thresholds())
    rows = [[axes.get_title() for axes in row.axes if axes.get_title()] for row in figure.subfigs]
    assert rows == [["100", "200"], ["500", "600"], ["20"], ["60", "70"]]


def test_examples_are_those_nearest_to_each_threshold(collection, monkeypatch):
    samples, _, _ = collection
    monkeypatch.setattr(exploration, "PICTURES_IN_A_ROW", 1)
    variances = [(200, 70), (100, 70), (400, 20), (300, 60), (600, 30), (700, 10)]
    measures = pd.DataFrame(variances, columns=list(exploration.MEASURES))
    measures.insert(0, "id", [sample.id for sample in samples[:6]])
    figure = exploration.examples_page(samples, measures, Thresholds())
    assert [axes.get_title() for axes in figure.axes if axes.get_title()] == ["200", "300", "20", "30"]


def test_examples_of_a_measure_go_from_its_lowest_value_by_way_of_the_middle_one_to_the_highest(
    collection, monkeypatch
):
    samples, _, _ = collection
    monkeypatch.setattr(exploration, "picture_grid", lambda rows, *_: rows)
    values = [50.0, 10, np.nan, 30, 20, 40]
    measures = pd.DataFrame({name: values for name in exploration.MEASURES})
    measures.insert(0, "id", [sample.id for sample in samples[:6]])
    wanted = {0: 10, 1: 10, 5: 10, 25: 20, 50: 30, 75: 40, 100: 50}
    cells = [(samples[values.index(value)], f"{share} %: {value}") for share, value in wanted.items()]
    assert exploration.variance_examples(samples, measures) == [cells, cells]


def test_the_other_figures_can_be_drawn_and_saved(collection, tmp_path):
    samples, table, measures = collection
    thresholds = Thresholds(laplacian_variance=10)
    _, removed = clean(table, measures, thresholds)
    figures = [
        exploration.variance_examples(samples, measures),
        exploration.measure_density(measures, thresholds),
        exploration.duplicates_page(samples, removed),
        exploration.duplicates_page(samples, removed.iloc[:0]),
    ]
    for number, figure in enumerate(figures):
        figure.savefig(tmp_path / f"{number}.png")
    assert {"same picture\n0 bits apart", "kept"} < set(texts(figures[2]))


@pytest.mark.parametrize(("channel", "laplacian"), [(300, 30), (0, 30), (300, 0)])
def test_the_density_shows_the_thresholds_and_counts_what_they_remove(collection, channel, laplacian):
    _, table, _ = collection
    thresholds = Thresholds(channel, laplacian, duplicate_km=-1, hash_distance=-1)
    variances = [(299, 29), (299, 30), (300, 29), (300, 30), (800, 0), (900, 900), (np.nan, np.nan)]
    measures = pd.DataFrame(variances, columns=list(exploration.MEASURES), dtype=float)
    measures = measures.assign(id=table["id"], perceptual_hash="0" * 16, problem="")
    measures.loc[6, ["perceptual_hash", "problem"]] = "", "not an image"
    _, removed = clean(table[:7], measures, thresholds)
    counts = removed["reason"].value_counts()
    figure = exploration.measure_density(measures, thresholds)
    dark, blurred = (counts.get(name, 0) for name in ("dark or empty", "blurred"))
    assert f"6 pictures: {dark} dark or empty, another {blurred} blurred" in texts(figure)
    down, across = figure.axes[0].lines
    assert [down.get_xdata()[0], across.get_ydata()[0]] == pytest.approx(
        [channel or np.nan, laplacian or np.nan], nan_ok=True
    )


@pytest.mark.parametrize(("pictures", "wanted"), [(1, ["1", "2"]), (3, ["1", "2"]), (1200, ["1", "2", "5"])])
def test_the_scale_of_the_density_counts_whole_pictures(pictures, wanted):
    values = [900.0] * pictures + [5000.0]
    measures = pd.DataFrame({"channel_variance": values, "laplacian_variance": values})
    figure = exploration.measure_density(measures, Thresholds())
    figure.draw_without_rendering()
    scale = figure.axes[1]
    labels = [text.get_text() for text in scale.get_yticklabels(which="both") if text.get_text()]
    assert labels[:3] == wanted
    assert all(re.fullmatch(r"[125](00?|,?000)?", label) for label in labels)
    assert scale.get_ylim() == (1, max(pictures, 2))


def test_the_heat_map_is_one_file_without_addresses_and_holds_every_sample(collection, tmp_path):
    _, table, _ = collection
    path = tmp_path / "map.html"
    assert write_heat_map(path, table, title='Practice </script> & "co"') == 8
    page = path.read_text()
    assert not re.findall(r"https?:|src=|@import|url\(", page)
    assert page.count("</script>") == 2
    data = json.loads(re.search(r'type="application/json">(.*?)</script>', page, re.DOTALL)[1])
    assert data["title"] == 'Practice </script> & "co"'
    assert (data["samples"], data["without"], sum(data["cells"][3])) == (8, 2, 8)
    assert set(data["names"]) == {"Slovenia", "Chad", "New Zealand", "Russia", "Norway"}
    x, y = np.array(data["cells"][:2]) / data["cells_per_degree"]
    assert ((x >= 0) & (x <= 360) & (y >= 0) & (y <= 180)).all()
    assert 100 < len(data["land"]) < 2000
    assert len(page) < 500_000


def test_without_coordinates_there_is_no_map_and_none_is_left_from_before(tmp_path):
    path = tmp_path / "map.html"
    path.write_text("an earlier one")
    table = pd.DataFrame({"lat": [np.nan], "lon": [np.nan], "country_code": ["SI"]})
    assert write_heat_map(path, table, title="none") == 0
    assert not path.exists()


def test_a_look_at_a_dataset_makes_no_list_where_only_those_of_its_splits_are(tmp_path):
    workspace = make_dataset(tmp_path)  # as from an archive, which need not hold the list that was split
    notebook = notebooks.read_notebook(notebooks.REPOSITORY / "2-data-preparation/06-explore-dataset.ipynb")
    _, reads_lists, loads_samples, *_ = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    names = {"root": str(tmp_path), "dataset": workspace.dataset}
    exec(reads_lists, names)
    with pytest.raises(MissingInput, match=r"made\.txt is missing"):
        exec(loads_samples, names)
    assert not workspace.list_path().exists()


def test_what_the_heat_map_says_of_a_cell_stays_in_the_window(in_browser, tmp_path):
    path = tmp_path / "map.html"
    table = pd.DataFrame({"lat": [0.0], "lon": [165.0], "country_code": ["GS"]})
    write_heat_map(path, table, title="one picture")

    async def point(browser):
        page = await browser.new_page(viewport={"width": 360, "height": 640})
        await page.goto(path.as_uri())
        assert await page.locator("header span").inner_text() == "1 sample with coordinates"
        found = False
        for x in range(335, 358):  # the cell is some pixels wide
            for y in range(300, 340, 4):
                await page.mouse.move(x, y)
                found = found or await page.locator("#hint").is_visible()
                if found:
                    break
            if found:
                break
        box = await page.locator("#hint").bounding_box()
        said = await page.locator("#hint").inner_text()
        fits = await page.locator("#hint").evaluate("one => one.scrollWidth <= one.clientWidth")
        await page.close()
        return box, said, fits

    box, said, fits = in_browser(point)
    assert fits
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= 360
    assert "South Georgia and the South Sandwich Islands  1" in said
