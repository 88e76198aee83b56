"""The training notebook as a plain script: its conversion, its parameters, and how it runs and stops."""

import ast
import os
import signal
import subprocess
import sys

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from lost_and_found import notebook_script, notebooks
from lost_and_found.errors import InvalidConfig, MissingInput
from lost_and_found.texts import LINE
from lost_and_found.training.config import PRESETS

DEFAULTS = notebooks.parameters_of(notebook_script.NOTEBOOK)


def write_notebook(path, *cells):
    tagged = new_code_cell("root = '..'\ndataset = 'x'\ncount = 1", metadata={"tags": ["parameters"]})
    nbformat.write(
        new_notebook(cells=[new_code_cell("before = 1"), tagged, *map(new_code_cell, cells)]), path
    )
    return path


@pytest.fixture
def run_cells(tmp_path):
    """Runs cells as the command runs the training notebook; gives the finished process."""

    def run(*cells, processes=1, **values):
        script = tmp_path / "script.py"
        script.write_text(notebook_script.converted(write_notebook(tmp_path / "x.ipynb", *cells), values))
        code = "import sys, lost_and_found.notebook_script as n; n.run(n.Path(sys.argv[1]), int(sys.argv[2]))"
        environment = os.environ | {"OMP_NUM_THREADS": "1"}
        return subprocess.run(
            [sys.executable, "-c", code, script, str(processes)],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env=environment,
        )

    return run


def test_the_training_notebook_becomes_plain_python():
    text = notebook_script.converted(notebook_script.NOTEBOOK, {"epochs": 2, "dataset": "it's"})
    assert "get_ipython" not in text
    assigned = [one for one in ast.parse(text).body if isinstance(one, ast.Assign)]
    values = {one.targets[0].id: one.value.value for one in assigned if isinstance(one.value, ast.Constant)}
    assert (values["epochs"], values["dataset"]) == (2, "it's")


def test_parameters_stand_after_the_notebooks_own(run_cells):
    done = run_cells("print(before, root, count, rate)", count=2, rate=float("nan"))
    assert done.stdout == "1 .. 2 nan\n"


def test_tables_are_shown_with_every_column(run_cells):
    done = run_cells(
        "import pandas as pd",
        "from IPython.display import display",
        "display(pd.DataFrame([range(15)], columns=[f'column_{number}' for number in range(15)]))",
    )
    assert all(f"column_{number}" in done.stdout for number in range(15))
    assert max(map(len, done.stdout.splitlines())) <= LINE


@pytest.mark.parametrize("cell", ["%matplotlib inline", "!ls", "files = !ls"])
def test_what_only_a_kernel_can_run_is_refused(tmp_path, cell):
    with pytest.raises(InvalidConfig, match="magics or shell commands"):
        notebook_script.converted(write_notebook(tmp_path / "x.ipynb", cell), {})


def test_it_runs_in_the_notebooks_folder_without_a_display(run_cells):
    done = run_cells(
        "import os, matplotlib\nfrom IPython.display import display",
        "print(os.getcwd(), matplotlib.get_backend().lower())\ndisplay({'shown': 1})",
    )
    assert done.stdout == f"{notebook_script.NOTEBOOK.parent} agg\n{{'shown': 1}}\n"


def test_processes_that_it_starts_do_not_run_it_again(run_cells):
    done = run_cells(
        "from lost_and_found.processes import map_in_processes\nprint('once')",
        "print(list(map_in_processes(abs, [-1, -2], description='x', workers=2, chunk_size=1)))",
    )
    assert (done.stdout, done.returncode) == ("once\n[1, 2]\n", 0), done.stderr


def test_several_processes_know_their_places_and_print_once(run_cells):
    done = run_cells(
        "import os, sys\nfrom IPython.display import display",
        "place = f\"{os.environ['RANK']}/{os.environ['WORLD_SIZE']}\"\nsys.stderr.write(f'{place}\\n')",
        "print('once')\ndisplay({'shown': 1})",
        processes=2,
    )
    assert {"0/2", "1/2"} <= {*done.stderr.split()}
    assert done.stdout == "once\n{'shown': 1}\n"


