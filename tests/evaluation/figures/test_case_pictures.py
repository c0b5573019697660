"""The pictures of a case, and the strip that the report shows."""

import numpy as np
from PIL import Image

from pneumoseg.data_io.formats.pictures import picture_volume
from pneumoseg.data_io.volumes.labels import LUNG_LABELS
from pneumoseg.data_io.volumes.volume import Volume
from pneumoseg.evaluation.figures.case_pictures import SLICES, draw_case, film_strip


def test_the_strip_begins_at_the_worst_slice(tmp_path):
    reference = np.zeros((16, 16, 50), np.uint8)
    reference[2:6, 2:12], reference[9:14, 2:12] = 1, 2
    prediction = reference.copy()
    reference[3:5, 4:8, 33] = 3
    image = Volume.from_source(np.where(reference > 0, -800, 0).astype(np.int16), np.eye(4))
    masks = {"reference": image.with_array(reference), "prediction": image.with_array(prediction)}
    draw_case(tmp_path, "a", image, **masks, labels=LUNG_LABELS, title="a, fold 0")
    strip = film_strip(tmp_path, "a", "a: Dice 0.000")
    assert strip is not None
    assert len(strip.slices) == SLICES
    assert strip.slices[strip.first] == 33
    assert strip.total_slices == 50
    with Image.open(strip.path) as picture:
        assert picture.height % SLICES == 0
    assert {path.suffix for path in tmp_path.iterdir()} == {".png", ".gif", ".webp", ".json"}


def test_a_case_that_was_not_drawn_has_no_strip(tmp_path):
    assert film_strip(tmp_path, "a", "") is None


def test_a_plane_too_long_for_a_strip_has_its_sheet_alone(tmp_path):
    reference = np.zeros((2, 140, 6), np.uint8)
    reference[0, 20:50, 1:5] = 3
    image = Volume.from_source(np.zeros(reference.shape, np.int16), np.eye(4))
    prediction = image.with_array(np.zeros_like(reference))
    draw_case(
        tmp_path,
        "a",
        image,
        reference=image.with_array(reference),
        prediction=prediction,
        labels=LUNG_LABELS,
        title="a",
    )
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]
    assert film_strip(tmp_path, "a", "") is None
    with Image.open(tmp_path / "a.png") as picture:
        assert max(picture.size) < 16383


def test_a_picture_has_a_large_frame_and_no_scroll(tmp_path):
    picture = picture_volume(np.full((300, 400), 90, np.uint8))
    mask = picture_volume(np.eye(300, 400, dtype=np.uint8))
    draw_case(tmp_path, "a", picture, reference=mask, prediction=mask, labels=LUNG_LABELS, title="a")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.png", "a.strip.json", "a.webp"]
    strip = film_strip(tmp_path, "a", "a")
    assert strip is not None
    assert (strip.slices, strip.total_slices) == ((0,), 1)
    with Image.open(strip.path) as shown:
        assert shown.size == (2 * 400, 300)
