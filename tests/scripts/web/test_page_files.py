"""The page's files are served as they are, and nothing else."""

from pneumoseg.scripts.web.page_files import page_router
from tests.scripts.web.served import PAGE, write_page


def test_files_are_routes(tmp_path):
    page = write_page(tmp_path / "page")
    (tmp_path / "secret").write_text("secret")
    (page / "link.txt").symlink_to(tmp_path / "secret")
    (page / ".hidden").write_text("hidden")
    (page / "__pycache__").mkdir()
    (page / "__pycache__" / "x.pyc").write_text("x")
    assert [route.path for route in page_router(page).routes] == ["/app.js", "/", "/vendor/x.wasm"]


def test_content_and_media_types(served):
    answer = served.client.get("/")
    assert (answer.text, answer.headers["content-type"]) == (PAGE["index.html"], "text/html; charset=utf-8")
    answer = served.client.get("/app.js?v=1")
    assert (answer.text, answer.headers["content-type"]) == (PAGE["app.js"], "text/javascript; charset=utf-8")
    assert served.client.get("/vendor/x.wasm").headers["content-type"] == "application/wasm"
    assert served.client.head("/").status_code == 200


def test_unchanged_files_are_not_sent_again(served):
    tag = served.client.get("/app.js").headers["etag"]
    again = served.client.get("/app.js", headers={"If-None-Match": tag})
    assert (again.status_code, again.content) == (304, b"")
    assert served.client.get("/app.js", headers={"If-None-Match": '"other"'}).status_code == 200


def test_nothing_else_is_served(served):
    for path in ("/%2e%2e/app.py", "/vendor", "/vendor/", "//etc/passwd", "/app.js/"):
        assert served.client.get(path).status_code == 404, path
    assert served.client.post("/").status_code == 405
