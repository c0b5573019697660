"""Results of DICOM series as DICOM: left stays left, however the patient lay and the slices are ordered."""

import highdicom as hd
import numpy as np
import pytest
from pydicom import dcmread

from pneumoseg.data_io.datasets.inputs import find_inputs
from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.formats.dicom.series import read_files
from pneumoseg.data_io.formats.reading import read_labels, read_volume
from pneumoseg.data_io.phantoms.dicom_series import write_series
from pneumoseg.data_io.volumes.labels import LUNG_LABELS
from pneumoseg.data_io.volumes.volume import Volume, on_grid_of
from pneumoseg.evaluation.inference import batch
from pneumoseg.evaluation.inference.batch import PredictionOptions, predict_files
from pneumoseg.evaluation.inference.outputs import place_outputs
from pneumoseg.pipeline.prediction.engines import Engine
from pneumoseg.pipeline.prediction.predictor import Member, Predictor
from pneumoseg.pipeline.settings.loading import load_settings

BODY_HU, LEFT_HU, RIGHT_HU, INFECTION_HU = 0, -900, -800, -400
EVERYTHING = PredictionOptions(report=True, captures=True)


def patient() -> Volume:
    """A CT (RAS+) with a small left lung, a large right lung and infection in the left one."""
    array = np.full((24, 20, 16), BODY_HU, np.int16)
    array[3:8, 6:14, 3:12] = LEFT_HU  # x counts to the right: the left lung comes first
    array[14:22, 5:15, 2:14] = RIGHT_HU
    array[4:7, 7:9, 4:8] = INFECTION_HU
    affine = np.diag([2.0, 2.0, 3.0, 1.0])
    affine[:3, 3] = (5, -7, 90)
    return Volume.from_source(array, affine)


def by_brightness(tiles: np.ndarray) -> np.ndarray:
    """The classes of `patient`, by HU in the window -1250..250."""
    edges = [(edge + 1250) / 1500 for edge in (-850, -600, -200)]
    return np.eye(4, dtype=np.float32)[np.array([1, 2, 3, 0])[np.digitize(tiles[..., 0], edges)]]


@pytest.fixture
def predictor() -> Predictor:
    changes = ["patches.shape=[8, 8, 8]", "preprocessing.spacing_mm=null", "preprocessing.normalisation=none"]
    member = Member(Engine("test", "float32", by_brightness), load_settings("demo", changes))
    return Predictor((member,), {"model": "hash"})


def predict(folder, output, predictor, options=EVERYTHING, mask_format="dicom-seg", **how):
    outputs = place_outputs(find_inputs([folder]), output, mask_format=mask_format, **how)
    return predict_files(outputs, predictor, options=options, resume=how.get("resume", False))


