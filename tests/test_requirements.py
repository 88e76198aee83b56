"""What must be installed from the lock beside a torch that is already there."""

import re
from importlib.metadata import version

import pytest

from lost_and_found import requirements


def locked(tmp_path, *packages):
    text = "".join(
        f"[[package]]\nname = {name!r}\nversion = '1.0'\noptional = false\ngroups = {groups!r}\n{more}\n"
        for name, groups, more in packages
    )
    (tmp_path / "poetry.lock").write_text(text)
    return requirements.locked_requirements(tmp_path / "poetry.lock")


def test_users_packages_of_this_platform_are_required_and_none_that_torch_brings(tmp_path):
    wanted = locked(
        tmp_path,
        ("plain", ["main"], ""),
        (
            "for-both",
            ["main", "dev"],
            "markers = {main = \"python_version > '3'\", dev = \"os_name == 'x'\"}",
        ),
        ("for-tests", ["dev"], ""),
        ("for-windows", ["main"], "markers = \"sys_platform == 'amiga'\""),
        *(
            (name, ["main"], "")
            for name in ("torch", "torchvision", "triton", "nvidia-cublas", "cuda-toolkit")
        ),
        ("torchmetrics", ["main"], ""),
    )
    assert wanted == ["plain==1.0", "for-both==1.0", "torchmetrics==1.0"]


def test_nothing_is_missing_where_the_lock_is_installed():
    wanted = requirements.locked_requirements()
    assert any(one.startswith("numpy==") for one in wanted)
    assert requirements.missing([*wanted, "numpy==0.1", "no-such-package==1.0"]) == [
        "numpy==0.1",
        "no-such-package==1.0",
    ]


@pytest.mark.parametrize(
    ("wanted", "note"),
    [
        ("torch>=2,<99", ""),
        ("torch>=98,<99", rf"torch {version('torch')} is used; .* tested with torch .*>=98.*"),
    ],
)
def test_a_torch_that_the_project_is_not_tested_with_is_noted(tmp_path, wanted, note):
    (tmp_path / "pyproject.toml").write_text(f'[project]\ndependencies = ["torchvision>=1", "{wanted}"]\n')
    assert re.fullmatch(note, requirements.torch_note(tmp_path / "pyproject.toml"))


def test_the_torch_of_the_lock_is_one_that_the_project_is_tested_with():
    assert requirements.torch_note() == ""
