"""Hostile uploads through HTTP: each is refused at once in one sentence, and memory stays flat.

Jobs are done as in use, by a network that needs no training.
"""

from pathlib import Path

import pytest

from pneumoseg.evaluation.jobs.work import Workplace, do
from pneumoseg.scripts.web.limits import Limits
from tests.evaluation.jobs.conftest import KEY
from tests.evaluation.jobs.stub_models import open_models
from tests.scripts.web.hostile_uploads import CT, HOSTILE, MOST_BYTES
from tests.scripts.web.served import API, StubWorkers, serving

NAME = "\"'><script>\n\u202e../../x\x00.nii.gz"
"""Of each upload: quotes, markup, a newline, a mark that turns the text, folders."""
MOST_MB = 100


@pytest.fixture(scope="module")
def doing(tmp_path_factory):
    """A server whose jobs are done as in use, and a finished job of a CT."""
    folder = tmp_path_factory.mktemp("hostile")
    models = open_models(folder / "models")

    class Workers(StubWorkers):
        def _do(self, job) -> None:
            do(job, Workplace(self.store, "stub", models, KEY))

    limits = Limits(reserve_bytes=0, jobs_per_minute=100_000, upload_bytes=MOST_BYTES)
    with serving(folder, limits=limits, workers_of=Workers, reads=True) as served:
        yield served, served.ended(served.upload(CT), within_s=120)


def peaks_mb(anew: bool = False) -> dict[str, float]:
    """The most memory of this process and of the one that reads uploads, since it was last counted `anew`."""
    found = {}
    for children in Path("/proc/self/task").glob("*/children"):
        for process in ("self", *children.read_text().split()):
            place = Path(f"/proc/{process}")
            if process == "self" or b"jobs.arrival" in (place / "cmdline").read_bytes():
                if anew:
                    (place / "clear_refs").write_text("5")
                line = next(one for one in (place / "status").read_text().splitlines() if one.startswith("VmHWM"))
                found[process] = int(line.split()[1]) / 1000
    return found


def test_there_are_enough():
    assert len({one.name for one in HOSTILE}) == len(HOSTILE) >= 40


@pytest.mark.parametrize("hostile", HOSTILE, ids=lambda one: one.name)
def test_a_hostile_upload_is_refused_in_a_sentence(doing, tmp_path, hostile):
    served, parent = doing
    content = hostile.content if isinstance(hostile.content, bytes) else hostile.content(tmp_path)
    before = peaks_mb(anew=True)
    answer = served.client.post(
        f"{API}/jobs/{parent['id']}/scores" if hostile.reference else f"{API}/jobs",
        content=content,
        params={"filename": NAME} | hostile.parameters,
        headers={"Content-Type": hostile.kind} | hostile.headers,
    )
    assert answer.status_code == hostile.status, answer.text
    (sentence,) = answer.json().values()
    after = peaks_mb()
    assert before.keys() == after.keys()  # no upload ended the process that reads them
    assert len(after) == 2
    assert all(after[process] - before[process] < MOST_MB for process in after)
    assert hostile.words.lower() in sentence.lower()
    assert sentence.endswith(".")
    assert not sentence[0].islower() or sentence.startswith("filename:")
    assert "fault of the program" not in sentence
    unwanted = ("Traceback", "\n", "\u202e", "script", f"{tmp_path.parent}", "/0000", "ct.nii:", "work", "Work")
    assert [one for one in unwanted if one in sentence] == []
    assert list((served.store.folder / "arriving").iterdir()) == []
