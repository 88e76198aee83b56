"""What pip must install from `poetry.lock` beside a torch that is already there.

`python -m lost_and_found.requirements` prints what this Python lacks, one `name==version` per line; with
`--note`, a note if its torch isn't one that this project is tested with. It runs before anything is
installed, so it needs only the standard library and `packaging`, or pip's copy of that.
"""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Sequence
from importlib import import_module, metadata
from pathlib import Path
from typing import Any

LOCK = Path(__file__).resolve().parents[1] / "poetry.lock"
PROJECT = LOCK.with_name("pyproject.toml")
# A machine's own torch was built for its GPU and driver; it and what comes with it are never replaced.
OF_THE_MACHINE = ("torch", "torchvision", "triton")
FAMILIES_OF_THE_MACHINE = ("nvidia-", "cuda-")
GROUP = "main"


def locked_requirements(lock: Path = LOCK) -> list[str]:
    """`name==version` of each package that users need on this platform, except torch and what comes with it.

    Raises:
        FileNotFoundError: there is no lock.
    """
    packages = tomllib.loads(lock.read_text())["package"]
    return [f"{one['name']}=={one['version']}" for one in packages if _is_wanted(one)]


def _is_wanted(package: dict[str, Any]) -> bool:
    if GROUP not in package["groups"]:
        return False
    if package["name"] in OF_THE_MACHINE or package["name"].startswith(FAMILIES_OF_THE_MACHINE):
        return False
    markers = package.get("markers", "")
    text = markers.get(GROUP, "") if isinstance(markers, dict) else markers
    return not text or _packaging("markers").Marker(text).evaluate()


def _packaging(module: str) -> Any:  # noqa: ANN401 - of one library or the other
    try:
        return import_module(f"packaging.{module}")
    except ImportError:
        return import_module(f"pip._vendor.packaging.{module}")


def torch_note(project: Path = PROJECT) -> str:
    """A note on a torch outside the range in `pyproject.toml`, which is kept anyway; empty if it fits."""
    wanted = tomllib.loads(project.read_text())["project"]["dependencies"]
    requirements = [_packaging("requirements").Requirement(one) for one in wanted]
    (asked,) = [one for one in requirements if one.name == "torch"]
    installed = installed_version("torch")
    if installed is None or asked.specifier.contains(installed, prereleases=True):
        return ""
    return f"torch {installed} is used; this project is tested with torch {asked.specifier}, and may need it"


def missing(requirements: Sequence[str]) -> list[str]:
    """The requirements that this Python doesn't have in exactly that version."""
    return [
        one for one in requirements if installed_version(one.partition("==")[0]) != one.partition("==")[2]
    ]


def installed_version(name: str) -> str | None:
    """The version of a package; None if it isn't installed, or only imported from a working tree."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


if __name__ == "__main__":
    if sys.argv[1:] == ["--note"]:
        print(torch_note())
    else:
        sys.stdout.writelines(f"{one}\n" for one in missing(locked_requirements()))
