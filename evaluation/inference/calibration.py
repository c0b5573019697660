"""The verdict on a predicted mask, by the calibration that belongs to its model: trust.json of a run or a bundle."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from pneumoseg.evaluation.measures.plausibility import Finding
from pneumoseg.evaluation.measures.trust import Calibration
from pneumoseg.evaluation.measures.verdict import judged
from pneumoseg.evaluation.scoring.trust_file import read_calibration
from pneumoseg.pipeline.models.bundle_card import TRUST
from pneumoseg.pipeline.models.bundled import model_path
from pneumoseg.pipeline.prediction.signals import Signals, in_json

ABSENT = "no verdict: the model has no calibration (trust.json of a run of kfold or vote, or of a bundle made with it)"
SEVERAL = "no verdict: several models have no calibration together; measure them with vote, and predict with a bundle"


def calibration_of(models: Sequence[str | Path]) -> Calibration | str:
    """The calibration beside a model, or in words why there is none. Raises InputError where it is damaged."""
    if len(models) != 1:
        return SEVERAL
    path = model_path(models[0])
    calibration = (path if path.is_dir() else path.parent) / TRUST
    return read_calibration(calibration) if calibration.is_file() else ABSENT


def verdict_of(calibration: Calibration | str, signals: Signals, findings: Sequence[Finding]) -> dict:
    """What a manifest says of how far its mask may be trusted: `verdict` (None without calibration), `reasons`, by
    class the `predicted_dice` with `low` and `high`, the `signals`, and what the `calibration` rests on."""
    if isinstance(calibration, str):
        return {"verdict": None, "reasons": [calibration], "signals": in_json(signals)}
    trust = judged(calibration, signals, findings)
    return {
        "verdict": trust.verdict,
        "reasons": list(trust.reasons),
        "classes": {
            name: None if one is None else {key: round(value, 3) for key, value in asdict(one).items()}
            for name, one in trust.classes.items()
        },
        "signals": in_json(signals),
        "calibration": {
            name: {"cases": len(one), "coverage": calibration.coverage.get(name)}
            for name, one in calibration.classes.items()
        },
    }
