import itertools
import threading
import time
from dataclasses import replace

import nibabel as nib
import numpy as np
import pytest
from scipy import ndimage, special

from pneumoseg.data_io.formats.nifti import write_label_nifti
from pneumoseg.data_io.formats.reading import read_volume
from pneumoseg.data_io.volumes.labels import LUNG_LABELS
from pneumoseg.data_io.volumes.lazy_volume import Scan
from pneumoseg.data_io.volumes.volume import Volume
from pneumoseg.pipeline.prediction.sliding_window import (
    PreparedMember,
    _highest_air,
    ensemble,
    mirrored,
    segment,
    segment_volume,
)
from pneumoseg.pipeline.prediction.tile_outputs import outputs_of
from pneumoseg.pipeline.preprocessing.preprocessor import Preprocessor
from pneumoseg.pipeline.sampling import patches
from pneumoseg.pipeline.settings.loading import load_settings

CLASSES = 4


def plain(*changes: str):
    """No resampling, no normalisation: the network sees (HU + 1250) / 1500."""
    return load_settings(
        "demo",
        ["preprocessing.spacing_mm=null", "preprocessing.normalisation=none", "patches.shape=[8, 8, 8]", *changes],
    )


def predict_volume(image: Volume, network, settings) -> Volume:
    return segment_volume(image, network, settings).mask


def hu_of(labels: np.ndarray) -> np.ndarray:
    """An image whose HU tell the class: -1000, -700, -400, -100."""
    return (-1000 + 300 * labels.astype(np.int16)).astype(np.int16)


def identity_network(tiles: np.ndarray) -> np.ndarray:
    """The class that the HU tell, as certain probabilities."""
    label = np.rint((tiles[..., 0] * 1500 - 250) / 300).astype(int).clip(0, CLASSES - 1)
    return np.eye(CLASSES, dtype=np.float32)[label]


def random_labels(shape) -> np.ndarray:
    return np.random.default_rng(sum(shape)).integers(0, CLASSES, shape).astype(np.uint8)


ORIENTATIONS = [
    "".join(letters) for axes in itertools.permutations(("LR", "PA", "IS")) for letters in itertools.product(*axes)
]


def affine_of(codes: str, oblique: bool) -> np.ndarray:
    orientation = nib.orientations.axcodes2ornt(codes)
    affine = np.linalg.inv(nib.orientations.inv_ornt_aff(orientation, (9, 10, 11)))
    affine[:3, :3] = affine[:3, :3] @ np.diag([0.7, 0.9, 2.5])
    if oblique:
        turn = np.eye(4)
        turn[:2, :2] = [[np.cos(0.2), -np.sin(0.2)], [np.sin(0.2), np.cos(0.2)]]
        affine = turn @ affine
    affine[:3, 3] += [-31.5, 12.25, 100.0]
    return affine


@pytest.mark.parametrize("oblique", [False, True])
@pytest.mark.parametrize("codes", ORIENTATIONS)
def test_any_orientation_through_files_gives_the_mask_back(tmp_path, codes, oblique):
    labels = random_labels((9, 10, 11))
    affine = affine_of(codes, oblique)
    nib.save(nib.Nifti1Image(hu_of(labels), affine), tmp_path / "ct.nii.gz")
    image = read_volume(tmp_path / "ct.nii.gz")
    write_label_nifti(tmp_path / "mask.nii.gz", predict_volume(image, identity_network, plain()), LUNG_LABELS)
    source, written = nib.load(tmp_path / "ct.nii.gz"), nib.load(tmp_path / "mask.nii.gz")
    np.testing.assert_array_equal(np.asarray(written.dataobj), labels)
    assert written.shape == source.shape
    np.testing.assert_allclose(written.header.get_zooms(), source.header.get_zooms(), atol=1e-6)
    np.testing.assert_allclose(written.get_sform(), source.affine, atol=1e-6)
    assert written.get_data_dtype() == np.uint8
    if not oblique:
        assert image.grid.axis_codes == "RAS"


@pytest.mark.parametrize("shape", [(8, 8, 8), (16, 8, 24), (8, 40, 8)])
@pytest.mark.parametrize("overlap", [0.0, 0.3, 0.75])
def test_tiles_and_overlap_change_nothing(shape, overlap):
    labels = random_labels((21, 30, 13))
    volume = Volume.from_source(hu_of(labels), np.eye(4))
    settings = plain(f"patches.shape={list(shape)}", f"prediction.overlap={overlap}", "prediction.batch=3")
    np.testing.assert_array_equal(predict_volume(volume, identity_network, settings).array, labels)


