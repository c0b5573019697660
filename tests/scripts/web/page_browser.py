"""A browser that opens the page, for tests: what they do with it, and what they see in it."""

import shutil
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

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
    webdriver = By = Keys = None
needs_browser = pytest.mark.skipif(
    webdriver is None or not (CHROMIUM and DRIVER),
    reason="needs selenium, axe-selenium-python, chromium and chromedriver",
)

PATIENCE_S = 120
"""Software draws the volumes here, on machines that may be busy."""
FLAGS = (
    *("--headless=new", "--no-sandbox", "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"),
    *("--hide-scrollbars", "--no-first-run", "--disable-dev-shm-usage", "--window-size=560,560"),
)
INTERACTIVE = "a[href], button, select, input, summary, canvas[tabindex], .scrolled"


@contextmanager
def browser() -> Iterator["webdriver.Chrome"]:
    """Chromium without a screen, for the block."""
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in FLAGS:
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    try:
        driver.set_script_timeout(PATIENCE_S)
        yield driver
    finally:
        driver.quit()


class Page:
    """What tests do with the page, and `refusals`: the statuses that the console may report."""

    def __init__(self, driver, server, downloads: Path, *, patience_s: float = PATIENCE_S):
        """`server` has the page at its `url`; files that are downloaded lie in the folder `downloads`."""
        self.driver, self.server, self.downloads, self.patience_s = driver, server, downloads, patience_s
        allowed = {"behavior": "allow", "downloadPath": str(downloads)}
        driver.execute_cdp_cmd("Browser.setDownloadBehavior", allowed)
        self.refusals: set[int] = set()

    def open(self, job=None, ready: str = "main h1 ~ *") -> None:
        self.driver.get("about:blank")  # another address after the # alone would leave the last view for a moment
        self.driver.get(f"{self.server.url}#/jobs/{job.id}" if job else f"{self.server.url}#/")
        self.wait(ready)

    def wait(self, css: str, text: str = ""):
        def found(driver):
            return next((one for one in driver.find_elements(By.CSS_SELECTOR, css) if text in one.text), None)

        replaced = [StaleElementReferenceException]  # between finding and reading
        return WebDriverWait(self.driver, self.patience_s, 0.3, ignored_exceptions=replaced).until(
            found, f"{css} {text}"
        )

    def until(self, holds) -> None:
        WebDriverWait(self.driver, self.patience_s, 0.3).until(lambda _: holds())

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

    def choose(self, select, text: str) -> None:
        """An option of a list by its text."""
        Select(select).select_by_visible_text(text)

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


def share(pixels: np.ndarray, colour: tuple[int, int, int]) -> float:
    """Of the pixels that have a colour."""
    return float(is_colour(pixels, colour).mean())


def is_colour(pixels: np.ndarray, colour: tuple[int, int, int]) -> np.ndarray:
    return (np.abs(pixels - colour) <= 6).all(-1)


def column(pixels: np.ndarray, colour: tuple[int, int, int]) -> float:
    """The mean place of a colour, 0 left to 1 right."""
    return float(np.nonzero(is_colour(pixels, colour))[1].mean()) / pixels.shape[1]


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
      const closed = "[hidden], dialog:not([open]), details:not([open]) > :not(summary)";
      const hides = (one) => one.disabled || one.closest(closed);
      const isOther = (one) => one.type === "radio" && !one.checked;  // arrow keys reach these
      return [...document.querySelectorAll(selector)]
        .filter((one) => !hides(one) && !isOther(one) && !reached.includes(one)).map((one) => one.outerHTML)"""
    return page.driver.execute_script(script, reached, INTERACTIVE)
