"""The folder of a follow-up: change.nii.gz, followup.png, followup.json, followup.csv."""

import importlib.metadata
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from pneumoseg.data_io.formats.nifti import write_label_nifti
from pneumoseg.data_io.storage.atomic import write_json
from pneumoseg.data_io.storage.csv_files import write_table
from pneumoseg.data_io.volumes.labels import CHANGE_LABELS
from pneumoseg.evaluation.figures.saving import save_figure
from pneumoseg.evaluation.followup.change import TOLERANCE_MM
from pneumoseg.evaluation.followup.comparison import DEFINITIONS, Comparison
from pneumoseg.evaluation.followup.figure import follow_up_figure, headline
from pneumoseg.evaluation.followup.noise import FORMULA
from pneumoseg.evaluation.followup.registration import GRID_MM, KNOTS_MM
from pneumoseg.evaluation.measures.severity import RESEARCH_ONLY
from pneumoseg.evaluation.runs.output_guard import check_output_free
from pneumoseg.evaluation.scoring.tables import aligned, decimals

TABLE, CONTENT, MAP, FIGURE = "followup.csv", "followup.json", "change.nii.gz", "followup.png"
DIGITS = 6
DIRECTION = "the follow-up is the fixed image; the baseline is moved onto its grid, on which the label map lies"
NO_VERDICT = "not known: masks that are given have no spread; give the noise in ml, or the CTs alone"
SHOWN = {
    "infection_baseline_ml": "baseline ml", "infection_follow_up_ml": "follow-up ml", "change_ml": "change ml",
    "noise_ml": "noise ml", "infected_percent_baseline": "baseline %", "infected_percent_follow_up": "follow-up %",
}  # fmt: skip
"""The columns that the terminal shows, and their headings there."""


def check_output(output: Path, overwrite: bool = False) -> None:
    """Raises InputError where a follow-up cannot be written to `output`, as `check_output_free`."""
    check_output_free(output, TABLE, others=(CONTENT, MAP, FIGURE), overwrite=overwrite)


def follow_up_content(
    comparison: Comparison, *, models: Mapping[str, str], warnings: Sequence[str] = ()
) -> dict[str, object]:
    """All numbers of a comparison, ready for JSON; no path, name or date. `models`: SHA-256 of the networks."""
    similar, registration = comparison.similarity, comparison.registration
    noise = {
        "networks": {
            "source": "networks" if len(models) > 1 else "mirror image",
            "votes": comparison.votes,
            "formula": FORMULA,
        },
        "given": {"source": "given"},
    }.get(comparison.noise_source or "", {"source": None, "reason": NO_VERDICT})
    return {
        "use": RESEARCH_ONLY,
        "pneumoseg": importlib.metadata.version("pneumoseg"),
        "definitions": DEFINITIONS,
        "models": dict(models),
        "registration": {
            "direction": DIRECTION,
            "steps": "rigid, then B-spline",
            "metric": "correlation of lungs and CT values" if comparison.with_ct else "correlation of lungs",
            "grid_mm": GRID_MM,
            "knots_mm": KNOTS_MM,
            "lungs_dice_rigid": round(similar.rigid_dice, DIGITS),
            "lungs_dice": round(similar.dice, DIGITS),
            "detail_correlation": None
            if similar.detail_correlation is None
            else round(similar.detail_correlation, DIGITS),
            "rotation_degrees": round(registration.rotation_degrees, 3),
            "bending_mm": round(comparison.bending_mm, 3),
        },
        "noise": noise,
        "label_map": {
            "labels": dict(enumerate(CHANGE_LABELS.names)),
            "tolerance_mm": TOLERANCE_MM,
            **{name: round(value, DIGITS) for name, value in comparison.label_map_ml.items()},
        },
        "regions": [
            {name: round(value, DIGITS) if isinstance(value, float) else value for name, value in row.items()}
            for row in comparison.rows
        ],
        "warnings": list(warnings),
    }


def write_follow_up(comparison: Comparison, content: Mapping, output: Path, *, overwrite: bool = False) -> None:
    """Writes the folder, the table last, as its presence says that all the rest is there. `content`: as of
    `follow_up_content`. Raises InputError as `check_output`."""
    check_output(output, overwrite)
    (output / TABLE).unlink(missing_ok=True)  # of an earlier comparison
    write_label_nifti(output / MAP, comparison.change, CHANGE_LABELS)
    save_figure(follow_up_figure(comparison), output / FIGURE)
    write_json(output / CONTENT, content)
    table = pd.DataFrame(comparison.rows)
    for name in ("beyond_noise", "percent_beyond_noise"):
        table[name] = [verdict(row[name]) for row in comparison.rows]
    write_table(table, output / TABLE)


def verdict(known: object) -> str:
    """A verdict as a cell of a table: yes, no, or nothing."""
    return {True: "yes", False: "no"}.get(known, "") if isinstance(known, bool) else ""


def readable(comparison: Comparison) -> str:
    """The rows as a table for the terminal, and what is to be known about them."""
    lines = [["region", *SHOWN.values(), "beyond noise"]]
    for row in comparison.rows:
        cells = [decimals(row[column], 1) for column in SHOWN]
        lines.append([str(row["region"]), *cells, verdict(row["beyond_noise"]) or "–"])
    similar = comparison.similarity
    correlation = similar.detail_correlation
    known = "" if correlation is None else f", correlation of vessels {correlation:.2f}"
    text = [
        *aligned(lines),
        headline(comparison),
        f"lungs registered: Dice {similar.dice:.3f} ({similar.rigid_dice:.3f} after the rigid step){known}",
    ]
    if comparison.noise_source is None:
        text.append(f"beyond noise: {NO_VERDICT}")
    return "\n".join([*text, RESEARCH_ONLY])
