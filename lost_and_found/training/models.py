"""The networks of the study: torchvision's architectures with a new last layer."""

from __future__ import annotations

import re
import urllib.request
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torchvision
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional

from lost_and_found.digests import digest
from lost_and_found.errors import MissingDevice, MissingWeights, UnfitWeights, some_of
from lost_and_found.training.config import TrainingConfig, no_weights

# MobileNetV3 and EfficientNet-B7 come with 0.01, for schedules of hundreds of epochs. In a short one their
# running averages lag behind the weights by epochs, and validation stays at chance however well they learn.
BATCH_NORM_MOMENTUM = 0.1
WRAPPERS = ("state_dict", "model_state_dict", "model")
CONNECTION_TIMEOUT_S = 10


@dataclass(frozen=True)
class InitialWeights:
    """The weights that a network starts from.

    Attributes:
        used: "default", "none" or "file".
        reason: why these, in words.
        digest: identifies them exactly; "" for none.
        state: parameters by name; None for random ones.
    """

    used: str
    reason: str
    digest: str = ""
    state: Mapping[str, Tensor] | None = None


def initial_weights(config: TrainingConfig) -> InitialWeights:
    """The weights that the config asks for.

    Raises:
        MissingWeights: they aren't available.
        UnfitWeights: the file holds no weights.
    """
    if config.weights == "none":
        return InitialWeights("none", "asked for")
    if config.weights not in ("default", "auto"):
        return _weights_from_file(Path(config.weights))
    try:
        weights = _default_weights(config.architecture)
    except MissingWeights as error:
        if config.weights == "default":
            raise
        warning = f"training {config.architecture} from random weights, which needs far more data: {error}"
        if config.upsampling > 1:
            warning += "; upsampling was only seen to help pretrained ones, and 1 takes less time"
        warnings.warn(warning, stacklevel=2)
        return InitialWeights("none", str(error))
    if config.normalisation != "imagenet":
        warnings.warn(
            f"normalisation is {config.normalisation!r}, as the study had it, but torchvision's weights were "
            "trained with 'imagenet'",
            stacklevel=2,
        )
    return weights


def build_model(architecture: str, outputs: int, weights: InitialWeights | None = None) -> nn.Module:
    """The network with a new, random last layer.

    Args:
        architecture: one of `config.ARCHITECTURES`.
        outputs: number of outputs per picture.
        weights: for all other layers; random if None.

    Raises:
        UnfitWeights: the weights are another network's.
    """
    model = torchvision.models.get_model(architecture, weights=None, num_classes=outputs)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = BATCH_NORM_MOMENTUM
    if weights is not None and weights.state is not None:
        _load_backbone(model, weights.state, where=f"weights for {architecture} ({weights.reason})")
    return model


def head(model: nn.Module) -> nn.Linear:
    """The last layer, the only one that depends on the target."""
    # In every architecture of the study it is the linear layer that was created last.
    return [module for module in model.modules() if isinstance(module, nn.Linear)][-1]


class Normalisation(nn.Module):
    """From uint8 pixels (B, 3, H, W) to a network's input: (pixel / 255 - mean) / std, enlarged."""

    factor: Tensor
    shift: Tensor

    def __init__(self, mean: Sequence[float], std: Sequence[float], *, upsampling: float = 1.0) -> None:
        super().__init__()
        self.upsampling = upsampling
        means, stds = torch.tensor(mean).view(3, 1, 1), torch.tensor(std).view(3, 1, 1)
        self.register_buffer("factor", 1 / (255 * stds))
        self.register_buffer("shift", -means / stds)

    def forward(self, pixels: Tensor) -> Tensor:
        """Float32 of the shape times `upsampling`, channels last, which CPU and GPU convolve faster."""
        pixels = pixels.contiguous(memory_format=torch.channels_last)
        images = torch.addcmul(self.shift, pixels.float(), self.factor)
        if self.upsampling == 1:
            return images
        return functional.interpolate(images, scale_factor=self.upsampling, mode="bilinear")


def pick_device(name: str) -> torch.device:
    """The device of that name; "auto" is the first GPU if torch can use it, else the CPU.

    Raises:
        MissingDevice: this machine has no such device, or torch can't use it.
    """
    if name == "auto":
        name = "cuda" if _is_usable(0) else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError:
        raise MissingDevice(f"device is {name!r}; it must be auto, cpu, cuda or cuda:<number>") from None
    # Not Apple's GPUs: there torch 2.12 lacks the `grid_sample` with which pictures are cropped and rotated.
    if device.type != "cpu" and not (device.type == "cuda" and _is_usable(device.index or 0)):
        raise MissingDevice(
            f"device is {name!r}, which this machine lacks, or for which torch {torch.__version__} has no "
            "kernels; 'auto' uses what there is"
        )
    return device


