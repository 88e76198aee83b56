"""The runner of notebooks."""

import io
import signal
import subprocess
import sys
import tempfile
import time

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from lost_and_found import notebooks
from lost_and_found.errors import (
    InvalidConfig,
    LostAndFoundError,
    MissingDevice,
    MissingInput,
    MissingWeights,
    StorageFull,
)
from lost_and_found.signals import STOPPED

PROFILES = sorted((notebooks.REPOSITORY / "scripts" / "profiles").glob("*.yaml"))


def write_notebook(path, *cells, parameters='root = ".."\ndataset = "x"'):
    kernel = {"kernelspec": {"name": "python3", "language": "python", "display_name": "Python 3"}}
    tagged = new_code_cell(parameters, metadata={"tags": ["parameters"]})
    content = [new_markdown_cell("# Title"), tagged, *map(new_code_cell, cells)]
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(new_notebook(cells=content, metadata=kernel), path)
    return path


@pytest.fixture
def repository(tmp_path):
    """A small repository with two notebooks and a profile."""
    scalars = "\n".join(
        ["root = '..'", "dataset = 'x'", "count = 3", "ratio = 0.5", "quick = False", "source = ''"]
    )
    write_notebook(
        tmp_path / "1-one" / "01-write.ipynb",
        "from pathlib import Path\nPath(root, 'out.txt').write_text(f'{dataset} {count} {ratio} {quick}')",
        "print(count)",
        parameters=scalars,
    )
    write_notebook(
        tmp_path / "2-two" / "01-read.ipynb",
        "from pathlib import Path\nprint(Path(root, 'out.txt').read_text())",
    )
    profiles = tmp_path / "scripts" / "profiles"
    profiles.mkdir(parents=True)
    (profiles / "small.yaml").write_text(
        "notebooks: [1-one/01-write, 2-two/01-read]\nparameters: {dataset: y, count: 4}\n"
    )
    return tmp_path


def test_a_profile_runs_its_notebooks_in_order_with_its_parameters(repository, capfd):
    profile = notebooks.read_profile("small", repository=repository)
    notebooks.run(profile, {"ratio": "0.25", "quick": "true"}, repository=repository)
    assert "y 4 0.25 True" in capfd.readouterr().out
    executed = nbformat.read(repository / "executed" / "y" / "2-two" / "01-read.ipynb", as_version=4)
    assert any("y 4 0.25 True" in str(cell.get("outputs")) for cell in executed.cells)


def test_a_single_notebook_keeps_its_copy_where_a_profile_does_without_being_told_the_dataset(repository):
    profile = notebooks.read_profile("1-one/01-write", repository=repository)
    notebooks.run(profile, {}, repository=repository)
    assert (repository / "executed" / "x" / "1-one" / "01-write.ipynb").exists()


@pytest.mark.parametrize("form", ["{}/1-one/01-write.ipynb", "./1-one/01-write", "1-one/../1-one/01-write"])
def test_a_notebook_is_not_overwritten_by_its_copy_however_it_is_named(repository, form):
    path = repository / "1-one" / "01-write.ipynb"
    before = path.read_bytes()
    profile = notebooks.read_profile(form.format(repository), repository=repository)
    assert profile.notebooks == ("1-one/01-write",)
    notebooks.run(profile, {}, repository=repository)
    assert path.read_bytes() == before
    with pytest.raises(MissingInput, match="there is no profile"):
        notebooks.read_profile(str(path), repository=repository / "scripts")


def test_a_notebook_that_stops_names_itself_and_keeps_its_copy(repository):
    write_notebook(
        repository / "1-one" / "01-write.ipynb",
        "from lost_and_found.errors import MissingInput\nraise MissingInput('run the other one first')",
        parameters='root = ".."\ndataset = "x"\ncount = 1',
    )
    with pytest.raises(LostAndFoundError, match=r"01-write\.ipynb stopped: run the other one first"):
        notebooks.run(notebooks.read_profile("small", repository=repository), {}, repository=repository)
    assert (repository / "executed" / "y" / "1-one" / "01-write.ipynb").exists()
    assert not (repository / "executed" / "y" / "2-two").exists()


