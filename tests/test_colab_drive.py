"""What `scripts/colab-train` takes from the drive and copies to it."""

import contextlib
import os
import signal
import subprocess
import tarfile
import tempfile
import time
from pathlib import Path

import pytest

from tests.colab_script import EPOCHS_OF, children_of, functions, line_of


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


@pytest.mark.parametrize(("here", "expected"), [(39, 40), (40, 40), (41, 41)])
def test_a_run_that_another_machine_trains_too_is_replaced_only_by_one_that_is_as_far(
    tmp_path, here, expected
):
    for folder, epochs in (("kept", 40), ("out", here)):
        run = tmp_path / folder / "runs/.r.partial"
        run.mkdir(parents=True)
        (run / "metrics.csv").write_text("line\n" * epochs)
        (run / "checkpoint.pt").write_text(folder)
    script = functions("copy_once", "name_newer", "copy_unfinished", "copy_back") + EPOCHS_OF
    script += "kept=kept output=out dataset=d; copy_back"
    subprocess.run(["bash", "-c", script], cwd=tmp_path, check=True)
    kept = tmp_path / "kept/runs/.r.partial"
    assert len((kept / "metrics.csv").read_text().splitlines()) == expected
    assert (kept / "checkpoint.pt").read_text() == ("out" if here >= 40 else "kept")


@pytest.mark.parametrize("same", [True, False])
@pytest.mark.parametrize("hosts", ["one two", "one one"], ids=["two machines", "two checkouts of one"])
def test_two_trainings_copy_to_one_drive_at_once_and_whole(tmp_path, same, hosts):
    """A cache that both have made, and the runs that each has begun."""
    script = functions("fail", "attempt", "copy_once", "name_newer", "copy_unfinished", "copy_back")
    script += EPOCHS_OF + line_of("say()") + "kept=kept output=$1 dataset=d\n"
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
            env=os.environ | {"HOSTNAME": host},
            stderr=subprocess.PIPE,
            text=True,
        )
        for machine, host, wait_s in zip(("one", "two"), hosts.split(), ("0", "1.2"), strict=True)
    ]
    assert [(one.communicate()[1], one.returncode) for one in both] == [("", 0), ("", 0)]
    for name in names.values():
        assert [path.name for path in sorted((tmp_path / "kept" / name).iterdir())] == ["a", "b", "c"]
    assert not list((tmp_path / "kept").rglob("*.copying"))


def test_a_connection_that_is_lost_stops_the_training_and_lets_it_be_copied(tmp_path):
    saving = "touch told; while [ ! -e again ]; do sleep 0.1 || true; done; touch saved; exit 129"
    program = f'trap true TERM; trap "{saving}" HUP; touch begun; while true; do sleep 0.1 || true; done'
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
    # Until both respond to signals.
    while ["sleep", "1"] not in children_of(running.pid) or not (tmp_path / "begun").exists():
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
    program = f'trap "{saving}" TERM; touch begun; for n in {{1..600}}; do sleep 0.1 || true; done'
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
        # Until both respond to signals.
        while ["sleep", "1"] not in children_of(running.pid) or not (tmp_path / "begun").exists():
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
