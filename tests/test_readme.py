"""The commands that the READMEs show exist and take the parameters shown, and their links lead somewhere."""

import re
import shlex

import pytest

from lost_and_found import notebook_script, notebooks
from lost_and_found.collection.game.__main__ import _parser as collect_parser
from lost_and_found.collection.game.job import CollectJob
from lost_and_found.evaluation.__main__ import _parser as guess_parser
from lost_and_found.human_baseline.__main__ import _parser as quiz_parser
from lost_and_found.notebook_checks import STAGES
from lost_and_found.training import sweeps
from lost_and_found.training.config import CHOICES, PRESETS

TEXTS = {
    path: path.read_text()
    for pattern in ("*.md", "*/*.md")
    for path in sorted(notebooks.REPOSITORY.glob(pattern))
}
README = TEXTS[notebooks.REPOSITORY / "README.md"]
ON_ONE_LINE = re.sub(r"\\\n\s*", "", "".join(TEXTS.values()))
COMMANDS = sorted(set(re.findall(r"^(scripts/[\w-]+.*?)\s*(?:#.*)?$", ON_ONE_LINE, re.M)))


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_of_the_readme_exists_and_fits(command):
    script, *arguments = shlex.split(command)
    presets = []
    assert (notebooks.REPOSITORY / script).stat().st_mode & 0o111
    if "--preset" in arguments:
        place = arguments.index("--preset")
        presets = arguments[place : place + 2]
        assert presets[1] in PRESETS
        del arguments[place : place + 2]
    if script == "scripts/tune":
        sweeps._parser().parse_args(arguments)
        assert (notebooks.REPOSITORY / arguments[0]).is_file()
    if script == "scripts/run-stages":
        name = arguments.pop(0) if arguments and not arguments[0].startswith("-") else "practice"
        profile = notebooks.read_profile(name)
        known = {}
        for notebook in profile.notebooks:
            known |= notebooks.parameters_of(notebooks.REPOSITORY / f"{notebook}.ipynb")
        given = dict(zip(arguments[1::3], arguments[2::3], strict=True))
        assert set(arguments[0::3]) <= {"-p"}
        notebooks.resolve_parameters(profile.parameters, given, known)
    if script == "scripts/train":
        assert notebook_script.main([*arguments, *presets, "--list"]) == 0
    if script == "scripts/guess":
        guess_parser().parse_args(arguments)
    if script == "scripts/quiz":
        quiz_parser().parse_args(arguments)
    if script == "scripts/collect":
        CollectJob(**vars(collect_parser().parse_args(arguments)))


def test_the_readme_shows_the_two_commands():
    assert {"scripts/run-stages", "scripts/test"} <= set(COMMANDS)


def test_every_parameter_that_a_readme_mentions_is_known():
    known = set()
    for path in notebooks.REPOSITORY.glob(f"{STAGES}/*.ipynb"):
        known |= set(notebooks.parameters_of(path))
    assert set(re.findall(r"-p (\w+)", ON_ONE_LINE)) - {"NAME"} <= known


def test_the_readme_of_a_stage_names_each_of_its_notebooks():
    for path in notebooks.REPOSITORY.glob(f"{STAGES}/*.ipynb"):
        assert f"`{path.stem}" in TEXTS[path.parent / "README.md"], path.name


@pytest.mark.parametrize("setting", ["target", "augmentation"])
def test_the_readme_of_the_training_explains_every_choice_of(setting):
    text = TEXTS[notebooks.REPOSITORY / "3-training" / "README.md"]
    begun = set(re.findall(r"^(?:- |\| )`(\w+)`", text, re.M))  # items of lists, rows of tables
    assert set(CHOICES[setting]) <= begun


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: str(path.relative_to(notebooks.REPOSITORY)))
def test_every_link_of_a_readme_leads_somewhere(path):
    for link in re.findall(r"\]\(([^)]+)\)", TEXTS[path]):
        if not link.startswith("http"):
            place, _, heading = link.partition("#")
            target = (path.parent / place).resolve() if place else path
            assert target.exists(), link
            assert not heading or heading in anchors(TEXTS[target]), link


def anchors(text):
    """The anchors that GitHub makes from headings."""
    headings = re.findall(r"^#+ (.+)$", text, re.M)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: str(path.relative_to(notebooks.REPOSITORY)))
def test_prose_has_lines_of_at_most_130_columns(path):
    prose = re.sub(r"^```.*?^```$", "", TEXTS[path], flags=re.M | re.S)
    assert [line for line in prose.splitlines() if len(line) > 130 and not line.startswith("|")] == []


def test_no_placeholder_is_left():
    assert not re.findall(r"^(?:[A-Z]{4,}|TODO.*)$", README, re.M)
