"""The page in a browser: uploads, the viewer, numbers, keyboard, and that it needs nothing that its policy forbids."""

import hashlib
import json
import re
import shutil
import time
from base64 import b64decode
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pneumoseg.data_io.volumes.labels import CHANGE_LABELS, LUNG_LABELS
from tests.scripts.web.canned_results import ERROR_LABELS
from tests.scripts.web.stand_in import PAGE, StandIn

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
try:
    from axe_selenium_python import Axe
    from selenium import webdriver
    from selenium.common.exceptions import StaleElementReferenceException
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys
    from selenium.webdriver.support.ui import Select, WebDriverWait
except ImportError:
    webdriver = None
needs_browser = pytest.mark.skipif(
    webdriver is None or not (CHROMIUM and DRIVER),
    reason="needs selenium, axe-selenium-python, chromium and chromedriver",
)

SHAPE = (48, 48, 24)
PATIENCE_S = 120
"""Software draws the volumes here, on machines that may be busy."""
FLAGS = (
    *("--headless=new", "--no-sandbox", "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"),
    *("--hide-scrollbars", "--no-first-run", "--disable-dev-shm-usage", "--window-size=560,560"),
)
LEFT, RIGHT, INFECTION = LUNG_LABELS.colours[1:]
MISSED, FALSE = ERROR_LABELS.colours[1:3]
INTERACTIVE = "a[href], button, select, input, summary, canvas[tabindex], .scrolled"


# What the page is made of.


def test_the_vendored_viewer_is_the_published_one():
    folder = PAGE / "vendor" / "niivue-0.69.0"
    found = hashlib.sha256((folder / "niivue.umd.js").read_bytes()).hexdigest()
    assert found == "47b896b77ec4a5be3ef1949c33ad393b6f45629921f326c279000bcf51bdb4af"
    assert found in (folder / "README.md").read_text("utf-8")
    assert "BSD 2-Clause" in (folder / "LICENSE").read_text("utf-8")


def test_no_text_becomes_markup_and_nothing_is_fetched_from_elsewhere():
    forbidden = r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|https?://"
    for path in (*PAGE.glob("*.js"), *PAGE.glob("*.css"), *PAGE.glob("*.html")):
        assert re.findall(forbidden, path.read_text("utf-8")) == [], path.name
        assert len(path.read_text("utf-8").splitlines()) <= 300
    start = (PAGE / "index.html").read_text("utf-8")
    assert re.findall(r"\son\w+=|\sstyle=|<style|<script(?![^>]*\ssrc=)", start) == []


# The browser: one for all tests, and pages that are loaded anew only where they must be.


@pytest.fixture(scope="session")
def server():
    server = StandIn(seconds=0.6, shape=SHAPE)
    yield server
    server.stop()


@pytest.fixture(scope="session")
def driver(tmp_path_factory):
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in FLAGS:
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    driver.set_script_timeout(PATIENCE_S)
    yield driver
    driver.quit()


