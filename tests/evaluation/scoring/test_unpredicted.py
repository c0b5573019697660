import pandas as pd

from pneumoseg.evaluation.scoring.unpredicted import unpredicted_classes


def table(name: str, references: list[float], predictions: list[float]) -> pd.DataFrame:
    return pd.DataFrame({"class": name, "volume_reference_ml": references, "volume_prediction_ml": predictions})


def test_a_class_that_no_prediction_has_is_told():
    (sentence,) = unpredicted_classes(table("infection", [2.0, 0.0, 3.0], [0.0, 0.0, 0.0]))
    assert sentence.startswith("infection is in the reference of 2 test cases and in no prediction; ")


def test_what_may_be_right_is_not_told():
    for name, references, predictions in (
        ("infection", [2.0, 3.0], [0.0, 0.1]),  # found once
        ("infection", [0.0, 0.0], [0.0, 0.0]),  # not there
        ("infection", [2.0, 0.0], [0.0, 0.0]),  # one case
        ("infection", [2.0, float("nan")], [0.0, 0.0]),  # not labelled in the other
        ("background", [2.0, 3.0], [0.0, 0.0]),
    ):
        assert not list(unpredicted_classes(table(name, references, predictions)))
