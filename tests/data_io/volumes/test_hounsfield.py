import pytest

from pneumoseg.data_io.volumes.hounsfield import is_hu, is_unit, is_windowed


@pytest.mark.parametrize(
    ("extremes", "hu"),
    [((-1024, 3071), True), ((-500, 250), True), ((0, 255), False), ((0, 4095), False), ((-3, 3), False)],
)
def test_is_hu(extremes, hu):
    assert is_hu(*extremes) is hu


@pytest.mark.parametrize(
    ("extremes", "windowed"), [((0, 255), True), ((7, 7), True), ((0, 256), False), ((-1, 255), False)]
)
def test_is_windowed(extremes, windowed):
    assert is_windowed(*extremes) is windowed


@pytest.mark.parametrize(
    ("extremes", "unit"), [((0, 1), True), ((0.2, 0.9), True), ((0, 0), False), ((0, 2), False), ((-1, 1), False)]
)
def test_is_unit(extremes, unit):
    assert is_unit(*extremes) is unit