def test_no_room_for_the_executed_copy_is_said_and_leaves_none_that_is_cut_off(repository):
    copy = repository / "copy.ipynb"
    copy.symlink_to("/dev/full")
    with pytest.raises(StorageFull, match=r"01-write\.ipynb .* copy .*copy\.ipynb .*free some space and run"):
        notebooks.execute(repository / "1-one" / "01-write.ipynb", copy, {})
    assert not copy.is_symlink()


def test_a_folder_for_temporary_files_may_have_a_long_path(repository, tmp_path, monkeypatch):
    place = tmp_path / ("long" * 25)
    place.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(place))
    path = write_notebook(repository / "1-one" / "01-write.ipynb", "print('shown')")
    notebooks.execute(path, repository / "copy.ipynb", {})
    assert "shown" in (repository / "copy.ipynb").read_text()


@pytest.mark.parametrize("name", ["{dataset}", "{other}", "{", "{}"])
def test_braces_in_a_path_stay_as_they_are(tmp_path, name):
    path = write_notebook(tmp_path / name / "1-one" / "01-write.ipynb", "print('shown')")
    notebooks.execute(path, tmp_path / name / "copy.ipynb", {"dataset": "x"})
    assert "shown" in (tmp_path / name / "copy.ipynb").read_text()


def test_what_a_kernel_logs_of_being_ended_is_not_shown(repository, capfd):
    logs = "get_ipython().kernel.log.error('KeyboardInterrupt caught in kernel.')"
    path = write_notebook(repository / "1-one" / "02-log.ipynb", logs, "print('shown')")
    notebooks.execute(path, repository / "copy.ipynb", {})
    said = capfd.readouterr()
    assert "shown" in said.out
    assert "KeyboardInterrupt" not in said.out + said.err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_whoever_stops_it_is_told_last_that_the_same_command_resumes(repository, number):
    begun, path = repository / "begun", repository / "1-one" / "02-wait.ipynb"
    write_notebook(path, f"import time\nopen({str(begun)!r}, 'w').close()\ntime.sleep(60)")
    program = (
        "import sys\nfrom pathlib import Path\nfrom lost_and_found import notebooks\n"
        f"notebooks.run = lambda *_, **__: notebooks.execute(Path({str(path)!r}), Path('copy.ipynb'), {{}})\n"
        "sys.exit(notebooks.main([]))"
    )
    running = subprocess.Popen(
        [sys.executable, "-c", program], cwd=repository, stderr=subprocess.PIPE, text=True
    )
    while not begun.exists():
        assert running.poll() is None
        time.sleep(0.05)
    running.send_signal(number)
    _, said = running.communicate(timeout=60)
    assert running.returncode == 128 + number
    assert said.splitlines()[-1] == STOPPED


def test_progress_is_seen_while_a_notebook_runs_and_its_copy_keeps_the_last_of_it(repository, capfd):
    count = "from lost_and_found.processes import map_in_processes\nmap_ = map_in_processes"
    work = "len(list(map_(abs, range(3), description='counting', workers=1)))"
    path = write_notebook(repository / "1-one" / "02-count.ipynb", count, work)
    notebooks.execute(path, repository / "copy.ipynb", {})
    seen = capfd.readouterr().err
    assert "counting:   0%" in seen
    assert "counting: 100%" in seen
    copy = (repository / "copy.ipynb").read_text()
    assert "counting: 100%" in copy
    assert "counting:   0%" not in copy


def test_what_is_printed_after_a_progress_bar_begins_a_line(repository, monkeypatch):
    bar = "from lost_and_found.bars import progress_bar\nlist(progress_bar(range(3), unit=' steps'))"
    path = write_notebook(repository / "1-one" / "02-count.ipynb", f"{bar}\nprint('counted')")
    terminal = io.StringIO()
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.setattr(sys, "stderr", terminal)
    notebooks.execute(path, repository / "copy.ipynb", {})
    assert "steps/s]\ncounted\n" in terminal.getvalue()


def test_output_may_be_taken_slowly(repository, monkeypatch):
    class Pager(io.StringIO):
        def write(self, text):
            time.sleep(4.5 if text.strip() in ("1", "2", "3") else 0)  # Jupyter's own patience is 4 s
            return super().write(text)

    cell = "import time\nfor n in 1, 2, 3:\n    print(n, flush=True)\n    time.sleep(0.5)"
    write_notebook(repository / "1-one" / "01-write.ipynb", cell)
    monkeypatch.setattr(sys, "stdout", Pager())
    notebooks.execute(repository / "1-one" / "01-write.ipynb", repository / "executed.ipynb", {})
    assert "3" in sys.stdout.getvalue()


