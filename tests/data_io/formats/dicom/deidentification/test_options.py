"""The marks that say what was kept."""

from pneumoseg.data_io.formats.dicom.deidentification.options import Options
from pneumoseg.data_io.formats.dicom.deidentification.words import code_meanings


def test_each_option_has_its_code():
    assert [value for value, _ in Options().codes] == ["113100"]
    every = Options(dates="shift", descriptors=True, characteristics=True, uids=True)
    assert [value for value, _ in every.codes] == ["113100", "113105", "113107", "113108", "113110"]
    assert (Options().longitudinal, every.longitudinal) == ("REMOVED", "MODIFIED")


def test_meanings_are_those_of_the_standard():
    every = Options(dates="shift", descriptors=True, characteristics=True, uids=True)
    for value, meaning in every.codes:
        plain = code_meanings()["DCM", value].replace("With ", "")
        assert plain.replace(" ", "").lower() == meaning.replace(" ", "").lower()


def test_the_method_fits_its_attribute():
    assert len(Options().method) <= 64
