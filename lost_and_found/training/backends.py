"""How torch computes (number formats, compiled kernels, repeatable algorithms), and running out of memory."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from lost_and_found.errors import LostAndFoundError, OutOfMemory
from lost_and_found.training.config import TrainingConfig
from lost_and_found.training.fused import problem_of

# Compiling takes more than a minute (EfficientNet-B1, H200), which shorter training doesn't win back.
COMPILING_PAYS_FROM_IMAGES = 10_000_000
# Messages about lack of memory from the CPU's allocators, from CUDA while it records, from cuBLAS, and from
# torch where none of cuDNN's algorithms has enough; all others have exception types of their own.
NO_MEMORY = (
    "not enough memory",
    "can't allocate memory",
    "Cannot allocate memory",
    "bad_alloc",
    "CUDA error: out of memory",
    "CUBLAS_STATUS_ALLOC_FAILED",
    "was unable to find an engine to execute this computation",
)


def precision_for(config: TrainingConfig, device: torch.device) -> torch.dtype:
    """What the network computes in: the config's precision, or for "auto" the fastest that the device has.

    GPUs compute fast in bfloat16 from compute capability 8.0 (Ampere), in float16 from 7.0 (Volta, Turing).
    """
    if config.precision != "auto":
        precision: torch.dtype = getattr(torch, config.precision)
        return precision
    capability = torch.cuda.get_device_capability(device) if device.type == "cuda" else (0, 0)
    if capability >= (8, 0):
        return torch.bfloat16
    return torch.float16 if capability >= (7, 0) else torch.float32


def autocast_for(config: TrainingConfig, device: torch.device) -> torch.autocast:
    """A context in which the network computes in the config's precision."""
    precision = precision_for(config, device)
    # Torch checks the type even if autocast is disabled, and doesn't accept float32.
    rounded = precision != torch.float32
    return torch.autocast(device.type, precision if rounded else torch.bfloat16, enabled=rounded)


def scaler_for(config: TrainingConfig, device: torch.device) -> torch.amp.GradScaler:
    """Keeps gradients within the narrow range of float16; does nothing in other precisions."""
    return torch.amp.GradScaler(device.type, enabled=precision_for(config, device) == torch.float16)


def is_compiled(config: TrainingConfig, device: torch.device, *, images: int) -> bool:
    """Whether to compile the network: the config says so, or with so many images per epoch it pays."""
    if config.compile != "auto":
        return config.compile == "on"
    pays = device.type == "cuda" and images * config.epochs >= COMPILING_PAYS_FROM_IMAGES
    return pays and not problem_of(device)  # torch's compiler needs what our kernels need


@contextmanager
def tuned_backends(config: TrainingConfig) -> Iterator[None]:
    """Set torch's process-wide options for the block, and restore them afterwards.

    Matrix products and convolutions on a GPU round to TensorFloat-32 unless the precision is "float32".
    Without `deterministic`, cuDNN picks the fastest of its algorithms.
    """
    precision = torch.get_float32_matmul_precision()
    benchmark, rounds = torch.backends.cudnn.benchmark, torch.backends.cudnn.allow_tf32
    deterministic = torch.are_deterministic_algorithms_enabled()
    torch.set_float32_matmul_precision("highest" if config.precision == "float32" else "high")
    torch.backends.cudnn.allow_tf32 = config.precision != "float32"
    torch.backends.cudnn.benchmark = not config.deterministic
    if config.deterministic:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # cuBLAS refuses without it
    torch.use_deterministic_algorithms(config.deterministic)
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(precision)
        torch.backends.cudnn.benchmark, torch.backends.cudnn.allow_tf32 = benchmark, rounds
        torch.use_deterministic_algorithms(deterministic)


@contextmanager
def memory_freed_after_errors() -> Iterator[None]:
    """Clear the local variables of the functions that an expected error or Ctrl-C ends.

    A notebook keeps its last error, which keeps those variables and so the GPU memory that training uses: the
    next attempt, perhaps with smaller batches, would have only what is left. Other errors are for a debugger,
    which shows the variables.
    """
    handled = sys.exception()  # by the caller, whose frames are left alone
    try:
        yield
    except (LostAndFoundError, KeyboardInterrupt) as error:
        link: BaseException | None = error
        while link and link is not handled:
            traceback.clear_frames(link.__traceback__)
            link = link.__context__
        raise


def lacks_memory(error: Exception) -> bool:
    """Whether this is one of the errors by which torch and Python say that there is too little memory."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return any(text in str(error) for text in NO_MEMORY)


@contextmanager
def explained_memory(config: TrainingConfig, device: torch.device) -> Iterator[None]:
    """Turn torch's out-of-memory errors into one that says what to do.

    Raises:
        OutOfMemory: the block needed more than there is.
    """
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not lacks_memory(error):
            raise
        said = (str(error) or type(error).__name__).splitlines()[0]  # Python's own says nothing
        smaller = config.batch_size // 2
        if smaller < 2:
            raise OutOfMemory(
                f"{device} has too little memory for {config.architecture} at this size; "
                "use a smaller architecture or smaller pictures"
            ) from error
        raise OutOfMemory(
            f"{device} has too little memory for batches of {config.batch_size} pictures of {config.width}x"
            f"{config.height} with {config.architecture}; try batch_size {smaller}. "
            f"Finished epochs are kept. ({said})"
        ) from error
