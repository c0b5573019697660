"""Axial slices of phantoms: as pictures with masks, and as one stack."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.ndimage import gaussian_filter

from pneumoseg.data_io.console import listed, track
from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.formats.label_pictures import write_label_picture
from pneumoseg.data_io.formats.nifti import write_ct_nifti, write_label_nifti
from pneumoseg.data_io.formats.pictures import picture_volume
from pneumoseg.data_io.phantoms.generate import DEFAULT_SHAPE, check_request, make_phantom, patient_name
from pneumoseg.data_io.phantoms.lesions import INFECTION
from pneumoseg.data_io.storage.atomic import folder_aside, replace_folder, restore_replaced, write_text
from pneumoseg.data_io.volumes.labels import LabelTable
from pneumoseg.data_io.volumes.volume import Volume

IMAGES, MASKS, CLASSES = "images", "masks", "classes"
PATIENTS = "patients.csv"
STACK = "tr"
STACK_IMAGE, STACK_MASK = f"{STACK}_im.nii.gz", f"{STACK}_mask.nii.gz"
PICTURE_NAME = re.compile(r"phantom_\d{3,}_\d{3,}\.png")

INFECTED_SLICES = 2
"""Of each patient; with them comes one slice of the lungs without infection, where there is one."""

WINDOW_HU = (-1250.0, 250.0)
CONSOLIDATION_HU = -250.0
"""Between the ground glass (up to -350 HU) and the consolidations (from -120 HU) of `lesions`."""

SMOOTHED_PIXELS = 1.0
"""Standard deviation of the blur before ground glass and consolidation are separated, which noise would mix."""

CROPPED_SHARE = 1 / 16
"""At most so much of a picture is cut off on each side."""

CROPS = 100
"""The random stream of the crops, beside those of `generate.STREAMS`."""

INFECTED = LabelTable(("background", "infection"), ((0, 0, 0), (214, 39, 40)))
SYMPTOMS = LabelTable(("background", "ground_glass", "consolidation"), ((0, 0, 0), (255, 152, 50), (148, 60, 190)))


@dataclass(frozen=True, eq=False)
class PhantomSlice:
    """An axial slice of a generated patient: `hu` int16 and `symptoms` uint8, classes of SYMPTOMS, both (x, y), RAS+.
    `index`: among the patient's slices from below."""

    patient: str
    index: int
    hu: np.ndarray
    symptoms: np.ndarray


def write_pictures(
    folder: str | Path,
    cases: int,
    *,
    shape: tuple[int, int, int] = DEFAULT_SHAPE,
    seed: int = 0,
    overwrite: bool = False,
) -> list[str]:
    """Writes slices of `cases` patients as pictures and returns their names: PATIENT_SLICE, up to three of a patient.

    `folder/images/NAME.png` is grey of 8 bits, the window -1250..250 HU; `masks/NAME.png` has 0 and 255 (infection);
    `classes/NAME.png` is a palette of 0, 1 (ground glass) and 2 (consolidation), above 0 where the mask is 255.
    `patients.csv` (columns case,patient) names the patient of each. Sizes differ: `shape` (x, y, z) is the patients'
    volume, whose margins are cut.

    Each folder is replaced as a whole. Raises InputError as `generate.write_phantoms`, and, with `overwrite`, where
    `folder` holds phantoms of another kind or the folders other files than phantoms.
    """
    folder = Path(folder)
    _check_former(
        check_request(folder, cases, shape=shape, seed=seed, overwrite=overwrite), (IMAGES, MASKS, CLASSES, PATIENTS)
    )
    for name in (MASKS, CLASSES, IMAGES):
        restore_replaced(folder / name)
        _check_pictures(folder / name)
    patients = {}
    with folder_aside(folder / IMAGES) as aside:
        for name in (IMAGES, MASKS, CLASSES):
            (aside / name).mkdir()
        for one in _slices(cases, shape, seed):
            name = f"{one.patient}_{one.index:03d}"
            patients[name] = one.patient
            part = _crop(one, seed)
            # Rows to the back and columns to the left, as pictures are shown.
            grey, symptoms = (np.flip(array[part]).T for array in (_windowed(one.hu), one.symptoms))
            Image.fromarray(np.ascontiguousarray(grey)).save(aside / IMAGES / f"{name}.png", "PNG")
            classes = picture_volume(symptoms)
            infected = classes.with_array((classes.array > 0).astype(np.uint8))
            write_label_picture(aside / MASKS / f"{name}.png", infected, INFECTED)
            write_label_picture(aside / CLASSES / f"{name}.png", classes, SYMPTOMS)
        for name in (MASKS, CLASSES, IMAGES):
            replace_folder(aside / name, folder / name)
        _write_patients(folder / PATIENTS, patients)
    return list(patients)


