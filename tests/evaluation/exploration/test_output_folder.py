"""The folder of an exploration: whole, or begun and free for the next."""

import json

import nibabel as nib
import numpy as np
import pytest
from PIL import Image

from pneumoseg.data_io.datasets.layouts import open_dataset
from pneumoseg.data_io.datasets.slices import slice_cases
from pneumoseg.data_io.errors import InputError
from pneumoseg.evaluation.exploration import output_folder
from pneumoseg.evaluation.exploration.output_folder import check_output, explore_to_folder


@pytest.fixture
def dataset(tmp_path, monkeypatch):
    """Two CTs of 4x4x4 voxels without masks; figures are made but not rendered, which takes most of the time."""

    def save(figure, path):
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (1, 1)).save(path)

    monkeypatch.setattr(output_folder, "save_figure", save)
    for name in ("a", "b"):
        (tmp_path / "data" / name).mkdir(parents=True)
        ct = np.linspace(-1000, 260, 64).astype(np.int16).reshape(4, 4, 4)
        nib.save(nib.Nifti1Image(ct, np.eye(4)), tmp_path / "data" / name / "imaging.nii.gz")
    return open_dataset(tmp_path / "data", need_masks=False)


def test_what_is_returned_is_what_is_written(dataset, tmp_path):
    exploration = explore_to_folder(dataset, tmp_path / "out", title="Two CTs")
    assert list(exploration.table["case"]) == ["a", "b"]
    assert json.loads((tmp_path / "out" / "summary.json").read_text()) == exploration.summary
    report = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "<title>Two CTs</title>" in report
    assert report.count("<img ") == 4  # two overviews, two cases; without masks none of the classes


@pytest.mark.parametrize("dies_at", ["write_table", "write_json", "write_exploration_report"])
def test_an_exploration_that_ended_before_its_report_is_no_obstacle(dataset, tmp_path, monkeypatch, dies_at):
    def full(*arguments, **further):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(output_folder, dies_at, full)
        with pytest.raises(OSError, match="No space left"):
            explore_to_folder(dataset, tmp_path / "out", title="Two CTs")
    assert (tmp_path / "out" / "figures" / "cases" / "b.png").is_file()
    explore_to_folder(dataset, tmp_path / "out", title="Two CTs")
    with pytest.raises(InputError, match="must be free for results, found exploration"):
        explore_to_folder(dataset, tmp_path / "out", title="Two CTs")
    explore_to_folder(dataset, tmp_path / "out", title="Two CTs", overwrite=True)


def test_a_file_of_somebody_else_is_in_the_way_of_an_unfinished_one(tmp_path):
    (tmp_path / "figures" / "cases").mkdir(parents=True)
    (tmp_path / "exploration.csv").touch()
    check_output(tmp_path)
    (tmp_path / "notes.txt").touch()
    with pytest.raises(InputError, match=r"found exploration\.csv, figures, notes\.txt"):
        check_output(tmp_path)
    check_output(tmp_path, overwrite=True)


def test_many_slices_share_a_file(dataset, tmp_path, monkeypatch):
    monkeypatch.setattr(output_folder.sheets, "CASES", 3)
    slices = slice_cases(dataset, 2, foreground=None, labels=4)
    explore_to_folder(slices, tmp_path / "out", title="Eight slices")
    drawn = sorted(path.name for path in (tmp_path / "out" / "figures" / "cases").iterdir())
    assert drawn == ["sheet_001.png", "sheet_002.png", "sheet_003.png"]
    report = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "<figcaption>a_000 to a_002</figcaption>" in report
    assert "<figcaption>b_002 to b_003</figcaption>" in report
