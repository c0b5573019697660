import json

import pytest

from pneumoseg.data_io.errors import InputError
from pneumoseg.pipeline.prediction.signals import ClassSignals, Signals, in_json, read_signals, write_signals

SIGNALS = Signals({"infection": ClassSignals(10.0, 12.0, 0.25, 0.125, None, 0.5), "lung": ClassSignals(0.0, 0.5)}, 1.25)


def test_signals_are_written_and_read_back(tmp_path):
    write_signals(tmp_path / "a.signals.json", SIGNALS)
    assert read_signals(tmp_path / "a.signals.json") == SIGNALS
    assert in_json(SIGNALS)["classes"]["infection"]["entropy"] == 0.25


@pytest.mark.parametrize(
    "content",
    [
        "[]",
        "{}",
        '{"classes": {"infection": 1}, "distance": 1}',
        '{"classes": {"infection": {"predicted_ml": 1}}, "distance": 1}',
        '{"classes": {"infection": {"predicted_ml": "1", "expected_ml": 1}}, "distance": 1}',
        '{"classes": {}, "distance": true}',
        "no JSON",
    ],
)
def test_other_content_is_refused(tmp_path, content):
    (tmp_path / "a.signals.json").write_text(content)
    with pytest.raises(InputError, match=r"a.signals.json"):
        read_signals(tmp_path / "a.signals.json")


def test_older_signals_lack_what_came_later(tmp_path):
    content = in_json(SIGNALS)
    del content["classes"]["infection"]["stray"]
    (tmp_path / "a.json").write_text(json.dumps(content))
    assert read_signals(tmp_path / "a.json").classes["infection"].stray is None
