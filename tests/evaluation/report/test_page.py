"""The report: whole HTML, nothing loaded from elsewhere, nothing of the data taken for markup."""

import base64
import json

import numpy as np
import pytest
from PIL import Image

from pneumoseg.data_io.errors import InputError
from pneumoseg.evaluation.figures.film_strip import FilmStrip
from pneumoseg.evaluation.figures.saving import new_figure, save_figure
from pneumoseg.evaluation.report.mask_tables import mask_result
from pneumoseg.evaluation.report.page import summarise, write_report
from pneumoseg.evaluation.runs.splits import Split
from pneumoseg.evaluation.scoring.mask_columns import DEFINITIONS, LUNGS_DEFINITION, SCORES
from pneumoseg.evaluation.scoring.tables import detailed_table, final_table
from tests.evaluation.report.written_page import Page, written


def scores():
    rows = [
        {
            "fold": fold,
            "case": case,
            "class": name,
            **dict.fromkeys(SCORES, float("nan")),
            "dice": dice,
            "iou": dice,
            "volume_reference_ml": 10.0,
            "volume_prediction_ml": 0.0,
            "status": status,
        }
        for fold, case, dice, status in [
            (0, "<b>one</b>", 0.5, "ok"),
            (1, "two & three", float("nan"), "both_empty"),
        ]
        for name in ("lung_left", "lung_right", "infection", "lungs")
    ]
    detailed = detailed_table(rows)
    return detailed, final_table(detailed)


@pytest.fixture
def page(tmp_path) -> tuple[str, Page]:
    figure = new_figure(1, 1)
    figure.text(0.5, 0.5, "x")
    save_figure(figure, tmp_path / "box.png", dpi=50)
    detailed, final = scores()
    write_report(
        tmp_path / "report.html",
        'Run of <script>alert("x")</script>',
        {"preset": "quick", **summarise(final)},
        settings_yaml="training:\n  epochs: 3  # <few>\n",
        splits=[Split(("<b>one</b>",), ("two & three",))],
        detailed=detailed,
        final=final,
        figures=[('Dice of "all" cases', tmp_path / "box.png")],
        warnings=["a case <was> lost"],
        environment={"seed": 0, "versions": {"keras": "3.6"}, "device": None},
        result=mask_result(detailed, final),
    )
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    return text, Page(text)


def test_the_tags_nest_and_close(page):
    assert page[1].open == []
    assert page[0].startswith("<!DOCTYPE html>")


def test_all_sections_are_there(page):
    for heading in ("Result", "Scores per case", "Figures", "Splits", "Warnings", "Settings", "Environment",
                    "Definitions of the scores"):  # fmt: skip
        assert heading in page[1].words


def test_nothing_is_loaded_from_elsewhere(page):
    text, parsed = page
    for tag, attributes in parsed.tags:
        assert tag not in {"script", "link", "iframe", "object", "embed", "base"}
        for name in ("src", "href", "srcset", "data", "action"):
            assert attributes.get(name, "data:").startswith(("data:", "#"))
    assert "http:" not in text
    assert "https:" not in text
    assert "url(" not in text
    assert "@import" not in text


def test_the_contents_lead_to_every_section(page):
    headings = [attributes["id"] for tag, attributes in page[1].tags if tag == "h2"]
    links = [attributes["href"] for tag, attributes in page[1].tags if tag == "a"]
    assert links == [f"#{heading}" for heading in headings]
    assert headings[:2] == ["result", "warnings"]
    assert len(set(headings)) == len(headings)


def test_text_of_the_data_is_not_markup(page):
    words = "".join(page[1].words)
    for text in ('<script>alert("x")</script>', "<b>one</b>", "two & three", "a case <was> lost", "# <few>"):
        assert text in words
    assert not [tag for tag, _ in page[1].tags if tag == "b"]


def test_pictures_are_inside_and_described(page, tmp_path):
    (picture,) = [attributes for tag, attributes in page[1].tags if tag == "img"]
    assert picture["alt"] == 'Dice of "all" cases'
    assert base64.b64decode(picture["src"].partition("base64,")[2]) == (tmp_path / "box.png").read_bytes()


