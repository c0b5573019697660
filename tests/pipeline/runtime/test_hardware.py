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


@pytest.mark.parametrize(
    ("instructions", "bfloat16", "int8"),
    [
        ((), False, False),
        (("avx2", "avx512f"), False, False),
        (("avx512_bf16",), True, False),
        (("amx_bf16",), True, False),
        (("avx512_vnni",), False, True),
        (("avx_vnni",), False, True),
        (("amx_int8",), False, True),
    ],
)
def test_instructions_decide_which_precisions_are_possible(set_instructions, instructions, bfloat16, int8):
    set_instructions(*instructions)
    assert (hardware.has_bfloat16(), hardware.has_int8()) == (bfloat16, int8)


CPUINFO = """processor\t: 0
vendor_id\t: GenuineIntel
model\t\t: 143
model name\t: Some Processor
cpu MHz\t\t: 2000.0
flags\t\t: fpu avx2
"""


@pytest.fixture
def key_of(tmp_path, monkeypatch):
    """A function from the text of /proc/cpuinfo and the usable cores to the word for the processor."""

    def key(text: str, cores: int = 2) -> str:
        (tmp_path / "cpuinfo").write_text(text)
        with monkeypatch.context() as patch:
            patch.setattr(hardware, "Path", lambda path: tmp_path / path.rpartition("/")[2])
            patch.setattr(hardware, "usable_cores", lambda: cores)
            return hardware.processor_key()

    return key


def test_processors_of_one_kind_have_one_word(key_of):
    key = key_of(CPUINFO)
    assert key.endswith("-2")
    assert key_of(CPUINFO + CPUINFO.replace("processor\t: 0", "processor\t: 1").replace("2000.0", "800.0")) == key
    assert key_of(CPUINFO, cores=4) == key.replace("-2", "-4")
    for old, new in (("avx2", "avx2 amx_bf16"), ("143", "144"), ("Some", "Other"), ("Intel", "Other")):
        assert key_of(CPUINFO.replace(old, new)) != key


def test_another_system_has_a_word_for_its_processor_too(monkeypatch, tmp_path):
    monkeypatch.setattr(hardware, "Path", lambda path: tmp_path / "absent")
    one = hardware.processor_key()
    monkeypatch.setattr(hardware.platform, "machine", lambda: "arm64")
    assert hardware.processor_key() != one


@pytest.mark.parametrize(("generation", "policy"), [(7, "mixed_float16"), (8, "mixed_bfloat16"), (0, "mixed_float16")])
def test_a_gpu_computes_in_bfloat16_from_capability_8_on(monkeypatch, generation, policy):
    monkeypatch.setattr(hardware, "_gpu_generation", lambda: generation)
    assert hardware.gpu_precision() == policy


def test_processes_share_the_cores_and_have_one_at_least(monkeypatch):
    monkeypatch.setattr(hardware, "usable_cores", lambda: 5)
    assert [hardware.share_of_cores(processes) for processes in (1, 2, 5, 9)] == [5, 2, 1, 1]
