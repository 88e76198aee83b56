"""Photos that belong together, from labels to splits."""

import pandas as pd
import pytest

from lost_and_found.collection.labelled import import_labelled
from lost_and_found.data_loader import load_samples, records_table
from lost_and_found.errors import InvalidConfig
from lost_and_found.preparation.splitting import audit, split
from lost_and_found.samples import read_record, write_pair
from tests.collection.made_photos import picture, write
from tests.pairs import noise_jpeg

CLIPS = {"France": ("paris", "lyon", "nice", "metz"), "Peru": ("lima", "cusco", "puno")}


def walks(folder):
    """Six frames of each clip; returns the clip of each file."""
    files = {
        f"{country}/{clip}/{frame}.jpg": f"{country}/{clip}"
        for country, clips in CLIPS.items()
        for clip in clips
        for frame in range(6)
    }
    for seed, file in enumerate(files):
        write(folder / file, picture(seed=seed))
    return files


@pytest.mark.parametrize("by", ["folder", "column"])
def test_frames_of_one_walk_stay_in_one_split(tmp_path, by):
    files = walks(tmp_path / "in")
    if by == "column":
        rows = [(file, clip.partition("/")[0], clip.upper()) for file, clip in files.items()]
        pd.DataFrame(rows, columns=["path", "country", "group"]).to_csv(
            tmp_path / "in/labels.csv", index=False
        )
    report = import_labelled(tmp_path / "in", tmp_path / "out", site="s", series=by == "folder", workers=1)
    assert report.imported == len(files)
    samples = load_samples(tmp_path / "out")
    table = records_table(samples)
    assert table["game"].nunique() == len(set(files.values()))
    splits = split(table, seed=1)
    audit(table, splits)
    clip = {sample.id: files[read_record(sample.record)["file"]] for sample in samples}
    where = [{clip[one] for one in ids} for ids in splits.values()]
    assert sum(map(len, where)) == len(set(files.values()))


def test_without_a_group_each_photo_is_on_its_own_whatever_its_folder(tmp_path):
    files = walks(tmp_path / "in")
    import_labelled(tmp_path / "in", tmp_path / "out", site="s", workers=1)
    assert records_table(load_samples(tmp_path / "out"))["game"].nunique() == len(files)


def test_a_photo_directly_in_a_countrys_folder_belongs_to_no_series(tmp_path):
    write(tmp_path / "in/France/a.jpg", picture())
    write(tmp_path / "in/France/walk/a.jpg", picture(seed=1))
    import_labelled(tmp_path / "in", tmp_path / "out", site="s", series=True, workers=1)
    records = [read_record(sample.record) for sample in load_samples(tmp_path / "out")]
    assert sorted(record.get("group", "") for record in records) == ["", "France/walk"]


def test_with_a_table_folders_are_not_groups(tmp_path):
    write(tmp_path / "in/France/walk/a.jpg", picture())
    (tmp_path / "in/labels.csv").write_text("path,country\nFrance/walk/a.jpg,France\n")
    with pytest.raises(InvalidConfig, match="name the groups in the table's column group"):
        import_labelled(tmp_path / "in", tmp_path / "out", site="s", series=True, workers=1)


@pytest.mark.parametrize(
    ("group", "game"), [(0, "s_group_0"), ("0", "s_group_0"), ("", "s_m_a"), (None, "s_m_a")]
)
def test_the_first_of_numbered_groups_is_one_too(tmp_path, group, game):
    sample = write_pair(tmp_path, "s_m_a_0", image=noise_jpeg(0), suffix=".jpg", record={"group": group})
    assert records_table([sample])["game"].tolist() == [game]


def test_a_long_series_is_split_like_any_other_group():
    games = [f"s_group_{country}{clip}" for country in "AB" for clip in range(4) for _ in range(80)]
    table = pd.DataFrame(
        {
            "id": [f"s_photo_{number:04}_0" for number in range(len(games))],
            "game": games,
            "country_code": [game[len("s_group_")] + "X" for game in games],
            "lat": float("nan"),
            "lon": float("nan"),
        }
    )
    report = audit(table, split(table))
    assert report[["train", "val", "test"]].to_numpy().tolist() == [[160, 80, 80]] * 2
