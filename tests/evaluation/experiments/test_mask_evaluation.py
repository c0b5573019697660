import functools

import numpy as np
import pandas as pd
import pytest

from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.formats.nifti import write_label_nifti
from pneumoseg.data_io.volumes.labels import LUNG_LABELS
from pneumoseg.data_io.volumes.volume import Volume
from pneumoseg.evaluation.experiments import mask_evaluation
from pneumoseg.evaluation.experiments.mask_evaluation import check_output, evaluate_masks, evaluate_part
from pneumoseg.pipeline.runtime.executors import SerialExecutor

pytestmark = pytest.mark.usefixtures("unrendered")


@pytest.fixture
def masks(tmp_path):
    """Folders of references and predictions: case b is predicted right, half of the infection of a is missed."""
    labels = np.zeros((6, 6, 4), np.uint8)
    labels[1:3], labels[4:6] = 1, 2
    labels[1, 1:3, 1] = 3
    missed = labels.copy()
    missed[1, 1, 1] = 1
    for folder, arrays in (("reference", (labels, labels)), ("prediction", (missed, labels))):
        for name, array in zip("ab", arrays, strict=True):
            volume = Volume.from_source(array, np.eye(4))
            write_label_nifti(tmp_path / folder / f"{name}.nii.gz", volume, LUNG_LABELS)
    return tmp_path / "reference", tmp_path / "prediction"


def test_the_tables_hold_every_case(masks, tmp_path):
    final = evaluate_masks(*masks, output=tmp_path / "scores")
    detailed = pd.read_csv(tmp_path / "scores" / "metrics.csv")
    infection = detailed[detailed["class"] == "infection"].set_index("case")["dice"]
    assert infection.to_dict() == {"a": pytest.approx(2 / 3), "b": 1.0}  # 2 TP / (2 TP + FP + FN) with TP 1, FN 1
    row = final[(final["fold"] == "all") & (final["class"] == "infection")].iloc[0]
    assert row["dice_mean"] == pytest.approx(5 / 6)
    assert (tmp_path / "scores" / "report.html").is_file()


def test_nothing_is_written_before_every_case_is_read(masks, tmp_path):
    reference, prediction = masks
    (prediction / "b.nii.gz").write_bytes(b"nothing")
    with pytest.raises(InputError, match="case b"):
        evaluate_masks(reference, prediction, output=tmp_path / "scores")
    assert [path for path in (tmp_path / "scores").rglob("*") if path.is_file()] == []


def test_results_are_protected(masks, tmp_path):
    output = tmp_path / "scores"
    check_output(output)
    evaluate_masks(*masks, output=output)
    with pytest.raises(InputError, match="overwrite"):
        check_output(output)
    with pytest.raises(InputError, match="overwrite"):
        evaluate_masks(*masks, output=output)
    evaluate_masks(*masks, output=output, overwrite=True)


def test_a_dataset_says_what_counts(masks, tmp_path):
    """The voxel that was missed in case a does not count."""
    reference, prediction = masks
    for name in "ab":
        folder = tmp_path / "data" / name
        folder.mkdir(parents=True)
        for file in ("imaging", "segmentation"):
            (folder / f"{file}.nii.gz").write_bytes((reference / f"{name}.nii.gz").read_bytes())
    valid = np.ones((6, 6, 4), np.uint8)
    valid[1, 1, 1] = 0
    write_label_nifti(tmp_path / "data" / "a" / "valid.nii.gz", Volume.from_source(valid, np.eye(4)), LUNG_LABELS)
    evaluate_masks(tmp_path / "data", prediction, output=tmp_path / "scores")
    detailed = pd.read_csv(tmp_path / "scores" / "metrics.csv")
    infection = detailed[detailed["class"] == "infection"].set_index("case")
    assert infection["dice"].to_dict() == {"a": 1.0, "b": 1.0}
    assert infection["volume_reference_ml"].to_dict() == {"a": pytest.approx(0.001), "b": pytest.approx(0.002)}
    assert infection["source"].to_dict() == {"a": "a", "b": "b"}
    assert (tmp_path / "scores" / "final.by_source.csv").is_file()
    (tmp_path / "data" / "patients.csv").write_text("case,patient,labels_present\na,a,lung_left lung_right\nb,b,\n")
    with pytest.raises(
        InputError, match=r"case a: .*segmentation\.nii\.gz: labels_present denies .*found 2 of infection"
    ):
        evaluate_masks(tmp_path / "data", prediction, output=tmp_path / "scores", overwrite=True)


