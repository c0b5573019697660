"""Each fault of a dataset is found, and a sound one passes."""

import nibabel as nib
import numpy as np
import pytest

from pneumoseg.data_io.datasets.layouts import open_dataset
from pneumoseg.data_io.datasets.verification import Finding, verify_dataset
from pneumoseg.data_io.formats import reading
from pneumoseg.data_io.formats.reading import register_reader

AFFINE = np.diag([0.7, 0.7, 2.5, 1.0])


def save(path, array, affine=AFFINE, codes=(1, 1), unit="mm"):
    image = nib.Nifti1Image(array, affine)
    image.set_sform(affine, codes[1])
    image.set_qform(affine, codes[0])
    image.header.set_xyzt_units(unit)
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(image, path)


def ct(seed=0, shape=(6, 6, 12)):
    return np.random.default_rng(seed).integers(-1000, 400, shape).astype(np.int16)


def labels(shape=(6, 6, 12), dtype=np.uint8):
    return (np.arange(np.prod(shape)) % 4).astype(dtype).reshape(shape)


@pytest.fixture
def root(tmp_path):
    """Two sound cases, a and b; each test spoils b."""
    for seed, name in enumerate("ab"):
        save(tmp_path / name / "imaging.nii.gz", ct(seed))
        save(tmp_path / name / "segmentation.nii.gz", labels())
    return tmp_path


@pytest.fixture
def image(root):
    return root / "b" / "imaging.nii.gz"


@pytest.fixture
def mask(root):
    return root / "b" / "segmentation.nii.gz"


def only(root):
    """The single finding, on case b."""
    (finding,) = verify_dataset(open_dataset(root, need_masks=False))
    assert finding.case == "b"
    return finding


def test_sound_dataset_has_no_findings(root):
    assert verify_dataset(open_dataset(root)) == []
    save(root / "b" / "valid.nii.gz", (labels() > 0).astype(np.uint8))
    assert verify_dataset(open_dataset(root)) == []


@pytest.mark.parametrize(
    ("valid", "message"),
    [
        (np.ones((6, 6, 11), np.uint8), "valid.nii.gz must have one shape"),
        (255 * np.ones((6, 6, 12), np.uint8), "must be 0..1, found 255"),
        (np.zeros((6, 6, 12), np.uint8), "no voxel counts"),
    ],
)
def test_wrong_voxels_that_count(root, valid, message):
    save(root / "b" / "valid.nii.gz", valid)
    finding = only(root)
    assert finding.level == "error"
    assert message in finding.message


def test_classes_that_are_not_labelled_may_be_absent(root, mask):
    save(mask, np.where(labels() == 3, 0, labels()).astype(np.uint8))
    assert only(root).message == "the mask has no voxel of class 3"
    table = root / "patients.csv"
    table.write_text("case,patient,labels_present\na,a,\nb,b,lung_left lung_right\n")
    assert verify_dataset(open_dataset(root)) == []
    table.write_text("case,patient,labels_present\na,a,\nb,b,infection\n")
    assert "denies voxels of other classes than infection, found 108 of lung_left, 108" in only(root).message


def test_other_shape(root, mask):
    save(mask, labels((6, 6, 13)))
    finding = only(root)
    assert finding.level == "error"
    assert finding.message.startswith("image and mask must have one shape, found (6, 6, 12) and (6, 6, 13)")


def test_other_place(root, mask):
    save(mask, labels(), np.diag([-0.7, 0.7, 2.5, 1.0]))
    finding = only(root)
    assert finding.level == "error"
    assert "same place" in finding.message
    assert "corners up to 3.5 mm apart" in finding.message  # the first voxel at x = 0, and at 5 voxels of -0.7 mm
    assert "origin in mm (0, 0, 0) and (-3.5, 0, 0)" in finding.message
    assert "orientation in the files RAS and LAS" in finding.message


def test_not_finite(root, image):
    array = ct(1).astype(np.float32)
    array[0, 0, 0] = np.nan
    array[0, 0, 1] = np.inf
    save(image, array)
    finding = only(root)
    assert finding.level == "error"
    assert "found 2 NaN or infinite" in finding.message
    assert str(image) in finding.message


