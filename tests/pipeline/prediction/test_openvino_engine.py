"""Converted networks in OpenVINO, with no module of this project but the one under test."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import pneumoseg
from pneumoseg.data_io.errors import InputError
from pneumoseg.pipeline.prediction import openvino_engine
from pneumoseg.pipeline.prediction.openvino_engine import compiled, openvino
from pneumoseg.pipeline.runtime import hardware

BOUND = """
import os, sys, threading
from pathlib import Path
import numpy as np
from pneumoseg.pipeline.prediction.openvino_engine import compiled

outputs = compiled([Path(sys.argv[1])], (512, 512, 1), threads=1).outputs
tiles = np.ones((1, 512, 512, 1), np.float32)
allowed = os.sched_getaffinity(0)
bound, done = set(), threading.Event()

def watch():
    while not done.is_set():
        for task in Path("/proc/self/task").iterdir():
            if os.sched_getaffinity(int(task.name)) != allowed:
                bound.add(task.name)

watcher = threading.Thread(target=watch)
watcher.start()
for _ in range(100):
    outputs(tiles)
done.set()
watcher.join()
sys.exit(f"threads bound to a core: {bound}" if bound else 0)
"""


@pytest.fixture
def make_folder(tmp_path):
    """A function from a factor to a folder with a network that multiplies by it, and a second class of zeros."""
    from openvino import opset8 as ops

    def make(factor: float):
        folder = tmp_path / str(factor)
        folder.mkdir()
        tiles = ops.parameter([-1, -1, -1, 1], np.float32)
        result = ops.multiply(tiles, ops.constant(np.array([factor, 0], np.float32)))
        openvino.save_model(openvino.Model([result], [tiles]), folder / "network.xml", compress_to_fp16=False)
        return folder

    return make


def test_several_networks_give_their_mean_for_any_number_and_size_of_tiles(make_folder):
    network = compiled([make_folder(2.0), make_folder(4.0)], (2, 2), batch=3)
    for shape in ((3, 2, 2, 1), (1, 2, 2, 1), (3, 4, 2, 1)):
        expected = np.broadcast_to(np.float32([3, 0]), (*shape[:-1], 2))
        np.testing.assert_allclose(network(np.ones(shape, np.float32)), expected)


def test_several_networks_vote_and_have_no_features_without_a_transposed_convolution(make_folder):
    network = compiled([make_folder(2.0), make_folder(-1.0), make_folder(-2.0)], (2, 2))
    found = network.outputs(np.ones((1, 2, 2, 1), np.float32))
    np.testing.assert_array_equal(found.votes, np.float32([[[[1, 2]]]]))  # of every second pixel
    assert (found.voters, found.features) == (3, ())
    assert compiled([make_folder(3.0)], (2, 2)).outputs(np.ones((1, 2, 2, 1), np.float32)).votes is None


@pytest.mark.parametrize(("has_bfloat16", "beside_8_bit"), [(True, "bf16"), (False, "f32")])
def test_threads_and_precisions_reach_openvino(make_folder, monkeypatch, has_bfloat16, beside_8_bit):
    monkeypatch.setattr(hardware, "has_bfloat16", lambda: has_bfloat16)
    properties = []
    core = openvino.Core()

    class Recording:
        read_model = staticmethod(core.read_model)

        @staticmethod
        def compile_model(model, device, given):
            properties.append((device, given["INFERENCE_PRECISION_HINT"], given.get("INFERENCE_NUM_THREADS")))
            return core.compile_model(model, device, {})

    monkeypatch.setattr(openvino, "Core", Recording)
    folder = make_folder(2.0)
    for precision, threads in (("float32", None), ("bfloat16", 1), ("int8", 2)):
        compiled([folder], (2, 2), precision=precision, threads=threads)
    assert properties == [("CPU", "f32", None), ("CPU", "bf16", "1"), ("CPU", beside_8_bit, "2")]


def test_threads_are_bound_to_no_core(make_folder):
    """Else two processes of one thread each compute on the first core, one after the other.

    In a process of its own: OpenVINO keeps the threads of networks that other tests compiled.
    """
    subprocess.run([sys.executable, "-c", BOUND, make_folder(2.0)], check=True, cwd=Path(pneumoseg.__file__).parent)


def test_more_than_the_memory_is_refused(make_folder, monkeypatch):
    monkeypatch.setattr(hardware, "memory_gb", lambda: 1e-6)
    with pytest.raises(InputError, match=r"for tiles of \[5,64,64,1\], would take .* lower prediction.batch"):
        compiled([make_folder(2.0)], (64, 64, 1), batch=5)


def test_openvino_finds_nothing_to_report_with():
    assert sys.modules["openvino_telemetry"] is None
    assert openvino_engine.NETWORK == "network.xml"
