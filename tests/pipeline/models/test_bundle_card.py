"""A bundle says which models belong to it, and is refused where they do not."""

import json

import pytest

from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.formats.content_hash import sha256_of
from pneumoseg.pipeline.models.bundle_card import CARD, check_members, write_card
from pneumoseg.pipeline.models.bundled import bundled_model
from pneumoseg.pipeline.prediction.predictor import open_predictor


@pytest.fixture
def bundle(tmp_path):
    for fold in range(3):
        (tmp_path / f"fold_{fold}").mkdir()
        (tmp_path / f"fold_{fold}" / "model.keras").write_bytes(b"model %d" % fold)
    write_card(tmp_path)
    return tmp_path


def test_the_card_has_each_model_by_its_content(bundle):
    members = json.loads((bundle / CARD).read_text(encoding="utf-8"))["members"]
    assert members == {
        f"fold_{fold}/model.keras": sha256_of(bundle / f"fold_{fold}" / "model.keras") for fold in range(3)
    }
    check_members(bundle)


def test_the_card_has_the_calibration_where_there_is_one(bundle):
    exchange_calibration(bundle)
    write_card(bundle)
    check_members(bundle)
    (bundle / "trust.json").unlink()
    with pytest.raises(InputError, match=r"trust\.json: not the calibration"):
        check_members(bundle)


def lose(bundle):
    (bundle / "fold_1" / "model.keras").unlink()


def add(bundle):
    (bundle / "fold_3").mkdir()
    (bundle / "fold_3" / "model.keras").write_bytes(b"a stranger")


def change(bundle):
    (bundle / "fold_2" / "model.keras").write_bytes(b"another")


def exchange_calibration(bundle):
    (bundle / "trust.json").write_text("of another bundle", encoding="utf-8")


def damage(text):
    return lambda bundle: (bundle / CARD).write_text(text, encoding="utf-8")


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (lose, r"a bundle of 3 models, without fold_1/model\.keras"),
        (add, r"a bundle of 3 models, found also fold_3/model\.keras"),
        (change, r"fold_2/model\.keras: not the model that the bundle was made with"),
        (exchange_calibration, r"trust\.json: not the calibration that the bundle was made with"),
        (damage("{"), "not readable as JSON"),
        (damage("[]"), "is an object, found a list"),
        (damage("{}"), '"members" holds the SHA-256'),
        (damage('{"members": {}}'), '"members" holds the SHA-256'),
        (damage('{"members": {"fold_0/model.keras": 3}}'), '"members" holds the SHA-256'),
    ],
)
def test_a_bundle_that_is_not_what_its_card_says_is_refused(bundle, fault, message):
    fault(bundle)
    for folds in (None, [0]):
        with pytest.raises(InputError, match=message):
            open_predictor(bundle, folds)


def test_the_bundled_model_has_its_card():
    folder = bundled_model()
    assert len(json.loads((folder / CARD).read_text(encoding="utf-8"))["members"]) == 1
    check_members(folder)