@pytest.mark.parametrize(
    ("cell", "status", "said"),
    [
        ("raise MissingInput('run 02 first')", 1, "error: run 02 first"),
        ("os.kill(os.getppid(), signal.SIGINT)", 130, "stopped; run the same command again to resume"),
        ("os.kill(os.getppid(), signal.SIGTERM)", 143, "stopped; run the same command again to resume"),
        ("os.kill(os.getpid(), signal.SIGKILL)", 137, "error: process 1 was ended by SIGKILL, perhaps for "),
        ("os.kill(os.getpid(), signal.SIGTERM)", 143, "error: process 1 was ended by SIGTERM; run the same "),
    ],
)
def test_several_processes_end_with_the_reason_alone(run_cells, tmp_path, cell, status, said):
    done = run_cells(
        "import os, signal, time\nfrom pathlib import Path\nfrom lost_and_found.errors import MissingInput",
        f"here = Path({str(tmp_path)!r}) / os.environ['RANK']\nhere.touch()\n"
        "while len(list(here.parent.glob('[01]'))) < 2:\n    time.sleep(0.05)\n"
        f"if here.name == '1':\n    {cell}\ntime.sleep(60)",
        processes=2,
    )
    assert done.returncode == status
    assert "Traceback" not in done.stderr
    assert said in done.stderr


def test_processes_whose_launcher_is_killed_stop(run_cells, tmp_path):
    done = run_cells(
        "import os, signal, time\nfrom pathlib import Path",
        f"here = Path({str(tmp_path)!r}) / os.environ['RANK']\nhere.touch()\n"
        "while len(list(here.parent.glob('[01]'))) < 2:\n    time.sleep(0.05)\n"
        "if here.name == '1':\n    os.kill(os.getppid(), signal.SIGKILL)\n"
        "try:\n    time.sleep(60)\n"
        "except SystemExit as end:\n    here.rename(f'{here}-{end.code}')\n    raise",
        processes=2,
    )  # which returns when all that write to its pipes have ended
    assert done.returncode == -signal.SIGKILL
    assert sorted(path.name for path in tmp_path.glob("[01]*")) == ["0-143", "1-143"]


@pytest.mark.parametrize(
    ("cell", "status", "last_line", "has_trace"),
    [
        ("raise SystemExit(3)", 3, "", False),
        (
            "from lost_and_found.errors import MissingInput\nraise MissingInput('run 02 first')",
            1,
            "error: run 02 first",
            False,
        ),
        ("{}['a']", 1, "error: KeyError: 'a'", True),
        ("raise KeyboardInterrupt", -2, "stopped; run the same command again to resume", False),
    ],
)
def test_it_ends_with_the_scripts_status_and_reason(run_cells, cell, status, last_line, has_trace):
    done = run_cells(cell)
    assert (done.returncode, done.stderr.split("\n")[-2:][0]) == (status, last_line)
    assert ("Traceback" in done.stderr) == has_trace


def test_sigterm_lets_it_close_what_is_open_and_a_second_one_does_not_wait_for_that(run_cells):
    kill = "os.kill(os.getpid(), signal.SIGTERM)"
    once, twice = (
        run_cells("import os, signal", f"try:\n    {kill}\nfinally:\n    {then}\n    print('closed')")
        for then in ("pass", kill)
    )
    assert (once.returncode, once.stdout) == (143, "closed\n")
    assert once.stderr == "stopped; run the same command again to resume\n"
    assert (twice.returncode, twice.stdout) == (-signal.SIGTERM, "")


def test_an_unknown_parameter_is_refused_and_the_known_are_listed(capsys):
    assert notebook_script.main(["-p", "cuont", "3"]) == 1
    assert f"-p sets cuont, which none of the notebooks to run has; their parameters are {min(DEFAULTS)}" in (
        capsys.readouterr().err
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-p", "epochs", "many"], "parameter epochs is 'many': it must be int"),
        (["--processes", "0"], "--processes is 0; it must be at least 1"),
        (["-p", "epochs", "-3"], "epochs is -3; it must be at least 1"),
        (["-p", "tracking", "yes"], "tracking is 'yes'; allowed are auto, online, offline, off"),
        (["-p", "compile", "on", "--processes", "2"], "compile is 'on', but 2 processes can't train a"),
        (["-p", "weights", "mispelt.pth"], "3-training/mispelt.pth; give the path of a state dict"),
    ],
)
def test_a_wrong_value_is_refused_before_anything_is_staged_or_read(arguments, message, capsys):
    assert notebook_script.main(["--list", *arguments]) == 1
    assert message in capsys.readouterr().err


