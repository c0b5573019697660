"""Which precision predicts fastest is measured once for all that the times depend on, and kept with the model."""

import numpy as np
import pytest

from pneumoseg.pipeline.prediction import converted_files, precision_choice
from pneumoseg.pipeline.prediction.converted_files import TIMES, places
from pneumoseg.pipeline.prediction.precision_choice import fastest_precision, known_choices, timed_tiles
from pneumoseg.pipeline.runtime import hardware
from pneumoseg.pipeline.runtime.measured_choice import MeasuredChoice, keep
from pneumoseg.pipeline.settings.loading import load_settings

pytestmark = pytest.mark.timed

TINY = ["network.filters=[4, 8]", "patches.shape=[8, 8, 4]", "prediction.batch=2"]
NAMES = ("float32", "bfloat16", "int8")


@pytest.fixture
def choose(model, monkeypatch):
    """A function that chooses among networks whose first class has the probability 1, or another by name."""
    tile_of_ct = precision_choice._tile

    def choose(*changes, files=(model,), names=NAMES, probability=None, threads=None, engine="openvino", seen=None):
        def open_networks(name, shape, batch):
            def network(tiles):
                assert tiles.shape == (batch, *shape, 1)
                if seen is not None:
                    seen.append(tiles)
                first = (probability or {}).get(name, 1.0)
                return np.stack([np.full(tiles.shape[:-1], value) for value in (first, 1.0 - first)], axis=-1)

            return network

        if seen is None:  # for speed
            blank = np.zeros(timed_tiles(load_settings("demo", [*TINY, *changes]))[0], np.float32)
            monkeypatch.setattr(precision_choice, "_tile", lambda settings, shape: blank[..., None])
        else:
            monkeypatch.setattr(precision_choice, "_tile", tile_of_ct)
        ways = {name: lambda shape, batch, name=name: open_networks(name, shape, batch) for name in names}
        return fastest_precision(files, load_settings("demo", [*TINY, *changes]), ways, engine=engine, threads=threads)

    return choose


def test_the_fastest_is_measured_once_and_kept_beside_the_model(choose, force_seconds, model):
    force_seconds(3.0, 1.0, 2.0)
    expected = MeasuredChoice("bfloat16", {"float32": 3.0, "bfloat16": 1.0, "int8": 2.0})
    assert choose() == expected
    assert places(model, TIMES)[0].is_file()
    force_seconds()
    assert choose() == expected


@pytest.mark.parametrize(
    "other",
    [
        {"changes": ("patches.shape=[8, 8, 8]",)},
        {"changes": ("patches.shape=null", "patches.batch=1")},
        {"changes": ("prediction.batch=1",)},
        {"threads": 1},
        {"engine": "keras"},
        {"names": ("float32", "int8", "bfloat16")},
    ],
)
def test_whatever_the_times_depend_on_is_measured_anew(choose, force_seconds, other):
    force_seconds(1.0, 2.0, 3.0)
    assert choose().name == "float32"
    left, other = force_seconds(4.0, 4.0, 3.0), dict(other)
    changes = other.pop("changes", ())
    assert choose(*changes, **other).seconds["float32"] == 4.0
    assert not left
    force_seconds()
    assert choose().name == "float32"
    assert choose(*changes, **other).seconds["float32"] == 4.0


def test_another_processor_is_measured_anew(choose, force_seconds, monkeypatch):
    force_seconds(1.0, 2.0, 3.0)
    assert choose().name == "float32"
    with monkeypatch.context() as patch:
        patch.setattr(hardware, "processor_key", lambda: "another-2")
        force_seconds(3.0, 2.0, 1.0)
        assert choose().name == "int8"
    force_seconds()
    assert choose().name == "float32"


def test_another_model_and_models_together_are_measured_anew(choose, force_seconds, model):
    force_seconds(1.0, 2.0, 3.0)
    choose()
    other = model.with_name("other.keras")
    other.write_bytes(b"two")
    for files, seconds in (((other,), (3.0, 1.0, 2.0)), ((model, other), (3.0, 2.0, 1.0))):
        left = force_seconds(*seconds)
        choose(files=files)
        assert not left
    force_seconds()
    assert [choose(files=files).name for files in ((model,), (other,), (model, other))] == ["float32", *NAMES[1:]]
    assert len(list(model.parent.glob(f"*{TIMES}"))) == 3


