"""How `scripts/colab-train` reads its options, clones the repository and makes an environment."""

import os
import shutil
import subprocess
import sys

import pytest

from lost_and_found.notebooks import read_notebook
from lost_and_found.workspace import REPOSITORY
from tests.colab_script import SCRIPT, functions, line_of


def test_a_clone_stays_at_its_tag_and_says_so_until_another_branch_is_wanted(tmp_path):
    origin = tmp_path / "origin"
    (origin / "scripts").mkdir(parents=True)

    def git(*arguments):
        identity = ("-c", "user.name=n", "-c", "user.email=e@example.org")
        subprocess.run(["git", *identity, *arguments], cwd=origin, check=True, capture_output=True)

    git("init", "--initial-branch", "main")
    for number in "12":
        (origin / "scripts/colab-train").write_text(number)
        (origin / "scripts/colab-train").chmod(0o755)
        git("add", ".")
        git("commit", "-m", number)
        git("tag", f"v{number}")
    script = "say() { echo $1; }\n" + functions("fail", "attempt", "fetch_repository")
    found = []
    for branch in ("v1", "", "main", ""):
        named = f"repository={origin} folder=clone branch={branch}; fetch_repository"
        done = subprocess.run(
            ["bash", "-c", f"{script}\n{named}"], cwd=tmp_path, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        found.append((tmp_path / "clone/scripts/colab-train").read_text())
        assert ("clone stays at v1; --branch NAME takes another" in done.stdout) == (len(found) == 2)
    assert found == ["1", "1", "2", "2"]


@pytest.fixture
def origin(tmp_path):
    """A repository with a script and a folder `benchmarks`, and a function that runs git in a folder."""

    def git(folder, *arguments):
        identity = ("-c", "user.name=n", "-c", "user.email=e@example.org")
        subprocess.run(["git", *identity, *arguments], cwd=tmp_path / folder, check=True, capture_output=True)

    for name in ("scripts/colab-train", "benchmarks/a"):
        (tmp_path / "origin" / name).parent.mkdir(parents=True)
        (tmp_path / "origin" / name).touch(mode=0o755)
    git("origin", "init", "--initial-branch", "main")
    git("origin", "add", ".")
    git("origin", "commit", "-m", "all")
    return git


def fetch(folder, repository, branch="", **environment):
    script = functions("say", "fail", "attempt", "fetch_repository") + "take_turn() { :; }\n"
    script += "repository=$1 folder=clone branch=$2; fetch_repository"
    command = ["bash", "-c", script, "x", repository, branch]
    environment = os.environ | {"HOME": str(folder)} | environment
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)


@pytest.mark.parametrize("given", ["https://example.org/origin", "{folder}/link", "{folder}/origin/"])
def test_a_clone_is_known_again_by_an_address_that_git_replaces_or_that_has_other_names(
    tmp_path, origin, given
):
    given = given.format(folder=tmp_path)
    (tmp_path / "link").symlink_to(tmp_path / "origin")
    (tmp_path / ".gitconfig").write_text(f'[url "{tmp_path}/"]\n\tinsteadOf = https://example.org/\n')
    environment = os.environ | {"HOME": str(tmp_path)}
    subprocess.run(["git", "clone", "--quiet", given, "clone"], cwd=tmp_path, env=environment, check=True)
    done = fetch(tmp_path, given)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_clone_with_changes_of_its_own_is_left_as_it_is_with_what_to_do(tmp_path, origin):
    assert fetch(tmp_path, "origin").returncode == 0
    for folder, text in (("origin", "newer"), ("clone", "own")):
        (tmp_path / folder / "benchmarks/a").write_text(text)
    origin("origin", "commit", "--all", "-m", "more")
    done = fetch(tmp_path, "origin")
    assert done.returncode == 1
    assert "benchmarks/a" in done.stderr
    assert done.stderr.splitlines()[-1].startswith("error: repository: Please commit your changes or stash")
    # Nor is a folder taken for a branch, and taken back.
    done = fetch(tmp_path, "origin", "benchmarks")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == "error: repository: fatal: invalid reference: benchmarks"
    assert (tmp_path / "clone/benchmarks/a").read_text() == "own"


def test_a_clone_that_lost_its_script_says_how_to_get_it_back(tmp_path, origin):
    assert fetch(tmp_path, "origin").returncode == 0
    shutil.rmtree(tmp_path / "clone/scripts")
    assert "if it was deleted: git -C clone checkout -- ." in fetch(tmp_path, "origin").stderr


def write_killed_git(folder):
    """What git has written by the time that it asks for the objects, when it is killed."""
    (folder / "git").write_text(
        f'#!/bin/sh\nfor place; do :; done\n{shutil.which("git")} init --quiet "$place"\nkill -KILL $$\n'
    )
    (folder / "git").chmod(0o755)
    return folder / "git"


