import nibabel as nib
import numpy as np
import pytest

from pneumoseg.data_io.formats.probability_maps import probability_maps
from pneumoseg.data_io.volumes.lazy_volume import Scan
from pneumoseg.data_io.volumes.volume import Volume


@pytest.fixture
def scan() -> Scan:
    return Scan.from_volume(Volume.from_source(np.zeros((3, 4, 5), np.int16), np.diag([-1.0, 2, -3, 1])))


def test_maps_lie_on_the_source_grid(tmp_path, scan):
    values = np.random.default_rng(0).random((2, 5, 4, 3)).astype(np.float32)  # classes, z, y, x as RAS+
    paths = [tmp_path / "out" / "a.nii.gz", tmp_path / "out" / "b.nii.gz"]
    with probability_maps(paths, scan) as sink:
        sink(0, values[:, :2])
        sink(2, values[:, 2:])
        assert not [path for path in paths if path.exists()]
    for path, expected in zip(paths, values, strict=True):
        image = nib.load(path)
        np.testing.assert_allclose(image.affine, scan.stored_grid.affine)
        np.testing.assert_allclose(image.get_fdata(), expected.T[::-1, :, ::-1], atol=0.5 / 255 + 1e-6)
        assert image.get_data_dtype() == np.uint8
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.nii.gz", "b.nii.gz"]


def test_a_failure_leaves_nothing(tmp_path, scan):
    with pytest.raises(RuntimeError), probability_maps([tmp_path / "a.nii.gz"], scan):
        raise RuntimeError
    assert not list(tmp_path.iterdir())
