"""The functions of `scripts/colab-train`, called by themselves: cloning, copying, stopping."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path

import psutil
import pytest

from lost_and_found.notebooks import read_notebook
from lost_and_found.workspace import REPOSITORY

SCRIPT = REPOSITORY / "scripts" / "colab-train"


def functions(*names):
    """Some of the script's functions, verbatim."""
    text = SCRIPT.read_text()
    return "set -euo pipefail; shopt -s nullglob\n" + "".join(
        text[(start := text.index(f"\n{name}()")) : text.index("\n}\n", start) + 3] for name in names
    )


def line_of(start):
    """The one line of the script that starts so."""
    (found,) = [line for line in SCRIPT.read_text().splitlines() if line.startswith(start)]
    return found + "\n"


EPOCHS_OF = line_of("epochs_of()")


@pytest.mark.parametrize("left", [True, False])
def test_a_copy_that_was_being_replaced_when_the_machine_went_away_is_not_lost(tmp_path, left):
    if left:  # of the older copy, which is removed file by file
        (tmp_path / "kept/runs/.r.partial").mkdir(parents=True)
        (tmp_path / "kept/runs/.r.partial/metrics.csv").touch()
    whole = tmp_path / "kept/runs/.newer/.r.partial"
    whole.mkdir(parents=True)
    (whole / "checkpoint.pt").write_text("of epoch 40")
    (tmp_path / "out/runs").mkdir(parents=True)
    script = functions("copy_once", "name_newer", "stage_run", "stage_results") + EPOCHS_OF
    script += "value_of() { echo 64; }; kept=kept output=out; stage_results"
    subprocess.run(["bash", "-c", script], cwd=tmp_path, check=True)
    assert (tmp_path / "out/runs/.r.partial/checkpoint.pt").read_text() == "of epoch 40"


def test_a_machine_that_begins_takes_the_newer_copy_and_leaves_the_drive_to_the_one_that_is_replacing_it(
    tmp_path,
):
    for epochs, folder in enumerate(("kept/runs/.r.partial", "kept/runs/.newer/.r.partial"), start=1):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "metrics.csv").write_text("line\n" * epochs)
    before = sorted((tmp_path / "kept").rglob("*"))
    script = functions("copy_once", "name_newer", "stage_run", "stage_results") + EPOCHS_OF
    script += "value_of() { echo 64; }; kept=kept output=out; stage_results"
    subprocess.run(["bash", "-c", script], cwd=tmp_path, check=True)
    assert (tmp_path / "out/runs/.r.partial/metrics.csv").read_text() == "line\n" * 2
    assert sorted((tmp_path / "kept").rglob("*")) == before


def test_a_run_that_is_finished_leaves_no_copies_of_what_it_was_before(tmp_path):
    (tmp_path / "out/runs/r").mkdir(parents=True)
    for left in (".r.partial", ".newer/.r.partial", ".newer/..r.partial.copying"):  # the last one by a kill
        (tmp_path / "kept/runs" / left).mkdir(parents=True)
    script = (
        functions("copy_once", "copy_unfinished", "copy_back") + "kept=kept output=out dataset=d; copy_back"
    )
    subprocess.run(["bash", "-c", script], cwd=tmp_path, check=True)
    left = {path.name for path in (tmp_path / "kept/runs").rglob("*")}
    assert left == {"r", ".newer"}


def test_a_run_that_another_machine_goes_on_with_is_not_replaced_by_what_this_one_took_of_it(tmp_path):
    kept, here = (tmp_path / folder / "runs/.r.partial/checkpoint.pt" for folder in ("kept", "out"))
    kept.parent.mkdir(parents=True)
    kept.write_text("of epoch 1")
    script = functions("stage_run", "stage_results", "name_newer", "copy_once", "copy_unfinished") + EPOCHS_OF
    script += functions("copy_back") + "value_of() { echo 64; }; kept=kept output=out dataset=d; "

    def run(step):
        subprocess.run(["bash", "-c", script + step], cwd=tmp_path, check=True)

    run("stage_results")
    kept.write_text("of epoch 2")
    run("copy_back")
    assert kept.read_text() == "of epoch 2"
    here.write_text("of epoch 3")  # this machine goes on with it after all
    run("copy_back")
    assert kept.read_text() == "of epoch 3"


