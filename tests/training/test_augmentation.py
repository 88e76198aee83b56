import colorsys
import dataclasses
import io
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFilter

from lost_and_found.training.augmentation import (
    SETS,
    STUDY_SET,
    Augmentation,
    AugmentationSet,
    crop_and_rotate,
    jitter_colours,
)
from lost_and_found.training.config import AUGMENTATIONS
from lost_and_found.training.degradation import _steps, blur, degrade, press, shrink

CPU = torch.device("cpu")
MIDDLE = 0.5


def gradient(count=1, height=80, width=130):
    """Pictures whose red is the column, green the row, blue constant."""
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    image = torch.stack([columns, rows, torch.full_like(rows, 100)])
    return image.float().expand(count, 3, height, width)


def noise(count=4, height=80, width=130):
    return torch.from_numpy(np.random.default_rng(0).integers(0, 256, (count, 3, height, width), np.uint8))


def photo(height=80, width=130):
    """Smooth shapes under fine grain, as in a photograph."""
    rng = np.random.default_rng(1)
    coarse = Image.fromarray(rng.integers(0, 256, (6, 9, 3), np.uint8)).resize((width, height))
    grain = Image.fromarray(rng.integers(0, 256, (height, width, 3), np.uint8))
    return Image.blend(coarse, grain.filter(ImageFilter.GaussianBlur(1)), 0.3)


def guide_about(name):
    """What the guide's table says that a set does."""
    guide = (Path(__file__).parents[2] / "3-training" / "README.md").read_text()
    return next(line for line in guide.splitlines() if line.startswith(f"| `{name}`"))


def tensor_of(image):
    return torch.from_numpy(np.asarray(image).copy()).permute(2, 0, 1)[None].float()


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_a_set_keeps_shape_and_range_and_gives_finite_floats(name):
    images = Augmentation(name, device=CPU, seed=0)(noise(11))
    assert (images.shape, images.dtype) == ((11, 3, 80, 130), torch.float32)
    assert images.min() >= 0
    assert images.max() <= 255


def test_the_settings_name_every_set_and_no_other():
    assert tuple(SETS) == AUGMENTATIONS


@pytest.mark.parametrize(
    ("name", "stretch", "hue"), [("light", "a tenth", "a fiftieth"), ("study", "a third", "a tenth")]
)
def test_the_guide_states_the_ranges_of_a_set(name, stretch, hue):
    text, ranges = guide_about(name), SETS[name]
    assert f"crop of {100 * ranges.least_area:g} to 100 %" in text
    assert f"rotation by up to {ranges.degrees:g} degrees" in text
    (spread,) = {ranges.brightness, ranges.contrast, ranges.saturation}
    assert f"brightness, contrast and saturation from {1 - spread:g} to {1 + spread:g}" in text
    assert f"stretched by up to {stretch}" in text
    assert f"hue by up to {hue} of the circle" in text
    parts = {"a third": 1 / 3, "a tenth": 1 / 10, "a fiftieth": 1 / 50}
    assert (ranges.most_stretch - 1, ranges.hue) == pytest.approx((parts[stretch], parts[hue]))


def test_the_guide_states_how_much_of_the_crop_stretching_and_rotation_take():
    drawn = torch.rand(4000, 5, generator=torch.Generator().manual_seed(0))
    places = crop_and_rotate(gradient(len(drawn), height=16, width=26), drawn, STUDY_SET)[:, :2]
    across = places[:, :, 8, 14] - places[:, :, 8, 13]
    down = places[:, :, 9, 13] - places[:, :, 8, 13]
    area = (across[:, 0] * down[:, 1] - across[:, 1] * down[:, 0]).abs()  # of the old picture in a new pixel
    asked = STUDY_SET.least_area + (1 - STUDY_SET.least_area) * drawn[:, 0]
    assert (area / asked).max() < 1.001
    assert 1 - (area / asked).mean() == pytest.approx(1 / 6, abs=0.01)
    assert "stretching and rotation take another sixth on average" in guide_about("study")


