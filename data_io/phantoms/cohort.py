"""A cohort of generated studies with its table: COVID-19 of every severity, normal lungs, and other findings.

Lungs are aerated to a different extent from patient to patient, so that their mean attenuation does not tell who is
diseased. The score is the percent of the lungs that the labels call infected.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from pneumoseg.data_io.console import track
from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.formats.nifti import write_ct_nifti, write_label_nifti
from pneumoseg.data_io.phantoms import generate
from pneumoseg.data_io.phantoms.dicom_series import PatientPosition, write_series
from pneumoseg.data_io.phantoms.lesions import INFECTION, draw_lesion, random_lesions
from pneumoseg.data_io.phantoms.other_patterns import OTHERS, draw_other
from pneumoseg.data_io.storage.atomic import folder_aside, remove_folder, replace_folder, restore_replaced
from pneumoseg.data_io.storage.csv_rows import write_rows
from pneumoseg.data_io.volumes.labels import LUNG_LABELS
from pneumoseg.data_io.volumes.volume import Volume

TABLE_NAME = "cohort.csv"
COLUMNS = ("patient", "path", "label", "score", "pattern")

SEVERITIES = {
    "low": (0.04, 0.17),
    "mild": (0.23, 0.37),
    "moderate": (0.43, 0.57),
    "severe": (0.63, 0.76),
    "critical": (0.83, 0.93),
}
"""Patterns of COVID-19 and the infected share of the lungs that is aimed at, within the categories of the score."""
NORMAL = "normal"

AERATION_HU = {"diseased": (-885.0, -800.0), NORMAL: (-870.0, -640.0), "other": (-820.0, -560.0)}
"""Of lung tissue, drawn evenly: full inspiration is dark; healthy lungs here are often in shallower breath."""

COHORT_STREAM, PLAN_STREAM = 102, 103
"""Random streams beside those of `generate.STREAMS`."""


def make_study(
    seed: int, index: int, pattern: str, shape: tuple[int, int, int] = generate.DEFAULT_SHAPE
) -> tuple[Volume, Volume]:
    """The CT (int16, HU) and the labels (uint8, the classes of `LUNG_LABELS`) of a study with that pattern: a severity,
    "normal" or one of `OTHERS`.

    Raises InputError as `generate.make_phantom`.
    """
    generate.check_phantom(seed, index, shape)
    rng, own = generate.random_streams(seed, index), np.random.default_rng([seed, index, COHORT_STREAM])
    group = "diseased" if pattern in SEVERITIES else NORMAL if pattern == NORMAL else "other"
    drawn = generate.Body.random(rng)
    body = replace(drawn, patient=replace(drawn.patient, lung_hu=float(own.uniform(*AERATION_HU[group]))))
    spacing_mm, mesh = generate.scan_range(rng["scan"], body.patient, shape)
    hu, labels = body.drawn(mesh)
    if group == "diseased":
        share = float(own.uniform(*SEVERITIES[pattern]))
        for lesion in random_lesions(rng["lesions"], body.patient, body.inside, infected_share=share):
            draw_lesion(lesion, body.fields, mesh, hu=hu, labels=labels)
    elif group == "other":
        draw_other(pattern, own, body, mesh, hu=hu, labels=labels)
    ct, mask = generate.stored_volumes(
        rng["scan"], (generate.scanned(rng["noise"], hu, spacing_mm), labels), spacing_mm
    )
    return ct, mask


def infected_percent(labels: np.ndarray) -> float:
    """Percent of the lungs, infection included, that the class numbers call infected; 0 without lungs.

    >>> infected_percent(np.array([0, 1, 2, 2, 3]))
    25.0
    """
    lungs = int(np.count_nonzero(labels))
    return 100.0 * int(np.count_nonzero(labels == INFECTION)) / lungs if lungs else 0.0


def patterns(cases: int, seed: int) -> list[str]:
    """The pattern of each study: the first half, rounded up, evenly of all severities, the others normal and of
    `OTHERS` in turn; then shuffled."""
    diseased = [list(SEVERITIES)[number % len(SEVERITIES)] for number in range(-(-cases // 2))]
    healthy = [NORMAL if number % 2 == 0 else OTHERS[number // 2 % len(OTHERS)] for number in range(cases // 2)]
    order = np.random.default_rng([seed, PLAN_STREAM]).permutation(cases)
    return [[*diseased, *healthy][place] for place in order]


def write_cohort_phantoms(
    folder: str | Path,
    cases: int,
    *,
    shape: tuple[int, int, int] = generate.DEFAULT_SHAPE,
    seed: int = 0,
    overwrite: bool = False,
    positions: Sequence[PatientPosition] = (),
) -> list[str]:
    """Writes `cases` studies, laid out as `generate.write_phantoms` does, with the table cohort.csv; returns their
    names.

    Columns: patient, path, label (yes where diseased), score (`infected_percent` of the labels) and pattern. The table
    is written last. Raises InputError as `generate.write_phantoms`.
    """
    folder = Path(folder)
    former = generate.check_request(folder, cases, shape=shape, seed=seed, overwrite=overwrite)
    table = folder / TABLE_NAME
    if others := [path.name for path in former if not (path == table or generate.CASE_NAME.fullmatch(path.name))]:
        raise InputError(f"{folder}: holds something else than such studies, {others[0]}; choose another folder")
    table.unlink(missing_ok=True)
    rows, names = [], []
    for index, pattern in enumerate(track(patterns(cases, seed), "phantoms", total=cases)):
        name = generate.patient_name(index)
        restore_replaced(folder / name)
        ct, labels = make_study(seed, index, pattern, shape)
        with folder_aside(folder / name) as aside:
            made = aside / name
            if positions:
                position, identity = positions[index % len(positions)], f"{name}-{seed}"
                write_series(made / generate.SERIES_NAME, ct, patient_position=position, seed=seed, patient_id=identity)
            else:
                write_ct_nifti(made / generate.IMAGE_NAME, ct)
            write_label_nifti(made / generate.MASK_NAME, labels, LUNG_LABELS)
            replace_folder(made, folder / name)
        file = generate.SERIES_NAME if positions else generate.IMAGE_NAME
        label = "yes" if pattern in SEVERITIES else "no"
        rows.append((name, f"{name}/{file}", label, round(infected_percent(labels.array), 2), pattern))
        names.append(name)
    for path in former:
        if path != table and path.name not in names:
            remove_folder(path)
    write_rows(table, COLUMNS, rows)
    return names
