"""A dataset as one archive."""

import json
import resource
import shutil
import signal
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from lost_and_found import dataset_archive
from lost_and_found.data_lists import read_list
from lost_and_found.errors import ListMismatch, MissingInput, StorageFull
from lost_and_found.workspace import ENRICH, TRAIN, Workspace
from tests.pairs import make_dataset


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return make_dataset(tmp_path_factory.mktemp("root"))


def members(archive):
    with tarfile.open(archive, "r:") as opened:
        return {member.name: member for member in opened.getmembers()}


def caches_in(workspace, *splits, width=64):
    """Make caches of the present lists, and one unfinished; the names of their files in an archive."""
    folder = workspace.output(TRAIN) / "pixels"
    (folder / ".made.val-64x40-0123.tmp").mkdir(parents=True, exist_ok=True)
    (folder / ".made.val-64x40-0123.tmp" / "cache.json").write_text("{}")
    names = []
    for split in splits:
        digest = read_list(workspace.list_path(f".{split}")).digest
        name = f"made.{split}-{width}x40-{digest[:12]}"
        (folder / name).mkdir()
        content = {"list_name": f"made.{split}", "list_digest": digest, "width": width, "height": 40}
        (folder / name / "cache.json").write_text(json.dumps(content))
        names.append(f"3-training/01-train-model/made/pixels/{name}/cache.json")
    return names


def copy_of(workspace, folder):
    shutil.copytree(workspace.root, folder)
    return Workspace(folder, workspace.dataset)


def test_an_archive_holds_lists_and_pairs_and_nothing_else(dataset, tmp_path):
    assert dataset_archive.pack_dataset(dataset, tmp_path / "made.tar") == 6 + 2 * 25
    found = members(tmp_path / "made.tar")
    lists = {
        f"data-lists/made.{split}.{kind}" for split in ("train", "val", "test") for kind in ("txt", "json")
    }
    assert {name for name in found if not name.startswith(ENRICH)} == lists
    assert not [name for name in found if Path(name).name.startswith(".")]
    assert {(one.uid, one.uname) for one in found.values()} == {(0, "")}
    assert list(tmp_path.iterdir()) == [tmp_path / "made.tar"]


def test_whole_pixel_caches_are_packed_and_can_stand_for_the_pairs(dataset, tmp_path):
    workspace = copy_of(dataset, tmp_path / "root")
    caches = caches_in(workspace, "test", "train", "val")
    dataset_archive.pack_dataset(workspace, tmp_path / "all.tar")
    dataset_archive.pack_dataset(workspace, tmp_path / "pixels.tar", with_pairs=False)
    everything, pixels = members(tmp_path / "all.tar"), members(tmp_path / "pixels.tar")
    assert set(everything) - set(pixels) == {name for name in everything if name.startswith(ENRICH)}
    assert [name for name in pixels if name.startswith("3-")] == caches


def test_pixels_from_which_nothing_could_be_trained_are_not_packed(dataset, tmp_path):
    workspace = copy_of(dataset, tmp_path / "root")
    caches_in(workspace, "train", "val")
    caches_in(workspace, "test", width=130)
    with pytest.raises(
        MissingInput, match="no pixel caches of the train, val and test lists as they are now"
    ):
        dataset_archive.pack_dataset(workspace, tmp_path / "x.tar", with_pairs=False)
    caches_in(workspace, "test")
    dataset_archive.pack_dataset(workspace, tmp_path / "x.tar", with_pairs=False)


def test_files_that_are_links_are_packed_as_what_they_link_to(dataset, tmp_path):
    workspace = copy_of(dataset, tmp_path / "root")
    picture = next(workspace.input(ENRICH).glob("*.jpg"))
    content = picture.read_bytes()
    picture.rename(tmp_path / "elsewhere.jpg")
    picture.symlink_to(tmp_path / "elsewhere.jpg")
    dataset_archive.pack_dataset(workspace, tmp_path / "x.tar")
    with tarfile.open(tmp_path / "x.tar") as archive:
        assert archive.extractfile(str(picture.relative_to(workspace.root))).read() == content


@pytest.mark.parametrize(
    ("dataset_name", "with_pairs", "message"),
    [
        ("absent", True, r"absent\.train\.txt is missing"),
        ("made", False, r"holds no pixel caches of .*; run 3-training/01-train-model\.ipynb"),
    ],
)
def test_what_is_missing_is_named(dataset, tmp_path, dataset_name, with_pairs, message):
    workspace = Workspace(dataset.root, dataset_name)
    with pytest.raises(MissingInput, match=message):
        dataset_archive.pack_dataset(workspace, tmp_path / "x.tar", with_pairs=with_pairs)
    assert not list(tmp_path.iterdir())


