import json

import pytest

from pneumoseg.data_io.errors import InputError
from pneumoseg.evaluation.runs.parts import (
    PartCase,
    check_part_free,
    part_file,
    read_parts,
    same_masks,
    write_part,
    write_predicted_part,
)

SETTINGS = {"grid": "sform", "tolerances_mm": {"infection": 3.0}}


def test_parts_hold_their_cases(tmp_path):
    assert read_parts(tmp_path, SETTINGS) == {}
    one = PartCase({"mask": "aa"}, {"dice": 0.1 + 0.2, "nsd": None})
    two = PartCase({"mask": "bb"}, {"dice": 1, "nsd": 0.5})
    write_part(part_file(tmp_path, "1/2"), SETTINGS, {"a": one})
    write_part(part_file(tmp_path, "2/2"), SETTINGS, {"007": two})
    assert read_parts(tmp_path, SETTINGS) == {"a": one, "007": two}  # floats to the last bit
    write_part(part_file(tmp_path, "3/3"), SETTINGS, {})  # more parts than cases
    assert list(read_parts(tmp_path, SETTINGS)) == ["a", "007"]


def test_a_part_of_a_prediction_says_which_cts_failed(tmp_path):
    write_predicted_part(tmp_path, "2/2", {"a": False, "b": True})
    assert read_parts(tmp_path, {}) == {"a": PartCase({}, {"failed": False}), "b": PartCase({}, {"failed": True})}
    assert part_file(tmp_path, "2/2").is_file()


def test_a_part_is_not_replaced_unasked(tmp_path):
    file = part_file(tmp_path, "1/2")
    check_part_free(file, resume=False, overwrite=False)
    write_part(file, SETTINGS, {})
    with pytest.raises(InputError, match=r"1_of_2\.json: exists already") as refused:
        check_part_free(file, resume=False, overwrite=False)
    assert refused.value.options == ("resume", "overwrite")
    check_part_free(file, resume=True, overwrite=False)
    check_part_free(file, resume=False, overwrite=True)


def test_other_settings_are_named(tmp_path):
    write_part(part_file(tmp_path, "1/2"), SETTINGS, {})
    with pytest.raises(InputError, match=r"made with other settings \(tolerances_mm\)"):
        read_parts(tmp_path, SETTINGS | {"tolerances_mm": {}})
    with pytest.raises(InputError, match=r"other settings \(lobes\)"):
        read_parts(tmp_path, SETTINGS | {"lobes": None})


def test_masks_that_changed_are_named():
    held = PartCase({"reference": "a", "prediction": "b"}, {})
    same_masks("x", held, {"reference": "a", "prediction": "b"})
    with pytest.raises(InputError, match="case x: its prediction changed since"):
        same_masks("x", held, {"reference": "a", "prediction": "c"})


@pytest.mark.parametrize(
    "text",
    [
        *("", "[]", "{", '{"settings": {}}', '{"settings": [], "cases": {}}', '{"settings": {}, "cases": {"a": 1}}'),
        *('{"settings": {}, "cases": {"a": {"masks": {}}}}', '{"settings": {}, "cases": {"a": NaN}}'),
        json.dumps({"settings": {}, "cases": {"a": {"masks": [], "results": {}}}}),
    ],
)
def test_damaged_parts_are_refused(tmp_path, text):
    part_file(tmp_path, "1/2").parent.mkdir()
    part_file(tmp_path, "1/2").write_text(text)
    with pytest.raises(InputError, match=r"1_of_2\.json"):
        read_parts(tmp_path, {})