@pytest.mark.parametrize("shape", [(3, 4, 5), (30, 30, 1), (1, 1, 1), (5, 40, 2)])
def test_volumes_smaller_than_the_patch(shape):
    labels = random_labels(shape)
    volume = Volume.from_source(hu_of(labels), np.eye(4))
    np.testing.assert_array_equal(predict_volume(volume, identity_network, plain()).array, labels)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_slices_across_each_axis_and_their_neighbours(axis):
    labels = random_labels((11, 10, 9))
    volume = Volume.from_source(hu_of(labels), np.eye(4))
    changes = ["patches.shape=[8, 8]", f"patches.axis={axis}", "prediction.batch=3"]
    np.testing.assert_array_equal(predict_volume(volume, identity_network, plain(*changes)).array, labels)
    lower = np.roll(labels, 1, axis)  # a network that tells the class of the slice below
    lower[tuple(0 if one == axis else slice(None) for one in range(3))] = 0
    settings = plain(*changes, "patches.neighbours=1", "prediction.skip_air=false")
    np.testing.assert_array_equal(predict_volume(volume, identity_network, settings).array, lower)


def test_mirroring_of_a_coronal_slice_swaps_left_and_right():
    labels = random_labels((8, 9, 8))
    volume = Volume.from_source(hu_of(labels), np.eye(4))
    changes = ["patches.shape=[8, 8]", "patches.axis=1", "prediction.mirror_axes=[0, 2]"]
    swapped = np.array([0, 2, 1, 3], np.uint8)
    found = predict_volume(volume, identity_network, plain(*changes)).array
    both = np.minimum(labels, swapped[labels])  # the mean of both is a tie, which the lower number wins
    np.testing.assert_array_equal(found, both)


@pytest.mark.parametrize("threshold", [0.2, 0.5, 0.9])
@pytest.mark.parametrize("spacing", ["null", "[1.3, 0.8, 2.2]"])
def test_a_threshold_decides_between_two_classes(threshold, spacing):
    image = np.random.default_rng(0).integers(-1250, 250, (9, 10, 7)).astype(np.int16)
    volume = Volume.from_source(image, np.eye(4))
    settings = plain(
        "labels.names=[background, infection]",
        "labels.colours=[[0, 0, 0], [200, 0, 0]]",
        "labels.mirror_pairs=[]",
        "patches.foreground_labels=[1]",
        f"preprocessing.spacing_mm={spacing}",
        f"prediction.threshold={threshold}",
        "prediction.skip_air=false",
    )
    prepared = Preprocessor(settings.preprocessing).apply(volume)
    member = PreparedMember(prepared, lambda tiles: np.concatenate([1 - tiles, tiles], axis=-1), settings)
    seen = []
    scan = Scan.from_volume(volume)
    streamed = segment([member], scan, sink=lambda start, planes: seen.append(planes)).mask.array
    expected = threshold < np.concatenate(seen, axis=1)[1].T
    np.testing.assert_array_equal(streamed, expected)
    np.testing.assert_array_equal(segment([member], scan).mask.array, expected)
    assert threshold == 0.9 or 0 < expected.mean() < 1


def test_slices_and_full_images():
    labels = random_labels((12, 20, 5))
    volume = Volume.from_source(hu_of(labels), np.eye(4))
    for changes in (["patches.shape=[8, 8]"], ["patches.shape=null", "patches.batch=1"]):
        np.testing.assert_array_equal(predict_volume(volume, identity_network, plain(*changes)).array, labels)


def test_thick_slices_are_resampled_there_and_back():
    labels = np.zeros((20, 20, 6), np.uint8)
    labels[5:15, 5:15, 2:5] = 3
    volume = Volume.from_source(hu_of(labels), np.diag([2.0, 2.0, 10.0, 1.0]))
    settings = plain("preprocessing.spacing_mm=[2, 2, 2.5]", "preprocessing.image_order=0")
    result = predict_volume(volume, identity_network, settings)
    assert result.array.shape == labels.shape
    np.testing.assert_array_equal(result.array, labels)


