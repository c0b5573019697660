"""The sections of a report on studies."""

from pneumoseg.evaluation.report.study_sections import draw_studies, study_result, study_sections
from pneumoseg.evaluation.scoring.study_columns import STUDY_COLUMNS, label_row, score_row
from pneumoseg.evaluation.scoring.study_predictions import prediction_row, write_predictions
from pneumoseg.evaluation.scoring.study_tables import write_study_tables
from pneumoseg.evaluation.scoring.tables import detailed_table, final_table
from tests.evaluation.fake_studies import Guess, studies


def run_of(folder, guess: Guess):
    folders = []
    for fold in (0, 1):
        folders.append(folder / f"fold_{fold}")
        folders[-1].mkdir(parents=True)
        rows = [prediction_row(fold, study, guess.of(study)) for study in list(studies(12))[fold::2]]
        write_predictions(folders[-1] / "predictions.csv", rows)
    write_study_tables(folders, folder)
    return folder


def test_sections_and_figures_of_both_heads(tmp_path):
    folder = run_of(tmp_path / "run", Guess())
    sections = study_sections(folder)
    assert list(sections) == ["Label", "Severity score", "Training and test"]
    label = "".join(sections["Label"])
    assert "mean of folds" in label
    assert "fold 1" in label
    assert "share of at most so many" in "".join(sections["Severity score"])
    assert [path.name for _, path in draw_studies(folder)] == [
        *("label_curves.png", "label_confusion.png", "score_agreement.png", "category_confusion.png"),
    ]


def test_a_head_that_lacks_has_no_section(tmp_path):
    folder = run_of(tmp_path / "run", Guess(probability=False))
    assert list(study_sections(folder)) == ["Severity score", "Training and test"]
    assert [path.name for _, path in draw_studies(folder)] == ["score_agreement.png", "category_confusion.png"]


def test_result_lists_what_is_measured():
    rows = [{"fold": 0, "case": name, **label_row(True, 0.9, threshold=0.5)} for name in "ab"]
    rows += [{"fold": 0, "case": name, **score_row(10.0, 25.0)} for name in "ab"]
    final = final_table(detailed_table(rows, STUDY_COLUMNS), STUDY_COLUMNS)
    parts = "".join(study_result(final))
    assert parts.count("Brier score") == 1
    assert "15.00" in parts
    assert "–" not in parts
