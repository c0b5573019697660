"""The quickest way is taken by its median time, where its output agrees; what was measured is kept."""

import json
import weakref
from types import SimpleNamespace

import pytest

from pneumoseg.pipeline.runtime import measured_choice
from pneumoseg.pipeline.runtime.measured_choice import (
    MeasuredChoice,
    in_words,
    keep,
    median_seconds,
    quickest,
    recall,
    recall_all,
)


@pytest.fixture
def clock(monkeypatch):
    """A clock that only its `now` moves."""
    hands = SimpleNamespace(now=0.0)
    monkeypatch.setattr(measured_choice, "time", SimpleNamespace(perf_counter=lambda: hands.now))
    return hands


@pytest.fixture
def make_way(clock):
    """A function from the seconds of each call, and the output, to a way."""

    def make(*seconds: float, output: float = 1.0):
        def make_ready():
            durations = iter(seconds)

            def call() -> float:
                clock.now += next(durations)
                return output

            return call

        return make_ready

    return make


def equal(output: float, reference: float) -> bool:
    return output == reference


@pytest.mark.parametrize(("exact", "fast", "taken"), [(3.0, 2.0, "fast"), (2.0, 3.0, "exact")])
def test_the_way_of_the_shortest_time_is_taken(make_way, exact, fast, taken):
    ways = {"exact": make_way(9, exact, exact, exact), "fast": make_way(9, fast, fast, fast)}
    assert quickest(ways, agrees=equal) == MeasuredChoice(taken, {"exact": exact, "fast": fast})


def test_the_first_call_and_a_single_disturbed_one_decide_nothing(make_way):
    ways = {"exact": make_way(0, 3, 3, 3), "fast": make_way(100, 2, 100, 2)}
    assert quickest(ways, agrees=equal) == MeasuredChoice("fast", {"exact": 3, "fast": 2})


def test_the_median_is_of_three_calls(clock):
    durations = iter([5.0, 90.0, 4.0])

    def call() -> None:
        clock.now += next(durations)

    assert median_seconds(call) == 5.0
    assert next(durations, None) is None


def test_a_way_of_other_output_is_neither_timed_nor_taken(make_way):
    ways = {"exact": make_way(9, 3, 3, 3), "wrong": make_way(0, output=2.0), "fast": make_way(9, 2, 2, 2)}
    assert quickest(ways, agrees=equal) == MeasuredChoice("fast", {"exact": 3, "fast": 2})


@pytest.mark.parametrize("fails_when", ["made ready", "called"])
def test_a_way_that_fails_is_not_taken_unless_it_is_the_first(make_way, fails_when):
    def fail():
        raise RuntimeError("no such instruction")

    failing = fail if fails_when == "made ready" else lambda: fail
    assert quickest({"exact": make_way(9, 3, 3, 3), "failing": failing}, agrees=equal).name == "exact"
    with pytest.raises(RuntimeError, match="no such instruction"):
        quickest({"failing": failing, "exact": make_way(9, 3, 3, 3)}, agrees=equal)


def test_at_most_one_way_is_ready_at_a_time():
    alive = weakref.WeakSet()

    class Network:
        def __call__(self) -> float:
            assert len(alive) == 1
            return 1.0

    def make_ready() -> Network:
        assert len(alive) == 0
        network = Network()
        alive.add(network)
        return network

    choice = quickest(dict.fromkeys(("one", "two", "three"), make_ready), agrees=equal)
    assert list(choice.seconds) == ["one", "two", "three"]
    assert len(alive) == 0


def test_choices_are_kept_side_by_side(tmp_path):
    path = tmp_path / "new" / "times.json"
    one, two = MeasuredChoice("fast", {"exact": 3.0, "fast": 2.0}), MeasuredChoice("exact", {"exact": 1.0})
    assert recall(path, "one") is None
    keep(path, "one", one)
    keep(path, "two", MeasuredChoice("exact", {"exact": 7.0}))
    keep(path, "two", two)
    assert (recall(path, "one"), recall(path, "two"), recall(path, "three")) == (one, two, None)
    assert recall_all(path) == {"one": one, "two": two}


@pytest.mark.parametrize("content", [b"", b'{"key": {"name": "a", "sec', b"\xff\xfe", b"[1, 2]", b'"key"', b"[" * 99])
def test_a_file_that_cannot_be_read_is_as_none_and_is_replaced(tmp_path, content):
    path = tmp_path / "times.json"
    path.write_bytes(content)
    assert recall(path, "key") is None
    choice = MeasuredChoice("a", {"a": 1.0})
    keep(path, "key", choice)
    assert recall_all(path) == {"key": choice}


@pytest.mark.parametrize(
    "entry",
    [
        None,
        3,
        [],
        {},
        {"name": "a"},
        {"name": "a", "seconds": 1.0},
        {"name": "a", "seconds": {}},
        {"name": "a", "seconds": {"b": 1.0}},
        {"name": "a", "seconds": {"a": "soon"}},
        {"name": "a", "seconds": {"a": None}},
        {"name": "a", "seconds": {"a": 10**400}},
        {"name": ["a"], "seconds": {"a": 1.0}},
    ],
)
def test_an_entry_that_is_no_choice_is_left_out(tmp_path, entry):
    good = {"name": "a", "seconds": {"a": 1.0}}
    (tmp_path / "times.json").write_text(json.dumps({"bad": entry, "good": good}))
    assert recall_all(tmp_path / "times.json") == {"good": MeasuredChoice("a", {"a": 1.0})}


def test_a_place_that_cannot_be_written_keeps_nothing(tmp_path):
    (tmp_path / "file").write_text("no folder")
    (tmp_path / "folder").mkdir()
    for path in (tmp_path / "file" / "times.json", tmp_path / "folder"):
        keep(path, "key", MeasuredChoice("a", {"a": 1.0}))
        assert recall(path, "key") is None
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["file", "folder"]


def test_words_have_times_only_where_something_was_timed():
    assert in_words(MeasuredChoice("float32", {})) == "float32"
    assert in_words(MeasuredChoice("a", {"a": 0.5, "b": 12.345})) == "a (a 0.5 s, b 12.3 s)"