def test_half_filled_pairs_are_not_packed(dataset, tmp_path):
    workspace = copy_of(dataset, tmp_path / "root")
    (workspace.output(ENRICH) / ".unfinished").touch()
    with pytest.raises(MissingInput, match=r"half filled.*run 2-data-preparation/02-enrich-records\.ipynb"):
        dataset_archive.pack_dataset(workspace, tmp_path / "x.tar")


def test_an_edited_list_is_not_packed(dataset, tmp_path):
    workspace = copy_of(dataset, tmp_path / "root")
    workspace.list_path(".val").write_text("x\ty\n")
    with pytest.raises(ListMismatch, match="edited or cut off"):
        dataset_archive.pack_dataset(workspace, tmp_path / "x.tar")


def test_the_list_that_was_split_is_packed_unless_it_was_edited(dataset, tmp_path):
    workspace = copy_of(dataset, tmp_path / "root")
    whole = workspace.list_path("-mapped")
    for suffix in (".txt", ".json"):
        shutil.copy(workspace.list_path(".val").with_suffix(suffix), whole.with_suffix(suffix))
    dataset_archive.pack_dataset(workspace, tmp_path / "x.tar")
    assert {"data-lists/made-mapped.txt", "data-lists/made-mapped.json"} < set(members(tmp_path / "x.tar"))
    whole.write_text("x\ty\n")
    with pytest.raises(ListMismatch, match=r"made-mapped\.txt .*edited or cut off"):
        dataset_archive.pack_dataset(workspace, tmp_path / "y.tar")


def test_an_archive_that_cannot_be_written_is_an_error(dataset, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(FileExistsError):
        dataset_archive.pack_dataset(dataset, tmp_path / "file" / "x.tar")


def test_an_archive_for_which_there_is_no_room_is_an_error_and_leaves_nothing(dataset, tmp_path):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, before[1]))
    try:
        with pytest.raises(StorageFull, match=r"x\.tar: no room for it; free some space"):
            dataset_archive.pack_dataset(dataset, tmp_path / "x.tar")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert list(tmp_path.iterdir()) == []


def test_the_command_packs_and_explains_what_is_wrong(dataset, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert dataset_archive.main(["made", "--root", str(dataset.root)]) == 0
    assert f"{tmp_path / 'made.tar'}: 56 files" in capsys.readouterr().out
    assert dataset_archive.main(["made", "--root", str(tmp_path / "absent")]) == 1
    assert f"error: there is no folder {tmp_path / 'absent'}" in capsys.readouterr().err
    assert not (tmp_path / "absent").exists()
    assert dataset_archive.main(["made", "--root", str(dataset.root), "--pixels-only"]) == 1
    assert "holds no pixel caches" in capsys.readouterr().err


def test_the_archive_may_be_put_into_a_folder_and_into_one_to_be_made(dataset, tmp_path):
    assert dataset_archive.main(["made", "--root", str(dataset.root), "--output", str(tmp_path)]) == 0
    assert [path.name for path in tmp_path.iterdir()] == ["made.tar"]
    output = tmp_path / "new" / "folder" / "small.tar"
    assert dataset_archive.main(["made", "--root", str(dataset.root), "--output", str(output)]) == 0
    assert output.is_file()


def test_ctrl_c_shows_no_traceback_and_leaves_no_archive(dataset, tmp_path, monkeypatch, capsys):
    def pressed(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(tarfile.TarFile, "add", pressed)
    assert dataset_archive.main(["made", "--root", str(dataset.root), "--output", str(tmp_path)]) == 130
    assert capsys.readouterr().err.endswith("stopped\n")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_packing_that_was_stopped_leaves_nothing_but_the_next_archive(dataset, tmp_path, number):
    stopped = (
        "import os, sys, tarfile\n"
        "from lost_and_found import dataset_archive\n"
        f"tarfile.TarFile.add = lambda *_, **__: os.kill(os.getpid(), {int(number)})\n"
        "sys.exit(dataset_archive.main(sys.argv[1:]))\n"
    )
    arguments = ["made", "--root", str(dataset.root), "--output", str(tmp_path / "made [1].tar")]
    done = subprocess.run([sys.executable, "-c", stopped, *arguments], capture_output=True)
    assert done.returncode in (128 + number, -number)
    assert bool(list(tmp_path.iterdir())) == (number == signal.SIGKILL)
    assert dataset_archive.main(arguments) == 0
    assert [path.name for path in tmp_path.iterdir()] == ["made [1].tar"]
