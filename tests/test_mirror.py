"""Tests mirror the tree: `pipeline/training/loop.py` has `tests/pipeline/training/test_loop.py`."""

from pathlib import Path

import pneumoseg

ROOT = Path(pneumoseg.__file__).parent
FOLDERS = ("data_io", "evaluation", "pipeline", "scripts")
RUN_ELSEWHERE = {"pipeline/methods/miscnn/worker.py"}
"""Scripts for another environment than that of the tests."""


def modules() -> set[str]:
    paths = {path.relative_to(ROOT) for folder in FOLDERS for path in (ROOT / folder).rglob("*.py")}
    benchmark = Path("scripts/benchmark")
    return {path.as_posix() for path in paths if path.name != "__init__.py" and benchmark not in path.parents}


def test_every_module_has_a_test_file_of_its_name():
    def tested(module: str) -> bool:
        path = Path(module)
        return (ROOT / "tests" / path.parent / f"test_{path.name}").is_file()

    assert len(modules()) > 100
    assert {module for module in modules() if not tested(module)} == RUN_ELSEWHERE
