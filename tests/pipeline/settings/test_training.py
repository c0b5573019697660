"""Settings of networks, losses and training: what may be combined."""

import pytest
from pydantic import ValidationError

from pneumoseg.pipeline.settings.training import LossSettings, NetworkSettings, PlateauSettings, TrainingSettings

CONSTANT = {"schedule": "constant", "early_stop_patience": None}


def test_without_a_monitor_the_last_weights_are_kept_at_a_fixed_schedule():
    assert TrainingSettings(monitor="none", **CONSTANT).monitor == "none"


@pytest.mark.parametrize("change", [{"schedule": "plateau"}, {"early_stop_patience": 5}])
def test_plateau_and_early_stopping_need_a_monitor(change):
    with pytest.raises(ValidationError, match="monitor none has no loss"):
        TrainingSettings(monitor="none", **(CONSTANT | change))


@pytest.mark.parametrize(
    ("group", "values"),
    [
        (NetworkSettings, {"filters": (32,)}),
        (NetworkSettings, {"filters": (32, 0)}),
        (NetworkSettings, {"batch_norm_momentum": 1.0}),
        (LossSettings, {"alpha": 0.0}),
        (LossSettings, {"balance": 1.1}),
        (PlateauSettings, {"factor": 1.0}),
        (TrainingSettings, {"average_decay": 1.0}),
        (TrainingSettings, {"optimizer": "lion"}),
        (TrainingSettings, {"precision": "float16"}),
    ],
)
def test_values_out_of_range_are_refused(group, values):
    with pytest.raises(ValidationError):
        group(**values)


def test_groups_cannot_be_changed():
    with pytest.raises(ValidationError, match="frozen"):
        TrainingSettings().epochs = 5


@pytest.mark.parametrize("change", [{"best": "iou"}, {"best": "tverski"}])
def test_the_best_epoch_is_chosen_by_a_metric_that_is_computed(change):
    with pytest.raises(ValidationError, match="best is loss or one of the metrics, tversky, soft-dice"):
        TrainingSettings(**change)


def test_the_last_epoch_is_not_the_best_by_a_score():
    with pytest.raises(ValidationError, match="monitor none keeps the last epoch; best iou needs"):
        TrainingSettings(monitor="none", best="iou", metrics=("iou",), **CONSTANT)


@pytest.mark.parametrize(
    ("best", "smallest"), [("loss", True), ("jaccard-distance", True), ("iou", False), ("mine:score", False)]
)
def test_losses_are_the_better_the_smaller(best, smallest):
    assert TrainingSettings(best=best, metrics=("iou", "jaccard-distance", "mine:score")).best_is_smallest == smallest


def test_blocks_of_other_networks_have_a_fixed_number_of_convolutions():
    assert NetworkSettings(convolutions=1).convolutions == 1
    assert NetworkSettings(name="mine:network", convolutions=3).convolutions == 3
    with pytest.raises(ValidationError, match="convolutions 1 is for the standard-unet, found dense-unet"):
        NetworkSettings(name="dense-unet", convolutions=1)
