"""The report as a browser shows it: nothing is cut off, the slice viewer works, the console stays silent."""

import json
import re
import shutil
import subprocess
from html import unescape
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pneumoseg.evaluation.figures.film_strip import FilmStrip
from pneumoseg.evaluation.figures.saving import new_figure, save_figure
from pneumoseg.evaluation.report.mask_tables import mask_result
from pneumoseg.evaluation.report.page import write_report
from pneumoseg.evaluation.runs.splits import Split
from pneumoseg.evaluation.scoring.mask_columns import SCORES
from pneumoseg.evaluation.scoring.tables import detailed_table, final_table

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
FOUND = next(filter(None, map(shutil.which, BROWSERS)), None)
pytestmark = pytest.mark.skipif(FOUND is None, reason=f"no browser to open the report in: {', '.join(BROWSERS)}")

GREYS = (40, 80, 120, 160, 200)
SLICES = (3, 7, 11, 15, 19)

OUTER = """<!DOCTYPE html><title>outer</title><pre></pre><script>
addEventListener("message", (event) => { document.querySelector("pre").textContent = event.data; });
</script><iframe src="probed.html" style="width:WIDTHpx;height:800px;border:0"></iframe>"""

PROBE = """<script>
addEventListener("load", async () => {
  const pause = () => new Promise((done) => setTimeout(done, 50));
  const found = {width: innerWidth, overflow: document.documentElement.scrollWidth};
  found.withoutAlt = [...document.images].filter((image) => !image.alt).length;
  found.broken = [...document.images].filter((image) => !image.naturalWidth).length;
  found.anchors = [...document.querySelectorAll("nav a")].every((link) => document.querySelector(link.hash));
  const button = document.querySelectorAll("[data-film]")[1];
  const dialog = document.getElementById("slice-viewer");
  const [canvas, slider, number, close] = ["canvas", "input", "output", "button"].map((x) => dialog.querySelector(x));
  const copy = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
  const state = () => {
    copy.drawImage(canvas, 0, 0);
    return {text: number.textContent, grey: copy.getImageData(4, 4, 1, 1).data[0]};
  };
  const press = (key) => slider.dispatchEvent(
    new KeyboardEvent("keydown", {key, bubbles: true, cancelable: true}));
  found.closed = !dialog.open;
  button.click(); await pause();
  found.opened = {open: dialog.open, heading: dialog.querySelector("h2").textContent, ...state()};
  found.inside = dialog.getBoundingClientRect().left >= 0 && dialog.getBoundingClientRect().right <= innerWidth;
  found.focused = document.activeElement === slider;
  slider.value = "4"; slider.dispatchEvent(new Event("input")); await pause();
  found.slid = state();
  press("ArrowDown"); found.arrow = state();
  press("Home"); press("ArrowLeft"); found.lowest = state();
  canvas.dispatchEvent(new WheelEvent("wheel", {deltaY: -100, bubbles: true, cancelable: true}));
  found.wheel = state();
  found.spoken = [slider.getAttribute("aria-valuetext"), canvas.getAttribute("aria-label")];
  close.click();
  found.shut = {open: dialog.open, focused: document.activeElement === button};
  parent.postMessage(JSON.stringify(found), "*");
});
</script>"""


def browse(folder: Path, page: Path, width: int, *options: str) -> str:
    """What a headless browser writes for `page` in a window of `width`; fails on any message of the console."""
    command = [
        *(str(FOUND), "--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--no-first-run"),
        *("--virtual-time-budget=3000", f"--window-size={width},900", f"--user-data-dir={folder / 'profile'}"),
        *("--enable-logging=stderr", "--v=0", *options, page.as_uri()),
    ]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert [line for line in result.stderr.splitlines() if "CONSOLE" in line] == []
    assert result.returncode == 0, result.stderr
    return result.stdout


def film(folder: Path, case: str) -> FilmStrip:
    """Five frames of 64 x 32 pixels, each of one grey."""
    frames = [np.full((32, 64, 3), grey, np.uint8) for grey in GREYS]
    Image.fromarray(np.concatenate(frames)).save(folder / f"{case}.webp", lossless=True)
    return FilmStrip(
        case=case,
        caption=f"{case}: Dice 0.5 & <low>",
        path=folder / f"{case}.webp",
        slices=SLICES,
        total_slices=24,
        first=2,
    )


