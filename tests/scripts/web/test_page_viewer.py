"""The viewer of the page: sides, classes, views, slices."""

import re

import numpy as np
import pytest

from pneumoseg.data_io.volumes.labels import LUNG_LABELS
from tests.scripts.web.page_browser import Keys, Page, column, needs_browser, share

LEFT, RIGHT, INFECTION = LUNG_LABELS.colours[1:]


def slice_number(page: Page) -> int:
    return int(re.fullmatch(r"Slice (\d+) of \d+", page.one(".slice .number").text).group(1))


@needs_browser
def test_the_left_lung_is_on_the_right_and_letters_say_so(ct_page):
    pixels = ct_page.pixels()
    assert column(pixels, RIGHT) < 0.5 < column(pixels, LEFT)
    assert share(pixels, INFECTION) > 0.001
    rows, columns, _ = pixels.shape
    middle = slice(int(rows * 0.44), int(rows * 0.56))
    letters = [pixels[middle, : int(columns * 0.05)], pixels[middle, int(columns * 0.95) :]]
    upper_right = []
    for one in letters:
        ink = (one > 150).all(-1)
        across, down = np.nonzero(ink.any(0))[0], np.nonzero(ink.any(1))[0]
        box = ink[down[0] : down[-1] + 1, across[0] : across[-1] + 1]
        upper_right.append(box[: len(box) // 2, box.shape[1] // 2 + 1 :].mean())
    assert upper_right[0] > 0.2  # of an R
    assert upper_right[1] < 0.1  # of an L


@needs_browser
def test_classes_and_opacity_change_what_is_drawn(ct_page):
    before = ct_page.pixels()
    ct_page.click(ct_page.labelled("Left lung"))
    without = ct_page.pixels()
    assert share(without, LEFT) < 0.001 < share(before, LEFT)
    assert share(without, RIGHT) == pytest.approx(share(before, RIGHT), abs=0.002)
    ct_page.click(ct_page.labelled("Left lung"))
    assert share(ct_page.pixels(), LEFT) == pytest.approx(share(before, LEFT), abs=0.001)
    ct_page.click(ct_page.labelled("Outlines"))
    assert 0 < share(ct_page.pixels(), LEFT) < share(before, LEFT) / 2
    ct_page.click(ct_page.labelled("Outlines"))
    ct_page.slide(ct_page.labelled("Opacity"), 0)
    bare = ct_page.pixels()
    assert (np.ptp(bare, -1) < 20).mean() > 0.98  # grey but for the cross


@needs_browser
def test_views_and_windows_change_what_is_drawn(ct_page):
    axial = ct_page.pixels()
    seen = [axial]
    for view in ("coronal", "sagittal", "all", "volume"):
        ct_page.click(ct_page.one(f"input[value={view}]"))
        now = ct_page.pixels()
        assert all((now != other).any(-1).mean() > 0.05 for other in seen), view
        seen.append(now)
    assert ct_page.one(".slice input").get_attribute("disabled")
    _, coronal, _, _, volume = seen
    for front in (coronal, volume):
        assert column(front, RIGHT) < column(front, LEFT)
    ct_page.click(ct_page.one("input[value=axial]"))
    ct_page.pixels()
    window = ct_page.labelled("Window")
    ct_page.choose(window, "Bone")
    assert ct_page.one(".window .number").text == "L 400 W 1800"
    assert (ct_page.pixels() != axial).any(-1).mean() > 0.05
    ct_page.choose(window, "Lung")
    assert (ct_page.pixels() != axial).any(-1).mean() < 0.01


@needs_browser
def test_slider_keys_and_wheel_turn_the_slices(ct_page):
    slider, canvas = ct_page.one(".slice input"), ct_page.one(".viewer canvas")
    ct_page.slide(slider, 9)
    assert slice_number(ct_page) == 10
    assert "Slice 10 of 24" in canvas.get_attribute("aria-label")
    ct_page.driver.execute_script("arguments[0].focus()", canvas)
    for key, expected in ((Keys.ARROW_UP, 11), (Keys.ARROW_LEFT, 10), (Keys.PAGE_UP, 15), (Keys.HOME, 1)):
        ct_page.press(key)
        assert slice_number(ct_page) == expected
    ct_page.press(Keys.ARROW_DOWN)
    assert slice_number(ct_page) == 1
    ct_page.press(Keys.END)
    assert slice_number(ct_page) == 24
    ct_page.press(Keys.PAGE_DOWN)
    wheel = """
      const {left, top, width, height} = arguments[0].getBoundingClientRect();
      const middle = {clientX: left + width / 2, clientY: top + height / 2};
      arguments[0].dispatchEvent(new WheelEvent("wheel", {...middle, deltaY: 100, bubbles: true, cancelable: true}))"""
    ct_page.driver.execute_script(wheel, canvas)
    assert abs(slice_number(ct_page) - 19) == 1
