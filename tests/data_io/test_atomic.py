"""Files appear whole or not at all."""

import json

import pytest

from data_io.atomic import write_aside, write_json, write_text


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_takes_its_name_when_written(tmp_path):
    with write_aside(tmp_path / "new" / "a.nii.gz") as aside:
        aside.write_bytes(b"voxels")
        assert aside.name.startswith(".partial-")
        assert aside.name.endswith("a.nii.gz")
        assert not (tmp_path / "new" / "a.nii.gz").exists()
    assert (tmp_path / "new" / "a.nii.gz").read_bytes() == b"voxels"
    assert names(tmp_path / "new") == ["a.nii.gz"]


def test_failure_leaves_the_old_file_and_nothing_else(tmp_path):
    (tmp_path / "a.csv").write_text("old")
    with pytest.raises(OSError, match="disk full"), write_aside(tmp_path / "a.csv") as aside:
        aside.write_text("half")
        raise OSError("disk full")
    assert (tmp_path / "a.csv").read_text() == "old"
    assert names(tmp_path) == ["a.csv"]


def test_failed_rename_leaves_nothing(tmp_path):
    (tmp_path / "taken").mkdir()
    with pytest.raises(OSError):
        write_text(tmp_path / "taken", "text")
    assert names(tmp_path) == ["taken"]


def test_json_round_trip_and_no_nan(tmp_path):
    write_json(tmp_path / "a.json", {"dice": 0.5, "name": "Zürich"})
    assert json.loads((tmp_path / "a.json").read_text(encoding="utf-8")) == {"dice": 0.5, "name": "Zürich"}
    with pytest.raises(ValueError):
        write_json(tmp_path / "b.json", {"dice": float("nan")})
    assert names(tmp_path) == ["a.json"]