@pytest.fixture(scope="module")
def report(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    figure = new_figure(9, 3)
    figure.text(0.5, 0.5, "x")
    save_figure(figure, folder / "box.png", dpi=50)
    cases = ["a_case_with_a_rather_long_name_as_of_a_hospital_0001", "b"]
    rows = [
        {"fold": fold, "case": case, "class": name, **dict.fromkeys(SCORES, 0.5 + fold / 10), "status": "ok"}
        | {"volume_reference_ml": 10.0, "volume_prediction_ml": 12.0, "nsd_tolerance_mm": 3.0}
        for fold, case in enumerate(cases)
        for name in ("lung_left", "lung_right", "infection", "lungs")
    ]
    detailed = detailed_table(rows)
    write_report(
        folder / "report.html",
        "Run of " + "x" * 80,
        {"preset": "quick"},
        settings_yaml="path: " + "y" * 200,
        splits=[Split((cases[0],), (cases[1],)), Split((cases[1],), (cases[0],))],
        detailed=detailed,
        final=final_table(detailed),
        result=mask_result(detailed, final_table(detailed)),
        figures=[("Dice of all cases", folder / "box.png")],
        warnings=["a warning of " + "z" * 100],
        environment={"data": {"a": "0123456789abcdef" * 4}},
        strips={"Worst cases": [film(folder, "a"), film(folder, "b")], "Best cases": [film(folder, "c")]},
    )
    return folder / "report.html"


@pytest.fixture(scope="module", params=[400, 1600])
def findings(request, report, tmp_path_factory) -> dict:
    """What a script in a copy of the report finds. The report lies in a frame: a window has a least width."""
    folder = tmp_path_factory.mktemp("probe")
    probed = report.read_text(encoding="utf-8").replace("</body>", PROBE + "</body>")
    (folder / "probed.html").write_text(probed, encoding="utf-8")
    (folder / "outer.html").write_text(OUTER.replace("WIDTH", str(request.param)), encoding="utf-8")
    content = browse(folder, folder / "outer.html", 1700, "--dump-dom")
    text = re.search(r"<pre>(.*?)</pre>", content, re.DOTALL).group(1)
    assert text, "the script in the page came to no end"
    return {"expected_width": request.param, **json.loads(unescape(text))}


def test_nothing_is_wider_than_the_page(findings):
    assert findings["width"] == findings["expected_width"]
    assert findings["overflow"] <= findings["width"]
    assert findings["inside"]


def test_pictures_are_described_and_whole_and_links_lead_somewhere(findings):
    assert findings["withoutAlt"] == 0
    assert findings["broken"] == 0
    assert findings["anchors"]


def test_a_thumbnail_opens_its_case_at_its_first_frame(findings):
    assert findings["closed"]
    assert findings["opened"] == {"open": True, "heading": "b: Dice 0.5 & <low>", "text": "slice 12 of 24", "grey": 120}
    assert findings["focused"]


def test_slider_keys_and_wheel_turn_the_slices(findings):
    assert findings["slid"] == {"text": "slice 20 of 24", "grey": 200}
    assert findings["arrow"] == {"text": "slice 16 of 24", "grey": 160}
    assert findings["lowest"] == {"text": "slice 4 of 24", "grey": 40}
    assert findings["wheel"] == {"text": "slice 8 of 24", "grey": 80}
    assert findings["spoken"] == ["slice 8 of 24", "b: Dice 0.5 & <low>, slice 8 of 24"]


def test_closing_gives_the_focus_back(findings):
    assert findings["shut"] == {"open": False, "focused": True}


@pytest.mark.parametrize("width", [500, 1600])
def test_the_page_is_drawn_without_a_word_in_the_console(report, tmp_path, width):
    browse(tmp_path, report, width, f"--screenshot={tmp_path / 'page.png'}")
    with Image.open(tmp_path / "page.png") as picture:
        assert picture.width == width
        assert len(picture.convert("L").getcolors()) > 10
