"""The wheel: one package with all that it needs, which lives beside packages named as its folders are."""

import configparser
import os
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

import pneumoseg
from pneumoseg.pipeline.prediction.converted_files import HASHES, NETWORK, WEIGHTS, places

ROOT = Path(pneumoseg.__file__).resolve().parent
FOLDERS = ("data_io", "evaluation", "pipeline", "scripts")
TOY = ("scripts/__init__.py", "evaluation/__init__.py", "evaluation/measures.py")
"""Files of a program that owns packages named as folders of this one."""


def pip(*arguments) -> None:
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """Built from a copy of the clone, of its data only the bundled model, by the installed setuptools: no network."""
    copy = tmp_path_factory.mktemp("clone")
    for name in ("__init__.py", "py.typed", "setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy2(ROOT / name, copy / name)
    for name in (*FOLDERS, "tests", "data/models"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__", "openvino-1-*"))
    folder = tmp_path_factory.mktemp("wheel")
    pip("wheel", "--no-deps", "--no-index", "--no-build-isolation", "--wheel-dir", folder, copy)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def content(wheel) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


@pytest.fixture(scope="module")
def toy(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("toy") / "toy-1.0-py3-none-any.whl"
    metadata = {
        "toy-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: toy\nVersion: 1.0\n",
        "toy-1.0.dist-info/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    files = dict.fromkeys(TOY, "OWNER = 'toy'\n") | metadata
    record = "".join(f"{name},,\n" for name in (*files, "toy-1.0.dist-info/RECORD"))
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in (files | {"toy-1.0.dist-info/RECORD": record}).items():
            archive.writestr(name, text)
    return path


def packages() -> set[str]:
    """The folders of Python files that are packages, as dotted names."""
    places = [place.parent for folder in FOLDERS for place in (ROOT / folder).rglob("__init__.py")]
    return {"pneumoseg"} | {".".join(("pneumoseg", *place.relative_to(ROOT).parts)) for place in places}


def test_every_package_is_listed_in_setup_cfg():
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg", encoding="utf-8")
    listed = config["options"]["packages"].split()
    assert sorted(listed) == sorted(packages())


def test_the_wheel_has_one_package(content):
    tops = {name.partition("/")[0] for name in content}
    (information,) = tops - {"pneumoseg"}
    assert information.startswith("pneumoseg-")
    assert information.endswith(".dist-info")


def test_the_wheel_holds_every_module(content):
    expected = {
        Path("pneumoseg", path.relative_to(ROOT)).as_posix()
        for package in packages()
        for path in ROOT.joinpath(*package.split(".")[1:]).glob("*.py")
    }
    assert {name for name in content if name.endswith(".py")} == expected


FOLDS = {
    "covid-lungs": {"fold_0": ("", "-int8")},
    "covid-picture": {"fold_0": ("",)},
}
"""The bundled models' folds, and the endings of their converted networks."""


def test_the_wheel_holds_all_other_files(content):
    others = {name for name in content if name.startswith("pneumoseg/") and not name.endswith(".py")}
    settings = ROOT / "pipeline/settings"
    presets = {path.relative_to(settings).as_posix() for path in settings.glob("*presets/*.yaml")}
    models = {f"{model}/{name}" for model in FOLDS for name in ("README.md", "LICENSE.md", "bundle.json")}
    models.add("covid-lungs/trust.json")
    for model, folds in FOLDS.items():
        for fold, endings in folds.items():
            network = places(ROOT / "data/models" / model / fold / "model.keras")[0].name
            converted = [f"{network}{ending}/{file}" for ending in endings for file in (NETWORK, WEIGHTS, HASHES)]
            facts = [f"{network}-int8/quantization.json"] if "-int8" in endings else []
            models |= {f"{model}/{fold}/{name}" for name in ("model.keras", *converted, *facts)}
    page = {path.relative_to(ROOT).as_posix() for path in (ROOT / "scripts/web/page").rglob("*") if path.is_file()}
    assert presets and page
    assert others == {
        "pneumoseg/py.typed",
        "pneumoseg/pipeline/methods/miscnn/requirements.txt",
        *(f"pneumoseg/data_io/formats/dicom/deidentification/{name}" for name in ("profile.csv", "words.txt")),
        *(f"pneumoseg/pipeline/settings/{name}" for name in presets),
        *(f"pneumoseg/data/models/{name}" for name in models),
        *(f"pneumoseg/{name}" for name in page),
    }


@pytest.fixture
def environment(tmp_path) -> Path:
    """The interpreter of a new virtual environment without packages."""
    venv.create(tmp_path / "venv", with_pip=False)
    return tmp_path / "venv" / "bin" / "python"


def printed(environment: Path, *arguments, cwd: Path) -> str:
    """What the environment's interpreter prints; of the tests' environment it sees the libraries, not this project."""
    surroundings = os.environ | {"PYTHONPATH": sysconfig.get_path("purelib")}
    command = [environment, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, cwd=cwd, env=surroundings, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def missing(environment: Path, name: str, cwd: Path) -> str:
    """The files of an installed distribution that do not exist, as a printed list."""
    code = (
        "import importlib.metadata as m, sysconfig\n"
        "place = sysconfig.get_path('purelib')\n"
        f"(d,) = m.distributions(name={name!r}, path=[place])\n"
        "print(len(d.files) > 3, [str(f) for f in d.files if not f.locate().exists()])"
    )
    return printed(environment, "-c", code, cwd=cwd).strip()


def test_it_lives_beside_packages_named_as_its_folders(wheel, toy, environment, tmp_path):
    owners = (
        "import pneumoseg, scripts, evaluation.measures\n"
        "from pneumoseg.data_io.errors import InputError\n"
        "assert pneumoseg.InputError is InputError\n"
        "print(pneumoseg.__file__.rpartition('/lib/')[0], scripts.OWNER, evaluation.measures.OWNER)"
    )
    pip("--python", environment, "install", "--no-deps", "--no-index", "--quiet", wheel, toy)
    assert printed(environment, "-c", owners, cwd=tmp_path) == f"{tmp_path / 'venv'} toy toy\n"
    command = environment.parent / "pneumoseg"
    assert "predict" in printed(environment, command, "--help", cwd=tmp_path)
    models = "from pneumoseg.pipeline.models.bundled import bundled_model; print(bundled_model())"
    assert str(tmp_path) in printed(environment, "-c", models, cwd=tmp_path)

    pip("--python", environment, "uninstall", "--yes", "--quiet", "toy")
    assert missing(environment, "pneumoseg", tmp_path) == "True []"
    pip("--python", environment, "install", "--no-deps", "--no-index", "--quiet", toy)
    pip("--python", environment, "uninstall", "--yes", "--quiet", "pneumoseg")
    assert missing(environment, "toy", tmp_path) == "True []"
    assert not list(tmp_path.glob("venv/lib/*/site-packages/pneumoseg*"))


def test_a_command_file_of_the_clone_runs_where_it_is_installed(tmp_path):
    command = [sys.executable, ROOT / "scripts" / "kfold.py", "--help"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=True)
    assert "Example: pneumoseg kfold" in " ".join(done.stdout.split())
