"""Which cases the report of a run shows, and under which words."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from pneumoseg.evaluation.report.mask_figures import MOST_SHEETS, case_sheets, extreme_cases


def draw(folder: Path, case: str) -> None:
    """The files of a drawn case, one black slice."""
    folder.mkdir(exist_ok=True)
    for suffix in ("png", "webp"):
        Image.fromarray(np.zeros((4, 8, 3), np.uint8)).save(folder / f"{case}.{suffix}")
    (folder / f"{case}.strip.json").write_text(json.dumps({"slices": [0], "total_slices": 1, "first": 0}))


def drawn(root: Path, *scores: tuple[int, str, float]) -> tuple[pd.DataFrame, dict]:
    """The detailed table of (fold, case, Dice), all drawn, and where the pictures lie."""
    folders = {(fold, case): root / f"fold_{fold}" for fold, case, _ in scores}
    for (_, case), folder in folders.items():
        draw(folder, case)
    return pd.DataFrame(scores, columns=["fold", "case", "dice"]).assign(**{"class": "infection"}), folders


@pytest.mark.parametrize(
    ("count", "shown"),
    [
        (5, {"All cases": "01234"}),
        (6, {"Worst cases": "01234", "Best cases": "5"}),
        (12, {"Worst cases": "01234", "Best cases": "BA987"}),
    ],
)
def test_no_case_is_both_best_and_worst(tmp_path, count, shown):
    names = "0123456789AB"[:count]
    detailed, folders = drawn(tmp_path, *[(0, case, place / 100) for place, case in enumerate(names)])
    strips = extreme_cases(detailed, folders)
    assert {heading: "".join(strip.case for strip in cases) for heading, cases in strips.items()} == shown
    assert strips.popitem()[1][0].caption.startswith(f"{list(shown.values())[-1][0]}: Dice of infection 0.")


def test_a_case_tested_twice_is_shown_as_each_fold_scored_it(tmp_path):
    detailed, folders = drawn(tmp_path, (0, "a", 0.9), (1, "a", 0.2), (1, "007", 0.5))
    (strips,) = extreme_cases(detailed, folders).values()
    assert [(strip.caption, strip.path.parent.name) for strip in strips] == [
        ("a, fold 1: Dice of infection 0.200", "fold_1"),
        ("007: Dice of infection 0.500", "fold_1"),
        ("a, fold 0: Dice of infection 0.900", "fold_0"),
    ]
    sheets = [(caption.partition(":")[0], path) for caption, path in case_sheets(detailed, folders)]
    assert sheets == [
        ("a, fold 0", tmp_path / "fold_0" / "a.png"),
        ("a, fold 1", tmp_path / "fold_1" / "a.png"),
        ("007", tmp_path / "fold_1" / "007.png"),
    ]


def test_a_case_that_was_not_drawn_is_passed_over(tmp_path):
    detailed, folders = drawn(tmp_path, (0, "a", 0.9), (0, "b", 0.2))
    draw(tmp_path / "fold_0", "c")
    (tmp_path / "fold_0" / "b.png").unlink()
    (tmp_path / "fold_0" / "b.webp").unlink()
    more = pd.concat([detailed, detailed.head(1).assign(case="c")])
    assert [strip.case for strip in extreme_cases(more, folders)["All cases"]] == ["a"]
    assert [path.name for _, path in case_sheets(more, folders)] == ["a.png"]


def test_of_very_many_cases_the_worst_have_their_sheets(tmp_path):
    count = MOST_SHEETS + 3
    detailed, folders = drawn(tmp_path, *[(0, f"c{place}", 1 - place / 100) for place in range(count)])
    sheets = case_sheets(detailed, folders)
    assert [path.stem for _, path in sheets] == [f"c{place}" for place in reversed(range(3, count))]
    assert f"({MOST_SHEETS} of {count} cases, the lowest Dice first" in sheets[0][0]
    undefined = case_sheets(detailed.assign(dice=float("nan")), folders)
    assert len(undefined) == MOST_SHEETS
