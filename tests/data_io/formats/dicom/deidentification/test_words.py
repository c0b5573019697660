"""Only known words stay."""

import pytest

from pneumoseg.data_io.formats.dicom.deidentification.words import code_meanings, known_words


@pytest.mark.parametrize(
    "text, expected",
    [
        ("SIEMENS", "SIEMENS"),
        ("SOMATOM Definition AS+", "SOMATOM Definition AS+"),
        ("GE MEDICAL SYSTEMS", "GE MEDICAL SYSTEMS"),
        ("LightSpeed16", "LightSpeed16"),
        ("WINDOW2", "WINDOW2"),
        ("HU", "HU"),
        ("Thorax^AThoraxRoutine (Adult)", "Thorax Routine Adult"),
        ("ThoraxRoutine  8.0.0  B40f", "Thorax Routine B40f"),
        ("LUNG 1.25 mm", "LUNG 1.25 mm"),
        ("Thorax 12/03/61", "Thorax"),
        ("Thorax 12 03 61", "Thorax"),
        ("Mueller, Hans", ""),
        ("CT Thorax for Mr Smith", "CT Thorax"),
        ("Br59d", "Br59d"),
        ("FC51", "FC51"),
        ("L", "L"),
        ("B40", "B40"),
        ("lung A17-4711", "lung"),
        ("lung A17f-4711 B40", "lung"),
        ("42", "42"),
        ("1234", ""),
        ("王小东", ""),
    ],
)
def test_words_that_stay(text, expected):
    assert known_words(text) == expected


def test_codes_have_the_meaning_of_the_standard():
    meanings = code_meanings()
    assert meanings["SCT", "39607008"].startswith("Lung")
    assert meanings["DCM", "113100"] == "Basic Application Confidentiality Profile"
    assert ("99LOCAL", "1") not in meanings
