import dataclasses
from contextlib import nullcontext

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from lost_and_found.errors import InvalidConfig, MissingDevice, MissingWeights
from lost_and_found.training.config import ARCHITECTURES, NORMALISATIONS, TrainingConfig
from lost_and_found.training.models import (
    Normalisation,
    build_model,
    head,
    initial_weights,
    pick_device,
)
from lost_and_found.training.optimizer import build_optimizer

SMALL = "mobilenet_v3_small"


def config(weights, architecture=SMALL):
    return TrainingConfig(dataset="made", architecture=architecture, weights=str(weights))


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_every_architecture_gives_one_row_a_picture(architecture):
    torch.manual_seed(0)
    model = build_model(architecture, 3).eval()
    with torch.inference_mode():
        assert model(torch.rand(2, 3, 32, 32)).shape == (2, 3)
        # In training GoogLeNet, for one, gives the outputs of auxiliary classifiers as well.
        assert isinstance(model.train()(torch.rand(2, 3, 32, 32)), torch.Tensor)
    norms = [module for module in model.modules() if isinstance(module, torch.nn.BatchNorm2d)]
    assert {norm.momentum for norm in norms} <= {0.1}  # so that short training can be validated
    optimizer = build_optimizer(
        model, config("none", architecture), pretrained=True, device=torch.device("cpu")
    )
    groups = {group["name"]: group["params"] for group in optimizer.param_groups}
    assert [tuple(parameter.shape) for parameter in groups["head"]] == [(3, head(model).in_features), (3,)]
    assert len(groups["backbone"]) + 2 == len(list(model.parameters()))


@pytest.mark.parametrize(
    ("architecture", "wrapper"),
    [(SMALL, None), (SMALL, "state_dict"), (SMALL, "model"), ("resnet18", None), ("mobilenet_v2", None)],
)
def test_weights_from_a_file_go_to_all_but_the_head(tmp_path, architecture, wrapper):
    state = build_model(architecture, 7).state_dict()
    torch.save({wrapper: state, "epoch": 3} if wrapper else state, tmp_path / "weights.pth")
    weights = initial_weights(config(tmp_path / "weights.pth", architecture))
    model = build_model(architecture, 4, weights)
    assert weights.used == "file"
    assert head(model).out_features == 4
    for name, value in model.state_dict().items():
        if value.shape == state[name].shape:
            torch.testing.assert_close(value, state[name])


def test_weights_can_be_safetensors(tmp_path):
    save_file(build_model(SMALL, 7).state_dict(), tmp_path / "weights.safetensors")
    assert build_model(SMALL, 4, initial_weights(config(tmp_path / "weights.safetensors")))


def test_weights_of_another_network_are_refused(tmp_path):
    torch.save(build_model("resnet18", 7).state_dict(), tmp_path / "weights.pth")
    with pytest.raises(InvalidConfig, match=r"\d+ missing \(.*; \d+ unexpected \(.*same architecture"):
        build_model(SMALL, 4, initial_weights(config(tmp_path / "weights.pth")))


@pytest.mark.parametrize(
    ("other", "fault"),
    [
        (torch.zeros(16, 1, 3, 3), "of another shape"),
        (torch.zeros(16, 3, 3, 3, dtype=torch.int8), "not of floats"),
    ],
)
def test_weights_of_other_shapes_or_rounded_to_whole_numbers_are_refused(tmp_path, other, fault):
    torch.save(build_model(SMALL, 7).state_dict() | {"features.0.0.weight": other}, tmp_path / "weights.pth")
    with pytest.raises(InvalidConfig, match=rf"1 {fault} \(features.0.0.weight\)"):
        build_model(SMALL, 4, initial_weights(config(tmp_path / "weights.pth")))


@pytest.mark.parametrize("content", [b"", b"no weights", [1, 2], {0: torch.zeros(2)}])
def test_a_file_without_weights_is_refused(tmp_path, content):
    if isinstance(content, bytes):
        (tmp_path / "weights.pth").write_bytes(content)
    else:
        torch.save(content, tmp_path / "weights.pth")
    with pytest.raises(InvalidConfig, match=r"weights\.pth holds no .*state dict"):
        initial_weights(config(tmp_path / "weights.pth"))


