"""The report of a run: one HTML file that shows everything and loads nothing from elsewhere."""

import base64
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path

import pandas as pd

from data_io.atomic import write_text
from data_io.errors import InputError
from evaluation.overlap import OVERLAP_SCORES
from evaluation.scores import DEFINITIONS, DIFFERENCES, LUNGS_DEFINITION, SCORES, VOLUMES
from evaluation.splits import Split
from evaluation.tables import ALL_FOLDS, STATISTICS, decimals, mean_and_sd

BOUNDARY = ("nsd", "hd95_mm", "assd_mm", "hd_mm")
"""The boundary scores as the result shows them: the one that reads like Dice first."""

STYLE = """
:root { color-scheme: light; }
body { font: 16px/1.5 system-ui, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; color: #1b1f24;
  background: #fff; max-width: 80rem; margin: 0 auto; padding: 1rem; }
h1 { font-size: 1.7rem; line-height: 1.2; }
h2 { font-size: 1.25rem; margin: 2.2rem 0 .6rem; padding-bottom: .25rem; border-bottom: 2px solid #0072b2; }
p, li, dd { max-width: 48rem; overflow-wrap: break-word; }
.scroll { overflow-x: auto; margin-bottom: 1rem; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .92rem; }
.caption, figcaption { color: #4a5460; margin: .8rem 0 .3rem; }
th, td { padding: .3rem .7rem; border-bottom: 1px solid #d7dce1; text-align: right; white-space: nowrap; }
th { background: #f3f6f9; }
tbody th { position: sticky; left: 0; }
th:first-child, .text th, .text td { text-align: left; }
.text td { white-space: normal; overflow-wrap: anywhere; }
.note { background: #f3f6f9; border-left: 4px solid #0072b2; padding: .5rem .8rem; max-width: 48rem; }
.warning { background: #fdf3e7; border-left: 4px solid #d55e00; padding: .5rem .8rem; max-width: 48rem; }
figure { margin: 1.2rem 0; }
img { max-width: 100%; height: auto; }
pre { background: #f3f6f9; padding: .8rem; overflow-x: auto; font-size: .85rem; }
dt { font-weight: 600; margin-top: .5rem; }
dd { margin-left: 1rem; }
@media screen and (max-width: 40rem) {
  body { padding: .7rem; } table { font-size: .8rem; } th, td { padding: .3rem .45rem; }
  figure { overflow-x: auto; } img { max-width: none; width: 40rem; }
}
@media print {
  body { font-size: 10pt; max-width: none; padding: 0; }
  table { font-size: 7.5pt; } th, td { padding: 1pt 3pt; white-space: normal; }
  .scroll, pre { overflow: visible; } pre { white-space: pre-wrap; }
  figure, tr { break-inside: avoid; } h2 { break-after: avoid; }
}
"""

NAMES = {"hd95_mm": "HD95 (mm)", "assd_mm": "ASSD (mm)", "nsd": "NSD", "hd_mm": "HD (mm)", "iou": "IoU"} | {
    "nsd_tolerance_mm": "NSD tolerance (mm)",
    "volume_reference_ml": "reference (ml)",
    "volume_prediction_ml": "prediction (ml)",
    "volume_difference_ml": "volume difference (ml)",
    "volume_difference_percent": "volume difference (%)",
}


def summarise(final: pd.DataFrame) -> dict:
    """The rows of fold "all" as plain content for JSON, with None in place of NaN.

    `{"folds": n, "classes": {CLASS: {"cases": n, SCORE: {"mean", "sd", "median", "undefined"}, ...}}}`; the class
    `lungs` carries its `definition` too.
    """
    classes = {}
    for row in final[final["fold"] == ALL_FOLDS].to_dict("records"):
        entry: dict = {"cases": int(row["cases"])}
        if row["class"] == "lungs":
            entry["definition"] = LUNGS_DEFINITION
        for score in SCORES:
            entry[score] = {name: _plain(row[f"{score}_{name}"]) for name in STATISTICS}
            entry[score]["undefined"] = int(row[f"{score}_undefined"])
        classes[str(row["class"])] = entry
    return {"folds": int((final["fold"].drop_duplicates() != ALL_FOLDS).sum()), "classes": classes}


