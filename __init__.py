"""pneumoseg: segmentation of lungs and COVID-19 infections in CT volumes.

    import pneumoseg

    mask = pneumoseg.segment("ct.nii.gz")
    pneumoseg.write_label_nifti("mask.nii.gz", mask, pneumoseg.LUNG_LABELS)

The names in `__all__` are the public interface. Each is imported when it is first used, so that `import pneumoseg`
takes no time and loads neither TensorFlow nor NumPy.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pneumoseg.data_io.datasets.layouts import open_dataset
    from pneumoseg.data_io.errors import InputError
    from pneumoseg.data_io.formats.nifti import write_label_nifti
    from pneumoseg.data_io.formats.reading import read_volume
    from pneumoseg.data_io.phantoms.generate import write_phantoms
    from pneumoseg.data_io.volumes.labels import LUNG_LABELS
    from pneumoseg.evaluation.experiments.cross_validation import cross_validate
    from pneumoseg.evaluation.experiments.mask_evaluation import evaluate_masks
    from pneumoseg.evaluation.runs.splits import k_fold
    from pneumoseg.pipeline.methods.segmenter import Segmenter
    from pneumoseg.pipeline.models.model_file import load_model
    from pneumoseg.pipeline.prediction.predictor import open_predictor
    from pneumoseg.pipeline.prediction.segment import segment
    from pneumoseg.pipeline.settings.loading import load_settings

    __version__: str

__all__ = [
    "LUNG_LABELS",
    "InputError",
    "Segmenter",
    "__version__",
    "cross_validate",
    "evaluate_masks",
    "k_fold",
    "load_model",
    "load_settings",
    "open_dataset",
    "open_predictor",
    "read_volume",
    "segment",
    "write_label_nifti",
    "write_phantoms",
]

_MODULES = {
    "LUNG_LABELS": "data_io.volumes.labels",
    "InputError": "data_io.errors",
    "Segmenter": "pipeline.methods.segmenter",
    "cross_validate": "evaluation.experiments.cross_validation",
    "evaluate_masks": "evaluation.experiments.mask_evaluation",
    "k_fold": "evaluation.runs.splits",
    "load_model": "pipeline.models.model_file",
    "load_settings": "pipeline.settings.loading",
    "open_dataset": "data_io.datasets.layouts",
    "open_predictor": "pipeline.prediction.predictor",
    "read_volume": "data_io.formats.reading",
    "segment": "pipeline.prediction.segment",
    "write_label_nifti": "data_io.formats.nifti",
    "write_phantoms": "data_io.phantoms.generate",
}
"""The module that defines each public name."""


if not TYPE_CHECKING:  # to the type checker a module with __getattr__ has every name

    def __getattr__(name: str) -> object:
        if name == "__version__":
            from importlib.metadata import version

            value = version("pneumoseg")
        elif name in _MODULES:
            from importlib import import_module

            value = getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
        else:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return __all__
