"""Figures of a cohort: every study is counted once, and is on a sheet before and after masking."""

import numpy as np
import pytest

from pneumoseg.data_io.datasets.cohort_file import read_header
from pneumoseg.data_io.errors import InputError
from pneumoseg.evaluation.exploration.cohort_figures import check_figures, contact_sheet, distributions, draw_cohort
from tests.data_io.datasets.cohorts import entry, write


@pytest.fixture
def cohort(tmp_path):
    entries = [
        entry("anna", diseased=True, score=43.03, slices=120),
        entry("bert", diseased=True, score=80.0, slices=400),
        entry("clara"),
        entry("dora", diseased=None, score=19.9),
        entry("emil", score=None),
    ]
    return write(tmp_path / "cohort.h5", entries)


def heights(axes):
    return [bar.get_height() for bar in axes.patches]


def test_studies_are_counted_by_label_severity_ctsi_and_slices(cohort):
    label, severity, ctsi, slices = distributions(read_header(cohort)).axes
    assert heights(label) == [2, 2, 1]
    assert np.reshape(heights(severity), (3, 5)).tolist() == [[1, 0, 0, 0, 0], [0, 0, 1, 0, 1], [1, 0, 0, 0, 0]]
    counted = np.reshape(heights(ctsi), (3, 26)).sum(axis=0)
    assert np.flatnonzero(counted).tolist() == [0, 4, 10, 20]  # 43.03 is 10, 19.9 is 4
    assert "1 without a score" in severity.get_title()
    assert sum(heights(slices)) == 5


def test_masked_slices_are_air_outside_the_lungs():
    image, lungs = np.full((3, 4, 6), 40, np.int16), np.zeros((3, 4, 6), np.uint8)
    lungs[1, 3, 5] = 1  # to the front and to the right
    image[1, 3, 5] = -800
    before, after = contact_sheet([("anna", image, lungs)], [(1.0, 2.0, 3.0)]).axes
    (shown,), (masked,) = before.images, after.images
    assert shown.get_array()[0, 0] == masked.get_array()[0, 0] == -800  # the patient's right at the left
    assert (np.delete(masked.get_array().ravel(), 0) == -1000).all()
    assert shown.get_extent() == [0, 6, 8, 0]


def test_the_folder_holds_the_distributions_and_the_sheets(cohort, tmp_path):
    paths = draw_cohort(cohort, tmp_path / "figures")
    assert [path.name for path in paths] == ["cohort.png", "studies_001.png"]
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in paths)
    check_figures(tmp_path / "figures", overwrite=True)
    with pytest.raises(InputError, match=r"must be free for figures, found cohort\.png"):
        check_figures(tmp_path / "figures")
    draw_cohort(cohort, tmp_path / "figures")


def test_other_folders_are_never_replaced(tmp_path):
    check_figures(tmp_path / "new")
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match=r"found notes\.txt"):
        check_figures(tmp_path, overwrite=True)
    with pytest.raises(InputError, match="found a file"):
        check_figures(tmp_path / "notes.txt")