def write_stack(
    folder: str | Path,
    cases: int,
    *,
    shape: tuple[int, int, int] = DEFAULT_SHAPE,
    seed: int = 0,
    overwrite: bool = False,
) -> list[str]:
    """Writes slices of `cases` patients, up to three of each, as one stack and returns the names of its cases: tr_000,
    tr_001 and so on.

    `folder/tr_im.nii.gz` has the HU (int16), `tr_mask.nii.gz` 1 for ground glass and 2 for consolidation, both
    (x, y, slices), with nominal spacings of 1 mm; `patients.csv` (columns case,patient) names the patient of each
    slice. Raises InputError as `generate.write_phantoms`, and, with `overwrite`, where `folder` holds phantoms of
    another kind.
    """
    folder = Path(folder)
    _check_former(
        check_request(folder, cases, shape=shape, seed=seed, overwrite=overwrite), (STACK_IMAGE, STACK_MASK, PATIENTS)
    )
    slices = list(_slices(cases, shape, seed))
    hu, symptoms = (
        np.stack(arrays, axis=2) for arrays in zip(*((one.hu, one.symptoms) for one in slices), strict=True)
    )
    digits = max(3, len(str(len(slices) - 1)))
    patients = {f"{STACK}_{number:0{digits}d}": one.patient for number, one in enumerate(slices)}
    write_ct_nifti(folder / STACK_IMAGE, Volume.from_source(hu, np.eye(4)))
    write_label_nifti(folder / STACK_MASK, Volume.from_source(symptoms, np.eye(4)), SYMPTOMS)
    _write_patients(folder / PATIENTS, patients)
    return list(patients)


def symptoms_of(hu: np.ndarray, infected: np.ndarray) -> np.ndarray:
    """The classes of SYMPTOMS, uint8: consolidation where the blurred slice is denser than CONSOLIDATION_HU, else
    ground glass. `hu`: (x, y); `infected`: bool (x, y)."""
    smooth = gaussian_filter(hu.astype(np.float32), SMOOTHED_PIXELS)
    return infected.astype(np.uint8) + (infected & (smooth > CONSOLIDATION_HU)).astype(np.uint8)


def _slices(cases: int, shape: tuple[int, int, int], seed: int) -> Iterator[PhantomSlice]:
    for index in track(range(cases), "phantoms", total=cases):
        ct, labels = make_phantom(seed, index, shape)
        for z in _chosen(labels.array):
            hu = ct.array[:, :, z].copy()
            yield PhantomSlice(patient_name(index), z, hu, symptoms_of(hu, labels.array[:, :, z] == INFECTION))


def _chosen(labels: np.ndarray) -> list[int]:
    """Slices with infection, evenly spread over these, and one of the lungs without."""
    infected = (labels == INFECTION).any(axis=(0, 1))
    lungs = np.count_nonzero(labels, axis=(0, 1))
    stacks = np.array_split(np.flatnonzero(infected), INFECTED_SLICES)
    spread = {int(stack[len(stack) // 2]) for stack in stacks if stack.size}
    free = np.where(infected, 0, lungs)
    return sorted(spread | ({int(free.argmax())} if free.any() or not spread else set()))


def _windowed(hu: np.ndarray) -> np.ndarray:
    black, white = WINDOW_HU
    return np.rint((np.clip(hu, black, white) - black) * (255 / (white - black))).astype(np.uint8)


def _crop(one: PhantomSlice, seed: int) -> tuple[slice, slice]:
    rng = np.random.default_rng([seed, int(one.patient.rpartition("_")[2]), one.index, CROPS])
    margins = [rng.integers(0, int(size * CROPPED_SHARE) + 1, 2) for size in one.hu.shape]
    x, y = (slice(int(first), size - int(last)) for (first, last), size in zip(margins, one.hu.shape, strict=True))
    return x, y


def _write_patients(path: Path, patients: dict[str, str]) -> None:
    write_text(path, "case,patient\n" + "".join(f"{case},{patient}\n" for case, patient in patients.items()))


def _check_former(former: list[Path], ours: tuple[str, ...]) -> None:
    of_another_kind = {IMAGES, MASKS, CLASSES, STACK_IMAGE, STACK_MASK} - {*ours}
    for path in former:
        if path.name in of_another_kind or path.name.startswith("phantom_"):
            raise InputError(
                f"{path.parent}: holds phantoms of another kind, {path.name}; choose another folder, or remove them"
            )


def _check_pictures(folder: Path) -> None:
    others = [path.name for path in folder.glob("*") if not PICTURE_NAME.fullmatch(path.name)]
    if others:
        raise InputError(
            f"{folder}: overwriting replaces the folder, found other files than phantoms: {listed(others)}; move them "
            "elsewhere, or choose another folder"
        )