def _is_usable(gpu: int) -> bool:
    """Whether there is this GPU and torch has kernels for it; it may have none for old and for new ones."""
    if not torch.cuda.is_available() or gpu >= torch.cuda.device_count():
        return False
    major, minor = torch.cuda.get_device_capability(gpu)
    built_for = re.findall(r"(sm|compute)_(\d+)", " ".join(torch.cuda.get_arch_list()))
    # Code for a GPU (sm) runs on later ones of its generation, what is yet to be compiled on all later ones.
    # Other names are of other makers' GPUs, of which nothing is known here.
    return not built_for or any(
        int(least) <= 10 * major + minor and (kind == "compute" or int(least) // 10 == major)
        for kind, least in built_for
    )


def _default_weights(architecture: str) -> InitialWeights:
    """Torchvision's weights, from its cache or by download.

    Raises:
        MissingWeights: they can't be had.
        UnfitWeights: the file in the cache is damaged.
    """
    weights = torchvision.models.get_model_weights(architecture).DEFAULT
    cached = Path(torch.hub.get_dir()) / "checkpoints" / Path(weights.url).name
    is_cached = cached.is_file()
    try:
        if not is_cached:
            # torch's download has no timeout, and would hang where packets get lost.
            urllib.request.urlopen(weights.url, timeout=CONNECTION_TIMEOUT_S).close()
        state = weights.get_state_dict(progress=True, check_hash=True, weights_only=True)
    except Exception as error:  # whatever torch, pickle and zip raise for files that aren't theirs
        if is_cached and not isinstance(error, OSError | MemoryError):
            raise UnfitWeights(
                f"{cached} is damaged ({type(error).__name__}); delete it, so that it is downloaded again, "
                "or put a complete one there"
            ) from error
        if not isinstance(error, OSError | RuntimeError):
            raise
        raise MissingWeights(
            f"torchvision's weights for {architecture} are not in {cached.parent} and can't be downloaded "
            f"({error}). Ways out: put the file {cached.name} there, give the path of a state dict as "
            "`weights`, or train from random weights with `weights: none`"
        ) from error
    return InitialWeights("default", str(weights), cached.name, state)


def _weights_from_file(path: Path) -> InitialWeights:
    """A state dict, bare or wrapped, as .pth or .safetensors."""
    if not path.is_file():
        raise no_weights(path)
    try:
        is_pickle = path.suffix != ".safetensors"
        state: Any = torch.load(path, map_location="cpu", weights_only=True) if is_pickle else load_file(path)
    except Exception as error:  # whatever torch, pickle and zip raise for files that aren't theirs
        # Not the error's own text: torch advises to load the file unsafely, others give just a number.
        raise UnfitWeights(
            f"{path} holds no weights that can be read safely ({type(error).__name__}); give a complete file "
            "of a state dict, written by torch.save or as .safetensors, not a whole model"
        ) from error
    for wrapper in WRAPPERS:
        if isinstance(state, dict) and isinstance(state.get(wrapper), dict):
            state = state[wrapper]
    if not isinstance(state, dict) or not all(
        isinstance(name, str) and isinstance(value, Tensor) for name, value in state.items()
    ):
        raise UnfitWeights(
            f"{path} holds no state dict: tensors by name, bare or under {', '.join(WRAPPERS)}"
        )
    return InitialWeights("file", path.name, digest(path.read_bytes()), state)


def _load_backbone(model: nn.Module, state: Mapping[str, Tensor], *, where: str) -> None:
    """Load all but the last layer, which was for other classes; nothing may be missing or left over."""
    mine = model.state_dict()
    last = head(model)
    prefix = next(name for name, module in model.named_modules() if module is last) + "."
    wanted = {name for name in mine if not name.startswith(prefix)}
    given = {name for name in state if not name.startswith(prefix)}
    # Checkpoints from before torch 0.4.1 don't count batches, and nothing here reads the count.
    missing = sorted(name for name in wanted - given if not name.endswith("num_batches_tracked"))
    unexpected = sorted(given - wanted)
    misshapen = sorted(name for name in wanted & given if mine[name].shape != state[name].shape)
    # Such as quantised ones, whose scales are elsewhere: copied as they are, they would be other weights.
    whole = sorted(
        name
        for name in wanted & given
        if mine[name].is_floating_point() and not state[name].is_floating_point()
    )
    faults = {
        "missing": missing,
        "unexpected": unexpected,
        "of another shape": misshapen,
        "not of floats": whole,
    }
    if any(faults.values()):
        found = "; ".join(
            f"{len(names)} {fault} ({some_of(names)})" for fault, names in faults.items() if names
        )
        raise UnfitWeights(f"{where} don't fit: {found}; take weights of the same architecture")
    model.load_state_dict({name: state[name] for name in wanted & given}, strict=False)
