"""README and docs: marked code blocks run, every command is described, and named flags, files and links exist."""

import functools
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from typer.testing import CliRunner

from pneumoseg.data_io.formats import reading
from pneumoseg.evaluation.followup import registration
from pneumoseg.pipeline.prediction.conversion import converted
from pneumoseg.scripts.cli import COMMANDS, app
from tests.blank_figures import draw_nothing

ROOT = Path(__file__).parents[1]
DOCUMENTS = [ROOT / "README.md", ROOT / "data" / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"<!-- runnable ?(.*?) -->\n```(\w+)\n(.*?)```", re.DOTALL)
SMALL = (
    *("preprocessing.spacing_mm=[10,10,12]", "patches.shape=[16,16,8]"),
    *("network.filters=[4,8]", "training.epochs=1", "training.steps_per_epoch=2", "training.workers=0"),
    "evaluation.folds=2",
)
"""Settings added to each training of the documents."""

EXPERIMENT = ROOT / "docs" / "experiment.md"
MOST_CASES, SHAPE = 3, ("32", "32", "24")
"""Of the phantoms of the documents."""


def blocks(document: Path) -> list[tuple[str, str, str]]:
    """Mark, language and text of the runnable blocks of a document; those marked "last" at the end."""
    marked = BLOCK.findall(document.read_text("utf-8"))
    return sorted(marked, key=lambda block: block[0] == "last")


@functools.cache
def help_of(command: str) -> str:
    """The help of a command on one line per flag."""
    shown = CliRunner().invoke(app, [*command.split(), "--help"], env={"COLUMNS": "200"})
    assert shown.exit_code == 0, shown.output
    return shown.output


def commands_of(text: str) -> list[list[str]]:
    """The words of each command of a shell block, without comments; continued lines are joined."""
    lines = text.replace("\\\n", " ").splitlines()
    return [words for line in lines if (words := shlex.split(line, comments=True))]


def run_shell(text: str, monkeypatch) -> None:
    """Runs the `pneumoseg` and `python` commands of a block, trainings and phantoms at a small size."""
    for words in commands_of(text):
        while "=" in words[0]:
            name, _, value = words.pop(0).partition("=")
            monkeypatch.setenv(name, value + os.pathsep + os.environ.get(name, ""))
            if name == "PYTHONPATH":
                monkeypatch.syspath_prepend(str(Path(value).resolve()))
        program, *arguments = words
        if program == "python":
            arguments[0] = str(ROOT / arguments[0])
            done = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stderr
            continue
        assert program == "pneumoseg"
        if arguments[0] in ("kfold", "train", "miscnn"):
            given = {argument.partition("=")[0] for argument in arguments}
            arguments += [
                part for change in SMALL if change.partition("=")[0] not in given for part in ("--set", change)
            ]
            if "runs/first" not in arguments:
                arguments += ["--fold", "0"]
        if arguments[0] == "phantom":
            arguments = small_phantoms(arguments)
        done = CliRunner().invoke(app, arguments)
        assert done.exit_code == 0, (arguments, done.output)


def small_phantoms(arguments: list[str]) -> list[str]:
    """The arguments of `pneumoseg phantom` with few cases of few voxels."""
    place = arguments.index("--cases") + 1
    arguments[place] = str(min(int(arguments[place]), MOST_CASES))
    if "--shape" in arguments:
        place = arguments.index("--shape")
        del arguments[place : place + 4]
    return [*arguments, "--shape", *SHAPE]


@pytest.fixture(scope="session")
def prepared(tmp_path_factory) -> Path:
    """The results of docs/experiment.md, `phantoms` and `runs/first`, and `ct.nii.gz` and `masks` beside them."""
    folder = tmp_path_factory.mktemp("documents")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("PNEUMOSEG_CACHE", str(folder / "cache"))
        draw_nothing(patch)
        for _, _, text in blocks(EXPERIMENT):
            run_shell(text, patch)
    for model in (folder / "runs" / "first").glob("fold_*/model.keras"):
        converted(model)  # once for all documents
    ct = nib.load(folder / "phantoms" / "phantom_001" / "imaging.nii.gz")
    small = np.diag([2.0, 2.0, 3.0, 1.0])  # a few centimetres, so that few tiles are computed
    nib.save(nib.Nifti1Image(np.asarray(ct.dataobj), small), folder / "ct.nii.gz")
    (folder / "masks").mkdir()
    for case in sorted((folder / "phantoms").iterdir()):
        shutil.copy(case / "segmentation.nii.gz", folder / "masks" / f"{case.name}.nii.gz")
    return folder


