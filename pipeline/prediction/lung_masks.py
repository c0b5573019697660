"""The lung masks that a preparation may use, by name: thresholds, the bundled segmentation model, or lungmask."""

import hashlib

import numpy as np

from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.formats.content_hash import sha256_of
from pneumoseg.data_io.volumes.volume import Volume
from pneumoseg.pipeline.models.bundled import bundled_model
from pneumoseg.pipeline.preprocessing.study_preparation import LungMask, classical_lungs
from pneumoseg.pipeline.settings.preparation import PreparationSettings


def lung_mask_of(settings: PreparationSettings) -> LungMask:
    """The function that finds the lungs. Raises InputError for "lungmask" where that package is not installed, and for
    a model that is not the one of the settings."""
    if settings.mask == "lungmask":
        return _lungmask()
    if settings.mask == "model":
        if settings.model not in ("", model_hash()):
            raise InputError(
                "mask: the studies were prepared with the lungs of another version of the bundled model; prepare the "
                "cohort again"
            )
        return model_lungs
    return classical_lungs


def with_model(settings: PreparationSettings) -> PreparationSettings:
    """The settings with the hash of the model that they name, if any."""
    return settings.model_copy(update={"model": model_hash() if settings.mask == "model" else ""})


def model_hash() -> str:
    """SHA-256 of the networks of the bundled model for CTs."""
    files = sorted(bundled_model().glob("**/model.keras"))
    return hashlib.sha256("".join(map(sha256_of, files)).encode()).hexdigest()


def model_lungs(ct: Volume) -> np.ndarray:
    """The lungs, with what is infected, that the bundled segmentation model finds: bool (x, y, z)."""
    from pneumoseg.pipeline.prediction.segment import segment  # imports TensorFlow

    return segment(ct).array > 0


def _lungmask() -> LungMask:
    """Network R231 of the package lungmask (Hofmanninger et al. 2020), which takes slices from the top view of a
    patient who lies on the back: (z, y, x), y to the back, x to the left."""
    try:
        from lungmask import LMInferer
    except ImportError as error:
        raise InputError(
            "mask lungmask needs the package of that name: pip install lungmask; or use classical or model"
        ) from error
    inferer = LMInferer()

    def lungs(ct: Volume) -> np.ndarray:
        slices = np.ascontiguousarray(ct.array[::-1, ::-1].transpose(2, 1, 0))
        found = np.asarray(inferer.apply(slices)) > 0
        return found.transpose(2, 1, 0)[::-1, ::-1]

    return lungs