@pytest.mark.parametrize(
    ("there", "lines", "locked", "expected"),
    [
        (".r.partial", 40, False, ".r.partial of 40 lines"),  # another machine went on
        (".r.partial", 11, False, ".r.partial of 11 lines"),
        (".r.partial", 10, False, ".r.partial of 10 lines, begun here"),
        (".r.partial", 40, True, ".r.partial of 10 lines, begun here"),  # it is being trained
        ("r", 40, False, "r of 40 lines"),
    ],
)
def test_a_run_that_another_machine_took_further_is_not_trained_again_from_where_this_one_was(
    tmp_path, there, lines, locked, expected
):
    for folder, count in ((f"kept/runs/{there}", lines), ("out/runs/.r.partial", 10)):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "metrics.csv").write_text("line\n" * count)
    (tmp_path / "out/runs/.r.partial/begun here").touch()
    script = functions("stage_run", "stage_results", "name_newer", "copy_once") + EPOCHS_OF
    script += "value_of() { echo 64; }; kept=kept output=out; "
    script += "exec 8>out/runs/.r.lock; flock 8; " if locked else ""
    subprocess.run(["bash", "-c", script + "stage_results"], cwd=tmp_path, check=True)
    (run,) = [path for path in (tmp_path / "out/runs").iterdir() if path.is_dir()]
    found = f"{run.name} of {len((run / 'metrics.csv').read_text().splitlines())} lines"
    assert found + (", begun here" if (run / "begun here").exists() else "") == expected


def children_of(pid):
    """The command lines of its child processes, without those that have just ended."""
    found = []
    for child in psutil.Process(pid).children():
        with contextlib.suppress(psutil.NoSuchProcess):
            found.append(child.cmdline())
    return found


@pytest.mark.parametrize("same", [True, False])
def test_two_machines_copy_to_one_drive_at_once_and_whole(tmp_path, same):
    """A cache that both have made, and the runs that each has begun."""
    script = functions("fail", "attempt", "copy_once", "name_newer", "copy_unfinished", "copy_back")
    script += line_of("say()") + "kept=kept output=$1 dataset=d\n"
    script += (
        'cp() { mkdir "$3" && for one in "$2"/*; do command cp "$one" "$3/" && sleep 0.5 || return; done; }\n'
    )
    script += 'sleep "$2"; attempt "copying back" copy_back'
    names = (
        {"one": "pixels/c", "two": "pixels/c"}
        if same
        else {"one": "runs/.1.partial", "two": "runs/.2.partial"}
    )
    for machine, name in names.items():
        (tmp_path / machine / name).mkdir(parents=True)
        for file in "abc":
            (tmp_path / machine / name / file).touch()
    both = [
        subprocess.Popen(
            ["bash", "-c", script, "x", machine, wait_s],
            cwd=tmp_path,
            env=os.environ | {"HOSTNAME": machine},
            stderr=subprocess.PIPE,
            text=True,
        )
        for machine, wait_s in (("one", "0"), ("two", "1.2"))
    ]
    assert [(one.communicate()[1], one.returncode) for one in both] == [("", 0), ("", 0)]
    for name in names.values():
        assert [path.name for path in sorted((tmp_path / "kept" / name).iterdir())] == ["a", "b", "c"]
    assert not list((tmp_path / "kept").rglob("*.copying"))


def test_a_connection_that_is_lost_stops_the_training_and_lets_it_be_copied(tmp_path):
    saving = "touch told; while [ ! -e again ]; do sleep 0.1 || true; done; touch saved; exit 129"
    program = f'trap true TERM; trap "{saving}" HUP; while true; do sleep 0.1 || true; done'
    script = f"train=(bash -c '{program}')\n"
    script += functions("fail", "stop", "run_training", "attempt_copy")
    script += line_of("say()")
    script += "stopped= copy_every=10; run_training . || echo $? $stopped; kill -HUP $$; echo copied"
    terminal, theirs = os.openpty()
    # Under nohup the signal would be ignored, as it should be.
    running = subprocess.Popen(
        ["env", "--default-signal=HUP", "bash", "-c", script],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=theirs,
        text=True,
        start_new_session=True,
    )
    os.close(theirs)
    while ["sleep", "1"] not in children_of(running.pid):  # until it waits, and so responds to signals
        time.sleep(0.05)
    os.close(terminal)
    os.killpg(running.pid, signal.SIGHUP)
    while not (tmp_path / "told").exists() and running.poll() is None:
        time.sleep(0.05)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(running.pid, signal.SIGHUP)  # once by the shell that ends, once by the system
    time.sleep(0.5)
    (tmp_path / "again").touch()
    assert running.communicate(timeout=60)[0] == "129 129\ncopied\n"
    assert (tmp_path / "saved").exists()