def write_report(
    path: str | Path,
    title: str,
    summary: Mapping,
    settings_yaml: str,
    splits: Sequence[Split],
    detailed: pd.DataFrame,
    final: pd.DataFrame,
    figures: Sequence[tuple[str, str | Path]],
    warnings: Sequence[str],
    environment: Mapping,
) -> None:
    """Writes the report to `path` (.html), whole or not at all.

    `summary`: facts for the head of the page (nested "classes", as of `summarise`, is what the result table shows);
    `detailed`, `final`: the tables of `evaluation.tables`; `figures`: (caption, path of a PNG). All text is escaped.
    Raises InputError for a picture that is missing or no PNG.
    """
    facts = {key: value for key, value in summary.items() if key != "classes"}
    shown = [score for score in SCORES if detailed[score].notna().any()]
    body = [
        f"<h1>{escape(title)}</h1>",
        _facts(facts, "Summary") if facts else "",
        _section(
            "Result",
            _result_table(final, [score for score in OVERLAP_SCORES if score in shown], "Overlap"),
            _result_table(final, [score for score in BOUNDARY if score in shown], "Surfaces"),
            _tolerance_note(detailed),
            _fold_table(final),
            _result_table(final, [score for score in DIFFERENCES if score in shown], "Volumes"),
            _lungs_note(final),
        ),
        _section("Warnings", _warnings(warnings)),
        _section("Scores per case", _case_table(detailed), _all_scores(detailed, shown)),
        _section("Figures", *(_figure(caption, picture) for caption, picture in figures)),
        _section("Splits", _split_table(splits)),
        _section("Settings", f"<pre>{escape(settings_yaml)}</pre>" if settings_yaml else "<p>None recorded.</p>"),
        _section("Environment", _facts(environment, "Versions, seed and data")),
        _section("Definitions of the scores", _definitions(shown)),
    ]
    write_text(
        path,
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n"
        + "\n".join(part for part in body if part)
        + "\n</body>\n</html>\n",
    )


def _section(heading: str, *parts: str) -> str:
    return f"<section>\n<h2>{heading}</h2>\n" + ("\n".join(filter(None, parts)) or "<p>None.</p>") + "\n</section>"


def _table(caption: str, header: Sequence[str], rows: Sequence[Sequence[object]], kind: str = "") -> str:
    head = "".join(f'<th scope="col">{escape(str(name))}</th>' for name in header)
    lines = []
    for row in rows:
        first, *rest = (escape(str(cell)) for cell in row)
        lines.append(f'<tr><th scope="row">{first}</th>' + "".join(f"<td>{cell}</td>" for cell in rest) + "</tr>")
    return (
        f'<p class="caption">{escape(caption)}</p>\n'  # outside the table: there it would scroll away with it
        f'<div class="scroll" role="region" aria-label="{escape(caption)}" tabindex="0"><table class="{kind}">\n'
        f"<thead><tr>{head}</tr></thead>\n<tbody>\n" + "\n".join(lines) + "\n</tbody></table></div>"
    )


def _result_table(final: pd.DataFrame, scores: Sequence[str], subject: str) -> str:
    """Means and deviations of `scores`, and the median of the first of them; without the classes for which they are not
    measured (no value though Dice has one: the background's surface)."""
    if not scores:
        return ""
    lead = scores[0]
    others = [_name(score) for score in scores[1:]]
    header = ["class", "cases", f"{_name(lead)} mean ± sd", "median", *others, f"undefined {_name(lead)}"]
    rows = []
    for row in _pooled(final):
        if pd.notna(row["dice_mean"]) and all(pd.isna(row[f"{score}_mean"]) for score in scores):
            continue
        means = [mean_and_sd(row[f"{score}_mean"], row[f"{score}_sd"], _places(score)) for score in scores]
        median = decimals(row[f"{lead}_median"], _places(lead))
        rows.append([row["class"], row["cases"], means[0], median, *means[1:], row[f"{lead}_undefined"]])
    caption = "Mean ± standard deviation over all cases of all folds; undefined scores are left out and counted."
    return _table(f"{subject}. {caption}", header, rows)


