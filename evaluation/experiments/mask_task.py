"""Masks as a kind of prediction: class numbers on the grid of the image."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pandas as pd

from pneumoseg.data_io.datasets.dataset import named
from pneumoseg.data_io.datasets.loaded_case import LoadedCase
from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.formats.nifti import write_label_nifti
from pneumoseg.data_io.formats.probability_levels import read_levels, write_levels
from pneumoseg.data_io.formats.reading import read_labels
from pneumoseg.data_io.volumes.labels import LabelTable
from pneumoseg.data_io.volumes.partial_labels import hidden_classes
from pneumoseg.data_io.volumes.volume import Volume, on_grid_of
from pneumoseg.evaluation.experiments.task import CasePictures, CaseVolumes, Task
from pneumoseg.evaluation.figures.case_pictures import draw_case
from pneumoseg.evaluation.report.mask_figures import case_sheets, draw_masks, extreme_cases
from pneumoseg.evaluation.report.mask_tables import mask_result, pooled_sections
from pneumoseg.evaluation.report.score_figures import Figures
from pneumoseg.evaluation.report.trust_section import draw_trust, trust_sections
from pneumoseg.evaluation.scoring import files
from pneumoseg.evaluation.scoring.case_scores import CaseScores, check_tolerances, score_case
from pneumoseg.evaluation.scoring.counted_masks import counted_masks
from pneumoseg.evaluation.scoring.mask_columns import MASK_COLUMNS
from pneumoseg.evaluation.scoring.pooled import POOLED
from pneumoseg.evaluation.scoring.probability_histograms import HISTOGRAMS
from pneumoseg.evaluation.scoring.sources import POSITIVE_ML, source_table
from pneumoseg.evaluation.scoring.trust_table import TABLE, merge_trust, plausibility, trust_rows, write_trust
from pneumoseg.evaluation.scoring.unpredicted import unpredicted_classes
from pneumoseg.pipeline.methods.protocol import RankedMask
from pneumoseg.pipeline.models.bundle_card import TRUST
from pneumoseg.pipeline.prediction.signals import read_signals, write_signals

MASK_SUFFIX = ".nii.gz"


@dataclass(frozen=True)
class MaskTask(Task):
    """Masks with the classes of `labels`. `tolerances_mm`: of the surface Dice by class or group, on top of
    `surface.TOLERANCES_MM`. `positive_ml`: from which volume in the reference on a case has lesions. Raises InputError
    where a tolerance belongs to no class."""

    labels: LabelTable = field()
    tolerances_mm: Mapping[str, float] | None = None
    positive_ml: float = POSITIVE_ML
    columns = MASK_COLUMNS
    further_files = (files.LESIONS, files.CONFUSION, POOLED, HISTOGRAMS, TABLE, TRUST)

    def __post_init__(self):
        check_tolerances(self.tolerances_mm, self.labels)

    def file_name(self, case: str) -> str:
        """NIfTI."""
        return f"{case}{MASK_SUFFIX}"

    def write(self, path: Path, prediction: Volume | RankedMask) -> None:
        """Writes a mask with the names of its classes; first, beside it, what a RankedMask has: its signals to
        CASE.signals.json, its levels to CASE.probabilities.npz."""
        if isinstance(prediction, RankedMask) and prediction.signals is not None:
            write_signals(_signals_beside(path), prediction.signals)
        if isinstance(prediction, RankedMask) and prediction.levels is not None:
            write_levels(_levels_beside(path), prediction.levels)
        write_label_nifti(path, _mask_of(prediction), self.labels)

    def read(self, path: Path, case: LoadedCase) -> Volume | RankedMask:
        """The mask on the reference's grid, with the signals and the levels where these lie beside it. Raises
        InputError where it lies elsewhere or has other labels, and for damaged signals or levels of another shape."""
        reference, places = case.reference, "reference and prediction"
        with named(case.name):
            prediction = read_labels(path, self.labels, grid=case.case.grid)
            mask = on_grid_of(reference, prediction, places)
            signals = read_signals(_signals_beside(path)) if _signals_beside(path).is_file() else None
            if not _levels_beside(path).is_file():
                return mask if signals is None else RankedMask(mask, signals=signals)
            levels = read_levels(_levels_beside(path), (*prediction.array.shape, len(self.labels)))
            return RankedMask(mask, on_grid_of(reference, prediction.with_array(levels), places).array, signals)

    def score(self, fold: int, case: CaseVolumes, prediction: Volume | RankedMask) -> CaseScores:
        """Rows per class, lesions, confusion and histograms of probabilities: `case_scores.score_case`; and of a
        prediction with signals, rows of `trust_table`."""
        scores = score_case(
            case.name,
            fold,
            case.reference,
            prediction=_mask_of(prediction),
            labels=self.labels,
            tolerances_mm=self.tolerances_mm,
            probabilities=self.probabilities(case),
            levels=prediction.levels if isinstance(prediction, RankedMask) else None,
            valid=case.valid,
            labelled=case.labelled,
            source=case.source,
        )
        if not (isinstance(prediction, RankedMask) and prediction.signals and isinstance(case, LoadedCase)):
            return scores
        findings = plausibility(case.image, prediction.mask, self.labels)
        rows = trust_rows(scores.rows, prediction.signals, patient=case.case.patient, findings=findings)
        return replace(scores, trust=tuple(rows))

    def probabilities(self, case: CaseVolumes) -> Mapping[str, Volume] | None:
        """Probability maps of the classes, for the AUC; there are none here, where levels may lie beside the mask."""
        return None

    def draw(self, folder: Path, case: CaseVolumes, prediction: Volume | RankedMask, *, title: str) -> None:
        """The worst slices, a scroll and a film strip of what is scored: `case_pictures.draw_case`."""
        if case.image is not None:
            hidden = hidden_classes(self.labels, case.labelled)
            masks = counted_masks(case.reference, _mask_of(prediction), hidden, valid=case.valid)
            draw_case(
                folder,
                case.name,
                case.image,
                reference=masks.reference,
                prediction=masks.prediction,
                labels=self.labels,
                title=title,
            )

    def write_further(self, folder: Path, scored: Sequence[Any]) -> None:
        """Writes lesions.csv, confusion.csv, pooled.csv and, of RankedMasks, probability_histograms.csv and trust.csv
        of `scored`, each a CaseScores."""
        files.write_counts(folder, scored, self.labels)
        write_trust(folder, [row for one in scored for row in one.trust])

    def merge_further(self, folders: Sequence[Path], target: Path) -> None:
        """All lesions, the sum of the voxels, and the scores of that sum; signals with verdicts, and their calibration
        trust.json."""
        files.merge_counts(folders, target)
        merge_trust(folders, target)

    def check_alike(self, root: Path, detailed: pd.DataFrame) -> None:
        """Raises InputError where the tolerances of folds differ: no mean can be taken of their scores."""
        for name, tolerances_mm in detailed.groupby("class")["nsd_tolerance_mm"]:
            if tolerances_mm.nunique() > 1:
                values = " and ".join(f"{value:g}" for value in sorted(tolerances_mm.dropna().unique()))
                raise InputError(
                    f"{root}: the folds' surface Dice of {name} have tolerances of {values} mm; score the run "
                    f"again with one tolerance of {name}",
                    options=("tolerances_mm",),
                )

    def figures(self, folder: Path, detailed: pd.DataFrame) -> Figures:
        """Box plots, volumes, lesion sizes, the confusion matrix, and predicted against true Dice."""
        return [*draw_masks(folder, detailed), *draw_trust(folder)]

    def result(self, detailed: pd.DataFrame, final: pd.DataFrame) -> list[str]:
        """Overlap, surfaces, lesions and volumes."""
        return mask_result(detailed, final)

    def warnings(self, detailed: pd.DataFrame) -> Iterator[str]:
        """Classes that are in references and in no prediction."""
        return unpredicted_classes(detailed)

    def by_source(self, detailed: pd.DataFrame) -> pd.DataFrame | None:
        """Dice of cases with lesions, and false volume of those without, by source."""
        return source_table(detailed, positive_ml=self.positive_ml)

    def further_sections(self, folder: Path) -> dict[str, list[str]]:
        """The scores over all pixels of all cases; how well they are predicted without a reference."""
        return pooled_sections(folder) | trust_sections(folder)

    def case_pictures(self, detailed: pd.DataFrame, folders: Mapping[tuple[int, str], Path]) -> CasePictures:
        """The sheet of each case, and film strips of the worst and the best."""
        return CasePictures(case_sheets(detailed, folders), extreme_cases(detailed, folders))


def _mask_of(prediction: Volume | RankedMask) -> Volume:
    return prediction.mask if isinstance(prediction, RankedMask) else prediction


def _signals_beside(mask: Path) -> Path:
    return mask.with_name(f"{mask.name.removesuffix(MASK_SUFFIX)}.signals.json")


def _levels_beside(mask: Path) -> Path:
    return mask.with_name(f"{mask.name.removesuffix(MASK_SUFFIX)}.probabilities.npz")
