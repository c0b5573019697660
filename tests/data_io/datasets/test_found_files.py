"""Which files of a folder count."""

from pneumoseg.data_io.datasets.found_files import by_name, readable_files, visible


def test_files_that_a_reader_knows_by_name(tmp_path):
    for name in ("b.nii.gz", "a.nii", "a.nii.gz", ".c.nii.gz", "notes.md"):
        (tmp_path / name).touch()
    assert [path.name for path in visible(tmp_path)] == ["a.nii", "a.nii.gz", "b.nii.gz", "notes.md"]
    assert [path.name for path in readable_files(tmp_path, ".gz")] == ["a.nii.gz", "b.nii.gz"]
    assert readable_files(tmp_path / "none") == []
    assert by_name(tmp_path) == {"a": [tmp_path / "a.nii", tmp_path / "a.nii.gz"], "b": [tmp_path / "b.nii.gz"]}
