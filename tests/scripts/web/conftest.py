"""A server that the tests of a file share."""

import pytest

from tests.scripts.web.served import serving


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """A server without a token; its jobs are those of all tests of the file."""
    with serving(tmp_path_factory.mktemp("served")) as one:
        yield one