def test_the_guide_states_how_the_strong_set_differs_from_the_study():
    strong = dataclasses.replace(STUDY_SET, least_area=0.5, degrades=True)
    assert SETS["strong"] == strong
    assert "as `study`, but crop from 50 %; and of ten pictures three lose" in guide_about("strong")


def test_none_changes_nothing():
    pixels = noise()
    assert torch.equal(Augmentation("none", device=CPU, seed=0)(pixels), pixels.float())


@pytest.mark.parametrize("name", ["light", "study", "strong"])
def test_every_batch_is_changed_anew_and_a_seed_repeats_it(name):
    pixels = noise()
    one, two = Augmentation(name, device=CPU, seed=3), Augmentation(name, device=CPU, seed=3)
    first = one(pixels)
    assert torch.equal(first, two(pixels))
    assert not torch.equal(first, one(pixels))


@pytest.mark.parametrize(("name", "spared"), [("light", 10), ("study", 10), ("strong", 1)])
def test_every_picture_is_cropped_and_jittered_and_the_strong_set_alone_degrades_nine_of_ten(name, spared):
    augmentation, images = Augmentation(name, device=CPU, seed=0), noise(10).float()
    drawn = augmentation.draw(10)
    changed = augmentation.change(images, drawn, share=slice(None), batch_size=10)
    jittered = jitter_colours(crop_and_rotate(images, drawn[:, :5], SETS[name]), drawn[:, 5:9], SETS[name])
    assert (changed == jittered).flatten(1).all(dim=1).sum() == spared
    if SETS[name].degrades:
        degraded = degrade(jittered, drawn[:, 9:], share=slice(None), batch_size=10)
        assert torch.equal(changed, degraded)


@pytest.mark.parametrize("name", ["study", "strong"])
def test_processes_that_share_a_batch_change_their_parts_as_one_process_would(name):
    pixels = noise(7)
    whole = Augmentation(name, device=CPU, seed=5)(pixels)
    for rank in range(2):
        share = slice(rank, None, 2)
        augmentation = Augmentation(name, device=CPU, seed=5)
        part = augmentation.change(pixels[share], augmentation.draw(7)[share], share=share, batch_size=7)
        torch.testing.assert_close(part, whole[share])


def test_the_middle_of_all_ranges_is_the_picture_itself():
    images = gradient()
    drawn = torch.tensor([[1.0, MIDDLE, MIDDLE, MIDDLE, MIDDLE]])
    torch.testing.assert_close(crop_and_rotate(images, drawn, STUDY_SET), images, atol=1e-3, rtol=0)
    same = jitter_colours(images, torch.full((1, 4), MIDDLE), STUDY_SET)
    torch.testing.assert_close(same, images, atol=0.01, rtol=0)


@pytest.mark.parametrize(("drawn", "width", "height"), [(0.0, 0.75, 1.0), (1.0, 1.0, 0.75)])
def test_the_smallest_part_may_be_as_wide_or_as_high_as_the_picture(drawn, width, height):
    (shown,) = crop_and_rotate(gradient(), torch.tensor([[0.0, drawn, MIDDLE, MIDDLE, MIDDLE]]), STUDY_SET)
    assert (shown[0, 40, -1] - shown[0, 40, 0]) / 129 == pytest.approx(width, abs=0.01)
    assert (shown[1, -1, 65] - shown[1, 0, 65]) / 79 == pytest.approx(height, abs=0.01)


@pytest.mark.parametrize(("drawn", "degrees"), [(0.0, -10), (1.0, 10)])
def test_the_ends_of_the_range_turn_a_picture_by_ten_degrees(drawn, degrees):
    (shown,) = crop_and_rotate(gradient(), torch.tensor([[0.0, MIDDLE, drawn, MIDDLE, MIDDLE]]), STUDY_SET)
    right, below = shown[:2, 40, 100] - shown[:2, 40, 30], shown[:2, 60, 65] - shown[:2, 20, 65]
    for across, down in (right, (below[1], -below[0])):  # columns as well as rows, or it is sheared
        assert torch.atan2(down, across).rad2deg() == pytest.approx(degrees, abs=0.1)


