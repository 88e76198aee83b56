"""Files made from others."""

from lost_and_found.stamps import link_or_copy


def test_a_file_is_linked_also_by_a_symbolic_link_and_a_second_time_leaves_nothing_else(tmp_path):
    (tmp_path / "original.jpg").write_bytes(b"picture")
    (tmp_path / "link.jpg").symlink_to("original.jpg")
    made = tmp_path / "made" / "made.jpg"
    made.parent.mkdir()
    for _ in range(2):
        link_or_copy(tmp_path / "link.jpg", made)
    assert [path.name for path in made.parent.iterdir()] == ["made.jpg"]
    assert not made.is_symlink() and made.samefile(tmp_path / "original.jpg")
