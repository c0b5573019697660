"""From tables to cohort files: what is prepared, left out, refused, and resumed."""

import shutil

import numpy as np
import pytest
from pydicom import dcmread

from pneumoseg.data_io.datasets.cohort_file import read_header, read_study
from pneumoseg.data_io.datasets.cohort_table import read_cohort_table
from pneumoseg.data_io.datasets.studies import open_cohort
from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.formats.nifti import write_ct_nifti
from pneumoseg.data_io.phantoms.cohort import write_cohort_phantoms
from pneumoseg.data_io.volumes.volume import Volume
from pneumoseg.pipeline.prediction import cohort_preparation
from pneumoseg.pipeline.prediction.cohort_preparation import CohortRefused, prepare_cohort
from pneumoseg.pipeline.settings.preparation import PreparationSettings

SETTINGS = PreparationSettings(shape=(8, 12, 12), mask_spacing_mm=10, cut_area_cm2=1000)
HEADER = "patient,path,label,score\n"


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    """Two studies, one as NIfTI and one as DICOM in a folder of its own, and their table."""
    folder = tmp_path_factory.mktemp("cohort")
    write_cohort_phantoms(folder / "nifti", 1, shape=(32, 32, 24))
    write_cohort_phantoms(folder / "dicom", 1, shape=(32, 32, 24), seed=1, positions=("HFS",))
    (folder / "dicom" / "phantom_001" / "segmentation.nii.gz").unlink()
    (folder / "all.csv").write_text(
        f"{HEADER}a,nifti/phantom_001/imaging.nii.gz,yes,15\nb,dicom/phantom_001,no,0\n", encoding="utf-8"
    )
    return folder


@pytest.fixture
def lungs(monkeypatch):
    """Masks by a threshold alone, as the classical one needs finer grids; counts the CTs that were looked at."""
    seen = []

    def mask(ct):
        seen.append(ct)
        return (ct.array < -500) & (ct.array > -950)

    monkeypatch.setattr(cohort_preparation, "lung_mask_of", lambda settings: mask)
    return seen


def table_of(cohort, tmp_path, rows):
    """A table in a folder of its own, of studies in the cohort's."""
    (tmp_path / "t.csv").write_text(HEADER + rows.replace("@", str(cohort)), encoding="utf-8")
    return read_cohort_table(tmp_path / "t.csv")


def set_series_uid(file, uid):
    header = dcmread(file)
    header.SeriesInstanceUID = uid
    header.save_as(file)


def test_studies_of_a_table_are_stored(cohort, tmp_path, lungs):
    findings = prepare_cohort(read_cohort_table(cohort / "all.csv"), tmp_path / "c.h5", SETTINGS)
    header = read_header(tmp_path / "c.h5")
    assert [one.entry for one in findings] == list(header.entries)
    assert all(one.kept for one in findings)
    assert [(entry.patient, entry.diseased, entry.score) for entry in header.entries] == [
        ("a", True, 15.0),
        ("b", False, 0.0),
    ]
    assert header.preparation == SETTINGS.model_dump(mode="json")
    image, mask = read_study(tmp_path / "c.h5", 1)
    assert image.shape == (8, 12, 12)
    assert set(np.unique(mask)) == {0, 1}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["c.h5"]
    assert str(cohort).encode() not in (tmp_path / "c.h5").read_bytes()


def test_a_file_that_exists_is_kept_unless_it_is_to_be_replaced(cohort, tmp_path, lungs):
    (tmp_path / "c.h5").write_text("mine")
    with pytest.raises(InputError, match="exists already") as refusal:
        prepare_cohort(read_cohort_table(cohort / "all.csv"), tmp_path / "c.h5", SETTINGS)
    assert refusal.value.options == ("resume", "overwrite")
    assert (tmp_path / "c.h5").read_text() == "mine"
    prepare_cohort(read_cohort_table(cohort / "all.csv"), tmp_path / "c.h5", SETTINGS, overwrite=True)
    assert len(open_cohort(tmp_path / "c.h5")) == 2
    with pytest.raises(InputError, match="found a folder"):
        prepare_cohort(read_cohort_table(cohort / "all.csv"), tmp_path, SETTINGS)