def test_wrong_label(root, mask):
    save(mask, np.where(labels() == 3, 7, labels()).astype(np.uint8))
    finding = only(root)
    assert finding.level == "error"
    assert "labels must be 0..3, found 7" in finding.message


def test_four_axes(root, image):
    save(image, np.zeros((6, 6, 12, 2), np.int16))
    finding = only(root)
    assert finding.level == "error"
    assert "3 axes" in finding.message


def test_truncated_and_empty(root, image, mask):
    image.write_bytes(image.read_bytes()[:500])
    mask.write_bytes(b"")
    findings = verify_dataset(open_dataset(root))
    assert [(finding.level, finding.case) for finding in findings] == [("error", "b")] * 2
    assert str(image) in findings[0].message
    assert str(mask) in findings[1].message


@pytest.mark.parametrize("fault", [KeyError("affine"), RuntimeError("no affine in SimpleITK"), MemoryError("affine")])
def test_failing_reader_of_ones_own_is_a_finding(root, image, monkeypatch, fault):
    def read(path):
        raise fault

    monkeypatch.setattr(reading, "_READERS", dict(reading._READERS))
    register_reader("npz", lambda path: path.suffix == ".npz", read)
    image.rename(image.with_name("imaging.npz"))
    finding = only(root)
    assert finding.level == "error"
    assert "imaging.npz" in finding.message
    assert "affine" in finding.message


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.clip(ct(1), 0, 255).astype(np.uint8), "already in 0..255"),
        (ct(1) + np.int16(1024), "offset by 1024?"),
        (ct(1) / np.float32(400), "not HU"),
    ],
)
def test_intensities_that_are_not_hu(root, image, array, message):
    save(image, array)
    finding = only(root)
    assert finding.level == "warning"
    assert message in finding.message


def test_values_scaled_to_one_are_an_error(root, image):
    save(image, np.clip(ct(1) / np.float32(4000) + np.float32(0.25), 0, 1))
    finding = only(root)
    assert finding.level == "error"
    assert "neither HU nor the 0..255 of a window" in finding.message


@pytest.mark.parametrize(("codes", "message"), [((0, 1), "no qform"), ((0, 0), "neither qform nor sform")])
def test_missing_codes(root, image, mask, codes, message):
    save(image, ct(1), codes=codes)
    findings = verify_dataset(open_dataset(root))
    assert [finding.message for finding in findings if message in finding.message and finding.level == "warning"]
    assert all(finding.case == "b" for finding in findings)


def test_header_in_metres(root, image):
    save(image, ct(1), np.diag([0.0007, 0.0007, 0.0025, 1.0]), unit="meter")
    finding = only(root)
    assert finding.level == "warning"
    assert "lengths in meter; converted to mm" in finding.message


def test_millimetres_called_metres_are_refused(root, image):
    save(image, ct(1), unit="meter")
    assert {finding.level for finding in verify_dataset(open_dataset(root))} == {"error", "warning"}
    assert any("a spacing of 700 x 700 x 2500 mm" in one.message for one in verify_dataset(open_dataset(root)))


def test_forms_that_differ(root, image):
    save(image, ct(1))
    header = nib.load(image)
    header.set_qform(np.diag([-0.7, 0.7, 2.5, 1.0]), 1)
    nib.save(header, image)
    finding = only(root)
    assert finding.level == "warning"
    assert "7 mm apart, mirrored" in finding.message  # x runs to 3.5 mm by one form, to -3.5 mm by the other


def test_thick_slices(root, image, mask):
    thick = np.diag([0.7, 0.7, 8.0, 1.0])
    save(image, ct(1), thick)
    save(mask, labels(), thick)
    assert only(root) == Finding("warning", "b", "thick slices: 8.00 mm apart (more than 5 mm)")


def test_five_millimetres_are_not_thick(root, image, mask):
    save(image, ct(1), np.diag([0.7, 0.7, 5.0, 1.0]))
    save(mask, labels(), np.diag([0.7, 0.7, 5.0, 1.0]))
    assert verify_dataset(open_dataset(root)) == []


def test_few_slices(root, image, mask):
    save(image, ct(1, (6, 6, 9)))
    save(mask, labels((6, 6, 9)))
    assert only(root) == Finding("warning", "b", "only 9 slices (fewer than 10)")


