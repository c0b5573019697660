"""A generated patient at two dates: lesions that grew, shrank, resolved, stayed and came, in a body that moved."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from scipy.ndimage import map_coordinates
from scipy.spatial.transform import Rotation

from pneumoseg.data_io.console import track
from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.formats.nifti import write_ct_nifti, write_label_nifti
from pneumoseg.data_io.phantoms import generate
from pneumoseg.data_io.phantoms.anatomy import Mesh, Patient, SmoothField, mesh_part
from pneumoseg.data_io.phantoms.lesions import INFECTION, Lesion, draw_lesion, random_lesions
from pneumoseg.data_io.storage.atomic import folder_aside, remove_folder, replace_folder, restore_replaced
from pneumoseg.data_io.volumes.labels import CHANGE_LABELS, LUNG_LABELS
from pneumoseg.data_io.volumes.volume import Volume

BASELINE, FOLLOW_UP = "baseline", "follow_up"
CHANGE_NAME = "change.nii.gz"
UNCHANGED, NEW, RESOLVED = 1, 2, 3

LEAST_LESIONS = 4
SCALES = (1.4, 0.0, 0.6, 1.0)
"""How the lesions' radii change, from the largest lesion down and over again: grown, resolved, shrunk, unchanged."""

SECOND_SCAN = 101
"""The random stream of the second date, beside those of `generate.STREAMS`."""

SLAB_VOXELS = 2_000_000


@dataclass(frozen=True, eq=False)
class FollowUp:
    """Two CTs (int16, HU) of one patient with their labels (uint8, the classes of `LUNG_LABELS`), each pair on a grid
    of its own, and the true `change` (uint8, the classes of `CHANGE_LABELS`) on the follow-up's grid."""

    baseline_ct: Volume
    baseline_mask: Volume
    follow_up_ct: Volume
    follow_up_mask: Volume
    change: Volume


@dataclass(frozen=True, eq=False)
class Motion:
    """Where the tissue at a place (mm) of the second date lay at the first: a turn and shift of the patient, a deeper
    breath, and a small smooth `wobble`.

    `turn`: (3, 3); `shift_mm`: (3,); `breath_mm`: how much lower the base of the lungs lies, falling to 0 at the apex;
    `chest_share`: how much deeper the chest is there, as a share; `wobble_mm`: standard deviation.
    """

    patient: Patient
    turn: np.ndarray
    shift_mm: np.ndarray
    breath_mm: float
    chest_share: float
    wobble: tuple[SmoothField, ...]
    wobble_mm: float

    @classmethod
    def random(cls, rng: np.random.Generator, patient: Patient) -> "Motion":
        """A motion drawn from `rng`: up to 4 degrees, 12 mm, and a breath of 8 to 14 mm."""
        return cls(
            patient=patient,
            turn=Rotation.from_euler("xyz", rng.uniform(-4, 4, 3), degrees=True).as_matrix(),
            shift_mm=rng.uniform(-12, 12, 3) * (1, 1, 0.3),  # along z the scan still covers the lungs
            breath_mm=float(rng.uniform(8, 14)),
            chest_share=float(rng.uniform(0.02, 0.05)),
            wobble=tuple(SmoothField.random(rng, 80.0) for _ in range(3)),
            wobble_mm=0.8,
        )

    def places(self, mesh: Mesh) -> np.ndarray:
        """For each point of an open mesh at the second date its place at the first: float32 (3, nx, ny, nz), mm."""
        turned = [
            row[0] * (mesh[0] - self.shift_mm[0])
            + row[1] * (mesh[1] - self.shift_mm[1])
            + row[2] * (mesh[2] - self.shift_mm[2])
            for row in self.turn.astype(np.float32)
        ]
        height = (self.patient.apex_mm - turned[2]) / (self.patient.apex_mm - self.patient.base_mm)
        depth = np.clip(height, 0, 1.2)
        turned[2] = turned[2] + np.float32(self.breath_mm) * depth**1.5
        turned[1] = turned[1] * (1 - np.float32(self.chest_share) * np.sin(np.pi / 2.4 * depth))
        return np.stack([axis + self.wobble_mm * field(mesh) for axis, field in zip(turned, self.wobble, strict=True)])


def make_follow_up(
    seed: int, index: int, shape: tuple[int, int, int] = generate.DEFAULT_SHAPE, *, still: bool = False
) -> FollowUp:
    """A patient at two dates, with at least four lesions at the first; see `SCALES` for what becomes of them, and one
    more at the second.

    `shape`: voxels (x, y, z) of both CTs, in RAS+; spacings, orientations and noise differ. `still`: the lesions are
    those of the first date. Raises InputError as `generate.make_phantom`.
    """
    generate.check_phantom(seed, index, shape)
    rng = generate.random_streams(seed, index)
    second = np.random.default_rng([seed, index, SECOND_SCAN])
    body = generate.Body.random(rng)
    before = random_lesions(rng["lesions"], body.patient, body.inside, least=LEAST_LESIONS)
    motion = Motion.random(second, body.patient)
    coming = _coming(random_lesions(second, body.patient, body.inside, least=LEAST_LESIONS), before)
    after = before if still else [*_changed(before), coming]

    spacing_mm, mesh = generate.scan_range(rng["scan"], body.patient, shape)
    states = []
    for lesions in (before, after):
        hu, labels = body.drawn(mesh)
        for lesion in lesions:
            draw_lesion(lesion, body.fields, mesh, hu=hu, labels=labels)
        states.append((hu, labels))
    (hu_before, labels_before), (hu_after, labels_after) = states
    spacing_after_mm, mesh_after = generate.scan_range(second, body.patient, shape)
    hu_moved, moved_before, moved_after = _moved(motion, mesh, mesh_after, hu_after, (labels_before, labels_after))
    baseline = (generate.scanned(rng["noise"], hu_before, spacing_mm), labels_before)
    follow_up = (
        generate.scanned(second, hu_moved, spacing_after_mm),
        moved_after,
        true_change(moved_before, moved_after),
    )
    return FollowUp(
        *generate.stored_volumes(rng["scan"], baseline, spacing_mm),
        *generate.stored_volumes(second, follow_up, spacing_after_mm),
    )


