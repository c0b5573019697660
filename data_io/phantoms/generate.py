"""Chest CT phantoms: generated patients with COVID-19, drawn from geometry, with exact labels.

For tests, demonstrations and trial runs without real CTs. Scores on phantoms do not predict scores on patients.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
from scipy.ndimage import gaussian_filter
from scipy.spatial.transform import Rotation

from pneumoseg.data_io.console import track
from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.formats.nifti import write_ct_nifti, write_label_nifti
from pneumoseg.data_io.phantoms import lesions, tissue
from pneumoseg.data_io.phantoms.anatomy import Fields, Mesh, Patient, mesh_part
from pneumoseg.data_io.phantoms.dicom_series import PatientPosition, write_series
from pneumoseg.data_io.phantoms.tubes import Tubes
from pneumoseg.data_io.storage.atomic import folder_aside, remove_folder, replace_folder, restore_replaced
from pneumoseg.data_io.volumes.labels import LUNG_LABELS
from pneumoseg.data_io.volumes.volume import Volume

DEFAULT_SHAPE = (128, 128, 64)
SMALLEST_AXIS = 16
SLAB_VOXELS = 4_000_000
STREAMS = ("patient", "fields", "vessels", "lesions", "scan", "noise")
"""Independent random streams: the shape and the noise of the scan do not change the patient."""

ORIENTATIONS = ("LPS", "LPS", "LPS", "LAS", "LAS", "RAS", "RAS", "LAI", "LAI", "PSL", "SLP")
IMAGE_NAME, MASK_NAME, SERIES_NAME = "imaging.nii.gz", "segmentation.nii.gz", "dicom"
CASE_NAME = re.compile(r"phantom_\d{3,}")


@dataclass(frozen=True, eq=False)
class Body:
    """One generated patient without lesions: measurements, smooth fields, places in the lungs, vessels and bronchi."""

    patient: Patient
    fields: Fields
    inside: tissue.LungPlaces
    tree: Tubes
    bronchi: Tubes

    @classmethod
    def random(cls, rng: Mapping[str, np.random.Generator]) -> "Body":
        """A patient drawn from the streams patient, fields and vessels of `random_streams`."""
        patient, fields = Patient.random(rng["patient"]), tissue.random_fields(rng["fields"])
        inside = tissue.lung_places(patient, fields)
        return cls(patient, fields, inside, *tissue.lung_trees(rng["vessels"], inside))

    def drawn(self, mesh: Mesh) -> tuple[np.ndarray, np.ndarray]:
        """HU (float32, not yet scanned) and labels (uint8) on an open mesh (mm), both (nx, ny, nz)."""
        shape = np.broadcast_shapes(*(axis.shape for axis in mesh))
        hu, labels = np.empty(shape, dtype=np.float32), np.empty(shape, dtype=np.uint8)
        thick = max(1, SLAB_VOXELS // (shape[1] * shape[2]))
        for first in range(0, shape[0], thick):
            slab = (slice(first, first + thick), slice(None), slice(None))
            tissue.draw_tissues(self.patient, self.fields, mesh_part(mesh, slab), hu=hu[slab], labels=labels[slab])
        tissue.draw_skeleton_and_mediastinum(
            self.patient, mesh, hu, labels=labels, tree=self.tree, bronchi=self.bronchi
        )
        return hu, labels


def make_phantom(seed: int, index: int, shape: tuple[int, int, int] = DEFAULT_SHAPE) -> tuple[Volume, Volume]:
    """The CT (int16, HU) and the labels (uint8, the classes of `LUNG_LABELS`) of one generated patient.

    `shape`: voxels (x, y, z) of the arrays, in RAS+. The stored grids vary from case to case: LPS, LAS, RAS, LAI,
    permuted axes, sometimes a small rotation. The same `seed`, `index` and `shape` give the same arrays; another
    `shape` is another scan of the same patient. Raises InputError for negative numbers and for an axis below 16 voxels.
    """
    check_phantom(seed, index, shape)
    rng = random_streams(seed, index)
    body = Body.random(rng)
    spacing_mm, mesh = scan_range(rng["scan"], body.patient, shape)
    hu, labels = body.drawn(mesh)
    for lesion in lesions.random_lesions(rng["lesions"], body.patient, body.inside):
        lesions.draw_lesion(lesion, body.fields, mesh, hu=hu, labels=labels)
    ct, mask = stored_volumes(rng["scan"], (scanned(rng["noise"], hu, spacing_mm), labels), spacing_mm)
    return ct, mask


def write_phantoms(
    folder: str | Path,
    cases: int,
    *,
    shape: tuple[int, int, int] = DEFAULT_SHAPE,
    seed: int = 0,
    overwrite: bool = False,
    positions: Sequence[PatientPosition] = (),
) -> list[Path]:
    """Writes `cases` phantoms, one folder per case, and returns these folders.

    `folder/phantom_001/imaging.nii.gz` is the CT (int16, HU), `segmentation.nii.gz` beside it the labels (uint8). With
    `positions` the CT is a DICOM series in `folder/phantom_001/dicom` instead, the first patient in the first position
    on the table, the next one in the next. A case's folder is written completely or not at all. With `overwrite`,
    existing phantoms in `folder` are replaced; other files are kept. Raises InputError for fewer than one case, a bad
    shape or seed, and a folder that is not empty.
    """
    folder = Path(folder)
    former = check_request(folder, cases, shape=shape, seed=seed, overwrite=overwrite)
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for index in track(range(cases), "phantoms", total=cases):
        target = folder / patient_name(index)
        restore_replaced(target)
        with folder_aside(target) as aside:
            ct, labels = make_phantom(seed, index, shape)
            made = aside / target.name
            if positions:
                position, patient = positions[index % len(positions)], f"{target.name}-{seed}"
                write_series(made / SERIES_NAME, ct, patient_position=position, seed=seed, patient_id=patient)
            else:
                write_ct_nifti(made / IMAGE_NAME, ct)
            write_label_nifti(made / MASK_NAME, labels, LUNG_LABELS)
            replace_folder(made, target)
        written.append(target)
    for path in former:
        if CASE_NAME.fullmatch(path.name) and path.is_dir() and path not in written:
            remove_folder(path)
    return written


def patient_name(index: int) -> str:
    """The name of a generated patient, counted from 0 here and from 1 in the name."""
    return f"phantom_{index + 1:03d}"


def check_request(folder: Path, cases: int, *, shape: tuple[int, int, int], seed: int, overwrite: bool) -> list[Path]:
    """What lies in `folder` already, but for hidden files. Raises InputError as `write_phantoms`."""
    if cases < 1:
        raise InputError(f"cases: at least 1 phantom can be written, found {cases}")
    _check_shape(shape)
    if seed < 0:
        raise InputError(f"seed: must be 0 or more, found {seed}")
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder}: phantoms are written into a folder, found a file; choose another name")
    visible = [path for path in folder.glob("*") if not path.name.startswith(".")] if folder.exists() else []
    if visible and not overwrite:
        raise InputError(
            f"{folder}: the folder must be empty, found {visible[0].name}; overwrite it or choose another name",
            options=("overwrite",),
        )
    return visible


def check_phantom(seed: int, index: int, shape: tuple[int, ...]) -> None:
    """Raises InputError for negative numbers, and as shapes need at least 16 voxels on each of three axes."""
    _check_shape(shape)
    if seed < 0 or index < 0:
        raise InputError(f"seed and index of a phantom must be 0 or more, found {seed} and {index}")


def _check_shape(shape: tuple[int, ...]) -> None:
    if len(shape) != 3 or min(shape) < SMALLEST_AXIS:
        raise InputError(f"shape: a phantom has three axes of at least {SMALLEST_AXIS} voxels, found {tuple(shape)}")


def random_streams(seed: int, index: int) -> dict[str, np.random.Generator]:
    """The STREAMS of one patient, each by its name."""
    return {name: np.random.default_rng([seed, index, stream]) for stream, name in enumerate(STREAMS)}


def scan_range(rng: np.random.Generator, patient: Patient, shape: tuple[int, int, int]) -> tuple[np.ndarray, Mesh]:
    """Spacing (mm) and coordinates of the voxels: the body fills the field of view, the z extent covers the lungs."""
    field_mm = float(np.clip(2 * patient.body_width_mm + rng.uniform(8, 30), 330, 400))
    extent_mm = np.array([field_mm, field_mm, rng.uniform(280, 320)])
    centre_mm = (rng.uniform(-6, 6), rng.uniform(-16, -6), (patient.apex_mm + patient.base_mm) / 2 + rng.uniform(-6, 6))
    spacing_mm = extent_mm / shape
    x, y, z = (
        ((np.arange(size) - (size - 1) / 2) * step + centre).astype(np.float32)
        for size, step, centre in zip(shape, spacing_mm, centre_mm, strict=True)
    )
    return spacing_mm, (x[:, None, None], y[None, :, None], z[None, None, :])


def scanned(rng: np.random.Generator, hu: np.ndarray, spacing_mm: np.ndarray) -> np.ndarray:
    """The scanned image of `hu` (overwritten): blurred by the point spread, with correlated noise, int16.

    In the plane the point spread is that of the reconstruction kernel, along z that of the slice profile: slices are
    1 to 8 mm thick and at least as thick as their spacing. Further blur of 0.3 voxels models partial volumes.
    """
    kernel_mm = rng.uniform(0.45, 0.85)
    thickness_mm = float(np.clip(spacing_mm[2] * rng.uniform(1.0, 1.6), 1, 8))
    # A box of width t has the standard deviation t / sqrt(12).
    spread_mm = np.array([kernel_mm, kernel_mm, thickness_mm / 12**0.5])
    gaussian_filter(hu, np.sqrt((spread_mm / spacing_mm) ** 2 + 0.3**2), output=hu, truncate=3.0)
    noise = rng.standard_normal(hu.shape, dtype=np.float32)
    grain = np.array([0.75 * kernel_mm + 0.25, 0.75 * kernel_mm + 0.25, 0.4 * thickness_mm / 12**0.5]) / spacing_mm
    gaussian_filter(noise, grain, output=noise, truncate=3.0)
    noise *= np.float32(rng.uniform(16, 36) / float(noise[::4, ::4].std()))
    hu += noise
    return np.clip(np.rint(hu, out=hu), -1024, 3071, out=hu).astype(np.int16)


def stored_volumes(rng: np.random.Generator, arrays: Sequence[np.ndarray], spacing_mm: np.ndarray) -> list[Volume]:
    """Arrays (x, y, z) in RAS+ as volumes on one stored grid, whose orientation and place are drawn from `rng`."""
    orientation, affine = _source_place(rng, spacing_mm, arrays[0].shape)
    return [
        Volume.from_source(np.ascontiguousarray(nib.orientations.apply_orientation(array, orientation)), affine)
        for array in arrays
    ]


def _source_place(
    rng: np.random.Generator, spacing_mm: np.ndarray, shape: tuple[int, int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """The stored grid: nibabel orientation from RAS+ to the stored axes, and the affine."""
    turn = np.radians(rng.uniform(-7, 7, 3)) * (rng.random() < 0.25)
    affine = np.eye(4)
    affine[:3, :3] = Rotation.from_euler("xyz", turn).as_matrix() @ np.diag(spacing_mm)
    affine[:3, 3] = rng.uniform(-40, 40, 3) - affine[:3, :3] @ ((np.array(shape) - 1) / 2)
    codes = ORIENTATIONS[int(rng.integers(len(ORIENTATIONS)))]
    orientation = nib.orientations.axcodes2ornt(tuple(codes))
    orientation = nib.orientations.ornt_transform(nib.orientations.axcodes2ornt("RAS"), orientation)
    source = affine @ nib.orientations.inv_ornt_aff(orientation, shape)
    # NIfTI stores affines in float32; rounding here makes the file round trip exact.
    return orientation, source.astype(np.float32).astype(np.float64)
