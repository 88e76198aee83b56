"""Several processes, on one or more machines, started by `torchrun` to train one run together.

Each takes a part of every batch, so the run is the same as with one process: gradients are of the whole
batch, batch normalisation sees the whole batch, and every validation picture is measured once.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch import distributed as dist
from torch.nn.parallel import DistributedDataParallel

from lost_and_found.errors import InvalidConfig
from lost_and_found.texts import counted
from lost_and_found.training.models import pick_device

LETTING_GO_S = 1.0
# What gloo and NCCL say in a process when another one has ended.
LOST = (
    "Connection closed by peer",
    "Connection reset by peer",
    "Broken pipe",
    "remote process exiting prematurely",
)


@dataclass(frozen=True)
class World:
    """The processes that train a run together.

    Attributes:
        device: of this process.
        rank: number of this process; 0 writes the run.
        size: how many there are.
    """

    device: torch.device
    rank: int = 0
    size: int = 1

    @property
    def is_main(self) -> bool:
        """Whether this process writes the run and talks to the user."""
        return self.rank == 0

    @property
    def share(self) -> slice:
        """Which rows of a batch are this process's."""
        return slice(self.rank, None, self.size)

    def weight(self, count: int) -> float:
        """The factor by which to multiply this process's mean loss over its share of `count` rows.

        Gradients are averaged over processes, whose shares may differ by a row; weighted like this, their
        average is the gradient of the whole batch's mean loss.
        """
        return len(range(*self.share.indices(count))) * self.size / count

    def check_enough(self, *, batch: int, val: int) -> None:
        """Check that each process gets a row of every batch, and of the validation split.

        Args:
            batch: rows of the smallest batch.
            val: rows of the validation split.

        Raises:
            InvalidConfig: there are fewer rows than processes.
        """
        for rows, where, remedy in ((batch, "a batch", ", or raise batch_size"), (val, "the val split", "")):
            if rows < self.size:
                raise InvalidConfig(
                    f"{self.size} processes can't share the {counted(rows, 'picture')} of {where}; "
                    f"start fewer{remedy}"
                )

    def check_same(self, run_id: str) -> None:
        """Check that all processes were given the same run; machines read their own files.

        Raises:
            InvalidConfig: they were not.
        """
        ids = self.from_all(run_id)
        for rank, other in enumerate(ids):
            if other != ids[0]:
                raise InvalidConfig(
                    f"process {rank} was given another run than process 0 ({other}, not {ids[0]}): give all "
                    "the same settings, lists, records and initial weights"
                )

    def from_main(self, value: Any) -> Any:  # noqa: ANN401 - whatever the main process has
        """The value that the main process passed."""
        if self.size == 1:
            return value
        values = [value]
        dist.broadcast_object_list(values, src=0)
        return values[0]

    def from_all(self, value: Any) -> list[Any]:  # noqa: ANN401 - as above
        """The values that all processes passed, by rank."""
        if self.size == 1:
            return [value]
        values: list[Any] = [None] * self.size
        dist.all_gather_object(values, value)
        return values

    def sum(self, value: Tensor) -> Tensor:
        """The sum over all processes, in all of them; computed in place."""
        if self.size > 1:
            dist.all_reduce(value)
        return value

    def wrap(self, model: nn.Module) -> nn.Module:
        """The model to train with, whose gradients are averaged over processes."""
        if self.size == 1:
            return model
        ids = [self.device.index or 0] if self.device.type == "cuda" else None
        return DistributedDataParallel(model, device_ids=ids, broadcast_buffers=False)


@contextmanager
def joined(device: str) -> Iterator[World]:
    """This process's world: itself alone, or the one that `torchrun` describes in the environment.

    Raises:
        InvalidConfig: this machine has no such device.
        SystemExit: another process has ended. Its error is the reason, which a traceback of this one's broken
            connection would bury.
    """
    size, local_rank = int(os.environ.get("WORLD_SIZE", "1")), os.environ.get("LOCAL_RANK", "0")
    place = pick_device(device)
    if size == 1:
        # Kernels run on the current device.
        with torch.cuda.device(place) if place.type == "cuda" else nullcontext():
            yield World(place)
        return
    if place.type == "cuda":
        if int(local_rank) >= torch.cuda.device_count():
            raise InvalidConfig(
                f"{os.environ.get('LOCAL_WORLD_SIZE', size)} processes can't share "
                f"{torch.cuda.device_count()} GPU(s) of this machine; start one process per GPU"
            )
        place = pick_device(f"cuda:{local_rank}")
        torch.cuda.set_device(place)
    began = not dist.is_initialized()
    if began:
        dist.init_process_group("nccl" if place.type == "cuda" else "gloo")
    try:
        yield World(place, dist.get_rank(), size)
    except RuntimeError as error:
        if not any(text in str(error) for text in LOST):
            raise
        raise SystemExit("stopped, because another process of this training has ended") from error
    finally:
        if began:
            # Gloo's threads release their last tensors while holding a lock of their own, for which they
            # also need Python's. Ending the group meanwhile would hold Python's and wait for theirs: a
            # deadlock. They need only a moment, but give no sign when it is over.
            time.sleep(LETTING_GO_S if place.type != "cuda" else 0)
            dist.destroy_process_group()


def share_batch_norm(model: nn.Module, world: World) -> nn.Module:
    """The model with batch normalisation over the whole batch instead of each process's share."""
    if world.size == 1:
        return model
    if world.device.type == "cuda":
        converted: nn.Module = nn.SyncBatchNorm.convert_sync_batchnorm(model)
        return converted
    for module in model.modules():
        if type(module) is nn.BatchNorm2d:
            module.__class__ = SharedBatchNorm2d  # the same parameters and buffers, another forward
    return model


class _SumOverProcesses(torch.autograd.Function):
    """The sum of a tensor over all processes; gradients flow through it, summed over all processes too."""

    @staticmethod
    def forward(ctx: Any, value: Tensor) -> Tensor:  # noqa: ANN401 - torch has no type for it
        del ctx
        total = value.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:  # noqa: ANN401 - as above
        del ctx
        (gradient,) = gradients
        total = gradient.contiguous().clone()
        dist.all_reduce(total)
        return total


class SharedBatchNorm2d(nn.BatchNorm2d):
    """Batch normalisation over the batches of all processes; torch's own works only on GPUs."""

    running_mean: Tensor
    running_var: Tensor
    num_batches_tracked: Tensor
    momentum: float

    def forward(self, images: Tensor) -> Tensor:
        """Normalised (B, C, H, W), computed in float32 as torch's own is."""
        if not self.training:
            return super().forward(images)
        given, images = images.dtype, images.float()
        count = _SumOverProcesses.apply(torch.tensor(float(images.numel() // images.shape[1])))
        mean = _SumOverProcesses.apply(images.sum(dim=(0, 2, 3))) / count
        centred = images - mean[:, None, None]
        variance = _SumOverProcesses.apply(centred.square().sum(dim=(0, 2, 3))) / count
        with torch.no_grad():
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(variance * count / (count - 1), self.momentum)
            self.num_batches_tracked += 1
        scaled = centred * (variance[:, None, None] + self.eps).rsqrt()
        return (scaled * self.weight[:, None, None] + self.bias[:, None, None]).to(given)
