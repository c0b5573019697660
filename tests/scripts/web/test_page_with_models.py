"""The page, the server and the bundled models together, in use: what a browser shows and gives is what the command line
makes of the same files."""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from types import SimpleNamespace

import nibabel as nib
import numpy as np
import pytest
from PIL import Image

from pneumoseg.data_io.formats.nifti import write_ct_nifti
from pneumoseg.data_io.phantoms.generate import make_phantom
from pneumoseg.data_io.volumes.labels import LUNG_LABELS
from pneumoseg.data_io.volumes.volume import Volume
from tests.scripts.web.page_browser import Page, browser, column, needs_browser, share

pytestmark = needs_browser
ROOT = Path(__file__).parents[3]
COMMAND = (sys.executable, "-m", "pneumoseg.scripts.cli")
LEFT, RIGHT, INFECTION = LUNG_LABELS.colours[1:]
SLICES = 14
"""Of a CT: a part of the chest takes few tiles."""
PATIENCE_S = 600


@pytest.fixture(scope="module")
def surroundings(tmp_path_factory):
    """The environment of all commands: what one measures of this machine, the others know."""
    return os.environ | {"PNEUMOSEG_CACHE": f"{tmp_path_factory.mktemp('cache')}"}


@pytest.fixture(scope="module")
def inputs(tmp_path_factory) -> dict[str, Path]:
    """A CT of a phantom, a picture of one of its slices, and, where there is one, a part of a real DICOM series."""
    folder = tmp_path_factory.mktemp("inputs")
    ct, _ = make_phantom(1, 0, (64, 64, 60))
    part = ct.array[:, :, 24 : 24 + SLICES]
    write_ct_nifti(folder / "phantom.nii.gz", Volume.from_source(part, ct.grid.affine))
    grey = np.clip((part[:, ::-1, SLICES // 2].T + 1250.0) * (255 / 1500), 0, 255).astype(np.uint8)
    Image.fromarray(grey).resize((256, 256)).save(folder / "slice.png")
    given = {"phantom": folder / "phantom.nii.gz", "picture": folder / "slice.png"}
    real = Path(os.environ.get("PNEUMOSEG_REAL_DATA", "missing")) / "dicom" / "cip_ct64"
    if real.is_dir():
        (folder / "series").mkdir()
        files = sorted(real.glob("*.dcm"))
        for file in files[len(files) // 2 - SLICES // 2 :][:SLICES]:
            shutil.copy(file, folder / "series")
        given["series"] = folder / "series"
    return given


@pytest.fixture(scope="module")
def by_command(inputs, surroundings, tmp_path_factory) -> Path:
    """The masks of the CTs as the command line writes them."""
    masks = tmp_path_factory.mktemp("masks")
    cts = [inputs[name] for name in ("phantom", "series") if name in inputs]
    command = [*COMMAND, "predict", *cts, "-o", masks]
    done = subprocess.run(command, check=False, env=surroundings, cwd=ROOT, capture_output=True)
    assert done.returncode == 0, done.stderr
    return masks


@pytest.fixture(scope="module")
def server(tmp_path_factory, surroundings):
    """`pneumoseg serve` as in use."""
    data = tmp_path_factory.mktemp("server") / "data"
    command = [*COMMAND, "serve", "--port", "0", "--json", "--data", f"{data}"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT, env=surroundings
    ) as process:
        try:
            address = json.loads(process.stdout.readline())["address"]
            yield SimpleNamespace(url=f"{address}/")
            process.terminate()
            _, said = process.communicate(timeout=60)
            assert process.returncode == 0
            assert "error" not in said.lower()
        finally:
            process.kill()


@pytest.fixture(scope="module")
def driver():
    with browser() as driver:
        yield driver


@pytest.fixture
def page(driver, server, tmp_path):
    page = Page(driver, server, tmp_path, patience_s=PATIENCE_S)
    yield page
    assert page.console() == []


def study_of(page: Page, file: Path, name: str) -> None:
    """Uploads a file and waits for the result on the page of its job."""
    page.open()
    page.one("#files").send_keys(str(file))
    page.click(page.wait(".jobs a", name))
    page.wait(".verdict")


def downloaded(page: Page, title: str, ending: str) -> Path:
    page.click(page.one(f"button[aria-label='Download {title}']"))
    page.until(lambda: [*page.downloads.glob(f"*{ending}")])
    (file,) = page.downloads.glob(f"*{ending}")
    return file


def check_ct(page: Page, expected: Path) -> None:
    """The mask is on the screen, left is left, and it is the mask of the command line; a reload shows it again."""
    page.wait(".viewer[data-ready]")
    page.slide(page.labelled("Opacity"), 100)
    pixels = page.pixels()
    assert min(share(pixels, LEFT), share(pixels, RIGHT)) > 0.01
    assert column(pixels, RIGHT) < 0.5 < column(pixels, LEFT)  # the patient's right is left
    mask, wanted = nib.load(downloaded(page, "Mask (NIfTI)", "_mask.nii.gz")), nib.load(expected)
    labels = np.asarray(mask.dataobj)
    np.testing.assert_array_equal(labels, np.asarray(wanted.dataobj))
    np.testing.assert_array_equal(mask.affine, wanted.affine)
    assert (share(pixels, INFECTION) > 0) == (labels == 3).any()  # its largest slice is shown first
    places = [np.argwhere(labels == number).mean(0) for number in (1, 2)]
    assert np.subtract(*(mask.affine[:3, :3] @ place for place in places))[0] < 0  # RAS+: x grows from left to right
    facts = page.one(".heading .quiet").text
    assert facts.startswith("Segmentation · covid-lungs · ")
    page.driver.refresh()
    page.wait(".viewer[data-ready]")
    assert page.one(".heading .quiet").text == facts


def test_a_ct_as_nifti(page, inputs, by_command):
    study_of(page, inputs["phantom"], "phantom.nii.gz")
    check_ct(page, by_command / "phantom.nii.gz")


def test_a_real_ct_as_zipped_dicom(page, inputs, by_command, real_data, tmp_path):
    with zipfile.ZipFile(tmp_path / "study.zip", "w") as archive:
        for file in sorted(inputs["series"].iterdir()):
            archive.write(file, f"study/{file.name}")
    study_of(page, tmp_path / "study.zip", "CT series ")
    check_ct(page, by_command / "series.nii.gz")


def test_a_picture_and_the_history(page, inputs):
    study_of(page, inputs["picture"], "slice.png")
    page.slide(page.labelled("Opacity"), 100)
    mask = np.asarray(Image.open(downloaded(page, "Mask", "_mask.png"))) > 0
    assert mask.any()
    image, painted = page.pixels(0), page.pixels(1)
    assert image.shape == painted.shape == (*mask.shape, 3)
    np.testing.assert_array_equal((painted != image).any(-1), mask)
    page.driver.refresh()
    page.click(page.wait("nav a", "All studies"))
    page.wait(".jobs a", "slice.png")
    assert {row.text for row in page.all(".jobs .state")} == {"Finished"}
