"""The command `prepare` at the command line."""

import json

import pytest
import typer
from typer.testing import CliRunner

from pneumoseg.data_io.datasets.studies import open_cohort
from pneumoseg.data_io.phantoms.cohort import write_cohort_phantoms
from pneumoseg.data_io.storage.csv_files import read_cells
from pneumoseg.scripts.prepare import prepare


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cohort")
    write_cohort_phantoms(folder / "c", 2, shape=(40, 40, 32))
    return folder / "c" / "cohort.csv"


def invoke(*arguments):
    app = typer.Typer(pretty_exceptions_enable=False)
    app.command()(prepare)
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_a_cohort_is_prepared_checked_and_drawn(table, tmp_path):
    output = tmp_path / "cohort.h5"
    flags = ["--shape", 8, 16, 16, "--cut-cm2", 1000, "--figures", tmp_path / "figures"]
    result = invoke(table, "-o", output, *flags, "--json")
    assert result.exit_code == 0, result.output
    content = json.loads(result.stdout)
    assert [study["name"] for study in content["studies"]] == ["phantom_001", "phantom_002"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cohort.checks.csv", "cohort.h5", "figures"]
    assert len(open_cohort(output)) == 2
    again = invoke(table, "-o", output, *flags, "--resume", "--quiet")
    assert (again.exit_code, again.stdout) == (0, "")


def test_bad_input_is_one_line_and_writes_nothing(table, tmp_path):
    for flags, message in (
        (["--shape", 0, 16, 16], "shape: input should be greater than or equal to 4, found 0"),
        (["--mask", "lungmask"], "pip install lungmask"),
        (["--resume", "--overwrite"], "give one of them"),
        (["--figures", table], "figures are written into a folder, found a file"),
    ):
        result = invoke(table, "-o", tmp_path / "cohort.h5", *flags)
        assert result.exit_code == 2
        assert message in result.output + str(result.exception)
    assert not list(tmp_path.iterdir())


def test_checks_are_written_where_studies_are_bad(table, tmp_path):
    (tmp_path / "text.nii.gz").write_text("no CT")
    first = table.parent / "phantom_001"
    (tmp_path / "t.csv").write_text(f"patient,path,label,score\na,{first},yes,15\nb,text.nii.gz,no,0\n")
    result = invoke(
        tmp_path / "t.csv", "-o", tmp_path / "cohort.h5", "--shape", 8, 16, 16, "--cut-cm2", 1000, "--quiet"
    )
    assert result.exit_code == 2
    header, good, bad = read_cells(tmp_path / "cohort.checks.csv")
    assert [row[header.index("in_cohort")] for row in (good, bad)] == ["no", "no"]
    assert [row[header.index("valid")] for row in (good, bad)] == ["yes", "no"]
    assert bad[header.index("problem")].startswith("text: ")
    assert not (tmp_path / "cohort.h5").exists()