@settings(max_examples=80)
@given(drawn=st.lists(st.floats(0, 1), min_size=5, max_size=5))
def test_no_corner_comes_from_outside_the_picture(drawn):
    shown = crop_and_rotate(gradient(), torch.tensor([drawn]), STUDY_SET)[0]
    red, green = shown[0], shown[1]
    slopes = [red.diff(dim=1), green.diff(dim=0)]
    # Every new pixel shows a different place; beyond the border, the edge's places would repeat.
    assert min(slope.min() for slope in slopes) > 0.3


@settings(max_examples=40)
@given(drawn=st.lists(st.floats(0, 1), min_size=3, max_size=3))
def test_a_part_may_lie_at_the_very_border_however_it_is_turned(drawn):
    first, last = crop_and_rotate(gradient(2), torch.tensor([[*drawn, 0, 0], [*drawn, 1, 1]]), STUDY_SET)
    torch.testing.assert_close(first[:2].amin(dim=(1, 2)), torch.tensor([0.0, 0]), atol=0.3, rtol=0)
    torch.testing.assert_close(last[:2].amax(dim=(1, 2)), torch.tensor([129.0, 79]), atol=0.3, rtol=0)


@settings(max_examples=40)
@given(drawn=st.lists(st.floats(0, 1), min_size=5, max_size=5))
def test_a_picture_is_never_mirrored_and_turns_by_ten_degrees_at_most(drawn):
    (shown,) = crop_and_rotate(gradient(), torch.tensor([drawn]), STUDY_SET)
    across, down = shown[0, 40, 100] - shown[0, 40, 30], shown[1, 40, 100] - shown[1, 40, 30]
    assert across > 0
    assert abs(torch.atan2(down, across).rad2deg()) <= 10.1


def test_a_crop_takes_at_least_three_quarters_of_the_picture_from_anywhere():
    drawn = torch.rand(500, 5, generator=torch.Generator().manual_seed(0))
    drawn[:, 1:3] = MIDDLE  # neither stretched nor turned
    images = crop_and_rotate(gradient(500), drawn, STUDY_SET)
    widths = images[:, 0, 40, -1] - images[:, 0, 40, 0]
    heights = images[:, 1, -1, 60] - images[:, 1, 0, 60]
    areas = widths * heights / (129 * 79)
    assert 0.74 < areas.min() < 0.77
    assert areas.max() > 0.98
    assert areas.mean() == pytest.approx(0.875, abs=0.01)
    # Of what is left over, the last two numbers say how much is on the left and how much above.
    torch.testing.assert_close(images[:, 0, 40, 0], (129 - widths) * drawn[:, 3], atol=0.1, rtol=0)
    torch.testing.assert_close(images[:, 1, 0, 60], (79 - heights) * drawn[:, 4], atol=0.1, rtol=0)


@pytest.mark.parametrize("which", ["brightness", "saturation", "contrast"])
@pytest.mark.parametrize("end", [0.0, 1.0])
def test_each_colour_change_is_that_of_pillow(which, end):
    from PIL import ImageEnhance

    image = Image.blend(
        photo(), Image.new("RGB", (130, 80), (120, 120, 120)), 0.6
    )  # so that nothing is clipped
    drawn = torch.full((1, 4), MIDDLE)
    drawn[0, ["brightness", "contrast", "saturation"].index(which)] = end
    enhance = {
        "brightness": ImageEnhance.Brightness,
        "contrast": ImageEnhance.Contrast,
        "saturation": ImageEnhance.Color,
    }[which]
    ours = jitter_colours(tensor_of(image), drawn, STUDY_SET)
    torch.testing.assert_close(ours, tensor_of(enhance(image).enhance(0.5 + end)), atol=2, rtol=0)


def test_a_shift_of_hue_keeps_greys():
    grey = torch.tensor([0.0, 90, 255]).view(3, 1, 1, 1).expand(3, 3, 4, 4)
    drawn = torch.full((3, 4), MIDDLE)
    drawn[:, 3] = 1
    torch.testing.assert_close(jitter_colours(grey, drawn, STUDY_SET), grey, atol=0.01, rtol=0)