KNOWN = {
    "root": "..",
    "dataset": "x",
    "count": 3,
    "ratio": 0.5,
    "quick": False,
    "source": "",
    "weights": "auto",
    "seed": 0,
}


def resolve(given, **own):
    return notebooks.resolve_parameters(own, given, KNOWN)


def test_given_parameters_have_the_types_of_the_defaults_and_win():
    values = resolve({"count": "7", "ratio": "2", "quick": "False", "dataset": "12"}, count=5)
    assert values == {"count": 7, "ratio": 2.0, "quick": False, "dataset": "12"}


def test_paths_are_relative_to_where_the_command_was_given(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own.pth").touch()
    values = resolve({"source": "photos", "weights": "own.pth"})
    assert values == {"source": str(tmp_path / "photos"), "weights": str(tmp_path / "own.pth")}
    assert resolve({"weights": "none"}) == {"weights": "none"}
    # As shells do with the home folder of a user that there isn't.
    assert resolve({"source": "~nobody-here/photos"}) == {"source": str(tmp_path / "~nobody-here" / "photos")}


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ("epochs = 2 * 3", r"2 \* 3"),
        ("root = str(home)", r"str\(home\)"),
        ("sizes = [130, 80]", r"\[130, 80\]"),
        ("seed = None", "None"),
        ("import os", "import os"),
        ("%matplotlib inline", "invalid syntax"),
    ],
)
def test_what_is_no_scalar_in_a_cell_of_parameters_is_told(tmp_path, statement, told):
    path = write_notebook(tmp_path / "01-x.ipynb", parameters=f"count = -3\n{statement}")
    with pytest.raises(InvalidConfig, match=f"may hold `name = scalar` only: {told}"):
        notebooks.parameters_of(path)


def test_a_data_set_without_a_name_has_that_of_its_source():
    assert resolve({"source": "holiday"}, dataset=None)["dataset"] == "holiday"
    with pytest.raises(InvalidConfig, match="-p source FOLDER"):
        resolve({}, dataset=None)


def test_the_profile_for_any_collection_asks_which(capsys):
    assert notebooks.main(["collected"]) == 1
    assert capsys.readouterr().err == "error: say which dataset: -p dataset NAME\n"


def test_a_negative_seed_is_refused_before_any_notebook_runs():
    assert resolve({"seed": "0"}) == {"seed": 0}
    with pytest.raises(InvalidConfig, match="seed is -1; it must be at least 0"):
        resolve({"seed": "-1"})


def test_an_empty_path_is_not_the_folder_where_the_command_was_given(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert resolve({"source": "", "weights": ""}) == {"source": "", "weights": ""}
    with pytest.raises(InvalidConfig, match="-p source FOLDER"):
        resolve({"source": ""}, dataset=None)
    with pytest.raises(InvalidConfig, match="root is empty; give a folder"):
        resolve({"root": ""})


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"cuont": "3"}, "cuont, which none of the notebooks to run has; did you mean 'count'?"),
        ({"count": "many"}, "must be int"),
        ({"count": "2.5"}, "must be int"),
        ({"ratio": "half"}, "must be float"),
        ({"quick": "1"}, "true or false"),
        ({"source": "photos/\udcff"}, r"source is not in UTF-8: .*/photos/\\xff"),
    ],
)
def test_a_parameter_that_does_not_fit_is_refused(given, message):
    with pytest.raises(InvalidConfig, match=message):
        resolve(given)


@pytest.mark.parametrize(
    ("own", "message"),
    [
        ({"dataset": 2026}, "sets dataset to 2026: it must be str, like 'x'; put it in quotes"),
        ({"source": False}, "put it in quotes"),
        ({"root": None}, "root to None: it must be str"),
        ({"count": "3"}, "must be int"),
        ({"count": 2.5}, "must be int"),
        ({"count": True}, "must be int"),
        ({"ratio": "1e-3"}, "must be float"),
        ({"quick": 1}, "must be bool"),
    ],
)
def test_a_value_in_a_profile_that_does_not_fit_is_refused(own, message):
    with pytest.raises(InvalidConfig, match=message):
        resolve({}, **own)
    assert resolve({}, ratio=2, dataset="2026") == {"ratio": 2, "dataset": "2026"}


