"""Beside the masks: the table of volumes keeps what an earlier call wrote, and only own leftovers are removed."""

import pytest

from pneumoseg.data_io.errors import InputError
from pneumoseg.evaluation.inference.outputs import Output, write_volumetry

LEFT = {"lung_left_ml": 0.32, "lung_left_mean_hu": -850.0, "infected_percent": None}
HEADER = "case,lung_left_ml,lung_left_mean_hu,infected_percent"


def test_rows_of_other_cases_stay_and_those_of_the_same_case_are_replaced(tmp_path):
    path = tmp_path / "statistics.csv"
    write_volumetry(path, {"007": LEFT, "b": LEFT})
    assert path.read_text().splitlines() == [HEADER, "007,0.32,-850.0,", "b,0.32,-850.0,"]
    write_volumetry(path, {"b": LEFT | {"infected_percent": 5.5}, "c": LEFT})
    assert path.read_text().splitlines() == [HEADER, "007,0.32,-850.0,", "b,0.32,-850.0,5.5", "c,0.32,-850.0,"]


def test_a_model_of_other_classes_adds_its_columns(tmp_path):
    path = tmp_path / "statistics.csv"
    write_volumetry(path, {"a": {"lung_left_ml": 1.0}})
    write_volumetry(path, {"b": {"liver_ml": 2.0}})
    assert path.read_text().splitlines() == ["case,lung_left_ml,liver_ml", "a,1.0,", "b,,2.0"]


def test_a_case_that_has_no_mask_any_more_has_no_row(tmp_path):
    path = tmp_path / "statistics.csv"
    write_volumetry(path, {"a": None})
    assert not path.exists()
    write_volumetry(path, {"a": LEFT, "b": LEFT})
    write_volumetry(path, {"a": None})
    assert path.read_text().splitlines() == [HEADER, "b,0.32,-850.0,"]
    write_volumetry(path, {"b": None})
    assert not path.exists()


@pytest.mark.parametrize("content", [b"", b"name,volume\na,1\n", b"\xff\xfe\x00broken"])
def test_a_file_that_is_no_such_table_is_refused_and_kept(tmp_path, content):
    path = tmp_path / "statistics.csv"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"statistics\.csv: .*move it elsewhere"):
        write_volumetry(path, {"a": LEFT})
    assert path.read_bytes() == content


def test_clearing_removes_what_was_left_half_written_of_this_output_alone(tmp_path):
    output = Output(tmp_path / "1.nii.gz")
    own = [
        *(".partial-7-1.nii.gz/1.nii.gz", ".partial-8-1.nii.gz/1.nii.gz", ".partial-7-1.nii.gz.json/1.nii.gz.json"),
        *("previews/.partial-7-1.png/1.png", "probabilities/.partial-7-1.infection.nii.gz/0.raw"),
    ]
    others = [
        *(".partial-7-11.nii.gz/11.nii.gz", ".partial-7-11.nii.gz.json/11.nii.gz.json"),
        *(".partial-7-2-1.nii.gz/a", ".partial-7-1.nii.gz.bak/a", "previews/.partial-7-11.png/11.png"),
        *("probabilities/.partial-7-11.infection.nii.gz/0.raw", "probabilities/.partial-7-1.vessels.nii.gz/0.raw"),
    ]
    for name in (*own, *others):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"begun")
    output.clear(("background", "infection"))
    left = [str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()]
    assert sorted(left) == sorted(others)
