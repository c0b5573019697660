"""Segmentations of other series."""

import numpy as np
import pytest

from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.formats.dicom.references import on_series
from pneumoseg.data_io.formats.dicom.results.segmentation import write_segmentation
from pneumoseg.data_io.formats.dicom.results.source import source_of
from pneumoseg.data_io.formats.reading import read_labels, read_volume
from pneumoseg.data_io.volumes.labels import LUNG_LABELS
from pneumoseg.data_io.volumes.volume import Volume, on_grid_of
from pneumoseg.evaluation.experiments.mask_grading import grade_masks
from pneumoseg.evaluation.followup.examination import read_examination
from tests.data_io.formats.dicom.dicom_files import write_series
from tests.data_io.formats.dicom.results.series_with_mask import ORIGIN, mask_of, series
from tests.data_io.formats.dicom.results.test_segmentation import written
from tests.data_io.formats.dicom.test_segmentation import keep, of_slices, spoilt


def test_a_segmentation_belongs_to_its_series_alone(tmp_path):
    path, ct, _ = written(tmp_path)
    mask = read_labels(path, LUNG_LABELS)
    other = read_volume(write_series(tmp_path / "other", uid="1.2.99"))
    on_series(mask, ct)
    on_series(mask, Volume.from_source(ct.restore(), ct.stored_grid.affine))
    with pytest.raises(InputError, match="a segmentation of another DICOM series than the CT"):
        on_series(mask, other)
    nameless = read_volume(write_series(tmp_path / "nameless", uid=""))
    on_series(mask, nameless)
    assert np.array_equal(nameless.array, ct.array)


@pytest.mark.filterwarnings("ignore:Invalid value for VR UI")
def test_of_a_ct_with_invalid_uids_it_has_assigned_ones(tmp_path):
    ct = series(tmp_path / "ct", SeriesInstanceUID="09bc8aea-ff9c-4106-8514-294cbcf9a082")
    path = tmp_path / "mask.seg.dcm"
    source = source_of(ct.stored_grid, assign_uids=True)
    write_segmentation(path, mask_of(ct), LUNG_LABELS, source=source, origin=ORIGIN)
    on_series(read_labels(path, LUNG_LABELS), ct)


def test_slices_without_frames_are_empty_on_the_grid_of_the_ct(tmp_path):
    for slices in ((2, 3), (4,)):  # a single one has no step of its own
        path, ct, mask = written(tmp_path / f"{slices}")
        spoilt(path, lambda header, slices=slices: keep(header, of_slices(header, slices)))
        expected = mask.restore().copy()
        expected[:, :, [number for number in range(5) if number not in slices]] = 0
        found = on_grid_of(ct, on_series(read_labels(path, LUNG_LABELS), ct), "CT and mask")
        np.testing.assert_array_equal(found.restore(), expected)
    assert grade_masks(path, images=path.parent / "ct")[0]["case"] == "mask"


def test_grading_and_follow_up_refuse_it(tmp_path):
    path, _, _ = written(tmp_path)
    write_series(tmp_path / "other", uid="1.2.99")
    assert grade_masks(path, images=tmp_path / "ct")[0]["case"] == "mask"
    with pytest.raises(InputError, match="another DICOM series"):
        grade_masks(path, images=tmp_path / "other")
    with pytest.raises(InputError, match="another DICOM series"):
        read_examination(tmp_path / "other", path, "baseline")
