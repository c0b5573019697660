import numpy as np
import pytest

from pneumoseg.data_io.formats.label_arrays import write_label_array
from pneumoseg.data_io.formats.pictures import picture_volume
from pneumoseg.data_io.formats.writing import write_labels
from pneumoseg.data_io.volumes.labels import LUNG_LABELS
from pneumoseg.data_io.volumes.volume import Volume


def test_a_slice_has_rows_and_columns(tmp_path):
    array = np.array([[0, 1, 2], [3, 0, 0]], np.uint8)
    write_labels(tmp_path / "mask.npy", picture_volume(array), LUNG_LABELS)
    np.testing.assert_array_equal(np.load(tmp_path / "mask.npy", allow_pickle=False), array)


@pytest.mark.parametrize("signs", [(1, 1, 1), (-1, -1, 1), (-1, 1, -1)])
def test_a_volume_is_as_its_file_orders_it(tmp_path, signs):
    array = np.random.default_rng(0).integers(0, 4, (3, 4, 5)).astype(np.uint8)
    write_label_array(tmp_path / "mask.npy", Volume.from_source(array, np.diag([*signs, 1])), LUNG_LABELS)
    loaded = np.load(tmp_path / "mask.npy", allow_pickle=False)
    np.testing.assert_array_equal(loaded, array)
    assert loaded.dtype == np.uint8
