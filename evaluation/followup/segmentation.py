"""Segments the CTs of both dates, by the networks together and by each of them alone."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from pneumoseg.data_io.console import log, track
from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.volumes.volume import Volume
from pneumoseg.evaluation.followup.examination import Examination
from pneumoseg.evaluation.followup.regions import INFECTION, LEFT, RIGHT, RegionVolume, region_volumes
from pneumoseg.pipeline.models.bundled import model_path
from pneumoseg.pipeline.prediction.predictor import Predictor, open_predictor
from pneumoseg.pipeline.settings.schema import Settings


@dataclass(frozen=True)
class Voter:
    """One network of an ensemble: its file or folder, and its fold where that is a run or bundle."""

    path: Path
    fold: int | None = None

    def open(self, *, threads: int | None, trust_plugins: bool) -> Predictor:
        """The network alone, ready to segment."""
        folds = None if self.fold is None else [self.fold]
        return open_predictor(self.path, folds, threads=threads, trust_plugins=trust_plugins)


def voters_of(models: Sequence[str | Path]) -> list[Voter]:
    """The networks of models as `open_predictor` takes them: files, folders with model.keras, runs, bundled names."""
    voters: list[Voter] = []
    for path in map(model_path, models):
        folds = [] if path.is_file() or (path / "model.keras").is_file() else path.glob("fold_*/model.keras")
        numbers = sorted(int(file.parent.name.removeprefix("fold_")) for file in folds)
        voters += [Voter(path, number) for number in numbers] or [Voter(path)]
    return voters


def segmented(
    examinations: Sequence[Examination],
    models: Sequence[str | Path],
    *,
    threads: int | None = None,
    trust_plugins: bool = False,
) -> tuple[list[Examination], dict[str, str]]:
    """The examinations with masks, and, of those that came without one, the volumes that each network alone finds.

    Also gives the SHA-256 of the networks by fold or file name; nothing where no CT lacks a mask. A network that finds
    no lung has no volumes, and then there is no noise. Raises InputError as `open_predictor`, and for a model without
    two lungs and infection.
    """
    if all(one.mask is not None for one in examinations):
        return list(examinations), {}
    together = open_predictor(list(models), threads=threads, trust_plugins=trust_plugins)
    done = [one if one.mask is not None else _with_mask(one, together) for one in examinations]
    models_used = dict(together.models)
    voters = voters_of(models)
    if len(voters) < 2:
        log.warning("the model is a single network, which has no spread: nothing says what is beyond its noise")
        return done, models_used
    del together
    volumes: list[list[dict[str, RegionVolume]]] = [[] for _ in examinations]
    for voter in track(voters, "networks", total=len(voters)):
        alone = voter.open(threads=threads, trust_plugins=trust_plugins)
        for given, found in zip(examinations, volumes, strict=True):
            if given.mask is None:
                labels = _with_mask(given, alone).mask
                found.append(_volumes(labels))
    return [replace(one, voters=tuple(found)) for one, found in zip(done, volumes, strict=True)], models_used


def _with_mask(examination: Examination, predictor: Predictor) -> Examination:
    if examination.image is None:
        raise ValueError(f"{examination.date}: a CT is segmented, found none")
    mask = predictor(examination.image)
    return replace(examination, mask=in_lung_labels(mask, predictor.settings))


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
