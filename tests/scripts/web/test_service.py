import time

import pytest

from pneumoseg.scripts.web import service as module
from pneumoseg.scripts.web.refusals import Refusal


def test_jobs_by_id(served):
    job = served.finished()
    assert served.service.job(job["id"]).name == job["name"]
    with pytest.raises(Refusal, match="no such job") as refused:
        served.service.job("none")
    assert refused.value.status == 404


def test_a_worker_that_comes_soon_is_waited_for(served, monkeypatch):
    class Late:
        begun = time.monotonic()

        @property
        def has_worker(self) -> bool:
            return time.monotonic() - self.begun > 0.3

    late = module.Service(served.store, Late(), [], served.service.limits, "1", served.service.admission)
    late.need_workers()
    assert late.workers.has_worker
    monkeypatch.setattr(module, "WORKER_S", -1.0)
    Late.begun = time.monotonic()
    with pytest.raises(Refusal, match="No worker") as refused:
        late.need_workers()
    assert refused.value.status == 503
