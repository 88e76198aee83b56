"""Training on a rented machine: a dataset goes there as one archive, the results return to the drive."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import time
import zipfile
from pathlib import Path

import pandas as pd
import pytest
from jupyter_client.manager import start_new_kernel

from lost_and_found import notebooks
from lost_and_found.dataset_archive import pack_dataset
from lost_and_found.workspace import REPOSITORY
from tests.pairs import make_dataset

SCRIPT = REPOSITORY / "scripts" / "colab-train"
ONE_MACHINE = pytest.mark.xdist_group("colab")  # one process sets up the machine that these tests share
QUICK = {"width": "64", "height": "40", "architecture": "mobilenet_v3_small", "device": "cpu"}
QUICK |= {"batch_size": "8", "tracking": "off"}


class Machine:
    """A folder to start in, a drive, and this Python, which has torch, as the machine's own."""

    def __init__(self, folder: Path, repository: Path) -> None:
        self.folder, self.repository = folder, repository
        self.drive = folder / "drive"
        self.kept = self.drive / "lost-and-found"
        self.kept.mkdir(parents=True)
        self.checkout = folder / "lost-and-found"
        # As fetched alone, outside any checkout.
        self.script = Path(shutil.copy(SCRIPT, folder))

    def command(self, *arguments, script=None, **parameters):
        given = [word for name, value in (QUICK | parameters).items() for word in ("-p", name, value)]
        return [script or self.script, *arguments, *given]

    def environment(self, **more):
        own = {name: value for name, value in os.environ.items() if not name.startswith("LOST_AND_FOUND_")}
        own |= {"LOST_AND_FOUND_PYTHON": sys.executable, "LOST_AND_FOUND_DRIVE": str(self.drive)}
        return own | {"OMP_NUM_THREADS": "1", "PIP_NO_INDEX": "1"} | more

    def run(self, *arguments, environment=None, **more):
        return subprocess.run(
            self.command(*arguments, **more),
            capture_output=True,
            text=True,
            cwd=self.folder,
            env=self.environment(**(environment or {})),
        )

    def clone(self):
        return ["--repository", str(self.repository), "--folder", "lost-and-found"]

    def state(self):
        return {path: path.stat().st_mtime_ns for path in self.drive.rglob("*")}


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    """A git repository of the working tree as it is, committed or not."""
    folder = tmp_path_factory.mktemp("repository") / "lost-and-found"
    git = ["git", "-C", str(REPOSITORY), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(git, capture_output=True, text=True, check=True).stdout.split("\0")
    for name in filter(None, names):
        if (REPOSITORY / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(REPOSITORY / name, folder / name)
    author = ["-c", "user.name=x", "-c", "user.email=x@example.org"]
    for command in (["init", "--quiet"], ["add", "--all"], [*author, "commit", "--quiet", "-m", "all"]):
        subprocess.run(["git", "-C", folder, *command], check=True)
    return folder


@pytest.fixture(scope="module")
def trained(tmp_path_factory, repository):
    """A machine on which the first training is done, and that finished command."""
    machine = Machine(tmp_path_factory.mktemp("machine"), repository)
    pack_dataset(make_dataset(tmp_path_factory.mktemp("root")), machine.kept / "made.tar")
    done = machine.run(
        *machine.clone(), "--dataset", "made", environment={"LOST_AND_FOUND_EPOCHS": "2"}, seed="3"
    )
    assert done.returncode == 0, done.stderr
    return machine, done


@pytest.mark.end_to_end
@ONE_MACHINE
def test_a_run_goes_from_the_archive_to_the_drive(trained):
    machine, _ = trained
    (run,) = (machine.kept / "made" / "runs").iterdir()
    config = json.loads((run / "config.json").read_text())
    assert (config["epochs"], config["seed"], config["width"]) == (2, 3, 64)
    assert len(pd.read_csv(run / "metrics.csv")) == 2
    assert (run / "model.safetensors").stat().st_size > 1e6
    caches = sorted(path.name for path in (machine.kept / "made" / "pixels").iterdir())
    splits = [f"made.{split}-64x40" for split in ("test", "train", "val")]
    assert [name.rsplit("-", 1)[0] for name in caches] == splits
    assert not list(machine.kept.rglob("*.copying"))


@pytest.mark.end_to_end
@ONE_MACHINE
def test_nothing_is_installed_where_everything_is_there(trained):
    machine, done = trained
    assert "Installing" not in done.stderr
    assert not (machine.checkout / ".venv-beside-torch" / "requirements.txt").exists()
    assert not (machine.checkout / ".venv").exists()


@pytest.mark.end_to_end
@ONE_MACHINE
def test_a_second_run_finds_everything_done(trained):
    machine, _ = trained
    before = machine.state()
    arguments = [*machine.clone(), "--dataset", "made", "-p", "epochs", "2"]
    done = machine.run(*arguments, seed="3")
    assert done.returncode == 0, done.stderr
    assert machine.state() == before
    assert "Copying" not in done.stderr
    assert "Cloning" not in done.stderr


@pytest.mark.end_to_end
@ONE_MACHINE
@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--dataset", "absent"], "data: there is no {drive}/lost-and-found/absent.tar; write it with"),
        (["--dataset", "made", "-p", "epochs", "0"], "parameters: epochs is 0; it must be at least 1"),
        (["--dataset", "made", "-p", "cuont", "3"], "parameters: -p sets cuont, which none of the notebooks"),
        (["--dataset", "made", "--preset", "x"], "parameters: scripts/train: error: argument --preset"),
        (["--drive", "absent"], "drive: there is no folder absent; mount the Drive"),
    ],
)
def test_a_failing_step_stops_with_its_reason(trained, arguments, reason):
    machine, _ = trained
    before = machine.state()
    done = machine.run(*arguments, script=machine.checkout / "scripts" / "colab-train")
    assert done.returncode != 0
    assert done.stderr.splitlines()[-1].startswith(f"error: {reason.format(drive=machine.drive)}")
    assert machine.state() == before


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (
            ["--repository", "{folder}/absent"],
            "repository: fatal: repository '{folder}/absent' does not exist",
        ),
        ([], "repository: this script is not in a checkout; give --repository ADDRESS"),
        (["--repository", "{folder}", "--folder", "drive"], "repository: drive exists and is not a clone"),
        (["--dataset"], "command line: --dataset needs a value"),
        (["--datset", "x"], "command line: there is no option --datset"),
    ],
)
def test_without_a_checkout_it_stops_with_the_reason(tmp_path, arguments, reason):
    machine = Machine(tmp_path, tmp_path)
    command = [machine.script, *(one.format(folder=tmp_path) for one in arguments)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=machine.environment())
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith(f"error: {reason.format(folder=tmp_path)}")


