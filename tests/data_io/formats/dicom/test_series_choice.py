"""The series of a study that is segmented, and what is said of each."""

import pytest

from pneumoseg.data_io.formats.dicom.series_choice import choose_of_study, kernel_kind, series_facts
from pneumoseg.data_io.formats.dicom.studies import find_studies
from pneumoseg.data_io.phantoms.dicom_series import write_series as write_phantom
from pneumoseg.data_io.phantoms.generate import make_phantom
from pneumoseg.data_io.volumes.volume import Volume
from tests.data_io.formats.dicom.dicom_files import write_series


@pytest.fixture(scope="module")
def chest():
    return make_phantom(1, 0, (64, 60, 48))[0]


@pytest.mark.parametrize(
    ("kind", "names"),
    {
        "soft": ["B30f", "B40f", "D40s", "Br36d\\3", "I31f", "STANDARD", "Soft", "CHEST", "B", "FC13", "Qr40"],
        "lung": ["B50f", "B70f", "Bl57d", "I70f", "LUNG", "L", "YA", "FC51", "FC86", "Br59"],
        "sharp": ["B80f", "BONE", "BONEPLUS", "EDGE", "D", "FC30", "U90u"],
        "": ["", "unheard of", "BODY SHARP+"],
    }.items(),
)
def test_kernels(kind, names):
    assert {name: kernel_kind(name) for name in names} == dict.fromkeys(names, kind)


def chosen(folder):
    """The order of the chosen series, or None, and the reasons by order."""
    facts = [series_facts(one) for one in find_studies(folder).series]
    choices = choose_of_study(facts)
    orders = [one.found.order for one, (segment, _) in zip(facts, choices, strict=True) if segment]
    return orders, [why for _, why in choices]


def thin(volume, step):
    """Every `step`-th slice."""
    affine = volume.grid.affine.copy()
    affine[:3, 2] *= step
    return Volume.from_source(volume.array[:, :, ::step], affine)


def test_reasons_of_a_study(tmp_path, chest):
    parts = [
        (chest, {}, {"ConvolutionKernel": "B80f"}),
        (chest, {}, {"ConvolutionKernel": "B30f"}),
        (chest, {}, {"ConvolutionKernel": "B60f"}),
        (thin(chest, 4), {}, {}),
        (chest, {"orientation": "coronal"}, {"ImageType": ["DERIVED", "SECONDARY", "OTHER"]}),
        (chest, {"orientation": "coronal"}, {}),
        (chest, {}, {"ImageType": ["DERIVED", "PRIMARY", "AXIAL"], "ConvolutionKernel": "B30f"}),
        (chest, {}, {"ConvolutionKernel": "B30f"}),
    ]
    for number, (volume, options, elements) in enumerate(parts, start=1):
        write_phantom(tmp_path / f"{number}", volume, series=number, elements=elements, **options)
    orders, why = chosen(tmp_path)
    assert orders == [2]
    assert why == [
        "series 2 has a softer kernel",
        "axial CT, original, 6.12 mm, soft kernel, whole lungs",
        "series 2 has a softer kernel",
        "series 2 has thinner slices",
        "coronal",
        "derived (MPR)",
        "series 2 is original",
        "series 2 comes first",
    ]


def test_a_series_that_holds_more_of_the_lungs(tmp_path, chest):
    upper = Volume.from_source(chest.array[:, :, 20:], chest.grid.affine)
    write_phantom(tmp_path / "1", upper, series=1, elements={"ConvolutionKernel": "B30f"})
    write_phantom(tmp_path / "2", chest, series=2, elements={"ConvolutionKernel": "B80f"})
    assert chosen(tmp_path) == (
        [2],
        ["series 2 holds more of the lungs", "axial CT, original, 6.12 mm, sharp kernel, whole lungs"],
    )


def test_lungs_that_are_cut_are_segmented_where_nothing_else_is_there(tmp_path, chest):
    write_phantom(tmp_path / "1", Volume.from_source(chest.array[:, :, 20:], chest.grid.affine))
    orders, (why,) = chosen(tmp_path)
    assert orders == [1]
    assert "lungs cut: " in why and "cm2 of lung in the lowest slice" in why


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({"Modality": "MR"}, "modality MR"),
        ({"Modality": ""}, "modality not given"),
        ({"NumberOfFrames": 5}, "multi-frame CT: write it as one slice per file first"),
        ({"PhotometricInterpretation": "RGB", "SamplesPerPixel": 3}, "a picture for viewing (RGB)"),
        ({"ImagePositionPatient": None}, "slices do not say where they lie"),
        ({"ImageType": ["DERIVED", "SECONDARY", "MIP"]}, "derived (MIP)"),
        ({}, "5 slices alone"),
        ({"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]}, "localizer"),
        ({"Modality": "RTSTRUCT", "Rows": None}, "RTSTRUCT without image"),
    ],
)
def test_what_cannot_be_segmented(tmp_path, values, why):
    write_series(tmp_path / "ct", **values)
    assert chosen(tmp_path) == ([], [why])


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda files: files[7].unlink(), "1 slices are missing"),
        (lambda files: files[7].write_bytes(files[7].read_bytes()[:-9]) and files[24].unlink(), "1 slices are missing"),
        (lambda files: files[24].write_bytes(files[24].read_bytes()[:-9]), "pixels are missing or damaged"),
    ],
)
def test_damaged_series(tmp_path, chest, change, why):
    change(sorted(write_phantom(tmp_path / "ct", chest).iterdir()))
    assert chosen(tmp_path) == ([], [why])


def test_values_that_are_no_hu(tmp_path, chest):
    write_phantom(tmp_path / "a", chest, elements={"RescaleType": "PCT"})
    write_phantom(tmp_path / "b", Volume.from_source(chest.array.clip(0, 255), chest.grid.affine), series=2)
    empty = (chest.array > -900) * 1040 - 1000  # the lungs of this one hold nothing but air
    write_phantom(tmp_path / "c", Volume.from_source(empty, chest.grid.affine), series=3)
    assert chosen(tmp_path) == ([], ["values are no HU", "values are no HU", "no lung in five slices"])
