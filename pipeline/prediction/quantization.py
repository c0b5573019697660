"""8-bit networks, made by NNCF from converted ones and offered only where they agree with them.

Weights and activations of the convolutions are 8-bit integers. The first convolution and what an instance normalisation
takes stay in float: 8 bit gain no time there, and cost half and a quarter of the differing voxels (measured on the two
networks of the bundled model and tiles of four patients).
"""

import functools
import importlib.util
import io
import json
from contextlib import redirect_stdout
from dataclasses import asdict
from pathlib import Path
from typing import Literal

import numpy as np

from pneumoseg.data_io.console import log
from pneumoseg.data_io.errors import InputError
from pneumoseg.pipeline.prediction.agreement import Agreement, agreement
from pneumoseg.pipeline.prediction.conversion import converted
from pneumoseg.pipeline.prediction.converted_files import INT8, NETWORK, make_folder, whole_folder
from pneumoseg.pipeline.prediction.openvino_engine import compiled, openvino
from pneumoseg.pipeline.sampling.calibration import CalibrationTiles

FACTS = "quantization.json"
LARGEST_DIFFERING_SHARE = 0.003
SMALLEST_FOREGROUND_DICE = 0.995
NORMALISATIONS = ["MVN"]
"""OpenVINO's name for what an instance normalisation is made of."""
CONVOLUTIONS = ("Convolution", "ConvolutionBackpropData")


def int8_network(path: Path) -> Path | None:
    """The folder of a model file's 8-bit network where one has been made."""
    return whole_folder(path, INT8)


def make_int8_network(
    path: Path, tiles: CalibrationTiles, trust_plugins: bool = False, *, guarded: bool = True
) -> Path:
    """The folder of a model file's 8-bit network, which is made where there is none.

    If its most probable classes differ from those of the converted network in more than 0.3 % of the voxels of
    `tiles.comparing`, or the foreground's Dice is below 0.995, the last convolution is left in float too. `guarded`
    False: whatever it gives, to measure its speed. Raises InputError where NNCF is missing or cannot quantise the
    network, and where the network does not agree then.
    """
    require_nncf()
    source = converted(path, trust_plugins)
    return make_folder(path, functools.partial(_write, path, source, tiles, guarded), ending=INT8)


def require_nncf() -> None:
    """Raises InputError where NNCF is missing."""
    if importlib.util.find_spec("nncf") is None:
        raise InputError("8-bit networks are made by NNCF, which is not installed; install pneumoseg[int8]")


def _write(path: Path, source: Path, tiles: CalibrationTiles, guarded: bool, folder: Path) -> None:
    log.info("%s: making the 8-bit network once", path)
    graph = openvino.Core().read_model(source / NETWORK)
    _normalisations_as_one_operation(graph)
    reference = _outputs(source, tiles.comparing, "float32")
    names = [node.get_friendly_name() for node in graph.get_ordered_ops() if node.get_type_name() in CONVOLUTIONS]
    ends = [names[0], names[-1]] if len(names) > 1 else names
    for left in (ends[:1], ends):
        quantised = _quantised(path, graph, tiles.calibrating, left)
        openvino.save_model(quantised, folder / NETWORK, compress_to_fp16=False)
        result = agreement(_outputs(folder, tiles.comparing, "int8"), reference)
        log.debug("8 bit but for %d convolutions: %s", len(left), result)
        if _is_accurate(result) or not guarded:
            facts = {"float_convolutions": left, **asdict(result)}
            (folder / FACTS).write_text(json.dumps(facts), encoding="utf-8")
            return
    raise InputError(
        f"{path}: the 8-bit network may give another class in at most {LARGEST_DIFFERING_SHARE:.1%} of the voxels and "
        f"needs a foreground Dice of {SMALLEST_FOREGROUND_DICE}, found {result.differing_voxels:.2%} and "
        f"{result.foreground_dice:.3f}"
    )


def _is_accurate(found: Agreement) -> bool:
    return found.differing_voxels <= LARGEST_DIFFERING_SHARE and found.foreground_dice >= SMALLEST_FOREGROUND_DICE


def _normalisations_as_one_operation(graph: openvino.Model) -> None:
    """What OpenVINO does when it compiles; done before, so that nothing within a normalisation is quantised."""
    from openvino._offline_transformations import apply_moc_transformations

    apply_moc_transformations(graph, cf=True)


def _quantised(path: Path, graph: openvino.Model, tiles: np.ndarray, left: list[str]) -> openvino.Model:
    """The graph with all convolutions but those `left` in 8 bit."""
    try:
        with redirect_stdout(io.StringIO()):  # NNCF writes notes and progress bars there
            import nncf

            return nncf.quantize(
                graph,
                nncf.Dataset([tile[None] for tile in tiles]),
                preset=nncf.QuantizationPreset.MIXED,
                subset_size=len(tiles),
                ignored_scope=nncf.IgnoredScope(names=left, types=NORMALISATIONS, validate=False),
            )
    except Exception as error:  # NNCF's errors have no class of their own in common
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"{path}: NNCF cannot quantise the network ({reason})") from error


def _outputs(folder: Path, tiles: np.ndarray, precision: Literal["float32", "int8"]) -> np.ndarray:
    network = compiled([folder], tiles.shape[1:], precision=precision)
    return np.concatenate([network(tile[None]) for tile in tiles])
