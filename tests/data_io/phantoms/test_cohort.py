"""Generated cohorts: the table says what the labels hold, and mean attenuation does not give the label away."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from pneumoseg.data_io.datasets.cohort_table import read_cohort_table
from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.formats.reading import read_labels, read_volume
from pneumoseg.data_io.phantoms.cohort import (
    SEVERITIES,
    infected_percent,
    make_study,
    patterns,
    write_cohort_phantoms,
)
from pneumoseg.data_io.phantoms.other_patterns import OTHERS

TINY = (24, 24, 20)


def test_half_of_the_studies_is_diseased_and_all_severities_occur():
    drawn = patterns(60, 0)
    assert [drawn.count(severity) for severity in SEVERITIES] == [6] * 5
    assert drawn.count("normal") == 15
    assert sorted(drawn.count(other) for other in OTHERS) == [3, 4, 4, 4]
    assert patterns(60, 1) != drawn == patterns(60, 0)
    assert patterns(1, 0) == ["low"]


@pytest.mark.parametrize(("pattern", "least", "most"), [("low", 1, 20), ("moderate", 40, 60), ("critical", 80, 100)])
def test_the_infected_percent_is_that_of_the_pattern(pattern, least, most):
    _, labels = make_study(0, 3, pattern, (40, 40, 32))
    assert least < infected_percent(labels.array) < most


def test_mean_attenuation_alone_does_not_tell_the_label():
    studies = [(pattern in SEVERITIES, make_study(0, at, pattern, TINY)) for at, pattern in enumerate(patterns(60, 0))]
    means = [ct.array[labels.array > 0].mean() for _, (ct, labels) in studies]
    assert 0.4 < roc_auc_score([diseased for diseased, _ in studies], means) <= 0.8


@pytest.mark.parametrize("dicom", [False, True])
def test_the_table_is_read_back_and_its_scores_are_those_of_the_labels(tmp_path, dicom):
    names = write_cohort_phantoms(tmp_path / "c", 3, shape=TINY, positions=("HFS",) if dicom else ())
    table = read_cohort_table(tmp_path / "c" / "cohort.csv")
    assert [row.name for row in table] == names == ["phantom_001", "phantom_002", "phantom_003"]
    for row in table:
        labels = read_labels(tmp_path / "c" / row.name / "segmentation.nii.gz", 4).array
        assert row.score == pytest.approx(infected_percent(labels), abs=0.01)
        assert row.diseased is (row.further["pattern"] in SEVERITIES)
        assert read_volume(row.path).array.shape == labels.shape


def test_a_cohort_is_replaced_whole_and_other_folders_are_kept(tmp_path):
    write_cohort_phantoms(tmp_path / "c", 2, shape=TINY)
    with pytest.raises(InputError, match="must be empty"):
        write_cohort_phantoms(tmp_path / "c", 1, shape=TINY)
    write_cohort_phantoms(tmp_path / "c", 1, shape=TINY, overwrite=True)
    assert sorted(path.name for path in (tmp_path / "c").iterdir()) == ["cohort.csv", "phantom_001"]
    (tmp_path / "c" / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match=r"holds something else than such studies, notes\.txt"):
        write_cohort_phantoms(tmp_path / "c", 1, shape=TINY, overwrite=True)


def test_the_same_seed_gives_the_same_study():
    (one, _), (same, _), (other, _) = (make_study(seed, 0, "severe", TINY) for seed in (0, 0, 1))
    np.testing.assert_array_equal(one.array, same.array)
    assert not np.array_equal(one.array, other.array)


def test_no_lungs_have_no_infected_percent():
    assert infected_percent(np.zeros(3, np.uint8)) == 0
