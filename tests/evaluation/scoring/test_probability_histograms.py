"""Histograms of probabilities: written, read again, and the AUC they give."""

import numpy as np
import pytest

from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.formats.probability_levels import LEVELS
from pneumoseg.evaluation.scoring.probability_histograms import class_areas, read_histograms, write_histograms

NAMES = ("background", "007", "NA")


@pytest.fixture
def histograms() -> np.ndarray:
    """Of 007 voxels at three levels; of NA none is inside the reference."""
    counts = np.zeros((3, 2, LEVELS), np.int64)
    counts[1, 0, [1, 2]] = counts[1, 1, [0, 1]] = 1
    counts[0, :, 5] = 3, 1
    counts[2, 1, LEVELS - 1] = 4
    return counts


def test_areas_by_hand(histograms):
    areas = class_areas(histograms, NAMES)
    assert (areas["background"], areas["007"]) == (0.5, 0.875)
    assert np.isnan(areas["NA"])


def test_what_is_written_is_read_again(tmp_path, histograms):
    write_histograms(tmp_path, histograms, NAMES)
    path = tmp_path / "probability_histograms.csv"
    assert path.read_text().splitlines()[:3] == ["class,level,inside,outside", "background,5,3,1", "007,0,0,1"]
    np.testing.assert_array_equal(read_histograms(path, NAMES), histograms)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("class,level,inside\n007,1,2\n", "columns class, level, inside, outside are needed"),
        ("class,level,inside,outside\nlung,1,2,3\n", "the classes are background, 007, NA, found lung"),
        ("class,level,inside,outside\n007,4096,2,3\n", r"level is 0\.\.4095"),
        ("class,level,inside,outside\n007,1,-2,3\n", "numbers of voxels"),
        ("class,level,inside,outside\n007,1,2.5,3\n", "numbers of voxels"),
        ("class,level,inside,outside\n007,1,x,3\n", "numbers of voxels"),
        ("", "no columns"),
    ],
)
def test_another_table_is_refused(tmp_path, text, message):
    path = tmp_path / "probability_histograms.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=rf"probability_histograms\.csv: .*{message}"):
        read_histograms(path, NAMES)