def write_wheel(folder, name, **modules):
    """A wheel, version 1.0, of packages that hold one line."""
    folder.mkdir(exist_ok=True)
    info = f"{name}-1.0.dist-info"
    with zipfile.ZipFile(folder / f"{name}-1.0-py3-none-any.whl", "w") as wheel:
        for module, line in modules.items():
            wheel.writestr(f"{module}/__init__.py", line + "\n")
        wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", "")


def add_to_lock(checkout, name):
    with (checkout / "poetry.lock").open("a") as lock:
        lock.write(f"\n[[package]]\nname = '{name}'\nversion = '1.0'\noptional = false\ngroups = ['main']\n")


@pytest.fixture
def own_checkout(tmp_path, repository):
    """A machine with a checkout of its own, whose lock may be changed."""
    machine = Machine(tmp_path, repository)
    shutil.copytree(repository, machine.checkout)
    machine.script = machine.checkout / "scripts" / "colab-train"
    return machine


@pytest.mark.end_to_end
def test_what_is_lacking_is_installed_and_torch_is_left_alone(own_checkout, tmp_path):
    add_to_lock(own_checkout.checkout, "madeup")
    write_wheel(tmp_path / "wheels", "madeup", madeup="")
    here = {"PIP_FIND_LINKS": str(tmp_path / "wheels")}
    done = own_checkout.run("--dataset", "absent", environment=here)
    assert "Installing 1 packages beside torch" in done.stderr
    assert done.stderr.splitlines()[-1].startswith("error: data: ")
    python = own_checkout.checkout / ".venv-beside-torch" / "bin" / "python"
    modules = "madeup, torch, lost_and_found"
    code = f"import {modules}; print(*(module.__file__ for module in ({modules})))"
    of_ours = subprocess.run(
        [python, "-P", "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    import torch

    assert of_ours[0].startswith(str(own_checkout.checkout / ".venv-beside-torch"))
    assert of_ours[1:] == [torch.__file__, str(own_checkout.checkout / "lost_and_found" / "__init__.py")]


@pytest.mark.end_to_end
def test_a_checkout_that_was_copied_runs_its_own_code(own_checkout, tmp_path):
    first = own_checkout.run("--dataset", "absent")
    assert first.stderr.splitlines()[-1].startswith("error: data: "), first.stderr
    copy = shutil.copytree(own_checkout.checkout, tmp_path / "copy", symlinks=True)
    shutil.rmtree(own_checkout.checkout)
    again = own_checkout.run("--dataset", "absent", script=copy / "scripts" / "colab-train")
    assert again.stderr.splitlines()[-1].startswith("error: data: "), again.stderr


@pytest.mark.end_to_end
def test_a_package_that_brings_another_torch_is_detected(own_checkout, tmp_path):
    add_to_lock(own_checkout.checkout, "impostor")
    write_wheel(tmp_path / "wheels", "impostor", torch="__version__ = '0.1'", torchvision="")
    here = {"PIP_FIND_LINKS": str(tmp_path / "wheels")}
    done = own_checkout.run("--dataset", "made", environment=here)
    assert done.returncode == 1
    assert "and would now be 0.1 at" in done.stderr.splitlines()[-1]
    # Nor is it taken for installed the next time.
    assert not (own_checkout.checkout / ".venv-beside-torch" / ".installed").exists()


@pytest.mark.end_to_end
def test_a_package_that_is_unavailable_stops_it(own_checkout):
    add_to_lock(own_checkout.checkout, "nowhere-to-be-had")
    done = own_checkout.run("--dataset", "made")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("error: dependencies: ERROR: No matching distribution")


@pytest.mark.end_to_end
@ONE_MACHINE
def test_the_notebook_for_colab_does_the_same(trained, tmp_path, monkeypatch):
    machine, _ = trained
    before = machine.state()
    for name, value in machine.environment().items():
        monkeypatch.setenv(name, value)
    values = {"root": str(machine.folder), "repository": str(machine.repository), "drive": str(machine.drive)}
    values |= {"architecture": QUICK["architecture"], "weights": "none", "width": 64, "height": 40}
    values |= {"dataset": "made", "epochs": 2}
    values["others"] = "-p seed 3 -p device cpu -p batch_size 8 -p tracking off"
    executed = tmp_path / "executed.ipynb"
    notebooks.execute(REPOSITORY / "3-training" / "colab.ipynb", executed, values)
    assert "Done: " in executed.read_text()
    assert machine.state() == before


@pytest.mark.end_to_end
@ONE_MACHINE
@pytest.mark.parametrize("name", ["lost_and_found/samples.py", "data-lists/../lost_and_found/samples.py"])
def test_an_archive_that_would_replace_programs_is_not_unpacked(trained, name):
    machine, _ = trained
    program = machine.checkout / "lost_and_found" / "samples.py"
    before = program.read_bytes()
    with tarfile.open(machine.kept / "strange.tar", "w") as archive:
        for member in ("data-lists/strange.train.txt", name):
            archive.addfile(tarfile.TarInfo(member))
    done = machine.run("--dataset", "strange", script=machine.checkout / "scripts" / "colab-train")
    (machine.kept / "strange.tar").unlink()
    assert done.returncode == 1
    assert f"strange.tar holds {name}, which is not part of a dataset" in done.stderr.splitlines()[-1]
    assert program.read_bytes() == before
    assert not (machine.checkout / "data-lists" / "strange.train.txt").exists()


@pytest.mark.end_to_end
@ONE_MACHINE
def test_a_stopped_training_is_kept_and_taken_up_on_another_machine(trained, repository, tmp_path):
    machine, _ = trained
    arguments = ["--dataset", "made", "-p", "epochs", "12", "-p", "patience", "12"]
    script = machine.checkout / "scripts" / "colab-train"
    running = subprocess.Popen(
        machine.command(*arguments, script=script),
        env=machine.environment(),
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    runs = machine.checkout / "3-training" / "01-train-model" / "made" / "runs"
    while not list(runs.glob(".*.partial/metrics.csv")):
        assert running.poll() is None
        time.sleep(0.05)
    os.killpg(running.pid, signal.SIGINT)  # as Ctrl-C does
    _, said = running.communicate()
    assert running.returncode == 130
    assert said.splitlines()[-1] == "error: training: stopped; run the same command again to resume"
    (partial,) = (machine.kept / "made" / "runs").glob(".*.partial")
    first = pd.read_csv(partial / "metrics.csv")

    other = Machine(tmp_path, repository)
    done = other.run(*other.clone(), *arguments, "--drive", str(machine.drive))
    assert done.returncode == 0, done.stderr
    finished = partial.with_name(partial.name[1:].removesuffix(".partial"))
    metrics = pd.read_csv(finished / "metrics.csv")
    assert metrics["epoch"].tolist() == list(range(1, 13))
    pd.testing.assert_frame_equal(metrics.head(len(first)), first)  # with the speed of that machine
    assert not partial.exists()


@pytest.mark.end_to_end
@ONE_MACHINE
def test_the_stop_button_of_the_notebook_keeps_what_was_trained(trained, repository, tmp_path):
    done, _ = trained
    machine = Machine(tmp_path, repository)
    shutil.copytree(done.kept / "made" / "pixels", machine.kept / "made" / "pixels")
    shutil.copy(done.kept / "made.tar", machine.kept)
    values = {"root": str(machine.folder), "repository": str(machine.repository), "drive": str(machine.drive)}
    values |= {"architecture": QUICK["architecture"], "weights": "none", "width": 64, "height": 40}
    values |= {"dataset": "made", "epochs": 1000}
    values["others"] = "-p patience 1000 -p device cpu -p batch_size 8 -p tracking off"
    notebook = notebooks.read_notebook(REPOSITORY / "3-training" / "colab.ipynb")
    first, *cells = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    code = "\n".join([first, *(f"{name} = {value!r}" for name, value in values.items()), *cells])

    manager, client = start_new_kernel(
        kernel_name="python3", cwd=REPOSITORY / "3-training", env=machine.environment()
    )
    try:
        client.execute(code)
        runs = machine.checkout / "3-training" / "01-train-model" / "made" / "runs"
        while not list(runs.glob(".*.partial/metrics.csv")):
            assert manager.is_alive()
            time.sleep(0.05)
        manager.interrupt_kernel()
        said, error, state = "", "", ""
        while state != "idle":
            content = client.get_iopub_msg(timeout=120)["content"]
            said += content.get("text", "")
            error = content.get("ename", error)
            state = content.get("execution_state", "")
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
    assert said.splitlines()[-1] == "error: training: stopped; run the same command again to resume"
    assert error == "AssertionError"  # which tells the user that no run is complete
    assert list((machine.kept / "made" / "runs").glob(".*.partial/checkpoint.pt"))