class Page:
    """What tests do with the page, and `refusals`: the statuses that the console may report."""

    def __init__(self, driver, server, downloads: Path):
        self.driver, self.server, self.downloads = driver, server, downloads
        self.refusals: set[int] = set()

    def open(self, job=None, ready: str = "main h1 ~ *") -> None:
        self.driver.get("about:blank")  # another address after the # alone would leave the last view for a moment
        self.driver.get(f"{self.server.url}#/jobs/{job.id}" if job else f"{self.server.url}#/")
        self.wait(ready)

    def wait(self, css: str, text: str = ""):
        def found(driver):
            return next((one for one in driver.find_elements(By.CSS_SELECTOR, css) if text in one.text), None)

        replaced = [StaleElementReferenceException]  # between finding and reading
        return WebDriverWait(self.driver, PATIENCE_S, 0.3, ignored_exceptions=replaced).until(found, f"{css} {text}")

    def until(self, holds) -> None:
        WebDriverWait(self.driver, PATIENCE_S, 0.3).until(lambda _: holds())

    def one(self, css: str):
        return self.driver.find_element(By.CSS_SELECTOR, css)

    def all(self, css: str) -> list:
        return self.driver.find_elements(By.CSS_SELECTOR, css)

    def labelled(self, text: str):
        """The control in or beside the label with that text."""
        return self.driver.execute_script(
            "return [...document.querySelectorAll('label')].find((one) => one.textContent.trim() === arguments[0])"
            ".control",
            text,
        )

    def click(self, element) -> None:
        """As a person's click, also where the control itself is drawn by another element."""
        self.driver.execute_script("arguments[0].scrollIntoView({block: 'center'}); arguments[0].click()", element)

    def slide(self, element, value: float) -> None:
        script = "arguments[0].value = arguments[1]; arguments[0].dispatchEvent(new Event('input'))"
        self.driver.execute_script(script, element, str(value))

    def press(self, *keys: str) -> None:
        ActionChains(self.driver).send_keys(*keys).perform()

    def pixels(self, place: int = 0) -> np.ndarray:
        """What a canvas shows, (rows, columns, 3), int.

        WebGL keeps what it has drawn for one frame alone: NiiVue draws at a change of size, then it is read.
        """
        script = """
          const [canvas, done] = arguments;
          dispatchEvent(new Event("resize"));
          requestAnimationFrame(() => {
            const copy = document.createElement("canvas");
            [copy.width, copy.height] = [canvas.width, canvas.height];
            copy.getContext("2d").drawImage(canvas, 0, 0);
            done(copy.toDataURL());
          })"""
        url = self.driver.execute_async_script(script, self.all(".viewer canvas")[place])
        return np.asarray(Image.open(BytesIO(b64decode(url.partition(",")[2]))).convert("RGB")).astype(int)

    def check_for_everybody(self) -> None:
        """No serious finding of axe in light and dark, and nothing wider than a phone or a wide screen."""
        axe = Axe(self.driver)
        axe.inject()
        try:
            for scheme in ("light", "dark"):
                media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
                self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
                serious = [one for one in axe.run()["violations"] if one["impact"] in ("serious", "critical")]
                assert [(scheme, one["id"], [node["html"] for node in one["nodes"]]) for one in serious] == []
            for width in (400, 1600):
                size = {"width": width, "height": 400, "deviceScaleFactor": 1, "mobile": False}
                self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
                assert self.driver.execute_script("return document.documentElement.scrollWidth") <= width
        finally:
            self.driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
            self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})

    def console(self) -> list[str]:
        told = [entry["message"] for entry in self.driver.get_log("browser")]
        return [one for one in told if not any(f"status of {code}" in one for code in self.refusals)]


