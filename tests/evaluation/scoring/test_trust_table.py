import numpy as np
import pandas as pd
import pytest

from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.volumes.labels import LUNG_LABELS
from pneumoseg.data_io.volumes.volume import Volume
from pneumoseg.evaluation.measures.plausibility import Finding
from pneumoseg.evaluation.scoring.trust_file import read_calibration
from pneumoseg.evaluation.scoring.trust_table import (
    calibration_of,
    merge_trust,
    plausibility,
    read_trust,
    trust_figures,
    trust_rows,
    with_verdicts,
    write_trust,
)
from pneumoseg.pipeline.prediction.signals import FOREGROUND, ClassSignals, Signals


def rows_of(case: str, fold: int, dice: float, *, reference_ml: float = 50.0, findings=()) -> list[dict]:
    """A case whose disagreement tells its Dice of infection nearly."""
    wobble = 0.02 * (len(case) % 3 - 1)
    lesion = ClassSignals(40.0, 45.0, entropy=0.3, doubt=0.4, disagreement=1 - dice + wobble)
    lungs = ClassSignals(3000.0, 3000.0, entropy=0.05, doubt=0.04, disagreement=0.05)
    signals = Signals({"infection": lesion, FOREGROUND: lungs}, 1.0)
    scores = [
        {
            "fold": fold,
            "case": case,
            "class": name,
            "dice": value,
            "volume_reference_ml": size,
            "volume_prediction_ml": 40,
        }
        for name, value, size in (("background", 1.0, 9e4), ("infection", dice, reference_ml), ("lungs", 0.97, 3e3))
    ]
    return trust_rows(scores, signals, patient=case, findings=findings)


@pytest.fixture
def folders(tmp_path):
    rng = np.random.default_rng(0)
    for fold in range(3):
        rows = [
            row
            for number in range(5)
            for row in rows_of("x" * (1 + number + 5 * fold), fold, float(rng.uniform(0.3, 0.9)))
        ]
        write_trust(tmp_path / f"fold_{fold}", rows)
    return [tmp_path / f"fold_{fold}" for fold in range(3)]


def test_a_case_has_a_row_for_each_class_with_signals():
    rows = rows_of("a", 1, 0.7, findings=[Finding("odd", False), Finding("no lung", True)])
    assert [row["class"] for row in rows] == ["infection", "lungs"]
    assert rows[0]["implausible"] == "no lung | odd" and rows[0]["implausible_grave"] == 1
    assert rows[1]["disagreement"] == 0.05 and rows[1]["distance"] == 1.0
    assert rows[0]["patient"] == rows[1]["patient"] != "a"


def test_the_run_has_verdicts_and_the_calibration(folders, tmp_path):
    merge_trust(folders, tmp_path)
    table = read_trust(tmp_path / "trust.csv", judged=True)
    assert len(table) == 30
    infection = trust_figures(table, "infection")
    assert infection["cases"] == 15
    assert infection["spearman"] > 0.9
    assert infection["mean_absolute_error"] < 0.08
    assert infection["coverage"] > 0.6
    assert set(table["verdict"]) <= {"use", "review", "do not trust"}
    calibration = read_calibration(tmp_path / "trust.json")
    assert len(calibration.classes["infection"]) == 15
    assert calibration.coverage["infection"] == pytest.approx(infection["coverage"], abs=1e-6)
    assert "xxx" not in (tmp_path / "trust.json").read_text()


def test_each_case_is_judged_by_the_others_alone():
    table = pd.DataFrame([row for number in range(8) for row in rows_of("x" * (number + 1), 0, 0.3 + 0.08 * number)])
    first = with_verdicts(table)
    changed = table.copy()
    changed.loc[0, "dice"] = 0.99
    assert with_verdicts(changed)["predicted_dice"][0] == first["predicted_dice"][0]
    assert with_verdicts(changed)["predicted_dice"][2] != first["predicted_dice"][2]


def test_cases_without_enough_of_a_class_do_not_calibrate_but_are_counted():
    rows = [row for number in range(6) for row in rows_of("x" * (number + 1), 0, 0.3 + 0.1 * number)]
    rows += rows_of("healthy", 0, 0.0, reference_ml=0.2)
    table = with_verdicts(pd.DataFrame(rows))
    assert len(calibration_of(table).classes["infection"]) == 6
    assert len(calibration_of(table).patients) == 7
    assert {name: trust_figures(table, "infection")[name] for name in ("cases", "below", "without")} == {
        "cases": 6,
        "below": 1,
        "without": 0,
    }


def test_signals_that_some_cases_lack_are_left_out():
    table = pd.DataFrame([row for number in range(6) for row in rows_of("x" * (number + 1), 0, 0.3 + 0.1 * number)])
    table.loc[0, "disagreement"] = np.nan
    assert calibration_of(table).classes["infection"].names == ("entropy", "doubt", "distance")


def test_tables_of_earlier_versions_lack_the_disagreement_of_views(tmp_path):
    write_trust(tmp_path, [row for number in range(4) for row in rows_of("x" * (number + 1), 0, 0.3 + 0.1 * number)])
    pd.read_csv(tmp_path / "trust.csv").drop(columns="mirror_disagreement").to_csv(tmp_path / "trust.csv", index=False)
    table = read_trust(tmp_path / "trust.csv")
    assert table["mirror_disagreement"].isna().all()
    assert calibration_of(table).classes["infection"].names == ("entropy", "doubt", "disagreement", "distance")


def test_three_cases_calibrate_but_are_too_few_to_say_how_many_intervals_hold(tmp_path):
    write_trust(tmp_path / "fold_0", [row for number in range(3) for row in rows_of("x" * (number + 1), 0, 0.5)])
    merge_trust([tmp_path / "fold_0"], tmp_path)
    calibration = read_calibration(tmp_path / "trust.json")
    assert len(calibration.classes["infection"]) == 3 and calibration.coverage == {}


def test_a_fold_of_an_earlier_version_leaves_the_run_without(folders, tmp_path):
    merge_trust(folders, tmp_path)
    (folders[1] / "trust.csv").unlink()
    merge_trust(folders, tmp_path)
    assert not (tmp_path / "trust.csv").exists() and not (tmp_path / "trust.json").exists()


def test_no_rows_leave_no_table(folders):
    write_trust(folders[0], [])
    assert not (folders[0] / "trust.csv").exists()


@pytest.mark.parametrize("content", ["case\na\n", "fold,case\n0,a\n"])
def test_other_tables_are_refused(tmp_path, content):
    (tmp_path / "trust.csv").write_text(content)
    with pytest.raises(InputError, match=r"trust.csv: no table of signals, lacks"):
        read_trust(tmp_path / "trust.csv")


def test_text_in_place_of_numbers_is_refused(folders):
    path = folders[0] / "trust.csv"
    header, first, *others = path.read_text().splitlines()
    path.write_text("\n".join([header, first.replace(",50,", ",many,"), *others]))
    with pytest.raises(InputError, match=r"has text in volume_reference_ml"):
        read_trust(path)


def test_masks_without_lungs_are_not_plausible():
    image = Volume.from_source(np.full((4, 4, 4), -800, np.int16), np.diag([10.0, 10, 10, 1]))
    found = plausibility(image, image.with_array(np.zeros((4, 4, 4), np.uint8)), LUNG_LABELS)
    assert [finding.grave for finding in found] == [True]
