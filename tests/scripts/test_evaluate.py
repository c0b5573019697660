"""pneumoseg evaluate, from folders of masks to tables and figures."""

import json

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
import SimpleITK as sitk
import typer

from pneumoseg.data_io.formats.nifti import write_label_nifti
from pneumoseg.data_io.formats.reading import read_volume
from pneumoseg.data_io.formats.writing import write_labels
from pneumoseg.data_io.volumes.labels import LUNG_LABELS, LabelTable
from pneumoseg.data_io.volumes.volume import Volume
from pneumoseg.evaluation.scoring.mask_columns import COLUMNS
from pneumoseg.evaluation.scoring.tables import read_detailed
from pneumoseg.scripts.evaluate import evaluate


def mask(shift: int = 0) -> Volume:
    labels = np.zeros((16, 12, 6), np.uint8)
    labels[1 + shift : 6 + shift, 2:10, 1:5] = 1
    labels[9:14, 2:10, 1:5] = 2
    labels[9:14, 2:4, 2] = 3
    return Volume.from_source(labels, np.eye(4))


@pytest.fixture
def folders(tmp_path):
    for name, shift in (("one", 0), ("two", 1)):
        write_label_nifti(tmp_path / "reference" / f"{name}.nii.gz", mask(), LUNG_LABELS)
        write_label_nifti(tmp_path / "prediction" / f"{name}.nii.gz", mask(shift), LUNG_LABELS)
    return {"reference": tmp_path / "reference", "prediction": tmp_path / "prediction", "output": tmp_path / "out"}


def test_tables_summary_and_figures_are_written(folders, capsys, rendered):
    evaluate(**folders)
    written = sorted(str(path.relative_to(folders["output"])) for path in folders["output"].rglob("*.*"))
    assert [name for name in written if "/" not in name] == [
        "confusion.csv", "final.by_source.csv", "final.csv", "lesions.csv", "metrics.csv", "pooled.csv", "report.html",
        "summary.json",
    ]  # fmt: skip
    assert {"figures/dice.png", "figures/nsd.png", "figures/confusion.png"} < set(written)
    detailed = read_detailed(folders["output"] / "metrics.csv")
    assert tuple(detailed.columns) == COLUMNS
    assert detailed["fold"].unique().tolist() == [0]
    dice = detailed.set_index(["case", "class"])["dice"]
    assert dice["one", "lung_left"] == 1
    assert dice["two", "lung_left"] == pytest.approx(0.8)
    surfaces = detailed.set_index(["case", "class"])[["hd95_mm", "hd_mm", "assd_mm", "nsd"]]
    assert surfaces.loc[("one", "lung_left")].tolist() == [0, 0, 0, 1]
    assert surfaces.loc[("two", "lung_left")].tolist()[1] == 1  # moved by one voxel of 1 mm
    assert surfaces.loc[("two", "lung_left"), "nsd"] == 1
    final = pd.read_csv(folders["output"] / "final.csv").set_index(["fold", "class"])
    assert final.loc[("all", "lung_left"), "dice_mean"] == pytest.approx(0.9)
    assert "lung_left" in capsys.readouterr().out


def test_json_on_standard_output_is_the_summary(folders, capsys):
    evaluate(**folders, json=True)
    printed = json.loads(capsys.readouterr().out)
    assert printed == json.loads((folders["output"] / "summary.json").read_text())
    assert printed["classes"]["lung_left"]["dice"]["mean"] == pytest.approx(0.9)


def test_quiet_prints_nothing(folders, capsys):
    evaluate(**folders, quiet=True)
    assert capsys.readouterr().out == ""


def test_a_dataset_as_reference_gives_pictures_of_the_cases(folders, tmp_path, rendered):
    for name in ("one", "two"):
        write_label_nifti(tmp_path / "data" / name / "imaging.nii.gz", mask(), LUNG_LABELS)
        write_label_nifti(tmp_path / "data" / name / "segmentation.nii.gz", mask(), LUNG_LABELS)
    evaluate(**(folders | {"reference": tmp_path / "data"}), quiet=True)
    for name in ("one", "two"):
        for suffix in ("png", "gif", "webp"):
            assert (folders["output"] / "figures" / f"{name}.{suffix}").is_file()
    assert "slices" in (folders["output"] / "report.html").read_text()


def test_labels_of_other_programs(folders):
    """Here 1 is the right lung, and the files have no names; their numbers, not the table's, are given."""
    for path in [*folders["reference"].iterdir(), *folders["prediction"].iterdir()]:
        unnamed = np.asarray(nib.load(path).dataobj)
        nib.save(nib.Nifti1Image(unnamed, np.eye(4)), path)
    evaluate(**folders, labels=["1=lung_right,2=lung_left", "3=lesion"], quiet=True)
    detailed = read_detailed(folders["output"] / "metrics.csv").set_index(["case", "class"])
    assert detailed.loc[("two", "lung_right"), "dice"] == pytest.approx(0.8)
    assert "lesion" in detailed.index.get_level_values("class")