def true_change(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """The classes of `CHANGE_LABELS`, uint8, of two label arrays (x, y, z) of one grid, voxel by voxel.

    >>> true_change(np.array([3, 3, 1, 0]), np.array([3, 1, 3, 0])).tolist()
    [1, 3, 2, 0]
    """
    was, is_now = before == INFECTION, after == INFECTION
    return (UNCHANGED * (was & is_now) + NEW * (~was & is_now) + RESOLVED * (was & ~is_now)).astype(np.uint8)


def write_follow_ups(
    folder: str | Path,
    cases: int,
    *,
    shape: tuple[int, int, int] = generate.DEFAULT_SHAPE,
    seed: int = 0,
    overwrite: bool = False,
) -> list[str]:
    """Writes `cases` patients at two dates and returns their names.

    `folder/phantom_001/baseline/` and `follow_up/` hold `imaging.nii.gz` and `segmentation.nii.gz`,
    `phantom_001/change.nii.gz` the true change on the follow-up's grid. Each patient's folder is written completely or
    not at all. Raises InputError as `generate.write_phantoms`.
    """
    folder = Path(folder)
    former = generate.check_request(folder, cases, shape=shape, seed=seed, overwrite=overwrite)
    if others := [path.name for path in former if not (path / CHANGE_NAME).is_file()]:
        raise InputError(f"{folder}: holds something else than such patients, {others[0]}; choose another folder")
    names = []
    for index in track(range(cases), "phantoms", total=cases):
        name = generate.patient_name(index)
        restore_replaced(folder / name)
        with folder_aside(folder / name) as aside:
            pair, made = make_follow_up(seed, index, shape), aside / name
            for date, ct, mask in (
                (BASELINE, pair.baseline_ct, pair.baseline_mask),
                (FOLLOW_UP, pair.follow_up_ct, pair.follow_up_mask),
            ):
                write_ct_nifti(made / date / generate.IMAGE_NAME, ct)
                write_label_nifti(made / date / generate.MASK_NAME, mask, LUNG_LABELS)
            write_label_nifti(made / CHANGE_NAME, pair.change, CHANGE_LABELS)
            replace_folder(made, folder / name)
        names.append(name)
    for path in former:
        if path.name not in names:
            remove_folder(path)
    return names


def _changed(lesions: Sequence[Lesion]) -> list[Lesion]:
    largest_first = sorted(lesions, key=lambda lesion: -float(np.prod(lesion.radii)))
    scales = (SCALES[place % len(SCALES)] for place in range(len(lesions)))
    return [
        replace(lesion, radii=lesion.radii * scale)
        for lesion, scale in zip(largest_first, scales, strict=True)
        if scale > 0
    ]


def _coming(candidates: Sequence[Lesion], present: Sequence[Lesion]) -> Lesion:
    """The one that lies farthest from all that are present."""
    return max(candidates, key=lambda one: min(float(np.linalg.norm(one.centre - other.centre)) for other in present))


def _moved(
    motion: Motion, mesh: Mesh, mesh_after: Mesh, hu: np.ndarray, masks: Sequence[np.ndarray]
) -> tuple[np.ndarray, ...]:
    """HU and masks on `mesh`, as of the first date, drawn on `mesh_after` of the second."""
    origin = np.array([axis.ravel()[0] for axis in mesh])
    step = np.array([axis.ravel()[1] - axis.ravel()[0] for axis in mesh])
    shape = tuple(axis.size for axis in mesh_after)
    moved_hu = np.empty(shape, np.float32)
    moved = [np.zeros(shape, np.uint8) for _ in masks]
    thick = max(1, SLAB_VOXELS // (shape[1] * shape[2]))
    for first in range(0, shape[0], thick):
        slab = (slice(first, first + thick), slice(None), slice(None))
        places = (motion.places(mesh_part(mesh_after, slab)) - origin[:, None, None, None]) / step[:, None, None, None]
        map_coordinates(hu, places, output=moved_hu[slab], order=1, mode="nearest")
        for mask, target in zip(masks, moved, strict=True):
            best = np.zeros(places.shape[1:], np.float32)
            for label in range(len(LUNG_LABELS)):
                share = map_coordinates((mask == label).astype(np.float32), places, order=1, mode="nearest")
                target[slab][share > best] = label
                np.maximum(best, share, out=best)
    return moved_hu, *moved