def test_undefined_scores_and_the_meaning_of_lungs_are_shown(page):
    words = "".join(page[1].words)
    assert LUNGS_DEFINITION in words
    assert "infection: both empty" in words
    assert "nan" not in words.lower()
    assert "Hausdorff" not in words  # only what was measured is defined


def test_the_summary_is_json_without_nan():
    summary = summarise(scores()[1])
    assert json.loads(json.dumps(summary, allow_nan=False)) == summary
    assert summary["folds"] == 2
    infection = summary["classes"]["infection"]
    assert infection["cases"] == 2
    dice = {"mean": 0.5, "sd": None, "median": 0.5, "undefined": 1}
    assert {name: infection["dice"][name] for name in dice} == dice
    assert infection["nsd"]["mean"] is infection["nsd"]["sd"] is infection["nsd"]["median"] is None
    assert infection["nsd"]["undefined"] == 2
    assert summary["classes"]["lungs"]["definition"] == LUNGS_DEFINITION
    assert "definition" not in infection


def test_a_class_that_is_called_lungs_is_not_the_group(tmp_path):
    detailed = scores()[0].query("`class` in ('infection', 'lungs')")
    assert "left lung + right lung" not in written(tmp_path, detailed)
    assert "definition" not in summarise(final_table(detailed))["classes"]["lungs"]


def test_surface_scores_are_shown_with_tolerance_and_definition(tmp_path):
    detailed, _ = scores()
    detailed = detailed.assign(
        nsd=0.5, hd95_mm=12.34, nsd_tolerance_mm=detailed["class"].map({"lungs": 1, "infection": 3})
    )
    words = "".join(Page(written(tmp_path, detailed)).words)
    assert "Tolerance of the NSD: infection 3 mm, lungs 1 mm." in words
    assert "HD95 (mm)" in words
    assert "12.34" in words
    assert DEFINITIONS["hd95_mm"] in words
    assert "Nikolov" in words


def test_a_class_that_is_empty_everywhere_is_shown_and_one_without_surface_is_not(tmp_path):
    measured = scores()[0].query("`class` == 'infection'").assign(nsd=0.5)
    background = measured.assign(**{"class": "background", "dice": 1.0, "nsd": float("nan")})
    spleen = measured.assign(**{"class": "spleen", "dice": float("nan"), "nsd": float("nan")})
    detailed = detailed_table([row for part in (background, measured, spleen) for row in part.to_dict("records")])
    text = written(tmp_path, detailed)
    surfaces = text.partition('aria-label="Surfaces.')[2].partition("</table>")[0]
    assert ">infection<" in surfaces
    assert ">spleen</th><td>2</td><td>– (2 undefined)</td>" in surfaces
    assert "background" not in surfaces


def test_strips_have_their_headings_and_one_viewer(tmp_path):
    Image.fromarray(np.zeros((8, 4, 3), np.uint8)).save(tmp_path / "a.webp")
    strip = FilmStrip(case="a", caption="a: Dice 0.5", path=tmp_path / "a.webp", slices=(0, 1), total_slices=2, first=1)
    detailed, _ = scores()
    text = written(tmp_path, detailed, strips={"Worst <cases>": [strip], "Best cases": [strip], "Empty": []})
    words = Page(text).words
    assert words.count("Worst and best cases") == 2  # contents and heading
    assert "Worst <cases>" in words
    assert "Empty" not in words
    assert text.count("<dialog") == 1
    assert "<dialog" not in written(tmp_path, detailed, strips={"All cases": []})


@pytest.mark.parametrize(("content", "message"), [(None, "no such picture"), (b"GIF89a", "are PNG files")])
def test_a_bad_picture_is_refused(tmp_path, content, message):
    if content is not None:
        (tmp_path / "box.png").write_bytes(content)
    detailed, final = scores()
    with pytest.raises(InputError, match=message):
        write_report(
            tmp_path / "report.html",
            "t",
            {},
            settings_yaml="",
            splits=[],
            detailed=detailed,
            final=final,
            figures=[("x", tmp_path / "box.png")],
            warnings=[],
            environment={},
        )
    assert not (tmp_path / "report.html").exists()
