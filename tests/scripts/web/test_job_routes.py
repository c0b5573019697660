"""Jobs by their calls: states, events, results, cancelling and deleting."""

import json
import threading

import httpx

from tests.scripts.web.served import API, CT, serving


def events(lines) -> list[dict]:
    return [json.loads(line.removeprefix("data: ")) for line in lines if line.startswith("data: ")]


def test_a_job_is_listed_and_read(served):
    first, second = served.finished(name="one.nii.gz"), served.finished(name="two.nii.gz")
    listed = served.client.get(f"{API}/jobs").json()
    assert [job["name"] for job in listed[:2]] == ["two.nii.gz", "one.nii.gz"]
    assert served.client.get(f"{API}/jobs/{first['id']}").json() == first
    assert second["urls"] == {
        "self": f"{API}/jobs/{second['id']}",
        "events": f"{API}/jobs/{second['id']}/events",
        "results": f"{API}/jobs/{second['id']}/results",
    }
    assert second["kind"] == "segmentation"
    assert (second["progress"], second["position"], second["error"]) == (1, None, None)
    assert second["warnings"] == ["Thick slices."]


def test_what_is_not_there_is_404(served):
    for method, path in [
        ("GET", "/jobs/none"),
        ("GET", "/jobs/none/events"),
        ("POST", "/jobs/none/cancel"),
        ("DELETE", "/jobs/none"),
        ("GET", "/jobs/none/results"),
        ("GET", "/jobs/none/results/mask.nii.gz"),
        ("GET", "/jobs/..%2f..%2fetc/results/passwd"),
        ("GET", "/jobs/%00"),
    ]:
        answer = served.client.request(method, API + path)
        assert answer.status_code == 404, path
        assert list(answer.json()) == ["error"]


def test_events_tell_each_change_until_the_end(tmp_path):
    with serving(tmp_path) as served:
        job = served.upload(name="hold")
        with served.client.stream("GET", job["urls"]["events"]) as answer:
            assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
            lines = answer.iter_lines()
            states = []
            for line in lines:
                if line.startswith("data: "):
                    states.append(json.loads(line[6:])["state"])
                    served.workers.released.set()
        assert states[-1] == "finished"
        assert states[0] in ("queued", "running")
        told = events(served.client.get(job["urls"]["events"]).text.splitlines())
        assert [one["state"] for one in told] == ["finished"]


def test_events_end_when_the_job_is_deleted_or_the_server_ends(tmp_path):
    with serving(tmp_path) as served:
        first, second = served.upload(name="hold"), served.upload(name="hold")
        with served.client.stream("GET", second["urls"]["events"]) as answer:
            lines = answer.iter_lines()
            assert json.loads(next(lines)[6:])["position"] in (0, 1)
            served.client.delete(second["urls"]["self"])
            assert all(not line or json.loads(line[6:])["id"] == second["id"] for line in lines)

        begun, read = threading.Event(), []

        def listen() -> None:
            with httpx.stream("GET", f"http://127.0.0.1:{served.port}{first['urls']['events']}") as answer:
                for line in answer.iter_lines():
                    read.append(line)
                    begun.set()

        listener = threading.Thread(target=listen)
        listener.start()
        assert begun.wait(5)
    listener.join(5)
    assert not listener.is_alive()
    assert json.loads(read[0][6:])["state"] in ("queued", "running")


def test_results_are_listed_and_read(served):
    job = served.finished(CT + b"0123456789")
    listed = served.client.get(job["urls"]["results"]).json()
    assert [(one["name"], one["title"], one["bytes"]) for one in listed] == [
        ("mask.nii.gz", "Mask", 19),
        ("sizes.json", "Sizes", len('{"0000": 19}')),
    ]
    mask = served.client.get(listed[0]["url"])
    assert mask.content == CT + b"0123456789"
    assert mask.headers["content-type"] == "application/gzip"
    assert mask.headers["content-length"] == "19"
    assert mask.headers["content-disposition"] == 'attachment; filename="mask.nii.gz"'
    assert served.client.get(job["urls"]["results"] + "/other").status_code == 404
    assert served.client.get(job["urls"]["results"] + "/..%2f..%2fjobs.sqlite3").status_code == 404


def test_results_of_a_job_that_has_none_are_409(tmp_path):
    with serving(tmp_path) as served:
        bad = served.ended(served.upload(name="bad"))
        assert (bad["state"], bad["error"]) == ("failed", "This is no CT.")
        answer = served.client.get(bad["urls"]["results"])
        assert answer.status_code == 409
        assert answer.json() == {"error": "Only finished jobs have results; this one is failed."}


def test_a_waiting_and_a_running_job_are_cancelled(tmp_path):
    with serving(tmp_path) as served:
        running, waiting = served.upload(name="hold"), served.upload()
        assert served.client.post(f"{waiting['urls']['self']}/cancel").json()["state"] == "cancelled"
        assert served.client.post(f"{running['urls']['self']}/cancel").status_code == 200
        assert served.ended(running)["state"] == "cancelled"
        answer = served.client.post(f"{running['urls']['self']}/cancel")
        assert answer.status_code == 409
        assert answer.json()["error"] == "The job has ended already; it is cancelled."


def test_deleted_means_deleted(served):
    job = served.finished()
    answer = served.client.delete(job["urls"]["self"])
    assert (answer.status_code, answer.content) == (204, b"")
    assert served.client.get(job["urls"]["self"]).status_code == 404
    assert served.client.delete(job["urls"]["self"]).status_code == 404
    assert not served.store.folder_of(job["id"]).exists()


def test_a_result_that_is_deleted_while_it_is_read_is_read_to_its_end(served):
    content = CT + bytes(range(256)) * 4096 * 12
    job = served.finished(content)
    with served.client.stream("GET", f"{job['urls']['results']}/mask.nii.gz") as answer:
        pieces = answer.iter_bytes(65536)
        got = next(pieces)
        assert served.client.delete(job["urls"]["self"]).status_code == 204
        assert got + b"".join(pieces) == content
