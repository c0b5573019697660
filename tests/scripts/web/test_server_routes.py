import importlib.metadata

from tests.scripts.web.served import API, LIMITS, serving


def test_health_and_models(tmp_path):
    with serving(tmp_path) as served:
        assert served.client.get(f"{API}/health").json() == {
            "status": "ok",
            "version": importlib.metadata.version("pneumoseg"),
            "queue": 0,
            "max_upload_bytes": LIMITS.upload_bytes,
        }
        (model,) = served.client.get(f"{API}/models").json()
        assert model == {
            "name": "covid-lungs",
            "kind": "ct",
            "classes": ["lung_left", "lung_right", "infection"],
            "colours": [[31, 119, 180]] * 3,
            "calibrated": True,
        }
        served.workers.well = False
        answer = served.client.get(f"{API}/health")
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "10")