def test_the_experiment_writes_a_run(prepared):
    assert (prepared / "runs" / "first" / "report.html").is_file()
    assert len(list((prepared / "runs" / "first").glob("fold_*/model.keras"))) == 2


@pytest.mark.parametrize(
    "document", [path for path in DOCUMENTS if blocks(path) and path != EXPERIMENT], ids=lambda path: path.name
)
def test_the_marked_blocks_run(document, prepared, tmp_path, monkeypatch, without_case_pictures):
    monkeypatch.setattr(registration, "GRID_MM", 5.0)
    monkeypatch.setattr(registration, "SAMPLES", 2000)
    monkeypatch.setattr(registration, "BSPLINE_STEPS", 10)
    for name in ("phantoms", "ct.nii.gz", "masks", "runs"):
        copy = shutil.copytree if (prepared / name).is_dir() else shutil.copy
        copy(prepared / name, tmp_path / name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PNEUMOSEG_CACHE", str(prepared / "cache"))
    monkeypatch.setattr(reading, "_READERS", dict(reading._READERS))  # a page registers a reader
    for mark, language, text in blocks(document):
        if mark.startswith("file="):
            with (tmp_path / mark.removeprefix("file=")).open("a", encoding="utf-8") as file:
                file.write(text)
        elif language == "python":
            exec(compile(text, document.name, "exec"), {"__name__": "example"})
        else:
            assert language == "bash"
            run_shell(text, monkeypatch)


@pytest.mark.parametrize("document", sorted((ROOT / "docs").glob("*.md")), ids=lambda path: path.name)
def test_every_page_begins_with_code_that_runs_and_is_short(document):
    text = document.read_text("utf-8")
    assert text.split("```")[0].rstrip().endswith(("<!-- runnable -->", "<!-- runnable last -->"))
    assert len(text.splitlines()) <= 150


def test_the_readme_is_short():
    assert len((ROOT / "README.md").read_text("utf-8").splitlines()) <= 150


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_is_described(command):
    assert any(f"pneumoseg {command} " in path.read_text("utf-8") for path in DOCUMENTS)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_flag_exists(document):
    text = document.read_text("utf-8")
    text = re.sub(r"(python scripts/benchmark/|dask (scheduler|worker) ).*", "", text)  # flags of other programs
    known = set(re.findall(r"--[a-z][a-z-]*", "".join(help_of(command) for command in COMMANDS)))
    assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", text.replace("<!--", "").replace("-->", ""))) <= known


def test_the_flags_of_a_command_are_its_own():
    for document in DOCUMENTS:
        fenced = re.findall(r"```bash\n(.*?)```", document.read_text("utf-8"), flags=re.DOTALL)
        for words in (words for text in fenced for words in commands_of(text)):
            if words[0] == "pneumoseg" and words[1] in COMMANDS:
                helps = help_of(words[1]) + (help_of(words[2]) if words[1] == "submit" else "")
                unknown = {word for word in words if word.startswith("--")} - set(re.findall(r"--[a-z][a-z-]*", helps))
                assert not unknown, (document.name, words)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_named_file_and_link_exists(document):
    text = document.read_text("utf-8")
    for name in re.findall(r"`((?:pipeline|data_io|data|evaluation|scripts)/[\w/-]+\.\w+)`", text):
        assert (ROOT / name).is_file(), name
    links = [link for link in re.findall(r"\]\(([^)#]+)\)", text) if "://" not in link]
    assert links or document.name != "README.md"
    for link in links:
        assert (document.parent / link).exists(), link


@pytest.mark.parametrize("folder", ["data_io", "pipeline", "evaluation", "scripts"])
def test_the_readme_names_every_folder_of_the_package(folder):
    (line,) = re.findall(rf"^{folder}/ +(.*)", (ROOT / "README.md").read_text("utf-8"), flags=re.MULTILINE)
    for path in (ROOT / folder).iterdir():
        if path.is_dir() and any(path.glob("*.py")):
            assert path.name in line