@pytest.mark.parametrize("kept", [b"", b"[]", b"half of {", None])
def test_what_was_kept_and_is_damaged_or_foreign_is_measured_again(choose, force_seconds, model, kept):
    path = places(model, TIMES)[0]
    if kept is None:
        key = precision_choice.times_key(load_settings("demo", TINY), NAMES, engine="openvino", threads=None)
        keep(path, key, MeasuredChoice("float8", {"float8": 0.1}))
    else:
        path.write_bytes(kept)
    for _ in range(2):
        force_seconds(3.0, 2.0, 1.0)
        assert choose().name == "int8"
        path.unlink()


def test_a_model_folder_that_cannot_be_written_sends_the_times_to_the_cache(
    choose, force_seconds, model, tmp_path, monkeypatch
):
    writable = converted_files._writable
    monkeypatch.setattr(converted_files, "_writable", lambda folder: folder != model.parent and writable(folder))
    force_seconds(3.0, 1.0, 2.0)
    choose()
    assert [path.name for path in model.parent.iterdir()] == ["model.keras"]
    assert places(model, TIMES)[1].is_file()
    assert tmp_path / "cache" in places(model, TIMES)[1].parents
    force_seconds()
    assert choose().name == "bfloat16"


def test_where_nothing_can_be_written_it_is_measured_each_time(choose, force_seconds, model, tmp_path, monkeypatch):
    monkeypatch.setattr(converted_files, "_writable", lambda folder: False)
    for seconds, name in (((3.0, 1.0, 2.0), "bfloat16"), ((3.0, 2.0, 1.0), "int8")):
        force_seconds(*seconds)
        assert choose().name == name
    assert not list(tmp_path.rglob(f"*{TIMES}"))


def test_a_single_precision_is_not_timed(choose, force_seconds):
    force_seconds()
    assert choose(names=("float32",)) == MeasuredChoice("float32", {})


@pytest.mark.parametrize(("probability", "name"), [(0.98, "int8"), (0.96, "bfloat16")])
def test_a_precision_of_other_probabilities_is_not_taken(choose, force_seconds, probability, name):
    left = force_seconds(3.0, 2.0, 1.0)
    assert choose(probability={"int8": probability}).name == name
    assert left == ([] if name == "int8" else [1.0])


@pytest.mark.parametrize("shape", ["[8, 8, 4]", "[8, 8]"])
def test_tiles_are_the_middle_of_a_generated_ct_as_the_network_sees_it(choose, force_seconds, shape):
    seen = []
    force_seconds(3.0, 2.0)
    choose(f"patches.shape={shape}", names=NAMES[:2], seen=seen)
    assert {tiles.dtype for tiles in seen} == {np.dtype(np.float32)}
    assert np.isfinite(seen[0]).all()
    assert seen[0].std() > 0.01
    for tiles in seen:
        np.testing.assert_array_equal(tiles, seen[0])


def test_tiles_need_no_spacing_that_a_generated_ct_could_have(choose, force_seconds):
    force_seconds(3.0, 2.0)
    fine = choose("preprocessing.spacing_mm=[0.05, 0.05, 0.05]", names=NAMES[:2], seen=[])
    assert fine.name == "bfloat16"


@pytest.mark.parametrize(
    ("shape", "batch", "expected"),
    [
        ("[8, 8, 4]", 3, ((8, 8, 4), 3)),
        ("[128, 128, 16]", 4, ((64, 128, 16), 1)),
        ("[256, 256, 64]", 4, ((32, 64, 64), 1)),
        ("[256, 256]", 99, ((256, 256), 2)),
        ("null", 3, ((32, 32, 32), 1)),
    ],
)
def test_large_tiles_are_timed_by_a_part_of_them(shape, batch, expected):
    changes = [*TINY, f"patches.shape={shape}", "patches.batch=1", f"prediction.batch={batch}"]
    assert timed_tiles(load_settings("demo", changes)) == expected


def test_what_is_known_is_told_of_this_processor_alone(choose, force_seconds, model, monkeypatch):
    assert known_choices(model) == []
    force_seconds(3.0, 1.0, 2.0)
    choose(threads=7)
    with monkeypatch.context() as patch:
        patch.setattr(hardware, "processor_key", lambda: "another-2")
        assert known_choices(model) == []
    (words,) = known_choices(model)
    assert words.startswith("openvino 20")
    assert words.endswith(
        ", threads 7, tile 8x8x4, batch 2, float32 bfloat16 int8: bfloat16 (float32 3 s, bfloat16 1 s, int8 2 s)"
    )
    assert "processor" not in words
