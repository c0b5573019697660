"""What is held back for what it shows."""

import pydicom
import pytest

from pneumoseg.data_io.formats.dicom.deidentification.pixels_at_risk import (
    DOCUMENT,
    STORAGE,
    is_enhanced,
    kind_at_risk,
)
from tests.data_io.formats.dicom.dicom_files import STORED, header, save


@pytest.fixture
def read(tmp_path):
    def of(**values):
        return pydicom.dcmread(save(header((0, 0, 0), **values), tmp_path / "one", STORED[0]))

    return of


@pytest.mark.parametrize(
    "end, kind",
    [
        *(("2", None), ("2.1", None), ("2.2", None), ("66.4", None)),
        *(("7", "secondary-capture"), ("7.4", "secondary-capture"), ("88.33", "report"), ("88.59", "report")),
        *(("104.1", DOCUMENT), ("11.1", "presentation-state"), ("4", "other-modality"), ("1.1", "other-modality")),
        *(("6.1", "other-modality"), ("481.3", "other-object"), ("9.1.1", "other-object"), ("66", "other-object")),
    ],
)
def test_classes(read, end, kind):
    assert kind_at_risk(read(), STORAGE + end) == kind


@pytest.mark.parametrize(
    "values, kind",
    [
        ({"BurnedInAnnotation": "YES"}, "burned-in"),
        ({"BurnedInAnnotation": "NO"}, None),
        ({"RecognizableVisualFeatures": "YES"}, "features"),
        ({"ConversionType": "WSD"}, "secondary-capture"),
        ({"ImageType": ["DERIVED", "SECONDARY", "SCREEN SAVE"]}, "secondary-capture"),
        ({"SeriesDescription": "Dose Report"}, "secondary-capture"),
        ({"SeriesDescription": "Patient Protocol"}, "secondary-capture"),
        ({"ImageType": ["DERIVED", "SECONDARY", "MPR"]}, None),
        ({"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]}, None),
        ({"PhotometricInterpretation": "RGB"}, "secondary-capture"),
    ],
)
def test_attributes(read, values, kind):
    assert kind_at_risk(read(**values), STORAGE + "2") == kind


@pytest.mark.parametrize("bit, kind", [(0, None), (12, "overlays")])
def test_overlays_within_the_pixels(tmp_path, bit, kind):
    one = header((0, 0, 0))
    one.add_new(0x60000102, "US", bit)
    read = pydicom.dcmread(save(one, tmp_path / "one", STORED[0]))
    assert kind_at_risk(read, STORAGE + "2") == kind


def test_functional_groups_make_an_enhanced_object(read):
    assert is_enhanced(read(SharedFunctionalGroupsSequence=[pydicom.Dataset()]))
    assert not is_enhanced(read())
