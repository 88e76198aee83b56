"""This project's own kernels, on a GPU or else in Triton's interpreter (see `conftest.py` above)."""

import copy
import dataclasses
import itertools
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn
from torchvision.ops import SqueezeExcitation

from lost_and_found.training import backends, fused
from lost_and_found.training.backends import COMPILING_PAYS_FROM_IMAGES, is_compiled
from lost_and_found.training.config import TrainingConfig
from lost_and_found.training.fused import Depthwise, fuse, timing
from lost_and_found.training.models import build_model

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
ACTIVATIONS = [nn.Identity, nn.ReLU, nn.ReLU6, nn.Hardswish, nn.SiLU]
# Pictures, channels, height, width: a whole number of tiles wide or not, rows of one pixel or several.
SHAPES = [(3, 40, 5, 7), (5, 96, 3, 4), (2, 16, 1, 1), (2, 64, 9, 9), (8, 24, 4, 4)]
DEPTHWISE = [Depthwise(size, stride) for size in (3, 5) for stride in (1, 2)]

pytest.importorskip("triton")
# Tiles reach over the edge, where numpy warns of values that a GPU computes silently and nothing uses.
pytestmark = pytest.mark.filterwarnings("ignore:overflow encountered in exp:RuntimeWarning")


@pytest.fixture(autouse=True)
def exact(monkeypatch):
    """TensorFloat-32 would hide what the kernels round, and torch would what they compute."""
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)
    monkeypatch.setattr("lost_and_found.training.fused.depthwise.is_faster", lambda *_: True)


def some_of_both(kinds, shapes):
    return [*((kind, shapes[0]) for kind in kinds), *((kinds[-1], shape) for shape in shapes[1:])]


def drawn(*shape, mean=0.0, dtype=torch.float32):
    images = torch.randn(shape, generator=torch.Generator().manual_seed(0)) * 3 + mean
    return images.to(DEVICE, dtype).contiguous(memory_format=torch.channels_last)


def results(module, images):
    """Output, gradients and buffers after one forward and backward pass."""
    images = images.clone(memory_format=torch.preserve_format).requires_grad_()
    output = module(images)
    weights = torch.randn(output.shape, generator=torch.Generator().manual_seed(1)).to(output)
    output.backward(weights)
    gradients = [parameter.grad for parameter in module.parameters()]
    return [output, images.grad, *gradients, *(value.float() for value in module.buffers())]


def same(found, wanted, *, rtol=1e-3, atol=1e-3):
    for one, other in zip(found, wanted, strict=True):
        torch.testing.assert_close(one, other, rtol=rtol, atol=atol)


def normalised_by(activation, channels):
    torch.manual_seed(0)
    layer = nn.BatchNorm2d(channels)
    nn.init.normal_(layer.weight)
    nn.init.normal_(layer.bias)
    return nn.Sequential(layer, activation()).to(DEVICE)


@pytest.mark.parametrize(("activation", "shape"), some_of_both(ACTIVATIONS, SHAPES))
def test_batch_normalisation_and_activation_are_those_of_torch(activation, shape):
    plain = normalised_by(activation, shape[1])
    quick = fuse(copy.deepcopy(plain))
    assert isinstance(quick[1], nn.Identity)
    images = drawn(*shape, mean=50)  # far from 0, where sums of squares would lose the variance
    same(results(quick, images), results(plain, images))
    for module in (plain, quick):
        module.eval()
    with torch.no_grad():
        torch.testing.assert_close(quick(images), plain(images), rtol=1e-3, atol=1e-3)
    same(results(quick, images)[:1], results(plain, images)[:1])  # with gradients, computed by torch itself


@pytest.mark.parametrize(("gate", "shape"), some_of_both([nn.Sigmoid, nn.Hardsigmoid], SHAPES))
def test_squeeze_and_excitation_is_that_of_torchvision(gate, shape):
    torch.manual_seed(0)
    plain = nn.Sequential(SqueezeExcitation(shape[1], 8, scale_activation=gate)).to(DEVICE)
    quick = fuse(copy.deepcopy(plain))
    images = drawn(*shape)
    same(results(quick, images), results(plain, images))
    with torch.no_grad():
        torch.testing.assert_close(quick(images), plain(images), rtol=1e-3, atol=1e-3)


