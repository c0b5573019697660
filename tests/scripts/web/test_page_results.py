"""What the page shows of results: numbers, downloads, scores, change, pictures."""

import json
import re
import time

from pneumoseg.data_io.volumes.labels import CHANGE_LABELS, LUNG_LABELS
from tests.scripts.web.canned_results import ERROR_LABELS
from tests.scripts.web.page_browser import By, Keys, needs_browser, reached_by_tab, share, unreached

INFECTION = LUNG_LABELS.colours[3]
MISSED, FALSE = ERROR_LABELS.colours[1:3]


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
