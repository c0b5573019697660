"""Networks that need no training: classes by brightness."""

import numpy as np

from pneumoseg.evaluation.jobs.model_entry import ModelEntry
from pneumoseg.evaluation.jobs.open_models import OpenModel, OpenModels
from pneumoseg.pipeline.prediction.engines import Engine
from pneumoseg.pipeline.prediction.predictor import Member, Predictor
from pneumoseg.pipeline.settings.loading import load_settings

TWO_CLASSES = [
    "labels.names=[background, infection]",
    "labels.colours=[[0, 0, 0], [214, 39, 40]]",
    "labels.mirror_pairs=[]",
    "patches.foreground_labels=[1]",
    "postprocessing.lungs=[]",
    "postprocessing.infection=1",
    "preprocessing.normalisation=none",
    "patches.shape=[16, 8]",
    "preprocessing.size=[16, 8, null]",
    "preprocessing.values=picture",
    "preprocessing.image_order=1",
]


def by_brightness(tiles: np.ndarray) -> np.ndarray:
    """The classes of `uploads.patient`, by HU in the window -1250..250."""
    edges = [(edge + 1250) / 1500 for edge in (-850, -600, -200)]
    return np.eye(4, dtype=np.float32)[np.array([1, 2, 3, 0])[np.digitize(tiles[..., 0], edges)]]


def bright(tiles: np.ndarray) -> np.ndarray:
    """The value of the first channel as the probability of infection."""
    return np.concatenate([1 - tiles[..., :1], tiles[..., :1]], axis=-1)


def of_cts(network=by_brightness) -> Predictor:
    changes = ["patches.shape=[8, 8, 8]", "preprocessing.spacing_mm=null", "preprocessing.normalisation=none"]
    return Predictor((Member(Engine("test", "float32", network), load_settings("demo", changes)),), {"model": "hash"})


def of_pictures() -> Predictor:
    return Predictor(
        (Member(Engine("test", "float32", bright), load_settings("demo", TWO_CLASSES)),), {"model": "hash"}
    )


def entry(folder, name, kind) -> ModelEntry:
    (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / name / "model.keras").write_bytes(b"network")
    return ModelEntry(name, kind, ("background", "infection"), ((0, 0, 0), (1, 2, 3)), False, folder / name)


def open_models(folder, network=by_brightness, opened=None) -> OpenModels:
    """A model for CTs, `lungs`, and one for pictures, `pictures`; names are added to `opened` as they are opened."""
    entries = {name: entry(folder, name, kind) for name, kind in (("lungs", "ct"), ("pictures", "picture"))}

    def open_model(one):
        if opened is not None:
            opened.append(one.name)
        return OpenModel(one.name, of_cts(network) if one.kind == "ct" else of_pictures(), "no calibration")

    return OpenModels(entries, open_model)