def test_a_whole_model_is_refused_without_the_advice_to_load_it_unsafely(tmp_path):
    torch.save(torch.nn.Linear(2, 2), tmp_path / "model.pth")
    with pytest.raises(InvalidConfig, match=r"model\.pth holds no .* not a whole model") as refusal:
        initial_weights(config(tmp_path / "model.pth"))
    assert "weights_only" not in str(refusal.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(MissingWeights, match=r"absent\.pth"):
        initial_weights(config(tmp_path / "absent.pth"))


@pytest.fixture
def without_network(monkeypatch, tmp_path):
    """The test's own torch cache, and a proxy that doesn't answer."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    for name in ("https_proxy", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    return tmp_path / "hub" / "checkpoints"


def test_default_weights_that_are_unavailable_are_an_error_with_ways_out(without_network):
    with pytest.raises(MissingWeights, match=r"mobilenet_v3_small-047dcff4\.pth there.*`weights: none`"):
        initial_weights(config("default"))


def test_auto_falls_back_to_random_weights_with_a_warning(without_network):
    with pytest.warns(UserWarning, match="from random weights"):
        weights = initial_weights(config("auto"))
    with pytest.warns(UserWarning, match="upsampling was only seen to help pretrained ones, and 1 takes"):
        initial_weights(dataclasses.replace(config("auto"), upsampling=2.0))
    assert (weights.used, weights.state) == ("none", None)
    assert "can't be downloaded" in weights.reason


@pytest.mark.parametrize("choice", ["auto", "default"])
def test_default_weights_come_from_torchs_cache_without_network(without_network, choice):
    without_network.mkdir(parents=True)
    torch.save(build_model(SMALL, 1000).state_dict(), without_network / "mobilenet_v3_small-047dcff4.pth")
    weights = initial_weights(config(choice))
    assert weights.used == "default"
    assert weights.digest == "mobilenet_v3_small-047dcff4.pth"
    with pytest.warns(
        UserWarning, match="'half', as the study had it, but torchvision's weights were trained"
    ):
        initial_weights(dataclasses.replace(config(choice), normalisation="half"))


@pytest.mark.parametrize("choice", ["auto", "default"])
@pytest.mark.parametrize("content", [b"", b"<!DOCTYPE html>", "cut off"])
def test_a_damaged_file_in_torchs_cache_is_named_with_what_to_do(without_network, choice, content):
    without_network.mkdir(parents=True)
    file = without_network / "mobilenet_v3_small-047dcff4.pth"
    if content == "cut off":
        torch.save(build_model(SMALL, 1000).state_dict(), file)
        content = file.read_bytes()[:-1000]
    file.write_bytes(content)
    with pytest.raises(InvalidConfig, match=r"047dcff4\.pth is damaged .*; delete it") as refusal:
        initial_weights(config(choice))
    assert "weights_only" not in str(refusal.value)


def test_the_derived_weights_are_image_features(real_data):
    path = real_data / "weights" / "mobilenet_v2_imagenet_derived.pth"
    weights = initial_weights(config(path, "mobilenet_v2"))
    model = build_model("mobilenet_v2", 4, weights)
    torch.testing.assert_close(model.features[0][0].weight, weights.state["features.0.0.weight"])


@pytest.mark.parametrize(
    ("name", "white", "black"), [("half", [1, 1, 1], [-1, -1, -1]), ("imagenet", None, None)]
)
def test_pixels_are_normalised_as_stated(name, white, black):
    mean, std = (np.array(values) for values in NORMALISATIONS[name])
    pixels = torch.tensor([0, 255], dtype=torch.uint8).view(2, 1, 1, 1).expand(2, 3, 4, 5)
    dark, light = Normalisation(*NORMALISATIONS[name])(pixels)[:, :, 2, 3]
    np.testing.assert_allclose(dark, black or -mean / std, atol=1e-6)
    np.testing.assert_allclose(light, white or (1 - mean) / std, atol=1e-6)


@pytest.mark.parametrize(("upsampling", "size"), [(1.5, (120, 195)), (2.0, (160, 260)), (1.01, (80, 131))])
def test_enlarged_pictures_show_the_same_with_more_pixels(upsampling, size):
    pixels = torch.arange(130).expand(1, 3, 80, 130).to(torch.uint8)  # brighter to the right
    mean, std = NORMALISATIONS["half"]
    plain, enlarged = (Normalisation(mean, std, upsampling=factor)(pixels) for factor in (1, upsampling))
    assert enlarged.shape == (1, 3, *size)
    assert enlarged.is_contiguous(memory_format=torch.channels_last)
    middles = (torch.arange(size[1]) + 0.5) / upsampling - 0.5  # of the new columns, in old ones
    wanted = (middles.clamp(0, 129) / 127.5 - 1).expand(3, *size)
    torch.testing.assert_close(enlarged[0], wanted, atol=1e-4, rtol=0)
    torch.testing.assert_close(plain[0, 0, 0], torch.arange(130) / 127.5 - 1)


def test_a_device_that_is_not_there_is_refused():
    assert pick_device("auto").type in {"cpu", "cuda"}
    with pytest.raises(InvalidConfig, match="lacks"):
        pick_device("cuda:77")


@pytest.mark.parametrize(
    ("capability", "kernels", "is_used"),
    [
        ((8, 9), ["sm_75", "sm_86", "sm_90"], True),  # RTX 4060
        ((7, 5), ["sm_75", "sm_86", "sm_90"], True),  # T4
        ((6, 1), ["sm_75", "sm_86", "sm_90"], False),  # GTX 1050
        ((12, 0), ["sm_75", "sm_86", "sm_90"], False),  # RTX 5060, with an old torch
        ((12, 0), ["sm_75", "sm_90a", "compute_90"], True),
    ],
)
def test_a_gpu_for_which_torch_has_no_kernels_is_left_alone(monkeypatch, capability, kernels, is_used):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: capability)
    monkeypatch.setattr(torch.cuda, "get_arch_list", lambda: kernels)
    assert pick_device("auto").type == ("cuda" if is_used else "cpu")
    with nullcontext() if is_used else pytest.raises(MissingDevice, match=r"torch .* has no kernels; 'auto'"):
        assert pick_device("cuda").type == "cuda"
