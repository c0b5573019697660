"""A table of volumes that several processes write at a time keeps every row."""

import subprocess
import sys
from pathlib import Path

import pneumoseg
from pneumoseg.data_io.storage.csv_files import read_table

REPOSITORY = Path(pneumoseg.__file__).parent
PROGRAM = """
import sys
from pneumoseg.evaluation.inference.outputs import write_volumetry
for number in range(15):
    write_volumetry(sys.argv[1], {f"{sys.argv[2]}_{number}": {"lungs_ml": float(number)}})
"""


def test_no_row_of_another_process_is_lost(tmp_path):
    table = tmp_path / "new" / "statistics.csv"
    command = [sys.executable, "-c", PROGRAM, str(table)]
    writers = [subprocess.Popen([*command, name], cwd=REPOSITORY) for name in "abcd"]
    assert [writer.wait(120) for writer in writers] == [0] * 4
    rows = read_table(table)
    assert sorted(rows["case"]) == sorted(f"{name}_{number}" for name in "abcd" for number in range(15))
    assert rows["lungs_ml"].sum() == 4 * sum(range(15))
    assert [path.name for path in table.parent.iterdir() if not path.name.startswith(".")] == ["statistics.csv"]