def depthwise(channels, size=3, stride=1, **others):
    torch.manual_seed(0)
    others = {"bias": False, "groups": channels, "padding": size // 2, **others}
    return nn.Conv2d(channels, channels, size, stride, **others).to(DEVICE)


OTHER_STRIPS = [
    (Depthwise(3, 1), (8, 24, 9, 7)),  # so many that a weight's gradient is the sum of two
    *((Depthwise(size, 1), (2, 144, height, 3)) for size, height in ((3, 2), (5, 3), (3, 4), (5, 12))),
    *((Depthwise(size, 2), (2, 144, height, 3)) for size, height in ((3, 10), (5, 13))),
]


@pytest.mark.parametrize(("form", "shape"), [*some_of_both(DEPTHWISE, SHAPES), *OTHER_STRIPS])
def test_depthwise_convolutions_are_those_of_torch(form, shape):
    plain = nn.Sequential(depthwise(shape[1], *form))
    quick = fuse(copy.deepcopy(plain))
    assert type(quick[0]) is not nn.Conv2d
    images = drawn(*shape)
    same(results(quick, images), results(plain, images))
    with torch.no_grad():
        torch.testing.assert_close(quick(images), plain(images), rtol=1e-3, atol=1e-3)


def test_few_outputs_of_strips_lie_below_the_pictures():
    from lost_and_found.training.fused.depthwise import _high

    for height in range(1, 200):
        high = _high(torch.empty(1, 8, height, 1))
        assert high <= 5
        assert -height % high < -(-height // high)


def test_outputs_and_gradients_of_rounded_pictures_are_about_as_exact_as_those_of_torch():
    layers = [*normalised_by(nn.SiLU, 40), SqueezeExcitation(40, 8).to(DEVICE)]
    plain = nn.Sequential(*layers, depthwise(40), depthwise(40, 5, 2))
    exact, quick = copy.deepcopy(plain), fuse(copy.deepcopy(plain))
    images = drawn(4, 40, 6, 6, dtype=torch.bfloat16)
    wanted = results(exact, images.float())
    with torch.autocast(DEVICE.type, torch.bfloat16):
        ours, theirs = results(quick, images), results(plain, images)
    assert ours[0].dtype == ours[1].dtype == torch.bfloat16

    def errors(found):
        pairs = zip(found, wanted, strict=True)
        return [((one.float() - other).norm() / (other.norm() + 1e-6)).item() for one, other in pairs]

    for own, other in zip(errors(ours), errors(theirs), strict=True):
        # The interpreter cuts off what a GPU rounds, which doubles an error.
        assert own < (4 if DEVICE.type == "cpu" else 2) * other + 0.01


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_what_is_not_a_number_stays_so(activation):
    plain, images = normalised_by(activation, 16), drawn(2, 16, 4, 4)
    quick = fuse(copy.deepcopy(plain))
    images[0, 3, 1, 1] = torch.nan
    for one, other in zip(results(quick, images)[:2], results(plain, images)[:2], strict=True):
        assert torch.equal(one.isnan(), other.isnan())
    assert torch.equal(quick[0].running_var.isnan(), plain[0].running_var.isnan())


def test_weights_learn_from_pictures_that_need_no_gradient():
    for layer in (SqueezeExcitation(16, 8).to(DEVICE), depthwise(16)):
        plain = nn.Sequential(*normalised_by(nn.SiLU, 16), layer)
        quick, images = fuse(copy.deepcopy(plain)), drawn(2, 16, 4, 4)
        for model in (plain, quick):
            model[0].requires_grad_(requires_grad=False)
            model(images).square().sum().backward()
        same([one.grad for one in quick[2].parameters()], [one.grad for one in plain[2].parameters()])


def test_one_value_per_channel_is_refused_as_by_torch():
    quick = fuse(normalised_by(nn.SiLU, 16))
    with pytest.raises(ValueError, match="more than 1 value per channel"):
        quick(drawn(1, 16, 1, 1))


def test_all_kernels_compile_for_old_and_new_gpus_and_move_sixteen_bytes_at_once(tmp_path):
    command = [sys.executable, "-m", "tests.training.compile_kernels", "75", "90"]  # a T4 and an H100
    environment = {**os.environ, "TRITON_INTERPRET": "0", "TRITON_CACHE_DIR": str(tmp_path)}
    root = Path(__file__).parents[2]
    done = subprocess.run(command, env=environment, cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    widest = {tuple(line.split()[:3]): int(line.split()[3]) for line in done.stdout.splitlines()}
    kernels = {
        *("batch_norm._statistics", "batch_norm._normalise", "batch_norm._parameter_gradients"),
        *("batch_norm._input_gradient", "excitation._sum", "excitation._scale"),
        *("depthwise._convolve", "depthwise._input_gradient", "depthwise._weight_gradient"),
    }
    dtypes = ("torch.bfloat16", "torch.float32")
    # Merging reads a few values for each channel, no pictures.
    assert {name: most for name, most in widest.items() if name[1] != "batch_norm._merge"} == {
        name: 16 for name in itertools.product(("75", "90"), kernels, dtypes)
    }


def test_layers_that_the_kernels_are_not_made_for_stay_as_they_are():
    unusual = [nn.BatchNorm2d(16, affine=False), nn.BatchNorm2d(16, momentum=None)]
    unusual.append(nn.BatchNorm2d(16, track_running_stats=False))
    unusual += [depthwise(16, 7), depthwise(12), depthwise(16, bias=True), depthwise(16, padding=0)]
    unusual += [depthwise(16, stride=3), depthwise(16, stride=(1, 2)), depthwise(16, groups=4)]
    unusual += [depthwise(16, dilation=2), depthwise(16, padding_mode="circular")]
    plain = nn.Sequential(nn.BatchNorm2d(12), nn.ReLU(), SqueezeExcitation(12, 4), *unusual).to(DEVICE)
    kinds = [type(module) for module in plain.modules()]
    assert [type(module) for module in fuse(plain).modules()] == kinds


@pytest.mark.parametrize(
    "architecture", ["mobilenet_v2", "mobilenet_v3_large", "efficientnet_b0", "resnet18"]
)
def test_a_fused_network_keeps_the_names_of_its_parameters(architecture):
    model = build_model(architecture, 5).to(DEVICE)
    names = {name: value.shape for name, value in model.state_dict().items()}
    fuse(model)
    assert {name: value.shape for name, value in model.state_dict().items()} == names
    left = [type(module) for module in model.modules()]
    assert nn.BatchNorm2d not in left
    assert SqueezeExcitation not in left
    assert not [one for one in model.modules() if type(one) is nn.Conv2d and one.groups > 1]


@pytest.fixture
def fresh_check():
    checks = (fused.problem_of, fused.mistake_of)
    for check in checks:
        check.cache_clear()
    yield
    for check in checks:
        check.cache_clear()


@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
def test_kernels_that_compute_what_torch_does_are_used(precision, fresh_check):
    model = normalised_by(nn.SiLU, 16)
    state = torch.get_rng_state()
    for kinds in (ACTIVATIONS, [SqueezeExcitation], DEPTHWISE):
        assert fused.mistake_of(DEVICE, precision, frozenset(kinds)) == ""
    assert isinstance(fuse(model, precision=precision)[1], nn.Identity)
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize(
    ("place", "wrong", "mistake"),
    [
        (
            "batch_norm._normalised",
            lambda x, *_: x.relu(),
            r"the output of Identity is \d+ % off, more than 0\.1 %",
        ),
        (
            "excitation.mean_over_pixels",
            lambda x: x[:, :, :1, :1],
            "the output of SqueezeExcitation is .* % off",
        ),
        ("batch_norm._normalised", lambda *_: 1 / 0, "ZeroDivisionError: division by zero"),
        ("batch_norm._normalised", lambda x, *_: x * torch.nan, "the output of Identity is nan % off"),
        (
            "depthwise.gradients",
            lambda x, dy, weight, stride: (x, weight),
            "the gradient of pictures of a depthwise convolution of 3x3 with stride 2 is .* % off",
        ),
    ],
)
def test_kernels_that_compute_something_else_are_not(monkeypatch, fresh_check, place, wrong, mistake):
    excitation, convolution = SqueezeExcitation(16, 8).to(DEVICE), depthwise(16, 3, 2)
    model = nn.Sequential(*normalised_by(nn.SiLU, 16), excitation, convolution)
    assert fused.problem_of(DEVICE) == ""  # remembered, as it tries one of these kernels too
    monkeypatch.setattr(f"lost_and_found.training.fused.{place}", wrong)
    with pytest.warns(UserWarning, match=rf"slower: this project's kernels give other results .*{mistake}"):
        fuse(model, precision=torch.float32)
    kept = [type(module) in (nn.BatchNorm2d, nn.SiLU, SqueezeExcitation, nn.Conv2d) for module in model]
    assert kept == ([False, False, False, True] if "depthwise" in place else [True, True, True, False])


def test_the_faster_way_to_convolve_is_found_out_once_in_training(monkeypatch):
    monkeypatch.setattr(timing, "known", {})
    ours, theirs, quick, slow = object(), object(), [], []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)

    def milliseconds(work):
        assert not torch.is_grad_enabled()
        (quick if work is ours else slow).append(work)
        return 1.0 if work is ours else 2.0

    monkeypatch.setattr(timing, "_milliseconds", milliseconds)
    with torch.inference_mode():
        assert not timing.is_faster("one", ours, theirs)
    assert timing.is_faster("one", ours, theirs)
    assert not timing.is_faster("another", theirs, ours)
    with torch.inference_mode():
        assert timing.is_faster("one", ours, theirs)
    assert (len(quick), len(slow)) == (2, 2)
    torch.use_deterministic_algorithms(mode=True)
    try:
        assert timing.is_faster("another", theirs, ours)
    finally:
        torch.use_deterministic_algorithms(mode=False)


def test_a_slower_convolution_is_left_to_torch(monkeypatch):
    plain = nn.Sequential(depthwise(16))
    quick, images = fuse(copy.deepcopy(plain)), drawn(2, 16, 4, 4)
    monkeypatch.setattr("lost_and_found.training.fused.depthwise.is_faster", lambda *_: False)
    monkeypatch.setattr("lost_and_found.training.fused.depthwise.convolved", None)
    same(results(quick, images), results(plain, images), rtol=0, atol=0)


def test_what_is_timed_is_the_same_work(monkeypatch):
    """Both ways are run; on a CPU without being timed."""
    found = {}

    def run_both(kind, ours, theirs):
        for work in (ours, theirs):
            work()
        found[kind] = True
        return True

    monkeypatch.setattr("lost_and_found.training.fused.depthwise.is_faster", run_both)
    for shape, (size, stride) in itertools.product([(2, 16, 4, 4), (3, 16, 4, 4)], DEPTHWISE):
        fuse(nn.Sequential(depthwise(16, size, stride)))(drawn(*shape))
    assert len(found) == 4  # however many the pictures


def test_long_trainings_are_compiled_only_where_kernels_can_be(monkeypatch):
    config, gpu = TrainingConfig(dataset="any", epochs=20), torch.device("cuda")
    many, few = COMPILING_PAYS_FROM_IMAGES // 20, COMPILING_PAYS_FROM_IMAGES // 20 - 1
    for problem, compiled in (("", True), ("Failed to find C compiler.", False)):
        monkeypatch.setattr(backends, "problem_of", lambda device, problem=problem: problem)
        assert is_compiled(config, gpu, images=many) is compiled
        assert not is_compiled(config, gpu, images=few)
        assert is_compiled(dataclasses.replace(config, compile="on"), gpu, images=few)  # as was asked


def test_where_kernels_cannot_be_compiled_a_warning_says_why_and_nothing_is_changed(monkeypatch, fresh_check):
    def no_compiler(images):
        raise RuntimeError("Failed to find C compiler.\nPlease specify via CC")

    monkeypatch.setattr("lost_and_found.training.fused.excitation.mean_over_pixels", no_compiler)
    model = normalised_by(nn.SiLU, 16)
    with pytest.warns(UserWarning, match=r"slower.*RuntimeError: Failed to find C compiler"):
        fuse(model)
    assert [type(module) for module in model] == [nn.BatchNorm2d, nn.SiLU]
