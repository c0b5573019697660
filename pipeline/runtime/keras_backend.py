"""Keras, imported without the start-up notes of its backend; all other files take Keras from here.

TensorFlow notes on standard error what it was built with and which drivers it lacks while it is imported, before its
logging can be silenced; later notes, such as those of tf.data, are silenced by TF_CPP_MIN_LOG_LEVEL. Errors and
warnings are passed on.
"""

import contextlib
import gc
import os
import re
import sys
from collections.abc import Iterator
from importlib.abc import MetaPathFinder
from tempfile import TemporaryFile

NOTE = re.compile(
    rb"^(?:WARNING: All log messages before absl::InitializeLog|I\d{4} |To enable the following instructions).*\n?",
    re.MULTILINE,
)
"""Lines that TensorFlow's C++ code logs as information, the one that precedes the first, and one's second line."""

STANDARD_ERROR = 2
"""The file descriptor that C++ code writes to, whatever Python has made of sys.stderr."""


@contextlib.contextmanager
def without_notes() -> Iterator[None]:
    """Holds back what is written to standard error, by C++ code too, and passes all but the notes on at the end."""
    if sys.stderr is not None:
        sys.stderr.flush()
    try:
        kept = os.dup(STANDARD_ERROR)
    except OSError:  # standard error is closed
        yield
        return
    with TemporaryFile() as held, os.fdopen(kept, "wb") as shown:
        os.dup2(held.fileno(), STANDARD_ERROR)
        try:
            yield
        finally:
            if sys.stderr is not None:
                sys.stderr.flush()
            os.dup2(kept, STANDARD_ERROR)
            held.seek(0)
            shown.write(NOTE.sub(b"", held.read()))


class _NoJaxForTensorFlow(MetaPathFinder):
    """TensorFlow Lite imports JAX where that is installed, for models that are never converted here."""

    def find_spec(self, fullname: str, path: object = None, target: object = None) -> None:
        if fullname == "jax" and "tensorflow.lite.python.util" in sys.modules:
            raise ModuleNotFoundError("JAX is left out", name=fullname)


@contextlib.contextmanager
def lean_import() -> Iterator[None]:
    """Leaves out of the import of TensorFlow what takes a quarter of its time: JAX, and looking for garbage, of which
    an import makes hardly any."""
    enabled, finder = gc.isenabled(), _NoJaxForTensorFlow()
    gc.disable()
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
        if enabled:
            gc.enable()


os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "1")
with without_notes(), lean_import():
    import keras  # noqa: F401
