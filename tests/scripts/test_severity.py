"""`pneumoseg severity` as a person at the terminal meets it."""

import json

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
import SimpleITK as sitk
import typer
from typer.testing import CliRunner

from pneumoseg.data_io.formats.writing import write_labels
from pneumoseg.data_io.volumes.labels import LUNG_LABELS, LabelTable
from pneumoseg.data_io.volumes.volume import Volume
from pneumoseg.evaluation.measures.severity import DEFINITIONS
from pneumoseg.scripts.severity import severity

app = typer.Typer()
app.command()(severity)

AFFINE = np.diag([10.0, 10.0, 10.0, 1.0])  # one voxel is one ml


def run(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def mask(infected: int) -> np.ndarray:
    """Two lungs of 10 voxels each; of the left, the lowest `infected` are so."""
    labels = np.zeros((10, 3, 10), np.uint8)
    labels[1, 1], labels[8, 1] = 1, 2
    labels[1, 1, :infected] = 3
    return labels


def ct() -> np.ndarray:
    hu = np.full((10, 3, 10), 40, np.int16)
    hu[[1, 8], 1] = -800
    hu[1, 1, 0] = 0
    return hu


def lobes() -> np.ndarray:
    labels = np.zeros((10, 3, 10), np.uint8)
    labels[:5, :, :5], labels[:5, :, 5:] = 2, 1
    labels[5:, :, :3], labels[5:, :, 3:6], labels[5:, :, 6:] = 5, 4, 3
    return labels


def save(path, array, affine=AFFINE):
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(array, affine), path)


@pytest.fixture
def masks(tmp_path):
    """A NIfTI and a Slicer segmentation: 4 and 0 of 20 voxels infected."""
    save(tmp_path / "masks" / "one.nii.gz", mask(4))
    write_labels(tmp_path / "masks" / "two.seg.nrrd", Volume.from_source(mask(0), AFFINE), LUNG_LABELS)
    return tmp_path / "masks"


@pytest.fixture
def out(tmp_path):
    return tmp_path / "out"


def rows_of(out):
    rows = json.loads((out / "severity.json").read_text(encoding="utf-8"))["cases"]
    return {row["case"]: row for row in rows}


def refused(result) -> str:
    """The one line of an error."""
    assert result.exit_code == 2, result.output
    assert result.stderr.count("\n") == 1
    return result.stderr


def test_writes_table_rows_with_definitions_and_figure(masks, out, rendered):
    result = run(masks, "-o", out)
    assert result.exit_code == 0, result.stderr
    written = sorted(str(path.relative_to(out)) for path in out.rglob("*") if path.is_file())
    assert written == ["figures/severity.png", "severity.csv", "severity.json"]
    assert (out / "figures" / "severity.png").read_bytes()[1:4] == b"PNG"
    table = pd.read_csv(out / "severity.csv")
    assert list(table.columns) == list(DEFINITIONS)
    assert table[["case", "infected_percent", "infected_percent_left", "category"]].to_numpy().tolist() == [
        ["one", 20.0, 40.0, "Mild"], ["two", 0.0, 0.0, "Low"],
    ]  # fmt: skip
    content = json.loads((out / "severity.json").read_text(encoding="utf-8"))
    assert "research only" in content["use"]
    assert content["definitions"] == DEFINITIONS
    assert content["cases"][0]["ctsi"] is None
    assert "Mild" in result.stdout
    assert "research only" in result.stdout


def test_json_on_standard_output_is_the_file(masks, out):
    result = run(masks, "-o", out, "--json")
    assert json.loads(result.stdout) == json.loads((out / "severity.json").read_text(encoding="utf-8"))


def test_the_printed_table_shows_undefined_as_a_dash_and_says_that_it_is_no_diagnosis(masks, out):
    save(masks / "empty.nii.gz", np.zeros((10, 3, 10), np.uint8))
    save(masks / "void.nii.gz", np.zeros((10, 3, 10), np.uint8))
    lines = run(masks, "-o", out).stdout.splitlines()
    assert lines[0].split()[:3] == ["case", "infected", "%"]
    assert lines[2].split() == ["empty", "–", "–", "–", "0.0", "–", "–", "–", "–"]
    assert lines[3].split() == ["one", "20.0", "40.0", "0.0", "4.0", "Mild", "5.0", "5.8", "–"]
    assert len({len(line) for line in lines[:6]}) == 1
    assert "empty, void: no lung in the mask: no scores" in lines
    assert "no diagnosis" in lines[-1]


def test_quiet_prints_nothing(masks, out):
    result = run(masks, "-o", out, "--quiet")
    assert result.output == ""
    assert (out / "severity.csv").is_file()


def test_results_are_replaced_only_when_asked(masks, out):
    assert run(masks, "-o", out).exit_code == 0
    assert "--overwrite" in refused(run(masks, "-o", out))
    assert run(masks, "-o", out, "--overwrite").exit_code == 0


