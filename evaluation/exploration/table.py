"""What a dataset holds before anything is trained: shapes, spacings, intensities, class frequencies, case by case."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pandas as pd

from pneumoseg.data_io.console import track
from pneumoseg.data_io.datasets.dataset import Case, Dataset
from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.formats.label_mapping import BACKGROUND
from pneumoseg.data_io.formats.pictures import is_picture
from pneumoseg.data_io.volumes.hounsfield import is_hu
from pneumoseg.data_io.volumes.labels import LUNG_LABELS, LabelTable
from pneumoseg.data_io.volumes.volume import Volume

AXES = ("x", "y", "z")
MOST_VALUES = 16
"""Of a mask, in a table."""


def read_cases(dataset: Dataset, labels: LabelTable) -> Iterator[tuple[Case, Volume, Volume | None]]:
    """Each case with its image and mask (None without one), read one at a time. Raises InputError as `explore`."""
    if not len(dataset):
        raise InputError(f"{dataset.root}: no cases to explore")
    for case in track(dataset, "exploring", total=len(dataset)):
        image, mask = (case.read_image(), None) if case.mask is None else case.read_pair(labels)
        yield case, image, mask


def explore(dataset: Dataset, labels: LabelTable = LUNG_LABELS) -> pd.DataFrame:
    """One row per case: `case`, `patient`, `source`; of the volume in RAS+ order `shape_x`..., `spacing_x_mm`...;
    `orientation` (of the file, such as "LPS"), `dtype`, `minimum`, `maximum`, `mean`, `hu` (False: already windowed or
    offset); `mask_values`, those in the mask's file ("0 255", "" without a mask; of a slice those of the whole file);
    `labels_present`, the classes that it labels ("" for all); `valid_share`, the share of the voxels that count (0..1);
    and per class `frequency_NAME` (share of all voxels, 0..1) and `volume_NAME_ml`.

    The class columns of a case without mask are NaN, as are those of a class that is not labelled, and the volumes of a
    picture. One case is in memory at a time.
    Raises InputError for a case that cannot be read, whose mask lies elsewhere or has other labels, and for a dataset
    without cases.
    """
    cases = read_cases(dataset, labels)
    return pd.DataFrame(
        [
            describe_case(case, image, mask, labels=labels, mask_values=case.mask_values(), valid=case.read_valid())
            for case, image, mask in cases
        ]
    )


def describe_case(
    case: Case,
    image: Volume,
    mask: Volume | None,
    *,
    labels: LabelTable,
    mask_values: Sequence[float] = (),
    valid: Volume | None = None,
) -> dict[str, object]:
    """One row of `explore`, by column. `image`: any numbers; `mask`: uint8 class numbers on the same grid, or None;
    `mask_values`: those in the mask's file; `valid`: which voxels count, None for all."""
    minimum, maximum = float(image.array.min()), float(image.array.max())
    row: dict[str, object] = {"case": case.name, "patient": case.patient, "source": case.source}
    row |= {f"shape_{axis}": size for axis, size in zip(AXES, image.grid.shape, strict=True)}
    row |= {f"spacing_{axis}_mm": size for axis, size in zip(AXES, image.spacing_mm, strict=True)}
    row |= {
        "orientation": image.stored_grid.axis_codes,
        "dtype": str(image.array.dtype),
        "minimum": minimum,
        "maximum": maximum,
        "mean": float(image.array.mean(dtype=np.float64)),
        "hu": is_hu(minimum, maximum),
        "mask_values": _listed_values(mask_values),
        "labels_present": " ".join(case.labelled),
        "valid_share": 1.0 if valid is None else float(np.mean(valid.array)),
    }
    counts = [
        np.count_nonzero(mask.array == label) if mask is not None and _is_labelled(case, name) else np.nan
        for label, name in enumerate(labels.names)
    ]
    row |= {
        f"frequency_{name}": count / np.prod(image.grid.shape) for name, count in zip(labels.names, counts, strict=True)
    }
    voxel_ml = np.nan if is_picture(case.image) else image.grid.voxel_volume_ml  # a picture has no millimetres
    row |= {f"volume_{name}_ml": count * voxel_ml for name, count in zip(labels.names, counts, strict=True)}
    return row


def _is_labelled(case: Case, name: str) -> bool:
    return not case.labelled or name in (*case.labelled, BACKGROUND)


def _listed_values(values: Sequence[float]) -> str:
    """The values in one cell; of a mask that was smoothed or compressed the first and the last."""
    if len(values) > MOST_VALUES:
        return f"{values[0]:g} ... {values[-1]:g} ({len(values)} values)"
    return " ".join(f"{value:g}" for value in values)


def summary(table: pd.DataFrame, labels: LabelTable = LUNG_LABELS) -> dict[str, object]:
    """Means and medians over the cases of an `explore` table, ready for JSON.

    `mean_shape` and `median_shape` per axis (voxels), `median_spacing_mm` per axis, and `mean_frequency` per class: the
    mean of the cases' frequencies, each case counting alike (None where no case has a mask). `mask_values`: each set of
    values in the masks' files and how many cases have it.
    """
    annotated = table[f"frequency_{labels.names[0]}"].notna()
    return {
        "cases": len(table),
        "patients": int(table["patient"].nunique()),
        "annotated_cases": int(annotated.sum()),
        "hu_cases": int(table["hu"].sum()),
        "mean_shape": {axis: float(table[f"shape_{axis}"].mean()) for axis in AXES},
        "median_shape": {axis: float(table[f"shape_{axis}"].median()) for axis in AXES},
        "median_spacing_mm": {axis: float(table[f"spacing_{axis}_mm"].median()) for axis in AXES},
        "mean_frequency": {
            name: float(table[f"frequency_{name}"].mean()) if annotated.any() else None for name in labels.names
        },
        "mask_values": {
            values: int(count) for values, count in table.loc[annotated, "mask_values"].value_counts().items()
        },
    }


def readable(table: pd.DataFrame, labels: LabelTable = LUNG_LABELS) -> str:
    """The `explore` table as text for a terminal: shape and spacing in one column each, frequencies in per cent."""
    shapes = table[[f"shape_{axis}" for axis in AXES]].to_numpy()
    spacings = table[[f"spacing_{axis}_mm" for axis in AXES]].to_numpy()
    text = pd.DataFrame(
        {
            "case": table["case"],
            "shape": ["x".join(f"{size}" for size in shape) for shape in shapes],
            "spacing_mm": ["x".join(f"{size:.2f}" for size in spacing) for spacing in spacings],
            "axes": table["orientation"],
            "minimum": table["minimum"],
            "maximum": table["maximum"],
            "hu": ["yes" if hu else "no" for hu in table["hu"]],
            "mask_values": table["mask_values"],
        }
    )
    for name in labels.names:
        percents = 100 * table[f"frequency_{name}"]
        text[f"{name}_%"] = ["" if np.isnan(percent) else f"{percent:.2f}" for percent in percents]
    return text.to_string(index=False)


def readable_summary(content: Mapping[str, object]) -> str:
    """A `summary` as text for a terminal, one fact a line."""
    lines = []
    for name, fact in content.items():
        values = fact.items() if isinstance(fact, dict) else [("", fact)]
        if name == "mask_values":
            values = [(f"({key}) in", count) for key, count in values]
        lines.append(
            f"{name}: " + ", ".join(f"{key} {value:.6g}".strip() for key, value in values if value is not None)
        )
    return "\n".join(lines)