@pytest.fixture
def page(driver, server, tmp_path):
    server.token = ""
    driver.execute_cdp_cmd("Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(tmp_path)})
    page = Page(driver, server, tmp_path)
    yield page
    assert page.console() == []


@pytest.fixture(scope="session")
def ct(server):
    job = server.add("segmentation", "ct.nii.gz", canned="ct", model="covid-lungs")
    time.sleep(server.seconds)
    return job


@pytest.fixture
def ct_page(page, ct):
    """The page of a CT in its first state, with the overlay's own colours. It takes long to load, so it stays."""
    if ct.id not in page.driver.current_url or not page.all(".viewer[data-ready]"):
        page.open(ct, ".viewer[data-ready]")
    page.click(page.one("input[value=axial]"))
    for box in page.all(".overlay input[type=checkbox]"):
        if box.is_selected() != page.driver.execute_script("return arguments[0].defaultChecked", box):
            page.click(box)
    page.slide(page.labelled("Opacity"), 100)
    return page


def share(pixels: np.ndarray, colour: tuple[int, int, int]) -> float:
    """Of the pixels that have a colour."""
    return float(is_colour(pixels, colour).mean())


def is_colour(pixels: np.ndarray, colour: tuple[int, int, int]) -> np.ndarray:
    return (np.abs(pixels - colour) <= 6).all(-1)


def column(pixels: np.ndarray, colour: tuple[int, int, int]) -> float:
    """The mean place of a colour, 0 left to 1 right."""
    return float(np.nonzero(is_colour(pixels, colour))[1].mean()) / pixels.shape[1]


def slice_number(page: Page) -> int:
    return int(re.fullmatch(r"Slice (\d+) of \d+", page.one(".slice .number").text).group(1))


def reached_by_tab(page: Page) -> list:
    """The elements that the Tab key reaches, from wherever the focus was, all around the page."""
    reached = []
    for _ in range(150):
        page.press(Keys.TAB)
        now = page.driver.switch_to.active_element
        if now in reached:
            break
        if now.tag_name != "body":  # between the last and the first
            reached.append(now)
    return reached


def unreached(page: Page, reached: list) -> list[str]:
    script = """
      const [reached, selector] = arguments;
      const hides = (one) => one.disabled || one.closest("[hidden], details:not([open]) > :not(summary)");
      const isOther = (one) => one.type === "radio" && !one.checked;  // arrow keys reach these
      return [...document.querySelectorAll(selector)]
        .filter((one) => !hides(one) && !isOther(one) && !reached.includes(one)).map((one) => one.outerHTML)"""
    return page.driver.execute_script(script, reached, INTERACTIVE)


# From the upload to the result.


@needs_browser
def test_an_upload_becomes_a_study_with_its_mask_on_the_screen(page, tmp_path):
    file = tmp_path / "phantom.nii.gz"
    file.write_bytes(page.server.canned["ct"]["image.nii.gz"].content)
    page.open()
    page.one("#files").send_keys(str(file))
    page.click(page.wait(".jobs a", "phantom.nii.gz"))
    page.wait("h1", "phantom.nii.gz")
    page.wait(".verdict")
    assert next(reversed(page.server.jobs.values())).upload == file.read_bytes()

    page.driver.refresh()
    page.wait("h1", "phantom.nii.gz")
    page.wait(".viewer[data-ready]")
    assert share(page.pixels(), LEFT) == 0
    page.slide(page.labelled("Opacity"), 100)
    assert share(page.pixels(), LEFT) > 0.01


@needs_browser
def test_the_left_lung_is_on_the_right_and_letters_say_so(ct_page):
    pixels = ct_page.pixels()
    assert column(pixels, RIGHT) < 0.5 < column(pixels, LEFT)
    assert share(pixels, INFECTION) > 0.001
    rows, columns, _ = pixels.shape
    middle = slice(int(rows * 0.44), int(rows * 0.56))
    letters = [pixels[middle, : int(columns * 0.05)], pixels[middle, int(columns * 0.95) :]]
    upper_right = []
    for one in letters:
        ink = (one > 150).all(-1)
        across, down = np.nonzero(ink.any(0))[0], np.nonzero(ink.any(1))[0]
        box = ink[down[0] : down[-1] + 1, across[0] : across[-1] + 1]
        upper_right.append(box[: len(box) // 2, box.shape[1] // 2 + 1 :].mean())
    assert upper_right[0] > 0.2  # of an R
    assert upper_right[1] < 0.1  # of an L


@needs_browser
def test_classes_and_opacity_change_what_is_drawn(ct_page):
    before = ct_page.pixels()
    ct_page.click(ct_page.labelled("Left lung"))
    without = ct_page.pixels()
    assert share(without, LEFT) < 0.001 < share(before, LEFT)
    assert share(without, RIGHT) == pytest.approx(share(before, RIGHT), abs=0.002)
    ct_page.click(ct_page.labelled("Left lung"))
    assert share(ct_page.pixels(), LEFT) == pytest.approx(share(before, LEFT), abs=0.001)
    ct_page.click(ct_page.labelled("Outlines"))
    assert 0 < share(ct_page.pixels(), LEFT) < share(before, LEFT) / 2
    ct_page.click(ct_page.labelled("Outlines"))
    ct_page.slide(ct_page.labelled("Opacity"), 0)
    bare = ct_page.pixels()
    assert (np.ptp(bare, -1) < 20).mean() > 0.98  # grey but for the cross


@needs_browser
def test_views_and_windows_change_what_is_drawn(ct_page):
    axial = ct_page.pixels()
    seen = [axial]
    for view in ("coronal", "sagittal", "all", "volume"):
        ct_page.click(ct_page.one(f"input[value={view}]"))
        now = ct_page.pixels()
        assert all((now != other).any(-1).mean() > 0.05 for other in seen), view
        seen.append(now)
    assert ct_page.one(".slice input").get_attribute("disabled")
    _, coronal, _, _, volume = seen
    for front in (coronal, volume):
        assert column(front, RIGHT) < column(front, LEFT)
    ct_page.click(ct_page.one("input[value=axial]"))
    ct_page.pixels()
    select = Select(ct_page.labelled("Window"))
    select.select_by_visible_text("Bone")
    assert ct_page.one(".window .number").text == "L 400 W 1800"
    assert (ct_page.pixels() != axial).any(-1).mean() > 0.05
    select.select_by_visible_text("Lung")
    assert (ct_page.pixels() != axial).any(-1).mean() < 0.01


@needs_browser
def test_slider_keys_and_wheel_turn_the_slices(ct_page):
    slider, canvas = ct_page.one(".slice input"), ct_page.one(".viewer canvas")
    ct_page.slide(slider, 9)
    assert slice_number(ct_page) == 10
    assert "Slice 10 of 24" in canvas.get_attribute("aria-label")
    ct_page.driver.execute_script("arguments[0].focus()", canvas)
    for key, expected in ((Keys.ARROW_UP, 11), (Keys.ARROW_LEFT, 10), (Keys.PAGE_UP, 15), (Keys.HOME, 1)):
        ct_page.press(key)
        assert slice_number(ct_page) == expected
    ct_page.press(Keys.ARROW_DOWN)
    assert slice_number(ct_page) == 1
    ct_page.press(Keys.END)
    assert slice_number(ct_page) == 24
    ct_page.press(Keys.PAGE_DOWN)
    wheel = """
      const {left, top, width, height} = arguments[0].getBoundingClientRect();
      const middle = {clientX: left + width / 2, clientY: top + height / 2};
      arguments[0].dispatchEvent(new WheelEvent("wheel", {...middle, deltaY: 100, bubbles: true, cancelable: true}))"""
    ct_page.driver.execute_script(wheel, canvas)
    assert abs(slice_number(ct_page) - 19) == 1


@needs_browser
def test_the_verdict_comes_first_and_numbers_have_units(ct_page, ct):
    first = ct_page.one(".result > :first-child")
    assert "Review" in first.text
    assert "predicted Dice 0.52 (0.31 to 0.73), below 0.6" in first.text
    row = json.loads(ct.results["severity.json"].content)["severity"]
    table = ct_page.one(".severity table")
    cells = {tr.text.rsplit(" ", 3)[0]: tr.text.rsplit(" ", 3)[1:] for tr in table.find_elements(By.TAG_NAME, "tr")}
    assert cells["Lung, ml"] == [f"{row[name]:.0f}" for name in ("lung_right_ml", "lung_left_ml", "lungs_ml")]
    shares = ("infected_percent_right", "infected_percent_left", "infected_percent")
    assert cells["Infection, %"] == [f"{row[name]:.1f}" for name in shares]
    assert row["category"] in ct_page.one(".severity .headline").text
    assert "The lungs reach the lowest slice." in ct_page.one(".warnings").text


@needs_browser
def test_a_download_is_the_file_that_the_server_has(ct_page, ct):
    ct_page.click(ct_page.one("button[aria-label='Download Mask (NIfTI)']"))
    target = ct_page.downloads / "ct_mask.nii.gz"
    ct_page.until(target.is_file)
    assert target.read_bytes() == ct.results["mask.nii.gz"].content


@needs_browser
def test_a_result_is_for_everybody(ct_page):
    assert unreached(ct_page, reached_by_tab(ct_page)) == []
    ct_page.driver.execute_script("arguments[0].focus()", ct_page.one("input[value=axial]"))
    ct_page.press(Keys.ARROW_RIGHT)
    assert "Coronal" in ct_page.one(".viewer canvas").get_attribute("aria-label")
    ct_page.check_for_everybody()


@needs_browser
def test_a_reference_gives_scores_and_an_overlay_of_errors(ct_page, tmp_path):
    for name in ("another.nii.gz", "reference.nii.gz"):
        (tmp_path / name).write_bytes(b"x")
    ct_page.one("#reference").send_keys(str(tmp_path / "another.nii.gz"))
    ct_page.click(ct_page.one(".reference button"))
    ct_page.wait(".reference [role=alert]", "The reference lies on another grid than the CT.")
    ct_page.refusals = {422}
    ct_page.one("#reference").send_keys(str(tmp_path / "reference.nii.gz"))
    ct_page.click(ct_page.one(".reference button"))
    ct_page.wait(".scores")
    ct_page.wait(".viewer[data-ready]")
    rows = [row.text for row in ct_page.all(".scores tr")]
    assert rows[0] == "Class Dice NSD HD95, mm Sensitivity Precision Mask, ml Reference, ml"
    assert [row.split(" 0.")[0] for row in rows[1:]] == ["Left lung", "Right lung", "Infection", "Both lungs"]
    ct_page.slide(ct_page.labelled("Opacity"), 100)
    pixels = ct_page.pixels()
    assert share(pixels, MISSED) > 0 < share(pixels, FALSE)
    ct_page.check_for_everybody()


@needs_browser
def test_two_dates_are_shown_side_by_side_with_the_change(page, ct):
    page.server.add("segmentation", "second.nii.gz", canned="follow-up ct", model="covid-lungs")
    time.sleep(page.server.seconds)
    page.open(None, ".compare form")
    earlier, later = (page.labelled(name) for name in ("Earlier CT", "Later CT"))
    assert "slice.png" not in earlier.text
    earlier.send_keys("ct.nii.gz")
    assert "second.nii.gz" in later.text.splitlines()[0]
    page.click(page.one(".compare button"))
    page.wait(".change")
    page.wait(".viewer[data-ready]")
    assert len(page.all(".viewer canvas")) == 2
    assert re.search(r"\d+\.\d % → \d+\.\d % of the lungs \([+−]\d+ ml", page.one(".change .headline").text)
    page.slide(page.labelled("Opacity"), 100)
    before = [page.pixels(place) for place in (0, 1)]
    for pixels in before:
        assert share(pixels, CHANGE_LABELS.colours[1]) + share(pixels, CHANGE_LABELS.colours[2]) > 0.001
    page.slide(page.one(".slice input"), 11)
    for place in (0, 1):
        assert (page.pixels(place) != before[place]).any(-1).mean() > 0.05
        assert "Slice 12 of" in page.all(".viewer canvas")[place].get_attribute("aria-label")
    page.check_for_everybody()


# Several files, other kinds, and what goes wrong.


@needs_browser
def test_loose_files_are_the_slices_of_one_series_and_the_drop_is_an_upload(page):
    page.open()
    page.driver.execute_script(
        "const transfer = new DataTransfer();"
        "for (const name of ['1.dcm', '2.dcm']) transfer.items.add(new File(['slice'], name));"
        "dispatchEvent(new DragEvent('drop', {dataTransfer: transfer, cancelable: true}))"
    )
    page.wait(".jobs a", "CT series of 2 files")
    page.check_for_everybody()
    assert unreached(page, reached_by_tab(page)) == []


@needs_browser
def test_names_of_files_stay_text(page, tmp_path):
    name = "<img src=x onerror=alert(1)> \"'&.nii.gz"
    (tmp_path / name).write_bytes(b"x")
    page.open()
    page.one("#files").send_keys(str(tmp_path / name))
    link = page.wait(".jobs a", name)
    assert page.all("main img") == []
    page.click(link)
    page.wait("h1", name)
    assert page.all("main img") == []


@needs_browser
def test_a_picture_is_shown_beside_its_mask(page, tmp_path):
    file = tmp_path / "slice.png"
    file.write_bytes(page.server.canned["picture"]["image.png"].content)
    page.open()
    page.one("#files").send_keys(str(file))
    page.click(page.wait(".jobs a", "slice.png"))
    page.wait(".pictures")
    page.slide(page.labelled("Opacity"), 100)
    assert share(page.pixels(0), INFECTION) == 0 < share(page.pixels(1), INFECTION)
    page.click(page.labelled("Infection"))
    assert (page.pixels(1) == page.pixels(0)).all()
    page.check_for_everybody()

    reference = tmp_path / "reference.png"
    reference.write_bytes(page.server.canned["picture"]["mask.png"].content)
    page.one("#reference").send_keys(str(reference))
    page.click(page.one(".reference button"))
    page.wait(".scores")
    whole = page.wait("img.whole")
    assert page.driver.execute_script("return arguments[0].naturalWidth", whole) == 3 * 48 * 3 + 8


@needs_browser
def test_a_failure_is_told_and_jobs_are_cancelled_and_deleted(page):
    failing = page.server.add("segmentation", "fail.nii.gz", canned="ct")
    page.open(failing, "[role=alert]")
    assert "The CT has one slice; at least 16 are needed." in page.one("[role=alert]").text
    slow = page.server.add("segmentation", "slow.nii.gz", canned="ct")
    page.open(slow, ".running")
    page.click(page.one(".running button"))
    page.wait("main p", "This job was cancelled.")
    page.click(page.one("nav a"))
    page.click(page.wait("button[aria-label='Delete slow.nii.gz']"))
    page.click(page.wait("dialog .danger"))
    page.until(lambda: not page.all("button[aria-label='Delete slow.nii.gz']"))
    assert slow.id not in page.server.jobs


@needs_browser
def test_the_token_is_asked_for_and_forgotten_with_the_tab(page, ct):
    page.server.token = "a-token-of-this-server"
    page.refusals = {401}
    page.driver.get(f"{page.server.url}#/")
    page.driver.refresh()
    field = page.wait("#token")
    field.send_keys("wrong", Keys.ENTER)
    page.wait("dialog", "did not accept")
    page.one("#token").send_keys(page.server.token, Keys.ENTER)
    page.click(page.wait(f".jobs a[href$='{ct.id}']"))
    page.wait(".verdict")
    assert page.driver.execute_script("return [localStorage.length, document.cookie]") == [0, ""]
    page.driver.execute_script("sessionStorage.clear()")