def test_images_are_found_by_name_and_a_missing_one_is_remarked(masks, out, tmp_path):
    save(tmp_path / "cts" / "one.nii.gz", ct())
    assert run(masks, "-o", out, "--images", tmp_path / "cts").exit_code == 0
    one, two = rows_of(out).values()
    assert (one["infection_mean_hu"], one["high_opacity_percent"], one["remarks"]) == (-600, 25, "")
    assert (two["infection_mean_hu"], two["remarks"]) == (None, "no CT of this name")


def test_types_of_opacity_with_limits_of_ones_own(masks, out, tmp_path):
    scan = ct()
    scan[1, 1, 1] = -600
    save(tmp_path / "cts" / "one.nii.gz", scan)
    result = run(masks, "-o", out, "--images", tmp_path / "cts")
    one, two = rows_of(out).values()
    assert (one["ground_glass_left_ml"], one["consolidation_left_ml"]) == pytest.approx((1.0, 1.0))
    assert (one["ground_glass_percent_left"], two["ground_glass_ml"]) == (pytest.approx(10.0), None)
    assert "ground glass %" in result.stdout
    flags = ("--ground-glass-hu", -900, -300, "--consolidation-hu", -300, 0)
    result = run(masks, "-o", out, "--images", tmp_path / "cts", "--overwrite", *flags)
    one, _ = rows_of(out).values()
    assert (one["ground_glass_left_ml"], one["consolidation_left_ml"]) == pytest.approx((3.0, 0.0))
    assert one["remarks"] == "ground glass -900 to -300 HU, consolidation -300 to 0 HU"
    assert "-900 to -300 HU" in (out / "severity.json").read_text(encoding="utf-8")
    wrong = refused(run(masks, "-o", tmp_path / "other", "--ground-glass-hu", -300, -750))
    assert "--ground-glass-hu" in wrong
    assert not (tmp_path / "other").exists()


def test_percent_beside_the_table_of_a_cohort(masks, out, tmp_path):
    for name in ("one", "two"):
        save(tmp_path / "cts" / f"{name}.nii.gz", ct())
    (tmp_path / "cohort.csv").write_text(
        "patient,path,label,score\na,cts/one.nii.gz,yes,25\nb,cts/two.nii.gz,no,0\n", encoding="utf-8"
    )
    result = run(masks, "-o", out, "--cohort", tmp_path / "cohort.csv")
    assert result.exit_code == 0, result.stderr
    assert "Mean absolute error (points)" in result.stdout
    table = pd.read_csv(out / "agreement.csv").set_index(["fold", "score"])
    assert table.loc[("all", "mae"), "value"] == pytest.approx(2.5)
    assert table.loc[("all", "exact"), "value"] == 1
    label = json.loads((out / "severity.json").read_text(encoding="utf-8"))["cohort"]["label"]
    assert (label[0]["score"], label[0]["value"]) == ("auc", 1)
    assert run(masks, "-o", out, "--overwrite").exit_code == 0
    assert not (out / "agreement.csv").exists()
    assert "--run needs --cohort" in refused(run(masks, "-o", out, "--overwrite", "--run", tmp_path))


def test_lobes_are_found_by_name_and_a_missing_one_is_remarked(masks, out, tmp_path):
    save(tmp_path / "lobes" / "one.nii.gz", lobes())
    assert run(masks, "-o", out, "--lobes", tmp_path / "lobes").exit_code == 0
    one, two = rows_of(out).values()
    assert (one["ctsi"], two["ctsi"]) == (2, None)  # 4 of the 75 voxels of the left lower lobe
    assert two["remarks"] == "no lobe mask of this name"


def test_one_mask_with_one_image_and_one_lobe_mask_of_any_name(masks, out, tmp_path):
    save(tmp_path / "scan.nii.gz", ct())
    save(tmp_path / "five.nii.gz", lobes())
    result = run(
        masks / "one.nii.gz", "-o", out, "--images", tmp_path / "scan.nii.gz", "--lobes", tmp_path / "five.nii.gz"
    )
    assert result.exit_code == 0, result.stderr
    (row,) = rows_of(out).values()
    assert (row["case"], row["infection_mean_hu"], row["ctsi"], row["remarks"]) == ("one", -600, 2, "")


def test_a_dataset_brings_its_images(save_pair, out, tmp_path):
    save_pair(tmp_path / "data" / "a", ct(), mask(4))
    assert run(tmp_path / "data", "-o", out).exit_code == 0
    assert rows_of(out)["a"]["infection_mean_hu"] == -600


def test_the_mask_of_a_case_folder_is_named_by_it(save_pair, out, tmp_path):
    save_pair(tmp_path / "data" / "a", ct(), mask(4))
    assert run(tmp_path / "data" / "a" / "segmentation.nii.gz", "-o", out).exit_code == 0
    assert list(rows_of(out)) == ["a"]


