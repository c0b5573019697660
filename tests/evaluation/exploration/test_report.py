"""The report of a dataset: every case in it, text is no markup, remarkable cases are named."""

import base64
import math
import re
from io import BytesIO

import pandas as pd
import pytest
from PIL import Image

from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.volumes.labels import LabelTable
from pneumoseg.evaluation.exploration.report import THUMBNAIL_PIXELS, remarkable_cases, write_exploration_report

LABELS = LabelTable(("background", "infection"), ((0, 0, 0), (255, 0, 0)))


def row(case, spacing=(1.0, 1.0, 5.0), hu=True, share=0.25):
    return {
        **{"case": case, "patient": "p", "source": "s", "shape_x": 4, "shape_y": 5, "shape_z": 6},
        **dict(zip(("spacing_x_mm", "spacing_y_mm", "spacing_z_mm"), spacing, strict=True)),
        **{"orientation": "LPS", "dtype": "int16", "minimum": -1024.0, "maximum": 3071.0, "mean": -500.25, "hu": hu},
        **{"mask_values": "" if math.isnan(share) else "0 1", "labels_present": "", "valid_share": 1.0},
        **{"frequency_background": 1 - share, "frequency_infection": share},
        **{"volume_background_ml": 3.0 * share, "volume_infection_ml": share},
    }


def test_every_case_and_picture_is_in_the_page(tmp_path):
    Image.new("RGB", (2400, 30)).save(tmp_path / "wide.png")
    Image.new("RGB", (10, 10)).save(tmp_path / "small.png")
    table = pd.DataFrame([row("<b>one</b>"), row("two", share=float("nan"))])
    pictures = [("<b>one</b>", tmp_path / "wide.png"), ("two", tmp_path / "small.png")]
    summary = {"cases": 2, "mean_shape": {"x": 4.0}, "mean_frequency": {"infection": None}}
    figures = [("Shapes", tmp_path / "small.png")]
    write_exploration_report(
        tmp_path / "r.html",
        "Data & more",
        table,
        summary=summary,
        figures=figures,
        thumbnails=pictures,
        warnings=["w <x>"],
        labels=LABELS,
    )
    text = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert "<h1>Data &amp; more</h1>" in text
    assert "<b>" not in text
    assert "w &lt;x&gt;" in text
    assert "4 × 5 × 6" in text
    assert "<td>0 1</td>" in text
    assert "1.00 × 1.00 × 5.00" in text
    assert "mean_shape · x" in text
    assert '<th scope="row">two</th><td>–</td><td>–</td><td>–</td><td>–</td>' in text
    assert "nan" not in text.lower().replace("resonan", "")
    embedded = re.findall(r'<img src="data:image/(\w+);base64,(.*?)" alt="(.*?)"', text)
    assert [(kind, alt) for kind, _, alt in embedded] == [
        ("png", "Shapes"),
        ("webp", "&lt;b&gt;one&lt;/b&gt;"),
        ("webp", "two"),
    ]
    sizes = [Image.open(BytesIO(base64.b64decode(content))).size for _, content, _ in embedded]
    assert sizes == [(10, 10), (THUMBNAIL_PIXELS, 15), (10, 10)]


def test_a_dataset_without_remarkable_cases_has_no_warnings(tmp_path):
    table = pd.DataFrame([row("a"), row("b", spacing=(0.7, 0.7, 5.0))])
    assert remarkable_cases(table, LABELS) == []
    write_exploration_report(
        tmp_path / "r.html", "t", table, summary={}, figures=[], thumbnails=[], warnings=[], labels=LABELS
    )
    text = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert '<h2 id="warnings">Warnings</h2>\n<p>None.</p>' in text


@pytest.mark.parametrize(
    ("case", "message"),
    [
        (row("odd", hu=False), "1 of 4 cases: not in HU (already windowed, or offset): odd."),
        (row("odd", spacing=(1.0, 1.0, 10.5)), "more than 2 times off"),
        (row("odd", spacing=(1.0, 1.0, 2.4)), "more than 2 times off"),
        (row("odd", spacing=(1.0, 1.02, 5.0)), "not square"),
        (row("odd", share=float("nan")), "1 of 4 cases: no mask: odd."),
    ],
)
def test_remarkable_cases_are_named(case, message):
    (found,) = remarkable_cases(pd.DataFrame([row("a"), row("b"), row("c"), case]), LABELS)
    assert message in found
    assert found.endswith(": odd.")


def test_a_missing_picture_is_refused(tmp_path):
    table = pd.DataFrame([row("a")])
    with pytest.raises(InputError, match="no such picture"):
        write_exploration_report(
            tmp_path / "r.html",
            "t",
            table,
            summary={},
            figures=[],
            thumbnails=[("a", tmp_path / "a.png")],
            warnings=[],
            labels=LABELS,
        )
    assert not (tmp_path / "r.html").exists()


def test_pictures_are_not_expected_to_be_in_hu():
    pictures = pd.DataFrame([row("a", hu=False) | {"shape_z": 1}, row("b", hu=False) | {"shape_z": 1}])
    assert remarkable_cases(pictures, LABELS) == []