def test_parts_make_the_whole_to_the_last_byte(masks, tmp_path, monkeypatch):
    reference, prediction = masks
    for folder in (reference, prediction):
        (folder / "c.nii.gz").write_bytes((folder / "a.nii.gz").read_bytes())
    settings = {"tolerances_mm": {"infection": 0.5}}
    evaluate_masks(reference, prediction, output=tmp_path / "one" / "scores", **settings)
    output = tmp_path / "many" / "scores"
    assert evaluate_part(reference, prediction, "2/2", output=output, **settings) == ["b"]
    assert evaluate_part(reference, prediction, "1/2", output=output, **settings) == ["a", "c"]
    assert not (output / "metrics.csv").exists()
    monkeypatch.setattr("pneumoseg.evaluation.experiments.mask_evaluation.score_and_draw", None)  # not called again
    evaluate_masks(reference, prediction, output=output, resume=True, **settings)
    whole = {path.relative_to(tmp_path / "one" / "scores") for path in (tmp_path / "one" / "scores").rglob("*.*")}
    assert {path.as_posix() for path in whole} > {"metrics.csv", "lesions.csv", "confusion.csv", "report.html"}
    for path in whole:
        assert (output / path).read_bytes() == (tmp_path / "one" / "scores" / path).read_bytes(), path


def test_parts_that_are_missing_are_scored_with_the_whole(masks, tmp_path):
    evaluate_part(*masks, "1/2", output=tmp_path / "scores")
    final = evaluate_masks(*masks, output=tmp_path / "scores", resume=True)
    assert final.equals(evaluate_masks(*masks, output=tmp_path / "once"))


def test_a_part_goes_on_or_is_made_again(masks, tmp_path, monkeypatch):
    part = functools.partial(evaluate_part, *masks, "1/2", output=tmp_path)
    part()
    with pytest.raises(InputError, match=r"1_of_2\.json: exists already"):
        part()
    with pytest.raises(InputError, match="give one of them"):
        part(resume=True, overwrite=True)
    monkeypatch.setattr("pneumoseg.evaluation.experiments.mask_evaluation.score_and_draw", None)
    part(resume=True)
    with pytest.raises(TypeError):
        part(overwrite=True)
    with pytest.raises(InputError, match=r"made with other settings \(tolerances_mm\)"):
        part(resume=True, tolerances_mm={"infection": 1.0})


def test_what_an_executor_scored_is_kept_where_another_case_fails(masks, tmp_path, monkeypatch):
    evaluate_masks(*masks, output=tmp_path / "once")
    good = (masks[1] / "b.nii.gz").read_bytes()
    (masks[1] / "b.nii.gz").write_bytes(b"nothing")
    with pytest.raises(InputError, match="case b"):
        evaluate_masks(*masks, output=tmp_path / "scores", executor=SerialExecutor())
    assert [path.name for path in (tmp_path / "scores").rglob("*.*")] == ["1_of_2.json"]
    (masks[1] / "b.nii.gz").write_bytes(good)
    measured = []
    measure = mask_evaluation._measured
    monkeypatch.setattr(
        mask_evaluation, "_measured", lambda *given, **how: measured.append(given[2].case) or measure(*given, **how)
    )
    evaluate_masks(*masks, output=tmp_path / "scores", resume=True, executor=SerialExecutor())
    assert measured == ["b"]
    for name in ("metrics.csv", "final.csv", "lesions.csv"):
        assert (tmp_path / "scores" / name).read_bytes() == (tmp_path / "once" / name).read_bytes()


def test_pictures_of_parts_are_those_of_the_whole(masks, tmp_path):
    reference, prediction = masks
    for name in "ab":
        folder = tmp_path / "data" / name
        folder.mkdir(parents=True)
        for file in ("imaging", "segmentation"):
            (folder / f"{file}.nii.gz").write_bytes((reference / f"{name}.nii.gz").read_bytes())
    for part in ("1/2", "2/2"):
        evaluate_part(tmp_path / "data", prediction, part, output=tmp_path / "scores")
    (tmp_path / "scores" / "figures" / "a.png").unlink()  # is drawn again
    evaluate_masks(tmp_path / "data", prediction, output=tmp_path / "scores", resume=True)
    assert {f"{name}.{suffix}" for name in "ab" for suffix in ("png", "gif", "webp")} <= {
        path.name for path in (tmp_path / "scores" / "figures").iterdir()
    }
