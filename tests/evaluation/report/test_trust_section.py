import numpy as np
import pandas as pd
import pytest

from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.storage.csv_files import write_table
from pneumoseg.evaluation.report.trust_section import draw_trust, trust_sections
from pneumoseg.evaluation.scoring.trust_table import with_verdicts
from tests.evaluation.scoring.test_trust_table import rows_of


@pytest.fixture
def folder(tmp_path):
    rows = [row for number in range(8) for row in rows_of("x" * (number + 1), 0, 0.25 + 0.08 * number)]
    write_table(with_verdicts(pd.DataFrame(rows)), tmp_path / "trust.csv")
    return tmp_path


def test_the_section_has_the_figures_and_each_case(folder):
    parts = trust_sections(folder)["Trust"]
    assert len(parts) == 3
    assert "80%" in parts[0]
    assert "Spearman" in parts[1] and "infection" in parts[1] and "lungs" in parts[1]
    assert parts[2].count("<tr>") == 9
    ((caption, path),) = draw_trust(folder)
    assert path.is_file() and caption.startswith("Dice predicted")


def test_a_run_without_signals_has_no_section(tmp_path):
    assert trust_sections(tmp_path) == {} and draw_trust(tmp_path) == []


def test_without_predictions_nothing_is_drawn(folder):
    table = pd.read_csv(folder / "trust.csv").assign(predicted_dice=np.nan)
    write_table(table, folder / "trust.csv")
    assert draw_trust(folder) == []
    assert "–" in trust_sections(folder)["Trust"][1]


def test_a_table_of_something_else_is_refused(tmp_path):
    (tmp_path / "trust.csv").write_text("a\n1\n")
    with pytest.raises(InputError, match="no table of signals"):
        trust_sections(tmp_path)
