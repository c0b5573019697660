import itertools

import nibabel as nib
import numpy as np
import pytest

from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.formats.nifti import open_nifti
from pneumoseg.data_io.volumes import lazy_volume as scan_file
from pneumoseg.data_io.volumes.lazy_volume import Scan, slab_thickness
from pneumoseg.data_io.volumes.volume import Volume

STORED = np.arange(2 * 3 * 5, dtype=np.int16).reshape(2, 3, 5)
ORIENTATIONS = [
    "".join(letters) for axes in itertools.permutations(("LR", "PA", "IS")) for letters in itertools.product(*axes)
]


def affine_of(codes: str) -> np.ndarray:
    return np.linalg.inv(nib.orientations.inv_ornt_aff(nib.orientations.axcodes2ornt(codes), STORED.shape))


@pytest.mark.parametrize("thickness", [1, 2, 5])
@pytest.mark.parametrize("codes", ORIENTATIONS)
def test_slabs_lie_where_they_say(codes, thickness):
    whole = Volume.from_source(STORED, affine_of(codes))
    pieces = [STORED[:, :, start : start + thickness] for start in range(0, 5, thickness)]
    scan = Scan(whole.stored_grid, lambda: iter(pieces))
    for _ in range(2):  # reading may be begun anew
        put_together = np.full(scan.grid.shape, -1)
        for place, slab in scan.slabs():
            put_together[place] = slab
        np.testing.assert_array_equal(put_together, whole.array)
    read = scan.read()
    np.testing.assert_array_equal(read.array, whole.array)
    np.testing.assert_array_equal(read.restore(), STORED)
    assert read.array.dtype == np.int16


@pytest.mark.parametrize("codes", ["RAS", "LPI", "SLA"])
def test_channels_are_kept(codes):
    stored = np.stack([STORED, -STORED], 3)
    whole = Volume.from_source(stored, affine_of(codes))
    pieces = [stored[:, :, :2], stored[:, :, 2:]]
    for scan in (Scan(whole.stored_grid, lambda: iter(pieces)), Scan.from_volume(whole)):
        put_together = np.zeros((*scan.grid.shape, 2))
        for place, slab in scan.slabs():
            put_together[place] = slab
        np.testing.assert_array_equal(put_together, whole.array)
        for read in (scan.read(), scan.held().read()):
            np.testing.assert_array_equal(read.array, whole.array)
            np.testing.assert_array_equal(read.restore(), stored)


@pytest.mark.parametrize("planes", [0, 3, 6])
@pytest.mark.parametrize("codes", ["RAS", "LPI"])
def test_too_few_or_too_many_planes_are_refused(codes, planes):
    scan = Scan(Volume.from_source(STORED, affine_of(codes)).stored_grid, lambda: iter([STORED[:, :, :1]] * planes))
    with pytest.raises(InputError, match=rf"the 5 planes of its source grid \(2, 3, 5\), found {planes};"):
        scan.read()


def test_a_volume_as_a_scan():
    whole = Volume.from_source(STORED, affine_of("LPI"))
    np.testing.assert_array_equal(Scan.from_volume(whole).read().array, whole.array)


@pytest.mark.parametrize("codes", ["RAS", "LPI", "SLA"])
def test_a_held_scan_is_decoded_once_into_the_same_slabs(codes):
    pieces, begun = [STORED[:, :, :2], STORED[:, :, 2:3], STORED[:, :, 3:]], []
    scan = Scan(Volume.from_source(STORED, affine_of(codes)).stored_grid, lambda: begun.append(1) or iter(pieces))
    held = scan.held()
    assert held.held() is held
    assert held.grid.matches(scan.grid) and held.axis == scan.axis
    for _ in range(2):
        for slab, piece in zip(held.read_stored(), pieces, strict=True):
            np.testing.assert_array_equal(slab, piece)
    assert len(begun) == 1
    np.testing.assert_array_equal(held.read().restore(), STORED)
    assert held.read().array.dtype == np.int16
    assert np.shares_memory(held.read().array, next(held.read_stored()))  # no copy
    for (place, slab), (expected_place, expected) in zip(held.slabs(), scan.slabs(), strict=True):
        assert place == expected_place
        np.testing.assert_array_equal(slab, expected)


@pytest.mark.parametrize("planes", [0, 3, 6])
def test_what_lacks_planes_cannot_be_held(planes):
    scan = Scan(Volume.from_source(STORED, np.eye(4)).stored_grid, lambda: iter([STORED[:, :, :1]] * planes))
    with pytest.raises(InputError, match=rf"the 5 planes of its source grid \(2, 3, 5\), found {planes};"):
        scan.held()


@pytest.mark.parametrize("name", ["ct.nii", "ct.nii.gz"])
def test_files_are_read_in_slabs(tmp_path, monkeypatch, name):
    monkeypatch.setattr(scan_file, "SLAB_BYTES", 2 * 3 * 2 * 2)
    image = nib.Nifti1Image(STORED, np.diag([-1.0, -2, 3, 1]))
    nib.save(image, tmp_path / name)
    scan = open_nifti(tmp_path / name)
    assert [(place[2].start, slab.shape[2]) for place, slab in scan.slabs()] == [(0, 2), (2, 2), (4, 1)]
    np.testing.assert_array_equal(scan.read().restore(), STORED)


def test_a_slab_is_a_slice_or_more():
    assert slab_thickness((512, 512, 300), 2) == 32
    assert slab_thickness((512, 512, 300, 2), 2) == 16
    assert slab_thickness((100_000, 100_000, 3), 4) == 1
