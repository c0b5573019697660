import json
import pickle
from dataclasses import replace

import numpy as np
import pytest

from pneumoseg.data_io.datasets.dataset import Case
from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.formats.nifti import write_label_nifti
from pneumoseg.data_io.volumes.labels import LUNG_LABELS, LabelTable
from pneumoseg.data_io.volumes.partial_labels import IGNORED
from pneumoseg.data_io.volumes.volume import Volume
from pneumoseg.pipeline.preprocessing.case_store import CaseStore, StoredCase
from pneumoseg.pipeline.preprocessing.preprocessor import Preprocessor
from pneumoseg.pipeline.settings.schema import PreprocessingSettings


def write_case(folder, name="one", value=3) -> Case:
    labels = np.zeros((6, 5, 4), np.uint8)
    labels[1:3, 2, 1] = value
    volume = Volume.from_source(labels, np.eye(4))
    folder.mkdir(parents=True, exist_ok=True)
    for file in ("imaging.nii.gz", "segmentation.nii.gz"):
        write_label_nifti(folder / file, volume, LUNG_LABELS)
    return Case(name, folder / "imaging.nii.gz", folder / "segmentation.nii.gz", name)


def store(folder, **settings) -> CaseStore:
    return CaseStore(folder, Preprocessor(PreprocessingSettings(spacing_mm=None, **settings)), LUNG_LABELS)


def test_a_stored_case_holds_what_the_preprocessor_gives(tmp_path):
    case = write_case(tmp_path / "one")
    stored = store(tmp_path / "store").get(case)
    prepared = Preprocessor(PreprocessingSettings(spacing_mm=None)).apply(*case.read_pair(4))
    np.testing.assert_allclose(stored.image, prepared.image, atol=1e-3)
    np.testing.assert_array_equal(stored.labels, prepared.labels)
    assert stored.image.dtype == np.float16
    assert stored.facts["voxels"] == [118, 0, 0, 2]
    assert sorted(map(tuple, stored.foreground(3))) == [(1, 2, 1), (2, 2, 1)]
    assert len(stored.foreground(1)) == 0


def test_the_second_time_nothing_is_read(tmp_path, monkeypatch):
    case = write_case(tmp_path / "one")
    first = store(tmp_path / "store").get(case)
    monkeypatch.setattr(Preprocessor, "apply", lambda *arguments: pytest.fail("preprocessed twice"))
    assert store(tmp_path / "store").get(case) == first


@pytest.mark.parametrize("name", ["case.json", "image.npy", "labels.npy", "foreground_3.npy"])
@pytest.mark.parametrize("fault", ["missing", "truncated", "empty"])
def test_a_damaged_entry_is_made_anew(tmp_path, name, fault):
    case = write_case(tmp_path / "one")
    stored = store(tmp_path / "store").get(case)
    file = stored.folder / name
    whole = {path.name: path.read_bytes() for path in stored.folder.iterdir()}
    file.unlink() if fault == "missing" else file.write_bytes(whole[name][:-1] if fault == "truncated" else b"")
    again = store(tmp_path / "store").get(case)
    assert again == stored
    assert {path.name: path.read_bytes() for path in again.folder.iterdir()} == whole


def test_other_names_of_classes_or_of_labels_are_another_entry(tmp_path):
    """Labels are read by their names: what is called otherwise may be numbered otherwise."""
    case = write_case(tmp_path / "one", value=2)
    exchanged = LabelTable(("background", "lung_right", "lung_left", "infection"), LUNG_LABELS.colours)
    cases = (case, replace(case, label_names=(("Left lung", (1,)), ("Right lung", (2,)))))
    stores = [CaseStore(tmp_path / "store", store(tmp_path).preprocessor, table) for table in (LUNG_LABELS, exchanged)]
    found = {(table.labels.names[1], number): table.get(one) for table in stores for number, one in enumerate(cases)}
    assert len({stored.folder for stored in found.values()}) == 4
    left, right = found["lung_left", 0].labels, found["lung_right", 0].labels
    assert (left == 2).any()
    np.testing.assert_array_equal(np.array([0, 2, 1, 3])[left], right)


def test_a_changed_file_or_setting_is_another_entry(tmp_path):
    entries = {store(tmp_path / "store").get(write_case(tmp_path / "one")).folder}
    entries.add(store(tmp_path / "store").get(write_case(tmp_path / "one", value=2)).folder)
    entries.add(store(tmp_path / "store", window_hu=(-1000, 0)).get(write_case(tmp_path / "one")).folder)
    assert len(entries) == 3


def test_a_failure_leaves_nothing(tmp_path, monkeypatch):
    case = write_case(tmp_path / "one")

    def full(*arguments, **keywords):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "save", full)
    with pytest.raises(OSError, match="No space left"):
        store(tmp_path / "store").get(case)
    assert list((tmp_path / "store" / "cases").iterdir()) == []