def reference(image: Volume, network, settings) -> np.ndarray:
    """The same in the plainest way: every probability of every voxel in memory."""
    prepared = Preprocessor(settings.preprocessing).apply(image)
    size = prepared.shape
    shape = patches.patch_shape(settings, size)
    weights = patches.tile_weights(shape, settings.prediction.weights)
    total, seen = np.zeros((*[end + 2 * edge for end, edge in zip(size, shape, strict=True)], CLASSES)), 0
    seen = np.zeros(total.shape[:3])
    for corner in patches.grid_corners(size, shape, settings.prediction.overlap):
        tile = (patches.crop(prepared.image, corner, shape, fill=prepared.air) - prepared.mean) / prepared.sd
        tile = tile.astype(np.float32)[None]
        output = network(tile[:, :, :, 0] if settings.dimensions == 2 else tile).reshape(*shape, CLASSES)
        place = tuple(slice(start + edge, start + 2 * edge) for start, edge in zip(corner, shape, strict=True))
        total[place] += output * weights[..., None]
        seen[place] += weights
    inside = tuple(slice(edge, edge + end) for end, edge in zip(size, shape, strict=True))
    mean = total[inside] / seen[inside][..., None]
    factors = np.divide(image.array.shape, size)
    maps = [ndimage.zoom(part, factors, order=1, mode="nearest", grid_mode=True) for part in np.moveaxis(mean, -1, 0)]
    return np.argmax(maps, axis=0).astype(np.uint8)


def blurred_network(tiles: np.ndarray) -> np.ndarray:
    """Smooth probabilities that depend on the place in the tile, so that the average over tiles matters."""
    axes = range(1, tiles.ndim - 1)
    values = ndimage.uniform_filter(tiles[..., 0], size=[1, *[3 for _ in axes]])
    ramp = np.linspace(-0.5, 0.5, tiles.shape[1]).reshape(-1, *[1 for _ in axes][1:])
    weights = ((1, 0), (-2, 1), (3, -1), (-1, -2))
    scores = np.stack([values * slope + ramp * offset for slope, offset in weights], axis=-1)
    return special.softmax(scores, axis=-1).astype(np.float32)


@pytest.mark.parametrize("spacing", ["null", "[1.3, 0.8, 2.2]", "[0.6, 1, 0.4]"])
@pytest.mark.parametrize("shape", ["[8, 8, 8]", "[16, 8, 24]", "[8, 40, 8]", "[8, 16]", "null"])
@pytest.mark.parametrize("overlap", [0.0, 0.6])
def test_streaming_equals_the_plain_way(spacing, shape, overlap):
    smooth = ndimage.gaussian_filter(np.random.default_rng(1).normal(size=(21, 26, 17)), 2)
    image = Volume.from_source((smooth / np.abs(smooth).max() * 900 - 500).astype(np.int16), np.eye(4))
    changes = [f"patches.shape={shape}", f"preprocessing.spacing_mm={spacing}", f"prediction.overlap={overlap}"]
    settings = plain(*changes, "preprocessing.normalisation=z-score", "prediction.batch=3", "patches.batch=1")
    expected = reference(image, blurred_network, settings)
    assert len(np.unique(expected)) == CLASSES
    np.testing.assert_array_equal(predict_volume(image, blurred_network, settings).array, expected)


def test_probabilities_are_handed_on_plane_by_plane():
    smooth = ndimage.gaussian_filter(np.random.default_rng(2).normal(size=(12, 9, 20)), 2)
    volume = Volume.from_source((smooth / np.abs(smooth).max() * 900 - 500).astype(np.int16), np.eye(4))
    settings = plain("preprocessing.spacing_mm=[1, 1, 2]")
    prepared = Preprocessor(settings.preprocessing).apply(volume)
    given = []
    member = PreparedMember(prepared, blurred_network, settings)
    segmentation = segment([member], Scan.from_volume(volume), sink=lambda start, part: given.append((start, part)))
    labels = segmentation.mask.array
    assert [start for start, _ in given] == [0, 16]
    maps = np.concatenate([part for _, part in given], axis=1)
    assert maps.shape == (CLASSES, 20, 9, 12)
    np.testing.assert_allclose(maps.sum(axis=0), 1, atol=1e-5)
    np.testing.assert_array_equal(maps.argmax(axis=0).T, labels)
    np.testing.assert_array_equal(labels, predict_volume(volume, blurred_network, settings).array)
    assert len(np.unique(labels)) == CLASSES


