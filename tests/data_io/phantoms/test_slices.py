"""Slices of phantoms: pictures and stacks, their masks, patients and refusals."""

import numpy as np
import pytest
from PIL import Image

from pneumoseg.data_io.datasets.layouts import open_dataset
from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.phantoms import slices as slice_module
from pneumoseg.data_io.phantoms.generate import make_phantom, write_phantoms
from pneumoseg.data_io.phantoms.slices import symptoms_of, write_pictures, write_stack

SHAPE = (48, 44, 32)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """The pictures of three patients; not to be changed."""
    root = tmp_path_factory.mktemp("slices") / "pictures"
    write_pictures(root, 3, shape=SHAPE, seed=7)
    return root


def opened(path):
    with Image.open(path) as image:
        image.load()
        return image


def files(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def test_pictures_are_a_dataset_with_patients(pictures):
    dataset = open_dataset(pictures)
    assert dataset.layout == "pictures"
    assert {case.patient for case in dataset} == {"phantom_001", "phantom_002", "phantom_003"}
    assert all(case.name.startswith(f"{case.patient}_") for case in dataset)
    assert 3 <= len(dataset) <= 9
    sizes = {case.read_image().array.shape for case in dataset}
    assert len(sizes) > 1
    assert all(SHAPE[0] - 6 <= x <= SHAPE[0] and SHAPE[1] - 4 <= y <= SHAPE[1] for x, y, _ in sizes)


def test_classes_above_zero_are_the_mask(pictures):
    infected = 0
    for image in (pictures / "images").iterdir():
        grey, mask, classes = (opened(pictures / folder / image.name) for folder in ("images", "masks", "classes"))
        assert (grey.mode, mask.mode, classes.mode) == ("L", "L", "P")
        assert grey.size == mask.size == classes.size
        assert np.array_equal(np.asarray(mask), 255 * (np.asarray(classes) > 0))
        assert set(np.unique(np.asarray(classes))) <= {0, 1, 2}
        infected += bool(np.asarray(mask).any())
    assert 0 < infected < len(list((pictures / "images").iterdir()))  # one slice of a patient may have none


def test_a_picture_shows_the_slice_of_its_name(pictures):
    ct, labels = make_phantom(7, 1, SHAPE)
    for case in open_dataset(pictures):
        if case.patient != "phantom_002":
            continue
        z = int(case.name.rpartition("_")[2])
        image, mask = case.read_pair(2)
        grey = np.rint((np.clip(ct.array[:, :, z], -1250.0, 250.0) + 1250) * 255 / 1500)
        x, y, _ = mask.array.shape
        offsets = [(i, j) for i in range(SHAPE[0] - x + 1) for j in range(SHAPE[1] - y + 1)]
        shown = image.array[..., 0].astype(int)
        (place,) = [(i, j) for i, j in offsets if np.abs(shown - grey[i : i + x, j : j + y]).max() <= 1]
        part = labels.array[place[0] : place[0] + x, place[1] : place[1] + y, z]
        assert np.array_equal(mask.array[..., 0], part == 3)


def test_a_stack_is_a_dataset_in_hu_with_patients(tmp_path):
    names = write_stack(tmp_path, 2, shape=SHAPE, seed=7)
    dataset = open_dataset(tmp_path)
    assert dataset.layout == "stacks of slices"
    assert [case.name for case in dataset] == names
    assert names[:2] == ["tr_000", "tr_001"]
    assert {case.patient for case in dataset} == {"phantom_001", "phantom_002"}
    ct, labels = make_phantom(7, 0, SHAPE)
    image, mask = dataset.case("tr_000").read_pair(3)
    (z,) = [z for z in range(SHAPE[2]) if np.array_equal(image.array[..., 0], ct.array[..., z])]
    assert np.array_equal(mask.array[..., 0] > 0, labels.array[..., z] == 3)
    assert dataset.case("tr_000").mask_values() == (0, 1, 2)


def test_dense_infection_is_consolidation():
    hu = np.full((20, 20), -800, np.int16)
    hu[:10] = -500
    hu[10:] = 20
    infected = np.zeros((20, 20), bool)
    infected[4:16] = True
    symptoms = symptoms_of(hu, infected)
    assert symptoms.dtype == np.uint8
    assert [symptoms[row, 5] for row in (0, 5, 8, 11, 15, 19)] == [0, 1, 1, 2, 2, 0]


def test_a_patient_without_infection_gives_a_slice_of_the_lungs(monkeypatch, tmp_path):
    def healthy(seed, index, shape):
        ct, labels = make_phantom(seed, index, shape)
        return ct, labels.with_array(np.minimum(labels.array, 2))

    monkeypatch.setattr(slice_module, "make_phantom", healthy)
    assert len(write_pictures(tmp_path, 1, shape=(20, 18, 16))) == 1


def test_overwriting_replaces_phantoms_alone(tmp_path):
    first = write_pictures(tmp_path, 2, shape=(20, 18, 16))
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match="the folder must be empty"):
        write_pictures(tmp_path, 1, shape=(20, 18, 16))
    second = write_pictures(tmp_path, 1, shape=(20, 18, 16), overwrite=True)
    assert len(second) < len(first)
    assert sorted(path.stem for path in (tmp_path / "classes").iterdir()) == second
    assert len(open_dataset(tmp_path)) == len(second)
    assert (tmp_path / "notes.txt").read_text() == "mine"
    (tmp_path / "images" / "mine.png").touch()
    before = files(tmp_path)
    with pytest.raises(InputError, match=r"found other files than phantoms: mine\.png"):
        write_pictures(tmp_path, 1, shape=(20, 18, 16), overwrite=True)
    assert files(tmp_path) == before


@pytest.mark.parametrize("former", [write_pictures, write_stack, write_phantoms])
def test_phantoms_of_another_kind_are_kept(tmp_path, former):
    former(tmp_path, 1, shape=(20, 18, 16))
    before = files(tmp_path)
    for write in {write_pictures, write_stack} - {former}:
        with pytest.raises(InputError, match="holds phantoms of another kind"):
            write(tmp_path, 1, shape=(20, 18, 16), overwrite=True)
    assert files(tmp_path) == before


@pytest.mark.parametrize("write", [write_pictures, write_stack])
@pytest.mark.parametrize(
    ("options", "message"), [({"cases": 0}, "cases: at least 1"), ({"cases": 1, "shape": (20, 18, 3)}, "three axes")]
)
def test_refusals(tmp_path, write, options, message):
    with pytest.raises(InputError, match=message):
        write(tmp_path / "out", **options)
    assert not (tmp_path / "out").exists()
