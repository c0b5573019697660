"""The section "By source"."""

import pandas as pd

from pneumoseg.evaluation.report.source_tables import source_sections
from pneumoseg.evaluation.scoring.sources import COLUMNS

NAN = float("nan")


def test_the_section_has_a_row_per_source_and_class():
    rows = [("<x>", "infection", 2, 1.0, 1, 0.8, NAN, NAN, 0.7, 1, 3.25, 3.25)]
    (heading, parts), *others = source_sections(pd.DataFrame(rows, columns=COLUMNS)).items()
    text = "".join(parts)
    assert (heading, others) == ("By source", [])
    assert "infection: at least 1 ml" in text
    assert "&lt;x&gt;" in text
    assert "3.25" in text


def test_without_a_table_there_is_no_section():
    assert source_sections(None) == {}
