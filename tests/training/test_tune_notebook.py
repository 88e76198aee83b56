"""The notebook that searches for settings."""

import pandas as pd
import yaml
from made_workspace import DATASET, make_workspace

from lost_and_found import notebooks

SWEEP = {
    "program": "lost_and_found/training/trial.py",  # from any folder, such as the notebook's
    "name": "rates",
    "method": "grid",
    "metric": {"name": "val/top1", "goal": "maximize"},
    "parameters": {
        "learning_rate": {"values": [0.01, 1e30]},  # the second diverges, which the ranking must handle
        **{name: {"value": value} for name, value in (("width", 64), ("height", 40), ("batch_size", 4))},
        "device": {"value": "cpu"},
    },
}


def test_the_notebook_ranks_the_trials_and_draws_them(tmp_path):
    root = make_workspace(tmp_path / "root").root
    file = tmp_path / "rates.yaml"
    file.write_text(yaml.safe_dump(SWEEP))
    parameters = {"root": str(root), "dataset": DATASET, "sweep_file": str(file), "epochs": 2}
    parameters |= {"tracking": "off", "trials": 2}
    notebook = notebooks.REPOSITORY / "3-training" / "02-tune-model.ipynb"
    notebooks.execute(notebook, tmp_path / "executed.ipynb", parameters)
    folder = root / "3-training" / "02-tune-model" / DATASET / "rates"
    table = pd.read_csv(folder / "ranking.csv")
    assert table["status"].tolist() == ["finished", "failed"]
    assert table["learning_rate"].tolist() == [0.01, 1e30]
    assert (folder / "parallel.png").stat().st_size > 5000
    assert f"best of 2: {table['run'][0]}" in (tmp_path / "executed.ipynb").read_text()