@pytest.mark.parametrize("name", ["one.nrrd", "one.mha", "one.mhd", "one.nhdr", "one.nii"])
def test_masks_and_lobes_of_every_format(out, tmp_path, name):
    for folder, array in (("masks", mask(4)), ("lobes", lobes())):
        (tmp_path / folder).mkdir()
        image = sitk.GetImageFromArray(array.T)
        image.SetSpacing((10.0, 10.0, 10.0))
        sitk.WriteImage(image, str(tmp_path / folder / name))
    for given, others in (
        (tmp_path / "masks", tmp_path / "lobes"),
        (tmp_path / "masks" / name, tmp_path / "lobes" / name),
    ):
        assert run(given, "-o", out, "--lobes", others, "--overwrite").exit_code == 0
        row = rows_of(out)["one"]
        assert (row["infected_percent"], row["infection_ml"], row["ctsi"]) == (20, pytest.approx(4), 2)


def test_sides_are_those_that_the_file_names(out, tmp_path):
    exchanged = LabelTable(("background", "lung_right", "lung_left", "infection"), LUNG_LABELS.colours)
    array = np.array([0, 2, 1, 3], np.uint8)[mask(4)]  # right lung 1, left lung 2, as the names say
    for name in ("slicer.seg.nrrd", "nifti.nii.gz"):
        write_labels(tmp_path / "masks" / name, Volume.from_source(array, AFFINE), exchanged)
    save(tmp_path / "labelsTr" / "unnamed.nii.gz", array)
    (tmp_path / "dataset.json").write_text(json.dumps({"labels": {"Right lung": 1, "Left lung": 2, "covid": 3}}))
    for given in (tmp_path / "masks", tmp_path / "labelsTr", tmp_path / "labelsTr" / "unnamed.nii.gz"):
        assert run(given, "-o", out, "--overwrite").exit_code == 0
        for row in rows_of(out).values():
            assert (row["infected_percent_left"], row["infected_percent_right"]) == (40, 0)


def test_a_mask_without_lungs_is_a_row_with_empty_scores(out, tmp_path):
    save(tmp_path / "masks" / "none.nii.gz", np.zeros((3, 3, 3), np.uint8))
    result = run(tmp_path / "masks", "-o", out)
    assert result.exit_code == 0, result.stderr
    assert rows_of(out)["none"]["category"] is None
    assert "none: no lung in the mask: no scores" in result.stdout


@pytest.mark.parametrize("flag", ["--images", "--lobes"])
def test_a_folder_with_none_that_match_is_refused(masks, out, tmp_path, flag):
    save(tmp_path / "others" / "three.nii.gz", lobes())
    error = refused(run(masks, "-o", out, flag, tmp_path / "others"))
    assert "must have the name of its mask, such as one; found three" in error
    assert not out.exists()


@pytest.mark.parametrize("flag", ["--images", "--lobes"])
def test_a_missing_folder_is_refused(masks, out, tmp_path, flag):
    assert f"{tmp_path / 'nowhere'}: no such" in refused(run(masks, "-o", out, flag, tmp_path / "nowhere"))


def test_missing_masks_are_refused(out, tmp_path):
    assert "no such file or folder" in refused(run(tmp_path / "nowhere", "-o", out))


def test_a_file_that_is_no_mask_is_refused(out, tmp_path):
    (tmp_path / "notes.txt").write_text("no mask")
    assert "a mask is a DICOM segmentation or ends in" in refused(run(tmp_path / "notes.txt", "-o", out))


def test_an_image_elsewhere_is_refused_by_the_name_of_its_case(masks, out, tmp_path):
    save(tmp_path / "cts" / "two.nii.gz", ct()[:4])
    assert "case two: mask and CT must have one shape" in refused(run(masks, "-o", out, "--images", tmp_path / "cts"))


def test_lobes_beyond_five_are_refused(masks, out, tmp_path):
    save(tmp_path / "lobes" / "one.nii.gz", lobes() + 1)
    assert "labels must be 0..5, found 6" in refused(run(masks, "-o", out, "--lobes", tmp_path / "lobes"))


def test_help_says_that_it_is_for_research_only():
    assert "research only" in " ".join(run("--help").stdout.split())


def test_parts_and_then_the_whole(masks, out, tmp_path):
    run(masks, "-o", tmp_path / "once")
    assert "part 1/2 of 1 cases is done" in run(masks, "-o", out, "--part", "1/2").stdout
    assert json.loads(run(masks, "-o", out, "--part", "2/2", "--json").stdout) == {"part": "2/2", "cases": ["two"]}
    assert not (out / "severity.csv").exists()
    assert run(masks, "-o", out, "--resume").exit_code == 0
    for name in ("severity.csv", "severity.json"):
        assert (out / name).read_bytes() == (tmp_path / "once" / name).read_bytes()
    assert "--part: a part is I/N" in refused(run(masks, "-o", tmp_path / "other", "--part", "2"))
    assert "give one of them" in refused(run(masks, "-o", out, "--resume", "--overwrite"))