def test_a_case_without_mask_is_refused(tmp_path):
    case = Case("one", write_case(tmp_path / "one").image, None, "one")
    with pytest.raises(InputError, match="case one: a mask is needed"):
        store(tmp_path / "store").get(case)


def test_a_stored_case_travels_as_a_path(tmp_path):
    import pickle

    stored = store(tmp_path / "store").get(write_case(tmp_path / "one"))
    assert stored.image.shape == (6, 5, 4, 1) and stored.shape == (6, 5, 4)
    message = pickle.dumps(stored)
    assert len(message) < 1000
    assert isinstance(pickle.loads(message), StoredCase)


def test_an_entry_lets_in_whom_any_new_folder_does(tmp_path):
    stored = store(tmp_path / "store").get(write_case(tmp_path / "one"))
    (tmp_path / "new").mkdir()
    assert stored.folder.stat().st_mode == (tmp_path / "new").stat().st_mode


def test_an_entry_lists_voxels_of_every_class_but_the_background(tmp_path):
    stored = store(tmp_path / "store").get(write_case(tmp_path / "one"))
    assert sorted(path.name for path in stored.folder.glob("foreground_*")) == [
        "foreground_1.npy",
        "foreground_2.npy",
        "foreground_3.npy",
    ]


def test_facts_of_an_entry_made_again_are_the_new_ones(tmp_path):
    case = write_case(tmp_path / "one")
    stored = store(tmp_path / "store").get(case)
    facts = json.loads((stored.folder / "case.json").read_text())
    del facts["warnings"]
    (stored.folder / "case.json").write_text(json.dumps(facts))
    assert store(tmp_path / "store").get(case).facts["warnings"] == []


def test_an_entry_is_the_same_with_the_statistics_of_a_model(tmp_path):
    case = write_case(tmp_path / "one")
    of_model = store(tmp_path / "first", normalisation="dataset", statistics=((0.9, 0.1),)).get(case)
    plain = store(tmp_path / "second", normalisation="dataset").get(case)
    assert of_model.folder.name == plain.folder.name and of_model.facts == plain.facts


def write_valid(case: Case, keep: slice) -> Case:
    valid = np.zeros((6, 5, 4), np.uint8)
    valid[keep] = 1
    path = case.image.with_name("valid.nii.gz")
    write_label_nifti(path, Volume.from_source(valid, np.eye(4)), LUNG_LABELS)
    return replace(case, valid=path)


def test_voxels_that_are_not_valid_are_stored_as_ignored(tmp_path):
    case = write_valid(write_case(tmp_path / "one"), np.s_[2:])
    stored = store(tmp_path / "store").get(case)
    assert (np.asarray(stored.labels)[:2] == IGNORED).all()
    assert stored.facts["voxels"] == [79, 0, 0, 1]
    assert stored.facts["ignored"] == 40
    assert sorted(map(tuple, stored.foreground(3))) == [(2, 2, 1)]


def test_a_case_without_a_voxel_that_counts_on_the_networks_grid_is_refused(tmp_path):
    case = write_valid(write_case(tmp_path / "one"), np.s_[0, 0, 0])
    coarse = Preprocessor(PreprocessingSettings(spacing_mm=(3, 3, 2)))
    with pytest.raises(InputError, match=r"valid\.nii\.gz: on the network's grid no voxel counts; leave"):
        CaseStore(tmp_path / "store", coarse, LUNG_LABELS).get(case)


def test_another_valid_is_another_entry(tmp_path):
    case = write_case(tmp_path / "one")
    entries = {store(tmp_path / "store").get(one).folder for one in (case, write_valid(case, np.s_[2:]))}
    assert len(entries | {store(tmp_path / "store").get(write_valid(case, np.s_[3:])).folder}) == 3


def test_the_classes_that_may_hide_are_stored(tmp_path):
    case = replace(write_case(tmp_path / "one", value=2), labelled=("lung_left", "lung_right"))
    assert store(tmp_path / "store").get(case).facts["hidden"] == [[], [3], [3], []]


def test_other_hosts_of_a_hidden_class_are_another_entry(tmp_path):
    case = replace(write_case(tmp_path / "one", value=2), labelled=("lung_left", "lung_right"))
    plain = CaseStore(tmp_path / "store", store(tmp_path).preprocessor, replace(LUNG_LABELS, within=()))
    assert store(tmp_path / "store").get(case).facts["hidden"] == [[], [3], [3], []]
    assert plain.get(case).facts["hidden"] == [[3], [], [], []]


def test_a_copy_in_another_process_keeps_weight_and_variant(tmp_path):
    stored = store(tmp_path / "store").get(write_case(tmp_path / "one"))
    whole = replace(stored, weight=3.0, equalised=stored)
    assert whole.labels.any()  # memory-mapped: not part of the copy
    assert pickle.loads(pickle.dumps(whole)) == whole
