"""Pictures, and CTs whose channels are files, through the batch."""

import json

import nibabel as nib
import numpy as np
import pytest
from PIL import Image

from pneumoseg.data_io.datasets.inputs import find_inputs
from pneumoseg.data_io.errors import InputError
from pneumoseg.evaluation.inference.batch import predict_files
from pneumoseg.evaluation.inference.outputs import place_outputs
from pneumoseg.evaluation.inference.recipe import PredictionOptions
from pneumoseg.pipeline.prediction.engines import Engine
from pneumoseg.pipeline.prediction.predictor import Member, Predictor
from pneumoseg.pipeline.settings.loading import load_settings

TWO_CLASSES = [
    "labels.names=[background, infection]",
    "labels.colours=[[0, 0, 0], [214, 39, 40]]",
    "labels.mirror_pairs=[]",
    "patches.foreground_labels=[1]",
    "postprocessing.lungs=[]",
    "postprocessing.infection=1",
    "preprocessing.normalisation=none",
]


def bright(tiles: np.ndarray) -> np.ndarray:
    """The value of the first channel as the probability of infection."""
    return np.concatenate([1 - tiles[..., :1], tiles[..., :1]], axis=-1)


def predictor_of(*changes: str, network=bright) -> Predictor:
    settings = load_settings("demo", [*TWO_CLASSES, *changes])
    return Predictor((Member(Engine("test", "float32", network), settings),), {"model": "hash"})


@pytest.fixture
def predictor() -> Predictor:
    size = ["patches.shape=[16, 8]", "preprocessing.size=[16, 8, null]", "preprocessing.values=picture"]
    return predictor_of(*size, "preprocessing.image_order=1")


@pytest.fixture
def dataset(tmp_path):
    """Two pictures, 24 columns and 16 rows, bright at the lower right; a mask for the first."""
    pixels = np.full((16, 24), 40, np.uint8)
    pixels[8:, 12:] = 200
    for folder in ("images", "masks"):
        (tmp_path / "data" / folder).mkdir(parents=True)
    Image.fromarray(pixels).save(tmp_path / "data" / "images" / "one.png")
    Image.fromarray(np.stack([pixels] * 3, axis=-1)).save(tmp_path / "data" / "images" / "two.bmp")
    Image.fromarray((pixels > 100).astype(np.uint8) * 255).save(tmp_path / "data" / "masks" / "one.png")
    return tmp_path / "data"


def predict(given, output, predictor, *, mask_format=None, resume=False, **options):
    outputs = place_outputs(find_inputs(given), output, mask_format=mask_format, resume=resume)
    return predict_files(outputs, predictor, options=PredictionOptions(**options), resume=resume)


def test_a_mask_has_the_size_of_its_picture(dataset, predictor, tmp_path):
    results = predict([dataset / "images"], tmp_path / "out", predictor)
    assert [result.output.mask.name for result in results] == ["one.png", "two.png"]
    for result in results:
        mask = np.asarray(Image.open(result.output.mask))
        assert mask.shape == (16, 24)
        assert np.unique(mask).tolist() == [0, 255]
        assert (mask[9:, 13:] == 255).all() and not mask[:7].any() and not mask[:, :11].any()
        assert result.manifest["warnings"] == []
        assert result.manifest["geometry"]["spacing_mm"] is None
        assert result.manifest["statistics"] is None


@pytest.mark.parametrize("given", ["", "images"])
def test_a_dataset_and_its_folder_of_images_mean_the_same(dataset, predictor, tmp_path, given):
    results = predict([dataset / given], tmp_path / "out", predictor)
    assert [result.source.name for result in results] == ["one.png", "two.bmp"]