def test_a_training_is_stopped_and_copied_also_when_what_reads_its_output_has_ended_before(tmp_path):
    saving = "echo saving >&2 && sleep 0.5 && echo saved >&2 && touch saved; exit 143"
    program = f'trap "{saving}" TERM; for n in {{1..600}}; do sleep 0.1 || true; done'
    script = f"train=(bash -c '{program}')\n"
    script += functions("fail", "stop", "run_training", "attempt_copy") + line_of("say()")
    script += "stopped= copy_every=10; run_training . || echo $? $stopped; say more; echo copied"
    with subprocess.Popen(
        ["env", "--default-signal=PIPE", "bash", "-c", script],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as running:
        while ["sleep", "1"] not in children_of(running.pid):  # until it waits, and so responds to signals
            time.sleep(0.05)
        running.stderr.close()  # as by tee, which Ctrl-C reaches too
        running.terminate()
        assert running.stdout.read() == "143 143\ncopied\n"
    assert (tmp_path / "saved").exists()


def test_two_trainings_of_one_checkout_copy_in_turn_and_whole(tmp_path):
    (tmp_path / "out/runs/r").mkdir(parents=True)
    for name in ("model.safetensors", "metrics.csv"):
        (tmp_path / "out/runs/r" / name).write_text(name)
    script = functions("say", "take_turn", "copy_once", "copy_unfinished", "copy_back", "copy_in_turn")
    script += 'cp() { mkdir "$3" && sleep 1 && command cp "$2"/* "$3"; }\n'  # a slow drive
    script += "drive=. kept=kept output=out dataset=d; exec 9<.; sleep $1; copy_in_turn"
    (tmp_path / "lost-and-found").mkdir()
    both = [subprocess.Popen(["bash", "-c", script, "x", wait_s], cwd=tmp_path) for wait_s in ("0", "0.5")]
    assert [one.wait() for one in both] == [0, 0]
    assert len(list(tmp_path.glob("kept/runs/r/*"))) == 2


def test_where_the_drive_was_nothing_is_written_when_it_is_no_longer_mounted(tmp_path):
    (tmp_path / "out/runs/r").mkdir(parents=True)
    (tmp_path / "drive").mkdir()  # the empty mount point
    script = functions("fail", "attempt", "copy_once", "copy_back", "copy_in_turn") + line_of("say()")
    script += line_of("take_turn()") + "drive=drive kept=drive/lost-and-found/d output=out dataset=d; "
    script += 'exec 9<.; attempt "copying back" copy_in_turn'
    done = subprocess.run(["bash", "-c", script], cwd=tmp_path, capture_output=True, text=True)
    told = "error: copying back: there is no folder drive/lost-and-found now; mount the Drive\n"
    assert (done.returncode, done.stderr) == (1, told)
    assert not list((tmp_path / "drive").iterdir())


def test_a_drive_that_can_only_be_read_is_told_before_anything_is_trained():
    with tempfile.TemporaryDirectory() as drive:
        Path(drive).chmod(0o755)
        (Path(drive) / "lost-and-found").mkdir(mode=0o555)
        script = functions("fail", "find_drive") + line_of("say()") + "drive=$1 dataset=d; find_drive"
        done = subprocess.run(
            ["bash", "-c", script, "x", drive],
            user="nobody" if os.geteuid() == 0 else None,  # root may write anywhere
            cwd="/",
            capture_output=True,
            text=True,
        )
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: drive: {drive}/lost-and-found can't be written; allow it, or")


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


@pytest.mark.parametrize("taken", ["out", "out/.staged.new"])
def test_a_place_that_cannot_be_written_is_told_as_what_fails_the_step(tmp_path, taken):
    (tmp_path / "2-data-preparation/02-enrich-records").mkdir(parents=True)
    with tarfile.open(tmp_path / "kept.tar", "w") as archive:
        archive.add(tmp_path / "2-data-preparation/02-enrich-records", "2-data-preparation/02-enrich-records")
    if taken == "out":
        (tmp_path / taken).touch()
    else:
        (tmp_path / taken / "folder").mkdir(parents=True)  # not replaced by a file, not even for root
    script = functions("say", "fail", "attempt", "stage_archive", "note_staged")
    script += "kept=kept output=out root=. dataset=d; stage_archive"
    done = subprocess.run(["bash", "-c", script], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("error: data: "), done.stderr
    assert not (tmp_path / "out/.staged").exists()


@pytest.mark.parametrize(
    ("kind", "target", "told"),
    [
        (tarfile.SYMTYPE, "../../../elsewhere", " -> ../../../elsewhere"),
        (tarfile.LNKTYPE, ".env", " link to .env"),  # whose copy on the drive others could read
        (tarfile.FIFOTYPE, "", ""),
    ],
    ids=["symbolic link", "hard link", "pipe"],
)
def test_an_archive_with_links_or_devices_is_not_unpacked(tmp_path, kind, target, told):
    (tmp_path / ".env").write_text("WANDB_API_KEY=x")
    name = "3-training/01-train-model/d/odd one"
    with tarfile.open(tmp_path / "kept.tar", "w") as archive:
        for member in ("data-lists/d.train.txt", name):
            odd = tarfile.TarInfo(member)
            if member == name:
                odd.type, odd.linkname = kind, target
            archive.addfile(odd)
    script = functions("say", "fail", "attempt", "stage_archive", "note_staged")
    script += "kept=kept output=out root=. dataset=d; stage_archive"
    done = subprocess.run(["bash", "-c", script], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 1
    assert f"kept.tar holds {name}{told}, which is not part of a dataset" in done.stderr.splitlines()[-1]
    assert not (tmp_path / "data-lists").exists()


def test_an_archive_that_was_copied_half_way_is_told_as_the_reason(tmp_path):
    place = "2-data-preparation/02-enrich-records/d"
    (tmp_path / place).mkdir(parents=True)
    (tmp_path / place / "a.png").write_bytes(bytes(100_000))
    with tarfile.open(tmp_path / "kept.tar", "w") as archive:
        archive.add(tmp_path / place, place)
    os.truncate(tmp_path / "kept.tar", 50_000)
    script = functions("say", "fail", "attempt", "stage_archive", "note_staged")
    script += "kept=kept output=out root=. dataset=d; stage_archive"
    done = subprocess.run(["bash", "-c", script], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 1
    advice = "kept.tar is cut short or damaged; copy it there again (tar: Unexpected EOF in archive)"
    assert done.stderr.splitlines()[-1] == f"error: data: {advice}"
    assert not (tmp_path / "out/.staged").exists()


@pytest.mark.parametrize("locale", ["C", "C.UTF-8"])
def test_pixels_that_came_with_the_archive_are_not_copied_to_the_drive_again_whatever_they_are_called(
    tmp_path, locale
):
    place = "3-training/01-train-model/größe/pixels/größe.train-64x36"
    (tmp_path / "from" / place).mkdir(parents=True)
    (tmp_path / "from" / place / "cache.json").write_text("{}")
    with tarfile.open(tmp_path / "größe.tar", "w") as archive:
        archive.add(tmp_path / "from" / place, place)
    script = functions("say", "fail", "attempt", "stage_archive", "note_staged", "copy_once", "copy_back")
    script += (
        f"kept=größe root=. output={place.partition('/pixels')[0]} dataset=größe; stage_archive; copy_back"
    )
    environment = os.environ | {"LC_ALL": locale}
    subprocess.run(["bash", "-c", script], cwd=tmp_path, env=environment, check=True)
    assert (tmp_path / place / "cache.json").exists()
    assert not (tmp_path / "größe").exists()


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
