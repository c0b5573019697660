"""Where a NIfTI header says that its voxels lie: by a qform, by an sform, by both or by neither.

The rule here: the sform where its code is not 0, else the qform, as nibabel and SPM do; with `form="qform"` the other
way round. ITK (3D Slicer, ITK-SNAP) takes the qform of files that have both, unless the sform's code is 1 (scanner).
So a file whose two forms differ lies in different places in different programs, perhaps with left and right exchanged.
Definitions: the comments of nifti1.h, "3D image (volume) orientation and location in space" (NIfTI-1.1, 2004).
"""

from dataclasses import dataclass
from typing import Literal

import nibabel as nib
import numpy as np
from nibabel.spatialimages import HeaderDataError

from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.volumes.volume import Grid

GridForm = Literal["sform", "qform"]
FORMS: tuple[GridForm, GridForm] = ("sform", "qform")

UNITS = {1: "meter", 2: "mm", 3: "micron"}
SPATIAL_BITS = 0b111  # of xyzt_units; the others are the unit of time
MM_PER_UNIT = {"mm": 1.0, "meter": 1000.0, "micron": 0.001, "unknown": 1.0}
NOWHERE = (
    "neither qform nor sform is set: the orientation is unknown, left and right may be exchanged; copy it from the "
    "original scan"
)
FIELDS = (
    *("qform_code", "sform_code", "quatern_b", "quatern_c", "quatern_d", "qoffset_x", "qoffset_y", "qoffset_z"),
    *("srow_x", "srow_y", "srow_z", "xyzt_units"),
)
EXACT_MM = 1e-3
SHEARED = "the axes are not orthogonal, which a qform cannot represent"


@dataclass(frozen=True, eq=False)
class NiftiPlacement:
    """The fields of a NIfTI header that say where its voxels lie, as they are stored: `header` holds them.

    As in the NIfTI library, the qform's handedness (`pixdim[0]`) is -1 for negative numbers, else 1.
    """

    header: nib.Nifti1Header

    def code(self, form: GridForm) -> int:
        """The code of the form; 0 where it is not set."""
        return int(self.header[f"{form}_code"])

    def affine_mm(self, form: GridForm) -> np.ndarray | None:
        """The 4x4 affine to RAS+ mm that the form gives; None where it is not set, or no affine can be made of it."""
        if self.code(form) <= 0:
            return None
        header = self.header.copy()
        header["pixdim"][0] = -1 if self.header["pixdim"][0] < 0 else 1
        try:
            affine = np.asarray(getattr(header, f"get_{form}")(), np.float64)
        except (HeaderDataError, ValueError):  # a quaternion longer than 1, a negative spacing
            return None
        return _scaled(affine, self.mm_per_unit) if np.isfinite(affine).all() else None

    def effective_form(self, form: GridForm) -> GridForm | None:
        """The form that counts: `form` where it is set, else the other; None where neither is."""
        other = FORMS[1 - FORMS.index(form)]
        return next((one for one in (form, other) if self.code(one) > 0), None)

    @property
    def unit(self) -> str:
        """The unit of lengths: mm, meter, micron or unknown."""
        return UNITS.get(int(self.header["xyzt_units"]) & SPATIAL_BITS, "unknown")

    @property
    def mm_per_unit(self) -> float:
        """Millimetres per unit of length; lengths of unknown unit are mm."""
        return MM_PER_UNIT[self.unit]

    def grid(self, shape: tuple[int, int, int], form: GridForm) -> Grid:
        """The grid that counts, with this placement; where neither form is set, nibabel's guess.

        Raises InputError where the form that counts is no finite invertible affine.
        """
        effective = self.effective_form(form)
        affine = self._guessed(shape) if effective is None else self.affine_mm(effective)
        try:
            return Grid(shape, np.full((4, 4), np.nan) if affine is None else affine, self)
        except InputError as error:
            other = next((one for one in FORMS if one != effective and self.affine_mm(one) is not None), None)
            message = f"the header's {effective or 'spacing'} cannot be used: {error}"
            if other is None or effective is None:
                raise InputError(message, options=error.options) from error
            raise InputError(f"{message}; grid={other} reads it by its {other}", options=("grid",)) from error

    def _guessed(self, shape: tuple[int, int, int]) -> np.ndarray:
        """nibabel's guess from the spacings alone: the first axis to the left, the volume centred on the origin."""
        header = nib.Nifti1Header()
        header.set_data_shape(shape)
        header["pixdim"][1:4] = np.abs(self.header["pixdim"][1:4])
        return _scaled(header.get_base_affine(), self.mm_per_unit)

    def warnings(self, shape: tuple[int, int, int], form: GridForm) -> list[str]:
        """What a reader should know of: no form, forms that differ (by how much, and whether they mirror each other), a
        form of which no affine can be made, lengths that are not in mm."""
        warnings = [] if self.effective_form(form) else [NOWHERE]
        if self.mm_per_unit != 1.0:
            warnings.append(f"the header gives lengths in {self.unit}; converted to mm")
        affines = {one: self.affine_mm(one) for one in FORMS}
        for one, affine in affines.items():
            if self.code(one) > 0 and affine is None:
                warnings.append(f"the header's {one} (code {self.code(one)}) is damaged")
        if affines["sform"] is not None and affines["qform"] is not None:
            warnings += self._difference(shape, form, affines["sform"], affines["qform"])
        return warnings

    def _difference(self, shape, form: GridForm, sform: np.ndarray, qform: np.ndarray) -> list[str]:
        try:
            by_sform, by_qform = Grid(shape, sform), Grid(shape, qform)
        except InputError:  # one that is not invertible
            return ["the header's sform and qform differ, and one of them is not invertible"]
        if by_sform.matches(by_qform):
            return []
        mirrored = np.linalg.det(sform[:3, :3]) * np.linalg.det(qform[:3, :3]) < 0
        here, itk = self.effective_form(form), self._form_of_itk
        other = "qform" if here == "sform" else "sform"
        apart_mm = by_sform.distance_mm(by_qform)
        counts = f"here the {here} counts, in ITK and 3D Slicer {'too' if here == itk else f'the {itk}'}"
        return [
            f"the header's sform (code {self.code('sform')}, axes {by_sform.axis_codes}) and qform (code "
            f"{self.code('qform')}, axes {by_qform.axis_codes}) are up to {apart_mm:.4g} mm apart, "
            f"{'mirrored' if mirrored else 'not mirrored'}; {counts}; grid={other} chooses the other"
        ]

    @property
    def _form_of_itk(self) -> GridForm:
        return "sform" if self.code("sform") == 1 or self.code("qform") <= 0 else "qform"


