from dataclasses import replace

import numpy as np
import pytest

from pneumoseg.data_io.formats.dicom.header import read_slice
from tests.data_io.formats.dicom.dicom_files import CORONAL, STORED, header, save


@pytest.fixture
def axial(tmp_path):
    return read_slice(save(header((1, 2, 3)), tmp_path / "a.dcm", STORED[0]))


def test_slices_count_up_along_columns_x_rows(axial, tmp_path):
    coronal = read_slice(save(header((1, 2, 3), CORONAL), tmp_path / "b.dcm", STORED[0]))
    np.testing.assert_array_equal(axial.normal, [0, 0, 1])
    np.testing.assert_array_equal(coronal.normal, [0, 1, 0])
    with pytest.raises(ValueError, match="no orientation"):
        _ = replace(axial, cosines=None).normal


@pytest.mark.parametrize("missing", ["position_mm", "cosines", "spacing_mm"])
def test_a_place_needs_position_orientation_and_spacing(axial, missing):
    assert axial.has_geometry
    assert axial.is_plain_ct
    assert not replace(axial, **{missing: None}).has_geometry
    assert not replace(axial, **{missing: None}).is_plain_ct


@pytest.mark.parametrize("changes", [{"modality": "MR"}, {"frames": 2}, {"photometric": "RGB"}])
def test_other_modalities_frames_and_colours_are_no_plain_ct(axial, changes):
    assert not replace(axial, **changes).is_plain_ct
    assert replace(axial, photometric="MONOCHROME1").is_plain_ct
