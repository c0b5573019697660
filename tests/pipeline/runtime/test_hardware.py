import pytest

from pneumoseg.data_io.errors import InputError
from pneumoseg.pipeline.runtime import hardware


@pytest.fixture
def set_limits(tmp_path, monkeypatch):
    """A function that makes this process lie in a control group, with limits by group."""

    def make(own: str, limits: dict[str, str]) -> None:
        for group, limit in limits.items():
            (tmp_path / "cgroup" / group).mkdir(parents=True, exist_ok=True)
            (tmp_path / "cgroup" / group / "memory.max").write_text(limit, encoding="ascii")
        (tmp_path / "self").write_text(own, encoding="utf-8")
        monkeypatch.setattr(hardware, "CONTROL_GROUPS", tmp_path / "cgroup")
        monkeypatch.setattr(hardware, "PROCESS_GROUP", tmp_path / "self")

    return make


@pytest.mark.parametrize(
    ("threads", "expected"), [(None, 6), ("", 6), ("0", 6), ("many", 6), ("4", 4), ("64", 6), ("1", 1)]
)
def test_cores_are_those_the_process_is_bound_to_or_fewer_by_choice(monkeypatch, threads, expected):
    monkeypatch.setattr(hardware.os, "sched_getaffinity", lambda process: set(range(2, 8)), raising=False)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    if threads is not None:
        monkeypatch.setenv("OMP_NUM_THREADS", threads)
    assert hardware.usable_cores() == expected


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        ({"": "max\n", "slurm/job_7": "max\n", "slurm/job_7/step_0": "200000000\n"}, 0.2),
        ({"slurm/job_7": "300000000\n", "slurm/job_7/step_0": "max\n", "slurm/job_8": "1\n"}, 0.3),
        ({"": "100000000\n", "slurm/job_7": "300000000\n"}, 0.1),
    ],
)
def test_a_jobs_limit_of_memory_counts_and_that_of_all_groups_it_lies_in(set_limits, limits, expected):
    set_limits("0::/slurm/job_7/step_0\n", limits)
    assert hardware.memory_gb() == pytest.approx(expected)


@pytest.mark.parametrize("own", ["0::/\n", "4:memory:/job_7\n", "0::/../../elsewhere\n"])
def test_a_container_that_shows_no_groups_has_the_limit_of_its_root(set_limits, own):
    set_limits(own, {"": "100000000\n"})
    assert hardware.memory_gb() == pytest.approx(0.1)


def test_without_control_groups_the_machines_memory_counts(tmp_path, monkeypatch):
    monkeypatch.setattr(hardware, "CONTROL_GROUPS", tmp_path)
    monkeypatch.setattr(hardware, "PROCESS_GROUP", tmp_path / "absent")
    assert 0.1 < hardware.memory_gb() < 1e6


def test_work_that_takes_more_memory_than_there_is_is_refused(monkeypatch):
    monkeypatch.setattr(hardware, "memory_gb", lambda: 2.0)
    hardware.require_memory("a small volume", 2.0, remedy="none is needed")
    hardware.require_memory("a large volume", 3.0, remedy="none is needed", available_gb=4.0)
    message = r"^a large volume would take about 3 GB of memory, this process may use 2\.0; crop it$"
    with pytest.raises(InputError, match=message):
        hardware.require_memory("a large volume", 3.0, remedy="crop it")