def test_a_clone_that_was_killed_half_way_is_made_anew(tmp_path):
    (tmp_path / "origin/scripts").mkdir(parents=True)
    (tmp_path / "origin/scripts/colab-train").touch(mode=0o755)
    git = ["git", "-C", tmp_path / "origin", "-c", "user.name=n", "-c", "user.email=e@example.org"]
    for command in (["init", "--quiet"], ["add", "."], ["commit", "--quiet", "-m", "all"]):
        subprocess.run([*git, *command], check=True)
    write_killed_git(tmp_path)
    script = "say() { :; }\n" + functions("fail", "attempt", "fetch_repository")
    script += "repository=origin folder=clone branch=; fetch_repository"

    def run(path):
        environment = {**os.environ, "PATH": path}
        return subprocess.run(["bash", "-c", script], cwd=tmp_path, env=environment, capture_output=True)

    assert run(f"{tmp_path}:{os.environ['PATH']}").returncode != 0
    assert list(tmp_path.glob("clone*"))
    assert run(os.environ["PATH"]).returncode == 0
    assert (tmp_path / "clone/scripts/colab-train").exists()


def test_the_notebook_clones_anew_what_was_stopped_half_way_and_shows_what_git_says(
    tmp_path, origin, monkeypatch
):
    cells = [cell.source for cell in read_notebook(REPOSITORY / "3-training/colab.ipynb").cells]
    code = "\n".join(cell for cell in cells if cell.startswith("import ") or '"clone"' in cell)

    def run(repository):
        exec(code, {"root": str(tmp_path / "root"), "repository": str(repository), "branch": ""})

    (tmp_path / "root").mkdir()
    with pytest.raises(AssertionError, match=r"repository '.*absent' does not exist"):
        run(tmp_path / "absent")
    git = write_killed_git(tmp_path)
    with monkeypatch.context() as path, pytest.raises(AssertionError):
        path.setenv("PATH", f"{git.parent}:{os.environ['PATH']}")
        run(tmp_path / "origin")
    assert list((tmp_path / "root").glob("lost-and-found*"))
    run(tmp_path / "origin")
    assert [path.name for path in (tmp_path / "root").iterdir()] == ["lost-and-found"]


def test_two_trainings_that_begin_at_once_make_one_clone(tmp_path):
    origin = tmp_path / "origin"
    (origin / "scripts").mkdir(parents=True)
    (origin / "scripts/colab-train").touch(mode=0o755)
    git = ["git", "-C", origin, "-c", "user.name=n", "-c", "user.email=e@example.org"]
    for command in (["init", "--quiet"], ["add", "."], ["commit", "--quiet", "-m", "all"]):
        subprocess.run([*git, *command], check=True)
    script = functions("say", "fail", "attempt", "fetch_repository")
    script += line_of("take_turn()")
    script += 'git() { command git "$@" && { [ "$1" != clone ] || sleep 1; }; }\n'  # a slow connection
    script += "repository=origin folder=new/clone branch=; sleep $1; fetch_repository"
    both = [subprocess.Popen(["bash", "-c", script, "x", wait_s], cwd=tmp_path) for wait_s in ("0", "0.5")]
    assert [one.wait() for one in both] == [0, 0]
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["clone"]
    assert {path.name for path in (tmp_path / "new/clone").iterdir()} == {".git", "scripts"}


def test_an_environment_is_made_without_modules_from_the_folder_in_which_the_script_is_called(tmp_path):
    (tmp_path / "argparse.py").write_text("raise SystemExit('this was imported')")
    script = "\n".join(line for line in SCRIPT.read_text().splitlines() if line.startswith("export ")) + "\n"
    script += functions("say", "fail", "attempt", "make_environment")
    script += f'checkout={REPOSITORY}; make_environment "{sys.executable}" made'
    done = subprocess.run(["bash", "-c", script], cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "made" / "bin" / "python").exists()


def test_a_python_that_is_not_there_is_told_with_the_variable_that_names_it():
    script = functions("fail", "install_dependencies") + line_of("say()") + "checkout=x; install_dependencies"
    environment = os.environ | {"LOST_AND_FOUND_PYTHON": "python9"}
    done = subprocess.run(["bash", "-c", script], env=environment, capture_output=True, text=True)
    advice = "there is no python9; install it, or name another Python in LOST_AND_FOUND_PYTHON"
    assert (done.returncode, done.stderr) == (1, f"error: dependencies: {advice}\n")


def test_packages_go_to_the_environment_also_where_pip_is_set_to_install_for_the_user(tmp_path):
    (tmp_path / "base").write_text('#!/bin/sh\n[ "$5" != install ] || echo "user: $PIP_USER"\n')
    (tmp_path / "base").chmod(0o755)
    script = functions("install_with_pip") + "python=other; install_with_pip ./base six"
    environment = os.environ | {"PIP_USER": "1"}
    done = subprocess.run(
        ["bash", "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert done.stdout == "user: 0\n", done.stderr


def test_minutes_with_a_leading_zero_are_no_octal_number():
    script = functions("fail", "parse")
    script += "parameters=() handed_on=(); parse --copy-every 08; echo $((copy_every * 60))"
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True)
    assert done.stdout == "480\n", done.stderr