def test_an_unknown_profile_names_those_there_are():
    folder = notebooks.REPOSITORY / "scripts" / "profiles"
    names = sorted(path.stem for path in folder.glob("*.yaml"))  # with those that somebody has added
    assert {"collected", "geotagged", "photos", "practice", "published", "tiny"} <= {*names}
    with pytest.raises(MissingInput, match=f"choose {', '.join(names)}, or a notebook"):
        notebooks.read_profile("absent")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("notebooks: [1-one/01-write]\nparameters: {x: 1", "is not valid YAML"),
        ("notebooks: [1-one/01-write]\nparameters: {place: Z\xfcrich}", "is not valid YAML"),
        ("notebooks: [1-one/01-write]\nparameters: {day: 2026-11-31}", "is not valid YAML"),
        ("", "must have the key `notebooks`"),
        ("parameters: {count: 1}", "must have the key `notebooks`"),
        ("notebooks: 1-one/01-write", "a list of their paths"),
        ("notebooks: []", "a list of their paths"),
        ("notebooks: [/elsewhere/01-write]", "paths in the repository"),
        ("notebooks: [1-one/01-write]\nparameters: [count]", "a mapping of names to plain values"),
        ("notebooks: [1-one/01-write]\nparameters: {count: [1, 2]}", "a mapping of names to plain values"),
        ("notebooks: [1-one/01-write]\nparameter: {count: 1}", "no other keys"),
    ],
)
def test_a_profile_that_is_none_says_what_one_is(repository, text, problem):
    (repository / "scripts" / "profiles" / "small.yaml").write_text(text, encoding="latin-1")
    with pytest.raises(InvalidConfig, match=problem):
        notebooks.read_profile("small", repository=repository)


def test_an_unknown_option_is_answered_with_the_usage_of_the_script(capsys):
    with pytest.raises(SystemExit):
        notebooks.main(["--epochs", "5"])
    said = capsys.readouterr().err
    assert "[-p NAME VALUE]" in said and said.endswith("unrecognized arguments: --epochs\n")


@pytest.mark.parametrize("path", PROFILES, ids=lambda path: path.stem)
def test_every_profile_sets_only_what_its_notebooks_know(path):
    profile = notebooks.read_profile(path.stem)
    known = {}
    for name in profile.notebooks:
        known |= notebooks.parameters_of(notebooks.REPOSITORY / f"{name}.ipynb")
    for name, value in profile.parameters.items():
        assert value is None or type(value) is type(known[name]), name
    given = {"source": "x"} if "source" in known else {"dataset": "x"}
    notebooks.resolve_parameters(profile.parameters, given, known)


@pytest.mark.parametrize("path", PROFILES, ids=lambda path: path.stem)
def test_a_parameter_means_the_same_in_all_notebooks_of_a_profile(path):
    # `-p NAME VALUE` sets it in each that has it.
    defaults = {}
    for name in notebooks.read_profile(path.stem).notebooks:
        for key, value in notebooks.parameters_of(notebooks.REPOSITORY / f"{name}.ipynb").items():
            defaults.setdefault(key, set()).add(value)
    assert {key: values for key, values in defaults.items() if len(values) > 1 and key != "dataset"} == {}


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("architecture", "mobilenetv2", "architecture is 'mobilenetv2'; allowed are"),
        ("target", "continent", "target is 'continent'"),
        ("epochs", "-3", "epochs is -3"),
        ("dataset", "../elsewhere", "must be a plain name"),
        ("tracking", "yes", "tracking is 'yes'; allowed are"),
        ("device", "cuda:99", "which this machine lacks"),
        ("weights", "mispelt.pth", r"no weights at .*3-training/mispelt\.pth"),
    ],
)
def test_what_the_training_would_refuse_is_refused_before_the_first_notebook(tmp_path, name, value, message):
    profile = notebooks.read_profile("tiny")
    with pytest.raises((InvalidConfig, MissingDevice, MissingWeights), match=message):
        notebooks.run(profile, {"root": str(tmp_path / "root"), name: value})
    assert not list(tmp_path.iterdir())