def test_a_shift_of_hue_turns_the_colour_and_keeps_the_luma():
    image = torch.tensor([150.0, 100, 90]).view(1, 3, 1, 1).expand(1, 3, 4, 4)
    drawn = torch.tensor([[MIDDLE, MIDDLE, MIDDLE, 1.0]])
    (shifted,) = jitter_colours(image, drawn, AugmentationSet(hue=0.1))
    luma = torch.tensor([0.299, 0.587, 0.114])
    assert luma @ shifted[:, 0, 0] == pytest.approx(float(luma @ image[0, :, 0, 0]), abs=0.1)
    before, after = (colorsys.rgb_to_hsv(*one[:, 0, 0].tolist())[0] for one in (image[0], shifted))
    turned = min(abs(after - before), 1 - abs(after - before))
    assert turned == pytest.approx(0.1, abs=0.06)  # a turn in YIQ is only roughly one in HSV


@pytest.mark.parametrize("quality", [25, 50, 90])
def test_pressing_is_what_a_real_jpeg_does(quality):
    image = photo()
    file = io.BytesIO()
    image.save(file, "jpeg", quality=quality, subsampling=0)
    real, own = tensor_of(Image.open(file)), tensor_of(image)
    ours = press(own, torch.tensor([float(quality)]))
    damage = (real - own).abs().mean()
    assert (ours - real).abs().mean() < 0.4 * damage
    assert (ours - own).abs().mean() == pytest.approx(float(damage), rel=0.15)


# Those by which libjpeg, too, divides without a remainder.
@pytest.mark.parametrize("quality", [1, 25, 40, 50, 75, 90, 100])
def test_the_rounding_steps_are_those_of_a_real_jpeg(quality):
    file = io.BytesIO()
    photo().save(file, "jpeg", quality=quality)
    real = Image.open(file).quantization
    luma, *chroma = _steps(torch.tensor([float(quality)]))[0].flatten(1).tolist()
    assert luma == real[0]
    assert chroma == [real[1]] * 2


@pytest.mark.parametrize(
    ("drawn", "factor", "sigma", "quality"),
    [(0.0, 1.0, 0.3, 25.0), (0.5, 2.0, 0.75, 57.5), (1.0, 3.0, 1.2, 90.0)],
)
def test_three_tenths_of_a_batch_each_are_shrunk_blurred_and_pressed(drawn, factor, sigma, quality):
    images = noise(10).float()
    found = degrade(images, torch.full((10, 3), drawn), share=slice(None), batch_size=10)
    changes = ((shrink, factor), (blur, sigma), (press, quality))
    parts = [
        change(part, torch.full((3,), by))
        for (change, by), part in zip(changes, images[:9].split(3), strict=True)
    ]
    torch.testing.assert_close(found, torch.cat([*parts, images[9:]]))


def test_blur_is_a_gaussian():
    point = torch.zeros(1, 3, 21, 31)
    point[:, :, 10, 15] = 1
    blurred = blur(point, torch.tensor([1.2]))
    assert blurred.sum() == pytest.approx(3, rel=1e-5)
    assert blurred[0, 0, 10, 16] / blurred[0, 0, 10, 15] == pytest.approx(np.exp(-1 / (2 * 1.44)), rel=1e-4)


@settings(max_examples=40)
@given(factor=st.floats(1, 3), height=st.integers(9, 40), width=st.integers(9, 40))
def test_shrinking_keeps_even_areas_and_loses_fine_patterns(factor, height, width):
    even = torch.full((1, 3, height, width), 77.0)
    torch.testing.assert_close(shrink(even, torch.tensor([factor])), even, atol=1e-3, rtol=0)
    checks = ((torch.arange(height)[:, None] + torch.arange(width)) % 2 * 255.0).expand(1, 3, height, width)
    shrunk = shrink(checks, torch.tensor([max(factor, 2.0)]))
    assert shrunk.std() < 0.5 * checks.std()


def test_shrinking_by_one_changes_nothing():
    images = noise(2).float()
    torch.testing.assert_close(shrink(images, torch.ones(2)), images, atol=1e-3, rtol=0)
