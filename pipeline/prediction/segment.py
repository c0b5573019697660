"""A CT or picture segmented in one call."""

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from pneumoseg.data_io.formats.reading import open_scan
from pneumoseg.data_io.volumes.volume import Volume
from pneumoseg.pipeline.models.bundle_card import CARD
from pneumoseg.pipeline.models.bundled import bundled_model, default_model, model_path
from pneumoseg.pipeline.prediction.engines import EngineName, Precision
from pneumoseg.pipeline.prediction.predictor import Predictor, open_predictor, require_same_kind

MODELS_KEPT = 2
"""How many opened models stay in memory: enough to compare two models case by case."""

_FileState = tuple[str, int, int, int]
"""Path, inode, size in bytes and time of the last change in nanoseconds."""


def segment(
    ct: Volume | str | Path,
    model: str | Path | None = None,
    *,
    changes: Sequence[str] = (),
    engine: EngineName = "auto",
    precision: Precision = "auto",
    trust_plugins: bool = False,
) -> Volume:
    """Segments a CT: a mask (x, y, z) of uint8 class numbers on the CT's grid.

    `ct`: a volume in HU, or the path of one (NIfTI, NRRD, MetaImage, a DICOM folder), or of a picture. `model`: the
    name of a bundled model, by default the one for CTs or for pictures, a model.keras, or a run or bundle folder, whose
    networks vote. `changes`: settings of prediction and
    postprocessing, such as "prediction.overlap=0.25". `engine`: auto, openvino or keras. `precision`: auto, float32 or
    bfloat16. `trust_plugins`: run functions that the model file names.

    The opened model is kept for the next call, and opened again after its files changed. For many CTs with settings of
    their own, `open_predictor` offers more. Raises InputError as `open_predictor`, `open_scan` and
    `predictor.require_same_kind`.
    """
    if model is None:
        model = bundled_model(default_model([] if isinstance(ct, Volume) else [ct]))
    path = model_path(model)
    predictor = _opened(
        path,
        _file_states(path),
        changes=tuple(changes),
        engine=engine,
        precision=precision,
        trust_plugins=trust_plugins,
    )
    if isinstance(ct, Volume):
        return predictor(ct)
    require_same_kind(ct, predictor.settings)
    return predictor(open_scan(ct))


def _file_states(path: Path) -> tuple[_FileState, ...]:
    """The state of each file that a model is read from: where one differs, the model is another one."""
    files = [path] if path.is_file() else [path / CARD, path / "model.keras", *path.glob("fold_*/model.keras")]
    states = [(str(file.resolve()), file.stat()) for file in sorted(files) if file.is_file()]
    return tuple((name, state.st_ino, state.st_size, state.st_mtime_ns) for name, state in states)


@lru_cache(maxsize=MODELS_KEPT)
def _opened(
    path: Path,
    states: tuple[_FileState, ...],  # for the cache alone: a changed file is another key
    *,
    changes: tuple[str, ...],
    engine: EngineName,
    precision: Precision,
    trust_plugins: bool,
) -> Predictor:
    return open_predictor(path, changes=changes, engine=engine, precision=precision, trust_plugins=trust_plugins)
