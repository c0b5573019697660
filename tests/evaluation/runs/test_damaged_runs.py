"""Damaged files of a run folder end in one line that names the file, whoever reads them."""

import shutil

import pytest

from pneumoseg.data_io.errors import InputError
from pneumoseg.evaluation.figures.case_pictures import film_strip
from pneumoseg.evaluation.runs.run_folder import RunFolder, check_same_data, open_finished, open_run
from pneumoseg.evaluation.scoring import files
from pneumoseg.pipeline.methods.voting import Voting
from tests.evaluation.threshold import run

NO_JSON = ["", "{", "[" * 100_000, '{"a": ' + "9" * 5000 + "}", '{"data": NaN}', "null", "3", '"text"']


def opened(root, **flags):
    return open_run(root, "seed: 0\n", [], fingerprints={}, seed=0, **flags).root


@pytest.fixture
def folder(tmp_path):
    """A run of which nothing has been done."""
    return opened(tmp_path / "run")


@pytest.fixture
def scored(dataset, tmp_path, without_pictures):
    """A run with two folds that are finished."""
    return run(dataset, tmp_path / "run", folds=[0, 1]).run.root


@pytest.mark.parametrize(
    "text", [*NO_JSON, "[]", "{}", '{"data": []}', '{"data": {"a": 1}}', '{"data": {}, "start_from": 3}']
)
def test_a_damaged_environment(dataset, folder, text):
    (folder / "environment.json").write_text(text, encoding="utf-8")
    for use in (lambda: opened(folder, resume=True), lambda: check_same_data(open_finished(folder), dataset)):
        with pytest.raises(InputError, match=r"environment\.json: ") as caught:
            use()
        assert len(str(caught.value)) < 600


@pytest.mark.parametrize("text", [*NO_JSON, "{}"])
def test_damaged_splits(folder, text):
    (folder / "splits.json").write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=r"splits\.json: "):
        opened(folder, resume=True)


@pytest.mark.parametrize("text", ["a: [", "a: &a [*a]", "a: " + "[" * 100_000, f"a: {'9' * 5000}", "a: !!int x"])
def test_damaged_settings(folder, text):
    (folder / "settings.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match="settings of the run: not YAML"):
        opened(folder, resume=True)


def test_binary_settings_are_named(folder):
    (folder / "settings.yaml").write_bytes(b"seed: \xff")
    with pytest.raises(InputError, match=r"settings\.yaml: .*UTF-8"):
        opened(folder, resume=True)


@pytest.mark.parametrize("text", ["2020-01-01: 3\n", "1: 2\nnull: 3\n"])
def test_settings_of_other_types_differ(folder, text):
    (folder / "settings.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=r"settings \("):
        opened(folder, resume=True)


@pytest.mark.parametrize("text", [*NO_JSON, '{"model choice": 3}', '{"model choice": ["a"]}'])
def test_a_damaged_summary(folder, text):
    (folder / "summary.json").write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=r"summary\.json: "):
        _ = RunFolder(folder).summary


@pytest.mark.parametrize(
    "text",
    [
        *NO_JSON,
        "{}",
        '{"slices": [0, 1], "total_slices": 9}',
        '{"slices": ["a"], "total_slices": 9, "first": 0}',
        '{"slices": [0.5], "total_slices": 9, "first": 0}',
        '{"slices": 3, "total_slices": 9, "first": 0}',
        '{"slices": [0, 9], "total_slices": 9, "first": 0}',
        '{"slices": [-1], "total_slices": 9, "first": 0}',
        '{"slices": [0, 1], "total_slices": 9, "first": 2}',
        '{"slices": [], "total_slices": 9, "first": 0}',
    ],
)
def test_a_damaged_strip(tmp_path, text):
    (tmp_path / "a.webp").write_bytes(b"")
    (tmp_path / "a.strip.json").write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=r"a\.strip\.json: "):
        film_strip(tmp_path, "a", "a")


@pytest.mark.parametrize("text", ["", "reference\n", "x,y\n1\n", 'a,"b\n', "reference,a\na," + "9" * 30 + "\n"])
def test_damaged_tables_of_counts(tmp_path, scored, text):
    path = scored / "fold_0" / "confusion.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=r"confusion\.csv: "):
        files.merge_counts([scored / "fold_0", scored / "fold_1"], tmp_path)


@pytest.mark.parametrize("content", [b"", b"a,b\n1,2\n", b'case,"x\n', b"\xff\xfe"])
def test_damaged_tables_of_lesions(tmp_path, scored, content):
    (scored / "fold_0" / "lesions.csv").write_bytes(content)
    with pytest.raises(InputError, match=r"lesions\.csv: "):
        files.merge_counts([scored / "fold_0", scored / "fold_1"], tmp_path)


def test_classes_of_one_fold_that_are_not_the_others(tmp_path, scored):
    path = scored / "fold_1" / "confusion.csv"
    path.write_text(path.read_text(encoding="utf-8").replace("infection", "lesion"), encoding="utf-8")
    with pytest.raises(InputError, match=r"fold_1/confusion\.csv: the classes of .*fold_0"):
        files.merge_counts([scored / "fold_0", scored / "fold_1"], tmp_path)


@pytest.mark.parametrize("text", NO_JSON)
def test_damaged_records_of_who_voted(tmp_path, text):
    (tmp_path / "fold_0").mkdir()
    (tmp_path / "fold_0" / "models.json").write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=r"models\.json: "):
        Voting((tmp_path,)).check_unchanged(tmp_path)
    shutil.copytree(tmp_path / "fold_0", tmp_path / "fold_old")  # somebody's copy, of no fold
    shutil.rmtree(tmp_path / "fold_0")
    Voting((tmp_path,)).check_unchanged(tmp_path)