def test_image_truth_and_mask_side_by_side(dataset, predictor, tmp_path):
    predict([dataset], tmp_path / "out", predictor, side_by_side=True)
    one = np.asarray(Image.open(tmp_path / "out" / "side_by_side" / "one.png"))
    two = np.asarray(Image.open(tmp_path / "out" / "side_by_side" / "two.png"))
    assert one.shape == (16, 3 * 24 + 2 * 4, 3) and two.shape == (16, 2 * 24 + 4, 3)  # no truth for the second
    assert one[12, [20, 28 + 20, 56 + 20]].tolist() == [[200] * 3, [214, 39, 40], [214, 39, 40]]
    assert one[2, [2, 28 + 2, 56 + 2]].tolist() == [[40] * 3, [0, 0, 0], [0, 0, 0]]
    before = (tmp_path / "out" / "one.png").stat().st_mtime_ns
    kept = predict([dataset], tmp_path / "out", predictor, resume=True, side_by_side=True, statistics=True)
    assert all(result.manifest for result in kept)
    assert (tmp_path / "out" / "one.png").stat().st_mtime_ns == before  # a picture has no volumes that could be missing


def test_arrays_in_place_of_pictures(dataset, predictor, tmp_path):
    predict([dataset], tmp_path / "out", predictor, mask_format="npy")
    array = np.load(tmp_path / "out" / "one.npy", allow_pickle=False)
    assert array.shape == (16, 24) and array[12, 20] == 1 and array.dtype == np.uint8


def test_a_threshold_is_part_of_how_a_mask_is_made(dataset, predictor, tmp_path):
    predict([dataset], tmp_path / "out", predictor)
    size = ["patches.shape=[16, 8]", "preprocessing.size=[16, 8, null]", "preprocessing.values=picture"]
    lower = predictor_of(*size, "preprocessing.image_order=1", "prediction.threshold=0.1")
    with pytest.raises(InputError, match="made otherwise"):
        predict([dataset], tmp_path / "out", lower, resume=True)
    predict([dataset], tmp_path / "lower", lower)
    assert (np.asarray(Image.open(tmp_path / "lower" / "one.png")) == 255).all()


def test_the_wrong_kind_of_model_is_refused(dataset, predictor, tmp_path):
    volume = tmp_path / "ct.nii.gz"
    nib.save(nib.Nifti1Image(np.full((8, 8, 12), -1000, np.int16), np.eye(4)), volume)
    with pytest.raises(InputError, match=r"ct\.nii\.gz: the settings are for pictures, .* use a model for CT volumes"):
        predict([volume], tmp_path / "mask.nii.gz", predictor)
    with pytest.raises(InputError, match=r"one\.png: a picture, but the model segments CT volumes"):
        predict([dataset / "images" / "one.png"], tmp_path / "mask.png", predictor_of("patches.shape=[8, 8, 8]"))
    assert not (tmp_path / "mask.png").exists() and not (tmp_path / "mask.nii.gz").exists()


def test_a_mask_of_a_volume_is_no_picture(tmp_path):
    nib.save(nib.Nifti1Image(np.zeros((8, 8, 12), np.int16), np.eye(4)), tmp_path / "ct.nii.gz")
    files = find_inputs([tmp_path / "ct.nii.gz"])
    for output, mask_format in ((tmp_path / "mask.png", None), (tmp_path / "out", "png")):
        with pytest.raises(InputError, match="the mask of a volume does not fit into a picture"):
            place_outputs(files, output, mask_format=mask_format)


