"""Compiles the kernels for GPUs that aren't there: `python -m tests.training.compile_kernels 75 90`.

Run in its own process, since other tests use Triton's interpreter. Fused layers are trained and applied as
usual, but each kernel is only compiled, not run, so the layers' outputs are meaningless. Prints a line for
each GPU, kernel and type of pictures, with the most bytes that a thread reads or writes at once.
"""

import functools
import re
import sys

import torch
from torch import nn
from torchvision.ops import SqueezeExcitation
from triton.backends.compiler import GPUTarget
from triton.runtime import driver
from triton.runtime.jit import JITFunction

from lost_and_found.training.fused import ACTIVATION_NAMES, fuse

ACCESS = re.compile(
    r"cp\.async\.c[ag].*?\], 0x(?P<bytes>[0-9a-f]+)|(?:ld|st)\.global\S*?\.v(?P<words>\d)\.b32"
)


class Absent:
    """What Triton asks of a GPU's driver before it starts a kernel."""

    def __init__(self, capability: int) -> None:
        self.capability = capability

    def get_current_device(self) -> int:
        return self.capability  # by which Triton remembers what it has compiled

    def get_current_stream(self, device: int) -> int:
        return 0

    def get_current_target(self) -> GPUTarget:
        return GPUTarget("cuda", self.capability, 32)


def widest(ptx: str) -> int:
    found = ACCESS.finditer(ptx)
    return max((int(one["bytes"], 16) if one["bytes"] else 4 * int(one["words"]) for one in found), default=4)


def use(layers: nn.Module, dtype: torch.dtype) -> None:
    """Forward and backward, and once without gradients."""
    images = torch.zeros(2, 64, 8, 8, dtype=dtype, requires_grad=True)
    with torch.autocast("cpu", torch.bfloat16, enabled=dtype == torch.bfloat16):
        layers(images).sum().backward()
        with torch.no_grad():
            layers.eval()(images)


def main(capabilities: list[int]) -> None:
    compiled: dict[str, int] = {}

    def compile_only(function: JITFunction, grid: tuple[int, ...], *args: object, **sizes: object) -> None:
        kernel = function.run(*args, grid=grid, warmup=True, **sizes)
        module = function.fn.__module__.rpartition(".")[2]
        name = f"{capability} {module}.{function.fn.__name__} {args[0].dtype}"
        compiled[name] = max(compiled.get(name, 0), widest(kernel.asm["ptx"]))

    JITFunction.__getitem__ = lambda self, grid: functools.partial(compile_only, self, grid)
    for capability in capabilities:
        driver.set_active(Absent(capability))
        for activation in (nn.Identity, *ACTIVATION_NAMES):
            use(fuse(nn.Sequential(nn.BatchNorm2d(64), activation())), torch.bfloat16)
        for dtype in (torch.bfloat16, torch.float32):
            use(fuse(nn.Sequential(nn.BatchNorm2d(64), SqueezeExcitation(64, 16))), dtype)
            for size, stride in ((3, 1), (5, 2)):
                convolution = nn.Conv2d(64, 64, size, stride, size // 2, groups=64, bias=False)
                use(fuse(nn.Sequential(convolution)), dtype)
    for name, most in compiled.items():
        print(name, most)


if __name__ == "__main__":
    main([int(capability) for capability in sys.argv[1:]])
