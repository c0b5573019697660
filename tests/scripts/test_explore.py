"""`pneumoseg explore` as a person at the terminal meets it."""

import json

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
import typer
from typer.testing import CliRunner

from pneumoseg.data_io.phantoms.slices import write_pictures, write_stack
from pneumoseg.scripts.explore import explore

app = typer.Typer()
app.command()(explore)


def run(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def data(tmp_path):
    """One annotated and one unannotated case, 4x4x4."""
    ct = np.linspace(-1000, 260, 64).astype(np.int16).reshape(4, 4, 4)
    for name, stems in (("a", {"imaging": ct, "segmentation": (ct > 0).astype(np.uint8)}), ("b", {"imaging": ct})):
        (tmp_path / "data" / name).mkdir(parents=True)
        for stem, array in stems.items():
            nib.save(nib.Nifti1Image(array, np.eye(4)), tmp_path / "data" / name / f"{stem}.nii.gz")
    return tmp_path / "data"


def written(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_writes_table_summary_and_figures(data, tmp_path, rendered):
    result = run(data, "-o", tmp_path / "out")
    assert result.exit_code == 0, result.stderr
    assert written(tmp_path / "out") == [
        "exploration.csv",
        "figures/cases/a.png",
        "figures/cases/b.png",
        "figures/class_frequencies.png",
        "figures/intensities.png",
        "figures/shapes_and_spacings.png",
        "report.html",
        "summary.json",
    ]
    report = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert report.count("<img ") == 5
    assert "1 of 2 cases: no mask: b." in report
    assert list(pd.read_csv(tmp_path / "out" / "exploration.csv")["case"]) == ["a", "b"]
    assert json.loads((tmp_path / "out" / "summary.json").read_text())["annotated_cases"] == 1
    assert "4x4x4" in result.stdout
    assert "mean_frequency: background" in result.stdout


def test_json_has_null_for_the_unannotated(data, tmp_path):
    result = run(data, "-o", tmp_path / "out", "--json")
    assert result.exit_code == 0, result.stderr
    content = json.loads(result.stdout)
    assert content["summary"]["cases"] == 2
    assert content["cases"][0]["frequency_background"] == pytest.approx(0.8, abs=0.02)
    assert content["cases"][1]["frequency_background"] is None
    assert content["cases"][0]["hu"] is True


def test_without_any_mask_no_class_figure(data, tmp_path):
    (data / "a" / "segmentation.nii.gz").unlink()
    result = run(data, "-o", tmp_path / "out", "--quiet")
    assert result.exit_code == 0, result.stderr
    assert result.stdout == ""
    assert "figures/class_frequencies.png" not in written(tmp_path / "out")


def test_existing_results_are_kept_unless_asked(data, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "summary.json").write_text("old")
    result = run(data, "-o", tmp_path / "out")
    assert result.exit_code == 2
    assert "--overwrite" in result.stderr
    assert (tmp_path / "out" / "summary.json").read_text() == "old"
    assert run(data, "-o", tmp_path / "out", "--overwrite").exit_code == 0
    assert json.loads((tmp_path / "out" / "summary.json").read_text())["cases"] == 2


def test_unreadable_case_ends_with_2(data, tmp_path):
    (data / "b" / "imaging.nii.gz").write_bytes(b"")
    result = run(data, "-o", tmp_path / "out")
    assert result.exit_code == 2
    assert "error: case b: " in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert not (tmp_path / "out").exists()  # though case a could be drawn: the next call is not refused


def test_classes_of_another_number(data, tmp_path):
    mask = np.arange(64).reshape(4, 4, 4).astype(np.uint8) % 6
    nib.save(nib.Nifti1Image(mask, np.eye(4)), data / "a" / "segmentation.nii.gz")
    result = run(data, "-o", tmp_path / "out")
    assert result.exit_code == 2
    assert "found 4, 5" in result.stderr
    result = run(data, "-o", tmp_path / "out", "--classes", "6")
    assert result.exit_code == 0, result.stderr
    table = pd.read_csv(tmp_path / "out" / "exploration.csv")
    assert [column for column in table if column.startswith("frequency_")] == [
        "frequency_background", *(f"frequency_class_{number}" for number in range(1, 6)),
    ]  # fmt: skip
    assert table["frequency_class_5"][0] == pytest.approx(10 / 64)


@pytest.mark.parametrize(
    ("write", "flags"),
    [(write_pictures, []), (write_pictures, ["--masks", "classes", "--classes", 3]), (write_stack, ["--classes", 3])],
)
def test_slices_share_a_sheet(tmp_path, write, flags):
    cases = write(tmp_path / "data", 1, shape=(20, 18, 16))
    result = run(tmp_path / "data", "-o", tmp_path / "out", "--json", *flags)
    assert result.exit_code == 0, result.stderr
    assert [path for path in written(tmp_path / "out") if "cases" in path] == ["figures/cases/sheet_001.png"]
    content = json.loads(result.stdout)
    assert [row["case"] for row in content["cases"]] == cases
    assert sum(content["summary"]["mask_values"].values()) == len(cases)


def test_values_of_masks_may_be_merged(tmp_path):
    write_pictures(tmp_path / "data", 1, shape=(20, 18, 16))
    flags = ["--masks", "classes", "--merge", "2=1", "--json"]
    result = run(tmp_path / "data", "-o", tmp_path / "out", *flags)
    assert result.exit_code == 0, result.stderr
    assert set(json.loads(result.stdout)["summary"]["mean_frequency"]) == {"background", "class_1"}
