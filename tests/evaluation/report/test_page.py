"""The report: whole HTML, nothing loaded from elsewhere, nothing of the data taken for markup."""

import base64
import json
import re
from html.parser import HTMLParser
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from data_io.errors import InputError
from evaluation.figures.saving import new_figure, save_figure
from evaluation.measures.lesions import LESION_COUNTS
from evaluation.report.html import LARGE_BYTES, WEBP_QUALITY, read_picture, read_thumbnail
from evaluation.report.page import summarise, write_report
from evaluation.report.slice_viewer import FilmStrip
from evaluation.scores import DEFINITIONS, LUNGS_DEFINITION, SCORES
from evaluation.splits import Split
from evaluation.tables import detailed_table, final_table

VOID = {"meta", "img", "br", "hr", "input", "link"}


class Page(HTMLParser):
    """Collects what a page holds, and fails where tags do not nest."""

    def __init__(self, text: str):
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict]] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)


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
        "training:\n  epochs: 3  # <few>\n",
        [Split(("<b>one</b>",), ("two & three",))],
        detailed,
        final,
        [('Dice of "all" cases', tmp_path / "box.png")],
        ["a case <was> lost"],
        {"seed": 0, "versions": {"keras": "3.6"}, "device": None},
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
    write_report(tmp_path / "report.html", "t", {}, "", [], detailed, final_table(detailed), [], [], {})
    words = "".join(Page((tmp_path / "report.html").read_text(encoding="utf-8")).words)
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
    write_report(tmp_path / "report.html", "t", {}, "", [], detailed, final_table(detailed), [], [], {})
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    surfaces = text.partition('aria-label="Surfaces.')[2].partition("</table>")[0]
    assert ">infection<" in surfaces
    assert ">spleen</th><td>2</td><td>– (2 undefined)</td>" in surfaces
    assert "background" not in surfaces


def written(tmp_path, detailed, final=None, **further) -> str:
    final = final_table(detailed) if final is None else final
    write_report(tmp_path / "report.html", "t", {}, "", [], detailed, final, [], [], {}, **further)
    return (tmp_path / "report.html").read_text(encoding="utf-8")


def table_of(text: str, caption: str) -> list[list[str]]:
    """The cells of the table whose caption begins so, row by row, without markup."""
    part = text.partition(f'aria-label="{caption}')[2].partition("</table>")[0]
    rows = [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row) for row in re.findall(r"<tr>(.*?)</tr>", part)]
    assert rows, f"no table {caption}"
    return rows


def five_cases():
    """Dice 0.5 to 0.9 in two folds; the NSD of one case is undefined."""
    rows = [
        {"fold": number % 2, "case": f"c{number}", "class": name, **dict.fromkeys(SCORES, float("nan")), "status": "ok"}
        | {"dice": 0.5 + number / 10, "nsd": 0.5 if number else float("nan"), "nsd_tolerance_mm": 3.0}
        | {"volume_reference_ml": 1.0, "volume_prediction_ml": 1.0}
        for number in range(5)
        for name in ("infection", "lung_left")
    ]
    return detailed_table(rows)


def test_publications_table_has_the_structures_in_their_order(tmp_path):
    header, *rows = table_of(written(tmp_path, five_cases()), "As publications lay it out")
    assert header == ["structure", "DSC mean ± sd", "NSD mean ± sd"]
    assert rows == [
        ["left lung", "0.700 ± 0.158", "0.500 ± 0.000 (1 undefined)"],
        ["infection", "0.700 ± 0.158", "0.500 ± 0.000 (1 undefined)"],
    ]


def test_interval_and_quartiles_stand_beside_the_mean(tmp_path):
    detailed = five_cases()
    final = final_table(detailed).assign(dice_ci95_low=0.57, dice_ci95_high=0.754, dice_q1=0.6, dice_q3=0.8)
    header, row, _ = table_of(written(tmp_path, detailed, final), "Overlap")
    assert header == ["class", "cases", "Dice mean ± sd", "mean [95 % interval]", "median [quartiles]"]
    assert row == ["infection", "5", "0.700 ± 0.158", "0.700 [0.57, 0.75]", "0.700 [0.60, 0.80]"]


def test_without_an_interval_an_en_dash(tmp_path):
    detailed = five_cases()
    final = final_table(detailed).assign(dice_ci95_low=float("nan"), dice_ci95_high=float("nan"))
    assert table_of(written(tmp_path, detailed, final), "Overlap")[1][3] == "–"


def test_a_table_without_interval_columns_is_shown_as_well(tmp_path):
    detailed = five_cases()
    final = final_table(detailed)
    final = final[[column for column in final if not column.endswith(("_ci95_low", "_ci95_high", "_q1", "_q3"))]]
    assert table_of(written(tmp_path, detailed, final), "Overlap")[:2] == [
        ["class", "cases", "Dice mean ± sd", "median"],
        ["infection", "5", "0.700 ± 0.158", "0.700"],
    ]


