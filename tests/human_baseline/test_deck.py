"""The pictures of the quiz."""

import io
import json

import numpy as np
import pytest
from made_quiz import COUNTRIES, SIZE, make_workspace
from PIL import Image

from lost_and_found.data_lists import new_list, pin
from lost_and_found.data_loader import load_samples
from lost_and_found.errors import BrokenSample, ListMismatch, MissingInput
from lost_and_found.human_baseline.deck import encode_picture, load_deck
from lost_and_found.samples import read_image
from lost_and_found.training.decoding import decode
from lost_and_found.workspace import ENRICH


def test_a_deck_holds_the_pictures_of_its_list_with_their_countries(tmp_path):
    deck = load_deck(make_workspace(tmp_path), "made.test")
    assert len(deck) == 12
    assert [item.country_code for item in deck.items.values()] == [*COUNTRIES] * 3
    first, *_, last = deck.items.values()
    assert (first.coordinates, last.coordinates) == ((47.0, 2.0), None)
    assert len({item.scene for item in deck.items.values()}) == 12


def test_pictures_of_one_game_group_or_place_are_one_scene(tmp_path):
    workspace = make_workspace(tmp_path)
    records = sorted(workspace.input(ENRICH).glob("*.json"))

    def change(path, **values):
        path.write_text(json.dumps(json.loads(path.read_text()) | values))

    for number in (0, 4):  # which show France, 4 km apart
        change(records[number], coordinates=[47.0, 2.0])
    for number in (1, 3, 7):
        change(records[number], group="a walk")
    scenes = [item.scene for item in load_deck(workspace, "made.test").items.values()]
    assert scenes[0] == scenes[4]
    assert scenes[1] == scenes[3] == scenes[7]
    assert len(set(scenes)) == 9
    header = workspace.lists / "made.test.json"
    change(header, parameters={"place_km": 6000})  # how far apart two places of one scene were in this split
    assert len({item.scene for item in load_deck(workspace, "made.test").items.values()}) < 9


def test_each_seed_has_an_order_of_its_own_that_holds_every_picture_once(tmp_path):
    deck = load_deck(make_workspace(tmp_path), "made.test")
    orders = [tuple(deck.order(seed)) for seed in range(20)]
    assert all(sorted(order) == sorted(deck.items) for order in orders)
    assert len(set(orders)) == 20
    assert tuple(deck.order(7)) == orders[7]


def test_a_list_that_is_not_there_is_named_and_not_made(tmp_path):
    workspace = make_workspace(tmp_path)
    with pytest.raises(MissingInput, match=r"made\.nowhere\.txt is missing"):
        load_deck(workspace, "made.nowhere")
    assert not workspace.list_path(".nowhere").exists()


def test_a_changed_picture_stops_the_quiz_before_it_begins(tmp_path):
    workspace = make_workspace(tmp_path)
    (changed, *_) = workspace.input(ENRICH).glob("*.png")
    changed.write_bytes(changed.read_bytes() + b"x")
    with pytest.raises(ListMismatch, match="1 of 12 images are not those that were pinned"):
        load_deck(workspace, "made.test")


def test_records_without_a_country_are_counted_and_named(tmp_path):
    workspace = make_workspace(tmp_path)
    folder = workspace.input(ENRICH)
    (record, *_) = sorted(folder.glob("*.json"))
    record.write_text("{}")
    with pytest.raises(MissingInput, match=rf"1 of 12 records .* no country, such as {record.stem}"):
        load_deck(workspace, "made.test")


def test_any_pinned_list_can_be_played(tmp_path):
    workspace = make_workspace(tmp_path)
    samples = load_samples(workspace.input(ENRICH))[:5]
    pin(tmp_path / "data-lists" / "five.txt", new_list(samples, "by hand"))
    assert list(load_deck(workspace, "five").items) == [sample.id for sample in samples]


def test_a_picture_is_sent_as_its_pixels_and_nothing_else(tmp_path):
    item = next(iter(load_deck(make_workspace(tmp_path), "made.test").items.values()))
    assert b"taken in FR" in item.path.read_bytes()
    sent = encode_picture(item.path, SIZE)
    assert b"taken in" not in sent
    with Image.open(io.BytesIO(sent)) as image:
        assert image.info == {}
        assert np.array_equal(np.asarray(image), np.asarray(read_image(item.path)))


def test_at_the_models_size_people_see_the_models_pixels(tmp_path):
    item = next(iter(load_deck(make_workspace(tmp_path), "made.test").items.values()))
    with Image.open(io.BytesIO(encode_picture(item.path, (32, 20)))) as image:
        seen = np.asarray(image).transpose(2, 0, 1)
    assert np.array_equal(seen, decode(item.path, width=32, height=20))


def test_a_picture_that_is_gone_is_a_broken_sample(tmp_path):
    with pytest.raises(BrokenSample, match="image missing"):
        encode_picture(tmp_path / "gone.png", SIZE)
