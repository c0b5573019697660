"""`import pneumoseg`: its names, what it loads, and how long it and `pneumoseg --help` take."""

import ast
import importlib
import pkgutil
import resource
import statistics
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest

import pneumoseg

ROOT = Path(pneumoseg.__file__).parent
FOLDERS = ("data_io", "evaluation", "pipeline", "scripts")
PLACES = [ROOT.resolve() / name for name in FOLDERS]
PUBLIC = {
    *("InputError", "LUNG_LABELS", "Segmenter", "__version__", "cross_validate", "evaluate_masks", "k_fold"),
    *("load_model", "load_settings", "open_dataset", "open_predictor", "read_volume", "segment"),
    *("write_label_nifti", "write_phantoms"),
}
SLOW_MACHINE = 3
"""How much longer than on two idle cores a start may take."""


def run(code: str, folder: Path) -> str:
    """What a new process prints that runs `code` in `folder`."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=folder, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_public_names():
    assert set(pneumoseg.__all__) == PUBLIC == set(dir(pneumoseg))
    assert len(pneumoseg.__all__) == len(PUBLIC)


@pytest.mark.parametrize("name", sorted(PUBLIC - {"__version__", "LUNG_LABELS"}))
def test_a_name_is_the_one_its_module_defines(name):
    value = getattr(pneumoseg, name)
    assert value.__name__ == name
    assert value.__module__ == f"pneumoseg.{pneumoseg._MODULES[name]}"
    assert value.__doc__


def test_editors_and_the_type_checker_see_the_same_imports():
    """Names are listed twice: for the type checker as imports, for the interpreter by module."""
    tree = ast.parse((ROOT / "__init__.py").read_text("utf-8"))
    imported = {
        alias.name: node.module.removeprefix("pneumoseg.")
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("pneumoseg.")
        for alias in node.names
    }
    assert imported == pneumoseg._MODULES
    assert set(imported) | {"__version__"} == PUBLIC


def test_masks_are_evaluated_with_the_classes_of_lungs_by_default(tmp_path, unrendered):
    masks = str(Path(__file__).parent / "fixtures" / "version-0.1.0" / "run" / "fold_0" / "predictions")
    final = pneumoseg.evaluate_masks(masks, masks, output=str(tmp_path / "scores"))
    assert set(final["class"]) == {*pneumoseg.LUNG_LABELS.names, "lungs"}
    assert set(final["dice_mean"]) == {1.0}
    assert (tmp_path / "scores" / "report.html").is_file()


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'pneumoseg' has no attribute 'segmemt'"):
        pneumoseg.segmemt


def test_the_import_is_quick_and_loads_no_library(tmp_path):
    code = (
        "import sys, time\n"
        "before, start = set(sys.modules), time.perf_counter()\n"
        "import pneumoseg\n"
        "print(time.perf_counter() - start)\n"
        "loaded = {name.partition('.')[0] for name in set(sys.modules) - before} - set(sys.stdlib_module_names)\n"
        "print(*sorted(loaded))\n"
    )
    printed = [run(code, tmp_path).splitlines() for _ in range(3)]
    assert [loaded for _, loaded in printed] == ["pneumoseg"] * 3
    assert min(float(seconds) for seconds, _ in printed) < 0.1


def seconds_of_children() -> float:
    """Of the processor, which others that use it do not change."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def test_help_answers_at_once(tmp_path):
    seconds = []
    for _ in range(5):
        before = seconds_of_children()
        command = [sys.executable, "-m", "pneumoseg.scripts.cli", "--help"]
        done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=True)
        seconds.append(seconds_of_children() - before)
        assert "predict" in done.stdout
    assert statistics.median(seconds) < 0.3 * SLOW_MACHINE


@pytest.mark.parametrize("name", [*FOLDERS, "tests"])
def test_no_folder_is_a_package_of_its_own(tmp_path, name):
    """Such a package would shadow, or be shadowed by, that of another program."""
    code = f"import importlib.util; spec = importlib.util.find_spec({name!r}); print(spec and spec.loader, spec)"
    assert str(ROOT) not in run(code, tmp_path)


def test_no_module_is_imported_under_two_names(monkeypatch):
    """In the clone, whose folders Python finds as packages of their own."""
    monkeypatch.chdir(ROOT)
    monkeypatch.syspath_prepend(ROOT)
    for folder in FOLDERS:
        package = importlib.import_module(f"pneumoseg.{folder}")
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not module.name.endswith("miscnn.worker"):  # it runs in MIScnn's own environment
                importlib.import_module(module.name)
    names = defaultdict(set)
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__dict__", {}).get("__file__")  # without what lazy modules would import
        if file and name != "__main__" and any(map(Path(file).resolve().is_relative_to, PLACES)):
            names[Path(file).resolve()].add(name)
    assert len(names) > 150
    assert [of_one for of_one in names.values() if len(of_one) > 1] == []
