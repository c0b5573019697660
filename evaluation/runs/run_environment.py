"""What is on record of how a run was made: versions, hardware class, seed and data; no user, host or path."""

import importlib.metadata
import platform

from pneumoseg.data_io.datasets.dataset import Dataset
from pneumoseg.pipeline.runtime import hardware

PACKAGES = ("tensorflow", "keras", "numpy", "scipy", "nibabel", "numba", "openvino", "scikit-learn", "pandas")


def run_environment(fingerprints: dict[str, str], seed: int, start_from: str | None) -> dict:
    """The content of environment.json. `start_from`: SHA-256 of the model that training begins with."""
    versions = {name: importlib.metadata.version(name) for name in PACKAGES}
    return {
        "python": platform.python_version(),
        "system": platform.system(),
        "packages": versions,
        "hardware": hardware.description(),
        "seed": seed,
        "start_from": start_from,
        "data": fingerprints,
    }


def fingerprints_of(dataset: Dataset) -> dict[str, str]:
    """SHA-256 of each case's files, by name."""
    return {case.name: case.fingerprint() for case in dataset}
