"""8-bit networks: in a folder of their own, only where they agree, with nothing left where they cannot be made."""

import importlib.util
import json
import sys
from types import SimpleNamespace

import pytest

from pneumoseg.data_io.errors import InputError
from pneumoseg.pipeline.prediction import quantization
from pneumoseg.pipeline.prediction.agreement import Agreement
from pneumoseg.pipeline.prediction.conversion import converted
from pneumoseg.pipeline.prediction.openvino_engine import openvino
from pneumoseg.pipeline.prediction.quantization import int8_network, make_int8_network


@pytest.fixture
def not_quantised(quantised):
    """A model file beside its converted network."""
    for path in int8_network(quantised).iterdir():
        path.unlink()
    int8_network_folder(quantised).rmdir()
    return quantised


def int8_network_folder(path):
    return converted(path).with_name(f"{converted(path).name}-int8")


def quantised_convolutions(folder) -> list[bool]:
    """Of each convolution, in order, whether its input is in 8 bit."""
    graph = openvino.Core().read_model(folder / "network.xml")
    convolutions = [node for node in graph.get_ordered_ops() if node.get_type_name() in quantization.CONVOLUTIONS]
    return [node.input_value(0).get_node().get_type_name() == "FakeQuantize" for node in convolutions]


def test_it_lies_in_a_folder_of_its_own_that_says_what_was_left_in_float(quantised):
    folder = int8_network(quantised)
    assert folder == int8_network_folder(quantised)
    hashes = json.loads((folder / "hashes.json").read_text())
    assert set(hashes) == {"network.xml", "network.bin", "quantization.json"}
    facts = json.loads((folder / "quantization.json").read_text())
    assert set(facts) == {"float_convolutions", "differing_voxels", "foreground_dice", "probability_difference"}
    (left,) = facts["float_convolutions"]
    assert left in (folder / "network.xml").read_text()
    assert facts["probability_difference"] < 0.03
    assert not any(quantised_convolutions(converted(quantised)))
    assert quantised_convolutions(folder)[0] is False
    assert any(quantised_convolutions(folder))


def test_it_is_made_once(quantised, random_tiles, monkeypatch):
    monkeypatch.setattr(quantization, "_write", lambda *_: pytest.fail("made again"))
    assert make_int8_network(quantised, random_tiles) == int8_network(quantised)


@pytest.mark.parametrize("file", ["network.xml", "network.bin", "quantization.json"])
def test_a_damaged_one_is_as_none(quantised, file):
    path = int8_network(quantised) / file
    path.write_bytes(bytes(path.stat().st_size))
    assert int8_network(quantised) is None
    assert converted(quantised)


def test_where_the_first_try_does_not_agree_the_last_convolution_is_left_in_float_too(
    not_quantised, random_tiles, monkeypatch, capfd
):
    answers = iter([False, True])
    monkeypatch.setattr(quantization, "_is_accurate", lambda found: next(answers))
    folder = make_int8_network(not_quantised, random_tiles)
    assert next(answers, None) is None
    first, last = json.loads((folder / "quantization.json").read_text())["float_convolutions"]
    assert first != last
    found = quantised_convolutions(folder)
    assert (found[0], found[-1]) == (False, False)
    assert any(found)
    assert capfd.readouterr().out == ""


def test_where_no_try_agrees_there_is_an_error_and_nothing_is_left(not_quantised, random_tiles, monkeypatch):
    tries = []
    monkeypatch.setattr(quantization, "_quantised", lambda path, graph, tiles, left: tries.append(len(left)) or graph)
    monkeypatch.setattr(quantization, "agreement", lambda *_: Agreement(0.25, 0.5, 0.1))
    before = sorted(not_quantised.parent.rglob("*"))
    with pytest.raises(InputError, match=r"at most 0.3% of the voxels .* 0.995, found 25.00% and 0.500"):
        make_int8_network(not_quantised, random_tiles)
    assert tries == [1, 2]
    assert sorted(not_quantised.parent.rglob("*")) == before
    assert int8_network(not_quantised) is None


@pytest.mark.parametrize(
    ("found", "accurate"),
    [
        (Agreement(0.003, 0.995, 1.0), True),
        (Agreement(0.0031, 1.0, 0.0), False),
        (Agreement(0.0, 0.9949, 0.0), False),
    ],
)
def test_classes_decide_whether_it_is_accurate(found, accurate):
    assert quantization._is_accurate(found) is accurate


def test_without_nncf_the_error_says_what_to_install(not_quantised, random_tiles, monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *more: None if name == "nncf" else find(name, *more))
    with pytest.raises(InputError, match=r"NNCF, which is not installed; install pneumoseg\[int8\]"):
        make_int8_network(not_quantised, random_tiles)


class OfNNCF(Exception):
    """As NNCF's errors, which have no base in common."""


@pytest.mark.parametrize("error", [OfNNCF("an unknown\nlayer"), RuntimeError("an unknown\nlayer")])
def test_a_network_that_nncf_cannot_take_is_an_error_of_one_line(not_quantised, random_tiles, monkeypatch, error):
    def fail(*arguments, **options):
        raise error

    known = {"Dataset": list, "QuantizationPreset": SimpleNamespace(MIXED=1), "IgnoredScope": dict, "quantize": fail}
    monkeypatch.setitem(sys.modules, "nncf", SimpleNamespace(**known))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *more: "found")
    with pytest.raises(InputError, match=r"model.keras: NNCF cannot quantise the network \(an unknown layer\)$"):
        make_int8_network(not_quantised, random_tiles)
    assert int8_network(not_quantised) is None
