from pneumoseg.evaluation.submission.array_job import write_scripts
from pneumoseg.evaluation.submission.local import run_here
from tests.evaluation.submission.stub_job import calls, stub_job


def test_tasks_run_into_their_logs_and_a_failure_is_no_end(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    job = stub_job(tmp_path, slow="[ -e mended ] || { echo broken >&2; exit 3; }")
    write_scripts(job)
    assert run_here(job, (1, 2, 3)) == 1
    assert job.unfinished == (2, 3)
    assert job.log_of("part_2_of_3").read_text() == "broken\n"
    assert job.log_of("finish").read_text().startswith("without result: part_2_of_3 part_3_of_3")
    (tmp_path / "mended").touch()
    assert run_here(job, (2, 3)) == 0
    assert job.is_whole
    assert len(calls(job)) == 6
    assert job.log_of("part_2_of_3").read_text() == ""
