"""Studies of a cohort file as cases of a dataset."""

from dataclasses import replace

import numpy as np

from pneumoseg.data_io.datasets.studies import Study, open_cohort
from tests.data_io.datasets.cohorts import arrays, entry, write


def test_studies_are_ordered_by_name_and_keep_their_images(tmp_path):
    path = write(tmp_path / "cohort.h5", [entry("bert", diseased=True, score=70.0), entry("anna")])
    dataset = open_cohort(path)
    assert [(case.name, case.patient, case.index) for case in dataset] == [
        ("anna", "of anna", 1),
        ("bert", "of bert", 0),
    ]
    assert dataset.root == path
    image = dataset.case("bert").read_image()
    expected = next(arrays(1))[0]
    assert image.array.shape == image.grid.shape == (6, 5, 4)
    assert image.array[1, 2, 3] == expected[3, 2, 1]
    assert image.spacing_mm == (2.5, 2.5, 5.0)
    assert image.grid.axis_codes == "RAS"
    np.testing.assert_allclose(image.grid.affine @ [2.5, 2, 1.5, 1], [0, 0, 0, 1])
    assert dataset.case("bert").read_grid().matches(image.grid)


def test_the_stratum_tells_label_and_category():
    study = Study("anna", None, None, "anna", diseased=True)
    assert study.stratum == "diseased"
    assert [replace(study, score=score).stratum for score in (0.0, 19.9, 20.0, 79.9, 80.0, 100.0)] == [
        "diseased 0", "diseased 0", "diseased 1", "diseased 3", "diseased 4", "diseased 4",
    ]  # fmt: skip
    assert replace(study, diseased=None, score=45.0).stratum == " 2"


def test_one_ct_under_two_names_is_of_one_patient(tmp_path, said):
    same = entry("anna").content
    entries = [entry("anna"), entry("bert", content=same), entry("clara", patient="of bert"), entry("dora")]
    dataset = open_cohort(write(tmp_path / "cohort.h5", entries))
    assert [case.patient for case in dataset] == ["of anna", "of anna", "of anna", "of dora"]
    assert said.messages == ["anna, bert are one and the same CT; they stay together in splits"]


def test_patients_joined_by_two_cts_are_one(tmp_path):
    first, second = entry("anna").content, entry("dora").content
    entries = [
        entry("anna"),
        entry("bert", content=first, patient="b"),
        entry("clara", patient="b"),
        entry("dora", patient="z"),
        entry("emil", content=second, patient="b"),
    ]
    dataset = open_cohort(write(tmp_path / "cohort.h5", entries))
    assert len({case.patient for case in dataset}) == 1


def test_the_fingerprint_changes_with_content_targets_and_preparation(tmp_path):
    study = open_cohort(write(tmp_path / "cohort.h5", [entry("anna")])).case("anna")
    changed = ({"content": "x"}, {"diseased": True}, {"score": 3.0}, {"preparation": "x"})
    prints = {study.fingerprint(), *(replace(study, **change).fingerprint() for change in changed)}
    assert len(prints) == 5
    assert replace(study, image=tmp_path / "elsewhere.h5", name="other").fingerprint() == study.fingerprint()