def constant(probabilities):
    return lambda tiles: np.broadcast_to(np.float32(probabilities), (*tiles.shape[:-1], CLASSES))


def test_members_of_other_spacings_and_patches_meet_on_the_scans_grid():
    volume = Volume.from_source(np.full((12, 9, 20), -500, np.int16), np.eye(4))
    fine, coarse = plain(), plain("preprocessing.spacing_mm=[2, 3, 4]", "patches.shape=[16, 16, 16]")
    opinions = ([0.5, 0.3, 0.1, 0.1], [0.1, 0.2, 0.6, 0.1])
    members = [
        PreparedMember(Preprocessor(settings.preprocessing).apply(volume), constant(opinion), settings, weight)
        for settings, opinion, weight in zip((fine, coarse), opinions, (3, 1), strict=True)
    ]
    given = []
    scan = Scan.from_volume(volume)
    labels = segment(members, scan, sink=lambda start, part: given.append(part)).mask.array
    assert labels.shape == (12, 9, 20)
    maps = np.concatenate(given, axis=1)
    np.testing.assert_allclose(maps[:, 0, 0, 0], [0.4, 0.275, 0.225, 0.1], atol=1e-6)
    np.testing.assert_allclose(maps.max(axis=(1, 2, 3)), maps.min(axis=(1, 2, 3)), atol=1e-6)
    assert (labels == 0).all()
    assert (segment(members[::-1], scan).mask.array == 0).all()
    one_each = [replace(member, weight=1) for member in members]
    assert (segment(one_each, scan).mask.array == 2).all()  # 0.3, 0.25, 0.35


def test_seconds_are_those_of_the_networks_in_their_threads():
    volume = Volume.from_source(hu_of(random_labels((8, 8, 8))), np.eye(4))
    prepared = Preprocessor(plain().preprocessing).apply(volume)

    def slow(tiles):
        time.sleep(0.05)
        return identity_network(tiles)

    members = [PreparedMember(prepared, network, plain()) for network in (slow, slow, identity_network)]
    segmentation = segment(members, Scan.from_volume(volume))
    assert 0.1 <= segmentation.network_s < 5
    assert 0 <= segmentation.postprocess_s < 5


def test_a_failing_sink_leaves_no_thread_behind():
    settings = plain()
    image = Volume.from_source(hu_of(random_labels((8, 8, 24))), np.eye(4))
    scan = Scan.from_volume(image)
    prepared = Preprocessor(settings.preprocessing).apply(scan)
    before = set(threading.enumerate())

    def full_disk(start, probabilities):
        raise OSError("no space left")

    with pytest.raises(OSError, match="no space"):
        segment([PreparedMember(prepared, identity_network, settings)], scan, sink=full_disk)
    assert set(threading.enumerate()) <= before


def test_mirroring_is_part_of_every_prediction():
    image = Volume.from_source(hu_of(random_labels((8, 8, 8))), np.eye(4))

    def left_half(tiles):
        side = np.broadcast_to((np.arange(8) < 4)[:, None, None], tiles.shape[:-1])
        return np.eye(CLASSES, dtype=np.float32)[np.where(side, 1, 0)] * 0.6 + np.float32(0.1)

    once = predict_volume(image, left_half, plain())
    twice = predict_volume(image, left_half, plain("prediction.mirror_axes=[0]"))
    assert (once.array[:4] == 1).all() and (once.array[4:] == 0).all()
    np.testing.assert_array_equal(twice.array[0, 0, :1], [0])
    assert set(np.unique(twice.array)) == {0}


@pytest.mark.parametrize(
    "change", ["preprocessing.window_hu=[-600, 200]", "preprocessing.steps=[a:b]", "preprocessing.equalise=hu"]
)
def test_no_tile_is_skipped_where_the_scale_cannot_tell_air(change):
    assert _highest_air(plain(change)) == -np.inf
    assert _highest_air(plain()) == pytest.approx(350 / 1500)


