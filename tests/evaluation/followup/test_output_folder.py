"""The folder of a follow-up: what is in it, and that it is not replaced unasked."""

import json

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.formats.declared_labels import names_in
from pneumoseg.evaluation.followup import output_folder
from pneumoseg.evaluation.followup.comparison import DEFINITIONS
from pneumoseg.evaluation.followup.output_folder import (
    check_output,
    follow_up_content,
    readable,
    verdict,
    write_follow_up,
)
from pneumoseg.evaluation.followup.regions import REGIONS


@pytest.fixture(scope="module")
def folder(patient, tmp_path_factory):
    folder = tmp_path_factory.mktemp("followup") / "out"
    write_follow_up(patient.found, follow_up_content(patient.found, models={"fold_0": "abc"}), folder)
    return folder


def test_the_map_lies_on_the_follow_up_and_names_its_labels(patient, folder):
    image = nib.load(folder / "change.nii.gz")
    np.testing.assert_array_equal(np.asarray(image.dataobj), patient.found.change.restore())
    np.testing.assert_allclose(image.affine, patient.pair.follow_up_mask.stored_grid.affine, atol=1e-4)
    declared = dict(one for names in names_in(folder / "change.nii.gz") for one in [names])
    assert {"unchanged", "new", "resolved"} <= set(map(str, [*declared, *declared.values()]))


def test_the_tables_agree(folder):
    table = pd.read_csv(folder / "followup.csv")
    content = json.loads((folder / "followup.json").read_text())
    assert list(table.columns) == list(DEFINITIONS)
    assert list(table["region"]) == list(REGIONS)
    assert [row["region"] for row in content["regions"]] == list(REGIONS)
    assert table["change_ml"].tolist() == pytest.approx([row["change_ml"] for row in content["regions"]], rel=1e-4)
    assert content["label_map"]["labels"] == {"0": "background", "1": "unchanged", "2": "new", "3": "resolved"}
    assert content["registration"]["lungs_dice"] > 0.96
    assert content["noise"]["source"] is None and "masks that are given" in content["noise"]["reason"]
    assert content["models"] == {"fold_0": "abc"}


def test_a_figure_is_there_and_nothing_else(folder):
    assert sorted(path.name for path in folder.iterdir()) == [
        "change.nii.gz", "followup.csv", "followup.json", "followup.png",
    ]  # fmt: skip
    assert (folder / "followup.png").stat().st_size > 20_000


def test_results_are_replaced_only_when_asked(folder):
    with pytest.raises(InputError, match="must be free for results") as refused:
        check_output(folder)
    assert refused.value.options == ("overwrite",)
    check_output(folder, overwrite=True)


def test_a_table_of_before_does_not_stand_beside_other_results(patient, tmp_path, monkeypatch):
    content = follow_up_content(patient.found, models={})
    write_follow_up(patient.found, content, tmp_path)
    monkeypatch.setattr(output_folder, "save_figure", lambda *arguments: {}["interrupted"])
    with pytest.raises(KeyError):
        write_follow_up(patient.found, content, tmp_path, overwrite=True)
    assert not (tmp_path / "followup.csv").exists()


def test_what_the_terminal_shows(patient):
    lines = readable(patient.found).splitlines()
    assert lines[0].split()[0] == "region"
    assert [line.split()[0] for line in lines[2:11]] == list(REGIONS)
    assert any("correlation of vessels" in line for line in lines)
    assert any(line.startswith("beyond noise: not known") for line in lines)
    assert "no diagnosis" in lines[-1]


def test_verdicts_are_words():
    assert [verdict(known) for known in (True, False, None)] == ["yes", "no", ""]
