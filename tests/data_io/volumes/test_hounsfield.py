import numpy as np
import pytest

from pneumoseg.data_io.volumes.hounsfield import is_hu, is_unit, is_windowed, scan_is_windowed
from pneumoseg.data_io.volumes.lazy_volume import Scan
from pneumoseg.data_io.volumes.volume import Volume


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


@pytest.mark.parametrize(("low", "high", "expected"), [(0, 255, True), (-1000, 255, False), (0, 256, False)])
def test_a_scan_of_grey_values_is_told_from_hu(low, high, expected):
    volume = Volume.from_source(np.array([[[low, high]]], np.int16), np.eye(4))
    assert scan_is_windowed(Scan.from_volume(volume)) is expected
