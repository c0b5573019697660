"""The series of a tree of studies as a table, one row each, without what identifies a person unless asked for."""

from collections import defaultdict

import pandas as pd

from pneumoseg.data_io.formats.dicom.header import number_in
from pneumoseg.data_io.formats.dicom.series_choice import SeriesFacts, choose_of_study, series_facts
from pneumoseg.data_io.formats.dicom.studies import Studies, StudySeries
from pneumoseg.data_io.storage.file_names import name_as_text

YES_NO = {True: "yes", False: "no"}


def study_table(studies: Studies, with_ids: bool = False) -> pd.DataFrame:
    """One row per series. Reads five slices of each plain CT series.

    `patient`, `study`, `series`: numbers from 1 on; `number`: that of the header. `path`: the folder relative to the
    tree, or several between " | ".
    `modality`, `slices` (images; 0 for localizers and files without image), `localizers`, `rows`, `columns`,
    `spacing_mm` (column x row x slice), `thickness_mm`, `kernel`, `image_type`, `orientation`, `gaps` (missing slices),
    `doubled`, `uneven`, `tilt_degrees`, `units`, `whole_lung` and `coverage`, `segment` and `why`, `notes`. With
    `with_ids` also `patient_id`, `accession_number`, `study_uid`, `series_uid`, `description`, `study_date`.
    """
    patients_in = defaultdict(set)
    for found in studies.series:
        for place in found.folders:
            patients_in[place].add(found.patient)
    rows = []
    for study in studies.of_each:
        facts = [series_facts(one) for one in study]
        for one, (segment, why) in zip(facts, choose_of_study(facts), strict=True):
            shared = any(len(patients_in[place]) > 1 for place in one.found.folders)
            row = _row(one) | {"segment": YES_NO[segment], "why": why, "notes": "; ".join(_notes(one.found, shared))}
            rows.append(row | (_ids(one.found) if with_ids else {}))
    return pd.DataFrame(rows, dtype=object)


def _row(one: SeriesFacts) -> dict[str, object]:
    found, geometry = one.found, one.geometry
    slices = found.series.slices
    placed = found.has_images and geometry.spacing_mm is not None
    return {
        "patient": found.patient,
        "study": found.study,
        "series": found.order,
        "number": found.series.number,
        "path": " | ".join(name_as_text(str(place)) for place in found.folders),
        "modality": found.series.modality,
        "slices": sum(one.frames for one in slices) if found.has_images else 0,
        "localizers": found.localizers,
        "rows": slices[0].rows,
        "columns": slices[0].columns,
        "spacing_mm": " x ".join(f"{size:.4g}" for size in geometry.spacing_mm or ()),
        "thickness_mm": number_in(found.values["SliceThickness"]),
        "kernel": found.values["ConvolutionKernel"].replace("\\", " "),
        "image_type": found.values["ImageType"].replace("\\", " "),
        "orientation": geometry.plane if found.has_images else "",
        "gaps": geometry.missing if placed else None,
        "doubled": geometry.doubled if placed else None,
        "uneven": geometry.uneven if placed else None,
        "tilt_degrees": round(geometry.tilt_degrees, 1) if placed else None,
        "units": one.units if found.has_images else "",
        "whole_lung": one.coverage.whole_lung if found.has_images else "",
        "coverage": one.coverage.reason if found.has_images else "",
    }


def _notes(found: StudySeries, shared: bool) -> list[str]:
    notes = {
        f"in {len(found.folders)} folders": len(found.folders) > 1,
        "another patient in the same folder": shared,
        f"{found.copies} copies left out": found.copies > 0,
        "UIDs are not valid": not found.valid_uids,
    }
    return [text for text, holds in notes.items() if holds]


def _ids(found: StudySeries) -> dict[str, object]:
    series = found.series
    return {
        "patient_id": found.ids["PatientID"],
        "accession_number": found.ids["AccessionNumber"],
        "study_uid": found.ids["StudyInstanceUID"],
        "series_uid": series.uid,
        "description": series.description,
        "study_date": series.slices[0].study_date,
    }
