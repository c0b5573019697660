"""Identifiers of results."""

from pneumoseg.data_io.formats.dicom.results.origin import KINDS, Origin
from pneumoseg.data_io.formats.dicom.results.source import source_of
from pneumoseg.data_io.formats.dicom.uids import is_valid_uid
from tests.data_io.formats.dicom.results.series_with_mask import ORIGIN, series


def test_identifiers_depend_on_series_recipe_result_and_kind_alone(tmp_path):
    source = source_of(series(tmp_path / "ct").stored_grid)
    again = source_of(series(tmp_path / "again").stored_grid)
    made = [ORIGIN.equipment(source, kind) for kind in KINDS]
    assert made == [ORIGIN.equipment(again, kind) for kind in KINDS]
    uids = {one[name] for one in made for name in ("series_instance_uid", "sop_instance_uid")}
    assert len(uids) == 6
    assert all(map(is_valid_uid, uids))
    for other in (Origin("covid-lungs", "f" * 64, ORIGIN.result), Origin("covid-lungs", ORIGIN.recipe, "f" * 64)):
        assert other.equipment(source, KINDS[0])["sop_instance_uid"] not in uids
    assert [one["series_number"] for one in made] == [9001, 9002, 9003]
