"""Which series of a study is the one to segment, and why: axial slices of a plain CT in HU, not derived, that hold the
whole lungs, thin and with a soft or lung kernel."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from pneumoseg.data_io.formats.dicom.coverage import Coverage, lung_coverage
from pneumoseg.data_io.formats.dicom.stack_geometry import StackGeometry, stack_geometry
from pneumoseg.data_io.formats.dicom.studies import StudySeries
from pneumoseg.data_io.volumes.grid_limits import FEW_SLICES
from pneumoseg.data_io.volumes.hounsfield import is_hu

DERIVED = re.compile(r"MIP|MINIP|MPR|REFORMAT|PROJECTION|CURVED|VOLUME REND|VRT|SCREEN|DOSE|RESAMPLED|SUBTRACT")
"""Words in ImageType of images that are no slices as reconstructed."""

SIEMENS = r"[BDHIQTU][a-z]?"
SOFT = re.compile(SIEMENS + r"[0-4]\d|STANDARD|SOFT|CHEST|DETAIL|[ABC]$|FC[01]\d", re.IGNORECASE)
LUNG = re.compile(SIEMENS + r"[5-7]\d|LUNG|Y[A-D]$|L$|FC[58]\d", re.IGNORECASE)
SHARP = re.compile(SIEMENS + r"[89]\d|BONE|EDGE|[DE]$|FC3\d", re.IGNORECASE)
KERNELS = {"soft": SOFT, "lung": LUNG, "sharp": SHARP}
"""Names of reconstruction kernels: of Siemens by their numbers (B40f, Br59d), of GE by words, of Philips by letters, of
Canon by numbers (FC13)."""

KERNEL_RANKS = {"soft": 0, "lung": 1, "": 1, "sharp": 2}
THICK_MM = (3.0, 5.0, 8.0)
ADVANTAGES = ("holds more of the lungs", "has thinner slices", "has a softer kernel", "is original", "has more slices")


@dataclass(frozen=True)
class SeriesFacts:
    """What decides about a series. `units`: HU, no HU or unknown. `hindrance`: why it cannot be segmented, or ""."""

    found: StudySeries
    geometry: StackGeometry
    coverage: Coverage
    units: str
    hindrance: str

    @property
    def is_derived(self) -> bool:
        """Whether the slices were computed from others."""
        return self.found.values["ImageType"].upper().startswith("DERIVED")

    @property
    def step_mm(self) -> float:
        """From slice to slice; 0 where that is not known."""
        return self.geometry.spacing_mm[2] if self.geometry.spacing_mm else 0.0

    @property
    def rank(self) -> tuple[int, ...]:
        """The less, the better; one number for each of ADVANTAGES."""
        kernel = self.found.values["ConvolutionKernel"]
        return (
            ("yes", "unknown", "no").index(self.coverage.whole_lung),
            sum(self.step_mm > limit for limit in THICK_MM),
            KERNEL_RANKS[kernel_kind(kernel)],
            int(self.is_derived),
            -len(self.found.series.slices),
        )


def series_facts(found: StudySeries) -> SeriesFacts:
    """What headers say of the series and, of a plain CT, five of its slices."""
    if not found.has_images:
        return SeriesFacts(found, StackGeometry(), Coverage("unknown", "no slices"), "unknown", _no_image(found))
    geometry = stack_geometry(found.series)
    plain = found.series.is_plain_ct
    coverage = lung_coverage(found.series, geometry) if plain else Coverage("unknown", "no plain CT")
    units = _units(found, coverage)
    return SeriesFacts(found, geometry, coverage, units, _hindrance(found, geometry, coverage, units))


def choose_of_study(every: Sequence[SeriesFacts]) -> list[tuple[bool, str]]:
    """Of each series of a study: whether it is the one to segment, and why."""
    possible = [one for one in every if not one.hindrance]
    if not possible:
        return [(False, one.hindrance) for one in every]
    best = min(possible, key=lambda one: one.rank)
    return [(one is best, _praise(one) if one is best else one.hindrance or _better(best, one)) for one in every]


def kernel_kind(name: str) -> str:
    """Whether a kernel of this name is soft, lung or sharp; "" where that is not known.

    >>> kernel_kind("B40f"), kernel_kind("LUNG"), kernel_kind("BONEPLUS"), kernel_kind("unheard of")
    ('soft', 'lung', 'sharp', '')
    """
    first = name.split("\\", maxsplit=1)[0].strip()
    return next((kind for kind, pattern in KERNELS.items() if pattern.match(first)), "")


def _no_image(found: StudySeries) -> str:
    return "localizer" if found.localizers else f"{found.series.modality or 'file'} without image"


def _units(found: StudySeries, coverage: Coverage) -> str:
    if found.series.modality != "CT" or coverage.extremes is None:
        return "unknown"
    said = found.values["RescaleType"].upper()
    return "HU" if said in ("", "HU", "US") and is_hu(*coverage.extremes) else "no HU"


def _hindrance(found: StudySeries, geometry: StackGeometry, coverage: Coverage, units: str) -> str:
    slices = found.series.slices
    image_type = found.values["ImageType"].upper()
    frames = max(one.frames for one in slices)
    colours = next((one.photometric for one in slices if not one.photometric.startswith("MONOCHROME")), "")
    derived = DERIVED.search(image_type)
    hindrances = {
        f"modality {found.series.modality or 'not given'}": found.series.modality != "CT",
        "multi-frame CT: write it as one slice per file first": frames > 1,
        f"a picture for viewing ({colours})": bool(colours),
        "slices do not say where they lie": geometry.spacing_mm is None,
        f"derived ({derived[0] if derived else ''})": derived is not None,
        geometry.plane: geometry.plane != "axial",
        f"{len(slices)} slices alone": len(slices) < FEW_SLICES,
        f"{geometry.doubled} slices lie where another does": geometry.doubled > 0,
        f"{geometry.missing} slices are missing": geometry.missing > 0,
        f"{geometry.uneven} steps between slices are uneven": geometry.uneven > 0,
        coverage.reason: coverage.extremes is None or coverage.has_lung is False,
        "values are no HU": units == "no HU",
    }
    return next((text for text, holds in hindrances.items() if holds), "")


def _praise(one: SeriesFacts) -> str:
    kernel = one.found.values["ConvolutionKernel"]
    kind = kernel_kind(kernel)
    lungs = {"yes": "whole lungs", "no": f"lungs cut: {one.coverage.reason}", "unknown": "lungs not seen"}
    kernel_words = f"{kind or 'unknown'} kernel" if kernel else "kernel not given"
    words = ("axial CT", "derived" if one.is_derived else "original", f"{one.step_mm:.3g} mm", kernel_words)
    return ", ".join((*words, lungs[one.coverage.whole_lung]))


def _better(best: SeriesFacts, one: SeriesFacts) -> str:
    """What the best series has beyond another."""
    pairs = zip(ADVANTAGES, best.rank, one.rank, strict=True)
    advantage = next((words for words, ours, theirs in pairs if ours < theirs), "comes first")
    return f"series {best.found.order} {advantage}"
