"""What a run was trained with: the machine, the packages, and the training code.

Results may depend on all of these; a run is taken up or loaded all the same, with a warning.
"""

from __future__ import annotations

import platform
import subprocess
import warnings
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from lost_and_found.digests import digest
from lost_and_found.requirements import installed_version

PACKAGES = ("lost-and-found", "torch", "torchvision", "numpy", "pandas", "pillow")


def environment(device: torch.device) -> dict[str, Any]:
    """What the results may depend on: versions, device, and the commit if the code is a git checkout."""
    is_gpu = device.type == "cuda"
    return {
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": {name: installed_version(name) for name in PACKAGES},
        "device": torch.cuda.get_device_name(device) if is_gpu else f"{device.type} {platform.machine()}",
        "threads": torch.get_num_threads(),
        "code": code_digest(),
        "git_commit": _git_commit(),
    }


def warn_of_other_code(begun: Mapping[str, Any], *, name: str, so: str) -> None:
    """Warn if a run was started with other code, or another torch, than the present ones.

    Args:
        begun: content of `environment.json`.
        name: of the run's folder.
        so: what happens to the run now.
    """
    now = {"code": code_digest(), "torch": installed_version("torch")}
    then = {"code": begun.get("code"), "torch": begun.get("packages", {}).get("torch")}
    then = {key: value or now[key] for key, value in then.items()}  # say nothing about what isn't known
    if now != then:
        other = " and ".join(f"{key} {then[key]} (here: {now[key]})" for key in now if now[key] != then[key])
        warnings.warn(
            f"{name} was started with {other}; {so}, and training it again may give different results",
            stacklevel=3,
        )


def code_digest() -> str:
    """12 hex digits that change whenever the training code does."""
    sources = sorted(Path(__file__).resolve().parent.rglob("*.py"))
    return digest(b"".join(path.read_bytes() for path in sources))[:12]


def _git_commit() -> str | None:
    here = Path(__file__).resolve().parent
    command = ["git", "-C", str(here), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return None
    return answer.stdout.strip() or None
