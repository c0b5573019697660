"""The page: what it is made of, and what becomes of uploads, also of those that fail."""

import hashlib
import re

from pneumoseg.data_io.volumes.labels import LUNG_LABELS
from tests.scripts.web.page_browser import Keys, needs_browser, reached_by_tab, share, unreached
from tests.scripts.web.stand_in import PAGE

LEFT = LUNG_LABELS.colours[1]

# What the page is made of.


def test_the_vendored_viewer_is_the_published_one():
    folder = PAGE / "vendor" / "niivue-0.69.0"
    found = hashlib.sha256((folder / "niivue.umd.js").read_bytes()).hexdigest()
    assert found == "47b896b77ec4a5be3ef1949c33ad393b6f45629921f326c279000bcf51bdb4af"
    assert found in (folder / "README.md").read_text("utf-8")
    assert "BSD 2-Clause" in (folder / "LICENSE").read_text("utf-8")


def test_packages_within_the_viewer_have_their_notices():
    folder = PAGE / "vendor" / "niivue-0.69.0"
    notice, program = ((folder / name).read_text("utf-8") for name in ("NOTICE", "niivue.umd.js"))
    for package, proof in (("fflate", "invalid zip data"), ("nifti-reader-js", "GUNZIP_MAGIC_COOKIE1"),
                           ("zarrita", "spatial ndim"), ("numcodecs", "Zstd"), ("c-blosc", "blosclz")):  # fmt: skip
        assert proof.lower() in program.lower()
        assert package in notice
    for licence in ("Permission is hereby granted", "Permission to use, copy", "Redistribution and use"):
        assert licence in notice


def test_no_text_becomes_markup_and_nothing_is_fetched_from_elsewhere():
    forbidden = r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|https?://"
    for path in (*PAGE.glob("*.js"), *PAGE.glob("*.css"), *PAGE.glob("*.html")):
        assert re.findall(forbidden, path.read_text("utf-8")) == [], path.name
        assert len(path.read_text("utf-8").splitlines()) <= 300
    start = (PAGE / "index.html").read_text("utf-8")
    assert re.findall(r"\son\w+=|\sstyle=|<style|<script(?![^>]*\ssrc=)", start) == []


# What it does in a browser.


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
