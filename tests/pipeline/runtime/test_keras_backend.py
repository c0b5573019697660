import os
import subprocess
import sys

import pytest

from pneumoseg.pipeline.runtime import keras_backend


def test_start_up_notes_are_held_back_and_the_rest_is_passed_on(capfd):
    with keras_backend.without_notes():
        os.write(2, b"WARNING: All log messages before absl::InitializeLog() is called are written to STDERR\n")
        os.write(2, b"I0000 00:00:1.2 3 port.cc:153] oneDNN custom operations are on.\n")
        os.write(2, b"I0000 00:00:1.2 3 cpu.cc:1] Optimized.\nTo enable the following instructions: AVX2\n")
        print("from Python", file=sys.stderr)
        os.write(2, b"E0000 00:00:1.2 3 cuda.cc:1] no driver\nInformation I0000 of one's own")
    os.write(2, b", and after it\n")
    assert capfd.readouterr().err == (
        "from Python\nE0000 00:00:1.2 3 cuda.cc:1] no driver\nInformation I0000 of one's own, and after it\n"
    )


def test_what_was_written_before_a_failure_is_shown(capfd):
    with pytest.raises(ImportError), keras_backend.without_notes():
        os.write(2, b"F0000 00:00:1.2 3 x.cc:1] broken library\n")
        raise ImportError("no TensorFlow")
    assert capfd.readouterr().err == "F0000 00:00:1.2 3 x.cc:1] broken library\n"


@pytest.mark.parametrize(
    ("start", "given", "level"),
    [("", {}, "1"), ("import os; os.close(2); ", {"TF_CPP_MIN_LOG_LEVEL": "0"}, "0")],
    ids=["usual", "standard error is closed"],
)
def test_keras_starts_without_a_word_and_silences_later_notes_unless_one_asks_for_them(start, given, level):
    code = (
        f"{start}from pneumoseg.pipeline.runtime.keras_backend import keras\n"
        "import gc, os, sys\n"
        "print(keras.Model.__name__, os.environ['TF_CPP_MIN_LOG_LEVEL'], gc.isenabled(), 'jax' in sys.modules)\n"
    )
    kept = {name: value for name, value in os.environ.items() if name != "TF_CPP_MIN_LOG_LEVEL"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True, env=kept | given)
    assert (done.stdout, done.stderr) == (f"Model {level} True False\n", "")