def test_slices_are_counted_along_z_however_stored(root, image, mask):
    sagittal = np.array([[0, 0, 2.5, 0], [0.7, 0, 0, 0], [0, 0.7, 0, 0], [0, 0, 0, 1]])
    save(image, ct(1, (6, 12, 6)), sagittal)
    save(mask, labels((6, 12, 6)), sagittal)
    assert verify_dataset(open_dataset(root)) == []


def test_tilted_axes(root, image, mask):
    tilted = AFFINE.copy()
    tilted[1, 2] = 0.5
    for path, array in ((image, ct(1)), (mask, labels())):
        save(path, array, tilted)
    findings = verify_dataset(open_dataset(root))
    assert {finding.level for finding in findings} == {"warning"}
    assert any("not orthogonal: two meet at 78.7 degrees" in finding.message for finding in findings)
    assert sum("not mirrored" in finding.message for finding in findings) == 2  # no qform can express the axes


def test_empty_class(root, mask):
    save(mask, np.minimum(labels(), 2))
    assert only(root) == Finding("warning", "b", "the mask has no voxel of class 3")


def test_missing_mask_among_masks(root, mask):
    mask.unlink()
    assert only(root) == Finding("warning", "b", "no mask, though other cases have one")
    (root / "a" / "segmentation.nii.gz").unlink()
    assert verify_dataset(open_dataset(root, need_masks=False)) == []


def test_same_scan_under_two_names_however_stored(root, image, mask):
    flipped = np.diag([-0.7, 0.7, 2.5, 1.0])
    save(image, ct(0)[::-1].astype(np.float32), flipped)
    save(mask, labels()[::-1], flipped)
    finding = only(root)
    assert finding.level == "warning"
    assert "the same scan as a" in finding.message
    assert "both training and test" in finding.message
    (root / "patients.csv").write_text("case,patient\na,P\nb,P\n")
    assert "both training and test" not in only(root).message


def test_classes_are_a_choice(root):
    messages = [finding.message for finding in verify_dataset(open_dataset(root), classes=3)]
    assert len(messages) == 2
    assert all("labels must be 0..2, found 3" in message for message in messages)
    assert {finding.message for finding in verify_dataset(open_dataset(root), classes=6)} == {
        "the mask has no voxel of class 4, 5"
    }


def test_real_cases_have_no_errors(real_data):
    dataset = open_dataset(real_data / "covid_ct_seg_8bit").select(["radiopaedia_7_85703_0"])
    findings = verify_dataset(dataset)
    assert {finding.level for finding in findings} == {"warning"}
    assert any("thick slices: 8.00 mm" in finding.message for finding in findings)


def test_a_mask_stored_in_another_order_but_in_the_same_place_is_right(tmp_path):
    image = np.random.default_rng(0).integers(-1000, 100, (6, 7, 12)).astype(np.int16)
    mask = (np.arange(6 * 7 * 12).reshape(6, 7, 12) % 4).astype(np.uint8)
    turned = np.diag([-1.0, 1, 1, 1])
    turned[0, 3] = 5
    (tmp_path / "case").mkdir()
    nib.save(nib.Nifti1Image(image, np.eye(4)), tmp_path / "case" / "imaging.nii.gz")
    nib.save(nib.Nifti1Image(mask[::-1], turned), tmp_path / "case" / "segmentation.nii.gz")
    assert not [finding for finding in verify_dataset(open_dataset(tmp_path), 4) if finding.level == "error"]


@pytest.fixture
def pictures(tmp_path, write_picture):
    """Three pictures that do not look alike, with masks of 0 and 255."""
    for seed, name in enumerate("abc"):
        write_picture(tmp_path / "images" / f"{name}.png", np.random.default_rng(seed).integers(0, 256, (40, 50)))
        mask = np.zeros((40, 50))
        mask[5:20, 5:20] = 255
        write_picture(tmp_path / "masks" / f"{name}.png", mask)
    return tmp_path


def findings_of(root, classes=2, **options):
    return verify_dataset(open_dataset(root, need_masks=False, **options), classes)


def test_sound_pictures_have_no_findings(pictures, write_picture):
    assert findings_of(pictures) == []
    write_picture(pictures / "masks" / "a.png", np.zeros((40, 50)))  # a healthy slice
    assert findings_of(pictures) == []


