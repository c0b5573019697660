"""A server that the tests of a file share, and a browser with the page of a stand-in for all files."""

import time

import pytest

from tests.scripts.web.page_browser import Page, browser
from tests.scripts.web.served import serving


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """A server without a token; its jobs are those of all tests of the file."""
    with serving(tmp_path_factory.mktemp("served")) as one:
        yield one


@pytest.fixture(scope="session")
def server():
    """A stand-in of the server, with canned results."""
    from tests.scripts.web.stand_in import StandIn

    server = StandIn(seconds=0.6, shape=(48, 48, 24))
    yield server
    server.stop()


@pytest.fixture(scope="session")
def driver():
    """One browser for all tests: pages are loaded anew only where they must be."""
    with browser() as driver:
        yield driver


@pytest.fixture
def page(driver, server, tmp_path):
    """The page of the stand-in; its console stays silent."""
    server.token = ""
    page = Page(driver, server, tmp_path)
    yield page
    assert page.console() == []


@pytest.fixture(scope="session")
def ct(server):
    """A finished job of a CT."""
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