def _fold_table(final: pd.DataFrame) -> str:
    dice = final.pivot(index="class", columns="fold", values="dice_mean")
    dice = dice.reindex(index=final["class"].drop_duplicates(), columns=final["fold"].drop_duplicates())
    header = ["class", *("all" if fold == ALL_FOLDS else f"fold {fold}" for fold in dice.columns)]
    if len(header) <= 3:
        return ""
    return _table("Mean Dice, fold by fold.", header, [(name, *map(decimals, row)) for name, *row in dice.itertuples()])


def _tolerance_note(detailed: pd.DataFrame) -> str:
    used = detailed[["class", "nsd_tolerance_mm"]].dropna().drop_duplicates()
    tolerances = ", ".join(f"{name} {tolerance:g} mm" for name, tolerance in used.itertuples(index=False))
    return f'<p class="note">Tolerance of the NSD: {escape(tolerances)}.</p>' if tolerances else ""


def _lungs_note(final: pd.DataFrame) -> str:
    return f'<p class="note">{escape(LUNGS_DEFINITION)}</p>' if (final["class"] == "lungs").any() else ""


def _case_table(detailed: pd.DataFrame) -> str:
    classes = list(detailed["class"].drop_duplicates())
    rows = []
    for (case, fold), part in detailed.groupby(["case", "fold"], sort=False):
        dice = part.set_index("class")["dice"].reindex(classes)
        status = [f"{row['class']}: {row['status']}" for row in part.to_dict("records") if row["status"] != "ok"]
        rows.append([case, fold, *map(decimals, dice), ", ".join(status).replace("_", " ")])
    return _table("Dice of each case; an en dash where it is undefined.", ["case", "fold", *classes, "remarks"], rows)


def _all_scores(detailed: pd.DataFrame, shown: Sequence[str]) -> str:
    columns = [*shown, *VOLUMES]
    rows = [
        [row["case"], row["fold"], row["class"], *(decimals(row[name], _places(name)) for name in columns)]
        for row in detailed.to_dict("records")
    ]
    table = _table("All scores of each case and class.", ["case", "fold", "class", *map(_name, columns)], rows)
    return f"<details><summary>All scores of each case and class ({len(rows)} rows)</summary>{table}</details>"


def _figure(caption: str, path: str | Path) -> str:
    if not Path(path).is_file():
        raise InputError(f"{path}: no such picture for the report")
    content = Path(path).read_bytes()
    if not content.startswith(b"\x89PNG"):
        raise InputError(f"{path}: pictures of the report are PNG files")
    source = f"data:image/png;base64,{base64.b64encode(content).decode()}"
    text = escape(caption)
    return f'<figure><img src="{source}" alt="{text}"><figcaption>{text}</figcaption></figure>'


def _split_table(splits: Sequence[Split]) -> str:
    if not splits:
        return ""
    rows = [
        (fold, len(split.train), len(split.test), ", ".join(split.test), ", ".join(split.train))
        for fold, split in enumerate(splits)
    ]
    return _table("Which cases test and train.", ["fold", "train", "test", "test cases", "train cases"], rows, "text")


def _warnings(warnings: Sequence[str]) -> str:
    return "\n".join(f'<p class="warning">{escape(text)}</p>' for text in warnings)


def _definitions(shown: Sequence[str]) -> str:
    entries = "".join(
        f"<dt>{escape(_name(column))}</dt><dd>{escape(DEFINITIONS[column])}</dd>"
        for column in (*shown, *VOLUMES, "status")
    )
    return (
        "<p>TP, FP, FN and TN count voxels: true and false positives and negatives of the prediction. A score whose "
        f"denominator is 0 is undefined.</p><dl>{entries}</dl>"
    )


def _facts(content: Mapping, caption: str) -> str:
    return _table(caption, ["item", "value"], list(_flat(content)), "text") if content else ""


def _flat(content: Mapping, prefix: str = ""):
    for key, value in content.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key} · ")
        else:
            text = ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else value
            yield f"{prefix}{key}", "–" if text is None else text


def _pooled(final: pd.DataFrame) -> list[dict]:
    return final[final["fold"] == ALL_FOLDS].to_dict("records")


def _name(score: str) -> str:
    return NAMES.get(score, score.capitalize())


def _places(column: str) -> int:
    if column in VOLUMES:
        return 1
    return 2 if column.endswith(("_mm", "_ml", "_percent")) else 3


def _plain(value: float) -> float | None:
    return None if pd.isna(value) else float(value)
