"""How every stored notebook must look."""

import nbformat
import pytest

from lost_and_found.notebook_checks import STAGES, problems
from lost_and_found.workspace import REPOSITORY
from tests.test_notebooks import write_notebook

ALL_NOTEBOOKS = sorted(REPOSITORY.glob(f"{STAGES}/*.ipynb"))


@pytest.mark.parametrize("path", ALL_NOTEBOOKS, ids=lambda path: path.stem)
def test_every_notebook_is_stored_as_it_should_be(path):
    assert problems(path) == []


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ("class A:\n    pass", "ClassDef belongs in the package"),
        ("for x in []:\n    pass", "For belongs in the package"),
        ("import sys\nsys.path.append('..')", "changes sys.path"),
        ("%matplotlib inline", "not plain Python"),
        ("!ls", "not plain Python"),
        ("\n".join(["1"] * 16), "16 lines"),
    ],
)
def test_what_does_not_belong_into_a_notebook_is_found(tmp_path, source, problem):
    assert problem in "".join(problems(write_notebook(tmp_path / "1-one" / "01-x.ipynb", source)))


def test_a_parameter_that_no_cell_uses_is_found(tmp_path):
    path = tmp_path / "1-one" / "01-x.ipynb"
    parameters = 'root = ".."\ndataset = "x"\ntau_km = 75.0\ngamma = 0.1'
    write_notebook(path, "gamma = 2\nprint(root, dataset, dict(tau_km=75.0))", parameters=parameters)
    of = "1-one/01-x.ipynb: parameter"
    does = "is used in no cell, so setting it does nothing"
    assert problems(path) == [f"{of} gamma {does}", f"{of} tau_km {does}"]


def test_stored_outputs_are_found(tmp_path):
    path = write_notebook(tmp_path / "1-one" / "01-x.ipynb", "1")
    notebook = nbformat.read(path, as_version=4)
    notebook.cells[-1].execution_count = 1
    nbformat.write(notebook, path)
    assert "has outputs" in "".join(problems(path))


@pytest.mark.parametrize("parameters", ["root = '..'", "root = ['a']\ndataset = f()", "import os"])
def test_a_parameters_cell_with_more_or_less_than_scalars_is_found(tmp_path, parameters):
    assert problems(write_notebook(tmp_path / "1-one" / "01-x.ipynb", parameters=parameters))


def test_numbered_folders_hold_no_python_files():
    assert not list(REPOSITORY.glob(f"{STAGES}/*.py"))