def test_folds_have_a_table_of_dice_and_one_of_nsd(tmp_path):
    text = written(tmp_path, five_cases())
    assert table_of(text, "Mean Dice, fold by fold")[:2] == [
        ["class", "fold 0", "fold 1", "all"],
        ["infection", "0.700", "0.700", "0.700"],
    ]
    assert table_of(text, "Mean NSD, fold by fold")[1] == ["infection", "0.500", "0.500", "0.500"]
    one = five_cases().query("fold == 0")
    assert "fold by fold" not in written(tmp_path, one)


def test_undefined_scores_are_warned_of_once_per_class(tmp_path):
    words = "".join(Page(written(tmp_path, five_cases())).words)
    assert "infection: 1 score undefined over 5 cases and left out of the means: NSD in 1." in words


def test_lesions_are_summed_and_averaged_where_they_were_counted(tmp_path):
    detailed = five_cases()
    infected = detailed["class"] == "infection"
    counts = {"lesions_reference": 4.0, "lesions_found": 3.0, "lesions_prediction": 2.0, "lesions_false": 1.0}
    for column, count in (counts | {"lesion_f1": 0.6}).items():
        detailed.loc[infected, column] = count
    assert "Lesions:" not in written(tmp_path, five_cases())
    header, row = table_of(written(tmp_path, detailed), "Lesions:")
    assert row[:6] == ["infection", "5", "20 (4.0)", "15 (3.0)", "10 (2.0)", "5 (1.0)"]
    assert row[6:9] == ["0.750", "0.500", "0.600"]
    assert row[header.index("Lesion F1, mean of cases ± sd")] == "0.600 ± 0.000"


def test_lesions_of_a_case_in_several_folds_count_once(tmp_path):
    counts = {"lesions_reference": 4.0, "lesions_found": 3.0, "lesions_prediction": 2.0, "lesions_false": 1.0}
    detailed = five_cases().query("`class` == 'infection'").assign(**counts)
    again = detailed.query("fold == 0").assign(fold=7, lesions_found=1.0)
    both = detailed_table([*detailed.to_dict("records"), *again.to_dict("records")])
    row = table_of(written(tmp_path, both), "Lesions:")[1]
    assert row[:4] == ["infection", "5", "20 (4.0)", "12 (2.4)"]  # three cases with 3 and 1 found, two with 3


def test_lesions_that_were_never_found_score_0_as_in_each_case(tmp_path):
    detailed = five_cases().assign(lesions_reference=2, lesions_found=0, lesions_prediction=1, lesions_false=1)
    assert table_of(written(tmp_path, detailed), "Lesions:")[1][6:9] == ["0.000", "0.000", "0.000"]
    detailed = detailed.assign(lesions_prediction=0, lesions_false=0)
    assert table_of(written(tmp_path, detailed), "Lesions:")[1][6:9] == ["0.000", "–", "0.000"]


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


def test_no_lesion_anywhere_leaves_the_pooled_scores_undefined(tmp_path):
    detailed = five_cases().assign(lesions_reference=0, lesions_found=0, lesions_prediction=0, lesions_false=0)
    assert table_of(written(tmp_path, detailed), "Lesions:")[1][6:9] == ["–", "–", "–"]


def test_what_a_lesion_is_and_when_it_counts_as_found_is_defined_where_lesions_are_counted(tmp_path):
    counted = five_cases().assign(**dict.fromkeys(LESION_COUNTS, 0.0))
    told, silent = (" ".join(Page(written(tmp_path, detailed)).words) for detailed in (counted, five_cases()))
    for count in LESION_COUNTS:
        assert DEFINITIONS[count] in told
        assert DEFINITIONS[count] not in silent


def test_the_auc_is_shown_where_it_was_measured(tmp_path):
    header, row, _ = table_of(written(tmp_path, five_cases().assign(auc=0.9)), "Overlap")
    assert (header[-1], row[-1]) == ("AUC mean ± sd", "0.900 ± 0.000")


def test_strips_have_their_headings_and_one_viewer(tmp_path):
    Image.fromarray(np.zeros((8, 4, 3), np.uint8)).save(tmp_path / "a.webp")
    strip = FilmStrip("a", "a: Dice 0.5", tmp_path / "a.webp", (0, 1), 2, 1)
    text = written(tmp_path, five_cases(), strips={"Worst <cases>": [strip], "Best cases": [strip], "Empty": []})
    words = Page(text).words
    assert words.count("Worst and best cases") == 2  # contents and heading
    assert "Worst <cases>" in words
    assert "Empty" not in words
    assert text.count("<dialog") == 1
    assert "<dialog" not in written(tmp_path, five_cases(), strips={"All cases": []})


@pytest.mark.parametrize(("content", "message"), [(None, "no such picture"), (b"GIF89a", "are PNG files")])
def test_a_bad_picture_is_refused(tmp_path, content, message):
    if content is not None:
        (tmp_path / "box.png").write_bytes(content)
    detailed, final = scores()
    with pytest.raises(InputError, match=message):
        write_report(tmp_path / "report.html", "t", {}, "", [], detailed, final, [("x", tmp_path / "box.png")], [], {})
    assert not (tmp_path / "report.html").exists()
