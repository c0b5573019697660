import pytest

from pneumoseg.data_io.errors import InputError
from pneumoseg.evaluation.experiments.full_training import train_final_model
from tests.evaluation.threshold import Threshold


def test_every_case_is_fitted_and_the_run_is_on_record(dataset, tmp_path):
    path = train_final_model(dataset, Threshold(), output=tmp_path / "model")
    assert path == tmp_path / "model" / "model.keras"
    assert (tmp_path / "model" / "seen.json").read_text() == '["a", "b", "c", "d", "e", "f"]'
    assert {"settings.yaml", "environment.json", "splits.json", "fitting_curve.png", "log.txt"} <= {
        file.name for file in (tmp_path / "model").iterdir()
    }
    assert (tmp_path / "model" / "splits.json").read_text().split() == ["[]"]


def test_an_earlier_training_is_kept(dataset, tmp_path):
    train_final_model(dataset, Threshold(), output=tmp_path / "model")
    with pytest.raises(InputError, match="exists already") as refused:
        train_final_model(dataset, Threshold(), output=tmp_path / "model")
    assert refused.value.options == ("resume", "overwrite")
