"""Tests mirror the tree: `pipeline/training/loop.py` has `tests/pipeline/training/test_loop.py`."""

from pathlib import Path

import pneumoseg

ROOT = Path(pneumoseg.__file__).parent
FOLDERS = ("data_io", "evaluation", "pipeline", "scripts")
KNOWN_GAPS = {
    *("data_io/errors.py", "data_io/public_text.py"),
    *("data_io/formats/header_text.py", "data_io/formats/image_header.py"),
    *(f"data_io/phantoms/{name}.py" for name in ("anatomy", "lesions", "tissue", "tubes")),
    *("data_io/storage/compression.py", "data_io/storage/text_files.py"),
    *("evaluation/experiments/full_training.py", "evaluation/experiments/mask_evaluation.py"),
    *(f"evaluation/figures/{name}.py" for name in ("class_panels", "differences", "severity")),
    "evaluation/runs/run_marks.py",
    "pipeline/methods/miscnn/worker.py",
    *("pipeline/prediction/openvino_engine.py", "pipeline/prediction/predictor.py"),
    *("pipeline/runtime/tensorflow_backend.py", "pipeline/runtime/timing.py"),
    *("pipeline/training/checkpoint.py", "pipeline/training/metrics.py"),
    *(f"scripts/{name}.py" for name in ("bundle", "download", "info", "kfold", "miscnn", "phantom", "predict")),
    *(f"scripts/{name}.py" for name in ("report", "severity", "train", "vote")),
    *(f"scripts/shared/{name}.py" for name in ("dry_run", "results", "streams")),
}
"""Modules that still lack a test file; none is to be added."""


def modules() -> set[str]:
    paths = {path.relative_to(ROOT) for folder in FOLDERS for path in (ROOT / folder).rglob("*.py")}
    benchmark = Path("scripts/benchmark")
    return {path.as_posix() for path in paths if path.name != "__init__.py" and benchmark not in path.parents}


def test_every_module_has_a_test_file_of_its_name():
    def tested(module: str) -> bool:
        path = Path(module)
        return (ROOT / "tests" / path.parent / f"test_{path.name}").is_file()

    assert len(modules()) > 100
    assert {module for module in modules() if not tested(module)} == KNOWN_GAPS
