"""Slices sent by another program's storage user."""

from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread
from pynetdicom import AE

from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.formats.dicom.receiving import CT_IMAGES, NOT_UNDERSTOOD, receiver
from pneumoseg.data_io.formats.reading import read_volume
from pneumoseg.data_io.phantoms.dicom_series import write_series
from pneumoseg.data_io.volumes.volume import Volume

MR_IMAGES = "1.2.840.10008.5.1.4.1.1.4"


def send(port, files, title="PNEUMOSEG", caller="SENDER", kind=CT_IMAGES[0]):
    """The status of each slice, None where the association is refused."""
    entity = AE(ae_title=caller)
    entity.add_requested_context(kind, "1.2.840.10008.1.2.1")
    association = entity.associate("127.0.0.1", port, ae_title=title)
    if not association.is_established:
        return None
    answers = [association.send_c_store(one).get("Status") for one in files]
    association.release()
    return answers


@pytest.fixture
def series(tmp_path):
    array = np.random.default_rng(0).integers(-1000, 400, (16, 16, 6)).astype(np.int16)
    return write_series(tmp_path / "ct", Volume.from_source(array, np.eye(4)))


def test_a_series_arrives_as_it_was_sent(tmp_path, series):
    (tmp_path / "in").mkdir()
    files = sorted(series.iterdir())
    with receiver(tmp_path / "in", port=0) as port:
        assert send(port, files) == [0] * 6
        assert send(port, files[:1]) == [0]  # again
    (folder,) = (tmp_path / "in").iterdir()
    assert folder.name == dcmread(files[0]).SeriesInstanceUID
    assert sorted(path.stem for path in folder.iterdir()) == sorted(dcmread(file).SOPInstanceUID for file in files)
    np.testing.assert_array_equal(read_volume(folder).array, read_volume(series).array)


def test_only_the_called_and_the_allowed_are_answered(tmp_path, series):
    (tmp_path / "in").mkdir()
    files = sorted(series.iterdir())[:1]
    with receiver(tmp_path / "in", port=0, callers=["ORTHANC"]) as port:
        assert send(port, files) is None
        assert send(port, files, caller="ORTHANC", title="OTHER") is None
        assert send(port, files, caller="ORTHANC") == [0]
        assert send(port, files, caller="ORTHANC", kind=MR_IMAGES) is None


def test_slices_without_valid_uids_are_refused(tmp_path, series):
    (tmp_path / "in").mkdir()
    bad = dcmread(sorted(series.iterdir())[0])
    bad.SeriesInstanceUID = ""
    with receiver(tmp_path / "in", port=0) as port:
        assert send(port, [bad]) == [NOT_UNDERSTOOD]
    assert not list((tmp_path / "in").iterdir())


@pytest.mark.parametrize("title", ["", " ", "SEVENTEEN LETTERS", "ä", "A\\B"])
def test_bad_titles_are_refused(tmp_path, title):
    with pytest.raises(InputError, match="1 to 16 ASCII characters"), receiver(tmp_path, port=0, title=title):
        pass


def test_a_missing_folder_and_a_used_port_are_refused(tmp_path):
    with pytest.raises(InputError, match="no such folder"), receiver(tmp_path / "none"):
        pass
    with (
        receiver(tmp_path, port=0) as port,
        pytest.raises(InputError, match="cannot be listened on"),
        receiver(Path(tmp_path), port=port),
    ):
        pass