@pytest.mark.parametrize("suffix", [".seg.nrrd", ".nii.gz"])
@pytest.mark.parametrize(
    "labels", [None, ["1=lung_left,2=lung_right,3=infection"], ["1=lung_right,2=lung_left,3=infection"]]
)
def test_sides_are_those_that_the_files_name_whatever_their_numbers(folders, suffix, labels):
    """The references keep 1 for the left lung; of the predictions, whose right lung is 1, each file says so."""
    exchanged = LabelTable(("background", "lung_right", "lung_left", "infection"), LUNG_LABELS.colours)
    for path in list(folders["prediction"].iterdir()):
        volume = read_volume(path)
        path.unlink()
        renumbered = volume.with_array(np.array([0, 2, 1, 3], np.uint8)[volume.array])
        write_labels(path.with_name(path.name.replace(".nii.gz", suffix)), renumbered, exchanged)
    evaluate(**folders, labels=labels, quiet=True)
    dice = read_detailed(folders["output"] / "metrics.csv").set_index(["case", "class"])["dice"]
    assert (dice["one", "lung_left"], dice["one", "lung_right"]) == (1, 1)
    assert (dice["two", "lung_left"], dice["two", "lung_right"]) == (pytest.approx(0.8), 1)
    assert "classes are assigned by name" in (folders["output"] / "report.html").read_text()


def test_maps_of_other_formats_count_as_well(folders, tmp_path):
    for name in ("one", "two"):
        for suffix, number in ((".nii", 1), (".nrrd", 2), (".mha", 3)):
            probabilities = (mask().array == number).astype(np.float32)
            image = sitk.GetImageFromArray(probabilities.T)
            image.SetDirection((-1, 0, 0, 0, -1, 0, 0, 0, 1))
            (tmp_path / "maps").mkdir(exist_ok=True)
            sitk.WriteImage(image, str(tmp_path / "maps" / f"{name}.{LUNG_LABELS.names[number]}{suffix}"))
    evaluate(**folders, probabilities=tmp_path / "maps", quiet=True)
    detailed = read_detailed(folders["output"] / "metrics.csv").set_index(["case", "class"])
    assert detailed.loc[[("one", name) for name in LUNG_LABELS.names[1:]], "auc"].tolist() == [1, 1, 1]


def test_results_are_titled_by_the_folder_as_it_is_given(folders, tmp_path):
    (tmp_path / "target").mkdir()
    (tmp_path / "given").symlink_to("target", target_is_directory=True)
    evaluate(**(folders | {"output": tmp_path / "given"}), quiet=True)
    assert "Evaluation: given" in (tmp_path / "target" / "report.html").read_text()


def test_a_label_without_a_name_is_refused(folders, capsys):
    with pytest.raises(typer.Exit):
        evaluate(**folders, labels=["5=liver"], quiet=True)
    assert "0=background, 5=liver" in capsys.readouterr().err


def test_tolerances_are_the_users(folders, capsys):
    evaluate(**folders, tolerance=["lung_left=0.5"], quiet=True)
    detailed = read_detailed(folders["output"] / "metrics.csv").set_index(["case", "class"])
    assert detailed.loc[("two", "lung_left"), "nsd_tolerance_mm"] == 0.5
    assert detailed.loc[("two", "lung_left"), "nsd"] < 1
    for bad in ("lung_left", "lung_left=x", "lung_left=-1", "liver=3"):
        with pytest.raises(typer.Exit):
            evaluate(**folders, tolerance=[bad], quiet=True, overwrite=True)
        assert "tolerance" in capsys.readouterr().err


def test_probabilities_give_the_auc(folders, tmp_path, capsys):
    maps = tmp_path / "maps"
    maps.mkdir()
    for name in ("one", "two"):
        truth = (mask().restore() == 1).astype(np.float32)
        nib.save(nib.Nifti1Image(truth * 0.6 + 0.2, np.eye(4)), maps / f"{name}.lung_left.nii.gz")
    evaluate(**folders, probabilities=maps, quiet=True)
    detailed = read_detailed(folders["output"] / "metrics.csv").set_index(["case", "class"])
    assert detailed.loc[("two", "lung_left"), "auc"] == 1.0
    assert np.isnan(detailed.loc[("two", "lungs"), "auc"])
    (maps / "two.lung_left.nii.gz").unlink()
    with pytest.raises(typer.Exit):
        evaluate(**folders, probabilities=maps, quiet=True, overwrite=True)
    error = capsys.readouterr().err
    assert error.startswith("error: case two: ")
    assert "needs a map two.CLASS.nii.gz" in error


