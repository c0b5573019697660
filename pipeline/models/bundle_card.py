"""The card of a bundle, bundle.json: the models of the ensemble, so that a missing or exchanged model is detected."""

from pathlib import Path

from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.formats.content_hash import sha256_of
from pneumoseg.data_io.storage.atomic import write_json
from pneumoseg.data_io.storage.json_files import read_json

CARD = "bundle.json"
TRUST = "trust.json"
"""The calibration of the verdicts on a bundle's masks, where it has one."""


def write_card(folder: Path) -> None:
    """Writes the card of the models fold_K/model.keras that lie in `folder`: SHA-256 by file, and that of trust.json
    where that lies there."""
    members = {_name(folder, path): sha256_of(path) for path in sorted(folder.glob("fold_*/model.keras"))}
    calibration = {"trust": sha256_of(folder / TRUST)} if (folder / TRUST).is_file() else {}
    write_json(folder / CARD, {"members": members} | calibration)


def check_members(folder: Path) -> None:
    """Raises InputError where the models and trust.json in a bundle's folder are not, one by one, those of its card."""
    path = folder / CARD
    card = read_json(path, "the card of a bundle", dict)
    members = card.get("members")
    if not isinstance(members, dict) or not members or not all(isinstance(value, str) for value in members.values()):
        raise InputError(f'{path}: "members" holds the SHA-256 of each fold_K/model.keras; make the bundle again')
    models = {_name(folder, model): model for model in folder.glob("fold_*/model.keras")}
    if absent := sorted(members.keys() - models.keys()):
        raise InputError(f"{folder}: a bundle of {len(members)} models, without {absent[0]}; make the bundle again")
    if strange := sorted(models.keys() - members.keys()):
        raise InputError(f"{folder}: a bundle of {len(members)} models, found also {strange[0]}; remove it")
    for name, model in sorted(models.items()):
        if sha256_of(model) != members[name]:
            raise InputError(f"{model}: not the model that the bundle was made with; make the bundle again")
    trust = folder / TRUST
    if card.get("trust") != (sha256_of(trust) if trust.is_file() else None):
        raise InputError(f"{trust}: not the calibration that the bundle was made with; make the bundle again")


def _name(folder: Path, path: Path) -> str:
    return path.relative_to(folder).as_posix()
