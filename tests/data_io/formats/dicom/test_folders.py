"""A series whose slices lie in several folders is never read as several CTs."""

from pathlib import Path

import numpy as np
import pydicom
import pytest

from pneumoseg.data_io.datasets.inputs import find_inputs
from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.formats.dicom.ct import open_dicom
from tests.data_io.formats.dicom.dicom_files import CORONAL, STORED, header, save

UID = "1.3.6.1.4.1.99999.1.2"
UUID = "09bc8aea-ff9c-4106-8514-294cbcf9a082"
HALVES = (range(6), range(6, 12))
ALTERNATING = (range(0, 12, 2), range(1, 12, 2))


def part(folder: Path, numbers, spacing=2.5, shift=0.0, **values):
    """Slices of one series, those of `numbers`."""
    folder.mkdir(parents=True, exist_ok=True)
    with pydicom.config.disable_value_validation():
        for number in numbers:
            place = (-100 + shift, -80, 30 + spacing * number)
            save(header(place, **{"uid": UID, **values}), folder / f"{number:03}.dcm", STORED[number % 5])
    return folder


@pytest.mark.filterwarnings("ignore:Invalid value for VR UI")
@pytest.mark.parametrize("uid", [UID, UUID])
@pytest.mark.parametrize("parts", [HALVES, ALTERNATING, (range(12), range(6)), (range(11), [11]), ([0], [1])])
@pytest.mark.parametrize("where", [("S1", "S2"), ("disk1/S", "disk2/S"), ("P/S", "P/S/more"), (".", "S2")])
def test_one_series_in_two_folders_is_refused(tmp_path, uid, parts, where):
    first, second = (part(tmp_path / "study" / where[at], parts[at], uid=uid) for at in (0, 1))
    for given in ([tmp_path / "study"], [tmp_path], [first, second], [second, first]):
        with pytest.raises(InputError, match="a CT series must lie in one folder") as refusal:
            find_inputs(given)
        assert str(first) in str(refusal.value)
        assert str(second) in str(refusal.value)
        assert UID not in str(refusal.value)


def test_a_list_of_both_folders_is_refused_too(tmp_path):
    for name, numbers in zip(("S1", "S2"), HALVES, strict=True):
        part(tmp_path / name, numbers)
    (tmp_path / "list.txt").write_text("S1\nS2\n")
    with pytest.raises(InputError, match="a CT series must lie in one folder"):
        find_inputs([tmp_path / "list.txt"])


@pytest.mark.parametrize("parts", [HALVES, ALTERNATING, (range(11), [11]), ([0], [1])])
@pytest.mark.parametrize("where", ["S2", "S1/more", "."])
def test_the_rest_of_a_series_near_by_is_named(tmp_path, said, parts, where):
    first, second = part(tmp_path / "S1", parts[0]), part(tmp_path / where, parts[1])
    (tmp_path / "notes").mkdir()
    open_dicom(first)
    assert f"{first}: {second} holds other slices of the same series" in said.text


def test_the_rest_beside_a_scout_is_named(tmp_path, said):
    first, second = (part(tmp_path / name, numbers) for name, numbers in zip(("S1", "S2"), HALVES, strict=True))
    save(header((0, 0, 0), CORONAL, uid="1.2.8", ImageType=["ORIGINAL", "LOCALIZER"]), second / "000.dcm", STORED[0])
    open_dicom(first)
    assert f"{second} holds other slices" in said.text


@pytest.mark.filterwarnings("ignore:Invalid value for VR UI")
@pytest.mark.parametrize(
    "values",
    [
        {"uid": ""},
        {"uid": "anonymous"},
        {"uid": (UID, UID + ".1")},
        {"PatientID": ("P1", "P2")},
        {"PixelSpacing": ([0.7, 0.8], [0.71, 0.81])},
        {"orientation": ((1, 0, 0, 0, 1, 0), CORONAL)},
        {"Modality": ("CT", "MR")},
        {"shift": (0.0, 20.0)},
    ],
    ids=str,
)
def test_other_patients_and_series_stay_apart(tmp_path, said, values):
    for index, name in enumerate(("P1", "P2")):
        own = {key: value[index] if isinstance(value, tuple) else value for key, value in values.items()}
        part(tmp_path / name, HALVES[index], **own)
    found = find_inputs([tmp_path])
    assert list(found) == (["P1"] if "Modality" in values else ["P1", "P2"])
    assert open_dicom(found["P1"]).stored_grid.shape == (8, 6, 6)
    assert "slices of" not in said.text


def test_a_copy_of_a_series_is_named_and_both_are_read(tmp_path, said):
    for name in ("S1", "S1 (copy)"):
        part(tmp_path / name, range(6))
    found = find_inputs([tmp_path])
    assert list(found) == ["S1", "S1 (copy)"]
    assert "S1 (copy): the same slices of one CT series as in" in said.text
    said.clear()
    assert open_dicom(found["S1"]).stored_grid.spacing_mm == pytest.approx((0.8, 0.7, 2.5))
    assert said.text == ""


def test_a_tilted_series_is_known_by_its_line(tmp_path):
    for name, numbers in zip(("S1", "S2"), (range(11), [11]), strict=True):
        folder = tmp_path / name
        folder.mkdir()
        for number in numbers:
            place = (-100, -80 + 0.6 * number, 30 + 2.5 * number)
            save(header(place, uid=UID), folder / f"{number:03}.dcm", STORED[0])
    with pytest.raises(InputError, match="11 and 1 slices; put them into one folder"):
        find_inputs([tmp_path])


def test_many_folders_beside_are_not_all_looked_at(tmp_path, monkeypatch):
    for index in range(200):
        (tmp_path / f"P{index:03}").mkdir()
        (tmp_path / f"P{index:03}" / "a.dcm").touch()
    first = part(tmp_path / "P100", range(3))
    looked_at = []
    monkeypatch.setattr(
        "pneumoseg.data_io.formats.dicom.folders.read_slice", lambda file: looked_at.append(file.parent.name)
    )
    open_dicom(first)
    assert len(looked_at) <= 64
    assert {"P098", "P099", "P101", "P102"} <= set(looked_at)


def test_the_volume_of_the_whole_is_that_of_both_parts(tmp_path):
    """What the refusal asks for: all slices in one folder."""
    for numbers in HALVES:
        part(tmp_path / "S", numbers)
    source = open_dicom(find_inputs([tmp_path / "S"])["S"]).stored_grid
    assert source.shape == (8, 6, 12)
    assert np.prod(source.shape) * source.voxel_volume_ml == pytest.approx(8 * 6 * 12 * 0.7 * 0.8 * 2.5 / 1000)
