"""`pneumoseg serve` as in use, but with stub workers, and any upload is taken; prints in the end which slow packages it
imported."""

import sys
from pathlib import Path

from pneumoseg.evaluation.jobs.reception import Reception
from pneumoseg.evaluation.jobs.supervisor import Supervisor
from pneumoseg.scripts.cli import main

HEAVY = {"tensorflow", "keras", "openvino", "pandas", "matplotlib", "sklearn", "skimage", "SimpleITK", "numba"}
TAKE_ALL = "import sys\nprint(flush=True)\nfor _ in sys.stdin: print('{}', flush=True)"

if __name__ == "__main__":
    stub = str(Path(__file__).with_name("stub_worker.py"))
    Supervisor.__init__.__kwdefaults__["command"] = (sys.executable, stub)
    Reception.__init__.__kwdefaults__["command"] = (sys.executable, "-c", TAKE_ALL)
    try:
        main()
    finally:
        print(sorted(HEAVY & set(sys.modules)))
