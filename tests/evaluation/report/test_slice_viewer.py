"""Film strips in the page: each embedded once, described, nothing of the data taken for markup; bad ones refused."""

import json
import re
from dataclasses import replace
from html import unescape

import numpy as np
import pytest
from PIL import Image

from pneumoseg.data_io.errors import InputError
from pneumoseg.evaluation.figures.film_strip import FilmStrip
from pneumoseg.evaluation.report.slice_viewer import thumbnails


@pytest.fixture
def strip(tmp_path) -> FilmStrip:
    """Four frames of 8 x 4 pixels."""
    Image.fromarray(np.zeros((16, 8, 3), np.uint8)).save(tmp_path / "a.webp")
    return FilmStrip(
        case='a"<b>', caption="Dice <low>", path=tmp_path / "a.webp", slices=(2, 4, 6, 8), total_slices=10, first=1
    )


def test_a_thumbnail_shows_the_first_frame_and_knows_the_slices(strip):
    text = thumbnails([strip])
    assert "aspect-ratio:8/4;object-position:0 33.3333%" in text
    film = json.loads(unescape(re.search('data-film="(.*?)"', text).group(1)))
    assert film == {"slices": [2, 4, 6, 8], "total": 10, "first": 1, "heading": "Dice <low>"}
    assert 'alt="a&quot;&lt;b&gt;, slice 5 of 10"' in text
    assert "<b>" not in text
    assert "<low>" not in text


def test_each_strip_is_embedded_once(strip):
    text = thumbnails([strip, strip])
    assert text.count("base64,") == 2
    assert text.count("<button type=") == 2


def test_no_cases_no_thumbnails():
    assert thumbnails([]) == ""


def test_a_single_frame_is_shown(strip):
    assert "aspect-ratio:8/16;object-position:0 0%" in thumbnails([replace(strip, slices=(3,), first=0)])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"slices": (1, 2, 3)}, "3 equally high frames"),
        ({"slices": ()}, "0 equally high frames"),
        ({"first": 4}, "one of 0 to 3, found 4"),
        ({"first": -1}, "found -1"),
        ({"total_slices": 8}, "slices must lie in 0 to 7"),
    ],
)
def test_frames_that_do_not_fit_are_refused(strip, change, message):
    with pytest.raises(InputError, match=message):
        thumbnails([replace(strip, **change)])


@pytest.mark.parametrize(
    ("content", "message"), [(None, "no such picture"), (b"GIF89a", "PNG files or WebP"), (b"RIFFx", "not readable")]
)
def test_a_strip_that_is_no_picture_is_refused(strip, content, message):
    strip.path.unlink()
    if content is not None:
        strip.path.write_bytes(content)
    with pytest.raises(InputError, match=message):
        thumbnails([strip])
