"""Checks how the stage notebooks are stored: `python -m lost_and_found.notebook_checks`."""

from __future__ import annotations

import ast
import sys
from contextlib import suppress
from pathlib import Path

import nbformat

from lost_and_found.errors import InvalidConfig
from lost_and_found.notebooks import parameters_of, read_notebook
from lost_and_found.workspace import REPOSITORY

STAGES = "[1-9]-*"
MAXIMUM_CELL_LINES = 15


def problems(path: Path) -> list[str]:
    """What is wrong with a stored notebook; nothing if it is as CONTRIBUTING.md asks."""
    notebook = read_notebook(path)
    found = []
    if notebook.metadata.get("kernelspec", {}).get("language") != "python":
        found.append("metadata lack kernelspec.language")
    if not notebook.cells or notebook.cells[0].cell_type != "markdown":
        found.append("it doesn't begin with prose")
    try:
        parameters = set(parameters_of(path))
        if not {"root", "dataset"} <= parameters:
            found.append("parameters lack root or dataset")
        unused = sorted(parameters - _names_used(notebook))
        found += [f"parameter {name} is used in no cell, so setting it does nothing" for name in unused]
    except InvalidConfig as error:
        found.append(str(error))
    for number, cell in enumerate(notebook.cells):
        if cell.cell_type == "code":
            found += [f"cell {number}: {problem}" for problem in _cell_problems(cell)]
    return [f"{path.parent.name}/{path.name}: {problem}" for problem in found]


def _names_used(notebook: nbformat.NotebookNode) -> set[str]:
    """The names that its cells read; those of cells that aren't plain Python are unknown."""
    names: set[str] = set()
    for cell in notebook.cells:
        if cell.cell_type == "code":
            with suppress(SyntaxError):
                nodes = ast.walk(ast.parse(cell.source))
                names |= {
                    node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)
                }
    return names


def _cell_problems(cell: nbformat.NotebookNode) -> list[str]:
    found = []
    if cell.get("outputs") or cell.get("execution_count"):
        found.append("has outputs; run nbstripout on the notebook")
    lines = cell.source.count("\n") + 1
    if lines > MAXIMUM_CELL_LINES and "parameters" not in cell.metadata.get("tags", ()):
        found.append(f"has {lines} lines, at most {MAXIMUM_CELL_LINES}; move code to the package")
    try:
        tree = ast.parse(cell.source)
    except SyntaxError as error:
        return [*found, f"is not plain Python ({error.msg}); no magics and no shell commands"]
    forbidden = (ast.ClassDef, ast.FunctionDef, ast.For, ast.While)
    found += [
        f"line {node.lineno}: {type(node).__name__} belongs in the package"
        for node in ast.walk(tree)
        if isinstance(node, forbidden)
    ]
    if "sys.path" in cell.source:
        found.append("changes sys.path; the package is installed")
    return found


def main() -> int:
    """Print what is wrong with any of the notebooks; returns the exit status."""
    found = [one for path in sorted(REPOSITORY.glob(f"{STAGES}/*.ipynb")) for one in problems(path)]
    print("\n".join(found) or "notebooks: no problems")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
