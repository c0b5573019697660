"""How far a job is."""

import pytest

from pneumoseg.evaluation.jobs import progress
from pneumoseg.evaluation.jobs.progress import TILES, EndedError, Progress


@pytest.fixture
def told(monkeypatch):
    monkeypatch.setattr(progress, "EVERY_S", 0.0)
    return []


def test_tiles_are_the_progress_of_a_segmentation(told):
    one = Progress(lambda *facts: told.append(facts) or True)
    one.begin("reading")
    one.hear("reading DICOM headers", 3, 4)
    one.hear(TILES, 0, 4)
    one.hear(TILES, 1, 4)
    one.hear(TILES, 0, 2)  # another network of the ensemble
    one.hear(TILES, 4, 4)
    one.begin("writing")
    assert [stage for stage, _ in told][:2] == ["reading", "reading"]
    shares = [share for stage, share in told if stage == "segmenting"]
    assert shares == sorted(shares)
    assert (shares[0], shares[-1]) == (0.0, 1.0)
    assert told[-1] == ("writing", 0.0)


def test_other_work_is_the_progress_where_it_is_counted(told):
    one = Progress(lambda *facts: told.append(facts) or True)
    one.begin("measuring noise", counted="networks")
    one.hear("networks", 0, 2)
    one.hear(TILES, 3, 4)
    one.hear("networks", 1, 2)
    assert told == [("measuring noise", share) for share in (0.0, 0.0, 0.0, 0.5)]


def test_little_is_told_in_a_short_time(monkeypatch):
    told = []
    monkeypatch.setattr(progress, "EVERY_S", 1000.0)
    one = Progress(lambda *facts: told.append(facts) or True)
    for done in range(100):
        one.hear(TILES, done, 100)
    assert told == [("segmenting", 0.0)]


def test_a_job_that_is_to_end_ends(told):
    one = Progress(lambda stage, share: share < 0.5)
    one.begin("reading")
    with pytest.raises(EndedError):
        one.hear(TILES, 3, 4)


def test_the_tiles_are_called_so():
    from pathlib import Path

    import pneumoseg

    source = Path(pneumoseg.__file__).parent / "pipeline/prediction/sliding_window.py"
    assert f'track(corners, "{TILES}"' in source.read_text("utf-8")
