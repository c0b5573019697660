"""A report as a test reads it: its tags, its words, the cells of its tables."""

import re
from html.parser import HTMLParser

from pneumoseg.evaluation.report.mask_tables import mask_result
from pneumoseg.evaluation.report.page import write_report
from pneumoseg.evaluation.scoring.mask_columns import SCORES
from pneumoseg.evaluation.scoring.tables import detailed_table, final_table

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


def written(tmp_path, detailed, final=None, **further) -> str:
    final = final_table(detailed) if final is None else final
    write_report(
        tmp_path / "report.html",
        "t",
        {},
        settings_yaml="",
        splits=[],
        detailed=detailed,
        final=final,
        figures=[],
        warnings=[],
        environment={},
        result=mask_result(detailed, final),
        **further,
    )
    return (tmp_path / "report.html").read_text(encoding="utf-8")


def table_of(text: str, caption: str) -> list[list[str]]:
    """The cells of the table whose caption begins so, row by row, without markup."""
    part = text.partition(f'aria-label="{caption}')[2].partition("</table>")[0]
    rows = [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row) for row in re.findall(r"<tr>(.*?)</tr>", part)]
    assert rows, f"no table {caption}"
    return rows