@pytest.mark.parametrize("name", ["all.csv", "cohort"])
def test_a_name_that_no_command_takes_for_a_cohort_file_is_refused(cohort, lungs, name):
    before = (cohort / "all.csv").read_text()
    with pytest.raises(InputError, match=r"ends in .h5 or .hdf5; add .h5"):
        prepare_cohort(read_cohort_table(cohort / "all.csv"), cohort / name, SETTINGS, overwrite=True)
    assert (cohort / "all.csv").read_text() == before
    assert not (cohort / "cohort").exists()


def test_an_interrupted_preparation_goes_on(cohort, tmp_path, lungs, monkeypatch):
    table, whole = read_cohort_table(cohort / "all.csv"), tmp_path / "whole.h5"
    prepare_cohort(table, whole, SETTINGS)
    looked_at = len(lungs)

    def killed(*arguments, **options):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(cohort_preparation, "_report", killed)
        with pytest.raises(KeyboardInterrupt):
            prepare_cohort(table, tmp_path / "c.h5", SETTINGS)
    assert not (tmp_path / "c.h5").exists()
    del lungs[:]
    other = SETTINGS.model_copy(update={"shape": (8, 12, 16)})
    with pytest.raises(InputError, match="was prepared with other settings, shape"):
        prepare_cohort(table, tmp_path / "c.h5", other, resume=True, exclude_invalid=True)
    with pytest.raises(InputError, match="an interrupted preparation finished 2 studies; resume it to keep them"):
        prepare_cohort(table, tmp_path / "c.h5", SETTINGS)
    prepare_cohort(table, tmp_path / "c.h5", SETTINGS, resume=True)
    assert (looked_at, len(lungs)) == (2, 0)
    assert read_header(tmp_path / "c.h5") == read_header(whole)
    np.testing.assert_array_equal(read_study(tmp_path / "c.h5", 1), read_study(whole, 1))


def test_resuming_a_finished_file_takes_labels_from_the_table(cohort, tmp_path, lungs):
    path = tmp_path / "c.h5"
    prepare_cohort(table_of(cohort, tmp_path, "a,@/nifti/phantom_001,yes,15\n"), path, SETTINGS)
    rows = "x,@/nifti/phantom_001,no,\nb,@/dicom/phantom_001,no,0\n"
    (tmp_path / "more").mkdir()
    prepare_cohort(table_of(cohort, tmp_path / "more", rows), path, SETTINGS, resume=True)
    assert len(lungs) == 2
    assert [(one.patient, one.diseased, one.score) for one in open_cohort(path)] == [
        ("b", False, 0),
        ("x", False, None),
    ]


def test_other_settings_are_not_resumed(cohort, tmp_path, lungs):
    table = read_cohort_table(cohort / "all.csv")
    prepare_cohort(table, tmp_path / "c.h5", SETTINGS)
    other = SETTINGS.model_copy(update={"shape": (8, 12, 16)})
    with pytest.raises(InputError, match=r"other settings, shape \[8, 12, 12\], needed are shape \[8, 12, 16\]"):
        prepare_cohort(table, tmp_path / "c.h5", other, resume=True)


def test_studies_that_are_not_valid_are_kept_or_left_out(cohort, tmp_path, lungs):
    settings = SETTINGS.model_copy(
        update={"expiration_lung_ml": 1e5, "expiration_mean_hu": -820.0, "expiration_darkest_hu": -1000.0}
    )
    table = read_cohort_table(cohort / "all.csv")
    findings = prepare_cohort(table, tmp_path / "c.h5", settings)
    invalid = [one.row.name for one in findings if one.problem.startswith("expiration")]
    assert invalid
    assert [one.name for one in read_header(tmp_path / "c.h5").entries if one.problem] == invalid
    with pytest.raises(InputError, match="no study of 2 is left"):
        strict = settings.model_copy(update={"expiration_mean_hu": -1000.0})
        prepare_cohort(table, tmp_path / "d.h5", strict, exclude_invalid=True)
    assert not (tmp_path / "d.h5").exists()


