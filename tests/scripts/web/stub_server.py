"""`pneumoseg serve` as in use, but with stub workers; prints in the end which slow packages it imported."""

import sys
from pathlib import Path

from pneumoseg.evaluation.jobs.supervisor import Supervisor
from pneumoseg.scripts.cli import main

HEAVY = {"tensorflow", "keras", "openvino", "pandas", "matplotlib", "sklearn", "skimage", "SimpleITK", "numba"}

if __name__ == "__main__":
    stub = str(Path(__file__).with_name("stub_worker.py"))
    Supervisor.__init__.__kwdefaults__["command"] = (sys.executable, stub)
    try:
        main()
    finally:
        print(sorted(HEAVY & set(sys.modules)))
