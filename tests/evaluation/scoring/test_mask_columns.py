from pneumoseg.data_io.volumes.labels import LUNG_LABELS
from pneumoseg.evaluation.scoring.columns import KEYS
from pneumoseg.evaluation.scoring.mask_columns import (
    COLUMNS,
    DEFINITIONS,
    MASK_COLUMNS,
    REQUIRED_COLUMNS,
    TITLES,
    default_groups,
    lungs_definition,
)


def test_the_first_columns_are_an_interface():
    assert MASK_COLUMNS.all == COLUMNS
    assert (
        *KEYS,
        *("dice", "iou", "sensitivity", "specificity", "precision", "accuracy", "hd95_mm", "assd_mm", "nsd"),
        *("volume_reference_ml", "volume_prediction_ml", "status"),
    ) == REQUIRED_COLUMNS
    assert COLUMNS[: len(REQUIRED_COLUMNS)] == REQUIRED_COLUMNS


def test_every_column_has_a_title_and_a_definition():
    shown = set(COLUMNS) - set(KEYS)
    assert set(TITLES) == set(DEFINITIONS) == shown
    assert len(set(TITLES.values())) == len(TITLES)
    for column, title in TITLES.items():
        for ending, unit in (("_mm", "(mm)"), ("_ml", "(ml)"), ("_percent", "(%)")):
            assert column.endswith(ending) == title.endswith(unit)


def test_distances_are_better_small_and_differences_have_no_better_end():
    assert {score for score in MASK_COLUMNS.scores if MASK_COLUMNS.lower_is_better(score)} == {
        *("hd95_mm", "assd_mm", "hd_mm", "jaccard_distance"),
    }
    assert set(MASK_COLUMNS.scores) - set(MASK_COLUMNS.comparable) == {
        *("volume_difference_ml", "volume_difference_percent"),
    }
    assert MASK_COLUMNS.main == "dice"


def test_the_names_that_others_use_are_in_the_definitions():
    assert "recall" in DEFINITIONS["sensitivity"]
    assert "F1" in DEFINITIONS["dice"]
    assert "1 - IoU" in DEFINITIONS["jaccard_distance"]
    assert COLUMNS[-2:] == ("jaccard_distance", "source")  # columns are added at the end


def test_groups_are_those_of_the_lungs():
    assert default_groups(list(LUNG_LABELS.names)) == {"lungs": (1, 2, 3)}
    assert default_groups(["background", "infection"]) == {}


def test_lungs_are_explained_where_they_are_the_group():
    classes = [*LUNG_LABELS.names, "lungs"]
    assert lungs_definition(classes).startswith("lungs = left lung + right lung + infection")
    assert lungs_definition(["background", "lungs"]) == ""  # a class of another table