def test_a_ct_without_lungs_is_refused_by_name_or_left_out(cohort, tmp_path, lungs):
    ct = np.full((12, 12, 12), 40, np.int16)
    ct[:2] = -1000
    write_ct_nifti(tmp_path / "leg.nii.gz", Volume.from_source(ct, np.diag([10.0, 10, 10, 1])))
    (tmp_path / "text.nii.gz").write_text("no CT")
    table = table_of(cohort, tmp_path, "a,@/nifti/phantom_001,yes,15\nb,leg.nii.gz,no,0\nc,text.nii.gz,no,0\n")
    with pytest.raises(
        CohortRefused, match=r"2 of 3 studies cannot be prepared: leg \(.*no lungs were found.*text \("
    ) as no:
        prepare_cohort(table, tmp_path / "c.h5", SETTINGS)
    assert no.value.options == ("resume", "exclude_invalid")
    assert [(one.problem != "", one.kept) for one in no.value.findings] == [
        (False, False),
        (True, False),
        (True, False),
    ]
    assert not (tmp_path / "c.h5").exists()
    findings = prepare_cohort(table, tmp_path / "c.h5", SETTINGS, resume=True, exclude_invalid=True)
    assert [one.kept for one in findings] == [True, False, False]
    assert len(open_cohort(tmp_path / "c.h5")) == 1


def test_one_ct_under_two_names_is_of_one_patient_and_of_one_label(cohort, tmp_path, lungs):
    shutil.copytree(cohort / "dicom" / "phantom_001" / "dicom", tmp_path / "copy")
    first = tmp_path / "copy" / "IM00001.dcm"
    first.rename(tmp_path / "copy" / "last.dcm")  # other names, another order: the content is that of the voxels
    rows = "a,@/dicom/phantom_001,no,0\nb,copy,{},0\n"
    prepare_cohort(table_of(cohort, tmp_path, rows.format("no")), tmp_path / "c.h5", SETTINGS)
    assert len({one.patient for one in open_cohort(tmp_path / "c.h5")}) == 1
    with pytest.raises(
        CohortRefused, match="copy is one and the same CT as phantom_001, but they have different"
    ) as no:
        prepare_cohort(table_of(cohort, tmp_path, rows.format("yes")), tmp_path / "d.h5", SETTINGS)
    assert [(one.row.name, one.problem[:19], one.kept) for one in no.value.findings] == [
        ("phantom_001", "", False),
        ("copy", "one and the same CT", False),
    ]
    assert not (tmp_path / "d.h5").exists()


def test_a_folder_of_two_cts_is_no_study(cohort, tmp_path, lungs):
    for name in ("one", "two"):
        shutil.copytree(cohort / "dicom" / "phantom_001" / "dicom", tmp_path / "both" / name)
        for file in (tmp_path / "both" / name).iterdir():
            set_series_uid(file, f"1.2.3.{len(name)}{name.count('w')}")
    table = table_of(cohort, tmp_path, "a,both,yes,15\n")
    with pytest.raises(InputError, match="a study is one CT, found 2"):
        prepare_cohort(table, tmp_path / "c.h5", SETTINGS)


@pytest.mark.parametrize("spacing_mm", [1e-6, 1e6])
def test_a_ct_of_absurd_spacing_is_refused_by_file_and_spacing(cohort, tmp_path, lungs, spacing_mm):
    ct = np.full((12, 12, 12), -1000, np.int16)
    write_ct_nifti(tmp_path / "forged.nii.gz", Volume.from_source(ct, np.diag([1.0, spacing_mm, 1.0, 1.0])))
    table = table_of(cohort, tmp_path, "a,forged.nii.gz,yes,15\n")
    with pytest.raises(CohortRefused, match=r"forged.nii.gz.*spacing of 1 x 1e[-+]06 x 1 mm"):
        prepare_cohort(table, tmp_path / "c.h5", SETTINGS)
    assert not lungs


def test_a_ct_that_the_system_cannot_read_is_a_bad_study(cohort, tmp_path, lungs, monkeypatch):
    def failing(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(cohort_preparation, "sha256_of", failing)
    with pytest.raises(CohortRefused, match=r"2 of 2 studies .*cannot be read \(Permission denied\)"):
        prepare_cohort(read_cohort_table(cohort / "all.csv"), tmp_path / "c.h5", SETTINGS)
