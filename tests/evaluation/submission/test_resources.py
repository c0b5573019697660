import pytest

from pneumoseg.data_io.errors import InputError
from pneumoseg.evaluation.submission.resources import Resources, read_resources


def test_options_of_sbatch():
    assert Resources().sbatch_options == ()
    assert Resources(gpus=0, max_running=3).sbatch_options == ()  # the second is part of the array's option
    asked = Resources(cpus=4, memory_gb=0.5, time="1-12", partition="long", account="a.b@c")
    assert asked.sbatch_options == (
        *("--cpus-per-task=4", "--mem=512M", "--time=1-12", "--partition=long", "--account=a.b@c"),
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("cpus", 0), ("cpus", True), ("gpus", -1), ("gpus", 1.5), ("max_running", 0)),
        *(("memory_gb", 0), ("memory_gb", float("nan")), ("memory_gb", float("inf")), ("memory_gb", "8")),
        *(("time", "soon"), ("time", "1:0"), ("time", "1:00:00\n#SBATCH --exclusive"), ("time", "")),
        *(("partition", "a b"), ("partition", "a\n"), ("account", "$(id)"), ("account", 3)),
    ],
)
def test_other_values_are_refused(name, value):
    with pytest.raises(InputError, match=f"^{name} is "):
        Resources(**{name: value})


def test_flags_count_more_than_the_file(tmp_path):
    file = tmp_path / "gpu.yaml"
    file.write_text("gpus: 1\nmemory_gb: 16\ntime: 90\npartition: gpu\n")
    assert read_resources(file) == Resources(gpus=1, memory_gb=16, time="90", partition="gpu")
    assert read_resources(file, memory_gb=32.0, cpus=None).memory_gb == 32
    assert read_resources(None, cpus=2) == Resources(cpus=2)
    file.write_text("time: 12:00:00")  # to YAML, a number of base 60
    assert read_resources(file).time == "12:00:00"
    file.write_text("")
    assert read_resources(file) == Resources()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("memory: 16", "no resource is called memory; did you mean memory_gb"),
        ("- 16", "resources are lines such as memory_gb: 16, found list"),
        ("memory_gb: [16]", "memory_gb is a number above 0"),
        ("a: b: c", "not YAML"),
    ],
)
def test_a_file_of_other_content_is_refused(tmp_path, text, message):
    (tmp_path / "a.yaml").write_text(text)
    with pytest.raises(InputError, match=message):
        read_resources(tmp_path / "a.yaml")