@pytest.mark.parametrize("reversed_order", [False, True])
@pytest.mark.parametrize("position", ["HFS", "HFP", "FFS", "FFP", "HFDL", "HFDR", "FFDL"])
def test_left_stays_left(tmp_path, predictor, position, reversed_order):
    truth = patient()
    write_series(tmp_path / "ct", truth, patient_position=position, reversed_order=reversed_order)
    (result,) = predict(tmp_path / "ct", tmp_path / "out", predictor)

    mask = on_grid_of(truth, read_labels(tmp_path / "out/ct.seg.dcm", LUNG_LABELS), "CT and mask").array
    np.testing.assert_array_equal(mask == 1, truth.array == LEFT_HU)
    np.testing.assert_array_equal(mask == 2, truth.array == RIGHT_HU)
    np.testing.assert_array_equal(mask == 3, truth.array == INFECTION_HU)

    groups = hd.sr.srread(tmp_path / "out/ct.sr.dcm").content.get_image_measurement_groups()
    volumes = {}
    for group in groups:
        for site in group.finding_sites:
            volumes[site.laterality.meaning] = [item.value for item in group.get_measurements()]
    left_ml, right_ml = (5 * 8 * 9 * 0.012, 8 * 10 * 12 * 0.012)
    assert volumes["Left"] == pytest.approx([left_ml, 100 * 24 / 360], abs=1e-3)
    assert volumes["Right"] == pytest.approx([right_ml, 0.0], abs=1e-3)

    captures = sorted((tmp_path / "out/secondary_captures/ct").iterdir())
    picture = dcmread(captures[len(captures) // 2]).pixel_array.astype(int)
    blue = picture[..., 2] - picture[..., 0] > 20  # the lungs' colours
    half = picture.shape[1] // 2
    assert blue[:, :half].sum() > 1.5 * blue[:, half:].sum() > 0  # the larger right lung at the picture's left
    assert result.manifest["statistics"]["lung_right_ml"] == pytest.approx(right_ml, abs=1e-3)


def test_a_label_map_holds_the_same(tmp_path, predictor):
    truth = patient()
    write_series(tmp_path / "ct", truth)
    options = PredictionOptions(dicom_encoding="labelmap")
    predict(tmp_path / "ct", tmp_path / "out", predictor, options, "dicom-labelmap")
    assert dcmread(tmp_path / "out/ct.seg.dcm").SegmentationType == "LABELMAP"
    assert (read_labels(tmp_path / "out/ct.seg.dcm", LUNG_LABELS).array == 2).sum() == 960


def test_results_are_kept_on_resume_and_made_again_where_one_is_missing(tmp_path, predictor):
    write_series(tmp_path / "ct", patient())
    predict(tmp_path / "ct", tmp_path / "out", predictor)
    mask, report = tmp_path / "out/ct.seg.dcm", tmp_path / "out/ct.sr.dcm"
    stamp = mask.stat().st_mtime_ns
    predict(tmp_path / "ct", tmp_path / "out", predictor, resume=True)
    assert mask.stat().st_mtime_ns == stamp
    uids = [dcmread(path).SOPInstanceUID for path in (mask, report)]
    report.unlink()
    predict(tmp_path / "ct", tmp_path / "out", predictor, resume=True)
    assert [dcmread(path).SOPInstanceUID for path in (mask, report)] == uids
    assert read_files(tmp_path / "out").reports == ("SR",)


def test_another_encoding_is_another_object_and_is_made_on_resume(tmp_path, predictor):
    write_series(tmp_path / "ct", patient())
    uids = []
    for encoding in ("binary", "labelmap"):
        options = PredictionOptions(dicom_encoding=encoding)
        predict(tmp_path / "ct", tmp_path / "out", predictor, options, "dicom-seg", resume=True)
        header = dcmread(tmp_path / "out/ct.seg.dcm")
        assert header.SegmentationType == encoding.upper()
        uids.append(header.SOPInstanceUID)
    assert uids[0] != uids[1]


def test_a_segmentation_is_no_ct(tmp_path, predictor):
    write_series(tmp_path / "ct", patient())
    predict(tmp_path / "ct", tmp_path / "out", predictor)
    with pytest.raises(InputError, match="a CT is needed, found a DICOM segmentation, which is a mask"):
        predict(tmp_path / "out/ct.seg.dcm", tmp_path / "again", predictor, mask_format="nii.gz")


def test_a_nifti_mask_may_have_pictures_too(tmp_path, predictor):
    write_series(tmp_path / "ct", patient())
    predict(tmp_path / "ct", tmp_path / "out", predictor, PredictionOptions(captures=True), "nii.gz")
    assert (tmp_path / "out/secondary_captures/ct/0001.dcm").is_file()
    assert (read_volume(tmp_path / "out/ct.nii.gz").array == 1).sum() == 336


def test_another_format_than_dicom_is_refused_before_it_is_segmented(tmp_path, predictor, monkeypatch):
    import nibabel as nib

    monkeypatch.setattr(Predictor, "prepare", None)
    nib.save(nib.Nifti1Image(np.zeros((8, 8, 8), np.int16), np.eye(4)), tmp_path / "ct.nii.gz")
    with pytest.raises(InputError, match="refer to the slices of a DICOM series"):
        predict(tmp_path / "ct.nii.gz", tmp_path / "out", predictor)
    assert not (tmp_path / "out").exists()


@pytest.mark.filterwarnings("ignore:Invalid value for VR UI")
def test_slices_without_valid_uids_are_refused_or_get_some(tmp_path, predictor):
    write_series(tmp_path / "ct", patient(), elements={"StudyInstanceUID": "no-uid"})
    with pytest.raises(InputError, match="StudyInstanceUID is missing, invalid"):
        predict(tmp_path / "ct", tmp_path / "out", predictor)
    predict(tmp_path / "ct", tmp_path / "out", predictor, PredictionOptions(assign_uids=True))
    assert dcmread(tmp_path / "out/ct.seg.dcm").StudyInstanceUID.startswith("2.25.")


def test_headers_that_allow_no_results_fail_their_case_alone(tmp_path, predictor):
    write_series(tmp_path / "ct", patient(), elements={"SOPClassUID": "1.2.3"})
    (result,) = predict(tmp_path / "ct", tmp_path / "out", predictor, PredictionOptions(keep_going=True))
    assert "cannot be made with the headers of this series (KeyError); write the mask as nii.gz" in result.error


@pytest.mark.parametrize(("options", "ending"), [(EVERYTHING, "dicom-seg"), (PredictionOptions(), "nii.gz")])
def test_a_series_that_changes_meanwhile_is_refused(tmp_path, predictor, monkeypatch, options, ending):
    write_series(tmp_path / "ct", patient())
    segment = Predictor.segment

    def slow(self, *arguments, **how):
        slice_ = dcmread(tmp_path / "ct/IM00003.dcm")
        slice_.PixelData = bytes(len(slice_.PixelData))
        slice_.save_as(tmp_path / "ct/IM00003.dcm")
        return segment(self, *arguments, **how)

    monkeypatch.setattr(Predictor, "segment", slow)
    with pytest.raises(InputError, match="the series changed while it was segmented; segment it again"):
        predict(tmp_path / "ct", tmp_path / "out", predictor, options, ending)
    assert not list((tmp_path / "out").glob("*"))


def test_dicom_results_do_not_go_among_the_slices(tmp_path, predictor):
    write_series(tmp_path / "ct", patient())
    with pytest.raises(InputError, match="must not lie in the folder of the CT"):
        predict(tmp_path / "ct", tmp_path / "ct", predictor)


def test_a_file_that_is_not_the_mask_fails_its_case_alone(tmp_path, predictor, monkeypatch):
    from pneumoseg.data_io.formats.dicom.results import segmentation
    from pneumoseg.data_io.formats.dicom.results.round_trip import UnfaithfulFile

    def fail(*arguments, **how):
        raise UnfaithfulFile("1 voxels read back are not those of the mask")

    monkeypatch.setattr(segmentation, "check_segmentation", fail)
    write_series(tmp_path / "ct", patient())
    (result,) = predict(tmp_path / "ct", tmp_path / "out", predictor, PredictionOptions(keep_going=True))
    assert "voxels read back" in result.error
    assert not (tmp_path / "out/ct.seg.dcm").exists()
    assert batch.FAILURES[2] is RuntimeError