def test_tiles_of_air_are_background_without_the_network():
    array = np.full((32, 8, 8), -1000, np.int16)
    array[:8] = -400
    seen = []

    def infection(tiles):
        seen.append(len(tiles))
        return np.broadcast_to(np.eye(CLASSES, dtype=np.float32)[3], (*tiles.shape[:-1], CLASSES))

    volume = Volume.from_source(array, np.eye(4))
    result = predict_volume(volume, infection, plain("prediction.overlap=0", "prediction.batch=2"))
    assert seen == [1]
    assert (result.array[:8] == 3).all()
    assert (result.array[8:] == 0).all()
    predict_volume(volume, infection, plain("prediction.overlap=0", "prediction.batch=2", "prediction.skip_air=false"))
    assert seen == [1, 2, 2]


@pytest.mark.parametrize("overlap", [0, 0.5])
def test_nothing_outside_the_body_is_labelled(overlap):
    hu = np.full((12, 12, 20), -1000, np.int16)
    hu[3:9, 3:9] = 40
    hu[5:7, 5:7] = -800  # lung within the tissue

    def lung_everywhere(tiles):
        return np.broadcast_to(np.eye(CLASSES, dtype=np.float32)[1], (*tiles.shape[:-1], CLASSES))

    volume = Volume.from_source(hu, np.eye(4))
    settings = plain(f"prediction.overlap={overlap}", "prediction.inside_body=true", "prediction.skip_air=false")
    expected = np.zeros(hu.shape, np.uint8)
    expected[3:9, 3:9] = 1
    np.testing.assert_array_equal(predict_volume(volume, lung_everywhere, settings).array, expected)


def test_batches_are_filled_with_tiles_that_are_not_air():
    array = np.full((64, 8, 8), -1000, np.int16)
    array[[0, 20, 40, 60]] = -100
    sizes = []

    def counted(tiles):
        sizes.append(len(tiles))
        return identity_network(tiles)

    volume = Volume.from_source(array, np.eye(4))
    result = predict_volume(volume, counted, plain("prediction.overlap=0", "prediction.batch=3"))
    assert sizes == [3, 1]
    np.testing.assert_array_equal(result.array, np.where(array == -100, 3, 0))


def test_mirroring_swaps_the_lungs_back():
    tiles = np.random.default_rng(0).random((2, 4, 6, 8, 1)).astype(np.float32)

    def by_side(tiles):
        """Left lung in the first half along x, right lung in the other: as a network that looks at the place."""
        side = np.broadcast_to((np.arange(4) < 2)[:, None, None], tiles.shape[:-1])
        return np.eye(CLASSES, dtype=np.float32)[np.where(side, 1, 2)]

    np.testing.assert_array_equal(mirrored(by_side, [0, 1, 2], LUNG_LABELS)(tiles), by_side(tiles))
    expected = (blurred_network(tiles) + blurred_network(tiles[:, :, ::-1])[:, :, ::-1]) / 2
    np.testing.assert_allclose(mirrored(blurred_network, [1], LUNG_LABELS)(tiles), expected, atol=1e-6)


def test_the_mirror_images_of_a_single_network_vote_and_networks_vote_as_they_are():
    tiles = np.zeros((1, 4, 2, 2, 1), np.float32)

    def first_half(tiles):
        side = np.broadcast_to((np.arange(4) < 2)[:, None, None], tiles.shape[:-1])
        return np.eye(CLASSES, dtype=np.float32)[np.where(side, 3, 0)]

    views = outputs_of(mirrored(first_half, [0], LUNG_LABELS))(tiles)
    assert views.mirror_images and views.voters == 2
    np.testing.assert_array_equal(views.votes[0, :, 0, 0], [[1, 0, 0, 1], [1, 0, 0, 1]])  # every second voxel
    together = outputs_of(mirrored(ensemble([first_half, first_half]), [0], LUNG_LABELS))(tiles)
    assert not together.mirror_images and together.voters == 2
    np.testing.assert_array_equal(together.votes[0, :, 0, 0], [[0, 0, 0, 2], [2, 0, 0, 0]])


def test_an_ensemble_is_the_mean():
    tiles = np.zeros((1, 2, 2, 2, 1), np.float32)
    networks = [lambda tiles, value=value: np.full((1, 2, 2, 2, 4), value, np.float32) for value in (0.0, 0.25, 0.5)]
    np.testing.assert_allclose(ensemble(networks)(tiles), 0.25)
