"""How well `pneumoseg followup` recovers known change: a generated patient at two dates, at full size.

    python scripts/benchmark/followup.py --shape 512 512 133 --json followup.json

The masks are the true ones, so that what is measured is the registration and the label map: Dice of new, resolved and
unchanged infection with the truth, the error of each volume, and seconds. `--without-ct` registers masks alone.
"""

import time
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from pneumoseg.scripts.benchmark.machine import report


def follow_up(
    shape: Annotated[tuple[int, int, int], typer.Option("--shape", help="Voxels of both CTs.")] = (512, 512, 133),
    seed: Annotated[int, typer.Option("--seed", help="Which patients.")] = 0,
    cases: Annotated[int, typer.Option("--cases", help="How many patients.")] = 1,
    without_ct: Annotated[bool, typer.Option("--without-ct", help="Masks alone.")] = False,
    json_file: Annotated[Path | None, typer.Option("--json", help="Where the figures go.")] = None,
) -> None:
    """Measures the comparison of generated patients."""
    from pneumoseg.data_io.phantoms.follow_up import make_follow_up
    from pneumoseg.data_io.volumes.labels import CHANGE_LABELS
    from pneumoseg.evaluation.followup.comparison import compare
    from pneumoseg.evaluation.followup.examination import Examination

    patients = []
    for index in range(cases):
        pair = make_follow_up(seed, index, shape)
        images = (None, None) if without_ct else (pair.baseline_ct, pair.follow_up_ct)
        started = time.perf_counter()
        found = compare(
            Examination("baseline", pair.baseline_mask, images[0]),
            Examination("follow-up", pair.follow_up_mask, images[1]),
        )
        seconds = time.perf_counter() - started
        truth, voxel_ml = pair.change.array, pair.change.grid.voxel_volume_ml
        figures: dict[str, float | None] = {
            "seconds": round(seconds, 1),
            "lungs_dice_rigid": found.similarity.rigid_dice,
            "lungs_dice": found.similarity.dice,
            "detail_correlation": found.similarity.detail_correlation,
        }
        for label, name in enumerate(CHANGE_LABELS.names[1:], start=1):
            one, other = truth == label, found.change.array == label
            figures[f"{name}_dice"] = (
                2 * np.count_nonzero(one & other) / (np.count_nonzero(one) + np.count_nonzero(other))
            )
            figures[f"{name}_ml"] = np.count_nonzero(other) * voxel_ml
            figures[f"{name}_true_ml"] = np.count_nonzero(one) * voxel_ml
        patients.append(figures)
    report({"shape": list(shape), "with_ct": not without_ct, "patients": patients}, json_file)


if __name__ == "__main__":
    typer.run(follow_up)
