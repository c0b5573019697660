"""Pictures on their way into a page."""

from io import BytesIO

import numpy as np
from PIL import Image

from pneumoseg.evaluation.report.html import LARGE_BYTES, WEBP_QUALITY, read_picture, read_thumbnail


def test_a_picture_too_long_for_webp_stays_a_png(tmp_path):
    noise = np.random.default_rng(0).integers(0, 255, (16384, 24), np.uint8)
    for name, picture in (("long", noise), ("fits", noise[1:])):
        Image.fromarray(picture).save(tmp_path / f"{name}.png")
    assert read_picture(tmp_path / "long.png") == (tmp_path / "long.png").read_bytes()
    assert read_picture(tmp_path / "fits.png").startswith(b"RIFF")


def test_a_large_picture_is_compressed_once_on_its_way_to_a_thumbnail(tmp_path):
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 255, (300, 600, 3), np.uint8))
    noise.save(tmp_path / "large.png")
    assert (tmp_path / "large.png").stat().st_size > LARGE_BYTES
    once = BytesIO()
    noise.resize((120, 60)).save(once, "WEBP", quality=WEBP_QUALITY)
    assert read_thumbnail(tmp_path / "large.png", 120) == once.getvalue()
