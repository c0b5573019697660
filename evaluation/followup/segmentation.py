"""Segments the CTs of both dates, by the networks together and by each of them alone.

A single network votes with itself: on the CT, and on its mirror image.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from pneumoseg.data_io.console import track
from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.volumes.volume import Volume
from pneumoseg.evaluation.followup.examination import Examination
from pneumoseg.evaluation.followup.regions import INFECTION, LEFT, RIGHT, RegionVolume, region_volumes
from pneumoseg.pipeline.models.bundled import model_path
from pneumoseg.pipeline.prediction.predictor import Predictor, open_predictor
from pneumoseg.pipeline.settings.schema import Settings

VOTES = "networks"
"""What the progress of the votes is called by `data_io.console.track`."""
SIDES_EXCHANGED = np.array([0, RIGHT, LEFT, INFECTION], np.uint8)
"""What a class of the mirror image is in the CT."""


@dataclass(frozen=True)
class Voter:
    """One network of an ensemble: its file or folder, and its fold where that is a run or bundle. `mirrored`: of a
    single network, whether it is shown the mirror image, left to right; None for a network that segments as it is set.
    """

    path: Path
    fold: int | None = None
    mirrored: bool | None = None

    def open(self, *, threads: int | None, trust_plugins: bool) -> Predictor:
        """The network alone, ready to segment."""
        folds = None if self.fold is None else [self.fold]
        changes = () if self.mirrored is None else ["prediction.mirror_axes=[]"]
        return open_predictor(self.path, folds, changes=changes, threads=threads, trust_plugins=trust_plugins)

    def examined(self, examination: Examination, predictor: Predictor) -> Examination:
        """The examination with the mask of this network, which `predictor` is, alone."""
        if not self.mirrored:
            return _with_mask(examination, predictor)
        shown = replace(examination, image=_mirrored(examination.image))
        mask = _mirrored(_with_mask(shown, predictor).mask)
        return replace(examination, mask=mask.with_array(SIDES_EXCHANGED[mask.array]))


def voters_of(models: Sequence[str | Path]) -> list[Voter]:
    """The networks of models as `open_predictor` takes them: files, folders with model.keras, runs, bundled names; of a
    single one its two views."""
    voters: list[Voter] = []
    for path in map(model_path, models):
        folds = [] if path.is_file() or (path / "model.keras").is_file() else path.glob("fold_*/model.keras")
        numbers = sorted(int(file.parent.name.removeprefix("fold_")) for file in folds)
        voters += [Voter(path, number) for number in numbers] or [Voter(path)]
    return voters if len(voters) > 1 else [replace(one, mirrored=view) for one in voters for view in (False, True)]


def segmented(
    examinations: Sequence[Examination],
    models: Sequence[str | Path],
    *,
    threads: int | None = None,
    trust_plugins: bool = False,
) -> tuple[list[Examination], dict[str, str]]:
    """The examinations with masks, and, of those that came without one, the volumes that each voter alone finds.

    Also gives the SHA-256 of the networks by fold or file name; nothing where no CT lacks a mask. Raises InputError as
    `open_predictor`, and for a model without two lungs and infection.
    """
    if all(one.mask is not None for one in examinations):
        return list(examinations), {}
    together = open_predictor(list(models), threads=threads, trust_plugins=trust_plugins)
    done = [one if one.mask is not None else _with_mask(one, together) for one in examinations]
    models_used = dict(together.models)
    del together
    without = [one for one in examinations if one.mask is None]
    found = iter(votes(without, models, threads=threads, trust_plugins=trust_plugins))
    voted = [next(found) if given.mask is None else () for given in examinations]
    return [replace(one, voters=volumes) for one, volumes in zip(done, voted, strict=True)], models_used


def votes(
    examinations: Sequence[Examination],
    models: Sequence[str | Path],
    *,
    threads: int | None = None,
    trust_plugins: bool = False,
) -> list[tuple[dict[str, RegionVolume], ...]]:
    """The volumes that each voter alone finds in the CT of each examination, whatever mask that has.

    A network that finds no lung has no volumes, and then there is no noise. Raises InputError as `segmented`.
    """
    voters = voters_of(models)
    volumes: list[list[dict[str, RegionVolume]]] = [[] for _ in examinations]
    for voter in track(voters, VOTES, total=len(voters)):
        alone = voter.open(threads=threads, trust_plugins=trust_plugins)
        for given, found in zip(examinations, volumes, strict=True):
            found.append(_volumes(voter.examined(given, alone).mask))
    return [tuple(found) for found in volumes]


def _with_mask(examination: Examination, predictor: Predictor) -> Examination:
    if examination.image is None:
        raise ValueError(f"{examination.date}: a CT is segmented, found none")
    mask = predictor(examination.image)
    return replace(examination, mask=in_lung_labels(mask, predictor.settings))


def _mirrored(volume: Volume | None) -> Volume:
    if volume is None:
        raise ValueError("a CT or mask is mirrored, found none")
    return volume.with_array(np.ascontiguousarray(volume.array[::-1]))


def in_lung_labels(mask: Volume, settings: Settings) -> Volume:
    """A mask with the classes of `LUNG_LABELS`; other classes of the model become background.

    Raises InputError for a model that does not tell two lungs and infection apart.
    """
    lungs, infection = settings.lung_labels, settings.postprocessing.infection
    count = len(settings.labels.table)
    if len(lungs) != 2 or infection >= count or infection in lungs:
        raise InputError(
            "a follow-up needs a model of left lung, right lung and infection, found the classes "
            f"{', '.join(settings.labels.names)}; choose another model",
            options=("model",),
        )
    classes = np.zeros(count, np.uint8)
    classes[[*lungs, infection]] = LEFT, RIGHT, INFECTION
    return mask.with_array(classes[mask.array])


def _volumes(mask: Volume | None) -> dict[str, RegionVolume]:
    if mask is None or not np.isin(mask.array, (LEFT, RIGHT)).any():
        return {}
    return region_volumes(mask)
