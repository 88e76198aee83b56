"""Where each notebook finds its input and puts its output."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from lost_and_found.errors import InvalidConfig, MissingInput, did_you_mean

# The checkout, which is the default root.
REPOSITORY = Path(__file__).resolve().parents[1]
COLLECTION = "1-data-collection"
# Notebooks whose folders later stages read.
ENRICH = "2-data-preparation/02-enrich-records"
TRAIN = "3-training/01-train-model"
TEST = "4-evaluation/01-test-model"
# Is in a folder while that is being filled, and stays if filling it is stopped half-way.
UNFINISHED = ".unfinished"


@dataclass(frozen=True)
class Workspace:
    """The root folder under which all stages pass files on, for one dataset.

    A notebook `N-stage/NN-verb-object.ipynb` writes to `<root>/N-stage/NN-verb-object/<dataset>/`; pinned
    lists are in `<root>/data-lists/`. The root is the repository, unless a parameter moves it.
    """

    root: Path
    dataset: str

    def __post_init__(self) -> None:
        """Make the root absolute, so that later changes of the working folder don't matter.

        Raises:
            InvalidConfig: the dataset isn't a plain name, or a notebook runs in another folder than its own.
        """
        if not self.dataset or "/" in self.dataset or self.dataset.startswith("."):
            raise InvalidConfig(f"dataset {self.dataset!r} must be a plain name such as 'practice'")
        root = Path(self.root).resolve()
        if str(self.root) == ".." and root == REPOSITORY.parent:
            raise InvalidConfig(
                f"root '..' is {root} here, beyond the repository: a notebook's kernel must start in the "
                "notebook's own folder, not in the repository's (or give that root's whole path)"
            )
        object.__setattr__(self, "root", root)

    def folder(self, notebook: str) -> Path:
        """Folder of a notebook such as "2-data-preparation/01-resize-images", which may be absent."""
        return self.root / notebook / self.dataset

    def output(self, notebook: str) -> Path:
        """Folder that a notebook fills; created if absent."""
        folder = self.folder(notebook)
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def has_output(self, notebook: str) -> bool:
        """Whether a notebook has filled its folder, or started to."""
        folder = self.folder(notebook)
        if not folder.is_dir():
            return False
        with os.scandir(folder) as entries:  # iterdir would list hundreds of thousands to see the first
            return next(entries, None) is not None

    def input(self, notebook: str) -> Path:
        """Folder that an earlier notebook filled.

        Raises:
            MissingInput: it wasn't run for this dataset, or stopped half-way.
        """
        folder = self.folder(notebook)
        problem = ""
        if not self.has_output(notebook):
            problem = "is missing or empty"
        elif (folder / UNFINISHED).exists():
            problem = "is only half filled, because its notebook was stopped"
        if problem:
            instead = self._other_collections(notebook)
            hint = f", or take what is there: -p collection {' or '.join(instead)}" if instead else ""
            hint = hint or did_you_mean(self.dataset, self._other_datasets(notebook))
            raise MissingInput(
                f"{folder} {problem}; run {notebook}.ipynb for dataset {self.dataset!r} first{hint}"
            )
        return folder

    def _other_collections(self, notebook: str) -> list[str]:
        """If the notebook is one of the first stage, the others of it that have brought in the dataset."""
        stage, _, name = notebook.partition("/")
        places = sorted((self.root / stage).glob(f"*/{self.dataset}")) if stage == COLLECTION else []
        found = [place.parent.name for place in places]
        return [one for one in found if one != name and self.has_output(f"{stage}/{one}")]

    def _other_datasets(self, notebook: str) -> list[str]:
        """The datasets for which a notebook was run."""
        found = [place.name for place in (self.root / notebook).glob("[!.]*") if place.is_dir()]
        return [one for one in found if Workspace(self.root, one).has_output(notebook)]

    @property
    def lists(self) -> Path:
        """Folder of the pinned lists."""
        return self.root / "data-lists"

    def list_path(self, name: str = "") -> Path:
        """Path of a pinned list of this dataset: `data-lists/<dataset><name>.txt`, such as name ".train"."""
        return self.lists / f"{self.dataset}{name}.txt"
