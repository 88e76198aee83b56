"""What must be installed from the lock beside a torch that is already there."""

import shutil
import subprocess
import sys
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
    ("installed", "wanted", "note"),
    [
        ("2.9.1", "torch>=2,<99", ""),
        ("2.9.0a0+50eac81", "torch>=2,<99", ""),  # as in NVIDIA's containers
        (None, "torch>=2,<99", ""),
        (
            "2.9.1",
            "torch>=98,<99",
            "torch 2.9.1 is used; this project is tested with torch <99,>=98, and may",
        ),
    ],
)
def test_a_torch_that_the_project_is_not_tested_with_is_noted(tmp_path, monkeypatch, installed, wanted, note):
    (tmp_path / "pyproject.toml").write_text(f'[project]\ndependencies = ["torchvision>=1", "{wanted}"]\n')
    monkeypatch.setattr(requirements, "installed_version", {"torch": installed}.get)
    said = requirements.torch_note(tmp_path / "pyproject.toml")
    assert said.startswith(note) and bool(said) == bool(note)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [([], "absent==1.0\n"), (["--note"], f"torch {version('torch')} is used; this project is tested with")],
)
def test_the_command_prints_what_is_missing_or_the_note(tmp_path, arguments, said):
    (tmp_path / "package").mkdir()
    script = shutil.copy(requirements.__file__, tmp_path / "package")
    locked(tmp_path, ("numpy", ["main"], ""), ("absent", ["main"], ""))
    lock = tmp_path / "poetry.lock"
    lock.write_text(
        lock.read_text().replace("'numpy'\nversion = '1.0'", f"'numpy'\nversion = '{version('numpy')}'")
    )
    (tmp_path / "pyproject.toml").write_text('[project]\ndependencies = ["torch>=98"]\n')
    done = subprocess.run([sys.executable, script, *arguments], capture_output=True, text=True, check=True)
    assert done.stdout.startswith(said)


def test_pips_copy_of_packaging_does_where_there_is_no_other(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "packaging.markers", None)
    marked = locked(tmp_path, ("for-both", ["main"], "markers = \"python_version > '3'\""))
    assert marked == ["for-both==1.0"]


def test_the_torch_of_the_lock_is_one_that_the_project_is_tested_with():
    assert requirements.torch_note() == ""
