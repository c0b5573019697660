"""The tables that only reports on masks have: publications, lesions, AUC."""

import numpy as np

from pneumoseg.data_io.formats.probability_levels import LEVELS
from pneumoseg.evaluation.measures.lesions import LESION_COUNTS
from pneumoseg.evaluation.report.mask_tables import pooled_sections
from pneumoseg.evaluation.scoring.mask_columns import DEFINITIONS
from pneumoseg.evaluation.scoring.pooled import write_pooled
from pneumoseg.evaluation.scoring.tables import detailed_table
from tests.evaluation.report.written_page import Page, five_cases, table_of, written


def test_publications_table_has_the_structures_in_their_order(tmp_path):
    header, *rows = table_of(written(tmp_path, five_cases()), "As publications lay it out")
    assert header == ["structure", "DSC mean ± sd", "NSD mean ± sd"]
    assert rows == [
        ["left lung", "0.700 ± 0.158", "0.500 ± 0.000 (1 undefined)"],
        ["infection", "0.700 ± 0.158", "0.500 ± 0.000 (1 undefined)"],
    ]


def test_pooled_scores_have_a_section_where_they_were_counted(tmp_path):
    assert pooled_sections(tmp_path) == {}
    write_pooled(
        tmp_path, {0: np.array([[90, 2], [0, 8]]), 1: np.array([[98, 0], [2, 0]])}, ("background", "infection")
    )
    sections = pooled_sections(tmp_path)
    text = written(tmp_path, five_cases(), further=sections)
    header, background, infection = table_of(text, "One number per class")
    assert header[:3] == ["class", "Dice", "IoU"]
    assert (background[0], infection[:2], infection[-1]) == ("background", ["infection", "0.800"], "0.333")
    headings = [word for word in Page(text).words if word in ("Result", "Pooled over all pixels", "Warnings")]
    assert headings[:3] == ["Result", "Pooled over all pixels", "Warnings"]


def test_lesions_are_summed_and_averaged_where_they_were_counted(tmp_path):
    detailed = five_cases()
    infected = detailed["class"] == "infection"
    counts = {"lesions_reference": 4.0, "lesions_found": 3.0, "lesions_prediction": 2.0, "lesions_false": 1.0}
    for column, count in (counts | {"lesion_f1": 0.6}).items():
        detailed.loc[infected, column] = count
    assert "Lesions:" not in written(tmp_path, five_cases())
    header, row = table_of(written(tmp_path, detailed), "Lesions:")
    assert row[:6] == ["infection", "5", "20 (4.0)", "15 (3.0)", "10 (2.0)", "5 (1.0)"]
    assert row[6:9] == ["0.750", "0.500", "0.600"]
    assert row[header.index("Lesion F1, mean of cases ± sd")] == "0.600 ± 0.000"


def test_lesions_of_a_case_in_several_folds_count_once(tmp_path):
    counts = {"lesions_reference": 4.0, "lesions_found": 3.0, "lesions_prediction": 2.0, "lesions_false": 1.0}
    detailed = five_cases().query("`class` == 'infection'").assign(**counts)
    again = detailed.query("fold == 0").assign(fold=7, lesions_found=1.0)
    both = detailed_table([*detailed.to_dict("records"), *again.to_dict("records")])
    row = table_of(written(tmp_path, both), "Lesions:")[1]
    assert row[:4] == ["infection", "5", "20 (4.0)", "12 (2.4)"]  # three cases with 3 and 1 found, two with 3


def test_lesions_that_were_never_found_score_0_as_in_each_case(tmp_path):
    detailed = five_cases().assign(lesions_reference=2, lesions_found=0, lesions_prediction=1, lesions_false=1)
    assert table_of(written(tmp_path, detailed), "Lesions:")[1][6:9] == ["0.000", "0.000", "0.000"]
    detailed = detailed.assign(lesions_prediction=0, lesions_false=0)
    assert table_of(written(tmp_path, detailed), "Lesions:")[1][6:9] == ["0.000", "–", "0.000"]


def test_no_lesion_anywhere_leaves_the_pooled_scores_undefined(tmp_path):
    detailed = five_cases().assign(lesions_reference=0, lesions_found=0, lesions_prediction=0, lesions_false=0)
    assert table_of(written(tmp_path, detailed), "Lesions:")[1][6:9] == ["–", "–", "–"]


def test_what_a_lesion_is_and_when_it_counts_as_found_is_defined_where_lesions_are_counted(tmp_path):
    counted = five_cases().assign(**dict.fromkeys(LESION_COUNTS, 0.0))
    told, silent = (" ".join(Page(written(tmp_path, detailed)).words) for detailed in (counted, five_cases()))
    for count in LESION_COUNTS:
        assert DEFINITIONS[count] in told
        assert DEFINITIONS[count] not in silent


def test_the_auc_is_shown_where_it_was_measured(tmp_path):
    header, row, _ = table_of(written(tmp_path, five_cases().assign(auc=0.9)), "Overlap")
    assert (header[-1], row[-1]) == ("AUC mean ± sd", "0.900 ± 0.000")


def test_the_pooled_auc_is_shown_where_probabilities_were_kept(tmp_path):
    histograms = np.zeros((2, 2, LEVELS), np.int64)
    histograms[:, 0, 7] = histograms[:, 1, 3] = 5
    write_pooled(tmp_path, {0: np.array([[5, 0], [0, 5]])}, ("background", "infection"), histograms={0: histograms})
    header, _, infection = table_of(
        written(tmp_path, five_cases(), further=pooled_sections(tmp_path)), "One number per class"
    )
    assert (header[-1], infection[-1]) == ("AUC", "1.000")