def test_a_corrupt_picture_is_passed_over(dataset, predictor, tmp_path):
    whole = (dataset / "images" / "one.png").read_bytes()
    (dataset / "images" / "one.png").write_bytes(whole[: len(whole) // 2])
    results = predict([dataset / "images"], tmp_path / "out", predictor, keep_going=True)
    assert results[0].manifest is None and "one.png" in results[0].error
    assert results[1].manifest is not None
    assert [path.name for path in sorted((tmp_path / "out").iterdir())] == ["two.png", "two.png.json"]


def test_colours_are_channels(tmp_path):
    pixels = np.zeros((8, 8, 3), np.uint8)
    pixels[:, :4, 2] = 255
    for number, picture in enumerate((pixels, pixels * 0, pixels * 0)):  # no channels of one picture
        Image.fromarray(picture).save(tmp_path / f"blue_{number:04d}.png")

    def blue(tiles):
        assert tiles.shape[1:] == (8, 8, 3)
        return bright(tiles[..., 2:])

    size = ["patches.shape=[8, 8]", "preprocessing.size=[8, 8, null]", "preprocessing.values=picture"]
    predictor = predictor_of(*size, "preprocessing.channels=3", network=blue)
    predict([tmp_path / "blue_0000.png"], tmp_path / "mask.png", predictor)
    mask = np.asarray(Image.open(tmp_path / "mask.png"))
    assert (mask[:, :4] == 255).all() and not mask[:, 4:].any()


def test_channels_in_files_of_their_own(tmp_path):
    folder = tmp_path / "imagesTs"
    folder.mkdir()
    for channel, value in enumerate((-1000, 0)):
        array = np.full((8, 8, 8), value, np.int16)
        array[0] = -1000
        nib.save(nib.Nifti1Image(array, np.eye(4)), folder / f"case_{channel:04d}.nii.gz")

    def second(tiles):
        assert tiles.shape[-1] == 2
        return bright(tiles[..., 1:])

    predictor = predictor_of(
        "patches.shape=[8, 8, 8]",
        "preprocessing.spacing_mm=null",
        "preprocessing.channels=2",
        "prediction.skip_air=false",
        network=second,
    )
    (result,) = predict([folder], tmp_path / "out", predictor)
    assert result.output.mask.name == "case.nii.gz"
    mask = np.asarray(nib.load(result.output.mask).dataobj)
    assert (mask[1:] == 1).all() and not mask[0].any()
    nib.save(nib.Nifti1Image(np.full((8, 8, 8), -1000, np.int16), np.eye(4)), folder / "case_0001.nii.gz")
    with pytest.raises(InputError, match="made otherwise, or changed since: CT"):
        predict([folder], tmp_path / "out", predictor, resume=True)
    (folder / "case_0001.nii.gz").unlink()
    with pytest.raises(InputError, match=r"the image has 1 channels, preprocessing\.channels says 2"):
        predict([folder / "case_0000.nii.gz"], tmp_path / "again.nii.gz", predictor)


def test_a_stack_gives_a_stack(tmp_path):
    array = np.full((16, 12, 5), -1000, np.int16)
    array[:, :, 3] = 0
    nib.save(nib.Nifti1Image(array, np.eye(4)), tmp_path / "tr_im.nii.gz")
    nib.save(nib.Nifti1Image((array == 0).astype(np.uint8), np.eye(4)), tmp_path / "tr_mask.nii.gz")
    predictor = predictor_of("patches.shape=[8, 8]", "preprocessing.size=[8, 8, null]", "prediction.skip_air=false")
    (result,) = predict([tmp_path], tmp_path / "out", predictor)
    mask = np.asarray(nib.load(result.output.mask).dataobj)
    np.testing.assert_array_equal(mask, array == 0)
    assert json.loads(result.output.manifest.read_text())["geometry"]["shape"] == [16, 12, 5]


def test_a_stack_of_grey_values_is_segmented_by_a_model_for_pictures(predictor, tmp_path):
    array = np.zeros((16, 8, 3), np.uint8)
    array[:8, :, 2] = 255
    nib.save(nib.Nifti1Image(array, np.eye(4)), tmp_path / "stack.nii.gz")
    (result,) = predict([tmp_path / "stack.nii.gz"], tmp_path / "out", predictor)
    np.testing.assert_array_equal(np.asarray(nib.load(result.output.mask).dataobj), array == 255)


def test_the_truth_lies_in_the_folder_that_the_model_was_trained_with(dataset, tmp_path):
    (dataset / "masks").rename(dataset / "classes")
    size = ["patches.shape=[16, 8]", "preprocessing.size=[16, 8, null]", "preprocessing.values=picture"]
    predict([dataset], tmp_path / "out", predictor_of(*size, "data.masks=classes"), side_by_side=True)
    assert np.asarray(Image.open(tmp_path / "out" / "side_by_side" / "one.png")).shape[1] == 3 * 24 + 2 * 4
