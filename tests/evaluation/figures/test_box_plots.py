"""Score tables become boxes and points."""

import matplotlib.image
import numpy as np
import pandas as pd
import pytest

from pneumoseg.data_io.errors import InputError
from pneumoseg.evaluation.figures.box_plots import box_plots
from pneumoseg.evaluation.figures.saving import save_figure
from pneumoseg.evaluation.scoring.mask_columns import SCORES
from pneumoseg.evaluation.scoring.tables import detailed_table


def table(folds: int = 3) -> pd.DataFrame:
    """Two cases a fold; infection is undefined in case 0."""
    return detailed_table(
        [
            {
                "fold": case // 2,
                "case": f"case_{case}",
                "class": name,
                **dict.fromkeys(SCORES, float("nan")),
                "dice": float("nan") if (name, case) == ("infection", 0) else 0.5 + case / 100,
                "hd95_mm": 3.0 * case,
                "volume_reference_ml": 1.0,
                "volume_prediction_ml": 1.0,
                "status": "ok",
            }
            for case in range(2 * folds)
            for name in ("background", "lungs", "infection")
        ]
    )


def tick_labels(figure) -> list[str]:
    return [label.get_text() for label in figure.axes[0].get_xticklabels()]


def points(figure) -> list[float]:
    """Heights of the drawn cases (the lines with a mark)."""
    lines = [line for line in figure.axes[0].lines if str(line.get_label()).startswith("fold")]
    return sorted(np.concatenate([line.get_ydata() for line in lines]).tolist())


def test_each_class_but_the_background_with_its_cases():
    assert tick_labels(box_plots(table())) == ["lungs\nn = 6", "infection\nn = 5\nundefined: 1"]


def test_every_defined_case_is_a_point():
    infection = table().query("`class` == 'infection'")
    assert points(box_plots(infection)) == sorted(infection["dice"].dropna())


def test_bounded_scores_show_the_end_of_their_range():
    assert box_plots(table()).axes[0].get_ylim()[1] == pytest.approx(1.02)
    assert box_plots(table(), "hd95_mm").axes[0].get_ylim()[0] == 0


def test_distances_far_beyond_their_median_stand_on_a_logarithmic_axis():
    assert box_plots(table(), "hd95_mm").axes[0].get_yscale() == "linear"
    far = table()
    far.loc[0, "hd95_mm"] = far.loc[2, "hd95_mm"] = 500.0
    assert box_plots(far, "hd95_mm").axes[0].get_yscale() == "symlog"


def test_many_folds_and_scores_that_nobody_measured_are_drawn_too(tmp_path):
    save_figure(box_plots(table(folds=12)), tmp_path / "many.png", dpi=50)
    figure = box_plots(table(), "nsd")
    assert [text.get_text() for text in figure.axes[0].texts] == ["undefined"] * 2


def test_an_unknown_score_is_refused():
    with pytest.raises(InputError, match=r"one of dice, iou.*found dicee"):
        box_plots(table(), "dicee")


def test_the_picture_is_not_blank(tmp_path):
    save_figure(box_plots(table()), tmp_path / "box.png", dpi=60)
    assert matplotlib.image.imread(tmp_path / "box.png").std() > 0.02


@pytest.mark.parametrize("classes", [13, 255])
def test_many_classes_stand_in_rows_on_one_scale(classes):
    one = table(folds=1).query("`class` == 'lungs'")
    many = pd.concat([one.assign(**{"class": f"class_{label}", "dice": label / 255}) for label in range(classes)])
    figure = box_plots(many)
    names = [label.get_text().split("\n")[0] for axes in figure.axes for label in axes.get_xticklabels()]
    assert names == [f"class_{label}" for label in range(classes)]
    assert len({axes.get_ylim() for axes in figure.axes}) == len({axes.get_xlim() for axes in figure.axes}) == 1
    assert max(figure.get_size_inches()) * 150 < 16383


def test_all_rows_of_distances_are_logarithmic_where_one_is():
    one = table().query("`class` == 'lungs'")
    many = pd.concat([one.assign(**{"class": f"class_{label}"}) for label in range(13)], ignore_index=True)
    many.loc[0, "hd95_mm"] = 500.0
    assert [axes.get_yscale() for axes in box_plots(many, "hd95_mm").axes] == ["symlog", "symlog"]
