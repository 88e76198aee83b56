"""What the repository promises about itself: the lock, the layout, the words it avoids."""

import ast
import re
import subprocess
import sys
import tomllib
from collections import Counter
from graphlib import TopologicalSorter

import pytest

from lost_and_found.workspace import REPOSITORY


def test_the_lock_holds_one_version_of_each_gpu_library():
    # Two versions of nvidia-cublas in one environment make `import torch` die with a segmentation fault.
    packages = tomllib.loads((REPOSITORY / "poetry.lock").read_text())["package"]
    versions = Counter(package["name"] for package in packages if package["name"].startswith("nvidia"))
    assert versions
    assert {name: count for name, count in versions.items() if count > 1} == {}


def test_the_lock_names_no_package_source():
    assert "[package.source]" not in (REPOSITORY / "poetry.lock").read_text()


def test_every_error_type_is_raised_somewhere():
    errors = re.findall(
        r"^class (\w+)\(LostAndFoundError\)", (REPOSITORY / "lost_and_found/errors.py").read_text(), re.M
    )
    code = "\n".join(path.read_text() for path in (REPOSITORY / "lost_and_found").rglob("*.py"))
    # Created, to be exact: some are returned by a function for its caller to raise.
    assert [name for name in errors if not re.search(rf"(?<!class )\b{name}\(", code)] == []


@pytest.mark.parametrize(
    ("package", "forbidden"),
    [
        ("geo", "practice|collection|preparation|training|evaluation|human_baseline"),
        ("practice", "collection|preparation|training|evaluation|human_baseline"),
        ("collection", "preparation|training|evaluation|human_baseline"),
        ("preparation", "practice|training|evaluation|human_baseline"),
        ("training", "practice|evaluation|human_baseline"),
        ("evaluation", "practice|human_baseline"),
    ],
)
def test_no_stage_imports_a_later_one(package, forbidden):
    for path in (REPOSITORY / "lost_and_found" / package).rglob("*.py"):
        imports = re.findall(
            rf"^\s*(?:from|import) lost_and_found\.(?:{forbidden})\b.*", path.read_text(), re.M
        )
        assert imports == [], path


def test_no_module_imports_one_that_imports_it_even_by_way_of_others():
    paths = {
        ".".join(path.relative_to(REPOSITORY).with_suffix("").parts).removesuffix(".__init__"): path
        for path in (REPOSITORY / "lost_and_found").rglob("*.py")
    }
    imported = {}
    for name, path in paths.items():
        # Imports within functions count too, but not those for type checkers only.
        tree = ast.parse(re.sub(r"^if TYPE_CHECKING:\n(    .*\n)+", "", path.read_text(), flags=re.M))
        froms = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
        found = {f"{node.module}.{one.name}" for node in froms for one in node.names}
        imported[name] = {one if one in paths else one.rpartition(".")[0] for one in found} & paths.keys()
    TopologicalSorter(imported).prepare()  # raises if there is a cycle


@pytest.mark.parametrize(
    ("library", "homes"),
    [
        ("wandb", ("training/tracking.py",)),
        ("playwright", ("collection/",)),
        ("gradio", ("pages.py", "human_baseline/", "evaluation/guess_page.py")),
    ],
)
def test_services_are_imported_where_they_belong(library, homes):
    for path in (REPOSITORY / "lost_and_found").rglob("*.py"):
        if re.search(rf"^\s*(?:from|import) {library}\b", path.read_text(), re.M):
            assert str(path.relative_to(REPOSITORY / "lost_and_found")).startswith(homes)


def test_importing_the_loader_is_quiet_and_light():
    code = "import sys, lost_and_found.data_loader; print('torch' in sys.modules, 'wandb' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, cwd="/"
    )
    assert (done.stdout, done.stderr) == ("False False\n", "")


def test_git_ignores_what_a_killed_process_leaves():
    left = ["data-lists/.made.train.txt.123.tmp", ".practice.tar.123.tmp"]
    ignored = subprocess.run(
        ["git", "-C", REPOSITORY, "check-ignore", "--no-index", *left], capture_output=True, text=True
    )
    assert ignored.stdout.splitlines() == left