def place(header: nib.Nifti1Header, grid: Grid) -> str | None:
    """Writes where `grid` lies into `header`, and returns a warning where the qform is not exact.

    A grid that was read from a NIfTI file keeps that file's qform, sform, codes, spacings and unit as they are stored,
    so that any program shows both files in one place. Only a qform of which no affine can be made, or that is not set
    where the axes are sheared, is replaced by the nearest rigid one. Other grids get sform = `grid.affine`, qform = the
    nearest rigid affine, both coded 1 (scanner), in mm.
    """
    header.set_sform(grid.affine, code=1)
    header.set_qform(grid.affine, code=1, strip_shears=True)
    header["pixdim"][1:4] = grid.spacing_mm
    header.set_xyzt_units("mm")
    sheared = not np.allclose(header.get_qform(), grid.affine, atol=EXACT_MM)
    placement = grid.placement
    if isinstance(placement, NiftiPlacement):
        for name in FIELDS:
            header[name] = placement.header[name]
        header["pixdim"][:4] = placement.header["pixdim"][:4]
        code = placement.code("qform")
        if sheared if code <= 0 else placement.affine_mm("qform") is None:
            affine = _scaled(grid.affine, 1.0 / placement.mm_per_unit)
            header.set_qform(affine, code=max(code, 1), strip_shears=True)
            return f"{SHEARED if sheared else 'the qform of the source is damaged'}: replaced by the nearest rigid one"
        if code > 0:
            return None  # kept as it is; where it differs from the sform, the reader has warned
    return f"{SHEARED}: it holds the nearest rigid one, the sform is exact" if sheared else None


def _scaled(affine: np.ndarray, factor: float) -> np.ndarray:
    scaled = affine.astype(np.float64)
    scaled[:3] *= factor
    return scaled
