"""Pictures for a PACS."""

import numpy as np
import pytest

from pneumoseg.data_io.volumes.labels import LUNG_LABELS
from pneumoseg.data_io.volumes.volume import Volume
from pneumoseg.evaluation.figures.captures import SMALLEST_PX, captures


def case(shape=(8, 8, 30), spacing_mm=(2.0, 2.0, 1.0)):
    ct = Volume.from_source(np.full(shape, -1250, np.int16), np.diag([*spacing_mm, 1.0]))
    mask = np.zeros(shape, np.uint8)
    mask[6:, :, 5:26] = 2  # to the right, from slice 5 to 25
    return ct, ct.with_array(mask)


def test_slices_through_the_mask_are_shown_from_the_head_down_every_5_mm():
    pictures = list(captures(*case(), LUNG_LABELS, lines=[]))
    assert len(pictures) == 5
    assert {picture.shape for picture in pictures} == {(SMALLEST_PX, SMALLEST_PX, 3)}
    assert pictures[0].dtype == np.uint8


@pytest.mark.parametrize(("spacing_mm", "count"), [((2, 2, 8.0), 21), ((2, 2, 2.5), 11)])
def test_thick_slices_are_all_shown(spacing_mm, count):
    assert len(list(captures(*case(spacing_mm=spacing_mm), LUNG_LABELS, lines=[]))) == count


def test_the_patients_right_is_at_the_left():
    picture = next(captures(*case(), LUNG_LABELS, lines=[])).astype(int)
    colour = picture[100, 50]  # away from what is written
    np.testing.assert_allclose(colour, 0.35 * np.array(LUNG_LABELS.colours[2]), atol=1)
    assert not picture[100, 400].any()


def test_pixels_are_square():
    ct, mask = case(shape=(8, 4, 30), spacing_mm=(1.0, 3.0, 5.0))
    picture = next(captures(ct, mask, LUNG_LABELS, lines=[]))
    assert picture.shape == (768, 512, 3)


def test_lines_are_written_at_the_top():
    plain, lines = (next(captures(*case(), LUNG_LABELS, lines=lines)) for lines in ([], ["lungs 1 ml", "infected 0 %"]))
    differing = np.flatnonzero((plain != lines).any(axis=(1, 2)))
    assert differing.size
    assert differing.max() < 60


def test_without_a_mask_all_is_shown():
    ct, mask = case()
    assert len(list(captures(ct, mask.with_array(np.zeros_like(mask.array)), LUNG_LABELS, lines=[]))) == 6
