"""Rows as CSV."""

import subprocess
import sys

import numpy as np

from pneumoseg.data_io.storage.csv_files import read_cells
from pneumoseg.data_io.storage.csv_rows import write_rows


def test_rows_come_back_as_text_and_nothing_is_a_formula(tmp_path):
    rows = [(1, "a,b", None), (np.float64(0.123456789), "=1+1", float("nan"))]
    write_rows(tmp_path / "a.csv", ("number", "text", "none"), rows)
    assert (tmp_path / "a.csv").read_text() == 'number,text,none\n1,"a,b",\n0.123457,\'=1+1,\n'
    assert read_cells(tmp_path / "a.csv")[2] == ["0.123457", "=1+1", ""]


def test_de_identification_does_not_import_pandas():
    code = "import sys, pneumoseg.data_io.formats.dicom.deidentification.tree; sys.exit('pandas' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