def test_results_are_replaced_only_when_asked(folders, capsys):
    evaluate(**folders, quiet=True)
    with pytest.raises(typer.Exit) as end:
        evaluate(**folders, quiet=True)
    assert end.value.exit_code == 2
    assert "--overwrite" in capsys.readouterr().err
    evaluate(**folders, quiet=True, overwrite=True)


@pytest.mark.parametrize("name", ["summary.json", "report.html"])
def test_results_of_another_command_are_replaced_only_when_asked(folders, capsys, name):
    folders["output"].mkdir()
    (folders["output"] / name).write_text("of an exploration")
    with pytest.raises(typer.Exit):
        evaluate(**folders, quiet=True)
    assert (
        f"must be free for results, found {name}; choose another folder or overwrite it (--overwrite)"
        in capsys.readouterr().err
    )
    assert (folders["output"] / name).read_text() == "of an exploration"
    evaluate(**folders, quiet=True, overwrite=True)
    assert (folders["output"] / name).read_text() != "of an exploration"


@pytest.mark.parametrize("of_the_run", [".", "fold_1"])
def test_a_run_is_never_written_over(folders, capsys, of_the_run):
    folders["output"].mkdir()
    for name in ("splits.json", "environment.json", "settings.yaml"):
        (folders["output"] / name).write_text("{}")
    for overwrite in (False, True):
        with pytest.raises(typer.Exit):
            evaluate(**folders | {"output": folders["output"] / of_the_run}, quiet=True, overwrite=overwrite)
        assert "this is a run folder with results; choose another folder" in capsys.readouterr().err
    assert len(list(folders["output"].iterdir())) == 3


def test_the_report_tells_what_was_warned_of(folders):
    sheared = np.eye(4)
    sheared[1, 2] = 0.2
    for role in ("reference", "prediction"):
        for name in ("one", "two"):
            nib.save(nib.Nifti1Image(mask().restore(), sheared), folders[role] / f"{name}.nii.gz")
    nib.save(nib.Nifti1Image(mask().restore(), sheared), folders["prediction"] / "three.nii.gz")
    evaluate(**folders, quiet=True)
    report = (folders["output"] / "report.html").read_text()
    assert '<p class="warning">Left out, as they have no reference: three</p>' in report
    assert '<p class="warning">case one, case two: the axes are not orthogonal' in report


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_call_that_failed_while_writing_leaves_no_scores_that_stand_in_the_way(folders, monkeypatch, overwrite):
    def full(*arguments, **further):
        raise OSError(28, "No space left on device")

    if overwrite:
        evaluate(**folders, quiet=True)
    with monkeypatch.context() as patched:
        patched.setattr("pneumoseg.evaluation.experiments.mask_evaluation.write_report", full)
        with pytest.raises(typer.Exit):
            evaluate(**folders, quiet=True, overwrite=overwrite)
    assert (folders["output"] / "final.csv").is_file()
    assert not (folders["output"] / "report.html").exists()
    evaluate(**folders, quiet=True)
    assert (folders["output"] / "metrics.csv").is_file()


def test_missing_predictions_end_in_one_line(folders, capsys):
    for path in folders["prediction"].iterdir():
        path.rename(path.with_name(f"other_{path.name}"))
    with pytest.raises(typer.Exit):
        evaluate(**folders)
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "missing: one, two" in error
    assert not folders["output"].exists()


def test_a_prediction_on_another_grid_is_refused_by_name(folders, capsys):
    small = Volume.from_source(np.zeros((4, 4, 4), np.uint8), np.eye(4))
    write_label_nifti(folders["prediction"] / "two.nii.gz", small, LUNG_LABELS)
    with pytest.raises(typer.Exit):
        evaluate(**folders, quiet=True)
    assert "case two: reference and prediction must have one shape" in capsys.readouterr().err


def write_dataset(folder, affine=None, shape=(16, 12, 6)) -> None:
    """Cases one and two with the reference mask; `affine` and `shape` are those of the CT of case two."""
    for name in ("one", "two"):
        odd = name == "two"
        image = np.full(shape if odd else (16, 12, 6), -800, np.int16)
        (folder / name).mkdir(parents=True, exist_ok=True)
        place = affine if odd and affine is not None else np.eye(4)
        nib.save(nib.Nifti1Image(image, place), folder / name / "imaging.nii.gz")
        write_label_nifti(folder / name / "segmentation.nii.gz", mask(), LUNG_LABELS)


