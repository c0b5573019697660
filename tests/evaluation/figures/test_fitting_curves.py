"""Training histories become panels."""

import matplotlib.image
import pandas as pd
import pytest

from pneumoseg.data_io.errors import InputError
from pneumoseg.evaluation.figures.fitting_curves import fitting_curves, read_history
from pneumoseg.evaluation.figures.saving import save_figure

HISTORY = pd.DataFrame(
    {
        "epoch": [0, 1, 2, 3],
        "loss": [2.0, 1.5, 1.2, 1.0],
        "learning_rate": [1e-3, 1e-3, 1e-4, 1e-4],
        "seconds": [9.0, 9.0, 9.0, 9.0],
        "soft_dice": [0.1, 0.2, 0.3, 0.4],
        "val_loss": [2.1, None, 1.3, 1.4],
        "val_soft_dice": [0.1, None, 0.3, 0.3],
    }
)


def panels(figure) -> dict:
    return {axes.get_title(): axes for axes in figure.axes if axes.axison}


def test_one_panel_per_metric_with_training_and_validation():
    drawn = panels(fitting_curves(HISTORY, "Fold 0"))
    assert list(drawn) == ["loss", "soft dice", "learning rate"]
    assert {line.get_label() for line in drawn["loss"].lines} == {
        "training", "validation", "lowest validation loss (epoch 3)",
    }  # fmt: skip
    assert drawn["learning rate"].get_yscale() == "log"


def test_the_epoch_of_the_lowest_validation_loss_is_marked_in_each_panel():
    for axes in panels(fitting_curves(HISTORY)).values():
        (mark,) = [line for line in axes.lines if line.get_label() == "lowest validation loss (epoch 3)"]
        assert list(mark.get_xdata()) == [3, 3]
    (loss,) = panels(fitting_curves(HISTORY[["epoch", "loss"]])).values()
    assert [line.get_label() for line in loss.lines] == ["training"]


def test_epochs_are_counted_from_1_as_in_the_log():
    training, _ = (line for line in panels(fitting_curves(HISTORY))["loss"].lines if line.get_linestyle() != ":")
    assert list(training.get_xdata()) == [1, 2, 3, 4]


def test_any_subset_of_the_columns_will_do():
    assert list(panels(fitting_curves(HISTORY[["epoch", "loss"]]))) == ["loss"]
    assert list(panels(fitting_curves(HISTORY[["epoch", "val_soft_dice"]]))) == ["soft dice"]
    zero_rate = HISTORY[["epoch"]].assign(learning_rate=0.0)
    assert panels(fitting_curves(zero_rate))["learning rate"].get_yscale() == "linear"


def test_nothing_to_draw_is_refused():
    with pytest.raises(InputError, match="a column epoch and a metric"):
        fitting_curves(HISTORY[["epoch", "seconds"]])
    with pytest.raises(InputError, match="a column epoch and a metric"):
        fitting_curves(HISTORY[["loss"]])


def test_the_picture_is_not_blank(tmp_path):
    save_figure(fitting_curves(HISTORY), tmp_path / "curve.png", dpi=60)
    assert matplotlib.image.imread(tmp_path / "curve.png").std() > 0.02


def test_a_history_comes_back_ordered_with_the_later_of_two_rows(tmp_path):
    path = tmp_path / "history.csv"
    path.write_text("epoch,loss,val_loss\n0,3,\n2,1,1\n1,2,\n2,0.5,2\n")
    history = read_history(path)
    assert history["epoch"].tolist() == [0, 1, 2]
    assert history["loss"].tolist() == [3, 2, 0.5]
    assert history["val_loss"].isna().tolist() == [True, True, False]


@pytest.mark.parametrize(
    ("content", "message"),
    [("", "not readable as CSV"), ("loss\n1\n", "a column epoch"), ("epoch,loss\n", "at least one row"),
     ("epoch,loss\n0,low\n", "found text in loss")],
)  # fmt: skip
def test_bad_histories_are_refused(tmp_path, content, message):
    path = tmp_path / "history.csv"
    path.write_text(content)
    with pytest.raises(InputError, match=message):
        read_history(path)


def test_a_missing_history_is_refused(tmp_path):
    with pytest.raises(InputError, match="no such training history"):
        read_history(tmp_path / "history.csv")