def test_all_faults_of_pictures_are_named(pictures, write_picture):
    write_picture(pictures / "images" / "a.png", np.random.default_rng(0).integers(0, 256, (40, 44)))
    write_picture(pictures / "masks" / "b.png", np.full((40, 50), [[128], [255]] * 20))
    image = pictures / "images" / "c.png"
    image.write_bytes(image.read_bytes()[:200])
    write_picture(pictures / "images" / "d.png", np.random.default_rng(4).integers(0, 256, (40, 50)))
    found = {(one.level, one.case): one.message for one in findings_of(pictures)}
    assert len(found) == 4
    assert "image and mask must have one shape, found (44, 40, 1) and (50, 40, 1)" in found["error", "a"]
    assert "b.png: the mask of two classes has the values 0 and 1, or 0 and 255, found 128, 255" in found["error", "b"]
    assert "c.png: the picture is damaged or truncated" in found["error", "c"]
    assert found["warning", "d"].startswith("no mask")


def test_a_mask_in_place_of_a_picture(pictures, write_picture):
    write_picture(pictures / "images" / "b.png", np.eye(40, 50))
    (finding,) = findings_of(pictures)
    assert (finding.level, finding.case) == ("warning", "b")
    assert finding.message.startswith("nearly black: found 0..1 of 0..255")


def test_a_class_that_no_picture_has(pictures):
    assert findings_of(pictures, 3, merge=[(255, 1)]) == [
        Finding("warning", "dataset", "the masks have no voxel of class 2")
    ]
    assert findings_of(pictures, 3, merge=[(255, 2)])[0].message == "the masks have no voxel of class 1"


def test_values_are_merged_before_they_are_checked(pictures, write_picture):
    for name in "abc":
        write_picture(pictures / "masks" / f"{name}.png", np.full((40, 50), [[0], [1], [2], [7]] * 10))
    assert {one.case for one in findings_of(pictures) if "found 0, 1, 2, 7" in one.message} == set("abc")
    assert findings_of(pictures, merge=[(2, 1), (7, 1)]) == []


def test_pictures_that_look_alike(pictures, write_picture):
    picture = np.random.default_rng(0).integers(0, 256, (40, 50))
    write_picture(pictures / "images" / "c.png", picture // 2 + 60)
    (finding,) = findings_of(pictures)
    assert (finding.level, finding.case) == ("warning", "a")
    assert finding.message.startswith("2 images look alike: a, c; ")
    assert "evaluation.groups" in finding.message
    (pictures / "patients.csv").write_text("case,patient\na,P\nb,P\nc,Q\n")
    assert findings_of(pictures) == []


@pytest.fixture
def stack(tmp_path):
    """A stack of twelve slices of noise, in HU, with the classes 0..3."""
    save(tmp_path / "tr_im.nii.gz", ct(shape=(16, 16, 12)))
    save(tmp_path / "tr_mask.nii.gz", labels((16, 16, 12)))
    return tmp_path


def test_a_sound_stack_has_no_findings(stack):
    assert findings_of(stack, 4) == []


def test_what_is_wrong_with_a_stack_is_said_once(stack):
    save(stack / "tr_im.nii.gz", ct(shape=(16, 16, 12)) + np.int16(1024))
    save(stack / "tr_mask.nii.gz", np.where(labels((16, 16, 12)) == 3, 7, labels((16, 16, 12))).astype(np.uint8))
    units, classes = sorted(findings_of(stack, 4), key=lambda one: one.level, reverse=True)
    assert (units.level, units.case, classes.level, classes.case) == ("warning", "tr", "error", "tr")
    assert "offset by 1024?" in units.message
    assert "labels must be 0..3, found 7" in classes.message


def test_the_first_channel_is_the_ct(tmp_path):
    for number, array in enumerate((ct(), np.clip(ct(), 0, 1).astype(np.uint8))):
        save(tmp_path / "imagesTr" / f"a_{number:04d}.nii.gz", array)
    save(tmp_path / "labelsTr" / "a.nii.gz", labels())
    assert findings_of(tmp_path, 4) == []
    save(tmp_path / "imagesTr" / "a_0001.nii.gz", ct(shape=(6, 6, 13)))
    (finding,) = findings_of(tmp_path, 4)
    assert finding.level == "error"
    assert "channels" in finding.message