def test_pictures_of_an_earlier_call_are_left_out(folders, tmp_path):
    """Without CTs nothing is drawn: the pictures that still lie there show other masks."""
    write_dataset(tmp_path / "data")
    evaluate(**(folders | {"reference": tmp_path / "data"}), quiet=True)
    assert "contours of reference" in (folders["output"] / "report.html").read_text()
    evaluate(**folders, quiet=True, overwrite=True)
    report = (folders["output"] / "report.html").read_text()
    assert "contours of reference" not in report
    assert "data-film" not in report


MOVED = np.eye(4)
MOVED[0, 3] = 50.0


@pytest.mark.parametrize(
    ("ct", "message"),
    [({"affine": MOVED}, "must lie in the same place"), ({"shape": (16, 12, 5)}, "must have one shape")],
)
def test_a_ct_that_lies_elsewhere_is_refused_before_anything_is_written(folders, tmp_path, capsys, ct, message):
    write_dataset(tmp_path / "data", **ct)
    with pytest.raises(typer.Exit):
        evaluate(**(folders | {"reference": tmp_path / "data"}), quiet=True)
    assert f"error: case two: reference and CT {message}" in capsys.readouterr().err
    assert not folders["output"].exists()


def test_a_ct_of_another_orientation_is_turned(folders, tmp_path):
    flipped = np.diag([-1.0, 1.0, 1.0, 1.0])
    flipped[0, 3] = 15.0
    write_dataset(tmp_path / "data", affine=flipped)
    evaluate(**(folders | {"reference": tmp_path / "data"}), quiet=True)
    assert (folders["output"] / "figures" / "two.png").is_file()


def test_a_wrong_label_leaves_nothing_of_the_cases_before(folders, tmp_path, capsys):
    write_dataset(tmp_path / "data")
    odd = mask().with_array(np.full((16, 12, 6), 9, np.uint8))
    nib.save(nib.Nifti1Image(odd.array, np.eye(4)), folders["prediction"] / "two.nii.gz")
    with pytest.raises(typer.Exit):
        evaluate(**(folders | {"reference": tmp_path / "data"}), quiet=True)
    error = capsys.readouterr().err
    assert error.startswith("error: case two: ")
    assert "found 9" in error
    assert not folders["output"].exists()


def test_a_mistyped_tolerance_names_the_nearest_class(folders, capsys):
    with pytest.raises(typer.Exit):
        evaluate(**folders, tolerance=["infecton=2"], quiet=True)
    assert "did you mean infection?" in capsys.readouterr().err
    assert not folders["output"].exists()


def test_an_evaluation_that_was_killed_before_its_last_file_is_no_obstacle(folders):
    metrics = folders["output"] / "metrics.csv"
    evaluate(**folders, quiet=True)
    before = metrics.read_text(encoding="utf-8")
    metrics.unlink()
    evaluate(**folders, quiet=True)
    assert metrics.read_text(encoding="utf-8") == before
    with pytest.raises(typer.Exit):
        evaluate(**folders, quiet=True)


def test_parts_and_then_the_whole(folders, tmp_path, capsys):
    evaluate(**(folders | {"output": tmp_path / "once"}), quiet=True)
    evaluate(**folders, part="1/2")
    assert "part 1/2 of 1 cases is done" in capsys.readouterr().out
    evaluate(**folders, part="2/2", json=True)
    assert json.loads(capsys.readouterr().out) == {"part": "2/2", "cases": ["two"]}
    evaluate(**folders, resume=True, quiet=True)
    assert (tmp_path / "out" / "metrics.csv").read_bytes() == (tmp_path / "once" / "metrics.csv").read_bytes()
    with pytest.raises(typer.Exit):
        evaluate(**folders, part="3/2")
    assert "--part: a part is I/N with I in 1..N" in capsys.readouterr().err


def test_workers_find_the_scores_of_one_process(folders, tmp_path, loopback_cluster):
    far = Volume.from_source(np.zeros((16, 12, 6), np.uint8), np.eye(4))
    for name in ("reference", "prediction"):
        write_label_nifti(folders[name] / "three.nii.gz", far, LUNG_LABELS)
    evaluate(**folders)
    spread = folders | {"output": tmp_path / "spread"}
    evaluate(**spread, scheduler=loopback_cluster.scheduler_address)
    for name in ("metrics.csv", "final.csv", "lesions.csv", "confusion.csv", "pooled.csv", "summary.json"):
        assert (tmp_path / "spread" / name).read_bytes() == (folders["output"] / name).read_bytes(), name
    (folders["prediction"] / "two.nii.gz").write_bytes(b"no image")
    with pytest.raises(typer.Exit) as ended:
        evaluate(**spread, overwrite=True, scheduler=loopback_cluster.scheduler_address)
    assert ended.value.exit_code == 2
    assert (tmp_path / "spread" / "metrics.csv").read_bytes() == (folders["output"] / "metrics.csv").read_bytes()
