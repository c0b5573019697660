import numpy as np
import pytest

from pneumoseg.data_io.errors import InputError
from pneumoseg.evaluation.inference.calibration import ABSENT, SEVERAL, calibration_of, verdict_of
from pneumoseg.evaluation.measures.trust import Calibration, DiceCalibration
from pneumoseg.evaluation.scoring.trust_file import write_calibration
from pneumoseg.pipeline.prediction.signals import ClassSignals, Signals


@pytest.fixture
def calibration() -> Calibration:
    values = np.linspace(0.1, 0.5, 8)
    known = DiceCalibration(("entropy",), values[:, None], 1 - values, np.arange(8))
    return Calibration({"infection": known}, np.ones(8), np.arange(8), {"infection": 0.75})


def test_it_lies_beside_the_model_of_a_run_a_bundle_or_a_file(tmp_path, calibration):
    (tmp_path / "model.keras").touch()
    assert calibration_of([tmp_path]) == ABSENT
    write_calibration(tmp_path / "trust.json", calibration)
    for model in (tmp_path, tmp_path / "model.keras"):
        found = calibration_of([model])
        assert isinstance(found, Calibration) and found.coverage == {"infection": 0.75}
    assert calibration_of([tmp_path, tmp_path]) == SEVERAL


def test_a_damaged_one_is_an_error(tmp_path):
    (tmp_path / "trust.json").write_text("{}")
    with pytest.raises(InputError, match=r"trust.json: a calibration of format 1 is needed"):
        calibration_of([tmp_path])


def test_a_manifest_has_the_verdict_and_what_it_rests_on(calibration):
    signals = Signals({"infection": ClassSignals(10.0, 11.0, entropy=0.2)}, 0.9)
    found = verdict_of(calibration, signals, [])
    assert (found["verdict"], found["reasons"]) == ("use", [])
    assert set(found["classes"]["infection"]) == {"predicted_dice", "low", "high"}
    assert found["calibration"] == {"infection": {"cases": 8, "coverage": 0.75}}
    assert found["signals"]["distance"] == 0.9


def test_without_calibration_there_is_no_verdict_but_a_reason(calibration):
    found = verdict_of(ABSENT, Signals({}, None), [])
    assert (found["verdict"], found["reasons"]) == (None, [ABSENT])
    assert "classes" not in found
