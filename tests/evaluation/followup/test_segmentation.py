"""CTs segmented by networks together and alone; the networks are stand-ins that name a share of the lungs infected."""

from types import SimpleNamespace

import numpy as np
import pytest

from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.volumes.volume import Volume
from pneumoseg.evaluation.followup import segmentation
from pneumoseg.evaluation.followup.examination import Examination
from pneumoseg.evaluation.followup.segmentation import Voter, in_lung_labels, segmented, voters_of, votes
from pneumoseg.pipeline.models.bundled import bundled_model
from pneumoseg.pipeline.settings.loading import load_settings

ML = np.diag([10.0, 10.0, 10.0, 1.0])
OPENED = []


@pytest.fixture
def run(tmp_path):
    """A run folder of two folds and a single model beside it."""
    for place in ("run/fold_0", "run/fold_10", "single"):
        (tmp_path / place).mkdir(parents=True)
        (tmp_path / place / "model.keras").touch()
    return tmp_path


@pytest.fixture
def networks(monkeypatch):
    """Networks that find 1 (together), 2 (fold 0) or 4 (fold 10) infected voxels in every CT."""

    def opened(path, folds=None, **options):
        infected = {None: 1, (0,): 2, (10,): 4}[None if folds is None else tuple(folds)]

        def predict(image):
            labels = np.zeros(image.array.shape, np.uint8)
            labels[0], labels[-1] = 1, 2
            labels[0, 0, :infected] = 3
            return image.with_array(labels)

        OPENED.append((path, folds, options))
        return SimpleNamespace(
            __call__=predict, settings=load_settings("demo"), models={"fold_0": "abc"}, predict=predict
        )

    class Opened:
        def __init__(self, inner):
            self.inner, self.settings, self.models = inner, inner.settings, inner.models

        def __call__(self, image):
            return self.inner.predict(image)

    OPENED.clear()
    monkeypatch.setattr(segmentation, "open_predictor", lambda *given, **options: Opened(opened(*given, **options)))


def examination(date, mask=None) -> Examination:
    image = Volume.from_source(np.full((4, 2, 6), -800, np.int16), ML)
    return Examination(date, mask, image)


def test_the_networks_of_a_run_a_file_and_a_bundle(run):
    assert voters_of([run / "run"]) == [Voter(run / "run", 0), Voter(run / "run", 10)]
    assert voters_of([run / "single", run / "single" / "model.keras"]) == [
        Voter(run / "single"), Voter(run / "single" / "model.keras"),
    ]  # fmt: skip
    assert {voter.path for voter in voters_of(["covid-lungs"])} == {bundled_model()}


def test_a_single_network_has_two_views(run):
    single = run / "single"
    assert voters_of([single]) == [Voter(single, mirrored=False), Voter(single, mirrored=True)]
    (run / "run" / "fold_10" / "model.keras").unlink()
    assert voters_of([run / "run"]) == [Voter(run / "run", 0, mirrored=view) for view in (False, True)]


def test_cts_are_segmented_together_and_by_each_network(run, networks):
    done, models = segmented([examination("baseline"), examination("follow-up")], [run / "run"], threads=2)
    assert models == {"fold_0": "abc"}
    for one in done:
        assert np.count_nonzero(one.lungs.array == 3) == 1
        assert [votes["lungs"].infection_ml for votes in one.voters] == pytest.approx([2, 4])
    assert [folds for _, folds, _ in OPENED] == [None, [0], [10]]
    assert all(options["threads"] == 2 for *_, options in OPENED)


def test_masks_need_no_network(run, networks):
    dates = [examination(date, examination(date).image) for date in ("baseline", "follow-up")]
    assert segmented(dates, [run / "run"]) == (dates, {})
    assert OPENED == []


def test_where_one_date_has_a_mask_it_has_no_spread(run, networks):
    given = examination("baseline", examination("baseline").image)
    (before, after), _ = segmented([given, examination("follow-up")], [run / "run"])
    assert before is not given and before.mask is given.mask
    assert (len(before.voters), len(after.voters)) == (0, 2)


def test_networks_vote_on_cts_whatever_masks_these_have(run, networks):
    given = examination("baseline", examination("baseline").image)
    found = votes([given, examination("follow-up")], [run / "run"], threads=2)
    assert [[vote["lungs"].infection_ml for vote in one] for one in found] == [pytest.approx([2, 4])] * 2
    assert [folds for _, folds, _ in OPENED] == [[0], [10]]


def test_a_single_network_votes_on_the_ct_and_on_its_mirror_image(run, networks):
    """The stand-in finds infection at the left of whatever it is shown: of the mirror image that is the right."""
    done, _ = segmented([examination("baseline"), examination("follow-up")], [run / "single"])
    for one in done:
        lungs = [[votes[lung] for lung in ("lung_left", "lung_right")] for votes in one.voters]
        assert [[round(lung.infection_ml) for lung in seen] for seen in lungs] == [[1, 0], [0, 1]]
        assert [[round(lung.lung_ml) for lung in seen] for seen in lungs] == [[12, 12], [12, 12]]
    assert [options.get("changes") for *_, options in OPENED] == [None, *[["prediction.mirror_axes=[]"]] * 2]


def test_a_network_that_finds_no_lung_has_no_volumes():
    empty = examination("baseline").image.with_array(np.zeros((4, 2, 6), np.uint8))
    assert segmentation._volumes(empty) == {}


def test_classes_of_the_model_become_those_of_lungs():
    names = '["background", "infection", "vessel", "right_lung", "left_lung"]'
    settings = load_settings(
        "demo",
        [
            f"labels.names={names}",
            "labels.colours=[[0,0,0],[1,1,1],[2,2,2],[3,3,3],[4,4,4]]",
            "labels.mirror_pairs=[[3,4]]",
            "postprocessing.lungs=[4,3]",
            "postprocessing.infection=1",
            "patches.foreground_labels=[1]",
        ],
    )
    mask = Volume.from_source(np.arange(5, dtype=np.uint8).reshape(5, 1, 1), ML)
    assert in_lung_labels(mask, settings).array.ravel().tolist() == [0, 3, 0, 2, 1]


def test_a_model_without_lungs_is_refused():
    settings = load_settings(
        "demo",
        ['labels.names=["background", "liver"]', "labels.colours=[[0,0,0],[1,1,1]]", "labels.mirror_pairs=[]",
         "postprocessing.infection=1", "patches.foreground_labels=[1]"],
    )  # fmt: skip
    mask = Volume.from_source(np.zeros((2, 2, 2), np.uint8), ML)
    with pytest.raises(InputError, match=r"needs a model of left lung, right lung and infection, found .*liver"):
        in_lung_labels(mask, settings)
