"""The files of results."""

import json

from pneumoseg.data_io.volumes.labels import LUNG_LABELS
from pneumoseg.evaluation.jobs.results import listed_results, write_classes


def test_only_known_files_are_listed_in_their_order(tmp_path):
    for name in ("trust.json", "mask.nii.gz", "other.txt", ".hidden"):
        (tmp_path / name).write_bytes(b"abc")
    (tmp_path / "previews").mkdir()
    found = listed_results(tmp_path)
    assert [(one.name, one.bytes) for one in found] == [("mask.nii.gz", 3), ("trust.json", 3)]
    assert found[0].media_type == "application/gzip"


def test_classes(tmp_path):
    write_classes(tmp_path / "labels.json", LUNG_LABELS)
    rows = json.loads((tmp_path / "labels.json").read_text("utf-8"))
    assert [row["name"] for row in rows] == ["background", "lung_left", "lung_right", "infection"]
    assert rows[3] == {"number": 3, "name": "infection", "colour": list(LUNG_LABELS.colours[3])}