def test_a_dataset_that_is_not_there_leaves_no_folder_behind(tmp_path, capsys):
    assert notebook_script.main(["-p", "dataset", "absent", "-p", "root", str(tmp_path)]) == 1
    missing = tmp_path / "data-lists" / "absent.train.txt"
    assert capsys.readouterr().err.startswith(f"error: {missing} is missing; notebooks 03 to 05")
    assert not list(tmp_path.iterdir())


def listed(capsys, *arguments):
    assert notebook_script.main(["--list", *arguments]) == 0
    return dict(line.split("=", 1) for line in capsys.readouterr().out.splitlines())


def test_a_preset_lies_under_what_is_given_and_over_the_defaults(capsys):
    study = PRESETS["study"]
    values = listed(capsys, "--preset", "study", "-p", "learning_rate", "0.5")
    assert values["learning_rate"] == "0.5"
    assert values["batch_size"] == str(study["batch_size"]) != str(DEFAULTS["batch_size"])
    assert values["width"] == str(DEFAULTS["width"])


def test_a_profile_trains_as_run_stages_does_with_it(capsys):
    values = listed(capsys, "--profile", "photos", "-p", "dataset", "mine", "-p", "epochs", "7")
    assert (values["dataset"], values["architecture"], values["weights"]) == ("mine", "mobilenet_v2", "auto")
    assert values["epochs"] == "7"
    assert listed(capsys, "--profile", "practice")["augmentation"] == "none"


def test_a_profile_for_any_dataset_wants_one_and_an_unknown_profile_is_refused(capsys):
    assert notebook_script.main(["--profile", "photos", "--list"]) == 1
    assert capsys.readouterr().err == "error: say which dataset: -p dataset NAME\n"
    assert notebook_script.main(["--profile", "foto", "--list"]) == 1
    assert "there is no profile 'foto'; choose collected, geotagged, photos" in capsys.readouterr().err
    assert notebook_script.main(["--profile", "4-evaluation/01-test-model", "--list"]) == 1
    assert "4-evaluation/01-test-model is not a profile" in capsys.readouterr().err


def test_a_preset_lies_over_a_profile_and_sets_only_what_is_known():
    own = {"batch_size": 16, "gamma": 0.9, "epochs": 3}
    known = {"batch_size": 32, "gamma": 0.1, "epochs": 6}
    values = notebooks.resolve_parameters(own, {"gamma": "0.3"}, known, preset="study")
    assert values == {"batch_size": PRESETS["study"]["batch_size"], "gamma": 0.3, "epochs": 3}


@pytest.mark.parametrize("preset", PRESETS)
def test_a_presets_values_have_the_types_of_the_notebooks_defaults(preset):
    for name, value in PRESETS[preset].items():
        assert type(value) is type(DEFAULTS.get(name, value)), name


def test_run_stages_takes_a_preset(capsys):
    with pytest.raises(SystemExit, match="2"):
        notebooks.main(["tiny", "--preset", "published"])
    assert "study" in capsys.readouterr().err


def test_the_environment_sets_parameters_only_where_asked(capsys, monkeypatch):
    monkeypatch.setenv("LOST_AND_FOUND_EPOCHS", "17")
    monkeypatch.setenv("LOST_AND_FOUND_SEED", "5")
    monkeypatch.setenv("LOST_AND_FOUND_REAL_DATA", "elsewhere")  # no parameter, and no error
    assert listed(capsys)["epochs"] == str(DEFAULTS["epochs"])
    values = listed(capsys, "--environment", "-p", "seed", "6")
    assert (values["epochs"], values["seed"]) == ("17", "6")


def test_the_command_hands_its_arguments_on():
    script = notebooks.REPOSITORY / "scripts" / "train"
    done = subprocess.run([script, "--list", "-p", "epochs", "2"], capture_output=True, text=True)
    assert (done.returncode, "epochs=2\n" in done.stdout) == (0, True), done.stderr


def test_a_notebook_that_is_not_there_is_named(tmp_path):
    with pytest.raises(MissingInput, match=r"no notebook .*absent\.ipynb"):
        notebook_script.converted(tmp_path / "absent.ipynb", {})
