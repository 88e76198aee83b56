"""The notebook that trains, for each target."""

import pytest
from made_workspace import DATASET, make_workspace

from lost_and_found import notebooks
from lost_and_found.training.runs import is_complete, load_run

TINY = {"architecture": "mobilenet_v3_small", "width": 64, "height": 40, "batch_size": 4, "epochs": 1}


@pytest.mark.end_to_end
@pytest.mark.parametrize(
    ("predicts", "best_metric"),
    [("country", "val/top1"), ("region", "val/top1"), ("coordinates", "val/median_km")],
)
def test_the_notebook_trains_a_run_and_draws_it(tmp_path, predicts, best_metric):
    root = make_workspace(tmp_path / "root").root
    parameters = {
        "root": str(root),
        "dataset": DATASET,
        "predicts": predicts,
        "tracking": "off",
        "device": "cpu",
    }
    notebook = notebooks.REPOSITORY / "3-training" / "01-train-model.ipynb"
    notebooks.execute(notebook, tmp_path / "executed.ipynb", parameters | TINY)
    output = root / "3-training" / "01-train-model" / DATASET
    (folder,) = filter(is_complete, (output / "runs").iterdir())
    run = load_run(folder)
    assert (run.target.name, run.summary["best_metric"]) == (predicts, best_metric)
    assert len(run.metrics) == 1
    for figure in ("augmentation.png", f"{run.id}.png"):
        assert (output / figure).stat().st_size > 5000
