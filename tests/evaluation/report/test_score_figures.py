import pandas as pd
from PIL import Image

from pneumoseg.evaluation.report.score_figures import draw_scores
from pneumoseg.evaluation.scoring.columns import KEYS, Columns


def test_each_score_that_is_drawn_has_its_picture(tmp_path):
    columns = Columns(
        required=(*KEYS, "error_hu", "share"),
        scores=("error_hu", "share"),
        leading=("share",),
        drawn=("error_hu",),
        errors=("error_hu",),
        titles={"error_hu": "error (HU)", "share": "share"},
        definitions={"error_hu": "An error.", "share": "A share."},
    )
    detailed = pd.DataFrame({"fold": [0, 1], "case": ["a", "b"], "class": "mean", "error_hu": [1.0, 3.0], "share": 0.5})
    ((caption, path),) = draw_scores(tmp_path, detailed, columns)
    assert caption == "Error (HU) per class: every case, over the folds"
    assert path == tmp_path / "figures" / "error_hu.png"
    with Image.open(path) as picture:
        assert picture.width > 100
